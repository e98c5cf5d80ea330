// SPDX-License-Identifier: Apache-2.0
/*
 * From submitted batches to transactions, and from transactions to COMMITTED.
 *
 * Batches wait in `pending` until the flush; each flush makes as few transactions as fit.  The last
 * transactions are kept in a ring by position: what is not yet acknowledged by the twin or released to
 * its owner, and behind that as much as the configuration allows, for a twin that comes back.
 */
#include "sync_impl.h"

#include <errno.h>
#include <stdlib.h>

#define TXN_OCTETS (1u << 20)

/* --- pending -------------------------------------------------------------------------------------------- */

bool
sync_pending_add(struct sync *s, mono_t now, unsigned client, struct span frame, uint64_t up_to)
{
	struct sync_pending *p;

	if (s->pending_octets + frame.len > s->conf.pending_octets)
		return false;
	p = malloc(sizeof *p + frame.len);
	if (!p)
		return false;
	*p = (struct sync_pending){ .since = now, .client = (uint16_t)client, .life = s->client[client].life,
				    .up_to = up_to, .len = frame.len };
	memcpy(p->bytes, frame.p, frame.len);
	*s->pending_tail = p;
	s->pending_tail = &p->next;
	s->pending_octets += frame.len;
	s->pending_count++;
	return true;
}

static void
pending_free(struct sync *s, struct sync_pending *p)
{
	s->pending_octets -= p->len;
	s->pending_count--;
	free(p);
}

void
sync_pending_drop(struct sync *s, int client)
{
	struct sync_pending **at = &s->pending, *p;

	while ((p = *at)) {
		if (client >= 0 && p->client != client) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		pending_free(s, p);
	}
	s->pending_tail = at;
}

/* --- transactions ----------------------------------------------------------------------------------------- */

struct sync_txn *
sync_txn_new(const struct span *frame, unsigned frames)
{
	size_t octets = sizeof(struct sync_txn) + frames * sizeof(struct sync_frame);
	struct sync_txn *t;
	uint8_t *p;

	for (unsigned i = 0; i < frames; i++)
		octets += frame[i].len;
	t = malloc(octets);
	if (!t)
		return NULL;
	*t = (struct sync_txn){ .octets = octets, .frames = frames, .frame = (struct sync_frame *)(t + 1) };
	p = (uint8_t *)(t->frame + frames);
	for (unsigned i = 0; i < frames; i++) {
		memcpy(p, frame[i].p, frame[i].len);
		t->frame[i] = (struct sync_frame){ .bytes = span_of(p, frame[i].len), .client = SYNC_CLIENTS };
		p += frame[i].len;
	}
	return t;
}

/* The oldest pending batches, as many as one transaction takes; they stay pending until it is committed. */
static struct sync_txn *
gather(struct sync *s, unsigned *taken)
{
	struct span frame[SYNC_TXN_FRAMES];
	const struct sync_pending *p = s->pending;
	struct sync_txn *t;
	size_t octets = 0;
	unsigned n = 0;

	for (; p && n < SYNC_TXN_FRAMES && (n == 0 || octets + p->len <= TXN_OCTETS); p = p->next) {
		frame[n++] = span_of(p->bytes, p->len);
		octets += p->len;
	}
	t = n ? sync_txn_new(frame, n) : NULL;
	if (!t)
		return NULL;
	p = s->pending;
	t->since = p->since;
	for (unsigned i = 0; i < n; i++, p = p->next) {
		t->frame[i].client = p->client;
		t->frame[i].life = p->life;
		t->frame[i].up_to = p->up_to;
	}
	*taken = n;
	return t;
}

static void
pending_taken(struct sync *s, unsigned n)
{
	while (n--) {
		struct sync_pending *p = s->pending;
		s->pending = p->next;
		if (!s->pending)
			s->pending_tail = &s->pending;
		pending_free(s, p);
	}
}

/* Its owners have applied these records to themselves already: they must start over from the store. */
static void
refuse_txn(struct sync *s, const struct sync_txn *t, int err, struct sync_out *out)
{
	s->count[SYNC_C_COMMITS_FAILED]++;
	for (unsigned i = 0; i < t->frames; i++) {
		struct sync_client *c = &s->client[t->frame[i].client];
		if (c->used && c->welcomed && c->life == t->frame[i].life)
			sync_client_refuse(s, c, err == -ENOSPC ? "the store is full" : "the store refused the transaction", out);
	}
}

