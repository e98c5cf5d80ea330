// SPDX-License-Identifier: Apache-2.0
/*
 * Steering into trunks: which packets of the core it takes, where they go, and what passes by.
 *
 * Session 1/11 is the trunk of "voice", with a route to 10.255.0.2 only; 1/12 is another subscriber, 10.1.0.0/16.
 */
#include <check.h>

#include "fixture.h"
#include "trunk.h"

static struct conf *conf;
static struct dp *dp;
static Row__Trunk trunk = ROW__TRUNK__INIT;
static uint8_t room[DP_HEADROOM + 256];
static struct dp_verdict v;

static void
rule(const char *to, unsigned len, uint16_t first, uint16_t last)
{
	struct conf_steer *r = &conf->steer[conf->steers++];

	*r = (struct conf_steer){ .user = "voice", .port_first = first, .port_last = last, .only_rtp = true };
	if (to)
		r->to[r->to_count++] = (struct ip_prefix){ fx_ip(to), (uint8_t)len };
}

static void
sessions(struct dp *d)
{
	trunk.mux_send = trunk.mux_recv = true;
	trunk.mux_send_pid = trunk.mux_recv_pid = 0x67;
	fx_tunnel(d, 1, 2, "192.0.2.9", false);
	fx_call(d, 1, 11, 22, CALL_PLAIN);
	fx_call(d, 1, 12, 23, CALL_PLAIN);
	fx_sub(d, 1, 11, (struct fx_sub){ .v4 = "10.255.0.2", .v6 = "2001:db8:1::", .mtu = 1492, .user = "voice", .trunk = &trunk });
	fx_sub(d, 1, 12, (struct fx_sub){ .v4 = "10.255.0.3", .route = "10.1.0.0", .route_len = 16, .mtu = 1492, .user = "data" });
}

static void
setup(void)
{
	conf = fx_conf();
}

static void
begin(void)
{
	dp = fx_dp(conf, 0);
	sessions(dp);
}

static void
finish(void)
{
	dp_free(dp);
	free(conf);
}

/* UDP to a port; `rtp`: its first two octets.  Answers the session that got it, 0: none. */
static unsigned
give(const char *to, uint16_t port, uint16_t rtp, uint8_t tos)
{
	uint8_t *p = room + DP_HEADROOM, *u;
	struct dp_packet k = { p, strchr(to, ':') ? fx_ip6(p, "2001:db8:9::1", to, IP_UDP, 40)
						  : fx_ip4(p, "198.51.100.1", to, IP_UDP, 40) };

	u = p + (strchr(to, ':') ? 40 : 20);
	put_u16(u, 20000);
	put_u16(u + 2, port);
	put_u16(u + 8, rtp);
	if (u == p + 20) {
		p[1] = tos;
		put_u16(p + 10, 0);
		put_u16(p + 10, (uint16_t)~fx_sum(0, p, 20));
	} else {
		put_u16(p, (uint16_t)(0x6000 | tos << 4));
	}
	dp_down(dp, NOW, &k, 1, &v);
	return v.act == DP_FORWARD || v.act == DP_HAND ? v.session : 0;
}

enum { RTP = 0x8012, RTCP = 0x80c8, OTHER = 0x1234, EF = 46 << 2 };

START_TEST(a_rule_goes_before_the_route)
{
	rule("10.1.0.0", 16, 16384, 32767);
	begin();
	ck_assert_uint_eq(give("10.1.2.3", 16384, RTP, 0), 11);
	ck_assert_uint_eq(give("10.1.2.3", 32767, RTP, 0), 11);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_STEERED], 2);
	ck_assert_uint_eq(give("10.1.2.3", 16383, RTP, 0), 12);
	ck_assert_uint_eq(give("10.1.2.3", 32768, RTP, 0), 12);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_STEERED], 2);
	finish();
}
END_TEST

START_TEST(what_is_not_rtp_passes_by)
{
	rule("10.1.0.0", 16, 1024, 65535);
	begin();
	ck_assert_uint_eq(give("10.1.2.3", 16384, RTP, 0), 11);
	ck_assert_uint_eq(give("10.1.2.3", 16385, RTCP, 0), 12);
	ck_assert_uint_eq(give("10.1.2.3", 16384, OTHER, 0), 12);
	dp_free(dp);
	conf->steer[0].only_rtp = false;
	begin();
	ck_assert_uint_eq(give("10.1.2.3", 16385, RTCP, 0), 11);
	ck_assert_uint_eq(give("10.1.2.3", 16384, OTHER, 0), 11);
	finish();
}
END_TEST

START_TEST(code_points)
{
	rule(NULL, 0, 1024, 65535);
	conf->steer[0].dscp[0] = 46;
	conf->steer[0].dscp[1] = 34;
	conf->steer[0].dscps = 2;
	begin();
	ck_assert_uint_eq(give("10.1.2.3", 16384, RTP, EF), 11);
	ck_assert_uint_eq(give("10.1.2.3", 16384, RTP, EF | 3), 11); /* ECN is none of it */
	ck_assert_uint_eq(give("10.1.2.3", 16384, RTP, 34 << 2), 11);
	ck_assert_uint_eq(give("10.1.2.3", 16384, RTP, 0), 12);
	ck_assert_uint_eq(give("2001:db8:77::1", 16384, RTP, EF), 11);
	finish();
}
END_TEST

