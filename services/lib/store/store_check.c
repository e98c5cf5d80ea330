// SPDX-License-Identifier: Apache-2.0
/*
 * Is every page of a store what its root says it is?
 *
 * LMDB keeps no checksums and believes what it reads.  A leaf that a disk has changed is a crash of whoever walks over it, or
 * worse: fewer rows than there were, and nobody told.  state-sync would go on beside it for as long as it does not touch that
 * page, while every other process of the node reads half a table or dies of it again and again.  So the writer walks over all
 * of its store before it opens it, in a child, since the walk itself may crash:
 *
 *   - each page says which page it is, and where it lies in the file agrees (LMDB's MDB_page: pgno, pad, flags);
 *   - keys rise, they are of the table's size, and there are as many as the root counts;
 *   - the list of free pages names pages of the file, in order: one that is wrong would be written over;
 *   - a row over several pages, of which only the first has a header, can be unpacked.
 *
 * That takes 0.2 us a row: it is done at every start, not only after a power cut.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_impl.h"

#define PAGE_HEADER 16 /* octets: pgno 8, pad 2, flags 2, and two bounds or a count of pages */
#define PAGE_LEAF 0x02
#define PAGE_OVERFLOW 0x04
#define PAGE_PASSING 0x8010 /* dirty, kept: of a writer's memory */

struct check {
	MDB_env *env;
	MDB_txn *txn;
	struct arena arena;
	size_t page_size;
	uint64_t last_page;
	uintptr_t base; /* of the map, as the first page says; 0: none seen */
	uintptr_t leaf; /* that was looked at last */
};

struct page_head {
	uint64_t number;
	uint16_t flags;
	uint32_t pages; /* of an overflow */
};

static uintptr_t
page_of(const struct check *c, const void *p)
{
	return (uintptr_t)p & ~(uintptr_t)(c->page_size - 1);
}

static bool
page_fits(struct check *c, uintptr_t page, uint16_t flags, struct page_head *head)
{
	memcpy(&head->number, (const void *)page, sizeof head->number);
	memcpy(&head->flags, (const void *)(page + 10), sizeof head->flags);
	memcpy(&head->pages, (const void *)(page + 12), sizeof head->pages);
	if ((head->flags & ~PAGE_PASSING) != flags || head->number > c->last_page)
		return false;
	if (!c->base)
		c->base = page - head->number * c->page_size;
	return page == c->base + head->number * c->page_size;
}

/* Octets outside the leaf: the row has pages of its own. */
static bool
elsewhere_fits(struct check *c, MDB_val d)
{
	struct page_head head;
	const size_t octets = PAGE_HEADER + d.mv_size;

	if ((uintptr_t)d.mv_data != page_of(c, d.mv_data) + PAGE_HEADER || d.mv_size > (c->last_page + 1) * c->page_size)
		return false;
	return page_fits(c, page_of(c, d.mv_data), PAGE_OVERFLOW, &head) && head.number + head.pages - 1 <= c->last_page &&
	       head.pages == (octets + c->page_size - 1) / c->page_size;
}

static bool
pages_fit(struct check *c, MDB_val k, MDB_val d)
{
	struct page_head head;
	const uintptr_t leaf = page_of(c, k.mv_data);

	if ((leaf != c->leaf && !page_fits(c, leaf, PAGE_LEAF, &head)) || (uintptr_t)k.mv_data + k.mv_size > leaf + c->page_size)
		return false;
	c->leaf = leaf;
	/* A row of no octets may begin where its page ends. */
	if (d.mv_size == 0 || (page_of(c, d.mv_data) == leaf && (uintptr_t)d.mv_data + d.mv_size <= leaf + c->page_size))
		return true;
	return elsewhere_fits(c, d);
}

static bool
row_fits(struct check *c, unsigned table, MDB_val d)
{
	if (PAGE_HEADER + d.mv_size <= c->page_size || !table_info(table))
		return true;
	arena_reset(&c->arena);
	return row_unpack(&c->arena, table, span_of(d.mv_data, d.mv_size)) != NULL;
}

/* LMDB's MDB_IDL: how many, and that many page numbers, highest first. */
static bool
free_pages_fit(const struct check *c, MDB_val d)
{
	const uint64_t *id = d.mv_data;
	uint64_t last = c->last_page + 1;

	if (d.mv_size < sizeof *id || d.mv_size % sizeof *id || id[0] != d.mv_size / sizeof *id - 1)
		return false;
	for (uint64_t i = 1; i <= id[0]; i++) {
		if (id[i] < 2 || id[i] >= last)
			return false;
		last = id[i];
	}
	return true;
}

