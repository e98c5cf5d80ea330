// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 2508, 3.3.4: the default coding of differences.
 *
 *	-16384 .. -129     C0 00 00 .. C0 3F 7F	 3 octets: value + 16384
 *	  -128 .. -1       80 00 .. 80 7F	 2 octets: value + 128
 *	     0 .. 127      00 .. 7F		 1 octet
 *	   128 .. 16383    80 80 .. BF FF	 2 octets: value
 *	 16384 .. 4194303  C0 40 00 .. FF FF FF	 3 octets: value
 */
#ifndef TWIN_CRTP_DELTA_H
#define TWIN_CRTP_DELTA_H

#include "wire/wire.h"

#define DELTA_MIN (-16384)
#define DELTA_MAX 4194303
#define DELTA_OCTETS 3 /* of the longest */

static inline bool
delta_fits(int32_t v)
{
	return v >= DELTA_MIN && v <= DELTA_MAX;
}

/* Writes up to DELTA_OCTETS at p; where it ended.  The value must fit. */
static inline uint8_t *
delta_write(uint8_t *p, int32_t v)
{
	if (v >= 0 && v < 128) {
		*p = (uint8_t)v;
		return p + 1;
	}
	if (v >= -128 && v < 16384) {
		put_u16(p, (uint16_t)(0x8000 + (v < 0 ? v + 128 : v)));
		return p + 2;
	}
	v = v < 0 ? v - DELTA_MIN : v;
	p[0] = (uint8_t)(0xc0 | v >> 16);
	put_u16(p + 1, (uint16_t)v);
	return p + 3;
}

static inline int32_t
delta_read(struct rd *in)
{
	uint8_t first = rd_u8(in);
	int32_t v;

	if (first < 0x80)
		return first;
	if (first < 0xc0) {
		v = (first & 0x3f) << 8 | rd_u8(in);
		return v < 128 ? v - 128 : v;
	}
	v = (first & 0x3f) << 16;
	v |= rd_u16(in);
	return v < 16384 ? v + DELTA_MIN : v;
}

#endif
