// SPDX-License-Identifier: Apache-2.0
/*
 * What a router says about packets that it cannot forward (RFC 792, RFC 1812 4.3, RFC 4443), and
 * fragmentation (RFC 791, 3.2), all in this batch's own octets.
 *
 * The speaker is our end of the subscriber's link: the IPv4 address that IPCP told the subscriber,
 * or our interface identifier in the subscriber's prefix (without one, fe80::/64, which only the
 * subscriber hears).
 */
#include "dp_int.h"

#include <string.h>

#include "ip.h"

#define ICMP4_MAX 576  /* RFC 1812, 4.3.2.3 */
#define ICMP6_MAX 1280 /* RFC 4443, 2.4 (c) */
#define OPTION_COPIED 0x80

enum {
	UNREACHABLE4 = 3,
	NEEDS_FRAGMENT4 = 4,
	TIME_EXCEEDED4 = 11,
	TOO_BIG6 = 2,
	TIME_EXCEEDED6 = 3
};

/* RFC 1812, 4.3.2.7: never about an ICMP error, a fragment but the first, or to nobody in
 * particular. */
static bool
may_answer4(const uint8_t *p, uint32_t len)
{
	uint32_t ihl = (p[0] & 15u) * 4;

	if ((get_u16(p + 6) & 0x1fff) || p[12] == 0 || p[12] == 127 || p[12] >= 224 || p[16] >= 224)
		return false;
	if (p[9] != IP_ICMP)
		return true;
	if (len <= ihl)
		return false;
	switch (p[ihl]) {
	case 3:
	case 4:
	case 5:
	case 11:
	case 12:
		return false;
	}
	return true;
}

/* RFC 4443, 2.4 (e); too big is allowed also for multicast, but nobody sends us that. */
static bool
may_answer6(const uint8_t *p, uint32_t len)
{
	if (p[8] == 0xff || p[24] == 0xff || (load64(p + 8) == 0 && load64(p + 16) == 0))
		return false;
	return p[6] != IP_ICMP6 || (len > 40 && p[40] >= 128);
}

/* A packet for the subscriber becomes a frame; for the core it goes to the TUN. */
static void
deliver(struct dp *dp, struct dp_session *s, uint8_t *p, uint32_t len, bool to_core)
{
	const struct dp_tunnel *t = dp->tunnel[s->key >> 16];

	if (!to_core) {
		if (!t || frame_ip(dp, s, t, p, len, p[0] >> 4 == 4 ? PPP_IPV4 : PPP_IPV6))
			dp->drop[DP_DROP_NO_ROOM]++;
		return;
	}
	if (dp->out.packets == DP_PACKETS)
		dp->drop[DP_DROP_NO_ROOM]++;
	else
		dp->out.packet[dp->out.packets++] = span_of(p, len);
}

static bool
build4(struct dp *dp, struct dp_session *s, uint8_t type, uint8_t code, uint16_t mtu,
       const uint8_t *p, uint32_t len, bool to_core)
{
	uint32_t local = cold_of(dp, s)->local4;
	uint32_t quoted = len < ICMP4_MAX - 28 ? len : ICMP4_MAX - 28;
	uint8_t *o;

	if (local == 0 || !may_answer4(p, len))
		return false;
	o = arena_room(dp, 28 + quoted);
	if (!o) {
		dp->drop[DP_DROP_NO_ROOM]++;
		return false;
	}
	memset(o, 0, 28);
	o[0] = 0x45;
	o[1] = 0xc0; /* RFC 1812, 4.3.2.5: precedence 6 */
	put_u16(o + 2, (uint16_t)(28 + quoted));
	o[8] = 64;
	o[9] = IP_ICMP;
	memcpy(o + 12, &local, 4);
	memcpy(o + 16, p + 12, 4);
	store16(o + 10, (uint16_t)~sum_fold(sum_add(0, o, 20)));
	o[20] = type;
	o[21] = code;
	put_u16(o + 26, mtu);
	memcpy(o + 28, p, quoted);
	store16(o + 22, (uint16_t)~sum_fold(sum_add(0, o + 20, 8 + quoted)));
	deliver(dp, s, o, 28 + quoted, to_core);
	return true;
}

static void
speaker6(const struct dp *dp, const struct dp_session *s, uint8_t out[16])
{
	uint64_t iid = cold_of(dp, s)->local_iid ? cold_of(dp, s)->local_iid : 1;

	memset(out, 0, 16);
	if (s->v6_mask)
		memcpy(out, &s->v6, 8);
	else
		put_u16(out, 0xfe80);
	put_u32(out + 8, (uint32_t)(iid >> 32));
	put_u32(out + 12, (uint32_t)iid);
}

