// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 4951 between two of us: either end, or both, start from a store that may be older than what the peer has
 * seen, under loss, doubles and disorder, with the death of either end at any datagram of the recovery.
 */
#include <utlist.h>

#include "../lib/unit.h"
#include "pair.h"

#define CALLS 8

static void
capable_setup(void)
{
	setup();
	for (unsigned i = 0; i < 2; i++) {
		struct conf_profile *p = &end[i]->conf.profile[0];
		p->failover = true;
		p->recovery_ms = 20000;
		p->recovery_parallel = 16;
	}
}

static void
secret(unsigned i, const char *text)
{
	struct conf_profile *p = &end[i]->conf.profile[0];

	snprintf(p->secret, CONF_TEXT, "%s", text);
	p->require_auth = true;
}

static void
calls_up(unsigned n)
{
	start();
	for (unsigned i = 0; i < n; i++)
		words(LAC, "call dial g %u", i);
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, n);
	network.count = 0;
}

static struct tunnel *
tunnel_at(unsigned i)
{
	struct tunnel *t;

	DL_FOREACH (end[i]->tc->all, t) {
		if (t->state == CC_ESTABLISHED && !t->recovers)
			return t;
	}
	ck_abort_msg("no tunnel at %u", i);
	return NULL;
}

static void
all_is_well(unsigned n)
{
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(population(i).calls_established, n);
		ck_assert_uint_eq(population(i).calls, n);
		ck_assert_uint_eq(population(i).recovering, 0);
		ck_assert_uint_eq(population(i).away, 0);
		ck_assert_uint_eq(population(i).established, 1);
	}
	same_calls();
	/* And the tunnel works, both ways. */
	words(LAC, "call dial g 99");
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, n + 1);
	ck_assert_uint_eq(population(LNS).calls_established, n + 1);
	same_calls();
	words(LNS, "call clear %u/%u", tunnel_at(LNS)->id, tunnel_at(LNS)->by_id->id);
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, n);
}

/* ---- one end starts cold ------------------------------------------------------------------------------ */

START_TEST(capability_is_exchanged_and_kept)
{
	calls_up(1);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(tunnel_at(i)->failover_flags, 3);
		ck_assert_uint_eq(tunnel_at(i)->failover_ours, 3);
		ck_assert_uint_eq(tunnel_at(i)->failover_ms, 20000);
	}
}
END_TEST

START_TEST(capability_is_not_told_where_it_is_switched_off)
{
	end[_i]->conf.profile[0].failover = false;
	calls_up(1);
	ck_assert_uint_eq(tunnel_at(_i)->failover_ours, 0);
	ck_assert_uint_eq(tunnel_at(1 - _i)->failover_flags, 0);
	ck_assert_uint_eq(tunnel_at(1 - _i)->failover_ours, 3);
}
END_TEST

START_TEST(a_cold_start_recovers_every_session)
{
	calls_up(CALLS);
	lab_cold(end[_i], NULL);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_RESET"), 1);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_SESSIONS"), CALLS);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_LOST"), 0);
	ck_assert_uint_eq(lab_count(end[1 - _i], "RECOVERY_ACCEPTED"), 1);
	ck_assert_uint_eq(lab_count(end[1 - _i], "RECOVERY_LOST"), 0);
	ck_assert_uint_eq(lab_count(end[1 - _i], "FSQ_OUT"), 0); /* asked about all: nothing is left to ask */
	ck_assert_uint_eq(tunnel_at(_i)->data_restarts, 1);
	ck_assert_uint_eq(tunnel_at(1 - _i)->data_restarts, 0);
	all_is_well(CALLS);
	run(60 * MONO_S);
	ck_assert_uint_eq(population(LAC).tunnels, 1); /* the recovery tunnel has gone */
	ck_assert_uint_eq(population(LNS).tunnels, 1);
}
END_TEST

