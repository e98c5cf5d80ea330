// SPDX-License-Identifier: Apache-2.0
/*
 * Packets through the sessions: UDP from each subscriber to the core host and back, numbered per
 * session and direction.  The core host's socket lives in another network namespace but in this
 * process, so that both directions are seen with one clock.
 *
 * Payload: magic(4) session(4) sequence(4) flags(4) sent-at ns(8).  Flag 1: please send this back.
 *
 * What one tick sends leaves in trains: up to TRAIN datagrams of one socket, destination and size are
 * one message that the kernel cuts (UDP_SEGMENT), as bursts leave hosts that use it and reach servers
 * whose network card joins them.  The generator costs little, and a server that can take a train as
 * one (UDP_GRO) is given the chance to.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC 0x7477696eu
#define HEAD 24
#define BATCH 64
#define READ_ROUNDS 64 /* what came is read before more is sent */
#define PENDING 256
#define PENDING_OCTETS 1600
#define TRAIN 16
#define LOOK_AHEAD (4 * TRAIN) /* for more of the same train: LACs take turns */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

bool
traffic_open(struct load *g)
{
	struct sockaddr_storage sa;
	int big = 16 << 20, home = -1, ns = -1;

	g->core_fd = -1;
	if (!g->o.core.addr.family)
		return true;
	if (g->o.core_netns) {
		home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		ns = open(g->o.core_netns, O_RDONLY | O_CLOEXEC);
		if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) {
			fprintf(stderr, "twinload: cannot enter %s: %s\n", g->o.core_netns, strerror(errno));
			return false;
		}
	}
	g->core_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (home >= 0 && setns(home, CLONE_NEWNET) < 0)
		return false;
	if (home >= 0)
		close(home);
	if (ns >= 0)
		close(ns);
	if (g->core_fd < 0)
		return false;
	setsockopt(g->core_fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
	setsockopt(g->core_fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
	socklen_t n = endpoint_to_sockaddr(&g->o.core, &sa);
	if (bind(g->core_fd, (struct sockaddr *)&sa, n) < 0) {
		fprintf(stderr, "twinload: cannot bind the core host's socket: %s\n", strerror(errno));
		return false;
	}
	return true;
}

/* ---- trains ------------------------------------------------------------------------------ */

struct pending {
	int fd;
	bool sent;
	uint16_t len;
	struct sockaddr_in to; /* all zero: where the socket is connected to */
	uint8_t b[PENDING_OCTETS];
};

static struct {
	struct pending p[PENDING];
	unsigned n;
	struct mmsghdr m[PENDING];
	struct iovec v[PENDING];
	union {
		char b[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control[PENDING];
} out;

static bool
same_train(const struct pending *a, const struct pending *b)
{
	return !b->sent && a->fd == b->fd && a->len == b->len && a->to.sin_addr.s_addr == b->to.sin_addr.s_addr;
}

/* One message from out.p[first] on; its datagrams are out.v[at..].  Returns how many it has. */
static unsigned
train(unsigned first, unsigned at, struct mmsghdr *m, struct cmsghdr *c)
{
	struct pending *p = &out.p[first];
	unsigned n = 0;

	for (unsigned i = first; i < out.n && i < first + LOOK_AHEAD && n < TRAIN; i++) {
		if (!same_train(p, &out.p[i]))
			continue;
		out.p[i].sent = true;
		out.v[at + n++] = (struct iovec){ out.p[i].b, p->len };
	}
	*m = (struct mmsghdr){ .msg_hdr = { .msg_iov = &out.v[at], .msg_iovlen = n } };
	if (p->to.sin_family) {
		m->msg_hdr.msg_name = &p->to;
		m->msg_hdr.msg_namelen = sizeof p->to;
	}
	if (n > 1) {
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof p->len);
		memcpy(CMSG_DATA(c), &p->len, sizeof p->len);
		m->msg_hdr.msg_control = c;
		m->msg_hdr.msg_controllen = CMSG_SPACE(sizeof p->len);
	}
	return n;
}

static void
send_messages(int fd, unsigned n)
{
	for (unsigned done = 0; done < n;) {
		int k = sendmmsg(fd, out.m + done, n - done, 0);
		if (k > 0)
			done += (unsigned)k;
		else if (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
			done++;
	}
}

static void
pending_send(struct load *g)
{
	unsigned at = 0, messages = 0;
	int fd = -1;

	for (unsigned i = 0; i < out.n; i++) {
		if (out.p[i].sent)
			continue;
		if (out.p[i].fd != fd)
			send_messages(fd, messages), messages = 0;
		fd = out.p[i].fd;
		at += train(i, at, &out.m[messages], &out.control[messages].align);
		messages++;
	}
	send_messages(fd, messages);
	g->t.tx += out.n;
	out.n = 0;
}

static uint8_t *
pending_add(struct load *g, int fd, const struct sockaddr_in *to, size_t len)
{
	if (out.n == PENDING)
		pending_send(g);
	struct pending *p = &out.p[out.n++];
	p->fd = fd;
	p->sent = false;
	p->len = (uint16_t)len;
	p->to = to ? *to : (struct sockaddr_in){ 0 };
	return p->b;
}

/* ---- packets ----------------------------------------------------------------------------- */

static uint32_t
sum(uint32_t so_far, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		so_far += get_u16(p + i);
	return n & 1 ? so_far + ((uint32_t)p[n - 1] << 8) : so_far;
}

static uint16_t
checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t
payload(const struct load *g)
{
	return g->o.payload < HEAD ? HEAD : g->o.payload;
}

static size_t
fill(struct load *g, uint8_t *b, struct sess *s, uint32_t seq, uint32_t flags)
{
	size_t n = payload(g);

	memset(b, 0, n);
	put_u32(b, MAGIC);
	put_u32(b + 4, (uint32_t)(s - g->sess));
	put_u32(b + 8, seq);
	put_u32(b + 12, flags);
	put_u32(b + 16, (uint32_t)((uint64_t)g->now >> 32));
	put_u32(b + 20, (uint32_t)g->now);
	return n;
}

/* A data message with 8 octets of L2TP header, as peer_send() writes it. */
static void
send_data(struct load *g, struct sess *s, const uint8_t *ip, size_t len)
{
	const struct lac *l = &g->lac[s->lac];
	uint8_t *b = pending_add(g, l->fd, NULL, 12 + len);

	put_u16(b, 0x4002); /* with Length, version 2 */
	put_u16(b + 2, (uint16_t)(12 + len));
	put_u16(b + 4, l->peer_tid);
	put_u16(b + 6, s->peer_sid);
	put_u32(b + 8, 0xff030021);
	memcpy(b + 12, ip, len);
}

static void
send_up(struct load *g, struct sess *s, uint32_t flags)
{
	uint8_t b[PENDING_OCTETS] = { 0x45 };
	size_t n = fill(g, b + 28, s, s->up_seq++, flags), total = 28 + n;

	put_u16(b + 2, (uint16_t)total);
	put_u16(b + 4, (uint16_t)s->up_seq);
	b[8] = 64;
	b[9] = 17;
	memcpy(b + 12, s->ip, 4);
	memcpy(b + 16, g->o.core.addr.b, 4);
	put_u16(b + 10, checksum(sum(0, b, 20)));
	put_u16(b + 20, 4000);
	put_u16(b + 22, g->o.core.port);
	put_u16(b + 24, (uint16_t)(8 + n));
	uint16_t check = checksum(sum(17 + 8 + (uint32_t)n, b + 12, 16 + n));
	put_u16(b + 26, check ? check : 0xffff);
	g->t.up_sent++;
	if (g->o.loss > 0)
		peer_send(g, s, 0x0021, b, total); /* which loses some */
	else
		send_data(g, s, b, total);
}

static void
send_down(struct load *g, struct sess *s, uint32_t flags)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(4000) };

	memcpy(&to.sin_addr, s->ip, 4);
	fill(g, pending_add(g, g->core_fd, &to, payload(g)), s, s->down_next++, flags);
	g->t.down_sent++;
}

/* Of one stream: did anything arrive for a while?  And of this session's share of it. */
static void
seen(mono_t now, mono_t *last, mono_t *gap, mono_t *own_last, mono_t *own_gap)
{
	if (*last && now - *last > *gap)
		*gap = now - *last;
	*last = now;
	if (*own_last && now - *own_last > *own_gap)
		*own_gap = now - *own_last;
	*own_last = now;
}

void
traffic_down_packet(struct load *g, struct sess *s, struct span ip)
{
	if (ip.len < 28 + HEAD || ip.p[0] != 0x45 || ip.p[9] != 17)
		return;
	const uint8_t *b = ip.p + 28;
	if (get_u32(b) != MAGIC)
		return;
	if (get_u32(b + 4) != (uint32_t)(s - g->sess) || memcmp(ip.p + 16, s->ip, 4) != 0) {
		g->t.bad_message++; /* somebody else's packet */
		return;
	}
	if (get_u32(b + 12) & 1)
		s->verified = true;
	g->t.down_got++;
	s->down_got++;
	seen(g->now, &g->t.down_last, &g->t.down_gap, &s->down_last, &s->down_gap);
}

void
traffic_core_readable(struct load *g)
{
	static uint8_t buf[BATCH][2048];
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];

	for (unsigned round = 0; round < READ_ROUNDS; round++) {
		for (unsigned i = 0; i < BATCH; i++) {
			v[i] = (struct iovec){ buf[i], sizeof buf[i] };
			m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
		}
		int n = recvmmsg(g->core_fd, m, BATCH, 0, NULL);
		for (int i = 0; i < n; i++) {
			const uint8_t *b = buf[i];
			if (m[i].msg_len < HEAD || get_u32(b) != MAGIC || get_u32(b + 4) >= g->sess_total)
				continue;
			struct sess *s = &g->sess[get_u32(b + 4)];
			g->t.up_got++;
			s->up_got++;
			seen(g->now, &g->t.up_last, &g->t.up_gap, &s->up_last, &s->up_gap);
			if (get_u32(b + 12) & 1)
				send_down(g, s, 1);
		}
		if (n < BATCH)
			break;
	}
	pending_send(g);
}

