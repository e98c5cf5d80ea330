// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 4951: a tunnel outlives the failure of one end's control channel, or of both.
 *
 *      recovery endpoint (we failed)                      remote endpoint (the peer failed)
 *
 *      stale ─► WAIT ──SCCRQ(77, tie breaker)──────────►  SCCRP(78) on a recovery tunnel; the old one goes on
 *                │  ▲                                      │          (AWAY: it was silent, and is waited for)
 *              ASKED │ tie lost, and theirs failed         │
 *      SCCRP ─►  │   reset; SCCCN; StopCCN ─────────────►  reset at SCCCN
 *              SYNC ◄──────────── FSQ, FSR (sync.c) ─────► SYNC
 *                │                                         │
 *              (none)                                    (none)
 *
 * All of it is in rows: the old tunnel's `recovery`, the recovery tunnel's `recovers` and what was suggested.  Whoever is
 * promoted in the middle goes on: a recovery tunnel like any other is sent again, a synchronisation is begun anew.
 *
 * What is stale is said by the epoch: a tunnel's row has the epoch in which both ends' numbers were last known to agree,
 * and state-sync says which epoch began from a store that may lack what peers have seen (a cold start).  A process that
 * is restarted, and a twin that held everything, are in no such epoch, and go on in silence.
 *
 * A recovery SCCRQ proves nothing.  The old tunnel is neither muted nor touched before SCCCN, which carries the
 * proof; if it never comes, nothing has happened.
 */
#include "recover.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define PUMP 64			/* tunnels looked at in one step */
#define HOLD (MONO_S)		/* as remote endpoint: the other one asks first */
#define MOST 3600000u		/* ms that a peer may ask to be waited for, as in our own configuration */
#define AHEAD 1024		/* suggested numbers are so far, and up to as much again and more, beyond the old ones */

/* ---- both ends ------------------------------------------------------------------------------- */

/* 3.2.1: both ends had said that they can (C). */
static bool
capable(const struct tunnel *t)
{
	return t->failover_flags & t->failover_ours & FAILOVER_CONTROL;
}

static mono_t
its_time(const struct tunnel *t)
{
	return (mono_t)(t->failover_ms < MOST ? t->failover_ms : MOST) * MONO_MS;
}

static struct tunnel *
set_recovery(struct tc *tc, struct tunnel *t, enum rec_state state)
{
	Row__Tunnel row = tunnel_row(t);

	row.recovery = state;
	row.epoch = tc->epoch;
	return put_tunnel(tc, &row);
}

static void
list(struct tc *tc, struct tunnel *t)
{
	if (t->rec_listed)
		return;
	t->rec_listed = true;
	DL_APPEND2(tc->rec_waiting, t, rec_prev, rec_next);
}

void
recovery_unlist(struct tc *tc, struct tunnel *t)
{
	if (t->rec_listed)
		DL_DELETE2(tc->rec_waiting, t, rec_prev, rec_next);
	t->rec_listed = t->stale = false;
}

static void
begun(struct tc *tc)
{
	if (tc->rec.running)
		return;
	tc->rec = (struct recovery_sum){ .running = true, .wall_s = tc->wall_s, .began = tc->now };
}

/* Step I of 3.3: what was not established is gone at both ends, in silence.  Calls that the peer has not heard of wait on. */
static void
clear_half_open(struct tc *tc, struct tunnel *t)
{
	struct call *c, *next;

	DL_FOREACH_SAFE (t->setup, c, next) {
		if (c->state == CALL_WAIT_TUNNEL)
			continue;
		tc->rec.half_open += tc->rec.running;
		bump(tc, N_RECOVERY_HALF_OPEN);
		call_vanish(tc, c, FAULT_CALL_HALF_OPEN);
	}
}

/* 3.2.2 */
static void
reset_control(struct tc *tc, struct tunnel *t, uint16_t ns, uint16_t nr)
{
	while (t->chan.out.count)
		put_out(tc, t, t->chan.out.lo, span_of(NULL, 0));
	chan_reset(&t->chan, tc->now, ns, nr);
	put_seq(tc, t);
}

/* ---- what is stale --------------------------------------------------------------------------- */

