// SPDX-License-Identifier: Apache-2.0
/*
 * Trunks in the packet path: two workers' cores, a client's end and an LNS's, with voice between the hosts
 * behind them.  What a packet meets on the way (routes, TTL, source check) it meets in a trunk too.
 */
#include <check.h>

#include "fixture.h"
#include "trunk.h"

#define MS MONO_MS

static struct dp *near, *far;
static Row__HeaderCompression hc = ROW__HEADER_COMPRESSION__INIT;
static Row__Trunk trunk = ROW__TRUNK__INIT;
static uint8_t room[DP_HEADROOM + 2048];

static void
trunk_row(void)
{
	hc.rtp = 2;
	hc.tcp_space = 15;
	hc.non_tcp_space = 255;
	hc.f_max_period = 256;
	hc.f_max_time = 5;
	hc.max_header = 168;
	hc.no_tcp = true;
	trunk.send4 = trunk.recv4 = &hc;
	trunk.mux_send = trunk.mux_recv = true;
	trunk.mux_send_pid = trunk.mux_recv_pid = 0x67;
	trunk.mux_time_us = 5000;
	trunk.repeat = 2;
}

static void
ends_begin(void)
{
	struct conf *c = fx_conf();

	near = fx_dp(c, 0);
	far = fx_dp(c, 0);
	free(c);
}

static void
subscriber_near(bool pfc)
{
	fx_sub(near, 1, 11, (struct fx_sub){ .v4 = "10.255.0.2", .route = "10.1.0.0", .route_len = 16, .client = true,
					     .mtu = 1492, .pfc = pfc, .acfc = pfc, .trunk = &trunk });
}

static void
subscriber_far(bool pfc)
{
	fx_sub(far, 2, 22, (struct fx_sub){ .v4 = "10.255.0.2", .route = "10.2.0.0", .route_len = 16, .mtu = 1492,
					    .pfc = pfc, .acfc = pfc, .trunk = &trunk });
}

static void
subscribers(bool pfc)
{
	subscriber_near(pfc);
	subscriber_far(pfc);
}

/* The near end is the client: 10.1/16 is behind the far one. */
static void
begin(bool pfc, unsigned call)
{
	trunk_row();
	ends_begin();
	fx_tunnel(near, 1, 2, "192.0.2.9", false);
	fx_tunnel(far, 2, 1, "192.0.2.9", false);
	fx_call(near, 1, 11, 22, call);
	fx_call(far, 2, 22, 11, call);
	subscribers(pfc);
}

static void
finish(void)
{
	dp_free(near);
	dp_free(far);
}

/* RTP of 20 octets from 10.2.0.1 to 10.1.0.1. */
static uint32_t
voice(uint8_t *p, unsigned n, const char *src)
{
	uint32_t len = fx_ip4(p, src, "10.1.0.1", IP_UDP, 40);
	uint8_t *u = p + 20, *r = p + 28;

	p[1] = 0xb8;
	put_u16(p + 4, (uint16_t)n);
	put_u16(p + 10, 0);
	put_u16(p + 10, (uint16_t)~fx_sum(0, p, 20));
	put_u16(u, 16384);
	put_u16(u + 2, 20000);
	put_u16(u + 4, 40);
	put_u16(u + 6, 0);
	put_u16(r, 0x8012);
	put_u16(r + 2, (uint16_t)(500 + n));
	put_u32(r + 4, 160 * n);
	put_u32(r + 8, 0xabcdef01);
	put_u16(u + 6, (uint16_t)~fx_sum(17 + 40 + fx_sum(0, p + 12, 8), u, 40));
	return len;
}

static struct dp_verdict
give(struct dp *dp, mono_t now, unsigned n, const char *src)
{
	struct dp_packet k = { room + DP_HEADROOM, voice(room + DP_HEADROOM, n, src) };
	struct dp_verdict v;

	dp_down(dp, now, &k, 1, &v);
	return v;
}

