// SPDX-License-Identifier: Apache-2.0
/*
 * A subscriber's router behind a line: lib/ppp as a client, and IP packets both ways once it is open; and the
 * host behind the pair that answers them.
 */
#include "sim.h"

#define CORE_HOST 0x0a630001u /* 10.99.0.1 */
#define LNS_NETWORK 0x0a4c0000u /* 10.76.0.0: what LNSs give to those who call them */
#define PACKET 44
#define IPCP_CLOSED 2 /* RFC 1661, 4.2 */
#define IPCP_STOPPED 3

static struct ppp_ctx
ctx_of(struct line *s, uint8_t random[PPP_RANDOM])
{
	rnd_fill(s->lac->w, random, PPP_RANDOM);
	return (struct ppp_ctx){ .conf = &s->conf, .now = s->lac->w->now, .random = random, .out = &s->out };
}

static struct line *
of_out(struct ppp_out *o)
{
	return (struct line *)((char *)o - offsetof(struct line, out));
}

static void
say_frame(struct line *s, const char *verb, struct span f)
{
	char hex[100] = "";

	if (!TELLING(s->lac->w) || f.len < 4)
		return;
	for (size_t i = 6; i < f.len && i < 36; i++)
		snprintf(hex + 2 * (i - 6), 3, "%02x", f.p[i]);
	tell(s->lac->w, "lac%u line %u %s PPP %04x code=%u id=%u %s", s->lac->id, s->id, verb, get_u16(f.p), f.p[2], f.p[3], hex);
}

static void
out_send(struct ppp_out *o, struct span frame, bool reveals_nothing)
{
	struct line *s = of_out(o);

	say_frame(s, "says", frame);
	if (s->front)
		front_hear(s->front, frame);
	else
		slac_data(s, frame, true);
}

/* As an LNS: who is it?  Answered once this step is over. */
static void
verify(struct line *s, const struct ppp_event *ev)
{
	char password[16];

	s->verdict = (struct ppp_auth_result){ 0 };
	if (far_password((const char *)ev->verify.name.p, ev->verify.name.len, password))
		ppp_verify(ev->verify.auth, ev->verify.id, ev->verify.name, ev->verify.challenge, ev->verify.response,
			   span_of(password, strlen(password)), &s->verdict);
	s->verdict.serial = ev->verify.serial;
	s->verified = true;
}

static void
net_is_up(struct line *s, const struct ppp_event *ev)
{
	struct world *w = s->lac->w;

	s->row_addr = s->lac->lns ? ev->net.peer4 : ev->net.local4;
	s->addr = s->lac->lns ? far_network(s->number) : s->row_addr;
	s->net_up = true;
	tell(w, "lac%u line %u is open with %08x", s->lac->id, s->id, s->row_addr);
	mark(w, s->row_addr);
	check_line_open(s);
}

static void
out_event(struct ppp_out *o, const struct ppp_event *ev)
{
	struct line *s = of_out(o);
	struct world *w = s->lac->w;

	switch (ev->kind) {
	case PPP_EV_NETWORK:
		s->network_wanted = true;
		break;
	case PPP_EV_NET_UP:
		if (ev->net.cp == PPP_CP_IPCP)
			net_is_up(s, ev);
		break;
	case PPP_EV_VERIFY:
		verify(s, ev);
		break;
	case PPP_EV_NET_DOWN:
		if (ev->net.cp == PPP_CP_IPCP && s->net_up) {
			s->net_up = false;
			tell(w, "lac%u line %u: IPCP is down", s->lac->id, s->id);
		}
		break;
	case PPP_EV_FINISHED:
		s->cause = ev->cause;
		s->finished = true;
		tell(w, "lac%u line %u: PPP is finished cause=%u proto=%x direction=%u", s->lac->id, s->id, ev->cause.code,
		     ev->cause.proto, ev->cause.direction);
		break;
	default:
		break;
	}
}

