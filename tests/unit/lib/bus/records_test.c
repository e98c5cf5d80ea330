// SPDX-License-Identifier: Apache-2.0
/* Records frames: what we write protobuf-c reads, what protobuf-c writes we read, and nothing by
 * half. */
#include "bus/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"
#include "rows.pb-c.h"
#include "sync.pb-c.h"

static struct batch *b;

static void
setup(void)
{
	b = batch_new();
	ck_assert_ptr_nonnull(b);
}

static void
teardown(void)
{
	batch_free(b);
}

static void
put(uint16_t tunnel, const char *row)
{
	struct key k = key_tunnel(tunnel);

	ck_assert(batch_put_packed(b, TABLE_TUNNEL_SEQ, key_span(&k),
				   row ? span_of(row, strlen(row)) : span_of(NULL, 0), !row));
}

static void
put_leading(uint16_t tunnel, const char *row)
{
	struct key k = key_tunnel(tunnel);

	ck_assert(batch_put_packed(b, TABLE_TUNNEL, key_span(&k),
				   row ? span_of(row, strlen(row)) : span_of(NULL, 0), !row));
}

/* "tunnel=row tunnel=- ..." of a frame. */
static const char *
story(struct span frame)
{
	static char out[4096];
	struct records rs;
	struct record r;
	uint32_t n = 0;

	out[0] = 0;
	ck_assert(records_open(frame, &rs));
	while (records_next(&rs, &r)) {
		sprintf(out + strlen(out), "%u=%.*s ", get_u16(r.key.p),
			r.removed ? 1 : (int)r.row.len, r.removed ? "-" : (const char *)r.row.p);
		n++;
	}
	ck_assert_uint_eq(n, rs.count);
	return out;
}

START_TEST(protobuf_c_reads_what_we_write)
{
	Row__TunnelSeq row = ROW__TUNNEL_SEQ__INIT;
	struct key k = key_tunnel(300);

	row.ns = 9;
	ck_assert(batch_put(b, TABLE_TUNNEL_SEQ, key_span(&k), &row.base));
	put(5, NULL);
	struct span f = batch_seal(b, "tunnel-ctl", 1ull << 40, 77);
	Sync__Records *m = sync__records__unpack(NULL, f.len, f.p);
	ck_assert_ptr_nonnull(m);
	ck_assert_str_eq(m->owner, "tunnel-ctl");
	ck_assert_uint_eq(m->first_seq, 1ull << 40);
	ck_assert_uint_eq(m->epoch, 77);
	ck_assert_uint_eq(m->n_records, 2);
	ck_assert_uint_eq(m->records[0]->table, TABLE_TUNNEL_SEQ);
	ck_assert_mem_eq(m->records[0]->key.data, k.b, 2);
	ck_assert_int_eq(m->records[0]->change_case, SYNC__RECORD__CHANGE_ROW);
	Row__TunnelSeq *got =
	    row__tunnel_seq__unpack(NULL, m->records[0]->row.len, m->records[0]->row.data);
	ck_assert_uint_eq(got->ns, 9);
	row__tunnel_seq__free_unpacked(got, NULL);
	ck_assert_int_eq(m->records[1]->change_case, SYNC__RECORD__CHANGE_REMOVED);
	ck_assert(m->records[1]->removed);
	sync__records__free_unpacked(m, NULL);
}
END_TEST

START_TEST(we_read_what_protobuf_c_writes)
{
	Sync__Record r1, r2, *list[] = { &r1, &r2 };
	Sync__Records m = SYNC__RECORDS__INIT;
	uint8_t octets[200];
	struct records rs;
	struct record r;

	sync__record__init(&r1);
	sync__record__init(&r2);
	r1.table = 5;
	r1.key = (ProtobufCBinaryData){ 2, (uint8_t *)"ab" };
	r1.change_case = SYNC__RECORD__CHANGE_ROW;
	r1.row = (ProtobufCBinaryData){ 0, NULL }; /* a row of defaults is empty, and still a row */
	r2.table = 1u << 31;
	r2.key = r1.key;
	r2.change_case = SYNC__RECORD__CHANGE_REMOVED;
	r2.removed = 1;
	m.owner = "session-mgr";
	m.first_seq = 12;
	m.epoch = 3;
	m.records = list;
	m.n_records = 2;
	ck_assert(records_open(span_of(octets, sync__records__pack(&m, octets)), &rs));
	ck_assert_uint_eq(rs.count, 2);
	ck_assert_uint_eq(rs.first_seq, 12);
	ck_assert_uint_eq(rs.epoch, 3);
	ck_assert(span_eq(rs.owner, span_of("session-mgr", 11)));
	ck_assert(records_next(&rs, &r));
	ck_assert(!r.removed && r.row.len == 0 && r.table == 5);
	ck_assert(records_next(&rs, &r));
	ck_assert(r.removed && r.table == 1u << 31);
	ck_assert(!records_next(&rs, &r));
}
END_TEST

