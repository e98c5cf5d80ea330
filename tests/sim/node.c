// SPDX-License-Identifier: Apache-2.0
/*
 * Nodes and their processes: a loop iteration takes everything that has arrived, then flushes, as lib/loop
 * does.  A process may die in the middle of an iteration (a trap): from then on nothing it says gets out.
 */
#include "sim.h"

const char *const proc_name[PROCS] = { "elector", "state-sync", "tunnel-ctl", "session-mgr", "worker.0", "worker.1" };
const char *const point_name[POINTS] = { "before-commit", "after-commit", "before-ship", "after-ship", "acked", "before-shadow-commit",
					 "after-shadow-commit", "before-release", "after-release", "before-send", "after-send", "heard", "role" };

/* --- clocks ------------------------------------------------------------------------------------------------- */

mono_t
node_now(const struct node *n)
{
	mono_t d = n->w->now - n->boot;

	return n->clock0 + d + d / 1000000 * n->ppm;
}

mono_t
node_world(const struct node *n, mono_t t)
{
	mono_t d = t - n->clock0;

	return n->boot + d - d / 1000000 * n->ppm + MONO_US;
}

uint64_t
node_wall(const struct node *n)
{
	return 1800000000u + (uint64_t)(n->w->now / MONO_S * n->w->plan.day + n->wall_jump) + n->id; /* a second apart */
}

/* --- messages -------------------------------------------------------------------------------------------------- */

struct msg *
msg_new(enum msg_kind kind, const void *octets, size_t len)
{
	struct msg *m = calloc(1, sizeof *m + len);

	m->kind = kind;
	m->len = len;
	if (len)
		memcpy(m->octets, octets, len);
	return m;
}

struct msg *
msg_parts(enum msg_kind kind, const struct span *part, unsigned parts)
{
	struct msg *m;
	size_t len = 0;

	for (unsigned i = 0; i < parts; i++)
		len += part[i].len;
	m = calloc(1, sizeof *m + len);
	m->kind = kind;
	m->len = len;
	m->parts = parts;
	len = 0;
	for (unsigned i = 0; i < parts; i++) {
		m->part[i] = (uint32_t)part[i].len;
		if (part[i].len)
			memcpy(m->octets + len, part[i].p, part[i].len);
		len += part[i].len;
	}
	return m;
}

unsigned
msg_spans(const struct msg *m, struct span out[64])
{
	size_t at_octet = 0;

	for (unsigned i = 0; i < m->parts; i++) {
		out[i] = span_of(m->octets + at_octet, m->part[i]);
		at_octet += m->part[i];
	}
	return m->parts;
}

static bool
from_outside(const struct msg *m)
{
	return m->kind == M_DATAGRAM || m->kind == M_PACKET;
}

static void
inbox_put(struct proc *p, struct msg *m)
{
	struct msg **at_msg = &p->first;

	if (m->kind == M_LEASE) { /* only the latest */
		for (; *at_msg; at_msg = &(*at_msg)->next) {
			struct msg *old = *at_msg;
			if (old->kind != M_LEASE)
				continue;
			m->next = old->next;
			*at_msg = m;
			if (p->last == &old->next)
				p->last = &m->next;
			free(old);
			return;
		}
	}
	m->next = NULL;
	*p->last = m;
	p->last = &m->next;
	p->waiting++;
}

static struct msg *
inbox_take(struct proc *p)
{
	struct msg *m = p->first;

	if (!m)
		return NULL;
	p->first = m->next;
	if (!p->first)
		p->last = &p->first;
	p->waiting--;
	if (from_outside(m))
		p->datagrams--;
	return m;
}

/* Sockets outlive a worker; queues of the bus do not. */
static void
inbox_drop(struct proc *p, bool sockets_too)
{
	struct msg *m, *keep = NULL, **end = &keep;

	while ((m = inbox_take(p))) {
		if (sockets_too || !from_outside(m)) {
			free(m);
			continue;
		}
		m->next = NULL;
		*end = m;
		end = &m->next;
	}
	while ((m = keep)) {
		keep = m->next;
		p->datagrams++;
		inbox_put(p, m);
	}
}

static void
deliver(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct proc *p = &w->node[b / PROCS].p[b % PROCS];
	struct msg *m = a;
	bool sock = from_outside(m);

	if (sock ? !p->n->on : !p->up || p->life != (uint32_t)c) {
		/* The connection is made when there is somebody; until then the greeting is its sender's, and dies with it. */
		if (m->kind == M_SYNC_HELLO && p->n->on && p->n->p[m->from].up &&
		    m->life == p->n->p[m->from].life) {
			at_owned(w, w->now + 10 * MONO_MS, deliver, m, b, p->life + !p->up);
			return;
		}
		if (sock)
			p->datagrams--;
		free(m);
		return;
	}
	inbox_put(p, m);
	if (p->up)
		proc_wake(p, w->now + w->plan.run_delay / 4 + rnd_time(w, 0, w->plan.run_delay));
}

