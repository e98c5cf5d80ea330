// SPDX-License-Identifier: Apache-2.0
/*
 * What the pair asks others for, and who takes it.
 *
 *      our LNS role    an operator wants a line: "call out" ─► OCRQ ─► its LAC dials: OCRP ... OCCN ─► PPP as always
 *      our clients     calls kept up ("d0"): ICRQ to one of the LNSs of the group, by preference; PPP, and a network behind
 *      our LAC role    an operator has a line forwarded ("f0"): ICRQ and ICCN with what the line's own PPP end is said to have heard;
 *                      nobody speaks PPP on it here
 *      and asked       an LNS wants a line ("o1-4"): OCRQ ─► we answer; PPP as client
 *
 * An LNS is a struct lac (lac.c has its control channel and data, lac_fail.c its RFC 4951, peer.c its PPP, as a server) with one tunnel to the
 * pair.  What it lacks for an incoming call it refuses with "try another", sometimes without a reason.
 */
#include "sim.h"

#define NETWORKS 0x0a460000u /* 10.70.0.0: behind the LNSs */
#define ASK_AGAIN (5 * MONO_S)
#define GROUP "uplink"

/* --- names --------------------------------------------------------------------------------------------- */

uint32_t
far_network(const char *number)
{
	unsigned lac = 0, line = 0;

	if (sscanf(number, "o%u-%u", &lac, &line) == 2)
		return NETWORKS | (lac + 1) << 8 | (line + 1);
	sscanf(number + 1, "%u", &line);
	return NETWORKS | (line + 1);
}

bool
far_password(const char *user, size_t len, char out[16])
{
	if (len <= 2 || len > 12 || memcmp(user, "u-", 2) != 0)
		return false;
	snprintf(out, 16, "p-%.*s", (int)len - 2, user + 2);
	return true;
}

static void
dial_conf(struct conf *c, const char *number, bool called)
{
	struct conf_dial *d = &c->dial[c->dials++];

	conf_dial_defaults(d);
	snprintf(d->name, sizeof d->name, "%s", number);
	snprintf(d->called, sizeof d->called, "%s", number);
	snprintf(d->user, sizeof d->user, "u-%s", number);
	snprintf(d->password, sizeof d->password, "p-%s", number);
	d->outgoing_ok = called;
	if (!called)
		snprintf(d->lns_group, sizeof d->lns_group, GROUP);
	d->redial_ms = 700;
	d->route_count = 1;
	d->routes[0] = (struct ip_prefix){ .addr = v4_endpoint(far_network(number), 0).addr, .len = 32 };
}

/* The second profile is the LNSs'; the first is copied for all else. */
void
far_conf(const struct plan *plan, struct conf *c)
{
	struct conf_lns_group *g = &c->lns_group[0];
	char number[16];

	if (!plan->lnss)
		return;
	c->profile[1] = c->profile[0];
	snprintf(c->profile[1].name, sizeof c->profile[1].name, "lnss");
	c->profile[1].peer = (struct ip_prefix){ .addr = v4_endpoint(LNS_ADDR, 0).addr, .len = 24 };
	c->profile[1].roles = ROLE_LAC | ROLE_CLIENT;
	c->profiles = 2;
	conf_lns_group_defaults(g);
	snprintf(g->name, sizeof g->name, GROUP);
	snprintf(g->profile, sizeof g->profile, "lnss");
	g->hold_off_ms = 3000;
	for (unsigned i = plan->lacs - plan->lnss; i < plan->lacs; i++) {
		g->member[g->members].peer = v4_endpoint(LNS_ADDR + i, L2TP_PORT);
		g->member[g->members++].preference = i;
		for (unsigned k = LINES - 2; k < LINES; k++) {
			snprintf(number, sizeof number, "o%u-%u", i, k);
			dial_conf(c, number, true);
		}
	}
	c->lns_groups = 1;
	for (unsigned k = 0; k < plan->dials; k++) {
		snprintf(number, sizeof number, "d%u", k);
		dial_conf(c, number, false);
	}
}

/* --- operators -------------------------------------------------------------------------------------------- */

static void
command(struct world *w, const char *text)
{
	struct node *n = sim_active_node(w);

	if (!n || !n->p[P_TC].up)
		return;
	tell(w, "%s  operator: %s", n->name, text);
	proc_post(&n->p[P_TC], msg_new(M_COMMAND, text, strlen(text) + 1), 0, true);
}

void
far_ask(struct line *s)
{
	struct lac *l = s->lac;
	char text[64];

	s->dial_at = l->w->now + rnd_time(l->w, 2 * MONO_S, 4 * MONO_S);
	snprintf(text, sizeof text, "call out %u %s", l->peer_tid, s->number);
	command(l->w, text);
}

