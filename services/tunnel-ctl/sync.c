// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 4951, 3.3: both ends agree again on which sessions there are.
 *
 *      established ──sync_begin──► ASK ──FSQ──► ASKED ──FSR (our id)──► kept
 *                                   ▲             ├─────FSR (0)───────► gone, without a CDN
 *                                   │ backoff     └─no answer, thrice─► kept: a peer without FSQ ignores it (M is 0)
 *                                 DOUBT ◄── an FSQ pairs it with another
 *
 * The one that failed asks at once about every session.  The other one waits a second from the last question, and
 * asks about those that nobody asked about: a question that was answered yes is an answer, too.
 *
 * Which sessions have been asked about is local.  The tunnel's row says that it is being synchronised; whoever is
 * promoted asks about all of them once more, which changes nothing.
 */
#include <string.h>
#include <utlist.h>

#include "tunnels.h"

#define ANSWER_TIME (10 * MONO_S) /* without any answer: asked again */
#define DOUBT_TIME MONO_S	  /* before a session in doubt is asked about, doubled each time */
#define TRIES 3
#define ROOM 32 /* messages under way before further questions wait */

static void
move_all(struct tunnel *t, enum sync_where from, enum sync_where to)
{
	while (t->sync[from])
		call_sync(t->sync[from], to);
}

void
sync_begin(struct tc *tc, struct tunnel *t, mono_t hold)
{
	struct call *c, *next;

	t->sync_tries = 0;
	t->sync_due = tc->now + hold;
	HASH_ITER (hh, t->by_id, c, next) {
		if (c->state == CALL_ESTABLISHED)
			call_sync(c, SYNC_ASK);
	}
	if (tc->out) /* at an activation, the tick comes by itself */
		tunnel_touch(tc, t);
}

static void
settled(struct tc *tc, struct call *c)
{
	call_sync(c, SYNC_NONE);
	bump(tc, N_RECOVERY_SESSIONS);
	tc->rec.sessions += tc->rec.running;
}

static void
over(struct tc *tc, struct tunnel *t)
{
	Row__Tunnel row = tunnel_row(t);

	row.recovery = REC_NONE;
	put_tunnel(tc, &row);
	t->sync_due = MONO_NEVER;
	tc->rec.recovered += tc->rec.running;
	bump(tc, N_RECOVERY_DONE);
	note(tc, NOTE_INFO, "tunnel synchronised tunnel=%u host=%s calls=%u", t->id, t->peer_host, tunnel_calls(t));
}

void
sync_flush(struct tc *tc, struct tunnel *t)
{
	const bool asks = tc->now >= t->sync_due || t->sync[SYNC_ASKED] != NULL;

	while (asks && t->sync[SYNC_ASK] && chan_backlog(&t->chan) < ROOM && send_fsq(tc, t)) {
		bump(tc, N_FSQ_OUT);
		t->sync_due = tc->now + ANSWER_TIME;
	}
	if (t->sync[SYNC_ASK] || t->sync[SYNC_ASKED])
		return;
	if (!t->sync[SYNC_DOUBT]) {
		over(tc, t);
		return;
	}
	move_all(t, SYNC_DOUBT, SYNC_ASK);
	t->sync_due = tc->now + (DOUBT_TIME << (t->sync_tries < 6 ? t->sync_tries : 6));
	t->sync_tries++;
}

/* sync_due has come. */
void
sync_tick(struct tc *tc, struct tunnel *t)
{
	if (!t->sync[SYNC_ASKED])
		return; /* the flush asks */
	if (++t->sync_tries < TRIES) {
		move_all(t, SYNC_ASKED, SYNC_ASK);
		return;
	}
	while (t->sync[SYNC_ASKED]) {
		call_sync(t->sync[SYNC_ASKED], SYNC_NONE);
		bump(tc, N_RECOVERY_UNANSWERED);
		tc->rec.unanswered += tc->rec.running;
	}
}

