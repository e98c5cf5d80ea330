// SPDX-License-Identifier: Apache-2.0
/* Every message of messages.def: written, read back, cut, overwritten. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sample.h"

static uint8_t buf[SAMPLE_MAX];
static struct l2tp_msg msg;

static void
check_values(const struct msg_row *row, enum sample_kind kind)
{
	for (unsigned a = 1; a < AVP_TYPES; a++) {
		const bool due = sample_attrs(row, kind) & avpset_of(a);
		struct span got, v = sample_value(a);

		if (a == AVP_RANDOM_VECTOR)
			continue;
		ck_assert_msg(l2tp_msg_has(&msg, (enum l2tp_avp)a) == due, "attribute %u", a);
		if (due) {
			ck_assert(l2tp_msg_span(&msg, (enum l2tp_avp)a, &got));
			ck_assert_msg(span_eq(got, v), "attribute %u", a);
		}
	}
}

static void
check_message(unsigned type, enum sample_kind kind)
{
	const struct msg_row *row = msg_row(type);
	const struct span s = sample_message(type, kind, buf);

	ck_assert(s.p != NULL);
	ck_assert_int_eq(l2tp_msg_read(s, sample_secret(), &msg), L2TP_OK);
	ck_assert_uint_eq(msg.type, type);
	ck_assert(msg.type_known && !msg.ignore);
	ck_assert_uint_eq(msg.hdr.tunnel, SAMPLE_TUNNEL);
	ck_assert_uint_eq(msg.hdr.session, row->scope == SCOPE_SESSION ? SAMPLE_SESSION : 0);
	ck_assert_uint_eq(msg.hdr.ns, 7);
	ck_assert_uint_eq(msg.hdr.nr, 9);
	ck_assert_int_eq(msg.lapse.fault, L2TP_OK);
	check_values(row, kind);
}

START_TEST(every_message_is_read_as_it_was_written)
{
	if (!msg_row((unsigned)_i))
		return;
	check_message((unsigned)_i, SAMPLE_LEAST);
	check_message((unsigned)_i, SAMPLE_FULL);
	check_message((unsigned)_i, SAMPLE_HIDDEN);
}
END_TEST

static unsigned
hideable(avpset set)
{
	unsigned n = 0;

	for (unsigned a = 0; a < AVP_TYPES; a++)
		n += (set & avpset_of(a)) && l2tp_avp_rows[a].hiding == HIDING_MAY_HIDE;
	return n;
}

START_TEST(what_may_be_hidden_is_and_the_vector_goes_out_once)
{
	const struct msg_row *row = msg_row((unsigned)_i);

	if (!row)
		return;
	const struct span s = sample_message((unsigned)_i, SAMPLE_HIDDEN, buf);
	const unsigned due = hideable(sample_attrs(row, SAMPLE_HIDDEN));
	ck_assert_int_eq(l2tp_msg_read(s, sample_secret(), &msg), L2TP_OK);
	ck_assert_uint_eq(msg.hidden, due);
	ck_assert(l2tp_msg_has(&msg, AVP_RANDOM_VECTOR) == (due > 0));
	struct rd in = rd_of(msg.body.p, msg.body.len);
	struct avp_head a;
	unsigned vectors = 0;
	while (rd_left(&in) && l2tp_avp_next(&in, &a) == L2TP_OK)
		vectors += a.type == AVP_RANDOM_VECTOR;
	ck_assert_uint_eq(vectors, due ? 1 : 0);
}
END_TEST

/* The datagram is cut, so Length goes beyond; then Length is cut as well, so an AVP does, or one is
 * missing, or (at an AVP's border, behind all that must be there) the message is whole. */
