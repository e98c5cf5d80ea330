// SPDX-License-Identifier: Apache-2.0
/* The compressor: what is left alone, who gets a context, what is refreshed and asked for. */
#include "lab.h"

static struct say
voice(uint16_t n)
{
	return (
	    struct say){ .rtp = true, .pt = 18, .seq = n, .ts = n * 160u, .id = n, .octets = 20 };
}

static uint64_t
stat_of(const struct ends *e, enum crtp_comp_stat which)
{
	return crtp_comp_stats(e->comp)[which];
}

START_TEST(what_must_not_be_compressed)
{
	struct ends *e = ends_of(true, 15, 2);
	struct packet k = make(voice(1)), other;

	other = k;
	put_u16(other.b + 6, 0x2000); /* first fragment */
	lab_checksums(&other, true);
	ck_assert_int_eq(compress(e, &other), CRTP_PLAIN);
	put_u16(other.b + 6, 5); /* later fragment */
	lab_checksums(&other, true);
	ck_assert_int_eq(compress(e, &other), CRTP_PLAIN);
	other = k;
	other.b[9] = 6; /* TCP */
	lab_checksums(&other, true);
	ck_assert_int_eq(compress(e, &other), CRTP_PLAIN);
	other = k;
	other.b[10] ^= 1; /* wrong IPv4 checksum */
	ck_assert_int_eq(compress(e, &other), CRTP_PLAIN);
	other = k;
	other.b[26] ^= 1; /* wrong UDP checksum */
	ck_assert_int_eq(compress(e, &other), CRTP_PLAIN);
	ck_assert_uint_eq(stat_of(e, CRTP_C_BAD_CHECKSUM), 1);
	other = k;
	put_u16(other.b + 24, 39); /* UDP shorter than IP */
	lab_checksums(&other, true);
	ck_assert_int_eq(compress(e, &other), CRTP_PLAIN);
	other = k;
	other.len = 27; /* no whole UDP header */
	put_u16(other.b + 2, 27);
	lab_checksums(&other, true);
	ck_assert_int_eq(compress(e, &other), CRTP_PLAIN);
	ck_assert_uint_eq(stat_of(e, CRTP_C_CONTEXTS), 0);
	ck_assert_uint_eq(stat_of(e, CRTP_C_PLAIN), 7);
	ends_free(e);
}
END_TEST

START_TEST(a_family_that_was_not_negotiated_stays_plain)
{
	struct crtp_params p = params(true, 15);
	struct crtp_comp_conf c = comp_conf(p, 2);
	struct ends *e;
	struct say s = voice(1);

	c.has_v6 = false;
	c.v4.no_non_tcp = true;
	e = ends_new(c, dec_conf(p));
	ck_assert_int_eq(carry(e, s), CRTP_PLAIN);
	s.v6 = true;
	ck_assert_int_eq(carry(e, s), CRTP_PLAIN);
	ends_free(e);
}
END_TEST

/* No suboption for RTP: RFC 2507 alone, without the data octet. */
START_TEST(without_rtp_compression_voice_is_non_tcp)
{
	struct crtp_params p = params(true, 15);
	struct ends *e;

	p.enhanced = p.rtp = false;
	e = ends_new(comp_conf(p, 2), dec_conf(p));
	ck_assert_int_eq(carry(e, voice(1)), CRTP_FULL);
	ck_assert_int_eq(carry(e, voice(2)), CRTP_NON_TCP);
	ck_assert_uint_eq(e->wire.len, 32 + 2 + 2 + 2); /* RTP; CID, generation; ID; checksum */
	ends_free(e);
}
END_TEST

START_TEST(a_header_larger_than_negotiated)
{
	struct crtp_params p = params(true, 15);
	struct ends *e;
	struct say s = voice(1);

	p.max_header = 40;
	e = ends_new(comp_conf(p, 2), dec_conf(p));
	ck_assert_int_eq(carry(e, s), CRTP_FULL);
	s.cc = 1; /* 44 octets: UDP is as far as it goes */
	s.seq++;
	for (unsigned i = 0; i < 3; i++)
		carry(e, s);
	ck_assert_int_eq(e->form, CRTP_FULL);
	ck_assert_int_eq(carry(e, s), CRTP_NON_TCP);
	s.v6 = true; /* 48 octets without RTP even */
	ck_assert_int_eq(carry(e, s), CRTP_PLAIN);
	ends_free(e);
}
END_TEST

