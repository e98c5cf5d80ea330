// SPDX-License-Identifier: Apache-2.0
/*
 * The elector's core: tapes for its rules, and two of them wired through a network that loses, delays and
 * parts, with pauses and restarts, under a seed; asserted at every step: no epoch has two holders, and with
 * prefer-safety no moment has two leases.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "elect_impl.h"

#define MS MONO_MS

/* --- a tape -------------------------------------------------------------------------------------------- */

struct tape {
	struct elect_out out; /* first */
	struct beat beat;
	unsigned beats;
	bool lease_active;
	uint64_t lease_epoch;
	mono_t lease_until;
	struct elect_order order;
	unsigned orders;
	bool hold;
	unsigned holds;
	bool alarm[ELECT_ALARMS];
	uint64_t answered;
	bool answer_ok;
	char answer[128];
};

#define T(o) ((struct tape *)(o))

static void
on_beat(struct elect_out *o, const struct beat *b)
{
	T(o)->beat = *b;
	T(o)->beats++;
}

static void
on_lease(struct elect_out *o, uint64_t epoch, bool active, mono_t until)
{
	T(o)->lease_epoch = epoch;
	T(o)->lease_active = active;
	T(o)->lease_until = active ? until : 0;
}

static void
on_order(struct elect_out *o, const struct elect_order *order)
{
	T(o)->order = *order;
	T(o)->orders++;
}

static void
on_addresses(struct elect_out *o, bool hold)
{
	T(o)->hold = hold;
	T(o)->holds++;
}

static void
on_alarm(struct elect_out *o, enum elect_alarm a, bool stands, const char *detail)
{
	T(o)->alarm[a] = stands;
}

static void
on_note(struct elect_out *o, enum note_level level, const char *line)
{
	if (getenv("TWIN_TEST_NOTES"))
		fprintf(stderr, "%p %s\n", (void *)o, line);
}

static void
on_answer(struct elect_out *o, uint64_t ticket, bool ok, const char *text)
{
	T(o)->answered = ticket;
	T(o)->answer_ok = ok;
	snprintf(T(o)->answer, sizeof T(o)->answer, "%s", text);
}

static const struct elect_out outs = { on_beat, on_lease, on_order, on_addresses, on_alarm, on_note, on_answer };

static struct elect_conf
conf(const char *name, unsigned side, enum conf_policy policy)
{
	struct elect_conf c = { .side = (uint8_t)side, .pair = true, .preferred = side == 0, .policy = policy,
				.paths = 2, .heartbeat = 10 * MS, .dead = 60 * MS, .lease = 40 * MS,
				.start_wait = 1000 * MS, .sync_dead = 2000 * MS, .handover_wait = 250 * MS,
				.probation = 120 * MS };

	snprintf(c.node, sizeof c.node, "%s", name);
	return c;
}

/* --- one node by hand --------------------------------------------------------------------------------------- */

struct node {
	struct elect e;
	struct tape t;
	struct elect_status s;
	mono_t now;
	uint64_t twin_seq;
};

static struct node
node_new(unsigned side, enum conf_policy policy)
{
	struct node n = { .now = 1000 * MS };
	struct elect_conf c = conf(side ? "b" : "a", side, policy);

	n.t.out = outs;
	n.s = (struct elect_status){ .ready = true, .empty = true };
	elect_init(&n.e, &c, n.now, 77 + side, NULL);
	return n;
}

static void
step(struct node *n, const struct elect_event *ev)
{
	elect_step(&n->e, n->now, ev, &n->t.out);
}

static void
status(struct node *n)
{
	step(n, &(struct elect_event){ .kind = ELECT_STATUS, .status = &n->s });
}

/* state-sync obeys at once. */
static void
tick(struct node *n)
{
	n->now += 10 * MS;
	step(n, &(struct elect_event){ .kind = ELECT_TICK });
	n->s.active = n->t.order.active;
	n->s.epoch = n->t.order.epoch;
	status(n);
}

static void
ticks(struct node *n, unsigned count)
{
	while (count--)
		tick(n);
}

static struct beat
twin_beat(struct node *n, enum elect_role role, uint64_t epoch, unsigned flags)
{
	struct beat b = { .side = !n->e.conf.side, .role = (uint8_t)role, .flags = (uint16_t)flags, .boot = 500,
			  .seq = ++n->twin_seq, .echo_boot = n->e.boot, .echo_seq = n->e.seq, .epoch = epoch };

	snprintf(b.node, sizeof b.node, "twin");
	return b;
}

static void
hear(struct node *n, struct beat b)
{
	step(n, &(struct elect_event){ .kind = ELECT_BEAT, .beat = &b });
}

/* An active node whose twin is standby, whole and answering. */
static struct node
active_mirrored(enum conf_policy policy)
{
	struct node n = node_new(0, policy);

	n.s.empty = false;
	n.s.position = 10;
	tick(&n);
	for (int i = 0; i < 10; i++) {
		hear(&n, twin_beat(&n, i ? ELECT_STANDBY : ELECT_START, n.e.epoch, BEAT_READY));
		tick(&n);
	}
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	n.s.mirrored = true;
	status(&n);
	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
	ck_assert(n.e.whole);
	ck_assert(elect_holds_lease(&n.e, n.now));
	return n;
}

/* A standby whose twin is active in epoch 3 (side 1). */
static struct node
standby_whole(enum conf_policy policy)
{
	struct node n = node_new(0, policy);

	n.s.empty = false;
	n.s.mirrored = true;
	tick(&n);
	for (int i = 0; i < 5; i++) {
		hear(&n, twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_LEASE));
		tick(&n);
	}
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ck_assert(!n.t.hold);
	return n;
}

START_TEST(a_node_without_pair_is_active_at_once)
{
	struct node n = node_new(0, POLICY_PREFER_SERVICE);

	n.e.conf.pair = false;
	tick(&n);
	tick(&n);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert(n.t.hold);
	n.now += 10 * MONO_S; /* a stall: nobody else can have taken over */
	tick(&n);
	ck_assert(elect_holds_lease(&n.e, n.now));
}
END_TEST

START_TEST(alone_at_start_it_waits_and_then_serves)
{
	struct node n = node_new(1, POLICY_PREFER_SERVICE);

	ticks(&n, 99);
	ck_assert_int_eq(n.e.role, ELECT_START);
	ticks(&n, 3);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert_uint_eq(n.e.epoch, 3); /* count 1, side 1 */
}
END_TEST

START_TEST(alone_at_start_with_prefer_safety_it_waits_for_somebody)
{
	struct node n = node_new(1, POLICY_PREFER_SAFETY);

	ticks(&n, 400);
	ck_assert_int_eq(n.e.role, ELECT_START);
	ck_assert(n.t.alarm[ELECT_ALARM_WAITING]);
	step(&n, &(struct elect_event){ .kind = ELECT_GRANT, .ttl = 500 * MS, .ticket = 9 });
	ck_assert_uint_eq(n.t.answered, 9);
	ticks(&n, 2);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert(elect_holds_lease(&n.e, n.now));
	ticks(&n, 60);
	ck_assert(!elect_holds_lease(&n.e, n.now)); /* the grant is over */
}
END_TEST

START_TEST(a_standby_store_known_to_be_old_waits_longer)
{
	struct node n = node_new(0, POLICY_PREFER_SERVICE);

	n.s.empty = false;
	ticks(&n, 290);
	ck_assert_int_eq(n.e.role, ELECT_START);
	ticks(&n, 15);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert(n.t.alarm[ELECT_ALARM_STALE_PROMOTION]);
	n.s.mirrored = true; /* what there is is held twice again */
	ticks(&n, 2);
	ck_assert(!n.t.alarm[ELECT_ALARM_STALE_PROMOTION]);
}
END_TEST

START_TEST(the_store_that_is_ahead_wins_at_start)
{
	struct node n = node_new(0, POLICY_PREFER_SERVICE); /* preferred, but behind */

	n.s = (struct elect_status){ .ready = true, .position = 5, .store_epoch = 2 };
	tick(&n);
	for (int i = 0; i < 10; i++) {
		struct beat b = twin_beat(&n, ELECT_START, 3, BEAT_READY);
		b.position = 6;
		b.store_epoch = 2;
		hear(&n, b);
		tick(&n);
	}
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
}
END_TEST

