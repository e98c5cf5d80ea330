// SPDX-License-Identifier: Apache-2.0
/* The decompressor: loss, lateness, requests, checkpoints; frames that nobody should send. */
#include "lab.h"

static struct say
voice(uint16_t n)
{
	return (
	    struct say){ .rtp = true, .pt = 18, .seq = n, .ts = n * 160u, .id = n, .octets = 20 };
}

/* Compressed, and lost. */
static void
lose(struct ends *e, struct say s)
{
	struct packet k = make(s);

	compress(e, &k);
}

static enum crtp_verdict
refused(struct ends *e, struct say s)
{
	struct packet k = make(s);

	compress(e, &k);
	return decompress(e);
}

static struct ends *
talking(uint8_t n, uint16_t packets)
{
	struct ends *e = ends_of(true, 15, n);

	for (uint16_t i = 0; i < packets; i++)
		carry(e, voice(i));
	return e;
}

START_TEST(n_losses_in_a_row_are_bridged)
{
	unsigned n = (unsigned)_i;
	struct ends *e = talking((uint8_t)n, 20);

	for (uint16_t i = 20; i < 20 + n; i++)
		lose(e, voice(i));
	carry(e, voice((uint16_t)(20 + n)));
	ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_MISSING], n);
	for (uint16_t i = (uint16_t)(21 + n); i < 22 + 2 * n; i++)
		lose(e, voice(i));
	if (n < 10) /* beyond that it looks late at first */
		ck_assert_int_eq(refused(e, voice((uint16_t)(22 + 2 * n))), CRTP_GAP);
	ends_free(e);
}
END_TEST

/* A change is repeated N+1 times: any N packets around it may go. */
START_TEST(a_change_survives_any_two_losses)
{
	for (uint16_t lost = 18; lost < 26; lost++) {
		struct ends *e = talking(2, 18);
		for (uint16_t i = 18; i < 40; i++) {
			struct say s = voice(i);
			s.ts += i >= 20 ? 5000 : 0;
			s.id = (uint16_t)(s.id + (i >= 20 ? 77 : 0));
			s.pt = i >= 20 ? 8 : 18;
			if (i == lost || i == lost + 1)
				lose(e, s);
			else
				carry(e, s);
		}
		ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_INVALIDATED], 0);
		ends_free(e);
	}
}
END_TEST

START_TEST(a_late_packet_does_not_move_the_context_back)
{
	struct ends *e = talking(2, 20);
	struct packet k = make(voice(20));
	uint8_t late[100];
	struct crtp_pkt frame;

	compress(e, &k);
	frame = e->wire;
	memcpy(late, frame.p, frame.len);
	carry(e, voice(21));
	carry(e, voice(22));
	e->wire = (struct crtp_pkt){ late, frame.len, frame.proto };
	ck_assert_int_eq(decompress(e), CRTP_OK);
	ck_assert(same(&e->out, &k));
	ck_assert_int_eq(decompress(e), CRTP_LATE); /* once is enough */
	carry(e, voice(23));
	ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_REORDERED], 1);
	ends_free(e);
}
END_TEST

START_TEST(a_copy_is_dropped)
{
	struct ends *e = talking(2, 20);

	ck_assert_int_eq(decompress(e), CRTP_TWICE);
	carry(e, voice(20));
	ends_free(e);
}
END_TEST

/* RFC 2508, 3.3.5 by the letter: one lost, all dropped until a full header; asked for at a limited
 * rate. */
