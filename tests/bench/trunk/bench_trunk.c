// SPDX-License-Identifier: Apache-2.0
/*
 * Two trunks back to back, in simulated time: the same octets each run.
 *
 *     bench_trunk [--saving] [--wire] [--loss] [--plot]       the first three without any
 *
 *     figure trunk.saving.l2tpv2.mux3.constant.loss0 13.1 kbit/s
 *     figure trunk.saving.error 0.4 %                the worst of them, above the formula
 *     figure trunk.wire 26.0 octets                  a packet, outer Ethernet included, 58 of them in a frame
 *     figure trunk.loss.random.5 1.01 packets        lost after decompression, per packet lost in the tunnel
 *     figure trunk.loss.wrong 0 packets              delivered, and not what was sent
 *     plot 40 5000 11.7                              calls, T in microseconds, kbit/s a call: for plot.py
 *
 * Calls: G.729, 20 octets each 20 ms, UDP checksum present, talk spurts of 1,500 ms and pauses of 500 ms.  What a frame has around it is measured at one that a worker's core made.
 *
 * The formula is RFC 4170's (3.3) with the overheads of each encapsulation:
 *     POV   IP, UDP, L2TP as the encapsulation has them, and PPP
 *     SOV   5: CID, flags, UDP checksum, length; the PPP protocol is there only once in a frame, and not at all
 *           where it is the default PID (random IP ID: all are COMPRESSED_UDP)
 *     NREP  3: an update is sent N + 1 times (RFC 3545, 2.3), N = 2
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crtp/sum.h"
#include "outer.h"
#include "trunk.h"

enum { FLOWS = 60, FLOWS_MAX = 1000, HEADERS = 40, VOICE = 20, TURNS = 6000, SPURT = 75, PAUSE = 25, KEPT = 256, ETHERNET = 14 };

/* What the formula says of each: IP, UDP, L2TP, FF 03, the protocol of the multiplexed frame. */
static const struct encap {
	enum outer kind;
	const char *name;
	unsigned outer;
} encaps[] = {
	{ OUTER_L2TPV2, "l2tpv2", 20 + 8 + 6 + 2 + 2 },
	{ OUTER_L2TPHC, "l2tphc", 20 + 1 },	  /* the draft's no-header mode; PFC, ACFC */
	{ OUTER_L2TPV3_IP, "l2tpv3", 20 + 4 + 1 }, /* a session's id, no cookie, no sublayer; PFC, ACFC */
};

enum { ENCAPS = sizeof encaps / sizeof encaps[0] };

struct voice {
	mono_t at; /* in each 20 ms */
	uint32_t ts;
	uint16_t id, seq, phase;
	uint8_t kept[KEPT][HEADERS + VOICE]; /* what was sent, by sequence number */
};

struct run {
	struct trunk_sink sink; /* first: callbacks find the run by it */
	struct trunk *near, *far;
	mono_t now;
	uint64_t random;
	bool random_id, back; /* back: frames are the far end's */
	double loss, burst;   /* part of the frames; their mean number in a row */
	bool losing;
	uint64_t sent, frames, octets, lost_packets, got, wrong;
	unsigned flows, outer;
	struct voice flow[FLOWS_MAX];
	uint8_t room[CRTP_HEADROOM + 4096];
	uint64_t in_frame; /* packets given since the last frame */
};

static uint64_t first_random = 88172645463325252ull; /* the same octets each run */