/* The processes of a node start in any order: what cannot leave is no try, however short the cycle. */
START_TEST(tries_are_counted_from_when_a_worker_is_there)
{
	calls_up(CALLS);
	end[_i]->conf.profile[0].rtx_tries = 2;
	end[_i]->conf.profile[0].rtx_initial_ms = end[_i]->conf.profile[0].rtx_cap_ms = 50;
	lab_cold(end[_i], NULL);
	tc_carrier(end[_i]->tc, end[_i]->now, false);
	ck_assert(tc_next_due(end[_i]->tc) == MONO_NEVER);
	lab_wait(end[_i], 10 * MONO_S);
	end[1 - _i]->now = end[_i]->now;
	ck_assert_uint_eq(end[_i]->outs, 0);
	tc_carrier(end[_i]->tc, end[_i]->now, true);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_RESET"), 1);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_LOST"), 0);
	ck_assert_uint_eq(lab_count(end[_i], "RETRANSMISSIONS"), 0);
	all_is_well(CALLS);
}
END_TEST

/* An operator may be faster than the workers. */
START_TEST(what_was_said_before_a_worker_was_there_is_said_to_it)
{
	start();
	tc_carrier(end[LAC]->tc, end[LAC]->now, false);
	words(LAC, "call dial g 1");
	lab_quiet(end[LAC]); /* lost */
	run(100 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls, 1);
	ck_assert_uint_eq(population(LNS).tunnels, 0);
	tc_carrier(end[LAC]->tc, end[LAC]->now, true);
	run(5 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 1);
	tc_carrier(end[LAC]->tc, end[LAC]->now, true); /* told again: nothing begins anew */
	ck_assert_uint_eq(lab_count(end[LAC], "RETRANSMISSIONS"), 1);
}
END_TEST

START_TEST(the_end_of_it_can_be_read)
{
	calls_up(CALLS);
	lab_cold(end[LNS], NULL);
	network.cut = true;
	run(100 * MONO_MS);
	ck_assert(tc_alarms(end[LNS]->tc)[TC_ALARM_RECOVERING].stands);
	network.cut = false;
	run(5 * MONO_S);
	ck_assert(lab_command(end[LNS], "show recovery"));
	ck_assert_ptr_nonnull(strstr(end[LNS]->answer.text, "\"running\": false"));
	ck_assert_ptr_nonnull(strstr(end[LNS]->answer.text, "\"recovered\": 1"));
	ck_assert_ptr_nonnull(strstr(end[LNS]->answer.text, "\"sessions\": 8"));
	ck_assert_ptr_nonnull(strstr(end[LNS]->answer.text, "\"lost\": 0"));
	ck_assert(!tc_alarms(end[LNS]->tc)[TC_ALARM_RECOVERING].stands);
	ck_assert(!tc_alarms(end[LNS]->tc)[TC_ALARM_RECOVERY_LOST].stands);
}
END_TEST

START_TEST(a_restarted_process_changes_nothing)
{
	calls_up(CALLS);
	lab_restart(end[_i]);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_ASKED"), 0);
	lab_cold(end[_i], NULL);
	run(5 * MONO_S);
	lab_restart(end[_i]); /* in the epoch that began stale, but the tunnel is of this epoch now */
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_ASKED"), 0);
	all_is_well(CALLS);
}
END_TEST

START_TEST(a_mirrored_twin_goes_on_in_silence)
{
	calls_up(CALLS);
	lab_promote(end[_i]);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_ASKED"), 0);
	all_is_well(CALLS);
}
END_TEST

/* The disk lacks the last things: calls that came up, and calls that went. */
START_TEST(sessions_of_one_end_only_are_found_out)
{
	struct lab_row *disk;
	struct tunnel *t;

	calls_up(CALLS);
	disk = lab_disk(end[_i]);
	words(LAC, "call dial g 50"); /* the disk does not know it */
	run(MONO_S);
	t = tunnel_at(LAC);
	words(LAC, "call clear %u/%u", t->id, t->by_id->id); /* the disk still has it */
	run(MONO_S);
	ck_assert_uint_eq(population(1 - (unsigned)_i).calls_established, CALLS);
	lab_cold(end[_i], disk);
	run(30 * MONO_S);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_LOST"), 1);
	ck_assert_uint_eq(lab_count(end[1 - _i], "RECOVERY_LOST"), 1);
	ck_assert_uint_eq(lab_count(end[1 - _i], "FSQ_OUT"), 1); /* about the one that nobody asked for */
	all_is_well(CALLS - 1);
}
END_TEST

