// SPDX-License-Identifier: Apache-2.0
/*
 * Calls: the four tables of RFC 2661, 7.4 and 7.5, row by row.  Which table a call lives by is said
 * by its kind (incoming, outgoing) and by what we are to it (LNS, or LAC and client).
 *
 * "Clean up" ends a call at once: its CDN is the reliable delivery's business.  An established call
 * leaves a last row, `closed`, with the causes, before its rows are removed, so that whoever
 * follows the feed learns why.
 *
 * We have no modems: the bearer of an outgoing call that we place is a PPP endpoint on this host
 * and answers at once (a `dial` entry that may be called, or the LAC role's own).
 */
#include <string.h>
#include <utlist.h>

#include "call.h"
#include "dialect.h"

#define ACCEPT_FRAMING 3u
#define ACCEPT_BEARER 3u

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

/* ---- the one place where the state changes -------------------------------------------- */

static struct call *
enter(struct tc *tc, struct tunnel *t, struct call *c, const Row__Call *row)
{
	unsigned old = c ? c->state : CALL_IDLE;

	c = put_call(tc, t, row);
	if (!c)
		return NULL;
	note(tc, NOTE_DEBUG, "call state tunnel=%u session=%u peer-session=%u old=%s new=%s", t->id,
	     c->id, c->peer_id, call_state_name(old), call_state_name(c->state));
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

	note(tc, NOTE_DEBUG,
	     "call ended tunnel=%u session=%u state=%s result=%u error=%u why=\"%s\"", t->id, c->id,
	     call_state_name(c->state), v->result, v->error, v->text);
	lac_call_down(tc, c);
	say_why(tc, c, v, cause);
	drop_call(tc, c);
	cc_idle_check(tc, t);
}

/* ---- acceptable? ---------------------------------------------------------------------- */

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
	return form_acceptable(NULL, ev->msg, &ev->why) && room_for_call(tc, t, ev) &&
	       call_tie(tc, t, ev->msg, &ev->why);
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
	if (!offered(ev->msg, AVP_FRAMING_TYPE, ACCEPT_FRAMING))
		return refuse_with(ev, FAULT_CALL_FRAMING);
	return form_acceptable(c, ev->msg, &ev->why);
}

static bool
acceptable_reply(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev)
{
	const struct call *other = call_of_peer(t, message_assigned(ev->msg));

	/* Two calls of a tunnel with one id at the peer could not be told apart. */
	if (other && other != c)
		return refuse_with(ev, FAULT_CALL_ID);
	return form_acceptable(c, ev->msg, &ev->why);
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
	return form_acceptable(NULL, ev->msg, &ev->why) && room_for_call(tc, t, ev) &&
	       call_tie(tc, t, ev->msg, &ev->why);
}

/* ---- the session tie breaker of L2TPv3 -------------------------------------------------- */

/* A request of ours that is not answered yet, for the circuit that the peer names. */
static struct call *
asked_here(struct tc *tc, struct tunnel *t, struct span end, const Row__CallInfo **info)
{
	struct call *c;

	DL_FOREACH (t->setup, c) {
		if (c->state != CALL_WAIT_REPLY)
			continue;
		*info = call_info(tc, c);
		if (*info && (*info)->remote_end.len &&
		    span_eq(end, span_of((*info)->remote_end.data, (*info)->remote_end.len)))
			return c;
	}
	return NULL;
}

/* "examining the peer's identity ... plus the per-session shared value": in any tunnel with this peer. */
static struct call *
same_circuit(struct tc *tc, struct tunnel *t, struct span end, const Row__CallInfo **info)
{
	struct call *c = asked_here(tc, t, end, info);
	struct tunnel *u = NULL;

	for (unsigned n = 0; !c && n < LCCE_LOOKS; n++) {
		u = tunnel_of_lcce(tc, t->peer_router, t->peer_host, u);
		if (!u)
			break;
		if (u != t && u->setup && (ip_addr_eq(&u->peer.addr, &t->peer.addr) || (u->nonce_len && t->nonce_len)))
			c = asked_here(tc, u, end, info);
	}
	return c;
}

