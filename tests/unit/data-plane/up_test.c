// SPDX-License-Identifier: Apache-2.0
/* Up: every header form, every family, every reason to drop. */
#include <check.h>
#include <stdio.h>

#include "fixture.h"

#define LAC "203.0.113.9"
#define LAC6 "2001:db8:9::9"

static struct conf *conf;
static struct dp *dp;
static uint8_t buf[4096 + 64], *at = buf + 64;

/* Tunnel 7, sessions: 1 plain, 2 with a delegated prefix and a route, 3 no subscriber, 4 not up. */
static void
setup(void)
{
	conf = fx_conf();
	dp = fx_dp(conf, 0);
	fx_tunnel(dp, 7, 70, LAC, false);
	fx_tunnel(dp, 8, 80, LAC6, true);
	fx_call(dp, 7, 1, 101, CALL_PLAIN);
	fx_sub(dp, 7, 1, (struct fx_sub){ .v4 = "10.0.0.1", .v6 = "2001:db8:1:1::", .mtu = 1492 });
	fx_call(dp, 7, 2, 102, CALL_PLAIN);
	fx_sub(dp, 7, 2,
	       (struct fx_sub){ .v4 = "10.0.0.2",
				.v6 = "2001:db8:1:2::",
				.pd = "2001:db8:2::",
				.pd_len = 48,
				.route = "172.16.5.0",
				.route_len = 24,
				.mtu = 1492 });
	fx_call(dp, 7, 3, 103, CALL_PLAIN);
	fx_call(dp, 7, 4, 104, CALL_NOT_UP);
	fx_call(dp, 8, 1, 201, CALL_PLAIN);
	fx_sub(dp, 8, 1, (struct fx_sub){ .v4 = "10.0.1.1", .mtu = 1492 });
}

static void
teardown(void)
{
	dp_free(dp);
	free(conf);
}

static struct dp_verdict
up_tos(uint32_t len, const char *peer, uint8_t tos)
{
	struct dp_ends e = fx_ends(peer);
	struct dp_datagram d = { at, len, tos, &e };
	struct dp_verdict v;

	memset(&v, 0xaa, sizeof v);
	dp_up(dp, NOW, &d, 1, &v);
	return v;
}

static struct dp_verdict
up(uint32_t len)
{
	return up_tos(len, LAC, 0);
}

static void
dropped(struct dp_verdict v, enum dp_drop why)
{
	ck_assert_int_eq(v.act, DP_DROP);
	ck_assert_str_eq(dp_drop_info[v.reason].name, dp_drop_info[why].name);
	ck_assert_uint_ge(dp_drops(dp)[why], 1);
}

/* A datagram of session 7/1 around an IPv4 packet to the world. */
static uint32_t
plain4(uint8_t *ip, uint32_t n)
{
	return fx_data(at, 0, 7, 1, ip, n);
}

static uint32_t
ip4(uint8_t *ip)
{
	return fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_UDP, 30);
}

START_TEST(every_form_of_the_header_carries_the_packet)
{
	static const unsigned forms[] = { 0,
					  L_BIT,
					  S_BIT,
					  O_BIT,
					  L_BIT | S_BIT,
					  L_BIT | O_BIT,
					  S_BIT | O_BIT,
					  L_BIT | S_BIT | O_BIT };
	unsigned bits = forms[_i / 2] | (_i % 2 ? P_BIT : 0);
	uint8_t ip[100];
	uint32_t n = ip4(ip), h = fx_l2tp(at, bits, 7, 1, 5, 3, n + 4);

	put_u32(at + h, 0xff030021);
	memcpy(at + h + 4, ip, n);
	struct dp_verdict v = up(h + 4 + n);

	ck_assert_int_eq(v.act, DP_FORWARD);
	ck_assert_uint_eq(v.tunnel, 7);
	ck_assert_uint_eq(v.session, 1);
	ck_assert_uint_eq(v.len, n);
	ck_assert_uint_eq(v.p[8], 63);
	ck_assert(fx_ip4_good(v.p));
	ck_assert_mem_eq(v.p + 20, ip + 20, n - 20);
}
END_TEST

