// SPDX-License-Identifier: Apache-2.0
/*
 * A LAC of the load generator: one UDP socket, one control connection, many incoming calls.
 * Reliable delivery is the minimum of RFC 2661 5.8 that a well-behaved peer needs (window of the
 * other end, retransmission with doubling, cumulative acknowledgement), plus the checks for which the
 * generator exists: an Nr that goes back, an Ns that comes again with other contents.
 */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define TX_SLOTS 256
#define TX_OCTETS (TX_SLOTS * 160)
#define RX_BATCH 64
#define RX_OCTETS 65536
#define JOINED_MAX 64 /* the kernel's bound */
#define RTX_FIRST (1 * MONO_S)
#define RTX_MOST 8
#define SETUP_TRIES 10

static bool
lose(struct load *g)
{
	if (g->o.loss <= 0 || (load_random(g) % 100000) / 1000.0 >= g->o.loss)
		return false;
	g->t.lost_on_purpose++;
	return true;
}

/* ---- datagrams --------------------------------------------------------------------------- */

union cut {
	char b[CMSG_SPACE(sizeof(uint16_t))];
	struct cmsghdr align;
};

static void
cut_by(struct msghdr *m, union cut *c, uint16_t size)
{
	*c = (union cut){ 0 };
	c->align = (struct cmsghdr){ .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof size) };
	memcpy(CMSG_DATA(&c->align), &size, sizeof size);
	m->msg_control = c->b;
	m->msg_controllen = sizeof c->b;
}

/* How many from the i-th on go as one message: equal in size, or joined is off. */
static unsigned
run_from(const struct load *g, const struct lac *l, unsigned i)
{
	unsigned n = 1;

	while (g->o.joined && n < JOINED_MAX && i + n < l->tx_count && l->tx_len[i + n] == l->tx_len[i])
		n++;
	return n;
}

void
lac_flush(struct load *g, struct lac *l)
{
	struct mmsghdr m[TX_SLOTS];
	struct iovec v[TX_SLOTS];
	union cut cut[TX_SLOTS];
	size_t at = 0;
	unsigned done = 0, messages = 0;

	for (unsigned i = 0, n; i < l->tx_count; i += n, messages++) {
		n = run_from(g, l, i);
		v[messages] = (struct iovec){ l->tx + at, (size_t)n * l->tx_len[i] };
		m[messages] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[messages], .msg_iovlen = 1 } };
		if (n > 1)
			cut_by(&m[messages].msg_hdr, &cut[messages], l->tx_len[i]);
		at += v[messages].iov_len;
	}
	while (done < messages) {
		int n = sendmmsg(l->fd, m + done, messages - done, 0);
		if (n <= 0) {
			if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
				continue;
			if (n < 0 && errno == ECONNREFUSED)
				continue; /* an ICMP error of an earlier datagram: this one was not tried */
			break;
		}
		done += (unsigned)n;
	}
	g->t.tx += done == messages ? l->tx_count : done;
	l->tx_count = 0;
	l->tx_used = 0;
}

bool
lac_datagram(struct load *g, struct lac *l, const void *p, size_t len)
{
	if (lose(g))
		return false;
	if (l->tx_count == TX_SLOTS || l->tx_used + len > TX_OCTETS)
		lac_flush(g, l);
	memcpy(l->tx + l->tx_used, p, len);
	l->tx_len[l->tx_count++] = (uint16_t)len;
	l->tx_used += len;
	return true;
}

/* ---- reliable delivery ------------------------------------------------------------------- */

static struct out_msg **
slot(struct lac *l, uint16_t ns)
{
	return &l->q[ns & (l->q_cap - 1)];
}

