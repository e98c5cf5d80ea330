// SPDX-License-Identifier: Apache-2.0
/*
 * Stored or fed rows of any content, in any order, and frames and ticks between them: nothing that a
 * stored record can say may harm the core, on the standby or on the node that is promoted over it.
 *
 * Input: items of  table (1), how (1), key length (1), key, row length (2), row.
 */
#include <stdlib.h>
#include <string.h>

#include "sm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
on_random(void *arg, uint8_t *out, size_t n)
{
	static uint8_t x;

	for (size_t i = 0; i < n; i++)
		out[i] = ++x;
}

static struct sm *shadow;

static void
on_record(struct sink *s, enum table t, struct span key, const ProtobufCMessage *row)
{
	uint8_t b[8192];
	size_t n = row ? protobuf_c_message_get_packed_size(row) : 0;

	if (n > sizeof b)
		abort();
	if (row)
		protobuf_c_message_pack(row, b);
	sm_apply(shadow, t, key, span_of(b, n), !row);
}

static void
on_effect(struct sink *s, const struct effect *e)
{
}

static void
on_note(struct sink *s, enum note_level l, const char *line)
{
}

static void
item(struct sm *sm, struct sm_time *t, struct rd *in, struct sink *sink)
{
	uint8_t table = rd_u8(in), how = rd_u8(in);
	struct span key = rd_span(in, rd_u8(in) & 63), row;
	struct sm_event ev = { .kind = SM_EV_TICK };

	row = rd_span(in, rd_u16(in) & 1023);
	if (!in->ok)
		return;
	t->now += (how >> 4) * 100 * MONO_MS;
	t->wall += how >> 6;
	if ((how & 3) == 3)
		sm_activate(sm, *t, sink);
	if (how & 4) {
		struct sm_frame f[2] = { { 1, table & 3, row }, { 1, table & 3, row } };

		ev.kind = SM_EV_FRAMES;
		ev.frames.v = f;
		ev.frames.n = 1 + (how & 1);
		sm_step(sm, *t, &ev, sink);
		return;
	}
	sm_apply(sm, (enum table)(table & 31), key, row, how & 8);
	sm_apply(shadow, (enum table)(table & 31), key, row, how & 8);
	sm_step(sm, *t, &ev, sink);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct conf conf;
	struct sink sink = { on_record, on_effect, on_note };
	struct sm_env env = { on_random, NULL };
	struct sm *sm = sm_new(&env);
	struct sm_time t = { 1000 * MONO_S, 1700000000 };
	struct sm_event tick = { .kind = SM_EV_TICK };
	struct rd in = rd_of(data, len);

	shadow = sm_new(&env);
	conf.ppps = 1;
	conf.ppp[0].ipv4 = true;
	conf.ppp[0].mru = 1500;
	strcpy(conf.ppp[0].pool, "p");
	conf.pools = 1;
	strcpy(conf.pool[0].name, "p");
	conf.pool[0].family = 4;
	conf.pool[0].ranges = 1;
	ip_addr_parse("10.0.0.1", &conf.pool[0].range[0].first);
	ip_addr_parse("10.0.0.9", &conf.pool[0].range[0].last);
	sm_configure(sm, &conf);
	sm_configure(shadow, &conf);
	for (int i = 0; i < 200 && rd_left(&in); i++)
		item(sm, &t, &in, &sink);
	sm_activate(sm, t, &sink);
	for (int i = 0; i < 5; i++, t.now += 10 * MONO_S, t.wall += 10)
		sm_step(sm, t, &tick, &sink);
	free(sm_dump(sm));
	sm_activate(shadow, t, &sink);
	sm_free(sm);
	sm_free(shadow);
	return 0;
}