START_TEST(a_message_cut_at_any_octet_is_judged_and_never_misread)
{
	if (!msg_row((unsigned)_i))
		return;
	for (int kind = SAMPLE_LEAST; kind <= SAMPLE_HIDDEN; kind++) {
		const struct span s = sample_message((unsigned)_i, (enum sample_kind)kind, buf);
		for (size_t n = 0; n < s.len; n++) {
			uint8_t *cut = malloc(n + 1);
			memcpy(cut, s.p, n);
			const enum l2tp_fault f =
			    l2tp_msg_read(span_of(cut, n), sample_secret(), &msg);
			ck_assert(f == (n < 12 ? L2TP_TRUNCATED : L2TP_LENGTH_BEYOND));
			ck_assert_int_eq(msg.trouble.answer, L2TP_DISCARD);
			if (n >= 12) {
				put_u16(cut + 2, (uint16_t)n);
				const enum l2tp_fault g =
				    l2tp_msg_read(span_of(cut, n), sample_secret(), &msg);
				ck_assert_msg(g == L2TP_OK || g == L2TP_AVP_TRUNCATED ||
						  g == L2TP_AVP_BEYOND || g == L2TP_AVP_MISSING,
					      "fault %s at %zu", l2tp_fault_name(g), n);
				ck_assert(msg.body.len == n - 12);
				ck_assert(n != 12 || (g == L2TP_OK && msg.type == L2TP_ZLB));
			}
			free(cut);
		}
	}
}
END_TEST

START_TEST(octets_behind_the_length_are_none_of_the_message)
{
	const struct span s = sample_message(L2TP_SCCRQ, SAMPLE_LEAST, buf);

	memset(buf + s.len, 0xff, 20);
	ck_assert_int_eq(l2tp_msg_read(span_of(buf, s.len + 20), sample_secret(), &msg), L2TP_OK);
	ck_assert_uint_eq(msg.body.len, s.len - 12);
}
END_TEST

START_TEST(a_zlb_is_recognized)
{
	struct wr w = wr_of(buf, sizeof buf);

	l2tp_zlb_write(&w, 5, 1, 2);
	ck_assert_int_eq(l2tp_msg_read(wr_span(&w), span_of(NULL, 0), &msg), L2TP_OK);
	ck_assert_uint_eq(msg.type, L2TP_ZLB);
	ck_assert(!msg.type_known && !msg.ignore);
	ck_assert_uint_eq(msg.hdr.ns, 1);
	ck_assert_uint_eq(msg.hdr.nr, 2);
	ck_assert_str_eq(l2tp_msg_name(msg.type), "ZLB");
}
END_TEST

/* ---- composite values ---- */

#define WRITE(TYPE, ...)                                                                           \
	do {                                                                                       \
		struct wr w_ = wr_of(buf, sizeof buf);                                             \
		struct l2tp_wr m;                                                                  \
		l2tp_msg_begin(&m, &w_, TYPE, 1, 2);                                               \
		__VA_ARGS__;                                                                       \
		ck_assert(l2tp_msg_end(&m, 0, 0));                                                 \
		ck_assert_int_eq(l2tp_msg_read(wr_span(&w_), sample_secret(), &msg), L2TP_OK);     \
	} while (0)

START_TEST(a_result_code_has_three_forms)
{
	struct l2tp_result r;

	WRITE(L2TP_STOPCCN, l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, 9),
	      l2tp_avp_result(&m, 1, 0, NULL));
	ck_assert(l2tp_msg_result(&msg, &r));
	ck_assert(r.result == 1 && !r.has_error && r.message.len == 0);
	ck_assert_uint_eq(msg.avp[AVP_RESULT_CODE].len, 2);

	WRITE(L2TP_CDN, l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 9), l2tp_avp_result(&m, 2, 7, ""));
	ck_assert(l2tp_msg_result(&msg, &r));
	ck_assert(r.result == 2 && r.has_error && r.error == 7 && r.message.len == 0);

	WRITE(L2TP_CDN, l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 9),
	      l2tp_avp_result(&m, 3, 0, "gone"));
	ck_assert(l2tp_msg_result(&msg, &r));
	ck_assert(r.result == 3 && r.has_error && r.error == 0);
	ck_assert(span_eq(r.message, span_of("gone", 4)));
}
END_TEST

