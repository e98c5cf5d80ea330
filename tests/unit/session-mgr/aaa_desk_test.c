// SPDX-License-Identifier: Apache-2.0
/* The AAA desk: who is asked, what is sent for each way of authentication, what becomes of the answers. */
#include <string.h>

#include "aaa_desk.h"
#include "lib/unit.h"

static struct aaa_desk *desk;
static struct aaa_answer last;
static unsigned answers, acct_ok, acct_bad, sent_n;
static mono_t now;
static unsigned told[2]; /* of servers: dead, or back */
static struct {
	enum desk_kind kind;
	unsigned server, socket;
	uint8_t b[RAD_MAX];
	size_t len;
} sent;

static void
on_answer(void *arg, const struct aaa_answer *a)
{
	answers++;
	last = *a;
}

static void
on_acct(void *arg, struct span key, bool answered)
{
	ck_assert_mem_eq(key.p, "k1", 2);
	acct_ok += answered;
	acct_bad += !answered;
}

static void
on_send(void *arg, enum desk_kind kind, unsigned server, unsigned socket, struct span d)
{
	sent_n++;
	sent.kind = kind;
	sent.server = server;
	sent.socket = socket;
	sent.len = d.len;
	memcpy(sent.b, d.p, d.len);
}

static void
on_random(void *arg, uint8_t *out, size_t n)
{
	memset(out, 0x5a, n);
}

static void
on_state(void *arg, enum desk_kind kind, unsigned server, bool dead)
{
	ck_assert_int_eq(aaa_desk_dead(desk, kind), dead ? (int)server : -1);
	told[kind]++;
}

static void
start(enum conf_aaa mode, const char *users)
{
	static const struct aaa_desk_ops ops = { on_answer, on_acct, on_send, on_random, on_state };
	struct conf_aaa_set c = { .mode = mode, .servers = 1, .timeout_ms = 1000, .tries = 1, .in_flight = 8 };
	char error[200];

	answers = acct_ok = acct_bad = sent_n = told[0] = told[1] = 0;
	now = MONO_S;
	strcpy(c.server[0].secret, "s3cret");
	strcpy(c.nas_identifier, "nas");
	desk = aaa_desk_new(&ops, NULL);
	aaa_desk_configure(desk, &c, MONO_S);
	aaa_desk_users(desk, users ? users_parse(span_of(users, strlen(users)), error, sizeof error) : NULL);
}

static struct aaa_request
question(enum ppp_auth auth)
{
	struct aaa_request q = { .token = 9, .tunnel = 1, .session = 2, .auth = (uint8_t)auth, .chap_id = 3,
				 .name_len = 5, .name = "alice", .challenge_len = 16 };

	memset(q.challenge, 0xcc, sizeof q.challenge);
	if (auth == PPP_AUTH_PAP) {
		q.response_len = 6;
		memcpy(q.response, "wonder", 6);
	} else {
		q.response_len = auth == PPP_AUTH_CHAP_MD5 ? 16 : 49;
		for (int i = 0; i < 49; i++)
			q.response[i] = (uint8_t)i;
	}
	return q;
}

static struct span
attribute(uint32_t id)
{
	struct rad_packet p;
	struct rad_iter it;
	struct rad_attr a;

	ck_assert_int_eq(rad_read(span_of(sent.b, sent.len), &p), RAD_OK);
	it = rad_iter(p.attrs);
	while (rad_next(&it, &a))
		if (a.id == id)
			return a.value;
	return span_of(NULL, 0);
}

static void
ask(enum ppp_auth auth)
{
	struct aaa_request q = question(auth);

	aaa_desk_ask(desk, &q, now);
}

static void
reply(enum rad_code code, const void *attrs, size_t n)
{
	struct rad_writer w;
	uint8_t b[512];
	struct span d;

	rad_begin(&w, b, sizeof b, code, sent.b[1], NULL);
	wr_bytes(&w.w, attrs, n);
	d = rad_end(&w, span_of("s3cret", 6), sent.b + 4);
	aaa_desk_input(desk, sent.kind, sent.server, sent.socket, d, 1000, now);
}

