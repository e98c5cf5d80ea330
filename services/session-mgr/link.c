// SPDX-License-Identifier: Apache-2.0
/*
 * A PPP link from the call that carries it to the call's end.
 *
 *	call established ──► ppp_link_up ──► ... VERIFY ──► AAA ──► auth_result
 *	                                     NETWORK ──► ppp_link_network ──► NET_UP: workers forward
 *	FINISHED ──► link row says hangup, with causes ──► tunnel-ctl ends the call ──► call gone ──► rows gone
 *	call gone at any moment ──► ppp_link_down ──► rows gone
 *
 * Everything that one event does to one session is a step: lib/ppp is called and reports, what it asks for is
 * answered, then the records go out, then the frames and questions that depend on them.  Frames of one session
 * that came together are one step: its row is written once, as the last of them left it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sm_int.h"

/* What a refused subscriber, its peer and tunnel-ctl hear. */
static const struct {
	uint16_t cdn_result; /* RFC 2661, 4.4.2: 4 temporary, 5 permanent lack of facilities */
	uint16_t cause;	     /* RFC 3145 */
	uint16_t proto;
	uint8_t direction;
	const char *text;
} refusals[REFUSALS] = {
	[REFUSAL_UNANSWERED] = { 4, 0, 0, 0, "authentication service not available" },
	[REFUSAL_POOL_UNKNOWN] = { 5, PPP_CAUSE_NO_ADDRESS, 0x8021, 2, "address pool unknown" },
	[REFUSAL_POOL_EXHAUSTED] = { 4, PPP_CAUSE_NO_ADDRESS, 0x8021, 2, "no address available" },
	[REFUSAL_TAKEN] = { 4, PPP_CAUSE_NO_ADDRESS, 0x8021, 2, "address in use" },
	[REFUSAL_OWN] = { 5, PPP_CAUSE_NO_ADDRESS, 0x8021, 2, "address not usable" },
	[REFUSAL_NO_ADDRESS] = { 5, PPP_CAUSE_NO_ADDRESS, 0x8021, 2, "no address for this user" },
};

/* RFC 2866, 5.10 for the causes of RFC 3145. */
static enum acct_terminate
terminate_cause(const struct ppp_cause *c)
{
	switch (c->code) {
	case PPP_CAUSE_ADMIN:
		return TERM_ADMIN_RESET;
	case PPP_CAUSE_NORMAL:
		return c->direction == 1 ? TERM_USER_REQUEST : TERM_NAS_REQUEST;
	case PPP_CAUSE_ECHO:
		return TERM_LOST_SERVICE;
	case PPP_CAUSE_NONE:
		return TERM_LOST_CARRIER;
	default:
		return TERM_USER_ERROR;
	}
}

/* ---- What lib/ppp reports. */

static bool
frames_room(struct sm *sm, size_t n)
{
	size_t cap = sm->frames_cap ? sm->frames_cap : 8192;
	uint8_t *more;

	while (cap < sm->frames_len + n)
		cap *= 2;
	if (cap == sm->frames_cap)
		return true;
	more = realloc(sm->frames, cap);
	if (!more)
		return false;
	sm->frames = more;
	sm->frames_cap = cap;
	return true;
}

/* Kept until the records of this step are out: length, flag, octets. */
static void
on_send(struct ppp_out *out, struct span frame, bool reveals_nothing)
{
	struct sm *sm = ((struct step *)out)->sm;
	uint8_t *at;

	if (frame.len > UINT16_MAX || !frames_room(sm, frame.len + 3)) {
		sm_count(sm, SM_NO_MEMORY);
		return;
	}
	at = sm->frames + sm->frames_len;
	put_u16(at, (uint16_t)frame.len);
	at[2] = reveals_nothing;
	memcpy(at + 3, frame.p, frame.len);
	sm->frames_len += frame.len + 3;
}

static void
fill_call(struct step *st, struct aaa_request *q)
{
	const struct tun *t = tun_find(st->sm, q->tunnel);
	const Row__CallInfo *info = sess_info(st->sm, st->s);
	Row__Subscriber *sub = sub_of(st);

	copy_text(q->calling, sizeof q->calling, info ? info->calling : sub ? sub->calling : "");
	copy_text(q->called, sizeof q->called, info ? info->called : sub ? sub->called : "");
	if (info)
		q->line_len = (uint8_t)line_radius(span_of(info->access_line.data, info->access_line.len), q->line);
	else if (sub && sub->line_radius.len && sub->line_radius.len <= sizeof q->line)
		memcpy(q->line, sub->line_radius.data, q->line_len = (uint8_t)sub->line_radius.len);
	if (!t)
		return;
	q->client_endpoint = t->peer;
	q->server_endpoint = t->local;
	copy_text(q->client_auth_id, sizeof q->client_auth_id, name_text(t->peer_host));
}

