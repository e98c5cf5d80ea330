// SPDX-License-Identifier: Apache-2.0
/*
 * What each message of L2TPv3 carries: RFC 3931, section 6, and what the PPP pseudowire adds
 * (draft-ietf-l2tpext-l2tp-ppp).  Around it is msgs.c.
 *
 * Message Digests have their place behind Message Type from the beginning, as zeros; v3_seal() fills them in at each
 * sending, since they cover Nr.
 */
#include <string.h>

#include "dialect.h"

/* ---- around every message -------------------------------------------------------------- */

/* 5.3: only where there is authentication. */
static void
hide(struct tc *tc, const struct tunnel *t)
{
	uint8_t vector[TC_VECTOR];

	if (!t->prof->hide || !t->digests || !t->nonce_len)
		return;
	tc->random.fill(tc->random.arg, vector, sizeof vector);
	l2tp_msg_hide(&tc->lw, span_of(t->keys[0].hiding, L2TP3_KEY), span_of(vector, TC_VECTOR), 0);
}

static void
begin3(struct tc *tc, struct tunnel *t, enum l2tp_type type, uint16_t ours, uint32_t theirs)
{
	l2tp3_msg_begin(&tc->lw, &tc->w, type, t->peer_id, v3_digests(t));
	hide(tc, t);
	if (!ours)
		return;
	l2tp_avp_u32(&tc->lw, AVP_LOCAL_SESSION, session_on_wire(t, ours));
	l2tp_avp_u32(&tc->lw, AVP_REMOTE_SESSION, theirs);
}

/* 6.15: a ZLB would do where there is no authentication; every peer understands an ACK. */
static void
acknowledge3(struct tunnel *t, struct wr *w)
{
	struct l2tp_wr m;

	l2tp3_msg_begin(&m, w, L2TP_ACK, t->peer_id, v3_digests(t));
	l2tp_msg_end(&m, t->chan.seq.ns, t->chan.seq.nr);
}

/* ---- control connection ---------------------------------------------------------------- */

/* RFC 3931, 5.4.3: unique among its peers; the same on both nodes of a pair, for it is made of what both have. */
static uint32_t
router_id(const struct tc *tc, const struct tunnel *t)
{
	const struct ip_addr *a = &t->prof->v3.router_id;
	const char *name = our_host(tc, t->prof);
	uint32_t h = 2166136261u;

	if (a->family != 4)
		a = &t->local.addr;
	if (a->family == 4 && get_u32(a->b))
		return get_u32(a->b);
	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h ? h : 1;
}

static void
who_we_are3(struct tc *tc, struct tunnel *t, struct l2tp_wr *m)
{
	uint8_t types[2];

	put_u16(types, L2TP3_PW_PPP);
	if (t->nonce_len)
		l2tp_avp_bytes(m, AVP_NONCE, t->nonce, t->nonce_len);
	l2tp_avp_text(m, AVP_HOST_NAME, our_host(tc, t->prof));
	l2tp_avp_u32(m, AVP_ROUTER_ID, router_id(tc, t));
	l2tp_avp_u32(m, AVP_ASSIGNED_CONNECTION, t->id);
	l2tp_avp_bytes(m, AVP_PW_CAPABILITIES, types, sizeof types);
	l2tp_avp_u16(m, AVP_RECEIVE_WINDOW, t->chan.conf.window);
	l2tp_avp_text(m, AVP_VENDOR_NAME, TC_VENDOR);
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, TC_FRAMING_ALL);
	if (t->prof->roles & (ROLE_LAC | ROLE_CLIENT))
		l2tp_avp_u32(m, AVP_BEARER_CAPABILITIES, TC_BEARER_ALL);
}

static void
stopping3(const struct tunnel *t, struct l2tp_wr *m)
{
	l2tp_avp_u32(m, AVP_ASSIGNED_CONNECTION, t->id);
}

/* ---- a request in both forms (4.7.3): to an end that only knows L2TPv2 these are unknown, and M is 0 ---- */

void
msgs3_digests(const struct tunnel *t, struct l2tp_wr *m)
{
	const struct l2tp3_digests d = v3_digests(t);
	uint8_t value[1 + 20];

	for (unsigned i = 0; i < d.n; i++) {
		memset(value, 0, sizeof value);
		value[0] = d.type[i];
		l2tp_avp_raw(m, 0, AVP_MESSAGE_DIGEST, false, false, value, d.type[i] == L2TP3_HMAC_SHA1 ? 21 : 17);
	}
}