/* Below 0: the peer's wins; above: ours; 0: nobody's, "both sides MUST tear down". */
static int
tie_order(const struct l2tp_msg *m, const Row__CallInfo *ours)
{
	struct span theirs = span_of(NULL, 0);
	const bool has = ours->session_tie.len == 8;

	l2tp_msg_span(m, AVP_TIE_BREAKER, &theirs);
	if (theirs.len == 8 && has)
		return memcmp(theirs.p, ours->session_tie.data, 8);
	return theirs.len == 8 ? -1 : has ? 1 : 0;
}

/* "restart session negotiation with new random tie breaker values" */
static void
ask_anew(struct tc *tc, struct call *c)
{
	Row__CallInfo *i = call_info(tc, c);
	const struct call_order o = { .role = c->role, .user_ref = c->user_ref, .info = i, .tried = c->tried,
				      .seq_required = c->seq_required };
	uint8_t tie[8];

	if (i) {
		tc->random.fill(tc->random.arg, tie, sizeof tie);
		i->session_tie = (ProtobufCBinaryData){ sizeof tie, tie };
		(c->kind == CALL_INCOMING ? call_place : call_request)(tc, c->t, &o);
	}
	drop_call(tc, c);
}

bool
call_tie(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m, struct verdict *why)
{
	const Row__CallInfo *info = NULL;
	struct span circuit;
	struct call *c = m->v3 && l2tp_msg_span(m, AVP_REMOTE_END, &circuit) ? same_circuit(tc, t, circuit, &info) : NULL;
	const int order = c ? tie_order(m, info) : 0;
	struct verdict lost = verdict_of(FAULT_CALL_TIE);

	if (!c)
		return true;
	bump(tc, N_SESSION_TIES);
	*why = lost;
	if (order == 0 && info->session_tie.len) {
		ask_anew(tc, c);
	} else if (order <= 0) { /* its CDN is on its way; no other LNS is asked, for the circuit has its session */
		bump_fault(tc, &lost);
		end(tc, c, &lost, NULL);
	}
	return order < 0;
}

/* ---- actions: new calls --------------------------------------------------------------- */

