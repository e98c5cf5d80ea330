// SPDX-License-Identifier: Apache-2.0
/* twinctl's pure helpers: how numbers read, which sessions a filter means, what a counter's name means. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "meanings.h"
#include "text.h"
#include "tunnels.h" /* the enums whose names are repeated in text.c */

static char buf[TEXT];

START_TEST(states_are_named_as_tunnel_ctl_numbers_them)
{
	ck_assert_str_eq(text_tunnel_state(CC_IDLE, buf), "idle");
	ck_assert_str_eq(text_tunnel_state(CC_WAIT_CTL_REPLY, buf), "wait-ctl-reply");
	ck_assert_str_eq(text_tunnel_state(CC_WAIT_CTL_CONN, buf), "wait-ctl-conn");
	ck_assert_str_eq(text_tunnel_state(CC_ESTABLISHED, buf), "established");
	ck_assert_str_eq(text_tunnel_state(CC_CLOSING, buf), "closing");
	ck_assert_str_eq(text_tunnel_state(CC_STATES, buf), "?5");
	ck_assert_str_eq(text_call_state(CALL_WAIT_TUNNEL, buf), "wait-tunnel");
	ck_assert_str_eq(text_call_state(CALL_WAIT_REPLY, buf), "wait-reply");
	ck_assert_str_eq(text_call_state(CALL_WAIT_CONNECT, buf), "wait-connect");
	ck_assert_str_eq(text_call_state(CALL_WAIT_CS_ANSWER, buf), "wait-cs-answer");
	ck_assert_str_eq(text_call_state(CALL_ESTABLISHED, buf), "established");
	ck_assert_str_eq(text_call_state(CALL_CLOSED, buf), "closed");
	ck_assert_str_eq(text_call_state(7, buf), "?7");
	ck_assert_str_eq(text_call_kind(CALL_INCOMING, buf), "incoming");
	ck_assert_str_eq(text_role(TC_CLIENT, buf), "client");
	ck_assert_str_eq(text_phase(4294967295u, buf), "?4294967295");
}
END_TEST

START_TEST(octets_rates_and_times_read_with_their_units)
{
	ck_assert_str_eq(text_octets(0, buf), "0 B");
	ck_assert_str_eq(text_octets(1023, buf), "1023 B");
	ck_assert_str_eq(text_octets(1536, buf), "1.5 KiB");
	ck_assert_str_eq(text_octets(UINT64_MAX, buf), "16384 PiB");
	ck_assert_str_eq(text_bps(0, buf), "");
	ck_assert_str_eq(text_bps(18000000, buf), "18.0 Mbit/s");
	ck_assert_str_eq(text_duration(59, buf), "00:00:59");
	ck_assert_str_eq(text_duration(86400 * 3 + 3661, buf), "3d 01:01:01");
	ck_assert_str_eq(text_age(0, 100, buf), "");
	ck_assert_str_eq(text_age(200, 100, buf), "00:00:00");
	ck_assert_str_eq(text_age(90, 100, buf), "00:00:10");
}
END_TEST

START_TEST(addresses_of_odd_lengths_read_as_nothing)
{
	const uint8_t a[16] = { 192, 0, 2, 1 };

	ck_assert_str_eq(text_address(a, 4, buf), "192.0.2.1");
	ck_assert_str_eq(text_address(a, 5, buf), "");
	ck_assert_str_eq(text_address(NULL, 0, buf), "");
	ck_assert_str_eq(text_prefix(a, 16, 64, buf), "c000:201::/64");
	ck_assert_str_eq(text_prefix(a, 16, 4000, buf), "c000:201::/128");
	ck_assert_str_eq(text_prefix(a, 3, 24, buf), "");
}
END_TEST

START_TEST(what_a_peer_says_cannot_move_the_cursor)
{
	char out[16];

	ck_assert_str_eq(text_safe("a\033[2Jb\n", out, sizeof out), "a?[2Jb?");
	ck_assert_str_eq(text_safe("\xc3\xa9t\xc3", out, sizeof out), "\xc3\xa9t?");
	ck_assert_str_eq(text_safe("\xc2\x9b" "1", out, sizeof out), "?1");	      /* a C1 control character */
	ck_assert_str_eq(text_safe("\xe0\x80\xaf", out, sizeof out), "???");	      /* overlong */
	ck_assert_str_eq(text_safe("\xed\xa0\x80", out, sizeof out), "???");	      /* a surrogate */
	ck_assert_str_eq(text_safe("0123456789abcdefg", out, sizeof out), "0123456789abcde");
	ck_assert_str_eq(text_safe("0123456789abcd\xc3\xa9", out, sizeof out), "0123456789abcd"); /* never half of one */
	ck_assert_str_eq(text_safe(NULL, out, sizeof out), "");
}
END_TEST

