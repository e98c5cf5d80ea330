// SPDX-License-Identifier: Apache-2.0
/*
 * Which context a packet belongs to: the compressor's table of flows, who gets a CID when all are
 * taken, and the streams that only look like RTP.
 *
 * A flow of RTP is addresses, ports and SSRC (RFC 2508, 3.1), of other UDP addresses and ports. The
 * table is open addressing with the CID in the slot: one line of it and the context itself are all
 * a packet touches.  A chain of slots is never longer than FIND_PROBES, whoever chooses the
 * addresses; a flow that finds no place stays plain.
 *
 * The negative cache (3.1) counts, by addresses and ports, the contexts opened that never
 * compressed well.
 */
#include "crtp/comp_int.h"

#include <stdlib.h>

#include "crtp/find.h"

enum {
	LOOKS = 16,	/* contexts looked at for one that may be taken */
	OPENED_MAX = 8, /* contexts of one stream that never compressed well */
	NEGATIVE_SECONDS = 60,
	AGE_LOOKS = 256,
};

void
flow_hash(const struct crtp_comp *c, struct flow *f)
{
	f->hash = find_hash(c, f->p, f->v6, f->rtp);
}

struct cctx *
flow_find(struct crtp_comp *c, const struct flow *f)
{
	uint32_t cid = find_cid(c, f->hash, f->p, f->v6, f->rtp);

	return cid == NO_CID ? NULL : &c->ctx[cid];
}

static bool
flow_insert(struct crtp_comp *c, uint32_t cid, uint32_t hash)
{
	uint32_t mask = c->slots - 1;

	for (uint32_t i = hash & mask, n = 0; n < FIND_PROBES; i = (i + 1) & mask, n++) {
		if (c->slot[i] == 0) {
			c->slot[i] = SLOT_TAG(hash) | cid;
			c->ctx[cid].hash = hash;
			return true;
		}
	}
	return false;
}

/* Takes the slot out, and closes the hole so that no chain is cut. */
static void
slot_remove(struct crtp_comp *c, uint32_t cid)
{
	uint32_t mask = c->slots - 1, i = c->ctx[cid].hash & mask, hole, home;

	while ((c->slot[i] & 0xffff) != cid || c->slot[i] == 0)
		i = (i + 1) & mask;
	for (hole = i;;) {
		c->slot[hole] = 0;
		do {
			i = (i + 1) & mask;
			if (c->slot[i] == 0)
				return;
			home = c->ctx[c->slot[i] & 0xffff].hash & mask;
		} while (((i - home) & mask) < ((i - hole) & mask));
		c->slot[hole] = c->slot[i];
		hole = i;
	}
}

/* Its row changes, or goes: it waits in line to be exported. */
void
ctx_due(struct crtp_comp *c, struct cctx *x)
{
	uint32_t cid = cid_of(c, x);

	if (x->due)
		return;
	x->due = true;
	x->next_due = 0;
	if (c->due_head == NO_CID)
		c->due_head = cid;
	else
		c->ctx[c->due_tail].next_due = (uint16_t)cid;
	c->due_tail = cid;
}

/* The list of free CIDs ends in itself; from c->unused on, CIDs were never given to anyone. */
static void
give_back(struct crtp_comp *c, uint32_t cid)
{
	c->ctx[cid].next_free = (uint16_t)(c->free == NO_CID ? cid : c->free);
	c->free = cid;
}

void
flow_close(struct crtp_comp *c, struct cctx *x)
{
	if (x->hash == 0)
		return;
	slot_remove(c, cid_of(c, x));
	x->hash = 0;
	x->reused = true;
	give_back(c, cid_of(c, x));
	c->stat[CRTP_C_CONTEXTS]--;
	ctx_due(c, x);
}

static uint32_t
take_free(struct crtp_comp *c, uint32_t limit)
{
	uint32_t cid = c->free;

	if (cid != NO_CID && cid < limit) {
		c->free = c->ctx[cid].next_free == cid ? NO_CID : c->ctx[cid].next_free;
		return cid;
	}
	return c->unused < limit ? c->unused++ : NO_CID;
}

