// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of our tables, and the one way in which state changes: put_x() hands a row to the sink and
 * applies it; tc_apply() applies one that came packed, from the active twin or from the store
 * (design, 3).
 *
 * A stored row may say anything: lengths are cut, numbers are narrowed, rows without their tunnel
 * or call are counted and ignored.
 */
#include "dialect.h"

#include <stdlib.h>
#include <string.h>

#include "base/message.h"

#define DIGESTS (1u << L2TP3_HMAC_MD5 | 1u << L2TP3_HMAC_SHA1)

static ProtobufCBinaryData
octets(const void *p, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)(uintptr_t)p };
}

static void
take_text(char *to, size_t cap, const char *from)
{
	size_t n;

	if (to == from)
		return;
	n = from ? strnlen(from, cap - 1) : 0;
	memcpy(to, from ? from : "", n);
	memset(to + n, 0, cap - n);
}

static uint8_t
take_octets(uint8_t *to, size_t cap, ProtobufCBinaryData from)
{
	size_t n = from.len < cap ? from.len : cap;

	if (n)
		memmove(to, from.data, n);
	return (uint8_t)n;
}

/* ---- tunnel --------------------------------------------------------------------------- */

static void
endpoint_row(const struct endpoint *e, ProtobufCBinaryData *addr, uint32_t *port)
{
	*addr = octets(e->addr.b, ip_addr_len(&e->addr));
	*port = e->port;
}

static struct endpoint
row_endpoint(ProtobufCBinaryData addr, uint32_t port)
{
	struct endpoint e = { .port = (uint16_t)port };

	ip_addr_from(addr.data, addr.len, &e.addr);
	return e;
}

Row__Tunnel
tunnel_row(const struct tunnel *t)
{
	Row__Tunnel r = ROW__TUNNEL__INIT;

	r.id = t->id;
	r.peer_id = t->peer_id;
	r.state = t->state;
	r.role = t->role;
	endpoint_row(&t->local, &r.local_addr, &r.local_port);
	endpoint_row(&t->peer, &r.peer_addr, &r.peer_port);
	r.profile = (char *)t->profile;
	r.peer_host = (char *)t->peer_host;
	r.peer_vendor = (char *)t->peer_vendor;
	r.peer_firmware = t->peer_firmware;
	r.peer_framing = t->peer_framing;
	r.peer_bearer = t->peer_bearer;
	r.peer_window = t->peer_window;
	r.tie_breaker = octets(t->tie_breaker, t->tie_len);
	r.challenge_sent = octets(t->challenge_sent, t->challenge_sent_len);
	r.failover_flags = t->failover_flags;
	r.failover_ms = t->failover_ms;
	r.since = t->since;
	r.draining = t->draining;
	r.result = t->result;
	r.error = t->error;
	r.message = (char *)t->message;
	r.initiated = t->initiated;
	r.lns_group = (char *)t->lns_group;
	r.lns_member = t->lns_member;
	r.multicast_capable = t->multicast_capable;
	r.ecn_capable = t->ecn_capable;
	r.failover_ours = t->failover_ours;
	r.epoch = t->epoch;
	r.recovery = t->recovery;
	r.recovers = t->recovers;
	r.suggested = t->suggested;
	r.suggested_ns = t->suggested_ns;
	r.suggested_nr = t->suggested_nr;
	r.data_restarts = t->data_restarts;
	r.version = t->version == 3 ? 3 : 0;
	r.over_ip = t->over_ip;
	r.nonce = octets(t->nonce, t->nonce_len);
	r.peer_nonce = octets(t->peer_nonce, t->peer_nonce_len);
	r.digests = t->digests;
	r.peer_router = t->peer_router;
	return r;
}

