// SPDX-License-Identifier: Apache-2.0
/*
 * The way of a datagram to the machines:
 *
 *   datagram ─► header ─► tunnel? ─► source? ─► reliable delivery ─► message ─► cc.c, call.c
 *                  │ no
 *                  └─► SCCRQ (request), StopCCN before an id was known, or a stray
 *
 * Every drop has a counter.  What is malformed in its header is dropped (RFC 2661, 7.1); what is
 * malformed inside gets the answer that the codec's table of faults names.
 */
#include <string.h>

#include "dialect.h"
#include "recover.h"

#define HALF_OPEN_MAX 4096 /* tunnels that peers have begun and not finished */
#define HALF_OPEN_PEER_MAX 1024 /* of one address: a flood of its own keeps nobody else out */

/* Of an SCCRQ's body: to know it again. */
static uint32_t
digest(struct span octets)
{
	uint32_t h = 2166136261u;

	for (size_t i = L2TP_CONTROL_HEADER; i < octets.len; i++)
		h = (h ^ octets.p[i]) * 16777619u;
	return h | 1;
}

/* ---- messages to events --------------------------------------------------------------- */

static void
count_message(struct tc *tc, const struct l2tp_msg *m)
{
	bump(tc, N_MESSAGES_IN);
	tc->n[N_AVPS_UNKNOWN] += m->unknown;
	tc->n[N_AVPS_DUPLICATE] += m->duplicates;
	tc->n[N_AVPS_MISPLACED] += m->misplaced;
	if (m->trouble.fault)
		tc->codec[m->trouble.fault]++;
}

static void
wrong(struct tc *tc, struct tunnel *t, const struct tc_datagram *in, const struct verdict *v)
{
	struct cc_event ev = { .kind = EV_WRONG, .in = in, .msg = &tc->msg, .why = *v };

	cc_step(tc, t, &ev, 0);
}

static void
cc_message(struct tc *tc, struct tunnel *t, const struct tc_datagram *in, enum cc_event_kind kind)
{
	struct cc_event ev = { .kind = kind, .in = in, .msg = &tc->msg };

	cc_step(tc, t, &ev, 0);
}

static void
dispatch(struct tc *tc, struct tunnel *t, const struct tc_datagram *in, const struct l2tp_msg *m)
{
	switch (m->type) {
	case L2TP_SCCRQ:
		cc_message(tc, t, in, EV_SCCRQ);
		return;
	case L2TP_SCCRP:
		cc_message(tc, t, in, EV_SCCRP);
		return;
	case L2TP_SCCCN:
		cc_message(tc, t, in, EV_SCCCN);
		return;
	case L2TP_STOPCCN:
		cc_message(tc, t, in, EV_STOPCCN);
		return;
	case L2TP_HELLO:
		bump(tc, N_HELLO_IN);
		return;
	default:
		if (t->state == CC_ESTABLISHED && t->recovers) {
			bump(tc, N_IGNORED); /* RFC 4951, 3.2.1: nothing else has a place on a recovery tunnel */
		} else if (t->state == CC_ESTABLISHED) {
			call_receive(tc, t, m);
		} else {
			struct verdict v = verdict_of(FAULT_CC_STATE);
			wrong(tc, t, in, &v);
		}
	}
}

static void
deliver(struct tc *tc, struct tunnel *t, const struct tc_datagram *in, struct span octets)
{
	struct l2tp_msg *m = &tc->msg;

	v3_read(tc, t, octets);
	count_message(tc, m);
	if (m->ignore || m->trouble.answer == L2TP_DISCARD) {
		bump(tc, N_IGNORED);
		return;
	}
	if (m->trouble.answer == L2TP_CLEAR_TUNNEL && m->type != L2TP_STOPCCN) {
		struct verdict v = verdict_of_trouble(&m->trouble);
		wrong(tc, t, in, &v);
		return;
	}
	dispatch(tc, t, in, m);
}

static void
receive_on(struct tc *tc, struct tunnel *t, const struct arrival *a)
{
	const struct l2tp_hdr *h = &a->h;
	struct span next;

	if (t->learns && chan_learn(&t->chan, h->ns, h->nr, a->ack))
		bump(tc, N_STALE_LEARNT);
	switch (chan_receive(&t->chan, tc->now, h->ns, h->nr, a->ack, a->octets)) {
	case CHAN_BAD_NR:
		bump(tc, N_BAD_NR);
		return;
	case CHAN_BEYOND:
		bump(tc, N_BEYOND_WINDOW);
		break;
	case CHAN_ACK_ONLY:
		bump(tc, N_ZLB_IN);
		break;
	case CHAN_LOSS:
		bump(tc, N_ZLB_IN);
		bump(tc, N_LOSSES_SHOWN);
		bump(tc, N_RETRANSMISSIONS);
		break;
	case CHAN_DUPLICATE:
		bump(tc, N_DUPLICATES);
		break;
	case CHAN_EARLY:
		bump(tc, N_EARLY);
		break;
	case CHAN_DELIVER:
		t->learns = false;
		deliver(tc, t, a->in, a->octets);
		while (!t->gone && chan_receive_early(&t->chan, &next))
			deliver(tc, t, a->in, next);
		break;
	}
	if (t->recovery == REC_AWAY && t->chan.tries == 0)
		recovery_heard(tc, t);
	tunnel_touch(tc, t);
}

