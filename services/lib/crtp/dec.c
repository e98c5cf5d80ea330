// SPDX-License-Identifier: Apache-2.0
/*
 * The decompressor: COMPRESSED_RTP (RFC 2508, 3.3.2) and COMPRESSED_UDP (3.3.3; RFC 3545, 2.1)
 * become packets again.
 *
 * Read the header (struct head), take the context one step further (reading), prove it by the
 * checksum, and only then move the context and put the headers in front of the payload.  A packet
 * that is not the next one, or that does not prove, goes to gap.c; full headers and
 * COMPRESSED_NON_TCP are in full.c.
 *
 * The checksum is looked at in every packet, not one in sixteen (RFC 2508, 3.3.5): it costs less
 * than the copy.
 */
#include "crtp/dec_int.h"

#include <stdlib.h>

#include "crtp/delta.h"

enum { PACKET_MAX = 65535, STEADY_MAX = 255, RTP_FIXED = 12 };

/* --- reading
 * ------------------------------------------------------------------------------------------- */

static inline enum crtp_verdict
read_cid(const struct crtp_dec *d, struct rd *in, bool wide, struct dctx **x)
{
	uint32_t cid = wide ? rd_u16(in) : rd_u8(in);

	if (!in->ok)
		return CRTP_SHORT;
	if (cid >= d->contexts)
		return CRTP_CID;
	*x = &d->ctx[cid];
	return CRTP_OK;
}

/* UDP checksum or HDRCKSUM, then the RANDOM fields: the ID of an outer IPv4 header, those of extension headers. */
static inline void
read_sums(struct rd *in, const struct dctx *x, struct head *h)
{
	const uint8_t *b;

	if (x->sum != SUM_NONE) {
		b = rd_take(in, 2);
		h->sum = b ? mem16(b) : 0;
	}
	if (x->inner && x->img[0] >> 4 == 4)
		h->outer_id = rd_u16(in);
	if (x->random)
		h->random = rd_take(in, x->random);
}

static inline bool
has_id(const struct dctx *x)
{
	return x->img[x->inner] >> 4 == 4;
}

static inline void
read_list(struct rd *in, struct head *h)
{
	h->has |= F_LIST;
	h->csrc = in->p;
	rd_take(in, 4u * h->cc);
}

static inline enum crtp_verdict
read_rest(struct rd *in, const struct dctx *x, struct head *h)
{
	if (!in->ok)
		return CRTP_SHORT;
	h->data = (uint8_t *)(h->has & F_LIST ? h->csrc : in->p);
	h->len = (uint32_t)(in->end - h->data);
	if (h->len + x->hlen > PACKET_MAX || (h->has & F_LIST && x->udp + 20u + 4u * h->cc > CRTP_MAX_HEADER))
		return CRTP_LENGTH;
	if (x->sum == SUM_UDP)
		h->data_sum = sum_octets(0, h->data, h->len);
	return CRTP_OK;
}

/* RFC 2508, 3.3.2 */
static inline enum crtp_verdict
read_rtp(struct rd *in, const struct dctx *x, struct head *h)
{
	uint8_t flags = rd_u8(in), msti = flags >> 4;
	bool escape = msti == 15;

	h->link = flags & 15;
	read_sums(in, x, h);
	if (escape) {
		flags = rd_u8(in);
		msti = flags >> 4;
		h->cc = flags & 15;
	}
	h->has = msti & 8 ? F_M : 0;
	if (msti & 1) {
		if (!has_id(x))
			return CRTP_MALFORMED;
		h->has |= F_DI;
		h->di = (uint16_t)delta_read(in);
	}
	if (msti & 4) {
		h->has |= F_DS;
		h->ds = (uint16_t)delta_read(in);
	}
	if (msti & 2) {
		h->has |= F_DT;
		h->dt = delta_read(in);
	}
	if (escape)
		read_list(in, h);
	return read_rest(in, x, h);
}

