// SPDX-License-Identifier: Apache-2.0
/*
 * The simulator: two nodes, the LACs and PPP peers in front of them, the host behind them, AAA, and the
 * networks between, in one thread, under one seed, with time moved by an event heap (design, 4).
 *
 * The product's cores are linked as they are.  What stands here is what their shells do: queues, timers,
 * sockets, the store, the conversation of an owner with state-sync.  Every random choice comes from
 * world.rng, every moment from world.now: the same seed gives the same trace.
 *
 *      swarm.c / script.c ── faults, dialling ──► world
 *      net.c    access, core, heartbeat paths, mirror link: loss, delay, duplication, partition
 *      node.c   processes: started, stopped, killed, restarted; inboxes
 *      store.c  a node's store, with a disk behind it
 *      talk.c   lib/bus/owner.c without a socket
 *      p_*.c    the shells of elector, state-sync, tunnel-ctl, session-mgr, worker
 *      lac.c    an RFC 2661 LAC that shares no code with tunnel-ctl; peer.c its PPP clients; front.c its own PPP end
 *      far.c    the calls that the pair asks for; the LNSs that it calls
 *      check.c  the invariants
 */
#ifndef TWIN_SIM_H
#define TWIN_SIM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mono.h"
#include "bus/outbox.h"
#include "bus/records.h"
#include "conf/conf.h"
#include "dp.h"
#include "elect_core.h"
#include "l2tp/l2tp.h"
#include "ppp/ppp.h"
#include "rows.pb-c.h"
#include "sm.h"
#include "sync_core.h"
#include "tc.h"

#define NODES 2
#define WORKERS 2
#define LACS 3
#define LINES 6	  /* subscriber lines of a LAC */
#define TRAPS 8
#define SCCRQS 8

struct world;
struct node;
struct proc;
struct lac;
struct line;

/* --- messages between processes, and what else waits in an inbox -------------------------------------- */

enum msg_kind {
	M_NONE,
	M_SYNC_HELLO, M_SYNC_SUBMIT, M_SYNC_GONE,	/* owner -> state-sync */
	M_TALK, M_TALK_DOWN,				/* state-sync -> owner */
	M_LEASE,					/* elector -> owners; the latest only */
	M_STATUS, M_SYNC_DOWN, M_ORDER, M_BEAT, M_REFUSED,		/* elector and state-sync */
	M_SWITCHOVER, M_PROMOTE, M_GRANT, M_LEAVE,
	M_TWIN_UP, M_TWIN_DOWN, M_TWIN, M_DISK,		/* mirror, disk -> state-sync */
	M_PUNT, M_INJECT, M_HAND, M_USAGE,		/* workers and owners */
	M_AAA, M_ACCT, M_CLEAR,				/* outside -> session-mgr */
	M_COMMAND,					/* an operator's words -> tunnel-ctl */
	M_DATAGRAM, M_PACKET,				/* outside -> worker */
};

struct msg {
	struct msg *next;
	enum msg_kind kind;
	uint8_t from;	     /* enum proc_kind */
	uint32_t conn, life; /* conversation; life of the sender */
	uint64_t n[3];
	union {
		struct sync_status status;
		struct sync_order order;
		struct sync_head head;
		struct { struct endpoint peer, local; uint16_t tunnel, session; uint64_t epoch; bool whole; } frame;
		struct sm_usage usage;
		struct aaa_answer *aaa; /* in octets */
	} u;
	unsigned parts;
	uint32_t part[64]; /* their lengths; octets one after another */
	size_t len;
	uint8_t octets[] __attribute__((aligned(16)));
};

struct msg *msg_new(enum msg_kind, const void *octets, size_t len);
struct msg *msg_parts(enum msg_kind, const struct span *part, unsigned parts);
unsigned msg_spans(const struct msg *, struct span out[64]);

/* --- store --------------------------------------------------------------------------------------------- */

struct row { /* never changed, shared by copies */
	unsigned refs;
	uint8_t table;
	uint8_t key_len;
	uint16_t len;
	uint8_t b[]; /* key, row */
};

struct rows {
	struct row **v; /* by table, key */
	unsigned n, cap;
};

struct store_sim {
	struct rows now;
	struct sync_meta meta;
	struct rows disk; /* as of the last disk sync */
	struct sync_meta disk_meta;
	struct rows syncing; /* what the sync under way will have written at least */
	struct sync_meta syncing_meta;
};

