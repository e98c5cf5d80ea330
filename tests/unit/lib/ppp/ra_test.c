// SPDX-License-Identifier: Apache-2.0
/*
 * Router advertisements and solicitations: octets, checksum, when the link sends them, what its client takes.
 */
#include "ppp/ra.h"

#include "lib/ppp/pair.h"

#define FIXED_AND_MTU (40 + 16 + 8)

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

static bool
is_ra(const struct flight *f)
{
	return get_u16(f->b) == PPP_IPV6 && f->b[2 + 40] == 134;
}

static unsigned
advertised(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p.flights; i++)
		n += is_ra(&p.flight[i]);
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
				n += is_ra(&p.flight[i]);
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

START_TEST(a_solicitation_of_ours)
{
	uint8_t b[48], source[16];

	ck_assert_uint_eq(ppp_rs_build(2, b, sizeof b), 48);
	ck_assert_mem_eq(b + 42, "\x7d\x35", 2); /* as the one above */
	ck_assert(ppp_rs_read(span_of(b, 48), source));
	ck_assert_uint_eq(ppp_rs_build(2, b, 47), 0);
}
END_TEST

static size_t
advertisement(uint32_t valid, uint32_t preferred, uint8_t len, uint8_t b[PPP_RA_MAX])
{
	static const uint8_t dns[1][16] = { { 0x20, 1, [15] = 0x53 } };
	const struct ppp_ra ra = { .local_iid = 1, .lifetime_s = 1800, .mtu = 1492, .prefix = { 0x20, 1, 0x0d, 0xb8 },
				   .prefix_len = len, .valid_s = valid, .preferred_s = preferred, .dns = dns,
				   .dns_count = 1, .dns_s = 5400 };

	return ppp_ra_build(&ra, b, PPP_RA_MAX);
}

START_TEST(what_is_taken_from_an_advertisement)
{
	uint8_t b[PPP_RA_MAX];
	struct ppp_ra_heard h;
	size_t n = advertisement(7200, 3600, 64, b);

	ck_assert(ppp_ra_read(span_of(b, n), &h));
	ck_assert_uint_eq(h.prefix_len, 64);
	ck_assert_mem_eq(h.prefix, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	ck_assert_uint_eq(h.valid_s, 7200);
	ck_assert_uint_eq(h.lifetime_s, 1800);
	ck_assert_uint_eq(h.dns_count, 1);
	ck_assert_uint_eq(h.dns[0][15], 0x53);
	for (size_t at = 0; at < n; at++)
		ck_assert(!ppp_ra_read(span_of(b, at), &h));
	for (size_t at = 4; at < n; at++) {
		b[at] ^= 0x20;
		ck_assert_msg(!ppp_ra_read(span_of(b, n), &h), "octet %zu", at);
		b[at] ^= 0x20;
	}
	b[8] = 0x20; /* not from a link-local address */
	finish(b, n);
	ck_assert(!ppp_ra_read(span_of(b, n), &h));
	n = advertisement(7200, 7201, 64, b); /* RFC 4862, 5.5.3 c */
	ck_assert(ppp_ra_read(span_of(b, n), &h) && h.prefix_len == 0);
	n = advertisement(7200, 3600, 60, b); /* no address can be made of it */
	ck_assert(ppp_ra_read(span_of(b, n), &h) && h.prefix_len == 0);
	n = advertisement(7200, 3600, 64, b);
	b[FIXED_AND_MTU + 16] = 0xfe; /* a link-local prefix */
	b[FIXED_AND_MTU + 17] = 0x80;
	finish(b, n);
	ck_assert(ppp_ra_read(span_of(b, n), &h) && h.prefix_len == 0);
}
END_TEST

START_TEST(a_client_takes_the_prefix)
{
	pair_init(&p, PPP_AUTH_NONE);
	p.server.conf.ra_ms = 0;
	dial(&p);
	run(&p, p.now + 1 * S);
	ck_assert(all_open(&p));
	ck_assert_uint_ge(p.client.prefixes, 1);
	ck_assert_mem_eq(p.client.prefix.prefix, p.server.net.prefix6, 16);
	ck_assert_uint_eq(p.server.prefixes, 0);
}
END_TEST

START_TEST(a_client_asks_until_it_hears)
{
	uint8_t frame[2 + PPP_RA_MAX] = { 0, 0x57 };
	unsigned asked = 0;

	pair_init(&p, PPP_AUTH_NONE);
	p.server.net.prefix6_len = 0;
	dial(&p);
	for (mono_t end = p.now + 60 * S; p.now < end;) {
		run(&p, p.now + 5 * MS);
		for (unsigned i = 0; i < p.flights; i++)
			if (get_u16(p.flight[i].b) == PPP_IPV6) {
				asked++;
				p.flight[i--] = p.flight[--p.flights];
			}
	}
	ck_assert_uint_eq(asked, 3); /* RFC 4861, 10 */
	ck_assert_uint_eq(p.client.prefixes, 0);
	feed(&p.client, span_of(frame, 2 + advertisement(100000, 3600, 64, frame + 2)));
	ck_assert_uint_eq(p.client.prefix.prefix_len, 64);
	run(&p, p.now + 50000 * S);
	feed(&p.client, span_of(frame, 2 + advertisement(0, 0, 64, frame + 2))); /* forged, or taken back: two hours are left */
	run(&p, p.now + 7100 * S);
	ck_assert_uint_eq(p.client.prefix.prefix_len, 64);
	feed(&p.client, span_of(frame, 2 + advertisement(0, 0, 64, frame + 2)));
	run(&p, p.now + 101 * S);
	ck_assert_uint_eq(p.client.prefix.prefix_len, 0);
}
END_TEST

START_TEST(a_client_asks_again_after_a_switchover)
{
	pair_init(&p, PPP_AUTH_NONE);
	p.server.conf.ra_ms = 0;
	dial(&p);
	run(&p, p.now + 20 * S);
	p.client.prefixes = 0;
	reload(&p.client);
	run(&p, p.now + 700 * S);
	ck_assert_uint_ge(p.client.prefixes, 1);
	ck_assert_uint_eq(p.client.prefix.prefix_len, 64);
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
	tcase_add_test(t, a_solicitation_of_ours);
	tcase_add_test(t, what_is_taken_from_an_advertisement);
	tcase_add_test(t, a_client_takes_the_prefix);
	tcase_add_test(t, a_client_asks_until_it_hears);
	tcase_add_test(t, a_client_asks_again_after_a_switchover);
	tcase_add_test(t, when_they_are_sent);
	tcase_add_test(t, without_a_prefix_there_is_none);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
