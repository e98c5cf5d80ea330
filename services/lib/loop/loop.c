// SPDX-License-Identifier: Apache-2.0
/*
 * The loop: libev for descriptors and signals, a binary heap and one timerfd for deadlines.  See
 * loop.h.
 *
 * Registrations that are removed while their callbacks may still be on the way (an fd callback
 * removing another fd, an each-callback removing itself) are only marked, and freed between
 * iterations.
 */
#include "loop/loop.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SIGNALS 65

struct loop_fd {
	ev_io io;
	struct loop *loop;
	loop_fd_fn *fn;
	void *arg;
	bool removed;
	struct loop_fd *next;
};

struct loop_each {
	loop_each_fn *fn;
	void *arg;
	bool removed;
	struct loop_each *next;
};

struct loop_signal_slot {
	ev_signal sig;
	loop_fn *fn;
	void *arg;
	bool used;
};

struct loop {
	struct ev_loop *ev;
	mono_t now;
	bool stop, poked, garbage;
	struct loop_fd *fds;
	struct loop_each *each;
	struct loop_signal_slot signal[SIGNALS];

	/* Deadlines: heap[1..timers], the earliest first; the timerfd is armed for `armed`. */
	struct loop_timer **heap;
	size_t timers, heap_cap;
	mono_t armed;
	int timerfd;
	ev_io timer_io;
	ev_check woken; /* first of all callbacks after the sleep: reads the clock for them */
};

mono_t
mono_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (mono_t)ts.tv_sec * MONO_S + ts.tv_nsec;
}

mono_t
loop_now(const struct loop *l)
{
	return l->now;
}

/* --- deadlines ----------------------------------------------------------------------------- */

static void
heap_place(struct loop *l, size_t at, struct loop_timer *t)
{
	l->heap[at] = t;
	t->slot = at;
}

static void
heap_up(struct loop *l, size_t at, struct loop_timer *t)
{
	for (; at > 1 && t->due < l->heap[at / 2]->due; at /= 2)
		heap_place(l, at, l->heap[at / 2]);
	heap_place(l, at, t);
}

static void
heap_down(struct loop *l, size_t at, struct loop_timer *t)
{
	for (size_t child = 2 * at; child <= l->timers; child = 2 * at) {
		if (child < l->timers && l->heap[child + 1]->due < l->heap[child]->due)
			child++;
		if (t->due <= l->heap[child]->due)
			break;
		heap_place(l, at, l->heap[child]);
		at = child;
	}
	heap_place(l, at, t);
}

static void
heap_settle(struct loop *l, size_t at, struct loop_timer *t)
{
	if (at > 1 && t->due < l->heap[at / 2]->due)
		heap_up(l, at, t);
	else
		heap_down(l, at, t);
}

static void
heap_room(struct loop *l)
{
	if (l->timers + 1 < l->heap_cap)
		return;
	size_t cap = l->heap_cap ? 2 * l->heap_cap : 64;
	struct loop_timer **heap = realloc(l->heap, cap * sizeof *heap);
	if (!heap)
		abort(); /* a deadline that is lost in silence is worse than a restart */
	l->heap = heap;
	l->heap_cap = cap;
}

void
loop_timer_set(struct loop *l, struct loop_timer *t, mono_t due)
{
	if (due == MONO_NEVER) {
		loop_timer_clear(l, t);
		return;
	}
	t->due = due;
	if (t->slot) {
		heap_settle(l, t->slot, t);
		return;
	}
	heap_room(l);
	l->timers++;
	heap_up(l, l->timers, t);
}

void
loop_timer_clear(struct loop *l, struct loop_timer *t)
{
	size_t at = t->slot;

	if (at == 0)
		return;
	t->slot = 0;
	t->due = MONO_NEVER;
	struct loop_timer *last = l->heap[l->timers--];
	if (last != t)
		heap_settle(l, at, last);
}

/* As many as there are now, so that a callback that sets itself for a time already past cannot hold
 * the loop. */
static void
timers_fire(struct loop *l)
{
	for (size_t n = l->timers; n && l->timers && l->heap[1]->due <= l->now && !l->stop; n--) {
		struct loop_timer *t = l->heap[1];
		loop_timer_clear(l, t);
		t->fn(t->arg);
	}
	if (l->timers && l->heap[1]->due <= l->now)
		l->poked = true;
}

static void
timer_arm(struct loop *l)
{
	mono_t due = l->timers ? l->heap[1]->due : MONO_NEVER;
	struct itimerspec at = { 0 };

	if (due == l->armed)
		return;
	if (due != MONO_NEVER) {
		mono_t when = due > 0 ? due : 1;
		at.it_value = (struct timespec){ when / MONO_S, when % MONO_S };
	}
	timerfd_settime(l->timerfd, TFD_TIMER_ABSTIME, &at, NULL);
	l->armed = due;
}

static void
on_timerfd(struct ev_loop *ev, ev_io *w, int events)
{
	struct loop *l = w->data;
	uint64_t times;

	l->armed = MONO_NEVER;
	if (read(l->timerfd, &times, sizeof times) < 0)
		return; /* moved on since: nothing elapsed */
}

static void
on_woken(struct ev_loop *ev, ev_check *w, int events)
{
	((struct loop *)w->data)->now = mono_now();
}

/* --- descriptors and signals --------------------------------------------------------------- */

static void
on_fd(struct ev_loop *ev, ev_io *w, int events)
{
	struct loop_fd *f = w->data;

	if (f->removed)
		return;
	f->fn(f->arg, w->fd,
	      (events & EV_READ ? LOOP_READ : 0) | (events & EV_WRITE ? LOOP_WRITE : 0));
}

