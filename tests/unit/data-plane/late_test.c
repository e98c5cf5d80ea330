// SPDX-License-Identifier: Apache-2.0
/* Owners' messages while the lease is over for a moment: in order, bounded, and not for long. */
#include <check.h>
#include <stdlib.h>

#include "late.h"
#include "lib/unit.h"

START_TEST(a_message_waits_only_for_a_lease_that_may_come)
{
	const mono_t t = 5 * MONO_S;

	ck_assert_int_eq(late_fate(true, true, t, t), LATE_SEND);
	ck_assert_int_eq(late_fate(true, true, t, t + LATE_FOR), LATE_SEND);
	ck_assert_int_eq(late_fate(true, false, t, t), LATE_WAIT);
	ck_assert_int_eq(late_fate(true, false, t, t + LATE_FOR - 1), LATE_WAIT);
	ck_assert_int_eq(late_fate(true, false, t, t + LATE_FOR), LATE_DROP);
	ck_assert_int_eq(late_fate(false, false, t, t), LATE_DROP); /* the standby keeps nothing */
}
END_TEST

START_TEST(they_come_out_as_they_went_in)
{
	struct late l;
	uint8_t text[] = { 0, 1, 2, 3 };

	late_init(&l);
	ck_assert_ptr_null(late_take(&l));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 4; i++)
			ck_assert(late_put(&l, i & 1, 100 + i, span_of(text, i)));
		ck_assert_uint_eq(l.count, 4);
		ck_assert_uint_eq(l.octets, 0 + 1 + 2 + 3);
		for (unsigned i = 0; i < 4; i++) {
			struct late_message *m = late_take(&l);
			ck_assert_uint_eq(m->from, i & 1);
			ck_assert_int_eq(m->since, 100 + i);
			ck_assert_uint_eq(m->len, i);
			ck_assert_mem_eq(m->octets, text, i);
			free(m);
		}
		ck_assert_ptr_null(late_take(&l));
		ck_assert_uint_eq(l.octets, 0);
	}
	ck_assert(late_put(&l, 0, 1, span_of(text, 4)));
	late_fini(&l); /* with one inside: a sanitizer sees whether it is freed */
	ck_assert_uint_eq(l.count, 0);
}
END_TEST

START_TEST(there_is_an_end_to_what_waits)
{
	static uint8_t big[LATE_OCTETS / 2 + 1];
	struct late l;

	late_init(&l);
	for (unsigned i = 0; i < LATE_MAX; i++)
		ck_assert(late_put(&l, 0, i, span_of(big, 1)));
	ck_assert(!late_put(&l, 0, 1, span_of(big, 1)));
	late_fini(&l);
	ck_assert(late_put(&l, 0, 1, span_of(big, sizeof big)));
	ck_assert(!late_put(&l, 0, 1, span_of(big, sizeof big)));
	free(late_take(&l));
	ck_assert(late_put(&l, 0, 1, span_of(big, sizeof big)));
	late_fini(&l);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, a_message_waits_only_for_a_lease_that_may_come);
	tcase_add_test(t, they_come_out_as_they_went_in);
	tcase_add_test(t, there_is_an_end_to_what_waits);
}

UNIT_MAIN("late", add)
