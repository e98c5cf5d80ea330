// SPDX-License-Identifier: Apache-2.0
/*
 * Up: from a tunnel to the core.  Three stages over a batch, so that the memory misses of its
 * packets overlap: read the L2TP headers, find the sessions, judge.
 */
#include "dp_int.h"

#include "ip.h"
#include "l2tp/l2tp.h"

#define HEAD_V3 DP_DROPS /* no fault: L2TPv3, up3.c */

/* What the first stage knows of a datagram. */
struct head {
	uint32_t key, end; /* our ids; where the payload ends */
	uint16_t off, ns;
	uint8_t fault; /* enum dp_drop, or HEAD_V3 */
	bool control, has_seq;
	struct dp_session *s;
};
_Static_assert(HEAD_V3 < 256, "a fault is an octet");

/* Any header but the shortest: control, or with Length, Ns and Nr, Offset (RFC 2661, 3.1). */
static enum dp_drop __attribute__((noinline))
head_read_long(const uint8_t *p, uint32_t len, uint32_t bits, struct head *h)
{
	uint32_t at = 2 + (bits & L2TP_BIT_L ? 2 : 0), off = at + 4;

	h->control = bits & L2TP_BIT_T;
	h->has_seq = bits & L2TP_BIT_S;
	if (len < off + (h->has_seq ? 4 : 0) + (bits & L2TP_BIT_O ? 2 : 0))
		return DP_DROP_SHORT;
	h->key = get_u32(p + at);
	h->end = bits & L2TP_BIT_L ? get_u16(p + 2) : len;
	if (h->has_seq) {
		h->ns = get_u16(p + off);
		off += 4;
	}
	if (h->end > len || h->end < off)
		return DP_DROP_LENGTH;
	if (bits & L2TP_BIT_O) {
		off += 2 + get_u16(p + off);
		if (off > h->end)
			return DP_DROP_OFFSET;
	}
	h->off = (uint16_t)off;
	if (h->control &&
	    (bits & (L2TP_BIT_L | L2TP_BIT_S | L2TP_BIT_O)) != (L2TP_BIT_L | L2TP_BIT_S))
		return DP_DROP_CONTROL;
	return DP_OK;
}

/* Told apart by Ver (RFC 3931, 4.1.2.1); the key is a guess for the session index. */
static unsigned __attribute__((noinline))
head_read_v3(const uint8_t *p, uint32_t len, uint32_t bits, struct head *h)
{
	if ((bits & L2TP_VERSION) != 3)
		return DP_DROP_VERSION;
	h->key = len >= 8 ? get_u32(p + 4) : 0;
	return HEAD_V3;
}

static inline unsigned
head_read(const uint8_t *p, uint32_t len, struct head *h)
{
	uint32_t bits;

	h->control = h->has_seq = false;
	h->key = 0;
	if (len < 6)
		return DP_DROP_SHORT;
	bits = get_u16(p);
	if ((bits & L2TP_VERSION) != 2)
		return head_read_v3(p, len, bits, h);
	if (bits & (L2TP_BIT_T | L2TP_BIT_L | L2TP_BIT_S | L2TP_BIT_O))
		return head_read_long(p, len, bits, h);
	h->key = get_u32(p + 2);
	h->off = 6;
	h->end = len;
	return DP_OK;
}

/* ---- verdicts ---------------------------------------------------------------------------- */

static void
drop(struct dp *dp, struct dp_session *s, struct dp_verdict *v, enum dp_drop why)
{
	up_drop(dp, s, v, why);
}

void
punt_control(struct dp *dp, mono_t now, const struct dp_datagram *d, uint32_t tunnel,
	     struct dp_verdict *v)
{
	struct dp_tunnel *t = tunnel <= 65535 ? dp->tunnel[tunnel] : NULL;
	enum dp_drop why;

	/* Only the peer itself spends the tunnel's share. */
	if (t && !dp_addr_eq(&t->ends.peer, &d->ends->peer))
		t = NULL;
	why = d->ends->peer_port || d->ends->ip_protocol
		  ? punt_limit(dp, now, NULL, t, &d->ends->peer)
		  : DP_DROP_PORT;
	if (why) {
		drop(dp, NULL, v, why);
		return;
	}
	v->act = DP_PUNT_TUNNEL;
	v->p = d->p;
	v->len = d->len;
	dp->count[DP_COUNT_CONTROL_PUNTED]++;
}

