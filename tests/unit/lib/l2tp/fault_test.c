// SPDX-License-Identifier: Apache-2.0
/*
 * One case per row of faults.def and more: what a peer can get wrong, and the answer it earns
 * (RFC 2661 4.1, 4.2, 4.3, 4.4.1, 7.1).  The last test demands that no row went without a case.
 */
#include <check.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>

#include "sample.h"

static uint8_t buf[8192];
static size_t len;
static struct l2tp_msg msg;
static bool *seen; /* shared with the test's children: the faults that some case produced */

/* ---- messages by hand: the writer would refuse them ---- */

static void
octets(const void *p, size_t n)
{
	memcpy(buf + len, p, n);
	len += n;
}

static void
avp(unsigned bits, unsigned vendor, unsigned type, const void *p, size_t n)
{
	put_u16(buf + len, (uint16_t)(bits | (6 + n)));
	put_u16(buf + len + 2, (uint16_t)vendor);
	put_u16(buf + len + 4, (uint16_t)type);
	len += 6;
	octets(p, n);
}

#define M 0x8000
#define H 0x4000
#define STR(T) T, sizeof(T) - 1

static void
message(unsigned type)
{
	uint8_t t[2];

	memcpy(buf, "\xc8\x02\0\0\0\1\0\2\0\0\0\0", 12);
	len = 12;
	put_u16(t, (uint16_t)type);
	avp(M, 0, AVP_MESSAGE_TYPE, t, 2);
}

static void
icrq(void)
{
	message(L2TP_ICRQ);
	avp(M, 0, AVP_ASSIGNED_SESSION, STR("\0\5"));
	avp(M, 0, AVP_CALL_SERIAL, STR("\0\0\0\1"));
}

static void
sccrq(void)
{
	message(L2TP_SCCRQ);
	avp(M, 0, AVP_PROTOCOL_VERSION, STR("\1\0"));
	avp(M, 0, AVP_HOST_NAME, STR("h"));
	avp(M, 0, AVP_FRAMING_CAPABILITIES, STR("\0\0\0\3"));
	avp(M, 0, AVP_ASSIGNED_TUNNEL, STR("\0\5"));
}

static void
read_it(const char *secret)
{
	if (len >= 4 && get_u16(buf + 2) == 0)
		put_u16(buf + 2, (uint16_t)len);
	l2tp_msg_read(span_of(buf, len), span_of(secret, strlen(secret)), &msg);
	seen[msg.trouble.fault] = true;
	seen[msg.lapse.fault] = true;
}

static void
expect_trouble(enum l2tp_fault f, enum l2tp_answer a, unsigned result, unsigned error,
	       unsigned attr)
{
	read_it("");
	ck_assert_str_eq(l2tp_fault_name(msg.trouble.fault), l2tp_fault_name(f));
	ck_assert_int_eq(msg.trouble.answer, a);
	ck_assert_uint_eq(msg.trouble.result, result);
	ck_assert_uint_eq(msg.trouble.error, error);
	ck_assert_uint_eq(msg.trouble.attr, attr);
}

static void
expect_lapse(enum l2tp_fault f, unsigned attr)
{
	read_it("");
	ck_assert_str_eq(l2tp_fault_name(msg.trouble.fault), "OK");
	ck_assert_str_eq(l2tp_fault_name(msg.lapse.fault), l2tp_fault_name(f));
	ck_assert_int_eq(msg.lapse.answer, L2TP_IGNORE);
	ck_assert_uint_eq(msg.lapse.attr, attr);
}

/* ---- headers ---- */

static void
header(const void *p, size_t n, enum l2tp_fault f)
{
	len = 0;
	octets(p, n);
	expect_trouble(f, L2TP_DISCARD, 0, 0, 0);
}

