// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 4951 at the LAC, written from the RFC and apart from tunnel-ctl: a recovery tunnel of its own, beside the old one.
 *
 *   the nodes failed (remote endpoint)     SCCRQ(77) in ── SCCRP(78) out ── SCCCN in: old tunnel reset ── StopCCN in
 *   we failed (recovery endpoint)          SCCRQ(77) out ── SCCRP in: old tunnel reset ── SCCCN, StopCCN out
 *
 * The recovery tunnel sends one message at a time.  Afterwards every session is asked about (FSQ), at once by who failed, and
 * after a while by the other end.
 */
#include "sim.h"

#define TRIES 8
#define ASK_LATE (2 * MONO_S)
#define ASK_AGAIN (6 * MONO_S)

bool
slac_capable(const struct lac *l)
{
	return l->failover && l->peer_failover;
}

/* --- the recovery tunnel's own delivery ---------------------------------------------------------------------- */

static void
rec_transmit(struct lac *l)
{
	l2tp_msg_set_nr(l->rec.out->b, l->rec.nr);
	lac_to_node(l->w, l->id, l->rec.out->b, l->rec.out->len);
}

static void
rec_arm(struct lac *l)
{
	l->rec.tries = 0;
	l->rec.interval = l->w->plan.rtx_ms * MONO_MS;
	l->rec.due = l->rec.out ? l->w->now + l->rec.interval : MONO_NEVER;
}

static void
rec_queue(struct lac *l, struct l2tp_wr *m, struct wr *w)
{
	struct lac_out **end = &l->rec.out, *o;

	if (!l2tp_msg_end(m, l->rec.ns, l->rec.nr))
		abort();
	while (*end)
		end = &(*end)->next;
	o = malloc(sizeof *o + wr_len(w));
	*o = (struct lac_out){ .ns = l->rec.ns++, .len = (uint16_t)wr_len(w) };
	memcpy(o->b, w->start, o->len);
	*end = o;
	if (l->rec.out == o) {
		rec_arm(l);
		rec_transmit(l);
	}
}

static void
rec_zlb(struct lac *l)
{
	uint8_t b[16];
	struct wr w = wr_of(b, sizeof b);

	l2tp_zlb_write(&w, l->rec.peer_tid, l->rec.out ? l->rec.out->ns : l->rec.ns, l->rec.nr);
	lac_to_node(l->w, l->id, b, wr_len(&w));
}

void
slac_rec_forget(struct lac *l)
{
	while (l->rec.out) {
		struct lac_out *o = l->rec.out;
		l->rec.out = o->next;
		free(o);
	}
	l->rec = (struct lac_rec){ .due = MONO_NEVER };
}

static void
rec_acknowledged(struct lac *l, uint16_t nr)
{
	struct lac_out *o = l->rec.out;

	if (!o || (int16_t)(nr - o->ns) <= 0)
		return;
	l->rec.out = o->next;
	free(o);
	rec_arm(l);
	if (l->rec.out)
		rec_transmit(l);
	else if (l->rec.state == REC_ENDS)
		slac_rec_forget(l);
}

/* --- what it does to the old tunnel ------------------------------------------------------------------------------ */

/* Both windows are flushed, what was not established is gone without a word (3.2.2, 3.3). */
static void
reset(struct lac *l, uint16_t ns, uint16_t nr)
{
	l->nr_anew = l->nr_lost = l->renumbering = false;
	tell(l->w, "lac%u tunnel %u goes on at ns=%u nr=%u", l->id, l->tid, ns, nr);
	slac_renumber(l, ns, nr);
	for (unsigned i = 0; i < LINES; i++) {
		struct line *s = &l->line[i];
		s->asked = false;
		if (s->state == LINE_WAIT_REPLY || s->state == LINE_WAIT_ANSWER) {
			s->state = LINE_IDLE;
			s->dial_at = l->w->now + rnd_time(l->w, 100 * MONO_MS, 2 * MONO_S);
		}
	}
	if (l->state == LAC_CLOSING) { /* its StopCCN was flushed, and is said anew (seed 61084) */
		l->state = LAC_UP;
		slac_close(l);
	}
}

/* From now on a node may begin with new numbers at any moment. */
static void
anew(struct lac *l)
{
	l->nr_anew = l->renumbering = true;
	for (unsigned i = 0; i < LINES; i++)
		l->line[i].ns_anew += l->line[i].ns_anew < 2;
}