/* The frames that dp_out() of one end lends, into the other: packets that came out. */
static unsigned
carry(struct dp *from, struct dp *to, mono_t now)
{
	static uint8_t copy[DP_FRAMES][2 + 2048];
	unsigned packets = 0;

	for (unsigned i = 0; i < dp_out(from)->frames; i++) {
		const struct dp_frame *f = &dp_out(from)->frame[i];
		struct dp_ends ends = f->ip_protocol ? fx_ends_ip("192.0.2.9", f->ip_protocol) : fx_ends("192.0.2.9");
		struct dp_datagram d = { copy[i] + 2, f->len, f->tos, &ends };
		struct dp_verdict v;
		ck_assert_uint_le(f->len, f->ip_protocol ? 1480 : 1472);
		memcpy(copy[i] + 2, f->p, f->len);
		(f->ip_protocol ? dp_up_ip : dp_up)(to, now, &d, 1, &v);
		ck_assert_msg(v.act == DP_TAKEN || v.act == DP_FORWARD, "act %u reason %u", v.act, v.reason);
		ck_assert(v.act == DP_TAKEN || v.apart); /* plain or not: a trunk's flows stay where they are read */
		packets += dp_out(to)->packets;
	}
	return packets;
}

START_TEST(voice_crosses)
{
	unsigned got = 0;
	uint8_t want[60];

	begin(_i & 1, _i & 2 ? CALL_SEQ_REQUIRED : CALL_PLAIN);
	dp_ns_role(near, true, 1);
	for (uint16_t t, s; _i & 2;) {
		uint32_t below;
		if (!dp_ns_wanted(near, &t, &s, &below))
			break;
		dp_ns_committed(near, t, s, below);
	}
	for (unsigned n = 0; n < 200; n++) {
		mono_t now = NOW + 20 * MS * n;
		ck_assert_int_eq(give(near, now, n, "10.2.0.1").act, DP_FORWARD);
		ck_assert_uint_eq(dp_out(near)->frames, 0);
		ck_assert_int_eq(dp_trunk_due(near), now + 5 * MS);
		dp_trunk_timer(near, now + 4 * MS);
		ck_assert_uint_eq(dp_out(near)->frames, 0);
		dp_trunk_timer(near, now + 5 * MS);
		ck_assert_uint_eq(dp_out(near)->frames, 1);
		ck_assert_uint_eq(dp_out(near)->frame[0].tos, 0xb8);
		ck_assert_uint_eq(carry(near, far, now), 1);
		/* the far end is a router: one hop less, and all else as it was */
		voice(want, n, "10.2.0.1");
		want[8]--;
		put_u16(want + 10, 0);
		put_u16(want + 10, (uint16_t)~fx_sum(0, want, 20));
		ck_assert_uint_eq(dp_out(far)->packet[0].len, 60);
		ck_assert_mem_eq(dp_out(far)->packet[0].p, want, 60);
		got++;
	}
	ck_assert_uint_eq(got, 200);
	ck_assert_uint_eq(dp_counts(far)[DP_COUNT_TRUNK_PACKETS], 200);
	ck_assert_uint_eq(dp_counts(near)[DP_COUNT_TRUNK_FRAMES], 200);
	ck_assert_uint_gt(crtp_comp_stats(trunk_comp(dp_trunk(near, 1, 11)))[CRTP_C_UDP] +
			      crtp_comp_stats(trunk_comp(dp_trunk(near, 1, 11)))[CRTP_C_RTP] +
			      crtp_comp_stats(trunk_comp(dp_trunk(near, 1, 11)))[CRTP_C_UDP_WHOLE],
			  190);
	finish();
}
END_TEST

START_TEST(several_packets_share_a_frame)
{
	begin(true, CALL_PLAIN);
	for (unsigned n = 0; n < 10; n++)
		give(near, NOW, n, "10.2.0.1");
	dp_trunk_timer(near, NOW + 5 * MS);
	ck_assert_uint_eq(dp_out(near)->frames, 1);
	ck_assert_uint_eq(carry(near, far, NOW), 10);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_uint_eq(get_u16(dp_out(far)->packet[i].p + 4), i);
	finish();
}
END_TEST

/*
 * ---- what carries it: overhead is what a multiplexed frame's information costs besides, from the outer IP header
 * on; every frame fits an ordinary link.
 */