START_TEST(a_malformed_header_is_discarded)
{
	header(STR(""), L2TP_TRUNCATED);
	header(STR("\xc8\x02\0\x0c"), L2TP_TRUNCATED);
	header(STR("\xc8\x03\0\x0c\0\1\0\0\0\0\0\0"), L2TP_BAD_VERSION);
	header(STR("\xc8\x01\0\x0c\0\1\0\0\0\0\0\0"), L2TP_BAD_VERSION);
	header(STR("\xc8\x02\0\x0d\0\1\0\0\0\0\0\0"), L2TP_LENGTH_BEYOND);
	header(STR("\xc8\x02\0\x0b\0\1\0\0\0\0\0\0"), L2TP_LENGTH_SHORT);
	header(STR("\xca\x02\0\x0e\0\1\0\0\0\0\0\0\0\1"), L2TP_OFFSET_BEYOND);
	header(STR("\x48\x02\0\x0c\0\1\0\0\0\0\0\0"), L2TP_NOT_CONTROL);
	header(STR("\x88\x02\0\1\0\0\0\0\0\0"), L2TP_NO_LENGTH);
	header(STR("\xc0\x02\0\x08\0\1\0\0"), L2TP_NO_SEQUENCE);
	header(STR("\xca\x02\0\x0e\0\1\0\0\0\0\0\0\0\0"), L2TP_CONTROL_OFFSET);
}
END_TEST

START_TEST(reserved_and_priority_bits_of_a_control_header_are_ignored)
{
	message(L2TP_HELLO);
	buf[0] |= 0x31;
	buf[1] |= 0xf0;
	read_it("");
	ck_assert_int_eq(msg.trouble.fault, L2TP_OK);
	ck_assert_uint_eq(msg.type, L2TP_HELLO);
}
END_TEST

/* ---- the Message Type AVP ---- */

START_TEST(the_message_type_comes_first)
{
	message(L2TP_HELLO);
	len = 12;
	avp(M, 0, AVP_HOST_NAME, STR("x"));
	expect_trouble(L2TP_TYPE_FIRST, L2TP_CLEAR_TUNNEL, 2, 3, AVP_HOST_NAME);
	message(L2TP_HELLO);
	buf[12] |= 0x04; /* a reserved bit: not recognized as Message Type */
	expect_trouble(L2TP_TYPE_FIRST, L2TP_CLEAR_TUNNEL, 2, 3, 0);
	message(L2TP_HELLO);
	buf[15] = 1; /* another vendor's attribute 0 */
	expect_trouble(L2TP_TYPE_FIRST, L2TP_CLEAR_TUNNEL, 2, 3, 0);
}
END_TEST

START_TEST(the_message_type_is_open_and_two_octets)
{
	message(L2TP_HELLO);
	buf[12] |= 0x40;
	expect_trouble(L2TP_TYPE_MALFORMED, L2TP_CLEAR_TUNNEL, 2, 3, 0);
	message(L2TP_HELLO);
	len = 12;
	avp(M, 0, AVP_MESSAGE_TYPE, STR("\0\0\6"));
	expect_trouble(L2TP_TYPE_MALFORMED, L2TP_CLEAR_TUNNEL, 2, 3, 0);
}
END_TEST

START_TEST(an_unknown_type_ends_the_tunnel_if_mandatory_and_is_ignored_if_not)
{
	static const unsigned unknown[] = { 0, 5, 13, 20, 30, 1000, 65535 };

	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		message(unknown[i]);
		avp(M, 0, 999, STR("whatever"));
		expect_trouble(L2TP_TYPE_UNKNOWN, L2TP_CLEAR_TUNNEL, 2, 8, 0);
		ck_assert(!msg.ignore && !msg.type_known);
		ck_assert_uint_eq(msg.type, unknown[i]);

		message(unknown[i]);
		buf[12] &= 0x7f;
		avp(M, 0, 999, STR("whatever"));
		expect_lapse(L2TP_TYPE_IGNORED, 0);
		ck_assert(msg.ignore && !msg.type_known);
	}
}
END_TEST

/* ---- AVPs that cannot be read past ---- */

