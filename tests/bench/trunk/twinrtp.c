// SPDX-License-Identifier: Apache-2.0
/*
 * Voice at rates that no script reaches, and how long it was under way.
 *
 *     twinrtp send DEV MAC FLOWS PPS SECONDS     a packet of each flow in turn, PPS of them a second in all
 *     twinrtp listen DEV PACKETS SECONDS         until so many came, or so long
 *
 * G.729: 20 octets, of which eight are the time of sending; IPv4, UDP with checksum, EF; flow n is 192.0.2.(1 + n % 250)
 * to 198.51.100.(1 + n % 250), ports 16384 + 2n.  Packets are put on the wire of DEV for MAC as they are, so that this
 * end costs little.  What is due is looked at every 100 us.
 *
 * Each prints a line of JSON: sent, refused, seconds; or got, and p50, p99, most: microseconds from the call that sent a
 * packet to its arrival at DEV, as the kernel noted it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crtp/sum.h"
#include "wire/wire.h"

enum { BATCH = 64, HEAD = 14, IP = 20, UDP = 8, RTP = 12, VOICE = 20, WHOLE = HEAD + IP + UDP + RTP + VOICE, PORT = 16384 };
enum { FLOWS_MAX = 16384, US_MAX = 2000000 };

struct flow {
	uint32_t ts;
	uint16_t seq, id;
};

static void
fail(const char *what)
{
	fprintf(stderr, "twinrtp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int
open_on(const char *dev, uint16_t proto)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(proto) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(proto)), size = 1 << 26;

	at.sll_ifindex = (int)if_nametoindex(dev);
	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
		fail(dev);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	return fd;
}

/* ---- sending ----------------------------------------------------------------------------------- */

static void
write_packet(uint8_t *p, struct flow *f, unsigned n, uint64_t stamp)
{
	uint8_t *ip = p + HEAD, *udp = ip + IP, *rtp = udp + UDP;
	uint16_t sum;

	f->seq++;
	f->id++;
	f->ts += 160;
	memset(ip, 0, IP);
	ip[0] = 0x45;
	ip[1] = 0xb8;
	put_u16(ip + 2, WHOLE - HEAD);
	put_u16(ip + 4, f->id);
	ip[8] = 64;
	ip[9] = 17;
	put_u32(ip + 12, 0xc0000201 + n % 250);
	put_u32(ip + 16, 0xc6336401 + n % 250);
	sum = (uint16_t)~sum_fold(sum_octets(0, ip, IP));
	memcpy(ip + 10, &sum, 2);
	put_u16(udp, (uint16_t)(PORT + 2 * n));
	put_u16(udp + 2, (uint16_t)(PORT + 2 * n));
	put_u16(udp + 4, UDP + RTP + VOICE);
	put_u16(udp + 6, 0);
	put_u16(rtp, 0x8012);
	put_u16(rtp + 2, f->seq);
	put_u32(rtp + 4, f->ts);
	put_u32(rtp + 8, 0x1234567 * (n + 1));
	memcpy(rtp + RTP, &stamp, 8);
	memset(rtp + RTP + 8, (int)f->seq, VOICE - 8);
	sum = (uint16_t)~sum_fold(sum_octets((uint64_t)lay16(17) + lay16(UDP + RTP + VOICE), ip + 12, WHOLE - HEAD - 12));
	sum = sum ? sum : 0xffff;
	memcpy(udp + 6, &sum, 2);
}

struct sender {
	int fd;
	unsigned flows, at;
	uint64_t sent, refused;
	struct flow flow[FLOWS_MAX];
	uint8_t packet[BATCH][128];
	struct iovec iov[BATCH];
	struct mmsghdr m[BATCH];
};

static void
send_some(struct sender *s, unsigned n)
{
	const uint64_t stamp = clock_of(CLOCK_REALTIME);
	int done;

	for (unsigned i = 0; i < n; i++) {
		write_packet(s->packet[i], &s->flow[s->at], s->at, stamp);
		s->at = (s->at + 1) % s->flows;
	}
	done = sendmmsg(s->fd, s->m, n, 0);
	s->sent += done > 0 ? (unsigned)done : 0;
	s->refused += n - (done > 0 ? (unsigned)done : 0);
}

