// SPDX-License-Identifier: Apache-2.0
/*
 * The lease as a page of memory: RUN/lease, written by the elector, mapped by whoever sends.
 *
 * Renewing a lease tells nobody anything new, a hundred times a second; so it wakes nobody either.  What is
 * news (a role, an epoch, a lease again after a lapse) goes over the bus as well (role.proto).
 *
 * One writer.  Readers need no lock: `until` is 0 while the rest changes, and no two leases end alike.
 */
#ifndef TWIN_BUS_LEASE_H
#define TWIN_BUS_LEASE_H

#include <stdint.h>

#include "base/mono.h"

struct lease_page;

/*
 * The elector's: made if need be, and empty.  NULL with errno: ENOTSUP where the run directory is on a disk; there is no
 * page then, and each renewal is told over the bus.
 */
struct lease_page *lease_create(const char *run_dir);
/* Everybody else's.  NULL: there is none (yet). */
struct lease_page *lease_open(const char *run_dir);
void lease_close(struct lease_page *); /* NULL is fine */

/* until 0: no lease. */
void lease_write(struct lease_page *, uint64_t epoch, mono_t until);
/* Until when its holder may send under this epoch; 0: not at all. */
mono_t lease_read(const struct lease_page *, uint64_t epoch);

/*
 * A promotion is under way on this node, or has just been: what has arrived for whoever does not know its role yet may wait a
 * moment, at most until then.  0: none is.  It allows nobody to send anything.
 */
void lease_coming(struct lease_page *, mono_t until);
mono_t lease_coming_read(const struct lease_page *);

#endif
