// SPDX-License-Identifier: Apache-2.0
/*
 * Two links of ours talking to each other over a network that the test controls: the tape of the PPP
 * tests.  Time is moved by hand, random octets come from a seed, every frame can be lost, copied or held
 * back, and a link can be replaced by the one that its snapshot gives, at any step.
 *
 * After each step the promise of ppp.h is checked: where it returned false, the snapshot is what it was.
 */
#ifndef TWIN_TEST_PPP_PAIR_H
#define TWIN_TEST_PPP_PAIR_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/frame.h"
#include "ppp/fsm.h"
#include "ppp/ppp.h"
#include "ppp/ra.h"

#define MS MONO_MS
#define S MONO_S
#define text(T) span_of(T, strlen(T))

enum fate { PASS, LOSE, TWICE, LATE };

struct pair;

struct end {
	struct ppp_out out; /* first: the sink is found by it */
	struct pair *pair;
	struct ppp_link link;
	struct ppp_conf conf;
	struct ppp_net net;
	const char *password; /* of whoever proves itself to this end */
	bool answer_never;
	/* what came up */
	unsigned lcp_up, lcp_down, net_up[PPP_CPS], net_down[PPP_CPS], asked, asked_net, finished, auth_ok[2];
	unsigned faults[PPP_FAULTS];
	struct ppp_event lcp, up[PPP_CPS];
	struct ppp_cause cause;
	unsigned prefixes;
	struct ppp_ra_heard prefix;
	struct {
		bool waiting;
		uint16_t serial;
		enum ppp_auth auth;
		uint8_t id;
		uint8_t name[256], challenge[256], response[256];
		size_t name_len, challenge_len, response_len;
		bool again, proxied;
	} ask;
	bool ask_net;
	uint32_t accept4; /* an address that this end lets the peer have; 0 none */
	char last[64];	  /* the last frame sent: "lcp Configure-Request" */
};

struct flight {
	struct end *to;
	mono_t at;
	size_t len;
	uint8_t b[PPP_FRAME_MAX];
};

#define FLIGHTS 64

struct pair {
	struct end server, client;
	mono_t now;
	uint64_t seed;
	uint8_t random[PPP_RANDOM];
	struct flight flight[FLIGHTS];
	unsigned flights;
	unsigned frames;  /* sent so far by both */
	unsigned odd;	  /* number of the frame that meets `fate`, from 1; 0 none */
	enum fate fate;
	unsigned odd2;
	enum fate fate2;
	unsigned steps, reload_at; /* reload both links after this step; 0 never */
	bool reload_always;
	unsigned anew_at;      /* after this step the server's process dies; 0 never */
	mono_t away, back_at;  /* so long; it knows nothing then, and hears what came meanwhile at once.  0: it is there */
	bool verbose;
};

static inline struct end *
other(struct end *e)
{
	return e == &e->pair->server ? &e->pair->client : &e->pair->server;
}

static inline void
pair_random(struct pair *p)
{
	for (unsigned i = 0; i < PPP_RANDOM; i++) {
		p->seed = p->seed * 6364136223846793005u + 1442695040888963407u;
		p->random[i] = (uint8_t)(p->seed >> 56);
	}
}

static inline void
fly(struct pair *p, struct end *to, struct span f, mono_t at)
{
	struct flight *x;

	ck_assert_msg(p->flights < FLIGHTS, "the network is full: a storm");
	x = &p->flight[p->flights++];
	x->to = to;
	x->at = to == &p->server && at <= p->back_at ? p->back_at + 1 : at;
	x->len = f.len;
	ck_assert_uint_le(f.len, sizeof x->b);
	memcpy(x->b, f.p, f.len);
}

