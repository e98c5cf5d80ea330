// SPDX-License-Identifier: Apache-2.0
/* Down: frames, sizes, sequence leases, injections, routes. */
#include <check.h>
#include <stdio.h>

#include "fixture.h"
#include "lib/unit.h"

#define LAC "203.0.113.9"

static struct conf *conf;
static struct dp *dp;
static uint8_t buf[70000], *at = buf + 64;

static void
start(unsigned workers, unsigned worker)
{
	conf = fx_conf();
	conf->data.workers = workers;
	dp = fx_dp(conf, worker);
	fx_tunnel(dp, 7, 70, LAC, false);
	fx_call(dp, 7, 1, 101, CALL_PLAIN);
	fx_sub(dp, 7, 1, (struct fx_sub){ .v4 = "10.0.0.1", .v6 = "2001:db8:1:1::", .mtu = 1492 });
}

static void
setup(void)
{
	start(1, 0);
}

static void
teardown(void)
{
	dp_free(dp);
	free(conf);
}

static struct dp_verdict
down(uint32_t len)
{
	struct dp_packet k = { at, len };
	struct dp_verdict v;

	memset(&v, 0xaa, sizeof v);
	dp_down(dp, NOW, &k, 1, &v);
	return v;
}

static struct dp_verdict
to(const char *dst, uint32_t len)
{
	if (strchr(dst, ':'))
		return down(fx_ip6(at, "2001:db8:ffff::1", dst, IP_UDP, len));
	return down(fx_ip4(at, "198.51.100.1", dst, IP_UDP, len));
}

static void
dropped(struct dp_verdict v, enum dp_drop why)
{
	ck_assert_int_eq(v.act, DP_DROP);
	ck_assert_str_eq(dp_drop_info[v.reason].name, dp_drop_info[why].name);
}

static const struct dp_frame *
frame(unsigned i)
{
	ck_assert_uint_gt(dp_out(dp)->frames, i);
	return &dp_out(dp)->frame[i];
}

START_TEST(a_packet_becomes_a_frame_around_itself)
{
	static const uint8_t head[] = { 0, 2, 0, 70, 0, 101, 0xff, 0x03, 0, 0x21 };

	ck_assert_int_eq(to("10.0.0.1", 30).act, DP_FORWARD);
	ck_assert_uint_eq(dp_out(dp)->frames, 1);
	ck_assert_uint_eq(frame(0)->tunnel, 7);
	ck_assert_uint_eq(frame(0)->len, 10 + 50);
	ck_assert_mem_eq(frame(0)->p, head, 10);
	ck_assert_ptr_eq(frame(0)->p + 10, at);
	ck_assert_uint_eq(at[8], 63);
	ck_assert(fx_ip4_good(at));
}
END_TEST

START_TEST(ipv6_has_its_own_protocol_number)
{
	ck_assert_int_eq(to("2001:db8:1:1::77", 30).act, DP_FORWARD);
	ck_assert_uint_eq(get_u32(frame(0)->p + 6), 0xff030057);
	ck_assert_uint_eq(at[7], 63);
}
END_TEST

START_TEST(what_the_subscriber_understands_is_left_out)
{
	static const uint8_t heads[4][10] = {
		{ 0, 2, 0, 70, 0, 101, 0xff, 0x03, 0, 0x21 },
		{ 0, 2, 0, 70, 0, 101, 0xff, 0x03, 0x21 },
		{ 0, 2, 0, 70, 0, 101, 0, 0x21 },
		{ 0, 2, 0, 70, 0, 101, 0x21 },
	};
	static const unsigned lens[] = { 10, 9, 8, 7 };

	fx_sub(dp, 7, 1,
	       (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492, .pfc = _i & 1, .acfc = _i & 2 });
	fx_call(dp, 7, 1, 101, CALL_PLAIN); /* in either order */
	ck_assert_int_eq(to("10.0.0.1", 30).act, DP_FORWARD);
	ck_assert_uint_eq(frame(0)->len, lens[_i] + 50);
	ck_assert_mem_eq(frame(0)->p, heads[_i], lens[_i]);
}
END_TEST

