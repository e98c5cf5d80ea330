// SPDX-License-Identifier: Apache-2.0
/*
 * Which YANG node goes where in struct conf, as tables (fields.c), and the one walker that follows
 * them (fill.c).  A leaf of the module without a row is refused at load, and a test finds it before
 * that.
 */
#ifndef TWIN_CONF_FIELDS_H
#define TWIN_CONF_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

struct lyd_node;

enum field_kind {
	F_BOOL,	     /* bool */
	F_UINT,	     /* unsigned of `size` octets */
	F_ENUM,	     /* the YANG enum's value, as an unsigned of `size` octets */
	F_BITS,	     /* 1 << position of each bit, as an unsigned */
	F_TEXT,	     /* char[size] */
	F_ADDR,	     /* struct ip_addr */
	F_PREFIX,    /* struct ip_prefix */
	F_CONTAINER, /* rows of `sub`, relative to `at` */
	F_LIST, /* leaf-list or list: elements of `size` octets from `at`, at most `max`, unsigned
		   count at `count` */
};

struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	size_t at, size;
	const struct field
	    *sub; /* F_CONTAINER, F_LIST: rows of an element; a leaf-list has one row named "." */
	size_t count, max; /* F_LIST */
};

extern const struct field conf_fields[]; /* of /twinlns:twinlns */

/* Copies the tree below `node` to `base`; on failure false and the place and fault in `error`. */
bool conf_fill(const struct lyd_node *node, const struct field *fields, void *base, char *error,
	       size_t error_len);

#endif
