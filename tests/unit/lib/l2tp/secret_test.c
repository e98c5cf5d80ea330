// SPDX-License-Identifier: Apache-2.0
/* Tunnel authentication and hidden AVPs: RFC 2661 4.3, 5.1.1. */
#include <check.h>

#include "sample.h"

static uint8_t buf[SAMPLE_MAX];
static struct l2tp_msg msg;
static const uint8_t counting[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

START_TEST(the_response_to_a_challenge_is_as_computed_elsewhere)
{
	static const uint8_t sccrp[16] = { 0xdd, 0x41, 0x86, 0xe2, 0x19, 0x6f, 0x00, 0x12,
					   0x4a, 0x9d, 0x58, 0x8f, 0x02, 0x70, 0x12, 0x59 };
	static const uint8_t scccn[16] = { 0x8f, 0x3c, 0x2f, 0xa6, 0xfc, 0xfe, 0xa7, 0x22,
					   0x15, 0xae, 0x83, 0xea, 0x89, 0xec, 0x2b, 0x77 };
	const struct span challenge = span_of(counting, sizeof counting);
	uint8_t out[L2TP_RESPONSE];

	ck_assert(l2tp_auth_response(L2TP_SCCRP, sample_secret(), challenge, out));
	ck_assert_mem_eq(out, sccrp, 16);
	ck_assert(l2tp_auth_response(L2TP_SCCCN, sample_secret(), challenge, out));
	ck_assert_mem_eq(out, scccn, 16);
	ck_assert(l2tp_auth_check(L2TP_SCCCN, sample_secret(), challenge, span_of(scccn, 16)));
	ck_assert(!l2tp_auth_check(L2TP_SCCRP, sample_secret(), challenge, span_of(scccn, 16)));
	ck_assert(
	    !l2tp_auth_check(L2TP_SCCCN, span_of("Secret", 6), challenge, span_of(scccn, 16)));
	ck_assert(!l2tp_auth_check(L2TP_SCCCN, sample_secret(), span_of(counting, 15),
				   span_of(scccn, 16)));
	ck_assert(!l2tp_auth_check(L2TP_SCCCN, sample_secret(), challenge, span_of(scccn, 15)));
	ck_assert(!l2tp_auth_check(L2TP_SCCCN, sample_secret(), challenge, span_of(NULL, 0)));
	for (int bit = 0; bit < 128; bit++) {
		memcpy(out, scccn, 16);
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert(
		    !l2tp_auth_check(L2TP_SCCCN, sample_secret(), challenge, span_of(out, 16)));
	}
}
END_TEST

static void
start_iccn(struct l2tp_wr *m, struct wr *w)
{
	l2tp_msg_begin(m, w, L2TP_ICCN, 1, 2);
	l2tp_avp_u32(m, AVP_TX_CONNECT_SPEED, 1);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, 1);
}

START_TEST(a_hidden_avp_is_as_computed_elsewhere)
{
	static const uint8_t due[] = { 0x80, 0x16, 0x00, 0x00, 0x00, 0x24, 0x00, 0x01, 0x02,
				       0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
				       0x0c, 0x0d, 0x0e, 0x0f, 0x40, 0x1f, 0x00, 0x00, 0x00,
				       0x21, 0xf2, 0x6c, 0xb3, 0x83, 0xd0, 0x01, 0xaf, 0xf0,
				       0x72, 0x52, 0xb0, 0xcc, 0x87, 0x07, 0xf7, 0x5d, 0xb3,
				       0xcc, 0x47, 0x10, 0x62, 0x0f, 0x06, 0x37, 0x29 };
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr m;
	struct span v;

	start_iccn(&m, &w);
	const size_t at = wr_len(&w);
	l2tp_msg_hide(&m, sample_secret(), span_of(counting, 16), 0);
	l2tp_avp_text(&m, AVP_PROXY_AUTHEN_RESPONSE, "cleartext-password-0123");
	ck_assert(l2tp_msg_end(&m, 0, 0));
	ck_assert(span_eq(span_of(buf + at, wr_len(&w) - at), span_of(due, sizeof due)));
	ck_assert_int_eq(l2tp_msg_read(wr_span(&w), sample_secret(), &msg), L2TP_OK);
	ck_assert(l2tp_msg_span(&msg, AVP_PROXY_AUTHEN_RESPONSE, &v));
	ck_assert(span_eq(v, span_of("cleartext-password-0123", 23)));
}
END_TEST

