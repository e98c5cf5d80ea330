// SPDX-License-Identifier: Apache-2.0
/* Counters and alarms as rows of the node's own tables.  See counters.h. */
#include "base/counters.h"

#include <stdio.h>

#include "rows.pb-c.h"

static struct span
packed(struct arena *a, const ProtobufCMessage *m)
{
	uint8_t *p = arena_alloc(a, protobuf_c_message_get_packed_size(m));

	return p ? span_of(p, protobuf_c_message_pack(m, p)) : span_of(NULL, 0);
}

/* HELLO_LOST is hello-lost to people. */
static char *
public_name(struct arena *a, const char *name)
{
	char *out = arena_text(a, span_of(name, strlen(name)));

	for (char *c = out; c && *c; c++) {
		if (*c == '_')
			*c = '-';
		else if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	return out;
}

struct span
counters_pack(struct arena *a, const char *process, const struct counters *sets, unsigned n,
	      uint64_t at, uint64_t *sum)
{
	Row__Counters row = ROW__COUNTERS__INIT;
	uint64_t digest = 1469598103934665603u; /* FNV-1a over the values */
	size_t total = 0;

	for (unsigned s = 0; s < n; s++)
		total += sets[s].n;
	row.process = arena_text(a, span_of(process, strlen(process)));
	row.name = arena_alloc(a, total * sizeof *row.name);
	row.value = arena_alloc(a, total * sizeof *row.value);
	if (!row.process || !row.name || !row.value)
		return span_of(NULL, 0);
	for (unsigned s = 0; s < n; s++) {
		for (unsigned i = 0; i < sets[s].n; i++) {
			row.name[row.n_name] = public_name(a, sets[s].info[i].name);
			if (!row.name[row.n_name++])
				return span_of(NULL, 0);
			row.value[row.n_value++] = sets[s].v[i];
			digest = (digest ^ sets[s].v[i]) * 1099511628211u;
		}
	}
	row.at = at;
	if (sum)
		*sum = digest;
	return packed(a, &row.base);
}

struct key
counters_key(const char *process)
{
	return key_text(process);
}

struct key
alarm_key(const char *process, const char *name)
{
	char text[KEY_MAX];

	snprintf(text, sizeof text, "%s/%s", process, name);
	return key_text(text);
}

struct span
alarm_pack(struct arena *a, const char *process, const struct alarm_info *alarm, const char *detail,
	   uint64_t since)
{
	Row__Alarm row = ROW__ALARM__INIT;

	row.name = (char *)alarm->name;
	row.detail = (char *)detail;
	row.process = (char *)process;
	row.since = since;
	return packed(a, &row.base);
}
