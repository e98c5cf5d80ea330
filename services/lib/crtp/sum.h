// SPDX-License-Identifier: Apache-2.0
/*
 * One's complement sums (RFC 1071) in the byte order of memory: the sum does not care, so octets are taken as
 * they lie, eight at a time, and a field that is known as a number is brought into that order with `lay16`.
 */
#ifndef TWIN_CRTP_SUM_H
#define TWIN_CRTP_SUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SUM_RIGHT 0xffff /* what a right checksum and all it covers sum up to */

static inline uint16_t
lay16(uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap16(v);
#else
	return v;
#endif
}

static inline uint32_t
lay32(uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap32(v);
#else
	return v;
#endif
}

static inline uint16_t
mem16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint32_t
mem32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint64_t
mem64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* Adds with the carry brought round, so that nothing is lost however long the packet. */
static inline uint64_t
sum_carry(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

/* The octets from an even place on; an odd last one is padded with zero. */
static inline uint64_t
sum_octets(uint64_t sum, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8)
		sum = sum_carry(sum, mem64(p));
	if (n & 4) {
		sum = sum_carry(sum, mem32(p));
		p += 4;
	}
	if (n & 2) {
		sum = sum_carry(sum, mem16(p));
		p += 2;
	}
	if (n & 1) {
		uint8_t last[2] = { *p, 0 };
		sum = sum_carry(sum, mem16(last));
	}
	return sum;
}

static inline uint16_t
sum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

#endif
