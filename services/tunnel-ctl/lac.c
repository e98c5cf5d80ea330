// SPDX-License-Identifier: Apache-2.0
/*
 * The LAC's and the client's side: which LNS of a group a call goes to, and calls that are kept up.
 *
 * Members are tried in the order of their preference, equals in turn.  A member whose tunnel failed
 * is left alone for the group's hold-off; a call that was refused with "try another" (or for want
 * of room) goes to the next member, and never to the same one twice.
 *
 * All of it is local state: whoever is promoted begins with the tunnels and calls there are.
 */
#include "tunnels.h"

#include <string.h>

#define BACKOFF_MAX 5 /* redial interval doubles so many times */

/* ---- groups --------------------------------------------------------------------------- */

const struct conf_lns_group *
lac_group(const struct tc *tc, const char *name)
{
	for (unsigned i = 0; i < tc->conf->lns_groups; i++) {
		if (*name && strcmp(tc->conf->lns_group[i].name, name) == 0)
			return &tc->conf->lns_group[i];
	}
	return NULL;
}

static struct lns_state *
state_of(struct tc *tc, const struct conf_lns_group *g)
{
	return &tc->lns[g - tc->conf->lns_group];
}

static bool
held_off(const struct tc *tc, const struct lns_state *s, unsigned member)
{
	return s->hold_off[member] != MONO_NEVER && tc->now < s->hold_off[member];
}

/* The best member not tried yet and not held off; -1: none. */
static int
next_member(struct tc *tc, const struct conf_lns_group *g, uint16_t tried)
{
	struct lns_state *s = state_of(tc, g);
	int best = -1;

	for (unsigned n = 0; n < g->members; n++) {
		unsigned m = (s->turn + n) % g->members;
		if (tried >> m & 1 || held_off(tc, s, m))
			continue;
		if (best < 0 || g->member[m].preference < g->member[best].preference)
			best = (int)m;
	}
	return best;
}

static bool
all_held_off(const struct tc *tc, const struct conf_lns_group *g, const struct lns_state *s)
{
	for (unsigned m = 0; m < g->members; m++) {
		if (!held_off(tc, s, m))
			return false;
	}
	return true;
}

static void
group_alarm(struct tc *tc, const struct conf_lns_group *g, bool down)
{
	state_of(tc, g)->down = down;
	for (unsigned i = 0; i < tc->conf->lns_groups; i++) {
		if (tc->lns[i].down) {
			alarm_set(tc, TC_ALARM_LNS_GROUP_DOWN, true, tc->conf->lns_group[i].name);
			return;
		}
	}
	alarm_set(tc, TC_ALARM_LNS_GROUP_DOWN, false, "");
}

/* The tunnel for new calls to a member: the one there is, if it has room; else a new one. */
static struct tunnel *
member_tunnel(struct tc *tc, const struct conf_lns_group *g, unsigned member, enum tc_role role)
{
	struct tunnel *t = tunnel_find(tc, state_of(tc, g)->tunnel[member]);

	if (t && t->state != CC_CLOSING && !t->draining && t->recovery != REC_AWAY && strcmp(t->lns_group, g->name) == 0 &&
	    t->lns_member == member && tunnel_calls(t) < CALLS_MAX &&
	    (t->prof->max_sessions == 0 || tunnel_calls(t) < t->prof->max_sessions))
		return t;
	return cc_open(tc, g->name, member, role);
}

struct tunnel *
lac_open(struct tc *tc, const char *group, enum tc_role role)
{
	const struct conf_lns_group *g = lac_group(tc, group);
	int m = g ? next_member(tc, g, 0) : -1;

	return m < 0 ? NULL : cc_open(tc, group, (unsigned)m, role);
}

void
lac_moved(struct tc *tc, const struct tunnel *t)
{
	const struct conf_lns_group *g = lac_group(tc, t->lns_group);

	if (g && t->lns_member < g->members)
		state_of(tc, g)->tunnel[t->lns_member] = t->id;
}