START_TEST(prefixes_of_both_families)
{
	rule("2001:db8:7000::", 36, 1024, 65535);
	conf->steer[0].to[conf->steer[0].to_count++] = (struct ip_prefix){ fx_ip("10.1.99.0"), 24 };
	begin();
	ck_assert_uint_eq(give("2001:db8:7fff::1", 16384, RTP, 0), 11);
	ck_assert_uint_eq(give("2001:db8:8000::1", 16384, RTP, 0), 0);
	ck_assert_uint_eq(give("10.1.99.1", 16384, RTP, 0), 11);
	ck_assert_uint_eq(give("10.1.98.1", 16384, RTP, 0), 12);
	finish();
}
END_TEST

/* Brought by a rule, taken by none, and nobody's: back to the kernel, as it was.  A pool's would come back for ever. */
START_TEST(what_passes_by_and_has_no_route_is_the_kernels)
{
	rule("172.16.0.0", 12, 1024, 65535);
	conf->pools = 1;
	conf->pool[0].family = 4;
	conf->pool[0].delegate_len = 32;
	conf->pool[0].ranges = 1;
	conf->pool[0].range[0].first = fx_ip("172.16.9.0");
	conf->pool[0].range[0].last = fx_ip("172.16.9.255");
	begin();
	ck_assert_uint_eq(give("172.16.1.1", 16384, OTHER, 0), 0);
	ck_assert_int_eq(v.act, DP_FORWARD);
	ck_assert_uint_eq(dp_out(dp)->packets, 1);
	ck_assert_ptr_eq(dp_out(dp)->packet[0].p, room + DP_HEADROOM);
	ck_assert_uint_eq(dp_out(dp)->packet[0].len, 60);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_STEER_PASSED], 1);
	give("172.16.9.1", 16384, OTHER, 0);
	ck_assert_int_eq(v.act, DP_DROP);
	ck_assert_int_eq(v.reason, DP_DROP_NO_ROUTE);
	give("203.0.113.1", 16384, OTHER, 0); /* no rule's */
	ck_assert_int_eq(v.reason, DP_DROP_NO_ROUTE);
	finish();
}
END_TEST

static void
note(void *arg, const struct ip_prefix *to, uint16_t first, uint16_t last)
{
	char **at = arg, text[ADDR_TEXT];

	*at += sprintf(*at, "%s %u-%u\n", to->len ? ip_prefix_text(to, text) : to->addr.family == 4 ? "4" : "6", first, last);
}

static const char *
kernel(void)
{
	static char text[1024];
	char *at = text;

	*at = 0;
	dp_steer_each(dp, note, &at);
	return text;
}

/* The kernel brings nothing while the trunk is not there. */
START_TEST(rules_are_in_force_with_their_trunk)
{
	uint64_t version;

	rule("172.16.0.0", 12, 16384, 20000);
	rule(NULL, 0, 4000, 4010);
	begin();
	ck_assert_str_eq(kernel(), "172.16.0.0/12 16384-20000\n4 4000-4010\n6 4000-4010\n");
	version = dp_kernel_version(dp);
	fx_sub(dp, 1, 11, (struct fx_sub){ .v4 = "10.255.0.2", .mtu = 1492, .user = "voice" }); /* the link goes on without one */
	ck_assert_uint_ne(dp_kernel_version(dp), version);
	ck_assert_str_eq(kernel(), "");
	ck_assert_uint_eq(give("10.1.2.3", 4000, RTP, 0), 12);
	fx_sub(dp, 1, 12, (struct fx_sub){ .v4 = "10.255.0.3", .mtu = 1492, .user = "voice", .trunk = &trunk });
	ck_assert_uint_eq(give("10.1.2.3", 4000, RTP, 0), 12);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_STEERED], 1);
	fx_sub(dp, 1, 12, (struct fx_sub){ .v4 = "10.255.0.3", .mtu = 1492, .user = "somebody", .trunk = &trunk });
	ck_assert_str_eq(kernel(), "");
	fx_gone(dp, TABLE_SUBSCRIBER, 1, 12);
	fx_gone(dp, TABLE_SUBSCRIBER, 1, 11);
	ck_assert_uint_eq(give("10.1.2.3", 4000, RTP, 0), 0);
	finish();
}
END_TEST

