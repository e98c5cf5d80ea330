// SPDX-License-Identifier: Apache-2.0
/*
 * A compressor, a link that loses, doubles, delays and exchanges packets, and a decompressor; above
 * them flows that do all that RTP flows do.  Everything follows from one seed.  What comes out is
 * looked up among what went in: a packet that was never sent is the one thing that must not happen.
 */
#ifndef TWIN_CRTP_CHANNEL_H
#define TWIN_CRTP_CHANNEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crtp/crtp.h"
#include "crtp/sum.h"

enum { CH_FLOWS_MAX = 64, CH_PACKET = 512, CH_RING = 128, CH_LINK = 256 };

/* What a flow may do, in packets per ten thousand. */
struct habit {
	unsigned talkspurt, upstream_loss, id_jump, type_change, list_change, header_change,
	    ttl_change, step_change, sum_change;
};

struct channel_conf {
	uint64_t seed;
	unsigned flows, packets;
	bool enhanced, wide, v6, random_id, no_sum, non_rtp;
	uint8_t n;
	bool twice, beyond;
	struct habit habit;
	unsigned loss;	/* per ten thousand */
	unsigned burst; /* mean length of a loss, packets; 0 or 1: single ones */
	unsigned reorder,
	    reach;	/* per ten thousand are delayed, by up to so many packets of the link */
	unsigned twin;	/* per ten thousand are doubled */
	unsigned delay; /* packets of the link until a CONTEXT_STATE arrives */
};

struct channel_result {
	unsigned long sent, lost, delivered, right, wrong, copies,
	    gone; /* gone: neither lost on the link nor delivered */
	unsigned long states;
	uint64_t drop[CRTP_VERDICTS];
};

struct ch_flow {
	bool v6, rtp;
	uint8_t host, ttl, pt, cc, first;
	bool sum;
	uint16_t id, seq;
	uint32_t ts, step, ssrc, list;
	unsigned data;
	uint64_t ring[CH_RING]; /* what was sent last, as hashes */
	unsigned at;
	bool seen[CH_RING];
};

struct ch_frame {
	unsigned long due;
	struct crtp_pkt k;
	uint8_t room[CRTP_HEADROOM + CH_PACKET];
};

struct channel {
	struct channel_conf conf;
	struct crtp_comp *comp;
	struct crtp_dec *dec;
	struct ch_flow flow[CH_FLOWS_MAX];
	struct ch_frame link[CH_LINK];
	unsigned frames;
	unsigned long tick;
	unsigned burst_left;
	uint64_t random;
	mono_t now;
	struct {
		unsigned long due;
		size_t len;
		uint8_t b[64];
	} back[16];
	struct channel_result r;
};

static inline uint32_t
ch_random(struct channel *c, uint32_t below)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return (uint32_t)((c->random >> 16) % below);
}

static inline bool
ch_often(struct channel *c, unsigned per_ten_thousand)
{
	return per_ten_thousand && ch_random(c, 10000) < per_ten_thousand;
}

static inline uint64_t
ch_hash(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h ? h : 1;
}

static inline void
ch_step(struct channel *c, struct ch_flow *f)
{
	const struct habit *h = &c->conf.habit;

	f->seq++;
	f->ts += f->step;
	f->id = (uint16_t)(c->conf.random_id ? ch_random(c, 65536) : f->id + 1u);
	if (ch_often(c, h->talkspurt))
		f->ts += f->step * (5 + ch_random(c, 4000));
	if (ch_often(c, h->upstream_loss)) {
		unsigned n = 1 + ch_random(c, 5);
		f->seq = (uint16_t)(f->seq + n);
		f->ts += n * f->step;
		f->id = (uint16_t)(f->id + n);
	}
	if (ch_often(c, h->id_jump))
		f->id = (uint16_t)(f->id + ch_random(c, 400));
	if (ch_often(c, h->type_change))
		f->pt = (uint8_t)ch_random(c, 64);
	if (ch_often(c, h->list_change)) {
		f->cc = (uint8_t)(ch_random(c, 3) ? ch_random(c, 4) : ch_random(c, 16));
		f->list = ch_random(c, 1000);
	}
	if (ch_often(c, h->header_change))
		f->first ^= ch_random(c, 2) ? 0x10 : 0x20;
	if (ch_often(c, h->ttl_change))
		f->ttl ^= (uint8_t)(1 + ch_random(c, 7));
	if (ch_often(c, h->step_change))
		f->step = 80 * (1 + ch_random(c, 6));
	if (ch_often(c, h->sum_change) && !f->v6)
		f->sum = !f->sum;
}

