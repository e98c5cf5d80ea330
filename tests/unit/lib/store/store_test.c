// SPDX-License-Identifier: Apache-2.0
/* The store: views, transactions, what survives a kill, a full map, a damaged file. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rows.pb-c.h"
#include "store/store.h"

#define MAP (16u << 20)

static char dir[64], error[STORE_ERROR];

static void
setup(void)
{
	strcpy(dir, "/tmp/store_test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
remove_in(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	unlink(path);
}

static void
teardown(void)
{
	static const char *const names[] = { "data.mdb",	 "lock.mdb",
					     "unsynced",	 "data.mdb.damaged",
					     "lock.mdb.damaged", "unsynced.damaged" };

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		remove_in(names[i]);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* --- a disk of our own size: instead of the C library's ---------------------------------------- */

static off_t disk_octets; /* 0: as much as there is */
static unsigned disk_asked, disk_refused;
static off_t damaged_octets; /* what a damaged store takes of them, while it is kept */

static bool
damaged_is_kept(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/data.mdb.damaged", dir);
	return access(path, F_OK) == 0;
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
	disk_asked++;
	if (disk_octets && offset + len + (damaged_is_kept() ? damaged_octets : 0) > disk_octets) {
		disk_refused++;
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

static struct store *
writer(void)
{
	struct store *s = store_open_rw(dir, MAP, error, sizeof error);

	ck_assert_msg(s != NULL, "%s", error);
	return s;
}

static struct store *
reader(void)
{
	struct store *s = store_open_ro(dir, 0, error, sizeof error);

	ck_assert_msg(s != NULL, "%s", error);
	return s;
}

static struct span
text(const char *s)
{
	return span_of(s, strlen(s));
}

static void
put(struct store *s, uint16_t tunnel, const char *row)
{
	struct key k = key_tunnel(tunnel);

	ck_assert_int_eq(store_put(s, TABLE_TUNNEL, key_span(&k), text(row)), 0);
}

static void
commit(struct store *s)
{
	ck_assert_msg(store_commit(s) == 0, "%s", store_error(s));
}

static bool
has(struct store_view *v, uint16_t tunnel, const char *row)
{
	struct key k = key_tunnel(tunnel);
	struct span got;

	return store_get(v, TABLE_TUNNEL, key_span(&k), &got) && span_eq(got, text(row));
}

START_TEST(a_view_is_one_moment_whatever_the_writer_does)
{
	struct store *w = writer(), *r = reader();

	store_begin(w);
	put(w, 1, "one");
	commit(w);
	struct store_view *before = store_view_begin(r);
	store_begin(w);
	put(w, 1, "two");
	commit(w);
	struct store_view *after = store_view_begin(r);
	ck_assert(has(before, 1, "one"));
	ck_assert(has(after, 1, "two"));
	store_view_end(before);
	store_view_end(after);
	struct store_view *again = store_view_begin(r); /* a reused one sees the present */
	ck_assert(has(again, 1, "two"));
	store_view_end(again);
	store_close(r);
	store_close(w);
}
END_TEST

START_TEST(an_aborted_transaction_leaves_nothing)
{
	struct store *w = writer();

	store_begin(w);
	put(w, 1, "one");
	store_abort(w);
	struct store_view *v = store_view_begin(w);
	ck_assert_uint_eq(store_count(v, TABLE_TUNNEL), 0);
	store_view_end(v);
	ck_assert_int_eq(store_commit(w), -EINVAL);
	store_close(w);
}
END_TEST

static bool
collect(void *arg, struct span key, struct span row)
{
	uint16_t t, s;

	ck_assert(key_session_read(key, &t, &s));
	char *at = (char *)arg + strlen(arg);
	sprintf(at, "%u/%u ", t, s);
	return strlen(arg) < 200;
}

START_TEST(walks_are_in_key_order_whole_by_prefix_and_from_a_key)
{
	static const uint16_t sessions[][2] = {
		{ 256, 1 }, { 1, 2 }, { 1, 1 }, { 2, 300 }, { 2, 5 }
	};
	struct store *w = writer();
	char seen[512] = "";

	store_begin(w);
	for (unsigned i = 0; i < 5; i++) {
		struct key k = key_session(sessions[i][0], sessions[i][1]);
		ck_assert_int_eq(store_put(w, TABLE_CALL, key_span(&k), span_of(NULL, 0)), 0);
	}
	commit(w);
	struct store_view *v = store_view_begin(w);
	ck_assert_int_eq(store_each(v, TABLE_CALL, collect, seen), 5);
	ck_assert_str_eq(seen, "1/1 1/2 2/5 2/300 256/1 ");
	struct key prefix = key_tunnel(2), from = key_session(2, 6);
	seen[0] = 0;
	ck_assert_int_eq(store_each_prefix(v, TABLE_CALL, key_span(&prefix), collect, seen), 2);
	ck_assert_str_eq(seen, "2/5 2/300 ");
	seen[0] = 0;
	ck_assert_int_eq(store_each_from(v, TABLE_CALL, key_span(&from), collect, seen), 2);
	ck_assert_str_eq(seen, "2/300 256/1 ");
	ck_assert_uint_eq(store_count(v, TABLE_CALL), 5);
	ck_assert_int_eq(store_each(v, 31, collect, seen), -EINVAL);
	store_view_end(v);
	store_close(w);
}
END_TEST

START_TEST(removing_what_is_not_there_is_not_a_failure)
{
	struct store *w = writer();
	struct key k = key_tunnel(9);

	store_begin(w);
	ck_assert_int_eq(store_del(w, TABLE_TUNNEL, key_span(&k)), 0);
	put(w, 9, "nine");
	ck_assert_int_eq(store_del(w, TABLE_TUNNEL, key_span(&k)), 0);
	commit(w);
	struct store_view *v = store_view_begin(w);
	ck_assert_uint_eq(store_count(v, TABLE_TUNNEL), 0);
	store_close(w); /* ends the view as well */
}
END_TEST

START_TEST(keys_and_tables_out_of_shape_are_refused_and_harm_nothing)
{
	struct store *w = writer();
	uint8_t long_key[KEY_MAX + 1] = { 0 };
	struct span row;

	ck_assert_int_eq(store_put(w, TABLE_TUNNEL, text("k"), text("r")),
			 -EINVAL); /* no transaction */
	store_begin(w);
	ck_assert_int_eq(store_put(w, TABLE_TUNNEL, span_of(NULL, 0), text("r")), -EINVAL);
	ck_assert_int_eq(store_put(w, TABLE_TUNNEL, span_of(long_key, sizeof long_key), text("r")),
			 -EINVAL);
	ck_assert_int_eq(store_put(w, 0, text("k"), text("r")), -EINVAL);
	ck_assert_int_eq(store_put(w, 4000000000u, text("k"), text("r")), -EINVAL);
	put(w, 1, "one");
	commit(w);
	struct store_view *v = store_view_begin(w);
	ck_assert(has(v, 1, "one"));
	ck_assert(!store_get(v, 99, text("k"), &row));
	ck_assert(!store_get(v, TABLE_TUNNEL, span_of(NULL, 0), &row));
	store_view_end(v);
	store_close(w);
}
END_TEST

START_TEST(clearing_spares_what_is_the_nodes_own)
{
	struct store *w = writer();

	store_begin(w);
	put(w, 1, "one");
	store_put(w, TABLE_ALARM, text("a"), text("stands"));
	store_meta_put(w, &(struct store_meta){ .position = 5 });
	ck_assert_int_eq(store_clear(w), 0);
	commit(w);
	struct store_view *v = store_view_begin(w);
	ck_assert_uint_eq(store_count(v, TABLE_TUNNEL), 0);
	ck_assert_uint_eq(store_count(v, TABLE_ALARM), 1);
	ck_assert_uint_eq(store_meta_read(v).position, 0);
	store_view_end(v);
	store_close(w);
}
END_TEST

START_TEST(meta_reads_back)
{
	struct store *w = writer();
	const struct store_meta m = { 1ull << 60, 7, 3, true, "a", true };

	store_begin(w);
	ck_assert_int_eq(store_meta_put(w, &m), 0);
	commit(w);
	struct store_view *v = store_view_begin(w);
	struct store_meta got = store_meta_read(v);
	ck_assert_uint_eq(got.position, m.position);
	ck_assert_uint_eq(got.epoch, 7);
	ck_assert_uint_eq(got.lineage, 3);
	ck_assert(got.mirrored && got.half);
	ck_assert_str_eq(got.node, "a");
	store_view_end(v);
	store_close(w);
}
END_TEST

START_TEST(a_row_comes_as_its_struct)
{
	struct store *w = writer();
	Row__TunnelSeq seq = ROW__TUNNEL_SEQ__INIT;
	struct key k = key_tunnel(3), none = key_tunnel(4);
	uint8_t octets[32];
	struct arena a;

	seq.ns = 70000;
	seq.peer_nr = 9;
	arena_init(&a, 0);
	store_begin(w);
	store_put(w, TABLE_TUNNEL_SEQ, key_span(&k),
		  span_of(octets, row__tunnel_seq__pack(&seq, octets)));
	store_put(w, TABLE_TUNNEL_OUT, key_span(&k), text("\xff\xff"));
	commit(w);
	struct store_view *v = store_view_begin(w);
	const Row__TunnelSeq *got = store_row(v, TABLE_TUNNEL_SEQ, key_span(&k), &a);
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(got->ns, 70000);
	ck_assert_uint_eq(got->peer_nr, 9);
	ck_assert_ptr_null(store_row(v, TABLE_TUNNEL_SEQ, key_span(&none), &a));
	ck_assert_ptr_null(store_row(v, TABLE_TUNNEL_OUT, key_span(&k), &a)); /* not such a row */
	store_view_end(v);
	arena_fini(&a);
	store_close(w);
}
END_TEST

START_TEST(a_full_map_is_an_answer_and_the_last_commit_stays)
{
	struct store *w = store_open_rw(dir, 1 << 20, error, sizeof error);
	static uint8_t row[4000];
	int rc = 0;

	ck_assert_ptr_nonnull(w);
	store_begin(w);
	put(w, 1, "one");
	commit(w);
	store_begin(w);
	for (unsigned i = 0; i < 1000 && rc == 0; i++) {
		struct key k = key_tunnel((uint16_t)i);
		rc = store_put(w, TABLE_TUNNEL, key_span(&k), span_of(row, sizeof row));
	}
	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_ptr_nonnull(strstr(store_error(w), "store-octets"));
	ck_assert_int_eq(store_put(w, TABLE_TUNNEL, text("kk"), text("r")),
			 -ENOSPC); /* lost as a whole */
	ck_assert_int_eq(store_commit(w), -ENOSPC);
	store_begin(w);
	put(w, 2, "two");
	commit(w);
	struct store_view *v = store_view_begin(w);
	ck_assert(has(v, 1, "one") && has(v, 2, "two"));
	ck_assert_uint_eq(store_count(v, TABLE_TUNNEL), 2);
	store_view_end(v);
	store_close(w);
}
END_TEST

static void
fill(unsigned rows)
{
	static uint8_t row[200];
	struct store *w = writer();

	store_begin(w);
	for (unsigned i = 1; i <= rows; i++) {
		struct key k = key_tunnel((uint16_t)i);
		ck_assert_int_eq(store_put(w, TABLE_TUNNEL, key_span(&k), span_of(row, sizeof row)),
				 0);
	}
	commit(w);
	store_close(w);
}

/* Overwrites pages from `page` on with `octet`, or cuts the file there. */
static void
harm(off_t page, off_t pages, int octet)
{
	char path[128];
	uint8_t junk[4096];

	memset(junk, octet, sizeof junk);
	snprintf(path, sizeof path, "%s/data.mdb", dir);
	if (pages == 0) {
		ck_assert_int_eq(truncate(path, page * 4096), 0);
		return;
	}
	int fd = open(path, O_WRONLY);
	for (off_t i = 0; i < pages; i++)
		ck_assert_int_eq(pwrite(fd, junk, sizeof junk, (page + i) * 4096), 4096);
	close(fd);
}

/* A snapshot's page: thousands of small rows in one transaction. */
static int
put_many(struct store *w, unsigned rows)
{
	static const uint8_t row[90];
	int rc = store_begin(w);

	for (unsigned i = 1; i <= rows && !rc; i++) {
		struct key k = key_session((uint16_t)(i * 40503), (uint16_t)i); /* not in order */
		rc = store_put(w, TABLE_CALL, key_span(&k), span_of(row, sizeof row));
	}
	if (rc)
		store_abort(w);
	else
		commit(w);
	return rc;
}

START_TEST(a_disk_that_has_little_room_is_used_and_not_asked_for_much_again_and_again)
{
	struct store *w = writer();

	disk_octets = 4 << 20;
	disk_asked = disk_refused = 0;
	ck_assert_int_eq(put_many(w, 5000), 0); /* 0.6 MB */
	ck_assert_uint_lt(disk_asked, 100);
	ck_assert_uint_lt(disk_refused, 20);
	ck_assert_int_eq(put_many(w, 60000), -ENOSPC);
	struct store_view *v = store_view_begin(w);
	ck_assert_uint_eq(store_count(v, TABLE_CALL), 5000);
	store_view_end(v);
	disk_octets = 0;
	ck_assert_int_eq(put_many(w, 60000), 0);
	store_close(w);
}
END_TEST

START_TEST(a_damaged_store_is_kept_until_its_room_is_needed)
{
	struct store *w;

	fill(2000);
	harm(8, 60, 0xff);
	w = writer();
	ck_assert(store_was_damaged(w));
	disk_octets = 6 << 20;
	damaged_octets = 4 << 20;
	ck_assert_int_eq(put_many(w, 100), 0);
	ck_assert(damaged_is_kept());
	ck_assert_int_eq(put_many(w, 8000), 0);
	ck_assert(!damaged_is_kept());
	disk_octets = damaged_octets = 0;
	store_close(w);
}
END_TEST

START_TEST(a_reader_without_a_store_is_told_so)
{
	ck_assert_ptr_null(store_open_ro(dir, 20, error, sizeof error));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_nonnull(strstr(error, "is state-sync running"));
	ck_assert_ptr_null(store_open_ro("/nonexistent/store", 0, error, sizeof error));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_reader_may_not_write)
{
	struct store *w = writer(), *r = reader();

	ck_assert_int_eq(store_begin(r), -EACCES);
	ck_assert_int_eq(store_durable(r, true), -EACCES);
	store_close(r);
	store_close(w);
}
END_TEST

/* Commits rows 1, 2, 3 ... forever, telling each number through the pipe after its commit. */
static void
commit_until_killed(int fd)
{
	struct store *w = store_open_rw(dir, MAP, error, sizeof error);

	for (uint16_t i = 1;; i++) {
		store_begin(w);
		put(w, i, "row");
		store_meta_put(w, &(struct store_meta){ .position = i });
		if (store_commit(w) || write(fd, &i, sizeof i) != sizeof i)
			_exit(1);
	}
}

START_TEST(what_was_committed_survives_kill_9_and_nothing_is_half)
{
	int fd[2];
	uint16_t i, last = 0;

	ck_assert_int_eq(pipe(fd), 0);
	pid_t pid = fork();
	if (pid == 0)
		commit_until_killed(fd[1]);
	close(fd[1]);
	while (last < 200 && read(fd[0], &i, sizeof i) == sizeof i)
		last = i;
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	while (read(fd[0], &i, sizeof i) == sizeof i)
		last = i;
	close(fd[0]);

	struct store *w = writer();
	struct store_view *v = store_view_begin(w);
	ck_assert(!store_was_damaged(w));
	uint64_t position = store_meta_read(v).position;
	ck_assert_uint_ge(position, last); /* the kill may have come between commit and telling */
	ck_assert_uint_eq(store_count(v, TABLE_TUNNEL), position);
	store_view_end(v);
	store_close(w);
}
END_TEST

START_TEST(slots_of_killed_readers_are_freed)
{
	struct store *w = writer();
	int fd[2];
	char c, number[12];

	ck_assert_int_eq(pipe(fd), 0);
	snprintf(number, sizeof number, "%d", fd[1]);
	pid_t pid = fork();
	if (pid == 0) { /* a process of its own: a forked one would share our environment */
		execl("/proc/self/exe", "store_test", "read-and-wait", dir, number, NULL);
		_exit(1);
	}
	close(fd[1]);
	ck_assert_int_eq(read(fd[0], &c, 1), 1);
	ck_assert_int_eq(store_reap(w), 0); /* it lives */
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(store_reap(w), 1);
	close(fd[0]);
	store_close(w);
}
END_TEST

static void
write_marker(const char *boot)
{
	char path[128];

	snprintf(path, sizeof path, "%s/unsynced", dir);
	FILE *f = fopen(path, "w");
	fputs(boot, f);
	fclose(f);
}

START_TEST(a_whole_store_of_an_earlier_boot_is_kept)
{
	fill(1000);
	write_marker("another-boot");
	struct store *w = writer();
	struct store_view *v = store_view_begin(w);
	ck_assert(!store_was_damaged(w));
	ck_assert_uint_eq(store_count(v, TABLE_TUNNEL), 1000);
	store_view_end(v);
	store_close(w);
}
END_TEST

static void
must_be_set_aside(void)
{
	char path[128];
	struct stat st;

	write_marker("another-boot");
	struct store *w = writer();
	ck_assert(store_was_damaged(w));
	struct store_view *v = store_view_begin(w);
	ck_assert_uint_eq(store_count(v, TABLE_TUNNEL), 0);
	store_view_end(v);
	store_close(w);
	snprintf(path, sizeof path, "%s/data.mdb.damaged", dir);
	ck_assert_int_eq(stat(path, &st), 0);
}

START_TEST(pages_that_never_arrived_are_found_and_set_aside)
{
	fill(2000);
	harm(8, 60, 0);
	must_be_set_aside();
}
END_TEST

START_TEST(pages_of_junk_are_found_and_set_aside)
{
	fill(2000);
	harm(8, 60, 0xff);
	must_be_set_aside();
}
END_TEST

START_TEST(a_file_cut_short_is_found_and_set_aside)
{
	fill(2000);
	harm(20, 0, 0);
	must_be_set_aside();
}
END_TEST

START_TEST(a_file_that_is_no_store_at_all_is_set_aside)
{
	fill(1);
	harm(0, 2, 'x');
	struct store *w = writer();
	ck_assert(store_was_damaged(w));
	store_close(w);
}
END_TEST

static void
write_doubt(const char *letters)
{
	char path[128];

	snprintf(path, sizeof path, "%s/doubt", dir);
	FILE *f = fopen(path, "w");
	fputs(letters, f);
	fclose(f);
}

static bool
set_aside_with_doubt(const char *letters)
{
	write_doubt(letters);
	struct store *w = writer();
	const bool aside = store_was_damaged(w);
	store_close(w);
	char path[128];
	snprintf(path, sizeof path, "%s/doubt", dir);
	ck_assert_int_eq(access(path, F_OK), -1);
	return aside;
}

START_TEST(a_store_that_its_writer_died_of_is_looked_through_or_set_aside)
{
	fill(2000);
	ck_assert(!set_aside_with_doubt("S")); /* it may have been anything */
	ck_assert(!set_aside_with_doubt("SS"));
	ck_assert(set_aside_with_doubt("SSS"));
	fill(2000);
	ck_assert(set_aside_with_doubt("A")); /* LMDB said so itself */
	fill(2000);
	harm(8, 60, 0xff);
	ck_assert(set_aside_with_doubt("S"));
}
END_TEST

/* --- a page that a disk has changed ---------------------------------------------------------------- */

#define PAGE 4096u

struct kept {
	uint8_t *octets;
	size_t pages;
};

static FILE *
data_file(const char *mode)
{
	char path[128];

	snprintf(path, sizeof path, "%s/data.mdb", dir);
	return fopen(path, mode);
}

static struct kept
data_keep(void)
{
	struct kept k = { malloc(MAP), 0 };
	FILE *f = data_file("r");
	size_t len = fread(k.octets, 1, MAP, f);

	fclose(f);
	while (len > 0 && k.octets[len - 1] == 0) /* the rest of the map */
		len--;
	k.pages = (len + PAGE - 1) / PAGE;
	return k;
}

static void
data_put_back(const struct kept *k, size_t page, const uint8_t *instead)
{
	FILE *f = data_file("w");

	ck_assert_uint_eq(fwrite(k->octets, PAGE, k->pages, f), k->pages);
	fseek(f, (long)(page * PAGE), SEEK_SET);
	ck_assert_uint_eq(fwrite(instead, PAGE, 1, f), 1);
	fclose(f);
}

static bool
add_up(void *arg, struct span key, struct span row)
{
	uint64_t *sum = arg;

	for (size_t i = 0; i < key.len; i++)
		*sum = *sum * 31 + key.p[i];
	for (size_t i = 0; i < row.len; i++)
		*sum = *sum * 31 + row.p[i];
	return true;
}

static uint64_t
sum_of(struct store *s)
{
	struct store_view *v = store_view_begin(s);
	uint64_t sum = 1;

	for (unsigned t = 0; t < TABLE_MAX; t++)
		if (table_info(t))
			ck_assert_int_eq(store_each(v, t, add_up, &sum), (long)store_count(v, t));
	store_view_end(v);
	return sum;
}

/* Leaves, branches, rows of one page and of several, and pages that are free. */
static void
write_all_kinds(struct store *w, unsigned round)
{
	static char *name[1000];
	uint8_t row[12000] = "a row";
	Row__Counters counters = ROW__COUNTERS__INIT;
	struct key k = key_text("1");

	for (unsigned i = 0; i < 1000; i++)
		name[i] = "counter";
	counters.n_name = 1000;
	counters.name = name;
	store_begin(w);
	store_put(w, TABLE_COUNTERS, key_span(&k), span_of(row, row__counters__pack(&counters, row)));
	for (unsigned i = 1; i <= 300; i++) {
		k = key_session(7, (uint16_t)(i * round));
		store_put(w, TABLE_CALL, key_span(&k), span_of(row, 20 + i % 90));
		store_put(w, TABLE_LINK, key_span(&k), span_of(row, i % 50 ? 40 : 3000));
		if (round == 3 && i % 2)
			store_del(w, TABLE_CALL, key_span(&k));
	}
	commit(w);
}

/* Whatever is on it: the store is set aside, or says what it said before and can be written to. */
static void
must_be_found_or_harmless(const struct kept *was, size_t page, const uint8_t *instead, uint64_t sum, unsigned *found)
{
	data_put_back(was, page, instead);
	struct store *w = writer();
	if (store_was_damaged(w)) {
		++*found;
		ck_assert_uint_ne(sum_of(w), sum);
	} else {
		ck_assert_msg(sum_of(w) == sum, "page %zu was lost unnoticed", page);
		write_all_kinds(w, 2);
	}
	store_close(w);
}

START_TEST(a_page_that_has_turned_to_something_else_is_found_by_the_next_writer)
{
	uint8_t junk[3][PAGE];
	unsigned found = 0;
	struct store *w = writer();

	for (unsigned round = 1; round <= 3; round++)
		write_all_kinds(w, round);
	const uint64_t sum = sum_of(w);
	store_close(w);
	const struct kept was = data_keep();
	ck_assert_uint_gt(was.pages, 40);
	srandom(1);
	for (size_t page = 2; page < was.pages; page++) {
		for (size_t i = 0; i < PAGE; i++)
			junk[0][i] = (uint8_t)random();
		memset(junk[1], 0, PAGE);
		memcpy(junk[2], was.octets + (page > 2 ? page - 1 : page + 1) * PAGE, PAGE);
		for (unsigned i = 0; i < 3; i++)
			must_be_found_or_harmless(&was, page, junk[i], sum, &found);
	}
	ck_assert_uint_gt(found, was.pages); /* of three times as many: some are free */
	free(was.octets);
}
END_TEST

static bool
marker_stands(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/unsynced", dir);
	return access(path, F_OK) == 0;
}

START_TEST(the_marker_says_whether_a_power_cut_could_hurt)
{
	struct store *w = writer();

	ck_assert(marker_stands());
	ck_assert_int_eq(store_durable(w, true), 0);
	ck_assert(!marker_stands());
	store_begin(w);
	put(w, 1, "one");
	commit(w);
	ck_assert_int_eq(store_durable(w, false), 0);
	ck_assert(marker_stands());
	ck_assert_int_eq(store_sync(w), 0);
	store_close(w);
}
END_TEST

START_TEST(a_store_made_anew_is_noticed)
{
	fill(1);
	struct store *r = reader();
	ck_assert(!store_replaced(r));
	ck_assert_int_eq(store_discard(dir), 0);
	ck_assert(store_replaced(r));
	fill(2);
	ck_assert(store_replaced(r));
	store_close(r);
}
END_TEST

/* Another process: opens the store, reads, tells it is ready, and waits to be killed. */
static int
read_and_wait(const char *where, int fd)
{
	struct store *r = store_open_ro(where, 0, error, sizeof error);

	if (!r || !store_view_begin(r) || write(fd, "r", 1) != 1)
		return 1;
	pause();
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc > 3)
		return read_and_wait(argv[2], atoi(argv[3]));

	Suite *s = suite_create("store");
	TCase *tc = tcase_create("store");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120); /* a busy disk */
	tcase_add_test(tc, a_view_is_one_moment_whatever_the_writer_does);
	tcase_add_test(tc, an_aborted_transaction_leaves_nothing);
	tcase_add_test(tc, walks_are_in_key_order_whole_by_prefix_and_from_a_key);
	tcase_add_test(tc, removing_what_is_not_there_is_not_a_failure);
	tcase_add_test(tc, keys_and_tables_out_of_shape_are_refused_and_harm_nothing);
	tcase_add_test(tc, clearing_spares_what_is_the_nodes_own);
	tcase_add_test(tc, meta_reads_back);
	tcase_add_test(tc, a_row_comes_as_its_struct);
	tcase_add_test(tc, a_full_map_is_an_answer_and_the_last_commit_stays);
	tcase_add_test(tc, a_disk_that_has_little_room_is_used_and_not_asked_for_much_again_and_again);
	tcase_add_test(tc, a_damaged_store_is_kept_until_its_room_is_needed);
	tcase_add_test(tc, a_reader_without_a_store_is_told_so);
	tcase_add_test(tc, a_reader_may_not_write);
	tcase_add_test(tc, what_was_committed_survives_kill_9_and_nothing_is_half);
	tcase_add_test(tc, slots_of_killed_readers_are_freed);
	tcase_add_test(tc, a_whole_store_of_an_earlier_boot_is_kept);
	tcase_add_test(tc, pages_that_never_arrived_are_found_and_set_aside);
	tcase_add_test(tc, pages_of_junk_are_found_and_set_aside);
	tcase_add_test(tc, a_file_cut_short_is_found_and_set_aside);
	tcase_add_test(tc, a_file_that_is_no_store_at_all_is_set_aside);
	tcase_add_test(tc, a_store_that_its_writer_died_of_is_looked_through_or_set_aside);
	tcase_add_test(tc, a_page_that_has_turned_to_something_else_is_found_by_the_next_writer);
	tcase_add_test(tc, the_marker_says_whether_a_power_cut_could_hurt);
	tcase_add_test(tc, a_store_made_anew_is_noticed);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