static const struct carrier {
	const char *name;
	bool v3, over_ip, mux_beside; /* multiplexed frames go straight over IP */
	unsigned cookie;
	bool sublayer, numbered;
	Row__HeaderlessData hc;
	unsigned overhead;
} carriers[] = {
#define HC(...) { PROTOBUF_C_MESSAGE_INIT(&row__headerless_data__descriptor), __VA_ARGS__ }
	{ .name = "L2TPv3/IP", .v3 = true, .over_ip = true, .overhead = 20 + 4 + 1 },
	{ .name = "L2TPv3/IP, cookie", .v3 = true, .over_ip = true, .cookie = 8, .overhead = 20 + 12 + 1 },
	{ .name = "L2TPv3/IP, numbers", .v3 = true, .over_ip = true, .cookie = 4, .sublayer = true, .numbered = true,
	  .overhead = 20 + 12 + 1 },
	{ .name = "L2TPv3/UDP", .v3 = true, .overhead = 28 + 8 + 1 },
	{ .name = "L2TPv3/UDP, all", .v3 = true, .cookie = 8, .sublayer = true, .numbered = true, .overhead = 28 + 20 + 1 },
	{ .name = "L2TPHC -05 of PPPMux", .mux_beside = true, .hc = HC(.bare = true, .protocol = 0x59), .overhead = 20 },
	{ .name = "L2TPHC -05", .mux_beside = true, .hc = HC(.ip_protocol = 200), .overhead = 20 + 1 },
	{ .name = "L2TPHC -03, 0", .mux_beside = true, .hc = HC(.header = true), .overhead = 20 + 1 + 1 },
	{ .name = "L2TPHC -03, 2", .mux_beside = true,
	  .hc = HC(.header = true, .send_octets = 2, .receive_octets = 2, .send_session = 999, .receive_session = 999),
	  .overhead = 20 + 3 + 1 },
	{ .name = "L2TPHC of another protocol", .hc = HC(.bare = true, .protocol = 0x21), .overhead = 28 + 6 + 1 },
};

static void
leases(struct dp *dp)
{
	uint16_t t, s;
	uint32_t below;

	dp_ns_role(dp, true, 1);
	while (dp_ns_wanted(dp, &t, &s, &below))
		dp_ns_committed(dp, t, s, below);
}

static void
begin_over(const struct carrier *c)
{
	Row__HeaderlessData h = c->hc;
	struct fx_form f = { .cookie = c->cookie, .peer_cookie = c->cookie, .sublayer = c->sublayer,
			     .peer_sublayer = c->sublayer, .sequencing = c->numbered ? 2 : 0,
			     .peer_sequencing = c->numbered ? 2 : 0, .headerless = c->v3 ? NULL : &h };
	uint8_t theirs[8];

	trunk_row();
	ends_begin();
	if (c->v3) {
		fx_tunnel3(near, 1, "192.0.2.9", c->over_ip);
		fx_tunnel3(far, 2, "192.0.2.9", c->over_ip);
	} else {
		fx_tunnel(near, 1, 2, "192.0.2.9", false);
		fx_tunnel(far, 2, 1, "192.0.2.9", false);
	}
	f.peer_id = c->v3 ? 2 << 16 | 22 : 22;
	fx_call_form(near, 1, 11, f);
	/* What the near end sends is what the far end gave it: the fixture's cookie for the peer, as its own. */
	struct key k = key_session(2, 22);
	Row__Call row = ROW__CALL__INIT;
	fx_cookie(theirs, FX_PEER_COOKIE);
	row.peer_id = c->v3 ? 1 << 16 | 11 : 11;
	row.state = 10;
	row.role = ROLE_LNS;
	row.cookie = (ProtobufCBinaryData){ c->cookie, theirs };
	row.sublayer = row.peer_sublayer = c->sublayer;
	row.sequencing = row.peer_sequencing = f.sequencing;
	row.headerless = f.headerless;
	dp_apply(far, TABLE_CALL, key_span(&k), &row.base);
	subscribers(true);
	leases(near);
}

