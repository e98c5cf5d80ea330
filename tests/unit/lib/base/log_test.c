// SPDX-License-Identifier: Apache-2.0
/* Lines and their limit; the line is read back through a pipe in the place of stderr. */
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include "lib/unit.h"

static int pipe_fd[2], saved;
static char line[4096];

static void
setup(void)
{
	ck_assert_int_eq(pipe(pipe_fd), 0);
	fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
	saved = dup(STDERR_FILENO);
	dup2(pipe_fd[1], STDERR_FILENO);
	log_open("tunnel-ctl", NOTE_INFO);
}

static void
teardown(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* What was written, without the time; "" if nothing. */
static const char *
written(void)
{
	ssize_t n = read(pipe_fd[0], line, sizeof line - 1);

	line[n < 0 ? 0 : n] = 0;
	const char *space = strchr(line, ' ');
	return space ? space + 1 : line;
}

START_TEST(a_line_has_time_level_process_and_words)
{
	unsigned y, mo, d, h, mi, s, us;

	log_line(NOTE_WARN, "tunnel refused tunnel=%d", 7);
	ck_assert_str_eq(written(), "warn tunnel-ctl tunnel refused tunnel=7\n");
	ck_assert_int_eq(
	    sscanf(line, "%4u-%2u-%2uT%2u:%2u:%2u.%6uZ ", &y, &mo, &d, &h, &mi, &s, &us), 7);
	ck_assert_int_eq(line[27], ' ');
}
END_TEST

START_TEST(lines_below_the_level_are_not_written)
{
	log_line(NOTE_DEBUG, "x");
	ck_assert_str_eq(written(), "");
	log_level(NOTE_DEBUG);
	log_line(NOTE_DEBUG, "x");
	ck_assert_str_eq(written(), "debug tunnel-ctl x\n");
}
END_TEST

START_TEST(nothing_a_peer_says_can_forge_a_line)
{
	log_line(NOTE_INFO, "host=%s", "a\n2026 error b\x1b[2J\x7f\tz");
	ck_assert_str_eq(written(), "info tunnel-ctl host=a?2026 error b?[2J??z\n");
}
END_TEST

START_TEST(a_long_line_is_cut_and_still_a_line)
{
	char text[3000];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	log_line(NOTE_INFO, "%s", text);
	written();
	ck_assert_uint_le(strlen(line), 1024);
	ck_assert_int_eq(line[strlen(line) - 1], '\n');
}
END_TEST

START_TEST(a_full_stderr_drops_and_counts)
{
	uint64_t before = log_dropped();

	for (int i = 0; i < 5000; i++)
		log_line(NOTE_INFO, "................................................");
	ck_assert_uint_gt(log_dropped(), before);
}
END_TEST

START_TEST(the_limit_lets_a_burst_through_then_one_each_interval)
{
	struct log_limit l = { 0 };
	mono_t t = 1000 * MONO_S;
	uint64_t n;
	int let = 0;

	for (int i = 0; i < 100; i++)
		let += log_limit_take(&l, t, &n);
	ck_assert_int_eq(let, 5);
	ck_assert(log_limit_take(&l, t + MONO_S, &n));
	ck_assert_uint_eq(n, 95);
	ck_assert(!log_limit_take(&l, t + MONO_S, &n));
	ck_assert(!log_limit_take(&l, t + MONO_S + MONO_S / 2, &n));
	ck_assert(log_limit_take(&l, t + 2 * MONO_S, &n));
	ck_assert_uint_eq(n, 2);
	let = 0;
	for (int i = 0; i < 100; i++)
		let += log_limit_take(&l, t + 3600 * MONO_S, &n);
	ck_assert_int_eq(let, 5); /* a long pause saves up one burst, no more */
}
END_TEST

START_TEST(a_limited_line_says_how_many_were_not)
{
	struct log_limit l = { .every = MONO_S, .burst = 1 };

	log_limited(&l, 5 * MONO_S, NOTE_INFO, "bad length peer=%s", "x");
	ck_assert_str_eq(written(), "info tunnel-ctl bad length peer=x\n");
	log_limited(&l, 5 * MONO_S, NOTE_INFO, "bad length peer=%s", "x");
	log_limited(&l, 5 * MONO_S, NOTE_INFO, "bad length peer=%s", "x");
	ck_assert_str_eq(written(), "");
	log_limited(&l, 6 * MONO_S, NOTE_INFO, "bad length peer=%s", "x");
	ck_assert_str_eq(written(), "info tunnel-ctl bad length peer=x suppressed=2\n");
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_line_has_time_level_process_and_words);
	tcase_add_test(tc, lines_below_the_level_are_not_written);
	tcase_add_test(tc, nothing_a_peer_says_can_forge_a_line);
	tcase_add_test(tc, a_long_line_is_cut_and_still_a_line);
	tcase_add_test(tc, a_full_stderr_drops_and_counts);
	tcase_add_test(tc, the_limit_lets_a_burst_through_then_one_each_interval);
	tcase_add_test(tc, a_limited_line_says_how_many_were_not);
}

UNIT_MAIN("log", add)
