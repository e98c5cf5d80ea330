// SPDX-License-Identifier: Apache-2.0
/*
 * Up, of L2TPv3 over UDP and IP, and L2TPHC.  Packets are written here octet by octet, as the texts draw
 * them.
 */
#include <check.h>
#include <stdio.h>

#include "fixture.h"
#include "l2tp/l2tp3.h"
#include "lib/unit.h"

#define LCCE "203.0.113.9"
#define STRANGER "203.0.113.66"

static struct conf *conf;
static struct dp *dp;
static uint8_t buf[4096 + 64], *at = buf + 64;

static void
setup(void)
{
	conf = fx_conf();
	dp = fx_dp(conf, 0);
	fx_tunnel(dp, 7, 70, LCCE, false);
}

static void
teardown(void)
{
	dp_free(dp);
	free(conf);
}

static struct dp_verdict
up_from(uint32_t len, struct dp_ends e)
{
	struct dp_datagram d = { at, len, 0, &e };
	struct dp_verdict v;

	memset(&v, 0xaa, sizeof v);
	(e.ip_protocol ? dp_up_ip : dp_up)(dp, NOW, &d, 1, &v);
	return v;
}

static struct dp_verdict
up(bool udp, uint32_t len)
{
	return up_from(len, udp ? fx_ends(LCCE) : fx_ends_ip(LCCE, L2TP3_IP_PROTOCOL));
}

static void
dropped(struct dp_verdict v, enum dp_drop why)
{
	ck_assert_int_eq(v.act, DP_DROP);
	ck_assert_str_eq(dp_drop_info[v.reason].name, dp_drop_info[why].name);
	ck_assert_uint_ge(dp_drops(dp)[why], 1);
}

static uint32_t
control(bool udp, uint32_t connection, size_t avps)
{
	struct wr w = wr_of(at, 256);

	l2tp3_control_prefix(&w, udp);
	l2tp3_hdr_write(&w, connection, 0, 0, avps);
	memset(w.p, 0, avps);
	return (uint32_t)(wr_len(&w) + avps);
}

/* ---- control ------------------------------------------------------------------------------ */

START_TEST(control_is_punted_whole)
{
	static const uint32_t id[] = { 0, 7, 12, 65536 + 7, 0xffffffff };

	for (unsigned udp = 0; udp < 2; udp++) {
		for (unsigned i = 0; i < sizeof id / sizeof id[0]; i++) {
			uint32_t len = control(udp, id[i], 8);
			struct dp_verdict v = up(udp, len);
			ck_assert_int_eq(v.act, DP_PUNT_TUNNEL);
			ck_assert_uint_eq(v.tunnel, id[i]);
			ck_assert_uint_eq(v.session, 0);
			ck_assert_ptr_eq(v.p, at);
			ck_assert_uint_eq(v.len, len);
		}
	}
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_CONTROL_PUNTED], 10);
}
END_TEST

START_TEST(a_header_that_lies_is_dropped)
{
	for (unsigned udp = 0; udp < 2; udp++) {
		uint8_t *h = at + (udp ? 0 : 4);
		for (uint32_t len = control(udp, 7, 8); len-- > 0;) {
			if (udp || len >= 4)
				dropped(up(udp, len), len < 6 && udp ? DP_DROP_SHORT : DP_DROP_CONTROL);
			else
				dropped(up(udp, len), DP_DROP_SHORT);
		}
		uint32_t len = control(udp, 7, 8);
		put_u16(h, 0x8803); /* no Length */
		dropped(up(udp, len), DP_DROP_CONTROL);
		put_u16(h, 0xc003); /* no Ns */
		dropped(up(udp, len), DP_DROP_CONTROL);
		put_u16(h, 0xc804);
		dropped(up(udp, len), udp ? DP_DROP_VERSION : DP_DROP_CONTROL);
	}
}
END_TEST

START_TEST(who_cannot_be_answered_is_not_heard)
{
	struct dp_ends e = fx_ends(LCCE);

	e.peer_port = 0;
	dropped(up_from(control(true, 0, 8), e), DP_DROP_PORT);
	put_u16(at, 0xc802);
	dropped(up_from(20, e), DP_DROP_PORT);
}
END_TEST

