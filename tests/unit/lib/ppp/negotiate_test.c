// SPDX-License-Identifier: Apache-2.0
/*
 * LCP, IPCP and IPV6CP option by option: every Nak and Reject that we send, and what we make of the peer's;
 * malformed packets; codes and protocols unknown; Max-Failure; looped-back links; Echo.
 */
#include "lib/ppp/pair.h"

static struct pair p;

/* What the server sent last, taken off the network. */
static struct span
sent(void)
{
	static uint8_t none[1];

	for (unsigned i = p.flights; i-- > 0;)
		if (p.flight[i].to == &p.client)
			return span_of(p.flight[i].b, p.flight[i].len);
	return span_of(none, 0);
}

#define expect(...) \
	do { \
		const uint8_t want_[] = { __VA_ARGS__ }; \
		struct span got_ = sent(); \
		ck_assert_uint_eq(got_.len, sizeof want_); \
		ck_assert_mem_eq(got_.p, want_, sizeof want_); \
	} while (0)

#define request(PROTO, ...) \
	do { \
		const uint8_t data_[] = { __VA_ARGS__ }; \
		p.flights = 0; \
		feed_packet(&p.server, PROTO, PPP_CONF_REQ, 9, data_, sizeof data_); \
	} while (0)

#define lcp_answers(CODE, ...) \
	do { \
		const uint8_t opt_[] = { __VA_ARGS__ }; \
		struct span got_ = sent(); \
		ck_assert_uint_eq(got_.len, 6 + sizeof opt_); \
		ck_assert_uint_eq(got_.p[2], CODE); \
		ck_assert_uint_eq(got_.p[3], 9); \
		ck_assert_mem_eq(got_.p + 6, opt_, sizeof opt_); \
	} while (0)

/* A server in Req-Sent. */
static void
lcp_server(enum ppp_auth auth)
{
	pair_init(&p, auth);
	STEP(&p.server, ppp_link_up(&p.server.link, &ctx, NULL));
}

/* A server with LCP and network phase open, its network protocols in Req-Sent. */
static void
ncp_server(void)
{
	lcp_server(PPP_AUTH_NONE);
	p.server.conf.magic = false;
	request(PPP_LCP, 5, 6, 1, 2, 3, 4);
	p.flights = 0;
	feed_packet(&p.server, PPP_LCP, PPP_CONF_ACK, p.server.link.cp[0].id,
		    (uint8_t[]){ 5, 6, (uint8_t)(p.server.link.ours.magic >> 24), (uint8_t)(p.server.link.ours.magic >> 16),
				 (uint8_t)(p.server.link.ours.magic >> 8), (uint8_t)p.server.link.ours.magic },
		    6);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
	ck_assert_uint_eq(p.server.asked_net, 1);
}

START_TEST(our_request)
{
	pair_init(&p, PPP_AUTH_CHAP_MD5);
	p.server.conf.mru = 1460;
	p.server.conf.ask_accm = p.server.conf.ask_pfc = p.server.conf.ask_acfc = true;
	p.server.conf.magic = false;
	STEP(&p.server, ppp_link_up(&p.server.link, &ctx, NULL));
	expect(0xc0, 0x21, 1, 1, 0, 23, 1, 4, 0x05, 0xb4, 2, 6, 0, 0, 0, 0, 3, 5, 0xc2, 0x23, 5, 7, 2, 8, 2);
}
END_TEST

START_TEST(lcp_options_of_the_peer)
{
	lcp_server(PPP_AUTH_NONE);
	request(PPP_LCP, 1, 4, 0x05, 0xd4, 2, 6, 0, 0, 0, 0, 5, 6, 1, 2, 3, 4, 7, 2, 8, 2);
	lcp_answers(PPP_CONF_ACK, 1, 4, 0x05, 0xd4, 2, 6, 0, 0, 0, 0, 5, 6, 1, 2, 3, 4, 7, 2, 8, 2);
	ck_assert_uint_eq(p.server.link.peer.mru, 1492);
	ck_assert_uint_eq(p.server.link.peer.magic, 0x01020304);
	ck_assert(p.server.link.peer.pfc && p.server.link.peer.acfc);
	request(PPP_LCP, 7, 2); /* what is left out goes back to its default */
	ck_assert_uint_eq(p.server.link.peer.mru, 1500);
	ck_assert(p.server.link.peer.pfc && !p.server.link.peer.acfc);

	request(PPP_LCP, 1, 4, 0, 64); /* too small */
	lcp_answers(PPP_CONF_NAK, 1, 4, 0x05, 0xdc);
	request(PPP_LCP, 1, 3, 5); /* wrong lengths are answered with right ones */
	lcp_answers(PPP_CONF_NAK, 1, 4, 0x05, 0xdc);
	request(PPP_LCP, 2, 3, 5, 7, 3, 1, 8, 4, 1, 1);
	lcp_answers(PPP_CONF_NAK, 2, 6, 0, 0, 0, 0, 7, 2, 8, 2);
	request(PPP_LCP, 5, 6, 0, 0, 0, 0);
	ck_assert_uint_eq(sent().p[2], PPP_CONF_NAK);
	ck_assert_uint_ne(get_u32(sent().p + 8), 0);
}
END_TEST

