// SPDX-License-Identifier: Apache-2.0
/*
 * A compressed packet that is not the next one of its context, or is and does not prove: lost,
 *late, twice, or wrong.
 *
 * The link sequence has four bits.  From the last packet L, a packet is read as (RFC 3545, 2.3)
 *
 *	L+2 .. L+N+1    up to N packets lost: "twice", the steps applied as often as it takes,
 *proved by the checksum L               the same once more; if it is not that, sixteen were lost
 *	L-1 .. L-4      late; restored from the context as it was before the gap that it left, which
 *it does not move back else            more than N lost: the context is invalid, the compressor is
 *asked
 *
 * What the checksum does not cover is the IPv4 ID.  It is right as long as at least one of the N+1
 *packets that tell of a change came through: hence the limit of N, hence no reading of a step of
 *the ID behind a gap without the absolute ID, hence "late" only from a state that was reached in
 *order.  RFC 2508 repeats nothing, so there a gap ends the context, unless the operator said that a
 *wrong ID is the lesser evil (`twice`).
 */
#include "crtp/dec_int.h"

enum {
	LATE_MAX = 4,	  /* how far back is late rather than a loss of 12 and more */
	STRIKES_MAX = 2,  /* packets in a row that seem late, before that is no longer believed */
	OLD_PACKETS = 12, /* for so many packets the state before a gap is kept */
	BRIDGE_MAX = 255, /* steps that a checkpoint may be behind */
	BRIDGE_TRIES = 3, /* packets that may find no way over a bridge before the peer is asked */
	STEADY = 16,	  /* packets that the ID has gone steadily, to be believed over a bridge */
};

static bool
has_id(const struct dctx *x)
{
	return x->img[x->inner] >> 4 == 4;
}

static bool
enhanced(const struct crtp_dec *d, const struct dctx *x)
{
	return d->fam[(x->flags & D_V6) != 0].enhanced;
}

/* Packets lost with a new step: did those between have the old one or the new one?  The checksum
 * says. */
static bool
find_reading(const struct dctx *x, const struct moving *from, struct head *h, unsigned steps,
	     struct moving *m)
{
	*m = reading(from, h, steps, false);
	if (reading_proved(x, m, h))
		return reading_plausible(x, from, m, h, steps);
	if (!(h->has & F_DT) || h->has & (F_T | F_WHOLE))
		return false;
	*m = reading(from, h, steps, true);
	return reading_proved(x, m, h);
}

/* A step of the ID, told as a difference from a packet that did not come: no checksum tells the ID.
 */
static bool
id_unproved(const struct dctx *x, const struct head *h)
{
	return has_id(x) && h->has & F_DI && !(h->has & F_I);
}

static unsigned
reach(const struct crtp_dec *d, const struct dctx *x)
{
	if (x->sum == SUM_NONE)
		return 1;
	if (!has_id(x) && d->beyond)
		return 15;
	if (!enhanced(d, x))
		return d->twice ? 15 : 1;
	return x->n + 1u < 15 ? x->n + 1u : 15;
}

static enum crtp_verdict
forward(struct crtp_dec *d, struct dctx *x, struct head *h, unsigned steps, tick_t t,
	struct crtp_pkt *k)
{
	struct moving m, before = x->at;

	if (id_unproved(x, h) || !find_reading(x, &x->at, h, steps, &m))
		return CRTP_GAP;
	deliver(d, x, &m, h, k);
	settle(d, x, &m, h, t);
	x->old = before;
	x->old_left = OLD_PACKETS;
	x->flags |= D_OLD;
	d->stat[CRTP_D_MISSING] += steps - 1;
	d->stat[CRTP_D_REPAIRED]++;
	return CRTP_OK;
}

/* From before the gap, as far as the gap reached.  The context stays where it is; the old state
 * comes along. */