static inline void
end_send(struct ppp_out *out, struct span frame, bool reveals_nothing)
{
	struct end *e = (struct end *)out;
	struct pair *p = e->pair;
	enum fate fate = PASS;
	struct ppp_frame f;
	struct ppp_packet k;

	ck_assert(ppp_frame_read(frame, &f));
	ck_assert_uint_ge(frame.len, 6);
	ck_assert_uint_eq(get_u16(frame.p), f.proto);
	ck_assert(f.proto == PPP_IPV6 || ppp_packet_read(f.info, &k));
	if (f.proto != PPP_IPV6) {
		ck_assert_uint_eq(k.whole.len, f.info.len);
		if (k.code <= 4 && f.proto != PPP_PAP && f.proto != PPP_CHAP && f.proto != PPP_IPV6)
			ck_assert(ppp_options_fine(k.data));
		snprintf(e->last, sizeof e->last, "%s %s", ppp_proto_name(f.proto), ppp_code_name(k.code));
	} else {
		snprintf(e->last, sizeof e->last, "ipv6");
	}
	if (p->verbose)
		printf("%8.3f %s -> %s id %u len %zu\n", (double)p->now / (double)S, e == &p->server ? "server" : "client",
		       e->last, k.id, frame.len);
	p->frames++;
	if (p->frames == p->odd)
		fate = p->fate;
	if (p->frames == p->odd2)
		fate = p->fate2;
	if (fate == LOSE)
		return;
	fly(p, other(e), frame, p->now + (fate == LATE ? 30 * MS : 10 * MS));
	if (fate == TWICE)
		fly(p, other(e), frame, p->now + 15 * MS);
}

static inline size_t
keep(uint8_t to[256], struct span from)
{
	ck_assert_uint_le(from.len, 256);
	if (from.len)
		memcpy(to, from.p, from.len);
	return from.len;
}

static inline void
end_event(struct ppp_out *out, const struct ppp_event *ev)
{
	struct end *e = (struct end *)out;

	if (e->pair->verbose)
		printf("%8.3f %s event %d %s\n", (double)e->pair->now / (double)S,
		       e == &e->pair->server ? "server" : "client", ev->kind,
		       ev->kind == PPP_EV_FAULT ? ppp_fault_name(ev->fault) : "");
	switch (ev->kind) {
	case PPP_EV_LCP_UP:
		e->lcp_up++;
		e->lcp = *ev;
		break;
	case PPP_EV_LCP_DOWN:
		e->lcp_down++;
		e->ask.waiting = false;
		break;
	case PPP_EV_VERIFY:
		e->asked++;
		e->ask.waiting = true;
		e->ask.serial = ev->verify.serial;
		e->ask.auth = ev->verify.auth;
		e->ask.id = ev->verify.id;
		e->ask.again = ev->verify.again;
		e->ask.proxied = ev->verify.proxied;
		e->ask.name_len = keep(e->ask.name, ev->verify.name);
		e->ask.challenge_len = keep(e->ask.challenge, ev->verify.challenge);
		e->ask.response_len = keep(e->ask.response, ev->verify.response);
		break;
	case PPP_EV_AUTH_OK:
		e->auth_ok[ev->auth.of_peer]++;
		break;
	case PPP_EV_NETWORK:
		e->asked_net++;
		e->ask_net = true;
		break;
	case PPP_EV_NET_UP:
		e->net_up[ev->net.cp]++;
		e->up[ev->net.cp] = *ev;
		break;
	case PPP_EV_NET_DOWN:
		e->net_down[ev->net.cp]++;
		break;
	case PPP_EV_PREFIX:
		e->prefixes++;
		e->prefix = *ev->prefix;
		break;
	case PPP_EV_FINISHED:
		e->finished++;
		e->cause = ev->cause;
		break;
	case PPP_EV_FAULT:
		e->faults[ev->fault]++;
		break;
	case PPP_EV_HC_REFUSED:
		break;
	}
}

static inline bool
end_accept4(struct ppp_out *out, uint32_t asked)
{
	return ((struct end *)out)->accept4 == asked;
}

static inline struct ppp_ctx
ctx_of(struct end *e)
{
	pair_random(e->pair);
	return (struct ppp_ctx){ &e->conf, e->pair->now, e->pair->random, &e->out };
}

/* The snapshot without what changes unrecorded. */
static inline size_t
recorded(const struct ppp_link *l, uint8_t buf[PPP_SAVE_MAX])
{
	struct ppp_link copy = *l;
	size_t n;

	memset(&copy.echo, 0, sizeof copy.echo);
	n = ppp_link_save(&copy, buf, PPP_SAVE_MAX);
	ck_assert_uint_gt(n, 0);
	return n;
}

