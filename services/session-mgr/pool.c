// SPDX-License-Identifier: Apache-2.0
/* Address pools over lease rows.  See pool.h. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#define UNITS_MAX ((uint64_t)1 << 62)
#define SCAN_MAX 1024 /* used addresses passed over before a kept one is preferred */

static const char *const answers[] = {
	[POOL_OK] = "ok",
	[POOL_UNKNOWN] = "unknown-pool",
	[POOL_EXHAUSTED] = "pool-exhausted",
	[POOL_TAKEN] = "address-taken",
	[POOL_OUTSIDE] = "address-outside-pool",
};

const char *
pool_answer_name(enum pool_answer a)
{
	return answers[a];
}

/* ---- Addresses as numbers: IPv4 in the low 32 bits, IPv6 whole. */

static u128
number_of(const uint8_t *b, uint8_t family)
{
	u128 v = 0;

	for (unsigned i = 0; i < (family == 4 ? 4 : 16); i++)
		v = v << 8 | b[i];
	return v;
}

static struct lease_key
key_of_number(u128 v, uint8_t family, uint8_t len)
{
	struct lease_key k = { .family = family, .len = len };

	for (int i = family == 4 ? 3 : 15; i >= 0; i--, v >>= 8)
		k.b[i] = (uint8_t)v;
	return k;
}

static unsigned
unit_shift(const struct pool *p)
{
	return (p->family == 4 ? 32u : 128u) - p->unit_len;
}

/* Where in the pool an address is; false: it is no unit of this pool. */
static bool
index_of(const struct pool *p, const struct lease_key *k, uint64_t *index)
{
	uint64_t base = 0;
	unsigned shift = unit_shift(p);
	u128 v;

	if (k->family != p->family || k->len != p->unit_len)
		return false;
	v = number_of(k->b, k->family);
	for (unsigned i = 0; i < p->ranges; i++) {
		u128 at = (v - p->range[i].first) >> shift;

		if (v >= p->range[i].first && at < p->range[i].n) {
			*index = base + (uint64_t)at;
			return true;
		}
		base += p->range[i].n;
	}
	return false;
}

static struct lease_key
key_at(const struct pool *p, uint64_t index)
{
	unsigned i = 0;

	while (index >= p->range[i].n)
		index -= p->range[i++].n;
	return key_of_number(p->range[i].first + ((u128)index << unit_shift(p)), p->family, p->unit_len);
}

struct lease_key
lease_key_of(const struct ip_prefix *p)
{
	unsigned width = p->addr.family == 4 ? 32 : 128;
	struct lease_key k = { .family = p->addr.family, .len = p->len < width ? p->len : (uint8_t)width };
	unsigned octets = k.len / 8, bits = k.len % 8;

	memcpy(k.b, p->addr.b, octets);
	if (bits && octets < 16)
		k.b[octets] = (uint8_t)(p->addr.b[octets] & (0xff00 >> bits));
	return k;
}

struct lease_key
lease_key_v4(uint32_t host_order)
{
	return key_of_number(host_order, 4, 32);
}

struct ip_prefix
lease_prefix(const struct lease_key *k)
{
	struct ip_prefix p = { .addr.family = k->family, .len = k->len };

	memcpy(p.addr.b, k->b, 16);
	return p;
}

/* ---- Pools. */

void
pools_init(struct pools *ps, struct names *names)
{
	*ps = (struct pools){ .names = names };
}

static void
set_range(struct pool *p, const struct ip_addr *first, const struct ip_addr *last)
{
	unsigned shift = unit_shift(p);
	u128 unit = (u128)1 << shift, a, z, n;

	if (first->family != p->family || last->family != p->family)
		return;
	a = number_of(first->b, p->family);
	z = number_of(last->b, p->family);
	if (a & (unit - 1)) {
		u128 up = (a | (unit - 1)) + 1;
		if (up < a)
			return;
		a = up;
	}
	if (z < a)
		return;
	/* Whole units only: the last one must end at or before `last`, or be named by it. */
	n = (z - a) >> shift; /* one less than there are: all of IPv6 does not overflow */
	p->range[p->ranges].first = a;
	p->range[p->ranges].n = n >= UNITS_MAX / CONF_RANGES ? UNITS_MAX / CONF_RANGES : (uint64_t)n + 1;
	p->total += p->range[p->ranges++].n;
}

