// SPDX-License-Identifier: Apache-2.0
/*
 * The compressor: which form a packet takes.
 *
 * A context is a model of what the decompressor knows if nothing was lost: the last headers, the
 * steps it adds by itself (di, dt), its sequence number.  Where all is as the model expects, the
 * packet goes the short way: one COMPRESSED_RTP of two to four octets (short.c).  All else comes
 * here, the long way, and goes one of three ways:
 *
 *   non_tcp    UDP that is not RTP: COMPRESSED_NON_TCP with the slow start of RFC 2507, 3.3.1
 *   classic    RTP by RFC 2508: what is not as expected goes as a difference, once
 *   enhanced   RTP by RFC 3545, 2.3: what is not as expected goes as an absolute value, N+1 times,
 * so that N losses in a row leave the decompressor with a right context; a new step follows once it
 * was seen twice
 */
#include "crtp/comp_int.h"

#include "crtp/delta.h"
#include "crtp/sum.h"

enum {
	UDP_PROTOCOL = 17,
	GENS_MAX = 15, /* generations a second: 64 take more than MIN_WRAP = 3 s (RFC 2507, 3.3) */
	GOOD_AFTER = 16, /* packets of a context: it is RTP */
	BAD_MAX = 40,	 /* ten packets in a row whose header changed all over: it is not */
	BAD_STEP = 4,
};

#define EVERY_REP 0x1111111111ull /* one in each of enum rep's places */

/* --- taking a packet apart
 * ---------------------------------------------------------------------------- */

/* RFC 2508, 3.1: a guess that does no harm where it is wrong.  RTCP's types (RFC 5761, 4) are not
 * RTP. */
static bool
looks_like_rtp(const uint8_t *rtp, uint32_t data, uint32_t room)
{
	uint32_t whole;

	if (data < RTP_HEADER || rtp[0] >> 6 != 2 || (rtp[1] & 0xe0) == 0xc0)
		return false;
	whole = RTP_HEADER + 4u * (rtp[0] & 0x0f);
	return whole <= data && whole <= room;
}

static bool
ip_fits(const uint8_t *p, uint32_t len, bool v6)
{
	static const uint8_t mask[8] = {
		0xff, 0, 0, 0, 0, 0, 0x3f, 0xff
	}; /* version and length; MF and offset */
	static const uint8_t want[8] = { 0x45, 0, 0, 0, 0, 0, 0, 0 };

	if (len < (v6 ? IPV6_HEADER : IPV4_HEADER) + (uint32_t)UDP_HEADER)
		return false;
	if (v6)
		return p[0] >> 4 == 6 && p[6] == UDP_PROTOCOL &&
		       get_u16(p + 4) == len - IPV6_HEADER;
	return (mem64(p) & mem64(mask)) == mem64(want) && p[9] == UDP_PROTOCOL &&
	       get_u16(p + 2) == len && sum_right(sum_octets(0, p, IPV4_HEADER));
}

enum fit { FITS, FITS_NOT, FITS_BAD_SUM };

/*
 * Headers that a decompressor restores exactly: lengths that say what the frame says, a right IPv4
 * checksum, no options, no fragment, no extension; and a UDP checksum that will prove what comes
 * out (one that is wrong already would have the packet dropped there instead of at its end).
 */
