// SPDX-License-Identifier: Apache-2.0
/*
 * The session core under a tape: an active core, a shadow fed with every row, PPP peers made of lib/ppp's
 * client ends, tunnel-ctl and workers played by the test.  The shadow is compared with the active after
 * every step: what the twin knows is what the active knows.
 */
#ifndef TWIN_TEST_SM_RIG_H
#define TWIN_TEST_SM_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "ppp/ppp.h"
#include "rows.pb-c.h"
#include "sm.h"
#include "users.h"

#define PEERS 8
#define FRAMES 512
#define TAPE 65536

struct peer {
	struct ppp_out out; /* first */
	struct rig *rig;
	struct ppp_link link;
	struct ppp_conf conf;
	uint16_t tunnel, session;
	bool up4, up6, finished, server;
	struct ppp_event net4, net6;
	uint32_t ask4;
};

struct in_flight {
	bool to_peer;
	unsigned peer;
	uint16_t tunnel, session;
	size_t len;
	uint8_t b[PPP_FRAME_MAX];
};

/* The store: the latest row of each key.  A new shadow is filled from it. */
struct stored {
	UT_hash_handle hh;
	struct {
		uint32_t table, len;
		uint8_t b[KEY_MAX];
	} key;
	unsigned writes;
	bool there;
	size_t len;
	uint8_t row[4096];
};

struct rig {
	struct sink sink; /* first */
	struct stored *store;
	struct sm *active, *shadow;
	struct conf *conf;
	struct users *users;
	struct sm_time t;
	uint64_t seed;
	uint8_t random[PPP_RANDOM];
	struct peer peer[PEERS];
	struct in_flight frame[FRAMES];
	unsigned frames, next;
	struct aaa_request ask[64];
	unsigned asks, asked;
	struct acct_ask acct[64];
	unsigned accts, acct_seen;
	bool hold_aaa, hold_acct, no_compare;
	bool together; /* frames from peers that follow each other reach the core as one event */
	unsigned records, steps, promote_at; /* promote the shadow after this step; 0 never */
	unsigned promotions;
	enum aaa_verdict force; /* a verdict other than the users file's */
	bool forced;
	char tape[TAPE]; /* "subscriber +" lines: what happened to tables of interest */
	size_t tape_len;
	struct arena arena;
};

static inline void
rig_random(void *arg, uint8_t *out, size_t n)
{
	struct rig *r = arg;

	for (size_t i = 0; i < n; i++) {
		r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
		out[i] = (uint8_t)(r->seed >> 56);
	}
}

static inline void
tape(struct rig *r, const char *line)
{
	r->tape_len += (size_t)snprintf(r->tape + r->tape_len, TAPE - r->tape_len, "%s\n", line);
	ck_assert_uint_lt(r->tape_len, TAPE);
}

static inline void
store_row(struct rig *r, enum table t, struct span key, struct span row, bool removed)
{
	struct stored *x, like;

	memset(&like.key, 0, sizeof like.key);
	like.key.table = t;
	like.key.len = (uint32_t)key.len;
	memcpy(like.key.b, key.p, key.len);
	HASH_FIND(hh, r->store, &like.key, sizeof like.key, x);
	if (!x) {
		x = calloc(1, sizeof *x);
		x->key = like.key;
		HASH_ADD(hh, r->store, key, sizeof x->key, x);
	}
	ck_assert_uint_le(row.len, sizeof x->row);
	x->there = !removed;
	x->writes += !removed;
	x->len = row.len;
	if (row.len)
		memcpy(x->row, row.p, row.len);
}

static inline void
rig_record(struct sink *sink, enum table table, struct span key, const ProtobufCMessage *row)
{
	struct rig *r = (struct rig *)sink;
	uint8_t b[8192];
	size_t n = row ? protobuf_c_message_get_packed_size(row) : 0;

	ck_assert_uint_le(n, sizeof b);
	if (row)
		protobuf_c_message_pack(row, b);
	r->records++;
	store_row(r, table, key, span_of(b, n), !row);
	if (r->shadow)
		sm_apply(r->shadow, table, key, span_of(b, n), !row);
	if (table == TABLE_ACCT && row) {
		char line[32];

		snprintf(line, sizeof line, "acct %u", ((const Row__Acct *)row)->kind);
		tape(r, line);
	} else if (table == TABLE_LINK && row && ((const Row__Link *)row)->hangup) {
		const Row__Link *l = (const Row__Link *)row;
		char line[200];

		snprintf(line, sizeof line, "hangup result=%u cause=%u direction=%u %s", l->cdn_result, l->cause_code,
			 l->cause_direction, l->cdn_message);
		tape(r, line);
	}
}

