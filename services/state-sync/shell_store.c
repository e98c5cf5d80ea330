// SPDX-License-Identifier: Apache-2.0
/*
 * The store: transactions of the core become transactions of LMDB, rows and META together.
 *
 * Commits are not synced here.  A thread of its own syncs to disk when the core asks, beside the writer;
 * what was committed is safe from any kill without it (services/lib/store/store.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "rows.pb-c.h"
#include "shell.h"

#define PAGE_OCTETS (256u << 10)
#define META_OCTETS 2048

/* --- META ---------------------------------------------------------------------------------------------- */

static struct key
terms_key(void)
{
	return key_text("terms");
}

static int
put_meta(struct shell *sh, const struct sync_meta *m)
{
	Row__Meta row = ROW__META__INIT;
	uint8_t buf[META_OCTETS];
	struct key key = store_meta_key();

	row.position = m->position;
	row.epoch = m->epoch;
	row.lineage = m->lineage;
	row.mirrored = m->mirrored;
	row.node = (char *)m->node;
	row.half = !m->complete;
	row.stale_since = m->stale_since;
	return store_put(sh->store, TABLE_META, key_span(&key), span_of(buf, row__meta__pack(&row, buf)));
}

static int
put_terms(struct shell *sh, const struct sync_meta *m)
{
	Row__Meta row = ROW__META__INIT;
	Row__Term term[MIRROR_TERMS], *terms[MIRROR_TERMS];
	uint8_t buf[META_OCTETS];
	struct key key = terms_key();

	for (unsigned i = 0; i < m->terms; i++) {
		row__term__init(&term[i]);
		term[i].epoch = m->term[i].epoch;
		term[i].tag = m->term[i].tag;
		term[i].first = m->term[i].first;
		terms[i] = &term[i];
	}
	row.n_terms = m->terms;
	row.terms = terms;
	return store_put(sh->store, TABLE_META, key_span(&key), span_of(buf, row__meta__pack(&row, buf)));
}

static Row__Meta *
meta_row(struct store_view *v, struct key key)
{
	struct span row;

	return store_get(v, TABLE_META, key_span(&key), &row) ? row__meta__unpack(NULL, row.len, row.p) : NULL;
}

static void
read_terms(struct store_view *v, struct sync_meta *out)
{
	Row__Meta *row = meta_row(v, terms_key());

	for (size_t i = 0; row && i < row->n_terms && i < MIRROR_TERMS; i++)
		out->term[out->terms++] =
		    (struct mirror_term){ row->terms[i]->epoch, row->terms[i]->tag, row->terms[i]->first };
	if (row)
		row__meta__free_unpacked(row, NULL);
}

static bool
read_meta(struct shell *sh, struct sync_meta *out)
{
	struct store_view *v = store_view_begin(sh->store);
	Row__Meta *row;

	*out = (struct sync_meta){ 0 };
	if (!v)
		return false;
	row = meta_row(v, store_meta_key());
	if (row) {
		out->position = row->position;
		out->epoch = row->epoch;
		out->lineage = row->lineage;
		out->mirrored = row->mirrored;
		out->complete = !row->half;
		out->stale_since = row->stale_since;
		snprintf(out->node, sizeof out->node, "%s", row->node);
		row__meta__free_unpacked(row, NULL);
		read_terms(v, out);
	}
	store_view_end(v);
	return true;
}

/* --- transactions ------------------------------------------------------------------------------------------- */

/* A store that turns out damaged is set aside; the next life of this process finds an empty one. */
static int
failed(struct shell *sh, int err)
{
	store_abort(sh->store);
	if (err != -EUCLEAN)
		return err;
	log_line(NOTE_ERROR, "the store is damaged and is set aside reason=\"%s\"", store_error(sh->store));
	store_close(sh->store);
	store_discard(sh->conf->node.store_dir);
	_exit(3);
}

