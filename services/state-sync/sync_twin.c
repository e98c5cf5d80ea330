// SPDX-License-Identifier: Apache-2.0
/*
 * The conversation with the twin's state-sync, as far as both roles share it: greeting, keeping alive,
 * telling messages of this session from those of another (proto/mirror.proto draws it).
 *
 * A session is an agreement about where both stand.  Whatever does not fit ends it, both greet again, and
 * the agreement is made anew: there is no repair within a session.
 */
#include "sync_impl.h"

#include <stdio.h>

#define SAY_EVERY (50 * MONO_MS)      /* HELLO or PING */
#define ATTEMPT_EVERY (500 * MONO_MS) /* an attempt that nobody answered is numbered anew */
#define SILENT_FOR (1 * MONO_S)	      /* at least; or 2 * degrade */

bool
sync_twin_say(struct sync *s, mono_t now, struct mirror_head *h, const struct span *frame, unsigned frames,
	      struct sync_out *out)
{
	h->version = MIRROR_VERSION;
	h->side = s->conf.side;
	h->session = s->session_live ? s->session : h->session;
	h->frames = frames;
	if (!out->twin(out, h, frame, frames))
		return false;
	s->said_at = now;
	return true;
}

void
sync_twin_hello(struct sync *s, mono_t now, struct sync_out *out)
{
	const struct mirror_term *t = sync_term_at(&s->meta, s->meta.position);
	struct mirror_head h = {
		.kind = MIRROR_HELLO,
		.active = s->role == SYNC_R_ACTIVE,
		.complete = s->meta.complete && !s->store_bad,
		.instance = s->instance,
		.attempt = s->attempt,
		.epoch = s->role == SYNC_R_ACTIVE ? s->meta.epoch : s->order_epoch,
		.lineage = s->meta.lineage,
		.position = s->meta.position,
		.tag = t ? t->tag : 0,
	};

	if (s->role == SYNC_R_UNKNOWN)
		return; /* what we are to each other is not known yet */
	if (s->role == SYNC_R_STANDBY && s->store_bad)
		return; /* it would send all that it has, and again, and again: after the pause */
	snprintf(h.node, sizeof h.node, "%s", s->conf.node);
	s->hello_at = now;
	sync_twin_say(s, now, &h, NULL, 0, out);
}

void
sync_twin_attempt(struct sync *s, mono_t now)
{
	s->attempt++;
	s->attempt_at = now;
}

void
sync_session_drop(struct sync *s, mono_t now, const char *why, bool tell, struct sync_out *out)
{
	struct mirror_head bye = { .kind = MIRROR_BYE };

	if (s->snap_open)
		out->snap_end(out);
	s->snap_open = s->snapping = false;
	s->ack_due = s->page_ack_due = false;
	s->flight = 0;
	if (!s->session_live)
		return;
	if (tell)
		sync_twin_say(s, now, &bye, NULL, 0, out);
	s->session_live = false;
	s->count[SYNC_C_SESSIONS_LOST]++;
	sync_note(out, NOTE_INFO, "mirror session over why=\"%s\" position=%llu acked=%llu", why,
		  (unsigned long long)s->meta.position, (unsigned long long)s->acked);
	sync_twin_attempt(s, now);
	if (s->link)
		sync_twin_hello(s, now, out);
}

void
sync_twin_link(struct sync *s, mono_t now, bool up, struct sync_out *out)
{
	s->link = up;
	/* Another connection is another beginning, too: what was under way on the old one is nowhere. */
	sync_session_drop(s, now, up ? "connected anew" : "connection lost", false, out);
	sync_status_tell(s, now, out); /* a dead node, or only its elector: the elector waits for it to tell them apart */
	if (!up)
		return;
	s->twin_heard = now;
	sync_twin_attempt(s, now);
	sync_twin_hello(s, now, out);
}

static void
tell_stale(struct sync *s, mono_t now, struct sync_out *out)
{
	struct mirror_head h = { .kind = MIRROR_STALE };

	h.epoch = s->role == SYNC_R_ACTIVE ? s->meta.epoch : s->order_epoch;
	s->count[SYNC_C_MIRROR_STALE]++;
	sync_twin_say(s, now, &h, NULL, 0, out);
}

/* Highest epoch ever shown to us goes to the elector, which alone decides what follows from it. */
static void
see_epoch(struct sync *s, uint64_t epoch)
{
	if (epoch > s->seen_epoch)
		s->seen_epoch = epoch;
}

