// SPDX-License-Identifier: Apache-2.0
/*
 * Inside the session core.  Who does what:
 *
 *	sm.c	the doors: configure, apply, activate, step, tick
 *	rows.c	apply: the one way in for replicated state; put: record + apply
 *	early.c	frames that came before their link could be started
 *	link.c	a PPP link: start, frames, answers, end; what lib/ppp reports
 *	sub.c	a subscriber: grant to addresses, what workers forward by, end
 *	usage.c	counters of workers; checkpoints
 *	acctq.c	accounting requests until they are answered
 *	dump.c	the state as text
 */
#ifndef SM_SM_INT_H
#define SM_SM_INT_H

#include <uthash.h>

#include "base/arena.h"
#include "due.h"
#include "pool.h"
#include "rows.pb-c.h"
#include "ppp/ra.h"
#include "sm.h"

#define CALL_ESTABLISHED 10 /* proto/rows.proto, Call.state */

/* What is known of a tunnel. */
struct tun {
	UT_hash_handle hh;
	uint16_t id;
	uint8_t role; /* enum conf_role */
	struct name *profile, *peer_host;
	struct ip_addr local, peer;
};

/* Which call: the ids are reused, the three together are not. */
struct call_ident {
	uint16_t peer_id;
	uint32_t serial;
	uint64_t since;
};

#define USAGE_WORKERS 64 /* bases kept per session: beyond it the oldest is given up */

struct usage_base {
	uint32_t worker;
	uint64_t instance;
	uint64_t v[5];
};

struct usage {
	uint64_t v[5]; /* in octets, out octets, in packets, out packets, drops */
	uint64_t last_active;
	mono_t checkpoint_at; /* MONO_NEVER: nothing to write */
	unsigned bases;
	struct usage_base base[]; /* of workers heard of */
};

struct sess {
	UT_hash_handle hh;
	struct due due;
	uint32_t key; /* tunnel << 16 | session */

	/* tunnel-ctl's rows */
	uint8_t call, call_up, call_role;
	struct call_ident call_ident;
	struct name *dial; /* client: which conf_dial */
	uint8_t *info;	   /* packed call_info, until the subscriber row carries what matters of it */
	uint16_t info_len;

	/* link row */
	uint8_t link, phase, hangup, client, pfc, acfc, accm_known;
	uint16_t mtu, saved_len;
	uint32_t accm_send, accm_recv;
	struct call_ident link_ident;
	struct ppp_link *ppp; /* active: the machine itself; its snapshot is what was recorded */
	uint8_t *saved;	      /* not active: the snapshot */

	/* subscriber row: packed, and what deadlines need */
	uint8_t *sub;
	uint16_t sub_len;
	uint8_t forwarding;
	uint32_t session_timeout, idle_timeout, interim;
	uint64_t since;

	struct lease *held;
	struct usage *usage;

	/* Of the moment, never recorded. */
	struct early *early; /* frames that came before the link */
	uint64_t ask_token;
	uint16_t ask_serial;
	uint8_t ask_auth;
	uint8_t term, refusal; /* why we are ending it */
	uint8_t dirty, in_step;
	uint8_t negotiating; /* counted in sm->negotiating */
	uint64_t interim_at; /* wall */
	struct sess *dirty_next;
};

/* early.c: frames that overtook the record of their call's establishment. */
struct early {
	struct early *next;		/* of this session, oldest first */
	struct early *prev_all, *next_all; /* of all, oldest first */
	uint32_t key;
	mono_t since;
	uint16_t len;
	uint8_t octets[];
};

/* rows.c: after `link` or `forwarding` changed. */
void sess_counted(struct sm *, struct sess *);
/* sm.c: it may be a rush now, or none any more. */
void sm_pace(struct sm *);

bool early_hold(struct sm *, struct sess *, mono_t now, struct span frame);
struct early *early_take(struct sm *, struct sess *); /* the oldest; the caller frees it.  NULL: none */
void early_drop(struct sm *, struct sess *);
void early_expire(struct sm *, mono_t now);

