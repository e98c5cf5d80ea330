// SPDX-License-Identifier: Apache-2.0
/*
 * What header compression costs and saves, in process: G.729 voice, 20 octets each 20 ms, UDP
 * checksum present.
 *
 *     bench_crtp [--contexts N]... [--packets N] [--ns | --instructions | --header | --memory]
 *
 *     figure crtp.compress.ns.1000 41 ns
 *     figure crtp.compress.instructions.1000 210 instructions
 *     figure crtp.context 256 octets
 *     figure crtp.header.constant 4.1 octets
 *
 * Packets are written afresh outside of the measured time, one of each flow in each round.  `ns` takes the flows in the
 * order of a real trunk: a call keeps its place in the 20 ms, and that has nothing to do with when its context was
 * opened; so the order is drawn once, and no two neighbours in time are neighbours in memory.  `shuffled` draws it anew
 * for each round, which no calls do: what caches cost at worst.  Time goes on as if each flow spoke every 20 ms,
 * so refreshes come as they would.  Nanoseconds are CPU time, the median of nine rounds, in which all numbers of contexts
 * have their turn, with the caches asked ahead for each batch of 64 as a worker asks; instructions are counted by
 * callgrind, which this program starts over itself.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crtp/crtp.h"
#include "crtp/sum.h"

enum {
	BATCH = 64,
	STRIDE = 384,
	ROOM = CRTP_HEADROOM,
	HEADERS = 40,
	VOICE = 20,
	ROUNDS = 9,
	CONTEXTS_MAX = 16
};

struct voice {
	uint32_t source, ssrc, ts;
	uint16_t id, seq;
};

struct bench {
	struct crtp_comp *comp;
	struct crtp_dec *dec;
	struct voice *flows;
	uint32_t *order;
	unsigned contexts, at;
	bool random_id, anew; /* anew: another order in each round */
	uint64_t random;
	mono_t now;
	uint8_t *buffers;
	struct crtp_pkt pkt[BATCH];
};

static uint64_t
random_next(struct bench *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

static void
write_packet(struct bench *b, struct voice *v, uint8_t *p)
{
	uint16_t sum;

	v->seq++;
	v->ts += 160;
	v->id = b->random_id ? (uint16_t)random_next(b) : (uint16_t)(v->id + 1);
	memset(p, 0, HEADERS);
	p[0] = 0x45;
	p[1] = 0xb8;
	put_u16(p + 2, HEADERS + VOICE);
	put_u16(p + 4, v->id);
	p[8] = 63;
	p[9] = 17;
	put_u32(p + 12, v->source);
	put_u32(p + 16, 0xc0a80001);
	sum = (uint16_t)~sum_fold(sum_octets(0, p, 20));
	memcpy(p + 10, &sum, 2);
	put_u16(p + 20, 16384);
	put_u16(p + 22, 16386);
	put_u16(p + 24, HEADERS + VOICE - 20);
	p[28] = 0x80;
	p[29] = 18;
	put_u16(p + 30, v->seq);
	put_u32(p + 32, v->ts);
	put_u32(p + 36, v->ssrc);
	for (unsigned i = 0; i < VOICE; i++)
		p[HEADERS + i] = (uint8_t)(v->seq * 7 + i);
	sum = (uint16_t)~sum_fold(sum_octets((uint64_t)lay16(17) + lay16(HEADERS + VOICE - 20),
					     p + 12, HEADERS + VOICE - 12));
	sum = sum ? sum : 0xffff;
	memcpy(p + 26, &sum, 2);
}

static void
shuffle(struct bench *b)
{
	for (unsigned i = b->contexts; i > 1; i--) {
		unsigned j = (unsigned)(random_next(b) % i);
		uint32_t t = b->order[i - 1];
		b->order[i - 1] = b->order[j];
		b->order[j] = t;
	}
}

static void
write_batch(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		uint8_t *p = b->buffers + (size_t)i * STRIDE + ROOM;
		if (b->at == b->contexts) {
			b->at = 0;
			if (b->anew)
				shuffle(b);
		}
		write_packet(b, &b->flows[b->order[b->at++]], p);
		b->pkt[i] = (struct crtp_pkt){ p, HEADERS + VOICE, CRTP_PPP_IPV4 };
	}
	b->now += (mono_t)BATCH * 20 * MONO_MS / b->contexts;
}

