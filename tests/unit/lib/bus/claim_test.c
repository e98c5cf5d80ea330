// SPDX-License-Identifier: Apache-2.0
/* One process of a name at a time; a killed one gives it back. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/claim.h"

static char dir[64];

static void
setup(void)
{
	snprintf(dir, sizeof dir, "/tmp/claim_test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	static const char *const names[] = { "worker.0.lock", "worker.1.lock" };
	char path[128];

	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(a_name_is_held_by_one_and_given_back)
{
	int fd = claim_take(dir, "worker.1", 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(claim_take(dir, "worker.1", 0), -EBUSY);
	ck_assert_int_eq(claim_take(dir, "worker.1", 10), -EBUSY);
	int other = claim_take(dir, "worker.0", 0);
	ck_assert_int_ge(other, 0);
	close(fd);
	fd = claim_take(dir, "worker.1", 0);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(other);
}
END_TEST

START_TEST(a_killed_process_gives_its_name_back)
{
	int ready[2];
	char c;

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (claim_take(dir, "worker.1", 0) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	ck_assert_int_eq(claim_take(dir, "worker.1", 0), -EBUSY);
	kill(pid, SIGKILL);
	int fd = claim_take(dir, "worker.1", 10000); /* it is gone when it is gone */
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(fd);
	close(ready[0]);
}
END_TEST

START_TEST(where_there_is_no_directory_there_is_no_claim)
{
	ck_assert_int_eq(claim_take("/nonexistent", "worker.1", 0), -ENOENT);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("claim");
	TCase *tc = tcase_create("claim");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_name_is_held_by_one_and_given_back);
	tcase_add_test(tc, a_killed_process_gives_its_name_back);
	tcase_add_test(tc, where_there_is_no_directory_there_is_no_claim);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