/* `p` is behind the protocol field; the two octets before it are ours to write it in full. */
void
punt_link(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s,
	  struct dp_tunnel *t, uint16_t proto, uint8_t *p, uint32_t len, struct dp_verdict *v)
{
	enum dp_drop why = punt_limit(dp, now, s, t, &d->ends->peer);

	if (why) {
		drop(dp, s, v, why);
		return;
	}
	put_u16(p - 2, proto);
	v->act = DP_PUNT_LINK;
	v->p = p - 2;
	v->len = len + 2;
	dp->count[DP_COUNT_LINK_PUNTED]++;
}

static inline void
forward(struct dp *dp, struct dp_session *s, uint8_t *p, uint32_t len, struct dp_verdict *v)
{
	s->in_packets++;
	s->in_octets += len;
	dp->count[DP_COUNT_UP_PACKETS]++;
	dp->count[DP_COUNT_UP_OCTETS] += len;
	v->act = DP_FORWARD;
	v->reason = DP_OK;
	v->apart = s->flags & S_TRUNK;
	v->p = p;
	v->len = len;
}

/* ---- IP ---------------------------------------------------------------------------------- */

/* First octet of an IPv4 address → what may be said of it.  RFC 6890 as far as it concerns a
 * router. */
static inline enum dp_drop
class4(uint8_t first)
{
	if (first - 1u < 223u && first != 127)
		return DP_OK;
	return first >= 224 && first < 240 ? DP_DROP_MULTICAST : DP_DROP_MARTIAN;
}

static enum dp_drop __attribute__((noinline))
source4(const struct dp *dp, const struct dp_session *s, const uint8_t *ip)
{
	if (class4(ip[12]))
		return DP_DROP_MARTIAN;
	if ((s->flags & S_CHECK) &&
	    fib_find(&dp->v4, (uint64_t)get_u32(ip + 12) << 32, 0) != s->index)
		return DP_DROP_SPOOFED;
	return DP_OK;
}

static inline enum dp_drop
header4(const uint8_t *ip, uint32_t *len)
{
	uint32_t ihl, total;
	uint64_t sum;

	if (*len < 20)
		return DP_DROP_IP_SHORT;
	if (ip[0] >> 4 != 4)
		return DP_DROP_IP_VERSION;
	ihl = (ip[0] & 15u) * 4;
	total = get_u16(ip + 2);
	if (ihl < 20 || ihl > *len)
		return DP_DROP_IP_HEADER;
	if (total < ihl || total > *len)
		return DP_DROP_IP_LENGTH;
	*len = total;
	sum = (uint64_t)load32(ip) + load32(ip + 4) + load32(ip + 8) + load32(ip + 12) +
	      load32(ip + 16);
	if (ihl > 20)
		sum = sum_add(sum, ip + 20, ihl - 20);
	return sum_fold(sum) == 0xffff ? DP_OK : DP_DROP_IP_CHECKSUM;
}

/*
 * RFC 6040 for ECN.  DSCP (RFC 2983): where the outer one says something, it is the network's later
 * word; 0 outside says only that the peer does not copy.
 */
static inline uint8_t
tos_up(const struct dp *dp, uint8_t inner, uint8_t outer)
{
	uint8_t ecn = ecn_out[inner & 3][outer & 3];
	uint8_t dscp = dp->dscp_copy && outer >> 2 ? outer >> 2 : inner >> 2;

	return ecn == ECN_DROP ? ecn : (uint8_t)(dscp << 2 | ecn);
}

static inline bool
ecn_refused(uint8_t inner, uint8_t outer)
{
	return (outer & 3) == ECN_CE && (inner & 3) == ECN_NONE;
}

static inline void
up4(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, uint8_t *ip,
    uint32_t len, struct dp_verdict *v)
{
	enum dp_drop why = header4(ip, &len);

	if (!why && load32(ip + 12) != s->ipv4)
		why = source4(dp, s, ip);
	if (!why)
		why = class4(ip[16]);
	if (!why && ecn_refused(ip[1], d->tos))
		why = DP_DROP_ECN;
	if (why) {
		drop(dp, s, v, why);
		return;
	}
	if (!(s->flags & S_CLIENT)) {
		if (ip[8] <= 1) {
			icmp_time_exceeded(dp, now, s, ip, len, false);
			drop(dp, s, v, DP_DROP_TTL);
			return;
		}
		ip4_ttl_down(ip);
	}
	uint8_t tos = tos_up(dp, ip[1], d->tos);
	if (tos != ip[1])
		ip4_set_tos(ip, tos);
	if (ip[9] == IP_TCP && dp->mss_clamp && !(get_u16(ip + 6) & 0x1fff)) {
		uint32_t ihl = (ip[0] & 15u) * 4;
		if (tcp_clamp(ip + ihl, len - ihl, s->mtu - 40))
			dp->count[DP_COUNT_MSS_CLAMPED]++;
	}
	forward(dp, s, ip, len, v);
}