enum acct_state { ACCT_READY, ACCT_OUT, ACCT_WAITING };

struct acct {
	UT_hash_handle hh;
	struct acct *prev, *next; /* of the list of its state */
	mono_t again;		  /* waiting: when */
	uint64_t created;
	uint8_t kind, state, key_len;
	uint16_t len;
	uint8_t key[ACCT_KEY_MAX];
	uint8_t attrs[];
};

struct acct_queue {
	struct acct *all;
	struct acct *list[3]; /* by enum acct_state, oldest first */
	unsigned n, out;
};

struct sm {
	struct sm_env env;
	enum note_level least; /* notes below it are not even formatted */
	bool active;
	/* configuration */
	struct conf_ppp ppp[CONF_PPPS];
	struct ppp_conf ppp_conf[CONF_PPPS][2]; /* by enum conf_proxy, which is the peer's profile's */
	unsigned ppps;
	struct {
		char name[CONF_NAME], local_host[CONF_NAME];
		unsigned ppp;
		enum conf_proxy proxy;
	} profile[CONF_PROFILES];
	unsigned profiles;
	struct conf_dial dial[CONF_DIALS];
	unsigned dials;
	struct conf_aaa_set aaa;
	char node[CONF_NAME];
	bool source_check;
	/* state */
	struct names names;
	struct pools pools;
	struct tun *tuns;
	struct sess *all;
	struct sess *found; /* of all, the one that was looked up last; NULL: none */
	struct early *early_first, *early_last; /* of all sessions */
	size_t early_octets;
	struct acct_queue acct;
	/* of the moment */
	unsigned negotiating; /* sessions with a link and without a subscriber that forwards */
	bool rush;	      /* so many that answers take their time */
	struct due_heap due;
	struct sess *dirty, **dirty_tail;
	mono_t second_at;
	mono_t activated;
	uint64_t token;
	struct arena apply_arena, step_arena, info_arena;
	uint8_t *frames; /* of the step at hand: what goes out once its records did */
	size_t frames_len, frames_cap;
	struct aaa_request ask;
	uint64_t counts[SM_COUNTERS], ppp_counts[PPP_FAULTS];
	struct counters sets[2];
	struct {
		bool stands;
		mono_t until;
		char detail[200];
	} alarm[SM_ALARMS];
};

/* Why a subscriber is refused although its password was right. */
enum refusal {
	REFUSAL_NONE,
	REFUSAL_UNANSWERED,
	REFUSAL_POOL_UNKNOWN,
	REFUSAL_POOL_EXHAUSTED,
	REFUSAL_TAKEN,
	REFUSAL_OWN,
	REFUSAL_NO_ADDRESS,
	REFUSALS
};

/* What happens to one session at one moment, from its cause to its records and effects. */
struct step {
	struct ppp_out out; /* first: lib/ppp hands it back */
	struct sm *sm;
	struct sess *s;
	struct sink *sink;
	struct sm_time t;
	const struct conf_ppp *conf;
	const struct ppp_conf *ppp_conf;
	struct ppp_conf client_conf;
	uint8_t random[PPP_RANDOM];
	Row__Subscriber *sub; /* unpacked when first needed; NULL: there is none */
	bool sub_read, sub_dirty, link_dirty;
	bool want_network, want_close, finished, asked;
	struct ppp_cause cause, close_cause;
};

static inline uint16_t
sess_tunnel(const struct sess *s)
{
	return (uint16_t)(s->key >> 16);
}

static inline uint16_t
sess_session(const struct sess *s)
{
	return (uint16_t)s->key;
}

#define note(STEP, LEVEL, ...) \
	do { \
		if ((LEVEL) >= (STEP)->sm->least) \
			sink_note((STEP)->sink, (LEVEL), __VA_ARGS__); \
	} while (0)