void
lac_tunnel_up(struct tc *tc, const struct tunnel *t)
{
	const struct conf_lns_group *g = lac_group(tc, t->lns_group);

	if (!g || t->lns_member >= g->members)
		return;
	state_of(tc, g)->hold_off[t->lns_member] = MONO_NEVER;
	group_alarm(tc, g, false);
}

void
lac_tunnel_failed(struct tc *tc, const struct tunnel *t)
{
	const struct conf_lns_group *g = lac_group(tc, t->lns_group);
	struct lns_state *s;

	if (!g || t->lns_member >= g->members)
		return;
	s = state_of(tc, g);
	if (g->hold_off_ms)
		s->hold_off[t->lns_member] = tc->now + g->hold_off_ms * MONO_MS;
	note(tc, NOTE_WARN, "lns failed group=%s member=%u hold-off-ms=%u", g->name, t->lns_member,
	     g->hold_off_ms);
	if (all_held_off(tc, g, s))
		group_alarm(tc, g, true);
}

/* ---- calls ---------------------------------------------------------------------------- */

enum dial_result
lac_dial(struct tc *tc, const char *group, const struct call_order *order, struct call **out)
{
	const struct conf_lns_group *g = lac_group(tc, group);
	struct call_order o = *order;
	int m;

	*out = NULL;
	if (!g)
		return DIAL_NO_GROUP;
	if (tc->conf->max_sessions && tc->calls >= tc->conf->max_sessions)
		return DIAL_FULL;
	while ((m = next_member(tc, g, o.tried)) >= 0) {
		struct tunnel *t = member_tunnel(tc, g, (unsigned)m, o.role);
		o.tried |= (uint16_t)(1u << m);
		*out = t ? call_place(tc, t, &o) : NULL;
		if (*out) {
			state_of(tc, g)->turn = (unsigned)m + 1;
			return DIAL_OK;
		}
	}
	return DIAL_NO_MEMBER;
}

static struct dial_state *
dial_of(struct tc *tc, const struct call *c)
{
	for (unsigned i = 0; c->role == TC_CLIENT && i < tc->conf->dials; i++) {
		if (tc->dial[i].session == c->id && tc->dial[i].tunnel == c->t->id)
			return &tc->dial[i];
	}
	return NULL;
}

static struct call_order
order_again(struct tc *tc, const struct call *c)
{
	return (struct call_order){
		.role = c->role,
		.user_ref = c->user_ref,
		.info = call_info(tc, c),
		.tried = c->tried,
		.seq_required = c->seq_required,
	};
}

static void
dial_follows(struct dial_state *d, const struct call *c)
{
	if (!d)
		return;
	d->tunnel = c->t->id;
	d->session = c->id;
}

bool
lac_redirect(struct tc *tc, struct call *c)
{
	struct call_order o = order_again(tc, c);
	struct dial_state *d = dial_of(tc, c);
	struct call *again;

	if (!o.info || lac_dial(tc, c->t->lns_group, &o, &again) != DIAL_OK) {
		bump(tc, N_CALLS_FAILED);
		return false;
	}
	bump(tc, N_CALLS_REDIRECTED);
	dial_follows(d, again);
	return true;
}

void
lac_move_calls(struct tc *tc, struct tunnel *from, struct tunnel *to)
{
	while (from->waiting) {
		struct call *c = from->waiting;
		struct call_order o = order_again(tc, c);
		struct dial_state *d = dial_of(tc, c);
		struct call *moved = o.info ? call_place(tc, to, &o) : NULL;
		if (!moved)
			return; /* the others end with their tunnel */
		dial_follows(d, moved);
		drop_call(tc, c);
	}
}

/* ---- calls kept up -------------------------------------------------------------------- */

static void
dials_review(struct tc *tc)
{
	const char *down = NULL;

	tc->dial_due = MONO_NEVER;
	for (unsigned i = 0; i < tc->conf->dials; i++) {
		const struct dial_state *d = &tc->dial[i];
		tc->dial_due = mono_sooner(tc->dial_due, d->due);
		if (!d->up && d->failures)
			down = tc->conf->dial[i].name;
	}
	alarm_set(tc, TC_ALARM_DIAL_DOWN, down != NULL, down ? down : "");
}

