// SPDX-License-Identifier: Apache-2.0
/*
 * Down, of L2TPv3 and L2TPHC: what leaves, octet by octet; numbers and their leases; and that one worker's
 * frames are another's packets, in every form.
 */
#include <check.h>
#include <stdio.h>

#include "fixture.h"
#include "l2tp/l2tp3.h"
#include "lib/unit.h"

#define PEER "203.0.113.9"
#define PEER6 "2001:db8:9::9"

enum { UDP7 = 7, IP8 = 8, UDP9 = 9, V2 = 6 }; /* tunnels; 9 over IPv6 */

static struct conf *conf;
static struct dp *dp;
static uint8_t buf[4096], *at = buf + 64;
static Row__HeaderlessData hc;

static void
setup(void)
{
	conf = fx_conf();
	dp = fx_dp(conf, 0);
	fx_tunnel(dp, V2, 60, PEER, false);
	fx_tunnel3(dp, UDP7, PEER, false);
	fx_tunnel3(dp, IP8, PEER, true);
	fx_tunnel3(dp, UDP9, PEER6, false);
	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
}

static void
teardown(void)
{
	dp_free(dp);
	free(conf);
}

static void
session(uint16_t tunnel, struct fx_form f, struct fx_sub sub)
{
	f.peer_id = f.peer_id ? f.peer_id : tunnel == V2 ? 0x7711 : 0x80007711;
	sub.v4 = "10.0.0.1";
	sub.mtu = sub.mtu ? sub.mtu : 1492;
	fx_call_form(dp, tunnel, 1, f);
	fx_sub(dp, tunnel, 1, sub);
}

static struct dp_verdict
down(void)
{
	struct dp_packet k = { at, fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 30) };
	struct dp_verdict v;

	dp_down(dp, NOW, &k, 1, &v);
	return v;
}

static void
dropped(struct dp_verdict v, enum dp_drop why)
{
	ck_assert_int_eq(v.act, DP_DROP);
	ck_assert_str_eq(dp_drop_info[v.reason].name, dp_drop_info[why].name);
}

/* The one frame begins with these octets, and then comes an IPv4 packet. */
static void
frame_is(uint8_t ip_protocol, uint16_t tunnel, const uint8_t *head, size_t n)
{
	const struct dp_frame *f = &dp_out(dp)->frame[0];

	ck_assert_uint_eq(dp_out(dp)->frames, 1);
	ck_assert_uint_eq(f->ip_protocol, ip_protocol);
	ck_assert_uint_eq(f->tunnel, tunnel);
	ck_assert_uint_eq(f->len, n + 50);
	ck_assert(n == 0 || memcmp(f->p, head, n) == 0);
	ck_assert(fx_ip4_good(f->p + n));
}

#define OCTETS(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof(uint8_t[]){ __VA_ARGS__ }

START_TEST(frames_over_udp)
{
	session(UDP7, (struct fx_form){ 0 }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(0, UDP7, OCTETS(0, 3, 0, 0, 0x80, 0, 0x77, 0x11, 0x00, 0x21));
	session(UDP7, (struct fx_form){ .peer_cookie = 4 }, (struct fx_sub){ .pfc = true, .acfc = true });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(0, UDP7, OCTETS(0, 3, 0, 0, 0x80, 0, 0x77, 0x11, 0xa1, 0xa2, 0xa3, 0xa4, 0x21));
}
END_TEST

START_TEST(frames_over_ip)
{
	session(IP8, (struct fx_form){ .peer_cookie = 8, .peer_sublayer = true }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, IP8,
		 OCTETS(0x80, 0, 0x77, 0x11, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0, 0, 0, 0, 0x00, 0x21));
	session(IP8, (struct fx_form){ .cookie = 8, .sublayer = true }, (struct fx_sub){ 0 }); /* those are ours */
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, IP8, OCTETS(0x80, 0, 0x77, 0x11, 0x00, 0x21));
}
END_TEST