START_TEST(in_every_form)
{
	const struct carrier *c = &carriers[_i];

	begin_over(c);
	const struct trunk *t = dp_trunk(near, 1, 11);
	ck_assert_ptr_nonnull(t);
	ck_assert_msg(trunk_mux_config(t)->overhead == c->overhead, "%s: %u", c->name, trunk_mux_config(t)->overhead);
	ck_assert_uint_eq(trunk_recv_overhead(dp_trunk(far, 2, 22)), c->overhead);
	for (unsigned round = 0; round < 30; round++) {
		const mono_t now = NOW + 20 * MS * round;
		const uint64_t before = trunk_stats(t)->octets_out;
		for (unsigned n = 0; n < 10; n++)
			give(near, now, 10 * round + n, "10.2.0.1");
		dp_trunk_timer(near, now + 5 * MS);
		ck_assert_uint_eq(dp_out(near)->frames, 1);
		const struct dp_frame *f = &dp_out(near)->frame[0];
		ck_assert_uint_eq(f->ip_protocol != 0, c->over_ip || c->mux_beside);
		ck_assert_msg(f->len + (f->ip_protocol ? 20 : 28) == trunk_stats(t)->octets_out - before + c->overhead,
			      "%s: %u octets", c->name, f->len);
		ck_assert_uint_eq(carry(near, far, now), 10);
		for (unsigned i = 0; i < 10; i++)
			ck_assert_uint_eq(get_u16(dp_out(far)->packet[i].p + 4), 10 * round + i);
	}
	/* One alone is no multiplexed frame but where these alone have a way of their own: all go the same, in order. */
	const uint64_t before = trunk_stats(t)->octets_out;
	give(near, NOW + MONO_S, 300, "10.2.0.1");
	dp_trunk_timer(near, NOW + MONO_S + 5 * MS);
	ck_assert_uint_eq(dp_out(near)->frames, 1);
	ck_assert_uint_eq(dp_out(near)->frame[0].ip_protocol != 0, c->over_ip || c->mux_beside);
	ck_assert_uint_eq(dp_out(near)->frame[0].len + (dp_out(near)->frame[0].ip_protocol ? 20 : 28),
			  trunk_stats(t)->octets_out - before + c->overhead);
	ck_assert_uint_eq(trunk_stats(t)->mux_frames, 30 + (c->mux_beside && c->hc.bare));
	ck_assert_uint_eq(carry(near, far, NOW + MONO_S), 1);
	finish();
}
END_TEST

/* A frame as large as may be fits a link of 1500 octets, outer headers and all. */
START_TEST(frames_fit_the_link)
{
	const struct carrier *c = &carriers[_i];
	uint32_t largest = 0;

	trunk.mux_octets = 0;
	begin_over(c);
	for (unsigned n = 0; n < 2000; n++) {
		give(near, NOW, n, "10.2.0.1");
		for (unsigned i = 0; i < dp_out(near)->frames; i++) {
			const struct dp_frame *f = &dp_out(near)->frame[i];
			const uint32_t wire = f->len + (f->ip_protocol ? 20 : 28);
			largest = wire > largest ? wire : largest;
		}
	}
	ck_assert_uint_le(largest, 1500);
	ck_assert_uint_gt(largest, 1400);
	finish();
}
END_TEST

/* RFC 4170, 2.4.1 asks for the packets' own class, also where nothing of it is copied outside; ECN is no class. */
START_TEST(classes_are_the_packets_own)
{
	struct conf *c = fx_conf();

	begin(true, CALL_PLAIN);
	c->data.dscp_copy = _i;
	dp_configure(near, c);
	free(c);
	for (unsigned n = 0; n < 4; n++) {
		struct dp_packet k = { room + DP_HEADROOM, voice(room + DP_HEADROOM, n, "10.2.0.1") };
		struct dp_verdict v;
		k.p[1] = n & 1 ? (n & 2 ? 0xba : 0xb8) : 0x28;
		put_u16(k.p + 10, 0);
		put_u16(k.p + 10, (uint16_t)~fx_sum(0, k.p, 20));
		dp_down(near, NOW, &k, 1, &v);
		ck_assert_int_eq(v.act, DP_FORWARD);
	}
	dp_trunk_timer(near, NOW + 5 * MS);
	ck_assert_uint_eq(dp_out(near)->frames, 2);
	ck_assert_uint_eq(dp_out(near)->frame[0].tos + dp_out(near)->frame[1].tos, _i ? 0x28 + 0xb8 : 0);
	ck_assert_uint_eq(carry(near, far, NOW), 4);
	finish();
}
END_TEST