void rows_free(struct rows *);
void rows_copy(struct rows *to, const struct rows *from);
const struct row *rows_find(const struct rows *, unsigned table, struct span key);
void rows_put(struct rows *, unsigned table, struct span key, struct span row);
void rows_del(struct rows *, unsigned table, struct span key);
void rows_wipe(struct rows *); /* all but the node's own tables */
uint64_t rows_hash(const struct rows *);
static inline struct span
row_key(const struct row *r)
{
	return span_of(r->b, r->key_len);
}
static inline struct span
row_row(const struct row *r)
{
	return span_of(r->b + r->key_len, r->len);
}

/* --- processes -------------------------------------------------------------------------------------------- */

enum proc_kind { P_ELECT, P_SYNC, P_TC, P_SM, P_W0, P_W1, PROCS };
extern const char *const proc_name[PROCS];

struct proc_ops {
	void (*start)(struct proc *);
	void (*stop)(struct proc *);		      /* frees; says nothing */
	void (*hear)(struct proc *, struct msg *);    /* one message */
	void (*flush)(struct proc *);		      /* the end of a loop iteration; timers too */
	mono_t (*due)(struct proc *);		      /* node clock; MONO_NEVER */
};

struct proc {
	struct world *w;
	struct node *n;
	enum proc_kind kind;
	const struct proc_ops *ops;
	bool up, stopped, dying, waking;
	uint32_t life;
	mono_t bus_at;	 /* messages of the bus arrive in order */
	mono_t wake_at;	 /* world; of the wake-up event that stands */
	mono_t armed[4]; /* of the latest ones that were made */
	unsigned arms;
	mono_t restart_at;
	struct msg *first, **last;
	unsigned waiting, datagrams;
	void *impl;
};

/* What happens at a named moment of a process (script: "kill a at before-commit"; swarm: at random). */
enum point {
	AT_COMMIT, AT_COMMITTED, AT_SHIP, AT_SHIPPED, AT_ACKED, AT_SHADOW_COMMIT, AT_SHADOW_COMMITTED, AT_RELEASE, AT_RELEASED,
	AT_SEND, AT_SENT, AT_HEARD, AT_ROLE, POINTS
};
extern const char *const point_name[POINTS];
enum what { DO_KILL_NODE, DO_KILL_PROC, DO_STOP_NODE, DO_STOP_PROC, DO_CUT_MIRROR, DO_CUT_ALL };
struct trap {
	bool set;
	enum point at;
	uint8_t node; /* NODES: the active one */
	enum what what;
	enum proc_kind proc; /* at whom it is aimed; PROCS: whoever is there */
	unsigned skip;
	mono_t back; /* restarted, continued, healed after; 0: by hand */
};

struct node {
	struct world *w;
	unsigned id;
	char name[2];
	bool on;	       /* powered */
	mono_t boot, clock0;
	int64_t ppm, wall_jump; /* of the monotonic clock; seconds, of the time of day */
	struct proc p[PROCS];
	struct store_sim store;
	struct conf conf;
	struct elect_saved saved;
	bool have_saved;
	bool holds;	       /* service addresses, in its kernel */
	mono_t on_at;	       /* switched on again then */
	bool never;	       /* not again */
	bool behind;	       /* its power was cut: the store may lack the last commits */
	/* as seen by the checker */
	mono_t lease_until;    /* world: what was published last */
	uint64_t lease_epoch;
	mono_t asleep_at;      /* its elector does not run since; 0: it does */
	mono_t lease_most;     /* so long may its lease go on from there */
	mono_t heard_at;       /* its elector counted a beat: one of a life that is proven */
	mono_t heard_what;     /* by its own clock */
	bool unheard; /* it promoted itself when nothing could reach it */
	mono_t open_from, beat_at;  /* a path is open since, 0: none is; a beat arrived last */
	mono_t reached_at, dark_at; /* when something of its twin could reach it last; when that had been long ago, last */
	uint64_t told_epoch; /* highest that its elector has heard of the twin, and when */
	mono_t told_at;
};

mono_t node_now(const struct node *);
mono_t node_world(const struct node *, mono_t node_time);
uint64_t node_wall(const struct node *);

