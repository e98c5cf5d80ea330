// SPDX-License-Identifier: Apache-2.0
/*
 * The population of the packet path: tunnels, sessions, routes, as the rows of the store describe
 * them.
 *
 * A session exists here while it has a call row or a subscriber row; it forwards while it has both
 * and they say so.  Rows may come in any order, twice, and for what is gone already.  During a load
 * (dp_load_begin) nothing stops: rows are applied over what is there, and what no row named goes at
 * the end.
 */
#include "dp_int.h"

#include <stdlib.h>
#include <string.h>

#include "ip.h"
#include "rows.pb-c.h"

#define CALL_ESTABLISHED 10
#define RESYNC 5 /* where the configuration says nothing */
#define INDEX_FIRST_BITS 10

const struct counter_info dp_drop_info[DP_DROPS] = {
	{ "DROP_NONE", "always 0" },
#define X(NAME, SENTENCE) { "DROP_" #NAME, SENTENCE },
#include "drops.def"
#undef X
};

const struct counter_info dp_count_info[DP_COUNTS] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "counters.def"
#undef X
};

/* ---- addresses --------------------------------------------------------------------------- */

struct dp_addr
dp_addr_of(const struct ip_addr *a)
{
	struct dp_addr out = { .b = { 0 } };

	if (a->family == 6) {
		memcpy(out.b, a->b, 16);
	} else if (a->family == 4) {
		out.b[10] = out.b[11] = 0xff;
		memcpy(out.b + 12, a->b, 4);
	}
	return out;
}

struct ip_addr
dp_addr_ip(const struct dp_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ip_addr out = { .family = 6 };

	if (memcmp(a->b, mapped, 12) == 0) {
		out.family = 4;
		memcpy(out.b, a->b + 12, 4);
	} else {
		memcpy(out.b, a->b, 16);
	}
	return out;
}

static struct dp_claim
claim_of(const struct ip_prefix *p)
{
	struct dp_claim c = { .family = p->addr.family, .len = p->len };

	if (c.family == 4) {
		c.hi = (uint64_t)get_u32(p->addr.b) << 32;
	} else {
		c.hi = (uint64_t)get_u32(p->addr.b) << 32 | get_u32(p->addr.b + 4);
		c.lo = (uint64_t)get_u32(p->addr.b + 8) << 32 | get_u32(p->addr.b + 12);
	}
	return c;
}

static bool
claim_eq(const struct dp_claim *a, const struct dp_claim *b)
{
	return a->hi == b->hi && a->lo == b->lo && a->family == b->family && a->len == b->len;
}

/* ---- the index: key → session ------------------------------------------------------------ */

static bool
index_grow(struct dp *dp, unsigned bits)
{
	struct dp_slot *old = dp->slot, *slot = calloc((size_t)1 << bits, sizeof *slot);
	uint32_t n = dp->slots;

	if (!slot)
		return false;
	dp->slot = slot;
	dp->slots = 1u << bits;
	dp->slot_shift = 64 - bits;
	for (uint32_t i = 0; i < n; i++) {
		if (old[i].who == 0)
			continue;
		uint32_t at = (uint32_t)(slot_hint(dp, old[i].key) - slot);
		while (slot[at].who)
			at = (at + 1) & (dp->slots - 1);
		slot[at] = old[i];
	}
	free(old);
	return true;
}

static bool
index_put(struct dp *dp, uint32_t key, uint32_t index)
{
	uint32_t at;

	if (2 * (dp->slots_used + 1) > dp->slots && !index_grow(dp, 65 - dp->slot_shift) &&
	    dp->slots_used + 1 >= dp->slots)
		return false;
	at = (uint32_t)(slot_hint(dp, key) - dp->slot);
	while (dp->slot[at].who)
		at = (at + 1) & (dp->slots - 1);
	dp->slot[at] = (struct dp_slot){ key, index + 1 };
	dp->slots_used++;
	return true;
}

