// SPDX-License-Identifier: Apache-2.0
/*
 * The store's transactions, their way to the twin and back to the owners: state-sync without a socket.
 *
 *      owner --SUBMIT--> pending --flush--> commit (position n) --FEED--> every process of this node
 *                                              │
 *                                              └--TXN n--> twin: commit, FEED there --ACK n--> COMMITTED to owners
 *
 * Modes of the active (status.mirror; proto/sync.proto Mirror):
 *
 *      ALONE ──session──► CATCHING_UP ──twin close──► (holding) ──twin holds all──► MIRRORED
 *        ▲                     │ session lost            │ session lost                 │ twin lost for `degrade`
 *        ├─────────────────────┴─────────────────────────┘                              ▼
 *        └──────────────────────────── elector grants the wish ◄────────────────── asks the elector
 *
 * `solo` decides what COMMITTED means: held by this store, or held by the twin.  Leaving MIRRORED
 * needs the elector's word, because it must first make sure that the twin will not promote
 * (docs/decisions/0006-two-node-election.md).
 *
 * One door: sync_step().  The store is written synchronously through struct sync_out; a refusal is an
 * ordinary answer.  Pending batches are committed at SYNC_FLUSH, which the shell says when it has read
 * all that its sockets held: no wait when idle, large transactions under load.
 *
 * Everything that comes from the twin or a client is checked before it touches the store.
 */
#ifndef TWIN_SYNC_CORE_H
#define TWIN_SYNC_CORE_H

#include "base/counters.h"
#include "base/mono.h"
#include "base/sink.h"
#include "base/tables.h"
#include "mirror.h"

#define SYNC_CLIENTS 320	/* processes of a node that are connected */
#define SYNC_IDENTITY 64
#define SYNC_WHO 32
#define SYNC_TXN_FRAMES 48	/* a message of the bus holds 64 */
#define SYNC_LAG_BUCKETS 256

struct sync_conf {
	char node[MIRROR_NAME];
	uint8_t side;
	bool pair;
	mono_t degrade;		/* twin unreachable this long: wish to go on alone */
	bool alone_waits_disk;	/* alone: COMMITTED only after the disk sync */
	mono_t disk_every;	/* alone: a disk sync at least this often */
	size_t log_octets;	/* transactions kept for a twin that comes back; 0: 32 MiB */
	size_t log_octets_max;	/* the same while a twin is catching up; 0: 256 MiB */
	size_t pending_octets;	/* submitted and not committed; beyond: refused; 0: 64 MiB */
	size_t flight_octets;	/* sent to the twin and not acknowledged; 0: 8 MiB */
};

/* What META says (two rows: the numbers, and the terms). */
struct sync_meta {
	uint64_t position, epoch, lineage;
	bool complete; /* false: half a snapshot */
	bool mirrored; /* standby: was told so under `epoch` */
	/*
	 * The epoch that began from a store which may lack what peers have seen: found on disk, or not held up to date
	 * by the active until that one ended.  tunnel-ctl decides by it whether tunnels are stale (RFC 4951).
	 */
	uint64_t stale_since;
	char node[MIRROR_NAME]; /* who wrote it: the active */
	struct mirror_term term[MIRROR_TERMS];
	unsigned terms;
};

/* A Records frame inside a transaction. */
struct sync_frame {
	struct span bytes;
	uint16_t client;    /* who submitted it here; SYNC_CLIENTS: nobody of this node */
	uint32_t life;	    /* of that client */
	uint64_t up_to;	    /* its last sequence number */
};

struct sync_txn {
	uint64_t position, epoch;
	mono_t since;	  /* the oldest of its records was submitted */
	size_t octets;	  /* of memory */
	unsigned frames;
	struct sync_frame *frame; /* in the same block, and so are the octets */
};

struct sync_status { /* field by field struct elect_status of the elector; see there */
	bool active, ready, empty, quiesced, mirrored;
	uint64_t epoch, store_epoch, position, lineage, ask, seen_epoch;
	bool linked;
};

struct sync_order { /* field by field struct elect_order */
	bool active, quiesce, force, stale, fresh, vouched, blind;
	uint64_t epoch, alone;
};

