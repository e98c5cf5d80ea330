// SPDX-License-Identifier: Apache-2.0
/*
 * Who we are: start, standby, promoting, active, and what moves a node from one to the next.
 *
 * An epoch is (count << 1 | side), count one above everything ever seen.  The two nodes have different
 * sides, a node never takes the same epoch twice (role file), so no epoch is ever held by two nodes.
 */
#include "elect_impl.h"

#include <stdio.h>

#define PROMOTE_WAIT (2 * MONO_S)  /* state-sync's time to become active while the twin could do it instead */
#define HOLLOW_WAIT (200 * MONO_MS) /* for state-sync to find its store of our epoch again */
#define GONE_WAITS 5		    /* a twin that does not hold everything serves after this many sync_dead without state-sync */
#define STALE_WAITS 3		   /* a store known to be out of date waits this many start_wait for a better one */

bool
elect_sync_up(const struct elect *e, mono_t now)
{
	return e->status_at && now - e->status_at < e->conf.sync_dead;
}

static void
remember(struct elect *e, mono_t now, const char *cause)
{
	struct elect_change *h = &e->history[e->changes++ % ELECT_HISTORY];

	*h = (struct elect_change){ .at = now, .role = (uint8_t)e->role, .epoch = e->epoch };
	h->stale = e->role == ELECT_ACTIVE && e->alarm[ELECT_ALARM_STALE_PROMOTION];
	snprintf(h->cause, sizeof h->cause, "%s", cause);
	if (e->role == ELECT_ACTIVE && e->promote_from)
		h->took = now - e->promote_from;
	else if (e->switch_from)
		h->took = now - e->switch_from;
}

void
elect_become(struct elect *e, mono_t now, enum elect_role role, const char *cause, struct elect_out *out)
{
	elect_note(e, out, NOTE_INFO, "role from=%s to=%s epoch=%llu cause=\"%s\"", elect_role_name(e->role),
		   elect_role_name(role), (unsigned long long)e->epoch, cause);
	e->role = role;
	e->role_since = now;
	e->nobody_from = 0;
	remember(e, now, cause);
	for (enum elect_alarm a = 0; a < ELECT_ALARMS; a++)
		if (a == ELECT_ALARM_NOT_PROMOTABLE || a == ELECT_ALARM_WAITING ||
		    a == ELECT_ALARM_LEASE_LAPSED || (a == ELECT_ALARM_STALE_PROMOTION && role == ELECT_STANDBY))
			elect_alarm_set(e, out, a, false, NULL);
}

static uint64_t
next_epoch(const struct elect *e)
{
	return ((e->top_epoch >> 1) + 1) << 1 | e->conf.side;
}

/*
 * The addresses are claimed beside state-sync's promotion, not after it: nobody else may send any more, what
 * arrives early waits in the sockets or is dropped like any datagram, and the neighbours learn sooner.
 */
void
elect_promote(struct elect *e, mono_t now, enum elect_ground ground, const char *cause, struct elect_out *out)
{
	elect_handed_end(e, now, out);
	e->top_epoch = e->epoch = next_epoch(e);
	e->vouched = ground == GROUND_VOUCHED;
	e->blind = ground == GROUND_SILENCE;
	e->overtaken = false;
	e->whole = false;
	e->whole_seq = e->seq + 1;
	e->floor_seq = e->seq + 1;
	e->until = 0;
	e->promote_from = now;
	e->quiescing = e->offering = e->cancelled = false;
	snprintf(e->cause, sizeof e->cause, "%s", cause);
	elect_become(e, now, ELECT_PROMOTING, cause, out);
	elect_order_send(e, now, out);
	elect_lease_publish(e, out); /* there is none; but it is on its way, which the workers read there */
	elect_addresses(e, out, true);
}

/*
 * A twin that does not hear us (a path that works one way) and knows of no active has begun to serve, from a store that is
 * behind ours.  Its epoch is higher; but who yields to it gives up what peers have seen, so we take the next one.
 */
void
elect_outbid(struct elect *e, mono_t now, struct elect_out *out)
{
	e->count[ELECT_C_OUTBIDS]++;
	e->holding = false; /* it has claimed them */
	elect_promote(e, now, GROUND_VOUCHED, "the twin serves and does not hear us", out);
}

