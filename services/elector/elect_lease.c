// SPDX-License-Identifier: Apache-2.0
/*
 * Until when may this node send.
 *
 *      our clock:   t_s  beat s sent ........ t_s + lease: we stop
 *      twin's:           r_s >= t_s  heard .................. r_s + dead: it may promote
 *
 * dead > lease + margin, and clocks of a pair drift by far less than margin/dead; so an acknowledged beat
 * buys `lease` from the moment it was *sent*, and no standby promotes on silence before that is over.
 * The proof with all cases is in docs/decisions/0006-two-node-election.md.
 *
 * Without acknowledgements the lease may be extended only where elect_may_without_twin() says so, and
 * only by a node that never let it run out: whoever slept has to listen first (`lapsed`).
 *
 * Where nobody can promote in a moment, because there is no twin, or it was not heard for `dead` and holds less than this
 * node, the lease is half a `start_wait` long: a node that starts meanwhile listens for a whole one before it serves.  So a lone
 * survivor on a machine that loses its processors for a while goes on serving.
 */
#include "elect_impl.h"

bool
elect_may_without_twin(const struct elect *e, mono_t now)
{
	if (!e->conf.pair || e->forced || e->goodbye)
		return true;
	if (now < e->grant_until)
		return true;
	if (now < e->deny_until)
		return false;
	return e->conf.policy == POLICY_PREFER_SERVICE;
}

static void
extend(struct elect *e, mono_t until, enum elect_counter why, struct elect_out *out)
{
	if (until <= e->until)
		return;
	e->until = until;
	e->count[why]++;
}

static void
revive(struct elect *e, mono_t now, struct elect_out *out, const char *why)
{
	if (!e->lapsed || now >= e->until)
		return;
	e->lapsed = false;
	elect_alarm_set(e, out, ELECT_ALARM_LEASE_LAPSED, false, NULL);
	elect_alarm_set(e, out, ELECT_ALARM_WAITING, false, NULL);
	elect_note(e, out, NOTE_INFO, "lease runs again why=%s", why);
	e->holding = false; /* announced anew: the twin may have claimed them meanwhile, and be gone */
	elect_addresses(e, out, true);
}

void
elect_lease_acked(struct elect *e, mono_t now, struct elect_out *out)
{
	mono_t sent = elect_sent_at(e, e->acked);

	if (e->role != ELECT_ACTIVE || e->offering || e->acked < e->floor_seq || !sent)
		return;
	if (elect_twin_active(e))
		return; /* it does not wait for us */
	extend(e, sent + e->conf.lease, ELECT_C_LEASE_BY_TWIN, out);
	revive(e, now, out, "twin");
}

/* A wish of state-sync to go on alone that was not granted yet: the twin may still act upon our last word. */
bool
elect_twin_may_be_whole(const struct elect *e)
{
	return e->whole || (e->status.ask && e->status.ask != e->alone);
}

mono_t
elect_quiet_after(const struct elect *e)
{
	return e->conf.dead - 2 * e->conf.heartbeat;
}

/*
 * A whole twin that lost our beats and whose own were only lost on the way here promotes `dead` after the last one that it
 * heard, which is no older than the last one it acknowledged: until then, and no longer, the lease may go on beside it.
 * One of which nothing is heard for longer is dead, or every path is cut.
 */
static mono_t
beside_until(const struct elect *e, mono_t now)
{
	mono_t sent = elect_sent_at(e, e->acked);
	bool quiet = elect_silence(e, now) >= elect_quiet_after(e);

	return quiet || !elect_twin_may_be_whole(e) || !sent ? MONO_NEVER : sent + e->conf.dead - e->conf.heartbeat / 2;
}

static bool
nobody_can_promote(const struct elect *e)
{
	return !e->conf.pair ||
	       (e->conf.policy == POLICY_PREFER_SERVICE && e->lone >= e->conf.dead && !elect_twin_may_be_whole(e));
}

static mono_t
alone_until(const struct elect *e, mono_t now)
{
	mono_t until = now + e->conf.lease;

	if (now < e->grant_until && e->conf.pair && !e->forced && !e->goodbye)
		return e->grant_until < until ? e->grant_until : until;
	if (nobody_can_promote(e))
		return now + e->conf.start_wait / 2;
	if (!e->conf.pair || e->forced || e->goodbye)
		return until;
	return mono_sooner(until, beside_until(e, now));
}

