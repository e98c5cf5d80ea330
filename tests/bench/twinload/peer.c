// SPDX-License-Identifier: Apache-2.0
/*
 * A PPP peer behind a call: what a subscriber's router does, in as few instructions as possible.
 * It asks for what everybody asks for, agrees to what it can live with, and repeats itself after the
 * restart interval.  Written from RFC 1661, 1334, 1994, 1332, 5072, without the product's lib/ppp, so
 * that two readings meet.
 */
#include "load.h"

#include <openssl/md5.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum { P_IP = 0x0021, P_IPV6 = 0x0057, P_IPCP = 0x8021, P_IPV6CP = 0x8057, P_LCP = 0xc021, P_PAP = 0xc023, P_CHAP = 0xc223 };
enum { CONF_REQ = 1, CONF_ACK, CONF_NAK, CONF_REJ, TERM_REQ, TERM_ACK, CODE_REJ, PROTO_REJ, ECHO_REQ, ECHO_REP };

bool
peer_send(struct load *g, struct sess *s, uint16_t protocol, const void *p, size_t len)
{
	struct lac *l = &g->lac[s->lac];
	uint8_t b[2048];
	struct wr w = wr_of(b, sizeof b);
	const struct l2tp_hdr h = { .version = 2, .tunnel = l->peer_tid, .session = s->peer_sid };

	l2tp_hdr_write(&w, &h, 4 + len);
	wr_u16(&w, 0xff03);
	wr_u16(&w, protocol);
	wr_bytes(&w, p, len);
	return w.ok && lac_datagram(g, l, b, wr_len(&w));
}

/* A control packet: code, id, length, contents. */
static bool
packet(struct load *g, struct sess *s, uint16_t protocol, uint8_t code, uint8_t id, const void *p, size_t len)
{
	uint8_t b[512];

	if (len > sizeof b - 4)
		len = sizeof b - 4;
	b[0] = code;
	b[1] = id;
	put_u16(b + 2, (uint16_t)(4 + len));
	if (len)
		memcpy(b + 4, p, len);
	return peer_send(g, s, protocol, b, 4 + len);
}

static void
ask_lcp(struct load *g, struct sess *s)
{
	uint8_t o[10] = { 1, 4, 1500 >> 8, 1500 & 255, 5, 6 };

	put_u32(o + 6, s->magic);
	if (packet(g, s, P_LCP, CONF_REQ, s->id, o, sizeof o))
		answer_asked(g, s);
}

static void
ask_pap(struct load *g, struct sess *s)
{
	uint8_t b[256];
	char user[100];
	int n = snprintf(user, sizeof user, "%s%u", g->o.user, (unsigned)(s - g->sess));
	size_t k = strlen(g->o.password);

	b[0] = (uint8_t)n;
	memcpy(b + 1, user, (size_t)n);
	b[1 + n] = (uint8_t)k;
	memcpy(b + 2 + n, g->o.password, k);
	if (packet(g, s, P_PAP, 1, s->id, b, 2 + (size_t)n + k))
		answer_asked(g, s);
}

static void
ask_ncp(struct load *g, struct sess *s)
{
	if (!s->ncp_acked) {
		uint8_t o[6] = { 3, 6, s->ip[0], s->ip[1], s->ip[2], s->ip[3] };
		if (packet(g, s, P_IPCP, CONF_REQ, s->id, o, sizeof o))
			answer_asked(g, s);
	}
	if (g->o.ipv6 && !s->v6_acked && !s->v6_refused) {
		uint8_t o[10] = { 1, 10 };
		put_u32(o + 2, (uint32_t)(s->iid >> 32));
		put_u32(o + 6, (uint32_t)s->iid);
		packet(g, s, P_IPV6CP, CONF_REQ, s->id, o, sizeof o);
	}
}

static void
restart_timer(struct load *g, struct sess *s)
{
	s->due = g->now + (mono_t)(g->o.restart_s * 1e9);
}

void
peer_start(struct load *g, struct sess *s)
{
	s->state = S_LCP;
	s->magic = load_random(g) | 1;
	s->iid = (uint64_t)(s->magic) << 32 | (uint32_t)(s - g->sess + 1);
	s->id = 1;
	s->tries = 0;
	ask_lcp(g, s);
	restart_timer(g, s);
}

static void
lcp_done(struct load *g, struct sess *s)
{
	if (!s->lcp_acked || !s->lcp_acks || s->state != S_LCP)
		return;
	s->state = S_AUTH;
	s->tries = 0;
	s->id++;
	restart_timer(g, s);
	if (!s->chap)
		ask_pap(g, s);
}

static void
auth_done(struct load *g, struct sess *s)
{
	if (s->state != S_AUTH)
		return;
	s->state = S_NCP;
	s->tries = 0;
	s->id++;
	restart_timer(g, s);
	ask_ncp(g, s);
}

