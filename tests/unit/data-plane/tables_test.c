// SPDX-License-Identifier: Apache-2.0
/* Rows in any order, loads, routes against a slow model, and what is derived for the kernel. */
#include <check.h>
#include <stdio.h>

#include "fib.h"
#include "fixture.h"
#include "kernel.h"
#include "lib/unit.h"

#define LAC "203.0.113.9"

static struct conf *conf;
static struct dp *dp;
static uint8_t buf[512], *at = buf + 64;

static void
setup(void)
{
	conf = fx_conf();
	dp = fx_dp(conf, 0);
}

static void
teardown(void)
{
	dp_free(dp);
	free(conf);
}

static uint8_t
down_act(const char *dst)
{
	struct dp_packet k = { at, fx_ip4(at, "198.51.100.1", dst, IP_UDP, 20) };
	struct dp_verdict v;

	dp_down(dp, NOW, &k, 1, &v);
	return v.act;
}

static void
all_of_it(unsigned order)
{
	static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (unsigned i = 0; i < 3; i++) {
		switch (orders[order][i]) {
		case 0:
			fx_tunnel(dp, 7, 70, LAC, false);
			break;
		case 1:
			fx_call(dp, 7, 1, 101, CALL_PLAIN);
			break;
		case 2:
			fx_sub(dp, 7, 1, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492 });
			break;
		}
	}
}

START_TEST(rows_may_come_in_any_order)
{
	all_of_it((unsigned)_i);
	ck_assert_int_eq(down_act("10.0.0.1"), DP_FORWARD);
	ck_assert_uint_eq(get_u16(dp_out(dp)->frame[0].p + 2), 70);
	ck_assert_uint_eq(get_u16(dp_out(dp)->frame[0].p + 4), 101);
	ck_assert_uint_eq(dp_sessions(dp), 1);
}
END_TEST

START_TEST(each_row_that_goes_stops_the_packets)
{
	static const enum table tables[] = { TABLE_TUNNEL, TABLE_CALL, TABLE_SUBSCRIBER };

	all_of_it(0);
	fx_gone(dp, tables[_i], 7, 1);
	ck_assert_int_eq(down_act("10.0.0.1"), DP_DROP);
	fx_gone(dp, tables[_i], 7, 1); /* twice */
	all_of_it(5);
	ck_assert_int_eq(down_act("10.0.0.1"), DP_FORWARD);
	for (unsigned i = 0; i < 3; i++)
		fx_gone(dp, tables[i], 7, 1);
	ck_assert_uint_eq(dp_sessions(dp), 0);
	ck_assert_uint_eq(dp_tunnels(dp), 0);
}
END_TEST

START_TEST(rows_without_sense_are_counted_and_ignored)
{
	Row__Tunnel t = ROW__TUNNEL__INIT;
	Row__Call c = ROW__CALL__INIT;
	Row__Subscriber s = ROW__SUBSCRIBER__INIT;
	struct key k = key_tunnel(1), session = key_session(1, 1);
	uint8_t addr[16] = { 1 };
	ProtobufCBinaryData odd = { 5, addr }, empty = { 0, NULL };

	t.peer_addr = odd;
	dp_apply(dp, TABLE_TUNNEL, key_span(&k), &t.base);
	dp_apply(dp, TABLE_TUNNEL, span_of("abc", 3), &t.base);
	dp_apply(dp, TABLE_CALL, key_span(&k), &c.base);
	dp_apply(dp, TABLE_CALL, span_of(NULL, 0), NULL);
	fx_tunnel(dp, 1, 100, LAC, false);
	c.peer_id = 70000;
	dp_apply(dp, TABLE_CALL, key_span(&session), &c.base);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_ROWS_BAD], 5);
	fx_gone(dp, TABLE_TUNNEL, 1, 0);
	s.ipv4 = odd;
	s.ipv6_prefix = odd;
	s.ipv6_prefix_len = 4000000000u;
	s.delegated_prefix = (ProtobufCBinaryData){ 16, addr };
	s.delegated_prefix_len = 129;
	ProtobufCBinaryData routes[3] = { odd, empty, { 1, addr } };
	s.n_routes = 3;
	s.routes = routes;
	s.mtu = 4000000000u;
	s.forwarding = true;
	dp_apply(dp, TABLE_SUBSCRIBER, key_span(&session), &s.base);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_ROWS_BAD],
			  7 + 0); /* two of the routes; the odd one has a length of 0 */
	ck_assert_uint_eq(dp_sessions(dp), 1);
}
END_TEST