static inline void
rig_effect(struct sink *sink, const struct effect *e)
{
	struct rig *r = (struct rig *)sink;

	if (e->kind == EFFECT_PPP) {
		struct in_flight *f = &r->frame[r->frames];

		ck_assert_uint_lt(r->frames, FRAMES);
		*f = (struct in_flight){ .to_peer = true, .tunnel = e->tunnel, .session = e->session, .len = e->bytes.len };
		memcpy(f->b, e->bytes.p, e->bytes.len);
		r->frames++;
	} else if (e->kind == EFFECT_AAA) {
		ck_assert_uint_lt(r->asks, 64);
		memcpy(&r->ask[r->asks++], e->detail, e->detail_len);
	} else {
		ck_assert_uint_lt(r->accts, 64);
		memcpy(&r->acct[r->accts++], e->detail, e->detail_len);
	}
}

static inline void
rig_note(struct sink *sink, enum note_level level, const char *line)
{
}

static inline void
rig_compare(struct rig *r)
{
	char *a, *b;

	if (!r->shadow || r->no_compare)
		return;
	a = sm_dump(r->active);
	b = sm_dump(r->shadow);
	ck_assert_str_eq(a, b);
	free(a);
	free(b);
}

static inline struct sm *
rig_core(struct rig *r)
{
	struct sm_env env = { rig_random, r };
	struct sm *sm = sm_new(&env);

	sm_configure(sm, r->conf);
	return sm;
}

/* A row of tunnel-ctl: both nodes see it. */
static inline void
foreign(struct rig *r, enum table t, struct key k, const ProtobufCMessage *row)
{
	uint8_t b[4096];
	size_t n = row ? protobuf_c_message_pack(row, b) : 0;

	store_row(r, t, key_span(&k), span_of(b, n), !row);
	sm_apply(r->active, t, key_span(&k), span_of(b, n), !row);
	if (r->shadow)
		sm_apply(r->shadow, t, key_span(&k), span_of(b, n), !row);
}

/* The active dies; its shadow goes on.  What was in flight stays in flight: it was committed. */
static inline void
rig_new_shadow(struct rig *r)
{
	struct stored *x, *tmp;

	r->shadow = rig_core(r);
	HASH_ITER (hh, r->store, x, tmp)
		if (x->there)
			sm_apply(r->shadow, (enum table)x->key.table, span_of(x->key.b, x->key.len),
				 span_of(x->row, x->len), false);
}

static inline void
rig_promote(struct rig *r)
{
	sm_free(r->active);
	r->active = r->shadow;
	r->shadow = NULL;
	r->asks = r->asked = 0;
	r->accts = r->acct_seen = 0;
	r->promotions++;
	r->t.now += 100 * MONO_MS;
	sm_activate(r->active, r->t, &r->sink);
}

static inline void
step(struct rig *r, const struct sm_event *ev)
{
	sm_step(r->active, r->t, ev, &r->sink);
	rig_compare(r);
	if (++r->steps == r->promote_at)
		rig_promote(r);
}

static inline void
tick(struct rig *r)
{
	struct sm_event ev = { .kind = SM_EV_TICK };

	step(r, &ev);
}

/* ---- Peers. */

static inline void
peer_send(struct ppp_out *out, struct span frame, bool reveals_nothing)
{
	struct peer *p = (struct peer *)out;
	struct rig *r = p->rig;
	struct in_flight *f = &r->frame[r->frames];

	ck_assert_uint_lt(r->frames, FRAMES);
	*f = (struct in_flight){ .tunnel = p->tunnel, .session = p->session, .len = frame.len };
	memcpy(f->b, frame.p, frame.len);
	r->frames++;
}

