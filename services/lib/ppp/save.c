// SPDX-License-Identifier: Apache-2.0
/*
 * The snapshot of a link: what another node needs to go on with it.
 *
 * One function walks the layout and either writes or reads, so the two cannot differ.  Octets are in
 * network order; what is at its default is left out behind a bit.  There is no time in it.
 *
 * What a snapshot forgets on purpose: a question that was asked upwards.  Another node's owner does not
 * know of it.  A PAP request or CHAP response that was being judged is asked of the peer again (it repeats
 * a request, and we repeat the challenge); PPP_EV_NETWORK comes again from ppp_link_resume().
 *
 * The version octet changes when the layout does; a reader refuses versions it does not know.  Of two
 * nodes the older one can read what the newer writes as long as the new parts are not in use.
 */
#include "ppp/link.h"

#define VERSION_PLAIN 1
#define VERSION_TRUNK 2 /* with header compression and multiplexing, written only where they are used */
#define RESUME_LEAST (20 * MONO_MS)

struct snap {
	bool loading, ok;
	struct wr w;
	struct rd r;
};

static void
s8(struct snap *s, uint8_t *v)
{
	if (s->loading)
		*v = rd_u8(&s->r);
	else
		wr_u8(&s->w, *v);
}

static void
s16(struct snap *s, uint16_t *v)
{
	if (s->loading)
		*v = rd_u16(&s->r);
	else
		wr_u16(&s->w, *v);
}

static void
s32(struct snap *s, uint32_t *v)
{
	if (s->loading)
		*v = rd_u32(&s->r);
	else
		wr_u32(&s->w, *v);
}

static void
s64(struct snap *s, uint64_t *v)
{
	if (s->loading)
		*v = rd_u64(&s->r);
	else
		wr_u64(&s->w, *v);
}

static void
sbytes(struct snap *s, uint8_t *p, size_t n)
{
	const uint8_t *from;

	if (!s->loading) {
		wr_bytes(&s->w, p, n);
		return;
	}
	from = rd_take(&s->r, n);
	if (from)
		memcpy(p, from, n);
}

static void
must(struct snap *s, bool fine)
{
	if (!fine)
		s->ok = false;
}

/* A bit that says whether what follows is there. */
static bool
is(uint8_t bits, unsigned n)
{
	return bits >> n & 1;
}

static void
snap_cause(struct snap *s, struct ppp_cause *c)
{
	s16(s, &c->code);
	s16(s, &c->proto);
	s8(s, &c->direction);
	must(s, c->direction <= 2);
}

static void
snap_fsm(struct snap *s, struct ppp_fsm *f)
{
	const bool used = f->state != PPP_INITIAL;
	uint8_t head = (uint8_t)(f->state | (used && f->awaiting ? 0x80 : 0) | (used && f->acked ? 0x40 : 0));

	s8(s, &head);
	f->state = head & 0x0f;
	f->awaiting = is(head, 7);
	must(s, f->state < PPP_STATES);
	s8(s, &f->id);
	if (f->state == PPP_INITIAL)
		return;
	if (is(head, 6))
		s32(s, &f->acked);
	s8(s, &f->restarts);
	s8(s, &f->naks_sent);
	s8(s, &f->naks_rcvd);
	s8(s, &f->ask);
}

static void
snap_opts(struct snap *s, struct ppp_lcp_opts *o)
{
	uint8_t head = (uint8_t)((o->pfc ? 1 : 0) | (o->acfc ? 2 : 0) | (o->accm != ACCM_DEFAULT ? 4 : 0) |
				 (o->magic ? 8 : 0) | (o->mru != MRU_DEFAULT ? 16 : 0) | o->auth << 5);

	s8(s, &head);
	o->pfc = is(head, 0);
	o->acfc = is(head, 1);
	o->auth = head >> 5;
	must(s, o->auth <= PPP_AUTH_MSCHAPV2);
	if (s->loading) {
		o->accm = ACCM_DEFAULT;
		o->mru = MRU_DEFAULT;
	}
	if (is(head, 2))
		s32(s, &o->accm);
	if (is(head, 3))
		s32(s, &o->magic);
	if (is(head, 4))
		s16(s, &o->mru);
}