static void
settle(struct line *s)
{
	uint8_t random[PPP_RANDOM];
	struct ppp_net net = { .ipv4 = true, .ipv6 = s->lac->w->plan.ipv6 };

	if (s->lac->lns) {
		net.local4 = LNS_NETWORK;
		net.peer4 = LNS_NETWORK | (s->lac->id + 1) << 8 | (s->id + 1);
	}
	while (s->network_wanted || s->verified) {
		struct ppp_ctx c = ctx_of(s, random);
		bool network = s->network_wanted;
		s->network_wanted = s->verified = false;
		if (network)
			ppp_link_network(&s->link, &c, &net);
		else
			ppp_link_auth_result(&s->link, &c, &s->verdict);
	}
	if (s->finished && s->link_up && !s->hung_up) {
		char how[64];
		s->link_up = false;
		snprintf(how, sizeof how, "PPP ended, cause %u direction %u", s->cause.code, s->cause.direction);
		check_line_lost(s, how);
	}
	if (s->link_up && !s->finished && !s->hung_up && !s->net_up && ppp_link_phase(&s->link) == PPP_NETWORK &&
	    (s->link.cp[PPP_CP_IPCP].state == IPCP_CLOSED || s->link.cp[PPP_CP_IPCP].state == IPCP_STOPPED)) {
		peer_close(s); /* enough Naks were lost for a Reject: no IPv4, so it dials again */
		return;
	}
	slac_wake(s->lac, s->finished ? s->lac->w->now + MONO_US : peer_due(s));
}

/* The far end of the pair's clients is asked for nothing, and asks. */
static void
as_lns(struct line *s)
{
	s->conf.client = s->conf.ipv6 = s->conf.ask_dns = false;
	s->conf.auths = s->lac->w->plan.auth != AUTH_NONE;
	s->conf.auth[0] = (enum ppp_auth)s->lac->w->plan.auth;
	s->conf.answers = 0;
}

void
peer_up(struct line *s)
{
	static const uint8_t answers[] = { PPP_AUTH_MSCHAPV2, PPP_AUTH_CHAP_MD5, PPP_AUTH_PAP };
	const struct plan *plan = &s->lac->w->plan;
	uint8_t random[PPP_RANDOM];
	struct ppp_ctx c;

	ppp_conf_defaults(&s->conf);
	s->conf.client = true;
	s->conf.magic = true;
	s->conf.restart_ms = 1000;
	s->conf.max_configure = 30;
	s->conf.auth_ms = 60000;
	s->conf.answers = 3;
	memcpy(s->conf.answer, answers, 3);
	s->conf.name = span_of(s->user, strlen(s->user));
	s->conf.password = s->bad_password ? span_of("wrong", 5) : span_of(s->password, strlen(s->password));
	s->conf.ipv4 = true;
	s->conf.ipv6 = plan->ipv6;
	s->conf.ask_dns = s->id & 1;
	s->conf.ask_pfc = s->id & 2;
	s->conf.ask_acfc = s->id & 4;
	s->conf.echo_ms = plan->echo_ms ? plan->echo_ms : 5000;
	s->conf.echo_failures = 60000 / s->conf.echo_ms; /* a minute without a link, and it dials again */
	s->out = (struct ppp_out){ out_send, out_event, NULL };
	if (s->lac->lns)
		as_lns(s);
	s->finished = s->net_up = s->network_wanted = s->verified = false;
	s->link_up = true;
	s->addr = 0;
	ppp_link_init(&s->link);
	c = ctx_of(s, random);
	ppp_link_up(&s->link, &c, NULL);
	settle(s);
}

/* The line is cut: nothing is said. */
void
peer_down(struct line *s)
{
	s->link_up = s->net_up = s->finished = s->network_wanted = s->verified = s->believed = false;
	ppp_link_init(&s->link);
}

void
peer_close(struct line *s)
{
	uint8_t random[PPP_RANDOM];
	struct ppp_ctx c;

	if (!s->link_up || s->finished)
		return;
	s->hung_up = true;
	tell(s->lac->w, "lac%u line %u says Terminate-Request", s->lac->id, s->id);
	c = ctx_of(s, random);
	ppp_link_close(&s->link, &c, (struct ppp_cause){ PPP_CAUSE_NORMAL, 0, 2 });
	settle(s);
}

