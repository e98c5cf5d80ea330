// SPDX-License-Identifier: Apache-2.0
/*
 * What is not L2TPv2.  First octet: the outer header's TOS; second: who sent it and how.  Whatever is forwarded or
 * punted lies in the packet, or in the worker's own octets; whatever is dropped has a reason.
 */
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct dp_ends
sender(uint8_t how)
{
	switch (how % 6) {
	case 0:
		return fx_ends(LAC);
	case 1:
		return fx_ends_ip(LAC, 115);
	case 2:
		return fx_ends_ip(HC_PEER(10), 115);
	case 3:
		return fx_ends_ip(HC_PEER(11), 115);
	case 4:
		return fx_ends_ip(HC_PEER(12), 200);
	default:
		return fx_ends_ip(HC_PEER(12), 115);
	}
}

static void
packet_good(const uint8_t *p, size_t len)
{
	if (p[0] >> 4 == 4 ? !fx_ip4_good(p) || get_u16(p + 2) != len : p[0] >> 4 != 6 || get_u16(p + 4) + 40u != len)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct dp *dp;
	static mono_t now = NOW;
	struct dp_verdict v;

	if (!dp)
		dp = world();
	if (len < 2 || len > 65535)
		return 0;
	struct dp_ends ends = sender(data[1]);
	uint8_t *p = malloc(64 + len);
	memcpy(p + 64, data + 2, len - 2);
	struct dp_datagram d = { p + 64, (uint32_t)len - 2, data[0], &ends };
	(ends.ip_protocol ? dp_up_ip : dp_up)(dp, now, &d, 1, &v);
	read_all(dp);
	if (v.act == DP_DROP && (v.reason == DP_OK || v.reason >= DP_DROPS))
		abort();
	if ((v.act == DP_FORWARD || v.act == DP_PUNT_TUNNEL) && (v.p < d.p || v.p + v.len > d.p + d.len))
		abort();
	if (v.act == DP_HAND && ends.ip_protocol)
		abort();
	if (v.act == DP_FORWARD)
		packet_good(v.p, v.len);
	for (unsigned i = 0; i < dp_out(dp)->packets; i++)
		packet_good(dp_out(dp)->packet[i].p, dp_out(dp)->packet[i].len);
	if (len > 4)
		dp_inject(dp, (uint16_t)(8 + data[2] % 5), data[3] % 24, span_of(data + 2, len - 2));
	now += MONO_MS;
	dp_trunk_timer(dp, now);
	read_all(dp);
	free(p);
	return 0;
}
