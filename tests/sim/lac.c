// SPDX-License-Identifier: Apache-2.0
/*
 * A LAC after RFC 2661, written apart from tunnel-ctl: one tunnel at a time, incoming calls, reliable delivery
 * with retransmission, no memory of anything but what the RFC gives it; RFC 4951 is in lac_fail.c.  It is the judge of what the
 * pair says: contradictions between two sendings of one Ns, acknowledgements of what was never sent, calls that
 * end without a reason.
 */
#include "sim.h"

#include <openssl/md5.h>

#define PATIENCE (30 * MONO_S) /* an ICRQ that is acknowledged and not answered */
#define LIFE (5 * MONO_S)      /* whoever is behind a forwarded line says something so often, */
#define SILENCE (60 * MONO_S)  /* and is given up after so long */

static mono_t slac_due(const struct lac *l);

/* --- the wire ---------------------------------------------------------------------------------------------- */

/*
 * RFC 4951, 3.2.2: who agrees to begin at 0 without saying so (the AVP is a SHOULD) keeps quiet until it does; what it said
 * in between could be taken for new (seed 40048).
 */
static bool
keeps_quiet(const struct lac *l)
{
	return l->rec.state == REC_ANSWERED && !l->rec.their_ns && !l->rec.their_nr;
}

static void
transmit(struct lac *l, struct lac_out *o)
{
	if (keeps_quiet(l))
		return;
	l2tp_msg_set_nr(o->b, l->nr);
	l->ack_owed = false;
	tell(l->w, "lac%u sends %s ns=%u nr=%u", l->id, l2tp_msg_name(get_u16(o->b + 18)), o->ns, l->nr);
	lac_to_node(l->w, l->id, o->b, o->len);
}

static void
pump(struct lac *l)
{
	for (struct lac_out *o = l->out; o; o = o->next) {
		if ((int16_t)(o->ns - l->next) < 0)
			continue;
		if ((uint16_t)(o->ns - l->una) >= l->window)
			break;
		transmit(l, o);
		l->next = (uint16_t)(o->ns + 1);
		if (l->rtx_due == MONO_NEVER) {
			l->rtx_interval = l->w->plan.rtx_ms * MONO_MS;
			l->rtx_due = l->w->now + l->rtx_interval;
		}
	}
	slac_wake(l, slac_due(l));
}

void
slac_queue(struct lac *l, struct l2tp_wr *m, struct wr *w)
{
	struct lac_out *o;

	if (!l2tp_msg_end(m, l->ns, l->nr))
		abort();
	o = malloc(sizeof *o + wr_len(w));
	*o = (struct lac_out){ .ns = l->ns++, .len = (uint16_t)wr_len(w) };
	memcpy(o->b, w->start, o->len);
	*l->out_end = o;
	l->out_end = &o->next;
	pump(l);
}

static void
forget_out(struct lac *l)
{
	while (l->out) {
		struct lac_out *o = l->out;
		l->out = o->next;
		free(o);
	}
	l->out_end = &l->out;
	l->rtx_due = MONO_NEVER;
}

/* RFC 4951, 3.2.2: both windows are flushed, and the numbers are those agreed upon. */
void
slac_renumber(struct lac *l, uint16_t ns, uint16_t nr)
{
	forget_out(l);
	l->ns_before = l->ns;
	l->ns_begun = ns;
	l->renumbered_at = l->w->now;
	l->ns = l->una = l->next = ns;
	l->nr = nr;
	l->nr_seen = l->ack_owed = false;
	l->tries = 0;
	l->away_until = 0;
	memset(l->body_set, 0, sizeof l->body_set);
	l->hello_due = l->w->now + l->w->plan.hello_ms * MONO_MS;
}

/* 3.2.3: who failed begins at 0. */
void
slac_data_anew(struct lac *l)
{
	for (unsigned i = 0; i < LINES; i++)
		l->line[i].ns = 0;
}

static void
zlb(struct lac *l)
{
	uint8_t b[16];
	struct wr w = wr_of(b, sizeof b);

	l->ack_owed = false;
	if (keeps_quiet(l))
		return;
	l2tp_zlb_write(&w, l->peer_tid, l->next, l->nr);
	tell(l->w, "lac%u sends ZLB ns=%u nr=%u", l->id, l->next, l->nr);
	lac_to_node(l->w, l->id, b, wr_len(&w));
}