/* RFC 2508, 3.3.3: dI is the only flag there is. */
static enum crtp_verdict
read_udp_2508(struct rd *in, const struct dctx *x, struct head *h)
{
	uint8_t flags = rd_u8(in);

	h->link = flags & 15;
	h->has = F_WHOLE;
	read_sums(in, x, h);
	if (flags & 0xe0 || (flags & 0x10 && !has_id(x)))
		return in->ok ? CRTP_MALFORMED : CRTP_SHORT;
	if (flags & 0x10) {
		h->has |= F_DI;
		h->di = (uint16_t)delta_read(in);
	}
	return read_rest(in, x, h);
}

/* RFC 3545, 2.1: the bits of the first and second flag octets. */
enum { BIT_F = 0x80, BIT_I = 0x40, BIT_DT = 0x20, BIT_DI = 0x10 };
enum { BIT_M = 0x80, BIT_S = 0x40, BIT_T = 0x20, BIT_P = 0x10, BIT_C = 0x08 };

static void
read_selected(struct rd *in, uint8_t more, struct head *h)
{
	if (more & BIT_S) {
		h->has |= F_S;
		h->seq = rd_u16(in);
	}
	if (more & BIT_T) {
		h->has |= F_T;
		h->ts = rd_u32(in);
	}
	if (more & BIT_P) {
		h->has |= F_P;
		h->type = rd_u8(in) & 0x7f;
	}
	if (more & BIT_C)
		read_list(in, h);
}

static enum crtp_verdict
read_udp_3545(struct rd *in, const struct dctx *x, struct head *h)
{
	uint8_t flags = rd_u8(in), more = 0;

	h->link = flags & 15;
	h->has = F_WHOLE;
	if (flags & BIT_F) {
		more = rd_u8(in);
		h->has = more & BIT_M ? F_M : 0;
		if (more & BIT_C)
			h->cc = rd_u8(in) & 15;
	}
	read_sums(in, x, h);
	if (flags & (BIT_I | BIT_DI) && !has_id(x))
		return in->ok ? CRTP_MALFORMED : CRTP_SHORT;
	if (flags & BIT_DI) {
		h->has |= F_DI;
		h->di = (uint16_t)delta_read(in);
	}
	if (flags & BIT_DT) {
		h->has |= F_DT;
		h->dt = delta_read(in);
	}
	if (flags & BIT_I) {
		h->has |= F_I;
		h->id = rd_u16(in);
	}
	read_selected(in, more, h);
	return read_rest(in, x, h);
}

/* --- one step further
 * --------------------------------------------------------------------------------------- */

struct moving
reading(const struct moving *from, const struct head *h, unsigned steps, bool new_dt)
{
	struct moving m = *from;
	const uint32_t has = h->has;

	m.link = h->link;
	if (has & F_DI)
		m.di = h->di;
	if (has & F_DT)
		m.dt = (uint32_t)h->dt;
	else if (has & F_WHOLE)
		m.dt = 0;
	m.id = has & F_I ? h->id : (uint16_t)(from->id + (steps - 1) * from->di + m.di);
	if (has & F_WHOLE) {
		if (h->len >= RTP_FIXED) {
			m.type = h->data[1];
			m.seq = get_u16(h->data + 2);
			m.ts = get_u32(h->data + 4);
		}
		return m;
	}
	m.seq = has & F_S ? h->seq : (uint16_t)(from->seq + steps - 1 + (has & F_DS ? h->ds : 1));
	if (has & F_T)
		m.ts = h->ts;
	else
		m.ts = from->ts + (steps - 1) * (new_dt ? m.dt : from->dt) + m.dt;
	m.type = (uint8_t)((has & F_P ? h->type : from->type & 0x7f) | (has & F_M ? 0x80 : 0));
	return m;
}

/*
 * An absolute sequence agrees with the checksum wherever the packet belongs, and four bits do not
 * tell a packet from one that is sixteen earlier or later, before or after full headers that never
 * came.  RTP's own sequence does, and its timestamp: near what is expected they are as the source
 * counted, beyond that packets of the link are missing.
 */
bool
reading_plausible(const struct dctx *x, const struct moving *from, const struct moving *m,
		  const struct head *h, unsigned steps)
{
	int16_t off = (int16_t)(m->seq - from->seq - steps);

	if (h->has & F_T && ts_leaps_back((int32_t)(m->ts - from->ts), from->dt))
		return false;
	if (!(h->has & (F_S | F_WHOLE)) || !(x->flags & D_RTP))
		return true;
	if (h->has & F_WHOLE &&
	    (h->len < RTP_FIXED || mem32(h->data + 8) != mem32(x->img + img_rtp(x) + 8)))
		return true;
	return !seq_leaps(off);
}

