// SPDX-License-Identifier: Apache-2.0
/*
 * CHAP digests: the example of RFC 2759, 9.2 and 9.3, MD5 by hand, and ppp_verify both ways.
 */
#include "ppp/digest.h"

#include <check.h>
#include <stdlib.h>

#include "ppp/ppp.h"

#define text(T) span_of(T, strlen(T))

static const uint8_t authenticator[16] = { 0x5B, 0x5D, 0x7C, 0x7D, 0x7B, 0x3F, 0x2F, 0x3E,
					   0x3C, 0x2C, 0x60, 0x21, 0x32, 0x26, 0x26, 0x28 };
static const uint8_t peer[16] = { 0x21, 0x40, 0x23, 0x24, 0x25, 0x5E, 0x26, 0x2A,
				  0x28, 0x29, 0x5F, 0x2B, 0x3A, 0x33, 0x7C, 0x7E };
static const uint8_t nt[24] = { 0x82, 0x30, 0x9E, 0xCD, 0x8D, 0x70, 0x8B, 0x5E, 0xA0, 0x8F, 0xAA, 0x39,
				0x81, 0xCD, 0x83, 0x54, 0x42, 0x33, 0x11, 0x4A, 0x3D, 0x85, 0xD6, 0xDF };
static const uint8_t proof[20] = { 0x40, 0x7A, 0x55, 0x89, 0x11, 0x5F, 0xD0, 0xD6, 0x20, 0x9F,
				   0x51, 0x0F, 0xE9, 0xC0, 0x45, 0x66, 0x93, 0x2C, 0xDA, 0x56 };

START_TEST(rfc2759_hash_example)
{
	static const uint8_t challenge[8] = { 0xD0, 0x2E, 0x43, 0x86, 0xBC, 0xE9, 0x12, 0x26 };
	static const uint8_t hash[16] = { 0x44, 0xEB, 0xBA, 0x8D, 0x53, 0x12, 0xB8, 0xD6,
					  0x11, 0x47, 0x44, 0x11, 0xF5, 0x69, 0x89, 0xAE };
	uint8_t out[24];

	mschap_challenge_hash(peer, authenticator, text("User"), out);
	ck_assert_mem_eq(out, challenge, 8);
	mschap_password_hash(text("clientPass"), out);
	ck_assert_mem_eq(out, hash, 16);
	mschap_challenge_response(challenge, hash, out);
	ck_assert_mem_eq(out, nt, 24);
	mschap_nt_response(authenticator, peer, text("User"), text("clientPass"), out);
	ck_assert_mem_eq(out, nt, 24);
	mschap_authenticator_response(authenticator, peer, nt, text("User"), text("clientPass"), out);
	ck_assert_mem_eq(out, proof, 20);
}
END_TEST

/* RFC 2759, 9.3 with erratum 391. */
START_TEST(rfc2759_key_example)
{
	static const uint8_t hash[16] = { 0xFC, 0x15, 0x6A, 0xF7, 0xED, 0xCD, 0x6C, 0x0E,
					  0xDD, 0xE3, 0x33, 0x7D, 0x42, 0x7F, 0x4E, 0xAC };
	uint8_t out[16];

	mschap_password_hash(text("MyPw"), out);
	ck_assert_mem_eq(out, hash, 16);
}
END_TEST