static void
dial_failed(struct tc *tc, unsigned i)
{
	struct dial_state *d = &tc->dial[i];
	unsigned ms = tc->conf->dial[i].redial_ms ? tc->conf->dial[i].redial_ms : 1000;
	unsigned doubled = d->failures < BACKOFF_MAX ? d->failures : BACKOFF_MAX;

	d->tunnel = d->session = 0;
	d->up = false;
	d->failures++;
	d->due = tc->now + ((mono_t)ms << doubled) * MONO_MS;
	dials_review(tc);
}

void
lac_call_up(struct tc *tc, const struct call *c)
{
	struct dial_state *d = dial_of(tc, c);

	if (!d)
		return;
	d->up = true;
	d->failures = 0;
	dials_review(tc);
}

void
lac_call_down(struct tc *tc, const struct call *c)
{
	const struct dial_state *d = dial_of(tc, c);

	if (d)
		dial_failed(tc, (unsigned)(d - tc->dial));
}

const struct conf_dial *
lac_dial_for(const struct tc *tc, const char *called)
{
	for (unsigned i = 0; i < tc->conf->dials; i++) {
		if (tc->conf->dial[i].outgoing_ok && strcmp(tc->conf->dial[i].called, called) == 0)
			return &tc->conf->dial[i];
	}
	return NULL;
}

static void
dial_now(struct tc *tc, unsigned i)
{
	const struct conf_dial *conf = &tc->conf->dial[i];
	struct dial_state *d = &tc->dial[i];
	Row__CallInfo info = ROW__CALL_INFO__INIT;
	struct call_order o = { .role = TC_CLIENT, .user_ref = conf->name, .info = &info };
	struct call *c;

	info.called = (char *)conf->called;
	info.tx_bps = 100000000;
	d->due = MONO_NEVER;
	if (lac_dial(tc, conf->lns_group, &o, &c) != DIAL_OK) {
		dial_failed(tc, i);
		return;
	}
	dial_follows(d, c);
}

void
lac_tick(struct tc *tc)
{
	if (tc->dial_due == MONO_NEVER || tc->now < tc->dial_due)
		return;
	for (unsigned i = 0; i < tc->conf->dials; i++) {
		if (tc->dial[i].due != MONO_NEVER && tc->now >= tc->dial[i].due)
			dial_now(tc, i);
	}
	dials_review(tc);
}

void
lac_forget(struct tc *tc)
{
	memset(tc->lns, 0, sizeof tc->lns);
	memset(tc->dial, 0, sizeof tc->dial);
	tc->dial_due = MONO_NEVER;
}

static void
adopt_call(struct tc *tc, const struct call *c)
{
	for (unsigned i = 0; i < tc->conf->dials; i++) {
		if (!c->user_ref || c->kind != CALL_INCOMING ||
		    strcmp(c->user_ref, tc->conf->dial[i].name) != 0)
			continue;
		dial_follows(&tc->dial[i], c);
		tc->dial[i].up = c->state == CALL_ESTABLISHED;
		return;
	}
}

/* Which tunnels serve whom, which dials are up: read from what there is. */
void
lac_start(struct tc *tc)
{
	struct call *c, *next;

	lac_forget(tc);
	for (struct tunnel *t = tc->all; t; t = t->next) {
		if (!t->lns_group[0] || t->state == CC_CLOSING)
			continue;
		lac_moved(tc, t);
		if (tc->conf->dials == 0)
			continue;
		HASH_ITER (hh, t->by_id, c, next) {
			if (c->role == TC_CLIENT)
				adopt_call(tc, c);
		}
	}
	for (unsigned i = 0; i < tc->conf->dials; i++) {
		if (!tc->dial[i].session && tc->conf->dial[i].lns_group[0])
			tc->dial[i].due = tc->now ? tc->now : 1;
	}
	dials_review(tc);
}
