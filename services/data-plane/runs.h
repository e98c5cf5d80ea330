// SPDX-License-Identifier: Apache-2.0
/*
 * Datagrams of one size for one peer go as one message, which the kernel or the network card cuts
 * (UDP_SEGMENT).  Here they are brought next to each other.  Pure.
 *
 * What one session, or the control connection of one tunnel, gets stays in its order; datagrams of
 * different sessions may pass each other, as they may in any network.
 */
#ifndef TWIN_RUNS_H
#define TWIN_RUNS_H

#include "dp.h"

#define TX_MAX DP_FRAMES

/* One datagram to be sent. */
struct tx {
	const uint8_t *p;
	uint32_t len;
	uint8_t tos;
	uint8_t ip_protocol; /* 0: over UDP; else straight over IP */
	const struct dp_ends *ends;
};

/* n <= TX_MAX. */
void runs_sort(struct tx *t, unsigned n);

#endif