START_TEST(a_row_written_again_leaves_the_later_one_at_its_place)
{
	put(1, "a");
	put(2, "b");
	put(1, "c");
	put(3, "d");
	put(1, "e");
	ck_assert_uint_eq(batch_count(b), 3);
	ck_assert_str_eq(story(batch_seal(b, "o", 1, 1)), "2=b 3=d 1=e ");
	ck_assert_str_eq(story(batch_seal(b, "o", 1, 1)),
			 "2=b 3=d 1=e "); /* sealing again is harmless */
}
END_TEST

START_TEST(a_removal_supersedes_a_row_but_is_never_superseded)
{
	put(1, "a");
	put(1, NULL);
	put(1, "b");
	put(2, "x");
	put(2, NULL);
	put(1, NULL);
	ck_assert_str_eq(story(batch_seal(b, "o", 1, 1)), "1=- 2=- 1=- ");
}
END_TEST

/* What hangs on a tunnel never overtakes it, and a row that is gone is not sent. */
START_TEST(rows_that_others_hang_on_all_stay_at_their_places)
{
	put_leading(1, "t");
	put(1, "a");
	put_leading(1, "u");
	put(1, "b");
	put_leading(1, "v");
	ck_assert_uint_eq(batch_count(b), 4);
	ck_assert_str_eq(story(batch_seal(b, "o", 1, 1)), "1=t 1=u 1=b 1=v ");
	batch_reset(b);
	put_leading(1, "t");
	put_leading(1, NULL);
	ck_assert_str_eq(story(batch_seal(b, "o", 1, 1)), "1=- ");
}
END_TEST

START_TEST(the_same_key_in_two_tables_is_two_rows)
{
	struct key k = key_tunnel(1);

	put(1, "a");
	ck_assert(batch_put_packed(b, TABLE_USAGE, key_span(&k), span_of("b", 1), false));
	ck_assert_uint_eq(batch_count(b), 2);
}
END_TEST

START_TEST(a_reset_forgets)
{
	put(1, "a");
	batch_seal(b, "o", 1, 1);
	batch_reset(b);
	ck_assert_uint_eq(batch_count(b), 0);
	put(1, "b");
	put(1, "c");
	ck_assert_str_eq(story(batch_seal(b, "o", 1, 1)), "1=c ");
}
END_TEST

START_TEST(thousands_of_records_coalesce_as_a_plain_array_would)
{
	static unsigned last[3000];
	unsigned expect = 0, seen = 0, place = 0;
	char row[12];
	struct records rs;
	struct record r;

	srand(3);
	for (unsigned i = 1; i <= 50000; i++) {
		uint16_t t = (uint16_t)(rand() % 3000);
		snprintf(row, sizeof row, "%u", i);
		put(t, row);
		expect += last[t] == 0;
		last[t] = i;
	}
	ck_assert_uint_eq(batch_count(b), expect);
	ck_assert(records_open(batch_seal(b, "o", 1, 1), &rs));
	while (records_next(&rs, &r)) {
		snprintf(row, sizeof row, "%.*s", (int)r.row.len, (const char *)r.row.p);
		unsigned v = (unsigned)atoi(row);
		ck_assert_uint_eq(v, last[get_u16(r.key.p)]);
		ck_assert_uint_gt(v, place); /* in the order of the later writes */
		place = v;
		seen++;
	}
	ck_assert_uint_eq(seen, expect);
}
END_TEST

START_TEST(a_batch_is_full_at_its_bound_and_still_seals)
{
	static uint8_t row[60000];
	uint16_t n = 0;
	struct key k;

	do
		k = key_tunnel(++n);
	while (batch_put_packed(b, TABLE_TUNNEL, key_span(&k), span_of(row, sizeof row), false));
	ck_assert_uint_eq(n, RECORDS_FRAME_MAX / 60000 + 1);
	struct records rs;
	ck_assert(records_open(batch_seal(b, "o", 1, 1), &rs));
	ck_assert_uint_eq(rs.count, n - 1u);
}
END_TEST

