// SPDX-License-Identifier: Apache-2.0
/* The outbox: numbers, hold, release, drop; the ring at its edges, against a plain list. */
#include "bus/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

static struct outbox box;
static char tape[512];
static int budget; /* effects that `go` takes before it says stop */

static void
setup(void)
{
	outbox_init(&box, 0);
	tape[0] = 0;
	budget = 1000000;
}

static void
teardown(void)
{
	outbox_fini(&box);
}

static bool
hold(const char *text, bool reveals_nothing)
{
	struct effect e = { .kind = EFFECT_CONTROL,
			    .reveals_nothing = reveals_nothing,
			    .bytes = span_of(text, strlen(text)),
			    .tunnel = 7 };

	return outbox_effect(&box, &e);
}

static bool
go(void *arg, const struct effect *e)
{
	if (budget-- == 0)
		return false;
	ck_assert_uint_eq(e->tunnel, 7);
	snprintf(tape + strlen(tape), sizeof tape - strlen(tape), "%.*s ", (int)e->bytes.len,
		 (const char *)e->bytes.p);
	return true;
}

static const char *
released(void)
{
	tape[0] = 0;
	outbox_release(&box, go, NULL);
	return tape;
}

START_TEST(an_effect_waits_for_every_record_before_it_and_none_after)
{
	outbox_record(&box);
	hold("a", false);
	outbox_record(&box);
	outbox_record(&box);
	hold("b", false);
	outbox_record(&box);
	ck_assert_str_eq(released(), "");
	ck_assert(outbox_commit(&box, 1));
	ck_assert_str_eq(released(), "a ");
	ck_assert(outbox_commit(&box, 2));
	ck_assert_str_eq(released(), "");
	ck_assert(outbox_commit(&box, 3));
	ck_assert_str_eq(released(), "b ");
	ck_assert_uint_eq(outbox_effects(&box), 0);
	ck_assert_uint_eq(box.released, 2);
}
END_TEST

START_TEST(an_effect_without_records_before_it_goes_at_once)
{
	hold("a", false);
	ck_assert_str_eq(released(), "a ");
}
END_TEST

START_TEST(an_effect_that_reveals_nothing_overtakes)
{
	outbox_record(&box);
	hold("reply", false);
	hold("echo", true);
	ck_assert_str_eq(released(), "echo ");
	outbox_commit(&box, 1);
	ck_assert_str_eq(released(), "reply ");
}
END_TEST

START_TEST(order_is_kept_and_a_stop_keeps_the_rest)
{
	outbox_record(&box);
	hold("a", false);
	hold("b", false);
	hold("c", false);
	outbox_commit(&box, 1);
	budget = 1;
	ck_assert_str_eq(released(), "a ");
	ck_assert_uint_eq(outbox_effects(&box), 2);
	budget = 10;
	ck_assert_str_eq(released(), "b c ");
}
END_TEST

START_TEST(commitments_of_the_past_and_the_future_change_nothing)
{
	outbox_record(&box);
	outbox_record(&box);
	hold("a", false);
	ck_assert(!outbox_commit(&box, 3));
	ck_assert_str_eq(released(), "");
	ck_assert(outbox_commit(&box, 2));
	ck_assert(outbox_commit(&box, 1));
	ck_assert_str_eq(released(), "a ");
	ck_assert_uint_eq(box.committed, 2);
}
END_TEST

START_TEST(a_restart_drops_and_counts_anew)
{
	outbox_record(&box);
	hold("old", false);
	hold("old", true);
	outbox_restart(&box);
	ck_assert_uint_eq(box.dropped, 2);
	ck_assert_uint_eq(outbox_record(&box), 1);
	hold("new", false);
	ck_assert_str_eq(released(), "");
	outbox_commit(&box, 1);
	ck_assert_str_eq(released(), "new ");
}
END_TEST

START_TEST(a_full_outbox_refuses_counts_and_keeps_what_it_has)
{
	static char large[10000];
	struct effect e = { .bytes = span_of(large, sizeof large), .tunnel = 7 };
	unsigned held = 0;

	outbox_fini(&box);
	outbox_init(&box, 256 << 10);
	outbox_record(&box);
	while (outbox_effect(&box, &e))
		held++;
	ck_assert_uint_ge(held, 20);
	ck_assert_uint_le(held, 27);
	ck_assert_uint_eq(box.refused, 1);
	outbox_commit(&box, 1);
	budget = 1;
	released();
	ck_assert(outbox_effect(&box, &e)); /* room again */
	budget = 1000;
	released();
	ck_assert_uint_eq(box.released, held + 1);
}
END_TEST

