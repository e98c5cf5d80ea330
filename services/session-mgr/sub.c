// SPDX-License-Identifier: Apache-2.0
/*
 * A subscriber: what AAA grants becomes leases and a row; the row is what workers forward by, what a
 * node that takes over goes on with, and what accounting speaks of.
 *
 *	granted -> leases, subscriber row (forwarding no)
 *	first NCP open -> forwarding yes, accounting start
 *	end -> accounting stop if a start was emitted, leases given up, rows removed, all in one step
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sm_int.h"

#define ALARM_LASTS (300 * MONO_S) /* after the last event of its kind */

void
sub_alarm(struct sm *sm, enum sm_alarm a, mono_t until, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sm->alarm[a].detail, sizeof sm->alarm[a].detail, fmt, ap);
	va_end(ap);
	sm->alarm[a].stands = true;
	sm->alarm[a].until = until;
}

Row__Subscriber *
sub_of(struct step *st)
{
	struct sess *s = st->s;

	if (!st->sub_read) {
		st->sub_read = true;
		st->sub = NULL;
		if (s->sub)
			st->sub = (Row__Subscriber *)row_unpack(&st->sm->step_arena, TABLE_SUBSCRIBER,
								span_of(s->sub, s->sub_len));
	}
	return st->sub;
}

static ProtobufCBinaryData
octets(struct sm *sm, const void *p, size_t n)
{
	void *copy = n ? arena_copy(&sm->step_arena, p, n) : NULL;

	return (ProtobufCBinaryData){ copy ? n : 0, copy };
}

static char *
text(struct sm *sm, const char *s)
{
	char *copy = arena_text(&sm->step_arena, span_of(s, strlen(s)));

	return copy ? copy : (char *)"";
}

/* ---- Leases of one session. */

static struct lease *
held_like(const struct sess *s, uint8_t family, const ProtobufCBinaryData *base)
{
	for (struct lease *l = s->held; l; l = l->next_held)
		if (l->key.family == family && base->len == (family == 4 ? 4u : 16u) &&
		    memcmp(l->key.b, base->data, base->len) == 0)
			return l;
	return NULL;
}

static void
take(struct step *st, const struct lease_choice *c, const char *user)
{
	struct sm *sm = st->sm;
	char pool[CONF_NAME];

	/* The choice lends its texts from rows that are about to change. */
	copy_text(pool, sizeof pool, c->pool);
	if (c->was && user[0] && strcmp(name_text(c->was->user), user) == 0)
		sm_count(sm, SM_LEASES_AGAIN);
	if (c->was && strcmp(name_text(c->was->pool_name), pool) != 0)
		remove_lease(sm, st->sink, c->was);
	put_lease(sm, st->sink, &c->key, pool, user, sess_tunnel(st->s), sess_session(st->s), st->t.wall);
	sm_count(sm, SM_LEASES_TAKEN);
}

static void
release(struct sm *sm, struct sink *sink, struct lease *l, uint64_t wall)
{
	struct lease_key k = l->key;
	struct pool *p = l->pool;
	char pool[CONF_NAME], user[NAME_MAX_LEN + 1];

	if (!pools_worth_keeping(l)) {
		remove_lease(sm, sink, l);
		return;
	}
	copy_text(pool, sizeof pool, name_text(l->pool_name));
	copy_text(user, sizeof user, name_text(l->user));
	put_lease(sm, sink, &k, pool, user, 0, 0, wall);
	if (pools_surplus(p)) {
		sm_count(sm, SM_LEASES_FORGOTTEN);
		remove_lease(sm, sink, pools_surplus(p));
	}
}

void
sub_release_leases(struct sm *sm, struct sess *s, struct sink *sink, uint64_t wall)
{
	while (s->held) {
		struct lease *l = s->held;

		release(sm, sink, l, wall);
		if (s->held == l)
			return; /* could not be recorded: no endless loop over it */
	}
}

/* ---- A grant. */

