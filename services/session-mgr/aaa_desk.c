// SPDX-License-Identifier: Apache-2.0
/*
 * The AAA desk.  See aaa_desk.h.
 *
 *	PAP		User-Password, hidden (RFC 2865, 5.2)
 *	CHAP-MD5	CHAP-Password = identifier + response, CHAP-Challenge (5.3, 5.40)
 *	MS-CHAPv2	MS-CHAP-Challenge, MS-CHAP2-Response (RFC 2548, 2.1.2, 2.3.2)
 */
#include "aaa_desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct aaa_desk {
	struct aaa_desk_ops ops;
	void *arg;
	struct conf_aaa_set conf;
	struct users *users;
	struct rclient *client[2]; /* by enum desk_kind */
	uint64_t wall;
};

/* ---- Packets. */

static void
put_nas(const struct aaa_desk *d, struct wr *w)
{
	const struct ip_addr *a = &d->conf.nas_address;

	rad_put_text(w, RAD_NAS_IDENTIFIER, d->conf.nas_identifier);
	if (a->family)
		rad_put(w, a->family == 4 ? RAD_NAS_IP_ADDRESS : RAD_NAS_IPV6_ADDRESS, a->b, ip_addr_len(a));
}

/* RFC 2548, 2.3.2: ident, flags, peer challenge, reserved, response; the PPP value has its flags last. */
static void
put_mschap2(struct wr *w, const struct aaa_request *q)
{
	uint8_t v[50] = { q->chap_id, q->response[48] };

	memcpy(v + 2, q->response, 48);
	rad_put(w, RAD_MS_CHAP_CHALLENGE, q->challenge, q->challenge_len);
	rad_put(w, RAD_MS_CHAP2_RESPONSE, v, sizeof v);
}

static void
put_chap(struct wr *w, const struct aaa_request *q)
{
	uint8_t v[17] = { q->chap_id };

	memcpy(v + 1, q->response, 16);
	rad_put(w, RAD_CHAP_PASSWORD, v, sizeof v);
	rad_put(w, RAD_CHAP_CHALLENGE, q->challenge, q->challenge_len);
}

static bool
put_proof(struct rad_writer *r, const struct aaa_request *q, struct span secret)
{
	switch (q->auth) {
	case PPP_AUTH_PAP:
		rad_put_password(r, span_of(q->response, q->response_len), secret);
		return true;
	case PPP_AUTH_CHAP_MD5:
		put_chap(&r->w, q);
		return q->response_len == 16;
	case PPP_AUTH_MSCHAPV2:
		put_mschap2(&r->w, q);
		return q->response_len == 49;
	default:
		return false;
	}
}

static void
put_call(struct wr *w, const struct aaa_request *q)
{
	char a[ADDR_TEXT];

	rad_put_u32(w, RAD_NAS_PORT, (uint32_t)q->tunnel << 16 | q->session);
	rad_put_u32(w, RAD_NAS_PORT_TYPE, 5);
	rad_put_u32(w, RAD_SERVICE_TYPE, 2);
	rad_put_u32(w, RAD_FRAMED_PROTOCOL, 1);
	rad_put_text(w, RAD_CALLING_STATION_ID, q->calling);
	rad_put_text(w, RAD_CALLED_STATION_ID, q->called);
	wr_bytes(w, q->line, q->line_len);
	if (!q->client_endpoint.family)
		return;
	rad_put_tagged_u32(w, RAD_TUNNEL_TYPE, 1, 3);
	rad_put_tagged_u32(w, RAD_TUNNEL_MEDIUM_TYPE, 1, q->client_endpoint.family == 4 ? 1 : 2);
	rad_put_tagged_text(w, RAD_TUNNEL_CLIENT_ENDPOINT, 1, ip_addr_text(&q->client_endpoint, a));
	rad_put_tagged_text(w, RAD_TUNNEL_SERVER_ENDPOINT, 1, ip_addr_text(&q->server_endpoint, a));
	rad_put_tagged_text(w, RAD_TUNNEL_CLIENT_AUTH_ID, 1, q->client_auth_id);
}

static struct span
secret_of(const struct aaa_desk *d, unsigned server)
{
	return span_of(d->conf.server[server].secret, strlen(d->conf.server[server].secret));
}