/* Tables of a newer twin are skipped: nobody here could read them. */
static int
put_rows(struct shell *sh, struct span frame)
{
	struct records in;
	struct record r;
	int err = records_open(frame, &in) ? 0 : -EBADMSG;

	while (!err && records_next(&in, &r)) {
		if (!table_info(r.table))
			continue;
		err = r.removed ? store_del(sh->store, r.table, r.key) : store_put(sh->store, r.table, r.key, r.row);
	}
	return err;
}

int
store_shell_commit(struct shell *sh, const struct sync_txn *t, const struct sync_meta *m)
{
	int err = store_begin(sh->store);

	for (unsigned i = 0; !err && i < t->frames; i++)
		err = put_rows(sh, t->frame[i].bytes);
	if (!err)
		err = put_meta(sh, m);
	if (!err)
		err = store_commit(sh->store);
	return err ? failed(sh, err) : 0;
}

int
store_shell_rows(struct shell *sh, struct span frame)
{
	int err = store_begin(sh->store);

	if (!err)
		err = put_rows(sh, frame);
	if (!err)
		err = store_commit(sh->store);
	return err ? failed(sh, err) : 0;
}

int
store_shell_wipe(struct shell *sh, const struct sync_meta *m)
{
	int err = store_begin(sh->store);

	if (!err)
		err = store_clear(sh->store);
	if (!err)
		err = put_meta(sh, m);
	if (!err)
		err = store_commit(sh->store);
	return err ? failed(sh, err) : 0;
}

int
store_shell_meta(struct shell *sh, const struct sync_meta *m, bool terms)
{
	int err = store_begin(sh->store);

	if (!err)
		err = put_meta(sh, m);
	if (!err && terms)
		err = put_terms(sh, m);
	if (!err)
		err = store_commit(sh->store);
	return err ? failed(sh, err) : 0;
}

/* --- snapshot ---------------------------------------------------------------------------------------------------- */

int
store_shell_snap_begin(struct shell *sh)
{
	store_shell_snap_end(sh);
	sh->snap = store_view_begin(sh->store);
	sh->snap_table = 0;
	sh->snap_from.len = 0;
	return sh->snap ? 0 : -errno;
}

void
store_shell_snap_end(struct shell *sh)
{
	store_view_end(sh->snap);
	sh->snap = NULL;
}

/* False: the page is full; snap_from is the first key of the next one. */
static bool
page_row(void *arg, struct span key, struct span row)
{
	struct shell *sh = arg;

	if (batch_octets(sh->page) < PAGE_OCTETS && batch_put_packed(sh->page, sh->snap_table, key, row, false))
		return true;
	memcpy(sh->snap_from.b, key.p, key.len);
	sh->snap_from.len = key.len;
	return false;
}

static bool
in_snapshot(unsigned table)
{
	const struct table_info *t = table_info(table);

	return t && t->owner != OWNER_STATE_SYNC;
}

int
store_shell_snap_next(struct shell *sh, struct span *frame)
{
	bool full = false;
	long n = 0;

	if (!sh->snap)
		return -EBADF;
	batch_reset(sh->page);
	for (; sh->snap_table < TABLE_MAX && !full; sh->snap_table += !full) {
		struct key from = sh->snap_from;
		if (!in_snapshot(sh->snap_table))
			continue;
		sh->snap_from.len = 0;
		n = store_each_from(sh->snap, sh->snap_table, key_span(&from), page_row, sh);
		if (n < 0)
			return (int)n;
		full = sh->snap_from.len > 0;
	}
	if (full && batch_count(sh->page) == 0)
		return -EMSGSIZE; /* one row larger than any message: no owner can have written it */
	if (batch_count(sh->page) == 0)
		return 0;
	*frame = batch_seal(sh->page, "", 0, 0);
	return 1;
}

/* --- the disk ----------------------------------------------------------------------------------------------------- */