START_TEST(a_source_that_is_not_the_trunks)
{
	begin(true, CALL_PLAIN);
	give(near, NOW, 1, "10.9.0.1");
	dp_trunk_timer(near, NOW + 5 * MS);
	ck_assert_uint_eq(carry(near, far, NOW), 0);
	ck_assert_uint_eq(dp_drops(far)[DP_DROP_SPOOFED], 1);
	finish();
}
END_TEST

/* Another worker's trunk: both directions go to it. */
START_TEST(a_siblings_trunk_is_handed_over)
{
	struct conf *c = fx_conf();
	struct dp *dp;
	struct dp_verdict v;
	struct dp_ends ends = fx_ends("192.0.2.9");
	uint8_t frame[] = { 0, 2, 0, 1, 0, 11, 0xff, 3, 0, 0x59, 1, 2 };
	struct dp_datagram d = { frame, sizeof frame, 0, &ends };

	begin(true, CALL_PLAIN);
	c->data.workers = 2;
	dp = fx_dp(c, 0);
	free(c);
	fx_tunnel(dp, 1, 2, "192.0.2.9", false);
	fx_call(dp, 1, 11, 22, CALL_PLAIN);
	fx_sub(dp, 1, 11, (struct fx_sub){ .v4 = "10.255.0.2", .route = "10.1.0.0", .route_len = 16, .client = true,
					   .mtu = 1492, .trunk = &trunk });
	v = give(dp, NOW, 1, "10.2.0.1");
	ck_assert_int_eq(v.act, DP_HAND);
	ck_assert_uint_eq(v.worker, 1);
	dp_up(dp, NOW, &d, 1, &v);
	ck_assert_int_eq(v.act, DP_HAND);
	ck_assert_uint_eq(v.worker, 1);
	dp_free(dp);
	finish();
}
END_TEST

/* The link ends, or agrees on something else: contexts go, and nothing of them stays behind. */
START_TEST(rows_make_and_end_it)
{
	struct trunk *was;

	begin(true, CALL_PLAIN);
	was = dp_trunk(near, 1, 11);
	ck_assert_ptr_nonnull(was);
	give(near, NOW, 1, "10.2.0.1");
	fx_sub(near, 1, 11, (struct fx_sub){ .v4 = "10.255.0.2", .route = "10.1.0.0", .route_len = 16, .client = true,
					     .mtu = 1492, .pfc = true, .acfc = true, .trunk = &trunk });
	ck_assert_ptr_eq(dp_trunk(near, 1, 11), was);
	dp_trunk_timer(near, NOW + 5 * MS);
	ck_assert_uint_eq(dp_out(near)->frames, 1);
	fx_sub(near, 1, 11, (struct fx_sub){ .v4 = "10.255.0.2", .route = "10.1.0.0", .route_len = 16, .client = true,
					     .mtu = 1492 });
	ck_assert_ptr_null(dp_trunk(near, 1, 11));
	ck_assert_int_eq(give(near, NOW, 2, "10.2.0.1").act, DP_FORWARD);
	ck_assert_uint_eq(dp_out(near)->frames, 1); /* plain, at once */
	fx_gone(far, TABLE_SUBSCRIBER, 2, 22);
	fx_gone(far, TABLE_CALL, 2, 22);
	ck_assert_ptr_null(dp_trunk(far, 2, 22));
	dp_trunk_timer(near, NOW + MONO_S);
	dp_trunk_timer(far, NOW + MONO_S);
	finish();
}
END_TEST