static void
set_pool(struct pools *ps, struct pool *p, const struct conf_pool *c)
{
	unsigned width = c->family == 4 ? 32 : 128;

	*p = (struct pool){ .family = c->family, .alarm_percent = (uint8_t)c->alarm_percent };
	p->name = name_take(ps->names, c->name, strlen(c->name));
	p->unit_len = c->family == 4 ? 32 : c->delegate_len ? c->delegate_len : 64;
	if (p->unit_len > width)
		p->unit_len = (uint8_t)width;
	for (unsigned i = 0; i < c->ranges && i < CONF_RANGES; i++)
		set_range(p, &c->range[i].first, &c->range[i].last);
}

/* ---- Lists and counts of a lease: every change goes out through unlink and in through link. */

static void
free_link(struct lease *l)
{
	struct lease **head = l->pool ? &l->pool->oldest : NULL;

	memset(&l->f, 0, sizeof l->f);
	if (head) {
		if (*head) {
			l->f.prev = (*head)->f.prev; /* the newest */
			l->f.prev->f.next = l;
			(*head)->f.prev = l;
		} else {
			*head = l;
			l->f.prev = l;
		}
		l->pool->kept++;
	}
	if (l->user) {
		l->f.user_next = l->user->free;
		if (l->user->free)
			l->user->free->f.user_prev = l;
		l->user->free = l;
	}
}

static void
free_unlink(struct lease *l)
{
	if (l->pool) {
		struct lease **head = &l->pool->oldest;

		if (*head == l)
			*head = l->f.next;
		else
			l->f.prev->f.next = l->f.next;
		if (l->f.next)
			l->f.next->f.prev = l->f.prev;
		else if (*head)
			(*head)->f.prev = l->f.prev;
		l->pool->kept--;
	}
	if (l->user) {
		if (l->f.user_prev)
			l->f.user_prev->f.user_next = l->f.user_next;
		else
			l->user->free = l->f.user_next;
		if (l->f.user_next)
			l->f.user_next->f.user_prev = l->f.user_prev;
	}
}

static void
link_in(struct pools *ps, struct lease *l)
{
	uint64_t at;

	if (!lease_held(l)) {
		free_link(l);
	} else {
		l->next_held = NULL;
		ps->held++;
		ps->lens6[l->key.family == 6 ? l->key.len : 0]++;
		if (l->pool)
			l->pool->held++;
	}
	if (l->pool && index_of(l->pool, &l->key, &at) && at == l->pool->cursor)
		l->pool->cursor = at + 1 < l->pool->total ? at + 1 : 0;
}

static void
unlink_out(struct pools *ps, struct lease *l)
{
	if (!lease_held(l)) {
		free_unlink(l);
		return;
	}
	ps->held--;
	ps->lens6[l->key.family == 6 ? l->key.len : 0]--;
	if (l->pool)
		l->pool->held--;
}

void
pools_remove(struct pools *ps, struct lease *l)
{
	unlink_out(ps, l);
	HASH_DELETE(hh, ps->by_addr, l);
	name_drop(ps->names, l->user);
	name_drop(ps->names, l->pool_name);
	free(l);
}

void
pools_fini(struct pools *ps)
{
	struct lease *l, *tmp;

	HASH_ITER (hh, ps->by_addr, l, tmp)
		pools_remove(ps, l);
	for (unsigned i = 0; i < ps->n; i++)
		name_drop(ps->names, ps->pool[i].name);
	*ps = (struct pools){ 0 };
}

struct pool *
pools_find(struct pools *ps, const char *name)
{
	for (unsigned i = 0; i < ps->n; i++)
		if (strcmp(name_text(ps->pool[i].name), name) == 0)
			return &ps->pool[i];
	return NULL;
}