START_TEST(a_load_keeps_what_stays_and_drops_what_went)
{
	struct dp_usage u[4];

	all_of_it(0);
	fx_call(dp, 7, 2, 102, CALL_PLAIN);
	fx_sub(dp, 7, 2, (struct fx_sub){ .v4 = "10.0.0.2", .mtu = 1492 });
	fx_tunnel(dp, 8, 80, LAC, false);
	ck_assert_int_eq(down_act("10.0.0.1"), DP_FORWARD);
	dp_load_begin(dp);
	ck_assert_int_eq(down_act("10.0.0.1"), DP_FORWARD); /* packets do not wait for a load */
	all_of_it(3);
	dp_load_end(dp);
	ck_assert_int_eq(down_act("10.0.0.1"), DP_FORWARD);
	ck_assert_int_eq(down_act("10.0.0.2"), DP_DROP);
	ck_assert_uint_eq(dp_sessions(dp), 1);
	ck_assert_uint_eq(dp_tunnels(dp), 1);
	ck_assert_uint_eq(dp_usage_next(dp, 100, u, 4), 1);
	ck_assert_uint_eq(u[0].out_packets, 3);
	dp_load_begin(dp);
	dp_load_end(dp);
	ck_assert_uint_eq(dp_sessions(dp), 0);
	ck_assert_uint_eq(dp_tunnels(dp), 0);
}
END_TEST

START_TEST(more_sessions_than_ids_of_one_tunnel)
{
	const unsigned n = 70000;
	char text[32];
	unsigned good = 0;

	for (unsigned t = 1; t <= 2; t++)
		fx_tunnel(dp, (uint16_t)t, (uint16_t)t, LAC, false);
	for (unsigned i = 0; i < n; i++) {
		uint16_t t = (uint16_t)(i % 2 + 1), s = (uint16_t)(i / 2 + 1);
		snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		fx_call(dp, t, s, s, CALL_PLAIN);
		fx_sub(dp, t, s, (struct fx_sub){ .v4 = text, .mtu = 1492 });
	}
	ck_assert_uint_eq(dp_sessions(dp), n);
	for (unsigned i = 0; i < n; i += 97) {
		snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		good += down_act(text) == DP_FORWARD && dp_out(dp)->frame[0].tunnel == i % 2 + 1 &&
			get_u16(dp_out(dp)->frame[0].p + 4) == i / 2 + 1;
	}
	ck_assert_uint_eq(good, (n + 96) / 97);
	for (unsigned i = 0; i < n; i++) {
		fx_gone(dp, TABLE_CALL, (uint16_t)(i % 2 + 1), (uint16_t)(i / 2 + 1));
		fx_gone(dp, TABLE_SUBSCRIBER, (uint16_t)(i % 2 + 1), (uint16_t)(i / 2 + 1));
	}
	ck_assert_uint_eq(dp_sessions(dp), 0);
	ck_assert_int_eq(down_act("10.0.0.5"), DP_DROP);
}
END_TEST

/* ---- longest match, against a model that looks at every prefix --------------------------- */

struct claimed {
	uint64_t hi, lo;
	uint32_t who;
	uint8_t len;
	bool on;
};