START_TEST(a_long_error_message_is_cut_between_characters)
{
	char text[1500];
	struct l2tp_result r;

	for (size_t i = 0; i + 2 < sizeof text; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[sizeof text - 2] = 0;
	WRITE(L2TP_CDN, l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 9), l2tp_avp_result(&m, 2, 6, text));
	ck_assert(l2tp_msg_result(&msg, &r));
	ck_assert_uint_gt(r.message.len, 1000);
	ck_assert_uint_eq(r.message.len % 2, 0);
	ck_assert_mem_eq(r.message.p, text, r.message.len);
}
END_TEST

START_TEST(causes_are_read_back)
{
	struct l2tp_q931 q;
	struct l2tp_disconnect d;
	size_t at = 0;
	struct span v;

	WRITE(L2TP_CDN, l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 9), l2tp_avp_result(&m, 1, 0, NULL),
	      l2tp_avp_q931(&m, 16, 0x45, "bye"), l2tp_avp_disconnect(&m, 16, 0xc023, 1, "no"),
	      l2tp_avp_disconnect(&m, 18, 0x8021, 0, NULL));
	ck_assert(l2tp_msg_q931(&msg, &q));
	ck_assert(q.cause == 16 && q.msg == 0x45 && span_eq(q.advisory, span_of("bye", 3)));
	ck_assert(l2tp_msg_disconnect(&msg, &d));
	ck_assert(d.code == 16 && d.protocol == 0xc023 && d.direction == 1);
	ck_assert(span_eq(d.message, span_of("no", 2)));
	ck_assert(l2tp_msg_each(&msg, AVP_PPP_DISCONNECT, &at, &v));
	ck_assert(l2tp_msg_each(&msg, AVP_PPP_DISCONNECT, &at, &v) && v.p[1] == 18);
	ck_assert(!l2tp_msg_each(&msg, AVP_PPP_DISCONNECT, &at, &v));
}
END_TEST

START_TEST(call_status_is_read_back)
{
	const struct l2tp_call_errors in = { 1, 2, 3, 0x40000000, 5, 6 };
	struct l2tp_call_errors out;
	struct l2tp_accm accm;

	WRITE(L2TP_WEN, l2tp_avp_call_errors(&m, &in));
	ck_assert(l2tp_msg_call_errors(&msg, &out));
	ck_assert_mem_eq(&in, &out, sizeof in);
	WRITE(L2TP_SLI, l2tp_avp_accm(&m, 0xffffffff, 0x000a0000));
	ck_assert(l2tp_msg_accm(&msg, &accm));
	ck_assert(accm.send == 0xffffffff && accm.receive == 0x000a0000);
}
END_TEST

static void
start_control(struct l2tp_wr *m)
{
	l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(m, AVP_HOST_NAME, "lns\n1");
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, 9);
}

START_TEST(failover_values_are_read_back)
{
	const struct l2tp_failover in = { .control = true, .data = false, .recovery_ms = 30000 };
	struct l2tp_failover f;
	struct l2tp_recovery r;
	struct l2tp_scs s;
	uint64_t tie;

	WRITE(L2TP_SCCRQ, start_control(&m), l2tp_avp_failover(&m, &in),
	      l2tp_avp_recovery(&m, 20, 10), l2tp_avp_u64(&m, AVP_TIE_BREAKER, 0x0102030405060708));
	ck_assert(l2tp_msg_failover(&msg, &f));
	ck_assert(f.control && !f.data && f.recovery_ms == 30000);
	ck_assert(l2tp_msg_recovery(&msg, &r) && r.tunnel == 20 && r.remote == 10);
	ck_assert(l2tp_msg_u64(&msg, AVP_TIE_BREAKER, &tie) && tie == 0x0102030405060708);
	WRITE(L2TP_SCCRP, start_control(&m), l2tp_avp_scs(&m, 3, 100));
	ck_assert(l2tp_msg_scs(&msg, &s) && s.ns == 3 && s.nr == 100);
}
END_TEST

static void
session_states(struct l2tp_wr *m, uint16_t from, uint16_t to)
{
	for (uint16_t i = from; i < to; i++)
		l2tp_avp_fss(m, i, 100u + i);
}