START_TEST(calls_that_were_being_set_up_are_cleared_in_silence)
{
	unsigned cdns;

	calls_up(CALLS);
	network.cut = true;
	words(LAC, "call dial g 50");
	run(100 * MONO_MS);
	ck_assert_uint_eq(population(LAC).calls, CALLS + 1);
	cdns = (unsigned)lab_count(end[LAC], "CALLS_ENDED_BY_US");
	lab_cold(end[_i], NULL);
	network.cut = false;
	run(10 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LAC], "RECOVERY_HALF_OPEN"), 1);
	ck_assert_uint_eq(lab_count(end[LAC], "CALLS_ENDED_BY_US"), _i == LAC ? 0 : cdns);
	/* A LAC that has forgotten where it tried places its call anew, with another id. */
	all_is_well(_i == LAC ? CALLS + 1 : CALLS);
}
END_TEST

/* ---- any datagram of it ------------------------------------------------------------------------------- */

#define DATAGRAMS 24 /* of a recovery, and then some */

static void
cold_story(unsigned i)
{
	struct lab_row *disk;

	disk = lab_disk(end[i]);
	words(LAC, "call dial g 50");
	run(MONO_S);
	network.count = 0;
	lab_cold(end[i], disk);
	run(70 * MONO_S);
	all_is_well(CALLS);
}

START_TEST(any_one_datagram_may_be_lost)
{
	int lose = network.lose = -1;

	for (unsigned i = 0; i < 2; i++) {
		teardown();
		capable_setup();
		calls_up(CALLS);
		lose = _i;
		struct lab_row *disk = lab_disk(end[i]);
		lab_cold(end[i], disk);
		network.count = 0;
		network.lose = lose;
		run(70 * MONO_S);
		network.lose = -1;
		all_is_well(CALLS);
	}
}
END_TEST

START_TEST(any_one_datagram_may_come_twice)
{
	for (unsigned i = 0; i < 2; i++) {
		teardown();
		capable_setup();
		calls_up(CALLS);
		lab_cold(end[i], NULL);
		network.count = 0;
		network.twice = _i;
		run(70 * MONO_S);
		network.twice = -1;
		all_is_well(CALLS);
		ck_assert_uint_eq(lab_count(end[i], "RECOVERY_LOST") + lab_count(end[1 - i], "RECOVERY_LOST"), 0);
	}
}
END_TEST

/* A switchover in the middle of a recovery, of either end. */
START_TEST(either_end_may_die_in_the_middle)
{
	for (unsigned i = 0; i < 4; i++) {
		teardown();
		capable_setup();
		calls_up(CALLS);
		lab_cold(end[i & 1], NULL);
		network.count = 0;
		*(i & 2 ? &network.kill_lac : &network.kill_lns) = _i;
		run(70 * MONO_S);
		network.kill_lac = network.kill_lns = -1;
		all_is_well(CALLS);
	}
}
END_TEST

START_TEST(death_and_loss_together)
{
	for (int lose = 0; lose < DATAGRAMS; lose++) {
		teardown();
		capable_setup();
		calls_up(CALLS);
		lab_cold(end[LNS], NULL);
		network.count = 0;
		network.kill_lns = _i;
		network.lose = lose;
		run(70 * MONO_S);
		network.kill_lns = network.lose = -1;
		all_is_well(CALLS);
	}
}
END_TEST

START_TEST(disk_is_old_and_the_network_is_bad)
{
	network.dice = (uint64_t)_i + 1;
	calls_up(CALLS);
	network.loss_percent = 10;
	network.shuffle = true;
	end[LAC]->conf.profile[0].rtx_tries = end[LNS]->conf.profile[0].rtx_tries = 10;
	cold_story((unsigned)_i & 1);
}
END_TEST

