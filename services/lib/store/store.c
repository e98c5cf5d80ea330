// SPDX-License-Identifier: Apache-2.0
/*
 * Transactions and views over LMDB.  See store.h for the contract, store_open.c for how a store
 * comes to be and what happens to a damaged one.
 *
 * Why MDB_NOSYNC with MDB_WRITEMAP: pages are changed where they lie in the page cache, always on a copy,
 * the root last, so a killed process leaves either the old root or the new one.  Writing them out at each
 * commit instead costs the same copies and a system call a page, a third of state-sync's time under load.
 * The price is that a full disk would be a SIGBUS: room_for() has the file's blocks allocated ahead, so
 * that it is an ordinary refusal.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rows.pb-c.h"
#include "store/store_impl.h"

int
store_errno(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return -ENOSPC;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_PANIC:
	case MDB_CURSOR_FULL:
	case MDB_BAD_TXN:
		return -EUCLEAN;
	case MDB_BAD_VALSIZE:
	case MDB_BAD_DBI:
	case MDB_INCOMPATIBLE:
	case MDB_VERSION_MISMATCH:
		return -EINVAL;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_READERS_FULL:
	case MDB_BAD_RSLOT:
		return -EBUSY;
	case MDB_MAP_RESIZED:
		return -EAGAIN;
	}
	return rc > 0 ? -rc : -EIO;
}

static const char *
advice(int err)
{
	switch (err) {
	case -ENOSPC:
		return "; the store is full: raise store-octets in the configuration and restart "
		       "state-sync";
	case -EUCLEAN:
		return "; the store is damaged: it has to be set aside and filled from the twin";
	case -EBUSY:
		return "; too many readers at once";
	}
	return "";
}

int
store_fail(struct store *s, const char *doing, int rc)
{
	int err = store_errno(rc);

	snprintf(s->error, sizeof s->error, "%s %s: %s%s", doing, s->dir, mdb_strerror(rc),
		 advice(err));
	errno = -err;
	return err;
}

const char *
store_error(const struct store *s)
{
	return s->error;
}

/* --- writing ------------------------------------------------------------------------------- */

int
store_begin(struct store *s)
{
	if (!s->writer)
		return store_fail(s, "writing to", EACCES);
	if (s->txn)
		return store_fail(s, "a second transaction in", EALREADY);
	s->txn_failed = false;
	s->txn_puts = s->txn_rows = s->txn_live = 0;
	int rc = mdb_txn_begin(s->env->env, NULL, 0, &s->txn);
	return rc ? store_fail(s, "starting a transaction in", rc) : 0;
}

static int
txn_fail(struct store *s, const char *doing, int rc)
{
	s->txn_failed = true;
	s->txn_errno = store_fail(s, doing, rc);
	return s->txn_errno;
}

#define ROOM_LEAST (64u << 10) /* ... and when it hardly has any */
#define ROOM_KEPT (1u << 20)   /* that only removals may use: who is full must be able to get less */
#define PAGES_A_PUT 4	       /* pages that one put may newly take: a leaf and the way to it */
#define PAGES_SPARE 64	       /* the way to the root of every table, and the list of free pages */
#define NODE_OCTETS 32	       /* of a row in its leaf, beside key and row */

/* Up to `end` from what there is; 0 or an errno. */
static int
allocate(struct store *s, int fd, uint64_t end, uint64_t most)
{
	if (end > most)
		end = most;
	if (end <= s->room)
		return 0;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)s->room, (off_t)(end - s->room)) < 0 && errno != EOPNOTSUPP &&
	    errno != ENOSYS)
		return errno;
	s->room = end;
	return 0;
}

/*
 * As far ahead as the disk lets us.  To try and be refused is slow (a file system that has not enough gives back what it had
 * found), so that a disk that was too full for much is asked for little the next time.
 */
static int
allocate_ahead(struct store *s, int fd, uint64_t need, uint64_t most)
{
	for (; s->ahead >= ROOM_LEAST; s->ahead /= 4) {
		if (allocate(s, fd, need + s->ahead, most) == 0) {
			s->ahead = s->ahead * 2 < STORE_AHEAD ? s->ahead * 2 : STORE_AHEAD;
			return 0;
		}
	}
	s->ahead = ROOM_LEAST;
	int rc = allocate(s, fd, need, most);
	if (rc && store_forget_damaged(s)) /* kept to be looked at, as long as there is room for it */
		rc = allocate(s, fd, need, most);
	return rc;
}