/* Puts what the window allows on the wire, with the Nr of now. */
static void
pump(struct load *g, struct lac *l)
{
	uint16_t window = l->window < l->cwnd ? l->window : l->cwnd;

	while (l->sent != l->ns && (uint16_t)(l->sent - l->una) < window) {
		struct out_msg *m = *slot(l, l->sent);
		l2tp_msg_set_seq(m->b, l->sent, l->nr);
		if (lac_datagram(g, l, m->b, m->len))
			answer_arrived(g, m);
		if (l->hello_queued && l->sent == l->hello_ns && !l->hello_sent)
			l->hello_sent = g->now;
		l->sent++;
		if ((int16_t)(l->sent - l->high) > 0)
			l->high = l->sent;
		l->ack_owed = false;
		if (l->rtx_due == MONO_NEVER)
			l->rtx_due = g->now + RTX_FIRST;
	}
}

bool
lac_queue(struct load *g, struct lac *l, const struct wr *w)
{
	if ((uint16_t)(l->ns - l->una) >= l->q_cap)
		return false;
	struct out_msg *m = malloc(sizeof *m + wr_len(w));
	if (!m)
		return false;
	m->arrived = MONO_NEVER;
	m->len = (uint16_t)wr_len(w);
	memcpy(m->b, w->start, m->len);
	*slot(l, l->ns) = m;
	l->ns++;
	pump(g, l);
	return true;
}

/* The Hello under way was acknowledged, or has waited for too long. */
static void
hello_over(struct load *g, struct lac *l)
{
	if (g->now - l->hello_sent > g->t.hello_worst)
		g->t.hello_worst = g->now - l->hello_sent;
	l->hello_sent = MONO_NEVER;
	l->hello_queued = false;
}

static void
acknowledged(struct load *g, struct lac *l, uint16_t nr)
{
	if ((int16_t)(nr - l->last_nr) < 0) {
		g->t.nr_back++;
		return;
	}
	l->last_nr = nr;
	if ((uint16_t)(nr - l->una) > (uint16_t)(l->high - l->una))
		return; /* acknowledges what was never sent */
	bool moved = l->una != nr;
	if ((int16_t)(l->sent - nr) < 0)
		l->sent = nr;
	while (l->una != nr) {
		struct out_msg **m = slot(l, l->una);
		free(*m);
		*m = NULL;
		l->una++;
		if (l->cwnd < l->window)
			l->cwnd++;
	}
	if (moved) {
		l->tries = 0;
		l->rtx_due = l->una == l->sent ? MONO_NEVER : g->now + RTX_FIRST;
		if (l->hello_sent && (int16_t)(l->una - l->hello_ns) > 0)
			hello_over(g, l);
	}
	pump(g, l);
}

static void
send_zlb(struct load *g, struct lac *l)
{
	uint8_t b[L2TP_CONTROL_HEADER];
	struct wr w = wr_of(b, sizeof b);

	l2tp_zlb_write(&w, l->peer_tid, l->ns == l->sent ? l->ns : l->sent, l->nr);
	lac_datagram(g, l, b, wr_len(&w));
	l->ack_owed = false;
}