/* PPPMuxCP may come up, and end, while calls go on: contexts are IPCP's, whatever carries them. */
START_TEST(calls_outlive_the_multiplexer)
{
	unsigned n = 0, got = 0;

	begin(true, CALL_PLAIN);
	for (unsigned turn = 0; turn < 5; turn++) { /* off; then the far end is the first that has it, and the last */
		trunk.mux_send = trunk.mux_recv = turn == 2;
		trunk.mux_send_pid = trunk.mux_recv_pid = turn == 2 ? 0x69 : 0;
		subscriber_near(true);
		trunk.mux_send = trunk.mux_recv = turn > 0 && turn < 4;
		trunk.mux_send_pid = trunk.mux_recv_pid = trunk.mux_recv ? 0x69 : 0;
		subscriber_far(true);
		for (unsigned i = 0; i < 10; i++, n++) {
			mono_t now = NOW + 20 * MS * n;
			give(near, now, n, "10.2.0.1");
			if (dp_out(near)->frames)
				got += carry(near, far, now);
			dp_trunk_timer(near, now + 6 * MS);
			got += carry(near, far, now + 6 * MS);
		}
		ck_assert_uint_eq(got, n);
	}
	ck_assert_uint_eq(crtp_comp_stats(trunk_comp(dp_trunk(near, 1, 11)))[CRTP_C_FULL_HEADER], 3);
	ck_assert_uint_eq(trunk_stats(dp_trunk(near, 1, 11))->packets[TRUNK_EF], n);
	ck_assert_uint_eq(trunk_stats(dp_trunk(far, 2, 22))->recv_packets, n);
	trunk_row();
	finish();
}
END_TEST

/* IPCP in a multiplexed frame is the link's, and so is a second one: nothing is longer than its neighbour's end. */
START_TEST(control_inside)
{
	uint8_t frame[] = { 0, 2, 0, 2, 0, 22, 0xff, 3, 0, 0x59, 0x86, 0x80, 0x21, 5, 1, 0, 4, 0x04, 5, 2, 0, 4 };
	struct dp_ends ends = fx_ends("192.0.2.9");
	struct dp_datagram d = { frame, sizeof frame, 0, &ends };
	struct dp_verdict v;

	begin(true, CALL_PLAIN);
	dp_up(far, NOW, &d, 1, &v);
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(v.len, 6);
	ck_assert_mem_eq(v.p, "\x80\x21\x05\x01\x00\x04", 6);
	ck_assert_uint_eq(dp_out(far)->links, 1);
	ck_assert_uint_eq(dp_out(far)->link[0].v.session, 22);
	ck_assert_uint_eq(dp_out(far)->link[0].v.len, 6);
	ck_assert_ptr_eq(dp_out(far)->link[0].ends, &ends);
	ck_assert_mem_eq(dp_out(far)->link[0].v.p, "\x80\x21\x05\x02\x00\x04", 6);
	ck_assert_mem_eq(v.p, "\x80\x21\x05\x01\x00\x04", 6);
	finish();
}
END_TEST

/* As many as a batch has room for, and the session's rate allows; the rest is counted. */
START_TEST(much_control_inside)
{
	static uint8_t frame[10 + 2 + 4 + 5 * 200] = { 0, 2, 0, 2, 0, 22, 0xff, 3, 0, 0x59, 0x86, 0x80, 0x21, 9, 0, 0, 4 };
	struct dp_ends ends = fx_ends("192.0.2.9");
	struct dp_datagram d = { frame, 17, 0, &ends };
	struct dp_verdict v;
	uint64_t dropped = 0;

	begin(true, CALL_PLAIN);
	for (; d.len + 5 <= sizeof frame; d.len += 5)
		memcpy(frame + d.len, "\x04\x09\x01\x00\x04", 5);
	dp_up(far, NOW, &d, 1, &v);
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_gt(dp_out(far)->links, 0);
	for (unsigned i = 0; i < dp_out(far)->links; i++)
		ck_assert_mem_eq(dp_out(far)->link[i].v.p, "\x80\x21\x09\x01\x00\x04", 6);
	for (unsigned i = 0; i < DP_DROPS; i++)
		dropped += dp_drops(far)[i];
	ck_assert_uint_eq(1 + dp_out(far)->links + dropped, 200);
	dp_up(far, NOW, &d, 0, &v);
	ck_assert_uint_eq(dp_out(far)->links, 0);
	finish();
}
END_TEST

/* ---- checkpoints -------------------------------------------------------------------------------- */

/* What the active far end records, into `to` (NULL: nobody); how many rows, and of those how many are removals. */
static unsigned
mirror(struct dp *from, struct dp *to, unsigned *removed)
{
	struct dp_ctx c;
	unsigned n = 0;

	*removed = 0;
	for (; dp_ctx_next(from, &c); n++) {
		struct key key = key_trunk((uint16_t)(c.key >> 16), (uint16_t)c.key, c.part, c.cid);
		Row__TrunkCtx row = ROW__TRUNK_CTX__INIT;
		ck_assert_uint_lt(n, 10000);
		row.agreement = c.agreement;
		row.octets = (ProtobufCBinaryData){ c.len, c.b };
		*removed += c.len == 0;
		if (to)
			dp_apply(to, TABLE_TRUNK_CTX, key_span(&key), c.len ? &row.base : NULL);
	}
	return n;
}

