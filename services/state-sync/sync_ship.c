// SPDX-License-Identifier: Apache-2.0
/*
 * The active's side of the mirror: where a session begins, what is in flight, and which mode we are in.
 *
 * Everything is sent from the log by position: what was committed before the session and what is
 * committed during it take the same way, so that catching up and keeping up are one thing.
 */
#include "sync_impl.h"

#include <stdio.h>

#define PAGES_IN_FLIGHT 8
#define FLIP_WITHIN 256		/* transactions: close enough to let owners wait for the rest */
#define FLIP_PAUSE (1 * MONO_S) /* after a twin that was close, and then did not come up */

/* --- a session begins ------------------------------------------------------------------------------------ */

/* The twin's store is a beginning of ours, and what follows is still in the log. */
static bool
can_catch_up(const struct sync *s, const struct mirror_head *h)
{
	const struct mirror_term *t = sync_term_at(&s->meta, h->position);

	if (s->want_snapshot || !h->complete || h->lineage != s->meta.lineage || h->position > s->meta.position)
		return false;
	if (h->position > 0 && (!t || t->tag != h->tag))
		return false;
	return h->position == s->meta.position || h->position + 1 >= s->log_first;
}

static bool
say_session(struct sync *s, mono_t now, const struct mirror_head *hello, struct sync_out *out)
{
	struct mirror_head h = {
		.kind = MIRROR_SESSION,
		.snapshot = s->snapping,
		.active = true,
		.instance = hello->instance,
		.attempt = hello->attempt,
		.session = s->session,
		.epoch = s->meta.epoch,
		.lineage = s->meta.lineage,
		.position = s->snapping ? s->snap_position : hello->position,
		.terms = s->meta.terms,
	};

	memcpy(h.term, s->meta.term, s->meta.terms * sizeof h.term[0]);
	snprintf(h.node, sizeof h.node, "%s", s->conf.node);
	return sync_twin_say(s, now, &h, NULL, 0, out);
}

static bool
open_snapshot(struct sync *s, struct sync_out *out)
{
	int err = out->snap_begin(out);

	if (err) {
		sync_store_failed(s, out, err, "snapshot");
		return false;
	}
	s->snapping = s->snap_open = true;
	s->snap_position = s->meta.position;
	s->page = s->page_acked = 0;
	s->want_snapshot = false;
	s->count[SYNC_C_SNAPSHOTS]++;
	return true;
}

void
sync_ship_hello(struct sync *s, mono_t now, const struct mirror_head *h, struct sync_out *out)
{
	bool follow = can_catch_up(s, h);

	if (s->session_live && h->instance == s->twin_instance && h->attempt <= s->twin_attempt)
		return;
	if (h->epoch > s->meta.epoch)
		return; /* it obeys a higher epoch: our elector will hear of it */
	sync_session_drop(s, now, "the twin greets anew", false, out);
	if (!follow && !open_snapshot(s, out))
		return;
	s->twin_instance = h->instance;
	s->twin_attempt = h->attempt;
	s->session = s->instance + ++s->sessions;
	s->session_live = true;
	s->session_from = s->twin_heard = now;
	s->flight = 0;
	s->shipped = follow ? h->position : s->snap_position;
	if (follow)
		s->snap_position = 0;
	s->acked = follow ? h->position : 0;
	s->proved = s->mode_told = false;
	if (s->mirrored && (!follow || s->acked < s->released)) { /* it has lost, or never told us, what it once held */
		s->mirrored = false;
		s->flip = s->meta.position;
	}
	s->count[SYNC_C_SESSIONS]++;
	s->count[SYNC_C_CATCH_UPS] += follow;
	sync_note(out, NOTE_INFO, "mirror session with=%s %s=%llu position=%llu", h->node,
		  follow ? "from" : "snapshot", (unsigned long long)s->shipped,
		  (unsigned long long)s->meta.position);
	if (!say_session(s, now, h, out))
		sync_session_drop(s, now, "the answer did not go out", false, out);
	sync_ship(s, now, out);
	sync_ship_mode(s, now, out);
}

