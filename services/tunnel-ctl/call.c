// SPDX-License-Identifier: Apache-2.0
/*
 * Calls: the four tables of RFC 2661, 7.4 and 7.5, row by row.  Which table a call lives by is said by its
 * kind (incoming, outgoing) and by what we are to it (LNS, or LAC and client).
 *
 * "Clean up" ends a call at once: its CDN is the reliable delivery's business.  An established call
 * leaves a last row, `closed`, with the causes, before its rows are removed, so that whoever follows the
 * feed learns why.
 *
 * We have no modems: the bearer of an outgoing call that we place is a PPP endpoint on this host
 * and answers at once (a `dial` entry that may be called, or the LAC role's own).
 */
#include "tunnels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ACCEPT_FRAMING 3u
#define ACCEPT_BEARER 3u
#define SPEED_UPDATES_MAX 64 /* in one CSUN */

enum call_event_kind {
	CE_OPEN,	/* bearer ring, local open request: as yet without a tunnel */
	CE_TUNNEL_OPEN, /* tunnel-open */
	CE_ICRQ,
	CE_ICRP,
	CE_ICCN,
	CE_OCRQ,
	CE_OCRP,
	CE_OCCN,
	CE_CDN,
	CE_CLOSE,   /* local close request */
	CE_ANSWER,  /* bearer answer, framing detected */
	CE_FAILURE, /* bearer failure */
	CE_DROP,    /* bearer line drop */
	CE_TIMEOUT, /* half open for too long */
	CE_TROUBLE, /* a message of this call that cannot be accepted */
	CE_KINDS
};

struct call_event {
	enum call_event_kind kind;
	const struct l2tp_msg *msg;
	const struct call_order *order; /* CE_OPEN */
	const struct cause *cause;	/* CE_CLOSE; may be NULL */
	struct verdict why;		/* CE_CLOSE, CE_TROUBLE; filled in by a guard that says no */
	uint16_t fresh_id;		/* for a new call */
};

struct call_rule {
	uint8_t state, event;
	bool (*guard)(struct tc *, struct tunnel *, struct call *, struct call_event *);
	void (*act)(struct tc *, struct tunnel *, struct call *, struct call_event *, Row__Call *);
	uint8_t next;
};

static const char *
call_state_name(unsigned state)
{
	switch (state) {
	case CALL_IDLE:
		return "idle";
	case CALL_WAIT_TUNNEL:
		return "wait-tunnel";
	case CALL_WAIT_REPLY:
		return "wait-reply";
	case CALL_WAIT_CONNECT:
		return "wait-connect";
	case CALL_WAIT_CS_ANSWER:
		return "wait-cs-answer";
	case CALL_ESTABLISHED:
		return "established";
	default:
		return "closed";
	}
}

static bool
refuse_with(struct call_event *ev, enum tc_fault fault)
{
	ev->why = verdict_of(fault);
	return false;
}

/* ---- the one place where the state changes -------------------------------------------------------- */

static struct call *
enter(struct tc *tc, struct tunnel *t, struct call *c, const Row__Call *row)
{
	unsigned old = c ? c->state : CALL_IDLE;

	c = put_call(tc, t, row);
	if (!c)
		return NULL;
	note(tc, NOTE_DEBUG, "call state tunnel=%u session=%u peer-session=%u old=%s new=%s", t->id, c->id, c->peer_id,
	    call_state_name(old), call_state_name(c->state));
	if (c->state == CALL_ESTABLISHED) {
		bump(tc, c->kind == CALL_INCOMING ? N_CALLS_IN : N_CALLS_OUT);
		lac_call_up(tc, c);
	}
	return c;
}

/* The call's last row, with its causes; nobody has seen a call that was never established. */
static void
say_why(struct tc *tc, struct call *c, const struct verdict *v, const struct cause *cause)
{
	Row__Call row;

	if (c->state != CALL_ESTABLISHED)
		return;
	if (cause && (cause->code || cause->q931)) {
		Row__CallInfo *i = call_info(tc, c);
		if (i) {
			i->disconnect_code = cause->code;
			i->disconnect_proto = cause->proto;
			i->disconnect_direction = cause->direction;
			i->disconnect_message = (char *)(cause->text ? cause->text : "");
			i->q931_cause = cause->q931;
			put_info(tc, c, i);
		}
	}
	row = call_row(c);
	row.state = CALL_CLOSED;
	row.result = v->result;
	row.error = v->error;
	row.message = (char *)v->text;
	put_call(tc, c->t, &row);
}