static inline void
reload(struct end *e)
{
	uint8_t a[PPP_SAVE_MAX], b[PPP_SAVE_MAX];
	const size_t n = ppp_link_save(&e->link, a, sizeof a);
	struct ppp_ctx ctx = ctx_of(e);
	struct ppp_link copy;

	memset(&copy, 0xa5, sizeof copy);
	ck_assert_uint_gt(n, 0);
	ck_assert(ppp_link_load(&copy, &ctx, span_of(a, n)));
	ck_assert_uint_eq(ppp_link_save(&copy, b, sizeof b), n);
	ck_assert_mem_eq(a, b, n);
	e->link = copy;
	ppp_link_resume(&e->link, &ctx);
}

/* STEP(e, ppp_link_timer(&e->link, &ctx)) */
#define STEP(E, CALL) \
	do { \
		uint8_t before_[PPP_SAVE_MAX], after_[PPP_SAVE_MAX]; \
		struct ppp_ctx ctx = ctx_of(E); \
		size_t n_ = recorded(&(E)->link, before_); \
		bool dirty_ = CALL; \
		size_t m_ = recorded(&(E)->link, after_); \
		if (!dirty_) \
			ck_assert(n_ == m_ && memcmp(before_, after_, n_) == 0); \
		stepped(E); \
	} while (0)

static inline void
server_dies(struct pair *p)
{
	p->back_at = p->now + p->away;
	p->server.ask.waiting = p->server.ask_net = false;
	ppp_link_init(&p->server.link);
	for (unsigned i = 0; i < p->flights; i++)
		if (p->flight[i].to == &p->server && p->flight[i].at <= p->back_at)
			p->flight[i].at = p->back_at + 1;
}

static inline void
stepped(struct end *e)
{
	struct pair *p = e->pair;

	p->steps++;
	if (p->steps == p->reload_at || (p->reload_always && !e->ask.waiting))
		reload(e);
	if (p->steps == p->anew_at)
		server_dies(p);
}

static inline void
server_is_back(struct pair *p)
{
	struct end *s = &p->server;

	p->back_at = 0;
	STEP(s, ppp_link_up(&s->link, &ctx, NULL));
}

static inline void
answer(struct end *e)
{
	if (e->ask.waiting && !e->answer_never) {
		struct ppp_auth_result r = { .serial = e->ask.serial, .message = text("hello") };

		ppp_verify(e->ask.auth, e->ask.id, span_of(e->ask.name, e->ask.name_len),
			   span_of(e->ask.challenge, e->ask.challenge_len),
			   span_of(e->ask.response, e->ask.response_len), text(e->password), &r);
		e->ask.waiting = false;
		STEP(e, ppp_link_auth_result(&e->link, &ctx, &r));
	}
	if (e->ask_net) {
		e->ask_net = false;
		STEP(e, ppp_link_network(&e->link, &ctx, &e->net));
	}
}

static inline void
feed(struct end *e, struct span frame)
{
	STEP(e, ppp_link_input(&e->link, &ctx, frame));
	answer(e);
}

/* A packet from outside: protocol, code, id, data. */
static inline void
feed_packet(struct end *e, uint16_t proto, uint8_t code, uint8_t id, const void *data, size_t len)
{
	uint8_t b[PPP_FRAME_MAX];
	struct wr w = wr_of(b, sizeof b);

	wr_u16(&w, proto);
	wr_u8(&w, code);
	wr_u8(&w, id);
	wr_u16(&w, (uint16_t)(len + 4));
	wr_bytes(&w, data, len);
	feed(e, wr_span(&w));
}

