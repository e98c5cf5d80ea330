// SPDX-License-Identifier: Apache-2.0
/*
 * Counters of subscribers.  A worker reports what it counted since it started; what was counted in from
 * which instance of which worker is kept beside the sum, so that a report told twice, to this process
 * or to the one after it, counts once, and a worker that starts anew counts from zero.
 *
 * The sum of a session that something was counted for is checkpointed into the `usage` row within
 * usage-interval (5 s), spread over the sessions; the bases go with it.  A process that starts again
 * continues from both: the next report brings what happened
 * meanwhile.  On the twin the old workers are never heard of again, and accounting goes on from the
 * last checkpoint, never backwards.
 */
#include <stdlib.h>
#include <string.h>

#include "sm_int.h"

#define FIELDS 5
#define BASE_WORDS (2 + FIELDS)

static struct usage *
with_room(struct sess *s, unsigned bases)
{
	struct usage *u = s->usage;

	if (u && bases <= u->bases)
		return u;
	u = realloc(u, sizeof *u + bases * sizeof u->base[0]);
	if (!u)
		return NULL;
	if (!s->usage)
		memset(u, 0, sizeof *u);
	memset(&u->base[u->bases], 0, (bases - u->bases) * sizeof u->base[0]);
	u->bases = bases;
	s->usage = u;
	return u;
}

void
usage_apply(struct sess *s, const Row__Usage *row)
{
	struct usage *u;
	size_t n = row ? row->n_worker_base / BASE_WORDS : 0;

	if (!row) {
		free(s->usage);
		s->usage = NULL;
		return;
	}
	if (n > USAGE_WORKERS)
		n = USAGE_WORKERS;
	if (s->usage && s->usage->bases > n) {
		free(s->usage);
		s->usage = NULL;
	}
	u = with_room(s, (unsigned)n);
	if (!u)
		return;
	u->v[0] = row->in_octets;
	u->v[1] = row->out_octets;
	u->v[2] = row->in_packets;
	u->v[3] = row->out_packets;
	u->v[4] = row->drops;
	u->last_active = row->last_active;
	u->checkpoint_at = MONO_NEVER;
	for (size_t i = 0; i < n; i++) {
		const uint64_t *w = row->worker_base + i * BASE_WORDS;

		u->base[i].worker = (uint32_t)w[0];
		u->base[i].instance = w[1];
		memcpy(u->base[i].v, w + 2, sizeof u->base[i].v);
	}
}

void
usage_checkpoint(struct sm *sm, struct sess *s, struct sink *sink)
{
	struct key k = key_session(sess_tunnel(s), sess_session(s));
	struct usage *u = s->usage;
	uint64_t words[USAGE_WORKERS * BASE_WORDS];
	Row__Usage row = ROW__USAGE__INIT;

	row.in_octets = u->v[0];
	row.out_octets = u->v[1];
	row.in_packets = u->v[2];
	row.out_packets = u->v[3];
	row.drops = u->v[4];
	row.last_active = u->last_active;
	row.worker_base = words;
	for (unsigned i = 0; i < u->bases; i++) {
		words[row.n_worker_base++] = u->base[i].worker;
		words[row.n_worker_base++] = u->base[i].instance;
		memcpy(words + row.n_worker_base, u->base[i].v, sizeof u->base[i].v);
		row.n_worker_base += FIELDS;
	}
	u->checkpoint_at = MONO_NEVER;
	put(sm, sink, TABLE_USAGE, key_span(&k), &row.base);
	sm_count(sm, SM_USAGE_CHECKPOINTS);
}

/* What is known of this worker; a new instance of it starts at zero. */
static struct usage_base *
base_of(struct sess *s, uint32_t worker, uint64_t instance)
{
	struct usage *u = s->usage;
	unsigned n = u ? u->bases : 0;

	for (unsigned i = 0; i < n; i++) {
		if (u->base[i].worker != worker)
			continue;
		if (u->base[i].instance != instance) {
			memset(u->base[i].v, 0, sizeof u->base[i].v);
			u->base[i].instance = instance;
		}
		return &u->base[i];
	}
	if (n >= USAGE_WORKERS)
		return NULL;
	u = with_room(s, n + 1);
	if (!u)
		return NULL;
	u->base[n].worker = worker;
	u->base[n].instance = instance;
	return &u->base[n];
}

#define SLOT (50 * MONO_MS)

/*
 * Within the interval, in its last quarter: 64,000 sessions that began together do not stay together.  But those
 * of one slot do: a transaction of many rows costs little more than one of a single row.
 */
static mono_t
checkpoint_after(const struct sm *sm, const struct sess *s, mono_t now)
{
	const mono_t interval = (mono_t)(sm->aaa.usage_ms ? sm->aaa.usage_ms : 5000) * MONO_MS;
	const mono_t at = now + interval - interval / 4 * (s->key * 2654435761u >> 24) / 256;

	return interval > 4 * SLOT ? at - at % SLOT : at;
}

static bool
add(struct usage_base *b, struct usage *u, const uint64_t v[FIELDS])
{
	bool moved = false, restarted = false;

	/* Smaller than before: the worker let go of the session and took it up again. */
	for (int i = 0; i < FIELDS; i++)
		restarted |= v[i] < b->v[i];
	if (restarted)
		memset(b->v, 0, sizeof b->v);
	for (int i = 0; i < FIELDS; i++) {
		moved |= i < 4 && v[i] != b->v[i];
		u->v[i] += v[i] - b->v[i];
		b->v[i] = v[i];
	}
	return moved;
}

static void
report(struct sm *sm, uint32_t worker, uint64_t instance, const struct sm_usage *r, struct sm_time t)
{
	const uint64_t v[FIELDS] = { r->in_octets, r->out_octets, r->in_packets, r->out_packets, r->drops };
	struct sess *s = sess_find(sm, r->tunnel, r->session);
	struct usage_base *b;
	uint64_t in_before;

	if (!s || !s->sub) {
		sm_count(sm, SM_USAGE_UNKNOWN);
		return;
	}
	b = base_of(s, worker, instance);
	if (!b) {
		sm_count(sm, SM_NO_MEMORY);
		return;
	}
	in_before = s->usage->v[2];
	if (add(b, s->usage, v))
		s->usage->last_active = t.wall;
	if (s->ppp && s->usage->v[2] != in_before) {
		struct ppp_ctx c = { .conf = sess_ppp_conf(sm, s), .now = t.now };

		ppp_link_alive(s->ppp, &c);
	}
	if (s->usage->checkpoint_at == MONO_NEVER) {
		s->usage->checkpoint_at = checkpoint_after(sm, s, t.now);
		sess_schedule(sm, s, t);
	}
}

void
usage_report(struct sm *sm, const struct sm_event *ev, struct sm_time t, struct sink *sink)
{
	sm_count(sm, SM_USAGE_REPORTS);
	for (unsigned i = 0; i < ev->usage.n; i++)
		report(sm, ev->usage.worker, ev->usage.instance, &ev->usage.v[i], t);
}
