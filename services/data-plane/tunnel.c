// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of tunnels: where their peers are, of which version of L2TP they are and how they are carried.  And one
 * session, with its tunnel, for people.
 */
#include "dp_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REC_WAIT = 1, REC_ASKED = 2 }; /* Row.Tunnel.recovery: not recovered yet */

void
tunnel_remove(struct dp *dp, uint16_t id)
{
	if (!dp->tunnel[id])
		return;
	free(dp->tunnel[id]);
	dp->tunnel[id] = NULL;
	dp->tunnels--;
	form_tunnel(dp, id, false);
}

static struct dp_tunnel *
tunnel_have(struct dp *dp, uint16_t id)
{
	struct dp_tunnel *t = dp->tunnel[id];

	if (t)
		return t;
	t = calloc(1, sizeof *t);
	if (!t) {
		dp->count[DP_COUNT_ROWS_NO_MEMORY]++;
		return NULL;
	}
	t->room = DP_PACKET_MAX;
	dp->tunnels++;
	return dp->tunnel[id] = t;
}

/* Its ends, or false: they make no sense. */
static bool
tunnel_ends(const Row__Tunnel *row, struct dp_ends *ends)
{
	struct ip_addr local, peer;

	if (!ip_addr_from(row->peer_addr.data, row->peer_addr.len, &peer) || row->peer_port > 65535 ||
	    row->local_port > 65535)
		return false;
	if (row->version != 3 && ((row->version != 2 && row->version != 0) || row->over_ip || row->peer_id > 65535))
		return false;
	ip_addr_from(row->local_addr.data, row->local_addr.len,
		     &local); /* none: the kernel's choice */
	*ends = (struct dp_ends){ dp_addr_of(&local), dp_addr_of(&peer), (uint16_t)row->local_port,
				  (uint16_t)row->peer_port, row->over_ip ? L2TP3_IP_PROTOCOL : 0 };
	return true;
}

bool
tunnel_apply(struct dp *dp, struct span key, const Row__Tunnel *row)
{
	struct dp_ends ends;
	struct dp_tunnel *t;
	uint16_t id;

	if (!key_tunnel_read(key, &id))
		return false;
	if (!row) {
		tunnel_remove(dp, id);
		return true;
	}
	if (!tunnel_ends(row, &ends))
		return false;
	t = tunnel_have(dp, id);
	if (!t)
		return true;
	const uint8_t version = row->version == 3 ? 3 : 2;
	const bool is_new = t->version == 0;
	const bool other = is_new || t->version != version || ends.ip_protocol != t->ends.ip_protocol ||
			   !dp_addr_eq(&ends.peer, &t->ends.peer) || !dp_addr_eq(&ends.local, &t->ends.local);
	if (!dp_addr_eq(&ends.peer, &t->ends.peer))
		t->room = DP_PACKET_MAX;
	t->ends = ends;
	t->version = version;
	t->peer_id = row->peer_id;
	t->ecn = row->ecn_capable;
	t->restarts = (uint16_t)row->data_restarts;
	t->silent = row->recovery == REC_WAIT || row->recovery == REC_ASKED;
	t->keep = true;
	if (other)
		form_tunnel(dp, id, is_new);
	return true;
}

/* ---- for people ------------------------------------------------------------------------------- */

static const char *
carried_by(const struct dp_session *s, const struct dp_form *f)
{
	if (s->flags & S_V3)
		return f->ip_protocol ? "l2tpv3/ip" : "l2tpv3/udp";
	return s->flags & S_HEADERLESS ? "l2tpv2/udp+l2tphc" : "l2tpv2/udp";
}

/* What L2TPv3 and L2TPHC agreed on. */
static void
form_text(const struct dp_session *s, const struct dp_form *f, char *out, size_t cap)
{
	if (s->flags & S_V3)
		snprintf(out, cap, " cookies=%u/%u sublayer=%s/%s circuit=%s", f->in.cookie_len, f->out.cookie_len,
			 f->in.sublayer ? "yes" : "no", f->out.sublayer ? "yes" : "no", f->down ? "down" : "up");
	else if (s->flags & S_HEADERLESS && f->hc.bare)
		snprintf(out, cap, " ip-protocol=%u only=%04x", f->ip_protocol, f->hc.protocol);
	else if (s->flags & S_HEADERLESS)
		snprintf(out, cap, " ip-protocol=%u header=%s", f->ip_protocol, f->hc.header ? "yes" : "no");
}

bool
dp_session_text(const struct dp *dp, uint16_t tunnel, uint16_t session, char *out, size_t cap)
{
	const struct dp_session *s = session_find(dp, session_key(tunnel, session));
	const struct dp_tunnel *t = dp->tunnel[tunnel];
	char peer[ADDR_TEXT] = "-", v4[ADDR_TEXT] = "-", form[96] = "";
	struct endpoint e;
	struct ip_addr a = { .family = 4 };

	if (!s)
		return false;
	const struct dp_form *f = cold_of(dp, s)->form;
	if (t) {
		e = (struct endpoint){ dp_addr_ip(&t->ends.peer), t->ends.peer_port };
		endpoint_text(&e, peer);
	}
	memcpy(a.b, &s->ipv4, 4);
	if (s->flags & S_V4)
		ip_addr_text(&a, v4);
	form_text(s, f, form, sizeof form);
	snprintf(
	    out, cap,
	    "session=%u/%u peer=%s peer-ids=%u/%u call=%s forwarding=%s ipv4=%s ipv6=%s mtu=%u "
	    "sequenced=%s ns=%u ns-lease=%u nr=%u owner=%s in=%llu/%llu out=%llu/%llu drops=%llu carried=%s%s",
	    tunnel, session, peer, t ? t->peer_id : 0, s->flags & S_V3 ? f->peer : s->peer_session,
	    s->flags & S_UP ? "up" : "down", s->flags & S_FORWARDING ? "yes" : "no", v4,
	    s->flags & S_V6 ? "yes" : "no", s->mtu, s->flags & S_SEQ_TX ? "yes" : "no", s->ns_next,
	    s->ns_lease, s->nr, s->flags & S_MINE ? "this" : "other",
	    (unsigned long long)s->in_packets, (unsigned long long)s->in_octets,
	    (unsigned long long)s->out_packets, (unsigned long long)s->out_octets,
	    (unsigned long long)s->drops, carried_by(s, f), form);
	return true;
}
