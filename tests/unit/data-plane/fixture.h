// SPDX-License-Identifier: Apache-2.0
/*
 * A worker's packet path with tunnels, calls and subscribers in it, and the packets that go
 * through: shared by the unit tests, the fuzz targets and the benchmark.  Everything is static;
 * each program uses what it needs.
 */
#ifndef DATA_PLANE_FIXTURE_H
#define DATA_PLANE_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "dp.h"
#include "ip.h"
#include "rows.pb-c.h"

#define FX __attribute__((unused)) static

#define NOW (1000 * MONO_S)

FX struct ip_addr
fx_ip(const char *text)
{
	struct ip_addr a;

	ip_addr_parse(text, &a);
	return a;
}

FX ProtobufCBinaryData
fx_octets(struct ip_addr *a)
{
	return (ProtobufCBinaryData){ ip_addr_len(a), a->b };
}

FX struct conf *
fx_conf(void)
{
	struct conf *c = calloc(1, sizeof *c);

	c->data.workers = 1;
	c->data.mss_clamp = c->data.dscp_copy = c->data.source_check = c->data.icmp_too_big = true;
	c->data.punt_session_pps = 50;
	c->data.punt_tunnel_pps = 1000;
	c->data.punt_peer_pps = 5000;
	return c;
}

FX struct dp *
fx_dp(struct conf *c, unsigned worker)
{
	return dp_new(c, worker, 0x5eed);
}

FX void
fx_tunnel(struct dp *dp, uint16_t id, uint16_t peer_id, const char *peer, bool ecn)
{
	struct ip_addr a = fx_ip(peer), l = fx_ip(a.family == 4 ? "192.0.2.1" : "2001:db8::1");
	struct key k = key_tunnel(id);
	Row__Tunnel row = ROW__TUNNEL__INIT;

	row.id = id;
	row.peer_id = peer_id;
	row.peer_addr = fx_octets(&a);
	row.peer_port = 1701;
	row.local_addr = fx_octets(&l);
	row.local_port = 1701;
	row.ecn_capable = ecn;
	dp_apply(dp, TABLE_TUNNEL, key_span(&k), &row.base);
}

enum { CALL_PLAIN = 0, CALL_SEQ_REQUIRED = 1, CALL_SEQ_LNS = 2, CALL_LAC = 4, CALL_NOT_UP = 8 };

FX void
fx_call(struct dp *dp, uint16_t tunnel, uint16_t id, uint16_t peer_id, unsigned how)
{
	struct key k = key_session(tunnel, id);
	Row__Call row = ROW__CALL__INIT;

	row.tunnel = tunnel;
	row.id = id;
	row.peer_id = peer_id;
	row.state = how & CALL_NOT_UP ? 3 : 10;
	row.role = how & CALL_LAC ? ROLE_LAC : ROLE_LNS;
	row.seq_required = how & CALL_SEQ_REQUIRED;
	row.seq_lns = how & CALL_SEQ_LNS;
	dp_apply(dp, TABLE_CALL, key_span(&k), &row.base);
}

/* A tunnel of L2TPv3. */
FX void
fx_tunnel3(struct dp *dp, uint16_t id, const char *peer, bool over_ip)
{
	struct ip_addr a = fx_ip(peer), l = fx_ip(a.family == 4 ? "192.0.2.1" : "2001:db8::1");
	struct key k = key_tunnel(id);
	Row__Tunnel row = ROW__TUNNEL__INIT;

	row.id = id;
	row.version = 3;
	row.over_ip = over_ip;
	row.peer_id = 0xabcd0000 + id;
	row.peer_addr = fx_octets(&a);
	row.local_addr = fx_octets(&l);
	row.peer_port = row.local_port = over_ip ? 0 : 1701;
	dp_apply(dp, TABLE_TUNNEL, key_span(&k), &row.base);
}

/* A call's row with what L2TPv3 and L2TPHC add; cookies are their first octet, counting up. */
struct fx_form {
	uint32_t peer_id;
	unsigned cookie, peer_cookie; /* lengths */
	bool sublayer, peer_sublayer;
	unsigned sequencing, peer_sequencing;
	bool circuit_down, our_circuit_down, not_up, seq_required;
	Row__HeaderlessData *headerless;
};

FX void
fx_cookie(uint8_t out[8], uint8_t first)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(first + i);
}

enum { FX_COOKIE = 0x51, FX_PEER_COOKIE = 0xa1 };