/* Until nothing is due before `until`. */
static inline void
run(struct pair *p, mono_t until)
{
	for (unsigned guard = 0; guard < 5000; guard++) {
		struct end *ends[] = { &p->server, &p->client };
		mono_t at = until + 1;
		struct end *e = NULL;
		int f = -1;

		for (unsigned i = 0; i < p->flights; i++)
			if (p->flight[i].at < at) {
				at = p->flight[i].at;
				f = (int)i;
			}
		for (unsigned i = 0; i < 2; i++) {
			mono_t due = ppp_link_next_due(&ends[i]->link);

			if (due != MONO_NEVER && due < at) {
				at = due;
				e = ends[i];
			}
		}
		if (p->back_at && p->back_at < at) {
			p->now = p->back_at;
			server_is_back(p);
			answer(&p->server);
			continue;
		}
		if (at > until) {
			p->now = until;
			return;
		}
		p->now = at > p->now ? at : p->now;
		if (e) {
			STEP(e, ppp_link_timer(&e->link, &ctx));
			answer(e);
		} else {
			struct flight x = p->flight[f];

			p->flight[f] = p->flight[--p->flights];
			feed(x.to, span_of(x.b, x.len));
		}
	}
	ck_abort_msg("never comes to rest");
}

static inline void
end_init(struct end *e, struct pair *p)
{
	e->pair = p;
	e->out = (struct ppp_out){ end_send, end_event, end_accept4 };
	e->password = "secret";
	ppp_conf_defaults(&e->conf);
	e->conf.echo_ms = 0;
	ppp_link_init(&e->link);
}

/* A server that asks for `auth`, and a client that does all. */
static inline void
pair_init(struct pair *p, enum ppp_auth auth)
{
	memset(p, 0, sizeof *p);
	p->now = 100 * S;
	p->seed = 42;
	end_init(&p->server, p);
	end_init(&p->client, p);
	p->server.conf.auths = auth != PPP_AUTH_NONE;
	p->server.conf.auth[0] = (uint8_t)auth;
	p->server.conf.name = text("lns");
	p->server.net = (struct ppp_net){ .ipv4 = true,
					  .ipv6 = true,
					  .local4 = 0x0a000001,
					  .peer4 = 0x0a000102,
					  .dns4 = { 0x08080808, 0x08080404 },
					  .prefix6 = { 0x20, 0x01, 0x0d, 0xb8, 0, 1 },
					  .prefix6_len = 64 };
	p->client.conf.client = true;
	p->client.conf.ask_dns = true;
	p->client.conf.name = text("user");
	p->client.conf.password = text("secret");
	p->client.conf.answers = 3;
	p->client.conf.answer[0] = PPP_AUTH_MSCHAPV2;
	p->client.conf.answer[1] = PPP_AUTH_CHAP_MD5;
	p->client.conf.answer[2] = PPP_AUTH_PAP;
	p->client.net = (struct ppp_net){ .ipv4 = true, .ipv6 = true };
}

static inline void
dial(struct pair *p)
{
	struct end *s = &p->server, *c = &p->client;

	STEP(s, ppp_link_up(&s->link, &ctx, NULL));
	answer(s);
	STEP(c, ppp_link_up(&c->link, &ctx, NULL));
	answer(c);
}

static inline bool
all_open(const struct pair *p)
{
	const struct end *ends[] = { &p->server, &p->client };

	for (unsigned i = 0; i < 2; i++)
		for (enum ppp_cp cp = 0; cp < PPP_CPS; cp++)
			if (!ppp_link_cp_open(&ends[i]->link, cp) && (cp != PPP_CP_MUX || ends[i]->conf.mux))
				return false;
	return true;
}

static inline void
agreed(const struct pair *p)
{
	const struct ppp_event *s4 = &p->server.up[PPP_CP_IPCP], *c4 = &p->client.up[PPP_CP_IPCP];
	const struct ppp_event *s6 = &p->server.up[PPP_CP_IPV6CP], *c6 = &p->client.up[PPP_CP_IPV6CP];

	ck_assert_uint_eq(s4->net.local4, 0x0a000001);
	ck_assert_uint_eq(s4->net.peer4, 0x0a000102);
	ck_assert_uint_eq(c4->net.local4, 0x0a000102);
	ck_assert_uint_eq(c4->net.peer4, 0x0a000001);
	ck_assert_uint_eq(c4->net.dns4[0], 0x08080808);
	ck_assert_uint_eq(c4->net.dns4[1], 0x08080404);
	ck_assert(s6->net.local_iid == c6->net.peer_iid && s6->net.local_iid);
	ck_assert(s6->net.peer_iid == c6->net.local_iid && s6->net.peer_iid);
	ck_assert(s6->net.local_iid != s6->net.peer_iid);
}

#endif