void node_init(struct world *, unsigned id);
void node_conf(struct node *);
void node_back(struct node *, mono_t after); /* switched on again then */
void spring(struct world *, const struct trap *, struct proc *);
void node_power(struct node *, bool on, bool lose); /* lose: what the disk does not have is gone */
void proc_start(struct proc *);
void proc_kill(struct proc *, mono_t restart_after);
void proc_stop(struct proc *, bool stop);
void node_stop(struct node *, bool stop);
void proc_post(struct proc *to, struct msg *, mono_t delay, bool fifo); /* takes the message */
void proc_wake(struct proc *, mono_t world);
static inline bool
proc_runs(const struct proc *p)
{
	return p->up && !p->stopped && !p->dying;
}
/* False: it died here. */
bool point(struct proc *, enum point);

/* --- an owner's conversation ---------------------------------------------------------------------------------- */

struct talk_ops {
	void (*load)(struct proc *);
	void (*row)(struct proc *, enum table, struct span key, struct span row, bool removed);
	void (*role)(struct proc *, bool active, uint64_t epoch);
	void (*release)(struct proc *, const struct effect *);
};

struct flight {
	uint64_t wire, outbox, frame_hash;
};

#define FLIGHTS 512

struct talk {
	struct sink sink; /* first */
	struct proc *p;
	const struct talk_ops *ops;
	char name[16];
	enum { TALK_NONE, TALK_HELLO, TALK_READY } state;
	uint32_t conn;
	mono_t due;
	bool active;
	uint64_t epoch, lease_epoch, position, view_position, fed_next, wire_next;
	mono_t lease_until;
	bool leases_on_way; /* in the inbox, or behind other messages */
	struct outbox box;
	struct batch *batch;
	struct flight flight[FLIGHTS];
	unsigned flights, flight_first;
	/* for the checker: the number each held effect waits for; the batches not yet looked at */
	uint64_t *number, submitted;
	unsigned numbers, number_first, number_cap;
	struct { uint64_t outbox, hash; } done[FLIGHTS];
	unsigned batches, batch_first;
	unsigned refusals;
};

void talk_init(struct talk *, struct proc *, const char *name, const struct talk_ops *);
void talk_fini(struct talk *);
bool talk_hear(struct talk *, struct msg *); /* true: it was one of ours */
bool talk_extend(struct talk *, uint64_t epoch, mono_t until); /* a lease that goes on; false: a message has to say so */
void talk_flush(struct talk *);
mono_t talk_due(const struct talk *);
bool talk_active(const struct talk *);
bool talk_may_send(const struct talk *);

/* --- networks ---------------------------------------------------------------------------------------------------- */

/* Places: the two nodes, the LACs, the host behind. */
enum { PLACE_A, PLACE_B, PLACE_LAC, PLACE_CORE = PLACE_LAC + LACS, PLACES };
enum net { NET_MIRROR, NET_ACCESS, NET_CORE, NETS };

struct net_conf {
	unsigned loss, dup, reorder; /* per 10,000 */
	mono_t delay, jitter;
};

typedef void net_fn(struct world *, unsigned to, const void *octets, size_t len);
void net_send(struct world *, enum net, unsigned from, unsigned to, net_fn *, const void *octets, size_t len);
void net_cut(struct world *, enum net, unsigned x, unsigned y, bool cut); /* both directions */
bool net_is_cut(const struct world *, enum net, unsigned x, unsigned y);
void net_heal(struct world *);
void net_resolve(struct world *);
void net_fini(struct world *);
void sync_resync_sim(struct world *, unsigned node, bool snapshot);

void claim(struct node *, bool hold); /* service addresses */
void lac_to_node(struct world *, unsigned lac, const void *octets, size_t len);
void core_to_node(struct world *, const void *octets, size_t len);

/* The mirror's TCP connection. */
struct mirror_link {
	bool up;
	uint32_t gen;
	mono_t dial_at;
	mono_t last[NODES]; /* arrival of the message sent last towards node i */
	mono_t cut_since;
	uint32_t unaware[NODES]; /* generation whose loss the node has not noticed yet; 0: none */
	size_t in_flight[NODES];
	struct msg *first[NODES], **end[NODES]; /* on the way towards node i */
};
void mirror_tick(struct world *);
void mirror_break(struct world *, int silent_side);
bool mirror_send(struct world *, unsigned from, struct msg *);

/* --- LACs, lines and their PPP clients --------------------------------------------------------------------------- */

