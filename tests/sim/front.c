// SPDX-License-Identifier: Apache-2.0
/*
 * The LAC's own PPP end (RFC 2661, 4.4.5): before it tells the LNS that a call is connected it has negotiated LCP with
 * the client and heard who it is, and says in its ICCN what was said.  lib/ppp plays this end as well, as a server that
 * stops where the LAC does:
 *
 *      WHOLE       LCP, and the client's proof of who it is
 *      LCP_ONLY    LCP; the LNS authenticates on it
 *      FIRST_ONLY  the client's first Configure-Request, and nothing else: of no use but as a hint
 *      OTHERS      LCP and a proof by a protocol that the pair may not accept
 *
 * No frame of this conversation is lost or late: it is a wire of the LAC's.
 */
#include "sim.h"

#define FRAMES 16
#define ROUNDS 64

enum extent { WHOLE, LCP_ONLY, FIRST_ONLY, OTHERS, EXTENTS };

struct frame {
	size_t len;
	uint8_t b[256];
};

struct queue {
	struct frame frame[FRAMES];
	unsigned n;
};

struct octets {
	size_t len;
	uint8_t b[256];
};

struct front {
	struct ppp_out out; /* first */
	struct line *s;
	struct ppp_conf conf;
	struct ppp_link link;
	struct queue to_lac, to_client;
	enum extent extent;
	bool done;
	struct octets first_rcvd, sent, rcvd, name, challenge, response;
	uint16_t auth_type; /* of RFC 2661, 4.4.5; 0: nothing to tell */
	uint8_t auth_id;
};

static void
keep(struct octets *o, struct span s)
{
	o->len = s.len < sizeof o->b ? s.len : sizeof o->b;
	if (o->len)
		memcpy(o->b, s.p, o->len);
}

static void
put(struct queue *q, struct span frame)
{
	struct frame *f = &q->frame[q->n];

	if (q->n == FRAMES || frame.len > sizeof f->b)
		return;
	f->len = frame.len;
	memcpy(f->b, frame.p, frame.len);
	q->n++;
}

/* The options, if it is a Configure-Request of LCP. */
static bool
confreq(struct span f, struct span *options)
{
	if (f.len < 6 || get_u16(f.p) != 0xc021 || f.p[2] != 1 || get_u16(f.p + 4) < 4 || get_u16(f.p + 4) + 2u > f.len)
		return false;
	*options = span_of(f.p + 6, get_u16(f.p + 4) - 4u);
	return true;
}

/* A frame of the client's. */
void
front_hear(struct front *f, struct span frame)
{
	struct span options;

	if (f->done)
		return;
	if (confreq(frame, &options)) {
		keep(&f->rcvd, options);
		if (!f->first_rcvd.len)
			keep(&f->first_rcvd, options);
	}
	put(&f->to_lac, frame);
}

static void
out_send(struct ppp_out *o, struct span frame, bool reveals_nothing)
{
	struct front *f = (struct front *)o;
	struct span options;

	if (f->done)
		return;
	if (confreq(frame, &options))
		keep(&f->sent, options);
	put(&f->to_client, frame);
}

static void
heard_proof(struct front *f, const struct ppp_event *ev)
{
	static const uint16_t types[] = { [PPP_AUTH_PAP] = 3, [PPP_AUTH_CHAP_MD5] = 2 };

	f->auth_type = ev->verify.auth < sizeof types / sizeof types[0] ? types[ev->verify.auth] : 0;
	f->auth_id = ev->verify.id;
	keep(&f->name, ev->verify.name);
	keep(&f->challenge, ev->verify.challenge);
	keep(&f->response, ev->verify.response);
}

