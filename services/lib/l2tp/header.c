// SPDX-License-Identifier: Apache-2.0
/*
 * The L2TPv2 header of data and control messages: RFC 2661 3.1.
 */
#include "l2tp/l2tp.h"

enum l2tp_fault
l2tp_hdr_read(struct span packet, struct l2tp_hdr *out, struct span *payload)
{
	struct rd in = rd_of(packet.p, packet.len);
	const uint16_t bits = rd_u16(&in);
	size_t end = packet.len;

	*out = (struct l2tp_hdr){
		.control = bits & L2TP_BIT_T,
		.has_len = bits & L2TP_BIT_L,
		.has_seq = bits & L2TP_BIT_S,
		.has_offset = bits & L2TP_BIT_O,
		.priority = bits & L2TP_BIT_P,
		.version = bits & L2TP_VERSION,
		.reserved = bits & L2TP_RESERVED,
	};
	*payload = span_of(packet.p, 0);
	if (out->has_len)
		end = rd_u16(&in);
	out->tunnel = rd_u16(&in);
	out->session = rd_u16(&in);
	if (out->has_seq) {
		out->ns = rd_u16(&in);
		out->nr = rd_u16(&in);
	}
	if (out->has_offset)
		out->offset = rd_u16(&in);
	const size_t fixed = packet.len - rd_left(&in);
	out->size = fixed + out->offset;

	if (packet.len >= 2 && out->version != 2)
		return L2TP_BAD_VERSION;
	if (!in.ok)
		return L2TP_TRUNCATED;
	if (end > packet.len)
		return L2TP_LENGTH_BEYOND;
	if (end < fixed)
		return L2TP_LENGTH_SHORT;
	if (end < out->size)
		return L2TP_OFFSET_BEYOND;
	*payload = span_of(packet.p + out->size, end - out->size);
	return L2TP_OK;
}

static uint16_t
header_bits(const struct l2tp_hdr *h)
{
	return (uint16_t)((h->control ? L2TP_BIT_T : 0) | (h->has_len ? L2TP_BIT_L : 0) |
			  (h->has_seq ? L2TP_BIT_S : 0) | (h->has_offset ? L2TP_BIT_O : 0) |
			  (h->priority ? L2TP_BIT_P : 0) | 2);
}

static size_t
header_size(const struct l2tp_hdr *h)
{
	return 6 + (h->has_len ? 2u : 0) + (h->has_seq ? 4u : 0) +
	       (h->has_offset ? 2u + h->offset : 0);
}

void
l2tp_hdr_write(struct wr *w, const struct l2tp_hdr *h, size_t payload_len)
{
	const size_t total = header_size(h) + payload_len;

	if (h->has_len && total > UINT16_MAX) {
		w->ok = false;
		return;
	}
	wr_u16(w, header_bits(h));
	if (h->has_len)
		wr_u16(w, (uint16_t)total);
	wr_u16(w, h->tunnel);
	wr_u16(w, h->session);
	if (h->has_seq) {
		wr_u16(w, h->ns);
		wr_u16(w, h->nr);
	}
	if (h->has_offset) {
		wr_u16(w, h->offset);
		uint8_t *pad = wr_room(w, h->offset);
		if (pad)
			memset(pad, 0, h->offset);
	}
}

void
l2tp_zlb_write(struct wr *w, uint16_t tunnel, uint16_t ns, uint16_t nr)
{
	const struct l2tp_hdr h = { .control = true,
				    .has_len = true,
				    .has_seq = true,
				    .tunnel = tunnel,
				    .ns = ns,
				    .nr = nr };

	l2tp_hdr_write(w, &h, 0);
}

/* A control header is always T, L, S and no offset: its fields stand at fixed places. */
void
l2tp_msg_set_nr(uint8_t *msg, uint16_t nr)
{
	put_u16(msg + 10, nr);
}

void
l2tp_msg_set_seq(uint8_t *msg, uint16_t ns, uint16_t nr)
{
	put_u16(msg + 8, ns);
	l2tp_msg_set_nr(msg, nr);
}