/* A call that the peer has asked for. */
static struct call *
take_call(struct tc *tc, struct tunnel *t, struct call_event *ev, Row__Call *row)
{
	Row__CallInfo info = ROW__CALL_INFO__INIT;
	struct number_texts texts;
	struct call_form f = { 0 };
	struct call *c;
	bool offer;

	row->peer_id = message_assigned(ev->msg);
	l2tp_msg_u32(ev->msg, AVP_CALL_SERIAL, &row->serial);
	offer = form_ours(tc, t, (uint16_t)row->id, false, &f);
	form_theirs(tc, t, (uint16_t)row->id, ev->msg, offer, &f);
	row_of_form(row, &f);
	c = enter(tc, t, NULL, row);
	if (!c)
		return NULL;
	call_take_info(tc, ev->msg, &info, &texts);
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
	note(tc, NOTE_DEBUG, "call refused tunnel=%u peer-session=%u why=\"%s\"", t->id,
	     message_assigned(ev->msg), ev->why.text);
	send_cdn(tc, t, ev->fresh_id ? ev->fresh_id : 1, message_assigned(ev->msg), &ev->why, NULL);
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

/* ---- actions: messages out ------------------------------------------------------------ */

/* The tunnel is up, and its version is known: what we want of the call's data. */
static struct call *
request(struct tc *tc, struct tunnel *t, struct call *c, Row__Call *row)
{
	struct call_form f = form_of(c);
	Row__CallInfo *info;
	bool offer = form_ours(tc, t, c->id, row->seq_required, &f);

	row_of_form(row, &f);
	if (t->version == 3)
		row->seq_required = false;
	c = enter(tc, t, c, row);
	info = c && offer ? call_info(tc, c) : NULL;
	if (info) {
		info->headerless_offered = true;
		put_info(tc, c, info);
	}
	return c;
}

static void
request_incoming(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev,
		 Row__Call *row)
{
	c = request(tc, t, c, row);
	if (c)
		send_icrq(tc, c);
}

static void
request_outgoing(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev,
		 Row__Call *row)
{
	c = request(tc, t, c, row);
	if (c)
		send_ocrq(tc, c);
}

/* Its ICRP or OCRP has come. */
static struct call_form
replied_form(struct tc *tc, struct call *c, const struct l2tp_msg *m)
{
	const Row__CallInfo *i = call_info(tc, c);
	struct call_form f = form_of(c);

	form_theirs(tc, c->t, c->id, m, i && i->headerless_offered, &f);
	return f;
}

static void
connect_incoming(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev,
		 Row__Call *row)
{
	const struct call_form f = replied_form(tc, c, ev->msg);

	row_of_form(row, &f);
	row->peer_id = message_assigned(ev->msg);
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
	struct call_form f = form_of(c);
	struct number_texts texts;

	if (info) {
		call_take_info(tc, ev->msg, info, &texts);
		put_info(tc, c, info);
	}
	form_theirs(tc, t, c->id, ev->msg, false, &f);
	row_of_form(row, &f);
	row->seq_required = l2tp_msg_has(ev->msg, AVP_SEQUENCING_REQUIRED);
	row->seq_lns = t->version != 3 && t->prof->sequencing == SEQ_ALWAYS;
	row->since = tc->wall_s;
	enter(tc, t, c, row);
}

static void
replied(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	const struct call_form f = replied_form(tc, c, ev->msg);

	row_of_form(row, &f);
	row->peer_id = message_assigned(ev->msg);
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
	row->seq_required = t->version != 3 && t->prof->sequencing == SEQ_ALWAYS;
	c = take_call(tc, t, ev, row);
	if (!c)
		return;
	send_ocrp(tc, c);
	call_bearer(tc, c, true);
}

static void
bearer_answered(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev,
		Row__Call *row)
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

/* ---- actions: the end ----------------------------------------------------------------- */

/* Where the CDN goes.  A reply that is refused has told the peer's id, if no other call has it. */
static uint32_t
peer_of(const struct tunnel *t, const struct call *c, const struct call_event *ev)
{
	uint32_t id = c->peer_id;

	if (id == 0 && ev->kind == CE_TROUBLE && ev->msg)
		id = message_assigned(ev->msg);
	return id == c->peer_id || !call_of_peer(t, id) ? id : 0;
}

static void
disconnect(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev, Row__Call *row)
{
	if (ev->why.fault == FAULT_NONE && ev->why.result == 0)
		ev->why = verdict_of(FAULT_CALL_STATE);
	bump_fault(tc, &ev->why);
	bump(tc, ev->kind == CE_TIMEOUT ? N_CALLS_TIMED_OUT : N_CALLS_ENDED_BY_US);
	send_cdn(tc, t, c->id, peer_of(t, c, ev), &ev->why, ev->cause);
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
	return v->result == 4 || v->result == 5 ||
	       (v->result == 2 && (v->error == 7 || v->error == 4));
}

static void
timed_out_waiting(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev,
		  Row__Call *row)
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
	ev->why =
	    verdict_of(ev->kind == CE_FAILURE ? FAULT_CALL_BEARER_FAIL : FAULT_CALL_BEARER_DOWN);
	disconnect(tc, t, c, ev, row);
}

static void
cleared_by_peer(struct tc *tc, struct tunnel *t, struct call *c, struct call_event *ev,
		Row__Call *row)
{
	struct told told;

	call_read_cdn(ev->msg, &told);
	bump(tc, N_CALLS_ENDED_BY_PEER);
	if (c->state == CALL_WAIT_REPLY && c->kind == CALL_INCOMING && worth_another(&told.why) &&
	    lac_redirect(tc, c)) {
		drop_call(tc, c);
		cc_idle_check(tc, t);
		return;
	}
	end(tc, c, &told.why, &told.cause);
}

/* ---- RFC 2661, 7.4.1: LAC incoming ---------------------------------------------------- */

