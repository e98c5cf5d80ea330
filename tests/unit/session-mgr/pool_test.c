// SPDX-License-Identifier: Apache-2.0
/* Pools: what is leased, to whom, and that no address is ever leased twice. */
#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

#include "pool.h"

static struct names names;
static struct pools pools;

static struct conf_pool
pool_of(const char *name, const char *first, const char *last, uint8_t len)
{
	struct conf_pool c = { .ranges = 1, .delegate_len = len, .alarm_percent = 90 };

	snprintf(c.name, sizeof c.name, "%s", name);
	ck_assert(ip_addr_parse(first, &c.range[0].first));
	ck_assert(ip_addr_parse(last, &c.range[0].last));
	c.family = c.range[0].first.family;
	return c;
}

static void
with(const struct conf_pool *c, unsigned n)
{
	names = (struct names){ 0 };
	pools_init(&pools, &names);
	pools_configure(&pools, c, n);
}

static void
with_pool(const char *first, const char *last, uint8_t len)
{
	struct conf_pool c = pool_of("p", first, last, len);

	with(&c, 1);
}

static void
done(void)
{
	pools_fini(&pools);
	ck_assert_ptr_null(names.all); /* every name was given back */
}

static const char *
text_of(const struct lease_key *k)
{
	static char t[ADDR_TEXT];
	struct ip_prefix p = lease_prefix(k);

	return k->family == 4 ? ip_addr_text(&p.addr, t) : ip_prefix_text(&p, t);
}

/* Picks and takes, as the core does; "" when refused. */
static const char *
lease_to(const char *user, uint16_t session)
{
	struct lease_choice c;

	if (pools_pick(&pools, "p", pools.pool[0].family, user, &c) != POOL_OK)
		return "";
	ck_assert_ptr_nonnull(pools_apply(&pools, &c.key, "p", user, 1, session, 100));
	return text_of(&c.key);
}

static void
give_back(const char *addr)
{
	struct ip_prefix p;
	struct lease_key k;
	struct lease *l;
	char user[256];

	ck_assert(ip_prefix_parse(addr, &p));
	k = lease_key_of(&p);
	l = pools_lease(&pools, &k);
	ck_assert_ptr_nonnull(l);
	snprintf(user, sizeof user, "%s", name_text(l->user));
	k = l->key;
	pools_apply(&pools, &k, "p", user, 0, 0, 200);
}

START_TEST(addresses_are_leased_in_order_until_the_pool_is_exhausted)
{
	with_pool("10.0.0.1", "10.0.0.3", 0);
	ck_assert_str_eq(lease_to("a", 1), "10.0.0.1");
	ck_assert_str_eq(lease_to("b", 2), "10.0.0.2");
	ck_assert_str_eq(lease_to("c", 3), "10.0.0.3");
	ck_assert_str_eq(lease_to("d", 4), "");
	ck_assert_uint_eq(pool_percent(&pools.pool[0]), 100);
	done();
}
END_TEST

START_TEST(the_same_user_gets_its_address_again)
{
	with_pool("10.0.0.1", "10.0.0.9", 0);
	lease_to("a", 1);
	lease_to("b", 2);
	give_back("10.0.0.1");
	give_back("10.0.0.2");
	ck_assert_str_eq(lease_to("b", 3), "10.0.0.2");
	ck_assert_str_eq(lease_to("a", 4), "10.0.0.1");
	ck_assert_str_eq(lease_to("a", 5), "10.0.0.3"); /* a second session of the same user */
	done();
}
END_TEST

START_TEST(a_stranger_gets_an_unused_address_before_a_kept_one_and_then_the_longest_free)
{
	with_pool("10.0.0.1", "10.0.0.3", 0);
	lease_to("a", 1);
	lease_to("b", 2);
	give_back("10.0.0.2");
	give_back("10.0.0.1");
	ck_assert_str_eq(lease_to("c", 3), "10.0.0.3");
	ck_assert_str_eq(lease_to("d", 4), "10.0.0.2");
	ck_assert_str_eq(lease_to("b", 5), "10.0.0.1"); /* its own went to d */
	done();
}
END_TEST

START_TEST(a_pool_of_sixteen_million_costs_nothing_until_used)
{
	with_pool("10.0.0.0", "10.255.255.255", 0);
	ck_assert_uint_eq(pools.pool[0].total, 1u << 24);
	ck_assert_str_eq(lease_to("a", 1), "10.0.0.0");
	ck_assert_uint_eq(HASH_COUNT(pools.by_addr), 1);
	done();
}
END_TEST