START_TEST(an_avp_that_hides_the_next_one_ends_session_or_tunnel)
{
	icrq();
	octets(STR("\x80\x06\0\0\0"));
	expect_trouble(L2TP_AVP_TRUNCATED, L2TP_CLEAR_SESSION, 2, 2, AVP_CALL_SERIAL);
	icrq();
	octets(STR("\0\5\0\0\0\x16"));
	expect_trouble(L2TP_AVP_SHORT, L2TP_CLEAR_SESSION, 2, 2, AVP_CALLING_NUMBER);
	sccrq();
	octets(STR("\0\0\0\0\0\x16"));
	expect_trouble(L2TP_AVP_SHORT, L2TP_CLEAR_TUNNEL, 2, 2, AVP_CALLING_NUMBER);
	sccrq();
	octets(STR("\0\x09\0\0\0\x08xx"));
	expect_trouble(L2TP_AVP_BEYOND, L2TP_CLEAR_TUNNEL, 2, 2, AVP_VENDOR_NAME);
	message(L2TP_HELLO);
	len = 12;
	octets(STR("\x80\x08\0\0\0\0\0")); /* even the first */
	expect_trouble(L2TP_AVP_BEYOND, L2TP_CLEAR_TUNNEL, 2, 2, 0);
	len = 12;
	octets(STR("\x80"));
	buf[2] = buf[3] = 0;
	expect_trouble(L2TP_AVP_TRUNCATED, L2TP_CLEAR_TUNNEL, 2, 2, 0);
}
END_TEST

START_TEST(ids_are_known_for_the_answer_although_something_was_wrong_before)
{
	uint16_t id;

	message(L2TP_ICRQ);
	avp(M, 0, 999, STR("?"));
	avp(M, 0, AVP_ASSIGNED_SESSION, STR("\0\5"));
	read_it("");
	ck_assert_int_eq(msg.trouble.fault, L2TP_AVP_UNKNOWN);
	ck_assert(l2tp_msg_u16(&msg, AVP_ASSIGNED_SESSION, &id) && id == 5);
}
END_TEST

/* ---- AVPs by themselves ---- */

START_TEST(an_unknown_mandatory_avp_ends_session_or_tunnel)
{
	icrq();
	avp(M, 0, 999, STR("?"));
	expect_trouble(L2TP_AVP_UNKNOWN, L2TP_CLEAR_SESSION, 2, 8, 999);
	sccrq();
	avp(M, 0, 20, STR("?"));
	expect_trouble(L2TP_AVP_UNKNOWN, L2TP_CLEAR_TUNNEL, 2, 8, 20);
	icrq();
	avp(M, 9, 1, STR("?"));
	expect_trouble(L2TP_AVP_UNKNOWN, L2TP_CLEAR_SESSION, 2, 8, 1);
	ck_assert_uint_eq(msg.trouble.vendor, 9);
	icrq();
	avp(M, L2TP_VENDOR_ADSL_FORUM, 3, STR("?"));
	expect_trouble(L2TP_AVP_UNKNOWN, L2TP_CLEAR_SESSION, 2, 8, 3);
}
END_TEST

START_TEST(an_unknown_optional_avp_is_counted_and_ignored)
{
	icrq();
	avp(0, 0, 999, STR("?"));
	avp(0, 0, 58, STR("?"));
	avp(0, 9, 1, STR("vendor"));
	avp(H, 9, 2, STR("hidden"));
	expect_lapse(L2TP_AVP_UNKNOWN, 999);
	ck_assert_uint_eq(msg.unknown, 4);
	ck_assert_uint_eq(msg.avps, 7);
	ck_assert_uint_eq(msg.vendors, 1); /* kept for who may know it, where it can be read */
	ck_assert(msg.vendor[0].vendor == 9 && span_eq(msg.vendor[0].value, span_of("vendor", 6)));
}
END_TEST

