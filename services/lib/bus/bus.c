// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets in a loop.  See bus.h.
 *
 * ZMQ_FD is an edge: it tells that *something* may have happened, and a send may swallow the edge
 * of a message that came in.  So the descriptor only wakes the loop; every iteration drains every
 * socket until EAGAIN before it sleeps, and every send asks for one more iteration (loop_poke).  A
 * socket that has more than BUDGET messages waits for the next iteration with the rest, so that
 * timers and the others get their turn.
 */
#include "bus/bus.h"

#include <errno.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <zmq.h>

#include "bus/bus_impl.h"

#define BUDGET 256
#define LATEST_OF 4096 /* what may wait at a subscriber; more is not sent to it */
#define RECONNECT_MS 10
#define LINK_EVENTS (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED)
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_DOMAIN "twin"
#define CURVE_CLIENTS 4

struct bus {
	struct loop *loop;
	struct loop_each *each;
	void *ctx;
	char *run_dir;
	int hwm;
	int heartbeat_ms, heartbeat_timeout_ms;
	unsigned monitors;
	struct bus_sock *socks;
	bool closed_some, draining;

	struct bus_sock *zap;
	uint8_t client_key[CURVE_CLIENTS][32]; /* public keys that may come in */
	unsigned client_keys;
};

struct bus_message {
	unsigned n;
	zmq_msg_t frame[];
};

/* --- opening and closing ------------------------------------------------------------------- */

static void
on_ready(void *arg, int fd, unsigned events)
{
	struct bus_sock *s = arg;

	s->look = true; /* bus_each drains */
}

static void
set_int(void *zmq, int option, int value)
{
	zmq_setsockopt(zmq, option, &value, sizeof value);
}

static struct loop_fd *
watch(struct bus_sock *s, void *zmq)
{
	int fd;
	size_t len = sizeof fd;

	return zmq_getsockopt(zmq, ZMQ_FD, &fd, &len)
		   ? NULL
		   : loop_fd_add(s->bus->loop, fd, LOOP_READ, on_ready, s);
}

struct bus_sock *
bus_sock_open(struct bus *b, int type, bus_fn *fn, void *arg)
{
	struct bus_sock *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	*s = (struct bus_sock){
		.bus = b, .fn = fn, .arg = arg, .router = type == ZMQ_ROUTER, .look = true, .next = b->socks
	};
	s->zmq = zmq_socket(b->ctx, type);
	if (!s->zmq || (type != ZMQ_PUB && !(s->fd = watch(s, s->zmq)))) {
		int e = errno;
		if (s->zmq)
			zmq_close(s->zmq);
		free(s);
		errno = e;
		return NULL;
	}
	set_int(s->zmq, ZMQ_LINGER, 0);
	set_int(s->zmq, ZMQ_SNDHWM, b->hwm);
	set_int(s->zmq, ZMQ_RCVHWM, b->hwm);
	set_int(s->zmq, ZMQ_RECONNECT_IVL, RECONNECT_MS);
	set_int(s->zmq, ZMQ_RECONNECT_IVL_MAX, 0);
	if (s->router) {
		set_int(s->zmq, ZMQ_ROUTER_MANDATORY, 1);
		set_int(s->zmq, ZMQ_ROUTER_HANDOVER, 1);
	}
	b->socks = s;
	return s;
}

static void
monitor_close(struct bus_sock *s)
{
	loop_fd_remove(s->monitor_fd);
	if (s->monitor) {
		if (s->zmq)
			zmq_socket_monitor(s->zmq, NULL, 0);
		zmq_close(s->monitor);
	}
	s->monitor = NULL;
	s->monitor_fd = NULL;
}

void
bus_close(struct bus_sock *s)
{
	if (!s || !s->zmq)
		return;
	monitor_close(s);
	loop_fd_remove(s->fd);
	zmq_close(s->zmq);
	s->zmq = NULL;
	s->bus->closed_some = true; /* the struct may be in use further up: freed by bus_each */
	loop_poke(s->bus->loop);
}

static struct bus_sock *
give_up(struct bus_sock *s)
{
	int e = errno;

	bus_close(s);
	errno = e;
	return NULL;
}