START_TEST(a_tie_at_start_goes_to_the_preferred)
{
	struct node n = node_new(0, POLICY_PREFER_SERVICE);

	tick(&n);
	for (int i = 0; i < 6; i++) {
		hear(&n, twin_beat(&n, ELECT_START, 0, BEAT_READY | BEAT_EMPTY));
		tick(&n);
	}
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
}
END_TEST

START_TEST(a_silent_active_is_replaced_after_dead_and_not_before)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	mono_t heard = n.e.heard;

	while (n.e.role == ELECT_STANDBY)
		tick(&n);
	ck_assert_int_ge(n.now - heard, 60 * MS);
	ck_assert_int_le(n.now - heard, 70 * MS);
	ck_assert(n.t.hold); /* addresses beside the promotion */
	ck_assert(n.t.order.active);
	ck_assert_uint_eq(n.t.order.epoch, 4); /* above 3, and of our side */
	tick(&n);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert(elect_holds_lease(&n.e, n.now));
}
END_TEST

/* The shell is woken at elect_due(), wherever its own heartbeat stands. */
START_TEST(a_promotion_does_not_wait_for_our_own_heartbeat)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);

	ticks(&n, 4);
	ck_assert_int_eq(elect_due(&n.e), n.e.heard + 60 * MS);
	n.now = elect_due(&n.e) - 1;
	step(&n, &(struct elect_event){ .kind = ELECT_DUE });
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	n.now++;
	step(&n, &(struct elect_event){ .kind = ELECT_DUE });
	ck_assert_int_eq(n.e.role, ELECT_PROMOTING);
	ck_assert_int_eq(elect_due(&n.e), MONO_NEVER);
}
END_TEST

START_TEST(a_twin_whose_beats_come_unevenly_is_waited_for_longer)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);

	ticks(&n, 4);
	hear(&n, twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_LEASE)); /* 40 ms: two beats more than it should */
	ck_assert_int_gt(elect_patience(&n.e), 90 * MS);
	ck_assert_int_le(elect_patience(&n.e), elect_patience_most(&n.e));
	for (int i = 0; i < 2000; i++) {
		tick(&n);
		hear(&n, twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_LEASE));
	}
	ck_assert_int_eq(elect_patience(&n.e), 60 * MS);
}
END_TEST

/* Refused by its kernel beside a mirror that stands: only its elector is dead, and comes back. */
START_TEST(a_refusal_beside_a_mirror_that_stands_is_patience)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);

	n.s.linked = true;
	status(&n);
	tick(&n);
	step(&n, &(struct elect_event){ .kind = ELECT_REFUSED });
	ck_assert_int_eq(elect_patience(&n.e), elect_patience_most(&n.e));
	hear(&n, twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_LEASE));
	ck_assert_int_eq(elect_patience(&n.e), 60 * MS);
	tick(&n);
	step(&n, &(struct elect_event){ .kind = ELECT_REFUSED });
	n.s.linked = false; /* its state-sync died as well */
	status(&n);
	ck_assert_int_eq(elect_patience(&n.e), 60 * MS);
}
END_TEST

START_TEST(with_prefer_safety_a_silent_active_is_not_replaced)
{
	struct node n = standby_whole(POLICY_PREFER_SAFETY);

	ticks(&n, 100);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ck_assert(n.t.alarm[ELECT_ALARM_WAITING]);
	step(&n, &(struct elect_event){ .kind = ELECT_PROMOTE, .ticket = 1 });
	ck_assert(n.t.answer_ok);
	ticks(&n, 2);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert(elect_holds_lease(&n.e, n.now));
}
END_TEST

/* The twin's lease may be as long as its dead time says: ours alone would promote beside it. */
START_TEST(where_times_differ_the_longer_dead_counts_on_both_and_an_alarm_says_so)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE), m;
	struct elect_conf c = n.e.conf;
	struct elect_saved saved;
	struct beat b = twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_LEASE);

	b.heartbeat_ms = 10;
	b.lease_ms = 40;
	b.dead_ms = 60;
	hear(&n, b);
	ck_assert(!n.t.alarm[ELECT_ALARM_TIMES_DIFFER]);
	b.seq = ++n.twin_seq;
	b.lease_ms = 200;
	b.dead_ms = 300;
	hear(&n, b);
	ck_assert(n.t.alarm[ELECT_ALARM_TIMES_DIFFER]);
	ticks(&n, 29);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	elect_saved_take(&n.e, &saved);
	m = n;
	elect_init(&m.e, &c, m.now, 1, &saved); /* and the elector that comes after it knows */
	ck_assert_int_eq(elect_patience(&m.e), 300 * MS);
	tick(&n);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert_uint_eq(n.t.beat.dead_ms, 60); /* or each would follow the other for ever */
	b.seq = ++n.twin_seq;
	b.lease_ms = 40;
	b.dead_ms = 60;
	hear(&n, b);
	ck_assert(!n.t.alarm[ELECT_ALARM_TIMES_DIFFER]);
	ck_assert_int_eq(n.e.conf.dead, 60 * MS);
}
END_TEST

START_TEST(a_standby_that_is_not_whole_does_not_promote)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);

	hear(&n, twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY));
	ck_assert(n.t.order.stale);
	ticks(&n, 100);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ck_assert(n.t.alarm[ELECT_ALARM_NOT_PROMOTABLE]);
	hear(&n, twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY));
	ticks(&n, 1);
	ck_assert(!n.t.alarm[ELECT_ALARM_NOT_PROMOTABLE]);
	ticks(&n, 100);
	ck_assert(n.t.alarm[ELECT_ALARM_NOT_PROMOTABLE]);
	step(&n, &(struct elect_event){ .kind = ELECT_PROMOTE, .ticket = 1 });
	ck_assert(!n.t.answer_ok);
	step(&n, &(struct elect_event){ .kind = ELECT_PROMOTE, .ticket = 2, .force = true });
	ck_assert(n.t.answer_ok);
	ck_assert(n.t.alarm[ELECT_ALARM_STALE_PROMOTION]);
}
END_TEST

START_TEST(a_standby_that_slept_counts_silence_anew)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);

	n.now += 100 * MS; /* no active goes on alone that soon */
	tick(&n);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ticks(&n, 4);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ticks(&n, 4);
	ck_assert_int_ne(n.e.role, ELECT_STANDBY);
	ck_assert(n.e.vouched);
}
END_TEST

/* While it slept the active may have gone on alone, and what lies in the sockets was said before that. */
START_TEST(a_standby_that_slept_long_believes_only_what_answers_it)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	struct beat old = twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_LEASE), now;

	old.echo_seq = n.e.seq;
	n.now += 5 * MONO_S;
	if (_i == 0) { /* an event comes before the tick */
		hear(&n, old);
		tick(&n);
	} else {
		tick(&n);
		hear(&n, old);
	}
	ticks(&n, 30);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ck_assert(n.t.alarm[ELECT_ALARM_NOT_PROMOTABLE]);
	now = twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_LEASE);
	now.echo_seq = n.e.seq;
	hear(&n, now);
	ticks(&n, 8);
	ck_assert_int_ne(n.e.role, ELECT_STANDBY);
	ck_assert(n.e.vouched);
}
END_TEST

START_TEST(an_acknowledgement_buys_the_lease_from_its_sending)
{
	struct node n = active_mirrored(POLICY_PREFER_SAFETY);
	uint64_t seq = n.e.seq;
	mono_t sent = n.now;

	n.now += 7 * MS;
	struct beat b = twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY);
	b.echo_seq = seq;
	hear(&n, b);
	ck_assert_int_le(n.e.until, sent + 40 * MS);
	ck_assert(elect_holds_lease(&n.e, sent + 30 * MS));
}
END_TEST

START_TEST(prefer_service_bridges_a_standbys_death_without_a_gap)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	for (int i = 0; i < 50; i++) {
		tick(&n);
		ck_assert(elect_holds_lease(&n.e, n.now));
		ck_assert(elect_holds_lease(&n.e, n.now + 9 * MS)); /* up to the next tick */
	}
	ck_assert_uint_eq(n.e.count[ELECT_C_LEASE_LAPSES], 0);
}
END_TEST

