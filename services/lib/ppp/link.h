// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of lib/ppp tell each other.  Nobody outside includes this.
 *
 *	link.c	phases, the doors of ppp.h		cp.c	control protocols around the automaton (fsm.c)
 *	lcp.c ipcp.c ipv6cp.c	their options		auth.c	PAP and CHAP, both roles; digests in digest.c
 *	echo.c	keepalive				proxy.c	what the LAC negotiated before us
 *	ra.c	router advertisements			save.c	the snapshot
 *	hc.c	header compression, in both of IP's	muxcp.c	PPP multiplexing
 */
#ifndef TWIN_PPP_LINK_H
#define TWIN_PPP_LINK_H

#include "ppp/frame.h"
#include "ppp/fsm.h"
#include "ppp/ppp.h"

/* ppp_link.flags */
enum {
	LINK_NET_ASKED = 1 << 0, /* PPP_EV_NETWORK is out */
	LINK_NET_KNOWN = 1 << 1, /* and answered */
	LINK_FINISHED = 1 << 2,	 /* PPP_EV_FINISHED is out: deaf until down */
	LINK_HEARD = 1 << 3,	 /* some LCP packet was recognized */
	LINK_ADDRESS_REFUSED = 1 << 4, /* we rejected the peer's IP-Address */
	LINK_PROXIED = 1 << 5,	 /* LCP was taken over from the LAC */
	LINK_PREFIX = 1 << 7,	 /* client: a prefix was heard */
	LINK_HURRIED = 1 << 6,	 /* our Configure-Request was repeated before its time, once */
};

/* Bits of ppp_fsm.ask: our options in the Configure-Request. */
enum { ASK_MRU = 1, ASK_ACCM = 2, ASK_AUTH = 4, ASK_MAGIC = 8, ASK_PFC = 16, ASK_ACFC = 32 };
enum { ASK_ADDRESS = 1, ASK_DNS1 = 2, ASK_DNS2 = 4, ASK_HC = 64 };
enum { ASK_IID = 1 };
enum { ASK_PID = 1 };

enum ppp_auth_state {
	AUTH_OFF,
	AUTH_WAIT,  /* authenticator: for the peer; authenticatee: for a Challenge */
	AUTH_ASKED, /* authenticator: for the answer from above */
	AUTH_SENT,  /* authenticatee: for the verdict */
	AUTH_OK,
	AUTH_FAILED,
	AUTH_STATES
};

#define MAGIC_LOOPS 5	 /* packets with our own magic number before the link counts as looped back */
#define MRU_DEFAULT 1500 /* RFC 1661, 6.1 */
#define MRU_LEAST 128
#define ACCM_DEFAULT 0xffffffffu

/* ---- frames going out */

struct build {
	struct wr w;
	uint8_t buf[PPP_FRAME_MAX];
};

/* Starts a packet; what is written to b->w next is its data. */
void build_begin(struct build *, uint16_t proto, uint8_t code, uint8_t id);
/* Writes Length and sends.  A packet that ran over its buffer is not sent. */
void build_send(struct build *, const struct ppp_ctx *, bool reveals_nothing);

void link_fault(const struct ppp_ctx *, enum ppp_fault);
void link_event(const struct ppp_ctx *, const struct ppp_event *);

/* Random numbers of a step: each `place` of 4 octets is used for one purpose. */
enum { RANDOM_CHALLENGE = 0, RANDOM_MAGIC = 16, RANDOM_OTHER = 20, RANDOM_IID = 24 };
uint32_t random_u32(const struct ppp_ctx *, unsigned place);

/* ---- control protocols */

/* A Configure-Request of the peer being looked at, option by option. */
struct check {
	struct ppp_link *l;
	const struct ppp_ctx *ctx;
	struct build nak, rej;
	bool naking, rejecting; /* something was written there */
	bool may_nak;		/* Max-Failure not reached */
	bool looped;		/* LCP: our own magic number is in it */
	uint32_t seen;		/* bit per known option */
	struct ppp_lcp_opts lcp; /* what holds if all is well */
	uint32_t address;
	uint64_t iid;
	uint16_t pid;
	bool hc_given;
	struct crtp_params hc;
};

