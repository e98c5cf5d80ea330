// SPDX-License-Identifier: Apache-2.0
/*
 * A packet from the TUN.  The first ten octets are the kernel's header (struct virtio_net_hdr);
 * what it says is not trusted.  Whatever leaves is a frame for the right tunnel, no larger than its
 * link takes.
 */
#include "world.h"
#include "gso.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
one(struct dp *dp, uint8_t *p, uint32_t len)
{
	struct dp_packet k = { p, len };
	struct dp_verdict v;
	uint16_t t, s;
	uint32_t below;

	dp_down(dp, NOW, &k, 1, &v);
	read_all(dp);
	if (v.tunnel == 7 && (v.act == DP_FORWARD) != (dp_out(dp)->frames > 0)) /* trunks may wait */
		abort();
	for (unsigned i = 0; i < dp_out(dp)->frames; i++) {
		const struct dp_frame *f = &dp_out(dp)->frame[i];
		if (f->tunnel < 7 || f->tunnel > 12 || f->len > 1500 + 24)
			abort();
	}
	while (dp_ns_wanted(dp, &t, &s, &below))
		dp_ns_committed(dp, t, s, below);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct dp *dp;
	struct virtio_net_hdr h;
	struct gso g;

	if (!dp)
		dp = world();
	if (len < sizeof h || len > 65535)
		return 0;
	memcpy(&h, data, sizeof h);
	len -= sizeof h;
	uint8_t *p = malloc(64 + len), *part = malloc(64 + 65536);
	memcpy(p + 64, data + sizeof h, len);
	if (gso_open(&g, &h, p + 64, (uint32_t)len)) {
		if (g.kind == GSO_WHOLE)
			one(dp, p + 64, (uint32_t)len);
		for (uint32_t n, parts = 0; (n = gso_next_len(&g)) > 0 && parts < 20; parts++) {
			gso_next(&g, part + 64);
			one(dp, part + 64, n);
		}
	}
	free(p);
	free(part);
	return 0;
}
