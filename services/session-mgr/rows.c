// SPDX-License-Identifier: Apache-2.0
/*
 * Rows in: the one way by which replicated state changes.  The active applies what it emits, the standby
 * what it is fed, a process that starts what it reads; all three come through sm_apply().
 */
#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "sm_int.h"

/* ---- The population. */

/* uthash uses the low bits. */
static unsigned
sess_hash(uint32_t key)
{
	return (unsigned)(key * 0x9e3779b97f4a7c15u >> 32);
}

/* Records of one session come together, and each lookup costs a miss of the processor's caches or two. */
struct sess *
sess_find(struct sm *sm, uint16_t tunnel, uint16_t session)
{
	uint32_t key = (uint32_t)tunnel << 16 | session;
	struct sess *s = sm->found;

	if (s && s->key == key)
		return s;
	HASH_FIND_BYHASHVALUE(hh, sm->all, &key, sizeof key, sess_hash(key), s);
	if (s)
		sm->found = s;
	return s;
}

struct sess *
sess_make(struct sm *sm, uint16_t tunnel, uint16_t session)
{
	struct sess *s = sess_find(sm, tunnel, session);

	if (s)
		return s;
	s = calloc(1, sizeof *s);
	if (!s) {
		sm_count(sm, SM_NO_MEMORY);
		return NULL;
	}
	s->key = (uint32_t)tunnel << 16 | session;
	HASH_ADD_BYHASHVALUE(hh, sm->all, key, sizeof s->key, sess_hash(s->key), s);
	return s;
}

void
sess_counted(struct sm *sm, struct sess *s)
{
	const uint8_t now = s->link && !s->forwarding;

	sm->negotiating += (unsigned)now - s->negotiating;
	s->negotiating = now;
	sm_pace(sm);
}

static void
sess_free(struct sm *sm, struct sess *s)
{
	sm->negotiating -= s->negotiating;
	early_drop(sm, s);
	struct lease *l;

	while ((l = s->held)) {
		s->held = l->next_held;
		l->next_held = NULL;
	}
	due_set(&sm->due, &s->due, MONO_NEVER);
	if (sm->found == s)
		sm->found = NULL;
	HASH_DELETE(hh, sm->all, s);
	name_drop(&sm->names, s->dial);
	free(s->info);
	free(s->ppp);
	free(s->saved);
	free(s->sub);
	free(s->usage);
	free(s);
}

void
sess_drop_if_empty(struct sm *sm, struct sess *s)
{
	if (!s->call && !s->link && !s->sub && !s->held && !s->usage && !s->info && !s->early && !s->dirty && !s->in_step)
		sess_free(sm, s);
}

void
sess_mark(struct sm *sm, struct sess *s)
{
	if (!sm->active) {
		sess_drop_if_empty(sm, s);
		return;
	}
	if (s->dirty)
		return;
	s->dirty = true;
	s->dirty_next = NULL;
	*sm->dirty_tail = s;
	sm->dirty_tail = &s->dirty_next;
}

struct tun *
tun_find(struct sm *sm, uint16_t id)
{
	struct tun *t;

	HASH_FIND(hh, sm->tuns, &id, sizeof id, t);
	return t;
}

/* Rows count roles 1, 2, 3 (proto/rows.proto); the configuration has a bit for each. */
static uint8_t
role_of(uint32_t row)
{
	return row == 3 ? ROLE_CLIENT : (uint8_t)row;
}

static void
tun_free(struct sm *sm, struct tun *t)
{
	HASH_DELETE(hh, sm->tuns, t);
	name_drop(&sm->names, t->profile);
	name_drop(&sm->names, t->peer_host);
	free(t);
}

void
sm_forget_all(struct sm *sm)
{
	struct sess *s, *tmp;
	struct tun *t, *tt;
	struct lease *l, *lt;

	sm->dirty = NULL;
	sm->dirty_tail = &sm->dirty;
	HASH_ITER (hh, sm->all, s, tmp)
		sess_free(sm, s);
	HASH_ITER (hh, sm->tuns, t, tt)
		tun_free(sm, t);
	HASH_ITER (hh, sm->pools.by_addr, l, lt)
		pools_remove(&sm->pools, l);
	acctq_forget(sm);
}