START_TEST(a_stranger_does_not_spend_the_tunnels_share)
{
	struct dp_ends e = fx_ends_ip(STRANGER, L2TP3_IP_PROTOCOL);
	unsigned passed = 0;

	conf->data.punt_tunnel_pps = 1;
	dp_configure(dp, conf);
	for (unsigned i = 0; i < 1000; i++)
		passed += up_from(control(false, 7, 0), e).act == DP_PUNT_TUNNEL;
	ck_assert_uint_ge(passed, 1000);
	for (passed = 0; up(false, control(false, 7, 0)).act == DP_PUNT_TUNNEL;)
		passed++;
	ck_assert_uint_eq(passed, 16);
	ck_assert_uint_eq(dp_drops(dp)[DP_DROP_PUNT_TUNNEL], 1);
}
END_TEST

/* ---- data ------------------------------------------------------------------------------------ */

enum { UDP7 = 7, IP8 = 8 }; /* tunnels */

struct wire {
	uint16_t tunnel, session;
	unsigned cookie;
	bool sublayer, s;
	uint32_t seq;
	bool ff03, short_proto;
	uint16_t proto; /* 0: IPv4 */
};

/* A data message of L2TPv3 around an IPv4 packet of 10.0.0.<session>. */
static uint32_t
data3(struct wire m)
{
	struct wr w = wr_of(at, 512);
	uint8_t ip[256], cookie[8];
	char src[32];

	snprintf(src, sizeof src, "10.0.0.%u", m.session);
	fx_cookie(cookie, FX_COOKIE);
	if (m.tunnel == UDP7)
		wr_u32(&w, 0x00030000);
	wr_u16(&w, m.tunnel);
	wr_u16(&w, m.session);
	wr_bytes(&w, cookie, m.cookie);
	if (m.sublayer)
		wr_u32(&w, (m.s ? 0x40000000u : 0) | m.seq);
	if (m.ff03)
		wr_u16(&w, 0xff03);
	if (!m.short_proto)
		wr_u8(&w, (uint8_t)(m.proto >> 8));
	wr_u8(&w, (uint8_t)(m.proto ? m.proto : 0x21));
	wr_bytes(&w, ip, fx_ip4(ip, src, "198.51.100.1", IP_UDP, 30));
	ck_assert(w.ok);
	return (uint32_t)wr_len(&w);
}

/* The same in L2TPv2's header. */
static uint32_t __attribute__((noinline))
data2(uint16_t tunnel, uint16_t session)
{
	uint8_t ip[64];
	const uint32_t n = fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_UDP, 30);

	return fx_data(at, 0, tunnel, session, ip, n);
}

static struct dp_verdict
got(struct wire m)
{
	return up(m.tunnel == UDP7, data3(m));
}

static void
session(uint16_t tunnel, uint16_t id, struct fx_form f)
{
	char v4[32];

	snprintf(v4, sizeof v4, "10.0.0.%u", id);
	f.peer_id = 0x77770000u + id;
	fx_call_form(dp, tunnel, id, f);
	fx_sub(dp, tunnel, id, (struct fx_sub){ .v4 = v4, .mtu = 1492 });
}

static void
both_tunnels(void)
{
	fx_tunnel3(dp, UDP7, LCCE, false);
	fx_tunnel3(dp, IP8, LCCE, true);
}

static void
forwarded(struct dp_verdict v)
{
	ck_assert_msg(v.act == DP_FORWARD, "act %u reason %s", v.act, dp_drop_info[v.reason].name);
	ck_assert_uint_eq(v.len, 50);
	ck_assert(fx_ip4_good(v.p));
}

START_TEST(data_of_every_form_is_forwarded)
{
	both_tunnels();
	for (unsigned i = 0; i < 2 * 3 * 2 * 2 * 2; i++) {
		struct wire m = { .tunnel = i & 1 ? UDP7 : IP8, .session = (uint16_t)(i + 1), .cookie = 4 * (i / 2 % 3),
				  .sublayer = i / 6 % 2, .ff03 = i / 12 % 2, .short_proto = i / 24 % 2 };
		session(m.tunnel, m.session, (struct fx_form){ .cookie = m.cookie, .sublayer = m.sublayer });
		struct dp_verdict v = got(m);
		forwarded(v);
		ck_assert_uint_eq(v.tunnel, m.tunnel);
		ck_assert_uint_eq(v.session, m.session);
	}
}
END_TEST

