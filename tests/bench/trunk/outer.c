// SPDX-License-Identifier: Apache-2.0
/* See outer.h. */
#include "outer.h"

#include "../../unit/data-plane/fixture.h"
#include "trunk.h"

/* A trunk that multiplexes and does not compress: a single packet travels as it is. */
static void
session_up(struct dp *dp, enum outer kind)
{
	static Row__Trunk trunk = ROW__TRUNK__INIT;

	trunk.mux_send = true;
	trunk.mux_send_pid = CRTP_PPP_COMPRESSED_UDP_8;
	fx_tunnel(dp, 1, 2, "203.0.113.1", false);
	fx_call(dp, 1, 1, 1, CALL_PLAIN);
	fx_sub(dp, 1, 1, (struct fx_sub){ .v4 = "10.0.0.1", .mtu = 1492, .trunk = &trunk });
}

unsigned
outer_octets(enum outer kind)
{
	static uint8_t room[DP_HEADROOM + 256];
	struct dp_packet k = { room + DP_HEADROOM, fx_ip4(room + DP_HEADROOM, "198.51.100.1", "10.0.0.1", IP_UDP, 40) };
	struct conf *conf = fx_conf();
	struct dp *dp = fx_dp(conf, 0);
	struct dp_verdict v;
	unsigned around;

	session_up(dp, kind);
	dp_down(dp, NOW, &k, 1, &v);
	if (dp_out(dp)->frames != 1)
		abort();
	around = 20 + 8 + dp_out(dp)->frame[0].len - k.len;
	dp_free(dp);
	free(conf);
	return around;
}