static enum fit
take_apart(const struct family *m, const struct crtp_pkt *k, struct flow *f, bool v6)
{
	const uint32_t len = k->len, udp = v6 ? IPV6_HEADER : IPV4_HEADER, from = v6 ? 8 : 12;
	uint8_t *p = k->p;
	uint16_t udplen;

	if (!m->on || !ip_fits(p, len, v6))
		return FITS_NOT;
	udplen = mem16(p + udp + 4);
	if (udplen != lay16((uint16_t)(len - udp)) || udp + UDP_HEADER > m->max_header)
		return FITS_NOT;
	if (mem16(p + udp + 6) != 0) {
		uint64_t sum = (uint64_t)lay16(UDP_PROTOCOL) + udplen;
		if (!sum_right(sum_octets(sum, p + from, len - from)))
			return FITS_BAD_SUM;
	} else if (v6) {
		return FITS_NOT; /* RFC 2507, 7.11: it cannot be zero with IPv6 */
	}
	f->p = p;
	f->len = len;
	f->udp = (uint8_t)udp;
	f->v6 = v6;
	f->id = v6 ? 0 : get_u16(p + 4);
	f->cc = 0;
	f->rtp = m->rtp && looks_like_rtp(p + udp + UDP_HEADER, len - udp - UDP_HEADER,
					  m->max_header - udp - UDP_HEADER);
	if (f->rtp) {
		f->cc = p[udp + UDP_HEADER] & 0x0f;
		f->seq = get_u16(p + udp + UDP_HEADER + 2);
		f->ts = get_u32(p + udp + UDP_HEADER + 4);
	}
	return FITS;
}

/* --- what changed
 * --------------------------------------------------------------------------------------- */

/* Fields that RFC 2507, 7 calls NOCHANGE, up to the ports; DEF fields are equal, or it were another
 * flow. */
static uint64_t
constants_differ(const struct cctx *x, const struct flow *f)
{
	static const uint8_t mask4[8] = { 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff };
	static const uint8_t mask6[8] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff };
	uint64_t diff = mem64(f->p) ^ mem64(x->img);

	if (f->v6)
		return diff & mem64(mask6);
	return (diff & mem64(mask4)) | (uint64_t)(mem16(f->p + 8) ^ mem16(x->img + 8));
}

/* What is to stand where the UDP checksum stood: RFC 3545, 2.2, and never with IPv6 or without RTP.
 */
static uint8_t
sum_kind(const struct family *m, const struct flow *f)
{
	if (mem16(f->p + f->udp + 6) != 0)
		return SUM_UDP;
	return m->enhanced && f->rtp ? SUM_HDR : SUM_NONE;
}

/* Version, padding, extension and payload type; as a mask for a word of two octets in memory's
 * order. */
static uint16_t
rtp_constants_differ(const struct cctx *x, const struct flow *f, uint8_t first, uint8_t second)
{
	const uint8_t mask[2] = { first, second };

	return (mem16(f->p + f->udp + UDP_HEADER) ^ mem16(x->img + f->udp + UDP_HEADER)) &
	       mem16(mask);
}

static bool
csrc_differ(const struct cctx *x, const struct flow *f)
{
	if (x->cc != f->cc || f->cc > CSRC_KEPT)
		return true;
	/* Without any, not even looked at: they are far from what each packet needs. */
	return f->cc && memcmp(x->csrc, f->p + f->udp + UDP_HEADER + RTP_HEADER, 4u * f->cc) != 0;
}

/* The packet is the last one now. */
static void
remember(struct cctx *x, const struct flow *f, tick_t t)
{
	x->used = t;
	x->link = (x->link + 1) & 15;
	x->id = f->id;
	x->seq = f->seq;
	x->ts = f->ts;
}

static void
remember_all(struct crtp_comp *c, struct cctx *x, const struct flow *f, tick_t t)
{
	remember(x, f, t);
	copy_some(x->img, f->p, f->udp + UDP_HEADER + (f->rtp ? RTP_HEADER : 0u));
	x->cc = f->cc;
	if (f->cc && f->cc <= CSRC_KEPT)
		memcpy(x->csrc, f->p + f->udp + UDP_HEADER + RTP_HEADER, 4u * f->cc);
}

/*
 * RFC 2507, 3.3: a generation is not used again within MIN_WRAP.  False: this flow has had its
 * share of them for this second, the packet goes plain.
 */