static void
apply_tunnel_numbers(struct tunnel *t, const Row__Tunnel *r)
{
	t->state = r->state < CC_STATES ? (uint8_t)r->state : CC_CLOSING;
	t->role = (uint8_t)r->role;
	t->peer_firmware = (uint16_t)r->peer_firmware;
	t->peer_framing = r->peer_framing;
	t->peer_bearer = r->peer_bearer;
	t->peer_window = (uint16_t)r->peer_window;
	t->failover_flags = r->failover_flags;
	t->failover_ms = r->failover_ms;
	t->since = r->since;
	t->draining = r->draining;
	t->result = (uint16_t)r->result;
	t->error = (uint16_t)r->error;
	t->initiated = r->initiated;
	t->lns_member = (uint8_t)r->lns_member;
	t->multicast_capable = r->multicast_capable;
	t->ecn_capable = r->ecn_capable;
	t->failover_ours = r->failover_ours;
	t->epoch = r->epoch;
	t->recovery = r->recovery < REC_STATES ? (uint8_t)r->recovery : REC_NONE;
	t->recovers = (uint16_t)r->recovers;
	t->suggested = r->suggested;
	t->suggested_ns = (uint16_t)r->suggested_ns;
	t->suggested_nr = (uint16_t)r->suggested_nr;
	t->data_restarts = r->data_restarts;
	t->version = r->version == 3 ? 3 : 2;
	t->over_ip = r->over_ip;
	t->digests = (uint8_t)(r->digests & DIGESTS);
	t->peer_router = r->peer_router;
}

static void
apply_tunnel_texts(struct tunnel *t, const Row__Tunnel *r)
{
	take_text(t->profile, sizeof t->profile, r->profile);
	take_text(t->peer_host, sizeof t->peer_host, r->peer_host);
	take_text(t->peer_vendor, sizeof t->peer_vendor, r->peer_vendor);
	take_text(t->message, sizeof t->message, r->message);
	take_text(t->lns_group, sizeof t->lns_group, r->lns_group);
	t->tie_len = take_octets(t->tie_breaker, sizeof t->tie_breaker, r->tie_breaker);
	t->challenge_sent_len = take_octets(t->challenge_sent, CHALLENGE_MAX, r->challenge_sent);
	t->nonce_len = take_octets(t->nonce, NONCE_MAX, r->nonce);
	t->peer_nonce_len = take_octets(t->peer_nonce, NONCE_MAX, r->peer_nonce);
}

static struct tunnel *
apply_tunnel(struct tc *tc, uint16_t id, const Row__Tunnel *r)
{
	struct tunnel *t = tunnel_find(tc, id);

	if (!t)
		t = tunnel_new(tc, id);
	if (!t)
		return NULL;
	struct endpoint local = row_endpoint(r->local_addr, r->local_port);
	struct endpoint peer = row_endpoint(r->peer_addr, r->peer_port);
	tunnel_count(tc, t, -1);
	bucket_remove(tc, t);
	t->local = local;
	t->peer = peer;
	t->peer_id = r->version == 3 ? r->peer_id : (uint16_t)r->peer_id;
	bucket_add(tc, t);
	lcce_remove(tc, t);
	apply_tunnel_numbers(t, r);
	lcce_add(tc, t);
	apply_tunnel_texts(t, r);
	tunnel_profile(tc, t);
	tunnel_count(tc, t, 1);
	chan_set_peer_window(&t->chan, t->peer_window);
	return t;
}

struct tunnel *
put_tunnel(struct tc *tc, const Row__Tunnel *r)
{
	struct key k = key_tunnel((uint16_t)r->id);

	sink_record(tc->out, TABLE_TUNNEL, key_span(&k), &r->base);
	struct tunnel *t = apply_tunnel(tc, (uint16_t)r->id, r);
	if (t)
		tunnel_touch(tc, t);
	return t;
}

/* ---- drain ---------------------------------------------------------------------------- */

static struct key
key_drain(void)
{
	return key_text("all");
}

void
put_drain(struct tc *tc, bool on)
{
	Row__Drain r = ROW__DRAIN__INIT;
	struct key k = key_drain();

	r.since = tc->wall_s ? tc->wall_s : 1;
	if (on == (tc->draining != 0))
		return;
	sink_record(tc->out, TABLE_DRAIN, key_span(&k), on ? &r.base : NULL);
	tc->draining = on ? r.since : 0;
}

static bool
apply_drain_row(struct tc *tc, struct span key, struct span row, bool removed)
{
	struct key k = key_drain();

	if (!span_eq(key, key_span(&k)))
		return false;
	tc->draining = 0;
	if (removed)
		return true;
	const Row__Drain *r = row_unpack(&tc->arena, TABLE_DRAIN, row);
	if (r)
		tc->draining = r->since ? r->since : 1;
	return r;
}

