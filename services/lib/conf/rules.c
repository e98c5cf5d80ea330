// SPDX-License-Identifier: Apache-2.0
/* See rules.h.  Places are written as YANG paths, so that they read like libyang's own errors. */
#include "conf/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct fault {
	char *text;
	size_t len;
};

static bool __attribute__((format(printf, 2, 3))) fault(struct fault *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->text, f->len, fmt, ap);
	va_end(ap);
	return false;
}

static int
addr_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a->b, b->b, sizeof a->b);
}

/* No bit set beyond the leased length: "2001:db8:0:1::" for /64. */
static bool
is_prefix(const struct ip_addr *a, unsigned len)
{
	for (unsigned bit = len; bit < 8 * ip_addr_len(a); bit++) {
		if (a->b[bit / 8] & (0x80 >> bit % 8))
			return false;
	}
	return true;
}

static bool
check_range(const struct conf_pool *p, unsigned i, struct fault *f)
{
	const struct ip_addr *first = &p->range[i].first, *last = &p->range[i].last;
	char a[ADDR_TEXT], b[ADDR_TEXT];

	ip_addr_text(first, a);
	if (addr_cmp(last, first) < 0)
		return fault(
		    f, "/twinlns:twinlns/pool[name='%s']/range[first='%s']/last: %s is below first",
		    p->name, a, ip_addr_text(last, b));
	if (!is_prefix(first, p->delegate_len) || !is_prefix(last, p->delegate_len))
		return fault(f,
			     "/twinlns:twinlns/pool[name='%s']/range[first='%s']: first and last "
			     "must be /%u prefixes, "
			     "with zeros after the prefix",
			     p->name, a, p->delegate_len);
	for (unsigned k = 0; k < i; k++) {
		if (addr_cmp(&p->range[k].first, last) <= 0 &&
		    addr_cmp(first, &p->range[k].last) <= 0)
			return fault(f,
				     "/twinlns:twinlns/pool[name='%s']/range[first='%s']: overlaps "
				     "the range from %s",
				     p->name, a, ip_addr_text(&p->range[k].first, b));
	}
	return true;
}

static bool
check_pools(const struct conf *c, struct fault *f)
{
	for (unsigned i = 0; i < c->pools; i++) {
		for (unsigned k = 0; k < c->pool[i].ranges; k++) {
			if (!check_range(&c->pool[i], k, f))
				return false;
		}
	}
	return true;
}

/* Two profiles that fit the same peers: which one counts would depend on the order of the file. */
static bool
same_peers(const struct conf_profile *a, const struct conf_profile *b)
{
	return a->peer.addr.family == b->peer.addr.family && a->peer.len == b->peer.len &&
	       ip_addr_eq(&a->peer.addr, &b->peer.addr) &&
	       strcasecmp(a->host_name, b->host_name) == 0;
}

static bool
check_profiles(const struct conf *c, struct fault *f)
{
	for (unsigned i = 0; i < c->profiles; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (same_peers(&c->profile[i], &c->profile[k]))
				return fault(f,
					     "/twinlns:twinlns/profile[name='%s']: same peer and "
					     "host-name as profile '%s'",
					     c->profile[i].name, c->profile[k].name);
		}
	}
	return true;
}

static bool
check_pair(const struct conf_pair *p, struct fault *f)
{
	if (p->enabled && p->mirror_listen.addr.family != p->mirror_twin.addr.family)
		return fault(f, "/twinlns:twinlns/pair: mirror-listen and mirror-twin are of "
				"different address families");
	return true;
}

/* RFC 1661, 2: a PPP protocol number has an odd low octet and an even high one. */
static bool
check_ppps(const struct conf *c, struct fault *f)
{
	for (unsigned i = 0; i < c->ppps; i++) {
		if ((c->ppp[i].mux.default_pid & 0x0101) != 1)
			return fault(f,
				     "/twinlns:twinlns/ppp[name='%s']/multiplexing/default-pid: %u is no PPP protocol number (an "
				     "odd low octet, an even high one); 103 is COMPRESSED_UDP",
				     c->ppp[i].name, c->ppp[i].mux.default_pid);
	}
	return true;
}

bool
conf_check(const struct conf *c, char *error, size_t error_len)
{
	struct fault f = { error, error_len };

	return check_pair(&c->pair, &f) && check_profiles(c, &f) && check_ppps(c, &f) && check_pools(c, &f);
}