/* Leases that belong to no pool keep no place in a free list; they find their pool again here. */
void
pools_configure(struct pools *ps, const struct conf_pool *c, unsigned n)
{
	struct lease *l, *tmp, *held;

	for (unsigned i = 0; i < ps->n; i++)
		name_drop(ps->names, ps->pool[i].name);
	ps->n = n < CONF_POOLS ? n : CONF_POOLS;
	ps->reserved_n = 0;
	ps->held = 0;
	memset(ps->lens6, 0, sizeof ps->lens6);
	for (unsigned i = 0; i < ps->n; i++)
		set_pool(ps, &ps->pool[i], &c[i]);
	HASH_ITER (hh, ps->by_addr, l, tmp)
		if (l->user)
			l->user->free = NULL;
	HASH_ITER (hh, ps->by_addr, l, tmp) {
		uint64_t at;

		held = lease_held(l) ? l->next_held : NULL;
		l->pool = pools_find(ps, name_text(l->pool_name));
		if (l->pool && !index_of(l->pool, &l->key, &at))
			l->pool = NULL; /* the range shrank */
		link_in(ps, l);
		if (lease_held(l))
			l->next_held = held;
	}
}

void
pools_reserve(struct pools *ps, const struct ip_addr *a)
{
	if (a->family && ps->reserved_n < POOL_RESERVED_MAX)
		ps->reserved[ps->reserved_n++] = *a;
}

static bool
reserved(const struct pools *ps, const struct lease_key *k)
{
	struct ip_prefix p = lease_prefix(k);

	for (unsigned i = 0; i < ps->reserved_n; i++)
		if (ip_prefix_has(&p, &ps->reserved[i]))
			return true;
	return false;
}

struct lease *
pools_lease(struct pools *ps, const struct lease_key *k)
{
	struct lease *l;

	HASH_FIND(hh, ps->by_addr, k, LEASE_KEY_OCTETS, l);
	return l;
}

/* A held prefix that contains this one: asks for each of the lengths in use, which are few. */
static bool
inside_a_held_one(struct pools *ps, const struct lease_key *k)
{
	struct ip_prefix p = lease_prefix(k);

	if (k->family != 6)
		return false;
	for (unsigned len = 1; len < k->len; len++) {
		struct lease_key outer;
		struct lease *l;

		if (!ps->lens6[len])
			continue;
		p.len = (uint8_t)len;
		outer = lease_key_of(&p);
		l = pools_lease(ps, &outer);
		if (l && lease_held(l) && l->key.len == len)
			return true;
	}
	return false;
}

/* A wide prefix that AAA gives must not cut into a pool of narrower ones. */
static bool
covers_a_pool(const struct pools *ps, const struct lease_key *k)
{
	struct ip_prefix p = lease_prefix(k);

	for (unsigned i = 0; i < ps->n; i++) {
		const struct pool *o = &ps->pool[i];

		for (unsigned r = 0; o->family == k->family && k->len < o->unit_len && r < o->ranges; r++) {
			u128 first = o->range[r].first, a = number_of(k->b, k->family);
			u128 last = first + ((u128)(o->range[r].n - 1) << unit_shift(o));
			struct lease_key at = key_of_number(first, o->family, o->unit_len);
			struct ip_prefix start = lease_prefix(&at);

			if (ip_prefix_has(&p, &start.addr) || (a >= first && a <= last))
				return true;
		}
	}
	return false;
}

static bool
usable(struct pools *ps, const struct lease_key *k)
{
	return !reserved(ps, k) && !inside_a_held_one(ps, k);
}

static void
chosen(struct lease_choice *out, struct pool *p, const struct lease_key *k, struct lease *was)
{
	*out = (struct lease_choice){ .key = *k, .pool = p ? name_text(p->name) : "", .was = was };
}

/* ---- Choosing. */

static struct lease *
kept_for(struct pools *ps, const struct pool *p, const char *user)
{
	struct name *n = user[0] ? name_find(ps->names, user, strlen(user)) : NULL;

	for (struct lease *l = n ? n->free : NULL; l; l = l->f.user_next)
		if (l->pool == p && usable(ps, &l->key))
			return l;
	return NULL;
}

/* An address without a row, from the cursor on.  `tries` bounds the search. */
static bool
never_used(struct pools *ps, struct pool *p, uint64_t tries, struct lease_key *out)
{
	for (uint64_t i = 0; i < tries; i++) {
		struct lease_key k = key_at(p, p->cursor);

		if (!pools_lease(ps, &k) && usable(ps, &k)) {
			*out = k;
			return true;
		}
		p->cursor = p->cursor + 1 < p->total ? p->cursor + 1 : 0;
	}
	return false;
}