/*
 * This node is active in its own eyes, and others may have served since it was.  A new epoch says to whoever reads the
 * store that it may be out of date: tunnels are recovered (RFC 4951).  The lease waits for the twin's word, or a probation.
 */
void
elect_begin_anew(struct elect *e, mono_t now, const char *cause, struct elect_out *out)
{
	e->top_epoch += 2; /* one that the twin took, and that nobody has told us of */
	e->holding = false; /* and it may have claimed them */
	elect_promote(e, now, GROUND_SILENCE, cause, out);
	e->slept = elect_twin_heard(e, now);
	elect_alarm_set(e, out, ELECT_ALARM_STALE_PROMOTION, true, cause);
}

static void
step_back(struct elect *e, mono_t now, enum elect_role role, const char *cause, struct elect_out *out)
{
	e->until = 0;
	e->lapsed = false;
	e->offering = e->quiescing = e->cancelled = false;
	e->force_store = false;
	e->whole = false;
	elect_become(e, now, role, cause, out);
	elect_lease_publish(e, out);
	elect_addresses(e, out, false);
}

void
elect_yield(struct elect *e, mono_t now, uint64_t epoch, const char *cause, struct elect_out *out)
{
	bool offered = e->offering;

	e->count[ELECT_C_DEMOTIONS]++;
	if (!offered && e->role == ELECT_ACTIVE)
		e->count[ELECT_C_YIELDS]++;
	e->epoch = epoch;
	step_back(e, now, ELECT_STANDBY, offered ? "handed over" : cause, out);
	e->handed = true;
	if (!offered)
		elect_handed_end(e, now, out);
}

static void
activate(struct elect *e, mono_t now, struct elect_out *out)
{
	e->count[ELECT_C_PROMOTIONS]++;
	elect_become(e, now, ELECT_ACTIVE, e->cause, out);
	e->promote_from = 0;
	e->switch_from = 0;
	elect_lease_begin(e, now, out);
	elect_lease_publish(e, out);
}

static void
promoting_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	bool up = elect_sync_up(e, now);

	if (up && e->status.active && e->status.epoch == e->epoch) {
		activate(e, now, out);
		return;
	}
	if (up && e->top_epoch > e->epoch) { /* decided before the store was known to be of a later epoch */
		step_back(e, now, ELECT_STANDBY, "the store is of a later epoch", out);
		return;
	}
	elect_alarm_set(e, out, ELECT_ALARM_SYNC_DOWN, !up && now - e->promote_from > e->conf.sync_dead, NULL);
	if (now - e->promote_from > PROMOTE_WAIT && elect_twin_heard(e, now) && (e->twin.flags & BEAT_READY))
		step_back(e, now, ELECT_STANDBY, "state-sync did not become active", out);
}

/* --- nobody is active, and we hear each other ----------------------------------------------------- */

/* Higher means: has more to serve with.  Both nodes compute the same order from the same two beats. */
static int
compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static bool
we_win(const struct elect *e)
{
	const struct beat *t = &e->twin;
	bool t_empty = t->flags & BEAT_EMPTY;
	int c = (int)t_empty - (int)e->status.empty;

	if (!c)
		c = compare_u64(e->status.store_epoch, t->store_epoch);
	if (!c)
		c = compare_u64(e->status.position, t->position);
	if (!c)
		c = (int)e->conf.preferred - (int)!!(t->flags & BEAT_PREFERRED);
	if (!c)
		c = t->side - e->conf.side;
	return c > 0;
}

static void
nobody_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	mono_t since;

	if (!e->nobody_from)
		e->nobody_from = now;
	since = now - e->nobody_from;
	if (!elect_sync_up(e, now) || !e->status.ready || since < 3 * e->conf.heartbeat)
		return;
	if (e->twin.flags & BEAT_READY ? we_win(e) : since >= e->conf.start_wait)
		elect_promote(e, now, GROUND_STORE, "nobody was active", out);
	else if (e->role == ELECT_START && e->twin.flags & BEAT_READY)
		elect_become(e, now, ELECT_STANDBY, "the twin's store is ahead", out);
}

/* --- nobody is active, and nobody answers ----------------------------------------------------------- */

