// SPDX-License-Identifier: Apache-2.0
/*
 * IPCP: RFC 1332, with the name servers of RFC 1877.
 *
 * The server gives the peer net.peer4 by Nak, and keeps net.local4; the client asks for 0.0.0.0 and takes
 * what it is told.  With neither address set, none is negotiated (a header-compressed trunk needs none).
 * IP-Compression-Protocol is hc.c's.  IP-Addresses (deprecated) and Mobile-IPv4 are rejected.
 */
#include "ppp/link.h"

static void
ipcp_fresh(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	uint8_t ask = 0;

	l->local4 = l->net.local4;
	l->dns4[0] = l->dns4[1] = 0;
	l->flags &= (uint8_t)~LINK_ADDRESS_REFUSED;
	if (ctx->conf->client || l->local4)
		ask |= ASK_ADDRESS;
	if (ctx->conf->client && ctx->conf->ask_dns)
		ask |= ASK_DNS1 | ASK_DNS2;
	l->cp[PPP_CP_IPCP].ask = ask;
	hc_fresh(l, ctx, PPP_CP_IPCP);
}

static void
ipcp_request(const struct ppp_link *l, struct wr *w)
{
	const uint8_t ask = l->cp[PPP_CP_IPCP].ask;

	if (ask & ASK_ADDRESS)
		ppp_option_write_u32(w, PPP_IPCP_ADDRESS, l->local4);
	if (ask & ASK_DNS1)
		ppp_option_write_u32(w, PPP_IPCP_DNS1, l->dns4[0]);
	if (ask & ASK_DNS2)
		ppp_option_write_u32(w, PPP_IPCP_DNS2, l->dns4[1]);
	hc_request(l, w, PPP_CP_IPCP);
}

/* The client takes the address it is given; the server's own is not for the peer to choose. */
static bool
ipcp_naked(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	const uint8_t ask = l->cp[PPP_CP_IPCP].ask;
	const uint32_t v = o->value.len == 4 ? get_u32(o->value.p) : 0;

	if (o->type == PPP_IPCP_COMPRESSION)
		hc_naked(l, o, PPP_CP_IPCP);
	if (v == 0)
		return true;
	if (o->type == PPP_IPCP_ADDRESS && ask & ASK_ADDRESS && ctx->conf->client)
		l->local4 = v;
	if (o->type == PPP_IPCP_DNS1 && ask & ASK_DNS1)
		l->dns4[0] = v;
	if (o->type == PPP_IPCP_DNS2 && ask & ASK_DNS2)
		l->dns4[1] = v;
	return true;
}

static bool
ipcp_rejected(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	uint8_t *ask = &l->cp[PPP_CP_IPCP].ask;

	if (o->type == PPP_IPCP_ADDRESS && ctx->conf->client && l->local4 == 0) {
		cp_fail(l, ctx, PPP_CP_IPCP, cause_of(PPP_CAUSE_NO_ADDRESS, PPP_IPCP, 1));
		return false;
	}
	if (o->type == PPP_IPCP_ADDRESS)
		*ask &= (uint8_t)~ASK_ADDRESS;
	if (o->type == PPP_IPCP_DNS1)
		*ask &= (uint8_t)~ASK_DNS1;
	if (o->type == PPP_IPCP_DNS2)
		*ask &= (uint8_t)~ASK_DNS2;
	if (o->type == PPP_IPCP_COMPRESSION)
		hc_rejected(l, PPP_CP_IPCP);
	return true;
}

/* ---- the peer's */

static void
ipcp_begin(struct check *k)
{
	k->address = 0;
}

static bool
peer_gets_its_wish(struct check *k, uint32_t asked)
{
	struct ppp_out *out = k->ctx->out;

	if (asked == 0 || !out->accept4 || !out->accept4(out, asked))
		return false;
	k->l->net.peer4 = asked;
	k->l->dirty = true;
	return true;
}

/* RFC 1332, 3.3. */
static enum verdict
judge_address(struct check *k, struct span v)
{
	const uint32_t asked = v.len == 4 ? get_u32(v.p) : 0;
	const uint32_t given = k->l->net.peer4;
	enum verdict verdict;

	if (asked && (given == 0 || asked == given || peer_gets_its_wish(k, asked))) {
		k->address = asked;
		k->l->flags &= (uint8_t)~LINK_ADDRESS_REFUSED;
		return OPT_ACK;
	}
	if (given == 0) /* it wants an address from us, and we have none */
		return OPT_REJ;
	verdict = check_nak_u32(k, PPP_IPCP_ADDRESS, given);
	if (verdict == OPT_REJ)
		k->l->flags |= LINK_ADDRESS_REFUSED;
	return verdict;
}