static void
index_remove(struct dp *dp, uint32_t key)
{
	uint32_t mask = dp->slots - 1, gap = (uint32_t)(slot_hint(dp, key) - dp->slot);

	while (dp->slot[gap].key != key || !dp->slot[gap].who)
		gap = (gap + 1) & mask;
	for (uint32_t at = (gap + 1) & mask; dp->slot[at].who; at = (at + 1) & mask) {
		uint32_t home = (uint32_t)(slot_hint(dp, dp->slot[at].key) - dp->slot);
		if (((at - home) & mask) >= ((at - gap) & mask)) {
			dp->slot[gap] = dp->slot[at];
			gap = at;
		}
	}
	dp->slot[gap] = (struct dp_slot){ 0, 0 };
	dp->slots_used--;
}

/* ---- sessions come and go ---------------------------------------------------------------- */

static bool
page_ready(struct dp *dp, uint32_t page)
{
	if (page >= PAGES)
		return false;
	if (!dp->page[page])
		dp->page[page] = aligned_alloc(64, PAGE_SESSIONS * sizeof *dp->page[0]);
	if (!dp->cold[page])
		dp->cold[page] = calloc(PAGE_SESSIONS, sizeof *dp->cold[0]);
	return dp->page[page] && dp->cold[page];
}

/* Room on the free list for every index there is, made when indexes are: freeing must not fail. */
static bool
free_list_ready(struct dp *dp)
{
	uint32_t cap = dp->free_cap ? 2 * dp->free_cap : PAGE_SESSIONS;
	uint32_t *list;

	if (dp->top < dp->free_cap)
		return true;
	list = realloc(dp->free_list, cap * sizeof *list);
	if (!list)
		return false;
	dp->free_list = list;
	dp->free_cap = cap;
	return true;
}

static struct dp_session *
session_new(struct dp *dp, uint32_t key)
{
	struct dp_session *s;
	uint32_t index = dp->frees ? dp->free_list[dp->frees - 1] : dp->top;

	if (!page_ready(dp, index / PAGE_SESSIONS) || (!dp->frees && !free_list_ready(dp)) ||
	    !index_put(dp, key, index)) {
		dp->count[DP_COUNT_ROWS_NO_MEMORY]++;
		return NULL;
	}
	if (dp->frees)
		dp->frees--;
	else
		dp->top++;
	s = session_at(dp, index);
	memset(s, 0, sizeof *s);
	s->key = key;
	s->index = index;
	s->mtu = 1500;
	if ((key & 0xffff) % dp->workers == dp->worker)
		s->flags |= S_MINE;
	memset(cold_of(dp, s), 0, sizeof(struct dp_cold));
	cold_of(dp, s)->used = true;
	dp->sessions++;
	return s;
}

static struct dp_session *
session_have(struct dp *dp, uint16_t tunnel, uint16_t session)
{
	uint32_t key = session_key(tunnel, session);
	struct dp_session *s = session_find(dp, key);

	return s ? s : session_new(dp, key);
}

static struct dp_usage
usage_of(const struct dp_session *s)
{
	return (struct dp_usage){ (uint16_t)(s->key >> 16),
				  (uint16_t)s->key,
				  s->in_octets,
				  s->out_octets,
				  s->in_packets,
				  s->out_packets,
				  s->drops };
}

static uint64_t
moved(const struct dp_session *s)
{
	return s->in_packets + s->out_packets + s->drops;
}

/* The last word about a session that ends; counters of the next one with its ids begin at 0. */
static void
usage_close(struct dp *dp, struct dp_session *s)
{
	struct dp_cold *c = cold_of(dp, s);

	if (moved(s) != c->told && dp->gones < DP_GONE)
		dp->gone[dp->gones++] = usage_of(s);
	s->in_packets = s->in_octets = s->out_packets = s->out_octets = s->drops = 0;
	c->told = 0;
}

static struct fib *
fib_for(struct dp *dp, const struct dp_claim *c)
{
	return c->family == 4 ? &dp->v4 : &dp->v6;
}

/* Somebody else who wants this prefix; there is one, since fib_drop said so. */
static void
claim_pass_on(struct dp *dp, const struct dp_claim *c, uint32_t not_to)
{
	for (uint32_t i = 0; i < dp->top; i++) {
		const struct dp_cold *o = &dp->cold[i / PAGE_SESSIONS][i % PAGE_SESSIONS];
		if (!o->used || i == not_to)
			continue;
		for (unsigned k = 0; k < o->claims; k++) {
			if (claim_eq(&o->claim[k], c)) {
				fib_give(fib_for(dp, c), c->hi, c->lo, c->len, i);
				return;
			}
		}
	}
}