static int
ev_events(unsigned events)
{
	return (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0);
}

struct loop_fd *
loop_fd_add(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg)
{
	struct loop_fd *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->loop = l;
	f->fn = fn;
	f->arg = arg;
	f->next = l->fds;
	l->fds = f;
	ev_io_init(&f->io, on_fd, fd, ev_events(events));
	f->io.data = f;
	if (events)
		ev_io_start(l->ev, &f->io);
	return f;
}

void
loop_fd_change(struct loop_fd *f, unsigned events)
{
	if (f->removed || (f->io.events & (EV_READ | EV_WRITE)) == ev_events(events))
		return;
	ev_io_stop(f->loop->ev, &f->io);
	ev_io_set(&f->io, f->io.fd, ev_events(events));
	if (events)
		ev_io_start(f->loop->ev, &f->io);
}

void
loop_fd_remove(struct loop_fd *f)
{
	if (!f || f->removed)
		return;
	ev_io_stop(f->loop->ev, &f->io);
	f->removed = true;
	f->loop->garbage = true;
}

static void
on_signal(struct ev_loop *ev, ev_signal *w, int events)
{
	struct loop_signal_slot *s = w->data;

	s->fn(s->arg);
}

bool
loop_signal(struct loop *l, int signo, loop_fn *fn, void *arg)
{
	if (signo < 1 || signo >= SIGNALS)
		return false;
	struct loop_signal_slot *s = &l->signal[signo];
	s->fn = fn;
	s->arg = arg;
	if (s->used)
		return true;
	s->used = true;
	ev_signal_init(&s->sig, on_signal, signo);
	s->sig.data = s;
	ev_signal_start(l->ev, &s->sig);
	return true;
}

static void
stop_it(void *arg)
{
	loop_stop(arg);
}

void
loop_stop_on_signals(struct loop *l)
{
	loop_signal(l, SIGTERM, stop_it, l);
	loop_signal(l, SIGINT, stop_it, l);
	signal(SIGPIPE, SIG_IGN);
}

/* --- iterations ---------------------------------------------------------------------------- */

struct loop_each *
loop_each(struct loop *l, loop_each_fn *fn, void *arg)
{
	struct loop_each *e = calloc(1, sizeof *e), **end = &l->each;

	if (!e)
		return NULL;
	e->fn = fn;
	e->arg = arg;
	while (*end)
		end = &(*end)->next;
	*end = e;
	return e;
}

/* Only marked here, without the loop: freed by the next sweep. */
void
loop_each_remove(struct loop_each *e)
{
	if (e)
		e->removed = true;
}

void
loop_poke(struct loop *l)
{
	l->poked = true;
}

static void
sweep(struct loop *l)
{
	for (struct loop_each **at = &l->each, *e; (e = *at);) {
		if (!e->removed) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		free(e);
	}
	if (!l->garbage)
		return;
	l->garbage = false;
	for (struct loop_fd **at = &l->fds, *f; (f = *at);) {
		if (!f->removed) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		free(f);
	}
}

static bool
run_each(struct loop *l)
{
	bool more = false;

	for (struct loop_each *e = l->each; e; e = e->next) {
		if (!e->removed)
			more |= e->fn(e->arg);
	}
	return more;
}

/* `wait` < 0: as long as it takes. */
static void
iterate(struct loop *l, mono_t wait)
{
	struct loop_timer bound = { 0 }; /* never fires: it only bounds the sleep */
	bool more = run_each(l);

	more |= l->poked; /* by those just run as well */
	sweep(l);
	l->poked = false;
	if (l->stop)
		return;
	if (wait > 0 && !more)
		loop_timer_set(l, &bound, mono_now() + wait);
	timer_arm(l);
	ev_run(l->ev, more || wait == 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
	loop_timer_clear(l, &bound);
	timers_fire(l);
}

void
loop_run(struct loop *l)
{
	while (!l->stop)
		iterate(l, -1);
	l->stop = false;
}

void
loop_once(struct loop *l, mono_t wait)
{
	if (!l->stop)
		iterate(l, wait < 0 ? 0 : wait);
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	ev_break(l->ev, EVBREAK_ONE);
}

bool
loop_stopping(const struct loop *l)
{
	return l->stop;
}

struct loop *
loop_new(void)
{
	struct loop *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->timerfd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	l->ev = ev_loop_new(EVFLAG_NOENV);
	if (l->timerfd < 0 || !l->ev) {
		int e = l->timerfd < 0 ? errno : ENOMEM;
		loop_free(l);
		errno = e;
		return NULL;
	}
	ev_io_init(&l->timer_io, on_timerfd, l->timerfd, EV_READ);
	l->timer_io.data = l;
	ev_io_start(l->ev, &l->timer_io);
	ev_check_init(&l->woken, on_woken);
	ev_set_priority(&l->woken, EV_MAXPRI);
	l->woken.data = l;
	ev_check_start(l->ev, &l->woken);
	l->now = mono_now();
	return l;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	for (size_t i = 1; i <= l->timers; i++)
		l->heap[i]->slot = 0;
	for (struct loop_each *e = l->each; e; e = e->next)
		e->removed = true;
	for (struct loop_fd *f = l->fds; f; f = f->next)
		loop_fd_remove(f);
	for (int s = 1; s < SIGNALS; s++) {
		if (l->signal[s].used)
			ev_signal_stop(l->ev, &l->signal[s].sig);
	}
	sweep(l);
	if (l->ev) {
		ev_io_stop(l->ev, &l->timer_io);
		ev_check_stop(l->ev, &l->woken);
		ev_loop_destroy(l->ev);
	}
	if (l->timerfd >= 0)
		close(l->timerfd);
	free(l->heap);
	free(l);
}
