// SPDX-License-Identifier: Apache-2.0
/*
 * A packet's way to its context: hash, slot, context.  Inline, and by family, because each packet
 * goes it; the table itself is flows.c's.
 */
#ifndef TWIN_CRTP_FIND_H
#define TWIN_CRTP_FIND_H

#include "crtp/comp_int.h"
#include "crtp/sum.h"

enum { FIND_PROBES = 32 };

#define SLOT_TAG(HASH) ((HASH)&0xffff0000) /* never 0: the highest bit of each hash is set */

__extension__ typedef unsigned __int128 find_wide_t;

static inline uint64_t
find_mix(uint64_t a, uint64_t b)
{
	find_wide_t m = (find_wide_t)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Of addresses and ports, and of the SSRC where the flow is one of RTP. */
static inline __attribute__((always_inline)) uint32_t
find_hash(const struct crtp_comp *c, const uint8_t *p, bool v6, bool rtp)
{
	uint64_t last = rtp ? mem32(p + (v6 ? IPV6_HEADER : IPV4_HEADER) + 16) : 0;
	uint64_t seed = c->seed ^ 0x9e3779b97f4a7c15 ^ rtp, h;

	if (v6) {
		seed = find_mix(mem64(p + 8) ^ seed, mem64(p + 16) ^ 0xd6e8feb86659fd93);
		seed = find_mix(mem64(p + 24) ^ seed, mem64(p + 32) ^ 0xa0761d6478bd642f);
		h = find_mix((last << 32 | mem32(p + 40)) ^ seed, 0xe7037ed1a0b428db);
	} else {
		h = find_mix(mem64(p + 16) ^ seed,
			     (last << 32 | mem32(p + 12)) ^ 0xd6e8feb86659fd93);
	}
	return (uint32_t)(h >> 32) | 0x80000000;
}

static inline __attribute__((always_inline)) bool
find_same(const struct cctx *x, const uint8_t *p, bool v6, bool rtp)
{
	const uint8_t *k = x->img;
	const unsigned ssrc = (v6 ? IPV6_HEADER : IPV4_HEADER) + 16;
	uint64_t diff = (uint64_t)(x->rtp ^ rtp) | (uint64_t)(x->v6 ^ v6);

	if (rtp)
		diff |= mem32(p + ssrc) ^ mem32(k + ssrc);
	if (v6)
		diff |= (mem64(p + 8) ^ mem64(k + 8)) | (mem64(p + 16) ^ mem64(k + 16)) |
			(mem64(p + 24) ^ mem64(k + 24)) | (mem64(p + 32) ^ mem64(k + 32)) |
			(mem32(p + 40) ^ mem32(k + 40));
	else
		diff |= (mem32(p + 12) ^ mem32(k + 12)) | (mem64(p + 16) ^ mem64(k + 16));
	return diff == 0;
}

static inline __attribute__((always_inline)) uint32_t
find_cid(const struct crtp_comp *c, uint32_t hash, const uint8_t *p, bool v6, bool rtp)
{
	const uint32_t mask = c->slots - 1, tag = SLOT_TAG(hash);
	uint32_t i = hash & mask;

	for (unsigned n = 0; n < FIND_PROBES; n++, i = (i + 1) & mask) {
		uint32_t s = c->slot[i];
		if (s == 0)
			return NO_CID;
		if (SLOT_TAG(s) == tag && find_same(&c->ctx[s & 0xffff], p, v6, rtp))
			return s & 0xffff;
	}
	return NO_CID;
}

#endif
