// SPDX-License-Identifier: Apache-2.0
/* The elector's shell: ticks, heartbeats on both paths, the role file, the lease to everyone. */
#include "sim.h"

struct shell {
	struct elect_out out; /* first */
	struct proc *p;
	struct elect e;
	struct elect_conf conf;
	mono_t tick_at;
	enum elect_role role;
};

static const enum net path_net[] = { NET_MIRROR, NET_ACCESS };

struct elect *
proc_elect(struct proc *p)
{
	return p->up && p->kind == P_ELECT ? &((struct shell *)p->impl)->e : NULL;
}

/*
 * The networks carry a beat as it is: its octets and their MAC (unit and fuzz tests have them) would be two fifths
 * of the simulator's time.  One in 64 makes the way through the codec.
 */
static void
through_codec(struct world *w, const struct beat *b)
{
	uint8_t once[BEAT_MAX], again[BEAT_MAX];
	size_t len = beat_write(b, w->beat_key, once, sizeof once);
	struct beat copy;

	if (beat_read(span_of(once, len), w->beat_key, &copy) != BEAT_OK ||
	    beat_write(&copy, w->beat_key, again, sizeof again) != len || memcmp(once, again, len) != 0)
		violated(w, INV_NO_MALFORMED, "a heartbeat of %s cannot be read", b->node);
}

static void
refusal_arrives(struct world *w, unsigned to, const void *octets, size_t len)
{
	struct proc *p = &w->node[to].p[P_ELECT];

	if (p->up)
		proc_post(p, msg_new(M_REFUSED, NULL, 0), 0, false);
}

/* A kernel whose elector is gone answers in its place. */
static void
beat_arrives(struct world *w, unsigned to, const void *octets, size_t len)
{
	struct node *n = &w->node[to];
	struct proc *p = &n->p[P_ELECT];
	const struct beat *b = octets;

	n->beat_at = w->now;
	if (p->up)
		proc_post(p, msg_new(M_BEAT, octets, len), 0, false);
	else if (n->on)
		net_send(w, path_net[b->path % 2], to, 1 - to, refusal_arrives, b, 1);
}

static void
out_beat(struct elect_out *o, const struct beat *b)
{
	struct shell *s = (struct shell *)o;
	struct node *n = s->p->n;
	struct beat copy = *b;

	if (s->p->dying)
		return;
	for (unsigned i = 0; i < s->conf.paths; i++) {
		copy.path = (uint8_t)i;
		if (copy.seq % 64 == 0)
			through_codec(s->p->w, &copy);
		net_send(s->p->w, path_net[i], n->id, 1 - n->id, beat_arrives, &copy, sizeof copy);
	}
}

static void
out_lease(struct elect_out *o, uint64_t epoch, bool active, mono_t until)
{
	struct shell *s = (struct shell *)o;
	struct node *n = s->p->n;

	if (s->p->dying)
		return;
	if (s->p->w->broken == BREAK_LEASE_FOREVER && active && until)
		until += 10 * s->conf.lease;
	check_lease(s->p->w, n, epoch, active, active ? node_world(n, until) : 0);
	for (unsigned k = P_TC; k < PROCS; k++) {
		struct talk *t = proc_talk(&n->p[k]);
		if (!t || (active && until && talk_extend(t, epoch, until)))
			continue;
		t->leases_on_way = true;
		struct msg *m = msg_new(M_LEASE, NULL, 0);
		m->n[0] = epoch;
		m->n[1] = active;
		m->n[2] = (uint64_t)until;
		proc_post(&n->p[k], m, 30 * MONO_US, true);
	}
}

static void
out_order(struct elect_out *o, const struct elect_order *order)
{
	struct shell *s = (struct shell *)o;
	struct msg *m;

	if (s->p->dying || !s->p->n->p[P_SYNC].up)
		return;
	m = msg_new(M_ORDER, NULL, 0);
	m->u.order = (struct sync_order){ .active = order->active, .quiesce = order->quiesce, .force = order->force, .fresh = order->fresh,
					  .stale = order->stale, .vouched = order->vouched, .blind = order->blind, .epoch = order->epoch, .alone = order->alone };
	proc_post(&s->p->n->p[P_SYNC], m, 30 * MONO_US, true);
}

static void
out_addresses(struct elect_out *o, bool hold)
{
	struct shell *s = (struct shell *)o;

	if (s->p->dying)
		return;
	tell(s->p->w, "%s  %s the service addresses", s->p->n->name, hold ? "claims" : "releases");
	claim(s->p->n, hold);
}

static void
out_alarm(struct elect_out *o, enum elect_alarm a, bool stands, const char *detail)
{
	struct shell *s = (struct shell *)o;

	tell(s->p->w, "%s  elector: alarm %s %s %s", s->p->n->name, elect_alarm_info[a].name, stands ? "stands" : "cleared", detail);
}

