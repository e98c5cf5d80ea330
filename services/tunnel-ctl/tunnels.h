// SPDX-License-Identifier: Apache-2.0
/*
 * The population of the core: tunnels, their calls, who is due when; and the one way in which any
 * of it changes: put_x() records a row and applies it.
 *
 *   tc ──► tunnels by id (array), by peer (buckets), by deadline (heap)
 *           └─► calls by our id, by the peer's id (uthash); half open in the order of their
 * deadlines
 *
 * Only the files of this folder include this.
 */
#ifndef TWIN_TC_TUNNELS_H
#define TWIN_TC_TUNNELS_H

#include <uthash.h>

#include "base/arena.h"
#include "l2tp/chan.h"
#include "l2tp/l2tp3.h"
#include "l2tp/l2tphc.h"
#include "rows.pb-c.h"
#include "tc.h"

/* Row.Tunnel.state.  `closing` is the RFC's idle while reliable delivery runs to its end (7.1). */
enum cc_state {
	CC_IDLE,
	CC_WAIT_CTL_REPLY,
	CC_WAIT_CTL_CONN,
	CC_ESTABLISHED,
	CC_CLOSING,
	CC_STATES
};

/* Row.Call.state.  ESTABLISHED is public; CLOSED is a call's last row, with its causes. */
enum call_state {
	CALL_IDLE = 0,
	CALL_WAIT_TUNNEL = 1,
	CALL_WAIT_REPLY = 2,
	CALL_WAIT_CONNECT = 3,
	CALL_WAIT_CS_ANSWER = 4,
	CALL_ESTABLISHED = 10,
	CALL_CLOSED = 11,
};
enum call_kind { CALL_INCOMING = 1, CALL_OUTGOING = 2 };
enum tc_role { TC_LNS = 1, TC_LAC = 2, TC_CLIENT = 3 }; /* Row.Tunnel.role, Row.Call.role */

/* Row.Tunnel.recovery (RFC 4951): how it stands with a tunnel whose control channel has failed. */
enum rec_state {
	REC_NONE,
	REC_WAIT,  /* recovery endpoint, the one that failed: a recovery tunnel is to be opened for it */
	REC_ASKED, /* it is under way; until it is up, nothing is sent here, and what comes is dropped (3.2.1) */
	REC_AWAY,  /* remote endpoint: the peer does not answer, and has its recovery time (5.1) */
	REC_SYNC,  /* both ends are reset; sessions are being synchronised (3.3) */
	REC_STATES
};

/* Where a call stands in the synchronisation of its tunnel: local, for whoever is promoted asks anew. */
enum sync_where {
	SYNC_NONE,  /* both ends agree, as far as is known */
	SYNC_ASK,   /* to be asked about */
	SYNC_ASKED, /* in an FSQ that is not answered */
	SYNC_DOUBT, /* "marked stale": the peer pairs it with another; asked about when the others are done */
	SYNC_PLACES
};

#define FAILOVER_CONTROL 1u /* the C and D bits in Row.Tunnel.failover_flags, failover_ours */
#define FAILOVER_DATA 2u

enum tc_counter {
#define X(NAME, SENTENCE) N_##NAME,
#include "counters.def"
#undef X
	TC_COUNTERS
};
enum tc_fault {
	FAULT_NONE,
#define X(NAME, RESULT, ERROR, SENTENCE) FAULT_##NAME,
#include "faults.def"
#undef X
	TC_FAULTS
};
/* Why something ends: for the peer, the row and the log. */
struct verdict {
	enum tc_fault fault; /* FAULT_NONE: the codec's, or an operator's own words */
	uint16_t result, error;
	char text[96];
};
struct verdict verdict_of(enum tc_fault);
struct verdict verdict_of_trouble(const struct l2tp_trouble *);
const char *fault_name(enum tc_fault);

#define TEXT_NAME 64
#define TEXT_HOST 128
#define CHALLENGE_MAX 64
#define NONCE_MAX 255
#define TC_SECRETS 2 /* of a profile, in L2TPv3 */
#define CALLS_MAX 65535

struct tunnel;

struct want { /* a link row that asks for something we have not done yet */
	struct want *prev, *next;
	struct call *call;
	size_t len;
	uint8_t row[];
};