/* Its last beat answered one of ours that was up to a beat and a half old; whether it is silent shows between two ticks. */
START_TEST(prefer_service_leaves_no_gap_at_any_phase_of_the_beats)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	mono_t tick_at = n.now + 10 * MS, end;

	n.now += _i * MS;
	while (tick_at <= n.now) {
		mono_t at = n.now;
		n.now = tick_at - 10 * MS;
		tick(&n);
		n.now = at;
		tick_at += 10 * MS;
	}
	hear(&n, (struct beat){ .side = 1, .role = ELECT_STANDBY, .flags = BEAT_READY, .boot = 500, .seq = ++n.twin_seq, .node = "twin",
				.echo_boot = n.e.boot, .echo_seq = n.e.acked, .epoch = n.e.epoch });
	for (end = n.now + MONO_S; n.now < end; n.now += MS) {
		ck_assert(elect_holds_lease(&n.e, n.now));
		if (n.now >= tick_at) {
			step(&n, &(struct elect_event){ .kind = ELECT_TICK });
			tick_at += 10 * MS;
		} else if (n.now >= elect_due(&n.e)) {
			step(&n, &(struct elect_event){ .kind = ELECT_DUE });
		}
	}
	ck_assert_uint_eq(n.e.count[ELECT_C_LEASE_LAPSES], 0);
}
END_TEST

START_TEST(prefer_safety_stops_when_the_twin_is_silent)
{
	struct node n = active_mirrored(POLICY_PREFER_SAFETY);

	ticks(&n, 5);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	ticks(&n, 10);
	ck_assert(n.t.alarm[ELECT_ALARM_WAITING]);
	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert(!n.t.alarm[ELECT_ALARM_WAITING]);
}
END_TEST

START_TEST(prefer_safety_goes_on_after_a_goodbye)
{
	struct node n = active_mirrored(POLICY_PREFER_SAFETY);

	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY | BEAT_GOODBYE));
	for (int i = 0; i < 50; i++) {
		tick(&n);
		ck_assert(elect_holds_lease(&n.e, n.now));
	}
}
END_TEST

START_TEST(a_deaf_twin_ends_the_lease)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	uint64_t seq = n.e.seq;

	for (int i = 0; i < 8; i++) {
		struct beat b = twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY);
		b.echo_seq = seq;
		hear(&n, b);
		tick(&n);
	}
	ck_assert(!elect_holds_lease(&n.e, n.now));
}
END_TEST

/* Every path was cut for less than a twin waits; now it speaks, and may not hear: it promotes when it always would have. */
START_TEST(what_a_lone_active_gave_itself_ends_before_a_deaf_twin_promotes)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	mono_t sent = elect_sent_at(&n.e, n.e.acked);
	struct beat b;

	while (elect_silence(&n.e, n.now) < elect_quiet_after(&n.e))
		step(&n, &(struct elect_event){ .kind = (n.now += MS) % (10 * MS) ? ELECT_DUE : ELECT_TICK });
	step(&n, &(struct elect_event){ .kind = ELECT_DUE });
	ck_assert_int_gt(n.e.until, sent + n.e.conf.dead); /* it took the twin for dead */
	b = twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY);
	b.echo_seq = n.e.acked;
	hear(&n, b);
	ck_assert_int_lt(n.e.until, sent + n.e.conf.dead);
	ck_assert(elect_holds_lease(&n.e, n.now));
	b = twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY);
	hear(&n, b); /* no, it hears us */
	ck_assert_int_gt(n.e.until, n.now + n.e.conf.lease - 11 * MS);
}
END_TEST

/* A path that works one way: the active serves and cannot hear that this elector began anew.  Without a voice it is dead. */
START_TEST(an_elector_that_began_anew_does_not_take_over_from_who_speaks)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	struct elect_conf c = n.e.conf;
	struct elect_saved saved;
	struct beat b;

	elect_saved_take(&n.e, &saved);
	n.now += 20 * MS;
	elect_init(&n.e, &c, n.now, 77, &saved);
	for (int i = 0; i < 30; i++) {
		b = twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_LEASE);
		b.echo_seq = saved.seq;
		if (_i == 0)
			hear(&n, b);
		tick(&n);
	}
	ck_assert_int_eq(n.e.role == ELECT_STANDBY, _i == 0);
}
END_TEST

START_TEST(who_slept_longer_than_its_lease_listens_first)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	uint64_t epoch = n.e.epoch;

	n.s.mirrored = false;
	n.s.ask = 5; /* nobody else holds everything any more */
	ticks(&n, 30);
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert_uint_eq(n.t.order.alone, 5);
	n.now = n.e.until + 500 * MS;
	step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	ck_assert(!elect_holds_lease(&n.e, n.now));
	ck_assert(n.t.alarm[ELECT_ALARM_LEASE_LAPSED]);
	ticks(&n, 10);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	ck_assert(n.t.alarm[ELECT_ALARM_LEASE_LAPSED]);
	ticks(&n, 3); /* probation in silence */
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert(!n.t.alarm[ELECT_ALARM_LEASE_LAPSED]);
	ck_assert_uint_eq(n.e.epoch, epoch);
}
END_TEST

/* The twin had promoted, if it lived, and may be gone: its epoch was spoken under, so ours is over. */
START_TEST(who_slept_beside_a_whole_twin_waits_for_it_and_begins_an_epoch_above)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	uint64_t epoch = n.e.epoch;

	n.s.mirrored = false;
	n.t.holds = 0;
	n.now = n.e.until + (_i ? 5 : 500) * MS;
	step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	ticks(&n, 95);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ticks(&n, 10);
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert_uint_gt(n.e.epoch, (epoch | 1) + 2); /* above the one that the twin may have taken */
	ck_assert(n.e.blind && !n.e.vouched);
	ck_assert(n.t.alarm[ELECT_ALARM_STALE_PROMOTION]);
	ck_assert_uint_eq(n.t.holds, 1); /* the twin may have claimed them */
}
END_TEST

START_TEST(who_slept_long_goes_on_when_a_twin_that_did_not_promote_answers)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	uint64_t epoch = n.e.epoch;

	n.now += 500 * MS;
	step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	hear(&n, twin_beat(&n, ELECT_STANDBY, epoch, BEAT_READY));
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert_uint_eq(n.e.epoch, epoch);
}
END_TEST

/* It lost its store and the number of its epoch with its power, and began below us: what it said, our store does not have. */
START_TEST(a_twin_that_served_in_a_lower_epoch_meanwhile_means_a_new_one)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	uint64_t epoch;

	n.e.epoch = n.e.top_epoch = epoch = 10;
	tick(&n);
	n.now += 500 * MS;
	step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	hear(&n, twin_beat(&n, ELECT_ACTIVE, 5, BEAT_READY)); /* it has no lease: it says nothing to anybody */
	ck_assert_uint_eq(n.e.epoch, epoch);
	hear(&n, twin_beat(&n, ELECT_ACTIVE, 5, BEAT_READY | BEAT_LEASE));
	ck_assert_uint_gt(n.e.epoch, epoch);
	ck_assert(n.t.order.blind);
	tick(&n);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert(!elect_holds_lease(&n.e, n.now)); /* the twin has one */
	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
	ck_assert(elect_holds_lease(&n.e, n.now));
}
END_TEST

/* A path that works one way: the twin, which knows of no active, begins to serve, and we hear it. */
START_TEST(a_claim_made_beside_an_active_is_outbid)
{
	struct node n = node_new(0, POLICY_PREFER_SERVICE);
	uint64_t claim;

	n.s.empty = false;
	tick(&n);
	for (int i = 0; i < 10; i++) {
		hear(&n, twin_beat(&n, ELECT_START, 0, BEAT_READY));
		tick(&n);
	}
	ck_assert(elect_holds_lease(&n.e, n.now));
	claim = n.e.epoch + 1;
	n.t.holds = 0;
	hear(&n, twin_beat(&n, ELECT_PROMOTING, claim, BEAT_READY | (_i ? BEAT_BLIND : 0)));
	if (_i) {
		ck_assert_int_eq(n.e.role, ELECT_PROMOTING);
		ck_assert_uint_gt(n.e.epoch, claim);
		ck_assert(n.t.order.vouched && n.t.order.fresh && !n.t.order.blind);
		ck_assert_uint_eq(n.t.holds, 1); /* announced anew */
		tick(&n);
		ck_assert(elect_holds_lease(&n.e, n.now));
		hear(&n, twin_beat(&n, ELECT_ACTIVE, claim, BEAT_READY | BEAT_BLIND));
		ck_assert(elect_holds_lease(&n.e, n.now));
	} else {
		ck_assert_int_eq(n.e.role, ELECT_STANDBY); /* an operator, or everything it needs: it knows what it does */
	}
}
END_TEST