static uint64_t seed = 42;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t
mask(unsigned len)
{
	return len == 0 ? 0 : len >= 64 ? ~0ull : ~0ull << (64 - len);
}

static uint32_t
model_find(const struct claimed *c, unsigned n, uint64_t hi, uint64_t lo)
{
	int best = -1;
	uint32_t who = FIB_NONE;

	for (unsigned i = 0; i < n; i++) {
		uint64_t mh = mask(c[i].len), ml = c[i].len > 64 ? mask(c[i].len - 64u) : 0;
		if (c[i].on && c[i].len > best && (hi & mh) == (c[i].hi & mh) &&
		    (lo & ml) == (c[i].lo & ml)) {
			best = c[i].len;
			who = c[i].who;
		}
	}
	return who;
}

START_TEST(the_longest_match_is_what_a_slow_search_finds)
{
	struct claimed c[400];
	struct fib f;
	uint32_t had;

	ck_assert(fib_init(&f));
	for (unsigned i = 0; i < 400;
	     i++) { /* few bits, so that prefixes nest and collide; each different */
		bool again = true;
		while (again) {
			c[i] = (struct claimed){ rnd() << 56, rnd() & 3, i, (uint8_t)(rnd() % 129),
						 true };
			c[i].hi &= mask(c[i].len);
			c[i].lo &= c[i].len > 64 ? mask(c[i].len - 64u) : 0;
			again = false;
			for (unsigned k = 0; k < i; k++)
				again |= c[k].hi == c[i].hi && c[k].lo == c[i].lo &&
					 c[k].len == c[i].len;
		}
		ck_assert(fib_claim(&f, c[i].hi, c[i].lo, c[i].len, i, &had));
		ck_assert_uint_eq(had, FIB_NONE);
	}
	for (unsigned round = 0; round < 2000; round++) {
		unsigned i = (unsigned)(rnd() % 400);
		if (c[i].on)
			ck_assert(!fib_drop(&f, c[i].hi, c[i].lo, c[i].len, i));
		else
			ck_assert(fib_claim(&f, c[i].hi, c[i].lo, c[i].len, i, &had));
		c[i].on = !c[i].on;
		for (unsigned k = 0; k < 20; k++) {
			uint64_t hi = rnd() << 56, lo = rnd() & 3;
			ck_assert_uint_eq(fib_find(&f, hi, lo), model_find(c, 400, hi, lo));
		}
	}
	fib_fini(&f);
}
END_TEST

/* ---- the kernel -------------------------------------------------------------------------- */