START_TEST(nobody_gets_what_is_for_nobody)
{
	dropped(to("10.0.0.2", 30), DP_DROP_NO_ROUTE);
	dropped(to("2001:db8:1:2::1", 30), DP_DROP_NO_ROUTE);
	dropped(to("224.0.0.22", 30), DP_DROP_MULTICAST);
	dropped(to("ff02::16", 30), DP_DROP_MULTICAST);
	at[0] = 0x12;
	dropped(down(40), DP_DROP_IP_VERSION);
	at[0] = 0x45;
	dropped(down(19), DP_DROP_IP_SHORT);
	dropped(down(0), DP_DROP_IP_VERSION);
	at[0] = 0x60;
	dropped(down(39), DP_DROP_IP_SHORT);
	ck_assert_uint_eq(dp_out(dp)->frames, 0);
}
END_TEST

START_TEST(the_longest_prefix_has_it)
{
	fx_call(dp, 7, 2, 102, CALL_PLAIN);
	fx_sub(
	    dp, 7, 2,
	    (struct fx_sub){ .v4 = "10.0.0.2", .route = "10.0.0.0", .route_len = 24, .mtu = 1492 });
	fx_call(dp, 7, 3, 103, CALL_PLAIN);
	fx_sub(dp, 7, 3,
	       (struct fx_sub){ .v4 = "10.0.0.3",
				.route = "0.0.0.0",
				.route_len = 0,
				.pd = "2001:db8::",
				.pd_len = 32,
				.v6 = "2001:db8:1:3::",
				.mtu = 1492 });
	ck_assert_uint_eq(to("10.0.0.1", 30).session, 1);
	ck_assert_uint_eq(to("10.0.0.77", 30).session, 2);
	ck_assert_uint_eq(to("10.0.1.77", 30).session, 3);
	ck_assert_uint_eq(to("2001:db8:1:1::9", 30).session, 1);
	ck_assert_uint_eq(to("2001:db8:1:7::9", 30).session, 3);
	fx_gone(dp, TABLE_SUBSCRIBER, 7, 2);
	ck_assert_uint_eq(to("10.0.0.77", 30).session, 3);
	fx_gone(dp, TABLE_SUBSCRIBER, 7, 3);
	dropped(to("10.0.0.77", 30), DP_DROP_NO_ROUTE);
}
END_TEST

START_TEST(an_address_claimed_twice_goes_back_to_the_first)
{
	fx_call(dp, 7, 2, 102, CALL_PLAIN);
	fx_sub(dp, 7, 2, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492 });
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_ROUTE_TWICE], 1);
	ck_assert_uint_eq(to("10.0.0.1", 30).session, 2);
	fx_gone(dp, TABLE_SUBSCRIBER, 7, 2);
	ck_assert_uint_eq(to("10.0.0.1", 30).session, 1);
	fx_gone(dp, TABLE_SUBSCRIBER, 7, 1);
	dropped(to("10.0.0.1", 30), DP_DROP_NO_ROUTE);
}
END_TEST

START_TEST(too_big_with_df_is_answered)
{
	uint32_t n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 1480);

	put_u16(at + 6, 0x4000);
	put_u16(at + 10, 0);
	put_u16(at + 10, (uint16_t)~fx_sum(0, at, 20));
	dropped(down(n), DP_DROP_TOO_BIG);
	ck_assert_uint_eq(dp_out(dp)->frames, 0);
	ck_assert_uint_eq(dp_out(dp)->packets, 1);
	const uint8_t *o = dp_out(dp)->packet[0].p;
	ck_assert(fx_ip4_good(o));
	ck_assert_uint_eq(dp_out(dp)->packet[0].len, 576);
	ck_assert_uint_eq(get_u16(o + 20), 0x0304);
	ck_assert_uint_eq(get_u16(o + 26), 1492);
	ck_assert_uint_eq(fx_sum(0, o + 20, 556), 0xffff);
	ck_assert_uint_eq(get_u32(o + 16), 0xc6336401);
}
END_TEST