static enum refusal
refused(struct step *st, enum pool_answer a, const char *pool, const struct lease_key *k)
{
	struct ip_prefix p = k ? lease_prefix(k) : (struct ip_prefix){ 0 };
	char t[ADDR_TEXT];

	switch (a) {
	case POOL_OK:
		return REFUSAL_NONE;
	case POOL_UNKNOWN:
		sm_count(st->sm, SM_POOL_UNKNOWN);
		sub_alarm(st->sm, SM_ALARM_POOL_UNKNOWN, st->t.now + ALARM_LASTS, "pool=%.64s", pool);
		return REFUSAL_POOL_UNKNOWN;
	case POOL_EXHAUSTED:
		sm_count(st->sm, SM_POOL_EXHAUSTED);
		sub_alarm(st->sm, SM_ALARM_POOL_EXHAUSTED, st->t.now + ALARM_LASTS, "pool=%.64s", pool);
		return REFUSAL_POOL_EXHAUSTED;
	case POOL_TAKEN:
		sm_count(st->sm, SM_ADDRESS_TAKEN);
		sub_alarm(st->sm, SM_ALARM_DUPLICATE_ADDRESS, st->t.now + ALARM_LASTS, "address=%s tunnel=%u session=%u",
			  ip_prefix_text(&p, t), sess_tunnel(st->s), sess_session(st->s));
		return REFUSAL_TAKEN;
	case POOL_OUTSIDE:
		sm_count(st->sm, SM_ADDRESS_OWN);
		return REFUSAL_OWN;
	}
	return REFUSAL_NO_ADDRESS;
}

static enum refusal
from_pool(struct step *st, const char *pool, uint8_t family, const char *user, struct lease_choice *c)
{
	enum pool_answer a = pools_pick(&st->sm->pools, pool, family, user, c);

	if (a == POOL_OK)
		take(st, c, user);
	return refused(st, a, pool, NULL);
}

static enum refusal
framed(struct step *st, const struct lease_key *k, const char *user, struct lease_choice *c)
{
	enum pool_answer a = pools_pick_framed(&st->sm->pools, k, c);

	if (a == POOL_OK)
		take(st, c, user);
	return refused(st, a, "", k);
}

static enum refusal
grant_ipv4(struct step *st, Row__Subscriber *row, const struct aaa_grant *g)
{
	const char *pool = g->pool[0] ? g->pool : st->conf->pool;
	struct lease_choice c = { 0 };
	enum refusal r;

	row->net_peer_chooses = g->framed_ip == FRAMED_USER;
	if (g->framed_ip == FRAMED_ASSIGNED) {
		struct lease_key k = lease_key_v4(g->ipv4);

		r = framed(st, &k, row->user, &c);
	} else if (pool[0]) {
		r = from_pool(st, pool, 4, row->user, &c);
		row->pool = text(st->sm, pool);
	} else {
		return REFUSAL_NONE;
	}
	if (r == REFUSAL_NONE)
		row->net_ipv4 = octets(st->sm, c.key.b, 4);
	return r;
}

static enum refusal
grant_prefix(struct step *st, Row__Subscriber *row, const struct ip_prefix *given, const char *pool, ProtobufCBinaryData *addr,
	     uint32_t *len)
{
	struct lease_choice c = { 0 };
	enum refusal r;

	if (given->addr.family == 6 && given->len > 0) {
		struct lease_key k = lease_key_of(given);

		r = framed(st, &k, row->user, &c);
	} else if (pool[0]) {
		r = from_pool(st, pool, 6, row->user, &c);
	} else {
		return REFUSAL_NONE;
	}
	if (r == REFUSAL_NONE) {
		*addr = octets(st->sm, c.key.b, 16);
		*len = c.key.len;
	}
	return r;
}

static enum refusal
grant_addresses(struct step *st, Row__Subscriber *row, const struct aaa_grant *g)
{
	const struct conf_ppp *c = st->conf;
	const char *pool6 = g->pool6[0] ? g->pool6 : c->pool6;
	const char *delegated = g->pool_delegated[0] ? g->pool_delegated : c->pool_delegated;
	enum refusal r = REFUSAL_NONE;

	if (c->ipv4)
		r = grant_ipv4(st, row, g);
	if (r == REFUSAL_NONE && c->ipv6) {
		r = grant_prefix(st, row, &g->prefix6, pool6, &row->net_prefix, &row->net_prefix_len);
		if (!g->prefix6.len && pool6[0])
			row->pool6 = text(st->sm, pool6);
	}
	if (r == REFUSAL_NONE && c->ipv6)
		r = grant_prefix(st, row, &g->delegated, delegated, &row->net_delegated, &row->net_delegated_len);
	if (r == REFUSAL_NONE && !row->net_ipv4.len && !row->net_prefix.len && !row->net_peer_chooses) {
		sm_count(st->sm, SM_ADDRESS_NONE);
		r = REFUSAL_NO_ADDRESS;
	}
	return r;
}