static void
alone_at_start(struct elect *e, mono_t now, struct elect_out *out)
{
	bool up = elect_sync_up(e, now);
	bool stale = !e->status.mirrored && !e->status.empty;
	mono_t wait = stale ? STALE_WAITS * e->conf.start_wait : e->conf.start_wait;

	if (!e->conf.pair) {
		if (up && e->status.ready)
			elect_promote(e, now, GROUND_STORE, "no twin configured", out);
		return;
	}
	if (elect_silence(e, now) < wait || elect_stranger(e, now) || !up || !e->status.ready)
		return;
	if (!elect_may_without_twin(e, now)) {
		elect_alarm_set(e, out, ELECT_ALARM_WAITING, true, NULL);
		return;
	}
	elect_promote(e, now, GROUND_SILENCE, "no twin answered at start", out);
	elect_alarm_set(e, out, ELECT_ALARM_STALE_PROMOTION, !e->status.empty, stale ? NULL : "what its store on disk held");
}

/* --- standby ------------------------------------------------------------------------------------------ */

/*
 * We hold everything: the active said so, and state-sync, which knows the store, agrees.  A twin that died
 * while promoting had revealed nothing yet; then it is enough that our store was the active one before.
 */
static bool
promotable(const struct elect *e, mono_t now)
{
	bool vouched = e->twin.flags & BEAT_WHOLE || e->twin.role == ELECT_PROMOTING;

	return vouched && elect_sync_up(e, now) && e->status.ready && e->status.mirrored;
}

static bool
offered_to_us(const struct elect *e, mono_t now)
{
	const struct beat *t = &e->twin;

	return e->role == ELECT_STANDBY && t->role == ELECT_ACTIVE && t->flags & BEAT_OFFER && !e->leaving &&
	       t->epoch >= e->top_epoch && elect_sync_up(e, now) && e->status.ready &&
	       e->status.position >= t->offer_position && (t->flags & BEAT_WHOLE) && e->status.mirrored;
}

static void
active_twin_silent(struct elect *e, mono_t now, struct elect_out *out)
{
	bool able = promotable(e, now), may = elect_may_without_twin(e, now);

	if (!e->heard && elect_stranger(e, now))
		return; /* that the twin was active is our predecessor's word; somebody speaks, and may not hear us */
	if (able && may) {
		elect_promote(e, now, e->twin.flags & BEAT_WHOLE ? GROUND_VOUCHED : GROUND_STORE, "the active twin is silent", out);
		return;
	}
	elect_alarm_set(e, out, ELECT_ALARM_WAITING, !may, NULL);
	elect_alarm_set(e, out, ELECT_ALARM_NOT_PROMOTABLE, may && !able, NULL);
}

static void
standby_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	bool heard = elect_twin_heard(e, now);

	if (heard)
		for (int a = ELECT_ALARM_NOT_PROMOTABLE; a <= ELECT_ALARM_WAITING; a++)
			elect_alarm_set(e, out, a, false, NULL);
	if (e->leaving) {
		return;
	} else if (heard && offered_to_us(e, now)) {
		elect_promote(e, now, GROUND_VOUCHED, "the twin handed over", out);
	} else if (elect_twin_active(e)) {
		e->nobody_from = 0;
		if (elect_silence(e, now) >= elect_patience(e))
			active_twin_silent(e, now, out);
	} else if (heard) {
		nobody_tick(e, now, out);
	} else {
		e->nobody_from = 0;
		alone_at_start(e, now, out);
	}
}

/*
 * Nothing new can be served, and the twin could.  One that holds everything is offered the role.  One that does not holds
 * more than a store that is gone: whoever has the most begins anew (nobody_tick).
 */
static void
give_way(struct elect *e, mono_t now, bool late, struct elect_out *out)
{
	bool gone = !late || now - e->sync_since > GONE_WAITS * e->conf.sync_dead;

	if (e->whole && now - e->switch_from > 10 * e->conf.handover_wait)
		elect_offer(e, now, 0, late ? "state-sync is down" : "the store is not whole", out);
	else if (!e->whole && gone) {
		e->count[ELECT_C_DEMOTIONS]++;
		step_back(e, now, ELECT_STANDBY, late ? "state-sync is down for long" : "the store is gone", out);
	}
}