static void
end(struct tc *tc, struct call *c, const struct verdict *v, const struct cause *cause)
{
	struct tunnel *t = c->t;

	note(tc, NOTE_DEBUG, "call ended tunnel=%u session=%u state=%s result=%u error=%u why=\"%s\"", t->id, c->id,
	    call_state_name(c->state), v->result, v->error, v->text);
	lac_call_down(tc, c);
	say_why(tc, c, v, cause);
	drop_call(tc, c);
	cc_idle_check(tc, t);
}

/* ---- what messages say of a call --------------------------------------------------------------------- */

#define NUMBER_MAX 128

struct number_texts {
	char called[NUMBER_MAX], calling[NUMBER_MAX], sub[NUMBER_MAX];
};

static void
take_octets(const struct l2tp_msg *m, enum l2tp_avp a, ProtobufCBinaryData *out)
{
	struct span s;

	if (l2tp_msg_span(m, a, &s))
		*out = (ProtobufCBinaryData){ s.len, (uint8_t *)(uintptr_t)s.p };
}

static void
take_u16(const struct l2tp_msg *m, enum l2tp_avp a, uint32_t *out)
{
	uint16_t v;

	if (l2tp_msg_u16(m, a, &v))
		*out = v;
}

static void
take_text(const struct l2tp_msg *m, enum l2tp_avp a, char buffer[NUMBER_MAX], char **out)
{
	if (!l2tp_msg_text(m, a, buffer, NUMBER_MAX))
		return;
	clean_text(buffer);
	*out = buffer;
}

/* RFC 5515: the access line's AVPs, put together again as they came. */
static void
take_access_line(struct tc *tc, const struct l2tp_msg *m, ProtobufCBinaryData *out)
{
	uint8_t *octets;
	size_t need = 0;
	struct wr w;

	for (unsigned i = 0; i < m->vendors; i++) {
		if (m->vendor[i].vendor == L2TP_VENDOR_ADSL_FORUM)
			need += L2TP_AVP_HEADER + m->vendor[i].value.len;
	}
	if (need == 0 || !(octets = arena_alloc(&tc->arena, need)))
		return;
	w = wr_of(octets, need);
	for (unsigned i = 0; i < m->vendors; i++) {
		const struct l2tp_vendor_avp *a = &m->vendor[i];
		if (a->vendor != L2TP_VENDOR_ADSL_FORUM)
			continue;
		wr_u16(&w, (uint16_t)(L2TP_AVP_HEADER + a->value.len));
		wr_u16(&w, a->vendor);
		wr_u16(&w, a->type);
		wr_bytes(&w, a->value.p, a->value.len);
	}
	*out = (ProtobufCBinaryData){ wr_len(&w), octets };
}

static void
take_info(struct tc *tc, const struct l2tp_msg *m, Row__CallInfo *i, struct number_texts *texts)
{
	take_text(m, AVP_CALLED_NUMBER, texts->called, &i->called);
	take_text(m, AVP_CALLING_NUMBER, texts->calling, &i->calling);
	take_text(m, AVP_SUB_ADDRESS, texts->sub, &i->sub_address);
	l2tp_msg_u32(m, AVP_TX_CONNECT_SPEED, &i->tx_bps);
	l2tp_msg_u32(m, AVP_RX_CONNECT_SPEED, &i->rx_bps);
	l2tp_msg_u32(m, AVP_FRAMING_TYPE, &i->framing);
	l2tp_msg_u32(m, AVP_BEARER_TYPE, &i->bearer);
	l2tp_msg_u32(m, AVP_PHYSICAL_CHANNEL, &i->physical_channel);
	l2tp_msg_u32(m, AVP_MINIMUM_BPS, &i->min_bps);
	l2tp_msg_u32(m, AVP_MAXIMUM_BPS, &i->max_bps);
	take_octets(m, AVP_PRIVATE_GROUP, &i->private_group);
	take_octets(m, AVP_INITIAL_RX_CONFREQ, &i->init_rcvd_lcp);
	take_octets(m, AVP_LAST_TX_CONFREQ, &i->last_sent_lcp);
	take_octets(m, AVP_LAST_RX_CONFREQ, &i->last_rcvd_lcp);
	take_u16(m, AVP_PROXY_AUTHEN_TYPE, &i->proxy_auth_type);
	take_octets(m, AVP_PROXY_AUTHEN_NAME, &i->proxy_auth_name);
	take_octets(m, AVP_PROXY_AUTHEN_CHALLENGE, &i->proxy_auth_challenge);
	take_u16(m, AVP_PROXY_AUTHEN_ID, &i->proxy_auth_id);
	i->proxy_auth_id &= 0xff; /* RFC 2661, 4.4.5: the high octet is reserved */
	take_octets(m, AVP_PROXY_AUTHEN_RESPONSE, &i->proxy_auth_response);
	if (l2tp_msg_has(m, AVP_SPEED_UPDATE_ENABLE))
		i->speed_updates = true;
	take_access_line(tc, m, &i->access_line);
}

