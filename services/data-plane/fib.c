// SPDX-License-Identifier: Apache-2.0
/* Longest prefix match by hashing per length.  See fib.h. */
#include "fib.h"

#include <stdlib.h>
#include <string.h>

#define FIB_FIRST_BITS 8

static bool
grow(struct fib *f, unsigned bits)
{
	struct fib_slot *old = f->slot, *slot = calloc((size_t)1 << bits, sizeof *slot);
	uint32_t old_slots = f->slots;

	if (!slot)
		return false;
	f->slot = slot;
	f->slots = 1u << bits;
	f->shift = 64 - bits;
	for (uint32_t i = 0; i < old_slots; i++) {
		if (old[i].who == 0)
			continue;
		uint32_t at = (uint32_t)(fib_hash(old[i].hi, old[i].lo, old[i].len) >> f->shift);
		while (slot[at].who)
			at = (at + 1) & (f->slots - 1);
		slot[at] = old[i];
	}
	free(old);
	return true;
}

bool
fib_init(struct fib *f)
{
	memset(f, 0, sizeof *f);
	return grow(f, FIB_FIRST_BITS);
}

void
fib_fini(struct fib *f)
{
	free(f->slot);
	memset(f, 0, sizeof *f);
}

/* The prefix's slot, or the empty one where it belongs. */
static struct fib_slot *
place(struct fib *f, uint64_t hi, uint64_t lo, unsigned len)
{
	uint32_t at = (uint32_t)(fib_hash(hi, lo, len) >> f->shift);

	while (f->slot[at].who &&
	       (f->slot[at].hi != hi || f->slot[at].lo != lo || f->slot[at].len != len))
		at = (at + 1) & (f->slots - 1);
	return &f->slot[at];
}

static struct fib_len
mask_of(unsigned len)
{
	return (struct fib_len){
		.hi = len == 0	  ? 0
		      : len >= 64 ? ~0ull
				  : ~0ull << (64 - len),
		.lo = len <= 64 ? 0 : ~0ull << (128 - len),
		.len = (uint8_t)len,
	};
}

static void
len_add(struct fib *f, unsigned len)
{
	unsigned i = 0;

	while (i < f->lens && f->len[i].len > len)
		i++;
	if (i == f->lens || f->len[i].len != len) {
		memmove(&f->len[i + 1], &f->len[i], (f->lens - i) * sizeof f->len[0]);
		f->len[i] = mask_of(len);
		f->lens++;
	}
	f->len[i].count++;
}

static void
len_remove(struct fib *f, unsigned len)
{
	unsigned i = 0;

	while (f->len[i].len != len)
		i++;
	if (--f->len[i].count == 0) {
		f->lens--;
		memmove(&f->len[i], &f->len[i + 1], (f->lens - i) * sizeof f->len[0]);
	}
}

bool
fib_claim(struct fib *f, uint64_t hi, uint64_t lo, unsigned len, uint32_t who, uint32_t *had)
{
	struct fib_len m = mask_of(len);
	struct fib_slot *s;

	hi &= m.hi;
	lo &= m.lo;
	*had = FIB_NONE;
	if (2 * (f->used + 1) > f->slots && !grow(f, 65 - f->shift) && f->used + 1 >= f->slots)
		return false;
	s = place(f, hi, lo, len);
	if (s->who) {
		if (s->claims == UINT16_MAX)
			return false;
		*had = s->who - 1;
	} else {
		*s = (struct fib_slot){ .hi = hi, .lo = lo, .len = (uint8_t)len };
		f->used++;
		len_add(f, len);
	}
	s->claims++;
	s->who = who + 1;
	return true;
}

/* Closes the gap, so that no probe stops early (Knuth, 6.4, algorithm R). */
static void
slot_remove(struct fib *f, uint32_t gap)
{
	uint32_t mask = f->slots - 1;

	for (uint32_t at = (gap + 1) & mask; f->slot[at].who; at = (at + 1) & mask) {
		const struct fib_slot *s = &f->slot[at];
		uint32_t home = (uint32_t)(fib_hash(s->hi, s->lo, s->len) >> f->shift);
		if (((at - home) & mask) >= ((at - gap) & mask)) {
			f->slot[gap] = *s;
			gap = at;
		}
	}
	memset(&f->slot[gap], 0, sizeof f->slot[gap]);
	f->used--;
}

bool
fib_drop(struct fib *f, uint64_t hi, uint64_t lo, unsigned len, uint32_t who)
{
	struct fib_len m = mask_of(len);
	struct fib_slot *s = place(f, hi & m.hi, lo & m.lo, len);

	if (s->who == 0)
		return false;
	if (--s->claims > 0)
		return s->who == who + 1;
	slot_remove(f, (uint32_t)(s - f->slot));
	len_remove(f, len);
	return false;
}

void
fib_give(struct fib *f, uint64_t hi, uint64_t lo, unsigned len, uint32_t who)
{
	struct fib_len m = mask_of(len);
	struct fib_slot *s = place(f, hi & m.hi, lo & m.lo, len);

	if (s->who)
		s->who = who + 1;
}