static void
out_note(struct elect_out *o, enum note_level level, const char *line)
{
	struct shell *s = (struct shell *)o;

	tell(s->p->w, "%s  elector: %s", s->p->n->name, line);
}

static void
out_answer(struct elect_out *o, uint64_t ticket, bool ok, const char *text)
{
	struct shell *s = (struct shell *)o;

	if (ticket)
		tell(s->p->w, "%s  elector answers %s: %s", s->p->n->name, ok ? "yes" : "no", text);
}

static void
step(struct shell *s, const struct elect_event *ev)
{
	struct node *n = s->p->n;

	if (s->p->dying)
		return;
	elect_step(&s->e, node_now(n), ev, &s->out);
	if (s->p->dying)
		return;
	elect_saved_take(&s->e, &n->saved);
	n->have_saved = true;
	check_told(s->p->w, n, s->e.twin.epoch);
	if (s->e.heard != n->heard_what)
		n->heard_at = s->p->w->now;
	n->heard_what = s->e.heard;
	if (s->e.role != s->role) {
		enum elect_role from = s->role;
		s->role = s->e.role;
		mark(s->p->w, 1000 + s->role + s->e.epoch * 16);
		if (s->role == ELECT_PROMOTING)
			check_promoted(s->p->w, n, s->e.epoch, from == ELECT_STANDBY && s->e.twin.role >= ELECT_PROMOTING);
	}
}

static void
start(struct proc *p)
{
	struct shell *s = calloc(1, sizeof *s);
	struct node *n = p->n;

	s->out = (struct elect_out){ out_beat, out_lease, out_order, out_addresses, out_alarm, out_note, out_answer };
	s->p = p;
	elect_conf_from(&n->conf, &s->conf);
	if (p->w->broken == BREAK_SAME_SIDE)
		s->conf.side = 0;
	elect_init(&s->e, &s->conf, node_now(n), rnd(p->w) | 1, n->have_saved ? &n->saved : NULL);
	s->role = s->e.role;
	p->impl = s;
	/* Addresses are the kernel's: they outlived the elector before, and need no new announcement. */
	s->e.holding = s->role == ELECT_ACTIVE || s->role == ELECT_PROMOTING;
	if (s->e.holding != n->holds)
		claim(n, s->e.holding);
	s->tick_at = node_now(n);
}

static void
stop(struct proc *p)
{
	free(p->impl);
	p->impl = NULL;
}

static void
hear(struct proc *p, struct msg *m)
{
	struct shell *s = p->impl;
	struct elect_status st;
	struct beat b;

	switch (m->kind) {
	case M_BEAT:
		memcpy(&b, m->octets, sizeof b);
		if (p->w->broken == BREAK_SAME_SIDE)
			b.side = 1;
		step(s, &(struct elect_event){ .kind = ELECT_BEAT, .beat = &b });
		break;
	case M_STATUS:
		st = (struct elect_status){
			.active = m->u.status.active, .ready = m->u.status.ready, .empty = m->u.status.empty,
			.quiesced = m->u.status.quiesced, .mirrored = m->u.status.mirrored, .epoch = m->u.status.epoch,
			.store_epoch = m->u.status.store_epoch, .position = m->u.status.position,
			.lineage = m->u.status.lineage, .ask = m->u.status.ask, .seen_epoch = m->u.status.seen_epoch, .linked = m->u.status.linked,
		};
		step(s, &(struct elect_event){ .kind = ELECT_STATUS, .status = &st });
		break;
	case M_REFUSED:
		step(s, &(struct elect_event){ .kind = ELECT_REFUSED });
		break;
	case M_SYNC_DOWN:
		step(s, &(struct elect_event){ .kind = ELECT_SYNC_GONE });
		break;
	case M_SWITCHOVER:
		step(s, &(struct elect_event){ .kind = ELECT_SWITCHOVER, .ticket = 1 });
		break;
	case M_PROMOTE:
		step(s, &(struct elect_event){ .kind = ELECT_PROMOTE, .force = m->n[0], .ticket = 1 });
		break;
	case M_GRANT:
		step(s, &(struct elect_event){ .kind = m->n[0] ? ELECT_GRANT : ELECT_DENY, .ttl = (mono_t)m->n[1] });
		break;
	default:
		break;
	}
}

static void
flush(struct proc *p)
{
	struct shell *s = p->impl;
	mono_t now = node_now(p->n);

	if (now >= s->tick_at) {
		s->tick_at = now + s->conf.heartbeat;
		step(s, &(struct elect_event){ .kind = ELECT_TICK });
	} else if (now >= elect_due(&s->e)) {
		step(s, &(struct elect_event){ .kind = ELECT_DUE });
	}
}

static mono_t
due(struct proc *p)
{
	struct shell *s = p->impl;
	mono_t early = elect_due(&s->e);

	return early > node_now(p->n) && early < s->tick_at ? early : s->tick_at;
}

const struct proc_ops elect_ops = { start, stop, hear, flush, due };
