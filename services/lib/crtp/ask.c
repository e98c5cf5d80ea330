// SPDX-License-Identifier: Apache-2.0
/*
 * CONTEXT_STATE as the decompressor says it (RFC 2508, 3.3.5; picture in state.c).
 *
 * A context that cannot go on waits in line to be asked for.  Its block is sent N+1 times with the
 * same sequence and generation (RFC 3545, 2.3), the copies apart in time so that one burst does not
 * take them all; then not before `state_ms` have passed and another packet of the context came.
 * Blocks share packets, and packets leave at least SPACING apart, so that ten thousand lost
 * contexts are forty packets and no flood.
 */
#include "crtp/dec_int.h"

enum { STATE_8 = 1, STATE_16 = 2, BLOCKS_MAX = 255, ACTIVE_MS = 1000 };

#define SPACING (10 * MONO_MS)

static void
enqueue(struct crtp_dec *d, struct dctx *x)
{
	uint32_t cid = dec_cid(d, x);

	if (x->ask_flags & ASK_QUEUED)
		return;
	x->ask_flags |= ASK_QUEUED;
	if (d->ask_head == NO_CID)
		d->ask_head = cid;
	else
		d->ctx[d->ask_tail].next_ask = (uint16_t)cid;
	d->ask_tail = cid;
}

static struct dctx *
dequeue(struct crtp_dec *d)
{
	struct dctx *x = &d->ctx[d->ask_head];

	d->ask_head = d->ask_head == d->ask_tail ? NO_CID : x->next_ask;
	x->ask_flags &= (uint8_t)~ASK_QUEUED;
	return x;
}

void
ask(struct crtp_dec *d, struct dctx *x, tick_t t)
{
	if (x->asks > 0 || (x->ask_flags & ASK_EVER && t - x->asked < d->state_gap))
		return;
	x->asked = t;
	x->ask_flags = (uint8_t)((x->ask_flags & ~ASK_ADVISORY) | ASK_EVER);
	x->asks = (uint8_t)(x->n + 1);
	enqueue(d, x);
}

void
invalidate(struct crtp_dec *d, struct dctx *x, tick_t t)
{
	if (x->flags & D_VALID)
		d->stat[CRTP_D_INVALIDATED]++;
	x->flags &= (uint8_t) ~(D_VALID | D_OLD | D_BRIDGE | D_SERIES);
	x->strikes = 0;
	if (d->checkpoint)
		dec_due(d, x, DUE_MOVING);
	ask(d, x, t);
}

void
crtp_dec_link_error(struct crtp_dec *d, mono_t now)
{
	tick_t t = tick_of(now);
	unsigned n = 0;

	for (uint32_t i = 0; i < d->contexts && n < BLOCKS_MAX; i++) {
		struct dctx *x = &d->ctx[i];
		if (!(x->flags & D_VALID) || !(x->flags & D_LINK) ||
		    t - x->used > TICKS(ACTIVE_MS) || x->asks)
			continue;
		x->asks = 1;
		x->ask_flags |= ASK_ADVISORY;
		enqueue(d, x);
		n++;
	}
}

/* Does it still want its block?  A full header may have come meanwhile. */
static bool
wanted(const struct dctx *x)
{
	return x->asks > 0 && (x->ask_flags & ASK_ADVISORY || !(x->flags & D_VALID));
}

static void
write_block(struct crtp_dec *d, struct dctx *x, struct wr *w)
{
	if (d->wide)
		wr_u16(w, (uint16_t)dec_cid(d, x));
	else
		wr_u8(w, (uint8_t)dec_cid(d, x));
	wr_u8(w, (uint8_t)((x->flags & D_VALID ? 0 : 0x80) | x->at.link));
	wr_u8(w, x->gen);
	d->stat[CRTP_D_BLOCKS]++;
}

size_t
crtp_dec_state(struct crtp_dec *d, mono_t now, uint8_t *buf, size_t cap)
{
	struct wr w = wr_of(buf, cap);
	uint32_t last = d->ask_tail;
	unsigned blocks = 0;
	size_t block = d->wide ? 4 : 3;

	if (d->ask_head == NO_CID || now < d->ask_due || cap < 2 + block)
		return 0;
	wr_u8(&w, d->wide ? STATE_16 : STATE_8);
	wr_u8(&w, 0);
	for (bool more = true; more && blocks < BLOCKS_MAX && wr_len(&w) + block <= cap;) {
		struct dctx *x = dequeue(d);
		more = dec_cid(d, x) != last && d->ask_head != NO_CID;
		if (!wanted(x)) {
			x->asks = 0;
			continue;
		}
		write_block(d, x, &w);
		blocks++;
		if (--x->asks > 0)
			enqueue(d, x);
	}
	if (blocks == 0)
		return 0;
	buf[1] = (uint8_t)blocks;
	d->ask_due = now + SPACING;
	d->stat[CRTP_D_STATES]++;
	return wr_len(&w);
}

mono_t
crtp_dec_due(const struct crtp_dec *d)
{
	if (d->ask_head == NO_CID)
		return MONO_NEVER;
	return d->ask_due ? d->ask_due : 1;
}
