// SPDX-License-Identifier: Apache-2.0
/*
 * Datagrams, and packets straight over IP (shell_ip.c).  Received in batches, several of one peer in one buffer where the kernel joined them
 * (UDP_GRO); sent in batches, runs of equal size for one peer as one message that the kernel or the
 * network card cuts (UDP_SEGMENT).
 *
 * The kernel joins by addresses and ports, and all sessions of a tunnel have the same: so what we
 * get may hold other workers' sessions.  That is harmless for all but sequenced ones, which are
 * handed over.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define RX UDP_RX
#define RX_OCTETS 65536u
#define ROUNDS 4	/* batches before others have their turn */
#define SEGMENTS_MAX 64 /* the kernel's bound on a message cut by it */
#define SEGMENTS_OCTETS 65000u

union rx_control {
	char b[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

union tx_control {
	char b[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +
	       CMSG_SPACE(sizeof(uint16_t))];
	struct cmsghdr align;
};

struct udp_io {
	struct loop_fd *watch[2];
	struct mmsghdr rx[RX];
	struct iovec rx_iov[RX];
	struct sockaddr_in6 from[RX];
	union rx_control rx_control[RX];
	struct dp_ends ends[RX];
	uint8_t *buffer; /* RX times ROOM + RX_OCTETS */

	struct mmsghdr tx[TX_MAX];
	struct iovec tx_iov[TX_MAX];
	struct sockaddr_in6 to[TX_MAX];
	union tx_control tx_control[TX_MAX];
	struct tx *tx_first[TX_MAX];
	unsigned tx_count[TX_MAX];
	uint32_t segment_max; /* larger ones are not put together: the kernel refused them */
	mono_t segment_retry;
};

/* ---- in ---------------------------------------------------------------------------------- */

static void
mapped(struct dp_addr *out, const void *v4)
{
	out->w[0] = 0;
	memset(out->b + 8, 0, 2);
	memset(out->b + 10, 0xff, 2);
	memcpy(out->b + 12, v4, 4);
}

static bool
is_v4(const struct dp_addr *a)
{
	static const uint8_t map[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, map, 12) == 0;
}

/* Who sent it, to which of our addresses, how marked, and cut how. */
static void
control_read(struct msghdr *m, uint16_t port, struct dp_ends *ends, uint8_t *tos, uint32_t *segment)
{
	const struct sockaddr_in6 *sa = m->msg_name;
	int value;

	*tos = 0;
	*segment = 0;
	memset(&ends->local, 0, sizeof ends->local);
	ends->local_port = port;
	ends->peer_port = ntohs(sa->sin6_port); /* the same place in both families */
	if (sa->sin6_family == AF_INET)
		mapped(&ends->peer, &((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	else
		memcpy(ends->peer.b, &sa->sin6_addr, 16);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			mapped(&ends->local,
			       &((struct in_pktinfo *)(void *)CMSG_DATA(c))->ipi_addr);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			memcpy(ends->local.b,
			       &((struct in6_pktinfo *)(void *)CMSG_DATA(c))->ipi6_addr, 16);
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			*tos = *CMSG_DATA(c);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&value, CMSG_DATA(c), sizeof value);
			*tos = (uint8_t)value;
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&value, CMSG_DATA(c), sizeof value);
			*segment = value > 0 ? (uint32_t)value : 0;
		}
	}
}

struct gather {
	struct dp_datagram d[DP_BATCH];
	unsigned n;
	uint64_t refused;
};

static void
gather(struct worker *w, mono_t now, bool may, struct gather *g, uint8_t *p, uint32_t len,
       uint8_t tos, const struct dp_ends *ends)
{
	if (!may) {
		g->refused++;
		return;
	}
	g->d[g->n++] = (struct dp_datagram){ p, len, tos, ends };
	if (g->n == DP_BATCH) {
		worker_up(w, now, g->d, g->n);
		g->n = 0;
	}
}

/* From a raw socket: there are no ports, and IPv4's header is still in front of the rest. */
static void
over_ip(struct dp_ends *ends, uint8_t **p, uint32_t *len)
{
	uint32_t head = is_v4(&ends->peer) && *len ? ((*p)[0] & 15u) * 4 : 0;

	ends->local_port = ends->peer_port = 0;
	head = head < *len ? head : *len;
	*p += head;
	*len -= head;
}

/*
 * The first octets of a datagram inside a joined buffer are preceded by the one before it: judged
 * and written to the TUN in order, so that its head room is free by then.
 */
unsigned
udp_receive(struct worker *w, int fd, uint16_t port, uint8_t ip_protocol)
{
	struct udp_io *io = w->udp;
	struct gather g = { .n = 0 };
	mono_t now;
	bool may;
	int n;

	for (unsigned i = 0; i < RX; i++) {
		io->rx[i].msg_hdr.msg_namelen = sizeof io->from[i];
		io->rx[i].msg_hdr.msg_controllen = sizeof io->rx_control[i];
	}
	n = recvmmsg(fd, io->rx, RX, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	may = worker_may_send(w, &now);
	for (int i = 0; i < n; i++) {
		uint8_t *p = io->rx_iov[i].iov_base, tos;
		uint32_t left = io->rx[i].msg_len, segment;
		control_read(&io->rx[i].msg_hdr, port, &io->ends[i], &tos, &segment);
		io->ends[i].ip_protocol = ip_protocol;
		if (ip_protocol)
			over_ip(&io->ends[i], &p, &left);
		if (segment == 0 || segment > left)
			segment = left;
		do {
			uint32_t len = left < segment ? left : segment;
			gather(w, now, may, &g, p, len, tos, &io->ends[i]);
			p += len;
			left -= len;
		} while (left);
	}
	if (g.n)
		worker_up(w, now, g.d, g.n);
	worker_drop(w, DP_DROP_NOT_ACTIVE, g.refused);
	return (unsigned)n;
}

static void
on_udp(void *arg, int fd, unsigned events)
{
	struct worker *w = arg;
	unsigned l = w->fds.listens > 1 && fd == w->fds.udp[1][w->id];

	for (unsigned i = 0; i < ROUNDS && !worker_paused(w); i++) {
		if (udp_receive(w, fd, w->conf->data.listen[l].port, 0) < UDP_RX)
			return;
	}
	w->rest.more = true;
}

/* ---- out --------------------------------------------------------------------------------- */

static struct cmsghdr *
control_add(struct msghdr *m, size_t *used, int level, int type, const void *v, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)((char *)m->msg_control + *used);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), v, len);
	*used += CMSG_SPACE(len);
	return c;
}

