// SPDX-License-Identifier: Apache-2.0
/* An owner against a fake state-sync, over real ipc in one loop: state before wire, whatever
 * breaks. */
#include "bus/owner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/records.h"
#include "fake_sync.h"
#include "lib/unit.h"
#include "rows.pb-c.h"
#include "sync.pb-c.h"

static struct loop *loop;
static struct bus *bus;
static struct owner *owner;
static struct fake_sync fake;
static struct conf_node node;
static char tape[4096];

#define FAR (mono_now() + 3600 * MONO_S)

static void
say(const char *fmt, ...)
{
	size_t n = strlen(tape);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tape + n, sizeof tape - n, fmt, ap);
	va_end(ap);
}

static void
load(void *arg, struct store_view *v)
{
	say("load %u\n", (unsigned)store_count(v, TABLE_TUNNEL));
}

static void
row(void *arg, enum table t, struct span key, struct span r, bool removed)
{
	say("row %s %u=%.*s\n", table_info(t)->name, get_u16(key.p), removed ? 1 : (int)r.len,
	    removed ? "-" : (const char *)r.p);
}

static void
role(void *arg, bool active, uint64_t epoch, enum mirror mirror)
{
	say("role %s %u\n", active ? "active" : "standby", (unsigned)epoch);
}

static void
release(void *arg, const struct effect *e)
{
	say("send %.*s\n", (int)e->bytes.len, (const char *)e->bytes.p);
}

static void
quiet(void *arg, enum note_level level, const char *line)
{
}

static const struct owner_ops ops = { load, row, role, release, quiet };

static void
setup(void)
{
	memset(&node, 0, sizeof node);
	strcpy(node.run_dir, "/tmp/owner_test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(node.run_dir));
	snprintf(node.store_dir, sizeof node.store_dir, "%s/store", node.run_dir);
	loop = loop_new();
	bus = bus_new(loop, node.run_dir);
	tape[0] = 0;
}

static void
teardown(void)
{
	static const char *const names[] = { "store/data.mdb", "store/lock.mdb", "store/unsynced",
					     "sync", "role", "tunnel-ctl.lock" };
	char path[400];

	owner_free(owner);
	fake_sync_stop(&fake);
	bus_free(bus);
	loop_free(loop);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", node.run_dir, names[i]);
		unlink(path);
	}
	rmdir(node.store_dir);
	ck_assert_int_eq(rmdir(node.run_dir), 0);
}

/* Check's timeout ends a test in which it never comes. */
#define UNTIL(CONDITION)                                                                           \
	while (!(CONDITION))                                                                       \
	loop_once(loop, 5 * MONO_MS)

#define HEARD(TEXT) strstr(tape, TEXT)

static void
clear(void)
{
	tape[0] = 0;
}

/* Several rounds without sleeping: what could happen has happened. */
static void
settle(void)
{
	for (int i = 0; i < 10; i++)
		loop_once(loop, MONO_MS);
}

static void
start(bool active)
{
	fake_sync_start(&fake, bus, node.store_dir, active, 5);
	owner = owner_new(bus, loop, &node, "tunnel-ctl", &ops, NULL);
	ck_assert_ptr_nonnull(owner);
	UNTIL(HEARD("role "));
}

/*
 * A lease reaches the owner once its subscription has reached the publisher: repeated, as the elector does.  Not faster than
 * it can be read: what is more than a subscriber's queue holds is not sent to it.
 */
static void
lease(uint64_t epoch, mono_t until, bool good)
{
	do {
		fake_sync_lease(&fake, epoch, until != 0, until);
		loop_once(loop, 0); /* does not wait: something was sent */
		loop_once(loop, MONO_MS);
	} while (owner_may_send(owner) != good);
}

static void
start_active(void)
{
	start(true);
	lease(5, FAR, true);
	clear();
}

static void
write_tunnel(uint16_t id, bool remove)
{
	Row__Tunnel t = ROW__TUNNEL__INIT;
	struct key k = key_tunnel(id);

	t.id = id;
	sink_record(owner_sink(owner), TABLE_TUNNEL, key_span(&k), remove ? NULL : &t.base);
}