START_TEST(a_reserved_bit_makes_an_avp_unrecognized)
{
	for (unsigned bit = 0x0400; bit <= 0x2000; bit <<= 1) {
		icrq();
		avp(M | bit, 0, AVP_CALLING_NUMBER, STR("5"));
		expect_trouble(L2TP_AVP_RESERVED, L2TP_CLEAR_SESSION, 2, 8, AVP_CALLING_NUMBER);
		ck_assert(!l2tp_msg_has(&msg, AVP_CALLING_NUMBER));
		sccrq();
		avp(bit, 0, AVP_VENDOR_NAME, STR("v"));
		expect_lapse(L2TP_AVP_RESERVED, AVP_VENDOR_NAME);
		ck_assert(!l2tp_msg_has(&msg, AVP_VENDOR_NAME));
		ck_assert_uint_eq(msg.unknown, 1);
	}
}
END_TEST

START_TEST(a_wrong_length_is_judged_by_the_m_bit)
{
	/* the RFC's own example: Rx Connect Speed in two octets */
	message(L2TP_ICCN);
	avp(M, 0, AVP_TX_CONNECT_SPEED, STR("\0\0\1\0"));
	avp(M, 0, AVP_FRAMING_TYPE, STR("\0\0\0\1"));
	avp(0, 0, AVP_RX_CONNECT_SPEED, STR("\1\0"));
	expect_lapse(L2TP_AVP_LENGTH, AVP_RX_CONNECT_SPEED);
	ck_assert_uint_eq(msg.malformed, 1);
	ck_assert(!l2tp_msg_has(&msg, AVP_RX_CONNECT_SPEED));

	for (unsigned a = 1; a < AVP_TYPES; a++) {
		const struct avp_row *row = avp_row(a);
		const bool tunnel = sample_attrs(msg_row(L2TP_SCCRQ), SAMPLE_FULL) & avpset_of(a);
		const bool session = sample_attrs(msg_row(L2TP_ICRQ), SAMPLE_FULL) & avpset_of(a);
		const uint8_t value[64] = { 1, 1, 1 };

		if (!row || (!tunnel && !session))
			continue;
		for (size_t n = 0; n < sizeof value; n++) {
			if (avp_row_fits(row, n))
				continue;
			message(tunnel ? L2TP_SCCRQ : L2TP_ICRQ);
			avp(M, 0, a, value, n);
			expect_trouble(L2TP_AVP_LENGTH,
				       tunnel ? L2TP_CLEAR_TUNNEL : L2TP_CLEAR_SESSION, 2, 2, a);
			ck_assert(!l2tp_msg_has(&msg, (enum l2tp_avp)a));
		}
	}
}
END_TEST

START_TEST(a_list_of_sessions_has_whole_ids_and_at_least_one)
{
	message(L2TP_MSI);
	avp(M, 0, AVP_NEW_OUTGOING, STR("\0\1\0"));
	expect_trouble(L2TP_AVP_LENGTH, L2TP_CLEAR_SESSION, 2, 2, AVP_NEW_OUTGOING);
	message(L2TP_MSI);
	avp(M, 0, AVP_WITHDRAW_OUTGOING, STR(""));
	expect_trouble(L2TP_AVP_LENGTH, L2TP_CLEAR_SESSION, 2, 2, AVP_WITHDRAW_OUTGOING);
}
END_TEST

START_TEST(values_out_of_range_are_judged_by_the_m_bit)
{
	message(L2TP_ICRQ);
	avp(M, 0, AVP_ASSIGNED_SESSION, STR("\0\0"));
	expect_trouble(L2TP_AVP_VALUE, L2TP_CLEAR_SESSION, 2, 3, AVP_ASSIGNED_SESSION);
	message(L2TP_SCCRQ);
	avp(M, 0, AVP_ASSIGNED_TUNNEL, STR("\0\0"));
	expect_trouble(L2TP_AVP_VALUE, L2TP_CLEAR_TUNNEL, 2, 3, AVP_ASSIGNED_TUNNEL);
	sccrq();
	avp(M, 0, AVP_RECEIVE_WINDOW, STR("\0\0"));
	expect_trouble(L2TP_AVP_VALUE, L2TP_CLEAR_TUNNEL, 2, 3, AVP_RECEIVE_WINDOW);
	sccrq();
	avp(0, 0, AVP_FAILOVER_CAPABILITY, STR("\0\0\0\0\0\1"));
	expect_lapse(L2TP_AVP_VALUE, AVP_FAILOVER_CAPABILITY);
	ck_assert(!l2tp_msg_has(&msg, AVP_FAILOVER_CAPABILITY));
}
END_TEST

