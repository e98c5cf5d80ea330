// SPDX-License-Identifier: Apache-2.0
/*
 * Packets of L2TPv3 over IP and over UDP: RFC 3931 3.2, 4.1, 4.5, 4.6.
 */
#include <check.h>

#include "l2tp/l2tp3.h"

static uint8_t buf[256];
static struct wr w;
static uint32_t session;
static struct span rest;

static enum l2tp3_kind
split(const void *p, size_t len, bool udp)
{
	return l2tp3_split(span_of(p, len), udp, &session, &rest);
}

START_TEST(control_and_data_over_ip)
{
	static const uint8_t control[] = { 0, 0, 0, 0, 0xc8, 3, 0, 12 },
			     data[] = { 0x12, 0x34, 0x56, 0x78, 0, 0x21, 1 };

	ck_assert_int_eq(split(control, 8, false), L2TP3_CONTROL);
	ck_assert(rest.p == control + 4 && rest.len == 4);
	ck_assert_int_eq(split(data, 7, false), L2TP3_DATA);
	ck_assert_uint_eq(session, 0x12345678);
	ck_assert(rest.p == data + 4 && rest.len == 3);
	for (size_t n = 0; n < 4; n++)
		ck_assert_int_eq(split(data, n, false), L2TP3_NEITHER);
	ck_assert_int_eq(split(data, 4, false), L2TP3_DATA);
}
END_TEST

START_TEST(control_and_data_over_udp)
{
	static const uint8_t control[] = { 0xc8, 3, 0, 12 }, v2[] = { 0, 2, 0, 1, 0, 1, 0, 0x21 },
			     data[] = { 0x4f, 0xf3, 9, 9, 0x12, 0x34, 0x56, 0x78, 0x21 },
			     zero[] = { 0, 3, 0, 0, 0, 0, 0, 0, 1 };

	ck_assert_int_eq(split(control, 4, true), L2TP3_CONTROL);
	ck_assert(rest.p == control && rest.len == 4);
	ck_assert_int_eq(split(data, 9, true), L2TP3_DATA); /* reserved bits are ignored */
	ck_assert_uint_eq(session, 0x12345678);
	ck_assert(rest.p == data + 8 && rest.len == 1);
	ck_assert_int_eq(split(v2, 8, true), L2TP3_NEITHER);
	ck_assert_int_eq(split(zero, 9, true), L2TP3_NEITHER);
	for (size_t n = 0; n < 8; n++)
		ck_assert_int_eq(split(data, n, true), L2TP3_NEITHER);
}
END_TEST

START_TEST(the_header_is_read_as_written)
{
	struct l2tp_hdr h;
	struct span avps;

	w = wr_of(buf, sizeof buf);
	l2tp3_control_prefix(&w, true);
	ck_assert_uint_eq(wr_len(&w), 0);
	l2tp3_control_prefix(&w, false);
	l2tp3_hdr_write(&w, 0xa1b2c3d4, 0x1234, 0x5678, 3);
	wr_bytes(&w, "abcdef", 6);
	ck_assert_int_eq(split(buf, wr_len(&w), false), L2TP3_CONTROL);
	ck_assert_int_eq(l2tp3_hdr_read(rest, &h, &avps), L2TP_OK);
	ck_assert_uint_eq(h.connection, 0xa1b2c3d4);
	ck_assert(h.ns == 0x1234 && h.nr == 0x5678 && h.version == 3);
	ck_assert(span_eq(avps, span_of("abc", 3))); /* what is behind Length is not part of it */
	w = wr_of(buf, sizeof buf);
	l2tp3_hdr_write(&w, 1, 0, 0, 65536 - 12);
	ck_assert(!w.ok);
}
END_TEST

static enum l2tp_fault
header_with(size_t at, uint8_t value, size_t len)
{
	struct l2tp_hdr h;
	struct span avps;

	w = wr_of(buf, sizeof buf);
	l2tp3_hdr_write(&w, 1, 0, 0, 0);
	buf[at] = value;
	const enum l2tp_fault fault = l2tp3_hdr_read(span_of(buf, len), &h, &avps);
	ck_assert(avps.len == 0);
	return fault;
}

START_TEST(headers_that_are_none)
{
	ck_assert_int_eq(header_with(0, 0xc8, 12), L2TP_OK);
	ck_assert_int_eq(header_with(0, 0xff, 12), L2TP_OK); /* O and P mean nothing any more */
	for (size_t n = 0; n < 12; n++)
		ck_assert_int_eq(header_with(0, 0xc8, n), L2TP_TRUNCATED);
	ck_assert_int_eq(header_with(1, 2, 12), L2TP_BAD_VERSION);
	ck_assert_int_eq(header_with(1, 4, 12), L2TP_BAD_VERSION);
	ck_assert_int_eq(header_with(0, 0x48, 12), L2TP_NOT_CONTROL);
	ck_assert_int_eq(header_with(0, 0x88, 12), L2TP_NO_LENGTH);
	ck_assert_int_eq(header_with(0, 0xc0, 12), L2TP_NO_SEQUENCE);
	ck_assert_int_eq(header_with(3, 13, 12), L2TP_LENGTH_BEYOND);
	ck_assert_int_eq(header_with(3, 11, 12), L2TP_LENGTH_SHORT);
}
END_TEST

