// SPDX-License-Identifier: Apache-2.0
/*
 * Control messages of L2TPv3: what the writer writes the reader reads, for every row of
 * messages3.def; and every rule of RFC 3931 5 and 7.1 that a peer may break.
 */
#include <check.h>

#include "sample3.h"

static uint8_t buf[SAMPLE_MAX];
static struct l2tp_msg msg;
static struct wr w;
static struct l2tp_wr m;
static const struct l2tp3_digests none, both = { 2, { L2TP3_HMAC_SHA1, L2TP3_HMAC_MD5 } };

static struct span
key(void)
{
	return span_of(sample3_auth(true).keys->hiding, L2TP3_KEY);
}

static void
start(enum l2tp_type type)
{
	w = wr_of(buf, sizeof buf);
	l2tp3_msg_begin(&m, &w, type, 5, none);
}

static enum l2tp_fault
finish(void)
{
	ck_assert(l2tp_msg_end(&m, 1, 2));
	return l2tp3_msg_read(wr_span(&w), span_of(NULL, 0), &msg);
}

static void
raw(uint16_t type, bool mandatory, const void *p, size_t len)
{
	l2tp_avp_raw(&m, 0, type, mandatory, false, p, len);
}

static void
session(enum l2tp_type type)
{
	start(type);
	l2tp_avp_u32(&m, AVP_LOCAL_SESSION, 7);
	l2tp_avp_u32(&m, AVP_REMOTE_SESSION, 8);
}

static void
sccrq(void)
{
	start(L2TP_SCCRQ);
	put_u32(buf + 4, 0);
	l2tp_avp_text(&m, AVP_HOST_NAME, "lns1");
	l2tp_avp_u32(&m, AVP_ROUTER_ID, 1);
	l2tp_avp_u32(&m, AVP_ASSIGNED_CONNECTION, 9);
	l2tp_avp_u16(&m, AVP_PW_CAPABILITIES, L2TP3_PW_PPP);
}

static void
check_trouble(enum l2tp_fault fault, enum l2tp_answer answer, unsigned result, unsigned error)
{
	ck_assert_int_eq(msg.trouble.fault, fault);
	ck_assert_int_eq(msg.trouble.answer, answer);
	ck_assert_uint_eq(msg.trouble.result, result);
	ck_assert_uint_eq(msg.trouble.error, error);
}

static void
check_sample(unsigned type, enum sample_kind kind, struct l2tp3_digests digests)
{
	const struct msg_row *row = msg3_row(type);
	const struct span packet = sample3_message(type, kind, digests, buf);

	ck_assert_ptr_nonnull(packet.p);
	ck_assert_int_eq(l2tp3_msg_read(packet, key(), &msg), L2TP_OK);
	ck_assert_int_eq(msg.lapse.fault, L2TP_OK);
	ck_assert_uint_eq(msg.type, type);
	ck_assert(msg.v3 && msg.type_known);
	ck_assert_uint_eq(msg.hdr.ns, 7);
	ck_assert_uint_eq(msg.hdr.nr, 9);
	ck_assert_uint_eq(msg.hdr.connection, type == L2TP_SCCRQ ? 0 : SAMPLE3_CONNECTION);
	ck_assert_uint_eq(l2tp_msg_has(&msg, AVP_MESSAGE_DIGEST), digests.n > 0);
	for (unsigned a = 1; a < AVP_TYPES; a++) {
		struct span v;

		if (a == AVP_RANDOM_VECTOR || a == AVP_MESSAGE_DIGEST)
			continue;
		ck_assert_msg(l2tp_msg_span(&msg, (enum l2tp_avp)a, &v) ==
				  !!(sample3_attrs(row, kind) & avpset_of(a)),
			      "%s: %s", row->text, l2tp3_avp_name(0, a));
		if (l2tp_msg_has(&msg, (enum l2tp_avp)a))
			ck_assert(span_eq(v, sample3_value(a)));
	}
}

