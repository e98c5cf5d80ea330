// SPDX-License-Identifier: Apache-2.0
/*
 * What a trunk negotiates besides addresses: header compression in IPCP and IPV6CP (RFC 3544), and
 * PPPMuxCP (RFC 3153, 2).  Whatever is refused, the link stays and packets go plain.
 */
#include "lib/ppp/pair.h"

static struct pair p;

static void
trunk(bool server, bool client)
{
	pair_init(&p, PPP_AUTH_PAP);
	p.server.conf.hc = p.server.conf.mux = server;
	p.client.conf.hc = p.client.conf.mux = client;
	p.server.conf.hc_ours = crtp_params_default();
	p.server.conf.hc_ours.non_tcp_space = 1000;
	p.server.conf.mux_pid = 0x2067;
	p.client.conf.hc_ours = crtp_params_default();
	p.client.conf.hc_ours.f_max_time = 9;
	p.client.conf.mux_pid = 0x0069;
}

static void
dialled(void)
{
	dial(&p);
	run(&p, p.now + 60 * S);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
	ck_assert(ppp_link_cp_open(&p.client.link, PPP_CP_IPCP));
	ck_assert(ppp_link_cp_open(&p.client.link, PPP_CP_IPV6CP));
}

static void
same_params(const struct crtp_params *a, const struct crtp_params *b)
{
	ck_assert(a && b);
	ck_assert_uint_eq(a->tcp_space, b->tcp_space);
	ck_assert_uint_eq(a->non_tcp_space, b->non_tcp_space);
	ck_assert_uint_eq(a->f_max_period, b->f_max_period);
	ck_assert_uint_eq(a->f_max_time, b->f_max_time);
	ck_assert_uint_eq(a->max_header, b->max_header);
	ck_assert(a->rtp == b->rtp && a->enhanced == b->enhanced);
	ck_assert(a->no_tcp == b->no_tcp && a->no_non_tcp == b->no_non_tcp);
}

/* What one end takes is what the other sends, and what it was configured to take. */
static void
trunk_agreed(void)
{
	for (enum ppp_cp cp = PPP_CP_IPCP; cp <= PPP_CP_IPV6CP; cp++) {
		const struct ppp_event *s = &p.server.up[cp], *c = &p.client.up[cp];

		same_params(s->net.hc_recv, &p.server.conf.hc_ours);
		same_params(c->net.hc_send, &p.server.conf.hc_ours);
		same_params(c->net.hc_recv, &p.client.conf.hc_ours);
		same_params(s->net.hc_send, &p.client.conf.hc_ours);
	}
	ck_assert_uint_eq(p.server.up[PPP_CP_MUX].net.mux_recv_pid, 0x2067);
	ck_assert_uint_eq(p.client.up[PPP_CP_MUX].net.mux_send_pid, 0x2067);
	ck_assert_uint_eq(p.client.up[PPP_CP_MUX].net.mux_recv_pid, 0x0069);
	ck_assert_uint_eq(p.server.up[PPP_CP_MUX].net.mux_send_pid, 0x0069);
}

START_TEST(both_ends_want_all_of_it)
{
	trunk(true, true);
	dialled();
	ck_assert(all_open(&p));
	agreed(&p);
	trunk_agreed();
}
END_TEST

/* Any one frame lost, doubled or late; and both ends replaced by their snapshots at every step. */
START_TEST(any_frame_disturbed)
{
	static const enum fate fates[] = { LOSE, TWICE, LATE };
	unsigned frames;

	trunk(true, true);
	dialled();
	frames = p.frames;
	for (unsigned i = 1; i <= frames; i++)
		for (unsigned f = 0; f < 3; f++) {
			trunk(true, true);
			p.odd = i;
			p.fate = fates[f];
			p.reload_always = _i;
			dialled();
			ck_assert(all_open(&p));
			trunk_agreed();
		}
}
END_TEST

START_TEST(a_peer_that_wants_none_of_it)
{
	trunk(_i == 0, _i == 1);
	dialled();
	for (enum ppp_cp cp = PPP_CP_IPCP; cp <= PPP_CP_IPV6CP; cp++) {
		ck_assert(!p.server.up[cp].net.hc_send && !p.server.up[cp].net.hc_recv);
		ck_assert(!p.client.up[cp].net.hc_send && !p.client.up[cp].net.hc_recv);
	}
	ck_assert(!ppp_link_cp_open(&p.server.link, PPP_CP_MUX));
	ck_assert(!ppp_link_cp_open(&p.client.link, PPP_CP_MUX));
	ck_assert_uint_eq((_i == 0 ? &p.server : &p.client)->faults[PPP_FAULT_PROTOCOL_REJECTED], 1);
}
END_TEST

