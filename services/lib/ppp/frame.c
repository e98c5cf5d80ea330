// SPDX-License-Identifier: Apache-2.0
/*
 * The PPP frame codec: see frame.h for the pictures.  Bounds are the cursor's business; nothing here
 * knows what an option means.
 */
#include "ppp/frame.h"

#define ADDRESS 0xff /* RFC 1662, 3.1: all stations, unnumbered information */
#define CONTROL 0x03
#define HEADER 4

bool
ppp_frame_read(struct span in, struct ppp_frame *out)
{
	struct rd r;

	if (in.len == 0)
		return false;
	r = rd_of(in.p, in.len);
	if (in.len >= 2 && in.p[0] == ADDRESS && in.p[1] == CONTROL)
		rd_take(&r, 2);
	out->proto = rd_u8(&r);
	if (!(out->proto & 1)) /* RFC 1661, 6.5: an odd first octet is the whole field */
		out->proto = (uint16_t)(out->proto << 8 | rd_u8(&r));
	out->info = rd_rest(&r);
	return r.ok;
}

bool
ppp_packet_read(struct span info, struct ppp_packet *out)
{
	struct rd r = rd_of(info.p, info.len);
	uint16_t len;

	out->code = rd_u8(&r);
	out->id = rd_u8(&r);
	len = rd_u16(&r);
	if (!r.ok || len < HEADER)
		return false;
	out->data = rd_span(&r, len - HEADER);
	out->whole = span_of(info.p, len);
	return r.ok;
}

bool
ppp_option_next(struct rd *in, struct ppp_option *out)
{
	const uint8_t *at = in->p;
	uint8_t len;

	if (rd_left(in) == 0)
		return false;
	out->type = rd_u8(in);
	len = rd_u8(in);
	if (len < 2)
		in->ok = false;
	if (!in->ok)
		return false;
	out->value = rd_span(in, len - 2);
	out->whole = span_of(at, len);
	return in->ok;
}

bool
ppp_options_fine(struct span options)
{
	struct rd r = rd_of(options.p, options.len);
	struct ppp_option o;

	while (ppp_option_next(&r, &o))
		;
	return r.ok;
}

void
ppp_option_write(struct wr *w, uint8_t type, const void *value, size_t len)
{
	wr_u8(w, type);
	wr_u8(w, (uint8_t)(len + 2));
	wr_bytes(w, value, len);
}

void
ppp_option_write_u16(struct wr *w, uint8_t type, uint16_t value)
{
	uint8_t b[2];

	put_u16(b, value);
	ppp_option_write(w, type, b, sizeof b);
}

void
ppp_option_write_u32(struct wr *w, uint8_t type, uint32_t value)
{
	uint8_t b[4];

	put_u32(b, value);
	ppp_option_write(w, type, b, sizeof b);
}

const char *
ppp_proto_name(uint16_t proto)
{
	switch (proto) {
#define PROTO(NUMBER, ID, NAME, RFC) case NUMBER: return NAME;
#include "ppp/names.def"
	}
	return "unknown";
}

const char *
ppp_code_name(uint8_t code)
{
	switch (code) {
#define CODE(NUMBER, ID, NAME, RFC) case NUMBER: return NAME;
#include "ppp/names.def"
	}
	return "unknown";
}

const char *
ppp_opt_name(uint16_t proto, uint8_t type)
{
	switch ((uint32_t)proto << 8 | type) {
#define OPT(PROTOCOL, NUMBER, ID, NAME, RFC) case (uint32_t)PPP_##PROTOCOL << 8 | NUMBER: return NAME;
#include "ppp/names.def"
	}
	return "unknown";
}