START_TEST(lcp_options_we_reject)
{
	static const uint8_t options[] = { 4, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 24, 255 };

	for (size_t i = 0; i < sizeof options; i++) {
		lcp_server(PPP_AUTH_NONE);
		request(PPP_LCP, 1, 4, 0x05, 0xd4, options[i], 4, 1, 2, 7, 2);
		lcp_answers(PPP_CONF_REJ, options[i], 4, 1, 2);
	}
	lcp_server(PPP_AUTH_NONE); /* Quality as pppd writes it; MRRU, short sequence, endpoint discriminator */
	request(PPP_LCP, 17, 4, 5, 0xdc, 18, 2, 19, 9, 3, 1, 2, 3, 4, 5, 6, 4, 8, 0xc0, 0x25, 0, 0, 0, 1);
	lcp_answers(PPP_CONF_REJ, 17, 4, 5, 0xdc, 18, 2, 19, 9, 3, 1, 2, 3, 4, 5, 6, 4, 8, 0xc0, 0x25, 0, 0, 0, 1);
	request(PPP_LCP, 7, 2, 7, 2); /* listed twice */
	lcp_answers(PPP_CONF_REJ, 7, 2);
	request(PPP_LCP, 3, 4, 0xc0, 0x23); /* the server proves itself to nobody */
	lcp_answers(PPP_CONF_REJ, 3, 4, 0xc0, 0x23);
	request(PPP_LCP, 1, 4, 0, 1, 99, 2); /* a Reject goes before the Nak */
	lcp_answers(PPP_CONF_REJ, 99, 2);
}
END_TEST

START_TEST(options_malformed)
{
	static const struct {
		uint8_t b[6];
		size_t n;
	} bad[] = { { { 1 }, 1 }, { { 1, 0 }, 2 }, { { 1, 1 }, 2 }, { { 7, 2, 1, 5, 5, 5 }, 6 }, { { 7, 2, 5 }, 3 },
		    { { 1, 255, 1, 1 }, 4 } };

	for (uint8_t code = PPP_CONF_REQ; code <= PPP_CONF_REJ; code++)
		for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
			lcp_server(PPP_AUTH_NONE);
			p.flights = 0;
			feed_packet(&p.server, PPP_LCP, code, p.server.link.cp[0].id, bad[i].b, bad[i].n);
			ck_assert_uint_eq(p.flights, 0);
			ck_assert_uint_eq(p.server.faults[PPP_FAULT_BAD_OPTION], 1);
			ck_assert_uint_eq(p.server.link.cp[0].state, PPP_REQ_SENT);
		}
}
END_TEST

START_TEST(packets_malformed)
{
	static const uint8_t frames[][10] = {
		{ 0 },				   /* length 0 */
		{ 1, 0xc0 },			   /* half a protocol */
		{ 2, 0xff, 0x03 },		   /* none */
		{ 2, 0xc0, 0x21 },		   /* no header */
		{ 5, 0xc0, 0x21, 1, 1, 0 },	   /* half a header */
		{ 6, 0xc0, 0x21, 1, 1, 0, 3 },	   /* Length under 4 */
		{ 6, 0xc0, 0x21, 1, 1, 0, 5 },	   /* beyond the frame */
		{ 6, 0xc0, 0x21, 1, 1, 0xff, 0xff }, /* far beyond */
	};

	lcp_server(PPP_AUTH_NONE);
	p.flights = 0;
	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
		feed(&p.server, span_of(frames[i] + 1, frames[i][0]));
	ck_assert_uint_eq(p.flights, 0);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_SHORT_FRAME], 3);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_BAD_LENGTH], 5);
}
END_TEST

START_TEST(frames_in_all_their_forms)
{
	static const uint8_t plain[] = { 0xc0, 0x21, 1, 9, 0, 6, 7, 2 };
	static const uint8_t hdlc[] = { 0xff, 0x03, 0xc0, 0x21, 1, 9, 0, 6, 7, 2 };
	static const uint8_t padded[] = { 0xc0, 0x21, 1, 9, 0, 6, 7, 2, 0xaa, 0xbb, 0xcc };
	const struct span forms[] = { span_of(plain, sizeof plain), span_of(hdlc, sizeof hdlc),
				      span_of(padded, sizeof padded) };
	struct ppp_frame f;

	for (unsigned i = 0; i < 3; i++) {
		lcp_server(PPP_AUTH_NONE);
		p.flights = 0;
		feed(&p.server, forms[i]);
		lcp_answers(PPP_CONF_ACK, 7, 2);
	}
	ck_assert(ppp_frame_read(span_of("\x21\x45", 2), &f)); /* PFC */
	ck_assert_uint_eq(f.proto, PPP_IPV4);
	ck_assert_uint_eq(f.info.len, 1);
	ck_assert(ppp_frame_read(span_of("\xff\x03\x57", 3), &f));
	ck_assert_uint_eq(f.proto, PPP_IPV6);
	ck_assert(!ppp_frame_read(span_of("\xff\x03\x80", 3), &f));
}
END_TEST

