// SPDX-License-Identifier: Apache-2.0
/* What messages say of a call: numbers, speeds, proxy LCP and authentication, the access line, why
 * it ended. */
#include <string.h>

#include "call.h"

static void
take_octets(const struct l2tp_msg *m, enum l2tp_avp a, ProtobufCBinaryData *out)
{
	struct span s;

	if (l2tp_msg_span(m, a, &s))
		*out = (ProtobufCBinaryData){ s.len, (uint8_t *)(uintptr_t)s.p };
}

static void
take_u16(const struct l2tp_msg *m, enum l2tp_avp a, uint32_t *out)
{
	uint16_t v;

	if (l2tp_msg_u16(m, a, &v))
		*out = v;
}

/* L2TPv3's have 64 bits; what is shown and told to AAA has 32. */
static void
take_speed(const struct l2tp_msg *m, enum l2tp_avp a, uint32_t *out)
{
	uint64_t v;

	if (m->v3 && l2tp_msg_u64(m, a, &v))
		*out = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

static void
take_text(const struct l2tp_msg *m, enum l2tp_avp a, char buffer[NUMBER_MAX], char **out)
{
	if (!l2tp_msg_text(m, a, buffer, NUMBER_MAX))
		return;
	clean_text(buffer);
	*out = buffer;
}

/* RFC 5515: the access line's AVPs, put together again as they came. */
static void
take_access_line(struct tc *tc, const struct l2tp_msg *m, ProtobufCBinaryData *out)
{
	uint8_t *octets;
	size_t need = 0;
	struct wr w;

	for (unsigned i = 0; i < m->vendors; i++) {
		if (m->vendor[i].vendor == L2TP_VENDOR_ADSL_FORUM)
			need += L2TP_AVP_HEADER + m->vendor[i].value.len;
	}
	if (need == 0 || !(octets = arena_alloc(&tc->arena, need)))
		return;
	w = wr_of(octets, need);
	for (unsigned i = 0; i < m->vendors; i++) {
		const struct l2tp_vendor_avp *a = &m->vendor[i];
		if (a->vendor != L2TP_VENDOR_ADSL_FORUM)
			continue;
		wr_u16(&w, (uint16_t)(L2TP_AVP_HEADER + a->value.len));
		wr_u16(&w, a->vendor);
		wr_u16(&w, a->type);
		wr_bytes(&w, a->value.p, a->value.len);
	}
	*out = (ProtobufCBinaryData){ wr_len(&w), octets };
}

void
call_take_info(struct tc *tc, const struct l2tp_msg *m, Row__CallInfo *i,
	       struct number_texts *texts)
{
	take_text(m, AVP_CALLED_NUMBER, texts->called, &i->called);
	take_text(m, AVP_CALLING_NUMBER, texts->calling, &i->calling);
	take_text(m, AVP_SUB_ADDRESS, texts->sub, &i->sub_address);
	l2tp_msg_u32(m, AVP_TX_CONNECT_SPEED, &i->tx_bps);
	l2tp_msg_u32(m, AVP_RX_CONNECT_SPEED, &i->rx_bps);
	l2tp_msg_u32(m, AVP_FRAMING_TYPE, &i->framing);
	l2tp_msg_u32(m, AVP_BEARER_TYPE, &i->bearer);
	l2tp_msg_u32(m, AVP_PHYSICAL_CHANNEL, &i->physical_channel);
	l2tp_msg_u32(m, AVP_MINIMUM_BPS, &i->min_bps);
	l2tp_msg_u32(m, AVP_MAXIMUM_BPS, &i->max_bps);
	take_octets(m, AVP_PRIVATE_GROUP, &i->private_group);
	take_octets(m, AVP_INITIAL_RX_CONFREQ, &i->init_rcvd_lcp);
	take_octets(m, AVP_LAST_TX_CONFREQ, &i->last_sent_lcp);
	take_octets(m, AVP_LAST_RX_CONFREQ, &i->last_rcvd_lcp);
	take_speed(m, AVP_TX_SPEED, &i->tx_bps);
	take_speed(m, AVP_RX_SPEED, &i->rx_bps);
	take_u16(m, AVP_PROXY_AUTHEN_TYPE, &i->proxy_auth_type);
	take_octets(m, AVP_PROXY_AUTHEN_NAME, &i->proxy_auth_name);
	take_octets(m, AVP_PROXY_AUTHEN_CHALLENGE, &i->proxy_auth_challenge);
	take_u16(m, AVP_PROXY_AUTHEN_ID, &i->proxy_auth_id);
	i->proxy_auth_id &= 0xff; /* RFC 2661, 4.4.5: the high octet is reserved */
	take_octets(m, AVP_PROXY_AUTHEN_RESPONSE, &i->proxy_auth_response);
	if (l2tp_msg_has(m, AVP_SPEED_UPDATE_ENABLE))
		i->speed_updates = true;
	take_access_line(tc, m, &i->access_line);
}

static void
copy_text(char *out, size_t cap, struct span s)
{
	size_t n = s.len < cap - 1 ? s.len : cap - 1;

	if (n)
		memcpy(out, s.p, n);
	out[n] = 0;
	clean_text(out);
}

void
call_read_cdn(const struct l2tp_msg *m, struct told *out)
{
	struct l2tp_result r;
	struct l2tp_q931 q;
	struct l2tp_disconnect d;

	*out = (struct told){ .why = verdict_of(FAULT_CALL_PEER), .cause.text = out->text };
	if (l2tp_msg_result(m, &r)) {
		out->why.result = r.result;
		out->why.error = r.error;
		copy_text(out->why.text, sizeof out->why.text, r.message);
	}
	if (l2tp_msg_q931(m, &q))
		out->cause.q931 = q.cause;
	if (l2tp_msg_disconnect(m, &d)) {
		out->cause.code = d.code;
		out->cause.proto = d.protocol;
		out->cause.direction = d.direction;
		copy_text(out->text, sizeof out->text, d.message);
	}
}
