// SPDX-License-Identifier: Apache-2.0
/*
 * Control messages out: one function a message, in the order of RFC 2661, section 6; and the end of
 * a step for a tunnel, where Ns and Nr are recorded and everything that may go is handed to the
 * sink.
 *
 * A message enters the tunnel's queue as a row (tunnel_out) with Nr 0; Nr is written at each
 * sending.
 */
#include "dialect.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PROTOCOL_VERSION 0x0100 /* RFC 2661, 4.4.3: version 1, revision 0 */
#define FIRMWARE 1

/* ---- around every message ------------------------------------------------------------- */

static struct l2tp_wr *
begin_on(struct tc *tc, struct tunnel *t, enum l2tp_type type, uint16_t ours, uint32_t theirs)
{
	tc->w = wr_of(tc->out_octets, sizeof tc->out_octets);
	dialect_of(t)->begin(tc, t, type, ours, theirs);
	return &tc->lw;
}

static struct l2tp_wr *
begin(struct tc *tc, struct tunnel *t, enum l2tp_type type)
{
	return begin_on(tc, t, type, 0, 0);
}

static struct l2tp_wr *
begin_call(struct tc *tc, struct call *c, enum l2tp_type type)
{
	return begin_on(tc, c->t, type, c->id, c->peer_id);
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

/* ---- what both versions have ----------------------------------------------------------- */

/* An AVP of free length, where there is one. */
void
avp_text(struct l2tp_wr *m, enum l2tp_avp a, const char *s)
{
	if (s && *s)
		l2tp_avp_text(m, a, s);
}

void
avp_octets(struct l2tp_wr *m, enum l2tp_avp a, ProtobufCBinaryData d)
{
	if (d.len)
		l2tp_avp_bytes(m, a, d.data, d.len);
}

void
avp_numbers(struct l2tp_wr *m, const Row__CallInfo *i)
{
	avp_text(m, AVP_CALLING_NUMBER, i->calling);
	avp_text(m, AVP_CALLED_NUMBER, i->called);
	avp_text(m, AVP_SUB_ADDRESS, i->sub_address);
}

void
avp_proxy(struct l2tp_wr *m, const Row__CallInfo *i)
{
	avp_octets(m, AVP_INITIAL_RX_CONFREQ, i->init_rcvd_lcp);
	avp_octets(m, AVP_LAST_TX_CONFREQ, i->last_sent_lcp);
	avp_octets(m, AVP_LAST_RX_CONFREQ, i->last_rcvd_lcp);
	if (i->proxy_auth_type == 0)
		return;
	l2tp_avp_u16(m, AVP_PROXY_AUTHEN_TYPE, (uint16_t)i->proxy_auth_type);
	avp_octets(m, AVP_PROXY_AUTHEN_NAME, i->proxy_auth_name);
	avp_octets(m, AVP_PROXY_AUTHEN_CHALLENGE, i->proxy_auth_challenge);
	l2tp_avp_u16(m, AVP_PROXY_AUTHEN_ID, (uint16_t)(i->proxy_auth_id & 0xff));
	avp_octets(m, AVP_PROXY_AUTHEN_RESPONSE, i->proxy_auth_response);
}

/* Synchronous where it can (RFC 2661, 4.4.3: "MUST NOT request ... not advertised"). */
uint32_t
framing_for(const struct tunnel *t, uint32_t wanted)
{
	uint32_t can = t->peer_framing & TC_FRAMING_ALL;

	if (wanted & can)
		return wanted & can & 1 ? 1 : 2;
	return can & 1 || can == 0 ? 1 : 2;
}

const char *
our_host(const struct tc *tc, const struct conf_profile *p)
{
	const char *host = p->local_host_name[0] ? p->local_host_name : tc->conf->node.name;

	return *host ? host : "twinlns";
}

/* ---- L2TPv2: what each message carries -------------------------------------------------- */

static void
begin2(struct tc *tc, struct tunnel *t, enum l2tp_type type, uint16_t ours, uint32_t theirs)
{
	const struct conf_profile *p = t->prof;
	uint8_t vector[TC_VECTOR];

	l2tp_msg_begin(&tc->lw, &tc->w, type, (uint16_t)t->peer_id, (uint16_t)theirs);
	if (!p->hide || !p->secret[0] || t->digests)
		return;
	tc->random.fill(tc->random.arg, vector, sizeof vector);
	l2tp_msg_hide(&tc->lw, span_of(p->secret, strlen(p->secret)), span_of(vector, TC_VECTOR), 0);
}

static void
who_we_are2(struct tc *tc, struct tunnel *t, struct l2tp_wr *m)
{
	const struct conf_profile *p = t->prof;

	if (v3_offered_both(t))
		msgs3_digests(t, m);
	l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, PROTOCOL_VERSION);
	l2tp_avp_text(m, AVP_HOST_NAME, our_host(tc, p));
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, TC_FRAMING_ALL);
	if (p->roles & (ROLE_LAC | ROLE_CLIENT)) /* we can place outgoing calls: 4.4.3 */
		l2tp_avp_u32(m, AVP_BEARER_CAPABILITIES, TC_BEARER_ALL);
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, t->id);
	l2tp_avp_u16(m, AVP_RECEIVE_WINDOW, t->chan.conf.window);
	l2tp_avp_u16(m, AVP_FIRMWARE_REVISION, FIRMWARE);
	l2tp_avp_text(m, AVP_VENDOR_NAME, TC_VENDOR);
	if (t->challenge_sent_len)
		l2tp_avp_bytes(m, AVP_CHALLENGE, t->challenge_sent, t->challenge_sent_len);
	if (v3_offered_both(t))
		msgs3_also(tc, t, m);
}

