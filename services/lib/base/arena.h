// SPDX-License-Identifier: Apache-2.0
/*
 * A bump allocator: hand out, and forget all at once.  What protobuf-c unpacks on a hot path lives
 * in one, so that a field costs an addition and not a malloc.  After the first few rounds it
 * allocates no more. `max_octets` bounds it: a hostile row that wants more gets NULL, and the
 * unpacking fails.
 */
#ifndef TWIN_ARENA_H
#define TWIN_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include "wire/wire.h"

struct arena_block;

struct arena {
	struct arena_block *first, *now;
	size_t used, total, max;
	ProtobufCAllocator allocator; /* alloc from here, free does nothing */
};

void arena_init(struct arena *, size_t max_octets); /* 0: 16 MiB */
void arena_fini(struct arena *);
/* Aligned for anything; NULL: bound reached or no memory. */
void *arena_alloc(struct arena *, size_t octets);
void *arena_copy(struct arena *, const void *p, size_t octets);
char *arena_text(struct arena *, struct span text); /* NUL-terminated copy */
void arena_reset(struct arena *);		    /* all of it is free again; memory is kept */

/* Unpacks a message into the arena; it lives until arena_reset.  NULL: not such a message. */
ProtobufCMessage *arena_unpack(struct arena *, const ProtobufCMessageDescriptor *,
			       struct span octets);
/* The row of a table (base/tables.h), the same way; NULL also for an unknown table. */
const void *row_unpack(struct arena *, unsigned table, struct span row);

#endif
