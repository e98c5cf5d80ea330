// SPDX-License-Identifier: Apache-2.0
/*
 * Control Message Authentication of L2TPv3, RFC 3931 4.3 and 5.4.1: what is accepted, and above all
 * what is not.
 */
#include <check.h>
#include <openssl/hmac.h>

#include "sample3.h"

static uint8_t buf[SAMPLE_MAX];
static const struct l2tp3_digests md5 = { 1, { L2TP3_HMAC_MD5 } },
				  sha1 = { 1, { L2TP3_HMAC_SHA1 } },
				  both = { 2, { L2TP3_HMAC_SHA1, L2TP3_HMAC_MD5 } };
static struct l2tp3_keys keys[2];

static void
setup(void)
{
	ck_assert(l2tp3_keys_of(sample_secret(), &keys[0]));
	ck_assert(l2tp3_keys_of(span_of("another", 7), &keys[1]));
}

static enum l2tp3_verdict
judge(struct span packet)
{
	const struct l2tp3_auth receiver = sample3_auth(false);
	return l2tp3_digest_check(packet, &receiver, NULL);
}

/* The digest straight from the text: nonces and message in one buffer, digests zero, one HMAC. */
static void
check_by_the_book(const struct l2tp3_digests *d)
{
	const struct span packet = sample3_message(L2TP_ICRQ, SAMPLE_FULL, *d, buf);
	const EVP_MD *md = d->type[0] == L2TP3_HMAC_SHA1 ? EVP_sha1() : EVP_md5();
	const size_t n = d->type[0] == L2TP3_HMAC_SHA1 ? 20 : 16;
	uint8_t flat[SAMPLE_MAX + 32], due[20];

	memcpy(flat, "abcdefghijklmnopponmlkjihgfedcba", 32);
	memcpy(flat + 32, packet.p, packet.len);
	memset(flat + 32 + 27, 0, n);
	if (d->n == 2)
		memset(flat + 32 + 27 + n + 7, 0, 16);
	ck_assert_ptr_nonnull(
	    HMAC(md, keys[0].message, L2TP3_KEY, flat, 32 + packet.len, due, NULL));
	ck_assert_mem_eq(packet.p + 27, due, n);
}

START_TEST(digests_are_those_of_the_text)
{
	check_by_the_book(&md5);
	check_by_the_book(&sha1);
	check_by_the_book(&both);
}
END_TEST

START_TEST(every_message_is_good_for_its_receiver)
{
	for (unsigned t = 1; t < L2TP_TYPES; t++) {
		if (!msg3_row(t))
			continue;
		ck_assert_int_eq(judge(sample3_message(t, SAMPLE_HIDDEN, md5, buf)),
				 L2TP3_DIGEST_GOOD);
		ck_assert_int_eq(judge(sample3_message(t, SAMPLE_FULL, sha1, buf)),
				 L2TP3_DIGEST_GOOD);
		ck_assert_int_eq(judge(sample3_message(t, SAMPLE_LEAST, both, buf)),
				 L2TP3_DIGEST_GOOD);
	}
}
END_TEST

START_TEST(no_bit_can_be_changed)
{
	const struct span packet = sample3_message(L2TP_ICRP, SAMPLE_LEAST, sha1, buf);

	for (size_t i = 0; i < packet.len * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
		ck_assert_msg(judge(packet) != L2TP3_DIGEST_GOOD, "bit %zu", i);
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < packet.len; n++)
		ck_assert_int_ne(judge(span_of(packet.p, n)), L2TP3_DIGEST_GOOD);
	ck_assert_int_eq(judge(packet), L2TP3_DIGEST_GOOD);
}
END_TEST

START_TEST(octets_behind_the_message_do_not_count)
{
	const struct span packet = sample3_message(L2TP_ICRP, SAMPLE_LEAST, md5, buf);

	ck_assert_int_eq(judge(span_of(buf, packet.len + 7)), L2TP3_DIGEST_GOOD);
}
END_TEST

