// SPDX-License-Identifier: Apache-2.0
/*
 * IP packets of the core side.  The kernel's header (struct virtio_net_hdr) stands right before a
 * packet in both directions, so that a packet is one read and one write.
 *
 * Read: large packets that the kernel did not cut (TSO, USO) are cut here: one read then brings
 * forty packets, which all go out as one UDP_SEGMENT message.  Written: a flow's packets that came in
 * one batch are put together the same way (join.h).
 *
 * Order.  The kernel sorts packets into the TUN's queues by a hash of addresses and ports that is the
 * same for both directions of a flow; but a queue that is written to becomes the queue of that flow, until
 * nothing was written for three seconds.  So a subscriber's packets come to the worker that has the session,
 * and its packets move there when it first speaks, and away when it falls silent.  A trunk's packets must not:
 * those of one flow are compressed in the order in which they come to its worker, and one that was read
 * by another and handed over would be overtaken.  So what came in a trunk, and what we make ourselves, is written
 * through a queue that is out of service (IFF_DETACH_QUEUE), of which the kernel keeps no such note: a
 * trunk's flow stays in the queue of its hash.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gso.h"
#include "ip.h"
#include "worker.h"

#define READS 64
#define ROUNDS 4
#define HEADER sizeof(struct virtio_net_hdr)

struct tun_io {
	struct loop_fd *watch;
	struct dp_packet ready[DP_BATCH];
	unsigned n;
	uint8_t *in;  /* what was read, packed one behind the other */
	uint8_t *cut; /* parts of large packets */
	size_t in_used, cut_used;
	uint64_t refused;
	bool udp_apart, tcp_apart; /* this kernel takes no joined packets of these */
};

static void
flush(struct worker *w, mono_t now)
{
	struct tun_io *io = w->tun;

	if (io->n)
		worker_down(w, now, io->ready, io->n);
	io->n = 0;
	io->cut_used = 0;
}

static void
push(struct worker *w, mono_t now, uint8_t *p, uint32_t len)
{
	struct tun_io *io = w->tun;

	io->ready[io->n++] = (struct dp_packet){ p, len };
	if (io->n == DP_BATCH)
		flush(w, now);
}

static void
push_parts(struct worker *w, mono_t now, struct gso *g)
{
	struct tun_io *io = w->tun;
	uint32_t len;

	while ((len = gso_next_len(g)) > 0) {
		if (io->cut_used + ROOM + len > TUN_ARENA)
			flush(w, now);
		uint8_t *p = io->cut + io->cut_used + ROOM;
		gso_next(g, p);
		io->cut_used += (ROOM + len + 63) & ~(size_t)63;
		push(w, now, p, len);
	}
}

/* Reads one packet.  False: there is none. */
static bool
read_one(struct worker *w, int fd, mono_t now, bool may)
{
	struct tun_io *io = w->tun;
	uint8_t *p = io->in + io->in_used + ROOM;
	struct virtio_net_hdr h;
	struct gso g;
	ssize_t n = syscall(SYS_read, fd, p - HEADER, HEADER + DP_PACKET_MAX);

	if (n < 0)
		return errno == EINTR;
	if (!may || n <= (ssize_t)HEADER) {
		io->refused += !may;
		return n > 0;
	}
	memcpy(&h, p - HEADER, HEADER);
	io->in_used += (ROOM + (size_t)n + 63) & ~(size_t)63;
	if (!gso_open(&g, &h, p, (uint32_t)n - (uint32_t)HEADER)) {
		worker_drop(w, DP_DROP_GSO, 1);
		return true;
	}
	if (g.kind == GSO_WHOLE)
		push(w, now, p, (uint32_t)n - (uint32_t)HEADER);
	else
		push_parts(w, now, &g);
	return true;
}

/* The packets read stay where they are until they are sent; then their room is free again. */
static bool
read_batch(struct worker *w, int fd)
{
	struct tun_io *io = w->tun;
	mono_t now;
	bool may = worker_may_send(w, &now), more = true;

	io->in_used = 0;
	for (unsigned i = 0; i < READS && more; i++) {
		if (io->in_used + ROOM + DP_PACKET_MAX + ROOM > TUN_ARENA)
			break;
		more = read_one(w, fd, now, may);
	}
	flush(w, now);
	worker_drop(w, DP_DROP_NOT_ACTIVE, io->refused);
	io->refused = 0;
	return more;
}

static void
on_tun(void *arg, int fd, unsigned events)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < ROUNDS && !worker_paused(w); i++) {
		if (!read_batch(w, fd))
			return;
	}
	w->rest.more = true;
}

static int
queue(const struct worker *w, bool apart)
{
	return apart ? w->fds.tun_apart[w->id] : w->fds.tun[w->id];
}