START_TEST(rfc_2508_invalidates_at_once_and_asks)
{
	struct ends *e = ends_of(false, 15, 0);
	unsigned asked = 0;

	for (uint16_t i = 0; i < 10; i++)
		carry(e, voice(i));
	lose(e, voice(10));
	ck_assert_int_eq(refused(e, voice(11)), CRTP_GAP);
	for (uint16_t i = 12; i < 32; i++, e->now += 20 * MONO_MS) {
		uint8_t b[32];
		ck_assert_int_eq(refused(e, voice(i)), CRTP_INVALID);
		asked += crtp_dec_state(e->dec, e->now, b, sizeof b) > 0;
	}
	ck_assert_uint_ge(asked, 3);
	ck_assert_uint_le(asked, 4); /* 400 ms, one each 100 ms */
	ck_assert_int_eq(refused(e, voice(32)), CRTP_INVALID);
	e->now += 300 * MONO_MS;
	ck_assert_int_eq(refused(e, voice(33)), CRTP_INVALID);
	ck_assert(answer(e));
	ck_assert_int_eq(carry(e, voice(34)), CRTP_FULL);
	ends_free(e);
}
END_TEST

/* RFC 3545, 2.3: N+1 times the same block, apart in time; none once the full header came. */
START_TEST(a_request_is_repeated)
{
	struct ends *e = talking(2, 20);
	uint8_t first[32], b[32];
	size_t n;

	for (uint16_t i = 20; i < 25; i++)
		lose(e, voice(i));
	ck_assert_int_eq(refused(e, voice(25)), CRTP_GAP);
	n = crtp_dec_state(e->dec, e->now, first, sizeof first);
	ck_assert_uint_eq(n, 5);
	ck_assert_uint_eq(crtp_dec_state(e->dec, e->now, b, sizeof b), 0);
	ck_assert(crtp_dec_due(e->dec) > e->now);
	for (unsigned i = 0; i < 2; i++) {
		e->now = crtp_dec_due(e->dec);
		ck_assert_uint_eq(crtp_dec_state(e->dec, e->now, b, sizeof b), n);
		ck_assert_mem_eq(b, first, n);
	}
	ck_assert_int_eq(crtp_dec_due(e->dec), MONO_NEVER);
	ends_free(e);
}
END_TEST

START_TEST(ten_thousand_lost_contexts_are_no_flood)
{
	struct crtp_dec_conf conf = dec_conf(params(true, 9999));
	struct crtp_dec *d = crtp_dec_new(&conf);
	uint8_t room[CRTP_HEADROOM + 8], b[2000];
	mono_t now = MONO_S;
	unsigned packets = 0, blocks = 0;
	size_t n;

	for (unsigned i = 0; i < 10000; i++) {
		struct crtp_pkt k = { room + CRTP_HEADROOM, 6, CRTP_PPP_COMPRESSED_RTP_16 };
		memset(k.p, 0, 6);
		put_u16(k.p, (uint16_t)i);
		ck_assert_int_eq(crtp_decompress(d, now, &k), CRTP_UNKNOWN);
	}
	for (; crtp_dec_due(d) != MONO_NEVER; now = crtp_dec_due(d) > now ? crtp_dec_due(d) : now) {
		n = crtp_dec_state(d, now, b, sizeof b);
		packets += n > 0;
		blocks += n ? b[1] : 0;
	}
	ck_assert_uint_eq(blocks, 10000);
	ck_assert_uint_eq(packets, 40);
	crtp_dec_free(d);
}
END_TEST

START_TEST(an_advisory_after_a_link_error)
{
	struct ends *e = talking(2, 20);
	uint8_t b[32];

	crtp_dec_link_error(e->dec, e->now);
	ck_assert_uint_eq(crtp_dec_state(e->dec, e->now, b, sizeof b), 5);
	ck_assert_uint_eq(b[3] & 0x80, 0);
	ck_assert_uint_eq(b[4], 1);
	ck_assert_uint_eq(crtp_dec_state(e->dec, e->now + MONO_S, b, sizeof b), 0);
	ends_free(e);
}
END_TEST

static enum crtp_verdict
hear(struct ends *e, uint16_t proto, const char *hex)
{
	uint8_t b[256];

	e->wire = (struct crtp_pkt){ b, (uint32_t)from_hex(hex, b), proto };
	return decompress(e);
}

