// SPDX-License-Identifier: Apache-2.0
/*
 * Control connections: the table of RFC 2661, 7.2.1, row by row.  receive.c brings it messages.
 *
 * The RFC's "Send StopCCN, Clean up, idle" is our state `closing`: the calls go at once, the
 * reliable delivery runs to its end (7.1, 5.8), and then the tunnel goes too.
 *
 * A rule's action gets the row as it is to become, with the new state in it, changes what else
 * changes, and puts it before it sends anything.
 */
#include "dialect.h"
#include "recover.h"

#include <stdio.h>
#include <string.h>

#define REFUSING_MAX 1024 /* refused tunnels whose StopCCN is on its way */
#define ROOM 512	  /* messages waiting in a tunnel before calls of ours wait */
#define SLICE 512	  /* calls ended in one step with their tunnel */
#define CHALLENGE 16
#define RECOVERY_SETUP (60 * MONO_S)
#define RECOVERY_USED (10 * MONO_S) /* a recovery tunnel that has done its work, and its peer has not closed it */
#define LATE                                                                                       \
	4 /* first retransmission intervals after which a copy of an SCCRQ is not a late one any   \
	     more */

struct cc_rule {
	uint8_t state, event;
	bool (*guard)(struct tc *, struct tunnel *, struct cc_event *);
	void (*act)(struct tc *, struct tunnel *, struct cc_event *, Row__Tunnel *);
	uint8_t next;
};

static const char *const state_names[CC_STATES] = {
	"idle", "wait-ctl-reply", "wait-ctl-conn", "established", "closing",
};

const char *
cc_state_name(unsigned state)
{
	return state < CC_STATES ? state_names[state] : "unknown";
}

static bool
refuse_with(struct cc_event *ev, enum tc_fault fault)
{
	ev->why = verdict_of(fault);
	return false;
}

bool
cc_room(const struct tunnel *t)
{
	return chan_backlog(&t->chan) < ROOM;
}

/* ---- the one place where the state changes -------------------------------------------- */

void
cc_timers(struct tc *tc, struct tunnel *t)
{
	t->setup_due = t->linger_due = t->idle_due = MONO_NEVER;
	t->fresh_until = tc->now + LATE * t->chan.conf.rtx_initial_ms * MONO_MS;
	switch (t->state) {
	case CC_WAIT_CTL_REPLY:
	case CC_WAIT_CTL_CONN:
		if (t->prof->setup_ms)
			t->setup_due = tc->now + t->prof->setup_ms * MONO_MS;
		else if (t->recovers) /* its old tunnel waits for the outcome */
			t->setup_due = tc->now + RECOVERY_SETUP;
		break;
	case CC_ESTABLISHED:
		cc_idle_check(tc, t);
		break;
	default:
		t->linger_due = tc->now + chan_cycle(&t->chan.conf);
		break;
	}
}

static struct tunnel *
enter(struct tc *tc, struct tunnel *t, const struct cc_event *ev, const Row__Tunnel *row)
{
	unsigned old = t ? t->state : CC_IDLE;
	char peer[ADDR_TEXT];

	t = put_tunnel(tc, row);
	if (!t)
		return NULL;
	if (old != t->state) {
		cc_timers(tc, t);
		note(tc, NOTE_INFO,
		     "tunnel state tunnel=%u peer=%s host=%s old=%s new=%s result=%u error=%u "
		     "why=\"%s\"",
		     t->id, endpoint_text(&t->peer, peer), t->peer_host, cc_state_name(old),
		     cc_state_name(t->state), t->result, t->error, ev->why.text);
	}
	return t;
}

/* ---- acceptable? ---------------------------------------------------------------------- */

static bool
room_for_tunnel(struct tc *tc, const struct conf_profile *p, struct cc_event *ev)
{
	unsigned alive = tc->tunnels - tc->in_state[CC_CLOSING];

	if (tc->draining)
		return refuse_with(ev, FAULT_NODE_DRAINING);
	if ((tc->conf->max_tunnels && alive >= tc->conf->max_tunnels) ||
	    tc->tunnels >= 65535 - REFUSING_MAX) {
		alarm_set(tc, TC_ALARM_TUNNELS_FULL, true, "limit reached");
		return refuse_with(ev, FAULT_TUNNELS_FULL);
	}
	alarm_set(tc, TC_ALARM_TUNNELS_FULL, false, "");
	if (p->max_tunnels && tc->of_profile[p - tc->conf->profile] >= p->max_tunnels)
		return refuse_with(ev, FAULT_PROFILE_FULL);
	return true;
}