START_TEST(address_and_protocol_octets_may_be_left_out)
{
	static const struct {
		uint8_t b[4];
		unsigned n;
	} heads[] = {
		{ { 0xff, 0x03, 0x00, 0x21 }, 4 },
		{ { 0xff, 0x03, 0x21 }, 3 },
		{ { 0x00, 0x21 }, 2 },
		{ { 0x21 }, 1 },
	};
	uint8_t ip[100];
	uint32_t n = ip4(ip), h = fx_l2tp(at, 0, 7, 1, 0, 0, 0);

	memcpy(at + h, heads[_i].b, heads[_i].n);
	memcpy(at + h + heads[_i].n, ip, n);
	struct dp_verdict v = up(h + heads[_i].n + n);
	ck_assert_int_eq(v.act, DP_FORWARD);
	ck_assert_uint_eq(v.len, n);
	ck_assert(fx_ip4_good(v.p));
}
END_TEST

START_TEST(a_length_shorter_than_the_datagram_cuts_it)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip), len = fx_data(at, L_BIT, 7, 1, ip, n);

	struct dp_verdict v = up(len + 9);
	ck_assert_int_eq(v.act, DP_FORWARD);
	ck_assert_uint_eq(v.len, n);
}
END_TEST

START_TEST(headers_that_lie_are_dropped)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip), len = fx_data(at, L_BIT, 7, 1, ip, n);

	put_u16(at + 2, (uint16_t)(len + 1));
	dropped(up(len), DP_DROP_LENGTH);
	put_u16(at + 2, 7);
	dropped(up(len), DP_DROP_LENGTH);
	put_u16(at, 0x0004);
	dropped(up(len), DP_DROP_VERSION);
	put_u16(at, 0x0001); /* L2F */
	dropped(up(len), DP_DROP_VERSION);
	len = fx_l2tp(at, O_BIT, 7, 1, 0, 4, 0);
	put_u16(at + 6, 5);
	dropped(up(len), DP_DROP_OFFSET);
	put_u16(at + 6, 0xffff);
	dropped(up(len), DP_DROP_OFFSET);
}
END_TEST

START_TEST(truncated_anywhere_nothing_is_forwarded)
{
	static const unsigned forms[] = { 0, L_BIT, S_BIT, O_BIT, L_BIT | S_BIT | O_BIT };
	uint8_t ip[100], whole[256];
	uint32_t n =
	    _i % 2 ? fx_ip6(ip, "2001:db8:1:1::5", "2001:db8:ffff::1", IP_UDP, 8) : ip4(ip);

	for (unsigned f = 0; f < 5; f++) {
		uint32_t h = fx_l2tp(whole, forms[f], 7, 1, 0, 2, n + 4), len = h + 4 + n;
		put_u32(whole + h, 0xff030000u | (_i % 2 ? 0x57 : 0x21));
		memcpy(whole + h + 4, ip, n);
		for (uint32_t cut = 0; cut < len; cut++) {
			/* In memory of exactly this size: a sanitizer sees any octet too far. */
			uint8_t *room = malloc(64 + cut);
			memcpy(room + 64, whole, cut);
			struct dp_ends e = fx_ends(LAC);
			struct dp_datagram d = { room + 64, cut, 0, &e };
			struct dp_verdict v;
			dp_up(dp, NOW, &d, 1, &v);
			ck_assert_int_eq(v.act, DP_DROP);
			ck_assert_int_ne(v.reason, DP_OK);
			free(room);
		}
	}
}
END_TEST

START_TEST(unknown_ids_have_their_own_reasons)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip);

	dropped(up(fx_data(at, 0, 9, 1, ip, n)), DP_DROP_NO_TUNNEL);
	dropped(up(fx_data(at, 0, 7, 9, ip, n)), DP_DROP_NO_SESSION);
	dropped(up(fx_data(at, 0, 7, 4, ip, n)), DP_DROP_NOT_UP);
	dropped(up_tos(fx_data(at, 0, 7, 1, ip, n), "203.0.113.10", 0), DP_DROP_PEER);
	dropped(up_tos(fx_data(at, 0, 7, 1, ip, n), LAC6, 0), DP_DROP_PEER);
	fx_gone(dp, TABLE_TUNNEL, 7, 0);
	dropped(up(fx_data(at, 0, 7, 1, ip, n)), DP_DROP_NO_TUNNEL);
}
END_TEST

