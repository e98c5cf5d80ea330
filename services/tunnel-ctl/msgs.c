// SPDX-License-Identifier: Apache-2.0
/*
 * Control messages out: one function a message, in the order of RFC 2661, section 6; and the end of
 * a step for a tunnel, where Ns and Nr are recorded and everything that may go is handed to the
 * sink.
 *
 * A message enters the tunnel's queue as a row (tunnel_out) with Nr 0; Nr is written at each
 * sending.
 */
#include "tunnels.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PROTOCOL_VERSION 0x0100 /* RFC 2661, 4.4.3: version 1, revision 0 */
#define FRAMING_ALL 3
#define BEARER_ALL 3
#define FIRMWARE 1
#define VENDOR "TwinLNS"
#define VECTOR 16

/* ---- around every message ------------------------------------------------------------- */

static struct l2tp_wr *
begin(struct tc *tc, struct tunnel *t, enum l2tp_type type, uint16_t session)
{
	const struct conf_profile *p = t->prof;

	tc->w = wr_of(tc->out_octets, sizeof tc->out_octets);
	l2tp_msg_begin(&tc->lw, &tc->w, type, t->peer_id, session);
	if (p->hide && p->secret[0]) {
		uint8_t vector[VECTOR];
		tc->random.fill(tc->random.arg, vector, sizeof vector);
		l2tp_msg_hide(&tc->lw, span_of(p->secret, strlen(p->secret)),
			      span_of(vector, VECTOR), 0);
	}
	return &tc->lw;
}

static bool
finish(struct tc *tc, struct tunnel *t)
{
	uint16_t ns;

	if (!l2tp_msg_end(&tc->lw, t->chan.seq.ns, 0) || !chan_give_ns(&t->chan, &ns)) {
		bump(tc, N_UNSENDABLE);
		note(tc, NOTE_WARN, "message not sent tunnel=%u: it does not fit", t->id);
		return false;
	}
	put_out(tc, t, ns, wr_span(&tc->w));
	bump(tc, N_MESSAGES_OUT);
	tunnel_touch(tc, t);
	return true;
}

/* An AVP of free length, where there is one. */
static void
text(struct l2tp_wr *m, enum l2tp_avp a, const char *s)
{
	if (s && *s)
		l2tp_avp_text(m, a, s);
}

static void
octets(struct l2tp_wr *m, enum l2tp_avp a, ProtobufCBinaryData d)
{
	if (d.len)
		l2tp_avp_bytes(m, a, d.data, d.len);
}

/* ---- control connection --------------------------------------------------------------- */

static void
who_we_are(struct tc *tc, struct tunnel *t, struct l2tp_wr *m)
{
	const struct conf_profile *p = t->prof;
	const char *host = p->local_host_name[0] ? p->local_host_name : tc->conf->node.name;

	l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, PROTOCOL_VERSION);
	l2tp_avp_text(m, AVP_HOST_NAME, *host ? host : "twinlns");
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, FRAMING_ALL);
	if (p->roles & (ROLE_LAC | ROLE_CLIENT)) /* we can place outgoing calls: 4.4.3 */
		l2tp_avp_u32(m, AVP_BEARER_CAPABILITIES, BEARER_ALL);
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, t->id);
	l2tp_avp_u16(m, AVP_RECEIVE_WINDOW, t->chan.conf.window);
	l2tp_avp_u16(m, AVP_FIRMWARE_REVISION, FIRMWARE);
	l2tp_avp_text(m, AVP_VENDOR_NAME, VENDOR);
	if (t->challenge_sent_len)
		l2tp_avp_bytes(m, AVP_CHALLENGE, t->challenge_sent, t->challenge_sent_len);
	if (t->failover_ours)
		l2tp_avp_failover(m, &(struct l2tp_failover){ .control = t->failover_ours & FAILOVER_CONTROL,
							      .data = t->failover_ours & FAILOVER_DATA,
							      .recovery_ms = p->recovery_ms });
}

static void
response(struct tunnel *t, struct l2tp_wr *m, enum l2tp_type in, struct span challenge)
{
	const char *secret = t->prof->secret;
	uint8_t answer[L2TP_RESPONSE];

	if (challenge.len &&
	    l2tp_auth_response((uint8_t)in, span_of(secret, strlen(secret)), challenge, answer))
		l2tp_avp_bytes(m, AVP_CHALLENGE_RESPONSE, answer, sizeof answer);
}