/* Within a range of a pool?  Then the kernel has a route to it anyway. */
static bool
pooled(const struct dp *dp, const struct dp_claim *c)
{
	for (unsigned i = 0; i < dp->pools; i++) {
		const struct conf_pool *p = &dp->pool[i];
		for (unsigned k = 0; k < p->ranges && p->family == c->family; k++) {
			struct dp_claim first =
			    claim_of(&(struct ip_prefix){ p->range[k].first, 0 });
			struct dp_claim last = claim_of(&(struct ip_prefix){ p->range[k].last, 0 });
			if ((c->hi > first.hi || (c->hi == first.hi && c->lo >= first.lo)) &&
			    (c->hi < last.hi || (c->hi == last.hi && c->lo <= last.lo)) &&
			    c->len >= p->delegate_len)
				return true;
		}
	}
	return false;
}

bool
dp_pooled(const struct dp *dp, const struct ip_prefix *p)
{
	const struct dp_claim c = claim_of(p);

	return pooled(dp, &c);
}

static struct ip_prefix
claim_prefix(const struct dp_claim *c)
{
	struct ip_prefix p = { { .family = c->family }, c->len };

	put_u32(p.addr.b, (uint32_t)(c->hi >> 32));
	if (c->family == 6) {
		put_u32(p.addr.b + 4, (uint32_t)c->hi);
		put_u32(p.addr.b + 8, (uint32_t)(c->lo >> 32));
		put_u32(p.addr.b + 12, (uint32_t)c->lo);
	}
	return p;
}

void
dp_kernel_each(const struct dp *dp, dp_kernel_fn *fn, void *arg)
{
	for (uint32_t i = 0; i < dp->top; i++) {
		const struct dp_cold *c = &dp->cold[i / PAGE_SESSIONS][i % PAGE_SESSIONS];
		if (!c->used)
			continue;
		for (unsigned k = 0; k < 2; k++) {
			if (c->own[k].family)
				fn(arg,
				   &(struct ip_prefix){ c->own[k],
							(uint8_t)(8 * ip_addr_len(&c->own[k])) },
				   true);
		}
		for (unsigned k = 0; c->beyond && k < c->claims; k++) {
			struct ip_prefix p = claim_prefix(&c->claim[k]);
			if (!pooled(dp, &c->claim[k]))
				fn(arg, &p, false);
		}
	}
}

uint64_t
dp_kernel_version(const struct dp *dp)
{
	return dp->kernel_version;
}

static void
claims_drop(struct dp *dp, struct dp_session *s)
{
	struct dp_cold *cold = cold_of(dp, s);

	dp->kernel_version += cold->beyond;
	cold->beyond = false;

	for (unsigned i = 0; i < cold->claims; i++) {
		struct dp_claim c = cold->claim[i];
		if (fib_drop(fib_for(dp, &c), c.hi, c.lo, c.len, s->index))
			claim_pass_on(dp, &c, s->index);
	}
	free(cold->claim);
	cold->claim = NULL;
	cold->claims = 0;
}

static void
session_free(struct dp *dp, struct dp_session *s)
{
	usage_close(dp, s);
	claims_drop(dp, s);
	trunk_end(dp, s);
	form_end(dp, s);
	index_remove(dp, s->key);
	cold_of(dp, s)->used = false;
	s->flags = 0;
	dp->free_list[dp->frees++] = s->index;
	dp->sessions--;
}

/* The head of an unsequenced frame: nothing but ids, the address octets and the protocol. */
static void
head_write(struct dp *dp, struct dp_session *s, const struct dp_cold *c)
{
	uint8_t b[16];
	struct wr w = wr_of(b, sizeof b);

	wr_u16(&w, 0x0002);
	wr_u16(&w, 0); /* the peer's tunnel id: patched in per packet, it is the tunnel's */
	wr_u16(&w, s->peer_session);
	if (!c->acfc)
		wr_u16(&w, 0xff03);
	if (!c->pfc)
		wr_u8(&w, 0);
	wr_u8(&w, PPP_IPV4);
	s->head_len = (uint8_t)wr_len(&w);
	memset(s->head, 0, sizeof s->head);
	memcpy(s->head + sizeof s->head - s->head_len, b, s->head_len);
	form_settle(dp, s);
}

