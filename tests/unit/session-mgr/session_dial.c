// SPDX-License-Identifier: Apache-2.0
/*
 * The session-mgr process under real sockets, with everything else played here: state-sync, the elector, a
 * worker, and PPP peers that dial one after the other.
 *
 *	session_dial SESSION-MGR CONFIG DIR [--kill] USER:PASSWORD:AUTH:EXPECTED ...
 *
 * linger/USER stays up for longer than a minute, so that an interim update falls into it.
 *
 * AUTH is pap, chap or mschapv2; EXPECTED an address, "up" for any, or "refused".  CONFIG is a template in which
 * @DIR@ becomes DIR.  --kill: session-mgr is killed and started again in the middle of each setup.  Exits with 0 if
 * everybody got what was expected.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/bus/fake_sync.c"
#include "base/addr.h"
#include "ppp/ppp.h"
#include "punt.pb-c.h"
#include "rows.pb-c.h"

/* For what must come: a machine may be several times slower than the one this was written on. */
#define PATIENCE (120 * MONO_S)

static struct {
	struct loop *loop;
	struct bus *bus;
	struct fake_sync sync;
	struct bus_sock *worker;
	char run[200], config[220];
	const char *binary;
	pid_t pid;
	/* the peer that dials */
	struct ppp_out out; /* found by address: there is one */
	struct ppp_link link;
	struct ppp_conf conf;
	uint16_t session;
	bool up4, up6, finished, asked_network;
	uint32_t ip4;
	unsigned frames_in, kill_after;
	uint64_t reported;
} w;

static void
fail(const char *what, const char *who)
{
	fprintf(stderr, "session_dial: %s %s\n", what, who);
	if (w.pid > 0)
		kill(w.pid, SIGKILL);
	exit(1);
}

/* ---- What others would say. */

static void
feed(enum table t, struct key k, const ProtobufCMessage *row)
{
	uint8_t b[2048];
	struct batch *batch = batch_new();
	struct span frame;
	size_t n = row ? protobuf_c_message_pack(row, b) : 0;

	batch_put_packed(batch, t, key_span(&k), span_of(b, n), !row);
	frame = batch_seal(batch, "tunnel-ctl", 1, w.sync.epoch);
	write_frame(&w.sync, frame);
	fake_sync_say(&w.sync, SYNC__KIND__FEED, w.sync.position, 0, frame);
	batch_free(batch);
}

static void
feed_tunnel(void)
{
	static uint8_t peer[4] = { 192, 0, 2, 7 }, local[4] = { 192, 0, 2, 1 };
	Row__Tunnel t = ROW__TUNNEL__INIT;

	t.id = 1;
	t.role = 1;
	t.profile = (char *)"lac";
	t.peer_host = (char *)"lac1";
	t.peer_addr = (ProtobufCBinaryData){ 4, peer };
	t.local_addr = (ProtobufCBinaryData){ 4, local };
	feed(TABLE_TUNNEL, key_tunnel(1), &t.base);
}

static void
feed_call(uint16_t session)
{
	Row__Call c = ROW__CALL__INIT;
	static uint8_t line[] = "\0\x10\x0d\xe9\0\1eth 1/2:42\0\x0e\x0d\xe9\0\x82\0\0\0\0\1\x12\xa8\x80";
	Row__CallInfo i = ROW__CALL_INFO__INIT;

	c.tunnel = 1;
	c.id = session;
	c.peer_id = session;
	c.state = 10;
	c.role = 1;
	c.kind = 1;
	c.serial = session;
	i.calling = (char *)"0123456";
	i.access_line = (ProtobufCBinaryData){ sizeof line - 1, line }; /* RFC 5515: two AVPs */
	i.called = (char *)"internet";
	feed(TABLE_CALL_INFO, key_session(1, session), &i.base);
	feed(TABLE_CALL, key_session(1, session), &c.base);
}

static void
start_process(void)
{
	w.pid = fork();
	if (w.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever ends us */
		execl(w.binary, w.binary, "--config", w.config, (char *)NULL);
		_exit(127);
	}
}

static void
to_owner(const Punt__ToOwner *m)
{
	uint8_t b[4096];
	struct span f = span_of(b, punt__to_owner__pack(m, b));

	bus_send(w.worker, span_of(NULL, 0), &f, 1);
}

static void
hello(void)
{
	Punt__ToOwner m = PUNT__TO_OWNER__INIT;

	m.instance = 77;
	m.hello = true;
	to_owner(&m);
}

