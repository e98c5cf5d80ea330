// SPDX-License-Identifier: Apache-2.0
/*
 * A server and a client, and a network between them that the sample controls.
 *
 * A sample is one octet of configuration, then operations: an octet that says what, and what it needs.
 * Frames are delivered, lost, changed or made up; time passes; answers from above come, wrong, late
 * or never; links are replaced by their snapshots.  After each step:
 *  - where it returned false, the snapshot did not change;
 *  - a snapshot can be loaded, and gives itself again;
 *  - all that was sent is well formed, and no step sends more than a few frames.
 */
#include <stdint.h>
#include <stdlib.h>

#include "ppp/frame.h"
#include "ppp/ppp.h"
#include "ppp/ra.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define QUEUE 16
#define BURST 12

#define require(FINE) ((FINE) ? (void)0 : abort()) /* a macro: the trace names the line */

struct end {
	struct ppp_out out;
	struct ppp_link link;
	struct ppp_conf conf;
	struct ppp_net net;
	struct end *other;
	bool ask, ask_net, going_down;
	uint16_t serial;
	struct {
		size_t len;
		uint8_t b[PPP_FRAME_MAX];
	} in[QUEUE]; /* on the way to this end */
	unsigned ins, burst;
};

static struct end server, client;
static mono_t now;
static uint64_t seed;
static uint8_t octets[PPP_RANDOM];

static struct ppp_ctx
ctx_of(struct end *e)
{
	for (unsigned i = 0; i < PPP_RANDOM; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		octets[i] = (uint8_t)(seed >> 56);
	}
	e->burst = 0;
	return (struct ppp_ctx){ &e->conf, now, octets, &e->out };
}

static void
send_frame(struct ppp_out *out, struct span frame, bool reveals_nothing)
{
	struct end *e = (struct end *)out, *o = e->other;
	struct ppp_frame f;
	struct ppp_packet k;

	require(frame.len >= 6 && frame.len <= PPP_FRAME_MAX && ++e->burst <= BURST);
	require(ppp_frame_read(frame, &f) && f.proto == get_u16(frame.p));
	if (f.proto != PPP_IPV6) {
		require(ppp_packet_read(f.info, &k) && k.whole.len == f.info.len);
		if (f.proto != PPP_PAP && f.proto != PPP_CHAP && k.code <= PPP_CONF_REJ)
			require(ppp_options_fine(k.data));
	}
	if (o->ins == QUEUE)
		return;
	memcpy(o->in[o->ins].b, frame.p, frame.len);
	o->in[o->ins++].len = frame.len;
}

static void
touch(struct span s)
{
	static volatile uint8_t sum;

	for (size_t i = 0; i < s.len; i++)
		sum = (uint8_t)(sum + s.p[i]);
}

static void
event(struct ppp_out *out, const struct ppp_event *ev)
{
	struct end *e = (struct end *)out;
	if (ev->kind == PPP_EV_VERIFY) {
		e->ask = true;
		e->serial = ev->verify.serial;
		touch(ev->verify.name); /* spans must be readable here */
		touch(ev->verify.challenge);
		touch(ev->verify.response);
	}
	if (ev->kind == PPP_EV_NETWORK)
		e->ask_net = true;
	require(ev->kind != PPP_EV_FINISHED || ev->cause.code != PPP_CAUSE_NONE || e->going_down);
}

static bool
accept4(struct ppp_out *out, uint32_t asked)
{
	return asked == 0x0a0a0a0a;
}

static size_t
save(const struct ppp_link *l, uint8_t b[PPP_SAVE_MAX])
{
	size_t n = ppp_link_save(l, b, PPP_SAVE_MAX);

	require(n);
	return n;
}

static void
reload(struct end *e)
{
	uint8_t a[PPP_SAVE_MAX], b[PPP_SAVE_MAX];
	size_t n = save(&e->link, a);
	struct ppp_ctx ctx = ctx_of(e);

	require(ppp_link_load(&e->link, &ctx, span_of(a, n)));
	require(save(&e->link, b) == n && memcmp(a, b, n) == 0);
	ppp_link_resume(&e->link, &ctx);
}

static size_t
recorded(const struct ppp_link *l, uint8_t b[PPP_SAVE_MAX])
{
	struct ppp_link copy = *l;

	memset(&copy.echo, 0, sizeof copy.echo);
	return save(&copy, b);
}

#define STEP(E, CALL) \
	do { \
		uint8_t before_[PPP_SAVE_MAX], after_[PPP_SAVE_MAX]; \
		struct ppp_ctx ctx = ctx_of(E); \
		size_t n_ = recorded(&(E)->link, before_); \
		bool dirty_ = CALL; \
		size_t m_ = recorded(&(E)->link, after_); \
		require(dirty_ || (n_ == m_ && memcmp(before_, after_, n_) == 0)); \
	} while (0)

static void
feed(struct end *e, struct span frame)
{
	uint8_t *exact = malloc(frame.len ? frame.len : 1);

	if (frame.len)
		memcpy(exact, frame.p, frame.len);
	STEP(e, ppp_link_input(&e->link, &ctx, span_of(exact, frame.len)));
	free(exact);
}