/* RFC 3545, 2.2: of the data, the fixed RTP header and the CSRCs, as far as they are there. */
static uint64_t
sum_of_headers(const uint8_t *data, uint32_t len)
{
	uint32_t covered = len;

	if (len >= RTP_FIXED) {
		covered = RTP_FIXED + 4u * (data[0] & 15);
		covered = covered < len ? covered : len;
	}
	return sum_octets(0, data, covered);
}

bool
reading_proved(const struct dctx *x, const struct moving *m, struct head *h)
{
	const uint8_t *rtp = x->img + img_rtp(x);
	uint32_t kept = h->has & F_LIST ? x->udp + 20u : x->hlen;
	uint64_t sum = x->pseudo;
	uint8_t first[2];

	if (x->sum == SUM_NONE)
		return false;
	if (h->has & F_WHOLE) {
		sum += 2u * lay16((uint16_t)(8 + h->len)) + h->sum;
		sum += x->sum == SUM_UDP ? sum_fold(h->data_sum)
					 : sum_fold(sum_of_headers(h->data, h->len));
		return sum_right(sum);
	}
	first[0] = h->has & F_LIST ? (uint8_t)((rtp[0] & 0xf0) | h->cc) : rtp[0];
	first[1] = m->type;
	sum += 2u * lay16((uint16_t)(kept - x->udp + h->len));
	sum += (uint64_t)mem16(first) + lay16(m->seq) + lay32(m->ts) + mem32(rtp + 8) + h->sum;
	if (!(h->has & F_LIST) && kept > x->udp + 20u)
		sum = sum_octets(sum, rtp + RTP_FIXED, kept - x->udp - 20u);
	if (x->sum == SUM_UDP)
		sum = sum_carry(sum, h->data_sum);
	else if (h->has & F_LIST)
		sum = sum_octets(sum, h->data, 4u * h->cc);
	return sum_right(sum);
}

/* --- putting the headers back
 * --------------------------------------------------------------------------------- */

static inline void
put_ip(uint8_t *out, uint32_t len, uint16_t constant, uint16_t id)
{
	uint16_t sum;

	if (out[0] >> 4 == 6) {
		put_u16(out + 4, (uint16_t)(len - 40));
		return;
	}
	sum = (uint16_t)~sum_fold((uint64_t)constant + lay16((uint16_t)len) + lay16(id));
	put_u16(out + 2, (uint16_t)len);
	put_u16(out + 4, id);
	memcpy(out + 10, &sum, 2);
}

/* The new headers may lie where the compressed one was read. */
static __attribute__((noinline)) void
put_extended(const struct dctx *x, uint8_t *out, uint32_t kept, const struct head *h)
{
	uint8_t random[CRTP_MAX_HEADER];
	struct chain c;

	memcpy(random, h->random, x->random);
	memcpy(out, x->img, kept);
	if (chain_walk(x->img, x->hlen, &c))
		chain_fill(out, &c, random);
}

enum crtp_verdict
deliver(struct crtp_dec *d, struct dctx *x, const struct moving *m, const struct head *h,
	struct crtp_pkt *k)
{
	uint32_t kept = x->hlen, len;
	uint8_t *out;

	if (h->has & F_WHOLE)
		kept = x->udp ? x->udp + 8u : x->hlen;
	else if (h->has & F_LIST)
		kept = x->udp + 20u;
	out = h->data - kept;
	len = kept + h->len;
	if (x->random)
		put_extended(x, out, kept, h);
	else if (kept == 40)
		memcpy(out, x->img, 40);
	else
		copy_some(out, x->img, kept);
	put_ip(out, len, x->ip[0], x->inner ? h->outer_id : m->id);
	if (x->inner)
		put_ip(out + x->inner, len - x->inner, x->ip[1], m->id);
	if (x->udp) {
		uint16_t sum = x->sum == SUM_UDP ? h->sum : 0;
		put_u16(out + x->udp + 4, (uint16_t)(len - x->udp));
		memcpy(out + x->udp + 6, &sum, 2);
	}
	if (!(h->has & F_WHOLE)) {
		uint8_t *rtp = out + img_rtp(x);
		if (h->has & F_LIST)
			rtp[0] = (uint8_t)((rtp[0] & 0xf0) | h->cc);
		rtp[1] = m->type;
		put_u16(rtp + 2, m->seq);
		put_u32(rtp + 4, m->ts);
	}
	d->stat[CRTP_D_HEADER_OUT] += len;
	d->stat[CRTP_D_HEADER_IN] += k->len;
	k->p = out;
	k->len = len;
	k->proto = x->flags & D_V6 ? CRTP_PPP_IPV6 : CRTP_PPP_IPV4;
	return CRTP_OK;
}

