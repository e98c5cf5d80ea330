// SPDX-License-Identifier: Apache-2.0
/*
 * Which worker reads a datagram: control by tunnel id, data by session id, modulo the number of
 * workers (docs/decisions/0005-shared-sockets.md).  The same sum twice: as a classic BPF program
 * for the kernel's SO_REUSEPORT group, and as dp_steer() for ourselves and the tests.
 *
 * What comes straight over IP has no group: every worker's raw socket gets a copy, and a filter of
 * its own lets it take what is the worker's: control and data of L2TPv3 as above (its ids have 32
 * bits, the lower 16 count); from a peer of L2TPHC, which need not name a session, what the table of
 * such peers says.  dp_steer_ip() is the same sum.
 */
#ifndef TWIN_STEER_H
#define TWIN_STEER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "dp.h"

#define STEER_MAX 20

/* Writes the program; returns its length in instructions. */
unsigned steer_program(unsigned workers, struct sock_filter out[STEER_MAX]);

#define STEER_IP_MAX (24 + 9 * DP_PAIRS)

/*
 * The filter of one worker's raw socket, IPv4's or IPv6's.  `l2tp3`: packets of others are L2TPv3's;
 * else they are nobody's, and the first worker counts them.
 */
struct steer_ip {
	bool v6, l2tp3;
	unsigned worker, workers;
	const struct dp_pair *pair;
	unsigned pairs; /* more than DP_PAIRS: every worker takes everything */
};
unsigned steer_ip_program(const struct steer_ip *, struct sock_filter out[STEER_IP_MAX]);

#endif