int
bus_endpoint(const struct bus *b, const char *name, char out[160])
{
	struct sockaddr_un un;
	int n = snprintf(out, 160, "ipc://%s/%s", b->run_dir, name);

	if (n < 0 || (size_t)n - strlen("ipc://") >= sizeof un.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

struct bus_sock *
bus_sock_bind(struct bus_sock *s, const char *endpoint)
{
	if (!s)
		return NULL;
	return zmq_bind(s->zmq, endpoint) ? give_up(s) : s;
}

/* Before it connects or is bound: libzmq tells only of what happens after. */
static bool
monitor_open(struct bus_sock *s)
{
	char at[64];

	snprintf(at, sizeof at, "inproc://monitor.%u", ++s->bus->monitors);
	if (zmq_socket_monitor(s->zmq, at, LINK_EVENTS))
		return false;
	s->monitor = zmq_socket(s->bus->ctx, ZMQ_PAIR);
	if (!s->monitor)
		return false;
	set_int(s->monitor, ZMQ_RCVHWM, 0); /* libzmq's own thread would wait while we stand still */
	return zmq_connect(s->monitor, at) == 0 && (s->monitor_fd = watch(s, s->monitor));
}

static struct bus_sock *
sock_connect(struct bus_sock *s, const char *endpoint)
{
	return zmq_connect(s->zmq, endpoint) ? give_up(s) : s;
}

static struct bus_sock *
router_open(struct bus *b, bus_fn *fn, void *arg)
{
	struct bus_sock *s = bus_sock_open(b, ZMQ_ROUTER, fn, arg);

	return s && !monitor_open(s) ? give_up(s) : s;
}

struct bus_sock *
bus_router_bind(struct bus *b, const char *name, bus_fn *fn, void *arg)
{
	char at[160];

	return bus_endpoint(b, name, at) ? NULL : bus_sock_bind(router_open(b, fn, arg), at);
}

static struct bus_sock *
dealer_open(struct bus *b, const char *identity, bus_fn *fn, void *arg)
{
	struct bus_sock *s = bus_sock_open(b, ZMQ_DEALER, fn, arg);

	if (s && (zmq_setsockopt(s->zmq, ZMQ_ROUTING_ID, identity, strlen(identity)) || !monitor_open(s)))
		return give_up(s);
	return s;
}

struct bus_sock *
bus_dealer_connect(struct bus *b, const char *name, const char *identity, bus_fn *fn, void *arg)
{
	char at[160];
	struct bus_sock *s = bus_endpoint(b, name, at) ? NULL : dealer_open(b, identity, fn, arg);

	return s ? sock_connect(s, at) : NULL;
}

struct bus_sock *
bus_pub_bind(struct bus *b, const char *name)
{
	char at[160];
	struct bus_sock *s =
	    bus_endpoint(b, name, at) ? NULL : bus_sock_open(b, ZMQ_PUB, NULL, NULL);

	if (s)
		set_int(s->zmq, ZMQ_SNDHWM, LATEST_OF / 2);
	return bus_sock_bind(s, at);
}

struct bus_sock *
bus_sub_connect(struct bus *b, const char *name, bus_fn *fn, void *arg)
{
	char at[160];
	struct bus_sock *s = bus_endpoint(b, name, at) ? NULL : bus_sock_open(b, ZMQ_SUB, fn, arg);

	if (!s)
		return NULL;
	set_int(s->zmq, ZMQ_RCVHWM, LATEST_OF / 2);
	s->latest = true; /* ZMQ_CONFLATE would do it, but libzmq 4.3.4 leaks with it when a
			     connection ends */
	zmq_setsockopt(s->zmq, ZMQ_SUBSCRIBE, "", 0);
	return sock_connect(s, at);
}

/* --- tcp and CURVE ------------------------------------------------------------------------- */

struct keypair {
	uint8_t secret[32], public[32];
};

static bool
keys_derive(const struct bus_curve *c, const char *label, struct keypair *out)
{
	char secret[41], public[41];
	unsigned len = sizeof out->secret;

	return HMAC(EVP_sha256(), c->secret, sizeof c->secret, (const uint8_t *)label,
		    strlen(label), out->secret, &len) &&
	       zmq_z85_encode(secret, out->secret, 32) && zmq_curve_public(public, secret) == 0 &&
	       zmq_z85_decode(out->public, public);
}

static bool
keys_of(const struct bus_curve *c, struct keypair *server, struct keypair *client)
{
	if (keys_derive(c, "twinlns mirror server", server) &&
	    keys_derive(c, "twinlns mirror client", client))
		return true;
	errno = ENOSYS; /* a libzmq without CURVE */
	return false;
}

/* RFC 27/ZAP: version, request id, domain, address, identity, mechanism, credentials (the client's
 * public key). */
static void
on_zap(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct bus *b = arg;
	bool known = false;

	if (n < 6)
		return; /* a REP that never answers; libzmq itself is the only asker */
	for (unsigned i = 0; n == 7 && f[6].len == 32 && i < b->client_keys; i++)
		known |= memcmp(f[6].p, b->client_key[i], 32) == 0;
	const char *code = known ? "200" : "400";
	const struct span answer[] = {
		f[0], f[1], span_of(code, 3), span_of(NULL, 0), span_of(NULL, 0), span_of(NULL, 0)
	};
	bus_send_raw(from, answer, 6);
}

static bool
zap_open(struct bus *b)
{
	if (!b->zap)
		b->zap = bus_sock_bind(bus_sock_open(b, ZMQ_REP, on_zap, b), ZAP_ENDPOINT);
	return b->zap != NULL;
}

static bool
curve_server(struct bus_sock *s, const struct bus_curve *c)
{
	struct keypair server, client;
	struct bus *b = s->bus;

	if (!keys_of(c, &server, &client) || !zap_open(b))
		return false;
	if (b->client_keys == CURVE_CLIENTS) {
		errno = ENOSPC;
		return false;
	}
	memcpy(b->client_key[b->client_keys++], client.public, 32);
	set_int(s->zmq, ZMQ_CURVE_SERVER, 1);
	return zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, server.secret, 32) == 0 &&
	       zmq_setsockopt(s->zmq, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) == 0;
}

static bool
curve_client(struct bus_sock *s, const struct bus_curve *c)
{
	struct keypair server, client;

	return keys_of(c, &server, &client) &&
	       zmq_setsockopt(s->zmq, ZMQ_CURVE_SERVERKEY, server.public, 32) == 0 &&
	       zmq_setsockopt(s->zmq, ZMQ_CURVE_PUBLICKEY, client.public, 32) == 0 &&
	       zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, client.secret, 32) == 0;
}