/* --- moving the context
 * ----------------------------------------------------------------------------------------- */

/* The RTP header that came whole is the context's now, whatever it was before (RFC 2508, 3.3:
 * COMPRESSED_UDP). */
static bool
keep_whole(struct dctx *x, const struct head *h)
{
	uint32_t keep = 0;
	uint8_t *rtp = x->img + img_rtp(x);
	bool changed;

	if (!x->udp)
		return false;
	if (h->len >= RTP_FIXED && x->flags & D_LINK)
		keep = RTP_FIXED + 4u * (h->data[0] & 15);
	if (keep > h->len || x->udp + 8u + keep > CRTP_MAX_HEADER)
		keep = 0;
	changed = x->hlen != x->udp + 8u + keep ||
		  (keep && (rtp[0] != h->data[0] || memcmp(rtp + 8, h->data + 8, keep - 8) != 0));
	copy_some(rtp, h->data, keep);
	x->hlen = (uint8_t)(x->udp + 8u + keep);
	x->flags = (uint8_t)(keep ? x->flags | D_RTP : x->flags & ~D_RTP);
	return changed;
}

static bool
keep_list(struct dctx *x, const struct head *h)
{
	uint8_t *rtp = x->img + img_rtp(x);
	bool changed = (rtp[0] & 15) != h->cc || memcmp(rtp + RTP_FIXED, h->data, 4u * h->cc) != 0;

	rtp[0] = (uint8_t)((rtp[0] & 0xf0) | h->cc);
	memcpy(rtp + RTP_FIXED, h->data, 4u * h->cc);
	x->hlen = (uint8_t)(x->udp + 20u + 4u * h->cc);
	return changed;
}

/* Is the way from here to there what a bridge would have guessed? */
static bool
regular(const struct dctx *x, const struct moving *m)
{
	const struct moving *at = &x->at;

	if (m->dt != at->dt || m->di != at->di || (m->type ^ at->type) & 0x7f)
		return false;
	if ((uint16_t)(m->seq - at->seq) != 1 || m->ts - at->ts != at->dt)
		return false;
	return (uint16_t)(m->id - at->id) == at->di || x->steady < 16;
}

void
settle(struct crtp_dec *d, struct dctx *x, const struct moving *m, const struct head *h, tick_t t)
{
	bool id_told = h->has & (F_I | F_DI);
	bool changed = false,
	     steady = (uint16_t)(m->id - x->at.id) == x->at.di && m->di == x->at.di;
	uint8_t due = 0;

	if (h->has & F_WHOLE)
		changed = keep_whole(x, h);
	else if (h->has & F_LIST)
		changed = keep_list(x, h);
	if (d->checkpoint) {
		x->since++;
		due = changed ? DUE_CONSTANT | DUE_MOVING : 0;
		if (x->since >= d->checkpoint || !regular(x, m))
			due |= DUE_MOVING;
	}
	if (id_told && !steady)
		x->steady = 0;
	else if (x->steady < STEADY_MAX)
		x->steady++;
	x->at = *m;
	x->used = t;
	x->strikes = 0;
	x->old_left -= x->old_left > 0;
	x->flags &= (uint8_t) ~(D_SERIES | D_BRIDGE);
	if (due)
		dec_due(d, x, due);
}

/* --- the doors
 * ----------------------------------------------------------------------------------------------------
 */

