// SPDX-License-Identifier: Apache-2.0
/*
 * A stall is the longest time in which no session came up although calls were in progress.  It is kept in two
 * parts.  Until the last call has been dialled the slots (--inflight) are always full, and a stall is the
 * server's, or the network's for everybody at once.  After it they empty: the last calls wait for their own
 * peers' restart timers, and the time between two of them says how unlucky one call was, not how the server
 * does.  That is the tail.
 */
#include "load.h"

static mono_t
larger(mono_t a, mono_t b)
{
	return a > b ? a : b;
}

static void
note_silence(struct load *g)
{
	const mono_t since = g->t.last_progress;

	if (since == MONO_NEVER)
		return;
	if (g->started < g->o.sessions) {
		g->t.stall_worst = larger(g->t.stall_worst, g->now - since);
		return;
	}
	if (since < g->t_last_dial)
		g->t.stall_worst = larger(g->t.stall_worst, g->t_last_dial - since);
	g->t.tail_stall_worst = larger(g->t.tail_stall_worst, g->now - larger(since, g->t_last_dial));
}

/* A session came up. */
void
progress_made(struct load *g)
{
	note_silence(g);
	g->t.last_progress = g->now;
}

void
progress_watch(struct load *g)
{
	if (g->in_progress)
		note_silence(g);
	else
		g->t.last_progress = g->now;
}