/* RFC 3544 without the enhanced form, each direction for itself. */
START_TEST(each_direction_for_itself)
{
	trunk(true, true);
	p.server.conf.hc_ours.enhanced = false;
	p.server.conf.hc_ours.rtp = true;
	p.server.conf.hc_ours.no_non_tcp = true;
	dialled();
	trunk_agreed();
	ck_assert(p.client.up[PPP_CP_IPCP].net.hc_send->rtp);
	ck_assert(!p.client.up[PPP_CP_IPCP].net.hc_send->enhanced);
	ck_assert(p.server.up[PPP_CP_IPCP].net.hc_send->enhanced);
}
END_TEST

/* ---- one end of ours, and a peer of octets */

static struct {
	uint8_t b[PPP_FRAME_MAX];
	size_t len;
} sent[32];
static unsigned sents;
static struct ppp_event up, mux_up;
static bool mux_is_up;
static unsigned refusals, states_refused;

static void
note_send(struct ppp_out *o, struct span f, bool reveals_nothing)
{
	(void)o;
	(void)reveals_nothing;
	ck_assert_uint_lt(sents, 32);
	memcpy(sent[sents].b, f.p, f.len);
	sent[sents++].len = f.len;
}

static void
note_event(struct ppp_out *o, const struct ppp_event *ev)
{
	(void)o;
	if (ev->kind == PPP_EV_NET_UP && ev->net.cp == PPP_CP_IPCP)
		up = *ev;
	if (ev->kind == PPP_EV_NET_DOWN && ev->net.cp == PPP_CP_MUX)
		mux_is_up = false;
	if (ev->kind == PPP_EV_HC_REFUSED)
		*(ev->states ? &states_refused : &refusals) += 1;
	if (ev->kind == PPP_EV_NET_UP && ev->net.cp == PPP_CP_MUX) {
		mux_up = *ev;
		mux_is_up = true;
	}
}

static struct ppp_out out = { note_send, note_event, NULL };
static struct ppp_conf conf;
static struct ppp_link link_;
static uint8_t fresh[PPP_RANDOM];
static struct ppp_ctx ctx_;

static void
give(const void *frame, size_t len)
{
	memset(fresh, (int)sents + 1, sizeof fresh);
	ppp_link_input(&link_, &ctx_, span_of(frame, len));
}

#define GIVE(TEXT) give(TEXT, sizeof TEXT - 1)

/* Compressed frames of the peer's are expected: none of them is rejected. */
static bool
hc_takes_now(void)
{
	const unsigned before = sents;

	GIVE("\x00\x69\x05\x01");
	return sents == before;
}

static const uint8_t *
last(uint16_t proto, uint8_t code)
{
	for (unsigned i = sents; i-- > 0;)
		if (get_u16(sent[i].b) == proto && sent[i].b[2] == code)
			return sent[i].b;
	return NULL;
}

/* LCP without options both ways, as RFC 4170, 4.1 has it; then the network phase, without addresses. */
static void
network_phase(void)
{
	const struct ppp_net net = { .ipv4 = true };
	uint8_t ack[64];

	sents = 0;
	mux_is_up = false;
	refusals = states_refused = 0;
	memset(&up, 0, sizeof up);
	ppp_conf_defaults(&conf);
	conf.magic = false;
	conf.ipv6 = false;
	conf.hc = conf.mux = true;
	conf.hc_ours.no_tcp = false;
	conf.mux_pid = 0x69;
	ctx_ = (struct ppp_ctx){ &conf, 5 * S, fresh, &out };
	ppp_link_init(&link_);
	ppp_link_up(&link_, &ctx_, NULL);
	memcpy(ack, sent[0].b, sent[0].len);
	ack[2] = PPP_CONF_ACK;
	give(ack, sent[0].len);
	GIVE("\xc0\x21\x01\x07\x00\x04");
	ck_assert_int_eq(ppp_link_phase(&link_), PPP_NETWORK);
	ppp_link_network(&link_, &ctx_, &net);
}

