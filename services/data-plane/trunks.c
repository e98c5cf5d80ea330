// SPDX-License-Identifier: Apache-2.0
/*
 * Trunks in the packet path: sessions whose subscriber row has a trunk (what IPCP, IPV6CP and PPPMuxCP
 * agreed on).  Between dp_down/dp_up and trunk.c stand the checks that every packet meets, and the L2TP
 * header around what leaves.
 *
 * A trunk's packets are all its worker's (session id modulo workers); siblings hand theirs over.  Packets that
 * come out of a frame lie in room of their own until the next call, behind each other, each with the
 * headroom that its decompression may need.
 */
#include "dp_int.h"

#include <stdlib.h>
#include <string.h>

#include "l2tp/l2tp.h"
#include "rows.pb-c.h"

#define OUTER4 20
#define OUTER6 40
#define OUTER_UDP 8
#define LINK_MTU 1500
#define CHECKPOINT 8 /* packets of a context between two rows of its moving part (design, 3: below 16) */

/* One step of a trunk: where its results belong. */
struct step {
	struct trunk_sink sink; /* first: the step is found by it */
	struct dp *dp;
	struct dp_session *s;
	const struct dp_tunnel *t;
	mono_t now;
	const struct dp_datagram *d; /* receiving; NULL: sending */
	struct dp_verdict *v;	     /* of the datagram */
};

/* ---- out: frames ---------------------------------------------------------------------------- */

/* As the link negotiated it; L2TPv3 never has address and control. */
static uint16_t
ppp_head(const struct dp *dp, const struct dp_session *s, uint16_t proto, uint8_t b[4])
{
	const struct dp_cold *c = cold_of(dp, s);
	struct wr w = wr_of(b, 4);

	if (!c->acfc && !(s->flags & S_V3))
		wr_u16(&w, 0xff03);
	if (!c->pfc || proto > 0xff)
		wr_u8(&w, (uint8_t)(proto >> 8));
	wr_u8(&w, (uint8_t)proto);
	return (uint16_t)wr_len(&w);
}

/* What stands before the information of a frame: through the tunnel, or beside it. */
static enum dp_drop
frame_head(struct step *st, uint16_t proto, uint8_t *p, uint32_t *n, uint8_t *ip_protocol)
{
	const struct dp_form *f = cold_of(st->dp, st->s)->form;
	enum dp_drop why = DP_OK;

	*ip_protocol = st->t->ends.ip_protocol;
	if (form_straight(st->s, f, proto)) {
		*ip_protocol = f->ip_protocol;
		*n = form_straight_head(f, p);
		*n += f->hc.bare ? 0u : ppp_head(st->dp, st->s, proto, p + *n);
		return DP_OK;
	}
	why = data_head(st->dp, st->s, st->t, proto, 0, p, n);
	if (!why)
		*n += ppp_head(st->dp, st->s, proto, p + *n);
	return why;
}

static void
on_frame(struct trunk_sink *sink, uint16_t proto, struct span info, uint8_t tos)
{
	struct step *st = (struct step *)sink;
	struct dp *dp = st->dp;
	uint8_t ip_protocol, *p;
	enum dp_drop why;
	uint32_t n;

	p = dp->out.frames == DP_FRAMES ? NULL : arena_room(dp, DP_HEADROOM + (uint32_t)info.len);
	why = p ? frame_head(st, proto, p, &n, &ip_protocol) : DP_DROP_NO_ROOM;
	if (why) {
		drop_count(dp, st->s, why);
		return;
	}
	memcpy(p + n, info.p, info.len);
	frame_note(dp, st->s, p, n + (uint32_t)info.len, dp->dscp_copy ? tos & 0xfc : 0, ip_protocol);
	dp->count[DP_COUNT_DOWN_FRAMES]++;
	dp->count[DP_COUNT_TRUNK_FRAMES]++;
}

/* ---- out: packets --------------------------------------------------------------------------- */

static uint8_t *
on_room(struct trunk_sink *sink, uint32_t len)
{
	struct dp *dp = ((struct step *)sink)->dp;
	const size_t need = CRTP_HEADROOM + (size_t)len;

	if (dp->out.packets == DP_PACKETS || need > DP_TRUNK_ROOM - dp->trunk_room_used)
		return NULL;
	return dp->trunk_room + dp->trunk_room_used + CRTP_HEADROOM;
}