/* ---- rows -------------------------------------------------------------------------------- */

static void
session_settle(struct dp *dp, struct dp_session *s)
{
	const struct dp_cold *c = cold_of(dp, s);

	if (!c->has_call && !c->has_sub)
		session_free(dp, s);
	else
		ns_wish(dp, s);
}

static void
call_remove(struct dp *dp, struct dp_session *s)
{
	struct dp_cold *c = cold_of(dp, s);

	usage_close(dp, s);
	if (s->ns_lease || c->ns_wanted)
		ns_orphan(dp, s->key);
	s->flags &= (uint16_t) ~(S_UP | S_SEQ_TX | S_SEQ_MUST | S_SEQ_FOLLOW | S_NR_KNOWN);
	s->ns_next = s->ns_lease = 0;
	ns_answered(dp, c);
	form_end(dp, s);
	c->has_call = false;
	session_settle(dp, s);
}

/* RFC 2661, 5.4: who decides whether there are sequence numbers. */
static uint16_t
call_seq_flags(const Row__Call *row, uint16_t was)
{
	if (row->seq_required)
		return S_SEQ_TX | S_SEQ_MUST;
	if (row->role == ROLE_LNS)
		return row->seq_lns ? S_SEQ_TX : 0;
	return S_SEQ_FOLLOW | (was & S_SEQ_FOLLOW ? was & S_SEQ_TX : row->seq_lns ? S_SEQ_TX : 0);
}

static bool
apply_call(struct dp *dp, struct span key, const Row__Call *row)
{
	uint16_t tunnel, session;
	struct dp_session *s;
	struct dp_cold *c;

	if (!key_session_read(key, &tunnel, &session))
		return false;
	s = session_find(dp, session_key(tunnel, session));
	if (!row) {
		if (s && cold_of(dp, s)->has_call)
			call_remove(dp, s);
		return true;
	}
	if (!form_row_good(dp->tunnel[tunnel], row))
		return false;
	s = s ? s : session_have(dp, tunnel, session);
	if (!s)
		return true;
	c = cold_of(dp, s);
	uint16_t seq = call_seq_flags(row, s->flags);
	s->flags &= (uint16_t) ~(S_UP | S_SEQ_TX | S_SEQ_MUST | S_SEQ_FOLLOW);
	s->flags |= seq;
	if (row->state == CALL_ESTABLISHED)
		s->flags |= S_UP;
	s->peer_session = (uint16_t)row->peer_id;
	if (!c->has_call && dp->tunnel[tunnel])
		s->restarts = dp->tunnel[tunnel]->restarts;
	c->role = (uint8_t)row->role;
	c->has_call = c->keep_call = true;
	if (!form_apply(dp, s, row)) {
		dp->count[DP_COUNT_ROWS_NO_MEMORY]++;
		s->flags &= (uint16_t)~S_UP;
	}
	head_write(dp, s, c);
	ns_wish(dp, s);
	return true;
}

/* A prefix as two words of the packet, for the first guess of the source check; none: no address
 * fits. */
static void
fast_prefix(const struct dp_claim *c, uint64_t *prefix, uint64_t *mask)
{
	uint8_t b[8];
	uint64_t m = c->len == 0 ? 0 : c->len >= 64 ? ~0ull : ~0ull << (64 - c->len);

	put_u32(b, (uint32_t)((c->hi & m) >> 32));
	put_u32(b + 4, (uint32_t)(c->hi & m));
	*prefix = load64(b);
	put_u32(b, (uint32_t)(m >> 32));
	put_u32(b + 4, (uint32_t)m);
	*mask = load64(b);
}

struct claim_list {
	struct dp_claim c[256];
	unsigned n;
};

static void
claim_note(struct claim_list *l, const struct ip_prefix *p)
{
	if (l->n < sizeof l->c / sizeof l->c[0])
		l->c[l->n++] = claim_of(p);
}