static bool
build6(struct dp *dp, struct dp_session *s, uint8_t type, uint32_t mtu, const uint8_t *p,
       uint32_t len, bool to_core)
{
	uint32_t quoted = len < ICMP6_MAX - 48 ? len : ICMP6_MAX - 48;
	uint8_t *o;
	uint64_t sum;

	if (!may_answer6(p, len) || (to_core && !s->v6_mask))
		return false;
	o = arena_room(dp, 48 + quoted);
	if (!o) {
		dp->drop[DP_DROP_NO_ROOM]++;
		return false;
	}
	memset(o, 0, 48);
	o[0] = 0x60;
	put_u16(o + 4, (uint16_t)(8 + quoted));
	o[6] = IP_ICMP6;
	o[7] = 64;
	speaker6(dp, s, o + 8);
	memcpy(o + 24, p + 8, 16);
	o[40] = type;
	put_u32(o + 44, mtu);
	memcpy(o + 48, p, quoted);
	sum = sum_add(0, o + 8, 32) + htons(IP_ICMP6) + htons((uint16_t)(8 + quoted));
	store16(o + 42, (uint16_t)~sum_fold(sum_add(sum, o + 40, 8 + quoted)));
	deliver(dp, s, o, 48 + quoted, to_core);
	return true;
}

/* Twenty a second and session: RFC 1812 4.3.2.8, RFC 4443 2.4 (f). */
static bool
may_speak(struct dp *dp, mono_t now, struct dp_session *s)
{
	struct bucket *b = &cold_of(dp, s)->icmp;

	if (!bucket_has(b, &dp->icmp_rate, now)) {
		dp->count[DP_COUNT_ICMP_LIMITED]++;
		return false;
	}
	bucket_take(b, &dp->icmp_rate, now);
	return true;
}

void
icmp_time_exceeded(struct dp *dp, mono_t now, struct dp_session *s, const uint8_t *p, uint32_t len,
		   bool to_core)
{
	bool said;

	if (!may_speak(dp, now, s))
		return;
	if (p[0] >> 4 == 4)
		said = build4(dp, s, TIME_EXCEEDED4, 0, 0, p, len, to_core);
	else
		said = build6(dp, s, TIME_EXCEEDED6, 0, p, len, to_core);
	dp->count[DP_COUNT_ICMP_TTL] += said;
}

void
icmp_too_big(struct dp *dp, mono_t now, struct dp_session *s, const uint8_t *p, uint32_t len,
	     unsigned mtu)
{
	bool said;

	if (!may_speak(dp, now, s))
		return;
	if (p[0] >> 4 == 4)
		said = build4(dp, s, UNREACHABLE4, NEEDS_FRAGMENT4, (uint16_t)mtu, p, len, true);
	else
		said = build6(dp, s, TOO_BIG6, mtu, p, len, true);
	dp->count[DP_COUNT_ICMP_TOO_BIG] += said;
}

/* ---- fragments --------------------------------------------------------------------------- */

/* The options that every fragment carries (RFC 791, 3.1: copied flag), padded to words.  Returns
 * octets. */
static uint32_t
options_copied(const uint8_t *opt, uint32_t len, uint8_t *out)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < len && opt[at] != 0;) {
		uint32_t size = opt[at] == 1 ? 1 : at + 1 < len ? opt[at + 1] : 0;
		if (size == 0 || (opt[at] != 1 && size < 2) || at + size > len)
			break;
		if (opt[at] & OPTION_COPIED) {
			memcpy(out + n, opt + at, size);
			n += size;
		}
		at += size;
	}
	while (n % 4)
		out[n++] = 0;
	return n;
}

enum dp_drop
fragment4(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, const uint8_t *p,
	  uint32_t len, unsigned mtu)
{
	uint32_t ihl = (p[0] & 15u) * 4, at = ihl, offset = get_u16(p + 6) & 0x1fff;
	bool more = get_u16(p + 6) & 0x2000;
	uint8_t head[60];
	uint32_t head_len = ihl;

	memcpy(head, p, ihl);
	if (!(s->flags & S_CLIENT))
		head[8]--;
	while (at < len) {
		uint32_t room = mtu - head_len, n = len - at <= room ? len - at : room & ~7u;
		uint8_t *o = arena_room(dp, head_len + n);
		if (!o)
			return DP_DROP_NO_ROOM;
		memcpy(o, head, head_len);
		memcpy(o + head_len, p + at, n);
		o[0] = (uint8_t)(0x40 | head_len / 4);
		put_u16(o + 2, (uint16_t)(head_len + n));
		put_u16(o + 6,
			(uint16_t)(offset + (at - ihl) / 8) | (more || at + n < len ? 0x2000 : 0));
		store16(o + 10, 0);
		store16(o + 10, (uint16_t)~sum_fold(sum_add(0, o, head_len)));
		enum dp_drop why = frame_ip(dp, s, t, o, head_len + n, PPP_IPV4);
		if (why)
			return why;
		if (at == ihl)
			head_len = 20 + options_copied(p + 20, ihl - 20, head + 20);
		at += n;
	}
	dp->count[DP_COUNT_FRAGMENTED]++;
	return DP_OK;
}
