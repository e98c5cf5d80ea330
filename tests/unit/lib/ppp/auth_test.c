// SPDX-License-Identifier: Apache-2.0
/*
 * Authentication in both roles, and what a LAC did before us: refusals, alternatives, copies, rechallenge, time
 * limits, proxy LCP and proxy authentication.
 */
#include "lib/ppp/pair.h"

static struct pair p;

static const enum ppp_auth kinds[] = { PPP_AUTH_PAP, PPP_AUTH_CHAP_MD5, PPP_AUTH_MSCHAPV2 };

START_TEST(a_wrong_password)
{
	const enum ppp_auth auth = kinds[_i];

	pair_init(&p, auth);
	p.server.password = "another";
	dial(&p);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_AUTH_FAILED);
	ck_assert_uint_eq(p.server.cause.direction, 1);
	ck_assert_uint_eq(p.server.cause.proto, auth == PPP_AUTH_PAP ? PPP_PAP : PPP_CHAP);
	ck_assert_uint_eq(p.client.cause.code, PPP_CAUSE_AUTH_FAILED);
	ck_assert_uint_eq(p.client.cause.direction, 2);
	ck_assert_uint_eq(p.server.net_up[PPP_CP_IPCP] + p.client.net_up[PPP_CP_IPCP], 0);
	ck_assert_uint_eq(p.server.asked_net, 0);
}
END_TEST

START_TEST(both_prove_themselves)
{
	pair_init(&p, kinds[_i]);
	p.client.conf.auths = 1;
	p.client.conf.auth[0] = PPP_AUTH_MSCHAPV2;
	p.server.conf.answers = 1;
	p.server.conf.answer[0] = PPP_AUTH_MSCHAPV2;
	p.server.conf.password = text("lns-secret");
	p.client.password = "lns-secret";
	p.reload_always = true;
	dial(&p);
	run(&p, p.now + 30 * S);
	ck_assert(all_open(&p));
	ck_assert_uint_eq(p.client.auth_ok[true], 1);
	ck_assert_uint_eq(p.client.auth_ok[false], 1);
}
END_TEST

/* RFC 1661, 6.2: Nak names what we would do; the authenticator takes its next. */
START_TEST(the_client_chooses)
{
	pair_init(&p, PPP_AUTH_MSCHAPV2);
	p.server.conf.auths = 3;
	p.server.conf.auth[1] = PPP_AUTH_CHAP_MD5;
	p.server.conf.auth[2] = PPP_AUTH_PAP;
	p.client.conf.answers = 1;
	p.client.conf.answer[0] = kinds[_i];
	dial(&p);
	run(&p, p.now + 1 * S);
	ck_assert(all_open(&p));
	ck_assert_uint_eq(p.server.lcp.lcp.auth_peer, kinds[_i]);
}
END_TEST

START_TEST(alternatives_come_in_order)
{
	static const uint8_t eap[] = { 3, 4, 0xc2, 0x27 };
	static const uint8_t wish[][5] = { { 3, 5, 0xc2, 0x23, 0x81 }, { 3, 5, 0xc2, 0x23, 5 }, { 3, 4, 0xc0, 0x23 } };

	pair_init(&p, PPP_AUTH_NONE);
	STEP(&p.client, ppp_link_up(&p.client.link, &ctx, NULL));
	for (unsigned i = 0; i < 3; i++) {
		p.flights = 0;
		feed_packet(&p.client, PPP_LCP, PPP_CONF_REQ, 7, eap, sizeof eap);
		ck_assert_uint_eq(p.flight[0].b[2], PPP_CONF_NAK);
		ck_assert_mem_eq(p.flight[0].b + 6, wish[i], wish[i][1]);
	}
}
END_TEST

START_TEST(nothing_in_common)
{
	pair_init(&p, PPP_AUTH_CHAP_MD5);
	p.client.conf.answers = 1;
	p.client.conf.answer[0] = PPP_AUTH_PAP;
	dial(&p);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_AUTH_PROTOCOL);
	ck_assert_uint_eq(p.server.cause.direction, 1);
	pair_init(&p, PPP_AUTH_CHAP_MD5);
	p.client.conf.answers = 0; /* rejects the option */
	dial(&p);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_AUTH_PROTOCOL);
}
END_TEST

