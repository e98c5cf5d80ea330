// SPDX-License-Identifier: Apache-2.0
/*
 * The bus: rows from state-sync, records and effects to it; PPP frames and usage from the workers, PPP
 * frames to them.  A frame goes to the worker that the session belongs to, or to another one when
 * that is not there: any worker can send for any session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/message.h"
#include "punt.pb-c.h"
#include "shell.h"

/* ---- Out: frames, gathered. */

static bool
send_to(struct shell *sh, unsigned worker, struct span message)
{
	char name[16];
	int n = snprintf(name, sizeof name, "worker.%u", worker);

	if (!bus_send(sh->punt, span_of(name, (size_t)n), &message, 1)) {
		sh->worker_here[worker] = false;
		return false;
	}
	return true;
}

static void
flush(struct shell *sh, unsigned worker)
{
	static uint8_t packed[BATCH_OCTETS + BATCH_FRAMES * 32 + 64];
	static Punt__Frame frame[BATCH_FRAMES];
	Punt__Frame *list[BATCH_FRAMES];
	Punt__ToWorker m = PUNT__TO_WORKER__INIT;
	struct batch_out *b = sh->out[worker];
	struct span message;
	bool sent;

	if (!b || b->n == 0)
		return;
	for (unsigned i = 0; i < b->n; i++) {
		punt__frame__init(&frame[i]);
		frame[i].tunnel = b->frame[i].tunnel;
		frame[i].session = b->frame[i].session;
		frame[i].octets = (ProtobufCBinaryData){ b->frame[i].len, b->octets + b->frame[i].at };
		list[i] = &frame[i];
	}
	m.frames = list;
	m.n_frames = b->n;
	m.epoch = owner_epoch(sh->owner);
	message = message_pack(&m.base, packed, sizeof packed);
	sent = send_to(sh, worker, message);
	for (unsigned i = 0; !sent && i < sh->workers; i++)
		sent = i != worker && sh->worker_here[i] && send_to(sh, i, message);
	sh->v[sent ? SHELL_INJECT_SENT : SHELL_INJECT_LOST] += sent ? 1 : b->n;
	b->n = 0;
	b->used = 0;
}

void
bus_shell_flush(struct shell *sh)
{
	for (unsigned i = 0; i < sh->workers; i++)
		flush(sh, i);
}

static unsigned
worker_of(const struct shell *sh, uint16_t session)
{
	unsigned w = session % sh->workers;

	for (unsigned i = 0; i < sh->workers && !sh->worker_here[w]; i++)
		w = (w + 1) % sh->workers;
	return sh->worker_here[w] ? w : session % sh->workers;
}

static void
send_frame(struct shell *sh, const struct effect *e)
{
	unsigned w = worker_of(sh, e->session);
	struct batch_out *b = sh->out[w];

	if (!b)
		b = sh->out[w] = calloc(1, sizeof *b);
	if (!b || e->bytes.len > BATCH_OCTETS) {
		sh->v[SHELL_INJECT_LOST]++;
		return;
	}
	if (b->n == BATCH_FRAMES || b->used + e->bytes.len > BATCH_OCTETS)
		flush(sh, w);
	b->frame[b->n].tunnel = e->tunnel;
	b->frame[b->n].session = e->session;
	b->frame[b->n].len = (uint16_t)e->bytes.len;
	b->frame[b->n++].at = (uint32_t)b->used;
	memcpy(b->octets + b->used, e->bytes.p, e->bytes.len);
	b->used += e->bytes.len;
}

/*
 * Questions wait for the loop: a users file answers at once, and a step must not begin in the middle of
 * the outbox's release.
 */
static void
keep_question(struct shell *sh, const struct effect *e)
{
	struct question *q = malloc(sizeof *q + e->detail_len);

	if (!q)
		return; /* as if lost on the way: the peer asks again, accounting is kept */
	q->next = NULL;
	q->acct = e->kind == EFFECT_OTHER;
	q->len = e->detail_len;
	memcpy(q->octets, e->detail, e->detail_len);
	*sh->questions_end = q;
	sh->questions_end = &q->next;
}

static void
on_release(void *arg, const struct effect *e)
{
	struct shell *sh = arg;

	if (e->kind == EFFECT_PPP)
		send_frame(sh, e);
	else if (e->kind == EFFECT_AAA || e->kind == EFFECT_OTHER)
		keep_question(sh, e);
}

/* ---- In: rows. */

struct loading {
	struct shell *sh;
	enum table table;
};

static bool
load_row(void *arg, struct span key, struct span row)
{
	struct loading *l = arg;

	sm_apply(l->sh->sm, l->table, key, row, false);
	return true;
}

static void
forget_questions(struct shell *sh)
{
	while (sh->questions) {
		struct question *q = sh->questions;

		sh->questions = q->next;
		free(q);
	}
	sh->questions_end = &sh->questions;
}