/* It has served for longer than we have heard it: neighbours and peers are with it now. */
START_TEST(a_claim_from_before_we_heard_each_other_is_not_outbid)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	n.s.mirrored = false;
	n.s.ask = 7;
	ticks(&n, 100);
	ck_assert(elect_holds_lease(&n.e, n.now));
	hear(&n, twin_beat(&n, ELECT_ACTIVE, n.e.epoch + 1, BEAT_READY | BEAT_BLIND));
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
}
END_TEST

START_TEST(who_begins_because_nobody_answers_says_so)
{
	struct node n = node_new(1, POLICY_PREFER_SERVICE);

	n.s.empty = false;
	ticks(&n, 99);
	n.e.grant_until = _i ? n.now + 100 * MONO_S : 0;
	while (n.e.role != ELECT_ACTIVE && n.now < 20 * MONO_S)
		tick(&n);
	tick(&n);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert_int_eq((n.t.beat.flags & BEAT_BLIND) != 0, !_i); /* an arbiter decided it */
}
END_TEST

START_TEST(who_slept_and_meets_a_higher_epoch_yields)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	n.now += 500 * MS;
	step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	hear(&n, twin_beat(&n, ELECT_ACTIVE, n.e.epoch + 1, BEAT_READY));
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ck_assert(!n.t.hold);
	ck_assert(!n.t.lease_active);
	ck_assert(!n.t.order.active);
}
END_TEST

/* Two were active, cut off from each other: when the other gives up, its neighbours have to learn who is left. */
START_TEST(addresses_are_announced_again_when_the_other_holder_yields)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	unsigned claimed;

	while (n.e.role != ELECT_ACTIVE)
		tick(&n);
	claimed = n.t.holds;
	hear(&n, twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY));
	ck_assert_uint_eq(n.t.holds, claimed);
	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
	ck_assert_uint_eq(n.t.holds, claimed + 1);
	ck_assert(n.t.hold);
	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
	ck_assert_uint_eq(n.t.holds, claimed + 1);
}
END_TEST

START_TEST(a_recording_of_an_old_life_counts_for_nothing)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	struct beat old = twin_beat(&n, ELECT_ACTIVE, 99, BEAT_READY | BEAT_WHOLE);

	old.boot = 400;
	old.echo_seq = 1;
	old.echo_boot = 12345;
	hear(&n, old);
	ck_assert_uint_eq(n.e.top_epoch, 3);
	ck_assert_uint_eq(n.e.count[ELECT_C_BEATS_UNPROVEN], 1);
	old = n.e.twin;
	hear(&n, old); /* and one of this life heard again */
	ck_assert_uint_ge(n.e.count[ELECT_C_BEATS_DOUBLE], 1);
}
END_TEST

START_TEST(our_own_side_is_an_error_of_configuration)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	struct beat b = twin_beat(&n, ELECT_ACTIVE, 8, 0);

	b.side = 0;
	hear(&n, b);
	ck_assert(n.t.alarm[ELECT_ALARM_SAME_SIDE]);
	ck_assert_uint_eq(n.e.top_epoch, 3);
	hear(&n, twin_beat(&n, ELECT_ACTIVE, 3, 0)); /* it is configured as it should be */
	ck_assert(!n.t.alarm[ELECT_ALARM_SAME_SIDE]);
}
END_TEST

START_TEST(a_switchover_quiesces_then_offers_then_yields)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	uint64_t epoch = n.e.epoch;

	step(&n, &(struct elect_event){ .kind = ELECT_SWITCHOVER, .ticket = 5 });
	ck_assert(n.t.order.quiesce);
	ck_assert(elect_holds_lease(&n.e, n.now)); /* packets flow while records come to rest */
	n.s.quiesced = true;
	n.s.position = 42;
	status(&n);
	ck_assert(elect_holds_lease(&n.e, n.now)); /* and until the twin's elector knows that it holds all of them */
	ck_assert_int_eq(n.t.beat.flags & (BEAT_RESTS | BEAT_OFFER), BEAT_RESTS);
	ck_assert_uint_eq(n.t.beat.offer_position, 42);
	struct beat there = twin_beat(&n, ELECT_STANDBY, epoch, BEAT_READY);
	there.position = 42;
	hear(&n, there);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	ck_assert(!n.t.hold);
	ck_assert_int_eq(n.t.beat.flags & (BEAT_RESTS | BEAT_OFFER), BEAT_OFFER);
	ck_assert_uint_eq(n.t.beat.offer_position, 42);
	hear(&n, twin_beat(&n, ELECT_PROMOTING, epoch + 3, BEAT_READY));
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ck_assert_uint_eq(n.t.answered, 0);
	ck_assert(n.t.order.active); /* the processes here leave the processors to those of the twin */
	hear(&n, twin_beat(&n, ELECT_ACTIVE, epoch + 3, BEAT_READY | BEAT_LEASE));
	ck_assert(!n.t.order.active);
	ck_assert_uint_eq(n.t.answered, 5);
	ck_assert(n.t.answer_ok);
}
END_TEST

START_TEST(an_offer_does_not_wait_for_a_twin_that_does_not_say_where_it_is)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	step(&n, &(struct elect_event){ .kind = ELECT_SWITCHOVER, .ticket = 5 });
	n.s.quiesced = true;
	n.s.position = 42;
	status(&n);
	ck_assert(elect_holds_lease(&n.e, n.now));
	ticks(&n, 2);
	ck_assert(n.t.beat.flags & BEAT_OFFER);
	ck_assert(!elect_holds_lease(&n.e, n.now));
}
END_TEST

START_TEST(a_twin_that_took_the_role_and_is_not_active_is_waited_for_no_longer_than_a_beat)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	step(&n, &(struct elect_event){ .kind = ELECT_SWITCHOVER, .ticket = 5 });
	n.s.quiesced = true;
	status(&n);
	ticks(&n, 2);
	hear(&n, twin_beat(&n, ELECT_PROMOTING, n.e.epoch + 3, BEAT_READY));
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	step(&n, &(struct elect_event){ .kind = ELECT_LEAVE });
	ck_assert(n.t.order.active && !n.t.answered && !elect_may_leave(&n.e));
	ticks(&n, 2);
	ck_assert(!n.t.order.active && elect_may_leave(&n.e));
	ck_assert_uint_eq(n.t.answered, 5);
	ck_assert(strstr(n.t.answer, "has the role"));
}
END_TEST

START_TEST(a_standby_says_at_once_that_it_holds_what_the_active_rests_at)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	struct beat b = twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_LEASE | BEAT_RESTS);
	unsigned orders = n.t.orders, beats = n.t.beats;

	b.offer_position = n.s.position + 1;
	hear(&n, b);
	ck_assert_uint_eq(n.t.orders, orders + 1);
	ck_assert_uint_eq(n.t.beats, beats);
	n.s.position++;
	status(&n);
	ck_assert_uint_eq(n.t.beats, beats + 1);
	ck_assert_uint_eq(n.t.beat.position, n.s.position);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY); /* not offered yet */
	b.seq = ++n.twin_seq;
	hear(&n, b);
	ck_assert_uint_eq(n.t.beats, beats + 2);
}
END_TEST

START_TEST(a_switchover_nobody_takes_is_called_off)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	step(&n, &(struct elect_event){ .kind = ELECT_SWITCHOVER, .ticket = 5 });
	n.s.quiesced = true;
	status(&n);
	for (int i = 0; i < 60 && !n.t.answered; i++) {
		hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
		tick(&n);
		ck_assert(n.t.answered || !elect_holds_lease(&n.e, n.now));
	}
	ck_assert(n.t.answered && !n.t.answer_ok);
	ck_assert(!n.t.order.quiesce);
	struct beat before = twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY);
	before.echo_seq = n.e.floor_seq - 1; /* has not heard of it yet: might still take over */
	hear(&n, before);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert(n.t.hold);
}
END_TEST

