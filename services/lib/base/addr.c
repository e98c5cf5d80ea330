// SPDX-License-Identifier: Apache-2.0
/* Addresses: comparison, text, sockaddr.  See addr.h. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
ip_addr_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, ip_addr_len(a)) == 0;
}

bool
endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && ip_addr_eq(&a->addr, &b->addr);
}

bool
ip_prefix_has(const struct ip_prefix *p, const struct ip_addr *a)
{
	unsigned whole = p->len / 8, bits = p->len % 8;

	if (p->addr.family != a->family || p->len > 8 * ip_addr_len(a))
		return false;
	if (memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return bits == 0 || ((p->addr.b[whole] ^ a->b[whole]) >> (8 - bits)) == 0;
}

static const char *
ipv4_text(const uint8_t b[4], char *out)
{
	char *p = out;

	for (int i = 0; i < 4; i++) {
		if (b[i] >= 100)
			*p++ = (char)('0' + b[i] / 100);
		if (b[i] >= 10)
			*p++ = (char)('0' + b[i] / 10 % 10);
		*p++ = (char)('0' + b[i] % 10);
		*p++ = i < 3 ? '.' : 0;
	}
	return out;
}

const char *
ip_addr_text(const struct ip_addr *a, char out[ADDR_TEXT])
{
	if (a->family == 4)
		return ipv4_text(a->b, out); /* every call's question to RADIUS has two: libc takes 1800 instructions each */
	if (a->family == 0 || !inet_ntop(AF_INET6, a->b, out, ADDR_TEXT))
		snprintf(out, ADDR_TEXT, "-");
	return out;
}

const char *
endpoint_text(const struct endpoint *e, char out[ADDR_TEXT])
{
	char a[ADDR_TEXT];

	snprintf(out, ADDR_TEXT, e->addr.family == 6 ? "[%.45s]:%u" : "%.45s:%u",
		 ip_addr_text(&e->addr, a), e->port);
	return out;
}

const char *
ip_prefix_text(const struct ip_prefix *p, char out[ADDR_TEXT])
{
	char a[ADDR_TEXT];

	snprintf(out, ADDR_TEXT, "%.45s/%u", ip_addr_text(&p->addr, a), p->len);
	return out;
}

bool
ip_addr_parse(const char *text, struct ip_addr *out)
{
	*out = (struct ip_addr){ 0 };
	if (inet_pton(AF_INET, text, out->b) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, text, out->b) == 1)
		out->family = 6;
	return out->family != 0;
}

bool
ip_prefix_parse(const char *text, struct ip_prefix *out)
{
	char addr[ADDR_TEXT];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char *end = NULL;
	unsigned long len;

	*out = (struct ip_prefix){ 0 };
	if (n >= sizeof addr)
		return false;
	memcpy(addr, text, n);
	addr[n] = 0;
	if (!ip_addr_parse(addr, &out->addr))
		return false;
	len = 8 * ip_addr_len(&out->addr);
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return false;
		unsigned long v = strtoul(slash + 1, &end, 10);
		if (*end || v > len)
			return false;
		len = v;
	}
	out->len = (uint8_t)len;
	return true;
}

bool
ip_addr_from(const uint8_t *p, size_t len, struct ip_addr *out)
{
	*out = (struct ip_addr){ 0 };
	if (len != 4 && len != 16)
		return false;
	out->family = len == 4 ? 4 : 6;
	memcpy(out->b, p, len);
	return true;
}

socklen_t
endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (e->addr.family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		in->sin_family = AF_INET;
		in->sin_port = htons(e->port);
		memcpy(&in->sin_addr, e->addr.b, 4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(e->port);
	memcpy(&in6->sin6_addr, e->addr.b, 16);
	return sizeof *in6;
}

bool
endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	*out = (struct endpoint){ 0 };
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
		out->addr.family = 4;
		memcpy(out->addr.b, &in->sin_addr, 4);
		out->port = ntohs(in->sin_port);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	out->port = ntohs(in6->sin6_port);
	if (memcmp(&in6->sin6_addr, mapped, 12) == 0) {
		out->addr.family = 4;
		memcpy(out->addr.b, (const uint8_t *)&in6->sin6_addr + 12, 4);
	} else {
		out->addr.family = 6;
		memcpy(out->addr.b, &in6->sin6_addr, 16);
	}
	return true;
}
