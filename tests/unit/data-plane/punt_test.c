// SPDX-License-Identifier: Apache-2.0
/* Punt queues: bounded, and fair between peers.  Rates. */
#include <check.h>
#include <stdio.h>

#include "bucket.h"
#include "fixture.h"
#include "lib/unit.h"

static struct dp_ends
peer(unsigned n)
{
	char text[32];

	snprintf(text, sizeof text, "203.0.%u.%u", n >> 8, n & 255);
	return fx_ends(text);
}

START_TEST(a_flood_from_one_peer_delays_nobody_else)
{
	struct puntq *q = puntq_new(1, 1 << 20);
	struct dp_ends flood = peer(1);
	unsigned accepted = 0, before = 0;
	bool found = false;

	for (unsigned i = 0; i < 100000; i++)
		accepted += puntq_put(q, true, &flood, 1, 0, span_of("flood", 5));
	ck_assert_uint_lt(accepted, 5000); /* its share is bounded */
	struct dp_ends other = peer(2);
	ck_assert(puntq_put(q, true, &other, 2, 0, span_of("hello", 5)));
	for (struct punt *p; !found && (p = puntq_take(q)); free(p)) {
		found = p->tunnel == 2;
		before += !found;
	}
	ck_assert(found);
	ck_assert_uint_le(before, 1);
	puntq_free(q);
}
END_TEST

START_TEST(strangers_cannot_fill_the_queues_of_peers)
{
	struct puntq *q = puntq_new(1, 1 << 20);
	struct dp_ends known = peer(7);

	for (unsigned i = 0; i < 30000; i++) {
		struct dp_ends e = peer(i % 65536);
		puntq_put(q, false, &e, 0, 0, span_of("SCCRQ", 5));
	}
	/* The whole is full of strangers, or nearly so: then what is known waits at most one round.
	 */
	unsigned before = 0;
	bool found = false;
	while (!puntq_put(q, true, &known, 2, 0, span_of("hello", 5)))
		free(puntq_take(q));
	for (struct punt *p; !found && (p = puntq_take(q)); free(p)) {
		found = p->tunnel == 2;
		before += !found;
	}
	ck_assert(found);
	ck_assert_uint_le(before, 64);
	puntq_free(q);
}
END_TEST

START_TEST(one_peers_frames_keep_their_order)
{
	struct puntq *q = puntq_new(9, 1 << 20);
	struct dp_ends a = peer(1), b = peer(2);
	uint16_t next[3] = { 0 };

	for (uint16_t i = 0; i < 100; i++) {
		ck_assert(puntq_put(q, true, &a, 1, i, span_of("x", 1)));
		ck_assert(puntq_put(q, true, &b, 2, i, span_of("y", 1)));
	}
	ck_assert_uint_eq(puntq_count(q), 200);
	struct punt *p = puntq_take(q);
	puntq_put_back(q, p);
	ck_assert_ptr_eq(puntq_take(q), p);
	puntq_put_back(q, p);
	while ((p = puntq_take(q))) {
		ck_assert_uint_eq(p->session, next[p->tunnel]++);
		ck_assert_uint_eq(p->len, 1);
		ck_assert_int_eq(p->octets[0], p->tunnel == 1 ? 'x' : 'y');
		free(p);
	}
	ck_assert_uint_eq(next[1] + next[2], 200);
	ck_assert_uint_eq(puntq_count(q), 0);
	puntq_free(q);
}
END_TEST

START_TEST(an_empty_frame_and_an_empty_queue)
{
	struct puntq *q = puntq_new(1, 1000);
	struct dp_ends a = peer(1);

	ck_assert_ptr_null(puntq_take(q));
	ck_assert(!puntq_put(q, true, &a, 1, 1, span_of("too large for a share of it", 27)));
	puntq_free(q);
	puntq_free(NULL);
}
END_TEST

START_TEST(a_bucket_gives_its_rate_and_its_burst)
{
	struct rate r = rate_of((unsigned)_i);
	struct bucket b = { 0 };
	unsigned burst = 0, second = 0;

	for (; burst < 100000 && bucket_has(&b, &r, NOW); burst++)
		bucket_take(&b, &r, NOW);
	ck_assert_uint_eq(burst, _i / 4 > 16 ? (unsigned)_i / 4 : 16);
	for (mono_t t = NOW; t < NOW + MONO_S; t += MONO_MS / 4) {
		if (bucket_has(&b, &r, t)) {
			bucket_take(&b, &r, t);
			second++;
		}
	}
	ck_assert_int_le(abs((int)second - _i), 2);
}
END_TEST

START_TEST(no_rate_is_no_limit)
{
	struct rate r = rate_of(0);
	struct bucket b = { 0 };

	for (unsigned i = 0; i < 100000; i++) {
		ck_assert(bucket_has(&b, &r, NOW));
		bucket_take(&b, &r, NOW);
	}
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, a_flood_from_one_peer_delays_nobody_else);
	tcase_add_test(t, strangers_cannot_fill_the_queues_of_peers);
	tcase_add_test(t, one_peers_frames_keep_their_order);
	tcase_add_test(t, an_empty_frame_and_an_empty_queue);
	tcase_add_loop_test(t, a_bucket_gives_its_rate_and_its_burst, 1, 3);
	tcase_add_loop_test(t, a_bucket_gives_its_rate_and_its_burst, 100, 101);
	tcase_add_loop_test(t, a_bucket_gives_its_rate_and_its_burst, 2000, 2001);
	tcase_add_test(t, no_rate_is_no_limit);
}

UNIT_MAIN("punt", add)