#define END_OF_RULES                                                                               \
	{                                                                                          \
		0, CE_KINDS, NULL, NULL, 0                                                         \
	}

/* clang-format off: tables are read by columns */
static const struct call_rule lac_incoming[] = {
	/* state               event           guard             action             next */
	{ CALL_IDLE, CE_OPEN, NULL, wait_tunnel, CALL_WAIT_TUNNEL },
	/* idle: ICCN, ICRP, CDN: stray() */
	{ CALL_WAIT_TUNNEL, CE_DROP, NULL, clean_up, CALL_IDLE },
	{ CALL_WAIT_TUNNEL, CE_CLOSE, NULL, clean_up, CALL_IDLE },
	{ CALL_WAIT_TUNNEL, CE_TUNNEL_OPEN, NULL, request_incoming, CALL_WAIT_REPLY },
	{ CALL_WAIT_REPLY, CE_ICRP, acceptable_reply, connect_incoming, CALL_ESTABLISHED },
	{ CALL_WAIT_REPLY, CE_ICRP, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_ICRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_ICCN, NULL, clean_up, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_DROP, NULL, bearer_gone, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_ICRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_ICRP, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_ICCN, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_DROP, NULL, bearer_gone, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	/* what 7.1 and 5.8 add */
	{ CALL_WAIT_TUNNEL, CE_TIMEOUT, NULL, timed_out_waiting, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_TIMEOUT, NULL, timed_out, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	END_OF_RULES
};

/* ---- RFC 2661, 7.4.2: LNS incoming ---------------------------------------------------- */

static const struct call_rule lns_incoming[] = {
	{ CALL_IDLE, CE_ICRQ, acceptable_icrq, answer_icrp, CALL_WAIT_CONNECT },
	{ CALL_IDLE, CE_ICRQ, NULL, refuse, CALL_IDLE },
	/* idle: ICRP, ICCN: stray() */
	{ CALL_WAIT_CONNECT, CE_ICCN, acceptable_connected, connected, CALL_ESTABLISHED },
	{ CALL_WAIT_CONNECT, CE_ICCN, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_ICRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_ICRP, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_ICRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_ICRP, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_ICCN, NULL, disconnect, CALL_IDLE },
	/* what 7.1 and 5.8 add */
	{ CALL_WAIT_CONNECT, CE_TIMEOUT, NULL, timed_out, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	END_OF_RULES
};

/* ---- RFC 2661, 7.5.1: LAC outgoing ---------------------------------------------------- */

static const struct call_rule lac_outgoing[] = {
	{ CALL_IDLE, CE_OCRQ, acceptable_ocrq, answer_ocrp, CALL_WAIT_CS_ANSWER },
	{ CALL_IDLE, CE_OCRQ, NULL, refuse, CALL_IDLE },
	/* idle: OCRP, OCCN, CDN: stray() */
	{ CALL_WAIT_CS_ANSWER, CE_ANSWER, NULL, bearer_answered, CALL_ESTABLISHED },
	{ CALL_WAIT_CS_ANSWER, CE_FAILURE, NULL, bearer_gone, CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_OCRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_OCRP, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_OCCN, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_OCRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_OCRP, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_OCCN, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_DROP, NULL, bearer_gone, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	/* what 7.1, 5.8 and the text of 7.5.1 add */
	{ CALL_WAIT_CS_ANSWER, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_DROP, NULL, bearer_gone, CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_TIMEOUT, NULL, timed_out, CALL_IDLE },
	{ CALL_WAIT_CS_ANSWER, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	END_OF_RULES
};

/* ---- RFC 2661, 7.5.2: LNS outgoing ---------------------------------------------------- */

static const struct call_rule lns_outgoing[] = {
	{ CALL_IDLE, CE_OPEN, NULL, wait_tunnel, CALL_WAIT_TUNNEL },
	/* idle: OCCN, OCRP, CDN: stray() */
	{ CALL_WAIT_TUNNEL, CE_TUNNEL_OPEN, NULL, request_outgoing, CALL_WAIT_REPLY },
	{ CALL_WAIT_REPLY, CE_OCRP, acceptable_reply, replied, CALL_WAIT_CONNECT },
	{ CALL_WAIT_REPLY, CE_OCRP, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_OCCN, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_OCRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_OCCN, acceptable_connected, connected, CALL_ESTABLISHED },
	{ CALL_WAIT_CONNECT, CE_OCCN, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_OCRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_OCRP, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_CDN, NULL, cleared_by_peer, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_OCRQ, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_OCRP, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_OCCN, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_CLOSE, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_TUNNEL, CE_CLOSE, NULL, clean_up, CALL_IDLE },
	/* what 7.1 and 5.8 add */
	{ CALL_WAIT_TUNNEL, CE_TIMEOUT, NULL, timed_out_waiting, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_TIMEOUT, NULL, timed_out, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_TIMEOUT, NULL, timed_out, CALL_IDLE },
	{ CALL_WAIT_REPLY, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	{ CALL_WAIT_CONNECT, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	{ CALL_ESTABLISHED, CE_TROUBLE, NULL, disconnect, CALL_IDLE },
	END_OF_RULES
};
/* clang-format on */

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
run_rules(struct tc *tc, const struct call_rule *r, struct tunnel *t, struct call *c,
	  struct call_event *ev, const Row__Call *row)
{
	unsigned state = c ? c->state : CALL_IDLE;

	for (; r->act; r++) {
		if (r->state != state || r->event != ev->kind ||
		    (r->guard && !r->guard(tc, t, c, ev)))
			continue;
		Row__Call next = *row;
		next.state = r->next;
		r->act(tc, t, c, ev, &next);
		return true;
	}
	return false;
}

/* An event of a call that exists. */
void
call_step(struct tc *tc, struct call *c, struct call_event *ev)
{
	Row__Call row = call_row(c);

	if (run_rules(tc, rules_for(c->kind, c->role), c->t, c, ev, &row))
		return;
	if (is_message(ev->kind) && c->state != CALL_CLOSED)
		disconnect(tc, c->t, c, ev,
			   &row); /* of the other direction altogether: 7.1, improper sequence */
	else
		bump(tc, N_IGNORED);
}

/* An event that may make one. */
void
call_begin(struct tc *tc, struct tunnel *t, enum call_kind kind, enum tc_role role,
	   struct call_event *ev)
{
	Row__Call row = ROW__CALL__INIT;

	ev->fresh_id = call_free_id(tc, t);
	row.tunnel = t->id;
	row.id = ev->fresh_id;
	row.kind = kind;
	run_rules(tc, rules_for(kind, role), t, NULL, ev, &row);
}

/* ---- from our side -------------------------------------------------------------------- */

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
	return c->role != TC_LNS && c->kind == CALL_INCOMING &&
	       (c->state == CALL_WAIT_TUNNEL || c->state == CALL_WAIT_REPLY);
}

void
call_tunnel_gone(struct tc *tc, struct tunnel *t, unsigned budget)
{
	struct verdict v = verdict_of(FAULT_CALL_TUNNEL);
	struct call *c, *next;

	v.result = t->result;
	v.error = t->error;
	HASH_ITER (hh, t->by_id, c, next) {
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
call_vanish(struct tc *tc, struct call *c, enum tc_fault why)
{
	struct verdict v = verdict_of(why);
	struct tunnel *t = c->t;

	if (c->state == CALL_IDLE || c->state == CALL_CLOSED) {
		drop_call(tc, c);
		return;
	}
	bump_fault(tc, &v);
	if (still_placing(c) && lac_redirect(tc, c)) {
		drop_call(tc, c);
		cc_idle_check(tc, t);
		return;
	}
	end(tc, c, &v, NULL);
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
	struct call_event ev = { .kind = up				   ? CE_ANSWER
					 : c->state == CALL_WAIT_CS_ANSWER ? CE_FAILURE
									   : CE_DROP };

	if (c->role == TC_LNS || (up && c->state != CALL_WAIT_CS_ANSWER))
		return false;
	call_step(tc, c, &ev);
	return true;
}
