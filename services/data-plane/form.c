// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions of L2TPv3 and L2TPHC: what their rows say, and the frames they send.  See form.h.
 *
 * L2TPHC names no tunnel, so a packet's session is found by the pair of addresses it travels between,
 * and the id where there is one (draft -03).  A pair whose sessions go without header has one only; the
 * latest row has it.  IP protocol 115 is L2TPv3's as well: what belongs to no session of L2TPHC is
 * taken for L2TPv3's, so a pair of hosts does one or the other (docs/protocols/l2tphc.md).
 */
#include "dp_int.h"

#include <stdlib.h>
#include <string.h>

#include "ip.h"

#define NO_HEADER 0x10000 /* in place of an id */
#define PPP_CONTROL 0x8000 /* protocols from here on are the link's own (RFC 1661, 2) */
#define SUBLAYER_S 0x40000000u

/* ---- rows ----------------------------------------------------------------------------------- */

static bool
cookie_good(const ProtobufCBinaryData *c)
{
	return c->len == 0 || c->len == 4 || c->len == 8;
}

static bool
headerless_good(const Row__HeaderlessData *h)
{
	static const uint32_t most[] = { 0, 0xff, 0xffff };

	return !h || (h->ip_protocol <= 255 && h->protocol <= 0xffff && h->send_octets <= 2 && h->receive_octets <= 2 &&
		      h->send_session <= most[h->send_octets] && h->receive_session <= most[h->receive_octets] &&
		      !(h->header && h->bare));
}

bool
form_row_good(const struct dp_tunnel *t, const Row__Call *row)
{
	if (t && t->version == 2 && row->peer_id > 65535)
		return false;
	return cookie_good(&row->cookie) && cookie_good(&row->peer_cookie) &&
	       row->sequencing <= L2TP3_SEQUENCE_ALL && row->peer_sequencing <= L2TP3_SEQUENCE_ALL &&
	       headerless_good(row->headerless);
}

static struct l2tp3_form
direction(const ProtobufCBinaryData *cookie, bool sublayer)
{
	struct l2tp3_form f = { .sublayer = sublayer, .cookie_len = (uint8_t)cookie->len };

	if (cookie->len)
		memcpy(f.cookie, cookie->data, cookie->len);
	return f;
}

static void
take_headerless(struct dp_form *f, const Row__HeaderlessData *h)
{
	f->headerless = h != NULL;
	f->hc = (struct l2tphc_form){ 0 };
	if (!h)
		return;
	f->hc_protocol = h->ip_protocol ? (uint8_t)h->ip_protocol : L2TPHC_IP_PROTOCOL;
	f->hc = (struct l2tphc_form){ .header = h->header,
				      .bare = h->bare,
				      .protocol = (uint16_t)h->protocol,
				      .send_octets = (uint8_t)h->send_octets,
				      .receive_octets = (uint8_t)h->receive_octets,
				      .send_session = (uint16_t)h->send_session,
				      .receive_session = (uint16_t)h->receive_session };
}

/* ---- L2TPHC: sessions by peer ------------------------------------------------------------------ */

static struct dp_form **
pair_bucket(const struct dp *dp, const struct dp_addr *peer, uint8_t ip_protocol, uint32_t id)
{
	uint64_t h = dp->seed ^ ip_protocol ^ (uint64_t)id << 8;

	h = (h ^ peer->w[0]) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 32 ^ peer->w[1]) * 0xc4ceb9fe1a85ec53u;
	return (struct dp_form **)(uintptr_t)&dp->headerless[(h ^ h >> 29) % DP_PAIR_HASH];
}

static uint32_t
pair_id(const struct dp_form *f)
{
	return f->hc.header ? f->hc.receive_session : NO_HEADER;
}

static void
pair_remove(struct dp *dp, struct dp_form *f)
{
	struct dp_form **at;

	if (!f->listed)
		return;
	for (at = pair_bucket(dp, &f->ends.peer, f->ip_protocol, pair_id(f)); *at != f;)
		at = &(*at)->pair_next;
	*at = f->pair_next;
	f->listed = false;
	dp->pairs--;
	dp->pairs_version++;
}

static void
pair_add(struct dp *dp, struct dp_form *f, const struct dp_ends *ends)
{
	struct dp_form **at;

	f->ends = *ends;
	f->ip_protocol = f->hc_protocol;
	at = pair_bucket(dp, &f->ends.peer, f->ip_protocol, pair_id(f));
	f->pair_next = *at;
	*at = f;
	f->listed = true;
	dp->pairs++;
	dp->pairs_version++;
}

static bool
addr_any(const struct dp_addr *a)
{
	return (a->w[0] | a->w[1]) == 0;
}

static struct dp_form *
pair_find(const struct dp *dp, const struct dp_ends *e, uint32_t id)
{
	for (struct dp_form *f = *pair_bucket(dp, &e->peer, e->ip_protocol, id); f; f = f->pair_next) {
		if (pair_id(f) == id && f->ip_protocol == e->ip_protocol && dp_addr_eq(&f->ends.peer, &e->peer) &&
		    (addr_any(&f->ends.local) || addr_any(&e->local) || dp_addr_eq(&f->ends.local, &e->local)))
			return f;
	}
	return NULL;
}

