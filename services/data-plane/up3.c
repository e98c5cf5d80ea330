// SPDX-License-Identifier: Apache-2.0
/*
 * Up, of what is not L2TPv2 over UDP: L2TPv3 (RFC 3931) over UDP and straight over IP, and L2TPHC.
 *
 * A control message is punted whole: over UDP as it is, over IP with the four zero octets of its
 * session id in front.  Data meets these checks: tunnel, peer's address, session, form (version, UDP or IP),
 * cookie, circuits, call established, order; and then those of every frame (up.c).
 *
 * Our session ids are the tunnel's 16 bits and the session's, so that one look-up serves both versions.
 *
 * What comes over IP was copied to every worker, and is one's: whoever else gets it drops it.
 */
#include "dp_int.h"

#include "ip.h"

/* ---- control --------------------------------------------------------------------------------- */

static bool
siblings(const struct dp *dp, const struct dp_datagram *d, uint32_t id)
{
	return d->ends->ip_protocol && (uint16_t)id % dp->workers != dp->worker;
}

/* A header that is whole; what it says is tunnel-ctl's to judge. */
static void
control(struct dp *dp, mono_t now, const struct dp_datagram *d, struct span message,
	struct dp_verdict *v)
{
	struct l2tp_hdr h;
	struct span avps;

	if (l2tp3_hdr_read(message, &h, &avps) != L2TP_OK) {
		up_drop(dp, NULL, v, DP_DROP_CONTROL);
		return;
	}
	v->tunnel = h.connection;
	if (siblings(dp, d, h.connection))
		up_drop(dp, NULL, v, DP_DROP_SIBLING);
	else
		punt_control(dp, now, d, h.connection, v);
}

/* ---- data ------------------------------------------------------------------------------------ */

static bool
carries_ip(struct span payload)
{
	uint8_t *p = (uint8_t *)(uintptr_t)payload.p;
	uint32_t len = (uint32_t)payload.len;
	uint16_t proto = 0;

	return protocol_read(&p, &len, &proto) == DP_OK && (proto == PPP_IPV4 || proto == PPP_IPV6);
}

/* RFC 3931, 4.6.1: numbers are looked at where we asked for them (Data Sequencing, 5.4.4). */
static enum dp_drop
order(struct dp *dp, struct dp_session *s, const struct dp_form *f, const struct l2tp3_data *m)
{
	if (f->need == L2TP3_SEQUENCE_NONE)
		return DP_OK;
	if (!m->has_seq)
		return f->need == L2TP3_SEQUENCE_ALL || !carries_ip(m->payload) ? DP_DROP_SEQ_MISSING : DP_OK;
	return seq_take(dp, s, m->seq) ? DP_OK : DP_DROP_SEQ_LATE;
}

/* Of this peer, for this session, and in the form that it has. */
static enum dp_drop
addressed(const struct dp *dp, const struct dp_datagram *d, const struct dp_session *s, uint32_t id)
{
	const struct dp_tunnel *t = dp->tunnel[id >> 16];

	if (siblings(dp, d, id))
		return DP_DROP_SIBLING;
	if (!t)
		return DP_DROP_NO_TUNNEL;
	if (!dp_addr_eq(&t->ends.peer, &d->ends->peer))
		return DP_DROP_PEER;
	if (t->version != 3 || t->ends.ip_protocol != d->ends->ip_protocol)
		return DP_DROP_VERSION;
	return s && cold_of(dp, s)->form ? DP_OK : DP_DROP_NO_SESSION;
}

static enum dp_drop
authentic(const struct dp_form *f, struct span rest, struct l2tp3_data *m)
{
	switch (l2tp3_data_read(rest, &f->in, m)) {
	case L2TP3_DATA_OK:
		return f->down ? DP_DROP_CIRCUIT : DP_OK;
	case L2TP3_DATA_COOKIE:
		return DP_DROP_COOKIE;
	default:
		return DP_DROP_SHORT;
	}
}

/* Frames that only the owner of a session's order, or of its contexts, can judge (GRO joins sessions). */
static bool
another_has_it(const struct dp_session *s, const struct dp_form *f)
{
	return !(s->flags & S_MINE) && (s->flags & S_TRUNK || f->need != L2TP3_SEQUENCE_NONE);
}

