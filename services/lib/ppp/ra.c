// SPDX-License-Identifier: Apache-2.0
/*
 * Router advertisements: the codec of ra.h, and when the link sends them (RFC 4861, 6.2.4, 6.2.6): three
 * soon after IPV6CP opened, then at the configured interval, and when solicited, not more often than every three
 * seconds.
 *
 * The client end solicits (6.3.7) until it has heard one, and reports the prefix that it may make an address of.  What it
 * has heard is not in the snapshot: after a switchover it solicits again.
 */
#include "ppp/ra.h"

#include "ppp/link.h"

#define ICMPV6 58
#define HOP_LIMIT 255
#define TYPE_RS 133
#define TYPE_RA 134
#define FIXED 40
#define RS_FIXED 8
#define RA_FIXED 16
#define DNS_MOST 8

/* RFC 4861, 10 */
#define INITIAL_COUNT 3
#define INITIAL_INTERVAL (16 * MONO_S)
#define MIN_DELAY (3 * MONO_S)
/* RFC 4861, 6.2.1 */
#define VALID_S 2592000
#define SOLICIT_INTERVAL (4 * MONO_S)
#define SOLICITATIONS 3
/* RFC 4862, 5.5.3 e: who advertises less than this does not shorten what is left below it */
#define LEAST_LIFE (7200 * MONO_S)
#define PREFERRED_S 604800

static uint32_t
sum16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		sum += get_u16(p);
	return n ? sum + (uint32_t)(*p << 8) : sum;
}

uint16_t
ppp_icmp6_sum(const uint8_t source[16], const uint8_t dest[16], struct span message)
{
	uint32_t sum = sum16(sum16(0, source, 16), dest, 16);

	sum = sum16(sum + (uint32_t)(message.len & 0xffff) + ICMPV6, message.p, message.len & 0xffff);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
write_mtu(struct wr *w, uint32_t mtu)
{
	wr_u8(w, 5);
	wr_u8(w, 1);
	wr_u16(w, 0);
	wr_u32(w, mtu);
}

static void
write_prefix(struct wr *w, const struct ppp_ra *ra)
{
	wr_u8(w, 3);
	wr_u8(w, 4);
	wr_u8(w, ra->prefix_len);
	wr_u8(w, ra->prefix_len == 64 ? 0xc0 : 0x80); /* L, and A where an address can be made of it */
	wr_u32(w, ra->valid_s);
	wr_u32(w, ra->preferred_s);
	wr_u32(w, 0);
	wr_bytes(w, ra->prefix, 16);
}

static void
write_dns(struct wr *w, const struct ppp_ra *ra)
{
	const unsigned n = ra->dns_count < DNS_MOST ? ra->dns_count : DNS_MOST;

	wr_u8(w, 25);
	wr_u8(w, (uint8_t)(1 + 2 * n));
	wr_u16(w, 0);
	wr_u32(w, ra->dns_s);
	for (unsigned i = 0; i < n; i++)
		wr_bytes(w, ra->dns[i], 16);
}

static void
write_head(struct wr *w, uint64_t iid, const uint8_t dest[16], uint8_t type)
{
	wr_u32(w, 0x60000000);
	wr_u16(w, 0);
	wr_u8(w, ICMPV6);
	wr_u8(w, HOP_LIMIT);
	wr_u16(w, 0xfe80);
	wr_u16(w, 0);
	wr_u32(w, 0);
	wr_u64(w, iid);
	wr_bytes(w, dest, 16);
	wr_u8(w, type);
	wr_u8(w, 0);
	wr_u16(w, 0);
}

/* Length and checksum; octets written. */
static size_t
finish(struct wr *w, uint8_t *out)
{
	struct span icmp;

	if (!w->ok)
		return 0;
	icmp = span_of(out + FIXED, wr_len(w) - FIXED);
	wr_patch_u16(w, 4, (uint16_t)icmp.len);
	wr_patch_u16(w, FIXED + 2, ppp_icmp6_sum(out + 8, out + 24, icmp));
	return wr_len(w);
}

size_t
ppp_ra_build(const struct ppp_ra *ra, uint8_t *out, size_t cap)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 }, none[16];
	struct wr w = wr_of(out, cap);

	write_head(&w, ra->local_iid, memcmp(ra->dest, none, 16) ? ra->dest : all_nodes, TYPE_RA);
	wr_u8(&w, 64); /* hop limit for the subscriber's packets */
	wr_u8(&w, (uint8_t)((ra->managed ? 0x80 : 0) | (ra->other ? 0x40 : 0)));
	wr_u16(&w, ra->lifetime_s);
	wr_u32(&w, 0);
	wr_u32(&w, 0);
	if (ra->mtu)
		write_mtu(&w, ra->mtu);
	if (ra->prefix_len)
		write_prefix(&w, ra);
	if (ra->dns_count)
		write_dns(&w, ra);
	return finish(&w, out);
}

