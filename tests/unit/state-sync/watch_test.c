// SPDX-License-Identifier: Apache-2.0
/* What state-sync looks for once a second. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

#define S MONO_S
#define SILENCE (15 * S)

static struct sync s;
static struct watch w;
static struct watch_verdict v;

static void
setup(void)
{
	memset(&s, 0, sizeof s);
	memset(&w, 0, sizeof w);
	s.role = SYNC_R_ACTIVE;
	s.meta.complete = true;
}

static struct sync_client *
client(unsigned i, const char *who, mono_t heard)
{
	struct sync_client *c = &s.client[i];

	if (i >= s.clients)
		s.clients = i + 1;
	c->used = true;
	c->heard = heard;
	snprintf(c->who, sizeof c->who, "%s", who);
	return c;
}

static bool
look(mono_t now)
{
	watch_processes(&w, &s, 2, SILENCE, now, &v);
	return v.stands;
}

static void
all_are_there(mono_t heard)
{
	client(0, "worker.1", heard);
	client(1, "tunnel-ctl", heard);
	client(2, "worker.0", heard);
	client(3, "session-mgr", heard);
}

START_TEST(who_is_heard_raises_nothing)
{
	for (mono_t t = S; t < 100 * S; t += S) {
		all_are_there(t);
		ck_assert(!look(t));
	}
}
END_TEST

START_TEST(silence_and_absence_have_names)
{
	all_are_there(S);
	ck_assert(!look(S));
	s.client[0].used = false; /* worker.1 */
	client(1, "tunnel-ctl", 20 * S);
	client(3, "session-mgr", 20 * S);
	ck_assert(look(20 * S));
	ck_assert_str_eq(v.detail, "worker.0 is silent, worker.1 is silent");
	all_are_there(21 * S);
	ck_assert(!look(21 * S));
	ck_assert_str_eq(v.detail, "");
}
END_TEST

START_TEST(nobody_is_missed_who_is_not_welcome_yet)
{
	s.role = SYNC_R_UNKNOWN;
	ck_assert(!look(S) && !look(100 * S));
	s.role = SYNC_R_STANDBY;
	s.meta.complete = false; /* a snapshot is being received */
	ck_assert(!look(200 * S));
	s.meta.complete = true;
	ck_assert(!look(300 * S)); /* the time begins now */
	ck_assert(!look(300 * S + SILENCE));
	ck_assert(look(301 * S + SILENCE));
}
END_TEST

START_TEST(starting_again_and_again_is_told_for_a_minute)
{
	all_are_there(S);
	ck_assert(!look(S));
	s.client[2].life += WATCH_STARTS;
	all_are_there(10 * S);
	ck_assert(!look(10 * S));
	s.client[2].life++;
	ck_assert(look(10 * S));
	ck_assert_str_eq(v.detail, "worker.0 starts again and again");
	all_are_there(61 * S);
	ck_assert(look(61 * S)); /* the minute is over: it was so in that minute */
	all_are_there(100 * S);
	ck_assert(look(100 * S));
	all_are_there(121 * S);
	ck_assert(!look(121 * S));
}
END_TEST

START_TEST(more_than_fits_is_cut)
{
	ck_assert(!look(S));
	watch_processes(&w, &s, 64, SILENCE, 100 * S, &v);
	ck_assert(v.stands);
	ck_assert_uint_eq(strlen(v.detail), WATCH_DETAIL - 1);
}
END_TEST

START_TEST(a_store_is_high_until_it_is_low)
{
	watch_store(84, 100, false, &v);
	ck_assert(!v.stands);
	watch_store(85ull << 20, 100ull << 20, false, &v);
	ck_assert(v.stands);
	ck_assert_str_eq(v.detail, "85 % of 100 MiB");
	watch_store(80, 100, true, &v);
	ck_assert(v.stands);
	watch_store(79, 100, true, &v);
	ck_assert(!v.stands);
	watch_store(0, 0, false, &v);
	ck_assert(!v.stands);
}
END_TEST

static struct watch_facts
facts(const struct sync_lag *lag, mono_t now)
{
	return (struct watch_facts){ .sync = &s, .lag = lag, .workers = 2, .store_used = 10, .store_map = 100,
				     .silence = SILENCE, .now = now };
}

/* Each alarm stands for its own reason, by its own name, and ends with it. */
START_TEST(every_alarm_stands_and_clears)
{
	struct watch_verdict all[SYNC_ALARMS];
	struct sync_lag slow = { 0 }, quick = { 0 };
	struct watch_facts f = facts(&quick, S);

	for (unsigned i = 0; i < WATCH_LAG_LEAST; i++) {
		sync_lag_add(&slow, 200 * MONO_MS);
		sync_lag_add(&quick, MONO_MS);
	}
	for (unsigned what = 0; what < 8; what++) { /* every combination, and from each to none */
		all_are_there(f.now);
		f = facts(what & 1 ? &slow : &quick, f.now + S);
		f.store_used = what & 2 ? 90 : 10;
		watch_look(&w, &f, all);
		if (what & 4)
			f.now += 20 * S; /* nobody says anything */
		watch_look(&w, &f, all);
		ck_assert_int_eq(all[SYNC_ALARM_MIRROR_SLOW].stands, (what & 1) != 0);
		ck_assert_int_eq(all[SYNC_ALARM_STORE_HIGH].stands, (what & 2) != 0);
		ck_assert_int_eq(all[SYNC_ALARM_PROCESS].stands, (what & 4) != 0);
		all_are_there(f.now);
		f = facts(&quick, f.now + S);
		f.store_stood = what & 2;
		watch_look(&w, &f, all);
		ck_assert(!all[SYNC_ALARM_MIRROR_SLOW].stands && !all[SYNC_ALARM_STORE_HIGH].stands &&
			  !all[SYNC_ALARM_PROCESS].stands);
	}
}
END_TEST

START_TEST(a_slow_twin)
{
	struct sync_lag lag = { 0 };

	watch_lag(&lag, &v);
	ck_assert(!v.stands);
	for (unsigned i = 0; i < WATCH_LAG_LEAST - 1; i++)
		sync_lag_add(&lag, 200 * MONO_MS);
	watch_lag(&lag, &v);
	ck_assert(!v.stands);
	sync_lag_add(&lag, 200 * MONO_MS);
	watch_lag(&lag, &v);
	ck_assert(v.stands);
	for (unsigned i = 0; i < 200 * WATCH_LAG_LEAST; i++)
		sync_lag_add(&lag, MONO_MS);
	watch_lag(&lag, &v);
	ck_assert(!v.stands);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("watch");
	TCase *t = tcase_create("watch");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, who_is_heard_raises_nothing);
	tcase_add_test(t, silence_and_absence_have_names);
	tcase_add_test(t, nobody_is_missed_who_is_not_welcome_yet);
	tcase_add_test(t, starting_again_and_again_is_told_for_a_minute);
	tcase_add_test(t, more_than_fits_is_cut);
	tcase_add_test(t, a_store_is_high_until_it_is_low);
	tcase_add_test(t, every_alarm_stands_and_clears);
	tcase_add_test(t, a_slow_twin);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