/* Cut to what fits.  As snprintf's %s, which takes 500 instructions. */
static inline void
copy_text(char *out, size_t cap, const char *from)
{
	const size_t n = from ? strnlen(from, cap - 1) : 0;

	if (n)
		memcpy(out, from, n);
	out[n] = 0;
}

static inline void
sm_count(struct sm *sm, enum sm_counter c)
{
	sm->counts[c]++;
}

/* rows.c */
struct sess *sess_find(struct sm *, uint16_t tunnel, uint16_t session);
struct sess *sess_make(struct sm *, uint16_t tunnel, uint16_t session); /* finds or makes; NULL: no memory */
struct tun *tun_find(struct sm *, uint16_t id);
void sess_mark(struct sm *, struct sess *); /* to be compared with its call; gone at once if empty and not active */
void sess_drop_if_empty(struct sm *, struct sess *);
void sm_forget_all(struct sm *);
void put(struct sm *, struct sink *, enum table, struct span key, const ProtobufCMessage *row);
void put_lease(struct sm *, struct sink *, const struct lease_key *, const char *pool, const char *user, uint16_t tunnel,
	       uint16_t session, uint64_t since);
void remove_lease(struct sm *, struct sink *, const struct lease *);
const Row__CallInfo *sess_info(struct sm *, const struct sess *); /* until the next call; NULL: none */
bool same_call(const struct call_ident *, const struct call_ident *);

/* link.c */
void step_begin(struct step *, struct sm *, struct sess *, struct sm_time, struct sink *);
void step_end(struct step *);
void sess_reconcile(struct sm *, struct sess *, struct sm_time, struct sink *);
void link_frame(struct step *, struct span octets);
bool link_listens(const struct step *); /* to another frame in this step */
void link_answer(struct step *, const struct aaa_answer *);
void link_due(struct step *);
void link_close(struct step *, struct ppp_cause, enum acct_terminate);
const struct ppp_conf *sess_ppp_conf(struct sm *, const struct sess *);
void sess_schedule(struct sm *, struct sess *, struct sm_time);

/* sub.c */
Row__Subscriber *sub_of(struct step *); /* NULL: none */
enum refusal sub_grant(struct step *, const struct aaa_grant *, const char *user, const char *how, bool local);
bool sub_net(struct step *, struct ppp_net *); /* false: nothing to offer */
void sub_net_up(struct step *, const struct ppp_event *);
void sub_net_down(struct step *, enum ppp_cp);
void sub_prefix(struct step *, const struct ppp_ra_heard *);
/* trunk.c: the trunk part of the row. */
void sub_trunk_up(struct step *, Row__Subscriber *, const struct ppp_event *);
void sub_trunk_down(struct step *, Row__Subscriber *, enum ppp_cp);
void sub_trunk_refused(struct step *, bool states);
bool sub_accept4(struct step *, uint32_t asked);
void sub_flush(struct step *);
void sub_end(struct step *, enum acct_terminate);
void sub_interim(struct step *);
void sub_release_leases(struct sm *, struct sess *, struct sink *, uint64_t wall);
void sub_alarm(struct sm *, enum sm_alarm, mono_t until, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* usage.c */
void usage_apply(struct sess *, const Row__Usage *); /* NULL: removed */
void usage_report(struct sm *, const struct sm_event *, struct sm_time, struct sink *);
void usage_checkpoint(struct sm *, struct sess *, struct sink *);

/* acctq.c */
void acctq_apply(struct sm *, struct span key, const Row__Acct *); /* NULL: removed */
void acctq_put(struct sm *, struct sink *, const struct acct_facts *, uint64_t wall);
void acctq_remove(struct sm *, struct sink *, const char *session_id, enum acct_kind);
void acctq_done(struct sm *, struct sink *, struct span key, bool answered, mono_t now);
void acctq_pump(struct sm *, struct sink *, mono_t now);
mono_t acctq_next_due(const struct sm *);
void acctq_forget(struct sm *);
void acctq_restart(struct sm *); /* what was out is asked again */

#endif