size_t
ppp_rs_build(uint64_t local_iid, uint8_t *out, size_t cap)
{
	static const uint8_t all_routers[16] = { 0xff, 0x02, [15] = 2 };
	struct wr w = wr_of(out, cap);

	write_head(&w, local_iid, all_routers, TYPE_RS);
	wr_u32(&w, 0);
	return finish(&w, out);
}

static bool
nd_options_fine(struct rd *r)
{
	while (rd_left(r)) {
		size_t units;

		rd_u8(r);
		units = rd_u8(r);
		if (units == 0)
			return false;
		rd_take(r, 8 * units - 2);
	}
	return r->ok;
}

/* What RFC 4861, 6.1.1 and 6.1.2 ask of both; `fixed` octets stand before the options. */
static bool
nd_read(struct span packet, uint8_t type, size_t fixed, const uint8_t **source, struct span *message)
{
	struct rd r = rd_of(packet.p, packet.len), body;
	const uint32_t first = rd_u32(&r);
	const uint16_t len = rd_u16(&r);
	const uint8_t next = rd_u8(&r), hops = rd_u8(&r);
	const uint8_t *src = rd_take(&r, 16), *dst = rd_take(&r, 16);
	struct span icmp = rd_span(&r, len);

	if (!r.ok || first >> 28 != 6 || next != ICMPV6 || hops != HOP_LIMIT || icmp.len < fixed)
		return false;
	if (icmp.p[0] != type || icmp.p[1] != 0 || ppp_icmp6_sum(src, dst, icmp) != 0)
		return false;
	body = rd_of(icmp.p + fixed, icmp.len - fixed);
	*source = src;
	*message = icmp;
	return nd_options_fine(&body);
}

bool
ppp_rs_read(struct span packet, uint8_t source[16])
{
	const uint8_t *src;
	struct span icmp;

	if (!nd_read(packet, TYPE_RS, RS_FIXED, &src, &icmp))
		return false;
	memcpy(source, src, 16);
	return true;
}

/* RFC 4862, 5.5.3 a to d. */
static void
read_prefix(struct rd *o, struct ppp_ra_heard *out)
{
	const uint8_t len = rd_u8(o), flags = rd_u8(o);
	const uint32_t valid = rd_u32(o), preferred = rd_u32(o);
	const uint8_t *prefix;

	rd_u32(o);
	prefix = rd_take(o, 16);
	if (!o->ok || out->prefix_len || !(flags & 0x40) || len != 64 || preferred > valid)
		return;
	if (prefix[0] == 0xff || (prefix[0] == 0xfe && (prefix[1] & 0xc0) == 0x80))
		return;
	memcpy(out->prefix, prefix, 8);
	out->prefix_len = len;
	out->valid_s = valid;
}

static void
read_dns(struct rd *o, struct ppp_ra_heard *out)
{
	rd_u16(o);
	if (rd_u32(o) == 0)
		return;
	while (rd_left(o) >= 16 && out->dns_count < PPP_RA_DNS)
		memcpy(out->dns[out->dns_count++], rd_take(o, 16), 16);
}

bool
ppp_ra_read(struct span packet, struct ppp_ra_heard *out)
{
	const uint8_t *src;
	struct span icmp;
	struct rd r;

	if (!nd_read(packet, TYPE_RA, RA_FIXED, &src, &icmp) || src[0] != 0xfe || (src[1] & 0xc0) != 0x80)
		return false;
	*out = (struct ppp_ra_heard){ .lifetime_s = get_u16(icmp.p + 6) };
	r = rd_of(icmp.p + RA_FIXED, icmp.len - RA_FIXED);
	while (rd_left(&r)) {
		const uint8_t type = rd_u8(&r), units = rd_u8(&r);
		struct span body = rd_span(&r, 8 * (size_t)units - 2);
		struct rd o = rd_of(body.p, body.len);
		if (type == 3 && units == 4)
			read_prefix(&o, out);
		else if (type == 25 && units >= 3)
			read_dns(&o, out);
	}
	return true;
}

/* ---- the link's advertisements */

static bool
is_router(const struct ppp_link *l, const struct ppp_ctx *ctx)
{
	return !ctx->conf->client && l->net.prefix6_len;
}

static void
send_ra(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_conf *c = ctx->conf;
	struct ppp_ra ra = { .local_iid = l->local_iid,
			     .lifetime_s = c->ra_lifetime_s,
			     .mtu = c->ra_mtu,
			     .prefix_len = l->net.prefix6_len,
			     .valid_s = VALID_S,
			     .preferred_s = PREFERRED_S,
			     .dns = c->dns6,
			     .dns_count = c->dns6_count < PPP_DNS6 ? c->dns6_count : PPP_DNS6,
			     .dns_s = 3u * c->ra_lifetime_s };
	uint8_t frame[2 + PPP_RA_MAX];
	size_t n;

	memcpy(ra.prefix, l->net.prefix6, 16);
	put_u16(frame, PPP_IPV6);
	n = ppp_ra_build(&ra, frame + 2, PPP_RA_MAX);
	if (n)
		ctx->out->send(ctx->out, span_of(frame, n + 2), false);
	l->ra_at = ctx->now;
}