/* ---- acceptable? ----------------------------------------------------------------------------------------- */

static bool
room_for_call(struct tc *tc, struct tunnel *t, struct call_event *ev)
{
	const struct conf_profile *p = t->prof;

	if (t->draining || tc->draining)
		return refuse_with(ev, FAULT_CALL_DRAINING);
	if (tc->conf->max_sessions && tc->calls >= tc->conf->max_sessions) {
		alarm_set(tc, TC_ALARM_SESSIONS_FULL, true, "limit reached");
		return refuse_with(ev, FAULT_SESSIONS_FULL);
	}
	alarm_set(tc, TC_ALARM_SESSIONS_FULL, false, "");
	if (tunnel_calls(t) >= CALLS_MAX || (p->max_sessions && tunnel_calls(t) >= p->max_sessions))
		return refuse_with(ev, FAULT_TUNNEL_SESSIONS);
	return true;
}

static bool
sound(struct call_event *ev)
{
	if (ev->msg->trouble.answer != L2TP_CLEAR_SESSION)
		return true;
	ev->why = verdict_of_trouble(&ev->msg->trouble);
	return false;
}

static bool
acceptable_icrq(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev)
{
	if (!sound(ev))
		return false;
	if (!(t->prof->roles & ROLE_LNS))
		return refuse_with(ev, FAULT_CALL_ROLE);
	return room_for_call(tc, t, ev);
}

static bool
offered(const struct l2tp_msg *m, enum l2tp_avp a, uint32_t what)
{
	uint32_t v = 0;

	return !l2tp_msg_u32(m, a, &v) || !(v & ~what);
}

static bool
acceptable_connected(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev)
{
	return offered(ev->msg, AVP_FRAMING_TYPE, ACCEPT_FRAMING) || refuse_with(ev, FAULT_CALL_FRAMING);
}

static bool
acceptable_reply(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev)
{
	uint16_t id = 0;

	/* Two calls of a tunnel with one id at the peer could not be told apart. */
	if (l2tp_msg_u16(ev->msg, AVP_ASSIGNED_SESSION, &id) && call_of_peer(t, id) && call_of_peer(t, id) != c)
		return refuse_with(ev, FAULT_CALL_ID);
	return true;
}

static bool
acceptable_ocrq(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev)
{
	uint32_t min = 0, max = 0;
	char called[NUMBER_MAX] = "";

	if (!sound(ev))
		return false;
	if (!(t->prof->roles & (ROLE_LAC | ROLE_CLIENT)))
		return refuse_with(ev, FAULT_CALL_ROLE);
	if (!offered(ev->msg, AVP_FRAMING_TYPE, ACCEPT_FRAMING))
		return refuse_with(ev, FAULT_CALL_FRAMING);
	if (!offered(ev->msg, AVP_BEARER_TYPE, ACCEPT_BEARER))
		return refuse_with(ev, FAULT_CALL_BEARER);
	l2tp_msg_u32(ev->msg, AVP_MINIMUM_BPS, &min);
	l2tp_msg_u32(ev->msg, AVP_MAXIMUM_BPS, &max);
	if (min > max)
		return refuse_with(ev, FAULT_CALL_SPEED);
	l2tp_msg_text(ev->msg, AVP_CALLED_NUMBER, called, sizeof called);
	if (!(t->prof->roles & ROLE_LAC) && !lac_dial_for(tc, called))
		return refuse_with(ev, FAULT_CALL_NUMBER);
	return room_for_call(tc, t, ev);
}

/* ---- actions: new calls -------------------------------------------------------------------------------------- */

static uint16_t
assigned(const struct l2tp_msg *m)
{
	uint16_t id = 0;

	l2tp_msg_u16(m, AVP_ASSIGNED_SESSION, &id);
	return id;
}

/* A call that the peer has asked for. */
static struct call *
take_call(struct tc *tc, struct tunnel *t, struct call_event *ev, Row__Call *row)
{
	Row__CallInfo info = ROW__CALL_INFO__INIT;
	struct number_texts texts;
	struct call *c;

	row->peer_id = assigned(ev->msg);
	l2tp_msg_u32(ev->msg, AVP_CALL_SERIAL, &row->serial);
	c = enter(tc, t, NULL, row);
	if (!c)
		return NULL;
	take_info(tc, ev->msg, &info, &texts);
	put_info(tc, c, &info);
	return c;
}

static void
answer_icrp(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	row->role = TC_LNS;
	c = take_call(tc, t, ev, row);
	if (c)
		send_icrp(tc, c);
}

