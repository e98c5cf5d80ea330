// SPDX-License-Identifier: Apache-2.0
/*
 * Down: from the core to a subscriber's tunnel.  The frame's head is written into the room before
 * the packet, so that the packet itself is never copied.  Also what else leaves in a tunnel: frames
 * of session-mgr (dp_inject).
 */
#include "dp_int.h"

#include <string.h>

#include "ip.h"
#include "l2tp/l2tp.h"

#define PPP_LCP 0xc021
#define LCP_ECHO_REQUEST 9
#define LCP_ECHO_REPLY 10
#define IP4_DF 0x4000
#define IP6_MTU_MIN 1280

/* ---- frames ------------------------------------------------------------------------------ */

uint8_t *
arena_room(struct dp *dp, uint32_t octets)
{
	uint32_t need = (octets + DP_HEADROOM + 15) & ~15u;
	uint8_t *p = dp->arena + dp->arena_used;

	if (need > DP_ARENA - dp->arena_used)
		return NULL;
	dp->arena_used += need;
	return p + DP_HEADROOM;
}

bool
ns_next(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, uint32_t *ns)
{
	if (t->silent)
		return false;
	if (s->restarts != t->restarts)
		ns_wish(dp, s); /* at 0 again */
	if ((int32_t)(s->ns_lease - s->ns_next) <= 0) {
		ns_wish(dp, s);
		return false;
	}
	*ns = s->ns_next++;
	if (s->ns_lease - s->ns_next <= DP_NS_LEASE / 2)
		ns_wish(dp, s);
	return true;
}

/* Nr is reserved in data messages: 0 (RFC 2661, 3.1). */
static void
sequenced_head(uint8_t *b, const struct dp_tunnel *t, const struct dp_session *s, uint32_t ns,
	       uint16_t bits)
{
	put_u16(b, (uint16_t)(L2TP_BIT_S | bits | 2));
	put_u16(b + 2, (uint16_t)t->peer_id);
	put_u16(b + 4, s->peer_session);
	put_u16(b + 6, (uint16_t)ns);
	put_u16(b + 8, 0);
}

static uint8_t
tos_down(const struct dp *dp, const struct dp_tunnel *t, uint8_t inner)
{
	/* RFC 6040, 4.1: normal mode where the peer knows it (RFC 9601), else compatibility mode.
	 */
	return (uint8_t)((dp->dscp_copy ? inner & 0xfc : 0) | (t->ecn ? inner & 3 : 0));
}

static enum dp_drop
frame_sequenced(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, uint8_t *ip,
		uint32_t len, uint8_t proto, uint8_t tos)
{
	uint32_t ppp = s->head_len - 6u; /* octets of address, control and protocol */
	uint32_t ns;

	if (!ns_next(dp, s, t, &ns))
		return DP_DROP_NS_LEASE;
	memcpy(ip - ppp, s->head + 16 - ppp, ppp);
	ip[-1] = proto;
	sequenced_head(ip - ppp - 10, t, s, ns, 0);
	frame_note(dp, s, ip - ppp - 10, len + ppp + 10, tos, 0);
	return DP_OK;
}

enum dp_drop
data_head(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, uint16_t proto, uint16_t bits,
	  uint8_t *p, uint32_t *n)
{
	uint32_t ns;

	if (s->flags & S_V3)
		return form_head(dp, s, t, proto, p, n);
	*n = s->flags & S_SEQ_TX ? 10 : 6;
	if (*n == 10) {
		if (!ns_next(dp, s, t, &ns))
			return DP_DROP_NS_LEASE;
		sequenced_head(p, t, s, ns, bits);
		return DP_OK;
	}
	put_u16(p, bits | 2);
	put_u16(p + 2, (uint16_t)t->peer_id);
	put_u16(p + 4, s->peer_session);
	return DP_OK;
}

static inline void
frame_v2(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, uint8_t *ip, uint32_t len,
	 uint8_t proto, uint8_t tos)
{
	memcpy(ip - 16, s->head, 16);
	ip[-1] = proto;
	put_u16(ip - s->head_len + 2, (uint16_t)t->peer_id);
	frame_note(dp, s, ip - s->head_len, len + s->head_len, tos, 0);
}

static inline void
frame_count(struct dp *dp, struct dp_session *s, uint32_t len)
{
	s->out_packets++;
	s->out_octets += len;
	dp->count[DP_COUNT_DOWN_FRAMES]++;
	dp->count[DP_COUNT_DOWN_OCTETS] += len;
}