FX void
fx_call_form(struct dp *dp, uint16_t tunnel, uint16_t id, struct fx_form f)
{
	struct key k = key_session(tunnel, id);
	Row__Call row = ROW__CALL__INIT;
	uint8_t ours[8], theirs[8];

	fx_cookie(ours, FX_COOKIE);
	fx_cookie(theirs, FX_PEER_COOKIE);
	row.tunnel = tunnel;
	row.id = id;
	row.peer_id = f.peer_id;
	row.state = f.not_up ? 3 : 10;
	row.role = ROLE_LNS;
	row.seq_required = f.seq_required;
	row.cookie = (ProtobufCBinaryData){ f.cookie, ours };
	row.peer_cookie = (ProtobufCBinaryData){ f.peer_cookie, theirs };
	row.sublayer = f.sublayer;
	row.peer_sublayer = f.peer_sublayer;
	row.sequencing = f.sequencing;
	row.peer_sequencing = f.peer_sequencing;
	row.circuit_down = f.circuit_down;
	row.our_circuit_down = f.our_circuit_down;
	row.headerless = f.headerless;
	dp_apply(dp, TABLE_CALL, key_span(&k), &row.base);
}

struct fx_sub {
	const char *v4, *v6, *pd, *route, *user;
	unsigned v6_len, pd_len, route_len, mtu;
	bool acfc, pfc, client, not_forwarding;
	Row__Trunk *trunk;
};

FX void
fx_sub(struct dp *dp, uint16_t tunnel, uint16_t id, struct fx_sub f)
{
	struct key k = key_session(tunnel, id);
	struct ip_addr v4, local = fx_ip("10.255.255.1"), v6, pd, route;
	uint8_t r[17];
	ProtobufCBinaryData rd = { 0, r };
	Row__Subscriber row = ROW__SUBSCRIBER__INIT;

	row.tunnel = tunnel;
	row.session = id;
	row.forwarding = !f.not_forwarding;
	row.mtu = f.mtu;
	row.acfc = f.acfc;
	row.pfc = f.pfc;
	row.client = f.client;
	row.trunk = f.trunk;
	row.ipv4_local = fx_octets(&local);
	if (f.user)
		row.user = (char *)f.user;
	if (f.v4) {
		v4 = fx_ip(f.v4);
		row.ipv4 = fx_octets(&v4);
	}
	if (f.v6) {
		v6 = fx_ip(f.v6);
		row.ipv6_prefix = fx_octets(&v6);
		row.ipv6_prefix_len = f.v6_len ? f.v6_len : 64;
		row.ipv6_iid_local = 1;
	}
	if (f.pd) {
		pd = fx_ip(f.pd);
		row.delegated_prefix = fx_octets(&pd);
		row.delegated_prefix_len = f.pd_len;
	}
	if (f.route) {
		route = fx_ip(f.route);
		memcpy(r, route.b, ip_addr_len(&route));
		r[ip_addr_len(&route)] = (uint8_t)f.route_len;
		rd.len = ip_addr_len(&route) + 1;
		row.n_routes = 1;
		row.routes = &rd;
	}
	dp_apply(dp, TABLE_SUBSCRIBER, key_span(&k), &row.base);
}

FX void
fx_gone(struct dp *dp, enum table t, uint16_t tunnel, uint16_t id)
{
	struct key k = t == TABLE_TUNNEL ? key_tunnel(tunnel) : key_session(tunnel, id);

	dp_apply(dp, t, key_span(&k), NULL);
}

FX struct dp_ends
fx_ends(const char *peer)
{
	struct ip_addr a = fx_ip(peer), l = fx_ip(a.family == 4 ? "192.0.2.1" : "2001:db8::1");

	return (struct dp_ends){ dp_addr_of(&l), dp_addr_of(&a), 1701, 1701, 0 };
}

/* Straight over IP. */
FX struct dp_ends
fx_ends_ip(const char *peer, uint8_t protocol)
{
	struct dp_ends e = fx_ends(peer);

	e.local_port = e.peer_port = 0;
	e.ip_protocol = protocol;
	return e;
}

/* ---- packets ----------------------------------------------------------------------------- */

/* Internet checksum over octets, the plain way (RFC 1071, 1): the tests' own. */
FX uint16_t
fx_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

FX bool
fx_ip4_good(const uint8_t *p)
{
	return fx_sum(0, p, (p[0] & 15u) * 4) == 0xffff;
}

