// SPDX-License-Identifier: Apache-2.0
/*
 * A chain of blocks, each twice the size of the one before; a reset goes back to the first and
 * keeps them all. See arena.h.
 */
#include "base/arena.h"

#include <stdlib.h>

#include "base/message.h"
#include "base/tables.h"

#define ALIGN 16
#define FIRST_BLOCK (16u << 10)
#define LARGEST_BLOCK (1u << 20)
#define DEFAULT_MAX (16u << 20)

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(ALIGN) uint8_t mem[];
};

static void *
allocator_alloc(void *arena, size_t octets)
{
	return arena_alloc(arena, octets);
}

static void
allocator_free(void *arena, void *p)
{
}

void
arena_init(struct arena *a, size_t max_octets)
{
	*a = (struct arena){
		.max = max_octets ? max_octets : DEFAULT_MAX,
		.allocator = { allocator_alloc, allocator_free, a },
	};
}

void
arena_fini(struct arena *a)
{
	for (struct arena_block *b = a->first, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	a->first = a->now = NULL;
	a->used = a->total = 0;
}

void
arena_reset(struct arena *a)
{
	a->now = a->first;
	a->used = 0;
}

/* The next block that holds `octets`: a kept one, or a new one within the bound. */
static bool
arena_advance(struct arena *a, size_t octets)
{
	struct arena_block **link = a->now ? &a->now->next : &a->first;
	size_t size = a->now ? 2 * a->now->size : FIRST_BLOCK;

	for (; *link; link = &(*link)->next) {
		if ((*link)->size >= octets) {
			a->now = *link;
			a->used = 0;
			return true;
		}
	}
	if (size > LARGEST_BLOCK)
		size = LARGEST_BLOCK;
	if (size < octets)
		size = octets;
	if (size > a->max - a->total) /* the last block is as large as the bound still allows */
		size = a->max - a->total;
	if (size < octets)
		return false;
	struct arena_block *b = malloc(sizeof *b + size);
	if (!b)
		return false;
	*b = (struct arena_block){ .size = size };
	*link = b;
	a->now = b;
	a->used = 0;
	a->total += size;
	return true;
}

void *
arena_alloc(struct arena *a, size_t octets)
{
	if (octets > a->max)
		return NULL;
	octets = octets ? (octets + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
	if ((!a->now || a->now->size - a->used < octets) && !arena_advance(a, octets))
		return NULL;
	void *p = a->now->mem + a->used;
	a->used += octets;
	return p;
}

void *
arena_copy(struct arena *a, const void *p, size_t octets)
{
	void *to = arena_alloc(a, octets);

	if (to && octets)
		memcpy(to, p, octets);
	return to;
}

char *
arena_text(struct arena *a, struct span text)
{
	char *to = arena_alloc(a, text.len + 1);

	if (!to)
		return NULL;
	if (text.len)
		memcpy(to, text.p, text.len);
	to[text.len] = 0;
	return to;
}

ProtobufCMessage *
arena_unpack(struct arena *a, const ProtobufCMessageDescriptor *what, struct span octets)
{
	return message_unpack(a, what, octets);
}

const void *
row_unpack(struct arena *a, unsigned table, struct span row)
{
	const struct table_info *info = table_info(table);

	return info ? arena_unpack(a, info->row, row) : NULL;
}