START_TEST(ipv6_too_big_is_answered)
{
	dropped(to("2001:db8:1:1::9", 1460), DP_DROP_TOO_BIG);
	ck_assert_uint_eq(dp_out(dp)->packets, 1);
	const uint8_t *o = dp_out(dp)->packet[0].p;
	ck_assert_uint_eq(o[40], 2);
	ck_assert_uint_eq(get_u32(o + 44), 1492);
	ck_assert(fx_l4_good(o));
	ck_assert_uint_eq(dp_out(dp)->packet[0].len, 1280);
}
END_TEST

/* Puts fragments together again; answers their payload's length. */
static uint32_t
defragment(uint8_t *out, unsigned limit)
{
	uint32_t total = 0;

	for (unsigned i = 0; i < dp_out(dp)->frames; i++) {
		const uint8_t *o = frame(i)->p + 10;
		uint32_t head = (o[0] & 15u) * 4, n = get_u16(o + 2) - head,
			 off = (get_u16(o + 6) & 0x1fffu) * 8;
		ck_assert(fx_ip4_good(o));
		ck_assert_uint_le(get_u16(o + 2), limit);
		ck_assert_uint_eq(frame(i)->len, 10u + get_u16(o + 2));
		ck_assert_int_eq(!!(get_u16(o + 6) & 0x2000), i + 1 < dp_out(dp)->frames);
		ck_assert_uint_eq(o[8], 63);
		ck_assert_uint_eq(off, total);
		memcpy(out + off, o + head, n);
		total += n;
	}
	return total;
}

START_TEST(too_big_without_df_is_fragmented)
{
	static uint8_t out[70000];
	static const unsigned mtus[] = { 1492, 1491, 1400, 576, 100, 68 };
	uint32_t len = 1480;

	fx_sub(dp, 7, 1, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = mtus[_i] });
	uint32_t n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, len);
	ck_assert_int_eq(down(n).act, DP_FORWARD);
	ck_assert_uint_eq(defragment(out, mtus[_i]), len);
	ck_assert_mem_eq(out, at + 20, len);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_FRAGMENTED], 1);
}
END_TEST

START_TEST(options_that_are_not_copied_stay_in_the_first_fragment)
{
	uint32_t n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 1480);
	static const uint8_t opt[12] = {
		7, 3, 4, 0x83, 7, 4, 1, 2, 3, 4, 1, 0
	}; /* record route; source route, copied */

	at[0] = 0x48;
	memcpy(at + 20, opt, 12);
	ck_assert_int_eq(down(n).act, DP_FORWARD);
	ck_assert_uint_eq(dp_out(dp)->frames, 2);
	ck_assert_mem_eq(frame(0)->p + 30, opt, 12);
	ck_assert_uint_eq(frame(1)->p[10], 0x47);
	ck_assert_uint_eq(frame(1)->p[30], 0x83);
	ck_assert(fx_ip4_good(frame(1)->p + 10));
}
END_TEST

START_TEST(a_fragment_of_a_fragment_keeps_its_place)
{
	uint32_t n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 1480);

	put_u16(at + 6, 0x2000 | 185);
	ck_assert_int_eq(down(n).act, DP_FORWARD);
	ck_assert_uint_eq(get_u16(frame(0)->p + 16), 0x2000 | 185);
	ck_assert_uint_eq(get_u16(frame(1)->p + 16), 0x2000 | (185 + 1472 / 8));
}
END_TEST

START_TEST(the_path_of_a_tunnel_may_be_smaller_than_the_link)
{
	dp_path_mtu(dp, 7, 1400);
	uint32_t n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 1420);
	put_u16(at + 6, 0x4000);
	dropped(down(n), DP_DROP_TOO_BIG);
	ck_assert_uint_eq(get_u16(dp_out(dp)->packet[0].p + 26), 1400);
}
END_TEST

START_TEST(ttl_one_ends_here)
{
	uint32_t n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 30);

	at[8] = 1;
	dropped(down(n), DP_DROP_TTL);
	ck_assert_uint_eq(dp_out(dp)->packets, 1);
	ck_assert_uint_eq(dp_out(dp)->packet[0].p[20], 11);
	n = fx_ip6(at, "2001:db8:ffff::1", "2001:db8:1:1::9", IP_UDP, 30);
	at[7] = 1;
	dropped(down(n), DP_DROP_TTL);
	ck_assert_uint_eq(dp_out(dp)->packets, 1);
}
END_TEST