/* The oldest frame on its way to `e`, with one octet changed where `change` is not zero. */
static void
deliver(struct end *e, uint8_t at, uint8_t change, bool keep)
{
	uint8_t b[PPP_FRAME_MAX];
	size_t n;

	if (e->ins == 0)
		return;
	n = e->in[0].len;
	memcpy(b, e->in[0].b, n);
	b[at % n] ^= change;
	if (!keep)
		memmove(e->in, e->in + 1, --e->ins * sizeof e->in[0]);
	feed(e, span_of(b, n));
}

static void
answer(struct end *e, uint8_t how)
{
	struct ppp_auth_result r = { .serial = (uint16_t)(e->serial + (how & 2)), .ok = !(how & 1) };

	r.message = span_of("text", how & 4 ? 4 : 0);
	if (e->ask || how & 8)
		STEP(e, ppp_link_auth_result(&e->link, &ctx, &r));
	e->ask = false;
}

static void
network(struct end *e, uint8_t how)
{
	e->net.ipv4 = !(how & 1);
	e->net.ipv6 = !(how & 2);
	e->net.peer_iid = how & 4 ? 7 : 0;
	if (e->ask_net || how & 8)
		STEP(e, ppp_link_network(&e->link, &ctx, &e->net));
	e->ask_net = false;
}

static void
timer(struct end *e)
{
	STEP(e, ppp_link_timer(&e->link, &ctx));
	require(ppp_link_next_due(&e->link) == MONO_NEVER || ppp_link_next_due(&e->link) > now - 60 * MONO_S);
}

static void
settle(void)
{
	for (unsigned i = 0; i < 60 && (server.ins || client.ins); i++) {
		struct end *e = server.ins ? &server : &client;

		deliver(e, 0, 0, false);
		answer(e, 0);
		network(e, 0);
	}
}

static void
set_up(struct end *e, struct end *other, uint8_t bits)
{
	memset(e, 0, sizeof *e);
	e->out = (struct ppp_out){ send_frame, event, accept4 };
	e->other = other;
	ppp_conf_defaults(&e->conf);
	e->conf.name = span_of("name", 4);
	e->conf.password = span_of("secret", 6);
	e->conf.answers = 3;
	e->conf.answer[0] = PPP_AUTH_CHAP_MD5;
	e->conf.answer[1] = PPP_AUTH_MSCHAPV2;
	e->conf.answer[2] = PPP_AUTH_PAP;
	e->conf.ask_pfc = e->conf.ask_acfc = e->conf.ask_accm = bits & 4;
	e->conf.auths = bits & 3 ? 1 : 0;
	e->conf.auth[0] = bits & 3;
	e->conf.echo_ms = 5000;
	e->conf.hc = e->conf.mux = bits & 4;
	e->conf.chap_again_ms = bits & 8 ? 20000 : 0;
	e->conf.dns6_count = 1;
	e->conf.ra_mtu = 1400;
	ppp_link_init(&e->link);
}

static void
up(struct end *e, struct rd *r, bool with_proxy)
{
	struct ppp_proxy proxy = { 0 };

	if (with_proxy) {
		proxy.last_sent = rd_span(r, rd_u8(r) & 31);
		proxy.last_rcvd = rd_span(r, rd_u8(r) & 31);
		proxy.auth_type = rd_u8(r) & 7;
		proxy.auth_name = rd_span(r, rd_u8(r) & 15);
		proxy.auth_challenge = rd_span(r, rd_u8(r) & 31);
		proxy.auth_response = rd_span(r, rd_u8(r) & 63);
	}
	STEP(e, ppp_link_up(&e->link, &ctx, with_proxy ? &proxy : NULL));
}

static void
operate(struct rd *r)
{
	const uint8_t op = rd_u8(r);
	struct end *e = op & 0x80 ? &client : &server;

	switch (op & 15) {
	case 0:
		feed(e, rd_span(r, rd_u8(r)));
		break;
	case 1:
		deliver(e, 0, 0, false);
		break;
	case 2:
		deliver(e, rd_u8(r), rd_u8(r), false);
		break;
	case 3:
		deliver(e, 0, 0, true);
		break;
	case 4:
		e->ins = 0;
		break;
	case 5:
		now += (mono_t)rd_u8(r) * 100 * MONO_MS;
		timer(&server);
		timer(&client);
		break;
	case 6:
		answer(e, rd_u8(r));
		break;
	case 7:
		network(e, rd_u8(r));
		break;
	case 8:
		reload(e);
		break;
	case 9:
		STEP(e, ppp_link_close(&e->link, &ctx, (struct ppp_cause){ rd_u8(r), 0, 0 }));
		break;
	case 10:
		e->going_down = true;
		STEP(e, ppp_link_down(&e->link, &ctx));
		e->going_down = false;
		break;
	case 11:
		up(e, r, op & 0x40);
		break;
	case 12: {
		struct ppp_ctx ctx = ctx_of(e);

		ppp_link_alive(&e->link, &ctx);
		break;
	}
	default:
		settle();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rd r = rd_of(data, len);
	const uint8_t bits = rd_u8(&r);

	now = 1000 * MONO_S;
	seed = 1;
	set_up(&server, &client, bits);
	set_up(&client, &server, (uint8_t)(bits >> 4));
	client.conf.client = client.conf.ask_dns = true;
	server.net = (struct ppp_net){ .ipv4 = true, .local4 = 1, .peer4 = 2, .dns4 = { 3, 4 }, .prefix6_len = 64 };
	up(&server, &r, false);
	up(&client, &r, false);
	for (unsigned i = 0; i < 300 && rd_left(&r); i++)
		operate(&r);
	return 0;
}