/* --- tunnel ---------------------------------------------------------------------------------------------------- */

struct line *
slac_line(struct lac *l, uint16_t sid)
{
	for (unsigned i = 0; i < LINES; i++)
		if (l->line[i].state != LINE_IDLE && l->line[i].sid == sid)
			return &l->line[i];
	return NULL;
}

uint16_t
slac_fresh_id(struct lac *l)
{
	for (;;) {
		uint16_t id = (uint16_t)rnd(l->w);
		if (id && !slac_line(l, id) && id != l->tid && id != l->rec.tid)
			return id;
	}
}

/* A control connection, from nothing. */
void
slac_begin(struct lac *l)
{
	forget_out(l);
	l->state = LAC_WAIT_REPLY;
	l->tid = slac_fresh_id(l);
	l->peer_tid = 0;
	l->ns = l->nr = l->una = l->next = l->nr_rcvd = 0;
	l->nr_seen = l->excused = l->nr_anew = l->nr_lost = l->renumbering = false;
	l->node_tid = 0;
	l->window = 4;
	l->tries = 0;
	l->closing_asked = false;
	memset(l->body_set, 0, sizeof l->body_set);
	l->heard = l->w->now;
	l->tunnels++;
	l->redial_at = l->sync_due = MONO_NEVER;
	l->peer_failover = l->failed = false;
	l->away_until = l->renumbered_at = 0;
}

void
slac_failover(struct lac *l, struct l2tp_wr *m)
{
	if (l->failover)
		l2tp_avp_failover(m, &(struct l2tp_failover){ true, true, 8000 });
}

void
slac_start(struct lac *l)
{
	uint8_t b[512];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	char host[16];

	if (l->state != LAC_DOWN || l->lns)
		return;
	slac_begin(l);
	snprintf(host, sizeof host, "lac%u", l->id);
	tell(l->w, "lac%u sends SCCRQ tunnel=%u", l->id, l->tid);
	l2tp_msg_begin(&m, &w, L2TP_SCCRQ, 0, 0);
	l2tp_avp_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(&m, AVP_HOST_NAME, host);
	l2tp_avp_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	if (l->w->plan.outgoing) /* RFC 2661, 6.9: without it nobody asks for a call */
		l2tp_avp_u32(&m, AVP_BEARER_CAPABILITIES, 3);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, l->tid);
	l2tp_avp_u16(&m, AVP_RECEIVE_WINDOW, (uint16_t)l->w->plan.lac_window);
	slac_failover(l, &m);
	if (l->w->plan.require_auth) {
		rnd_fill(l->w, l->challenge, sizeof l->challenge);
		l2tp_avp_bytes(&m, AVP_CHALLENGE, l->challenge, sizeof l->challenge);
	}
	slac_queue(l, &m, &w);
}

/* The control connection is gone: so are its calls. */
void
slac_down(struct lac *l, const char *how)
{
	tell(l->w, "lac%u tunnel %u is gone: %s", l->id, l->tid, how);
	mark(l->w, 500 + l->id);
	for (unsigned i = 0; i < LINES; i++) {
		struct line *s = &l->line[i];
		if (s->state == LINE_IDLE)
			continue;
		if (l->closing_asked)
			s->hung_up = true;
		check_line_lost(s, how);
		peer_down(s);
		s->state = LINE_IDLE;
		s->dial_at = l->w->now + rnd_time(l->w, 100 * MONO_MS, 2 * MONO_S);
	}
	forget_out(l);
	slac_rec_forget(l);
	l->state = LAC_DOWN;
	l->ack_owed = l->failed = false;
	l->redial_at = l->lns ? MONO_NEVER : l->w->now + rnd_time(l->w, 200 * MONO_MS, 2 * MONO_S);
	slac_wake(l, slac_due(l));
}

void
slac_close(struct lac *l)
{
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	if (l->state != LAC_UP || l->failed)
		return;
	tell(l->w, "lac%u sends StopCCN", l->id);
	l->closing_asked = true;
	l->state = LAC_CLOSING;
	l2tp_msg_begin(&m, &w, L2TP_STOPCCN, l->peer_tid, 0);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, l->tid);
	l2tp_avp_result(&m, 6, 0, "");
	slac_queue(l, &m, &w);
}

