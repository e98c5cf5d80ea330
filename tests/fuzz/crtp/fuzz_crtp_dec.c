// SPDX-License-Identifier: Apache-2.0
/*
 * A decompressor that hears anything: frames of the link, rows of a checkpoint, errors, time.
 *
 * A sample is an octet of configuration, then operations: what (1), length (1 or 2), octets.  After
 * each: what comes out is a whole IP packet that ends where its frame ended; a CONTEXT_STATE is one
 * that a compressor understands; rows that were exported can be imported again and then export the
 * same.
 */
#include <stdlib.h>

#include "crtp/crtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define require(FINE) ((FINE) ? (void)0 : abort())

enum { FRAME = 600 };

static const uint16_t protos[16] = {
	0x0061, 0x0065, 0x0067, 0x0069, 0x2067, 0x2069, 0x0061, 0x0067,
	0x0069, 0x0063, 0x2063, 0x2065, 0x0021, 0x0057, 0x0061, 0x2067,
};

static uint8_t room[CRTP_HEADROOM + FRAME];

static void
check_packet(const struct crtp_pkt *k, const uint8_t *end, bool plain)
{
	require(k->p >= room && k->p + k->len == end);
	require(k->proto == 0x0021 || k->proto == 0x0057);
	if (plain)
		return;
	if (k->proto == 0x0057)
		require(k->len >= 40 && k->p[0] >> 4 == 6 && get_u16(k->p + 4) == k->len - 40);
	else
		require(k->len >= 20 && k->p[0] >> 4 == 4 && get_u16(k->p + 2) == k->len);
}

static void
check_state(struct crtp_dec *d, struct crtp_comp *c, mono_t now)
{
	uint8_t b[100];
	size_t n = crtp_dec_state(d, now, b, sizeof b);

	require(n <= sizeof b);
	if (n)
		require(crtp_comp_state(c, now, span_of(b, n)));
	else
		require(crtp_dec_due(d) == MONO_NEVER || crtp_dec_due(d) > now ||
			crtp_dec_state(d, now, b, 4) == 0);
}

/* Rows go to a second one, and as many come out of it. */
static void
check_rows(struct crtp_dec *d, const struct crtp_dec_conf *conf)
{
	struct crtp_dec *e = crtp_dec_new(conf);
	static struct crtp_row rows[64];
	size_t n, into = 0, out = 0;

	crtp_dec_export_all(d);
	while ((n = crtp_dec_export(d, rows, 64)) > 0) {
		for (size_t i = 0; i < n; i++) {
			require(crtp_dec_import(e, rows[i].cid, span_of(rows[i].b, rows[i].len)));
			into += rows[i].len > 0;
		}
	}
	crtp_dec_export_all(e);
	while ((n = crtp_dec_export(e, rows, 64)) > 0)
		out += n;
	require(into == out);
	crtp_dec_free(e);
}

static void
hear(struct crtp_dec *d, uint16_t proto, const uint8_t *p, size_t n, mono_t now)
{
	struct crtp_pkt k = { room + CRTP_HEADROOM, (uint32_t)n, proto };

	memcpy(k.p, p, n);
	if (crtp_decompress(d, now, &k) == CRTP_OK)
		check_packet(&k, room + CRTP_HEADROOM + n, proto == 0x0021 || proto == 0x0057);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct crtp_dec_conf conf = crtp_dec_conf_default();
	struct crtp_comp_conf other = crtp_comp_conf_default();
	struct rd in = rd_of(data, len);
	uint8_t how = rd_u8(&in);
	mono_t now = MONO_S;
	struct crtp_dec *d;
	struct crtp_comp *c;

	conf.has_v4 = !(how & 64);
	conf.has_v6 = !(how & 128);
	conf.v4 = crtp_params_default();
	conf.v4.enhanced = !(how & 1);
	conf.v4.rtp = how & 1;
	conf.v4.non_tcp_space = how & 2 ? 300 : 15;
	conf.v6 = conf.v4;
	conf.twice = how & 4;
	conf.beyond = how & 8;
	conf.checkpoint = how & 16 ? 4 : 0;
	other.has_v4 = other.has_v6 = true;
	other.v4 = other.v6 = conf.v4;
	d = crtp_dec_new(&conf);
	c = crtp_comp_new(&other);
	require(d && c);
	while (in.ok && rd_left(&in) > 0) {
		uint8_t what = rd_u8(&in);
		uint16_t n = rd_u8(&in);
		if (n >= 0xf0)
			n = (uint16_t)((n & 1) << 8 | rd_u8(&in));
		if (n > rd_left(&in))
			n = (uint16_t)rd_left(&in);
		struct span s = rd_span(&in, n);
		now += (mono_t)(what >> 4) * MONO_MS;
		if ((what & 0x30) == 0x30)
			crtp_dec_import(d, n % 20, s);
		else if (what == 0x0f)
			crtp_dec_link_error(d, now);
		else
			hear(d, protos[what & 15], s.p ? s.p : data, s.len, now);
		check_state(d, c, now);
	}
	check_rows(d, &conf);
	crtp_dec_free(d);
	crtp_comp_free(c);
	return 0;
}
