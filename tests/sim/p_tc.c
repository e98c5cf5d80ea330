// SPDX-License-Identifier: Apache-2.0
/* tunnel-ctl's shell: punted datagrams in, control messages out, the call rows' links from the feed. */
#include "sim.h"

#define BATCH 32

struct shell {
	struct talk t; /* first */
	struct tc *tc;
	struct msg *batch[BATCH];
	unsigned n;
};

struct tc *
proc_tc(struct proc *p)
{
	return p->up && p->kind == P_TC ? ((struct shell *)p->impl)->tc : NULL;
}

static void
step(struct shell *s, struct tc_event *ev)
{
	struct proc *p = s->t.p;

	ev->wall_s = node_wall(p->n);
	tc_step(s->tc, node_now(p->n), ev, &s->t.sink);
}

static void
apply(struct shell *s, enum table table, struct span key, struct span row, bool removed)
{
	if (table_info(table)->owner == OWNER_TUNNEL_CTL) {
		tc_apply(s->tc, table, key, row, removed);
	} else if (table == TABLE_LINK) {
		struct tc_event ev = { .kind = TC_ROW };
		ev.row.table = table;
		ev.row.key = key;
		ev.row.row = row;
		ev.row.removed = removed;
		step(s, &ev);
	}
}

static void
on_load(struct proc *p)
{
	struct shell *s = p->impl;
	const struct rows *r = &p->n->store.now;

	tc_deactivate(s->tc);
	tc_clear(s->tc);
	for (unsigned i = 0; i < r->n; i++)
		apply(s, r->v[i]->table, row_key(r->v[i]), row_row(r->v[i]), false);
}

static void
on_row(struct proc *p, enum table table, struct span key, struct span row, bool removed)
{
	if (p->w->broken == BREAK_SHADOW_SKIPS && table == TABLE_TUNNEL_OUT && removed)
		return;
	apply(p->impl, table, key, row, removed);
}

static void
forget_call(void *arg, enum table table, struct span key, struct span row)
{
	struct rows *r = arg;

	if (table == TABLE_CALL)
		rows_put(r, table, key, row);
}

/* CALL_CLEARED: the first call there is. */
static void
clear_one(struct proc *p)
{
	const struct rows *r = &p->n->store.now;
	uint16_t tunnel, session;
	char text[40];

	for (unsigned i = 0; i < r->n; i++) {
		if (r->v[i]->table != TABLE_CALL || !key_session_read(row_key(r->v[i]), &tunnel, &session))
			continue;
		snprintf(text, sizeof text, "call clear %u/%u", tunnel, session);
		proc_post(p, msg_new(M_COMMAND, text, strlen(text) + 1), MONO_MS, true);
		return;
	}
}

static void
on_role(struct proc *p, bool active, uint64_t epoch)
{
	struct shell *s = p->impl;
	struct rows calls = { 0 };

	if (active && !tc_active(s->tc)) {
		if (p->w->broken == BREAK_CALLS_FORGOTTEN) {
			tc_each_row(s->tc, forget_call, &calls);
			for (unsigned i = 0; i < calls.n; i++)
				tc_apply(s->tc, TABLE_CALL, row_key(calls.v[i]), span_of(NULL, 0), true);
			rows_free(&calls);
		}
		tc_term(s->tc, epoch, p->n->store.meta.stale_since);
		tc_activate(s->tc, node_now(p->n));
		if (p->w->broken == BREAK_CALL_CLEARED)
			clear_one(p);
	} else if (!active) {
		tc_deactivate(s->tc);
	}
}

