// SPDX-License-Identifier: Apache-2.0
/*
 * The link: phases of RFC 1661, 3.2, and the doors of ppp.h.
 *
 *	dead -> establish -> authenticate -> network
 *	            ^  \_________|____________/ |		LCP leaves Opened
 *	            |            v              v
 *	            +-------- terminate (LCP finished: PPP_EV_FINISHED, then deaf until ppp_link_down)
 *
 * Every door clears `dirty` first and returns it at last.
 */
#include "ppp/link.h"

/* ---- going out */

void
build_begin(struct build *b, uint16_t proto, uint8_t code, uint8_t id)
{
	b->w = wr_of(b->buf, sizeof b->buf);
	wr_u16(&b->w, proto);
	wr_u8(&b->w, code);
	wr_u8(&b->w, id);
	wr_u16(&b->w, 0);
}

void
build_send(struct build *b, const struct ppp_ctx *ctx, bool reveals_nothing)
{
	if (!b->w.ok)
		return;
	wr_patch_u16(&b->w, 4, (uint16_t)(wr_len(&b->w) - 2));
	ctx->out->send(ctx->out, wr_span(&b->w), reveals_nothing);
}

void
link_event(const struct ppp_ctx *ctx, const struct ppp_event *ev)
{
	ctx->out->event(ctx->out, ev);
}

void
link_fault(const struct ppp_ctx *ctx, enum ppp_fault fault)
{
	const struct ppp_event ev = { .kind = PPP_EV_FAULT, .fault = fault };

	link_event(ctx, &ev);
}

uint32_t
random_u32(const struct ppp_ctx *ctx, unsigned place)
{
	return get_u32(ctx->random + place);
}

/* ---- phases */

static void
enter(struct ppp_link *l, enum ppp_phase phase)
{
	if (l->phase != phase)
		l->dirty = true;
	l->phase = (uint8_t)phase;
}

static void
ask_network(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_event ev = { .kind = PPP_EV_NETWORK };

	l->flags |= LINK_NET_ASKED;
	l->dirty = true;
	link_event(ctx, &ev);
}

void
link_authenticated(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const bool check = l->check.state == AUTH_OFF || l->check.state == AUTH_OK;
	const bool prove = l->prove.state == AUTH_OFF || l->prove.state == AUTH_OK;

	if (l->phase != PPP_AUTHENTICATE || !check || !prove)
		return;
	l->auth_due = MONO_NEVER;
	enter(l, PPP_NETWORK);
	ask_network(l, ctx);
}

void
link_authenticate(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	enter(l, PPP_AUTHENTICATE);
	if (l->flags & LINK_PROXIED)
		return; /* proxy_adopt goes on */
	auth_start(l, ctx);
	link_authenticated(l, ctx);
}

static bool
lcp_ending(const struct ppp_link *l)
{
	return l->cp[PPP_CP_LCP].state == PPP_CLOSING || l->cp[PPP_CP_LCP].state == PPP_STOPPING;
}

/* LCP left Opened: all above it goes down; what was authenticated, and given, must be so anew. */
void
link_establish_again(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	auth_stop(l);
	l->flags &= (uint8_t)~(LINK_NET_ASKED | LINK_NET_KNOWN);
	enter(l, lcp_ending(l) ? PPP_TERMINATE : PPP_ESTABLISH);
	for (enum ppp_cp cp = PPP_CP_LCP + 1; cp < PPP_CPS; cp++)
		cp_event(l, ctx, cp, FSM_DOWN);
}

void
link_end(struct ppp_link *l, const struct ppp_ctx *ctx, struct ppp_cause cause)
{
	if (l->phase == PPP_DEAD || l->flags & LINK_FINISHED)
		return;
	link_cause(l, cause);
	l->dirty = true;
	enter(l, PPP_TERMINATE);
	auth_stop(l);
	cp_event(l, ctx, PPP_CP_LCP, FSM_CLOSE);
}

void
link_finish(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_event ev = { .kind = PPP_EV_FINISHED, .cause = l->cause };

	enter(l, PPP_TERMINATE);
	if (l->flags & LINK_FINISHED)
		return;
	l->flags |= LINK_FINISHED;
	l->dirty = true;
	link_event(ctx, &ev);
}

/* Whether a network protocol is open, or may yet be.  Multiplexing alone carries nothing. */
static bool
any_ncp(const struct ppp_link *l)
{
	return l->cp[PPP_CP_IPCP].state >= PPP_REQ_SENT || l->cp[PPP_CP_IPV6CP].state >= PPP_REQ_SENT;
}