START_TEST(a_peer_that_never_proves_itself)
{
	pair_init(&p, kinds[_i]);
	dial(&p);
	while (p.server.lcp_up == 0)
		run(&p, p.now + 5 * MS);
	ppp_link_init(&p.client.link);
	p.flights = 0;
	run(&p, p.now + 60 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_AUTH_TIMEOUT);
}
END_TEST

START_TEST(an_authenticator_that_never_answers)
{
	pair_init(&p, kinds[_i]);
	p.server.answer_never = true;
	dial(&p);
	run(&p, p.now + 60 * S);
	ck_assert_uint_eq(p.server.asked, 1); /* the copies asked nobody */
	ck_assert_uint_eq(p.client.finished, 1);
	ck_assert(p.client.cause.code == PPP_CAUSE_AUTH_TIMEOUT || p.client.cause.code == PPP_CAUSE_NORMAL);
	ck_assert_uint_eq(p.server.finished, 1);
}
END_TEST

START_TEST(rechallenge)
{
	pair_init(&p, kinds[_i]);
	p.server.conf.chap_again_ms = 60000;
	dial(&p);
	run(&p, p.now + 200 * S);
	ck_assert(all_open(&p));
	ck_assert_uint_eq(p.server.asked, kinds[_i] == PPP_AUTH_PAP ? 1 : 4);
	ck_assert_uint_eq(p.server.auth_ok[true], 1);
	ck_assert_uint_eq(p.server.net_down[PPP_CP_IPCP], 0);
	if (kinds[_i] == PPP_AUTH_PAP)
		return;
	ck_assert(p.server.ask.again);
	p.server.password = "changed meanwhile";
	run(&p, p.now + 70 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_AUTH_FAILED);
}
END_TEST

START_TEST(rechallenge_on_another_node)
{
	pair_init(&p, kinds[_i]);
	p.server.conf.chap_again_ms = 60000;
	p.reload_always = true;
	dial(&p);
	run(&p, p.now + 100 * S);
	ck_assert_uint_ge(p.server.asked, 2);
	ck_assert(all_open(&p));
}
END_TEST

/* RFC 1994, 4.1: a copy of a response that was judged gets the same verdict, and is not judged again. */
START_TEST(copies_get_the_same_verdict)
{
	struct flight response = { 0 };

	pair_init(&p, kinds[_i]);
	dial(&p);
	while (p.server.asked == 0) {
		for (unsigned i = 0; i < p.flights; i++)
			if (p.flight[i].to == &p.server)
				response = p.flight[i];
		run(&p, p.now + 1 * MS);
	}
	run(&p, p.now + 1 * S);
	ck_assert(all_open(&p));
	p.flights = 0;
	feed(&p.server, span_of(response.b, response.len));
	ck_assert_uint_eq(p.flights, 1);
	ck_assert_uint_eq(p.flight[0].b[2], kinds[_i] == PPP_AUTH_PAP ? 2 : 3);
	ck_assert_uint_eq(p.server.asked, 1);
	run(&p, p.now + 1 * S);
	ck_assert(all_open(&p));
}
END_TEST

/* A man who does not know the password cannot say S= (RFC 2759, 5). */
START_TEST(a_false_authenticator)
{
	static const char *const lies[] = { "S=407A5589115FD0D6209F510FE9C04566932CDA56 M=hello", "M=hello", "", "S=" };

	for (unsigned i = 0; i < 4; i++) {
		pair_init(&p, PPP_AUTH_MSCHAPV2);
		p.server.answer_never = true;
		dial(&p);
		run(&p, p.now + 1 * S);
		feed_packet(&p.client, PPP_CHAP, 3, p.client.link.prove.id, lies[i], strlen(lies[i]));
		ck_assert_int_eq(ppp_link_phase(&p.client.link), PPP_TERMINATE);
		run(&p, p.now + 10 * S);
		ck_assert_uint_eq(p.client.cause.code, PPP_CAUSE_AUTH_FAILED);
		ck_assert_uint_eq(p.client.cause.direction, 1);
	}
}
END_TEST

