// SPDX-License-Identifier: Apache-2.0
/*
 * Longest prefix match, prefix → number.  One open-addressing table per family, keyed by prefix and
 * length, and the list of lengths in use, longest first: subscribers' routes are nearly all of one
 * or two lengths, so a lookup is one or two probes.
 *
 * An address is two words in host order; IPv4 has its 32 bits on top of `hi`.
 *
 * A prefix may be claimed by more than one: the last claimant has it.  When the one that has it
 * gives it up, fib_drop() says so, and the caller names the next.
 */
#ifndef TWIN_FIB_H
#define TWIN_FIB_H

#include <stdbool.h>
#include <stdint.h>

#define FIB_NONE UINT32_MAX

struct fib_slot {
	uint64_t hi, lo;
	uint32_t who;	 /* number + 1; 0: empty */
	uint16_t claims; /* how many want it */
	uint8_t len;
};

struct fib_len {
	uint64_t hi, lo; /* mask */
	uint32_t count;
	uint8_t len;
};

struct fib {
	struct fib_slot *slot;
	uint32_t slots, used; /* a power of two */
	unsigned shift;	      /* 64 - log2(slots) */
	unsigned lens;
	struct fib_len len[129];
};

bool fib_init(struct fib *);
void fib_fini(struct fib *);

/* false: no memory, or claimed 65,535 times.  *had: who had it before, or FIB_NONE. */
bool fib_claim(struct fib *, uint64_t hi, uint64_t lo, unsigned len, uint32_t who, uint32_t *had);
/* true: `who` had it, and others still claim it: name one with fib_give(). */
bool fib_drop(struct fib *, uint64_t hi, uint64_t lo, unsigned len, uint32_t who);
void fib_give(struct fib *, uint64_t hi, uint64_t lo, unsigned len, uint32_t who);

static inline uint64_t
fib_hash(uint64_t hi, uint64_t lo, unsigned len)
{
	return (hi ^ lo * 0x9e3779b97f4a7c15u ^ (uint64_t)len << 24) * 0xff51afd7ed558ccdu;
}

/* Where the first probe for this address will look. */
static inline const struct fib_slot *
fib_hint(const struct fib *f, uint64_t hi, uint64_t lo)
{
	const struct fib_len *l = &f->len[0];

	return &f->slot[fib_hash(hi & l->hi, lo & l->lo, l->len) >> f->shift];
}

static inline uint32_t
fib_find(const struct fib *f, uint64_t hi, uint64_t lo)
{
	for (unsigned i = 0; i < f->lens; i++) {
		const struct fib_len *l = &f->len[i];
		uint64_t h = hi & l->hi, w = lo & l->lo;
		uint32_t at = (uint32_t)(fib_hash(h, w, l->len) >> f->shift);

		for (;; at = (at + 1) & (f->slots - 1)) {
			const struct fib_slot *s = &f->slot[at];
			if (s->who == 0)
				break;
			if (s->hi == h && s->lo == w && s->len == l->len)
				return s->who - 1;
		}
	}
	return FIB_NONE;
}

#endif
