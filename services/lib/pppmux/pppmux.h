// SPDX-License-Identifier: Apache-2.0
/*
 * PPP multiplexing (RFC 3153): several PPP frames in one, as TCRTP sends them through a tunnel
 * (RFC 4170, 2.3).
 *
 *     PPP protocol 0059 | subframe | subframe | ...
 *
 *     subframe:  PFF(1) LXT(1) LEN(6)  or  PFF(1) LXT(1) LEN(14)        LXT: LEN has 14 bits
 *                [protocol field, 1 or 2 octets]                        if PFF; else as before it
 *                information
 *
 * LEN counts the protocol field and the information.  What follows 0059 is called the frame here;
 * the protocol field of the frame itself is the caller's (its form depends on LCP's PFC).
 *
 * Nothing here allocates, reads a clock or knows a socket.  One transmitter serves one direction of
 * one session and one traffic class: EF and other packets must not share a frame (RFC 4170, 2.4.1).
 */
#ifndef TWIN_PPPMUX_H
#define TWIN_PPPMUX_H

#include "base/mono.h"
#include "wire/wire.h"

#define PPPMUX_PROTO 0x0059	/* multiplexed frame */
#define PPPMUX_CP 0x8059	/* PPPMuxCP */
#define PPPMUX_MAX_LEN 16383u	/* LEN has 14 bits (1.1) */
#define PPPMUX_ROOM 2048u	/* octets that a transmitter can gather */

/* May a frame of this protocol travel inside a multiplexed one?  (1.1, 2, 3: no LCP, no 0059, no MP) */
bool pppmux_may_carry(uint16_t proto);

/* ---- transmitter: RFC 3153, 1.2, with the timer of RFC 4170, 2.3.1 ---- */

struct pppmux_config {
	uint16_t default_pid;	/* what the peer offered to assume; it is the receiver's choice (2) */
	uint16_t max_subframe;	/* MAX_SF_LEN: longer packets go plain; cut to max_frame - 2 */
	uint16_t max_frame;	/* octets after 0059: the peer's MRU, or less; cut to PPPMUX_ROOM */
	uint16_t max_count;	/* packets in a frame; 0: no limit */
	mono_t t;		/* T: no packet waits longer; 0: nothing is held back */
	uint16_t overhead;	/* octets that every frame costs outside (for `worth`) */
	bool alone;		/* a packet alone is multiplexed, too: what carries frames carries nothing else */
	uint8_t worth;		/* send early once `overhead` is at most so many % of it all; 0: off */
};

struct pppmux_tx {
	struct pppmux_config conf;
	mono_t last;		/* when the latest frame was taken: T runs from there */
	mono_t due;		/* when what is gathered must go; MONO_NEVER while empty */
	uint16_t last_pid;	/* Last_PID; begins as the default PID in every frame */
	uint16_t len, count;	/* what is gathered */
	uint16_t only_proto;	/* of the first packet, and where its information begins */
	uint16_t only_at;
	uint8_t buf[PPPMUX_ROOM];
};

enum pppmux_verdict {
	PPPMUX_HELD,	/* gathered; it is due by tx->due */
	PPPMUX_READY,	/* gathered, and the frame should be taken now (full, or worth sending) */
	PPPMUX_FULL,	/* not gathered: take the frame first, then offer this packet again */
	PPPMUX_PLAIN,	/* not gathered: take the frame if there is one, then send this packet plain */
};

/* Limits out of range are cut to what the protocol allows.  What was gathered is forgotten. */
void pppmux_tx_init(struct pppmux_tx *, const struct pppmux_config *);

/* Offers one packet.  Order is kept if the caller does as the verdict says. */
enum pppmux_verdict pppmux_add(struct pppmux_tx *, mono_t now, uint16_t proto, const void *info, size_t len);

struct pppmux_frame {
	uint16_t proto;		/* 0059; or, of a single packet, its own: one alone travels plain, unless `alone` */
	uint16_t count;		/* packets in it */
	struct span info;	/* what follows the protocol; lives until the next pppmux_add */
};

/* Takes what is gathered and starts T anew; false if there is nothing. */
bool pppmux_take(struct pppmux_tx *, mono_t now, struct pppmux_frame *out);

static inline mono_t
pppmux_due(const struct pppmux_tx *tx)
{
	return tx->due;
}

/* ---- receiver: RFC 3153, 1.3 ---- */

enum pppmux_fault {
	PPPMUX_OK,		/* a packet */
	PPPMUX_END,		/* the frame is used up */
	PPPMUX_TRUNCATED,	/* LEN is more than is left: the rest is dropped (1.3) */
	PPPMUX_EMPTY,		/* LEN is 0, or too short for its protocol field: the rest is dropped */
	PPPMUX_FORBIDDEN,	/* a packet that may not be in here; the next one may still be good */
};

struct pppmux_rx {
	const uint8_t *p, *end;
	uint16_t last_pid;
};

static inline void
pppmux_rx_init(struct pppmux_rx *rx, struct span frame, uint16_t default_pid)
{
	rx->p = frame.p;
	rx->end = frame.len ? frame.p + frame.len : frame.p;
	rx->last_pid = default_pid;
}

/* The next packet, in order.  `info` lies in the frame.  After TRUNCATED or EMPTY follows END. */
enum pppmux_fault pppmux_next(struct pppmux_rx *, uint16_t *proto, struct span *info);

#endif
