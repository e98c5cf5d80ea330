// SPDX-License-Identifier: Apache-2.0
/*
 * IP addresses, prefixes and UDP endpoints, in network order inside, comparable with memcmp.
 * An IPv4 address uses the first 4 octets; the other 12 are zero.
 */
#ifndef TWIN_ADDR_H
#define TWIN_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct ip_addr {
	uint8_t family; /* 0 none, 4, 6 */
	uint8_t b[16];
};

struct ip_prefix {
	struct ip_addr addr;
	uint8_t len;
};

struct endpoint {
	struct ip_addr addr;
	uint16_t port; /* host order */
};

#define ADDR_TEXT 64

bool ip_addr_eq(const struct ip_addr *a, const struct ip_addr *b);
bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);
bool ip_prefix_has(const struct ip_prefix *p, const struct ip_addr *a);

/* Texts as RFC 5952 writes them; "[2001:db8::1]:1701" for a v6 endpoint.  The buffer is the caller's. */
const char *ip_addr_text(const struct ip_addr *a, char out[ADDR_TEXT]);
const char *endpoint_text(const struct endpoint *e, char out[ADDR_TEXT]);
const char *ip_prefix_text(const struct ip_prefix *p, char out[ADDR_TEXT]);
bool ip_addr_parse(const char *text, struct ip_addr *out);
bool ip_prefix_parse(const char *text, struct ip_prefix *out); /* "10.0.0.0/8"; no length: a host */

/* Octets as records carry them: 4 or 16; any other length gives family 0 and false. */
bool ip_addr_from(const uint8_t *p, size_t len, struct ip_addr *out);
static inline size_t
ip_addr_len(const struct ip_addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out);
bool endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out); /* unmaps ::ffff:a.b.c.d */

#endif
