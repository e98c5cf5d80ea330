// SPDX-License-Identifier: Apache-2.0
/*
 * Any octets as a packet of L2TPv3 over IP and over UDP, and as one of L2TPHC.  The first octet
 * says what form the session has: bit 0 UDP, bit 1 sublayer, bits 2 and 3 the cookie, bit 4 an
 * L2TPHC header.  What was read is written again and must be read as the same.
 */
#include <stdlib.h>

#include "l2tp/l2tp3.h"
#include "l2tp/l2tphc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t buf[1 << 21];

static void
must(bool so)
{
	if (!so)
		abort();
}

static void
data_again(uint32_t session, const struct l2tp3_form *form, const struct l2tp3_data *d)
{
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp3_data back;
	struct span rest;
	uint32_t id;

	l2tp3_data_write(&w, form, session, d->has_seq, d->seq);
	must(wr_len(&w) == l2tp3_data_header_len(form));
	wr_bytes(&w, d->payload.p, d->payload.len);
	must(w.ok && l2tp3_split(wr_span(&w), form->udp, &id, &rest) == L2TP3_DATA);
	must(id == session && l2tp3_data_read(rest, form, &back) == L2TP3_DATA_OK);
	must(back.has_seq == d->has_seq && back.seq == d->seq && span_eq(back.payload, d->payload));
}

static void
try_l2tpv3(struct span packet, uint8_t kind)
{
	struct l2tp3_form form = { .udp = kind & 1,
				   .sublayer = kind & 2,
				   .cookie_len = (uint8_t)((kind >> 2 & 3) % 3 * 4),
				   .cookie = "cookie7" };
	struct l2tp3_data d;
	struct span rest;
	uint32_t session;

	if (l2tp3_split(packet, form.udp, &session, &rest) != L2TP3_DATA)
		return;
	must(session != 0);
	must(rest.p + rest.len == packet.p + packet.len);
	/* The right cookie is not to be guessed: half of the inputs are given theirs. */
	if (kind & 0x20 && rest.len >= form.cookie_len)
		memcpy(form.cookie, rest.p, form.cookie_len);
	if (l2tp3_data_read(rest, &form, &d) == L2TP3_DATA_OK) {
		must(l2tp3_ppp(d.payload).len <= d.payload.len);
		data_again(session, &form, &d);
	}
}

static void
try_l2tphc(struct span packet, bool header)
{
	const struct l2tphc_form bare = { .bare = true, .protocol = 0x59 };
	struct l2tphc_packet p, back;
	struct span body;

	if (l2tphc_fits(&bare, packet, &body))
		must(body.len > 0 && body.p + body.len == packet.p + packet.len);
	if (!l2tphc_read(packet, header, &p))
		return;
	const struct l2tphc_form form = { .header = header,
					  .send_octets = header ? 2 : 0,
					  .send_session = p.session };
	struct wr w = wr_of(buf, sizeof buf);
	l2tphc_write(&w, &form, p.priority);
	wr_bytes(&w, p.frame.p, p.frame.len);
	must(w.ok && l2tphc_read(wr_span(&w), header, &back));
	must(back.session == p.session && back.priority == p.priority &&
	     span_eq(back.frame, p.frame));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	try_l2tpv3(span_of(data + 1, size - 1), data[0]);
	try_l2tphc(span_of(data + 1, size - 1), data[0] & 0x10);
	return 0;
}