static void *
disk_main(void *arg)
{
	struct shell *sh = arg;

	pthread_mutex_lock(&sh->disk_lock);
	while (!sh->disk_end) {
		uint64_t want = sh->disk_want;
		if (want <= sh->disk_done) {
			pthread_cond_wait(&sh->disk_wake, &sh->disk_lock);
			continue;
		}
		pthread_mutex_unlock(&sh->disk_lock);
		int err = store_sync(sh->store);
		pthread_mutex_lock(&sh->disk_lock);
		sh->disk_done = want;
		sh->disk_err = err;
		if (write(sh->disk_pipe[1], "", 1) < 0 && errno != EAGAIN)
			break;
	}
	pthread_mutex_unlock(&sh->disk_lock);
	return NULL;
}

void
store_shell_disk(struct shell *sh, uint64_t position)
{
	pthread_mutex_lock(&sh->disk_lock);
	if (position < sh->disk_done)
		sh->disk_done = 0; /* a new store counts from the beginning */
	sh->disk_want = position;
	pthread_cond_signal(&sh->disk_wake);
	pthread_mutex_unlock(&sh->disk_lock);
}

static void
on_disk(void *arg, int fd, unsigned events)
{
	struct shell *sh = arg;
	struct sync_event ev = { .kind = SYNC_DISK };
	char buf[64];
	int err;

	while (read(fd, buf, sizeof buf) > 0)
		;
	pthread_mutex_lock(&sh->disk_lock);
	ev.position = sh->disk_done;
	err = sh->disk_err;
	pthread_mutex_unlock(&sh->disk_lock);
	if (err) {
		rows_shell_alarm(sh, SYNC_ALARM_STORE_FAILED, true, "sync to disk");
		log_line(NOTE_ERROR, "sync to disk failed reason=%s", strerror(-err));
	}
	shell_step(sh, &ev); /* with a failing disk, too: the page cache is what is left */
}

/*
 * After a power cut this store may lack what it had acknowledged, or what it had revealed as the active one: it is not
 * the equal of the twin's until the twin says so, and META has to say that before anybody reads it again.
 */
static bool
forget_standing(struct shell *sh, struct sync_meta *meta)
{
	if (!store_was_behind(sh->store) || (!meta->mirrored && !meta->node[0]))
		return true;
	meta->mirrored = false;
	meta->node[0] = 0;
	log_line(NOTE_WARN, "power was lost with commits not on disk: the twin may hold more position=%llu",
		 (unsigned long long)meta->position);
	return store_shell_meta(sh, meta, false) == 0;
}

bool
store_shell_open(struct shell *sh, struct sync_meta *meta, bool *damaged, char *error, size_t len)
{
	const struct conf_node *n = &sh->conf->node;

	sh->store = store_open_rw(n->store_dir, n->store_octets, error, len);
	if (!sh->store)
		return false;
	if (!store_writes_in_place(sh->store))
		log_line(NOTE_WARN, "the file system of the store cannot allocate ahead: commits are slower dir=%s", n->store_dir);
	*damaged = store_was_damaged(sh->store);
	if (store_durable(sh->store, false) || !read_meta(sh, meta) || !forget_standing(sh, meta)) {
		snprintf(error, len, "%s", store_error(sh->store));
		return false;
	}
	return true;
}

bool
store_shell_start(struct shell *sh)
{
	sh->page = batch_new();
	if (!sh->page || pipe2(sh->disk_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	pthread_mutex_init(&sh->disk_lock, NULL);
	pthread_cond_init(&sh->disk_wake, NULL);
	sh->disk_fd = loop_fd_add(sh->loop, sh->disk_pipe[0], LOOP_READ, on_disk, sh);
	sh->disk_runs = sh->disk_fd && pthread_create(&sh->disk, NULL, disk_main, sh) == 0;
	return sh->disk_runs;
}

void
store_shell_stop(struct shell *sh)
{
	if (sh->disk_runs) {
		pthread_mutex_lock(&sh->disk_lock);
		sh->disk_end = true;
		pthread_cond_signal(&sh->disk_wake);
		pthread_mutex_unlock(&sh->disk_lock);
		pthread_join(sh->disk, NULL);
	}
	store_shell_snap_end(sh);
	if (sh->store)
		store_sync(sh->store);
	store_close(sh->store);
	batch_free(sh->page);
}