START_TEST(frames_that_nobody_should_send)
{
	struct ends *e = talking(2, 20), *classic = ends_of(false, 15, 0);

	carry(classic, voice(0));
	ck_assert_int_eq(hear(e, 0x0069, ""), CRTP_SHORT);
	ck_assert_int_eq(hear(e, 0x0069, "00"), CRTP_SHORT);
	ck_assert_int_eq(hear(e, 0x0069, "10041234"), CRTP_CID);
	ck_assert_int_eq(hear(e, 0x0069, "05041234"), CRTP_UNKNOWN);
	ck_assert_int_eq(hear(e, 0x2069, "0000f41234"), CRTP_SHORT);
	ck_assert_int_eq(hear(e, 0x0067, "00f4"), CRTP_SHORT);
	ck_assert_int_eq(hear(e, 0x0063, "0000"), CRTP_TCP);
	ck_assert_int_eq(hear(e, 0x2063, "0000"), CRTP_TCP);
	ck_assert_int_eq(hear(e, 0x2065, "0100"), CRTP_STATE);
	ck_assert_int_eq(hear(e, 0x0059, "00"), CRTP_PROTOCOL);
	ck_assert_int_eq(hear(e, 0x0061, "45"), CRTP_SHORT);
	ck_assert_int_eq(hear(classic, 0x0067, "0091123400"), CRTP_MALFORMED); /* F in RFC 2508 */
	ck_assert_int_eq(hear(e, 0x0065, "0041"), CRTP_SHORT);
	ck_assert_int_eq(hear(e, 0x0065, "007f041234567800"), CRTP_GENERATION);
	ends_free(classic);
	ends_free(e);
}
END_TEST

START_TEST(a_damaged_full_header_opens_nothing)
{
	struct ends *e = ends_of(true, 15, 2);
	struct packet k = make(voice(0));

	compress(e, &k);
	e->wire.p[8] ^= 1; /* TTL */
	ck_assert_int_eq(decompress(e), CRTP_DAMAGED);
	e->wire.p[8] ^= 1;
	e->wire.p[45] ^= 1; /* payload */
	ck_assert_int_eq(decompress(e), CRTP_DAMAGED);
	ck_assert_int_eq(refused(e, voice(1)), CRTP_OK);
	ends_free(e);
}
END_TEST

/* A TCP full header is restored, and opens no context. */
START_TEST(tcp_is_left_alone)
{
	struct ends *e = ends_of(true, 15, 2);
	struct packet k = make(voice(0)), whole;

	k.b[9] = 6;
	lab_checksums(&k, false);
	whole = k;
	put_u16(k.b + 2, 0x0007); /* packet number, CID */
	memcpy(e->room, k.b, k.len);
	e->wire = (struct crtp_pkt){ e->room, k.len, CRTP_PPP_FULL_HEADER };
	ck_assert_int_eq(decompress(e), CRTP_OK);
	ck_assert(same(&e->out, &whole));
	ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_UNKEPT], 1);
	ends_free(e);
}
END_TEST

/* --- IPv6 extension headers (RFC 2507, 7.2 to 7.10) --- */

static enum crtp_verdict
frame(struct ends *e, uint16_t proto, const uint8_t *p, uint32_t len)
{
	memcpy(e->room, p, len);
	e->wire = (struct crtp_pkt){ e->room, len, proto };
	return decompress(e);
}

/* An IPv6 header in front of `rest`, whose length field says `length`. */
static uint32_t
ipv6(uint8_t *p, uint16_t length, uint8_t next, const uint8_t *rest, uint32_t n)
{
	memset(p, 0xdb, 40);
	put_u32(p, 0x60000000);
	put_u16(p + 4, length);
	p[6] = next;
	p[7] = 64;
	memcpy(p + 40, rest, n);
	return 40 + n;
}