static bool
forwarded(const struct world *w, const char *number)
{
	for (unsigned i = 0; i < LACS * LINES; i++) {
		const struct line *s = &w->lac[i / LINES].line[i % LINES];
		if (s->lac->lns && s->state != LINE_IDLE && strcmp(s->number, number) == 0)
			return true;
	}
	return false;
}

static void
forward(struct world *w, void *a, uint64_t b, uint64_t c)
{
	char number[16], text[320];

	for (unsigned k = 0; k < w->plan.forwards; k++) {
		snprintf(number, sizeof number, "f%u", k);
		if (forwarded(w, number) || w->now < w->forward_at[k])
			continue;
		w->forward_at[k] = w->now + ASK_AGAIN;
		snprintf(text, sizeof text, "call dial " GROUP " %s calling=55%u proxy-type=2 proxy-id=7 proxy-name=u-%s proxy-challenge=%016llx "
			 "proxy-response=%032x lcp-first=010405dc lcp-sent=0305c22305 lcp-received=010405dc", number, k, number,
			 (unsigned long long)rnd(w), k + 1);
		command(w, text);
	}
	at(w, w->now + rnd_time(w, 400 * MONO_MS, 900 * MONO_MS), forward, NULL, 0, 0);
}

/* What an operator of tunnel-ctl does to a tunnel that is alive and well. */
static void
meddle(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct lac *l = &w->lac[rnd_below(w, w->plan.lacs)];
	struct line *s = &l->line[rnd_below(w, LINES)];
	char text[64];

	if (w->now >= w->plan.calm_from)
		return;
	at(w, w->now + rnd_time(w, 300 * MONO_MS, 3 * MONO_S), meddle, NULL, 0, 0);
	if (l->state != LAC_UP || !l->peer_tid)
		return;
	switch (rnd_below(w, 4)) {
	case 0:
	case 1:
		snprintf(text, sizeof text, "tunnel recover %u", l->peer_tid);
		break;
	case 2:
		snprintf(text, sizeof text, "tunnel query %u", l->peer_tid);
		break;
	default:
		if (s->state != LINE_UP)
			return;
		s->hung_up = s->cleared = true;
		snprintf(text, sizeof text, "call clear %u/%u", l->peer_tid, s->peer_sid);
		break;
	}
	command(w, text);
}

void
far_start(struct world *w)
{
	if (w->plan.commands)
		at(w, w->now + rnd_time(w, MONO_S, 4 * MONO_S), meddle, NULL, 0, 0);
	if (w->plan.forwards)
		at(w, w->now + rnd_time(w, 0, 2 * MONO_S), forward, NULL, 0, 0);
}

/* --- a LAC is asked to dial (RFC 2661, 7.5.1) ------------------------------------------------------------------ */

static void
refuse(struct lac *l, uint16_t theirs, uint16_t result)
{
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	tell(l->w, "lac%u refuses call %u with %u", l->id, theirs, result);
	l2tp_msg_begin(&m, &w, L2TP_CDN, l->peer_tid, theirs);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, slac_fresh_id(l));
	l2tp_avp_result(&m, result, 0, "");
	slac_queue(l, &m, &w);
}

static struct line *
line_called(struct lac *l, const struct l2tp_msg *in)
{
	char called[32] = "";

	l2tp_msg_text(in, AVP_CALLED_NUMBER, called, sizeof called);
	for (unsigned i = 0; i < LINES; i++)
		if (l->line[i].outgoing && strcmp(l->line[i].number, called) == 0)
			return &l->line[i];
	return NULL;
}

void
far_asked(struct lac *l, const struct l2tp_msg *in)
{
	struct line *s = line_called(l, in);
	bool trouble = l->w->now < l->w->plan.calm_from && l->w->plan.hangups && chance(l->w, 1000);
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	uint16_t theirs = 0;

	l2tp_msg_u16(in, AVP_ASSIGNED_SESSION, &theirs);
	if (!theirs || !s) {
		violated(l->w, INV_NO_MALFORMED, "lac%u is asked for a call that has no id, or to a number that nobody wants", l->id);
		return;
	}
	if (s->state != LINE_IDLE || trouble) {
		refuse(l, theirs, s->state != LINE_IDLE ? 8 : 10); /* busy; not answered in time */
		return;
	}
	line_begin(s);
	s->peer_sid = theirs;
	s->state = LINE_WAIT_ANSWER;
	s->answer_at = l->w->now + rnd_time(l->w, 0, 400 * MONO_MS);
	tell(l->w, "lac%u is asked for line %u, session=%u", l->id, s->id, s->sid);
	l2tp_msg_begin(&m, &w, L2TP_OCRP, l->peer_tid, theirs);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, s->sid);
	slac_queue(l, &m, &w);
}

