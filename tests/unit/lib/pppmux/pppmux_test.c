// SPDX-License-Identifier: Apache-2.0
/*
 * PPP multiplexing: RFC 3153 clause by clause, and the timer of RFC 4170, 2.3.1.
 */
#include "pppmux/pppmux.h"

#include <check.h>
#include <stdlib.h>

#define MS MONO_MS
#define T0 (1000 * MONO_S)

static struct pppmux_tx tx;
static struct pppmux_frame f;

static void
begin(struct pppmux_config c)
{
	if (c.default_pid == 0)
		c.default_pid = 0x69;
	if (c.t == 0)
		c.t = 5 * MS;
	pppmux_tx_init(&tx, &c);
}

static enum pppmux_verdict
add(mono_t now, uint16_t proto, unsigned len)
{
	uint8_t info[PPPMUX_ROOM];

	memset(info, 0xd5, sizeof info);
	return pppmux_add(&tx, now, proto, info, len);
}

static struct pppmux_rx
opened(const void *p, size_t len)
{
	struct pppmux_rx rx;

	pppmux_rx_init(&rx, span_of(p, len), 0x69);
	return rx;
}

/* The frame of a vector: default PID 0069, six subframes. */
START_TEST(six_subframes)
{
	static const struct { uint16_t proto, len; uint8_t head[6]; } want[] = {
		{ 0x0069, 22, { 5, 2, 0xd5, 0xd5, 0xd5, 0xd5 } },
		{ 0x0069, 22, { 6, 0x0b, 0xd5, 0xd5, 0xd5, 0xd5 } },
		{ 0x0067, 34, { 5, 4, 0x80, 0, 0, 0 } },
		{ 0x2069, 23, { 1, 5, 6, 0xd5, 0xd5, 0xd5 } },
		{ 0x0021, 100, { 0x45 } },
		{ 0x0021, 40, { 0x45 } },
	};
	static const char heads[6][5] = { "\x16", "\x16", "\xa3\x67", "\x99\x20\x69", "\xc0\x65\x21", "\x28" };
	static const unsigned head_len[6] = { 1, 1, 2, 3, 3, 1 };
	uint8_t info[128], *p = info;
	unsigned at = 0;

	begin((struct pppmux_config){ 0 });
	for (unsigned i = 0; i < 6; i++) {
		memset(p, 0, sizeof info);
		memcpy(p, want[i].head, 6);
		ck_assert_int_eq(pppmux_add(&tx, T0, want[i].proto, info, want[i].len), PPPMUX_HELD);
	}
	ck_assert(pppmux_take(&tx, T0, &f));
	ck_assert_uint_eq(f.proto, PPPMUX_PROTO);
	ck_assert_uint_eq(f.count, 6);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_mem_eq(f.info.p + at, heads[i], head_len[i]);
		at += head_len[i] + want[i].len;
	}
	ck_assert_uint_eq(at, f.info.len);

	struct pppmux_rx rx = opened(f.info.p, f.info.len);
	struct span s;
	uint16_t proto;
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_int_eq(pppmux_next(&rx, &proto, &s), PPPMUX_OK);
		ck_assert_uint_eq(proto, want[i].proto);
		ck_assert_uint_eq(s.len, want[i].len);
		ck_assert_mem_eq(s.p, want[i].head, 6);
	}
	ck_assert_int_eq(pppmux_next(&rx, &proto, &s), PPPMUX_END);
}
END_TEST

START_TEST(the_first_subframe_takes_the_default_pid_in_every_frame)
{
	for (unsigned round = 0; round < 3; round++) {
		begin((struct pppmux_config){ 0 });
		add(T0, 0x21, 3);
		add(T0, 0x21, 3);
		ck_assert(pppmux_take(&tx, T0, &f));
		ck_assert_mem_eq(f.info.p, "\x84\x21", 2);
		ck_assert_uint_eq(f.info.p[5], 3);
		add(T0, 0x69, 1);
		add(T0, 0x69, 1);
		ck_assert(pppmux_take(&tx, T0, &f));
		ck_assert_mem_eq(f.info.p, "\x01\xd5\x01\xd5", 4);
	}
}
END_TEST

