// SPDX-License-Identifier: Apache-2.0
/*
 * A PPP link (RFC 1661) as a pure core, the same code for both ends: the server of an LNS, and the client.
 *
 *	struct ppp_link link;
 *	struct ppp_ctx ctx = { .conf = &conf, .now = now, .random = fresh, .out = &out };
 *
 *	ppp_link_init(&link);
 *	ppp_link_up(&link, &ctx, NULL);			the call is established
 *	ppp_link_input(&link, &ctx, frame);		for every frame from the peer
 *	ppp_link_timer(&link, &ctx);			at ppp_link_next_due()
 *	  event PPP_EV_VERIFY  -> ppp_link_auth_result()	at once or much later
 *	  event PPP_EV_NETWORK -> ppp_link_network()		at once or much later
 *	  event PPP_EV_NET_UP, PPP_EV_NET_DOWN, PPP_EV_FINISHED
 *	ppp_link_down(&link, &ctx);			the call is gone
 *
 * No clock, no socket, no allocation, no pointer inside the link.  Time, random octets and the
 * configuration come in with each call; frames and events go out through `struct ppp_out`.  None of the
 * functions below may be called for the same link from inside one of these callbacks: note what the
 * event asks for, and call after the step has returned.
 *
 * Every step returns true when the link's snapshot (ppp_link_save) changed, i.e. when it must be
 * recorded before what was sent may leave.  Frames that reveal no state say so (Echo).
 */
#ifndef TWIN_PPP_H
#define TWIN_PPP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "crtp/crtp.h"
#include "wire/wire.h"

#define PPP_RANDOM 32	    /* fresh octets that each step may use */
#define PPP_FRAME_MAX 1600  /* no frame that we build is longer, its protocol field included */
#define PPP_SAVE_MAX 400    /* no snapshot is longer */
#define PPP_AUTHS 4
#define PPP_DNS6 4
#define PPP_ECHO_RING 8

/* RFC 1661, 3.2; the numbers are stored in rows. */
enum ppp_phase { PPP_DEAD, PPP_ESTABLISH, PPP_AUTHENTICATE, PPP_NETWORK, PPP_TERMINATE };

enum ppp_auth { PPP_AUTH_NONE, PPP_AUTH_PAP, PPP_AUTH_CHAP_MD5, PPP_AUTH_MSCHAPV2 };

/* The control protocols that share the automaton. */
enum ppp_cp { PPP_CP_LCP, PPP_CP_IPCP, PPP_CP_IPV6CP, PPP_CP_MUX, PPP_CPS };

/* RFC 3145: what PPP Disconnect Cause Code AVP says. */
enum ppp_cause_code {
	PPP_CAUSE_NONE = 0,
	PPP_CAUSE_ADMIN = 1,
	PPP_CAUSE_NO_PROXY_LCP = 2,
	PPP_CAUSE_NORMAL = 3, /* direction 1: Terminate-Request by the peer, 2: by us */
	PPP_CAUSE_ENCRYPTION = 4,
	PPP_CAUSE_LCP_TIMEOUT = 5,
	PPP_CAUSE_NO_LCP = 6,
	PPP_CAUSE_LOOPBACK = 7,
	PPP_CAUSE_ECHO = 8,
	PPP_CAUSE_CALLBACK = 12,
	PPP_CAUSE_AUTH_TIMEOUT = 13,
	PPP_CAUSE_AUTH_PROTOCOL = 15, /* 1: peer rejected all of ours, 2: the peer's are unacceptable here */
	PPP_CAUSE_AUTH_FAILED = 16,   /* 1: of the peer by us, 2: of us by the peer */
	PPP_CAUSE_NCP_TIMEOUT = 17,
	PPP_CAUSE_NO_NCP = 18,
	PPP_CAUSE_ADDRESSES = 19,     /* 1: too many Naks received, 2: too many sent */
	PPP_CAUSE_NO_ADDRESS = 20,    /* 1: ours not acceptable to the peer, 2: the peer's not to us */
};

struct ppp_cause {
	uint16_t code, proto;
	uint8_t direction; /* 0 global, 1 at peer, 2 at local */
};

/*
 * What this end wants.  It is not kept: each step brings it.  Start from ppp_conf_defaults().
 */