static bool
next_generation(struct crtp_comp *c, struct cctx *x, tick_t t)
{
	if (t - x->gens_since >= TICKS(1000)) {
		x->gens_since = t;
		x->gens = 0;
	}
	if (x->gens >= GENS_MAX) {
		c->stat[CRTP_C_WRAP]++;
		return false;
	}
	x->gens++;
	x->gen = (x->gen + 1) & 63;
	ctx_due(c, x);
	return true;
}

static void
count_headers(struct crtp_comp *c, const struct flow *f, const struct crtp_pkt *k)
{
	uint32_t head = f->udp + UDP_HEADER + (f->rtp ? RTP_HEADER + 4u * f->cc : 0);

	c->stat[CRTP_C_HEADER_IN] += head;
	c->stat[CRTP_C_HEADER_OUT] += head + k->len - f->len;
}

/* --- RFC 2507: UDP that is not RTP
 * --------------------------------------------------------------------- */

/* RFC 2507, 3.3.3, line by line; C_NUM is `num`, F_LAST `fresh`, F_PERIOD `period`. */
static enum crtp_form
non_tcp(struct crtp_comp *c, const struct family *m, struct cctx *x, struct flow *f, tick_t t,
	struct crtp_pkt *k)
{
	bool full = true;
	uint8_t kind = sum_kind(m, f);

	if (x->epoch != c->epoch || kind != x->sum || constants_differ(x, f)) {
		if (!next_generation(c, x, t))
			return CRTP_PLAIN;
		c->stat[CRTP_C_CHANGED] += x->epoch == c->epoch;
		x->sum = kind;
		x->period = 1;
	} else if (x->num >= x->period) {
		uint32_t twice = 2u * x->period;
		x->period = (uint16_t)(twice < m->period ? twice : m->period);
		c->stat[CRTP_C_REFRESHED]++;
	} else if (t - x->fresh >= m->time) {
		c->stat[CRTP_C_REFRESHED]++;
	} else {
		full = false;
	}
	x->epoch = c->epoch;
	remember_all(c, x, f, t);
	if (full) {
		x->num = 0;
		x->fresh = t;
		c->stat[CRTP_C_FULL_HEADER]++;
		form_full(c, x, f, k);
	} else {
		x->num +=
		    x->num < 0xfffe; /* without F_MAX_PERIOD the period is 0xffff: never reached */
		c->stat[CRTP_C_NON_TCP]++;
		form_non_tcp(c, x, f, k);
	}
	return full ? CRTP_FULL : CRTP_NON_TCP;
}

/* --- RTP, both ways
 * -------------------------------------------------------------------------------------- */

struct steps {
	uint16_t s, i;
	uint32_t t;
	bool header; /* V, P or X changed */
	bool type, list;
};

static struct steps
steps_of(const struct cctx *x, const struct flow *f)
{
	return (struct steps){ .s = (uint16_t)(f->seq - x->seq),
			       .i = (uint16_t)(f->id - x->id),
			       .t = f->ts - x->ts,
			       .header = rtp_constants_differ(x, f, 0xf0, 0),
			       .type = rtp_constants_differ(x, f, 0, 0x7f),
			       .list = csrc_differ(x, f) };
}

/*
 * RFC 2508, 3.1: a stream is given up as RTP when the header changes all over, again and again.
 * Each packet the short way makes up for one.  True: given up.
 */
static bool
judge(struct crtp_comp *c, struct cctx *x, const struct flow *f, const struct steps *s, tick_t t)
{
	uint16_t fine = (uint16_t)(x->num - x->num_seen);
	bool leap = (uint16_t)(s->s + 64) > 128 && s->t != x->dt;

	x->num_seen = x->num;
	x->bad = (uint8_t)(x->bad > fine ? x->bad - fine : 0);
	if (x->num >= GOOD_AFTER && x->bad == 0 && !x->good) {
		x->good = true;
		flow_good(c, f);
	}
	if (s->header || leap)
		x->bad += BAD_STEP;
	if (x->bad <= BAD_MAX)
		return false;
	flow_bad(c, f, t);
	flow_close(c, x);
	return true;
}