bool
sync_command(struct tc *tc, struct tunnel *t)
{
	Row__Tunnel row = tunnel_row(t);

	if (t->state != CC_ESTABLISHED || t->recovers ||
	    (t->recovery != REC_NONE && t->recovery != REC_SYNC) ||
	    !(t->failover_flags & t->failover_ours))
		return false;
	row.recovery = REC_SYNC;
	if (put_tunnel(tc, &row))
		sync_begin(tc, t, 0);
	return true;
}

/* ---- FSQ --------------------------------------------------------------------------------------- */

static void
doubt(struct tc *tc, struct tunnel *t, struct call *c)
{
	if (!c || c->state != CALL_ESTABLISHED || c->sync == SYNC_ASKED)
		return;
	bump(tc, N_RECOVERY_MISMATCHES);
	if (t->recovery == REC_NONE) {
		Row__Tunnel row = tunnel_row(t);
		row.recovery = REC_SYNC;
		if (!put_tunnel(tc, &row))
			return;
		t->sync_tries = 0;
	}
	call_sync(c, SYNC_DOUBT);
}

/* "If an FSS AVP is not valid ... the Session ID field ... MUST be set to zero"; the Remote Session ID is what was received. */
static struct l2tp_fss
answer(struct tc *tc, struct tunnel *t, const struct l2tp_fss *asked)
{
	struct l2tp_fss said = { .session = 0, .remote = asked->session };
	struct call *c = call_on_wire(t, asked->remote);

	if (c && (c->state == CALL_CLOSED || c->state == CALL_IDLE))
		c = NULL;
	if (c && asked->session && c->peer_id == asked->session) {
		said.session = session_on_wire(t, c->id);
		if (c->sync == SYNC_ASK || c->sync == SYNC_DOUBT)
			settled(tc, c);
		return said;
	}
	bump(tc, N_FSS_UNKNOWN);
	doubt(tc, t, c);
	doubt(tc, t, call_of_peer(t, asked->session)); /* whom we pair with what the peer is about to clear */
	return said;
}

void
sync_query(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m)
{
	struct l2tp_fss asked, said[FSS_MAX];
	unsigned n = 0;
	size_t at = 0;

	bump(tc, N_FSQ_IN);
	if (!cc_room(t)) { /* it does not acknowledge what we answered: it will have to ask again */
		bump(tc, N_IGNORED);
		return;
	}
	while (l2tp_msg_fss(m, &at, &asked)) {
		said[n++] = answer(tc, t, &asked);
		if (n == FSS_MAX) {
			send_fsr(tc, t, said, n);
			n = 0;
		}
	}
	if (n)
		send_fsr(tc, t, said, n);
	if (t->recovery == REC_SYNC && t->sync[SYNC_ASK] && !t->sync[SYNC_ASKED])
		t->sync_due = tc->now + DOUBT_TIME;
}

/* ---- FSR --------------------------------------------------------------------------------------- */

void
sync_response(struct tc *tc, struct tunnel *t, const struct l2tp_msg *m)
{
	struct l2tp_fss said;
	size_t at = 0;

	bump(tc, N_FSR_IN);
	while (l2tp_msg_fss(m, &at, &said)) {
		struct call *c = call_on_wire(t, said.remote);
		if (!c || c->sync != SYNC_ASKED) { /* of a call that came or went since: not what was asked about */
			bump(tc, N_FSS_UNASKED);
			continue;
		}
		if (said.session) {
			settled(tc, c);
		} else {
			bump(tc, N_RECOVERY_LOST);
			tc->rec.lost += tc->rec.running;
			call_vanish(tc, c, FAULT_CALL_RECOVERY);
		}
	}
	if (t->sync[SYNC_ASKED] || t->sync[SYNC_ASK])
		t->sync_due = tc->now + ANSWER_TIME;
	t->sync_tries = 0;
	tunnel_touch(tc, t);
}
