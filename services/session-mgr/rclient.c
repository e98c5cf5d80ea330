// SPDX-License-Identifier: Apache-2.0
/* The RADIUS client machine.  See rclient.h. */
#include "rclient.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct request {
	struct request *prev, *next; /* of the queue, or of a server's list by due time */
	mono_t due, born;
	uint8_t *packet; /* as sent; a retransmission is the same octets */
	uint16_t packet_len, cargo_len;
	uint8_t auth[16];
	uint8_t server, socket, id, tries, asked; /* asked: bit per server that had its cycle */
	_Alignas(8) uint8_t cargo[];
};

struct server {
	struct request *slot[RCLIENT_SOCKETS][256];
	struct request *out; /* oldest deadline first: all have the same timeout */
	unsigned out_n;
	unsigned next; /* slot to look at first: identifiers are reused as late as possible */
	mono_t heard, silent_since, dead_until;
	bool dead, probing;
};

struct rclient {
	struct rclient_ops ops;
	void *arg;
	struct rclient_conf conf;
	struct server *server[CONF_SERVERS];
	struct request *queue;
	unsigned queued;
	struct rclient_counts counts;
};

struct rclient *
rclient_new(const struct rclient_ops *ops, void *arg)
{
	struct rclient *c = calloc(1, sizeof *c);

	if (c) {
		c->ops = *ops;
		c->arg = arg;
	}
	return c;
}

static void
request_free(struct request *q)
{
	free(q->packet);
	free(q);
}

/* Off the wire: its slot is free again. */
static void
take_back(struct rclient *c, struct request *q)
{
	struct server *s = c->server[q->server];

	DL_DELETE(s->out, q);
	s->slot[q->socket][q->id] = NULL;
	s->out_n--;
	free(q->packet);
	q->packet = NULL;
}

void
rclient_drop_all(struct rclient *c)
{
	struct request *q, *tmp;

	for (unsigned i = 0; i < CONF_SERVERS; i++)
		if (c->server[i])
			DL_FOREACH_SAFE (c->server[i]->out, q, tmp) {
				take_back(c, q);
				request_free(q);
			}
	DL_FOREACH_SAFE (c->queue, q, tmp) {
		DL_DELETE(c->queue, q);
		request_free(q);
	}
	c->queued = 0;
}

void
rclient_free(struct rclient *c)
{
	if (!c)
		return;
	rclient_drop_all(c);
	for (unsigned i = 0; i < CONF_SERVERS; i++)
		free(c->server[i]);
	free(c);
}

static void
finish(struct rclient *c, struct request *q, enum rclient_end end, const struct rad_packet *answer)
{
	if (end == RCLIENT_UNANSWERED)
		c->counts.unanswered++;
	c->ops.done(c->arg, q->cargo, q->cargo_len, end, answer, q->server);
	request_free(q);
}

static mono_t
timeout(const struct rclient *c)
{
	return (mono_t)c->conf.timeout_ms * MONO_MS;
}

/* ---- Servers. */

static void
set_dead(struct rclient *c, unsigned i, bool dead, mono_t now)
{
	struct server *s = c->server[i];

	s->dead_until = dead ? now + RCLIENT_DEAD : MONO_NEVER;
	s->probing = false;
	if (s->dead == dead)
		return;
	s->dead = dead;
	if (dead)
		c->counts.dead++;
	c->ops.server_state(c->arg, i, dead);
}

/* May a request go to this server now?  A dead one takes a single probe after its time. */
static bool
takes_requests(const struct server *s, mono_t now)
{
	return !s->dead || (!s->probing && now >= s->dead_until);
}

enum { CHOOSE_NONE = -1, CHOOSE_WAIT = -2 };

/*
 * The server for a request: the first that is alive, has room and was not asked.  When all are dead the
 * first that was not asked, because asking is the only way to learn better.
 */
static int
choose(const struct rclient *c, const struct request *q, mono_t now)
{
	int otherwise = CHOOSE_NONE;

	for (unsigned i = 0; i < c->conf.servers; i++) {
		const struct server *s = c->server[i];

		if (q->asked & 1u << i)
			continue;
		if (takes_requests(s, now)) {
			if (s->out_n < c->conf.in_flight)
				return (int)i;
			otherwise = CHOOSE_WAIT;
		} else if (otherwise == CHOOSE_NONE) {
			otherwise = (int)i;
		}
	}
	return otherwise;
}

static bool
find_slot(const struct rclient *c, struct server *s, uint8_t *socket, uint8_t *id)
{
	unsigned sockets = (c->conf.in_flight + 127) / 128, n;

	if (s->out_n >= c->conf.in_flight)
		return false;
	if (sockets > RCLIENT_SOCKETS)
		sockets = RCLIENT_SOCKETS;
	n = sockets * 256;
	for (unsigned i = 0; i < n; i++, s->next++) {
		unsigned at = s->next % n;

		if (!s->slot[at % sockets][at / sockets]) {
			*socket = (uint8_t)(at % sockets);
			*id = (uint8_t)(at / sockets);
			s->next++;
			return true;
		}
	}
	return false;
}

