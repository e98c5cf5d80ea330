// SPDX-License-Identifier: Apache-2.0
/* state-sync's own counters and alarms, as rows like everybody's; and what is due once a second. */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "bus/owner.h"
#include "shell.h"

#define REAP_EVERY (5 * MONO_S)
#define LAG_EVERY (30 * MONO_S)

static void
store_rows(struct shell *sh)
{
	if (batch_count(sh->rows) == 0)
		return;
	if (sh->store)
		store_shell_rows(sh, batch_seal(sh->rows, "state-sync", 0, 0));
	batch_reset(sh->rows);
	arena_reset(&sh->arena);
}

/* Rows are written at the next second: an alarm may be raised while the core is inside the store. */
void
rows_shell_alarm(struct shell *sh, enum sync_alarm a, bool stands, const char *detail)
{
	if (stands == (sh->alarm_since[a] != 0))
		return;
	sh->alarm_since[a] = stands ? (uint64_t)time(NULL) : 0;
	snprintf(sh->alarm_detail[a], sizeof sh->alarm_detail[a], "%s", detail);
	log_line(stands ? NOTE_ERROR : NOTE_INFO, "alarm %s name=%s detail=\"%s\"", stands ? "raised" : "cleared",
		 sync_alarm_info[a].name, detail);
	sh->second = 0;
}

struct sync_lag
lag_of_late(const struct shell *sh)
{
	struct sync_lag both = sh->core.lag;

	for (unsigned i = 0; i < SYNC_LAG_BUCKETS; i++)
		both.bucket[i] += sh->lag_before.bucket[i];
	both.n += sh->lag_before.n;
	return both;
}

static void
put_alarm(struct shell *sh, enum sync_alarm a)
{
	const struct alarm_info *info = &sync_alarm_info[a];
	struct key key = alarm_key("state-sync", info->name);
	bool stands = sh->alarm_since[a] != 0;
	struct span row = stands ?
			      alarm_pack(&sh->arena, "state-sync", info, sh->alarm_detail[a], sh->alarm_since[a]) :
			      span_of(NULL, 0);

	batch_put_packed(sh->rows, TABLE_ALARM, key_span(&key), row, !stands);
}

static void
verdict(struct shell *sh, enum sync_alarm a, const struct watch_verdict *v)
{
	rows_shell_alarm(sh, a, v->stands, v->detail);
	snprintf(sh->alarm_detail[a], sizeof sh->alarm_detail[a], "%s", v->detail);
}

static void
look_around(struct shell *sh, mono_t now)
{
	static const enum sync_alarm looked_for[] = { SYNC_ALARM_PROCESS, SYNC_ALARM_STORE_HIGH, SYNC_ALARM_MIRROR_SLOW };
	struct sync_lag lag = lag_of_late(sh);
	struct watch_facts f = { .sync = &sh->core, .lag = &lag, .workers = sh->conf->data.workers,
				 .store_stood = sh->alarm_since[SYNC_ALARM_STORE_HIGH] != 0,
				 .silence = 3 * OWNER_ALIVE, .now = now };
	struct watch_verdict v[SYNC_ALARMS];

	store_usage(sh->store, &f.store_used, &f.store_map);
	if (f.store_map && 100 * f.store_used / f.store_map >= WATCH_STORE_LOW)
		f.store_used -= store_free(sh->store);
	watch_look(&sh->watch, &f, v);
	for (unsigned i = 0; i < sizeof looked_for / sizeof *looked_for; i++)
		verdict(sh, looked_for[i], &v[looked_for[i]]);
	sh->second = now;
}

void
rows_shell_second(struct shell *sh)
{
	struct counters set = { sync_counter_info, sh->core.count, SYNC_COUNTERS };
	mono_t now = loop_now(sh->loop);
	struct key key = counters_key("state-sync");
	uint64_t sum;
	struct span row;

	if (now - sh->second < MONO_S)
		return;
	sh->second = now;
	row = counters_pack(&sh->arena, "state-sync", &set, 1, (uint64_t)time(NULL), &sum);
	if (row.len && sum != sh->counters_sum)
		batch_put_packed(sh->rows, TABLE_COUNTERS, key_span(&key), row, false);
	sh->counters_sum = sum;
	look_around(sh, now);
	for (enum sync_alarm a = 0; a < SYNC_ALARMS; a++)
		put_alarm(sh, a);
	store_rows(sh);
	if (now - sh->reaped >= REAP_EVERY) {
		sh->reaped = now;
		store_reap(sh->store);
	}
	if (now - sh->lag_from >= LAG_EVERY) {
		sh->lag_from = now;
		sh->lag_before = sh->core.lag;
		sh->core.lag = (struct sync_lag){ 0 };
	}
}

bool
rows_shell_start(struct shell *sh)
{
	sh->rows = batch_new();
	arena_init(&sh->arena, 0);
	sh->lag_from = mono_now();
	return sh->rows != NULL;
}