static void
open_bench(struct bench *b, unsigned contexts, bool random_id)
{
	struct crtp_comp_conf c = crtp_comp_conf_default();
	struct crtp_dec_conf d = crtp_dec_conf_default();

	c.has_v4 = d.has_v4 = true;
	c.v4 = crtp_params_default();
	c.v4.non_tcp_space = (uint16_t)(contexts <= 256 ? 255 : contexts - 1);
	d.v4 = c.v4;
	*b = (struct bench){ .contexts = contexts,
			     .at = contexts,
			     .random_id = random_id,
			     .random = 88172645463325252ull,
			     .now = MONO_S };
	b->comp = crtp_comp_new(&c);
	b->dec = crtp_dec_new(&d);
	b->flows = calloc(contexts, sizeof *b->flows);
	b->order = calloc(contexts, sizeof *b->order);
	b->buffers = aligned_alloc(64, (size_t)BATCH * STRIDE);
	if (!b->comp || !b->dec || !b->flows || !b->order || !b->buffers)
		abort();
	memset(b->buffers, 0, (size_t)BATCH * STRIDE);
	for (unsigned i = 0; i < contexts; i++) {
		b->order[i] = i;
		b->flows[i] = (struct voice){ .source = 0x0a000000 + i,
					      .ssrc = (uint32_t)random_next(b),
					      .ts = (uint32_t)random_next(b),
					      .id = (uint16_t)random_next(b),
					      .seq = (uint16_t)random_next(b) };
	}
}

static void
close_bench(struct bench *b)
{
	crtp_comp_free(b->comp);
	crtp_dec_free(b->dec);
	free(b->flows);
	free(b->order);
	free(b->buffers);
}

static double
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others may use the machine meanwhile */
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What asking for the time costs, which is not the packets' to pay: the least of some tries, undisturbed. */
static double
clock_cost(void)
{
	static double cost;

	for (unsigned r = 0; r < 50 && (r > 0 || cost == 0); r++) {
		const double t0 = clock_ns();
		double one;
		for (unsigned i = 0; i < 200; i++)
			clock_ns();
		one = (clock_ns() - t0) / 201;
		cost = cost == 0 || one < cost ? one : cost;
	}
	return cost;
}

/* What callgrind counts: a call more than the door itself. */
static __attribute__((noinline)) void
counted_compress(struct bench *b, unsigned i)
{
	crtp_compress(b->comp, b->now, &b->pkt[i]);
	__asm__ volatile("");
}

static __attribute__((noinline)) void
counted_decompress(struct bench *b, unsigned i)
{
	if (crtp_decompress(b->dec, b->now, &b->pkt[i]) != CRTP_OK)
		abort();
	__asm__ volatile("");
}

/* Adds up the time of each half; every packet must come through. */
static void
run_batch(struct bench *b, double ns[2])
{
	double t0, t1;

	write_batch(b);
	t0 = clock_ns();
	crtp_comp_prefetch(b->comp, b->pkt, BATCH);
	for (unsigned i = 0; i < BATCH; i++)
		crtp_compress(b->comp, b->now, &b->pkt[i]);
	t1 = clock_ns();
	ns[0] += t1 - t0 - clock_cost();
	t0 = clock_ns();
	crtp_dec_prefetch(b->dec, b->pkt, BATCH);
	for (unsigned i = 0; i < BATCH; i++) {
		if (crtp_decompress(b->dec, b->now, &b->pkt[i]) != CRTP_OK ||
		    b->pkt[i].len != HEADERS + VOICE)
			abort();
	}
	t1 = clock_ns();
	ns[1] += t1 - t0 - clock_cost();
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
warm_up(struct bench *b)
{
	double ns[2];

	for (unsigned n = 0; n < 12 * b->contexts + BATCH; n += BATCH)
		run_batch(b, ns);
}

/* What the machine does meanwhile is done to all: they take turns.  Caches first get used to each again. */
static void
measure_ns(const unsigned *contexts, unsigned n, unsigned packets, bool anew)
{
	static const char *const names[2] = { "compress", "decompress" };
	static struct bench b[CONTEXTS_MAX];
	static double all[CONTEXTS_MAX][2][ROUNDS];

	for (unsigned i = 0; i < n; i++) {
		open_bench(&b[i], contexts[i], false);
		b[i].anew = anew;
		warm_up(&b[i]);
		shuffle(&b[i]); /* contexts were opened one behind the other */
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned i = 0; i < n; i++) {
			double ns[2] = { 0, 0 };
			unsigned done = 0;
			for (; done < 2 * contexts[i]; done += BATCH)
				run_batch(&b[i], ns);
			ns[0] = ns[1] = 0;
			for (done = 0; done < packets; done += BATCH)
				run_batch(&b[i], ns);
			all[i][0][r] = ns[0] / done;
			all[i][1][r] = ns[1] / done;
		}
	}
	for (unsigned i = 0; i < 2 * n; i++) {
		double *v = all[i / 2][i % 2];
		qsort(v, ROUNDS, sizeof *v, by_value);
		printf("figure crtp.%s.%s.%u %.1f ns\n", names[i % 2], anew ? "shuffled" : "ns", contexts[i / 2], v[ROUNDS / 2]);
	}
	for (unsigned i = 0; i < n; i++)
		close_bench(&b[i]);
}

