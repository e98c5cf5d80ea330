// SPDX-License-Identifier: Apache-2.0
/*
 * Reply attributes become a grant: one row per attribute that is honoured.  The users file and RADIUS
 * come through here alike.
 */
#include "aaa.h"

#include <string.h>

#include "radius.h"

struct grant_ctx {
	struct aaa_answer *a;
	uint8_t chap_id;
};

typedef bool grant_fn(struct grant_ctx *, struct span v);

static bool
u32(struct span v, uint32_t *out)
{
	if (v.len != 4)
		return false;
	*out = get_u32(v.p);
	return true;
}

static bool
text(struct span v, char *out, size_t cap)
{
	if (v.len == 0 || v.len >= cap || memchr(v.p, 0, v.len))
		return false;
	memcpy(out, v.p, v.len);
	out[v.len] = 0;
	return true;
}

static bool
framed_ip(struct grant_ctx *c, struct span v)
{
	struct aaa_grant *g = &c->a->grant;
	uint32_t ip;

	if (!u32(v, &ip) || ip == 0)
		return false;
	g->framed_ip = ip == 0xffffffff ? FRAMED_USER : ip == 0xfffffffe ? FRAMED_NAS : FRAMED_ASSIGNED;
	g->ipv4 = g->framed_ip == FRAMED_ASSIGNED ? ip : 0;
	return true;
}

static bool
class(struct grant_ctx *c, struct span v)
{
	struct aaa_grant *g = &c->a->grant;

	if (g->classes >= AAA_CLASSES || v.len == 0 || v.len > RAD_VALUE_MAX)
		return false;
	memcpy(g->class[g->classes], v.p, v.len);
	g->class_len[g->classes++] = (uint8_t)v.len;
	return true;
}

/* RFC 2865, 5.1: a User-Name in the answer is the one to account under. */
static bool
user_name(struct grant_ctx *c, struct span v)
{
	if (v.len == 0)
		return false;
	aaa_name_clean(v, c->a->user);
	return true;
}

static bool
route(struct grant_ctx *c, struct span v)
{
	struct aaa_grant *g = &c->a->grant;

	if (g->routes >= AAA_ROUTES || !aaa_route_read(v, &g->route[g->routes]))
		return false;
	g->routes++;
	return true;
}

/* Several of them are one text with line breaks (RFC 2865, 5.18). */
static bool
message(struct grant_ctx *c, struct span v)
{
	size_t n = strlen(c->a->message), room = sizeof c->a->message - 1 - n;

	if (n && room) {
		c->a->message[n++] = '\n';
		room--;
	}
	if (v.len < room)
		room = v.len;
	memcpy(c->a->message + n, v.p, room);
	c->a->message[n + room] = 0;
	return true;
}