static void
start_one(struct tc *tc, struct tunnel *t)
{
	for (unsigned i = SYNC_ASK; i < SYNC_PLACES; i++) { /* of when we were active before */
		while (t->sync[i])
			call_sync(t->sync[i], SYNC_NONE);
	}
	t->rec_listed = t->stale = t->learns = false;
	t->away_due = t->sync_due = MONO_NEVER;
	t->stale = t->epoch < tc->stale_since && (t->recovers || t->state == CC_ESTABLISHED);
	if (t->stale) {
		list(tc, t);
	} else if (t->state == CC_ESTABLISHED && t->recovery == REC_WAIT) {
		list(tc, t);
	} else if (t->state == CC_ESTABLISHED && t->recovery == REC_ASKED && !tc->offers[t->id]) {
		list(tc, t); /* its recovery tunnel is not in the tables */
	} else if (t->recovery == REC_AWAY) {
		t->away_due = tc->now + its_time(t);
	} else if (t->recovery == REC_SYNC) {
		sync_begin(tc, t, 0);
	}
}

void
recovery_start(struct tc *tc)
{
	struct tunnel *t;

	tc->rec_waiting = NULL;
	tc->rec = (struct recovery_sum){ 0 };
	DL_FOREACH (tc->all, t)
		start_one(tc, t);
	tc->rec_due = tc->rec_waiting ? tc->now : MONO_NEVER;
}

/* The peer has no RFC 4951: what is stored mostly lacks nothing, for records come before the wire. */
static void
assess_incapable(struct tc *tc, struct tunnel *t)
{
	const bool clear = t->prof->stale == STALE_CLEAR;

	note(tc, NOTE_WARN, "tunnel stale tunnel=%u host=%s calls=%u capable=no policy=%s", t->id, t->peer_host,
	     tunnel_calls(t), clear ? "clear" : "keep");
	bump(tc, clear ? N_STALE_CLEARED : N_STALE_KEPT);
	*(clear ? &tc->rec.cleared : &tc->rec.kept) += 1;
	t = set_recovery(tc, t, REC_NONE);
	if (!t)
		return;
	chan_start(&t->chan, tc->now, tc->now);
	t->learns = true;
	if (clear) {
		struct verdict v = verdict_of(FAULT_TUNNEL_STALE);
		cc_close(tc, t, &v);
	}
}

static void
assess(struct tc *tc, struct tunnel *t)
{
	recovery_unlist(tc, t);
	begun(tc);
	if (t->recovers) { /* an attempt from before */
		drop_tunnel(tc, t);
		return;
	}
	if (!capable(t) || !t->prof->failover) {
		assess_incapable(tc, t);
		return;
	}
	note(tc, NOTE_INFO, "tunnel stale tunnel=%u host=%s calls=%u capable=yes", t->id, t->peer_host,
	     tunnel_calls(t));
	bump(tc, N_STALE_CAPABLE);
	tc->rec.tunnels++;
	if (set_recovery(tc, t, REC_WAIT))
		list(tc, t);
}

/* ---- recovery endpoint: recovery tunnels are opened ------------------------------------------- */

static void
open_one(struct tc *tc, struct tunnel *old)
{
	const struct tc_datagram where = { .peer = old->peer, .local = old->local };
	struct cc_event ev = { .kind = EV_OPEN, .in = &where, .prof = old->prof, .role = old->role,
			       .recovers = old->id };
	const uint16_t fresh = tunnel_free_id(tc);

	if (fresh == 0)
		return;
	recovery_unlist(tc, old);
	bump(tc, N_RECOVERY_ASKED);
	if (set_recovery(tc, old, REC_ASKED))
		cc_step(tc, NULL, &ev, fresh);
}

void
recovery_pump(struct tc *tc)
{
	tc->rec_due = MONO_NEVER;
	for (unsigned n = 0; n < PUMP && tc->rec_waiting; n++) {
		struct tunnel *t = tc->rec_waiting;

		if (t->stale)
			assess(tc, t);
		else if (tc->offers[t->id] == 0 &&
			 tunnel_asking(tc, &t->peer.addr) < t->prof->recovery_parallel)
			open_one(tc, t);
		if (tc->rec_waiting == t) { /* not now: the others first */
			DL_DELETE2(tc->rec_waiting, t, rec_prev, rec_next);
			DL_APPEND2(tc->rec_waiting, t, rec_prev, rec_next);
		} else if (n == PUMP - 1 && tc->rec_waiting) {
			tc->rec_due = tc->now;
		}
	}
}