START_TEST(answers_that_do_not_fit)
{
	uint8_t id;

	lcp_server(PPP_AUTH_NONE);
	id = p.server.link.cp[0].id;
	feed_packet(&p.server, PPP_LCP, PPP_CONF_ACK, (uint8_t)(id + 1), NULL, 0);
	feed_packet(&p.server, PPP_LCP, PPP_CONF_NAK, (uint8_t)(id - 1), NULL, 0);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_WRONG_ID], 2);
	feed_packet(&p.server, PPP_LCP, PPP_CONF_ACK, id, "\x07\x02", 2);
	feed_packet(&p.server, PPP_LCP, PPP_CONF_REJ, id, "\x07\x02", 2);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_WRONG_OPTIONS], 2);
	ck_assert_uint_eq(p.server.link.cp[0].state, PPP_REQ_SENT);
}
END_TEST

START_TEST(our_lcp_options_naked_and_rejected)
{
	pair_init(&p, PPP_AUTH_NONE);
	p.server.conf.mru = 1400;
	p.server.conf.ask_accm = p.server.conf.ask_pfc = p.server.conf.ask_acfc = true;
	p.server.conf.magic = false;
	STEP(&p.server, ppp_link_up(&p.server.link, &ctx, NULL));
	p.flights = 0;
	feed_packet(&p.server, PPP_LCP, PPP_CONF_NAK, 1, (uint8_t[]){ 1, 4, 2, 0, 2, 6, 0, 0, 0, 1, 99, 3, 1 }, 13);
	expect(0xc0, 0x21, 1, 2, 0, 18, 1, 4, 2, 0, 2, 6, 0, 0, 0, 1, 7, 2, 8, 2);
	p.flights = 0; /* more than we receive is not given */
	feed_packet(&p.server, PPP_LCP, PPP_CONF_NAK, 2, (uint8_t[]){ 1, 4, 0x20, 0 }, 4);
	expect(0xc0, 0x21, 1, 3, 0, 18, 1, 4, 2, 0, 2, 6, 0, 0, 0, 1, 7, 2, 8, 2);
	p.flights = 0;
	feed_packet(&p.server, PPP_LCP, PPP_CONF_REJ, 3, (uint8_t[]){ 2, 6, 0, 0, 0, 1, 8, 2 }, 8);
	expect(0xc0, 0x21, 1, 4, 0, 10, 1, 4, 2, 0, 7, 2);
	p.flights = 0;
	feed_packet(&p.server, PPP_LCP, PPP_CONF_REJ, 4, (uint8_t[]){ 1, 4, 2, 0, 7, 2 }, 6);
	expect(0xc0, 0x21, 1, 5, 0, 4);
}
END_TEST

START_TEST(naks_without_end)
{
	lcp_server(PPP_AUTH_NONE);
	for (unsigned i = 0; i < 40 && !p.server.finished; i++) {
		p.flights = 0;
		feed_packet(&p.server, PPP_LCP, PPP_CONF_NAK, p.server.link.cp[0].id, "\x05\x06\x01\x01\x01\x01", 6);
	}
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_TERMINATE);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_NOT_CONVERGING], 1);
	run(&p, p.now + 10 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_LCP_TIMEOUT);
}
END_TEST

/* RFC 1661, 4.6: after Max-Failure Naks the option is rejected. */
START_TEST(max_failure)
{
	lcp_server(PPP_AUTH_NONE);
	for (unsigned i = 0; i < 5; i++) {
		request(PPP_LCP, 1, 4, 0, 1);
		lcp_answers(PPP_CONF_NAK, 1, 4, 0x05, 0xdc);
	}
	request(PPP_LCP, 1, 4, 0, 1);
	lcp_answers(PPP_CONF_REJ, 1, 4, 0, 1);
	for (unsigned i = 0; i < 20; i++)
		request(PPP_LCP, 1, 4, 0, 1);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_TERMINATE);
}
END_TEST

/* Also where our request holds what we would reject if a peer asked it of us. */
START_TEST(a_looped_back_link)
{
	lcp_server(_i ? PPP_AUTH_PAP : PPP_AUTH_NONE);
	for (unsigned i = 0; i < 100 && p.flights; i++) {
		struct flight x = p.flight[0];

		memmove(p.flight, p.flight + 1, --p.flights * sizeof x);
		feed(&p.server, span_of(x.b, x.len));
	}
	run(&p, p.now + 10 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_LOOPBACK);
	ck_assert_uint_ge(p.server.faults[PPP_FAULT_LOOPED], 5);
}
END_TEST

START_TEST(an_open_link_looped_back)
{
	pair_init(&p, PPP_AUTH_NONE);
	dial(&p);
	run(&p, p.now + 1 * S);
	for (unsigned i = 0; i < 6; i++) {
		uint8_t magic[4];

		put_u32(magic, p.server.link.ours.magic);
		feed_packet(&p.server, PPP_LCP, PPP_ECHO_REQ, (uint8_t)i, magic, 4);
	}
	run(&p, p.now + 10 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_LOOPBACK);
}
END_TEST