START_TEST(a_monstrous_effect_is_refused)
{
	static uint8_t large[(1 << 20) + 1];
	struct effect e = { .bytes = span_of(large, sizeof large) },
		      d = { .detail = large, .detail_len = sizeof large };

	ck_assert(!outbox_effect(&box, &e));
	ck_assert(!outbox_effect(&box, &d));
	ck_assert_uint_eq(box.refused, 2);
}
END_TEST

static bool
check_detail(void *arg, const struct effect *e)
{
	ck_assert_uint_eq(e->bytes.len, 0);
	ck_assert_ptr_null(e->bytes.p);
	ck_assert_uint_eq(e->detail_len, 5);
	ck_assert_mem_eq(e->detail, "abcde", 5);
	ck_assert_uint_eq((uintptr_t)e->detail % 16, 0);
	return true;
}

START_TEST(a_detail_is_copied_and_aligned)
{
	char detail[] = "abcde";
	struct effect e = { .kind = EFFECT_AAA, .detail = detail, .detail_len = 5 };

	outbox_effect(&box, &e);
	memset(detail, 0, sizeof detail);
	ck_assert_uint_eq(outbox_release(&box, check_detail, NULL), 1);
}
END_TEST

/* A release that makes more effects, so many that the ring grows under the lent one. */
static bool
breed(void *arg, const struct effect *e)
{
	int *left = arg;
	static const uint8_t child[100] = "child";

	for (; *left > 0; (*left)--)
		outbox_effect(&box, &(struct effect){ .bytes = span_of(child, sizeof child) });
	ck_assert(memcmp(e->bytes.p, "mother", 6) == 0 || memcmp(e->bytes.p, "child", 5) == 0);
	return true;
}

START_TEST(an_effect_stays_lent_while_the_ring_grows_under_it)
{
	int children = 5000;

	hold("mother", false);
	ck_assert_uint_eq(outbox_release(&box, breed, &children), 5001);
	ck_assert_uint_eq(outbox_effects(&box), 0);
}
END_TEST

static bool
restart_box(void *arg, const struct effect *e)
{
	outbox_restart(&box);
	return true;
}

START_TEST(a_release_may_end_the_conversation)
{
	hold("a", false);
	hold("b", false);
	outbox_release(&box, restart_box, NULL);
	ck_assert_uint_eq(outbox_effects(&box), 0);
	hold("c", false);
	ck_assert_str_eq(released(), "c ");
}
END_TEST

/* Against a list: random sizes, holds, releases, so that the ring wraps and grows everywhere. */
enum { LIST = 200000 };
static uint32_t list_size[LIST];
static unsigned list_in, list_out;

static bool
as_listed(void *arg, const struct effect *e)
{
	unsigned *left = arg;

	if (*left == 0)
		return false;
	--*left;
	ck_assert_uint_lt(list_out, list_in);
	ck_assert_uint_eq(e->bytes.len, list_size[list_out]);
	for (size_t i = 0; i < e->bytes.len; i += 97)
		ck_assert_uint_eq(e->bytes.p[i], (uint8_t)list_out);
	list_out++;
	return true;
}

START_TEST(a_long_random_life_keeps_every_effect_whole_and_in_order)
{
	static uint8_t octets[20000];

	srand(11);
	for (int i = 0; i < 100000; i++) {
		uint32_t n = rand() % (rand() % 50 == 0 ? 20000 : 300);
		memset(octets, (uint8_t)list_in, n);
		ck_assert(outbox_effect(&box, &(struct effect){ .bytes = span_of(octets, n) }));
		list_size[list_in++] = n;
		unsigned left = rand() % (i / 10000 % 2 ? 4 : 2); /* fills and empties in turn */
		outbox_release(&box, as_listed, &left);
	}
	unsigned all = UINT32_MAX;
	outbox_release(&box, as_listed, &all);
	ck_assert_uint_eq(list_out, list_in);
	ck_assert_uint_eq(box.held.used, 0);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_effect_waits_for_every_record_before_it_and_none_after);
	tcase_add_test(tc, an_effect_without_records_before_it_goes_at_once);
	tcase_add_test(tc, an_effect_that_reveals_nothing_overtakes);
	tcase_add_test(tc, order_is_kept_and_a_stop_keeps_the_rest);
	tcase_add_test(tc, commitments_of_the_past_and_the_future_change_nothing);
	tcase_add_test(tc, a_restart_drops_and_counts_anew);
	tcase_add_test(tc, a_full_outbox_refuses_counts_and_keeps_what_it_has);
	tcase_add_test(tc, a_monstrous_effect_is_refused);
	tcase_add_test(tc, a_detail_is_copied_and_aligned);
	tcase_add_test(tc, an_effect_stays_lent_while_the_ring_grows_under_it);
	tcase_add_test(tc, a_release_may_end_the_conversation);
	tcase_add_test(tc, a_long_random_life_keeps_every_effect_whole_and_in_order);
}

UNIT_MAIN("outbox", add)