static void
on_verify(struct step *st, const struct ppp_event *ev)
{
	struct aaa_request *q = &st->sm->ask;
	struct sess *s = st->s;

	memset(q, 0, sizeof *q);
	q->token = s->ask_token = ++st->sm->token;
	s->ask_serial = ev->verify.serial;
	s->ask_auth = (uint8_t)ev->verify.auth | (ev->verify.proxied ? 0x80 : 0);
	q->tunnel = sess_tunnel(s);
	q->session = sess_session(s);
	q->auth = (uint8_t)ev->verify.auth;
	q->chap_id = ev->verify.id;
	q->name_len = ev->verify.name.len < AAA_TEXT ? (uint8_t)ev->verify.name.len : AAA_TEXT - 1;
	q->challenge_len = ev->verify.challenge.len < 255 ? (uint8_t)ev->verify.challenge.len : 255;
	q->response_len = ev->verify.response.len < 255 ? (uint8_t)ev->verify.response.len : 255;
	if (q->name_len)
		memcpy(q->name, ev->verify.name.p, q->name_len);
	if (q->challenge_len)
		memcpy(q->challenge, ev->verify.challenge.p, q->challenge_len);
	if (q->response_len)
		memcpy(q->response, ev->verify.response.p, q->response_len);
	fill_call(st, q);
	st->asked = true;
}

static void
on_lcp_up(struct step *st, const struct ppp_event *ev)
{
	struct sess *s = st->s;

	s->mtu = ev->lcp.peer_mru;
	s->pfc = ev->lcp.pfc;
	s->acfc = ev->lcp.acfc;
	s->accm_send = ev->lcp.accm_send;
	s->accm_recv = ev->lcp.accm_recv;
	s->accm_known = true;
	st->link_dirty = true;
}

static void
on_event(struct ppp_out *out, const struct ppp_event *ev)
{
	struct step *st = (struct step *)out;

	switch (ev->kind) {
	case PPP_EV_LCP_UP:
		on_lcp_up(st, ev);
		break;
	case PPP_EV_LCP_DOWN:
		st->s->ask_token = 0; /* whatever was asked, it is not about this negotiation any more */
		st->asked = false;
		sub_net_down(st, PPP_CP_IPCP);
		sub_net_down(st, PPP_CP_IPV6CP);
		sub_net_down(st, PPP_CP_MUX);
		break;
	case PPP_EV_VERIFY:
		on_verify(st, ev);
		break;
	case PPP_EV_AUTH_OK:
		break;
	case PPP_EV_NETWORK:
		st->want_network = true;
		break;
	case PPP_EV_NET_UP:
		sub_net_up(st, ev);
		break;
	case PPP_EV_NET_DOWN:
		sub_net_down(st, ev->net.cp);
		break;
	case PPP_EV_HC_REFUSED:
		sub_trunk_refused(st, ev->states);
		break;
	case PPP_EV_PREFIX:
		sub_prefix(st, ev->prefix);
		break;
	case PPP_EV_FINISHED:
		st->finished = true;
		st->cause = ev->cause;
		break;
	case PPP_EV_FAULT:
		if (ev->fault < PPP_FAULTS)
			st->sm->ppp_counts[ev->fault]++;
		break;
	}
}

static bool
on_accept4(struct ppp_out *out, uint32_t asked)
{
	return sub_accept4((struct step *)out, asked);
}

/* ---- A step. */

static const struct conf_dial *
dial_named(const struct sm *sm, const char *name)
{
	for (unsigned i = 0; i < sm->dials; i++)
		if (strcmp(sm->dial[i].name, name) == 0)
			return &sm->dial[i];
	return NULL;
}

/* Which ppp profile, and which policy about proxy LCP: both are the peer's. */
static unsigned
ppp_of(struct sm *sm, const struct sess *s, enum conf_proxy *proxy)
{
	const struct tun *t = tun_find(sm, sess_tunnel(s));

	*proxy = PROXY_RENEGOTIATE;
	for (unsigned i = 0; t && i < sm->profiles; i++)
		if (strcmp(sm->profile[i].name, name_text(t->profile)) == 0) {
			*proxy = sm->profile[i].proxy;
			return sm->profile[i].ppp;
		}
	return 0;
}

