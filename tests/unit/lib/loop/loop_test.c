// SPDX-License-Identifier: Apache-2.0
/* The loop: deadlines in order and never early, descriptors, signals, what happens before sleeping.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/loop.h"

static struct loop *loop;
static char tape[256];

static void
setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	tape[0] = 0;
}

static void
teardown(void)
{
	loop_free(loop);
}

static void
say(const char *what)
{
	strncat(tape, what, sizeof tape - strlen(tape) - 1);
}

struct alarm_clock {
	struct loop_timer timer;
	const char *name;
	mono_t asked, fired;
	struct alarm_clock *clears;
	bool again, stops;
};

static void
on_time(void *arg)
{
	struct alarm_clock *a = arg;

	a->fired = mono_now();
	say(a->name);
	if (a->clears)
		loop_timer_clear(loop, &a->clears->timer);
	if (a->again)
		loop_timer_set(loop, &a->timer, 1);
	if (a->stops)
		loop_stop(loop);
}

static void
set(struct alarm_clock *a, const char *name, mono_t due)
{
	loop_timer_init(&a->timer, on_time, a);
	a->name = name;
	a->asked = due;
	loop_timer_set(loop, &a->timer, due);
}

START_TEST(timers_fire_in_the_order_of_their_deadlines_and_never_early)
{
	struct alarm_clock a = { 0 }, b = { 0 }, c = { .stops = true };
	mono_t now = mono_now();

	set(&c, "c", now + 6 * MONO_MS);
	set(&a, "a", now + 2 * MONO_MS);
	set(&b, "b", now + 2 * MONO_MS + 300 * MONO_US);
	loop_run(loop);
	ck_assert_str_eq(tape, "abc");
	ck_assert(a.fired >= a.asked && b.fired >= b.asked && c.fired >= c.asked);
}
END_TEST

START_TEST(a_timer_moved_fires_at_its_last_deadline_only)
{
	struct alarm_clock a = { 0 }, b = { .stops = true };
	mono_t now = mono_now();

	set(&a, "a", now + MONO_S);
	set(&b, "b", now + 4 * MONO_MS);
	loop_timer_set(loop, &a.timer, now + 2 * MONO_MS);
	loop_run(loop);
	ck_assert_str_eq(tape, "ab");
	ck_assert_uint_eq(a.timer.slot, 0);
}
END_TEST

START_TEST(a_timer_cleared_by_another_of_the_same_moment_does_not_fire)
{
	struct alarm_clock a = { 0 }, b = { 0 }, c = { .stops = true };
	mono_t now = mono_now();

	set(&a, "a", now);
	set(&b, "b", now + 1);
	set(&c, "c", now + 2);
	a.clears = &b;
	loop_run(loop);
	ck_assert_str_eq(tape, "ac");
	loop_timer_clear(loop, &b.timer);
	loop_timer_clear(loop, &b.timer);
}
END_TEST

START_TEST(a_timer_that_sets_itself_into_the_past_does_not_hold_the_loop)
{
	struct alarm_clock a = { .again = true };

	set(&a, "a", 1);
	for (int i = 0; i < 3; i++)
		loop_once(loop, 0);
	ck_assert_str_eq(tape, "aaa");
	loop_timer_clear(loop, &a.timer);
}
END_TEST

START_TEST(never_clears)
{
	struct alarm_clock a = { 0 };

	set(&a, "a", 1);
	loop_timer_set(loop, &a.timer, MONO_NEVER);
	loop_once(loop, 0);
	ck_assert_str_eq(tape, "");
}
END_TEST

static mono_t last_due;
static unsigned fired;

static void
in_order(void *arg)
{
	mono_t due = *(mono_t *)arg;

	ck_assert_int_ge(due, last_due);
	last_due = due;
	fired++;
}

START_TEST(ten_thousand_timers_set_moved_and_cleared_at_random_keep_their_order)
{
	enum { N = 10000 };
	struct loop_timer *t = calloc(N, sizeof *t);
	mono_t *due = calloc(N, sizeof *due);
	unsigned cleared = 0;

	srand(7);
	last_due = 0;
	fired = 0;
	for (int i = 0; i < N; i++)
		loop_timer_init(&t[i], in_order, &due[i]);
	for (int i = 0; i < 3 * N; i++) {
		int k = rand() % N;
		due[k] = 1 + rand() % 100000;
		loop_timer_set(loop, &t[k], due[k]);
		if (rand() % 4 == 0)
			loop_timer_clear(loop, &t[rand() % N]);
	}
	for (int i = 0; i < N; i++)
		cleared += t[i].slot == 0;
	loop_once(loop, 0);
	ck_assert_uint_eq(fired, N - cleared);
	ck_assert_uint_gt(fired, N / 2);
	free(t);
	free(due);
}
END_TEST

static int pipes[2];
static struct loop_fd *other;

static void
on_readable(void *arg, int fd, unsigned events)
{
	char c;

	ck_assert_uint_eq(events, LOOP_READ);
	ck_assert_int_eq(read(fd, &c, 1), 1);
	say("r");
	loop_fd_remove(other);
	loop_stop(loop);
}

static void
must_not_be_called(void *arg, int fd, unsigned events)
{
	ck_abort_msg("called after its removal");
}

START_TEST(a_descriptor_removed_by_the_callback_before_it_is_not_called)
{
	int more[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(pipe(more), 0);
	struct loop_fd *one = loop_fd_add(loop, pipes[0], LOOP_READ, on_readable, NULL);
	other = loop_fd_add(loop, more[1], 0, must_not_be_called, NULL);
	loop_fd_change(other, LOOP_WRITE);
	loop_fd_change(other, 0);
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
	loop_run(loop);
	ck_assert_str_eq(tape, "r");
	loop_fd_remove(one);
	loop_once(loop, 0);
	for (int i = 0; i < 2; i++) {
		close(pipes[i]);
		close(more[i]);
	}
}
END_TEST

static int rounds;

static bool
three_rounds(void *arg)
{
	say("e");
	if (++rounds == 3)
		loop_stop(loop);
	return true;
}

START_TEST(the_loop_does_not_sleep_while_somebody_has_more_to_do)
{
	rounds = 0;
	struct loop_each *e = loop_each(loop, three_rounds, NULL);
	loop_run(loop); /* would sleep for good otherwise */
	ck_assert_str_eq(tape, "eee");
	loop_each_remove(e);
	loop_once(loop, 0);
	ck_assert_str_eq(tape, "eee");
}
END_TEST

