// SPDX-License-Identifier: Apache-2.0
/*
 * The outbox (design, 3): effects held, in order, until what they reveal is committed.  Pure: no
 * clock, no socket; the simulator uses the same one.
 *
 *      core --record--> outbox_record()           numbers 1, 2, 3 ...
 *      core --effect--> outbox_effect()           held under the last number given
 *      committed up to n --> outbox_commit(n)
 *      shell --> outbox_release(fn)               everything held under <= n, oldest first
 *
 * An effect is copied (octets and detail) into a ring that grows up to `max_octets` and then
 * refuses.
 */
#ifndef TWIN_OUTBOX_H
#define TWIN_OUTBOX_H

#include "base/sink.h"

struct outbox_mem;

struct outbox_ring {
	struct outbox_mem *mem, *retired; /* retired: still lent to a release going on */
	size_t size, head, tail, used;	  /* octets */
	unsigned effects;
	bool lent;
};

struct outbox {
	struct outbox_ring held, free_to_go; /* the second: effects that reveal nothing */
	size_t max_octets;
	uint64_t recorded, committed;	     /* numbers */
	uint64_t released, dropped, refused; /* counts of effects, since outbox_init */
};

void outbox_init(struct outbox *, size_t max_octets); /* 0: 64 MiB; allocates when first needed */
void outbox_fini(struct outbox *);

/* The number of a record just emitted. */
uint64_t outbox_record(struct outbox *);
/* Held under the last number given.  False: full (or an effect of more than 1 MiB): refused and
 * counted. */
bool outbox_effect(struct outbox *, const struct effect *);
/* Everything up to `number` is committed; a smaller or a future number changes nothing.  False: a
 * future one. */
bool outbox_commit(struct outbox *, uint64_t number);

/*
 * Hands each effect that may go to `fn`, oldest first, and forgets it; the effect is lent until
 * `fn` returns.  `fn` false: stop here, keep this one and the rest.  Effects that reveal nothing go
 * first. Returns how many went.
 */
typedef bool outbox_fn(void *arg, const struct effect *);
unsigned outbox_release(struct outbox *, outbox_fn *fn, void *arg);

/* Forgets every effect held, and counts anew from 1: a new conversation with state-sync. */
void outbox_restart(struct outbox *);

static inline unsigned
outbox_effects(const struct outbox *o)
{
	return o->held.effects + o->free_to_go.effects;
}

#endif