/* Room for exactly n octets; what was there is lost, but on failure. */
static bool
keep_room(uint8_t **p, uint16_t *len, size_t n)
{
	uint8_t *room = NULL;

	if (n > UINT16_MAX)
		return false;
	if (n == *len)
		return true;
	if (n && !(room = malloc(n)))
		return false;
	free(*p);
	*p = room;
	*len = (uint16_t)n;
	return true;
}

static bool
keep_octets(uint8_t **p, uint16_t *len, const void *from, size_t n)
{
	if (!keep_room(p, len, n))
		return false;
	if (n)
		memcpy(*p, from, n);
	return true;
}

/* A row that was just made, as the store will hold it; larger than any but a few. */
static bool
keep_packed(uint8_t **p, uint16_t *len, const ProtobufCMessage *row)
{
	if (!keep_room(p, len, protobuf_c_message_get_packed_size(row)))
		return false;
	protobuf_c_message_pack(row, *p);
	return true;
}

static struct name *
name_of(struct sm *sm, const char *text)
{
	return name_take(&sm->names, text, strlen(text));
}

bool
same_call(const struct call_ident *a, const struct call_ident *b)
{
	return a->peer_id == b->peer_id && a->serial == b->serial && a->since == b->since;
}

/* ---- Tables of tunnel-ctl. */

static void
apply_tunnel(struct sm *sm, uint16_t id, const Row__Tunnel *row)
{
	struct tun *t = tun_find(sm, id);

	if (t)
		tun_free(sm, t);
	if (!row)
		return;
	t = calloc(1, sizeof *t);
	if (!t) {
		sm_count(sm, SM_NO_MEMORY);
		return;
	}
	t->id = id;
	t->role = role_of(row->role);
	t->profile = name_of(sm, row->profile);
	t->peer_host = name_of(sm, row->peer_host);
	ip_addr_from(row->local_addr.data, row->local_addr.len, &t->local);
	ip_addr_from(row->peer_addr.data, row->peer_addr.len, &t->peer);
	HASH_ADD(hh, sm->tuns, id, sizeof t->id, t);
}

static void
apply_call(struct sm *sm, struct sess *s, const Row__Call *row)
{
	s->call = row != NULL;
	s->call_up = row && row->state == CALL_ESTABLISHED;
	s->call_role = 0;
	s->call_ident = (struct call_ident){ 0 };
	if (row) {
		name_drop(&sm->names, s->dial);
		s->dial = row->user_ref[0] ? name_of(sm, row->user_ref) : NULL;
		s->call_role = role_of(row->role);
		s->call_ident = (struct call_ident){ (uint16_t)row->peer_id, row->serial, row->since };
	}
}

/* Once the subscriber row carries what matters of it, the row is not worth its memory. */
static bool
info_needed(const struct sess *s)
{
	return !s->sub || !s->link || !s->call || !same_call(&s->call_ident, &s->link_ident);
}

static void
apply_info(struct sm *sm, struct sess *s, struct span row, bool removed)
{
	if (removed || !info_needed(s))
		row.len = 0;
	if (!keep_octets(&s->info, &s->info_len, row.p, row.len))
		sm_count(sm, SM_NO_MEMORY);
}

const Row__CallInfo *
sess_info(struct sm *sm, const struct sess *s)
{
	arena_reset(&sm->info_arena);
	return s->info ? row_unpack(&sm->info_arena, TABLE_CALL_INFO, span_of(s->info, s->info_len)) : NULL;
}

/* ---- Ours. */

