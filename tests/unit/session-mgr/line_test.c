// SPDX-License-Identifier: Apache-2.0
/* RFC 5515's AVPs as RFC 4679's attributes. */
#include "line.h"

#include <string.h>

#include "lib/unit.h"

static uint8_t avps[2048], out[LINE_RADIUS_MAX];
static struct wr w;

static void
avp(uint16_t vendor, uint16_t type, const void *value, size_t len)
{
	wr_u16(&w, (uint16_t)(6 + len));
	wr_u16(&w, vendor);
	wr_u16(&w, type);
	wr_bytes(&w, value, len);
}

static size_t
radius(void)
{
	return line_radius(wr_span(&w), out);
}

static void
start(void)
{
	w = wr_of(avps, sizeof avps);
}

START_TEST(a_line_is_told_in_radius_terms)
{
	const uint8_t want[] = { 26, 11, 0, 0, 13, 0xe9, 1, 5, 'a', '/', '1', 26, 12, 0, 0, 13, 0xe9, 129, 6, 0, 0x0f, 0x42, 0x40,
				 26, 12, 0, 0, 13, 0xe9, 130, 6, 0xff, 0xff, 0xff, 0xff, 26, 11, 0, 0, 13, 0xe9, 144, 5, 1, 2, 3,
				 26, 8, 0, 0, 13, 0xe9, 254, 2 };

	start();
	avp(3561, 1, "a/1", 3);
	avp(3561, 129, "\0\0\0\0\0\x0f\x42\x40", 8);
	avp(3561, 130, "\0\0\0\2\0\0\0\0", 8); /* more than 32 bits can say */
	avp(3561, 131, "\0\0\0\0\0\0\0\1", 8); /* only in accounting: not told */
	avp(3561, 144, "\1\2\3", 3);
	avp(3561, 254, "\0\0\0\1", 4);
	ck_assert_uint_eq(radius(), sizeof want);
	ck_assert_mem_eq(out, want, sizeof want);
}
END_TEST

START_TEST(what_is_no_value_of_its_attribute_is_left_out)
{
	uint8_t long_text[64] = { 'x' };

	start();
	avp(3561, 1, long_text, sizeof long_text);
	avp(3561, 2, "", 0);
	avp(3561, 129, "\0\0\0\1", 4);
	avp(3561, 144, "\1\2", 2);
	avp(3561, 254, "\0\0\0\0", 4); /* no interworking */
	avp(9, 1, "cisco", 5);
	ck_assert_uint_eq(radius(), 0);
	start();
	ck_assert_uint_eq(radius(), 0);
}
END_TEST

START_TEST(the_longest_line_fits_and_nothing_counts_twice)
{
	uint8_t text[63];

	memset(text, 'y', sizeof text);
	start();
	for (int twice = 0; twice < 2; twice++) {
		avp(3561, 1, text, sizeof text);
		avp(3561, 2, text, sizeof text);
		avp(3561, 129, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
		avp(3561, 130, "\0\0\0\0\0\0\0\0", 8);
		avp(3561, 144, "\1\2\3", 3);
		avp(3561, 254, "\0\0\0\1", 4);
	}
	ck_assert_uint_eq(radius(), 2 * 71 + 2 * 12 + 11 + 8);
}
END_TEST

START_TEST(a_cut_row_is_read_as_far_as_it_goes)
{
	start();
	avp(3561, 1, "a/1", 3);
	avp(3561, 2, "remote", 6);
	for (size_t n = 0; n < wr_len(&w); n++)
		ck_assert_uint_eq(line_radius(span_of(avps, n), out), n >= 9 ? 11 : 0);
	put_u16(avps + 9, 3); /* a length below its own header */
	ck_assert_uint_eq(radius(), 11);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, a_line_is_told_in_radius_terms);
	tcase_add_test(t, what_is_no_value_of_its_attribute_is_left_out);
	tcase_add_test(t, the_longest_line_fits_and_nothing_counts_twice);
	tcase_add_test(t, a_cut_row_is_read_as_far_as_it_goes);
}

UNIT_MAIN("line", add)
