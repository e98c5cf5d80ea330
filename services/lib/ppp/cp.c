// SPDX-License-Identifier: Apache-2.0
/*
 * A control protocol: the automaton's actions, and the packets that become its events (RFC 1661, 4.3,
 * 4.4, 5.1 to 5.6).  LCP, IPCP and IPV6CP all run through here; what differs is in their cp_ops.
 *
 * Choices where the RFC leaves room:
 *  - A retransmitted Configure-Request keeps its Identifier (5.1), so a late Ack still counts.
 *  - Once a valid answer to our request came, further answers to it are "out of sequence" and discarded:
 *    a datagram that the network duplicated does not look like a crossed connection.
 *  - For three restart times after an Ack, a second copy of the very request that it acknowledged gets
 *    the same Ack and is no event: it is a retransmission because our Ack was lost, or a duplicate.
 *  - Two ends that are both Opened and both asked anew can chase each other for ever: each one's request finds the
 *    other just Opened by the answer to the one before, and begins it all again. The third such request in a row,
 *    with the options of those before, is acknowledged and is no event.
 *  - A packet of a later phase while we wait for the peer's Configure-Ack says that the Ack was sent, and lost: it
 *    is discarded (3.4), and our Configure-Request goes out again at once, the first time that this happens.
 *  - Max-Failure (4.6) turns Naks into Rejects; after three times as many the negotiation is given up.
 */
#include "ppp/link.h"

#define CHASE_LAPS 3

/* What an action may need of the packet that caused it. */
struct cause_packet {
	const struct ppp_packet *pkt;
	struct build *answer; /* Ack, Nak or Reject, complete but for its Length */
};

const struct cp_ops *
cp_ops(enum ppp_cp cp)
{
	static const struct cp_ops *const all[PPP_CPS] = { &lcp_ops, &ipcp_ops, &ipv6cp_ops, &muxcp_ops };

	return all[cp];
}

static uint8_t
or_default(uint8_t v, uint8_t fallback)
{
	return v ? v : fallback;
}

static uint8_t
max_failure(const struct ppp_ctx *ctx)
{
	return or_default(ctx->conf->max_failure, 5);
}

/* ---- actions (4.4) */

static uint8_t
restart_count(const struct ppp_ctx *ctx, bool terminate)
{
	return terminate ? or_default(ctx->conf->max_terminate, 2) : or_default(ctx->conf->max_configure, 10);
}

static void
init_restart_count(struct ppp_fsm *f, const struct ppp_ctx *ctx, bool terminate)
{
	f->restarts = restart_count(ctx, terminate);
}

/* What is left of the count says how often it was sent: nothing else is kept, here or in the snapshot. */
static void
start_timer(struct ppp_fsm *f, const struct ppp_ctx *ctx, bool terminate)
{
	const uint8_t count = restart_count(ctx, terminate);

	f->due = ctx->now + restart_after(ctx, count > f->restarts ? (unsigned)(count - f->restarts) : 0u);
	if (f->restarts)
		f->restarts--;
}

static void
send_configure_request(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp)
{
	struct ppp_fsm *f = &l->cp[cp];
	struct build b;

	if (!f->awaiting)
		f->id++;
	f->awaiting = true;
	build_begin(&b, cp_ops(cp)->proto, PPP_CONF_REQ, f->id);
	cp_ops(cp)->request(l, &b.w);
	build_send(&b, ctx, false);
	start_timer(f, ctx, false);
}

static void
send_terminate_request(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, bool again)
{
	struct ppp_fsm *f = &l->cp[cp];
	struct build b;

	if (!again)
		f->id++;
	f->awaiting = false;
	build_begin(&b, cp_ops(cp)->proto, PPP_TERM_REQ, f->id);
	build_send(&b, ctx, false);
	start_timer(f, ctx, true);
}

static void
send_terminate_ack(const struct ppp_ctx *ctx, enum ppp_cp cp, uint8_t id)
{
	struct build b;

	build_begin(&b, cp_ops(cp)->proto, PPP_TERM_ACK, id);
	build_send(&b, ctx, false);
}

/* 5.6: the rejected packet, cut to the peer's MRU. */
static void
send_code_reject(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct ppp_packet *pkt)
{
	size_t room = (l->peer.mru < MRU_DEFAULT ? l->peer.mru : MRU_DEFAULT) - 4u;
	struct build b;

	link_fault(ctx, PPP_FAULT_UNKNOWN_CODE);
	build_begin(&b, cp_ops(cp)->proto, PPP_CODE_REJ, ++l->ids);
	wr_bytes(&b.w, pkt->whole.p, pkt->whole.len < room ? pkt->whole.len : room);
	build_send(&b, ctx, false);
}

