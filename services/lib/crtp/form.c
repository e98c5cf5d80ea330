// SPDX-License-Identifier: Apache-2.0
/*
 * The octets of what a compressor sends.  The context is already what it is to be after the packet;
 * the payload stays where it is, and the compressed header is put in front of it.
 */
#include "crtp/comp_int.h"

#include "crtp/delta.h"
#include "crtp/sum.h"

#define FORM_MAX 96 /* CID 2, flags 3, checksum 2, differences 9, fields 9, 15 CSRCs: 85 */

static const struct family *
family_of(const struct crtp_comp *c, const struct flow *f)
{
	return &c->fam[f->v6];
}

uint16_t
hdrcksum(const uint8_t *p, uint32_t len, uint8_t udp, bool v6)
{
	uint32_t data = len - udp - UDP_HEADER, covered = data;
	uint64_t sum = (uint64_t)lay16(17) + lay16((uint16_t)(len - udp)) * 2u;

	if (data >= RTP_HEADER) {
		uint32_t whole = RTP_HEADER + 4u * (p[udp + UDP_HEADER] & 0x0f);
		covered = data < whole ? data : whole;
	}
	sum = v6 ? sum_octets(sum, p + 8, 32) : sum_octets(sum, p + 12, 8);
	sum = sum_carry(sum, mem32(p + udp)); /* ports; the checksum itself counts as zero */
	sum = (uint16_t)~sum_fold(sum_octets(sum, p + udp + UDP_HEADER, covered));
	return sum ? (uint16_t)sum : 0xffff;
}

/* RFC 2508, 3.3.1 and RFC 3545, 2.2: CID, generation and sequence lie in the length fields. */
void
form_full(const struct crtp_comp *c, const struct cctx *x, const struct flow *f, struct crtp_pkt *k)
{
	uint32_t cid = cid_of(c, x);
	const struct family *m = family_of(c, f);
	uint16_t seq = m->rtp ? (uint16_t)((x->sum == SUM_HDR ? 0x10 : 0) | x->link) : 0;
	uint16_t sum, first = (uint16_t)((m->rtp ? 0x4000 : 0) | x->gen << 8);
	uint8_t *p = f->p;

	if (x->sum == SUM_HDR) {
		sum = hdrcksum(p, f->len, f->udp, f->v6);
		memcpy(p + f->udp + 6, &sum, 2);
	}
	put_u16(p + (f->v6 ? 4 : 2), (uint16_t)(m->wide ? 0x8000 | first | seq : first | cid));
	put_u16(p + f->udp + 4, (uint16_t)(m->wide ? cid : seq));
	k->proto = CRTP_PPP_FULL_HEADER;
}

static uint8_t *
put_cid(uint8_t *w, const struct family *m, uint32_t cid)
{
	if (m->wide)
		*w++ = (uint8_t)(cid >> 8);
	*w++ = (uint8_t)cid;
	return w;
}

static uint8_t *
put_sum(uint8_t *w, const struct cctx *x, const struct flow *f)
{
	uint16_t sum;

	if (x->sum == SUM_NONE)
		return w;
	sum = x->sum == SUM_UDP ? mem16(f->p + f->udp + 6) : hdrcksum(f->p, f->len, f->udp, f->v6);
	memcpy(w, &sum, 2);
	return w + 2;
}

static uint8_t *
put_octets(uint8_t *w, const void *p, size_t n)
{
	copy_some(w, p, n);
	return w + n;
}

/* `from` octets of the packet go; what was written takes their place. */
static void
place(struct crtp_pkt *k, const struct flow *f, uint32_t from, const uint8_t *head,
      const uint8_t *end, uint16_t proto)
{
	size_t n = (size_t)(end - head);

	k->p = f->p + from - n;
	k->len = (uint32_t)(f->len - from + n);
	k->proto = proto;
	copy_some(k->p, head, n);
}

/* RFC 2507, 6 c) and d); the data octet is RFC 2508's sequence (3.3.1). */
void
form_non_tcp(const struct crtp_comp *c, const struct cctx *x, const struct flow *f,
	     struct crtp_pkt *k)
{
	const struct family *m = family_of(c, f);
	uint8_t head[FORM_MAX], *w = head, flags = (uint8_t)((m->rtp ? 0x40 : 0) | x->gen);
	uint32_t cid = cid_of(c, x);

	if (m->wide)
		*w++ = (uint8_t)(cid >> 8);
	else
		*w++ = (uint8_t)cid;
	*w++ = (uint8_t)(m->wide ? 0x80 | flags : flags);
	if (m->wide)
		*w++ = (uint8_t)cid;
	if (m->rtp)
		*w++ = x->link;
	if (!f->v6)
		w = put_octets(w, f->p + 4, 2);
	if (x->sum == SUM_UDP)
		w = put_octets(w, f->p + f->udp + 6, 2);
	place(k, f, f->udp + UDP_HEADER, head, w, CRTP_PPP_COMPRESSED_NON_TCP);
}

static uint32_t
rtp_end(const struct flow *f)
{
	return f->udp + UDP_HEADER + RTP_HEADER + 4u * f->cc;
}

static bool
marker(const struct flow *f)
{
	return f->p[f->udp + UDP_HEADER + 1] & 0x80;
}

static uint16_t
proto_rtp(const struct family *m)
{
	return m->wide ? CRTP_PPP_COMPRESSED_RTP_16 : CRTP_PPP_COMPRESSED_RTP_8;
}