/* Of TCP, UDP or ICMPv6 behind a plain header. */
FX bool
fx_l4_good(const uint8_t *p)
{
	bool v4 = p[0] >> 4 == 4;
	uint32_t head = v4 ? (p[0] & 15u) * 4 : 40,
		 len = v4 ? get_u16(p + 2) - head : get_u16(p + 4);
	uint32_t sum = fx_sum(0, v4 ? p + 12 : p + 8, v4 ? 8 : 32) + (v4 ? p[9] : p[6]) + len;

	return fx_sum(sum, p + head, len) == 0xffff;
}

/* IPv4 with `len` octets behind its header, which count 0, 1, 2 ...  Returns octets. */
FX uint32_t
fx_ip4(uint8_t *p, const char *src, const char *dst, uint8_t proto, uint32_t len)
{
	struct ip_addr s = fx_ip(src), d = fx_ip(dst);
	uint8_t head[20] = { 0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, proto };

	memcpy(p, head, 20);
	put_u16(p + 2, (uint16_t)(20 + len));
	memcpy(p + 12, s.b, 4);
	memcpy(p + 16, d.b, 4);
	put_u16(p + 10, (uint16_t)~fx_sum(0, p, 20));
	for (uint32_t i = 0; i < len; i++)
		p[20 + i] = (uint8_t)i;
	return 20 + len;
}

FX uint32_t
fx_ip6(uint8_t *p, const char *src, const char *dst, uint8_t next, uint32_t len)
{
	struct ip_addr s = fx_ip(src), d = fx_ip(dst);

	memset(p, 0, 40);
	p[0] = 0x60;
	put_u16(p + 4, (uint16_t)len);
	p[6] = next;
	p[7] = 64;
	memcpy(p + 8, s.b, 16);
	memcpy(p + 24, d.b, 16);
	for (uint32_t i = 0; i < len; i++)
		p[40 + i] = (uint8_t)i;
	return 40 + len;
}

/* A TCP header with an MSS option behind `nops` NOPs, in a packet that is already written. */
FX void
fx_syn(uint8_t *p, uint16_t mss, unsigned nops)
{
	bool v4 = p[0] >> 4 == 4;
	uint32_t head = v4 ? 20 : 40, len = v4 ? get_u16(p + 2) - head : get_u16(p + 4);
	uint8_t *t = p + head;

	memset(t, 0, len);
	put_u16(t, 1234);
	put_u16(t + 2, 80);
	t[12] = (uint8_t)((20 + 8) / 4 << 4);
	t[13] = 2;
	memset(t + 20, 1, 8);
	t[20 + nops] = 2;
	t[21 + nops] = 4;
	put_u16(t + 22 + nops, mss);
	put_u16(t + 16,
		(uint16_t)~fx_sum(fx_sum(0, v4 ? p + 12 : p + 8, v4 ? 8 : 32) + 6 + len, t, len));
}

/* An L2TP data header of any form; returns octets.  `offset` -1: none. */
enum { L_BIT = 0x4000, S_BIT = 0x0800, O_BIT = 0x0200, P_BIT = 0x0100 };
FX uint32_t
fx_l2tp(uint8_t *p, unsigned bits, uint16_t tunnel, uint16_t session, uint16_t ns, uint16_t pad,
	uint32_t payload)
{
	struct wr w = wr_of(p, 64);

	wr_u16(&w, (uint16_t)(bits | 2));
	if (bits & L_BIT)
		wr_u16(&w, 0);
	wr_u16(&w, tunnel);
	wr_u16(&w, session);
	if (bits & S_BIT) {
		wr_u16(&w, ns);
		wr_u16(&w, 0);
	}
	if (bits & O_BIT) {
		wr_u16(&w, pad);
		for (unsigned i = 0; i < pad; i++)
			wr_u8(&w, 0xee);
	}
	if (bits & L_BIT)
		put_u16(p + 2, (uint16_t)(wr_len(&w) + payload));
	return (uint32_t)wr_len(&w);
}

/* A whole plain datagram: L2TP, FF 03, protocol, packet. */
FX uint32_t
fx_data(uint8_t *p, unsigned bits, uint16_t tunnel, uint16_t session, const uint8_t *ip,
	uint32_t len)
{
	uint32_t n = fx_l2tp(p, bits, tunnel, session, 0, 0, len + 4);

	put_u16(p + n, 0xff03);
	put_u16(p + n + 2, ip[0] >> 4 == 4 ? 0x21 : 0x57);
	memcpy(p + n + 4, ip, len);
	return n + 4 + len;
}

#endif