static bool
link_local(const uint8_t *a)
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

/* What neighbours say to each other: neighbour discovery (RFC 4861) and DHCPv6 (RFC 8415). */
static bool
neighbours_talk(const uint8_t *ip, uint32_t len)
{
	if (ip[6] == IP_ICMP6 && len > 40)
		return ip[40] >= 133 && ip[40] <= 137 && ip[7] == 255;
	return ip[6] == IP_UDP && len >= 48 && get_u16(ip + 42) == 547;
}

/* RFC 4291 as far as it concerns a router. */
static inline enum dp_drop
class6(const uint8_t *dst)
{
	if (dst[0] == 0xff)
		return DP_DROP_MULTICAST;
	if (dst[0] == 0)
		return DP_DROP_MARTIAN;
	return link_local(dst) ? DP_DROP_LINK_LOCAL : DP_OK;
}

static enum dp_drop __attribute__((noinline))
source6(const struct dp *dp, const struct dp_session *s, const uint8_t *ip)
{
	uint64_t hi = (uint64_t)get_u32(ip + 8) << 32 | get_u32(ip + 12);
	uint64_t lo = (uint64_t)get_u32(ip + 16) << 32 | get_u32(ip + 20);

	if (link_local(ip + 8))
		return DP_DROP_LINK_LOCAL;
	if (ip[8] == 0xff || ip[8] == 0)
		return DP_DROP_MARTIAN;
	if ((s->flags & S_CHECK) && fib_find(&dp->v6, hi, lo) != s->index)
		return DP_DROP_SPOOFED;
	return DP_OK;
}

static inline enum dp_drop
header6(const uint8_t *ip, uint32_t *len)
{
	uint32_t total;

	if (*len < 40)
		return DP_DROP_IP_SHORT;
	if (ip[0] >> 4 != 6)
		return DP_DROP_IP_VERSION;
	total = 40u + get_u16(ip + 4);
	if (total > *len)
		return DP_DROP_IP_LENGTH;
	*len = total;
	return DP_OK;
}

/* The first words after IPV6CP may be here before the row that opens the session is. */
static bool
solicits(const uint8_t *ip, uint32_t len)
{
	return !header6(ip, &len) && class6(ip + 24) && neighbours_talk(ip, len);
}

static void
up6(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, uint8_t *ip,
    uint32_t len, struct dp_verdict *v)
{
	enum dp_drop why = header6(ip, &len), dst;
	uint64_t src;

	if (why) {
		drop(dp, s, v, why);
		return;
	}
	dst = class6(ip + 24);
	if ((dst || link_local(ip + 8)) && neighbours_talk(ip, len)) {
		punt_link(dp, now, d, s, dp->tunnel[s->key >> 16], PPP_IPV6, ip, len, v);
		return;
	}
	src = load64(ip + 8);
	if ((src & s->v6_mask) != s->v6 && (src & s->pd_mask) != s->pd)
		why = source6(dp, s, ip);
	if (!why)
		why = dst;
	if (!why && ecn_refused(ip6_tos(ip), d->tos))
		why = DP_DROP_ECN;
	if (why) {
		drop(dp, s, v, why);
		return;
	}
	if (!(s->flags & S_CLIENT)) {
		if (ip[7] <= 1) {
			icmp_time_exceeded(dp, now, s, ip, len, false);
			drop(dp, s, v, DP_DROP_TTL);
			return;
		}
		ip[7]--;
	}
	uint8_t tos = tos_up(dp, ip6_tos(ip), d->tos);
	if (tos != ip6_tos(ip))
		ip6_set_tos(ip, tos);
	if (ip[6] == IP_TCP && dp->mss_clamp &&
	    tcp_clamp(ip + 40, len - 40, s->mtu > 60 ? s->mtu - 60 : 0))
		dp->count[DP_COUNT_MSS_CLAMPED]++;
	forward(dp, s, ip, len, v);
}