/* The chain ends with them: CID 7, generation 3; then what is RANDOM, and what is behind them.  D means nothing here. */
static const struct {
	uint8_t next, kept, full[16], compressed[16], want[16];
	uint32_t full_len, compressed_len, want_len;
} last_headers[] = {
	{ 44, 8, { 17, 0, 0, 1, 1, 2, 3, 4, 0xaa, 0xbb }, { 7, 3, 0x12, 0x39, 9, 8, 7, 6, 0xcc }, { 17, 0, 0x12, 0x39, 9, 8, 7, 6, 0xcc }, 10, 9, 9 },
	{ 44, 8, { 17, 0, 0, 1, 1, 2, 3, 4, 0xaa, 0xbb }, { 7, 0x43, 5, 0, 0, 9, 8, 7, 6, 0xcc }, { 17, 0, 0, 0, 9, 8, 7, 6, 0xcc }, 10, 10, 9 },
	{ 50, 4, { 1, 2, 3, 4, 0, 0, 0, 1, 0xaa }, { 7, 3, 0, 0, 0, 2, 0xcc, 0xdd }, { 1, 2, 3, 4, 0, 0, 0, 2, 0xcc, 0xdd }, 9, 8, 10 },
};

START_TEST(fragments_and_esp_end_the_chain)
{
	struct ends *e = ends_of(true, 15, 2);
	uint8_t full[80], want[80];
	const uint32_t n = ipv6(full, 0x4307, last_headers[_i].next, last_headers[_i].full, last_headers[_i].full_len);
	const uint32_t m = ipv6(want, (uint16_t)last_headers[_i].want_len, last_headers[_i].next, last_headers[_i].want,
				last_headers[_i].want_len);

	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(frame(e, CRTP_PPP_FULL_HEADER, full, n), CRTP_OK);
		ck_assert_uint_eq(get_u16(e->out.p + 4), n - 40);
		ck_assert_int_eq(frame(e, CRTP_PPP_COMPRESSED_NON_TCP, last_headers[_i].compressed, last_headers[_i].compressed_len),
				 CRTP_OK);
		ck_assert_uint_eq(e->out.len, m);
		ck_assert_mem_eq(e->out.p, want, m);
	}
	for (uint32_t cut = 2; cut + 1 < last_headers[_i].compressed_len - (m - 40 - last_headers[_i].kept); cut++)
		ck_assert_int_eq(frame(e, CRTP_PPP_COMPRESSED_NON_TCP, last_headers[_i].compressed, cut), CRTP_SHORT);
	ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_UNKEPT], 0);
	ends_free(e);
}
END_TEST

/* What no context holds comes out all the same: whoever sends it compressed is asked for it whole. */
static const struct {
	uint8_t next, n, rest[36];
} unkept[] = {
	{ 43, 36, { 17, 2, 4, 1, 0, 0, 0, 0, [8] = 9, [24] = 1, 2, 3, 4, 0, 0, 0x12, 0x34, 0xaa, 0xbb, 0xcc, 0xdd } }, /* a type that we do not know, on its way */
	{ 60, 36, { 17, 2, 1, 2, 0, 0, 201, 16, [24] = 1, 2, 3, 4, 0, 0, 0x12, 0x34, 0xaa, 0xbb, 0xcc, 0xdd } }, /* home address */
	{ 0, 16, { 58, 0, 194, 4, 0, 1, 0, 0, 128 } },					   /* jumbo payload */
	{ 60, 16, { 58, 0, 30, 9, 0, 1, 0, 0, 128 } },					   /* an option beyond its header */
	{ 0, 10, { 58, 5, 1, 0 } },							   /* a header beyond the packet */
};

START_TEST(extension_headers_that_no_context_holds)
{
	struct ends *e = ends_of(true, 15, 2);
	uint8_t full[80];
	const uint32_t n = ipv6(full, 0x4307, unkept[_i].next, unkept[_i].rest, unkept[_i].n);

	if (unkept[_i].next == 43 || unkept[_i].n == 36)
		put_u16(full + 40 + 28, 5); /* the second length: a sequence */
	ck_assert_int_eq(frame(e, CRTP_PPP_FULL_HEADER, full, n), CRTP_OK);
	ck_assert_uint_eq(e->out.len, n);
	ck_assert_uint_eq(get_u16(e->out.p + 4), n - 40);
	ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_UNKEPT], 1);
	ck_assert_int_eq(frame(e, CRTP_PPP_COMPRESSED_NON_TCP, (const uint8_t[]){ 7, 3, 0, 0, 0 }, 5), CRTP_UNKNOWN);
	ends_free(e);
}
END_TEST