/* ROOM octets before `p` may be written. */
static void
write_one(struct worker *w, int fd, uint8_t *p, uint32_t len)
{
	memset(p - HEADER, 0, HEADER);
	/* Not write(): with threads about (ZeroMQ's), libc makes it a cancellation point, twice 20
	 * ns a packet. */
	if (syscall(SYS_write, fd, p - HEADER, HEADER + len) < 0)
		worker_drop(w, DP_DROP_TUN_WRITE, 1);
}

/*
 * One write for a group.  A kernel that does not know this kind of description (UDP: before 6.2)
 * refuses it with EINVAL; then each packet is written by itself, and for good.
 */
static bool
write_joined(struct worker *w, const struct join *j, const struct join_group *g,
	     const struct join_packet *in)
{
	struct {
		struct virtio_net_hdr h;
		uint8_t head[JOIN_HEAD];
	} start;
	struct iovec iov[1 + JOIN_BATCH];
	unsigned n = 0;

	_Static_assert(offsetof(__typeof__(start), head) == HEADER, "the headers follow at once");
	join_head(g, in, &start.h, start.head);
	iov[n++] = (struct iovec){ &start, HEADER + g->head };
	for (unsigned i = g->first, k = 0; k < g->count; i = j->next[i], k++)
		iov[n++] = (struct iovec){ in[i].p + g->head, in[i].len - g->head };
	if (syscall(SYS_writev, queue(w, in[g->first].apart), iov, n) >= 0)
		return true;
	if (errno != EINVAL) {
		worker_drop(w, DP_DROP_TUN_WRITE, g->count);
		return true;
	}
	if (start.h.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4)
		w->tun->udp_apart = true;
	else
		w->tun->tcp_apart = true;
	return false;
}

/* Our header stands elsewhere: what is before these packets may be others' that are not written yet. */
static void
write_apart(struct worker *w, const struct join *j, const struct join_group *g,
	    const struct join_packet *in)
{
	struct virtio_net_hdr none = { 0 };

	for (unsigned i = g->first, k = 0; k < g->count; i = j->next[i], k++) {
		struct iovec iov[2] = { { &none, HEADER }, { in[i].p, in[i].len } };
		if (syscall(SYS_writev, queue(w, in[i].apart), iov, 2) < 0)
			worker_drop(w, DP_DROP_TUN_WRITE, 1);
	}
}

static bool
singly(const struct tun_io *io, const struct join_group *g, const struct join_packet *in)
{
	const uint8_t *p = in[g->first].p;

	return g->count == 1 ||
	       ((p[0] >> 4 == 4 ? p[9] : p[6]) == IP_UDP ? io->udp_apart : io->tcp_apart);
}

/*
 * A packet's header of ours overwrites what stands before it: in a buffer of joined datagrams the
 * tail of the one before, which was written by then, since groups go in the order of their first
 * packets.
 */
void
tun_write_all(struct worker *w, const struct join_packet *in, unsigned n)
{
	struct join j;

	join_sort(&j, in, n);
	for (unsigned k = 0; k < j.groups; k++) {
		const struct join_group *g = &j.group[k];
		if (!singly(w->tun, g, in) && write_joined(w, &j, g, in))
			continue;
		if (g->count == 1)
			write_one(w, queue(w, in[g->first].apart), in[g->first].p, in[g->first].len);
		else
			write_apart(w, &j, g, in);
	}
}

void
tun_write_made(struct worker *w)
{
	const struct dp_out *out = dp_out(w->dp);

	/* They lie in the core's own octets, with DP_HEADROOM before them. */
	for (unsigned i = 0; i < out->packets; i++)
		write_one(w, queue(w, true), (uint8_t *)(uintptr_t)out->packet[i].p, (uint32_t)out->packet[i].len);
}

bool
tun_start(struct worker *w)
{
	struct tun_io *io = calloc(1, sizeof *io);

	w->tun = io;
	return io && (io->in = malloc(TUN_ARENA)) && (io->cut = malloc(TUN_ARENA));
}

bool
tun_watch(struct worker *w, bool on)
{
	struct loop_fd **f = &w->tun->watch;

	if (!*f && !(*f = loop_fd_add(w->loop, w->fds.tun[w->id], LOOP_READ, on_tun, w)))
		return false;
	loop_fd_change(*f, on ? LOOP_READ : 0);
	return true;
}

void
tun_stop(struct worker *w)
{
	if (!w->tun)
		return;
	loop_fd_remove(w->tun->watch);
	free(w->tun->in);
	free(w->tun->cut);
	free(w->tun);
	w->tun = NULL;
}
