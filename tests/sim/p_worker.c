// SPDX-License-Identifier: Apache-2.0
/* A worker's shell: sockets and TUN on one side, punts, injections, leases and the feed on the other. */
#include "sim.h"

#define TICK (10 * MONO_MS)
#define HELD_MAX 256
#define HELD_FOR (2 * MONO_S)

struct held {
	struct held *next;
	mono_t since;
	uint16_t tunnel, session;
	size_t len;
	uint8_t octets[];
};

struct shell {
	struct talk t; /* first */
	struct dp *dp;
	struct arena arena;
	uint64_t instance;
	mono_t usage_at;
	struct held *held, **held_end;
	unsigned helds, sent;
};

struct ns_detail {
	uint16_t tunnel, session;
	uint32_t below;
};

struct dp *
proc_dp(struct proc *p)
{
	return p->up && p->kind >= P_W0 ? ((struct shell *)p->impl)->dp : NULL;
}

/* --- out ---------------------------------------------------------------------------------------------------- */

static struct endpoint
of_ends(const struct dp_addr *a, uint16_t port)
{
	return (struct endpoint){ .addr = dp_addr_ip(a), .port = port };
}

static void
to_lac(struct world *w, unsigned to, const void *octets, size_t len)
{
	slac_hear(&w->lac[to - PLACE_LAC], octets, len);
}

/* For a trace: a PPP control frame that leaves. */
static void
say_ppp(const struct shell *s, const uint8_t *p, size_t len)
{
	struct l2tp_hdr h;
	struct span f;

	if (!TELLING(s->t.p->w) || l2tp_hdr_read(span_of(p, len), &h, &f) != L2TP_OK || h.control || f.len < 6)
		return;
	if (f.p[0] == 0xff)
		f = span_of(f.p + 2, f.len - 2);
	if (f.p[0] & 0x80)
		tell(s->t.p->w, "%s  %s sends PPP %04x code=%u id=%u to session %u", s->t.p->n->name, s->t.name, get_u16(f.p), f.p[2],
		     f.p[3], h.session);
}

static void
send_udp(struct shell *s, struct endpoint peer, const uint8_t *octets, size_t len)
{
	struct proc *p = s->t.p;
	struct world *w = p->w;
	uint8_t b[2048];

	if (len > sizeof b || !point(p, AT_SEND))
		return;
	memcpy(b, octets, len);
	if (w->broken == BREAK_BAD_HEADER && ++s->sent % 100 == 0 && len > 4 && b[0] & 0x40)
		b[3] ^= 0x55;
	if (w->broken == BREAK_NR_BACK && b[0] & 0x80 && len >= 12 && get_u16(b + 10) > 1 && ++s->sent % 20 == 0)
		put_u16(b + 10, (uint16_t)(get_u16(b + 10) - 2));
	check_egress(w, p->n, s->t.epoch, peer, b, len);
	mark(w, hash_of(b, len));
	say_ppp(s, b, len);
	for (unsigned i = 0; i < LACS; i++)
		if (endpoint_eq(&w->lac[i].ep, &peer))
			net_send(w, NET_ACCESS, p->n->id, PLACE_LAC + i, to_lac, b, len);
	point(p, AT_SENT);
}

static void
send_frames(struct shell *s)
{
	const struct dp_out *o = dp_out(s->dp);

	for (unsigned i = 0; i < o->frames; i++) {
		const struct dp_ends *e = dp_ends_of(s->dp, o->frame[i].tunnel);
		if (e)
			send_udp(s, of_ends(&e->peer, e->peer_port), o->frame[i].p, o->frame[i].len);
	}
	for (unsigned i = 0; i < o->packets; i++)
		;
}

static void
to_core(struct world *w, unsigned to, const void *octets, size_t len)
{
	core_hear(w, octets, len);
}

