// SPDX-License-Identifier: Apache-2.0
/*
 * What is known of the twin: which of its heartbeats count, how long it has been silent, and what it has
 * heard of us.
 *
 * Replays.  Within one life of the twin (`boot`) only a higher `seq` counts.  A heartbeat of another life
 * counts only when it echoes a beat of ours that is younger than `dead`: a recording cannot.  Until then the
 * stranger's number is echoed in every other beat of ours, so that a twin that really started anew proves
 * itself within one round trip, and a replayer costs us nothing but that.
 */
#include "elect_impl.h"

#include <stdio.h>

mono_t
elect_sent_at(const struct elect *e, uint64_t seq)
{
	if (seq == 0 || seq > e->seq || e->seq - seq >= ELECT_SENT)
		return 0;
	return e->sent[seq % ELECT_SENT];
}

mono_t
elect_silence(const struct elect *e, mono_t now)
{
	mono_t from = e->heard > e->quiet_from ? e->heard : e->quiet_from;

	return now - from;
}

/*
 * `dead` is for a machine that sends its beats on time.  One that is busy sends some of them late, and to take it for
 * dead because of it helps nobody: each gap beyond two beats is remembered for some seconds and doubles its excess
 * into the patience.  More patience is always safe (the lease of the active is shorter than `dead`), and it has a bound,
 * because the active goes on alone when a living twin would have promoted: elect_switch.c.
 *
 * A kernel that refuses our heartbeats, beside a mirror connection that stands, is a node whose elector alone has died:
 * it is being started again, and its workers' lease is shorter than our patience with it.
 */
#define PATIENCE_BEATS 8
#define GAP_MEMORY 256 /* beats */

mono_t
elect_patience_most(const struct elect *e)
{
	return e->conf.dead + PATIENCE_BEATS * e->conf.heartbeat;
}

mono_t
elect_patience(const struct elect *e)
{
	mono_t excess = e->gap - 2 * e->conf.heartbeat;
	mono_t wanted = excess > 0 ? e->conf.dead + 2 * excess : e->conf.dead;

	if (e->heard && e->refused_at > e->heard && e->status.linked)
		return elect_patience_most(e);
	return wanted < elect_patience_most(e) ? wanted : elect_patience_most(e);
}

static void
note_gap(struct elect *e, mono_t now)
{
	mono_t gap = e->heard > e->quiet_from ? now - e->heard : 0;

	e->gap -= (e->gap - e->conf.heartbeat) / GAP_MEMORY;
	if (gap > e->gap)
		e->gap = gap < elect_patience_most(e) ? gap : elect_patience_most(e);
}

mono_t
elect_due(const struct elect *e)
{
	mono_t from = e->heard > e->quiet_from ? e->heard : e->quiet_from;

	if (e->role == ELECT_STANDBY)
		return elect_twin_active(e) ? from + elect_patience(e) : MONO_NEVER;
	if (e->role == ELECT_ACTIVE && e->conf.pair && !e->lapsed && !e->offering)
		return from + elect_quiet_after(e); /* the lease may end before the next tick: elect_lease.c */
	return MONO_NEVER;
}

bool
elect_twin_heard(const struct elect *e, mono_t now)
{
	return e->heard && now - e->heard < e->conf.dead && !e->goodbye;
}

bool
elect_twin_active(const struct elect *e)
{
	return e->twin.role == ELECT_ACTIVE || e->twin.role == ELECT_PROMOTING;
}

static bool
proven(const struct elect *e, mono_t now, const struct beat *b)
{
	mono_t sent = b->echo_boot == e->boot ? elect_sent_at(e, b->echo_seq) : 0;

	return sent && now - sent < e->conf.dead;
}

static bool
counts(struct elect *e, mono_t now, const struct beat *b)
{
	struct elect_path *path = &e->path[b->path];

	if (b->boot == e->twin.boot) {
		if (b->seq > path->seq) {
			path->seq = b->seq;
			path->heard = now;
		}
		if (b->seq > e->twin.seq)
			return true;
		e->count[ELECT_C_BEATS_DOUBLE]++;
		return false;
	}
	if (!proven(e, now, b)) {
		if (b->boot != e->new_boot || b->seq > e->new_seq)
			e->stranger_at = now;
		e->new_boot = b->boot;
		e->new_seq = b->seq;
		e->count[ELECT_C_BEATS_UNPROVEN]++;
		return false;
	}
	for (unsigned i = 0; i < CONF_PATHS; i++)
		e->path[i].seq = 0;
	path->seq = b->seq;
	path->heard = now;
	return true;
}

