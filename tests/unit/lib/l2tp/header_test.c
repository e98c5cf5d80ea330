// SPDX-License-Identifier: Apache-2.0
/* The header of RFC 2661 3.1, both kinds. */
#include <check.h>
#include <stdlib.h>

#include "l2tp/l2tp.h"

static uint8_t buf[512];

static struct l2tp_hdr
header_of_bits(unsigned bits)
{
	return (struct l2tp_hdr){ .control = bits & 1,
				  .has_len = bits & 2,
				  .has_seq = bits & 4,
				  .has_offset = bits & 8,
				  .priority = bits & 16,
				  .version = 2,
				  .tunnel = 0x1234,
				  .session = 0xfedc,
				  .ns = bits & 4 ? 17 : 0,
				  .nr = bits & 4 ? 65535 : 0,
				  .offset = bits & 8 ? 3 : 0 };
}

START_TEST(every_combination_of_bits_is_written_and_read_back)
{
	const struct l2tp_hdr in = header_of_bits((unsigned)_i);
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_hdr out;
	struct span payload;

	l2tp_hdr_write(&w, &in, 5);
	const size_t size = wr_len(&w);
	wr_bytes(&w, "hello", 5);
	ck_assert(w.ok);
	ck_assert_int_eq(l2tp_hdr_read(wr_span(&w), &out, &payload), L2TP_OK);

	ck_assert_int_eq(out.control, in.control);
	ck_assert_int_eq(out.has_len, in.has_len);
	ck_assert_int_eq(out.has_seq, in.has_seq);
	ck_assert_int_eq(out.has_offset, in.has_offset);
	ck_assert_int_eq(out.priority, in.priority);
	ck_assert_uint_eq(out.version, 2);
	ck_assert_uint_eq(out.reserved, 0);
	ck_assert_uint_eq(out.tunnel, in.tunnel);
	ck_assert_uint_eq(out.session, in.session);
	ck_assert_uint_eq(out.ns, in.ns);
	ck_assert_uint_eq(out.nr, in.nr);
	ck_assert_uint_eq(out.offset, in.offset);
	ck_assert_uint_eq(out.size, size);
	ck_assert(span_eq(payload, span_of("hello", 5)));
}
END_TEST

START_TEST(a_header_cut_anywhere_is_truncated)
{
	const struct l2tp_hdr in = header_of_bits((unsigned)_i & ~2u);
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_hdr out;
	struct span payload;

	l2tp_hdr_write(&w, &in, 0);
	for (size_t n = 0; n < wr_len(&w); n++) {
		uint8_t *exact = malloc(n + 1);
		memcpy(exact, buf, n);
		const enum l2tp_fault f = l2tp_hdr_read(span_of(exact, n), &out, &payload);
		free(exact);
		if (in.has_offset && n >= wr_len(&w) - in.offset)
			ck_assert_int_eq(f, L2TP_OFFSET_BEYOND);
		else
			ck_assert_int_eq(f, L2TP_TRUNCATED);
		ck_assert_uint_eq(payload.len, 0);
	}
}
END_TEST

static enum l2tp_fault
read_hex(const uint8_t *p, size_t n, struct l2tp_hdr *out, struct span *payload)
{
	return l2tp_hdr_read(span_of(p, n), out, payload);
}

START_TEST(only_version_2_is_read)
{
	struct l2tp_hdr h;
	struct span payload;

	for (unsigned v = 0; v < 16; v++) {
		const uint8_t p[] = { 0, (uint8_t)v, 0, 1, 0, 2 };
		ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload),
				 v == 2 ? L2TP_OK : L2TP_BAD_VERSION);
		ck_assert_uint_eq(h.version, v);
	}
}
END_TEST

START_TEST(reserved_bits_are_ignored_and_told)
{
	const uint8_t p[] = { 0x34, 0xf2, 0, 1, 0, 2, 9 };
	struct l2tp_hdr h;
	struct span payload;

	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_OK);
	ck_assert_uint_eq(h.reserved, 0x34f0);
	ck_assert_uint_eq(h.tunnel, 1);
	ck_assert_uint_eq(payload.len, 1);
}
END_TEST

START_TEST(the_length_field_is_held_against_header_and_datagram)
{
	uint8_t p[] = { 0x40, 2, 0, 8, 0, 1, 0, 2, 0xaa, 0xbb };
	struct l2tp_hdr h;
	struct span payload;

	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_OK);
	ck_assert_uint_eq(payload.len, 0); /* the two octets behind are none of the message's */
	p[3] = 9;
	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_OK);
	ck_assert_uint_eq(payload.len, 1);
	p[3] = 11;
	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_LENGTH_BEYOND);
	p[3] = 7;
	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_LENGTH_SHORT);
	p[3] = 0;
	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_LENGTH_SHORT);
}
END_TEST

START_TEST(the_offset_ends_inside_the_message)
{
	uint8_t p[] = { 0x42, 2, 0, 12, 0, 1, 0, 2, 0, 2, 0xaa, 0xbb, 0xcc };
	struct l2tp_hdr h;
	struct span payload;

	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_OK);
	ck_assert_uint_eq(payload.len, 0);
	ck_assert_uint_eq(h.size, 12);
	p[9] = 3; /* inside the datagram, outside the Length */
	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_OFFSET_BEYOND);
	p[8] = 0xff;
	ck_assert_int_eq(read_hex(p, sizeof p, &h, &payload), L2TP_OFFSET_BEYOND);
}
END_TEST

START_TEST(a_zlb_is_twelve_octets)
{
	static const uint8_t due[] = { 0xc8, 2, 0, 12, 0, 7, 0, 0, 0, 3, 0, 4 };
	struct wr w = wr_of(buf, sizeof buf);

	l2tp_zlb_write(&w, 7, 3, 4);
	ck_assert(span_eq(wr_span(&w), span_of(due, sizeof due)));
	l2tp_msg_set_nr(buf, 0x0506);
	ck_assert_mem_eq(buf + 8, "\x00\x03\x05\x06", 4);
	l2tp_msg_set_seq(buf, 0x0708, 0x090a);
	ck_assert_mem_eq(buf + 8, "\x07\x08\x09\x0a", 4);
}
END_TEST

START_TEST(a_header_is_refused_where_it_does_not_fit)
{
	struct l2tp_hdr h = header_of_bits(31);

	for (size_t room = 0; room < 17; room++) {
		struct wr w = wr_of(buf, room);
		l2tp_hdr_write(&w, &h, 0);
		ck_assert(!w.ok);
	}
	struct wr w = wr_of(buf, sizeof buf);
	l2tp_hdr_write(&w, &h, 65535);
	ck_assert(!w.ok);
	ck_assert_uint_eq(wr_len(&w), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp_header");
	TCase *t = tcase_create("header");

	tcase_add_loop_test(t, every_combination_of_bits_is_written_and_read_back, 0, 32);
	tcase_add_loop_test(t, a_header_cut_anywhere_is_truncated, 0, 32);
	tcase_add_test(t, only_version_2_is_read);
	tcase_add_test(t, reserved_bits_are_ignored_and_told);
	tcase_add_test(t, the_length_field_is_held_against_header_and_datagram);
	tcase_add_test(t, the_offset_ends_inside_the_message);
	tcase_add_test(t, a_zlb_is_twelve_octets);
	tcase_add_test(t, a_header_is_refused_where_it_does_not_fit);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