static void
address_write(struct msghdr *m, struct sockaddr_in6 *to, size_t *used, const struct tx *t)
{
	const in_port_t port = t->ip_protocol ? 0 : htons(t->ends->peer_port);

	if (is_v4(&t->ends->peer)) {
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)to;
		struct in_pktinfo info = { 0 };
		*in = (struct sockaddr_in){ .sin_family = AF_INET,
					    .sin_port = port };
		memcpy(&in->sin_addr, t->ends->peer.b + 12, 4);
		memcpy(&info.ipi_spec_dst, t->ends->local.b + 12, 4);
		m->msg_namelen = sizeof *in;
		if (info.ipi_spec_dst.s_addr)
			control_add(m, used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
		return;
	}
	struct in6_pktinfo info = { 0 };
	*to = (struct sockaddr_in6){ .sin6_family = AF_INET6,
				     .sin6_port = port };
	memcpy(&to->sin6_addr, t->ends->peer.b, 16);
	memcpy(&info.ipi6_addr, t->ends->local.b, 16);
	m->msg_namelen = sizeof *to;
	if (t->ends->local.w[0] | t->ends->local.w[1])
		control_add(m, used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

/* One message of `count` datagrams from t[0] on; its octets are in iov[0..count). */
static void
message_write(struct udp_io *io, unsigned at, struct tx *t, unsigned count, struct iovec *iov)
{
	struct msghdr *m = &io->tx[at].msg_hdr;
	size_t used = 0;
	int tos = t->tos;

	*m = (struct msghdr){ .msg_name = &io->to[at],
			      .msg_iov = iov,
			      .msg_iovlen = count,
			      .msg_control = &io->tx_control[at] };
	address_write(m, &io->to[at], &used, t);
	if (tos)
		control_add(m, &used, is_v4(&t->ends->peer) ? IPPROTO_IP : IPPROTO_IPV6,
			    is_v4(&t->ends->peer) ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
	if (count > 1) {
		uint16_t size = (uint16_t)t->len;
		control_add(m, &used, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
	}
	m->msg_controllen = used;
	if (used == 0)
		m->msg_control = NULL;
	io->tx_first[at] = t;
	io->tx_count[at] = count;
}

/* How many from t[0] on may go as one message: equal in size but for a shorter last one. */
static unsigned
run_length(const struct udp_io *io, const struct tx *t, unsigned n)
{
	uint32_t octets = t->len;
	unsigned i = 1;

	if (t->len > io->segment_max || t->len == 0 || t->ip_protocol)
		return 1;
	while (i < n && i < SEGMENTS_MAX && t[i].ends == t->ends && t[i].tos == t->tos &&
	       !t[i].ip_protocol && t[i].len <= t->len && octets + t[i].len <= SEGMENTS_OCTETS) {
		octets += t[i].len;
		i++;
		if (t[i - 1].len < t->len)
			break;
	}
	return i;
}

static int
socket_for(const struct worker *w, const struct tx *t)
{
	unsigned family = is_v4(&t->ends->peer) ? 4 : 6;

	for (unsigned l = 0; l < w->fds.listens; l++) {
		if (w->conf->data.listen[l].addr.family == family)
			return t->ip_protocol ? ip_socket(w, t->ip_protocol, l) : w->fds.udp[l][w->id];
	}
	return -1;
}

/* With outer_df: the path is smaller than what we sent.  Ask the kernel how small. */
static void
path_learn(struct worker *w, const struct tx *t, uint16_t tunnel)
{
	struct endpoint e = { dp_addr_ip(&t->ends->peer), t->ends->peer_port ? t->ends->peer_port : 1701 };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&e, &sa), size = sizeof(int);
	bool v4 = e.addr.family == 4;
	int mtu = 0, fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const unsigned around = dp_around(w->dp, tunnel);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) == 0 &&
	    getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &size) ==
		0 &&
	    mtu > (int)around)
		dp_path_mtu(w->dp, tunnel, (unsigned)mtu - around);
	if (fd >= 0)
		close(fd);
}

