// SPDX-License-Identifier: Apache-2.0
/*
 * A datagram from a LAC.  First octet: the outer header's TOS.  Whatever is forwarded is a whole
 * packet with a good header, from inside the datagram; whatever is dropped has a reason.  A frame for the
 * link lies in the datagram, or is one of those that came in a multiplexed frame: apart from it, and whole.
 */
#include "world.h"

static bool
inside(const struct dp_verdict *v, const struct dp_datagram *d)
{
	return v->p >= d->p && v->p + v->len <= d->p + d->len;
}

static bool
apart(const struct dp_verdict *v, const struct dp_datagram *d)
{
	return v->len >= 2 && (v->p + v->len <= d->p || v->p >= d->p + d->len);
}

/* All of them are there at once: none may lie over another. */
static void
links(const struct dp *dp, const struct dp_datagram *d, const struct dp_verdict *first)
{
	const struct dp_out *out = dp_out(dp);
	volatile uint8_t sum = 0;

	if (out->links && first->act != DP_PUNT_LINK)
		abort();
	for (unsigned i = 0; i < out->links; i++) {
		const struct dp_verdict *v = &out->link[i].v, *before = i ? &out->link[i - 1].v : first;
		if (v->act != DP_PUNT_LINK || out->link[i].ends != d->ends || v->session != first->session ||
		    !apart(v, d) || (v->p < before->p + before->len && before->p < v->p + v->len))
			abort();
		for (uint32_t k = 0; k < v->len; k++)
			sum = (uint8_t)(sum + v->p[k]);
	}
}

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
	if (v.act == DP_FORWARD && !inside(&v, &d))
		abort();
	if (v.act == DP_PUNT_LINK && !inside(&v, &d) && !apart(&v, &d))
		abort();
	links(dp, &d, &v);
	if (v.act == DP_FORWARD &&
	    (v.p[0] >> 4 == 4 ? !fx_ip4_good(v.p) || get_u16(v.p + 2) != v.len
			      : v.p[0] >> 4 != 6 || get_u16(v.p + 4) + 40u != v.len))
		abort();
	if (len > 4)
		dp_inject(dp, 7, data[1] % 12, span_of(data + 1, len - 1));
	free(p);
	return 0;
}
