// SPDX-License-Identifier: Apache-2.0
/*
 * What both directions share.  Time as a context keeps it: 32 bits of 2^20 ns each, about a millisecond; wraps after 52 days.
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

/* What stands in the place of the UDP checksum in a compressed header: nothing, it, or RFC 3545's HDRCKSUM. */
enum sum_kind { SUM_NONE, SUM_UDP, SUM_HDR };

/*
 * RTP sequence numbers and timestamps so far from what is expected are not told by COMPRESSED_UDP, where they are taken
 * for packets of another turn of the link sequence, but by full headers.
 */
enum { SEQ_BACK = 8, SEQ_AHEAD = 12 };

static inline bool
seq_leaps(int16_t off)
{
	return off <= -SEQ_BACK || off >= SEQ_AHEAD;
}

/* Back by more than eight steps, where there is a step: video goes back by a few of them (RFC 2508, 3.3.4). */
static inline bool
ts_leaps_back(int32_t step, uint32_t dt)
{
	return dt > 0 && dt < 1u << 20 && step < -(int32_t)(8 * dt);
}

#endif