static uint64_t
draw(struct run *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

static bool
chance(struct run *r, double p)
{
	return (double)(draw(r) >> 11) / (double)(1ull << 53) < p;
}

/* A two-state channel: `burst` frames in a row on average; 1: each on its own. */
static bool
lost(struct run *r)
{
	if (r->loss <= 0)
		return false;
	if (r->burst <= 1)
		return chance(r, r->loss);
	if (r->losing)
		r->losing = !chance(r, 1 / r->burst);
	else
		r->losing = chance(r, r->loss / (1 - r->loss) / r->burst);
	return r->losing;
}

static void
on_frame(struct trunk_sink *s, uint16_t proto, struct span info, uint8_t tos)
{
	struct run *r = (struct run *)s;
	uint8_t copy[4096];

	memcpy(copy, info.p, info.len);
	if (r->back) { /* a CONTEXT_STATE: the way back loses nothing */
		trunk_receive(r->near, r->now, proto, span_of(copy, info.len), s);
		return;
	}
	r->frames++;
	r->octets += r->outer + info.len;
	if (lost(r)) {
		r->lost_packets += r->in_frame;
	} else {
		r->back = true;
		trunk_receive(r->far, r->now, proto, span_of(copy, info.len), s);
		r->back = false;
	}
	r->in_frame = 0;
}

static uint8_t *
on_room(struct trunk_sink *s, uint32_t len)
{
	return ((struct run *)s)->room + CRTP_HEADROOM;
}

static void
on_packet(struct trunk_sink *s, uint16_t proto, uint8_t *p, uint32_t len)
{
	struct run *r = (struct run *)s;
	const unsigned flow = len == HEADERS + VOICE ? get_u16(p + 20) - 16384u : r->flows;

	r->got++;
	if (flow >= r->flows || memcmp(p, r->flow[flow].kept[get_u16(p + 30) % KEPT], len) != 0)
		r->wrong++;
}

static void
on_other(struct trunk_sink *s, uint16_t proto, struct span info)
{
}

static void
write_packet(struct run *r, unsigned n, uint8_t *p, bool first)
{
	struct voice *v = &r->flow[n];
	uint16_t sum;

	v->seq++;
	v->ts += 160;
	v->id = r->random_id ? (uint16_t)draw(r) : (uint16_t)(v->id + 1);
	memset(p, 0, HEADERS);
	p[0] = 0x45;
	p[1] = 0xb8;
	put_u16(p + 2, HEADERS + VOICE);
	put_u16(p + 4, v->id);
	p[8] = 63;
	p[9] = 17;
	put_u32(p + 12, 0x0a000000 + n);
	put_u32(p + 16, 0xc0a80001);
	sum = (uint16_t)~sum_fold(sum_octets(0, p, 20));
	memcpy(p + 10, &sum, 2);
	put_u16(p + 20, (uint16_t)(16384 + n));
	put_u16(p + 22, 16386);
	put_u16(p + 24, HEADERS + VOICE - 20);
	p[28] = 0x80;
	p[29] = (uint8_t)(18 | (first ? 0x80 : 0));
	put_u16(p + 30, v->seq);
	put_u32(p + 32, v->ts);
	put_u32(p + 36, 0x1234567 * (n + 1));
	for (unsigned i = 0; i < VOICE; i++)
		p[HEADERS + i] = (uint8_t)draw(r);
	sum = (uint16_t)~sum_fold(sum_octets((uint64_t)lay16(17) + lay16(HEADERS + VOICE - 20), p + 12, HEADERS + VOICE - 12));
	sum = sum ? sum : 0xffff;
	memcpy(p + 26, &sum, 2);
	memcpy(v->kept[v->seq % KEPT], p, HEADERS + VOICE);
}

static void
turn(struct run *r, unsigned k, bool pauses)
{
	const mono_t began = MONO_S + k * 20 * MONO_MS;
	uint8_t p[HEADERS + VOICE];

	for (unsigned n = 0; n < r->flows; n++) {
		struct voice *v = &r->flow[n];
		const unsigned at = (k + v->phase) % (SPURT + PAUSE);
		r->now = began + v->at;
		if (trunk_due(r->near) <= r->now)
			trunk_timer(r->near, r->now, &r->sink);
		if (pauses && at >= SPURT) {
			v->ts += 160;
			continue;
		}
		write_packet(r, n, p, pauses && at == 0);
		r->sent++;
		r->in_frame++;
		trunk_send(r->near, r->now, CRTP_PPP_IPV4, p, sizeof p, 0xb8, &r->sink);
	}
	r->back = true;
	if (trunk_due(r->far) <= r->now)
		trunk_timer(r->far, r->now, &r->sink);
	r->back = false;
}

struct trial {
	const struct encap *encap;
	unsigned flows, mux, turns; /* mux: packets in a frame at most */
	mono_t t;
	bool random_id, pauses, scattered; /* scattered: calls begin when they like, not one behind the other */
	double loss, burst;
};

static struct trunk_conf
conf_of(const struct trial *w)
{
	struct trunk_conf c = { .comp = crtp_comp_conf_default(), .dec = crtp_dec_conf_default() };

	c.comp.has_v4 = c.dec.has_v4 = true;
	c.comp.v4 = c.dec.v4 = crtp_params_default();
	c.comp.v4.non_tcp_space = c.dec.v4.non_tcp_space = w->flows > 256 ? 1023 : 255;
	c.mux_send = c.mux_recv = true;
	c.recv_pid = w->flows > 256 ? CRTP_PPP_COMPRESSED_UDP_16 : CRTP_PPP_COMPRESSED_UDP_8;
	c.mux = (struct pppmux_config){ .default_pid = c.recv_pid, .max_frame = (uint16_t)(1500 - w->encap->outer),
					.max_count = (uint16_t)w->mux, .t = w->t, .overhead = (uint16_t)w->encap->outer };
	return c;
}

static int
by_time(const void *a, const void *b)
{
	const mono_t x = *(const mono_t *)a, y = *(const mono_t *)b;

	return (x > y) - (x < y);
}

static void
calls_begin(struct run *r, bool scattered)
{
	mono_t at[FLOWS_MAX];

	for (unsigned n = 0; n < r->flows; n++)
		at[n] = scattered ? (mono_t)(draw(r) % (20 * MONO_MS)) : (mono_t)n * 20 * MONO_MS / r->flows;
	qsort(at, r->flows, sizeof at[0], by_time);
	for (unsigned n = 0; n < r->flows; n++)
		r->flow[n] = (struct voice){ .at = at[n], .ts = (uint32_t)draw(r), .id = (uint16_t)draw(r), .seq = (uint16_t)draw(r),
					     .phase = (uint16_t)(draw(r) % (SPURT + PAUSE)) };
}

static struct run *
run(struct trial w)
{
	struct trunk_conf near = conf_of(&w);
	struct run *r = calloc(1, sizeof *r);

	if (!r)
		abort();
	*r = (struct run){ .sink = { on_frame, on_room, on_packet, on_other }, .now = MONO_S, .random = first_random,
			   .random_id = w.random_id, .loss = w.loss, .burst = w.burst, .flows = w.flows,
			   .outer = outer_octets(w.encap->kind) };
	r->near = trunk_new(&near);
	r->far = trunk_new(&near);
	if (!r->near || !r->far)
		abort();
	calls_begin(r, w.scattered);
	for (unsigned k = 0; k < w.turns; k++)
		turn(r, k, w.pauses);
	trunk_flush(r->near, r->now, &r->sink);
	return r;
}

static void
end(struct run *r)
{
	trunk_free(r->near);
	trunk_free(r->far);
	free(r);
}

/* ---- figures ----------------------------------------------------------------------------------- */

static double
formula(const struct trial *w)
{
	const double pov = w->encap->outer + (w->random_id ? 0 : 1), nrep = 3;
	const double sov = 5 + 5 * (nrep * 20 / (20.0 * SPURT)) + (w->random_id ? 3 : 0);

	return (VOICE + sov + pov / w->mux) * 8 / 20;
}

static double
kbit(const struct run *r)
{
	return (double)r->octets / (double)r->sent * 8 / 20;
}

static double
saving_of(struct trial w)
{
	struct run *r = run(w);
	const double got = kbit(r), want = formula(&w);

	printf("figure trunk.saving.%s.mux%u.%s.loss%.0f %.3f kbit/s\n", w.encap->name, w.mux, w.random_id ? "random" : "constant",
	       100 * w.loss, got);
	fprintf(stderr, "  the formula: %.3f kbit/s, %.1f packets a frame\n", want, (double)r->sent / (double)r->frames);
	end(r);
	return 100 * (got / want - 1);
}

static void
saving(void)
{
	double worst = -100;

	for (unsigned e = 0; e < ENCAPS; e++) {
		for (unsigned i = 0; i < 8; i++) {
			const double above = saving_of((struct trial){ .encap = &encaps[e], .flows = FLOWS, .turns = TURNS, .t = MONO_S,
				.mux = i & 1 ? 10 : 3, .random_id = i & 2, .loss = i & 4 ? 0.05 : 0, .burst = 1, .pauses = true });
			worst = above > worst ? above : worst;
		}
	}
	printf("figure trunk.saving.error %.3f %%\n", worst);
}

static void
wire(void)
{
	struct run *r = run((struct trial){ .encap = &encaps[0], .flows = FLOWS, .turns = TURNS, .t = MONO_S, .mux = 58, .burst = 1 });

	printf("figure trunk.wire %.3f octets\n", (double)(r->octets + r->frames * ETHERNET) / (double)r->sent);
	end(r);
}

static void
loss(void)
{
	static const unsigned percent[] = { 1, 5, 10 };
	uint64_t wrong = 0;

	for (unsigned i = 0; i < 6; i++) {
		struct run *r = run((struct trial){ .encap = &encaps[0], .flows = FLOWS, .turns = TURNS, .t = MONO_S, .mux = 10,
			.loss = percent[i % 3] / 100.0, .burst = i < 3 ? 1 : 3, .pauses = true });
		printf("figure trunk.loss.%s.%u %.4f packets\n", i < 3 ? "random" : "burst", percent[i % 3],
		       (double)(r->sent - (r->got - r->wrong)) / (double)r->lost_packets);
		wrong += r->wrong;
		end(r);
	}
	printf("figure trunk.loss.wrong %llu packets\n", (unsigned long long)wrong);
}

/* T alone ends a frame, or the link's size.  When calls begin is chance: several draws of it. */
static double
plot_point(unsigned calls, unsigned us)
{
	const unsigned draws = calls < 100 ? 8 : 2;
	double sum = 0;

	for (unsigned i = 0; i < draws; i++) {
		struct run *r;
		first_random = 88172645463325252ull + i * 0x9e3779b97f4a7c15ull;
		r = run((struct trial){ .encap = &encaps[0], .flows = calls, .turns = 500 + 30000 / calls, .t = us * MONO_US, .burst = 1,
					.pauses = true, .scattered = true });
		sum += kbit(r);
		end(r);
	}
	return sum / draws;
}

static void
plot(void)
{
	static const unsigned calls[] = { 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300, 500, 1000 };
	static const unsigned times[] = { 1000, 2000, 5000, 10000, 20000 };

	for (unsigned t = 0; t < sizeof times / sizeof times[0]; t++) {
		for (unsigned c = 0; c < sizeof calls / sizeof calls[0]; c++)
			printf("plot %u %u %.3f\n", calls[c], times[t], plot_point(calls[c], times[t]));
	}
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*run)(void);
		bool always;
	} part[] = { { "--saving", saving, true }, { "--wire", wire, true }, { "--loss", loss, true }, { "--plot", plot, false } };
	enum { PARTS = sizeof part / sizeof part[0] };

	for (int a = 1; a < argc; a++) {
		bool known = false;
		for (unsigned i = 0; i < PARTS; i++)
			known |= strcmp(argv[a], part[i].word) == 0;
		if (!known) {
			fprintf(stderr, "usage: bench_trunk [--saving] [--wire] [--loss] [--plot]\n");
			return 2;
		}
	}
	for (unsigned i = 0; i < PARTS; i++) {
		bool wanted = argc == 1 && part[i].always;
		for (int a = 1; a < argc; a++)
			wanted |= strcmp(argv[a], part[i].word) == 0;
		if (wanted)
			part[i].run();
		fflush(stdout);
	}
	return 0;
}