static void
hear_hello(struct sync *s, mono_t now, const struct mirror_head *h, struct sync_out *out)
{
	if (h->side == s->conf.side || h->instance == 0 || h->instance == s->instance) {
		s->count[SYNC_C_MIRROR_SECOND]++;
		return;
	}
	if (s->session_live && h->instance != s->twin_instance && now - s->twin_heard < s->conf.degrade) {
		s->count[SYNC_C_MIRROR_SECOND]++;
		return; /* the one we talk with is alive: this is another */
	}
	see_epoch(s, h->epoch);
	snprintf(s->twin_node, sizeof s->twin_node, "%s", h->node);
	s->twin_position = h->position;
	if (s->role == SYNC_R_ACTIVE && h->active) {
		if (h->epoch < s->meta.epoch)
			tell_stale(s, now, out);
		return;
	}
	if (s->role == SYNC_R_ACTIVE) {
		sync_ship_hello(s, now, h, out);
		return;
	}
	if (s->session_live && (h->active || h->instance != s->twin_instance))
		sync_session_drop(s, now, "the twin began anew", false, out);
	if (!s->session_live && now - s->hello_at > 5 * MONO_MS)
		sync_twin_hello(s, now, out);
}

static bool
of_this_session(struct sync *s, const struct mirror_head *h)
{
	return s->session_live && h->session == s->session;
}

static void
hear_in_session(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	const struct mirror_head *h = ev->head;
	bool active = s->role == SYNC_R_ACTIVE;

	s->twin_heard = now;
	switch (h->kind) {
	case MIRROR_ACK:
		if (active)
			sync_ship_ack(s, now, h->position, out);
		break;
	case MIRROR_PAGE_ACK:
		if (active)
			sync_ship_page_ack(s, now, h->page, out);
		break;
	case MIRROR_TXN:
		if (!active)
			sync_shadow_txn(s, now, ev, out);
		break;
	case MIRROR_PAGE:
		if (!active)
			sync_shadow_page(s, now, ev, out);
		break;
	case MIRROR_END:
		if (!active)
			sync_shadow_end(s, now, h, out);
		break;
	case MIRROR_MODE:
		if (!active)
			sync_shadow_mode(s, now, h, out);
		break;
	case MIRROR_PING:
		if (!active)
			sync_shadow_ping(s, now, h, out);
		break;
	case MIRROR_BYE:
		sync_session_drop(s, now, "the twin ended it", false, out);
		break;
	default:
		break;
	}
}

void
sync_twin_hear(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	const struct mirror_head *h = ev->head;

	if (h->version != MIRROR_VERSION || h->frames != ev->frames) {
		s->count[SYNC_C_MIRROR_MALFORMED]++;
		return;
	}
	switch (h->kind) {
	case MIRROR_HELLO:
		hear_hello(s, now, h, out);
		return;
	case MIRROR_SESSION:
		see_epoch(s, h->epoch);
		if (s->role == SYNC_R_ACTIVE || s->role == SYNC_R_UNKNOWN)
			s->count[SYNC_C_MIRROR_STRANGE]++;
		else if (h->epoch < s->order_epoch || h->epoch < s->meta.epoch)
			tell_stale(s, now, out);
		else
			sync_shadow_session(s, now, h, out);
		return;
	case MIRROR_STALE:
		see_epoch(s, h->epoch);
		return;
	default:
		break;
	}
	if (of_this_session(s, h))
		hear_in_session(s, now, ev, out);
	else
		s->count[SYNC_C_MIRROR_STRANGE]++;
}

void
sync_twin_tick(struct sync *s, mono_t now, struct sync_out *out)
{
	mono_t silent = 2 * s->conf.degrade > SILENT_FOR ? 2 * s->conf.degrade : SILENT_FOR;
	struct mirror_head ping = { .kind = MIRROR_PING, .position = s->shipped };

	if (!s->conf.pair)
		return;
	if (s->session_live && now - s->twin_heard > silent)
		sync_session_drop(s, now, "the twin is silent", true, out);
	if (s->session_live) {
		if (now - s->said_at >= SAY_EVERY)
			sync_twin_say(s, now, &ping, NULL, 0, out);
		return;
	}
	if (now - s->attempt_at >= ATTEMPT_EVERY)
		sync_twin_attempt(s, now);
	if (now - s->hello_at >= SAY_EVERY)
		sync_twin_hello(s, now, out);
}