static void
ncp_done(struct load *g, struct sess *s)
{
	if (s->state != S_NCP || !s->ncp_acked || !s->ncp_acks)
		return;
	if (g->o.ipv6 && !s->v6_refused && (!s->v6_acked || !s->v6_acks))
		return;
	s->state = S_OPEN;
	s->due = MONO_NEVER;
	g->opened++;
	g->in_progress--;
	g->t.opened++;
	progress_made(g);
	if (s->caught)
		g->t.caught_open++;
	s->up_last = s->down_last = 0;
}

/* Their LCP request: anything but a strange authentication protocol is fine with us. */
static void
lcp_request(struct load *g, struct sess *s, uint8_t id, struct rd body)
{
	const uint8_t *all = body.p;
	size_t len = rd_left(&body);

	/* Opened, RCR (RFC 1661, 4.1): we start over, as pppd does.  Before the password was accepted that is the
	 * server's retransmission, because our Ack was lost; later it would be a server that lost its memory. */
	if (s->state >= S_AUTH) {
		g->t.lcp_restart += s->state > S_AUTH;
		if (s->state == S_OPEN) {
			g->opened--;
			g->in_progress++;
		}
		s->state = S_LCP;
		s->lcp_acked = s->ncp_acked = s->ncp_acks = s->v6_acked = s->v6_acks = false;
		s->id++;
		ask_lcp(g, s);
		restart_timer(g, s);
	}
	while (rd_left(&body) >= 2) {
		uint8_t type = rd_u8(&body), n = rd_u8(&body);
		if (n < 2)
			return;
		struct span v = rd_span(&body, n - 2u);
		if (!body.ok)
			return;
		if (type != 3)
			continue;
		uint16_t proto = v.len >= 2 ? get_u16(v.p) : 0;
		bool want_chap = g->o.auth == LOAD_CHAP;
		bool is_pap = proto == P_PAP, is_chap = proto == P_CHAP && v.len >= 3 && v.p[2] == 5;
		if ((want_chap && !is_chap) || (!want_chap && !is_pap)) {
			uint8_t pap[4] = { 3, 4, 0xc0, 0x23 }, chap[5] = { 3, 5, 0xc2, 0x23, 5 };
			packet(g, s, P_LCP, CONF_NAK, id, want_chap ? chap : pap, want_chap ? 5 : 4);
			return;
		}
		s->chap = is_chap;
	}
	packet(g, s, P_LCP, CONF_ACK, id, all, len);
	s->lcp_acks = true;
	lcp_done(g, s);
}

static void
lcp(struct load *g, struct sess *s, uint8_t code, uint8_t id, struct rd body)
{
	switch (code) {
	case CONF_REQ:
		lcp_request(g, s, id, body);
		break;
	case CONF_ACK:
		if (id == s->id && s->state == S_LCP) {
			s->lcp_acked = true;
			lcp_done(g, s);
		}
		break;
	case CONF_NAK:
	case CONF_REJ:
		if (id == s->id && s->state == S_LCP) {
			s->id++;
			ask_lcp(g, s);
		}
		break;
	case TERM_REQ:
		g->t.term++;
		packet(g, s, P_LCP, TERM_ACK, id, NULL, 0);
		break;
	case PROTO_REJ: {
		uint16_t p = rd_u16(&body);
		g->t.protocol_rejects++;
		if (p == P_IPV6CP) {
			s->v6_refused = true;
			ncp_done(g, s);
		}
		break;
	}
	case ECHO_REQ: {
		uint8_t b[4];
		g->t.echo_requests++;
		put_u32(b, s->magic);
		packet(g, s, P_LCP, ECHO_REP, id, b, 4);
		break;
	}
	default:
		break;
	}
}

static void
chap(struct load *g, struct sess *s, uint8_t code, uint8_t id, struct rd body)
{
	if (code == 3) {
		auth_done(g, s);
	} else if (code == 4) {
		g->t.auth_failed++;
	} else if (code == 1) {
		uint8_t b[256], n = rd_u8(&body);
		struct span chal = rd_span(&body, n);
		char user[100];
		int u = snprintf(user, sizeof user, "%s%u", g->o.user, (unsigned)(s - g->sess));
		MD5_CTX c;
		if (!body.ok)
			return;
		MD5_Init(&c);
		MD5_Update(&c, &id, 1);
		MD5_Update(&c, g->o.password, strlen(g->o.password));
		MD5_Update(&c, chal.p, chal.len);
		b[0] = 16;
		MD5_Final(b + 1, &c);
		memcpy(b + 17, user, (size_t)u);
		packet(g, s, P_CHAP, 2, id, b, 17 + (size_t)u);
	}
}

