// SPDX-License-Identifier: Apache-2.0
/*
 * How a store is opened and set aside.
 *
 * While commits are not synced (store_durable false, which is the rule for a mirrored node) the
 * kernel may write pages in any order, and a power cut can leave a root whose pages never arrived.
 * A disk may change pages, too.  LMDB notices neither at open.  So:
 *
 *   - the writer has all of the store walked over before it opens it (store_check.c);
 *   - what is not whole is set aside, the store starts empty, and state-sync fills it from the twin;
 *   - a writer that dies in its store leaves word of it (store_doubt.c);
 *   - a file DIR/unsynced holds the boot id under which unsynced commits were made: found under another
 *     boot id, the last of them may be missing although what is there is whole (store_was_behind).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_impl.h"

#define READERS 512
#define RETRY_MS 10
#define PATH_OCTETS 512
#define SMALLEST_MAP (1u << 20)

static struct store_env *envs; /* of this process */

static int
path_in(const char *dir, const char *name, char out[PATH_OCTETS])
{
	return snprintf(out, PATH_OCTETS, "%s/%s", dir, name) < PATH_OCTETS ? 0 : -ENAMETOOLONG;
}

/* --- the marker of unsynced commits -------------------------------------------------------- */

#define BOOT_ID 37

static void
boot_id(char out[BOOT_ID])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, BOOT_ID - 1);

	out[n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
}

static int
sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

int
store_mark_unsynced(struct store *s, bool unsynced)
{
	char path[PATH_OCTETS], id[BOOT_ID];
	int rc = path_in(s->dir, "unsynced", path);

	if (rc)
		return store_fail(s, "marking", -rc);
	if (!unsynced) {
		if (unlink(path) && errno != ENOENT)
			return store_fail(s, "marking", errno);
		return 0;
	}
	boot_id(id);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return store_fail(s, "marking", errno);
	bool written = write(fd, id, strlen(id)) == (ssize_t)strlen(id) && fsync(fd) == 0;
	close(fd);
	if (!written || sync_dir(s->dir))
		return store_fail(s, "marking", EIO);
	return 0;
}

/* Were commits left unsynced by an earlier boot of this machine? */
static bool
left_unsynced(const char *dir)
{
	char path[PATH_OCTETS], now[BOOT_ID], then[BOOT_ID] = "";

	if (path_in(dir, "unsynced", path))
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, then, BOOT_ID - 1);
	then[n < 0 ? 0 : n] = 0;
	close(fd);
	boot_id(now);
	return strcmp(now, then) != 0;
}

bool
store_writes_in_place(const struct store *s)
{
	return s->env->in_place;
}

int
store_discard(const char *dir)
{
	static const char *const files[] = { "data.mdb", "lock.mdb", "unsynced" };
	char from[PATH_OCTETS], to[PATH_OCTETS + 16];

	for (unsigned i = 0; i < 3; i++) {
		if (path_in(dir, files[i], from))
			return -ENAMETOOLONG;
		snprintf(to, sizeof to, "%s.damaged", from);
		if (rename(from, to) && errno != ENOENT)
			return -errno;
	}
	store_doubt_over(dir);
	return 0;
}

bool
store_forget_damaged(const struct store *s)
{
	char path[PATH_OCTETS];

	return path_in(s->dir, "data.mdb.damaged", path) == 0 && unlink(path) == 0;
}

/* --- environments -------------------------------------------------------------------------- */

static int
dbis_open(struct store_env *e)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(e->env, NULL, e->writable ? 0 : MDB_RDONLY, &txn);

	if (rc)
		return rc;
	for (unsigned t = 0; t < TABLE_MAX && rc == 0; t++) {
		if (table_info(t))
			rc = mdb_dbi_open(txn, table_info(t)->name, e->writable ? MDB_CREATE : 0,
					  &e->dbi[t]);
	}
	if (rc) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