START_TEST(nonces_and_keys_must_be_those)
{
	const struct span packet = sample3_message(L2TP_ICRP, SAMPLE_LEAST, md5, buf);
	struct l2tp3_auth auth = sample3_auth(false);

	auth.keys = &keys[1];
	ck_assert_int_eq(l2tp3_digest_check(packet, &auth, NULL), L2TP3_DIGEST_WRONG);
	auth = sample3_auth(true);
	ck_assert_int_eq(l2tp3_digest_check(packet, &auth, NULL), L2TP3_DIGEST_WRONG);
	auth = sample3_auth(false);
	auth.remote.len--;
	ck_assert_int_eq(l2tp3_digest_check(packet, &auth, NULL), L2TP3_DIGEST_WRONG);
	auth.n = 0;
	ck_assert_int_eq(l2tp3_digest_check(packet, &auth, NULL), L2TP3_DIGEST_WRONG);
}
END_TEST

/* 5.4.1: two secrets while one replaces the other, at either end or at both. */
START_TEST(a_secret_is_changed)
{
	const struct l2tp3_keys swapped[2] = { keys[1], keys[0] };
	struct l2tp3_auth auth = sample3_auth(false);
	struct span packet = sample3_message(L2TP_ICRP, SAMPLE_LEAST, md5, buf);

	unsigned used = 7;

	auth.keys = swapped;
	auth.n = 2;
	ck_assert_int_eq(l2tp3_digest_check(packet, &auth, &used), L2TP3_DIGEST_GOOD);
	ck_assert_uint_eq(used, 1);
	packet = sample3_message(L2TP_ICRP, SAMPLE_LEAST, both, buf);
	struct l2tp3_auth sender = sample3_auth(true);
	sender.keys = swapped;
	sender.n = 2;
	ck_assert(l2tp3_seal(buf, packet.len, &sender));
	for (unsigned k = 0; k < 2; k++) {
		auth.keys = &keys[k];
		auth.n = 1;
		ck_assert_int_eq(l2tp3_digest_check(packet, &auth, NULL), L2TP3_DIGEST_GOOD);
	}
}
END_TEST

/* A retransmission has another Nr. */
START_TEST(a_message_is_sealed_again)
{
	const struct span packet = sample3_message(L2TP_ICRP, SAMPLE_LEAST, both, buf);
	const struct l2tp3_auth sender = sample3_auth(true);

	l2tp_msg_set_nr(buf, 77);
	ck_assert_int_eq(judge(packet), L2TP3_DIGEST_WRONG);
	ck_assert(l2tp3_seal(buf, packet.len, &sender));
	ck_assert_int_eq(judge(packet), L2TP3_DIGEST_GOOD);
}
END_TEST

/* 4.3: with an empty secret and no nonces it guards against corruption only. */
START_TEST(an_integrity_check_without_a_secret)
{
	struct span packet = sample3_message(L2TP_HELLO, SAMPLE_LEAST, md5, buf);
	struct l2tp3_keys empty;
	const struct l2tp3_auth auth = { .keys = &empty, .n = 1 };

	ck_assert(l2tp3_keys_of(span_of(NULL, 0), &empty));
	ck_assert_int_eq(l2tp3_digest_check(packet, &auth, NULL), L2TP3_DIGEST_WRONG);
	ck_assert(l2tp3_seal(buf, packet.len, &auth));
	ck_assert_int_eq(l2tp3_digest_check(packet, &auth, NULL), L2TP3_DIGEST_GOOD);
	buf[packet.len - 1] ^= 1;
	ck_assert_int_eq(l2tp3_digest_check(packet, &auth, NULL), L2TP3_DIGEST_WRONG);
}
END_TEST

static struct span
zlb(void)
{
	struct wr w = wr_of(buf, sizeof buf);

	l2tp3_zlb_write(&w, 5, 1, 2);
	return wr_span(&w);
}