static uint32_t
hash(const uint8_t *p, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* Two messages with one Ns must be the same message: all but the Nr field is compared. */
static void
remember(struct load *g, struct lac *l, const uint8_t *p, size_t len, uint16_t ns)
{
	unsigned i = ns % NS_MEMORY;
	uint32_t h = hash(p, 8) ^ hash(p + 12, len - 12);

	if (l->seen_set[i] && l->seen_ns[i] == ns && l->seen_hash[i] != h)
		g->t.ns_contradiction++;
	l->seen_set[i] = true;
	l->seen_ns[i] = ns;
	l->seen_hash[i] = h;
}

/* ---- the control connection -------------------------------------------------------------- */

static bool
open_socket(struct load *g, struct lac *l)
{
	struct sockaddr_storage sa;
	struct endpoint local = g->o.bind;
	int big = 8 << 20, on = 1;

	l->fd = socket(g->o.lns.addr.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return false;
	setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
	setsockopt(l->fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
	if (g->o.joined && setsockopt(l->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0)
		return false;
	if (local.addr.family) {
		socklen_t n = endpoint_to_sockaddr(&local, &sa);
		if (bind(l->fd, (struct sockaddr *)&sa, n) < 0)
			return false;
	}
	socklen_t n = endpoint_to_sockaddr(&g->o.lns, &sa);
	return connect(l->fd, (struct sockaddr *)&sa, n) == 0;
}

static void
send_sccrq(struct load *g, struct lac *l)
{
	uint8_t b[512], chal[16];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	char host[80];

	snprintf(host, sizeof host, "%s%u", g->o.host, (unsigned)(l - g->lac));
	l2tp_msg_begin(&m, &w, L2TP_SCCRQ, 0, 0);
	l2tp_avp_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u32(&m, AVP_BEARER_CAPABILITIES, 3);
	l2tp_avp_text(&m, AVP_HOST_NAME, host);
	l2tp_avp_text(&m, AVP_VENDOR_NAME, "twinload");
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, l->tid);
	l2tp_avp_u16(&m, AVP_RECEIVE_WINDOW, 256);
	if (g->o.failover_ms)
		l2tp_avp_failover(&m, &(struct l2tp_failover){ .control = true, .data = true, .recovery_ms = g->o.failover_ms });
	if (g->o.secret) {
		for (unsigned i = 0; i < sizeof chal; i++)
			chal[i] = (uint8_t)load_random(g);
		l2tp_avp_bytes(&m, AVP_CHALLENGE, chal, sizeof chal);
	}
	if (l2tp_msg_end(&m, 0, 0))
		lac_queue(g, l, &w);
	l->state = LAC_WAIT_SCCRP;
}

static void
got_sccrp(struct load *g, struct lac *l, const struct l2tp_msg *in)
{
	uint8_t b[256], resp[L2TP_RESPONSE];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	struct span chal;

	if (l->state != LAC_WAIT_SCCRP)
		return;
	if (!l2tp_msg_u16(in, AVP_ASSIGNED_TUNNEL, &l->peer_tid))
		return;
	if (!l2tp_msg_u16(in, AVP_RECEIVE_WINDOW, &l->window) || l->window == 0)
		l->window = 4; /* RFC 2661 4.4.3 */
	l->state = LAC_UP;
	l2tp_msg_begin(&m, &w, L2TP_SCCCN, l->peer_tid, 0);
	if (g->o.secret && l2tp_msg_span(in, AVP_CHALLENGE, &chal) &&
	    l2tp_auth_response(L2TP_SCCCN, span_of(g->o.secret, strlen(g->o.secret)), chal, resp))
		l2tp_avp_bytes(&m, AVP_CHALLENGE_RESPONSE, resp, sizeof resp);
	if (l2tp_msg_end(&m, 0, 0))
		lac_queue(g, l, &w);
}

static void
lac_dead(struct load *g, struct lac *l)
{
	if (l->state == LAC_DEAD)
		return;
	l->state = LAC_DEAD;
	for (uint32_t i = 0; i < l->sess_count; i++)
		sess_lost(g, &g->sess[l->sess_first + i * g->o.lacs]);
}

/* ---- calls ------------------------------------------------------------------------------- */

struct sess *
sess_by_sid(struct load *g, struct lac *l, uint16_t sid)
{
	if (sid == 0 || sid > l->sess_count)
		return NULL;
	return &g->sess[l->sess_first + (uint32_t)(sid - 1) * g->o.lacs];
}

bool
sess_dial(struct load *g, struct sess *s)
{
	struct lac *l = &g->lac[s->lac];
	uint8_t b[256];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	char number[24];

	if (l->state != LAC_UP || (uint16_t)(l->ns - l->una) + 4u >= l->q_cap)
		return false;
	snprintf(number, sizeof number, "49%08u", (unsigned)(s - g->sess));
	l2tp_msg_begin(&m, &w, L2TP_ICRQ, l->peer_tid, 0);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, s->sid);
	l2tp_avp_u32(&m, AVP_CALL_SERIAL, (uint32_t)(s - g->sess) + 1);
	l2tp_avp_text(&m, AVP_CALLING_NUMBER, number);
	if (!l2tp_msg_end(&m, 0, 0) || !lac_queue(g, l, &w))
		return false;
	s->state = S_WAIT_ICRP;
	s->begun = g->now;
	s->due = g->now + 60 * MONO_S;
	g->started++;
	g->in_progress++;
	return true;
}

static void
got_icrp(struct load *g, struct lac *l, struct sess *s, const struct l2tp_msg *in)
{
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	if (s->state != S_WAIT_ICRP || !l2tp_msg_u16(in, AVP_ASSIGNED_SESSION, &s->peer_sid))
		return;
	l2tp_msg_begin(&m, &w, L2TP_ICCN, l->peer_tid, s->peer_sid);
	l2tp_avp_u32(&m, AVP_TX_CONNECT_SPEED, 100000000);
	l2tp_avp_u32(&m, AVP_FRAMING_TYPE, 1);
	if (l2tp_msg_end(&m, 0, 0) && lac_queue(g, l, &w))
		peer_start(g, s);
}

void
sess_hangup(struct load *g, struct sess *s)
{
	struct lac *l = &g->lac[s->lac];
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	if (s->state == S_IDLE || s->state == S_GONE || l->state != LAC_UP)
		return;
	l2tp_msg_begin(&m, &w, L2TP_CDN, l->peer_tid, s->peer_sid);
	l2tp_avp_result(&m, 3, 0, NULL);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, s->sid);
	if (l2tp_msg_end(&m, 0, 0))
		lac_queue(g, l, &w);
	sess_lost(g, s);
}

void
sess_given_up(const struct load *g, const struct sess *s)
{
	static const char *const state[] = { "idle", "wait-icrp", "lcp", "auth", "ncp", "open", "gone" };

	fprintf(stderr, "call given up number=%u tunnel=%u session=%u peer-session=%u state=%s after=%.1f acked=%d,%d,%d,%d id=%u "
			"asked=%.1f\n",
	    (unsigned)(s - g->sess), s->lac + 1u, s->sid, s->peer_sid, state[s->state], (double)(g->now - s->begun) / 1e9,
	    s->lcp_acked, s->lcp_acks, s->ncp_acked, s->ncp_acks, s->id,
	    s->asked_at ? (double)(g->now - s->asked_at) / 1e9 : 0.0);
}

/* The session is over, whoever ended it. */
void
sess_lost(struct load *g, struct sess *s)
{
	if (s->state == S_IDLE || s->state == S_GONE)
		return;
	if (s->state == S_OPEN)
		g->opened--;
	else
		g->in_progress--;
	s->state = S_GONE;
	g->gone++;
}

static void
got_message(struct load *g, struct lac *l, const struct l2tp_msg *in)
{
	struct sess *s = sess_by_sid(g, l, in->hdr.session);
	uint16_t theirs;

	switch (in->type) {
	case L2TP_SCCRP:
		got_sccrp(g, l, in);
		break;
	case L2TP_STOPCCN:
		g->t.stopccn++;
		lac_dead(g, l);
		break;
	case L2TP_ICRP:
		if (s)
			got_icrp(g, l, s, in);
		break;
	case L2TP_FSQ:
		recover_fsq(g, l, in);
		break;
	case L2TP_CDN:
		g->t.cdn++;
		if (!s && l2tp_msg_u16(in, AVP_ASSIGNED_SESSION, &theirs))
			for (uint32_t i = 0; i < l->sess_count && !s; i++)
				if (g->sess[l->sess_first + i * g->o.lacs].peer_sid == theirs)
					s = &g->sess[l->sess_first + i * g->o.lacs];
		if (s) {
			if (s->state != S_OPEN)
				g->t.failed++;
			sess_lost(g, s);
		}
		break;
	default:
		break; /* HELLO, SLI, WEN...: acknowledged, that is all */
	}
}

static void
control(struct load *g, struct lac *l, struct span packet)
{
	static struct l2tp_msg in;
	struct span secret = g->o.secret ? span_of(g->o.secret, strlen(g->o.secret)) : span_of(NULL, 0);

	l2tp_msg_read(packet, secret, &in);
	if (in.trouble.answer != L2TP_DISCARD && recover_hear(g, l, &in))
		return;
	if (in.trouble.answer == L2TP_DISCARD || in.hdr.tunnel != l->tid) {
		g->t.bad_message++;
		return;
	}
	if (in.trouble.fault != L2TP_OK)
		g->t.bad_message++;
	acknowledged(g, l, in.hdr.nr);
	if (in.type == L2TP_ZLB && in.avps == 0)
		return;
	remember(g, l, packet.p, packet.len, in.hdr.ns);
	l->ack_owed = true;
	int16_t ahead = (int16_t)(in.hdr.ns - l->nr);
	if (ahead < 0)
		return; /* a repeat: acknowledged again */
	if (ahead > 0) {
		g->t.ns_gap++;
		return; /* it will be sent again */
	}
	l->nr++;
	answer_repaired(g, &l->missed_at, &g->t.repair_control);
	got_message(g, l, &in);
}

static void
data(struct load *g, struct lac *l, struct span packet)
{
	struct l2tp_hdr h;
	struct span pay;

	if (l2tp_hdr_read(packet, &h, &pay) != L2TP_OK || h.tunnel != l->tid) {
		g->t.bad_message++;
		return;
	}
	struct sess *s = sess_by_sid(g, l, h.session);
	if (!s || s->state < S_LCP || s->state == S_GONE) {
		g->t.rx_unknown++;
		return;
	}
	peer_frame(g, s, pay);
}

static void
one_datagram(struct load *g, struct lac *l, struct span p)
{
	g->t.rx++;
	answer_seen(g, l, p);
	if (lose(g))
		answer_lost(g, l, p);
	else if (p.len >= 6 && p.p[0] & 0x80)
		control(g, l, p);
	else if (p.len >= 6)
		data(g, l, p);
}

/* What the kernel joined: datagrams of this size, the last one perhaps shorter. */
static size_t
joined_size(struct msghdr *m, size_t octets)
{
	int size = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&size, CMSG_DATA(c), sizeof size);
	}
	return size > 0 ? (size_t)size : octets;
}