START_TEST(outer_marks_follow_the_inner_ones)
{
	uint32_t n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 30);

	at[1] = 0xb8 | 2;
	down(n);
	ck_assert_uint_eq(frame(0)->tos, 0xb8); /* the peer knows no ECN: compatibility mode */
	fx_tunnel(dp, 7, 70, LAC, true);
	n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 30);
	at[1] = 0xb8 | 2;
	down(n);
	ck_assert_uint_eq(frame(0)->tos, 0xb8 | 2);
}
END_TEST

START_TEST(syns_are_clamped_down_as_well)
{
	uint32_t n = fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_TCP, 28);

	fx_syn(at, 1460, 1);
	ck_assert_int_eq(down(n).act, DP_FORWARD);
	ck_assert_uint_eq(get_u16(at + 43), 1452);
	ck_assert(fx_l4_good(at));
}
END_TEST

/* ---- sequence numbers -------------------------------------------------------------------- */

static void
sequenced(unsigned how)
{
	fx_call(dp, 7, 1, 101, how);
}

static void
lease(void)
{
	uint16_t t, s;
	uint32_t below;

	ck_assert(dp_ns_wanted(dp, &t, &s, &below));
	ck_assert_uint_eq(t, 7);
	ck_assert_uint_eq(s, 1);
	dp_ns_committed(dp, t, s, below);
}

START_TEST(no_ns_leaves_before_its_lease_is_committed)
{
	uint16_t t, s;
	uint32_t below = 0;

	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_REQUIRED);
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE);
	ck_assert(dp_ns_wanted(dp, &t, &s, &below));
	ck_assert_uint_eq(below, DP_NS_FIRST);
	ck_assert(!dp_ns_wanted(dp, &t, &s, &below));
	ck_assert(!dp_ns_settled(dp));
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE);
	dp_ns_committed(dp, 7, 1, below);
	ck_assert(dp_ns_settled(dp));
	ck_assert_int_eq(to("10.0.0.1", 30).act, DP_FORWARD);
	static const uint8_t head[] = { 8, 2, 0, 70, 0, 101, 0, 0, 0, 0, 0xff, 3, 0, 0x21 };
	ck_assert_mem_eq(frame(0)->p, head, sizeof head);
	ck_assert_uint_eq(frame(0)->len, 14 + 50);
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p + 6), 1);
}
END_TEST

START_TEST(a_lease_is_renewed_before_it_ends)
{
	uint16_t t, s;
	uint32_t below;

	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_LNS);
	lease();
	for (unsigned i = 0; i < 3 * DP_NS_LEASE; i++) {
		ck_assert_int_eq(to("10.0.0.1", 30).act, DP_FORWARD);
		ck_assert_uint_eq(get_u16(frame(0)->p + 6), i & 0xffff);
		if (dp_ns_wanted(dp, &t, &s, &below))
			dp_ns_committed(dp, t, s, below);
	}
}
END_TEST

START_TEST(a_lease_not_renewed_ends)
{
	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_LNS);
	lease();
	for (unsigned i = 0; i < DP_NS_FIRST; i++)
		ck_assert_int_eq(to("10.0.0.1", 30).act, DP_FORWARD);
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE);
}
END_TEST

/* A jump is to be seen as one: less than half of the numbers (RFC 1982, 3.2), however often nodes change. */
START_TEST(a_silent_session_moves_little_in_many_takeovers)
{
	sequenced(CALL_SEQ_LNS);
	for (unsigned epoch = 1; epoch <= 32; epoch++) {
		dp_ns_role(dp, true, epoch);
		lease();
		uint16_t t, s;
		uint32_t below;
		ck_assert(!dp_ns_wanted(dp, &t, &s, &below));
	}
	dp_ns_role(dp, true, 33);
	lease();
	to("10.0.0.1", 30);
	ck_assert_uint_lt(get_u16(frame(0)->p + 6), 0x8000);
}
END_TEST