/* The same octets as other implementations were seen to send. */
START_TEST(requests_octet_for_octet)
{
	network_phase();
	ck_assert_mem_eq(last(PPP_IPCP, PPP_CONF_REQ),
			 "\x80\x21\x01\x01\x00\x14\x02\x10\x00\x61\x00\x0f\x00\x0f\x01\x00\x00\x05\x00\xa8\x02\x02", 22);
	ck_assert_mem_eq(last(PPP_PPPMUXCP, PPP_CONF_REQ), "\x80\x59\x01\x01\x00\x08\x01\x04\x00\x69", 10);
}
END_TEST

START_TEST(options_that_are_not_as_they_should_be)
{
	static const struct {
		const char *ask;
		size_t len;
		uint8_t code;
		const char *answer; /* what follows the packet's Length */
		size_t answer_len;
	} t[] = {
#define ROW(ASK, CODE, ANSWER) { ASK, sizeof ASK - 1, CODE, ANSWER, sizeof ANSWER - 1 }
#define OURS "\x02\x10\x00\x61\x00\x0f\x00\x0f\x01\x00\x00\x05\x00\xa8\x02\x02"
		/* another protocol: Van Jacobson's (RFC 1332, 3.2), ROHC (RFC 3241) */
		ROW("\x02\x06\x00\x2d\x0f\x01", PPP_CONF_REJ, "\x02\x06\x00\x2d\x0f\x01"),
		ROW("\x02\x0a\x00\x03\x00\x0f\x00\xa8\x00\x00", PPP_CONF_REJ, "\x02\x0a\x00\x03\x00\x0f\x00\xa8\x00\x00"),
		/* too short; TCP_SPACE too large: the rest of it is fine; a suboption that runs over; one of wrong length */
		ROW("\x02\x0c\x00\x61\x00\x0f\x00\x0f\x01\x00\x00\x05", PPP_CONF_NAK, OURS),
		ROW("\x02\x10\x00\x61\x01\x00\x00\x07\x01\x00\x00\x05\x00\xa8\x01\x02", PPP_CONF_NAK,
		    "\x02\x10\x00\x61\x00\xff\x00\x07\x01\x00\x00\x05\x00\xa8\x01\x02"),
		ROW("\x02\x10\x00\x61\x00\x0f\x00\x0f\x01\x00\x00\x05\x00\xa8\x02\x09", PPP_CONF_NAK, OURS),
		ROW("\x02\x11\x00\x61\x00\x0f\x00\x0f\x01\x00\x00\x05\x00\xa8\x02\x03\x00", PPP_CONF_NAK, OURS),
		/* a suboption that nobody knows: what was understood comes back */
		ROW("\x02\x13\x00\x61\x00\x0f\x00\x07\x01\x00\x00\x05\x00\xa8\x09\x03\x00\x01\x02", PPP_CONF_NAK,
		    "\x02\x10\x00\x61\x00\x0f\x00\x07\x01\x00\x00\x05\x00\xa8\x01\x02"),
		/* the protocol twice: the second one is rejected */
		ROW(OURS OURS, PPP_CONF_REJ, OURS),
		/* fine */
		ROW(OURS, PPP_CONF_ACK, OURS),
		ROW("\x02\x0e\x00\x61\x00\x00\x00\x00\x00\x00\x00\x00\x00\x28", PPP_CONF_ACK,
		    "\x02\x0e\x00\x61\x00\x00\x00\x00\x00\x00\x00\x00\x00\x28"),
#undef ROW
	};
	const uint8_t *got;
	uint8_t b[128];

	for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
		network_phase();
		put_u16(b, PPP_IPCP);
		b[2] = PPP_CONF_REQ;
		b[3] = 9;
		put_u16(b + 4, (uint16_t)(4 + t[i].len));
		memcpy(b + 6, t[i].ask, t[i].len);
		give(b, 6 + t[i].len);
		got = last(PPP_IPCP, t[i].code);
		ck_assert_msg(got, "row %u", i);
		ck_assert_msg(get_u16(got + 4) == 4 + t[i].answer_len, "row %u: length %u", i, get_u16(got + 4));
		ck_assert_msg(memcmp(got + 6, t[i].answer, t[i].answer_len) == 0, "row %u", i);
	}
}
END_TEST