/* The key's odd parity bits of FIPS 46 are stripped: the classic all-zero and all-one cases. */
START_TEST(des)
{
	static const uint8_t zero[8], ones[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t of_zero[8] = { 0x8C, 0xA6, 0x4D, 0xE9, 0xC1, 0xB1, 0x23, 0xA7 };
	static const uint8_t of_ones[8] = { 0x73, 0x59, 0xB2, 0x16, 0x3E, 0x4E, 0xDC, 0x58 };
	uint8_t out[8];

	mschap_des(zero, zero, out);
	ck_assert_mem_eq(out, of_zero, 8);
	mschap_des(ones, ones, out);
	ck_assert_mem_eq(out, of_ones, 8);
}
END_TEST

START_TEST(passwords_become_utf16)
{
	uint8_t a[16], b[16], longest[600];

	mschap_password_hash(text("gr\xc3\xbc\xc3\x9f"), a); /* UTF-8 */
	mschap_password_hash(text("gr\xfc\xdf"), b);	       /* Latin-1: the same characters */
	ck_assert_mem_eq(a, b, 16);
	mschap_password_hash(text("\xf0\x9f\x94\x91"), a); /* beyond 16 bits: a surrogate pair */
	mschap_password_hash(text("\xf0\x9f\x94\x92"), b);
	ck_assert_mem_ne(a, b, 16);
	mschap_password_hash(text("\xc0\xaf"), a); /* overlong is no UTF-8 */
	mschap_password_hash(text("/"), b);
	ck_assert_mem_ne(a, b, 16);
	memset(longest, 'x', sizeof longest);
	mschap_password_hash(span_of(longest, 256), a);
	mschap_password_hash(span_of(longest, 600), b); /* cut at 256 characters */
	ck_assert_mem_eq(a, b, 16);
	mschap_password_hash(span_of(NULL, 0), a);
}
END_TEST

START_TEST(domains_are_left_out)
{
	ck_assert(span_eq(mschap_user(text("BIGCO\\johndoe")), text("johndoe")));
	ck_assert(span_eq(mschap_user(text("johndoe")), text("johndoe")));
	ck_assert_uint_eq(mschap_user(text("BIGCO\\")).len, 0);
}
END_TEST

/* MD5("\x01" "secret" "abc"), by md5sum. */
START_TEST(rfc1994_digest)
{
	static const uint8_t want[16] = { 0xea, 0x64, 0x46, 0x9e, 0x3d, 0x69, 0x9c, 0xe7,
					  0x88, 0x4d, 0x07, 0xb0, 0xe6, 0xb1, 0xed, 0xb3 };
	uint8_t out[16];

	chap_md5(1, text("secret"), text("abc"), out);
	ck_assert_mem_eq(out, want, 16);
}
END_TEST

START_TEST(verify)
{
	struct ppp_auth_result r = { 0 };
	uint8_t value[MSCHAP_VALUE] = { 0 }, md5[16];
	const struct span challenge = span_of(authenticator, 16);

	ppp_verify(PPP_AUTH_PAP, 0, text("u"), span_of(NULL, 0), text("secret"), text("secret"), &r);
	ck_assert(r.ok);
	ppp_verify(PPP_AUTH_PAP, 0, text("u"), span_of(NULL, 0), text("secre"), text("secret"), &r);
	ck_assert(!r.ok);
	ppp_verify(PPP_AUTH_PAP, 0, text("u"), span_of(NULL, 0), span_of(NULL, 0), span_of(NULL, 0), &r);
	ck_assert(r.ok);

	chap_md5(7, text("secret"), challenge, md5);
	ppp_verify(PPP_AUTH_CHAP_MD5, 7, text("u"), challenge, span_of(md5, 16), text("secret"), &r);
	ck_assert(r.ok);
	ppp_verify(PPP_AUTH_CHAP_MD5, 8, text("u"), challenge, span_of(md5, 16), text("secret"), &r);
	ck_assert(!r.ok);
	ppp_verify(PPP_AUTH_CHAP_MD5, 7, text("u"), challenge, span_of(md5, 15), text("secret"), &r);
	ck_assert(!r.ok);

	memcpy(value, peer, 16);
	memcpy(value + 24, nt, 24);
	ppp_verify(PPP_AUTH_MSCHAPV2, 1, text("DOM\\User"), challenge, span_of(value, sizeof value), text("clientPass"),
		   &r);
	ck_assert(r.ok);
	ck_assert_mem_eq(r.mschap_proof, proof, 20);
	ppp_verify(PPP_AUTH_MSCHAPV2, 1, text("User"), challenge, span_of(value, sizeof value), text("clientpass"), &r);
	ck_assert(!r.ok);
	ppp_verify(PPP_AUTH_MSCHAPV2, 1, text("User"), challenge, span_of(value, 48), text("clientPass"), &r);
	ck_assert(!r.ok);
	ppp_verify(PPP_AUTH_MSCHAPV2, 1, text("User"), span_of(authenticator, 8), span_of(value, sizeof value),
		   text("clientPass"), &r);
	ck_assert(!r.ok);
	r.ok = true;
	ppp_verify(PPP_AUTH_NONE, 1, text("User"), challenge, text("x"), text("x"), &r);
	ck_assert(!r.ok);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ppp digests");
	TCase *t = tcase_create("vectors");
	SRunner *r;
	int failed;

	tcase_add_test(t, rfc2759_hash_example);
	tcase_add_test(t, rfc2759_key_example);
	tcase_add_test(t, des);
	tcase_add_test(t, passwords_become_utf16);
	tcase_add_test(t, domains_are_left_out);
	tcase_add_test(t, rfc1994_digest);
	tcase_add_test(t, verify);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
