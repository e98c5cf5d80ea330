// SPDX-License-Identifier: Apache-2.0
/* See prompt.h. */
#include "base/prompt.h"

#include <sched.h>

#define PRIORITY 1

bool
prompt_set(bool on)
{
	static int began = -1; /* whoever started us under another class wants that */
	const struct sched_param p = { .sched_priority = on ? PRIORITY : 0 };

	if (began < 0)
		began = sched_getscheduler(0);
	return began == SCHED_OTHER && sched_setscheduler(0, on ? SCHED_RR : SCHED_OTHER, &p) == 0;
}