void
lac_readable(struct load *g, struct lac *l)
{
	static uint8_t buf[RX_BATCH][RX_OCTETS];
	static union {
		char b[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} cmsg[RX_BATCH];
	struct mmsghdr m[RX_BATCH];
	struct iovec v[RX_BATCH];

	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < RX_BATCH; i++) {
			v[i] = (struct iovec){ buf[i], sizeof buf[i] };
			m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
			if (g->o.joined) {
				m[i].msg_hdr.msg_control = cmsg[i].b;
				m[i].msg_hdr.msg_controllen = sizeof cmsg[i].b;
			}
		}
		int n = recvmmsg(l->fd, m, RX_BATCH, 0, NULL);
		if (n <= 0)
			break;
		l->heard = g->now;
		for (int i = 0; i < n; i++) {
			size_t left = m[i].msg_len, size = joined_size(&m[i].msg_hdr, left);
			for (const uint8_t *p = buf[i]; left; p += size, left -= size) {
				size = size < left ? size : left;
				one_datagram(g, l, span_of(p, size));
			}
		}
		if (n < RX_BATCH)
			break;
	}
	if (l->ack_owed && l->state != LAC_WAIT_SCCRP)
		send_zlb(g, l);
	lac_flush(g, l);
}

/* ---- timers ------------------------------------------------------------------------------ */