START_TEST(a_wrong_cookie_is_refused)
{
	both_tunnels();
	for (unsigned i = 0; i < 4; i++) {
		struct wire m = { .tunnel = i & 1 ? UDP7 : IP8, .session = 1, .cookie = i & 2 ? 8 : 4, .sublayer = true };
		session(m.tunnel, 1, (struct fx_form){ .cookie = m.cookie, .sublayer = true });
		const uint32_t len = data3(m), before = m.tunnel == UDP7 ? 8 : 4;
		for (unsigned bit = 0; bit < 8 * m.cookie; bit++) {
			data3(m);
			at[before + bit / 8] ^= (uint8_t)(1u << bit % 8);
			dropped(up(m.tunnel == UDP7, len), DP_DROP_COOKIE);
		}
		for (uint32_t cut = 0; cut < before + m.cookie + 4; cut++) {
			data3(m);
			const struct dp_verdict v = up(m.tunnel == UDP7, cut);
			dropped(v, DP_DROP_SHORT);
		}
		forwarded(got(m));
	}
}
END_TEST

START_TEST(the_session_its_tunnel_and_peer_must_fit)
{
	both_tunnels();
	session(UDP7, 1, (struct fx_form){ 0 });
	session(IP8, 1, (struct fx_form){ 0 });
	uint32_t len = data3((struct wire){ .tunnel = UDP7, .session = 1 });
	dropped(up_from(len, fx_ends(STRANGER)), DP_DROP_PEER);
	len = data3((struct wire){ .tunnel = IP8, .session = 1 });
	dropped(up_from(len, fx_ends_ip(STRANGER, L2TP3_IP_PROTOCOL)), DP_DROP_PEER);
	dropped(got((struct wire){ .tunnel = IP8, .session = 2 }), DP_DROP_NO_SESSION);
	dropped(got((struct wire){ .tunnel = 9, .session = 1 }), DP_DROP_NO_TUNNEL);
	/* The same ids by the other way. */
	put_u32(at, 0x00030000);
	put_u32(at + 4, IP8 << 16 | 1);
	dropped(up(true, len), DP_DROP_VERSION);
	put_u32(at, UDP7 << 16 | 1);
	dropped(up(false, len), DP_DROP_VERSION);
	/* In L2TPv2's header, known and unknown. */
	for (uint16_t id = 1; id < 3; id++)
		dropped(up(true, data2(UDP7, id)), DP_DROP_VERSION);
	/* A session of L2TPv2 in L2TPv3's. */
	fx_tunnel(dp, 9, 90, LCCE, false);
	session(9, 1, (struct fx_form){ 0 });
	len = data3((struct wire){ .tunnel = UDP7, .session = 1 });
	put_u16(at + 4, 9);
	dropped(up(true, len), DP_DROP_VERSION);
	ck_assert_int_eq(up(true, data2(9, 1)).act, DP_DROP); /* 0x77770001 is no peer id of L2TPv2 */
}
END_TEST

START_TEST(data_for_session_0_is_none)
{
	both_tunnels();
	struct wire m = { .tunnel = UDP7 };
	const uint32_t len = data3(m);
	put_u32(at + 4, 0);
	dropped(up(true, len), DP_DROP_SHORT);
}
END_TEST

START_TEST(an_inactive_circuit_carries_nothing)
{
	both_tunnels();
	for (unsigned i = 0; i < 2; i++) {
		struct wire m = { .tunnel = i ? UDP7 : IP8, .session = 1 };
		session(m.tunnel, 1, (struct fx_form){ .circuit_down = true });
		dropped(got(m), DP_DROP_CIRCUIT);
		m.proto = 0xc021;
		dropped(got(m), DP_DROP_CIRCUIT);
		session(m.tunnel, 1, (struct fx_form){ .our_circuit_down = true });
		m.proto = 0;
		dropped(got(m), DP_DROP_CIRCUIT);
		session(m.tunnel, 1, (struct fx_form){ 0 });
		forwarded(got(m));
	}
}
END_TEST

START_TEST(control_frames_reach_session_mgr)
{
	both_tunnels();
	for (unsigned i = 0; i < 4; i++) {
		struct wire m = { .tunnel = i & 1 ? UDP7 : IP8, .session = 1, .ff03 = i & 2, .cookie = 8, .proto = 0xc021 };
		session(m.tunnel, 1, (struct fx_form){ .cookie = 8, .not_up = true });
		struct dp_verdict v = got(m);
		ck_assert_int_eq(v.act, DP_PUNT_LINK); /* right behind the ICCN */
		ck_assert_uint_eq(get_u16(v.p), 0xc021);
		ck_assert_uint_eq(v.len, 52);
		m.proto = 0;
		dropped(got(m), DP_DROP_NOT_UP);
		m.cookie = 4;
		m.proto = 0xc021;
		ck_assert_int_eq(got(m).act, DP_DROP); /* but not without the cookie */
		session(m.tunnel, 1, (struct fx_form){ .cookie = 8 });
		m.cookie = 8;
		ck_assert_int_eq(got(m).act, DP_PUNT_LINK);
	}
}
END_TEST