static void
add_octets(struct sm *sm, ProtobufCBinaryData **list, size_t *n, size_t max, const void *p, size_t len)
{
	if (!*list)
		*list = arena_alloc(&sm->step_arena, max * sizeof **list);
	if (*list && *n < max && len)
		(*list)[(*n)++] = octets(sm, p, len);
}

static void
add_v4(struct sm *sm, ProtobufCBinaryData **list, size_t *n, size_t max, uint32_t host_order)
{
	uint8_t b[4];

	put_u32(b, host_order);
	if (host_order)
		add_octets(sm, list, n, max, b, sizeof b);
}

#define DNS_MAX (2 + CONF_DNS + PPP_RA_DNS)
#define ROUTES_MAX (AAA_ROUTES + 1)

static void
grant_dns(struct step *st, Row__Subscriber *row, const struct aaa_grant *g)
{
	struct sm *sm = st->sm;

	for (int i = 0; i < 2; i++) {
		add_v4(sm, &row->dns, &row->n_dns, DNS_MAX, g->dns4[i]);
		add_v4(sm, &row->nbns, &row->n_nbns, 2, g->nbns4[i]);
	}
	if (row->n_dns)
		return; /* AAA's go before the profile's */
	for (unsigned i = 0; i < st->conf->dns_count && i < CONF_DNS; i++)
		if (st->conf->dns[i].family == 4)
			add_octets(sm, &row->dns, &row->n_dns, DNS_MAX, st->conf->dns[i].b, 4);
}

static void
add_route(struct sm *sm, Row__Subscriber *row, const struct ip_prefix *p)
{
	size_t n = ip_addr_len(&p->addr);
	uint8_t b[17];

	memcpy(b, p->addr.b, n);
	b[n] = p->len;
	if (n)
		add_octets(sm, &row->routes, &row->n_routes, ROUTES_MAX, b, n + 1);
}

/* Framed-IP-Netmask of less than a host: the network behind the address is the subscriber's too. */
static void
grant_routes(struct step *st, Row__Subscriber *row, const struct aaa_grant *g)
{
	uint32_t inverse = ~g->netmask;

	for (unsigned i = 0; i < g->routes; i++)
		add_route(st->sm, row, &g->route[i]);
	if (g->framed_ip == FRAMED_ASSIGNED && g->netmask && inverse && !(inverse & (inverse + 1))) {
		struct ip_prefix p = { .addr.family = 4, .len = (uint8_t)__builtin_popcount(g->netmask) };

		put_u32(p.addr.b, g->ipv4 & g->netmask);
		add_route(st->sm, row, &p);
	}
}

static void
grant_limits(struct step *st, Row__Subscriber *row, const struct aaa_grant *g)
{
	const struct conf_aaa_set *aaa = &st->sm->aaa;

	row->session_timeout = g->session_timeout ? g->session_timeout : st->conf->session_timeout;
	row->idle_timeout = g->idle_timeout ? g->idle_timeout : st->conf->idle_timeout;
	row->interim = g->interim ? g->interim : aaa->interim_s;
	if (row->interim && row->interim < 60)
		row->interim = 60; /* RFC 2869, 2.1: not smaller than 60 */
	row->net_mtu = g->mtu >= 64 && g->mtu <= 65535 ? g->mtu : 0;
	row->net_iid = g->iid;
	row->filter_id = text(st->sm, g->filter_id);
	for (unsigned i = 0; i < g->classes; i++)
		add_octets(st->sm, &row->class_, &row->n_class_, AAA_CLASSES, g->class[i], g->class_len[i]);
}

/* Unique on this pair for as long as RADIUS may remember: when, which ids, and a random part. */
static char *
new_session_id(struct step *st)
{
	uint8_t b[12];
	char id[2 * sizeof b + 1] = "";

	put_u32(b, (uint32_t)st->t.wall);
	put_u32(b + 4, st->s->key);
	st->sm->env.random(st->sm->env.arg, b + 8, 4);
	for (size_t i = 0; i < sizeof b; i++) {
		id[2 * i] = "0123456789ABCDEF"[b[i] >> 4];
		id[2 * i + 1] = "0123456789ABCDEF"[b[i] & 15];
	}
	return text(st->sm, id);
}