void
link_ncp_ended(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	l->dirty = true;
	if (l->phase == PPP_NETWORK && l->flags & LINK_NET_KNOWN && !any_ncp(l))
		link_end(l, ctx, l->trouble.code ? l->trouble : cause_of(PPP_CAUSE_NO_NCP, 0, 0));
}

static bool
wanted(const struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp)
{
	switch (cp) {
	case PPP_CP_IPCP:
		return ctx->conf->ipv4 && l->net.ipv4;
	case PPP_CP_IPV6CP:
		return ctx->conf->ipv6 && l->net.ipv6;
	case PPP_CP_MUX:
		return ctx->conf->mux;
	default:
		return true;
	}
}

static void
start_ncp(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp)
{
	cp_event(l, ctx, cp, FSM_DOWN);
	if (!wanted(l, ctx, cp)) {
		l->cp[cp].state = PPP_INITIAL;
		return;
	}
	cp_event(l, ctx, cp, FSM_OPEN);
	cp_event(l, ctx, cp, FSM_UP);
}

/* ---- doors */

void
ppp_link_init(struct ppp_link *l)
{
	*l = (struct ppp_link){ .peer = { .mru = MRU_DEFAULT, .accm = ACCM_DEFAULT } };
}

/* Past the loops that RFC 1661, 6.4 speaks of, the link talks to itself. */
static bool
done(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	if (l->loops > MAGIC_LOOPS && l->phase != PPP_TERMINATE)
		link_end(l, ctx, cause_of(PPP_CAUSE_LOOPBACK, PPP_LCP, 0));
	return l->dirty;
}

bool
ppp_link_up(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_proxy *proxy)
{
	if (l->phase != PPP_DEAD)
		return false;
	ppp_link_init(l);
	l->dirty = true;
	enter(l, PPP_ESTABLISH);
	cp_event(l, ctx, PPP_CP_LCP, FSM_OPEN);
	if (!proxy || !proxy_adopt(l, ctx, proxy))
		cp_event(l, ctx, PPP_CP_LCP, FSM_UP);
	return done(l, ctx);
}

bool
ppp_link_down(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	if (l->phase == PPP_DEAD)
		return false;
	l->dirty = true;
	enter(l, PPP_TERMINATE);
	cp_event(l, ctx, PPP_CP_LCP, FSM_DOWN);
	link_finish(l, ctx);
	ppp_link_init(l);
	l->dirty = true;
	return true;
}

static void
input_ncp(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp, const struct ppp_frame *f)
{
	if (l->phase != PPP_NETWORK || !(l->flags & LINK_NET_KNOWN)) {
		link_fault(ctx, PPP_FAULT_WRONG_PHASE); /* RFC 1661, 3.5: silently discarded */
		cp_hurry(l, ctx);
		return;
	}
	if (wanted(l, ctx, cp))
		cp_input(l, ctx, cp, f->info);
	else
		lcp_reject_protocol(l, ctx, f);
}

/*
 * RFC 1661, 3.5: supported, and so silently discarded while its NCP is not open.  The peer's Configure-Ack may be lost,
 * and its first frames not; a Reject would take them from it for good.  Where PPPMuxCP has ended it is not supported.
 */
static bool
mux_may_come(const struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const uint8_t state = l->cp[PPP_CP_MUX].state;

	return ctx->conf->mux && state != PPP_CLOSED && state != PPP_STOPPED;
}

/* A protocol that is not one of the link's own. */
static void
input_other(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_frame *f)
{
	if (f->proto == PPP_IPV6 && ppp_link_cp_open(l, PPP_CP_IPV6CP))
		ra_input(l, ctx, f->info);
	else if (hc_takes(l, f->proto) || (f->proto == PPP_PPPMUX && mux_may_come(l, ctx)) ||
		 (f->proto == PPP_IPV4 && ctx->conf->ipv4) || (f->proto == PPP_IPV6 && ctx->conf->ipv6) ||
		 l->cp[PPP_CP_LCP].state != PPP_OPENED)
		link_fault(ctx, PPP_FAULT_WRONG_PHASE);
	else
		lcp_reject_protocol(l, ctx, f);
}

