// SPDX-License-Identifier: Apache-2.0
/*
 * Degradations that no core notices by itself, looked for once a second: a process of this node that is silent or starts
 * again and again, a store that fills up, a twin that is slow to acknowledge.  Pure: facts in, alarms out.
 *
 * Every process tells its counters at least every OWNER_ALIVE (bus/owner.h), moved or not.
 */
#ifndef TWIN_STATE_SYNC_WATCH_H
#define TWIN_STATE_SYNC_WATCH_H

#include "sync_core.h"

#define WATCH_STARTS 8 /* greetings and farewells in a minute: more are too many; a switchover makes two or three */
#define WATCH_STORE_HIGH 85 /* percent of the map: raised; cleared below WATCH_STORE_LOW */
#define WATCH_STORE_LOW 80
#define WATCH_LAG (50 * MONO_MS) /* p99 of what the twin acknowledged in the last half minute and this one */
#define WATCH_LAG_LEAST 100	 /* of so many transactions at least */

struct watch {
	mono_t from; /* since when this node serves its processes; 0: it does not */
	mono_t minute;
	uint32_t starts[SYNC_CLIENTS]; /* greetings of each when the minute began */
	bool restarts[SYNC_CLIENTS];   /* too many in the minute before */
};

#define WATCH_DETAIL 128

struct watch_verdict {
	bool stands;
	char detail[WATCH_DETAIL];
};

/* tunnel-ctl, session-mgr and worker.0 to worker.(workers - 1) are to be there; `silence` is how long is too long,
 * for instance 3 * OWNER_ALIVE. */
void watch_processes(struct watch *, const struct sync *, unsigned workers, mono_t silence, mono_t now,
		     struct watch_verdict *);
/* All of it: verdicts[PROCESS, STORE_HIGH, MIRROR_SLOW], each by its alarm's name; the others are left alone. */
struct watch_facts {
	const struct sync *sync;
	const struct sync_lag *lag;
	unsigned workers;
	uint64_t store_used, store_map; /* octets */
	bool store_stood;		/* STORE_HIGH stands already */
	mono_t silence, now;
};
void watch_look(struct watch *, const struct watch_facts *, struct watch_verdict verdicts[SYNC_ALARMS]);
/* `stood`: whether it stands already. */
void watch_store(uint64_t used, uint64_t map, bool stood, struct watch_verdict *);
void watch_lag(const struct sync_lag *, struct watch_verdict *);

#endif