START_TEST(control_frames_may_come_before_the_call_is_known)
{
	uint32_t h = fx_l2tp(at, 0, 7, (uint16_t)(_i ? 4 : 9), 0, 0, 0);

	put_u32(at + h, 0xff03c021);
	ck_assert_int_eq(up(h + 8).act, DP_PUNT_LINK); /* session-mgr keeps it for a moment */
	put_u32(at + h, 0xff03c021);
	dropped(up_tos(h + 8, "203.0.113.10", 0), DP_DROP_PEER);
	put_u32(at + h, 0xff030021);
	dropped(up(h + 8), _i ? DP_DROP_NOT_UP : DP_DROP_NO_SESSION);
}
END_TEST

START_TEST(outer_ipv6_works_the_same)
{
	uint8_t ip[100];
	uint32_t n = fx_ip4(ip, "10.0.1.1", "198.51.100.1", IP_UDP, 30);

	ck_assert_int_eq(up_tos(fx_data(at, 0, 8, 1, ip, n), LAC6, 0).act, DP_FORWARD);
}
END_TEST

START_TEST(other_protocols_go_to_session_mgr_from_their_protocol_field_on)
{
	static const struct {
		uint8_t b[8];
		unsigned n, skip;
	} frames[] = {
		{ { 0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 4 }, 8, 2 },
		{ { 0xc0, 0x21, 9, 1, 0, 4 }, 6, 0 },
		{ { 0x80, 0x21, 1, 1, 0, 4 }, 6, 0 },
	};
	uint32_t h = fx_l2tp(at, 0, 7, 3, 0, 0, 0);

	memcpy(at + h, frames[_i].b, frames[_i].n);
	struct dp_verdict v = up(h + frames[_i].n);
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(v.tunnel, 7);
	ck_assert_uint_eq(v.session, 3);
	ck_assert_uint_eq(v.len, frames[_i].n - frames[_i].skip);
	ck_assert_mem_eq(v.p, frames[_i].b + frames[_i].skip, v.len);
}
END_TEST

START_TEST(a_compressed_protocol_is_punted_in_full)
{
	uint32_t h = fx_l2tp(at, 0, 7, 3, 0, 0, 0);
	static const uint8_t want[] = { 0x00, 0x3d, 0xaa };

	at[h] = 0x3d;
	at[h + 1] = 0xaa;
	struct dp_verdict v = up(h + 2);
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(v.len, 3);
	ck_assert_mem_eq(v.p, want, 3);
}
END_TEST

START_TEST(broken_ppp_is_dropped)
{
	uint32_t h = fx_l2tp(at, 0, 7, 1, 0, 0, 0);

	dropped(up(h), DP_DROP_PPP_SHORT);
	put_u16(at + h, 0xff03);
	dropped(up(h + 2), DP_DROP_PPP_SHORT);
	at[h + 2] = 0xc0;
	dropped(up(h + 3), DP_DROP_PPP_SHORT);
	at[h] = 0xff;
	at[h + 1] = 0x04;
	dropped(up(h + 4), DP_DROP_PPP_PROTOCOL);
	put_u16(at + h, 0xff03);
	at[h + 3] = 0x22;
	dropped(up(h + 4), DP_DROP_PPP_PROTOCOL);
}
END_TEST

START_TEST(ip_is_for_open_protocols_only)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip);

	dropped(up(fx_data(at, 0, 7, 3, ip, n)), DP_DROP_NOT_FORWARDING);
	n = fx_ip6(ip, "2001:db8::1", "2001:db8::2", IP_UDP, 8);
	dropped(up_tos(fx_data(at, 0, 8, 1, ip, n), LAC6, 0),
		DP_DROP_NOT_FORWARDING); /* IPv4 only */
	fx_sub(dp, 7, 1, (struct fx_sub){ .v4 = "10.0.0.1", .not_forwarding = true });
	n = ip4(ip);
	dropped(up(plain4(ip, n)), DP_DROP_NOT_FORWARDING);
}
END_TEST

static struct dp_verdict
broken4(unsigned octet, uint8_t value, bool fix_sum)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip), len = plain4(ip, n);
	uint8_t *in = at + len - n;

	in[octet] = value;
	if (fix_sum) {
		put_u16(in + 10, 0);
		put_u16(in + 10, (uint16_t)~fx_sum(0, in, 20));
	}
	return up(len);
}