const struct ppp_conf *
sess_ppp_conf(struct sm *sm, const struct sess *s)
{
	enum conf_proxy proxy;
	unsigned i = ppp_of(sm, s, &proxy);

	return &sm->ppp_conf[i][proxy];
}

/* The client end: nobody is asked to authenticate, we submit to whatever is asked of us. */
static void
client_conf(struct step *st, const struct conf_dial *d)
{
	struct ppp_conf *c = &st->client_conf;

	*c = *st->ppp_conf;
	c->client = true;
	c->auths = 0;
	c->answers = 3;
	c->answer[0] = PPP_AUTH_MSCHAPV2;
	c->answer[1] = PPP_AUTH_CHAP_MD5;
	c->answer[2] = PPP_AUTH_PAP;
	c->ask_dns = true;
	if (d) {
		c->name = span_of(d->user, strlen(d->user));
		c->password = span_of(d->password, strlen(d->password));
	}
	st->ppp_conf = c;
}

void
step_begin(struct step *st, struct sm *sm, struct sess *s, struct sm_time t, struct sink *sink)
{
	enum conf_proxy proxy;
	unsigned i = ppp_of(sm, s, &proxy);

	memset(st, 0, offsetof(struct step, client_conf));
	st->out = (struct ppp_out){ on_send, on_event, on_accept4 };
	st->sm = sm;
	st->s = s;
	st->sink = sink;
	st->t = t;
	st->conf = &sm->ppp[i];
	st->ppp_conf = &sm->ppp_conf[i][proxy];
	st->sub = NULL;
	st->sub_read = st->sub_dirty = st->link_dirty = false;
	st->want_network = st->want_close = st->finished = st->asked = false;
	st->cause = st->close_cause = (struct ppp_cause){ 0 };
	if (s->client)
		client_conf(st, dial_named(sm, name_text(s->dial)));
	arena_reset(&sm->step_arena);
	sm->frames_len = 0;
	s->in_step = true;
}

static struct ppp_ctx
ctx(struct step *st)
{
	st->sm->env.random(st->sm->env.arg, st->random, sizeof st->random);
	return (struct ppp_ctx){ .conf = st->ppp_conf, .now = st->t.now, .random = st->random, .out = &st->out };
}

static void
begin_network(struct step *st)
{
	static const struct aaa_grant nothing;
	struct ppp_ctx c;
	struct ppp_net net;

	/* No authentication was asked for: addresses as the profile says. */
	if (!st->s->client && !sub_of(st)) {
		st->s->refusal = sub_grant(st, &nothing, "", "none", true);
	}
	c = ctx(st);
	if (!sub_net(st, &net)) {
		st->want_close = true;
		st->close_cause = (struct ppp_cause){ PPP_CAUSE_NO_ADDRESS, 0x8021, 2 };
		return;
	}
	st->link_dirty |= ppp_link_network(st->s->ppp, &c, &net);
}

/* What the reports of this step ask for; answers bring new reports. */
static void
follow_up(struct step *st)
{
	for (int rounds = 0; rounds < 8 && st->s->ppp && !st->finished; rounds++) {
		struct ppp_ctx c;

		if (st->want_network) {
			st->want_network = false;
			begin_network(st);
		} else if (st->want_close) {
			st->want_close = false;
			c = ctx(st);
			st->link_dirty |= ppp_link_close(st->s->ppp, &c, st->close_cause);
		} else {
			return;
		}
	}
}

static void
put_link(struct step *st, bool hangup)
{
	struct sess *s = st->s;
	struct key k = key_session(sess_tunnel(s), sess_session(s));
	Row__Link row = ROW__LINK__INIT;
	uint8_t saved[PPP_SAVE_MAX];
	enum refusal r = hangup ? s->refusal : REFUSAL_NONE;

	row.tunnel = sess_tunnel(s);
	row.session = sess_session(s);
	row.client = s->client;
	row.call_peer_id = s->link_ident.peer_id;
	row.call_serial = s->link_ident.serial;
	row.call_since = s->link_ident.since;
	row.mtu = s->mtu;
	row.pfc = s->pfc;
	row.acfc = s->acfc;
	row.accm_send = s->accm_send;
	row.accm_recv = s->accm_recv;
	row.accm_known = s->accm_known;
	row.hangup = hangup;
	if (hangup) {
		row.cdn_result = r ? refusals[r].cdn_result : 3; /* administrative: PPP came to its end */
		row.cdn_message = (char *)(r ? refusals[r].text : ppp_cause_name(st->cause.code));
		row.cause_code = r && refusals[r].cause ? refusals[r].cause : st->cause.code;
		row.cause_proto = r && refusals[r].cause ? refusals[r].proto : st->cause.proto;
		row.cause_direction = r && refusals[r].cause ? refusals[r].direction : st->cause.direction;
		row.cause_message = row.cdn_message;
	} else {
		row.phase = ppp_link_phase(s->ppp);
		row.automata = (ProtobufCBinaryData){ ppp_link_save(s->ppp, saved, sizeof saved), saved };
	}
	put(st->sm, st->sink, TABLE_LINK, key_span(&k), &row.base);
}