static bool
rises(const MDB_val *before, const MDB_val *k)
{
	size_t shorter = before->mv_size < k->mv_size ? before->mv_size : k->mv_size;
	int order = memcmp(before->mv_data, k->mv_data, shorter);

	return order < 0 || (order == 0 && before->mv_size < k->mv_size);
}

static bool
number_rises(const MDB_val *before, const MDB_val *k)
{
	uint64_t x, y;

	memcpy(&x, before->mv_data, sizeof x);
	memcpy(&y, k->mv_data, sizeof y);
	return x < y;
}

/* `table`: TABLE_MAX when it is none of ours. */
static bool
table_fits(struct check *c, MDB_dbi dbi, unsigned table)
{
	const bool free_list = dbi == FREE_LIST;
	MDB_val k, d, before = { 0 };
	MDB_cursor *at;
	MDB_stat stat;
	size_t n = 0;
	int rc;

	if (mdb_stat(c->txn, dbi, &stat) || mdb_cursor_open(c->txn, dbi, &at))
		return false;
	for (rc = mdb_cursor_get(at, &k, &d, MDB_FIRST); rc == 0; rc = mdb_cursor_get(at, &k, &d, MDB_NEXT)) {
		if (free_list ? k.mv_size != sizeof(uint64_t) : k.mv_size == 0 || k.mv_size > KEY_MAX)
			return false;
		if (!pages_fit(c, k, d) || ++n > stat.ms_entries)
			return false;
		if (before.mv_data && !(free_list ? number_rises : rises)(&before, &k))
			return false;
		if (free_list ? !free_pages_fit(c, d) : !row_fits(c, table, d))
			return false;
		before = k;
	}
	mdb_cursor_close(at);
	return rc == MDB_NOTFOUND && n == stat.ms_entries;
}

static unsigned
table_named(const char *name)
{
	for (unsigned t = 0; t < TABLE_MAX; t++)
		if (table_info(t) && strcmp(table_info(t)->name, name) == 0)
			return t;
	return TABLE_MAX;
}

/* The table of tables, and each that it names: a newer version's, too. */
static bool
tables_fit(struct check *c)
{
	char name[KEY_MAX + 1];
	MDB_dbi names, dbi;
	MDB_cursor *at;
	MDB_val k, d;
	int rc;

	if (mdb_dbi_open(c->txn, NULL, 0, &names) || !table_fits(c, names, TABLE_MAX) ||
	    mdb_cursor_open(c->txn, names, &at))
		return false;
	for (rc = mdb_cursor_get(at, &k, &d, MDB_FIRST); rc == 0; rc = mdb_cursor_get(at, &k, &d, MDB_NEXT)) {
		memcpy(name, k.mv_data, k.mv_size);
		name[k.mv_size] = '\0';
		if (mdb_dbi_open(c->txn, name, 0, &dbi) || !table_fits(c, dbi, table_named(name)))
			return false;
	}
	mdb_cursor_close(at);
	return rc == MDB_NOTFOUND;
}

/* Nobody writes meanwhile: who asks is the only writer, and has not opened it yet. */
static bool
whole(const char *dir)
{
	struct check c = { 0 };
	MDB_envinfo info;
	MDB_stat stat;

	int rc;

	arena_init(&c.arena, 0);
	if (mdb_env_create(&c.env) || mdb_env_set_maxdbs(c.env, 4 * TABLE_MAX))
		return false;
	rc = mdb_env_open(c.env, dir, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0);
	if (rc == ENOENT)
		return true; /* there is none yet */
	if (rc || mdb_txn_begin(c.env, NULL, MDB_RDONLY, &c.txn) || mdb_env_info(c.env, &info) || mdb_env_stat(c.env, &stat))
		return false;
	c.page_size = stat.ms_psize;
	c.last_page = info.me_last_pgno;
	return table_fits(&c, FREE_LIST, TABLE_MAX) && tables_fit(&c);
}

bool
store_whole(const char *dir)
{
	int status = 0;
	const pid_t pid = fork();

	if (pid < 0)
		return false;
	if (pid == 0) {
		const int null = open("/dev/null", O_WRONLY);
		signal(SIGSEGV, SIG_DFL); /* not those of store_doubt.c: this one is expected */
		signal(SIGBUS, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		if (null >= 0)
			dup2(null, STDERR_FILENO); /* LMDB's own last words */
		_exit(whole(dir) ? 0 : 1);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
