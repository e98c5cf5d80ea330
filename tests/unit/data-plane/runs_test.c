// SPDX-License-Identifier: Apache-2.0
/* Datagrams of one size and peer are brought together; what one session gets stays in order. */
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "runs.h"

static struct dp_ends peer[3];
static uint8_t octets[TX_MAX][64];
static struct tx t[TX_MAX], was[TX_MAX];
static unsigned n;

static void
setup(void)
{
	n = 0;
	memset(octets, 0, sizeof octets);
}

/* The datagram's number is in its last octets. */
static void
add(const struct dp_ends *ends, uint16_t flags, uint32_t ids, uint32_t len)
{
	uint8_t *p = octets[n], *at = p + (flags & 0x4000 || (flags & 15) == 3 ? 4 : 2);

	p[0] = (uint8_t)(flags >> 8);
	p[1] = (uint8_t)flags;
	memcpy(at, &ids, 4);
	t[n] = (struct tx){ p, len, 0, 0, ends };
	was[n] = t[n];
	n++;
}

static void
data(unsigned session, uint32_t len)
{
	add(&peer[0], 0x0002, session, len);
}

static unsigned
number(const struct tx *of)
{
	return (unsigned)((of->p - octets[0]) / sizeof octets[0]);
}

static void
order_is(const unsigned *want)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_uint_eq(number(&t[i]), want[i]);
}

START_TEST(one_run_stays)
{
	for (unsigned i = 0; i < 5; i++)
		data(i % 2, 40);
	runs_sort(t, n);
	order_is((const unsigned[]){ 0, 1, 2, 3, 4 });
}
END_TEST

START_TEST(each_size_is_a_run)
{
	for (unsigned s = 0; s < 3; s++) { /* an Ack and a Request of each session */
		data(s, 20);
		data(s, 30);
	}
	runs_sort(t, n);
	order_is((const unsigned[]){ 0, 2, 4, 1, 3, 5 });
}
END_TEST

START_TEST(nothing_overtakes_its_own_session)
{
	data(1, 20);
	data(2, 30);
	data(2, 20); /* behind its 30 */
	data(3, 20); /* with the later run of its size */
	runs_sort(t, n);
	order_is((const unsigned[]){ 0, 1, 2, 3 });
}
END_TEST

START_TEST(control_keeps_its_order_whatever_its_call)
{
	add(&peer[0], 0xc802, 1, 20);
	add(&peer[0], 0xc802, 2, 30);
	add(&peer[0], 0xc802, 3, 20);
	runs_sort(t, n);
	order_is((const unsigned[]){ 0, 1, 2 });
}
END_TEST

START_TEST(peers_are_apart)
{
	add(&peer[0], 0x0002, 1, 20);
	add(&peer[1], 0x0002, 1, 20);
	add(&peer[0], 0x0002, 2, 20);
	runs_sort(t, n);
	order_is((const unsigned[]){ 0, 2, 1 });
}
END_TEST

START_TEST(marks_and_carriers_are_apart)
{
	data(1, 20);
	data(2, 20);
	t[1].tos = 0xb8;
	data(3, 20);
	data(4, 20);
	t[3].ip_protocol = 115;
	data(5, 20);
	runs_sort(t, n);
	order_is((const unsigned[]){ 0, 2, 4, 1, 3 });
}
END_TEST

/* Nothing is lost, and each stream is in order, whatever comes. */
START_TEST(any_batch)
{
	static const uint16_t flags[] = { 0x0002, 0x4002, 0x0003, 0xc802, 0x0001 };

	for (unsigned seed = 1; seed <= 200; seed++) {
		bool seen[TX_MAX] = { false };
		unsigned many = seed % 20 ? 1 + seed * 7 % 100 : TX_MAX, astray = 0;

		setup();
		srandom(seed);
		while (n < many)
			add(&peer[random() % 3], flags[random() % 5], (uint32_t)(random() % 8), 20 + (uint32_t)(random() % 4) * 10);
		runs_sort(t, n);
		for (unsigned i = 0; i < n; i++) {
			ck_assert(!seen[number(&t[i])]);
			seen[number(&t[i])] = true;
			ck_assert_mem_eq(&t[i], &was[number(&t[i])], sizeof t[i]);
			for (unsigned j = i + 1; j < n; j++) {
				bool stream = t[i].ends == t[j].ends && memcmp(t[i].p, t[j].p, 8) == 0;
				bool control = t[i].ends == t[j].ends && (t[i].p[0] & t[j].p[0] & 0x80);
				astray += (stream || control) && number(&t[i]) > number(&t[j]);
			}
		}
		ck_assert_uint_eq(astray, 0);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, one_run_stays);
	tcase_add_test(tc, each_size_is_a_run);
	tcase_add_test(tc, nothing_overtakes_its_own_session);
	tcase_add_test(tc, control_keeps_its_order_whatever_its_call);
	tcase_add_test(tc, peers_are_apart);
	tcase_add_test(tc, marks_and_carriers_are_apart);
	tcase_add_test(tc, any_batch);
}

UNIT_MAIN("runs", add_tests)