static void
emit_frames(struct step *st)
{
	struct sm *sm = st->sm;

	for (size_t at = 0; at < sm->frames_len;) {
		size_t n = get_u16(sm->frames + at);
		struct effect e = {
			.kind = EFFECT_PPP,
			.reveals_nothing = sm->frames[at + 2],
			.tunnel = sess_tunnel(st->s),
			.session = sess_session(st->s),
			.bytes = span_of(sm->frames + at + 3, n),
		};

		sink_effect(st->sink, &e);
		sm_count(sm, SM_FRAMES_OUT);
		at += n + 3;
	}
	sm->frames_len = 0;
}

/* A question reveals nothing that a switchover could contradict: asked again, it gets the same answer. */
static void
emit_question(struct step *st)
{
	struct effect e = {
		.kind = EFFECT_AAA,
		.reveals_nothing = true,
		.tunnel = sess_tunnel(st->s),
		.session = sess_session(st->s),
		.detail = &st->sm->ask,
		.detail_len = sizeof st->sm->ask,
	};

	if (!st->asked)
		return;
	sm_count(st->sm, SM_AAA_ASKED);
	sink_effect(st->sink, &e);
}

void
step_end(struct step *st)
{
	struct sess *s = st->s;

	follow_up(st);
	if (st->finished && s->link) {
		sub_end(st, s->term ? s->term : terminate_cause(&st->cause));
		put_link(st, true);
		sm_count(st->sm, SM_LINKS_FINISHED);
	} else {
		sub_flush(st);
		if (st->link_dirty && s->ppp)
			put_link(st, false);
	}
	emit_frames(st);
	emit_question(st);
	s->in_step = false;
	sess_schedule(st->sm, s, st->t);
}

/* ---- Deadlines. */

static mono_t
at_wall(struct sm_time t, uint64_t wall)
{
	mono_t now = t.now ? t.now : 1;

	if (wall <= t.wall)
		return now;
	if (wall - t.wall > 400u * 86400)
		return now + (mono_t)400 * 86400 * MONO_S;
	return now + (mono_t)(wall - t.wall) * MONO_S;
}

#define IDLE_GRACE 30 /* seconds after a switchover: the checkpoint of last_active may be that old */

static mono_t
idle_at(const struct sm *sm, const struct sess *s, struct sm_time t)
{
	uint64_t last = s->usage && s->usage->last_active > s->since ? s->usage->last_active : s->since;
	mono_t at = at_wall(t, last + s->idle_timeout);

	if (at < sm->activated + IDLE_GRACE * MONO_S)
		at = sm->activated + IDLE_GRACE * MONO_S;
	return at;
}

static bool
ending(const struct sess *s)
{
	return s->term != 0 || !s->ppp || !s->sub;
}

static uint64_t
next_interim(const struct sess *s, uint64_t wall)
{
	uint64_t age = wall > s->since ? wall - s->since : 0;

	return s->since + (age / s->interim + 1) * s->interim;
}

void
sess_schedule(struct sm *sm, struct sess *s, struct sm_time t)
{
	mono_t at = s->ppp ? ppp_link_next_due(s->ppp) : MONO_NEVER;

	if (!ending(s) && s->session_timeout)
		at = mono_sooner(at, at_wall(t, s->since + s->session_timeout));
	if (!ending(s) && s->idle_timeout && s->forwarding)
		at = mono_sooner(at, idle_at(sm, s, t));
	if (!ending(s) && s->interim) {
		if (!s->interim_at)
			s->interim_at = next_interim(s, t.wall);
		at = mono_sooner(at, at_wall(t, s->interim_at));
	}
	if (s->usage)
		at = mono_sooner(at, s->usage->checkpoint_at);
	if (!due_set(&sm->due, &s->due, at))
		sm_count(sm, SM_NO_MEMORY);
}