enum lac_state { LAC_DOWN, LAC_WAIT_REPLY, LAC_UP, LAC_CLOSING };
enum line_state { LINE_IDLE, LINE_WAIT_REPLY, LINE_WAIT_ANSWER, LINE_UP };
struct front;
struct plan;

struct lac_out {
	struct lac_out *next;
	uint16_t ns, len;
	unsigned seen; /* times it reached an able node */
	uint8_t b[];
};

struct line {
	struct lac *lac;
	unsigned id;
	enum line_state state;
	uint16_t sid, peer_sid;
	uint32_t serial;
	bool wanted, seq, seq_required;
	bool outgoing;	   /* the pair's LNS role asks its LAC for the call; our LNS asks the pair's LAC role */
	bool bare;	   /* a call without PPP at either end: what the LAC role carries for others */
	char number[16];   /* called: names an outgoing call, and every call of an LNS */
	char user[16], password[16];
	struct front *front; /* while the LAC itself speaks PPP with the client */
	bool bad_password;
	struct ppp_link link;
	struct ppp_conf conf;
	struct ppp_out out;
	bool cleared;	     /* an operator of the pair ended it, and that may not be known here yet */
	bool link_up, hung_up, finished, net_up, network_wanted;
	struct ppp_cause cause;
	uint32_t addr;	     /* its own; behind an LNS: of the network there */
	uint32_t row_addr;   /* what the pair's row says */
	mono_t up_at, dial_at, answer_at, asked_at;
	uint16_t ns;
	bool believed;	   /* both ends: check.c */
	bool excused;	   /* its loss is: check_role.c */
	bool iccn_acked;
	uint16_t iccn_ns;
	uint32_t up_sent, up_got, down_got; /* data packets, and echoes at the end */
	uint32_t ping, pong_up, pong_down;
	bool verified;	   /* as an LNS's: the verdict that PPP waits for */
	struct ppp_auth_result verdict;
	/* data Ns as sent by the nodes */
	bool ns_seen;
	uint16_t ns_last;
	unsigned opens, losses;
	uint8_t ns_anew;   /* RFC 4951, 3.2.3: the nodes may begin at 0 so often; two recoveries may be under way */
	bool asked, settled; /* RFC 4951, 3.3 */
};

/* A recovery tunnel of RFC 4951: lac_fail.c. */
enum lac_rec_state { REC_NONE, REC_ASKS, REC_ANSWERED, REC_DONE, REC_ENDS };
struct lac_rec {
	enum lac_rec_state state;
	uint16_t tid, peer_tid, ns, nr, their_ns, their_nr; /* theirs: as suggested */
	struct lac_out *out;
	mono_t due, interval;
	unsigned tries;
	bool we_too; /* this end failed as well */
	uint8_t challenge[16], tie[8];
};

struct lac {
	struct world *w;
	unsigned id;
	enum lac_state state;
	struct endpoint ep;
	uint16_t tid, peer_tid;
	uint16_t ns, nr, una, next; /* una: oldest unacknowledged; next: to be transmitted next */
	uint16_t window, sent_high;
	struct lac_out *out, **out_end;
	mono_t rtx_due, rtx_interval, hello_due, redial_at, heard, ack_due, wake;
	unsigned tries, tries_max;
	bool ack_owed, closing_asked;
	uint8_t challenge[16];
	bool lns;	     /* the far end of the pair's LAC and client roles: far.c */
	uint64_t sccrq[SCCRQS]; /* those it has answered: their tie breakers, hashed */
	unsigned sccrqs;
	/* what the nodes have said, over both */
	bool nr_seen;
	uint16_t nr_high;	/* highest Nr sent by a node, in the order of sending */
	uint16_t nr_rcvd;	/* acknowledged as we see it */
	uint64_t body[256];	/* hash of the message with this Ns */
	uint16_t body_ns[256];
	bool body_set[256];
	uint16_t node_tid;	/* as the nodes call it */
	struct line line[LINES];
	unsigned tunnels;
	bool excused; /* what happens to this tunnel is: check_role.c */
	bool failover, peer_failover; /* RFC 4951: can this end; could the other, when the tunnel began */
	bool nr_lost;		      /* a store lost what it was told, and both have to agree anew */
	bool nr_anew;		      /* a node may go on with numbers agreed upon, once */
	bool renumbering;	      /* and this end has not heard yet that it does */
	uint16_t ns_before, ns_begun; /* when it was renumbered last: its numbers until then, and the first one since */
	mono_t renumbered_at;
	bool failed;		      /* it has restarted and is not recovered yet */
	mono_t peer_recovery, away_until, sync_due;
	unsigned recoveries;
	struct lac_rec rec;
};