/* ---- codes */

START_TEST(unknown_codes_are_rejected)
{
	ncp_server();
	p.flights = 0;
	feed_packet(&p.server, PPP_LCP, 14, 5, "ab", 2);
	expect(0xc0, 0x21, 7, 1, 0, 10, 14, 5, 0, 6, 'a', 'b');
	feed_packet(&p.server, PPP_LCP, 0, 5, "ab", 2);
	ck_assert_str_eq(p.server.last, "lcp Code-Reject");
	feed_packet(&p.server, PPP_IPCP, 8, 5, "ab", 2); /* Protocol-Reject is LCP's alone */
	ck_assert_str_eq(p.server.last, "ipcp Code-Reject");
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_UNKNOWN_CODE], 3);
}
END_TEST

START_TEST(a_reject_is_cut_to_the_peers_mru)
{
	static uint8_t junk[1400];

	lcp_server(PPP_AUTH_NONE);
	request(PPP_LCP, 1, 4, 0, 128);
	p.flights = 0;
	feed_packet(&p.server, PPP_LCP, 99, 5, junk, sizeof junk);
	ck_assert_uint_eq(sent().len, 2 + 128);
	ncp_server();
	p.server.link.peer.mru = 128;
	p.flights = 0;
	feed_packet(&p.server, 0x4021, 99, 5, junk, sizeof junk);
	ck_assert_str_eq(p.server.last, "lcp Protocol-Reject");
	ck_assert_uint_eq(sent().len, 2 + 128);
}
END_TEST

START_TEST(accepted_and_that_is_all)
{
	ncp_server();
	p.flights = 0;
	feed_packet(&p.server, PPP_LCP, PPP_DISCARD, 5, "\x01\x02\x03\x04xyz", 7);
	feed_packet(&p.server, PPP_LCP, PPP_IDENTIFY, 5, "\x01\x02\x03\x04pppd", 8);
	feed_packet(&p.server, PPP_LCP, PPP_TIME_LEFT, 5, "\x01\x02\x03\x04\x00\x00\x01\x00", 8);
	ck_assert_uint_eq(p.flights, 0);
	ck_assert_uint_eq(p.server.link.cp[0].state, PPP_OPENED);
}
END_TEST

START_TEST(code_rejects_of_the_peer)
{
	ncp_server();
	p.server.conf.echo_ms = 10000;
	feed_packet(&p.server, PPP_LCP, PPP_CODE_REJ, 5, "\x09\x01\x00\x08", 4); /* it does no Echo: neither do we */
	ck_assert_uint_eq(p.server.link.cp[0].state, PPP_OPENED);
	ck_assert_int_eq(p.server.link.echo.due, MONO_NEVER);
	feed_packet(&p.server, PPP_LCP, PPP_CODE_REJ, 5, NULL, 0);
	ck_assert_uint_eq(p.server.link.cp[0].state, PPP_OPENED);
	feed_packet(&p.server, PPP_LCP, PPP_CODE_REJ, 5, "\x01\x01\x00\x04", 4); /* without these nothing works */
	ck_assert_uint_eq(p.server.link.cp[0].state, PPP_STOPPING);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_TERMINATE);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
}
END_TEST

START_TEST(protocol_rejects_of_the_peer)
{
	ncp_server();
	feed_packet(&p.server, PPP_LCP, PPP_PROTO_REJ, 5, "\x80\xfd\x01\x01\x00\x04", 6); /* nothing of ours */
	feed_packet(&p.server, PPP_LCP, PPP_PROTO_REJ, 5, "\x80", 1);
	feed_packet(&p.server, PPP_LCP, PPP_PROTO_REJ, 5, "\x80\x57\x01\x01\x00\x04", 6);
	ck_assert_uint_eq(p.server.link.cp[PPP_CP_IPV6CP].state, PPP_STOPPED);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
	feed_packet(&p.server, PPP_LCP, PPP_PROTO_REJ, 5, "\x80\x21\x01\x01\x00\x04", 6); /* and the last one */
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_NO_NCP);
	ck_assert_uint_eq(p.server.cause.proto, PPP_IPCP);
}
END_TEST

START_TEST(lcp_rejected_as_a_protocol)
{
	ncp_server();
	feed_packet(&p.server, PPP_LCP, PPP_PROTO_REJ, 5, "\xc0\x21\x01\x01\x00\x04", 6);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
}
END_TEST

