// SPDX-License-Identifier: Apache-2.0
/* Counters and alarms become the rows that readers know. */
#include "base/counters.h"

#include "lib/unit.h"
#include "rows.pb-c.h"

enum { HELLO_LOST, BAD_LENGTH, COUNTERS };

static const struct counter_info infos[] = { { "HELLO_LOST", "a Hello was lost" },
					     { "BAD_LENGTH", "an AVP had a wrong length" } };

START_TEST(a_set_becomes_a_row_with_public_names)
{
	uint64_t v[COUNTERS] = { 0 }, w[COUNTERS] = { 0 }, sum1, sum2;
	struct counters sets[] = { { infos, v, COUNTERS }, { infos, w, COUNTERS } };
	struct arena a;

	arena_init(&a, 0);
	count(&sets[0], BAD_LENGTH);
	count_by(&sets[1], HELLO_LOST, 40);
	count(NULL, BAD_LENGTH); /* a core without counters */
	struct span row = counters_pack(&a, "tunnel-ctl", sets, 2, 1700000000, &sum1);
	Row__Counters *got = row__counters__unpack(NULL, row.len, row.p);
	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got->process, "tunnel-ctl");
	ck_assert_uint_eq(got->n_name, 4);
	ck_assert_uint_eq(got->n_value, 4);
	ck_assert_str_eq(got->name[1], "bad-length");
	ck_assert_uint_eq(got->value[1], 1);
	ck_assert_str_eq(got->name[2], "hello-lost");
	ck_assert_uint_eq(got->value[2], 40);
	ck_assert_uint_eq(got->at, 1700000000);
	row__counters__free_unpacked(got, NULL);

	counters_pack(&a, "tunnel-ctl", sets, 2, 1700000001, &sum2);
	ck_assert_uint_eq(sum1, sum2); /* the time alone is no news */
	count(&sets[1], BAD_LENGTH);
	counters_pack(&a, "tunnel-ctl", sets, 2, 1700000001, &sum2);
	ck_assert_uint_ne(sum1, sum2);
	arena_fini(&a);
}
END_TEST

START_TEST(a_full_arena_gives_an_empty_span)
{
	uint64_t v[COUNTERS] = { 0 };
	struct counters set = { infos, v, COUNTERS };
	struct arena a;

	arena_init(&a, 64);
	ck_assert_uint_eq(counters_pack(&a, "tunnel-ctl", &set, 1, 1, NULL).len, 0);
	arena_fini(&a);
}
END_TEST

START_TEST(an_alarm_becomes_a_row_under_process_and_name)
{
	static const struct alarm_info alarm = { "POOL_EMPTY", "no address left", "calls fail",
						 "enlarge it" };
	struct key k = alarm_key("session-mgr", alarm.name);
	struct arena a;

	arena_init(&a, 0);
	ck_assert_uint_eq(k.len, strlen("session-mgr/POOL_EMPTY"));
	ck_assert_mem_eq(k.b, "session-mgr/POOL_EMPTY", k.len);
	struct span row = alarm_pack(&a, "session-mgr", &alarm, "pool=p1", 1700000000);
	Row__Alarm *got = row__alarm__unpack(NULL, row.len, row.p);
	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got->name, "POOL_EMPTY");
	ck_assert_str_eq(got->detail, "pool=p1");
	ck_assert_str_eq(got->process, "session-mgr");
	ck_assert_uint_eq(got->since, 1700000000);
	row__alarm__free_unpacked(got, NULL);
	arena_fini(&a);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, a_set_becomes_a_row_with_public_names);
	tcase_add_test(tc, a_full_arena_gives_an_empty_span);
	tcase_add_test(tc, an_alarm_becomes_a_row_under_process_and_name);
}

UNIT_MAIN("counters", add)