static void
transmit(struct rclient *c, struct request *q, mono_t now)
{
	struct server *s = c->server[q->server];

	q->tries++;
	q->due = now + timeout(c);
	DL_APPEND(s->out, q);
	if (s->silent_since == MONO_NEVER)
		s->silent_since = now;
	c->ops.send(c->arg, q->server, q->socket, span_of(q->packet, q->packet_len));
}

enum launched { LAUNCHED, NO_ROOM, GAVE_UP };

/* Builds the packet for a server and sends it for the first time. */
static enum launched
launch_to(struct rclient *c, struct request *q, unsigned server, mono_t now)
{
	struct server *s = c->server[server];
	uint8_t buf[RAD_MAX];
	struct span packet;

	if (!find_slot(c, s, &q->socket, &q->id))
		return NO_ROOM;
	c->ops.random(c->arg, q->auth, sizeof q->auth);
	packet = c->ops.build(c->arg, q->cargo, q->cargo_len, server, q->id, q->auth, buf);
	q->server = (uint8_t)server;
	q->packet = packet.len ? malloc(packet.len) : NULL;
	if (!q->packet)
		return GAVE_UP;
	memcpy(q->packet, packet.p, packet.len);
	q->packet_len = (uint16_t)packet.len;
	/* Accounting computes its authenticator; what the answer is checked against is what was sent. */
	memcpy(q->auth, packet.p + 4, 16);
	s->slot[q->socket][q->id] = q;
	s->out_n++;
	q->tries = 0;
	if (s->dead)
		s->probing = true;
	transmit(c, q, now);
	return LAUNCHED;
}

static enum launched
launch(struct rclient *c, struct request *q, mono_t now)
{
	int i = choose(c, q, now);

	if (i < 0)
		return i == CHOOSE_WAIT ? NO_ROOM : GAVE_UP;
	return launch_to(c, q, (unsigned)i, now);
}

/* Sends what waited, as long as there is room; what waited too long is told so. */
static void
run_queue(struct rclient *c, mono_t now)
{
	struct request *q;

	while ((q = c->queue)) {
		enum launched l = GAVE_UP;

		DL_DELETE(c->queue, q);
		c->queued--;
		if (now - q->born < RCLIENT_WAIT)
			l = launch(c, q, now);
		if (l == NO_ROOM) {
			DL_PREPEND(c->queue, q);
			c->queued++;
			return;
		}
		if (l == GAVE_UP)
			finish(c, q, RCLIENT_UNANSWERED, NULL);
	}
}

static void
enqueue(struct rclient *c, struct request *q)
{
	DL_APPEND(c->queue, q);
	c->queued++;
}

bool
rclient_ask(struct rclient *c, const void *cargo, size_t len, mono_t now)
{
	struct request *q;

	if (len > RCLIENT_CARGO || c->conf.servers == 0 || c->queued >= RCLIENT_QUEUE) {
		c->counts.refused++;
		return false;
	}
	q = calloc(1, sizeof *q + len);
	if (!q) {
		c->counts.refused++;
		return false;
	}
	memcpy(q->cargo, cargo, len);
	q->cargo_len = (uint16_t)len;
	q->born = now;
	c->counts.requests++;
	enqueue(c, q);
	run_queue(c, now);
	return true;
}

/* ---- Answers. */

static bool
answers(const struct rclient *c, uint8_t code)
{
	if (c->conf.acct)
		return code == RAD_ACCOUNTING_RESPONSE;
	return code == RAD_ACCESS_ACCEPT || code == RAD_ACCESS_REJECT || code == RAD_ACCESS_CHALLENGE;
}

void
rclient_input(struct rclient *c, unsigned server, unsigned socket, struct span datagram, mono_t now)
{
	struct rad_packet p;
	struct request *q;
	const char *secret;

	if (server >= c->conf.servers || socket >= RCLIENT_SOCKETS)
		return;
	if (rad_read(datagram, &p) != RAD_OK) {
		c->counts.bad_packet++;
		return;
	}
	if (!answers(c, p.code)) {
		c->counts.bad_code++;
		return;
	}
	q = c->server[server]->slot[socket][p.id];
	if (!q) {
		c->counts.unexpected++;
		return;
	}
	secret = c->conf.secret[server];
	switch (rad_verify_response(&p, q->auth, span_of(secret, strlen(secret)))) {
	case RAD_OK:
		break;
	case RAD_BAD_MESSAGE_AUTH:
		c->counts.bad_message_auth++;
		return;
	default:
		c->counts.bad_authenticator++;
		return;
	}
	c->server[server]->heard = now;
	c->server[server]->silent_since = MONO_NEVER;
	if (c->server[server]->dead)
		set_dead(c, server, false, now);
	c->counts.answers++;
	take_back(c, q);
	finish(c, q, RCLIENT_ANSWERED, &p);
	run_queue(c, now);
}