static void
data_ns(uint32_t below)
{
	struct key k = key_session(7, 1);
	Row__DataNs row = ROW__DATA_NS__INIT;

	row.below = below;
	dp_apply(dp, TABLE_DATA_NS, key_span(&k), below ? &row.base : NULL);
}

START_TEST(the_promoted_node_starts_where_the_lease_ends)
{
	dp_ns_role(dp, false, 1); /* the shadow */
	sequenced(CALL_SEQ_REQUIRED);
	data_ns(DP_NS_LEASE);
	data_ns(70000);
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE);
	dp_ns_role(dp, true, 2);
	lease();
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p + 6), 70000 & 0xffff);
}
END_TEST

/* Row.Tunnel of tunnel 7 as tunnel-ctl writes it in a recovery (RFC 4951). */
static void
recovery(unsigned state, unsigned restarts)
{
	struct ip_addr a = fx_ip(LAC), l = fx_ip("192.0.2.1");
	struct key k = key_tunnel(7);
	Row__Tunnel row = ROW__TUNNEL__INIT;

	row.id = 7;
	row.peer_id = 70;
	row.peer_addr = fx_octets(&a);
	row.peer_port = row.local_port = 1701;
	row.local_addr = fx_octets(&l);
	row.recovery = state;
	row.data_restarts = restarts;
	dp_apply(dp, TABLE_TUNNEL, key_span(&k), &row.base);
}

static uint16_t
ns_sent(void)
{
	ck_assert_int_eq(to("10.0.0.1", 30).act, DP_FORWARD);
	return get_u16(frame(0)->p + 6);
}

START_TEST(a_recovered_tunnel_begins_at_0_once)
{
	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_REQUIRED);
	lease();
	for (unsigned i = 0; i < 10; i++)
		ck_assert_uint_eq(ns_sent(), i);
	recovery(1, 0);
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE); /* to be recovered: a sequence now would begin twice */
	recovery(2, 0);
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE);
	recovery(4, 1);
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE); /* the new lease is asked for */
	lease();
	ck_assert_uint_eq(dp_ns_restarts(dp, 7, 1), 1);
	ck_assert_uint_eq(ns_sent(), 0);
	recovery(0, 1);
	ck_assert_uint_eq(ns_sent(), 1);
}
END_TEST

/* A worker that is restarted, or promoted, after the restart: only a lease of after it counts. */
START_TEST(a_lease_is_of_one_restart)
{
	struct key k = key_session(7, 1);
	Row__DataNs row = ROW__DATA_NS__INIT;

	recovery(0, 1);
	dp_ns_role(dp, false, 1);
	sequenced(CALL_SEQ_REQUIRED);
	data_ns(70000); /* of before */
	dp_ns_role(dp, true, 2);
	lease();
	ck_assert_uint_eq(ns_sent(), 0);
	dp_ns_role(dp, false, 3);
	row.below = 4096;
	row.restarts = 1;
	dp_apply(dp, TABLE_DATA_NS, key_span(&k), &row.base);
	data_ns(80000);
	dp_ns_role(dp, true, 4);
	lease();
	ck_assert_uint_eq(ns_sent(), 4096);
	dp_ns_role(dp, false, 5);
	recovery(0, 2);
	row.below = 1024;
	row.restarts = 2;
	dp_apply(dp, TABLE_DATA_NS, key_span(&k), &row.base);
	dp_ns_role(dp, true, 6);
	lease();
	ck_assert_uint_eq(ns_sent(), 1024);
}
END_TEST

START_TEST(an_old_active_repeats_nothing)
{
	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_REQUIRED);
	lease();
	to("10.0.0.1", 30);
	dp_ns_role(dp, false, 2);
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE);
	data_ns(2 * DP_NS_LEASE); /* the twin's */
	dp_ns_role(dp, true, 3);
	lease();
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p + 6), 2 * DP_NS_LEASE);
}
END_TEST

START_TEST(the_conversation_starting_over_asks_again_and_repeats_nothing)
{
	uint16_t t, s;
	uint32_t below;

	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_REQUIRED);
	ck_assert(dp_ns_wanted(dp, &t, &s, &below));
	dp_ns_role(dp, true, 1); /* not committed, never will be */
	dropped(to("10.0.0.1", 30), DP_DROP_NS_LEASE);
	lease();
	to("10.0.0.1", 30);
	to("10.0.0.1", 30);
	dp_ns_role(dp, true, 1); /* a good lease stays good */
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p + 6), 2);
}
END_TEST