START_TEST(one_packet_alone_travels_plain)
{
	begin((struct pppmux_config){ 0 });
	ck_assert(!pppmux_take(&tx, T0, &f));
	add(T0, 0x2069, 100);
	ck_assert(pppmux_take(&tx, T0, &f));
	ck_assert_uint_eq(f.proto, 0x2069);
	ck_assert_uint_eq(f.info.len, 100);
	ck_assert_uint_eq(f.info.p[0], 0xd5);
	ck_assert_uint_eq(f.count, 1);
}
END_TEST

/* Where frames have a way of their own, one packet is a frame as well; with the default PID it costs an octet. */
START_TEST(one_packet_alone_multiplexed)
{
	begin((struct pppmux_config){ .alone = true, .default_pid = 0x69 });
	ck_assert(!pppmux_take(&tx, T0, &f));
	add(T0, 0x69, 20);
	ck_assert(pppmux_take(&tx, T0, &f));
	ck_assert_uint_eq(f.proto, PPPMUX_PROTO);
	ck_assert_uint_eq(f.info.len, 21);
	ck_assert_mem_eq(f.info.p, "\x14\xd5", 2);
	ck_assert_uint_eq(f.count, 1);
	add(T0, 0x2067, 20);
	ck_assert(pppmux_take(&tx, T0, &f));
	ck_assert_mem_eq(f.info.p, "\x96\x20\x67\xd5", 4);
}
END_TEST

/* LEN of one octet up to 63, of two from 64; the protocol field counts (1.1). */
START_TEST(the_length_field_grows)
{
	static const struct { uint16_t proto; unsigned len; const char *head; unsigned n; } want[] = {
		{ 0x69, 63, "\x3f", 1 }, { 0x69, 64, "\x40\x40", 2 }, { 0x21, 62, "\xbf\x21", 2 },
		{ 0x21, 63, "\xc0\x40\x21", 3 }, { 0x2067, 61, "\xbf\x20\x67", 3 }, { 0x69, 1000, "\x43\xe8", 2 },
	};

	for (unsigned i = 0; i < sizeof want / sizeof *want; i++) {
		begin((struct pppmux_config){ 0 });
		add(T0, want[i].proto, want[i].len);
		add(T0, 0x57, 1);
		ck_assert(pppmux_take(&tx, T0, &f));
		ck_assert_mem_eq(f.info.p, want[i].head, want[i].n);
		ck_assert_uint_eq(f.info.p[want[i].n], 0xd5);
		ck_assert_uint_eq(f.info.len, want[i].n + want[i].len + 3);
	}
}
END_TEST

/* MAX_SF_LEN, the MRU, and what may not be inside: order is kept by the verdicts. */
START_TEST(what_does_not_fit)
{
	begin((struct pppmux_config){ .max_subframe = 40, .max_frame = 100 });
	ck_assert_int_eq(add(T0, 0x69, 41), PPPMUX_PLAIN);
	ck_assert_int_eq(add(T0, 0x69, 40), PPPMUX_HELD);
	ck_assert_int_eq(add(T0, 0x69, 40), PPPMUX_HELD);
	ck_assert_int_eq(add(T0, 0x69, 18), PPPMUX_FULL);
	ck_assert_int_eq(add(T0, 0x69, 17), PPPMUX_READY); /* RFC 4170, 2.3.1: the octets are there */
	ck_assert(pppmux_take(&tx, T0, &f));
	ck_assert_uint_eq(f.info.len, 100);
	ck_assert_int_eq(add(T0, 0xc021, 4), PPPMUX_PLAIN);
	ck_assert_int_eq(add(T0, 0x0059, 4), PPPMUX_PLAIN);
	ck_assert_int_eq(add(T0, 0x003d, 4), PPPMUX_PLAIN);
	ck_assert_int_eq(add(T0, 0x0069, 0), PPPMUX_PLAIN);
	ck_assert_int_eq(add(T0, 0x0022, 4), PPPMUX_PLAIN); /* a reader would take it for the high octet */
	ck_assert_int_eq(add(T0, 0x0121, 4), PPPMUX_PLAIN);
	ck_assert_int_eq(add(T0, 0x8021, 4), PPPMUX_HELD);
	/* A limit beyond what can be is cut. */
	begin((struct pppmux_config){ .max_subframe = 65535, .max_frame = 65535 });
	ck_assert_int_eq(add(T0, 0x69, PPPMUX_ROOM - 1), PPPMUX_PLAIN);
	ck_assert_int_eq(add(T0, 0x69, PPPMUX_ROOM - 4), PPPMUX_HELD);
	ck_assert_int_eq(add(T0, 0x69, 1), PPPMUX_READY);
	ck_assert_int_eq(add(T0, 0x69, 1), PPPMUX_FULL);
}
END_TEST