/* --- checkpoints
 * ----------------------------------------------------------------------------------------- */

static struct ends *
mirrored(uint16_t packets, struct say (*say)(uint16_t))
{
	struct crtp_params p = params(true, 15);
	struct crtp_dec_conf d = dec_conf(p);
	struct ends *e;

	d.checkpoint = 8;
	e = ends_new(comp_conf(p, 2), d);
	for (uint16_t i = 0; i < packets; i++)
		carry(e, say(i));
	return e;
}

/* The other node's decompressor, from what was exported; the one in `e` is gone. */
static size_t
promote_dec(struct ends *e)
{
	struct crtp_dec_conf d = dec_conf(params(true, 15));
	struct crtp_dec *fresh = crtp_dec_new(&d);
	struct crtp_row rows[8];
	size_t n, all = 0;

	while ((n = crtp_dec_export(e->dec, rows, 8)) > 0)
		for (size_t i = 0; i < n; i++, all++)
			ck_assert(
			    crtp_dec_import(fresh, rows[i].cid, span_of(rows[i].b, rows[i].len)));
	crtp_dec_free(e->dec);
	e->dec = fresh;
	return all;
}

START_TEST(a_promoted_decompressor_bridges_the_gap)
{
	struct ends *e = mirrored(43, voice);
	struct crtp_row rows[8];

	ck_assert_uint_eq(promote_dec(e), 2); /* constant and moving, the latest of each */
	for (uint16_t i = 43; i < 43 + _i; i++)
		lose(e, voice(i));
	for (uint16_t i = (uint16_t)(43 + _i); i < 60 + _i; i++)
		carry(e, voice(i));
	ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_BRIDGED], 1);
	ck_assert_int_eq(crtp_dec_due(e->dec), MONO_NEVER); /* nobody was asked */
	ck_assert_uint_eq(crtp_dec_export(e->dec, rows, 8), 0);
	ends_free(e);
}
END_TEST

static struct say
restless(uint16_t n)
{
	struct say s = voice(n);

	s.id = (uint16_t)(n * n * 7919u ^ n * 31u);
	return s;
}

/* Random IDs are told in each packet: nothing to guess. */
START_TEST(a_bridge_with_random_ids)
{
	struct ends *e = mirrored(40, restless);

	promote_dec(e);
	for (uint16_t i = 40; i < 70; i++)
		lose(e, restless(i));
	carry(e, restless(70));
	ends_free(e);
}
END_TEST

/* An ID that jumped lately is not guessed. */
START_TEST(no_bridge_over_an_unsteady_id)
{
	struct ends *e = mirrored(40, voice);
	struct say s;

	for (uint16_t i = 40; i < 46; i++) {
		s = voice(i);
		s.id = (uint16_t)(s.id + 500);
		carry(e, s);
	}
	promote_dec(e);
	s = voice(46);
	s.id = (uint16_t)(s.id + 500);
	for (uint16_t i = 0; i < 4; i++) { /* three tries, then it asks */
		ck_assert_int_eq(crtp_dec_due(e->dec), MONO_NEVER);
		s = voice((uint16_t)(46 + i));
		s.id = (uint16_t)(s.id + 500);
		ck_assert_int_eq(refused(e, s), CRTP_GAP);
	}
	ck_assert_int_ne(crtp_dec_due(e->dec), MONO_NEVER);
	ends_free(e);
}
END_TEST

/*
 * A talk spurt began, the active node restored it and died before its checkpoint; the gap took the N copies.  The peer,
 * which saw that our compressor was replaced, tells everything once more: one packet is lost, and nobody asks.
 */