/*
 * A standby that slept for as long as an active waits for one before it goes on alone.  What lies in its sockets was said
 * before that, though it may say that we hold everything: only an answer to a beat sent since says it again.
 */
static void
disbelieve(struct beat *twin)
{
	twin->flags &= (uint16_t)~BEAT_WHOLE;
	if (twin->role == ELECT_PROMOTING)
		twin->role = ELECT_ACTIVE; /* it has had the time */
}

void
elect_twin_doubt(struct elect *e)
{
	disbelieve(&e->twin);
	e->awake_seq = e->seq + 1;
}

static void
doubt(struct elect *e)
{
	if (!e->awake_seq)
		return;
	if (e->twin.echo_boot == e->boot && e->twin.echo_seq >= e->awake_seq)
		e->awake_seq = 0;
	else
		disbelieve(&e->twin);
}

static void
note_ack(struct elect *e, const struct beat *b)
{
	if (b->echo_boot == e->boot && b->echo_seq <= e->seq && b->echo_seq > e->acked)
		e->acked = b->echo_seq;
}

/* A claim of this very moment, by a twin that we have heard all along and that does not hear us; while we serve. */
static bool
claimed_beside_us(const struct elect *e, mono_t now, bool was_passive)
{
	return was_passive && (e->twin.flags & BEAT_BLIND) && elect_holds_lease(e, now);
}

/* We were away, and the twin serves in an epoch below ours: it lost the number of it, and has gone on from an older store. */
static bool
served_meanwhile(const struct elect *e)
{
	return e->lapsed && e->twin.role == ELECT_ACTIVE && (e->twin.flags & BEAT_LEASE);
}

/* The twin's role and epoch against ours: a higher epoch wins, whatever its holder is doing, but for elect_outbid(). */
static void
weigh(struct elect *e, mono_t now, bool was_passive, struct elect_out *out)
{
	const struct beat *t = &e->twin;
	bool serving = e->role == ELECT_ACTIVE || e->role == ELECT_PROMOTING;

	if (t->epoch > e->top_epoch)
		e->top_epoch = t->epoch;
	if (serving && t->epoch > e->epoch) {
		if (claimed_beside_us(e, now, was_passive))
			elect_outbid(e, now, out);
		else
			elect_yield(e, now, t->epoch, "the twin has a higher epoch", out);
	} else if (e->role == ELECT_ACTIVE && t->epoch < e->epoch && served_meanwhile(e)) {
		elect_begin_anew(e, now, "the twin served while this node was away", out);
	}
	if (serving)
		return;
	if (t->epoch > e->epoch)
		e->epoch = t->epoch;
	if (e->role == ELECT_START && elect_twin_active(e))
		elect_become(e, now, ELECT_STANDBY, "the twin is active", out);
}

/* State-sync says where its store is now and then only; who is offered the role, or soon will be, wants to know at once. */
static void
ask_position(struct elect *e, mono_t now, struct elect_out *out)
{
	if (e->role != ELECT_STANDBY || !(e->twin.flags & (BEAT_OFFER | BEAT_RESTS)))
		return;
	if (e->status.position >= e->twin.offer_position) {
		elect_say_position(e, now, out);
		return;
	}
	e->order_at = 0;
	elect_order_send(e, now, out);
}

void
elect_say_position(struct elect *e, mono_t now, struct elect_out *out)
{
	if (e->role == ELECT_STANDBY && e->twin.flags & BEAT_RESTS && e->status.position >= e->twin.offer_position)
		elect_beat_send(e, now, out);
}

/*
 * Somebody with the pair's key speaks, and may not hear us: a path that works one way.  No reason to believe a word of
 * it, but none to begin service beside it either.
 */
bool
elect_stranger(const struct elect *e, mono_t now)
{
	return e->stranger_at && now - e->stranger_at < e->conf.dead;
}

/*
 * A standby waits for `dead`, and an active counts on it.  The longer of the two is longer than either lease, and both nodes
 * take it, so that two configurations that differ are a matter of time and not of two actives.
 */