START_TEST(every_access_request_is_guarded)
{
	struct rad_packet p;

	start(AAA_RADIUS, NULL);
	ask((enum ppp_auth)_i);
	ck_assert_int_eq(rad_read(span_of(sent.b, sent.len), &p), RAD_OK);
	ck_assert_uint_eq(attribute(RAD_MESSAGE_AUTHENTICATOR).len, 16);
	ck_assert_int_eq(rad_verify_request(&p, span_of("s3cret", 6)), RAD_OK);
	ck_assert(span_eq(attribute(RAD_USER_NAME), span_of("alice", 5)));
	ck_assert(span_eq(attribute(RAD_NAS_IDENTIFIER), span_of("nas", 3)));
	aaa_desk_free(desk);
}
END_TEST

START_TEST(pap_is_hidden)
{
	uint8_t clear[128];

	start(AAA_RADIUS, NULL);
	ask(PPP_AUTH_PAP);
	ck_assert_uint_eq(rad_unhide(attribute(RAD_USER_PASSWORD), sent.b + 4, span_of("s3cret", 6), clear), 6);
	ck_assert_mem_eq(clear, "wonder", 6);
	aaa_desk_free(desk);
}
END_TEST

START_TEST(chap_is_identifier_and_response)
{
	struct span v;

	start(AAA_RADIUS, NULL);
	ask(PPP_AUTH_CHAP_MD5);
	v = attribute(RAD_CHAP_PASSWORD);
	ck_assert_uint_eq(v.len, 17);
	ck_assert_uint_eq(v.p[0], 3);
	ck_assert_uint_eq(v.p[16], 15);
	ck_assert_uint_eq(attribute(RAD_CHAP_CHALLENGE).len, 16);
	aaa_desk_free(desk);
}
END_TEST

START_TEST(mschapv2_is_laid_out_as_rfc_2548_says)
{
	struct span v;

	start(AAA_RADIUS, NULL);
	ask(PPP_AUTH_MSCHAPV2);
	v = attribute(RAD_MS_CHAP2_RESPONSE);
	ck_assert_uint_eq(v.len, 50);
	ck_assert_uint_eq(v.p[0], 3);  /* ident */
	ck_assert_uint_eq(v.p[1], 48); /* flags: last in PPP, second here */
	ck_assert_uint_eq(v.p[2], 0);
	ck_assert_uint_eq(v.p[49], 47);
	aaa_desk_free(desk);
}
END_TEST

START_TEST(mschapv2_without_the_servers_proof_is_refused)
{
	static const char proof[] = "\x1a\x33\x00\x00\x01\x37\x1a\x2d\x03S=00112233445566778899AABBCCDDEEFF00112233";

	start(AAA_RADIUS, NULL);
	ask(PPP_AUTH_MSCHAPV2);
	reply(RAD_ACCESS_ACCEPT, "", 0);
	ck_assert_int_eq(last.verdict, AAA_REJECT);
	ask(PPP_AUTH_MSCHAPV2);
	reply(RAD_ACCESS_ACCEPT, proof, sizeof proof - 1);
	ck_assert_int_eq(last.verdict, AAA_ACCEPT);
	ck_assert_uint_eq(last.mschap_proof[1], 0x11);
	ck_assert_uint_eq(last.mschap_proof[19], 0x33);
	aaa_desk_free(desk);
}
END_TEST

START_TEST(a_challenge_is_a_refusal)
{
	start(AAA_RADIUS, NULL);
	ask(PPP_AUTH_PAP);
	reply(RAD_ACCESS_CHALLENGE, "\x12\x07hello", 7);
	ck_assert_int_eq(last.verdict, AAA_REJECT);
	ck_assert_str_eq(last.message, "hello");
	ck_assert_uint_eq(last.token, 9);
	aaa_desk_free(desk);
}
END_TEST

START_TEST(the_users_file_stands_in_when_nobody_answers)
{
	start((enum conf_aaa)_i, "alice wonder\n");
	ask(PPP_AUTH_PAP);
	if (_i != AAA_LOCAL) {
		ck_assert_uint_eq(answers, 0);
		aaa_desk_tick(desk, 1000, 3 * MONO_S);
	}
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(last.verdict, _i == AAA_RADIUS ? AAA_UNANSWERED : AAA_ACCEPT);
	aaa_desk_free(desk);
}
END_TEST