START_TEST(a_switchover_is_refused_with_a_reason)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);

	step(&n, &(struct elect_event){ .kind = ELECT_SWITCHOVER, .ticket = 5 });
	ck_assert(!n.t.answer_ok);
	n = active_mirrored(POLICY_PREFER_SERVICE);
	n.e.whole = false;
	step(&n, &(struct elect_event){ .kind = ELECT_SWITCHOVER, .ticket = 6 });
	ck_assert(!n.t.answer_ok);
	ck_assert_str_eq(n.t.answer, "the twin does not hold everything yet: wait until the pair is mirrored");
}
END_TEST

START_TEST(an_offer_is_taken_only_with_everything)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	struct beat b = twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_OFFER);

	b.offer_position = 50;
	hear(&n, b);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	n.s.position = 50;
	status(&n);
	ck_assert_int_ne(n.e.role, ELECT_STANDBY);
}
END_TEST

/* Its state-sync told its position up to 50 ms ago; an offer costs no subscriber that long. */
START_TEST(an_offer_ahead_of_what_is_known_asks_for_the_position)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	struct beat b = twin_beat(&n, ELECT_ACTIVE, 3, BEAT_READY | BEAT_WHOLE | BEAT_OFFER);
	unsigned orders = n.t.orders;

	b.offer_position = n.s.position + 1;
	hear(&n, b);
	ck_assert_uint_eq(n.t.orders, orders + 1);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	n.s.position++;
	status(&n);
	ck_assert_int_eq(n.e.role, ELECT_PROMOTING);
}
END_TEST

START_TEST(going_alone_waits_until_the_twin_knows)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	uint64_t before;

	n.s.mirrored = false;
	n.s.ask = 7;
	before = n.e.seq;
	status(&n);
	ck_assert(!n.e.whole);
	ck_assert(!(n.t.beat.flags & BEAT_WHOLE));
	ck_assert_uint_eq(n.t.order.alone, 0);
	struct beat b = twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY);
	b.echo_seq = before;
	hear(&n, b);
	status(&n);
	ck_assert_uint_eq(n.t.order.alone, 0);
	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
	status(&n);
	ck_assert_uint_eq(n.t.order.alone, 7);
}
END_TEST

START_TEST(going_alone_beside_a_silent_twin_waits_longer_than_it_needs_to_promote)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	mono_t heard = n.e.heard;

	n.s.mirrored = false;
	n.s.ask = 7;
	while (n.t.order.alone != 7 && n.now < heard + MONO_S)
		tick(&n);
	ck_assert_int_ge(n.now - heard, elect_patience_most(&n.e) + 20 * MS);
	ck_assert_int_le(n.now - heard, elect_patience_most(&n.e) + 50 * MS);
}
END_TEST

/* Its twin is gone and holds less than it: nobody can promote before having listened for `start_wait`. */
static struct node
lone_survivor(enum conf_policy policy)
{
	struct node n = active_mirrored(policy);
	mono_t from = n.now;

	n.s.mirrored = false;
	n.s.ask = 7;
	while (n.t.order.alone != 7 && n.now < from + MONO_S)
		tick(&n);
	n.s.ask = 0;
	ticks(&n, 2);
	return n;
}

START_TEST(a_lone_survivor_serves_through_a_stall)
{
	struct node n = lone_survivor(POLICY_PREFER_SERVICE);

	ck_assert_int_eq(n.t.lease_until, n.now + n.e.conf.start_wait / 2);
	for (int i = 0; i < 20; i++) { /* every other moment its processors are another's */
		n.now += 450 * MS;
		ck_assert_int_gt(n.t.lease_until, n.now);
		tick(&n);
	}
	ck_assert_uint_eq(n.e.count[ELECT_C_LEASE_LAPSES], 0);
	n.now += 600 * MS; /* somebody may have started, listened, and be about to serve */
	ck_assert_int_le(n.t.lease_until, n.now);
	tick(&n);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	ticks(&n, 13);
	ck_assert(elect_holds_lease(&n.e, n.now));
}
END_TEST

START_TEST(a_lease_is_short_again_before_the_twin_can_be_whole)
{
	struct node n = lone_survivor(POLICY_PREFER_SERVICE);

	hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
	ck_assert_int_eq(n.t.lease_until, n.now + n.e.conf.lease);
	ck_assert(!(n.t.beat.flags & BEAT_WHOLE));
	n.s.mirrored = true;
	for (int i = 0; i < 20; i++) {
		tick(&n);
		hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
		ck_assert_int_le(n.t.lease_until, n.now + n.e.conf.lease);
	}
	ck_assert(n.t.beat.flags & BEAT_WHOLE);
	for (int i = 0; i < 40; i++) { /* and it falls silent: it may promote */
		tick(&n);
		ck_assert_int_le(n.t.lease_until, n.now + n.e.conf.lease);
	}
}
END_TEST

/* The mirror may be quicker than the proof of the twin's new life. */
START_TEST(a_lease_is_short_again_before_this_node_calls_the_twin_whole)
{
	struct node n = lone_survivor(POLICY_PREFER_SERVICE);

	ck_assert_int_gt(n.t.lease_until, n.now + n.e.conf.lease);
	n.s.mirrored = true;
	status(&n);
	ck_assert_int_le(n.t.lease_until, n.now + n.e.conf.lease);
	for (int i = 0; i < 20; i++) {
		tick(&n);
		ck_assert_int_le(n.t.lease_until, n.now + n.e.conf.lease);
	}
}
END_TEST

START_TEST(safety_has_no_long_lease)
{
	struct node n = lone_survivor(POLICY_PREFER_SAFETY);

	step(&n, &(struct elect_event){ .kind = ELECT_GRANT, .ttl = 10 * MONO_S, .ticket = 1 });
	for (int i = 0; i < 300; i++) {
		tick(&n);
		ck_assert_int_le(n.t.lease_until, n.now + n.e.conf.lease);
	}
}
END_TEST

START_TEST(the_wish_of_a_restarted_state_sync_is_heard_whatever_its_number)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	n.s.mirrored = false;
	for (uint64_t ask = 7; ask; ask = ask == 7 ? 3 : 0) {
		mono_t from = n.now;
		n.s.ask = ask;
		while (n.t.order.alone != ask && n.now < from + MONO_S)
			tick(&n);
		ck_assert_uint_eq(n.t.order.alone, ask);
		step(&n, &(struct elect_event){ .kind = ELECT_SYNC_GONE });
	}
}
END_TEST

START_TEST(an_operator_does_not_promote_what_has_not_listened_yet)
{
	struct node n = node_new(1, POLICY_PREFER_SAFETY);

	tick(&n);
	step(&n, &(struct elect_event){ .kind = ELECT_PROMOTE, .ticket = 1 });
	ck_assert(!n.t.answer_ok);
	ck_assert_int_eq(n.e.role, ELECT_START);
	ticks(&n, 7);
	step(&n, &(struct elect_event){ .kind = ELECT_PROMOTE, .ticket = 2, .force = true });
	ck_assert(n.t.answer_ok);
	ck_assert_int_eq(n.e.role, ELECT_PROMOTING);
}
END_TEST

/* An empty store is what a new node has, and one whose power failed too soon: only who gives the order can tell. */
START_TEST(who_never_heard_the_twin_is_promoted_by_force_only)
{
	struct node n = node_new(1, POLICY_PREFER_SAFETY);

	ticks(&n, 200);
	ck_assert_int_eq(n.e.role, ELECT_START);
	step(&n, &(struct elect_event){ .kind = ELECT_PROMOTE, .ticket = 1 });
	ck_assert(!n.t.answer_ok);
	ck_assert_int_eq(n.e.role, ELECT_START);
	step(&n, &(struct elect_event){ .kind = ELECT_PROMOTE, .ticket = 2, .force = true });
	ck_assert(n.t.answer_ok);
	ck_assert(n.t.alarm[ELECT_ALARM_STALE_PROMOTION]);
}
END_TEST

START_TEST(a_dead_state_sync_hands_over_to_a_whole_twin)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	step(&n, &(struct elect_event){ .kind = ELECT_SYNC_GONE });
	for (int i = 0; i < 190; i++) {
		hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
		n.now += 10 * MS;
		step(&n, &(struct elect_event){ .kind = ELECT_TICK });
		ck_assert(elect_holds_lease(&n.e, n.now));
	}
	for (int i = 0; i < 20; i++) {
		hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
		n.now += 10 * MS;
		step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	}
	ck_assert(n.t.beat.flags & BEAT_OFFER);
	ck_assert(n.t.alarm[ELECT_ALARM_SYNC_DOWN]);
}
END_TEST

