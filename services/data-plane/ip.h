// SPDX-License-Identifier: Apache-2.0
/*
 * IP arithmetic that both directions share: checksums (RFC 1071, incremental RFC 1624), TTL, ECN
 * (RFC 6040), the MSS of TCP SYNs.  All of it on octets as they stand in the packet.
 */
#ifndef TWIN_IP_H
#define TWIN_IP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "wire/wire.h"

enum {
	PPP_IPV4 = 0x21,
	PPP_IPV6 = 0x57,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_ICMP = 1,
	IP_ICMP6 = 58,
	ECN_NONE = 0,
	ECN_1 = 1,
	ECN_0 = 2,
	ECN_CE = 3,
};

static inline uint16_t
load16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return v;
}

static inline uint32_t
load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return v;
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

static inline void
store16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

static inline uint16_t
sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* One's complement sum in the machine's own order (RFC 1071, 2 B): store it back as it is. */
static inline uint64_t
sum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t b = 0, c = 0, d = 0; /* four sums, so that no addition waits for the one before */

	for (; len >= 16; p += 16, len -= 16) {
		sum += load32(p);
		b += load32(p + 4);
		c += load32(p + 8);
		d += load32(p + 12);
	}
	sum += b + c + d;
	for (; len >= 4; p += 4, len -= 4)
		sum += load32(p);
	if (len & 2) {
		sum += load16(p);
		p += 2;
	}
	if (len & 1) {
		uint8_t last[2] = { *p, 0 };
		sum += load16(last);
	}
	return sum;
}

/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'), on words as they stand. */
static inline void
sum_patch(uint8_t *check, uint16_t was, uint16_t is)
{
	store16(check,
		(uint16_t)~sum_fold((uint64_t)(uint16_t)~load16(check) + (uint16_t)~was + is));
}

/* TTL is the first octet of its word, so one less is 0x0100 more in the checksum, in network order.
 */
static inline void
ip4_ttl_down(uint8_t *ip)
{
	uint32_t c = get_u16(ip + 10) + 0x0100u;

	put_u16(ip + 10, (uint16_t)(c + (c >> 16)));
	ip[8]--;
}

static inline void
ip4_set_tos(uint8_t *ip, uint8_t tos)
{
	uint16_t was = load16(ip);

	ip[1] = tos;
	sum_patch(ip + 10, was, load16(ip));
}

static inline uint8_t
ip6_tos(const uint8_t *ip)
{
	return (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

static inline void
ip6_set_tos(uint8_t *ip, uint8_t tos)
{
	ip[0] = (uint8_t)(0x60 | tos >> 4);
	ip[1] = (uint8_t)(tos << 4 | (ip[1] & 0x0f));
}

/* RFC 6040, figure 4: rows inner, columns outer; ECN_DROP where the packet has to go. */
#define ECN_DROP 4
/* clang-format off */
static const uint8_t ecn_out[4][4] = {
	/* inner \ outer  Not-ECT  ECT(1)   ECT(0)   CE */
	[ECN_NONE] = { ECN_NONE, ECN_NONE, ECN_NONE, ECN_DROP },
	[ECN_1] =    { ECN_1,    ECN_1,    ECN_1,    ECN_CE },
	[ECN_0] =    { ECN_0,    ECN_1,    ECN_0,    ECN_CE },
	[ECN_CE] =   { ECN_CE,   ECN_CE,   ECN_CE,   ECN_CE },
};
/* clang-format on */

/*
 * Lowers the MSS option of a SYN to `mss`, adjusting the TCP checksum.  `tcp` has `len` octets in
 * this packet.  True: lowered.  Anything odd is left alone: the receiver judges it.
 */
bool tcp_clamp(uint8_t *tcp, uint32_t len, uint16_t mss);

#endif
