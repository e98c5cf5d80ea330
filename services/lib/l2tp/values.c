// SPDX-License-Identifier: Apache-2.0
/*
 * What the AVPs of a decoded message say: plain numbers, and the composite values of RFC
 * 2661 4.4.2, 4.4.4, 4.4.6, RFC 3145 2, RFC 3931 5.4.5, RFC 4951 5 and RFC 5515 6.1.  Lengths were
 * checked by the reader; where an RFC lets a value be longer, the rest is its text.
 */
#include "l2tp/l2tp.h"

bool
l2tp_msg_span(const struct l2tp_msg *m, enum l2tp_avp a, struct span *out)
{
	if (!l2tp_msg_has(m, a))
		return false;
	*out = m->avp[a];
	return true;
}

/* A cursor over a value that is there and has at least `octets`. */
static bool
value_at_least(const struct l2tp_msg *m, enum l2tp_avp a, size_t octets, struct rd *out)
{
	if (!l2tp_msg_has(m, a) || m->avp[a].len < octets)
		return false;
	*out = rd_of(m->avp[a].p, m->avp[a].len);
	return true;
}

bool
l2tp_msg_u16(const struct l2tp_msg *m, enum l2tp_avp a, uint16_t *out)
{
	struct rd in;

	if (!value_at_least(m, a, 2, &in))
		return false;
	*out = rd_u16(&in);
	return true;
}

bool
l2tp_msg_u32(const struct l2tp_msg *m, enum l2tp_avp a, uint32_t *out)
{
	struct rd in;

	if (!value_at_least(m, a, 4, &in))
		return false;
	*out = rd_u32(&in);
	return true;
}

bool
l2tp_msg_u64(const struct l2tp_msg *m, enum l2tp_avp a, uint64_t *out)
{
	struct rd in;

	if (!value_at_least(m, a, 8, &in))
		return false;
	*out = rd_u64(&in);
	return true;
}

bool
l2tp_msg_text(const struct l2tp_msg *m, enum l2tp_avp a, char *out, size_t cap)
{
	if (!l2tp_msg_has(m, a) || cap == 0)
		return false;
	const struct span v = m->avp[a];
	const size_t n = v.len < cap - 1 ? v.len : cap - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = v.p[i] < 0x20 || v.p[i] == 0x7f ? '?' : (char)v.p[i];
	out[n] = 0;
	return true;
}

bool
l2tp_msg_result(const struct l2tp_msg *m, struct l2tp_result *out)
{
	struct rd in;

	if (!value_at_least(m, AVP_RESULT_CODE, 2, &in))
		return false;
	*out = (struct l2tp_result){ .result = rd_u16(&in), .has_error = rd_left(&in) >= 2 };
	if (out->has_error)
		out->error = rd_u16(&in);
	out->message = out->has_error ? rd_rest(&in) : span_of(in.p, 0);
	return true;
}

bool
l2tp_msg_q931(const struct l2tp_msg *m, struct l2tp_q931 *out)
{
	struct rd in;

	if (!value_at_least(m, AVP_Q931_CAUSE, 3, &in))
		return false;
	*out = (struct l2tp_q931){ .cause = rd_u16(&in), .msg = rd_u8(&in) };
	out->advisory = rd_rest(&in);
	return true;
}

bool
l2tp_msg_disconnect(const struct l2tp_msg *m, struct l2tp_disconnect *out)
{
	struct rd in;

	if (!value_at_least(m, AVP_PPP_DISCONNECT, 5, &in))
		return false;
	out->code = rd_u16(&in);
	out->protocol = rd_u16(&in);
	out->direction = rd_u8(&in);
	out->message = rd_rest(&in);
	return true;
}

bool
l2tp_msg_call_errors(const struct l2tp_msg *m, struct l2tp_call_errors *out)
{
	struct rd in;

	if (!value_at_least(m, AVP_CALL_ERRORS, m->v3 ? 18 : 26, &in))
		return false;
	const bool whole = rd_left(&in) >= 26; /* the diagram of RFC 3931 5.4.5 begins later */
	rd_u16(&in);			       /* reserved */
	out->crc = whole ? rd_u32(&in) : 0;
	out->framing = whole ? rd_u32(&in) : 0;
	out->hardware_overruns = rd_u32(&in);
	out->buffer_overruns = rd_u32(&in);
	out->timeouts = rd_u32(&in);
	out->alignment = rd_u32(&in);
	return true;
}

bool
l2tp_msg_accm(const struct l2tp_msg *m, struct l2tp_accm *out)
{
	struct rd in;

	if (!value_at_least(m, AVP_ACCM, 10, &in))
		return false;
	rd_u16(&in); /* reserved */
	out->send = rd_u32(&in);
	out->receive = rd_u32(&in);
	return true;
}

bool
l2tp_msg_failover(const struct l2tp_msg *m, struct l2tp_failover *out)
{
	struct rd in;

	if (!value_at_least(m, AVP_FAILOVER_CAPABILITY, 6, &in))
		return false;
	const uint16_t bits = rd_u16(&in);
	*out = (struct l2tp_failover){ .control = bits & 1, .data = bits & 2 };
	out->recovery_ms = rd_u32(&in);
	return true;
}

/* RFC 4951 5.2, 5.4: the L2TPv2 forms carry 16-bit ids behind 16 reserved bits each, those of
 * L2TPv3 have 32 bits. */
static uint32_t
reserved_u16(struct rd *in)
{
	rd_u16(in);
	return rd_u16(in);
}

static uint32_t
failover_id(const struct l2tp_msg *m, struct rd *in)
{
	return m->v3 ? rd_u32(in) : reserved_u16(in);
}

bool
l2tp_msg_recovery(const struct l2tp_msg *m, struct l2tp_recovery *out)
{
	struct rd in;

	if (!value_at_least(m, AVP_TUNNEL_RECOVERY, 10, &in))
		return false;
	rd_u16(&in); /* reserved */
	out->tunnel = failover_id(m, &in);
	out->remote = failover_id(m, &in);
	return true;
}

bool
l2tp_msg_scs(const struct l2tp_msg *m, struct l2tp_scs *out)
{
	struct rd in;

	if (!value_at_least(m, AVP_SUGGESTED_SEQUENCE, 6, &in))
		return false;
	rd_u16(&in); /* reserved */
	out->ns = rd_u16(&in);
	out->nr = rd_u16(&in);
	return true;
}

bool
l2tp_msg_fss(const struct l2tp_msg *m, size_t *at, struct l2tp_fss *out)
{
	struct span v;

	if (!l2tp_msg_each(m, AVP_FAILOVER_SESSION, at, &v))
		return false;
	struct rd in = rd_of(v.p, v.len);
	rd_u16(&in); /* reserved */
	out->session = failover_id(m, &in);
	out->remote = failover_id(m, &in);
	return true;
}

bool
l2tp_msg_speed_update(const struct l2tp_msg *m, size_t *at, struct l2tp_speed_update *out)
{
	struct span v;

	if (!l2tp_msg_each(m, AVP_SPEED_UPDATE, at, &v))
		return false;
	struct rd in = rd_of(v.p, v.len);
	out->remote_session = (uint16_t)reserved_u16(&in);
	out->tx_bps = rd_u32(&in);
	out->rx_bps = rd_u32(&in);
	return true;
}