static void
ipcp(struct load *g, struct sess *s, uint8_t code, uint8_t id, struct rd body)
{
	if (s->state < S_NCP)
		return;
	switch (code) {
	case CONF_REQ:
		packet(g, s, P_IPCP, CONF_ACK, id, body.p, rd_left(&body));
		s->ncp_acks = true;
		ncp_done(g, s);
		break;
	case CONF_ACK:
		if (id == s->id)
			s->ncp_acked = true;
		ncp_done(g, s);
		break;
	case CONF_NAK:
		if (id != s->id)
			break;
		while (rd_left(&body) >= 2) {
			uint8_t type = rd_u8(&body), n = rd_u8(&body);
			struct span v = rd_span(&body, n < 2 ? 0 : n - 2u);
			if (body.ok && type == 3 && v.len == 4)
				memcpy(s->ip, v.p, 4);
			if (n < 2)
				break;
		}
		s->id++;
		if (s->v6_acked || !g->o.ipv6 || s->v6_refused)
			ask_ncp(g, s);
		else {
			uint8_t o[6] = { 3, 6, s->ip[0], s->ip[1], s->ip[2], s->ip[3] };
			packet(g, s, P_IPCP, CONF_REQ, s->id, o, sizeof o);
		}
		restart_timer(g, s);
		break;
	default:
		break;
	}
}

static void
ipv6cp(struct load *g, struct sess *s, uint8_t code, uint8_t id, struct rd body)
{
	if (!g->o.ipv6) {
		uint8_t b[64] = { P_IPV6CP >> 8, P_IPV6CP & 255 };
		size_t n = rd_left(&body) < 50 ? rd_left(&body) : 50;
		b[2] = code;
		b[3] = id;
		put_u16(b + 4, (uint16_t)(4 + n));
		memcpy(b + 6, body.p, n);
		packet(g, s, P_LCP, PROTO_REJ, ++s->id, b, 6 + n);
		if (s->state == S_NCP && !s->ncp_acked)
			ask_ncp(g, s); /* the id has moved on */
		return;
	}
	if (s->state < S_NCP)
		return;
	if (code == CONF_REQ) {
		packet(g, s, P_IPV6CP, CONF_ACK, id, body.p, rd_left(&body));
		s->v6_acks = true;
	} else if (code == CONF_ACK) {
		s->v6_acked = true; /* one id counter serves both NCPs: any Ack of ours is the one */
	} else if (code == CONF_NAK && rd_left(&body) >= 10) {
		struct span v = rd_span(&body, 10);
		s->iid = (uint64_t)get_u32(v.p + 2) << 32 | get_u32(v.p + 6);
		s->id++;
		ask_ncp(g, s);
	} else if (code == CONF_REJ) {
		s->v6_refused = true;
	}
	ncp_done(g, s);
}

static void
control_frame(struct load *g, struct sess *s, uint16_t protocol, struct rd r)
{
	uint8_t code = rd_u8(&r), id = rd_u8(&r);
	uint16_t len = rd_u16(&r);

	if (!r.ok || len < 4 || len - 4u > rd_left(&r)) {
		g->t.bad_message++;
		return;
	}
	struct rd body = rd_sub(&r, len - 4u);
	if (code == CONF_REQ)
		answer_repaired(g, &s->missed_at, &g->t.repair_ppp);
	switch (protocol) {
	case P_LCP:
		lcp(g, s, code, id, body);
		break;
	case P_PAP:
		if (code == 2)
			auth_done(g, s);
		else
			g->t.auth_failed++;
		break;
	case P_CHAP:
		chap(g, s, code, id, body);
		break;
	case P_IPCP:
		ipcp(g, s, code, id, body);
		break;
	case P_IPV6CP:
		ipv6cp(g, s, code, id, body);
		break;
	default: {
		uint8_t b[6] = { (uint8_t)(protocol >> 8), (uint8_t)protocol, code, id, 0, 4 };
		packet(g, s, P_LCP, PROTO_REJ, (uint8_t)(s->id + 100), b, 6);
	}
	}
}

void
peer_frame(struct load *g, struct sess *s, struct span frame)
{
	struct rd r = rd_of(frame.p, frame.len);
	uint16_t protocol;

	if (frame.len >= 2 && frame.p[0] == 0xff && frame.p[1] == 0x03)
		rd_take(&r, 2);
	if (rd_left(&r) && (r.p[0] & 1))
		protocol = rd_u8(&r);
	else
		protocol = rd_u16(&r);
	if (!r.ok) {
		g->t.bad_message++;
		return;
	}
	if (protocol == P_IP || protocol == P_IPV6)
		traffic_down_packet(g, s, rd_rest(&r));
	else
		control_frame(g, s, protocol, r);
}

/* The restart interval passed without progress. */
void
peer_timer(struct load *g, struct sess *s)
{
	if (++s->tries > 10) {
		sess_given_up(g, s);
		g->t.failed++;
		sess_hangup(g, s);
		return;
	}
	restart_timer(g, s);
	switch (s->state) {
	case S_LCP:
		ask_lcp(g, s);
		break;
	case S_AUTH:
		if (!s->chap)
			ask_pap(g, s);
		break;
	case S_NCP:
		ask_ncp(g, s);
		break;
	default:
		break;
	}
}