START_TEST(the_alarm_of_a_dead_state_sync_ends_when_it_is_back)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	step(&n, &(struct elect_event){ .kind = ELECT_SYNC_GONE });
	for (int i = 0; i < 210; i++) { /* its twin could not take over */
		hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, 0));
		n.now += 10 * MS;
		step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	}
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert(n.t.alarm[ELECT_ALARM_SYNC_DOWN]);
	for (int i = 0; i < 3; i++) {
		hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, 0));
		tick(&n);
	}
	ck_assert(!n.t.alarm[ELECT_ALARM_SYNC_DOWN]);
}
END_TEST

START_TEST(silence_of_the_twin_and_of_one_path_are_two_alarms)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	for (int i = 0; i < 70; i++) { /* path 0 only */
		hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
		tick(&n);
	}
	ck_assert(n.t.alarm[ELECT_ALARM_PATH_DOWN] && !n.t.alarm[ELECT_ALARM_TWIN_SILENT]);
	for (int i = 0; i < 20; i++) {
		struct beat b = twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY);
		hear(&n, b);
		b.path = 1;
		hear(&n, b);
		tick(&n);
	}
	ck_assert(!n.t.alarm[ELECT_ALARM_PATH_DOWN] && !n.t.alarm[ELECT_ALARM_TWIN_SILENT]);
	ticks(&n, 200);
	ck_assert(!n.t.alarm[ELECT_ALARM_PATH_DOWN] && n.t.alarm[ELECT_ALARM_TWIN_SILENT]);
	for (int i = 0; i < 20; i++) {
		struct beat b = twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY);
		hear(&n, b);
		b.path = 1;
		hear(&n, b);
		tick(&n);
	}
	ck_assert(!n.t.alarm[ELECT_ALARM_PATH_DOWN] && !n.t.alarm[ELECT_ALARM_TWIN_SILENT]);
}
END_TEST

/* Just promoted, so that the twin is not whole; and the disk has lost the store. */
static struct node
active_hollow(void)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	n.s.mirrored = false;
	status(&n);
	n.e.whole = false;
	step(&n, &(struct elect_event){ .kind = ELECT_SYNC_GONE });
	n.s = (struct elect_status){ .ready = true, .empty = true };
	return n;
}

static void
hollow_ticks(struct node *n, unsigned count, bool heard, unsigned twin_flags)
{
	while (count--) {
		struct beat b = twin_beat(n, ELECT_STANDBY, n->e.epoch, twin_flags);
		b.position = twin_flags & BEAT_EMPTY ? 0 : 1573;
		b.store_epoch = twin_flags & BEAT_EMPTY ? 0 : 1;
		if (heard)
			hear(n, b);
		n->now += 10 * MS;
		step(n, &(struct elect_event){ .kind = ELECT_TICK });
		status(n);
	}
}

START_TEST(an_active_whose_store_is_gone_gives_way_to_a_twin_that_has_one)
{
	struct node n = active_hollow();
	uint64_t epoch = n.e.epoch;

	hollow_ticks(&n, 30, true, BEAT_READY);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	ck_assert(!n.t.hold);
	hollow_ticks(&n, 200, true, BEAT_READY); /* slow to begin: it is not we who serve meanwhile */
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ck_assert(!n.t.order.force);
	ck_assert_uint_eq(n.e.epoch, epoch);
}
END_TEST

START_TEST(a_twin_that_is_silent_for_a_moment_is_no_reason_to_begin_with_an_empty_store)
{
	struct node n = active_hollow();

	hollow_ticks(&n, 250, true, 0); /* its state-sync is being started */
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	hollow_ticks(&n, 250, false, 0);
	ck_assert(!n.t.order.force);
	hollow_ticks(&n, 30, true, BEAT_READY);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
}
END_TEST

START_TEST(an_active_whose_store_is_gone_begins_with_an_empty_one_when_nobody_has_any)
{
	struct node n = active_hollow(), m = active_hollow();

	hollow_ticks(&n, 350, false, 0);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert(n.t.order.force);
	ck_assert(n.t.alarm[ELECT_ALARM_STALE_PROMOTION]);
	hollow_ticks(&m, 30, true, BEAT_READY | BEAT_EMPTY);
	ck_assert(m.t.order.active && m.t.order.fresh); /* preferred, and nobody is ahead */
}
END_TEST

START_TEST(an_active_without_state_sync_gives_way_in_the_end_to_a_twin_that_is_not_whole)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	n.s.mirrored = false;
	status(&n);
	n.e.whole = false;
	step(&n, &(struct elect_event){ .kind = ELECT_SYNC_GONE });
	for (int i = 0; i < 1010; i++) {
		ck_assert_msg(i > 900 || n.e.role == ELECT_ACTIVE, "after %d ticks", i);
		hear(&n, twin_beat(&n, ELECT_STANDBY, n.e.epoch, BEAT_READY));
		n.now += 10 * MS;
		step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	}
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
}
END_TEST

START_TEST(a_restart_within_the_lease_changes_nothing)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE), m;
	struct elect_saved saved;
	struct elect_conf c = n.e.conf;

	elect_saved_take(&n.e, &saved);
	m = n;
	m.t = (struct tape){ .out = outs, .hold = true };
	m.now += 15 * MS;
	elect_init(&m.e, &c, m.now, 1, &saved);
	m.e.holding = true;
	step(&m, &(struct elect_event){ .kind = ELECT_TICK });
	ck_assert_int_eq(m.e.role, ELECT_ACTIVE);
	ck_assert_uint_eq(m.e.epoch, n.e.epoch);
	ck_assert(elect_holds_lease(&m.e, m.now));
	ck_assert_uint_gt(m.t.beat.seq, n.t.beat.seq);
	ck_assert_uint_eq(m.t.beat.boot, n.t.beat.boot);
	ck_assert_uint_eq(m.t.holds, 0);
	m.now += MONO_S;
	elect_init(&m.e, &c, m.now, 1, &saved); /* much later: as after a stall */
	step(&m, &(struct elect_event){ .kind = ELECT_TICK });
	ck_assert(!elect_holds_lease(&m.e, m.now));
}
END_TEST

/* Both died, the standby after it had promoted: who comes back first must not take its store for the last one. */
START_TEST(a_restart_after_the_lease_waits_for_a_twin_that_may_have_promoted)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	struct elect_saved saved;
	struct elect_conf c = n.e.conf;
	uint64_t epoch = n.e.epoch;

	elect_saved_take(&n.e, &saved);
	n.s.mirrored = false;
	n.now = n.e.until + (_i ? 5 * MS : MONO_S);
	elect_init(&n.e, &c, n.now, 1, &saved);
	ticks(&n, 95);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	n.now += 100 * MS;
	step(&n, &(struct elect_event){ .kind = ELECT_TICK }); /* late itself: silence begins anew */
	ticks(&n, 97);
	ck_assert(!elect_holds_lease(&n.e, n.now));
	ck_assert_uint_eq(n.e.epoch, epoch);
	ticks(&n, 10);
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert_uint_gt(n.e.epoch, (epoch | 1) + 2);
	ck_assert(n.t.alarm[ELECT_ALARM_STALE_PROMOTION]);
	saved.whole = false; /* nobody could promote: it goes on where it was */
	n.now += MONO_S;
	elect_init(&n.e, &c, n.now, 1, &saved);
	ticks(&n, 20);
	ck_assert(elect_holds_lease(&n.e, n.now));
	ck_assert_uint_eq(n.e.epoch, epoch);
}
END_TEST

/* State-sync wants to go on alone, and the twin does not know yet: it may still act upon our last word. */
START_TEST(a_wish_that_is_not_granted_is_no_proof_that_the_twin_could_not_promote)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);
	struct elect_saved saved;

	n.s.ask = 3;
	n.s.mirrored = false;
	status(&n);
	ck_assert(!n.e.whole);
	elect_saved_take(&n.e, &saved);
	ck_assert(saved.whole);
	n.now = n.e.until + 100 * MS;
	step(&n, &(struct elect_event){ .kind = ELECT_TICK });
	ck_assert(n.e.lapsed && n.e.overtaken);
}
END_TEST

