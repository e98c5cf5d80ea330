// SPDX-License-Identifier: Apache-2.0
/*
 * The population: tunnels and calls, found in constant time by whatever a message names them with,
 * and by who is due next.  Nothing here decides anything; nothing here changes a row (rows.c does).
 *
 * Tunnel ids are taken from a keyed permutation of 1..65535 walked step by step: they look random, none
 * is used twice at a time, and one that was given back does not come again before all others have had
 * their turn.  Session ids count up from a random start: as late to come again, and calls that are set up
 * together lie together in every table, here, in the store and at the twin (a third of a commit's cost).
 */
#include "dialect.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- ids ------------------------------------------------------------------------------ */

/* Four Feistel rounds over two octets: a permutation of 0..65535 for each key. */
static uint16_t
permute(uint64_t key, uint16_t n)
{
	uint8_t left = (uint8_t)(n >> 8), right = (uint8_t)n;

	for (unsigned round = 0; round < 4; round++) {
		uint32_t x = right + (uint32_t)(key >> 16 * round & 0xffff) * 0x9e37u;
		x ^= x >> 7;
		x *= 0x85ebca6bu;
		uint8_t mixed = (uint8_t)(left ^ x >> 24);
		left = right;
		right = mixed;
	}
	return (uint16_t)(left << 8 | right);
}

uint16_t
tunnel_free_id(struct tc *tc)
{
	if (tc->tunnels >= 65535)
		return 0;
	for (unsigned i = 0; i < 65536; i++) {
		uint16_t id = permute(tc->id_key, (uint16_t)tc->id_count++);
		if (id && !tc->tunnel[id])
			return id;
	}
	return 0;
}

uint16_t
call_free_id(struct tc *tc, struct tunnel *t)
{
	if (tunnel_calls(t) >= CALLS_MAX)
		return 0;
	if (t->id_key == 0)
		tc->random.fill(tc->random.arg, &t->id_key, sizeof t->id_key);
	for (unsigned i = 0; i < 65536; i++) {
		uint16_t id = (uint16_t)(t->id_key + t->id_count++);
		if (id && !call_find(t, id))
			return id;
	}
	return 0;
}

/* ---- deadlines: a heap of tunnels, 1-based -------------------------------------------- */

static void
heap_place(struct tc *tc, unsigned at, struct tunnel *t)
{
	tc->heap[at] = t;
	t->heap_at = at;
}

static void
heap_up(struct tc *tc, struct tunnel *t)
{
	unsigned at = t->heap_at;

	for (; at > 1 && tc->heap[at / 2]->due > t->due; at /= 2)
		heap_place(tc, at, tc->heap[at / 2]);
	heap_place(tc, at, t);
}

static void
heap_down(struct tc *tc, struct tunnel *t)
{
	unsigned at = t->heap_at, child;

	while ((child = at * 2) <= tc->heap_len) {
		if (child < tc->heap_len && tc->heap[child + 1]->due < tc->heap[child]->due)
			child++;
		if (tc->heap[child]->due >= t->due)
			break;
		heap_place(tc, at, tc->heap[child]);
		at = child;
	}
	heap_place(tc, at, t);
}

static void
heap_remove(struct tc *tc, struct tunnel *t)
{
	unsigned at = t->heap_at;
	struct tunnel *last;

	if (at == 0)
		return;
	t->heap_at = 0;
	last = tc->heap[tc->heap_len--];
	if (last == t)
		return;
	heap_place(tc, at, last);
	heap_up(tc, last);
	heap_down(tc, last);
}

void
heap_set(struct tc *tc, struct tunnel *t, mono_t due)
{
	if (due == t->due && (t->heap_at || due == MONO_NEVER))
		return;
	t->due = due;
	if (due == MONO_NEVER) {
		heap_remove(tc, t);
		return;
	}
	if (t->heap_at == 0)
		heap_place(tc, ++tc->heap_len, t); /* room was made in tunnel_new() */
	heap_up(tc, t);
	heap_down(tc, t);
}