static inline enum crtp_verdict
ready(struct crtp_dec *d, struct dctx *x, bool rtp, tick_t t)
{
	enum crtp_verdict v = CRTP_OK;

	if (!(x->flags & D_KNOWN))
		v = CRTP_UNKNOWN;
	else if (!(x->flags & D_VALID))
		v = CRTP_INVALID;
	else if (!(x->flags & D_LINK) || (rtp && !(x->flags & D_RTP)))
		v = CRTP_NOT_RTP;
	if (v != CRTP_OK)
		ask(d, x, t);
	return v;
}

static inline enum crtp_verdict
next_or_gap(struct crtp_dec *d, struct dctx *x, struct head *h, tick_t t, struct crtp_pkt *k)
{
	struct moving m;

	if (((h->link - x->at.link) & 15) != 1 || x->flags & D_BRIDGE)
		return gap(d, x, h, t, k);
	m = reading(&x->at, h, 1, false);
	if (x->sum != SUM_NONE &&
	    (!reading_proved(x, &m, h) || !reading_plausible(x, &x->at, &m, h, 1)))
		return gap(d, x, h, t, k);
	deliver(d, x, &m, h, k);
	settle(d, x, &m, h, t);
	return CRTP_OK;
}

/*
 * The headers of IP, UDP and RTP, in pieces of a register each.  As one memcpy they are a `rep movs` (sum.h): a hundred
 * nanoseconds where there are thousands of contexts.
 */
static inline __attribute__((always_inline)) void
copy_headers(uint8_t *out, const uint8_t *img, bool v6)
{
	memcpy(out, img, 16);
	memcpy(out + 16, img + 16, 16);
	memcpy(out + 32, img + 32, 8);
	if (v6) {
		memcpy(out + 40, img + 40, 16);
		memcpy(out + 56, img + 56, 4);
	}
}

/*
 * The short way of COMPRESSED_RTP: one IP header, no CSRC, nothing in the flags but M, the next
 * sequence number, a UDP checksum that proves it.  Same steps as the long way, with everything
 * known in advance.  False: go the long way, nothing happened.
 */
static inline __attribute__((always_inline)) bool
short_way(struct crtp_dec *d, bool wide, tick_t t, struct crtp_pkt *k, bool v6)
{
	const uint32_t udp = v6 ? 40 : 20, head = udp + 8 + RTP_FIXED, from = wide ? 5 : 4;
	const uint8_t need = D_KNOWN | D_VALID | D_RTP | D_LINK | (v6 ? D_V6 : 0);
	uint8_t *p = k->p, flags = p[from - 3], first[2];
	struct dctx *x = &d->ctx[wide ? get_u16(p) : p[0]];
	uint32_t data = k->len - from, total = data + head, ts = x->at.ts + x->at.dt;
	uint16_t id = (uint16_t)(x->at.id + x->at.di), seq = (uint16_t)(x->at.seq + 1),
		 sum = mem16(p + from - 2);
	uint64_t all = x->pseudo;

	if ((x->flags & (need | D_V6 | D_BRIDGE | D_SERIES)) != need ||
	    ((x->at.link + 1) & 15) != (flags & 0x7f) || x->sum != SUM_UDP || x->hlen != head ||
	    x->inner != 0 || total > PACKET_MAX)
		return false;
	first[0] = x->img[udp + 8];
	first[1] = (uint8_t)((x->at.type & 0x7f) | (flags & 0x80));
	all += 2u * lay16((uint16_t)(total - udp)) + (uint64_t)mem16(first) + lay16(seq) +
	       lay32(ts) + mem32(x->img + udp + 16) + sum;
	if (!sum_right(sum_octets(all, p + from, data)))
		return false;
	x->at.link = flags & 15;
	x->at.type = first[1];
	x->at.id = id;
	x->at.seq = seq;
	x->at.ts = ts;
	x->used = t;
	x->strikes = 0;
	x->old_left -= x->old_left > 0;
	x->steady += x->steady < STEADY_MAX;
	_Static_assert(20 + 8 + RTP_FIXED == 40, "as copied");
	p = p + from - head;
	copy_headers(p, x->img, v6);
	put_ip(p, total, x->ip[0], id);
	put_u16(p + udp + 4, (uint16_t)(total - udp));
	memcpy(p + udp + 6, &sum, 2);
	p[udp + 9] = first[1];
	put_u16(p + udp + 10, seq);
	put_u32(p + udp + 12, ts);
	*k = (struct crtp_pkt){ p, total, v6 ? CRTP_PPP_IPV6 : CRTP_PPP_IPV4 };
	d->stat[CRTP_D_HEADER_IN] += from;
	d->stat[CRTP_D_HEADER_OUT] += head;
	d->stat[CRTP_D_RTP]++;
	if (d->checkpoint && ++x->since >= d->checkpoint)
		dec_due(d, x, DUE_MOVING);
	return true;
}