START_TEST(many_calls_are_asked_about_in_batches)
{
	calls_up(500);
	lab_cold(end[LNS], NULL);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LNS], "FSQ_OUT"), 8); /* 70 in each */
	ck_assert_uint_eq(lab_count(end[LNS], "RECOVERY_SESSIONS"), 500);
	all_is_well(500);
}
END_TEST

START_TEST(hidden_and_authenticated)
{
	for (unsigned i = 0; i < 2; i++) {
		secret(i, "secret");
		end[i]->conf.profile[0].hide = true;
	}
	calls_up(100);
	lab_cold(end[_i], NULL);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[_i], "RECOVERY_SESSIONS"), 100);
	all_is_well(100);
}
END_TEST

/* ---- both ends ---------------------------------------------------------------------------------------- */

START_TEST(both_ends_failed_at_once)
{
	network.dice = (uint64_t)_i;
	end[LAC]->random = (uint64_t)_i * 77;
	calls_up(CALLS);
	lab_cold(end[LAC], NULL);
	lab_cold(end[LNS], NULL);
	run(20 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LAC], "TIES_LOST") + lab_count(end[LNS], "TIES_LOST"), 1);
	ck_assert_uint_eq(lab_count(end[LAC], "RECOVERY_RESET") + lab_count(end[LNS], "RECOVERY_RESET"), 1);
	ck_assert_uint_eq(tunnel_at(LAC)->data_restarts, 1);
	ck_assert_uint_eq(tunnel_at(LNS)->data_restarts, 1);
	all_is_well(CALLS);
}
END_TEST

START_TEST(both_ends_failed_and_any_datagram_is_lost)
{
	calls_up(CALLS);
	lab_cold(end[LAC], NULL);
	lab_cold(end[LNS], NULL);
	network.count = 0;
	network.lose = _i;
	run(70 * MONO_S);
	network.lose = -1;
	all_is_well(CALLS);
}
END_TEST

/* ---- refused, never answered -------------------------------------------------------------------------- */

START_TEST(a_peer_that_is_gone_takes_its_tunnel_along)
{
	calls_up(CALLS);
	lab_cold(end[LNS], NULL);
	network.cut = true;
	run(31 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls, 0);
	ck_assert_uint_eq(lab_count(end[LNS], "RECOVERY_FAILED"), 1);
	ck_assert(tc_alarms(end[LNS]->tc)[TC_ALARM_RECOVERY_LOST].stands);
	ck_assert(!tc_alarms(end[LNS]->tc)[TC_ALARM_RECOVERING].stands);
	run(80 * MONO_S);
	ck_assert_uint_eq(HASH_COUNT(end[LNS]->store), 0);
}
END_TEST

START_TEST(another_secret_recovers_nothing)
{
	secret(LAC, "one");
	secret(LNS, "one");
	calls_up(CALLS);
	snprintf(end[LNS]->conf.profile[0].secret, CONF_TEXT, "two");
	lab_cold(end[LNS], NULL);
	run(5 * MONO_S);
	/* What failed is gone where it failed; the other end is as it was. */
	ck_assert_uint_eq(population(LNS).calls, 0);
	ck_assert_uint_eq(lab_count(end[LNS], "RECOVERY_FAILED"), 1);
	ck_assert_uint_eq(population(LAC).calls_established, CALLS);
	ck_assert_uint_eq(lab_count(end[LAC], "RECOVERY_ACCEPTED"), 0);
}
END_TEST

START_TEST(without_the_peers_capability_the_stored_state_goes_on)
{
	end[LAC]->conf.profile[0].failover = false;
	calls_up(CALLS);
	lab_cold(end[LNS], NULL);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LNS], "STALE_KEPT"), 1);
	ck_assert_uint_eq(lab_count(end[LNS], "RECOVERY_ASKED"), 0);
	all_is_well(CALLS);
}
END_TEST