START_TEST(a_digest_elsewhere_is_none)
{
	const struct l2tp3_auth sender = sample3_auth(true);
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr m;
	uint8_t value[17] = { 0 };

	ck_assert_int_eq(judge(zlb()), L2TP3_NO_DIGEST);
	ck_assert(!l2tp3_seal(buf, 12, &sender));
	w = wr_of(buf, sizeof buf);
	l2tp3_msg_begin(&m, &w, L2TP_STOPCCN, 5, (struct l2tp3_digests){ 0 });
	l2tp_avp_result(&m, 1, 0, NULL);
	l2tp_avp_bytes(&m, AVP_MESSAGE_DIGEST, value, sizeof value);
	ck_assert(l2tp_msg_end(&m, 0, 0));
	ck_assert_int_eq(judge(wr_span(&w)), L2TP3_NO_DIGEST);
}
END_TEST

/* Of a future type, of a wrong length, hidden: not good, but no harm to a good one beside it. */
START_TEST(a_digest_of_an_unknown_type)
{
	const struct l2tp3_auth sender = sample3_auth(true);
	struct span packet = sample3_message(L2TP_HELLO, SAMPLE_LEAST, md5, buf);

	buf[26] = 7;
	ck_assert_int_eq(judge(packet), L2TP3_DIGEST_WRONG);
	ck_assert(!l2tp3_seal(buf, packet.len, &sender));
	buf[26] = L2TP3_HMAC_SHA1;
	ck_assert_int_eq(judge(packet), L2TP3_DIGEST_WRONG);
	buf[26] = L2TP3_HMAC_MD5;
	buf[20] |= 0x40;
	ck_assert_int_eq(judge(packet), L2TP3_NO_DIGEST);

	packet = sample3_message(L2TP_HELLO, SAMPLE_LEAST, both, buf);
	uint8_t flat[32 + 128], due[16];
	buf[26] = 7;
	memset(buf + 54, 0, 16);
	memcpy(flat, "abcdefghijklmnopponmlkjihgfedcba", 32);
	memcpy(flat + 32, buf, packet.len);
	memset(flat + 32 + 27, 0, 20);
	HMAC(EVP_md5(), keys[0].message, L2TP3_KEY, flat, 32 + packet.len, due, NULL);
	memcpy(buf + 54, due, 16);
	ck_assert_int_eq(judge(packet), L2TP3_DIGEST_GOOD);
}
END_TEST

START_TEST(a_nonce_is_found)
{
	struct span nonce;

	ck_assert(l2tp3_nonce_peek(sample3_message(L2TP_SCCRP, SAMPLE_HIDDEN, md5, buf), &nonce));
	ck_assert(span_eq(nonce, span_of("abcdefghijklmnop", 16)));
	ck_assert(!l2tp3_nonce_peek(sample3_message(L2TP_SCCRP, SAMPLE_LEAST, md5, buf), &nonce));
	ck_assert(!l2tp3_nonce_peek(zlb(), &nonce));
	ck_assert(!l2tp3_nonce_peek(span_of(buf, 3), &nonce));
}
END_TEST

START_TEST(the_writer_knows_two_types)
{
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr m;

	l2tp3_msg_begin(&m, &w, L2TP_HELLO, 1, (struct l2tp3_digests){ 1, { 2 } });
	ck_assert(!l2tp_msg_end(&m, 0, 0));
	l2tp3_msg_begin(&m, &w, L2TP_HELLO, 1, (struct l2tp3_digests){ 3, { 0 } });
	ck_assert(!l2tp_msg_end(&m, 0, 0));
	ck_assert_uint_eq(wr_len(&w), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp_v3_digest");
	TCase *t = tcase_create("digest");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, digests_are_those_of_the_text);
	tcase_add_test(t, every_message_is_good_for_its_receiver);
	tcase_add_test(t, no_bit_can_be_changed);
	tcase_add_test(t, octets_behind_the_message_do_not_count);
	tcase_add_test(t, nonces_and_keys_must_be_those);
	tcase_add_test(t, a_secret_is_changed);
	tcase_add_test(t, a_message_is_sealed_again);
	tcase_add_test(t, an_integrity_check_without_a_secret);
	tcase_add_test(t, a_digest_elsewhere_is_none);
	tcase_add_test(t, a_digest_of_an_unknown_type);
	tcase_add_test(t, a_nonce_is_found);
	tcase_add_test(t, the_writer_knows_two_types);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