static struct span
build_access(void *arg, const void *cargo, size_t len, unsigned server, uint8_t id, const uint8_t auth[16],
	     uint8_t buf[RAD_MAX])
{
	struct aaa_desk *d = arg;
	const struct aaa_request *q = cargo;
	struct rad_writer r;

	rad_begin(&r, buf, RAD_MAX, RAD_ACCESS_REQUEST, id, auth);
	rad_put_message_auth(&r);
	rad_put(&r.w, RAD_USER_NAME, q->name, q->name_len);
	if (!put_proof(&r, q, secret_of(d, server)))
		return span_of(NULL, 0);
	put_nas(d, &r.w);
	put_call(&r.w, q);
	return rad_end(&r, secret_of(d, server), NULL);
}

static struct span
build_acct(void *arg, const void *cargo, size_t len, unsigned server, uint8_t id, const uint8_t auth[16],
	   uint8_t buf[RAD_MAX])
{
	struct aaa_desk *d = arg;
	const struct acct_ask *q = cargo;
	struct rad_writer r;

	rad_begin(&r, buf, RAD_MAX, RAD_ACCOUNTING_REQUEST, id, NULL);
	wr_bytes(&r.w, q->attrs, q->attrs_len);
	put_nas(d, &r.w);
	rad_put_u32(&r.w, RAD_ACCT_DELAY_TIME, d->wall > q->created ? (uint32_t)(d->wall - q->created) : 0);
	return rad_end(&r, secret_of(d, server), NULL);
}

/* ---- Results. */

static struct aaa_answer
answer_to(const struct aaa_request *q, enum aaa_verdict v)
{
	return (struct aaa_answer){ .token = q->token, .tunnel = q->tunnel, .session = q->session, .verdict = v };
}

static bool
ask_users(struct aaa_desk *d, const struct aaa_request *q)
{
	struct aaa_answer a;
	bool known;

	users_ask(d->users, q, &a, &known);
	d->ops.answer(d->arg, &a);
	return known;
}

static void
unanswered(struct aaa_desk *d, const struct aaa_request *q)
{
	struct aaa_answer a = answer_to(q, AAA_UNANSWERED);

	if (d->conf.mode == AAA_RADIUS_THEN_LOCAL && d->users)
		ask_users(d, q);
	else
		d->ops.answer(d->arg, &a);
}

static void
access_done(void *arg, const void *cargo, size_t len, enum rclient_end end, const struct rad_packet *p, unsigned server)
{
	struct aaa_desk *d = arg;
	const struct aaa_request *q = cargo;
	struct aaa_answer a;

	if (end == RCLIENT_UNANSWERED) {
		unanswered(d, q);
		return;
	}
	/* A challenge asks for a second round, which PAP and CHAP do not have (RFC 2865, 4.4). */
	a = answer_to(q, p->code == RAD_ACCESS_ACCEPT ? AAA_ACCEPT : AAA_REJECT);
	aaa_name_clean(span_of(q->name, q->name_len), a.user);
	aaa_grant_read(p->attrs, q->chap_id, &a);
	if (a.verdict == AAA_ACCEPT && q->auth == PPP_AUTH_MSCHAPV2 && !a.has_proof)
		a.verdict = AAA_REJECT; /* the peer would not believe us without it (RFC 2759, 5) */
	d->ops.answer(d->arg, &a);
}

static void
acct_done(void *arg, const void *cargo, size_t len, enum rclient_end end, const struct rad_packet *p, unsigned server)
{
	struct aaa_desk *d = arg;
	const struct acct_ask *q = cargo;

	d->ops.acct_done(d->arg, span_of(q->key, q->key_len), end == RCLIENT_ANSWERED);
}

#define FORWARD(KIND, NAME) \
	static void \
	send_##NAME(void *arg, unsigned server, unsigned socket, struct span b) \
	{ \
		struct aaa_desk *d = arg; \
		d->ops.send(d->arg, KIND, server, socket, b); \
	} \
	static void \
	state_##NAME(void *arg, unsigned server, bool dead) \
	{ \
		struct aaa_desk *d = arg; \
		d->ops.server_state(d->arg, KIND, server, dead); \
	}

FORWARD(DESK_AUTH, auth)
FORWARD(DESK_ACCT, acct)