/* ---- order ------------------------------------------------------------------------------------ */

static struct wire
numbered(uint16_t tunnel, uint32_t seq)
{
	return (struct wire){ .tunnel = tunnel, .session = 1, .sublayer = true, .s = true, .seq = seq & 0xffffff };
}

START_TEST(numbers_wrap_at_24_bits)
{
	both_tunnels();
	for (unsigned i = 0; i < 2; i++) {
		const uint16_t t = i ? UDP7 : IP8;
		session(t, 1, (struct fx_form){ .sublayer = true, .sequencing = L2TP3_SEQUENCE_ALL });
		forwarded(got(numbered(t, 0xfffffe)));
		forwarded(got(numbered(t, 0xffffff)));
		dropped(got(numbered(t, 0xffffff)), DP_DROP_SEQ_LATE);
		forwarded(got(numbered(t, 0)));
		dropped(got(numbered(t, 0xffffff)), DP_DROP_SEQ_LATE);
		forwarded(got(numbered(t, 3)));
		dropped(got(numbered(t, 2)), DP_DROP_SEQ_LATE);
		/* 4.6: the last and the 2^23 - 1 before it are old, all others new. */
		dropped(got(numbered(t, 3 - 0x7fffff)), DP_DROP_SEQ_LATE);
		forwarded(got(numbered(t, 3 + 0x800000)));
		fx_gone(dp, TABLE_CALL, t, 1);
	}
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_SEQ_LOST], 2 * (2 + 0x7fffff));
}
END_TEST

START_TEST(a_peer_that_began_anew_is_followed)
{
	both_tunnels();
	session(IP8, 1, (struct fx_form){ .sublayer = true, .sequencing = L2TP3_SEQUENCE_ALL });
	forwarded(got(numbered(IP8, 70000)));
	for (uint32_t n = 0; n < 4; n++)
		dropped(got(numbered(IP8, n)), DP_DROP_SEQ_LATE);
	forwarded(got(numbered(IP8, 4)));
	forwarded(got(numbered(IP8, 5)));
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_SEQ_RESYNC], 1);
}
END_TEST

START_TEST(what_has_to_be_numbered)
{
	struct wire ip = { .tunnel = IP8, .session = 1, .sublayer = true }, lcp = ip;

	lcp.proto = 0xc021;
	both_tunnels();
	session(IP8, 1, (struct fx_form){ .sublayer = true, .sequencing = L2TP3_SEQUENCE_ALL });
	dropped(got(ip), DP_DROP_SEQ_MISSING);
	dropped(got(lcp), DP_DROP_SEQ_MISSING);
	session(IP8, 1, (struct fx_form){ .sublayer = true, .sequencing = L2TP3_SEQUENCE_NON_IP });
	forwarded(got(ip));
	dropped(got(lcp), DP_DROP_SEQ_MISSING);
	lcp.s = true;
	ck_assert_int_eq(got(lcp).act, DP_PUNT_LINK);
	dropped(got(lcp), DP_DROP_SEQ_LATE);
	ip.s = true; /* numbered without need: in its place as well */
	dropped(got(ip), DP_DROP_SEQ_LATE);
	session(IP8, 1, (struct fx_form){ .sublayer = true });
	forwarded(got(ip)); /* not asked for: not looked at */
	forwarded(got(ip));
}
END_TEST

/* ---- whose it is ------------------------------------------------------------------------------- */

START_TEST(over_ip_each_worker_takes_its_own)
{
	unsigned taken[3] = { 0 };

	conf->data.workers = 3;
	for (unsigned w = 0; w < 3; w++) {
		dp_free(dp);
		dp = fx_dp(conf, w);
		both_tunnels();
		for (uint16_t id = 1; id <= 12; id++) {
			session(IP8, id, (struct fx_form){ 0 });
			session(UDP7, id, (struct fx_form){ 0 });
			struct dp_verdict v = got((struct wire){ .tunnel = IP8, .session = id });
			taken[w] += v.act == DP_FORWARD;
			ck_assert(v.act == (id % 3 == w ? DP_FORWARD : DP_DROP));
			ck_assert(v.act == DP_FORWARD || v.reason == DP_DROP_SIBLING);
			forwarded(got((struct wire){ .tunnel = UDP7, .session = id })); /* no copies: any worker will do */
			v = up(false, control(false, id, 0));
			ck_assert(v.act == (id % 3 == w ? DP_PUNT_TUNNEL : DP_DROP));
		}
		ck_assert_uint_eq(taken[w], 4);
	}
}
END_TEST

