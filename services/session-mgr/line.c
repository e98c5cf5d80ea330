// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 5515 in, RFC 4679 out.  The attribute numbers are the same, most values too:
 *
 *	rates		64 bits in L2TP, 32 in RADIUS: a faster line says 4294967295
 *	IWF-Session	a number in L2TP; in RADIUS its presence says yes, and it has no value
 */
#include "line.h"

#define VENDOR_DSL_FORUM 3561
#define VENDOR_SPECIFIC 26
#define AVP_HEADER 6

enum kind { TEXT, RATE, OCTETS, FLAG };

static const struct {
	uint16_t type;
	enum kind kind;
	uint8_t len; /* octets of the value in L2TP, of a text the most */
} rows[] = {
	/* RFC 5515, RFC 4679 */
	{ 1, TEXT, 63 },   /* 5.1   3.3.1   Agent-Circuit-Id */
	{ 2, TEXT, 63 },   /* 5.2   3.3.2   Agent-Remote-Id */
	{ 129, RATE, 8 },  /* 5.3   3.3.3   Actual-Data-Rate-Upstream */
	{ 130, RATE, 8 },  /* 5.4   3.3.4   Actual-Data-Rate-Downstream */
	{ 144, OCTETS, 3 }, /* 5.17  3.3.17  Access-Loop-Encapsulation */
	{ 254, FLAG, 4 },  /* 5.19  3.3.18  IWF-Session */
};

#define ROWS (sizeof rows / sizeof rows[0])

static void
put(struct wr *w, uint16_t type, const void *value, size_t len)
{
	wr_u8(w, VENDOR_SPECIFIC);
	wr_u8(w, (uint8_t)(8 + len));
	wr_u32(w, VENDOR_DSL_FORUM);
	wr_u8(w, (uint8_t)type);
	wr_u8(w, (uint8_t)(2 + len));
	wr_bytes(w, value, len);
}

static void
put_rate(struct wr *w, uint16_t type, struct span value)
{
	struct rd r = rd_of(value.p, value.len);
	const uint64_t bps = rd_u64(&r);
	uint8_t b[4];

	put_u32(b, bps > UINT32_MAX ? UINT32_MAX : (uint32_t)bps);
	put(w, type, b, sizeof b);
}

static void
convert(struct wr *w, unsigned row, struct span v)
{
	struct rd r = rd_of(v.p, v.len);

	if (rows[row].kind == TEXT ? v.len == 0 || v.len > rows[row].len : v.len != rows[row].len)
		return;
	if (rows[row].kind == RATE)
		put_rate(w, rows[row].type, v);
	else if (rows[row].kind != FLAG)
		put(w, rows[row].type, v.p, v.len);
	else if (rd_u32(&r))
		put(w, rows[row].type, "", 0);
}

size_t
line_radius(struct span avps, uint8_t out[LINE_RADIUS_MAX])
{
	struct rd r = rd_of(avps.p, avps.len);
	struct wr w = wr_of(out, LINE_RADIUS_MAX);
	unsigned seen = 0;

	while (rd_left(&r) >= AVP_HEADER) {
		const uint16_t len = rd_u16(&r) & 0x3ff, vendor = rd_u16(&r), type = rd_u16(&r);
		const struct span value = rd_span(&r, len >= AVP_HEADER ? len - AVP_HEADER : 0);

		if (!r.ok || len < AVP_HEADER)
			break;
		for (unsigned i = 0; vendor == VENDOR_DSL_FORUM && i < ROWS; i++) {
			if (rows[i].type != type || (seen & 1u << i))
				continue;
			seen |= 1u << i;
			convert(&w, i, value);
		}
	}
	return w.ok ? wr_len(&w) : 0;
}