static void
established(struct lac *l, const struct l2tp_msg *in)
{
	uint8_t b[256], answer[L2TP_RESPONSE];
	struct wr w = wr_of(b, sizeof b);
	struct span challenge, response, secret = span_of(SECRET, strlen(SECRET));
	struct l2tp_wr m;
	struct l2tp_failover f;
	uint16_t v;

	if (!l2tp_msg_u16(in, AVP_ASSIGNED_TUNNEL, &l->peer_tid) || !l->peer_tid) {
		violated(l->w, INV_NO_MALFORMED, "an SCCRP to lac%u without a tunnel id", l->id);
		return;
	}
	if (l2tp_msg_u16(in, AVP_RECEIVE_WINDOW, &v) && v)
		l->window = v < 64 ? v : 64;
	if (l->w->plan.require_auth && (!l2tp_msg_span(in, AVP_CHALLENGE_RESPONSE, &response) ||
	    !l2tp_auth_check(L2TP_SCCRP, secret, span_of(l->challenge, 16), response))) {
		violated(l->w, INV_NO_MALFORMED, "the SCCRP to lac%u does not prove the secret", l->id);
		return;
	}
	l->peer_failover = l2tp_msg_failover(in, &f) && f.control && f.data;
	l->peer_recovery = l->peer_failover ? f.recovery_ms * MONO_MS : 0;
	l2tp_msg_begin(&m, &w, L2TP_SCCCN, l->peer_tid, 0);
	if (l2tp_msg_span(in, AVP_CHALLENGE, &challenge)) {
		l2tp_auth_response(L2TP_SCCCN, secret, challenge, answer);
		l2tp_avp_bytes(&m, AVP_CHALLENGE_RESPONSE, answer, sizeof answer);
	}
	l->state = LAC_UP;
	l->hello_due = l->w->now + l->w->plan.hello_ms * MONO_MS;
	slac_queue(l, &m, &w);
	slac_established(l);
}

void
slac_established(struct lac *l)
{
	for (unsigned i = 0; i < LINES; i++)
		if (!l->line[i].dial_at)
			l->line[i].dial_at = l->w->now + rnd_time(l->w, 0, MONO_S);
}

static void
hello(struct lac *l)
{
	uint8_t b[64];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	l2tp_msg_begin(&m, &w, L2TP_HELLO, l->peer_tid, 0);
	slac_queue(l, &m, &w);
}

/* --- calls ---------------------------------------------------------------------------------------------------------- */

/* A call, from nothing. */
void
line_begin(struct line *s)
{
	struct lac *l = s->lac;

	s->sid = slac_fresh_id(l);
	s->peer_sid = 0;
	s->serial = (uint32_t)rnd(l->w);
	s->state = LINE_WAIT_REPLY;
	s->up_at = l->w->now;
	s->hung_up = s->finished = s->believed = s->excused = s->net_up = s->iccn_acked = s->seq = s->ns_seen = false;
	s->asked = s->settled = s->cleared = false;
	s->ns_anew = 0;
	s->ns = 0;
	s->opens++;
}

void
slac_dial(struct line *s)
{
	struct lac *l = s->lac;
	uint8_t b[256];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	if (l->state != LAC_UP || s->state != LINE_IDLE || l->failed)
		return;
	if (s->outgoing) {
		if (l->lns)
			far_request(s);
		else
			far_ask(s);
		return;
	}
	line_begin(s);
	tell(l->w, "lac%u sends ICRQ session=%u line %u", l->id, s->sid, s->id);
	l2tp_msg_begin(&m, &w, L2TP_ICRQ, l->peer_tid, 0);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, s->sid);
	l2tp_avp_u32(&m, AVP_CALL_SERIAL, s->serial);
	l2tp_avp_text(&m, AVP_CALLING_NUMBER, s->user);
	slac_queue(l, &m, &w);
}