/* RFC 3545, 2.3.1, the third table: 3 full headers, 3 COMPRESSED_UDP, COMPRESSED_RTP; a talkspurt.
 */
START_TEST(the_example_of_rfc_3545)
{
	struct ends *e = ends_of(true, 15, 2);
	struct say s = { .rtp = true, .octets = 10, .seq = 1, .ts = 10, .id = 1 };
	static const enum crtp_form forms[] = { CRTP_FULL, CRTP_FULL, CRTP_FULL, CRTP_UDP,
						CRTP_UDP,  CRTP_UDP,  CRTP_RTP,	 CRTP_RTP };

	for (unsigned i = 0; i < 8; i++, s.seq++, s.id++, s.ts += 10)
		ck_assert_int_eq(carry(e, s), forms[i]);
	s.ts += 2000;
	for (unsigned i = 0; i < 5; i++, s.seq++, s.id++, s.ts += 10) {
		ck_assert_int_eq(carry(e, s), i < 3 ? CRTP_UDP : CRTP_RTP);
		ck_assert_uint_eq(e->wire.len - 10, i < 3 ? 9 : 4); /* T alone, then nothing */
	}
	ends_free(e);
}
END_TEST

START_TEST(rfc_2508_tells_a_difference_once)
{
	struct ends *e = ends_of(false, 15, 0);

	ck_assert_int_eq(carry(e, voice(1)), CRTP_FULL);
	ck_assert_int_eq(carry(e, voice(2)), CRTP_RTP);
	ck_assert_uint_eq(e->wire.len - 20, 6);
	ck_assert_int_eq(carry(e, voice(3)), CRTP_RTP);
	ck_assert_uint_eq(e->wire.len - 20, 4);
	ends_free(e);
}
END_TEST

/* F_MAX_PERIOD 10: everything again in a COMPRESSED_UDP; each third time with full headers. */
START_TEST(refreshed_by_packets)
{
	struct crtp_params p = params(true, 15);
	struct crtp_comp_conf c;
	struct ends *e;
	unsigned full = 0;

	p.f_max_period = 10;
	c = comp_conf(p, 2);
	c.full_every = 3;
	e = ends_new(c, dec_conf(p));
	for (uint16_t n = 0; n < 60; n++)
		full += carry(e, voice(n)) == CRTP_FULL;
	ck_assert_uint_eq(full, 3 + 3);
	ck_assert_uint_ge(stat_of(e, CRTP_C_UDP_WHOLE), 2);
	ends_free(e);
}
END_TEST

START_TEST(refreshed_by_time)
{
	struct ends *e = ends_of(false, 15, 0);

	carry(e, voice(1));
	e->now += 5 * MONO_S - 3 * MONO_MS;
	ck_assert_int_eq(carry(e, voice(2)), CRTP_RTP);
	e->now += 3 * MONO_MS; /* never later than that, whatever a context's clock counts in */
	ck_assert_int_eq(carry(e, voice(3)), CRTP_FULL);
	ends_free(e);
}
END_TEST

START_TEST(zero_is_no_limit)
{
	struct crtp_params p = params(false, 15);
	struct ends *e;

	p.f_max_period = p.f_max_time = 0;
	e = ends_new(comp_conf(p, 0), dec_conf(p));
	carry(e, voice(0));
	for (uint32_t n = 1; n < 70000; n++, e->now += MONO_S) {
		struct say s = voice((uint16_t)n);
		s.ts = n * 160;
		ck_assert_int_eq(carry(e, s), CRTP_RTP);
	}
	ends_free(e);
}
END_TEST

/* RFC 2507, 3.3.1: |.|..|....|........| */
START_TEST(slow_start_of_non_tcp)
{
	struct ends *e = ends_of(true, 15, 2);
	struct say s = { .octets = 9, .sport = 7000 };
	static const char want[] = "|.|..|....|........|";

	for (unsigned i = 0; want[i]; i++, s.id++)
		ck_assert_int_eq(carry(e, s), want[i] == '|' ? CRTP_FULL : CRTP_NON_TCP);
	s.ttl = 5; /* a change starts it anew */
	ck_assert_int_eq(carry(e, s), CRTP_FULL);
	ck_assert_int_eq(carry(e, s), CRTP_NON_TCP);
	ck_assert_int_eq(carry(e, s), CRTP_FULL);
	ends_free(e);
}
END_TEST