START_TEST(texts_of_the_verdicts)
{
	static const char start[] = "E=691 R=0 C=", end[] = " V=3 M=hello";
	const uint8_t *b;

	pair_init(&p, PPP_AUTH_MSCHAPV2);
	p.server.password = "another";
	dial(&p);
	while (p.server.asked == 0)
		run(&p, p.now + 1 * MS);
	b = p.flight[p.flights - 2].b;
	ck_assert_uint_eq(get_u16(b), PPP_CHAP);
	ck_assert_uint_eq(b[2], 4);
	ck_assert_mem_eq(b + 6, start, 12);
	ck_assert_mem_eq(b + 6 + 12 + 32, end, sizeof end - 1);
	ck_assert_uint_eq(get_u16(b + 4), 4 + 12 + 32 + sizeof end - 1);

	pair_init(&p, PPP_AUTH_PAP);
	dial(&p);
	while (p.server.asked == 0)
		run(&p, p.now + 1 * MS);
	for (unsigned i = 0; i < p.flights; i++)
		if (get_u16(p.flight[i].b) == PPP_PAP)
			ck_assert_mem_eq(p.flight[i].b + 6, "\x05hello", 6);
}
END_TEST

START_TEST(malformed)
{
	pair_init(&p, PPP_AUTH_PAP);
	p.server.answer_never = true;
	dial(&p);
	while (p.server.lcp_up == 0)
		run(&p, p.now + 1 * MS);
	feed_packet(&p.server, PPP_PAP, 1, 1, "\x05user", 3);
	feed_packet(&p.server, PPP_PAP, 1, 1, "\x04user\x09pass", 10);
	feed_packet(&p.server, PPP_PAP, 1, 1, NULL, 0);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_AUTH_MALFORMED], 3);
	ck_assert_uint_eq(p.server.asked, 0);
	feed_packet(&p.server, PPP_PAP, 2, 1, NULL, 0); /* an Ack to one who asks nobody */
	feed_packet(&p.server, PPP_CHAP, 2, 1, NULL, 0);
	feed_packet(&p.server, PPP_PAP, 9, 1, NULL, 0);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_WRONG_PHASE], 3);
	feed(&p.server, span_of("\xc0\x23\x01\x01\x00\x03", 6));
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_BAD_LENGTH], 1);

	pair_init(&p, PPP_AUTH_MSCHAPV2);
	dial(&p);
	while (p.client.lcp_up == 0)
		run(&p, p.now + 1 * MS);
	feed_packet(&p.client, PPP_CHAP, 1, 1, "\x08" "12345678lns", 12); /* 16 octets it must be */
	feed_packet(&p.client, PPP_CHAP, 1, 1, "\x20" "123", 4);
	feed_packet(&p.client, PPP_CHAP, 1, 1, "\x00", 1);
	ck_assert_uint_eq(p.client.faults[PPP_FAULT_AUTH_MALFORMED], 3);
}
END_TEST

START_TEST(the_peer_rejects_the_protocol_it_agreed_to)
{
	pair_init(&p, PPP_AUTH_CHAP_MD5);
	dial(&p);
	while (p.server.lcp_up == 0)
		run(&p, p.now + 1 * MS);
	feed_packet(&p.server, PPP_LCP, PPP_PROTO_REJ, 1, "\xc2\x23\x01\x01\x00\x04", 6);
	p.client.link.phase = PPP_DEAD;
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_AUTH_PROTOCOL);
}
END_TEST

