// SPDX-License-Identifier: Apache-2.0
/*
 * From libyang's tree to struct conf, by the rows of fields.c.  The tree is valid, so what is
 * checked here is only what the module cannot say: that a row exists, and that it has room.
 */
#include "conf/fields.h"

#include <libyang/libyang.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

struct filling {
	char *error;
	size_t error_len;
};

static bool
fault(struct filling *f, const struct lyd_node *n, const char *what)
{
	char *path = lyd_path(n, LYD_PATH_STD, NULL, 0);

	snprintf(f->error, f->error_len, "%s: %s", path ? path : LYD_NAME(n), what);
	free(path);
	return false;
}

static void
put_uint(void *to, size_t size, uint64_t v)
{
	if (size == 1)
		*(uint8_t *)to = (uint8_t)v;
	else if (size == 2)
		*(uint16_t *)to = (uint16_t)v;
	else if (size == 4)
		*(uint32_t *)to = (uint32_t)v;
	else
		*(uint64_t *)to = v;
}

static unsigned
bits_of(const struct lyd_value *v)
{
	struct lyd_value_bits *bits;
	LY_ARRAY_COUNT_TYPE i;
	unsigned out = 0;

	LYD_VALUE_GET(v, bits);
	LY_ARRAY_FOR(bits->items, i)
	out |= 1u << bits->items[i]->position;
	return out;
}

static bool
put_text(struct filling *f, const struct lyd_node *n, char *to, size_t size, const char *text)
{
	if (strlen(text) >= size) /* counted in characters by YANG, in octets here */
		return fault(f, n, "too many octets");
	strcpy(to, text);
	return true;
}

static bool
put_value(struct filling *f, const struct lyd_node *n, const struct field *row, void *to)
{
	const struct lyd_value *v = &((const struct lyd_node_term *)n)->value;
	const char *text = lyd_get_value(n);

	switch (row->kind) {
	case F_BOOL:
		*(bool *)to = v->boolean != 0;
		return true;
	case F_UINT:
		put_uint(to, row->size, strtoull(text, NULL, 10));
		return true;
	case F_ENUM:
		put_uint(to, row->size, (uint64_t)v->enum_item->value);
		return true;
	case F_BITS:
		*(unsigned *)to = bits_of(v);
		return true;
	case F_TEXT:
		return put_text(f, n, to, row->size, text);
	case F_ADDR:
		return ip_addr_parse(text, to) || fault(f, n, "not an address");
	case F_PREFIX:
		return ip_prefix_parse(text, to) || fault(f, n, "not a prefix");
	case F_CONTAINER:
	case F_LIST:
		break;
	}
	return fault(f, n, "not known to this build");
}

static bool fill(struct filling *f, const struct lyd_node *parent, const struct field *rows,
		 char *base);

static bool
fill_element(struct filling *f, const struct lyd_node *n, const struct field *row, char *base)
{
	unsigned *count = (unsigned *)(base + row->count);
	char *to = base + row->at + *count * row->size;

	if (*count >= row->max)
		return fault(f, n, "too many entries");
	++*count;
	memset(to, 0, row->size);
	if (n->schema->nodetype & LYD_NODE_TERM)
		return put_value(f, n, row->sub, to);
	return fill(f, n, row->sub, to);
}

static const struct field *
row_of(const struct field *rows, const char *name)
{
	while (rows->name && strcmp(rows->name, name) != 0)
		rows++;
	return rows->name ? rows : NULL;
}

static bool
fill_node(struct filling *f, const struct lyd_node *n, const struct field *rows, char *base)
{
	const struct field *row = row_of(rows, LYD_NAME(n));

	if (!row)
		return fault(f, n, "not known to this build");
	if (row->kind == F_LIST)
		return fill_element(f, n, row, base);
	if (row->kind == F_CONTAINER)
		return fill(f, n, row->sub, base + row->at);
	return put_value(f, n, row, base + row->at);
}

static bool
fill(struct filling *f, const struct lyd_node *parent, const struct field *rows, char *base)
{
	const struct lyd_node *n;

	LY_LIST_FOR(lyd_child(parent), n)
	{
		if (!fill_node(f, n, rows, base))
			return false;
	}
	return true;
}

bool
conf_fill(const struct lyd_node *node, const struct field *fields, void *base, char *error,
	  size_t error_len)
{
	struct filling f = { error, error_len };

	return fill(&f, node, fields, base);
}