static void
write_numbers(uint16_t id)
{
	Row__TunnelSeq row = ROW__TUNNEL_SEQ__INIT;
	struct key k = key_tunnel(id);

	sink_record(owner_sink(owner), TABLE_TUNNEL_SEQ, key_span(&k), &row.base);
}

static void
emit(const char *text)
{
	sink_effect(owner_sink(owner), &(struct effect){ .bytes = span_of(text, strlen(text)) });
}

static void
emit_harmless(const char *text)
{
	sink_effect(owner_sink(owner), &(struct effect){ .bytes = span_of(text, strlen(text)),
							 .reveals_nothing = true });
}

START_TEST(it_loads_then_knows_its_role)
{
	start(true);
	ck_assert_str_eq(tape, "load 0\nrole active 5\n");
	ck_assert(owner_ready(owner) && owner_active(owner));
	ck_assert_uint_eq(owner_epoch(owner), 5);
	ck_assert(!owner_may_send(owner)); /* no lease yet */
}
END_TEST

START_TEST(an_effect_waits_for_the_commit_and_order_is_kept)
{
	start_active();
	fake.hold = true;
	write_tunnel(1, false);
	emit("a");
	write_tunnel(2, false);
	emit("b");
	UNTIL(fake.pendings == 1);
	settle();
	ck_assert_str_eq(tape, "");
	write_tunnel(3, false);
	emit("c");
	UNTIL(fake.pendings == 2);
	fake_sync_commit(&fake, 1);
	UNTIL(HEARD("send b"));
	settle();
	ck_assert_str_eq(tape, "send a\nsend b\n");
	fake_sync_commit(&fake, 1);
	UNTIL(HEARD("send c"));
	ck_assert_str_eq(tape, "send a\nsend b\nsend c\n"); /* and no row() for what is our own */
}
END_TEST

START_TEST(what_reveals_nothing_does_not_wait)
{
	start_active();
	fake.hold = true;
	write_tunnel(1, false);
	emit("reply");
	emit_harmless("echo");
	UNTIL(HEARD("send echo"));
	settle();
	ck_assert_str_eq(tape, "send echo\n");
}
END_TEST

START_TEST(rows_written_twice_in_an_iteration_are_submitted_once)
{
	start_active();
	fake.hold = true;
	for (int i = 0; i < 100; i++)
		write_numbers(1);
	write_tunnel(2, false);
	emit("a");
	UNTIL(fake.pendings == 1);
	ck_assert_uint_eq(fake.records, 2);
	write_tunnel(3, false);
	emit("b");
	UNTIL(fake.pendings == 2);
	fake_sync_commit(&fake, 2); /* the numbers of both sides still agree */
	UNTIL(HEARD("send b"));
	ck_assert_str_eq(tape, "send a\nsend b\n");
}
END_TEST

START_TEST(without_a_lease_of_this_epoch_nothing_leaves)
{
	start(true);
	clear();
	write_tunnel(1, false);
	emit("a");
	UNTIL(fake.records == 1);
	settle();
	ck_assert_str_eq(tape, ""); /* none */
	for (int i = 0; i < 20; i++) {
		fake_sync_lease(&fake, 4, true, FAR); /* of an old epoch */
		loop_once(loop, MONO_MS);
	}
	ck_assert_str_eq(tape, "");
	for (int i = 0; i < 20; i++) {
		fake_sync_lease(&fake, 5, true, mono_now() - 1); /* over */
		loop_once(loop, MONO_MS);
	}
	ck_assert_str_eq(tape, "");
	for (int i = 0; i < 20; i++) {
		fake_sync_lease(&fake, 5, false, FAR); /* not ours */
		loop_once(loop, MONO_MS);
	}
	ck_assert_str_eq(tape, "");
	lease(5, FAR, true);
	UNTIL(HEARD("send a"));
}
END_TEST

START_TEST(a_lease_that_runs_out_holds_what_is_committed)
{
	start_active();
	lease(5, mono_now() + 20 * MONO_MS, false); /* until it is over; that may be before it is read */
	write_tunnel(1, false);
	emit("late");
	UNTIL(fake.records == 1);
	settle();
	ck_assert_str_eq(tape, "");
	lease(5, FAR, true);
	UNTIL(HEARD("send late"));
}
END_TEST