START_TEST(every_message_is_read_as_written)
{
	unsigned n = 0;

	for (unsigned t = 1; t < L2TP_TYPES; t++)
		for (int k = SAMPLE_LEAST; msg3_row(t) && k <= SAMPLE_HIDDEN; k++, n++) {
			check_sample(t, (enum sample_kind)k, none);
			check_sample(t, (enum sample_kind)k, both);
		}
	ck_assert_uint_eq(n, 3 * 17);
}
END_TEST

START_TEST(every_required_avp_is_missed)
{
	for (unsigned t = 1; t < L2TP_TYPES; t++)
		for (unsigned gone = 1; msg3_row(t) && gone < AVP_TYPES; gone++) {
			const struct msg_row *row = msg3_row(t);

			if (!(row->must & avpset_of(gone)))
				continue;
			start((enum l2tp_type)t);
			for (unsigned a = 1; a < AVP_TYPES; a++)
				if (a != gone && row->must & avpset_of(a))
					l2tp_avp_bytes(&m, (enum l2tp_avp)a, sample3_value(a).p,
						       sample3_value(a).len);
			ck_assert_int_eq(finish(), L2TP_AVP_MISSING);
			ck_assert_uint_eq(msg.trouble.attr, gone);
			ck_assert_int_eq(msg.trouble.answer, row->scope == SCOPE_SESSION
								 ? L2TP_CLEAR_SESSION
								 : L2TP_CLEAR_TUNNEL);
		}
}
END_TEST

START_TEST(m_of_a_known_avp_is_never_looked_at)
{
	start(L2TP_HELLO);
	buf[12] &= 0x7f; /* of Message Type */
	raw(AVP_EXTENDED_VENDOR, true, "\0\1\2\3\4\5", 6);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert_int_eq(msg.lapse.fault, L2TP_OK);
}
END_TEST

START_TEST(an_unknown_avp_is_judged_by_its_m)
{
	session(L2TP_ICCN);
	raw(1000, false, "x", 1);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert_uint_eq(msg.unknown, 1);
	session(L2TP_ICCN);
	raw(1000, true, "x", 1);
	ck_assert_int_eq(finish(), L2TP_AVP_UNKNOWN);
	check_trouble(L2TP_AVP_UNKNOWN, L2TP_CLEAR_SESSION, 2, 8);
	sccrq();
	raw(1000, true, "x", 1);
	finish();
	check_trouble(L2TP_AVP_UNKNOWN, L2TP_CLEAR_TUNNEL, 2, 8);
}
END_TEST

/* RFC 2661's Sequencing Required is nothing in L2TPv3, except where both versions are offered. */
START_TEST(avps_of_l2tpv2_are_unknown_but_in_an_sccrq)
{
	session(L2TP_ICCN);
	raw(AVP_SEQUENCING_REQUIRED, true, NULL, 0);
	finish();
	check_trouble(L2TP_AVP_UNKNOWN, L2TP_CLEAR_SESSION, 2, 8);
	sccrq();
	raw(AVP_PROTOCOL_VERSION, true, "\1\0", 2);
	raw(AVP_ASSIGNED_TUNNEL, true, "\0\7", 2);
	raw(AVP_CHALLENGE, true, "challenge", 9);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert_uint_eq(msg.misplaced, 3);
}
END_TEST

START_TEST(version_2_in_the_header_is_for_an_sccrq_only)
{
	sccrq();
	ck_assert(l2tp_msg_end(&m, 0, 0));
	buf[1] = 2;
	ck_assert_int_eq(l2tp3_msg_read(wr_span(&w), key(), &msg), L2TP_OK);
	ck_assert_uint_eq(msg.hdr.version, 2);
	put_u32(buf + 4, 1);
	ck_assert_int_eq(l2tp3_msg_read(wr_span(&w), key(), &msg), L2TP_BAD_VERSION);
	start(L2TP_HELLO);
	ck_assert(l2tp_msg_end(&m, 0, 0));
	put_u32(buf + 4, 0);
	buf[1] = 2;
	ck_assert_int_eq(l2tp3_msg_read(wr_span(&w), key(), &msg), L2TP_BAD_VERSION);
	ck_assert_int_eq(msg.trouble.answer, L2TP_DISCARD);
}
END_TEST