/* A frame for the link: the verdict has room for the first of a datagram's. */
static void
link_note(struct step *st, const struct dp_verdict *v)
{
	struct dp_out *out = &st->dp->out;
	struct dp_verdict *to = st->v;

	if (st->v->act == DP_PUNT_LINK) {
		if (out->links == DP_LINKS) {
			drop_count(st->dp, st->s, DP_DROP_TRUNK_OTHER);
			return;
		}
		out->link[out->links] = (struct dp_link){ *st->v, st->d->ends };
		to = &out->link[out->links++].v;
	}
	to->act = v->act;
	to->p = v->p;
	to->len = v->len;
}

/* A packet of the peer meets the same checks as one that came plain. */
static void
on_packet(struct trunk_sink *sink, uint16_t proto, uint8_t *p, uint32_t len)
{
	struct step *st = (struct step *)sink;
	struct dp *dp = st->dp;
	struct dp_verdict v = { .act = DP_DROP };

	up_ip(dp, st->now, st->d, st->s, proto, p, len, &v);
	if (v.act == DP_DROP)
		return;
	dp->trunk_room_used = ((size_t)(p + len - dp->trunk_room) + 15) & ~(size_t)15;
	if (v.act != DP_FORWARD) { /* neighbours talk: the link's, as if it had come by itself */
		link_note(st, &v);
		return;
	}
	dp->out.packet[dp->out.packets++] = span_of(v.p, v.len);
	dp->count[DP_COUNT_TRUNK_PACKETS]++;
}

/* A control frame inside a multiplexed one.  Before it may stand another that is lent already: it is copied. */
static void
on_other(struct trunk_sink *sink, uint16_t proto, struct span info)
{
	struct step *st = (struct step *)sink;

	struct dp_verdict v = { .act = DP_DROP };
	uint8_t *p = st->v ? arena_room(st->dp, (uint32_t)info.len) : NULL;

	if (!p) {
		drop_count(st->dp, st->s, DP_DROP_TRUNK_OTHER);
		return;
	}
	if (info.len)
		memcpy(p, info.p, info.len);
	punt_link(st->dp, st->now, st->d, st->s, st->dp->tunnel[st->s->key >> 16], proto, p, (uint32_t)info.len, &v);
	if (v.act == DP_PUNT_LINK)
		link_note(st, &v);
}

static struct step
step_of(struct dp *dp, struct dp_session *s, mono_t now)
{
	return (struct step){ .sink = { on_frame, on_room, on_packet, on_other },
			      .dp = dp,
			      .s = s,
			      .t = dp->tunnel[s->key >> 16],
			      .now = now };
}

static void
due_note(struct dp *dp, const struct trunk *t)
{
	dp->trunk_due = mono_sooner(dp->trunk_due, trunk_due(t));
}

/* ---- in ------------------------------------------------------------------------------------- */

void
trunk_down(struct dp *dp, mono_t now, struct dp_session *s, uint16_t proto, uint8_t *ip, uint32_t len, uint8_t tos)
{
	struct trunk *t = cold_of(dp, s)->trunk;
	struct step st = step_of(dp, s, now);

	if (!t) { /* what this worker itself has to say to a trunk of another's: rare, and nobody waits for it */
		drop_count(dp, s, DP_DROP_TRUNK_OTHER);
		return;
	}
	cold_of(dp, s)->trunk_live = true;
	s->out_packets++;
	s->out_octets += len;
	dp->count[DP_COUNT_DOWN_OCTETS] += len;
	dp->count[DP_COUNT_TRUNK_IN]++;
	trunk_send(t, now, proto, ip, len, tos, &st.sink);
	due_note(dp, t);
}

bool
trunk_up(struct dp *dp, mono_t now, const struct dp_datagram *d, struct dp_session *s, uint16_t proto, uint8_t *p,
	 uint32_t len, struct dp_verdict *v)
{
	struct trunk *t = cold_of(dp, s)->trunk;
	struct step st = step_of(dp, s, now);

	if (!t || !trunk_takes(t, proto))
		return false;
	cold_of(dp, s)->trunk_live = true;
	st.d = d;
	st.v = v;
	v->act = DP_TAKEN;
	v->reason = DP_OK;
	trunk_receive(t, now, proto, span_of(p, len), &st.sink);
	due_note(dp, t);
	return true;
}

mono_t
dp_trunk_due(const struct dp *dp)
{
	return dp->trunk_due;
}

void
dp_trunk_timer(struct dp *dp, mono_t now)
{
	out_reset(dp);
	if (dp->trunk_due == MONO_NEVER || dp->trunk_due > now)
		return;
	dp->trunk_due = MONO_NEVER;
	for (uint32_t i = 0; i < dp->trunks; i++) {
		struct dp_session *s = session_at(dp, dp->trunk[i]);
		struct trunk *t = cold_of(dp, s)->trunk;
		struct step st = step_of(dp, s, now);
		mono_t due;

		if (!t)
			continue;
		due = trunk_due(t);
		if (due != MONO_NEVER && due <= now && st.t)
			trunk_timer(t, now, &st.sink);
		due_note(dp, t);
	}
}

