// SPDX-License-Identifier: Apache-2.0
/* Messages are packed and unpacked as protobuf-c does it, octet for octet. */
#include "base/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "punt.pb-c.h"
#include "rows.pb-c.h"
#include "sync.pb-c.h"

static struct arena a;
static uint8_t room[65536], theirs[65536];

static void
setup(void)
{
	arena_init(&a, 0);
}

static void
teardown(void)
{
	arena_fini(&a);
}

/* Packed by both, unpacked by ours, packed by theirs: all the same. */
static void
both_agree(const ProtobufCMessage *m)
{
	struct span ours = message_pack(m, room, sizeof room);
	size_t n = protobuf_c_message_pack(m, theirs);

	ck_assert_ptr_nonnull(ours.p);
	ck_assert_uint_eq(ours.len, n);
	ck_assert_mem_eq(ours.p, theirs, n);
	ProtobufCMessage *again = message_unpack(&a, m->descriptor, ours);
	ck_assert_ptr_nonnull(again);
	ck_assert_uint_eq(protobuf_c_message_pack(again, theirs), n);
	ck_assert_mem_eq(ours.p, theirs, n);
}

START_TEST(a_row_with_everything_in_it)
{
	static uint8_t octets[] = { 1, 2, 3, 0, 200 };
	ProtobufCBinaryData list[] = { { 2, octets }, { 0, NULL }, { 5, octets } };
	Row__Subscriber s = ROW__SUBSCRIBER__INIT;

	both_agree(&s.base);
	s.tunnel = 127;
	s.session = 128;
	s.user = (char *)"someone@example.net";
	s.since = UINT64_MAX;
	s.forwarding = true;
	s.ipv4 = (ProtobufCBinaryData){ 4, octets };
	s.ipv6_iid_peer = 1ull << 63;
	s.class_ = list;
	s.n_class_ = 3;
	s.routes = list;
	s.n_routes = 1;
	s.authentic = UINT32_MAX;
	both_agree(&s.base);
}
END_TEST

START_TEST(repeated_numbers_are_packed)
{
	uint64_t v[] = { 0, 1, 127, 128, 1ull << 35, UINT64_MAX };
	Row__Usage u = ROW__USAGE__INIT;

	u.worker_base = v;
	for (u.n_worker_base = 0; u.n_worker_base <= 6; u.n_worker_base++)
		both_agree(&u.base);
	u.n_worker_base = 6;
	Row__Usage *got = (Row__Usage *)message_unpack(&a, &row__usage__descriptor,
						       message_pack(&u.base, room, sizeof room));
	ck_assert_uint_eq(got->n_worker_base, 6);
	ck_assert_mem_eq(got->worker_base, v, sizeof v);
}
END_TEST

START_TEST(messages_within_messages)
{
	static uint8_t octets[300];
	Punt__Frame f[3], *frames[3];
	Punt__Usage u = PUNT__USAGE__INIT, *usage[] = { &u };
	Punt__ToOwner m = PUNT__TO_OWNER__INIT;

	for (int i = 0; i < 3; i++) {
		punt__frame__init(&f[i]);
		f[i].tunnel = (uint32_t)i;
		f[i].octets = (ProtobufCBinaryData){ (size_t)i * 100, octets };
		frames[i] = &f[i];
	}
	u.in_octets = 1ull << 40;
	m.n_frames = 3;
	m.frames = frames;
	m.n_usage = 1;
	m.usage = usage;
	m.hello = true;
	both_agree(&m.base);
}
END_TEST

START_TEST(one_of_several)
{
	uint8_t key[] = "k", row[] = "row";
	Sync__Record r;

	sync__record__init(&r);
	r.table = 5;
	r.key = (ProtobufCBinaryData){ 1, key };
	both_agree(&r.base);
	r.change_case = SYNC__RECORD__CHANGE_REMOVED;
	both_agree(&r.base); /* chosen although it is false */
	r.removed = true;
	both_agree(&r.base);
	r.change_case = SYNC__RECORD__CHANGE_ROW;
	r.row = (ProtobufCBinaryData){ 3, row };
	both_agree(&r.base);
	r.row.len = 0;
	both_agree(&r.base);
}
END_TEST

/* A field of a newer version is kept, as protobuf-c keeps it, and goes out again. */
START_TEST(what_a_newer_version_wrote_is_kept)
{
	static const uint8_t newer[] = { 0x08, 7, 0xf8, 0x07, 1 }; /* id = 7, field 127 */
	Row__Tunnel *t = (Row__Tunnel *)message_unpack(&a, &row__tunnel__descriptor,
						       span_of(newer, sizeof newer));

	ck_assert_ptr_nonnull(t);
	ck_assert_uint_eq(t->id, 7);
	ck_assert_uint_eq(t->base.n_unknown_fields, 1);
	struct span again = message_pack(&t->base, room, sizeof room);
	ck_assert_uint_eq(again.len, sizeof newer);
	ck_assert_mem_eq(again.p, newer, sizeof newer);
}
END_TEST

START_TEST(what_is_no_such_message_is_refused)
{
	static const struct {
		size_t len;
		uint8_t b[8];
	} bad[] = {
		{ 1, { 0x08 } },			/* a tag without its value */
		{ 3, { 0x3a, 5, 'x' } },		/* octets that end early */
		{ 2, { 0x0b, 0 } },			/* a group */
		{ 2, { 0x00, 0 } },			/* field 0 */
		{ 3, { 0x0a, 1, 'x' } },		/* a number that is octets */
		{ 6, { 0xff, 0xff, 0xff, 0xff, 0xff, 1 } }, /* a tag without end */
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ProtobufCMessage *t = protobuf_c_message_unpack(&row__tunnel__descriptor, NULL,
								bad[i].len, bad[i].b);
		ck_assert_msg(!message_unpack(&a, &row__tunnel__descriptor,
					      span_of(bad[i].b, bad[i].len)) == !t,
			      "case %zu", i);
		if (t)
			protobuf_c_message_free_unpacked(t, NULL);
	}
}
END_TEST

START_TEST(too_little_room)
{
	Row__Tunnel t = ROW__TUNNEL__INIT;
	size_t n;

	t.id = 300;
	t.profile = (char *)"a profile's name";
	n = protobuf_c_message_get_packed_size(&t.base);
	for (size_t i = 0; i < n; i++)
		ck_assert_ptr_null(message_pack(&t.base, room, i).p);
	ck_assert_ptr_nonnull(message_pack(&t.base, room, n).p);
	arena_fini(&a);
	arena_init(&a, 64);
	ck_assert_ptr_null(message_unpack(&a, &row__tunnel__descriptor, message_pack(&t.base, room, n)));
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_row_with_everything_in_it);
	tcase_add_test(t, repeated_numbers_are_packed);
	tcase_add_test(t, messages_within_messages);
	tcase_add_test(t, one_of_several);
	tcase_add_test(t, what_a_newer_version_wrote_is_kept);
	tcase_add_test(t, what_is_no_such_message_is_refused);
	tcase_add_test(t, too_little_room);
}

UNIT_MAIN("message", add)