static bool
prefix_from(const ProtobufCBinaryData *d, unsigned len, struct ip_prefix *out)
{
	*out = (struct ip_prefix){ .len = (uint8_t)len };
	return ip_addr_from(d->data, d->len, &out->addr) && len <= 8 * ip_addr_len(&out->addr);
}

/* Address octets and one octet of length; what is neither is not a route. */
static bool
route_from(const ProtobufCBinaryData *d, struct ip_prefix *out)
{
	ProtobufCBinaryData addr = { d->len ? d->len - 1 : 0, d->data };

	return d->len > 1 && prefix_from(&addr, d->data[d->len - 1], out);
}

/* As client: what this host reaches through the call. */
static void
claim_dial_routes(const struct dp *dp, const Row__Subscriber *row, struct claim_list *l)
{
	for (unsigned i = 0; i < dp->dials; i++) {
		if (strcmp(dp->dial[i].user, row->user) != 0)
			continue;
		for (unsigned k = 0; k < dp->dial[i].route_count; k++)
			claim_note(l, &dp->dial[i].routes[k]);
	}
}

static bool
claims_same(const struct dp_cold *cold, const struct claim_list *l)
{
	if (l->n != cold->claims)
		return false;
	for (unsigned i = 0; i < l->n; i++) {
		if (!claim_eq(&l->c[i], &cold->claim[i]))
			return false;
	}
	return true;
}

static void
claims_set(struct dp *dp, struct dp_session *s, const struct claim_list *l)
{
	struct dp_cold *cold = cold_of(dp, s);
	uint32_t had;

	if (claims_same(cold, l))
		return;
	claims_drop(dp, s);
	if (l->n == 0)
		return;
	cold->claim = malloc(l->n * sizeof l->c[0]);
	for (unsigned i = 0; i < l->n; i++) {
		const struct dp_claim *c = &l->c[i];
		if (!cold->claim ||
		    !fib_claim(fib_for(dp, c), c->hi, c->lo, c->len, s->index, &had)) {
			dp->count[DP_COUNT_ROWS_NO_MEMORY]++;
			return;
		}
		cold->claim[cold->claims++] = *c;
		cold->beyond |= !pooled(dp, c);
		if (had != FIB_NONE && had != s->index)
			dp->count[DP_COUNT_ROUTE_TWICE]++;
	}
	dp->kernel_version += cold->beyond;
}

/* As client the addresses are this host's own, and the kernel's to hold. */
static void
own_set(struct dp *dp, struct dp_session *s, struct ip_addr v4, struct ip_addr v6)
{
	struct dp_cold *cold = cold_of(dp, s);

	if (ip_addr_eq(&v4, &cold->own[0]) && ip_addr_eq(&v6, &cold->own[1]))
		return;
	cold->own[0] = v4;
	cold->own[1] = v6;
	dp->kernel_version++;
}

static void
own_addresses(struct dp *dp, struct dp_session *s, const Row__Subscriber *row)
{
	struct ip_addr v4 = { 0 }, v6 = { 0 };

	if (row->client && row->forwarding) {
		ip_addr_from(row->ipv4.data, row->ipv4.len, &v4);
		ip_addr_from(row->ipv6_prefix.data, row->ipv6_prefix.len, &v6);
	}
	if (v4.family != 4)
		v4 = (struct ip_addr){ 0 };
	if (v6.family == 6) {
		put_u32(v6.b + 8, (uint32_t)(row->ipv6_iid_local >> 32));
		put_u32(v6.b + 12, (uint32_t)row->ipv6_iid_local);
	} else {
		v6 = (struct ip_addr){ 0 };
	}
	own_set(dp, s, v4, v6);
}