START_TEST(a_cdn_and_a_stopccn_may_say_that_no_id_was_ever_assigned)
{
	message(L2TP_CDN);
	avp(M, 0, AVP_RESULT_CODE, STR("\0\2"));
	avp(M, 0, AVP_ASSIGNED_SESSION, STR("\0\0"));
	read_it("");
	ck_assert_int_eq(msg.trouble.fault, L2TP_OK);
	message(L2TP_STOPCCN);
	avp(M, 0, AVP_RESULT_CODE, STR("\0\2"));
	avp(M, 0, AVP_ASSIGNED_TUNNEL, STR("\0\0"));
	read_it("");
	ck_assert_int_eq(msg.trouble.fault, L2TP_OK);
}
END_TEST

START_TEST(another_protocol_version_is_refused_with_its_own_result)
{
	message(L2TP_SCCRQ);
	avp(M, 0, AVP_PROTOCOL_VERSION, STR("\2\0"));
	expect_trouble(L2TP_PROTOCOL, L2TP_CLEAR_TUNNEL, 5, 1, AVP_PROTOCOL_VERSION);
	sccrq();
	ck_assert_mem_eq(buf + 26, "\1\0", 2);
	buf[27] = 9; /* another revision of version 1 is fine */
	read_it("");
	ck_assert_int_eq(msg.trouble.fault, L2TP_OK);
}
END_TEST

START_TEST(the_first_of_a_repeated_avp_counts)
{
	icrq();
	avp(M, 0, AVP_ASSIGNED_SESSION, STR("\0\x09"));
	expect_lapse(L2TP_AVP_DUPLICATE, AVP_ASSIGNED_SESSION);
	uint16_t id;
	ck_assert(l2tp_msg_u16(&msg, AVP_ASSIGNED_SESSION, &id) && id == 5);
	ck_assert_uint_eq(msg.duplicates, 1);
	icrq();
	avp(M, 0, AVP_MESSAGE_TYPE, STR("\0\1"));
	expect_lapse(L2TP_AVP_DUPLICATE, AVP_MESSAGE_TYPE);
	ck_assert_uint_eq(msg.type, L2TP_ICRQ);
}
END_TEST

START_TEST(an_avp_of_another_message_is_ignored)
{
	icrq();
	avp(M, 0, AVP_ASSIGNED_TUNNEL, STR("\0\1"));
	expect_lapse(L2TP_AVP_MISPLACED, AVP_ASSIGNED_TUNNEL);
	ck_assert(!l2tp_msg_has(&msg, AVP_ASSIGNED_TUNNEL));
	ck_assert_uint_eq(msg.misplaced, 1);
}
END_TEST

START_TEST(wrong_m_and_h_bits_of_a_known_avp_are_accepted)
{
	uint16_t id;

	message(L2TP_ICRQ);
	avp(0, 0, AVP_ASSIGNED_SESSION, STR("\0\5"));
	avp(M, 0, AVP_CALL_SERIAL, STR("\0\0\0\1"));
	avp(M, 0, AVP_PHYSICAL_CHANNEL, STR("\0\0\0\1"));
	expect_lapse(L2TP_AVP_FLAGS, AVP_ASSIGNED_SESSION);
	ck_assert_uint_eq(msg.flag_lapses, 2);
	ck_assert(l2tp_msg_u16(&msg, AVP_ASSIGNED_SESSION, &id) && id == 5);
	ck_assert(l2tp_msg_has(&msg, AVP_PHYSICAL_CHANNEL));
	message(L2TP_HELLO);
	buf[12] &= 0x7f;
	expect_lapse(L2TP_AVP_FLAGS, 0);
	ck_assert_uint_eq(msg.type, L2TP_HELLO);
}
END_TEST

