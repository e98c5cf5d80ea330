// SPDX-License-Identifier: Apache-2.0
/* What a frame has around it, measured at one that a worker's core made for a session of that kind. */
#ifndef BENCH_TRUNK_OUTER_H
#define BENCH_TRUNK_OUTER_H

enum outer { OUTER_L2TPV2 };

/* IP, UDP, L2TP, and PPP up to its information. */
unsigned outer_octets(enum outer);

#endif
