// SPDX-License-Identifier: Apache-2.0
/*
 * Two trunks facing each other: voice and other packets go in at one end and come out at the other as
 * they went in, whatever the way does.
 */
#include "trunk.h"

#include <check.h>
#include <stdlib.h>

#define MS MONO_MS
#define T0 (1000 * MONO_S)
#define QUEUE 4096

struct flight {
	uint16_t proto;
	uint16_t len;
	uint8_t tos;
	uint8_t b[2100];
};

struct end {
	struct trunk_sink sink;
	struct trunk *t;
	struct flight out[QUEUE]; /* frames sent and not yet carried */
	unsigned outs;
	uint8_t got[QUEUE][1600]; /* packets received */
	unsigned got_len[QUEUE], gots;
	unsigned others, frames[TRUNK_CLASSES];
	uint8_t room[CRTP_HEADROOM + 65536];
};

static struct end a, b;
static mono_t now;

static void
on_frame(struct trunk_sink *s, uint16_t proto, struct span info, uint8_t tos)
{
	struct end *e = (struct end *)s;
	struct flight *f = &e->out[e->outs++];

	ck_assert_uint_le(e->outs, QUEUE);
	ck_assert_uint_le(info.len, sizeof f->b);
	f->proto = proto;
	f->len = (uint16_t)info.len;
	f->tos = tos;
	memcpy(f->b, info.p, info.len);
	e->frames[tos == 0xb8]++;
}

static uint8_t *
on_room(struct trunk_sink *s, uint32_t len)
{
	return len <= 65536 ? ((struct end *)s)->room + CRTP_HEADROOM : NULL;
}

static void
on_packet(struct trunk_sink *s, uint16_t proto, uint8_t *p, uint32_t len)
{
	struct end *e = (struct end *)s;

	ck_assert_uint_eq(proto, p[0] >> 4 == 4 ? CRTP_PPP_IPV4 : CRTP_PPP_IPV6);
	ck_assert_uint_lt(e->gots, QUEUE);
	ck_assert_uint_le(len, 1600);
	memcpy(e->got[e->gots], p, len);
	e->got_len[e->gots++] = len;
}

static void
on_other(struct trunk_sink *s, uint16_t proto, struct span info)
{
	(void)proto;
	(void)info;
	((struct end *)s)->others++;
}

static void
end_begin(struct end *e, const struct trunk_conf *c)
{
	trunk_free(e->t);
	memset(e, 0, sizeof *e);
	e->sink = (struct trunk_sink){ on_frame, on_room, on_packet, on_other };
	e->t = trunk_new(c);
	ck_assert_ptr_nonnull(e->t);
}

static struct trunk_conf
whole(void)
{
	struct trunk_conf c = { .comp = crtp_comp_conf_default(), .dec = crtp_dec_conf_default(), .mux_send = true,
				.mux_recv = true, .recv_pid = CRTP_PPP_COMPRESSED_UDP_8 };

	c.comp.has_v4 = c.comp.has_v6 = c.dec.has_v4 = c.dec.has_v6 = true;
	c.comp.v4 = c.comp.v6 = c.dec.v4 = c.dec.v6 = crtp_params_default();
	c.comp.v4.non_tcp_space = c.comp.v6.non_tcp_space = c.dec.v4.non_tcp_space = c.dec.v6.non_tcp_space = 255;
	c.mux = (struct pppmux_config){ .default_pid = CRTP_PPP_COMPRESSED_UDP_8, .max_frame = 1450, .t = 5 * MS };
	return c;
}

static void
begin(const struct trunk_conf *c)
{
	end_begin(&a, c);
	end_begin(&b, c);
	now = T0;
}