/* Any frame but L2TPv2's without a number. */
static enum dp_drop __attribute__((noinline))
frame_other(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, uint8_t *ip, uint32_t len,
	    uint8_t proto, uint8_t inner)
{
	const uint8_t tos = tos_down(dp, t, inner);
	enum dp_drop why = DP_OK;

	if (s->flags & S_TRUNK) {
		trunk_down(dp, dp->now, s, proto, ip, len, inner);
		return DP_OK;
	}
	if (s->flags & S_V3 || form_straight(s, cold_of(dp, s)->form, proto))
		why = form_frame_ip(dp, s, t, ip, len, proto, tos);
	else if (s->flags & S_SEQ_TX)
		why = frame_sequenced(dp, s, t, ip, len, proto, tos);
	else
		frame_v2(dp, s, t, ip, len, proto, tos);
	if (!why)
		frame_count(dp, s, len);
	return why;
}

enum dp_drop
frame_ip(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, uint8_t *ip, uint32_t len,
	 uint8_t proto)
{
	const uint8_t inner = proto == PPP_IPV4 ? ip[1] : ip6_tos(ip);

	if (dp->out.frames == DP_FRAMES)
		return DP_DROP_NO_ROOM;
	if (s->flags & (S_SEQ_TX | S_TRUNK | S_V3 | S_HEADERLESS))
		return frame_other(dp, s, t, ip, len, proto, inner);
	frame_v2(dp, s, t, ip, len, proto, tos_down(dp, t, inner));
	frame_count(dp, s, len);
	return DP_OK;
}

/* ---- packets ----------------------------------------------------------------------------- */

static inline uint32_t
route(const struct dp *dp, const struct dp_packet *k)
{
	if (k->len >= 20 && k->p[0] >> 4 == 4)
		return fib_find(&dp->v4, (uint64_t)get_u32(k->p + 16) << 32, 0);
	if (k->len >= 40 && k->p[0] >> 4 == 6)
		return fib_find(&dp->v6, (uint64_t)get_u32(k->p + 24) << 32 | get_u32(k->p + 28),
				(uint64_t)get_u32(k->p + 32) << 32 | get_u32(k->p + 36));
	return FIB_NONE;
}

static inline const void *
route_hint(const struct dp *dp, const struct dp_packet *k)
{
	if (k->len >= 20 && k->p[0] >> 4 == 4)
		return fib_hint(&dp->v4, (uint64_t)get_u32(k->p + 16) << 32, 0);
	if (k->len >= 40)
		return fib_hint(&dp->v6, (uint64_t)get_u32(k->p + 24) << 32 | get_u32(k->p + 28),
				(uint64_t)get_u32(k->p + 32) << 32 | get_u32(k->p + 36));
	return k->p;
}

static enum dp_drop __attribute__((noinline))
too_big4(struct dp *dp, mono_t now, struct dp_session *s, const struct dp_tunnel *t, uint8_t *ip,
	 uint32_t len, unsigned limit)
{
	if (!(get_u16(ip + 6) & IP4_DF))
		return fragment4(dp, s, t, ip, len, limit);
	if (dp->icmp_too_big)
		icmp_too_big(dp, now, s, ip, len, limit);
	return DP_DROP_TOO_BIG;
}

/*
 * The kernel checked the header already, and took one off the TTL as a router.  So do we: the TUN
 * is a link between two routers, except for a client's own packets.
 */
static inline enum dp_drop
down4(struct dp *dp, mono_t now, struct dp_session *s, const struct dp_tunnel *t, uint8_t *ip,
      uint32_t len)
{
	uint32_t ihl = (ip[0] & 15u) * 4, total = get_u16(ip + 2);
	unsigned limit = s->mtu < t->room ? s->mtu : t->room;

	if (ihl < 20 || ihl > len)
		return DP_DROP_IP_HEADER;
	if (total < ihl || total > len)
		return DP_DROP_IP_LENGTH;
	if (ip[8] <= 1 && !(s->flags & S_CLIENT)) {
		icmp_time_exceeded(dp, now, s, ip, total, true);
		return DP_DROP_TTL;
	}
	if (ip[9] == IP_TCP && dp->mss_clamp && !(get_u16(ip + 6) & 0x1fff) &&
	    tcp_clamp(ip + ihl, total - ihl, (uint16_t)(limit - 40)))
		dp->count[DP_COUNT_MSS_CLAMPED]++;
	if (total > limit)
		return too_big4(dp, now, s, t, ip, total, limit);
	if (!(s->flags & S_CLIENT))
		ip4_ttl_down(ip);
	return frame_ip(dp, s, t, ip, total, PPP_IPV4);
}