static void
send_echo_reply(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	struct build b;

	if (pkt->code != PPP_ECHO_REQ)
		return;
	build_begin(&b, PPP_LCP, PPP_ECHO_REP, pkt->id);
	wr_u32(&b.w, l->cp[PPP_CP_LCP].ask & ASK_MAGIC ? l->ours.magic : 0);
	if (pkt->data.len > 4)
		wr_bytes(&b.w, pkt->data.p + 4, pkt->data.len - 4);
	build_send(&b, ctx, true);
}

/* Our options as they are before any answer: a new negotiation begins. */
static void
begin_negotiation(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp)
{
	struct ppp_fsm *f = &l->cp[cp];

	f->awaiting = false;
	f->naks_sent = f->naks_rcvd = 0;
	cp_ops(cp)->fresh(l, ctx);
}

/* A request that does not continue a negotiation under way starts one. */
static bool
begins_anew(enum ppp_fsm_event ev, uint16_t acts, uint8_t was)
{
	if (!(acts & ACT_SCR))
		return false;
	return was == PPP_OPENED || ev == FSM_UP || ev == FSM_OPEN || was == PPP_STOPPED;
}

static void
carry_out(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, enum ppp_fsm_event ev, uint16_t acts,
	  uint8_t was, const struct cause_packet *in)
{
	const struct cp_ops *ops = cp_ops(cp);
	struct ppp_fsm *f = &l->cp[cp];

	if (acts & ACT_TLD)
		ops->down(l, ctx);
	if (acts & ACT_IRC)
		init_restart_count(f, ctx, acts & ACT_STR);
	if (acts & ACT_ZRC) {
		f->restarts = 0;
		f->due = ctx->now + restart_time(ctx);
	}
	if (begins_anew(ev, acts, was))
		begin_negotiation(l, ctx, cp);
	if (acts & ACT_SCR)
		send_configure_request(l, ctx, cp);
	if (acts & (ACT_SCA | ACT_SCN))
		build_send(in->answer, ctx, false);
	if (acts & ACT_STR)
		send_terminate_request(l, ctx, cp, ev == FSM_TO_MORE);
	if (acts & ACT_STA)
		send_terminate_ack(ctx, cp, in->pkt->id);
	if (acts & ACT_SCJ)
		send_code_reject(l, ctx, cp, in->pkt);
	if (acts & ACT_SER)
		send_echo_reply(l, ctx, in->pkt);
}

static void
step(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, enum ppp_fsm_event ev,
     const struct cause_packet *in)
{
	struct ppp_fsm *f = &l->cp[cp];
	const struct ppp_cell *cell = ppp_fsm_cell(f->state, ev);
	const uint8_t was = f->state;

	if (cell->next == PPP_ILLEGAL)
		return;
	if (cell->next != was || (cell->acts & ~(ACT_STA | ACT_SCJ | ACT_SER)))
		l->dirty = true;
	f->state = cell->next;
	carry_out(l, ctx, cp, ev, cell->acts, was, in);
	if (!ppp_state_timed(cell->next))
		f->due = MONO_NEVER;
	/* Last, because they set off other machines. */
	if (cell->acts & ACT_TLU) {
		f->naks_sent = f->naks_rcvd = 0;
		cp_ops(cp)->up(l, ctx);
	}
	if (cell->acts & ACT_TLF)
		cp_ops(cp)->finished(l, ctx);
}

void
cp_event(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, enum ppp_fsm_event ev)
{
	step(l, ctx, cp, ev, NULL);
}

void
cp_adopt(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp)
{
	struct ppp_fsm *f = &l->cp[cp];

	f->state = PPP_OPENED;
	f->awaiting = false;
	f->acked = 0;
	init_restart_count(f, ctx, false);
	l->dirty = true;
	cp_ops(cp)->up(l, ctx);
}

void
cp_timer(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp)
{
	struct ppp_fsm *f = &l->cp[cp];

	if (f->due == MONO_NEVER || f->due > ctx->now)
		return;
	cp_event(l, ctx, cp, f->restarts ? FSM_TO_MORE : FSM_TO_LAST);
}

void
cp_hurry(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_fsm *f = &l->cp[PPP_CP_LCP];

	if (f->state != PPP_ACK_SENT || !f->awaiting || !f->restarts || l->flags & LINK_HURRIED)
		return;
	l->flags |= LINK_HURRIED;
	f->due = ctx->now;
	cp_timer(l, ctx, PPP_CP_LCP);
}