static void
subscriber_addresses(struct dp *dp, struct dp_session *s, const Row__Subscriber *row)
{
	static struct claim_list l; /* large, and nobody else is in here: one thread */
	struct ip_prefix p;
	struct dp_claim c;

	l.n = 0;
	s->ipv4 = 0;
	s->v6 = s->pd = ~0ull; /* with mask 0: no address fits */
	s->v6_mask = s->pd_mask = 0;
	s->flags &= (uint16_t) ~(S_V4 | S_V6);
	if (prefix_from(&row->ipv4, 32, &p) && p.addr.family == 4) {
		s->flags |= S_V4;
		s->ipv4 = load32(p.addr.b);
		if (!row->client)
			claim_note(&l, &p);
	}
	if (row->ipv6_iid_local || row->ipv6_prefix.len == 16)
		s->flags |= S_V6;
	if (prefix_from(&row->ipv6_prefix, row->ipv6_prefix_len, &p) && p.addr.family == 6) {
		c = claim_of(&p);
		if (p.len <= 64)
			fast_prefix(&c, &s->v6, &s->v6_mask);
		if (!row->client)
			claim_note(&l, &p);
	}
	if (prefix_from(&row->delegated_prefix, row->delegated_prefix_len, &p) &&
	    p.addr.family == 6) {
		c = claim_of(&p);
		if (p.len <= 64)
			fast_prefix(&c, &s->pd, &s->pd_mask);
		if (!row->client)
			claim_note(&l, &p);
	}
	for (size_t i = 0; i < row->n_routes; i++) {
		if (route_from(&row->routes[i], &p))
			claim_note(&l, &p);
		else
			dp->count[DP_COUNT_ROWS_BAD]++;
	}
	if (row->client)
		claim_dial_routes(dp, row, &l);
	if (!row->forwarding)
		l.n = 0;
	claims_set(dp, s, &l);
	own_addresses(dp, s, row);
}

static void
subscriber_remove(struct dp *dp, struct dp_session *s)
{
	struct dp_cold *c = cold_of(dp, s);

	claims_drop(dp, s);
	trunk_end(dp, s);
	own_set(dp, s, (struct ip_addr){ 0 }, (struct ip_addr){ 0 });
	s->flags &= (uint16_t) ~(S_FORWARDING | S_V4 | S_V6 | S_CHECK | S_CLIENT);
	s->mtu = 1500;
	c->acfc = c->pfc = c->has_sub = false;
	head_write(dp, s, c);
	session_settle(dp, s);
}

/* Rules of steering name users, whose names are the row's. */
static void
user_set(struct dp *dp, struct dp_session *s, const char *name)
{
	const uint64_t user = steer_user(name);
	struct dp_cold *c = cold_of(dp, s);

	if (c->user == user)
		return;
	if (s->flags & S_TRUNK)
		steer_remove(dp, s);
	c->user = user;
	if (s->flags & S_TRUNK)
		steer_add(dp, s);
}

static bool
apply_subscriber(struct dp *dp, struct span key, const Row__Subscriber *row)
{
	uint16_t tunnel, session;
	struct dp_session *s;
	struct dp_cold *c;
	struct ip_addr local;

	if (!key_session_read(key, &tunnel, &session))
		return false;
	s = session_find(dp, session_key(tunnel, session));
	if (!row) {
		if (s && cold_of(dp, s)->has_sub)
			subscriber_remove(dp, s);
		return true;
	}
	s = s ? s : session_have(dp, tunnel, session);
	if (!s)
		return true;
	c = cold_of(dp, s);
	c->has_sub = c->keep_sub = true;
	s->flags &= (uint16_t) ~(S_FORWARDING | S_CHECK | S_CLIENT);
	s->flags |= row->client ? S_CLIENT : dp->source_check || row->source_check ? S_CHECK : 0;
	if (row->forwarding)
		s->flags |= S_FORWARDING;
	s->mtu = (uint16_t)(row->mtu < 68      ? 1500
			    : row->mtu > 65535 ? 65535
					       : row->mtu); /* RFC 791: 68 at least */
	c->local4 =
	    ip_addr_from(row->ipv4_local.data, row->ipv4_local.len, &local) && local.family == 4
		? load32(local.b)
		: 0;
	c->local_iid = row->ipv6_iid_local;
	c->acfc = row->acfc;
	c->pfc = row->pfc;
	user_set(dp, s, row->user);
	head_write(dp, s, c);
	subscriber_addresses(dp, s, row);
	trunk_apply(dp, s, row->forwarding ? row->trunk : NULL);
	return true;
}