START_TEST(an_ipv4_header_is_checked)
{
	dropped(broken4(0, 0x65, true), DP_DROP_IP_VERSION);
	dropped(broken4(0, 0x44, true), DP_DROP_IP_HEADER);
	dropped(broken4(0, 0x4f, true), DP_DROP_IP_HEADER);
	dropped(broken4(3, 51, true), DP_DROP_IP_LENGTH);
	dropped(broken4(3, 19, true), DP_DROP_IP_LENGTH);
	dropped(broken4(9, 99, false), DP_DROP_IP_CHECKSUM);
	ck_assert_int_eq(broken4(9, 99, true).act, DP_FORWARD);
	uint32_t h = fx_l2tp(at, 0, 7, 1, 0, 0, 0);
	put_u32(at + h, 0xff030021);
	at[h + 4] = 0x45;
	dropped(up(h + 4 + 19), DP_DROP_IP_SHORT);
}
END_TEST

START_TEST(options_are_part_of_the_checked_header)
{
	uint8_t ip[100];
	uint32_t n = fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_UDP, 12);

	ip[0] = 0x46;
	memset(ip + 20, 1, 4);
	put_u16(ip + 10, 0);
	put_u16(ip + 10, (uint16_t)~fx_sum(0, ip, 24));
	struct dp_verdict v = up(plain4(ip, n));
	ck_assert_int_eq(v.act, DP_FORWARD);
	ck_assert(fx_ip4_good(v.p));
	ip[20] ^= 4;
	dropped(up(plain4(ip, n)), DP_DROP_IP_CHECKSUM);
}
END_TEST

START_TEST(padding_behind_the_packet_is_cut)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip);

	ck_assert_uint_eq(up(plain4(ip, n + 6)).len, n);
	n = fx_ip6(ip, "2001:db8:1:1::5", "2001:db8:ffff::1", IP_UDP, 8);
	ck_assert_uint_eq(up(plain4(ip, n + 6)).len, n);
}
END_TEST

static struct dp_verdict
from_to(uint16_t session, const char *src, const char *dst)
{
	uint8_t ip[100];
	uint32_t n =
	    strchr(src, ':') ? fx_ip6(ip, src, dst, IP_UDP, 20) : fx_ip4(ip, src, dst, IP_UDP, 20);

	return up(fx_data(at, 0, 7, session, ip, n));
}

START_TEST(addresses_that_never_travel_are_dropped)
{
	static const char *const bad[] = { "0.1.2.3", "127.0.0.1", "240.0.0.1", "255.255.255.255" };

	for (unsigned i = 0; i < 4; i++) {
		dropped(from_to(1, "10.0.0.1", bad[i]), DP_DROP_MARTIAN);
		dropped(from_to(1, bad[i], "198.51.100.1"), DP_DROP_MARTIAN);
	}
	dropped(from_to(1, "224.0.0.5", "198.51.100.1"), DP_DROP_MARTIAN);
	dropped(from_to(1, "10.0.0.1", "224.0.0.5"), DP_DROP_MULTICAST);
	dropped(from_to(1, "2001:db8:1:1::5", "::1"), DP_DROP_MARTIAN);
	dropped(from_to(1, "::1", "2001:db8:ffff::1"), DP_DROP_MARTIAN);
	dropped(from_to(1, "ff02::1", "2001:db8:ffff::1"), DP_DROP_MARTIAN);
	dropped(from_to(1, "2001:db8:1:1::5", "ff0e::1"), DP_DROP_MULTICAST);
}
END_TEST

START_TEST(a_source_must_be_the_subscribers_own)
{
	dropped(from_to(1, "10.0.0.2", "198.51.100.1"), DP_DROP_SPOOFED); /* a neighbour's */
	dropped(from_to(1, "10.0.9.9", "198.51.100.1"), DP_DROP_SPOOFED);
	dropped(from_to(1, "172.16.5.1", "198.51.100.1"),
		DP_DROP_SPOOFED); /* a neighbour's route */
	dropped(from_to(1, "2001:db8:1:2::5", "2001:db8:ffff::1"), DP_DROP_SPOOFED);
	dropped(from_to(1, "2001:db8:2:7::5", "2001:db8:ffff::1"), DP_DROP_SPOOFED);
	ck_assert_int_eq(from_to(1, "10.0.0.1", "198.51.100.1").act, DP_FORWARD);
	ck_assert_int_eq(from_to(2, "172.16.5.1", "198.51.100.1").act, DP_FORWARD);
	ck_assert_int_eq(from_to(1, "2001:db8:1:1::5", "2001:db8:ffff::1").act, DP_FORWARD);
	ck_assert_int_eq(from_to(2, "2001:db8:2:7::5", "2001:db8:ffff::1").act, DP_FORWARD);
}
END_TEST

