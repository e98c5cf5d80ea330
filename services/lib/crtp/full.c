// SPDX-License-Identifier: Apache-2.0
/*
 * FULL_HEADER (RFC 2508, 3.3.1; RFC 3545, 2.2; RFC 2507, 5.3) and COMPRESSED_NON_TCP (RFC 2507, 6).
 *
 * A full header is a packet whose first two length fields say something else.  The lengths come
 * back from the frame's own, and the IPv4 checksum, which was not touched, says whether the result
 * is right.  What a context can hold is kept: a chain of headers as chain.c knows them, RTP with its CSRCs.
 * What it cannot hold is delivered all the same, and counted.
 */
#include "crtp/dec_int.h"

enum { RTP_FIXED = 12 };

/* From the walk: what img holds.  RTP is decided by the data that follow. */
static bool
img_load(struct dctx *x, const uint8_t *p, uint32_t len, const struct chain *c, bool rtp)
{
	uint32_t keep = c->end;

	if (!c->kept || keep > CRTP_MAX_HEADER)
		return false;
	x->flags &= (uint8_t)~D_RTP;
	if (rtp && c->udp && len - c->end >= RTP_FIXED) {
		uint32_t more = RTP_FIXED + 4u * (p[c->end] & 15);
		if (len - c->end >= more && keep + more <= CRTP_MAX_HEADER) {
			keep += more;
			x->flags |= D_RTP;
		}
	}
	memcpy(x->img, p, keep);
	x->hlen = (uint8_t)keep;
	x->udp = (uint8_t)c->udp;
	x->inner = (uint8_t)c->inner;
	x->random = (uint8_t)c->random_octets;
	x->flags = (uint8_t)(p[0] >> 4 == 6 ? x->flags | D_V6 : x->flags & ~D_V6);
	return true;
}

bool
img_fits(struct dctx *x, uint32_t len)
{
	struct chain c;
	uint8_t img[CRTP_MAX_HEADER];
	bool rtp = x->flags & D_RTP;

	if (len > sizeof img || !chain_walk(x->img, len, &c) || !c.kept)
		return false;
	memcpy(img, x->img, len);
	return img_load(x, img, len, &c, rtp) && x->hlen == len &&
	       (x->flags & D_RTP) == (rtp ? D_RTP : 0);
}

static uint16_t
ip_constant(const uint8_t *h)
{
	uint64_t sum;

	if (h[0] >> 4 == 6)
		return 0;
	sum = (uint64_t)mem16(h) + mem16(h + 6) + mem16(h + 8);
	return sum_fold(sum_octets(sum, h + 12, 8));
}

/* Sums of what stays, after img was set. */
void
dctx_sums(struct dctx *x)
{
	struct chain c;
	uint64_t sum;

	if (!chain_walk(x->img, x->hlen, &c))
		return; /* never: it was walked to be set */
	x->ip[0] = ip_constant(x->img);
	x->ip[1] = ip_constant(x->img + x->inner);
	sum = chain_pseudo(x->img, &c);
	if (x->udp)
		sum = sum_octets(sum, x->img + x->udp, 4);
	x->pseudo = sum_fold(sum);
}

/* --- FULL_HEADER
 * -------------------------------------------------------------------------------------------- */

struct fields {
	uint32_t cid;
	uint8_t gen, link;
	bool has_link, hdrcksum, wide;
};

/* The two length fields, read and then put right.  TCP's have no generation (RFC 2507, 5.3.1). */
static enum crtp_verdict
read_fields(const uint8_t *p, const struct chain *c, struct fields *f)
{
	uint16_t first = get_u16(p + c->len_at[0]);
	uint16_t second = c->lens > 1 ? get_u16(p + c->len_at[1]) : 0, data;

	*f = (struct fields){ .cid = first & 0xff,
			      .gen = first >> 8 & 63,
			      .has_link = first & 0x4000,
			      .wide = first & 0x8000 };
	data = f->wide ? first & 0xff : second;
	if (f->wide) {
		f->cid = second;
		if (c->lens < 2)
			return CRTP_MALFORMED; /* RFC 2507, 5.3: there is no room for it */
	}
	if (c->tcp)
		return CRTP_OK;
	if (data & ~0x1f || (!f->has_link && data))
		return CRTP_MALFORMED;
	f->link = data & 15;
	f->hdrcksum = data & 0x10;
	if (c->lens < 2)
		f->has_link = false; /* nowhere to put it */
	return CRTP_OK;
}