/* Being judged is saved as waiting for the peer: whom we asked is not there any more. */
static void
saved_form(struct ppp_auth_side *a)
{
	if (a->state == AUTH_ASKED) {
		a->state = AUTH_WAIT;
		if (a->tries == 0)
			a->tries = 1;
	}
}

static void
snap_auth(struct snap *s, const struct ppp_auth_side *from, struct ppp_auth_side *to, bool check)
{
	struct ppp_auth_side a = *from;
	const bool used = a.id || a.serial || a.state || a.auth;
	uint8_t head;

	saved_form(&a);
	head = (uint8_t)(a.state | a.auth << 3 | (a.again ? 0x40 : 0) | (used ? 0x80 : 0));
	s8(s, &head);
	a.state = head & 7;
	a.auth = head >> 3 & 7;
	a.again = is(head, 6);
	must(s, a.state < AUTH_STATES && a.auth <= PPP_AUTH_MSCHAPV2);
	if (is(head, 7)) {
		s8(s, &a.id);
		s16(s, &a.serial);
		s8(s, &a.tries);
	}
	if (a.state == AUTH_WAIT || a.state == AUTH_SENT || (!check && a.state == AUTH_OK)) {
		s8(s, &a.challenge_len);
		if (a.challenge_len <= sizeof a.challenge)
			sbytes(s, a.challenge, a.challenge_len);
		must(s, a.challenge_len <= sizeof a.challenge);
	}
	if (a.auth == PPP_AUTH_MSCHAPV2 && (a.state == AUTH_SENT || a.state == AUTH_OK))
		sbytes(s, a.proof, check ? 20 : 16);
	saved_form(&a);
	*to = a;
}

static bool
all_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n--)
		if (*b++)
			return false;
	return true;
}

static void
snap_net(struct snap *s, struct ppp_net *n)
{
	uint8_t head = (uint8_t)((n->ipv4 ? 1 : 0) | (n->ipv6 ? 2 : 0) | (n->local4 || n->peer4 ? 4 : 0) |
				 (n->dns4[0] || n->dns4[1] ? 8 : 0) | (n->nbns4[0] || n->nbns4[1] ? 16 : 0) |
				 (n->local_iid ? 32 : 0) | (n->peer_iid ? 64 : 0) |
				 (n->prefix6_len || !all_zero(n->prefix6, 16) ? 128 : 0));

	s8(s, &head);
	n->ipv4 = is(head, 0);
	n->ipv6 = is(head, 1);
	for (unsigned i = 0; i < 2 && is(head, 2); i++)
		s32(s, i ? &n->peer4 : &n->local4);
	for (unsigned i = 0; i < 2 && is(head, 3); i++)
		s32(s, &n->dns4[i]);
	for (unsigned i = 0; i < 2 && is(head, 4); i++)
		s32(s, &n->nbns4[i]);
	if (is(head, 5))
		s64(s, &n->local_iid);
	if (is(head, 6))
		s64(s, &n->peer_iid);
	if (is(head, 7)) {
		sbytes(s, n->prefix6, 16);
		s8(s, &n->prefix6_len);
	}
	must(s, n->prefix6_len <= 128);
}

static void
snap_values(struct snap *s, struct ppp_link *l)
{
	uint8_t head = (uint8_t)((l->local4 ? 1 : 0) | (l->peer4 ? 2 : 0) | (l->dns4[0] ? 4 : 0) |
				 (l->dns4[1] ? 8 : 0) | (l->local_iid ? 16 : 0) | (l->peer_iid ? 32 : 0));

	s8(s, &head);
	if (is(head, 0))
		s32(s, &l->local4);
	if (is(head, 1))
		s32(s, &l->peer4);
	if (is(head, 2))
		s32(s, &l->dns4[0]);
	if (is(head, 3))
		s32(s, &l->dns4[1]);
	if (is(head, 4))
		s64(s, &l->local_iid);
	if (is(head, 5))
		s64(s, &l->peer_iid);
}