/* RFC 3931 4.7.3: an SCCRQ for both, written as one of L2TPv2, is a good one of either. */
START_TEST(an_sccrq_offers_both_versions)
{
	w = wr_of(buf, sizeof buf);
	l2tp_msg_begin(&m, &w, L2TP_SCCRQ, 0, 0);
	l2tp_avp_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(&m, AVP_HOST_NAME, "lac1");
	l2tp_avp_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, 10);
	raw(AVP_ROUTER_ID, false, "\1\2\3\4", 4);
	raw(AVP_ASSIGNED_CONNECTION, false, "\0\0\0\7", 4);
	raw(AVP_PW_CAPABILITIES, false, "\0\7", 2);
	ck_assert(l2tp_msg_end(&m, 0, 0));
	ck_assert_int_eq(l2tp_msg_read(wr_span(&w), span_of(NULL, 0), &msg), L2TP_OK);
	ck_assert_uint_eq(msg.unknown, 3);
	ck_assert_int_eq(l2tp3_msg_read(wr_span(&w), span_of(NULL, 0), &msg), L2TP_OK);
	ck_assert(l2tp_msg_has(&msg, AVP_ASSIGNED_CONNECTION));
}
END_TEST

START_TEST(reserved_bits_of_an_avp_are_ignored)
{
	session(L2TP_ICCN);
	buf[20] |= 0x3c;
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert(l2tp_msg_has(&msg, AVP_LOCAL_SESSION));
	ck_assert_int_eq(msg.lapse.fault, L2TP_OK);
}
END_TEST

/* RFC 3931 7.1: a speed of four octets with M clear is as if it were not there. */
START_TEST(a_malformed_avp_is_judged_by_its_m)
{
	session(L2TP_ICCN);
	raw(AVP_RX_SPEED, false, "\0\0\0\1", 4);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert(!l2tp_msg_has(&msg, AVP_RX_SPEED));
	ck_assert_uint_eq(msg.malformed, 1);
	session(L2TP_ICCN);
	raw(AVP_RX_SPEED, true, "\0\0\0\1", 4);
	finish();
	check_trouble(L2TP_AVP_LENGTH, L2TP_CLEAR_SESSION, 2, 2);
}
END_TEST

static void
bad_value(enum l2tp_type type, uint16_t attr, const void *p, size_t len, enum l2tp_fault fault)
{
	start(type);
	raw(attr, true, p, len);
	ck_assert_int_eq(finish(), fault);
	ck_assert_uint_eq(msg.trouble.attr, attr);
}

START_TEST(values_out_of_range)
{
	bad_value(L2TP_SCCRQ, AVP_ASSIGNED_CONNECTION, "\0\0\0\0", 4, L2TP_AVP_VALUE);
	bad_value(L2TP_SCCRQ, AVP_RECEIVE_WINDOW, "\0\0", 2, L2TP_AVP_VALUE);
	bad_value(L2TP_SCCRQ, AVP_PW_CAPABILITIES, "\0\7\0", 3, L2TP_AVP_LENGTH);
	bad_value(L2TP_SCCRQ, AVP_FAILOVER_CAPABILITY, "\0\0\0\0\0\1", 6, L2TP_AVP_VALUE);
	bad_value(L2TP_ICRQ, AVP_LOCAL_SESSION, "\0\0\0\0", 4, L2TP_AVP_VALUE);
	bad_value(L2TP_ICRQ, AVP_ASSIGNED_COOKIE, "\1\2\3\4\5", 5, L2TP_AVP_LENGTH);
	bad_value(L2TP_ICRQ, AVP_DATA_SEQUENCING, "\0\3", 2, L2TP_AVP_VALUE);
	bad_value(L2TP_WEN, AVP_CALL_ERRORS, "12345678901234567890", 20, L2TP_AVP_LENGTH);
}
END_TEST

