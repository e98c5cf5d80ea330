// SPDX-License-Identifier: Apache-2.0
/*
 * LCP: its options (RFC 1661, 6; RFC 1662, 7.1) and its own codes (5.7 to 5.9, RFC 1570).
 *
 * Options without a row below are rejected: Quality (we measure by Echo), FCS-Alternatives, Numbered-Mode,
 * Callback, and those of Multilink (RFC 1990), which this end does not do.
 */
#include "ppp/link.h"

#define PREJ_BURST 10 /* Protocol-Rejects a second */

/* ---- authentication protocols as option values */

static const struct {
	uint8_t auth;
	uint8_t len;
	uint8_t value[3];
} auth_options[] = {
	{ PPP_AUTH_PAP, 2, { 0xc0, 0x23 } },		/* RFC 1334, 2.1 */
	{ PPP_AUTH_CHAP_MD5, 3, { 0xc2, 0x23, 5 } },	/* RFC 1994, 3 */
	{ PPP_AUTH_MSCHAPV2, 3, { 0xc2, 0x23, 0x81 } }, /* RFC 2759, 2 */
};
#define AUTH_OPTIONS (sizeof auth_options / sizeof *auth_options)

size_t
auth_option(enum ppp_auth auth, uint8_t out[3])
{
	for (size_t i = 0; i < AUTH_OPTIONS; i++)
		if (auth_options[i].auth == auth) {
			memcpy(out, auth_options[i].value, 3);
			return auth_options[i].len;
		}
	return 0;
}

enum ppp_auth
auth_of_option(struct span value)
{
	for (size_t i = 0; i < AUTH_OPTIONS; i++)
		if (span_eq(value, span_of(auth_options[i].value, auth_options[i].len)))
			return auth_options[i].auth;
	return PPP_AUTH_NONE;
}

/* Place of `auth` in a list, or -1. */
static int
auth_place(const uint8_t *list, uint8_t n, enum ppp_auth auth)
{
	for (int i = 0; i < n && i < PPP_AUTHS; i++)
		if (list[i] == auth)
			return i;
	return -1;
}

/* ---- ours */

static uint32_t
new_magic(const struct ppp_ctx *ctx)
{
	uint32_t m = random_u32(ctx, RANDOM_MAGIC);

	return m ? m : 1; /* zero means "none" (6.4) */
}

static void
lcp_fresh(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_conf *c = ctx->conf;
	uint8_t ask = 0;

	l->ours = (struct ppp_lcp_opts){ .accm = c->ask_accm ? c->accm : ACCM_DEFAULT,
					 .mru = c->mru ? c->mru : MRU_DEFAULT };
	if (l->ours.mru != MRU_DEFAULT)
		ask |= ASK_MRU;
	if (c->ask_accm)
		ask |= ASK_ACCM;
	if (c->auths) {
		l->ours.auth = c->auth[0];
		ask |= l->ours.auth ? ASK_AUTH : 0;
	}
	if (c->magic) {
		l->ours.magic = new_magic(ctx);
		ask |= ASK_MAGIC;
	}
	ask |= (c->ask_pfc ? ASK_PFC : 0) | (c->ask_acfc ? ASK_ACFC : 0);
	l->cp[PPP_CP_LCP].ask = ask;
	l->flags &= (uint8_t)~LINK_PROXIED;
}

static void
lcp_request(const struct ppp_link *l, struct wr *w)
{
	const uint8_t ask = l->cp[PPP_CP_LCP].ask;
	uint8_t auth[3];

	if (ask & ASK_MRU)
		ppp_option_write_u16(w, PPP_LCP_MRU, l->ours.mru);
	if (ask & ASK_ACCM)
		ppp_option_write_u32(w, PPP_LCP_ACCM, l->ours.accm);
	if (ask & ASK_AUTH)
		ppp_option_write(w, PPP_LCP_AUTH, auth, auth_option(l->ours.auth, auth));
	if (ask & ASK_MAGIC)
		ppp_option_write_u32(w, PPP_LCP_MAGIC, l->ours.magic);
	if (ask & ASK_PFC)
		ppp_option_write(w, PPP_LCP_PFC, NULL, 0);
	if (ask & ASK_ACFC)
		ppp_option_write(w, PPP_LCP_ACFC, NULL, 0);
}

