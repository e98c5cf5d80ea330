// SPDX-License-Identifier: Apache-2.0
/*
 * Two trunks back to back, in simulated time: the same octets each run.
 *
 *     bench_trunk [--saving] [--wire] [--loss]       all of them without one
 *
 *     figure trunk.saving.l2tpv2.mux3.constant.loss0 13.1 kbit/s
 *     figure trunk.saving.error 0.4 %                the worst of them, above the formula
 *     figure trunk.wire 26.0 octets                  a packet, outer Ethernet included, 58 of them in a frame
 *     figure trunk.loss.random.5 1.01 packets        lost after decompression, per packet lost in the tunnel
 *     figure trunk.loss.wrong 0 packets              delivered, and not what was sent
 *
 * Calls: G.729, 20 octets each 20 ms, UDP checksum present, talk spurts of 1,500 ms and pauses of 500 ms.  The tunnel is
 * L2TPv2 over UDP and IPv4, PPP without PFC and ACFC.
 *
 * The formula is RFC 4170's (3.3) with the overheads of this encapsulation:
 *     POV   20 + 8 + 6 of IP, UDP, L2TP, 2 + 2 of PPP
 *     SOV   5: CID, flags, UDP checksum, length; the PPP protocol is there only once in a frame, and not at all
 *           where it is the default PID (random IP ID: all are COMPRESSED_UDP)
 *     NREP  3: an update is sent N + 1 times (RFC 3545, 2.3), N = 2
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crtp/sum.h"
#include "trunk.h"

enum { FLOWS = 60, HEADERS = 40, VOICE = 20, TURNS = 6000, SPURT = 75, PAUSE = 25, KEPT = 256, OUTER = 38, ETHERNET = 14 };

struct voice {
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
	struct voice flow[FLOWS];
	uint8_t room[CRTP_HEADROOM + 4096];
	uint64_t in_frame; /* packets given since the last frame */
};

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
	r->octets += OUTER + info.len;
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
	const unsigned flow = len == HEADERS + VOICE ? get_u16(p + 20) - 16384u : FLOWS;

	r->got++;
	if (flow >= FLOWS || memcmp(p, r->flow[flow].kept[get_u16(p + 30) % KEPT], len) != 0)
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
	uint8_t p[HEADERS + VOICE];

	for (unsigned n = 0; n < FLOWS; n++) {
		struct voice *v = &r->flow[n];
		const unsigned at = (k + v->phase) % (SPURT + PAUSE);
		r->now += 20 * MONO_MS / FLOWS;
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

/* mux: packets in a frame. */
static struct run *
run(unsigned mux, bool random_id, double loss, double burst, bool pauses)
{
	struct trunk_conf near = { .comp = crtp_comp_conf_default(), .dec = crtp_dec_conf_default() };
	struct run *r = calloc(1, sizeof *r);

	if (!r)
		abort();
	near.comp.has_v4 = near.dec.has_v4 = true;
	near.comp.v4 = near.dec.v4 = crtp_params_default();
	near.comp.v4.non_tcp_space = near.dec.v4.non_tcp_space = 255;
	near.mux_send = near.mux_recv = true;
	near.recv_pid = CRTP_PPP_COMPRESSED_UDP_8;
	near.mux = (struct pppmux_config){ .default_pid = CRTP_PPP_COMPRESSED_UDP_8, .max_frame = 1462, .max_count = (uint16_t)mux,
					   .t = 1 * MONO_S, .overhead = OUTER };
	*r = (struct run){ .sink = { on_frame, on_room, on_packet, on_other }, .now = MONO_S, .random = 88172645463325252ull,
			   .random_id = random_id, .loss = loss, .burst = burst };
	r->near = trunk_new(&near);
	r->far = trunk_new(&near);
	if (!r->near || !r->far)
		abort();
	for (unsigned n = 0; n < FLOWS; n++)
		r->flow[n] = (struct voice){ .ts = (uint32_t)draw(r), .id = (uint16_t)draw(r), .seq = (uint16_t)draw(r),
					     .phase = (uint16_t)(draw(r) % (SPURT + PAUSE)) };
	for (unsigned k = 0; k < TURNS; k++)
		turn(r, k, pauses);
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
formula(unsigned mux, bool random_id)
{
	const double pov = OUTER + (random_id ? 0 : 1), nrep = 3, sov = 5 + 5 * (nrep * 20 / (20.0 * SPURT)) + (random_id ? 3 : 0);

	return (VOICE + sov + pov / mux) * 8 / 20;
}

static void
saving(void)
{
	static const unsigned sizes[] = { 3, 10 };
	double worst = -100;

	for (unsigned i = 0; i < 8; i++) {
		const unsigned mux = sizes[i & 1];
		const bool random_id = i & 2;
		struct run *r = run(mux, random_id, i & 4 ? 0.05 : 0, 1, true);
		const double kbit = (double)r->octets / (double)r->sent * 8 / 20, want = formula(mux, random_id);
		if (100 * (kbit / want - 1) > worst)
			worst = 100 * (kbit / want - 1);
		printf("figure trunk.saving.l2tpv2.mux%u.%s.loss%u %.3f kbit/s\n", mux, random_id ? "random" : "constant", i & 4 ? 5 : 0,
		       kbit);
		fprintf(stderr, "  the formula: %.3f kbit/s, %.1f packets a frame\n", want, (double)r->sent / (double)r->frames);
		end(r);
	}
	printf("figure trunk.saving.error %.3f %%\n", worst);
}

static void
wire(void)
{
	struct run *r = run(58, false, 0, 1, false);

	printf("figure trunk.wire %.3f octets\n", (double)(r->octets + r->frames * ETHERNET) / (double)r->sent);
	end(r);
}

static void
loss(void)
{
	static const unsigned percent[] = { 1, 5, 10 };
	uint64_t wrong = 0;

	for (unsigned i = 0; i < 6; i++) {
		struct run *r = run(10, false, percent[i % 3] / 100.0, i < 3 ? 1 : 3, true);
		printf("figure trunk.loss.%s.%u %.4f packets\n", i < 3 ? "random" : "burst", percent[i % 3],
		       (double)(r->sent - (r->got - r->wrong)) / (double)r->lost_packets);
		wrong += r->wrong;
		end(r);
	}
	printf("figure trunk.loss.wrong %llu packets\n", (unsigned long long)wrong);
}

int
main(int argc, char **argv)
{
	bool all = argc == 1;
	static const struct {
		const char *word;
		void (*run)(void);
	} part[] = { { "--saving", saving }, { "--wire", wire }, { "--loss", loss } };

	for (int a = 1; a < argc; a++) {
		bool known = false;
		for (unsigned i = 0; i < 3; i++)
			known |= strcmp(argv[a], part[i].word) == 0;
		if (!known) {
			fprintf(stderr, "usage: bench_trunk [--saving] [--wire] [--loss]\n");
			return 2;
		}
	}
	for (unsigned i = 0; i < 3; i++) {
		bool wanted = all;
		for (int a = 1; a < argc; a++)
			wanted |= strcmp(argv[a], part[i].word) == 0;
		if (wanted)
			part[i].run();
		fflush(stdout);
	}
	return 0;
}
