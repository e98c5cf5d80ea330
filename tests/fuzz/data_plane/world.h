// SPDX-License-Identifier: Apache-2.0
/* The populated packet path that the fuzz targets share: every kind of session there is. */
#ifndef DATA_PLANE_WORLD_H
#define DATA_PLANE_WORLD_H

#include <stdio.h>

#include "../../unit/data-plane/fixture.h"

#define LAC "203.0.113.9"
#define HC_PEER(n) (n == 10 ? "203.0.113.10" : n == 11 ? "203.0.113.11" : "203.0.113.12")

/*
 * Beside tunnel 7: L2TPv3 over UDP (8) and over IP (9) with the same peer, every fourth session a trunk; L2TPHC of
 * draft -05, bare and not (10, 11), and of -03 (12), each with a peer of its own.
 */
FX void
world_apart(struct dp *dp)
{
	static Row__HeaderCompression ecrtp = ROW__HEADER_COMPRESSION__INIT;
	static Row__Trunk trunk = ROW__TRUNK__INIT;
	char v4[32];

	ecrtp.rtp = 2;
	ecrtp.tcp_space = 15;
	ecrtp.non_tcp_space = 255;
	ecrtp.f_max_period = 256;
	ecrtp.max_header = 168;
	trunk.send4 = trunk.recv4 = trunk.send6 = trunk.recv6 = &ecrtp;
	trunk.mux_send = trunk.mux_recv = true;
	trunk.mux_send_pid = trunk.mux_recv_pid = 0x67;
	fx_tunnel3(dp, 8, LAC, false);
	fx_tunnel3(dp, 9, LAC, true);
	for (uint16_t i = 0; i < 24; i++) {
		const uint16_t t = i & 1 ? 9 : 8;
		fx_call_form(dp, t, i, (struct fx_form){ .peer_id = 0x10000u + i, .cookie = 4u * (i % 3), .peer_cookie = 4u * (i % 3),
							 .sublayer = i & 4, .peer_sublayer = i & 4, .sequencing = i / 8u,
							 .peer_sequencing = i / 8u, .circuit_down = i == 17, .not_up = i == 16 });
		snprintf(v4, sizeof v4, "10.0.%u.%u", t, i);
		fx_sub(dp, t, i, (struct fx_sub){ .v4 = v4, .mtu = 1400, .pfc = i & 1, .trunk = i % 8 > 5 ? &trunk : NULL });
	}
	for (uint16_t t = 10; t <= 12; t++) {
		Row__HeaderlessData hc = ROW__HEADERLESS_DATA__INIT;
		hc.ip_protocol = t == 12 ? 200 : 0;
		hc.bare = t == 10;
		hc.protocol = t == 10 ? 0x59 : 0;
		hc.header = t == 12;
		hc.receive_octets = hc.send_octets = hc.header ? 2 : 0;
		fx_tunnel(dp, t, 1000, HC_PEER(t), false);
		for (uint16_t i = 2; i <= (t == 12 ? 6 : 2); i += 2) {
			hc.receive_session = hc.send_session = hc.header ? i : 0;
			fx_call_form(dp, t, i, (struct fx_form){ .peer_id = i, .headerless = &hc });
			snprintf(v4, sizeof v4, "10.0.%u.%u", t, i);
			fx_sub(dp, t, i, (struct fx_sub){ .v4 = v4, .mtu = 1400, .trunk = i == 2 ? &trunk : NULL });
		}
	}
}

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
	world_apart(dp);
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
		const struct dp_frame *f = &out->frame[i];
		if (f->ip_protocol ? f->ip_protocol != 115 && f->ip_protocol != 200
				   : f->len < 6 || f->p[0] & 0x80 || (f->p[1] & 15) != (f->tunnel == 8 ? 3 : 2))
			abort();
		for (uint32_t k = 0; k < f->len; k++)
			sum = (uint8_t)(sum + f->p[k]);
	}
	for (unsigned i = 0; i < out->packets; i++) {
		for (size_t k = 0; k < out->packet[i].len; k++)
			sum = (uint8_t)(sum + out->packet[i].p[k]);
	}
}

#endif