/* As many packets as are due at the configured rate, session after session. */
void
traffic_tick(struct load *g)
{
	if (!g->traffic || g->o.pps <= 0 || g->opened == 0)
		return;
	g->traffic_credit += (double)(g->now - g->traffic_since) / 1e9 * g->o.pps;
	g->traffic_since = g->now;
	if (g->traffic_credit > g->o.pps / 500 + 1)
		g->traffic_credit = g->o.pps / 500 + 1; /* a late generator does not burst: 2 ms worth */
	uint32_t look = g->sess_total + (uint32_t)(g->o.pps / 500);
	for (uint32_t looked = 0; g->traffic_credit >= 1 && looked < look; looked++) {
		struct sess *s = &g->sess[g->traffic_at];
		g->traffic_at = (g->traffic_at + 1) % g->sess_total;
		if (s->state != S_OPEN)
			continue;
		if (g->o.up)
			send_up(g, s, 0);
		if (g->o.down && g->core_fd >= 0)
			send_down(g, s, 0);
		g->traffic_credit -= 1;
	}
	pending_send(g);
	for (unsigned i = 0; i < g->o.lacs; i++)
		lac_flush(g, &g->lac[i]);
}

#define VERIFY_SLICE 128 /* packets at a time: a burst through every session at once is lost in anybody's socket */

