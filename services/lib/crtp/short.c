// SPDX-License-Identifier: Apache-2.0
/*
 * The compressor's door, and the short way through it: a packet of RTP where everything is as the
 * decompressor expects.
 *
 * The table is asked as if the packet were RTP; where a context answers whose constants are the
 * packet's, it is, and the rest is one comparison: all differences that would have to be told are
 * OR-ed together.  The checksums come last. Anything else, anything at all, goes the long way,
 * where nothing is assumed.
 */
#include "crtp/find.h"

#define ALWAYS                                                                                     \
	static inline __attribute__((always_inline)) /* v6 is a constant where they are used */

/* NOCHANGE fields of IP (RFC 2507, 7.1 and 7.13), and lengths that are the frame's. */
ALWAYS uint64_t
ip_differs(const uint8_t *p, const uint8_t *img, uint32_t len, bool v6)
{
	static const uint8_t mask4[8] = { 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff };
	static const uint8_t mask6[8] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff };
	const uint32_t udp = v6 ? IPV6_HEADER : IPV4_HEADER;
	uint64_t diff = (mem64(p) ^ mem64(img)) & mem64(v6 ? mask6 : mask4);

	if (!v6)
		diff |= (uint64_t)(mem16(p + 8) ^ mem16(img + 8));
	diff |= (uint64_t)(mem16(p + (v6 ? 4 : 2)) ^ lay16((uint16_t)(v6 ? len - udp : len)));
	diff |= (uint64_t)(mem16(p + udp + 4) ^ lay16((uint16_t)(len - udp)));
	return diff | len >> 16;
}

/* What COMPRESSED_RTP without a difference says nothing of. */
ALWAYS uint64_t
rtp_differs(const struct crtp_comp *c, const struct cctx *x, const uint8_t *p, bool v6)
{
	static const uint8_t mask[2] = { 0xff, 0x7f };
	const uint32_t rtp = (v6 ? IPV6_HEADER : IPV4_HEADER) + UDP_HEADER;
	uint64_t diff = x->rep | (uint64_t)(x->epoch ^ c->epoch) | x->cc | (uint64_t)x->leaving;

	diff |= (uint64_t)((mem16(p + rtp) ^ mem16(x->img + rtp)) & mem16(mask));
	diff |=
	    (uint16_t)(get_u16(p + rtp + 2) - x->seq - 1) | (get_u32(p + rtp + 4) - x->ts - x->dt);
	if (!v6)
		diff |= (uint16_t)(get_u16(p + 4) - x->id - x->di);
	return diff;
}

ALWAYS bool
sums_right(const uint8_t *p, uint32_t len, bool udp_sum, bool v6)
{
	const uint32_t from = v6 ? 8 : 12;
	uint64_t sum;

	if (!v6) { /* words of 32 bits: five of them need no carry */
		sum = (uint64_t)mem32(p) + mem32(p + 4) + mem32(p + 8) + mem32(p + 12) +
		      mem32(p + 16);
		if (!sum_right(sum))
			return false;
	}
	sum = (uint64_t)lay16(17) + lay16((uint16_t)(len - (v6 ? IPV6_HEADER : IPV4_HEADER)));
	return !udp_sum || sum_right(sum_octets(sum, p + from, len - from));
}

/* RFC 2508, 3.3.2: CID, M and sequence, checksum. */
ALWAYS void
short_form(struct crtp_comp *c, const struct family *m, const struct cctx *x, uint32_t cid,
	   struct crtp_pkt *k, bool v6)
{
	const uint32_t udp = v6 ? IPV6_HEADER : IPV4_HEADER, from = udp + UDP_HEADER + RTP_HEADER;
	uint8_t *w = k->p + from, flags = (uint8_t)((w[-11] & 0x80) | x->link);
	uint32_t n = 2;