/* RFC 3931: authentication, and what the session will carry. */
static bool
common_terms3(const struct conf_profile *p, const struct l2tp_msg *m, struct cc_event *ev)
{
	struct span nonce = span_of(NULL, 0), types;
	bool ppp = false;

	l2tp_msg_span(m, AVP_NONCE, &nonce);
	if (nonce.len && !p->secret[0])
		return refuse_with(ev, FAULT_NO_SECRET);
	if (nonce.len > NONCE_MAX)
		return refuse_with(ev, FAULT_LONG_NONCE);
	if (p->require_auth && !nonce.len)
		return refuse_with(ev, FAULT_NO_NONCE);
	for (size_t i = 0; l2tp_msg_span(m, AVP_PW_CAPABILITIES, &types) && i + 1 < types.len; i += 2)
		ppp |= get_u16(types.p + i) == L2TP3_PW_PPP;
	return ppp || refuse_with(ev, FAULT_NO_PSEUDOWIRE);
}

/* Challenge and window, in SCCRQ and SCCRP alike. */
static bool
common_terms(const struct conf_profile *p, const struct l2tp_msg *m, struct cc_event *ev)
{
	uint16_t window;

	if (m->v3 && !common_terms3(p, m, ev))
		return false;

	if (l2tp_msg_has(m, AVP_CHALLENGE) && !p->secret[0])
		return refuse_with(ev, FAULT_NO_SECRET);
	if (l2tp_msg_u16(m, AVP_RECEIVE_WINDOW, &window) && window == 0)
		return refuse_with(ev, FAULT_ZERO_WINDOW);
	return true;
}

static bool
acceptable_request(struct tc *tc, struct tunnel *t, struct cc_event *ev)
{
	const struct conf_profile *p = ev->prof;

	if (ev->msg->trouble.answer >= L2TP_CLEAR_SESSION) {
		ev->why = verdict_of_trouble(&ev->msg->trouble);
		return false;
	}
	if (!p)
		return refuse_with(ev, FAULT_NO_PROFILE);
	if (!(p->roles & (ROLE_LNS | ROLE_LAC | ROLE_CLIENT)))
		return refuse_with(ev, FAULT_TUNNEL_ROLE);
	if (p->version != VERSION_BOTH && (p->version == VERSION_3) != ev->msg->v3) {
		refuse_with(ev, FAULT_VERSION);
		ev->why.error = p->version == VERSION_3 ? 3 : 2; /* "highest version supported" */
		return false;
	}
	if (ev->tie_lost)
		return refuse_with(ev, FAULT_TUNNEL_TIE);
	if (p->require_auth && !p->secret[0])
		return refuse_with(ev, FAULT_NO_SECRET);
	if (!common_terms(p, ev->msg, ev))
		return false;
	if (recovery_asked_for(ev->msg)) /* RFC 4951: no new tunnel will be there in the end */
		return recovery_acceptable(tc, ev);
	return room_for_tunnel(tc, p, ev);
}

/* RFC 2661, 5.1.1: the response to the challenge we sent, in a message of type `in`. */
static bool
right_response(struct tunnel *t, enum l2tp_type in, struct cc_event *ev)
{
	const char *secret = t->prof->secret;
	struct span answer;

	if (ev->msg->v3 && t->nonce_len && in == L2TP_SCCRP && !l2tp_msg_has(ev->msg, AVP_NONCE))
		return refuse_with(ev, FAULT_NO_NONCE);
	if (!t->challenge_sent_len || ev->msg->v3)
		return true;
	if (!l2tp_msg_span(ev->msg, AVP_CHALLENGE_RESPONSE, &answer))
		return refuse_with(ev, FAULT_NO_RESPONSE);
	if (!l2tp_auth_check((uint8_t)in, span_of(secret, strlen(secret)),
			     span_of(t->challenge_sent, t->challenge_sent_len), answer))
		return refuse_with(ev, FAULT_BAD_RESPONSE);
	return true;
}

static bool
acceptable_reply(struct tc *tc, struct tunnel *t, struct cc_event *ev)
{
	return common_terms(t->prof, ev->msg, ev) && right_response(t, L2TP_SCCRP, ev);
}

static bool
acceptable_connect(struct tc *tc, struct tunnel *t, struct cc_event *ev)
{
	return right_response(t, L2TP_SCCCN, ev);
}