static uint64_t
pages_of(const struct store *s, MDB_dbi dbi)
{
	MDB_stat st;

	return mdb_stat(s->txn, dbi, &st) ? 0 : st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
}

/* That a transaction may copy: of every table, and of the list of free pages.  Counted when it first matters. */
static uint64_t
live_pages(struct store *s)
{
	uint64_t pages = 1 + pages_of(s, FREE_LIST);

	if (s->txn_live)
		return s->txn_live;
	for (unsigned t = 0; t < TABLE_MAX; t++)
		if (table_info(t))
			pages += pages_of(s, s->env->dbi[t]);
	return s->txn_live = pages;
}

/*
 * What this transaction may write at most.  A put copies the way to its leaf, but each page is copied once; and what it adds
 * fills pages to a third or better.
 */
static uint64_t
may_write(struct store *s, size_t page, uint64_t enough)
{
	const uint64_t by_puts = s->txn_rows + s->txn_puts * PAGES_A_PUT * page;
	uint64_t by_pages;

	if (by_puts <= enough)
		return by_puts;
	by_pages = (live_pages(s) + PAGES_SPARE) * page + 3 * (s->txn_rows + s->txn_puts * NODE_OCTETS);
	return by_puts < by_pages ? by_puts : by_pages;
}

/* Has blocks for what this transaction may write.  Where the file system cannot, pages are not written in place. */
static int
room_for(struct store *s, size_t kept, size_t octets)
{
	MDB_envinfo info;
	MDB_stat stat;
	mdb_filehandle_t fd;

	mdb_env_info(s->env->env, &info);
	mdb_env_stat(s->env->env, &stat);
	s->txn_puts++;
	s->txn_rows += octets + (octets >= stat.ms_psize / 2 ? stat.ms_psize : 0); /* pages of its own: the last is not full */
	const uint64_t used = (info.me_last_pgno + 1) * stat.ms_psize;
	const uint64_t enough = s->room > used + kept ? s->room - used - kept : 0;
	const uint64_t need = used + may_write(s, stat.ms_psize, enough) + kept;
	if (need <= s->room || s->room >= info.me_mapsize)
		return 0;
	if (mdb_env_get_fd(s->env->env, &fd) != 0)
		return 0;
	return allocate_ahead(s, fd, need, info.me_mapsize);
}

/* Refusals before LMDB sees anything; they do not harm the transaction. */
static int
refuse(struct store *s, unsigned table, struct span key)
{
	if (!s->txn)
		return store_fail(s, "writing without a transaction to", EINVAL);
	if (s->txn_failed)
		return s->txn_errno;
	if (!table_info(table) || key.len == 0 || key.len > KEY_MAX) {
		snprintf(s->error, sizeof s->error, "no such table or key: table=%u key-octets=%zu",
			 table, key.len);
		return -EINVAL;
	}
	return 0;
}

static MDB_val
val(struct span s)
{
	return (MDB_val){ s.len, (void *)s.p };
}

static struct span
span_of_val(MDB_val v)
{
	return span_of(v.mv_data, v.mv_size);
}

int
store_put(struct store *s, unsigned table, struct span key, struct span row)
{
	MDB_val k = val(key), v = val(row);
	int rc = refuse(s, table, key);

	if (rc)
		return rc;
	rc = room_for(s, ROOM_KEPT, key.len + row.len);
	if (rc)
		return txn_fail(s, "making room in", rc);
	rc = mdb_put(s->txn, s->env->dbi[table], &k, &v, 0);
	return rc ? txn_fail(s, "writing a row to", rc) : 0;
}

int
store_del(struct store *s, unsigned table, struct span key)
{
	MDB_val k = val(key);
	int rc = refuse(s, table, key);

	if (rc)
		return rc;
	rc = room_for(s, 0, 0);
	if (rc)
		return txn_fail(s, "making room in", rc);
	rc = mdb_del(s->txn, s->env->dbi[table], &k, NULL);
	return rc && rc != MDB_NOTFOUND ? txn_fail(s, "removing a row from", rc) : 0;
}

/* What is cleared goes to the list of free pages. */
static size_t
list_of_all_pages(struct store *s)
{
	MDB_envinfo info;

	mdb_env_info(s->env->env, &info);
	return info.me_last_pgno * sizeof(uint64_t);
}

int
store_clear_table(struct store *s, unsigned table)
{
	int rc = refuse(s, table, span_of("-", 1));

	if (rc)
		return rc;
	live_pages(s); /* as long as they are there */
	rc = room_for(s, 0, list_of_all_pages(s));
	if (rc)
		return txn_fail(s, "making room in", rc);
	rc = mdb_drop(s->txn, s->env->dbi[table], 0);
	return rc ? txn_fail(s, "clearing", rc) : 0;
}