static void
fresh(void *arg, uint8_t *out, size_t n)
{
	struct aaa_desk *d = arg;

	d->ops.random(d->arg, out, n);
}

struct aaa_desk *
aaa_desk_new(const struct aaa_desk_ops *ops, void *arg)
{
	static const struct rclient_ops auth = { build_access, send_auth, access_done, fresh, state_auth };
	static const struct rclient_ops acct = { build_acct, send_acct, acct_done, fresh, state_acct };
	struct aaa_desk *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->ops = *ops;
	d->arg = arg;
	d->client[DESK_AUTH] = rclient_new(&auth, d);
	d->client[DESK_ACCT] = rclient_new(&acct, d);
	if (!d->client[DESK_AUTH] || !d->client[DESK_ACCT]) {
		aaa_desk_free(d);
		return NULL;
	}
	return d;
}

void
aaa_desk_free(struct aaa_desk *d)
{
	if (!d)
		return;
	rclient_free(d->client[DESK_AUTH]);
	rclient_free(d->client[DESK_ACCT]);
	users_free(d->users);
	free(d);
}

void
aaa_desk_configure(struct aaa_desk *d, const struct conf_aaa_set *conf, mono_t now)
{
	struct rclient_conf c = {
		.servers = conf->servers,
		.timeout_ms = conf->timeout_ms,
		.tries = conf->tries,
		.in_flight = conf->in_flight,
	};

	d->conf = *conf;
	for (unsigned i = 0; i < conf->servers && i < CONF_SERVERS; i++)
		memcpy(c.secret[i], conf->server[i].secret, sizeof c.secret[i]);
	rclient_configure(d->client[DESK_AUTH], &c, now);
	c.acct = true;
	rclient_configure(d->client[DESK_ACCT], &c, now);
}

void
aaa_desk_users(struct aaa_desk *d, struct users *users)
{
	users_free(d->users);
	d->users = users;
}

void
aaa_desk_ask(struct aaa_desk *d, const struct aaa_request *q, mono_t now)
{
	if (d->conf.mode == AAA_LOCAL)
		ask_users(d, q);
	else if (!rclient_ask(d->client[DESK_AUTH], q, sizeof *q, now))
		unanswered(d, q);
}

void
aaa_desk_acct(struct aaa_desk *d, const struct acct_ask *q, uint64_t wall, mono_t now)
{
	d->wall = wall;
	if (!rclient_ask(d->client[DESK_ACCT], q, acct_ask_size(q), now))
		d->ops.acct_done(d->arg, span_of(q->key, q->key_len), false);
}

void
aaa_desk_input(struct aaa_desk *d, enum desk_kind kind, unsigned server, unsigned socket, struct span b, uint64_t wall,
	       mono_t now)
{
	d->wall = wall;
	rclient_input(d->client[kind], server, socket, b, now);
}

void
aaa_desk_tick(struct aaa_desk *d, uint64_t wall, mono_t now)
{
	d->wall = wall;
	rclient_tick(d->client[DESK_AUTH], now);
	rclient_tick(d->client[DESK_ACCT], now);
}

mono_t
aaa_desk_next_due(const struct aaa_desk *d)
{
	return mono_sooner(rclient_next_due(d->client[DESK_AUTH]), rclient_next_due(d->client[DESK_ACCT]));
}

void
aaa_desk_drop_all(struct aaa_desk *d)
{
	rclient_drop_all(d->client[DESK_AUTH]);
	rclient_drop_all(d->client[DESK_ACCT]);
}

struct rclient_counts
aaa_desk_counts(const struct aaa_desk *d, enum desk_kind kind)
{
	return rclient_counts(d->client[kind]);
}

int
aaa_desk_dead(const struct aaa_desk *d, enum desk_kind kind)
{
	for (unsigned i = 0; i < CONF_SERVERS; i++) {
		if (rclient_server_dead(d->client[kind], i))
			return (int)i;
	}
	return -1;
}

unsigned
aaa_desk_outstanding(const struct aaa_desk *d, enum desk_kind kind)
{
	return rclient_outstanding(d->client[kind]);
}

struct rclient_server
aaa_desk_server(const struct aaa_desk *d, enum desk_kind kind, unsigned server, mono_t now)
{
	return rclient_server(d->client[kind], server, now);
}
