// SPDX-License-Identifier: Apache-2.0
/* The RADIUS codec against RFC 2865's own examples, and against itself. */
#include <string.h>

#include "lib/unit.h"
#include "radius.h"

static const struct span secret = { (const uint8_t *)"xyzzy5461", 9 };

/* RFC 2865, 7.1: nemo telnets in, password "arctangent", secret "xyzzy5461". */
static const uint8_t request[] = {
	0x01, 0x00, 0x00, 0x38, 0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22,
	0x7a, 0x01, 0x06, 0x6e, 0x65, 0x6d, 0x6f, 0x02, 0x12, 0x0d, 0xbe, 0x70, 0x8d, 0x93, 0xd4, 0x13, 0xce, 0x31, 0x96,
	0xe4, 0x3f, 0x78, 0x2a, 0x0a, 0xee, 0x04, 0x06, 0xc0, 0xa8, 0x01, 0x10, 0x05, 0x06, 0x00, 0x00, 0x00, 0x03,
};

static const uint8_t accepted[] = {
	0x02, 0x00, 0x00, 0x26, 0x86, 0xfe, 0x22, 0x0e, 0x76, 0x24, 0xba, 0x2a, 0x10, 0x05, 0xf6, 0xbf, 0x9b, 0x55, 0xe0,
	0xb2, 0x06, 0x06, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x06, 0x00, 0x00, 0x00, 0x00, 0x0e, 0x06, 0xc0, 0xa8, 0x01, 0x03,
};

START_TEST(the_request_of_rfc_2865_is_written_octet_for_octet)
{
	static const uint8_t nas[4] = { 192, 168, 1, 16 };
	struct rad_writer w;
	uint8_t buf[RAD_MAX];
	struct span p;

	rad_begin(&w, buf, sizeof buf, RAD_ACCESS_REQUEST, 0, request + 4);
	rad_put_text(&w.w, RAD_USER_NAME, "nemo");
	rad_put_password(&w, span_of("arctangent", 10), secret);
	rad_put(&w.w, RAD_NAS_IP_ADDRESS, nas, 4);
	rad_put_u32(&w.w, RAD_NAS_PORT, 3);
	p = rad_end(&w, secret, NULL);
	ck_assert_uint_eq(p.len, sizeof request);
	ck_assert_mem_eq(p.p, request, p.len);
}
END_TEST

START_TEST(the_accept_of_rfc_2865_verifies_and_a_changed_octet_does_not)
{
	struct rad_packet p;
	uint8_t bad[sizeof accepted];

	ck_assert_int_eq(rad_read(span_of(accepted, sizeof accepted), &p), RAD_OK);
	ck_assert_int_eq(rad_verify_response(&p, request + 4, secret), RAD_OK);
	ck_assert_int_eq(rad_verify_response(&p, request + 5, secret), RAD_BAD_AUTHENTICATOR);
	for (size_t i = 0; i < sizeof accepted; i++) {
		memcpy(bad, accepted, sizeof bad);
		bad[i] ^= 1;
		if (rad_read(span_of(bad, sizeof bad), &p) == RAD_OK)
			ck_assert_int_ne(rad_verify_response(&p, request + 4, secret), RAD_OK);
	}
}
END_TEST

START_TEST(a_password_of_any_length_comes_back)
{
	uint8_t password[140], out[128], buf[RAD_MAX];
	struct rad_writer w;
	struct rad_packet p;
	struct rad_iter it;
	struct rad_attr a;
	size_t expected = _i < 128 ? (size_t)_i : 128;

	memset(password, 'x', sizeof password);
	rad_begin(&w, buf, sizeof buf, RAD_ACCESS_REQUEST, 1, request + 4);
	rad_put_password(&w, span_of(password, (size_t)_i), secret);
	ck_assert_int_eq(rad_read(rad_end(&w, secret, NULL), &p), RAD_OK);
	it = rad_iter(p.attrs);
	ck_assert(rad_next(&it, &a));
	ck_assert_uint_eq(rad_unhide(a.value, p.auth, secret, out), expected);
	ck_assert_mem_eq(out, password, expected);
}
END_TEST

