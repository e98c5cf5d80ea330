// SPDX-License-Identifier: Apache-2.0
/*
 * The chain of headers in front of a payload (RFC 2507, 7): how far it goes, and what in it never moves into a
 * compressed header because it does not change, is sent as it is (RANDOM), or follows from the length.
 *
 *	IPv4			no options, no fragment		ID
 *	IPv6			all of it stays			-
 *	hop-by-hop, destination	TLV options (7.3)		the data of all but Pad1 and PadN
 *	routing			all of it stays			-
 *	authentication		up to the SPI			what is behind it
 *	fragment		next header, reserved		offset, M, identification; the chain ends
 *	ESP			the SPI				is payload; the chain ends
 *	UDP			ports				checksum, unless zero; the chain ends
 *
 * What a context cannot hold (options and fragments of IPv4, where all is RANDOM, a jumbogram, three IP headers, a
 * home address, a way through routers whose last address we do not know) is no less a packet: `kept` is false.
 */
#include "crtp/dec_int.h"

enum { PROTO_IPIP = 4, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_IPV6 = 41 };
enum { EXT_HOP = 0, EXT_ROUTING = 43, EXT_FRAGMENT = 44, EXT_ESP = 50, EXT_AUTH = 51, EXT_DEST = 60 };
enum { OPT_PAD1 = 0, OPT_PADN = 1, OPT_JUMBO = 194, OPT_HOME = 201 };
enum { FRAGMENT_OCTETS = 8, SPI_OCTETS = 4, AUTH_FIXED = 8, ADDRESS = 16 };
enum { CHAIN_ENDS = -1, NO_IP = -2 };

static void
add_length(struct chain *c, uint32_t at, uint32_t from)
{
	if (c->lens < 3) {
		c->len_at[c->lens] = at;
		c->end_at[c->lens++] = from;
	}
}

static void
add_random(struct chain *c, uint32_t at, uint32_t octets)
{
	if (octets == 0)
		return;
	if (c->randoms == CHAIN_RANDOMS || at + octets > CRTP_MAX_HEADER) {
		c->kept = false;
		return;
	}
	c->random[c->randoms++] = (struct chain_random){ (uint8_t)at, (uint8_t)octets };
	c->random_octets += octets;
}

/* RFC 2507, 7.3 */
static void
pass_options(const uint8_t *p, uint32_t at, uint32_t end, struct chain *c)
{
	while (at < end) {
		const uint8_t type = p[at];
		uint32_t size = type == OPT_PAD1 ? 1 : at + 1 < end ? 2u + p[at + 1] : 0;

		if (size == 0 || at + size > end) {
			c->kept = false;
			return;
		}
		if (type != OPT_PAD1 && type != OPT_PADN)
			add_random(c, at + 2, size - 2);
		c->kept &= type != OPT_JUMBO && type != OPT_HOME;
		c->blind |= type == OPT_HOME;
		at += size;
	}
}

/* The checksum's destination is the last one on the way (RFC 8200, 8.1). */
static void
pass_routing(const uint8_t *p, uint32_t at, uint32_t size, struct chain *c)
{
	const uint8_t type = p[at + 2], left = p[at + 3];

	if (left == 0)
		return;
	if ((type == 0 || type == 2) && size >= 8 + ADDRESS && (size - 8) % ADDRESS == 0) {
		c->to = at + size - ADDRESS;
		return;
	}
	c->kept = false;
	c->blind = true;
}

/* The protocol behind IPv6's extension headers. */
static int
pass_extensions(const uint8_t *p, uint32_t len, struct chain *c, int next)
{
	while (next == EXT_HOP || next == EXT_ROUTING || next == EXT_DEST || next == EXT_AUTH) {
		const uint32_t at = c->end;
		uint32_t size;

		if (len - at < 8)
			break;
		size = next == EXT_AUTH ? (p[at + 1] + 2u) * 4 : (p[at + 1] + 1u) * 8;
		if (len - at < size || size < AUTH_FIXED)
			break;
		c->end += size;
		if (next == EXT_ROUTING)
			pass_routing(p, at, size, c);
		else if (next == EXT_AUTH)
			add_random(c, at + AUTH_FIXED, size - AUTH_FIXED);
		else
			pass_options(p, at + 2, c->end, c);
		next = p[at];
	}
	if (next == EXT_FRAGMENT && len - c->end >= FRAGMENT_OCTETS) {
		add_random(c, c->end + 2, FRAGMENT_OCTETS - 2);
		c->end += FRAGMENT_OCTETS;
		return CHAIN_ENDS;
	}
	if (next == EXT_ESP && len - c->end >= SPI_OCTETS) {
		c->end += SPI_OCTETS;
		return CHAIN_ENDS;
	}
	/* One that does not end within the packet. */
	c->kept &= next != EXT_HOP && next != EXT_ROUTING && next != EXT_DEST && next != EXT_AUTH && next != EXT_FRAGMENT &&
		   next != EXT_ESP;
	return next;
}

/* One IP header at c->end.  The protocol behind it. */
static int
pass_ip(const uint8_t *p, uint32_t len, struct chain *c)
{
	uint32_t at = c->end, size;

	c->inner = at;
	c->ips++;
	if (len - at >= 40 && p[at] >> 4 == 6) {
		add_length(c, at + 4, at + 40);
		c->end += 40;
		c->to = at + 24;
		return pass_extensions(p, len, c, p[at + 6]);
	}
	if (len - at < 20 || p[at] >> 4 != 4)
		return NO_IP;
	size = (p[at] & 15u) * 4;
	if (size < 20 || len - at < size)
		return NO_IP;
	add_length(c, at + 2, at);
	c->end += size;
	c->kept &= size == 20;
	if (get_u16(p + at + 6) & 0x3fff) {
		c->kept = false;
		return CHAIN_ENDS;
	}
	c->kept &= p[at + 9] != EXT_AUTH && p[at + 9] != EXT_ESP; /* they would belong to the chain */
	return p[at + 9];
}

bool
chain_walk(const uint8_t *p, uint32_t len, struct chain *c)
{
	int next = PROTO_IPIP;

	memset(c, 0, sizeof *c);
	c->kept = true;
	while ((next == PROTO_IPIP || next == PROTO_IPV6) && c->ips < 3 && len > c->end)
		next = pass_ip(p, len, c);
	if (next == NO_IP || c->ips == 0)
		return false;
	c->kept &= c->ips <= 2;
	c->tcp = next == PROTO_TCP;
	if (next == PROTO_UDP) {
		if (len - c->end < 8)
			return false; /* RFC 2508, 3.1: not without a whole UDP header */
		c->udp = c->end;
		add_length(c, c->udp + 4, c->udp);
		c->end += 8;
	}
	return true;
}

uint64_t
chain_pseudo(const uint8_t *p, const struct chain *c)
{
	const uint8_t *in = p + c->inner;
	const uint64_t sum = lay16(PROTO_UDP);

	if (in[0] >> 4 == 4)
		return sum_octets(sum, in + 12, 8);
	return sum_octets(sum_octets(sum, in + 8, ADDRESS), p + c->to, ADDRESS);
}

void
chain_fill(uint8_t *p, const struct chain *c, const uint8_t *random)
{
	for (unsigned i = 0; i < c->randoms; i++) {
		memcpy(p + c->random[i].at, random, c->random[i].octets);
		random += c->random[i].octets;
	}
}