START_TEST(unknown_protocols)
{
	unsigned rejects;

	lcp_server(PPP_AUTH_NONE);
	p.flights = 0;
	feed_packet(&p.server, 0x80fd, 1, 1, NULL, 0); /* not before LCP is open (5.7) */
	ck_assert_uint_eq(p.flights, 0);
	ncp_server();
	p.flights = 0;
	feed_packet(&p.server, 0x80fd, 1, 1, NULL, 0);
	expect(0xc0, 0x21, 8, 1, 0, 10, 0x80, 0xfd, 1, 1, 0, 4);
	feed(&p.server, span_of("\x80\x22\x01\x01\x00\x04", 6)); /* an even second octet is no protocol */
	ck_assert_str_eq(p.server.last, "lcp Protocol-Reject");
	for (unsigned i = 0; i < 100; i++) {
		p.flights = 0;
		feed_packet(&p.server, 0x80fd, 1, 1, NULL, 0);
	}
	rejects = 102 - p.server.faults[PPP_FAULT_REJECT_LIMITED];
	ck_assert_uint_eq(rejects, 10);
	p.now += S;
	p.flights = 0;
	feed_packet(&p.server, 0x80fd, 1, 1, NULL, 0);
	ck_assert_uint_eq(p.flights, 1);
	feed_packet(&p.server, PPP_IPV4, 0x45, 0, NULL, 0); /* known, only not open */
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_WRONG_PHASE], 1);
}
END_TEST

START_TEST(network_protocols_wait_for_their_phase)
{
	lcp_server(PPP_AUTH_PAP);
	p.flights = 0;
	feed_packet(&p.server, PPP_IPCP, PPP_CONF_REQ, 1, NULL, 0);
	feed_packet(&p.server, PPP_PAP, 1, 1, "\x01u\x01p", 4);
	ck_assert_uint_eq(p.flights, 0);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_WRONG_PHASE], 2);
}
END_TEST

/* The peer has acknowledged our request, or it could not speak of passwords: that Ack was lost. */
START_TEST(a_packet_of_a_later_phase_shows_that_an_ack_was_lost)
{
	lcp_server(PPP_AUTH_PAP);
	const uint8_t id = p.server.link.cp[PPP_CP_LCP].id;
	request(PPP_LCP, 5, 6, 1, 2, 3, 4);
	p.flights = 0;
	feed_packet(&p.server, PPP_PAP, 1, 1, "\x01u\x01p", 4);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_WRONG_PHASE], 1); /* discarded all the same */
	ck_assert_uint_eq(p.flights, 1);
	ck_assert_uint_eq(get_u16(sent().p), PPP_LCP);
	ck_assert_uint_eq(sent().p[2], PPP_CONF_REQ);
	ck_assert_uint_eq(sent().p[3], id); /* a retransmission */
	p.flights = 0;
	for (unsigned i = 0; i < 20; i++)
		feed_packet(&p.server, PPP_IPCP, PPP_CONF_REQ, 1, NULL, 0);
	ck_assert_uint_eq(p.flights, 0); /* once: the rest is the timer's */
	ck_assert_int_eq(p.server.link.cp[PPP_CP_LCP].state, PPP_ACK_SENT);
}
END_TEST

/* ---- Echo */

START_TEST(echo_is_answered)
{
	uint8_t want[16] = { 0xc0, 0x21, 10, 5, 0, 12 };

	ncp_server();
	p.flights = 0;
	put_u32(want + 6, p.server.link.ours.magic);
	memcpy(want + 10, "data", 4);
	feed_packet(&p.server, PPP_LCP, PPP_ECHO_REQ, 5, "\x01\x02\x03\x04" "data", 8);
	ck_assert_uint_eq(sent().len, 14);
	ck_assert_mem_eq(sent().p, want, 14);
	feed_packet(&p.server, PPP_LCP, PPP_ECHO_REQ, 5, NULL, 0); /* without a magic number */
	ck_assert_uint_eq(p.flights, 2);
	lcp_server(PPP_AUTH_NONE);
	p.flights = 0;
	feed_packet(&p.server, PPP_LCP, PPP_ECHO_REQ, 5, "\x01\x02\x03\x04", 4);
	ck_assert_uint_eq(p.flights, 0); /* only in Opened (5.8) */
}
END_TEST

START_TEST(echo_history)
{
	uint16_t ms[PPP_ECHO_RING];

	pair_init(&p, PPP_AUTH_NONE);
	p.server.conf.echo_ms = 1000;
	dial(&p);
	run(&p, p.now + 500 * MS);
	ck_assert_uint_eq(ppp_link_echo_history(&p.server.link, ms), 0);
	run(&p, p.now + 2 * S);
	ck_assert_uint_eq(ppp_link_echo_history(&p.server.link, ms), 2);
	ck_assert_uint_eq(ms[0], 20);
	p.odd = p.frames + 1; /* the next Echo-Request */
	p.fate = LOSE;
	run(&p, p.now + 2 * S);
	ck_assert_uint_eq(ppp_link_echo_history(&p.server.link, ms), 4);
	ck_assert_uint_eq(ms[0], 20);
	ck_assert_uint_eq(ms[1], PPP_ECHO_LOST);
	ck_assert_uint_eq(p.server.link.echo.lost, 1);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(ppp_link_echo_history(&p.server.link, ms), PPP_ECHO_RING);
	ck_assert(all_open(&p));
	reload(&p.server); /* history goes along */
	ck_assert_uint_eq(ppp_link_echo_history(&p.server.link, ms), PPP_ECHO_RING);
	ck_assert_uint_eq(p.server.link.echo.lost, 1);
}
END_TEST

