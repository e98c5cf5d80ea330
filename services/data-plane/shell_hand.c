// SPDX-License-Identifier: Apache-2.0
/*
 * Packets handed from worker to worker: those of sequenced sessions that came in at another than
 * the one that owns their numbers.  A socket pair a worker, which all workers hold: what is in it
 * survives the reader's death.  Both ends are this same program, so the head is a plain struct.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "worker.h"

#define HAND_MAX (DP_PACKET_MAX + 1u)
#define BATCH 64

struct hand_head {
	uint32_t kind;
	uint16_t tunnel, session;
	struct dp_ends ends;
	uint8_t tos;
};

void
hand_over(struct worker *w, unsigned to, unsigned kind, uint16_t tunnel, uint16_t session,
	  uint8_t tos, const struct dp_ends *ends, struct span octets)
{
	struct hand_head h;
	struct iovec iov[2] = { { &h, sizeof h }, { (void *)(uintptr_t)octets.p, octets.len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	memset(&h, 0, sizeof h);
	h.kind = kind;
	h.tunnel = tunnel;
	h.session = session;
	h.tos = tos;
	if (ends)
		h.ends = *ends;
	if (to >= w->fds.workers || to == w->id ||
	    sendmsg(w->fds.hand_out[to], &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		worker_drop(w, DP_DROP_HAND_FULL, 1);
		return;
	}
	dp_counts(w->dp)[DP_COUNT_HANDED_OUT]++;
}

static void
take(struct worker *w, mono_t now, const struct hand_head *h, uint8_t *p, uint32_t len)
{
	dp_counts(w->dp)[DP_COUNT_HANDED_IN]++;
	switch (h->kind) {
	case HAND_UP:
		worker_up(w, now, &(struct dp_datagram){ p, len, h->tos, &h->ends }, 1);
		break;
	case HAND_DOWN:
		worker_down(w, now, &(struct dp_packet){ p, len }, 1);
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