START_TEST(a_circuit_that_is_down_gets_nothing)
{
	static const uint8_t echo[] = { 0xc0, 0x21, 9, 1, 0, 4 };

	for (unsigned ours = 0; ours < 2; ours++) {
		session(IP8, (struct fx_form){ .circuit_down = !ours, .our_circuit_down = ours }, (struct fx_sub){ 0 });
		dropped(down(), DP_DROP_CIRCUIT);
		ck_assert_uint_eq(dp_out(dp)->frames, 0);
		dropped(dp_inject(dp, IP8, 1, span_of(echo, sizeof echo)), DP_DROP_CIRCUIT);
	}
	session(IP8, (struct fx_form){ 0 }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
}
END_TEST

START_TEST(frames_of_session_mgr_have_no_address_and_control)
{
	static const uint8_t echo[] = { 0xc0, 0x21, 9, 1, 0, 4 };

	session(IP8, (struct fx_form){ .peer_cookie = 4 }, (struct fx_sub){ .pfc = true });
	dp_out_reset(dp);
	ck_assert_int_eq(dp_inject(dp, IP8, 1, span_of(echo, sizeof echo)).act, DP_FORWARD);
	const struct dp_frame *f = &dp_out(dp)->frame[0];
	const uint8_t want[] = { 0x80, 0, 0x77, 0x11, 0xa1, 0xa2, 0xa3, 0xa4, 0xc0, 0x21, 9, 1, 0, 4 };
	ck_assert_uint_eq(f->len, sizeof want);
	ck_assert_uint_eq(f->ip_protocol, 115);
	ck_assert_mem_eq(f->p, want, sizeof want);
	session(IP8, (struct fx_form){ .peer_id = 0 }, (struct fx_sub){ 0 });
	fx_call_form(dp, IP8, 1, (struct fx_form){ .not_up = true });
	dropped(dp_inject(dp, IP8, 1, span_of(echo, sizeof echo)), DP_DROP_INJECT_BAD); /* no id of the peer's */
}
END_TEST

/* ---- numbers ---------------------------------------------------------------------------------- */

static uint32_t
lease(void)
{
	uint16_t tunnel, id;
	uint32_t below = 0;

	if (dp_ns_wanted(dp, &tunnel, &id, &below))
		dp_ns_committed(dp, tunnel, id, below);
	return below;
}

static uint32_t
number(void)
{
	const struct dp_frame *f = &dp_out(dp)->frame[0];

	ck_assert_uint_eq(dp_out(dp)->frames, 1);
	ck_assert_uint_eq(f->p[4], 0x40);
	return get_u32(f->p + 4) & 0xffffff;
}

START_TEST(numbers_begin_at_0_below_a_lease)
{
	session(IP8, (struct fx_form){ .peer_sublayer = true, .peer_sequencing = L2TP3_SEQUENCE_ALL }, (struct fx_sub){ 0 });
	dp_ns_role(dp, true, 1);
	dropped(down(), DP_DROP_NS_LEASE);
	ck_assert_uint_eq(lease(), DP_NS_FIRST);
	for (uint32_t n = 0; n < 3 * DP_NS_LEASE; n++) {
		ck_assert_int_eq(down().act, DP_FORWARD);
		ck_assert_uint_eq(number(), n);
		lease();
	}
}
END_TEST

/* The store's row says how far numbers may have been used, beyond 24 bits; the wire sees the lower ones. */
START_TEST(numbers_wrap_and_never_repeat_over_a_switchover)
{
	struct key k = key_session(IP8, 1);
	Row__DataNs row = ROW__DATA_NS__INIT;

	session(IP8, (struct fx_form){ .peer_sublayer = true, .peer_sequencing = L2TP3_SEQUENCE_ALL }, (struct fx_sub){ 0 });
	row.below = 0x3fffffe;
	dp_apply(dp, TABLE_DATA_NS, key_span(&k), &row.base);
	dp_ns_role(dp, true, 2);
	ck_assert_uint_eq(lease(), 0x3fffffe + DP_NS_FIRST);
	for (uint32_t n = 0; n < 5; n++) {
		ck_assert_int_eq(down().act, DP_FORWARD);
		ck_assert_uint_eq(number(), (0xfffffe + n) & 0xffffff);
	}
	dp_ns_role(dp, false, 2);
	dp_ns_role(dp, true, 4);
	ck_assert_uint_eq(lease(), 0x3fffffe + 2 * DP_NS_FIRST);
	ck_assert_int_eq(down().act, DP_FORWARD);
	ck_assert_uint_eq(number(), (0xfffffe + DP_NS_FIRST) & 0xffffff);
	/* And at the end of 32 bits. */
	row.below = 0xfffffff0;
	dp_ns_role(dp, false, 4);
	fx_gone(dp, TABLE_CALL, IP8, 1);
	session(IP8, (struct fx_form){ .peer_sublayer = true, .peer_sequencing = L2TP3_SEQUENCE_ALL }, (struct fx_sub){ 0 });
	dp_apply(dp, TABLE_DATA_NS, key_span(&k), &row.base);
	dp_ns_role(dp, true, 5);
	for (uint32_t n = 0; n < DP_NS_FIRST + 100; n++) {
		lease();
		ck_assert_int_eq(down().act, DP_FORWARD);
		ck_assert_uint_eq(number(), (0xfffff0 + n) & 0xffffff);
	}
}
END_TEST

START_TEST(level_1_numbers_all_but_ip)
{
	static const uint8_t ipcp[] = { 0x80, 0x21, 1, 1, 0, 4 };

	session(IP8, (struct fx_form){ .peer_sublayer = true, .peer_sequencing = L2TP3_SEQUENCE_NON_IP }, (struct fx_sub){ 0 });
	dp_ns_role(dp, true, 1);
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, IP8, OCTETS(0x80, 0, 0x77, 0x11, 0, 0, 0, 0, 0x00, 0x21));
	lease();
	for (uint32_t n = 0; n < 3; n++) {
		dp_out_reset(dp);
		ck_assert_int_eq(dp_inject(dp, IP8, 1, span_of(ipcp, sizeof ipcp)).act, DP_FORWARD);
		ck_assert_uint_eq(number(), n);
	}
}
END_TEST