/* RFC 1877: the value that we have, else no such option. */
static enum verdict
judge_server(struct check *k, struct span v, uint8_t type, uint32_t ours)
{
	if (ours == 0)
		return OPT_REJ;
	if (v.len == 4 && get_u32(v.p) == ours)
		return OPT_ACK;
	return check_nak_u32(k, type, ours);
}

static enum verdict
judge_dns1(struct check *k, struct span v)
{
	return judge_server(k, v, PPP_IPCP_DNS1, k->l->net.dns4[0]);
}

static enum verdict
judge_dns2(struct check *k, struct span v)
{
	return judge_server(k, v, PPP_IPCP_DNS2, k->l->net.dns4[1]);
}

static enum verdict
judge_nbns1(struct check *k, struct span v)
{
	return judge_server(k, v, PPP_IPCP_NBNS1, k->l->net.nbns4[0]);
}

static enum verdict
judge_nbns2(struct check *k, struct span v)
{
	return judge_server(k, v, PPP_IPCP_NBNS2, k->l->net.nbns4[1]);
}

static const struct opt_rule rules[] = {
	{ PPP_IPCP_ADDRESS, judge_address, false },  /* RFC 1332, 3.3 */
	{ PPP_IPCP_COMPRESSION, hc_judge, true },    /* RFC 3544, 2; several by RFC 3241 */
	{ PPP_IPCP_DNS1, judge_dns1, false },	     /* RFC 1877, 1.1 */
	{ PPP_IPCP_NBNS1, judge_nbns1, false },	     /* RFC 1877, 1.2 */
	{ PPP_IPCP_DNS2, judge_dns2, false },	     /* RFC 1877, 1.3 */
	{ PPP_IPCP_NBNS2, judge_nbns2, false },	     /* RFC 1877, 1.4 */
};

/*
 * RFC 1332, 3.3: a peer that does not mention its address is told it.  One that never does is taken to
 * have it; one that insisted on another until that was rejected is not let through.
 */
static void
ipcp_missing(struct check *k)
{
	if (k->l->net.peer4 == 0 || k->seen & 1)
		return;
	k->address = k->l->net.peer4;
	check_nak_u32(k, PPP_IPCP_ADDRESS, k->l->net.peer4);
}

static void
ipcp_agreed(struct check *k)
{
	k->l->peer4 = k->address;
	hc_agreed(k, PPP_CP_IPCP);
}

/* ---- up and down */

static void
ipcp_up(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_event ev = { .kind = PPP_EV_NET_UP,
				.net = { .cp = PPP_CP_IPCP,
					 .local4 = l->local4,
					 .peer4 = l->peer4,
					 .dns4 = { l->dns4[0], l->dns4[1] } } };

	if (ctx->conf->client && l->cp[PPP_CP_IPCP].ask & ASK_ADDRESS && l->local4 == 0) {
		cp_fail(l, ctx, PPP_CP_IPCP, cause_of(PPP_CAUSE_NO_ADDRESS, PPP_IPCP, 1));
		return;
	}
	if (l->flags & LINK_ADDRESS_REFUSED) {
		cp_fail(l, ctx, PPP_CP_IPCP, cause_of(PPP_CAUSE_ADDRESSES, PPP_IPCP, 2));
		return;
	}
	hc_tell(l, PPP_CP_IPCP, &ev);
	link_event(ctx, &ev);
}

static void
ipcp_down(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_event ev = { .kind = PPP_EV_NET_DOWN, .net = { .cp = PPP_CP_IPCP } };

	link_event(ctx, &ev);
}

static void
ipcp_finished(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	if (l->trouble.code == 0)
		link_trouble(l, cause_of(PPP_CAUSE_NCP_TIMEOUT, PPP_IPCP, 0));
	link_ncp_ended(l, ctx);
}

static struct ppp_cause
ipcp_gave_up(bool naks_received)
{
	return cause_of(PPP_CAUSE_ADDRESSES, PPP_IPCP, naks_received ? 1 : 2);
}

const struct cp_ops ipcp_ops = {
	.proto = PPP_IPCP,
	.max_code = PPP_CODE_REJ,
	.rules = rules,
	.rule_count = sizeof rules / sizeof *rules,
	.fresh = ipcp_fresh,
	.request = ipcp_request,
	.begin = ipcp_begin,
	.missing = ipcp_missing,
	.agreed = ipcp_agreed,
	.naked = ipcp_naked,
	.rejected = ipcp_rejected,
	.up = ipcp_up,
	.down = ipcp_down,
	.finished = ipcp_finished,
	.gave_up = ipcp_gave_up,
};