/* ---- actions -------------------------------------------------------------------------- */

static void
fill_challenge(struct tc *tc, const struct conf_profile *p, Row__Tunnel *row,
	       uint8_t octets[CHALLENGE])
{
	if (!p->require_auth || !p->secret[0])
		return;
	tc->random.fill(tc->random.arg, octets, CHALLENGE);
	row->challenge_sent = (ProtobufCBinaryData){ CHALLENGE, octets };
}

/* What SCCRQ and SCCRP tell of the peer. */
struct peer_texts {
	char host[TEXT_HOST], vendor[TEXT_NAME];
};

static void
take_peer(Row__Tunnel *row, const struct l2tp_msg *m, struct peer_texts *texts)
{
	struct l2tp_failover f;
	uint16_t v = 0, window = CHAN_PEER_WINDOW;

	*texts = (struct peer_texts){ 0 };
	l2tp_msg_text(m, AVP_HOST_NAME, texts->host, sizeof texts->host);
	l2tp_msg_text(m, AVP_VENDOR_NAME, texts->vendor, sizeof texts->vendor);
	clean_text(texts->host);
	clean_text(texts->vendor);
	row->peer_host = texts->host;
	row->peer_vendor = texts->vendor;
	v3_take_peer(row, m);
	if (message_connection(m))
		row->peer_id = message_connection(m);
	if (l2tp_msg_u16(m, AVP_FIRMWARE_REVISION, &v))
		row->peer_firmware = v;
	l2tp_msg_u16(m, AVP_RECEIVE_WINDOW, &window);
	row->peer_window = window;
	l2tp_msg_u32(m, AVP_FRAMING_CAPABILITIES, &row->peer_framing);
	l2tp_msg_u32(m, AVP_BEARER_CAPABILITIES, &row->peer_bearer);
	if (!row->recovers && l2tp_msg_failover(m, &f)) {
		row->failover_flags = (f.control ? FAILOVER_CONTROL : 0) | (f.data ? FAILOVER_DATA : 0);
		row->failover_ms = f.recovery_ms;
	}
	row->multicast_capable = l2tp_msg_has(m, AVP_MULTICAST_CAPABILITY);
	row->ecn_capable = l2tp_msg_has(m, AVP_ECN_CAPABILITY);
}

static void
take_endpoints(Row__Tunnel *row, const struct tc_datagram *in)
{
	row->local_addr = (ProtobufCBinaryData){ ip_addr_len(&in->local.addr),
						 (uint8_t *)(uintptr_t)in->local.addr.b };
	row->local_port = in->local.port;
	row->peer_addr = (ProtobufCBinaryData){ ip_addr_len(&in->peer.addr),
						(uint8_t *)(uintptr_t)in->peer.addr.b };
	row->peer_port = in->peer.port;
	row->over_ip = in->local.port == 0;
}

static enum tc_role
role_of(const struct conf_profile *p)
{
	return p->roles & ROLE_LNS ? TC_LNS : p->roles & ROLE_LAC ? TC_LAC : TC_CLIENT;
}

/* RFC 4951, 5.1: we can do both; not said on a recovery tunnel (3.2.1). */
static void
our_failover(const struct tc *tc, const struct conf_profile *p, Row__Tunnel *row)
{
	row->epoch = tc->epoch;
	if (p && p->failover && !row->recovers)
		row->failover_ours = FAILOVER_CONTROL | FAILOVER_DATA;
}

/* Its SCCRQ is taken as delivered: the first message in order. */
static void
take_first(struct tc *tc, struct tunnel *t)
{
	chan_start(&t->chan, tc->now, MONO_NEVER);
	chan_receive(&t->chan, tc->now, 0, 0, false, span_of(NULL, 0));
}

static struct span
challenge_of(const struct l2tp_msg *m)
{
	struct span s = span_of(NULL, 0);

	l2tp_msg_span(m, AVP_CHALLENGE, &s);
	return s;
}