static void
out_event(struct ppp_out *o, const struct ppp_event *ev)
{
	struct front *f = (struct front *)o;

	switch (ev->kind) {
	case PPP_EV_LCP_UP:
		f->done |= f->extent == LCP_ONLY || f->extent == FIRST_ONLY;
		break;
	case PPP_EV_VERIFY:
		heard_proof(f, ev);
		f->done = true;
		break;
	case PPP_EV_NETWORK:
		f->auth_type = 4;
		f->done = true;
		break;
	default:
		break;
	}
}

/* Every frame to where it goes, until the LAC has what it wants. */
static void
converse(struct front *f)
{
	uint8_t random[PPP_RANDOM];
	struct ppp_ctx c = { .conf = &f->conf, .now = f->s->lac->w->now, .random = random, .out = &f->out };
	struct queue q;

	for (unsigned i = 0; i < ROUNDS && (f->to_lac.n || f->to_client.n); i++) {
		q = f->to_client;
		f->to_client.n = 0;
		for (unsigned k = 0; k < q.n; k++)
			peer_frame(f->s, span_of(q.frame[k].b, q.frame[k].len));
		q = f->to_lac;
		f->to_lac.n = 0;
		for (unsigned k = 0; k < q.n && !f->done; k++) {
			rnd_fill(f->s->lac->w, random, sizeof random);
			ppp_link_input(&f->link, &c, span_of(q.frame[k].b, q.frame[k].len));
		}
	}
}

static void
say(const struct front *f, struct l2tp_wr *m)
{
	l2tp_avp_bytes(m, AVP_INITIAL_RX_CONFREQ, f->first_rcvd.b, f->first_rcvd.len);
	if (f->extent == FIRST_ONLY)
		return;
	l2tp_avp_bytes(m, AVP_LAST_TX_CONFREQ, f->sent.b, f->sent.len);
	l2tp_avp_bytes(m, AVP_LAST_RX_CONFREQ, f->rcvd.b, f->rcvd.len);
	if (!f->auth_type)
		return;
	l2tp_avp_u16(m, AVP_PROXY_AUTHEN_TYPE, f->auth_type);
	if (f->auth_type == 4)
		return;
	l2tp_avp_bytes(m, AVP_PROXY_AUTHEN_NAME, f->name.b, f->name.len);
	if (f->challenge.len)
		l2tp_avp_bytes(m, AVP_PROXY_AUTHEN_CHALLENGE, f->challenge.b, f->challenge.len);
	l2tp_avp_u16(m, AVP_PROXY_AUTHEN_ID, f->auth_id);
	l2tp_avp_bytes(m, AVP_PROXY_AUTHEN_RESPONSE, f->response.b, f->response.len);
}

bool
front_speak(struct line *s, struct l2tp_wr *m)
{
	struct world *w = s->lac->w;
	struct front f = { .out = { out_send, out_event, NULL }, .s = s };
	uint8_t random[PPP_RANDOM];
	struct ppp_ctx c = { .conf = &f.conf, .now = w->now, .random = random, .out = &f.out };

	if (!w->plan.proxy || rnd_below(w, 4) == 0)
		return false;
	f.extent = rnd_below(w, 2) ? WHOLE : (enum extent)rnd_below(w, EXTENTS);
	ppp_conf_defaults(&f.conf);
	f.conf.magic = true;
	f.conf.ipv4 = true;
	f.conf.auth[0] = f.extent == OTHERS ? PPP_AUTH_PAP + rnd_below(w, 3) : w->plan.auth;
	f.conf.auths = f.conf.auth[0] != PPP_AUTH_NONE;
	rnd_fill(w, random, sizeof random);
	s->front = &f;
	ppp_link_init(&f.link);
	ppp_link_up(&f.link, &c, NULL);
	peer_up(s);
	converse(&f);
	s->front = NULL;
	tell(w, "lac%u line %u has spoken PPP with its LAC: extent %u, authentication type %u%s", s->lac->id, s->id, f.extent, f.auth_type,
	     f.done ? "" : ", without an end");
	if (f.done)
		say(&f, m);
	return true;
}