/* Of three requests in each interval two are lost: one in twenty each way does that in a thousandth of all. */
START_TEST(a_lost_echo_is_repeated_before_the_next_is_due)
{
	uint16_t ms[PPP_ECHO_RING];

	pair_init(&p, PPP_AUTH_NONE);
	p.server.conf.echo_ms = 30000;
	p.server.conf.echo_failures = 1;
	p.server.conf.restart_ms = 3000;
	p.client.conf.echo_ms = 0;
	p.server.conf.ipv6 = p.client.conf.ipv6 = false; /* no advertisements among the frames */
	dial(&p);
	run(&p, p.now + 1 * S);
	const mono_t first = p.server.link.echo.due;
	for (unsigned i = 0; i < 5; i++) {
		const unsigned before = p.frames;
		p.odd = before + 1;
		p.odd2 = before + 2;
		p.fate = p.fate2 = LOSE;
		run(&p, first + i * 30 * S + 9 * S - 1);
		ck_assert_uint_eq(p.frames, before + 2);
		run(&p, first + i * 30 * S + 30 * S - 1);
		ck_assert_uint_eq(p.frames, before + 4); /* the third, and its answer */
		ck_assert_uint_eq(p.server.link.echo.lost, 2 * (i + 1));
	}
	ck_assert(ppp_link_cp_open(&p.server.link, PPP_CP_IPCP));
	ck_assert_uint_ge(ppp_link_echo_history(&p.server.link, ms), 3);
	ck_assert_uint_eq(ms[0], 20);
	ck_assert_uint_eq(ms[1], PPP_ECHO_LOST);
	ppp_link_init(&p.client.link); /* and a dead peer is dead after the interval, as before */
	run(&p, first + 180 * S - 1);
	ck_assert_uint_eq(p.server.finished, 0);
	run(&p, first + 190 * S);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_ECHO);
}
END_TEST

START_TEST(a_dead_peer_is_noticed)
{
	struct ppp_ctx ctx;

	pair_init(&p, PPP_AUTH_NONE);
	p.server.conf.echo_ms = 1000;
	p.server.conf.echo_failures = 3;
	dial(&p);
	run(&p, p.now + 500 * MS);
	ppp_link_init(&p.client.link);
	for (unsigned i = 0; i < 10; i++) { /* traffic keeps it alive */
		ctx = ctx_of(&p.server);
		ppp_link_alive(&p.server.link, &ctx);
		run(&p, p.now + 900 * MS);
	}
	ck_assert_uint_eq(p.server.link.echo.sent, 0);
	run(&p, p.now + 3000 * MS);
	ck_assert_uint_eq(p.server.link.echo.sent, 3);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_ECHO);
}
END_TEST

/* ---- IPCP */

START_TEST(ipcp_address_is_assigned)
{
	ncp_server();
	request(PPP_IPCP, 3, 6, 0, 0, 0, 0);
	lcp_answers(PPP_CONF_NAK, 3, 6, 10, 0, 1, 2);
	request(PPP_IPCP, 3, 6, 192, 168, 1, 1);
	lcp_answers(PPP_CONF_NAK, 3, 6, 10, 0, 1, 2);
	request(PPP_IPCP, 3, 4, 10, 0); /* wrong length */
	lcp_answers(PPP_CONF_NAK, 3, 6, 10, 0, 1, 2);
	request(PPP_IPCP, 3, 6, 10, 0, 1, 2);
	lcp_answers(PPP_CONF_ACK, 3, 6, 10, 0, 1, 2);
	ncp_server();
	p.server.accept4 = 0xc0a80101;
	request(PPP_IPCP, 3, 6, 192, 168, 1, 2);
	lcp_answers(PPP_CONF_NAK, 3, 6, 10, 0, 1, 2);
	request(PPP_IPCP, 3, 6, 192, 168, 1, 1); /* its own wish, granted from above */
	lcp_answers(PPP_CONF_ACK, 3, 6, 192, 168, 1, 1);
}
END_TEST

START_TEST(ipcp_name_servers)
{
	ncp_server();
	request(PPP_IPCP, 3, 6, 10, 0, 1, 2, 129, 6, 0, 0, 0, 0, 131, 6, 0, 0, 0, 0);
	lcp_answers(PPP_CONF_NAK, 129, 6, 8, 8, 8, 8, 131, 6, 8, 8, 4, 4);
	request(PPP_IPCP, 3, 6, 10, 0, 1, 2, 129, 6, 8, 8, 8, 8, 131, 6, 8, 8, 4, 4);
	lcp_answers(PPP_CONF_ACK, 3, 6, 10, 0, 1, 2, 129, 6, 8, 8, 8, 8, 131, 6, 8, 8, 4, 4);
	request(PPP_IPCP, 3, 6, 10, 0, 1, 2, 130, 6, 0, 0, 0, 0, 132, 6, 0, 0, 0, 0);
	lcp_answers(PPP_CONF_REJ, 130, 6, 0, 0, 0, 0, 132, 6, 0, 0, 0, 0);
	p.server.link.net.nbns4[0] = 0x0a000009;
	request(PPP_IPCP, 3, 6, 10, 0, 1, 2, 130, 6, 0, 0, 0, 0);
	lcp_answers(PPP_CONF_NAK, 130, 6, 10, 0, 0, 9);
}
END_TEST