static inline __attribute__((always_inline)) bool
try_short(struct crtp_dec *d, bool wide, tick_t t, struct crtp_pkt *k)
{
	if (k->len < (wide ? 5u : 4u) || (wide ? get_u16(k->p) : k->p[0]) >= d->contexts)
		return false;
	if (d->ctx[wide ? get_u16(k->p) : k->p[0]].flags & D_V6)
		return short_way(d, wide, t, k, true);
	return short_way(d, wide, t, k, false);
}

static enum crtp_verdict
compressed_rtp(struct crtp_dec *d, bool wide, tick_t t, struct crtp_pkt *k)
{
	struct rd in = rd_of(k->p, k->len);
	struct head h = { 0 };
	struct dctx *x;
	enum crtp_verdict v = read_cid(d, &in, wide, &x);
	uint32_t len;

	if (v == CRTP_OK)
		v = ready(d, x, true, t);
	if (v == CRTP_OK)
		v = read_rtp(&in, x, &h);
	if (v != CRTP_OK)
		return v;
	len = h.has & F_LIST ? h.len - 4u * h.cc : h.len;
	v = next_or_gap(d, x, &h, t, k);
	if (v == CRTP_OK) {
		d->stat[CRTP_D_RTP]++;
		d->stat[CRTP_D_HEADER_IN] -= len;
		d->stat[CRTP_D_HEADER_OUT] -= len;
	}
	return v;
}

static enum crtp_verdict
compressed_udp(struct crtp_dec *d, bool wide, tick_t t, struct crtp_pkt *k)
{
	struct rd in = rd_of(k->p, k->len);
	struct head h = { 0 };
	struct dctx *x;
	enum crtp_verdict v = read_cid(d, &in, wide, &x);
	uint32_t len;

	if (v == CRTP_OK)
		v = ready(d, x, false, t);
	if (v != CRTP_OK)
		return v;
	if (!x->udp || !d->fam[(x->flags & D_V6) != 0].rtp)
		return CRTP_PROTOCOL;
	if (d->fam[(x->flags & D_V6) != 0].enhanced)
		v = read_udp_3545(&in, x, &h);
	else
		v = read_udp_2508(&in, x, &h);
	if (v == CRTP_OK && !(h.has & F_WHOLE))
		v = ready(d, x, true, t);
	if (v != CRTP_OK)
		return v;
	len = h.len - (h.has & F_LIST ? 4u * h.cc : 0);
	if (h.has & F_WHOLE && h.len >= RTP_FIXED)
		len -= RTP_FIXED;
	v = next_or_gap(d, x, &h, t, k);
	if (v == CRTP_OK) {
		d->stat[h.has & F_WHOLE ? CRTP_D_UDP_WHOLE : CRTP_D_UDP]++;
		d->stat[CRTP_D_HEADER_IN] -= len;
		d->stat[CRTP_D_HEADER_OUT] -= len;
	}
	return v;
}

static enum crtp_verdict
other_protocol(struct crtp_dec *d, tick_t t, struct crtp_pkt *k)
{
	switch (k->proto) {
	case CRTP_PPP_IPV4:
	case CRTP_PPP_IPV6:
		d->stat[CRTP_D_PLAIN]++;
		return CRTP_OK;
	case CRTP_PPP_FULL_HEADER:
		return full_header(d, t, k);
	case CRTP_PPP_COMPRESSED_NON_TCP:
		return compressed_non_tcp(d, t, k);
	case CRTP_PPP_COMPRESSED_TCP: /* RFC 2507, 6 a) and b): the CID is all there is to know */
	case CRTP_PPP_COMPRESSED_TCP_NODELTA:
		return k->len < 1 ? CRTP_SHORT : CRTP_TCP;
	case CRTP_PPP_CONTEXT_STATE:
		return CRTP_STATE;
	}
	return CRTP_PROTOCOL;
}

