// SPDX-License-Identifier: Apache-2.0
/*
 * What a session costs the session core: CPU from the call's row to forwarding and accounting answered, and
 * octets of memory once it is up.  PAP; the answers are a RADIUS server's accepted ones.  The peer's share is
 * measured apart and left out.
 *
 *	session_cost [SESSIONS]		prints "figure NAME VALUE UNIT" lines
 */
#include <malloc.h>
#include <time.h>

#include "rig.h"

static struct {
	struct sink sink;
	struct sm *sm;
	struct sm_time t;
	struct ppp_link link;
	struct ppp_out out;
	struct ppp_conf conf;
	uint64_t random;
	struct aaa_request ask;
	struct acct_ask acct;
	bool asked, acct_out, up, want_net;
	unsigned to_peer, from_peer;
	struct {
		size_t len;
		uint8_t b[512];
	} a[64], z[64];
	uint64_t records;
	double core;
} w;

static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
fresh(void *arg, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		w.random = w.random * 6364136223846793005u + 1442695040888963407u;
		out[i] = (uint8_t)(w.random >> 56);
	}
}

static void
record(struct sink *s, enum table t, struct span k, const ProtobufCMessage *row)
{
	static uint8_t b[8192];

	/* What the outbox's batch does with it. */
	if (row)
		protobuf_c_message_pack(row, b);
	w.records++;
}

static void
effect(struct sink *s, const struct effect *e)
{
	if (e->kind == EFFECT_PPP) {
		w.a[w.to_peer].len = e->bytes.len;
		memcpy(w.a[w.to_peer++].b, e->bytes.p, e->bytes.len);
	} else if (e->kind == EFFECT_AAA) {
		memcpy(&w.ask, e->detail, e->detail_len);
		w.asked = true;
	} else {
		memcpy(&w.acct, e->detail, e->detail_len);
		w.acct_out = true;
	}
}

static void
note(struct sink *s, enum note_level l, const char *line)
{
}

static void
from_peer(struct ppp_out *o, struct span f, bool nothing)
{
	w.z[w.from_peer].len = f.len;
	memcpy(w.z[w.from_peer++].b, f.p, f.len);
}

static void
on_peer(struct ppp_out *o, const struct ppp_event *ev)
{
	w.want_net |= ev->kind == PPP_EV_NETWORK;
	w.up |= ev->kind == PPP_EV_NET_UP && ev->net.cp == PPP_CP_IPCP;
}

static void
core(const struct sm_event *ev)
{
	double from = cpu();

	sm_step(w.sm, w.t, ev, &w.sink);
	w.core += cpu() - from;
}

static struct ppp_ctx
ctx(void)
{
	static uint8_t r[PPP_RANDOM];

	fresh(NULL, r, sizeof r);
	return (struct ppp_ctx){ .conf = &w.conf, .now = w.t.now, .random = r, .out = &w.out };
}

static void
call(uint16_t tunnel, uint16_t session)
{
	Row__Call c = ROW__CALL__INIT;
	Row__CallInfo i = ROW__CALL_INFO__INIT;
	struct key k = key_session(tunnel, session);
	uint8_t b[512];

	c.tunnel = tunnel;
	c.id = c.peer_id = c.serial = session;
	c.state = 10;
	c.role = 1;
	i.calling = (char *)"0123456";
	i.called = (char *)"internet";
	sm_apply(w.sm, TABLE_CALL, key_span(&k), span_of(b, row__call__pack(&c, b)), false);
	sm_apply(w.sm, TABLE_CALL_INFO, key_span(&k), span_of(b, row__call_info__pack(&i, b)), false);
}

static void
one(unsigned n)
{
	static const struct ppp_net net = { .ipv4 = true };
	uint16_t tunnel = (uint16_t)(1 + n / 1024), session = (uint16_t)(1 + n % 1024);
	struct sm_event tick = { .kind = SM_EV_TICK };
	char user[32];
	struct ppp_ctx c;

	snprintf(user, sizeof user, "user%u@example.net", n);
	w.conf.name = span_of(user, strlen(user));
	w.conf.password = span_of("password", 8);
	w.up = w.want_net = false;
	ppp_link_init(&w.link);
	call(tunnel, session);
	c = ctx();
	ppp_link_up(&w.link, &c, NULL);
	core(&tick);
	while (w.to_peer || w.from_peer || w.asked || w.acct_out) {
		unsigned to = w.to_peer;

		for (unsigned i = 0; i < to; i++) {
			c = ctx();
			ppp_link_input(&w.link, &c, span_of(w.a[i].b, w.a[i].len));
			if (w.want_net) {
				w.want_net = false;
				c = ctx();
				ppp_link_network(&w.link, &c, &net);
			}
		}
		w.to_peer = 0;
		if (w.from_peer) {
			struct sm_frame f[64];
			struct sm_event ev = { .kind = SM_EV_FRAMES, .frames = { f, w.from_peer } };

			for (unsigned i = 0; i < w.from_peer; i++)
				f[i] = (struct sm_frame){ tunnel, session, span_of(w.z[i].b, w.z[i].len) };
			core(&ev);
		}
		w.from_peer = 0;
		if (w.asked) {
			struct aaa_answer a = { .token = w.ask.token, .tunnel = tunnel, .session = session };
			struct sm_event ev = { .kind = SM_EV_AAA, .aaa = &a };

			w.asked = false;
			strcpy(a.user, user);
			core(&ev);
		}
		if (w.acct_out) {
			struct sm_event ev = { .kind = SM_EV_ACCT_DONE, .acct = { span_of(w.acct.key, w.acct.key_len), true } };

			w.acct_out = false;
			core(&ev);
		}
	}
	if (!w.up) {
		fprintf(stderr, "session %u did not come up\n", n);
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 64000;
	struct sm_env env = { fresh, NULL };
	struct conf *conf = rig_conf();
	size_t before;

	w.sink = (struct sink){ record, effect, note };
	w.t = (struct sm_time){ 1000 * MONO_S, 1700000000 };
	w.out = (struct ppp_out){ from_peer, on_peer, NULL };
	ip_addr_parse("10.0.0.1", &conf->pool[0].range[0].first);
	ip_addr_parse("10.255.255.254", &conf->pool[0].range[0].last);
	conf->ppp[0].ipv6 = false;
	conf->ppp[0].echo_ms = 30000;
	w.sm = sm_new(&env);
	sm_configure(w.sm, conf);
	sm_activate(w.sm, w.t, &w.sink);
	ppp_conf_defaults(&w.conf);
	w.conf.client = true;
	w.conf.auths = 0;
	w.conf.answers = 1;
	w.conf.answer[0] = PPP_AUTH_PAP;
	w.conf.ipv4 = true;
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < n; i++)
		one(i);
	printf("figure session.cpu %.1f us\n", w.core / n * 1e6);
	printf("figure session.records %.1f records\n", (double)w.records / n);
	printf("figure session.memory %.0f octets\n", (double)(mallinfo2().uordblks - before) / n);
	sm_free(w.sm);
	free(conf);
	return 0;
}
