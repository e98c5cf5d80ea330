// SPDX-License-Identifier: Apache-2.0
/*
 * Up, of L2TPv3 (RFC 3931), over UDP and straight over IP protocol 115.
 *
 * A control message is punted whole: over UDP as it is, over IP with the four zero octets of its
 * session id in front.
 */
#include "dp_int.h"

#include "l2tp/l2tp3.h"

/* A header that is whole; what it says is tunnel-ctl's to judge. */
static void
control(struct dp *dp, mono_t now, const struct dp_datagram *d, struct span message,
	struct dp_verdict *v)
{
	struct l2tp_hdr h;
	struct span avps;

	if (l2tp3_hdr_read(message, &h, &avps) != L2TP_OK) {
		up_drop(dp, NULL, v, DP_DROP_CONTROL);
		return;
	}
	v->tunnel = h.connection;
	punt_control(dp, now, d, h.connection, v);
}

static void
up_any(struct dp *dp, mono_t now, const struct dp_datagram *d, bool udp, struct dp_verdict *v)
{
	uint32_t id;
	struct span rest;

	v->tunnel = 0;
	v->session = 0;
	switch (l2tp3_split(span_of(d->p, d->len), udp, &id, &rest)) {
	case L2TP3_CONTROL:
		control(dp, now, d, rest, v);
		break;
	case L2TP3_DATA:
		up_drop(dp, NULL, v, DP_DROP_NO_SESSION);
		break;
	default:
		up_drop(dp, NULL, v, DP_DROP_SHORT);
	}
}

void
up_v3(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_verdict *v)
{
	up_any(dp, now, d, true, v);
}

void
dp_up_ip(struct dp *dp, mono_t now, const struct dp_datagram *in, unsigned n,
	 struct dp_verdict *verdict)
{
	out_reset(dp);
	dp->count[DP_COUNT_UP_DATAGRAMS] += n;
	for (unsigned i = 0; i < n; i++)
		up_any(dp, now, &in[i], false, &verdict[i]);
}