/* --- pages ------------------------------------------------------------------------------------------------- */

static void
end_snapshot(struct sync *s, mono_t now, struct sync_out *out)
{
	struct mirror_head h = { .kind = MIRROR_END, .position = s->snap_position, .page = s->page };

	h.epoch = s->meta.epoch;
	h.lineage = s->meta.lineage;
	h.terms = s->meta.terms;
	memcpy(h.term, s->meta.term, s->meta.terms * sizeof h.term[0]);
	if (!sync_twin_say(s, now, &h, NULL, 0, out))
		return; /* again at the next tick */
	out->snap_end(out);
	s->snap_open = s->snapping = false;
}

/* False: nothing more to do now. */
static bool
ship_page(struct sync *s, mono_t now, struct sync_out *out)
{
	struct mirror_head h = { .kind = MIRROR_PAGE, .page = s->page + 1, .epoch = s->meta.epoch };
	struct span frame;
	int got;

	if (s->page - s->page_acked >= PAGES_IN_FLIGHT)
		return false;
	got = out->snap_next(out, &frame);
	if (got == 0) {
		end_snapshot(s, now, out);
		return false;
	}
	if (got < 0 || !sync_twin_say(s, now, &h, &frame, 1, out)) {
		sync_session_drop(s, now, got < 0 ? "the snapshot cannot be read" : "a page did not go out", true, out);
		return false;
	}
	s->page++;
	s->count[SYNC_C_SNAPSHOT_PAGES]++;
	return true;
}

void
sync_ship_page_ack(struct sync *s, mono_t now, uint64_t page, struct sync_out *out)
{
	if (page > s->page) {
		s->count[SYNC_C_MIRROR_MALFORMED]++;
		sync_session_drop(s, now, "acknowledges a page never sent", true, out);
		return;
	}
	if (page > s->page_acked)
		s->page_acked = page;
	sync_ship(s, now, out);
}

/* --- transactions ------------------------------------------------------------------------------------------- */

static bool
ship_txn(struct sync *s, mono_t now, const struct sync_txn *t, struct sync_out *out)
{
	struct mirror_head h = { .kind = MIRROR_TXN, .position = t->position, .epoch = t->epoch };
	struct span frame[SYNC_TXN_FRAMES];

	for (unsigned i = 0; i < t->frames; i++)
		frame[i] = t->frame[i].bytes;
	if (!sync_twin_say(s, now, &h, frame, t->frames, out)) {
		s->count[SYNC_C_MIRROR_BACKLOG]++;
		return false;
	}
	s->shipped = t->position;
	s->flight += t->octets;
	s->count[SYNC_C_MIRROR_SENT]++;
	return true;
}

void
sync_ship(struct sync *s, mono_t now, struct sync_out *out)
{
	while (s->session_live && s->snapping && ship_page(s, now, out))
		;
	while (s->session_live && !s->snapping && s->shipped < s->meta.position &&
	       s->flight < s->conf.flight_octets) {
		const struct sync_txn *t = sync_log_at(s, s->shipped + 1);
		if (!t)
			sync_session_drop(s, now, "the log does not reach back", true, out);
		else if (!ship_txn(s, now, t, out))
			break;
	}
}

void
sync_ship_ack(struct sync *s, mono_t now, uint64_t position, struct sync_out *out)
{
	uint64_t from = s->acked > s->snap_position ? s->acked : s->snap_position;

	if (position > s->shipped || s->snapping) {
		s->count[SYNC_C_MIRROR_MALFORMED]++;
		sync_session_drop(s, now, "acknowledges what was never sent", true, out);
		return;
	}
	s->proved = true;
	for (uint64_t p = from + 1; p <= position; p++) {
		const struct sync_txn *t = sync_log_at(s, p);
		if (!t)
			continue;
		s->flight -= t->octets < s->flight ? t->octets : s->flight;
		s->count[SYNC_C_MIRROR_ACKED]++;
		if (s->mirrored)
			sync_lag_add(&s->lag, now - t->since);
	}
	if (position > s->acked)
		s->acked = position;
	if (s->acked == s->shipped)
		s->flight = 0;
	sync_ship_mode(s, now, out);
	sync_release(s, now, out);
	sync_ship(s, now, out);
}