/* Any worker may send a control message: the first that is there. */
static void
on_release(struct proc *p, const struct effect *e)
{
	struct shell *s = p->impl;
	unsigned first = e->tunnel % WORKERS;

	if (e->kind != EFFECT_CONTROL)
		return;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct proc *to = &p->n->p[P_W0 + (first + i) % WORKERS];
		if (!to->up)
			continue;
		struct msg *m = msg_new(M_INJECT, e->bytes.p, e->bytes.len);
		m->u.frame.peer = e->peer;
		m->u.frame.local = e->local;
		m->u.frame.epoch = s->t.epoch;
		m->u.frame.whole = true;
		proc_post(to, m, 20 * MONO_US + rnd_time(p->w, 0, 20 * MONO_US), true);
		return;
	}
}

static void
start(struct proc *p)
{
	static const struct talk_ops ops = { on_load, on_row, on_role, on_release };
	struct shell *s = calloc(1, sizeof *s);
	struct tc_random random = { NULL, p->w };

	random.fill = sim_fill;
	talk_init(&s->t, p, proc_name[P_TC], &ops);
	s->tc = tc_new(&p->n->conf, &random);
	tc_note_level(s->tc, TELLING(p->w) ? NOTE_DEBUG : NOTE_ERROR);
	p->impl = s;
}

static void
drop_batch(struct shell *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->batch[i]);
	s->n = 0;
}

static void
stop(struct proc *p)
{
	struct shell *s = p->impl;

	drop_batch(s);
	tc_free(s->tc);
	talk_fini(&s->t);
	free(s);
	p->impl = NULL;
}

static void
step_batch(struct shell *s)
{
	struct tc_datagram d[BATCH];
	struct tc_event ev = { .kind = TC_DATAGRAMS };

	if (!s->n)
		return;
	for (unsigned i = 0; i < s->n; i++)
		d[i] = (struct tc_datagram){ s->batch[i]->u.frame.peer, s->batch[i]->u.frame.local,
					     span_of(s->batch[i]->octets, s->batch[i]->len) };
	ev.datagrams.in = d;
	ev.datagrams.n = s->n;
	if (talk_active(&s->t) && tc_active(s->tc))
		step(s, &ev);
	drop_batch(s);
}

#define WORDS 32

/* shell_bus.c: an operator's words, which the active node alone takes. */
static void
command(struct shell *s, struct msg *m)
{
	static struct tc_answer answer;
	struct tc_event ev = { .kind = TC_COMMAND };
	const char *word[WORDS];
	char *save = NULL;
	unsigned n = 0;

	for (char *t = strtok_r((char *)m->octets, " ", &save); t && n < WORDS; t = strtok_r(NULL, " ", &save))
		word[n++] = t;
	ev.command.words = word;
	ev.command.n = n;
	ev.command.answer = &answer;
	if (!talk_active(&s->t) || !tc_active(s->tc))
		return;
	step(s, &ev);
	tell(s->t.p->w, "%s  tunnel-ctl answers %s: %s", s->t.p->n->name, answer.ok ? "yes" : "no", answer.text);
}

static void
hear(struct proc *p, struct msg *m)
{
	struct shell *s = p->impl;
	struct msg *copy;

	if (m->kind != M_PUNT) {
		step_batch(s);
		if (m->kind == M_COMMAND)
			command(s, m);
		else
			talk_hear(&s->t, m);
		return;
	}
	copy = msg_new(M_PUNT, m->octets, m->len);
	copy->u = m->u;
	s->batch[s->n++] = copy;
	if (s->n == BATCH || chance(p->w, 3000))
		step_batch(s);
}

static void
flush(struct proc *p)
{
	struct shell *s = p->impl;
	mono_t next;

	step_batch(s);
	next = tc_next_due(s->tc);
	if (talk_active(&s->t) && next != MONO_NEVER && next <= node_now(p->n))
		step(s, &(struct tc_event){ .kind = TC_TICK });
	talk_flush(&s->t);
}

static mono_t
due(struct proc *p)
{
	struct shell *s = p->impl;
	mono_t next = talk_active(&s->t) ? tc_next_due(s->tc) : MONO_NEVER;

	return mono_sooner(next, talk_due(&s->t));
}

const struct proc_ops tc_ops = { start, stop, hear, flush, due };