struct ppp_conf {
	bool client;		  /* asks for its address and DNS, and assigns none */
	uint16_t mru;		  /* what we can receive; 1500: option not sent */
	bool ask_accm;		  /* ACCM option `accm` */
	uint32_t accm;
	bool ask_pfc, ask_acfc, magic;
	bool proxy_use;		  /* proxy LCP and authentication: used if acceptable; else renegotiated */
	uint8_t auths;		  /* required of the peer: enum ppp_auth, preferred first; 0: none */
	uint8_t auth[PPP_AUTHS];
	uint8_t answers;	  /* what we submit to, preferred first; 0: to none */
	uint8_t answer[PPP_AUTHS];
	struct span name;	  /* ours: in CHAP challenges; as authenticatee, the user name */
	struct span password;	  /* as authenticatee */
	uint32_t echo_ms;	  /* 0: no Echo-Requests */
	uint8_t echo_failures;	  /* unanswered in a row: the peer is dead; 0: never */
	uint32_t restart_ms;	  /* 3000 */
	uint32_t restart_first_ms; /* 1000: the first wait, doubled up to restart_ms; 0: restart_ms from the first */
	uint8_t max_configure, max_terminate, max_failure; /* 10, 2, 5 */
	uint32_t auth_ms;	  /* whole authentication phase; 0: 30000 */
	uint32_t chap_again_ms;	  /* rechallenge while open; 0: never */
	bool ipv4, ipv6;	  /* NCPs to run */
	bool hc;		  /* header compression: ask for `hc_ours` in both of them, take the peer's */
	struct crtp_params hc_ours; /* what our decompressor can */
	bool mux;		  /* PPPMuxCP (RFC 3153), */
	uint16_t mux_pid;	  /* with this default PID towards us */
	bool ask_dns;		  /* client: RFC 1877 options */
	uint32_t ra_ms;		  /* server: unsolicited router advertisements; 0: only first ones and when solicited */
	uint16_t ra_lifetime_s;	  /* router lifetime */
	uint16_t ra_mtu;	  /* 0: no MTU option */
	uint8_t dns6_count;
	uint8_t dns6[PPP_DNS6][16];
};

void ppp_conf_defaults(struct ppp_conf *);

/* The network phase's parameters, from above (ppp_link_network).  IPv4 in host order, 0: none. */
struct ppp_net {
	bool ipv4, ipv6;	   /* permitted for this link; ANDed with the configuration's */
	uint32_t local4;	   /* ours; client: the address to ask for, 0: assign me one */
	uint32_t peer4;		   /* server: assigned to the peer; 0: whatever it says, or none */
	uint32_t dns4[2], nbns4[2]; /* given to the peer */
	uint64_t local_iid;	   /* 0: random */
	uint64_t peer_iid;	   /* 0: whatever it says */
	uint8_t prefix6[16];	   /* announced to the peer */
	uint8_t prefix6_len;	   /* 0: none */
};

/* What the LAC did before we came (RFC 2661, 4.4.5); spans live as long as the call of ppp_link_up. */
struct ppp_proxy {
	struct span initial_rcvd, last_sent, last_rcvd; /* options of the CONFREQs; len 0: AVP absent */
	uint16_t auth_type; /* 0 absent, 1 text, 2 CHAP, 3 PAP, 4 none, 5 MS-CHAPv1 */
	uint8_t auth_id;
	struct span auth_name, auth_challenge, auth_response;
};

enum ppp_event_kind {
	PPP_EV_LCP_UP,	 /* .lcp; again after every renegotiation */
	PPP_EV_LCP_DOWN, /* and with it all that was above */
	PPP_EV_VERIFY,	 /* .verify: answer with ppp_link_auth_result */
	PPP_EV_AUTH_OK,	 /* .auth: we were accepted by the peer (of_peer false), or the peer by us (true) */
	PPP_EV_NETWORK,	 /* network phase: answer with ppp_link_network; again after every renegotiation of LCP */
	PPP_EV_NET_UP,	 /* .net */
	PPP_EV_NET_DOWN, /* .net.cp; may come without an UP before it */
	PPP_EV_PREFIX,	 /* client: .prefix; with prefix_len 0: the one told before is over; may come again and again */
	PPP_EV_FINISHED, /* .cause: the call can be cleared; once per ppp_link_up */
	PPP_EV_FAULT,	 /* .fault: something to count */
	PPP_EV_HC_REFUSED, /* .states: the peer rejected CONTEXT_STATE; else what is compressed, whatever hc_send said */
};

enum ppp_fault {
#define X(ID, SENTENCE) PPP_FAULT_##ID,
#include "ppp/faults.def"
#undef X
	PPP_FAULTS
};