START_TEST(session_states_come_in_any_number_open_and_hidden)
{
	struct l2tp_fss f;
	size_t at = 0;

	WRITE(L2TP_FSQ, session_states(&m, 0, 50),
	      l2tp_msg_hide(&m, sample_secret(), span_of("vector", 6), 0),
	      session_states(&m, 50, 120));
	for (uint16_t i = 0; i < 120; i++) {
		ck_assert(l2tp_msg_fss(&msg, &at, &f));
		ck_assert(f.session == i && f.remote == 100u + i);
	}
	ck_assert(!l2tp_msg_fss(&msg, &at, &f));
	ck_assert_uint_eq(msg.hidden, 70);
}
END_TEST

START_TEST(speed_updates_are_read_back)
{
	struct l2tp_speed_update u;
	size_t at = 0;

	WRITE(L2TP_CSUN, l2tp_avp_speed_update(&m, 7, 20000000, 2000000),
	      l2tp_avp_speed_update(&m, 8, 1, 2));
	ck_assert(l2tp_msg_speed_update(&msg, &at, &u));
	ck_assert(u.remote_session == 7 && u.tx_bps == 20000000 && u.rx_bps == 2000000);
	ck_assert(l2tp_msg_speed_update(&msg, &at, &u) && u.remote_session == 8);
	ck_assert(!l2tp_msg_speed_update(&msg, &at, &u));
}
END_TEST

START_TEST(values_are_lent_as_asked)
{
	char text[8];
	uint16_t v16 = 1;
	uint32_t v32 = 1;
	uint64_t v64 = 1;
	struct span v;

	WRITE(L2TP_SCCRQ, start_control(&m));
	ck_assert(l2tp_msg_text(&msg, AVP_HOST_NAME, text, sizeof text));
	ck_assert_str_eq(text, "lns?1");
	ck_assert(l2tp_msg_text(&msg, AVP_HOST_NAME, text, 3));
	ck_assert_str_eq(text, "ln");
	ck_assert(l2tp_msg_u32(&msg, AVP_FRAMING_CAPABILITIES, &v32) && v32 == 3);
	ck_assert(!l2tp_msg_u32(&msg, AVP_ASSIGNED_TUNNEL, &v32) && v32 == 3);
	ck_assert(!l2tp_msg_u64(&msg, AVP_TIE_BREAKER, &v64) && v64 == 1);
	ck_assert(!l2tp_msg_u16(&msg, AVP_ASSIGNED_SESSION, &v16) && v16 == 1);
	ck_assert(!l2tp_msg_span(&msg, AVP_CHALLENGE, &v));
	ck_assert(!l2tp_msg_text(&msg, AVP_CHALLENGE, text, sizeof text));
}
END_TEST

/* ---- what the writer refuses ---- */

#define REFUSED(TYPE, CAP, ...)                                                                    \
	do {                                                                                       \
		struct wr w_ = wr_of(buf, CAP);                                                    \
		struct l2tp_wr m;                                                                  \
		wr_u8(&w_, 1);                                                                     \
		l2tp_msg_begin(&m, &w_, TYPE, 1, 2);                                               \
		__VA_ARGS__;                                                                       \
		ck_assert(!l2tp_msg_end(&m, 0, 0));                                                \
		ck_assert(w_.ok &&wr_len(&w_) == 1);                                               \
	} while (0)