START_TEST(each_required_avp_is_missed)
{
	for (unsigned type = 1; type < L2TP_TYPES; type++) {
		const struct msg_row *row = msg_row(type);

		for (unsigned without = 1; row && without < AVP_TYPES; without++) {
			if (!(sample_attrs(row, SAMPLE_LEAST) & avpset_of(without)))
				continue;
			message(type);
			for (unsigned a = 1; a < AVP_TYPES; a++) {
				const struct span v = sample_value(a);
				if (a != without && sample_attrs(row, SAMPLE_LEAST) & avpset_of(a))
					avp(M, 0, a, v.p, v.len);
			}
			expect_trouble(L2TP_AVP_MISSING,
				       row->scope == SCOPE_SESSION ? L2TP_CLEAR_SESSION
								   : L2TP_CLEAR_TUNNEL,
				       2, 6, without);
		}
	}
}
END_TEST

START_TEST(the_draft_form_of_the_disconnect_cause_is_understood)
{
	struct l2tp_disconnect d;

	message(L2TP_CDN);
	avp(M, 0, AVP_RESULT_CODE, STR("\0\1"));
	avp(M, 0, AVP_ASSIGNED_SESSION, STR("\0\5"));
	avp(0, 43, 46, STR("\0\x10\xc2\x23\1"));
	read_it("");
	ck_assert_uint_eq(msg.unknown, 0);
	ck_assert(l2tp_msg_disconnect(&msg, &d) && d.code == 16 && d.protocol == 0xc223);
}
END_TEST

START_TEST(vendor_avps_beyond_the_room_are_judged_but_not_kept)
{
	icrq();
	for (unsigned i = 0; i < L2TP_VENDORS_MAX + 10; i++)
		avp(0, 9, i, STR("v"));
	read_it("");
	ck_assert_uint_eq(msg.vendors, L2TP_VENDORS_MAX);
	ck_assert_uint_eq(msg.unknown, L2TP_VENDORS_MAX + 10);
	buf[2] = buf[3] = 0;
	avp(M, 9, 1, STR("v"));
	expect_trouble(L2TP_AVP_UNKNOWN, L2TP_CLEAR_SESSION, 2, 8, 1);
}
END_TEST

/* ---- hidden AVPs ---- */

/* Appends a hidden AVP whose subformat says `claimed` octets. */
static void
hidden(unsigned bits, unsigned type, size_t claimed, size_t size)
{
	static uint8_t sub[1017];

	memset(sub, 1, sizeof sub);
	put_u16(sub, (uint16_t)claimed);
	ck_assert(l2tp_hide((uint16_t)type, span_of("s", 1), span_of("vector", 6), sub, size));
	avp(bits | H, 0, type, sub, size);
}

static void
vector(void)
{
	avp(M, 0, AVP_RANDOM_VECTOR, STR("vector"));
}

START_TEST(a_hidden_avp_wants_a_secret_and_a_vector)
{
	icrq();
	vector();
	hidden(M, AVP_CALLING_NUMBER, 3, 5);
	expect_trouble(L2TP_HIDDEN_SECRET, L2TP_CLEAR_SESSION, 2, 6, AVP_CALLING_NUMBER);
	icrq();
	vector();
	hidden(0, AVP_PHYSICAL_CHANNEL, 4, 6);
	expect_lapse(L2TP_HIDDEN_SECRET, AVP_PHYSICAL_CHANNEL);

	icrq();
	hidden(M, AVP_CALLING_NUMBER, 3, 5);
	vector(); /* too late */
	read_it("s");
	ck_assert_int_eq(msg.trouble.fault, L2TP_HIDDEN_VECTOR);
	ck_assert_int_eq(msg.trouble.answer, L2TP_CLEAR_SESSION);
	ck_assert_uint_eq(msg.trouble.error, 3);
	icrq();
	hidden(0, AVP_PHYSICAL_CHANNEL, 4, 6);
	read_it("s");
	ck_assert_int_eq(msg.trouble.fault, L2TP_OK);
	ck_assert_int_eq(msg.lapse.fault, L2TP_HIDDEN_VECTOR);
}
END_TEST