static void
tcp_options(struct bus_sock *s)
{
	struct bus *b = s->bus;

	set_int(s->zmq, ZMQ_IPV6, 1);
	set_int(s->zmq, ZMQ_HEARTBEAT_IVL, b->heartbeat_ms);
	set_int(s->zmq, ZMQ_HEARTBEAT_TIMEOUT, b->heartbeat_timeout_ms);
	set_int(s->zmq, ZMQ_HEARTBEAT_TTL, b->heartbeat_timeout_ms);
	set_int(s->zmq, ZMQ_CONNECT_TIMEOUT, 1000);
	set_int(s->zmq, ZMQ_HANDSHAKE_IVL, 2000);
}

struct bus_sock *
bus_router_listen(struct bus *b, const char *endpoint, const struct bus_curve *c, bus_fn *fn,
		  void *arg)
{
	struct bus_sock *s = router_open(b, fn, arg);

	if (!s)
		return NULL;
	tcp_options(s);
	if (c && !curve_server(s, c))
		return give_up(s);
	return bus_sock_bind(s, endpoint);
}

struct bus_sock *
bus_dealer_dial(struct bus *b, const char *endpoint, const char *identity,
		const struct bus_curve *c, bus_fn *fn, void *arg)
{
	struct bus_sock *s = dealer_open(b, identity, fn, arg);

	if (!s)
		return NULL;
	tcp_options(s);
	if (c && !curve_client(s, c))
		return give_up(s);
	return sock_connect(s, endpoint);
}

void
bus_set_hwm(struct bus *b, int messages)
{
	b->hwm = messages < 0 ? 0 : messages;
}

void
bus_set_heartbeat(struct bus *b, unsigned interval_ms, unsigned timeout_ms)
{
	b->heartbeat_ms = (int)interval_ms;
	b->heartbeat_timeout_ms = (int)timeout_ms;
}

/* --- connections coming and going ---------------------------------------------------------- */

bool
bus_watch(struct bus_sock *s, bus_link_fn *fn, void *arg)
{
	s->link = fn;
	s->link_arg = arg;
	s->look = true;
	return s->monitor != NULL;
}

