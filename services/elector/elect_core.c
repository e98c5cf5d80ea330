// SPDX-License-Identifier: Apache-2.0
/*
 * The elector's door: an event comes in, the files beside this one decide, and what they decided goes out.
 *
 *   elect_twin.c    is the twin there, is this heartbeat new, what has it heard of us
 *   elect_lease.c   until when may this node send
 *   elect_role.c    start, standby, promoting, active
 *   elect_switch.c  planned switchover, leaving, letting state-sync go on alone
 *
 * After every event the same three things are made to agree with the state: the order to state-sync, the
 * published lease, and, on a tick, the heartbeat.
 */
#include "elect_impl.h"

#include <stdarg.h>
#include <stdio.h>

#define ORDER_EVERY (100 * MONO_MS)

const struct alarm_info elect_alarm_info[ELECT_ALARMS] = {
#define X(NAME, HAPPENED, MEANS, TODO) { #NAME, HAPPENED, MEANS, TODO },
#include "alarms.def"
#undef X
};

const struct counter_info elect_counter_info[ELECT_COUNTERS] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "counters.def"
#undef X
};

const char *
elect_role_name(enum elect_role r)
{
	static const char *const names[ELECT_ROLES] = { "start", "standby", "promoting", "active" };

	return r < ELECT_ROLES ? names[r] : "?";
}

void
elect_note(struct elect *e, struct elect_out *out, enum note_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	out->note(out, level, line);
}

void
elect_alarm_set(struct elect *e, struct elect_out *out, enum elect_alarm a, bool stands, const char *detail)
{
	if (e->alarm[a] == stands)
		return;
	e->alarm[a] = stands;
	out->alarm(out, a, stands, detail ? detail : "");
}

static uint16_t
beat_flags(const struct elect *e, mono_t now)
{
	bool active = e->role == ELECT_ACTIVE;
	uint16_t f = 0;

	if (active && e->whole)
		f |= BEAT_WHOLE;
	if (elect_sync_up(e, now) && e->status.ready)
		f |= BEAT_READY;
	if (elect_sync_up(e, now) && e->status.empty)
		f |= BEAT_EMPTY;
	if (elect_holds_lease(e, now))
		f |= BEAT_LEASE;
	if (active && e->offering && now >= e->until)
		f |= BEAT_OFFER;
	if (active && e->quiescing && e->resting && !e->offering)
		f |= BEAT_RESTS;
	if (e->leaving && !active)
		f |= BEAT_GOODBYE;
	if (e->blind && (active || e->role == ELECT_PROMOTING) && now >= e->grant_until)
		f |= BEAT_BLIND;
	if (e->conf.preferred)
		f |= BEAT_PREFERRED;
	if (e->conf.policy == POLICY_PREFER_SAFETY)
		f |= BEAT_SAFETY;
	return f;
}

/* Every other beat answers a life of the twin that has not proved itself: see elect_hear. */
void
elect_beat_send(struct elect *e, mono_t now, struct elect_out *out)
{
	struct beat b = { .side = e->conf.side, .role = (uint8_t)e->role, .boot = e->boot };
	bool stranger;

	if (!e->conf.pair)
		return;
	b.seq = ++e->seq;
	e->sent[b.seq % ELECT_SENT] = now;
	e->told = e->role;
	b.flags = beat_flags(e, now);
	stranger = e->new_boot && (e->twin.boot == 0 || b.seq % 2);
	b.echo_boot = stranger ? e->new_boot : e->twin.boot;
	b.echo_seq = stranger ? e->new_seq : e->twin.seq;
	b.epoch = e->epoch;
	b.store_epoch = e->status.store_epoch;
	b.position = e->status.position;
	b.lineage = e->status.lineage;
	b.offer_position = e->offer_position;
	b.heartbeat_ms = (uint32_t)(e->conf.heartbeat / MONO_MS);
	b.lease_ms = (uint32_t)(e->conf.lease / MONO_MS);
	b.dead_ms = (uint32_t)(e->own_dead / MONO_MS);
	snprintf(b.node, sizeof b.node, "%s", e->conf.node);
	e->count[ELECT_C_BEATS_SENT]++;
	out->beat(out, &b);
}

void
elect_lease_publish(struct elect *e, struct elect_out *out)
{
	bool active = e->role == ELECT_ACTIVE && !e->offering;

	out->lease(out, e->epoch, active, active ? e->until : 0);
}