static void
input(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_frame *f)
{
	switch (f->proto) {
	case PPP_LCP:
		cp_input(l, ctx, PPP_CP_LCP, f->info);
		break;
	case PPP_PAP:
	case PPP_CHAP:
		if (l->phase == PPP_AUTHENTICATE || l->phase == PPP_NETWORK)
			auth_input(l, ctx, f);
		else {
			link_fault(ctx, PPP_FAULT_WRONG_PHASE);
			cp_hurry(l, ctx);
		}
		break;
	case PPP_IPCP:
		input_ncp(l, ctx, PPP_CP_IPCP, f);
		break;
	case PPP_IPV6CP:
		input_ncp(l, ctx, PPP_CP_IPV6CP, f);
		break;
	case PPP_PPPMUXCP:
		input_ncp(l, ctx, PPP_CP_MUX, f);
		break;
	default:
		input_other(l, ctx, f);
	}
}

bool
ppp_link_input(struct ppp_link *l, const struct ppp_ctx *ctx, struct span frame)
{
	struct ppp_frame f;

	l->dirty = false;
	if (!ppp_frame_read(frame, &f))
		link_fault(ctx, PPP_FAULT_SHORT_FRAME);
	else if (l->phase == PPP_DEAD || l->flags & LINK_FINISHED)
		link_fault(ctx, PPP_FAULT_WRONG_PHASE);
	else
		input(l, ctx, &f);
	return done(l, ctx);
}

bool
ppp_link_timer(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	l->dirty = false;
	for (enum ppp_cp cp = 0; cp < PPP_CPS; cp++)
		cp_timer(l, ctx, cp);
	auth_timer(l, ctx);
	echo_timer(l, ctx);
	ra_timer(l, ctx);
	return done(l, ctx);
}

mono_t
ppp_link_next_due(const struct ppp_link *l)
{
	mono_t due = mono_sooner(l->check.due, l->prove.due);

	for (enum ppp_cp cp = 0; cp < PPP_CPS; cp++)
		due = mono_sooner(due, l->cp[cp].due);
	due = mono_sooner(due, l->auth_due);
	due = mono_sooner(due, l->echo.due);
	return mono_sooner(due, l->ra_due);
}

bool
ppp_link_close(struct ppp_link *l, const struct ppp_ctx *ctx, struct ppp_cause cause)
{
	l->dirty = false;
	link_end(l, ctx, cause.code ? cause : cause_of(PPP_CAUSE_ADMIN, 0, 0));
	return done(l, ctx);
}

bool
ppp_link_auth_result(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_auth_result *result)
{
	l->dirty = false;
	auth_result(l, ctx, result);
	return done(l, ctx);
}

static bool
same_for(enum ppp_cp cp, const struct ppp_net *a, const struct ppp_net *b)
{
	if (cp == PPP_CP_IPCP)
		return a->ipv4 == b->ipv4 && a->local4 == b->local4 && a->peer4 == b->peer4 &&
		       memcmp(a->dns4, b->dns4, sizeof a->dns4) == 0 &&
		       memcmp(a->nbns4, b->nbns4, sizeof a->nbns4) == 0;
	if (cp == PPP_CP_MUX)
		return true;
	return a->ipv6 == b->ipv6 && a->local_iid == b->local_iid && a->peer_iid == b->peer_iid &&
	       a->prefix6_len == b->prefix6_len && memcmp(a->prefix6, b->prefix6, sizeof a->prefix6) == 0;
}

bool
ppp_link_network(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_net *net)
{
	const struct ppp_net old = l->net;
	const bool known = l->flags & LINK_NET_KNOWN;

	l->dirty = false;
	if (l->phase != PPP_NETWORK) {
		link_fault(ctx, PPP_FAULT_LATE_ANSWER);
		return false;
	}
	l->dirty = true;
	l->net = *net;
	if (l->net.prefix6_len > 128)
		l->net.prefix6_len = 128;
	l->trouble = cause_of(0, 0, 0);
	l->flags |= LINK_NET_KNOWN;
	for (enum ppp_cp cp = PPP_CP_LCP + 1; cp < PPP_CPS; cp++)
		if (!known || !same_for(cp, &old, &l->net))
			start_ncp(l, ctx, cp);
	link_ncp_ended(l, ctx);
	return done(l, ctx);
}

bool
ppp_link_resume(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	l->dirty = false;
	if (l->flags & LINK_FINISHED) {
		l->flags &= (uint8_t)~LINK_FINISHED;
		link_finish(l, ctx);
	} else if (l->phase == PPP_NETWORK && !(l->flags & LINK_NET_KNOWN)) {
		ask_network(l, ctx);
	}
	l->dirty = false; /* nothing that the snapshot says has changed */
	return done(l, ctx);
}

bool
ppp_link_cp_open(const struct ppp_link *l, enum ppp_cp cp)
{
	return l->cp[cp].state == PPP_OPENED;
}