START_TEST(the_lease_row_goes_with_the_call)
{
	uint16_t t, s;
	uint32_t below = 1;

	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_REQUIRED);
	lease();
	for (unsigned i = 0; i < DP_NS_LEASE / 2; i++)
		to("10.0.0.1", 30);
	ck_assert(dp_ns_wanted(dp, &t, &s, &below)); /* asked for, and never answered */
	fx_gone(dp, TABLE_CALL, 7, 1);
	ck_assert(dp_ns_settled(dp));
	ck_assert(dp_ns_wanted(dp, &t, &s, &below));
	ck_assert_uint_eq(below, 0);
	ck_assert_uint_eq(s, 1);
	ck_assert(!dp_ns_wanted(dp, &t, &s, &below));
	sequenced(CALL_SEQ_REQUIRED); /* a new call begins at 0 */
	lease();
	fx_sub(dp, 7, 1, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492 });
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p + 6), 0);
}
END_TEST

START_TEST(another_workers_sequence_is_not_ours)
{
	teardown();
	start(2, 0); /* session 1 is worker 1's */
	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_REQUIRED);
	uint16_t t, s;
	uint32_t below;
	ck_assert(!dp_ns_wanted(dp, &t, &s, &below));
	struct dp_verdict v = to("10.0.0.1", 30);
	ck_assert_int_eq(v.act, DP_HAND);
	ck_assert_uint_eq(v.worker, 1);
	ck_assert_uint_eq(at[8], 64); /* untouched */
	v = dp_inject(dp, 7, 1, span_of("\xc0\x21\x01\x01\x00\x04", 6));
	ck_assert_int_eq(v.act, DP_HAND);
	ck_assert_uint_eq(v.worker, 1);
	uint8_t ip[100];
	uint32_t n = fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_UDP, 20);
	struct dp_ends e = fx_ends(LAC);
	struct dp_datagram d = { at, fx_data(at, S_BIT, 7, 1, ip, n), 0, &e };
	dp_up(dp, NOW, &d, 1, &v);
	ck_assert_int_eq(v.act, DP_HAND);
	ck_assert_uint_eq(v.worker, 1);
}
END_TEST

/* ---- what the peer numbers --------------------------------------------------------------- */

static struct dp_verdict
numbered(unsigned bits, uint16_t ns)
{
	uint8_t ip[100];
	uint32_t n = fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_UDP, 20);
	uint32_t h = fx_l2tp(at, bits, 7, 1, ns, 0, n + 4);
	struct dp_ends e = fx_ends(LAC);
	struct dp_verdict v;

	put_u32(at + h, 0xff030021);
	memcpy(at + h + 4, ip, n);
	struct dp_datagram d = { at, h + 4 + n, 0, &e };
	dp_up(dp, NOW, &d, 1, &v);
	return v;
}

START_TEST(late_and_repeated_numbers_are_dropped)
{
	sequenced(CALL_SEQ_REQUIRED);
	ck_assert_int_eq(numbered(S_BIT, 65534).act,
			 DP_FORWARD); /* the first one says where it stands */
	ck_assert_int_eq(numbered(S_BIT, 65535).act, DP_FORWARD);
	ck_assert_int_eq(numbered(S_BIT, 0).act, DP_FORWARD);
	dropped(numbered(S_BIT, 0), DP_DROP_SEQ_LATE);
	dropped(numbered(S_BIT, 65535), DP_DROP_SEQ_LATE);
	ck_assert_int_eq(numbered(S_BIT, 3).act, DP_FORWARD);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_SEQ_LOST], 2);
	dropped(numbered(S_BIT, 1), DP_DROP_SEQ_LATE);
	dropped(numbered(0, 0), DP_DROP_SEQ_MISSING);
}
END_TEST

