// SPDX-License-Identifier: Apache-2.0
/*
 * Raw sockets: L2TPv3 straight over IP (RFC 3931, 4.1.1) and L2TPHC.  There are none unless the
 * configuration names their IP protocols.
 *
 * A packet is copied to every worker's socket, and each one's filter (steer.c) lets it take what is its
 * own.  The filters know the peers of L2TPHC, so they are made anew when those change; a worker that
 * gets what is a sibling's, since a filter was not yet or its table full, drops it (dp_up_ip): the
 * sibling has its own copy.
 */
#include <errno.h>

#include "base/log.h"
#include "l2tp/l2tp3.h"
#include "steer.h"
#include "worker.h"

#define ROUNDS 4 /* batches before others have their turn */

int
ip_socket(const struct worker *w, uint8_t ip_protocol, unsigned l)
{
	for (unsigned i = 0; i < w->fds.ip_protocols; i++) {
		if (w->conf->data.ip_protocol[i] == ip_protocol)
			return w->fds.ip[i][l][w->id];
	}
	return -1;
}

/* Each protocol's callback has its own argument, so that nothing is looked up per packet. */
static void
on_ip(struct worker *w, int fd, unsigned i)
{
	for (unsigned k = 0; k < ROUNDS && !worker_paused(w); k++) {
		if (udp_receive(w, fd, 0, w->conf->data.ip_protocol[i]) < UDP_RX)
			return;
	}
	w->rest.more = true;
}

static void
on_first(void *arg, int fd, unsigned events)
{
	on_ip(arg, fd, 0);
}

static void
on_second(void *arg, int fd, unsigned events)
{
	on_ip(arg, fd, 1);
}

bool
ip_watch(struct worker *w, bool on)
{
	for (unsigned i = 0; i < w->fds.ip_protocols; i++) {
		for (unsigned l = 0; l < w->fds.listens; l++) {
			struct loop_fd **f = &w->ip.watch[i][l];
			if (!*f && !(*f = loop_fd_add(w->loop, w->fds.ip[i][l][w->id], LOOP_READ,
						      i ? on_second : on_first, w)))
				return false;
			loop_fd_change(*f, on ? LOOP_READ : 0);
		}
	}
	return true;
}

void
ip_stop(struct worker *w)
{
	for (unsigned i = 0; i < CONF_IP_PROTOCOLS; i++) {
		for (unsigned l = 0; l < 2; l++)
			loop_fd_remove(w->ip.watch[i][l]);
	}
}

static void
filter(struct worker *w, unsigned i, unsigned l)
{
	struct dp_pair pair[DP_PAIRS];
	const uint8_t protocol = w->conf->data.ip_protocol[i];
	const bool v6 = w->conf->data.listen[l].addr.family == 6;
	const struct steer_ip s = { .v6 = v6,
				    .l2tp3 = protocol == L2TP3_IP_PROTOCOL,
				    .worker = w->id,
				    .workers = w->fds.workers,
				    .pair = pair,
				    .pairs = dp_pairs(w->dp, protocol, v6, pair) };

	if (!fds_filter(w->fds.ip[i][l][w->id], &s))
		log_line(NOTE_WARN, "filter of a raw socket refused protocol=%u peers=%u error=%s", protocol, s.pairs,
			 strerror(errno));
}

void
ip_steer(struct worker *w)
{
	const uint64_t version = dp_pairs_version(w->dp);

	if (version == w->ip.steered)
		return;
	w->ip.steered = version;
	for (unsigned i = 0; i < w->fds.ip_protocols; i++) {
		for (unsigned l = 0; l < w->fds.listens; l++)
			filter(w, i, l);
	}
}