/* ---- without a tunnel ----------------------------------------------------------------- */

/* A message for an id that we do not have: RFC 2661, 7.2.1, the idle rows that do not open
 * anything. */
static void
stray(struct tc *tc, const struct arrival *a)
{
	struct verdict v = verdict_of(FAULT_CC_STATE);
	uint32_t id;

	bump(tc, N_UNKNOWN_TUNNEL);
	if (a->ack)
		return;
	v3_read(tc, NULL, a->octets);
	id = message_connection(&tc->msg);
	if (id == 0 || l2tp_msg_has(&tc->msg, AVP_MESSAGE_DIGEST)) /* whoever sends digests believes no answer without */
		return;
	if (tc->msg.type ==
	    L2TP_STOPCCN) /* its tunnel has long gone: only the acknowledgement is missing */
		reply_zlb(tc, a->in, a->version, id, a->h.nr, (uint16_t)(a->h.ns + 1));
	else if (tc->msg.type == L2TP_SCCRP)
		reply_stopccn(tc, a->in, a->version, id, (uint16_t)(a->h.ns + 1), &v);
}

/* The request of ours that this address has not answered.  RFC 4951, 3.2.1: recovery tunnels have a scope of their own. */
static struct tunnel *
asked(struct tc *tc, const struct ip_addr *peer)
{
	struct tunnel *t = NULL;

	while ((t = tunnel_of_peer(tc, peer, 0, t)) != NULL) {
		if (t->state == CC_WAIT_CTL_REPLY && !t->recovers)
			return t;
	}
	return NULL;
}

/*
 * RFC 3931, 3.3, 5.4.3: the peer is its Router ID and Host Name, whatever address it comes from.  What address we may
 * have asked it at is known from tunnels with it.
 */
static struct tunnel *
asked_elsewhere(struct tc *tc, const struct l2tp_msg *m, const struct conf_profile *p)
{
	char host[TEXT_HOST] = "";
	struct tunnel *u = NULL, *t;
	uint32_t router = 0;

	if (!m->v3 || !l2tp_msg_has(m, AVP_NONCE) || tc->in_state[CC_WAIT_CTL_REPLY] == 0)
		return NULL;
	l2tp_msg_u32(m, AVP_ROUTER_ID, &router);
	l2tp_msg_text(m, AVP_HOST_NAME, host, sizeof host);
	clean_text(host);
	for (unsigned n = 0; n < LCCE_LOOKS && (u = tunnel_of_lcce(tc, router, host, u)) != NULL; n++) {
		t = u->nonce_len && u->prof == p ? asked(tc, &u->peer.addr) : NULL;
		if (t)
			return t;
	}
	return NULL;
}

/*
 * RFC 2661, 4.4.3: both ends have asked for a tunnel.  Our tunnel that has to go is answered in
 * *lost; false: the peer's request is to be ignored.
 */
static bool
tie_breaker(struct tc *tc, const struct tc_datagram *in, const struct l2tp_msg *m, const struct conf_profile *p,
	    struct tunnel **lost)
{
	struct tunnel *t = asked(tc, &in->peer.addr);
	struct span theirs = span_of(NULL, 0);
	int order;

	*lost = NULL;
	if (recovery_asked_for(m))
		return recovery_tie(tc, m, lost);
	if (!t)
		t = asked_elsewhere(tc, m, p);
	if (!t)
		return true;
	l2tp_msg_span(m, AVP_TIE_BREAKER, &theirs);
	if (theirs.len != 8 && t->tie_len != 8)
		return true; /* two tunnels */
	order = theirs.len != 8 ? 1 : t->tie_len != 8 ? -1 : memcmp(theirs.p, t->tie_breaker, 8);
	if (order > 0) {
		bump(tc, N_TIES_WON);
		return false;
	}
	*lost = t;
	return order < 0;
}

/*
 * The tunnel that this SCCRQ has opened already, or was refused by: then it is a retransmission. An
 * established one, and a refused one whose peer has acknowledged that, have nothing to wait for but
 * copies that were long under way; any other SCCRQ with its peer's id comes from a peer that has
 * started anew.
 */
static struct tunnel *
same_request(struct tc *tc, const struct arrival *a, uint32_t id)
{
	struct tunnel *t = NULL;

	while ((t = tunnel_of_peer(tc, &a->in->peer.addr, id, t)) != NULL) {
		if (t->initiated || !endpoint_eq(&t->peer, &a->in->peer))
			continue;
		if (t->state == CC_WAIT_CTL_CONN || (t->state == CC_CLOSING && t->since == 0 && !t->final))
			return t;
		if (tc->now < t->fresh_until && t->request == digest(a->octets))
			return t;
	}
	return NULL;
}

/* Hidden AVPs need the secret, the secret needs the profile, the profile needs the Host Name, which
 * is never hidden.  False: it cannot be believed (RFC 3931, 5.4.1). */