/* A counter-proposal of less is followed; one of another protocol ends the asking. */
START_TEST(a_counter_proposal)
{
	network_phase();
	GIVE("\x80\x21\x03\x01\x00\x14\x02\x10\x00\x61\x00\x05\xff\xff\x00\x10\x00\x00\x00\x64\x01\x02");
	ck_assert_mem_eq(last(PPP_IPCP, PPP_CONF_REQ) + 6,
			 "\x02\x10\x00\x61\x00\x05\x00\x0f\x00\x10\x00\x05\x00\x64\x01\x02", 16);
	network_phase();
	GIVE("\x80\x21\x03\x01\x00\x0a\x02\x06\x00\x2d\x0f\x01");
	ck_assert_mem_eq(last(PPP_IPCP, PPP_CONF_REQ) + 4, "\x00\x04", 2);
}
END_TEST

/* It wants more than we have, again and again: it is not asked any more, and IPCP opens without. */
START_TEST(a_peer_that_is_never_content)
{
	static const char wish[] = "\x02\x10\x00\x61\x00\x0f\x01\x00\x01\x00\x00\x05\x00\xa8\x02\x02";
	uint8_t b[64];
	unsigned n = 0;

	network_phase();
	for (const uint8_t *asked; get_u16((asked = last(PPP_IPCP, PPP_CONF_REQ)) + 4) > 4; n++) {
		ck_assert_uint_lt(n, 5);
		memcpy(b, "\x80\x21\x03", 3);
		b[3] = asked[3];
		put_u16(b + 4, 4 + sizeof wish - 1);
		memcpy(b + 6, wish, sizeof wish - 1);
		give(b, 6 + sizeof wish - 1);
	}
	ck_assert_uint_eq(n, 3);
	memcpy(b, last(PPP_IPCP, PPP_CONF_REQ), 6);
	b[2] = PPP_CONF_ACK;
	give(b, 6);
	GIVE("\x80\x21\x01\x01\x00\x14" OURS);
	ck_assert(ppp_link_cp_open(&link_, PPP_CP_IPCP));
	ck_assert(!up.net.hc_recv && up.net.hc_send);
}
END_TEST

/* IPCP and PPPMuxCP as both want them. */
static void
all_of_it(void)
{
	network_phase();
	GIVE("\x80\x21\x02\x01\x00\x14" OURS);
	GIVE("\x80\x21\x01\x01\x00\x14" OURS);
	ck_assert(up.net.hc_recv && up.net.hc_send);
	GIVE("\x80\x59\x02\x01\x00\x08\x01\x04\x00\x69");
	GIVE("\x80\x59\x01\x05\x00\x08\x01\x04\x20\x69");
	ck_assert(mux_is_up);
}

/*
 * RFC 1661, 5.7: what the peer rejects is not sent any more.  It had agreed to it; still the link lives, and its other
 * direction.
 */
START_TEST(frames_rejected_after_all)
{
	static const uint16_t protos[] = { 0x0061, 0x0063, 0x0065, 0x0067, 0x0069, 0x2063, 0x2067, 0x2069 };
	uint8_t reject[] = "\xc0\x21\x08\x01\x00\x08\x00\x00\x45\x00";

	for (unsigned i = 0; i < sizeof protos / sizeof *protos; i++) {
		all_of_it();
		put_u16(reject + 6, protos[i]);
		give(reject, 10);
		give(reject, 10);
		ck_assert_uint_eq(refusals, 1);
		ck_assert(ppp_link_cp_open(&link_, PPP_CP_IPCP) && ppp_link_cp_open(&link_, PPP_CP_MUX));
		ck_assert(hc_takes_now());
	}
	all_of_it();
	GIVE("\xc0\x21\x08\x01\x00\x08\x20\x65\x01\x01"); /* CONTEXT_STATE: what the peer sends goes on */
	ck_assert_uint_eq(refusals, 0);
	ck_assert_uint_eq(states_refused, 1);
	ck_assert(hc_takes_now());
	GIVE("\xc0\x21\x08\x01\x00\x08\x00\x59\x01\x01");
	ck_assert(!mux_is_up);
	ck_assert(last(PPP_PPPMUXCP, PPP_TERM_REQ));
	ck_assert(ppp_link_cp_open(&link_, PPP_CP_IPCP));
	GIVE("\xc0\x21\x08\x01\x00\x08\x00\x21\x45\x00");
	ck_assert(last(PPP_IPCP, PPP_TERM_REQ));
}
END_TEST