/* What a call of L2TPv3 or with L2TPHC has besides; Row.Call's fields of these names. */
struct call_form {
	uint8_t cookie[L2TP3_COOKIE_MAX], peer_cookie[L2TP3_COOKIE_MAX];
	uint8_t cookie_len, peer_cookie_len;
	bool sublayer, peer_sublayer;
	uint8_t sequencing, peer_sequencing;
	bool circuit_down, our_circuit_down;
	bool headerless; /* `hc` holds */
	Row__HeaderlessData hc;
};

struct call {
	struct tunnel *t;
	uint16_t id;
	uint32_t peer_id;
	uint8_t state, kind, role;
	bool seq_required, seq_lns;
	uint8_t sync;		/* local: enum sync_where */
	uint16_t result, error; /* of its last row */
	uint16_t tried;		/* local: members of the LNS group already tried */
	uint32_t serial;
	uint32_t accm_send, accm_recv; /* as in `info` */
	bool accm_told, proxy_lcp; /* likewise: the LAC negotiated LCP itself */
	uint64_t since;
	mono_t due;			    /* half open: given up then */
	struct call *prev, *next;	    /* half open, by deadline; or dead */
	struct call *wait_prev, *wait_next; /* for the tunnel to open, or for room in it; established: of its sync[] */
	char *user_ref;			    /* NULL: none */
	struct call_form *form;		    /* NULL: all of it zero */
	uint8_t *info;			    /* packed row of call_info; NULL: none */
	uint32_t info_len;
	struct want *want;
	UT_hash_handle hh, hp;
};

struct tunnel {
	/* row */
	uint16_t id;
	uint32_t peer_id;
	uint8_t state, role;
	uint8_t version; /* 2, 3 */
	bool over_ip;
	bool initiated, draining, multicast_capable, ecn_capable;
	struct endpoint local, peer;
	uint16_t peer_firmware, peer_window;
	uint32_t peer_framing, peer_bearer;
	uint32_t failover_flags, failover_ms, failover_ours;
	uint64_t epoch;
	uint8_t recovery;  /* enum rec_state */
	uint16_t recovers; /* a recovery tunnel: the id of the old one */
	bool suggested;
	uint16_t suggested_ns, suggested_nr;
	uint32_t data_restarts;
	uint64_t since;
	uint16_t result, error;
	uint8_t lns_member;
	uint8_t tie_breaker[8], tie_len;
	uint8_t challenge_sent[CHALLENGE_MAX], challenge_sent_len;
	uint8_t nonce[NONCE_MAX], peer_nonce[NONCE_MAX], nonce_len, peer_nonce_len;
	uint8_t digests; /* in our messages: a bit for each enum l2tp3_digest; 0: none */
	uint32_t peer_router;
	char profile[TEXT_NAME], lns_group[TEXT_NAME], peer_host[TEXT_HOST], peer_vendor[TEXT_NAME];
	char message[TEXT_HOST];
	/* calls */
	struct call *by_id, *by_peer;
	struct call *setup;   /* half open */
	struct call *waiting; /* those in wait-tunnel */
	struct want *wants;
	unsigned established;
	unsigned headerless; /* calls whose L2TPHC packets only their addresses tell apart */
	struct chan chan;
	/* RFC 4951, local */
	bool stale;	 /* from before the epoch that began stale, and not assessed yet */
	bool learns;	 /* kept as stored: the peer may know later numbers, until it has sent one in order */
	bool rec_listed; /* in tc.rec_waiting */
	struct tunnel *rec_prev, *rec_next;
	struct call *sync[SYNC_PLACES]; /* established calls by their place */
	unsigned sync_tries;
	mono_t away_due, sync_due;
	/* local */
	const struct conf_profile *prof;
	struct l2tp3_keys keys[TC_SECRETS]; /* L2TPv3: of the profile's secrets */
	uint8_t secrets;		    /* how many keys there are */
	uint64_t id_key; /* of the permutation that session ids are taken from */
	uint32_t id_count;
	mono_t setup_due, linger_due, idle_due, hello_due, due;
	unsigned heap_at;   /* 0: not in it */
	mono_t fresh_until; /* an SCCRQ with its ids that comes before is a late duplicate */
	uint32_t request;   /* digest of the SCCRQ that opened it; 0: not known any more */
	bool final;	    /* closing, and the last exchange is over */
	bool touched, gone;
	struct tunnel *next_touched, *next_bucket, *next_dead;
	struct tunnel *lcce_prev, *lcce_next; /* those of one Router ID, and the few that share its place */
	struct tunnel *prev, *next; /* all of them */
};

