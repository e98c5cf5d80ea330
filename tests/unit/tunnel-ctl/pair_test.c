// SPDX-License-Identifier: Apache-2.0
/*
 * Two cores, back to back: a LAC and an LNS.  The same story is told again and again with one datagram lost,
 * doubled or late, and with either end dying and its shadow taking over at any point.  It must end the
 * same way every time.
 */
#include "../lib/unit.h"
#include "pair.h"

/* Two calls up, one cleared by each end, the tunnel closed: nothing is left anywhere. */
static void
story(void)
{
	struct tunnel *t;
	struct call *c;

	start();
	words(LAC, "call dial g 100");
	words(LAC, "call dial g 200");
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 2);
	ck_assert_uint_eq(population(LNS).calls_established, 2);
	ck_assert_uint_eq(population(LNS).established, 1);
	same_calls();
	t = end[LAC]->tc->all;
	words(LAC, "call clear %u/%u", t->id, t->by_id->id);
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
	same_calls();
	t = end[LNS]->tc->all;
	c = t->by_id;
	words(LNS, "call clear %u/%u result=3 cause=4", t->id, c->id);
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls, 0);
	words(LNS, "tunnel close %u", end[LNS]->tc->all->id);
	run(80 * MONO_S);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(population(i).tunnels, 0);
		ck_assert_uint_eq(HASH_COUNT(end[i]->store), 0);
	}
}

#define STORY 24 /* datagrams of the story, and then some */

START_TEST(the_story)
{
	story();
	ck_assert_int_le(network.count, STORY);
	ck_assert_uint_eq(lab_count(end[LAC], "RETRANSMISSIONS"), 0);
	ck_assert_uint_eq(lab_count(end[LNS], "RETRANSMISSIONS"), 0);
}
END_TEST

START_TEST(any_one_datagram_may_be_lost)
{
	network.lose = _i;
	story();
}
END_TEST

START_TEST(any_one_datagram_may_come_twice)
{
	network.twice = _i;
	story();
}
END_TEST

START_TEST(the_lns_may_die_before_any_datagram)
{
	network.kill_lns = _i;
	story();
}
END_TEST

START_TEST(the_lac_may_die_before_any_datagram)
{
	network.kill_lac = _i;
	story();
}
END_TEST

START_TEST(death_and_loss_together)
{
	for (int lose = 0; lose < STORY; lose++) {
		teardown();
		setup();
		network.kill_lns = _i;
		network.lose = lose;
		story();
	}
}
END_TEST

START_TEST(a_storm_with_loss_and_deaths_ends_with_every_call_up)
{
	network.dice = (uint64_t)_i + 1;
	network.loss_percent = 5;
	end[LAC]->conf.profile[0].rtx_tries = end[LNS]->conf.profile[0].rtx_tries = 10;
	start();
	for (unsigned i = 0; i < 60; i++)
		words(LAC, "call dial g %u", i);
	for (unsigned i = 0; i < 6; i++) {
		run(2 * MONO_S);
		lab_promote(end[dice() % 2]);
	}
	run(55 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 60);
	ck_assert_uint_eq(population(LNS).calls_established, 60);
	same_calls();
}
END_TEST

START_TEST(an_outgoing_call_survives_the_death_of_either_end)
{
	for (int kill = 0; kill < 12; kill++) {
		teardown();
		setup();
		network.kill_lac = _i;
		network.kill_lns = kill;
		start();
		words(LAC, "tunnel open g");
		run(10 * MONO_S);
		words(LNS, "call out %u 5551000", end[LNS]->tc->all->id);
		run(20 * MONO_S);
		ck_assert_uint_eq(population(LAC).calls_established, 1);
		ck_assert_uint_eq(population(LNS).calls_established, 1);
		same_calls();
	}
}
END_TEST

START_TEST(authentication_and_hiding_between_two_of_us)
{
	for (unsigned i = 0; i < 2; i++) {
		struct conf_profile *p = &end[i]->conf.profile[0];
		snprintf(p->secret, CONF_TEXT, "secret");
		p->require_auth = true;
		p->hide = true;
	}
	story();
}
END_TEST

