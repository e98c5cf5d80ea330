// SPDX-License-Identifier: Apache-2.0
/* The session core's doors.  See sm.h for what they promise, sm_int.h for who does what. */
#include "sm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sm_int.h"

#define BATCH 256 /* sessions that one tick works on: nobody else waits longer than that takes */

const struct counter_info sm_counter_info[SM_COUNTERS] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "counters.def"
#undef X
};

const struct alarm_info sm_alarm_info[SM_ALARMS] = {
#define X(NAME, HAPPENED, MEANS, TODO) { #NAME, HAPPENED, MEANS, TODO },
#include "alarms.def"
#undef X
};

static const struct counter_info ppp_counter_info[PPP_FAULTS] = {
#define X(NAME, SENTENCE) { "PPP_" #NAME, SENTENCE },
#include "ppp/faults.def"
#undef X
};

struct sm *
sm_new(const struct sm_env *env)
{
	struct sm *sm = calloc(1, sizeof *sm);

	if (!sm)
		return NULL;
	sm->env = *env;
	sm->least = NOTE_INFO;
	sm->dirty_tail = &sm->dirty;
	pools_init(&sm->pools, &sm->names);
	arena_init(&sm->apply_arena, 1 << 20);
	arena_init(&sm->step_arena, 1 << 20);
	arena_init(&sm->info_arena, 1 << 20);
	sm->sets[0] = (struct counters){ sm_counter_info, sm->counts, SM_COUNTERS };
	sm->sets[1] = (struct counters){ ppp_counter_info, sm->ppp_counts, PPP_FAULTS };
	ppp_conf_defaults(&sm->ppp_conf[0][PROXY_USE]);
	ppp_conf_defaults(&sm->ppp_conf[0][PROXY_RENEGOTIATE]);
	return sm;
}

void
sm_free(struct sm *sm)
{
	if (!sm)
		return;
	sm_forget_all(sm);
	pools_fini(&sm->pools);
	due_fini(&sm->due);
	arena_fini(&sm->apply_arena);
	arena_fini(&sm->step_arena);
	arena_fini(&sm->info_arena);
	free(sm->frames);
	free(sm);
}

/* ---- Configuration. */

static enum ppp_auth
auth_of(enum conf_auth a)
{
	switch (a) {
	case AUTH_PAP:
		return PPP_AUTH_PAP;
	case AUTH_CHAP_MD5:
		return PPP_AUTH_CHAP_MD5;
	case AUTH_MSCHAPV2:
		return PPP_AUTH_MSCHAPV2;
	default:
		return PPP_AUTH_NONE;
	}
}

static void
set_ppp(const struct sm *sm, const struct conf_ppp *c, struct ppp_conf *p)
{
	ppp_conf_defaults(p);
	p->mru = c->mru;
	p->ask_pfc = c->ask_pfc;
	p->ask_acfc = c->ask_acfc;
	p->magic = c->magic;
	p->auths = 0;
	for (unsigned i = 0; i < c->auths && i < CONF_AUTHS; i++)
		if (c->auth[i] != AUTH_NONE && p->auths < PPP_AUTHS)
			p->auth[p->auths++] = (uint8_t)auth_of(c->auth[i]);
	p->name = span_of(sm->node, strlen(sm->node));
	p->echo_ms = c->echo_ms;
	p->echo_failures = (uint8_t)(c->echo_failures < 255 ? c->echo_failures : 255);
	p->restart_ms = c->restart_ms;
	p->restart_first_ms = c->restart_first_ms;
	p->max_configure = (uint8_t)(c->max_configure < 255 ? c->max_configure : 255);
	p->max_terminate = (uint8_t)(c->max_terminate < 255 ? c->max_terminate : 255);
	p->max_failure = (uint8_t)(c->max_failure < 255 ? c->max_failure : 255);
	p->auth_ms = c->auth_ms;
	p->chap_again_ms = c->chap_again_ms;
	p->ipv4 = c->ipv4;
	p->ipv6 = c->ipv6;
	p->ra_ms = c->ra_ms;
	p->hc = c->hc.enabled;
	p->hc_ours = (struct crtp_params){ .tcp_space = 15,
					   .non_tcp_space = (uint16_t)c->hc.non_tcp_space,
					   .f_max_period = (uint16_t)c->hc.full_packets,
					   .f_max_time = (uint16_t)c->hc.full_s,
					   .max_header = (uint16_t)c->hc.max_header,
					   .rtp = c->hc.rtp == RTP_CRTP,
					   .enhanced = c->hc.rtp == RTP_ECRTP,
					   .no_tcp = true };
	p->mux = c->mux.enabled;
	p->mux_pid = c->mux.default_pid;
	for (unsigned i = 0; i < c->dns_count && i < CONF_DNS && p->dns6_count < PPP_DNS6; i++)
		if (c->dns[i].family == 6)
			memcpy(p->dns6[p->dns6_count++], c->dns[i].b, 16);
}