/* Two frames: event number (16 bits, host order) and value (32 bits); the address. */
static bool
monitor_event(void *monitor, uint16_t *event)
{
	uint8_t head[6], at[256];

	if (zmq_recv(monitor, head, sizeof head, ZMQ_DONTWAIT) != sizeof head)
		return false;
	memcpy(event, head, sizeof *event);
	zmq_recv(monitor, at, sizeof at, ZMQ_DONTWAIT);
	return true;
}

static void
drain_monitor(struct bus_sock *s)
{
	uint16_t event;

	while (s->zmq && s->monitor && monitor_event(s->monitor, &event)) {
		if (!s->link)
			continue; /* nobody wants to know */
		s->link(s->link_arg, s, event == ZMQ_EVENT_DISCONNECTED ? BUS_DOWN : BUS_UP);
	}
}

/* --- receiving ----------------------------------------------------------------------------- */

static void
frames_close(zmq_msg_t *frame, unsigned n)
{
	while (n)
		zmq_msg_close(&frame[--n]);
}

/* All frames of one message; 0: none waiting.  One with too many frames is read to its end and
 * counted. */
static unsigned
receive(struct bus_sock *s, zmq_msg_t *frames, unsigned max)
{
	unsigned n = 0, lost = 0;
	bool more = true;

	while (more) {
		zmq_msg_t extra, *m = n < max ? &frames[n] : &extra;
		zmq_msg_init(m);
		if (zmq_msg_recv(m, s->zmq, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(m);
			break;
		}
		more = zmq_msg_more(m);
		if (m == &extra) {
			zmq_msg_close(m);
			lost++;
		} else {
			n++;
		}
	}
	if (lost == 0)
		return n;
	frames_close(frames, n);
	s->counts.malformed++;
	return receive(s, frames, max);
}

static void
deliver(struct bus_sock *s, zmq_msg_t *frame, unsigned n)
{
	struct span span[BUS_FRAMES + 2];
	unsigned skip = s->router ? 1 : 0;

	s->counts.received++;
	for (unsigned i = 0; i < n; i++)
		span[i] = span_of(zmq_msg_data(&frame[i]), zmq_msg_size(&frame[i]));
	if (n <= skip)
		s->counts.malformed++;
	else if (s->fn)
		s->fn(s->arg, s, s->router ? span[0] : span_of(NULL, 0), span + skip, n - skip);
}

/* False: nothing was waiting. */
static bool
deliver_one(struct bus_sock *s)
{
	zmq_msg_t frame[BUS_FRAMES + 2];
	unsigned n = receive(s, frame, BUS_FRAMES + 2);

	if (n == 0)
		return false;
	deliver(s, frame, n);
	frames_close(frame, n);
	return true;
}

/* True: there may be more. */
static bool
deliver_latest(struct bus_sock *s)
{
	zmq_msg_t frame[2][8];
	unsigned n, last = 0, at = 0, i;

	for (i = 0; i < LATEST_OF && (n = receive(s, frame[at], 8)); i++) {
		frames_close(frame[1 - at], last);
		last = n;
		at = 1 - at;
	}
	if (last) {
		deliver(s, frame[1 - at], last);
		frames_close(frame[1 - at], last);
	}
	return i == LATEST_OF;
}

static bool
drain(struct bus_sock *s)
{
	drain_monitor(s);
	if (!s->fd) /* a PUB */
		return false;
	if (s->latest)
		return s->zmq && deliver_latest(s);
	for (unsigned i = 0; i < BUDGET; i++) {
		if (!s->zmq || !deliver_one(s))
			return false;
	}
	return true;
}

static void
sweep(struct bus *b)
{
	b->closed_some = false;
	for (struct bus_sock **at = &b->socks, *s; (s = *at);) {
		if (s->zmq || s->held) {
			b->closed_some |= !s->zmq;
			at = &s->next;
			continue;
		}
		*at = s->next;
		if (s->fini)
			s->fini(s);
		free(s);
	}
}

static bool
bus_each(void *arg)
{
	struct bus *b = arg;
	bool more = false;

	if (b->draining) /* a callback runs the loop: the outer drain goes on later */
		return false;
	b->draining = true;
	for (struct bus_sock *s = b->socks; s; s = s->next) {
		if (!s->zmq || !s->look)
			continue;
		s->look = false;
		if (drain(s))
			s->look = more = true;
	}
	b->draining = false;
	if (b->closed_some)
		sweep(b);
	return more;
}

/* --- sending ------------------------------------------------------------------------------- */

static bool
sent(struct bus_sock *s, bool ok)
{
	const int err = errno;

	if (ok)
		s->counts.sent++;
	else if (err == EHOSTUNREACH)
		s->counts.refused_no_peer++;
	else
		s->counts.refused_full++;
	s->look = true;
	loop_poke(s->bus->loop); /* the send may have swallowed an edge */
	errno = err;
	return ok;
}

static bool
send_frame(struct bus_sock *s, struct span f, bool more)
{
	s->look = true; /* whatever it did to the descriptor's edge */
	return zmq_send(s->zmq, f.p, f.len, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0;
}

bool
bus_send_raw(struct bus_sock *s, const struct span *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!send_frame(s, frames[i], i + 1 < n))
			return false;
	}
	return true;
}