static void
report_usage(uint64_t octets)
{
	Punt__ToOwner m = PUNT__TO_OWNER__INIT;
	Punt__Usage u = PUNT__USAGE__INIT, *list[1] = { &u };

	m.instance = 77;
	u.tunnel = 1;
	u.session = w.session;
	u.in_octets = octets;
	u.out_octets = octets / 2;
	u.in_packets = octets / 100;
	u.out_packets = octets / 200;
	m.usage = list;
	m.n_usage = 1;
	to_owner(&m);
}

/* ---- The peer. */

static void
peer_send(struct ppp_out *out, struct span frame, bool reveals_nothing)
{
	Punt__ToOwner m = PUNT__TO_OWNER__INIT;
	Punt__Frame f = PUNT__FRAME__INIT, *list[1] = { &f };

	m.instance = 77;
	f.tunnel = 1;
	f.session = w.session;
	f.octets = (ProtobufCBinaryData){ frame.len, (uint8_t *)frame.p };
	m.frames = list;
	m.n_frames = 1;
	to_owner(&m);
}

static void
peer_event(struct ppp_out *out, const struct ppp_event *ev)
{
	if (ev->kind == PPP_EV_NETWORK)
		w.asked_network = true;
	else if (ev->kind == PPP_EV_FINISHED)
		w.finished = true;
	else if (ev->kind == PPP_EV_NET_UP && ev->net.cp == PPP_CP_IPCP) {
		w.up4 = true;
		w.ip4 = ev->net.local4;
	} else if (ev->kind == PPP_EV_NET_UP)
		w.up6 = true;
}

static struct ppp_ctx
ctx(void)
{
	static uint8_t random[PPP_RANDOM];

	for (int i = 0; i < PPP_RANDOM; i++)
		random[i] = (uint8_t)rand();
	return (struct ppp_ctx){ .conf = &w.conf, .now = mono_now(), .random = random, .out = &w.out };
}

static void
after(void)
{
	static const struct ppp_net net = { .ipv4 = true, .ipv6 = true };
	struct ppp_ctx c = ctx();

	if (!w.asked_network)
		return;
	w.asked_network = false;
	ppp_link_network(&w.link, &c, &net);
}

static void
on_inject(void *arg, struct bus_sock *from, struct span identity, const struct span *frames, unsigned n)
{
	Punt__ToWorker *m = punt__to_worker__unpack(NULL, frames[0].len, frames[0].p);

	for (size_t i = 0; m && i < m->n_frames; i++) {
		struct ppp_ctx c = ctx();

		if (m->epoch != w.sync.epoch)
			fail("a frame of another epoch", "");
		if (m->frames[i]->session != w.session)
			continue;
		if (w.kill_after && ++w.frames_in == w.kill_after) {
			kill(w.pid, SIGKILL);
			waitpid(w.pid, NULL, 0);
			start_process();
		}
		ppp_link_input(&w.link, &c, span_of(m->frames[i]->octets.data, m->frames[i]->octets.len));
		after();
	}
	if (m)
		punt__to_worker__free_unpacked(m, NULL);
}

static void
turn(void)
{
	static mono_t leased;
	mono_t due = ppp_link_next_due(&w.link);

	if (mono_now() - leased > 50 * MONO_MS) {
		leased = mono_now();
		fake_sync_lease(&w.sync, w.sync.epoch, true, leased + MONO_S);
	}
	loop_once(w.loop, 5 * MONO_MS);
	if (due != MONO_NEVER && due <= mono_now()) {
		struct ppp_ctx c = ctx();

		ppp_link_timer(&w.link, &c);
		after();
	}
	if (waitpid(w.pid, NULL, WNOHANG) == w.pid)
		fail("session-mgr ended by itself", "");
}

static enum ppp_auth
auth_of(const char *name)
{
	return strcmp(name, "pap") == 0 ? PPP_AUTH_PAP : strcmp(name, "chap") == 0 ? PPP_AUTH_CHAP_MD5 : PPP_AUTH_MSCHAPV2;
}