static unsigned
ppp_index(const struct sm *sm, const char *name)
{
	for (unsigned i = 0; i < sm->ppps; i++)
		if (strcmp(sm->ppp[i].name, name) == 0)
			return i;
	return 0;
}

static void
set_profiles(struct sm *sm, const struct conf *c)
{
	sm->profiles = c->profiles < CONF_PROFILES ? c->profiles : CONF_PROFILES;
	for (unsigned i = 0; i < sm->profiles; i++) {
		snprintf(sm->profile[i].name, CONF_NAME, "%s", c->profile[i].name);
		sm->profile[i].ppp = ppp_index(sm, c->profile[i].ppp);
		sm->profile[i].proxy = c->profile[i].proxy == PROXY_USE ? PROXY_USE : PROXY_RENEGOTIATE;
	}
}

void
sm_configure(struct sm *sm, const struct conf *c)
{
	sm->ppps = c->ppps < CONF_PPPS ? c->ppps : CONF_PPPS;
	snprintf(sm->node, sizeof sm->node, "%s", c->aaa.nas_identifier[0] ? c->aaa.nas_identifier : c->node.name);
	for (unsigned i = 0; i < sm->ppps; i++) {
		sm->ppp[i] = c->ppp[i];
		for (int proxy = 0; proxy < 2; proxy++) {
			set_ppp(sm, &sm->ppp[i], &sm->ppp_conf[i][proxy]);
			sm->ppp_conf[i][proxy].proxy_use = proxy == PROXY_USE;
		}
	}
	set_profiles(sm, c);
	sm->dials = c->dials < CONF_DIALS ? c->dials : CONF_DIALS;
	memcpy(sm->dial, c->dial, sm->dials * sizeof sm->dial[0]);
	sm->rush = false;
	sm->aaa = c->aaa;
	sm->source_check = c->data.source_check;
	pools_configure(&sm->pools, c->pool, c->pools);
	for (unsigned i = 0; i < sm->ppps; i++)
		pools_reserve(&sm->pools, &sm->ppp[i].local4);
	for (unsigned i = 0; i < c->claims && i < CONF_CLAIMS; i++)
		pools_reserve(&sm->pools, &c->claim[i].addr.addr);
}

void
sm_note_level(struct sm *sm, enum note_level least)
{
	sm->least = least;
}

/* ---- Roles. */

void
sm_reset(struct sm *sm)
{
	sm->active = false;
	sm_forget_all(sm);
}

bool
sm_active(const struct sm *sm)
{
	return sm->active;
}

/*
 * Everything is looked at once, in the ticks that follow or when its peer speaks: a link goes on from its
 * snapshot, a call without a link gets one, what belongs to no call is given up, accounting that no
 * server answered is asked again.
 */
void
sm_activate(struct sm *sm, struct sm_time t, struct sink *sink)
{
	struct sess *s, *tmp;

	if (sm->active)
		return;
	sm->active = true;
	sm->activated = t.now;
	sm->second_at = t.now;
	acctq_restart(sm);
	HASH_ITER (hh, sm->all, s, tmp)
		sess_mark(sm, s);
	acctq_pump(sm, sink, t.now);
}

/* ---- Steps. */

static void
one_frame(struct sm *sm, struct sess *s, struct sm_time t, struct span frame, struct sink *sink)
{
	struct step st;

	step_begin(&st, sm, s, t, sink);
	link_frame(&st, frame);
	step_end(&st);
}

/* Reconciling may start the link that early frames wait for, or end the session. */
static void
reconcile(struct sm *sm, struct sess *s, struct sm_time t, struct sink *sink)
{
	const uint16_t tunnel = (uint16_t)(s->key >> 16), session = (uint16_t)s->key;
	struct early *e;

	sess_reconcile(sm, s, t, sink);
	while ((s = sess_find(sm, tunnel, session)) && s->ppp && (e = early_take(sm, s))) {
		one_frame(sm, s, t, span_of(e->octets, e->len), sink);
		free(e);
	}
}

static void
run_dirty(struct sm *sm, struct sm_time t, struct sink *sink)
{
	for (int i = 0; i < BATCH && sm->dirty; i++) {
		struct sess *s = sm->dirty;

		sm->dirty = s->dirty_next;
		if (!sm->dirty)
			sm->dirty_tail = &sm->dirty;
		s->dirty = false;
		reconcile(sm, s, t, sink);
	}
}

static void
run_due(struct sm *sm, struct sm_time t, struct sink *sink)
{
	struct due *d;

	for (int i = 0; i < BATCH && (d = due_first(&sm->due)) && d->at <= t.now; i++) {
		struct sess *s = (struct sess *)((char *)d - offsetof(struct sess, due));
		struct step st;

		step_begin(&st, sm, s, t, sink);
		link_due(&st);
		step_end(&st);
		sess_drop_if_empty(sm, s);
	}
}