static void
vanish(struct line *s, const char *how)
{
	tell(s->lac->w, "lac%u line %u is cleared: %s", s->lac->id, s->id, how);
	check_line_lost(s, how);
	peer_down(s);
	s->state = LINE_IDLE;
	s->dial_at = s->lac->w->now + rnd_time(s->lac->w, 500 * MONO_MS, 3 * MONO_S);
}

/* --- sessions (3.3) --------------------------------------------------------------------------------------------------- */

void
slac_ask_all(struct lac *l)
{
	uint8_t b[512];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	bool any = false;

	l2tp_msg_begin(&m, &w, L2TP_FSQ, l->peer_tid, 0);
	for (unsigned i = 0; i < LINES; i++) {
		struct line *s = &l->line[i];
		s->asked = s->state == LINE_UP && !s->settled;
		if (s->asked)
			l2tp_avp_fss(&m, s->sid, s->peer_sid);
		any |= s->asked;
	}
	l->sync_due = MONO_NEVER;
	if (!any)
		return;
	slac_queue(l, &m, &w);
	l->sync_due = l->w->now + ASK_AGAIN;
}

static void
sync_from(struct lac *l, mono_t in)
{
	for (unsigned i = 0; i < LINES; i++)
		l->line[i].settled = false;
	l->sync_due = l->w->now + in;
	slac_wake(l, l->sync_due);
}

void
slac_asked(struct lac *l, const struct l2tp_msg *in)
{
	uint8_t b[512];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	struct l2tp_fss q;
	size_t at_avp = 0;

	l2tp_msg_begin(&m, &w, L2TP_FSR, l->peer_tid, 0);
	while (l2tp_msg_fss(in, &at_avp, &q)) {
		struct line *s = slac_line(l, (uint16_t)q.remote);
		bool ours = s && s->state == LINE_UP && s->peer_sid == q.session;
		l2tp_avp_fss(&m, ours ? s->sid : 0, q.session);
		if (ours)
			s->settled = true;
	}
	slac_queue(l, &m, &w);
}

void
slac_told(struct lac *l, const struct l2tp_msg *in)
{
	struct l2tp_fss r;
	size_t at_avp = 0;

	while (l2tp_msg_fss(in, &at_avp, &r)) {
		struct line *s = slac_line(l, (uint16_t)r.remote);
		if (!s || s->state != LINE_UP || !s->asked)
			continue;
		s->asked = false;
		s->settled = true;
		if (!r.session)
			vanish(s, "the node has no such session");
	}
}

/* --- messages of the recovery tunnel ------------------------------------------------------------------------------------ */

static void
challenge(struct lac *l, struct l2tp_wr *m)
{
	if (!l->w->plan.require_auth)
		return;
	rnd_fill(l->w, l->rec.challenge, sizeof l->rec.challenge);
	l2tp_avp_bytes(m, AVP_CHALLENGE, l->rec.challenge, sizeof l->rec.challenge);
}

static void
response(const struct l2tp_msg *in, struct l2tp_wr *m, enum l2tp_type type)
{
	uint8_t answer[L2TP_RESPONSE];
	struct span theirs;

	if (!l2tp_msg_span(in, AVP_CHALLENGE, &theirs))
		return;
	l2tp_auth_response(type, span_of(SECRET, strlen(SECRET)), theirs, answer);
	l2tp_avp_bytes(m, AVP_CHALLENGE_RESPONSE, answer, sizeof answer);
}

static bool
proven(const struct lac *l, const struct l2tp_msg *in, enum l2tp_type type)
{
	struct span r;

	return !l->w->plan.require_auth || (l2tp_msg_span(in, AVP_CHALLENGE_RESPONSE, &r) &&
	       l2tp_auth_check(type, span_of(SECRET, strlen(SECRET)), span_of(l->rec.challenge, sizeof l->rec.challenge), r));
}

static void
common(struct lac *l, struct l2tp_wr *m)
{
	char host[16];

	snprintf(host, sizeof host, "lac%u", l->id);
	l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(m, AVP_HOST_NAME, host);
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, l->rec.tid);
	l2tp_avp_u16(m, AVP_RECEIVE_WINDOW, 4);
}