static uint16_t
tunnel_of(const struct worker *w, const struct dp_ends *ends)
{
	const struct dp_out *out = dp_out(w->dp);

	for (unsigned i = 0; i < out->frames; i++) {
		if (dp_ends_of(w->dp, out->frame[i].tunnel) == ends)
			return out->frame[i].tunnel;
	}
	return 0;
}

/* A message that the kernel would not cut goes datagram by datagram, and larger ones do from now
 * on. */
static void
send_singly(struct worker *w, int fd, struct tx *t, unsigned count)
{
	struct udp_io *io = w->udp;

	for (unsigned i = 0; i < count; i++) {
		struct iovec iov = { (void *)(uintptr_t)t[i].p, t[i].len };
		message_write(io, 0, &t[i], 1, &iov);
		if (sendmsg(fd, &io->tx[0].msg_hdr, MSG_DONTWAIT) >= 0)
			continue;
		worker_drop(w, DP_DROP_UDP_SEND, 1);
		if (errno == EMSGSIZE && w->conf->data.outer_df) {
			uint16_t tunnel = tunnel_of(w, t[i].ends);
			if (tunnel)
				path_learn(w, &t[i], tunnel);
		}
	}
}

static void
send_refused(struct worker *w, int fd, unsigned at, int error)
{
	struct udp_io *io = w->udp;
	struct tx *t = io->tx_first[at];
	unsigned count = io->tx_count[at];

	if (error == EAGAIN || error == ENOBUFS || (count == 1 && error != EMSGSIZE)) {
		worker_drop(w, DP_DROP_UDP_SEND, count);
		return;
	}
	if (count > 1 && t->len > 0) {
		io->segment_max = t->len - 1;
		io->segment_retry = loop_now(w->loop) + 60 * MONO_S;
	}
	struct mmsghdr keep = io->tx[0]; /* send_singly uses the first place */
	send_singly(w, fd, t, count);
	io->tx[0] = keep;
}

