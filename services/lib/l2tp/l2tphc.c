// SPDX-License-Identifier: Apache-2.0
/*
 * L2TPHC: offers, what comes of them, and packets.  draft-ietf-l2tpext-l2tphc-03 and -05, 3 and 4.
 */
#include "l2tp/l2tphc.h"
#include "l2tp/rows.h"

#define BIT_P 0x80
#define BIT_I 0x40
#define BIT_J 0x20
#define RESERVED 0x1f

const struct l2tphc_numbers l2tphc_draft_05 = { 9, 0, 1, 2 };
const struct l2tphc_numbers l2tphc_draft_03 = { 9, 1, 2, 3 };

/* ---- offers ------------------------------------------------------------------------------ */

/* -03: No-Header stands only behind an id of no octets; PPP-Protocol only behind No-Header.  -05:
 * there is no id. */
static bool
offer_makes_sense(const struct l2tphc_numbers *n, const struct l2tphc_offer *o)
{
	if (o->has_protocol && !o->no_header)
		return false;
	if (n->assigned_session == 0)
		return o->no_header && !o->has_session;
	if (!o->has_session || o->id_octets > 2 || (o->no_header && o->id_octets > 0))
		return false;
	return o->session <= (o->id_octets == 2 ? 0xffff : o->id_octets == 1 ? 0xff : 0);
}

void
l2tphc_offer_write(struct l2tp_wr *m, const struct l2tphc_numbers *n,
		   const struct l2tphc_offer *offer)
{
	uint8_t b[2];

	if (!offer_makes_sense(n, offer)) {
		m->ok = false;
		return;
	}
	put_u16(b, offer->session);
	if (offer->has_session)
		l2tp_avp_raw(m, n->vendor, n->assigned_session, false, false,
			     b + 2 - offer->id_octets, offer->id_octets);
	if (offer->no_header)
		l2tp_avp_raw(m, n->vendor, n->no_header, false, false, NULL, 0);
	put_u16(b, offer->protocol);
	if (offer->has_protocol)
		l2tp_avp_raw(m, n->vendor, n->ppp_protocol, false, false, b, 2);
}

/* Takes one AVP that is next to those before it, as both drafts order them. */
static bool
take_avp(const struct l2tphc_numbers *n, const struct avp_head *a, struct l2tphc_offer *o)
{
	const struct span v = a->value;

	if (n->assigned_session && a->type == n->assigned_session && v.len <= 2 &&
	    !o->has_session) {
		o->has_session = true;
		o->id_octets = (uint8_t)v.len;
		for (size_t i = 0; i < v.len; i++)
			o->session = (uint16_t)(o->session << 8 | v.p[i]);
		return true;
	}
	if (a->type == n->no_header && v.len == 0 && !o->no_header)
		return o->no_header = true;
	if (a->type == n->ppp_protocol && v.len == 2 && o->no_header && !o->has_protocol) {
		o->protocol = get_u16(v.p);
		return o->has_protocol = true;
	}
	return false;
}

bool
l2tphc_offer_read(const struct l2tp_msg *m, const struct l2tphc_numbers *n,
		  struct l2tphc_offer *out)
{
	struct rd in = rd_of(m->body.p, m->body.len);
	struct avp_head a;

	*out = (struct l2tphc_offer){ 0 };
	while (rd_left(&in) > 0 && l2tp_avp_next(&in, &a) == L2TP_OK) {
		if (a.vendor != n->vendor || a.h || a.reserved)
			continue;
		if (a.type != n->no_header && a.type != n->ppp_protocol &&
		    (n->assigned_session == 0 || a.type != n->assigned_session))
			continue;
		if (!take_avp(n, &a, out))
			return false; /* another draft's, or out of order: no offer at all */
	}
	return offer_makes_sense(n, out);
}

bool
l2tphc_agree(const struct l2tphc_offer *sent, const struct l2tphc_offer *received,
	     struct l2tphc_form *out)
{
	const bool bare = sent->no_header && received->no_header;

	*out = (struct l2tphc_form){ 0 };
	if (!bare && !(sent->has_session && received->has_session))
		return false;
	out->header = !bare;
	out->send_octets = received->id_octets;
	out->send_session = received->session;
	out->receive_octets = sent->id_octets;
	out->receive_session = sent->session;
	out->bare = bare && sent->has_protocol && received->has_protocol &&
		    sent->protocol == received->protocol;
	out->protocol = out->bare ? sent->protocol : 0;
	return true;
}

/* ---- packets ----------------------------------------------------------------------------- */

bool
l2tphc_read(struct span packet, bool header, struct l2tphc_packet *out)
{
	struct rd in = rd_of(packet.p, packet.len);
	const uint8_t bits = header ? rd_u8(&in) : 0;

	*out = (struct l2tphc_packet){ .priority = bits & BIT_P };
	if (bits & RESERVED || (bits & BIT_J && !(bits & BIT_I)))
		return false;
	if (bits & BIT_J)
		out->session = rd_u16(&in);
	else if (bits & BIT_I)
		out->session = rd_u8(&in);
	out->frame = rd_rest(&in);
	return in.ok;
}

/* The frame behind its protocol field, which is of one octet where that is odd (RFC 1661 6.5). */
static bool
ppp_open(struct span frame, uint16_t *protocol, struct span *payload)
{
	struct rd in = rd_of(frame.p, frame.len);

	if (frame.len >= 2 && frame.p[0] == 0xff && frame.p[1] == 0x03)
		rd_u16(&in);
	*protocol = rd_u8(&in);
	if (!(*protocol & 1))
		*protocol = (uint16_t)(*protocol << 8 | rd_u8(&in));
	*payload = rd_rest(&in);
	return in.ok;
}

bool
l2tphc_fits(const struct l2tphc_form *form, struct span frame, struct span *body)
{
	uint16_t protocol;

	*body = frame;
	if (!form->bare)
		return frame.len > 0;
	return ppp_open(frame, &protocol, body) && protocol == form->protocol && body->len > 0;
}

void
l2tphc_write(struct wr *w, const struct l2tphc_form *form, bool priority)
{
	static const uint8_t id_bits[] = { 0, BIT_I, BIT_I | BIT_J };

	if (!form->header)
		return;
	wr_u8(w, (uint8_t)((priority ? BIT_P : 0) | id_bits[form->send_octets]));
	if (form->send_octets == 1)
		wr_u8(w, (uint8_t)form->send_session);
	else if (form->send_octets == 2)
		wr_u16(w, form->send_session);
}
