// SPDX-License-Identifier: Apache-2.0
/*
 * When this worker runs before others on its processor.
 *
 * A standby's worker has nothing to do, and is wanted at once when its node takes over: until then, and for a moment afterwards,
 * its thread has a real-time priority, below the elector's.  One that forwards has none: under a flood it would leave nothing to the
 * processes that end the flood.  Nor has a standby's that is sent many packets.  The bus's threads keep theirs: they carry what our thread
 * and state-sync give them, which is little, and the role comes through them.
 */
#include "base/prompt.h"
#include "worker.h"

#define STRAY 64 /* packets in a tick of 10 to 100 ms */
#define AFTERWARDS (100 * MONO_MS)

static void
set(struct worker *w, bool on)
{
	if (prompt_set(on))
		w->prompt.on = on;
}

void
prompt_begin(struct worker *w)
{
	set(w, true);
}

void
prompt_start(struct worker *w)
{
	set(w, false);
}

void
prompt_role(struct worker *w, bool active)
{
	w->prompt.until = active ? loop_now(w->loop) + AFTERWARDS : MONO_NEVER;
}

void
prompt_tick(struct worker *w, uint64_t packets)
{
	const bool active = owner_active(w->owner);
	const bool on = w->ready && (active ? w->prompt.on && w->ticked < w->prompt.until : packets <= STRAY);

	if (on != w->prompt.on)
		set(w, on);
}