void
drop_tunnel(struct tc *tc, struct tunnel *t)
{
	struct key k = key_tunnel(t->id);
	struct call *c, *next;

	HASH_ITER (hh, t->by_id, c, next)
		drop_call(tc, c);
	while (t->chan.out.count)
		put_out(tc, t, t->chan.out.lo, span_of(NULL, 0));
	sink_record(tc->out, TABLE_TUNNEL_SEQ, key_span(&k), NULL);
	sink_record(tc->out, TABLE_TUNNEL, key_span(&k), NULL);
	tunnel_unlink(tc, t);
}

/* ---- tunnel_seq, tunnel_out ----------------------------------------------------------- */

static Row__TunnelSeq
seq_row(const struct chan_seq *s)
{
	Row__TunnelSeq r = ROW__TUNNEL_SEQ__INIT;

	r.ns = s->ns;
	r.nr = s->nr;
	r.peer_nr = s->peer_nr;
	return r;
}

static void
apply_seq(struct tunnel *t, const Row__TunnelSeq *r)
{
	chan_apply_seq(&t->chan, &(struct chan_seq){ .ns = (uint16_t)r->ns,
						     .nr = (uint16_t)r->nr,
						     .peer_nr = (uint16_t)r->peer_nr });
}

void
put_seq(struct tc *tc, struct tunnel *t)
{
	struct key k = key_tunnel(t->id);
	Row__TunnelSeq r = seq_row(&t->chan.seq);

	sink_record(tc->out, TABLE_TUNNEL_SEQ, key_span(&k), &r.base);
	apply_seq(t, &r);
}

void
put_out(struct tc *tc, struct tunnel *t, uint16_t ns, struct span message)
{
	struct key k = key_tunnel_ns(t->id, ns);
	Row__TunnelOut r = ROW__TUNNEL_OUT__INIT;

	r.message = octets(message.p, message.len);
	sink_record(tc->out, TABLE_TUNNEL_OUT, key_span(&k), message.len ? &r.base : NULL);
	if (!chan_apply_out(&t->chan, ns, message))
		bump(tc, N_NO_MEMORY);
}

/* ---- call ----------------------------------------------------------------------------- */

/* What only L2TPv3 and L2TPHC have. */
void
row_of_form(Row__Call *r, const struct call_form *f)
{
	r->cookie = octets(f->cookie, f->cookie_len);
	r->peer_cookie = octets(f->peer_cookie, f->peer_cookie_len);
	r->sublayer = f->sublayer;
	r->peer_sublayer = f->peer_sublayer;
	r->sequencing = f->sequencing;
	r->peer_sequencing = f->peer_sequencing;
	r->circuit_down = f->circuit_down;
	r->our_circuit_down = f->our_circuit_down;
	if (f->headerless)
		r->headerless = (Row__HeaderlessData *)(uintptr_t)&f->hc;
}

Row__Call
call_row(const struct call *c)
{
	Row__Call r = ROW__CALL__INIT;

	r.tunnel = c->t->id;
	r.id = c->id;
	r.peer_id = c->peer_id;
	r.state = c->state;
	r.kind = c->kind;
	r.role = c->role;
	r.seq_required = c->seq_required;
	r.serial = c->serial;
	r.since = c->since;
	r.result = c->result;
	r.error = c->error;
	r.seq_lns = c->seq_lns;
	if (c->user_ref)
		r.user_ref = c->user_ref;
	if (c->form)
		row_of_form(&r, c->form);
	return r;
}

static struct call_form
row_form(const Row__Call *r)
{
	struct call_form f = {
		.sublayer = r->sublayer,
		.peer_sublayer = r->peer_sublayer,
		.sequencing = (uint8_t)r->sequencing,
		.peer_sequencing = (uint8_t)r->peer_sequencing,
		.circuit_down = r->circuit_down,
		.our_circuit_down = r->our_circuit_down,
		.headerless = r->headerless != NULL,
	};

	f.cookie_len = take_octets(f.cookie, sizeof f.cookie, r->cookie);
	f.peer_cookie_len = take_octets(f.peer_cookie, sizeof f.peer_cookie, r->peer_cookie);
	if (r->headerless) {
		f.hc = *r->headerless;
		f.hc.base.n_unknown_fields = 0;
		f.hc.base.unknown_fields = NULL;
	}
	return f;
}