/* The peer suggests another way to prove itself: one of ours, else our next. */
static bool
auth_naked(struct ppp_link *l, const struct ppp_ctx *ctx, struct span value)
{
	const struct ppp_conf *c = ctx->conf;
	int at = auth_place(c->auth, c->auths, auth_of_option(value));

	if (!(l->cp[PPP_CP_LCP].ask & ASK_AUTH))
		return true;
	if (at < 0)
		at = auth_place(c->auth, c->auths, l->ours.auth) + 1;
	if (at >= c->auths || at >= PPP_AUTHS) {
		link_end(l, ctx, cause_of(PPP_CAUSE_AUTH_PROTOCOL, auth_proto(l->ours.auth), 1));
		return false;
	}
	l->ours.auth = c->auth[at];
	return true;
}

static bool
lcp_naked(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	const uint8_t ask = l->cp[PPP_CP_LCP].ask;

	switch (o->type) {
	case PPP_LCP_MRU: /* the peer would send less, or wants leave for more, which we do not give */
		if (ask & ASK_MRU && o->value.len == 2 && get_u16(o->value.p) >= MRU_LEAST &&
		    get_u16(o->value.p) < l->ours.mru)
			l->ours.mru = get_u16(o->value.p);
		break;
	case PPP_LCP_ACCM: /* RFC 1662, 7.1: the union */
		if (ask & ASK_ACCM && o->value.len == 4)
			l->ours.accm |= get_u32(o->value.p);
		break;
	case PPP_LCP_AUTH:
		return auth_naked(l, ctx, o->value);
	case PPP_LCP_MAGIC: /* 6.4: perhaps our own request came back; a new number tells */
		if (ask & ASK_MAGIC)
			l->ours.magic = new_magic(ctx);
		break;
	}
	return true;
}

static bool
lcp_rejected(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_option *o)
{
	uint8_t *ask = &l->cp[PPP_CP_LCP].ask;

	switch (o->type) {
	case PPP_LCP_MRU:
		*ask &= (uint8_t)~ASK_MRU;
		l->ours.mru = MRU_DEFAULT;
		break;
	case PPP_LCP_ACCM:
		*ask &= (uint8_t)~ASK_ACCM;
		l->ours.accm = ACCM_DEFAULT;
		break;
	case PPP_LCP_AUTH:
		link_end(l, ctx, cause_of(PPP_CAUSE_AUTH_PROTOCOL, auth_proto(l->ours.auth), 1));
		return false;
	case PPP_LCP_MAGIC:
		*ask &= (uint8_t)~ASK_MAGIC;
		l->ours.magic = 0;
		break;
	case PPP_LCP_PFC:
		*ask &= (uint8_t)~ASK_PFC;
		break;
	case PPP_LCP_ACFC:
		*ask &= (uint8_t)~ASK_ACFC;
		break;
	}
	return true;
}

/* ---- the peer's */

static void
lcp_begin(struct check *k)
{
	k->lcp = (struct ppp_lcp_opts){ .mru = MRU_DEFAULT, .accm = ACCM_DEFAULT };
}

static enum verdict
judge_mru(struct check *k, struct span v)
{
	if (v.len != 2 || get_u16(v.p) < MRU_LEAST)
		return check_nak_u16(k, PPP_LCP_MRU, MRU_DEFAULT);
	k->lcp.mru = get_u16(v.p);
	return OPT_ACK;
}

static enum verdict
judge_accm(struct check *k, struct span v)
{
	if (v.len != 4)
		return check_nak_u32(k, PPP_LCP_ACCM, 0);
	k->lcp.accm = get_u32(v.p);
	return OPT_ACK;
}