int
store_clear(struct store *s)
{
	int rc = 0;

	for (unsigned t = 0; t < TABLE_MAX && rc == 0; t++) {
		if (table_info(t) && !table_is_local(t))
			rc = store_clear_table(s, t);
	}
	return rc;
}

int
store_commit(struct store *s)
{
	if (!s->txn)
		return store_fail(s, "committing without a transaction to", EINVAL);
	if (s->txn_failed) {
		store_abort(s);
		return s->txn_errno;
	}
	int rc = mdb_txn_commit(s->txn);
	s->txn = NULL;
	return rc ? store_fail(s, "committing to", rc) : 0;
}

void
store_abort(struct store *s)
{
	if (s->txn)
		mdb_txn_abort(s->txn);
	s->txn = NULL;
}

int
store_durable(struct store *s, bool on)
{
	unsigned flags = 0;
	int rc;

	if (!s->writer)
		return store_fail(s, "changing", EACCES);
	mdb_env_get_flags(s->env->env, &flags);
	if (on == !(flags & MDB_NOSYNC))
		return 0;
	/* The marker goes first on the way out of safety and last on the way in. */
	if (!on && (rc = store_mark_unsynced(s, true)))
		return rc;
	if (on && (rc = store_sync(s)))
		return rc;
	rc = mdb_env_set_flags(s->env->env, MDB_NOSYNC, !on);
	if (rc)
		return store_fail(s, "changing", rc);
	return on ? store_mark_unsynced(s, false) : 0;
}

/* May run beside the writer's thread, so it leaves the sentence of store_error alone. */
int
store_sync(struct store *s)
{
	return store_errno(mdb_env_sync(s->env->env, 1));
}

int
store_reap(struct store *s)
{
	int dead = 0, rc = mdb_reader_check(s->env->env, &dead);

	return rc ? store_fail(s, "looking for dead readers of", rc) : dead;
}

void
store_usage(struct store *s, uint64_t *used, uint64_t *map)
{
	MDB_envinfo info = { 0 };
	MDB_stat stat = { 0 };

	mdb_env_info(s->env->env, &info);
	mdb_env_stat(s->env->env, &stat);
	*used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	*map = info.me_mapsize;
}

/* LMDB keeps them as rows of its first database: a count, then the page numbers. */
uint64_t
store_free(struct store *s)
{
	MDB_cursor *at = NULL;
	MDB_stat stat = { 0 };
	MDB_txn *txn = NULL;
	MDB_val key, pages;
	uint64_t n = 0;

	mdb_env_stat(s->env->env, &stat);
	if (mdb_txn_begin(s->env->env, NULL, MDB_RDONLY, &txn))
		return 0;
	if (mdb_cursor_open(txn, 0, &at) == 0) {
		while (mdb_cursor_get(at, &key, &pages, MDB_NEXT) == 0 && pages.mv_size >= sizeof(size_t)) {
			size_t count;
			memcpy(&count, pages.mv_data, sizeof count);
			n += count;
		}
		mdb_cursor_close(at);
	}
	mdb_txn_abort(txn);
	return n * stat.ms_psize;
}

/* --- views --------------------------------------------------------------------------------- */

/* Another process made the file larger than our map: take over its size.  Only without other views.
 */
static int
take_new_size(struct store *s)
{
	if (s->open_views || s->env->users > 1)
		return MDB_MAP_RESIZED;
	return mdb_env_set_mapsize(s->env->env, 0);
}

static int
view_start(struct store *s, struct store_view *v)
{
	return v->txn ? mdb_txn_renew(v->txn)
		      : mdb_txn_begin(s->env->env, NULL, MDB_RDONLY, &v->txn);
}

static int
view_start_patiently(struct store *s, struct store_view *v)
{
	int dead, rc = view_start(s, v);

	if (rc == MDB_READERS_FULL && mdb_reader_check(s->env->env, &dead) == 0 && dead > 0)
		rc = view_start(s, v);
	if (rc == MDB_MAP_RESIZED && (rc = take_new_size(s)) == 0)
		rc = view_start(s, v);
	return rc;
}

struct store_view *
store_view_begin(struct store *s)
{
	struct store_view *v = s->spare_views;

	if (v)
		s->spare_views = v->next;
	else if (!(v = calloc(1, sizeof *v)))
		return NULL;
	v->store = s;
	int rc = view_start_patiently(s, v);
	if (rc) {
		if (v->txn)
			mdb_txn_abort(v->txn);
		free(v);
		store_fail(s, "reading", rc);
		return NULL;
	}
	v->next = s->open_views;
	s->open_views = v;
	return v;
}