static ProtobufCBinaryData
line_of(struct step *st, const Row__CallInfo *info)
{
	uint8_t attrs[LINE_RADIUS_MAX], *p;
	size_t n = line_radius(span_of(info->access_line.data, info->access_line.len), attrs);

	p = n ? arena_alloc(&st->sm->step_arena, n) : NULL;
	if (!p)
		return (ProtobufCBinaryData){ 0, NULL };
	memcpy(p, attrs, n);
	return (ProtobufCBinaryData){ n, p };
}

/* `before`: the session's earlier row, which knows what the call was about; or NULL. */
static Row__Subscriber *
new_row(struct step *st, const char *user, const char *how, const Row__Subscriber *before)
{
	Row__Subscriber *row = arena_alloc(&st->sm->step_arena, sizeof *row);
	const Row__CallInfo *info = sess_info(st->sm, st->s);

	if (!row)
		return NULL;
	row__subscriber__init(row);
	row->tunnel = sess_tunnel(st->s);
	row->session = sess_session(st->s);
	row->user = text(st->sm, user);
	row->auth = text(st->sm, how);
	row->acct_session_id = new_session_id(st);
	row->since = st->t.wall;
	row->client = st->s->client;
	if (info) {
		row->calling = text(st->sm, info->calling);
		row->called = text(st->sm, info->called);
		row->line_radius = line_of(st, info);
	} else if (before) {
		row->calling = before->calling;
		row->called = before->called;
		row->line_radius = before->line_radius;
	}
	return row;
}

enum refusal
sub_grant(struct step *st, const struct aaa_grant *g, const char *user, const char *how, bool local)
{
	Row__Subscriber *before = sub_of(st), *row;
	enum refusal r;

	/* LCP was negotiated again: the same user goes on with what it has. */
	if (before && strcmp(before->user, user) == 0)
		return REFUSAL_NONE;
	if (before)
		sub_end(st, TERM_USER_REQUEST);
	row = new_row(st, user, how, before);
	if (!row)
		return REFUSAL_NO_ADDRESS;
	r = grant_addresses(st, row, g);
	if (r != REFUSAL_NONE) {
		sub_release_leases(st->sm, st->s, st->sink, st->t.wall);
		return r;
	}
	grant_dns(st, row, g);
	grant_routes(st, row, g);
	grant_limits(st, row, g);
	row->authentic = how[0] ? (local ? 2 : 1) : 0;
	row->source_check = st->sm->source_check;
	st->sub = row;
	st->sub_read = st->sub_dirty = true;
	sm_count(st->sm, SM_SUBSCRIBERS);
	return REFUSAL_NONE;
}

/* ---- The network phase. */

static uint32_t
v4_of(const ProtobufCBinaryData *b)
{
	return b->len == 4 ? get_u32(b->data) : 0;
}

static uint32_t
conf_v4(const struct ip_addr *a)
{
	return a->family == 4 ? get_u32(a->b) : 0;
}

static void
server_net(struct step *st, const Row__Subscriber *row, struct ppp_net *net)
{
	net->local4 = conf_v4(&st->conf->local4);
	net->peer4 = v4_of(&row->net_ipv4);
	net->ipv4 = net->peer4 || row->net_peer_chooses;
	for (size_t i = 0, n = 0; i < row->n_dns && n < 2; i++)
		if (row->dns[i].len == 4)
			net->dns4[n++] = v4_of(&row->dns[i]);
	for (size_t i = 0; i < row->n_nbns && i < 2; i++)
		net->nbns4[i] = v4_of(&row->nbns[i]);
	net->peer_iid = row->net_iid;
	if (row->net_prefix.len == 16 && row->net_prefix_len <= 128) {
		memcpy(net->prefix6, row->net_prefix.data, 16);
		net->prefix6_len = (uint8_t)row->net_prefix_len;
		net->ipv6 = true;
	}
}

