// SPDX-License-Identifier: Apache-2.0
/* See due.h. */
#include "due.h"

#include <stdlib.h>

static void
place(struct due_heap *h, uint32_t i, struct due *d)
{
	h->v[i] = d;
	d->slot = i + 1;
}

static void
up(struct due_heap *h, uint32_t i, struct due *d)
{
	for (; i > 0 && h->v[(i - 1) / 2]->at > d->at; i = (i - 1) / 2)
		place(h, i, h->v[(i - 1) / 2]);
	place(h, i, d);
}

static void
down(struct due_heap *h, uint32_t i, struct due *d)
{
	for (uint32_t k; (k = 2 * i + 1) < h->n; i = k) {
		if (k + 1 < h->n && h->v[k + 1]->at < h->v[k]->at)
			k++;
		if (h->v[k]->at >= d->at)
			break;
		place(h, i, h->v[k]);
	}
	place(h, i, d);
}

static void
take_out(struct due_heap *h, struct due *d)
{
	uint32_t i = d->slot - 1;
	struct due *last = h->v[--h->n];

	d->slot = 0;
	if (last == d)
		return;
	if (i > 0 && h->v[(i - 1) / 2]->at > last->at)
		up(h, i, last);
	else
		down(h, i, last);
}

bool
due_set(struct due_heap *h, struct due *d, mono_t at)
{
	mono_t was = d->at;

	d->at = at;
	if (at == MONO_NEVER) {
		d->at = was;
		if (d->slot)
			take_out(h, d);
		d->at = MONO_NEVER;
		return true;
	}
	if (d->slot) {
		if (at < was)
			up(h, d->slot - 1, d);
		else if (at > was)
			down(h, d->slot - 1, d);
		return true;
	}
	if (h->n == h->cap) {
		uint32_t cap = h->cap ? h->cap * 2 : 64;
		struct due **v = realloc(h->v, cap * sizeof *v);

		if (!v)
			return false;
		h->v = v;
		h->cap = cap;
	}
	up(h, h->n++, d);
	return true;
}

struct due *
due_first(const struct due_heap *h)
{
	return h->n ? h->v[0] : NULL;
}

void
due_fini(struct due_heap *h)
{
	free(h->v);
	*h = (struct due_heap){ 0 };
}
