// SPDX-License-Identifier: Apache-2.0
/*
 * Lists out of the store: tunnels, sessions, pools.  One walk over a table each; a session's subscriber is
 * looked up by the same key.  The view is held while walking and no longer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "filter.h"
#include "out.h"
#include "show.h"
#include "text.h"

struct walk {
	struct store_view *view;
	struct arena arena;
	struct out_table *out;
	struct filter filter;
	unsigned long shown;
	uint64_t now;
	unsigned *calls; /* per tunnel id */
};

static void
walk_begin(struct walk *w, struct node *n)
{
	*w = (struct walk){ .view = node_view(n), .now = (uint64_t)time(NULL) };
	arena_init(&w->arena, 0);
}

/* ---- tunnels ---- */

static bool
count_call(void *arg, struct span key, struct span row)
{
	struct walk *w = arg;
	uint16_t tunnel, session;

	if (key_session_read(key, &tunnel, &session))
		w->calls[tunnel]++;
	return true;
}

static const struct out_col tunnel_cols[] = {
	{ "TUNNEL", OUT_NUMBER, false }, { "PEER", OUT_TEXT, false },	{ "HOST", OUT_TEXT, true },
	{ "ROLE", OUT_TEXT, false },	 { "STATE", OUT_TEXT, false },	{ "PEER ID", OUT_NUMBER, false },
	{ "CALLS", OUT_NUMBER, false },	 { "PROFILE", OUT_TEXT, false }, { "UP", OUT_NUMBER, false },
	{ "FAILOVER", OUT_TEXT, false },
	{ "NOTE", OUT_TEXT, false },
};

/* RFC 4951, 5.1: what the peer can recover, and how long it asks to be waited for. */
static const char *
tunnel_failover(const Row__Tunnel *t, char out[TEXT])
{
	if (t->recovers)
		snprintf(out, TEXT, "of tunnel %u", t->recovers);
	else if (t->failover_flags & 1)
		snprintf(out, TEXT, "%s %u s%s", t->failover_flags & 2 ? "CD" : "C", t->failover_ms / 1000,
			 t->failover_ours & 1 ? "" : " (not ours)");
	else
		snprintf(out, TEXT, "%s", t->failover_flags & 2 ? "D" : "no");
	return out;
}

static const char *
tunnel_note(const Row__Tunnel *t)
{
	static const char *const recovery[] = { "", "to be recovered", "being recovered", "peer away", "synchronising" };

	if (t->recovery && t->recovery < sizeof recovery / sizeof *recovery)
		return recovery[t->recovery];
	return t->draining ? "draining" : t->message;
}

static bool
tunnel_row(void *arg, struct span key, struct span row)
{
	struct walk *w = arg;
	const Row__Tunnel *t = row_unpack(&w->arena, TABLE_TUNNEL, row);
	char a[TEXT], b[TEXT];
	struct endpoint peer = { 0 };

	if (!t)
		return true;
	ip_addr_from(t->peer_addr.data, t->peer_addr.len, &peer.addr);
	peer.port = (uint16_t)t->peer_port;
	out_row(w->out);
	out_number(w->out, t->id, NULL);
	out_text(w->out, endpoint_text(&peer, a));
	out_text(w->out, t->peer_host);
	out_text(w->out, text_role(t->role, a));
	out_text(w->out, text_tunnel_state(t->state, a));
	out_number(w->out, t->peer_id, NULL);
	out_number(w->out, w->calls[t->id & 0xffff], NULL);
	out_text(w->out, t->profile);
	out_number(w->out, t->since ? w->now - t->since : 0, text_age(t->since, w->now, b));
	out_text(w->out, tunnel_failover(t, a));
	out_text(w->out, tunnel_note(t));
	arena_reset(&w->arena);
	return true;
}

int
show_tunnels(struct node *n, const char *const *words, unsigned count)
{
	struct walk w;

	if (count)
		return usage_error("show tunnels takes no further word: '%s'", words[0]);
	walk_begin(&w, n);
	w.calls = calloc(65536, sizeof *w.calls);
	if (!w.calls)
		return UNREADABLE;
	store_each(w.view, TABLE_CALL, count_call, &w);
	w.out = out_table_new("tunnels", tunnel_cols, sizeof tunnel_cols / sizeof tunnel_cols[0]);
	store_each(w.view, TABLE_TUNNEL, tunnel_row, &w);
	out_table_end(w.out, "no tunnels");
	free(w.calls);
	arena_fini(&w.arena);
	return DONE;
}

/* ---- sessions ---- */

static const struct out_col session_cols[] = {
	{ "SESSION", OUT_TEXT, false }, { "USER", OUT_TEXT, false },  { "IPV4", OUT_TEXT, false },
	{ "IPV6", OUT_TEXT, false },	{ "STATE", OUT_TEXT, false }, { "AUTH", OUT_TEXT, false },
	{ "CALLING", OUT_TEXT, false }, { "UP", OUT_NUMBER, false },
};