static void
send_all(struct worker *w, int fd, unsigned n)
{
	struct udp_io *io = w->udp;
	unsigned at = 0;

	while (at < n) {
		int sent = sendmmsg(fd, io->tx + at, n - at, MSG_DONTWAIT);
		if (sent > 0) {
			at += (unsigned)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		send_refused(w, fd, at, errno);
		at++;
	}
}

void
udp_send(struct worker *w, struct tx *t, unsigned n)
{
	struct udp_io *io = w->udp;
	unsigned at = 0, messages = 0;
	int fd = -1;

	runs_sort(t, n);
	if (io->segment_max < RX_OCTETS && loop_now(w->loop) >= io->segment_retry)
		io->segment_max = RX_OCTETS;
	while (at < n) {
		unsigned count = run_length(io, &t[at], n - at);
		int to = socket_for(w, &t[at]);
		if (messages && to != fd) {
			send_all(w, fd, messages);
			messages = 0;
		}
		fd = to;
		for (unsigned i = at; i < at + count; i++)
			io->tx_iov[i] = (struct iovec){ (void *)(uintptr_t)t[i].p, t[i].len };
		if (fd < 0)
			worker_drop(w, DP_DROP_UDP_SEND, count);
		else
			message_write(io, messages++, &t[at], count, &io->tx_iov[at]);
		at += count;
	}
	if (messages)
		send_all(w, fd, messages);
}

void
udp_send_frames(struct worker *w)
{
	const struct dp_out *out = dp_out(w->dp);
	struct tx t[TX_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < out->frames; i++) {
		const struct dp_ends *ends = dp_ends_of(w->dp, out->frame[i].tunnel);
		if (ends)
			t[n++] = (struct tx){ out->frame[i].p, out->frame[i].len, out->frame[i].tos,
					      out->frame[i].ip_protocol, ends };
	}
	if (n)
		udp_send(w, t, n);
}

/* ---- start and stop ---------------------------------------------------------------------- */

bool
udp_start(struct worker *w)
{
	struct udp_io *io = calloc(1, sizeof *io);

	w->udp = io;
	if (!io || !(io->buffer = malloc(RX * (size_t)(ROOM + RX_OCTETS))))
		return false;
	io->segment_max = RX_OCTETS;
	for (unsigned i = 0; i < RX; i++) {
		io->rx_iov[i] =
		    (struct iovec){ io->buffer + i * (size_t)(ROOM + RX_OCTETS) + ROOM, RX_OCTETS };
		io->rx[i].msg_hdr = (struct msghdr){ .msg_name = &io->from[i],
						     .msg_iov = &io->rx_iov[i],
						     .msg_iovlen = 1,
						     .msg_control = &io->rx_control[i] };
	}
	return true;
}

bool
udp_watch(struct worker *w, bool on)
{
	for (unsigned l = 0; l < w->fds.listens; l++) {
		struct loop_fd **f = &w->udp->watch[l];
		if (!*f && !(*f = loop_fd_add(w->loop, w->fds.udp[l][w->id], LOOP_READ, on_udp, w)))
			return false;
		loop_fd_change(*f, on ? LOOP_READ : 0);
	}
	return true;
}

void
udp_stop(struct worker *w)
{
	if (!w->udp)
		return;
	for (unsigned l = 0; l < 2; l++)
		loop_fd_remove(w->udp->watch[l]);
	free(w->udp->buffer);
	free(w->udp);
	w->udp = NULL;
}