static inline void
peer_event(struct ppp_out *out, const struct ppp_event *ev)
{
	struct peer *p = (struct peer *)out;

	if (ev->kind == PPP_EV_NET_UP && ev->net.cp == PPP_CP_IPCP) {
		p->up4 = true;
		p->net4 = *ev;
	}
	if (ev->kind == PPP_EV_NET_UP && ev->net.cp == PPP_CP_IPV6CP) {
		p->up6 = true;
		p->net6 = *ev;
	}
	if (ev->kind == PPP_EV_NET_DOWN && ev->net.cp == PPP_CP_IPCP)
		p->up4 = false;
	if (ev->kind == PPP_EV_FINISHED)
		p->finished = true;
}

static inline struct ppp_ctx
peer_ctx(struct peer *p)
{
	rig_random(p->rig, p->rig->random, PPP_RANDOM);
	return (struct ppp_ctx){ .conf = &p->conf, .now = p->rig->t.now, .random = p->rig->random, .out = &p->out };
}

static inline void
peer_poll(struct peer *p)
{
	struct ppp_net net = { .ipv4 = true, .ipv6 = true, .local4 = p->ask4 };
	struct ppp_ctx c;

	if (!p->server && ppp_link_phase(&p->link) == PPP_NETWORK && !p->link.net.ipv4) {
		c = peer_ctx(p);
		ppp_link_network(&p->link, &c, &net);
	}
}

static inline struct peer *
peer_of(struct rig *r, uint16_t tunnel, uint16_t session)
{
	for (int i = 0; i < PEERS; i++)
		if (r->peer[i].rig && r->peer[i].tunnel == tunnel && r->peer[i].session == session)
			return &r->peer[i];
	return NULL;
}

/* ---- The world around: a tunnel, calls. */

static inline void
tunnel_up(struct rig *r, uint16_t id)
{
	static uint8_t peer[4] = { 192, 0, 2, 7 }, local[4] = { 192, 0, 2, 1 };
	Row__Tunnel row = ROW__TUNNEL__INIT;

	row.id = id;
	row.role = 1;
	row.profile = (char *)"lac";
	row.peer_host = (char *)"lac1";
	row.peer_addr = (ProtobufCBinaryData){ 4, peer };
	row.local_addr = (ProtobufCBinaryData){ 4, local };
	foreign(r, TABLE_TUNNEL, key_tunnel(id), &row.base);
}

static inline void
call_row(struct rig *r, uint16_t tunnel, uint16_t session, uint32_t serial, uint32_t role, const char *dial)
{
	Row__Call row = ROW__CALL__INIT;
	Row__CallInfo info = ROW__CALL_INFO__INIT;

	row.tunnel = tunnel;
	row.id = session;
	row.peer_id = session + 1000u;
	row.state = 10;
	row.kind = 1;
	row.role = role;
	row.serial = serial;
	row.since = r->t.wall;
	row.user_ref = (char *)dial;
	info.calling = (char *)"0123456";
	info.called = (char *)"internet";
	foreign(r, TABLE_CALL, key_session(tunnel, session), &row.base);
	foreign(r, TABLE_CALL_INFO, key_session(tunnel, session), &info.base);
}

static inline void
call_gone(struct rig *r, uint16_t tunnel, uint16_t session)
{
	foreign(r, TABLE_CALL, key_session(tunnel, session), NULL);
	foreign(r, TABLE_CALL_INFO, key_session(tunnel, session), NULL);
}

/* A subscriber dials: call and PPP peer. */
static inline struct peer *
dial(struct rig *r, uint16_t session, const char *user, const char *password)
{
	struct peer *p = NULL;
	struct ppp_ctx c;

	for (int i = 0; i < PEERS && !p; i++)
		if (!r->peer[i].rig)
			p = &r->peer[i];
	ck_assert_ptr_nonnull(p);
	*p = (struct peer){ .rig = r, .tunnel = 1, .session = session, .out = { peer_send, peer_event, NULL } };
	ppp_conf_defaults(&p->conf);
	p->conf.client = true;
	p->conf.auths = 0;
	p->conf.answers = 3;
	p->conf.answer[0] = PPP_AUTH_PAP;
	p->conf.answer[1] = PPP_AUTH_CHAP_MD5;
	p->conf.answer[2] = PPP_AUTH_MSCHAPV2;
	p->conf.name = span_of(user, strlen(user));
	p->conf.password = span_of(password, strlen(password));
	p->conf.ipv4 = p->conf.ipv6 = p->conf.ask_dns = true;
	p->conf.echo_ms = 0;
	ppp_link_init(&p->link);
	call_row(r, 1, session, session, 1, "");
	c = peer_ctx(p);
	ppp_link_up(&p->link, &c, NULL);
	return p;
}