static void
apply_user_ref(struct call *c, const char *ref)
{
	if (ref == c->user_ref)
		return;
	if (c->user_ref && ref && strcmp(ref, c->user_ref) == 0)
		return;
	free(c->user_ref);
	c->user_ref = ref && *ref ? strndup(ref, CONF_NAME - 1) : NULL;
}

static bool
call_state_known(uint32_t state)
{
	return state <= CALL_WAIT_CS_ANSWER || state == CALL_ESTABLISHED || state == CALL_CLOSED;
}

static struct call *
apply_call(struct tc *tc, struct tunnel *t, uint16_t id, const Row__Call *r)
{
	struct call *c = call_find(t, id);

	if (!c)
		c = call_new(tc, t, id);
	if (!c)
		return NULL;
	const struct call_form form = row_form(r);
	call_set_peer(c, t->version == 3 ? r->peer_id : (uint16_t)r->peer_id);
	call_set_form(tc, c, &form);
	call_set_state(tc, c, call_state_known(r->state) ? (uint8_t)r->state : CALL_CLOSED);
	c->kind = (uint8_t)r->kind;
	c->role = (uint8_t)r->role;
	c->seq_required = r->seq_required;
	c->seq_lns = r->seq_lns;
	c->serial = r->serial;
	c->since = r->since;
	c->result = (uint16_t)r->result;
	c->error = (uint16_t)r->error;
	apply_user_ref(c, r->user_ref);
	return c;
}

struct call *
put_call(struct tc *tc, struct tunnel *t, const Row__Call *r)
{
	struct key k = key_session(t->id, (uint16_t)r->id);

	sink_record(tc->out, TABLE_CALL, key_span(&k), &r->base);
	tunnel_touch(tc, t);
	return apply_call(tc, t, (uint16_t)r->id, r);
}

void
drop_call(struct tc *tc, struct call *c)
{
	struct key k = key_session(c->t->id, c->id);

	if (c->info)
		sink_record(tc->out, TABLE_CALL_INFO, key_span(&k), NULL);
	sink_record(tc->out, TABLE_CALL, key_span(&k), NULL);
	tunnel_touch(tc, c->t);
	call_unlink(tc, c);
}

/* ---- call_info: kept packed, for it is long, and rarely looked at --------------------- */

static void
apply_info(struct tc *tc, struct call *c, struct span packed, const Row__CallInfo *r)
{
	uint8_t *copy =
	    packed.len == c->info_len && c->info ? c->info : malloc(packed.len ? packed.len : 1);

	if (!copy) {
		bump(tc, N_NO_MEMORY);
		return;
	}
	if (packed.len)
		memcpy(copy, packed.p, packed.len);
	if (copy != c->info)
		free(c->info);
	c->info = copy;
	c->info_len = (uint32_t)packed.len;
	c->accm_send = r->accm_send;
	c->accm_recv = r->accm_recv;
	c->accm_told = r->accm_told;
	c->proxy_lcp = r->last_sent_lcp.len || r->last_rcvd_lcp.len;
}

/* More octets than it packs to: cheaper than asking protobuf-c, which would go through it field by
 * field. */
static size_t
info_bound(const Row__CallInfo *r)
{
	return 512 + strlen(r->called) + strlen(r->calling) + strlen(r->sub_address) +
	       strlen(r->disconnect_message) + strlen(r->q931_text) + r->private_group.len +
	       r->init_rcvd_lcp.len + r->last_sent_lcp.len + r->last_rcvd_lcp.len +
	       r->proxy_auth_name.len + r->proxy_auth_challenge.len + r->proxy_auth_response.len +
	       r->access_line.len + r->remote_end.len + r->session_tie.len + r->n_line_errors * 10;
}