void
elect_addresses(struct elect *e, struct elect_out *out, bool hold)
{
	if (e->holding == hold)
		return;
	e->holding = hold;
	out->addresses(out, hold);
}

/* A standby is told `stale` only by an active that says so: silence is no evidence. */
static struct elect_order
order_wanted(const struct elect *e)
{
	struct elect_order o = { .epoch = e->epoch, .alone = e->alone };

	o.active = e->role == ELECT_ACTIVE || e->role == ELECT_PROMOTING;
	o.fresh = e->role == ELECT_PROMOTING;
	o.vouched = o.fresh && e->vouched;
	o.blind = o.fresh && e->blind;
	o.quiesce = o.active && (e->quiescing || e->offering);
	o.force = o.active && e->force_store;
	o.stale = e->role == ELECT_STANDBY && elect_twin_active(e) && e->twin.role == ELECT_ACTIVE &&
		  !(e->twin.flags & BEAT_WHOLE);
	return o;
}

void
elect_order_send(struct elect *e, mono_t now, struct elect_out *out)
{
	struct elect_order o = order_wanted(e), *was = &e->order;
	bool same = o.active == was->active && o.quiesce == was->quiesce && o.fresh == was->fresh && o.force == was->force &&
		    o.stale == was->stale && o.epoch == was->epoch && o.alone == was->alone && o.vouched == was->vouched &&
		    o.blind == was->blind;

	if (e->handed || (same && now - e->order_at < ORDER_EVERY))
		return;
	e->order = o;
	e->order_at = now;
	out->order(out, &o);
}

void
elect_init(struct elect *e, const struct elect_conf *conf, mono_t now, uint64_t boot,
	   const struct elect_saved *saved)
{
	*e = (struct elect){ .conf = *conf, .boot = boot, .started = now, .last_tick = now,
			     .role_since = now, .quiet_from = now, .sync_since = now };
	e->own_dead = conf->dead;
	if (!saved || saved->role >= ELECT_ROLES || !saved->boot)
		return;
	if (saved->dead > conf->dead && saved->dead <= BEAT_DEAD_MAX * MONO_MS)
		e->conf.dead = saved->dead; /* the twin's, until it says otherwise */
	e->boot = saved->boot;
	e->seq = saved->seq + ELECT_SENT; /* what was sent when is not known any more */
	e->floor_seq = e->seq;
	e->epoch = saved->epoch;
	e->top_epoch = saved->top_epoch > saved->epoch ? saved->top_epoch : saved->epoch;
	e->role = saved->role;
	e->promote_from = now;
	e->heard_before = saved->heard;
	if (e->role == ELECT_STANDBY && saved->twin_active) {
		/* So long without our beats, the twin may have gone on alone: its word of then counts no more. */
		bool fresh = now - saved->heard < conf->dead;
		e->twin.role = ELECT_ACTIVE;
		e->twin.epoch = saved->epoch;
		e->twin.flags = saved->whole && fresh ? BEAT_WHOLE : 0;
	}
	if (e->role == ELECT_PROMOTING)
		e->role = ELECT_START; /* nothing was revealed under its epoch, and what it was decided upon may have changed */
	if (e->role != ELECT_ACTIVE)
		return;
	e->whole = saved->whole;
	e->until = saved->until < now + conf->lease ? saved->until : now + conf->lease;
	e->lapsed = e->until <= now;
	e->overtaken = e->lapsed && e->whole;
	e->offering = saved->offering;
	e->switch_from = now;
}

void
elect_conf_set(struct elect *e, const struct elect_conf *conf)
{
	mono_t longer = e->conf.dead;

	e->conf = *conf;
	e->own_dead = conf->dead;
	if (longer > conf->dead)
		e->conf.dead = longer; /* the twin's next heartbeat says whether it still is */
}

void
elect_saved_take(const struct elect *e, struct elect_saved *out)
{
	*out = (struct elect_saved){
		.role = (uint8_t)e->role,
		.whole = e->role == ELECT_ACTIVE ? elect_twin_may_be_whole(e) : (e->twin.flags & BEAT_WHOLE) != 0,
		.offering = e->offering,
		.twin_active = elect_twin_active(e),
		.epoch = e->epoch,
		.top_epoch = e->top_epoch,
		.boot = e->boot,
		.seq = e->seq,
		.until = e->role == ELECT_ACTIVE && !e->offering ? e->until : 0,
		.heard = e->heard ? e->heard : e->heard_before,
		.dead = e->conf.dead,
	};
}

