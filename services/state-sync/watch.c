// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_LEN 32

static void __attribute__((format(printf, 2, 3)))
raise_it(struct watch_verdict *v, const char *fmt, ...)
{
	size_t len = strlen(v->detail);
	va_list ap;

	v->stands = true;
	if (len && len + 2 < sizeof v->detail) {
		memcpy(v->detail + len, ", ", 3);
		len += 2;
	}
	va_start(ap, fmt);
	vsnprintf(v->detail + len, sizeof v->detail - len, fmt, ap);
	va_end(ap);
}

/* --- processes ----------------------------------------------------------------------------------------- */

static void
expected(unsigned i, char name[NAME_LEN])
{
	if (i < 2)
		snprintf(name, NAME_LEN, "%s", i == 0 ? "tunnel-ctl" : "session-mgr");
	else
		snprintf(name, NAME_LEN, "worker.%u", i - 2);
}

static int
slot_of(const struct sync *s, const char *who)
{
	for (unsigned i = 0; i < s->clients; i++)
		if (s->client[i].used && strcmp(s->client[i].who, who) == 0)
			return (int)i;
	return -1;
}

static void
count_starts(struct watch *w, const struct sync *s, mono_t now)
{
	bool over = now - w->minute >= 60 * MONO_S;

	for (unsigned i = 0; i < SYNC_CLIENTS; i++) {
		uint32_t since = s->client[i].life - w->starts[i];
		bool many = s->client[i].used && since > WATCH_STARTS;
		w->restarts[i] = over ? many : (w->restarts[i] || many);
		if (over)
			w->starts[i] = s->client[i].life;
	}
	if (over)
		w->minute = now;
}

void
watch_processes(struct watch *w, const struct sync *s, unsigned workers, mono_t silence, mono_t now,
		struct watch_verdict *v)
{
	char name[NAME_LEN];

	*v = (struct watch_verdict){ 0 };
	if (s->role == SYNC_R_UNKNOWN || !s->meta.complete) { /* nobody is welcome yet */
		w->from = 0;
		return;
	}
	if (!w->from) {
		w->from = w->minute = now;
		for (unsigned i = 0; i < SYNC_CLIENTS; i++)
			w->starts[i] = s->client[i].life;
	}
	count_starts(w, s, now);
	for (unsigned i = 0; i < 2 + workers; i++) {
		expected(i, name);
		int at = slot_of(s, name);
		mono_t heard = at >= 0 && s->client[at].heard > w->from ? s->client[at].heard : w->from;
		if (now - heard > silence)
			raise_it(v, "%s is silent", name);
		else if (at >= 0 && w->restarts[at])
			raise_it(v, "%s starts again and again", name);
	}
}

/* --- store, twin ---------------------------------------------------------------------------------------- */

void
watch_store(uint64_t used, uint64_t map, bool stood, struct watch_verdict *v)
{
	unsigned percent = map ? (unsigned)(100 * used / map) : 0;

	*v = (struct watch_verdict){ 0 };
	if (percent >= (stood ? WATCH_STORE_LOW : WATCH_STORE_HIGH))
		raise_it(v, "%u %% of %llu MiB", percent, (unsigned long long)(map >> 20));
}

void
watch_lag(const struct sync_lag *lag, struct watch_verdict *v)
{
	mono_t p99 = sync_lag_at(lag, 0.99);

	*v = (struct watch_verdict){ 0 };
	if (lag->n >= WATCH_LAG_LEAST && p99 > WATCH_LAG)
		raise_it(v, "99 %% within %u ms", (unsigned)(p99 / MONO_MS));
}

void
watch_look(struct watch *w, const struct watch_facts *f, struct watch_verdict v[SYNC_ALARMS])
{
	watch_processes(w, f->sync, f->workers, f->silence, f->now, &v[SYNC_ALARM_PROCESS]);
	watch_store(f->store_used, f->store_map, f->store_stood, &v[SYNC_ALARM_STORE_HIGH]);
	watch_lag(f->lag, &v[SYNC_ALARM_MIRROR_SLOW]);
}