static void
rec_stop(struct lac *l, uint16_t result)
{
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	l2tp_msg_begin(&m, &w, L2TP_STOPCCN, l->rec.peer_tid, 0);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, l->rec.tid);
	l2tp_avp_result(&m, result, 0, "");
	l->rec.state = REC_ENDS;
	rec_queue(l, &m, &w);
}

static bool
one_of(struct lac *l, unsigned n)
{
	return rnd_below(l->w, n) == 0;
}

/* A node asks for its old tunnel: 3.2.1.  Ours for the same tunnel yields, or not, by the tie breaker. */
static void
asked_for(struct lac *l, const struct l2tp_msg *in)
{
	uint8_t b[512];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	struct l2tp_recovery r;
	struct span tie = span_of(NULL, 0);
	uint16_t theirs;

	if (!l2tp_msg_recovery(in, &r) || !l2tp_msg_u16(in, AVP_ASSIGNED_TUNNEL, &theirs) || !theirs)
		return;
	if (l->rec.state != REC_NONE && l->rec.peer_tid == theirs) {
		if (l->rec.out)
			rec_transmit(l);
		return;
	}
	l2tp_msg_span(in, AVP_TIE_BREAKER, &tie);
	if (l->rec.state == REC_ASKS && tie.len == 8 && memcmp(l->rec.tie, tie.p, 8) < 0)
		return; /* ours is lower: theirs is the one to go */
	bool we_too = l->rec.state == REC_ASKS || l->failed;
	slac_rec_forget(l);
	l->rec = (struct lac_rec){ .state = REC_ANSWERED, .tid = slac_fresh_id(l), .peer_tid = theirs, .nr = 1, .we_too = we_too, .due = MONO_NEVER };
	if (l->state != LAC_UP || !slac_capable(l) || r.remote != l->tid || r.tunnel != l->peer_tid) {
		tell(l->w, "lac%u refuses to recover %u/%u", l->id, r.remote, r.tunnel);
		l->excused |= r.remote == l->tid; /* the node clears its tunnel, and says nothing on it any more */
		for (unsigned i = 0; i < LINES && r.remote == l->tid; i++)
			l->line[i].excused = true;
		rec_stop(l, 2);
		return;
	}
	tell(l->w, "lac%u is asked to recover tunnel %u", l->id, l->tid);
	/* The AVP is a SHOULD; without it both are 0, and what is under way from before may be taken for new. */
	if (l->w->net[NET_ACCESS].reorder || l->w->net[NET_ACCESS].jitter > 100 * MONO_US || one_of(l, 2)) {
		l->rec.their_ns = (uint16_t)rnd(l->w);
		l->rec.their_nr = (uint16_t)rnd(l->w);
	}
	l2tp_msg_begin(&m, &w, L2TP_SCCRP, theirs, 0);
	common(l, &m);
	challenge(l, &m);
	response(in, &m, L2TP_SCCRP);
	if (l->rec.their_ns || l->rec.their_nr)
		l2tp_avp_scs(&m, l->rec.their_ns, l->rec.their_nr);
	anew(l); /* 3.2.2, 3.2.3: the node that failed does so once it has this */
	rec_queue(l, &m, &w);
}

static void
begins(struct lac *l, const struct l2tp_msg *in)
{
	if (l->rec.state != REC_ANSWERED)
		return;
	if (!proven(l, in, L2TP_SCCCN)) {
		violated(l->w, INV_NO_MALFORMED, "the SCCCN of lac%u's recovery tunnel does not prove the secret", l->id);
		return;
	}
	l->rec.state = REC_DONE;
	l->recoveries++;
	l->failed = false;
	reset(l, l->rec.their_nr, l->rec.their_ns);
	if (l->rec.we_too)
		slac_data_anew(l);
	sync_from(l, l->rec.we_too ? MONO_US : ASK_LATE);
}

static void
answered(struct lac *l, const struct l2tp_msg *in)
{
	uint8_t b[256];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	struct l2tp_scs scs = { 0 };

	if (l->rec.state != REC_ASKS || !l2tp_msg_u16(in, AVP_ASSIGNED_TUNNEL, &l->rec.peer_tid) || !l->rec.peer_tid)
		return;
	if (!proven(l, in, L2TP_SCCRP)) {
		violated(l->w, INV_NO_MALFORMED, "the SCCRP of lac%u's recovery tunnel does not prove the secret", l->id);
		return;
	}
	l2tp_msg_scs(in, &scs);
	l2tp_msg_begin(&m, &w, L2TP_SCCCN, l->rec.peer_tid, 0);
	response(in, &m, L2TP_SCCCN);
	anew(l); /* the node may have failed as well */
	rec_queue(l, &m, &w);
	l->failed = false;
	l->recoveries++;
	reset(l, scs.ns, scs.nr);
	slac_data_anew(l);
	rec_stop(l, 6);
	sync_from(l, MONO_US);
}