START_TEST(a_standby_hears_the_rows_and_may_not_emit)
{
	start(false);
	struct key k = key_tunnel(9);
	clear();
	fake_sync_other(&fake, "tunnel-ctl", TABLE_TUNNEL, key_span(&k),
			"x"); /* the active twin's owner */
	fake_sync_other(&fake, "session-mgr", TABLE_LINK, key_span(&k), "y");
	fake_sync_other(&fake, "tunnel-ctl", TABLE_TUNNEL, key_span(&k), NULL);
	UNTIL(HEARD("tunnel 9=-"));
	ck_assert_str_eq(tape, "row tunnel 9=x\nrow link 9=y\nrow tunnel 9=-\n");
	write_tunnel(1, false);
	emit("a");
	emit_harmless("b");
	for (int i = 0; i < 20; i++) {
		fake_sync_lease(&fake, 5, true, FAR); /* even with a lease */
		loop_once(loop, MONO_MS);
	}
	ck_assert(!HEARD("send"));
	ck_assert(!owner_may_send(owner));
	ck_assert_uint_eq(fake.submits, 0);
}
END_TEST

START_TEST(promotion_opens_the_door_and_demotion_closes_it)
{
	start(false);
	clear();
	fake_sync_role(&fake, true, 6);
	UNTIL(HEARD("role active 6"));
	lease(6, FAR, true);
	write_tunnel(1, false);
	emit("a");
	UNTIL(HEARD("send a"));
	settle();
	clear();
	fake_sync_role(&fake, false, 7);
	UNTIL(HEARD("role standby 7"));
	ck_assert(!owner_may_send(owner)); /* whatever the last lease said */
	UNTIL(HEARD("load"));
	settle();
	ck_assert_str_eq(tape, "role standby 7\nload 1\nrole standby 7\n"); /* a shadow begins with the store */
	emit("b");
	settle();
	ck_assert(!HEARD("send b"));
}
END_TEST

START_TEST(demotion_with_records_on_their_way_loads_again)
{
	start_active();
	fake.hold = true;
	write_tunnel(1, false);
	emit("a");
	UNTIL(fake.pendings == 1);
	fake_sync_role(&fake, false, 6);
	UNTIL(HEARD("load"));
	settle();
	ck_assert_str_eq(tape, "role standby 6\nload 0\nrole standby 6\n");
	ck_assert_uint_eq(fake.hellos, 2);
}
END_TEST

START_TEST(others_rows_come_to_the_active_and_its_own_do_not)
{
	start_active();
	struct key k = key_session(3, 4);
	write_tunnel(1, false);
	emit("a");
	UNTIL(HEARD("send a"));
	clear();
	fake_sync_other(&fake, "session-mgr", TABLE_LINK, key_span(&k), "z");
	UNTIL(HEARD("row"));
	ck_assert_str_eq(tape, "row link 3=z\n");
}
END_TEST

START_TEST(after_a_restart_of_state_sync_the_store_decides)
{
	start_active();
	write_tunnel(1, false);
	emit("a");
	UNTIL(HEARD("send a"));
	fake.hold = true;
	write_tunnel(2, false);
	emit("never");
	UNTIL(fake.pendings == 1);
	clear();
	fake_sync_stop(&fake);
	UNTIL(!owner_ready(owner));
	ck_assert(owner_may_send(owner)); /* a worker goes on forwarding */
	write_tunnel(3, false);
	emit("neither");
	fake_sync_start(&fake, bus, node.store_dir, true, 5);
	UNTIL(HEARD("role"));
	settle();
	ck_assert_str_eq(tape, "load 1\nrole active 5\n");
	write_tunnel(4, false);
	emit("again");
	lease(5, FAR, true);
	UNTIL(HEARD("send again"));
	ck_assert(!HEARD("never") && !HEARD("neither"));
}
END_TEST

START_TEST(it_waits_for_a_state_sync_that_comes_later)
{
	owner = owner_new(bus, loop, &node, "tunnel-ctl", &ops, NULL);
	ck_assert_ptr_null(owner_view(owner));
	settle();
	ck_assert_str_eq(tape, "");
	fake_sync_start(&fake, bus, node.store_dir, false, 1);
	UNTIL(HEARD("role standby 1"));
	struct store_view *v = owner_view(owner);
	ck_assert_ptr_nonnull(v);
	store_view_end(v);
}
END_TEST