static void
hello(struct load *g, struct lac *l)
{
	uint8_t b[64];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	l2tp_msg_begin(&m, &w, L2TP_HELLO, l->peer_tid, 0);
	l->hello_ns = l->ns;
	l->hello_queued = true;
	if (l2tp_msg_end(&m, 0, 0) && lac_queue(g, l, &w))
		g->t.hellos++;
	else
		l->hello_queued = false;
}

static void
retransmit(struct load *g, struct lac *l)
{
	struct out_msg *m = *slot(l, l->una);

	if (++l->tries > SETUP_TRIES) {
		g->t.given_up++;
		lac_dead(g, l);
		return;
	}
	l2tp_msg_set_seq(m->b, l->una, l->nr);
	if (lac_datagram(g, l, m->b, m->len))
		answer_arrived(g, m);
	g->t.retransmits++;
	l->cwnd = l->window > 4 ? 4 : l->window;
	/* Go back: the rest is sent again as acknowledgements come in. */
	l->sent = (uint16_t)(l->una + 1);
	l->rtx_due = g->now + (mono_t)(1u << (l->tries > 3 ? 3 : l->tries)) * RTX_FIRST;
}

/*
 * The server has had it for five seconds and said nothing.  What it said and we lost counts as said; what we
 * send again in vain is in hello_worst, and ends the tunnel like any other message.
 */
