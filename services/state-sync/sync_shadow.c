// SPDX-License-Identifier: Apache-2.0
/*
 * The standby's side of the mirror: transactions of the twin go into our store under their own numbers,
 * and to the processes of this node as the feed.
 *
 * Acknowledgements wait for the flush, so that one covers everything a batch of messages brought.
 */
#include "sync_impl.h"

#include <stdio.h>
#include <stdlib.h>

#define STORE_RETRY (1 * MONO_S)

static void
trouble(struct sync *s, mono_t now, struct sync_out *out, int err, const char *doing)
{
	sync_store_failed(s, out, err, doing);
	s->store_bad = true;
	s->store_retry = now + STORE_RETRY;
	sync_session_drop(s, now, "our store refuses", true, out);
}

static void
malformed(struct sync *s, mono_t now, struct sync_out *out, const char *why)
{
	s->count[SYNC_C_MIRROR_MALFORMED]++;
	sync_session_drop(s, now, why, true, out);
}

/* --- a session begins --------------------------------------------------------------------------------------- */

static void
take_terms(struct sync_meta *m, const struct mirror_head *h)
{
	m->epoch = h->epoch;
	m->terms = h->terms;
	memcpy(m->term, h->term, h->terms * sizeof m->term[0]);
	snprintf(m->node, sizeof m->node, "%s", h->node);
}

/* Does this store hold something that the active's history does not have? */
static bool
diverged(const struct sync *s, const struct mirror_head *h)
{
	const struct mirror_term *ours = sync_term_at(&s->meta, s->meta.position);
	struct sync_meta theirs = { 0 };
	const struct mirror_term *t;

	if (!s->meta.complete || !s->meta.position)
		return false;
	if (h->lineage != s->meta.lineage || s->meta.position > h->position)
		return true;
	take_terms(&theirs, h);
	t = sync_term_at(&theirs, s->meta.position);
	return !ours || !t || ours->tag != t->tag;
}

static bool
begin_snapshot(struct sync *s, mono_t now, const struct mirror_head *h, struct sync_out *out)
{
	struct sync_meta meta = { .epoch = s->meta.epoch };
	int err;

	if (diverged(s, h)) {
		s->count[SYNC_C_ROLLBACKS]++;
		sync_note(out, NOTE_WARN, "transactions given up position=%llu node=%s",
			  (unsigned long long)s->meta.position, s->meta.node);
		sync_alarm_set(s, out, SYNC_ALARM_DIVERGED, true, h->node);
	}
	snprintf(meta.node, sizeof meta.node, "%s", h->node);
	err = out->wipe(out, &meta);
	if (err) {
		trouble(s, now, out, err, "clearing");
		return false;
	}
	s->meta = meta;
	s->live_store = false;
	s->snapping = true;
	s->snap_position = h->position;
	s->page = 0;
	s->count[SYNC_C_SNAPSHOTS]++;
	return true;
}

static bool
begin_following(struct sync *s, mono_t now, const struct mirror_head *h, struct sync_out *out)
{
	struct sync_meta meta = s->meta;
	int err;

	if (h->position != meta.position || h->lineage != meta.lineage || !meta.complete) {
		malformed(s, now, out, "it would go on from where we are not");
		return false;
	}
	take_terms(&meta, h);
	meta.mirrored = false;
	err = out->meta(out, &meta, true);
	if (err) {
		trouble(s, now, out, err, "session");
		return false;
	}
	s->meta = meta;
	s->live_store = false;
	s->ack_due = true;
	s->count[SYNC_C_CATCH_UPS]++;
	sync_alarm_set(s, out, SYNC_ALARM_DIVERGED, false, NULL);
	return true;
}

void
sync_shadow_session(struct sync *s, mono_t now, const struct mirror_head *h, struct sync_out *out)
{
	if (h->instance != s->instance || h->attempt != s->attempt || h->session == 0) {
		s->count[SYNC_C_MIRROR_STRANGE]++;
		return;
	}
	if (s->session_live) {
		s->count[SYNC_C_MIRROR_STRANGE]++;
		return;
	}
	s->session = h->session;
	s->session_live = true;
	s->session_from = s->twin_heard = now;
	s->acked = 0;
	if (h->snapshot ? !begin_snapshot(s, now, h, out) : !begin_following(s, now, h, out)) {
		s->session_live = false;
		return;
	}
	s->count[SYNC_C_SESSIONS]++;
	snprintf(s->twin_node, sizeof s->twin_node, "%s", h->node);
	sync_note(out, NOTE_INFO, "mirror session of=%s %s=%llu", h->node, h->snapshot ? "snapshot" : "from",
		  (unsigned long long)h->position);
	sync_status_tell(s, now, out);
}

/* --- transactions ---------------------------------------------------------------------------------------------- */

static bool
frames_ok(const struct sync_event *ev, bool page)
{
	for (unsigned i = 0; i < ev->frames; i++)
		if (sync_check_mirrored(ev->frame[i], page) != SYNC_CHECK_OK)
			return false;
	return true;
}