/* ---- rows ----------------------------------------------------------------------------------- */

static bool
params_of(const Row__HeaderCompression *h, struct crtp_params *out)
{
	if (!h || h->tcp_space > 255 || h->non_tcp_space > 65535 || h->f_max_period > 65535 || h->f_max_time > 65535 ||
	    h->max_header > 65535)
		return false;
	*out = (struct crtp_params){ .tcp_space = (uint16_t)h->tcp_space,
				     .non_tcp_space = (uint16_t)h->non_tcp_space,
				     .f_max_period = (uint16_t)h->f_max_period,
				     .f_max_time = (uint16_t)h->f_max_time,
				     .max_header = (uint16_t)h->max_header,
				     .rtp = h->rtp == 1,
				     .enhanced = h->rtp == 2,
				     .no_tcp = h->no_tcp,
				     .no_non_tcp = h->no_non_tcp };
	return true;
}

/*
 * Outer headers, L2TP and PPP of a multiplexed frame, of ours or the peer's: what it costs beside its information.  The
 * peer's PPP header is taken to be like ours.
 */
static uint16_t
frame_overhead(const struct dp *dp, const struct dp_session *s, bool peers)
{
	const struct dp_form *f = cold_of(dp, s)->form;
	const struct dp_tunnel *t = dp->tunnel[s->key >> 16];
	const uint16_t ip = t && dp_addr_ip(&t->ends.peer).family == 6 ? OUTER6 : OUTER4;
	uint8_t head[4];
	const uint16_t ppp = ppp_head(dp, s, PPPMUX_PROTO, head);

	if (form_straight(s, f, PPPMUX_PROTO)) {
		const unsigned id = peers ? f->hc.receive_octets : f->hc.send_octets;
		return (uint16_t)(ip + (f->hc.header ? 1 + id : 0) + (f->hc.bare ? 0 : ppp));
	}
	if (s->flags & S_V3)
		return (uint16_t)(ip + (f->out.udp ? OUTER_UDP : 0) + l2tp3_data_header_len(peers ? &f->in : &f->out) +
				  ppp);
	return (uint16_t)(ip + OUTER_UDP + (s->flags & S_SEQ_TX ? 10 : 6) + ppp);
}

/* L2TPHC for frames of 0059 alone: a packet by itself would go the dear way, beside those before and behind it. */
static bool
frames_go_bare(const struct dp *dp, const struct dp_session *s)
{
	const struct dp_form *f = cold_of(dp, s)->form;

	return form_straight(s, f, PPPMUX_PROTO) && f->hc.bare;
}

/* What one frame may hold so that it fits the peer's MRU and an ordinary link, outer headers and all. */
static uint16_t
frame_limit(const struct dp *dp, const struct dp_session *s, const Row__Trunk *row)
{
	const struct dp_tunnel *t = dp->tunnel[s->key >> 16];
	uint32_t limit = LINK_MTU - frame_overhead(dp, s, false);

	if (t && t->room < limit)
		limit = t->room;
	if (s->mtu < limit)
		limit = s->mtu;
	if (row->mux_octets && row->mux_octets < limit)
		limit = row->mux_octets;
	return (uint16_t)limit;
}

static void
trunk_conf_of(const struct dp *dp, const struct dp_session *s, const Row__Trunk *row, struct trunk_conf *c)
{
	*c = (struct trunk_conf){ .comp = crtp_comp_conf_default(), .dec = crtp_dec_conf_default() };
	c->comp.has_v4 = params_of(row->send4, &c->comp.v4);
	c->comp.has_v6 = params_of(row->send6, &c->comp.v6);
	c->comp.n = (uint8_t)(row->repeat <= 14 ? row->repeat : 14);
	c->comp.seed = dp->seed;
	c->dec.has_v4 = params_of(row->recv4, &c->dec.v4);
	c->dec.has_v6 = params_of(row->recv6, &c->dec.v6);
	c->dec.checkpoint = CHECKPOINT;
	c->mux_send = row->mux_send;
	c->mux_recv = row->mux_recv;
	c->no_states = row->no_states;
	c->recv_pid = (uint16_t)row->mux_recv_pid;
	c->mux.default_pid = (uint16_t)row->mux_send_pid;
	c->mux.max_frame = frame_limit(dp, s, row);
	c->mux.max_count = (uint16_t)(row->mux_packets <= 65535 ? row->mux_packets : 0);
	c->mux.t = (mono_t)row->mux_time_us * MONO_US;
	c->mux.worth = (uint8_t)(row->mux_worth <= 100 ? row->mux_worth : 0);
	c->mux.overhead = frame_overhead(dp, s, false);
	c->mux.alone = frames_go_bare(dp, s);
	c->recv_overhead = frame_overhead(dp, s, true);
}