static struct dp *
twin_of_far(void)
{
	struct conf *c = fx_conf();
	struct dp *dp = fx_dp(c, 0);

	free(c);
	fx_tunnel(dp, 2, 1, "192.0.2.9", false);
	fx_call(dp, 2, 22, 11, CALL_PLAIN);
	fx_sub(dp, 2, 22, (struct fx_sub){ .v4 = "10.255.0.2", .route = "10.2.0.0", .route_len = 16, .mtu = 1492,
					   .pfc = true, .acfc = true, .trunk = &trunk });
	return dp;
}

static unsigned
speak(struct dp *to, unsigned from, unsigned until)
{
	unsigned got = 0;

	for (unsigned n = from; n < until; n++) {
		mono_t now = NOW + 20 * MS * n;
		give(near, now, n, "10.2.0.1");
		dp_trunk_timer(near, now + 5 * MS);
		if (to)
			got += carry(near, to, now + 5 * MS);
	}
	return got;
}

/* The standby goes on where the active's last checkpoint is, five packets lost and all; without rows it has to ask. */
START_TEST(a_standby_takes_up_contexts)
{
	struct dp *spare;
	unsigned removed;

	begin(true, CALL_PLAIN);
	spare = twin_of_far();
	dp_ns_role(far, true, 1);
	dp_ns_role(spare, false, 1);
	for (unsigned n = 0; n < 100; n += 5) {
		ck_assert_uint_eq(speak(far, n, n + 5), 5);
		mirror(far, _i ? spare : NULL, &removed);
		ck_assert_uint_eq(removed, 0);
	}
	ck_assert_uint_eq(dp_counts(spare)[DP_COUNT_TRUNK_CONTEXTS_IN] > 0, _i);
	speak(NULL, 100, 105);
	dp_ns_role(spare, true, 2);
	ck_assert_uint_eq(speak(spare, 105, 125), _i ? 20 : 0);
	ck_assert_uint_eq(crtp_dec_stats(trunk_dec(dp_trunk(spare, 2, 22)))[CRTP_D_BLOCKS] > 0, !_i);
	dp_free(spare);
	finish();
}
END_TEST

/* The rows go with the session, each once; those that nobody has are found and removed; no other's are taken up. */
START_TEST(rows_of_contexts_go)
{
	Row__TrunkCtx row = ROW__TRUNK_CTX__INIT;
	struct key key = key_trunk(2, 22, 1, 0), far_off = key_trunk(2, 99, 0, 7), bad = key_trunk(2, 22, 3, 0);
	unsigned removed, rows;

	begin(true, CALL_PLAIN);
	dp_ns_role(far, true, 1);
	speak(far, 0, 20);
	rows = mirror(far, NULL, &removed);
	ck_assert_uint_eq(rows, 2); /* one context: its constant part, its moving part */
	ck_assert_uint_eq(removed, 0);
	fx_gone(far, TABLE_SUBSCRIBER, 2, 22);
	ck_assert_uint_eq(mirror(far, NULL, &removed), 2);
	ck_assert_uint_eq(removed, 2);
	ck_assert_uint_eq(mirror(far, NULL, &removed), 0);

	row.octets = (ProtobufCBinaryData){ 1, (uint8_t *)"x" };
	dp_apply(far, TABLE_TRUNK_CTX, key_span(&far_off), &row.base);
	dp_apply(far, TABLE_TRUNK_CTX, key_span(&key), &row.base);
	ck_assert_uint_eq(mirror(far, NULL, &removed), 2);
	ck_assert_uint_eq(removed, 2);
	rows = (unsigned)dp_counts(far)[DP_COUNT_ROWS_BAD];
	dp_apply(far, TABLE_TRUNK_CTX, key_span(&bad), &row.base);
	dp_apply(far, TABLE_TRUNK_CTX, span_of(bad.b, 4), &row.base);
	ck_assert_uint_eq(dp_counts(far)[DP_COUNT_ROWS_BAD], rows + 2);

	dp_ns_role(near, false, 1);
	dp_apply(near, TABLE_TRUNK_CTX, key_span(&key), &row.base); /* a shadow: another's to tidy */
	dp_ns_role(near, true, 2);
	ck_assert_uint_eq(mirror(near, NULL, &removed), 0);
	finish();
}
END_TEST

