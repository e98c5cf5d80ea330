// SPDX-License-Identifier: Apache-2.0
/*
 * Time as cores see it: nanoseconds of the node's boot clock, handed in from outside.  Never stored
 * in a record: the twin's clock is another one.  0 is "never" in a deadline.
 */
#ifndef TWIN_MONO_H
#define TWIN_MONO_H

#include <stdint.h>

typedef int64_t mono_t;

#define MONO_US ((mono_t)1000)
#define MONO_MS ((mono_t)1000000)
#define MONO_S ((mono_t)1000000000)
#define MONO_NEVER ((mono_t)0)

/* The earlier of two deadlines, of which either may be "never". */
static inline mono_t
mono_sooner(mono_t a, mono_t b)
{
	if (a == MONO_NEVER)
		return b;
	if (b == MONO_NEVER)
		return a;
	return a < b ? a : b;
}

#endif
