// SPDX-License-Identifier: Apache-2.0
/* Every number of the tables has a text of its own; every other number has "unknown". */
#include <check.h>

#include "sample.h"

START_TEST(messages_and_avps_are_named)
{
	unsigned messages = 0, avps = 0;

	for (unsigned t = 0; t < 300; t++) {
		messages += strcmp(l2tp_msg_name(t), "unknown") != 0;
		avps += strcmp(l2tp_avp_name(0, t), "unknown") != 0;
	}
	ck_assert_uint_eq(messages, 1 + 26); /* ZLB and the rows of messages.def */
	ck_assert_uint_eq(avps, 71);
	ck_assert_str_eq(l2tp_msg_name(L2TP_STOPCCN), "StopCCN");
	ck_assert_str_eq(l2tp_msg_name(L2TP_CSURQ), "CSURQ");
	ck_assert_str_eq(l2tp_avp_name(0, AVP_ECN_CAPABILITY), "ECN Capability");
	ck_assert_str_eq(l2tp_avp_name(3561, 0xfe), "IWF-Session");
	ck_assert_str_eq(l2tp_avp_name(9, 1), "unknown");
	ck_assert_str_eq(l2tp_avp_name(0, 0xffffffff), "unknown");
}
END_TEST

START_TEST(faults_have_name_counter_and_sentence)
{
	for (int f = 0; f < L2TP_FAULTS; f++) {
		for (int g = 0; g < f; g++) {
			ck_assert_str_ne(l2tp_fault_name((enum l2tp_fault)f),
					 l2tp_fault_name((enum l2tp_fault)g));
			ck_assert_str_ne(l2tp_fault_counter((enum l2tp_fault)f),
					 l2tp_fault_counter((enum l2tp_fault)g));
			ck_assert_str_ne(l2tp_fault_sentence((enum l2tp_fault)f),
					 l2tp_fault_sentence((enum l2tp_fault)g));
		}
	}
	ck_assert_str_eq(l2tp_fault_name(L2TP_FAULTS), "unknown");
}
END_TEST

START_TEST(codes_are_named)
{
	ck_assert_str_eq(l2tp_result_name(L2TP_STOPCCN, 6), "requester is being shut down");
	ck_assert_str_eq(l2tp_result_name(L2TP_CDN, 6), "invalid destination");
	ck_assert_str_eq(l2tp_result_name(L2TP_MSEN, 4), "no more receivers (filter-mode change)");
	ck_assert_str_eq(l2tp_result_name(L2TP_HELLO, 1), "unknown");
	ck_assert_str_eq(l2tp_result_name(L2TP_CDN, 29), "unknown");
	ck_assert_str_eq(l2tp_error_name(7), "try another");
	ck_assert_str_eq(l2tp_error_name(13), "unknown");
	ck_assert_str_eq(l2tp_q931_name(17), "user busy");
	ck_assert_str_eq(l2tp_q931_name(0), "unknown");
	ck_assert_str_eq(l2tp_disconnect_name(8), "LCP: echo request timeout");
	ck_assert_str_eq(l2tp_disconnect_name(21), "unknown");
	ck_assert_str_eq(l2tp_disconnect_direction(16, 1), "peer's identity by local system");
	ck_assert_str_eq(l2tp_disconnect_direction(16, 0), "");
	ck_assert_str_eq(l2tp_disconnect_direction(0xffffff, 0x103), "");
	ck_assert_str_eq(l2tp_proxy_authen_name(3), "PPP PAP");
}
END_TEST

/* RFC 2661 6 and the rest: what the tables must never say. */
START_TEST(the_tables_agree_with_each_other)
{
	avpset carried = avpset_of(AVP_MESSAGE_TYPE) | avpset_of(AVP_RANDOM_VECTOR);

	for (unsigned t = 1; t < L2TP_TYPES; t++) {
		const struct msg_row *row = msg_row(t);
		if (!row)
			continue;
		ck_assert_msg(!(row->must & row->may), "%s: both must and may", row->text);
		carried |= row->must | row->may;
	}
	for (unsigned a = 0; a < AVP_TYPES; a++) {
		const bool used = carried & avpset_of(a);
		ck_assert_msg(used == (avp_row(a) != NULL), "attribute %u", a);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp_names");
	TCase *t = tcase_create("names");

	tcase_add_test(t, messages_and_avps_are_named);
	tcase_add_test(t, faults_have_name_counter_and_sentence);
	tcase_add_test(t, codes_are_named);
	tcase_add_test(t, the_tables_agree_with_each_other);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