static void
hand(struct shell *s, unsigned worker, const struct dp_verdict *v, int what, struct span octets, const struct msg *from)
{
	struct proc *to = &s->t.p->n->p[P_W0 + worker % WORKERS];
	struct msg *m;

	if (!to->up)
		return;
	m = msg_new(M_HAND, octets.p, octets.len);
	if (from)
		m->u = from->u;
	m->n[1] = (uint64_t)what;
	m->u.frame.tunnel = v->tunnel;
	m->u.frame.session = v->session;
	proc_post(to, m, 10 * MONO_US, true);
}

static void
punt(struct shell *s, enum proc_kind to, const struct dp_verdict *v, const struct msg *m)
{
	struct proc *p = &s->t.p->n->p[to];
	struct msg *copy;

	if (!p->up || p->waiting > 1000)
		return;
	copy = msg_new(M_PUNT, v->p, v->len);
	copy->u.frame.peer = m->u.frame.peer;
	copy->u.frame.local = m->u.frame.local;
	copy->u.frame.tunnel = v->tunnel;
	copy->u.frame.session = v->session;
	proc_post(p, copy, 20 * MONO_US + rnd_time(s->t.p->w, 0, 20 * MONO_US), true);
}

/* --- packets --------------------------------------------------------------------------------------------------- */

static void
up(struct shell *s, struct msg *m)
{
	struct dp_ends ends = { dp_addr_of(&m->u.frame.local.addr), dp_addr_of(&m->u.frame.peer.addr),
				m->u.frame.local.port, m->u.frame.peer.port };
	struct dp_datagram d = { m->octets, (uint32_t)m->len, 0, &ends };
	struct dp_verdict v;

	if (!talk_may_send(&s->t))
		return;
	if (!point(s->t.p, AT_HEARD))
		return;
	if (m->kind == M_DATAGRAM)
		check_reached(s->t.p->w, s->t.p->n, (unsigned)m->n[0], m->octets, m->len);
	if (s->t.p->w->broken == BREAK_DEAF && m->kind == M_DATAGRAM && m->len > 12 && m->octets[0] & 0x80 && get_u16(m->octets + 8) == 5)
		return;
	dp_up(s->dp, node_now(s->t.p->n), &d, 1, &v);
	switch (v.act) {
	case DP_FORWARD:
		net_send(s->t.p->w, NET_CORE, s->t.p->n->id, PLACE_CORE, to_core, v.p, v.len);
		break;
	case DP_PUNT_TUNNEL:
		punt(s, P_TC, &v, m);
		break;
	case DP_PUNT_LINK:
		punt(s, P_SM, &v, m);
		break;
	case DP_HAND:
		hand(s, v.worker, &v, 0, span_of(m->octets, m->len), m);
		break;
	case DP_DROP:
		tell(s->t.p->w, "%s  %s drops what came up: %s", s->t.p->n->name, s->t.name, dp_drop_info[v.reason].name);
		break;
	}
	send_frames(s);
}

static void
down(struct shell *s, struct msg *m)
{
	uint8_t b[2048];
	struct dp_packet in = { b + DP_HEADROOM, (uint32_t)m->len };
	struct dp_verdict v;

	if (!talk_may_send(&s->t) || m->len > sizeof b - DP_HEADROOM)
		return;
	memcpy(in.p, m->octets, m->len);
	dp_down(s->dp, node_now(s->t.p->n), &in, 1, &v);
	if (v.act == DP_HAND)
		hand(s, v.worker, &v, 1, span_of(v.p, v.len), NULL);
	send_frames(s);
}

static bool
waits(const struct shell *s, uint16_t tunnel, uint16_t session)
{
	for (const struct held *h = s->held; h; h = h->next)
		if (h->tunnel == tunnel && h->session == session)
			return true;
	return false;
}