bool
recovery_command(struct tc *tc, struct tunnel *t)
{
	if (t->state != CC_ESTABLISHED || t->recovers || !capable(t) || recovery_muted(t))
		return false;
	begun(tc);
	tc->rec.tunnels++;
	if (set_recovery(tc, t, REC_WAIT))
		list(tc, t);
	return true;
}

/* "it MUST silently clear the old tunnel and sessions within, concluding that the recovery process has failed" */
static void
fail(struct tc *tc, struct tunnel *old)
{
	struct cc_event ev = { .kind = EV_LOST, .why = verdict_of(FAULT_RECOVERY_FAILED) };

	bump(tc, N_RECOVERY_FAILED);
	tc->rec.failed++;
	tc->rec.lost += old->established;
	cc_step(tc, old, &ev, 0);
}

/* 3.2.3: our Ns begin at 0; where either end cannot take up a sequence anew, such sessions are lost. */
static void
end_sequenced(struct tc *tc, struct tunnel *t)
{
	struct verdict v = verdict_of(FAULT_CALL_SEQUENCED);
	struct call *c, *next;

	if (t->failover_flags & t->failover_ours & FAILOVER_DATA)
		return;
	HASH_ITER (hh, t->by_id, c, next) {
		if (c->state != CALL_ESTABLISHED || !call_sequenced(c))
			continue;
		tc->rec.lost++;
		bump(tc, N_RECOVERY_LOST);
		call_close(tc, c, &v, NULL);
	}
}

/* `by`: the recovery tunnel; `follow`: the peer may have moved, and the old tunnel with it. */
static struct tunnel *
reset_old(struct tc *tc, struct tunnel *old, uint16_t ns, uint16_t nr, bool ours, const struct tunnel *by, bool follow)
{
	Row__Tunnel row = tunnel_row(old);
	const Row__Tunnel theirs = tunnel_row(by);

	recovery_unlist(tc, old);
	row.recovery = REC_SYNC;
	row.epoch = tc->epoch;
	if (ours)
		row.data_restarts++;
	row.nonce = theirs.nonce; /* L2TPv3: "MUST reset its nonce values ... to the nonce values exchanged" there */
	row.peer_nonce = theirs.peer_nonce;
	row.digests = theirs.digests;
	if (follow && !endpoint_eq(&by->peer, &old->peer)) {
		row.peer_addr = theirs.peer_addr;
		row.peer_port = theirs.peer_port;
		row.local_addr = theirs.local_addr;
		row.local_port = theirs.local_port;
		row.over_ip = theirs.over_ip;
	}
	old = put_tunnel(tc, &row);
	if (!old)
		return NULL;
	reset_control(tc, old, ns, nr);
	clear_half_open(tc, old);
	return old;
}

static void
initiator_up(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m)
{
	struct verdict done = verdict_of(FAULT_RECOVERY_DONE);
	struct tunnel *old = tunnel_find(tc, t->recovers);
	struct l2tp_scs scs = { 0 };

	l2tp_msg_scs(m, &scs);
	if (old && old->state == CC_ESTABLISHED && old->recovery == REC_ASKED)
		old = reset_old(tc, old, scs.ns, scs.nr, true, t, false);
	else
		old = NULL;
	if (old) {
		bump(tc, N_RECOVERY_RESET);
		end_sequenced(tc, old);
		sync_begin(tc, old, 0);
	}
	cc_close(tc, t, &done);
	tunnel_flush(tc, t); /* SCCCN first: a query that overtook it would be dropped as not of the window */
}

/* ---- remote endpoint -------------------------------------------------------------------------- */

static bool
refuse_with(struct cc_event *ev, enum tc_fault fault)
{
	ev->why = verdict_of(fault);
	return false;
}

static struct tunnel *
named(const struct tc *tc, const struct l2tp_msg *m)
{
	struct l2tp_recovery r;
	struct tunnel *old = NULL;

	if (l2tp_msg_recovery(m, &r) && r.remote && r.remote <= UINT16_MAX)
		old = tunnel_find(tc, (uint16_t)r.remote);
	return old && old->state == CC_ESTABLISHED && !old->recovers && old->peer_id == r.tunnel &&
		       (old->version == 3) == m->v3 /* "of the same L2TP version" */
		   ? old
		   : NULL;
}