static void
on_load(void *arg, struct store_view *view)
{
	static const enum table tables[] = { TABLE_TUNNEL, TABLE_CALL, TABLE_CALL_INFO, TABLE_LINK,
					     TABLE_SUBSCRIBER, TABLE_LEASE, TABLE_USAGE, TABLE_ACCT };
	struct shell *sh = arg;
	struct sm_totals t;

	sm_reset(sh->sm);
	aaa_desk_drop_all(sh->desk);
	forget_questions(sh);
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		struct loading l = { sh, tables[i] };
		long n = store_each(view, tables[i], load_row, &l);

		if (n < 0)
			log_line(NOTE_ERROR, "table not read whole table=%s error=%ld", table_info(tables[i])->name, -n);
	}
	t = sm_totals(sh->sm);
	log_line(NOTE_INFO, "loaded sessions=%u links=%u subscribers=%u acct=%u", t.sessions, t.links, t.subscribers,
		 t.acct_waiting);
}

static void
on_row(void *arg, enum table table, struct span key, struct span row, bool removed)
{
	struct shell *sh = arg;

	sm_apply(sh->sm, table, key, row, removed);
}

static void
on_role(void *arg, bool active, uint64_t epoch, enum mirror mirror)
{
	struct shell *sh = arg;

	if (active && !sm_active(sh->sm)) {
		log_line(NOTE_INFO, "active epoch=%llu", (unsigned long long)epoch);
		sm_activate(sh->sm, shell_time(sh), owner_sink(sh->owner));
	}
	if (!active) {
		aaa_desk_drop_all(sh->desk);
		forget_questions(sh);
		cmd_shell_forget(sh);
	}
	loop_poke(sh->loop);
}

/* ---- In: workers. */

static void
on_frames(struct shell *sh, const Punt__ToOwner *m)
{
	struct sm_frame v[BATCH_FRAMES];
	struct sm_event ev = { .kind = SM_EV_FRAMES, .frames = { v, 0 } };

	for (size_t i = 0; i < m->n_frames; i++) {
		const Punt__Frame *f = m->frames[i];

		if (f->tunnel > UINT16_MAX || f->session > UINT16_MAX)
			sh->v[SHELL_PUNT_MALFORMED]++;
		else
			v[ev.frames.n++] = (struct sm_frame){ (uint16_t)f->tunnel, (uint16_t)f->session,
							      span_of(f->octets.data, f->octets.len) };
		if (ev.frames.n == BATCH_FRAMES || (ev.frames.n && i + 1 == m->n_frames)) {
			shell_step(sh, &ev);
			ev.frames.n = 0;
		}
	}
}

static void
on_usage(struct shell *sh, const Punt__ToOwner *m)
{
	struct sm_event ev = { .kind = SM_EV_USAGE, .usage = { m->worker, m->instance, sh->usage, 0 } };

	for (size_t i = 0; i < m->n_usage; i++) {
		const Punt__Usage *u = m->usage[i];

		if (u->tunnel > UINT16_MAX || u->session > UINT16_MAX)
			continue;
		sh->usage[ev.usage.n++] = (struct sm_usage){ (uint16_t)u->tunnel, (uint16_t)u->session, u->in_octets,
							    u->out_octets, u->in_packets, u->out_packets, u->drops };
		if (ev.usage.n == sizeof sh->usage / sizeof sh->usage[0] || i + 1 == m->n_usage) {
			shell_step(sh, &ev);
			ev.usage.n = 0;
		}
	}
	if (ev.usage.n)
		shell_step(sh, &ev);
}

static void
on_punt(void *arg, struct bus_sock *from, struct span identity, const struct span *frames, unsigned n)
{
	struct shell *sh = arg;
	const Punt__ToOwner *m;

	arena_reset(&sh->arena);
	m = n == 1 ? (const Punt__ToOwner *)arena_unpack(&sh->arena, &punt__to_owner__descriptor, frames[0]) : NULL;
	if (!m || m->worker >= WORKERS_MAX) {
		sh->v[SHELL_PUNT_MALFORMED]++;
		return;
	}
	sh->worker_here[m->worker] = true;
	if (!owner_active(sh->owner)) {
		sh->v[SHELL_PUNT_NOT_ACTIVE]++;
		return;
	}
	on_frames(sh, m);
	on_usage(sh, m);
}

void
bus_shell_alarms(struct shell *sh)
{
	const char *detail;

	for (unsigned a = 0; a < SM_ALARMS; a++) {
		bool stands = sm_alarm(sh->sm, (enum sm_alarm)a, &detail);

		if (a == SM_ALARM_RADIUS_AUTH_DEAD || a == SM_ALARM_RADIUS_ACCT_DEAD || a == SM_ALARM_USERS_FILE_BAD)
			continue; /* the shell's own, told where they happen */
		owner_alarm(sh->owner, &sm_alarm_info[a], stands && owner_active(sh->owner), "%s", detail);
	}
}

bool
bus_shell_start(struct shell *sh)
{
	static const struct owner_ops ops = { on_load, on_row, on_role, on_release, NULL };

	sh->questions_end = &sh->questions;
	arena_init(&sh->arena, 0);
	sh->punt = bus_router_bind(sh->bus, "punt.session-mgr", on_punt, sh);
	sh->cmd = bus_rep(sh->bus, "session-mgr", cmd_shell, sh);
	sh->owner = owner_new(sh->bus, sh->loop, &sh->conf->node, "session-mgr", &ops, sh);
	return sh->punt && sh->cmd && sh->owner;
}