void
msgs3_also(struct tc *tc, struct tunnel *t, struct l2tp_wr *m)
{
	uint8_t v[4];

	put_u32(v, router_id(tc, t));
	l2tp_avp_raw(m, 0, AVP_ROUTER_ID, false, false, v, 4);
	put_u32(v, t->id);
	l2tp_avp_raw(m, 0, AVP_ASSIGNED_CONNECTION, false, false, v, 4);
	put_u16(v, L2TP3_PW_PPP);
	l2tp_avp_raw(m, 0, AVP_PW_CAPABILITIES, false, false, v, 2);
	if (t->nonce_len)
		l2tp_avp_raw(m, 0, AVP_NONCE, false, false, t->nonce, t->nonce_len);
}

/* ---- calls ----------------------------------------------------------------------------- */

/* What ICRQ, ICRP, OCRQ and OCRP say of the data that we are to receive.  A new circuit (the PPP draft). */
static void
data(const struct call *c, struct l2tp_wr *m)
{
	const struct call_form f = form_of(c);

	l2tp_avp_u16(m, AVP_CIRCUIT_STATUS, L2TP3_CIRCUIT_NEW | (f.our_circuit_down ? 0 : L2TP3_CIRCUIT_ACTIVE));
	if (f.cookie_len)
		l2tp_avp_bytes(m, AVP_ASSIGNED_COOKIE, f.cookie, f.cookie_len);
	if (f.sublayer)
		l2tp_avp_u16(m, AVP_L2_SUBLAYER, L2TP3_SUBLAYER_DEFAULT);
	if (f.sequencing)
		l2tp_avp_u16(m, AVP_DATA_SEQUENCING, f.sequencing);
}

static void
request(const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	l2tp_avp_u32(m, AVP_CALL_SERIAL, c->serial);
	l2tp_avp_u16(m, AVP_PW_TYPE, L2TP3_PW_PPP);
	avp_octets(m, AVP_REMOTE_END, i->remote_end);
	avp_octets(m, AVP_TIE_BREAKER, i->session_tie);
	data(c, m);
}

static void
icrq3(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	request(c, i, m);
	if (i->bearer)
		l2tp_avp_u32(m, AVP_BEARER_TYPE, i->bearer);
	if (i->physical_channel)
		l2tp_avp_u32(m, AVP_PHYSICAL_CHANNEL, i->physical_channel);
	avp_numbers(m, i);
}

static void
reply3(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	data(c, m);
}

static void
connected(const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	l2tp_avp_u64(m, AVP_TX_SPEED, i->tx_bps);
	if (i->rx_bps)
		l2tp_avp_u64(m, AVP_RX_SPEED, i->rx_bps);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, framing_for(c->t, i->framing));
}

static void
iccn3(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	connected(c, i, m);
	avp_proxy(m, i);
	avp_octets(m, AVP_PRIVATE_GROUP, i->private_group);
}

/* The speeds that a call may have at least and at most have no number in L2TPv3 (the PPP draft). */
static void
ocrq3(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	request(c, i, m);
	if (i->bearer & c->t->peer_bearer)
		l2tp_avp_u32(m, AVP_BEARER_TYPE, i->bearer & c->t->peer_bearer);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, framing_for(c->t, i->framing));
	avp_text(m, AVP_CALLED_NUMBER, i->called);
	avp_text(m, AVP_SUB_ADDRESS, i->sub_address);
}

static void
occn3(struct tc *tc, const struct call *c, const Row__CallInfo *i, struct l2tp_wr *m)
{
	connected(c, i, m);
}

/* RFC 3931, 5.4.2: what its finite state machine says has a code of its own. */
static void
disconnected3(uint16_t our_id, const struct verdict *v, struct l2tp_wr *m)
{
	const bool machine = v->fault == FAULT_CALL_STATE || v->fault == FAULT_CALL_SETUP;

	l2tp_avp_result(m, machine ? 16 : v->result, machine ? 0 : v->error, v->text);
}

const struct dialect dialect3 = {
	.begin = begin3,
	.who_we_are = who_we_are3,
	.stopping = stopping3,
	.icrq = icrq3,
	.icrp = reply3,
	.iccn = iccn3,
	.ocrq = ocrq3,
	.ocrp = reply3,
	.occn = occn3,
	.disconnected = disconnected3,
	.acknowledge = acknowledge3,
};