void
send_sccrq(struct tc *tc, struct tunnel *t)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_SCCRQ, 0);

	who_we_are(tc, t, m);
	if (t->tie_len == 8)
		l2tp_avp_bytes(m, AVP_TIE_BREAKER, t->tie_breaker, 8);
	if (t->recovers) {
		const struct tunnel *old = tunnel_find(tc, t->recovers);
		l2tp_avp_recovery(m, t->recovers, old ? old->peer_id : 0);
	}
	finish(tc, t);
}

void
send_sccrp(struct tc *tc, struct tunnel *t, struct span challenge)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_SCCRP, 0);

	who_we_are(tc, t, m);
	response(t, m, L2TP_SCCRP, challenge);
	if (t->suggested)
		l2tp_avp_scs(m, t->suggested_ns, t->suggested_nr);
	finish(tc, t);
}

void
send_scccn(struct tc *tc, struct tunnel *t, struct span challenge)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_SCCCN, 0);

	response(t, m, L2TP_SCCCN, challenge);
	finish(tc, t);
}

void
send_stopccn(struct tc *tc, struct tunnel *t, const struct verdict *v)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_STOPCCN, 0);

	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, t->id);
	l2tp_avp_result(m, v->result, v->error, v->text);
	finish(tc, t);
}

void
send_hello(struct tc *tc, struct tunnel *t)
{
	begin(tc, t, L2TP_HELLO, 0);
	if (finish(tc, t))
		bump(tc, N_HELLO_OUT);
}

/* ---- incoming calls ------------------------------------------------------------------- */

void
send_icrq(struct tc *tc, struct call *c)
{
	const Row__CallInfo *i = call_info(tc, c);
	struct l2tp_wr *m = begin(tc, c->t, L2TP_ICRQ, 0);

	if (!i)
		return;
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, c->id);
	l2tp_avp_u32(m, AVP_CALL_SERIAL, c->serial);
	l2tp_avp_u32(m, AVP_BEARER_TYPE, i->bearer);
	if (i->physical_channel)
		l2tp_avp_u32(m, AVP_PHYSICAL_CHANNEL, i->physical_channel);
	text(m, AVP_CALLING_NUMBER, i->calling);
	text(m, AVP_CALLED_NUMBER, i->called);
	text(m, AVP_SUB_ADDRESS, i->sub_address);
	if (i->speed_updates)
		l2tp_avp_empty(m, AVP_SPEED_UPDATE_ENABLE);
	finish(tc, c->t);
}

void
send_icrp(struct tc *tc, struct call *c)
{
	struct l2tp_wr *m = begin(tc, c->t, L2TP_ICRP, c->peer_id);

	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, c->id);
	finish(tc, c->t);
}

/* A framing that the peer takes: synchronous where it can (4.4.3: "MUST NOT request ... not
 * advertised"). */
static uint32_t
framing_for(const struct tunnel *t, uint32_t wanted)
{
	uint32_t can = t->peer_framing & FRAMING_ALL;

	if (wanted & can)
		return wanted & can & 1 ? 1 : 2;
	return can & 1 || can == 0 ? 1 : 2;
}

static void
speeds(struct l2tp_wr *m, const Row__CallInfo *i)
{
	l2tp_avp_u32(m, AVP_TX_CONNECT_SPEED, i->tx_bps);
	if (i->rx_bps)
		l2tp_avp_u32(m, AVP_RX_CONNECT_SPEED, i->rx_bps);
}

static void
proxy(struct l2tp_wr *m, const Row__CallInfo *i)
{
	octets(m, AVP_INITIAL_RX_CONFREQ, i->init_rcvd_lcp);
	octets(m, AVP_LAST_TX_CONFREQ, i->last_sent_lcp);
	octets(m, AVP_LAST_RX_CONFREQ, i->last_rcvd_lcp);
	if (i->proxy_auth_type == 0)
		return;
	l2tp_avp_u16(m, AVP_PROXY_AUTHEN_TYPE, (uint16_t)i->proxy_auth_type);
	octets(m, AVP_PROXY_AUTHEN_NAME, i->proxy_auth_name);
	octets(m, AVP_PROXY_AUTHEN_CHALLENGE, i->proxy_auth_challenge);
	l2tp_avp_u16(m, AVP_PROXY_AUTHEN_ID, (uint16_t)(i->proxy_auth_id & 0xff));
	octets(m, AVP_PROXY_AUTHEN_RESPONSE, i->proxy_auth_response);
}