/* The framing of an IP-Compression-Protocol option with suboptions, as TCRTP trunks send it. */
START_TEST(ipcp_options_we_reject)
{
	ncp_server();
	request(PPP_IPCP, 2, 16, 0, 0x61, 0, 15, 0, 15, 1, 0, 0, 5, 0, 168, 2, 2);
	lcp_answers(PPP_CONF_REJ, 2, 16, 0, 0x61, 0, 15, 0, 15, 1, 0, 0, 5, 0, 168, 2, 2);
	request(PPP_IPCP, 2, 19, 0, 0x61, 0, 15, 0, 15, 1, 0, 0, 5, 0, 168, 2, 2, 3, 3, 1);
	lcp_answers(PPP_CONF_REJ, 2, 19, 0, 0x61, 0, 15, 0, 15, 1, 0, 0, 5, 0, 168, 2, 2, 3, 3, 1);
	request(PPP_IPCP, 2, 6, 0, 0x2d, 15, 1, 3, 6, 10, 0, 1, 2); /* VJ */
	lcp_answers(PPP_CONF_REJ, 2, 6, 0, 0x2d, 15, 1);
	request(PPP_IPCP, 1, 10, 10, 0, 1, 2, 10, 0, 0, 1); /* deprecated IP-Addresses */
	lcp_answers(PPP_CONF_REJ, 1, 10, 10, 0, 1, 2, 10, 0, 0, 1);
	request(PPP_IPCP, 4, 6, 0, 0, 0, 0);
	lcp_answers(PPP_CONF_REJ, 4, 6, 0, 0, 0, 0);
}
END_TEST

START_TEST(a_peer_that_does_not_mention_its_address)
{
	ncp_server();
	for (unsigned i = 0; i < 5; i++) {
		request(PPP_IPCP, 129, 6, 8, 8, 8, 8);
		lcp_answers(PPP_CONF_NAK, 3, 6, 10, 0, 1, 2);
	}
	request(PPP_IPCP, 129, 6, 8, 8, 8, 8); /* it never will: it has the address all the same */
	lcp_answers(PPP_CONF_ACK, 129, 6, 8, 8, 8, 8);
	ck_assert_uint_eq(p.server.link.peer4, 0x0a000102);
}
END_TEST

START_TEST(a_peer_that_insists_on_its_address)
{
	uint8_t ours[] = { 3, 6, 10, 0, 0, 1 };

	ncp_server();
	p.server.net.ipv6 = false;
	STEP(&p.server, ppp_link_network(&p.server.link, &ctx, &p.server.net));
	feed_packet(&p.server, PPP_IPCP, PPP_CONF_ACK, p.server.link.cp[PPP_CP_IPCP].id, ours, sizeof ours);
	for (unsigned i = 0; i < 5; i++)
		request(PPP_IPCP, 3, 6, 192, 168, 1, 1);
	request(PPP_IPCP, 3, 6, 192, 168, 1, 1);
	lcp_answers(PPP_CONF_REJ, 3, 6, 192, 168, 1, 1);
	request(PPP_IPCP, 129, 6, 8, 8, 8, 8);
	ck_assert_uint_eq(p.server.net_up[PPP_CP_IPCP], 0);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_ADDRESSES);
	ck_assert_uint_eq(p.server.cause.direction, 2);
	ck_assert_uint_eq(p.server.cause.proto, PPP_IPCP);
}
END_TEST

START_TEST(without_addresses_none_are_negotiated)
{
	pair_init(&p, PPP_AUTH_NONE);
	p.server.net = (struct ppp_net){ .ipv4 = true };
	p.client.conf.client = false;
	p.client.net = (struct ppp_net){ .ipv4 = true };
	dial(&p);
	run(&p, p.now + 1 * S);
	ck_assert(ppp_link_cp_open(&p.server.link, PPP_CP_IPCP));
	ck_assert_uint_eq(p.server.up[PPP_CP_IPCP].net.peer4, 0);
}
END_TEST

START_TEST(the_client_is_refused_an_address)
{
	pair_init(&p, PPP_AUTH_NONE);
	p.server.net = (struct ppp_net){ .ipv4 = true, .local4 = 0x0a000001 };
	p.client.net = (struct ppp_net){ .ipv4 = true };
	dial(&p);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.client.finished, 1);
	ck_assert_uint_eq(p.client.cause.code, PPP_CAUSE_NO_ADDRESS);
	ck_assert_uint_eq(p.client.net_up[PPP_CP_IPCP], 0);
}
END_TEST

/* ---- IPV6CP */