static void
dial(const char *user, const char *password, const char *auth)
{
	struct ppp_ctx c;

	ppp_conf_defaults(&w.conf);
	w.conf.client = true;
	w.conf.auths = 0;
	w.conf.answers = 1;
	w.conf.answer[0] = (uint8_t)auth_of(auth);
	w.conf.name = span_of(user, strlen(user));
	w.conf.password = span_of(password, strlen(password));
	w.conf.ipv4 = w.conf.ipv6 = true;
	w.conf.restart_ms = 500;
	w.conf.max_configure = 200; /* patient, too */
	w.conf.echo_ms = 0;
	w.up4 = w.up6 = w.finished = false;
	w.frames_in = 0;
	w.session++;
	w.out = (struct ppp_out){ peer_send, peer_event, NULL };
	ppp_link_init(&w.link);
	c = ctx();
	ppp_link_up(&w.link, &c, NULL);
	feed_call(w.session);
}

static void
hang_up(void)
{
	mono_t until = mono_now() + 500 * MONO_MS;

	feed(TABLE_CALL, key_session(1, w.session), NULL);
	feed(TABLE_CALL_INFO, key_session(1, w.session), NULL);
	while (mono_now() < until)
		turn();
}

static void
one(char *spec)
{
	const char *user = strtok(spec, ":"), *password = strtok(NULL, ":"), *auth = strtok(NULL, ":"),
		   *expected = strtok(NULL, ":");
	mono_t until = mono_now() + PATIENCE;
	struct ip_addr ip = { .family = 4 };
	bool linger = user && strncmp(user, "linger/", 7) == 0;
	char text[ADDR_TEXT];

	if (linger)
		user += 7;
	if (!expected)
		fail("USER:PASSWORD:AUTH:EXPECTED wanted", spec);
	dial(user, password, auth);
	while (!w.up4 && !w.finished && mono_now() < until)
		turn();
	put_u32(ip.b, w.ip4);
	snprintf(text, sizeof text, "%s", w.up4 ? "up" : w.finished ? "refused" : "nothing");
	if (w.up4 && strcmp(expected, "up") != 0)
		ip_addr_text(&ip, text);
	printf("%s %s %s\n", user, auth, text);
	if (strcmp(text, expected) != 0)
		fail("not as expected:", user);
	if (w.up4) {
		until = mono_now() + (linger ? 62 * MONO_S : 300 * MONO_MS);
		report_usage(123400);
		while (mono_now() < until)
			turn();
	}
	hang_up();
}

static void
write_config(const char *template)
{
	static char text[1 << 16];
	FILE *in = fopen(template, "r"), *out = fopen(w.config, "w");
	const char *at = text, *mark;

	if (!in || !out)
		fail("cannot copy", template);
	text[fread(text, 1, sizeof text - 1, in)] = 0;
	while ((mark = strstr(at, "@DIR@"))) {
		fprintf(out, "%.*s%s", (int)(mark - at), at, w.run);
		at = mark + 5;
	}
	fputs(at, out);
	fclose(in);
	fclose(out);
}

static void
start(const char *template)
{
	char store[256];

	mkdir(w.run, 0755);
	snprintf(w.config, sizeof w.config, "%s/config.json", w.run);
	snprintf(store, sizeof store, "%s/store", w.run);
	mkdir(store, 0755);
	write_config(template);
	w.loop = loop_new();
	w.bus = bus_new(w.loop, w.run);
	fake_sync_start(&w.sync, w.bus, store, true, 7);
	w.worker = bus_dealer_connect(w.bus, "punt.session-mgr", "worker.0", on_inject, NULL);
	ppp_link_init(&w.link);
	start_process();
	for (mono_t until = mono_now() + PATIENCE; w.sync.hellos == 0;) {
		turn();
		if (mono_now() > until)
			fail("session-mgr does not greet state-sync", "");
	}
	hello();
	feed_tunnel();
}

int
main(int argc, char **argv)
{
	bool killing = argc > 4 && strcmp(argv[4], "--kill") == 0;
	int first = killing ? 5 : 4;

	if (argc <= first) {
		fprintf(stderr, "usage: session_dial SESSION-MGR CONFIG DIR [--kill] USER:PASSWORD:AUTH:EXPECTED...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	w.binary = argv[1];
	snprintf(w.run, sizeof w.run, "%s", argv[3]);
	start(argv[2]);
	for (int i = first; i < argc; i++) {
		w.kill_after = killing ? (unsigned)(i - first) + 1 : 0;
		one(argv[i]);
	}
	for (mono_t until = mono_now() + MONO_S; mono_now() < until;)
		turn();
	kill(w.pid, SIGTERM);
	waitpid(w.pid, NULL, 0);
	fake_sync_stop(&w.sync);
	bus_free(w.bus);
	loop_free(w.loop);
	puts("everybody got what was expected");
	return 0;
}