void
proc_post(struct proc *p, struct msg *m, mono_t delay, bool fifo)
{
	struct world *w = p->w;
	mono_t when = w->now + delay;

	if (fifo) {
		when = when > p->bus_at ? when : p->bus_at + 1;
		p->bus_at = when;
	}
	if (when == w->now && w->running != p)
		deliver(w, m, p->n->id * PROCS + p->kind, p->life);
	else
		at_owned(w, when, deliver, m, p->n->id * PROCS + p->kind, p->life);
}

/* --- a loop iteration ----------------------------------------------------------------------------------------------- */

static void
run(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct proc *p = a;
	struct msg *m;
	mono_t due;

	if (!p->up || p->life != (uint32_t)b || p->wake_at != (mono_t)c || p->stopped)
		return;
	p->wake_at = 0;
	w->running = p;
	while (!p->dying && !p->stopped && (m = inbox_take(p))) {
		mark(w, (uint64_t)m->kind << 32 | p->kind << 8 | p->n->id);
		p->ops->hear(p, m);
		free(m);
	}
	if (!p->dying && !p->stopped)
		p->ops->flush(p);
	w->running = NULL;
	if (p->dying) {
		proc_reap(p);
		return;
	}
	if (p->stopped)
		return;
	due = p->ops->due(p);
	if (due != MONO_NEVER) {
		mono_t when = node_world(p->n, due);
		proc_wake(p, when > w->now ? when : w->now + MONO_US);
	}
}

void
proc_wake(struct proc *p, mono_t when)
{
	if (!p->up || p->dying || (p->wake_at && p->wake_at <= when))
		return;
	p->wake_at = when;
	for (unsigned i = 0; when > p->w->now && i < 4; i++)
		if (p->armed[i] == when) /* that event is on its way already */
			return;
	p->armed[p->arms++ % 4] = when;
	at(p->w, when, run, p, p->life, (uint64_t)when);
}

/* --- life and death ------------------------------------------------------------------------------------------------------ */

static void
restart(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct proc *p = a;

	if (!p->up && p->n->on && p->restart_at == w->now && w->now)
		proc_start(p);
}

void
proc_start(struct proc *p)
{
	if (p->up)
		return;
	p->up = true;
	p->dying = p->stopped = false;
	p->life++;
	p->wake_at = 0;
	memset(p->armed, 0, sizeof p->armed);
	p->restart_at = 0;
	tell(p->w, "%s  %s starts", p->n->name, proc_name[p->kind]);
	mark(p->w, 77 + p->kind);
	p->ops->start(p);
	proc_wake(p, p->w->now + rnd_time(p->w, MONO_US, MONO_MS));
}

/* Those it talked to notice that the connection is gone. */
static void
connections_break(struct proc *p)
{
	struct node *n = p->n;

	if (!n->on)
		return;
	if (p->kind == P_SYNC) {
		for (unsigned k = P_TC; k < PROCS; k++)
			if (n->p[k].up)
				proc_post(&n->p[k], msg_new(M_TALK_DOWN, NULL, 0), 50 * MONO_US, true);
		if (n->p[P_ELECT].up)
			proc_post(&n->p[P_ELECT], msg_new(M_SYNC_DOWN, NULL, 0), 50 * MONO_US, true);
		mirror_break(p->w, -1);
	} else if (p->kind != P_ELECT && n->p[P_SYNC].up) {
		struct msg *m = msg_new(M_SYNC_GONE, NULL, 0);
		m->from = (uint8_t)p->kind;
		m->life = p->life;
		proc_post(&n->p[P_SYNC], m, 50 * MONO_US, true);
	}
}

void
proc_reap(struct proc *p)
{
	p->ops->stop(p);
	p->up = p->dying = p->stopped = false;
	p->wake_at = 0;
	inbox_drop(p, !p->n->on);
	if (p->w->ended)
		inbox_drop(p, true);
	else
		connections_break(p);
}

void
proc_kill(struct proc *p, mono_t after)
{
	struct world *w = p->w;

	if (!p->up || p->dying)
		return;
	tell(w, "%s  %s killed", p->n->name, proc_name[p->kind]);
	mark(w, 99 + p->kind);
	if (after && p->n->on) {
		p->restart_at = w->now + after;
		at(w, p->restart_at, restart, p, 0, 0);
	}
	p->dying = true;
	if (w->running != p)
		proc_reap(p);
}

void
proc_stop(struct proc *p, bool stop)
{
	if (!p->up || p->stopped == stop)
		return;
	tell(p->w, "%s  %s %s", p->n->name, proc_name[p->kind], stop ? "stopped" : "continues");
	mark(p->w, 199 + p->kind + stop);
	p->stopped = stop;
	p->wake_at = 0;
	if (!stop)
		proc_wake(p, p->w->now + rnd_time(p->w, MONO_US, 200 * MONO_US));
}

