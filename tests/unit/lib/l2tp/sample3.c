// SPDX-License-Identifier: Apache-2.0
/*
 * As sample.c, for L2TPv3: values that only it has, and its own writer.
 */
#include "sample3.h"

#define NONCE_SENDER "abcdefghijklmnop"
#define NONCE_RECEIVER "ponmlkjihgfedcba"

struct l2tp3_auth
sample3_auth(bool of_sender)
{
	static struct l2tp3_keys keys;
	const struct span sender = span_of(NONCE_SENDER, 16),
			  receiver = span_of(NONCE_RECEIVER, 16);

	l2tp3_keys_of(sample_secret(), &keys);
	return (struct l2tp3_auth){ .keys = &keys,
				    .n = 1,
				    .local = of_sender ? sender : receiver,
				    .remote = of_sender ? receiver : sender };
}

static struct span
literal(unsigned attr)
{
#define V(TEXT) span_of(TEXT, sizeof(TEXT) - 1)
	switch (attr) {
	case AVP_EXTENDED_VENDOR:
		return V("\x00\x01\x86\xa0\x00\x01"
			 "extended");
	case AVP_ROUTER_ID:
		return V("\xc0\x00\x02\x01");
	case AVP_ASSIGNED_CONNECTION:
		return V("\x0d\x0d\x0d\x0d");
	case AVP_PW_CAPABILITIES:
		return V("\x00\x07\x00\x05");
	case AVP_LOCAL_SESSION:
		return V("\x11\x11\x11\x11");
	case AVP_REMOTE_SESSION:
		return V("\x22\x22\x22\x22");
	case AVP_ASSIGNED_COOKIE:
		return V("\x01\x02\x03\x04\x05\x06\x07\x08");
	case AVP_REMOTE_END:
		return V("pw42"); /* four octets, as PPP wants; tshark takes them for text */
	case AVP_PW_TYPE:
		return V("\x00\x07");
	case AVP_L2_SUBLAYER:
		return V("\x00\x01");
	case AVP_DATA_SEQUENCING:
		return V("\x00\x02");
	case AVP_CIRCUIT_STATUS:
		return V("\x00\x03");
	case AVP_PREFERRED_LANGUAGE:
		return V("en");
	case AVP_NONCE:
		return V(NONCE_SENDER);
	case AVP_TX_SPEED:
	case AVP_RX_SPEED:
		return V("\x00\x00\x00\x02\x54\x0b\xe4\x00");
	case AVP_CALL_ERRORS:
		return V("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
			 "\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04");
	case AVP_TUNNEL_RECOVERY:
	case AVP_FAILOVER_SESSION:
		return V("\x00\x00\x11\x11\x11\x11\x22\x22\x22\x22");
	default:
		return span_of(NULL, 0);
	}
#undef V
}

struct span
sample3_value(unsigned attr)
{
	const struct span v = literal(attr);
	return v.p ? v : sample_value(attr);
}

avpset
sample3_attrs(const struct msg_row *row, enum sample_kind kind)
{
	return sample_attrs(row, kind) & ~avpset_of(AVP_MESSAGE_DIGEST);
}

struct span
sample3_message(unsigned type, enum sample_kind kind, struct l2tp3_digests digests,
		uint8_t buf[SAMPLE_MAX])
{
	const struct msg_row *row = msg3_row(type);
	const struct l2tp3_auth auth = sample3_auth(true);
	struct wr w = wr_of(buf, SAMPLE_MAX);
	struct l2tp_wr m;

	l2tp3_msg_begin(&m, &w, (enum l2tp_type)type, type == L2TP_SCCRQ ? 0 : SAMPLE3_CONNECTION,
			digests);
	if (kind == SAMPLE_HIDDEN)
		l2tp_msg_hide(&m, span_of(auth.keys->hiding, L2TP3_KEY),
			      span_of("0123456789abcdef", 16), 8);
	for (unsigned a = 1; a < AVP_TYPES; a++) {
		const struct span v = sample3_value(a);

		if (sample3_attrs(row, kind) & avpset_of(a))
			l2tp_avp_bytes(&m, (enum l2tp_avp)a, v.p, v.len);
	}
	if (!l2tp_msg_end(&m, 7, 9) || (digests.n && !l2tp3_seal(buf, wr_len(&w), &auth)))
		return span_of(NULL, 0);
	return wr_span(&w);
}
