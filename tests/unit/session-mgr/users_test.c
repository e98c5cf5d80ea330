// SPDX-License-Identifier: Apache-2.0
/* The users file: what it grants, and what it says about its errors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "users.h"

static char error[300];

static struct users *
parse(const char *text)
{
	error[0] = 0;
	return users_parse(span_of(text, strlen(text)), error, sizeof error);
}

static struct aaa_answer
ask(struct users *us, const char *name, const char *password)
{
	struct aaa_request q = { .token = 7, .auth = PPP_AUTH_PAP };
	struct aaa_answer a;
	bool known;

	q.name_len = (uint8_t)strlen(name);
	memcpy(q.name, name, q.name_len);
	q.response_len = (uint8_t)strlen(password);
	memcpy(q.response, password, q.response_len);
	users_ask(us, &q, &a, &known);
	ck_assert_uint_eq(a.token, 7);
	return a;
}

START_TEST(a_user_gets_what_its_lines_say)
{
	struct users *us = parse("# people\n"
				 "alice \"wonder land\" Framed-IP-Address = 10.0.0.5, Session-Timeout = 3600 # note\n"
				 "\tClass = \"a,b\" Filter-Id=gold\n"
				 "\tFramed-IPv6-Prefix = 2001:db8:1::/64\n"
				 "\n"
				 "\tFramed-Route = \"192.0.2.0/24 0.0.0.0 1\", Framed-Interface-Id = 0:0:0:9\n"
				 "\tMS-Primary-DNS-Server = 9.9.9.9\n");
	struct aaa_answer a;

	ck_assert_msg(us != NULL, "%s", error);
	a = ask(us, "alice", "wonder land");
	ck_assert_int_eq(a.verdict, AAA_ACCEPT);
	ck_assert_str_eq(a.user, "alice");
	ck_assert_uint_eq(a.grant.ipv4, 0x0a000005);
	ck_assert_int_eq(a.grant.framed_ip, FRAMED_ASSIGNED);
	ck_assert_uint_eq(a.grant.session_timeout, 3600);
	ck_assert_uint_eq(a.grant.classes, 1);
	ck_assert_int_eq(memcmp(a.grant.class[0], "a,b", 3), 0);
	ck_assert_str_eq(a.grant.filter_id, "gold");
	ck_assert_uint_eq(a.grant.prefix6.len, 64);
	ck_assert_uint_eq(a.grant.routes, 1);
	ck_assert_uint_eq(a.grant.route[0].len, 24);
	ck_assert_uint_eq(a.grant.iid, 9);
	ck_assert_uint_eq(a.grant.dns4[0], 0x09090909);
	ck_assert_int_eq(ask(us, "alice", "wonder").verdict, AAA_REJECT);
	ck_assert_int_eq(ask(us, "bob", "x").verdict, AAA_REJECT);
	users_free(us);
}
END_TEST

START_TEST(a_star_matches_what_begins_so_and_an_exact_name_wins)
{
	struct users *us = parse("bob@* guest Session-Timeout = 1\nbob@home own Session-Timeout = 2\n* - reject\n");

	ck_assert_msg(us != NULL, "%s", error);
	ck_assert_uint_eq(users_count(us), 3);
	ck_assert_uint_eq(ask(us, "bob@work", "guest").grant.session_timeout, 1);
	ck_assert_uint_eq(ask(us, "bob@home", "own").grant.session_timeout, 2);
	ck_assert_int_eq(ask(us, "carol", "-").verdict, AAA_REJECT);
	users_free(us);
}
END_TEST

START_TEST(special_addresses_mean_what_rfc_2865_says)
{
	struct users *us = parse("a x Framed-IP-Address = 255.255.255.254\nb x Framed-IP-Address = 255.255.255.255\n");

	ck_assert_int_eq(ask(us, "a", "x").grant.framed_ip, FRAMED_NAS);
	ck_assert_int_eq(ask(us, "b", "x").grant.framed_ip, FRAMED_USER);
	users_free(us);
}
END_TEST

START_TEST(a_name_with_odd_octets_cannot_get_into_a_row)
{
	struct users *us = parse("* x\n");
	struct aaa_answer a = ask(us, "j\xc3\xb6rg\x01\xff\xed\xa0\x80", "x");

	ck_assert_str_eq(a.user, "j\xc3\xb6rg?????");
	users_free(us);
}
END_TEST

static const struct {
	const char *text, *error;
} bad[] = {
	{ "alice\n", "line 1: a password expected, the line ends" },
	{ "\n# c\n  Class = x\n", "line 3: an indented line belongs to a user, and no user came before it" },
	{ "a x Framed-IP-Address = 10.0.0\n", "line 1: Framed-IP-Address must be an IPv4 address, and \"10.0.0\" is not" },
	{ "a x\n Session-Timeout = -1\n",
	  "line 2: Session-Timeout must be a number from 0 to 4294967295, and \"-1\" is not" },
	{ "a x Session-Timeout = 4294967296\n",
	  "line 1: Session-Timeout must be a number from 0 to 4294967295, and \"4294967296\" is not" },
	{ "a x Framed-Colour = red\n", "line 1: \"Framed-Colour\" is no attribute that a users file can give" },
	{ "a x User-Password = red\n", "line 1: \"User-Password\" is no attribute that a users file can give" },
	{ "a x Class red\n", "line 1: '=' expected after Class" },
	{ "a x Class =\n", "line 1: Class expected, the line ends" },
	{ "a \"x\n", "line 1: a quote is opened and not closed" },
	{ "a x\nb y\na z\n", "line 3: user \"a\" is in the file twice" },
	{ "a x Framed-IPv6-Prefix = 10.0.0.0/8\n",
	  "line 1: Framed-IPv6-Prefix must be an IPv6 prefix such as 2001:db8:1::/64, and \"10.0.0.0/8\" is not" },
	{ "= x\n", "line 1: a user's name expected before '='" },
};

START_TEST(an_error_names_its_line)
{
	ck_assert_ptr_null(parse(bad[_i].text));
	ck_assert_str_eq(error, bad[_i].error);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
	ck_assert_ptr_null(users_load("/nonexistent/users", error, sizeof error));
	ck_assert_str_eq(error, "/nonexistent/users: No such file or directory");
}
END_TEST

START_TEST(seventy_thousand_users_are_found_by_name)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct users *us;

	for (int i = 0; i < 70000; i++)
		fprintf(f, "user%d pass%d\n", i, i);
	fclose(f);
	us = users_parse(span_of(text, len), error, sizeof error);
	free(text);
	ck_assert_uint_eq(users_count(us), 70000);
	ck_assert_int_eq(ask(us, "user69999", "pass69999").verdict, AAA_ACCEPT);
	users_free(us);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, a_user_gets_what_its_lines_say);
	tcase_add_test(t, a_star_matches_what_begins_so_and_an_exact_name_wins);
	tcase_add_test(t, special_addresses_mean_what_rfc_2865_says);
	tcase_add_test(t, a_name_with_odd_octets_cannot_get_into_a_row);
	tcase_add_loop_test(t, an_error_names_its_line, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(t, a_missing_file_is_named);
	tcase_add_test(t, seventy_thousand_users_are_found_by_name);
}

UNIT_MAIN("users", add)