START_TEST(different_secrets_open_nothing)
{
	for (unsigned i = 0; i < 2; i++) {
		struct conf_profile *p = &end[i]->conf.profile[0];
		snprintf(p->secret, CONF_TEXT, "secret %u", i);
		p->require_auth = true;
	}
	start();
	words(LAC, "call dial g 1");
	run(5 * MONO_S);
	ck_assert_uint_eq(population(LAC).established + population(LNS).established, 0);
	ck_assert_uint_eq(population(LAC).calls, 0);
	ck_assert_uint_eq(lab_count(end[LAC], "FAULT_BAD_RESPONSE"), 1);
	ck_assert(tc_alarms(end[LAC]->tc)[TC_ALARM_LNS_GROUP_DOWN].stands);
	for (unsigned i = 0; i < 2; i++)
		snprintf(end[i]->conf.profile[0].secret, CONF_TEXT, "the same");
	run(60 * MONO_S); /* its hold-off is over */
	words(LAC, "call dial g 1");
	run(5 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 1);
	ck_assert(!tc_alarms(end[LAC]->tc)[TC_ALARM_LNS_GROUP_DOWN].stands);
}
END_TEST

START_TEST(both_open_at_once_and_one_tunnel_remains)
{
	struct conf *c = &end[LNS]->conf;

	end[LAC]->conf.profile[0].roles = end[LNS]->conf.profile[0].roles = ROLE_LAC | ROLE_LNS;
	c->lns_groups = 1;
	snprintf(c->lns_group[0].name, CONF_NAME, "g");
	c->lns_group[0].member[0].peer = at[LAC];
	c->lns_group[0].members = 1;
	start();
	words(LAC, "call dial g 1");
	words(LNS, "call dial g 2");
	run(5 * MONO_S);
	ck_assert_uint_eq(population(LAC).established, 1);
	ck_assert_uint_eq(population(LNS).established, 1);
	ck_assert_uint_eq(population(LAC).calls_established, 2); /* the loser's call moved over */
	ck_assert_uint_eq(population(LNS).calls_established, 2);
	same_calls();
}
END_TEST

/* ---- groups and dials ------------------------------------------------------------------------------------- */

static void
second_member(unsigned preference)
{
	struct conf_lns_group *g = &end[LAC]->conf.lns_group[0];

	g->member[1] = g->member[0];
	g->member[1].preference = preference;
	g->member[0].peer.addr.b[3] = NOBODY;
	g->members = 2;
}

START_TEST(the_next_lns_is_tried_when_the_first_is_silent)
{
	second_member(10);
	start();
	words(LAC, "call dial g 1");
	run(32 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 1);
	ck_assert_uint_eq(lab_count(end[LAC], "CALLS_REDIRECTED"), 1);
	words(LAC, "call dial g 2"); /* held off: straight to the second */
	run(MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 2);
}
END_TEST