static int
hex(uint8_t ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 0x20;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* RFC 2548, 2.3.3: ident, "S=", 40 hex digits, and perhaps a message. */
static bool
chap2_success(struct grant_ctx *c, struct span v)
{
	if (v.len < 43 || v.p[0] != c->chap_id || v.p[1] != 'S' || v.p[2] != '=')
		return false;
	for (unsigned i = 0; i < 20; i++) {
		int hi = hex(v.p[3 + 2 * i]), lo = hex(v.p[4 + 2 * i]);

		if (hi < 0 || lo < 0)
			return false;
		c->a->mschap_proof[i] = (uint8_t)(hi << 4 | lo);
	}
	c->a->has_proof = true;
	return true;
}

/* RFC 2548, 2.1.5: ident, then "E=691 R=0 ... M=text"; the text is what a person may want to read. */
static bool
chap_error(struct grant_ctx *c, struct span v)
{
	const uint8_t *m = v.len > 1 ? memmem(v.p + 1, v.len - 1, "M=", 2) : NULL;

	if (m && !c->a->message[0])
		message(c, span_of(m + 2, (size_t)(v.p + v.len - m) - 2));
	return v.len > 1;
}

#define FIELD_FN(NAME, CALL) \
	static bool \
	NAME(struct grant_ctx *c, struct span v) \
	{ \
		return CALL; \
	}

FIELD_FN(netmask, u32(v, &c->a->grant.netmask))
FIELD_FN(session_timeout, u32(v, &c->a->grant.session_timeout))
FIELD_FN(idle_timeout, u32(v, &c->a->grant.idle_timeout))
FIELD_FN(interim, u32(v, &c->a->grant.interim))
FIELD_FN(mtu, u32(v, &c->a->grant.mtu))
FIELD_FN(dns1, u32(v, &c->a->grant.dns4[0]))
FIELD_FN(dns2, u32(v, &c->a->grant.dns4[1]))
FIELD_FN(nbns1, u32(v, &c->a->grant.nbns4[0]))
FIELD_FN(nbns2, u32(v, &c->a->grant.nbns4[1]))
FIELD_FN(pool, text(v, c->a->grant.pool, sizeof c->a->grant.pool))
FIELD_FN(pool6, text(v, c->a->grant.pool6, sizeof c->a->grant.pool6))
FIELD_FN(pool_delegated, text(v, c->a->grant.pool_delegated, sizeof c->a->grant.pool_delegated))
FIELD_FN(filter, text(v, c->a->grant.filter_id, sizeof c->a->grant.filter_id))
FIELD_FN(prefix6, rad_prefix6(v, &c->a->grant.prefix6))
FIELD_FN(delegated, rad_prefix6(v, &c->a->grant.delegated))

static bool
interface_id(struct grant_ctx *c, struct span v)
{
	if (v.len != 8)
		return false;
	c->a->grant.iid = (uint64_t)get_u32(v.p) << 32 | get_u32(v.p + 4);
	return true;
}

static const struct {
	enum rad_attr_id id;
	grant_fn *read;
} rows[] = {
	{ RAD_USER_NAME, user_name },
	{ RAD_FRAMED_IP_ADDRESS, framed_ip },
	{ RAD_FRAMED_IP_NETMASK, netmask },
	{ RAD_FRAMED_POOL, pool },
	{ RAD_FRAMED_IPV6_PREFIX, prefix6 },
	{ RAD_FRAMED_IPV6_POOL, pool6 },
	{ RAD_DELEGATED_IPV6_PREFIX, delegated },
	{ RAD_DELEGATED_IPV6_POOL, pool_delegated },
	{ RAD_FRAMED_INTERFACE_ID, interface_id },
	{ RAD_SESSION_TIMEOUT, session_timeout },
	{ RAD_IDLE_TIMEOUT, idle_timeout },
	{ RAD_ACCT_INTERIM_INTERVAL, interim },
	{ RAD_CLASS, class },
	{ RAD_FILTER_ID, filter },
	{ RAD_FRAMED_MTU, mtu },
	{ RAD_FRAMED_ROUTE, route },
	{ RAD_FRAMED_IPV6_ROUTE, route },
	{ RAD_MS_PRIMARY_DNS, dns1 },
	{ RAD_MS_SECONDARY_DNS, dns2 },
	{ RAD_MS_PRIMARY_NBNS, nbns1 },
	{ RAD_MS_SECONDARY_NBNS, nbns2 },
	{ RAD_REPLY_MESSAGE, message },
	{ RAD_MS_CHAP2_SUCCESS, chap2_success },
	{ RAD_MS_CHAP_ERROR, chap_error },
};

void
aaa_grant_read(struct span attrs, uint8_t chap_id, struct aaa_answer *a)
{
	struct grant_ctx c = { a, chap_id };
	struct rad_iter it = rad_iter(attrs);
	struct rad_attr at;

	while (rad_next(&it, &at))
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
			if (rows[i].id == at.id && !rows[i].read(&c, at.value))
				a->grant.ignored++;
}

bool
aaa_grant_honours(unsigned id)
{
	if (id == RAD_MS_CHAP2_SUCCESS || id == RAD_MS_CHAP_ERROR)
		return false; /* a server's own computation, nothing to configure */
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].id == id)
			return true;
	return false;
}

static bool
utf8_tail(const uint8_t *p, size_t left, size_t n)
{
	if (left < n + 1)
		return false;
	for (size_t i = 1; i <= n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

void
aaa_name_clean(struct span name, char out[AAA_TEXT])
{
	size_t n = name.len < AAA_TEXT ? name.len : AAA_TEXT - 1, o = 0;

	for (size_t i = 0; i < n;) {
		const uint8_t *p = name.p + i;
		size_t tail = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
		bool ok = *p >= 0x20 && *p != 0x7f && (*p < 0x80 || (*p >= 0xc2 && *p < 0xf5));

		/* E0 and F0 have overlong forms, ED surrogates, F4 numbers beyond the last. */
		if (ok && tail >= 2 && i + 1 < n)
			ok = !((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
			       (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f));
		if (!ok || !utf8_tail(p, n - i, tail)) {
			out[o++] = '?';
			i++;
			continue;
		}
		memcpy(out + o, p, tail + 1);
		o += tail + 1;
		i += tail + 1;
	}
	out[o] = 0;
}

bool
aaa_route_read(struct span v, struct ip_prefix *out)
{
	char word[ADDR_TEXT];
	size_t n = 0;

	while (n < v.len && v.p[n] != ' ' && n < sizeof word - 1 && v.p[n])
		n++;
	if (n == 0 || (n < v.len && v.p[n] != ' '))
		return false;
	memcpy(word, v.p, n);
	word[n] = 0;
	return ip_prefix_parse(word, out);
}
