// SPDX-License-Identifier: Apache-2.0
/*
 * Packets through the sessions: UDP from each subscriber to the core host and back, numbered per
 * session and direction.  The core host's socket lives in another network namespace but in this
 * process, so that both directions are seen with one clock.
 *
 * Payload: magic(4) session(4) sequence(4) flags(4) sent-at ns(8).  Flag 1: please send this back.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC 0x7477696eu
#define HEAD 24
#define BATCH 64

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

static uint16_t
checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t
fill(struct load *g, uint8_t *b, struct sess *s, uint32_t seq, uint32_t flags)
{
	size_t n = g->o.payload < HEAD ? HEAD : g->o.payload;

	memset(b, 0, n);
	put_u32(b, MAGIC);
	put_u32(b + 4, (uint32_t)(s - g->sess));
	put_u32(b + 8, seq);
	put_u32(b + 12, flags);
	put_u32(b + 16, (uint32_t)((uint64_t)g->now >> 32));
	put_u32(b + 20, (uint32_t)g->now);
	return n;
}

static void
send_up(struct load *g, struct sess *s, uint32_t flags)
{
	uint8_t b[2048] = { 0x45 };
	size_t n = fill(g, b + 28, s, s->up_seq++, flags), total = 28 + n;

	put_u16(b + 2, (uint16_t)total);
	put_u16(b + 4, (uint16_t)s->up_seq);
	b[8] = 64;
	b[9] = 17;
	memcpy(b + 12, s->ip, 4);
	memcpy(b + 16, g->o.core.addr.b, 4);
	put_u16(b + 10, checksum(b, 20));
	put_u16(b + 20, 4000);
	put_u16(b + 22, g->o.core.port);
	put_u16(b + 24, (uint16_t)(8 + n));
	peer_send(g, s, 0x0021, b, total);
	g->t.up_sent++;
}

static void
send_down(struct load *g, struct sess *s, uint32_t flags)
{
	uint8_t b[2048];
	size_t n = fill(g, b, s, s->down_next++, flags);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(4000) };

	memcpy(&to.sin_addr, s->ip, 4);
	if (sendto(g->core_fd, b, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) == (ssize_t)n)
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

	for (unsigned round = 0; round < 8; round++) {
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
}

/* As many packets as are due at the configured rate, session after session. */
void
traffic_tick(struct load *g)
{
	if (!g->traffic || g->o.pps <= 0 || g->opened == 0)
		return;
	g->traffic_credit += (double)(g->now - g->traffic_since) / 1e9 * g->o.pps;
	g->traffic_since = g->now;
	if (g->traffic_credit > g->o.pps / 20 + 1)
		g->traffic_credit = g->o.pps / 20 + 1; /* a late generator does not burst */
	for (uint32_t looked = 0; g->traffic_credit >= 1 && looked < g->sess_total; looked++) {
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
	for (unsigned i = 0; i < g->o.lacs; i++)
		lac_flush(g, &g->lac[i]);
}

/* One packet through every open session that has not answered yet; it must come back. */
void
traffic_verify_round(struct load *g)
{
	for (uint32_t i = 0; i < g->sess_total; i++) {
		struct sess *s = &g->sess[i];
		if (s->state != S_OPEN || s->verified)
			continue;
		send_up(g, s, 1);
	}
	for (unsigned i = 0; i < g->o.lacs; i++)
		lac_flush(g, &g->lac[i]);
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