void
send_iccn(struct tc *tc, struct call *c)
{
	const Row__CallInfo *i = call_info(tc, c);
	struct l2tp_wr *m = begin(tc, c->t, L2TP_ICCN, c->peer_id);

	if (!i)
		return;
	speeds(m, i);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, framing_for(c->t, i->framing));
	proxy(m, i);
	octets(m, AVP_PRIVATE_GROUP, i->private_group);
	if (c->seq_required)
		l2tp_avp_empty(m, AVP_SEQUENCING_REQUIRED);
	finish(tc, c->t);
}

/* ---- outgoing calls ------------------------------------------------------------------- */

void
send_ocrq(struct tc *tc, struct call *c)
{
	const Row__CallInfo *i = call_info(tc, c);
	struct l2tp_wr *m = begin(tc, c->t, L2TP_OCRQ, 0);

	if (!i)
		return;
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, c->id);
	l2tp_avp_u32(m, AVP_CALL_SERIAL, c->serial);
	l2tp_avp_u32(m, AVP_MINIMUM_BPS, i->min_bps);
	l2tp_avp_u32(m, AVP_MAXIMUM_BPS, i->max_bps);
	l2tp_avp_u32(m, AVP_BEARER_TYPE, i->bearer & c->t->peer_bearer);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, i->framing & c->t->peer_framing & FRAMING_ALL);
	l2tp_avp_text(m, AVP_CALLED_NUMBER, i->called);
	text(m, AVP_SUB_ADDRESS, i->sub_address);
	finish(tc, c->t);
}

void
send_ocrp(struct tc *tc, struct call *c)
{
	struct l2tp_wr *m = begin(tc, c->t, L2TP_OCRP, c->peer_id);

	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, c->id);
	finish(tc, c->t);
}

void
send_occn(struct tc *tc, struct call *c)
{
	const Row__CallInfo *i = call_info(tc, c);
	struct l2tp_wr *m = begin(tc, c->t, L2TP_OCCN, c->peer_id);

	if (!i)
		return;
	speeds(m, i);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, framing_for(c->t, i->framing));
	if (c->seq_required)
		l2tp_avp_empty(m, AVP_SEQUENCING_REQUIRED);
	finish(tc, c->t);
}

/* ---- of any call ---------------------------------------------------------------------- */

void
send_cdn(struct tc *tc, struct tunnel *t, uint16_t our_id, uint16_t peer_id,
	 const struct verdict *v, const struct cause *cause)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_CDN, peer_id);

	l2tp_avp_result(m, v->result, v->error, v->text);
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, our_id);
	if (cause && cause->q931)
		l2tp_avp_q931(m, cause->q931, 0, "");
	if (cause && cause->code)
		l2tp_avp_disconnect(m, cause->code, cause->proto, cause->direction,
				    cause->text ? cause->text : "");
	finish(tc, t);
}

void
send_wen(struct tc *tc, struct call *c, const struct l2tp_call_errors *e)
{
	struct l2tp_wr *m = begin(tc, c->t, L2TP_WEN, c->peer_id);

	l2tp_avp_call_errors(m, e);
	finish(tc, c->t);
}

void
send_sli(struct tc *tc, struct call *c, uint32_t send, uint32_t receive)
{
	struct l2tp_wr *m = begin(tc, c->t, L2TP_SLI, c->peer_id);

	l2tp_avp_accm(m, send, receive);
	if (finish(tc, c->t))
		bump(tc, N_SLI_OUT);
}

void
send_csun(struct tc *tc, struct tunnel *t, struct call *const *calls, unsigned n)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_CSUN, 0);

	for (unsigned i = 0; i < n; i++) {
		const Row__CallInfo *info = call_info(tc, calls[i]);
		if (info)
			l2tp_avp_speed_update(m, calls[i]->peer_id, info->tx_bps, info->rx_bps);
	}
	if (finish(tc, t))
		bump(tc, N_CSUN_OUT);
}

/* ---- RFC 4951, 4 ---------------------------------------------------------------------- */

bool
send_fsq(struct tc *tc, struct tunnel *t)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_FSQ, 0);
	unsigned n = 0;

	for (struct call *c = t->sync[SYNC_ASK]; c && n < FSS_MAX; c = c->wait_next, n++)
		l2tp_avp_fss(m, c->id, c->peer_id);
	if (n == 0 || !finish(tc, t))
		return false;
	while (n--)
		call_sync(t->sync[SYNC_ASK], SYNC_ASKED);
	return true;
}

bool
send_fsr(struct tc *tc, struct tunnel *t, const struct l2tp_fss *said, unsigned n)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_FSR, 0);

	for (unsigned i = 0; i < n; i++)
		l2tp_avp_fss(m, said[i].session, said[i].remote);
	if (!finish(tc, t))
		return false;
	bump(tc, N_FSR_OUT);
	return true;
}