START_TEST(without_a_sublayer_there_is_no_place_for_numbers)
{
	session(IP8, (struct fx_form){ .peer_sequencing = L2TP3_SEQUENCE_ALL }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, IP8, OCTETS(0x80, 0, 0x77, 0x11, 0x00, 0x21));
}
END_TEST

START_TEST(numbers_are_their_owners)
{
	static const uint8_t ipcp[] = { 0x80, 0x21, 1, 1, 0, 4 };

	conf->data.workers = 2; /* session 1 is the other's */
	dp_free(dp);
	dp = fx_dp(conf, 0);
	fx_tunnel3(dp, IP8, PEER, true);
	session(IP8, (struct fx_form){ .peer_sublayer = true, .peer_sequencing = L2TP3_SEQUENCE_ALL }, (struct fx_sub){ 0 });
	struct dp_verdict v = down();
	ck_assert_int_eq(v.act, DP_HAND);
	ck_assert_uint_eq(v.worker, 1);
	ck_assert_int_eq(dp_inject(dp, IP8, 1, span_of(ipcp, sizeof ipcp)).act, DP_HAND);
	session(IP8, (struct fx_form){ 0 }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
}
END_TEST

/* ---- L2TPHC ----------------------------------------------------------------------------------- */

START_TEST(draft_05_leaves_nothing_but_the_packet)
{
	hc.bare = true;
	hc.protocol = 0x21;
	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, V2, NULL, 0);
	hc.protocol = 0x59; /* packets by themselves are of another protocol */
	hc.ip_protocol = 200;
	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(0, V2, OCTETS(0, 2, 0, 60, 0x77, 0x11, 0xff, 0x03, 0x00, 0x21));
}
END_TEST

START_TEST(draft_05_with_ppp)
{
	hc.ip_protocol = 200;
	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(200, V2, OCTETS(0xff, 0x03, 0x00, 0x21));
	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ .pfc = true, .acfc = true });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(200, V2, OCTETS(0x21));
}
END_TEST

START_TEST(draft_03_with_its_header)
{
	hc.header = true;
	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ .acfc = true });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, V2, OCTETS(0x00, 0x00, 0x21));
	hc.send_octets = 1;
	hc.send_session = 0xab;
	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ .acfc = true });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, V2, OCTETS(0x40, 0xab, 0x00, 0x21));
	hc.send_octets = 2;
	hc.send_session = 0x1234;
	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, V2, OCTETS(0x60, 0x12, 0x34, 0xff, 0x03, 0x00, 0x21));
}
END_TEST

