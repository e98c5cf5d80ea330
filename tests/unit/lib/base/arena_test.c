// SPDX-License-Identifier: Apache-2.0
/* The arena: alignment, reuse, its bound, and rows unpacked into it. */
#include "base/arena.h"

#include <stdlib.h>

#include "base/tables.h"
#include "lib/unit.h"
#include "rows.pb-c.h"

START_TEST(pieces_are_aligned_and_apart)
{
	struct arena a;
	uint8_t *last = NULL;

	arena_init(&a, 0);
	for (size_t n = 0; n < 2000; n++) {
		uint8_t *p = arena_alloc(&a, n);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 16, 0);
		ck_assert_ptr_ne(p, last);
		memset(p, (int)n, n); /* the sanitizer looks */
		last = p;
	}
	arena_fini(&a);
}
END_TEST

START_TEST(after_a_reset_the_same_memory_serves_again)
{
	struct arena a;

	arena_init(&a, 0);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 1000; i++)
			ck_assert_ptr_nonnull(arena_alloc(&a, 100));
		arena_reset(&a);
	}
	size_t total = a.total;
	ck_assert_uint_lt(total, 300000);
	for (int i = 0; i < 1000; i++)
		arena_alloc(&a, 100);
	ck_assert_uint_eq(a.total, total);
	arena_fini(&a);
	arena_fini(&a);
}
END_TEST

START_TEST(the_bound_holds)
{
	struct arena a;
	size_t got = 0;

	arena_init(&a, 100000);
	while (arena_alloc(&a, 1000))
		got += 1000;
	ck_assert_uint_ge(got, 80000);
	ck_assert_uint_le(got, 100000);
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 8));
	arena_reset(&a);
	ck_assert_ptr_nonnull(arena_alloc(&a, 1000));
	arena_fini(&a);
}
END_TEST

START_TEST(a_row_unpacks_into_it)
{
	Row__CallInfo row = ROW__CALL_INFO__INIT;
	uint32_t errors[3] = { 1, 2, 300000 };
	uint8_t octets[200];
	struct arena a;

	arena_init(&a, 0);
	row.called = "5551234";
	row.private_group = (ProtobufCBinaryData){ 3, (uint8_t *)"abc" };
	row.line_errors = errors;
	row.n_line_errors = 3;
	size_t n = row__call_info__pack(&row, octets);
	const Row__CallInfo *got = row_unpack(&a, TABLE_CALL_INFO, span_of(octets, n));
	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got->called, "5551234");
	ck_assert_str_eq(got->calling, "");
	ck_assert_mem_eq(got->private_group.data, "abc", 3);
	ck_assert_uint_eq(got->line_errors[2], 300000);
	ck_assert_ptr_null(row_unpack(&a, TABLE_CALL_INFO, span_of(octets, n - 1)));
	ck_assert_ptr_null(row_unpack(&a, 31, span_of(octets, n)));
	arena_fini(&a);
}
END_TEST

START_TEST(a_row_larger_than_the_bound_is_refused)
{
	uint8_t *octets = calloc(1, 100000);
	Row__TunnelOut row = ROW__TUNNEL_OUT__INIT;
	struct arena a;

	arena_init(&a, 20000);
	row.message = (ProtobufCBinaryData){ 90000, octets };
	uint8_t *packed = malloc(100000);
	size_t n = row__tunnel_out__pack(&row, packed);
	ck_assert_ptr_null(row_unpack(&a, TABLE_TUNNEL_OUT, span_of(packed, n)));
	arena_fini(&a);
	free(octets);
	free(packed);
}
END_TEST

START_TEST(texts_and_octets_are_copied)
{
	struct arena a;

	arena_init(&a, 0);
	ck_assert_str_eq(arena_text(&a, span_of("hello world", 5)), "hello");
	ck_assert_str_eq(arena_text(&a, span_of(NULL, 0)), "");
	ck_assert_mem_eq(arena_copy(&a, "xyz", 3), "xyz", 3);
	arena_fini(&a);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, pieces_are_aligned_and_apart);
	tcase_add_test(tc, after_a_reset_the_same_memory_serves_again);
	tcase_add_test(tc, the_bound_holds);
	tcase_add_test(tc, a_row_unpacks_into_it);
	tcase_add_test(tc, a_row_larger_than_the_bound_is_refused);
	tcase_add_test(tc, texts_and_octets_are_copied);
}

UNIT_MAIN("arena", add)