enum sync_kind { /* numbers of proto/sync.proto, Kind */
	SYNC_K_NONE, SYNC_K_HELLO, SYNC_K_WELCOME, SYNC_K_SUBMIT, SYNC_K_COMMITTED, SYNC_K_FEED, SYNC_K_ROLE,
	SYNC_K_RESET, SYNC_K_REFUSED, SYNC_K_LOCAL
};
enum sync_role { SYNC_R_UNKNOWN, SYNC_R_STANDBY, SYNC_R_ACTIVE };
enum sync_mirror { SYNC_M_ALONE, SYNC_M_CATCHING_UP, SYNC_M_MIRRORED };

/* proto/sync.proto, Header. */
struct sync_head {
	enum sync_kind kind;
	uint64_t position, up_to, epoch;
	enum sync_role role;
	enum sync_mirror mirror;
	const char *reason;
};

enum sync_event_kind {
	SYNC_HELLO,	  /* client: `identity`, `who` */
	SYNC_SUBMIT,	  /* client: `identity`, `frames` */
	SYNC_LOCAL,	  /* client: `identity`, `frames` */
	SYNC_CLIENT_GONE, /* `identity`: its connection is known to be gone */
	SYNC_TWIN_UP,	  /* the mirror connection came up */
	SYNC_TWIN_DOWN,
	SYNC_TWIN,	  /* `head`, `frames` */
	SYNC_ORDER,	  /* `order` */
	SYNC_DISK,	  /* everything up to `position` is on disk */
	SYNC_FLUSH,	  /* nothing more to read at the moment */
	SYNC_TICK,	  /* every 10 ms or so */
	SYNC_RESYNC,	  /* operator: drop the mirror session; `snapshot`: and copy everything anew */
};

struct sync_event {
	enum sync_event_kind kind;
	struct span identity, who;
	const struct mirror_head *head;
	const struct span *frame;
	unsigned frames;
	const struct sync_order *order;
	uint64_t position;
	bool snapshot;
	uint64_t random; /* SYNC_ORDER: fresh and not 0; becomes the tag of a new term */
};

enum sync_alarm {
#define X(NAME, HAPPENED, MEANS, TODO) SYNC_ALARM_##NAME,
#include "alarms.def"
#undef X
	SYNC_ALARMS
};
extern const struct alarm_info sync_alarm_info[SYNC_ALARMS];

enum sync_counter {
#define X(NAME, SENTENCE) SYNC_C_##NAME,
#include "counters.def"
#undef X
	SYNC_COUNTERS
};
extern const struct counter_info sync_counter_info[SYNC_COUNTERS];

enum sync_sent {
	SYNC_SENT,
	SYNC_FULL, /* its queue is: it does not read */
	SYNC_GONE  /* there is no connection */
};

struct sync_out {
	/* The store.  0 or -errno; after a failure the store is as before. */
	int (*commit)(struct sync_out *, const struct sync_txn *, const struct sync_meta *); /* rows and META, one transaction */
	int (*page)(struct sync_out *, struct span frame);			/* a snapshot's rows, while not complete */
	int (*wipe)(struct sync_out *, const struct sync_meta *);		/* all but the local tables; META */
	int (*meta)(struct sync_out *, const struct sync_meta *, bool terms);	/* META alone; terms: those too */
	int (*local)(struct sync_out *, struct span frame);			/* rows of local tables */
	/* A frozen view of everything that is mirrored: pages of it as Records frames, lent until the next call. */
	int (*snap_begin)(struct sync_out *);
	int (*snap_next)(struct sync_out *, struct span *frame); /* 1: a page; 0: that was all; or -errno */
	void (*snap_end)(struct sync_out *);
	void (*disk)(struct sync_out *, uint64_t position);	 /* sync to disk in the background, then SYNC_DISK */

	/* Messages.  `txn` NULL, or its frames follow (FEED, TXN).  To the twin: false: not on its way. */
	enum sync_sent (*client)(struct sync_out *, struct span identity, const struct sync_head *, const struct sync_txn *);
	bool (*twin)(struct sync_out *, const struct mirror_head *, const struct span *frame, unsigned frames);
	void (*status)(struct sync_out *, const struct sync_status *); /* to the elector */

	void (*alarm)(struct sync_out *, enum sync_alarm, bool stands, const char *detail);
	void (*note)(struct sync_out *, enum note_level, const char *line);
};