START_TEST(the_deciphered_length_is_held_against_the_outer_one)
{
	static const struct {
		size_t claimed, size;
		bool good;
	} cases[] = { { 3, 5, true },	    { 4, 5, false },	   { 3, 4, false }, { 0, 2, true },
		      { 1, 2, false },	    { 65535, 20, false },  { 0, 1, false }, { 0, 0, false },
		      { 1015, 1017, true }, { 1016, 1017, false }, { 5, 30, true } };

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		icrq();
		vector();
		if (cases[i].size >= 2)
			hidden(M, AVP_CALLING_NUMBER, cases[i].claimed, cases[i].size);
		else
			avp(M | H, 0, AVP_CALLING_NUMBER, "x", cases[i].size);
		read_it("s");
		ck_assert_str_eq(l2tp_fault_name(msg.trouble.fault),
				 cases[i].good ? "OK" : "HIDDEN_LENGTH");
		if (cases[i].good)
			ck_assert_uint_eq(msg.avp[AVP_CALLING_NUMBER].len, cases[i].claimed);
	}
}
END_TEST

START_TEST(the_inner_value_is_checked_like_an_open_one)
{
	icrq();
	vector();
	hidden(M, AVP_BEARER_TYPE, 3, 30);
	read_it("s");
	ck_assert_int_eq(msg.trouble.fault, L2TP_AVP_LENGTH);
	ck_assert_uint_eq(msg.trouble.attr, AVP_BEARER_TYPE);
}
END_TEST

START_TEST(what_must_not_be_hidden_is_understood_but_a_random_vector)
{
	sccrq();
	len = 12 + 8 + 8; /* Message Type, Protocol Version */
	vector();
	hidden(M, AVP_HOST_NAME, 3, 5);
	avp(M, 0, AVP_FRAMING_CAPABILITIES, STR("\0\0\0\3"));
	avp(M, 0, AVP_ASSIGNED_TUNNEL, STR("\0\5"));
	read_it("s");
	ck_assert_int_eq(msg.trouble.fault, L2TP_OK);
	ck_assert_int_eq(msg.lapse.fault, L2TP_AVP_FLAGS);
	ck_assert_uint_eq(msg.avp[AVP_HOST_NAME].len, 3);

	icrq();
	vector();
	hidden(M, AVP_RANDOM_VECTOR, 3, 5);
	read_it("s");
	ck_assert_int_eq(msg.trouble.fault, L2TP_HIDDEN_FORBIDDEN);
	ck_assert_int_eq(msg.trouble.answer, L2TP_CLEAR_SESSION);
}
END_TEST

START_TEST(the_nearest_vector_before_applies)
{
	icrq();
	avp(M, 0, AVP_RANDOM_VECTOR, STR("another"));
	vector();
	hidden(M, AVP_CALLING_NUMBER, 3, 5);
	avp(M, 0, AVP_RANDOM_VECTOR, STR("third"));
	read_it("s");
	ck_assert_int_eq(msg.trouble.fault, L2TP_OK);
	ck_assert_uint_eq(msg.avp[AVP_CALLING_NUMBER].len, 3);
	ck_assert_uint_eq(msg.duplicates, 0);
}
END_TEST

START_TEST(hidden_octets_beyond_the_room_end_the_session)
{
	icrq();
	vector();
	hidden(M, AVP_CALLING_NUMBER, 1015, 1017);
	hidden(M, AVP_CALLED_NUMBER, 1015, 1017);
	hidden(M, AVP_SUB_ADDRESS, 1015, 1017);
	hidden(0, AVP_SERVICE_NAME, 1015, 1017);
	read_it("s");
	ck_assert_int_eq(msg.trouble.fault, L2TP_OK);
	ck_assert_uint_eq(msg.hidden, 4);
	buf[2] = buf[3] = 0;
	hidden(0, AVP_PPPOE_RELAY, 30, 32);
	read_it("s");
	ck_assert_int_eq(msg.trouble.fault, L2TP_HIDDEN_SPACE);
	ck_assert_int_eq(msg.trouble.answer, L2TP_CLEAR_SESSION);
	ck_assert_uint_eq(msg.trouble.error, 4);
}
END_TEST