START_TEST(a_count_ends_a_frame)
{
	begin((struct pppmux_config){ .max_count = 3 });
	ck_assert_int_eq(add(T0, 0x69, 20), PPPMUX_HELD);
	ck_assert_int_eq(add(T0, 0x69, 20), PPPMUX_HELD);
	ck_assert_int_eq(add(T0, 0x69, 20), PPPMUX_READY);
}
END_TEST

/* T is started anew by a transmission; a packet after a silence starts it; nobody waits longer. */
START_TEST(the_timer)
{
	begin((struct pppmux_config){ .t = 5 * MS });
	ck_assert_int_eq(pppmux_due(&tx), MONO_NEVER);
	ck_assert_int_eq(add(T0, 0x69, 20), PPPMUX_HELD);
	ck_assert_int_eq(pppmux_due(&tx), T0 + 5 * MS);
	ck_assert_int_eq(add(T0 + 4 * MS, 0x69, 20), PPPMUX_HELD);
	ck_assert_int_eq(pppmux_due(&tx), T0 + 5 * MS);
	ck_assert_int_eq(add(T0 + 5 * MS, 0x69, 20), PPPMUX_READY);
	ck_assert(pppmux_take(&tx, T0 + 5 * MS, &f));
	ck_assert_int_eq(pppmux_due(&tx), MONO_NEVER);
	ck_assert_int_eq(add(T0 + 7 * MS, 0x69, 20), PPPMUX_HELD);
	ck_assert_int_eq(pppmux_due(&tx), T0 + 10 * MS);
	ck_assert(pppmux_take(&tx, T0 + 10 * MS, &f));
	ck_assert_int_eq(add(T0 + 90 * MS, 0x69, 20), PPPMUX_HELD);
	ck_assert_int_eq(pppmux_due(&tx), T0 + 95 * MS);
}
END_TEST

START_TEST(without_a_timer_nothing_is_held)
{
	struct pppmux_config c = { .default_pid = 0x69 };

	pppmux_tx_init(&tx, &c);
	ck_assert_int_eq(add(T0, 0x69, 20), PPPMUX_READY);
}
END_TEST

/* 28 octets outside; at 20 % or less of the whole it is worth sending. */
START_TEST(worth_sending)
{
	begin((struct pppmux_config){ .overhead = 28, .worth = 20 });
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(add(T0, 0x69, 24), PPPMUX_HELD);	/* 25 each: 28 of 128 */
	ck_assert_int_eq(add(T0, 0x69, 24), PPPMUX_READY);		/* 28 of 153 */
	begin((struct pppmux_config){ .overhead = 28 });
	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(add(T0, 0x69, 24), PPPMUX_HELD);
}
END_TEST

/* 1.3: what came before a wrong length stays good. */
START_TEST(wrong_lengths)
{
	static const struct { const char *p; unsigned len; enum pppmux_fault then; } bad[] = {
		{ "\x01\xaa\x05\x01\x02\x03\x04", 7, PPPMUX_TRUNCATED },
		{ "\x01\xaa\x40", 3, PPPMUX_TRUNCATED },
		{ "\x01\xaa\x7f\xff\x00", 5, PPPMUX_TRUNCATED },
		{ "\x01\xaa\x00\x01\xbb", 5, PPPMUX_EMPTY },
		{ "\x01\xaa\x40\x00", 4, PPPMUX_EMPTY },
		{ "\x01\xaa\x80\x21", 4, PPPMUX_EMPTY },
		{ "\x01\xaa\x81\x20\x67", 5, PPPMUX_EMPTY },
		{ "\x01\xaa\x83\xc0\x21\x00\x01\xbb", 8, PPPMUX_FORBIDDEN },
		{ "\x01\xaa\x82\x59\x00\x01\xbb", 7, PPPMUX_FORBIDDEN },
	};

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct pppmux_rx rx = opened(bad[i].p, bad[i].len);
		struct span s;
		uint16_t proto;
		ck_assert_int_eq(pppmux_next(&rx, &proto, &s), PPPMUX_OK);
		ck_assert_uint_eq(proto, 0x69);
		ck_assert_uint_eq(s.len, 1);
		ck_assert_int_eq(pppmux_next(&rx, &proto, &s), bad[i].then);
		if (bad[i].then != PPPMUX_FORBIDDEN)
			ck_assert_int_eq(pppmux_next(&rx, &proto, &s), PPPMUX_END);
	}
	struct pppmux_rx rx = opened(NULL, 0);
	struct span s;
	uint16_t proto;
	ck_assert_int_eq(pppmux_next(&rx, &proto, &s), PPPMUX_END);
}
END_TEST