struct dp_form *
form_headerless(const struct dp *dp, const struct dp_ends *e, struct span packet, struct span *frame)
{
	struct dp_form *f = dp->pairs ? pair_find(dp, e, NO_HEADER) : NULL;
	struct l2tphc_packet in;

	*frame = packet;
	if (f || dp->pairs == 0 || !l2tphc_read(packet, true, &in))
		return f;
	*frame = in.frame;
	return pair_find(dp, e, in.session);
}

static struct dp_pair *
pair_known(struct dp_pair *out, unsigned n, const struct dp_addr *peer)
{
	for (unsigned i = 0; i < n && i < DP_PAIRS; i++) {
		if (dp_addr_eq(&out[i].peer, peer))
			return &out[i];
	}
	return NULL;
}

unsigned
dp_pairs(const struct dp *dp, uint8_t ip_protocol, bool v6, struct dp_pair out[DP_PAIRS])
{
	unsigned n = 0;

	for (const struct dp_form *f = dp->forms; f && n <= DP_PAIRS; f = f->next) {
		if (!f->listed || f->ip_protocol != ip_protocol || (dp_addr_ip(&f->ends.peer).family == 6) != v6)
			continue;
		const uint16_t worker = (uint16_t)(session_at(dp, f->index)->key % 65536 % dp->workers);
		struct dp_pair *p = pair_known(out, n, &f->ends.peer);
		if (p)
			p->worker = p->worker == worker ? worker : DP_WORKERS_ALL;
		else if (n++ < DP_PAIRS)
			out[n - 1] = (struct dp_pair){ f->ends.peer, worker };
	}
	return n;
}

uint64_t
dp_pairs_version(const struct dp *dp)
{
	return dp->pairs_version;
}

/* ---- what both rows make of it --------------------------------------------------------------- */

/* What precedes an IP packet, PPP included. */
static void
head_write(const struct dp_session *s, const struct dp_cold *c, struct dp_form *f)
{
	const bool bare = !(s->flags & S_V3) && f->hc.bare;
	uint8_t b[DP_HEADROOM];
	struct wr w = wr_of(b, sizeof b);

	if (s->flags & S_V3)
		l2tp3_data_write(&w, &f->out, f->peer, false, 0);
	else
		l2tphc_write(&w, &f->hc, false);
	const size_t ppp = wr_len(&w);
	if (!c->acfc && !(s->flags & S_V3) && !bare)
		wr_u16(&w, 0xff03);
	if (!c->pfc && !bare)
		wr_u8(&w, 0);
	if (!bare)
		wr_u8(&w, PPP_IPV4);
	f->head_len = (uint8_t)wr_len(&w);
	f->ppp_len = (uint8_t)(wr_len(&w) - ppp);
	memcpy(f->head + sizeof f->head - f->head_len, b, f->head_len);
}

static void
settle_v3(struct dp *dp, struct dp_session *s, struct dp_form *f, const struct dp_tunnel *t)
{
	s->flags |= S_V3;
	s->flags &= (uint16_t) ~(S_SEQ_TX | S_SEQ_MUST | S_SEQ_FOLLOW);
	if (f->send && f->out.sublayer)
		s->flags |= S_SEQ_TX;
	f->in.udp = f->out.udp = t->ends.ip_protocol == 0;
	f->ip_protocol = t->ends.ip_protocol;
	ns_wish(dp, s);
}

void
form_settle(struct dp *dp, struct dp_session *s)
{
	struct dp_cold *c = cold_of(dp, s);
	struct dp_form *f = c->form;
	const struct dp_tunnel *t = dp->tunnel[s->key >> 16];

	if (!f)
		return;
	pair_remove(dp, f);
	dp->forms_astray += (t == NULL) - f->astray;
	f->astray = t == NULL;
	s->flags &= (uint16_t) ~(S_V3 | S_HEADERLESS);
	if (t && t->version == 3) {
		settle_v3(dp, s, f, t);
	} else if (t && f->peer > 65535) { /* this cannot be */
		s->flags &= (uint16_t)~S_UP;
		s->peer_session = 0;
	} else if (t && f->headerless && t->ends.ip_protocol == 0) {
		s->flags |= S_HEADERLESS;
		pair_add(dp, f, &t->ends);
	}
	head_write(s, c, f);
}

void
form_end(struct dp *dp, struct dp_session *s)
{
	struct dp_form *f = cold_of(dp, s)->form;

	if (!f)
		return;
	pair_remove(dp, f);
	dp->forms_astray -= f->astray;
	if (f->before)
		f->before->next = f->next;
	else
		dp->forms = f->next;
	if (f->next)
		f->next->before = f->before;
	free(f);
	cold_of(dp, s)->form = NULL;
	s->flags &= (uint16_t) ~(S_V3 | S_HEADERLESS);
}