START_TEST(ipv6cp_identifiers)
{
	uint8_t same[10] = { 1, 10 };

	ncp_server();
	request(PPP_IPV6CP, 1, 10, 0, 0, 0, 0, 0, 0, 0, 0); /* zero: we suggest one */
	ck_assert_uint_eq(sent().p[2], PPP_CONF_NAK);
	ck_assert(get_u32(sent().p + 8) || get_u32(sent().p + 12));
	put_u32(same + 2, (uint32_t)(p.server.link.local_iid >> 32));
	put_u32(same + 6, (uint32_t)p.server.link.local_iid);
	p.flights = 0;
	feed_packet(&p.server, PPP_IPV6CP, PPP_CONF_REQ, 9, same, sizeof same); /* collision */
	ck_assert_uint_eq(sent().p[2], PPP_CONF_NAK);
	ck_assert_mem_ne(sent().p + 8, same + 2, 8);
	request(PPP_IPV6CP, 7, 2); /* unknown, and none at all */
	lcp_answers(PPP_CONF_REJ, 7, 2);
	request(PPP_IPV6CP, 2, 4, 0, 0x61); /* RFC 5172 */
	lcp_answers(PPP_CONF_REJ, 2, 4, 0, 0x61);
	p.flights = 0;
	feed_packet(&p.server, PPP_IPV6CP, PPP_CONF_REQ, 9, NULL, 0);
	ck_assert_uint_eq(sent().p[2], PPP_CONF_NAK);
	ck_assert_uint_eq(sent().len, 16);
	request(PPP_IPV6CP, 1, 10, 2, 0, 0, 0, 0, 0, 0, 1);
	lcp_answers(PPP_CONF_ACK, 1, 10, 2, 0, 0, 0, 0, 0, 0, 1);
}
END_TEST

START_TEST(ipv6cp_identifier_given_from_above)
{
	pair_init(&p, PPP_AUTH_NONE);
	p.server.net.local_iid = 1;
	p.server.net.peer_iid = 2;
	dial(&p);
	run(&p, p.now + 1 * S);
	ck_assert_uint_eq(p.client.up[PPP_CP_IPV6CP].net.peer_iid, 1);
	ck_assert_uint_eq(p.client.up[PPP_CP_IPV6CP].net.local_iid, 2);
}
END_TEST

START_TEST(ipv6cp_rejected_ends_ipv6_alone)
{
	ncp_server();
	p.flights = 0;
	STEP(&p.server, ppp_link_timer(&p.server.link, &ctx));
	{
		uint8_t o[10] = { 1, 10 };

		put_u32(o + 2, (uint32_t)(p.server.link.local_iid >> 32));
		put_u32(o + 6, (uint32_t)p.server.link.local_iid);
		feed_packet(&p.server, PPP_IPV6CP, PPP_CONF_REJ, p.server.link.cp[PPP_CP_IPV6CP].id, o, sizeof o);
	}
	ck_assert_uint_eq(p.server.link.cp[PPP_CP_IPV6CP].state, PPP_CLOSING);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ppp options");
	TCase *l = tcase_create("lcp"), *n = tcase_create("ncp");
	SRunner *r;
	int failed;

	tcase_add_test(l, our_request);
	tcase_add_test(l, lcp_options_of_the_peer);
	tcase_add_test(l, lcp_options_we_reject);
	tcase_add_test(l, options_malformed);
	tcase_add_test(l, packets_malformed);
	tcase_add_test(l, frames_in_all_their_forms);
	tcase_add_test(l, answers_that_do_not_fit);
	tcase_add_test(l, our_lcp_options_naked_and_rejected);
	tcase_add_test(l, naks_without_end);
	tcase_add_test(l, max_failure);
	tcase_add_loop_test(l, a_looped_back_link, 0, 2);
	tcase_add_test(l, an_open_link_looped_back);
	tcase_add_test(l, unknown_codes_are_rejected);
	tcase_add_test(l, a_reject_is_cut_to_the_peers_mru);
	tcase_add_test(l, accepted_and_that_is_all);
	tcase_add_test(l, code_rejects_of_the_peer);
	tcase_add_test(l, protocol_rejects_of_the_peer);
	tcase_add_test(l, lcp_rejected_as_a_protocol);
	tcase_add_test(l, unknown_protocols);
	tcase_add_test(l, network_protocols_wait_for_their_phase);
	tcase_add_test(l, a_packet_of_a_later_phase_shows_that_an_ack_was_lost);
	tcase_add_test(l, echo_is_answered);
	tcase_add_test(l, echo_history);
	tcase_add_test(l, a_lost_echo_is_repeated_before_the_next_is_due);
	tcase_add_test(l, a_dead_peer_is_noticed);
	suite_add_tcase(s, l);
	tcase_add_test(n, ipcp_address_is_assigned);
	tcase_add_test(n, ipcp_name_servers);
	tcase_add_test(n, ipcp_options_we_reject);
	tcase_add_test(n, a_peer_that_does_not_mention_its_address);
	tcase_add_test(n, a_peer_that_insists_on_its_address);
	tcase_add_test(n, without_addresses_none_are_negotiated);
	tcase_add_test(n, the_client_is_refused_an_address);
	tcase_add_test(n, ipv6cp_identifiers);
	tcase_add_test(n, ipv6cp_identifier_given_from_above);
	tcase_add_test(n, ipv6cp_rejected_ends_ipv6_alone);
	suite_add_tcase(s, n);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
