// SPDX-License-Identifier: Apache-2.0
/*
 * What both directions share.  Time as a context keeps it: 32 bits of 2^20 ns each, about a
 * millisecond; wraps after 52 days.
 */
#ifndef TWIN_CRTP_TICK_H
#define TWIN_CRTP_TICK_H

#include <stdbool.h>

#include "base/mono.h"

typedef uint32_t tick_t;

#define TICKS(MS) ((tick_t)((uint64_t)(MS)*1000000 >> 20))

static inline tick_t
tick_of(mono_t now)
{
	return (tick_t)((uint64_t)now >> 20);
}

#define NO_CID 0xffffffffu

/* What stands in the place of the UDP checksum in a compressed header: nothing, it, or RFC 3545's
 * HDRCKSUM. */
enum sum_kind { SUM_NONE, SUM_UDP, SUM_HDR };

/*
 * RTP sequence numbers and timestamps that are off by about a turn of the link sequence, or some:
 * COMPRESSED_UDP could tell them, and a packet from before or after sixteen others would look the
 * same.  They are told by full headers, and not believed otherwise.  What is farther off is a
 * source that started anew.
 */
enum { OFF_BACK = 8, OFF_AHEAD = 12, OFF_FAR = 160 };

static inline bool
seq_leaps(int16_t off)
{
	return (off <= -OFF_BACK && off >= -OFF_FAR) || (off >= OFF_AHEAD && off <= OFF_FAR);
}

/* Back by more than eight steps, where there is a step: video goes back by a few of them (RFC
 * 2508, 3.3.4). */
static inline bool
ts_leaps_back(int32_t step, uint32_t dt)
{
	return dt > 0 && dt < 1u << 20 && step < -(int32_t)(OFF_BACK * dt) &&
	       step >= -(int32_t)(OFF_FAR * dt);
}

#endif