static void
clear_alarm(struct sm *sm, enum sm_alarm a, mono_t now)
{
	if (sm->alarm[a].stands && sm->alarm[a].until <= now)
		sm->alarm[a].stands = false;
}

static void
watch_pools(struct sm *sm, mono_t now)
{
	for (unsigned i = 0; i < sm->pools.n; i++) {
		const struct pool *p = &sm->pools.pool[i];

		if (p->alarm_percent && pool_percent(p) >= p->alarm_percent)
			sub_alarm(sm, SM_ALARM_POOL_LOW, now + 2 * MONO_S, "pool=%.64s held=%llu of=%llu", name_text(p->name),
				  (unsigned long long)p->held, (unsigned long long)p->total);
	}
}

#define BACKLOG_MANY 10000

static void
every_second(struct sm *sm, mono_t now)
{
	if (now < sm->second_at)
		return;
	early_expire(sm, now);
	sm->second_at = now + MONO_S;
	watch_pools(sm, now);
	if (sm->acct.list[ACCT_WAITING] || sm->acct.n > BACKLOG_MANY)
		sub_alarm(sm, SM_ALARM_ACCT_BACKLOG, now + 60 * MONO_S, "requests=%u", sm->acct.n);
	for (unsigned a = 0; a < SM_ALARMS; a++)
		clear_alarm(sm, a, now);
}

/* No link takes it: it is early, or nobody's. */
static void
frame_without_link(struct sm *sm, struct sess *s, struct sm_time t, const struct sm_frame *f)
{
	if (!s)
		s = sess_make(sm, f->tunnel, f->session);
	if (s && !s->call_up && !s->link && early_hold(sm, s, t.now, f->octets)) {
		sm_count(sm, SM_FRAMES_EARLY);
		return;
	}
	sm_count(sm, SM_FRAMES_UNKNOWN);
	if (s)
		sess_drop_if_empty(sm, s);
}

/* The first frame, and with it, as one step and one row, every later one of its session.  Which ones they were. */
static uint64_t
session_frames(struct sm *sm, struct sm_time t, const struct sm_frame *f, unsigned n, struct sink *sink)
{
	struct sess *s = sess_find(sm, f->tunnel, f->session);
	uint64_t taken = 1;
	struct step st;

	if (s && s->dirty) {
		reconcile(sm, s, t, sink); /* the frame overtook the row */
		s = sess_find(sm, f->tunnel, f->session);
	}
	if (!s || !s->ppp) {
		frame_without_link(sm, s, t, f);
		return taken;
	}
	step_begin(&st, sm, s, t, sink);
	link_frame(&st, f->octets);
	for (unsigned i = 1; i < n && link_listens(&st); i++) {
		if (f[i].tunnel == f->tunnel && f[i].session == f->session) {
			link_frame(&st, f[i].octets);
			taken |= (uint64_t)1 << i;
		}
	}
	step_end(&st);
	return taken;
}

#define AT_ONCE 64 /* frames: the bits of a word */

static void
on_frames(struct sm *sm, struct sm_time t, const struct sm_frame *v, unsigned n, struct sink *sink)
{
	while (n) {
		unsigned some = n < AT_ONCE ? n : AT_ONCE;
		uint64_t taken = 0;

		for (unsigned i = 0; i < some; i++) {
			if (!(taken >> i & 1))
				taken |= session_frames(sm, t, v + i, some - i, sink) << i;
		}
		sm->counts[SM_FRAMES_IN] += some;
		v += some;
		n -= some;
	}
}

static void
on_answer(struct sm *sm, struct sm_time t, const struct aaa_answer *a, struct sink *sink)
{
	struct sess *s = sess_find(sm, a->tunnel, a->session);
	struct step st;

	if (!s || !s->ppp || s->ask_token != a->token || a->token == 0) {
		sm_count(sm, SM_AAA_LATE);
		return;
	}
	step_begin(&st, sm, s, t, sink);
	link_answer(&st, a);
	step_end(&st);
}

static bool
is_of_user(struct sm *sm, const struct sess *s, const char *user)
{
	const Row__Subscriber *row;

	if (!s->sub)
		return false;
	arena_reset(&sm->info_arena);
	row = row_unpack(&sm->info_arena, TABLE_SUBSCRIBER, span_of(s->sub, s->sub_len));
	return row && strcmp(row->user, user) == 0;
}

static bool
clear_one(struct sm *sm, struct sess *s, struct sm_time t, struct sink *sink)
{
	static const struct ppp_cause admin = { PPP_CAUSE_ADMIN, 0, 0 };
	struct step st;

	if (s && s->dirty)
		sess_reconcile(sm, s, t, sink);
	if (!s || !s->ppp)
		return false;
	step_begin(&st, sm, s, t, sink);
	link_close(&st, admin, TERM_ADMIN_RESET);
	step_end(&st);
	sm_count(sm, SM_ADMIN_CLEARED);
	return true;
}