/* An empty store, only where nobody else has anything: a twin that is silent for a moment may hold all that was lost here. */
static bool
nothing_to_wait_for(const struct elect *e, mono_t now)
{
	return !e->conf.pair || elect_silence(e, now) > STALE_WAITS * e->conf.start_wait;
}

static void
active_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	bool up = elect_sync_up(e, now);
	bool late = !up && now - e->sync_since > e->conf.sync_dead;
	bool hollow = up && !e->status.active && now - e->sync_since > HOLLOW_WAIT;

	elect_alarm_set(e, out, ELECT_ALARM_SYNC_DOWN, late, NULL);
	if ((!late && !hollow) || e->offering)
		return;
	if (elect_twin_heard(e, now) && e->twin.flags & BEAT_READY) {
		give_way(e, now, late, out);
	} else if (hollow && nothing_to_wait_for(e, now)) {
		e->force_store = true;
		elect_alarm_set(e, out, ELECT_ALARM_STALE_PROMOTION, true, "the store was not whole");
	}
}

void
elect_role_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	switch (e->role) {
	case ELECT_START:
	case ELECT_STANDBY:
		standby_tick(e, now, out);
		break;
	case ELECT_PROMOTING:
		promoting_tick(e, now, out);
		break;
	case ELECT_ACTIVE:
		active_tick(e, now, out);
		break;
	case ELECT_ROLES:
		break;
	}
}

/* --- the operator and the arbiter ------------------------------------------------------------------------ */

static const char *
promote_refusal(const struct elect *e, mono_t now, bool force)
{
	if (e->role == ELECT_PROMOTING)
		return "already under way";
	if (elect_twin_heard(e, now) && elect_twin_active(e))
		return "the twin is active and answers: use switchover";
	if ((elect_twin_active(e) || !elect_twin_heard(e, now)) && elect_silence(e, now) < e->conf.dead)
		return "this node has not listened long enough for the twin: try again"; /* decision 0006: silence of `dead` */
	if (!elect_sync_up(e, now))
		return "state-sync does not answer: nothing could be served";
	if (!force && !e->status.ready)
		return "the store is not whole: --force begins with an empty one";
	if (force || !e->conf.pair || promotable(e, now))
		return NULL;
	if (elect_twin_active(e))
		return "this node does not hold everything the twin had revealed: --force accepts the loss";
	return "whether the twin had revealed more than this node holds is not known: --force serves with what is here";
}

static void
promote_command(struct elect *e, mono_t now, bool force, uint64_t ticket, struct elect_out *out)
{
	const char *no;

	if (e->role == ELECT_ACTIVE) {
		if (!elect_twin_heard(e, now))
			e->forced = true;
		out->answer(out, ticket, true, e->forced ? "goes on without the twin" : "is active already");
		elect_lease_tick(e, now, out);
		return;
	}
	no = promote_refusal(e, now, force);
	if (no) {
		out->answer(out, ticket, false, no);
		return;
	}
	e->forced = !elect_twin_heard(e, now);
	e->force_store = force && !e->status.ready;
	elect_alarm_set(e, out, ELECT_ALARM_STALE_PROMOTION, !promotable(e, now), "by the operator");
	elect_promote(e, now, (e->twin.flags & BEAT_WHOLE) && promotable(e, now) ? GROUND_VOUCHED : GROUND_STORE, "by the operator", out);
	out->answer(out, ticket, true, "promotes");
}

void
elect_role_command(struct elect *e, mono_t now, const struct elect_event *ev, struct elect_out *out)
{
	switch (ev->kind) {
	case ELECT_PROMOTE:
		promote_command(e, now, ev->force, ev->ticket, out);
		return;
	case ELECT_GRANT:
		e->grant_until = now + ev->ttl;
		e->deny_until = 0;
		break;
	case ELECT_DENY:
		e->deny_until = now + ev->ttl;
		e->grant_until = 0;
		break;
	default:
		return;
	}
	elect_lease_tick(e, now, out);
	elect_lease_publish(e, out);
	elect_role_tick(e, now, out);
	out->answer(out, ev->ticket, true, elect_role_name(e->role));
}
