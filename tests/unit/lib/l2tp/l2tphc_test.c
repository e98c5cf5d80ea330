// SPDX-License-Identifier: Apache-2.0
/*
 * L2TPHC: the AVPs of drafts -03 and -05, what two ends agree on, and packets.
 */
#include <check.h>

#include "l2tp/l2tphc.h"

static uint8_t buf[512];
static struct l2tp_msg msg;
static struct wr w;
static struct l2tp_wr m;
static struct l2tphc_offer got;
static struct l2tphc_form form;

static const struct l2tphc_offer plain = { .no_header = true },
				 tcrtp = { .no_header = true,
					   .has_protocol = true,
					   .protocol = 0x0059 },
				 id0 = { .has_session = true },
				 id1 = { .has_session = true, .id_octets = 1, .session = 0xab },
				 id2 = { .has_session = true, .id_octets = 2, .session = 0xabcd },
				 id0_tcrtp = { .has_session = true,
					       .no_header = true,
					       .has_protocol = true,
					       .protocol = 0x0059 };

static void
start(void)
{
	w = wr_of(buf, sizeof buf);
	l2tp_msg_begin(&m, &w, L2TP_ICRP, 1, 2);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 3);
}

static bool
finish(const struct l2tphc_numbers *n)
{
	ck_assert(l2tp_msg_end(&m, 0, 0));
	ck_assert_int_eq(l2tp_msg_read(wr_span(&w), span_of(NULL, 0), &msg), L2TP_OK);
	return l2tphc_offer_read(&msg, n, &got);
}

static void
check_offer(const struct l2tphc_numbers *n, const struct l2tphc_offer *o)
{
	start();
	l2tphc_offer_write(&m, n, o);
	ck_assert(finish(n));
	ck_assert(got.has_session == o->has_session && got.id_octets == o->id_octets &&
		  got.session == o->session && got.no_header == o->no_header &&
		  got.has_protocol == o->has_protocol && got.protocol == o->protocol);
}

START_TEST(offers_are_read_as_written)
{
	static const struct l2tphc_numbers draft_06 = { 0, 0, 60001, 60002 };

	check_offer(&l2tphc_draft_05, &plain);
	check_offer(&l2tphc_draft_05, &tcrtp);
	check_offer(&draft_06, &plain);
	check_offer(&draft_06, &tcrtp);
	check_offer(&l2tphc_draft_03, &id0);
	check_offer(&l2tphc_draft_03, &id1);
	check_offer(&l2tphc_draft_03, &id2);
	check_offer(&l2tphc_draft_03, &id0_tcrtp);
}
END_TEST

/* The pictures in section 3.2 of -05. */
START_TEST(octets_of_draft_05)
{
	static const uint8_t due[] = { 0, 6, 0, 9, 0, 1, 0, 8, 0, 9, 0, 2, 0, 0x59 };

	start();
	const size_t before = wr_len(&w);
	l2tphc_offer_write(&m, &l2tphc_draft_05, &tcrtp);
	ck_assert_uint_eq(wr_len(&w) - before, sizeof due);
	ck_assert_mem_eq(buf + before, due, sizeof due);
}
END_TEST

static void
check_refused(const struct l2tphc_numbers *n, struct l2tphc_offer o)
{
	start();
	l2tphc_offer_write(&m, n, &o);
	ck_assert(!l2tp_msg_end(&m, 0, 0));
}

START_TEST(offers_that_cannot_be_made)
{
	check_refused(&l2tphc_draft_05, (struct l2tphc_offer){ 0 });
	check_refused(&l2tphc_draft_05, id0);
	check_refused(&l2tphc_draft_05, (struct l2tphc_offer){ .has_protocol = true });
	check_refused(&l2tphc_draft_03, plain);
	check_refused(&l2tphc_draft_03,
		      (struct l2tphc_offer){ .has_session = true, .id_octets = 3 });
	check_refused(&l2tphc_draft_03,
		      (struct l2tphc_offer){ .has_session = true, .id_octets = 1, .session = 256 });
	check_refused(
	    &l2tphc_draft_03,
	    (struct l2tphc_offer){ .has_session = true, .id_octets = 1, .no_header = true });
}
END_TEST

/* Attributes 1 and 2 of vendor 9 mean other things in the other draft. */
START_TEST(offers_of_another_draft_are_none)
{
	start();
	l2tphc_offer_write(&m, &l2tphc_draft_05, &tcrtp);
	ck_assert(!finish(&l2tphc_draft_03));
	start();
	l2tphc_offer_write(&m, &l2tphc_draft_03, &id1);
	ck_assert(!finish(&l2tphc_draft_05));
	start();
	l2tphc_offer_write(&m, &l2tphc_draft_03, &id0_tcrtp);
	ck_assert(!finish(&l2tphc_draft_05));
	start();
	ck_assert(!finish(&l2tphc_draft_05));
}
END_TEST

START_TEST(avps_out_of_order_or_twice_are_no_offer)
{
	start();
	l2tp_avp_raw(&m, 9, 2, false, false, "\0\x59", 2);
	l2tp_avp_raw(&m, 9, 1, false, false, NULL, 0);
	ck_assert(!finish(&l2tphc_draft_05));
	start();
	l2tp_avp_raw(&m, 9, 1, false, false, NULL, 0);
	l2tp_avp_raw(&m, 9, 1, false, false, NULL, 0);
	ck_assert(!finish(&l2tphc_draft_05));
	start();
	l2tp_avp_raw(&m, 9, 1, false, false, "x", 1);
	ck_assert(!finish(&l2tphc_draft_05));
	start();
	l2tp_avp_raw(&m, 9, 77, false, false, "x", 1); /* something else of that vendor */
	l2tp_avp_raw(&m, 9, 1, false, false, NULL, 0);
	ck_assert(finish(&l2tphc_draft_05));
}
END_TEST