START_TEST(a_cdn_may_know_neither_id)
{
	start(L2TP_CDN);
	l2tp_avp_u32(&m, AVP_LOCAL_SESSION, 0);
	l2tp_avp_u32(&m, AVP_REMOTE_SESSION, 0);
	l2tp_avp_result(&m, 14, 0, NULL);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert_int_eq(msg.lapse.fault, L2TP_OK);
}
END_TEST

START_TEST(both_forms_of_circuit_errors)
{
	struct l2tp_call_errors e;

	session(L2TP_WEN);
	raw(AVP_CALL_ERRORS, false, "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4", 18);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert(l2tp_msg_call_errors(&msg, &e));
	ck_assert_uint_eq(e.crc, 0);
	ck_assert_uint_eq(e.hardware_overruns, 1);
	ck_assert_uint_eq(e.alignment, 4);
	session(L2TP_WEN);
	l2tp_avp_call_errors(&m, &(struct l2tp_call_errors){ 1, 2, 3, 4, 5, 6 });
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert(l2tp_msg_call_errors(&msg, &e));
	ck_assert_uint_eq(e.framing, 2);
	ck_assert_uint_eq(e.hardware_overruns, 3);
}
END_TEST

START_TEST(ids_of_failover_have_32_bits)
{
	struct l2tp_recovery r;
	struct l2tp_fss f;
	size_t at = 0;

	sccrq();
	l2tp_avp_recovery(&m, 0x0c0c0c0c, 0x0a0b0c0d);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert(l2tp_msg_recovery(&msg, &r));
	ck_assert_uint_eq(r.tunnel, 0x0c0c0c0c);
	ck_assert_uint_eq(r.remote, 0x0a0b0c0d);
	start(L2TP_FSQ);
	l2tp_avp_fss(&m, 0x11111111, 0x22222222);
	l2tp_avp_fss(&m, 0x33333333, 0x44444444);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert(l2tp_msg_fss(&msg, &at, &f) && f.session == 0x11111111);
	ck_assert(l2tp_msg_fss(&msg, &at, &f) && f.remote == 0x44444444);
	ck_assert(!l2tp_msg_fss(&msg, &at, &f));
}
END_TEST

/* RFC 3931 5.4.1: unknown, and not to be taken for the message of ours with the same number. */
START_TEST(a_message_of_a_vendor)
{
	start(L2TP_HELLO);
	put_u16(buf + 14, 9);
	finish();
	check_trouble(L2TP_TYPE_UNKNOWN, L2TP_CLEAR_TUNNEL, 2, 8);
	ck_assert_uint_ne(msg.type, L2TP_HELLO);
	start(L2TP_HELLO);
	put_u16(buf + 14, 9);
	buf[12] &= 0x7f;
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert(msg.ignore && !msg.type_known);
}
END_TEST

START_TEST(the_first_avp_is_the_message_type)
{
	const struct l2tp_trouble *t = &msg.trouble;

	start(L2TP_HELLO);
	put_u16(buf + 16, AVP_HOST_NAME);
	ck_assert_int_eq(finish(), L2TP_TYPE_FIRST);
	ck_assert_int_eq(t->answer, L2TP_CLEAR_TUNNEL);
	start(L2TP_HELLO);
	buf[12] |= 0x40;
	ck_assert_int_eq(finish(), L2TP_TYPE_MALFORMED);
	start(L2TP_HELLO);
	put_u16(buf + 18, 99);
	ck_assert_int_eq(finish(), L2TP_TYPE_UNKNOWN);
}
END_TEST

START_TEST(an_acknowledgement_has_two_forms)
{
	start(L2TP_ACK);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert_uint_eq(msg.type, L2TP_ACK);
	w = wr_of(buf, sizeof buf);
	l2tp3_zlb_write(&w, 5, 3, 4);
	ck_assert_int_eq(l2tp3_msg_read(wr_span(&w), key(), &msg), L2TP_OK);
	ck_assert_uint_eq(msg.type, L2TP_ZLB);
	ck_assert_uint_eq(msg.hdr.connection, 5);
	ck_assert_uint_eq(msg.hdr.nr, 4);
}
END_TEST