static void
connect_call(struct line *s, const struct l2tp_msg *in)
{
	struct lac *l = s->lac;
	uint8_t b[1024];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	bool spoken;

	if (s->state != LINE_WAIT_REPLY || s->outgoing || !l2tp_msg_u16(in, AVP_ASSIGNED_SESSION, &s->peer_sid))
		return;
	l2tp_msg_begin(&m, &w, L2TP_ICCN, l->peer_tid, s->peer_sid);
	l2tp_avp_u32(&m, AVP_TX_CONNECT_SPEED, 10000000);
	l2tp_avp_u32(&m, AVP_FRAMING_TYPE, 1);
	if (s->seq_required)
		l2tp_avp_empty(&m, AVP_SEQUENCING_REQUIRED);
	s->iccn_ns = l->ns;
	s->state = LINE_UP;
	s->up_at = l->w->now;
	spoken = front_speak(s, &m);
	slac_queue(l, &m, &w);
	if (!spoken)
		peer_up(s);
}

void
slac_hangup(struct line *s, uint16_t result)
{
	struct lac *l = s->lac;
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	if (s->state == LINE_IDLE || l->state != LAC_UP || l->failed)
		return;
	tell(l->w, "lac%u sends CDN session=%u line %u", l->id, s->sid, s->id);
	l2tp_msg_begin(&m, &w, L2TP_CDN, l->peer_tid, s->peer_sid);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, s->sid);
	l2tp_avp_result(&m, result, 0, "");
	s->hung_up = true;
	peer_down(s);
	s->state = LINE_IDLE;
	s->dial_at = l->w->now + rnd_time(l->w, 500 * MONO_MS, 4 * MONO_S);
	slac_queue(l, &m, &w);
}

static void
call_ended(struct line *s, const struct l2tp_msg *in)
{
	struct l2tp_result r = { 0 };
	char how[64];

	l2tp_msg_result(in, &r);
	snprintf(how, sizeof how, "CDN result=%u error=%u %.*s", r.result, r.error, (int)(r.message.len < 30 ? r.message.len : 30), r.message.p ? (const char *)r.message.p : "");
	tell(s->lac->w, "lac%u line %u is told %s", s->lac->id, s->id, how);
	check_line_lost(s, how);
	peer_down(s);
	s->state = LINE_IDLE;
	s->dial_at = s->lac->w->now + rnd_time(s->lac->w, 500 * MONO_MS, 3 * MONO_S);
}

/* --- receiving ---------------------------------------------------------------------------------------------------------- */

static void
act(struct lac *l, const struct l2tp_msg *m)
{
	struct line *s = slac_line(l, m->hdr.session);

	switch (m->type) {
	case L2TP_SCCRP:
		if (l->state == LAC_WAIT_REPLY)
			established(l, m);
		break;
	case L2TP_STOPCCN:
		zlb(l);
		slac_down(l, "StopCCN of the node");
		break;
	case L2TP_SCCCN:
		if (l->lns && l->state == LAC_WAIT_REPLY)
			far_scccn(l, m);
		break;
	case L2TP_ICRQ:
		if (l->lns)
			far_icrq(l, m);
		break;
	case L2TP_ICRP:
		if (s)
			connect_call(s, m);
		break;
	case L2TP_OCRQ:
		if (!l->lns)
			far_asked(l, m);
		break;
	case L2TP_OCRP:
		if (s && l->lns)
			far_replied(s, m);
		break;
	case L2TP_ICCN:
	case L2TP_OCCN:
		if (s && l->lns)
			far_connected(s, m);
		break;
	case L2TP_CDN:
		if (s)
			call_ended(s, m);
		break;
	case L2TP_FSQ:
		slac_asked(l, m);
		break;
	case L2TP_FSR:
		slac_told(l, m);
		break;
	default:
		break;
	}
}

/* Sent before the numbers were new, and as late as the network may make it (net.c). */
static bool
of_before(const struct lac *l, uint16_t nr)
{
	const struct net_conf *n = &l->w->net[NET_ACCESS];
	mono_t late = 11 * n->delay + n->jitter + 10 * MONO_MS;

	return l->renumbered_at && l->w->now - l->renumbered_at <= late && (int16_t)(nr - l->ns_before) <= 0;
}