START_TEST(what_changed_last_is_told_to_a_new_peer)
{
	struct ends *e = mirrored(40, voice);
	struct say s;

	promote_dec(e);
	for (uint16_t i = 40; i < 47; i++) {
		s = voice(i);
		s.ts += 48000;
		if (i < 44)
			lose(e, s);
		else if (i == 44)
			ck_assert_int_eq(refused(e, s), CRTP_GAP);
		else
			carry(e, s);
		if (i == 44)
			crtp_comp_tell(e->comp);
	}
	ck_assert_int_eq(crtp_dec_due(e->dec), MONO_NEVER);
	ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_BRIDGED], 1);
	ck_assert_uint_eq(crtp_comp_stats(e->comp)[CRTP_C_TOLD], 1);
	ends_free(e);
}
END_TEST

/* The same by RFC 2508: full headers. */
START_TEST(a_new_peer_by_rfc_2508)
{
	struct crtp_params p = params(false, 15);
	struct ends *e = ends_new(comp_conf(p, 2), dec_conf(p));
	uint64_t full;

	for (uint16_t i = 0; i < 10; i++)
		carry(e, voice(i));
	full = crtp_comp_stats(e->comp)[CRTP_C_FULL_HEADER];
	crtp_comp_tell(e->comp);
	carry(e, voice(10));
	carry(e, voice(11));
	ck_assert_uint_eq(crtp_comp_stats(e->comp)[CRTP_C_FULL_HEADER], full + 1);
	ends_free(e);
}
END_TEST

/* The other node's compressor goes on from the constant parts: its peer's decompressor notices, once. */
START_TEST(a_replaced_compressor_is_noticed)
{
	struct ends *e = mirrored(40, voice);
	struct crtp_comp_conf c = comp_conf(params(true, 15), 2);
	struct crtp_comp *fresh = crtp_comp_new(&c);
	struct crtp_row rows[8];
	size_t n = crtp_comp_export(e->comp, rows, 8);

	for (size_t i = 0; i < n; i++)
		ck_assert(crtp_comp_import(fresh, rows[i].cid, span_of(rows[i].b, rows[i].len)));
	ck_assert(!crtp_dec_renewed(e->dec));
	crtp_comp_free(e->comp);
	e->comp = fresh;
	for (uint16_t i = 41; i < 50; i++)
		carry(e, voice(i));
	ck_assert(crtp_dec_renewed(e->dec));
	ck_assert(!crtp_dec_renewed(e->dec));
	ends_free(e);
}
END_TEST

/* A constant field that changes is a new generation of the same compressor. */
START_TEST(a_new_generation_is_no_new_peer)
{
	struct ends *e = mirrored(40, voice);

	for (uint16_t i = 40; i < 60; i++) {
		struct say s = voice(i);
		s.ttl = i < 50 ? 63 : 62;
		carry(e, s);
	}
	ck_assert(!crtp_dec_renewed(e->dec));
	ends_free(e);
}
END_TEST

/* How many rows a call makes: one each `checkpoint` packets. */
START_TEST(rows_are_made_at_their_rate)
{
	struct ends *e = mirrored(20, voice);
	struct crtp_row rows[8];
	size_t all = 0;

	while (crtp_dec_export(e->dec, rows, 8) > 0)
		;
	for (uint16_t i = 20; i < 100; i++) {
		carry(e, voice(i));
		all += crtp_dec_export(e->dec, rows, 8);
	}
	ck_assert_uint_eq(all, 10);
	crtp_dec_export_all(e->dec);
	ck_assert_uint_eq(crtp_dec_export(e->dec, rows, 8), 2);
	ends_free(e);
}
END_TEST

