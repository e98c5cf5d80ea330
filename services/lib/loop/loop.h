// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors, deadlines and signals of one process, in one thread.  The only code that asks what
 * time it is.  Descriptors and signals are libev's; deadlines are nanoseconds of CLOCK_BOOTTIME and
 * wake through one timerfd, because libev's own timers round to milliseconds of another clock.
 *
 * An iteration: elapsed timers, then ready descriptors, then every loop_each callback, then sleep
 * (not if anybody has more to do).  Callbacks may add and remove anything, themselves included.
 */
#ifndef TWIN_LOOP_H
#define TWIN_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mono.h"

struct loop;
struct loop_fd;
struct loop_each;

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void loop_fd_fn(void *arg, int fd, unsigned events); /* events: LOOP_* that are ready */
typedef void loop_fn(void *arg);
typedef bool loop_each_fn(void *arg); /* true: more work is pending, do not sleep */

/* NULL with errno: no memory or no descriptor left. */
struct loop *loop_new(void);
void loop_free(struct loop *); /* everything still registered is forgotten; NULL is allowed */
void loop_run(struct loop *);  /* until loop_stop() */
void loop_stop(struct loop *);
bool loop_stopping(const struct loop *);
/* One iteration that sleeps at most `wait` ns: for tests and programs that have their own idea of
 * an end. */
void loop_once(struct loop *, mono_t wait);

mono_t mono_now(void);		      /* CLOCK_BOOTTIME, ns */
mono_t loop_now(const struct loop *); /* the same, as read once per iteration */

/* The descriptor stays the caller's: remove it here before closing it.  NULL: no memory. */
struct loop_fd *loop_fd_add(struct loop *, int fd, unsigned events, loop_fd_fn *fn, void *arg);
void loop_fd_change(struct loop_fd *, unsigned events); /* 0: watch nothing, stay registered */
void loop_fd_remove(struct loop_fd *);			/* NULL is allowed */

/*
 * A deadline, embedded in its owner's struct; zeroed or loop_timer_init() before first use.  It
 * fires once, never early; `fn` may set it again.  The owner clears it before its memory goes away.
 */
struct loop_timer {
	loop_fn *fn;
	void *arg;
	mono_t due;
	size_t slot; /* place in the heap, 0: not set */
};

static inline void
loop_timer_init(struct loop_timer *t, loop_fn *fn, void *arg)
{
	*t = (struct loop_timer){ .fn = fn, .arg = arg };
}

void loop_timer_set(struct loop *, struct loop_timer *,
		    mono_t due);			   /* moves it if set; MONO_NEVER clears */
void loop_timer_clear(struct loop *, struct loop_timer *); /* twice is allowed */

/* Handled in the loop, not in signal context.  One callback a signal: a later one replaces it. */
bool loop_signal(struct loop *, int signo, loop_fn *fn, void *arg);
/* SIGTERM and SIGINT stop the loop; SIGPIPE is ignored. */
void loop_stop_on_signals(struct loop *);

/* Called once per iteration before sleeping, in the order of registration. */
struct loop_each *loop_each(struct loop *, loop_each_fn *fn, void *arg);
void loop_each_remove(struct loop_each *);
/* This iteration shall not sleep: somebody may have swallowed an edge, or has made new work. */
void loop_poke(struct loop *);

#endif
