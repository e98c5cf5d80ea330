// SPDX-License-Identifier: Apache-2.0
/*
 * Messages of an established tunnel, to the calls they name: call set-up and clearing to the tables
 * of call.c; errors, link information and speeds (RFC 2661, 6.13 and 6.14; RFC 5515) into the
 * call's info.
 *
 * A call is named by the header's Session ID; before the peer knows it, by the id that the peer has
 * assigned.
 */
#include <string.h>

#include "call.h"
#include "dialect.h"

#define SPEED_UPDATES_MAX 64 /* in one CSUN */

/* ---- messages to events --------------------------------------------------------------- */

static enum call_event_kind
event_of(unsigned type)
{
	switch (type) {
	case L2TP_ICRQ:
		return CE_ICRQ;
	case L2TP_ICRP:
		return CE_ICRP;
	case L2TP_ICCN:
		return CE_ICCN;
	case L2TP_OCRQ:
		return CE_OCRQ;
	case L2TP_OCRP:
		return CE_OCRP;
	case L2TP_OCCN:
		return CE_OCCN;
	case L2TP_CDN:
		return CE_CDN;
	default:
		return CE_KINDS;
	}
}

static struct call *
call_named(const struct tunnel *t, const struct l2tp_msg *m, enum call_event_kind kind)
{
	if (message_session(m))
		return call_on_wire(t, message_session(m));
	if (kind == CE_ICRQ || kind == CE_OCRQ || kind == CE_CDN)
		return call_of_peer(t, message_assigned(m));
	return NULL;
}

/* What a CDN says to whoever asked for a call that cannot be. */
static struct verdict
verdict_of_stray(const struct l2tp_msg *m)
{
	return m->trouble.answer == L2TP_CLEAR_SESSION ? verdict_of_trouble(&m->trouble) : verdict_of(FAULT_CALL_STATE);
}

/*
 * A message for a call that does not exist: the idle rows that do not begin one.  A request of L2TPv3 without a Local
 * Session ID that could be one is refused as well, to Remote Session ID 0 (RFC 3931, 7.3.2, 7.4.2: "not acceptable").
 */
static void
stray(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m, enum call_event_kind kind)
{
	bool answer = kind == CE_ICRQ || kind == CE_OCRQ;

	bump(tc, N_UNKNOWN_SESSION);
	if (kind == CE_ICRP)
		answer = t->role == TC_LNS; /* 7.4.2 sends CDN, 7.4.1 does not */
	if (kind == CE_OCRP)
		answer = t->role != TC_LNS; /* 7.5.1 sends CDN, 7.5.2 does not */
	if (answer && (message_assigned(m) || (m->v3 && m->trouble.answer == L2TP_CLEAR_SESSION))) {
		struct verdict v = verdict_of_stray(m);
		uint16_t nobody = message_session(m) ? (uint16_t)message_session(m) : call_free_id(tc, t);
		send_cdn(tc, t, nobody ? nobody : 1, message_assigned(m), &v, NULL);
	}
}

static void
setup_message(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m, enum call_event_kind kind)
{
	struct call *c = call_named(t, m, kind);
	struct call_event ev = { .kind = kind, .msg = m };

	if (c && m->trouble.answer == L2TP_CLEAR_SESSION && kind != CE_CDN) {
		ev.kind = CE_TROUBLE;
		ev.why = verdict_of_trouble(&m->trouble);
	}
	if (c && c->state == CALL_ESTABLISHED && t->recovery == REC_SYNC && (kind == CE_ICRQ || kind == CE_OCRQ)) {
		/* RFC 4951, 3.3: the table's CDN carries our id, and the call that we took for established ends */
		bump(tc, N_RECOVERY_COLLISIONS);
		ev.why = verdict_of(FAULT_CALL_COLLISION);
	}
	if (c)
		call_step(tc, c, &ev);
	else if (kind == CE_ICRQ && message_session(m) == 0 && message_assigned(m))
		call_begin(tc, t, CALL_INCOMING, TC_LNS, &ev);
	else if (kind == CE_OCRQ && message_session(m) == 0 && message_assigned(m))
		call_begin(tc, t, CALL_OUTGOING, TC_LAC, &ev);
	else
		stray(tc, t, m, kind);
}

static void
wan_errors(struct tc *tc, struct call *c, const struct l2tp_msg *m)
{
	struct l2tp_call_errors e;
	Row__CallInfo *i = call_info(tc, c);
	uint32_t v[6];

	if (c->role != TC_LNS || !i || !l2tp_msg_call_errors(m, &e)) {
		bump(tc, N_IGNORED);
		return;
	}
	memcpy(v,
	       (uint32_t[6]){ e.crc, e.framing, e.hardware_overruns, e.buffer_overruns, e.timeouts,
			      e.alignment },
	       sizeof v);
	i->n_line_errors = 6;
	i->line_errors = v;
	put_info(tc, c, i);
	bump(tc, N_WEN_IN);
}

/*
 * RFC 3931, 5.4.5: while the peer's circuit is inactive no data goes there; workers see it in the row.  It may change as
 * soon as the session has been asked for, before the one who is told has told its own id (5.4.4).  Active again,
 * whoever was there may be another, and as LNS PPP begins anew (the PPP draft): for session-mgr it is another call, told
 * apart by the time it is established at.
 */
