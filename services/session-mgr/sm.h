// SPDX-License-Identifier: Apache-2.0
/*
 * The session core: PPP links and subscribers of a node, their addresses, their accounting.
 *
 *	sm_configure(sm, conf);
 *	sm_apply(...) for every row of the tables tunnel, call, call_info, link, subscriber, lease, usage, acct
 *	sm_activate(sm, t, sink);			this node is active: timers start, rows are compared
 *	sm_step(sm, t, &event, sink);			whatever happens
 *	sm_next_due(sm)					when a tick is due
 *
 * It reads no clock and no socket.  Its replicated state changes by sm_apply alone: what a step decides
 * becomes a row, goes to the sink, and through sm_apply.  A standby calls sm_apply only.
 *
 * Rows of tunnel-ctl are reacted to in the step after they were applied (sm_next_due is then "now").
 * Effects: EFFECT_PPP (a frame for the peer), EFFECT_AAA (detail: struct aaa_request, reveals nothing),
 * EFFECT_OTHER (detail: struct acct_ask).
 */
#ifndef SM_SM_H
#define SM_SM_H

#include "aaa.h"
#include "acct.h"
#include "base/counters.h"
#include "base/sink.h"
#include "conf/conf.h"

enum sm_counter {
#define X(NAME, SENTENCE) SM_##NAME,
#include "counters.def"
#undef X
	SM_COUNTERS
};

enum sm_alarm {
#define X(NAME, HAPPENED, MEANS, TODO) SM_ALARM_##NAME,
#include "alarms.def"
#undef X
	SM_ALARMS
};

extern const struct counter_info sm_counter_info[SM_COUNTERS];
extern const struct alarm_info sm_alarm_info[SM_ALARMS];

/* Both clocks of a step: the node's, and seconds since 1970 for what rows and accounting say. */
struct sm_time {
	mono_t now;
	uint64_t wall;
};

struct sm_env {
	void (*random)(void *arg, uint8_t *out, size_t n); /* octets never given before */
	void *arg;
};

/* One worker's counters of one session, cumulative for its instance. */
struct sm_usage {
	uint16_t tunnel, session;
	uint64_t in_octets, out_octets, in_packets, out_packets, drops;
};

/* A PPP frame from the peer, from its protocol field on. */
struct sm_frame {
	uint16_t tunnel, session;
	struct span octets;
};

enum sm_event_kind {
	SM_EV_TICK,	 /* deadlines; changed rows */
	SM_EV_FRAMES,	 /* .frames: from peers, in order; one session's are one step of it */
	SM_EV_AAA,	 /* .aaa: an answer */
	SM_EV_ACCT_DONE, /* .acct: an accounting request was answered, or by nobody */
	SM_EV_USAGE,	 /* .usage */
	SM_EV_CLEAR,	 /* .clear: an operator ends sessions */
};

struct sm_event {
	enum sm_event_kind kind;
	union {
		struct {
			const struct sm_frame *v;
			unsigned n;
		} frames;
		const struct aaa_answer *aaa;
		struct {
			struct span key;
			bool answered;
		} acct;
		struct {
			uint32_t worker;
			uint64_t instance;
			const struct sm_usage *v;
			unsigned n;
		} usage;
		struct {
			uint16_t tunnel, session; /* or: */
			const char *user;	  /* every session of this user */
			unsigned *ended;	  /* how many; may be NULL */
		} clear;
	};
};

struct sm;

struct sm *sm_new(const struct sm_env *); /* NULL: no memory */
void sm_free(struct sm *);
/* Copies what it needs.  Sessions that exist keep going under the new configuration. */
void sm_configure(struct sm *, const struct conf *);
/* Notes below this level are left out; NOTE_INFO unless told.  Sessions that come and go are NOTE_DEBUG. */
void sm_note_level(struct sm *, enum note_level least);
/* Forgets every row, and is not active any more. */
void sm_reset(struct sm *);
/* A row as packed in the store; what cannot be read is counted and left out. */
void sm_apply(struct sm *, enum table table, struct span key, struct span row, bool removed);
void sm_activate(struct sm *, struct sm_time, struct sink *);
bool sm_active(const struct sm *);
void sm_step(struct sm *, struct sm_time, const struct sm_event *, struct sink *);
mono_t sm_next_due(const struct sm *); /* MONO_NEVER: nothing; never in the future while rows wait */

struct counters *sm_counters(struct sm *);
/* Stands the alarm, and with which words?  Evaluated at ticks, at least once a second while active. */
bool sm_alarm(const struct sm *, enum sm_alarm, const char **detail);

/* ---- For commands: what a pool holds, what a session is.  `fn` false ends the walk. */
struct sm_pool_info {
	const char *name;
	uint8_t family, unit_len;
	uint64_t total, held, kept;
};
unsigned sm_pools(const struct sm *, struct sm_pool_info out[CONF_POOLS]);

struct sm_totals {
	unsigned sessions, links, subscribers, forwarding, acct_waiting;
};
struct sm_totals sm_totals(const struct sm *);

/* What is not worth a row: the moment's view of one session.  False: no such link here. */
struct sm_live {
	uint8_t phase; /* enum ppp_phase */
	bool forwarding, waits_for_aaa;
	uint32_t echo_sent, echo_lost;
	unsigned echoes;
	uint16_t echo_ms[PPP_ECHO_RING]; /* latest first; PPP_ECHO_LOST */
	uint64_t usage[5];		 /* in octets, out octets, in packets, out packets, drops */
	uint64_t last_active;		 /* seconds since 1970; 0: never */
};
bool sm_live(struct sm *, uint16_t tunnel, uint16_t session, struct sm_live *);

/* All replicated state as sorted text: two cores with the same rows give the same text.  free() it. */
char *sm_dump(struct sm *);

#endif
