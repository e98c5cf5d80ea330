// SPDX-License-Identifier: Apache-2.0
/*
 * What differs between two configurations, as paths of the YANG module: what an operator wants to read after a
 * reload.  Values are not told, since some are secrets.
 *
 *	data-plane/mss-clamp    profile[lac1]/window    +pool[gold]    -ppp[old]    aaa/server
 *
 * Entries of lists that have names are compared with their namesakes; other lists are told whole.
 */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/fields.h"

struct changes {
	char *out;
	size_t len, used;
	unsigned n;
};

static void
tell(struct changes *c, const char *mark, const char *path)
{
	int n = snprintf(c->out + c->used, c->len - c->used, "%s%s%s", c->n ? "," : "", mark, path);

	if (n > 0)
		c->used += (size_t)n < c->len - c->used ? (size_t)n : c->len - c->used - 1;
	c->n++;
}

static bool rows_same(const struct field *, const char *was, const char *now);

static bool
list_same(const struct field *f, const char *was, const char *now)
{
	unsigned a, b;

	memcpy(&a, was + f->count, sizeof a);
	memcpy(&b, now + f->count, sizeof b);
	for (unsigned i = 0; a == b && i < a; i++)
		if (!rows_same(f->sub, was + f->at + i * f->size, now + f->at + i * f->size))
			return false;
	return a == b;
}

static bool
row_same(const struct field *f, const char *was, const char *now)
{
	const struct ip_prefix *x, *y;

	switch (f->kind) {
	case F_CONTAINER:
		return rows_same(f->sub, was + f->at, now + f->at);
	case F_LIST:
		return list_same(f, was, now);
	case F_TEXT:
		return strncmp(was + f->at, now + f->at, f->size) == 0;
	case F_ADDR:
		return ip_addr_eq((const struct ip_addr *)(was + f->at), (const struct ip_addr *)(now + f->at));
	case F_PREFIX:
		x = (const struct ip_prefix *)(was + f->at);
		y = (const struct ip_prefix *)(now + f->at);
		return x->len == y->len && ip_addr_eq(&x->addr, &y->addr);
	default:
		return memcmp(was + f->at, now + f->at, f->size) == 0;
	}
}

static bool
rows_same(const struct field *f, const char *was, const char *now)
{
	for (; f->name; f++)
		if (!row_same(f, was, now))
			return false;
	return true;
}

/* An entry of that name, or NULL. */
static const char *
namesake(const struct field *f, const char *base, const char *name)
{
	unsigned n;

	memcpy(&n, base + f->count, sizeof n);
	for (unsigned i = 0; i < n; i++)
		if (strncmp(base + f->at + i * f->size + f->sub->at, name, f->sub->size) == 0)
			return base + f->at + i * f->size;
	return NULL;
}

static void walk(struct changes *, const struct field *, const char *was, const char *now, const char *path);

static void
entries(struct changes *c, const struct field *f, const char *was, const char *now, const char *path)
{
	char entry[CONF_TEXT];
	unsigned n;

	memcpy(&n, now + f->count, sizeof n);
	for (unsigned i = 0; i < n; i++) {
		const char *e = now + f->at + i * f->size, *name = e + f->sub->at, *old = namesake(f, was, name);
		snprintf(entry, sizeof entry, "%.150s[%.63s]", path, name);
		if (old)
			walk(c, f->sub, old, e, entry);
		else
			tell(c, "+", entry);
	}
	memcpy(&n, was + f->count, sizeof n);
	for (unsigned i = 0; i < n; i++) {
		const char *name = was + f->at + i * f->size + f->sub->at;
		snprintf(entry, sizeof entry, "%.150s[%.63s]", path, name);
		if (!namesake(f, now, name))
			tell(c, "-", entry);
	}
}

static void
walk(struct changes *c, const struct field *f, const char *was, const char *now, const char *path)
{
	char below[CONF_TEXT];

	for (; f->name; f++) {
		snprintf(below, sizeof below, "%s%s%s", path, *path ? "/" : "", f->name);
		if (f->kind == F_CONTAINER)
			walk(c, f->sub, was + f->at, now + f->at, below);
		else if (f->kind == F_LIST && strcmp(f->sub->name, "name") == 0)
			entries(c, f, was, now, below);
		else if (!row_same(f, was, now))
			tell(c, "", below);
	}
}

unsigned
conf_changes(const struct conf *was, const struct conf *now, char *names, size_t len)
{
	struct changes c = { .out = names, .len = len };

	names[0] = 0;
	walk(&c, conf_fields, (const char *)was, (const char *)now, "");
	return c.n;
}