bool
elect_holds_lease(const struct elect *e, mono_t now)
{
	return e->role == ELECT_ACTIVE && !e->offering && now < e->until;
}

/*
 * We did not run for a while.  What we did not hear meanwhile says nothing about the twin, so its silence
 * is counted anew.  (Our own lease needs no care: it ended by the clock.)  An active whose standby was that long silent
 * may have gone on alone.
 */
static void
notice_stall(struct elect *e, mono_t now, struct elect_out *out)
{
	mono_t limit = e->conf.dead / 2 > 3 * e->conf.heartbeat ? e->conf.dead / 2 : 3 * e->conf.heartbeat;

	if (now - e->last_tick <= limit)
		return;
	e->quiet_from = now;
	e->slept = e->role == ELECT_PROMOTING;
	if (e->role == ELECT_STANDBY && now - e->last_tick >= elect_patience_most(e))
		elect_twin_doubt(e);
	e->count[ELECT_C_STALLS]++;
	elect_note(e, out, NOTE_WARN, "stalled ms=%lld", (long long)((now - e->last_tick) / MONO_MS));
	e->last_tick = now;
}

static void
tick(struct elect *e, mono_t now, struct elect_out *out)
{
	e->lone += now - e->last_tick; /* of a stall: nothing, see notice_stall() */
	e->last_tick = now;
	elect_paths_tick(e, now, out);
	elect_lease_tick(e, now, out);
	elect_switch_tick(e, now, out);
	elect_role_tick(e, now, out);
	elect_alone_tick(e, now, out);
	elect_beat_send(e, now, out);
	elect_lease_publish(e, out);
}

static void
hear_sync(struct elect *e, mono_t now, const struct elect_status *s, struct elect_out *out)
{
	if (!e->status_at)
		e->sync_since = now;
	e->status = *s;
	e->status_at = now;
	if (s->seen_epoch > e->top_epoch)
		e->top_epoch = s->seen_epoch;
	if (s->epoch > e->top_epoch)
		e->top_epoch = s->epoch;
	/* State-sync obeys no epoch below one that it has seen; who serves under less has to hear of it. */
	if ((e->role == ELECT_START || e->role == ELECT_STANDBY) && e->top_epoch > e->epoch)
		e->epoch = e->top_epoch;
	elect_say_position(e, now, out);
	elect_switch_tick(e, now, out);
	elect_role_tick(e, now, out);
	elect_alone_tick(e, now, out);
}

static void
sync_gone(struct elect *e, mono_t now)
{
	if (e->status_at)
		e->count[ELECT_C_SYNC_LOST]++;
	e->status_at = 0;
	e->sync_since = now;
}

void
elect_step(struct elect *e, mono_t now, const struct elect_event *ev, struct elect_out *out)
{
	enum elect_role before = e->role;

	notice_stall(e, now, out); /* first of all: whatever woke us, it must not find the twin silent for so long */
	switch (ev->kind) {
	case ELECT_TICK:
		tick(e, now, out);
		break;
	case ELECT_DUE:
		if (e->role == ELECT_ACTIVE) {
			elect_lease_tick(e, now, out);
			elect_lease_publish(e, out);
			break;
		}
		elect_role_tick(e, now, out);
		break;
	case ELECT_BEAT:
		elect_hear(e, now, ev->beat, out);
		break;
	case ELECT_REFUSED:
		e->refused_at = now;
		break;
	case ELECT_STATUS:
		hear_sync(e, now, ev->status, out);
		break;
	case ELECT_SYNC_GONE:
		sync_gone(e, now);
		break;
	case ELECT_SWITCHOVER:
		elect_switch_command(e, now, ev->ticket, out);
		break;
	case ELECT_PROMOTE:
	case ELECT_GRANT:
	case ELECT_DENY:
		elect_role_command(e, now, ev, out);
		break;
	case ELECT_LEAVE:
		elect_leave(e, now, out);
		break;
	}
	elect_order_send(e, now, out);
	if (e->role != before) {
		elect_lease_publish(e, out);
		if ((ev->kind != ELECT_TICK || before == ELECT_ACTIVE) && e->told != e->role)
			elect_beat_send(e, now, out);
	}
}
