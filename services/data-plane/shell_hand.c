// SPDX-License-Identifier: Apache-2.0
/*
 * Packets handed from worker to worker: those of sequenced sessions and of trunks that came in at another than
 * the one that owns their numbers, or contexts.  A socket pair a worker, which all workers hold: what is in it
 * survives the reader's death.  Both ends are this same program, so the head is a plain struct.
 *
 *	HAND_UP, HAND_INJECT	head | datagram, or frame
 *	HAND_DOWN		head | gap with its length | packet | gap | packet ...	all of a batch that go to one sibling
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "worker.h"

#define GAP DP_HEADROOM /* before each packet: its length, and room for what its owner puts there */
#define HAND_MAX (GAP + DP_PACKET_MAX + 1u)
#define BATCH 64

struct hand_head {
	uint32_t kind;
	uint16_t tunnel, session;
	struct dp_ends ends;
	uint8_t tos;
};

static bool
leave(struct worker *w, unsigned to, struct iovec *iov, unsigned n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

	return to < w->fds.workers && to != w->id &&
	       sendmsg(w->fds.hand_out[to], &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void
note(struct worker *w, bool left, unsigned packets)
{
	if (left)
		dp_counts(w->dp)[DP_COUNT_HANDED_OUT] += packets;
	else
		worker_drop(w, DP_DROP_HAND_FULL, packets);
}

void
hand_over(struct worker *w, unsigned to, unsigned kind, uint16_t tunnel, uint16_t session,
	  uint8_t tos, const struct dp_ends *ends, struct span octets)
{
	struct hand_head h;
	struct iovec iov[2] = { { &h, sizeof h }, { (void *)(uintptr_t)octets.p, octets.len } };

	memset(&h, 0, sizeof h);
	h.kind = kind;
	h.tunnel = tunnel;
	h.session = session;
	h.tos = tos;
	if (ends)
		h.ends = *ends;
	note(w, leave(w, to, iov, 2), 1);
}

/* From the first one on: those for its worker, as many as fit into a message.  They are marked as gone. */
static void
hand_bundle(struct worker *w, struct dp_verdict *v, unsigned n)
{
	static uint8_t gap[DP_BATCH][GAP];
	struct hand_head h;
	struct iovec iov[1 + 2 * DP_BATCH] = { { &h, sizeof h } };
	const unsigned to = v[0].worker;
	unsigned packets = 0;
	uint32_t octets = 0;

	memset(&h, 0, sizeof h);
	h.kind = HAND_DOWN;
	for (unsigned i = 0; i < n; i++) {
		if (v[i].act != DP_HAND || v[i].worker != to)
			continue;
		octets += GAP + v[i].len;
		if (octets > HAND_MAX)
			break; /* and what is behind it, too: order is kept */
		memcpy(gap[packets], &v[i].len, sizeof v[i].len);
		iov[1 + 2 * packets] = (struct iovec){ gap[packets], GAP };
		iov[2 + 2 * packets] = (struct iovec){ v[i].p, v[i].len };
		v[i].act = DP_TAKEN;
		packets++;
	}
	note(w, leave(w, to, iov, 1 + 2 * packets), packets);
}

void
hand_down(struct worker *w, struct dp_verdict *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		while (v[i].act == DP_HAND)
			hand_bundle(w, v + i, n - i);
	}
}

static void
take_down(struct worker *w, mono_t now, uint8_t *p, uint32_t left)
{
	struct dp_packet in[DP_BATCH];
	uint32_t len;
	unsigned n = 0;

	for (; left > GAP && n < DP_BATCH; p += len, left -= len) {
		memcpy(&len, p, sizeof len);
		p += GAP;
		left -= GAP;
		if (len > left)
			break;
		in[n++] = (struct dp_packet){ p, len };
	}
	dp_counts(w->dp)[DP_COUNT_HANDED_IN] += n;
	if (n)
		worker_down(w, now, in, n);
}

static void
take(struct worker *w, mono_t now, const struct hand_head *h, uint8_t *p, uint32_t len)
{
	dp_counts(w->dp)[DP_COUNT_HANDED_IN] += h->kind != HAND_DOWN;
	switch (h->kind) {
	case HAND_UP:
		worker_up(w, now, &(struct dp_datagram){ p, len, h->tos, &h->ends }, 1);
		break;
	case HAND_DOWN:
		take_down(w, now, p, len);
		break;
	case HAND_INJECT:
		dp_out_reset(w->dp);
		worker_inject(w, h->tunnel, h->session, span_of(p, len));
		udp_send_frames(w);
		break;
	}
}

static void
on_hand(void *arg, int fd, unsigned events)
{
	static uint8_t buffer[ROOM + HAND_MAX];
	struct worker *w = arg;
	mono_t now;
	bool may;

	if (worker_paused(w))
		return;
	may = worker_may_send(w, &now);
	for (unsigned i = 0; i < BATCH; i++) {
		struct hand_head h;
		struct iovec iov[2] = { { &h, sizeof h }, { buffer + ROOM, HAND_MAX } };
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
		ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
		if (n < 0)
			return;
		if (n <= (ssize_t)sizeof h)
			continue;
		if (may)
			take(w, now, &h, buffer + ROOM, (uint32_t)((size_t)n - sizeof h));
		else
			worker_drop(w, DP_DROP_NOT_ACTIVE, 1);
	}
}

bool
hand_watch(struct worker *w, bool on)
{
	if (!w->hand && !(w->hand = loop_fd_add(w->loop, w->fds.hand_in[w->id], LOOP_READ, on_hand, w)))
		return false;
	loop_fd_change(w->hand, on ? LOOP_READ : 0);
	return true;
}