void slac_init(struct world *, unsigned id);
void slac_fini(struct lac *);
void slac_start(struct lac *);
void slac_close(struct lac *);
void slac_hear(struct lac *, const uint8_t *, size_t);
void slac_tick(struct lac *);
void slac_dial(struct line *);
void slac_hangup(struct line *, uint16_t result);
void slac_wake(struct lac *, mono_t);
void slac_begin(struct lac *);	      /* a control connection, from nothing */
void slac_established(struct lac *);  /* it is up: lines dial */
void line_begin(struct line *);	      /* a call, from nothing */
void slac_failover(struct lac *, struct l2tp_wr *);
bool front_speak(struct line *, struct l2tp_wr *); /* PPP at the LAC, and its AVPs of RFC 2661, 4.4.5 */
void front_hear(struct front *, struct span frame);
void far_ask(struct line *);	      /* an operator wants the call */
void far_asked(struct lac *, const struct l2tp_msg *);	       /* OCRQ */
void far_answer(struct line *);	      /* OCCN */
bool far_sccrq(struct lac *, const struct l2tp_msg *, struct span datagram);
void far_scccn(struct lac *, const struct l2tp_msg *);
void far_icrq(struct lac *, const struct l2tp_msg *);
void far_connected(struct line *, const struct l2tp_msg *);    /* ICCN, OCCN */
void far_replied(struct line *, const struct l2tp_msg *);      /* OCRP */
void far_request(struct line *);      /* OCRQ of an LNS */
void far_conf(const struct plan *, struct conf *);
void far_start(struct world *);	      /* the operator's lines */
uint32_t far_network(const char *number); /* behind the LNS that has this call */
bool far_password(const char *user, size_t len, char out[16]);
struct line *slac_line(struct lac *, uint16_t sid);
void slac_data(struct line *, struct span frame, bool ff03);
void slac_queue(struct lac *, struct l2tp_wr *, struct wr *);
void slac_down(struct lac *, const char *how);
uint16_t slac_fresh_id(struct lac *);
void slac_renumber(struct lac *, uint16_t ns, uint16_t nr);
void slac_data_anew(struct lac *);
void slac_restart(struct lac *);
bool slac_capable(const struct lac *);
bool slac_rec_hear(struct lac *, const struct l2tp_msg *);
void slac_rec_forget(struct lac *);
void slac_rec_tick(struct lac *);
mono_t slac_rec_due(const struct lac *);
void slac_ask_all(struct lac *);
void slac_asked(struct lac *, const struct l2tp_msg *); /* FSQ */
void slac_told(struct lac *, const struct l2tp_msg *);  /* FSR */
void peer_up(struct line *);
void peer_down(struct line *);
void peer_frame(struct line *, struct span frame);
void peer_tick(struct line *);
mono_t peer_due(const struct line *);
void peer_close(struct line *);
void peer_data(struct line *, bool ping);
void core_data(struct world *, struct line *, bool ping);
void core_hear(struct world *, const uint8_t *, size_t);

/* --- AAA ---------------------------------------------------------------------------------------------------------- */

struct acct_seen {
	char id[48];
	struct line *line; /* whose Calling-Station-Id it is; NULL: nobody's */
	unsigned starts, stops;
	uint64_t start_hash, stop_hash;
	uint64_t up, down; /* octets, as said last */
	bool excused;
};
void aaa_ask(struct proc *sm, const struct aaa_request *);
void acct_ask_sim(struct proc *sm, const struct acct_ask *, size_t len);

/* --- the checker --------------------------------------------------------------------------------------------------- */

enum invariant {
#define X(NAME, SENTENCE) INV_##NAME,
#include "invariants.def"
#undef X
	INVARIANTS
};
extern const char *const invariant_name[INVARIANTS];

enum breakage {
#define X(NAME, CATCHER, SENTENCE) BREAK_##NAME,
#include "breaks.def"
#undef X
	BREAKS
};
extern const char *const break_name[BREAKS];
extern const char *const break_catchers[BREAKS];