void
node_stop(struct node *n, bool stop)
{
	for (unsigned k = 0; k < PROCS; k++)
		proc_stop(&n->p[k], stop);
}

static void
switch_on(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct node *n = a;

	if (!n->on && !n->never && n->on_at == w->now)
		node_power(n, true, false);
}

void
node_back(struct node *n, mono_t after)
{
	n->on_at = n->w->now + after;
	at(n->w, n->on_at, switch_on, n, 0, 0);
}

void
node_power(struct node *n, bool on, bool lose)
{
	struct world *w = n->w;

	if (on == n->on)
		return;
	tell(w, "%s  node %s%s", n->name, on ? "on" : "killed", lose ? ", and what its disk does not have is lost" : "");
	mark(w, 300 + n->id + on);
	if (on) {
		n->on = true;
		for (unsigned k = 0; k < PROCS; k++)
			proc_start(&n->p[k]);
		return;
	}
	n->on = false;
	for (unsigned k = 0; k < PROCS; k++) {
		if (n->p[k].up)
			proc_kill(&n->p[k], 0);
		else
			inbox_drop(&n->p[k], true);
	}
	mirror_break(w, (int)n->id);
	if (!lose)
		return;
	n->behind = true;
	n->told_epoch = 0;
	n->have_saved = n->holds = false; /* both are the machine's memory */
	n->boot = w->now;
	n->clock0 = rnd_time(w, MONO_S, 1000 * MONO_S);
	rows_copy(&n->store.now, &n->store.disk);
	n->store.meta = n->store.disk_meta;
	if (chance(w, 2000)) { /* LMDB without its last writes may not be whole: set aside, and begun anew */
		rows_free(&n->store.now);
		n->store.meta = (struct sync_meta){ 0 };
	}
}

void
node_init(struct world *w, unsigned id)
{
	static const struct proc_ops *const ops[PROCS] = { &elect_ops, &sync_ops, &tc_ops, &sm_ops, &worker_ops, &worker_ops };
	struct node *n = &w->node[id];

	*n = (struct node){ .w = w, .id = id, .name = { (char)('a' + id) }, .boot = w->now, .ppm = w->plan.ppm[id] };
	n->clock0 = rnd_time(w, MONO_S, 1000 * MONO_S);
	for (unsigned k = 0; k < PROCS; k++) {
		n->p[k] = (struct proc){ .w = w, .n = n, .kind = k, .ops = ops[k] };
		n->p[k].last = &n->p[k].first;
	}
	node_conf(n);
}

/* --- traps --------------------------------------------------------------------------------------------------------------------- */

static void
undo_cut(struct world *w, void *a, uint64_t b, uint64_t c)
{
	net_heal(w);
	tell(w, "networks whole again");
}

static void
undo_stop(struct world *w, void *a, uint64_t b, uint64_t c)
{
	if (b == PROCS)
		node_stop(a, false);
	else
		proc_stop(&((struct node *)a)->p[b], false);
}

void
spring(struct world *w, const struct trap *t, struct proc *p)
{
	struct node *n = p->n;

	switch (t->what) {
	case DO_KILL_NODE:
		node_power(n, false, false);
		if (t->back)
			node_back(n, t->back);
		break;
	case DO_KILL_PROC:
		proc_kill(t->proc < PROCS ? &n->p[t->proc] : p, t->back ? t->back : w->plan.talk_restart);
		break;
	case DO_STOP_NODE:
		node_stop(n, true);
		if (t->back)
			at(w, w->now + t->back, undo_stop, n, PROCS, 0);
		break;
	case DO_STOP_PROC:
		p = t->proc < PROCS ? &n->p[t->proc] : p;
		proc_stop(p, true);
		if (t->back)
			at(w, w->now + t->back, undo_stop, n, p->kind, 0);
		break;
	case DO_CUT_MIRROR:
	case DO_CUT_ALL:
		net_cut(w, NET_MIRROR, PLACE_A, PLACE_B, true);
		if (t->what == DO_CUT_ALL)
			net_cut(w, NET_ACCESS, PLACE_A, PLACE_B, true);
		if (t->back)
			at(w, w->now + t->back, undo_cut, NULL, 0, 0);
		break;
	}
}

bool
point(struct proc *p, enum point where)
{
	struct world *w = p->w;

	for (unsigned i = 0; i < TRAPS; i++) {
		struct trap *t = &w->trap[i];
		if (!t->set || t->at != where || (t->node != p->n->id && !(t->node == NODES && sim_active_node(w) == p->n)))
			continue;
		if (t->proc < PROCS && t->what != DO_KILL_PROC && t->what != DO_STOP_PROC && t->proc != p->kind)
			continue;
		if (t->skip) {
			t->skip--;
			continue;
		}
		t->set = false;
		tell(w, "%s  %s is %s", p->n->name, proc_name[p->kind], point_name[where]);
		spring(w, t, p);
	}
	return !p->dying;
}
