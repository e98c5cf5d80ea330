// SPDX-License-Identifier: Apache-2.0
/*
 * What a packet costs on its way through one worker, in process: no socket, no TUN, the same tables
 * and code.
 *
 *     bench_forward [--sessions N] [--payload OCTETS] [--packets N] [--only up|down] [--ns]
 * [--instructions]
 *
 * Each batch is written afresh into the same 64 buffers (a socket's read would do so) outside of
 * the measured time; its sessions are drawn at random over all.  Prints the median of nine rounds:
 *
 *     figure forward.worker.ns.up 55 ns
 *
 *     figure forward.worker.instructions.up 200 instructions
 *
 * For the latter it starts itself again under callgrind, which counts inside dp_up or dp_down
 * alone.  --ns or
 * --instructions: only that one.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../unit/data-plane/fixture.h"

#define STRIDE 2048
#define ROUNDS 9

struct bench {
	struct dp *dp;
	unsigned sessions, payload, packets;
	struct dp_ends *ends; /* of each tunnel */
	uint32_t *addr;	      /* of each session, in network order */
	uint64_t random;
	uint8_t *buffers;
};

#define TUNNELS 16
#define BEFORE 64 /* room before a packet */

static uint64_t
random_next(struct bench *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

static uint16_t
session_id(unsigned i)
{
	return (uint16_t)(i / TUNNELS + 1);
}

static void
populate(struct bench *b)
{
	char text[ADDR_TEXT];

	for (unsigned t = 0; t < TUNNELS; t++) {
		snprintf(text, sizeof text, "203.0.113.%u", t + 1);
		fx_tunnel(b->dp, (uint16_t)(t + 1), (uint16_t)(t + 100), text, false);
		b->ends[t] = fx_ends(text);
	}
	for (unsigned i = 0; i < b->sessions; i++) {
		uint16_t t = (uint16_t)(i % TUNNELS + 1), s = session_id(i);
		snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
		fx_call(b->dp, t, s, s, CALL_PLAIN);
		fx_sub(b->dp, t, s, (struct fx_sub){ .v4 = text, .mtu = 1492 });
		struct ip_addr a = fx_ip(text);
		memcpy(&b->addr[i], a.b, 4);
	}
}

static void
header_sum(uint8_t *ip)
{
	store16(ip + 10, 0);
	store16(ip + 10, (uint16_t)~sum_fold(sum_add(0, ip, 20)));
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "bench_forward: %s\n", what);
	exit(1);
}

static double
round_up(struct bench *b, const uint8_t *packet, uint32_t len)
{
	struct dp_datagram in[DP_BATCH];
	struct dp_verdict v[DP_BATCH];
	double spent = 0;

	for (unsigned done = 0; done < b->packets; done += DP_BATCH) {
		for (unsigned k = 0; k < DP_BATCH; k++) {
			unsigned i = (unsigned)(random_next(b) % b->sessions), t = i % TUNNELS;
			uint8_t *p = b->buffers + k * STRIDE + BEFORE;
			uint32_t head = fx_l2tp(p, 0, (uint16_t)(t + 1), session_id(i), 0, 0, 0);
			put_u32(p + head, 0xff030021);
			memcpy(p + head + 4, packet, len);
			memcpy(p + head + 4 + 12, &b->addr[i], 4);
			header_sum(p + head + 4);
			in[k] = (struct dp_datagram){ p, head + 4 + len, 0, &b->ends[t] };
		}
		double start = seconds();
		dp_up(b->dp, NOW, in, DP_BATCH, v);
		spent += seconds() - start;
		for (unsigned k = 0; k < DP_BATCH; k++) {
			if (v[k].act != DP_FORWARD)
				fail(dp_drop_info[v[k].reason].name);
		}
	}
	return spent / b->packets * 1e9;
}

static double
round_down(struct bench *b, const uint8_t *packet, uint32_t len)
{
	struct dp_packet in[DP_BATCH];
	struct dp_verdict v[DP_BATCH];
	double spent = 0;

	for (unsigned done = 0; done < b->packets; done += DP_BATCH) {
		for (unsigned k = 0; k < DP_BATCH; k++) {
			uint8_t *p = b->buffers + k * STRIDE + BEFORE;
			memcpy(p, packet, len);
			memcpy(p + 16, &b->addr[random_next(b) % b->sessions], 4);
			header_sum(p);
			in[k] = (struct dp_packet){ p, len };
		}
		double start = seconds();
		dp_down(b->dp, NOW, in, DP_BATCH, v);
		spent += seconds() - start;
		if (dp_out(b->dp)->frames != DP_BATCH)
			fail("a packet got no frame");
	}
	return spent / b->packets * 1e9;
}

