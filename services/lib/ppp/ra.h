// SPDX-License-Identifier: Apache-2.0
/*
 * Router advertisements for one subscriber (RFC 4861, 4.2; RFC 8106, 5.1), as whole IPv6 packets; and, for the
 * client end, what it takes from them (RFC 4862, 5.5.3).
 */
#ifndef TWIN_PPP_RA_H
#define TWIN_PPP_RA_H

#include "wire/wire.h"

#define PPP_RA_MAX 256

struct ppp_ra {
	uint64_t local_iid;	 /* fe80::iid is the source */
	uint8_t dest[16];	 /* all zero: ff02::1 */
	uint16_t lifetime_s;	 /* as default router; 0: none */
	bool managed, other;	 /* M and O flags: addresses, other things by DHCPv6 */
	uint32_t mtu;		 /* 0: no option */
	uint8_t prefix[16], prefix_len; /* len 0: no option */
	uint32_t valid_s, preferred_s;
	const uint8_t (*dns)[16]; /* RDNSS */
	unsigned dns_count;	  /* at most 8 are written */
	uint32_t dns_s;
};

/* Octets written, checksum included; 0: `cap` too small. */
size_t ppp_ra_build(const struct ppp_ra *, uint8_t *out, size_t cap);

/* A valid Router Solicitation (RFC 4861, 6.1.1)?  `source` receives its source address. */
bool ppp_rs_read(struct span packet, uint8_t source[16]);

/* A Router Solicitation from fe80::iid to all routers.  Octets written; 0: `cap` too small. */
size_t ppp_rs_build(uint64_t local_iid, uint8_t *out, size_t cap);

#define PPP_RA_DNS 4

struct ppp_ra_heard {
	uint16_t lifetime_s;	/* as default router */
	uint8_t prefix[16];	/* the first that an address can be made of */
	uint8_t prefix_len;	/* 64; 0: none */
	uint32_t valid_s;	/* 0xffffffff: for ever; 0: no more */
	uint8_t dns[PPP_RA_DNS][16];
	unsigned dns_count;
};

/* A valid Router Advertisement (RFC 4861, 6.1.2)?  A prefix of another length, or with lifetimes that contradict each
 * other, is passed over. */
bool ppp_ra_read(struct span packet, struct ppp_ra_heard *out);

/* The Internet checksum of an ICMPv6 message with its pseudo header; over a message with a right checksum: 0. */
uint16_t ppp_icmp6_sum(const uint8_t source[16], const uint8_t dest[16], struct span message);

#endif