START_TEST(a_session_id_is_two_numbers)
{
	unsigned t, s;

	ck_assert(text_session_id("17/4242", &t, &s) && t == 17 && s == 4242);
	ck_assert(text_session_id("65535.1", &t, &s) && t == 65535 && s == 1);
	static const char *const no[] = { "", "/", "17", "17/", "/1", "17/0", "0/1", "65536/1", "1/65536", "1/2/3",
					  "a/b", "1/-2", "1/ 2", "99999999999/1" };
	for (unsigned i = 0; i < sizeof no / sizeof no[0]; i++)
		ck_assert_msg(!text_session_id(no[i], &t, &s), "accepted '%s'", no[i]);
}
END_TEST

/* ---- filters ---- */

static char error[256];

static struct filter
filter_of(const char *a, const char *b, const char *c, const char *d)
{
	const char *words[] = { a, b, c, d };
	struct filter f;
	unsigned n = a ? b ? c ? d ? 4 : 3 : 2 : 1 : 0;

	ck_assert_msg(filter_read(&f, words, n, error, sizeof error), "%s", error);
	return f;
}

static uint8_t alice_ip[4] = { 100, 64, 0, 7 };
static uint8_t alice_ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 7 };

static Row__Subscriber
alice(void)
{
	Row__Subscriber s = ROW__SUBSCRIBER__INIT;

	s.user = "Alice@example";
	s.calling = "0123 slot 4";
	s.forwarding = true;
	s.ipv4 = (ProtobufCBinaryData){ 4, alice_ip };
	s.ipv6_prefix = (ProtobufCBinaryData){ 16, alice_ip6 };
	s.ipv6_prefix_len = 64;
	return s;
}

static Row__Call
call_17(void)
{
	Row__Call c = ROW__CALL__INIT;

	c.tunnel = 17;
	c.id = 1;
	c.state = CALL_ESTABLISHED;
	return c;
}

static const struct {
	const char *a, *b, *c, *d;
	bool fits;
} filters[] = {
	{ NULL, NULL, NULL, NULL, true },
	{ "user", "alice*", NULL, NULL, true },
	{ "user", "bob", NULL, NULL, false },
	{ "tunnel", "17", NULL, NULL, true },
	{ "tunnel", "18", NULL, NULL, false },
	{ "address", "100.64.0.7", NULL, NULL, true },
	{ "address", "100.64.0.0/24", NULL, NULL, true },
	{ "address", "100.64.1.0/24", NULL, NULL, false },
	{ "address", "2001:db8:7::1", NULL, NULL, true }, /* an address inside its prefix */
	{ "address", "2001:db8::/32", NULL, NULL, true },
	{ "address", "2001:db8:8::1", NULL, NULL, false },
	{ "state", "established", "up", NULL, true },
	{ "state", "wait-reply", NULL, NULL, false },
	{ "user", "alice*", "tunnel", "18", false },
	{ "calling", "0123*", NULL, NULL, true },
	{ "calling", "0123", NULL, NULL, false },
	{ "calling", "*SLOT*", "user", "bob", false },
};

START_TEST(all_words_of_a_filter_must_hold)
{
	struct filter f = filter_of(filters[_i].a, filters[_i].b, filters[_i].c, filters[_i].d);
	Row__Subscriber s = alice();
	Row__Call c = call_17();

	ck_assert_int_eq(filter_fits(&f, &c, &s), filters[_i].fits);
}
END_TEST

START_TEST(a_call_without_a_subscriber_fits_only_what_calls_have)
{
	Row__Call c = call_17();
	struct filter any = filter_of(NULL, NULL, NULL, NULL), user = filter_of("user", "*", NULL, NULL),
		      up = filter_of("up", NULL, NULL, NULL), tunnel = filter_of("tunnel", "17", NULL, NULL),
		      calling = filter_of("calling", "*", NULL, NULL);

	ck_assert(filter_fits(&any, &c, NULL) && filter_fits(&tunnel, &c, NULL));
	ck_assert(!filter_fits(&user, &c, NULL) && !filter_fits(&up, &c, NULL) && !filter_fits(&calling, &c, NULL));
}
END_TEST