START_TEST(the_writer_refuses_what_no_row_allows)
{
	uint8_t big[1100] = { 0 };
	const struct l2tp_failover none = { .recovery_ms = 1 };

	REFUSED((enum l2tp_type)13, sizeof buf, (void)0);
	REFUSED(L2TP_HELLO, 15, (void)0); /* no room */
	REFUSED(L2TP_ICRQ, sizeof buf, l2tp_avp_u32(&m, AVP_ASSIGNED_SESSION, 1));
	REFUSED(L2TP_ICRQ, sizeof buf, l2tp_avp_u16(&m, (enum l2tp_avp)20, 1));
	REFUSED(L2TP_ICRQ, sizeof buf, l2tp_avp_u16(&m, (enum l2tp_avp)5000, 1));
	REFUSED(L2TP_SCCRQ, sizeof buf, l2tp_avp_text(&m, AVP_HOST_NAME, ""));
	REFUSED(L2TP_SCCRQ, sizeof buf, l2tp_avp_bytes(&m, AVP_VENDOR_NAME, big, 1018));
	REFUSED(L2TP_SCCRQ, sizeof buf, l2tp_msg_hide(&m, sample_secret(), span_of("v", 1), 0),
		l2tp_avp_bytes(&m, AVP_VENDOR_NAME, big, 1016));
	REFUSED(L2TP_SCCRQ, sizeof buf, l2tp_msg_hide(&m, span_of("", 0), span_of("v", 1), 0));
	REFUSED(L2TP_SCCRQ, sizeof buf, l2tp_msg_hide(&m, sample_secret(), span_of("", 0), 0));
	REFUSED(L2TP_SCCRQ, sizeof buf, l2tp_msg_hide(&m, sample_secret(), span_of(big, 65), 0));
	REFUSED(L2TP_MSI, sizeof buf, l2tp_avp_bytes(&m, AVP_NEW_OUTGOING, big, 3));
	REFUSED(L2TP_SCCRQ, sizeof buf, l2tp_avp_failover(&m, &none));
	REFUSED(L2TP_FSQ, sizeof buf, l2tp_avp_fss(&m, 65536, 1));
	REFUSED(L2TP_ICRQ, sizeof buf, l2tp_avp_line(&m, LINE_AGENT_CIRCUIT_ID, big, 64));
	REFUSED(L2TP_ICRQ, sizeof buf, l2tp_avp_line(&m, LINE_AGENT_CIRCUIT_ID, big, 1));
	REFUSED(L2TP_ICRQ, sizeof buf, l2tp_avp_line_number(&m, LINE_ACTUAL_DELAY_UP, 1ull << 32));
	REFUSED(L2TP_ICRQ, sizeof buf, l2tp_avp_line_number(&m, LINE_LINE_TYPE, 1));
}
END_TEST

START_TEST(the_longest_value_is_written_and_read)
{
	static uint8_t big[L2TP_VALUE_MAX];
	struct span v;

	memset(big, 7, sizeof big);
	WRITE(L2TP_SCCRQ, start_control(&m), l2tp_avp_bytes(&m, AVP_VENDOR_NAME, big, sizeof big));
	ck_assert(l2tp_msg_span(&msg, AVP_VENDOR_NAME, &v) && span_eq(v, span_of(big, sizeof big)));
}
END_TEST

/* ---- access lines ---- */

START_TEST(access_line_attributes_are_read_and_shown)
{
	struct l2tp_access_line l;
	char text[128];

	ck_assert_int_eq(l2tp_msg_read(sample_access_line(_i, buf), sample_secret(), &msg),
			 L2TP_OK);
	ck_assert_uint_eq(msg.unknown, 0);
	ck_assert_uint_eq(msg.vendors, LINE_ATTRS);
	ck_assert(l2tp_msg_access_line(&msg, &l));
	ck_assert_uint_eq(l.present, (1u << LINE_ATTRS) - 1);
	ck_assert_uint_eq(l.number[LINE_ACTUAL_RATE_DOWN], 1000000u + LINE_ACTUAL_RATE_DOWN);
	ck_assert_str_eq(l2tp_line_text(&l, LINE_AGENT_CIRCUIT_ID, text, sizeof text),
			 "dslam7 eth 3/0:100");
	ck_assert_str_eq(l2tp_line_text(&l, LINE_ACTUAL_RATE_UP, text, sizeof text), "1000002 bps");
	ck_assert_str_eq(l2tp_line_text(&l, LINE_LOOP_ENCAPSULATION, text, sizeof text),
			 "Ethernet, single-tagged Ethernet, Ethernet over AAL5 LLC with FCS");
	ck_assert_str_eq(l2tp_line_text(&l, LINE_LINE_TYPE, text, sizeof text), "VDSL2");
	ck_assert_str_eq(l2tp_line_text(&l, LINE_IWF_SESSION, text, sizeof text), "IWF performed");
	l.raw[LINE_LINE_TYPE] = span_of("\0\0\0\3", 4); /* as a number */
	ck_assert_str_eq(l2tp_line_text(&l, LINE_LINE_TYPE, text, sizeof text), "ADSL2+");
	l.present = 0;
	ck_assert_str_eq(l2tp_line_text(&l, LINE_IWF_SESSION, text, sizeof text), "");
	sample_message(L2TP_HELLO, SAMPLE_LEAST, buf);
	ck_assert_int_eq(l2tp_msg_read(span_of(buf, 20), sample_secret(), &msg), L2TP_OK);
	ck_assert(!l2tp_msg_access_line(&msg, &l));
}
END_TEST