static void
open_request(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	uint8_t tie[8], challenge[CHALLENGE], nonce[CHALLENGE];
	const struct tunnel *old = tunnel_find(tc, ev->recovers);
	const bool v3 = old ? old->version == 3 : ev->prof->version == VERSION_3;

	tc->random.fill(tc->random.arg, tie, sizeof tie);
	take_endpoints(row, ev->in);
	row->role = ev->role;
	row->initiated = true;
	row->profile = (char *)ev->prof->name;
	row->lns_group = (char *)(ev->group ? ev->group->name : "");
	row->lns_member = ev->member;
	row->recovers = ev->recovers;
	our_failover(tc, ev->prof, row);
	row->tie_breaker = (ProtobufCBinaryData){ 8, tie };
	row->version = v3 ? 3 : 0;
	if (v3 || (ev->prof->version == VERSION_BOTH && !old && !row->over_ip))
		v3_fill_nonce(tc, ev->prof, NULL, row, nonce);
	if (!v3)
		fill_challenge(tc, ev->prof, row, challenge);
	t = enter(tc, NULL, ev, row);
	if (!t)
		return;
	chan_start(&t->chan, tc->now, MONO_NEVER);
	lac_moved(tc, t);
	send_sccrq(tc, t);
}

static void
answer_sccrp(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	struct peer_texts texts;
	uint8_t challenge[CHALLENGE], nonce[CHALLENGE];

	if (recovery_asked_for(ev->msg))
		recovery_answer(tc, ev->msg, row);
	take_peer(row, ev->msg, &texts);
	take_endpoints(row, ev->in);
	row->profile = (char *)ev->prof->name;
	row->role = role_of(ev->prof);
	our_failover(tc, ev->prof, row);
	if (ev->msg->v3)
		v3_fill_nonce(tc, ev->prof, ev->msg, row, nonce);
	else
		fill_challenge(tc, ev->prof, row, challenge);
	t = enter(tc, NULL, ev, row);
	if (!t)
		return;
	t->request = ev->digest;
	take_first(tc, t);
	send_sccrp(tc, t, challenge_of(ev->msg));
}

static void
refuse(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	struct peer_texts texts;

	if (tc->refusing >= REFUSING_MAX) {
		bump(tc, N_FLOOD);
		return;
	}
	take_peer(row, ev->msg, &texts);
	take_endpoints(row, ev->in);
	row->profile = ev->prof ? (char *)ev->prof->name : (char *)"";
	row->role = ev->prof ? role_of(ev->prof) : TC_LNS;
	if (row->peer_nonce.len && ev->prof && ev->prof->secret[0]) /* its digest was good: so is ours to be */
		row->digests = v3_digests_of(ev->prof);
	else
		row->peer_nonce.len = 0;
	row->result = ev->why.result;
	row->error = ev->why.error;
	row->message = ev->why.text;
	row->epoch = tc->epoch;
	bump_fault(tc, &ev->why);
	t = enter(tc, NULL, ev, row);
	if (!t)
		return;
	t->request = ev->digest;
	take_first(tc, t);
	send_stopccn(tc, t, &ev->why);
}

static void
established(struct tc *tc, struct tunnel *t)
{
	struct tunnel *old = NULL, *next;

	bump(tc, N_TUNNELS_OPENED);
	/* A peer has one tunnel of an id: an older one of that id is what it has forgotten. */
	for (old = tunnel_of_peer(tc, &t->peer.addr, t->peer_id, NULL); old; old = next) {
		next = tunnel_of_peer(tc, &t->peer.addr, t->peer_id, old);
		if (old == t || !endpoint_eq(&old->peer, &t->peer) || old->state != CC_ESTABLISHED)
			continue;
		bump(tc, N_TUNNELS_SUPERSEDED);
		cc_close(tc, old, &(struct verdict){ .fault = FAULT_TUNNEL_AGAIN });
	}
	if (t->initiated)
		lac_tunnel_up(tc, t);
}

static void
connect_up(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	struct peer_texts texts;

	take_peer(row, ev->msg, &texts);
	take_endpoints(row, ev->in);
	if (row->peer_nonce.len && !row->digests) /* RFC 3931, 4.3: it is the peer that wants them */
		row->digests = v3_digests_of(t->prof);
	row->since = tc->wall_s;
	row->challenge_sent.len = 0;
	t = enter(tc, t, ev, row);
	if (!t)
		return;
	send_scccn(tc, t, challenge_of(ev->msg));
	if (t->recovers)
		recovery_up(tc, t, ev->msg);
	else
		established(tc, t);
}

static void
open_up(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	row->since = tc->wall_s;
	row->challenge_sent.len = 0;
	t = enter(tc, t, ev, row);
	if (t && t->recovers)
		recovery_up(tc, t, ev->msg);
	else if (t)
		established(tc, t);
}

