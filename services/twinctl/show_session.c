// SPDX-License-Identifier: Apache-2.0
/*
 * One session, everything known: the call and what the peer said about it, its access line (RFC 5515), the
 * PPP link, the subscriber, its counters; and, from session-mgr itself, what is not worth a row: the
 * echo history.  A session-mgr that does not answer takes only that part away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "l2tp/l2tp.h"
#include "out.h"
#include "rows.pb-c.h"
#include "show.h"
#include "text.h"

#define VENDOR_ADSL_FORUM 3561

static void
set_address(json_t *o, const char *key, ProtobufCBinaryData b)
{
	char t[TEXT];

	out_set_text(o, key, text_address(b.data, b.len, t));
}

static void
set_prefix(json_t *o, const char *key, ProtobufCBinaryData b, unsigned len)
{
	char t[TEXT];

	out_set_text(o, key, text_prefix(b.data, b.len, len, t));
}

static void
set_iid(json_t *o, const char *key, uint64_t iid)
{
	char t[TEXT];

	snprintf(t, sizeof t, "%x:%x:%x:%x", (unsigned)(iid >> 48 & 0xffff), (unsigned)(iid >> 32 & 0xffff),
		 (unsigned)(iid >> 16 & 0xffff), (unsigned)(iid & 0xffff));
	if (iid)
		out_set_text(o, key, t);
}

/* Octets that may be text (RFC 2661, 4.4.5: Private Group ID): as text where all of them print, else as hex. */
static void
set_octets(json_t *o, const char *key, ProtobufCBinaryData b)
{
	char t[2 * 255 + 3] = "0x";
	bool text = b.len > 0;
	size_t n = b.len < 255 ? b.len : 255;

	for (size_t i = 0; i < n; i++)
		text &= b.data[i] >= 0x20 && b.data[i] < 0x7f;
	for (size_t i = 0; i < n && !text; i++)
		snprintf(t + 2 + 2 * i, 3, "%02x", b.data[i]);
	if (text)
		snprintf(t, sizeof t, "%.*s", (int)n, (const char *)b.data);
	if (n)
		out_set_text(o, key, t);
}

/* Set-Link-Info, ours as LNS or the LNS's as LAC.  Nothing was said: both ends escape everything. */
static void
set_accm(json_t *o, const Row__CallInfo *i)
{
	char t[TEXT];

	if (!i->accm_told && !i->accm_send && !i->accm_recv)
		return;
	snprintf(t, sizeof t, "0x%08x", i->accm_send);
	out_set_text(o, "accm-send", t);
	snprintf(t, sizeof t, "0x%08x", i->accm_recv);
	out_set_text(o, "accm-receive", t);
}

static json_t *
call_part(const Row__Call *c, const Row__Tunnel *t)
{
	json_t *o = json_object();
	char text[TEXT];
	struct endpoint e = { 0 };

	snprintf(text, sizeof text, "%u/%u", c->tunnel, c->id);
	out_set_text(o, "session", text);
	out_set_number(o, "peer-session", c->peer_id);
	out_set_text(o, "state", text_call_state(c->state, text));
	out_set_text(o, "kind", text_call_kind(c->kind, text));
	out_set_text(o, "our-role", text_role(c->role, text));
	out_set_number(o, "serial", c->serial);
	out_set_number(o, "call-since", c->since);
	json_object_set_new(o, "sequencing-required", json_boolean(c->seq_required));
	out_set_text(o, "reference", c->user_ref);
	out_set_number(o, "result", c->result);
	out_set_number(o, "error", c->error);
	out_set_text(o, "message", c->message);
	if (t) {
		ip_addr_from(t->peer_addr.data, t->peer_addr.len, &e.addr);
		e.port = (uint16_t)t->peer_port;
		out_set_text(o, "peer", endpoint_text(&e, text));
		out_set_text(o, "peer-host", t->peer_host);
		out_set_text(o, "profile", t->profile);
	}
	return o;
}

static json_t *
info_part(const Row__CallInfo *i)
{
	json_t *o = json_object();
	char text[TEXT];

	out_set_text(o, "calling", i->calling);
	out_set_text(o, "called", i->called);
	out_set_text(o, "sub-address", i->sub_address);
	out_set_number(o, "connect-tx-bps", i->tx_bps);
	out_set_number(o, "connect-rx-bps", i->rx_bps);
	out_set_number(o, "minimum-bps", i->min_bps);
	out_set_number(o, "maximum-bps", i->max_bps);
	out_set_number(o, "physical-channel", i->physical_channel);
	out_set_text(o, "framing", i->framing & 1 ? "synchronous" : i->framing & 2 ? "asynchronous" : "");
	out_set_text(o, "bearer", i->bearer & 1 ? "digital" : i->bearer & 2 ? "analog" : "");
	set_octets(o, "private-group", i->private_group);
	set_accm(o, i);
	out_set_text(o, "proxy-authentication", text_proxy_auth(i->proxy_auth_type, text));
	if (i->init_rcvd_lcp.len || i->last_sent_lcp.len || i->last_rcvd_lcp.len)
		json_object_set_new(o, "proxy-lcp", json_true());
	out_set_number(o, "disconnect-cause", i->disconnect_code);
	out_set_text(o, "disconnect-message", i->disconnect_message);
	return o;
}