/*
 * The hand goes round: whoever fell silent is replaced, whoever talks keeps its context, so that
 * more flows than CIDs do not thrash (RFC 2507, 1).
 */
static uint32_t
take_used(struct crtp_comp *c, uint32_t limit, tick_t now)
{
	for (unsigned n = 0; n < LOOKS; n++) {
		struct cctx *x;
		c->hand = c->hand + 1 < limit ? c->hand + 1 : 0;
		x = &c->ctx[c->hand];
		if (x->hash != 0 && now - x->used >= c->idle) {
			flow_close(c, x);
			c->stat[CRTP_C_EVICTED]++;
			return take_free(c, limit);
		}
	}
	return NO_CID;
}

static struct cctx *
ctx_begin(struct crtp_comp *c, const struct flow *f, uint32_t cid)
{
	struct cctx *x = &c->ctx[cid];

	*x = (struct cctx){ .gen = x->gen,
			    .gens = x->gens,
			    .gens_since = x->gens_since,
			    .reused = x->reused,
			    .due = x->due,
			    .next_due = x->next_due,
			    .epoch = (uint8_t)(c->epoch - 1),
			    .link = 15, /* the first packet has 0 */
			    .udp = f->udp,
			    .rtp = f->rtp,
			    .v6 = f->v6 };
	if (!flow_insert(c, cid, f->hash)) {
		give_back(c, cid);
		c->stat[CRTP_C_NO_CONTEXT]++;
		return NULL;
	}
	c->stat[CRTP_C_CONTEXTS]++;
	c->stat[CRTP_C_OPENED]++;
	return x;
}

struct cctx *
flow_open(struct crtp_comp *c, const struct flow *f, tick_t now)
{
	uint32_t limit = c->fam[f->v6].contexts, cid = take_free(c, limit);

	if (cid == NO_CID)
		cid = take_used(c, limit, now);
	if (cid == NO_CID) {
		c->stat[CRTP_C_NO_CONTEXT]++;
		return NULL;
	}
	return ctx_begin(c, f, cid);
}

/* A free CID out of the list, wherever in it. */
static void
take_this(struct crtp_comp *c, uint32_t cid)
{
	uint32_t before = NO_CID, at = c->free;

	while (c->unused < cid)
		give_back(c, c->unused++);
	if (c->unused == cid) {
		c->unused++;
		return;
	}
	while (at != cid) {
		before = at;
		at = c->ctx[at].next_free;
	}
	bool last = c->ctx[cid].next_free == cid;
	if (before == NO_CID)
		c->free = last ? NO_CID : c->ctx[cid].next_free;
	else
		c->ctx[before].next_free = (uint16_t)(last ? before : c->ctx[cid].next_free);
}

/* The flow gets this CID, which is free: from a checkpoint. */
struct cctx *
flow_claim(struct crtp_comp *c, const struct flow *f, uint32_t cid)
{
	take_this(c, cid);
	return ctx_begin(c, f, cid);
}

/* --- streams that only look like RTP
 * --------------------------------------------------------------- */

static uint16_t
second_of(tick_t now)
{
	return (uint16_t)(now / TICKS(1000));
}

static struct negative *
negative_of(struct crtp_comp *c, const struct flow *f, uint32_t *tag)
{
	struct flow stream = *f;

	stream.rtp = false;
	flow_hash(c, &stream);
	*tag = stream.hash;
	return &c->neg[*tag & (c->negs - 1)];
}

static void
condemn(struct crtp_comp *c, struct negative *n, tick_t now)
{
	n->bad = true;
	n->until = (uint16_t)(second_of(now) + NEGATIVE_SECONDS);
	c->stat[CRTP_C_NEGATIVE]++;
}

/* Asked when a context would be opened, which it counts. */
bool
flow_negative(struct crtp_comp *c, const struct flow *f, tick_t now)
{
	uint32_t tag;
	struct negative *n = negative_of(c, f, &tag);

	if (n->bad && (int16_t)(second_of(now) - n->until) >= 0)
		*n = (struct negative){ 0 };
	if (n->tag != tag) {
		if (!n->bad)
			*n = (struct negative){ .tag = tag, .opened = 1 };
		return false;
	}
	if (!n->bad && ++n->opened > OPENED_MAX)
		condemn(c, n, now);
	return n->bad;
}

