// SPDX-License-Identifier: Apache-2.0
/*
 * The node's store: one LMDB environment, one sub-database per table of schemas/tables.def.
 *
 * state-sync is its only writer; everybody else opens it read-only and reads views.  A view is a
 * consistent moment: spans it hands out live until store_view_end(), whatever the writer does
 * meanwhile. A view that stays open pins old pages and makes the file grow, so views are short.
 *
 * Whatever a commit returned 0 for survives kill -9 of every process (it is in the page cache, and
 * LMDB writes its root last).  It survives a power cut when store_durable(s, true) was in force, or
 * after a later store_sync().  Without either, a power cut may leave a file that is not whole, and a
 * disk may change any: store_open_rw walks over all of it first, in a child process, and sets a damaged
 * one aside.
 *
 * Results are 0 or -errno: -ENOSPC map full, -EUCLEAN damaged, -EINVAL key or table out of shape,
 * -ENOENT no such row (store) or no store yet (open), -EBUSY reader table full even after stale
 * readers were cleared, -EIO and others from the system.  store_error() is the sentence to it.
 */
#ifndef TWIN_STORE_H
#define TWIN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/tables.h"

struct store;
struct store_view;

#define STORE_ERROR 256

/*
 * Opens or makes the store, with all tables of the catalogue.  NULL: errno is set, `error` says
 * what is wrong and what to do.  `map_octets` bounds the file (but never below what is already in
 * it).
 */
struct store *store_open_rw(const char *dir, uint64_t map_octets, char *error, size_t error_len);
/* Waits up to wait_ms (blocking) for a store that state-sync has not made yet; 0: answers at once.
 */
struct store *store_open_ro(const char *dir, unsigned wait_ms, char *error, size_t error_len);
void
store_close(struct store *); /* NULL is allowed; every view and the open transaction end with it */
const char *
store_error(const struct store *); /* the last failure of this store, a sentence; "" if none */
/* True when the files under `dir` are not those we hold open: the writer started anew; close and
 * open again. */
bool store_replaced(const struct store *);
/* True when store_open_rw found a damaged store and set it aside as DIR/data.mdb.damaged, until its room is needed. */
bool store_was_damaged(const struct store *);
/*
 * True when commits were left unsynced by an earlier boot of this machine: what is here is whole, but the last
 * transactions may be missing.
 */
bool store_was_behind(const struct store *);
/* Moves DIR's files aside, for a writer that met -EUCLEAN.  The store must be closed. */
int store_discard(const char *dir);
/*
 * False: the file system cannot allocate blocks ahead (NFS before 4.2, some FUSE), so pages are written out at
 * each commit instead of where they lie: slower, and a full disk is a failure like any other.
 */
bool store_writes_in_place(const struct store *);

/* --- the writer: one transaction at a time ------------------------------------------------- */

int store_begin(struct store *);
int store_put(struct store *, unsigned table, struct span key, struct span row);
int store_del(struct store *, unsigned table, struct span key); /* an absent row is not a failure */
int store_clear(struct store *); /* every table but the node's own: table_is_local() */
int store_clear_table(struct store *, unsigned table);
/* After any failure of the above the transaction is lost as a whole: abort it.  commit then aborts
 * too. */
int store_commit(struct store *);
void store_abort(struct store *); /* without a transaction: nothing */

/* true: each commit is on disk when it returns.  false: commits go to the page cache only. */
int store_durable(struct store *, bool on);
/* Everything committed so far to disk.  May run in another thread beside the writer and any reader.
 */
int store_sync(struct store *);
/* Frees slots of readers that died.  state-sync calls it every few seconds.  Returns how many, or
 * -errno. */
int store_reap(struct store *);
/* How full: octets used and the map's size. */
void store_usage(struct store *, uint64_t *used, uint64_t *map);
/* Of `used`, what transactions to come will use again.  Looks at a row for each late transaction: not for every step. */
uint64_t store_free(struct store *);

/* --- views: readers, and the writer for what it has committed ------------------------------ */

/* NULL with errno: see store_error.  Views may nest and live beside a write transaction. */
struct store_view *store_view_begin(struct store *);
void store_view_end(struct store_view *); /* NULL is allowed */

/* Lends the row until store_view_end; false: there is none (or the table or the store is damaged).
 */
bool store_get(struct store_view *, unsigned table, struct span key, struct span *row);
/* In key order; `fn` false ends the walk.  Returns rows visited, or -errno. */
typedef bool store_row_fn(void *arg, struct span key, struct span row);
long store_each(struct store_view *, unsigned table, store_row_fn *fn, void *arg);
long store_each_prefix(struct store_view *, unsigned table, struct span prefix, store_row_fn *fn,
		       void *arg);
/* From the first key >= `from` (empty: the first): a snapshot in parts. */
long store_each_from(struct store_view *, unsigned table, struct span from, store_row_fn *fn,
		     void *arg);
uint64_t store_count(struct store_view *, unsigned table);

/* The row as its protobuf-c struct, in the arena; NULL: none, or not a row of that table. */
const void *store_row(struct store_view *, unsigned table, struct span key, struct arena *);

/* --- META: the row of the store itself ----------------------------------------------------- */

struct store_meta {
	uint64_t position, epoch, lineage;
	bool mirrored;
	char node[64];
	bool half; /* a snapshot is being received: not to be served from */
};

/* A store without the row reads as zeros. */
struct store_meta store_meta_read(struct store_view *);
int store_meta_put(struct store *, const struct store_meta *);
struct key store_meta_key(void);

#endif
