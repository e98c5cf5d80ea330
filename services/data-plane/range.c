// SPDX-License-Identifier: Apache-2.0
/* Ranges of addresses as prefixes.  See kernel.h. */
#include <string.h>

#include "kernel.h"

typedef unsigned __int128 u128;

static u128
number(const struct ip_addr *a)
{
	u128 v = 0;

	for (size_t i = 0; i < ip_addr_len(a); i++)
		v = v << 8 | a->b[i];
	return v;
}

static struct ip_addr
address(u128 v, uint8_t family)
{
	struct ip_addr a = { .family = family };

	for (size_t i = ip_addr_len(&a); i-- > 0; v >>= 8)
		a.b[i] = (uint8_t)v;
	return a;
}

unsigned
kernel_range(const struct ip_addr *first, const struct ip_addr *last, struct ip_prefix *out,
	     unsigned room)
{
	unsigned width = 8 * (unsigned)ip_addr_len(first), n = 0;
	u128 at = number(first), end = number(last);

	if (width == 0 || first->family != last->family)
		return 0;
	while (n < room && at <= end) {
		unsigned bits = 0;
		/* The largest block that begins here and ends in time. */
		while (bits < width && !(at >> bits & 1) && (at | (((u128)2 << bits) - 1)) <= end)
			bits++;
		out[n++] =
		    (struct ip_prefix){ address(at, first->family), (uint8_t)(width - bits) };
		if (bits == width || at + ((u128)1 << bits) <= at)
			break;
		at += (u128)1 << bits;
	}
	return n;
}