static void
apply_link(struct sm *sm, struct sess *s, const Row__Link *row)
{
	s->link = row != NULL;
	sess_counted(sm, s);
	if (!row || row->hangup) {
		free(s->ppp);
		s->ppp = NULL;
	}
	if (!row) {
		keep_octets(&s->saved, &s->saved_len, NULL, 0);
		s->hangup = s->phase = 0;
		return;
	}
	s->phase = (uint8_t)row->phase;
	s->hangup = row->hangup;
	s->client = row->client;
	s->mtu = (uint16_t)row->mtu;
	s->pfc = row->pfc;
	s->acfc = row->acfc;
	s->accm_send = row->accm_send;
	s->accm_recv = row->accm_recv;
	s->accm_known = row->accm_known;
	s->link_ident = (struct call_ident){ (uint16_t)row->call_peer_id, row->call_serial, row->call_since };
	/* The active holds the machine itself: what it just saved is what it is. */
	if (!sm->active && !keep_octets(&s->saved, &s->saved_len, row->automata.data, row->automata.len))
		sm_count(sm, SM_NO_MEMORY);
}

static void
apply_subscriber(struct sm *sm, struct sess *s, struct span packed, const Row__Subscriber *row)
{
	bool kept = row && !packed.len ? keep_packed(&s->sub, &s->sub_len, &row->base)
				       : keep_octets(&s->sub, &s->sub_len, packed.p, row ? packed.len : 0);

	if (!kept)
		sm_count(sm, SM_NO_MEMORY);
	s->forwarding = row && row->forwarding;
	sess_counted(sm, s);
	s->session_timeout = row ? row->session_timeout : 0;
	s->idle_timeout = row ? row->idle_timeout : 0;
	s->interim = row ? row->interim : 0;
	s->since = row ? row->since : 0;
	if (!info_needed(s))
		keep_octets(&s->info, &s->info_len, NULL, 0);
}

static void
unhold(struct sm *sm, struct lease *l)
{
	struct sess *s = l && lease_held(l) ? sess_find(sm, l->tunnel, l->session) : NULL;
	struct lease **at;

	if (!s)
		return;
	for (at = &s->held; *at && *at != l; at = &(*at)->next_held)
		;
	if (*at)
		*at = l->next_held;
	l->next_held = NULL;
	sess_mark(sm, s);
}

static void
hold(struct sm *sm, struct lease *l)
{
	struct sess *s = sess_make(sm, l->tunnel, l->session);

	if (!s)
		return;
	l->next_held = s->held;
	s->held = l;
	sess_mark(sm, s);
}

/* A lease row's key: pool, NUL, 4 or 16 octets. */
static bool
lease_key_read(struct span key, struct lease_key *out)
{
	const uint8_t *nul = key.len ? memchr(key.p, 0, key.len) : NULL;
	struct ip_prefix p = { 0 };

	if (!nul || !ip_addr_from(nul + 1, key.len - (size_t)(nul + 1 - key.p), &p.addr))
		return false;
	p.len = p.addr.family == 4 ? 32 : 128;
	*out = lease_key_of(&p);
	return true;
}

static bool
apply_lease(struct sm *sm, struct span key, const Row__Lease *row)
{
	struct lease_key k;
	struct lease *l;

	if (!lease_key_read(key, &k))
		return false;
	l = pools_lease(&sm->pools, &k);
	if (!row) {
		/* Only the row of that pool: the address may have moved to another one since. */
		if (l && strlen(name_text(l->pool_name)) == strnlen((const char *)key.p, key.len) &&
		    memcmp(name_text(l->pool_name), key.p, l->pool_name->len) == 0) {
			unhold(sm, l);
			pools_remove(&sm->pools, l);
		}
		return true;
	}
	if (row->prefix_len == 0 || row->prefix_len > k.len || row->tunnel > UINT16_MAX || row->session > UINT16_MAX)
		return false;
	k.len = (uint8_t)row->prefix_len;
	unhold(sm, l);
	l = pools_apply(&sm->pools, &k, row->pool, row->user, (uint16_t)row->tunnel, (uint16_t)row->session, row->since);
	if (l && lease_held(l))
		hold(sm, l);
	return l != NULL;
}

/* ---- The door.  `packed` is empty where the row was not read but made here. */

