// SPDX-License-Identifier: Apache-2.0
/*
 * IP packets of the core side.  The kernel's header (struct virtio_net_hdr) stands right before a
 * packet in both directions, so that a packet is one read and one write.
 *
 * Read: large packets that the kernel did not cut (TSO, USO) are cut here: one read then brings
 * forty packets, which all go out as one UDP_SEGMENT message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gso.h"
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
	for (unsigned i = 0; i < ROUNDS && !worker_paused(arg); i++) {
		if (!read_batch(arg, fd))
			return;
	}
}

void
tun_write(struct worker *w, uint8_t *p, uint32_t len)
{
	memset(p - HEADER, 0, HEADER);
	/* Not write(): with threads about (ZeroMQ's), libc makes it a cancellation point, twice 20
	 * ns a packet. */
	if (syscall(SYS_write, w->fds.tun[w->id], p - HEADER, HEADER + len) < 0)
		worker_drop(w, DP_DROP_TUN_WRITE, 1);
}

void
tun_write_made(struct worker *w)
{
	const struct dp_out *out = dp_out(w->dp);

	/* They lie in the core's own octets, with DP_HEADROOM before them. */
	for (unsigned i = 0; i < out->packets; i++)
		tun_write(w, (uint8_t *)(uintptr_t)out->packet[i].p, (uint32_t)out->packet[i].len);
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