START_TEST(refused_records_start_over)
{
	start_active();
	fake.hold = true;
	write_tunnel(1, false);
	emit("a");
	UNTIL(fake.pendings == 1);
	fake_sync_say(&fake, SYNC__KIND__REFUSED, 0, 0, span_of(NULL, 0));
	UNTIL(HEARD("role"));
	ck_assert_str_eq(tape, "load 0\nrole active 5\n");
	ck_assert_uint_eq(fake.hellos, 2);
}
END_TEST

START_TEST(a_reset_loads_the_new_store_and_goes_on_above_it)
{
	start(false);
	struct key k = key_tunnel(9);
	fake.mute = true;
	for (uint16_t t = 1; t <= 3; t++) {
		struct key n = key_tunnel(t);
		fake_sync_other(&fake, "tunnel-ctl", TABLE_TUNNEL, key_span(&n), "s");
	}
	fake.mute = false;
	clear();
	fake_sync_say(&fake, SYNC__KIND__RESET, fake.position, 0, span_of(NULL, 0));
	fake_sync_other(&fake, "tunnel-ctl", TABLE_TUNNEL, key_span(&k), "x");
	UNTIL(HEARD("role"));
	settle();
	/* The view may have been opened after the fourth: then its feed is skipped, and the view
	 * has it. */
	ck_assert(strcmp(tape, "load 3\nrole standby 5\nrow tunnel 9=x\n") == 0 ||
		  strcmp(tape, "load 4\nrole standby 5\n") == 0);
	ck_assert_uint_eq(fake.hellos, 1);
}
END_TEST

START_TEST(what_the_view_holds_is_not_fed_again)
{
	start(false);
	struct key k = key_tunnel(9);
	fake_sync_say(&fake, SYNC__KIND__RESET, fake.position, 0, span_of(NULL, 0));
	fake_sync_other(&fake, "tunnel-ctl", TABLE_TUNNEL, key_span(&k),
			"x"); /* before the owner opens its view */
	clear();
	UNTIL(HEARD("role"));
	settle();
	ck_assert_str_eq(tape, "load 1\nrole standby 5\n");
	fake_sync_other(&fake, "tunnel-ctl", TABLE_TUNNEL, key_span(&k), "y");
	UNTIL(HEARD("9=y"));
}
END_TEST

START_TEST(a_gap_in_the_feed_starts_over)
{
	start(false);
	struct key k = key_tunnel(9);
	fake.mute = true;
	fake_sync_other(&fake, "session-mgr", TABLE_TUNNEL, key_span(&k), "lost");
	fake.mute = false;
	clear();
	fake_sync_other(&fake, "session-mgr", TABLE_TUNNEL, key_span(&k), "x");
	UNTIL(HEARD("role"));
	ck_assert_str_eq(tape, "load 1\nrole standby 5\n");
	ck_assert_uint_eq(fake.hellos, 2);
}
END_TEST

START_TEST(what_cannot_be_read_starts_over)
{
	static const uint8_t junk[] = { 0xff, 0xff, 0xff };

	start(false);
	for (unsigned i = 2; i <= 3; i++) {
		clear();
		if (i == 2)
			fake_sync_say(&fake, SYNC__KIND__FEED, fake.position + 1, 0,
				      span_of(junk, 3));
		else
			bus_send(fake.router, span_of(fake.client, strlen(fake.client)),
				 &(struct span){ junk, 3 }, 1);
		UNTIL(HEARD("role"));
		ck_assert_str_eq(tape, "load 0\nrole standby 5\n");
		ck_assert_uint_eq(fake.hellos, i);
	}
}
END_TEST

START_TEST(a_commitment_of_the_future_starts_over_and_releases_nothing)
{
	start_active();
	fake.hold = true;
	write_tunnel(1, false);
	emit("a");
	UNTIL(fake.pendings == 1);
	fake_sync_say(&fake, SYNC__KIND__COMMITTED, 0, 99, span_of(NULL, 0));
	UNTIL(HEARD("role"));
	ck_assert_str_eq(tape, "load 0\nrole active 5\n");
}
END_TEST

/* Our last life submitted records that state-sync commits after our new greeting: they are not in
 * our view. */