void
link_close(struct step *st, struct ppp_cause cause, enum acct_terminate why)
{
	struct ppp_ctx c = ctx(st);

	st->s->term = (uint8_t)why;
	if (st->s->ppp)
		st->link_dirty |= ppp_link_close(st->s->ppp, &c, cause);
}

static void
limits_due(struct step *st)
{
	static const struct ppp_cause by_us = { PPP_CAUSE_NORMAL, 0, 2 };
	struct sess *s = st->s;

	if (ending(s))
		return;
	if (s->session_timeout && st->t.wall >= s->since + s->session_timeout) {
		sm_count(st->sm, SM_SESSION_TIMEOUT);
		link_close(st, by_us, TERM_SESSION_TIMEOUT);
	} else if (s->idle_timeout && s->forwarding && idle_at(st->sm, s, st->t) <= st->t.now) {
		sm_count(st->sm, SM_IDLE_TIMEOUT);
		link_close(st, by_us, TERM_IDLE_TIMEOUT);
	} else if (s->interim && s->interim_at && st->t.wall >= s->interim_at) {
		s->interim_at = next_interim(s, st->t.wall);
		sub_interim(st);
	}
}

void
link_due(struct step *st)
{
	struct sess *s = st->s;
	struct ppp_ctx c;

	if (s->usage && s->usage->checkpoint_at && s->usage->checkpoint_at <= st->t.now)
		usage_checkpoint(st->sm, s, st->sink);
	if (s->ppp && ppp_link_next_due(s->ppp) && ppp_link_next_due(s->ppp) <= st->t.now) {
		c = ctx(st);
		st->link_dirty |= ppp_link_timer(s->ppp, &c);
	}
	if (!st->finished)
		limits_due(st);
}

/* ---- Inputs. */

void
link_frame(struct step *st, struct span octets)
{
	struct ppp_ctx c = ctx(st);

	st->link_dirty |= ppp_link_input(st->s->ppp, &c, octets);
	follow_up(st);
}

bool
link_listens(const struct step *st)
{
	return st->s->ppp && !st->finished;
}

/* "pap by radius", "proxy-chap-md5 by users-file" */
static void
how_proved(const struct sess *s, bool local, char *out, size_t cap)
{
	const char *const words[] = { s->ask_auth & 0x80 ? "proxy-" : "", ppp_auth_name((enum ppp_auth)(s->ask_auth & 0x7f)),
				      " by ", local ? "users-file" : "radius" };

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
		copy_text(out, cap, words[i]);
		cap -= strlen(out);
		out += strlen(out);
	}
}

void
link_answer(struct step *st, const struct aaa_answer *a)
{
	struct sess *s = st->s;
	struct ppp_auth_result r = { .serial = s->ask_serial, .message = span_of(a->message, strnlen(a->message, AAA_TEXT)) };
	struct ppp_ctx c;
	Row__Subscriber *sub = sub_of(st);
	bool accepted = a->verdict == AAA_ACCEPT;
	char how[48];

	s->ask_token = 0;
	st->sm->counts[SM_AAA_ATTRIBUTES_BAD] += a->grant.ignored;
	how_proved(s, a->local, how, sizeof how);
	s->refusal = a->verdict == AAA_UNANSWERED ? REFUSAL_UNANSWERED : REFUSAL_NONE;
	/* Challenged again while open, and now under another name: no (RFC 1994, 4.1). */
	if (accepted && sub && sub->forwarding && strcmp(sub->user, a->user) != 0)
		accepted = false;
	if (accepted)
		s->refusal = sub_grant(st, &a->grant, a->user, how, a->local);
	r.ok = accepted && s->refusal == REFUSAL_NONE;
	if (s->refusal != REFUSAL_NONE)
		r.message = span_of(refusals[s->refusal].text, strlen(refusals[s->refusal].text));
	memcpy(r.mschap_proof, a->mschap_proof, sizeof r.mschap_proof);
	sm_count(st->sm, a->verdict == AAA_ACCEPT ? SM_AAA_ACCEPTED :
			 a->verdict == AAA_REJECT ? SM_AAA_REJECTED : SM_AAA_UNANSWERED);
	c = ctx(st);
	st->link_dirty |= ppp_link_auth_result(s->ppp, &c, &r);
}

/* ---- Calls and links compared. */