static inline void
deliver(struct rig *r)
{
	struct in_flight f = r->frame[r->next++];
	struct peer *p = peer_of(r, f.tunnel, f.session);

	if (r->next == r->frames)
		r->next = r->frames = 0;
	if (f.to_peer) {
		struct ppp_ctx c;

		if (!p)
			return;
		c = peer_ctx(p);
		ppp_link_input(&p->link, &c, span_of(f.b, f.len));
		peer_poll(p);
	} else {
		struct sm_frame in = { f.tunnel, f.session, span_of(f.b, f.len) };
		struct sm_event ev = { .kind = SM_EV_FRAMES, .frames = { &in, 1 } };

		step(r, &ev);
	}
}

static inline bool
comes_from_peer(const struct rig *r, unsigned at)
{
	return at < r->frames && !r->frame[at].to_peer;
}

#define TOGETHER 70 /* more than the core takes at once */

static inline void
deliver_together(struct rig *r)
{
	static struct in_flight f[TOGETHER];
	struct sm_frame in[TOGETHER];
	struct sm_event ev = { .kind = SM_EV_FRAMES, .frames = { in, 0 } };

	for (; ev.frames.n < TOGETHER && comes_from_peer(r, r->next); ev.frames.n++, r->next++) {
		f[ev.frames.n] = r->frame[r->next];
		in[ev.frames.n] = (struct sm_frame){ f[ev.frames.n].tunnel, f[ev.frames.n].session,
						     span_of(f[ev.frames.n].b, f[ev.frames.n].len) };
	}
	if (r->next == r->frames)
		r->next = r->frames = 0;
	step(r, &ev);
}

static inline void
answer_one(struct rig *r)
{
	struct aaa_answer a;
	bool known;
	struct sm_event ev = { .kind = SM_EV_AAA, .aaa = &a };

	users_ask(r->users, &r->ask[r->asked++], &a, &known);
	if (r->forced)
		a.verdict = r->force;
	step(r, &ev);
}

static inline void
acct_answer(struct rig *r, bool answered)
{
	struct acct_ask *a = &r->acct[r->acct_seen++];
	struct sm_event ev = { .kind = SM_EV_ACCT_DONE, .acct = { span_of(a->key, a->key_len), answered } };

	step(r, &ev);
}

/* Until nothing is in flight and nothing is due. */
static inline void
settle(struct rig *r)
{
	for (int i = 0; i < 5000; i++) {
		if (r->together && comes_from_peer(r, r->next))
			deliver_together(r);
		else if (r->next < r->frames)
			deliver(r);
		else if (r->asked < r->asks && !r->hold_aaa)
			answer_one(r);
		else if (r->acct_seen < r->accts && !r->hold_acct)
			acct_answer(r, true);
		else if (sm_next_due(r->active) != MONO_NEVER && sm_next_due(r->active) <= r->t.now)
			tick(r);
		else
			return;
	}
	ck_abort_msg("does not settle");
}

/* Lets time pass, with everybody's timers. */
static inline void
pass(struct rig *r, unsigned seconds)
{
	settle(r);
	for (unsigned i = 0; i < seconds; i++) {
		r->t.now += MONO_S;
		r->t.wall++;
		for (int p = 0; p < PEERS; p++) {
			mono_t due = r->peer[p].rig ? ppp_link_next_due(&r->peer[p].link) : MONO_NEVER;

			if (due != MONO_NEVER && due <= r->t.now) {
				struct ppp_ctx c = peer_ctx(&r->peer[p]);

				ppp_link_timer(&r->peer[p].link, &c);
			}
		}
		settle(r);
	}
}

static inline void
report(struct rig *r, uint16_t session, uint32_t worker, uint64_t instance, uint64_t in, uint64_t out)
{
	struct sm_usage u = { 1, session, in, out, in / 100, out / 100, 0 };
	struct sm_event ev = { .kind = SM_EV_USAGE, .usage = { worker, instance, &u, 1 } };

	step(r, &ev);
}

