// SPDX-License-Identifier: Apache-2.0
/*
 * The receiver of RFC 3153, 1.3.  A length that cannot be right spoils what follows it, never what
 * came before.
 */
#include "pppmux/pppmux.h"

#define PFF 0x80
#define LXT 0x40

static enum pppmux_fault
spoilt(struct pppmux_rx *rx, enum pppmux_fault why)
{
	rx->p = rx->end;
	return why;
}

/* The protocol field in one octet or two, whatever LCP said of PFC (1.1): an odd octet is its last. */
static const uint8_t *
read_pid(const uint8_t *p, const uint8_t *end, uint16_t *pid)
{
	if (p < end && (*p & 1)) {
		*pid = *p;
		return p + 1;
	}
	if (end - p < 2)
		return NULL;
	*pid = (uint16_t)(p[0] << 8 | p[1]);
	return p + 2;
}

enum pppmux_fault
pppmux_next(struct pppmux_rx *rx, uint16_t *proto, struct span *info)
{
	const uint8_t *p = rx->p, *end;
	uint8_t bits;
	unsigned len;

	if (p == rx->end)
		return PPPMUX_END;
	bits = *p++;
	len = bits & 0x3f;
	if (bits & LXT) {
		if (p == rx->end)
			return spoilt(rx, PPPMUX_TRUNCATED);
		len = len << 8 | *p++;
	}
	if (len > (size_t)(rx->end - p))
		return spoilt(rx, PPPMUX_TRUNCATED);
	if (len == 0)
		return spoilt(rx, PPPMUX_EMPTY);
	end = p + len;
	if ((bits & PFF) && (p = read_pid(p, end, &rx->last_pid)) == NULL)
		return spoilt(rx, PPPMUX_EMPTY);
	rx->p = end;
	*proto = rx->last_pid;
	*info = span_of(p, (size_t)(end - p));
	return pppmux_may_carry(*proto) ? PPPMUX_OK : PPPMUX_FORBIDDEN;
}