static void
snap_echo(struct snap *s, struct ppp_echo *e)
{
	uint8_t head = (uint8_t)((e->off ? 1 : 0) | (e->sent ? 2 : 0) | e->next << 2);

	s8(s, &head);
	e->off = is(head, 0);
	e->next = head >> 2;
	must(s, e->next < PPP_ECHO_RING);
	if (!is(head, 1))
		return;
	s8(s, &e->id);
	s32(s, &e->sent);
	s32(s, &e->lost);
	for (unsigned i = 0; i < PPP_ECHO_RING; i++)
		s16(s, &e->ring_ms[i]);
}

static void
snap_params(struct snap *s, struct crtp_params *p)
{
	uint8_t bits = (uint8_t)((p->rtp ? 1 : 0) | (p->enhanced ? 2 : 0) | (p->no_tcp ? 4 : 0) | (p->no_non_tcp ? 8 : 0));

	s8(s, &bits);
	p->rtp = is(bits, 0);
	p->enhanced = is(bits, 1);
	p->no_tcp = is(bits, 2);
	p->no_non_tcp = is(bits, 3);
	s16(s, &p->tcp_space);
	s16(s, &p->non_tcp_space);
	s16(s, &p->f_max_period);
	s16(s, &p->f_max_time);
	s16(s, &p->max_header);
	must(s, p->tcp_space <= 255 && bits < 16);
}

static bool
asks_hc(const struct ppp_link *l, enum ppp_cp cp)
{
	return l->cp[cp].state != PPP_INITIAL && l->cp[cp].ask & ASK_HC;
}

/* The options of a family are there where they are asked for, by us or by the peer. */
static void
snap_trunk(struct snap *s, struct ppp_link *l)
{
	snap_fsm(s, &l->cp[PPP_CP_MUX]);
	s16(s, &l->mux_recv_pid);
	s16(s, &l->mux_send_pid);
	s8(s, &l->hc_sends);
	must(s, l->hc_sends < 4);
	for (unsigned i = 0; i < 2; i++) {
		if (asks_hc(l, PPP_CP_IPCP + i))
			snap_params(s, &l->hc_recv[i]);
		if (is(l->hc_sends, i))
			snap_params(s, &l->hc_send[i]);
	}
}

static bool
has_trunk(const struct ppp_link *l)
{
	return l->cp[PPP_CP_MUX].state != PPP_INITIAL || l->hc_sends || asks_hc(l, PPP_CP_IPCP) ||
	       asks_hc(l, PPP_CP_IPV6CP);
}

static void
snap_link(struct snap *s, const struct ppp_link *from, struct ppp_link *l)
{
	uint8_t version = has_trunk(l) ? VERSION_TRUNK : VERSION_PLAIN, head;

	s8(s, &version);
	must(s, version == VERSION_PLAIN || version == VERSION_TRUNK);
	head = (uint8_t)(l->phase | (l->cause.code ? 16 : 0) | (l->trouble.code ? 32 : 0));
	s8(s, &head);
	l->phase = head & 7;
	must(s, l->phase <= PPP_TERMINATE);
	s8(s, &l->flags);
	s8(s, &l->loops);
	if (is(head, 4))
		snap_cause(s, &l->cause);
	if (is(head, 5))
		snap_cause(s, &l->trouble);
	for (enum ppp_cp cp = 0; cp < PPP_CP_MUX; cp++)
		snap_fsm(s, &l->cp[cp]);
	snap_opts(s, &l->ours);
	snap_opts(s, &l->peer);
	must(s, l->peer.mru >= MRU_LEAST);
	snap_auth(s, &from->check, &l->check, true);
	snap_auth(s, &from->prove, &l->prove, false);
	snap_net(s, &l->net);
	snap_values(s, l);
	snap_echo(s, &l->echo);
	if (version == VERSION_TRUNK)
		snap_trunk(s, l);
	must(s, !s->loading || has_trunk(l) == (version == VERSION_TRUNK));
}