/* A challenge longer than we keep is answered all the same. */
START_TEST(a_long_challenge)
{
	uint8_t b[64] = { 40 };

	pair_init(&p, PPP_AUTH_CHAP_MD5);
	p.server.answer_never = true;
	dial(&p);
	while (p.client.lcp_up == 0)
		run(&p, p.now + 1 * MS);
	p.flights = 0;
	feed_packet(&p.client, PPP_CHAP, 1, 77, b, 44);
	ck_assert_uint_eq(p.flights, 1);
	ck_assert_uint_eq(p.flight[0].b[2], 2);
	ck_assert_uint_eq(p.flight[0].b[3], 77);
	ck_assert_int_eq(p.client.link.prove.due, MONO_NEVER);
	feed_packet(&p.client, PPP_CHAP, 3, 77, "ok", 2);
	ck_assert_int_eq(ppp_link_phase(&p.client.link), PPP_NETWORK);
}
END_TEST

/* ---- proxy LCP and authentication (RFC 2661, 4.4.5) */

#define octets(...) span_of(((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void
lac_calls(const struct ppp_proxy *proxy)
{
	STEP(&p.server, ppp_link_up(&p.server.link, &ctx, proxy));
	answer(&p.server);
}

static struct ppp_proxy
proxy_pap(void)
{
	static const uint8_t initial[] = { 5, 6, 9, 9, 9, 9 };
	static const uint8_t sent[] = { 1, 4, 5, 0xd4, 3, 4, 0xc0, 0x23, 5, 6, 1, 1, 1, 1 };
	static const uint8_t rcvd[] = { 1, 4, 5, 0xd4, 5, 6, 9, 9, 9, 9 };

	return (struct ppp_proxy){ .initial_rcvd = span_of(initial, sizeof initial),
				   .last_sent = span_of(sent, sizeof sent),
				   .last_rcvd = span_of(rcvd, sizeof rcvd),
				   .auth_type = 3,
				   .auth_id = 17,
				   .auth_name = text("user"),
				   .auth_response = text("secret") };
}

START_TEST(proxy_pap_is_used)
{
	struct ppp_proxy proxy = proxy_pap();

	pair_init(&p, PPP_AUTH_PAP);
	lac_calls(&proxy);
	ck_assert_uint_eq(p.server.lcp_up, 1);
	ck_assert(p.server.lcp.lcp.proxied);
	ck_assert_uint_eq(p.server.lcp.lcp.peer_mru, 1492);
	ck_assert(p.server.ask.proxied);
	ck_assert_uint_eq(p.server.auth_ok[true], 1);
	ck_assert_mem_eq(p.flight[0].b, "\xc0\x23\x02\x11", 4); /* Ack to id 17 */
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
	ck_assert_uint_eq(p.server.link.ours.magic, 0x01010101);
	reload(&p.server);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
}
END_TEST

START_TEST(proxy_pap_with_a_wrong_password)
{
	struct ppp_proxy proxy = proxy_pap();

	pair_init(&p, PPP_AUTH_PAP);
	p.server.password = "another";
	lac_calls(&proxy);
	ck_assert_mem_eq(p.flight[0].b, "\xc0\x23\x03\x11", 4);
	run(&p, p.now + 10 * S);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_AUTH_FAILED);
}
END_TEST

START_TEST(proxy_chap_is_used)
{
	uint8_t challenge[24], value[16];
	struct ppp_proxy proxy = { .last_sent = octets(3, 5, 0xc2, 0x23, 5, 5, 6, 1, 1, 1, 1),
				   .last_rcvd = octets(5, 6, 9, 9, 9, 9),
				   .auth_type = 2,
				   .auth_id = 200,
				   .auth_name = text("user") };

	memset(challenge, 0x5a, sizeof challenge);
	for (size_t n = 8; n <= 24; n += 8) { /* also longer than we keep */
		uint8_t data[64];
		struct wr w = wr_of(data, sizeof data);

		/* what the client would answer */
		pair_init(&p, PPP_AUTH_CHAP_MD5);
		dial(&p);
		while (p.client.lcp_up == 0)
			run(&p, p.now + 1 * MS);
		p.flights = 0;
		wr_u8(&w, (uint8_t)n);
		wr_bytes(&w, challenge, n);
		feed_packet(&p.client, PPP_CHAP, 1, 200, data, wr_len(&w));
		memcpy(value, p.flight[0].b + 7, 16);

		proxy.auth_challenge = span_of(challenge, n);
		proxy.auth_response = span_of(value, 16);
		pair_init(&p, PPP_AUTH_CHAP_MD5);
		p.server.conf.auths = 2;
		p.server.conf.auth[1] = PPP_AUTH_PAP;
		lac_calls(&proxy);
		ck_assert_mem_eq(p.flight[0].b, "\xc2\x23\x03\xc8", 4);
		ck_assert_uint_eq(p.server.auth_ok[true], 1);
	}
}
END_TEST