/*
 * A slice of the open sessions that have not answered yet, one packet each; it must come back.  False: that was the
 * last slice of a round.
 */
bool
traffic_verify_slice(struct load *g)
{
	static uint32_t at;
	uint32_t sent = 0;

	for (; at < g->sess_total && sent < VERIFY_SLICE; at++) {
		struct sess *s = &g->sess[at];
		if (s->state != S_OPEN || s->verified)
			continue;
		send_up(g, s, 1);
		sent++;
	}
	pending_send(g);
	for (unsigned i = 0; i < g->o.lacs; i++)
		lac_flush(g, &g->lac[i]);
	if (at < g->sess_total)
		return true;
	at = 0;
	return false;
}

/* From here on gaps, losses and caught calls are counted anew. */
void
traffic_mark(struct load *g)
{
	g->t_marked = g->now;
	g->t.up_gap = g->t.down_gap = 0;
	g->t.up_last = g->t.down_last = g->now;
	g->t.up_sent = g->t.up_got = g->t.down_sent = g->t.down_got = 0;
	g->t.caught = g->t.caught_open = 0;
	for (uint32_t i = 0; i < g->sess_total; i++) {
		struct sess *s = &g->sess[i];
		s->up_gap = s->down_gap = 0;
		s->caught = s->state >= S_WAIT_ICRP && s->state < S_OPEN;
		g->t.caught += s->caught;
		s->verified = false;
	}
}