static void
refuse(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	bump_fault(tc, &ev->why);
	note(tc, NOTE_DEBUG, "call refused tunnel=%u peer-session=%u why=\"%s\"", t->id, assigned(ev->msg), ev->why.text);
	send_cdn(tc, t, ev->fresh_id ? ev->fresh_id : 1, assigned(ev->msg), &ev->why, NULL);
}

/* Ours to be placed: it waits for its tunnel. */
static void
wait_tunnel(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	const struct call_order *o = ev->order;

	row->role = o->role;
	row->serial = ++tc->serial;
	row->seq_required = o->seq_required;
	row->user_ref = (char *)(o->user_ref ? o->user_ref : "");
	c = enter(tc, t, NULL, row);
	if (!c)
		return;
	c->tried = o->tried;
	put_info(tc, c, o->info);
}

/* ---- actions: messages out ---------------------------------------------------------------------------------------- */

static void
request_incoming(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	c = enter(tc, t, c, row);
	if (c)
		send_icrq(tc, c);
}

static void
request_outgoing(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	c = enter(tc, t, c, row);
	if (c)
		send_ocrq(tc, c);
}

static void
connect_incoming(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	row->peer_id = assigned(ev->msg);
	row->since = tc->wall_s;
	c = enter(tc, t, c, row);
	if (c)
		send_iccn(tc, c);
}

/* "Prepare for data": ICCN or OCCN has come. */
static void
connected(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	Row__CallInfo *info = call_info(tc, c);
	struct number_texts texts;

	if (info) {
		take_info(tc, ev->msg, info, &texts);
		put_info(tc, c, info);
	}
	row->seq_required = l2tp_msg_has(ev->msg, AVP_SEQUENCING_REQUIRED);
	row->seq_lns = t->prof->sequencing == SEQ_ALWAYS;
	row->since = tc->wall_s;
	enter(tc, t, c, row);
}

static void
replied(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	row->peer_id = assigned(ev->msg);
	enter(tc, t, c, row);
}

static void
answer_ocrp(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	char called[NUMBER_MAX] = "";
	const struct conf_dial *d;

	l2tp_msg_text(ev->msg, AVP_CALLED_NUMBER, called, sizeof called);
	d = lac_dial_for(tc, called);
	row->role = d ? TC_CLIENT : TC_LAC;
	row->user_ref = (char *)(d ? d->name : "");
	row->seq_required = t->prof->sequencing == SEQ_ALWAYS;
	c = take_call(tc, t, ev, row);
	if (!c)
		return;
	send_ocrp(tc, c);
	call_bearer(tc, c, true);
}

static void
bearer_answered(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	Row__CallInfo *info = call_info(tc, c);

	if (info) {
		info->tx_bps = info->max_bps;
		put_info(tc, c, info);
	}
	row->since = tc->wall_s;
	c = enter(tc, t, c, row);
	if (c)
		send_occn(tc, c);
}

/* ---- actions: the end ---------------------------------------------------------------------------------------------- */

static void
disconnect(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	if (ev->why.fault == FAULT_NONE && ev->why.result == 0)
		ev->why = verdict_of(FAULT_CALL_STATE);
	bump_fault(tc, &ev->why);
	bump(tc, ev->kind == CE_TIMEOUT ? N_CALLS_TIMED_OUT : N_CALLS_ENDED_BY_US);
	send_cdn(tc, t, c->id, c->peer_id, &ev->why, ev->cause);
	end(tc, c, &ev->why, ev->cause);
}

static void
clean_up(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	if (ev->why.fault == FAULT_NONE)
		ev->why = verdict_of(FAULT_CALL_STATE);
	bump_fault(tc, &ev->why);
	end(tc, c, &ev->why, NULL);
}

static bool
worth_another(const struct verdict *v)
{
	return v->result == 4 || v->result == 5 || (v->result == 2 && (v->error == 7 || v->error == 4));
}

static void
timed_out_waiting(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	ev->why = verdict_of(FAULT_CALL_SETUP);
	bump(tc, N_CALLS_TIMED_OUT);
	clean_up(tc, t, c, ev, row);
}

static void
timed_out(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	ev->why = verdict_of(FAULT_CALL_SETUP);
	disconnect(tc, t, c, ev, row);
}

static void
bearer_gone(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	ev->why = verdict_of(ev->kind == CE_FAILURE ? FAULT_CALL_BEARER_FAIL : FAULT_CALL_BEARER_DOWN);
	disconnect(tc, t, c, ev, row);
}

struct told { /* what a CDN says */
	struct verdict why;
	struct cause cause;
	char text[96];
};

static void
copy_text(char *out, size_t cap, struct span s)
{
	size_t n = s.len < cap - 1 ? s.len : cap - 1;

	if (n)
		memcpy(out, s.p, n);
	out[n] = 0;
	clean_text(out);
}

