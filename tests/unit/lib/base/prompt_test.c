// SPDX-License-Identifier: Apache-2.0
/*
 * Who runs first, and who does again as all others do.  Where this machine allows no real-time priority, that nothing changes then.
 */
#include "base/prompt.h"

#include "lib/unit.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void *
class_of(void *arg)
{
	*(int *)arg = sched_getscheduler(0);
	return NULL;
}

static int
class_of_a_thread(void)
{
	pthread_t t;
	int c = -1;

	ck_assert_int_eq(pthread_create(&t, NULL, class_of, &c), 0);
	pthread_join(t, NULL);
	return c;
}

START_TEST(it_and_what_it_begins_until_it_is_taken_back)
{
	const int nice_before = getpriority(PRIO_PROCESS, 0);

	if (!prompt_set(true)) {
		ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
		printf("this machine allows no real-time priority\n");
		return;
	}
	ck_assert_int_eq(class_of_a_thread(), SCHED_RR);
	ck_assert_int_eq(sched_getscheduler(0), SCHED_RR);
	ck_assert(prompt_set(false));
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(class_of_a_thread(), SCHED_OTHER);
	ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), nice_before);
	ck_assert(prompt_set(true));
}
END_TEST

START_TEST(its_nice_value_is_as_before)
{
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 7), 0);
	prompt_set(true);
	prompt_set(false);
	ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), 7);
}
END_TEST

START_TEST(who_was_started_under_another_class_stays_there)
{
	const struct sched_param none = { 0 };

	ck_assert_int_eq(sched_setscheduler(0, SCHED_BATCH, &none), 0);
	ck_assert(!prompt_set(true));
	ck_assert_int_eq(sched_getscheduler(0), SCHED_BATCH);
	ck_assert(!prompt_set(false));
	ck_assert_int_eq(sched_getscheduler(0), SCHED_BATCH);
}
END_TEST

START_TEST(without_the_privilege_nothing_changes)
{
	const struct rlimit none = { 0, 0 };

	ck_assert_int_eq(setrlimit(RLIMIT_RTPRIO, &none), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(setuid(65534), 0);
	ck_assert(!prompt_set(true));
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, it_and_what_it_begins_until_it_is_taken_back);
	tcase_add_test(t, its_nice_value_is_as_before);
	tcase_add_test(t, who_was_started_under_another_class_stays_there);
	tcase_add_test(t, without_the_privilege_nothing_changes);
}

UNIT_MAIN("prompt", add)
