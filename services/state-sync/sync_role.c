// SPDX-License-Identifier: Apache-2.0
/*
 * What the elector orders, and how the store becomes the active one or stops being it.
 *
 * Promotion: everything received has been applied (events come one by one), so what is left is a new
 * term in META, and ROLE to every process, which thereby knows that all of the old epoch was fed to it.
 * The new term is not synced to disk first: its tag tells it apart from any other use of the same epoch.
 */
#include "sync_impl.h"

#include <stdio.h>

static void
end_pending(struct sync *s, mono_t now, struct sync_out *out)
{
	sync_pending_drop(s, -1);
	sync_log_drop(s);
	s->released = 0;
	s->ask = 0;
	s->solo = s->mirrored = s->hold_free = s->quiesce = false;
	s->lost_from = 0;
	sync_alarm_set(s, out, SYNC_ALARM_ALONE, false, NULL);
}

/* An empty store, or what is left of half a snapshot, begins a new lineage: no other store agrees with it. */
static int
begin_lineage(struct sync *s, const struct sync_event *ev, struct sync_out *out)
{
	struct sync_meta meta = { .complete = true, .lineage = ev->random, .epoch = ev->order->epoch };
	int err = out->wipe(out, &meta);

	if (!err) {
		s->meta = meta;
		s->log_first = 1;
	}
	return err;
}

static void
serve(struct sync *s, mono_t now, bool solo, struct sync_out *out)
{
	s->role = SYNC_R_ACTIVE;
	s->live_store = true;
	s->solo = solo;
	s->mirrored = s->hold_free = false;
	s->flip = s->meta.position;
	s->acked = 0;
	s->released = 0;
	s->on_disk = s->disk_asked = 0;
	s->log_first = s->meta.position + 1;
	s->store_bad = false;
	s->lost_from = 0;
	s->snap_position = 0;
	sync_status_tell(s, now, out); /* first of all: the lease comes from the elector, and everybody waits for it */
	sync_clients_tell(s, now, SYNC_K_ROLE, out);
	sync_release(s, now, out);
	sync_clients_welcome(s, now, out);
	sync_twin_hello(s, now, out);
	sync_note(out, NOTE_INFO, "serves as active epoch=%llu position=%llu", (unsigned long long)s->meta.epoch,
		  (unsigned long long)s->meta.position);
}

/*
 * Does the store hold all that a peer may have seen?  The active says so while it is, and its word counts: a session that it
 * began anew a moment before only brings what nobody was shown.  A store that was only found on disk may not: others may have
 * gone on.  Nor may one of which the elector does not know what others did since, or that somebody's epoch came after.
 */
static bool
whole(const struct sync *s, const struct sync_order *o)
{
	if (o->vouched)
		return true;
	if (o->blind || s->seen_epoch > s->meta.epoch)
		return false;
	return s->live_store && (s->meta.mirrored || strcmp(s->meta.node, s->conf.node) == 0);
}

static void
demote(struct sync *s, mono_t now, struct sync_out *out)
{
	bool was = s->role == SYNC_R_ACTIVE;

	sync_session_drop(s, now, "the role changed", true, out);
	if (was) {
		s->count[SYNC_C_DEMOTIONS]++;
		sync_note(out, NOTE_INFO, "stands by position=%llu", (unsigned long long)s->meta.position);
	}
	s->role = SYNC_R_STANDBY;
	end_pending(s, now, out);
	sync_clients_tell(s, now, SYNC_K_ROLE, out);
	sync_clients_welcome(s, now, out);
	sync_twin_attempt(s, now);
	sync_twin_hello(s, now, out);
}

static void
promote(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	struct sync_meta meta;
	int err = 0;

	if (!s->meta.complete && !ev->order->force)
		return; /* status says that we are not ready; the elector decides */
	if (ev->order->epoch < s->meta.epoch)
		return; /* the mirror brought a later one after this was decided: an epoch never goes back */
	if (s->role == SYNC_R_ACTIVE)
		demote(s, now, out); /* of an epoch before: what is not committed is not of the new one */
	sync_session_drop(s, now, "promotion", true, out);
	if (!s->meta.complete || s->meta.lineage == 0)
		err = begin_lineage(s, ev, out);
	meta = s->meta;
	sync_terms_open(&meta, ev->order->epoch, ev->random);
	if (!whole(s, ev->order))
		meta.stale_since = ev->order->epoch;
	meta.mirrored = false;
	snprintf(meta.node, sizeof meta.node, "%s", s->conf.node);
	if (!err)
		err = out->meta(out, &meta, true);
	if (err) {
		sync_store_failed(s, out, err, "promotion");
		return; /* the order is repeated */
	}
	s->meta = meta;
	end_pending(s, now, out);
	s->count[SYNC_C_PROMOTIONS]++;
	serve(s, now, true, out);
	if (s->conf.pair)
		sync_alarm_set(s, out, SYNC_ALARM_ALONE, true, "just promoted");
	sync_note(out, NOTE_INFO, "promoted epoch=%llu", (unsigned long long)meta.epoch);
}

/* We were active in this very epoch before state-sync was restarted: the store is ours, as we left it. */
static bool
resumes(const struct sync *s, const struct sync_order *o)
{
	return s->role != SYNC_R_ACTIVE && s->meta.complete && o->epoch == s->meta.epoch &&
	       strcmp(s->meta.node, s->conf.node) == 0;
}

static void
obey_standby(struct sync *s, mono_t now, const struct sync_order *o, struct sync_out *out)
{
	struct sync_meta meta = s->meta;

	if (s->role != SYNC_R_STANDBY)
		demote(s, now, out);
	/* In a session the mirror itself tells us, and sooner. */
	if (o->stale && meta.mirrored && !s->session_live) {
		meta.mirrored = false;
		if (out->meta(out, &meta, false) == 0)
			s->meta = meta;
	}
}

static void
obey_active(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	const struct sync_order *o = ev->order;

	if (s->role != SYNC_R_ACTIVE && resumes(s, o))
		serve(s, now, !s->conf.pair, out);
	else if ((s->role != SYNC_R_ACTIVE || o->epoch != s->meta.epoch) && (o->fresh || o->force))
		promote(s, now, ev, out);
	if (s->role != SYNC_R_ACTIVE || o->epoch != s->meta.epoch)
		return;
	if (o->quiesce && !s->quiesce)
		sync_commit_pending(s, now, out); /* what came before the order */
	s->quiesce = o->quiesce;
	if (s->ask && o->alone == s->ask) {
		s->count[SYNC_C_DEGRADED]++;
		sync_note(out, NOTE_WARN, "goes on alone position=%llu acked=%llu",
			  (unsigned long long)s->meta.position, (unsigned long long)s->acked);
		sync_alarm_set(s, out, SYNC_ALARM_ALONE, true, s->twin_node);
		sync_go_solo(s, now, out);
	}
}

void
sync_role_order(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	const struct sync_order *o = ev->order;
	uint64_t before = s->order_epoch;

	if (o->epoch < s->order_epoch)
		return;
	s->order_epoch = o->epoch;
	if (o->active)
		obey_active(s, now, ev, out);
	else
		obey_standby(s, now, o, out);
	if (s->role == SYNC_R_STANDBY && before != o->epoch)
		sync_clients_tell(s, now, SYNC_K_ROLE, out);
	s->status_at = 0; /* an order is answered, if only with our position */
	sync_status_tell(s, now, out);
}