static void
read_cdn(const struct l2tp_msg *m, struct told *out)
{
	struct l2tp_result r;
	struct l2tp_q931 q;
	struct l2tp_disconnect d;

	*out = (struct told){ .why = verdict_of(FAULT_CALL_PEER), .cause.text = out->text };
	if (l2tp_msg_result(m, &r)) {
		out->why.result = r.result;
		out->why.error = r.error;
		copy_text(out->why.text, sizeof out->why.text, r.message);
	}
	if (l2tp_msg_q931(m, &q))
		out->cause.q931 = q.cause;
	if (l2tp_msg_disconnect(m, &d)) {
		out->cause.code = d.code;
		out->cause.proto = d.protocol;
		out->cause.direction = d.direction;
		copy_text(out->text, sizeof out->text, d.message);
	}
}

static void
cleared_by_peer(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	struct told told;

	read_cdn(ev->msg, &told);
	bump(tc, N_CALLS_ENDED_BY_PEER);
	if (c->state == CALL_WAIT_REPLY && c->kind == CALL_INCOMING && worth_another(&told.why) && lac_redirect(tc, c)) {
		drop_call(tc, c);
		cc_idle_check(tc, t);
		return;
	}
	end(tc, c, &told.why, &told.cause);
}

/* ---- RFC 2661, 7.4.1: LAC incoming ------------------------------------------------------------------------------------ */

#define END_OF_RULES { 0, CE_KINDS, NULL, NULL, 0 }