struct lns_state { /* of a group's members: local */
	mono_t hold_off[CONF_LNS_MEMBERS];
	uint16_t tunnel[CONF_LNS_MEMBERS]; /* where new calls go; 0: none */
	unsigned turn;
	bool down;
};

struct dial_state {
	uint16_t tunnel, session; /* 0: no call now */
	mono_t due;		  /* dial again then */
	unsigned failures;
	bool up;
};

struct recovery_sum { /* since the first tunnel was taken up, until the last was done */
	bool running;
	uint64_t wall_s;
	mono_t began, ended;
	unsigned tunnels, recovered, failed;		/* as recovery endpoint */
	unsigned kept, cleared;				/* stale, and their peers do not speak RFC 4951 */
	uint64_t sessions, lost, half_open, unanswered; /* synchronised; not known to the peer; ... */
};

#define BUCKETS 4096
#define TX_PREFIX 4

struct tc {
	const struct conf *conf;
	struct tc_random random;
	struct conf_profile fallback; /* for tunnels whose profile is gone */
	bool active, alarms_moved;
	bool nobody_carries; /* no worker yet */
	uint64_t draining; /* row: since when (wall); 0: not */
	enum note_level least;
	uint64_t epoch, stale_since; /* see tc_term() */
	/* of the current step */
	mono_t now;
	uint64_t wall_s;
	struct sink *out;
	struct tunnel *touched;
	/* population */
	struct tunnel *tunnel[65536];
	struct tunnel *bucket[BUCKETS];
	struct tunnel *lcce[BUCKETS]; /* of L2TPv3, by Router ID */
	struct tunnel *all; /* list */
	struct tunnel **heap;
	unsigned heap_len, heap_cap;
	unsigned tunnels, in_state[CC_STATES], refusing, of_profile[CONF_PROFILES];
	unsigned half_open_of[BUCKETS]; /* begun by a peer and not finished, by its address */
	unsigned in_recovery[REC_STATES];
	uint16_t offers[65536]; /* recovery tunnels not up yet, of either end, by the old tunnel's id */
	unsigned asking[BUCKETS]; /* those that we have opened, by the peer's address */
	unsigned headerless_of[BUCKETS]; /* tunnel.headerless, by the peer's address */
	struct l2tp3_keys no_keys; /* of an empty secret: an integrity check (RFC 3931, 4.3) */
	struct tunnel *rec_waiting; /* stale, or REC_WAIT: list */
	mono_t rec_due;
	struct recovery_sum rec;
	unsigned calls, calls_established;
	struct tunnel *dead_tunnels;
	struct call *dead_calls;
	uint64_t id_key;
	uint32_t id_count;
	uint32_t serial;
	struct lns_state lns[CONF_LNS_GROUPS];
	struct dial_state dial[CONF_DIALS];
	mono_t dial_due;
	struct arena arena;
	/* numbers */
	uint64_t n[TC_COUNTERS], faults[TC_FAULTS], codec[L2TP_FAULTS];
	struct counters sets[TC_COUNTER_SETS];
	struct tc_alarm_state alarm[TC_ALARMS];
	/* workspace */
	struct l2tp_msg msg;
	struct wr w;
	struct l2tp_wr lw;
	uint8_t out_octets[CHAN_MESSAGE_MAX];
	uint8_t wire[TX_PREFIX + CHAN_MESSAGE_MAX]; /* a message to be sent, behind the session id 0 of L2TPv3 over IP */
};
#define TX(TC) ((TC)->wire + TX_PREFIX)

/* Makes a peer's text fit to be stored and shown: control characters, and what is not UTF-8, become
 * '?'. */
void clean_text(char *);

static inline void
bump(struct tc *tc, enum tc_counter n)
{
	tc->n[n]++;
}
void bump_fault(struct tc *, const struct verdict *);
void alarm_set(struct tc *, enum tc_alarm, bool stands, const char *detail);

