// SPDX-License-Identifier: Apache-2.0
/*
 * The lease page: what a reader may conclude, and what it must not.
 */
#include "bus/lease.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

static char dir[] = "/dev/shm/leaseXXXXXX";

START_TEST(a_lease_is_read_as_it_was_written)
{
	struct lease_page *w = lease_create(dir), *r = lease_open(dir);

	ck_assert(w && r);
	ck_assert_int_eq(lease_read(r, 7), 0);
	lease_write(w, 7, 1000);
	ck_assert_int_eq(lease_read(r, 7), 1000);
	ck_assert_int_eq(lease_read(r, 6), 0);
	ck_assert_int_eq(lease_read(r, 8), 0);
	lease_write(w, 7, 2000);
	ck_assert_int_eq(lease_read(r, 7), 2000);
	lease_write(w, 8, 0);
	ck_assert_int_eq(lease_read(r, 7), 0);
	ck_assert_int_eq(lease_read(r, 8), 0);
	lease_close(r);
	lease_close(w);
}
END_TEST

START_TEST(a_promotion_under_way_allows_nobody_to_send)
{
	struct lease_page *w = lease_create(dir), *r = lease_open(dir), *next;

	ck_assert_int_eq(lease_coming_read(r), 0);
	lease_write(w, 9, 0);
	lease_coming(w, 5000);
	ck_assert_int_eq(lease_coming_read(r), 5000);
	ck_assert_int_eq(lease_read(r, 9), 0);
	next = lease_create(dir);
	ck_assert_int_eq(lease_coming_read(r), 0);
	lease_close(next);
	lease_close(r);
	lease_close(w);
}
END_TEST

/* The next elector finds the page, and nothing of its predecessor's in it; readers keep theirs. */
START_TEST(an_elector_that_starts_holds_no_lease)
{
	struct lease_page *w = lease_create(dir), *r = lease_open(dir), *next;

	lease_write(w, 7, 1000);
	next = lease_create(dir);
	ck_assert_int_eq(lease_read(r, 7), 0);
	lease_write(next, 7, 3000);
	ck_assert_int_eq(lease_read(r, 7), 3000);
	lease_close(r);
	lease_close(w);
	lease_close(next);
}
END_TEST

START_TEST(no_page_or_half_a_page)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "%s/lease", dir);
	unlink(path);
	ck_assert_ptr_null(lease_open(dir));
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	close(fd);
	ck_assert_ptr_null(lease_open(dir));
	struct lease_page *w = lease_create(dir);
	ck_assert_ptr_nonnull(w);
	ck_assert_int_eq(lease_read(w, 0), 0);
	lease_close(w);
	unlink(path);
}
END_TEST

/* On a disk the page would make its writer wait: there is none, and none of before is left. */
START_TEST(no_page_on_a_disk)
{
	char disk[] = "/var/tmp/leaseXXXXXX", path[64];
	struct statfs fs;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(disk));
	snprintf(path, sizeof path, "%s/lease", disk);
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	close(fd);
	if (statfs(disk, &fs) == 0 && fs.f_type != 0x01021994) {
		ck_assert_ptr_null(lease_create(disk));
		ck_assert_int_eq(errno, ENOTSUP);
		ck_assert_ptr_null(lease_open(disk));
	}
	unlink(path);
	rmdir(disk);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lease");
	TCase *tc = tcase_create("lease");
	SRunner *r = srunner_create(s);
	int failed;

	if (!mkdtemp(dir))
		return 1;
	tcase_add_test(tc, a_lease_is_read_as_it_was_written);
	tcase_add_test(tc, a_promotion_under_way_allows_nobody_to_send);
	tcase_add_test(tc, an_elector_that_starts_holds_no_lease);
	tcase_add_test(tc, no_page_or_half_a_page);
	tcase_add_test(tc, no_page_on_a_disk);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	rmdir(dir);
	return failed != 0;
}