static bool
refresh_due(const struct family *m, const struct cctx *x, tick_t t)
{
	return (m->period != 0xffff && x->num >= m->period) || t - x->fresh >= m->time;
}

static void
start_over(struct cctx *x, tick_t t)
{
	x->fresh = t;
	x->num = x->num_seen = 0;
}

static void
full_sent(struct crtp_comp *c, struct cctx *x, tick_t t)
{
	c->stat[CRTP_C_FULL_HEADER]++;
	x->di = 1; /* RFC 2508, 3.3.2: what a full header initialises */
	x->dt = 0;
	start_over(x, t);
}

/* --- RFC 2508
 * --------------------------------------------------------------------------------------------- */

/* The header as differences, or not at all. */
static enum crtp_form
classic_packet(struct crtp_comp *c, struct cctx *x, struct flow *f, const struct steps *s,
	       struct crtp_pkt *k)
{
	bool i = !f->v6 && s->i != x->di;
	struct rtp_deltas d = { .i = i,
				.s = s->s != 1,
				.t = s->t != x->dt,
				.list = s->list,
				.di = s->i,
				.ds = s->s,
				.dt = (int32_t)s->t };

	x->num++;
	if (i)
		x->di = s->i;
	if (s->header || s->type || (d.t && !delta_fits(d.dt))) {
		x->dt = 0;
		c->stat[CRTP_C_UDP_WHOLE]++;
		form_udp_2508(c, x, f, i, k);
		return CRTP_UDP;
	}
	if (d.t)
		x->dt = s->t;
	c->stat[CRTP_C_RTP]++;
	form_rtp_deltas(c, x, f, &d, k);
	return CRTP_RTP;
}

static enum crtp_form
classic(struct crtp_comp *c, const struct family *m, struct cctx *x, struct flow *f, tick_t t,
	struct crtp_pkt *k)
{
	struct steps s = steps_of(x, f);
	bool opening = x->epoch != c->epoch, again = x->period != 0;
	uint8_t kind = sum_kind(m, f);
	bool changed = again && (kind != x->sum || constants_differ(x, f));
	bool whole = s.header || s.type || !delta_fits((int32_t)s.t);
	bool full =
	    opening || changed || refresh_due(m, x, t) || (whole && seq_leaps((int16_t)(s.s - 1)));

	if (again && judge(c, x, f, &s, t))
		return CRTP_PLAIN;
	if (!again && !x->reused)
		ctx_due(c, x); /* generation 0 is as good as any */
	else if ((changed || opening) && !next_generation(c, x, t))
		return CRTP_PLAIN;
	c->stat[CRTP_C_CHANGED] += changed;
	c->stat[CRTP_C_REFRESHED] += full && !changed && !opening;
	x->epoch = c->epoch;
	x->sum = kind;
	x->period = m->period;
	remember_all(c, x, f, t);
	if (!full)
		return classic_packet(c, x, f, &s, k);
	full_sent(c, x, t);
	form_full(c, x, f, k);
	return CRTP_FULL;
}

/* --- RFC 3545
 * --------------------------------------------------------------------------------------------- */

static inline void
repeat(struct cctx *x, enum rep what, unsigned times)
{
	x->rep = (x->rep & ~((uint64_t)0xf << REP_BITS(what))) | (uint64_t)times << REP_BITS(what);
}

static inline unsigned
left(const struct cctx *x, enum rep what)
{
	return x->rep >> REP_BITS(what) & 0xf;
}

/* The packet carried everything that was to be repeated: once less, each. */
static void
carried(struct cctx *x)
{
	uint64_t r = x->rep;

	x->rep -= (r | r >> 1 | r >> 2 | r >> 3) & EVERY_REP;
}

/*
 * What is not as the decompressor expects will be told N+1 times as an absolute value.  A step seen
 * twice, or the first one of a context, is told as the new step too; while packets are missing in
 * front of us, none is learned.
 */
