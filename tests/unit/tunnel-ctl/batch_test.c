// SPDX-License-Identifier: Apache-2.0
/*
 * Records travel in batches (bus/records.h), which leave out what was written again.  A standby that applies a batch row
 * by row must hold, at its end, what the store holds: behind whichever step a batch ends.
 */
#include "../lib/unit.h"
#include "bus/records.h"
#include "pair.h"

static struct batch *batch[2];
static struct tc *standby[2];
static struct {
	uint64_t dice;
	unsigned length; /* steps of a batch, on average; 0: it ends where the test says */
} cut;

/* The batch is sealed, travels, and is applied. */
static void
commit(unsigned i)
{
	struct records rs;
	struct record r;

	ck_assert(records_open(batch_seal(batch[i], "tunnel-ctl", 1, 1), &rs));
	while (records_next(&rs, &r))
		tc_apply(standby[i], (enum table)r.table, r.key, r.row, r.removed);
	batch_reset(batch[i]);
	ck_assert_uint_eq(lab_bad_rows(standby[i]), 0);
	lab_agree(end[i], standby[i], "the standby");
}

static bool
batch_ends(void)
{
	cut.dice = cut.dice * 6364136223846793005u + 1442695040888963407u;
	return cut.length && (cut.dice >> 33) % cut.length == 0;
}

static void
record(struct sink *s, enum table table, struct span key, const ProtobufCMessage *row)
{
	unsigned i = s == &end[LAC]->sink ? LAC : LNS;

	if (end[i]->records_in_step == 0 && batch_ends())
		commit(i);
	ck_assert(batch_put(batch[i], table, key, row));
	lab_record(s, table, key, row);
}

static void
begin(void)
{
	struct tc_random r = { lab_random, &cut.dice };

	setup();
	cut = (typeof(cut)){ .dice = 7 };
	start();
	for (unsigned i = 0; i < 2; i++) {
		batch[i] = batch_new();
		standby[i] = tc_new(&end[i]->conf, &r);
		end[i]->sink.record = record;
	}
}

static void
done(void)
{
	for (unsigned i = 0; i < 2; i++) {
		batch_free(batch[i]);
		tc_free(standby[i]);
	}
	teardown();
}

START_TEST(a_tunnel_drained_behind_its_first_call_keeps_it)
{
	words(LAC, "call dial g 100");
	words(LAC, "tunnel drain %u", end[LAC]->tc->all->id);
	commit(LAC);
	ck_assert_uint_eq(tc_population(standby[LAC]).calls, 1);
}
END_TEST

START_TEST(a_tunnel_drained_as_soon_as_it_is_opened_keeps_its_message)
{
	words(LAC, "tunnel open g");
	words(LAC, "tunnel drain %u", end[LAC]->tc->all->id);
	commit(LAC);
	ck_assert_uint_eq(standby[LAC]->all->chan.out.count, 1);
}
END_TEST

START_TEST(a_batch_may_end_anywhere)
{
	cut.dice = (uint64_t)_i + 1;
	cut.length = 1u + (unsigned)_i % 8;
	network.kill_lac = 5 + _i;
	words(LAC, "call dial g 100");
	words(LAC, "call dial g 200");
	words(LAC, "tunnel drain %u", end[LAC]->tc->all->id);
	words(LAC, "tunnel undrain %u", end[LAC]->tc->all->id);
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 2);
	words(LNS, "tunnel drain %u", end[LNS]->tc->all->id);
	words(LAC, "call clear %u/%u", end[LAC]->tc->all->id, end[LAC]->tc->all->by_id->id);
	run(20 * MONO_S);
	words(LNS, "tunnel close %u", end[LNS]->tc->all->id);
	run(80 * MONO_S);
	for (unsigned i = 0; i < 2; i++) {
		commit(i);
		ck_assert_uint_eq(tc_population(standby[i]).tunnels, 0);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, begin, done);
	tcase_add_test(tc, a_tunnel_drained_behind_its_first_call_keeps_it);
	tcase_add_test(tc, a_tunnel_drained_as_soon_as_it_is_opened_keeps_its_message);
	tcase_add_loop_test(tc, a_batch_may_end_anywhere, 0, 60);
}

UNIT_MAIN("tunnel-ctl batches", add_tests)