static void
set_result(Row__Tunnel *row, struct verdict *v)
{
	row->result = v->result;
	row->error = v->error;
	row->message = v->text;
	row->recovery = REC_NONE;
}

static void
count_end(struct tc *tc, const struct tunnel *t)
{
	if (t->state == CC_ESTABLISHED && !t->recovers)
		bump(tc, N_TUNNELS_CLOSED);
}

/* Whatever it was for is gone: as LAC, its member of the group is left alone for a while. */
static void
after_end(struct tc *tc, struct tunnel *t, bool blame_peer)
{
	recovery_unlist(tc, t);
	if (t->initiated && blame_peer)
		lac_tunnel_failed(tc, t);
	call_tunnel_gone(tc, t, SLICE);
}

static void
stop(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	struct peer_texts texts;
	bool opened = t->state == CC_ESTABLISHED;

	if (ev->why.fault == FAULT_NONE && ev->why.result == 0)
		ev->why = verdict_of(FAULT_CC_STATE);
	bump_fault(tc, &ev->why);
	count_end(tc, t);
	if (ev->msg && ev->msg->type == L2TP_SCCRP &&
	    t->state == CC_WAIT_CTL_REPLY) { /* where its StopCCN has to go */
		take_peer(row, ev->msg, &texts);
		take_endpoints(row, ev->in);
	}
	set_result(row, &ev->why);
	t = enter(tc, t, ev, row);
	if (!t)
		return;
	send_stopccn(tc, t, &ev->why);
	after_end(tc, t, !opened);
	if (t->recovers)
		recovery_ended(tc, t, opened);
}

static bool
peer_is_away(const Row__Tunnel *row)
{
	return row->result == 6 || (row->result == 2 && (row->error == 7 || row->error == 4));
}

static void
clean_up(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	struct l2tp_result r = { 0 };
	bool opened = t->state == CC_ESTABLISHED;

	ev->why = verdict_of(FAULT_TUNNEL_PEER);
	count_end(tc, t);
	if (l2tp_msg_result(ev->msg, &r)) {
		ev->why.result = r.result;
		ev->why.error = r.error;
		snprintf(ev->why.text, sizeof ev->why.text, "%.*s", (int)r.message.len,
			 (const char *)r.message.p);
		clean_text(ev->why.text);
	}
	set_result(row, &ev->why);
	if (t->state == CC_WAIT_CTL_REPLY) {
		take_endpoints(row, ev->in);
		v3_take_peer(row, ev->msg);
	}
	if (!t->peer_id) /* so that the acknowledgement finds it */
		row->peer_id = message_connection(ev->msg);
	t = enter(tc, t, ev, row);
	if (!t)
		return;
	after_end(tc, t, !opened || peer_is_away(row));
	if (t->recovers)
		recovery_ended(tc, t, opened);
}

/* Nobody to tell: what waits to be sent is forgotten, the calls go, and with the last of them the
 * tunnel. */
static void
silence(struct tc *tc, struct tunnel *t)
{
	while (t->chan.out.count)
		put_out(tc, t, t->chan.out.lo, span_of(NULL, 0));
	t->chan.seq.peer_nr = t->chan.acked_from = t->chan.next = t->chan.seq.ns;
	t->chan.rtx_due = MONO_NEVER;
	t->linger_due = tc->now;
	t->final = true;
}

static void
lose(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	bool opened = t->state == CC_ESTABLISHED;

	if (ev->why.fault == FAULT_NONE)
		ev->why = verdict_of(t->chan.broken	      ? FAULT_TUNNEL_DAMAGED
				     : t->recovery == REC_AWAY ? FAULT_RECOVERY_TIME
							       : FAULT_TUNNEL_LOST);
	bump_fault(tc, &ev->why);
	bump(tc, ev->why.fault == FAULT_TUNNEL_AGAIN ? N_TUNNELS_CLOSED
		 : opened && !t->recovers	     ? N_TUNNELS_LOST
						     : N_TUNNELS_TIMED_OUT);
	note(tc, NOTE_WARN, "tunnel lost tunnel=%u host=%s calls=%u why=\"%s\"", t->id,
	     t->peer_host, tunnel_calls(t), ev->why.text);
	set_result(row, &ev->why);
	t = enter(tc, t, ev, row);
	if (!t)
		return;
	silence(tc, t);
	after_end(tc, t, ev->why.fault != FAULT_TUNNEL_AGAIN);
	if (t->recovers)
		recovery_ended(tc, t, opened);
}