/* The disk lacks the last of it, on both sides of the numbers. */
START_TEST(and_takes_the_peers_word_for_what_it_lacks)
{
	struct lab_row *disk;

	end[LAC]->conf.profile[0].failover = false;
	calls_up(CALLS);
	disk = lab_disk(end[LNS]);
	words(LAC, "call dial g 50");
	words(LAC, "call dial g 51");
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, CALLS + 2);
	lab_cold(end[LNS], disk);
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, CALLS);
	words(LAC, "call dial g 52");
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, CALLS + 1);
	ck_assert_uint_ge(lab_count(end[LNS], "STALE_LEARNT"), 1);
	words(LNS, "call clear %u/%u", tunnel_at(LNS)->id, tunnel_at(LNS)->by_id->id);
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, CALLS);
	ck_assert_uint_eq(population(LAC).calls_established, CALLS + 2); /* two that only it knows */
	run(300 * MONO_S);
	ck_assert_uint_eq(population(LNS).established, 1);
	ck_assert_uint_eq(population(LAC).established, 1);
}
END_TEST

START_TEST(or_is_cleared_by_policy)
{
	end[LAC]->conf.profile[0].failover = false;
	end[LNS]->conf.profile[0].stale = STALE_CLEAR;
	calls_up(CALLS);
	lab_cold(end[LNS], NULL);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LNS], "STALE_CLEARED"), 1);
	ck_assert_uint_eq(population(LNS).calls, 0);
	ck_assert_uint_eq(population(LAC).calls, 0);
}
END_TEST

/* ---- the peer is away --------------------------------------------------------------------------------- */

START_TEST(a_capable_peer_is_waited_for)
{
	calls_up(CALLS);
	network.cut = true;
	words(LAC, "call clear %u/%u", tunnel_at(LAC)->id, tunnel_at(LAC)->by_id->id); /* something is to be sent */
	run(40 * MONO_S);
	ck_assert_uint_eq(population(LAC).away, 1);
	ck_assert_uint_eq(population(LAC).calls_established, CALLS - 1);
	ck_assert(tc_alarms(end[LAC]->tc)[TC_ALARM_PEER_AWAY].stands);
	lab_promote(end[LAC]); /* and the twin waits, too */
	run(5 * MONO_S);
	lab_cold(end[LNS], NULL);
	network.cut = false;
	run(20 * MONO_S);
	ck_assert(!tc_alarms(end[LAC]->tc)[TC_ALARM_PEER_AWAY].stands);
	all_is_well(CALLS - 1);
}
END_TEST

START_TEST(a_peer_that_answers_again_has_not_failed)
{
	calls_up(CALLS);
	network.cut = true;
	words(LAC, "call clear %u/%u", tunnel_at(LAC)->id, tunnel_at(LAC)->by_id->id);
	run(40 * MONO_S);
	ck_assert_uint_eq(population(LAC).away, 1);
	network.cut = false;
	run(10 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LAC], "PEERS_BACK"), 1);
	ck_assert_uint_eq(lab_count(end[LAC], "RECOVERY_ACCEPTED"), 0);
	all_is_well(CALLS - 1);
}
END_TEST

START_TEST(but_not_for_ever)
{
	calls_up(CALLS);
	network.cut = true;
	words(LAC, "call clear %u/%u", tunnel_at(LAC)->id, tunnel_at(LAC)->by_id->id);
	run(31 * MONO_S + 100 * MONO_MS);
	ck_assert_uint_eq(population(LAC).away, 1);
	run(19 * MONO_S);
	ck_assert_uint_eq(population(LAC).away, 1);
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LAC).away, 0);
	ck_assert_uint_eq(population(LAC).calls, 0);
	ck_assert_uint_eq(lab_count(end[LAC], "FAULT_RECOVERY_TIME"), 1);
}
END_TEST

START_TEST(a_time_of_zero_asks_for_no_wait)
{
	end[LNS]->conf.profile[0].recovery_ms = 0;
	calls_up(CALLS);
	network.cut = true;
	words(LAC, "call clear %u/%u", tunnel_at(LAC)->id, tunnel_at(LAC)->by_id->id);
	run(32 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls, 0);
}
END_TEST

/* ---- pacing ------------------------------------------------------------------------------------------- */