static void
stopping2(const struct tunnel *t, struct l2tp_wr *m)
{
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, t->id);
}

static void
icrq2(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, c->id);
	l2tp_avp_u32(m, AVP_CALL_SERIAL, c->serial);
	l2tp_avp_u32(m, AVP_BEARER_TYPE, i->bearer);
	if (i->physical_channel)
		l2tp_avp_u32(m, AVP_PHYSICAL_CHANNEL, i->physical_channel);
	avp_numbers(m, i);
	if (i->speed_updates)
		l2tp_avp_empty(m, AVP_SPEED_UPDATE_ENABLE);
	if (i->headerless_offered)
		form_offer(tc, c, m);
}

/* ICRP and OCRP. */
static void
reply2(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, c->id);
	if (c->form && c->form->headerless)
		form_offer(tc, c, m);
}

static void
speeds2(struct l2tp_wr *m, const Row__CallInfo *i)
{
	l2tp_avp_u32(m, AVP_TX_CONNECT_SPEED, i->tx_bps);
	if (i->rx_bps)
		l2tp_avp_u32(m, AVP_RX_CONNECT_SPEED, i->rx_bps);
}

static void
iccn2(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	speeds2(m, i);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, framing_for(c->t, i->framing));
	avp_proxy(m, i);
	avp_octets(m, AVP_PRIVATE_GROUP, i->private_group);
	if (c->seq_required)
		l2tp_avp_empty(m, AVP_SEQUENCING_REQUIRED);
}

static void
ocrq2(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, c->id);
	l2tp_avp_u32(m, AVP_CALL_SERIAL, c->serial);
	l2tp_avp_u32(m, AVP_MINIMUM_BPS, i->min_bps);
	l2tp_avp_u32(m, AVP_MAXIMUM_BPS, i->max_bps);
	l2tp_avp_u32(m, AVP_BEARER_TYPE, i->bearer & c->t->peer_bearer);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, i->framing & c->t->peer_framing & TC_FRAMING_ALL);
	l2tp_avp_text(m, AVP_CALLED_NUMBER, i->called);
	avp_text(m, AVP_SUB_ADDRESS, i->sub_address);
	if (i->headerless_offered)
		form_offer(tc, c, m);
}

static void
occn2(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	speeds2(m, i);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, framing_for(c->t, i->framing));
	if (c->seq_required)
		l2tp_avp_empty(m, AVP_SEQUENCING_REQUIRED);
}

static void
disconnected2(uint16_t our_id, const struct verdict *v, struct l2tp_wr *m)
{
	l2tp_avp_result(m, v->result, v->error, v->text);
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, our_id);
}

static void
acknowledge2(struct tunnel *t, struct wr *w)
{
	l2tp_zlb_write(w, (uint16_t)t->peer_id, t->chan.seq.ns, t->chan.seq.nr);
}

const struct dialect dialect2 = {
	.begin = begin2,
	.who_we_are = who_we_are2,
	.stopping = stopping2,
	.icrq = icrq2,
	.icrp = reply2,
	.iccn = iccn2,
	.ocrq = ocrq2,
	.ocrp = reply2,
	.occn = occn2,
	.disconnected = disconnected2,
	.acknowledge = acknowledge2,
};

/* ---- control connection --------------------------------------------------------------- */