void
up_ip(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, uint16_t proto, uint8_t *p,
      uint32_t len, struct dp_verdict *v)
{
	const uint16_t need = S_FORWARDING | (proto == PPP_IPV4 ? S_V4 : S_V6);

	if ((s->flags & need) != need)
		drop(dp, s, v, DP_DROP_NOT_FORWARDING);
	else if (proto == PPP_IPV4)
		up4(dp, now, d, s, p, len, v);
	else
		up6(dp, now, d, s, p, len, v);
}

/* ---- PPP --------------------------------------------------------------------------------- */

/*
 * Reads the protocol field with or without FF 03, in one octet or two (RFC 1661, 6.5 and 6.6):
 * whatever was negotiated, both forms are understood.  `p` and `len` move behind it.
 */
enum dp_drop
protocol_read(uint8_t **p, uint32_t *len, uint16_t *proto)
{
	if (*len >= 2 && (*p)[0] == 0xff && (*p)[1] == 0x03) {
		*p += 2;
		*len -= 2;
	}
	if (*len == 0 || (*len == 1 && (*p)[0] == 0xff))
		return DP_DROP_PPP_SHORT;
	if ((*p)[0] == 0xff) /* never a protocol: it would look like an address */
		return DP_DROP_PPP_PROTOCOL;
	if ((*p)[0] & 1) {
		*proto = (*p)[0];
		*p += 1;
		*len -= 1;
		return DP_OK;
	}
	if (*len < 2)
		return DP_DROP_PPP_SHORT;
	*proto = get_u16(*p);
	*p += 2;
	*len -= 2;
	return *proto & 1 ? DP_OK : DP_DROP_PPP_PROTOCOL;
}

/* `why`: what was found wrong already. */
static inline void
frame(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, enum dp_drop why,
      uint16_t proto, uint8_t *p, uint32_t len, struct dp_verdict *v)
{
	if (!why && (proto == PPP_IPV4 || proto == PPP_IPV6)) {
		const uint16_t need = S_FORWARDING | (proto == PPP_IPV4 ? S_V4 : S_V6);
		if ((s->flags & need) != need)
			why = DP_DROP_NOT_FORWARDING;
	}
	if (why == DP_DROP_NOT_FORWARDING && proto == PPP_IPV6 && solicits(p, len))
		punt_link(dp, now, d, s, dp->tunnel[s->key >> 16], proto, p, len, v);
	else if (why)
		drop(dp, s, v, why);
	else if (proto == PPP_IPV4)
		up4(dp, now, d, s, p, len, v);
	else if (proto == PPP_IPV6)
		up6(dp, now, d, s, p, len, v);
	else if (!(s->flags & S_TRUNK) || !trunk_up(dp, now, d, s, proto, p, len, v))
		punt_link(dp, now, d, s, dp->tunnel[s->key >> 16], proto, p, len, v);
}

void
up_ppp(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, uint8_t *p,
       uint32_t len, struct dp_verdict *v)
{
	uint16_t proto = 0;
	enum dp_drop why = protocol_read(&p, &len, &proto);

	frame(dp, now, d, s, why, proto, p, len, v);
}

void
up_frame(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, uint16_t proto,
	 uint8_t *p, uint32_t len, struct dp_verdict *v)
{
	frame(dp, now, d, s, DP_OK, proto, p, len, v);
}

/* ---- the session's own checks ------------------------------------------------------------ */

static enum dp_drop __attribute__((noinline))
sequence(struct dp *dp, struct dp_session *s, const struct head *h, struct dp_verdict *v)
{
	if (s->flags & S_V3)
		return DP_DROP_VERSION;
	if ((s->flags & (S_TRUNK | S_MINE)) == S_TRUNK) {
		v->act = DP_HAND;
		v->worker = (uint16_t)((uint16_t)s->key % dp->workers);
		return DP_OK;
	}
	if (!h->has_seq && (s->flags & S_SEQ_MUST))
		return DP_DROP_SEQ_MISSING;
	if ((s->flags & (S_SEQ_FOLLOW | S_SEQ_MUST)) == S_SEQ_FOLLOW && (s->flags & S_MINE))
		seq_follow(dp, s, h->has_seq);
	if (!(s->flags & S_MINE) && (s->flags & (S_SEQ_TX | S_SEQ_FOLLOW)) &&
	    (h->has_seq || s->flags & S_SEQ_FOLLOW)) {
		v->act = DP_HAND;
		v->worker = (uint16_t)((uint16_t)s->key % dp->workers);
		return DP_OK;
	}
	if (!h->has_seq || !(s->flags & S_SEQ_TX))
		return DP_OK;
	return seq_take(dp, s, h->ns) ? DP_OK : DP_DROP_SEQ_LATE;
}

