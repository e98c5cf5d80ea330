// SPDX-License-Identifier: Apache-2.0
/*
 * PPPMuxCP: RFC 3153, 2.  One option, the Default PID, "always negotiated": each end says which protocol
 * it will assume for a first subframe without one.  The frames themselves are lib/pppmux's.
 *
 * Without it nothing is lost: packets go plain.  So its end is never a reason to end the link.
 */
#include "ppp/link.h"

/* RFC 1661, 2: an odd low octet, an even high one. */
static bool
is_proto(uint16_t v)
{
	return (v & 0x0101) == 1;
}

static void
muxcp_fresh(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	l->mux_recv_pid = ctx->conf->mux_pid;
	l->cp[PPP_CP_MUX].ask = ASK_PID;
}

static void
muxcp_request(const struct ppp_link *l, struct wr *w)
{
	if (l->cp[PPP_CP_MUX].ask & ASK_PID)
		ppp_option_write_u16(w, PPP_PPPMUXCP_DEFAULT_PID, l->mux_recv_pid);
}

/* Which one hardly matters: the peer's suggestion is as good as ours. */
static bool
muxcp_naked(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	(void)ctx;
	if (o->type == PPP_PPPMUXCP_DEFAULT_PID && o->value.len == 2 && is_proto(get_u16(o->value.p)))
		l->mux_recv_pid = get_u16(o->value.p);
	return true;
}

/* Then the first subframe has to bring its protocol: none is assumed. */
static bool
muxcp_rejected(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	(void)ctx;
	(void)o;
	l->cp[PPP_CP_MUX].ask = 0;
	l->mux_recv_pid = 0;
	return true;
}

/* ---- the peer's */

static void
muxcp_begin(struct check *k)
{
	k->pid = 0;
}

static enum verdict
judge_pid(struct check *k, struct span v)
{
	if (v.len != 2 || !is_proto(get_u16(v.p)))
		return check_nak_u16(k, PPP_PPPMUXCP_DEFAULT_PID, k->ctx->conf->mux_pid);
	k->pid = get_u16(v.p);
	return OPT_ACK;
}

static const struct opt_rule rules[] = {
	{ .type = PPP_PPPMUXCP_DEFAULT_PID, .judge = judge_pid }, /* RFC 3153, 2 */
};

static void
muxcp_missing(struct check *k)
{
	if (!(k->seen & 1))
		check_nak_u16(k, PPP_PPPMUXCP_DEFAULT_PID, k->ctx->conf->mux_pid);
}

static void
muxcp_agreed(struct check *k)
{
	k->l->mux_send_pid = k->pid;
}

static void
muxcp_up(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_event ev = { .kind = PPP_EV_NET_UP,
				      .net = { .cp = PPP_CP_MUX,
					       .mux_send_pid = l->mux_send_pid,
					       .mux_recv_pid = l->mux_recv_pid } };

	link_event(ctx, &ev);
}

static void
muxcp_down(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_event ev = { .kind = PPP_EV_NET_DOWN, .net = { .cp = PPP_CP_MUX } };

	(void)l;
	link_event(ctx, &ev);
}

static void
muxcp_finished(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	(void)ctx;
	l->dirty = true;
}

static struct ppp_cause
muxcp_gave_up(bool naks_received)
{
	return cause_of(PPP_CAUSE_NO_NCP, PPP_PPPMUXCP, naks_received ? 1 : 2);
}

const struct cp_ops muxcp_ops = {
	.proto = PPP_PPPMUXCP,
	.max_code = PPP_CODE_REJ,
	.rules = rules,
	.rule_count = sizeof rules / sizeof *rules,
	.fresh = muxcp_fresh,
	.request = muxcp_request,
	.begin = muxcp_begin,
	.missing = muxcp_missing,
	.agreed = muxcp_agreed,
	.naked = muxcp_naked,
	.rejected = muxcp_rejected,
	.up = muxcp_up,
	.down = muxcp_down,
	.finished = muxcp_finished,
	.gave_up = muxcp_gave_up,
};
