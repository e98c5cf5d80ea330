// SPDX-License-Identifier: Apache-2.0
/*
 * Checkpoints: contexts as rows, and rows as contexts again (design, section 3).
 *
 *	constant, of a compressor      1 | flags | sum | generation | octets | header
 *	constant, of a decompressor    2 | flags | sum | generation | N | octets | header
 *	moving, of a decompressor      3 | generation | link | type | valid | steady | id dI seq
 *(16) | ts dT (32)
 *
 * A row is read as a stranger's octets: what makes no sense is refused, and changes nothing.
 */
#include "crtp/comp_int.h"
#include "crtp/dec_int.h"

enum { ROW_COMP = 1, ROW_DEC = 2, ROW_MOVING = 3 };
enum { COMP_V6 = 1, COMP_RTP = 2 };
enum { N_MAX = 14, GEN_MAX = 63, UDP_PROTOCOL = 17 };

static void
row_end(struct crtp_row *r, uint32_t cid, enum crtp_part part, const struct wr *w)
{
	r->cid = (uint16_t)cid;
	r->part = (uint8_t)part;
	r->len = (uint8_t)wr_len(w);
}

/* --- compressor
 * ------------------------------------------------------------------------------------------ */

static void
comp_row(const struct cctx *x, struct wr *w)
{
	uint8_t octets = (uint8_t)(x->udp + UDP_HEADER + (x->rtp ? RTP_HEADER : 0));

	wr_u8(w, ROW_COMP);
	wr_u8(w, (uint8_t)((x->v6 ? COMP_V6 : 0) | (x->rtp ? COMP_RTP : 0)));
	wr_u8(w, x->sum);
	wr_u8(w, x->gen);
	wr_u8(w, octets);
	wr_bytes(w, x->img, octets);
}

size_t
crtp_comp_export(struct crtp_comp *c, struct crtp_row *rows, size_t max)
{
	size_t n = 0;

	while (n < max && c->due_head != NO_CID) {
		uint32_t cid = c->due_head;
		struct cctx *x = &c->ctx[cid];
		struct wr w = wr_of(rows[n].b, sizeof rows[n].b);
		c->due_head = cid == c->due_tail ? NO_CID : x->next_due;
		x->due = false;
		if (x->hash != 0)
			comp_row(x, &w);
		row_end(&rows[n++], cid, CRTP_PART_CONSTANT, &w);
	}
	return n;
}

void
crtp_comp_export_all(struct crtp_comp *c)
{
	for (uint32_t i = 0; i < c->contexts; i++)
		if (c->ctx[i].hash != 0)
			ctx_due(c, &c->ctx[i]);
}

/* The header of a flow that could have been compressed: what flow_hash and same_flow look at. */
static bool
flow_of_row(struct crtp_comp *c, struct rd *in, uint8_t img[static 60], struct flow *f,
	    uint8_t *sum, uint8_t *gen)
{
	uint8_t kind = rd_u8(in), flags = rd_u8(in), octets;
	const uint8_t *b;

	*sum = rd_u8(in);
	*gen = rd_u8(in);
	octets = rd_u8(in);
	b = rd_take(in, octets);
	*f = (struct flow){ .p = img, .v6 = flags & COMP_V6, .rtp = flags & COMP_RTP };
	f->udp = f->v6 ? IPV6_HEADER : IPV4_HEADER;
	if (!b || rd_left(in) > 0 || kind != ROW_COMP || flags & ~(COMP_V6 | COMP_RTP) ||
	    *sum > SUM_HDR || *gen > GEN_MAX)
		return false;
	if (octets != f->udp + UDP_HEADER + (f->rtp ? RTP_HEADER : 0))
		return false;
	memcpy(img, b, octets);
	flow_hash(c, f);
	if (f->v6)
		return img[0] >> 4 == 6 && img[6] == UDP_PROTOCOL;
	return img[0] == 0x45 && img[9] == UDP_PROTOCOL;
}

bool
crtp_comp_import(struct crtp_comp *c, uint16_t cid, struct span row)
{
	struct rd in = rd_of(row.p, row.len);
	struct flow f;
	struct cctx *x, *other;
	uint8_t img[60] = { 0 }, sum, gen;

	if (cid >= c->contexts)
		return false;
	x = &c->ctx[cid];
	if (row.len == 0) {
		flow_close(c, x);
		return true;
	}
	if (!flow_of_row(c, &in, img, &f, &sum, &gen) || cid >= c->fam[f.v6].contexts)
		return false;
	other = flow_find(c, &f);
	if (other != x) {
		if (other)
			flow_close(c, other);
		flow_close(c, x);
		if (!flow_claim(c, &f, cid))
			return false;
	}
	memcpy(x->img, img, sizeof img);
	x->sum = sum;
	x->gen = (gen + 2) & GEN_MAX; /* the one that wrote it may have gone on by one */
	x->reused = true;
	x->period = 0; /* as good as never sent: full headers come first */
	x->rep = 0;
	x->epoch = (uint8_t)(c->epoch - 1);
	return true;
}

/* --- decompressor
 * ------------------------------------------------------------------------------------------ */

void
dec_due(struct crtp_dec *d, struct dctx *x, uint8_t what)
{
	uint32_t cid = dec_cid(d, x);

	if (!(x->due & DUE_QUEUED)) {
		if (d->due_head == NO_CID)
			d->due_head = cid;
		else
			d->ctx[d->due_tail].next_due = (uint16_t)cid;
		d->due_tail = cid;
	}
	x->due |= what | DUE_QUEUED;
}