void
put_info(struct tc *tc, struct call *c, const Row__CallInfo *r)
{
	struct key k = key_session(c->t->id, c->id);
	size_t bound = info_bound(r);
	uint8_t *room = arena_alloc(&tc->arena, bound);
	struct span packed = room ? message_pack(&r->base, room, bound) : span_of(NULL, 0);

	if (!packed.p) {
		bump(tc, N_NO_MEMORY);
		return;
	}
	sink_record(tc->out, TABLE_CALL_INFO, key_span(&k), &r->base);
	apply_info(tc, c, packed, r);
}

Row__CallInfo *
call_info(struct tc *tc, const struct call *c)
{
	Row__CallInfo *r = NULL;

	if (c->info)
		r = (Row__CallInfo *)(uintptr_t)row_unpack(&tc->arena, TABLE_CALL_INFO,
							   span_of(c->info, c->info_len));
	if (!r) {
		r = arena_alloc(&tc->arena, sizeof *r);
		if (r)
			row__call_info__init(r);
	}
	return r;
}

/* ---- rows from elsewhere -------------------------------------------------------------- */

static bool
apply_tunnel_row(struct tc *tc, struct span key, struct span row, bool removed)
{
	uint16_t id;

	if (!key_tunnel_read(key, &id) || id == 0)
		return false;
	if (removed) {
		struct tunnel *t = tunnel_find(tc, id);
		if (t)
			tunnel_unlink(tc, t);
		return true;
	}
	const Row__Tunnel *r = row_unpack(&tc->arena, TABLE_TUNNEL, row);
	return r && apply_tunnel(tc, id, r);
}

static bool
apply_seq_row(struct tc *tc, struct span key, struct span row, bool removed)
{
	uint16_t id;
	struct tunnel *t;

	if (!key_tunnel_read(key, &id))
		return false;
	t = tunnel_find(tc, id);
	if (removed)
		return true; /* its tunnel goes next */
	const Row__TunnelSeq *r = t ? row_unpack(&tc->arena, TABLE_TUNNEL_SEQ, row) : NULL;
	if (!r)
		return false;
	apply_seq(t, r);
	return true;
}

static bool
apply_out_row(struct tc *tc, struct span key, struct span row, bool removed)
{
	uint16_t id, ns;
	struct tunnel *t;

	if (!key_tunnel_ns_read(key, &id, &ns))
		return false;
	t = tunnel_find(tc, id);
	if (!t)
		return removed;
	if (removed)
		return chan_apply_out(&t->chan, ns, span_of(NULL, 0));
	const Row__TunnelOut *r = row_unpack(&tc->arena, TABLE_TUNNEL_OUT, row);
	return r && r->message.len &&
	       chan_apply_out(&t->chan, ns, span_of(r->message.data, r->message.len));
}

static bool
apply_call_row(struct tc *tc, struct span key, struct span row, bool removed)
{
	uint16_t tunnel, id;
	struct tunnel *t;
	struct call *c;

	if (!key_session_read(key, &tunnel, &id) || id == 0)
		return false;
	t = tunnel_find(tc, tunnel);
	c = t ? call_find(t, id) : NULL;
	if (removed) {
		if (c)
			call_unlink(tc, c);
		return true;
	}
	const Row__Call *r = t ? row_unpack(&tc->arena, TABLE_CALL, row) : NULL;
	return r && apply_call(tc, t, id, r);
}

static bool
apply_info_row(struct tc *tc, struct span key, struct span row, bool removed)
{
	uint16_t tunnel, id;
	struct tunnel *t;
	struct call *c;

	if (!key_session_read(key, &tunnel, &id))
		return false;
	t = tunnel_find(tc, tunnel);
	if (removed)
		return true; /* its call goes next */
	const Row__CallInfo *r = t && id ? row_unpack(&tc->arena, TABLE_CALL_INFO, row) : NULL;
	/* A twin of before table_leads() may bring a new call's info before the call. */
	c = r ? call_find(t, id) : NULL;
	if (r && !c)
		c = call_new(tc, t, id);
	if (!c)
		return false;
	apply_info(tc, c, row, r);
	return true;
}