static bool
log_room(struct sync *s)
{
	size_t kept = s->meta.position + 1 - s->log_first, cap = s->log_cap ? 2 * s->log_cap : 1024;
	struct sync_txn **log;

	if (kept < s->log_cap)
		return true;
	log = malloc(cap * sizeof *log);
	if (!log)
		return false;
	for (uint64_t p = s->log_first; p <= s->meta.position; p++)
		log[p % cap] = s->log[p % s->log_cap];
	free(s->log);
	s->log = log;
	s->log_cap = cap;
	return true;
}

struct sync_txn *
sync_log_at(const struct sync *s, uint64_t position)
{
	if (position < s->log_first || position > s->meta.position || !s->log_cap)
		return NULL;
	return s->log[position % s->log_cap];
}

void
sync_log_drop(struct sync *s)
{
	for (uint64_t p = s->log_first; s->log_cap && p <= s->meta.position; p++)
		free(s->log[p % s->log_cap]);
	s->log_first = s->meta.position + 1;
	s->log_octets = 0;
}

static bool
commit_one(struct sync *s, mono_t now, struct sync_out *out)
{
	struct sync_meta meta = s->meta;
	unsigned taken = 0;
	struct sync_txn *t = log_room(s) ? gather(s, &taken) : NULL;
	int err;

	if (!t)
		return false; /* no memory: they stay pending */
	t->position = ++meta.position;
	t->epoch = meta.epoch;
	err = out->commit(out, t, &meta);
	pending_taken(s, taken);
	if (err) {
		sync_store_failed(s, out, err, "commit");
		refuse_txn(s, t, err, out);
		free(t);
		return true;
	}
	sync_store_works(s, out);
	s->meta = meta;
	s->log[t->position % s->log_cap] = t;
	s->log_octets += t->octets;
	s->count[SYNC_C_TXN]++;
	s->count[SYNC_C_TXN_OCTETS] += t->octets;
	sync_clients_feed(s, now, t, out);
	return true;
}

void
sync_commit_pending(struct sync *s, mono_t now, struct sync_out *out)
{
	if (s->role != SYNC_R_ACTIVE)
		return;
	while (s->pending && commit_one(s, now, out))
		;
}

/* --- what is kept ------------------------------------------------------------------------------------------- */

static bool
needed(const struct sync *s, uint64_t position)
{
	if (position > s->released)
		return true;
	return s->session_live && position > s->acked && position > s->snap_position;
}

void
sync_log_trim(struct sync *s, mono_t now, struct sync_out *out)
{
	while (s->log_octets > s->conf.log_octets && s->log_first <= s->meta.position) {
		struct sync_txn *t = sync_log_at(s, s->log_first);
		if (needed(s, t->position) && s->log_octets <= s->conf.log_octets_max)
			return;
		if (t->position > s->released)
			return; /* an owner waits for it */
		if (needed(s, t->position))
			sync_session_drop(s, now, "the twin is too slow", true, out);
		s->log_octets -= t->octets;
		s->log_first++;
		free(t);
	}
}

/* --- COMMITTED ------------------------------------------------------------------------------------------------ */

static void
release_txn(struct sync *s, const struct sync_txn *t)
{
	for (unsigned i = 0; i < t->frames; i++) {
		const struct sync_frame *f = &t->frame[i];
		struct sync_client *c = &s->client[f->client % SYNC_CLIENTS];
		if (f->client >= SYNC_CLIENTS || !c->used || c->life != f->life)
			continue;
		c->committed = f->up_to;
		c->committed_due = true;
	}
}

static uint64_t
releasable(const struct sync *s)
{
	uint64_t to = s->meta.position;

	if (s->role != SYNC_R_ACTIVE)
		return 0;
	if (s->solo)
		return s->conf.alone_waits_disk && s->on_disk < to ? s->on_disk : to;
	return s->acked < to ? s->acked : to;
}

void
sync_release(struct sync *s, mono_t now, struct sync_out *out)
{
	uint64_t to = releasable(s);

	if (to <= s->released)
		return;
	for (uint64_t p = s->released + 1 > s->log_first ? s->released + 1 : s->log_first; p <= to; p++)
		release_txn(s, sync_log_at(s, p));
	s->released = to;
	sync_clients_committed(s, now, out);
	sync_clients_welcome(s, now, out);
}
