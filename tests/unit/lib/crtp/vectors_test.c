// SPDX-License-Identifier: Apache-2.0
/*
 * Packets and their compressed forms as octets, computed by somebody else: what the compressor
 * makes is what they made, and what the decompressor makes of it is what went in.
 */
#include "lab.h"

#include "crtp/delta.h"

struct vector {
	uint16_t proto;
	const char *in, *out;
};

static const struct vector stream_a[] = {
	/* A0: FULL_HEADER, 8-bit CID 5, link seq 0, generation 0: IPv4 total length field -> 4005,
	   UDP length field -> 0000 */
	{ 0x0061,
	  "45b8003c10000000401155f70a0000010a000002138c138e00280000800000640002710011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "45b8400510000000401155f70a0000010a000002138c138e00000000800000640002710011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* A1: COMPRESSED_RTP_8: T=1, first dT = 160 */
	{ 0x0069,
	  "45b8003c10010000401155f60a0000010a000002138c138e0028000080000065000271a011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "052180a0d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* A2: COMPRESSED_RTP_8: nothing but CID and seq */
	{ 0x0069,
	  "45b8003c10020000401155f50a0000010a000002138c138e00280000800000660002724011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "0502d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* A3: M=1 */
	{ 0x0069,
	  "45b8003c10030000401155f40a0000010a000002138c138e0028000080800067000272e011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "0583d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* A4: two packets lost upstream: S=1 T=1 I=1 */
	{ 0x0069,
	  "45b8003c10060000401155f10a0000010a000002138c138e002800008000006a000274c011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "0574030381e0d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* A5: back to normal: dI and dT must be sent again, dS must not (expected RTP sequence step
	   is always 1) */
	{ 0x0069,
	  "45b8003c10070000401155f00a0000010a000002138c138e002800008000006b0002756011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "05350180a0d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* A6: MSTI=1111 extension: second byte M'S'T'I'=0000, CC=1, then the CSRC list */
	{ 0x0069,
	  "45b8004010080000401155eb0a0000010a000002138c138e002c00008100006c0002760011223344aabbccdd"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "05f601aabbccddd5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* A7: payload type changed (and CC back to 0): RFC 2508 COMPRESSED_UDP_8, whole RTP header
	   sent */
	{ 0x0067,
	  "45b8003c10090000401155ee0a0000010a000002138c138e002800008008006d000276a011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "05078008006d000276a011223344d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* A8: dT has to be established again */
	{ 0x0069,
	  "45b8003c100a0000401155ed0a0000010a000002138c138e002800008008006e0002774011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "052880a0d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
};

static const struct vector stream_b[] = {
	/* B0: FULL_HEADER 1 of N+1=3, 16-bit CID 0x0105, generation 1, C=1, link seq 0 */
	{ 0x0061,
	  "45b8003c20000000401145f70a0000010a000002138c138e00280000800001f400001f4011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "45b8c11020000000401145f70a0000010a000002138c138e0105dee6800001f400001f4011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* B1: FULL_HEADER 2 of N+1=3, 16-bit CID 0x0105, generation 1, C=1, link seq 1 */
	{ 0x0061,
	  "45b8003c20010000401145f60a0000010a000002138c138e00280000800001f500001fe011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "45b8c11120010000401145f60a0000010a000002138c138e0105de45800001f500001fe011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* B2: FULL_HEADER 3 of N+1=3, 16-bit CID 0x0105, generation 1, C=1, link seq 2 */
	{ 0x0061,
	  "45b8003c20020000401145f50a0000010a000002138c138e00280000800001f60000208011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "45b8c11220020000401145f50a0000010a000002138c138e0105dda4800001f60000208011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* B3: enhanced COMPRESSED_UDP_16: F=1 I=1 dT=1 dI=1, second byte T=1 only */
	{ 0x2067,
	  "45b8003c20030000401145f40a0000010a000002138c138e00280000800001f70000212011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "0105f320dd030180a0200300002120d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* B4: enhanced COMPRESSED_UDP_16: F=1 I=1 dT=1 dI=1, second byte T=1 only */
	{ 0x2067,
	  "45b8003c20040000401145f30a0000010a000002138c138e00280000800001f8000021c011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "0105f420dc620180a02004000021c0d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* B5: enhanced COMPRESSED_UDP_16: F=1 I=1 dT=1 dI=1, second byte T=1 only */
	{ 0x2067,
	  "45b8003c20050000401145f20a0000010a000002138c138e00280000800001f90000226011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "0105f520dbc10180a0200500002260d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* B6: COMPRESSED_RTP_16 with HDRCKSUM db20 */
	{ 0x2069,
	  "45b8003c20060000401145f10a0000010a000002138c138e00280000800001fa0000230011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "010506db20d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
	/* B7: talkspurt: F=1, M=1 T=1, absolute timestamp, deltas kept */
	{ 0x2067,
	  "45b8003c20070000401145f00a0000010a000002138c138e00280000808001fb0000a00011223344d5d5d5d5"
	  "d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5",
	  "010587a05d9f0000a000d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5" },
};

/* The compressor takes CIDs from 0 on: other flows are in front. */
static void
use_up_cids(struct ends *e, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(
		    carry(e, (struct say){ .octets = 4, .sport = (uint16_t)(7000 + i) }),
		    CRTP_FULL);
}

static void
check_stream(struct ends *e, const struct vector *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct packet in = { .proto = CRTP_PPP_IPV4 };
		uint8_t out[LAB_MAX];
		size_t len = from_hex(v[i].out, out);

		in.len = (uint32_t)from_hex(v[i].in, in.b);
		compress(e, &in);
		ck_assert_msg(e->wire.proto == v[i].proto, "%zu: %04x", i, e->wire.proto);
		ck_assert_msg(e->wire.len == len && memcmp(e->wire.p, out, len) == 0,
			      "%zu: %s, not %s", i, to_hex(e->wire.p, e->wire.len), v[i].out);
		ck_assert_int_eq(decompress(e), CRTP_OK);
		ck_assert(same(&e->out, &in));
	}
}

START_TEST(classic_8_bit_cids)
{
	struct ends *e = ends_of(false, 15, 0);

	use_up_cids(e, 5);
	check_stream(e, stream_a, sizeof stream_a / sizeof *stream_a);
	ends_free(e);
}
END_TEST

START_TEST(enhanced_16_bit_cids)
{
	struct ends *e = ends_of(true, 300, 2);

	use_up_cids(e, 0x105);
	check_stream(e, stream_b, sizeof stream_b / sizeof *stream_b);
	ends_free(e);
}
END_TEST

static const struct {
	int32_t value;
	const char *octets;
} deltas[] = {
	{ -16384, "c00000" }, { -16383, "c00001" },  { -129, "c03f7f" },  { -128, "8000" },
	{ -127, "8001" },     { -1, "807f" },	     { 0, "00" },	  { 1, "01" },
	{ 127, "7f" },	      { 128, "8080" },	     { 160, "80a0" },	  { 240, "80f0" },
	{ 480, "81e0" },      { 16383, "bfff" },     { 16384, "c04000" }, { 16385, "c04001" },
	{ 160000, "c27100" }, { 4194303, "ffffff" },
};

START_TEST(the_delta_table)
{
	uint8_t want[4], got[4];
	size_t n = from_hex(deltas[_i].octets, want);
	struct rd in = rd_of(want, n);

	ck_assert_uint_eq((size_t)(delta_write(got, deltas[_i].value) - got), n);
	ck_assert_mem_eq(got, want, n);
	ck_assert_int_eq(delta_read(&in), deltas[_i].value);
	ck_assert(in.ok && rd_left(&in) == 0);
}
END_TEST

START_TEST(every_difference_there_is)
{
	uint8_t b[4];

	for (int32_t v = DELTA_MIN; v <= DELTA_MAX; v++) {
		struct rd in = rd_of(b, (size_t)(delta_write(b, v) - b));
		if (delta_read(&in) != v || !in.ok || rd_left(&in) > 0)
			ck_abort_msg("%d", v);
	}
	ck_assert(!delta_fits(DELTA_MIN - 1) && !delta_fits(DELTA_MAX + 1));
}
END_TEST

/* Two octets of CONTEXT_STATE's vectors: CID 5 invalid, sequence 3, generation 0; CID 6 advisory.
 */
START_TEST(context_state_8)
{
	struct ends *e = ends_of(true, 15, 2);
	uint8_t b[16];
	size_t n = from_hex("0102058300060900", b);

	ck_assert(crtp_comp_state(e->comp, e->now, span_of(b, n)));
	ck_assert(!crtp_comp_state(e->comp, e->now, span_of(b, n - 1)));
	ends_free(e);
}
END_TEST

START_TEST(context_state_16)
{
	struct ends *e = ends_of(true, 300, 0);
	uint8_t want[16], got[16];
	size_t n = from_hex("020101058601", want);

	use_up_cids(e, 0x105);
	/* Generation 1; six packets on, two are lost, of a stream that may lose none. */
	for (uint16_t i = 0; i < 7; i++)
		carry(e, (struct say){ .rtp = true, .seq = i, .id = i, .octets = 20 });
	for (uint16_t i = 7; i < 9; i++) {
		struct packet k =
		    make((struct say){ .rtp = true, .seq = i, .id = i, .octets = 20 });
		compress(e, &k);
	}
	ck_assert_int_eq(decompress(e), CRTP_GAP);
	ck_assert_uint_eq(crtp_dec_state(e->dec, e->now, got, sizeof got), n);
	ck_assert_mem_eq(got, want, n);
	ends_free(e);
}
END_TEST

/* 0061 / 15 / 15 / 256 / 5 / 168, suboption 2; then with "no TCP contexts". */
START_TEST(the_option)
{
	static const char *const texts[] = { "0061000f000f0100000500a80202",
					     "0061000f000f0100000500a80202030301" };
	struct crtp_params p = crtp_params_default(), q;
	uint8_t want[32], got[32];

	for (unsigned i = 0; i < 2; i++) {
		size_t n = from_hex(texts[i], want);
		struct wr w = wr_of(got, sizeof got);

		p.no_tcp = i == 1;
		crtp_params_write(&w, &p);
		ck_assert_uint_eq(wr_len(&w), n);
		ck_assert_mem_eq(got, want, n);
		ck_assert_int_eq(crtp_params_read(span_of(want, n), &q, NULL), CRTP_PARAMS_OK);
		ck_assert(q.enhanced && !q.rtp && q.no_tcp == p.no_tcp && q.f_max_period == 256 &&
			  q.max_header == 168);
	}
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, classic_8_bit_cids);
	tcase_add_test(t, enhanced_16_bit_cids);
	tcase_add_loop_test(t, the_delta_table, 0, sizeof deltas / sizeof *deltas);
	tcase_add_test(t, every_difference_there_is);
	tcase_add_test(t, context_state_8);
	tcase_add_test(t, context_state_16);
	tcase_add_test(t, the_option);
}

UNIT_MAIN("crtp vectors", add)
