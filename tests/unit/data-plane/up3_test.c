// SPDX-License-Identifier: Apache-2.0
/* L2TPv3 up: control over UDP and IP, told apart from L2TPv2. */
#include <check.h>

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

static void
add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, control_is_punted_whole);
	tcase_add_test(t, a_header_that_lies_is_dropped);
	tcase_add_test(t, who_cannot_be_answered_is_not_heard);
	tcase_add_test(t, a_stranger_does_not_spend_the_tunnels_share);
}

UNIT_MAIN("up3", add)