START_TEST(order_is_its_owners)
{
	conf->data.workers = 2;
	dp_free(dp);
	dp = fx_dp(conf, 0);
	both_tunnels();
	session(UDP7, 1, (struct fx_form){ .sublayer = true, .cookie = 4, .sequencing = L2TP3_SEQUENCE_ALL });
	struct wire m = { .tunnel = UDP7, .session = 1, .cookie = 4, .sublayer = true, .s = true };
	struct dp_verdict v = got(m);
	ck_assert_int_eq(v.act, DP_HAND);
	ck_assert_uint_eq(v.worker, 1);
	data3(m);
	at[8] ^= 1;
	dropped(up(true, 60), DP_DROP_COOKIE); /* nobody's work is made by who does not know it */
}
END_TEST

/* ---- L2TPHC ------------------------------------------------------------------------------------ */

static Row__HeaderlessData hc;

static void
hc_session(uint16_t tunnel, uint16_t id, struct fx_form f)
{
	char v4[32];

	snprintf(v4, sizeof v4, "10.0.0.%u", id);
	f.peer_id = 100u + id;
	f.headerless = &hc;
	fx_call_form(dp, tunnel, id, f);
	fx_sub(dp, tunnel, id, (struct fx_sub){ .v4 = v4, .mtu = 1492 });
}

/* `head` octets, PPP's `ppp` octets, and an IPv4 packet of 10.0.0.1. */
static struct dp_verdict
hc_up_from(const char *peer, uint8_t protocol, const uint8_t *head, size_t n)
{
	uint8_t ip[64];
	struct wr w = wr_of(at, 256);

	wr_bytes(&w, head, n);
	wr_bytes(&w, ip, fx_ip4(ip, "10.0.0.1", "198.51.100.1", IP_UDP, 30));
	return up_from((uint32_t)wr_len(&w), fx_ends_ip(peer, protocol));
}

static struct dp_verdict
hc_up(const uint8_t *head, size_t n)
{
	return hc_up_from(LCCE, 115, head, n);
}

#define OCTETS(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof(uint8_t[]){ __VA_ARGS__ }

START_TEST(draft_05_bare)
{
	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
	hc.bare = true;
	hc.protocol = 0x21;
	hc_session(7, 1, (struct fx_form){ 0 });
	forwarded(hc_up(NULL, 0));
	dropped(hc_up_from(STRANGER, 115, NULL, 0), DP_DROP_NO_TUNNEL); /* L2TPv3's, then */
	dropped(hc_up_from(LCCE, 200, NULL, 0), DP_DROP_HEADERLESS);
	dropped(up_from(0, fx_ends_ip(LCCE, 115)), DP_DROP_IP_SHORT);
	hc_session(7, 1, (struct fx_form){ .not_up = true });
	dropped(hc_up(NULL, 0), DP_DROP_NOT_UP);
	hc_session(7, 1, (struct fx_form){ .seq_required = true });
	dropped(hc_up(NULL, 0), DP_DROP_SEQ_MISSING);
	fx_gone(dp, TABLE_CALL, 7, 1);
	dropped(hc_up(NULL, 0), DP_DROP_NO_TUNNEL);
}
END_TEST

START_TEST(draft_05_with_ppp)
{
	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
	hc.ip_protocol = 200;
	hc_session(7, 1, (struct fx_form){ 0 });
	forwarded(hc_up_from(LCCE, 200, OCTETS(0xff, 0x03, 0x00, 0x21)));
	forwarded(hc_up_from(LCCE, 200, OCTETS(0x00, 0x21)));
	forwarded(hc_up_from(LCCE, 200, OCTETS(0x21)));
	dropped(hc_up_from(STRANGER, 200, OCTETS(0x21)), DP_DROP_HEADERLESS);
	struct dp_verdict v = hc_up_from(LCCE, 200, OCTETS(0xc0, 0x21));
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(get_u16(v.p), 0xc021);
	v = hc_up_from(LCCE, 200, OCTETS(0x59)); /* of one octet, with none before it in the packet */
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(get_u16(v.p), 0x0059);
	hc_session(7, 1, (struct fx_form){ .not_up = true });
	ck_assert_int_eq(hc_up_from(LCCE, 200, OCTETS(0xc0, 0x21)).act, DP_PUNT_LINK);
	dropped(hc_up_from(LCCE, 200, OCTETS(0x00, 0x21)), DP_DROP_NOT_UP);
}
END_TEST