/* The line has answered. */
void
far_answer(struct line *s)
{
	struct lac *l = s->lac;
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	l2tp_msg_begin(&m, &w, L2TP_OCCN, l->peer_tid, s->peer_sid);
	l2tp_avp_u32(&m, AVP_TX_CONNECT_SPEED, 10000000);
	l2tp_avp_u32(&m, AVP_FRAMING_TYPE, 1);
	if (s->seq_required)
		l2tp_avp_empty(&m, AVP_SEQUENCING_REQUIRED);
	s->iccn_ns = l->ns;
	s->state = LINE_UP;
	s->up_at = l->w->now;
	slac_queue(l, &m, &w);
	peer_up(s);
}

/* --- an LNS: its tunnel ---------------------------------------------------------------------------------------------- */

/* Two requests of one tie breaker are one request, however late the second one comes. */
static bool
seen(struct lac *l, const struct l2tp_msg *in)
{
	struct span tie = span_of(NULL, 0);
	uint64_t h;

	l2tp_msg_span(in, AVP_TIE_BREAKER, &tie);
	h = hash_of(tie.p, tie.len) | 1;
	for (unsigned i = 0; i < SCCRQS; i++)
		if (l->sccrq[i] == h)
			return true;
	l->sccrq[l->sccrqs++ % SCCRQS] = h;
	return false;
}

static void
reply(struct lac *l, const struct l2tp_msg *in)
{
	uint8_t b[512], answer[L2TP_RESPONSE];
	struct wr w = wr_of(b, sizeof b);
	struct span theirs, secret = span_of(SECRET, strlen(SECRET));
	struct l2tp_wr m;
	char host[16];

	snprintf(host, sizeof host, "lns%u", l->id);
	l2tp_msg_begin(&m, &w, L2TP_SCCRP, l->peer_tid, 0);
	l2tp_avp_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(&m, AVP_HOST_NAME, host);
	l2tp_avp_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, l->tid);
	l2tp_avp_u16(&m, AVP_RECEIVE_WINDOW, (uint16_t)l->w->plan.lac_window);
	slac_failover(l, &m);
	if (l2tp_msg_span(in, AVP_CHALLENGE, &theirs)) {
		l2tp_auth_response(L2TP_SCCRP, secret, theirs, answer);
		l2tp_avp_bytes(&m, AVP_CHALLENGE_RESPONSE, answer, sizeof answer);
	}
	if (l->w->plan.require_auth) {
		rnd_fill(l->w, l->challenge, sizeof l->challenge);
		l2tp_avp_bytes(&m, AVP_CHALLENGE, l->challenge, sizeof l->challenge);
	}
	slac_queue(l, &m, &w);
}

/* False: it is none, or one of RFC 4951. */
bool
far_sccrq(struct lac *l, const struct l2tp_msg *in, struct span datagram)
{
	struct l2tp_recovery r;
	struct l2tp_failover f;
	uint16_t theirs = 0, window = 0;

	if (in->type != L2TP_SCCRQ || l2tp_msg_recovery(in, &r))
		return false;
	if (in->flag_lapses || in->malformed || in->misplaced || !l2tp_msg_u16(in, AVP_ASSIGNED_TUNNEL, &theirs) || !theirs) {
		violated(l->w, INV_NO_MALFORMED, "an SCCRQ to lac%u is wrong", l->id);
		return true;
	}
	if (seen(l, in))
		return true;
	if (l->state != LAC_DOWN)
		slac_down(l, "the pair begins another one");
	slac_begin(l);
	l->nr = 1;
	l->peer_tid = theirs;
	if (l2tp_msg_u16(in, AVP_RECEIVE_WINDOW, &window) && window)
		l->window = window < 64 ? window : 64;
	l->peer_failover = l2tp_msg_failover(in, &f) && f.control && f.data;
	l->peer_recovery = l->peer_failover ? f.recovery_ms * MONO_MS : 0;
	tell(l->w, "lac%u hears SCCRQ tunnel=%u, and is tunnel %u", l->id, theirs, l->tid);
	reply(l, in);
	return true;
}

void
far_scccn(struct lac *l, const struct l2tp_msg *in)
{
	struct span response;

	if (l->w->plan.require_auth && (!l2tp_msg_span(in, AVP_CHALLENGE_RESPONSE, &response) ||
	    !l2tp_auth_check(L2TP_SCCCN, span_of(SECRET, strlen(SECRET)), span_of(l->challenge, sizeof l->challenge), response))) {
		violated(l->w, INV_NO_MALFORMED, "the SCCCN to lac%u does not prove the secret", l->id);
		return;
	}
	l->state = LAC_UP;
	l->hello_due = l->w->now + l->w->plan.hello_ms * MONO_MS;
	slac_established(l);
}

/* --- an LNS: its calls (RFC 2661, 7.4.2, 7.5.2) ------------------------------------------------------------------------- */