struct frame_seen {
	uint64_t hash, position;
	uint64_t epoch;
	uint8_t held; /* bit a node */
};

struct state_at { /* after a transaction */
	uint64_t epoch, position;
};

struct checker {
	bool failed;
	enum invariant which;
	char text[512];
	char missing[400];	/* what check_end found last */
	uint64_t epoch_top;	/* highest that anybody has taken */
	uint64_t epoch_sent;	/* highest under which anything was sent */
	unsigned epoch_node;
	struct frame_seen *frame;
	unsigned frames, frame_cap;
	bool split;		/* now: two actives because nobody could know better (prefer-service, documented) */
	unsigned splits, stales; /* how often, each: check_role.c */
	mono_t split_from, two_leases, old_epoch_at;
	mono_t ticked_at, both_for; /* two nodes held a lease, together so long */
	mono_t told_late, healed_late; /* the latest datagram under an old epoch after its sender was told, could have been */
	unsigned partitions;
	unsigned old_epoch_sent; /* in splits: datagrams under an epoch after a higher one spoke */
	struct state_at revealed; /* by anything that was released */
	bool forced;		/* an operator accepted the loss */
	bool numbers_lost;	/* an epoch's number died with the power of all who knew it */
	mono_t service_since;	/* an active node that is able, reachable by all; 0: none now */
	mono_t service_lost;
	uint64_t active_epochs[64];
	uint8_t active_epoch_node[64];
	unsigned epochs;
	struct acct_seen acct[1024];
	unsigned accts;
	unsigned sessions_opened, sessions_lost, sessions_asked, switchovers, believed;
	unsigned sent[NODES]; /* datagrams to LACs */
	bool pinged;
	unsigned ticks;
};