enum verdict { OPT_ACK, OPT_NAK, OPT_REJ };

/* How one option of the peer is judged.  OPT_NAK: the wish was written with check_nak_*. */
struct opt_rule {
	uint8_t type;
	enum verdict (*judge)(struct check *, struct span value);
	bool many; /* may be there several times */
};

struct cp_ops {
	uint16_t proto;
	uint8_t max_code; /* codes above are unknown */
	const struct opt_rule *rules;
	unsigned rule_count;
	void (*fresh)(struct ppp_link *, const struct ppp_ctx *); /* our options before a negotiation */
	void (*request)(const struct ppp_link *, struct wr *);	  /* our options as octets */
	void (*begin)(struct check *);
	void (*missing)(struct check *); /* after the last option: wishes for those left out */
	void (*agreed)(struct check *);	 /* all acceptable: remember what the peer wants */
	bool (*naked)(struct ppp_link *, const struct ppp_ctx *, const struct ppp_option *);
	bool (*rejected)(struct ppp_link *, const struct ppp_ctx *, const struct ppp_option *);
	void (*up)(struct ppp_link *, const struct ppp_ctx *);
	void (*down)(struct ppp_link *, const struct ppp_ctx *);
	void (*finished)(struct ppp_link *, const struct ppp_ctx *);
	struct ppp_cause (*gave_up)(bool naks_received); /* Max-Failure does not help any more */
};

extern const struct cp_ops lcp_ops, ipcp_ops, ipv6cp_ops, muxcp_ops;
const struct cp_ops *cp_ops(enum ppp_cp);

/* The wish of a rule: a whole option. */
enum verdict check_nak(struct check *, uint8_t type, const void *value, size_t len);
enum verdict check_nak_u16(struct check *, uint8_t type, uint16_t value);
enum verdict check_nak_u32(struct check *, uint8_t type, uint32_t value);
/* Judges a list of options without answering; true: all acceptable, and ops->agreed was called. */
bool cp_acceptable(struct ppp_link *, const struct ppp_ctx *, enum ppp_cp, struct span options);

void cp_event(struct ppp_link *, const struct ppp_ctx *, enum ppp_cp, enum ppp_fsm_event);
void cp_input(struct ppp_link *, const struct ppp_ctx *, enum ppp_cp, struct span info);
void cp_timer(struct ppp_link *, const struct ppp_ctx *, enum ppp_cp);
/* Opened without a negotiation of ours: proxy LCP. */
void cp_adopt(struct ppp_link *, const struct ppp_ctx *, enum ppp_cp);
/* The peer is past LCP, and we wait for its Ack: it was lost, and our request is repeated without the timer. */
void cp_hurry(struct ppp_link *, const struct ppp_ctx *);
/* This protocol cannot be agreed: LCP ends the link, an NCP ends itself. */
void cp_fail(struct ppp_link *, const struct ppp_ctx *, enum ppp_cp, struct ppp_cause);

/* LCP codes above 7, RFC 1661, 5.7 to 5.9. */
void lcp_extra(struct ppp_link *, const struct ppp_ctx *, const struct ppp_packet *);
void lcp_reject_protocol(struct ppp_link *, const struct ppp_ctx *, const struct ppp_frame *);
uint16_t auth_proto(enum ppp_auth);
/* The value of an Authentication-Protocol option, and back: PPP_AUTH_NONE for one we do not speak. */
size_t auth_option(enum ppp_auth, uint8_t out[3]);
enum ppp_auth auth_of_option(struct span value);

/* ---- phases */

void link_establish_again(struct ppp_link *, const struct ppp_ctx *); /* LCP left Opened */
void link_authenticate(struct ppp_link *, const struct ppp_ctx *);    /* LCP is Opened */
void link_authenticated(struct ppp_link *, const struct ppp_ctx *);   /* one side is done: go on if both are */
void link_end(struct ppp_link *, const struct ppp_ctx *, struct ppp_cause);
void link_finish(struct ppp_link *, const struct ppp_ctx *);
void link_ncp_ended(struct ppp_link *, const struct ppp_ctx *);