/* A protocol field in the long form is taken too (1.1: the receiver MUST support both). */
START_TEST(protocol_fields_of_both_lengths)
{
	struct pppmux_rx rx = opened("\x83\x00\x21\xaa\x82\x21\xbb\x82\x57\xcc\x01\xdd", 12);
	static const uint16_t want[] = { 0x21, 0x21, 0x57, 0x57 };
	struct span s;
	uint16_t proto;

	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(pppmux_next(&rx, &proto, &s), PPPMUX_OK);
		ck_assert_uint_eq(proto, want[i]);
		ck_assert_uint_eq(s.p[0], 0xaa + 0x11 * i);
	}
}
END_TEST

/* Whatever is put in comes out, in order, through frames no larger than asked for. */
START_TEST(any_packets_come_back)
{
	static const uint16_t protos[] = { 0x69, 0x67, 0x2065, 0x21, 0x57, 0x2069 };
	struct { uint16_t proto, len; uint8_t first; } sent[64];
	uint8_t info[400];

	srand(7);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned n = 0, got = 0, max = 50 + (unsigned)rand() % 1400;
		begin((struct pppmux_config){ .max_frame = (uint16_t)max });
		for (;;) {
			uint16_t proto = protos[rand() % 6];
			unsigned len = (unsigned)rand() % 90;
			memset(info, rand(), sizeof info);
			enum pppmux_verdict v = pppmux_add(&tx, T0, proto, info, len);
			if (v == PPPMUX_FULL || n == 64)
				break;
			if (v == PPPMUX_PLAIN)
				continue;
			sent[n].proto = proto;
			sent[n].len = (uint16_t)len;
			sent[n++].first = info[0];
			if (n == 64)
				break;
		}
		ck_assert(pppmux_take(&tx, T0, &f));
		ck_assert_uint_le(f.info.len, max);
		ck_assert_uint_eq(f.count, n);
		if (n == 1) {
			ck_assert_uint_eq(f.proto, sent[0].proto);
			continue;
		}
		struct pppmux_rx rx = opened(f.info.p, f.info.len);
		struct span s;
		uint16_t proto;
		for (; pppmux_next(&rx, &proto, &s) == PPPMUX_OK; got++) {
			ck_assert_uint_eq(proto, sent[got].proto);
			ck_assert_uint_eq(s.len, sent[got].len);
			if (s.len)
				ck_assert_uint_eq(s.p[0], sent[got].first);
		}
		ck_assert_uint_eq(got, n);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pppmux");
	TCase *tc = tcase_create("rfc3153");

	tcase_add_test(tc, six_subframes);
	tcase_add_test(tc, the_first_subframe_takes_the_default_pid_in_every_frame);
	tcase_add_test(tc, one_packet_alone_travels_plain);
	tcase_add_test(tc, one_packet_alone_multiplexed);
	tcase_add_test(tc, the_length_field_grows);
	tcase_add_test(tc, what_does_not_fit);
	tcase_add_test(tc, a_count_ends_a_frame);
	tcase_add_test(tc, the_timer);
	tcase_add_test(tc, without_a_timer_nothing_is_held);
	tcase_add_test(tc, worth_sending);
	tcase_add_test(tc, wrong_lengths);
	tcase_add_test(tc, protocol_fields_of_both_lengths);
	tcase_add_test(tc, any_packets_come_back);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