	if (x->sum != SUM_NONE) {
		uint16_t sum = mem16(k->p + udp + 6);
		if (x->sum == SUM_HDR)
			sum = hdrcksum(k->p, k->len, udp, v6);
		memcpy(w - 2, &sum, 2);
		n = 4;
	}
	w[1 - (int)n] = flags;
	w[-(int)n] = (uint8_t)cid;
	k->proto = CRTP_PPP_COMPRESSED_RTP_8;
	if (m->wide) {
		n++;
		w[-(int)n] = (uint8_t)(cid >> 8);
		k->proto = CRTP_PPP_COMPRESSED_RTP_16;
	}
	k->p = w - n;
	k->len -= from - n;
	c->stat[CRTP_C_RTP]++;
	c->stat[CRTP_C_HEADER_IN] += from;
	c->stat[CRTP_C_HEADER_OUT] += n;
}

/* False: nothing happened. */
ALWAYS bool
short_way(struct crtp_comp *c, tick_t t, struct crtp_pkt *k, bool v6)
{
	const uint32_t udp = v6 ? IPV6_HEADER : IPV4_HEADER;
	const struct family *m = &c->fam[v6];
	uint8_t *p = k->p;
	uint32_t cid;
	struct cctx *x;

	if (k->len < udp + UDP_HEADER + RTP_HEADER)
		return false;
	cid = find_cid(c, find_hash(c, p, v6, true), p, v6, true);
	if (cid == NO_CID)
		return false;
	x = &c->ctx[cid];
	if ((ip_differs(p, x->img, k->len, v6) | rtp_differs(c, x, p, v6)) != 0)
		return false;
	if (x->num >= x->period || t - x->fresh >= m->time ||
	    (mem16(p + udp + 6) != 0) != (x->sum == SUM_UDP))
		return false;
	if (!sums_right(p, k->len, x->sum == SUM_UDP, v6))
		return false;
	x->used = t;
	x->num++;
	x->link = (x->link + 1) & 15;
	x->id = (uint16_t)(x->id + x->di);
	x->seq++;
	x->ts += x->dt;
	short_form(c, m, x, cid, k, v6);
	return true;
}

enum crtp_form
crtp_compress(struct crtp_comp *c, mono_t now, struct crtp_pkt *k)
{
	tick_t t = tick_of(now);

	if (k->proto == CRTP_PPP_IPV4 && short_way(c, t, k, false))
		return CRTP_RTP;
	if (k->proto == CRTP_PPP_IPV6 && short_way(c, t, k, true))
		return CRTP_RTP;
	return compress_long(c, t, k);
}

/* One flow in seven is not where its hash says: one that is not asked for costs more than the six others. */
enum { AHEAD_PROBES = 6 };

/* First all slots, then all contexts: the misses of each kind are under way together. */
void
crtp_comp_prefetch(const struct crtp_comp *c, const struct crtp_pkt *k, unsigned n)
{
	uint32_t hash[CRTP_AHEAD], s;
	const uint8_t *x;

	n = n < CRTP_AHEAD ? n : CRTP_AHEAD;
	for (unsigned i = 0; i < n; i++) {
		const bool v6 = k[i].proto == CRTP_PPP_IPV6;
		hash[i] = 0;
		if (k[i].len < (v6 ? IPV6_HEADER : IPV4_HEADER) + (uint32_t)(UDP_HEADER + RTP_HEADER))
			continue;
		hash[i] = find_hash(c, k[i].p, v6, true);
		__builtin_prefetch(&c->slot[hash[i] & (c->slots - 1)]);
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t at = hash[i] & (c->slots - 1);
		for (unsigned try = 1; try < AHEAD_PROBES && c->slot[at] && SLOT_TAG(c->slot[at]) != SLOT_TAG(hash[i]); try++)
			at = (at + 1) & (c->slots - 1);
		s = c->slot[at];
		if (SLOT_TAG(s) != SLOT_TAG(hash[i]))
			continue;
		x = (const uint8_t *)&c->ctx[s & 0xffff];
		__builtin_prefetch(x, 1);
		__builtin_prefetch(x + 64, 1); /* the image's end; what is beyond only changes touch */
	}
}