bool
bus_send(struct bus_sock *s, struct span identity, const struct span *frames, unsigned n)
{
	if (!s->zmq || n == 0)
		return false;
	return sent(s, (!s->router || send_frame(s, identity, true)) && bus_send_raw(s, frames, n));
}

struct bus_message *
bus_message_new(const struct span *frames, unsigned n)
{
	struct bus_message *m = malloc(sizeof *m + n * sizeof(zmq_msg_t));

	if (!m)
		return NULL;
	for (m->n = 0; m->n < n; m->n++) {
		const struct span f = frames[m->n];
		if (zmq_msg_init_size(&m->frame[m->n], f.len)) {
			bus_message_free(m);
			return NULL;
		}
		if (f.len)
			memcpy(zmq_msg_data(&m->frame[m->n]), f.p, f.len);
	}
	return m;
}

void
bus_message_free(struct bus_message *m)
{
	if (!m)
		return;
	while (m->n)
		zmq_msg_close(&m->frame[--m->n]);
	free(m);
}

static bool
send_copy(struct bus_sock *s, zmq_msg_t *of, bool more)
{
	zmq_msg_t copy;

	zmq_msg_init(&copy);
	if (zmq_msg_copy(&copy, of) == 0 &&
	    zmq_msg_send(&copy, s->zmq, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0)
		return true;
	int e = errno;
	zmq_msg_close(&copy);
	errno = e;
	return false;
}

static bool
send_copies(struct bus_sock *s, struct bus_message *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (!send_copy(s, &m->frame[i], i + 1 < m->n))
			return false;
	}
	return true;
}

bool
bus_message_send(struct bus_sock *s, struct span identity, struct bus_message *m)
{
	if (!s->zmq || m->n == 0)
		return false;
	return sent(s, (!s->router || send_frame(s, identity, true)) && send_copies(s, m));
}

bool
bus_message_send_after(struct bus_sock *s, struct span identity, struct span head,
		       struct bus_message *m)
{
	if (!s->zmq)
		return false;
	return sent(s, (!s->router || send_frame(s, identity, true)) &&
			   send_frame(s, head, m->n > 0) && send_copies(s, m));
}

struct bus_counts
bus_counts(const struct bus_sock *s)
{
	return s->counts;
}

/* --- the bus ------------------------------------------------------------------------------- */

struct loop *
bus_loop(struct bus *b)
{
	return b->loop;
}

struct bus *
bus_new(struct loop *loop, const char *run_dir)
{
	struct bus *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	*b = (struct bus){
		.loop = loop, .hwm = BUS_HWM, .run_dir = strdup(run_dir), .ctx = zmq_ctx_new()
	};
	if (!b->run_dir || !b->ctx || !(b->each = loop_each(loop, bus_each, b))) {
		if (b->ctx)
			zmq_ctx_term(b->ctx);
		free(b->run_dir);
		free(b);
		errno = ENOMEM;
		return NULL;
	}
	zmq_ctx_set(b->ctx, ZMQ_BLOCKY, 0);
	return b;
}

void
bus_free(struct bus *b)
{
	if (!b)
		return;
	loop_each_remove(b->each);
	for (struct bus_sock *s = b->socks; s; s = s->next) {
		bus_close(s);
		s->held =
		    0; /* answers still kept are lost: their makers must not send them any more */
	}
	sweep(b);
	zmq_ctx_term(b->ctx);
	free(b->run_dir);
	free(b);
}