static bool
poke_once(void *arg)
{
	if (rounds++ == 0)
		loop_poke(loop);
	else
		loop_stop(loop);
	return false;
}

START_TEST(a_poke_gives_one_more_iteration)
{
	rounds = 0;
	loop_each(loop, poke_once, NULL);
	loop_run(loop);
	ck_assert_int_eq(rounds, 2);
}
END_TEST

START_TEST(the_clock_of_an_iteration_is_read_after_the_sleep)
{
	mono_t slept = MONO_S;

	/* A machine may stand still for longer than a second, but not each time. */
	for (int i = 0; i < 20 && slept >= MONO_S; i++) {
		mono_t before = mono_now();

		loop_once(loop, 2 * MONO_MS);
		slept = loop_now(loop) - before;
		ck_assert_int_ge(slept, 2 * MONO_MS);
	}
	ck_assert_int_lt(slept, MONO_S);
}
END_TEST

START_TEST(sigterm_stops_the_loop)
{
	loop_stop_on_signals(loop);
	kill(getpid(), SIGTERM);
	loop_run(loop);
	ck_assert(!loop_stopping(loop));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, timers_fire_in_the_order_of_their_deadlines_and_never_early);
	tcase_add_test(tc, a_timer_moved_fires_at_its_last_deadline_only);
	tcase_add_test(tc, a_timer_cleared_by_another_of_the_same_moment_does_not_fire);
	tcase_add_test(tc, a_timer_that_sets_itself_into_the_past_does_not_hold_the_loop);
	tcase_add_test(tc, never_clears);
	tcase_add_test(tc, ten_thousand_timers_set_moved_and_cleared_at_random_keep_their_order);
	tcase_add_test(tc, a_descriptor_removed_by_the_callback_before_it_is_not_called);
	tcase_add_test(tc, the_loop_does_not_sleep_while_somebody_has_more_to_do);
	tcase_add_test(tc, a_poke_gives_one_more_iteration);
	tcase_add_test(tc, the_clock_of_an_iteration_is_read_after_the_sleep);
	tcase_add_test(tc, sigterm_stops_the_loop);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