/*
 * Of a session that is another worker's, or while we are the shadow: what the sender may have used.
 * Our own lease never comes this way (the feed leaves out our own records), except in a load.
 */
static bool
apply_data_ns(struct dp *dp, struct span key, const Row__DataNs *row)
{
	uint16_t tunnel, session;
	struct dp_session *s;

	if (!key_session_read(key, &tunnel, &session))
		return false;
	s = session_find(dp, session_key(tunnel, session));
	if (row && (!s || !cold_of(dp, s)->has_call))
		ns_orphan(dp, session_key(tunnel, session));
	if (!row || !s)
		return true;
	if (s->restarts != (uint16_t)row->restarts) {
		const struct dp_tunnel *t = dp->tunnel[tunnel];
		if (!t || s->restarts == t->restarts)
			return true; /* of the sequence before */
		s->restarts = (uint16_t)row->restarts;
		s->ns_lease = row->below - 1;
	}
	if (s->ns_lease == 0 || (int32_t)(row->below - s->ns_lease) > 0) { /* 0: none yet */
		s->ns_next = s->ns_lease = row->below;
		ns_answered(dp, cold_of(dp, s));
	}
	ns_wish(dp, s);
	return true;
}

void
dp_apply(struct dp *dp, enum table table, struct span key, const ProtobufCMessage *row)
{
	bool sense;

	switch (table) {
	case TABLE_TUNNEL:
		sense = tunnel_apply(dp, key, (const Row__Tunnel *)row);
		break;
	case TABLE_CALL:
		sense = apply_call(dp, key, (const Row__Call *)row);
		break;
	case TABLE_SUBSCRIBER:
		sense = apply_subscriber(dp, key, (const Row__Subscriber *)row);
		break;
	case TABLE_DATA_NS:
		sense = apply_data_ns(dp, key, (const Row__DataNs *)row);
		break;
	case TABLE_TRUNK_CTX:
		sense = trunk_rows_apply(dp, key, (const Row__TrunkCtx *)row);
		break;
	default:
		return;
	}
	dp->count[sense ? DP_COUNT_ROWS : DP_COUNT_ROWS_BAD]++;
}

void
dp_load_begin(struct dp *dp)
{
	for (unsigned i = 0; i < 65536; i++) {
		if (dp->tunnel[i])
			dp->tunnel[i]->keep = false;
	}
	for (uint32_t i = 0; i < dp->top; i++) {
		struct dp_cold *c = &dp->cold[i / PAGE_SESSIONS][i % PAGE_SESSIONS];
		c->keep_call = c->keep_sub = false;
	}
}

void
dp_load_end(struct dp *dp)
{
	for (uint32_t i = 0; i < dp->top; i++) {
		struct dp_cold *c = &dp->cold[i / PAGE_SESSIONS][i % PAGE_SESSIONS];
		if (c->used && c->has_sub && !c->keep_sub)
			subscriber_remove(dp, session_at(dp, i));
		if (c->used && c->has_call && !c->keep_call)
			call_remove(dp, session_at(dp, i));
	}
	for (unsigned i = 0; i < 65536; i++) {
		if (dp->tunnel[i] && !dp->tunnel[i]->keep)
			tunnel_remove(dp, (uint16_t)i);
	}
}

/* ---- the whole --------------------------------------------------------------------------- */

void
dp_configure(struct dp *dp, const struct conf *conf)
{
	dp->mss_clamp = conf->data.mss_clamp;
	dp->resync = conf->data.resync_packets ? conf->data.resync_packets : RESYNC;
	dp->dscp_copy = conf->data.dscp_copy;
	dp->source_check = conf->data.source_check;
	dp->icmp_too_big = conf->data.icmp_too_big;
	dp->session_rate = rate_of(conf->data.punt_session_pps);
	dp->tunnel_rate = rate_of(conf->data.punt_tunnel_pps);
	dp->peer_rate = rate_of(conf->data.punt_peer_pps);
	dp->pools = conf->pools <= CONF_POOLS ? conf->pools : CONF_POOLS;
	memcpy(dp->pool, conf->pool, dp->pools * sizeof dp->pool[0]);
	dp->dials = conf->dials <= CONF_DIALS ? conf->dials : CONF_DIALS;
	for (unsigned i = 0; i < dp->dials; i++) {
		memcpy(dp->dial[i].user, conf->dial[i].user, sizeof dp->dial[i].user);
		memcpy(dp->dial[i].routes, conf->dial[i].routes, sizeof dp->dial[i].routes);
		dp->dial[i].route_count = conf->dial[i].route_count;
	}
	steer_configure(dp, conf);
}