static bool
apply_session_row(struct sm *sm, enum table table, struct span key, struct span packed, const void *row)
{
	uint16_t tunnel, session;
	struct sess *s;

	if (!key_session_read(key, &tunnel, &session))
		return false;
	s = row ? sess_make(sm, tunnel, session) : sess_find(sm, tunnel, session);
	if (!s)
		return !row;
	switch (table) {
	case TABLE_CALL:
		apply_call(sm, s, row);
		break;
	case TABLE_CALL_INFO:
		apply_info(sm, s, packed, !row);
		break;
	case TABLE_LINK:
		apply_link(sm, s, row);
		break;
	case TABLE_SUBSCRIBER:
		apply_subscriber(sm, s, packed, row);
		break;
	case TABLE_USAGE:
		usage_apply(s, row);
		break;
	default:
		break;
	}
	if (table == TABLE_CALL || !row)
		sess_mark(sm, s);
	return true;
}

static bool
apply_row(struct sm *sm, enum table table, struct span key, struct span packed, const void *row)
{
	uint16_t tunnel;

	switch (table) {
	case TABLE_TUNNEL:
		if (!key_tunnel_read(key, &tunnel))
			return false;
		apply_tunnel(sm, tunnel, row);
		return true;
	case TABLE_LEASE:
		return apply_lease(sm, key, row);
	case TABLE_ACCT:
		if (key.len == 0 || key.len > ACCT_KEY_MAX)
			return false;
		acctq_apply(sm, key, row);
		return true;
	default:
		return apply_session_row(sm, table, key, packed, row);
	}
}

static bool
concerns_us(enum table t)
{
	switch (t) {
	case TABLE_TUNNEL:
	case TABLE_CALL:
	case TABLE_CALL_INFO:
	case TABLE_LINK:
	case TABLE_SUBSCRIBER:
	case TABLE_LEASE:
	case TABLE_USAGE:
	case TABLE_ACCT:
		return true;
	default:
		return false;
	}
}

void
sm_apply(struct sm *sm, enum table table, struct span key, struct span packed, bool removed)
{
	const void *row = NULL;

	if (!concerns_us(table))
		return;
	if (!removed) {
		arena_reset(&sm->apply_arena);
		row = row_unpack(&sm->apply_arena, table, packed);
	}
	if ((!row && !removed) || !apply_row(sm, table, key, packed, row))
		sm_count(sm, SM_ROWS_UNREADABLE);
}

/*
 * Record and apply: the same row, the same way, on the active as on its shadow.  The sink packs it; here it is
 * applied as it stands, since packing and unpacking gives back what went in.  A subscriber is kept packed, and
 * so is packed here, once for both.
 */
void
put(struct sm *sm, struct sink *sink, enum table table, struct span key, const ProtobufCMessage *row)
{
	uint8_t room[4096];
	struct span packed = span_of(NULL, 0);

	if (table == TABLE_SUBSCRIBER && row)
		packed = message_pack(row, room, sizeof room);
	if (packed.p && sink->packed)
		sink->packed(sink, table, key, packed);
	else
		sink_record(sink, table, key, row);
	if (!apply_row(sm, table, key, packed, row))
		sm_count(sm, SM_ROWS_UNREADABLE);
}

void
put_lease(struct sm *sm, struct sink *sink, const struct lease_key *k, const char *pool, const char *user,
	  uint16_t tunnel, uint16_t session, uint64_t since)
{
	Row__Lease row = ROW__LEASE__INIT;
	size_t n = k->family == 4 ? 4 : 16;
	struct key key = key_text_addr(pool, k->b, n);
	uint8_t addr[16];

	memcpy(addr, k->b, sizeof addr);
	row.pool = (char *)pool;
	row.user = (char *)user;
	row.addr = (ProtobufCBinaryData){ n, addr };
	row.prefix_len = k->len;
	row.tunnel = tunnel;
	row.session = session;
	row.since = since;
	put(sm, sink, TABLE_LEASE, key_span(&key), &row.base);
}

void
remove_lease(struct sm *sm, struct sink *sink, const struct lease *l)
{
	struct key key = key_text_addr(name_text(l->pool_name), l->key.b, l->key.family == 4 ? 4 : 16);

	put(sm, sink, TABLE_LEASE, key_span(&key), NULL);
}