/* ---- Time. */

/* This server had its chance with the request; on to the next. */
static void
give_up_on(struct rclient *c, struct request *q, mono_t now)
{
	take_back(c, q);
	q->asked |= (uint8_t)(1u << q->server);
	switch (launch(c, q, now)) {
	case LAUNCHED:
		c->counts.failovers++;
		return;
	case NO_ROOM:
		enqueue(c, q);
		return;
	case GAVE_UP:
		finish(c, q, RCLIENT_UNANSWERED, NULL);
	}
}

/* Silence for a whole cycle, although something was asked all the time. */
static bool
silent_too_long(const struct rclient *c, const struct server *s, mono_t now)
{
	mono_t cycle = timeout(c) * (c->conf.tries ? c->conf.tries : 1);

	return s->silent_since != MONO_NEVER && now - s->silent_since >= cycle;
}

static bool
other_alive(const struct rclient *c, unsigned not_this)
{
	for (unsigned i = 0; i < c->conf.servers; i++)
		if (i != not_this && !c->server[i]->dead)
			return true;
	return false;
}

static void
timed_out(struct rclient *c, struct request *q, mono_t now)
{
	struct server *s = c->server[q->server];

	if (silent_too_long(c, s, now) && (!s->dead || s->probing))
		set_dead(c, q->server, true, now);
	if (q->tries >= c->conf.tries || (s->dead && other_alive(c, q->server))) {
		give_up_on(c, q, now);
		return;
	}
	DL_DELETE(s->out, q);
	c->counts.retransmits++;
	transmit(c, q, now);
}

void
rclient_tick(struct rclient *c, mono_t now)
{
	for (unsigned i = 0; i < c->conf.servers; i++) {
		struct server *s = c->server[i];

		while (s->out && s->out->due <= now)
			timed_out(c, s->out, now);
		if (s->out_n == 0)
			s->silent_since = MONO_NEVER;
	}
	run_queue(c, now);
}

mono_t
rclient_next_due(const struct rclient *c)
{
	mono_t due = MONO_NEVER;

	for (unsigned i = 0; i < c->conf.servers; i++)
		if (c->server[i]->out)
			due = mono_sooner(due, c->server[i]->out->due);
	if (c->queue)
		due = mono_sooner(due, c->queue->born + RCLIENT_WAIT);
	return due;
}

void
rclient_configure(struct rclient *c, const struct rclient_conf *conf, mono_t now)
{
	struct request *q, *tmp;

	for (unsigned i = 0; i < CONF_SERVERS; i++) {
		if (!c->server[i])
			continue;
		DL_FOREACH_SAFE (c->server[i]->out, q, tmp) {
			take_back(c, q);
			q->asked = 0;
			enqueue(c, q);
		}
		free(c->server[i]);
		c->server[i] = NULL;
	}
	c->conf = *conf;
	if (c->conf.servers > CONF_SERVERS)
		c->conf.servers = CONF_SERVERS;
	if (c->conf.tries == 0)
		c->conf.tries = 1;
	if (c->conf.in_flight == 0 || c->conf.in_flight > RCLIENT_SOCKETS * 256)
		c->conf.in_flight = RCLIENT_SOCKETS * 256;
	if (c->conf.timeout_ms == 0)
		c->conf.timeout_ms = 1000;
	for (unsigned i = 0; i < c->conf.servers; i++) {
		c->server[i] = calloc(1, sizeof *c->server[i]);
		if (!c->server[i])
			c->conf.servers = i;
	}
	DL_FOREACH (c->queue, q)
		q->asked = 0;
	run_queue(c, now);
}

unsigned
rclient_outstanding(const struct rclient *c)
{
	unsigned n = c->queued;

	for (unsigned i = 0; i < c->conf.servers; i++)
		n += c->server[i]->out_n;
	return n;
}

struct rclient_counts
rclient_counts(const struct rclient *c)
{
	return c->counts;
}

bool
rclient_server_dead(const struct rclient *c, unsigned server)
{
	return server < c->conf.servers && c->server[server]->dead;
}

struct rclient_server
rclient_server(const struct rclient *c, unsigned server, mono_t now)
{
	struct rclient_server out = { 0 };
	const struct server *s = server < c->conf.servers ? c->server[server] : NULL;

	if (!s)
		return out;
	out.dead = s->dead;
	out.probing = s->dead && s->probing;
	out.out = s->out_n;
	if (s->silent_since != MONO_NEVER && now > s->silent_since)
		out.silent_ms = (uint64_t)((now - s->silent_since) / MONO_MS);
	if (s->dead && !s->probing && s->dead_until > now)
		out.wait_ms = (uint64_t)((s->dead_until - now) / MONO_MS);
	return out;
}