START_TEST(draft_03_with_ids)
{
	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
	hc.ip_protocol = 200;
	hc.header = true;
	hc.receive_octets = 2;
	hc.receive_session = 0x1234;
	hc_session(7, 1, (struct fx_form){ 0 });
	hc.receive_octets = 1;
	hc.receive_session = 9;
	hc_session(7, 2, (struct fx_form){ 0 });
	hc.receive_octets = 0;
	hc.receive_session = 0;
	hc_session(7, 3, (struct fx_form){ 0 });
	struct dp_verdict v = hc_up_from(LCCE, 200, OCTETS(0x60, 0x12, 0x34, 0x00, 0x21));
	forwarded(v);
	ck_assert_uint_eq(v.session, 1);
	forwarded(hc_up_from(LCCE, 200, OCTETS(0xe0, 0x12, 0x34, 0xff, 0x03, 0x00, 0x21))); /* with P */
	v = hc_up_from(LCCE, 200, OCTETS(0x40, 9, 0xc0, 0x21));
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(v.session, 2);
	v = hc_up_from(LCCE, 200, OCTETS(0x60, 0, 9, 0xc0, 0x21)); /* one name space for all lengths */
	ck_assert_uint_eq(v.session, 2);
	v = hc_up_from(LCCE, 200, OCTETS(0x00, 0xc0, 0x21));
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(v.session, 3);
	dropped(hc_up_from(LCCE, 200, OCTETS(0x40, 8, 0xc0, 0x21)), DP_DROP_HEADERLESS);
	dropped(hc_up_from(LCCE, 200, OCTETS(0x41, 9, 0xc0, 0x21)), DP_DROP_HEADERLESS);
	dropped(hc_up_from(LCCE, 200, OCTETS(0x20, 9, 0xc0, 0x21)), DP_DROP_HEADERLESS);
	at[0] = 0x60;
	dropped(up_from(2, fx_ends_ip(LCCE, 200)), DP_DROP_HEADERLESS);
}
END_TEST

START_TEST(the_tunnel_is_good_at_any_time)
{
	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
	hc.bare = true;
	hc.protocol = 0x59;
	hc_session(7, 1, (struct fx_form){ 0 });
	forwarded(up(true, data2(7, 1)));
}
END_TEST

/* Protocol 115 is L2TPv3's for one peer and L2TPHC's for another. */
START_TEST(protocol_115_is_shared_by_peer)
{
	both_tunnels();
	fx_tunnel(dp, 9, 90, STRANGER, false);
	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
	hc_session(9, 1, (struct fx_form){ 0 });
	session(IP8, 1, (struct fx_form){ 0 });
	forwarded(got((struct wire){ .tunnel = IP8, .session = 1 }));
	forwarded(hc_up_from(STRANGER, 115, OCTETS(0x00, 0x21)));
	/* What looks like L2TPv3's control from a peer of L2TPHC is a frame that makes no sense. */
	dropped(up_from(control(false, 0, 8), fx_ends_ip(STRANGER, 115)), DP_DROP_PPP_PROTOCOL);
	ck_assert_int_eq(up(false, control(false, 0, 8)).act, DP_PUNT_TUNNEL);
}
END_TEST

START_TEST(a_pair_is_both_its_addresses)
{
	struct dp_ends e = fx_ends_ip(LCCE, 115);
	struct ip_addr other = fx_ip("192.0.2.77");

	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
	hc_session(7, 1, (struct fx_form){ 0 });
	forwarded(hc_up(OCTETS(0x00, 0x21)));
	e.local = dp_addr_of(&other);
	put_u16(at, 0x0021);
	dropped(up_from(52, e), DP_DROP_NO_TUNNEL);
}
END_TEST

