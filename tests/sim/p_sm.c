// SPDX-License-Identifier: Apache-2.0
/* session-mgr's shell: PPP frames in and out, AAA and accounting outside, usage from the workers. */
#include "sim.h"

#define FRAMES 16

/* Frames that came in one iteration go to the core together, as a worker's message brings them. */
struct shell {
	struct talk t; /* first */
	struct sm *sm;
	struct {
		uint16_t tunnel, session;
		size_t len;
		uint8_t b[PPP_FRAME_MAX];
	} frame[FRAMES];
	unsigned frames;
};

struct sm *
proc_sm(struct proc *p)
{
	return p->up && p->kind == P_SM ? ((struct shell *)p->impl)->sm : NULL;
}

static struct sm_time
sm_now(const struct proc *p)
{
	return (struct sm_time){ node_now(p->n), node_wall(p->n) };
}

static bool
wanted(enum table t)
{
	return t == TABLE_TUNNEL || t == TABLE_CALL || t == TABLE_CALL_INFO || table_info(t)->owner == OWNER_SESSION_MGR;
}

static void
read_store(struct shell *s)
{
	const struct rows *r = &s->t.p->n->store.now;

	sm_reset(s->sm);
	for (unsigned i = 0; i < r->n; i++) {
		if ((s->t.p->w->broken == BREAK_POOL_FORGETS || s->t.p->w->broken == BREAK_ADDRESS_AGAIN) && r->v[i]->table == TABLE_LEASE)
			continue;
		if (wanted(r->v[i]->table))
			sm_apply(s->sm, r->v[i]->table, row_key(r->v[i]), row_row(r->v[i]), false);
	}
}

static void
on_load(struct proc *p)
{
	read_store(p->impl);
}

static void
on_row(struct proc *p, enum table table, struct span key, struct span row, bool removed)
{
	struct shell *s = p->impl;

	if (wanted(table))
		sm_apply(s->sm, table, key, row, removed);
}

static void
on_role(struct proc *p, bool active, uint64_t epoch)
{
	struct shell *s = p->impl;

	if (active && !sm_active(s->sm))
		sm_activate(s->sm, sm_now(p), &s->t.sink);
	else if (!active && sm_active(s->sm))
		read_store(s);
}

static void
on_release(struct proc *p, const struct effect *e)
{
	struct shell *s = p->impl;
	unsigned worker = e->session % WORKERS;
	struct aaa_request ask;
	struct msg *m;

	switch (e->kind) {
	case EFFECT_AAA:
		if (e->detail_len != sizeof ask)
			break;
		memcpy(&ask, e->detail, sizeof ask);
		aaa_ask(p, &ask);
		break;
	case EFFECT_OTHER:
		acct_ask_sim(p, e->detail, e->detail_len);
		break;
	case EFFECT_PPP:
		if (!p->n->p[P_W0 + worker].up)
			break;
		m = msg_new(M_INJECT, e->bytes.p, e->bytes.len);
		m->u.frame.tunnel = e->tunnel;
		m->u.frame.session = e->session;
		m->u.frame.epoch = s->t.epoch;
		proc_post(&p->n->p[P_W0 + worker], m, 20 * MONO_US + rnd_time(p->w, 0, 20 * MONO_US), true);
		break;
	default:
		break;
	}
}

static void
fresh(void *arg, uint8_t *out, size_t n)
{
	rnd_fill(arg, out, n);
}

static void
start(struct proc *p)
{
	static const struct talk_ops ops = { on_load, on_row, on_role, on_release };
	struct shell *s = calloc(1, sizeof *s);

	talk_init(&s->t, p, proc_name[P_SM], &ops);
	s->sm = sm_new(&(struct sm_env){ fresh, p->w });
	sm_configure(s->sm, &p->n->conf);
	p->impl = s;
}

static void
stop(struct proc *p)
{
	struct shell *s = p->impl;

	sm_free(s->sm);
	talk_fini(&s->t);
	free(s);
	p->impl = NULL;
}

static void
step(struct shell *s, const struct sm_event *ev)
{
	if (talk_active(&s->t) && sm_active(s->sm))
		sm_step(s->sm, sm_now(s->t.p), ev, &s->t.sink);
}

static void
step_frames(struct shell *s)
{
	struct sm_frame f[FRAMES];
	struct sm_event ev = { .kind = SM_EV_FRAMES, .frames = { f, s->frames } };

	for (unsigned i = 0; i < s->frames; i++)
		f[i] = (struct sm_frame){ s->frame[i].tunnel, s->frame[i].session, span_of(s->frame[i].b, s->frame[i].len) };
	s->frames = 0;
	if (ev.frames.n)
		step(s, &ev);
}

static void
keep_frame(struct shell *s, const struct msg *m)
{
	if (m->len > sizeof s->frame[0].b)
		return;
	s->frame[s->frames].tunnel = m->u.frame.tunnel;
	s->frame[s->frames].session = m->u.frame.session;
	s->frame[s->frames].len = m->len;
	memcpy(s->frame[s->frames++].b, m->octets, m->len);
	if (s->frames == FRAMES)
		step_frames(s);
}

static void
hear(struct proc *p, struct msg *m)
{
	struct shell *s = p->impl;
	struct sm_event ev = { .kind = SM_EV_TICK };

	if (m->kind != M_PUNT)
		step_frames(s);
	switch (m->kind) {
	case M_PUNT:
		keep_frame(s, m);
		break;
	case M_AAA:
		ev.kind = SM_EV_AAA;
		ev.aaa = (const struct aaa_answer *)m->octets;
		step(s, &ev);
		break;
	case M_ACCT:
		ev.kind = SM_EV_ACCT_DONE;
		ev.acct.key = span_of(m->octets, m->len);
		ev.acct.answered = m->n[0];
		step(s, &ev);
		break;
	case M_USAGE:
		ev.kind = SM_EV_USAGE;
		ev.usage.worker = (uint32_t)m->n[0];
		ev.usage.instance = m->n[1];
		ev.usage.v = (const struct sm_usage *)m->octets;
		ev.usage.n = (unsigned)(m->len / sizeof(struct sm_usage));
		step(s, &ev);
		break;
	case M_CLEAR:
		ev.kind = SM_EV_CLEAR;
		ev.clear.user = (const char *)m->octets;
		ev.clear.ended = NULL;
		step(s, &ev);
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
	mono_t next;

	step_frames(s);
	next = sm_next_due(s->sm);
	if (sm_active(s->sm) && next != MONO_NEVER && next <= node_now(p->n))
		step(s, &(struct sm_event){ .kind = SM_EV_TICK });
	talk_flush(&s->t);
}

static mono_t
due(struct proc *p)
{
	struct shell *s = p->impl;
	mono_t next = talk_active(&s->t) && sm_active(s->sm) ? sm_next_due(s->sm) : MONO_NEVER;

	return mono_sooner(next, talk_due(&s->t));
}

const struct proc_ops sm_ops = { start, stop, hear, flush, due };