START_TEST(try_another_is_honoured)
{
	struct conf_lns_group *g = &end[LAC]->conf.lns_group[0];

	/* The same LNS under two addresses: its first tunnel is drained while the call is on its way. */
	g->member[1] = g->member[0];
	g->member[1].peer.addr.b[3] = 3;
	g->member[1].preference = 10;
	g->members = 2;
	start();
	words(LAC, "tunnel open g");
	run(MONO_S);
	words(LNS, "tunnel drain %u", end[LNS]->tc->all->id);
	words(LAC, "call dial g 1");
	run(MONO_S);
	ck_assert_uint_eq(lab_count(end[LAC], "CALLS_REDIRECTED"), 1);
	/* The second member is asked: by an SCCRQ to its address. */
	unsigned asked = 0;
	for (struct tunnel *t = end[LAC]->tc->all; t; t = t->next)
		asked += t->peer.addr.b[3] == 3;
	ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(a_dial_is_kept_up)
{
	struct conf *c = &end[LAC]->conf;

	c->profile[0].roles = ROLE_CLIENT;
	c->dials = 1;
	snprintf(c->dial[0].name, CONF_NAME, "home");
	snprintf(c->dial[0].lns_group, CONF_NAME, "g");
	c->dial[0].redial_ms = 1000;
	start();
	run(MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
	struct call *k = end[LAC]->tc->all->by_id;
	ck_assert_uint_eq(k->role, TC_CLIENT);
	ck_assert_str_eq(k->user_ref, "home");
	lab_promote(end[LAC]); /* the new active knows that it is up */
	run(5 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
	struct tunnel *t = end[LNS]->tc->all;
	words(LNS, "call clear %u/%u", t->id, t->by_id->id);
	run(100 * MONO_MS);
	ck_assert_uint_eq(population(LAC).calls, 0);
	ck_assert(tc_alarms(end[LAC]->tc)[TC_ALARM_DIAL_DOWN].stands);
	run(MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
	ck_assert(!tc_alarms(end[LAC]->tc)[TC_ALARM_DIAL_DOWN].stands);
	ck_assert(lab_command(end[LAC], "show dials"));
	ck_assert_ptr_nonnull(strstr(end[LAC]->answer.text, "home: up"));
}
END_TEST

START_TEST(redialling_backs_off)
{
	struct conf *c = &end[LAC]->conf;

	c->profile[0].roles = ROLE_CLIENT;
	c->dials = 1;
	snprintf(c->dial[0].name, CONF_NAME, "home");
	snprintf(c->dial[0].lns_group, CONF_NAME, "g");
	c->dial[0].redial_ms = 1000;
	c->lns_group[0].hold_off_ms = 0;
	end[LNS]->conf.profile[0].roles = ROLE_LAC; /* refuses every call */
	start();
	run(120 * MONO_S);
	ck_assert_uint_ge(lab_count(end[LNS], "FAULT_CALL_ROLE"), 6);
	ck_assert_uint_le(lab_count(end[LNS], "FAULT_CALL_ROLE"), 10);
}
END_TEST

START_TEST(an_idle_tunnel_closes)
{
	end[LAC]->conf.profile[0].idle_ms = 3000;
	start();
	words(LAC, "call dial g 1");
	run(10 * MONO_S);
	ck_assert_uint_eq(population(LAC).established, 1);
	struct tunnel *t = end[LAC]->tc->all;
	words(LAC, "call clear %u/%u", t->id, t->by_id->id);
	run(2900 * MONO_MS);
	ck_assert_uint_eq(population(LAC).established, 1);
	run(MONO_S);
	ck_assert_uint_eq(population(LAC).established, 0);
	run(70 * MONO_S);
	ck_assert_uint_eq(HASH_COUNT(end[LNS]->store), 0);
}
END_TEST

START_TEST(words_that_make_no_sense_change_nothing)
{
	static const char *const bad[] = {
		"tunnel", "tunnel open", "tunnel open nobody", "tunnel close 0", "tunnel close x", "tunnel drain 7",
		"call clear 1", "call clear 1/2", "call dial", "call dial nobody", "call dial g 1 nonsense=1",
		"call dial g 1 tx=lots", "call dial g 1 lcp-first=xyz", "call out 1", "call drop 1/2/3", "nonsense at all",
	};

	start();
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(!lab_command(end[LAC], bad[i]), "%s", bad[i]);
		ck_assert_uint_ne(end[LAC]->answer.text[0], 0);
	}
	ck_assert_uint_eq(end[LAC]->records, 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_story);
	tcase_add_loop_test(tc, any_one_datagram_may_be_lost, 0, STORY);
	tcase_add_loop_test(tc, any_one_datagram_may_come_twice, 0, STORY);
	tcase_add_loop_test(tc, the_lns_may_die_before_any_datagram, 0, STORY);
	tcase_add_loop_test(tc, the_lac_may_die_before_any_datagram, 0, STORY);
	tcase_add_loop_test(tc, death_and_loss_together, 0, STORY);
	tcase_add_loop_test(tc, a_storm_with_loss_and_deaths_ends_with_every_call_up, 0, 10);
	tcase_add_loop_test(tc, an_outgoing_call_survives_the_death_of_either_end, 0, 12);
	tcase_add_test(tc, authentication_and_hiding_between_two_of_us);
	tcase_add_test(tc, different_secrets_open_nothing);
	tcase_add_test(tc, both_open_at_once_and_one_tunnel_remains);
	tcase_add_test(tc, the_next_lns_is_tried_when_the_first_is_silent);
	tcase_add_test(tc, try_another_is_honoured);
	tcase_add_test(tc, a_dial_is_kept_up);
	tcase_add_test(tc, redialling_backs_off);
	tcase_add_test(tc, an_idle_tunnel_closes);
	tcase_add_test(tc, words_that_make_no_sense_change_nothing);
}

UNIT_MAIN("tunnel-ctl pair", add_tests)
