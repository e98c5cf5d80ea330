// SPDX-License-Identifier: Apache-2.0
/*
 * Rest: under load a worker looks at its sockets every so often instead of at every packet.
 *
 * To fall asleep and be woken costs a process several microseconds, more than a packet does.  One
 * that reads each packet as it comes pays that for each.  So once packets come faster than
 * data-plane/moderation (microseconds), an iteration that forwarded some is followed by a sleep
 * until so long after it began: what comes meanwhile is read as one batch.  An iteration that took
 * longer than that by itself is followed by none, one that found nothing or left something unread neither; and
 * frames of owners alone never bring it about.  So a packet waits for that long at most, and a lonely one not
 * at all.
 *
 * An iteration whose packets all went into trunks is followed by a sleep twice as long: they wait for others
 * anyway; and by one of four times that length if they were so many that frames are full long before they are due.
 * No sleep goes beyond the moment when a trunk's frame is due, so that T is kept.
 */
#include <sys/prctl.h>
#include <time.h>

#include "worker.h"

#define SLACK_NS 1000 /* the kernel rounds sleeps up by 50 us otherwise */
#define MANY 32	      /* packets into trunks, in one iteration */

static uint64_t
forwarded(const struct worker *w)
{
	const uint64_t *count = dp_counts(w->dp);

	return count[DP_COUNT_UP_PACKETS] + count[DP_COUNT_DOWN_PACKETS];
}

/* How many lengths of rest `all` packets are worth, of which so many went into trunks. */
static unsigned
patience(uint64_t all, uint64_t trunks)
{
	return all != trunks ? 1 : trunks < MANY ? 2 : 4;
}

static bool
on_end(void *arg)
{
	struct worker *w = arg;
	struct rest *r = &w->rest;
	uint64_t seen = forwarded(w), trunks = dp_counts(w->dp)[DP_COUNT_TRUNK_IN];
	bool some = seen != r->seen, more = r->more;
	mono_t began = loop_now(w->loop), until = began + patience(seen - r->seen, trunks - r->trunks) * r->length, now;
	bool close = began - r->last < r->length;

	r->seen = seen;
	r->trunks = trunks;
	r->more = false;
	until = mono_sooner(until, dp_trunk_due(w->dp));
	if (!some)
		return false;
	r->last = began;
	now = mono_now();
	if (!close || more || now + SLACK_NS >= until)
		return false;
	struct timespec at = { until / MONO_S, until % MONO_S };
	clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, NULL);
	r->last = until;
	return true;
}

void
rest_configure(struct worker *w, const struct conf *conf)
{
	w->rest.length = (mono_t)conf->data.moderation_us * MONO_US;
}

bool
rest_start(struct worker *w)
{
	rest_configure(w, w->conf);
	prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
	return loop_each(w->loop, on_end, w) != NULL;
}