static bool
read_request(struct tc *tc, const struct arrival *a, const struct conf_profile **p)
{
	char host[TEXT_HOST] = "";

	l2tp_msg_text(&tc->msg, AVP_HOST_NAME, host, sizeof host);
	*p = conf_profile_find(tc->conf, &a->in->peer.addr, host);
	return v3_request(tc, a, *p);
}

static bool
room_for_request(struct tc *tc, const struct arrival *a)
{
	if (a->h.ns == 0 && a->h.nr == 0 && tc->in_state[CC_WAIT_CTL_CONN] < HALF_OPEN_MAX &&
	    tunnel_half_open(tc, &a->in->peer.addr) < HALF_OPEN_PEER_MAX)
		return true;
	bump(tc, a->h.ns || a->h.nr ? N_BAD_NR : N_FLOOD);
	return false;
}

static void
request(struct tc *tc, const struct arrival *a)
{
	struct cc_event ev = {
		.kind = EV_SCCRQ, .in = a->in, .msg = &tc->msg, .digest = digest(a->octets)
	};
	struct tunnel *known, *lost;
	uint16_t fresh;
	uint32_t id;

	if (!read_request(tc, a, &ev.prof))
		return;
	count_message(tc, &tc->msg);
	id = message_connection(&tc->msg);
	if (id == 0)
		return; /* there is nowhere to answer to */
	known = same_request(tc, a, id);
	if (known) {
		receive_on(tc, known, a);
		return;
	}
	if (!room_for_request(tc, a))
		return;
	fresh = tunnel_free_id(tc);
	if (fresh == 0) {
		bump(tc, N_FLOOD);
		return;
	}
	if (!tie_breaker(tc, a->in, &tc->msg, ev.prof, &lost)) {
		if (lost)
			cc_yield(tc, lost, NULL);
		if (lost || !tc->msg.v3)
			return;
		ev.tie_lost = true; /* RFC 3931, 5.4.3: "A StopCCN SHOULD be sent by the winner" */
	}
	cc_step(tc, NULL, &ev, fresh);
	known = tunnel_find(tc, fresh);
	if (lost && known && known->state == CC_WAIT_CTL_CONN)
		cc_yield(tc, lost, known);
}

/* Tunnel id 0: an SCCRQ, or a StopCCN from a peer that does not know our id yet (4.4.3, Assigned
 * Tunnel ID). */
static void
unaddressed(struct tc *tc, const struct arrival *a)
{
	struct tunnel *t = NULL;
	uint32_t id;

	if (a->ack) {
		bump(tc, N_UNKNOWN_TUNNEL);
		return;
	}
	v3_read(tc, NULL, a->octets);
	if (tc->msg.type == L2TP_SCCRQ) {
		request(tc, a);
		return;
	}
	id = message_connection(&tc->msg);
	while (tc->msg.type == L2TP_STOPCCN && id &&
	       (t = tunnel_of_peer(tc, &a->in->peer.addr, id, t)) != NULL) {
		if (t->version != a->version || !endpoint_eq(&t->peer, &a->in->peer) || t->state == CC_ESTABLISHED)
			continue;
		if (a->version != 3 || v3_authentic(tc, t, a))
			receive_on(tc, t, a);
		return;
	}
	stray(tc, a);
}

/* RFC 2661, 8.1: addresses and ports are static; only the first answer may come from another port.
 */
static bool
right_source(const struct tunnel *t, const struct endpoint *peer)
{
	return endpoint_eq(&t->peer, peer) ||
	       (t->state == CC_WAIT_CTL_REPLY && ip_addr_eq(&t->peer.addr, &peer->addr));
}

/* Its version, its way, its peer. */
static bool
belongs(struct tc *tc, const struct tunnel *t, const struct arrival *a)
{
	if (t->over_ip != a->over_ip || !right_source(t, &a->in->peer)) {
		bump(tc, N_FOREIGN_SOURCE);
		return false;
	}
	if (t->version != a->version && !(a->version == 3 && v3_offered_both(t))) {
		bump(tc, N_OTHER_VERSION);
		return false;
	}
	return true;
}

void
cc_receive(struct tc *tc, const struct tc_datagram *in)
{
	enum l2tp_fault fault;
	struct arrival a;
	struct tunnel *t;

	bump(tc, N_DATAGRAMS_IN);
	if (!v3_open(in, &a, &fault)) {
		tc->codec[fault]++;
		return;
	}
	if (!a.over_ip && in->peer.port == 0) { /* nothing could be sent there */
		bump(tc, N_FOREIGN_SOURCE);
		return;
	}
	if (a.id == 0) {
		unaddressed(tc, &a);
		return;
	}
	t = a.id <= UINT16_MAX ? tunnel_find(tc, (uint16_t)a.id) : NULL;
	if (!t) {
		stray(tc, &a);
		return;
	}
	if (!belongs(tc, t, &a))
		return;
	if (recovery_muted(t)) { /* RFC 4951, 3.2.1: "MUST be silently discarded" */
		bump(tc, N_RECOVERY_MUTED);
		return;
	}
	if (a.version != 3 || v3_authentic(tc, t, &a))
		receive_on(tc, t, &a);
}
