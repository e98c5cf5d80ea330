// SPDX-License-Identifier: Apache-2.0
/*
 * Who is active, in which epoch, and until when: the election of a pair, without a socket or a clock.
 *
 *      START ──heard an active twin / lost the comparison──► STANDBY ◄──────────────┐
 *        │                                                     │ twin silent for `dead`, or its offer
 *        └──silence for `start_wait`, or won──► PROMOTING ◄────┘                    │
 *                                                  │ state-sync: ready              │ heard a higher epoch
 *                                                  ▼                                │
 *                                               ACTIVE ─────────────────────────────┘
 *
 * The rules, their proofs and the two policies: docs/decisions/0006-two-node-election.md.
 *
 * One door: elect_step().  Time comes in with each event; the shell ticks every conf.heartbeat, after it
 * has read its sockets.  Outputs go through struct elect_out, during the call.
 */
#ifndef TWIN_ELECT_CORE_H
#define TWIN_ELECT_CORE_H

#include "base/counters.h"
#include "base/mono.h"
#include "base/sink.h"
#include "beat.h"
#include "conf/conf.h"

#define ELECT_SENT 256	   /* sending times remembered, by sequence number */
#define ELECT_HISTORY 16   /* last changes of role, for `status` */
#define ELECT_CAUSE 64

struct elect_conf {
	char node[CONF_NAME];
	uint8_t side;	  /* low bit of our epochs; the twin's is the other one */
	bool pair;	  /* false: one node, always active */
	bool preferred;
	enum conf_policy policy;
	unsigned paths;
	mono_t heartbeat, dead, lease, start_wait;
	mono_t sync_dead;     /* state-sync silent this long: hand over */
	mono_t handover_wait; /* a planned switchover that takes longer is called off */
	mono_t probation;     /* after a stall, this long in silence before an active goes on alone */
};

/* From the configuration, with what it leaves open at sane values; also corrects dead <= lease and the like. */
void elect_conf_from(const struct conf *, struct elect_conf *out);

/* What state-sync says about itself (proto/elect.proto, Status). */
struct elect_status {
	bool active;		/* it serves as active under `epoch` */
	bool ready;		/* store open and whole: may be promoted */
	bool empty;		/* store has never held anything */
	bool quiesced;		/* commits nothing; the twin holds all up to `position` */
	bool mirrored;		/* active: the twin holds, and will hold, all that is released.  standby: that twin are we */
	uint64_t epoch;		/* its role's */
	uint64_t store_epoch;	/* of the store's last transaction */
	uint64_t position, lineage;
	uint64_t ask;		/* active: number of its wish to go on without the twin; 0: none */
	uint64_t seen_epoch;	/* highest epoch the mirror has shown it */
	bool linked;		/* the mirror connection stands */
};

/* What we want of state-sync, all of it every time (proto/elect.proto, Order). */
struct elect_order {
	bool active;
	bool quiesce;
	bool force;	 /* promote although the store is not whole: what there is, or an empty one */
	bool stale;	 /* standby: the active has gone on without this node: it does not hold everything any more */
	bool fresh;	 /* a promotion; else this node was active in `epoch` already, and its store must say so too */
	uint64_t epoch;
	uint64_t alone;	 /* number of the last wish to go on alone that is granted */
	bool vouched;	 /* a promotion: the active said that this node holds all that anybody was shown */
	bool blind;	 /* a promotion: nobody answered; what others have served meanwhile is not known */
};

enum elect_event_kind {
	ELECT_TICK,
	ELECT_DUE,	  /* elect_due() is over, between two ticks */
	ELECT_BEAT,	  /* an authentic heartbeat: `beat` */
	ELECT_REFUSED,	  /* the twin's kernel says that nobody takes our heartbeats there */
	ELECT_STATUS,	  /* from state-sync: `status` */
	ELECT_SYNC_GONE,  /* its connection ended */
	ELECT_SWITCHOVER, /* operator; `ticket` is answered */
	ELECT_PROMOTE,	  /* operator: be (or go on as) active without the twin; `force`: although not mirrored */
	ELECT_GRANT,	  /* arbiter: may be active without the twin for `ttl` */
	ELECT_DENY,	  /* arbiter: may not, for `ttl` */
	ELECT_LEAVE,	  /* this process is told to end: hand over or say goodbye */
};

struct elect_event {
	enum elect_event_kind kind;
	const struct beat *beat;
	const struct elect_status *status;
	uint64_t ticket; /* 0: nobody waits for an answer */
	bool force;
	mono_t ttl;
};

enum elect_alarm {
#define X(NAME, HAPPENED, MEANS, TODO) ELECT_ALARM_##NAME,
#include "alarms.def"
#undef X
	ELECT_ALARMS
};
extern const struct alarm_info elect_alarm_info[ELECT_ALARMS];

enum elect_counter {
#define X(NAME, SENTENCE) ELECT_C_##NAME,
#include "counters.def"
#undef X
	ELECT_COUNTERS
};
extern const struct counter_info elect_counter_info[ELECT_COUNTERS];

struct elect_out {
	void (*beat)(struct elect_out *, const struct beat *);	     /* send on every path, now */
	void (*lease)(struct elect_out *, uint64_t epoch, bool active, mono_t until); /* publish (proto/role.proto) */
	void (*order)(struct elect_out *, const struct elect_order *);
	void (*addresses)(struct elect_out *, bool hold);	     /* claim (announce), or release */
	void (*alarm)(struct elect_out *, enum elect_alarm, bool stands, const char *detail);
	void (*note)(struct elect_out *, enum note_level, const char *line);
	void (*answer)(struct elect_out *, uint64_t ticket, bool ok, const char *text);
};

