// SPDX-License-Identifier: Apache-2.0
/* Addresses, prefixes and endpoints: text and back, containment, socket addresses. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

static struct ip_addr
addr(const char *text)
{
	struct ip_addr a;

	ck_assert(ip_addr_parse(text, &a));
	return a;
}

START_TEST(texts_are_those_of_rfc_5952)
{
	static const char *const texts[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::", "::" },
	};
	char out[ADDR_TEXT];

	for (unsigned i = 0; i < 4; i++) {
		struct ip_addr a = addr(texts[i][0]);
		ck_assert_str_eq(ip_addr_text(&a, out), texts[i][1]);
	}
	ck_assert_str_eq(ip_addr_text(&(struct ip_addr){ 0 }, out), "-");
}
END_TEST

START_TEST(nonsense_is_no_address)
{
	static const char *const bad[] = { "",	    "1.2.3", "1.2.3.256", "1.2.3.4.5",
					   "::1::", "host",  "1.2.3.4/8", "12345::" };
	struct ip_addr a;

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(!ip_addr_parse(bad[i], &a), "%s", bad[i]);
		ck_assert_uint_eq(a.family, 0);
	}
}
END_TEST

START_TEST(an_address_equals_itself_and_no_other_family)
{
	struct ip_addr a = addr("1.2.3.4"), b = addr("1.2.3.4"), c = addr("102:304::");

	ck_assert(ip_addr_eq(&a, &b));
	ck_assert(!ip_addr_eq(&a, &c)); /* the same first octets */
	b = addr("1.2.3.5");
	ck_assert(!ip_addr_eq(&a, &b));
}
END_TEST

static bool
has(const char *prefix, const char *a)
{
	struct ip_prefix p;
	struct ip_addr x = addr(a);

	ck_assert_msg(ip_prefix_parse(prefix, &p), "%s", prefix);
	return ip_prefix_has(&p, &x);
}

START_TEST(prefixes_contain_what_they_should)
{
	ck_assert(has("10.0.0.0/8", "10.255.0.1"));
	ck_assert(!has("10.0.0.0/8", "11.0.0.0"));
	ck_assert(has("0.0.0.0/0", "255.255.255.255"));
	ck_assert(!has("0.0.0.0/0", "::1"));
	ck_assert(has("192.0.2.128/25", "192.0.2.129"));
	ck_assert(!has("192.0.2.128/25", "192.0.2.127"));
	ck_assert(has("192.0.2.1", "192.0.2.1"));
	ck_assert(!has("192.0.2.1", "192.0.2.0"));
	ck_assert(has("2001:db8::/33", "2001:db8:7fff::1"));
	ck_assert(!has("2001:db8::/33", "2001:db8:8000::1"));
	ck_assert(has("::/0", "ffff::"));
}
END_TEST

START_TEST(prefixes_out_of_shape_are_refused)
{
	static const char *const bad[] = { "10.0.0.0/33", "::/129",
					   "10.0.0.0/",	  "10.0.0.0/x",
					   "10.0.0.0/-1", "10.0.0.0/8 ",
					   "/8",	  "10.0.0.0/99999999999999999999",
					   "10.0.0.0/+8" };
	struct ip_prefix p;

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!ip_prefix_parse(bad[i], &p), "%s", bad[i]);
}
END_TEST

START_TEST(a_prefix_length_that_a_row_may_hold_does_not_read_past_the_address)
{
	struct ip_prefix p = { addr("10.0.0.0"), 255 };
	struct ip_addr a = addr("10.0.0.0");

	ck_assert(!ip_prefix_has(&p, &a));
}
END_TEST

START_TEST(endpoints_go_to_socket_addresses_and_back)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1" };
	char out[ADDR_TEXT];

	for (unsigned i = 0; i < 2; i++) {
		struct endpoint e = { addr(texts[i]), 1701 }, back;
		struct sockaddr_storage ss;
		ck_assert_uint_eq(endpoint_to_sockaddr(&e, &ss),
				  i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		ck_assert(endpoint_from_sockaddr((struct sockaddr *)&ss, &back));
		ck_assert(endpoint_eq(&e, &back));
		ck_assert_str_eq(endpoint_text(&e, out),
				 i ? "[2001:db8::1]:1701" : "192.0.2.1:1701");
	}
}
END_TEST

START_TEST(a_mapped_address_is_the_ipv4_one)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(5) };
	struct endpoint e;
	char out[ADDR_TEXT];

	inet_pton(AF_INET6, "::ffff:192.0.2.9", &in6.sin6_addr);
	ck_assert(endpoint_from_sockaddr((struct sockaddr *)&in6, &e));
	ck_assert_str_eq(endpoint_text(&e, out), "192.0.2.9:5");
	struct sockaddr sa = { .sa_family = AF_UNIX };
	ck_assert(!endpoint_from_sockaddr(&sa, &e));
	ck_assert_uint_eq(e.addr.family, 0);
}
END_TEST

START_TEST(octets_of_records_are_4_or_16)
{
	static const uint8_t o[17] = { 1, 2, 3, 4 };
	struct ip_addr a;

	for (size_t n = 0; n <= 17; n++) {
		ck_assert_int_eq(ip_addr_from(o, n, &a), n == 4 || n == 16);
		ck_assert_uint_eq(ip_addr_len(&a), n == 4 || n == 16 ? n : 0);
	}
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, texts_are_those_of_rfc_5952);
	tcase_add_test(tc, nonsense_is_no_address);
	tcase_add_test(tc, an_address_equals_itself_and_no_other_family);
	tcase_add_test(tc, prefixes_contain_what_they_should);
	tcase_add_test(tc, prefixes_out_of_shape_are_refused);
	tcase_add_test(tc, a_prefix_length_that_a_row_may_hold_does_not_read_past_the_address);
	tcase_add_test(tc, endpoints_go_to_socket_addresses_and_back);
	tcase_add_test(tc, a_mapped_address_is_the_ipv4_one);
	tcase_add_test(tc, octets_of_records_are_4_or_16);
}

UNIT_MAIN("addr", add)