START_TEST(constants_that_change_are_told_by_full_headers)
{
	struct ends *e = ends_of(true, 15, 2);
	struct say s = voice(0);

	for (uint16_t n = 0; n < 10; n++)
		carry(e, voice(n));
	for (uint16_t n = 10; n < 16; n++) {
		s = voice(n);
		s.tos = 0x20;
		ck_assert_int_eq(carry(e, s), n < 13 ? CRTP_FULL : CRTP_UDP);
	}
	s.seq++;
	s.id++;
	s.ts += 160;
	s.no_sum = true; /* RFC 3545, 2.2: C = 1 now */
	ck_assert_int_eq(carry(e, s), CRTP_FULL);
	ck_assert_uint_eq(get_u16(e->wire.p + 24) & 0x10, 0x10);
	s.seq++;
	s.no_sum = false;
	ck_assert_int_eq(carry(e, s), CRTP_FULL);
	ck_assert_uint_eq(get_u16(e->wire.p + 24) & 0x10, 0);
	ck_assert_uint_eq(stat_of(e, CRTP_C_CHANGED), 3);
	ends_free(e);
}
END_TEST

/* RFC 2507, 3.3: 64 generations take more than MIN_WRAP. */
START_TEST(generations_do_not_wrap_too_soon)
{
	struct ends *e = ends_of(true, 15, 0);
	struct say s = voice(0);
	unsigned full = 0;

	for (unsigned i = 0; i < 300; i++, e->now += 10 * MONO_MS) { /* three seconds */
		s.ttl = (uint8_t)(1 + i % 2);
		full += carry(e, s) == CRTP_FULL;
		s.seq++;
	}
	ck_assert_uint_lt(full, 64);
	ck_assert_uint_gt(stat_of(e, CRTP_C_WRAP), 100);
	ends_free(e);
}
END_TEST

START_TEST(contexts_are_taken_from_the_silent_only)
{
	struct ends *e = ends_of(true, 3, 0);
	struct say s = voice(1);

	for (s.host = 1; s.host <= 4; s.host++)
		ck_assert_int_eq(carry(e, s), CRTP_FULL);
	ck_assert_int_eq(carry(e, s), CRTP_PLAIN); /* a fifth one */
	ck_assert_uint_eq(stat_of(e, CRTP_C_NO_CONTEXT), 1);
	e->now += 3 * MONO_S;
	for (s.host = 1; s.host <= 3; s.host++)
		carry(e, s);
	s.host = 5;
	ck_assert_int_eq(carry(e, s), CRTP_FULL); /* instead of the fourth */
	ck_assert_uint_eq(e->wire.p[3], 3);
	ck_assert_uint_eq(e->wire.p[2] & 63, 2); /* RFC 2507, 8: its generation goes on */
	ck_assert_uint_eq(stat_of(e, CRTP_C_EVICTED), 1);
	s.host = 1;
	s.seq++;
	ck_assert_int_ne(carry(e, s), CRTP_PLAIN);
	e->now += 200 * MONO_S;
	crtp_comp_age(e->comp, e->now);
	ck_assert_uint_eq(stat_of(e, CRTP_C_CONTEXTS), 0);
	ends_free(e);
}
END_TEST

/* RFC 2508, 3.1: an SSRC that always changes uses up no more than a few contexts. */
START_TEST(what_only_looks_like_rtp)
{
	struct ends *e = ends_of(true, 255, 2);
	struct say s = voice(1);

	for (uint32_t i = 1; i <= 100; i++, s.id++) {
		s.ssrc = 7919 * i;
		carry(e, s);
	}
	ck_assert_uint_le(stat_of(e, CRTP_C_CONTEXTS), 10);
	ck_assert_uint_eq(stat_of(e, CRTP_C_NEGATIVE), 1);
	ck_assert_int_eq(carry(e, s), CRTP_NON_TCP);
	e->now += 61 * MONO_S; /* it may try again */
	s.ssrc = 1;
	ck_assert_int_eq(carry(e, s), CRTP_FULL);
	ends_free(e);
}
END_TEST

/* Fields all over the place, under one SSRC. */
START_TEST(what_does_not_behave_like_rtp)
{
	struct ends *e = ends_of(true, 255, 2);
	struct say s = voice(1);

	for (uint32_t i = 1; i <= 40; i++, s.id++) {
		s.seq = (uint16_t)(i * 7919);
		s.ts = i * 104729;
		s.first = i % 2 ? 0x80 : 0xb0;
		carry(e, s);
	}
	ck_assert_uint_eq(stat_of(e, CRTP_C_NEGATIVE), 1);
	ck_assert_uint_gt(stat_of(e, CRTP_C_NON_TCP), 5);
	ends_free(e);
}
END_TEST