struct ppp_event {
	enum ppp_event_kind kind;
	union {
		struct {
			uint16_t peer_mru;	    /* largest information field we may send */
			bool pfc, acfc;		    /* what we may compress towards the peer */
			uint32_t accm_send, accm_recv; /* for SLI: what the peer asked of us, what we asked of it */
			enum ppp_auth auth_peer, auth_us;
			bool proxied;		    /* taken over from the LAC */
		} lcp;
		struct {
			uint16_t serial;	 /* to be given back */
			enum ppp_auth auth;
			uint8_t id;		 /* CHAP identifier: goes into the digest */
			struct span name;	 /* all spans only until the callback returns */
			struct span challenge;	 /* CHAP */
			struct span response;	 /* PAP: the password; CHAP: the value, 16 or 49 octets */
			bool proxied, again;	 /* from the LAC; a rechallenge of an open link */
		} verify;
		struct {
			bool of_peer;
			enum ppp_auth auth;
		} auth;
		struct {
			enum ppp_cp cp;
			uint32_t local4, peer4, dns4[2]; /* dns4: client: what the peer gave us */
			uint64_t local_iid, peer_iid;
			/* IPCP, IPV6CP: what we may send, what we take; NULL: plain.  Lent for the callback. */
			const struct crtp_params *hc_send, *hc_recv;
			uint16_t mux_send_pid, mux_recv_pid; /* PPPMuxCP; 0: none is assumed */
		} net;
		const struct ppp_ra_heard *prefix; /* of ra.h; lent */
		struct ppp_cause cause;
		enum ppp_fault fault;
		bool states;
	};
};

struct ppp_out {
	/* A frame for the peer from its 2-octet protocol field on (no FF 03).  Lent. */
	void (*send)(struct ppp_out *, struct span frame, bool reveals_nothing);
	void (*event)(struct ppp_out *, const struct ppp_event *);
	/*
	 * May be NULL.  The peer insists on `asked` instead of the address assigned to it: true gives it
	 * that address (and the owner has leased it).  Answered at once.
	 */
	bool (*accept4)(struct ppp_out *, uint32_t asked);
};

/* What every step is given. */
struct ppp_ctx {
	const struct ppp_conf *conf;
	mono_t now;
	const uint8_t *random; /* PPP_RANDOM octets, never used before */
	struct ppp_out *out;
};

/*
 * ---- The link.  Fields are private to lib/ppp; it holds no pointer and may be moved or copied.
 */
struct ppp_fsm {
	mono_t due;	   /* restart timer */
	mono_t dup_until;  /* so long a second copy of the request acknowledged last is only acknowledged again */
	uint32_t acked;	   /* digest of that request */
	uint8_t state;	   /* enum ppp_state */
	uint8_t restarts;  /* RFC 1661, 4.6: restart counter */
	uint8_t id;	   /* of the last Configure- or Terminate-Request sent */
	uint8_t awaiting;  /* its answer has not come */
	uint8_t naks_sent, naks_rcvd;
	uint8_t laps;	   /* requests in a row that reopened what they had just opened; not in the snapshot, */
	uint32_t asked;	   /* nor is what they asked: digest of the options */
	uint8_t ask;	   /* bit per option of ours that we (still) ask for; each protocol's own meaning */
};

struct ppp_lcp_opts {
	uint32_t accm, magic;
	uint16_t mru;
	uint8_t auth; /* enum ppp_auth */
	uint8_t pfc, acfc;
};

struct ppp_auth_side {
	mono_t due;	 /* retransmission */
	uint8_t state;	 /* enum ppp_auth_state */
	uint8_t auth;	 /* enum ppp_auth */
	uint8_t id, tries;
	uint16_t serial; /* of the question asked upwards */
	uint8_t challenge_len;
	uint8_t again;
	uint8_t challenge[16];
	uint8_t proof[20]; /* MS-CHAPv2: as authenticator what Success carries; as peer its own challenge */
};

struct ppp_echo {
	mono_t due, sent_at, over; /* over: end of the interval that the last one began */
	uint32_t sent, lost;
	uint16_t ring_ms[PPP_ECHO_RING]; /* latest first by `next`; PPP_ECHO_LOST; 0 unused */
	uint8_t id, pending, next, off;
	uint8_t again; /* repetitions within this interval */
};
#define PPP_ECHO_LOST 0xffff

struct ppp_link {
	struct ppp_fsm cp[PPP_CPS];
	struct ppp_lcp_opts ours, peer;
	struct ppp_auth_side check, prove; /* of the peer by us; of us by the peer */
	struct ppp_net net;
	struct ppp_echo echo;
	mono_t auth_due, ra_due, ra_at, prej_at;
	uint32_t local4, peer4, dns4[2]; /* being negotiated */
	uint64_t local_iid, peer_iid;
	struct crtp_params hc_recv[2], hc_send[2]; /* IPv4's, IPv6's */
	uint16_t mux_recv_pid, mux_send_pid;
	uint8_t hc_sends; /* bit per hc_send that the peer asked for */
	struct ppp_cause cause;	  /* why the link ends */
	struct ppp_cause trouble; /* why an NCP ended last */
	uint8_t phase;
	uint8_t ids;	  /* last identifier given to Code-Reject, Protocol-Reject */
	uint8_t loops;	  /* signs of a looped-back link */
	uint8_t prejs, ras;
	uint8_t flags;	  /* LINK_* of link.h */
	uint8_t dirty;
};

