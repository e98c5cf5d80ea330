// SPDX-License-Identifier: Apache-2.0
/*
 * IP header compression (RFC 3544): the option IP-Compression-Protocol 0061, the same in IPCP and IPV6CP.
 *
 * An option describes the decompressor of its sender, so the two directions are independent: what we ask
 * for is what we take (hc_recv), what the peer asks for is what we may send (hc_send).  A peer that
 * rejects ours sends plain packets; whether we may compress towards it is its own option's to say.
 *
 * Choices where the RFC leaves room:
 *  - Several instances with different protocols are allowed (RFC 3241); the others are rejected here.
 *  - A peer's counter-proposal is followed as far as it asks for less; never for more than configured.
 *  - An option with suboptions that we do not know, or a TCP_SPACE out of range, is naked with what we understood of it.
 *  - A peer that goes on wanting what we do not do is not asked any more: the link is worth more than its headers.
 */
#include "ppp/link.h"

#define STUBBORN 3 /* Naks in a row, the last of which asked for nothing that we could give */

static unsigned
family(enum ppp_cp cp)
{
	return cp == PPP_CP_IPV6CP;
}

void
hc_fresh(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_cp cp)
{
	l->hc_recv[family(cp)] = ctx->conf->hc_ours;
	l->hc_sends &= (uint8_t)~(1u << family(cp));
	if (ctx->conf->hc)
		l->cp[cp].ask |= ASK_HC;
}

/* Option 2 in both protocols. */
void
hc_request(const struct ppp_link *l, struct wr *w, enum ppp_cp cp)
{
	uint8_t value[CRTP_OPTION_MAX];
	struct wr v = wr_of(value, sizeof value);

	if (!(l->cp[cp].ask & ASK_HC))
		return;
	crtp_params_write(&v, &l->hc_recv[family(cp)]);
	ppp_option_write(w, PPP_IPCP_COMPRESSION, value, wr_len(&v));
}

static uint16_t
less(uint16_t a, uint16_t b)
{
	return a < b ? a : b;
}

/* 0 is no limit, so the least. */
static uint16_t
stricter(uint16_t ours, uint16_t wish)
{
	return wish && (ours == 0 || wish < ours) ? wish : ours;
}

static bool
same_params(const struct crtp_params *a, const struct crtp_params *b)
{
	return a->tcp_space == b->tcp_space && a->non_tcp_space == b->non_tcp_space && a->max_header == b->max_header &&
	       a->f_max_period == b->f_max_period && a->f_max_time == b->f_max_time && a->rtp == b->rtp &&
	       a->enhanced == b->enhanced && a->no_tcp == b->no_tcp && a->no_non_tcp == b->no_non_tcp;
}

void
hc_naked(struct ppp_link *l, const struct ppp_option *o, enum ppp_cp cp)
{
	struct crtp_params wish, *p = &l->hc_recv[family(cp)];
	const struct crtp_params had = *p;
	enum crtp_params_fault fault;

	if (!(l->cp[cp].ask & ASK_HC))
		return;
	fault = crtp_params_read(o->value, &wish, NULL);
	if (fault != CRTP_PARAMS_OK && fault != CRTP_PARAMS_RANGE) { /* another protocol, or nonsense */
		l->cp[cp].ask &= (uint8_t)~ASK_HC;
		return;
	}
	p->tcp_space = less(p->tcp_space, wish.tcp_space);
	p->non_tcp_space = less(p->non_tcp_space, wish.non_tcp_space);
	p->max_header = less(p->max_header, wish.max_header);
	p->f_max_period = stricter(p->f_max_period, wish.f_max_period);
	p->f_max_time = stricter(p->f_max_time, wish.f_max_time);
	if (!wish.enhanced) { /* RFC 2508's is part of what RFC 3545 can */
		p->rtp = wish.rtp && (p->rtp || p->enhanced);
		p->enhanced = false;
	}
	p->no_tcp |= wish.no_tcp;
	p->no_non_tcp |= wish.no_non_tcp;
	if (same_params(p, &had) && l->cp[cp].naks_rcvd >= STUBBORN)
		hc_rejected(l, cp);
}

void
hc_rejected(struct ppp_link *l, enum ppp_cp cp)
{
	l->cp[cp].ask &= (uint8_t)~ASK_HC;
}

/* ---- the peer's */

static enum verdict
nak_params(struct check *k, const struct crtp_params *wish)
{
	uint8_t value[CRTP_OPTION_MAX];
	struct wr v = wr_of(value, sizeof value);

	crtp_params_write(&v, wish);
	return check_nak(k, PPP_IPCP_COMPRESSION, value, wr_len(&v));
}

/* RFC 3544, 2; the rule is marked `many`, since other compression protocols may stand beside this one. */
enum verdict
hc_judge(struct check *k, struct span v)
{
	struct crtp_params p;
	bool unknown;

	if (!k->ctx->conf->hc || k->hc_given)
		return OPT_REJ;
	switch (crtp_params_read(v, &p, &unknown)) {
	case CRTP_PARAMS_OK:
		break;
	case CRTP_PARAMS_PROTOCOL:
		return OPT_REJ;
	case CRTP_PARAMS_RANGE: /* `p` has the most there is */
		return nak_params(k, &p);
	default:
		return v.len < 2 ? OPT_REJ : nak_params(k, &k->ctx->conf->hc_ours);
	}
	if (unknown)
		return nak_params(k, &p);
	k->hc = p;
	k->hc_given = true;
	return OPT_ACK;
}

void
hc_agreed(struct check *k, enum ppp_cp cp)
{
	const uint8_t bit = (uint8_t)(1u << family(cp));

	k->l->hc_send[family(cp)] = k->hc;
	k->l->hc_sends = (uint8_t)(k->hc_given ? k->l->hc_sends | bit : k->l->hc_sends & ~bit);
}

/*
 * RFC 1661, 5.7: the peer has rejected a frame of one of these protocols.  It gets plain packets from here on, of both
 * families: contexts are one space.  CONTEXT_STATE belongs to the other direction: what the peer compresses goes on, and is
 * refreshed by F_MAX_PERIOD and F_MAX_TIME alone.
 */
void
hc_refused(struct ppp_link *l, const struct ppp_ctx *ctx, uint16_t proto)
{
	const bool states = proto == CRTP_PPP_CONTEXT_STATE;
	const struct ppp_event ev = { .kind = PPP_EV_HC_REFUSED, .states = states };

	if (!crtp_proto_known(proto) || (!states && !l->hc_sends))
		return;
	if (!states)
		l->hc_sends = 0;
	l->dirty = true;
	link_event(ctx, &ev);
}

/* What the network protocol comes up with. */
void
hc_tell(const struct ppp_link *l, enum ppp_cp cp, struct ppp_event *ev)
{
	if (l->cp[cp].ask & ASK_HC)
		ev->net.hc_recv = &l->hc_recv[family(cp)];
	if (l->hc_sends & 1u << family(cp))
		ev->net.hc_send = &l->hc_send[family(cp)];
}

/* A frame of one of its protocols (RFC 3544, 4): is the peer allowed to send it? */
bool
hc_takes(const struct ppp_link *l, uint16_t proto)
{
	const uint8_t ask = l->cp[PPP_CP_IPCP].ask | l->cp[PPP_CP_IPV6CP].ask;

	return (ask & ASK_HC) && crtp_proto_known(proto);
}
