// SPDX-License-Identifier: Apache-2.0
/* See outer.h. */
#include "outer.h"

#include "../../unit/data-plane/fixture.h"
#include "trunk.h"

/* A trunk that multiplexes and does not compress. */
static void
session_up(struct dp *dp, enum outer kind)
{
	static Row__Trunk trunk = ROW__TRUNK__INIT;
	Row__HeaderlessData draft05 = ROW__HEADERLESS_DATA__INIT;
	const bool lean = kind != OUTER_L2TPV2;

	draft05.ip_protocol = 200;
	trunk.mux_send = true;
	trunk.mux_send_pid = CRTP_PPP_COMPRESSED_UDP_8;
	trunk.mux_time_us = 1000;
	if (kind == OUTER_L2TPV3_IP)
		fx_tunnel3(dp, 1, "203.0.113.1", true);
	else
		fx_tunnel(dp, 1, 2, "203.0.113.1", false);
	if (kind == OUTER_L2TPV2)
		fx_call(dp, 1, 1, 1, CALL_PLAIN);
	else
		fx_call_form(dp, 1, 1, (struct fx_form){ .peer_id = 1, .headerless = kind == OUTER_L2TPHC ? &draft05 : NULL });
	fx_sub(dp, 1, 1, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492, .pfc = lean, .acfc = lean, .trunk = &trunk });
}

unsigned
outer_octets(enum outer kind)
{
	static uint8_t room[DP_HEADROOM + 256];
	struct dp_packet k = { room + DP_HEADROOM, 0 };
	struct conf *conf = fx_conf();
	struct dp *dp = fx_dp(conf, 0);
	struct dp_verdict v;
	unsigned around;

	session_up(dp, kind);
	for (unsigned i = 0; i < 2; i++) {
		k.len = fx_ip4(k.p, "198.51.100.1", "10.0.0.1", IP_UDP, 40);
		dp_down(dp, NOW, &k, 1, &v);
	}
	dp_trunk_timer(dp, NOW + MONO_MS);
	if (dp_out(dp)->frames != 1)
		abort();
	around = 20 + (dp_out(dp)->frame[0].ip_protocol ? 0 : 8) + dp_out(dp)->frame[0].len;
	around -= (unsigned)trunk_stats(dp_trunk(dp, 1, 1))->octets_out;
	dp_free(dp);
	free(conf);
	return around;
}