static void
study(const struct crtp_comp *c, struct cctx *x, const struct flow *f, const struct steps *s)
{
	if (s->s != 1) {
		repeat(x, REP_S, c->n1);
		if (!f->v6) /* else nothing would tell sixteen losses from none, and the ID would be
			       wrong */
			repeat(x, REP_I, c->n1);
	}
	if (s->t != x->dt) {
		repeat(x, REP_T, c->n1);
		if (s->s == 1 && delta_fits((int32_t)s->t) &&
		    (!(x->known & STEP_T) || s->t == x->last_t)) {
			x->dt = s->t;
			repeat(x, REP_DT, c->n1);
		}
	}
	if (!f->v6 && s->i != x->di) {
		repeat(x, REP_I, c->n1);
		if (s->s == 1 && (!(x->known & STEP_I) || s->i == x->last_i)) {
			x->di = s->i;
			repeat(x, REP_DI, c->n1);
		}
	}
	if (s->s == 1) {
		x->last_t = s->t;
		x->last_i = s->i;
		x->known |= STEP_T | STEP_I;
	}
	if (s->header)
		repeat(x, REP_WHOLE, c->n1);
	if (s->type)
		repeat(x, REP_P, c->n1);
	if (s->list)
		repeat(x, REP_C, c->n1);
}

/* RFC 3545, 2.3: N+1 full headers, under a new generation. */
static bool
start_series(struct crtp_comp *c, const struct family *m, struct cctx *x, tick_t t)
{
	if (!next_generation(c, x, t))
		return false;
	repeat(x, REP_FULL, c->n1);
	x->refreshes = 0;
	x->epoch = c->epoch;
	x->period = m->period;
	return true;
}

/* 2.1: a COMPRESSED_UDP with everything in it is a refresh; each `full_every` of them, a series. */
static void
refresh(struct crtp_comp *c, const struct family *m, struct cctx *x, tick_t t)
{
	c->stat[CRTP_C_REFRESHED]++;
	x->refreshes++;
	if (c->full_every && x->refreshes >= c->full_every && start_series(c, m, x, t))
		return;
	if (left(x, REP_WHOLE) == 0)
		repeat(x, REP_WHOLE, 1);
	start_over(x, t);
}

static enum crtp_form
enhanced_full(struct crtp_comp *c, struct cctx *x, struct flow *f, tick_t t, struct crtp_pkt *k)
{
	full_sent(c, x, t);
	repeat(x, REP_DI, 0);
	repeat(x, REP_DT, 0);
	carried(x);
	x->leaving = left(x, REP_FULL) == 0;
	form_full(c, x, f, k);
	return CRTP_FULL;
}

static enum crtp_form
enhanced_packet(struct crtp_comp *c, struct cctx *x, struct flow *f, struct crtp_pkt *k)
{
	enum crtp_form form = CRTP_UDP;

	x->num++;
	if (left(x, REP_WHOLE)) {
		c->stat[CRTP_C_UDP_WHOLE]++;
		form_udp_whole(c, x, f, k);
	} else if (x->rep) {
		c->stat[CRTP_C_UDP]++;
		form_udp_selected(c, x, f, k);
	} else {
		c->stat[CRTP_C_RTP]++;
		form_rtp(c, x, f, k);
		form = CRTP_RTP;
	}
	carried(x);
	return form;
}

static enum crtp_form
enhanced(struct crtp_comp *c, const struct family *m, struct cctx *x, struct flow *f, tick_t t,
	 struct crtp_pkt *k)
{
	struct steps s = steps_of(x, f);
	uint8_t kind = sum_kind(m, f);
	bool opening = x->epoch != c->epoch, again = x->period != 0;
	bool leap = seq_leaps((int16_t)(s.s - 1)) || ts_leaps_back((int32_t)s.t, x->dt);
	bool changed = again && (kind != x->sum || constants_differ(x, f) || leap);
	bool was_leaving = x->leaving;