void
cp_fail(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, struct ppp_cause cause)
{
	link_fault(ctx, PPP_FAULT_NOT_CONVERGING);
	if (cp == PPP_CP_LCP) {
		link_end(l, ctx, cause);
		return;
	}
	link_trouble(l, cause);
	cp_event(l, ctx, cp, FSM_CLOSE);
}

/* ---- the peer's Configure-Request */

static enum verdict
nak_written(struct check *k)
{
	k->naking = true;
	return OPT_NAK;
}

/* When Max-Failure is reached, a wish is not written: the option is rejected instead. */
enum verdict
check_nak(struct check *k, uint8_t type, const void *value, size_t len)
{
	if (!k->may_nak)
		return OPT_REJ;
	ppp_option_write(&k->nak.w, type, value, len);
	return nak_written(k);
}

enum verdict
check_nak_u16(struct check *k, uint8_t type, uint16_t value)
{
	uint8_t b[2];

	put_u16(b, value);
	return check_nak(k, type, b, sizeof b);
}

enum verdict
check_nak_u32(struct check *k, uint8_t type, uint32_t value)
{
	uint8_t b[4];

	put_u32(b, value);
	return check_nak(k, type, b, sizeof b);
}

/* RFC 1661, 6: an option we do not know, or listed twice, is rejected. */
static enum verdict
judge(struct check *k, const struct cp_ops *ops, const struct ppp_option *o)
{
	for (unsigned i = 0; i < ops->rule_count; i++) {
		if (ops->rules[i].type != o->type)
			continue;
		if (k->seen & 1u << i && !ops->rules[i].many)
			return OPT_REJ;
		k->seen |= 1u << i;
		return ops->rules[i].judge(k, o->value);
	}
	return OPT_REJ;
}

static void
check_begin(struct check *k, struct ppp_link *l, const struct ppp_ctx *ctx, const struct cp_ops *ops, uint8_t id,
	    bool may_nak)
{
	build_begin(&k->nak, ops->proto, PPP_CONF_NAK, id);
	build_begin(&k->rej, ops->proto, PPP_CONF_REJ, id);
	k->l = l;
	k->ctx = ctx;
	k->naking = k->rejecting = k->looped = false;
	k->may_nak = may_nak;
	k->seen = 0;
	k->hc_given = false;
	ops->begin(k);
}

static void
check_options(struct check *k, const struct cp_ops *ops, struct span options)
{
	struct rd r = rd_of(options.p, options.len);
	struct ppp_option o;

	while (ppp_option_next(&r, &o)) {
		if (judge(k, ops, &o) == OPT_REJ) {
			wr_bytes(&k->rej.w, o.whole.p, o.whole.len);
			k->rejecting = true;
		}
	}
	/*
	 * RFC 1661, 6.4: our own request is naked with another magic number.  It asks for authentication, too,
	 * and our Reject of that, come back as well, would end the link as if the peer had refused.
	 */
	if (k->looped)
		k->rejecting = false;
	if (!k->rejecting)
		ops->missing(k);
}

bool
cp_acceptable(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, struct span options)
{
	struct check k;

	if (!ppp_options_fine(options))
		return false;
	check_begin(&k, l, ctx, cp_ops(cp), 0, true);
	check_options(&k, cp_ops(cp), options);
	if (k.rejecting || k.naking)
		return false;
	cp_ops(cp)->agreed(&k);
	return true;
}

/* FNV-1a */
static uint32_t
digest_over(uint8_t id, struct span options)
{
	uint32_t h = (2166136261u ^ id) * 16777619u;

	for (size_t i = 0; i < options.len; i++)
		h = (h ^ options.p[i]) * 16777619u;
	return h ? h : 1;
}

/* Equal digests within three restart times are the same request. */
static uint32_t
digest_of(const struct ppp_packet *pkt)
{
	return digest_over(pkt->id, pkt->data);
}

static void
build_ack(struct build *b, const struct cp_ops *ops, const struct ppp_packet *pkt)
{
	build_begin(b, ops->proto, PPP_CONF_ACK, pkt->id);
	wr_bytes(&b->w, pkt->data.p, pkt->data.len);
}

static bool
acknowledge_again(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct ppp_packet *pkt)
{
	struct ppp_fsm *f = &l->cp[cp];
	struct build b;

	if (f->state != PPP_OPENED || ctx->now >= f->dup_until || f->acked != digest_of(pkt))
		return false;
	build_ack(&b, cp_ops(cp), pkt);
	build_send(&b, ctx, false);
	return true;
}

