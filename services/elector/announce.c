// SPDX-License-Identifier: Apache-2.0
/* See announce.h.  Pure: octets out of addresses. */
#include "announce.h"

#include "wire/wire.h"

/*
 *  0                   1                   2                   3
 *  |        hardware: 1          |       protocol: 0x0800       |
 *  |  hlen: 6    |  plen: 4      |  operation: 1 request 2 reply |
 *  |  sender hardware (6), sender protocol (4), target hardware (6), target protocol (4)
 */
void
announce_arp(uint8_t *out, size_t room, const uint8_t mac[6], const uint8_t addr[4], bool reply)
{
	static const uint8_t nobody[6], everybody[6] = { 255, 255, 255, 255, 255, 255 };
	struct wr w = wr_of(out, room);

	wr_u16(&w, 1);
	wr_u16(&w, 0x0800);
	wr_u8(&w, 6);
	wr_u8(&w, 4);
	wr_u16(&w, reply ? 2 : 1);
	wr_bytes(&w, mac, 6);
	wr_bytes(&w, addr, 4);
	wr_bytes(&w, reply ? everybody : nobody, 6);
	wr_bytes(&w, addr, 4);
}

static uint32_t
sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += get_u16(p + i);
	return sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

#define NEXT_ICMPV6 58
#define ND_ADVERT 136
#define NA_ROUTER 0x80000000u
#define NA_OVERRIDE 0x20000000u

void
announce_na(uint8_t *out, size_t room, const uint8_t mac[6], const uint8_t addr[16], bool router)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	struct wr w = wr_of(out, room);
	uint32_t sum;

	wr_u32(&w, 6u << 28);
	wr_u16(&w, ANNOUNCE_NA - 40);
	wr_u8(&w, NEXT_ICMPV6);
	wr_u8(&w, 255);
	wr_bytes(&w, addr, 16);
	wr_bytes(&w, all_nodes, 16);
	wr_u8(&w, ND_ADVERT);
	wr_u8(&w, 0);
	wr_u16(&w, 0); /* checksum, below */
	wr_u32(&w, NA_OVERRIDE | (router ? NA_ROUTER : 0));
	wr_bytes(&w, addr, 16);
	wr_u8(&w, 2); /* target link-layer address, in units of 8 octets */
	wr_u8(&w, 1);
	wr_bytes(&w, mac, 6);
	sum = sum16(out + 8, ANNOUNCE_NA - 8, ANNOUNCE_NA - 40 + NEXT_ICMPV6);
	wr_patch_u16(&w, 42, fold(sum));
}