void ppp_link_init(struct ppp_link *);

/* Lower layer up: starts LCP, or takes over what `proxy` (NULL: nothing) says, as the policy is. */
bool ppp_link_up(struct ppp_link *, const struct ppp_ctx *, const struct ppp_proxy *proxy);

/* Lower layer down: everything stops, nothing is sent.  FINISHED is reported unless it has been. */
bool ppp_link_down(struct ppp_link *, const struct ppp_ctx *);

/* A frame from the peer: with or without FF 03, protocol field of 1 or 2 octets. */
bool ppp_link_input(struct ppp_link *, const struct ppp_ctx *, struct span frame);

/* What is due at ctx->now; ppp_link_next_due() says when next, MONO_NEVER: not before an input. */
bool ppp_link_timer(struct ppp_link *, const struct ppp_ctx *);
mono_t ppp_link_next_due(const struct ppp_link *);

/* Ends the link in order: Terminate-Request, its Ack or its timeouts, then FINISHED with `cause`. */
bool ppp_link_close(struct ppp_link *, const struct ppp_ctx *, struct ppp_cause cause);

/* The answer to PPP_EV_VERIFY.  A serial that is not the one being waited for is ignored. */
struct ppp_auth_result {
	uint16_t serial;
	bool ok;
	struct span message;	 /* text for the peer, may be empty; cut at 200 octets */
	uint8_t mschap_proof[20]; /* ok and MS-CHAPv2: the Authenticator Response (S=), as octets */
};
bool ppp_link_auth_result(struct ppp_link *, const struct ppp_ctx *, const struct ppp_auth_result *);

/* The answer to PPP_EV_NETWORK.  Called again while open, it starts the NCPs that changed anew. */
bool ppp_link_network(struct ppp_link *, const struct ppp_ctx *, const struct ppp_net *);

/* Traffic was seen from the peer: the echo that is due next can be left out. */
void ppp_link_alive(struct ppp_link *, const struct ppp_ctx *);

static inline enum ppp_phase
ppp_link_phase(const struct ppp_link *l)
{
	return (enum ppp_phase)l->phase;
}
bool ppp_link_cp_open(const struct ppp_link *, enum ppp_cp);

/* Echo history: `ms` receives up to PPP_ECHO_RING round trips, latest first; returns how many. */
unsigned ppp_link_echo_history(const struct ppp_link *, uint16_t ms[PPP_ECHO_RING]);

/*
 * ---- Snapshot: all that another node needs to go on; no clock in it.
 *
 * Octets written, at most PPP_SAVE_MAX; 0: `cap` was too small.
 */
size_t ppp_link_save(const struct ppp_link *, uint8_t *buf, size_t cap);

/*
 * False: not a snapshot that this version reads; the link is then as after init.  Timers are armed from
 * ctx->now: what waited for an answer is sent again soon, spread over half a restart time.
 */
bool ppp_link_load(struct ppp_link *, const struct ppp_ctx *, struct span saved);

/*
 * After load on the node that goes on: asks upwards again what was asked and not answered
 * (PPP_EV_NETWORK, PPP_EV_FINISHED).  What the peer must repeat for us (its PAP request, its CHAP response) is asked
 * of the peer by the timers.
 */
bool ppp_link_resume(struct ppp_link *, const struct ppp_ctx *);

/* ---- Names for logs and tables. */
const char *ppp_phase_name(enum ppp_phase);
const char *ppp_auth_name(enum ppp_auth);     /* "pap", "chap-md5", "mschapv2", "none" */
const char *ppp_cp_name(enum ppp_cp);	      /* "lcp" */
const char *ppp_fault_name(enum ppp_fault);   /* "BAD_LENGTH" */
const char *ppp_fault_text(enum ppp_fault);   /* its sentence */
const char *ppp_cause_name(uint16_t code);    /* "normal disconnection" */

/*
 * ---- Verification against a clear-text password, for whoever answers PPP_EV_VERIFY.
 *
 * Fills `result->ok` and, for MS-CHAPv2, `result->mschap_proof`.  `user` is the name as the peer sent it
 * (a "DOMAIN\" in front is left out of the MS-CHAPv2 digest, RFC 2759, 4).
 */
void ppp_verify(enum ppp_auth auth, uint8_t id, struct span user, struct span challenge,
		struct span response, struct span password, struct ppp_auth_result *result);

#endif