START_TEST(the_link_and_what_is_numbered_stay_in_the_tunnel)
{
	static const uint8_t echo[] = { 0xc0, 0x21, 9, 1, 0, 4 };

	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ 0 });
	dp_out_reset(dp);
	ck_assert_int_eq(dp_inject(dp, V2, 1, span_of(echo, sizeof echo)).act, DP_FORWARD);
	ck_assert_uint_eq(dp_out(dp)->frame[0].ip_protocol, 0);
	ck_assert_uint_eq(get_u16(dp_out(dp)->frame[0].p + 6), 0xff03);
	session(V2, (struct fx_form){ .headerless = &hc, .seq_required = true }, (struct fx_sub){ 0 });
	dp_ns_role(dp, true, 1);
	lease();
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(0, V2, OCTETS(0x08, 2, 0, 60, 0x77, 0x11, 0, 0, 0, 0, 0xff, 0x03, 0x00, 0x21));
}
END_TEST

START_TEST(an_agreement_that_ends)
{
	hc.bare = true;
	hc.protocol = 0x21;
	session(V2, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ 0 });
	session(V2, (struct fx_form){ 0 }, (struct fx_sub){ 0 });
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(0, V2, OCTETS(0, 2, 0, 60, 0x77, 0x11, 0xff, 0x03, 0x00, 0x21));
	session(IP8, (struct fx_form){ .headerless = &hc }, (struct fx_sub){ 0 }); /* L2TPv3 has its own */
	ck_assert_int_eq(down().act, DP_FORWARD);
	frame_is(115, IP8, OCTETS(0x80, 0, 0x77, 0x11, 0x00, 0x21));
}
END_TEST

/* ---- sizes ------------------------------------------------------------------------------------ */

START_TEST(what_stands_around_a_packet)
{
	ck_assert_uint_eq(dp_around(dp, V2), 20 + 8 + 10 + 4);
	ck_assert_uint_eq(dp_around(dp, UDP7), 20 + 8 + 4 + 4 + 8 + 4 + 2);
	ck_assert_uint_eq(dp_around(dp, IP8), 20 + 4 + 8 + 4 + 2);
	ck_assert_uint_eq(dp_around(dp, UDP9), 40 + 8 + 4 + 4 + 8 + 4 + 2);
	ck_assert_uint_ge(dp_around(dp, 99), 40);
}
END_TEST

/* Fragments and ICMP are made in the worker's own octets, with the same room before them. */
START_TEST(fragments_have_their_heads)
{
	session(UDP7, (struct fx_form){ .peer_cookie = 8, .peer_sublayer = true }, (struct fx_sub){ .mtu = 576 });
	struct dp_packet k = { at, fx_ip4(at, "198.51.100.1", "10.0.0.1", IP_UDP, 1400) };
	struct dp_verdict v;
	dp_down(dp, NOW, &k, 1, &v);
	ck_assert_uint_eq(dp_out(dp)->frames, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct dp_frame *f = &dp_out(dp)->frame[i];
		ck_assert_uint_eq(get_u32(f->p), 0x00030000);
		ck_assert_uint_eq(get_u32(f->p + 4), 0x80007711);
		ck_assert_uint_eq(get_u16(f->p + 20), 0x0021);
		ck_assert(fx_ip4_good(f->p + 22));
		ck_assert_uint_le(f->len, 576 + 22);
	}
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, frames_over_udp);
	tcase_add_test(t, frames_over_ip);
	tcase_add_test(t, a_circuit_that_is_down_gets_nothing);
	tcase_add_test(t, frames_of_session_mgr_have_no_address_and_control);
	tcase_add_test(t, numbers_begin_at_0_below_a_lease);
	tcase_add_test(t, numbers_wrap_and_never_repeat_over_a_switchover);
	tcase_add_test(t, level_1_numbers_all_but_ip);
	tcase_add_test(t, without_a_sublayer_there_is_no_place_for_numbers);
	tcase_add_test(t, numbers_are_their_owners);
	tcase_add_test(t, draft_05_leaves_nothing_but_the_packet);
	tcase_add_test(t, draft_05_with_ppp);
	tcase_add_test(t, draft_03_with_its_header);
	tcase_add_test(t, the_link_and_what_is_numbered_stay_in_the_tunnel);
	tcase_add_test(t, an_agreement_that_ends);
	tcase_add_test(t, what_stands_around_a_packet);
	tcase_add_test(t, fragments_have_their_heads);
}

UNIT_MAIN("form", add)