START_TEST(without_the_check_any_unicast_source_passes)
{
	conf->data.source_check = false;
	dp_free(dp);
	dp = fx_dp(conf, 0);
	fx_tunnel(dp, 7, 70, LAC, false);
	fx_call(dp, 7, 1, 101, CALL_PLAIN);
	fx_sub(dp, 7, 1, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492 });
	ck_assert_int_eq(from_to(1, "10.0.0.2", "198.51.100.1").act, DP_FORWARD);
	dropped(from_to(1, "127.0.0.1", "198.51.100.1"), DP_DROP_MARTIAN);
}
END_TEST

START_TEST(neighbour_discovery_and_dhcp_are_punted)
{
	uint8_t ip[100];
	uint32_t n = fx_ip6(ip, "fe80::5", "ff02::2", IP_ICMP6, 8);

	ip[7] = 255;
	ip[40] = 133; /* Router Solicitation */
	struct dp_verdict v = up(fx_data(at, 0, 7, 1, ip, n));
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(get_u16(v.p), 0x57);
	ck_assert_mem_eq(v.p + 2, ip, n);
	ip[7] = 254; /* it came from further away: RFC 4861, 6.1.1 */
	dropped(up(fx_data(at, 0, 7, 1, ip, n)), DP_DROP_LINK_LOCAL);
	ip[7] = 255;
	ck_assert_int_eq(up(fx_data(at, 0, 7, 3, ip, n)).act,
			 DP_PUNT_LINK); /* even before the session is open */
	n = fx_ip6(ip, "fe80::5", "ff02::1:2", IP_UDP, 20);
	put_u16(ip + 42, 547);
	ck_assert_int_eq(up(fx_data(at, 0, 7, 1, ip, n)).act, DP_PUNT_LINK);
	put_u16(ip + 42, 5353);
	dropped(up(fx_data(at, 0, 7, 1, ip, n)), DP_DROP_LINK_LOCAL);
	n = fx_ip6(ip, "2001:db8:1:1::5", "fe80::1", IP_UDP, 20);
	dropped(up(fx_data(at, 0, 7, 1, ip, n)), DP_DROP_LINK_LOCAL);
}
END_TEST

START_TEST(a_ttl_used_up_is_told_to_the_subscriber)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip);

	ip[8] = 1;
	put_u16(ip + 10, 0);
	put_u16(ip + 10, (uint16_t)~fx_sum(0, ip, 20));
	dropped(up(plain4(ip, n)), DP_DROP_TTL);
	const struct dp_out *out = dp_out(dp);
	ck_assert_uint_eq(out->frames, 1);
	ck_assert_uint_eq(out->frame[0].tunnel, 7);
	const uint8_t *f = out->frame[0].p, *o = f + 10;
	ck_assert_uint_eq(get_u16(f + 2), 70);
	ck_assert_uint_eq(get_u16(f + 4), 101);
	ck_assert_uint_eq(get_u32(f + 6), 0xff030021);
	ck_assert(fx_ip4_good(o));
	ck_assert_uint_eq(get_u32(o + 12), 0x0affff01);
	ck_assert_mem_eq(o + 16, ip + 12, 4);
	ck_assert_uint_eq(o[20], 11);
	ck_assert_uint_eq(fx_sum(0, o + 20, get_u16(o + 2) - 20u), 0xffff);
	ck_assert_mem_eq(o + 28, ip, n);
}
END_TEST

START_TEST(a_hop_limit_used_up_is_told_to_the_subscriber)
{
	uint8_t ip[100];
	uint32_t n = fx_ip6(ip, "2001:db8:1:1::5", "2001:db8:ffff::1", IP_UDP, 20);

	ip[7] = 1;
	dropped(up(fx_data(at, 0, 7, 1, ip, n)), DP_DROP_TTL);
	ck_assert_uint_eq(dp_out(dp)->frames, 1);
	const uint8_t *o = dp_out(dp)->frame[0].p + 10;
	ck_assert_uint_eq(o[40], 3);
	ck_assert(fx_l4_good(o));
	ck_assert_mem_eq(o + 24, ip + 8, 16);
	ck_assert_mem_eq(o + 48, ip, n);
}
END_TEST

