// SPDX-License-Identifier: Apache-2.0
/*
 * Control frames on their way to the owners: how many may pass, and who is next.
 *
 * Limits: per session, per tunnel, per peer address.  The peers' table has a fixed size; who is not
 * in it takes the place of whoever was silent longest in his set, so that made-up addresses cost
 * nothing but each other.
 *
 * Queues: one per hash of the peer's address, taken from in turn, so that the one who sends most
 * waits longest.  Peers of a tunnel and strangers hash into different queues: no stranger can stand
 * in a peer's way.
 */
#include "dp_int.h"

#include <stdlib.h>
#include <string.h>

#define QUEUES_KNOWN 192
#define QUEUES_STRANGE 64
#define QUEUES (QUEUES_KNOWN + QUEUES_STRANGE)

/* Keyed, so that nobody outside can choose his queue. */
static uint64_t
addr_hash(uint64_t seed, const struct dp_addr *a)
{
	uint64_t h = seed;

	for (unsigned i = 0; i < 2; i++) {
		h ^= a->w[i];
		h *= 0xff51afd7ed558ccdu;
		h ^= h >> 32;
		h *= 0xc4ceb9fe1a85ec53u;
		h ^= h >> 29;
	}
	return h;
}

static struct dp_peer *
peer_find(struct dp *dp, mono_t now, const struct dp_addr *addr)
{
	struct dp_peer *set = dp->peer[addr_hash(dp->seed, addr) % PEER_SETS], *oldest = set;

	for (unsigned i = 0; i < PEER_WAYS; i++) {
		if (set[i].used && dp_addr_eq(&set[i].addr, addr)) {
			set[i].used = now ? now : 1;
			return &set[i];
		}
		if (set[i].used < oldest->used)
			oldest = &set[i];
	}
	*oldest = (struct dp_peer){ .addr = *addr, .used = now ? now : 1 };
	return oldest;
}

enum dp_drop
punt_limit(struct dp *dp, mono_t now, struct dp_session *s, struct dp_tunnel *t,
	   const struct dp_addr *peer)
{
	struct bucket *mine = s ? &cold_of(dp, s)->punt : NULL;
	struct dp_peer *p;

	if (mine && !bucket_has(mine, &dp->session_rate, now))
		return DP_DROP_PUNT_SESSION;
	if (t && !bucket_has(&t->punt, &dp->tunnel_rate, now))
		return DP_DROP_PUNT_TUNNEL;
	p = peer_find(dp, now, peer);
	if (!bucket_has(&p->bucket, &dp->peer_rate, now))
		return DP_DROP_PUNT_PEER;
	if (mine)
		bucket_take(mine, &dp->session_rate, now);
	if (t)
		bucket_take(&t->punt, &dp->tunnel_rate, now);
	bucket_take(&p->bucket, &dp->peer_rate, now);
	return DP_OK;
}

/* ---- queues ------------------------------------------------------------------------------ */

struct queue {
	struct punt *first, **end;
	struct queue *next; /* in the ring of those that are not empty */
	size_t octets;
};

struct puntq {
	uint64_t seed;
	size_t octets, max, share;
	unsigned count;
	struct queue *turn,
	    *last;	    /* the ring as a line: taken from the front, put back at the end */
	struct punt *again; /* given back: first of all */
	struct queue q[QUEUES];
};

struct puntq *
puntq_new(uint64_t seed, size_t max_octets)
{
	struct puntq *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	q->seed = seed;
	q->max = max_octets;
	q->share = max_octets / 16;
	for (unsigned i = 0; i < QUEUES; i++)
		q->q[i].end = &q->q[i].first;
	return q;
}

void
puntq_free(struct puntq *q)
{
	struct punt *p;

	while (q && (p = puntq_take(q)))
		free(p);
	free(q);
}

static void
line_up(struct puntq *q, struct queue *one)
{
	one->next = NULL;
	if (q->turn)
		q->last->next = one;
	else
		q->turn = one;
	q->last = one;
}

bool
puntq_put(struct puntq *q, bool known, const struct dp_ends *ends, uint32_t tunnel,
	  uint16_t session, struct span octets)
{
	uint64_t h = addr_hash(q->seed, &ends->peer);
	struct queue *one = &q->q[known ? h % QUEUES_KNOWN : QUEUES_KNOWN + h % QUEUES_STRANGE];
	size_t size = sizeof(struct punt) + octets.len;
	struct punt *p;

	if (q->octets + size > q->max || one->octets + size > q->share)
		return false;
	p = malloc(size);
	if (!p)
		return false;
	p->next = NULL;
	p->tunnel = tunnel;
	p->session = session;
	p->ends = *ends;
	p->len = (uint32_t)octets.len;
	memcpy(p->octets, octets.p, octets.len);
	if (!one->first)
		line_up(q, one);
	*one->end = p;
	one->end = &p->next;
	one->octets += size;
	q->octets += size;
	q->count++;
	return true;
}

struct punt *
puntq_take(struct puntq *q)
{
	struct queue *one = q->turn;
	struct punt *p = q->again;

	if (p) {
		q->again = NULL;
		q->count--;
		return p;
	}
	if (!one)
		return NULL;
	p = one->first;
	one->first = p->next;
	if (!one->first)
		one->end = &one->first;
	one->octets -= sizeof *p + p->len;
	q->octets -= sizeof *p + p->len;
	q->count--;
	q->turn = one->next;
	if (one->first)
		line_up(q, one);
	return p;
}

void
puntq_put_back(struct puntq *q, struct punt *p)
{
	p->next = q->again;
	q->again = p;
	q->count++;
}

unsigned
puntq_count(const struct puntq *q)
{
	return q->count;
}