bool
sub_net(struct step *st, struct ppp_net *net)
{
	Row__Subscriber *row = sub_of(st);

	*net = (struct ppp_net){ 0 };
	if (st->s->client) {
		net->ipv4 = net->ipv6 = true;
		return true;
	}
	if (!row)
		return false;
	server_net(st, row, net);
	return net->ipv4 || net->ipv6;
}

static const struct conf_dial *
dial_of(const struct step *st)
{
	for (unsigned i = 0; i < st->sm->dials; i++)
		if (strcmp(st->sm->dial[i].name, name_text(st->s->dial)) == 0)
			return &st->sm->dial[i];
	return NULL;
}

/* As client: the row is made when the far end has told us who we are. */
static Row__Subscriber *
client_row(struct step *st)
{
	const struct conf_dial *d = dial_of(st);
	Row__Subscriber *row = sub_of(st);

	if (row)
		return row;
	row = new_row(st, d ? d->user : "", "client", NULL);
	if (!row)
		return NULL;
	for (unsigned i = 0; d && i < d->route_count; i++)
		add_route(st->sm, row, &d->routes[i]);
	st->sub = row;
	st->sub_read = true;
	return row;
}

static void
give_acct_facts(struct step *st, const Row__Subscriber *row, struct acct_facts *f)
{
	const struct sess *s = st->s;
	const struct tun *t = tun_find(st->sm, sess_tunnel(s));

	*f = (struct acct_facts){
		.session_id = row->acct_session_id, .user = row->user, .calling = row->calling, .called = row->called,
		.tunnel = sess_tunnel(s), .session = sess_session(s), .call_serial = s->link_ident.serial,
		.authentic = (uint8_t)row->authentic, .ipv4 = span_of(row->net_ipv4.data, row->net_ipv4.len),
		.iid = row->ipv6_iid_peer, .filter_id = row->filter_id,
		.line = span_of(row->line_radius.data, row->line_radius.len), .at = st->t.wall,
		.session_time = st->t.wall > row->since ? (uint32_t)(st->t.wall - row->since) : 0,
	};
	for (size_t i = 0; i < row->n_class_ && i < AAA_CLASSES; i++)
		f->class[f->classes++] = span_of(row->class_[i].data, row->class_[i].len);
	if (ip_addr_from(row->net_prefix.data, row->net_prefix.len, &f->prefix6.addr))
		f->prefix6.len = (uint8_t)row->net_prefix_len;
	if (ip_addr_from(row->net_delegated.data, row->net_delegated.len, &f->delegated.addr))
		f->delegated.len = (uint8_t)row->net_delegated_len;
	if (t) {
		f->client_endpoint = t->peer;
		f->server_endpoint = t->local;
		f->client_auth_id = name_text(t->peer_host);
		f->server_auth_id = st->sm->node;
	}
	if (s->usage) {
		f->in_octets = s->usage->v[0];
		f->out_octets = s->usage->v[1];
		f->in_packets = s->usage->v[2];
		f->out_packets = s->usage->v[3];
	}
}

static bool
acct_wanted(const struct step *st)
{
	const struct conf_aaa_set *a = &st->sm->aaa;

	return a->acct && a->servers > 0 && !st->s->client;
}

static void
account(struct step *st, enum acct_kind kind, enum acct_terminate why)
{
	Row__Subscriber *row = sub_of(st);
	struct acct_facts f;

	give_acct_facts(st, row, &f);
	f.kind = kind;
	f.terminate = why;
	acctq_put(st->sm, st->sink, &f, st->t.wall);
}

static uint32_t
mtu_of(const struct sess *s, const Row__Subscriber *row)
{
	return row->net_mtu && row->net_mtu < s->mtu ? row->net_mtu : s->mtu;
}

static bool
ipv6_is_up(const Row__Subscriber *row)
{
	return row->ipv6_iid_local || row->ipv6_iid_peer;
}

static void
now_forwarding(struct step *st, Row__Subscriber *row)
{
	if (!row->forwarding) {
		sm_count(st->sm, SM_SUBSCRIBERS_UP);
		note(st, NOTE_DEBUG, "subscriber up tunnel=%u session=%u user=%s auth=%s", row->tunnel,
			  row->session, row->user, row->auth);
	}
	row->mtu = mtu_of(st->s, row);
	row->pfc = st->s->pfc;
	row->acfc = st->s->acfc;
	row->forwarding = true;
	st->sub_dirty = true;
	if (!row->acct_started && acct_wanted(st)) {
		row->acct_started = true;
		sm_count(st->sm, SM_ACCT_START);
		account(st, ACCT_START, 0);
	}
}