static bool
heap_reserve(struct tc *tc, unsigned n)
{
	if (n < tc->heap_cap)
		return true;
	unsigned cap = tc->heap_cap ? tc->heap_cap * 2 : 64;
	struct tunnel **heap = realloc(tc->heap, cap * sizeof(*heap));
	if (!heap)
		return false;
	tc->heap = heap;
	tc->heap_cap = cap;
	return true;
}

/* ---- tunnels -------------------------------------------------------------------------- */

static unsigned
bucket_of(const struct tc *tc, const struct ip_addr *peer, uint32_t peer_id)
{
	uint64_t h = tc->id_key ^ peer_id;

	for (unsigned i = 0; i < ip_addr_len(peer); i++)
		h = (h ^ peer->b[i]) * 0x100000001b3u;
	h ^= h >> 29;
	h *= 0x9e3779b97f4a7c15u;
	return (unsigned)(h >> 40) % BUCKETS;
}

void
bucket_add(struct tc *tc, struct tunnel *t)
{
	unsigned b = bucket_of(tc, &t->peer.addr, t->peer_id);

	t->next_bucket = tc->bucket[b];
	tc->bucket[b] = t;
}

void
bucket_remove(struct tc *tc, struct tunnel *t)
{
	struct tunnel **at = &tc->bucket[bucket_of(tc, &t->peer.addr, t->peer_id)];

	while (*at && *at != t)
		at = &(*at)->next_bucket;
	if (*at)
		*at = t->next_bucket;
	t->next_bucket = NULL;
}

struct tunnel *
tunnel_of_peer(const struct tc *tc, const struct ip_addr *peer, uint32_t peer_id,
	       struct tunnel *from)
{
	struct tunnel *t = from ? from->next_bucket : tc->bucket[bucket_of(tc, peer, peer_id)];

	for (; t; t = t->next_bucket) {
		if (t->peer_id == peer_id && ip_addr_eq(&t->peer.addr, peer))
			return t;
	}
	return NULL;
}

static unsigned
lcce_place(const struct tc *tc, uint32_t router)
{
	return (unsigned)((tc->id_key ^ router) * 0x9e3779b97f4a7c15u >> 40) % BUCKETS;
}

void
lcce_add(struct tc *tc, struct tunnel *t)
{
	if (t->peer_router)
		DL_APPEND2(tc->lcce[lcce_place(tc, t->peer_router)], t, lcce_prev, lcce_next);
}

void
lcce_remove(struct tc *tc, struct tunnel *t)
{
	if (t->peer_router)
		DL_DELETE2(tc->lcce[lcce_place(tc, t->peer_router)], t, lcce_prev, lcce_next);
}

struct tunnel *
tunnel_of_lcce(const struct tc *tc, uint32_t router, const char *host, struct tunnel *from)
{
	struct tunnel *t = from ? from->lcce_next : tc->lcce[lcce_place(tc, router)];

	while (t && (t->peer_router != router || strcmp(t->peer_host, host) != 0))
		t = t->lcce_next;
	return router ? t : NULL;
}

unsigned
tunnel_half_open(const struct tc *tc, const struct ip_addr *peer)
{
	return tc->half_open_of[bucket_of(tc, peer, 0)];
}

unsigned
tunnel_asking(const struct tc *tc, const struct ip_addr *peer)
{
	return tc->asking[bucket_of(tc, peer, 0)];
}

unsigned
tunnel_headerless(const struct tc *tc, const struct ip_addr *peer)
{
	return tc->headerless_of[bucket_of(tc, peer, 0)];
}

struct tunnel *
tunnel_find(const struct tc *tc, uint16_t id)
{
	return tc->tunnel[id];
}

void
tunnel_touch(struct tc *tc, struct tunnel *t)
{
	if (t->touched || t->gone)
		return;
	t->touched = true;
	t->next_touched = tc->touched;
	tc->touched = t;
}

