// SPDX-License-Identifier: Apache-2.0
/*
 * Values are of the kind that a peer would send where a decoder looks inside (numbers, result
 * codes, LCP options), and octets counted up from the attribute's number elsewhere.
 */
#include "sample.h"

struct span
sample_secret(void)
{
	return span_of("secret", 6);
}

static struct span
literal(unsigned attr)
{
#define V(TEXT) span_of(TEXT, sizeof(TEXT) - 1)
	switch (attr) {
	case AVP_RESULT_CODE:
		return V("\x00\x02\x00\x06"
			 "because");
	case AVP_PROTOCOL_VERSION:
		return V("\x01\x00");
	case AVP_FRAMING_CAPABILITIES:
	case AVP_BEARER_CAPABILITIES:
	case AVP_BEARER_TYPE:
	case AVP_FRAMING_TYPE:
		return V("\x00\x00\x00\x03");
	case AVP_HOST_NAME:
		return V("lac1.example");
	case AVP_VENDOR_NAME:
		return V("sample");
	case AVP_RECEIVE_WINDOW:
		return V("\x00\x08");
	case AVP_Q931_CAUSE:
		return V("\x00\x10\x45"
			 "bye");
	case AVP_CALLED_NUMBER:
	case AVP_CALLING_NUMBER:
	case AVP_SUB_ADDRESS:
		return V("5551234");
	case AVP_TX_CONNECT_SPEED:
	case AVP_RX_CONNECT_SPEED:
	case AVP_MINIMUM_BPS:
	case AVP_MAXIMUM_BPS:
		return V("\x00\x98\x96\x80");
	case AVP_INITIAL_RX_CONFREQ:
	case AVP_LAST_TX_CONFREQ:
	case AVP_LAST_RX_CONFREQ:
	case AVP_LNS_LAST_TX_CONFREQ:
	case AVP_LNS_LAST_RX_CONFREQ:
	case AVP_LCP_WANT_OPTIONS:
	case AVP_LCP_ALLOW_OPTIONS:
		return V("\x01\x04\x05\xd4\x03\x04\xc0\x23\x05\x06\x01\x02\x03\x04");
	case AVP_PROXY_AUTHEN_TYPE:
		return V("\x00\x03");
	case AVP_PROXY_AUTHEN_NAME:
		return V("user@example");
	case AVP_PROXY_AUTHEN_ID:
		return V("\x00\x05");
	case AVP_PRIVATE_GROUP:
	case AVP_SERVICE_NAME:
		return V("group-a");
	case AVP_PPP_DISCONNECT:
		return V("\x00\x03\xc0\x21\x02"
			 "terminated");
	case AVP_FAILOVER_CAPABILITY:
		return V("\x00\x03\x00\x00\x75\x30");
	case AVP_TUNNEL_RECOVERY:
	case AVP_FAILOVER_SESSION:
		return V("\x00\x00\x00\x00\x01\x01\x00\x00\x02\x01");
	case AVP_SUGGESTED_SEQUENCE:
		return V("\x00\x00\x00\x03\x00\x64");
	case AVP_NEW_OUTGOING:
	case AVP_NEW_OUTGOING_ACK:
	case AVP_WITHDRAW_OUTGOING:
		return V("\x00\x01\x00\x02\x00\x03");
	case AVP_MULTICAST_PRIORITY:
		return V("\x00\x02");
	case AVP_MODEM_HOLD_STATUS:
		return V("\x80\x05");
	case AVP_SPEED_UPDATE:
		return V("\x00\x00\x03\x04\x01\x31\x2d\x00\x00\x1e\x84\x80");
	default:
		return span_of(NULL, 0);
	}
#undef V
}

struct span
sample_value(unsigned attr)
{
	static uint8_t b[64];
	const struct avp_row *row = avp_row(attr);
	const struct span v = literal(attr);

	if (v.p || !row)
		return v;
	const size_t n = row->shape == SHAPE_FIX ? row->octets : row->octets + 16u;
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(attr + i);
	return span_of(b, n);
}

avpset
sample_attrs(const struct msg_row *row, enum sample_kind kind)
{
	const avpset set = kind == SAMPLE_LEAST ? row->must : row->must | row->may;

	return set & ~(avpset_of(AVP_MESSAGE_TYPE) | avpset_of(AVP_RANDOM_VECTOR));
}

static void
hide(struct l2tp_wr *m)
{
	l2tp_msg_hide(m, sample_secret(), span_of("0123456789abcdef", 16), 8);
}

struct span
sample_message(unsigned type, enum sample_kind kind, uint8_t buf[SAMPLE_MAX])
{
	const struct msg_row *row = msg_row(type);
	const bool session = row->scope == SCOPE_SESSION;
	struct wr w = wr_of(buf, SAMPLE_MAX);
	struct l2tp_wr m;

	l2tp_msg_begin(&m, &w, (enum l2tp_type)type, SAMPLE_TUNNEL, session ? SAMPLE_SESSION : 0);
	if (kind == SAMPLE_HIDDEN)
		hide(&m);
	for (unsigned a = 1; a < AVP_TYPES; a++) {
		const struct span v = sample_value(a);

		if (sample_attrs(row, kind) & avpset_of(a))
			l2tp_avp_bytes(&m, (enum l2tp_avp)a, v.p, v.len);
	}
	return l2tp_msg_end(&m, 7, 9) ? wr_span(&w) : span_of(NULL, 0);
}

struct span
sample_access_line(bool hidden, uint8_t buf[SAMPLE_MAX])
{
	struct wr w = wr_of(buf, SAMPLE_MAX);
	struct l2tp_wr m;

	l2tp_msg_begin(&m, &w, L2TP_ICRQ, SAMPLE_TUNNEL, 0);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, SAMPLE_SESSION);
	l2tp_avp_u32(&m, AVP_CALL_SERIAL, 1);
	if (hidden)
		hide(&m);
	for (enum l2tp_line a = 0; a < LINE_ATTRS; a++) {
		if (l2tp_line_info[a].kind == LINE_NUMBER)
			l2tp_avp_line_number(&m, a, a == LINE_IWF_SESSION ? 1 : 1000000u + a);
		else if (a == LINE_LOOP_ENCAPSULATION)
			l2tp_avp_line(&m, a, "\x01\x02\x05", 3);
		else if (a == LINE_LINE_TYPE)
			l2tp_avp_line(&m, a, "\x05\x00\x00\x00", 4);
		else
			l2tp_avp_line(&m, a, "dslam7 eth 3/0:100", 18);
	}
	return l2tp_msg_end(&m, 7, 9) ? wr_span(&w) : span_of(NULL, 0);
}
