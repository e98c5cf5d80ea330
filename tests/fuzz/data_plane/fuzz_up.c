// SPDX-License-Identifier: Apache-2.0
/*
 * A datagram from a LAC.  First octet: the outer header's TOS.  Whatever is forwarded is a whole
 * packet with a good header, from inside the datagram; whatever is dropped has a reason.
 */
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct dp *dp;
	struct dp_ends ends = fx_ends(LAC);
	struct dp_verdict v;

	if (!dp)
		dp = world();
	if (len < 1 || len > 65535)
		return 0;
	uint8_t *p = malloc(64 + len);
	memcpy(p + 64, data + 1, len - 1);
	struct dp_datagram d = { p + 64, (uint32_t)len - 1, data[0], &ends };
	dp_up(dp, NOW, &d, 1, &v);
	read_all(dp);
	if (v.act == DP_DROP && (v.reason == DP_OK || v.reason >= DP_DROPS))
		abort();
	if (v.act == DP_FORWARD || v.act == DP_PUNT_LINK) {
		if (v.p < d.p || v.p + v.len > d.p + d.len)
			abort();
	}
	if (v.act == DP_FORWARD &&
	    (v.p[0] >> 4 == 4 ? !fx_ip4_good(v.p) || get_u16(v.p + 2) != v.len
			      : v.p[0] >> 4 != 6 || get_u16(v.p + 4) + 40u != v.len))
		abort();
	if (len > 4)
		dp_inject(dp, 7, data[1] % 12, span_of(data + 1, len - 1));
	free(p);
	return 0;
}