START_TEST(so_many_packets_take_a_sequence_up_anew)
{
	conf->data.resync_packets = 9;
	dp_configure(dp, conf);
	sequenced(CALL_SEQ_LNS);
	numbered(S_BIT, 1000);
	for (unsigned i = 0; i < 8; i++)
		dropped(numbered(S_BIT, (uint16_t)i), DP_DROP_SEQ_LATE);
	ck_assert_int_eq(numbered(S_BIT, 8).act, DP_FORWARD);
}
END_TEST

START_TEST(a_peer_that_starts_anew_is_taken_up_again)
{
	sequenced(CALL_SEQ_LNS);
	numbered(S_BIT, 1000);
	for (unsigned i = 0; i < 4; i++)
		dropped(numbered(S_BIT, (uint16_t)i), DP_DROP_SEQ_LATE);
	ck_assert_int_eq(numbered(S_BIT, 4).act, DP_FORWARD);
	ck_assert_int_eq(numbered(S_BIT, 5).act, DP_FORWARD);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_SEQ_RESYNC], 1);
	dropped(numbered(S_BIT, 5), DP_DROP_SEQ_LATE);
	ck_assert_int_eq(numbered(0, 0).act, DP_FORWARD); /* not required */
}
END_TEST

START_TEST(repeating_one_number_takes_nothing_up)
{
	sequenced(CALL_SEQ_REQUIRED);
	numbered(S_BIT, 1000);
	for (unsigned i = 0; i < 50; i++)
		dropped(numbered(S_BIT, 10), DP_DROP_SEQ_LATE);
}
END_TEST

START_TEST(numbers_of_an_unsequenced_session_are_ignored)
{
	ck_assert_int_eq(numbered(S_BIT, 5).act, DP_FORWARD);
	ck_assert_int_eq(numbered(S_BIT, 5).act, DP_FORWARD);
}
END_TEST

START_TEST(a_lac_does_as_the_lns_does)
{
	dp_ns_role(dp, true, 1);
	fx_call(dp, 7, 1, 101, CALL_LAC);
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p), 0x0002);
	numbered(S_BIT, 0);
	lease();
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p), 0x0802);
	fx_call(dp, 7, 1, 101, CALL_LAC); /* the row again changes nothing */
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p + 6), 1);
	numbered(0, 0);
	to("10.0.0.1", 30);
	ck_assert_uint_eq(get_u16(frame(0)->p), 0x0002);
}
END_TEST

/* ---- injections -------------------------------------------------------------------------- */

START_TEST(session_mgrs_frames_get_a_full_head)
{
	static const uint8_t echo[] = { 0xc0, 0x21, 9, 1, 0, 4 },
			     ipcp[] = { 0x80, 0x21, 1, 1, 0, 4 };

	fx_call(dp, 7, 3, 103, CALL_NOT_UP); /* not forwarding, not even up */
	fx_sub(dp, 7, 1,
	       (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492, .pfc = true, .acfc = true });
	dp_out_reset(dp);
	ck_assert_int_eq(dp_inject(dp, 7, 1, span_of(echo, 6)).act, DP_FORWARD);
	ck_assert_int_eq(dp_inject(dp, 7, 3, span_of(ipcp, 6)).act, DP_FORWARD);
	static const uint8_t want0[] = { 1, 2, 0, 70, 0, 101, 0xff, 3, 0xc0, 0x21, 9, 1, 0, 4 };
	static const uint8_t want1[] = { 0, 2, 0, 70, 0, 103, 0xff, 3, 0x80, 0x21, 1, 1, 0, 4 };
	ck_assert_uint_eq(dp_out(dp)->frames, 2);
	ck_assert_mem_eq(frame(0)->p, want0, sizeof want0);
	ck_assert_mem_eq(frame(1)->p, want1, sizeof want1);
	dropped(dp_inject(dp, 7, 9, span_of(echo, 6)), DP_DROP_INJECT_BAD);
	dropped(dp_inject(dp, 9, 1, span_of(echo, 6)), DP_DROP_INJECT_BAD);
	dropped(dp_inject(dp, 7, 1, span_of(echo, 1)), DP_DROP_INJECT_BAD);
}
END_TEST