static struct lease *
oldest_free(struct pools *ps, const struct pool *p)
{
	for (struct lease *l = p->oldest; l; l = l->f.next)
		if (usable(ps, &l->key))
			return l;
	return NULL;
}

enum pool_answer
pools_pick(struct pools *ps, const char *name, uint8_t family, const char *user, struct lease_choice *out)
{
	struct pool *p = pools_find(ps, name);
	struct lease *l;
	struct lease_key k;

	if (!p || p->family != family)
		return POOL_UNKNOWN;
	if (p->held >= p->total)
		return POOL_EXHAUSTED;
	l = kept_for(ps, p, user);
	if (!l && p->held + p->kept < p->total) {
		uint64_t few = p->total < SCAN_MAX ? p->total : SCAN_MAX;

		if (never_used(ps, p, p->oldest ? few : p->total, &k)) {
			chosen(out, p, &k, NULL);
			return POOL_OK;
		}
	}
	if (!l)
		l = oldest_free(ps, p);
	if (!l)
		return POOL_EXHAUSTED;
	chosen(out, p, &l->key, l);
	return POOL_OK;
}

enum pool_answer
pools_pick_in(struct pools *ps, const char *name, const struct lease_key *k, struct lease_choice *out)
{
	struct pool *p = pools_find(ps, name);
	struct lease *l;
	uint64_t at;

	if (!p)
		return POOL_UNKNOWN;
	if (!index_of(p, k, &at) || !usable(ps, k))
		return POOL_OUTSIDE;
	l = pools_lease(ps, k);
	if (l && lease_held(l))
		return POOL_TAKEN;
	chosen(out, p, k, l);
	return POOL_OK;
}

enum pool_answer
pools_pick_framed(struct pools *ps, const struct lease_key *k, struct lease_choice *out)
{
	struct lease *l = pools_lease(ps, k);
	struct pool *p = NULL;
	uint64_t at;

	if (l && lease_held(l))
		return POOL_TAKEN;
	if (reserved(ps, k))
		return POOL_OUTSIDE;
	if (inside_a_held_one(ps, k) || covers_a_pool(ps, k))
		return POOL_TAKEN;
	for (unsigned i = 0; i < ps->n && !p; i++)
		if (index_of(&ps->pool[i], k, &at))
			p = &ps->pool[i];
	chosen(out, p, k, l);
	return POOL_OK;
}

/* ---- Rows. */

struct lease *
pools_apply(struct pools *ps, const struct lease_key *k, const char *pool, const char *user,
	    uint16_t tunnel, uint16_t session, uint64_t since)
{
	struct lease *l = pools_lease(ps, k);
	struct name *n = name_take(ps->names, user, strlen(user));
	struct name *pn = name_take(ps->names, pool, strlen(pool));
	bool fresh = !l;
	uint64_t at;

	if (fresh)
		l = calloc(1, sizeof *l);
	if (!l || !n || !pn) {
		name_drop(ps->names, n);
		name_drop(ps->names, pn);
		if (fresh)
			free(l);
		return NULL;
	}
	if (fresh) {
		l->key = *k;
		HASH_ADD(hh, ps->by_addr, key, LEASE_KEY_OCTETS, l);
	} else {
		unlink_out(ps, l);
		name_drop(ps->names, l->user);
		name_drop(ps->names, l->pool_name);
	}
	l->key.len = k->len;
	l->user = n;
	l->pool_name = pn;
	l->tunnel = tunnel;
	l->session = session;
	l->since = (uint32_t)since;
	l->pool = pools_find(ps, pool);
	if (l->pool && !index_of(l->pool, &l->key, &at))
		l->pool = NULL;
	link_in(ps, l);
	return l;
}

bool
pools_worth_keeping(const struct lease *l)
{
	return l->pool && l->user && l->user->len > 0;
}

struct lease *
pools_surplus(struct pool *p)
{
	return p->kept > POOL_KEEP_MAX ? p->oldest : NULL;
}

unsigned
pool_percent(const struct pool *p)
{
	return p->total ? (unsigned)(p->held * 100 / p->total) : 100;
}