static int
sender(const char *dev, const char *mac, unsigned flows, double pps, double seconds)
{
	static struct sender s;
	unsigned m[6];
	uint8_t to[6];
	uint64_t began, now, due, all = (uint64_t)(pps * seconds), next;
	int one = 1;

	if (flows == 0 || flows > FLOWS_MAX || sscanf(mac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
		fail("flows, or a MAC address");
	s.fd = open_on(dev, 0);
	s.flows = flows;
	setsockopt(s.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	for (unsigned i = 0; i < 6; i++)
		to[i] = (uint8_t)m[i];
	for (unsigned i = 0; i < BATCH; i++) {
		memcpy(s.packet[i], to, 6);
		put_u16(s.packet[i] + 12, ETHERTYPE_IP);
		s.iov[i] = (struct iovec){ s.packet[i], WHOLE };
		s.m[i].msg_hdr = (struct msghdr){ .msg_iov = &s.iov[i], .msg_iovlen = 1 };
	}
	for (unsigned i = 0; i < flows; i++)
		s.flow[i] = (struct flow){ (uint32_t)random(), (uint16_t)random(), (uint16_t)random() };
	began = next = clock_of(CLOCK_MONOTONIC);
	while (s.sent + s.refused < all) {
		now = clock_of(CLOCK_MONOTONIC);
		due = (uint64_t)((double)(now - began) * pps / 1e9);
		for (due = due < all ? due : all; s.sent + s.refused < due;) {
			const uint64_t left = due - s.sent - s.refused;
			send_some(&s, left < BATCH ? (unsigned)left : BATCH);
		}
		next += 100000;
		if (next < now) /* behind: what is due has grown anyway */
			next = now + 20000;
		struct timespec until = { (time_t)(next / 1000000000u), (long)(next % 1000000000u) };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.3f}\n", (unsigned long long)s.sent, (unsigned long long)s.refused,
	       (double)(clock_of(CLOCK_MONOTONIC) - began) / 1e9);
	return 0;
}

/* ---- listening --------------------------------------------------------------------------------- */

static uint32_t waited[US_MAX + 1];

static bool
is_voice(const uint8_t *p, ssize_t n)
{
	return n >= WHOLE && get_u16(p + 12) == ETHERTYPE_IP && p[HEAD + 9] == 17 && get_u32(p + HEAD + 16) >> 8 == 0xc63364 &&
	       get_u16(p + HEAD + IP + 2) >= PORT;
}

/* When the kernel had it; 0: it does not say. */
static uint64_t
arrived(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			struct timespec t;
			memcpy(&t, CMSG_DATA(c), sizeof t);
			return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
		}
	}
	return 0;
}

static unsigned
of_all(uint64_t got, double part)
{
	uint64_t seen = 0;

	for (unsigned us = 0; us <= US_MAX; us++) {
		seen += waited[us];
		if ((double)seen >= (double)got * part)
			return us;
	}
	return US_MAX;
}

static int
listener(const char *dev, uint64_t packets, double seconds)
{
	const uint64_t end = clock_of(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
	struct timeval wait = { 0, 100000 };
	uint64_t got = 0, stamp, when;
	int one = 1, fd = open_on(dev, ETH_P_IP);

	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	printf("{\"listening\":true}\n");
	fflush(stdout);
	while (got < packets && clock_of(CLOCK_MONOTONIC) < end) {
		uint8_t p[256], control[256];
		struct iovec iov = { p, sizeof p };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
		ssize_t n = recvmsg(fd, &m, 0);
		if (n < 0 || !is_voice(p, n) || !(when = arrived(&m)))
			continue;
		memcpy(&stamp, p + HEAD + IP + UDP + RTP, 8);
		stamp = when > stamp ? (when - stamp) / 1000 : 0;
		waited[stamp < US_MAX ? stamp : US_MAX]++;
		got++;
	}
	printf("{\"got\":%llu,\"p50\":%u,\"p99\":%u,\"most\":%u}\n", (unsigned long long)got, of_all(got, 0.5), of_all(got, 0.99),
	       of_all(got, 1));
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 7 && strcmp(argv[1], "send") == 0)
		return sender(argv[2], argv[3], (unsigned)atoi(argv[4]), atof(argv[5]), atof(argv[6]));
	if (argc == 5 && strcmp(argv[1], "listen") == 0)
		return listener(argv[2], strtoull(argv[3], NULL, 10), atof(argv[4]));
	fprintf(stderr, "usage: twinrtp send DEV MAC FLOWS PPS SECONDS | listen DEV PACKETS SECONDS\n");
	return 2;
}