void
tunnel_count(struct tc *tc, const struct tunnel *t, int by)
{
	tc->in_state[t->state] += (unsigned)by;
	if (t->state == CC_WAIT_CTL_CONN)
		tc->half_open_of[bucket_of(tc, &t->peer.addr, 0)] += (unsigned)by;
	if (t->state == CC_CLOSING && t->since == 0)
		tc->refusing += (unsigned)by;
	if (t->state != CC_CLOSING && t->state != CC_IDLE && t->prof != &tc->fallback)
		tc->of_profile[t->prof - tc->conf->profile] += (unsigned)by;
	tc->in_recovery[t->recovery] += (unsigned)by;
	if (t->recovers && (t->state == CC_WAIT_CTL_REPLY || t->state == CC_WAIT_CTL_CONN))
		tc->offers[t->recovers] = (uint16_t)(tc->offers[t->recovers] + by);
	if (t->recovers && t->state == CC_WAIT_CTL_REPLY)
		tc->asking[bucket_of(tc, &t->peer.addr, 0)] += (unsigned)by;
	if (t->headerless)
		tc->headerless_of[bucket_of(tc, &t->peer.addr, 0)] += t->headerless * (unsigned)by;
}

static struct chan_conf
chan_conf_of(const struct conf_profile *p, unsigned version)
{
	return (struct chan_conf){
		.window = p->window,
		.rtx_initial_ms = p->rtx_initial_ms,
		.rtx_cap_ms = p->rtx_cap_ms,
		.rtx_tries = version == 3 ? p->v3.rtx_tries : p->rtx_tries,
		.rtx_least_ms = p->rtx_least_ms,
	};
}

void
tunnel_profile(struct tc *tc, struct tunnel *t)
{
	const struct conf_profile *p = conf_profile_named(tc->conf, t->profile);

	t->prof = p ? p : &tc->fallback;
	if (t->digests)
		v3_keys(t);
	struct chan_conf conf = chan_conf_of(t->prof, t->version);
	chan_configure(&t->chan, &conf);
}

struct tunnel *
tunnel_new(struct tc *tc, uint16_t id)
{
	struct tunnel *t = heap_reserve(tc, tc->tunnels + 2) ? calloc(1, sizeof *t) : NULL;

	if (!t) {
		bump(tc, N_NO_MEMORY);
		return NULL;
	}
	t->id = id;
	t->version = 2;
	t->prof = &tc->fallback;
	struct chan_conf conf = chan_conf_of(t->prof, t->version);
	chan_init(&t->chan, &conf);
	tc->tunnel[id] = t;
	DL_APPEND(tc->all, t);
	tc->tunnels++;
	tunnel_count(tc, t, 1);
	bucket_add(tc, t);
	return t;
}

void
tunnel_unlink(struct tc *tc, struct tunnel *t)
{
	struct call *c, *next;

	HASH_ITER (hh, t->by_id, c, next)
		call_unlink(tc, c);
	recovery_unlist(tc, t);
	bucket_remove(tc, t);
	lcce_remove(tc, t);
	heap_remove(tc, t);
	tunnel_count(tc, t, -1);
	tc->tunnels--;
	tc->tunnel[t->id] = NULL;
	DL_DELETE(tc->all, t);
	t->gone = true;
	t->next_dead = tc->dead_tunnels;
	tc->dead_tunnels = t;
}

/* ---- calls ---------------------------------------------------------------------------- */

struct call *
call_find(const struct tunnel *t, uint16_t id)
{
	struct call *c;

	HASH_FIND(hh, t->by_id, &id, sizeof id, c);
	return c;
}

struct call *
call_on_wire(const struct tunnel *t, uint32_t session)
{
	const uint32_t above = t->version == 3 ? t->id : 0;

	return session >> 16 == above ? call_find(t, (uint16_t)session) : NULL;
}

struct call *
call_of_peer(const struct tunnel *t, uint32_t peer_id)
{
	struct call *c = NULL;

	if (peer_id)
		HASH_FIND(hp, t->by_peer, &peer_id, sizeof peer_id, c);
	return c;
}

struct call *
call_new(struct tc *tc, struct tunnel *t, uint16_t id)
{
	struct call *c = calloc(1, sizeof *c);

	if (!c) {
		bump(tc, N_NO_MEMORY);
		return NULL;
	}
	c->t = t;
	c->id = id;
	HASH_ADD(hh, t->by_id, id, sizeof c->id, c);
	DL_APPEND(t->setup, c);
	tc->calls++;
	call_half_open(tc, c);
	return c;
}