static enum crtp_verdict
put_lengths(uint8_t *p, uint32_t len, const struct chain *c)
{
	for (unsigned i = 0; i < c->lens; i++) {
		uint32_t v = len - c->end_at[i];
		if (v > 65535)
			return CRTP_LENGTH;
		if (i < 2)
			put_u16(p + c->len_at[i], (uint16_t)v);
		else if (get_u16(p + c->len_at[i]) != v)
			return CRTP_DAMAGED; /* RFC 2507, 7.11: lengths match */
	}
	return CRTP_OK;
}

static bool
ip_right(const uint8_t *p, uint32_t len, uint32_t at)
{
	return p[at] >> 4 == 6 || sum_right(sum_octets(0, p + at, (p[at] & 15u) * 4));
}

/* The UDP checksum, or HDRCKSUM, which is taken out.  `kind` is what the context will carry. */
static bool
udp_right(uint8_t *p, uint32_t len, const struct chain *c, bool hdrcksum, uint8_t *kind)
{
	uint32_t data = len - c->end, covered = data;
	uint64_t sum;

	*kind = SUM_NONE;
	if (mem16(p + c->udp + 6) == 0)
		return !hdrcksum;
	*kind = hdrcksum ? SUM_HDR : SUM_UDP;
	if (hdrcksum && data >= RTP_FIXED) {
		covered = RTP_FIXED + 4u * (p[c->end] & 15);
		covered = covered < data ? covered : data;
	}
	if (c->blind)
		return true;
	sum = sum_carry(chain_pseudo(p, c), lay16((uint16_t)(len - c->udp)));
	sum = sum_octets(sum, p + c->udp, 8);
	sum = sum_octets(sum, p + c->end, covered);
	if (!sum_right(sum))
		return false;
	if (hdrcksum)
		put_u16(p + c->udp + 6, 0);
	return true;
}

/*
 * A full header that was overtaken: of one of the last two generations and older than what the
 * context has, by RTP's own sequence; or of this generation and from before.  It is delivered, and
 * the context stays.
 */
static bool
overtaken(const struct dctx *x, const struct fields *f, const struct moving *m, bool rtp, tick_t t)
{
	uint8_t ahead = (f->gen - x->gen) & 63, steps = (f->link - x->at.link) & 15;
	int16_t newer = (int16_t)(m->seq - x->at.seq);
	bool both = rtp && x->flags & D_RTP;

	if (x->flags & D_BRIDGE || !f->has_link || !(both || x->flags & D_VALID))
		return false;
	if (ahead >= 62)
		return both ? newer < 0 && newer > -64 : t - x->used < TICKS(500);
	if (ahead != 0 || !(x->flags & D_VALID))
		return false;
	if (both) /* the next one may be a little older: exchanged before it reached the compressor
		   */
		return newer < 0 && newer > -64 && (steps != 1 || newer <= -OFF_BACK);
	return steps > 8;
}

/* RFC 3545, 2.3: N is learned by counting, and by the sequence where one of the series was lost. */
static void
count_series(struct dctx *x, const struct fields *f, uint8_t gen_before, uint8_t link_before,
	     bool known)
{
	uint8_t steps = (f->link - link_before) & 15;

	if (!known || f->gen != gen_before) {
		x->n = 0;
		x->flags |= D_SERIES;
	} else if (x->flags & D_SERIES && steps <= 8) {
		x->n = (uint8_t)(x->n + steps < 14 ? x->n + steps : 14);
	}
}

static struct moving
moving_of(const uint8_t *p, uint32_t len, const struct chain *c, uint8_t link)
{
	struct moving m = { .link = link, .di = 1 };

	if (p[c->inner] >> 4 == 4)
		m.id = get_u16(p + c->inner + 4);
	if (c->udp && len - c->end >= RTP_FIXED) {
		m.type = p[c->end + 1];
		m.seq = get_u16(p + c->end + 2);
		m.ts = get_u32(p + c->end + 4);
	}
	return m;
}

