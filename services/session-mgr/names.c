// SPDX-License-Identifier: Apache-2.0
/* Interned texts.  See names.h. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

struct name *
name_find(struct names *all, const char *text, size_t len)
{
	struct name *n;

	if (len > NAME_MAX_LEN)
		len = NAME_MAX_LEN;
	HASH_FIND(hh, all->all, text, len, n);
	return n;
}

struct name *
name_take(struct names *all, const char *text, size_t len)
{
	struct name *n = name_find(all, text, len);

	if (!n) {
		if (len > NAME_MAX_LEN)
			len = NAME_MAX_LEN;
		n = calloc(1, sizeof *n + len + 1);
		if (!n)
			return NULL;
		memcpy(n->text, text, len);
		n->len = (uint16_t)len;
		HASH_ADD(hh, all->all, text, len, n);
	}
	n->refs++;
	return n;
}

struct name *
name_hold(struct name *n)
{
	if (n)
		n->refs++;
	return n;
}

void
name_drop(struct names *all, struct name *n)
{
	if (!n || --n->refs > 0)
		return;
	HASH_DELETE(hh, all->all, n);
	free(n);
}