START_TEST(the_filters_know_the_peers)
{
	struct dp_pair pair[DP_PAIRS];
	uint64_t version = dp_pairs_version(dp);

	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
	hc.header = true;
	hc.receive_octets = 1;
	hc.receive_session = 1;
	conf->data.workers = 4;
	dp_free(dp);
	dp = fx_dp(conf, 1);
	fx_tunnel(dp, 7, 70, LCCE, false);
	hc_session(7, 1, (struct fx_form){ 0 });
	ck_assert_uint_ne(dp_pairs_version(dp), version);
	ck_assert_uint_eq(dp_pairs(dp, 115, false, pair), 1);
	ck_assert_uint_eq(pair[0].worker, 1);
	ck_assert_uint_eq(dp_pairs(dp, 115, true, pair), 0);
	ck_assert_uint_eq(dp_pairs(dp, 200, false, pair), 0);
	hc.receive_session = 5;
	hc_session(7, 5, (struct fx_form){ 0 });
	ck_assert_uint_eq(dp_pairs(dp, 115, false, pair), 1);
	ck_assert_uint_eq(pair[0].worker, 1);
	hc.receive_session = 6;
	hc_session(7, 6, (struct fx_form){ 0 });
	ck_assert_uint_eq(dp_pairs(dp, 115, false, pair), 1);
	ck_assert_uint_eq(pair[0].worker, DP_WORKERS_ALL);
	forwarded(hc_up(OCTETS(0x40, 1, 0x21)));
	dropped(hc_up(OCTETS(0x40, 6, 0x21)), DP_DROP_SIBLING);
	fx_gone(dp, TABLE_TUNNEL, 7, 0);
	ck_assert_uint_eq(dp_pairs(dp, 115, false, pair), 0);
	for (unsigned i = 0; i < DP_PAIRS + 5; i++) {
		char peer[32];
		snprintf(peer, sizeof peer, "198.18.0.%u", i);
		fx_tunnel(dp, (uint16_t)(100 + i), 1, peer, false);
		hc_session((uint16_t)(100 + i), 1, (struct fx_form){ 0 });
	}
	ck_assert_uint_gt(dp_pairs(dp, 115, false, pair), DP_PAIRS);
}
END_TEST

/* ---- rows ------------------------------------------------------------------------------------- */

START_TEST(rows_in_any_order)
{
	for (unsigned order = 0; order < 6; order++) {
		static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
		for (unsigned i = 0; i < 3; i++) {
			if (orders[order][i] == 0)
				fx_tunnel3(dp, IP8, LCCE, true);
			else if (orders[order][i] == 1)
				fx_call_form(dp, IP8, 1, (struct fx_form){ .peer_id = 0x10001, .cookie = 8 });
			else
				fx_sub(dp, IP8, 1, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492 });
		}
		forwarded(got((struct wire){ .tunnel = IP8, .session = 1, .cookie = 8 }));
		fx_gone(dp, TABLE_CALL, IP8, 1);
		fx_gone(dp, TABLE_SUBSCRIBER, IP8, 1);
		fx_gone(dp, TABLE_TUNNEL, IP8, 0);
		ck_assert_uint_eq(dp_sessions(dp), 0);
	}
}
END_TEST

START_TEST(a_tunnel_may_change_its_way)
{
	both_tunnels();
	session(IP8, 1, (struct fx_form){ 0 });
	forwarded(got((struct wire){ .tunnel = IP8, .session = 1 }));
	fx_tunnel3(dp, IP8, LCCE, false);
	dropped(got((struct wire){ .tunnel = IP8, .session = 1 }), DP_DROP_VERSION);
	fx_tunnel(dp, IP8, 80, LCCE, false); /* and its version: the peer's id is none of that */
	dropped(got((struct wire){ .tunnel = IP8, .session = 1 }), DP_DROP_VERSION);
	fx_tunnel3(dp, IP8, LCCE, true);
	session(IP8, 1, (struct fx_form){ 0 });
	forwarded(got((struct wire){ .tunnel = IP8, .session = 1 }));
}
END_TEST

START_TEST(people_see_how_a_session_is_carried)
{
	char text[640];

	both_tunnels();
	session(IP8, 1, (struct fx_form){ .cookie = 8, .peer_cookie = 4, .sublayer = true, .circuit_down = true });
	session(UDP7, 2, (struct fx_form){ 0 });
	ck_assert(dp_session_text(dp, IP8, 1, text, sizeof text));
	ck_assert_ptr_nonnull(strstr(text, " peer-ids=2882338824/2004287489 "));
	ck_assert_ptr_nonnull(strstr(text, " carried=l2tpv3/ip cookies=8/4 sublayer=yes/no circuit=down"));
	ck_assert(dp_session_text(dp, UDP7, 2, text, sizeof text));
	ck_assert_ptr_nonnull(strstr(text, " carried=l2tpv3/udp cookies=0/0 "));
	fx_tunnel(dp, 9, 90, STRANGER, false);
	hc = (Row__HeaderlessData)ROW__HEADERLESS_DATA__INIT;
	hc.bare = true;
	hc.protocol = 0x59;
	hc_session(9, 1, (struct fx_form){ 0 });
	ck_assert(dp_session_text(dp, 9, 1, text, sizeof text));
	ck_assert_ptr_nonnull(strstr(text, " carried=l2tpv2/udp+l2tphc ip-protocol=115 only=0059"));
	hc.bare = false;
	hc_session(9, 1, (struct fx_form){ 0 });
	ck_assert(dp_session_text(dp, 9, 1, text, sizeof text));
	ck_assert_ptr_nonnull(strstr(text, " ip-protocol=115 header=no"));
}
END_TEST