/* G.729, 20 ms: 20 octets in RTP in UDP in IPv4. */
static unsigned
voice(uint8_t *p, unsigned flow, unsigned n, uint8_t tos)
{
	struct wr w = wr_of(p, 60);
	uint64_t sum = 0;

	wr_u8(&w, 0x45);
	wr_u8(&w, tos);
	wr_u16(&w, 60);
	wr_u16(&w, (uint16_t)(1000 * flow + n));
	wr_u16(&w, 0x4000);
	wr_u8(&w, 64);
	wr_u8(&w, 17);
	wr_u16(&w, 0);
	wr_u32(&w, 0x0a000000 + flow);
	wr_u32(&w, 0x0a010000 + flow);
	wr_u16(&w, (uint16_t)(16384 + 2 * flow));
	wr_u16(&w, (uint16_t)(20000 + 2 * flow));
	wr_u16(&w, 40);
	wr_u16(&w, 0);
	wr_u16(&w, 0x8012);
	wr_u16(&w, (uint16_t)(7 * flow + n));
	wr_u32(&w, 160 * n + flow);
	wr_u32(&w, 0x12345678 + flow);
	for (unsigned i = 0; i < 20; i++)
		wr_u8(&w, (uint8_t)(flow + 3 * n + i));
	for (unsigned i = 0; i < 20; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_u16(p + 10, (uint16_t)~sum);
	sum = 17 + 40;
	for (unsigned i = 12; i < 60; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_u16(p + 26, (uint16_t)~sum ? (uint16_t)~sum : 0xffff);
	return 60;
}

/* A packet that nobody compresses: TCP. */
static unsigned
tcp(uint8_t *p, unsigned len)
{
	struct wr w = wr_of(p, len);
	uint64_t sum = 0;

	memset(p, 0x5a, len);
	wr_u16(&w, 0x4500);
	wr_u16(&w, (uint16_t)len);
	wr_u32(&w, 0x00014000);
	wr_u16(&w, 0x4006);
	wr_u16(&w, 0);
	for (unsigned i = 0; i < 20; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_u16(p + 10, (uint16_t)~sum);
	return len;
}

static void
send(struct end *e, const uint8_t *packet, unsigned len)
{
	uint8_t copy[2048];

	memcpy(copy, packet, len);
	trunk_send(e->t, now, CRTP_PPP_IPV4, copy, len, packet[1], &e->sink);
}

/* Carries what `from` sent; every `lose`th frame goes missing (0: none). */
static void
carry(struct end *from, struct end *to, unsigned lose)
{
	static unsigned n;

	for (unsigned i = 0; i < from->outs; i++)
		if (!lose || ++n % lose)
			trunk_receive(to->t, now, from->out[i].proto, span_of(from->out[i].b, from->out[i].len), &to->sink);
	from->outs = 0;
}

static void
tick(mono_t by)
{
	now += by;
	trunk_timer(a.t, now, &a.sink);
	trunk_timer(b.t, now, &b.sink);
}

START_TEST(calls_come_out_as_they_went_in)
{
	struct trunk_conf c = whole();
	uint8_t p[60];

	begin(&c);
	for (unsigned n = 0; n < 100; n++) {
		for (unsigned flow = 0; flow < 100; flow++)
			send(&a, p, voice(p, flow, n, 0xb8));
		tick(20 * MS);
		carry(&a, &b, 0);
		ck_assert_uint_eq(b.gots, 100);
		for (unsigned flow = 0; flow < 100; flow++) {
			voice(p, flow, n, 0xb8);
			ck_assert_uint_eq(b.got_len[flow], 60);
			ck_assert_mem_eq(b.got[flow], p, 60);
		}
		b.gots = 0;
	}
	const struct trunk_stats *s = trunk_stats(a.t);
	ck_assert_uint_eq(s->packets[TRUNK_EF], 10000);
	ck_assert_uint_eq(s->octets_in, 600000);
	/* 25 octets a packet in the long run; the first ones carry full headers */
	ck_assert_uint_lt(s->octets_out, 10000 * 27);
	ck_assert_uint_gt(s->mux_packets, 9000);
	ck_assert_uint_eq(b.outs, 0);
}
END_TEST

/* RFC 4170, 2.4.1: no frame has both; order within a class. */
START_TEST(ef_and_the_rest_do_not_share_a_frame)
{
	struct trunk_conf c = whole();
	uint8_t p[60];

	begin(&c);
	for (unsigned n = 0; n < 20; n++) {
		send(&a, p, voice(p, 1, n, 0xb8));
		send(&a, p, voice(p, 2, n, 0x28));
		tick(20 * MS);
	}
	for (unsigned i = 0; i < a.outs; i++)
		ck_assert(a.out[i].tos == 0xb8 || a.out[i].tos == 0x28);
	ck_assert_uint_eq(a.frames[1], 20);
	carry(&a, &b, 0);
	ck_assert_uint_eq(b.gots, 40);
	/* the rest, mixed: its frame says nothing */
	send(&a, p, voice(p, 2, 20, 0x28));
	send(&a, p, voice(p, 3, 20, 0x48));
	tick(20 * MS);
	ck_assert_uint_eq(a.outs, 1);
	ck_assert_uint_eq(a.out[0].tos, 0);
}
END_TEST

/* A packet too large for the mux goes plain, behind what waited. */
START_TEST(order_is_kept_around_a_large_packet)
{
	struct trunk_conf c = whole();
	uint8_t p[1500], big[1500];

	begin(&c);
	for (unsigned i = 0; i < 3; i++)
		send(&a, p, voice(p, 1, i, 0));
	send(&a, big, tcp(big, 1492));
	send(&a, p, voice(p, 1, 3, 0));
	tick(20 * MS);
	carry(&a, &b, 0);
	ck_assert_uint_eq(b.gots, 5);
	ck_assert_uint_eq(b.got_len[3], 1492);
	ck_assert_mem_eq(b.got[3], big, 1492);
	voice(p, 1, 3, 0);
	ck_assert_mem_eq(b.got[4], p, 60);
}
END_TEST

/* T bounds what a packet waits (RFC 4170, 2.3.1), and the trunk says when to be woken. */
START_TEST(nobody_waits_longer_than_t)
{
	struct trunk_conf c = whole();
	uint8_t p[60];

	begin(&c);
	ck_assert_int_eq(trunk_due(a.t), MONO_NEVER);
	send(&a, p, voice(p, 1, 0, 0xb8));
	ck_assert_int_eq(trunk_due(a.t), now + 5 * MS);
	tick(4 * MS);
	ck_assert_uint_eq(a.outs, 0);
	tick(1 * MS);
	ck_assert_uint_eq(a.outs, 1);
	ck_assert_uint_eq(trunk_stats(a.t)->delay[6], 1); /* 4 to 8 ms */
	ck_assert_int_eq(trunk_due(a.t), MONO_NEVER);
	send(&a, p, voice(p, 1, 1, 0xb8));
	trunk_flush(a.t, now, &a.sink);
	ck_assert_uint_eq(a.outs, 2);
}
END_TEST

/* Frames go missing both ways: nothing wrong comes out, and it heals. */
START_TEST(losses_never_make_a_wrong_packet)
{
	struct trunk_conf c = whole();
	uint8_t p[60];
	unsigned sent = 0, got = 0;

	begin(&c);
	for (unsigned n = 0; n < 2000; n++) {
		for (unsigned flow = 0; flow < 10; flow++, sent++)
			send(&a, p, voice(p, flow, n, 0xb8));
		tick(20 * MS);
		carry(&a, &b, 17);
		carry(&b, &a, 3);
		for (unsigned i = 0; i < b.gots; i++, got++) {
			unsigned flow = get_u32(b.got[i] + 12) - 0x0a000000;
			unsigned k = (uint16_t)(get_u16(b.got[i] + 4) - 1000 * flow);
			ck_assert_uint_lt(flow, 10);
			voice(p, flow, k, 0xb8);
			ck_assert_mem_eq(b.got[i], p, 60);
		}
		b.gots = 0;
	}
	ck_assert_uint_gt(got, sent * 15 / 17);
	ck_assert_uint_lt(got, sent);
}
END_TEST

/* RFC 1661, 5.7: a peer that rejects CONTEXT_STATE hears none of it, whatever is lost; any other does. */
START_TEST(a_peer_that_is_not_asked)
{
	struct trunk_conf c = whole();
	uint8_t p[60];

	c.no_states = _i;
	begin(&c);
	for (unsigned n = 0; n < 60; n++) {
		send(&a, p, voice(p, 1, n, 0xb8));
		tick(20 * MS);
		if (n >= 20 && n < 25)
			a.outs = 0; /* more than N */
		carry(&a, &b, 0);
	}
	ck_assert((b.outs > 0) == !_i);
	ck_assert((trunk_stats(b.t)->states_sent > 0) == !_i);
}
END_TEST

START_TEST(without_multiplexing)
{
	struct trunk_conf c = whole();
	uint8_t p[60];

	c.mux_send = c.mux_recv = false;
	begin(&c);
	for (unsigned n = 0; n < 10; n++)
		send(&a, p, voice(p, 1, n, 0xb8));
	ck_assert_uint_eq(a.outs, 10);
	carry(&a, &b, 0);
	ck_assert_uint_eq(b.gots, 10);
	ck_assert(!trunk_takes(b.t, PPPMUX_PROTO));
	trunk_receive(b.t, now, PPPMUX_PROTO, span_of("\x01\xaa", 2), &b.sink);
}
END_TEST

/* Only one direction was agreed on: we may multiplex, and get plain packets. */
START_TEST(without_compression)
{
	struct trunk_conf c = whole();
	uint8_t p[60];

	c.comp.has_v4 = c.comp.has_v6 = c.dec.has_v4 = c.dec.has_v6 = false;
	begin(&c);
	for (unsigned n = 0; n < 10; n++)
		send(&a, p, voice(p, 1, n, 0xb8));
	tick(5 * MS);
	ck_assert_uint_eq(a.outs, 1);
	ck_assert_uint_eq(a.out[0].proto, PPPMUX_PROTO);
	ck_assert(!trunk_takes(b.t, CRTP_PPP_FULL_HEADER));
	carry(&a, &b, 0);
	ck_assert_uint_eq(b.gots, 10);
}
END_TEST

/* Control packets in a mux are the link's; faults of a mux are counted; nothing of it harms. */
START_TEST(what_else_a_mux_can_hold)
{
	struct trunk_conf c = whole();

	begin(&c);
	trunk_receive(b.t, now, PPPMUX_PROTO, span_of("\x86\x80\x21\x05\x01\x00\x04\x01\xaa\x7f", 10), &b.sink);
	ck_assert_uint_eq(b.others, 2); /* the second has the protocol of the first */
	ck_assert_uint_eq(trunk_stats(b.t)->mux_truncated, 1);
	trunk_receive(b.t, now, PPPMUX_PROTO, span_of("\x00\x01", 2), &b.sink);
	ck_assert_uint_eq(trunk_stats(b.t)->mux_empty, 1);
	trunk_receive(b.t, now, PPPMUX_PROTO, span_of("\x83\xc0\x21\x01", 4), &b.sink);
	ck_assert_uint_eq(trunk_stats(b.t)->mux_forbidden, 1);
	ck_assert_uint_eq(b.gots, 0);
}
END_TEST

/* Another one in the place of `e`, with the contexts that were written down so far. */
static void
promote(struct end *e, const struct trunk_conf *c)
{
	struct trunk *fresh = trunk_new(c);
	struct crtp_row row;

	ck_assert_ptr_nonnull(fresh);
	while (crtp_comp_export(trunk_comp(e->t), &row, 1))
		ck_assert(crtp_comp_import(trunk_comp(fresh), row.cid, span_of(row.b, row.len)));
	while (crtp_dec_export(trunk_dec(e->t), &row, 1))
		ck_assert(crtp_dec_import(trunk_dec(fresh), row.cid, span_of(row.b, row.len)));
	trunk_free(e->t);
	e->t = fresh;
}

/* The flow's time stamp has jumped: a talk spurt. */
static void
spurt(uint8_t *p, unsigned flow, unsigned n)
{
	uint64_t sum = 17 + 40;

	voice(p, flow, n, 0xb8);
	put_u32(p + 32, get_u32(p + 32) + 48000);
	put_u16(p + 26, 0);
	for (unsigned i = 12; i < 60; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_u16(p + 26, (uint16_t)~sum ? (uint16_t)~sum : 0xffff);
}

/*
 * b dies right after all of a's calls began to speak again; the gap takes every copy of that.  The standby need not
 * ask: a sees by its first packets that it is another, and tells.  One packet a call is lost beyond the gap.
 */
START_TEST(a_promoted_peer_need_not_ask)
{
	struct trunk_conf c = whole();
	uint8_t p[60];

	c.dec.checkpoint = 8;
	begin(&c);
	for (unsigned n = 0; n < 70; n++) {
		for (unsigned flow = 0; flow < 20; flow++) {
			if (n == 60 && flow == 0)
				promote(&b, &c);
			if (n < 60)
				voice(p, flow, n, 0xb8);
			else
				spurt(p, flow, n);
			send(&a, p, 60);
			if (n < 60 || n > 63)
				send(&b, p, voice(p, 50 + flow, n, 0xb8));
		}
		tick(20 * MS);
		if (n >= 60 && n <= 63)
			a.outs = 0; /* the gap; its first packets were the dead one's */
		b.gots = 0;
		carry(&a, &b, 0);
		carry(&b, &a, 0);
		ck_assert_uint_eq(b.gots, n < 60 || n > 64 ? 20 : 0);
	}
	ck_assert_uint_eq(a.gots, 66 * 20);
	ck_assert_uint_eq(trunk_stats(b.t)->states_sent, 0);
	ck_assert_uint_eq(trunk_stats(a.t)->states_sent, 0);
	ck_assert_uint_eq(crtp_comp_stats(trunk_comp(a.t))[CRTP_C_TOLD], 20);
	ck_assert_uint_eq(crtp_dec_stats(trunk_dec(b.t))[CRTP_D_BRIDGED], 20);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("trunk");
	TCase *tc = tcase_create("trunk");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(tc, calls_come_out_as_they_went_in);
	tcase_add_test(tc, ef_and_the_rest_do_not_share_a_frame);
	tcase_add_test(tc, order_is_kept_around_a_large_packet);
	tcase_add_test(tc, nobody_waits_longer_than_t);
	tcase_add_test(tc, losses_never_make_a_wrong_packet);
	tcase_add_loop_test(tc, a_peer_that_is_not_asked, 0, 2);
	tcase_add_test(tc, without_multiplexing);
	tcase_add_test(tc, without_compression);
	tcase_add_test(tc, what_else_a_mux_can_hold);
	tcase_add_test(tc, a_promoted_peer_need_not_ask);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	trunk_free(a.t);
	trunk_free(b.t);
	return failed != 0;
}
