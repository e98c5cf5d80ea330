// SPDX-License-Identifier: Apache-2.0
/* The event heap, the only source of chance, and the trace. */
#include "sim.h"

#include <assert.h>
#include <stdarg.h>

/* --- chance: xorshift64* ------------------------------------------------------------------------------- */

uint64_t
rnd(struct world *w)
{
	w->rng ^= w->rng >> 12;
	w->rng ^= w->rng << 25;
	w->rng ^= w->rng >> 27;
	return w->rng * 0x2545f4914f6cdd1dull;
}

uint64_t
rnd_below(struct world *w, uint64_t n)
{
	return n ? (rnd(w) >> 11) % n : 0;
}

bool
chance(struct world *w, unsigned per_10000)
{
	return per_10000 && rnd_below(w, 10000) < per_10000;
}

mono_t
rnd_time(struct world *w, mono_t lo, mono_t hi)
{
	return hi > lo ? lo + (mono_t)rnd_below(w, (uint64_t)(hi - lo)) : lo;
}

void
rnd_fill(struct world *w, void *p, size_t n)
{
	uint8_t *b = p;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = rnd(w);
		memcpy(b + i, &v, n - i < 8 ? n - i : 8);
	}
}

uint64_t
hash_of(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = 0xcbf29ce484222325ull ^ n;

	for (; n >= 8; n -= 8, b += 8) {
		uint64_t v;
		memcpy(&v, b, 8);
		h = (h ^ v) * 0x9fb21c651e98df25ull;
		h ^= h >> 29;
	}
	while (n--)
		h = (h ^ *b++) * 0x100000001b3ull;
	return h ^ h >> 32;
}

/* --- the trace --------------------------------------------------------------------------------------------- */

void
mark(struct world *w, uint64_t v)
{
	w->hash = (w->hash ^ v ^ (uint64_t)w->now) * 0x9fb21c651e98df25ull;
	w->hash ^= w->hash >> 31;
}

void
tell(struct world *w, const char *fmt, ...)
{
	char line[400];
	va_list ap;
	int n;

	if (!TELLING(w))
		return;
	n = snprintf(line, sizeof line, "%3lld.%06lld  ", (long long)(w->now / MONO_S),
		     (long long)(w->now % MONO_S / MONO_US));
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
	va_end(ap);
	if (w->trace)
		fprintf(w->log, "%s\n", line);
	if (w->keep) {
		free(w->ring[w->ring_at % 512]);
		w->ring[w->ring_at++ % 512] = strdup(line);
	}
}

/* --- events -------------------------------------------------------------------------------------------------- */

static bool
before(const struct ev *x, const struct ev *y)
{
	return x->at != y->at ? x->at < y->at : x->seq < y->seq;
}

static void
push(struct world *w, struct ev e)
{
	unsigned i;

	if (w->evs == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 1024;
		w->heap = realloc(w->heap, w->cap * sizeof *w->heap);
		assert(w->heap);
	}
	for (i = w->evs++; i && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct ev
pop(struct world *w)
{
	struct ev top = w->heap[0], last = w->heap[--w->evs];
	unsigned i = 0, c;

	while ((c = 2 * i + 1) < w->evs) {
		if (c + 1 < w->evs && before(&w->heap[c + 1], &w->heap[c]))
			c++;
		if (!before(&w->heap[c], &last))
			break;
		w->heap[i] = w->heap[c];
		i = c;
	}
	w->heap[i] = last;
	return top;
}

void
at(struct world *w, mono_t when, ev_fn *fn, void *a, uint64_t b, uint64_t c)
{
	push(w, (struct ev){ when > w->now ? when : w->now, ++w->seq, fn, a, b, c, false });
}

void
at_owned(struct world *w, mono_t when, ev_fn *fn, void *a, uint64_t b, uint64_t c)
{
	push(w, (struct ev){ when > w->now ? when : w->now, ++w->seq, fn, a, b, c, true });
}

bool
world_run(struct world *w, mono_t until)
{
	while (w->evs && w->heap[0].at <= until && !w->check.failed) {
		struct ev e = pop(w);
		w->now = e.at;
		w->events++;
		e.fn(w, e.a, e.b, e.c);
	}
	if (!w->check.failed && w->now < until)
		w->now = until;
	return !w->check.failed;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

void
world_init(struct world *w, uint64_t seed, const struct plan *plan)
{
	bool trace = w->trace, keep = w->keep;
	FILE *log = w->log;
	enum breakage broken = w->broken;
	bool script = w->script;

	memset(w, 0, sizeof *w);
	w->trace = trace;
	w->keep = keep;
	w->log = log ? log : stdout;
	w->broken = broken;
	w->script = script;
	w->seed = seed;
	w->rng = (seed + 1) * 0x9e3779b97f4a7c15ull | 1;
	for (int i = 0; i < 8; i++)
		rnd(w);
	w->plan = *plan;
	w->now = MONO_S; /* 0 means never */
	rnd_fill(w, w->secret_key, sizeof w->secret_key);
	beat_key((const uint8_t *)w->secret_key, w->beat_key);
	for (int i = 0; i < NETS; i++) {
		w->net[i] = plan->net[i];
		w->arp[i] = -1;
	}
	check_init(w);
	for (unsigned i = 0; i < NODES; i++)
		node_init(w, i);
	for (unsigned i = 0; i < LACS; i++)
		slac_init(w, i);
}

static void
every_tick(struct world *w, void *a, uint64_t b, uint64_t c)
{
	mirror_tick(w);
	net_resolve(w);
	check_tick(w);
	at(w, w->now + 5 * MONO_MS, every_tick, NULL, 0, 0);
}

void
world_start(struct world *w)
{
	for (unsigned i = 0; i < NODES; i++)
		node_power(&w->node[i], true, false);
	at(w, w->now, every_tick, NULL, 0, 0);
}

void
world_fini(struct world *w)
{
	w->ended = true;
	for (unsigned i = 0; i < NODES; i++) {
		for (unsigned k = 0; k < PROCS; k++) {
			struct proc *p = &w->node[i].p[k];
			if (p->up) {
				p->dying = true;
				proc_reap(p);
			}
		}
		rows_free(&w->node[i].store.now);
		rows_free(&w->node[i].store.disk);
		rows_free(&w->node[i].store.syncing);
	}
	for (unsigned i = 0; i < LACS; i++)
		slac_fini(&w->lac[i]);
	while (w->evs) {
		struct ev e = w->heap[--w->evs];
		if (e.owns)
			free(e.a);
	}
	free(w->heap);
	check_fini(w);
	net_fini(w);
	for (unsigned i = 0; i < 512; i++) {
		free(w->ring[i]);
		w->ring[i] = NULL;
	}
	w->heap = NULL;
	w->cap = 0;
}

void
sim_fill(void *world, void *octets, size_t n)
{
	rnd_fill(world, octets, n);
}