static void
acknowledged(struct lac *l, uint16_t nr)
{
	bool moved = false;

	if ((uint16_t)(nr - l->una) > (uint16_t)(l->ns - l->una)) {
		if ((int16_t)(nr - l->ns) > 0 && !l->renumbering && !of_before(l, nr) && !excused_lac(l))
			violated(l->w, INV_CONTROL_SEQUENCE, "lac%u is told Nr %u and has sent only up to %u", l->id, nr, l->ns);
		return;
	}
	while (l->una != nr && l->out) {
		struct lac_out *o = l->out;
		for (unsigned i = 0; i < LINES; i++)
			if (l->line[i].state == LINE_UP && l->line[i].iccn_ns == o->ns)
				l->line[i].iccn_acked = true;
		l->out = o->next;
		if (!l->out)
			l->out_end = &l->out;
		free(o);
		l->una++;
		moved = true;
	}
	if ((int16_t)(l->next - l->una) < 0)
		l->next = l->una;
	if (!moved)
		return;
	l->tries = 0;
	l->away_until = 0;
	l->rtx_due = l->una == l->next ? MONO_NEVER : l->w->now + l->w->plan.rtx_ms * MONO_MS;
	l->rtx_interval = l->w->plan.rtx_ms * MONO_MS;
	if (l->state == LAC_CLOSING && !l->out)
		slac_down(l, "its own StopCCN is acknowledged");
	else
		pump(l);
}

/* What the same Ns said before: all but Nr. */
static void
remember(struct lac *l, const uint8_t *p, size_t len, uint16_t ns)
{
	unsigned i = ns % 256;
	uint64_t h = hash_of(p, 10) ^ hash_of(p + 12, len - 12) * 3;

	if (l->body_set[i] && l->body_ns[i] == ns && l->body[i] != h && !l->renumbering && !excused_lac(l))
		violated(l->w, INV_CONTROL_SEQUENCE, "lac%u hears Ns %u again with other contents", l->id, ns);
	l->body_set[i] = true;
	l->body_ns[i] = ns;
	l->body[i] = h;
}

/* A copy of our SCCRQ that lay in a stopped worker's socket for longer than copies are known has opened a second tunnel to us. */
static bool
of_another(const struct lac *l, const struct l2tp_msg *m)
{
	uint16_t theirs;

	return m->type == L2TP_SCCRP && l->peer_tid && l2tp_msg_u16(m, AVP_ASSIGNED_TUNNEL, &theirs) && theirs != l->peer_tid;
}

static void
control(struct lac *l, const uint8_t *p, size_t len)
{
	static struct l2tp_msg m;
	enum l2tp_fault f = l2tp_msg_read(span_of(p, len), span_of(SECRET, strlen(SECRET)), &m);

	if (m.trouble.answer == L2TP_DISCARD && f != L2TP_OK) {
		violated(l->w, INV_NO_MALFORMED, "lac%u cannot read a control message: %s", l->id, l2tp_fault_name(f));
		return;
	}
	if (l->lns && m.hdr.tunnel == 0 && far_sccrq(l, &m, span_of(p, len)))
		return;
	if ((m.hdr.tunnel != l->tid || l->state == LAC_DOWN) && !slac_rec_hear(l, &m))
		return; /* of a tunnel before this one */
	if (m.hdr.tunnel != l->tid || l->state == LAC_DOWN || l->failed)
		return; /* 3.2.1 of RFC 4951: before it is recovered, what comes on the old tunnel is dropped */
	if (f != L2TP_OK || m.flag_lapses || m.malformed || m.misplaced) {
		violated(l->w, INV_NO_MALFORMED, "lac%u: %s is wrong: %s", l->id, l2tp_msg_name(m.type), l2tp_fault_name(f));
		return;
	}
	l->heard = l->w->now;
	if (m.type != L2TP_ZLB)
		tell(l->w, "lac%u hears %s ns=%u nr=%u session=%u", l->id, l2tp_msg_name(m.type), m.hdr.ns, m.hdr.nr, m.hdr.session);
	acknowledged(l, m.hdr.nr);
	if (m.type == L2TP_ZLB || l->state == LAC_DOWN || m.hdr.tunnel != l->tid)
		return;
	if (!of_another(l, &m))
		remember(l, p, len, m.hdr.ns);
	if (m.hdr.ns != l->nr) {
		if ((int16_t)(m.hdr.ns - l->nr) < 0)
			l->ack_owed = true; /* a duplicate: our acknowledgement was lost */
	} else {
		l->nr++;
		l->ack_owed = true;
		act(l, &m);
	}
	if (l->ack_owed && l->state != LAC_DOWN) {
		l->ack_due = l->w->now + (chance(l->w, 5000) ? 0 : rnd_time(l->w, 0, 100 * MONO_MS));
		slac_wake(l, l->ack_due);
	}
}