static void
data(struct dp *dp, mono_t now, const struct dp_datagram *d, uint32_t id, struct span rest, struct dp_verdict *v)
{
	struct dp_session *s = session_find(dp, id);
	enum dp_drop why = addressed(dp, d, s, id);
	struct l2tp3_data m;

	v->tunnel = id >> 16;
	v->session = (uint16_t)id;
	if (why) {
		up_drop(dp, NULL, v, why);
		return;
	}
	const struct dp_form *f = cold_of(dp, s)->form;
	why = authentic(f, rest, &m);
	uint8_t *p = (uint8_t *)(uintptr_t)m.payload.p;
	const uint32_t len = (uint32_t)m.payload.len;
	if (!why && !(s->flags & S_UP)) {
		up_early(dp, now, d, s, s->key, p, len, DP_DROP_NOT_UP, v);
		return;
	}
	if (!why && another_has_it(s, f)) {
		v->act = DP_HAND;
		v->reason = DP_OK;
		v->worker = (uint16_t)(v->session % dp->workers);
		return;
	}
	if (!why)
		why = order(dp, s, f, &m);
	if (why)
		up_drop(dp, s, v, why);
	else
		up_ppp(dp, now, d, s, p, len, v);
}

static void
up_any(struct dp *dp, mono_t now, const struct dp_datagram *d, bool udp, struct dp_verdict *v)
{
	uint32_t id;
	struct span rest;

	v->tunnel = 0;
	v->session = 0;
	switch (l2tp3_split(span_of(d->p, d->len), udp, &id, &rest)) {
	case L2TP3_CONTROL:
		control(dp, now, d, rest, v);
		break;
	case L2TP3_DATA:
		data(dp, now, d, id, rest, v);
		break;
	default:
		up_drop(dp, NULL, v, DP_DROP_SHORT);
	}
}

void
up_v3(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_verdict *v)
{
	up_any(dp, now, d, true, v);
}

/* ---- L2TPHC ---------------------------------------------------------------------------------- */

/* A frame without its PPP header, of the one protocol that goes so. */
static void
bare(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, uint16_t proto, uint8_t *p,
     uint32_t len, struct dp_verdict *v)
{
	if (s->flags & S_UP)
		up_frame(dp, now, d, s, proto, p, len, v);
	else
		up_drop(dp, s, v, DP_DROP_NOT_UP);
}

static void
headerless(struct dp *dp, mono_t now, const struct dp_datagram *d, const struct dp_form *f, struct span frame,
	   struct dp_verdict *v)
{
	struct dp_session *s = session_at(dp, f->index);
	uint8_t *p = (uint8_t *)(uintptr_t)frame.p;
	const uint32_t len = (uint32_t)frame.len;

	v->tunnel = s->key >> 16;
	v->session = (uint16_t)s->key;
	if (!(s->flags & S_MINE))
		up_drop(dp, NULL, v, DP_DROP_SIBLING);
	else if (s->flags & S_SEQ_MUST)
		up_drop(dp, s, v, DP_DROP_SEQ_MISSING);
	else if (f->hc.bare)
		bare(dp, now, d, s, f->hc.protocol, p, len, v);
	else if (s->flags & S_UP)
		up_ppp(dp, now, d, s, p, len, v);
	else
		up_early(dp, now, d, s, s->key, p, len, DP_DROP_NOT_UP, v);
}

static void
up_ip_one(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_verdict *v)
{
	struct span frame;
	const struct dp_form *f = form_headerless(dp, d->ends, span_of(d->p, d->len), &frame);

	if (f) {
		headerless(dp, now, d, f, frame, v);
	} else if (d->ends->ip_protocol == L2TP3_IP_PROTOCOL) {
		up_any(dp, now, d, false, v);
	} else {
		v->tunnel = 0;
		v->session = 0;
		up_drop(dp, NULL, v, DP_DROP_HEADERLESS);
	}
}

void
dp_up_ip(struct dp *dp, mono_t now, const struct dp_datagram *in, unsigned n,
	 struct dp_verdict *verdict)
{
	out_reset(dp);
	dp->count[DP_COUNT_UP_DATAGRAMS] += n;
	for (unsigned i = 0; i < n; i++) {
		if (in[i].len >= 4)
			__builtin_prefetch(slot_hint(dp, get_u32(in[i].p)));
	}
	for (unsigned i = 0; i < n; i++)
		up_ip_one(dp, now, &in[i], &verdict[i]);
}