/* Losses that have an excuse: see check_role.c. */
#define excused_lac(l) ((l)->w->check.split || (l)->excused)
#define excused_line(s) ((s)->lac->w->check.split || (s)->excused)
void violated(struct world *, enum invariant, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void check_init(struct world *);
void check_fini(struct world *);
void check_submitted(struct world *, struct talk *, struct span frame, uint64_t *hash);
void check_committed(struct world *, struct node *, const struct sync_txn *, bool written);
void check_snapshot(struct world *, struct node *, uint64_t position);
void check_release(struct world *, struct talk *, const struct effect *);
void check_egress(struct world *, struct node *, uint64_t epoch, struct endpoint peer, const uint8_t *, size_t);
void check_lease(struct world *, struct node *, uint64_t epoch, bool active, mono_t until_world);
/* `follows`: it has stood by for an active twin; else it begins because it knows of none. */
void check_promoted(struct world *, struct node *, uint64_t epoch, bool follows);
void check_revealed(struct world *, uint64_t epoch, uint64_t position);
void check_epoch(struct world *, struct node *, uint64_t epoch);
void check_told(struct world *, struct node *, uint64_t epoch);
void check_roles_tick(struct world *);
void check_line_lost(struct line *, const char *how);
void check_line_open(struct line *);
void check_ran_out(struct lac *, const struct lac_out *);
void check_reached(struct world *, struct node *, unsigned lac, const uint8_t *, size_t);
void check_acct(struct world *, struct span key, struct span attrs);
void check_tick(struct world *);
bool check_end(struct world *, bool last);
Row__Subscriber *check_subscriber(const struct node *, const struct line *); /* the store's; NULL: none */
bool check_known(const struct node *, const struct line *); /* its session, or call, is up in the node's store */
struct node *sim_active_node(struct world *);

/* --- the world ------------------------------------------------------------------------------------------------------ */

typedef void ev_fn(struct world *, void *a, uint64_t b, uint64_t c);
struct ev {
	mono_t at;
	uint64_t seq;
	ev_fn *fn;
	void *a;
	uint64_t b, c;
	bool owns; /* a is freed if the world ends first */
};

/* What this seed has: its faults and their rates, its configuration. */
struct plan {
	struct net_conf net[NETS];
	bool kills, node_kills, power, stops, cuts, switchovers, traps, slow_disk, store_refuses, aaa_trouble, hangups, closes;
	bool never_back, resync, lac_restarts, both_power, clock_jumps;
	bool failover, lac_failover[LACS]; /* RFC 4951: the pair's profile; the LACs */
	unsigned recovery_ms;
	bool stale_clear, partitions;
	unsigned day;			/* the time of day runs so many times faster: accounting's minutes pass within a seed */
	bool proxy, renegotiate;	/* LACs send proxy LCP and authentication; the profile does not want it */
	bool outgoing;			/* some lines are called, and do not call */
	unsigned lnss;			/* so many of the LACs are LNSs: the last ones */
	bool commands;			/* operators of tunnel-ctl: recoveries of tunnels that live, questions, calls cleared */
	unsigned dials, forwards;	/* calls that the pair keeps up; that an operator has it forward */
	mono_t gap;	     /* between faults */
	mono_t calm_from, end;
	unsigned lacs, lines;
	enum conf_policy policy;
	bool require_auth, hide, waits_disk, preferred_a;
	unsigned window, lac_window;
	enum conf_seq seq;
	unsigned auth;	     /* enum conf_auth */
	unsigned heartbeat_ms;
	unsigned rtx_ms;
	mono_t talk_restart; /* supervisor: a killed process is back after */
	mono_t disk_delay;
	mono_t zmtp_timeout;
	mono_t run_delay;
	unsigned aaa_late, aaa_never, aaa_twice; /* per 1000 */
	mono_t data_every;
	unsigned echo_ms, hello_ms;
	int64_t ppm[NODES];
	unsigned log_octets;
	bool ipv6;
};

struct world {
	uint64_t seed, rng;
	mono_t now;
	uint64_t seq;
	struct ev *heap;
	unsigned evs, cap;
	struct plan plan;
	struct node node[NODES];
	struct net_conf net[NETS];
	bool cut[NETS][PLACES][PLACES];
	struct mirror_link mirror;
	int arp[NETS];	/* which node answers for the service address; -1: none */
	uint32_t arp_gen;
	mono_t arp_lost[NETS];
	struct lac lac[LACS];
	mono_t forward_at[LINES];
	struct trap trap[TRAPS];
	struct checker check;
	struct proc *running;
	enum breakage broken; /* BREAKS: nothing */
	bool script;
	/* trace */
	bool trace;
	uint64_t hash;
	FILE *log;
	uint64_t events;
	bool kept; /* the ring is kept over world_fini */
	uint64_t secret_key[4];
	uint8_t beat_key[32];
	uint32_t instance;
	bool ended;
	char *ring[512];
	unsigned ring_at;
	bool keep;
};

void world_init(struct world *, uint64_t seed, const struct plan *);
void world_fini(struct world *);
void world_start(struct world *);
bool world_run(struct world *, mono_t until); /* false: an invariant is violated */
void at(struct world *, mono_t when, ev_fn *, void *a, uint64_t b, uint64_t c);
void at_owned(struct world *, mono_t when, ev_fn *, void *a, uint64_t b, uint64_t c);
uint64_t rnd(struct world *);
uint64_t rnd_below(struct world *, uint64_t n);
bool chance(struct world *, unsigned per_10000);
mono_t rnd_time(struct world *, mono_t lo, mono_t hi);
void rnd_fill(struct world *, void *, size_t);
void sim_fill(void *world, void *octets, size_t n);
uint64_t hash_of(const void *, size_t);
/* A line of the trace; every line is part of the trace's hash, so it says nothing that another run could not. */
void tell(struct world *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void mark(struct world *, uint64_t); /* into the hash only */
#define TELLING(w) ((w)->trace || (w)->keep)

/* Seeds above this are schedules of partitions and nothing else: --split. */
#define PARTITION_SEEDS 1000000000000ull

struct plan plan_calm(void);
struct plan plan_of(uint64_t seed);
void swarm_start(struct world *);

int script_run(const char *file, bool trace, enum breakage);

extern const struct proc_ops elect_ops, sync_ops, tc_ops, sm_ops, worker_ops;
struct elect *proc_elect(struct proc *);
struct sync *proc_sync(struct proc *);
struct tc *proc_tc(struct proc *);
struct sm *proc_sm(struct proc *);
struct dp *proc_dp(struct proc *);
struct talk *proc_talk(struct proc *);
void proc_reap(struct proc *);

#define SERVICE_ADDR 0xc6336401u /* 198.51.100.1 */
#define LNS_ADDR 0xc0000310u /* 192.0.3.16 and on: the LNSs that we call */
#define SECRET "between us"
struct endpoint v4_endpoint(uint32_t addr, uint16_t port);

#endif