static void
data(struct lac *l, const uint8_t *p, size_t len)
{
	struct l2tp_hdr h;
	struct span body;
	struct line *s;

	if (l2tp_hdr_read(span_of(p, len), &h, &body) != L2TP_OK) {
		violated(l->w, INV_NO_MALFORMED, "lac%u cannot read a data message", l->id);
		return;
	}
	s = h.tunnel == l->tid ? slac_line(l, h.session) : NULL;
	if (!s || s->state != LINE_UP)
		return;
	s->seq = h.has_seq || s->seq_required;
	peer_frame(s, body);
}

void
slac_hear(struct lac *l, const uint8_t *p, size_t len)
{
	if (len < 6)
		return;
	if (p[0] & 0x80)
		control(l, p, len);
	else
		data(l, p, len);
	slac_wake(l, slac_due(l));
}

void
slac_data(struct line *s, struct span frame, bool ff03)
{
	struct lac *l = s->lac;
	uint8_t b[2048];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_hdr h = { .version = 2, .tunnel = l->peer_tid, .session = s->peer_sid,
			      .has_len = s->id & 1, .has_seq = s->seq || s->seq_required, .ns = s->ns };

	if (s->state != LINE_UP || (l->state != LAC_UP && l->state != LAC_CLOSING))
		return;
	if (h.has_seq)
		s->ns++;
	l2tp_hdr_write(&w, &h, frame.len + (ff03 ? 2 : 0));
	if (ff03)
		wr_u16(&w, 0xff03);
	wr_bytes(&w, frame.p, frame.len);
	if (w.ok)
		lac_to_node(l->w, l->id, b, wr_len(&w));
}

/* --- time ------------------------------------------------------------------------------------------------------------------- */

static void
retransmit(struct lac *l)
{
	struct lac_out *o = l->out;

	if (l->tries >= l->tries_max && slac_capable(l) && !l->away_until) { /* RFC 4951, 3.2.1 */
		l->away_until = l->w->now + l->peer_recovery;
		tell(l->w, "lac%u waits for its peer's recovery", l->id);
	}
	if (++l->tries > l->tries_max && l->w->now >= l->away_until) {
		if (o)
			check_ran_out(l, o);
		slac_down(l, "retransmissions ran out");
		return;
	}
	l->rtx_interval *= 2;
	if (l->rtx_interval > 8 * (mono_t)l->w->plan.rtx_ms * MONO_MS)
		l->rtx_interval = 8 * (mono_t)l->w->plan.rtx_ms * MONO_MS;
	l->rtx_due = l->w->now + l->rtx_interval;
	l->next = l->una;
	if (o) { /* the oldest one only, until it is acknowledged */
		transmit(l, o);
		l->next = (uint16_t)(o->ns + 1);
	}
}

/* An LNS hears by PPP, which nobody speaks here, that the other end of a forwarded call is there. */
static void
listen_for(struct line *s)
{
	struct world *w = s->lac->w;
	struct node *n = sim_active_node(w);

	s->asked_at = w->now + LIFE;
	if (n && check_known(n, s)) {
		s->up_at = w->now;
	} else if (w->now - s->up_at > SILENCE) {
		check_line_lost(s, "nobody is at the other end");
		slac_hangup(s, 1);
	}
}