START_TEST(a_context_that_is_asked_for_opens_anew_once)
{
	struct ends *e = ends_of(true, 15, 2);
	uint8_t ask[] = { 1, 1, 0, 0x80 | 5, 1 }, gone[] = { 1, 1, 9, 0x80, 1 };

	for (uint16_t n = 0; n < 10; n++)
		carry(e, voice(n));
	e->now += MONO_S;
	for (unsigned i = 0; i < 3; i++) /* N+1 times the same */
		ck_assert(crtp_comp_state(e->comp, e->now, span_of(ask, 5)));
	ck_assert(crtp_comp_state(e->comp, e->now, span_of(gone, 5))); /* no such context */
	ck_assert_uint_eq(stat_of(e, CRTP_C_REPAIRS), 1);
	for (uint16_t n = 10; n < 14; n++)
		ck_assert_int_eq(carry(e, voice(n)), n < 13 ? CRTP_FULL : CRTP_UDP);
	ck_assert(crtp_comp_state(e->comp, e->now + 200 * MONO_MS,
				  span_of(ask, 5))); /* crossed the answer */
	ck_assert_int_eq(carry(e, voice(14)), CRTP_UDP);
	e->now += 300 * MONO_MS; /* still: the answer was lost */
	ck_assert(crtp_comp_state(e->comp, e->now, span_of(ask, 5)));
	ck_assert_int_eq(carry(e, voice(15)), CRTP_FULL);
	ends_free(e);
}
END_TEST

START_TEST(advisory_and_tcp_requests_change_nothing)
{
	struct ends *e = ends_of(true, 15, 0);
	uint8_t advisory[] = { 1, 1, 0, 5, 1 }, tcp[] = { 3, 2, 7, 8 }, unknown[] = { 9, 0 };

	carry(e, voice(0));
	e->now += MONO_S;
	ck_assert(crtp_comp_state(e->comp, e->now, span_of(advisory, 5)));
	ck_assert(crtp_comp_state(e->comp, e->now, span_of(tcp, 4)));
	ck_assert(!crtp_comp_state(e->comp, e->now, span_of(tcp, 3)));
	ck_assert(!crtp_comp_state(e->comp, e->now, span_of(unknown, 2)));
	ck_assert(!crtp_comp_state(e->comp, e->now, span_of(unknown, 0)));
	ck_assert_uint_eq(stat_of(e, CRTP_C_REPAIRS), 0);
	ck_assert_int_eq(carry(e, voice(1)), CRTP_UDP);
	ends_free(e);
}
END_TEST

/* More CSRCs than are remembered are sent each time; fifteen are the most. */
START_TEST(lists_of_any_length)
{
	struct ends *classic = ends_of(false, 15, 0), *enhanced = ends_of(true, 15, 2);

	for (uint16_t n = 0; n < 200; n++) {
		struct say s = voice(n);
		s.cc = (uint8_t)(n / 10 % 16);
		s.v6 = n >= 160;
		carry(classic, s);
		carry(enhanced, s);
	}
	ends_free(classic);
	ends_free(enhanced);
}
END_TEST

static void
add(TCase *t)
{
	tcase_set_timeout(t, 120);
	tcase_add_test(t, what_must_not_be_compressed);
	tcase_add_test(t, a_family_that_was_not_negotiated_stays_plain);
	tcase_add_test(t, without_rtp_compression_voice_is_non_tcp);
	tcase_add_test(t, a_header_larger_than_negotiated);
	tcase_add_test(t, the_example_of_rfc_3545);
	tcase_add_test(t, rfc_2508_tells_a_difference_once);
	tcase_add_test(t, refreshed_by_packets);
	tcase_add_test(t, refreshed_by_time);
	tcase_add_test(t, zero_is_no_limit);
	tcase_add_test(t, slow_start_of_non_tcp);
	tcase_add_test(t, constants_that_change_are_told_by_full_headers);
	tcase_add_test(t, generations_do_not_wrap_too_soon);
	tcase_add_test(t, contexts_are_taken_from_the_silent_only);
	tcase_add_test(t, what_only_looks_like_rtp);
	tcase_add_test(t, what_does_not_behave_like_rtp);
	tcase_add_test(t, a_context_that_is_asked_for_opens_anew_once);
	tcase_add_test(t, advisory_and_tcp_requests_change_nothing);
	tcase_add_test(t, lists_of_any_length);
}

UNIT_MAIN("crtp compressor", add)