START_TEST(a_malformed_access_line_attribute_is_ignored_and_counted)
{
	struct l2tp_access_line l;

	WRITE(L2TP_ICRQ, l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 1),
	      l2tp_avp_u32(&m, AVP_CALL_SERIAL, 1),
	      l2tp_avp_raw(&m, L2TP_VENDOR_ADSL_FORUM, 129, false, false, "\0\0\0\1", 4),
	      l2tp_avp_raw(&m, L2TP_VENDOR_ADSL_FORUM, 130, false, false, "\0\0\0\0\0\0\0\2", 8),
	      l2tp_avp_raw(&m, L2TP_VENDOR_ADSL_FORUM, 130, false, false, "\0\0\0\0\0\0\0\3", 8));
	ck_assert_uint_eq(msg.malformed, 1);
	ck_assert(l2tp_msg_access_line(&msg, &l));
	ck_assert_uint_eq(l.present, 1u << LINE_ACTUAL_RATE_DOWN);
	ck_assert_uint_eq(l.number[LINE_ACTUAL_RATE_DOWN], 2);
}
END_TEST

START_TEST(an_icrq_is_read_in_microseconds)
{
	const struct span s = sample_message(L2TP_ICRQ, SAMPLE_FULL, buf);
	struct timespec a, b;
	double best = 1e9;

	/* The best of several runs: a loaded machine slows a run, never speeds it up.  The limit is
	 * loose because sanitizers are slow; the figure is printed. */
	for (int run = 0; run < 10; run++) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		for (int i = 0; i < 2000; i++)
			ck_assert_int_eq(l2tp_msg_read(s, span_of(NULL, 0), &msg), L2TP_OK);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		const double ns =
		    ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 2000;
		best = ns < best ? ns : best;
	}
	printf("l2tp_msg_read of an ICRQ with %u AVPs: %.0f ns\n", msg.avps, best);
	ck_assert_double_lt(best, 20000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp_message");
	TCase *t = tcase_create("messages");

	tcase_add_loop_test(t, every_message_is_read_as_it_was_written, 0, L2TP_TYPES);
	tcase_add_loop_test(t, what_may_be_hidden_is_and_the_vector_goes_out_once, 0, L2TP_TYPES);
	tcase_add_loop_test(t, a_message_cut_at_any_octet_is_judged_and_never_misread, 0,
			    L2TP_TYPES);
	tcase_add_test(t, octets_behind_the_length_are_none_of_the_message);
	tcase_add_test(t, a_zlb_is_recognized);
	tcase_add_test(t, a_result_code_has_three_forms);
	tcase_add_test(t, a_long_error_message_is_cut_between_characters);
	tcase_add_test(t, causes_are_read_back);
	tcase_add_test(t, call_status_is_read_back);
	tcase_add_test(t, failover_values_are_read_back);
	tcase_add_test(t, session_states_come_in_any_number_open_and_hidden);
	tcase_add_test(t, speed_updates_are_read_back);
	tcase_add_test(t, values_are_lent_as_asked);
	tcase_add_test(t, the_writer_refuses_what_no_row_allows);
	tcase_add_test(t, the_longest_value_is_written_and_read);
	tcase_add_loop_test(t, access_line_attributes_are_read_and_shown, 0, 2);
	tcase_add_test(t, a_malformed_access_line_attribute_is_ignored_and_counted);
	tcase_add_test(t, an_icrq_is_read_in_microseconds);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