/* Can blocks be had ahead of writing here?  Where nobody can say, they cannot. */
static bool
allocates_ahead(const char *dir)
{
	const int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char path[PATH_OCTETS];
	bool can;

	if (fd >= 0) {
		can = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 || errno == ENOSPC || errno == EDQUOT;
		close(fd);
		return can;
	}
	if (path_in(dir, "allocate", path))
		return false;
	const int named = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* no O_TMPFILE here */
	can = named >= 0 && (fallocate(named, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 || errno == ENOSPC || errno == EDQUOT);
	if (named >= 0) {
		close(named);
		unlink(path);
	}
	return can;
}

static int
env_make(const char *dir, uint64_t map_octets, struct store_env *e)
{
	unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (e->writable ? 0 : MDB_RDONLY);
	int rc;

	/* A page that is written where it lies needs its block: without one, a full disk would be a SIGBUS. */
	e->in_place = e->writable && allocates_ahead(dir);
	if (e->in_place)
		flags |= MDB_WRITEMAP;
	rc = mdb_env_create(&e->env);

	if (rc == 0)
		rc = mdb_env_set_maxdbs(e->env, TABLE_MAX);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(e->env, READERS);
	if (rc == 0 && map_octets)
		rc = mdb_env_set_mapsize(e->env, map_octets);
	if (rc == 0)
		rc = mdb_env_open(e->env, dir, flags, 0640);
	if (rc == 0)
		rc = dbis_open(e);
	return rc;
}

static struct store_env *
env_find(const struct stat *st)
{
	for (struct store_env *e = envs; e; e = e->next) {
		if (e->dev == st->st_dev && e->ino == st->st_ino)
			return e;
	}
	return NULL;
}

static bool
data_stat(const char *dir, struct stat *st)
{
	char path[PATH_OCTETS];

	return path_in(dir, "data.mdb", path) == 0 && stat(path, st) == 0;
}

static int
env_open(struct store *s, uint64_t map_octets, bool writable)
{
	struct stat st;
	bool exists = data_stat(s->dir, &st);
	struct store_env *e = exists ? env_find(&st) : NULL;

	if (!exists && !writable)
		return store_fail(s, "opening", ENOENT);
	if (e && writable && !e->writable)
		return store_fail(s, "opening for writing what this process reads:", EBUSY);
	if (e) {
		e->users++;
		s->env = e;
		return 0;
	}
	if (!(e = calloc(1, sizeof *e)))
		return store_fail(s, "opening", ENOMEM);
	e->writable = writable;
	int rc = env_make(s->dir, map_octets, e);
	if (rc || !data_stat(s->dir, &st)) {
		if (e->env)
			mdb_env_close(e->env);
		free(e);
		return store_fail(s, "opening", rc ? rc : ENOENT);
	}
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	e->users = 1;
	e->next = envs;
	envs = e;
	s->env = e;
	return 0;
}

static void
env_release(struct store_env *e)
{
	struct store_env **at = &envs;

	if (!e || --e->users)
		return;
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	mdb_env_close(e->env);
	free(e);
}

bool
store_replaced(const struct store *s)
{
	struct stat st;

	return !data_stat(s->dir, &st) || st.st_dev != s->env->dev || st.st_ino != s->env->ino;
}

bool
store_was_damaged(const struct store *s)
{
	return s->damaged;
}

bool
store_was_behind(const struct store *s)
{
	return s->behind;
}

/* --- stores -------------------------------------------------------------------------------- */

static struct store *
store_make(const char *dir)
{
	struct store *s = calloc(1, sizeof *s);

	if (s && !(s->dir = strdup(dir))) {
		free(s);
		return NULL;
	}
	return s;
}

static void
store_destroy(struct store *s)
{
	if (s)
		free(s->dir);
	free(s);
}

/* Hands the sentence and errno out of a store that did not come to be. */
static struct store *
give_up(struct store *s, int err, char *error, size_t error_len)
{
	if (error_len)
		snprintf(error, error_len, "%s", s && s->error[0] ? s->error : strerror(-err));
	store_destroy(s);
	errno = -err;
	return NULL;
}

static int
make_dir(struct store *s)
{
	if (mkdir(s->dir, 0750) && errno != EEXIST)
		return store_fail(s, "making", errno);
	return 0;
}

struct store *
store_open_rw(const char *dir, uint64_t map_octets, char *error, size_t error_len)
{
	struct store *s = store_make(dir);
	uint64_t map = map_octets < SMALLEST_MAP ? SMALLEST_MAP : map_octets & ~(uint64_t)4095;
	int rc = s ? make_dir(s) : -ENOMEM;
	bool behind = rc == 0 && left_unsynced(dir);

	if (rc == 0 && (store_doubt_damaged(dir) || !store_whole(dir))) {
		s->damaged = true;
		rc = store_discard(dir);
	}
	if (rc == 0) {
		rc = env_open(s, map, true);
		if (rc == -EUCLEAN && !s->damaged) { /* not even a store */
			s->damaged = true;
			rc = store_discard(dir);
			rc = rc ? rc : env_open(s, map, true);
		}
	}
	if (rc)
		return give_up(s, rc, error, error_len);
	s->writer = true;
	s->ahead = STORE_AHEAD;
	s->behind = behind;
	store_doubt_watch(dir, s->env->env);
	rc = store_mark_unsynced(s, true);
	if (rc == 0)
		rc = store_errno(mdb_env_set_flags(s->env->env, MDB_NOSYNC, 1));
	if (rc) {
		env_release(s->env);
		return give_up(s, rc, error, error_len);
	}
	return s;
}

struct store *
store_open_ro(const char *dir, unsigned wait_ms, char *error, size_t error_len)
{
	struct store *s = store_make(dir);
	unsigned waited = 0;
	int rc;

	if (!s)
		return give_up(s, -ENOMEM, error, error_len);
	while ((rc = env_open(s, 0, false)) == -ENOENT && waited < wait_ms) {
		poll(NULL, 0, RETRY_MS);
		waited += RETRY_MS;
	}
	if (rc == -ENOENT)
		snprintf(s->error, sizeof s->error, "no store in %s yet: is state-sync running?",
			 dir);
	return rc ? give_up(s, rc, error, error_len) : s;
}

static void
views_free(struct store_view *v)
{
	for (struct store_view *next; v; v = next) {
		next = v->next;
		mdb_txn_abort(v->txn);
		free(v);
	}
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	store_abort(s);
	views_free(s->open_views);
	views_free(s->spare_views);
	if (s->writer)
		store_doubt_over(s->dir);
	env_release(s->env);
	store_destroy(s);
}