static inline uint32_t
ch_write(struct channel *c, struct ch_flow *f, uint8_t *p)
{
	unsigned udp = f->v6 ? 40 : 20, rtp = f->rtp ? 12 + 4u * f->cc : 0,
		 len = udp + 8 + rtp + f->data;
	uint16_t sum;

	memset(p, 0, udp + 8);
	if (f->v6) {
		put_u32(p, 6u << 28);
		put_u16(p + 4, (uint16_t)(len - 40));
		p[6] = 17;
		p[7] = f->ttl;
		p[8] = p[24] = 0x20;
		p[23] = f->host;
	} else {
		p[0] = 0x45;
		put_u16(p + 2, (uint16_t)len);
		put_u16(p + 4, f->id);
		p[8] = f->ttl;
		p[9] = 17;
		put_u32(p + 12, 0x0a000000u + f->host);
		put_u32(p + 16, 0x0a010000u);
		sum = (uint16_t)~sum_fold(sum_octets(0, p, 20));
		memcpy(p + 10, &sum, 2);
	}
	put_u16(p + udp, 4000);
	put_u16(p + udp + 2, 4002);
	put_u16(p + udp + 4, (uint16_t)(len - udp));
	if (f->rtp) {
		uint8_t *r = p + udp + 8;
		r[0] = (uint8_t)(0x80 | f->first | f->cc);
		r[1] = (uint8_t)(f->pt | (ch_random(c, 50) ? 0 : 0x80));
		put_u16(r + 2, f->seq);
		put_u32(r + 4, f->ts);
		put_u32(r + 8, f->ssrc);
		for (unsigned i = 0; i < f->cc; i++)
			put_u32(r + 12 + 4 * i, f->list + i);
	}
	for (unsigned i = 0; i < f->data; i++)
		p[udp + 8 + rtp + i] = (uint8_t)ch_random(c, 256);
	if (f->sum) {
		sum = (uint16_t)~sum_fold(
		    sum_octets((uint64_t)lay16(17) + lay16((uint16_t)(len - udp)),
			       p + (f->v6 ? 8 : 12), len - (f->v6 ? 8 : 12)));
		sum = sum ? sum : 0xffff;
		memcpy(p + udp + 6, &sum, 2);
	}
	return len;
}

static inline void
ch_receive(struct channel *c, struct ch_frame *fr)
{
	enum crtp_verdict v = crtp_decompress(c->dec, c->now, &fr->k);
	struct ch_flow *f;
	uint64_t h;
	unsigned host;

	c->r.drop[v]++;
	if (v != CRTP_OK)
		return;
	c->r.delivered++;
	host = fr->k.p[0] >> 4 == 6 ? fr->k.p[23] : fr->k.p[15];
	h = ch_hash(fr->k.p, fr->k.len);
	f = &c->flow[host % c->conf.flows];
	for (unsigned i = 0; i < CH_RING; i++) {
		if (f->ring[i] != h)
			continue;
		c->r.right++;
		c->r.copies += f->seen[i];
		f->seen[i] = true;
		return;
	}
	c->r.wrong++;
}

static inline void
ch_deliver_due(struct channel *c)
{
	for (unsigned i = 0; i < c->frames;) {
		if (c->link[i].due > c->tick) {
			i++;
			continue;
		}
		ch_receive(c, &c->link[i]);
		c->link[i] = c->link[--c->frames];
		if (i < c->frames)
			c->link[i].k.p =
			    c->link[i].room + (c->link[i].k.p - c->link[c->frames].room);
	}
}

static inline void
ch_answers(struct channel *c)
{
	size_t n;
	uint8_t b[64];

	for (unsigned i = 0; i < 16; i++) {
		if (c->back[i].len && c->back[i].due <= c->tick) {
			crtp_comp_state(c->comp, c->now, span_of(c->back[i].b, c->back[i].len));
			c->back[i].len = 0;
		}
	}
	while ((n = crtp_dec_state(c->dec, c->now, b, sizeof b)) > 0) {
		c->r.states++;
		if (ch_often(c, c->conf.loss))
			continue;
		for (unsigned i = 0; i < 16; i++) {
			if (c->back[i].len)
				continue;
			memcpy(c->back[i].b, b, n);
			c->back[i].len = n;
			c->back[i].due = c->tick + c->conf.delay;
			break;
		}
	}
}