static void
forget(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	if (t->by_id) { /* not before its calls */
		silence(tc, t);
		call_tunnel_gone(tc, t, SLICE);
		tunnel_touch(tc, t);
		if (t->by_id)
			return;
	}
	drop_tunnel(tc, t);
}

static void
give_up_setup(struct tc *tc, struct tunnel *t, struct cc_event *ev, Row__Tunnel *row)
{
	bump(tc, N_TUNNELS_TIMED_OUT);
	ev->why = verdict_of(FAULT_TUNNEL_SETUP);
	stop(tc, t, ev, row);
}

static bool
never_heard(struct tc *tc, struct tunnel *t, struct cc_event *ev)
{
	return t->peer_id == 0;
}

static bool
superseded(struct tc *tc, struct tunnel *t, struct cc_event *ev)
{
	return ev->why.fault == FAULT_TUNNEL_AGAIN;
}

/* ---- RFC 2661, 7.2.1: row by row; below the line, what sections 5.7, 5.8 and 7.1 add ---- */

#define CC_ANY CC_STATES

/* clang-format off: a table is read by columns */
static const struct cc_rule cc_rules[] = {
	/* state             event       guard               action         next */
	{ CC_IDLE, EV_OPEN, NULL, open_request, CC_WAIT_CTL_REPLY },
	{ CC_IDLE, EV_SCCRQ, acceptable_request, answer_sccrp, CC_WAIT_CTL_CONN },
	{ CC_IDLE, EV_SCCRQ, NULL, refuse, CC_CLOSING },
	/* idle: SCCRP, SCCCN, StopCCN: stray() */
	{ CC_WAIT_CTL_REPLY, EV_SCCRP, acceptable_reply, connect_up, CC_ESTABLISHED },
	{ CC_WAIT_CTL_REPLY, EV_SCCRP, NULL, stop, CC_CLOSING },
	/* wait-ctl-reply: SCCRQ, lose tie-breaker: it comes without a tunnel id: tie_breaker() */
	{ CC_WAIT_CTL_REPLY, EV_SCCCN, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_CONN, EV_SCCCN, acceptable_connect, open_up, CC_ESTABLISHED },
	{ CC_WAIT_CTL_CONN, EV_SCCCN, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_CONN, EV_SCCRP, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_CONN, EV_SCCRQ, NULL, stop, CC_CLOSING },
	{ CC_ESTABLISHED, EV_CLOSE, superseded, lose, CC_CLOSING },
	{ CC_ESTABLISHED, EV_CLOSE, NULL, stop, CC_CLOSING },
	{ CC_ESTABLISHED, EV_SCCRQ, NULL, stop, CC_CLOSING },
	{ CC_ESTABLISHED, EV_SCCRP, NULL, stop, CC_CLOSING },
	{ CC_ESTABLISHED, EV_SCCCN, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, EV_STOPCCN, NULL, clean_up, CC_CLOSING },
	{ CC_WAIT_CTL_CONN, EV_STOPCCN, NULL, clean_up, CC_CLOSING },
	{ CC_ESTABLISHED, EV_STOPCCN, NULL, clean_up, CC_CLOSING },
	/* ---- */
	{ CC_WAIT_CTL_REPLY, EV_SCCRQ, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, EV_CLOSE, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_CONN, EV_CLOSE, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, EV_SETUP, never_heard, lose, CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, EV_SETUP, NULL, give_up_setup, CC_CLOSING },
	{ CC_WAIT_CTL_CONN, EV_SETUP, NULL, give_up_setup, CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, EV_WRONG, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_CONN, EV_WRONG, NULL, stop, CC_CLOSING },
	{ CC_ESTABLISHED, EV_WRONG, NULL, stop, CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, EV_LOST, NULL, lose, CC_CLOSING },
	{ CC_WAIT_CTL_CONN, EV_LOST, NULL, lose, CC_CLOSING },
	{ CC_ESTABLISHED, EV_LOST, NULL, lose, CC_CLOSING },
	{ CC_CLOSING, EV_LOST, NULL, forget, CC_IDLE },
	{ CC_CLOSING, EV_LINGER, NULL, forget, CC_IDLE },
	{ CC_ANY, EV_KINDS, NULL, NULL, CC_ANY },
};
/* clang-format on */