static void
compare_times(struct elect *e, const struct beat *b, struct elect_out *out)
{
	const mono_t dead = b->dead_ms * MONO_MS, beat = b->heartbeat_ms * MONO_MS, lease = b->lease_ms * MONO_MS;
	const bool differ = dead && (dead != e->own_dead || beat != e->conf.heartbeat || lease != e->conf.lease);
	char detail[192] = "";

	e->conf.dead = dead > e->own_dead ? dead : e->own_dead;
	if (e->conf.probation < 2 * e->conf.dead)
		e->conf.probation = 2 * e->conf.dead;
	if (differ)
		snprintf(detail, sizeof detail, "%s: %u, %u, %u ms; here: %lld, %lld, %lld ms", b->node, b->heartbeat_ms, b->lease_ms,
			 b->dead_ms, (long long)(e->conf.heartbeat / MONO_MS), (long long)(e->conf.lease / MONO_MS),
			 (long long)(e->own_dead / MONO_MS));
	elect_alarm_set(e, out, ELECT_ALARM_TIMES_DIFFER, differ, detail);
}

void
elect_hear(struct elect *e, mono_t now, const struct beat *b, struct elect_out *out)
{
	uint8_t role_before = e->twin.role;
	bool first = !e->heard || b->boot != e->twin.boot;
	bool silent = !e->heard || now - e->heard >= e->conf.dead;
	bool was_passive = !first && !silent && role_before <= ELECT_STANDBY;

	if (!e->conf.pair || b->path >= e->conf.paths)
		return;
	if (b->side == e->conf.side || strcmp(b->node, e->conf.node) == 0) {
		e->count[ELECT_C_BEATS_FOREIGN]++;
		if (b->boot != e->boot) /* not our own, reflected */
			elect_alarm_set(e, out, ELECT_ALARM_SAME_SIDE, true, b->node);
		return;
	}
	if (!counts(e, now, b))
		return;
	e->count[ELECT_C_BEATS_HEARD]++;
	compare_times(e, b, out);
	note_gap(e, now);
	e->twin = *b;
	doubt(e);
	e->heard = now;
	elect_lease_shared(e, now, out);
	e->goodbye = b->flags & BEAT_GOODBYE;
	e->forced = false;
	if (b->boot == e->new_boot)
		e->new_boot = 0;
	elect_alarm_set(e, out, ELECT_ALARM_SAME_SIDE, false, NULL);
	note_ack(e, b);
	if (first)
		elect_note(e, out, NOTE_INFO, "twin heard node=%s role=%s epoch=%llu", b->node,
			   elect_role_name(b->role), (unsigned long long)b->epoch);
	weigh(e, now, was_passive, out);
	if (b->role == ELECT_ACTIVE)
		elect_handed_end(e, now, out);
	if (e->holding && (silent || role_before == ELECT_ACTIVE) && b->role != ELECT_ACTIVE)
		out->addresses(out, true); /* it held them beside us, or may have: whoever believed it hears us again */
	elect_lease_acked(e, now, out);
	elect_lease_beside(e, now, out);
	ask_position(e, now, out);
	elect_switch_tick(e, now, out);
	elect_role_tick(e, now, out);
	if (first || role_before != b->role)
		elect_beat_send(e, now, out); /* it waits for our echo */
}

static void
path_tick(struct elect *e, mono_t now, struct elect_path *p)
{
	mono_t from = p->heard > e->quiet_from ? p->heard : e->quiet_from;

	p->down = now - from > 10 * e->conf.dead;
	if (p->heard && now - p->heard < e->conf.dead)
		p->down = false;
}

void
elect_paths_tick(struct elect *e, mono_t now, struct elect_out *out)
{
	bool some = false, heard = elect_twin_heard(e, now);
	bool silent = e->conf.pair && elect_silence(e, now) > 3 * e->conf.dead;

	for (unsigned i = 0; i < e->conf.paths; i++) {
		path_tick(e, now, &e->path[i]);
		some |= e->path[i].down;
	}
	elect_alarm_set(e, out, ELECT_ALARM_PATH_DOWN, some && heard, NULL);
	elect_alarm_set(e, out, ELECT_ALARM_TWIN_SILENT, silent || e->goodbye, e->goodbye ? "it said goodbye" : NULL);
}