static void
on_clear(struct sm *sm, struct sm_time t, const struct sm_event *ev, struct sink *sink)
{
	struct sess *s, *tmp;
	unsigned n = 0;

	if (!ev->clear.user) {
		n = clear_one(sm, sess_find(sm, ev->clear.tunnel, ev->clear.session), t, sink);
	} else {
		HASH_ITER (hh, sm->all, s, tmp)
			if (is_of_user(sm, s, ev->clear.user))
				n += clear_one(sm, s, t, sink);
	}
	if (ev->clear.ended)
		*ev->clear.ended = n;
}

/*
 * RFC 1661, 4.6: the Restart timer's first value is for a link that answers at once.  While thousands of links
 * negotiate, their answers wait in queues, here and on the way: a request repeated too early would make an
 * Opened peer start over, and the queues longer.
 */
#define RUSH 2048

void
sm_pace(struct sm *sm)
{
	const bool rush = sm->negotiating > RUSH;

	if (rush == sm->rush)
		return;
	sm->rush = rush;
	for (unsigned i = 0; i < sm->ppps; i++)
		for (int proxy = 0; proxy < 2; proxy++)
			sm->ppp_conf[i][proxy].restart_first_ms = rush ? sm->ppp[i].restart_ms : sm->ppp[i].restart_first_ms;
}

void
sm_step(struct sm *sm, struct sm_time t, const struct sm_event *ev, struct sink *sink)
{
	if (!sm->active)
		return;
	switch (ev->kind) {
	case SM_EV_TICK:
		run_dirty(sm, t, sink);
		run_due(sm, t, sink);
		every_second(sm, t.now);
		break;
	case SM_EV_FRAMES:
		on_frames(sm, t, ev->frames.v, ev->frames.n, sink);
		break;
	case SM_EV_AAA:
		on_answer(sm, t, ev->aaa, sink);
		break;
	case SM_EV_ACCT_DONE:
		acctq_done(sm, sink, ev->acct.key, ev->acct.answered, t.now);
		break;
	case SM_EV_USAGE:
		usage_report(sm, ev, t, sink);
		break;
	case SM_EV_CLEAR:
		on_clear(sm, t, ev, sink);
		break;
	}
	acctq_pump(sm, sink, t.now);
}

mono_t
sm_next_due(const struct sm *sm)
{
	struct due *d = due_first(&sm->due);
	mono_t at = sm->second_at ? sm->second_at : 1;

	if (!sm->active)
		return MONO_NEVER;
	if (sm->dirty)
		return 1;
	if (d)
		at = mono_sooner(at, d->at);
	return mono_sooner(at, acctq_next_due(sm));
}

/* ---- What others may see. */

struct counters *
sm_counters(struct sm *sm)
{
	return sm->sets;
}

bool
sm_alarm(const struct sm *sm, enum sm_alarm a, const char **detail)
{
	*detail = sm->alarm[a].detail;
	return sm->alarm[a].stands;
}

unsigned
sm_pools(const struct sm *sm, struct sm_pool_info out[CONF_POOLS])
{
	for (unsigned i = 0; i < sm->pools.n; i++) {
		const struct pool *p = &sm->pools.pool[i];

		out[i] = (struct sm_pool_info){ name_text(p->name), p->family, p->unit_len, p->total, p->held, p->kept };
	}
	return sm->pools.n;
}

struct sm_totals
sm_totals(const struct sm *sm)
{
	struct sm_totals t = { .acct_waiting = sm->acct.n };

	for (const struct sess *s = sm->all; s; s = s->hh.next) {
		t.sessions++;
		t.links += s->link;
		t.subscribers += s->sub != NULL;
		t.forwarding += s->forwarding;
	}
	return t;
}

bool
sm_live(struct sm *sm, uint16_t tunnel, uint16_t session, struct sm_live *out)
{
	const struct sess *s = sess_find(sm, tunnel, session);

	*out = (struct sm_live){ 0 };
	if (!s || !s->link)
		return false;
	out->phase = s->phase;
	out->forwarding = s->forwarding;
	out->waits_for_aaa = s->ask_token != 0;
	if (s->ppp) {
		out->phase = (uint8_t)ppp_link_phase(s->ppp);
		out->echo_sent = s->ppp->echo.sent;
		out->echo_lost = s->ppp->echo.lost;
		out->echoes = ppp_link_echo_history(s->ppp, out->echo_ms);
	}
	if (s->usage) {
		memcpy(out->usage, s->usage->v, sizeof out->usage);
		out->last_active = s->usage->last_active;
	}
	return true;
}