static struct dp_form *
form_new(struct dp *dp, struct dp_session *s)
{
	struct dp_form *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->index = s->index;
	f->next = dp->forms;
	if (f->next)
		f->next->before = f;
	dp->forms = f;
	return cold_of(dp, s)->form = f;
}

bool
form_apply(struct dp *dp, struct dp_session *s, const Row__Call *row)
{
	const struct dp_tunnel *t = dp->tunnel[s->key >> 16];
	struct dp_form *f = cold_of(dp, s)->form;

	if (t && t->version == 2 && !row->headerless) {
		form_end(dp, s);
		return true;
	}
	if (!f && !(f = form_new(dp, s)))
		return false;
	pair_remove(dp, f);
	f->peer = row->peer_id;
	f->in = direction(&row->cookie, row->sublayer);
	f->out = direction(&row->peer_cookie, row->peer_sublayer);
	f->need = (uint8_t)row->sequencing;
	f->send = (uint8_t)row->peer_sequencing;
	f->down = row->circuit_down || row->our_circuit_down;
	take_headerless(f, row->headerless);
	return true;
}

void
form_tunnel(struct dp *dp, uint16_t tunnel, bool is_new)
{
	if (is_new && dp->forms_astray == 0)
		return;
	for (struct dp_form *f = dp->forms; f; f = f->next) {
		struct dp_session *s = session_at(dp, f->index);
		if (s->key >> 16 == tunnel)
			form_settle(dp, s);
	}
}

unsigned
dp_around(const struct dp *dp, uint16_t tunnel)
{
	const struct dp_tunnel *t = dp->tunnel[tunnel];
	const unsigned ip = t && dp_addr_ip(&t->ends.peer).family == 4 ? 20 : 40;
	const unsigned udp = t && t->ends.ip_protocol ? 0 : 8;

	if (!t || t->version == 2)
		return ip + udp + 10 + 4; /* with Ns and Nr; address, control and protocol */
	return ip + udp + L2TP3_DATA_HEADER_MAX - (udp ? 0 : 4) + 2;
}

/* ---- frames ------------------------------------------------------------------------------------ */

/*
 * The link's own protocols stay in the tunnel: there they are good before the peer has heard that the call is up, and
 * tell of the path that always works.  So does what is numbered: L2TPHC has no place for a number.
 */
bool
form_straight(const struct dp_session *s, const struct dp_form *f, uint16_t proto)
{
	return (s->flags & (S_HEADERLESS | S_SEQ_TX)) == S_HEADERLESS && proto < PPP_CONTROL &&
	       (!f->hc.bare || proto == f->hc.protocol);
}

uint32_t
form_straight_head(const struct dp_form *f, uint8_t *p)
{
	struct wr w = wr_of(p, L2TPHC_HEADER_MAX);

	l2tphc_write(&w, &f->hc, false);
	return (uint32_t)wr_len(&w);
}

/* Does a frame of this protocol carry a number (RFC 3931, 5.4.4, Data Sequencing)?  L2TPv3 only. */
static bool
numbered(const struct dp_session *s, const struct dp_form *f, uint16_t proto)
{
	return s->flags & S_SEQ_TX &&
	       (f->send == L2TP3_SEQUENCE_ALL || (proto != PPP_IPV4 && proto != PPP_IPV6));
}

enum dp_drop
form_head(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, uint16_t proto, uint8_t *p, uint32_t *n)
{
	const struct dp_form *f = cold_of(dp, s)->form;
	const uint32_t l2tp = f->head_len - f->ppp_len;
	uint32_t ns;

	*n = l2tp;
	if (f->down)
		return DP_DROP_CIRCUIT;
	memcpy(p, f->head + sizeof f->head - f->head_len, l2tp);
	if (!numbered(s, f, proto))
		return DP_OK;
	if (!ns_next(dp, s, t, &ns))
		return DP_DROP_NS_LEASE;
	put_u32(p + l2tp - 4, SUBLAYER_S | (ns & 0xffffff));
	return DP_OK;
}

enum dp_drop
form_frame_ip(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t, uint8_t *ip, uint32_t len, uint8_t proto,
	      uint8_t tos)
{
	const struct dp_form *f = cold_of(dp, s)->form;
	uint32_t ns;

	if (f->down)
		return DP_DROP_CIRCUIT;
	memcpy(ip - f->head_len, f->head + sizeof f->head - f->head_len, f->head_len);
	if (f->ppp_len)
		ip[-1] = proto;
	if (s->flags & S_V3 && numbered(s, f, proto)) {
		if (!ns_next(dp, s, t, &ns))
			return DP_DROP_NS_LEASE;
		put_u32(ip - f->ppp_len - 4, SUBLAYER_S | (ns & 0xffffff));
	}
	frame_note(dp, s, ip - f->head_len, len + f->head_len, tos, f->ip_protocol);
	return DP_OK;
}