static json_t *
errors_part(const Row__CallInfo *i)
{
	/* WAN-Error-Notify, RFC 2661, 4.4.6 */
	static const char *const name[] = { "crc", "framing", "hardware-overruns", "buffer-overruns", "timeouts",
					    "alignment" };
	json_t *o = json_object();

	for (size_t k = 0; k < i->n_line_errors && k < sizeof name / sizeof name[0]; k++)
		json_object_set_new(o, name[k], json_integer(i->line_errors[k]));
	return o;
}

/* Stored as whole AVPs, one after another: flags and length, vendor, attribute, value. */
static void
line_read(struct span avps, struct l2tp_access_line *line)
{
	struct rd r = rd_of(avps.p, avps.len);

	while (rd_left(&r) >= 6) {
		uint16_t len = rd_u16(&r) & 0x3ff, vendor = rd_u16(&r), type = rd_u16(&r);
		struct span value = rd_span(&r, len >= 6 ? len - 6u : 0);
		if (!r.ok || len < 6)
			return;
		for (unsigned a = 0; vendor == VENDOR_ADSL_FORUM && a < LINE_ATTRS; a++) {
			struct rd v = rd_of(value.p, value.len);
			if (l2tp_line_info[a].type != type)
				continue;
			line->present |= 1u << a;
			line->raw[a] = value;
			if (l2tp_line_info[a].kind == LINE_NUMBER)
				line->number[a] = value.len == 8 ? rd_u64(&v) : rd_u32(&v);
		}
	}
}

static json_t *
line_part(const Row__CallInfo *i)
{
	struct l2tp_access_line line = { 0 };
	json_t *o = json_object();
	char text[160];

	line_read(span_of(i->access_line.data, i->access_line.len), &line);
	for (unsigned a = 0; a < LINE_ATTRS; a++) {
		if (line.present & 1u << a)
			out_set_text(o, l2tp_line_info[a].name, l2tp_line_text(&line, a, text, sizeof text));
	}
	return o;
}

static json_t *
subscriber_part(const Row__Subscriber *s)
{
	json_t *o = json_object(), *dns = json_array();
	char t[TEXT];

	out_set_text(o, "user", s->user);
	out_set_text(o, "authentication", s->auth);
	json_object_set_new(o, "forwarding", json_boolean(s->forwarding));
	out_set_number(o, "subscriber-since", s->since);
	set_address(o, "ipv4", s->ipv4);
	set_address(o, "ipv4-local", s->ipv4_local);
	set_iid(o, "ipv6-interface-id", s->ipv6_iid_peer);
	set_iid(o, "ipv6-interface-id-local", s->ipv6_iid_local);
	set_prefix(o, "ipv6-prefix", s->ipv6_prefix, s->ipv6_prefix_len);
	set_prefix(o, "delegated-prefix", s->delegated_prefix, s->delegated_prefix_len);
	for (size_t k = 0; k < s->n_dns; k++)
		json_array_append_new(dns, json_string(text_address(s->dns[k].data, s->dns[k].len, t)));
	if (json_array_size(dns))
		json_object_set(o, "dns", dns);
	json_decref(dns);
	out_set_number(o, "mtu", s->mtu);
	out_set_text(o, "pool", s->pool);
	out_set_text(o, "pool6", s->pool6);
	out_set_text(o, "filter-id", s->filter_id);
	out_set_text(o, "acct-session-id", s->acct_session_id);
	out_set_number(o, "session-timeout-seconds", s->session_timeout);
	out_set_number(o, "idle-timeout-seconds", s->idle_timeout);
	return o;
}

static json_t *
usage_part(const Row__Usage *u)
{
	json_t *o = json_object();

	json_object_set_new(o, "from-subscriber-octets", json_integer((json_int_t)u->in_octets));
	json_object_set_new(o, "from-subscriber-packets", json_integer((json_int_t)u->in_packets));
	json_object_set_new(o, "to-subscriber-octets", json_integer((json_int_t)u->out_octets));
	json_object_set_new(o, "to-subscriber-packets", json_integer((json_int_t)u->out_packets));
	json_object_set_new(o, "drops", json_integer((json_int_t)u->drops));
	out_set_number(o, "active-since", u->last_active);
	return o;
}