/* --- alone, catching up, mirrored ----------------------------------------------------------------------------- */

void
sync_go_solo(struct sync *s, mono_t now, struct sync_out *out)
{
	s->solo = true;
	s->mirrored = s->hold_free = false;
	s->mode_told = false; /* the elector told the twin otherwise: in this session, too, it has to be told anew */
	s->ask = 0;
	s->lost_from = 0;
	sync_release(s, now, out);
	sync_clients_tell(s, now, SYNC_K_ROLE, out);
}

static void
go_mirrored(struct sync *s, mono_t now, struct sync_out *out)
{
	struct mirror_head h = { .kind = MIRROR_MODE, .mirrored = true, .position = s->flip };

	if (!sync_twin_say(s, now, &h, NULL, 0, out))
		return;
	s->mode_told = true;
	if (s->mirrored)
		return; /* it still is: only this session had to be told */
	s->mirrored = true;
	s->hold_free = false;
	s->ask = 0;
	s->lost_from = 0;
	sync_alarm_set(s, out, SYNC_ALARM_ALONE, false, NULL);
	sync_note(out, NOTE_INFO, "mirrored with=%s position=%llu after_ms=%lld", s->twin_node,
		  (unsigned long long)s->acked, (long long)((now - s->session_from) / MONO_MS));
	sync_clients_tell(s, now, SYNC_K_ROLE, out);
}

/* Since when owners wait for a twin that is not there; 0: it is there. */
static mono_t
lost_since(const struct sync *s, mono_t now)
{
	const struct sync_txn *oldest = sync_log_at(s, s->acked + 1);
	mono_t from = s->lost_from ? s->lost_from : now;

	if (!s->session_live || s->snapping)
		return from;
	if (!oldest || now - oldest->since <= s->conf.degrade || now - s->session_from <= s->conf.degrade)
		return 0;
	return oldest->since;
}

/*
 * Leaving solo: owners wait for the twin from here on; the elector learns of it when nothing is missing.
 * A session that is silent is no reason: it was lost, and its end has only not been noticed yet.
 */
static void
solo_tick(struct sync *s, mono_t now)
{
	const struct sync_txn *oldest = sync_log_at(s, s->acked + 1);

	if (!s->session_live || s->snapping || !s->proved || now < s->flip_retry)
		return;
	if (s->meta.position - s->acked > FLIP_WITHIN || (oldest && now - oldest->since > s->conf.degrade))
		return;
	s->solo = false;
	s->hold_free = true;
	s->flip = s->meta.position;
	s->flip_from = now;
	s->lost_from = 0;
}

static void
waiting_tick(struct sync *s, mono_t now, struct sync_out *out)
{
	if (s->session_live && s->proved && !s->mode_told && !s->snapping && s->acked >= s->flip)
		go_mirrored(s, now, out);
	if (s->hold_free && (!s->session_live || now - s->flip_from > s->conf.degrade)) {
		s->flip_retry = now + FLIP_PAUSE;
		sync_go_solo(s, now, out);
		return;
	}
	s->lost_from = lost_since(s, now);
	if (!s->lost_from) {
		if (s->mirrored)
			s->ask = 0;
		return;
	}
	if (!s->ask && now - s->lost_from >= s->conf.degrade)
		s->ask = s->instance + (++s->asks << 1 | 1);
}

void
sync_ship_mode(struct sync *s, mono_t now, struct sync_out *out)
{
	if (s->role != SYNC_R_ACTIVE || !s->conf.pair)
		return;
	if (s->solo)
		solo_tick(s, now);
	if (!s->solo)
		waiting_tick(s, now, out);
	sync_status_tell(s, now, out);
}
