// SPDX-License-Identifier: Apache-2.0
/*
 * The sockets and TUN queues of all workers, held by every worker
 * (docs/decisions/0005-shared-sockets.md).
 *
 * Every worker holds all descriptors and reads only its own, so that a worker's death closes
 * nothing: its packets wait in its socket, and nobody else's steering changes.  A worker that
 * starts asks its siblings at RUN/worker.K.fds; where none lives it makes them all.
 * RUN/workers.lock keeps two from doing so at once.
 */
#ifndef TWIN_FDS_H
#define TWIN_FDS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define FDS_WORKERS 48
#define FDS_EACH (2 + 2 * CONF_IP_PROTOCOLS + 4) /* descriptors of a worker, at most */
#define FDS_ERROR 256

struct fds {
	unsigned workers, listens, ip_protocols;
	int udp[2][FDS_WORKERS];
	int ip[CONF_IP_PROTOCOLS][2][FDS_WORKERS]; /* raw sockets: of each IP protocol, as udp[] */
	int tun[FDS_WORKERS];
	int tun_apart[FDS_WORKERS]; /* a queue out of service: written to, never read (shell_tun.c) */
	int hand_in[FDS_WORKERS];  /* read by its worker: packets that siblings hand over */
	int hand_out[FDS_WORKERS]; /* written by its siblings */
	bool made;		   /* we made them */
	int listener, lock;
};

/* Takes from a sibling or makes.  False: `error` says why. */
bool fds_open(struct fds *, const struct conf *, unsigned worker, char error[FDS_ERROR]);
/* Gives all of them to whoever has connected to the listener; never blocks. */
void fds_serve(struct fds *, const struct conf *);
void fds_close(struct fds *);
/* Which packets a raw socket takes, from now on. */
struct steer_ip;
bool fds_filter(int fd, const struct steer_ip *);

#endif