START_TEST(injections_are_numbered_too)
{
	static const uint8_t ipcp[] = { 0x80, 0x21, 1, 1, 0, 4 };

	dp_ns_role(dp, true, 1);
	sequenced(CALL_SEQ_REQUIRED);
	dp_out_reset(dp);
	dropped(dp_inject(dp, 7, 1, span_of(ipcp, 6)), DP_DROP_NS_LEASE);
	lease();
	ck_assert_int_eq(dp_inject(dp, 7, 1, span_of(ipcp, 6)).act, DP_FORWARD);
	ck_assert_int_eq(dp_inject(dp, 7, 1, span_of(ipcp, 6)).act, DP_FORWARD);
	static const uint8_t want[] = { 8, 2, 0, 70, 0, 101, 0, 1, 0, 0, 0xff, 3, 0x80, 0x21 };
	ck_assert_mem_eq(frame(1)->p, want, sizeof want);
}
END_TEST

START_TEST(a_full_row_of_injections_says_so)
{
	static uint8_t big[60000];
	unsigned n = 0;

	dp_out_reset(dp);
	while (dp_inject(dp, 7, 1, span_of(big, sizeof big)).act == DP_FORWARD)
		n++;
	ck_assert_uint_eq(n, 4);
	struct dp_verdict v = dp_inject(dp, 7, 1, span_of(big, sizeof big));
	ck_assert_uint_eq(v.reason, DP_DROP_NO_ROOM);
	dp_out_reset(dp);
	ck_assert_int_eq(dp_inject(dp, 7, 1, span_of(big, sizeof big)).act, DP_FORWARD);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_packet_becomes_a_frame_around_itself);
	tcase_add_test(t, ipv6_has_its_own_protocol_number);
	tcase_add_loop_test(t, what_the_subscriber_understands_is_left_out, 0, 4);
	tcase_add_test(t, nobody_gets_what_is_for_nobody);
	tcase_add_test(t, the_longest_prefix_has_it);
	tcase_add_test(t, an_address_claimed_twice_goes_back_to_the_first);
	tcase_add_test(t, too_big_with_df_is_answered);
	tcase_add_test(t, ipv6_too_big_is_answered);
	tcase_add_loop_test(t, too_big_without_df_is_fragmented, 0, 6);
	tcase_add_test(t, options_that_are_not_copied_stay_in_the_first_fragment);
	tcase_add_test(t, a_fragment_of_a_fragment_keeps_its_place);
	tcase_add_test(t, the_path_of_a_tunnel_may_be_smaller_than_the_link);
	tcase_add_test(t, ttl_one_ends_here);
	tcase_add_test(t, outer_marks_follow_the_inner_ones);
	tcase_add_test(t, syns_are_clamped_down_as_well);
	tcase_add_test(t, no_ns_leaves_before_its_lease_is_committed);
	tcase_add_test(t, a_lease_is_renewed_before_it_ends);
	tcase_add_test(t, a_lease_not_renewed_ends);
	tcase_add_test(t, a_silent_session_moves_little_in_many_takeovers);
	tcase_add_test(t, the_promoted_node_starts_where_the_lease_ends);
	tcase_add_test(t, a_recovered_tunnel_begins_at_0_once);
	tcase_add_test(t, a_lease_is_of_one_restart);
	tcase_add_test(t, so_many_packets_take_a_sequence_up_anew);
	tcase_add_test(t, an_old_active_repeats_nothing);
	tcase_add_test(t, the_conversation_starting_over_asks_again_and_repeats_nothing);
	tcase_add_test(t, the_lease_row_goes_with_the_call);
	tcase_add_test(t, another_workers_sequence_is_not_ours);
	tcase_add_test(t, late_and_repeated_numbers_are_dropped);
	tcase_add_test(t, a_peer_that_starts_anew_is_taken_up_again);
	tcase_add_test(t, repeating_one_number_takes_nothing_up);
	tcase_add_test(t, numbers_of_an_unsequenced_session_are_ignored);
	tcase_add_test(t, a_lac_does_as_the_lns_does);
	tcase_add_test(t, session_mgrs_frames_get_a_full_head);
	tcase_add_test(t, injections_are_numbered_too);
	tcase_add_test(t, a_full_row_of_injections_says_so);
}

UNIT_MAIN("down", add)