START_TEST(every_length_survives_hiding_and_shows_nothing)
{
	static uint8_t value[L2TP_VALUE_MAX];
	const uint16_t pads[] = { 0, 1, 16, 100, 1000, 65535 };

	for (size_t n = 0; n < sizeof value; n++)
		value[n] = (uint8_t)(n * 7 + n / 256);
	for (size_t p = 0; p < sizeof pads / sizeof *pads; p++) {
		for (size_t n = 0; n <= L2TP_VALUE_MAX - 2; n += p < 3 ? 1 : 29) {
			struct wr w = wr_of(buf, sizeof buf);
			struct l2tp_wr m;
			struct span v;

			start_iccn(&m, &w);
			l2tp_msg_hide(&m, sample_secret(), span_of(counting, 16), pads[p]);
			l2tp_avp_bytes(&m, AVP_PROXY_AUTHEN_NAME, value, n);
			l2tp_msg_show(&m);
			l2tp_avp_u16(&m, AVP_PROXY_AUTHEN_TYPE, 3);
			ck_assert(l2tp_msg_end(&m, 0, 0));
			ck_assert_int_eq(l2tp_msg_read(wr_span(&w), sample_secret(), &msg),
					 L2TP_OK);
			ck_assert(l2tp_msg_span(&msg, AVP_PROXY_AUTHEN_NAME, &v));
			ck_assert(span_eq(v, span_of(value, n)));
			ck_assert_uint_eq(msg.hidden, 1);
			ck_assert(n < 16 || !memmem(buf, wr_len(&w), value, n));
		}
	}
}
END_TEST

START_TEST(padding_hides_the_length)
{
	size_t size[3];
	const char *names[] = { "a", "alice", "alice@example.org" };

	for (int i = 0; i < 3; i++) {
		struct wr w = wr_of(buf, sizeof buf);
		struct l2tp_wr m;
		start_iccn(&m, &w);
		l2tp_msg_hide(&m, sample_secret(), span_of(counting, 16), 32);
		l2tp_avp_text(&m, AVP_PROXY_AUTHEN_NAME, names[i]);
		ck_assert(l2tp_msg_end(&m, 0, 0));
		size[i] = wr_len(&w);
	}
	ck_assert_uint_eq(size[0], size[1]);
	ck_assert_uint_eq(size[1], size[2]);
}
END_TEST

START_TEST(another_vector_goes_out_before_what_it_hides)
{
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr m;
	struct span v;

	start_iccn(&m, &w);
	l2tp_msg_hide(&m, sample_secret(), span_of(counting, 16), 0);
	l2tp_avp_text(&m, AVP_PROXY_AUTHEN_NAME, "alice");
	l2tp_msg_hide(&m, sample_secret(), span_of("other", 5), 0);
	l2tp_avp_text(&m, AVP_PROXY_AUTHEN_RESPONSE, "pw");
	ck_assert(l2tp_msg_end(&m, 0, 0));
	ck_assert_int_eq(l2tp_msg_read(wr_span(&w), sample_secret(), &msg), L2TP_OK);
	ck_assert(l2tp_msg_span(&msg, AVP_PROXY_AUTHEN_NAME, &v) &&
		  span_eq(v, span_of("alice", 5)));
	ck_assert(l2tp_msg_span(&msg, AVP_PROXY_AUTHEN_RESPONSE, &v) &&
		  span_eq(v, span_of("pw", 2)));
}
END_TEST

START_TEST(a_wrong_secret_never_gives_the_value)
{
	const struct span s = sample_message(L2TP_ICCN, SAMPLE_HIDDEN, buf);
	struct span v;

	l2tp_msg_read(s, span_of("wrong", 5), &msg);
	ck_assert(!l2tp_msg_span(&msg, AVP_PROXY_AUTHEN_NAME, &v) ||
		  !span_eq(v, sample_value(AVP_PROXY_AUTHEN_NAME)));
	ck_assert_int_eq(msg.trouble.fault, L2TP_HIDDEN_LENGTH); /* Tx Connect Speed is mandatory */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp_secret");
	TCase *t = tcase_create("secret");

	tcase_add_test(t, the_response_to_a_challenge_is_as_computed_elsewhere);
	tcase_add_test(t, a_hidden_avp_is_as_computed_elsewhere);
	tcase_add_test(t, every_length_survives_hiding_and_shows_nothing);
	tcase_add_test(t, padding_hides_the_length);
	tcase_add_test(t, another_vector_goes_out_before_what_it_hides);
	tcase_add_test(t, a_wrong_secret_never_gives_the_value);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
