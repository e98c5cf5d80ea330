// SPDX-License-Identifier: Apache-2.0
/*
 * One's complement sums (RFC 1071) in the byte order of memory: the sum does not care, so octets
 * are taken as they lie, eight at a time, and a field that is known as a number is brought into
 * that order with `lay16`.
 */
#ifndef TWIN_CRTP_SUM_H
#define TWIN_CRTP_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/*
 * So many octets that only the call knows.  The compiler makes a `rep movs` of memcpy where it sees that there are few, which
 * takes thirty cycles to begin with, and waits for memory with nothing else under way.
 */
static inline void
copy_some(void *to, const void *from, size_t n)
{
	memmove(to, from, n);
}

/* Adds with the carry brought round, so that nothing is lost however long the packet. */
static inline uint64_t
sum_carry(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

/* Four words at once: a chain of carries, which C has no word for. */
static inline uint64_t
sum_32_octets(uint64_t sum, const uint8_t *p)
{
#if defined __x86_64__
	__asm__("addq 0(%1), %0\n\t"
		"adcq 8(%1), %0\n\t"
		"adcq 16(%1), %0\n\t"
		"adcq 24(%1), %0\n\t"
		"adcq $0, %0"
		: "+r"(sum)
		: "r"(p), "m"(*(const uint8_t(*)[32])p)
		: "cc");
	return sum;
#else
	for (unsigned i = 0; i < 32; i += 8)
		sum = sum_carry(sum, mem64(p + i));
	return sum;
#endif
}

/* The octets from an even place on; an odd last one is padded with zero. */
static inline uint64_t
sum_octets(uint64_t sum, const uint8_t *p, size_t n)
{
	for (; n >= 32; n -= 32, p += 32)
		sum = sum_32_octets(sum, p);
	if (n & 16) {
		sum = sum_carry(sum_carry(sum, mem64(p)), mem64(p + 8));
		p += 16;
	}
	if (n & 8) {
		sum = sum_carry(sum, mem64(p));
		p += 8;
	}
	if (!(n & 7))
		return sum;
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

/* Adding a word to itself with its halves exchanged leaves the folded sum in the upper half. */
static inline uint16_t
sum_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/*
 * Is it 0xffff when folded, as a right checksum and all it covers are?  Folding keeps the remainder
 * by 65535, and a sum that is not zero never folds to zero; a remainder of zero is one
 * multiplication to see.
 */
static inline bool
sum_right(uint64_t sum)
{
	return sum % 65535 == 0 && sum != 0;
}

#endif
