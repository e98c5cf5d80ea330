// SPDX-License-Identifier: Apache-2.0
/* What a multiplexed frame has around it, measured at one that a worker's core made for a session of that kind. */
#ifndef BENCH_TRUNK_OUTER_H
#define BENCH_TRUNK_OUTER_H

enum outer { OUTER_L2TPV2, OUTER_L2TPHC, OUTER_L2TPV3_IP };

/* IP, UDP, L2TP, and PPP up to its information.  Over L2TPv2 without PFC and ACFC, over the others with (RFC 4170, 4.1). */
unsigned outer_octets(enum outer);

#endif