	if (again && judge(c, x, f, &s, t))
		return CRTP_PLAIN;
	if (opening || changed) {
		if (!start_series(c, m, x, t))
			return CRTP_PLAIN;
		x->sum = kind;
		c->stat[CRTP_C_CHANGED] += changed;
	} else if (left(x, REP_FULL) == 0 && refresh_due(m, x, t)) {
		refresh(c, m, x, t);
	}
	if (again)
		study(c, x, f, &s);
	x->leaving = false;
	remember_all(c, x, f, t);
	if (left(x, REP_FULL))
		return enhanced_full(c, x, f, t, k);
	if (was_leaving && !f->v6 &&
	    s.i == x->di) { /* RFC 3545, 2.3.1: the steps are told, even dI = 1 */
		repeat(x, REP_I, c->n1);
		repeat(x, REP_DI, c->n1);
	}
	return enhanced_packet(c, x, f, k);
}

/* --- the door
 * -----------------------------------------------------------------------------------------------
 */

/* The context of a packet that has none yet. */
static struct cctx *
find_or_open(struct crtp_comp *c, struct flow *f, tick_t t)
{
	struct cctx *x;

	if (f->rtp && flow_negative(c, f, t)) {
		f->rtp = false;
		f->cc = 0;
		flow_hash(c, f);
		x = flow_find(c, f);
		if (x)
			return x;
	}
	if (!f->rtp && c->leave_non_rtp)
		return NULL;
	x = flow_open(c, f, t);
	if (x) /* so that nothing but the epoch says "new" */
		copy_some(x->img, f->p, f->udp + UDP_HEADER + (f->rtp ? RTP_HEADER : 0u));
	return x;
}

static enum crtp_form
compress(struct crtp_comp *c, const struct family *m, struct flow *f, tick_t t, struct crtp_pkt *k)
{
	struct cctx *x;
	enum crtp_form form;

	flow_hash(c, f);
	x = flow_find(c, f);
	if (!x)
		x = find_or_open(c, f, t);
	if (!x)
		form = CRTP_PLAIN;
	else if (!x->rtp)
		form = non_tcp(c, m, x, f, t, k);
	else if (m->enhanced)
		form = enhanced(c, m, x, f, t, k);
	else
		form = classic(c, m, x, f, t, k);
	if (form == CRTP_PLAIN)
		c->stat[CRTP_C_PLAIN]++;
	else
		count_headers(c, f, k);
	return form;
}

enum crtp_form
compress_long(struct crtp_comp *c, tick_t t, struct crtp_pkt *k)
{
	enum fit fit = FITS_NOT;
	struct flow f;

	if (k->proto == CRTP_PPP_IPV4)
		fit = take_apart(&c->fam[0], k, &f, false);
	else if (k->proto == CRTP_PPP_IPV6)
		fit = take_apart(&c->fam[1], k, &f, true);
	if (fit == FITS)
		return compress(c, &c->fam[f.v6], &f, t, k);
	c->stat[CRTP_C_PLAIN]++;
	c->stat[CRTP_C_BAD_CHECKSUM] += fit == FITS_BAD_SUM;
	return CRTP_PLAIN;
}

void
crtp_comp_refresh(struct crtp_comp *c)
{
	c->epoch++;
}

/* RFC 2508 has no absolute fields but those of a full header. */
void
crtp_comp_tell(struct crtp_comp *c)
{
	for (uint32_t i = 0; i < c->contexts; i++) {
		struct cctx *x = &c->ctx[i];
		if (x->hash == 0 || !x->rtp || x->period == 0 || x->epoch != c->epoch)
			continue;
		if (!c->fam[x->v6].enhanced)
			x->epoch = (uint8_t)(c->epoch - 1);
		else if (left(x, REP_FULL) == 0)
			repeat(x, REP_WHOLE, c->n1);
		c->stat[CRTP_C_TOLD]++;
	}
}

const uint64_t *
crtp_comp_stats(const struct crtp_comp *c)
{
	return c->stat;
}