START_TEST(icmp_errors_are_never_answered_and_are_limited)
{
	uint8_t ip[100];
	uint32_t n = fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_ICMP, 30);

	ip[8] = 1;
	ip[20] = 3;
	put_u16(ip + 10, 0);
	put_u16(ip + 10, (uint16_t)~fx_sum(0, ip, 20));
	dropped(up(plain4(ip, n)), DP_DROP_TTL);
	ck_assert_uint_eq(dp_out(dp)->frames, 0);
	ip[20] = 8;
	unsigned told = 0;
	for (unsigned i = 0; i < 1000; i++) {
		up(plain4(ip, n));
		told += dp_out(dp)->frames;
	}
	ck_assert_uint_ge(told, 10);
	ck_assert_uint_le(told, 20);
}
END_TEST

/* RFC 6040, figure 4, all sixteen. */
START_TEST(outer_congestion_marks_go_inside)
{
	static const char want[4][5] = { "000D", "1113", "2123", "3333" }; /* [inner][outer] */
	uint8_t ip[100];
	unsigned inner = (unsigned)_i / 4, outer = (unsigned)_i % 4;
	uint32_t n = ip4(ip);

	ip[1] = (uint8_t)(0xb8 | inner);
	put_u16(ip + 10, 0);
	put_u16(ip + 10, (uint16_t)~fx_sum(0, ip, 20));
	struct dp_verdict v = up_tos(plain4(ip, n), LAC, (uint8_t)outer);
	if (want[inner][outer] == 'D') {
		dropped(v, DP_DROP_ECN);
		return;
	}
	ck_assert_int_eq(v.act, DP_FORWARD);
	ck_assert_uint_eq(v.p[1], 0xb8u | (unsigned)(want[inner][outer] - '0'));
	ck_assert(fx_ip4_good(v.p));
	n = fx_ip6(ip, "2001:db8:1:1::5", "2001:db8:ffff::1", IP_UDP, 20);
	ip6_set_tos(ip, (uint8_t)(0xb8 | inner));
	v = up_tos(fx_data(at, 0, 7, 1, ip, n), LAC, (uint8_t)outer);
	ck_assert_uint_eq(ip6_tos(v.p), 0xb8u | (unsigned)(want[inner][outer] - '0'));
	ck_assert_uint_eq(v.p[0] >> 4, 6);
}
END_TEST

START_TEST(an_outer_dscp_that_says_something_wins)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip);
	struct dp_verdict v = up_tos(plain4(ip, n), LAC, 0x28);

	ck_assert_uint_eq(v.p[1], 0x28);
	ck_assert(fx_ip4_good(v.p));
	ip[1] = 0xb8;
	put_u16(ip + 10, 0);
	put_u16(ip + 10, (uint16_t)~fx_sum(0, ip, 20));
	ck_assert_uint_eq(up_tos(plain4(ip, n), LAC, 0).p[1], 0xb8);
}
END_TEST

START_TEST(the_mss_of_a_syn_is_lowered)
{
	uint8_t ip[200];
	unsigned nops = (unsigned)_i % 4;
	bool v4 = _i < 4;
	uint32_t n = v4 ? fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_TCP, 28)
			: fx_ip6(ip, "2001:db8:1:1::5", "2001:db8:ffff::1", IP_TCP, 28);

	fx_syn(ip, 1460, nops);
	ck_assert(fx_l4_good(ip));
	struct dp_verdict v = up(fx_data(at, 0, 7, 1, ip, n));
	ck_assert_int_eq(v.act, DP_FORWARD);
	const uint8_t *t = v.p + (v4 ? 20 : 40);
	ck_assert_uint_eq(get_u16(t + 22 + nops), v4 ? 1452 : 1432);
	ck_assert(fx_l4_good(v.p));
	fx_syn(ip, 536, nops);
	v = up(fx_data(at, 0, 7, 1, ip, n));
	ck_assert_uint_eq(get_u16(v.p + (v4 ? 20 : 40) + 22 + nops), 536);
}
END_TEST

START_TEST(odd_tcp_options_are_left_alone)
{
	uint8_t ip[200];
	uint32_t n = fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_TCP, 28);

	for (unsigned len = 0; len < 256; len++) {
		fx_syn(ip, 1460, 0);
		ip[41] = (uint8_t)len; /* the option's length */
		if (len == 4)
			continue;
		struct dp_verdict v = up(plain4(ip, n));
		ck_assert_int_eq(v.act, DP_FORWARD);
		ck_assert_uint_eq(get_u16(v.p + 42), 1460);
	}
	for (unsigned off = 0; off < 16; off++) { /* data offset, also behind the packet */
		fx_syn(ip, 1460, 0);
		ip[32] = (uint8_t)(off << 4);
		ck_assert_int_eq(up(plain4(ip, n)).act, DP_FORWARD);
	}
}
END_TEST