START_TEST(records_of_an_earlier_life_are_noticed)
{
	start_active();
	struct key k = key_tunnel(9);
	struct batch *b = batch_new();
	batch_put_packed(b, TABLE_TUNNEL, key_span(&k), span_of("x", 1), false);
	fake_sync_say(&fake, SYNC__KIND__FEED, ++fake.position, 0,
		      batch_seal(b, "tunnel-ctl", 1000, 5));
	store_begin(fake.store);
	store_put(fake.store, TABLE_TUNNEL, key_span(&k), span_of("x", 1));
	store_meta_put(fake.store, &(struct store_meta){ .position = fake.position });
	store_commit(fake.store);
	batch_free(b);
	UNTIL(HEARD("role"));
	ck_assert_str_eq(tape, "load 1\nrole active 5\n");
}
END_TEST

START_TEST(unknown_tables_of_a_newer_twin_are_skipped)
{
	start(false);
	struct key k = key_tunnel(9);
	struct batch *b = batch_new();
	clear();
	batch_put_packed(b, 31, key_span(&k), span_of("x", 1), false);
	batch_put_packed(b, TABLE_TUNNEL, key_span(&k), span_of("y", 1), false);
	fake_sync_say(&fake, SYNC__KIND__FEED, fake.position + 1, 0,
		      batch_seal(b, "tunnel-ctl", 1, 5));
	batch_free(b);
	UNTIL(HEARD("9=y"));
	ck_assert_str_eq(tape, "row tunnel 9=y\n");
}
END_TEST

static bool
has_row(unsigned table, struct key k)
{
	struct store_view *v = store_view_begin(fake.store);
	struct span r;
	bool there = store_get(v, table, key_span(&k), &r);

	store_view_end(v);
	return there;
}

static const struct alarm_info alarm_info = { "POOL_EMPTY", "h", "m", "d" };

static const struct alarm_info other = { "OTHER", "h", "m", "d" };

START_TEST(what_a_process_alarmed_before_it_died_does_not_stand_for_ever)
{
	const struct key ours = alarm_key("tunnel-ctl", "POOL_EMPTY"), again = alarm_key("tunnel-ctl", "OTHER"),
			 others = alarm_key("tunnel-ctl-2", "POOL_EMPTY");

	fake_sync_start(&fake, bus, node.store_dir, true, 5);
	fake_sync_other(&fake, "x", TABLE_ALARM, key_span(&ours), "row");
	fake_sync_other(&fake, "x", TABLE_ALARM, key_span(&again), "row");
	fake_sync_other(&fake, "x", TABLE_ALARM, key_span(&others), "row");
	owner = owner_new(bus, loop, &node, "tunnel-ctl", &ops, NULL);
	owner_alarm(owner, &other, true, "raised before the first word");
	UNTIL(!has_row(TABLE_ALARM, ours));
	ck_assert(has_row(TABLE_ALARM, again));
	ck_assert(has_row(TABLE_ALARM, others));
}
END_TEST

START_TEST(an_alarm_that_ends_while_state_sync_is_away_is_gone)
{
	const struct key k = alarm_key("tunnel-ctl", "POOL_EMPTY");

	start_active();
	owner_alarm(owner, &alarm_info, true, "pool=%s", "p1");
	UNTIL(has_row(TABLE_ALARM, k));
	fake_sync_stop(&fake);
	UNTIL(!owner_ready(owner));
	owner_alarm(owner, &alarm_info, false, "pool=%s", "p1");
	fake_sync_start(&fake, bus, node.store_dir, true, 5);
	ck_assert(has_row(TABLE_ALARM, k));
	UNTIL(!has_row(TABLE_ALARM, k));
}
END_TEST

