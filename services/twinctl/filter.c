// SPDX-License-Identifier: Apache-2.0
/* See filter.h. */
#include "filter.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static bool
wrong(char *error, size_t error_len, const char *what, const char *word)
{
	snprintf(error, error_len, "%s: '%s'", what, word);
	return false;
}

bool
filter_read(struct filter *f, const char *const *words, unsigned n, char *error, size_t error_len)
{
	unsigned long v;

	*f = (struct filter){ 0 };
	for (unsigned i = 0; i < n; i++) {
		const char *name = words[i], *value;

		if (strcmp(name, "up") == 0) {
			f->up = true;
			continue;
		}
		if (++i == n)
			return wrong(error, error_len, "a filter is a name and a value; no value after", name);
		value = words[i];
		if (strcmp(name, "user") == 0) {
			f->user = value;
		} else if (strcmp(name, "calling") == 0) {
			f->calling = value;
		} else if (strcmp(name, "state") == 0) {
			f->state = value;
		} else if (strcmp(name, "address") == 0) {
			if (!ip_prefix_parse(value, &f->address))
				return wrong(error, error_len, "not an address or prefix", value);
		} else if (strcmp(name, "tunnel") == 0) {
			if (!text_number(value, 65535, &v) || v == 0)
				return wrong(error, error_len, "not a tunnel id (1..65535)", value);
			f->tunnel = (unsigned)v;
		} else if (strcmp(name, "limit") == 0) {
			if (!text_number(value, 1000000000, &f->limit) || f->limit == 0)
				return wrong(error, error_len, "not a number of rows", value);
		} else {
			return wrong(error, error_len, "filters are user, address, calling, tunnel, state, up, limit; not", name);
		}
	}
	return true;
}

/* The wanted prefix has the address, or the subscriber's prefix has the wanted address. */
static bool
address_fits(const struct ip_prefix *want, const ProtobufCBinaryData *addr, unsigned len)
{
	struct ip_prefix have = { .len = (uint8_t)len };

	if (!ip_addr_from(addr->data, addr->len, &have.addr))
		return false;
	return ip_prefix_has(want, &have.addr) || (want->len >= have.len && ip_prefix_has(&have, &want->addr));
}

static bool
subscriber_fits(const struct filter *f, const Row__Subscriber *s)
{
	if (f->user && fnmatch(f->user, s->user, FNM_CASEFOLD) != 0)
		return false;
	if (f->calling && fnmatch(f->calling, s->calling, FNM_CASEFOLD) != 0)
		return false;
	if (f->up && !s->forwarding)
		return false;
	if (f->address.addr.family == 0)
		return true;
	return address_fits(&f->address, &s->ipv4, 32) ||
	       address_fits(&f->address, &s->ipv6_prefix, s->ipv6_prefix_len) ||
	       address_fits(&f->address, &s->delegated_prefix, s->delegated_prefix_len);
}

bool
filter_fits(const struct filter *f, const Row__Call *c, const Row__Subscriber *sub)
{
	char t[TEXT];

	if (f->tunnel && c->tunnel != f->tunnel)
		return false;
	if (f->state && strcmp(f->state, text_call_state(c->state, t)) != 0)
		return false;
	if (!sub)
		return !f->user && !f->calling && !f->up && f->address.addr.family == 0;
	return subscriber_fits(f, sub);
}