START_TEST(a_client_is_a_host_and_no_router)
{
	uint8_t ip[100];
	uint32_t n = fx_ip4(ip, "198.51.100.1", "10.0.0.1", IP_UDP, 30);

	fx_sub(dp, 7, 1, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492, .client = true });
	struct dp_verdict v = up(plain4(ip, n));
	ck_assert_int_eq(v.act, DP_FORWARD);
	ck_assert_uint_eq(v.p[8], 64);
}
END_TEST

static uint32_t
control(uint16_t bits, uint16_t tunnel, uint32_t len)
{
	memset(at, 0, len);
	put_u16(at, (uint16_t)(bits | 2));
	put_u16(at + 2, (uint16_t)len);
	put_u16(at + 4, tunnel);
	return len;
}

START_TEST(control_messages_go_to_tunnel_ctl_whole)
{
	struct dp_verdict v = up(control(0xc800, 7, 40));

	ck_assert_int_eq(v.act, DP_PUNT_TUNNEL);
	ck_assert_uint_eq(v.tunnel, 7);
	ck_assert_ptr_eq(v.p, at);
	ck_assert_uint_eq(v.len, 40);
	ck_assert_int_eq(up_tos(control(0xc800, 0, 40), "198.51.100.7", 0).act,
			 DP_PUNT_TUNNEL); /* SCCRQ */
	dropped(up(control(0x8800, 7, 40)), DP_DROP_CONTROL);
	dropped(up(control(0xc000, 7, 40)), DP_DROP_CONTROL);
	dropped(up(control(0xca00, 7, 40)), DP_DROP_CONTROL);
	dropped(up(control(0xc800, 7, 11)), DP_DROP_SHORT);
}
END_TEST

START_TEST(control_frames_are_limited_per_session_tunnel_and_peer)
{
	uint32_t h = fx_l2tp(at, 0, 7, 3, 0, 0, 0);
	unsigned passed = 0;

	for (unsigned i = 0; i < 1000; i++) {
		put_u32(at + h, 0xff03c021);
		passed += up(h + 8).act == DP_PUNT_LINK;
	}
	ck_assert_uint_eq(passed, 16); /* 50 a second: the burst */
	dropped(up(h + 8), DP_DROP_PUNT_SESSION);
	fx_l2tp(at, 0, 7, 2, 0, 0, 0); /* another session is not affected */
	ck_assert_int_eq(up(h + 8).act, DP_PUNT_LINK);
	for (unsigned i = 0; i < 2000; i++)
		up(control(0xc800, 7, 40));
	dropped(up(control(0xc800, 7, 40)), DP_DROP_PUNT_TUNNEL);
	for (unsigned i = 0; i < 5000; i++)
		up(control(0xc800, 0, 40));
	dropped(up(control(0xc800, 0, 40)), DP_DROP_PUNT_PEER);
	/* Nobody else pays for it. */
	ck_assert_int_eq(up_tos(control(0xc800, 0, 40), "203.0.113.44", 0).act, DP_PUNT_TUNNEL);
	ck_assert_int_eq(up_tos(control(0xc800, 8, 40), LAC6, 0).act, DP_PUNT_TUNNEL);
}
END_TEST

START_TEST(a_stranger_cannot_spend_a_tunnels_share)
{
	for (unsigned i = 0; i < 3000; i++)
		up_tos(control(0xc800, 7, 40), "198.51.100.66", 0);
	ck_assert_int_eq(up(control(0xc800, 7, 40)).act, DP_PUNT_TUNNEL);
}
END_TEST

START_TEST(what_was_forwarded_is_counted)
{
	uint8_t ip[100];
	uint32_t n = ip4(ip);
	struct dp_usage u[4];

	up(plain4(ip, n));
	up(plain4(ip, n));
	from_to(1, "10.0.0.2", "198.51.100.1");
	ck_assert_uint_eq(dp_usage_next(dp, 100, u, 4), 1);
	ck_assert_uint_eq(u[0].tunnel, 7);
	ck_assert_uint_eq(u[0].session, 1);
	ck_assert_uint_eq(u[0].in_packets, 2);
	ck_assert_uint_eq(u[0].in_octets, 2 * n);
	ck_assert_uint_eq(u[0].drops, 1);
	ck_assert_uint_eq(dp_usage_next(dp, 100, u, 4), 0);
	up(plain4(ip, n));
	fx_gone(dp, TABLE_SUBSCRIBER, 7, 1);
	fx_gone(dp, TABLE_CALL, 7, 1);
	ck_assert_uint_eq(dp_usage_next(dp, 100, u, 4), 1); /* its last word */
	ck_assert_uint_eq(u[0].in_packets, 3);
}
END_TEST