void
store_view_end(struct store_view *v)
{
	if (!v)
		return;
	struct store *s = v->store;
	struct store_view **at = &s->open_views;
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	mdb_txn_reset(v->txn);
	v->next = s->spare_views;
	s->spare_views = v;
}

bool
store_get(struct store_view *v, unsigned table, struct span key, struct span *row)
{
	MDB_val k = val(key), d;

	*row = span_of(NULL, 0);
	if (!table_info(table) || key.len == 0 || key.len > KEY_MAX)
		return false;
	int rc = mdb_get(v->txn, v->store->env->dbi[table], &k, &d);
	if (rc) {
		if (rc != MDB_NOTFOUND)
			store_fail(v->store, "reading a row of", rc);
		return false;
	}
	*row = span_of_val(d);
	return true;
}

static bool
has_prefix(MDB_val key, struct span prefix)
{
	return prefix.len == 0 ||
	       (key.mv_size >= prefix.len && memcmp(key.mv_data, prefix.p, prefix.len) == 0);
}

static long
walk(struct store_view *v, unsigned table, struct span from, struct span prefix, store_row_fn *fn,
     void *arg)
{
	MDB_val k = val(from), d;
	MDB_cursor *c;
	long n = 0;

	if (!table_info(table) || from.len > KEY_MAX)
		return -EINVAL;
	int rc = mdb_cursor_open(v->txn, v->store->env->dbi[table], &c);
	if (rc)
		return store_fail(v->store, "walking", rc);
	rc = mdb_cursor_get(c, &k, &d, from.len ? MDB_SET_RANGE : MDB_FIRST);
	for (; rc == 0 && has_prefix(k, prefix); rc = mdb_cursor_get(c, &k, &d, MDB_NEXT)) {
		n++;
		if (!fn(arg, span_of_val(k), span_of_val(d)))
			break;
	}
	mdb_cursor_close(c);
	return rc && rc != MDB_NOTFOUND ? store_fail(v->store, "walking", rc) : n;
}

long
store_each(struct store_view *v, unsigned table, store_row_fn *fn, void *arg)
{
	return walk(v, table, span_of(NULL, 0), span_of(NULL, 0), fn, arg);
}

long
store_each_prefix(struct store_view *v, unsigned table, struct span prefix, store_row_fn *fn,
		  void *arg)
{
	return walk(v, table, prefix, prefix, fn, arg);
}

long
store_each_from(struct store_view *v, unsigned table, struct span from, store_row_fn *fn, void *arg)
{
	return walk(v, table, from, span_of(NULL, 0), fn, arg);
}

uint64_t
store_count(struct store_view *v, unsigned table)
{
	MDB_stat st = { 0 };

	if (!table_info(table) || mdb_stat(v->txn, v->store->env->dbi[table], &st))
		return 0;
	return st.ms_entries;
}

const void *
store_row(struct store_view *v, unsigned table, struct span key, struct arena *a)
{
	struct span row;

	return store_get(v, table, key, &row) ? row_unpack(a, table, row) : NULL;
}

/* --- META ---------------------------------------------------------------------------------- */

struct key
store_meta_key(void)
{
	return key_text("store");
}

struct store_meta
store_meta_read(struct store_view *v)
{
	struct store_meta m = { 0 };
	struct key key = store_meta_key();
	struct span octets;
	Row__Meta *row = NULL;

	if (store_get(v, TABLE_META, key_span(&key), &octets))
		row = row__meta__unpack(NULL, octets.len, octets.p);
	if (!row)
		return m;
	m = (struct store_meta){ row->position, row->epoch, row->lineage,
				 row->mirrored, "",	    row->half };
	snprintf(m.node, sizeof m.node, "%s", row->node);
	row__meta__free_unpacked(row, NULL);
	return m;
}

int
store_meta_put(struct store *s, const struct store_meta *m)
{
	Row__Meta row = ROW__META__INIT;
	uint8_t octets[256];
	struct key key = store_meta_key();

	row.position = m->position;
	row.epoch = m->epoch;
	row.lineage = m->lineage;
	row.mirrored = m->mirrored;
	row.half = m->half;
	row.node = (char *)m->node;
	return store_put(s, TABLE_META, key_span(&key),
			 span_of(octets, row__meta__pack(&row, octets)));
}
