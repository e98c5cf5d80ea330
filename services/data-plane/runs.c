// SPDX-License-Identifier: Apache-2.0
/*
 * Runs of equal datagrams.  See runs.h.
 *
 * Each datagram joins the latest run of its peer and size, unless a later run holds something of the
 * same stream already; then it begins a run of its own.  So the runs, one behind the other, keep each
 * stream's order.  Both questions are asked of small tables by hash; two streams that share a place are
 * held for one, which costs a run at most.
 */
#include "runs.h"

#include <string.h>

#include "ip.h"

#define PLACES 1024 /* twice as many as datagrams */

struct runs {
	uint16_t n;
	uint16_t first[TX_MAX], last[TX_MAX]; /* of a run: datagrams */
	uint16_t next[TX_MAX];		      /* of a datagram, in its run */
	uint16_t latest[PLACES];	      /* 1 + the latest run of this kind */
	uint16_t holds[PLACES];		      /* 1 + the latest run with something of this stream */
};

static unsigned
place(uint64_t v)
{
	return (unsigned)(v * 0x9e3779b97f4a7c15u >> 54);
}

static bool
alike(const struct tx *a, const struct tx *b)
{
	return a->ends == b->ends && a->len == b->len && a->tos == b->tos && a->ip_protocol == b->ip_protocol;
}

/*
 * Whose order it shares: tunnel and session of L2TPv2 data (RFC 2661, 3.1), session of L2TPv3 data over
 * UDP (RFC 3931, 4.1.2.1); all control, and whatever is neither, of one peer.
 */
static uint64_t
stream_of(const struct tx *t)
{
	const uint64_t peer = (uint64_t)(uintptr_t)t->ends << 8;
	const uint8_t *p = t->p;

	if (t->ip_protocol || t->len < 10 || (p[0] & 0x80))
		return peer;
	if ((p[1] & 0x0f) == 2)
		return peer ^ load32(p + (p[0] & 0x40 ? 4 : 2));
	return (p[1] & 0x0f) == 3 ? peer ^ load32(p + 4) : peer;
}

static uint64_t
kind_of(const struct tx *t)
{
	return (uint64_t)(uintptr_t)t->ends ^ (uint64_t)t->len << 48 ^ (uint64_t)t->tos << 40 ^ (uint64_t)t->ip_protocol << 32;
}

static void
append(struct runs *r, uint16_t run, uint16_t i)
{
	r->next[r->last[run]] = i;
	r->last[run] = i;
}

static uint16_t
begin(struct runs *r, uint16_t i)
{
	r->first[r->n] = r->last[r->n] = i;
	return r->n++;
}

static void
assign(struct runs *r, const struct tx *t, uint16_t i)
{
	uint16_t *holds = &r->holds[place(stream_of(&t[i]))];
	uint16_t *latest = &r->latest[place(kind_of(&t[i]))];
	uint16_t run;

	if (*latest && *latest >= *holds && alike(&t[r->first[*latest - 1]], &t[i])) {
		run = (uint16_t)(*latest - 1);
		append(r, run, i);
	} else {
		run = begin(r, i);
	}
	*latest = *holds = (uint16_t)(run + 1);
}

/* The most common case: they are one run already. */
static bool
one_run(const struct tx *t, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		if (!alike(&t[0], &t[i]))
			return false;
	return true;
}

void
runs_sort(struct tx *t, unsigned n)
{
	struct tx sorted[TX_MAX];
	struct runs r;
	unsigned k = 0;

	if (n < 3 || one_run(t, n))
		return;
	r.n = 0;
	memset(r.latest, 0, sizeof r.latest);
	memset(r.holds, 0, sizeof r.holds);
	for (unsigned i = 0; i < n; i++)
		assign(&r, t, (uint16_t)i);
	for (unsigned run = 0; run < r.n; run++) {
		unsigned i = r.first[run];
		for (sorted[k++] = t[i]; i != r.last[run]; sorted[k++] = t[i])
			i = r.next[i];
	}
	memcpy(t, sorted, n * sizeof *t);
}
