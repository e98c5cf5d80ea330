// SPDX-License-Identifier: Apache-2.0
/*
 * Texts that many sessions share or that several tables of one session repeat (user names, pools,
 * profiles): kept once, counted.  Two names are equal when their pointers are.
 */
#ifndef SM_NAMES_H
#define SM_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#define NAME_MAX_LEN 253 /* RFC 2865: what an attribute can carry */

struct lease;

struct name {
	UT_hash_handle hh;
	struct lease *free; /* leases kept for this user (pool.c) */
	uint32_t refs;
	uint16_t len;
	char text[]; /* NUL-terminated */
};

struct names {
	struct name *all;
};

/* One more reference to `text`, cut at NAME_MAX_LEN; NULL: no memory.  name_drop gives it back. */
struct name *name_take(struct names *, const char *text, size_t len);
struct name *name_hold(struct name *); /* NULL is allowed */
void name_drop(struct names *, struct name *); /* NULL is allowed */
/* Lends; NULL: nobody holds such a name. */
struct name *name_find(struct names *, const char *text, size_t len);

static inline const char *
name_text(const struct name *n)
{
	return n ? n->text : "";
}

#endif