static void
session_cells(struct walk *w, const Row__Call *c, const Row__Subscriber *s)
{
	char t[TEXT];
	uint64_t since = s && s->since ? s->since : c->since;

	out_row(w->out);
	snprintf(t, sizeof t, "%u/%u", c->tunnel, c->id);
	out_text(w->out, t);
	out_text(w->out, s ? s->user : "");
	out_text(w->out, s ? text_address(s->ipv4.data, s->ipv4.len, t) : "");
	out_text(w->out, s ? text_prefix(s->ipv6_prefix.data, s->ipv6_prefix.len, s->ipv6_prefix_len, t) : "");
	out_text(w->out, s && s->forwarding ? "up" : text_call_state(c->state, t));
	out_text(w->out, s ? s->auth : "");
	out_text(w->out, s ? s->calling : "");
	out_number(w->out, since ? w->now - since : 0, text_age(since, w->now, t));
}

static bool
session_row(void *arg, struct span key, struct span row)
{
	struct walk *w = arg;
	const Row__Call *c = row_unpack(&w->arena, TABLE_CALL, row);
	const Row__Subscriber *s = c ? store_row(w->view, TABLE_SUBSCRIBER, key, &w->arena) : NULL;

	if (c && filter_fits(&w->filter, c, s)) {
		session_cells(w, c, s);
		w->shown++;
	}
	arena_reset(&w->arena);
	return w->filter.limit == 0 || w->shown < w->filter.limit;
}

int
show_sessions(struct node *n, const char *const *words, unsigned count)
{
	struct walk w;
	char error[256];
	struct filter f;
	struct key prefix = { .len = 0 };

	if (!filter_read(&f, words, count, error, sizeof error))
		return usage_error("%s", error);
	walk_begin(&w, n);
	w.filter = f;
	if (f.tunnel) /* keys begin with the tunnel: only its own are walked */
		prefix = key_tunnel((uint16_t)f.tunnel);
	w.out = out_table_new("sessions", session_cols, sizeof session_cols / sizeof session_cols[0]);
	store_each_prefix(w.view, TABLE_CALL, key_span(&prefix), session_row, &w);
	out_table_end(w.out, "no such sessions");
	arena_fini(&w.arena);
	return DONE;
}

/* ---- pools ---- */

struct pool_use {
	const struct conf *conf;
	struct arena arena;
	uint64_t leased[CONF_POOLS], kept[CONF_POOLS], other;
};

static bool
count_lease(void *arg, struct span key, struct span row)
{
	struct pool_use *u = arg;
	const Row__Lease *l = row_unpack(&u->arena, TABLE_LEASE, row);

	for (unsigned i = 0; l && i < u->conf->pools; i++) {
		if (strcmp(u->conf->pool[i].name, l->pool) != 0)
			continue;
		if (l->tunnel || l->session)
			u->leased[i]++;
		else
			u->kept[i]++;
	}
	arena_reset(&u->arena);
	return true;
}

/* How many addresses (or prefixes of `len` bits) lie in first..last; a number beyond 64 bits is the largest one. */
static uint64_t
range_size(const struct ip_addr *first, const struct ip_addr *last, unsigned len)
{
	unsigned octets = first->family == 4 ? 4 : 16, drop = 8 * octets - len;
	unsigned __int128 a = 0, b = 0, n;

	for (unsigned i = 0; i < octets; i++) {
		a = a << 8 | first->b[i];
		b = b << 8 | last->b[i];
	}
	n = (b >> drop) - (a >> drop);
	return n >= UINT64_MAX ? UINT64_MAX : (uint64_t)n + 1;
}

static uint64_t
pool_size(const struct conf_pool *p)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < p->ranges; i++) {
		uint64_t n = range_size(&p->range[i].first, &p->range[i].last, p->delegate_len);
		total = total + n < total ? UINT64_MAX : total + n;
	}
	return total;
}

static const struct out_col pool_cols[] = {
	{ "POOL", OUT_TEXT, false },	{ "FAMILY", OUT_TEXT, false },	  { "LENGTH", OUT_NUMBER, false },
	{ "SIZE", OUT_NUMBER, false },	{ "LEASED", OUT_NUMBER, false },  { "KEPT", OUT_NUMBER, false },
	{ "USED %", OUT_NUMBER, false }, { "ALARM %", OUT_NUMBER, false },
};

static void
pool_cells(struct out_table *o, const struct conf_pool *p, uint64_t leased, uint64_t kept)
{
	uint64_t size = pool_size(p);

	out_row(o);
	out_text(o, p->name);
	out_text(o, p->family == 4 ? "ipv4" : "ipv6");
	out_number(o, p->delegate_len, NULL);
	out_number(o, size, NULL);
	out_number(o, leased, NULL);
	out_number(o, kept, NULL);
	out_number(o, size ? (uint64_t)((double)leased / (double)size * 100) : 0, NULL);
	out_number(o, p->alarm_percent, NULL);
}