static void
ended(struct lac *l)
{
	bool asked = l->rec.state == REC_ASKS;

	l->rec.state = REC_ENDS;
	rec_zlb(l);
	slac_rec_forget(l);
	if (asked) /* 3.2.1: the recovery has failed */
		slac_down(l, "the recovery is refused");
}

/* A control message that is not the old tunnel's.  False: nor is it of a recovery tunnel. */
bool
slac_rec_hear(struct lac *l, const struct l2tp_msg *m)
{
	if (m->hdr.tunnel == 0 && m->type == L2TP_SCCRQ) {
		asked_for(l, m);
		return true;
	}
	if (l->rec.state == REC_NONE || m->hdr.tunnel != l->rec.tid)
		return false;
	if (m->type == L2TP_SCCRP && l->rec.state == REC_ASKS)
		l2tp_msg_u16(m, AVP_ASSIGNED_TUNNEL, &l->rec.peer_tid);
	if (m->type != L2TP_ZLB && m->hdr.ns == l->rec.nr) {
		l->rec.nr++;
		if (m->type == L2TP_SCCRP)
			answered(l, m);
		else if (m->type == L2TP_SCCCN)
			begins(l, m);
		else if (m->type == L2TP_STOPCCN) {
			ended(l);
			return true;
		}
	}
	rec_acknowledged(l, m->hdr.nr);
	if (m->type != L2TP_ZLB && l->rec.state != REC_NONE)
		rec_zlb(l);
	return true;
}

/* --- this end fails -------------------------------------------------------------------------------------------------------- */

/*
 * The LAC starts anew: a capable one knows its tunnel and its sessions from before, and not where their numbers are; any
 * other knows nothing.
 */
void
slac_restart(struct lac *l)
{
	uint8_t b[512];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	tell(l->w, "lac%u restarts", l->id);
	mark(l->w, 700 + l->id);
	slac_rec_forget(l);
	if (l->state != LAC_UP || !slac_capable(l)) {
		for (unsigned i = 0; i < LINES; i++)
			l->line[i].hung_up |= l->line[i].state != LINE_IDLE;
		slac_down(l, "it restarts");
		return;
	}
	l->failed = true;
	reset(l, 0, 0);
	l->rec = (struct lac_rec){ .state = REC_ASKS, .tid = slac_fresh_id(l), .due = MONO_NEVER };
	rnd_fill(l->w, l->rec.tie, sizeof l->rec.tie);
	l2tp_msg_begin(&m, &w, L2TP_SCCRQ, 0, 0);
	common(l, &m);
	challenge(l, &m);
	l2tp_avp_bytes(&m, AVP_TIE_BREAKER, l->rec.tie, sizeof l->rec.tie);
	l2tp_avp_recovery(&m, l->tid, l->peer_tid);
	rec_queue(l, &m, &w);
	slac_wake(l, l->rec.due);
}

void
slac_rec_tick(struct lac *l)
{
	if (l->state == LAC_UP && l->sync_due && l->w->now >= l->sync_due)
		slac_ask_all(l);
	if (!l->rec.out || l->w->now < l->rec.due)
		return;
	if (++l->rec.tries > TRIES) {
		bool asked = l->rec.state == REC_ASKS;
		slac_rec_forget(l);
		if (asked)
			slac_down(l, "retransmissions of the recovery ran out");
		return;
	}
	l->rec.interval = 2 * l->rec.interval < 8 * (mono_t)l->w->plan.rtx_ms * MONO_MS ? 2 * l->rec.interval : 8 * (mono_t)l->w->plan.rtx_ms * MONO_MS;
	l->rec.due = l->w->now + l->rec.interval;
	rec_transmit(l);
}

mono_t
slac_rec_due(const struct lac *l)
{
	return mono_sooner(l->rec.out ? l->rec.due : MONO_NEVER, l->state == LAC_UP ? l->sync_due : MONO_NEVER);
}