START_TEST(a_rejection_is_final_whatever_the_users_file_says)
{
	start(AAA_RADIUS_THEN_LOCAL, "alice wonder\n");
	ask(PPP_AUTH_PAP);
	reply(RAD_ACCESS_REJECT, "", 0);
	ck_assert_int_eq(last.verdict, AAA_REJECT);
	ck_assert_uint_eq(answers, 1);
	aaa_desk_free(desk);
}
END_TEST

START_TEST(accounting_says_how_late_it_is)
{
	struct acct_ask q = { .created = 900, .attrs_len = 6, .key_len = 2, .key = "k1", .attrs = "\x28\x06\0\0\0\x01" };

	start(AAA_RADIUS, NULL);
	aaa_desk_acct(desk, &q, 1000, MONO_S);
	ck_assert_uint_eq(get_u32(attribute(RAD_ACCT_DELAY_TIME).p), 100);
	ck_assert_uint_eq(get_u32(attribute(RAD_ACCT_STATUS_TYPE).p), 1);
	reply(RAD_ACCOUNTING_RESPONSE, "", 0);
	ck_assert_uint_eq(acct_ok, 1);
	aaa_desk_acct(desk, &q, 1000, MONO_S);
	aaa_desk_tick(desk, 1002, 3 * MONO_S);
	ck_assert_uint_eq(acct_bad, 1);
	aaa_desk_free(desk);
}
END_TEST

static void
ask_server(enum desk_kind kind)
{
	struct acct_ask q = { .created = 900, .attrs_len = 6, .key_len = 2, .key = "k1", .attrs = "\x28\x06\0\0\0\x01" };

	if (kind == DESK_AUTH)
		ask(PPP_AUTH_PAP);
	else
		aaa_desk_acct(desk, &q, 1000, now);
}

/* What the alarms RADIUS_AUTH_DEAD and RADIUS_ACCT_DEAD stand for. */
START_TEST(a_silent_server_is_known_as_such_until_it_answers)
{
	const enum desk_kind kind = (enum desk_kind)_i;

	start(AAA_RADIUS, NULL);
	ask_server(kind);
	ck_assert_int_eq(aaa_desk_dead(desk, kind), -1);
	now += 3 * MONO_S;
	aaa_desk_tick(desk, 1003, now);
	ck_assert_int_eq(aaa_desk_dead(desk, kind), 0);
	ck_assert_int_eq(aaa_desk_dead(desk, (enum desk_kind)!kind), -1);
	ck_assert_uint_eq(told[kind], 1);
	now += RCLIENT_DEAD;
	ask_server(kind);
	ck_assert_int_eq(aaa_desk_dead(desk, kind), 0); /* asked again, and not heard yet */
	reply(kind == DESK_AUTH ? RAD_ACCESS_REJECT : RAD_ACCOUNTING_RESPONSE, "", 0);
	ck_assert_int_eq(aaa_desk_dead(desk, kind), -1);
	ck_assert_uint_eq(told[kind], 2);
	aaa_desk_free(desk);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_loop_test(t, every_access_request_is_guarded, PPP_AUTH_PAP, PPP_AUTH_MSCHAPV2 + 1);
	tcase_add_test(t, pap_is_hidden);
	tcase_add_test(t, chap_is_identifier_and_response);
	tcase_add_test(t, mschapv2_is_laid_out_as_rfc_2548_says);
	tcase_add_test(t, mschapv2_without_the_servers_proof_is_refused);
	tcase_add_test(t, a_challenge_is_a_refusal);
	tcase_add_loop_test(t, the_users_file_stands_in_when_nobody_answers, AAA_LOCAL, AAA_RADIUS_THEN_LOCAL + 1);
	tcase_add_test(t, a_rejection_is_final_whatever_the_users_file_says);
	tcase_add_test(t, accounting_says_how_late_it_is);
	tcase_add_loop_test(t, a_silent_server_is_known_as_such_until_it_answers, DESK_AUTH, DESK_ACCT + 1);
}

UNIT_MAIN("aaa_desk", add)
