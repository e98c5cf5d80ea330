// SPDX-License-Identifier: Apache-2.0
/*
 * How a call's data looks: cookies, sublayer, sequencing and circuit status of L2TPv3 (RFC 3931, 4.5, 4.6, 5.4.4,
 * 5.4.5), and L2TPHC beside L2TPv2 (draft-ietf-l2tpext-l2tphc).  Each end says what it wants to receive.
 *
 * L2TPHC without an id in its packets knows a session by its two addresses only: it is offered, and agreed on, while
 * there is no other such session with this address.
 */
#include <string.h>

#include "call.h"
#include "dialect.h"

/* ---- L2TPHC -------------------------------------------------------------------------------- */

static struct l2tphc_numbers
hc_numbers(const struct conf_l2tphc *p)
{
	struct l2tphc_numbers n = p->draft == HC_DRAFT_03 ? l2tphc_draft_03 : l2tphc_draft_05;

	n.vendor = p->vendor;
	if (p->draft == HC_DRAFT_03 && p->assigned_session)
		n.assigned_session = p->assigned_session;
	if (p->no_header)
		n.no_header = p->no_header;
	if (p->ppp_protocol)
		n.ppp_protocol = p->ppp_protocol;
	return n;
}

static struct l2tphc_offer
hc_offer(const struct conf_l2tphc *p, uint16_t id)
{
	const bool header = p->draft == HC_DRAFT_03 && !p->bare;

	return (struct l2tphc_offer){
		.has_session = p->draft == HC_DRAFT_03,
		.id_octets = header ? p->id_octets : 0,
		.session = header && p->id_octets ? id : 0,
		.no_header = p->bare,
		.has_protocol = p->bare && p->protocol,
		.protocol = p->bare ? p->protocol : 0,
	};
}

static bool
hc_may_be(const struct tc *tc, const struct tunnel *t)
{
	const struct conf_l2tphc *p = &t->prof->l2tphc;
	const bool alone = p->draft == HC_DRAFT_05 || p->bare || p->id_octets == 0;

	return t->version == 2 && p->draft != HC_DRAFT_NONE && !(alone && tunnel_headerless(tc, &t->peer.addr));
}

void
form_offer(struct tc *tc, const struct call *c, struct l2tp_wr *m)
{
	const struct l2tphc_numbers n = hc_numbers(&c->t->prof->l2tphc);
	const struct l2tphc_offer o = hc_offer(&c->t->prof->l2tphc, c->id);

	if (c->t->prof->l2tphc.draft != HC_DRAFT_NONE) /* it is, unless the configuration has changed since */
		l2tphc_offer_write(m, &n, &o);
}

static void
hc_agree(struct tc *tc, const struct tunnel *t, uint16_t id, const struct l2tp_msg *m, struct call_form *f)
{
	const struct conf_l2tphc *p = &t->prof->l2tphc;
	const struct l2tphc_numbers n = hc_numbers(p);
	const struct l2tphc_offer ours = hc_offer(p, id);
	struct l2tphc_offer theirs;
	struct l2tphc_form form;

	if (!l2tphc_offer_read(m, &n, &theirs) || !l2tphc_agree(&ours, &theirs, &form))
		return;
	f->headerless = true;
	row__headerless_data__init(&f->hc);
	f->hc.ip_protocol = p->ip_protocol;
	f->hc.header = form.header;
	f->hc.bare = form.bare;
	f->hc.protocol = form.protocol;
	f->hc.send_octets = form.send_octets;
	f->hc.receive_octets = form.receive_octets;
	f->hc.send_session = form.send_session;
	f->hc.receive_session = form.receive_session;
}

/* ---- what we want --------------------------------------------------------------------------- */

bool
form_ours(struct tc *tc, const struct tunnel *t, uint16_t id, bool sequenced, struct call_form *f)
{
	const struct conf_v3 *p = &t->prof->v3;

	if (t->version != 3)
		return hc_may_be(tc, t);
	f->cookie_len = p->cookie == 4 || p->cookie == 8 ? p->cookie : 0;
	tc->random.fill(tc->random.arg, f->cookie, f->cookie_len);
	f->sequencing = sequenced ? L2TP3_SEQUENCE_ALL : p->sequencing;
	f->sublayer = p->sublayer || f->sequencing;
	return false;
}

/* ---- what the peer wants -------------------------------------------------------------------- */

static bool
refuse_with(struct verdict *why, enum tc_fault fault)
{
	*why = verdict_of(fault);
	return false;
}

bool
form_acceptable(const struct call *c, const struct l2tp_msg *m, struct verdict *why)
{
	const struct call_form before = c ? form_of(c) : (struct call_form){ 0 };
	uint16_t type = L2TP3_PW_PPP, sublayer = before.peer_sublayer, sequencing = before.peer_sequencing;

	if (!m->v3)
		return true;
	l2tp_msg_u16(m, AVP_PW_TYPE, &type);
	l2tp_msg_u16(m, AVP_L2_SUBLAYER, &sublayer);
	l2tp_msg_u16(m, AVP_DATA_SEQUENCING, &sequencing);
	if (type != L2TP3_PW_PPP)
		return refuse_with(why, FAULT_CALL_PSEUDOWIRE);
	if (sublayer > L2TP3_SUBLAYER_DEFAULT)
		return refuse_with(why, FAULT_CALL_SUBLAYER);
	if (sequencing && !sublayer)
		return refuse_with(why, FAULT_CALL_NO_SUBLAYER);
	return true;
}

void
form_theirs(struct tc *tc, const struct tunnel *t, uint16_t id, const struct l2tp_msg *m, bool offered,
	    struct call_form *f)
{
	struct span cookie;
	uint16_t v;

	if (!m->v3) {
		if (offered)
			hc_agree(tc, t, id, m, f);
		return;
	}
	if (l2tp_msg_span(m, AVP_ASSIGNED_COOKIE, &cookie) && cookie.len <= sizeof f->peer_cookie) {
		f->peer_cookie_len = (uint8_t)cookie.len;
		if (cookie.len)
			memcpy(f->peer_cookie, cookie.p, cookie.len);
	}
	if (l2tp_msg_u16(m, AVP_L2_SUBLAYER, &v))
		f->peer_sublayer = v == L2TP3_SUBLAYER_DEFAULT;
	if (l2tp_msg_u16(m, AVP_DATA_SEQUENCING, &v))
		f->peer_sequencing = (uint8_t)v;
	if (l2tp_msg_u16(m, AVP_CIRCUIT_STATUS, &v))
		f->circuit_down = !(v & L2TP3_CIRCUIT_ACTIVE);
}