void
call_half_open(struct tc *tc, struct call *c)
{
	if (!tc->active || c->state == CALL_ESTABLISHED)
		return;
	c->due = c->t->prof->setup_ms ? tc->now + c->t->prof->setup_ms * MONO_MS : MONO_NEVER;
}

void
call_set_peer(struct call *c, uint32_t peer_id)
{
	if (c->peer_id == peer_id)
		return;
	if (c->peer_id)
		HASH_DELETE(hp, c->t->by_peer, c);
	c->peer_id = peer_id;
	if (peer_id)
		HASH_ADD(hp, c->t->by_peer, peer_id, sizeof c->peer_id, c);
}

static bool
alone_between_addresses(const struct call_form *f)
{
	return f && f->headerless && f->hc.receive_octets == 0;
}

static bool
says_nothing(const struct call_form *f)
{
	return !f->cookie_len && !f->peer_cookie_len && !f->sublayer && !f->peer_sublayer && !f->sequencing &&
	       !f->peer_sequencing && !f->circuit_down && !f->our_circuit_down && !f->headerless;
}

void
call_set_form(struct tc *tc, struct call *c, const struct call_form *form)
{
	const bool was = alone_between_addresses(c->form), is = form && alone_between_addresses(form);

	if (!form || says_nothing(form)) {
		free(c->form);
		c->form = NULL;
	} else {
		if (!c->form)
			c->form = malloc(sizeof *c->form);
		if (c->form)
			*c->form = *form;
		else
			bump(tc, N_NO_MEMORY);
	}
	if (was == is)
		return;
	tunnel_count(tc, c->t, -1);
	c->t->headerless += is ? 1u : -1u;
	tunnel_count(tc, c->t, 1);
}

/* Established calls are counted; all others wait in line for their deadline. */
void
call_set_state(struct tc *tc, struct call *c, uint8_t state)
{
	bool was = c->state == CALL_ESTABLISHED, is = state == CALL_ESTABLISHED;

	if (was && !is)
		call_sync(c, SYNC_NONE);
	if (c->state == CALL_WAIT_TUNNEL && state != CALL_WAIT_TUNNEL)
		DL_DELETE2(c->t->waiting, c, wait_prev, wait_next);
	if (c->state != CALL_WAIT_TUNNEL && state == CALL_WAIT_TUNNEL)
		DL_APPEND2(c->t->waiting, c, wait_prev, wait_next);
	c->state = state;
	if (was == is)
		return;
	if (is)
		DL_DELETE(c->t->setup, c);
	else
		DL_APPEND(c->t->setup, c);
	c->t->established += is ? 1u : -1u;
	tc->calls_established += is ? 1u : -1u;
}

void
call_sync(struct call *c, enum sync_where to)
{
	if (c->sync)
		DL_DELETE2(c->t->sync[c->sync], c, wait_prev, wait_next);
	c->sync = (uint8_t)to;
	if (to)
		DL_APPEND2(c->t->sync[to], c, wait_prev, wait_next);
}

void
want_drop(struct tc *tc, struct call *c)
{
	if (!c->want)
		return;
	DL_DELETE(c->t->wants, c->want);
	free(c->want);
	c->want = NULL;
}

void
call_unlink(struct tc *tc, struct call *c)
{
	struct tunnel *t = c->t;

	want_drop(tc, c);
	call_set_form(tc, c, NULL);
	call_set_peer(c, 0);
	HASH_DELETE(hh, t->by_id, c);
	call_set_state(tc, c, CALL_IDLE);
	DL_DELETE(t->setup, c);
	tc->calls--;
	c->t = NULL;
	c->next = tc->dead_calls;
	tc->dead_calls = c;
}

/* ---- after a step --------------------------------------------------------------------- */

void
bury(struct tc *tc)
{
	while (tc->dead_calls) {
		struct call *c = tc->dead_calls;
		tc->dead_calls = c->next;
		free(c->user_ref);
		free(c->info);
		free(c);
	}
	while (tc->dead_tunnels) {
		struct tunnel *t = tc->dead_tunnels;
		tc->dead_tunnels = t->next_dead;
		chan_fini(&t->chan);
		free(t);
	}
	arena_reset(&tc->arena);
}
