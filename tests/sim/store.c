// SPDX-License-Identifier: Apache-2.0
/* A node's store: rows in key order.  A copy (the disk, a snapshot) shares them. */
#include "sim.h"

#include <assert.h>

static void
unref(struct row *r)
{
	if (--r->refs == 0)
		free(r);
}

static int
compare(const struct row *r, unsigned table, struct span key)
{
	size_t n = r->key_len < key.len ? r->key_len : key.len;
	int c;

	if (r->table != table)
		return r->table < table ? -1 : 1;
	c = n ? memcmp(r->b, key.p, n) : 0;
	return c ? c : r->key_len < key.len ? -1 : r->key_len > key.len;
}

/* The place of the first row not below. */
static unsigned
place(const struct rows *s, unsigned table, struct span key, bool *found)
{
	unsigned lo = 0, hi = s->n;

	*found = false;
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		int c = compare(s->v[mid], table, key);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct row *
rows_find(const struct rows *s, unsigned table, struct span key)
{
	bool found;
	unsigned i = place(s, table, key, &found);

	return found ? s->v[i] : NULL;
}

void
rows_put(struct rows *s, unsigned table, struct span key, struct span row)
{
	struct row *r = malloc(sizeof *r + key.len + row.len);
	bool found;
	unsigned i = place(s, table, key, &found);

	assert(r && key.len <= KEY_MAX && row.len < 65536);
	*r = (struct row){ .refs = 1, .table = (uint8_t)table, .key_len = (uint8_t)key.len, .len = (uint16_t)row.len };
	if (key.len)
		memcpy(r->b, key.p, key.len);
	if (row.len)
		memcpy(r->b + key.len, row.p, row.len);
	if (found) {
		unref(s->v[i]);
		s->v[i] = r;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->v = realloc(s->v, s->cap * sizeof *s->v);
		assert(s->v);
	}
	memmove(s->v + i + 1, s->v + i, (s->n - i) * sizeof *s->v);
	s->v[i] = r;
	s->n++;
}

void
rows_del(struct rows *s, unsigned table, struct span key)
{
	bool found;
	unsigned i = place(s, table, key, &found);

	if (!found)
		return;
	unref(s->v[i]);
	s->n--;
	memmove(s->v + i, s->v + i + 1, (s->n - i) * sizeof *s->v);
}

void
rows_wipe(struct rows *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		if (table_is_local(s->v[i]->table))
			s->v[n++] = s->v[i];
		else
			unref(s->v[i]);
	}
	s->n = n;
}

void
rows_free(struct rows *s)
{
	for (unsigned i = 0; i < s->n; i++)
		unref(s->v[i]);
	free(s->v);
	*s = (struct rows){ 0 };
}

void
rows_copy(struct rows *to, const struct rows *from)
{
	rows_free(to);
	if (!from->n)
		return;
	to->v = malloc(from->n * sizeof *to->v);
	assert(to->v);
	to->n = to->cap = from->n;
	for (unsigned i = 0; i < from->n; i++) {
		to->v[i] = from->v[i];
		to->v[i]->refs++;
	}
}

uint64_t
rows_hash(const struct rows *s)
{
	uint64_t h = s->n;

	for (unsigned i = 0; i < s->n; i++) {
		const struct row *r = s->v[i];
		if (!table_is_local(r->table))
			h = h * 31 + (hash_of(r->b, (size_t)r->key_len + r->len) ^ r->table);
	}
	return h;
}
