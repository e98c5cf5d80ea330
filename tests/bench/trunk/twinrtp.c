// SPDX-License-Identifier: Apache-2.0
/*
 * Voice at rates that no script reaches, and how long it was under way.
 *
 *     twinrtp send DEV MAC FLOWS PPS SECONDS [CORES]     a packet of each flow in turn, PPS of them a second in all
 *     twinrtp listen DEV PACKETS SECONDS                 until so many came, or so long
 *
 * With CORES, each of the first so many cores has a thread of its own, with its share of the flows: what is due and cannot be
 * sent is sent as fast as the cores have time, and not at all when SECONDS are over.
 *
 * G.729: 20 octets, of which eight are the time of sending; IPv4, UDP with checksum, EF; flow n is 192.0.2.(1 + n % 250)
 * to 198.51.100.(1 + n % 250), ports 16384 + 2n.  Packets are put on the wire of DEV for MAC as they are, so that this
 * end costs little.  What is due is looked at every 100 us.
 *
 * Each prints a line of JSON: sent, refused, seconds, and cpu, the seconds of a core that it took; or got, and p50, p99, most: microseconds from the call that sent a
 * packet to its arrival at DEV, as the kernel noted it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
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
enum { FLOWS_MAX = 16384, CORES_MAX = 8, US_MAX = 2000000 };
#define LATE 10000000u /* ns: sending ends so long after its time at most */

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

/* Every step-th flow from `first` on, on a core of its own. */
struct sender {
	int fd, core; /* -1: any core */
	unsigned flows, first, step, at;
	double pps, seconds;
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
		s->at += s->step;
		if (s->at >= s->flows)
			s->at = s->first;
	}
	done = sendmmsg(s->fd, s->m, n, 0);
	s->sent += done > 0 ? (unsigned)done : 0;
	s->refused += n - (done > 0 ? (unsigned)done : 0);
}

static void
rest(uint64_t *next, uint64_t now)
{
	*next += 100000;
	if (*next < now) /* behind: what is due has grown anyway */
		*next = now + 20000;
	const struct timespec until = { (time_t)(*next / 1000000000u), (long)(*next % 1000000000u) };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void *
send_all(void *arg)
{
	struct sender *s = arg;
	const uint64_t all = (uint64_t)(s->pps * s->seconds), began = clock_of(CLOCK_MONOTONIC);
	const uint64_t end = began + (uint64_t)(s->seconds * 1e9) + LATE;
	uint64_t now, due, next = began;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(s->core < 0 ? 0 : s->core, &one);
	if (s->core >= 0 && sched_setaffinity(0, sizeof one, &one) < 0)
		fail("a core of its own");
	while (s->sent + s->refused < all && (now = clock_of(CLOCK_MONOTONIC)) < end) {
		due = (uint64_t)((double)(now - began) * s->pps / 1e9);
		due = (due < all ? due : all) - s->sent - s->refused;
		if (due)
			send_some(s, due < BATCH ? (unsigned)due : BATCH);
		if (due <= BATCH)
			rest(&next, now);
	}
	return NULL;
}

static void
sender_init(struct sender *s, const char *dev, const uint8_t mac[6])
{
	int one = 1;

	s->fd = open_on(dev, 0);
	s->at = s->first;
	setsockopt(s->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	for (unsigned i = 0; i < BATCH; i++) {
		memcpy(s->packet[i], mac, 6);
		put_u16(s->packet[i] + 12, ETHERTYPE_IP);
		s->iov[i] = (struct iovec){ s->packet[i], WHOLE };
		s->m[i].msg_hdr = (struct msghdr){ .msg_iov = &s->iov[i], .msg_iovlen = 1 };
	}
	for (unsigned i = 0; i < s->flows; i++)
		s->flow[i] = (struct flow){ (uint32_t)random(), (uint16_t)random(), (uint16_t)random() };
}

static int
sender(const char *dev, const char *to, unsigned flows, double pps, double seconds, unsigned cores)
{
	static struct sender s[CORES_MAX];
	const unsigned n = cores ? cores : 1;
	const uint64_t began = clock_of(CLOCK_MONOTONIC);
	pthread_t thread[CORES_MAX];
	uint64_t sent = 0, refused = 0;
	unsigned m[6];
	uint8_t mac[6];

	if (flows < n || flows > FLOWS_MAX || n > CORES_MAX ||
	    sscanf(to, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
		fail("flows, cores, or a MAC address");
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)m[i];
	for (unsigned i = 0; i < n; i++) {
		s[i].core = cores ? (int)i : -1;
		s[i].flows = flows;
		s[i].first = i;
		s[i].step = n;
		s[i].pps = pps / n;
		s[i].seconds = seconds;
		sender_init(&s[i], dev, mac);
		if (pthread_create(&thread[i], NULL, send_all, &s[i]))
			fail("thread");
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(thread[i], NULL);
		sent += s[i].sent;
		refused += s[i].refused;
	}
	printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"cpu\":%.3f}\n", (unsigned long long)sent, (unsigned long long)refused,
	       (double)(clock_of(CLOCK_MONOTONIC) - began) / 1e9, (double)clock_of(CLOCK_PROCESS_CPUTIME_ID) / 1e9);
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
	if ((argc == 7 || argc == 8) && strcmp(argv[1], "send") == 0)
		return sender(argv[2], argv[3], (unsigned)atoi(argv[4]), atof(argv[5]), atof(argv[6]), argc == 8 ? (unsigned)atoi(argv[7]) : 0);
	if (argc == 5 && strcmp(argv[1], "listen") == 0)
		return listener(argv[2], strtoull(argv[3], NULL, 10), atof(argv[4]));
	fprintf(stderr, "usage: twinrtp send DEV MAC FLOWS PPS SECONDS [CORES] | listen DEV PACKETS SECONDS\n");
	return 2;
}