static bool
circuit_status(struct tc *tc, struct call *c, const struct l2tp_msg *m)
{
	struct call_form f = form_of(c);
	Row__Call row = call_row(c);
	uint16_t v;

	if (!m->v3 || !l2tp_msg_u16(m, AVP_CIRCUIT_STATUS, &v))
		return false;
	if (f.circuit_down == !(v & L2TP3_CIRCUIT_ACTIVE))
		return true;
	f.circuit_down = !f.circuit_down;
	if (f.circuit_down)
		bump(tc, N_CIRCUITS_DOWN);
	row_of_form(&row, &f);
	if (!f.circuit_down && c->role == TC_LNS && c->state == CALL_ESTABLISHED)
		row.since = tc->wall_s > c->since ? tc->wall_s : c->since + 1;
	put_call(tc, c->t, &row);
	return true;
}

static void
link_info(struct tc *tc, struct call *c, const struct l2tp_msg *m)
{
	struct l2tp_accm a;
	const bool circuit = circuit_status(tc, c, m);
	Row__CallInfo *i = c->state == CALL_ESTABLISHED ? call_info(tc, c) : NULL;

	if (c->role == TC_LNS || !i || !l2tp_msg_accm(m, &a)) {
		bump(tc, circuit ? N_SLI_IN : N_IGNORED);
		return;
	}
	i->accm_send = a.send;
	i->accm_recv = a.receive;
	put_info(tc, c, i);
	bump(tc, N_SLI_IN);
}

static void
on_call(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m,
	void (*act)(struct tc *, struct call *, const struct l2tp_msg *))
{
	const uint32_t id = message_session(m);
	struct call *c = id ? call_on_wire(t, id) : m->v3 ? call_of_peer(t, message_assigned(m)) : NULL;

	if (!c) {
		bump(tc, N_UNKNOWN_SESSION);
	} else if (m->trouble.answer == L2TP_CLEAR_SESSION) {
		struct call_event ev = { .kind = CE_TROUBLE,
					 .why = verdict_of_trouble(&m->trouble) };
		call_step(tc, c, &ev);
	} else if (c->state == CALL_ESTABLISHED || (m->v3 && m->type == L2TP_SLI && c->state != CALL_CLOSED)) {
		act(tc, c, m);
	} else {
		bump(tc, N_IGNORED);
	}
}

/* RFC 5515, 6.1: reserved, the id that we gave, both speeds. */
static bool
next_speed(const struct l2tp_msg *m, size_t *at, struct l2tp_speed_update *u)
{
	struct span s;
	struct rd in;

	if (!l2tp_msg_each(m, AVP_SPEED_UPDATE, at, &s))
		return false;
	in = rd_of(s.p, s.len);
	rd_u16(&in);
	u->remote_session = rd_u16(&in);
	u->tx_bps = rd_u32(&in);
	u->rx_bps = rd_u32(&in);
	return in.ok;
}

static void
speed_updates(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m)
{
	struct l2tp_speed_update u;
	size_t at = 0;

	bump(tc, N_CSUN_IN);
	while (next_speed(m, &at, &u)) {
		struct call *c = call_find(t, u.remote_session);
		Row__CallInfo *i = c && c->state == CALL_ESTABLISHED && c->role == TC_LNS
				       ? call_info(tc, c)
				       : NULL;
		if (!i) {
			bump(tc, N_UNKNOWN_SESSION);
			continue;
		}
		i->tx_bps = u.tx_bps;
		i->rx_bps = u.rx_bps;
		put_info(tc, c, i);
	}
}

/* "MUST NOT respond to unknown sessions, or to ... sessions for which it did not issue a Connect
 * Speed Update Enable" */
static void
speeds_asked(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m)
{
	struct call *found[SPEED_UPDATES_MAX];
	struct l2tp_speed_update u;
	unsigned n = 0;
	size_t at = 0;

	while (n < SPEED_UPDATES_MAX && next_speed(m, &at, &u)) {
		struct call *c = call_find(t, u.remote_session);
		const Row__CallInfo *i = c && c->state == CALL_ESTABLISHED && c->role != TC_LNS
					     ? call_info(tc, c)
					     : NULL;
		if (i && i->speed_updates)
			found[n++] = c;
	}
	if (n)
		send_csun(tc, t, found, n);
}

void
call_receive(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m)
{
	enum call_event_kind kind = event_of(m->type);

	if (kind != CE_KINDS) {
		setup_message(tc, t, m, kind);
		return;
	}
	switch (m->type) {
	case L2TP_WEN:
		on_call(tc, t, m, wan_errors);
		break;
	case L2TP_SLI:
		on_call(tc, t, m, link_info);
		break;
	case L2TP_CSUN:
		speed_updates(tc, t, m);
		break;
	case L2TP_CSURQ:
		speeds_asked(tc, t, m);
		break;
	case L2TP_FSQ:
		sync_query(tc, t, m);
		break;
	case L2TP_FSR:
		sync_response(tc, t, m);
		break;
	default: /* of extensions that we do not take part in (RFC 3573, 3817, 4045): nothing was
		    offered */
		bump(tc, N_IGNORED);
		break;
	}
}