static const struct call_rule lac_incoming[] = {
	/* state               event           guard             action             next */
	{ CALL_IDLE,           CE_OPEN,        NULL,             wait_tunnel,       CALL_WAIT_TUNNEL },
	/* idle: ICCN, ICRP, CDN: stray() */
	{ CALL_WAIT_TUNNEL,    CE_DROP,        NULL,             clean_up,          CALL_IDLE },
	{ CALL_WAIT_TUNNEL,    CE_CLOSE,       NULL,             clean_up,          CALL_IDLE },
	{ CALL_WAIT_TUNNEL,    CE_TUNNEL_OPEN, NULL,             request_incoming,  CALL_WAIT_REPLY },
	{ CALL_WAIT_REPLY,     CE_ICRP,        acceptable_reply, connect_incoming,  CALL_ESTABLISHED },
	{ CALL_WAIT_REPLY,     CE_ICRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_ICRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_ICCN,        NULL,             clean_up,          CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_DROP,        NULL,             bearer_gone,       CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_ICRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_ICRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_ICCN,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_DROP,        NULL,             bearer_gone,       CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	/* what 7.1 and 5.8 add */
	{ CALL_WAIT_TUNNEL,    CE_TIMEOUT,     NULL,             timed_out_waiting, CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_TIMEOUT,     NULL,             timed_out,         CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	END_OF_RULES
};

/* ---- RFC 2661, 7.4.2: LNS incoming ------------------------------------------------------------------------------------ */

static const struct call_rule lns_incoming[] = {
	{ CALL_IDLE,           CE_ICRQ,        acceptable_icrq,  answer_icrp,       CALL_WAIT_CONNECT },
	{ CALL_IDLE,           CE_ICRQ,        NULL,             refuse,            CALL_IDLE },
	/* idle: ICRP, ICCN: stray() */
	{ CALL_WAIT_CONNECT,   CE_ICCN,        acceptable_connected, connected,     CALL_ESTABLISHED },
	{ CALL_WAIT_CONNECT,   CE_ICCN,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_ICRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_ICRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_ICRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_ICRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_ICCN,        NULL,             disconnect,        CALL_IDLE },
	/* what 7.1 and 5.8 add */
	{ CALL_WAIT_CONNECT,   CE_TIMEOUT,     NULL,             timed_out,         CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	END_OF_RULES
};

/* ---- RFC 2661, 7.5.1: LAC outgoing ------------------------------------------------------------------------------------ */

static const struct call_rule lac_outgoing[] = {
	{ CALL_IDLE,           CE_OCRQ,        acceptable_ocrq,  answer_ocrp,       CALL_WAIT_CS_ANSWER },
	{ CALL_IDLE,           CE_OCRQ,        NULL,             refuse,            CALL_IDLE },
	/* idle: OCRP, OCCN, CDN: stray() */
	{ CALL_WAIT_CS_ANSWER, CE_ANSWER,      NULL,             bearer_answered,   CALL_ESTABLISHED },
	{ CALL_WAIT_CS_ANSWER, CE_FAILURE,     NULL,             bearer_gone,       CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_OCRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_OCRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_OCCN,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_OCRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_OCRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_OCCN,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_DROP,        NULL,             bearer_gone,       CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	/* what 7.1, 5.8 and the text of 7.5.1 add */
	{ CALL_WAIT_CS_ANSWER, CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_DROP,        NULL,             bearer_gone,       CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_TIMEOUT,     NULL,             timed_out,         CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	END_OF_RULES
};

/* ---- RFC 2661, 7.5.2: LNS outgoing ------------------------------------------------------------------------------------ */

static const struct call_rule lns_outgoing[] = {
	{ CALL_IDLE,           CE_OPEN,        NULL,             wait_tunnel,       CALL_WAIT_TUNNEL },
	/* idle: OCCN, OCRP, CDN: stray() */
	{ CALL_WAIT_TUNNEL,    CE_TUNNEL_OPEN, NULL,             request_outgoing,  CALL_WAIT_REPLY },
	{ CALL_WAIT_REPLY,     CE_OCRP,        acceptable_reply, replied,           CALL_WAIT_CONNECT },
	{ CALL_WAIT_REPLY,     CE_OCRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_OCCN,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_OCRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_OCCN,        acceptable_connected, connected,     CALL_ESTABLISHED },
	{ CALL_WAIT_CONNECT,   CE_OCCN,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_OCRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_OCRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_CDN,         NULL,             cleared_by_peer,   CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_OCRQ,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_OCRP,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_OCCN,        NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_CLOSE,       NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_TUNNEL,    CE_CLOSE,       NULL,             clean_up,          CALL_IDLE },
	/* what 7.1 and 5.8 add */
	{ CALL_WAIT_TUNNEL,    CE_TIMEOUT,     NULL,             timed_out_waiting, CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_TIMEOUT,     NULL,             timed_out,         CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_TIMEOUT,     NULL,             timed_out,         CALL_IDLE },
	{ CALL_WAIT_REPLY,     CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	{ CALL_WAIT_CONNECT,   CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	{ CALL_ESTABLISHED,    CE_TROUBLE,     NULL,             disconnect,        CALL_IDLE },
	END_OF_RULES
};

static const struct call_rule *
rules_for(enum call_kind kind, enum tc_role role)
{
	if (kind == CALL_OUTGOING)
		return role == TC_LNS ? lns_outgoing : lac_outgoing;
	return role == TC_LNS ? lns_incoming : lac_incoming;
}

static bool
is_message(enum call_event_kind kind)
{
	return kind >= CE_ICRQ && kind <= CE_OCCN;
}

static bool
run_rules(struct tc *tc, const struct call_rule *r, struct tunnel *t, struct call *c, struct call_event *ev,
    const Row__Call *row)
{
	unsigned state = c ? c->state : CALL_IDLE;

	for (; r->act; r++) {
		if (r->state != state || r->event != ev->kind || (r->guard && !r->guard(tc, t, c, ev)))
			continue;
		Row__Call next = *row;
		next.state = r->next;
		r->act(tc, t, c, ev, &next);
		return true;
	}
	return false;
}

/* An event of a call that exists. */
static void
call_step(struct tc *tc, struct call *c, struct call_event *ev)
{
	Row__Call row = call_row(c);

	if (run_rules(tc, rules_for(c->kind, c->role), c->t, c, ev, &row))
		return;
	if (is_message(ev->kind) && c->state != CALL_CLOSED)
		disconnect(tc, c->t, c, ev, &row); /* of the other direction altogether: 7.1, improper sequence */
	else
		bump(tc, N_IGNORED);
}

/* An event that may make one. */
static void
call_begin(struct tc *tc, struct tunnel *t, enum call_kind kind, enum tc_role role, struct call_event *ev)
{
	Row__Call row = ROW__CALL__INIT;

	ev->fresh_id = call_free_id(tc, t);
	row.tunnel = t->id;
	row.id = ev->fresh_id;
	row.kind = kind;
	run_rules(tc, rules_for(kind, role), t, NULL, ev, &row);
}

/* ---- messages to events -------------------------------------------------------------------------------------------------- */

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
	if (m->hdr.session)
		return call_find(t, m->hdr.session);
	if (kind == CE_ICRQ || kind == CE_OCRQ || kind == CE_CDN)
		return call_of_peer(t, assigned(m));
	return NULL;
}

/* A message for a call that does not exist: the idle rows that do not begin one. */
static void
stray(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m, enum call_event_kind kind)
{
	bool answer = kind == CE_ICRQ || kind == CE_OCRQ;

	bump(tc, N_UNKNOWN_SESSION);
	if (kind == CE_ICRP)
		answer = t->role == TC_LNS; /* 7.4.2 sends CDN, 7.4.1 does not */
	if (kind == CE_OCRP)
		answer = t->role != TC_LNS; /* 7.5.1 sends CDN, 7.5.2 does not */
	if (answer && assigned(m)) {
		struct verdict v = verdict_of(FAULT_CALL_STATE);
		uint16_t nobody = m->hdr.session ? m->hdr.session : call_free_id(tc, t);
		send_cdn(tc, t, nobody ? nobody : 1, assigned(m), &v, NULL);
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
	if (c)
		call_step(tc, c, &ev);
	else if (kind == CE_ICRQ && m->hdr.session == 0 && assigned(m))
		call_begin(tc, t, CALL_INCOMING, TC_LNS, &ev);
	else if (kind == CE_OCRQ && m->hdr.session == 0 && assigned(m))
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
	memcpy(v, (uint32_t[6]){ e.crc, e.framing, e.hardware_overruns, e.buffer_overruns, e.timeouts, e.alignment },
	    sizeof v);
	i->n_line_errors = 6;
	i->line_errors = v;
	put_info(tc, c, i);
	bump(tc, N_WEN_IN);
}

static void
link_info(struct tc *tc, struct call *c, const struct l2tp_msg *m)
{
	struct l2tp_accm a;
	Row__CallInfo *i = call_info(tc, c);

	if (c->role == TC_LNS || !i || !l2tp_msg_accm(m, &a)) {
		bump(tc, N_IGNORED);
		return;
	}
	i->accm_send = a.send;
	i->accm_recv = a.receive;
	put_info(tc, c, i);
	bump(tc, N_SLI_IN);
}

static void
on_call(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m, void (*act)(struct tc *, struct call *, const struct l2tp_msg *))
{
	struct call *c = call_find(t, m->hdr.session);

	if (!c) {
		bump(tc, N_UNKNOWN_SESSION);
	} else if (m->trouble.answer == L2TP_CLEAR_SESSION) {
		struct call_event ev = { .kind = CE_TROUBLE, .why = verdict_of_trouble(&m->trouble) };
		call_step(tc, c, &ev);
	} else if (c->state == CALL_ESTABLISHED) {
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
		Row__CallInfo *i = c && c->state == CALL_ESTABLISHED && c->role == TC_LNS ? call_info(tc, c) : NULL;
		if (!i) {
			bump(tc, N_UNKNOWN_SESSION);
			continue;
		}
		i->tx_bps = u.tx_bps;
		i->rx_bps = u.rx_bps;
		put_info(tc, c, i);
	}
}

/* "MUST NOT respond to unknown sessions, or to ... sessions for which it did not issue a Connect Speed Update Enable" */
static void
speeds_asked(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m)
{
	struct call *found[SPEED_UPDATES_MAX];
	struct l2tp_speed_update u;
	unsigned n = 0;
	size_t at = 0;

	while (n < SPEED_UPDATES_MAX && next_speed(m, &at, &u)) {
		struct call *c = call_find(t, u.remote_session);
		const Row__CallInfo *i = c && c->state == CALL_ESTABLISHED && c->role != TC_LNS ? call_info(tc, c) : NULL;
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
	default: /* of extensions that we do not take part in (RFC 3573, 3817, 4045, 4951): nothing was offered */
		bump(tc, N_IGNORED);
		break;
	}
}

/* ---- from our side ---------------------------------------------------------------------------------------------------------- */

static struct call *
begin_ours(struct tc *tc, struct tunnel *t, enum call_kind kind, const struct call_order *o)
{
	struct call_event ev = { .kind = CE_OPEN, .order = o };

	if (t->state == CC_CLOSING || tunnel_calls(t) >= CALLS_MAX)
		return NULL;
	call_begin(tc, t, kind, o->role, &ev);
	return call_find(t, ev.fresh_id);
}

struct call *
call_place(struct tc *tc, struct tunnel *t, const struct call_order *o)
{
	return begin_ours(tc, t, CALL_INCOMING, o);
}

struct call *
call_request(struct tc *tc, struct tunnel *t, const struct call_order *o)
{
	return begin_ours(tc, t, CALL_OUTGOING, o);
}

void
call_close(struct tc *tc, struct call *c, const struct verdict *v, const struct cause *cause)
{
	struct call_event ev = { .kind = CE_CLOSE, .why = *v, .cause = cause };

	call_step(tc, c, &ev);
}

void
call_tunnel_open(struct tc *tc, struct tunnel *t)
{
	while (t->waiting && cc_room(t)) {
		struct call_event ev = { .kind = CE_TUNNEL_OPEN };
		struct call *c = t->waiting;
		call_step(tc, c, &ev);
		if (t->waiting == c)
			return;
	}
}

static bool
still_placing(const struct call *c)
{
	return c->role != TC_LNS && c->kind == CALL_INCOMING && (c->state == CALL_WAIT_TUNNEL || c->state == CALL_WAIT_REPLY);
}

void
call_tunnel_gone(struct tc *tc, struct tunnel *t, unsigned budget)
{
	struct verdict v = verdict_of(FAULT_CALL_TUNNEL);
	struct call *c, *next;

	v.result = t->result;
	v.error = t->error;
	HASH_ITER(hh, t->by_id, c, next) {
		if (budget-- == 0)
			break;
		if (still_placing(c) && lac_redirect(tc, c)) {
			drop_call(tc, c);
			continue;
		}
		bump(tc, N_CALLS_ENDED_BY_TUNNEL);
		end(tc, c, &v, NULL);
	}
	tunnel_touch(tc, t);
}

void
call_timeout(struct tc *tc, struct call *c)
{
	struct call_event ev = { .kind = CE_TIMEOUT };

	if (c->state == CALL_IDLE || c->state == CALL_CLOSED) { /* its last row is all there is */
		drop_call(tc, c);
		return;
	}
	if (c->state == CALL_WAIT_REPLY && still_placing(c) && lac_redirect(tc, c)) {
		struct verdict v = verdict_of(FAULT_CALL_SETUP);
		struct tunnel *t = c->t;
		bump(tc, N_CALLS_TIMED_OUT);
		send_cdn(tc, t, c->id, c->peer_id, &v, NULL);
		drop_call(tc, c);
		cc_idle_check(tc, t);
		return;
	}
	call_step(tc, c, &ev);
}

bool
call_bearer(struct tc *tc, struct call *c, bool up)
{
	struct call_event ev = { .kind = up ? CE_ANSWER : c->state == CALL_WAIT_CS_ANSWER ? CE_FAILURE : CE_DROP };

	if (c->role == TC_LNS || (up && c->state != CALL_WAIT_CS_ANSWER))
		return false;
	call_step(tc, c, &ev);
	return true;
}

/* ---- what session-mgr wants (table link) ---------------------------------------------------------------------------------------- */

static bool
accm_news(const struct call *c, const Row__Link *l)
{
	return c->role == TC_LNS && (l->accm_send != c->accm_send || l->accm_recv != c->accm_recv);
}

static void
hang_up(struct tc *tc, struct call *c, const Row__Link *l)
{
	struct verdict v = verdict_of(FAULT_CALL_HANGUP);
	struct cause cause = {
		.code = (uint16_t)l->cause_code,
		.proto = (uint16_t)l->cause_proto,
		.direction = (uint8_t)l->cause_direction,
		.text = l->cause_message,
	};

	if (l->cdn_result) {
		v.result = (uint16_t)l->cdn_result;
		v.error = (uint16_t)l->cdn_error;
	}
	if (l->cdn_message && *l->cdn_message)
		snprintf(v.text, sizeof v.text, "%s", l->cdn_message);
	call_close(tc, c, &v, &cause);
}

void
call_want(struct tc *tc, struct want *w)
{
	struct call *c = w->call;
	const Row__Link *l = row_unpack(&tc->arena, TABLE_LINK, span_of(w->row, w->len));
	Row__CallInfo *i;

	if (l && l->hangup) {
		hang_up(tc, c, l);
		return; /* the want went with the call */
	}
	i = l && accm_news(c, l) ? call_info(tc, c) : NULL;
	if (i) {
		i->accm_send = l->accm_send;
		i->accm_recv = l->accm_recv;
		put_info(tc, c, i);
		send_sli(tc, c, l->accm_send, l->accm_recv);
	}
	want_drop(tc, c);
}

void
call_row_event(struct tc *tc, struct span key, struct span row, bool removed)
{
	uint16_t tunnel, session;
	struct tunnel *t = key_session_read(key, &tunnel, &session) ? tunnel_find(tc, tunnel) : NULL;
	struct call *c = t ? call_find(t, session) : NULL;
	const Row__Link *l;

	if (!c)
		return;
	want_drop(tc, c);
	if (removed)
		return;
	l = row_unpack(&tc->arena, TABLE_LINK, row);
	if (!l) {
		bump(tc, N_ROWS_BAD);
		return;
	}
	if (c->state != CALL_ESTABLISHED || !(l->hangup || accm_news(c, l)))
		return;
	c->want = malloc(sizeof *c->want + row.len);
	if (!c->want) {
		bump(tc, N_NO_MEMORY);
		return;
	}
	*c->want = (struct want){ .call = c, .len = row.len };
	memcpy(c->want->row, row.p, row.len);
	DL_APPEND(t->wants, c->want);
	if (tc->active)
		tunnel_touch(tc, t);
}