START_TEST(a_peer_is_not_flooded)
{
	end[LNS]->conf.profile[0].recovery_parallel = 3;
	end[LAC]->conf.profile[0].max_sessions = 1; /* a tunnel a call */
	start();
	for (unsigned i = 0; i < 20; i++)
		words(LAC, "call dial g %u", i);
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LNS).established, 20);
	lab_cold(end[LNS], NULL);
	network.cut = true;
	run(100 * MONO_MS);
	ck_assert_uint_eq(lab_count(end[LNS], "RECOVERY_ASKED"), 3);
	network.cut = false;
	run(10 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LNS], "RECOVERY_RESET"), 20);
	ck_assert_uint_eq(population(LAC).calls_established, 20);
	ck_assert_uint_eq(population(LNS).calls_established, 20);
	same_calls();
}
END_TEST

START_TEST(an_operator_may_ask_for_it)
{
	calls_up(CALLS);
	words(LAC, "tunnel recover %u", tunnel_at(LAC)->id);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LAC], "RECOVERY_RESET"), 1);
	words(LNS, "tunnel query %u", tunnel_at(LNS)->id);
	run(5 * MONO_S);
	ck_assert_uint_eq(lab_count(end[LNS], "RECOVERY_SESSIONS"), 2 * CALLS);
	ck_assert(!lab_command(end[LNS], "tunnel recover 0"));
	ck_assert(!lab_command(end[LNS], "tunnel query x"));
	all_is_well(CALLS);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, capable_setup, teardown);
	tcase_add_test(tc, capability_is_exchanged_and_kept);
	tcase_add_loop_test(tc, capability_is_not_told_where_it_is_switched_off, 0, 2);
	tcase_add_loop_test(tc, a_cold_start_recovers_every_session, 0, 2);
	tcase_add_loop_test(tc, tries_are_counted_from_when_a_worker_is_there, 0, 2);
	tcase_add_test(tc, what_was_said_before_a_worker_was_there_is_said_to_it);
	tcase_add_test(tc, the_end_of_it_can_be_read);
	tcase_add_loop_test(tc, a_restarted_process_changes_nothing, 0, 2);
	tcase_add_loop_test(tc, a_mirrored_twin_goes_on_in_silence, 0, 2);
	tcase_add_loop_test(tc, sessions_of_one_end_only_are_found_out, 0, 2);
	tcase_add_loop_test(tc, calls_that_were_being_set_up_are_cleared_in_silence, 0, 2);
	tcase_add_loop_test(tc, any_one_datagram_may_be_lost, 0, DATAGRAMS);
	tcase_add_loop_test(tc, any_one_datagram_may_come_twice, 0, DATAGRAMS);
	tcase_add_loop_test(tc, either_end_may_die_in_the_middle, 0, DATAGRAMS);
	tcase_add_loop_test(tc, death_and_loss_together, 0, DATAGRAMS);
	tcase_add_loop_test(tc, disk_is_old_and_the_network_is_bad, 0, 20);
	tcase_add_test(tc, many_calls_are_asked_about_in_batches);
	tcase_add_loop_test(tc, hidden_and_authenticated, 0, 2);
	tcase_add_loop_test(tc, both_ends_failed_at_once, 0, 8);
	tcase_add_loop_test(tc, both_ends_failed_and_any_datagram_is_lost, 0, DATAGRAMS);
	tcase_add_test(tc, a_peer_that_is_gone_takes_its_tunnel_along);
	tcase_add_test(tc, another_secret_recovers_nothing);
	tcase_add_test(tc, without_the_peers_capability_the_stored_state_goes_on);
	tcase_add_test(tc, and_takes_the_peers_word_for_what_it_lacks);
	tcase_add_test(tc, or_is_cleared_by_policy);
	tcase_add_test(tc, a_capable_peer_is_waited_for);
	tcase_add_test(tc, a_peer_that_answers_again_has_not_failed);
	tcase_add_test(tc, but_not_for_ever);
	tcase_add_test(tc, a_time_of_zero_asks_for_no_wait);
	tcase_add_test(tc, a_peer_is_not_flooded);
	tcase_add_test(tc, an_operator_may_ask_for_it);
}

UNIT_MAIN("tunnel-ctl recovery", add_tests)