START_TEST(alarms_stand_in_the_store_and_are_told_again)
{
	struct key k = alarm_key("tunnel-ctl", "POOL_EMPTY");

	start(false);
	owner_alarm(owner, &alarm_info, true, "pool=%s", "p1");
	UNTIL(has_row(TABLE_ALARM, k));
	fake_sync_stop(&fake);
	UNTIL(!owner_ready(owner));
	char path[400];
	snprintf(path, sizeof path, "%s/data.mdb", node.store_dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/lock.mdb", node.store_dir);
	unlink(path);
	fake_sync_start(&fake, bus, node.store_dir, false,
			5); /* a new store: the owner opens that one */
	UNTIL(has_row(TABLE_ALARM, k));
	owner_alarm(owner, &alarm_info, false, "pool=%s", "p1");
	UNTIL(!has_row(TABLE_ALARM, k));
	uint64_t locals = fake.locals;
	owner_alarm(owner, &alarm_info, false, "pool=%s", "p1");
	settle();
	ck_assert_uint_eq(fake.locals, locals);
}
END_TEST

START_TEST(counters_become_a_row_within_a_second_or_so)
{
	start(false);
	UNTIL(has_row(TABLE_COUNTERS, counters_key("tunnel-ctl")));
	ck_assert_uint_ge(fake.locals, 1);
}
END_TEST

START_TEST(a_record_too_large_starts_over)
{
	start_active();
	static uint8_t octets[RECORDS_FRAME_MAX];
	Row__TunnelOut out = ROW__TUNNEL_OUT__INIT;
	struct key k = key_tunnel_ns(1, 2);

	write_tunnel(1, false);
	emit("a");
	out.message = (ProtobufCBinaryData){ sizeof octets, octets };
	sink_record(owner_sink(owner), TABLE_TUNNEL_OUT, key_span(&k), &out.base);
	ck_assert(!owner_ready(owner));
	emit("b");
	UNTIL(HEARD("role"));
	settle();
	ck_assert(!HEARD("send"));
}
END_TEST

START_TEST(many_records_of_one_iteration_go_in_several_batches)
{
	static uint8_t octets[30000];
	Row__TunnelOut out = ROW__TUNNEL_OUT__INIT;

	start_active();
	out.message = (ProtobufCBinaryData){ sizeof octets, octets };
	for (uint16_t i = 0; i < 300; i++) { /* 9 MB */
		struct key k = key_tunnel_ns(1, i);
		sink_record(owner_sink(owner), TABLE_TUNNEL_OUT, key_span(&k), &out.base);
	}
	emit("a");
	UNTIL(HEARD("send a"));
	ck_assert_uint_eq(fake.records, 300);
	ck_assert_uint_ge(fake.submits, 3);
	ck_assert(owner_ready(owner));
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_loads_then_knows_its_role);
	tcase_add_test(tc, an_effect_waits_for_the_commit_and_order_is_kept);
	tcase_add_test(tc, what_reveals_nothing_does_not_wait);
	tcase_add_test(tc, rows_written_twice_in_an_iteration_are_submitted_once);
	tcase_add_test(tc, without_a_lease_of_this_epoch_nothing_leaves);
	tcase_add_test(tc, a_lease_that_runs_out_holds_what_is_committed);
	tcase_add_test(tc, a_standby_hears_the_rows_and_may_not_emit);
	tcase_add_test(tc, promotion_opens_the_door_and_demotion_closes_it);
	tcase_add_test(tc, demotion_with_records_on_their_way_loads_again);
	tcase_add_test(tc, others_rows_come_to_the_active_and_its_own_do_not);
	tcase_add_test(tc, after_a_restart_of_state_sync_the_store_decides);
	tcase_add_test(tc, it_waits_for_a_state_sync_that_comes_later);
	tcase_add_test(tc, refused_records_start_over);
	tcase_add_test(tc, a_reset_loads_the_new_store_and_goes_on_above_it);
	tcase_add_test(tc, what_the_view_holds_is_not_fed_again);
	tcase_add_test(tc, a_gap_in_the_feed_starts_over);
	tcase_add_test(tc, what_cannot_be_read_starts_over);
	tcase_add_test(tc, a_commitment_of_the_future_starts_over_and_releases_nothing);
	tcase_add_test(tc, records_of_an_earlier_life_are_noticed);
	tcase_add_test(tc, unknown_tables_of_a_newer_twin_are_skipped);
	tcase_add_test(tc, alarms_stand_in_the_store_and_are_told_again);
	tcase_add_test(tc, what_a_process_alarmed_before_it_died_does_not_stand_for_ever);
	tcase_add_test(tc, an_alarm_that_ends_while_state_sync_is_away_is_gone);
	tcase_add_test(tc, counters_become_a_row_within_a_second_or_so);
	tcase_add_test(tc, a_record_too_large_starts_over);
	tcase_add_test(tc, many_records_of_one_iteration_go_in_several_batches);
}

UNIT_MAIN("owner", add)