START_TEST(a_standbys_restart_remembers_that_it_was_whole)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);
	struct elect_saved saved;
	struct elect_conf c = n.e.conf;

	elect_saved_take(&n.e, &saved);
	elect_init(&n.e, &c, n.now, 1, &saved);
	ticks(&n, 5);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ticks(&n, 5);
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
	ck_assert_uint_eq(n.e.epoch, 4);
}
END_TEST

START_TEST(leaving_hands_over_or_says_goodbye)
{
	struct node n = active_mirrored(POLICY_PREFER_SERVICE);

	step(&n, &(struct elect_event){ .kind = ELECT_LEAVE });
	ck_assert(n.t.order.quiesce);
	ck_assert(!elect_may_leave(&n.e));
	n = standby_whole(POLICY_PREFER_SERVICE);
	step(&n, &(struct elect_event){ .kind = ELECT_LEAVE });
	ck_assert(n.t.beat.flags & BEAT_GOODBYE);
	ck_assert(elect_may_leave(&n.e));
}
END_TEST

START_TEST(an_arbiter_that_denies_keeps_a_standby_down)
{
	struct node n = standby_whole(POLICY_PREFER_SERVICE);

	step(&n, &(struct elect_event){ .kind = ELECT_DENY, .ttl = 300 * MS, .ticket = 1 });
	ticks(&n, 20);
	ck_assert_int_eq(n.e.role, ELECT_STANDBY);
	ticks(&n, 15); /* the word has run out */
	ck_assert_int_eq(n.e.role, ELECT_ACTIVE);
}
END_TEST

/* --- two nodes and the network between them ------------------------------------------------------------------- */

#define SIM_MSGS 512
#define STEP (1 * MS)

struct msg {
	mono_t due;
	unsigned to;
	struct beat b;
};

struct sim {
	uint32_t seed;
	struct node n[2];
	bool cut[2]; /* towards node i */
	unsigned loss;
	mono_t paused[2], next[2], sync_busy[2];
	struct msg msg[SIM_MSGS];
	unsigned msgs;
	uint64_t holder[64]; /* per epoch count and side: node + 1 */
	mono_t now;
	enum conf_policy policy;
	unsigned sent_by;
	uint64_t data[2]; /* position of each store; mirrored copies it */
	mono_t granted;
	unsigned holds; /* who held the lease last: node + 1 */
};

static struct sim *S;
static unsigned long all_changes;

static uint32_t
rnd(struct sim *s, uint32_t n)
{
	s->seed = s->seed * 1664525u + 1013904223u;
	return (s->seed >> 8) % n;
}

static void
sim_beat(struct elect_out *o, const struct beat *b)
{
	struct sim *s = S;
	unsigned from = T(o) == &s->n[1].t, to = !from;

	on_beat(o, b);
	for (unsigned path = 0; path < 2; path++) {
		if (s->cut[to] || rnd(s, 100) < s->loss || s->msgs == SIM_MSGS)
			continue;
		s->msg[s->msgs] = (struct msg){ s->now + rnd(s, 4) * MS / 2, to, *b };
		s->msg[s->msgs++].b.path = (uint8_t)path;
	}
}

static void
sim_deliver(struct sim *s, unsigned i)
{
	for (unsigned k = 0; k < s->msgs;) {
		struct msg m = s->msg[k];
		if (m.to != i || m.due > s->now) {
			k++;
			continue;
		}
		s->msg[k] = s->msg[--s->msgs];
		s->n[i].now = s->now;
		hear(&s->n[i], m.b);
	}
}

/* state-sync of node i: obeys after a while; mirrored when both electors agree who is active and a link is there. */
static void
sim_sync(struct sim *s, unsigned i)
{
	struct node *n = &s->n[i], *twin = &s->n[!i];
	bool link = !s->cut[0] && !s->cut[1];

	if (s->now < s->sync_busy[i])
		return;
	s->sync_busy[i] = s->now + (1 + rnd(s, 3)) * MS;
	n->s.active = n->t.order.active && n->t.order.epoch == n->e.epoch;
	n->s.epoch = n->t.order.epoch;
	if (n->s.active) {
		bool with = link && !twin->s.active && twin->s.epoch <= n->s.epoch && s->now > s->paused[!i];
		if (with) {
			n->s.mirrored = true;
			n->s.ask = 0;
			s->data[!i] = s->data[i];
			twin->s.mirrored = true;
		} else if (n->s.mirrored) {
			n->s.ask = n->s.ask ? n->s.ask : s->seed | 1;
			if (n->t.order.alone == n->s.ask)
				n->s.ask = 0, n->s.mirrored = false;
		}
		s->data[i] += with || !n->s.mirrored;
		n->s.empty = false;
		n->s.quiesced = n->t.order.quiesce && n->s.mirrored && with;
	} else {
		n->s.quiesced = false;
		n->s.ask = 0;
		if (n->t.order.stale && !link)
			n->s.mirrored = false;
	}
	n->s.position = s->data[i];
	status(n);
}

static void
sim_check(struct sim *s)
{
	bool lease[2];

	for (unsigned i = 0; i < 2; i++) {
		const struct elect *e = &s->n[i].e;
		lease[i] = elect_holds_lease(e, s->now);
		if (!lease[i])
			continue;
		uint64_t slot = e->epoch % 64;
		ck_assert_uint_eq(e->epoch & 1, i);
		ck_assert_msg(s->holder[slot] == 0 || s->holder[slot] >> 8 != e->epoch ||
				  (s->holder[slot] & 0xff) == i + 1, "two holders of epoch");
		s->holder[slot] = e->epoch << 8 | (i + 1);
	}
	if (lease[0] != lease[1] && s->holds != 1u + lease[1]) {
		s->holds = 1u + lease[1];
		all_changes++;
	}
	if (s->policy == POLICY_PREFER_SAFETY)
		ck_assert_msg(!(lease[0] && lease[1]), "two leases at once, seed %u", s->seed);
}

static void
sim_trouble(struct sim *s)
{
	unsigned i = rnd(s, 2);

	switch (rnd(s, 10)) {
	case 9: /* an arbiter gives its word to one node at a time, and takes it from the other by time */
		if (s->now >= s->granted) {
			mono_t ttl = (20 + rnd(s, 500)) * MS;
			s->granted = s->now + ttl + 100 * MS;
			s->n[i].now = s->now;
			step(&s->n[i], &(struct elect_event){ .kind = ELECT_GRANT, .ttl = ttl });
		}
		break;
	case 0:
		s->cut[i] = true;
		break;
	case 1:
		s->cut[0] = s->cut[1] = true;
		break;
	case 2:
	case 3:
		s->cut[0] = s->cut[1] = false;
		break;
	case 4:
		s->paused[i] = s->now + (5 + rnd(s, 400)) * MS;
		break;
	case 5:
		s->loss = rnd(s, 2) * rnd(s, 40);
		break;
	case 6: {
		struct elect_saved saved;
		struct elect_conf c = s->n[i].e.conf;
		elect_saved_take(&s->n[i].e, &saved);
		bool lost = rnd(s, 3) == 0; /* the whole machine: no role file */
		elect_init(&s->n[i].e, &c, s->now, (uint64_t)rnd(s, 1u << 24) + 1, lost ? NULL : &saved);
		if (lost)
			s->n[i].t.order = (struct elect_order){ 0 };
		break;
	}
	case 7:
	case 8:
		s->n[i].now = s->now;
		step(&s->n[i], &(struct elect_event){ .kind = ELECT_SWITCHOVER, .ticket = 1 });
		break;
	}
}