/* The peer has an address that we did not lease to it: it chose, or has none to be leased. */
static bool
lease_chosen(struct step *st, Row__Subscriber *row, uint32_t peer4)
{
	struct lease_key k = lease_key_v4(peer4);
	struct lease_choice c;

	if (peer4 == 0 || v4_of(&row->net_ipv4) == peer4)
		return peer4 != 0;
	if (framed(st, &k, row->user, &c) != REFUSAL_NONE)
		return false;
	row->net_ipv4 = octets(st->sm, k.b, 4);
	return true;
}

static void
ipv4_up(struct step *st, Row__Subscriber *row, uint32_t local4, uint32_t peer4)
{
	uint8_t b[4];

	if (!row->client && peer4 == 0)
		peer4 = v4_of(&row->net_ipv4); /* it takes what it is given without saying so */
	if (!row->client && !lease_chosen(st, row, peer4)) {
		st->want_close = true;
		st->close_cause = (struct ppp_cause){ PPP_CAUSE_NO_ADDRESS, 0x8021, 2 };
		st->s->refusal = REFUSAL_TAKEN;
		return;
	}
	put_u32(b, row->client ? local4 : peer4);
	row->ipv4 = octets(st->sm, b, 4);
	put_u32(b, row->client ? peer4 : local4);
	row->ipv4_local = octets(st->sm, b, 4);
	now_forwarding(st, row);
}

static void
ipv6_up(struct step *st, Row__Subscriber *row, uint64_t local, uint64_t peer)
{
	row->ipv6_iid_local = local;
	row->ipv6_iid_peer = peer;
	row->ipv6_prefix = row->net_prefix;
	row->ipv6_prefix_len = row->net_prefix_len;
	row->delegated_prefix = row->net_delegated;
	row->delegated_prefix_len = row->net_delegated_len;
	now_forwarding(st, row);
}

void
sub_net_up(struct step *st, const struct ppp_event *ev)
{
	Row__Subscriber *row = st->s->client ? client_row(st) : sub_of(st);

	if (!row)
		return;
	sub_trunk_up(st, row, ev);
	if (ev->net.cp == PPP_CP_IPCP) {
		if (row->client) {
			row->dns = NULL; /* what was unpacked has no room for more */
			row->n_dns = 0;
			for (int i = 0; i < 2; i++)
				add_v4(st->sm, &row->dns, &row->n_dns, DNS_MAX, ev->net.dns4[i]);
		}
		ipv4_up(st, row, ev->net.local4, ev->net.peer4);
	} else if (ev->net.cp == PPP_CP_IPV6CP) {
		ipv6_up(st, row, ev->net.local_iid, ev->net.peer_iid);
	}
}

/* Its IPv4 servers (IPCP) stay, its IPv6 servers are those of this advertisement. */
static void
client_dns6(struct sm *sm, Row__Subscriber *row, const struct ppp_ra_heard *h)
{
	const ProtobufCBinaryData *had = row->dns;
	const size_t n = row->n_dns;

	row->dns = NULL; /* what was unpacked has no room for more */
	row->n_dns = 0;
	for (size_t i = 0; i < n; i++)
		if (had[i].len == 4)
			add_octets(sm, &row->dns, &row->n_dns, DNS_MAX, had[i].data, 4);
	for (unsigned i = 0; i < h->dns_count; i++)
		add_octets(sm, &row->dns, &row->n_dns, DNS_MAX, h->dns[i], 16);
}

/* As client: the prefix that the far end advertises; with our interface identifier it is an address of this host. */
void
sub_prefix(struct step *st, const struct ppp_ra_heard *h)
{
	Row__Subscriber *row = sub_of(st);
	ProtobufCBinaryData *had = row ? &row->ipv6_prefix : NULL;
	size_t len = h->prefix_len ? sizeof h->prefix : 0;

	if (!row || !row->client || !ipv6_is_up(row) || (had->len == len && (!len || memcmp(had->data, h->prefix, len) == 0)))
		return;
	*had = octets(st->sm, h->prefix, len);
	row->ipv6_prefix_len = h->prefix_len;
	client_dns6(st->sm, row, h);
	st->sub_dirty = true;
}