/* RFC 1661, 3.5: the peer's Ack was lost, its first frame was not. */
START_TEST(a_frame_before_its_protocol_is_open)
{
	network_phase();
	GIVE("\x80\x59\x01\x05\x00\x08\x01\x04\x20\x69");
	ck_assert(last(PPP_PPPMUXCP, PPP_CONF_ACK));
	GIVE("\x00\x59\x02\x45\x00");
	ck_assert(!last(PPP_LCP, PPP_PROTO_REJ));
	GIVE("\x80\x59\x02\x01\x00\x08\x01\x04\x00\x69");
	ck_assert(mux_is_up);
	GIVE("\x00\x59\x02\x45\x00"); /* a worker does not know yet */
	ck_assert(!last(PPP_LCP, PPP_PROTO_REJ));
	conf.mux = false;
	GIVE("\x00\x59\x02\x45\x00");
	ck_assert(last(PPP_LCP, PPP_PROTO_REJ));
}
END_TEST

START_TEST(a_default_pid)
{
	/* not mentioned, no protocol number, wrong length: each is told ours */
	static const char *const wrong[] = { "\x80\x59\x01\x05\x00\x04", "\x80\x59\x01\x05\x00\x08\x01\x04\x01\x21",
					     "\x80\x59\x01\x05\x00\x07\x01\x03\x21" };
	static const size_t len[] = { 6, 10, 9 };

	for (unsigned i = 0; i < 3; i++) {
		network_phase();
		give(wrong[i], len[i]);
		ck_assert_mem_eq(last(PPP_PPPMUXCP, PPP_CONF_NAK) + 6, "\x01\x04\x00\x69", 4);
	}
	network_phase();
	GIVE("\x80\x59\x01\x05\x00\x08\x01\x04\x20\x69");
	ck_assert(last(PPP_PPPMUXCP, PPP_CONF_ACK));
	GIVE("\x80\x59\x03\x01\x00\x08\x01\x04\x00\x21");
	ck_assert_mem_eq(last(PPP_PPPMUXCP, PPP_CONF_REQ) + 6, "\x01\x04\x00\x21", 4);
	GIVE("\x80\x59\x04\x02\x00\x08\x01\x04\x00\x21"); /* rejected: the first subframe will bring its own */
	ck_assert_mem_eq(last(PPP_PPPMUXCP, PPP_CONF_REQ) + 4, "\x00\x04", 2);
	GIVE("\x80\x59\x02\x03\x00\x04");
	ck_assert(mux_is_up);
	ck_assert_uint_eq(mux_up.net.mux_send_pid, 0x2069);
	ck_assert_uint_eq(mux_up.net.mux_recv_pid, 0);
}
END_TEST

/* A peer that never speaks PPPMuxCP, or ends it: the link lives on. */
START_TEST(multiplexing_is_never_a_reason_to_end)
{
	network_phase();
	GIVE("\x80\x21\x02\x01\x00\x14" OURS);
	GIVE("\x80\x21\x01\x01\x00\x04");
	ck_assert(ppp_link_cp_open(&link_, PPP_CP_IPCP));
	ck_assert(up.net.hc_recv && !up.net.hc_send);
	for (unsigned i = 0; i < 60; i++) {
		ctx_.now += S;
		ppp_link_timer(&link_, &ctx_);
		sents = 0;
	}
	ck_assert(ppp_link_cp_open(&link_, PPP_CP_IPCP));
	ck_assert_int_eq(ppp_link_phase(&link_), PPP_NETWORK);
	/* frames of what was agreed on may reach the link when a worker does not know it yet: no Reject */
	GIVE("\x00\x61\x45\x00\x00\x14");
	ck_assert(!last(PPP_LCP, PPP_PROTO_REJ));
	GIVE("\x00\x59\x45\x00\x00\x14");
	ck_assert(last(PPP_LCP, PPP_PROTO_REJ));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ppp trunk");
	TCase *tc = tcase_create("trunk");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(tc, both_ends_want_all_of_it);
	tcase_add_loop_test(tc, any_frame_disturbed, 0, 2);
	tcase_add_loop_test(tc, a_peer_that_wants_none_of_it, 0, 2);
	tcase_add_test(tc, each_direction_for_itself);
	tcase_add_test(tc, requests_octet_for_octet);
	tcase_add_test(tc, options_that_are_not_as_they_should_be);
	tcase_add_test(tc, a_counter_proposal);
	tcase_add_test(tc, a_peer_that_is_never_content);
	tcase_add_test(tc, frames_rejected_after_all);
	tcase_add_test(tc, a_frame_before_its_protocol_is_open);
	tcase_add_test(tc, a_default_pid);
	tcase_add_test(tc, multiplexing_is_never_a_reason_to_end);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