START_TEST(a_range_is_the_fewest_prefixes)
{
	static const struct {
		const char *first, *last, *want;
	} cases[] = {
		{ "10.0.0.0", "10.0.0.255", "10.0.0.0/24" },
		{ "10.0.0.1", "10.0.0.1", "10.0.0.1/32" },
		{ "10.0.0.2", "10.0.0.9", "10.0.0.2/31 10.0.0.4/30 10.0.0.8/31" },
		{ "0.0.0.0", "255.255.255.255", "0.0.0.0/0" },
		{ "255.255.255.254", "255.255.255.255", "255.255.255.254/31" },
		{ "10.0.0.5", "10.0.0.4", "" },
		{ "2001:db8::", "2001:db8:3:ffff:ffff:ffff:ffff:ffff", "2001:db8::/46" },
		{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0" },
	};
	struct ip_addr first = fx_ip(cases[_i].first), last = fx_ip(cases[_i].last);
	struct ip_prefix p[64];
	char text[512] = "", one[ADDR_TEXT];
	unsigned n = kernel_range(&first, &last, p, 64);

	for (unsigned i = 0; i < n; i++) {
		strcat(text, i ? " " : "");
		strcat(text, ip_prefix_text(&p[i], one));
	}
	ck_assert_str_eq(text, cases[_i].want);
}
END_TEST

static char wanted[512];

static void
note_wanted(void *arg, const struct ip_prefix *p, bool own)
{
	char one[ADDR_TEXT];

	strcat(wanted, own ? "own " : "route ");
	strcat(wanted, ip_prefix_text(p, one));
	strcat(wanted, "\n");
}

START_TEST(the_kernel_learns_what_is_outside_of_the_pools)
{
	uint64_t version;

	teardown();
	conf = fx_conf();
	conf->pools = 1;
	conf->pool[0] = (struct conf_pool){ .family = 4, .delegate_len = 32, .ranges = 1 };
	conf->pool[0].range[0].first = fx_ip("10.0.0.0");
	conf->pool[0].range[0].last = fx_ip("10.0.255.255");
	conf->dials = 1;
	strcpy(conf->dial[0].user, "branch");
	conf->dial[0].route_count = 1;
	ip_prefix_parse("192.168.7.0/24", &conf->dial[0].routes[0]);
	dp = fx_dp(conf, 0);

	all_of_it(0);
	version = dp_kernel_version(dp);
	dp_kernel_each(dp, note_wanted, NULL);
	ck_assert_str_eq(wanted, ""); /* all of it is in the pool */
	fx_sub(dp, 7, 1,
	       (struct fx_sub){
		   .v4 = "10.0.0.1", .route = "172.16.0.0", .route_len = 16, .mtu = 1492 });
	ck_assert_uint_ne(dp_kernel_version(dp), version);
	dp_kernel_each(dp, note_wanted, NULL);
	ck_assert_str_eq(wanted, "route 172.16.0.0/16\n");
	wanted[0] = 0;
	fx_call(dp, 7, 2, 102, CALL_PLAIN);
	fx_sub(dp, 7, 2,
	       (struct fx_sub){ .v4 = "10.9.9.9",
				.v6 = "2001:db8:9::",
				.client = true,
				.user = "branch",
				.mtu = 1492 });
	dp_kernel_each(dp, note_wanted, NULL);
	ck_assert_str_eq(
	    wanted,
	    "route 172.16.0.0/16\nown 10.9.9.9/32\nown 2001:db8:9::1/128\nroute 192.168.7.0/24\n");
	ck_assert_int_eq(down_act("192.168.7.9"), DP_FORWARD);
	ck_assert_int_eq(down_act("10.9.9.9"), DP_DROP); /* ours, not the peer's */
	version = dp_kernel_version(dp);
	fx_gone(dp, TABLE_SUBSCRIBER, 7, 1);
	fx_gone(dp, TABLE_SUBSCRIBER, 7, 2);
	ck_assert_uint_ne(dp_kernel_version(dp), version);
	wanted[0] = 0;
	dp_kernel_each(dp, note_wanted, NULL);
	ck_assert_str_eq(wanted, "");
}
END_TEST

START_TEST(a_session_can_be_shown)
{
	char text[512];

	all_of_it(0);
	ck_assert(dp_session_text(dp, 7, 1, text, sizeof text));
	ck_assert_ptr_nonnull(strstr(
	    text, "session=7/1 peer=203.0.113.9:1701 peer-ids=70/101 call=up forwarding=yes"));
	ck_assert(!dp_session_text(dp, 7, 2, text, sizeof text));
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, rows_may_come_in_any_order, 0, 6);
	tcase_add_loop_test(t, each_row_that_goes_stops_the_packets, 0, 3);
	tcase_add_test(t, rows_without_sense_are_counted_and_ignored);
	tcase_add_test(t, a_load_keeps_what_stays_and_drops_what_went);
	tcase_add_test(t, more_sessions_than_ids_of_one_tunnel);
	tcase_add_test(t, the_longest_match_is_what_a_slow_search_finds);
	tcase_add_loop_test(t, a_range_is_the_fewest_prefixes, 0, 8);
	tcase_add_test(t, the_kernel_learns_what_is_outside_of_the_pools);
	tcase_add_test(t, a_session_can_be_shown);
}

UNIT_MAIN("tables", add)