static inline struct conf *
rig_conf(void)
{
	struct conf *c = calloc(1, sizeof *c);
	struct conf_ppp *p = &c->ppp[0];

	strcpy(c->node.name, "a");
	c->profiles = 1;
	strcpy(c->profile[0].name, "lac");
	strcpy(c->profile[0].ppp, "std");
	c->ppps = 1;
	strcpy(p->name, "std");
	p->mru = 1500;
	p->auth[0] = AUTH_PAP;
	p->auths = 1;
	p->magic = true;
	p->restart_ms = 3000;
	p->max_configure = 10;
	p->max_terminate = 2;
	p->max_failure = 5;
	p->auth_ms = 60000;
	p->ipv4 = p->ipv6 = true;
	ip_addr_parse("10.255.0.1", &p->local4);
	ip_addr_parse("9.9.9.9", &p->dns[0]);
	ip_addr_parse("9.9.9.10", &p->dns[1]);
	p->dns_count = 2;
	strcpy(p->pool, "p4");
	strcpy(p->pool6, "p6");
	c->pools = 2;
	strcpy(c->pool[0].name, "p4");
	c->pool[0].family = 4;
	c->pool[0].ranges = 1;
	c->pool[0].alarm_percent = 90;
	ip_addr_parse("10.0.0.1", &c->pool[0].range[0].first);
	ip_addr_parse("10.0.0.4", &c->pool[0].range[0].last);
	strcpy(c->pool[1].name, "p6");
	c->pool[1].family = 6;
	c->pool[1].delegate_len = 64;
	c->pool[1].ranges = 1;
	ip_addr_parse("2001:db8::", &c->pool[1].range[0].first);
	ip_addr_parse("2001:db8:0:ff::", &c->pool[1].range[0].last);
	c->aaa.mode = AAA_RADIUS;
	c->aaa.servers = 1;
	c->aaa.acct = true;
	return c;
}

static const char *const rig_users = "alice wonder\nbob builder\ncarol sings\ndave drums\neve x\n"
				     "static x Framed-IP-Address = 10.9.9.9\n"
				     "static2 x Framed-IP-Address = 10.9.9.9\n"
				     "ours x Framed-IP-Address = 10.255.0.1\n"
				     "nopool x Framed-Pool = nowhere\n"
				     "chooser x Framed-IP-Address = 255.255.255.255\n"
				     "short x Session-Timeout = 100\n"
				     "idle x Idle-Timeout = 60\n"
				     "full x Class = gold, Filter-Id = f1, Acct-Interim-Interval = 60\n"
				     "\tFramed-IPv6-Prefix = 2001:db8:77::/64, Framed-Interface-Id = 0:0:0:9\n"
				     "\tDelegated-IPv6-Prefix = 2001:db8:88::/56, Framed-MTU = 1400\n"
				     "\tFramed-IP-Address = 10.8.8.8, Framed-Route = \"192.0.2.0/24 0.0.0.0 1\"\n"
				     "\tMS-Primary-DNS-Server = 1.1.1.1\n";

static inline void
rig_start(struct rig *r)
{
	char error[200];

	memset(r, 0, sizeof *r);
	r->sink = (struct sink){ rig_record, rig_effect, rig_note };
	r->seed = 4711;
	r->t = (struct sm_time){ 1000 * MONO_S, 1700000000 };
	r->conf = rig_conf();
	r->users = users_parse(span_of(rig_users, strlen(rig_users)), error, sizeof error);
	ck_assert_msg(r->users != NULL, "%s", error);
	r->active = rig_core(r);
	r->shadow = rig_core(r);
	arena_init(&r->arena, 0);
	sm_activate(r->active, r->t, &r->sink);
	tunnel_up(r, 1);
}

static inline void
rig_end(struct rig *r)
{
	struct stored *x, *tmp;

	HASH_ITER (hh, r->store, x, tmp) {
		HASH_DELETE(hh, r->store, x);
		free(x);
	}
	sm_free(r->active);
	sm_free(r->shadow);
	users_free(r->users);
	free(r->conf);
	arena_fini(&r->arena);
}

#endif