/* ---- outside of any tunnel ------------------------------------------------------------ */

static void
reply(struct tc *tc, const struct tc_datagram *to, struct span bytes)
{
	struct effect e = {
		.kind = EFFECT_CONTROL,
		.reveals_nothing = true,
		.local = to->local,
		.peer = to->peer,
		.bytes = bytes,
	};

	sink_effect(tc->out, &e);
}

void
reply_zlb(struct tc *tc, const struct tc_datagram *to, uint16_t tunnel, uint16_t ns, uint16_t nr)
{
	struct wr w = wr_of(tc->tx, sizeof tc->tx);

	l2tp_zlb_write(&w, tunnel, ns, nr);
	bump(tc, N_ZLB_OUT);
	reply(tc, to, wr_span(&w));
}

void
reply_stopccn(struct tc *tc, const struct tc_datagram *to, uint16_t tunnel, uint16_t nr,
	      const struct verdict *v)
{
	struct wr w = wr_of(tc->tx, sizeof tc->tx);
	struct l2tp_wr m;
	uint16_t nobody = tunnel_free_id(tc);

	l2tp_msg_begin(&m, &w, L2TP_STOPCCN, tunnel, 0);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, nobody ? nobody : 1);
	l2tp_avp_result(&m, v->result, v->error, v->text);
	if (l2tp_msg_end(&m, 0, nr))
		reply(tc, to, wr_span(&w));
}

/* ---- the end of a step for one tunnel ------------------------------------------------- */

static void
emit(struct tc *tc, const struct tunnel *t, struct span bytes)
{
	struct effect e = {
		.kind = EFFECT_CONTROL,
		.local = t->local,
		.peer = t->peer,
		.tunnel = t->id,
		.bytes = bytes,
	};

	sink_effect(tc->out, &e);
}

static void
emit_zlb(struct tc *tc, struct tunnel *t)
{
	struct wr w = wr_of(tc->tx, sizeof tc->tx);

	l2tp_zlb_write(&w, t->peer_id, t->chan.seq.ns, t->chan.seq.nr);
	emit(tc, t, wr_span(&w));
	bump(tc, N_ZLB_OUT);
}

static mono_t
tunnel_due(const struct tc *tc, struct tunnel *t)
{
	mono_t due = chan_due(&t->chan);

	switch (t->state) {
	case CC_WAIT_CTL_REPLY:
	case CC_WAIT_CTL_CONN:
		due = mono_sooner(due, t->setup_due);
		break;
	case CC_ESTABLISHED:
		if (chan_backlog(&t->chan) == 0 && t->prof->hello_ms)
			due = mono_sooner(due, t->chan.heard + t->prof->hello_ms * MONO_MS);
		due = mono_sooner(due, t->idle_due);
		due = mono_sooner(due, recovery_due(tc, t));
		break;
	default:
		due = mono_sooner(due, t->linger_due);
		if (t->by_id)
			return tc->now; /* its calls go slice by slice */
	}
	if (t->setup)
		due = mono_sooner(due, t->setup->due);
	return due;
}

void
tunnel_flush(struct tc *tc, struct tunnel *t)
{
	uint16_t ns;
	size_t len;

	if (recovery_muted(t)) {
		heap_set(tc, t, MONO_NEVER);
		return;
	}
	if (t->recovery == REC_SYNC)
		sync_flush(tc, t);
	while (t->wants && t->state == CC_ESTABLISHED && cc_room(t))
		call_want(tc, t->wants);
	if (t->waiting && t->state == CC_ESTABLISHED)
		call_tunnel_open(tc, t);
	while (chan_acked(&t->chan, &ns))
		put_out(tc, t, ns, span_of(NULL, 0));
	if (chan_moved(&t->chan))
		put_seq(tc, t);
	while ((len = chan_transmit(&t->chan, tc->now, tc->tx)) > 0)
		emit(tc, t, span_of(tc->tx, len));
	if (chan_take_ack(&t->chan))
		emit_zlb(tc, t);
	if (t->state == CC_CLOSING && !t->final && chan_backlog(&t->chan) == 0) {
		t->final = true; /* RFC 2661, 5.8: "the full retransmission interval after the final
				    message exchange" */
		t->linger_due = tc->now + chan_cycle(&t->chan.conf);
	}
	heap_set(tc, t, tunnel_due(tc, t));
}
