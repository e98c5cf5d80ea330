// SPDX-License-Identifier: Apache-2.0
/*
 * One event, one line, to stderr:  2026-01-31T12:00:00.123456Z info tunnel-ctl tunnel refused
 * peer=192.0.2.1 Fixed words first, then key=value.  Control characters are written as '?', so that
 * nothing a peer says can forge a line.  What a packet can cause goes through log_limited.
 *
 * A full or broken stderr never blocks or ends the process: the line is dropped and counted.
 */
#ifndef TWIN_LOG_H
#define TWIN_LOG_H

#include "base/mono.h"
#include "base/sink.h"

void log_open(const char *process, enum note_level least); /* before the first line */
void log_level(enum note_level least);
enum note_level log_least(void);
void log_line(enum note_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A note of a core, as its sink hands it over: already formatted. */
void log_note(enum note_level level, const char *line);
uint64_t log_dropped(void);

/*
 * A bucket per call site or per peer: `burst` lines at once, then one each `every`.  The line after
 * a pause ends in suppressed=N.  Zeroed is ready: burst 5, one a second.
 */
struct log_limit {
	mono_t every;
	unsigned burst;
	mono_t last;
	unsigned spent;
	uint64_t suppressed;
};

/* May a line be written now?  True: `*suppressed` is how many were not since the last one. */
bool log_limit_take(struct log_limit *, mono_t now, uint64_t *suppressed);
void log_limited(struct log_limit *, mono_t now, enum note_level level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