START_TEST(message_authenticator_guards_requests_and_answers)
{
	uint8_t q[RAD_MAX], r[RAD_MAX];
	struct rad_writer w;
	struct rad_packet p;
	struct span s;

	rad_begin(&w, q, sizeof q, RAD_ACCESS_REQUEST, 9, request + 4);
	rad_put_message_auth(&w);
	rad_put_text(&w.w, RAD_USER_NAME, "nemo");
	s = rad_end(&w, secret, NULL);
	ck_assert_int_eq(rad_read(s, &p), RAD_OK);
	ck_assert_int_eq(rad_verify_request(&p, secret), RAD_OK);
	q[s.len - 1] ^= 1;
	ck_assert_int_eq(rad_verify_request(&p, secret), RAD_BAD_MESSAGE_AUTH);

	rad_begin(&w, r, sizeof r, RAD_ACCESS_ACCEPT, 9, NULL);
	rad_put_message_auth(&w);
	rad_put_u32(&w.w, RAD_SESSION_TIMEOUT, 60);
	s = rad_end(&w, secret, request + 4);
	ck_assert_int_eq(rad_read(s, &p), RAD_OK);
	ck_assert_int_eq(rad_verify_response(&p, request + 4, secret), RAD_OK);
	/* The attacker of RFC 3579, 3.2 who knows how to forge the other digest is not at hand; a wrong one is. */
	r[RAD_HEADER + 3] ^= 1;
	rad_md5(span_of(r, 4), span_of(request + 4, 16), span_of(NULL, 0), r + 4);
	ck_assert_int_ne(rad_verify_response(&p, request + 4, secret), RAD_OK);
}
END_TEST

START_TEST(accounting_requests_carry_a_computed_authenticator)
{
	uint8_t q[RAD_MAX];
	struct rad_writer w;
	struct rad_packet p;
	struct span s;

	rad_begin(&w, q, sizeof q, RAD_ACCOUNTING_REQUEST, 9, NULL);
	rad_put_u32(&w.w, RAD_ACCT_STATUS_TYPE, 1);
	s = rad_end(&w, secret, NULL);
	ck_assert_int_eq(rad_read(s, &p), RAD_OK);
	ck_assert_int_eq(rad_verify_request(&p, secret), RAD_OK);
	ck_assert_int_eq(rad_verify_request(&p, span_of("other", 5)), RAD_BAD_AUTHENTICATOR);
}
END_TEST

/* RFC 2202, 2: cases 1, 2, 6, 7; each key again after another one. */
START_TEST(hmac_md5_is_that_of_rfc_2104)
{
	static uint8_t key1[16], key6[80];
	const struct {
		struct span key;
		const char *text;
		uint8_t digest[16];
	} cases[] = {
		{ span_of(key1, 16), "Hi There",
		  { 0x92, 0x94, 0x72, 0x7a, 0x36, 0x38, 0xbb, 0x1c, 0x13, 0xf4, 0x8e, 0xf8, 0x15, 0x8b, 0xfc, 0x9d } },
		{ span_of("Jefe", 4), "what do ya want for nothing?",
		  { 0x75, 0x0c, 0x78, 0x3e, 0x6a, 0xb0, 0xb5, 0x03, 0xea, 0xa8, 0x6e, 0x31, 0x0a, 0x5d, 0xb7, 0x38 } },
		{ span_of(key6, 80), "Test Using Larger Than Block-Size Key - Hash Key First",
		  { 0x6b, 0x1a, 0xb7, 0xfe, 0x4b, 0xd7, 0xbf, 0x8f, 0x0b, 0x62, 0xe6, 0xce, 0x61, 0xb9, 0xd0, 0xcd } },
		{ span_of(key6, 80), "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
		  { 0x6f, 0x63, 0x0f, 0xad, 0x67, 0xcd, 0xa0, 0xee, 0x1f, 0xb1, 0xf5, 0x62, 0xdb, 0x3a, 0xa5, 0x3e } },
	};
	uint8_t out[16];

	memset(key1, 0x0b, sizeof key1);
	memset(key6, 0xaa, sizeof key6);
	for (unsigned i = 0; i < 16; i++) {
		unsigned c = (i / 2 + i % 2) % 4;
		rad_hmac_md5(cases[c].key, span_of(cases[c].text, strlen(cases[c].text)), out);
		ck_assert_mem_eq(out, cases[c].digest, 16);
	}
}
END_TEST

