// SPDX-License-Identifier: Apache-2.0
/*
 * Steering: which of the core's packets go into a trunk although their route does not, or says something else.
 *
 *	rule (configuration)	destination, UDP destination port, DSCP, looks like RTP		all that it names
 *	its sessions		those of one user that are trunks now; a flow stays with one of them
 *
 * The first rule that fits and has a session decides; without, the packet's route does.  The kernel brings to the TUN
 * what the rules in force name (destination and port is all that it looks at); a packet among these that no rule takes
 * and no session's route either is given back to it, and goes on as it would have without any of this.
 *
 * All workers choose the same session, since one hands a packet to the next: the choice is by the sessions' own ids.
 */
#include "dp_int.h"

#include <string.h>

#include "ip.h"

#define DSCP_ALL 0 /* a rule that names none */

/* ---- rules ------------------------------------------------------------------------------------ */

uint64_t
steer_user(const char *name)
{
	uint64_t h = 14695981039346656037u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 1099511628211u; /* FNV-1a */
	return h;
}

static struct steer_net
net_of(const struct ip_prefix *p)
{
	struct steer_net n = { .prefix = *p, .v6 = p->addr.family == 6 };
	uint8_t mask[16] = { 0 };

	for (unsigned bit = 0; bit < p->len; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	for (unsigned w = 0; w < 4; w++) {
		n.mask[w] = get_u32(mask + 4 * w);
		n.net[w] = get_u32(p->addr.b + 4 * w) & n.mask[w];
	}
	return n;
}

static struct dp_steer
rule_of(const struct conf_steer *c)
{
	struct dp_steer r = { .user = steer_user(c->user), .first = c->port_first, .last = c->port_last, .rtp = c->only_rtp,
			      .dscp = DSCP_ALL };

	for (unsigned i = 0; i < c->to_count && i < STEER_NETS; i++)
		r.net[r.nets++] = net_of(&c->to[i]);
	for (unsigned i = 0; i < c->dscps; i++)
		r.dscp |= (uint64_t)1 << (c->dscp[i] & 63);
	return r;
}

static void
rule_add(struct dp *dp, struct dp_steer *r, const struct dp_session *s)
{
	if (cold_of(dp, s)->user != r->user)
		return;
	if (r->sessions == STEER_SESSIONS) {
		dp->count[DP_COUNT_STEER_FULL]++;
		return;
	}
	r->session[r->sessions++] = s->index;
	dp->steered++;
	dp->kernel_version += r->sessions == 1;
}

void
steer_add(struct dp *dp, const struct dp_session *s)
{
	for (unsigned i = 0; i < dp->steers; i++)
		rule_add(dp, &dp->steer[i], s);
}

void
steer_remove(struct dp *dp, const struct dp_session *s)
{
	for (unsigned i = 0; i < dp->steers; i++) {
		struct dp_steer *r = &dp->steer[i];
		for (unsigned k = 0; k < r->sessions; k++) {
			if (r->session[k] != s->index)
				continue;
			r->session[k] = r->session[--r->sessions];
			dp->steered--;
			dp->kernel_version += r->sessions == 0;
			break;
		}
	}
}

void
steer_configure(struct dp *dp, const struct conf *conf)
{
	dp->steers = conf->steers <= CONF_STEERS ? conf->steers : CONF_STEERS;
	dp->steered = 0;
	for (unsigned i = 0; i < dp->steers; i++)
		dp->steer[i] = rule_of(&conf->steer[i]);
	for (uint32_t i = 0; i < dp->trunks; i++)
		steer_add(dp, session_at(dp, dp->trunk[i]));
	dp->kernel_version++;
}

void
dp_steer_each(const struct dp *dp, dp_steer_fn *fn, void *arg)
{
	static const struct ip_prefix any[2] = { { { .family = 4 }, 0 }, { { .family = 6 }, 0 } };

	for (unsigned i = 0; i < dp->steers; i++) {
		const struct dp_steer *r = &dp->steer[i];
		if (r->sessions == 0)
			continue;
		for (unsigned k = 0; k < r->nets; k++)
			fn(arg, &r->net[k].prefix, r->first, r->last);
		for (unsigned k = 0; k < 2 && r->nets == 0; k++)
			fn(arg, &any[k], r->first, r->last);
	}
}

/* ---- packets ---------------------------------------------------------------------------------- */

/* A UDP packet as rules look at it. */
struct view {
	uint32_t to[4];
	uint32_t flow; /* hash of addresses and ports */
	uint16_t port;
	uint8_t dscp;
	bool v6, rtp;
};

/* RFC 3550, 5.1: version 2; RFC 5761, 4: 192 to 223 are RTCP's packet types. */
static bool
looks_like_rtp(const uint8_t *p, uint32_t len)
{
	return len >= 12 && p[0] >> 6 == 2 && (p[1] & 0xe0) != 0xc0;
}

/* False: no whole UDP packet.  Fragments and extension headers are left to their routes. */
static bool
view_of(const struct dp_packet *k, struct view *v)
{
	const uint8_t *p = k->p, *udp;
	uint32_t at, mix = 0;

	*v = (struct view){ .v6 = k->len && p[0] >> 4 == 6 };
	at = v->v6 ? 40 : k->len >= 20 && p[0] >> 4 == 4 ? (p[0] & 15u) * 4 : 0;
	if (at < 20 || k->len < at + 8 || (v->v6 ? p[6] : p[9]) != IP_UDP || (!v->v6 && get_u16(p + 6) & 0x3fff))
		return false;
	udp = p + at;
	for (unsigned i = 0; i < (v->v6 ? 4u : 1u); i++) {
		v->to[i] = get_u32(p + (v->v6 ? 24 : 16) + 4 * i);
		mix = (mix ^ v->to[i] ^ get_u32(p + (v->v6 ? 8 : 12) + 4 * i)) * 0x9e3779b1u;
	}
	v->flow = (mix ^ get_u32(udp)) * 0x85ebca6bu;
	v->port = get_u16(udp + 2);
	v->dscp = (v->v6 ? ip6_tos(p) : p[1]) >> 2;
	v->rtp = looks_like_rtp(udp + 8, k->len - at - 8);
	return true;
}

static bool
net_has(const struct steer_net *n, const struct view *v)
{
	uint32_t differs = 0;

	for (unsigned w = 0; w < (v->v6 ? 4u : 1u); w++)
		differs |= (v->to[w] ^ n->net[w]) & n->mask[w];
	return n->v6 == v->v6 && differs == 0;
}

/* What the kernel looks at: destination and port. */
static bool
is_named(const struct dp_steer *r, const struct view *v)
{
	bool has = r->nets == 0;

	for (unsigned i = 0; i < r->nets && !has; i++)
		has = net_has(&r->net[i], v);
	return has && v->port >= r->first && v->port <= r->last;
}

static bool
fits(const struct dp_steer *r, const struct view *v)
{
	return r->sessions && (r->dscp == DSCP_ALL || r->dscp >> v->dscp & 1) && (v->rtp || !r->rtp) && is_named(r, v);
}

/* Of several trunks each flow has its own: the highest draw, which no other session's coming or going changes. */
static uint32_t
choose(const struct dp *dp, const struct dp_steer *r, const struct view *v)
{
	uint32_t best = 0, who = r->session[0];

	for (unsigned i = 0; i < r->sessions && r->sessions > 1; i++) {
		const uint32_t key = session_at(dp, r->session[i])->key;
		uint32_t draw = (v->flow ^ key) * 0xc2b2ae35u;
		draw = (draw ^ draw >> 15) * 0x27d4eb2fu | 1;
		if (draw > best) {
			best = draw;
			who = r->session[i];
		}
	}
	return who;
}

uint32_t
steer_find(const struct dp *dp, const struct dp_packet *k)
{
	struct view v;

	if (!view_of(k, &v))
		return FIB_NONE;
	for (unsigned i = 0; i < dp->steers; i++) {
		if (fits(&dp->steer[i], &v))
			return choose(dp, &dp->steer[i], &v);
	}
	return FIB_NONE;
}

/* Not what belongs to a pool: the kernel has a route to the TUN for that, and would be given it back for ever. */
bool
steer_passes(const struct dp *dp, const struct dp_packet *k)
{
	struct view v;
	struct ip_prefix to;

	if (!view_of(k, &v))
		return false;
	to = (struct ip_prefix){ { .family = v.v6 ? 6 : 4 }, v.v6 ? 128 : 32 };
	memcpy(to.addr.b, k->p + (v.v6 ? 24 : 16), v.v6 ? 16 : 4);
	if (dp_pooled(dp, &to))
		return false;
	for (unsigned i = 0; i < dp->steers; i++) {
		if (is_named(&dp->steer[i], &v))
			return true;
	}
	return false;
}