void
flow_good(struct crtp_comp *c, const struct flow *f)
{
	uint32_t tag;
	struct negative *n = negative_of(c, f, &tag);

	if (n->tag == tag && n->opened > 0)
		n->opened--;
}

void
flow_bad(struct crtp_comp *c, const struct flow *f, tick_t now)
{
	uint32_t tag;
	struct negative *n = negative_of(c, f, &tag);

	if (n->bad && n->tag != tag)
		return; /* its neighbour's time is not over */
	*n = (struct negative){ .tag = tag };
	condemn(c, n, now);
}

/* --- the table itself
 * -------------------------------------------------------------------------------- */

void
crtp_comp_age(struct crtp_comp *c, mono_t now)
{
	tick_t t = tick_of(now);

	for (unsigned n = 0; n < AGE_LOOKS && n < c->contexts; n++) {
		struct cctx *x = &c->ctx[c->aged];
		c->aged = c->aged + 1 < c->contexts ? c->aged + 1 : 0;
		if (x->hash != 0 && t - x->used >= c->age) {
			flow_close(c, x);
			c->stat[CRTP_C_AGED]++;
		}
	}
}

static uint32_t
power_above(uint32_t n)
{
	uint32_t p = 64;

	while (p < n)
		p *= 2;
	return p;
}

static void
family_init(struct family *m, bool on, const struct crtp_params *p, uint32_t most)
{
	uint32_t space = p->non_tcp_space + 1u;

	*m = (struct family){ .on = on && !p->no_non_tcp,
			      .rtp = p->rtp || p->enhanced,
			      .enhanced = p->enhanced,
			      .wide = space > 256,
			      .contexts = most && most < space ? most : space,
			      .max_header = p->max_header,
			      .period = p->f_max_period ? p->f_max_period - (p->f_max_period == 0xffff) : 0xffff,
			      .time = p->f_max_time ? TICKS(p->f_max_time * 1000u) : 1u << 31 };
	if (!m->on)
		m->contexts = 0;
}

struct crtp_comp *
crtp_comp_new(const struct crtp_comp_conf *f)
{
	struct crtp_comp *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	family_init(&c->fam[0], f->has_v4, &f->v4, f->contexts);
	family_init(&c->fam[1], f->has_v6, &f->v6, f->contexts);
	c->contexts =
	    c->fam[0].contexts > c->fam[1].contexts ? c->fam[0].contexts : c->fam[1].contexts;
	c->slots = power_above(2 * c->contexts);
	c->negs = power_above(c->contexts > 4096 ? 4096 : c->contexts);
	c->n1 = (uint8_t)((f->n < 14 ? f->n : 14) + 1);
	c->full_every = f->full_every < 255 ? f->full_every : 255;
	c->idle = TICKS(f->idle_s * 1000u);
	c->age = TICKS((f->age_s ? f->age_s : 120) * 1000u);
	c->hold = TICKS(f->hold_ms);
	c->leave_non_rtp = f->leave_non_rtp;
	c->seed = f->seed;
	c->due_head = c->due_tail = c->free = NO_CID;
	c->memory = calloc(c->contexts + 1, sizeof *c->ctx);
	c->slot = calloc(c->slots, sizeof *c->slot);
	c->neg = calloc(c->negs, sizeof *c->neg);
	if (!c->memory || !c->slot || !c->neg) {
		crtp_comp_free(c);
		return NULL;
	}
	c->ctx = (struct cctx *)(((uintptr_t)c->memory + 63) & ~(uintptr_t)63);
	return c;
}

void
crtp_comp_free(struct crtp_comp *c)
{
	if (!c)
		return;
	free(c->memory);
	free(c->slot);
	free(c->neg);
	free(c);
}

size_t
crtp_comp_octets(const struct crtp_comp *c)
{
	return sizeof *c + (c->contexts + 1) * sizeof *c->ctx + c->slots * sizeof *c->slot +
	       c->negs * sizeof *c->neg;
}