START_TEST(what_both_ends_said_counts)
{
	static const struct l2tphc_offer nothing,
	    other = { .no_header = true, .has_protocol = true, .protocol = 0x21 };

	ck_assert(!l2tphc_agree(&plain, &nothing, &form));
	ck_assert(!l2tphc_agree(&nothing, &plain, &form));
	ck_assert(l2tphc_agree(&plain, &tcrtp, &form));
	ck_assert(!form.header && !form.bare);
	ck_assert(l2tphc_agree(&other, &tcrtp, &form));
	ck_assert(!form.bare);
	ck_assert(l2tphc_agree(&tcrtp, &tcrtp, &form));
	ck_assert(!form.header && form.bare && form.protocol == 0x59);
	ck_assert(l2tphc_agree(&id0_tcrtp, &id1, &form));
	ck_assert(form.header && !form.bare);
	ck_assert(form.send_octets == 1 && form.send_session == 0xab && form.receive_octets == 0);
}
END_TEST

static void
check_header(const struct l2tphc_offer *peer, bool priority, const char *octets, size_t n)
{
	struct l2tphc_packet p;

	ck_assert(l2tphc_agree(&id0, peer, &form));
	w = wr_of(buf, sizeof buf);
	l2tphc_write(&w, &form, priority);
	ck_assert_uint_eq(wr_len(&w), n);
	ck_assert_mem_eq(buf, octets, n);
	ck_assert(!l2tphc_read(span_of(buf, n - 1), true, &p));
	wr_bytes(&w, "frame", 5);
	ck_assert(l2tphc_read(wr_span(&w), true, &p));
	ck_assert_uint_eq(p.session, peer->session);
	ck_assert_uint_eq(p.priority, priority);
	ck_assert(span_eq(p.frame, span_of("frame", 5)));
}

START_TEST(headers_of_draft_03)
{
	struct l2tphc_packet p;

	check_header(&id0, false, "\x00", 1);
	check_header(&id0, true, "\x80", 1);
	check_header(&id1, false, "\x40\xab", 2);
	check_header(&id2, true, "\xe0\xab\xcd", 3);
	for (unsigned b = 0; b < 256; b++) {
		buf[0] = (uint8_t)b;
		ck_assert_uint_eq(l2tphc_read(span_of(buf, 9), true, &p),
				  !(b & 0x1f) && (b & 0x60) != 0x20);
	}
}
END_TEST

START_TEST(frames_go_without_a_header)
{
	struct l2tphc_packet p;
	struct span body;

	ck_assert(l2tphc_agree(&plain, &plain, &form));
	ck_assert(l2tphc_fits(&form, span_of("\xff\x03\xc0\x21\1", 5), &body) && body.len == 5);
	ck_assert(!l2tphc_fits(&form, span_of("", 0), &body));
	w = wr_of(buf, sizeof buf);
	l2tphc_write(&w, &form, true);
	ck_assert_uint_eq(wr_len(&w), 0);
	ck_assert(l2tphc_read(span_of("\x59\x05", 2), false, &p));
	ck_assert(p.frame.len == 2 && p.session == 0 && !p.priority);
}
END_TEST

START_TEST(only_frames_of_the_protocol_go_bare)
{
	static const struct {
		const char *octets;
		size_t len, body;
	} frame[] = {
		{ "\xff\x03\x00\x59xyz", 7, 3 },
		{ "\xff\x03\x59xyz", 6, 3 },
		{ "\x00\x59xyz", 5, 3 },
		{ "\x59xyz", 4, 3 },
		{ "\xff\x03\xc0\x21xyz", 7, 0 },
		{ "\x21xyz", 4, 0 },
		{ "\x59", 1, 0 },
		{ "\xff\x03", 2, 0 },
		{ "\x00", 1, 0 },
		{ "", 0, 0 },
	};
	struct span body;

	ck_assert(l2tphc_agree(&tcrtp, &tcrtp, &form));
	for (size_t i = 0; i < sizeof frame / sizeof frame[0]; i++) {
		const bool fits = l2tphc_fits(&form, span_of(frame[i].octets, frame[i].len), &body);
		ck_assert_msg(fits == (frame[i].body > 0), "frame %zu", i);
		ck_assert(!fits || span_eq(body, span_of("xyz", 3)));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tphc");
	TCase *t = tcase_create("l2tphc");

	tcase_add_test(t, offers_are_read_as_written);
	tcase_add_test(t, octets_of_draft_05);
	tcase_add_test(t, offers_that_cannot_be_made);
	tcase_add_test(t, offers_of_another_draft_are_none);
	tcase_add_test(t, avps_out_of_order_or_twice_are_no_offer);
	tcase_add_test(t, what_both_ends_said_counts);
	tcase_add_test(t, headers_of_draft_03);
	tcase_add_test(t, frames_go_without_a_header);
	tcase_add_test(t, only_frames_of_the_protocol_go_bare);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