/*
 * The same profile has the same secret, which 3.2.1 demands; without a secret, only the address tells that it is
 * the same peer.
 */
static bool
same_peer(const struct tunnel *old, const struct cc_event *ev)
{
	const bool proven = ev->msg->v3 && l2tp_msg_has(ev->msg, AVP_NONCE); /* its digest was checked */

	if (ev->msg->v3 && old->nonce_len && !proven)
		return false; /* 3.2.1: "MUST use the Control Message authentication ... if the old tunnel was" */
	return old->prof == ev->prof &&
	       (ev->prof->require_auth || proven || ip_addr_eq(&old->peer.addr, &ev->in->peer.addr));
}

bool
recovery_acceptable(struct tc *tc, struct cc_event *ev)
{
	const struct tunnel *old = named(tc, ev->msg);

	if (!ev->prof->failover)
		return refuse_with(ev, FAULT_RECOVERY);
	if (!old)
		return refuse_with(ev, FAULT_RECOVERY_UNKNOWN);
	if (!same_peer(old, ev))
		return refuse_with(ev, FAULT_RECOVERY_PEER);
	if (!capable(old))
		return refuse_with(ev, FAULT_RECOVERY);
	return true;
}

/*
 * Old packets that are still under way must fall outside of the new windows, and nobody who has not seen them
 * may guess the numbers (5.3, 8).
 */
static uint16_t
beyond(struct tc *tc, uint16_t old)
{
	uint16_t by;

	tc->random.fill(tc->random.arg, &by, sizeof by);
	return (uint16_t)(old + AHEAD + by % (8 * AHEAD));
}

void
recovery_answer(struct tc *tc, const struct l2tp_msg *m, Row__Tunnel *row)
{
	const struct tunnel *old = named(tc, m);

	if (!old)
		return;
	bump(tc, N_RECOVERY_OFFERED);
	row->recovers = old->id;
	row->suggested = true;
	row->suggested_ns = beyond(tc, old->chan.seq.nr);
	row->suggested_nr = beyond(tc, old->chan.seq.ns);
}

bool
recovery_tie(struct tc *tc, const struct l2tp_msg *m, struct tunnel **lost)
{
	const struct tunnel *old = named(tc, m);
	struct span theirs = span_of(NULL, 0);
	struct tunnel *t = NULL;
	int order;

	*lost = NULL;
	if (!old || old->recovery != REC_ASKED)
		return true;
	do {
		t = tunnel_of_peer(tc, &old->peer.addr, 0, t);
	} while (t && (t->recovers != old->id || t->state != CC_WAIT_CTL_REPLY));
	if (!t)
		return true;
	l2tp_msg_span(m, AVP_TIE_BREAKER, &theirs);
	order = theirs.len != 8 ? 1 : memcmp(theirs.p, t->tie_breaker, 8);
	if (order > 0) {
		bump(tc, N_TIES_WON);
		return false;
	}
	*lost = t;
	return order < 0;
}

void
recovery_yielded(struct tc *tc, const struct tunnel *lost)
{
	struct tunnel *old = tunnel_find(tc, lost->recovers);

	if (old && old->state == CC_ESTABLISHED && old->recovery == REC_ASKED &&
	    set_recovery(tc, old, REC_WAIT))
		list(tc, old);
}

/* One recovery tunnel has done it: no other one for the same tunnel shall. */
static void
end_others(struct tc *tc, const struct tunnel *up)
{
	struct verdict v = verdict_of(FAULT_RECOVERY_TWICE);
	struct tunnel *t, *next;

	if (tc->offers[up->recovers] == 0)
		return;
	DL_FOREACH_SAFE (tc->all, t, next) {
		if (t != up && t->recovers == up->recovers &&
		    (t->state == CC_WAIT_CTL_CONN || t->state == CC_WAIT_CTL_REPLY))
			cc_close(tc, t, &v);
	}
}

