// SPDX-License-Identifier: Apache-2.0
/*
 * The LAC's side of RFC 4951 when the server has failed: the remote endpoint.
 *
 *   SCCRQ with Tunnel Recovery   answered by SCCRP on a recovery tunnel, with numbers suggested for the old one
 *   SCCCN                        the old tunnel's control channel begins anew with those; calls in progress are gone
 *   StopCCN                      ends the recovery tunnel
 *   FSQ                          answered by FSR: which of the sessions asked for are known here, and by which id
 *
 * A session that the server asks for and that is open here under the same two ids is synchronised.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

#define RECOVERY_ID 0x8000 /* our ids of recovery tunnels: the old one's and this */
#define FSS_ROOM 1300

static void
reply(struct load *g, struct lac *l, struct l2tp_wr *m, struct wr *w)
{
	if (l2tp_msg_end(m, l->rec_ns, l->rec_nr))
		lac_datagram(g, l, w->start, wr_len(w));
}

static void
answer_sccrq(struct load *g, struct lac *l, const struct l2tp_msg *in)
{
	uint8_t b[512], resp[L2TP_RESPONSE];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_recovery r;
	struct l2tp_wr m;
	struct span chal;

	if (!l2tp_msg_recovery(in, &r) || r.remote != l->tid || r.tunnel != l->peer_tid ||
	    !l2tp_msg_u16(in, AVP_ASSIGNED_TUNNEL, &l->rec_peer)) {
		g->t.bad_message++;
		return;
	}
	l->rec_tid = l->tid | RECOVERY_ID;
	l->rec_ns = 0;
	l->rec_nr = 1;
	l->suggested = (uint16_t)(l->high + 1000); /* beyond all that may still be on its way */
	l2tp_msg_begin(&m, &w, L2TP_SCCRP, l->rec_peer, 0);
	l2tp_avp_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_text(&m, AVP_HOST_NAME, g->o.host);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, l->rec_tid);
	l2tp_avp_u16(&m, AVP_RECEIVE_WINDOW, 256);
	l2tp_avp_failover(&m, &(struct l2tp_failover){ .control = true, .data = true, .recovery_ms = g->o.failover_ms });
	l2tp_avp_scs(&m, l->suggested, l->suggested);
	if (g->o.secret && l2tp_msg_span(in, AVP_CHALLENGE, &chal) &&
	    l2tp_auth_response(L2TP_SCCRP, span_of(g->o.secret, strlen(g->o.secret)), chal, resp))
		l2tp_avp_bytes(&m, AVP_CHALLENGE_RESPONSE, resp, sizeof resp);
	reply(g, l, &m, &w);
}

/* RFC 4951, 3.2.2 and 3.3: both numbers begin at what was suggested, and what was half open is forgotten. */
static void
reset_old(struct load *g, struct lac *l)
{
	for (; l->una != l->ns; l->una++) {
		struct out_msg **m = &l->q[l->una & (l->q_cap - 1)];
		free(*m);
		*m = NULL;
	}
	l->ns = l->nr = l->una = l->sent = l->high = l->last_nr = l->suggested;
	l->rtx_due = l->hello_sent = MONO_NEVER;
	l->tries = 0;
	l->ack_owed = false;
	memset(l->seen_set, 0, sizeof l->seen_set);
	for (uint32_t i = 0; i < l->sess_count; i++) {
		struct sess *s = &g->sess[l->sess_first + i * g->o.lacs];
		if (s->state >= S_WAIT_ICRP && s->state < S_OPEN)
			sess_lost(g, s);
	}
	g->t.recovered++;
}

static void
acknowledge(struct load *g, struct lac *l)
{
	uint8_t b[L2TP_CONTROL_HEADER];
	struct wr w = wr_of(b, sizeof b);

	l2tp_zlb_write(&w, l->rec_peer, 1, l->rec_nr);
	lac_datagram(g, l, b, wr_len(&w));
}

bool
recover_hear(struct load *g, struct lac *l, const struct l2tp_msg *in)
{
	if (g->o.failover_ms && in->hdr.tunnel == 0 && in->type == L2TP_SCCRQ) {
		answer_sccrq(g, l, in);
		return true;
	}
	if (!l->rec_tid || in->hdr.tunnel != l->rec_tid)
		return false;
	if (in->type == L2TP_ZLB && in->avps == 0)
		return true;
	if (in->type == L2TP_SCCCN && in->hdr.ns == 1 && l->rec_nr == 1)
		reset_old(g, l);
	if (in->hdr.ns == l->rec_nr)
		l->rec_nr++;
	acknowledge(g, l);
	return true;
}

static void
synchronise(struct load *g, const struct sess *s, struct l2tp_wr *m, const struct l2tp_fss *q)
{
	bool known = s && s->state == S_OPEN && s->peer_sid == q->session;

	l2tp_avp_fss(m, known ? q->remote : 0, q->session);
	if (known)
		g->t.synchronised++;
	else
		g->t.unknown_sessions++;
	g->t.synchronised_at = g->now;
}

/* As many answers as a datagram has room for; the server asks in batches of that size itself. */
void
recover_fsq(struct load *g, struct lac *l, const struct l2tp_msg *in)
{
	uint8_t b[FSS_ROOM + 64];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_fss q;
	struct l2tp_wr m;
	size_t at = 0;

	l2tp_msg_begin(&m, &w, L2TP_FSR, l->peer_tid, 0);
	while (wr_len(&w) < FSS_ROOM && l2tp_msg_fss(in, &at, &q))
		synchronise(g, q.remote <= UINT16_MAX ? sess_by_sid(g, l, (uint16_t)q.remote) : NULL, &m, &q);
	if (l2tp_msg_end(&m, 0, 0))
		lac_queue(g, l, &w);
}