/* Who was active and is no more begins with the store's contexts, not with its own. */
START_TEST(a_demoted_one_forgets)
{
	unsigned removed;

	begin(true, CALL_PLAIN);
	dp_ns_role(far, true, 1);
	speak(far, 0, 20);
	ck_assert_uint_eq(mirror(far, NULL, &removed), 2);
	dp_ns_role(far, true, 1); /* state-sync is another: all of it again */
	ck_assert_uint_eq(mirror(far, NULL, &removed), 2);
	dp_ns_role(far, false, 2);
	ck_assert_uint_eq(crtp_dec_stats(trunk_dec(dp_trunk(far, 2, 22)))[CRTP_D_CONTEXTS], 0);
	ck_assert_uint_eq(mirror(far, NULL, &removed), 0);
	finish();
}
END_TEST

/* Neighbours talk in a multiplexed frame as well: to the link with it, beside the packets that go on. */
START_TEST(neighbours_inside)
{
	uint8_t frame[10 + 2 + 48 + 2 + 48] = { 0, 2, 0, 2, 0, 22, 0xff, 3, 0, 0x59 };
	static const uint8_t solicitation[48] = { 0x60, [5] = 8, [6] = 58, [7] = 255, [8] = 0xfe, [9] = 0x80, [23] = 1,
						  [24] = 0xff, [25] = 2, [39] = 2, [40] = 133 };
	struct dp_ends ends = fx_ends("192.0.2.9");
	struct dp_datagram d = { frame, sizeof frame, 0, &ends };
	struct dp_verdict v;

	begin(true, CALL_PLAIN);
	fx_sub(far, 2, 22, (struct fx_sub){ .v4 = "10.255.0.2", .v6 = "2001:db8:1::", .v6_len = 64, .mtu = 1492,
					    .trunk = &trunk });
	for (unsigned i = 0; i < 2; i++) {
		frame[10 + 50 * i] = 0x80 | 49;
		frame[11 + 50 * i] = 0x57;
		memcpy(frame + 12 + 50 * i, solicitation, 48);
	}
	dp_up(far, NOW, &d, 1, &v);
	ck_assert_int_eq(v.act, DP_PUNT_LINK);
	ck_assert_uint_eq(v.len, 50);
	ck_assert_mem_eq(v.p, "\x00\x57", 2);
	ck_assert_mem_eq(v.p + 2, solicitation, 48);
	ck_assert_uint_eq(dp_out(far)->packets, 0);
	ck_assert_uint_eq(dp_out(far)->links, 1);
	ck_assert_uint_eq(dp_out(far)->link[0].v.len, 50);
	ck_assert_mem_eq(dp_out(far)->link[0].v.p + 2, solicitation, 48);
	finish();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("trunks");
	TCase *tc = tcase_create("trunks");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, voice_crosses, 0, 4);
	tcase_add_test(tc, several_packets_share_a_frame);
	tcase_add_loop_test(tc, in_every_form, 0, sizeof carriers / sizeof carriers[0]);
	tcase_add_loop_test(tc, frames_fit_the_link, 0, sizeof carriers / sizeof carriers[0]);
	tcase_add_loop_test(tc, classes_are_the_packets_own, 0, 2);
	tcase_add_test(tc, a_source_that_is_not_the_trunks);
	tcase_add_test(tc, a_siblings_trunk_is_handed_over);
	tcase_add_test(tc, rows_make_and_end_it);
	tcase_add_test(tc, calls_outlive_the_multiplexer);
	tcase_add_test(tc, control_inside);
	tcase_add_test(tc, much_control_inside);
	tcase_add_test(tc, neighbours_inside);
	tcase_add_loop_test(tc, a_standby_takes_up_contexts, 0, 2);
	tcase_add_test(tc, rows_of_contexts_go);
	tcase_add_test(tc, a_demoted_one_forgets);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