static bool
list_add(struct dp *dp, uint32_t index)
{
	uint32_t cap = dp->trunk_cap ? 2 * dp->trunk_cap : 16;
	uint32_t *list;

	if (dp->trunks == dp->trunk_cap) {
		list = realloc(dp->trunk, cap * sizeof *list);
		if (!list)
			return false;
		dp->trunk = list;
		dp->trunk_cap = cap;
	}
	dp->trunk[dp->trunks++] = index;
	return true;
}

void
trunk_end(struct dp *dp, struct dp_session *s)
{
	struct dp_cold *c = cold_of(dp, s);

	if (!(s->flags & S_TRUNK))
		return;
	steer_remove(dp, s);
	trunk_free(c->trunk);
	if (c->trunk)
		trunk_rows_end(dp, s);
	c->trunk = NULL;
	c->trunk_live = false;
	s->flags &= (uint16_t)~S_TRUNK;
	for (uint32_t i = 0; i < dp->trunks; i++) {
		if (dp->trunk[i] == s->index) {
			dp->trunk[i] = dp->trunk[--dp->trunks];
			break;
		}
	}
}

/* Of another worker's trunk it is enough to know that it is one: its packets are handed over. */
static bool
contexts_make(struct dp *dp, struct dp_session *s)
{
	struct dp_cold *c = cold_of(dp, s);

	if (!(s->flags & S_MINE))
		return true;
	if (!dp->trunk_room && !(dp->trunk_room = malloc(DP_TRUNK_ROOM)))
		return false;
	c->trunk = trunk_new(&c->trunk_conf);
	return c->trunk && trunk_rows_begin(c);
}

static bool
trunk_make(struct dp *dp, struct dp_session *s, const struct trunk_conf *conf)
{
	struct dp_cold *c = cold_of(dp, s);

	c->trunk_conf = *conf;
	if (!contexts_make(dp, s) || !list_add(dp, s->index)) {
		trunk_free(c->trunk);
		free(c->ctx.bits);
		c->trunk = NULL;
		c->ctx = (struct ctx_rows){ 0 };
		return false;
	}
	s->flags |= S_TRUNK;
	steer_add(dp, s);
	return true;
}

/* All that is not of the multiplexer. */
static bool
same_contexts(const struct trunk_conf *a, const struct trunk_conf *b)
{
	return memcmp(&a->comp, &b->comp, sizeof a->comp) == 0 && memcmp(&a->dec, &b->dec, sizeof a->dec) == 0;
}

/* The row as it is now.  The same header compression keeps its contexts; another one begins without any. */
void
trunk_apply(struct dp *dp, struct dp_session *s, const Row__Trunk *row)
{
	struct dp_cold *c = cold_of(dp, s);
	struct trunk_conf conf;

	if (!row) {
		trunk_end(dp, s);
		return;
	}
	trunk_conf_of(dp, s, row, &conf);
	if (s->flags & S_TRUNK && memcmp(&conf, &c->trunk_conf, sizeof conf) == 0)
		return;
	if (s->flags & S_TRUNK && same_contexts(&conf, &c->trunk_conf)) {
		c->trunk_conf = conf;
		if (c->trunk)
			trunk_remux(c->trunk, &conf);
		return;
	}
	trunk_end(dp, s);
	if (!trunk_make(dp, s, &conf))
		dp->count[DP_COUNT_ROWS_NO_MEMORY]++;
}

struct trunk *
dp_trunk(const struct dp *dp, uint16_t tunnel, uint16_t session)
{
	const struct dp_session *s = session_find(dp, session_key(tunnel, session));

	return s ? cold_of(dp, s)->trunk : NULL;
}

unsigned
dp_trunks(const struct dp *dp)
{
	return dp->trunks;
}

struct trunk *
dp_trunk_next(const struct dp *dp, uint32_t *at, uint16_t *tunnel, uint16_t *session)
{
	while (*at < dp->trunks) {
		const struct dp_session *s = session_at(dp, dp->trunk[(*at)++]);
		if (!(s->flags & S_MINE))
			continue;
		*tunnel = (uint16_t)(s->key >> 16);
		*session = (uint16_t)s->key;
		return cold_of(dp, s)->trunk;
	}
	return NULL;
}