static int
by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(struct bench *b, const char *way, double (*one)(struct bench *, const uint8_t *, uint32_t))
{
	uint8_t packet[STRIDE];
	bool up = strcmp(way, "up") == 0;
	uint32_t len = fx_ip4(packet, up ? "10.0.0.1" : "198.51.100.1",
			      up ? "198.51.100.1" : "10.0.0.1", IP_UDP, 8 + b->payload);
	double ns[ROUNDS];

	one(b, packet, len);
	for (unsigned i = 0; i < ROUNDS; i++)
		ns[i] = one(b, packet, len);
	qsort(ns, ROUNDS, sizeof ns[0], by_size);
	printf("figure forward.worker.ns.%s %.1f ns\n", way, ns[ROUNDS / 2]);
}

/* Runs ourselves under callgrind; "Collected : N" of its last words, divided by the packets. */
static void
instructions(const char *self, const char *way, unsigned sessions, unsigned payload)
{
	const unsigned packets = 64 * DP_BATCH;
	char command[1024], line[512];
	unsigned long long collected = 0;
	FILE *f;

	snprintf(
	    command, sizeof command,
	    "valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=dp_%s '%s' "
	    "--once --only %s --sessions %u --payload %u --packets %u 2>&1",
	    way, self, way, sessions, payload, packets);
	f = popen(command, "r");
	if (!f)
		fail("cannot start valgrind");
	while (fgets(line, sizeof line, f)) {
		const char *at = strstr(line, "Collected :");
		if (at)
			collected = strtoull(at + strlen("Collected :"), NULL, 10);
	}
	if (pclose(f) != 0 || collected == 0)
		fail("callgrind counted nothing (is valgrind installed?)");
	printf("figure forward.worker.instructions.%s %.1f instructions\n", way,
	       (double)collected / packets);
}

int
main(int argc, char **argv)
{
	struct bench b = { .sessions = 10000,
			   .payload = 64,
			   .packets = 200 * DP_BATCH * 10,
			   .random = 88172645463325252u };
	bool count_them = false, time_them = false, once = false, up = true, down = true;
	struct conf *conf = fx_conf();

	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--instructions") == 0)
			count_them = true;
		else if (strcmp(argv[i], "--ns") == 0)
			time_them = true;
		else if (strcmp(argv[i], "--once") == 0)
			once = true;
		else if (strcmp(argv[i], "--sessions") == 0 && i++)
			b.sessions = (unsigned)strtoul(next, NULL, 10);
		else if (strcmp(argv[i], "--payload") == 0 && i++)
			b.payload = (unsigned)strtoul(next, NULL, 10);
		else if (strcmp(argv[i], "--packets") == 0 && i++)
			b.packets = (unsigned)strtoul(next, NULL, 10);
		else if (strcmp(argv[i], "--only") == 0 && i++)
			up = !(down = strcmp(next, "down") == 0);
		else
			fail("usage: bench_forward [--sessions N] [--payload OCTETS] [--packets N] "
			     "[--only up|down] [--ns] [--instructions]");
	}
	if (b.sessions == 0 || b.sessions > 1000000 || b.payload > STRIDE - 256 ||
	    b.packets < DP_BATCH)
		fail("sessions 1..1000000, payload at most 1792 octets, packets 64 or more");
	b.packets -= b.packets % DP_BATCH;
	b.dp = fx_dp(conf, 0);
	b.ends = calloc(TUNNELS, sizeof *b.ends);
	b.addr = calloc(b.sessions, sizeof *b.addr);
	b.buffers = aligned_alloc(64, DP_BATCH * STRIDE);
	if (!b.dp || !b.ends || !b.addr || !b.buffers)
		fail("no memory");
	populate(&b);
	if (once) {
		uint8_t packet[STRIDE];
		uint32_t len = fx_ip4(packet, "10.0.0.1", "198.51.100.1", IP_UDP, 8 + b.payload);
		(up ? round_up : round_down)(&b, packet, len);
	}
	if (!once && (time_them || !count_them)) {
		if (up)
			measure(&b, "up", round_up);
		if (down)
			measure(&b, "down", round_down);
	}
	if (!once && (count_them || !time_them)) {
		fflush(stdout);
		if (up)
			instructions(argv[0], "up", b.sessions, b.payload);
		if (down)
			instructions(argv[0], "down", b.sessions, b.payload);
	}
	dp_free(b.dp);
	free(conf);
	free(b.ends);
	free(b.addr);
	free(b.buffers);
	return 0;
}