/* Killed while the proxied response was being judged: the peer is asked again, by a challenge of ours. */
START_TEST(proxy_chap_on_another_node)
{
	uint8_t challenge[24] = { 1 }, value[16] = { 2 };
	struct ppp_proxy proxy = { .last_sent = octets(3, 5, 0xc2, 0x23, 5, 5, 6, 1, 1, 1, 1),
				   .last_rcvd = octets(5, 6, 9, 9, 9, 9),
				   .auth_type = 2,
				   .auth_id = 200,
				   .auth_name = text("user"),
				   .auth_challenge = span_of(challenge, 24),
				   .auth_response = span_of(value, 16) };

	pair_init(&p, PPP_AUTH_CHAP_MD5);
	p.server.answer_never = true;
	lac_calls(&proxy);
	ck_assert_uint_eq(p.server.asked, 1);
	reload(&p.server);
	while (p.flights == 0)
		run(&p, p.now + 10 * MS);
	ck_assert_mem_eq(p.flight[0].b, "\xc2\x23\x01", 3);
	ck_assert_uint_eq(p.flight[0].b[6], 16);
}
END_TEST

START_TEST(proxy_without_authentication)
{
	struct ppp_proxy proxy = { .last_sent = octets(5, 6, 1, 1, 1, 1),
				   .last_rcvd = octets(5, 6, 9, 9, 9, 9),
				   .auth_type = 4 };

	pair_init(&p, PPP_AUTH_NONE);
	lac_calls(&proxy);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
	pair_init(&p, PPP_AUTH_PAP); /* we want to know who it is */
	lac_calls(&proxy);
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_PROXY_UNUSABLE], 1);
	ck_assert_uint_eq(p.server.lcp_up, 0);
	ck_assert_str_eq(p.server.last, "lcp Configure-Request");
}
END_TEST

/* LCP is good, its authentication is not: only that is done again. */
START_TEST(proxy_authentication_unusable)
{
	struct ppp_proxy proxy = { .last_sent = octets(3, 5, 0xc2, 0x23, 5),
				   .last_rcvd = octets(5, 6, 9, 9, 9, 9) };
	static const uint16_t types[] = { 0, 1, 3, 4, 5, 9 };

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		proxy.auth_type = types[i];
		pair_init(&p, PPP_AUTH_CHAP_MD5);
		lac_calls(&proxy);
		ck_assert_uint_eq(p.server.lcp_up, 1);
		ck_assert_mem_eq(p.flight[0].b, "\xc2\x23\x01", 3);
	}
}
END_TEST