/* What a restarted elector needs of the one before it; the shell writes it down after every step. */
struct elect_saved {
	uint8_t role;
	bool whole;	  /* standby: what the active said last */
	bool offering;
	bool twin_active; /* standby: the twin was */
	uint64_t epoch, top_epoch; /* top: highest ever seen or taken */
	uint64_t boot, seq;
	mono_t until; /* of the lease */
	mono_t heard; /* when the twin was, last */
	mono_t dead;  /* the longer one of the two nodes' */
};

struct elect_change {
	mono_t at, took; /* took: from the decision (or the command) to the end of it */
	uint8_t role;
	bool stale; /* active although the store may lack what peers have seen */
	uint64_t epoch;
	char cause[ELECT_CAUSE];
};

struct elect_path {
	mono_t heard; /* 0: never */
	uint64_t seq;
	bool down;
};

struct elect {
	struct elect_conf conf; /* conf.dead: the longer one of the two nodes' */
	mono_t own_dead;	/* as configured here */
	enum elect_role role;
	uint64_t epoch;	    /* of our role: as standby, the active's as far as known */
	uint64_t top_epoch;
	uint64_t boot, seq;
	enum elect_role told; /* what the last beat said of it */
	mono_t started, last_tick, role_since;

	/* lease (active only) */
	mono_t until;
	uint64_t floor_seq; /* acknowledgements below do not extend it */
	bool lapsed;
	bool overtaken;	    /* while lapsed: a whole twin may have promoted meanwhile, even if nobody is heard now */
	bool slept;	    /* while promoting: others may have acted, so the lease begins lapsed */
	bool forced;	    /* operator: go on without the twin, until it is heard */
	mono_t grant_until, deny_until;

	/* whole: the twin holds everything that was ever revealed (active: we decide; standby: as told) */
	bool whole;
	uint64_t whole_seq; /* active: since this beat of ours the twin is told that it is not */
	uint64_t alone;	    /* last wish of state-sync granted */

	/* the twin */
	struct beat twin;   /* last one that counted */
	mono_t heard;	    /* when; 0: never */
	mono_t heard_before; /* the same of the elector before this one */
	mono_t stranger_at; /* when a life of the twin that has not proved itself was heard last; 0: never */
	mono_t refused_at;  /* its kernel answered in place of its elector; 0: never */
	mono_t gap;	    /* largest between two of its beats lately: see elect_patience */
	mono_t quiet_from;  /* silence is counted from here at the earliest: we were not running before */
	uint64_t awake_seq; /* after a long sleep: whole is what an answer to this beat or a later one says; 0: any beat */
	mono_t nobody_from; /* since when neither node is active; 0: one is */
	uint64_t acked;	    /* highest beat of ours (this boot) that it has heard */
	uint64_t new_boot, new_seq; /* a life of the twin that has not proved itself yet */
	bool goodbye;
	struct elect_path path[CONF_PATHS];
	mono_t sent[ELECT_SENT];

	/* state-sync */
	struct elect_status status;
	mono_t status_at;   /* 0: not connected */
	mono_t sync_since;  /* connected or lost at */
	struct elect_order order;
	mono_t order_at;

	/* a switchover under way, as active */
	bool quiescing, offering, cancelled;
	bool handed;	    /* standby, and the twin that took the role may not be active yet: see elect_handed_end */
	bool leaving;
	uint64_t ticket;
	uint64_t offer_position;
	mono_t resting;	    /* not offering yet: state-sync came to rest at `offer_position`; 0: it has not */
	mono_t switch_from;
	mono_t promote_from; /* as promoting */
	char cause[ELECT_CAUSE];
	mono_t lone;	    /* how long this node has run without hearing the twin */
	bool holding;	    /* addresses */
	bool force_store;
	bool vouched;	    /* as promoting: see struct elect_order */
	bool blind;	    /* the same; as active: this epoch began so */

	bool alarm[ELECT_ALARMS];
	struct elect_change history[ELECT_HISTORY];
	unsigned changes;
	uint64_t count[ELECT_COUNTERS];
};

/* `boot`: random, not 0.  `saved`: of an elector of this machine's same boot, or NULL. */
void elect_init(struct elect *, const struct elect_conf *, mono_t now, uint64_t boot, const struct elect_saved *saved);
void elect_step(struct elect *, mono_t now, const struct elect_event *, struct elect_out *);
/* Other times, names or policies, of the same pair. */
void elect_conf_set(struct elect *, const struct elect_conf *);
void elect_saved_take(const struct elect *, struct elect_saved *out);

/* May this node send at `now`?  (What the published lease says.) */
bool elect_holds_lease(const struct elect *, mono_t now);
/* How long nothing was heard of the twin while we were running. */
mono_t elect_silence(const struct elect *, mono_t now);
/* Silence after which this standby promotes: conf.dead, and more while the twin's beats come unevenly. */
mono_t elect_patience(const struct elect *);
/* When a decision may be due ahead of the next tick (a promotion; a lease that would end before it); MONO_NEVER: none is. */
mono_t elect_due(const struct elect *);
bool elect_twin_heard(const struct elect *, mono_t now); /* within `dead` */
bool elect_sync_up(const struct elect *, mono_t now);
bool elect_may_leave(const struct elect *); /* after ELECT_LEAVE: nothing more to wait for */
const char *elect_role_name(enum elect_role);

#endif
