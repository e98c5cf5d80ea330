// SPDX-License-Identifier: Apache-2.0
/*
 * What multiplexing costs a packet, in process.
 *
 *     bench_mux
 *
 *     figure mux.pack 9.1 ns          a subframe: gathered, and its part of taking the frame
 *     figure mux.unpack 4.2 ns        a subframe, out of a frame
 *
 * Compressed G.729: 24 octets of information, two protocols in turn as a trunk has them (COMPRESSED_RTP nearly
 * always, COMPRESSED_UDP one time in ten, so that a protocol field is there sometimes), frames as full as an
 * ordinary link allows.  Where the octets lie changes with every packet, as in a worker's buffers: 256 of them, 2 KiB
 * apart.  CPU time, the median of fifteen rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pppmux/pppmux.h"

enum { ROUNDS = 15, FRAMES = 20000, INFO = 24, BUFFERS = 256, STRIDE = 2048, RTP = 0x69, UDP = 0x67 };

static double
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static const struct pppmux_config config = { .default_pid = UDP, .max_frame = 1462, .t = MONO_S, .overhead = 38 };
static struct pppmux_tx tx;
static uint8_t (*buffer)[STRIDE], frame[1462];
static unsigned frame_len, frame_count;

/* Nanoseconds a subframe; the last frame is kept for the other half. */
static double
pack(void)
{
	struct pppmux_frame f = { 0 };
	unsigned n = 0, frames = 0;
	double t0 = clock_ns();

	for (; frames < FRAMES; n++) {
		const uint16_t proto = n % 10 == 3 ? UDP : RTP;
		const uint8_t *p = buffer[n % BUFFERS];
		if (pppmux_add(&tx, 0, proto, p, INFO) != PPPMUX_FULL)
			continue;
		if (!pppmux_take(&tx, 0, &f) || f.count < 50)
			abort();
		frames++;
		if (frames == FRAMES)
			break;
		pppmux_add(&tx, 0, proto, p, INFO);
	}
	t0 = (clock_ns() - t0) / n;
	memcpy(frame, f.info.p, f.info.len);
	frame_len = (unsigned)f.info.len;
	frame_count = f.count;
	return t0;
}

static double
unpack(void)
{
	struct pppmux_rx rx;
	struct span info;
	uint16_t proto;
	uint64_t octets = 0, want = (uint64_t)FRAMES * frame_count * INFO;
	double t0 = clock_ns();

	for (unsigned i = 0; i < FRAMES; i++) {
		pppmux_rx_init(&rx, span_of(frame, frame_len), UDP);
		while (pppmux_next(&rx, &proto, &info) == PPPMUX_OK)
			octets += info.len;
	}
	t0 = (clock_ns() - t0) / ((double)FRAMES * frame_count);
	if (octets != want)
		abort();
	return t0;
}

int
main(void)
{
	double all[2][ROUNDS];

	buffer = calloc(BUFFERS, STRIDE);
	if (!buffer)
		return 1;
	pppmux_tx_init(&tx, &config);
	for (unsigned i = 0; i < ROUNDS; i++) {
		all[0][i] = pack();
		all[1][i] = unpack();
	}
	qsort(all[0], ROUNDS, sizeof(double), by_value);
	qsort(all[1], ROUNDS, sizeof(double), by_value);
	printf("figure mux.pack %.2f ns\nfigure mux.unpack %.2f ns\n", all[0][ROUNDS / 2], all[1][ROUNDS / 2]);
	free(buffer);
	return 0;
}
