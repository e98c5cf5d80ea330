// SPDX-License-Identifier: Apache-2.0
/*
 * The clock of trunks: packets wait for others for T at most, and T is short: 250 microseconds make sense.
 * The loop's own timers count milliseconds, hence a timerfd.  And what is asked about them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "trunk.h"
#include "worker.h"

#define SHOWN 64 /* trunks in one answer: packets wait meanwhile */
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

/* ---- commands ---------------------------------------------------------------------------- */

static void
show_one(FILE *f, uint16_t tunnel, uint16_t session, const struct trunk *t)
{
	fprintf(f, "{\"session\":\"%u/%u\",", tunnel, session);
	trunk_json(t, f);
	fputc('}', f);
}

static void
say(struct answer *a, FILE *f, char **json)
{
	fclose(f);
	answer_say(a, true, "%s", *json);
	answer_json(a, *json);
	free(*json);
}

void
trunk_show(struct worker *w, uint16_t tunnel, uint16_t session, struct answer *a)
{
	const struct trunk *t = dp_trunk(w->dp, tunnel, session);
	char *json = NULL;
	size_t size;
	FILE *f = t ? open_memstream(&json, &size) : NULL;

	if (!f) {
		answer_say(a, false, t ? "no memory" : "session %u/%u is no trunk", tunnel, session);
		return;
	}
	show_one(f, tunnel, session, t);
	say(a, f, &json);
}

/* From the `from`th on; "next" says where to go on, if there are more. */
void
trunk_show_all(struct worker *w, uint32_t from, struct answer *a)
{
	uint16_t tunnel, session;
	const struct trunk *t;
	char *json = NULL;
	size_t size;
	FILE *f = open_memstream(&json, &size);
	unsigned n = 0;

	if (!f) {
		answer_say(a, false, "no memory");
		return;
	}
	fprintf(f, "{\"trunks\":[");
	while (n < SHOWN && (t = dp_trunk_next(w->dp, &from, &tunnel, &session))) {
		if (n++)
			fputc(',', f);
		show_one(f, tunnel, session, t);
	}
	fputc(']', f);
	if (n == SHOWN)
		fprintf(f, ",\"next\":%u", from);
	fputc('}', f);
	say(a, f, &json);
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
