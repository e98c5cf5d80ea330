// SPDX-License-Identifier: Apache-2.0
/* What bus.c and command.c share; nobody else includes it. */
#ifndef TWIN_BUS_IMPL_H
#define TWIN_BUS_IMPL_H

#include "bus/bus.h"

struct bus_sock {
	struct bus *bus;
	void *zmq;	     /* NULL: closed */
	bool router, latest; /* latest: of what waits, only the last is delivered */
	bool look;	     /* its descriptor said something, or a send may have swallowed that */
	bus_fn *fn;
	void *arg;
	struct loop_fd *fd;

	void *monitor;
	struct loop_fd *monitor_fd;
	bus_link_fn *link;
	void *link_arg;

	void (*fini)(struct bus_sock *); /* of what `arg` owns, when the struct goes away */
	unsigned held; /* by answers not yet sent: the struct outlives its closing */
	struct bus_counts counts;
	struct bus_sock *next;
};

struct bus_sock *bus_sock_open(struct bus *, int type, bus_fn *fn, void *arg);
struct bus_sock *bus_sock_bind(struct bus_sock *, const char *endpoint);
int bus_endpoint(const struct bus *, const char *name, char out[160]);
/* Several frames as they are, among them empty ones. */
bool bus_send_raw(struct bus_sock *, const struct span *frames, unsigned n);

#endif