static bool
inject_now(struct shell *s, uint16_t tunnel, uint16_t session, struct span frame)
{
	struct dp_verdict v;

	dp_out_reset(s->dp);
	v = dp_inject(s->dp, tunnel, session, frame);
	if (v.act == DP_HAND)
		hand(s, v.worker, &(struct dp_verdict){ .tunnel = tunnel, .session = session }, 2, frame, NULL);
	send_frames(s);
	dp_out_reset(s->dp);
	return !(v.act == DP_DROP && v.reason == DP_DROP_NS_LEASE);
}

static void
inject(struct shell *s, uint16_t tunnel, uint16_t session, struct span frame)
{
	struct held *h;

	if ((s->held && waits(s, tunnel, session)) || !inject_now(s, tunnel, session, frame)) {
		if (s->helds == HELD_MAX)
			return;
		h = malloc(sizeof *h + frame.len);
		*h = (struct held){ NULL, node_now(s->t.p->n), tunnel, session, frame.len };
		memcpy(h->octets, frame.p, frame.len);
		*s->held_end = h;
		s->held_end = &h->next;
		s->helds++;
	}
}

static void
held_retry(struct shell *s, bool drop_all)
{
	struct held *h = s->held, *next;
	mono_t now = node_now(s->t.p->n);

	s->held = NULL;
	s->held_end = &s->held;
	s->helds = 0;
	for (; h; h = next) {
		next = h->next;
		if (!drop_all && now - h->since < HELD_FOR && talk_may_send(&s->t) &&
		    (waits(s, h->tunnel, h->session) || !inject_now(s, h->tunnel, h->session, span_of(h->octets, h->len)))) {
			h->next = NULL;
			*s->held_end = h;
			s->held_end = &h->next;
			s->helds++;
			continue;
		}
		free(h);
	}
}

static void
on_inject(struct shell *s, const struct msg *m)
{
	if (!talk_may_send(&s->t) || m->u.frame.epoch != s->t.epoch)
		return;
	if (m->u.frame.whole)
		send_udp(s, m->u.frame.peer, m->octets, m->len);
	else
		inject(s, m->u.frame.tunnel, m->u.frame.session, span_of(m->octets, m->len));
}