static void
responder_up(struct tc *tc, struct tunnel *t)
{
	struct tunnel *old = tunnel_find(tc, t->recovers);
	bool ours;

	if (!old || old->state != CC_ESTABLISHED || old->recovers || !capable(old) || old->prof != t->prof) {
		struct verdict v = verdict_of(FAULT_RECOVERY_UNKNOWN);
		cc_close(tc, t, &v);
		return;
	}
	ours = recovery_muted(old); /* both ends had failed */
	old = reset_old(tc, old, t->suggested_nr, t->suggested_ns, ours, t, true);
	if (!old)
		return;
	note(tc, NOTE_INFO, "tunnel recovered by its peer tunnel=%u host=%s calls=%u by=%u", old->id, old->peer_host,
	     tunnel_calls(old), t->id);
	bump(tc, N_RECOVERY_ACCEPTED);
	end_others(tc, t);
	if (ours)
		end_sequenced(tc, old);
	sync_begin(tc, old, ours ? 0 : HOLD);
}

void
recovery_up(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m)
{
	if (t->initiated)
		initiator_up(tc, t, m);
	else
		responder_up(tc, t);
}

void
recovery_ended(struct tc *tc, const struct tunnel *t, bool opened)
{
	struct tunnel *old = tunnel_find(tc, t->recovers);

	if (opened || !t->initiated || !old || old->state != CC_ESTABLISHED || old->recovery != REC_ASKED)
		return;
	note(tc, NOTE_WARN, "recovery failed tunnel=%u host=%s calls=%u why=\"%s\"", old->id, old->peer_host,
	     tunnel_calls(old), t->message);
	fail(tc, old);
}

/* ---- remote endpoint: the peer is silent ------------------------------------------------------ */

bool
recovery_waits(struct tc *tc, struct tunnel *t)
{
	if (t->state != CC_ESTABLISHED || t->recovers || t->chan.broken || !capable(t) || t->failover_ms == 0)
		return false;
	if (t->recovery != REC_AWAY) {
		note(tc, NOTE_WARN, "peer does not answer, its recovery is awaited tunnel=%u host=%s calls=%u ms=%u",
		     t->id, t->peer_host, tunnel_calls(t), t->failover_ms);
		bump(tc, N_PEERS_AWAY);
		t = set_recovery(tc, t, REC_AWAY);
		if (!t)
			return true;
		t->away_due = tc->now + its_time(t);
	} else if (tc->now >= t->away_due) {
		return false;
	}
	chan_insist(&t->chan, tc->now);
	return true;
}

void
recovery_heard(struct tc *tc, struct tunnel *t)
{
	bool syncing = t->sync[SYNC_ASK] || t->sync[SYNC_ASKED] || t->sync[SYNC_DOUBT];

	note(tc, NOTE_INFO, "peer answers again tunnel=%u host=%s", t->id, t->peer_host);
	bump(tc, N_PEERS_BACK);
	set_recovery(tc, t, syncing ? REC_SYNC : REC_NONE);
}

mono_t
recovery_due(const struct tc *tc, const struct tunnel *t)
{
	return t->recovery == REC_AWAY   ? t->away_due
	       : t->recovery == REC_SYNC ? t->sync_due
					 : MONO_NEVER;
}

/* ---- seen by people --------------------------------------------------------------------------- */

void
recovery_review(struct tc *tc)
{
	struct recovery_sum *r = &tc->rec;
	const unsigned busy = tc->in_recovery[REC_WAIT] + tc->in_recovery[REC_ASKED] + tc->in_recovery[REC_SYNC];

	alarm_set(tc, TC_ALARM_PEER_AWAY, tc->in_recovery[REC_AWAY] != 0, "see: twinctl show tunnels");
	if (!r->running)
		return;
	if (busy || tc->rec_waiting) {
		alarm_set(tc, TC_ALARM_RECOVERING, true, "after a cold start");
		return;
	}
	r->running = false;
	r->ended = tc->now;
	alarm_set(tc, TC_ALARM_RECOVERING, false, "");
	alarm_set(tc, TC_ALARM_RECOVERY_LOST, r->failed != 0, "see: twinctl show recovery");
	note(tc, NOTE_INFO,
	     "recovery over tunnels=%u recovered=%u failed=%u kept=%u cleared=%u sessions=%llu lost=%llu half-open=%llu "
	     "unanswered=%llu ms=%llu",
	     r->tunnels, r->recovered, r->failed, r->kept, r->cleared, (unsigned long long)r->sessions,
	     (unsigned long long)r->lost, (unsigned long long)r->half_open, (unsigned long long)r->unanswered,
	     (unsigned long long)((r->ended - r->began) / MONO_MS));
}