/* Another configuration: the rules are its, the trunks that are there stay. */
START_TEST(configured_anew)
{
	rule("172.16.0.0", 12, 16384, 20000);
	begin();
	conf->steer[0].port_first = 30000;
	conf->steer[0].port_last = 30001;
	dp_configure(dp, conf);
	ck_assert_str_eq(kernel(), "172.16.0.0/12 30000-30001\n");
	ck_assert_uint_eq(give("172.16.1.1", 30000, RTP, 0), 11);
	conf->steers = 0;
	dp_configure(dp, conf);
	ck_assert_uint_eq(give("172.16.1.1", 30000, RTP, 0), 0);
	ck_assert_int_eq(v.reason, DP_DROP_NO_ROUTE);
	finish();
}
END_TEST

/* Flows stay with their trunk when another one goes, and both workers mean the same. */
START_TEST(two_trunks_share)
{
	unsigned to[200], of[2] = { 0 };
	struct dp *sibling;

	rule("172.16.0.0", 12, 1024, 65535);
	conf->data.workers = 2;
	begin();
	fx_sub(dp, 1, 12, (struct fx_sub){ .v4 = "10.255.0.3", .mtu = 1492, .user = "voice", .trunk = &trunk });
	for (unsigned i = 0; i < 200; i++) {
		to[i] = give("172.16.1.1", (uint16_t)(16384 + 2 * i), RTP, 0);
		ck_assert(to[i] == 11 || to[i] == 12);
		ck_assert_int_eq(v.act, to[i] == 12 ? DP_FORWARD : DP_HAND);
		of[to[i] - 11]++;
	}
	ck_assert_uint_gt(of[0], 50);
	ck_assert_uint_gt(of[1], 50);
	sibling = fx_dp(conf, 1);
	fx_sub(sibling, 1, 12, (struct fx_sub){ .v4 = "10.255.0.3", .mtu = 1492, .user = "voice", .trunk = &trunk });
	sessions(sibling); /* in another order, and 12 is somebody else's for a moment */
	fx_sub(sibling, 1, 12, (struct fx_sub){ .v4 = "10.255.0.3", .mtu = 1492, .user = "voice", .trunk = &trunk });
	for (unsigned i = 0; i < 200; i++) {
		struct dp *mine = dp;
		dp = sibling;
		ck_assert_uint_eq(give("172.16.1.1", (uint16_t)(16384 + 2 * i), RTP, 0), to[i]);
		dp = mine;
	}
	fx_gone(dp, TABLE_SUBSCRIBER, 1, 11);
	ck_assert_uint_eq(give("172.16.1.1", 16384, RTP, 0), 12);
	dp_free(sibling);
	finish();
}
END_TEST

START_TEST(more_trunks_than_a_rule_can_have)
{
	rule("172.16.0.0", 12, 1024, 65535);
	begin();
	for (uint16_t s = 100; s < 130; s++) {
		fx_call(dp, 1, s, s, CALL_PLAIN);
		fx_sub(dp, 1, s, (struct fx_sub){ .mtu = 1492, .v4 = "10.255.0.9", .user = "voice", .trunk = &trunk });
	}
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_STEER_FULL], 15);
	ck_assert_uint_ne(give("172.16.1.1", 16384, RTP, 0), 0);
	for (uint16_t s = 100; s < 130; s++)
		fx_gone(dp, TABLE_SUBSCRIBER, 1, s);
	ck_assert_uint_eq(give("172.16.1.1", 16384, RTP, 0), 11);
	finish();
}
END_TEST

/* Fragments have no ports; what is too short has nothing. */
START_TEST(what_cannot_be_looked_at)
{
	uint8_t *p = room + DP_HEADROOM;
	struct dp_packet k = { p, fx_ip4(p, "198.51.100.1", "10.1.2.3", IP_UDP, 40) };

	rule(NULL, 0, 0, 65535);
	conf->steer[0].only_rtp = false;
	begin();
	put_u16(p + 6, 0x2000);
	dp_down(dp, NOW, &k, 1, &v);
	ck_assert_uint_eq(v.session, 12);
	for (uint32_t len = 0; len < 28; len++) {
		k.len = fx_ip4(p, "198.51.100.1", "172.31.2.3", IP_UDP, 40);
		k.len = len;
		dp_down(dp, NOW, &k, 1, &v);
		ck_assert_int_eq(v.act, DP_DROP);
	}
	p[0] = 0x4f; /* a header that is longer than the packet */
	k.len = 60;
	dp_down(dp, NOW, &k, 1, &v);
	ck_assert_uint_eq(dp_counts(dp)[DP_COUNT_STEERED], 0);
	finish();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("trunk_steer");
	TCase *tc = tcase_create("trunk_steer");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_rule_goes_before_the_route);
	tcase_add_test(tc, what_is_not_rtp_passes_by);
	tcase_add_test(tc, code_points);
	tcase_add_test(tc, prefixes_of_both_families);
	tcase_add_test(tc, what_passes_by_and_has_no_route_is_the_kernels);
	tcase_add_test(tc, rules_are_in_force_with_their_trunk);
	tcase_add_test(tc, configured_anew);
	tcase_add_test(tc, two_trunks_share);
	tcase_add_test(tc, more_trunks_than_a_rule_can_have);
	tcase_add_test(tc, what_cannot_be_looked_at);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