static inline bool
ch_lost(struct channel *c)
{
	unsigned mean = c->conf.burst > 1 ? c->conf.burst : 1;

	if (c->burst_left) {
		c->burst_left--;
		return true;
	}
	if (!ch_often(c, c->conf.loss / mean))
		return false;
	c->burst_left = mean > 1 ? ch_random(c, 2 * mean - 1) : 0;
	return true;
}

static inline void
ch_send(struct channel *c, struct ch_flow *f)
{
	struct ch_frame *fr = &c->link[c->frames];
	uint8_t *p = fr->room + CRTP_HEADROOM;
	uint32_t len;

	ch_step(c, f);
	len = ch_write(c, f, p);
	f->at = (f->at + 1) % CH_RING;
	f->ring[f->at] = ch_hash(p, len);
	f->seen[f->at] = false;
	fr->k = (struct crtp_pkt){ p, len, f->v6 ? CRTP_PPP_IPV6 : CRTP_PPP_IPV4 };
	crtp_compress(c->comp, c->now, &fr->k);
	c->r.sent++;
	if (ch_lost(c)) {
		c->r.lost++;
		return;
	}
	fr->due = c->tick + (ch_often(c, c->conf.reorder) ? 1 + ch_random(c, c->conf.reach) : 0);
	c->frames++;
	if (ch_often(c, c->conf.twin) && c->frames < CH_LINK) {
		struct ch_frame *copy = &c->link[c->frames++];
		*copy = *fr;
		copy->k.p = copy->room + (fr->k.p - fr->room);
		copy->due = c->tick + ch_random(c, c->conf.reach + 1);
	}
}

static inline void
ch_open(struct channel *c)
{
	struct crtp_params p = crtp_params_default();
	struct crtp_comp_conf cc = crtp_comp_conf_default();
	struct crtp_dec_conf dc = crtp_dec_conf_default();

	p.enhanced = c->conf.enhanced;
	p.rtp = !p.enhanced;
	p.non_tcp_space = c->conf.wide ? 999 : (uint16_t)(c->conf.flows + 3);
	cc.has_v4 = cc.has_v6 = dc.has_v4 = dc.has_v6 = true;
	cc.v4 = cc.v6 = dc.v4 = dc.v6 = p;
	cc.n = c->conf.n;
	dc.twice = c->conf.twice;
	dc.beyond = c->conf.beyond;
	c->comp = crtp_comp_new(&cc);
	c->dec = crtp_dec_new(&dc);
	if (!c->comp || !c->dec)
		abort();
}

/* One packet of each flow every 20 ms, until `packets` were sent and the link is empty. */
static inline struct channel_result
channel_run(const struct channel_conf *conf)
{
	struct channel *c = calloc(1, sizeof *c);
	struct channel_result r;

	c->conf = *conf;
	c->random = conf->seed * 0x9e3779b97f4a7c15 + 88172645463325252ull;
	c->now = 10 * MONO_S;
	ch_open(c);
	for (unsigned i = 0; i < conf->flows; i++) {
		struct ch_flow *f = &c->flow[i];
		*f = (struct ch_flow){ .v6 = conf->v6,
				       .rtp = !conf->non_rtp,
				       .host = (uint8_t)i,
				       .ttl = 64,
				       .pt = 18,
				       .sum = !conf->no_sum || conf->v6,
				       .step = 160,
				       .data = 20 };
		f->id = (uint16_t)ch_random(c, 65536);
		f->seq = (uint16_t)ch_random(c, 65536);
		f->ts = ch_random(c, 0xffffffff);
		f->ssrc = ch_random(c, 0xffffffff);
	}
	for (unsigned long i = 0; i < conf->packets || c->frames > 0; i++) {
		c->tick = i;
		c->now += 20 * MONO_MS / conf->flows;
		if (i < conf->packets && c->frames + 2 < CH_LINK)
			ch_send(c, &c->flow[i % conf->flows]);
		ch_deliver_due(c);
		ch_answers(c);
	}
	c->r.gone = c->r.sent - c->r.lost - (c->r.right - c->r.copies);
	crtp_comp_free(c->comp);
	crtp_dec_free(c->dec);
	r = c->r;
	free(c);
	return r;
}

#endif
