// SPDX-License-Identifier: Apache-2.0
/*
 * The clock of trunks: packets wait for others for T at most, and T is short: 250 microseconds make sense.
 * The loop's own timers count milliseconds, hence a timerfd.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "worker.h"

#define AGAIN (1 * MONO_MS) /* while the lease is waited for */

static void
arm(struct worker *w, mono_t due)
{
	struct itimerspec at = { .it_value = { due / MONO_S, due % MONO_S } };

	if (due == w->trunk.armed)
		return;
	w->trunk.armed = due;
	timerfd_settime(w->trunk.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void
trunk_arm(struct worker *w)
{
	arm(w, dp_trunk_due(w->dp));
}

static void
on_due(void *arg, int fd, unsigned events)
{
	struct worker *w = arg;
	uint64_t times;
	mono_t now;
	bool may;

	if (read(fd, &times, sizeof times) < 0)
		return;
	w->trunk.armed = MONO_NEVER;
	may = worker_may_send(w, &now);
	if (!may && worker_paused(w)) {
		arm(w, now + AGAIN);
		return;
	}
	dp_trunk_timer(w->dp, now);
	if (may)
		udp_send_frames(w);
	else
		worker_drop(w, DP_DROP_NOT_ACTIVE, dp_out(w->dp)->frames);
	trunk_arm(w);
}

bool
trunk_start(struct worker *w)
{
	w->trunk.fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	return w->trunk.fd >= 0 && loop_fd_add(w->loop, w->trunk.fd, LOOP_READ, on_due, w) != NULL;
}

void
trunk_stop(struct worker *w)
{
	if (w->trunk.fd > 0)
		close(w->trunk.fd);
}