static void
proxy_of(struct step *st, struct ppp_proxy *p)
{
	const Row__CallInfo *i = sess_info(st->sm, st->s);

	*p = (struct ppp_proxy){ 0 };
	if (!i)
		return;
	p->initial_rcvd = span_of(i->init_rcvd_lcp.data, i->init_rcvd_lcp.len);
	p->last_sent = span_of(i->last_sent_lcp.data, i->last_sent_lcp.len);
	p->last_rcvd = span_of(i->last_rcvd_lcp.data, i->last_rcvd_lcp.len);
	p->auth_type = (uint16_t)i->proxy_auth_type;
	p->auth_id = (uint8_t)i->proxy_auth_id;
	p->auth_name = span_of(i->proxy_auth_name.data, i->proxy_auth_name.len);
	p->auth_challenge = span_of(i->proxy_auth_challenge.data, i->proxy_auth_challenge.len);
	p->auth_response = span_of(i->proxy_auth_response.data, i->proxy_auth_response.len);
}

static void
link_start(struct sm *sm, struct sess *s, struct sm_time t, struct sink *sink)
{
	struct step st;
	struct ppp_proxy proxy;
	struct ppp_ctx c;

	s->ppp = malloc(sizeof *s->ppp);
	if (!s->ppp) {
		sm_count(sm, SM_NO_MEMORY);
		return;
	}
	s->client = s->call_role == ROLE_CLIENT;
	s->link_ident = s->call_ident;
	s->mtu = 1500;
	s->pfc = s->acfc = s->term = s->refusal = 0;
	s->accm_send = s->accm_recv = s->accm_known = 0;
	s->link = true;
	sess_counted(sm, s);
	s->hangup = false;
	step_begin(&st, sm, s, t, sink);
	ppp_link_init(s->ppp);
	proxy_of(&st, &proxy);
	c = ctx(&st);
	ppp_link_up(s->ppp, &c, s->client ? NULL : &proxy);
	st.link_dirty = true;
	sm_count(sm, SM_LINKS_STARTED);
	step_end(&st);
}

/* The call is gone, or is another one: nothing can be sent, everything of this link goes. */
static void
link_gone(struct sm *sm, struct sess *s, struct sm_time t, struct sink *sink)
{
	struct key k = key_session(sess_tunnel(s), sess_session(s));
	struct step st;
	struct ppp_ctx c;

	step_begin(&st, sm, s, t, sink);
	if (s->ppp) {
		c = ctx(&st);
		ppp_link_down(s->ppp, &c);
		sm_count(sm, SM_LINKS_CALL_GONE);
	}
	sm->frames_len = 0;
	sub_end(&st, s->term ? s->term : TERM_LOST_CARRIER);
	if (s->link)
		put(sm, sink, TABLE_LINK, key_span(&k), NULL);
	s->term = s->refusal = 0;
	s->ask_token = 0;
	s->in_step = false;
	sess_schedule(sm, s, t);
}

/* After load, on the node that goes on. */
static void
link_resume(struct sm *sm, struct sess *s, struct sm_time t, struct sink *sink)
{
	struct step st;
	struct ppp_ctx c;

	s->ppp = malloc(sizeof *s->ppp);
	if (!s->ppp) {
		sm_count(sm, SM_NO_MEMORY);
		return;
	}
	step_begin(&st, sm, s, t, sink);
	ppp_link_init(s->ppp);
	c = ctx(&st);
	if (ppp_link_load(s->ppp, &c, span_of(s->saved, s->saved_len))) {
		c = ctx(&st);
		st.link_dirty |= ppp_link_resume(s->ppp, &c);
		sm_count(sm, SM_LINKS_RESUMED);
	} else {
		st.finished = true; /* a snapshot from another world: end it in order */
		st.cause = (struct ppp_cause){ PPP_CAUSE_NONE, 0, 0 };
	}
	free(s->saved);
	s->saved = NULL;
	s->saved_len = 0;
	step_end(&st);
}

static bool
ppp_is_ours(const struct sess *s)
{
	return s->call_up && (s->call_role == ROLE_LNS || s->call_role == ROLE_CLIENT);
}

void
sess_reconcile(struct sm *sm, struct sess *s, struct sm_time t, struct sink *sink)
{
	bool right = s->link && ppp_is_ours(s) && same_call(&s->call_ident, &s->link_ident);

	if (!right && (s->link || s->sub || s->held || s->usage))
		link_gone(sm, s, t, sink);
	else if (right && !s->ppp && !s->hangup)
		link_resume(sm, s, t, sink);
	if (!s->link && ppp_is_ours(s))
		link_start(sm, s, t, sink);
	sess_drop_if_empty(sm, s);
}
