// SPDX-License-Identifier: Apache-2.0
/*
 * Counters and alarms, each with its sentence.  A process (or core) keeps them in .def files:
 *
 *     counters.def:  X(HELLO_LOST, "a Hello was not acknowledged in time")
 *     alarms.def:    X(POOL_EMPTY, "what happened", "what it means", "what to do")
 *
 *     enum tc_counter {
 *     #define X(NAME, SENTENCE) TC_##NAME,
 *     #include "counters.def"
 *     #undef X
 *             TC_COUNTERS
 *     };
 *     static const struct counter_info tc_counter_info[] = {
 *     #define X(NAME, SENTENCE) { #NAME, SENTENCE },
 *     #include "counters.def"
 *     #undef X
 *     };
 *     uint64_t v[TC_COUNTERS];
 *     struct counters c = { tc_counter_info, v, TC_COUNTERS };
 *
 * A core gets a struct counters * and counts without I/O; the shell makes the row of table COUNTERS
 * out of it (owner_counters in bus/owner.h does so each second).
 */
#ifndef TWIN_COUNTERS_H
#define TWIN_COUNTERS_H

#include "base/arena.h"
#include "base/tables.h"

struct counter_info {
	const char *name, *sentence;
};

struct counters {
	const struct counter_info *info;
	uint64_t *v;
	unsigned n;
};

struct alarm_info {
	const char *name, *happened, *means, *todo;
};

static inline void
count(struct counters *c, unsigned which)
{
	if (c)
		c->v[which]++;
}

static inline void
count_by(struct counters *c, unsigned which, uint64_t by)
{
	if (c)
		c->v[which] += by;
}

/*
 * Several sets as one packed row__counters, in the arena: names in lower case, '_' becomes '-'.
 * `at`: seconds since 1970.  An empty span: the arena is full.  *sum (may be NULL) is a
 * cheap digest of the values: the same as last time means nothing moved.
 */
struct span counters_pack(struct arena *, const char *process, const struct counters *sets,
			  unsigned n, uint64_t at, uint64_t *sum);
/* Key of the process's row in table COUNTERS; of an alarm's in ALARM. */
struct key counters_key(const char *process);
struct key alarm_key(const char *process, const char *name);
/* A standing alarm as a packed row__alarm, in the arena. */
struct span alarm_pack(struct arena *, const char *process, const struct alarm_info *,
		       const char *detail, uint64_t since);

#endif