/* Under callgrind, after the contexts have opened: refreshes are counted, openings are not. */
static int
counted(unsigned contexts, unsigned packets)
{
	struct bench b;

	open_bench(&b, contexts, false);
	warm_up(&b);
	for (unsigned n = 0; n < packets; n += BATCH) {
		write_batch(&b);
		for (unsigned i = 0; i < BATCH; i++)
			counted_compress(&b, i);
		for (unsigned i = 0; i < BATCH; i++)
			counted_decompress(&b, i);
	}
	close_bench(&b);
	return 0;
}

static double
callgrind(const char *self, const char *function, unsigned contexts, unsigned packets)
{
	char command[2048], line[256];
	double count = -1;
	FILE *f;

	snprintf(command, sizeof command,
		 "valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=%s "
		 "'%s' --counted --contexts %u "
		 "--packets %u 2>&1",
		 function, self, contexts, packets);
	f = popen(command, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof line, f)) {
		char *at = strstr(line, "Collected : ");
		if (at)
			count = strtod(at + 12, NULL);
	}
	return pclose(f) == 0 ? count : -1;
}

static int
measure_instructions(const char *self, unsigned contexts)
{
	static const char *const functions[2] = { "counted_compress", "counted_decompress" };
	static const char *const names[2] = { "compress", "decompress" };
	/* At least one refresh a flow (RFC 3544: 5 s, 250 packets), where that is not too long
	 * under valgrind. */
	unsigned packets = contexts * 300 < 60000    ? 60000
			   : contexts * 300 < 300000 ? contexts * 300
						     : 300000;

	for (unsigned i = 0; i < 2; i++) {
		double n = callgrind(self, functions[i], contexts, packets);
		if (n < 0) {
			fprintf(stderr, "valgrind did not count\n");
			return 1;
		}
		printf("figure crtp.%s.instructions.%u %.1f instructions\n", names[i], contexts,
		       n / packets);
	}
	return 0;
}

/* Ten minutes of fifty calls, from their first full header on, over CIDs of eight bits. */
static void
measure_header(bool random_id)
{
	struct bench b;
	double ns[2];
	unsigned n = 0;

	open_bench(&b, 50, random_id);
	for (; n < 50 * 50 * 600; n += BATCH)
		run_batch(&b, ns);
	printf("figure crtp.header.%s %.3f octets\n", random_id ? "random" : "constant",
	       (double)crtp_comp_stats(b.comp)[CRTP_C_HEADER_OUT] / n);
	close_bench(&b);
}

static void
measure_memory(void)
{
	struct bench small, large;
	double comp, dec;

	open_bench(&small, 1000, false);
	open_bench(&large, 10000, false);
	comp = (double)(crtp_comp_octets(large.comp) - crtp_comp_octets(small.comp)) / 9000;
	dec = (double)(crtp_dec_octets(large.dec) - crtp_dec_octets(small.dec)) / 9000;
	printf("figure crtp.context.compressor %.1f octets\n", comp);
	printf("figure crtp.context.decompressor %.1f octets\n", dec);
	printf("figure crtp.context %.1f octets\n", comp > dec ? comp : dec);
	close_bench(&small);
	close_bench(&large);
}

int
main(int argc, char **argv)
{
	unsigned contexts[CONTEXTS_MAX] = { 1, 100, 1000, 10000 }, n = 4, given = 0, packets = 200000;
	bool ns = false, instructions = false, header = false, memory = false, count = false, all;
	char self[1024];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	if (len < 0)
		return 1;
	self[len] = 0;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--contexts") && i + 1 < argc && given < CONTEXTS_MAX &&
		    atoi(argv[i + 1]) > 0 && atoi(argv[i + 1]) <= 65536)
			contexts[given++] = (unsigned)atoi(argv[++i]), n = given;
		else if (!strcmp(argv[i], "--packets") && i + 1 < argc && atoi(argv[i + 1]) > 0)
			packets = (unsigned)atoi(argv[++i]);
		else if (!strcmp(argv[i], "--ns"))
			ns = true;
		else if (!strcmp(argv[i], "--instructions"))
			instructions = true;
		else if (!strcmp(argv[i], "--header"))
			header = true;
		else if (!strcmp(argv[i], "--memory"))
			memory = true;
		else if (!strcmp(argv[i], "--counted"))
			count = true;
		else
			return fprintf(stderr,
				       "bench_crtp: '%s' is not understood; see the head of its "
				       "source\n",
				       argv[i]),
			       2;
	}
	if (count)
		return counted(contexts[0], packets);
	all = !ns && !instructions && !header && !memory;
	for (unsigned anew = 0; anew < 2 && (all || ns); anew++)
		measure_ns(contexts, n, packets, anew);
	for (unsigned i = 0; i < n && (all || instructions); i++)
		if (measure_instructions(self, contexts[i]))
			return 1;
	if (all || header) {
		measure_header(false);
		measure_header(true);
	}
	if (all || memory)
		measure_memory();
	return 0;
}