void
sub_net_down(struct step *st, enum ppp_cp cp)
{
	Row__Subscriber *row = sub_of(st);
	bool was;

	if (!row)
		return;
	sub_trunk_down(st, row, cp);
	if (cp == PPP_CP_MUX)
		return;
	was = cp == PPP_CP_IPCP ? row->ipv4.len > 0 : ipv6_is_up(row);
	if (!was)
		return;
	if (cp == PPP_CP_IPCP) {
		row->ipv4 = row->ipv4_local = (ProtobufCBinaryData){ 0 };
	} else {
		row->ipv6_iid_local = row->ipv6_iid_peer = 0;
		row->ipv6_prefix = row->delegated_prefix = (ProtobufCBinaryData){ 0 };
		row->ipv6_prefix_len = row->delegated_prefix_len = 0;
	}
	row->forwarding = row->ipv4.len > 0 || ipv6_is_up(row);
	st->sub_dirty = true;
}

static bool
unicast(uint32_t a)
{
	return a >> 24 != 0 && a >> 24 != 127 && a < 0xe0000000;
}

/* RFC 1332, 3.3: the peer insists.  It gets its wish where it does not hurt. */
bool
sub_accept4(struct step *st, uint32_t asked)
{
	Row__Subscriber *row = sub_of(st);
	struct lease_key k = lease_key_v4(asked);
	struct lease_choice c;
	struct lease *old;
	enum pool_answer a;

	if (!row || st->s->client || !unicast(asked))
		return false;
	if (v4_of(&row->net_ipv4) == asked)
		return true;
	if (row->net_peer_chooses)
		a = pools_pick_framed(&st->sm->pools, &k, &c);
	else if (st->conf->accept_peer_address && row->pool[0])
		a = pools_pick_in(&st->sm->pools, row->pool, &k, &c);
	else
		a = POOL_OUTSIDE;
	if (a != POOL_OK) {
		sm_count(st->sm, SM_ADDRESS_ASK_REFUSED);
		return false;
	}
	old = held_like(st->s, 4, &row->net_ipv4);
	take(st, &c, row->user);
	if (old)
		release(st->sm, st->sink, old, st->t.wall);
	row->net_ipv4 = octets(st->sm, k.b, 4);
	st->sub_dirty = true;
	sm_count(st->sm, SM_ADDRESS_ASKED);
	return true;
}

void
sub_interim(struct step *st)
{
	Row__Subscriber *row = sub_of(st);

	if (!row || !row->acct_started)
		return;
	/* Whoever goes on after us goes on from the row: it must know at least what has been told. */
	if (st->s->usage && st->s->usage->checkpoint_at != MONO_NEVER)
		usage_checkpoint(st->sm, st->s, st->sink);
	sm_count(st->sm, SM_ACCT_INTERIM);
	account(st, ACCT_INTERIM, 0);
}

void
sub_flush(struct step *st)
{
	struct key k = key_session(sess_tunnel(st->s), sess_session(st->s));

	if (st->sub_dirty && st->sub)
		put(st->sm, st->sink, TABLE_SUBSCRIBER, key_span(&k), &st->sub->base);
	st->sub_dirty = false;
}

void
sub_end(struct step *st, enum acct_terminate why)
{
	struct key k = key_session(sess_tunnel(st->s), sess_session(st->s));
	Row__Subscriber *row = sub_of(st);

	if (row)
		note(st, NOTE_DEBUG, "subscriber gone tunnel=%u session=%u user=%s cause=%d", row->tunnel,
			  row->session, row->user, why);
	if (row && row->acct_started) {
		acctq_remove(st->sm, st->sink, row->acct_session_id, ACCT_INTERIM);
		sm_count(st->sm, SM_ACCT_STOP);
		account(st, ACCT_STOP, why);
	}
	if (st->s->sub)
		put(st->sm, st->sink, TABLE_SUBSCRIBER, key_span(&k), NULL);
	if (st->s->usage)
		put(st->sm, st->sink, TABLE_USAGE, key_span(&k), NULL);
	sub_release_leases(st->sm, st->s, st->sink, st->t.wall);
	st->s->interim_at = 0;
	st->sub = NULL;
	st->sub_read = true;
	st->sub_dirty = false;
}