static enum crtp_verdict
late(struct crtp_dec *d, struct dctx *x, struct head *h, struct crtp_pkt *k)
{
	unsigned steps = (h->link - x->old.link) & 15, span = (x->at.link - x->old.link) & 15;
	struct moving m;

	if (!(x->flags & D_OLD) || x->old_left == 0)
		return CRTP_LATE;
	if (steps == 0 || steps >= span || steps > reach(d, x))
		return CRTP_LATE;
	if ((steps > 1 && id_unproved(x, h)) || !find_reading(x, &x->old, h, steps, &m))
		return CRTP_LATE;
	deliver(d, x, &m, h, k);
	x->old = m;
	x->strikes = 0;
	d->stat[CRTP_D_REORDERED]++;
	return CRTP_OK;
}

static bool
is_copy(const struct dctx *x, struct head *h)
{
	uint32_t has = h->has;
	struct moving m;
	bool same;

	h->has &= ~(uint32_t)(F_DI | F_DS | F_DT);
	m = reading(&x->at, h, 0, false);
	same =
	    reading_proved(x, &m, h) && m.id == x->at.id && m.seq == x->at.seq && m.ts == x->at.ts;
	h->has = has;
	return same;
}

/*
 * A context from a checkpoint: the packets since it were delivered by another, or by nobody.  What changed in the last
 * moments is told again by a peer that notices (crtp_dec_renewed): hence a few tries before asking.
 */
static enum crtp_verdict
bridge(struct crtp_dec *d, struct dctx *x, struct head *h, tick_t t, struct crtp_pkt *k)
{
	unsigned steps = (h->link - x->at.link) & 15;
	bool id_known = !has_id(x) || h->has & F_I || (x->steady >= STEADY && !(h->has & F_DI));
	struct moving m;

	for (steps = steps ? steps : 16; id_known && steps <= BRIDGE_MAX; steps += 16) {
		uint8_t steady = x->steady;
		if (!find_reading(x, &x->at, h, steps, &m))
			continue;
		deliver(d, x, &m, h, k);
		settle(d, x, &m, h, t);
		x->steady = h->has & F_I ? x->steady : steady;
		d->stat[CRTP_D_BRIDGED]++;
		return CRTP_OK;
	}
	if (++x->strikes <= BRIDGE_TRIES)
		return CRTP_GAP;
	invalidate(d, x, t);
	return CRTP_GAP;
}

/* The next one by its four bits, right by its checksum, and yet from before: late by a whole turn
 * of them. */
static bool
from_before(const struct dctx *x, struct head *h)
{
	struct moving m = reading(&x->at, h, 1, false);

	if (!reading_proved(x, &m, h))
		return false;
	return (int16_t)(m.seq - x->at.seq) < 0 || (h->has & F_T && (int32_t)(m.ts - x->at.ts) < 0);
}

static enum crtp_verdict
lost(struct crtp_dec *d, struct dctx *x, enum crtp_verdict why, tick_t t)
{
	invalidate(d, x, t);
	return why;
}

enum crtp_verdict
gap(struct crtp_dec *d, struct dctx *x, struct head *h, tick_t t, struct crtp_pkt *k)
{
	unsigned steps = (h->link - x->at.link) & 15, back = 16 - steps;
	enum crtp_verdict v;

	if (x->flags & D_BRIDGE)
		return bridge(d, x, h, t, k);
	d->stat[CRTP_D_GAPS] += steps != 1;
	if (steps == 0 && is_copy(x, h))
		return CRTP_TWICE;
	if (steps == 1 && from_before(x, h) && ++x->strikes <= STRIKES_MAX)
		return CRTP_LATE;
	if (steps > 1 && steps <= reach(d, x)) {
		v = forward(d, x, h, steps, t, k);
		if (v == CRTP_OK)
			return v;
	}
	if (enhanced(d, x) && x->sum != SUM_NONE && steps > 1) {
		v = late(d, x, h, k);
		if (v == CRTP_OK)
			return v;
		if (back <= LATE_MAX && ++x->strikes <= STRIKES_MAX)
			return v;
	}
	return lost(d, x, steps == 1 ? CRTP_CHECKSUM : CRTP_GAP, t);
}
