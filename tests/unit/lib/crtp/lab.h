// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of header compression share: packets made from their fields, a compressor and a
 * decompressor with a link between them, hex.  The sums here are their own, plain and slow.
 */
#ifndef TWIN_CRTP_LAB_H
#define TWIN_CRTP_LAB_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "crtp/crtp.h"
#include "lib/unit.h"

#define LAB_MAX 2048

/* A packet by its fields; make() fills in lengths and checksums. */
struct say {
	bool v6, rtp;
	bool no_sum;	  /* UDP checksum 0 */
	uint8_t tos, ttl; /* ttl 0: 64 */
	uint16_t id, frag;
	uint8_t host; /* last octet of the source */
	uint16_t sport, dport;
	uint8_t first; /* RTP's first octet without CC; 0: 80 */
	bool marker;
	uint8_t pt, cc;
	uint16_t seq;
	uint32_t ts, ssrc;
	const void *data; /* after the RTP header, or after the UDP header; NULL: d5 d5 ... */
	unsigned octets;
};

struct packet {
	uint16_t proto;
	uint32_t len;
	uint8_t b[LAB_MAX];
};

static inline uint16_t
lab_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/* The IPv4 header checksum and the UDP checksum anew, from what the packet says. */
static inline void
lab_checksums(struct packet *k, bool udp)
{
	bool v6 = k->b[0] >> 4 == 6;
	uint8_t *u = k->b + (v6 ? 40 : 20);
	uint32_t ulen = k->len - (v6 ? 40 : 20);
	uint16_t sum;

	if (!v6) {
		put_u16(k->b + 10, 0);
		put_u16(k->b + 10, (uint16_t)~lab_sum(0, k->b, 20));
	}
	put_u16(u + 6, 0);
	if (!udp)
		return;
	sum = lab_sum(17 + ulen, v6 ? k->b + 8 : k->b + 12, v6 ? 32 : 8);
	sum = (uint16_t)~lab_sum(sum, u, ulen);
	put_u16(u + 6, sum ? sum : 0xffff);
}

static inline struct packet
make(struct say s)
{
	struct packet k = { .proto = s.v6 ? CRTP_PPP_IPV6 : CRTP_PPP_IPV4 };
	struct wr w = wr_of(k.b, sizeof k.b);
	unsigned udp = 8 + (s.rtp ? 12u + 4 * s.cc : 0) + s.octets;
	uint8_t addr[16] = { 0x20, 1, 0xd, 0xb8 };

	if (s.v6) {
		wr_u32(&w, 6u << 28 | (uint32_t)s.tos << 20);
		wr_u16(&w, (uint16_t)udp);
		wr_u8(&w, 17);
		wr_u8(&w, s.ttl ? s.ttl : 64);
		addr[15] = s.host ? s.host : 1;
		wr_bytes(&w, addr, 16);
		addr[15] = 250;
		wr_bytes(&w, addr, 16);
	} else {
		wr_u8(&w, 0x45);
		wr_u8(&w, s.tos);
		wr_u16(&w, (uint16_t)(20 + udp));
		wr_u16(&w, s.id);
		wr_u16(&w, s.frag);
		wr_u8(&w, s.ttl ? s.ttl : 64);
		wr_u8(&w, 17);
		wr_u16(&w, 0);
		wr_u32(&w, 0x0a000000u | (s.host ? s.host : 1));
		wr_u32(&w, 0x0a000002);
	}
	wr_u16(&w, s.sport ? s.sport : 5004);
	wr_u16(&w, s.dport ? s.dport : 5006);
	wr_u16(&w, (uint16_t)udp);
	wr_u16(&w, 0);
	if (s.rtp) {
		wr_u8(&w, (uint8_t)((s.first ? s.first : 0x80) | s.cc));
		wr_u8(&w, (uint8_t)((s.marker ? 0x80 : 0) | s.pt));
		wr_u16(&w, s.seq);
		wr_u32(&w, s.ts);
		wr_u32(&w, s.ssrc ? s.ssrc : 0x11223344);
		for (unsigned i = 0; i < s.cc; i++)
			wr_u32(&w, 0xaabbcc00 + s.pt * 16u + i);
	}
	for (unsigned i = 0; i < s.octets; i++)
		wr_u8(&w, s.data ? ((const uint8_t *)s.data)[i] : 0xd5);
	ck_assert(w.ok);
	k.len = (uint32_t)wr_len(&w);
	lab_checksums(&k, !s.no_sum);
	return k;
}

/* --- the two ends
 * ----------------------------------------------------------------------------------------- */