static enum dp_drop
down6(struct dp *dp, mono_t now, struct dp_session *s, const struct dp_tunnel *t, uint8_t *ip,
      uint32_t len)
{
	uint32_t total = 40u + get_u16(ip + 4);
	unsigned limit = s->mtu < t->room ? s->mtu : t->room;

	if (limit < IP6_MTU_MIN)
		limit = IP6_MTU_MIN; /* RFC 8200, 5: no link may be smaller */
	if (total > len)
		return DP_DROP_IP_LENGTH;
	if (ip[24] == 0xff)
		return DP_DROP_MULTICAST;
	if (ip[7] <= 1 && !(s->flags & S_CLIENT)) {
		icmp_time_exceeded(dp, now, s, ip, total, true);
		return DP_DROP_TTL;
	}
	if (ip[6] == IP_TCP && dp->mss_clamp &&
	    tcp_clamp(ip + 40, total - 40, (uint16_t)(limit - 60)))
		dp->count[DP_COUNT_MSS_CLAMPED]++;
	if (total > limit) {
		if (dp->icmp_too_big)
			icmp_too_big(dp, now, s, ip, total, limit);
		return DP_DROP_TOO_BIG;
	}
	if (!(s->flags & S_CLIENT))
		ip[7]--;
	return frame_ip(dp, s, t, ip, total, PPP_IPV6);
}

static enum dp_drop
no_route(const struct dp_packet *k)
{
	unsigned version = k->len ? k->p[0] >> 4 : 0;

	if (version != 4 && version != 6)
		return DP_DROP_IP_VERSION;
	if (k->len < (version == 4 ? 20u : 40u))
		return DP_DROP_IP_SHORT;
	if (version == 4 ? k->p[16] >= 224 : k->p[24] == 0xff)
		return DP_DROP_MULTICAST;
	return DP_DROP_NO_ROUTE;
}

/* No rule of steering took it, and it is no session's: it goes its own way, from the TUN. */
static void
give_back(struct dp *dp, const struct dp_packet *k, struct dp_verdict *v)
{
	dp->out.packet[dp->out.packets++] = span_of(k->p, k->len);
	dp->count[DP_COUNT_STEER_PASSED]++;
	v->act = DP_FORWARD;
	v->reason = DP_OK;
}

/* A rule of steering goes before the route. */
static inline uint32_t
way(struct dp *dp, const struct dp_packet *k)
{
	const uint32_t to = dp->steered ? steer_find(dp, k) : FIB_NONE;

	if (to == FIB_NONE)
		return route(dp, k);
	dp->count[DP_COUNT_STEERED]++;
	return to;
}

static inline void
judge(struct dp *dp, mono_t now, const struct dp_packet *k, uint32_t to, struct dp_verdict *v)
{
	struct dp_session *s = to == FIB_NONE ? NULL : session_at(dp, to);
	const struct dp_tunnel *t = s ? dp->tunnel[s->key >> 16] : NULL;
	const uint16_t need = S_UP | S_FORWARDING | (k->len && k->p[0] >> 4 == 4 ? S_V4 : S_V6);
	enum dp_drop why;

	v->p = k->p;
	v->len = k->len;
	v->tunnel = s ? (uint16_t)(s->key >> 16) : 0;
	v->session = s ? (uint16_t)s->key : 0;
	if (!s && dp->steers && steer_passes(dp, k) && dp->out.packets < DP_PACKETS) {
		give_back(dp, k, v);
		return;
	}
	if (!s)
		why = no_route(k);
	else if (!t)
		why = DP_DROP_NO_TUNNEL;
	else if ((s->flags & need) != need)
		why = DP_DROP_NOT_FORWARDING;
	else if (s->flags & (S_SEQ_TX | S_SEQ_FOLLOW | S_TRUNK) && !(s->flags & S_MINE)) {
		v->act = DP_HAND;
		v->reason = DP_OK;
		v->worker = (uint16_t)((uint16_t)s->key % dp->workers);
		return;
	} else {
		why = k->p[0] >> 4 == 4 ? down4(dp, now, s, t, k->p, k->len)
					: down6(dp, now, s, t, k->p, k->len);
	}
	v->act = why ? DP_DROP : DP_FORWARD;
	v->reason = (uint8_t)why;
	if (why)
		drop_count(dp, s, why);
}