/* See the choices above. */
static bool
is_chase(struct ppp_fsm *f, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	const uint32_t asked = digest_over(0, pkt->data);
	const bool again = ctx->now < f->dup_until && asked == f->asked;

	f->asked = asked;
	if (f->state != PPP_OPENED)
		return false;
	f->laps = again && f->laps < CHASE_LAPS ? f->laps + 1 : again ? CHASE_LAPS : 0;
	return f->laps == CHASE_LAPS;
}

/* RCR-: the Reject if there is one, for it is answered first (5.3, 5.4), else the Nak. */
static void
refuse_request(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, struct check *k,
	       const struct ppp_packet *pkt)
{
	struct ppp_fsm *f = &l->cp[cp];
	struct cause_packet in = { pkt, k->rejecting ? &k->rej : &k->nak };

	l->dirty = true;
	if (f->state >= PPP_REQ_SENT && ++f->naks_sent > 3 * max_failure(ctx)) {
		cp_fail(l, ctx, cp, cp_ops(cp)->gave_up(false));
		return;
	}
	step(l, ctx, cp, FSM_RCR_BAD, &in);
}

static void
receive_request(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct ppp_packet *pkt)
{
	struct ppp_fsm *f = &l->cp[cp];
	const struct cp_ops *ops = cp_ops(cp);
	struct check k;
	bool chase;

	if (acknowledge_again(l, ctx, cp, pkt))
		return;
	if (f->state == PPP_CLOSED || ppp_fsm_cell(f->state, FSM_RCR_GOOD)->acts == 0) {
		/* nothing to negotiate: sta, or nothing */
		step(l, ctx, cp, FSM_RCR_GOOD, &(struct cause_packet){ pkt, NULL });
		return;
	}
	check_begin(&k, l, ctx, ops, pkt->id, f->naks_sent < max_failure(ctx));
	check_options(&k, ops, pkt->data);
	if (k.rejecting || k.naking) {
		refuse_request(l, ctx, cp, &k, pkt);
		return;
	}
	ops->agreed(&k);
	build_ack(&k.nak, ops, pkt);
	chase = is_chase(f, ctx, pkt);
	f->acked = digest_of(pkt);
	f->dup_until = ctx->now + 3 * restart_time(ctx);
	f->naks_sent = 0;
	if (chase) {
		l->dirty = true;
		build_send(&k.nak, ctx, false);
		return;
	}
	step(l, ctx, cp, FSM_RCR_GOOD, &(struct cause_packet){ pkt, &k.nak });
}

/* ---- answers to our Configure-Request */

static struct span
our_request(const struct ppp_link *l, const struct cp_ops *ops, struct build *b)
{
	b->w = wr_of(b->buf, sizeof b->buf);
	ops->request(l, &b->w);
	return wr_span(&b->w);
}

/* 5.4: a Reject holds options of our request, unchanged and in order. */
static bool
all_from_request(struct span rejected, struct span request)
{
	struct rd in = rd_of(rejected.p, rejected.len), ours = rd_of(request.p, request.len);
	struct ppp_option r, o;

	while (ppp_option_next(&in, &r)) {
		do {
			if (!ppp_option_next(&ours, &o))
				return false;
		} while (!span_eq(r.whole, o.whole));
	}
	return true;
}

static void
receive_ack(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct cause_packet *in)
{
	struct build b;

	if (!span_eq(in->pkt->data, our_request(l, cp_ops(cp), &b))) {
		link_fault(ctx, PPP_FAULT_WRONG_OPTIONS);
		return;
	}
	l->cp[cp].awaiting = false;
	l->cp[cp].naks_rcvd = 0;
	step(l, ctx, cp, FSM_RCA, in);
}

static void
receive_nak_or_reject(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct cause_packet *in)
{
	const struct cp_ops *ops = cp_ops(cp);
	const bool reject = in->pkt->code == PPP_CONF_REJ;
	struct rd r = rd_of(in->pkt->data.p, in->pkt->data.len);
	struct ppp_fsm *f = &l->cp[cp];
	struct ppp_option o;
	struct build b;

	if (reject && !all_from_request(in->pkt->data, our_request(l, ops, &b))) {
		link_fault(ctx, PPP_FAULT_WRONG_OPTIONS);
		return;
	}
	f->awaiting = false;
	l->dirty = true;
	if (++f->naks_rcvd > 3 * max_failure(ctx)) {
		cp_fail(l, ctx, cp, ops->gave_up(true));
		return;
	}
	while (ppp_option_next(&r, &o))
		if (!(reject ? ops->rejected(l, ctx, &o) : ops->naked(l, ctx, &o)))
			return; /* given up */
	step(l, ctx, cp, FSM_RCN, in);
}