/* ---- the answer ---- */

START_TEST(the_answer_names_the_attribute)
{
	static uint8_t out[512];
	struct wr w = wr_of(out, sizeof out);
	struct l2tp_wr m;
	struct l2tp_result r;
	char text[256];

	icrq();
	avp(M, 9, 77, STR("?"));
	read_it("");
	l2tp_msg_begin(&m, &w, L2TP_CDN, 1, 2);
	l2tp_avp_result_of(&m, &msg.trouble);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 9);
	ck_assert(l2tp_msg_end(&m, 0, 0));
	ck_assert_int_eq(l2tp_msg_read(wr_span(&w), span_of("", 0), &msg), L2TP_OK);
	ck_assert(l2tp_msg_result(&msg, &r) && r.result == 2 && r.error == 8);
	snprintf(text, sizeof text, "%.*s", (int)r.message.len, (const char *)r.message.p);
	ck_assert_str_eq(text, "unknown AVP: vendor 9 attribute 77");
}
END_TEST

START_TEST(no_row_of_the_table_went_without_a_case)
{
	for (int f = 1; f < L2TP_FAULTS; f++)
		ck_assert_msg(seen[f], "%s", l2tp_fault_name((enum l2tp_fault)f));
}
END_TEST

int
main(void)
{
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return 1;
	Suite *s = suite_create("l2tp_fault");
	TCase *t = tcase_create("faults");

	tcase_add_test(t, a_malformed_header_is_discarded);
	tcase_add_test(t, reserved_and_priority_bits_of_a_control_header_are_ignored);
	tcase_add_test(t, the_message_type_comes_first);
	tcase_add_test(t, the_message_type_is_open_and_two_octets);
	tcase_add_test(t, an_unknown_type_ends_the_tunnel_if_mandatory_and_is_ignored_if_not);
	tcase_add_test(t, an_avp_that_hides_the_next_one_ends_session_or_tunnel);
	tcase_add_test(t, ids_are_known_for_the_answer_although_something_was_wrong_before);
	tcase_add_test(t, an_unknown_mandatory_avp_ends_session_or_tunnel);
	tcase_add_test(t, an_unknown_optional_avp_is_counted_and_ignored);
	tcase_add_test(t, a_reserved_bit_makes_an_avp_unrecognized);
	tcase_add_test(t, a_wrong_length_is_judged_by_the_m_bit);
	tcase_add_test(t, a_list_of_sessions_has_whole_ids_and_at_least_one);
	tcase_add_test(t, values_out_of_range_are_judged_by_the_m_bit);
	tcase_add_test(t, a_cdn_and_a_stopccn_may_say_that_no_id_was_ever_assigned);
	tcase_add_test(t, another_protocol_version_is_refused_with_its_own_result);
	tcase_add_test(t, the_first_of_a_repeated_avp_counts);
	tcase_add_test(t, an_avp_of_another_message_is_ignored);
	tcase_add_test(t, wrong_m_and_h_bits_of_a_known_avp_are_accepted);
	tcase_add_test(t, each_required_avp_is_missed);
	tcase_add_test(t, the_draft_form_of_the_disconnect_cause_is_understood);
	tcase_add_test(t, vendor_avps_beyond_the_room_are_judged_but_not_kept);
	tcase_add_test(t, a_hidden_avp_wants_a_secret_and_a_vector);
	tcase_add_test(t, the_deciphered_length_is_held_against_the_outer_one);
	tcase_add_test(t, the_inner_value_is_checked_like_an_open_one);
	tcase_add_test(t, what_must_not_be_hidden_is_understood_but_a_random_vector);
	tcase_add_test(t, the_nearest_vector_before_applies);
	tcase_add_test(t, hidden_octets_beyond_the_room_end_the_session);
	tcase_add_test(t, the_answer_names_the_attribute);
	tcase_add_test(t, no_row_of_the_table_went_without_a_case); /* last */
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