START_TEST(rows_without_sense)
{
	struct key k = key_session(IP8, 1), tk = key_tunnel(30);
	uint8_t octets[16] = { 0 };
	uint64_t bad = dp_counts(dp)[DP_COUNT_ROWS_BAD];

	both_tunnels();
	for (unsigned i = 0; i < 12; i++) {
		Row__Call row = ROW__CALL__INIT;
		Row__HeaderlessData h = ROW__HEADERLESS_DATA__INIT;
		row.headerless = i >= 5 ? &h : NULL;
		row.cookie = (ProtobufCBinaryData){ i == 0 ? 5 : 0, octets };
		row.peer_cookie = (ProtobufCBinaryData){ i == 1 ? 16 : 0, octets };
		row.sequencing = i == 2 ? 3 : 0;
		row.peer_sequencing = i == 3 ? 300 : 0;
		row.sequencing = i == 4 ? 4000000000u : row.sequencing;
		h.ip_protocol = i == 5 ? 256 : 0;
		h.protocol = i == 6 ? 65536 : 0;
		h.send_octets = i == 7 ? 3 : 0;
		h.receive_octets = i == 8 ? 4000000000u : 0;
		h.send_session = i == 9 ? 1 : 0;
		h.receive_session = i == 10 ? 256 : 0;
		h.header = h.bare = i == 11;
		dp_apply(dp, TABLE_CALL, key_span(&k), &row.base);
		ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_ROWS_BAD], ++bad);
	}
	struct ip_addr a = fx_ip(LCCE);
	for (unsigned i = 0; i < 3; i++) {
		Row__Tunnel t = ROW__TUNNEL__INIT;
		t.peer_addr = fx_octets(&a);
		t.version = i == 0 ? 4 : i == 1 ? 2 : 0;
		t.over_ip = i == 1;
		t.peer_id = i == 2 ? 65536 : 1;
		dp_apply(dp, TABLE_TUNNEL, key_span(&tk), &t.base);
		ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_ROWS_BAD], ++bad);
	}
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, control_is_punted_whole);
	tcase_add_test(t, a_header_that_lies_is_dropped);
	tcase_add_test(t, who_cannot_be_answered_is_not_heard);
	tcase_add_test(t, a_stranger_does_not_spend_the_tunnels_share);
	tcase_add_test(t, data_of_every_form_is_forwarded);
	tcase_add_test(t, a_wrong_cookie_is_refused);
	tcase_add_test(t, the_session_its_tunnel_and_peer_must_fit);
	tcase_add_test(t, data_for_session_0_is_none);
	tcase_add_test(t, an_inactive_circuit_carries_nothing);
	tcase_add_test(t, control_frames_reach_session_mgr);
	tcase_add_test(t, numbers_wrap_at_24_bits);
	tcase_add_test(t, a_peer_that_began_anew_is_followed);
	tcase_add_test(t, what_has_to_be_numbered);
	tcase_add_test(t, over_ip_each_worker_takes_its_own);
	tcase_add_test(t, order_is_its_owners);
	tcase_add_test(t, draft_05_bare);
	tcase_add_test(t, draft_05_with_ppp);
	tcase_add_test(t, draft_03_with_ids);
	tcase_add_test(t, the_tunnel_is_good_at_any_time);
	tcase_add_test(t, protocol_115_is_shared_by_peer);
	tcase_add_test(t, a_pair_is_both_its_addresses);
	tcase_add_test(t, the_filters_know_the_peers);
	tcase_add_test(t, rows_in_any_order);
	tcase_add_test(t, a_tunnel_may_change_its_way);
	tcase_add_test(t, people_see_how_a_session_is_carried);
	tcase_add_test(t, rows_without_sense);
}

UNIT_MAIN("up3", add)