struct ends {
	struct crtp_comp *comp;
	struct crtp_dec *dec;
	mono_t now;
	uint8_t room[CRTP_HEADROOM + LAB_MAX]; /* what is on the link */
	struct crtp_pkt wire, out;
	enum crtp_form form;
	enum crtp_verdict verdict;
};

static inline struct crtp_params
params(bool enhanced, uint16_t space)
{
	struct crtp_params p = crtp_params_default();

	p.enhanced = enhanced;
	p.rtp = !enhanced;
	p.non_tcp_space = space;
	return p;
}

static inline struct ends *
ends_new(struct crtp_comp_conf c, struct crtp_dec_conf d)
{
	struct ends *e = calloc(1, sizeof *e);

	e->comp = crtp_comp_new(&c);
	e->dec = crtp_dec_new(&d);
	e->now = 100 * MONO_S;
	ck_assert(e->comp && e->dec);
	return e;
}

static inline struct crtp_comp_conf
comp_conf(struct crtp_params p, uint8_t n)
{
	struct crtp_comp_conf c = crtp_comp_conf_default();

	c.has_v4 = c.has_v6 = true;
	c.v4 = c.v6 = p;
	c.n = n;
	return c;
}

static inline struct crtp_dec_conf
dec_conf(struct crtp_params p)
{
	struct crtp_dec_conf d = crtp_dec_conf_default();

	d.has_v4 = d.has_v6 = true;
	d.v4 = d.v6 = p;
	return d;
}

static inline struct ends *
ends_of(bool enhanced, uint16_t space, uint8_t n)
{
	struct crtp_params p = params(enhanced, space);

	return ends_new(comp_conf(p, n), dec_conf(p));
}

static inline void
ends_free(struct ends *e)
{
	crtp_comp_free(e->comp);
	crtp_dec_free(e->dec);
	free(e);
}

/* Through the compressor; e->wire is what would be sent. */
static inline enum crtp_form
compress(struct ends *e, const struct packet *k)
{
	memcpy(e->room + CRTP_HEADROOM, k->b, k->len);
	e->wire = (struct crtp_pkt){ e->room + CRTP_HEADROOM, k->len, k->proto };
	e->form = crtp_compress(e->comp, e->now, &e->wire);
	ck_assert_uint_le(e->wire.len, k->len);
	ck_assert(e->wire.p >= e->room + CRTP_HEADROOM);
	return e->form;
}

/* e->wire through the decompressor, in an exact buffer of its own. */
static inline enum crtp_verdict
decompress(struct ends *e)
{
	static uint8_t room[CRTP_HEADROOM + LAB_MAX];

	memcpy(room + CRTP_HEADROOM, e->wire.p, e->wire.len);
	e->out = (struct crtp_pkt){ room + CRTP_HEADROOM, e->wire.len, e->wire.proto };
	e->verdict = crtp_decompress(e->dec, e->now, &e->out);
	if (e->verdict == CRTP_OK)
		ck_assert(e->out.p >= room &&
			  e->out.p + e->out.len == room + CRTP_HEADROOM + e->wire.len);
	return e->verdict;
}

static inline bool
same(const struct crtp_pkt *a, const struct packet *b)
{
	return a->proto == b->proto && a->len == b->len && memcmp(a->p, b->b, b->len) == 0;
}

/* Through both, unharmed; the form it took. */
static inline enum crtp_form
carry(struct ends *e, struct say s)
{
	struct packet k = make(s);

	compress(e, &k);
	ck_assert_msg(decompress(e) == CRTP_OK, "%s", crtp_verdict_name(e->verdict));
	ck_assert(same(&e->out, &k));
	return e->form;
}

/* A CONTEXT_STATE from one end to the other, if there is one. */
static inline bool
answer(struct ends *e)
{
	uint8_t b[64];
	size_t n = crtp_dec_state(e->dec, e->now, b, sizeof b);

	if (n)
		ck_assert(crtp_comp_state(e->comp, e->now, span_of(b, n)));
	return n > 0;
}

static inline size_t
from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; *hex; hex++) {
		if (*hex == ' ' || *hex == '\n')
			continue;
		ck_assert_int_eq(sscanf(hex, "%2x", &v), 1);
		out[n++] = (uint8_t)v;
		hex++;
	}
	return n;
}

static inline const char *
to_hex(const uint8_t *p, size_t n)
{
	static char text[4][2 * LAB_MAX + 1];
	static unsigned turn;
	char *t = text[turn++ % 4];

	t[0] = 0;
	for (size_t i = 0; i < n && i < LAB_MAX; i++)
		sprintf(t + 2 * i, "%02x", p[i]);
	return t;
}

#endif