START_TEST(ipv6_prefixes_have_the_length_of_the_pool)
{
	with_pool("2001:db8::", "2001:db8:0:ff:ffff:ffff:ffff:ffff", 56);
	ck_assert_uint_eq(pools.pool[0].total, 1);
	ck_assert_str_eq(lease_to("a", 1), "2001:db8::/56");
	ck_assert_str_eq(lease_to("b", 2), "");
	done();
	with_pool("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 64);
	ck_assert_uint_eq(pools.pool[0].total, (uint64_t)1 << 32);
	lease_to("a", 1);
	ck_assert_str_eq(lease_to("b", 2), "2001:db8:0:1::/64");
	done();
}
END_TEST

START_TEST(the_whole_of_ipv6_does_not_overflow)
{
	with_pool("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128);
	ck_assert_str_eq(lease_to("a", 1), "::/128");
	done();
}
END_TEST

START_TEST(an_unknown_pool_and_a_pool_of_the_other_family_are_refused)
{
	struct lease_choice c;

	with_pool("10.0.0.1", "10.0.0.9", 0);
	ck_assert_int_eq(pools_pick(&pools, "q", 4, "a", &c), POOL_UNKNOWN);
	ck_assert_int_eq(pools_pick(&pools, "p", 6, "a", &c), POOL_UNKNOWN);
	done();
}
END_TEST

START_TEST(our_own_address_is_never_leased)
{
	struct ip_addr own;
	struct lease_key k = lease_key_v4(0x0a000002);
	struct lease_choice c;

	with_pool("10.0.0.1", "10.0.0.3", 0);
	ck_assert(ip_addr_parse("10.0.0.2", &own));
	pools_reserve(&pools, &own);
	ck_assert_str_eq(lease_to("a", 1), "10.0.0.1");
	ck_assert_str_eq(lease_to("b", 2), "10.0.0.3");
	ck_assert_str_eq(lease_to("c", 3), "");
	ck_assert_int_eq(pools_pick_framed(&pools, &k, &c), POOL_OUTSIDE);
	done();
}
END_TEST

START_TEST(an_address_that_aaa_gives_is_held_once)
{
	struct lease_key k = lease_key_v4(0xc0000201);
	struct lease_choice c;

	with_pool("10.0.0.1", "10.0.0.3", 0);
	ck_assert_int_eq(pools_pick_framed(&pools, &k, &c), POOL_OK);
	ck_assert_str_eq(c.pool, "");
	pools_apply(&pools, &k, "", "a", 1, 1, 0);
	ck_assert_int_eq(pools_pick_framed(&pools, &k, &c), POOL_TAKEN);
	k = lease_key_v4(0x0a000001);
	ck_assert_int_eq(pools_pick_framed(&pools, &k, &c), POOL_OK);
	ck_assert_str_eq(c.pool, "p"); /* it lies in a pool, so the pool must know */
	pools_apply(&pools, &k, c.pool, "b", 1, 2, 0);
	ck_assert_str_eq(lease_to("c", 3), "10.0.0.2");
	done();
}
END_TEST

START_TEST(prefixes_of_two_lengths_cannot_overlap)
{
	struct ip_prefix p;
	struct lease_key k;
	struct lease_choice c;

	with_pool("2001:db8:1::", "2001:db8:1:ffff::", 64);
	ck_assert(ip_prefix_parse("2001:db8:2::/48", &p));
	k = lease_key_of(&p);
	ck_assert_int_eq(pools_pick_framed(&pools, &k, &c), POOL_OK);
	pools_apply(&pools, &k, "", "a", 1, 1, 0);
	ck_assert(ip_prefix_parse("2001:db8:2:7::/64", &p));
	k = lease_key_of(&p);
	ck_assert_int_eq(pools_pick_framed(&pools, &k, &c), POOL_TAKEN);
	ck_assert(ip_prefix_parse("2001:db8:1::/56", &p)); /* would cut into the pool */
	k = lease_key_of(&p);
	ck_assert_int_eq(pools_pick_framed(&pools, &k, &c), POOL_TAKEN);
	done();
}
END_TEST

START_TEST(the_address_a_peer_asks_for_must_be_free_and_in_the_pool)
{
	struct lease_key k = lease_key_v4(0x0a000002);
	struct lease_choice c;

	with_pool("10.0.0.1", "10.0.0.3", 0);
	ck_assert_int_eq(pools_pick_in(&pools, "p", &k, &c), POOL_OK);
	pools_apply(&pools, &k, "p", "a", 1, 1, 0);
	ck_assert_int_eq(pools_pick_in(&pools, "p", &k, &c), POOL_TAKEN);
	k = lease_key_v4(0x0a000009);
	ck_assert_int_eq(pools_pick_in(&pools, "p", &k, &c), POOL_OUTSIDE);
	ck_assert_int_eq(pools_pick_in(&pools, "q", &k, &c), POOL_UNKNOWN);
	done();
}
END_TEST

START_TEST(pools_that_overlap_do_not_double_an_address)
{
	struct conf_pool c[2] = { pool_of("p", "10.0.0.1", "10.0.0.2", 0), pool_of("q", "10.0.0.2", "10.0.0.3", 0) };
	struct lease_choice x;

	with(c, 2);
	lease_to("a", 1);
	ck_assert_str_eq(lease_to("b", 2), "10.0.0.2");
	ck_assert_int_eq(pools_pick(&pools, "q", 4, "c", &x), POOL_OK);
	ck_assert_str_eq(text_of(&x.key), "10.0.0.3");
	done();
}
END_TEST

START_TEST(leases_survive_a_change_of_configuration)
{
	struct conf_pool c = pool_of("p", "10.0.0.1", "10.0.0.8", 0);

	with_pool("10.0.0.1", "10.0.0.4", 0);
	lease_to("a", 1);
	lease_to("b", 2);
	give_back("10.0.0.1");
	pools_configure(&pools, &c, 1);
	ck_assert_uint_eq(pools.pool[0].held, 1);
	ck_assert_uint_eq(pools.pool[0].kept, 1);
	ck_assert_str_eq(lease_to("a", 3), "10.0.0.1");
	pools_configure(&pools, NULL, 0);
	ck_assert_uint_eq(pools.held, 2);
	pools_configure(&pools, &c, 1);
	ck_assert_uint_eq(pools.pool[0].held, 2);
	done();
}
END_TEST

/* A model beside it: for any order of taking and giving back, no address is held by two. */
#define UNITS 64

START_TEST(nothing_is_ever_leased_twice)
{
	static uint16_t holder[UNITS];
	uint64_t seed = (uint64_t)_i * 77777 + 1;
	unsigned held = 0;
	uint16_t session = 0;

	with_pool("10.0.0.0", "10.0.0.63", 0);
	memset(holder, 0, sizeof holder);
	for (int step = 0; step < 4000; step++) {
		unsigned r;
		char user[16], addr[ADDR_TEXT];

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		r = (unsigned)(seed >> 33);
		snprintf(user, sizeof user, "u%u", r % 100);
		if (r & 0x10000) {
			struct lease_choice c;
			enum pool_answer a = pools_pick(&pools, "p", 4, user, &c);

			ck_assert_int_eq(a, held == UNITS ? POOL_EXHAUSTED : POOL_OK);
			if (a != POOL_OK)
				continue;
			ck_assert_uint_eq(holder[c.key.b[3]], 0);
			if (c.was)
				ck_assert(!lease_held(c.was));
			holder[c.key.b[3]] = ++session;
			pools_apply(&pools, &c.key, "p", user, 1, session, 0);
			held++;
		} else if (holder[r % UNITS]) {
			snprintf(addr, sizeof addr, "10.0.0.%u", r % UNITS);
			give_back(addr);
			holder[r % UNITS] = 0;
			held--;
		}
		ck_assert_uint_eq(pools.pool[0].held, held);
		ck_assert_uint_le(pools.pool[0].held + pools.pool[0].kept, UNITS);
	}
	done();
}
END_TEST

START_TEST(kept_leases_are_bounded)
{
	with_pool("10.0.0.0", "10.255.255.255", 0);
	for (unsigned i = 0; i < POOL_KEEP_MAX + 10; i++) {
		char user[16];
		struct lease_choice c;

		snprintf(user, sizeof user, "u%u", i);
		ck_assert_int_eq(pools_pick(&pools, "p", 4, user, &c), POOL_OK);
		pools_apply(&pools, &c.key, "p", user, 1, 1, 0);
		pools_apply(&pools, &c.key, "p", user, 0, 0, 0);
		while (pools_surplus(&pools.pool[0]))
			pools_remove(&pools, pools_surplus(&pools.pool[0]));
	}
	ck_assert_uint_eq(pools.pool[0].kept, POOL_KEEP_MAX);
	done();
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, addresses_are_leased_in_order_until_the_pool_is_exhausted);
	tcase_add_test(t, the_same_user_gets_its_address_again);
	tcase_add_test(t, a_stranger_gets_an_unused_address_before_a_kept_one_and_then_the_longest_free);
	tcase_add_test(t, a_pool_of_sixteen_million_costs_nothing_until_used);
	tcase_add_test(t, ipv6_prefixes_have_the_length_of_the_pool);
	tcase_add_test(t, the_whole_of_ipv6_does_not_overflow);
	tcase_add_test(t, an_unknown_pool_and_a_pool_of_the_other_family_are_refused);
	tcase_add_test(t, our_own_address_is_never_leased);
	tcase_add_test(t, an_address_that_aaa_gives_is_held_once);
	tcase_add_test(t, prefixes_of_two_lengths_cannot_overlap);
	tcase_add_test(t, the_address_a_peer_asks_for_must_be_free_and_in_the_pool);
	tcase_add_test(t, pools_that_overlap_do_not_double_an_address);
	tcase_add_test(t, leases_survive_a_change_of_configuration);
	tcase_add_loop_test(t, nothing_is_ever_leased_twice, 0, 8);
	tcase_add_test(t, kept_leases_are_bounded);
}

UNIT_MAIN("pool", add)