START_TEST(a_batch_gives_each_its_own_verdict)
{
	static uint8_t room[DP_BATCH][256];
	struct dp_ends e = fx_ends(LAC);
	struct dp_datagram d[DP_BATCH];
	struct dp_verdict v[DP_BATCH];
	uint8_t ip[100];

	for (unsigned i = 0; i < DP_BATCH; i++) {
		uint16_t session = (uint16_t)(i % 5 + 1);
		char src[16];
		snprintf(src, sizeof src, "10.0.0.%u", session);
		uint32_t n = fx_ip4(ip, src, "198.51.100.1", IP_UDP, 20);
		d[i] = (struct dp_datagram){ room[i] + 64,
					     fx_data(room[i] + 64, 0, 7, session, ip, n), 0, &e };
	}
	dp_up(dp, NOW, d, DP_BATCH, v);
	for (unsigned i = 0; i < DP_BATCH; i++) {
		static const uint8_t reason[] = { DP_OK, DP_OK, DP_DROP_NOT_FORWARDING,
						  DP_DROP_NOT_UP, DP_DROP_NO_SESSION };
		ck_assert_uint_eq(v[i].session, i % 5 + 1);
		ck_assert_int_eq(v[i].reason, reason[i % 5]);
		ck_assert_int_eq(v[i].act, reason[i % 5] == DP_OK ? DP_FORWARD : DP_DROP);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("up");
	TCase *t = tcase_create("up");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, every_form_of_the_header_carries_the_packet, 0, 16);
	tcase_add_loop_test(t, address_and_protocol_octets_may_be_left_out, 0, 4);
	tcase_add_test(t, a_length_shorter_than_the_datagram_cuts_it);
	tcase_add_test(t, headers_that_lie_are_dropped);
	tcase_add_loop_test(t, truncated_anywhere_nothing_is_forwarded, 0, 2);
	tcase_add_test(t, unknown_ids_have_their_own_reasons);
	tcase_add_loop_test(t, control_frames_may_come_before_the_call_is_known, 0, 2);
	tcase_add_test(t, outer_ipv6_works_the_same);
	tcase_add_loop_test(t, other_protocols_go_to_session_mgr_from_their_protocol_field_on, 0,
			    3);
	tcase_add_test(t, a_compressed_protocol_is_punted_in_full);
	tcase_add_test(t, broken_ppp_is_dropped);
	tcase_add_test(t, ip_is_for_open_protocols_only);
	tcase_add_test(t, an_ipv4_header_is_checked);
	tcase_add_test(t, options_are_part_of_the_checked_header);
	tcase_add_test(t, padding_behind_the_packet_is_cut);
	tcase_add_test(t, addresses_that_never_travel_are_dropped);
	tcase_add_test(t, a_source_must_be_the_subscribers_own);
	tcase_add_test(t, without_the_check_any_unicast_source_passes);
	tcase_add_test(t, neighbour_discovery_and_dhcp_are_punted);
	tcase_add_test(t, a_ttl_used_up_is_told_to_the_subscriber);
	tcase_add_test(t, a_hop_limit_used_up_is_told_to_the_subscriber);
	tcase_add_test(t, icmp_errors_are_never_answered_and_are_limited);
	tcase_add_loop_test(t, outer_congestion_marks_go_inside, 0, 16);
	tcase_add_test(t, an_outer_dscp_that_says_something_wins);
	tcase_add_loop_test(t, the_mss_of_a_syn_is_lowered, 0, 8);
	tcase_add_test(t, odd_tcp_options_are_left_alone);
	tcase_add_test(t, a_client_is_a_host_and_no_router);
	tcase_add_test(t, control_messages_go_to_tunnel_ctl_whole);
	tcase_add_test(t, control_frames_are_limited_per_session_tunnel_and_peer);
	tcase_add_test(t, a_stranger_cannot_spend_a_tunnels_share);
	tcase_add_test(t, what_was_forwarded_is_counted);
	tcase_add_test(t, a_batch_gives_each_its_own_verdict);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