static __attribute__((noinline)) enum crtp_verdict
decompress(struct crtp_dec *d, tick_t t, struct crtp_pkt *k)
{
	switch (k->proto) {
	case CRTP_PPP_COMPRESSED_RTP_8:
		return compressed_rtp(d, false, t, k);
	case CRTP_PPP_COMPRESSED_RTP_16:
		return compressed_rtp(d, true, t, k);
	case CRTP_PPP_COMPRESSED_UDP_8:
		return compressed_udp(d, false, t, k);
	case CRTP_PPP_COMPRESSED_UDP_16:
		return compressed_udp(d, true, t, k);
	}
	return other_protocol(d, t, k);
}

enum crtp_verdict
crtp_decompress(struct crtp_dec *d, mono_t now, struct crtp_pkt *k)
{
	tick_t t = tick_of(now);
	enum crtp_verdict v = CRTP_OK;
	bool done = false;

	if (k->proto == CRTP_PPP_COMPRESSED_RTP_8)
		done = try_short(d, false, t, k);
	else if (k->proto == CRTP_PPP_COMPRESSED_RTP_16)
		done = try_short(d, true, t, k);
	if (!done)
		v = decompress(d, t, k);
	d->drop[v]++;
	return v;
}

bool
crtp_dec_renewed(struct crtp_dec *d)
{
	const bool was = d->renewed;

	d->renewed = false;
	return was;
}

void
crtp_dec_prefetch(const struct crtp_dec *d, const struct crtp_pkt *k, unsigned n)
{
	n = n < CRTP_AHEAD ? n : CRTP_AHEAD;
	for (unsigned i = 0; i < n; i++) {
		uint32_t cid;
		if (k[i].len < 3)
			continue;
		cid = k[i].proto & 0x2000 ? get_u16(k[i].p) : k[i].p[0];
		if (cid >= d->contexts || k[i].proto == CRTP_PPP_FULL_HEADER)
			continue;
		__builtin_prefetch(&d->ctx[cid], 1);
		__builtin_prefetch(d->ctx[cid].img, 1);
	}
}

struct crtp_dec *
crtp_dec_new(const struct crtp_dec_conf *f)
{
	struct crtp_dec *d = calloc(1, sizeof *d);
	const struct crtp_params *p[2] = { &f->v4, &f->v6 };
	const bool on[2] = { f->has_v4, f->has_v6 };

	if (!d)
		return NULL;
	for (unsigned i = 0; i < 2; i++) {
		if (!on[i] || p[i]->no_non_tcp)
			continue;
		d->fam[i].contexts = p[i]->non_tcp_space + 1u;
		d->fam[i].rtp = p[i]->rtp || p[i]->enhanced;
		d->fam[i].enhanced = p[i]->enhanced;
		if (d->fam[i].contexts > d->contexts)
			d->contexts = d->fam[i].contexts;
	}
	d->wide = d->contexts > 256;
	d->twice = f->twice;
	d->beyond = f->beyond;
	d->checkpoint = f->checkpoint < 16 ? f->checkpoint : 15;
	d->state_gap = TICKS(f->state_ms);
	d->ask_head = d->ask_tail = d->due_head = d->due_tail = NO_CID;
	d->memory = calloc(d->contexts + 1, sizeof *d->ctx);
	if (!d->memory) {
		free(d);
		return NULL;
	}
	d->ctx = (struct dctx *)(((uintptr_t)d->memory + 63) & ~(uintptr_t)63);
	return d;
}

void
crtp_dec_free(struct crtp_dec *d)
{
	if (!d)
		return;
	free(d->memory);
	free(d);
}

size_t
crtp_dec_octets(const struct crtp_dec *d)
{
	return sizeof *d + (d->contexts + 1) * sizeof *d->ctx;
}

const uint64_t *
crtp_dec_stats(const struct crtp_dec *d)
{
	return d->stat;
}

const uint64_t *
crtp_dec_drops(const struct crtp_dec *d)
{
	return d->drop;
}
