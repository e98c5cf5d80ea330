// SPDX-License-Identifier: Apache-2.0
/*
 * Handing over on purpose, and letting state-sync go on without the twin.
 *
 *   switchover   order: quiesce ──► state-sync: quiesced at position p (the twin holds p)
 *                beats say RESTS p ──► twin: its beat says p, too (its elector knows that it holds everything)
 *                lease ends, addresses go, beats say OFFER p ──► twin: promotes at once
 *                twin heard with a higher epoch ──► standby
 *                anything late ──► called off: floor_seq rises, so that only a twin that has heard of the
 *                                  calling-off, and is still standby, can revive our lease
 *
 *   going alone  state-sync asks (n) ──► whole = false, beats say so ──► twin acknowledges, or is silent for
 *                longer than it needs to promote ──► order: alone = n
 */
#include "elect_impl.h"

#include <stdio.h>

static const char *
switch_refusal(const struct elect *e, mono_t now)
{
	if (!e->conf.pair)
		return "no twin is configured";
	if (e->role != ELECT_ACTIVE)
		return "this node is not active: ask the one that is";
	if (e->quiescing || e->offering)
		return "a switchover is under way";
	if (!elect_sync_up(e, now))
		return "state-sync does not answer";
	if (!elect_twin_heard(e, now))
		return "the twin does not answer";
	if (!(e->twin.flags & BEAT_READY))
		return "the twin's state-sync does not answer, or its store is not whole";
	if (!e->whole)
		return "the twin does not hold everything yet: wait until the pair is mirrored";
	return NULL;
}

static void
begin(struct elect *e, mono_t now, uint64_t ticket, struct elect_out *out)
{
	e->quiescing = true;
	e->resting = 0;
	e->cancelled = false;
	e->switch_from = now;
	e->ticket = ticket;
	snprintf(e->cause, sizeof e->cause, "%s", "planned switchover");
	elect_note(e, out, NOTE_INFO, "switchover begins epoch=%llu", (unsigned long long)e->epoch);
	elect_order_send(e, now, out);
}

void
elect_switch_command(struct elect *e, mono_t now, uint64_t ticket, struct elect_out *out)
{
	const char *no = switch_refusal(e, now);

	if (no)
		out->answer(out, ticket, false, no);
	else
		begin(e, now, ticket, out);
}

/*
 * From here on this node has no lease.  prefer-safety also waits until the lease published last is over by
 * the clock, so that a worker that has not heard of its end cannot send under it (beat_flags: BEAT_OFFER).
 */
void
elect_offer(struct elect *e, mono_t now, uint64_t position, const char *cause, struct elect_out *out)
{
	if (!e->quiescing)
		e->switch_from = now;
	e->quiescing = true;
	e->offering = true;
	e->offer_position = position;
	if (e->conf.policy == POLICY_PREFER_SERVICE)
		e->until = now;
	e->count[ELECT_C_HANDOVERS]++;
	elect_note(e, out, NOTE_INFO, "hands over epoch=%llu position=%llu cause=\"%s\"",
		   (unsigned long long)e->epoch, (unsigned long long)position, cause);
	elect_lease_publish(e, out);
	elect_addresses(e, out, false);
	elect_beat_send(e, now, out);
	elect_beat_send(e, now, out); /* one may be lost, and time is short */
}

static void
answer(struct elect *e, struct elect_out *out, bool ok, const char *text)
{
	if (e->ticket)
		out->answer(out, e->ticket, ok, text);
	e->ticket = 0;
}

static void
call_off(struct elect *e, mono_t now, const char *why, struct elect_out *out)
{
	char text[128];

	snprintf(text, sizeof text, "called off: %s", why);
	elect_note(e, out, NOTE_WARN, "switchover called off why=\"%s\"", why);
	e->count[ELECT_C_HANDOVERS_FAILED]++;
	if (e->offering) {
		e->floor_seq = e->seq + 1;
		e->until = now;
		e->lapsed = true;
		e->overtaken = true; /* it may have taken the offer, and be gone */
	}
	e->quiescing = e->offering = false;
	e->cancelled = true;
	answer(e, out, false, text);
	elect_order_send(e, now, out);
	elect_beat_send(e, now, out);
}