static uint16_t
proto_udp(const struct family *m)
{
	return m->wide ? CRTP_PPP_COMPRESSED_UDP_16 : CRTP_PPP_COMPRESSED_UDP_8;
}

/* RFC 2508, 3.3.2 with every difference as expected. */
void
form_rtp(const struct crtp_comp *c, const struct cctx *x, const struct flow *f, struct crtp_pkt *k)
{
	const struct family *m = family_of(c, f);
	uint8_t head[FORM_MAX], *w = put_cid(head, m, cid_of(c, x));

	*w++ = (uint8_t)((marker(f) ? 0x80 : 0) | x->link);
	w = put_sum(w, x, f);
	place(k, f, rtp_end(f), head, w, proto_rtp(m));
}

/* RFC 2508, 3.3.2 with differences: MSTI, or 1111 and the octet that has the real bits and CC. */
void
form_rtp_deltas(const struct crtp_comp *c, const struct cctx *x, const struct flow *f,
		const struct rtp_deltas *d, struct crtp_pkt *k)
{
	const struct family *m = family_of(c, f);
	uint8_t head[FORM_MAX], *w = put_cid(head, m, cid_of(c, x));
	uint8_t msti =
	    (uint8_t)((marker(f) ? 8 : 0) | (d->s ? 4 : 0) | (d->t ? 2 : 0) | (d->i ? 1 : 0));
	bool escape = d->list || msti == 15;

	*w++ = (uint8_t)((escape ? 0xf0 : msti << 4) | x->link);
	w = put_sum(w, x, f);
	if (escape)
		*w++ = (uint8_t)(msti << 4 | f->cc);
	if (d->i)
		w = delta_write(w, d->di);
	if (d->s)
		w = delta_write(w, d->ds);
	if (d->t)
		w = delta_write(w, d->dt);
	if (escape)
		w = put_octets(w, f->p + rtp_end(f) - 4u * f->cc, 4u * f->cc);
	place(k, f, rtp_end(f), head, w, proto_rtp(m));
}

/* RFC 2508, 3.3.3: the RTP header stays whole. */
void
form_udp_2508(const struct crtp_comp *c, const struct cctx *x, const struct flow *f, bool di,
	      struct crtp_pkt *k)
{
	const struct family *m = family_of(c, f);
	uint8_t head[FORM_MAX], *w = put_cid(head, m, cid_of(c, x));

	*w++ = (uint8_t)((di ? 0x10 : 0) | x->link);
	w = put_sum(w, x, f);
	if (di)
		w = delta_write(w, x->di);
	place(k, f, f->udp + UDP_HEADER, head, w, proto_udp(m));
}

/* RFC 3545, 2.1, F=0 with every flag: "refreshes all the context parameters". */
void
form_udp_whole(const struct crtp_comp *c, const struct cctx *x, const struct flow *f,
	       struct crtp_pkt *k)
{
	const struct family *m = family_of(c, f);
	uint8_t head[FORM_MAX], *w = put_cid(head, m, cid_of(c, x));

	*w++ = (uint8_t)((f->v6 ? 0x20 : 0x70) | x->link);
	w = put_sum(w, x, f);
	if (!f->v6)
		w = delta_write(w, x->di);
	w = delta_write(w, (int32_t)x->dt);
	if (!f->v6)
		w = put_octets(w, f->p + 4, 2);
	place(k, f, f->udp + UDP_HEADER, head, w, proto_udp(m));
}

/* RFC 3545, 2.1, F=1: the fields that still have to be repeated; the CSRCs whenever there are any.
 */
void
form_udp_selected(const struct crtp_comp *c, const struct cctx *x, const struct flow *f,
		  struct crtp_pkt *k)
{
#define HAS(WHICH) (x->rep >> REP_BITS(WHICH) & 0xf)
	const struct family *m = family_of(c, f);
	const uint8_t *rtp = f->p + f->udp + UDP_HEADER;
	bool list = HAS(REP_C) || f->cc > 0;
	uint8_t head[FORM_MAX], *w = put_cid(head, m, cid_of(c, x));

	*w++ = (uint8_t)(0x80 | (HAS(REP_I) ? 0x40 : 0) | (HAS(REP_DT) ? 0x20 : 0) |
			 (HAS(REP_DI) ? 0x10 : 0) | x->link);
	*w++ = (uint8_t)((rtp[1] & 0x80) | (HAS(REP_S) ? 0x40 : 0) | (HAS(REP_T) ? 0x20 : 0) |
			 (HAS(REP_P) ? 0x10 : 0) | (list ? 0x08 : 0));
	if (list)
		*w++ = f->cc;
	w = put_sum(w, x, f);
	if (HAS(REP_DI))
		w = delta_write(w, x->di);
	if (HAS(REP_DT))
		w = delta_write(w, (int32_t)x->dt);
	if (HAS(REP_I))
		w = put_octets(w, f->p + 4, 2);
	if (HAS(REP_S))
		w = put_octets(w, rtp + 2, 2);
	if (HAS(REP_T))
		w = put_octets(w, rtp + 4, 4);
	if (HAS(REP_P))
		*w++ = rtp[1] & 0x7f;
	if (list)
		w = put_octets(w, rtp + RTP_HEADER, 4u * f->cc);
	place(k, f, rtp_end(f), head, w, proto_udp(m));
#undef HAS
}