#define note(TC, LEVEL, ...)                                                                       \
	do {                                                                                       \
		if ((LEVEL) >= (TC)->least && (TC)->out)                                           \
			sink_note((TC)->out, (LEVEL), __VA_ARGS__);                                \
	} while (0)

/* ---- tunnels.c: finding --------------------------------------------------------------- */

struct tunnel *tunnel_find(const struct tc *, uint16_t id);
/* Tunnels that this address (and the few that share its bucket) has begun and not finished. */
unsigned tunnel_half_open(const struct tc *, const struct ip_addr *peer);
/* Recovery tunnels that we have asked this address for and that are not up. */
unsigned tunnel_asking(const struct tc *, const struct ip_addr *peer);
/* The next one of this peer with this id of its own, after `from` (NULL: the first). */
struct tunnel *tunnel_of_peer(const struct tc *, const struct ip_addr *, uint32_t peer_id,
			      struct tunnel *from);
/*
 * RFC 3931, 3.3: Router ID and Host Name together are the peer.  The next tunnel with it after `from` (NULL: the first).
 * Anybody may say to be anybody: it counts where the address is the same, or both have proved it by a digest.
 */
struct tunnel *tunnel_of_lcce(const struct tc *, uint32_t router, const char *host, struct tunnel *from);
#define LCCE_LOOKS 64 /* tunnels of one peer that are looked at, for a tie */
struct call *call_find(const struct tunnel *, uint16_t id);
struct call *call_of_peer(const struct tunnel *, uint32_t peer_id);
/* Our ids as the peer knows them: in L2TPv3 a session's tells the tunnel as well, so that data leads to it. */
static inline uint32_t
session_on_wire(const struct tunnel *t, uint16_t id)
{
	return t->version == 3 && id ? (uint32_t)t->id << 16 | id : id;
}
struct call *call_on_wire(const struct tunnel *, uint32_t session); /* NULL also where it is no id of this tunnel */
/* L2TPHC without an id in its packets: is there such a session with this address already? */
unsigned tunnel_headerless(const struct tc *, const struct ip_addr *peer);
static inline unsigned
tunnel_calls(const struct tunnel *t)
{
	return HASH_CNT(hh, t->by_id);
}
uint16_t tunnel_free_id(struct tc *);		     /* 0: none left */
uint16_t call_free_id(struct tc *, struct tunnel *); /* 0: none left */
void tunnel_touch(struct tc *, struct tunnel *);     /* flush it when the step ends */
void heap_set(struct tc *, struct tunnel *, mono_t due);
void tunnel_profile(struct tc *, struct tunnel *); /* looks its profile up again */
void call_half_open(struct tc *, struct call *);   /* its deadline starts now, if it is half open */

/* population: used by rows.c only */
struct tunnel *tunnel_new(struct tc *, uint16_t id);
void tunnel_unlink(struct tc *, struct tunnel *);
void tunnel_count(struct tc *, const struct tunnel *,
		  int by);		       /* before and after any change of its row */
void bucket_add(struct tc *, struct tunnel *); /* by peer address and id: the same */
void bucket_remove(struct tc *, struct tunnel *);
void lcce_add(struct tc *, struct tunnel *); /* by its peer_router: the same */
void lcce_remove(struct tc *, struct tunnel *);
struct call *call_new(struct tc *, struct tunnel *, uint16_t id);
void call_unlink(struct tc *, struct call *);
void call_set_peer(struct call *, uint32_t peer_id);
void call_set_form(struct tc *, struct call *, const struct call_form *);
static inline bool
call_sequenced(const struct call *c)
{
	return c->seq_required || c->seq_lns || (c->form && (c->form->sequencing || c->form->peer_sequencing));
}
void call_set_state(struct tc *, struct call *, uint8_t state);
void call_sync(struct call *, enum sync_where); /* an established one moves to this list of its tunnel */
void want_drop(struct tc *, struct call *);
void bury(struct tc *); /* frees what was unlinked in this step */

/* ---- rows.c: the one way in ----------------------------------------------------------- */

Row__Tunnel tunnel_row(const struct tunnel *); /* lends the tunnel's texts */
Row__Call call_row(const struct call *);
/* Records and applies.  The tunnel or call as it is then; NULL: no memory (the record is out all
 * the same). */
