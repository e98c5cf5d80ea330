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
 *  - An option with suboptions that we do not know is naked with what we understood of it.
 */
#include "ppp/link.h"

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

void
hc_naked(struct ppp_link *l, const struct ppp_option *o, enum ppp_cp cp)
{
	struct crtp_params wish, *p = &l->hc_recv[family(cp)];

	if (!(l->cp[cp].ask & ASK_HC))
		return;
	if (crtp_params_read(o->value, &wish, NULL) != CRTP_PARAMS_OK) { /* another protocol, or nonsense */
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