bool
cc_step(struct tc *tc, struct tunnel *t, struct cc_event *ev, uint16_t fresh_id)
{
	unsigned state = t ? t->state : CC_IDLE;

	for (const struct cc_rule *r = cc_rules; r->act; r++) {
		if (r->state != state || r->event != ev->kind || (r->guard && !r->guard(tc, t, ev)))
			continue;
		Row__Tunnel row = ROW__TUNNEL__INIT;
		if (t)
			row = tunnel_row(t);
		else
			row.id = fresh_id;
		row.state = r->next;
		r->act(tc, t, ev, &row);
		return true;
	}
	bump(tc, N_IGNORED);
	return false;
}

/* "Clean up, re-queue SCCRQ for idle state": our calls go to the tunnel that the peer has opened.
 */
void
cc_yield(struct tc *tc, struct tunnel *lost, struct tunnel *to)
{
	struct cc_event ev = { .kind = EV_CLOSE, .why = verdict_of(FAULT_TUNNEL_TIE) };

	bump(tc, N_TIES_LOST);
	bump_fault(tc, &ev.why);
	note(tc, NOTE_INFO, "tunnel withdrawn tunnel=%u: lost the tie breaker, to=%u", lost->id,
	     to ? to->id : 0);
	if (to && !lost->recovers) {
		Row__Tunnel row = tunnel_row(to);
		row.lns_group = lost->lns_group;
		row.lns_member = lost->lns_member;
		put_tunnel(tc, &row);
		lac_moved(tc, to);
		lac_move_calls(tc, lost, to);
	}
	Row__Tunnel row = tunnel_row(lost);
	row.state = CC_CLOSING;
	set_result(&row, &ev.why);
	if (enter(tc, lost, &ev, &row)) {
		silence(tc, lost);
		call_tunnel_gone(tc, lost, SLICE);
		if (lost->recovers)
			recovery_yielded(tc, lost);
	}
}

/* ---- opened, closed, timed by us ------------------------------------------------------ */

static bool
unspecified(const struct ip_addr *a)
{
	for (size_t i = 0; i < ip_addr_len(a); i++) {
		if (a->b[i])
			return false;
	}
	return true;
}

/*
 * The address that moves to the twin with the tunnel: a service address on the peer's network, and in a
 * pair any at all rather than one that stays with this node.  The kernel's choice (no address) is last.
 */
static struct ip_addr
service_for(const struct conf *conf, const struct ip_addr *peer)
{
	struct ip_addr any = { .family = peer->family };

	for (unsigned i = 0; i < conf->claims; i++) {
		const struct ip_prefix *p = &conf->claim[i].addr;
		if (p->addr.family != peer->family)
			continue;
		if (ip_prefix_has(p, peer))
			return p->addr;
		if (conf->pair.enabled && unspecified(&any))
			any = p->addr;
	}
	return any;
}

static struct endpoint
local_for(const struct tc *tc, const struct ip_addr *peer)
{
	struct endpoint e = { .addr.family = peer->family, .port = L2TP_PORT };

	for (unsigned i = 0; i < tc->conf->data.listens; i++) {
		if (tc->conf->data.listen[i].addr.family == peer->family)
			e = tc->conf->data.listen[i];
	}
	if (unspecified(&e.addr))
		e.addr = service_for(tc->conf, peer);
	return e;
}

static struct tunnel *
open_to(struct tc *tc, struct cc_event *ev, const struct endpoint *peer, const char *profile)
{
	struct tc_datagram where = { .peer = *peer };
	const uint16_t id = tunnel_free_id(tc);

	if (where.peer.port == 0)
		where.peer.port = L2TP_PORT;
	where.local = local_for(tc, &where.peer.addr);
	ev->in = &where;
	ev->prof = *profile ? conf_profile_named(tc->conf, profile) : conf_profile_find(tc->conf, &peer->addr, "");
	if (ev->prof && ev->prof->version == VERSION_3 && ev->prof->v3.transport == TRANSPORT_IP)
		where.peer.port = where.local.port = 0;
	if (id == 0 || !ev->prof || !room_for_tunnel(tc, ev->prof, ev))
		return NULL;
	cc_step(tc, NULL, ev, id);
	return tunnel_find(tc, id);
}

struct tunnel *
cc_open(struct tc *tc, const char *group, unsigned member, enum tc_role role)
{
	const struct conf_lns_group *g = lac_group(tc, group);
	struct cc_event ev = { .kind = EV_OPEN, .group = g, .member = member, .role = role };

	return g && member < g->members ? open_to(tc, &ev, &g->member[member].peer, g->profile) : NULL;
}

