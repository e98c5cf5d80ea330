// SPDX-License-Identifier: Apache-2.0
/* The catalogue is consistent, and keys sort as their numbers do and read back. */
#include "base/tables.h"

#include <stdio.h>
#include <string.h>

#include "base/sink.h"
#include "lib/unit.h"
#include "rows.pb-c.h"

START_TEST(every_table_has_its_own_number_name_and_row)
{
	unsigned n = 0;

	for (unsigned t = 0; t < TABLE_MAX + 5; t++) {
		const struct table_info *i = table_info(t);
		if (!i)
			continue;
		n++;
		ck_assert_uint_eq(i->table, t);
		ck_assert(i->name[0] && i->sentence[0]);
		ck_assert_ptr_nonnull(i->row);
		for (unsigned u = 0; u < t; u++)
			ck_assert(!table_info(u) || strcmp(table_info(u)->name, i->name) != 0);
	}
	ck_assert_uint_ge(n, 14);
	ck_assert_ptr_null(table_info(0));
	ck_assert_ptr_null(table_info(TABLE_MAX));
	ck_assert_ptr_null(table_info(UINT32_MAX));
	ck_assert_ptr_eq(table_info(TABLE_TUNNEL)->row, &row__tunnel__descriptor);
}
END_TEST

static int
order(struct key a, struct key b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = memcmp(a.b, b.b, n);

	return c ? c : (int)a.len - (int)b.len;
}

START_TEST(keys_sort_as_their_numbers)
{
	ck_assert_int_lt(order(key_tunnel(1), key_tunnel(256)), 0);
	ck_assert_int_lt(order(key_tunnel(255), key_tunnel(65535)), 0);
	ck_assert_int_lt(order(key_session(1, 65535), key_session(2, 0)), 0);
	ck_assert_int_lt(order(key_tunnel_ns(7, 9), key_tunnel_ns(7, 256)), 0);
	ck_assert_int_lt(order(key_tunnel(7), key_session(7, 0)),
			 0); /* a tunnel is a prefix of its sessions */
}
END_TEST

START_TEST(keys_read_back_and_only_in_their_shape)
{
	uint16_t t = 0, s = 0;
	struct key k = key_session(0x1234, 0xfedc), k2 = key_tunnel(0xabcd);

	ck_assert(key_session_read(key_span(&k), &t, &s));
	ck_assert_uint_eq(t, 0x1234);
	ck_assert_uint_eq(s, 0xfedc);
	ck_assert(key_tunnel_ns_read(key_span(&k), &t, &s));
	ck_assert(!key_tunnel_read(key_span(&k), &t));
	ck_assert(key_tunnel_read(key_span(&k2), &t));
	ck_assert_uint_eq(t, 0xabcd);
	ck_assert(!key_session_read(key_span(&k2), &t, &s));
	ck_assert(!key_tunnel_read(span_of(NULL, 0), &t));
	ck_assert(!key_session_read(span_of("12345", 5), &t, &s));
}
END_TEST

START_TEST(texts_too_long_for_a_key_are_cut)
{
	char text[3 * KEY_MAX];
	uint8_t addr[32] = { 9 };

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	ck_assert_uint_eq(key_text(text).len, KEY_MAX);
	ck_assert_uint_le(key_text_addr(text, addr, sizeof addr).len, KEY_MAX);
	struct key k = key_text_addr("pool", addr, 4);
	ck_assert_uint_eq(k.len, 4 + 1 + 4);
	ck_assert_mem_eq(k.b, "pool\0\x09\0\0\0", 9);
}
END_TEST

static char noted[600];

static void
take_note(struct sink *s, enum note_level level, const char *line)
{
	snprintf(noted, sizeof noted, "%d %s", level, line);
}

START_TEST(a_note_is_formatted_and_cut)
{
	struct sink s = { .note = take_note };
	char text[2000];

	sink_note(&s, NOTE_WARN, "tunnel refused tunnel=%u", 7);
	ck_assert_str_eq(noted, "2 tunnel refused tunnel=7");
	memset(text, 'y', sizeof text - 1);
	text[sizeof text - 1] = 0;
	sink_note(&s, NOTE_INFO, "%s", text);
	ck_assert_uint_eq(strlen(noted), 2 + 511);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, every_table_has_its_own_number_name_and_row);
	tcase_add_test(tc, keys_sort_as_their_numbers);
	tcase_add_test(tc, keys_read_back_and_only_in_their_shape);
	tcase_add_test(tc, texts_too_long_for_a_key_are_cut);
	tcase_add_test(tc, a_note_is_formatted_and_cut);
}

UNIT_MAIN("tables", add)
