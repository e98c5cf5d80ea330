// SPDX-License-Identifier: Apache-2.0
/*
 * Proxy LCP and authentication (RFC 2661, 4.4.5): what the LAC negotiated with the peer before the call
 * came to us.
 *
 * Used if the policy says so and what was negotiated is what we would have agreed to:
 *
 *	Last Sent CONFREQ	our options.  Each must be one that we know; the authentication one of ours, if
 *				we require any; the MRU no larger than what we receive
 *	Last Received CONFREQ	the peer's options, judged by the same rules as if the peer sent them to us
 *	Proxy Authen Type	PAP, CHAP: the question goes up, and the verdict to the peer.  None, MS-CHAPv1, a
 *				text login, or AVPs missing: we authenticate ourselves on the LCP taken over
 *
 * Otherwise LCP starts anew; a peer that is in Opened renegotiates when our Configure-Request comes.
 */
#include "ppp/link.h"

static bool
take_auth(struct ppp_link *l, const struct ppp_ctx *ctx, struct span value)
{
	const struct ppp_conf *c = ctx->conf;
	const enum ppp_auth auth = auth_of_option(value);

	for (unsigned i = 0; i < c->auths && i < PPP_AUTHS; i++)
		if (auth != PPP_AUTH_NONE && c->auth[i] == auth) {
			l->ours.auth = (uint8_t)auth;
			l->cp[PPP_CP_LCP].ask |= ASK_AUTH;
			return true;
		}
	return false;
}

/* An option of the LAC's Configure-Request, as if we had sent it. */
static bool
take_option(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	uint8_t *ask = &l->cp[PPP_CP_LCP].ask;
	const size_t len = o->value.len;

	switch (o->type) {
	case PPP_LCP_MRU:
		l->ours.mru = len == 2 ? get_u16(o->value.p) : 0;
		*ask |= ASK_MRU;
		return l->ours.mru >= MRU_LEAST && l->ours.mru <= (ctx->conf->mru ? ctx->conf->mru : MRU_DEFAULT);
	case PPP_LCP_ACCM:
		l->ours.accm = len == 4 ? get_u32(o->value.p) : 0;
		*ask |= ASK_ACCM;
		return len == 4;
	case PPP_LCP_AUTH:
		return take_auth(l, ctx, o->value);
	case PPP_LCP_MAGIC:
		l->ours.magic = len == 4 ? get_u32(o->value.p) : 0;
		*ask |= ASK_MAGIC;
		return l->ours.magic != 0;
	case PPP_LCP_PFC:
		*ask |= ASK_PFC;
		return len == 0;
	case PPP_LCP_ACFC:
		*ask |= ASK_ACFC;
		return len == 0;
	}
	return false;
}

static bool
take_sent(struct ppp_link *l, const struct ppp_ctx *ctx, struct span options)
{
	struct rd r = rd_of(options.p, options.len);
	struct ppp_option o;

	l->ours = (struct ppp_lcp_opts){ .mru = MRU_DEFAULT, .accm = ACCM_DEFAULT };
	l->cp[PPP_CP_LCP].ask = 0;
	while (ppp_option_next(&r, &o))
		if (!take_option(l, ctx, &o))
			return false;
	return r.ok && (l->ours.auth || ctx->conf->auths == 0);
}

bool
proxy_adopt(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_proxy *p)
{
	if (!ctx->conf->proxy_use || p->last_sent.len == 0 || p->last_rcvd.len == 0)
		return false;
	if (!take_sent(l, ctx, p->last_sent) || !cp_acceptable(l, ctx, PPP_CP_LCP, p->last_rcvd)) {
		link_fault(ctx, PPP_FAULT_PROXY_UNUSABLE);
		l->loops = 0;
		return false;
	}
	l->flags |= LINK_PROXIED | LINK_HEARD;
	cp_adopt(l, ctx, PPP_CP_LCP);
	if (l->ours.auth == PPP_AUTH_NONE && l->peer.auth == PPP_AUTH_NONE) {
		link_authenticated(l, ctx);
	} else if (!auth_adopt(l, ctx, p)) {
		if (l->ours.auth)
			link_fault(ctx, PPP_FAULT_PROXY_UNUSABLE);
		auth_stop(l);
		auth_start(l, ctx);
		link_authenticated(l, ctx);
	}
	return true;
}