struct tunnel *put_tunnel(struct tc *, const Row__Tunnel *);
void put_drain(struct tc *, bool on); /* of the node: no new tunnels */
void drop_tunnel(struct tc *, struct tunnel *); /* with its numbers, messages and calls */
void put_seq(struct tc *, struct tunnel *);
void put_out(struct tc *, struct tunnel *, uint16_t ns, struct span message); /* empty: removed */
struct call *put_call(struct tc *, struct tunnel *, const Row__Call *);
void drop_call(struct tc *, struct call *); /* with its info */
void put_info(struct tc *, struct call *, const Row__CallInfo *);
/* The info of a call, unpacked into the step's arena: never NULL unless memory ends; may be changed
 * and put. */
Row__CallInfo *call_info(struct tc *, const struct call *);

/* ---- msgs.c: messages out ------------------------------------------------------------- */

void send_sccrq(struct tc *, struct tunnel *);
void send_sccrp(struct tc *, struct tunnel *,
		struct span challenge); /* the peer's, to be answered; may be empty */
void send_scccn(struct tc *, struct tunnel *, struct span challenge);
void send_stopccn(struct tc *, struct tunnel *, const struct verdict *);
void send_hello(struct tc *, struct tunnel *);
void send_icrq(struct tc *, struct call *);
void send_icrp(struct tc *, struct call *);
void send_iccn(struct tc *, struct call *);
void send_ocrq(struct tc *, struct call *);
void send_ocrp(struct tc *, struct call *);
void send_occn(struct tc *, struct call *);
struct cause { /* of RFC 3145 and Q.931; 0: none */
	uint16_t code, proto;
	uint8_t direction;
	uint16_t q931;
	const char *text;
};
/* our_id: the id we gave (or would have given); peer_id: where it goes, 0 if unknown */
void send_cdn(struct tc *, struct tunnel *, uint16_t our_id, uint32_t peer_id,
	      const struct verdict *, const struct cause *);
void send_sli(struct tc *, struct call *, uint32_t send, uint32_t receive);
void send_circuit(struct tc *, struct call *); /* L2TPv3: our Circuit Status, in an SLI */
void send_wen(struct tc *, struct call *, const struct l2tp_call_errors *);
void send_csun(struct tc *, struct tunnel *, struct call *const *, unsigned n);
/* RFC 4951, 4: one message with calls from a list of the tunnel's; false: none fitted. */
bool send_fsq(struct tc *, struct tunnel *);
#define FSS_MAX 70 /* in one message: within 1300 octets, hidden or not */
bool send_fsr(struct tc *, struct tunnel *, const struct l2tp_fss *, unsigned n);
/* Outside of any tunnel: answers that reveal nothing.  `version` of L2TP, `tunnel` the peer's id. */
void reply_zlb(struct tc *, const struct tc_datagram *, unsigned version, uint32_t tunnel, uint16_t ns,
	       uint16_t nr);
void reply_stopccn(struct tc *, const struct tc_datagram *, unsigned version, uint32_t tunnel, uint16_t nr,
		   const struct verdict *);
/* What the step leaves to be done for a tunnel: Ns and Nr recorded, messages and acknowledgement
 * out, next deadline. */
void tunnel_flush(struct tc *, struct tunnel *);

/* ---- cc.c, call.c, lac.c, cmd.c ------------------------------------------------------- */

void cc_receive(struct tc *, const struct tc_datagram *);
struct tunnel *cc_open(struct tc *, const char *group, unsigned member, enum tc_role);
/* The same to a peer that is in no group.  `profile` "": the one that fits its address. */
struct tunnel *cc_open_peer(struct tc *, const struct endpoint *peer, const char *profile, enum tc_role);
void cc_close(struct tc *, struct tunnel *, const struct verdict *);
void cc_tick(struct tc *, struct tunnel *);
mono_t cc_hello_due(const struct tunnel *);
void cc_timers(struct tc *, struct tunnel *);	  /* those of its state start now */
void cc_idle_check(struct tc *, struct tunnel *); /* a call has gone: was it the last? */
void cc_drain(struct tc *, struct tunnel *, bool on);
const char *cc_state_name(unsigned);
bool cc_room(const struct tunnel *); /* for another message of a call */