static void
sim_run(uint32_t seed, enum conf_policy policy, bool heal)
{
	static struct sim s;
	mono_t end;

	s = (struct sim){ .seed = seed, .policy = policy, .now = 1000 * MS };
	S = &s;
	for (unsigned i = 0; i < 2; i++) {
		s.n[i] = node_new(i, policy);
		s.n[i].t.out.beat = sim_beat;
		s.next[i] = s.now + rnd(&s, 10) * MS;
	}
	end = s.now + 9 * MONO_S;
	for (; s.now < end; s.now += STEP) {
		if (rnd(&s, 150) == 0 && s.now < end - 5 * MONO_S)
			sim_trouble(&s);
		if (heal && s.now == end - 5 * MONO_S) {
			s.cut[0] = s.cut[1] = false;
			s.loss = 0;
		}
		for (unsigned i = 0; i < 2; i++) {
			if (s.now < s.paused[i])
				continue;
			sim_deliver(&s, i);
			s.n[i].now = s.now;
			sim_sync(&s, i);
			if (s.now >= s.next[i]) {
				s.next[i] = s.now + 10 * MS + rnd(&s, 3) * MS;
				step(&s.n[i], &(struct elect_event){ .kind = ELECT_TICK });
			}
			sim_check(&s);
		}
	}
	if (heal && policy == POLICY_PREFER_SERVICE)
		ck_assert_msg(elect_holds_lease(&s.n[0].e, s.now) != elect_holds_lease(&s.n[1].e, s.now),
			      "seed %u: after healing exactly one serves (%s, %s)", seed,
			      elect_role_name(s.n[0].e.role), elect_role_name(s.n[1].e.role));
}

START_TEST(the_simulation_is_eventful)
{
	for (uint32_t i = 0; i < 40; i++)
		sim_run(4711 + i, i % 2 ? POLICY_PREFER_SAFETY : POLICY_PREFER_SERVICE, true);
	ck_assert_uint_gt(all_changes, 80); /* it moves the role about, or it proves nothing */
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 20 /* each costs ten times as much */
#else
#define SEEDS 100
#endif

START_TEST(no_seed_makes_two_holders_prefer_service)
{
	sim_run(1 + (uint32_t)_i * 7919, POLICY_PREFER_SERVICE, true);
}
END_TEST

START_TEST(no_seed_makes_two_leases_prefer_safety)
{
	sim_run(1 + (uint32_t)_i * 104729, POLICY_PREFER_SAFETY, true);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("elector");
	TCase *t = tcase_create("rules"), *sim = tcase_create("sim");
	SRunner *r;
	int failed;

	tcase_add_test(t, a_node_without_pair_is_active_at_once);
	tcase_add_test(t, alone_at_start_it_waits_and_then_serves);
	tcase_add_test(t, alone_at_start_with_prefer_safety_it_waits_for_somebody);
	tcase_add_test(t, a_standby_store_known_to_be_old_waits_longer);
	tcase_add_test(t, the_store_that_is_ahead_wins_at_start);
	tcase_add_test(t, a_tie_at_start_goes_to_the_preferred);
	tcase_add_test(t, a_silent_active_is_replaced_after_dead_and_not_before);
	tcase_add_test(t, a_promotion_does_not_wait_for_our_own_heartbeat);
	tcase_add_test(t, a_twin_whose_beats_come_unevenly_is_waited_for_longer);
	tcase_add_test(t, a_refusal_beside_a_mirror_that_stands_is_patience);
	tcase_add_test(t, with_prefer_safety_a_silent_active_is_not_replaced);
	tcase_add_test(t, where_times_differ_the_longer_dead_counts_on_both_and_an_alarm_says_so);
	tcase_add_test(t, a_standby_that_is_not_whole_does_not_promote);
	tcase_add_test(t, a_standby_that_slept_counts_silence_anew);
	tcase_add_loop_test(t, a_standby_that_slept_long_believes_only_what_answers_it, 0, 2);
	tcase_add_test(t, an_acknowledgement_buys_the_lease_from_its_sending);
	tcase_add_test(t, prefer_service_bridges_a_standbys_death_without_a_gap);
	tcase_add_loop_test(t, prefer_service_leaves_no_gap_at_any_phase_of_the_beats, 0, 14);
	tcase_add_test(t, prefer_safety_stops_when_the_twin_is_silent);
	tcase_add_test(t, prefer_safety_goes_on_after_a_goodbye);
	tcase_add_test(t, a_deaf_twin_ends_the_lease);
	tcase_add_test(t, what_a_lone_active_gave_itself_ends_before_a_deaf_twin_promotes);
	tcase_add_loop_test(t, an_elector_that_began_anew_does_not_take_over_from_who_speaks, 0, 2);
	tcase_add_test(t, who_slept_longer_than_its_lease_listens_first);
	tcase_add_loop_test(t, who_slept_beside_a_whole_twin_waits_for_it_and_begins_an_epoch_above, 0, 2);
	tcase_add_test(t, who_slept_long_goes_on_when_a_twin_that_did_not_promote_answers);
	tcase_add_test(t, a_twin_that_served_in_a_lower_epoch_meanwhile_means_a_new_one);
	tcase_add_loop_test(t, a_claim_made_beside_an_active_is_outbid, 0, 2);
	tcase_add_test(t, a_claim_from_before_we_heard_each_other_is_not_outbid);
	tcase_add_loop_test(t, who_begins_because_nobody_answers_says_so, 0, 2);
	tcase_add_test(t, who_slept_and_meets_a_higher_epoch_yields);
	tcase_add_test(t, addresses_are_announced_again_when_the_other_holder_yields);
	tcase_add_test(t, a_recording_of_an_old_life_counts_for_nothing);
	tcase_add_test(t, our_own_side_is_an_error_of_configuration);
	tcase_add_test(t, a_switchover_quiesces_then_offers_then_yields);
	tcase_add_test(t, an_offer_does_not_wait_for_a_twin_that_does_not_say_where_it_is);
	tcase_add_test(t, a_twin_that_took_the_role_and_is_not_active_is_waited_for_no_longer_than_a_beat);
	tcase_add_test(t, a_standby_says_at_once_that_it_holds_what_the_active_rests_at);
	tcase_add_test(t, a_switchover_nobody_takes_is_called_off);
	tcase_add_test(t, a_switchover_is_refused_with_a_reason);
	tcase_add_test(t, an_offer_is_taken_only_with_everything);
	tcase_add_test(t, an_offer_ahead_of_what_is_known_asks_for_the_position);
	tcase_add_test(t, going_alone_waits_until_the_twin_knows);
	tcase_add_test(t, going_alone_beside_a_silent_twin_waits_longer_than_it_needs_to_promote);
	tcase_add_test(t, a_lone_survivor_serves_through_a_stall);
	tcase_add_test(t, a_lease_is_short_again_before_the_twin_can_be_whole);
	tcase_add_test(t, a_lease_is_short_again_before_this_node_calls_the_twin_whole);
	tcase_add_test(t, safety_has_no_long_lease);
	tcase_add_test(t, the_wish_of_a_restarted_state_sync_is_heard_whatever_its_number);
	tcase_add_test(t, an_operator_does_not_promote_what_has_not_listened_yet);
	tcase_add_test(t, who_never_heard_the_twin_is_promoted_by_force_only);
	tcase_add_test(t, a_dead_state_sync_hands_over_to_a_whole_twin);
	tcase_add_test(t, the_alarm_of_a_dead_state_sync_ends_when_it_is_back);
	tcase_add_test(t, silence_of_the_twin_and_of_one_path_are_two_alarms);
	tcase_add_test(t, an_active_whose_store_is_gone_gives_way_to_a_twin_that_has_one);
	tcase_add_test(t, a_twin_that_is_silent_for_a_moment_is_no_reason_to_begin_with_an_empty_store);
	tcase_add_test(t, an_active_whose_store_is_gone_begins_with_an_empty_one_when_nobody_has_any);
	tcase_add_test(t, an_active_without_state_sync_gives_way_in_the_end_to_a_twin_that_is_not_whole);
	tcase_add_test(t, a_restart_within_the_lease_changes_nothing);
	tcase_add_loop_test(t, a_restart_after_the_lease_waits_for_a_twin_that_may_have_promoted, 0, 2);
	tcase_add_test(t, a_wish_that_is_not_granted_is_no_proof_that_the_twin_could_not_promote);
	tcase_add_test(t, a_standbys_restart_remembers_that_it_was_whole);
	tcase_add_test(t, leaving_hands_over_or_says_goodbye);
	tcase_add_test(t, an_arbiter_that_denies_keeps_a_standby_down);
	tcase_set_timeout(sim, 60);
	tcase_add_test(sim, the_simulation_is_eventful);
	tcase_add_loop_test(sim, no_seed_makes_two_holders_prefer_service, 0, SEEDS);
	tcase_add_loop_test(sim, no_seed_makes_two_leases_prefer_safety, 0, SEEDS);
	suite_add_tcase(s, t);
	suite_add_tcase(s, sim);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