static struct line *
free_line(struct lac *l)
{
	for (unsigned i = 0; i < LINES; i++)
		if (!l->line[i].outgoing && l->line[i].state == LINE_IDLE)
			return &l->line[i];
	return NULL;
}

void
far_icrq(struct lac *l, const struct l2tp_msg *in)
{
	struct line *s = free_line(l);
	bool trouble = l->w->now < l->w->plan.calm_from && l->w->plan.hangups && chance(l->w, 1000);
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;
	uint16_t theirs = 0;

	l2tp_msg_u16(in, AVP_ASSIGNED_SESSION, &theirs);
	if (!theirs || in->hdr.session) {
		violated(l->w, INV_NO_MALFORMED, "an ICRQ to lac%u has no id, or one of ours", l->id);
		return;
	}
	if (!s || trouble) {
		refuse(l, theirs, 4);
		return;
	}
	line_begin(s);
	s->peer_sid = theirs;
	s->state = LINE_WAIT_ANSWER;
	s->number[0] = 0;
	l2tp_msg_text(in, AVP_CALLED_NUMBER, s->number, sizeof s->number);
	s->bare = s->number[0] == 'f';
	tell(l->w, "lac%u line %u is called by %s, session=%u", l->id, s->id, s->number, s->sid);
	l2tp_msg_begin(&m, &w, L2TP_ICRP, l->peer_tid, theirs);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, s->sid);
	slac_queue(l, &m, &w);
}

/* What was said of the line's own PPP end has come here as it was said. */
static void
forwarded_as_told(const struct line *s, const struct l2tp_msg *in)
{
	char name[16] = "", want[24];
	struct span sent, received, challenge, response;
	uint16_t type = 0, id = 0;

	snprintf(want, sizeof want, "u-%s", s->number);
	l2tp_msg_text(in, AVP_PROXY_AUTHEN_NAME, name, sizeof name);
	l2tp_msg_u16(in, AVP_PROXY_AUTHEN_TYPE, &type);
	l2tp_msg_u16(in, AVP_PROXY_AUTHEN_ID, &id);
	if (strcmp(name, want) != 0 || type != 2 || id != 7 || !l2tp_msg_span(in, AVP_LAST_TX_CONFREQ, &sent) || sent.len != 5 ||
	    !l2tp_msg_span(in, AVP_LAST_RX_CONFREQ, &received) || received.len != 4 ||
	    !l2tp_msg_span(in, AVP_PROXY_AUTHEN_CHALLENGE, &challenge) || challenge.len != 8 ||
	    !l2tp_msg_span(in, AVP_PROXY_AUTHEN_RESPONSE, &response) || response.len != 16)
		violated(s->lac->w, INV_NO_MALFORMED, "the ICCN of %s says something else than the pair was told", s->number);
}

void
far_connected(struct line *s, const struct l2tp_msg *in)
{
	if (s->state != LINE_WAIT_ANSWER || s->outgoing != (in->type == L2TP_OCCN))
		return;
	s->seq_required = l2tp_msg_has(in, AVP_SEQUENCING_REQUIRED);
	s->state = LINE_UP;
	s->up_at = s->lac->w->now;
	tell(s->lac->w, "lac%u line %u is connected (%s)", s->lac->id, s->id, s->number);
	s->asked_at = s->up_at + MONO_S;
	if (s->bare)
		forwarded_as_told(s, in);
	else
		peer_up(s);
}

void
far_request(struct line *s)
{
	struct lac *l = s->lac;
	uint8_t b[256];
	struct wr w = wr_of(b, sizeof b);
	struct l2tp_wr m;

	line_begin(s);
	tell(l->w, "lac%u sends OCRQ session=%u line %u", l->id, s->sid, s->id);
	l2tp_msg_begin(&m, &w, L2TP_OCRQ, l->peer_tid, 0);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, s->sid);
	l2tp_avp_u32(&m, AVP_CALL_SERIAL, s->serial);
	l2tp_avp_u32(&m, AVP_MINIMUM_BPS, 1000);
	l2tp_avp_u32(&m, AVP_MAXIMUM_BPS, 10000000);
	l2tp_avp_u32(&m, AVP_BEARER_TYPE, 1);
	l2tp_avp_u32(&m, AVP_FRAMING_TYPE, 1);
	l2tp_avp_text(&m, AVP_CALLED_NUMBER, s->number);
	slac_queue(l, &m, &w);
}

void
far_replied(struct line *s, const struct l2tp_msg *in)
{
	if (s->state != LINE_WAIT_REPLY || !s->outgoing || !l2tp_msg_u16(in, AVP_ASSIGNED_SESSION, &s->peer_sid))
		return;
	s->state = LINE_WAIT_ANSWER;
}
