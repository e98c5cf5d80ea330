// SPDX-License-Identifier: Apache-2.0
/*
 * The core of tunnel-ctl: all control connections and calls of a node.  Pure: time, datagrams, rows
 * and randomness come in; records, effects and notes go out through the sink (design, 4).
 *
 *     tc_step()     the active node's only door
 *     tc_apply()    what a record says: on the standby, and when the tables are read back
 *     tc_activate() the shadow becomes active: timers start, what is unacknowledged goes out again
 *
 * Records come before the effects that reveal them, always.  All effects of a step are
 * EFFECT_CONTROL and come out when the step ends; those of a tunnel in the order of its Ns.
 */
#ifndef TWIN_TC_H
#define TWIN_TC_H

#include "base/counters.h"
#include "base/mono.h"
#include "base/sink.h"
#include "conf/conf.h"

struct tc;

/* Where unpredictable octets come from; the simulator has a seeded one. */
struct tc_random {
	void (*fill)(void *arg, void *octets, size_t n);
	void *arg;
};

/* Starts inactive and empty.  conf is lent until tc_configure() or tc_free().  NULL: no memory. */
struct tc *tc_new(const struct conf *, const struct tc_random *);
void tc_free(struct tc *); /* NULL is allowed */
/* A reloaded configuration: tunnels keep their profile by name.  The old one is not used any more.
 */
void tc_configure(struct tc *, mono_t now, const struct conf *);
/* Notes below this level are not even formatted. */
void tc_note_level(struct tc *, enum note_level least);

/* ---- replicated state ----------------------------------------------------------------- */

/* Forgets everything: the tables are about to be read anew. */
void tc_clear(struct tc *);
/*
 * A row of one of our own tables, packed; `removed`: it is gone.  Order: as recorded, or table by table.  What makes
 * no sense is counted and ignored.
 */
void tc_apply(struct tc *, enum table, struct span key, struct span row, bool removed);
/* Every row that would be in the store now, in a fixed order, packed: for comparing two cores. */
typedef void tc_row_fn(void *arg, enum table, struct span key, struct span row);
void tc_each_row(const struct tc *, tc_row_fn *, void *arg);

/* ---- role ----------------------------------------------------------------------------- */

/*
 * Before tc_activate(): the epoch that begins, and the one that began with tables which may lack what peers have
 * seen (0: none did; Row.Meta.stale_since).  Established tunnels from before that one are stale: on the first
 * TC_TICK each is recovered by RFC 4951, as recovery endpoint, if both ends are capable, or else dealt with as its
 * profile says.  That is how a core enters recovery, here and in the simulator: apply the rows, tc_term(tc, n, n),
 * tc_activate(), tick.  Tunnels that were recovered or opened in epoch n are not stale again.
 */
void tc_term(struct tc *, uint64_t epoch, uint64_t stale_since);
void tc_activate(struct tc *, mono_t now);
/*
 * Is there a worker that carries what we send?  Until there is one no deadline comes due, since what cannot leave is no
 * try; then every tunnel begins as it does at tc_activate().  There is one unless told otherwise.
 */
void tc_carrier(struct tc *, mono_t now, bool there);
void tc_deactivate(struct tc *); /* keeps the state, does nothing any more; no alarm stands */
bool tc_active(const struct tc *);

/* ---- events --------------------------------------------------------------------------- */

enum tc_event_kind {
	TC_DATAGRAMS, /* from workers: any number at once */
	TC_TICK,      /* tc_next_due() has come */
	TC_COMMAND,   /* an operator's words */
	TC_ROW, /* somebody else's row (table link), also while inactive: no record, no effect then
		 */
};

struct tc_datagram {
	struct endpoint peer, local;
	struct span octets; /* the UDP payload */
};

struct tc_answer {
	bool ok;
	char text[4096];
};

struct tc_event {
	enum tc_event_kind kind;
	uint64_t wall_s; /* seconds since 1970 */
	union {
		struct {
			const struct tc_datagram *in;
			unsigned n;
		} datagrams;
		struct {
			const char *const *words;
			unsigned n;
			struct tc_answer *answer;
		} command;
		struct {
			enum table table;
			struct span key, row; /* packed */
			bool removed;
		} row;
	};
};

/* The sink may be NULL for TC_ROW while inactive. */
void tc_step(struct tc *, mono_t now, const struct tc_event *, struct sink *);
/* When a TC_TICK is wanted; MONO_NEVER: not at all.  In the past: at once. */
mono_t tc_next_due(const struct tc *);

/* ---- what it counts, and what is wrong ------------------------------------------------ */

struct tc_population {
	unsigned tunnels, established, half_open, closing;
	unsigned calls, calls_established;
	unsigned recovering, away; /* RFC 4951: being recovered by us; waited for */
};
struct tc_population tc_population(const struct tc *);

#define TC_COUNTER_SETS 3 /* what happened; refusals and faults of ours; faults of the codec */
const struct counters *tc_counters(const struct tc *);

enum tc_alarm {
#define X(NAME, HAPPENED, MEANS, TODO) TC_ALARM_##NAME,
#include "alarms.def"
#undef X
	TC_ALARMS
};
extern const struct alarm_info tc_alarm_info[TC_ALARMS];
struct tc_alarm_state {
	bool stands;
	char detail[128];
};
const struct tc_alarm_state *tc_alarms(const struct tc *);
/* True once after any alarm changed. */
bool tc_alarms_changed(struct tc *);

#endif