/*
 * A checkpoint's compressor begins two generations after the one that was written down, to be sure, and then takes
 * the next (rows.c); any other goes on by one, unless all N+1 full headers of a series were lost.
 */
static bool
skips(const struct dctx *x, const struct fields *f)
{
	const uint8_t ahead = (f->gen - x->gen) & 63;

	return x->flags & D_VALID && !(x->flags & D_BRIDGE) && x->flags & D_RTP && f->has_link && x->asks == 0 &&
	       (ahead == 2 || ahead == 3);
}

/* True: the context is as this full header says. */
static bool
open_context(struct crtp_dec *d, struct dctx *x, const struct crtp_pkt *k, const struct chain *c,
	     const struct fields *f, uint8_t kind, tick_t t)
{
	struct moving m = moving_of(k->p, k->len, c, f->link);
	bool known = x->flags & D_KNOWN, rtp = f->has_link;
	uint8_t gen = x->gen, link = x->at.link;

	if (known && overtaken(x, f, &m, rtp && c->udp && k->len - c->end >= RTP_FIXED, t)) {
		d->stat[CRTP_D_REORDERED]++;
		return true;
	}
	d->renewed |= skips(x, f);
	if (!img_load(x, k->p, k->len, c, rtp))
		return false;
	count_series(x, f, gen, link, known);
	x->flags = (uint8_t)((x->flags & ~(D_LINK | D_BRIDGE | D_OLD)) | D_KNOWN | D_VALID |
			     (f->has_link ? D_LINK : 0));
	x->sum = kind;
	x->gen = f->gen;
	x->at = m;
	x->used = t;
	x->strikes = x->asks = 0;
	x->steady = 0;
	dctx_sums(x);
	d->stat[CRTP_D_CONTEXTS] += !known;
	if (d->checkpoint)
		dec_due(d, x, DUE_CONSTANT | DUE_MOVING);
	return true;
}

static enum crtp_verdict
check_full(struct crtp_dec *d, struct crtp_pkt *k, struct chain *c, struct fields *f, uint8_t *kind)
{
	bool v6 = k->len > 0 && k->p[0] >> 4 == 6;
	enum crtp_verdict v;

	if (!chain_walk(k->p, k->len, c))
		return CRTP_SHORT;
	v = read_fields(k->p, c, f);
	if (v != CRTP_OK)
		return v;
	if (!c->tcp && f->cid >= d->fam[v6].contexts)
		return CRTP_CID;
	if (f->has_link && !d->fam[v6].rtp)
		return CRTP_MALFORMED; /* RFC 2507, 12: to be negotiated */
	/* RFC 3545, 2.2: never with IPv6, nor where it was not negotiated */
	if (f->hdrcksum && (!d->fam[v6].enhanced || !c->udp || k->p[c->inner] >> 4 != 4) && !c->tcp)
		return CRTP_MALFORMED;
	v = put_lengths(k->p, k->len, c);
	if (v != CRTP_OK)
		return v;
	if (!ip_right(k->p, k->len, 0) || !ip_right(k->p, k->len, c->inner))
		return CRTP_DAMAGED;
	*kind = SUM_NONE;
	if (c->udp && !udp_right(k->p, k->len, c, f->hdrcksum, kind))
		return CRTP_DAMAGED;
	return CRTP_OK;
}

enum crtp_verdict
full_header(struct crtp_dec *d, tick_t t, struct crtp_pkt *k)
{
	struct chain c;
	struct fields f;
	uint8_t kind;
	enum crtp_verdict v = check_full(d, k, &c, &f, &kind);
	uint32_t head;

	if (v != CRTP_OK)
		return v;
	k->proto = k->p[0] >> 4 == 6 ? CRTP_PPP_IPV6 : CRTP_PPP_IPV4;
	d->stat[CRTP_D_FULL_HEADER]++;
	if (c.tcp || !open_context(d, &d->ctx[f.cid], k, &c, &f, kind, t)) {
		d->stat[CRTP_D_UNKEPT]++;
		return CRTP_OK;
	}
	head = d->ctx[f.cid].hlen;
	d->stat[CRTP_D_HEADER_IN] += head;
	d->stat[CRTP_D_HEADER_OUT] += head;
	return CRTP_OK;
}

/* --- COMPRESSED_NON_TCP
 * ------------------------------------------------------------------------------------- */