static void
dec_constant(const struct dctx *x, struct wr *w)
{
	wr_u8(w, ROW_DEC);
	wr_u8(w, x->flags & (D_RTP | D_LINK));
	wr_u8(w, x->sum);
	wr_u8(w, x->gen);
	wr_u8(w, x->n);
	wr_u8(w, x->hlen);
	wr_bytes(w, x->img, x->hlen);
}

static void
dec_moving(struct dctx *x, struct wr *w)
{
	const struct moving *m = &x->at;

	x->since = 0;
	wr_u8(w, ROW_MOVING);
	wr_u8(w, x->gen);
	wr_u8(w, m->link);
	wr_u8(w, m->type);
	wr_u8(w, (x->flags & D_VALID) != 0);
	wr_u8(w, x->steady);
	wr_u16(w, m->id);
	wr_u16(w, m->di);
	wr_u16(w, m->seq);
	wr_u32(w, m->ts);
	wr_u32(w, m->dt);
}

/* One row of the first context in line; it leaves the line with its last one. */
static void
dec_row(struct crtp_dec *d, struct crtp_row *r)
{
	uint32_t cid = d->due_head;
	struct dctx *x = &d->ctx[cid];
	struct wr w = wr_of(r->b, sizeof r->b);
	bool constant = x->due & DUE_CONSTANT, known = x->flags & D_KNOWN;

	if (known && constant)
		dec_constant(x, &w);
	else if (known)
		dec_moving(x, &w);
	x->due &= (uint8_t) ~(constant ? DUE_CONSTANT : DUE_MOVING);
	row_end(r, cid, constant ? CRTP_PART_CONSTANT : CRTP_PART_MOVING, &w);
	if (x->due & (DUE_CONSTANT | DUE_MOVING))
		return;
	x->due = 0;
	d->due_head = cid == d->due_tail ? NO_CID : x->next_due;
}

size_t
crtp_dec_export(struct crtp_dec *d, struct crtp_row *rows, size_t max)
{
	size_t n = 0;

	while (n < max && d->due_head != NO_CID)
		dec_row(d, &rows[n++]);
	return n;
}

void
crtp_dec_export_all(struct crtp_dec *d)
{
	for (uint32_t i = 0; i < d->contexts; i++)
		if (d->ctx[i].flags & D_KNOWN)
			dec_due(d, &d->ctx[i], DUE_CONSTANT | DUE_MOVING);
}

static bool
import_constant(struct crtp_dec *d, struct dctx *x, struct rd *in)
{
	struct dctx fresh = { 0 };
	uint8_t octets;
	const uint8_t *b;

	fresh.flags = rd_u8(in);
	fresh.sum = rd_u8(in);
	fresh.gen = rd_u8(in);
	fresh.n = rd_u8(in);
	octets = rd_u8(in);
	b = rd_take(in, octets);
	if (!b || rd_left(in) > 0 || octets > CRTP_MAX_HEADER || fresh.flags & ~(D_RTP | D_LINK) ||
	    fresh.sum > SUM_HDR || fresh.gen > GEN_MAX || fresh.n > N_MAX)
		return false;
	memcpy(fresh.img, b, octets);
	if (!img_fits(&fresh, octets) || (fresh.sum != SUM_NONE && !fresh.udp))
		return false;
	if (fresh.sum == SUM_HDR && fresh.img[fresh.inner] >> 4 != 4)
		return false;
	if (dec_cid(d, x) >= d->fam[(fresh.flags & D_V6) != 0].contexts)
		return false;
	fresh.flags |= D_KNOWN;
	fresh.due = x->due;
	fresh.next_due = x->next_due;
	fresh.next_ask = x->next_ask;
	fresh.ask_flags = x->ask_flags & ASK_QUEUED;
	if (x->flags & D_VALID && x->gen == fresh.gen) { /* what moves has come already */
		fresh.at = x->at;
		fresh.steady = x->steady;
		fresh.flags |= D_VALID | D_BRIDGE;
	}
	dctx_sums(&fresh);
	*x = fresh;
	return true;
}

static bool
import_moving(struct dctx *x, struct rd *in)
{
	struct moving m;
	uint8_t gen = rd_u8(in), valid, steady;

	m.link = rd_u8(in);
	m.type = rd_u8(in);
	valid = rd_u8(in);
	steady = rd_u8(in);
	m.id = rd_u16(in);
	m.di = rd_u16(in);
	m.seq = rd_u16(in);
	m.ts = rd_u32(in);
	m.dt = rd_u32(in);
	if (!in->ok || rd_left(in) > 0 || m.link > 15 || valid > 1 || !(x->flags & D_KNOWN) ||
	    gen != x->gen)
		return false;
	x->at = m;
	x->steady = steady;
	x->flags =
	    (uint8_t)(valid ? x->flags | D_VALID | D_BRIDGE : x->flags & ~(D_VALID | D_BRIDGE));
	x->flags &= (uint8_t) ~(D_OLD | D_SERIES);
	return true;
}

bool
crtp_dec_import(struct crtp_dec *d, uint16_t cid, struct span row)
{
	struct rd in = rd_of(row.p, row.len);
	struct dctx *x;

	if (cid >= d->contexts)
		return false;
	x = &d->ctx[cid];
	if (row.len == 0) {
		x->flags = 0;
		return true;
	}
	switch (rd_u8(&in)) {
	case ROW_DEC:
		return import_constant(d, x, &in);
	case ROW_MOVING:
		return import_moving(x, &in);
	}
	return false;
}