struct call_order { /* a call of ours to be made */
	enum tc_role role;
	const char *user_ref;
	const Row__CallInfo *info;
	uint16_t tried;
	bool seq_required;
};
struct call *call_place(struct tc *, struct tunnel *,
			const struct call_order *); /* incoming, as LAC */
struct call *call_request(struct tc *, struct tunnel *,
			  const struct call_order *); /* outgoing, as LNS */
void call_receive(struct tc *, struct tunnel *, const struct l2tp_msg *);
void call_close(struct tc *, struct call *, const struct verdict *, const struct cause *);
void call_tunnel_open(struct tc *,
		      struct tunnel *); /* tunnel-open to waiting calls, while there is room */
void call_tunnel_gone(struct tc *, struct tunnel *, unsigned budget);
void call_timeout(struct tc *, struct call *);
void call_vanish(struct tc *, struct call *, enum tc_fault); /* without a word to the peer */
bool call_bearer(struct tc *, struct call *,
		 bool up); /* answer or drop; false: not in that state */
void call_want(struct tc *, struct want *);
void call_row_event(struct tc *, struct span key, struct span row, bool removed);

/* As LAC: the groups of LNSs, and the calls kept up. */
enum dial_result { DIAL_OK, DIAL_NO_GROUP, DIAL_NO_MEMBER, DIAL_FULL };
void lac_forget(struct tc *); /* a new configuration: what is known of members and dials */
struct tunnel *lac_open(struct tc *, const char *group,
			enum tc_role);		    /* to its best member; NULL: none */
void lac_moved(struct tc *, const struct tunnel *); /* it serves this group's member from now on */
enum dial_result lac_dial(struct tc *, const char *group, const struct call_order *,
			  struct call **out);
/* The call could not be had there.  True: it went to another member, this one is gone. */
bool lac_redirect(struct tc *, struct call *);
void lac_move_calls(struct tc *, struct tunnel *from, struct tunnel *to);
void lac_tunnel_up(struct tc *, const struct tunnel *);
void lac_tunnel_failed(struct tc *, const struct tunnel *);
void lac_call_up(struct tc *, const struct call *);
void lac_call_down(struct tc *, const struct call *); /* about to be dropped */
const struct conf_dial *lac_dial_for(const struct tc *,
				     const char *called); /* that answers an outgoing call */
void lac_start(struct tc *);
void lac_tick(struct tc *);
const struct conf_lns_group *lac_group(const struct tc *, const char *name);

/* ---- recover.c, sync.c: RFC 4951 ------------------------------------------------------------ */

void recovery_start(struct tc *); /* activation: what of the tables is stale, and what was under way */
void recovery_pump(struct tc *);  /* opens recovery tunnels, as many as a peer is to have at a time */
mono_t recovery_due(const struct tc *, const struct tunnel *);
void recovery_unlist(struct tc *, struct tunnel *); /* it is not to be recovered any more */
/* The old tunnel's control channel is dead until it is reset: nothing is sent, and what comes is dropped. */
static inline bool
recovery_muted(const struct tunnel *t)
{
	return t->state == CC_ESTABLISHED &&
	       (t->stale || t->recovery == REC_WAIT || t->recovery == REC_ASKED);
}
/* Reliable delivery has given up.  True: the peer may recover, and is waited for (5.1). */
bool recovery_waits(struct tc *, struct tunnel *);
void recovery_heard(struct tc *, struct tunnel *); /* the peer acknowledged something: was it away? */
bool recovery_command(struct tc *, struct tunnel *); /* as if we had failed; false: not capable */
void recovery_review(struct tc *);		     /* alarms, and whether all is done */

void sync_begin(struct tc *, struct tunnel *, mono_t hold);
void sync_flush(struct tc *, struct tunnel *); /* queries out, as there is room; done? */
bool sync_command(struct tc *, struct tunnel *); /* asks about all; false: not capable */
void sync_tick(struct tc *, struct tunnel *);
void sync_query(struct tc *, struct tunnel *, const struct l2tp_msg *);
void sync_response(struct tc *, struct tunnel *, const struct l2tp_msg *);

void cmd_run(struct tc *, const char *const *words, unsigned n, struct tc_answer *);

#endif