static void
on_hand(struct shell *s, struct msg *m)
{
	switch (m->n[1]) {
	case 0:
		up(s, m);
		break;
	case 1:
		down(s, m);
		break;
	case 2:
		if (talk_may_send(&s->t))
			inject(s, m->u.frame.tunnel, m->u.frame.session, span_of(m->octets, m->len));
		break;
	}
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static bool
wanted(enum table t)
{
	return t == TABLE_TUNNEL || t == TABLE_CALL || t == TABLE_SUBSCRIBER || t == TABLE_DATA_NS;
}

static void
apply(struct shell *s, enum table t, struct span key, struct span row, bool removed)
{
	const ProtobufCMessage *m;

	arena_reset(&s->arena);
	m = removed ? NULL : row_unpack(&s->arena, t, row);
	if (removed || m)
		dp_apply(s->dp, t, key, m);
}

static void
on_load(struct proc *p)
{
	struct shell *s = p->impl;
	const struct rows *r = &p->n->store.now;

	dp_load_begin(s->dp);
	for (unsigned i = 0; i < r->n; i++)
		if (wanted(r->v[i]->table))
			apply(s, r->v[i]->table, row_key(r->v[i]), row_row(r->v[i]), false);
	dp_load_end(s->dp);
}

static void
on_row(struct proc *p, enum table table, struct span key, struct span row, bool removed)
{
	if (wanted(table))
		apply(p->impl, table, key, row, removed);
}

static void
on_role(struct proc *p, bool active, uint64_t epoch)
{
	dp_ns_role(((struct shell *)p->impl)->dp, active, epoch);
}

static void
on_release(struct proc *p, const struct effect *e)
{
	struct ns_detail d;

	if (e->kind != EFFECT_OTHER || e->detail_len != sizeof d)
		return;
	memcpy(&d, e->detail, sizeof d);
	dp_ns_committed(((struct shell *)p->impl)->dp, d.tunnel, d.session, d.below);
}

static void
leases(struct shell *s)
{
	struct ns_detail d;

	while (talk_active(&s->t) && dp_ns_wanted(s->dp, &d.tunnel, &d.session, &d.below)) {
		Row__DataNs row = ROW__DATA_NS__INIT;
		struct key key = key_session(d.tunnel, d.session);
		struct effect e = { .kind = EFFECT_OTHER, .detail = &d, .detail_len = sizeof d };
		row.below = d.below;
		row.restarts = dp_ns_restarts(s->dp, d.tunnel, d.session);
		if (s->t.p->w->broken == BREAK_NS_UNLEASED && d.below) {
			dp_ns_committed(s->dp, d.tunnel, d.session, d.below);
			continue;
		}
		sink_record(&s->t.sink, TABLE_DATA_NS, key_span(&key), d.below ? &row.base : NULL);
		for (unsigned i = 0; d.below && i < (s->t.p->w->broken == BREAK_PILES_UP ? 5000u : 1u); i++)
			sink_effect(&s->t.sink, &e);
	}
}

static void
usage(struct shell *s)
{
	struct dp_usage u[64];
	struct sm_usage v[64];
	struct proc *to = &s->t.p->n->p[P_SM];
	unsigned n = dp_usage_next(s->dp, dp_session_slots(s->dp), u, 64);
	struct msg *m;

	if (!n || !to->up)
		return;
	for (unsigned i = 0; i < n; i++)
		v[i] = (struct sm_usage){ u[i].tunnel, u[i].session, u[i].in_octets, u[i].out_octets, u[i].in_packets, u[i].out_packets, u[i].drops };
	m = msg_new(M_USAGE, v, n * sizeof v[0]);
	m->n[0] = s->t.p->kind - P_W0;
	m->n[1] = s->instance;
	proc_post(to, m, 30 * MONO_US, true);
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static void
start(struct proc *p)
{
	static const struct talk_ops ops = { on_load, on_row, on_role, on_release };
	struct shell *s = calloc(1, sizeof *s);

	talk_init(&s->t, p, proc_name[p->kind], &ops);
	arena_init(&s->arena, 0);
	s->dp = dp_new(&p->n->conf, p->kind - P_W0, rnd(p->w));
	s->instance = rnd(p->w) | 1;
	s->held_end = &s->held;
	s->usage_at = node_now(p->n) + MONO_S;
	p->impl = s;
}

static void
stop(struct proc *p)
{
	struct shell *s = p->impl;

	held_retry(s, true);
	dp_free(s->dp);
	arena_fini(&s->arena);
	talk_fini(&s->t);
	free(s);
	p->impl = NULL;
}

static void
hear(struct proc *p, struct msg *m)
{
	struct shell *s = p->impl;

	switch (m->kind) {
	case M_DATAGRAM:
		up(s, m);
		break;
	case M_PACKET:
		down(s, m);
		break;
	case M_INJECT:
		on_inject(s, m);
		break;
	case M_HAND:
		on_hand(s, m);
		break;
	default:
		talk_hear(&s->t, m);
		break;
	}
}

static void
flush(struct proc *p)
{
	struct shell *s = p->impl;

	leases(s);
	talk_flush(&s->t);
	if (s->held)
		held_retry(s, false);
	if (node_now(p->n) >= s->usage_at) {
		s->usage_at = node_now(p->n) + MONO_S;
		usage(s);
	}
}

static mono_t
due(struct proc *p)
{
	struct shell *s = p->impl;
	mono_t next = s->held ? node_now(p->n) + TICK : s->usage_at;

	return mono_sooner(next < s->usage_at ? next : s->usage_at, talk_due(&s->t));
}

struct talk *
proc_talk(struct proc *p)
{
	return p->up && p->kind >= P_TC ? p->impl : NULL;
}

const struct proc_ops worker_ops = { start, stop, hear, flush, due };