struct non_tcp {
	uint32_t cid;
	uint8_t gen;
	bool has_link;
};

static enum crtp_verdict
read_non_tcp(struct crtp_dec *d, struct rd *in, struct non_tcp *n, struct head *h)
{
	uint8_t flags;

	n->cid = rd_u8(in);
	flags = rd_u8(in);
	if (flags & 0x80)
		n->cid = n->cid << 8 | rd_u8(in);
	n->gen = flags & 63;
	n->has_link = flags & 0x40;
	if (n->has_link) {
		h->link = rd_u8(in);
		if (h->link > 15)
			return CRTP_MALFORMED;
	}
	if (!in->ok)
		return CRTP_SHORT;
	return n->cid < d->contexts ? CRTP_OK : CRTP_CID;
}

/* Its full header had no room for a sequence: there may be one, and it means nothing. */
static bool
only_one_length(const struct dctx *x)
{
	return x->udp == 0 && x->inner == 0;
}

/* RFC 2508, 3.3.1: of another generation, the context waits for a full header; RFC 2507, 11.1:
 * unless it is late. */
static enum crtp_verdict
check_generation(struct crtp_dec *d, struct dctx *x, const struct non_tcp *n, tick_t t)
{
	if (!(x->flags & D_KNOWN)) {
		ask(d, x, t);
		return CRTP_UNKNOWN;
	}
	if (n->gen == x->gen)
		return n->has_link == ((x->flags & D_LINK) != 0) || only_one_length(x) ? CRTP_OK : CRTP_MALFORMED;
	if (((n->gen - x->gen) & 63) < 62 || !(x->flags & D_VALID))
		invalidate(d, x, t);
	return CRTP_GENERATION;
}

/* RANDOM fields in their order (RFC 2507, 7): the IPv4 IDs, the UDP checksum. */
static enum crtp_verdict
read_random(struct rd *in, const struct dctx *x, struct head *h)
{
	const uint8_t *sum;

	if (x->inner && x->img[0] >> 4 == 4)
		h->outer_id = rd_u16(in);
	h->random = rd_take(in, x->random);
	h->has = F_WHOLE;
	if (x->img[x->inner] >> 4 == 4) {
		h->has |= F_I;
		h->id = rd_u16(in);
	}
	if (x->sum == SUM_UDP && (sum = rd_take(in, 2)))
		h->sum = mem16(sum);
	if (!in->ok)
		return CRTP_SHORT;
	h->data = (uint8_t *)in->p;
	h->len = (uint32_t)rd_left(in);
	if (x->sum == SUM_UDP)
		h->data_sum = sum_octets(0, h->data, h->len);
	return h->len + x->hlen > 65535 ? CRTP_LENGTH : CRTP_OK;
}

enum crtp_verdict
compressed_non_tcp(struct crtp_dec *d, tick_t t, struct crtp_pkt *k)
{
	struct rd in = rd_of(k->p, k->len);
	struct head h = { 0 };
	struct non_tcp n;
	struct dctx *x;
	struct moving m;
	enum crtp_verdict v = read_non_tcp(d, &in, &n, &h);
	uint32_t len;

	if (v != CRTP_OK)
		return v;
	x = &d->ctx[n.cid];
	v = check_generation(d, x, &n, t);
	if (v == CRTP_OK)
		v = read_random(&in, x, &h);
	if (v != CRTP_OK)
		return v;
	m = reading(&x->at, &h, 1, false);
	m.di = 1; /* RFC 2508, 3.3.2: initialised, as by a full header */
	if (x->sum == SUM_UDP && !reading_proved(x, &m, &h))
		return CRTP_DAMAGED;
	len = h.len;
	deliver(d, x, &m, &h, k);
	d->stat[CRTP_D_NON_TCP]++;
	d->stat[CRTP_D_HEADER_IN] -= len;
	d->stat[CRTP_D_HEADER_OUT] -= len;
	if (x->flags & D_VALID && x->flags & D_LINK && ((m.link - x->at.link) & 15) > 8) {
		d->stat[CRTP_D_REORDERED]++;
		return CRTP_OK;
	}
	x->flags |= D_VALID;
	x->flags &= (uint8_t)~D_OLD;
	settle(d, x, &m, &h, t);
	return CRTP_OK;
}
