// SPDX-License-Identifier: Apache-2.0
/* Lines to stderr, one write(2) each.  See log.h. */
#include "base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_OCTETS 1024
#define LIMIT_BURST 5

static struct {
	char process[64];
	enum note_level least;
	uint64_t dropped;
} log_state = { "-", NOTE_INFO, 0 };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void
log_open(const char *process, enum note_level least)
{
	snprintf(log_state.process, sizeof log_state.process, "%s", process);
	log_state.least = least;
}

void
log_level(enum note_level least)
{
	log_state.least = least;
}

enum note_level
log_least(void)
{
	return log_state.least;
}

uint64_t
log_dropped(void)
{
	return log_state.dropped;
}

static size_t
stamp(char *out, size_t cap, enum note_level level)
{
	struct timespec ts;
	struct tm tm;
	char date[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	int n = snprintf(out, cap, "%s.%06ldZ %s %s ", date, ts.tv_nsec / 1000,
			 level_names[level <= NOTE_ERROR ? level : NOTE_ERROR], log_state.process);
	return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

/* A pipe whose reader sleeps would put us to sleep as well; a writable one has room for a whole
 * line. */
static bool
would_take(void)
{
	struct pollfd p = { STDERR_FILENO, POLLOUT, 0 };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

void
log_note(enum note_level level, const char *text)
{
	char line[LINE_MAX_OCTETS];
	size_t n;

	if (level < log_state.least)
		return;
	n = stamp(line, sizeof line - 1, level);
	for (; *text && n < sizeof line - 1; text++)
		line[n++] = (uint8_t)*text < 0x20 || *text == 0x7f ? '?' : *text;
	line[n++] = '\n';
	if (!would_take() || write(STDERR_FILENO, line, n) != (ssize_t)n)
		log_state.dropped++;
}

void
log_line(enum note_level level, const char *fmt, ...)
{
	char text[LINE_MAX_OCTETS];
	va_list ap;

	if (level < log_state.least)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_note(level, text);
}

bool
log_limit_take(struct log_limit *l, mono_t now, uint64_t *suppressed)
{
	if (l->every == 0) {
		l->every = MONO_S;
		l->burst = l->burst ? l->burst : LIMIT_BURST;
	}
	mono_t refill = (now - l->last) / l->every;
	if (refill > 0) {
		l->spent -= (mono_t)l->spent < refill ? l->spent : (unsigned)refill;
		l->last = l->spent ? l->last + refill * l->every : now;
	}
	if (l->spent >= l->burst) {
		l->suppressed++;
		return false;
	}
	l->spent++;
	*suppressed = l->suppressed;
	l->suppressed = 0;
	return true;
}

void
log_limited(struct log_limit *l, mono_t now, enum note_level level, const char *fmt, ...)
{
	char text[LINE_MAX_OCTETS];
	uint64_t suppressed;
	va_list ap;

	if (level < log_state.least || !log_limit_take(l, now, &suppressed))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (suppressed)
		log_line(level, "%s suppressed=%llu", text, (unsigned long long)suppressed);
	else
		log_note(level, text);
}