void
peer_tick(struct line *s)
{
	uint8_t random[PPP_RANDOM];
	struct ppp_ctx c = ctx_of(s, random);

	ppp_link_timer(&s->link, &c);
	settle(s);
}

mono_t
peer_due(const struct line *s)
{
	return s->link_up && s->state == LINE_UP ? ppp_link_next_due(&s->link) : MONO_NEVER;
}

/* --- packets --------------------------------------------------------------------------------------------------- */

static uint16_t
checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* IPv4, UDP, and who it is from or for: lac, line, opening, number. */
static void
packet(uint8_t b[PACKET], uint32_t src, uint32_t dst, const struct line *s, uint32_t n, bool ping)
{
	memset(b, 0, PACKET);
	b[0] = 0x45;
	put_u16(b + 2, PACKET);
	b[8] = 64;
	b[9] = 17;
	put_u32(b + 12, src);
	put_u32(b + 16, dst);
	put_u16(b + 10, checksum(b, 20));
	put_u16(b + 20, 7);
	put_u16(b + 22, 7);
	put_u16(b + 24, PACKET - 20);
	b[28] = (uint8_t)s->lac->id;
	b[29] = (uint8_t)s->id;
	b[30] = (uint8_t)s->opens;
	b[31] = ping;
	put_u32(b + 32, n);
}

static struct line *
line_of(struct world *w, const uint8_t *p, size_t len)
{
	struct line *s;

	if (len < PACKET || p[0] != 0x45 || p[9] != 17 || p[28] >= LACS || p[29] >= LINES)
		return NULL;
	s = &w->lac[p[28]].line[p[29]];
	return p[30] == (uint8_t)s->opens ? s : NULL;
}

void
peer_data(struct line *s, bool ping)
{
	uint8_t b[2 + PACKET] = { 0x00, 0x21 };

	if (!s->net_up)
		return;
	packet(b + 2, s->addr, CORE_HOST, s, ping ? ++s->ping : ++s->up_sent, ping);
	slac_data(s, span_of(b, sizeof b), true);
}

void
core_data(struct world *w, struct line *s, bool ping)
{
	uint8_t b[PACKET];

	if (!s->net_up)
		return;
	packet(b, CORE_HOST, s->addr, s, s->ping, ping);
	core_to_node(w, b, sizeof b);
}

void
core_hear(struct world *w, const uint8_t *p, size_t len)
{
	struct line *s = line_of(w, p, len);

	if (!s)
		return;
	if (get_u32(p + 12) != s->addr && s->net_up && !excused_line(s))
		violated(w, INV_ADDRESS_ONCE, "a packet of lac%u line %u comes from %08x, not from %08x", s->lac->id, s->id,
			 get_u32(p + 12), s->addr);
	s->up_got++;
	if (p[31]) {
		s->pong_up = get_u32(p + 32);
		core_data(w, s, true);
	}
}

static void
ip_down(struct line *s, const uint8_t *p, size_t len)
{
	struct line *is = line_of(s->lac->w, p, len);

	if (!is)
		return;
	if (is != s && is->net_up && !is->lac->lns && is->addr == get_u32(p + 16) && !excused_line(s) && !excused_line(is))
		violated(s->lac->w, INV_ADDRESS_ONCE, "lac%u line %u is given a packet for lac%u line %u", s->lac->id, s->id,
			 is->lac->id, is->id);
	s->down_got++;
	if (p[31])
		s->pong_down = get_u32(p + 32);
}

void
peer_frame(struct line *s, struct span f)
{
	uint8_t random[PPP_RANDOM];
	struct span body = f;
	struct ppp_ctx c;

	if (!s->link_up)
		return;
	if (body.len >= 2 && body.p[0] == 0xff && body.p[1] == 0x03)
		body = span_of(body.p + 2, body.len - 2);
	if (body.len > 1 && body.p[0] == 0x21) {
		ip_down(s, body.p + 1, body.len - 1);
		return;
	}
	if (body.len > 2 && body.p[0] == 0 && body.p[1] == 0x21) {
		ip_down(s, body.p + 2, body.len - 2);
		return;
	}
	say_frame(s, "hears", body);
	c = ctx_of(s, random);
	ppp_link_input(&s->link, &c, f);
	settle(s);
}