static void
receive_answer(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct ppp_packet *pkt)
{
	const struct cause_packet in = { pkt, NULL };
	struct ppp_fsm *f = &l->cp[cp];

	if (f->state == PPP_CLOSED || f->state == PPP_STOPPED) { /* 4.3: any of them is answered with sta */
		step(l, ctx, cp, FSM_RCA, &in);
		return;
	}
	if (f->state < PPP_REQ_SENT)
		return;
	if (!f->awaiting || pkt->id != f->id) {
		link_fault(ctx, PPP_FAULT_WRONG_ID);
		return;
	}
	if (pkt->code == PPP_CONF_ACK)
		receive_ack(l, ctx, cp, &in);
	else
		receive_nak_or_reject(l, ctx, cp, &in);
}

/* ---- the other codes */

/* 5.6: without codes 1 to 7 nothing works; any other is done without. */
static void
receive_code_reject(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct ppp_packet *pkt)
{
	const uint8_t code = pkt->data.len ? pkt->data.p[0] : 0;
	const bool fatal = code >= PPP_CONF_REQ && code <= PPP_CODE_REJ;

	link_fault(ctx, PPP_FAULT_CODE_REJECTED);
	if (cp == PPP_CP_LCP && code == PPP_ECHO_REQ) {
		l->echo.off = true;
		echo_stop(l);
		l->dirty = true;
	}
	if (fatal && cp == PPP_CP_LCP)
		link_cause(l, cause_of(PPP_CAUSE_LCP_TIMEOUT, PPP_LCP, 0));
	cp_event(l, ctx, cp, fatal ? FSM_RXJ_FATAL : FSM_RXJ_MILD);
}

static void
receive_terminate(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct ppp_packet *pkt)
{
	const struct cause_packet in = { pkt, NULL };
	struct ppp_fsm *f = &l->cp[cp];

	if (pkt->code == PPP_TERM_ACK) {
		step(l, ctx, cp, FSM_RTA, &in);
		return;
	}
	if (f->state == PPP_OPENED && cp == PPP_CP_LCP)
		link_cause(l, cause_of(PPP_CAUSE_NORMAL, 0, 1));
	if (f->state == PPP_OPENED && cp != PPP_CP_LCP)
		link_trouble(l, cause_of(PPP_CAUSE_NO_NCP, cp_ops(cp)->proto, 1));
	step(l, ctx, cp, FSM_RTR, &in);
}

static void
receive_packet(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct ppp_packet *pkt)
{
	const struct cause_packet in = { pkt, NULL };

	switch (pkt->code) {
	case PPP_CONF_REQ:
		receive_request(l, ctx, cp, pkt);
		break;
	case PPP_CONF_ACK:
	case PPP_CONF_NAK:
	case PPP_CONF_REJ:
		receive_answer(l, ctx, cp, pkt);
		break;
	case PPP_TERM_REQ:
	case PPP_TERM_ACK:
		receive_terminate(l, ctx, cp, pkt);
		break;
	case PPP_CODE_REJ:
		receive_code_reject(l, ctx, cp, pkt);
		break;
	case PPP_ECHO_REQ:
		lcp_extra(l, ctx, pkt);
		if (!(l->flags & LINK_FINISHED) && l->cp[cp].state == PPP_OPENED)
			step(l, ctx, cp, FSM_RXR, &in);
		break;
	default:
		lcp_extra(l, ctx, pkt);
	}
}

void
cp_input(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, struct span info)
{
	struct ppp_packet pkt;

	if (!ppp_packet_read(info, &pkt)) {
		link_fault(ctx, PPP_FAULT_BAD_LENGTH);
		return;
	}
	if (pkt.code >= PPP_CONF_REQ && pkt.code <= PPP_CONF_REJ && !ppp_options_fine(pkt.data)) {
		link_fault(ctx, PPP_FAULT_BAD_OPTION);
		return;
	}
	if (pkt.code == 0 || pkt.code > cp_ops(cp)->max_code) {
		step(l, ctx, cp, FSM_RUC, &(struct cause_packet){ &pkt, NULL });
		return;
	}
	if (cp == PPP_CP_LCP && !(l->flags & LINK_HEARD)) {
		l->flags |= LINK_HEARD;
		l->dirty = true;
	}
	receive_packet(l, ctx, cp, &pkt);
}