START_TEST(malformed_packets_are_told_apart)
{
	uint8_t b[64];
	struct rad_packet p;

	ck_assert_int_eq(rad_read(span_of(accepted, 19), &p), RAD_SHORT);
	ck_assert_int_eq(rad_read(span_of(accepted, 37), &p), RAD_SHORT);
	memcpy(b, accepted, sizeof accepted);
	b[2] = 0xff;
	ck_assert_int_eq(rad_read(span_of(b, sizeof b), &p), RAD_BAD_LENGTH);
	memcpy(b, accepted, sizeof accepted);
	b[21] = 1; /* the first attribute's length */
	ck_assert_int_eq(rad_read(span_of(b, sizeof accepted), &p), RAD_BAD_ATTRIBUTE);
	b[21] = 200;
	ck_assert_int_eq(rad_read(span_of(b, sizeof accepted), &p), RAD_BAD_ATTRIBUTE);
	memcpy(b, accepted, sizeof accepted);
	ck_assert_int_eq(rad_read(span_of(b, sizeof b), &p), RAD_OK); /* octets beyond Length are padding */
	ck_assert_uint_eq(p.whole.len, sizeof accepted);
}
END_TEST

START_TEST(vendor_attributes_are_opened_and_odd_ones_passed_over)
{
	static const uint8_t attrs[] = {
		26, 5, 0, 0, 1,				    /* too short for a vendor */
		26, 12, 0, 0, 1, 55, 28, 6, 9, 9, 9, 9,	    /* Microsoft 28 */
		26, 18, 0, 0, 1, 55, 28, 6, 1, 2, 3, 4, 29, 6, 5, 6, 7, 8, /* two in one */
		26, 10, 0, 0, 1, 55, 28, 99, 1, 2,	    /* inner length lies */
		26, 12, 0, 0, 0, 0, 8, 6, 10, 0, 0, 1,	    /* vendor 0 is not the standard attributes */
		27, 6, 0, 0, 0, 7,
	};
	static const uint32_t ids[] = { RAD_MS_PRIMARY_DNS, RAD_MS_PRIMARY_DNS, RAD_MS_SECONDARY_DNS, RAD_SESSION_TIMEOUT };
	struct rad_iter it = rad_iter(span_of(attrs, sizeof attrs));
	struct rad_attr a;
	size_t n = 0;

	while (rad_next(&it, &a)) {
		ck_assert_uint_lt(n, 4);
		ck_assert_uint_eq(a.id, ids[n++]);
	}
	ck_assert_uint_eq(n, 4);
}
END_TEST

START_TEST(prefixes_are_read_as_rfc_3162_writes_them)
{
	static const uint8_t ok[] = { 0, 48, 0x20, 0x01, 0x0d, 0xb8, 0, 1 };
	static const uint8_t stray[] = { 0, 20, 0x20, 0x01, 0xff, 0xff };
	struct ip_prefix p;
	char t[ADDR_TEXT];

	ck_assert(rad_prefix6(span_of(ok, sizeof ok), &p));
	ck_assert_str_eq(ip_prefix_text(&p, t), "2001:db8:1::/48");
	ck_assert(!rad_prefix6(span_of(ok, 7), &p)); /* fewer octets than 48 bits */
	ck_assert(rad_prefix6(span_of(stray, sizeof stray), &p));
	ck_assert_str_eq(ip_prefix_text(&p, t), "2001:f000::/20");
	ck_assert(!rad_prefix6(span_of("\0\x81", 2), &p));
}
END_TEST

START_TEST(a_packet_that_does_not_fit_is_refused)
{
	uint8_t buf[64];
	struct rad_writer w;

	rad_begin(&w, buf, sizeof buf, RAD_ACCESS_REQUEST, 1, request + 4);
	for (int i = 0; i < 20; i++)
		rad_put_u32(&w.w, RAD_NAS_PORT, 1);
	ck_assert_uint_eq(rad_end(&w, secret, NULL).len, 0);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, the_request_of_rfc_2865_is_written_octet_for_octet);
	tcase_add_test(t, the_accept_of_rfc_2865_verifies_and_a_changed_octet_does_not);
	tcase_add_loop_test(t, a_password_of_any_length_comes_back, 0, 140);
	tcase_add_test(t, message_authenticator_guards_requests_and_answers);
	tcase_add_test(t, accounting_requests_carry_a_computed_authenticator);
	tcase_add_test(t, hmac_md5_is_that_of_rfc_2104);
	tcase_add_test(t, malformed_packets_are_told_apart);
	tcase_add_test(t, vendor_attributes_are_opened_and_odd_ones_passed_over);
	tcase_add_test(t, prefixes_are_read_as_rfc_3162_writes_them);
	tcase_add_test(t, a_packet_that_does_not_fit_is_refused);
}

UNIT_MAIN("radius", add)
