// SPDX-License-Identifier: Apache-2.0
/*
 * A core with an established tunnel and call hears whatever the input says, as a sequence of
 *
 *     op (1 octet)  length (1 octet)  octets
 *
 *     op & 64: of L2TPv3, to the tunnel of L2TPv3 that there is
 *     op & 16: to the recovery tunnel that there is (RFC 4951) instead of the old one
 *     op & 7:  0 a raw datagram from the peer     1 AVPs behind a header that fits, session of the call
 *              2 the same, session 0              3 an SCCRQ header (tunnel 0) and AVPs
 *              4 time passes (length x 100 ms)    5 a link row
 *                with 32: a Tunnel Recovery AVP of the right ids behind them
 *              6 the active dies, the shadow goes on    7 a raw datagram from a stranger
 *                with 8: everything starts cold from the store
 *
 * After every step core, shadow and store must agree; the population stays bounded; at the end, an hour of
 * silence, after whatever recovery time a peer has asked for, leaves nothing behind.
 */
#include <stdio.h>
#include <stdlib.h>

#define LAB_FAIL(...)                                 \
	do {                                          \
		fprintf(stderr, __VA_ARGS__);         \
		fprintf(stderr, "\n");                \
		abort();                              \
	} while (0)
#include "lab.h"
#include "tunnels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint16_t session;

/* `octets` as the body of a message that is the next in order. */
static void
fitting(struct peer *p, uint8_t op, uint16_t tunnel, uint16_t to, struct span octets)
{
	struct wr w = wr_of(p->octets, sizeof p->octets);
	struct tunnel *t = tunnel_find(p->l->tc, tunnel);

	wr_u16(&w, op & 64 ? 0xc803 : 0xc802);
	wr_u16(&w, (uint16_t)(12 + octets.len));
	wr_u32(&w, op & 64 ? tunnel : (uint32_t)tunnel << 16 | to);
	wr_u16(&w, t ? t->chan.seq.nr : 0);
	wr_u16(&w, t ? t->chan.sent_below : 0);
	wr_bytes(&w, octets.p, octets.len);
	lab_take(p->l, p->at, p->to, wr_span(&w));
}

/* Where messages go: the tunnel, or the one that is to recover it. */
static uint16_t
target(const struct peer *p, uint8_t op)
{
	for (struct tunnel *t = p->l->tc->all; op & (16 | 64) && t; t = t->next) {
		if (op & 64 ? t->version == 3 : t->recovers && t->state != CC_CLOSING)
			return t->id;
	}
	return p->tunnel;
}

/* An SCCRQ that recovers our tunnel, or one that does not. */
static void
request(struct peer *p, uint8_t op, struct span octets)
{
	static const uint8_t head[8] = { 0x80, 16, 0, 0, 0, AVP_TUNNEL_RECOVERY };
	uint8_t body[256 + 16];
	struct wr w = wr_of(body, sizeof body);

	wr_bytes(&w, octets.p, octets.len);
	if (op & 32) {
		wr_bytes(&w, head, sizeof head);
		wr_u32(&w, p->id);
		wr_u32(&w, p->tunnel);
	}
	fitting(p, op, 0, 0, wr_span(&w));
}

static void
link_row(struct peer *p, struct span octets)
{
	struct key k = key_session(p->tunnel, session);
	struct tc_event ev = { .kind = TC_ROW };

	ev.row.table = TABLE_LINK;
	ev.row.key = key_span(&k);
	ev.row.row = octets;
	tc_step(p->l->shadow, p->l->now, &ev, NULL);
	p->l->bad_links = lab_bad_rows(p->l->shadow);
	lab_step(p->l, &ev);
}

static void
play(struct peer *p, uint8_t op, struct span octets)
{
	struct peer stranger = peer_new(p->l, 66, 1);

	switch (op & 7) {
	case 0:
		lab_take(p->l, p->at, p->to, octets);
		break;
	case 1:
		fitting(p, op, target(p, op), op & 16 ? 0 : session, octets);
		break;
	case 2:
		fitting(p, op, target(p, op), 0, octets);
		break;
	case 3:
		request(p, op, octets);
		break;
	case 4:
		lab_wait(p->l, (mono_t)octets.len * 100 * MONO_MS);
		break;
	case 5:
		link_row(p, octets);
		break;
	case 6:
		if (op & 8)
			lab_cold(p->l, NULL);
		else
			lab_promote(p->l);
		break;
	default:
		lab_take(p->l, stranger.at, stranger.to, octets);
	}
	lab_quiet(p->l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rd in = rd_of(data, len);
	struct lab *l = lab_new();
	struct peer p = peer_new(l, 7, 10);

	l->conf.profile[0].roles = ROLE_LNS | ROLE_LAC;
	l->conf.profile[0].failover = true;
	l->conf.profile[0].version = VERSION_BOTH;
	l->conf.profile[0].v3 = (struct conf_v3){ .cookie = 8, .rtx_tries = 10 };
	l->conf.profile[0].recovery_ms = 20000;
	l->conf.profile[0].recovery_parallel = 4;
	snprintf(l->conf.profile[0].secret, CONF_TEXT, "secret");
	lab_start(l, 1);
	peer_up_capable(&p);
	session = peer_call(&p, 100);
	for (unsigned i = 0; i < 200 && rd_left(&in); i++) {
		uint8_t op = rd_u8(&in), n = rd_u8(&in);
		struct span octets = rd_span(&in, n < rd_left(&in) ? n : rd_left(&in));
		play(&p, op, octets);
		if (tc_population(l->tc).tunnels > 200 || tc_population(l->tc).calls > 201)
			LAB_FAIL("%u tunnels", tc_population(l->tc).tunnels);
	}
	for (unsigned i = 0; i < 125; i++) {
		lab_wait(l, 60 * MONO_S);
		lab_quiet(l);
	}
	if (tc_population(l->tc).tunnels)
		LAB_FAIL("%u tunnels are left after two hours of silence", tc_population(l->tc).tunnels);
	lab_free(l);
	return 0;
}
