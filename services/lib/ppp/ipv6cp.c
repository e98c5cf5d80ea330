// SPDX-License-Identifier: Apache-2.0
/*
 * IPV6CP: RFC 5072.  One option matters, the Interface-Identifier; each end must have one, not zero, and
 * not the other's.  IPv6-Compression-Protocol is hc.c's.
 */
#include "ppp/link.h"

/* A new identifier that is neither zero nor `other`; 4.1: the universal/local bit is clear. */
static uint64_t
new_iid(const struct ppp_ctx *ctx, uint64_t other)
{
	uint64_t v = (uint64_t)random_u32(ctx, RANDOM_IID) << 32 | random_u32(ctx, RANDOM_IID + 4);

	v &= ~((uint64_t)2 << 56);
	while (v == 0 || v == other)
		v++;
	return v;
}

static void
iid_octets(uint64_t v, uint8_t out[8])
{
	put_u32(out, (uint32_t)(v >> 32));
	put_u32(out + 4, (uint32_t)v);
}

static uint64_t
iid_of(struct span v)
{
	return v.len == 8 ? (uint64_t)get_u32(v.p) << 32 | get_u32(v.p + 4) : 0;
}

static void
ipv6cp_fresh(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	if (l->net.local_iid)
		l->local_iid = l->net.local_iid;
	else if (!l->local_iid || l->local_iid == l->net.peer_iid) /* one that was in use stays, and so do addresses made of it */
		l->local_iid = new_iid(ctx, l->net.peer_iid);
	l->cp[PPP_CP_IPV6CP].ask = ASK_IID;
	hc_fresh(l, ctx, PPP_CP_IPV6CP);
}

static void
ipv6cp_request(const struct ppp_link *l, struct wr *w)
{
	uint8_t iid[8];

	if (l->cp[PPP_CP_IPV6CP].ask & ASK_IID) {
		iid_octets(l->local_iid, iid);
		ppp_option_write(w, PPP_IPV6CP_IID, iid, sizeof iid);
	}
	hc_request(l, w, PPP_CP_IPV6CP);
}

/* 4.1: the suggestion is taken unless it is zero or the peer's own; then another one of ours. */
static bool
ipv6cp_naked(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	uint64_t v = iid_of(o->value);

	if (o->type == PPP_IPV6CP_COMPRESSION)
		hc_naked(l, o, PPP_CP_IPV6CP);
	if (o->type == PPP_IPV6CP_IID)
		l->local_iid = v && v != l->peer_iid ? v : new_iid(ctx, l->peer_iid);
	return true;
}

/* Without an identifier there is no link-local address: IPv6 is not for this link. */
static bool
ipv6cp_rejected(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	if (o->type == PPP_IPV6CP_COMPRESSION) {
		hc_rejected(l, PPP_CP_IPV6CP);
		return true;
	}
	cp_fail(l, ctx, PPP_CP_IPV6CP, cause_of(PPP_CAUSE_NO_ADDRESS, PPP_IPV6CP, 1));
	return false;
}

/* ---- the peer's */

static void
ipv6cp_begin(struct check *k)
{
	k->iid = 0;
}

static enum verdict
nak_iid(struct check *k)
{
	const uint64_t given = k->l->net.peer_iid;
	uint8_t wish[8];

	iid_octets(given && given != k->l->local_iid ? given : new_iid(k->ctx, k->l->local_iid), wish);
	return check_nak(k, PPP_IPV6CP_IID, wish, sizeof wish);
}

static enum verdict
judge_iid(struct check *k, struct span v)
{
	const uint64_t iid = iid_of(v), given = k->l->net.peer_iid;

	if (iid == 0 || iid == k->l->local_iid || (given && iid != given && given != k->l->local_iid))
		return nak_iid(k);
	k->iid = iid;
	return OPT_ACK;
}

static const struct opt_rule rules[] = {
	{ PPP_IPV6CP_IID, judge_iid, false },	    /* RFC 5072, 4.1 */
	{ PPP_IPV6CP_COMPRESSION, hc_judge, true }, /* RFC 3544, 2 */
};

static void
ipv6cp_missing(struct check *k)
{
	if (!(k->seen & 1))
		nak_iid(k);
}

static void
ipv6cp_agreed(struct check *k)
{
	k->l->peer_iid = k->iid;
	hc_agreed(k, PPP_CP_IPV6CP);
}

/* ---- up and down */

static void
ipv6cp_up(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_event ev = { .kind = PPP_EV_NET_UP,
				.net = { .cp = PPP_CP_IPV6CP, .local_iid = l->local_iid, .peer_iid = l->peer_iid } };

	if (l->peer_iid == 0) { /* 4.1: no valid identifier at the end of the negotiation */
		cp_fail(l, ctx, PPP_CP_IPV6CP, cause_of(PPP_CAUSE_NO_ADDRESS, PPP_IPV6CP, 2));
		return;
	}
	hc_tell(l, PPP_CP_IPV6CP, &ev);
	link_event(ctx, &ev);
	ra_start(l, ctx);
}

static void
ipv6cp_down(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_event ev = { .kind = PPP_EV_NET_DOWN, .net = { .cp = PPP_CP_IPV6CP } };

	l->ra_due = MONO_NEVER;
	link_event(ctx, &ev);
}

static void
ipv6cp_finished(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	if (l->trouble.code == 0)
		link_trouble(l, cause_of(PPP_CAUSE_NCP_TIMEOUT, PPP_IPV6CP, 0));
	link_ncp_ended(l, ctx);
}

static struct ppp_cause
ipv6cp_gave_up(bool naks_received)
{
	return cause_of(PPP_CAUSE_ADDRESSES, PPP_IPV6CP, naks_received ? 1 : 2);
}

const struct cp_ops ipv6cp_ops = {
	.proto = PPP_IPV6CP,
	.max_code = PPP_CODE_REJ,
	.rules = rules,
	.rule_count = sizeof rules / sizeof *rules,
	.fresh = ipv6cp_fresh,
	.request = ipv6cp_request,
	.begin = ipv6cp_begin,
	.missing = ipv6cp_missing,
	.agreed = ipv6cp_agreed,
	.naked = ipv6cp_naked,
	.rejected = ipv6cp_rejected,
	.up = ipv6cp_up,
	.down = ipv6cp_down,
	.finished = ipv6cp_finished,
	.gave_up = ipv6cp_gave_up,
};
