// SPDX-License-Identifier: Apache-2.0
/*
 * The packets of L2TPv3: over IP and over UDP, the control message header, and data with cookie and
 * sublayer.  RFC 3931 3.2, 4.1, 4.5, 4.6.
 */
#include "l2tp/l2tp3.h"

#define SUBLAYER_S 0x40000000u

enum l2tp3_kind
l2tp3_split(struct span packet, bool udp, uint32_t *session, struct span *rest)
{
	struct rd in = rd_of(packet.p, packet.len);
	const uint16_t bits = udp ? rd_u16(&in) : 0;

	*session = 0;
	*rest = packet;
	if (udp && bits & L2TP_BIT_T)
		return L2TP3_CONTROL;
	if (udp && (bits & L2TP_VERSION) != 3)
		return L2TP3_NEITHER;
	if (udp)
		rd_u16(&in); /* reserved */
	*session = rd_u32(&in);
	*rest = rd_rest(&in);
	if (!in.ok || (udp && *session == 0))
		return L2TP3_NEITHER;
	return *session == 0 ? L2TP3_CONTROL : L2TP3_DATA;
}

void
l2tp3_control_prefix(struct wr *w, bool udp)
{
	if (!udp)
		wr_u32(w, 0);
}

/* RFC 3931 3.2.1: T, L and S must be there; O and P of L2TPv2 are reserved bits now. */
static enum l2tp_fault
check_header(const struct l2tp_hdr *h)
{
	if (h->version != 3 && !(h->version == 2 && h->connection == 0))
		return L2TP_BAD_VERSION;
	if (!h->control)
		return L2TP_NOT_CONTROL;
	if (!h->has_len)
		return L2TP_NO_LENGTH;
	return h->has_seq ? L2TP_OK : L2TP_NO_SEQUENCE;
}

enum l2tp_fault
l2tp3_hdr_read(struct span message, struct l2tp_hdr *out, struct span *avps)
{
	struct rd in = rd_of(message.p, message.len);
	const uint16_t bits = rd_u16(&in);
	const size_t end = rd_u16(&in);

	*out = (struct l2tp_hdr){
		.control = bits & L2TP_BIT_T,
		.has_len = bits & L2TP_BIT_L,
		.has_seq = bits & L2TP_BIT_S,
		.version = bits & L2TP_VERSION,
		.reserved = bits & (L2TP_RESERVED | L2TP_BIT_O | L2TP_BIT_P),
		.connection = rd_u32(&in),
		.size = L2TP_CONTROL_HEADER,
	};
	out->ns = rd_u16(&in);
	out->nr = rd_u16(&in);
	*avps = span_of(message.p, 0);
	if (!in.ok)
		return L2TP_TRUNCATED;
	const enum l2tp_fault fault = check_header(out);
	if (fault != L2TP_OK)
		return fault;
	if (end > message.len)
		return L2TP_LENGTH_BEYOND;
	if (end < out->size)
		return L2TP_LENGTH_SHORT;
	*avps = span_of(message.p + out->size, end - out->size);
	return L2TP_OK;
}

void
l2tp3_hdr_write(struct wr *w, uint32_t connection, uint16_t ns, uint16_t nr, size_t avps_len)
{
	const size_t total = L2TP_CONTROL_HEADER + avps_len;

	if (total > UINT16_MAX) {
		w->ok = false;
		return;
	}
	wr_u16(w, L2TP_BIT_T | L2TP_BIT_L | L2TP_BIT_S | 3);
	wr_u16(w, (uint16_t)total);
	wr_u32(w, connection);
	wr_u16(w, ns);
	wr_u16(w, nr);
}

void
l2tp3_zlb_write(struct wr *w, uint32_t connection, uint16_t ns, uint16_t nr)
{
	l2tp3_hdr_write(w, connection, ns, nr, 0);
}

/* ---- data -------------------------------------------------------------------------------- */

/* The cookie guards against guessing: no early end (RFC 3931 8.2). */
static bool
cookie_differs(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= a[i] ^ b[i];
	return diff != 0;
}

enum l2tp3_data_fault
l2tp3_data_read(struct span rest, const struct l2tp3_form *form, struct l2tp3_data *out)
{
	struct rd in = rd_of(rest.p, rest.len);
	const struct span cookie = rd_span(&in, form->cookie_len);
	const uint32_t word = form->sublayer ? rd_u32(&in) : 0;

	*out = (struct l2tp3_data){ .has_seq = word & SUBLAYER_S };
	if (!in.ok)
		return L2TP3_DATA_TRUNCATED;
	if (form->cookie_len && cookie_differs(cookie.p, form->cookie, cookie.len))
		return L2TP3_DATA_COOKIE;
	out->seq = out->has_seq ? word & 0xffffff : 0;
	out->payload = rd_rest(&in);
	return L2TP3_DATA_OK;
}

void
l2tp3_data_write(struct wr *w, const struct l2tp3_form *form, uint32_t session, bool has_seq,
		 uint32_t seq)
{
	if (form->udp)
		wr_u32(w, 3u << 16);
	wr_u32(w, session);
	wr_bytes(w, form->cookie, form->cookie_len);
	if (form->sublayer)
		wr_u32(w, has_seq ? SUBLAYER_S | (seq & 0xffffff) : 0);
}

size_t
l2tp3_data_header_len(const struct l2tp3_form *form)
{
	return 4u + (form->udp ? 4u : 0) + form->cookie_len + (form->sublayer ? 4u : 0);
}
