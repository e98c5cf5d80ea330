// SPDX-License-Identifier: Apache-2.0
/* The populated packet path that the fuzz targets share: every kind of session there is. */
#ifndef DATA_PLANE_WORLD_H
#define DATA_PLANE_WORLD_H

#include <stdio.h>

#include "../../unit/data-plane/fixture.h"

#define LAC "203.0.113.9"

FX struct dp *
world(void)
{
	static const unsigned kinds[] = { CALL_PLAIN, CALL_SEQ_REQUIRED, CALL_SEQ_LNS,
					  CALL_LAC,   CALL_NOT_UP,	 CALL_PLAIN };
	struct conf *conf = fx_conf();
	struct dp *dp;
	char v4[32], v6[48];
	uint16_t t, s;
	uint32_t below;

	conf->data.punt_session_pps = conf->data.punt_tunnel_pps = conf->data.punt_peer_pps = 0;
	conf->data.workers = 2;
	dp = fx_dp(conf, 0);
	free(conf);
	dp_ns_role(dp, true, 1);
	fx_tunnel(dp, 7, 70, LAC, true);
	for (uint16_t i = 0; i < 12; i++) {
		snprintf(v4, sizeof v4, "10.0.0.%u", i);
		snprintf(v6, sizeof v6, "2001:db8:1:%x::", i);
		fx_call(dp, 7, i, (uint16_t)(100 + i), kinds[i % 6]);
		if (i % 6 != 5)
			fx_sub(dp, 7, i,
			       (struct fx_sub){ .v4 = v4,
						.v6 = v6,
						.pd = i & 1 ? "2001:db8:2::" : NULL,
						.pd_len = 48,
						.route = "172.16.0.0",
						.route_len = 12,
						.mtu = 1000u + i * 40,
						.acfc = i & 1,
						.pfc = i & 2,
						.client = i == 10 });
	}
	while (dp_ns_wanted(dp, &t, &s, &below))
		dp_ns_committed(dp, t, s, below);
	return dp;
}

/* Everything that the path made can be read to its last octet. */
FX void
read_all(const struct dp *dp)
{
	const struct dp_out *out = dp_out(dp);
	volatile uint8_t sum = 0;

	for (unsigned i = 0; i < out->frames; i++) {
		if (out->frame[i].len < 6 || out->frame[i].p[0] & 0x80 ||
		    (out->frame[i].p[1] & 15) != 2)
			abort();
		for (uint32_t k = 0; k < out->frame[i].len; k++)
			sum = (uint8_t)(sum + out->frame[i].p[k]);
	}
	for (unsigned i = 0; i < out->packets; i++) {
		for (size_t k = 0; k < out->packet[i].len; k++)
			sum = (uint8_t)(sum + out->packet[i].p[k]);
	}
}

#endif