static json_t *
link_part(const Row__Link *l)
{
	json_t *o = json_object();
	char t[TEXT];

	out_set_text(o, "phase", text_phase(l->phase, t));
	json_object_set_new(o, "we-are-client", json_boolean(l->client));
	if (l->hangup) {
		json_object_set_new(o, "hanging-up", json_true());
		out_set_number(o, "cdn-result", l->cdn_result);
		out_set_number(o, "disconnect-cause", l->cause_code);
		out_set_text(o, "disconnect-message", *l->cause_message ? l->cause_message : l->cdn_message);
	}
	return o;
}

static void
add(json_t *to, const char *key, json_t *part)
{
	if (json_object_size(part))
		json_object_set(to, key, part);
	json_decref(part);
}

static void
add_info(json_t *all, const Row__CallInfo *i)
{
	if (!i)
		return;
	add(all, "signalled", info_part(i));
	add(all, "access-line", line_part(i));
	add(all, "line-errors", errors_part(i));
}

static void
add_live(json_t *all, struct node *n, const char *id)
{
	const char *words[] = { "show", "session", id };
	json_t *live = node_ask_json(n, "session-mgr", words, 3);

	if (live && json_is_object(live))
		add(all, "live", json_incref(live));
	json_decref(live);
}

/* ---- by name or address instead of by id ---- */

struct search {
	struct store_view *view;
	struct arena arena;
	struct filter filter;
	unsigned found, tunnel, session; /* the first that fits */
};

static bool
search_row(void *arg, struct span key, struct span row)
{
	struct search *w = arg;
	const Row__Call *c = row_unpack(&w->arena, TABLE_CALL, row);
	const Row__Subscriber *s = c ? store_row(w->view, TABLE_SUBSCRIBER, key, &w->arena) : NULL;

	if (c && filter_fits(&w->filter, c, s) && w->found++ == 0) {
		w->tunnel = c->tunnel;
		w->session = c->id;
	}
	arena_reset(&w->arena);
	return true;
}

/* DONE, or why not; says so. */
static int
find_one(struct node *n, const char *const *words, unsigned count, unsigned *tunnel, unsigned *session)
{
	struct search w = { .found = 0 };
	char error[256];

	if (!filter_read(&w.filter, words, count, error, sizeof error))
		return usage_error("%s", error);
	w.view = node_view(n);
	arena_init(&w.arena, 0);
	store_each(w.view, TABLE_CALL, search_row, &w);
	arena_fini(&w.arena);
	if (w.found != 1) {
		fprintf(stderr, w.found ? "twinctl: %u sessions fit; show sessions with the same words lists them\n" :
					  "twinctl: no session fits\n", w.found);
		return REFUSED;
	}
	*tunnel = w.tunnel;
	*session = w.session;
	return DONE;
}

int
show_session(struct node *n, const char *const *words, unsigned count)
{
	unsigned tunnel, session;
	struct arena arena;
	struct store_view *v;
	char id[TEXT];
	json_t *all;
	int code;

	if (count == 0 || (count == 1 && !text_session_id(words[0], &tunnel, &session)))
		return usage_error("show session wants one session: TUNNEL/SESSION, as in the first column of show sessions, or user NAME, "
				   "address ADDRESS");
	if (count > 1 && (code = find_one(n, words, count, &tunnel, &session)) != DONE)
		return code;
	arena_init(&arena, 0);
	v = node_view(n);
	struct key key = key_session((uint16_t)tunnel, (uint16_t)session), tkey = key_tunnel((uint16_t)tunnel);
	const Row__Call *c = store_row(v, TABLE_CALL, key_span(&key), &arena);
	const Row__Link *l = store_row(v, TABLE_LINK, key_span(&key), &arena);
	const Row__Subscriber *s = store_row(v, TABLE_SUBSCRIBER, key_span(&key), &arena);
	const Row__Usage *u = store_row(v, TABLE_USAGE, key_span(&key), &arena);
	if (!c && !l && !s) {
		fprintf(stderr, "twinctl: there is no session %u/%u; show sessions lists them\n", tunnel, session);
		arena_fini(&arena);
		return REFUSED;
	}
	all = json_object();
	if (c)
		add(all, "call", call_part(c, store_row(v, TABLE_TUNNEL, key_span(&tkey), &arena)));
	add_info(all, store_row(v, TABLE_CALL_INFO, key_span(&key), &arena));
	if (l)
		add(all, "link", link_part(l));
	if (s)
		add(all, "subscriber", subscriber_part(s));
	if (u)
		add(all, "traffic", usage_part(u));
	snprintf(id, sizeof id, "%u/%u", tunnel, session);
	add_live(all, n, id);
	out_sections(all);
	arena_fini(&arena);
	return DONE;
}