/* Runs of packets for one trunk: their flows' contexts. */
static void
prefetch_flows(struct dp *dp, const struct dp_packet *in, const uint32_t *to, unsigned n)
{
	struct crtp_pkt k[DP_BATCH];
	unsigned run;

	for (unsigned i = 0; i < n; i += run) {
		const struct dp_session *s = to[i] == FIB_NONE ? NULL : session_at(dp, to[i]);
		const struct trunk *t = s && s->flags & S_TRUNK ? cold_of(dp, s)->trunk : NULL;
		for (run = 0; i + run < n && to[i + run] == to[i]; run++) {
			const struct dp_packet *p = &in[i + run];
			k[run] = (struct crtp_pkt){ p->p, p->len, p->len && p->p[0] >> 4 == 6 ? PPP_IPV6 : PPP_IPV4 };
		}
		if (t && run > 1)
			trunk_prefetch(t, k, run);
	}
}

void
dp_down(struct dp *dp, mono_t now, const struct dp_packet *in, unsigned n,
	struct dp_verdict *verdict)
{
	uint32_t to[DP_BATCH];

	out_reset(dp);
	dp->now = now;
	dp->count[DP_COUNT_DOWN_PACKETS] += n;
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(route_hint(dp, &in[i]));
	for (unsigned i = 0; i < n; i++) {
		to[i] = way(dp, &in[i]);
		if (to[i] != FIB_NONE) {
			struct dp_session *s = session_at(dp, to[i]);
			__builtin_prefetch(s);
			__builtin_prefetch(&s->out_packets, 1);
		}
	}
	if (dp->trunks)
		prefetch_flows(dp, in, to, n);
	for (unsigned i = 0; i < n; i++)
		judge(dp, now, &in[i], to[i], &verdict[i]);
}

/* ---- frames of session-mgr --------------------------------------------------------------- */

static struct dp_verdict
refused(struct dp *dp, struct dp_verdict v, enum dp_drop why)
{
	v.act = DP_DROP;
	v.reason = (uint8_t)why;
	if (why != DP_DROP_NS_LEASE && why != DP_DROP_NO_ROOM) /* those are tried again */
		dp->drop[why]++;
	return v;
}

/* RFC 2661, 3.1: echoes that keep a link alive should have priority. */
static uint16_t
priority(struct span frame)
{
	if (frame.len < 3 || get_u16(frame.p) != PPP_LCP)
		return 0;
	return frame.p[2] == LCP_ECHO_REQUEST || frame.p[2] == LCP_ECHO_REPLY ? L2TP_BIT_P : 0;
}

void
dp_out_reset(struct dp *dp)
{
	out_reset(dp);
}

/* Is there a call, and do we know what its peer calls it? */
static bool
has_peer(const struct dp *dp, const struct dp_session *s)
{
	const struct dp_cold *c = cold_of(dp, s);

	return c->has_call && (s->flags & S_V3 ? c->form->peer != 0 : s->peer_session != 0);
}

/*
 * Always through the tunnel, and the protocol in two octets; L2TPv2: address and control always, which is what LCP
 * needs before and after (RFC 1661, 6.5, 6.6); L2TPv3: never.
 */
struct dp_verdict
dp_inject(struct dp *dp, uint16_t tunnel, uint16_t session, struct span frame)
{
	struct dp_session *s = session_find(dp, session_key(tunnel, session));
	const struct dp_tunnel *t = dp->tunnel[tunnel];
	struct dp_verdict v = { .tunnel = tunnel, .session = session };
	enum dp_drop why;
	uint32_t head;
	uint8_t *p;

	if (!s || !t || !has_peer(dp, s) || frame.len < 2 || frame.len > DP_PACKET_MAX - 64)
		return refused(dp, v, DP_DROP_INJECT_BAD);
	if ((s->flags & (S_SEQ_TX | S_MINE)) == S_SEQ_TX ||
	    (s->flags & (S_SEQ_FOLLOW | S_MINE)) == S_SEQ_FOLLOW) {
		v.act = DP_HAND;
		v.worker = (uint16_t)(session % dp->workers);
		return v;
	}
	p = dp->out.frames == DP_FRAMES ? NULL : arena_room(dp, DP_HEADROOM + (uint32_t)frame.len);
	if (!p)
		return refused(dp, v, DP_DROP_NO_ROOM);
	why = data_head(dp, s, t, get_u16(frame.p), priority(frame), p, &head);
	if (why)
		return refused(dp, v, why);
	if (!(s->flags & S_V3)) {
		put_u16(p + head, 0xff03);
		head += 2;
	}
	memcpy(p + head, frame.p, frame.len);
	frame_note(dp, s, p, head + (uint32_t)frame.len, 0, t->ends.ip_protocol);
	dp->count[DP_COUNT_INJECTED]++;
	v.act = DP_FORWARD;
	return v;
}
