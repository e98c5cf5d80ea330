// SPDX-License-Identifier: Apache-2.0
/*
 * Router advertisements and solicitations: octets, checksum, and when the link sends them.
 */
#include "ppp/ra.h"

#include "lib/ppp/pair.h"

static struct pair p;

START_TEST(octets_of_an_advertisement)
{
	static const uint8_t dns[2][16] = { { 0x20, 1, [15] = 0x53 }, { 0x20, 1, [15] = 0x54 } };
	static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };
	const struct ppp_ra ra = { .local_iid = 0x0200000000000001,
				   .lifetime_s = 1800,
				   .other = true,
				   .mtu = 1492,
				   .prefix = { 0x20, 1, 0x0d, 0xb8 },
				   .prefix_len = 64,
				   .valid_s = 7200,
				   .preferred_s = 3600,
				   .dns = dns,
				   .dns_count = 2,
				   .dns_s = 5400 };
	uint8_t b[PPP_RA_MAX];
	size_t n = ppp_ra_build(&ra, b, sizeof b);

	ck_assert_uint_eq(n, 40 + 16 + 8 + 32 + 40);
	ck_assert_uint_eq(get_u32(b), 0x60000000);
	ck_assert_uint_eq(get_u16(b + 4), n - 40);
	ck_assert_uint_eq(b[6], 58);
	ck_assert_uint_eq(b[7], 255);
	ck_assert_mem_eq(b + 8, "\xfe\x80\0\0\0\0\0\0\x02\0\0\0\0\0\0\x01", 16);
	ck_assert_mem_eq(b + 24, all_nodes, 16);
	ck_assert_uint_eq(ppp_icmp6_sum(b + 8, b + 24, span_of(b + 40, n - 40)), 0);
	ck_assert_mem_eq(b + 40, "\x86\0", 2);
	ck_assert_mem_eq(b + 44, "\x40\x40\x07\x08\0\0\0\0\0\0\0\0", 12);
	ck_assert_mem_eq(b + 56, "\x05\x01\0\0\0\0\x05\xd4", 8);
	ck_assert_mem_eq(b + 64, "\x03\x04\x40\xc0\0\0\x1c\x20\0\0\x0e\x10\0\0\0\0\x20\x01\x0d\xb8", 20);
	ck_assert_mem_eq(b + 96, "\x19\x05\0\0\0\0\x15\x18\x20\x01", 10);
	for (size_t cap = 0; cap < n; cap++)
		ck_assert_uint_eq(ppp_ra_build(&ra, b, cap), 0);
}
END_TEST

/* 0 + fe80::2 to ff02::2, checksum by hand: see `finish`. */
static uint8_t rs[64] = { 0x60, 0, 0, 0, 0, 8, 58, 255, 0xfe, 0x80, [23] = 2, [24] = 0xff, 2, [39] = 2, [40] = 133 };

static void
finish(uint8_t *b, size_t n)
{
	put_u16(b + 42, 0);
	put_u16(b + 42, ppp_icmp6_sum(b + 8, b + 24, span_of(b + 40, n - 40)));
}

START_TEST(solicitations)
{
	uint8_t b[64], source[16];

	memcpy(b, rs, sizeof b);
	finish(b, 48);
	ck_assert_uint_eq(get_u16(b + 42), 0x7d35); /* computed apart */
	ck_assert(ppp_rs_read(span_of(b, 48), source));
	ck_assert_mem_eq(source, b + 8, 16);
	for (size_t n = 0; n < 48; n++)
		ck_assert(!ppp_rs_read(span_of(b, n), source));
	for (size_t at = 4; at < 48; at++) { /* any octet changed; 1 to 3: class and flow are free */
		b[at] ^= 0x20;
		ck_assert_msg(!ppp_rs_read(span_of(b, 48), source), "octet %zu", at);
		b[at] ^= 0x20;
	}
	b[5] = 16; /* an option: source link-layer address */
	b[48] = 1;
	b[49] = 1;
	finish(b, 56);
	ck_assert(ppp_rs_read(span_of(b, 56), source));
	b[49] = 0;
	finish(b, 56);
	ck_assert(!ppp_rs_read(span_of(b, 56), source));
	b[49] = 2;
	finish(b, 56);
	ck_assert(!ppp_rs_read(span_of(b, 56), source));
}
END_TEST

static unsigned
advertised(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p.flights; i++)
		n += get_u16(p.flight[i].b) == PPP_IPV6;
	p.flights = 0;
	return n;
}

static unsigned
advertised_within(mono_t t)
{
	unsigned n = 0;

	for (mono_t end = p.now + t; p.now < end;) {
		run(&p, p.now + 5 * MS); /* less than a frame is under way */
		for (unsigned i = 0; i < p.flights; i++)
			if (get_u16(p.flight[i].b) == PPP_IPV6) {
				n++;
				p.flight[i--] = p.flight[--p.flights];
			}
	}
	return n;
}

START_TEST(when_they_are_sent)
{
	uint8_t frame[2 + 48] = { 0, 0x57 };

	pair_init(&p, PPP_AUTH_NONE);
	p.server.conf.ra_ms = 60000;
	dial(&p);
	ck_assert_uint_eq(advertised_within(1 * S), 1);
	ck_assert(all_open(&p));
	ck_assert_uint_eq(advertised_within(40 * S), 2); /* three at first, 16 s apart */
	ck_assert_uint_eq(advertised_within(60 * S), 1);
	memcpy(frame + 2, rs, 48);
	finish(frame + 2, 48);
	advertised_within(4 * S);
	for (unsigned i = 0; i < 20; i++)
		feed(&p.server, span_of(frame, sizeof frame));
	ck_assert_uint_eq(advertised(), 1);
	ck_assert_uint_eq(advertised_within(5 * S), 1); /* the others, together, three seconds later */
	feed(&p.client, span_of(frame, sizeof frame));	 /* a client is no router */
	ck_assert_uint_eq(advertised(), 0);
}
END_TEST

START_TEST(without_a_prefix_there_is_none)
{
	pair_init(&p, PPP_AUTH_NONE);
	p.server.net.prefix6_len = 0;
	dial(&p);
	ck_assert_uint_eq(advertised_within(1 * S), 0);
	ck_assert(all_open(&p));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ppp router advertisements");
	TCase *t = tcase_create("ra");
	SRunner *r;
	int failed;

	tcase_add_test(t, octets_of_an_advertisement);
	tcase_add_test(t, solicitations);
	tcase_add_test(t, when_they_are_sent);
	tcase_add_test(t, without_a_prefix_there_is_none);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