struct dp *
dp_new(const struct conf *conf, unsigned worker, uint64_t seed)
{
	struct dp *dp = aligned_alloc(64, (sizeof *dp + 63) & ~(size_t)63);

	if (!dp)
		return NULL;
	memset(dp, 0, sizeof *dp);
	dp->seed = seed;
	dp->worker = worker;
	dp->workers = conf->data.workers ? conf->data.workers : 1;
	dp->icmp_rate = rate_of(20);
	dp_configure(dp, conf);
	dp->gone = malloc(DP_GONE * sizeof *dp->gone);
	if (!dp->gone || !fib_init(&dp->v4) || !fib_init(&dp->v6) ||
	    !index_grow(dp, INDEX_FIRST_BITS)) {
		dp_free(dp);
		return NULL;
	}
	return dp;
}

void
dp_free(struct dp *dp)
{
	if (!dp)
		return;
	for (uint32_t i = 0; i < dp->top; i++) {
		free(dp->cold[i / PAGE_SESSIONS][i % PAGE_SESSIONS].claim);
		trunk_free(dp->cold[i / PAGE_SESSIONS][i % PAGE_SESSIONS].trunk);
		free(dp->cold[i / PAGE_SESSIONS][i % PAGE_SESSIONS].form);
		free(dp->cold[i / PAGE_SESSIONS][i % PAGE_SESSIONS].ctx.bits);
	}
	trunk_rows_fini(dp);
	free(dp->trunk);
	free(dp->trunk_room);
	for (unsigned i = 0; i < PAGES; i++) {
		free(dp->page[i]);
		free(dp->cold[i]);
	}
	for (unsigned i = 0; i < 65536; i++)
		free(dp->tunnel[i]);
	fib_fini(&dp->v4);
	fib_fini(&dp->v6);
	free(dp->slot);
	free(dp->free_list);
	free(dp->wish);
	free(dp->orphan);
	free(dp->gone);
	free(dp);
}

const struct dp_out *
dp_out(const struct dp *dp)
{
	return &dp->out;
}

const struct dp_ends *
dp_ends_of(const struct dp *dp, uint32_t tunnel)
{
	return tunnel <= 65535 && dp->tunnel[tunnel] ? &dp->tunnel[tunnel]->ends : NULL;
}

void
dp_path_mtu(struct dp *dp, uint16_t tunnel, unsigned octets)
{
	if (dp->tunnel[tunnel])
		dp->tunnel[tunnel]->room = (uint16_t)(octets < 68      ? 68
						      : octets > 65535 ? 65535
								       : octets);
}

uint64_t *
dp_drops(struct dp *dp)
{
	return dp->drop;
}

uint64_t *
dp_counts(struct dp *dp)
{
	return dp->count;
}

unsigned
dp_sessions(const struct dp *dp)
{
	return dp->sessions;
}

unsigned
dp_tunnels(const struct dp *dp)
{
	return dp->tunnels;
}

unsigned
dp_session_slots(const struct dp *dp)
{
	return dp->top;
}

unsigned
dp_usage_gone(const struct dp *dp)
{
	return dp->gones;
}

unsigned
dp_usage_next(struct dp *dp, unsigned look, struct dp_usage *out, unsigned room)
{
	unsigned n = 0;

	while (n < room && dp->gones)
		out[n++] = dp->gone[--dp->gones];
	for (; look && n < room && dp->top; look--, dp->usage_at++) {
		if (dp->usage_at >= dp->top)
			dp->usage_at = 0;
		struct dp_session *s = session_at(dp, dp->usage_at);
		struct dp_cold *c = cold_of(dp, s);
		if (!c->used || moved(s) == c->told)
			continue;
		out[n++] = usage_of(s);
		c->told = moved(s);
	}
	return n;
}