START_TEST(a_promoted_compressor_opens_with_full_headers)
{
	struct crtp_comp_conf conf = comp_conf(params(true, 15), 2);
	struct ends *e = talking(2, 30);
	struct crtp_comp *fresh = crtp_comp_new(&conf);
	struct crtp_row rows[8];
	size_t n = crtp_comp_export(e->comp, rows, 8);

	ck_assert_uint_eq(n, 1);
	ck_assert(crtp_comp_import(fresh, rows[0].cid, span_of(rows[0].b, rows[0].len)));
	ck_assert(crtp_comp_import(fresh, rows[0].cid,
				   span_of(rows[0].b, rows[0].len))); /* twice is once */
	ck_assert_uint_eq(crtp_comp_stats(fresh)[CRTP_C_CONTEXTS], 1);
	crtp_comp_free(e->comp);
	e->comp = fresh;
	for (uint16_t i = 40; i < 60; i++)
		ck_assert_int_eq(carry(e, voice(i)), i < 43   ? CRTP_FULL
						     : i < 46 ? CRTP_UDP
							      : CRTP_RTP);
	ck_assert_uint_eq(crtp_dec_stats(e->dec)[CRTP_D_CONTEXTS], 1); /* under the same CID */
	ck_assert_int_eq(crtp_dec_due(e->dec), MONO_NEVER);
	ends_free(e);
}
END_TEST

START_TEST(rows_that_make_no_sense)
{
	struct ends *e = mirrored(10, voice);
	struct crtp_row rows[8];
	size_t n = crtp_dec_export(e->dec, rows, 8);
	struct crtp_dec_conf d = dec_conf(params(true, 15));
	struct crtp_dec *fresh = crtp_dec_new(&d);

	ck_assert_uint_eq(n, 2);
	ck_assert(!crtp_dec_import(fresh, rows[1].cid,
				   span_of(rows[1].b, rows[1].len))); /* moving, of nothing */
	for (size_t cut = 1; cut < rows[0].len; cut++)
		ck_assert(!crtp_dec_import(fresh, 0, span_of(rows[0].b, cut)));
	ck_assert(!crtp_dec_import(fresh, 16, span_of(rows[0].b, rows[0].len)));
	ck_assert(!crtp_comp_import(e->comp, 0, span_of(rows[0].b, rows[0].len)));
	ck_assert(crtp_dec_import(fresh, 0, span_of(rows[0].b, rows[0].len)));
	rows[1].b[1] ^= 1; /* another generation */
	ck_assert(!crtp_dec_import(fresh, 0, span_of(rows[1].b, rows[1].len)));
	crtp_dec_free(fresh);
	ends_free(e);
}
END_TEST

static void
add(TCase *t)
{
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, n_losses_in_a_row_are_bridged, 0, 12);
	tcase_add_test(t, a_change_survives_any_two_losses);
	tcase_add_test(t, a_late_packet_does_not_move_the_context_back);
	tcase_add_test(t, a_copy_is_dropped);
	tcase_add_test(t, rfc_2508_invalidates_at_once_and_asks);
	tcase_add_test(t, a_request_is_repeated);
	tcase_add_test(t, ten_thousand_lost_contexts_are_no_flood);
	tcase_add_test(t, an_advisory_after_a_link_error);
	tcase_add_test(t, frames_that_nobody_should_send);
	tcase_add_test(t, a_damaged_full_header_opens_nothing);
	tcase_add_test(t, tcp_is_left_alone);
	tcase_add_loop_test(t, fragments_and_esp_end_the_chain, 0, sizeof last_headers / sizeof *last_headers);
	tcase_add_loop_test(t, extension_headers_that_no_context_holds, 0, sizeof unkept / sizeof *unkept);
	tcase_add_loop_test(t, a_promoted_decompressor_bridges_the_gap, 0, 40);
	tcase_add_test(t, a_bridge_with_random_ids);
	tcase_add_test(t, no_bridge_over_an_unsteady_id);
	tcase_add_test(t, what_changed_last_is_told_to_a_new_peer);
	tcase_add_test(t, a_new_peer_by_rfc_2508);
	tcase_add_test(t, a_replaced_compressor_is_noticed);
	tcase_add_test(t, a_new_generation_is_no_new_peer);
	tcase_add_test(t, rows_are_made_at_their_rate);
	tcase_add_test(t, a_promoted_compressor_opens_with_full_headers);
	tcase_add_test(t, rows_that_make_no_sense);
}

UNIT_MAIN("crtp decompressor", add)
