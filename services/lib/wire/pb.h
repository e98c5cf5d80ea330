// SPDX-License-Identifier: Apache-2.0
/*
 * The wire form of protobuf under a cursor: varints, tags, lengths.  Who reads many small messages
 * reads them in place with these (bus/records.c, base/message.c); what they accept, protobuf-c
 * accepts and sees alike.
 */
#ifndef TWIN_PB_H
#define TWIN_PB_H

#include "wire/wire.h"

enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_OCTETS = 2, PB_FIXED32 = 5 };

#define PB_TAG(FIELD, WIRE) ((FIELD) << 3 | (WIRE))

static inline uint64_t
pb_varint_long(struct rd *in)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = rd_u8(in);
		v |= shift < 64 ? (uint64_t)(b & 0x7f) << shift : 0;
		if (!(b & 0x80))
			return v;
	}
	in->ok = false;
	return 0;
}

/* Nearly all are one octet long. */
static inline uint64_t
pb_varint(struct rd *in)
{
	if (in->p < in->end && !(*in->p & 0x80))
		return *in->p++;
	return pb_varint_long(in);
}

/* At most five octets, as protobuf-c has it. */
static inline uint64_t
pb_tag(struct rd *in)
{
	const uint8_t *start = in->p;
	uint64_t tag = pb_varint(in);

	in->ok = in->ok && in->p - start <= 5;
	return tag;
}

static inline struct span
pb_octets(struct rd *in)
{
	uint64_t n = pb_varint(in);

	if (n > rd_left(in)) {
		in->ok = false;
		return span_of(NULL, 0);
	}
	return rd_span(in, n);
}

static inline void
pb_skip(struct rd *in, unsigned wire)
{
	if (wire == PB_VARINT)
		pb_varint(in);
	else if (wire == PB_FIXED64)
		rd_take(in, 8);
	else if (wire == PB_OCTETS)
		pb_octets(in);
	else if (wire == PB_FIXED32)
		rd_take(in, 4);
	else
		in->ok = false;
}

static inline size_t
pb_varint_len(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

/* The caller made room: ten octets at most. */
static inline uint8_t *
pb_put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

#endif
