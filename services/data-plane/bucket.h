// SPDX-License-Identifier: Apache-2.0
/*
 * Rate limits in eight octets (the "generic cell rate algorithm"): a bucket is the moment at which
 * it would be full again.  Zeroed is ready.
 */
#ifndef TWIN_BUCKET_H
#define TWIN_BUCKET_H

#include <stdbool.h>

#include "base/mono.h"

struct bucket {
	mono_t full_at;
};

struct rate {
	mono_t each;  /* ns a token takes to come back; 0: no limit */
	mono_t burst; /* ns that may be spent ahead */
};

/* A quarter of a second's tokens at once, 16 at least. */
static inline struct rate
rate_of(unsigned per_second)
{
	struct rate r = { 0, 0 };

	if (per_second == 0)
		return r;
	r.each = MONO_S / per_second;
	if (r.each == 0)
		r.each = 1;
	r.burst = per_second / 4 > 16 ? MONO_S / 4 : 16 * r.each;
	return r;
}

/* Would take() succeed? */
static inline bool
bucket_has(const struct bucket *b, const struct rate *r, mono_t now)
{
	return r->each == 0 || b->full_at - now <= r->burst - r->each;
}

static inline void
bucket_take(struct bucket *b, const struct rate *r, mono_t now)
{
	if (b->full_at < now)
		b->full_at = now;
	b->full_at += r->each;
}

#endif