void
tc_apply(struct tc *tc, enum table table, struct span key, struct span row, bool removed)
{
	bool good = false;

	switch (table) {
	case TABLE_TUNNEL:
		good = apply_tunnel_row(tc, key, row, removed);
		break;
	case TABLE_TUNNEL_SEQ:
		good = apply_seq_row(tc, key, row, removed);
		break;
	case TABLE_TUNNEL_OUT:
		good = apply_out_row(tc, key, row, removed);
		break;
	case TABLE_CALL:
		good = apply_call_row(tc, key, row, removed);
		break;
	case TABLE_CALL_INFO:
		good = apply_info_row(tc, key, row, removed);
		break;
	case TABLE_DRAIN:
		good = apply_drain_row(tc, key, row, removed);
		break;
	default:
		break;
	}
	if (!good)
		bump(tc, N_ROWS_BAD);
	bury(tc);
}

/* ---- every row ------------------------------------------------------------------------ */

static void
say_row(tc_row_fn *fn, void *arg, enum table table, struct key k, const ProtobufCMessage *row)
{
	uint8_t packed[CHAN_MESSAGE_MAX + 64];
	size_t len = protobuf_c_message_get_packed_size(row);

	if (len > sizeof packed)
		return; /* cannot be: every row here is bounded */
	protobuf_c_message_pack(row, packed);
	fn(arg, table, key_span(&k), span_of(packed, len));
}

static void
each_out(const struct tunnel *t, tc_row_fn *fn, void *arg)
{
	const struct chan_queue *q = &t->chan.out;

	for (uint32_t i = 0; i < q->span; i++) {
		uint16_t ns = (uint16_t)(q->lo + i);
		const struct chan_slot *s = &q->slot[ns & (q->cap - 1)];
		Row__TunnelOut r = ROW__TUNNEL_OUT__INIT;
		if (s->len == 0)
			continue;
		r.message = octets(s->bytes, s->len);
		say_row(fn, arg, TABLE_TUNNEL_OUT, key_tunnel_ns(t->id, ns), &r.base);
	}
}

static int
by_call_id(struct call *a, struct call *b)
{
	return (int)a->id - (int)b->id;
}

static void
each_call(const struct tunnel *t, tc_row_fn *fn, void *arg)
{
	struct call *c, *next, *head = t->by_id;

	HASH_SORT(head, by_call_id); /* reorders the list, not the hash */
	((struct tunnel *)(uintptr_t)t)->by_id = head;
	HASH_ITER (hh, head, c, next) {
		struct key k = key_session(t->id, c->id);
		Row__Call r = call_row(c);
		say_row(fn, arg, TABLE_CALL, k, &r.base);
		if (c->info)
			fn(arg, TABLE_CALL_INFO, key_span(&k), span_of(c->info, c->info_len));
	}
}

static void
each_of_tunnel(const struct tunnel *t, tc_row_fn *fn, void *arg)
{
	Row__Tunnel r = tunnel_row(t);
	Row__TunnelSeq s = seq_row(&t->chan.held);

	say_row(fn, arg, TABLE_TUNNEL, key_tunnel(t->id), &r.base);
	say_row(fn, arg, TABLE_TUNNEL_SEQ, key_tunnel(t->id), &s.base);
	each_out(t, fn, arg);
	each_call(t, fn, arg);
}

static int
by_tunnel_id(const void *a, const void *b)
{
	return (int)(*(struct tunnel *const *)a)->id - (int)(*(struct tunnel *const *)b)->id;
}

void
tc_each_row(const struct tc *tc, tc_row_fn *fn, void *arg)
{
	struct tunnel **sorted = calloc(tc->tunnels + 1, sizeof(*sorted));
	unsigned n = 0;

	for (struct tunnel *t = tc->all; sorted && t; t = t->next)
		sorted[n++] = t;
	if (n)
		qsort(sorted, n, sizeof(*sorted), by_tunnel_id);
	for (unsigned i = 0; i < n; i++)
		each_of_tunnel(sorted[i], fn, arg);
	free(sorted);
	if (tc->draining) {
		Row__Drain r = ROW__DRAIN__INIT;
		r.since = tc->draining;
		say_row(fn, arg, TABLE_DRAIN, key_drain(), &r.base);
	}
}
