// SPDX-License-Identifier: Apache-2.0
/*
 * Early frames.  A peer may speak PPP as soon as it has sent its ICCN; its frames come straight from the
 * worker, the established call by way of tunnel-ctl and the feed.  Waiting for the peer's restart timer
 * would cost it seconds, so the first frames of a session that has no link yet wait here, for two seconds
 * at most, a few a session, and bounded in all: a peer that sends frames for calls it never makes only
 * turns its own share over.
 */
#include <stdlib.h>
#include <string.h>

#include "sm_int.h"

#define FRAMES 4
#define FRAME_OCTETS 512
#define ALL_OCTETS (8u << 20)
#define KEPT (2 * MONO_S)

/* Out of the list of all; the session's own list is the caller's. */
static void
unlink_all(struct sm *sm, struct early *e)
{
	if (e->prev_all)
		e->prev_all->next_all = e->next_all;
	else
		sm->early_first = e->next_all;
	if (e->next_all)
		e->next_all->prev_all = e->prev_all;
	else
		sm->early_last = e->prev_all;
	sm->early_octets -= sizeof *e + e->len;
}

bool
early_hold(struct sm *sm, struct sess *s, mono_t now, struct span frame)
{
	struct early **at = &s->early, *e;
	unsigned n = 0;

	for (; *at; at = &(*at)->next)
		n++;
	if (n >= FRAMES || frame.len > FRAME_OCTETS || sm->early_octets + sizeof *e + frame.len > ALL_OCTETS)
		return false;
	e = malloc(sizeof *e + frame.len);
	if (!e)
		return false;
	*e = (struct early){ .key = s->key, .since = now, .len = (uint16_t)frame.len, .prev_all = sm->early_last };
	memcpy(e->octets, frame.p, frame.len);
	if (sm->early_last)
		sm->early_last->next_all = e;
	else
		sm->early_first = e;
	sm->early_last = e;
	sm->early_octets += sizeof *e + frame.len;
	*at = e;
	return true;
}

struct early *
early_take(struct sm *sm, struct sess *s)
{
	struct early *e = s->early;

	if (e) {
		s->early = e->next;
		unlink_all(sm, e);
	}
	return e;
}

void
early_drop(struct sm *sm, struct sess *s)
{
	struct early *e;

	while ((e = early_take(sm, s)))
		free(e);
}

/* A session's frames are in the same order in both lists: the oldest of all is the oldest of its session. */
void
early_expire(struct sm *sm, mono_t now)
{
	while (sm->early_first && sm->early_first->since + KEPT <= now) {
		const uint32_t key = sm->early_first->key;
		struct sess *s = sess_find(sm, (uint16_t)(key >> 16), (uint16_t)key);

		free(early_take(sm, s));
		sm_count(sm, SM_FRAMES_UNKNOWN);
		sess_drop_if_empty(sm, s);
	}
}