void
elect_lease_shared(struct elect *e, mono_t now, struct elect_out *out)
{
	e->lone = 0;
	if (e->until <= now + e->conf.lease)
		return;
	e->until = now + e->conf.lease;
	elect_lease_publish(e, out); /* before a beat of ours can make the twin whole */
}

/*
 * Taken for dead, it is heard again, and may still be deaf to us: what we gave ourselves meanwhile ends before it promotes.
 * If the time for that has passed it slept, and counts the silence from its waking: the lease is over by then.
 */
void
elect_lease_beside(struct elect *e, mono_t now, struct elect_out *out)
{
	mono_t until = beside_until(e, now);

	if (e->role != ELECT_ACTIVE || elect_twin_active(e) || e->goodbye || until <= now || e->until <= until)
		return;
	e->until = until;
	elect_lease_publish(e, out);
}

/* Its beats come, but none of them has heard ours for a while: it will promote, so we must not go on alone. */
static bool
deaf(const struct elect *e)
{
	mono_t sent = elect_sent_at(e, e->acked);

	return e->heard && (!sent || e->heard - sent > 3 * e->conf.heartbeat);
}

/* May the lease be extended now without an acknowledgement? */
static bool
alone_now(const struct elect *e, mono_t now)
{
	mono_t silence = elect_silence(e, now);

	if (!elect_may_without_twin(e, now))
		return false;
	if (!e->conf.pair || e->goodbye)
		return true;
	if (e->lapsed)
		return !e->overtaken && !elect_stranger(e, now) &&
		       (silence >= e->conf.probation || (e->forced && silence >= e->conf.dead));
	if (!elect_twin_may_be_whole(e))
		return true; /* the twin cannot promote */
	return silence * 2 >= 3 * e->conf.heartbeat && (!deaf(e) || silence >= e->conf.dead);
}

void
elect_lease_begin(struct elect *e, mono_t now, struct elect_out *out)
{
	e->until = 0;
	e->lapsed = e->slept && e->conf.pair;
	e->slept = false;
	if (e->lapsed)
		return; /* it has to listen first */
	if (elect_may_without_twin(e, now))
		extend(e, alone_until(e, now), ELECT_C_LEASE_ALONE, out);
	else
		elect_lease_acked(e, now, out);
}

static void
lapse(struct elect *e, mono_t now, struct elect_out *out)
{
	e->lapsed = true;
	e->overtaken = elect_twin_may_be_whole(e);
	if (e->until) {
		e->count[ELECT_C_LEASE_LAPSES]++;
		elect_note(e, out, NOTE_WARN, "lease lapsed epoch=%llu late_ms=%lld",
			   (unsigned long long)e->epoch, (long long)((now - e->until) / MONO_MS));
		elect_alarm_set(e, out, ELECT_ALARM_LEASE_LAPSED, true, NULL);
	}
}

/*
 * A whole twin promotes `dead` after our last beat: by the end of a probation it has, if it lived, and may have died since.
 * That nobody is heard does not make our epoch the last one, nor our store.  The twin is waited for like one at a start, and
 * then this node serves in an epoch of its own.
 */
static bool
has_waited_long(const struct elect *e, mono_t now)
{
	mono_t silence = elect_silence(e, now);

	return e->lapsed && e->overtaken && !elect_stranger(e, now) && elect_may_without_twin(e, now) &&
	       (silence >= e->conf.start_wait || (e->forced && silence >= e->conf.dead));
}

void
elect_lease_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	if (e->role != ELECT_ACTIVE || e->offering)
		return;
	if (now >= e->until && !e->lapsed && e->conf.pair)
		lapse(e, now, out);
	if (has_waited_long(e, now)) {
		elect_begin_anew(e, now, "nobody answered after an absence", out);
		return;
	}
	if (alone_now(e, now)) {
		extend(e, alone_until(e, now), ELECT_C_LEASE_ALONE, out);
		revive(e, now, out, "alone");
	} else if (e->lapsed && !elect_may_without_twin(e, now) && elect_silence(e, now) >= e->conf.dead) {
		elect_alarm_set(e, out, ELECT_ALARM_WAITING, true, NULL);
	}
}