/* 6.2: what we do not submit to is answered with what we do, the next one in each Nak. */
static enum verdict
judge_auth(struct check *k, struct span v)
{
	const struct ppp_conf *c = k->ctx->conf;
	const uint8_t n = c->answers < PPP_AUTHS ? c->answers : PPP_AUTHS;
	const uint8_t turn = k->l->cp[PPP_CP_LCP].naks_sent;
	enum ppp_auth auth = auth_of_option(v);
	uint8_t wish[3];

	if (n == 0)
		return OPT_REJ;
	if (auth != PPP_AUTH_NONE && auth_place(c->answer, n, auth) >= 0) {
		k->lcp.auth = auth;
		return OPT_ACK;
	}
	return check_nak(k, PPP_LCP_AUTH, wish, auth_option(c->answer[turn % n], wish));
}

/* 6.4: zero must not be; our own number means that we perhaps talk to ourselves. */
static enum verdict
judge_magic(struct check *k, struct span v)
{
	const uint32_t magic = v.len == 4 ? get_u32(v.p) : 0;
	const bool ours = magic && magic == k->l->ours.magic;

	if (ours) {
		k->l->loops++;
		k->l->dirty = true;
		link_fault(k->ctx, PPP_FAULT_LOOPED);
	}
	if (ours) /* whatever Max-Failure says: a rejected number would hide the loop */
		k->may_nak = k->looped = true;
	if (magic == 0 || ours)
		return check_nak_u32(k, PPP_LCP_MAGIC, random_u32(k->ctx, RANDOM_OTHER) | 1);
	k->lcp.magic = magic;
	return OPT_ACK;
}

static enum verdict
judge_pfc(struct check *k, struct span v)
{
	if (v.len)
		return check_nak(k, PPP_LCP_PFC, NULL, 0);
	k->lcp.pfc = true;
	return OPT_ACK;
}

static enum verdict
judge_acfc(struct check *k, struct span v)
{
	if (v.len)
		return check_nak(k, PPP_LCP_ACFC, NULL, 0);
	k->lcp.acfc = true;
	return OPT_ACK;
}

static const struct opt_rule rules[] = {
	{ PPP_LCP_MRU, judge_mru },	/* RFC 1661, 6.1 */
	{ PPP_LCP_ACCM, judge_accm },	/* RFC 1662, 7.1 */
	{ PPP_LCP_AUTH, judge_auth },	/* RFC 1661, 6.2 */
	{ PPP_LCP_MAGIC, judge_magic }, /* RFC 1661, 6.4 */
	{ PPP_LCP_PFC, judge_pfc },	/* RFC 1661, 6.5 */
	{ PPP_LCP_ACFC, judge_acfc },	/* RFC 1661, 6.6 */
};

/* LCP options left out mean their defaults (6): nothing to wish. */
static void
lcp_missing(struct check *k)
{
	(void)k;
}

static void
lcp_agreed(struct check *k)
{
	k->l->peer = k->lcp;
}

/* ---- up and down */

static void
lcp_up(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_event ev = { .kind = PPP_EV_LCP_UP,
				      .lcp = { .peer_mru = l->peer.mru,
					       .pfc = l->peer.pfc,
					       .acfc = l->peer.acfc,
					       .accm_send = l->peer.accm,
					       .accm_recv = l->ours.accm,
					       .auth_peer = l->ours.auth,
					       .auth_us = l->peer.auth,
					       .proxied = l->flags & LINK_PROXIED } };

	l->loops = 0;
	link_event(ctx, &ev);
	echo_start(l, ctx);
	link_authenticate(l, ctx);
}

static void
lcp_down(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_event ev = { .kind = PPP_EV_LCP_DOWN };

	echo_stop(l);
	link_establish_again(l, ctx);
	link_event(ctx, &ev);
}

static void
lcp_finished(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	link_cause(l, cause_of(l->flags & LINK_HEARD ? PPP_CAUSE_LCP_TIMEOUT : PPP_CAUSE_NO_LCP, PPP_LCP, 0));
	link_finish(l, ctx);
}

static struct ppp_cause
lcp_gave_up(bool naks_received)
{
	(void)naks_received;
	return cause_of(PPP_CAUSE_LCP_TIMEOUT, PPP_LCP, 0);
}

const struct cp_ops lcp_ops = {
	.proto = PPP_LCP,
	.max_code = PPP_TIME_LEFT,
	.rules = rules,
	.rule_count = sizeof rules / sizeof *rules,
	.fresh = lcp_fresh,
	.request = lcp_request,
	.begin = lcp_begin,
	.missing = lcp_missing,
	.agreed = lcp_agreed,
	.naked = lcp_naked,
	.rejected = lcp_rejected,
	.up = lcp_up,
	.down = lcp_down,
	.finished = lcp_finished,
	.gave_up = lcp_gave_up,
};

