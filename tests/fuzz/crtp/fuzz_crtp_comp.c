// SPDX-License-Identifier: Apache-2.0
/*
 * A compressor that is given anything as IP, and a decompressor that must make the same of it
 * again.
 *
 * A sample is an octet of configuration, then packets.  The first octet of each says what it is:
 * octets as they come; or the packet before with some octets changed and its lengths and checksums
 * put right, so that flows go on; the next octets are that.  Some are lost on the way, by the same
 * octet: then, and only then, may the decompressor refuse.
 */
#include <stdlib.h>

#include "crtp/crtp.h"
#include "crtp/sum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define require(FINE) ((FINE) ? (void)0 : abort())

enum { PACKET = 256 };
enum { RAW = 1, MEND = 2, LOSE = 4, V6 = 8, STATE = 16, REFRESH = 32, LATER = 64, ROWS = 128 };

struct both {
	struct crtp_comp *c;
	struct crtp_dec *d;
	mono_t now;
	bool lossy;
	unsigned moves;		 /* to another compressor: a few */
	uint8_t last[2][PACKET]; /* IPv4, IPv6 */
	uint32_t len[2];
};

/* Lengths and checksums as a sender would have them; a UDP checksum of zero stays. */
static void
mend(uint8_t *p, uint32_t len, bool v6)
{
	uint32_t udp = v6 ? 40 : 20;
	uint16_t sum;

	if (len < udp + 8)
		return;
	p[0] = v6 ? (uint8_t)(0x60 | (p[0] & 15)) : 0x45;
	p[v6 ? 6 : 9] = 17;
	put_u16(p + (v6 ? 4 : 2), (uint16_t)(v6 ? len - 40 : len));
	put_u16(p + udp + 4, (uint16_t)(len - udp));
	if (!v6) {
		p[6] &= 0x40;
		p[7] = 0;
		memset(p + 10, 0, 2);
		sum = (uint16_t)~sum_fold(sum_octets(0, p, 20));
		memcpy(p + 10, &sum, 2);
	}
	if (get_u16(p + udp + 6) == 0 && !v6)
		return;
	memset(p + udp + 6, 0, 2);
	sum = (uint16_t)~sum_fold(sum_octets((uint64_t)lay16(17) + lay16((uint16_t)(len - udp)),
					     p + (v6 ? 8 : 12), len - (v6 ? 8 : 12)));
	sum = sum ? sum : 0xffff;
	memcpy(p + udp + 6, &sum, 2);
}

/* Pairs of place and octet, over the packet before: RTP goes on by itself. */
static void
change(uint8_t *p, uint32_t *len, struct rd *in, bool v6)
{
	uint32_t udp = v6 ? 40 : 20, changes = rd_u8(in) & 15;

	if (*len >= udp + 20) {
		put_u16(p + udp + 10, (uint16_t)(get_u16(p + udp + 10) + 1));
		put_u32(p + udp + 12, get_u32(p + udp + 12) + 160);
	}
	if (!v6 && *len >= 20)
		put_u16(p + 4, (uint16_t)(get_u16(p + 4) + 1));
	for (; changes > 0; changes--) {
		uint8_t at = rd_u8(in), value = rd_u8(in);
		if (at == 0xff)
			*len = value; /* below PACKET */
		else if (at < *len)
			p[at] = value;
	}
}

static void
send_one(struct both *b, const uint8_t *packet, uint32_t len, uint16_t proto, bool lose)
{
	static uint8_t room[CRTP_HEADROOM + PACKET];
	struct crtp_pkt k = { room + CRTP_HEADROOM, len, proto };
	enum crtp_form form;
	enum crtp_verdict v;

	memcpy(k.p, packet, len);
	form = crtp_compress(b->c, b->now, &k);
	require(k.p >= room + CRTP_HEADROOM && k.p + k.len == room + CRTP_HEADROOM + len &&
		k.len <= len);
	require(form != CRTP_PLAIN ||
		(k.proto == proto && k.len == len && memcmp(k.p, packet, len) == 0));
	if (lose) {
		b->lossy = true;
		return;
	}
	v = crtp_decompress(b->d, b->now, &k);
	if (v != CRTP_OK) {
		require(b->lossy);
		return;
	}
	if (!b->lossy) /* what is lost may leave a context behind: channel_test says how far that
			  goes */
		require(k.len == len && k.proto == proto && memcmp(k.p, packet, len) == 0);
}

static void
rows_over(struct both *b, const struct crtp_comp_conf *conf)
{
	static struct crtp_row rows[32];
	struct crtp_comp *fresh = crtp_comp_new(conf);
	size_t n;

	crtp_comp_export_all(b->c);
	while ((n = crtp_comp_export(b->c, rows, 32)) > 0)
		for (size_t i = 0; i < n; i++)
			require(
			    crtp_comp_import(fresh, rows[i].cid, span_of(rows[i].b, rows[i].len)));
	crtp_comp_free(b->c);
	b->c = fresh;
}

static void
one(struct both *b, struct rd *in, const struct crtp_comp_conf *conf)
{
	uint8_t how = rd_u8(in), n;
	bool v6 = how & V6;
	struct span s;

	if (how & LATER)
		b->now += 700 * MONO_MS;
	b->now += 20 * MONO_MS;
	if (how & STATE) {
		s = rd_span(in, rd_u8(in) & 31);
		crtp_comp_state(b->c, b->now, s);
	}
	if (how & REFRESH)
		crtp_comp_refresh(b->c);
	if (how & ROWS && b->moves++ < 4)
		rows_over(b, conf);
	if (how & RAW) {
		n = rd_u8(in);
		s = rd_span(in, n < rd_left(in) ? n : rd_left(in));
		if (s.len)
			memcpy(b->last[v6], s.p, s.len);
		b->len[v6] = (uint32_t)s.len;
	} else {
		change(b->last[v6], &b->len[v6], in, v6);
	}
	if (how & MEND)
		mend(b->last[v6], b->len[v6], v6);
	send_one(b, b->last[v6], b->len[v6], v6 ? 0x0057 : 0x0021, how & LOSE);
	crtp_comp_age(b->c, b->now);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rd in = rd_of(data, len);
	uint8_t how = rd_u8(&in);
	struct crtp_comp_conf conf = crtp_comp_conf_default();
	struct crtp_dec_conf dconf = crtp_dec_conf_default();
	static struct both b;

	memset(&b, 0, sizeof b);
	conf.has_v4 = conf.has_v6 = true;
	conf.v4 = crtp_params_default();
	conf.v4.enhanced = !(how & 1);
	conf.v4.rtp = how & 1;
	conf.v4.non_tcp_space = how & 2 ? 300 : 3;
	conf.v4.f_max_period = how & 4 ? 5 : 256;
	conf.v4.max_header = how & 8 ? 60 : 168;
	conf.v6 = conf.v4;
	conf.contexts = 6;
	conf.n = how >> 5;
	conf.full_every = 2;
	conf.idle_s = how & 16 ? 0 : 2;
	dconf.has_v4 = dconf.has_v6 = true;
	dconf.v4 = dconf.v6 = conf.v4;
	b.now = 50 * MONO_S;
	b.c = crtp_comp_new(&conf);
	b.d = crtp_dec_new(&dconf);
	require(b.c && b.d);
	while (in.ok && rd_left(&in) > 0)
		one(&b, &in, &conf);
	crtp_comp_free(b.c);
	crtp_dec_free(b.d);
	return 0;
}