START_TEST(keys_out_of_shape_are_refused)
{
	uint8_t k[KEY_MAX + 1] = { 0 };

	ck_assert(!batch_put_packed(b, 1, span_of(k, 0), span_of(k, 1), false));
	ck_assert(!batch_put_packed(b, 1, span_of(k, sizeof k), span_of(k, 1), false));
	ck_assert(!batch_put_packed(b, 70000, span_of(k, 1), span_of(k, 1), false));
	ck_assert(batch_put_packed(b, 1, span_of(k, KEY_MAX), span_of(k, 1), false));
	ck_assert_uint_eq(batch_count(b), 1);
}
END_TEST

START_TEST(every_cut_and_every_flipped_bit_is_refused_or_read_without_harm)
{
	struct records rs;
	struct record r;
	uint8_t copy[400];

	put(1, "abc");
	put(2, NULL);
	put(3, "d");
	struct span f = batch_seal(b, "tunnel-ctl", 5, 6);
	ck_assert_uint_le(f.len, sizeof copy);
	unsigned refused = 0;
	for (size_t n = 0; n < f.len; n++) {
		uint8_t *exact = malloc(n + 1);
		memcpy(exact, f.p, n);
		refused += !records_open(span_of(exact, n), &rs);
		free(exact);
	}
	ck_assert_uint_ge(refused, f.len - 10); /* a cut between two fields is a shorter frame */
	for (size_t bit = 0; bit < 8 * f.len; bit++) {
		memcpy(copy, f.p, f.len);
		copy[bit / 8] ^= 1 << bit % 8;
		if (!records_open(span_of(copy, f.len), &rs))
			continue;
		uint32_t n = 0;
		while (records_next(&rs, &r))
			n++;
		ck_assert_uint_eq(n, rs.count);
	}
}
END_TEST

START_TEST(records_without_meaning_are_refused)
{
	static const struct {
		const char *what;
		uint8_t octets[16];
		size_t len;
	} bad[] = {
		{ "no key", { 0x1a, 4, 0x08, 1, 0x1a, 0 }, 6 },
		{ "empty key", { 0x1a, 6, 0x08, 1, 0x12, 0, 0x1a, 0 }, 8 },
		{ "no change", { 0x1a, 5, 0x08, 1, 0x12, 1, 'k' }, 7 },
		{ "removed is false", { 0x1a, 7, 0x08, 1, 0x12, 1, 'k', 0x20, 0 }, 9 },
		{ "table beyond 32 bits",
		  { 0x1a, 11, 0x08, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x12, 1, 'k', 0x20, 1 },
		  13 },
		{ "a group", { 0x1b }, 1 },
		{ "field number 0", { 0x02, 0 }, 2 },
		{ "owner as a number", { 0x08, 1 }, 2 },
		{ "endless varint",
		  { 0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 },
		  12 },
	};
	struct records rs;

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!records_open(span_of(bad[i].octets, bad[i].len), &rs), "%s",
			      bad[i].what);
}
END_TEST

START_TEST(fields_of_a_newer_twin_are_skipped)
{
	static const uint8_t f[] = { 0x1a, 9, 0x08, 1, 0x12, 1, 'k', 0x20, 1, 0x28, 7, 0x32, 1, 'x',
				     0x39, 1, 2,    3, 4,    5, 6,   7,	   8, 0x45, 1, 2,    3, 4 };
	struct records rs;
	struct record r;

	ck_assert(records_open(span_of(f, sizeof f), &rs));
	ck_assert_uint_eq(rs.count, 1);
	ck_assert(records_next(&rs, &r));
	ck_assert(r.removed);
	ck_assert(!records_next(&rs, &r));
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, protobuf_c_reads_what_we_write);
	tcase_add_test(tc, we_read_what_protobuf_c_writes);
	tcase_add_test(tc, a_row_written_again_leaves_the_later_one_at_its_place);
	tcase_add_test(tc, a_removal_supersedes_a_row_but_is_never_superseded);
	tcase_add_test(tc, rows_that_others_hang_on_all_stay_at_their_places);
	tcase_add_test(tc, the_same_key_in_two_tables_is_two_rows);
	tcase_add_test(tc, a_reset_forgets);
	tcase_add_test(tc, thousands_of_records_coalesce_as_a_plain_array_would);
	tcase_add_test(tc, a_batch_is_full_at_its_bound_and_still_seals);
	tcase_add_test(tc, keys_out_of_shape_are_refused);
	tcase_add_test(tc, every_cut_and_every_flipped_bit_is_refused_or_read_without_harm);
	tcase_add_test(tc, records_without_meaning_are_refused);
	tcase_add_test(tc, fields_of_a_newer_twin_are_skipped);
}

UNIT_MAIN("records", add)