/*
 * From a tunnel's peer, for a call that we do not know to be up: the peer may speak PPP right
 * behind its ICCN, before the call's record has reached us.  Its control frames go to session-mgr,
 * which holds them for a moment; data has nowhere to go.
 */
void
up_early(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, uint32_t key,
	 uint8_t *p, uint32_t len, enum dp_drop data, struct dp_verdict *v)
{
	uint16_t proto = 0;
	enum dp_drop why = protocol_read(&p, &len, &proto);

	if (!why && (proto == PPP_IPV4 || proto == PPP_IPV6))
		why = data;
	if (why)
		drop(dp, s, v, why);
	else
		punt_link(dp, now, d, s, dp->tunnel[key >> 16], proto, p, len, v);
}

static void __attribute__((noinline)) refuse(struct dp *dp, mono_t now, const struct dp_datagram *d,
					     const struct head *h, struct dp_verdict *v)
{
	if (h->fault == HEAD_V3)
		up_v3(dp, now, d, v);
	else if (h->fault)
		drop(dp, NULL, v, h->fault);
	else if (h->control)
		punt_control(dp, now, d, h->key >> 16, v);
	else if (!dp->tunnel[h->key >> 16])
		drop(dp, h->s, v, DP_DROP_NO_TUNNEL);
	else if (!dp_addr_eq(&dp->tunnel[h->key >> 16]->ends.peer, &d->ends->peer))
		drop(dp, NULL, v, DP_DROP_PEER);
	else if (dp->tunnel[h->key >> 16]->version != 2)
		drop(dp, h->s, v, DP_DROP_VERSION);
	else
		up_early(dp, now, d, h->s, h->key, d->p + h->off, h->end - h->off,
			 h->s ? DP_DROP_NOT_UP : DP_DROP_NO_SESSION, v);
}

static inline void
judge(struct dp *dp, mono_t now, const struct dp_datagram *d, const struct head *h,
      struct dp_verdict *v)
{
	const uint16_t plain = S_UP | S_FORWARDING | S_V4;
	struct dp_session *s = h->s;
	const struct dp_tunnel *t = dp->tunnel[h->key >> 16];
	enum dp_drop why = DP_OK;
	uint8_t *p = d->p + h->off;
	uint32_t len = h->end - h->off;

	v->tunnel = (uint16_t)(h->key >> 16);
	v->session = (uint16_t)h->key;
	if (!s || !t || !(s->flags & S_UP) || !dp_addr_eq(&t->ends.peer, &d->ends->peer)) {
		refuse(dp, now, d, h, v);
		return;
	}
	v->act = DP_DROP;
	if (h->has_seq || (s->flags & (S_SEQ_MUST | S_SEQ_FOLLOW | S_TRUNK | S_V3)))
		why = sequence(dp, s, h, v);
	if (why) {
		drop(dp, s, v, why);
		return;
	}
	if (v->act == DP_HAND)
		return;
	if (len >= 24 && (s->flags & plain) == plain && get_u32(p) == 0xff030021)
		up4(dp, now, d, s, p + 4, len - 4, v);
	else
		up_ppp(dp, now, d, s, p, len, v);
}

void
dp_up(struct dp *dp, mono_t now, const struct dp_datagram *in, unsigned n,
      struct dp_verdict *verdict)
{
	struct head head[DP_BATCH];

	out_reset(dp);
	dp->count[DP_COUNT_UP_DATAGRAMS] += n;
	for (unsigned i = 0; i < n; i++) {
		head[i].fault = (uint8_t)head_read(in[i].p, in[i].len, &head[i]);
		__builtin_prefetch(slot_hint(dp, head[i].key));
	}
	for (unsigned i = 0; i < n; i++) {
		struct dp_session *s = NULL;
		if (!head[i].fault && !head[i].control)
			s = session_find(dp, head[i].key);
		head[i].s = s;
		if (s) {
			__builtin_prefetch(s, 1);
			__builtin_prefetch(&s->in_packets, 1);
		}
	}
	for (unsigned i = 0; i < n; i++)
		judge(dp, now, &in[i], &head[i], &verdict[i]);
}