START_TEST(proxy_lcp_unusable)
{
	struct ppp_proxy good = proxy_pap(), bad;
	const struct span sent[] = { octets(3, 4, 0xc0, 0x23, 17, 4, 5, 0xdc), /* Multilink */
				     octets(3, 5, 0xc2, 0x23, 5),	       /* not what we ask for */
				     octets(3, 5, 0xc2, 0x23, 0x80),	       /* MS-CHAPv1 */
				     octets(1, 4, 8, 0, 3, 4, 0xc0, 0x23),     /* larger than we receive */
				     octets(3, 4, 0xc0, 0x23, 5, 1),
				     octets(5, 6, 0, 0, 0, 0, 3, 4, 0xc0, 0x23) };
	const struct span rcvd[] = { octets(17, 4, 5, 0xdc), octets(1, 4, 0, 1), octets(3, 4, 0xc0, 0x23), octets(1, 0) };

	for (size_t i = 0; i < sizeof sent / sizeof *sent + sizeof rcvd / sizeof *rcvd; i++) {
		const size_t n = sizeof sent / sizeof *sent;

		bad = good;
		if (i < n)
			bad.last_sent = sent[i];
		else
			bad.last_rcvd = rcvd[i - n];
		pair_init(&p, PPP_AUTH_PAP);
		lac_calls(&bad);
		ck_assert_uint_eq(p.server.lcp_up, 0);
		ck_assert_uint_eq(p.server.faults[PPP_FAULT_PROXY_UNUSABLE], 1);
		STEP(&p.client, ppp_link_up(&p.client.link, &ctx, NULL));
		run(&p, p.now + 1 * S);
		ck_assert(all_open(&p));
	}
	pair_init(&p, PPP_AUTH_PAP);
	p.server.conf.proxy_use = false; /* the LAC is not trusted */
	lac_calls(&good);
	ck_assert_str_eq(p.server.last, "lcp Configure-Request");
	ck_assert_uint_eq(p.server.asked, 0);
}
END_TEST

/* What the peer agreed with the LAC, it can carry on with us, and negotiate anew with us. */
START_TEST(a_peer_behind_a_lac)
{
	struct ppp_proxy proxy = proxy_pap();
	uint8_t sent[64], rcvd[64];
	struct wr w;

	pair_init(&p, PPP_AUTH_PAP); /* the pair's server plays the LAC first */
	p.server.answer_never = true;
	dial(&p);
	while (p.server.asked == 0)
		run(&p, p.now + 1 * MS);
	w = wr_of(sent, sizeof sent);
	ppp_option_write(&w, 3, "\xc0\x23", 2);
	ppp_option_write_u32(&w, 5, p.server.link.ours.magic);
	proxy.last_sent = wr_span(&w);
	w = wr_of(rcvd, sizeof rcvd);
	ppp_option_write_u32(&w, 5, p.server.link.peer.magic);
	proxy.last_rcvd = wr_span(&w);
	proxy.auth_id = p.server.ask.id;
	p.flights = 0;
	ppp_link_init(&p.server.link);
	p.server.answer_never = false;
	lac_calls(&proxy);
	run(&p, p.now + 1 * S);
	ck_assert(all_open(&p));
	agreed(&p);
	ck_assert_uint_eq(p.client.lcp_up, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ppp authentication");
	TCase *a = tcase_create("both roles"), *x = tcase_create("proxy");
	SRunner *r;
	int failed;

	tcase_add_loop_test(a, a_wrong_password, 0, 3);
	tcase_add_loop_test(a, both_prove_themselves, 0, 3);
	tcase_add_loop_test(a, the_client_chooses, 0, 3);
	tcase_add_test(a, alternatives_come_in_order);
	tcase_add_test(a, nothing_in_common);
	tcase_add_loop_test(a, a_peer_that_never_proves_itself, 0, 3);
	tcase_add_loop_test(a, an_authenticator_that_never_answers, 0, 3);
	tcase_add_loop_test(a, rechallenge, 0, 3);
	tcase_add_loop_test(a, rechallenge_on_another_node, 1, 3);
	tcase_add_loop_test(a, copies_get_the_same_verdict, 0, 3);
	tcase_add_test(a, a_false_authenticator);
	tcase_add_test(a, texts_of_the_verdicts);
	tcase_add_test(a, malformed);
	tcase_add_test(a, the_peer_rejects_the_protocol_it_agreed_to);
	tcase_add_test(a, a_long_challenge);
	suite_add_tcase(s, a);
	tcase_add_test(x, proxy_pap_is_used);
	tcase_add_test(x, proxy_pap_with_a_wrong_password);
	tcase_add_test(x, proxy_chap_is_used);
	tcase_add_test(x, proxy_chap_on_another_node);
	tcase_add_test(x, proxy_without_authentication);
	tcase_add_test(x, proxy_authentication_unusable);
	tcase_add_test(x, proxy_lcp_unusable);
	tcase_add_test(x, a_peer_behind_a_lac);
	suite_add_tcase(s, x);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
