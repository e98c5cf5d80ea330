// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel has to know so that packets for subscribers find the TUN: the interface up with
 * its MTU, routes to the pools' ranges, to framed routes outside of them, a client's own
 * addresses, and rules for what is steered into trunks.  Worker 0 does this; all it needs is CAP_NET_ADMIN.
 *
 * Routes carry a protocol number of our own (ROUTE_PROTOCOL), so that a worker 0 that starts again
 * finds those of its predecessor and removes what nobody wants any more.
 */
#ifndef TWIN_KERNEL_H
#define TWIN_KERNEL_H

#include "base/mono.h"
#include "conf/conf.h"
#include "dp.h"

#define ROUTE_PROTOCOL 202
#define STEER_TABLE 202	     /* steering: policy rules and a table of our own */
#define STEER_PRIORITY 31000 /* of its rules: this one and the next */

struct kernel;

/* NULL: `error` says why. */
struct kernel *kernel_new(const struct conf *, char *error, size_t error_len);
void kernel_free(struct kernel *);
/* Other pools: their routes change with the next tick. */
void kernel_configure(struct kernel *, const struct conf *);
/* Makes it so: what dp and the pools want, no more and no less. */
void kernel_wanted(struct kernel *, const struct dp *);
/* The same if anything changed, ten times a second at most. */
void kernel_tick(struct kernel *, const struct dp *, mono_t now);
/* Did anything change that kernel_tick() has not looked at? */
bool kernel_behind(const struct kernel *, const struct dp *);

/* A range as prefixes, the fewest; pure.  `last` is the last address of the range.  Returns how
 * many, at most `room`. */
unsigned kernel_range(const struct ip_addr *first, const struct ip_addr *last,
		      struct ip_prefix *out, unsigned room);

#endif