/*
 * The twin has taken the role (`handed`) and now serves, or should.  In between nothing was asked of our state-sync: it had come to
 * rest, and that its processes become standbys may wait until the twin's are active.
 */
void
elect_handed_end(struct elect *e, mono_t now, struct elect_out *out)
{
	char text[96];

	if (!e->handed)
		return;
	e->handed = false;
	snprintf(text, sizeof text, "the twin %s in epoch %llu, %.1f ms after the command",
		 e->twin.role == ELECT_ACTIVE ? "is active" : "has the role", (unsigned long long)e->epoch, (double)(now - e->switch_from) / MONO_MS);
	answer(e, out, true, text);
	e->switch_from = 0;
}

/*
 * The twin's state-sync says where it is now and then only; its elector asks, and says so in a beat of its own.  Until then the lease
 * runs, and data is forwarded.  A beat may be lost: an offer asks the same (elect_twin.c), so this is waited for no longer than a beat.
 */
static bool
twin_is_there(struct elect *e, mono_t now, struct elect_out *out)
{
	bool begins = !e->resting || e->offer_position != e->status.position;

	if (begins)
		e->resting = now;
	e->offer_position = e->status.position;
	if (e->twin.position >= e->offer_position || now - e->resting >= e->conf.heartbeat)
		return true;
	if (begins)
		elect_beat_send(e, now, out);
	return false;
}

static bool
at_rest(const struct elect *e)
{
	return e->order.quiesce && e->status.quiesced && e->status.epoch == e->epoch && e->whole;
}

void
elect_switch_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	if (e->handed && now - e->role_since >= e->conf.heartbeat)
		elect_handed_end(e, now, out);
	if (!e->quiescing || e->role != ELECT_ACTIVE)
		return;
	if (!e->offering) {
		if (!elect_twin_heard(e, now))
			call_off(e, now, "the twin does not answer any more", out);
		else if (at_rest(e) && twin_is_there(e, now, out))
			elect_offer(e, now, e->status.position, e->cause, out);
		else if (!at_rest(e) && now - e->switch_from > e->conf.handover_wait)
			call_off(e, now, "state-sync did not come to rest in time", out);
	} else if (now - e->switch_from > 2 * e->conf.handover_wait) {
		call_off(e, now, "the twin did not take over in time", out);
	}
}

void
elect_leave(struct elect *e, mono_t now, struct elect_out *out)
{
	e->leaving = true;
	if (e->role == ELECT_ACTIVE && !switch_refusal(e, now))
		begin(e, now, 0, out);
	else if (e->role != ELECT_ACTIVE)
		for (int i = 0; i < 3; i++)
			elect_beat_send(e, now, out); /* goodbye */
}

bool
elect_may_leave(const struct elect *e)
{
	return !e->quiescing && !e->offering && !e->handed;
}

/* --- going on without the twin ------------------------------------------------------------------------ */

static bool
twin_cannot_promote(const struct elect *e, mono_t now)
{
	if (e->goodbye || (e->acked >= e->whole_seq && elect_twin_heard(e, now)))
		return true;
	return elect_silence(e, now) >= elect_patience_most(e) + 2 * e->conf.heartbeat && elect_holds_lease(e, now);
}

void
elect_alone_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	const struct elect_status *s = &e->status;

	if (e->role != ELECT_ACTIVE || !s->active || s->epoch != e->epoch || e->offering)
		return;
	if (s->mirrored && !s->ask) {
		if (!e->whole)
			elect_lease_shared(e, now, out); /* it may be mirrored before a beat of its new life counts */
		e->whole = true;
		elect_alarm_set(e, out, ELECT_ALARM_STALE_PROMOTION, false, NULL);
		return;
	}
	if (!s->ask || s->ask == e->alone) /* the numbers of another life of state-sync begin anywhere: equal or not, no more */
		return;
	if (e->whole) {
		e->whole = false;
		e->whole_seq = e->seq + 1;
		elect_beat_send(e, now, out);
	}
	if (!twin_cannot_promote(e, now))
		return;
	e->alone = s->ask;
	e->count[ELECT_C_ALONE_GRANTED]++;
	elect_note(e, out, NOTE_INFO, "state-sync may go on without the twin epoch=%llu",
		   (unsigned long long)e->epoch);
	elect_order_send(e, now, out);
}