void
sync_shadow_txn(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	const struct mirror_head *h = ev->head;
	struct sync_meta meta = s->meta;
	struct sync_txn *t;
	int err;

	if (s->snapping || h->position > meta.position + 1) {
		s->count[SYNC_C_MIRROR_GAPS]++;
		sync_session_drop(s, now, "a transaction is missing", true, out);
		return;
	}
	if (h->position <= meta.position) {
		s->count[SYNC_C_MIRROR_DOUBLE]++;
		s->ack_due = true;
		return;
	}
	if (ev->frames == 0 || ev->frames > SYNC_TXN_FRAMES || !frames_ok(ev, false)) {
		malformed(s, now, out, "a transaction that cannot be stored");
		return;
	}
	t = sync_txn_new(ev->frame, ev->frames);
	if (!t)
		return; /* no memory: the next one is a gap, and we begin anew */
	meta.position = t->position = h->position;
	t->epoch = h->epoch;
	err = out->commit(out, t, &meta);
	if (err) {
		trouble(s, now, out, err, "commit");
	} else {
		sync_store_works(s, out);
		s->meta = meta;
		s->log_first = meta.position + 1;
		s->ack_due = true;
		s->count[SYNC_C_MIRROR_STORED]++;
		sync_clients_feed(s, now, t, out);
	}
	free(t);
}

/* Everything up to `position` was sent before this: what is not here will not come. */
void
sync_shadow_ping(struct sync *s, mono_t now, const struct mirror_head *h, struct sync_out *out)
{
	if (s->snapping || h->position <= s->meta.position)
		return;
	s->count[SYNC_C_MIRROR_GAPS]++;
	sync_session_drop(s, now, "the last transactions are missing", true, out);
}

/* --- snapshot ---------------------------------------------------------------------------------------------------- */

void
sync_shadow_page(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	int err;

	if (!s->snapping || ev->head->page != s->page + 1 || ev->frames != 1) {
		s->count[SYNC_C_MIRROR_GAPS]++;
		sync_session_drop(s, now, "a page is missing", true, out);
		return;
	}
	if (!frames_ok(ev, true)) {
		malformed(s, now, out, "a page that cannot be stored");
		return;
	}
	err = out->page(out, ev->frame[0]);
	if (err) {
		trouble(s, now, out, err, "snapshot");
		return;
	}
	s->page++;
	s->page_ack_due = true;
	s->count[SYNC_C_SNAPSHOT_PAGES]++;
}

/* END repeats the terms of SESSION; META is written whole only now: a store is complete or it is nothing. */
void
sync_shadow_end(struct sync *s, mono_t now, const struct mirror_head *h, struct sync_out *out)
{
	struct sync_meta meta = { 0 };
	int err;

	if (!s->snapping || h->page != s->page || h->position != s->snap_position || h->lineage == 0) {
		s->count[SYNC_C_MIRROR_GAPS]++;
		sync_session_drop(s, now, "the snapshot's end does not fit", true, out);
		return;
	}
	take_terms(&meta, h);
	snprintf(meta.node, sizeof meta.node, "%s", s->twin_node);
	meta.position = h->position;
	meta.lineage = h->lineage;
	meta.complete = true;
	err = out->meta(out, &meta, true);
	if (err) {
		trouble(s, now, out, err, "snapshot");
		return;
	}
	s->meta = meta;
	s->log_first = meta.position + 1;
	s->snapping = false;
	s->ack_due = true;
	s->store_bad = false;
	sync_note(out, NOTE_INFO, "snapshot whole position=%llu pages=%llu", (unsigned long long)meta.position,
		  (unsigned long long)s->page);
	sync_clients_tell(s, now, SYNC_K_RESET, out);
	sync_clients_welcome(s, now, out);
	sync_status_tell(s, now, out);
}

void
sync_shadow_mode(struct sync *s, mono_t now, const struct mirror_head *h, struct sync_out *out)
{
	struct sync_meta meta = s->meta;

	if (s->snapping || !meta.complete || meta.mirrored == h->mirrored)
		return;
	meta.mirrored = h->mirrored;
	if (meta.mirrored)
		meta.stale_since = 0; /* the active's rows say what it has not recovered yet */
	if (out->meta(out, &meta, false) != 0)
		return; /* never promotable on a doubtful store; told again with the next session */
	s->meta = meta;
	s->live_store = meta.mirrored;
	if (meta.mirrored)
		sync_note(out, NOTE_INFO, "mirrored of=%s position=%llu", s->twin_node,
			  (unsigned long long)meta.position);
	sync_clients_tell(s, now, SYNC_K_ROLE, out);
	sync_status_tell(s, now, out);
}

void
sync_shadow_flush(struct sync *s, mono_t now, struct sync_out *out)
{
	struct mirror_head ack = { .kind = MIRROR_ACK, .position = s->meta.position, .epoch = s->meta.epoch };
	struct mirror_head page = { .kind = MIRROR_PAGE_ACK, .page = s->page, .epoch = s->meta.epoch };

	if (!s->session_live)
		return;
	if (s->page_ack_due && sync_twin_say(s, now, &page, NULL, 0, out))
		s->page_ack_due = false;
	if (s->ack_due && sync_twin_say(s, now, &ack, NULL, 0, out)) {
		s->ack_due = false;
		s->acked = ack.position;
	}
}