static void
who_we_are(struct tc *tc, struct tunnel *t, struct l2tp_wr *m)
{
	dialect_of(t)->who_we_are(tc, t, m);
	if (t->failover_ours)
		l2tp_avp_failover(m, &(struct l2tp_failover){ .control = t->failover_ours & FAILOVER_CONTROL,
							      .data = t->failover_ours & FAILOVER_DATA,
							      .recovery_ms = t->prof->recovery_ms });
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
	struct l2tp_wr *m = begin(tc, t, L2TP_SCCRQ);

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
	struct l2tp_wr *m = begin(tc, t, L2TP_SCCRP);

	who_we_are(tc, t, m);
	response(t, m, L2TP_SCCRP, challenge);
	if (t->suggested)
		l2tp_avp_scs(m, t->suggested_ns, t->suggested_nr);
	finish(tc, t);
}

void
send_scccn(struct tc *tc, struct tunnel *t, struct span challenge)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_SCCCN);

	response(t, m, L2TP_SCCCN, challenge);
	finish(tc, t);
}

void
send_stopccn(struct tc *tc, struct tunnel *t, const struct verdict *v)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_STOPCCN);

	dialect_of(t)->stopping(t, m);
	l2tp_avp_result(m, v->result, v->error, v->text);
	finish(tc, t);
}

void
send_hello(struct tc *tc, struct tunnel *t)
{
	begin(tc, t, L2TP_HELLO);
	if (finish(tc, t))
		bump(tc, N_HELLO_OUT);
}

/* ---- calls ------------------------------------------------------------------------------ */

#define MESSAGE_OF_CALL(NAME, TYPE)                                                                \
	void send_##NAME(struct tc *tc, struct call *c)                                            \
	{                                                                                          \
		const Row__CallInfo *i = call_info(tc, c);                                         \
		struct l2tp_wr *m = begin_call(tc, c, TYPE);                                       \
                                                                                                   \
		if (!i)                                                                            \
			return;                                                                    \
		dialect_of(c->t)->NAME(tc, c, i, m);                                               \
		finish(tc, c->t);                                                                  \
	}

MESSAGE_OF_CALL(icrq, L2TP_ICRQ)
MESSAGE_OF_CALL(icrp, L2TP_ICRP)
MESSAGE_OF_CALL(iccn, L2TP_ICCN)
MESSAGE_OF_CALL(ocrq, L2TP_OCRQ)
MESSAGE_OF_CALL(ocrp, L2TP_OCRP)
MESSAGE_OF_CALL(occn, L2TP_OCCN)

/* ---- of any call ---------------------------------------------------------------------- */

void
send_cdn(struct tc *tc, struct tunnel *t, uint16_t our_id, uint32_t peer_id,
	 const struct verdict *v, const struct cause *cause)
{
	struct l2tp_wr *m = begin_on(tc, t, L2TP_CDN, our_id, peer_id);

	dialect_of(t)->disconnected(our_id, v, m);
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
	struct l2tp_wr *m = begin_call(tc, c, L2TP_WEN);

	l2tp_avp_call_errors(m, e);
	finish(tc, c->t);
}

void
send_sli(struct tc *tc, struct call *c, uint32_t send, uint32_t receive)
{
	struct l2tp_wr *m = begin_call(tc, c, L2TP_SLI);

	l2tp_avp_accm(m, send, receive);
	if (finish(tc, c->t))
		bump(tc, N_SLI_OUT);
}

void
send_circuit(struct tc *tc, struct call *c)
{
	struct l2tp_wr *m = begin_call(tc, c, L2TP_SLI);

	l2tp_avp_u16(m, AVP_CIRCUIT_STATUS, c->form && c->form->our_circuit_down ? 0 : L2TP3_CIRCUIT_ACTIVE);
	if (finish(tc, c->t))
		bump(tc, N_SLI_OUT);
}

void
send_csun(struct tc *tc, struct tunnel *t, struct call *const *calls, unsigned n)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_CSUN);

	for (unsigned i = 0; i < n; i++) {
		const Row__CallInfo *info = call_info(tc, calls[i]);
		if (info)
			l2tp_avp_speed_update(m, (uint16_t)calls[i]->peer_id, info->tx_bps, info->rx_bps);
	}
	if (finish(tc, t))
		bump(tc, N_CSUN_OUT);
}

/* ---- RFC 4951, 4 ---------------------------------------------------------------------- */