static bool
hello_missed(const struct load *g, const struct lac *l)
{
	if (!l->hello_sent || g->now - l->hello_sent <= 5 * MONO_S)
		return false;
	if (g->o.loss > 0 && (int16_t)(l->answered - l->hello_ns) > 0)
		return false;
	const mono_t there = answer_hello_there(l);
	return there != MONO_NEVER && g->now - there > 5 * MONO_S;
}

void
lac_timers(struct load *g)
{
	for (unsigned i = 0; i < g->o.lacs; i++) {
		struct lac *l = &g->lac[i];
		if (l->state == LAC_DEAD)
			continue;
		if (l->rtx_due != MONO_NEVER && g->now >= l->rtx_due && l->una != l->sent)
			retransmit(g, l);
		if (hello_missed(g, l)) {
			g->t.hellos_missed++;
			hello_over(g, l);
		}
		if (g->o.hello_s > 0 && l->state == LAC_UP && !l->hello_queued) {
			mono_t every = (mono_t)(g->o.hello_s * 1e9);
			if ((g->now + (mono_t)i * 7 * MONO_MS) / every != (g->now + (mono_t)i * 7 * MONO_MS - 20 * MONO_MS) / every)
				hello(g, l);
		}
		lac_flush(g, l);
	}
}

bool
lac_open_all(struct load *g)
{
	for (unsigned i = 0; i < g->o.lacs; i++) {
		struct lac *l = &g->lac[i];
		l->tid = (uint16_t)(i + 1);
		l->window = 1; /* until SCCRP says more */
		l->cwnd = 64;
		l->q_cap = 8192;
		l->q = calloc(l->q_cap, sizeof *l->q);
		l->tx = malloc(TX_OCTETS);
		l->tx_len = calloc(TX_SLOTS, sizeof *l->tx_len);
		if (!l->q || !l->tx || !l->tx_len || !open_socket(g, l)) {
			fprintf(stderr, "twinload: LAC %u has no socket: %s\n", i, strerror(errno));
			return false;
		}
		l->sess_first = i;
		send_sccrq(g, l);
		lac_flush(g, l);
	}
	return true;
}

void
lac_close_all(struct load *g)
{
	for (unsigned i = 0; i < g->o.lacs; i++) {
		struct lac *l = &g->lac[i];
		uint8_t b[128];
		struct wr w = wr_of(b, sizeof b);
		struct l2tp_wr m;

		if (l->state != LAC_UP)
			continue;
		l2tp_msg_begin(&m, &w, L2TP_STOPCCN, l->peer_tid, 0);
		l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, l->tid);
		l2tp_avp_result(&m, 6, 0, NULL);
		if (l2tp_msg_end(&m, l->ns, l->nr))
			lac_datagram(g, l, b, wr_len(&w));
		lac_flush(g, l);
	}
}
