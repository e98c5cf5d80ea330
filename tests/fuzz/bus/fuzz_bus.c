// SPDX-License-Identifier: Apache-2.0
/*
 * Every envelope of the bus.  The first octet chooses which; what can be read is written and read
 * again and must be the same.  Records frames go through our own reader and protobuf-c's: what ours
 * accepts, both see alike.
 */
#include <stdlib.h>
#include <string.h>

#include "../must.h"
#include "base/message.h"
#include "bus/records.h"
#include "command.pb-c.h"
#include "punt.pb-c.h"
#include "role.pb-c.h"
#include "sync.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct span
packed(const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = malloc(n + 1);

	MUST(protobuf_c_message_pack(m, p) == n);
	return span_of(p, n);
}

/* Our own packing and unpacking. */
static void
ours(const ProtobufCMessageDescriptor *what, struct span octets, const ProtobufCMessage *theirs)
{
	static struct arena a;
	static uint8_t room[1u << 20];

	if (!a.max)
		arena_init(&a, 64u << 20);
	arena_reset(&a);
	const ProtobufCMessage *m = message_unpack(&a, what, octets);
	MUST(!m == !theirs);
	if (!m)
		return;
	struct span p1 = packed(theirs), p2 = packed(m), p3 = message_pack(m, room, sizeof room);
	MUST(span_eq(p1, p2) && (!p3.p || span_eq(p1, p3)));
	free((void *)p1.p);
	free((void *)p2.p);
}

static void
there_and_back(const ProtobufCMessageDescriptor *what, struct span octets)
{
	ProtobufCMessage *one = protobuf_c_message_unpack(what, NULL, octets.len, octets.p);

	ours(what, octets, one);
	if (!one)
		return;
	struct span p1 = packed(one);
	ProtobufCMessage *two = protobuf_c_message_unpack(what, NULL, p1.len, p1.p);
	MUST(two || message_has_unknown(one));
	if (two) {
		struct span p2 = packed(two);
		MUST(span_eq(p1, p2) || message_has_unknown(one));
		free((void *)p2.p);
		protobuf_c_message_free_unpacked(two, NULL);
	}
	free((void *)p1.p);
	protobuf_c_message_free_unpacked(one, NULL);
}

static void
same_record(const struct record *r, const Sync__Record *m)
{
	MUST(r->table == m->table);
	MUST(span_eq(r->key, span_of(m->key.data, m->key.len)));
	MUST(r->removed == (m->change_case == SYNC__RECORD__CHANGE_REMOVED));
	MUST(r->removed || span_eq(r->row, span_of(m->row.data, m->row.len)));
}

static void
rewrite(struct records rs)
{
	struct batch *b = batch_new();
	struct record r;
	struct records again;
	char owner[80];

	while (records_next(&rs, &r)) {
		if (r.table <= UINT16_MAX)
			MUST(batch_put_packed(b, r.table, r.key, r.row, r.removed));
	}
	memcpy(owner, rs.owner.p ? rs.owner.p : (const uint8_t *)"", rs.owner.len);
	owner[rs.owner.len] = 0;
	MUST(records_open(batch_seal(b, owner, rs.first_seq, rs.epoch), &again));
	MUST(again.count == batch_count(b) && again.count <= rs.count);
	MUST(again.first_seq == rs.first_seq && again.epoch == rs.epoch);
	batch_free(b);
}

static void
both_readers(struct span octets)
{
	struct records rs, it;
	struct record r;
	uint32_t n = 0;

	if (!records_open(octets, &rs))
		return;
	Sync__Records *m = sync__records__unpack(NULL, octets.len, octets.p);
	MUST(m && m->n_records == rs.count);
	MUST(m->first_seq == rs.first_seq && m->epoch == rs.epoch);
	it = rs;
	while (records_next(&it, &r))
		same_record(&r, m->records[n++]);
	MUST(n == rs.count);
	rewrite(rs);
	sync__records__free_unpacked(m, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const ProtobufCMessageDescriptor *const what[] = {
		&sync__header__descriptor,    &sync__records__descriptor,
		&punt__to_owner__descriptor,  &punt__to_worker__descriptor,
		&role__lease__descriptor,     &command__request__descriptor,
		&command__answer__descriptor,
	};

	if (len == 0)
		return 0;
	struct span rest = span_of(data + 1, len - 1);
	there_and_back(what[data[0] % 7], rest);
	if (data[0] % 7 == 1)
		both_readers(rest);
	return 0;
}