/* ---- codes of LCP alone */

/* What a control protocol is there for: without the one the other is of no use. */
static uint16_t
control_of(uint16_t proto)
{
	switch (proto) {
	case PPP_IPV4:
		return PPP_IPCP;
	case PPP_IPV6:
		return PPP_IPV6CP;
	case PPP_PPPMUX:
		return PPP_PPPMUXCP;
	default:
		return proto;
	}
}

/*
 * 5.7: we stop sending it.  LCP itself cannot be missed, an NCP or an authentication protocol ends what needs it;
 * compressed headers and multiplexed frames can be missed, whatever the NCPs had agreed on.
 */
static void
receive_protocol_reject(struct ppp_link *l, const struct ppp_ctx *ctx, struct span data)
{
	const uint16_t proto = data.len >= 2 ? control_of(get_u16(data.p)) : 0;

	if (l->cp[PPP_CP_LCP].state != PPP_OPENED)
		return;
	link_fault(ctx, PPP_FAULT_PROTOCOL_REJECTED);
	if (proto == PPP_LCP)
		link_cause(l, cause_of(PPP_CAUSE_LCP_TIMEOUT, PPP_LCP, 0));
	for (enum ppp_cp cp = 0; cp < PPP_CPS; cp++)
		if (cp_ops(cp)->proto == proto) {
			if (cp != PPP_CP_LCP && cp != PPP_CP_MUX)
				link_trouble(l, cause_of(PPP_CAUSE_NO_NCP, proto, 0));
			cp_event(l, ctx, cp, FSM_RXJ_FATAL);
			return;
		}
	if (proto == PPP_PAP || proto == PPP_CHAP)
		auth_rejected(l, ctx, proto);
	hc_refused(l, ctx, proto);
}

/* 5.8: our own magic number in a packet of the "peer" is our packet. */
static bool
is_ours(struct ppp_link *l, const struct ppp_ctx *ctx, struct span data)
{
	const uint32_t magic = data.len >= 4 ? get_u32(data.p) : 0;

	if (magic == 0 || magic != l->ours.magic)
		return false;
	link_fault(ctx, PPP_FAULT_LOOPED);
	l->dirty = true;
	l->loops++;
	return true;
}

void
lcp_extra(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	switch (pkt->code) {
	case PPP_PROTO_REJ:
		receive_protocol_reject(l, ctx, pkt->data);
		break;
	case PPP_ECHO_REQ:
		if (l->cp[PPP_CP_LCP].state == PPP_OPENED)
			is_ours(l, ctx, pkt->data);
		break;
	case PPP_ECHO_REP:
		if (l->cp[PPP_CP_LCP].state == PPP_OPENED && !is_ours(l, ctx, pkt->data))
			echo_reply(l, ctx, pkt);
		break;
	default: /* Discard-Request, Identification, Time-Remaining: taken, and that is all */
		break;
	}
}

/* 5.7: the rejected frame, cut to the peer's MRU; a few a second, whatever comes. */
void
lcp_reject_protocol(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_frame *f)
{
	size_t room = (l->peer.mru < MRU_DEFAULT ? l->peer.mru : MRU_DEFAULT) - 6u;
	struct build b;

	link_fault(ctx, PPP_FAULT_UNKNOWN_PROTOCOL);
	if (l->prej_at == MONO_NEVER || ctx->now - l->prej_at >= MONO_S) {
		l->prej_at = ctx->now;
		l->prejs = 0;
	}
	if (l->prejs >= PREJ_BURST) {
		link_fault(ctx, PPP_FAULT_REJECT_LIMITED);
		return;
	}
	l->prejs++;
	build_begin(&b, PPP_LCP, PPP_PROTO_REJ, ++l->ids);
	wr_u16(&b.w, f->proto);
	wr_bytes(&b.w, f->info.p, f->info.len < room ? f->info.len : room);
	build_send(&b, ctx, false);
}