static void
plan(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const mono_t every = (mono_t)ctx->conf->ra_ms * MONO_MS;
	const mono_t slack = every / 4; /* 6.2.4: unsolicited ones are spread out */

	if (l->ras < INITIAL_COUNT)
		l->ra_due = ctx->now + (every && every < INITIAL_INTERVAL ? every : INITIAL_INTERVAL);
	else if (every)
		l->ra_due = ctx->now + every - (slack ? random_u32(ctx, RANDOM_OTHER) % slack : 0);
	else
		l->ra_due = MONO_NEVER;
}

/* ---- the client end */

static void
solicit(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	uint8_t frame[2 + FIXED + RS_FIXED];
	size_t n;

	put_u16(frame, PPP_IPV6);
	n = ppp_rs_build(l->local_iid, frame + 2, sizeof frame - 2);
	if (n)
		ctx->out->send(ctx->out, span_of(frame, n + 2), false);
	l->ras++;
}

/* For the client ra_at is when the prefix is over. */
static void
client_plan(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	l->ra_due = mono_sooner(l->ra_at, l->ras < SOLICITATIONS ? ctx->now + SOLICIT_INTERVAL : MONO_NEVER);
}

static void
client_tell(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_ra_heard *h)
{
	const uint8_t flags = (uint8_t)(h->prefix_len ? l->flags | LINK_PREFIX : l->flags & ~LINK_PREFIX);
	struct ppp_event ev = { .kind = PPP_EV_PREFIX, .prefix = h };

	l->dirty |= flags != l->flags;
	l->flags = flags;
	link_event(ctx, &ev);
}

static void
client_timer(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	static const struct ppp_ra_heard nothing;

	if (l->ra_at != MONO_NEVER && l->ra_at <= ctx->now) {
		l->ra_at = MONO_NEVER;
		l->ras = 0;
		client_tell(l, ctx, &nothing);
	}
	if (l->ras < SOLICITATIONS)
		solicit(l, ctx);
	client_plan(l, ctx);
}

static void
client_hear(struct ppp_link *l, const struct ppp_ctx *ctx, struct span packet)
{
	struct ppp_ra_heard h;
	mono_t valid, left;

	if (!ppp_ra_read(packet, &h))
		return;
	if (h.lifetime_s || h.prefix_len)
		l->ras = SOLICITATIONS;
	valid = ctx->now + h.valid_s * MONO_S; /* for ever: 136 years */
	left = l->ra_at == MONO_NEVER ? 0 : l->ra_at - ctx->now;
	if (h.prefix_len && (h.valid_s || left)) {
		if (h.valid_s * MONO_S > LEAST_LIFE || valid > l->ra_at || !left)
			l->ra_at = valid;
		else if (left > LEAST_LIFE)
			l->ra_at = ctx->now + LEAST_LIFE;
		client_tell(l, ctx, &h);
	}
	client_plan(l, ctx);
}

void
ra_resume(struct ppp_link *l, const struct ppp_ctx *ctx, mono_t leisure)
{
	l->ras = 0;
	l->ra_at = ctx->now + LEAST_LIFE;
	l->ra_due = l->flags & LINK_PREFIX ? leisure : ctx->now + SOLICIT_INTERVAL;
}

/* ---- both */

void
ra_start(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	l->ras = 0;
	if (ctx->conf->client) {
		l->ra_at = MONO_NEVER;
		l->flags &= (uint8_t)~LINK_PREFIX;
		solicit(l, ctx);
		client_plan(l, ctx);
	}
	if (!is_router(l, ctx))
		return;
	send_ra(l, ctx);
	l->ras = 1;
	plan(l, ctx);
}

void
ra_timer(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	if (l->ra_due == MONO_NEVER || l->ra_due > ctx->now)
		return;
	l->ra_due = MONO_NEVER;
	if (!ppp_link_cp_open(l, PPP_CP_IPV6CP))
		return;
	if (ctx->conf->client)
		client_timer(l, ctx);
	if (!is_router(l, ctx))
		return;
	send_ra(l, ctx);
	if (l->ras < INITIAL_COUNT)
		l->ras++;
	plan(l, ctx);
}

void
ra_input(struct ppp_link *l, const struct ppp_ctx *ctx, struct span packet)
{
	uint8_t source[16];

	if (ctx->conf->client)
		client_hear(l, ctx, packet);
	if (!is_router(l, ctx) || !ppp_rs_read(packet, source))
		return;
	if (l->ra_at != MONO_NEVER && ctx->now - l->ra_at < MIN_DELAY) {
		l->ra_due = mono_sooner(l->ra_due, l->ra_at + MIN_DELAY);
		return;
	}
	send_ra(l, ctx);
}
