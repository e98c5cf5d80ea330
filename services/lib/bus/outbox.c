// SPDX-License-Identifier: Apache-2.0
/*
 * Two rings of effects: the held ones, each under the number of the last record before it, and
 * those that reveal nothing.  See outbox.h.
 *
 *      mem: [entry|octets|detail][entry|...]   ...free...   [entry|...|skip]
 *           tail ---------------------------->  <---------- head (oldest)
 *
 * An entry never straddles the end: what is left there is skipped.  Offsets, not pointers, so that
 * a ring can grow by copying; a ring that grows while its oldest effect is lent keeps the old
 * memory until the callback has returned.
 */
#include "bus/outbox.h"

#include <stdlib.h>

#define ALIGN 16
#define FIRST_RING (64u << 10)
#define LARGEST_EFFECT (1u << 20)
#define DEFAULT_MAX (64u << 20)

struct outbox_mem {
	struct outbox_mem *next;
	_Alignas(ALIGN) uint8_t b[];
};

struct entry {
	uint64_t number;
	size_t total; /* octets of all of it, a multiple of ALIGN; 0: nothing more before the end */
	struct effect effect;
};

static size_t
aligned(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void
outbox_init(struct outbox *o, size_t max_octets)
{
	*o = (struct outbox){ .max_octets = max_octets ? max_octets : DEFAULT_MAX };
}

static void
mem_free(struct outbox_mem *m)
{
	for (struct outbox_mem *next; m; m = next) {
		next = m->next;
		free(m);
	}
}

void
outbox_fini(struct outbox *o)
{
	mem_free(o->held.mem);
	mem_free(o->held.retired);
	mem_free(o->free_to_go.mem);
	mem_free(o->free_to_go.retired);
	*o = (struct outbox){ 0 };
}

/* --- rings --------------------------------------------------------------------------------- */

/* Room at the end of what is used, in one piece; NULL: the ring has to grow. */
static uint8_t *
ring_room(struct outbox_ring *r, size_t n)
{
	if (r->effects == 0)
		r->head = r->tail = r->used = 0;
	if (r->tail < r->head ||
	    r->used == r->size) /* the free part is in the middle, or there is none */
		return r->head - r->tail >= n && r->used < r->size ? r->mem->b + r->tail : NULL;
	if (r->size - r->tail >= n)
		return r->mem->b + r->tail;
	if (r->head < n)
		return NULL;
	if (r->tail <
	    r->size) { /* at least ALIGN octets are left: an entry's first two words fit */
		((struct entry *)(r->mem->b + r->tail))->total = 0;
		r->used += r->size - r->tail;
	}
	r->tail = 0;
	return r->mem->b;
}

static struct entry *
ring_oldest(struct outbox_ring *r)
{
	if (r->effects == 0)
		return NULL;
	if (r->head == r->size || ((struct entry *)(r->mem->b + r->head))->total == 0) {
		r->used -= r->size - r->head;
		r->head = 0;
	}
	return (struct entry *)(r->mem->b + r->head);
}

static void
ring_forget_oldest(struct outbox_ring *r)
{
	size_t n = ring_oldest(r)->total;

	r->head += n;
	r->used -= n;
	r->effects--;
}

static void
ring_clear(struct outbox_ring *r)
{
	r->head = r->tail = r->used = 0;
	r->effects = 0;
}

/* Copies the entries, oldest first, to the front of a larger ring. */
static bool
ring_grow(struct outbox_ring *r, size_t need, size_t max)
{
	size_t size = r->size ? r->size : FIRST_RING / 2;

	do
		size *= 2;
	while (size < r->used + need);
	if (size > max)
		return false;
	struct outbox_mem *m = malloc(sizeof *m + size);
	if (!m)
		return false;
	m->next = NULL;
	struct outbox_ring to = { .mem = m, .size = size, .retired = r->retired, .lent = r->lent };
	for (struct entry *e; (e = ring_oldest(r));) {
		memcpy(m->b + to.tail, e, e->total);
		to.tail += e->total;
		to.effects++;
		ring_forget_oldest(r);
	}
	to.used = to.tail;
	if (r->mem && r->lent) {
		r->mem->next = to.retired;
		to.retired = r->mem;
	} else {
		mem_free(r->mem);
	}
	*r = to;
	return true;
}

static bool
ring_put(struct outbox_ring *r, uint64_t number, const struct effect *e, size_t max)
{
	size_t bytes_at = aligned(sizeof(struct entry));
	size_t detail_at = bytes_at + aligned(e->bytes.len);
	size_t total = detail_at + aligned(e->detail_len);
	uint8_t *to = ring_room(r, total);

	if (!to && (!ring_grow(r, total + ALIGN, max) || !(to = ring_room(r, total))))
		return false;
	*(struct entry *)to = (struct entry){ number, total, *e };
	if (e->bytes.len)
		memcpy(to + bytes_at, e->bytes.p, e->bytes.len);
	if (e->detail_len)
		memcpy(to + detail_at, e->detail, e->detail_len);
	r->tail += total;
	r->used += total;
	r->effects++;
	return true;
}

/* The copied octets are where they are now, not where they were put. */
static struct effect
entry_effect(struct entry *en)
{
	struct effect e = en->effect;
	uint8_t *at = (uint8_t *)en + aligned(sizeof *en);

	e.bytes = e.bytes.len ? span_of(at, e.bytes.len) : span_of(NULL, 0);
	e.detail = e.detail_len ? at + aligned(e.bytes.len) : NULL;
	return e;
}

/* --- the outbox ---------------------------------------------------------------------------- */

uint64_t
outbox_record(struct outbox *o)
{
	return ++o->recorded;
}

bool
outbox_effect(struct outbox *o, const struct effect *e)
{
	struct outbox_ring *r = e->reveals_nothing ? &o->free_to_go : &o->held;

	if (e->bytes.len > LARGEST_EFFECT || e->detail_len > LARGEST_EFFECT ||
	    !ring_put(r, e->reveals_nothing ? 0 : o->recorded, e, o->max_octets)) {
		o->refused++;
		return false;
	}
	return true;
}

bool
outbox_commit(struct outbox *o, uint64_t number)
{
	if (number > o->recorded)
		return false;
	if (number > o->committed)
		o->committed = number;
	return true;
}

/* `fn` may put effects into the outbox, and may restart it. */
static unsigned
ring_release(struct outbox *o, struct outbox_ring *r, outbox_fn *fn, void *arg, bool *stopped)
{
	unsigned n = 0;

	for (struct entry *en; !*stopped && (en = ring_oldest(r)) && en->number <= o->committed;) {
		const struct effect e = entry_effect(en);
		uint64_t dropped = o->dropped;

		r->lent = true;
		*stopped = !fn(arg, &e);
		r->lent = false;
		mem_free(r->retired);
		r->retired = NULL;
		if (o->dropped != dropped)
			break;
		if (*stopped)
			break;
		ring_forget_oldest(r);
		o->released++;
		n++;
	}
	return n;
}

unsigned
outbox_release(struct outbox *o, outbox_fn *fn, void *arg)
{
	bool stopped = false;

	if (o->held.lent || o->free_to_go.lent) /* called by a callback of its own */
		return 0;
	unsigned n = ring_release(o, &o->free_to_go, fn, arg, &stopped);
	return n + ring_release(o, &o->held, fn, arg, &stopped);
}

void
outbox_restart(struct outbox *o)
{
	o->dropped += outbox_effects(o);
	ring_clear(&o->held);
	ring_clear(&o->free_to_go);
	o->recorded = o->committed = 0;
}