void
slac_tick(struct lac *l)
{
	mono_t now = l->w->now;

	if (l->redial_at && now >= l->redial_at && l->state == LAC_DOWN)
		slac_start(l);
	if (l->rtx_due && now >= l->rtx_due)
		retransmit(l);
	if (l->ack_owed && now >= l->ack_due && l->state != LAC_DOWN)
		zlb(l);
	slac_rec_tick(l);
	if (l->state == LAC_UP && l->hello_due && now >= l->hello_due) {
		l->hello_due = now + l->w->plan.hello_ms * MONO_MS;
		if (!l->out && !l->failed && slac_capable(l) && chance(l->w, 1000))
			slac_ask_all(l); /* RFC 4951, 3.3: at any time */
		else if (!l->out && !l->failed)
			hello(l);
	}
	for (unsigned i = 0; i < LINES; i++) {
		struct line *s = &l->line[i];
		mono_t due = peer_due(s);
		if (due && now >= due)
			peer_tick(s);
		if (s->finished && s->state == LINE_UP)
			slac_hangup(s, 1);
		if (s->bare && s->state == LINE_UP && now >= s->asked_at)
			listen_for(s);
		if ((s->state == LINE_WAIT_REPLY || (s->state == LINE_WAIT_ANSWER && l->lns)) && now - s->up_at > PATIENCE && !l->out)
			slac_hangup(s, 10);
		if (s->state == LINE_WAIT_ANSWER && !l->lns && now >= s->answer_at && l->state == LAC_UP && !l->failed)
			far_answer(s);
		if (s->wanted && s->state == LINE_IDLE && s->dial_at && now >= s->dial_at && l->state == LAC_UP && !l->failed)
			slac_dial(s);
	}
}

static mono_t
slac_due(const struct lac *l)
{
	mono_t d = mono_sooner(l->rtx_due, l->state == LAC_DOWN ? l->redial_at : MONO_NEVER);

	if (l->ack_owed && l->state != LAC_DOWN)
		d = mono_sooner(d, l->ack_due);
	d = mono_sooner(d, slac_rec_due(l));
	if (l->state == LAC_UP)
		d = mono_sooner(d, l->hello_due);
	for (unsigned i = 0; i < LINES; i++) {
		const struct line *s = &l->line[i];
		d = mono_sooner(d, peer_due(s));
		if (s->bare && s->state == LINE_UP)
			d = mono_sooner(d, s->asked_at);
		if (s->wanted && s->state == LINE_IDLE && l->state == LAC_UP && !l->failed)
			d = mono_sooner(d, s->dial_at);
		if (s->state == LINE_WAIT_ANSWER && !l->lns && l->state == LAC_UP && !l->failed)
			d = mono_sooner(d, s->answer_at);
	}
	return d;
}

static void
on_wake(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct lac *l = a;

	if (l->wake != (mono_t)b)
		return;
	l->wake = 0;
	slac_tick(l);
	slac_wake(l, slac_due(l));
}

void
slac_wake(struct lac *l, mono_t when)
{
	if (when == MONO_NEVER)
		return;
	if (when <= l->w->now)
		when = l->w->now + MONO_US;
	if (l->wake && l->wake <= when)
		return;
	l->wake = when;
	at(l->w, when, on_wake, l, (uint64_t)when, 0);
}

void
slac_init(struct world *w, unsigned id)
{
	struct lac *l = &w->lac[id];

	bool lns = id < w->plan.lacs && id + w->plan.lnss >= w->plan.lacs;

	*l = (struct lac){ .w = w, .id = id, .ep = v4_endpoint((lns ? LNS_ADDR : 0xc0000210) + id, L2TP_PORT), .tries_max = 9,
			   .lns = lns, .failover = w->plan.lac_failover[id], .sync_due = MONO_NEVER, .rec = { .due = MONO_NEVER } };
	l->out_end = &l->out;
	for (unsigned i = 0; i < LINES; i++) {
		struct line *s = &l->line[i];
		*s = (struct line){ .lac = l, .id = i };
		snprintf(s->user, sizeof s->user, "u%u-%u", id, i);
		snprintf(s->password, sizeof s->password, "pw%u%u", id, i);
		snprintf(s->number, sizeof s->number, "o%u-%u", id, i);
		s->outgoing = lns ? i + 2 >= LINES : w->plan.outgoing && i % 2 == 1;
		s->seq_required = w->plan.seq != SEQ_NEVER && (i % 2 == 0) && !lns;
		peer_down(s);
	}
}

void
slac_fini(struct lac *l)
{
	forget_out(l);
	slac_rec_forget(l);
}
