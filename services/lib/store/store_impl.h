// SPDX-License-Identifier: Apache-2.0
/* What store.c and store_open.c share; nobody else includes it. */
#ifndef TWIN_STORE_IMPL_H
#define TWIN_STORE_IMPL_H

#include <lmdb.h>
#include <sys/types.h>

#include "store/store.h"

/*
 * One environment per directory and process: LMDB's locks are per process, so opening a store twice
 * would break both.  Stores of one process on one directory share it (tests, the simulator).
 */
struct store_env {
	MDB_env *env;
	MDB_dbi dbi[TABLE_MAX];
	dev_t dev;
	ino_t ino;
	unsigned users;
	bool writable, in_place; /* in_place: MDB_WRITEMAP */
	struct store_env *next;
};

#define FREE_LIST 0		  /* a table of LMDB's own: pages that are free */
#define STORE_AHEAD (32u << 20) /* octets of blocks asked for at a time, while the disk has them */

struct store_view {
	struct store *store;
	MDB_txn *txn;
	struct store_view *next; /* in use, or free to be used again */
};

struct store {
	struct store_env *env;
	char *dir;
	bool writer, damaged, behind;
	MDB_txn *txn;
	bool txn_failed;
	int txn_errno;
	uint64_t room;	     /* octets of the file that have blocks for sure */
	uint64_t ahead;	     /* how many are asked for beyond what is needed */
	uint64_t txn_puts, txn_rows; /* of this transaction: changes, and octets of what is put */
	uint64_t txn_live;	     /* pages of all tables when it began */
	struct store_view *open_views, *spare_views;
	char error[STORE_ERROR];
};

/* store_open.c: a damaged store that was kept to be looked at is removed; false: there was none. */
bool store_forget_damaged(const struct store *);

/* store_doubt.c: what an earlier writer's death says about the store */
bool store_doubt_damaged(const char *dir); /* LMDB said so, or it has killed too many */
void store_doubt_watch(const char *dir, MDB_env *); /* leaves word of this process's death */
void store_doubt_over(const char *dir);		    /* that store is not there any more, or was closed in order */

/* store_check.c: true when every page of the store under `dir` is what it should be, and when there is no store. */
bool store_whole(const char *dir);

/* LMDB's result as -errno; writes the sentence. */
int store_fail(struct store *, const char *doing, int rc);
int store_errno(int rc);
/* "twinlns store" marker of commits that are not on disk: holds the boot id under which they were
 * made. */
int store_mark_unsynced(struct store *, bool unsynced);

#endif
