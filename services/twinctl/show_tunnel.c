// SPDX-License-Identifier: Apache-2.0
/*
 * One tunnel, everything known: its ends, what they agreed on, the numbers of its control connection, and its
 * calls by state.  All of it is in the store.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "out.h"
#include "rows.pb-c.h"
#include "show.h"
#include "text.h"

#define ESTABLISHED 10 /* enum call_state: CALL_ESTABLISHED is public */

static void
set_endpoint(json_t *o, const char *key, ProtobufCBinaryData addr, unsigned port)
{
	struct endpoint e = { .port = (uint16_t)port };
	char t[TEXT];

	if (!ip_addr_from(addr.data, addr.len, &e.addr))
		return;
	out_set_text(o, key, port ? endpoint_text(&e, t) : ip_addr_text(&e.addr, t));
}

/* RFC 2661, 4.4.3: Framing and Bearer Capabilities, two bits each. */
static void
set_bits(json_t *o, const char *key, unsigned bits, const char *low, const char *high)
{
	char t[TEXT];

	snprintf(t, sizeof t, "%s%s%s", bits & 1 ? low : "", (bits & 3) == 3 ? ", " : "", bits & 2 ? high : "");
	out_set_text(o, key, t);
}

static json_t *
ends_part(const Row__Tunnel *t)
{
	json_t *o = json_object();
	char text[TEXT];

	out_set_number(o, "tunnel", t->id);
	out_set_number(o, "peer-tunnel", t->peer_id);
	out_set_text(o, "state", text_tunnel_state(t->state, text));
	out_set_text(o, "our-role", text_role(t->role, text));
	out_set_text(o, "opened-by", t->initiated ? "us" : "the peer");
	out_set_number(o, "l2tp-version", t->version == 3 ? 3 : 2);
	out_set_text(o, "carried-by", t->over_ip ? "IP" : "UDP");
	set_endpoint(o, "peer", t->peer_addr, t->over_ip ? 0 : t->peer_port);
	set_endpoint(o, "local", t->local_addr, t->over_ip ? 0 : t->local_port);
	out_set_text(o, "peer-host", t->peer_host);
	out_set_text(o, "peer-vendor", t->peer_vendor);
	out_set_number(o, "peer-firmware", t->peer_firmware);
	out_set_text(o, "profile", t->profile);
	out_set_text(o, "lns-group", t->lns_group);
	out_set_number(o, "up-since", t->since);
	json_object_set_new(o, "draining", json_boolean(t->draining));
	out_set_number(o, "result", t->result);
	out_set_number(o, "error", t->error);
	out_set_text(o, "message", t->message);
	return o;
}

static json_t *
terms_part(const Row__Tunnel *t)
{
	json_t *o = json_object();

	set_bits(o, "framing", t->peer_framing, "synchronous", "asynchronous");
	set_bits(o, "bearer", t->peer_bearer, "digital", "analog");
	out_set_number(o, "receive-window", t->peer_window);
	json_object_set_new(o, "multicast", json_boolean(t->multicast_capable));
	json_object_set_new(o, "ecn", json_boolean(t->ecn_capable));
	set_bits(o, "failover-of-peer", t->failover_flags, "control", "data");
	set_bits(o, "failover-of-ours", t->failover_ours, "control", "data");
	out_set_number(o, "peer-recovery-ms", t->failover_flags ? t->failover_ms : 0);
	out_set_number(o, "recovers-tunnel", t->recovers);
	return o;
}

static bool
count_row(void *arg, struct span key, struct span row)
{
	(*(unsigned *)arg)++;
	return true;
}

/* RFC 2661, 5.8.  Waiting: beyond the window; under way: sent, and not acknowledged. */
static json_t *
numbers_part(struct store_view *v, const Row__TunnelSeq *s, struct span key)
{
	json_t *o = json_object();
	unsigned unacknowledged = 0;

	store_each_prefix(v, TABLE_TUNNEL_OUT, key, count_row, &unacknowledged);
	json_object_set_new(o, "next-ns", json_integer(s->ns & 0xffff));
	json_object_set_new(o, "next-nr", json_integer(s->nr & 0xffff));
	json_object_set_new(o, "acknowledged-below", json_integer(s->peer_nr & 0xffff));
	json_object_set_new(o, "messages-not-acknowledged", json_integer(unacknowledged));
	return o;
}

struct calls {
	struct arena arena;
	unsigned established, others;
};

static bool
call_row(void *arg, struct span key, struct span row)
{
	struct calls *n = arg;
	const Row__Call *c = row_unpack(&n->arena, TABLE_CALL, row);

	if (c && c->state == ESTABLISHED)
		n->established++;
	else
		n->others++;
	arena_reset(&n->arena);
	return true;
}

static json_t *
calls_part(struct store_view *v, struct span key)
{
	struct calls n = { .established = 0 };
	json_t *o = json_object();

	arena_init(&n.arena, 0);
	store_each_prefix(v, TABLE_CALL, key, call_row, &n);
	arena_fini(&n.arena);
	json_object_set_new(o, "established", json_integer(n.established));
	json_object_set_new(o, "coming-or-going", json_integer(n.others));
	return o;
}

int
show_tunnel(struct node *n, const char *const *words, unsigned count)
{
	struct store_view *v;
	struct arena arena;
	unsigned long id;
	json_t *all;

	if (count != 1 || !text_number(words[0], 65535, &id) || id == 0)
		return usage_error("show tunnel wants one tunnel's id, as in the first column of show tunnels");
	arena_init(&arena, 0);
	v = node_view(n);
	struct key key = key_tunnel((uint16_t)id);
	const Row__Tunnel *t = store_row(v, TABLE_TUNNEL, key_span(&key), &arena);
	const Row__TunnelSeq *s = store_row(v, TABLE_TUNNEL_SEQ, key_span(&key), &arena);
	if (!t) {
		fprintf(stderr, "twinctl: there is no tunnel %lu; show tunnels lists them\n", id);
		arena_fini(&arena);
		return REFUSED;
	}
	all = json_object();
	json_object_set_new(all, "tunnel", ends_part(t));
	json_object_set_new(all, "terms", terms_part(t));
	if (s)
		json_object_set_new(all, "control-messages", numbers_part(v, s, key_span(&key)));
	json_object_set_new(all, "calls", calls_part(v, key_span(&key)));
	out_sections(all);
	arena_fini(&arena);
	return DONE;
}