START_TEST(a_wrong_filter_is_told_by_its_word)
{
	static const char *const wrong[][2] = { { "user", NULL }, { "colour", "red" }, { "tunnel", "0" },
						{ "tunnel", "65536" }, { "address", "10.0.0.0/33" }, { "limit", "0" } };
	struct filter f;

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		ck_assert(!filter_read(&f, wrong[i], wrong[i][1] ? 2 : 1, error, sizeof error));
		const char *word = wrong[i][1] && strcmp(wrong[i][0], "colour") != 0 ? wrong[i][1] : wrong[i][0];
		ck_assert_msg(strstr(error, word), "'%s' does not name '%s'", error, word);
	}
}
END_TEST

/* ---- meanings ---- */

START_TEST(every_counter_and_alarm_is_found_by_the_name_it_has_in_the_store)
{
	for (const struct meaning_set *s = meaning_sets(); s->counters; s++) {
		for (unsigned i = 0; i < s->n; i++)
			ck_assert_msg(meaning_of_counter(s->process, s->counters[i].name), "%s", s->counters[i].name);
	}
	for (const struct alarm_set *s = alarm_sets(); s->alarms; s++) {
		for (unsigned i = 0; i < s->n; i++)
			ck_assert_ptr_nonnull(meaning_of_alarm(s->alarms[i].name));
	}
	ck_assert_str_eq(meaning_of_counter("tunnel-ctl", "hello-in"), "Hellos received");
	ck_assert_ptr_nonnull(meaning_of_counter("worker.3", "no-route"));
	ck_assert_ptr_null(meaning_of_counter("workers", "no-route"));
	ck_assert_ptr_null(meaning_of_counter("tunnel-ctl", "no-such-thing"));
	ck_assert_ptr_null(meaning_of_alarm("NO_SUCH_THING"));
}
END_TEST

START_TEST(a_change_of_role_reads_as_its_kind)
{
	ck_assert_str_eq(text_change_kind("the active twin is silent"), "kill or silence");
	ck_assert_str_eq(text_change_kind("the twin handed over"), "planned");
	ck_assert_str_eq(text_change_kind("handed over"), "planned");
	ck_assert_str_eq(text_change_kind("by the operator"), "operator");
	ck_assert_str_eq(text_change_kind("the twin has a higher epoch"), "partition heal");
	ck_assert_str_eq(text_change_kind("no twin answered at start"), "cold start");
	ck_assert_str_eq(text_change_kind("the twin is active"), "joined");
	ck_assert_str_eq(text_change_kind("something new"), "other");
	ck_assert_str_eq(text_change_kind(NULL), "other");
}
END_TEST

START_TEST(only_who_takes_over_recovers)
{
	ck_assert_str_eq(text_recovered(true, false, "the active twin is silent"), "silent");
	ck_assert_str_eq(text_recovered(true, false, "the twin handed over"), "silent");
	ck_assert_str_eq(text_recovered(true, true, "no twin answered at start"), "from disk: RFC 4951");
	ck_assert_str_eq(text_recovered(true, true, "by the operator"), "from disk: RFC 4951");
	ck_assert_str_eq(text_recovered(true, false, "no twin configured"), "");
	ck_assert_str_eq(text_recovered(false, false, "handed over"), "");
}
END_TEST

START_TEST(what_took_no_time_says_nothing)
{
	ck_assert_str_eq(text_took(0, buf), "");
	ck_assert_str_eq(text_took(3240, buf), "3.2 ms");
	ck_assert_str_eq(text_took(12000000, buf), "12000 ms");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("twinctl");
	TCase *t = tcase_create("text");

	tcase_add_test(t, states_are_named_as_tunnel_ctl_numbers_them);
	tcase_add_test(t, octets_rates_and_times_read_with_their_units);
	tcase_add_test(t, addresses_of_odd_lengths_read_as_nothing);
	tcase_add_test(t, what_a_peer_says_cannot_move_the_cursor);
	tcase_add_test(t, a_session_id_is_two_numbers);
	tcase_add_loop_test(t, all_words_of_a_filter_must_hold, 0, (int)(sizeof filters / sizeof filters[0]));
	tcase_add_test(t, a_call_without_a_subscriber_fits_only_what_calls_have);
	tcase_add_test(t, a_wrong_filter_is_told_by_its_word);
	tcase_add_test(t, every_counter_and_alarm_is_found_by_the_name_it_has_in_the_store);
	tcase_add_test(t, a_change_of_role_reads_as_its_kind);
	tcase_add_test(t, only_who_takes_over_recovers);
	tcase_add_test(t, what_took_no_time_says_nothing);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