int
show_pools(struct node *n, const char *const *words, unsigned count)
{
	struct pool_use *u;
	struct out_table *o;

	if (count)
		return usage_error("show pools takes no further word: '%s'", words[0]);
	u = calloc(1, sizeof *u);
	if (!u)
		return UNREADABLE;
	u->conf = node_conf(n);
	arena_init(&u->arena, 0);
	store_each(node_view(n), TABLE_LEASE, count_lease, u);
	o = out_table_new("pools", pool_cols, sizeof pool_cols / sizeof pool_cols[0]);
	for (unsigned i = 0; i < u->conf->pools; i++)
		pool_cells(o, &u->conf->pool[i], u->leased[i], u->kept[i]);
	out_table_end(o, "no pools are configured");
	arena_fini(&u->arena);
	free(u);
	return DONE;
}

/* ---- RADIUS servers ---- */

static const struct out_col radius_cols[] = {
	{ "SERVER", OUT_TEXT, false },	    { "PORT", OUT_NUMBER, false },	 { "FOR", OUT_TEXT, false },
	{ "STATE", OUT_TEXT, false },	    { "REQUESTS OUT", OUT_NUMBER, false }, { "SILENT MS", OUT_NUMBER, false },
	{ "ASKED AGAIN MS", OUT_NUMBER, false },
};

static void
radius_cells(struct out_table *o, const json_t *s)
{
	static const char *const numbers[] = { "out", "silent-ms", "wait-ms" };

	out_row(o);
	out_text(o, json_string_value(json_object_get(s, "address")));
	out_number(o, (uint64_t)json_integer_value(json_object_get(s, "port")), NULL);
	out_text(o, json_string_value(json_object_get(s, "kind")));
	out_text(o, json_string_value(json_object_get(s, "state")));
	for (unsigned i = 0; i < 3; i++) {
		const uint64_t v = (uint64_t)json_integer_value(json_object_get(s, numbers[i]));
		out_number(o, v, i && !v ? "" : NULL);
	}
}

int
show_radius(struct node *n, const char *const *words, unsigned count)
{
	const char *ask[] = { "radius", "show" };
	struct out_table *o;
	json_t *all, *s;
	size_t i;

	if (count)
		return usage_error("show radius takes no further word: '%s'", words[0]);
	all = node_ask_json(n, "session-mgr", ask, 2);
	if (!all)
		return node_ask(n, "session-mgr", ask, 2); /* its sentence, and the code for it */
	o = out_table_new("radius", radius_cols, sizeof radius_cols / sizeof radius_cols[0]);
	json_array_foreach(all, i, s)
		radius_cells(o, s);
	out_table_end(o, "no RADIUS server is configured (aaa/server)");
	json_decref(all);
	return DONE;
}

/* ---- calls kept up ---- */

struct dial_walk {
	struct store_view *view;
	struct arena arena;
	const struct conf_dial *dial;
	struct out_table *out;
	uint64_t now;
	bool found;
};

static const struct out_col dial_cols[] = {
	{ "DIAL", OUT_TEXT, false },  { "GROUP", OUT_TEXT, false },   { "SESSION", OUT_TEXT, false },
	{ "STATE", OUT_TEXT, false }, { "ADDRESS", OUT_TEXT, false }, { "UP", OUT_NUMBER, false },
	{ "NOTE", OUT_TEXT, true },
};

static void
dial_cells(struct dial_walk *w, const Row__Call *c, const Row__Subscriber *s)
{
	char t[TEXT];

	out_row(w->out);
	out_text(w->out, w->dial->name);
	out_text(w->out, w->dial->lns_group);
	snprintf(t, sizeof t, "%u/%u", c ? c->tunnel : 0, c ? c->id : 0);
	out_text(w->out, c ? t : "");
	out_text(w->out, !c ? "down" : s && s->forwarding ? "up" : text_call_state(c->state, t));
	out_text(w->out, s ? text_address(s->ipv4.data, s->ipv4.len, t) : "");
	out_number(w->out, s && s->since ? w->now - s->since : 0, s ? text_age(s->since, w->now, t) : "");
	out_text(w->out, c ? c->message : "");
}

static bool
dial_call(void *arg, struct span key, struct span row)
{
	struct dial_walk *w = arg;
	const Row__Call *c = row_unpack(&w->arena, TABLE_CALL, row);

	if (c && c->role == 3 && strcmp(c->user_ref, w->dial->name) == 0) {
		dial_cells(w, c, store_row(w->view, TABLE_SUBSCRIBER, key, &w->arena));
		w->found = true;
	}
	arena_reset(&w->arena);
	return true;
}

int
show_dials(struct node *n, const char *const *words, unsigned count)
{
	struct dial_walk w = { .view = NULL };
	const struct conf *c = node_conf(n);

	if (count)
		return usage_error("show dials takes no further word: '%s'", words[0]);
	w.view = node_view(n);
	w.now = (uint64_t)time(NULL);
	arena_init(&w.arena, 0);
	w.out = out_table_new("dials", dial_cols, sizeof dial_cols / sizeof dial_cols[0]);
	for (unsigned i = 0; i < c->dials; i++) {
		w.dial = &c->dial[i];
		w.found = false;
		store_each(w.view, TABLE_CALL, dial_call, &w);
		if (!w.found)
			dial_cells(&w, NULL, NULL);
	}
	out_table_end(w.out, "no dials are configured");
	arena_fini(&w.arena);
	return DONE;
}
