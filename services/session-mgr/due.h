// SPDX-License-Identifier: Apache-2.0
/* Deadlines of many sessions: a binary heap of embedded nodes, earliest first. */
#ifndef SM_DUE_H
#define SM_DUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mono.h"

struct due {
	mono_t at;
	uint32_t slot; /* place in the heap + 1; 0: not in it */
};

struct due_heap {
	struct due **v;
	uint32_t n, cap;
};

/* Puts, moves, or (MONO_NEVER) takes out.  False: no memory. */
bool due_set(struct due_heap *, struct due *, mono_t at);
struct due *due_first(const struct due_heap *); /* NULL: empty */
void due_fini(struct due_heap *);

#endif