static inline struct ppp_cause
cause_of(uint16_t code, uint16_t proto, uint8_t direction)
{
	return (struct ppp_cause){ code, proto, direction };
}

/* Why the link, or its last NCP, ends.  Of a link the first cause counts, of an NCP the latest. */
static inline void
link_cause(struct ppp_link *l, struct ppp_cause cause)
{
	if (l->cause.code)
		return;
	l->cause = cause;
	l->dirty = true;
}

static inline void
link_trouble(struct ppp_link *l, struct ppp_cause cause)
{
	l->trouble = cause;
	l->dirty = true;
}

/* ---- authentication */

void auth_start(struct ppp_link *, const struct ppp_ctx *);
void auth_stop(struct ppp_link *);
void auth_input(struct ppp_link *, const struct ppp_ctx *, const struct ppp_frame *);
void auth_result(struct ppp_link *, const struct ppp_ctx *, const struct ppp_auth_result *);
void auth_timer(struct ppp_link *, const struct ppp_ctx *);
/* Takes over what the LAC asked; false: nothing usable, start as usual. */
bool auth_adopt(struct ppp_link *, const struct ppp_ctx *, const struct ppp_proxy *);
void auth_rejected(struct ppp_link *, const struct ppp_ctx *, uint16_t proto);

/* ---- header compression: a row in IPCP's and IPV6CP's tables, and a line in each of their functions */

void hc_fresh(struct ppp_link *, const struct ppp_ctx *, enum ppp_cp);
void hc_request(const struct ppp_link *, struct wr *, enum ppp_cp);
void hc_naked(struct ppp_link *, const struct ppp_option *, enum ppp_cp);
void hc_rejected(struct ppp_link *, enum ppp_cp);
enum verdict hc_judge(struct check *, struct span value);
void hc_agreed(struct check *, enum ppp_cp);
void hc_refused(struct ppp_link *, const struct ppp_ctx *, uint16_t proto); /* by a Protocol-Reject */
void hc_tell(const struct ppp_link *, enum ppp_cp, struct ppp_event *);
bool hc_takes(const struct ppp_link *, uint16_t proto);

/* ---- proxy, echo, router advertisements */

bool proxy_adopt(struct ppp_link *, const struct ppp_ctx *, const struct ppp_proxy *);

void echo_start(struct ppp_link *, const struct ppp_ctx *);
void echo_stop(struct ppp_link *);
void echo_timer(struct ppp_link *, const struct ppp_ctx *);
void echo_reply(struct ppp_link *, const struct ppp_ctx *, const struct ppp_packet *);
mono_t echo_interval(const struct ppp_ctx *);

void ra_start(struct ppp_link *, const struct ppp_ctx *);
void ra_timer(struct ppp_link *, const struct ppp_ctx *);
/* After a snapshot; client: asks soon, or, where a prefix was heard before, at its leisure. */
void ra_resume(struct ppp_link *, const struct ppp_ctx *, mono_t leisure);
void ra_input(struct ppp_link *, const struct ppp_ctx *, struct span packet);

static inline mono_t
restart_time(const struct ppp_ctx *ctx)
{
	return (mono_t)(ctx->conf->restart_ms ? ctx->conf->restart_ms : 3000) * MONO_MS;
}

/*
 * The wait after a packet that was sent `before` times before.  RFC 1661, 4.6: "the Restart timer MAY begin
 * at an initial small value and increase to the configured final value", each value twice the one before.
 */
static inline mono_t
restart_after(const struct ppp_ctx *ctx, unsigned before)
{
	const mono_t last = restart_time(ctx);
	mono_t wait = (mono_t)ctx->conf->restart_first_ms * MONO_MS;

	if (wait == 0)
		return last;
	while (before-- && wait < last)
		wait *= 2;
	return wait < last ? wait : last;
}

#endif