struct tunnel *
cc_open_peer(struct tc *tc, const struct endpoint *peer, const char *profile, enum tc_role role)
{
	struct cc_event ev = { .kind = EV_OPEN, .role = role };

	return open_to(tc, &ev, peer, profile);
}

void
cc_close(struct tc *tc, struct tunnel *t, const struct verdict *v)
{
	struct cc_event ev = { .kind = EV_CLOSE, .why = *v };

	cc_step(tc, t, &ev, 0);
}

void
cc_idle_check(struct tc *tc, struct tunnel *t)
{
	t->idle_due = MONO_NEVER;
	if (t->state != CC_ESTABLISHED || t->by_id)
		return;
	if (t->recovers) {
		t->idle_due = tc->now + RECOVERY_USED;
	} else if (t->draining) {
		t->idle_due = tc->now + MONO_MS; /* when this step has been told */
	} else if (t->prof->idle_ms) {
		t->idle_due = tc->now + t->prof->idle_ms * MONO_MS;
	}
}

void
cc_drain(struct tc *tc, struct tunnel *t, bool on)
{
	Row__Tunnel row = tunnel_row(t);

	if (t->draining == on || t->state == CC_CLOSING)
		return;
	row.draining = on;
	if (put_tunnel(tc, &row))
		cc_idle_check(tc, t);
}

static void
tick_event(struct tc *tc, struct tunnel *t, enum cc_event_kind kind)
{
	struct cc_event ev = { .kind = kind };

	cc_step(tc, t, &ev, 0);
}

static bool
past(const struct tc *tc, mono_t due)
{
	return due != MONO_NEVER && tc->now >= due;
}

/* RFC 3931, 4.4, "a jittered timer": up to an eighth sooner, each tunnel and each time anew; the same at the twin. */
mono_t
cc_hello_due(const struct tunnel *t)
{
	const mono_t span = t->prof->hello_ms * MONO_MS;
	const uint32_t mixed = (t->id * 0x9e3779b9u ^ t->chan.seq.ns * 0x85ebca6bu) * 0xc2b2ae35u;
	const unsigned dice = t->version == 3 ? mixed >> 24 : 0;

	return t->chan.heard + span - span / 8 * dice / 256;
}

static void
tick_established(struct tc *tc, struct tunnel *t)
{
	mono_t hello = cc_hello_due(t);

	if (past(tc, t->idle_due)) {
		struct verdict v = verdict_of(t->recovers   ? FAULT_RECOVERY_DONE
					      : t->draining ? FAULT_TUNNEL_DRAINED
							    : FAULT_TUNNEL_IDLE);
		cc_close(tc, t, &v);
	} else if (t->prof->hello_ms && chan_backlog(&t->chan) == 0 && past(tc, hello)) {
		send_hello(tc, t);
	}
}

static void
tick_closing(struct tc *tc, struct tunnel *t)
{
	call_tunnel_gone(tc, t, SLICE);
	if (!t->by_id && past(tc, t->linger_due))
		tick_event(tc, t, EV_LINGER);
}

/* Nobody answers.  RFC 4951, 5.1: a capable peer gets its recovery time on top. */
static void
tick_dead(struct tc *tc, struct tunnel *t)
{
	if (recovery_waits(tc, t))
		bump(tc, N_RETRANSMISSIONS);
	else
		tick_event(tc, t, EV_LOST);
}

void
cc_tick(struct tc *tc, struct tunnel *t)
{
	if (recovery_muted(t))
		return;
	enum chan_tick said = chan_tick(&t->chan, tc->now);

	tunnel_touch(tc, t);
	if (said == CHAN_RETRANSMIT)
		bump(tc, N_RETRANSMISSIONS);
	if (said == CHAN_DEAD || (t->recovery == REC_AWAY && past(tc, t->away_due)))
		tick_dead(tc, t);
	else if (t->state == CC_CLOSING && (t->by_id || past(tc, t->linger_due)))
		tick_closing(tc, t);
	if (t->gone || t->state == CC_CLOSING)
		return;
	while (t->setup && past(tc, t->setup->due))
		call_timeout(tc, t->setup);
	if (t->recovery == REC_SYNC && past(tc, t->sync_due))
		sync_tick(tc, t);
	if (past(tc, t->setup_due))
		tick_event(tc, t, EV_SETUP);
	else if (t->state == CC_ESTABLISHED)
		tick_established(tc, t);
}