struct sync_client {
	bool used, welcomed;
	bool away;	     /* refused, or its connection is gone: nothing is said to it, nor heard, until it greets again */
	bool behind;	     /* it does not read: it must be told to greet again */
	mono_t behind_from;
	uint8_t id_len, id[SYNC_IDENTITY];
	char who[SYNC_WHO];
	int owner;	     /* enum table_owner, or -1: only listens */
	uint32_t life;
	mono_t heard;	     /* last message of it */
	uint64_t next_seq;   /* expected in its next batch */
	uint64_t committed;  /* told, or due */
	bool committed_due;
	uint64_t welcome_at; /* WELCOME waits until everything up to here is released */
};

struct sync_pending {
	struct sync_pending *next;
	mono_t since;
	uint16_t client;
	uint32_t life;
	uint64_t up_to;
	size_t len;
	uint8_t bytes[];
};

struct sync_lag {
	uint64_t n, bucket[SYNC_LAG_BUCKETS]; /* 8 per doubling of microseconds/8 */
};
void sync_lag_add(struct sync_lag *, mono_t);
mono_t sync_lag_at(const struct sync_lag *, double part); /* 0.5, 0.99; 0: nothing measured */

struct sync {
	struct sync_conf conf;
	struct sync_meta meta;
	uint64_t instance;
	enum sync_role role;
	uint64_t order_epoch;  /* highest epoch the elector has told us */
	uint64_t seen_epoch;   /* highest epoch the mirror has shown */
	bool live_store;       /* served from, or told to be mirrored, in this life of the process: not only found on disk */
	bool store_bad;	       /* the store refused a transaction of the twin; tried again at store_retry */
	mono_t store_retry;

	/* active: what COMMITTED means */
	bool solo;	       /* held by this store; else: held by the twin */
	bool mirrored;	       /* the twin has acknowledged all up to `flip`, and the elector was told */
	bool hold_free;	       /* not solo, not mirrored yet, and the elector knows no better: may be solo again */
	uint64_t flip;	       /* position when solo ended */
	mono_t flip_from, flip_retry;
	uint64_t released, on_disk, disk_asked;
	mono_t disk_at;
	bool quiesce;
	uint64_t ask, asks;    /* the standing wish to be solo (0: none); how many there were */
	mono_t lost_from;      /* not solo: since when the twin is lost; 0: it is there */

	/* pending batches, oldest first */
	struct sync_pending *pending, **pending_tail;
	size_t pending_octets;
	unsigned pending_count;

	/* active: the last transactions, log_first .. meta.position; a ring by position */
	struct sync_txn **log;
	size_t log_cap, log_octets;
	uint64_t log_first;

	/* session with the twin */
	bool link, session_live;
	uint64_t session, sessions;
	uint64_t twin_instance, twin_attempt, attempt;
	bool proved, mode_told; /* active: the twin has acknowledged in this session; was told that it is mirrored */
	bool snapping;	       /* pages are on their way; active: the view is open while snap_open */
	bool snap_open, want_snapshot;
	uint64_t snap_position, page, page_acked;
	uint64_t shipped, acked; /* active: positions; standby: acked is what was acknowledged */
	size_t flight;
	bool ack_due, page_ack_due;
	mono_t hello_at, said_at, twin_heard, attempt_at, session_from;
	char twin_node[MIRROR_NAME];
	uint64_t twin_position;

	struct sync_client client[SYNC_CLIENTS];
	unsigned clients;      /* slots ever used */
	struct sync_status told;
	mono_t status_at;
	bool alarm[SYNC_ALARMS];
	struct sync_lag lag;
	uint64_t count[SYNC_COUNTERS];
};

/* `meta` as read from the store (zeros: an empty one).  `instance`: random, not 0. */
void sync_init(struct sync *, const struct sync_conf *, const struct sync_meta *meta, uint64_t instance);
void sync_fini(struct sync *); /* frees what is pending and the log; snap_end is the shell's to have called */
void sync_step(struct sync *, mono_t now, const struct sync_event *, struct sync_out *);

enum sync_mirror sync_mirror_mode(const struct sync *);
const char *sync_mirror_name(enum sync_mirror);
void sync_status_take(const struct sync *, struct sync_status *out);
/* Which tables a process of this name may write: enum table_owner, or -1: none. */
int sync_owner_of(struct span who);

#endif