static void
check_form(bool udp, bool sublayer, uint8_t cookie_len)
{
	const struct l2tp3_form form = {
		.udp = udp, .sublayer = sublayer, .cookie_len = cookie_len, .cookie = "cookie7"
	};
	struct l2tp3_form other = form;
	struct l2tp3_data d;

	w = wr_of(buf, sizeof buf);
	l2tp3_data_write(&w, &form, 0xfedcba98, true, 0x1abcdef);
	ck_assert_uint_eq(wr_len(&w), l2tp3_data_header_len(&form));
	ck_assert_uint_eq(wr_len(&w), 4u + 4u * udp + 4u * sublayer + cookie_len);
	const size_t header = wr_len(&w);
	wr_bytes(&w, "\x21payload", 8);
	ck_assert_int_eq(split(buf, wr_len(&w), udp), L2TP3_DATA);
	ck_assert_uint_eq(session, 0xfedcba98);
	ck_assert_int_eq(l2tp3_data_read(rest, &form, &d), L2TP3_DATA_OK);
	ck_assert_uint_eq(d.has_seq, sublayer);
	ck_assert_uint_eq(d.seq, sublayer ? 0xabcdef : 0);
	ck_assert(span_eq(d.payload, span_of("\x21payload", 8)));
	for (uint8_t i = 0; i < cookie_len; i++) {
		other.cookie[i] ^= 0x80;
		ck_assert_int_eq(l2tp3_data_read(rest, &other, &d), L2TP3_DATA_COOKIE);
		other.cookie[i] ^= 0x80;
	}
	for (size_t n = 0; n < header - 4 - 4 * udp; n++)
		ck_assert_int_eq(l2tp3_data_read(span_of(rest.p, n), &form, &d),
				 L2TP3_DATA_TRUNCATED);
}

START_TEST(data_is_read_as_written)
{
	for (uint8_t cookie = 0; cookie <= 8; cookie += 4)
		for (int i = 0; i < 4; i++)
			check_form(i & 1, i & 2, cookie);
}
END_TEST

START_TEST(data_without_a_number_in_a_sublayer)
{
	const struct l2tp3_form form = { .sublayer = true };
	struct l2tp3_data d;

	w = wr_of(buf, sizeof buf);
	l2tp3_data_write(&w, &form, 1, false, 77);
	ck_assert_mem_eq(buf + 4, "\0\0\0\0", 4);
	put_u32(buf + 4, 0xbfffffff); /* S alone decides: the rest is to be ignored */
	ck_assert_int_eq(l2tp3_data_read(span_of(buf + 4, 4), &form, &d), L2TP3_DATA_OK);
	ck_assert(!d.has_seq && d.seq == 0 && d.payload.len == 0);
}
END_TEST

/* RFC 3931 4.6: old is the last number and the 2^23 - 1 before it. */
START_TEST(sequence_numbers_wrap_at_24_bits)
{
	ck_assert(l2tp3_seq_newer(1, 0));
	ck_assert(!l2tp3_seq_newer(0, 0));
	ck_assert(l2tp3_seq_newer(0, 0xffffff));
	ck_assert(!l2tp3_seq_newer(0xffffff, 0));
	ck_assert(!l2tp3_seq_newer(0x800001, 0));
	ck_assert(l2tp3_seq_newer(0x800000, 0));
	ck_assert(!l2tp3_seq_newer(0, 0x7fffff));
	ck_assert(l2tp3_seq_newer(0, 0x800000));
}
END_TEST

START_TEST(ppp_with_and_without_address_and_control)
{
	ck_assert(span_eq(l2tp3_ppp(span_of("\xff\x03\xc0\x21", 4)), span_of("\xc0\x21", 2)));
	ck_assert(span_eq(l2tp3_ppp(span_of("\xc0\x21", 2)), span_of("\xc0\x21", 2)));
	ck_assert_uint_eq(l2tp3_ppp(span_of("\xff\x03", 2)).len, 0);
	ck_assert_uint_eq(l2tp3_ppp(span_of("\xff", 1)).len, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp_v3_packet");
	TCase *t = tcase_create("packet");

	tcase_add_test(t, control_and_data_over_ip);
	tcase_add_test(t, control_and_data_over_udp);
	tcase_add_test(t, the_header_is_read_as_written);
	tcase_add_test(t, headers_that_are_none);
	tcase_add_test(t, data_is_read_as_written);
	tcase_add_test(t, data_without_a_number_in_a_sublayer);
	tcase_add_test(t, sequence_numbers_wrap_at_24_bits);
	tcase_add_test(t, ppp_with_and_without_address_and_control);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