size_t
ppp_link_save(const struct ppp_link *l, uint8_t *buf, size_t cap)
{
	struct snap s = { .ok = true, .w = wr_of(buf, cap) };
	struct ppp_link copy = *l;

	snap_link(&s, l, &copy);
	return s.w.ok ? wr_len(&s.w) : 0;
}

/* ---- back again */

static uint32_t
hash(struct span s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * 16777619u;
	return h ^ h >> 15;
}

/* Somewhere in [from, from + width), differently for each link, so that 64,000 do not all speak at once. */
static mono_t
spread(const struct ppp_ctx *ctx, uint32_t h, mono_t from, mono_t width)
{
	return ctx->now + from + (width > 0 ? (mono_t)(h % 65536) * (width / 65536) : 0);
}

static void
arm_auth(struct ppp_link *l, const struct ppp_ctx *ctx, mono_t soon, uint32_t h)
{
	const struct ppp_conf *c = ctx->conf;
	const mono_t again = (mono_t)c->chap_again_ms * MONO_MS;
	const bool chap = l->check.auth > PPP_AUTH_PAP;

	if (l->check.state == AUTH_WAIT && chap)
		l->check.due = soon;
	if (l->check.state == AUTH_OK && chap && again)
		l->check.due = spread(ctx, h, again / 2, again / 2);
	if (l->prove.state == AUTH_SENT && (l->prove.auth == PPP_AUTH_PAP || l->prove.challenge_len))
		l->prove.due = soon;
	if (l->phase == PPP_AUTHENTICATE)
		l->auth_due = ctx->now + (mono_t)(c->auth_ms ? c->auth_ms : 30000) * MONO_MS;
}

static void
arm(struct ppp_link *l, const struct ppp_ctx *ctx, uint32_t h)
{
	const mono_t restart = restart_time(ctx), ra = (mono_t)ctx->conf->ra_ms * MONO_MS;
	const mono_t soon = spread(ctx, h, RESUME_LEAST, restart_after(ctx, 0) / 2);

	for (enum ppp_cp cp = 0; cp < PPP_CPS; cp++) {
		struct ppp_fsm *f = &l->cp[cp];

		if (ppp_state_timed(f->state)) /* the last wait is waited out */
			f->due = f->restarts ? soon : ctx->now + restart;
		if (f->state == PPP_OPENED && f->acked)
			f->dup_until = ctx->now + 3 * restart;
	}
	arm_auth(l, ctx, soon, h);
	if (ppp_link_cp_open(l, PPP_CP_LCP) && !l->echo.off && ctx->conf->echo_ms)
		l->echo.due = spread(ctx, h, echo_interval(ctx) / 2, echo_interval(ctx) / 2);
	if (ppp_link_cp_open(l, PPP_CP_IPV6CP) && ctx->conf->client)
		ra_resume(l, ctx, spread(ctx, h, 60 * MONO_S, 600 * MONO_S));
	else if (ppp_link_cp_open(l, PPP_CP_IPV6CP) && ra) {
		l->ras = 255; /* its first ones are long sent */
		l->ra_due = spread(ctx, h, RESUME_LEAST, ra);
	}
}

bool
ppp_link_load(struct ppp_link *l, const struct ppp_ctx *ctx, struct span saved)
{
	struct snap s = { .loading = true, .ok = true };
	const uint32_t h = hash(saved);

	ppp_link_init(l);
	if (saved.len == 0)
		return false;
	s.r = rd_of(saved.p, saved.len);
	snap_link(&s, l, l);
	if (!s.ok || !s.r.ok || rd_left(&s.r)) {
		ppp_link_init(l);
		return false;
	}
	l->ids = (uint8_t)h;
	arm(l, ctx, h);
	return true;
}