bool
send_fsq(struct tc *tc, struct tunnel *t)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_FSQ);
	unsigned n = 0;

	for (struct call *c = t->sync[SYNC_ASK]; c && n < FSS_MAX; c = c->wait_next, n++)
		l2tp_avp_fss(m, session_on_wire(t, c->id), c->peer_id);
	if (n == 0 || !finish(tc, t))
		return false;
	while (n--)
		call_sync(t->sync[SYNC_ASK], SYNC_ASKED);
	return true;
}

bool
send_fsr(struct tc *tc, struct tunnel *t, const struct l2tp_fss *said, unsigned n)
{
	struct l2tp_wr *m = begin(tc, t, L2TP_FSR);

	for (unsigned i = 0; i < n; i++)
		l2tp_avp_fss(m, said[i].session, said[i].remote);
	if (!finish(tc, t))
		return false;
	bump(tc, N_FSR_OUT);
	return true;
}

/* ---- outside of any tunnel ------------------------------------------------------------ */

/* `len` octets of TX(tc), and over IP what stands in front of them. */
static struct span
on_wire(const struct tc *tc, bool over_ip, size_t len)
{
	return over_ip ? span_of(tc->wire, TX_PREFIX + len) : span_of(TX(tc), len);
}

static void
reply(struct tc *tc, const struct tc_datagram *to, size_t len)
{
	struct effect e = {
		.kind = EFFECT_CONTROL,
		.reveals_nothing = true,
		.local = to->local,
		.peer = to->peer,
		.bytes = on_wire(tc, to->local.port == 0, len),
	};

	sink_effect(tc->out, &e);
}

void
reply_zlb(struct tc *tc, const struct tc_datagram *to, unsigned version, uint32_t tunnel, uint16_t ns, uint16_t nr)
{
	struct wr w = wr_of(TX(tc), CHAN_MESSAGE_MAX);
	struct l2tp_wr m;

	if (version == 3) {
		l2tp3_msg_begin(&m, &w, L2TP_ACK, tunnel, (struct l2tp3_digests){ 0 });
		l2tp_msg_end(&m, ns, nr);
	} else {
		l2tp_zlb_write(&w, (uint16_t)tunnel, ns, nr);
	}
	bump(tc, N_ZLB_OUT);
	reply(tc, to, wr_len(&w));
}

void
reply_stopccn(struct tc *tc, const struct tc_datagram *to, unsigned version, uint32_t tunnel, uint16_t nr,
	      const struct verdict *v)
{
	struct wr w = wr_of(TX(tc), CHAN_MESSAGE_MAX);
	struct l2tp_wr m;
	const uint16_t id = tunnel_free_id(tc);
	const struct tunnel nobody = { .id = id ? id : 1 };

	if (version == 3)
		l2tp3_msg_begin(&m, &w, L2TP_STOPCCN, tunnel, (struct l2tp3_digests){ 0 });
	else
		l2tp_msg_begin(&m, &w, L2TP_STOPCCN, (uint16_t)tunnel, 0);
	(version == 3 ? &dialect3 : &dialect2)->stopping(&nobody, &m);
	l2tp_avp_result(&m, v->result, v->error, v->text);
	if (l2tp_msg_end(&m, 0, nr))
		reply(tc, to, wr_len(&w));
}

/* ---- the end of a step for one tunnel ------------------------------------------------- */

static void
emit(struct tc *tc, const struct tunnel *t, size_t len)
{
	struct effect e = {
		.kind = EFFECT_CONTROL,
		.local = t->local,
		.peer = t->peer,
		.tunnel = t->id,
		.bytes = on_wire(tc, t->over_ip, len),
	};

	if (v3_seal(tc, t, TX(tc), len))
		sink_effect(tc->out, &e);
	else
		bump(tc, N_UNSENDABLE);
}

static void
emit_zlb(struct tc *tc, struct tunnel *t)
{
	struct wr w = wr_of(TX(tc), CHAN_MESSAGE_MAX);

	dialect_of(t)->acknowledge(t, &w);
	emit(tc, t, wr_len(&w));
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
			due = mono_sooner(due, cc_hello_due(t));
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
	while ((len = chan_transmit(&t->chan, tc->now, TX(tc))) > 0)
		emit(tc, t, len);
	if (chan_take_ack(&t->chan))
		emit_zlb(tc, t);
	if (t->state == CC_CLOSING && !t->final && chan_backlog(&t->chan) == 0) {
		t->final = true; /* RFC 2661, 5.8: "the full retransmission interval after the final
				    message exchange" */
		t->linger_due = tc->now + chan_cycle(&t->chan.conf);
	}
	heap_set(tc, t, tunnel_due(tc, t));
}