START_TEST(hidden_without_a_key_or_with_another)
{
	const struct span packet = sample3_message(L2TP_ICRQ, SAMPLE_HIDDEN, none, buf);

	ck_assert_int_eq(l2tp3_msg_read(packet, span_of(NULL, 0), &msg), L2TP_HIDDEN_SECRET);
	ck_assert_int_ne(l2tp3_msg_read(packet, span_of("0123456789abcdef", 16), &msg), L2TP_OK);
}
END_TEST

START_TEST(every_cut_and_every_flipped_bit_is_an_ordinary_answer)
{
	const struct span packet = sample3_message(L2TP_ICRQ, SAMPLE_HIDDEN, both, buf);

	for (size_t n = 0; n < packet.len; n++)
		ck_assert_int_ne(l2tp3_msg_read(span_of(packet.p, n), key(), &msg), L2TP_OK);
	for (size_t i = 0; i < packet.len * 8; i++) {
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
		const enum l2tp_fault f = l2tp3_msg_read(packet, key(), &msg);
		ck_assert_int_eq(f, msg.trouble.fault);
		buf[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}
END_TEST

START_TEST(the_answer_names_the_attribute)
{
	struct l2tp_result r;

	session(L2TP_ICCN);
	raw(AVP_RX_SPEED, true, "\0", 1);
	finish();
	const struct l2tp_trouble t = msg.trouble;
	session(L2TP_CDN);
	l2tp_avp_result_of(&m, &t);
	ck_assert_int_eq(finish(), L2TP_OK);
	ck_assert(l2tp_msg_result(&msg, &r));
	ck_assert_uint_eq(r.result, 2);
	ck_assert_uint_eq(r.error, 2);
	ck_assert(memmem(r.message.p, r.message.len, "Rx Connect Speed", 16) != NULL);
}
END_TEST

START_TEST(the_writer_refuses_what_is_not_in_the_tables)
{
	start(L2TP_SCCRQ);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, 1);
	ck_assert(!l2tp_msg_end(&m, 0, 0));
	start(L2TP_ICRQ);
	l2tp_avp_u16(&m, AVP_LOCAL_SESSION, 1);
	ck_assert(!l2tp_msg_end(&m, 0, 0));
	start(L2TP_MSRQ);
	ck_assert(!l2tp_msg_end(&m, 0, 0));
	ck_assert_str_eq(l2tp3_msg_name(L2TP_MSRQ), "unknown");
	ck_assert_str_eq(l2tp3_msg_name(L2TP_ACK), "ACK");
	ck_assert_str_eq(l2tp3_avp_name(0, AVP_NONCE), "Control Message Authentication Nonce");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp v3 messages");
	TCase *t = tcase_create("v3_message");

	tcase_add_test(t, every_message_is_read_as_written);
	tcase_add_test(t, every_required_avp_is_missed);
	tcase_add_test(t, m_of_a_known_avp_is_never_looked_at);
	tcase_add_test(t, an_unknown_avp_is_judged_by_its_m);
	tcase_add_test(t, avps_of_l2tpv2_are_unknown_but_in_an_sccrq);
	tcase_add_test(t, version_2_in_the_header_is_for_an_sccrq_only);
	tcase_add_test(t, an_sccrq_offers_both_versions);
	tcase_add_test(t, reserved_bits_of_an_avp_are_ignored);
	tcase_add_test(t, a_malformed_avp_is_judged_by_its_m);
	tcase_add_test(t, values_out_of_range);
	tcase_add_test(t, a_cdn_may_know_neither_id);
	tcase_add_test(t, both_forms_of_circuit_errors);
	tcase_add_test(t, ids_of_failover_have_32_bits);
	tcase_add_test(t, a_message_of_a_vendor);
	tcase_add_test(t, the_first_avp_is_the_message_type);
	tcase_add_test(t, an_acknowledgement_has_two_forms);
	tcase_add_test(t, hidden_without_a_key_or_with_another);
	tcase_add_test(t, every_cut_and_every_flipped_bit_is_an_ordinary_answer);
	tcase_add_test(t, the_answer_names_the_attribute);
	tcase_add_test(t, the_writer_refuses_what_is_not_in_the_tables);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
