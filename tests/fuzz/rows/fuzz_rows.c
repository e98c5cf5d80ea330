// SPDX-License-Identifier: Apache-2.0
/*
 * Every stored row and key: table number, length of the key, key, row.  A row that can be read is
 * written and read again and must be the same; a key that has its table's shape is made again and
 * must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../must.h"
#include "base/addr.h"
#include "base/arena.h"
#include "base/message.h"
#include "base/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
try_key(struct span k)
{
	uint16_t tunnel, session;
	struct key again;
	char text[KEY_MAX + 1];
	struct ip_addr a;

	if (key_tunnel_read(k, &tunnel)) {
		again = key_tunnel(tunnel);
		MUST(span_eq(key_span(&again), k));
	}
	if (key_session_read(k, &tunnel, &session)) {
		again = key_session(tunnel, session);
		MUST(span_eq(key_span(&again), k));
		MUST(key_tunnel_ns_read(k, &tunnel, &session));
	}
	MUST(ip_addr_from(k.p, k.len, &a) == (k.len == 4 || k.len == 16));
	if (k.len > KEY_MAX)
		return;
	memcpy(text, k.p, k.len);
	text[k.len] = 0;
	again = key_text(text);
	MUST(again.len == strlen(text) && memcmp(again.b, text, again.len) == 0);
	again = key_text_addr(text, k.p, k.len);
	MUST(again.len <= KEY_MAX);
}

static struct span
packed(struct arena *a, const ProtobufCMessage *m)
{
	uint8_t *p = arena_alloc(a, protobuf_c_message_get_packed_size(m));

	MUST(p);
	return span_of(p, protobuf_c_message_pack(m, p));
}

/* Our own packing and unpacking, and protobuf-c's. */
static void
as_protobuf_c(struct arena *a, const ProtobufCMessageDescriptor *d, struct span octets)
{
	ProtobufCMessage *theirs = protobuf_c_message_unpack(d, NULL, octets.len, octets.p);
	const ProtobufCMessage *ours = message_unpack(a, d, octets);
	static uint8_t room[1u << 20];
	struct span p1, p2;

	MUST(!ours == !theirs);
	if (!ours)
		return;
	p1 = packed(a, theirs);
	p2 = packed(a, ours);
	MUST(span_eq(p1, p2));
	MUST(p1.len > sizeof room || span_eq(p1, message_pack(ours, room, sizeof room)));
	protobuf_c_message_free_unpacked(theirs, NULL);
}

static void
try_row(unsigned table, struct span row)
{
	static struct arena a;

	if (!a.max)
		arena_init(&a, 64u << 20);
	arena_reset(&a);
	if (table_info(table))
		as_protobuf_c(&a, table_info(table)->row, row);
	arena_reset(&a);
	const ProtobufCMessage *one = row_unpack(&a, table, row);
	if (!one)
		return;
	struct span p1 = packed(&a, one);
	const ProtobufCMessage *two = row_unpack(&a, table, p1);
	/* protobuf-c takes an unknown field 0 with an overlong tag, and writes one that it reads
	 * otherwise */
	MUST(message_has_unknown(one) || (two && span_eq(p1, packed(&a, two))));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rd in = rd_of(data, len);
	unsigned table = rd_u8(&in);
	struct span key = rd_span(&in, rd_u8(&in));

	if (!in.ok)
		return 0;
	try_key(key);
	MUST(!table_info(table) || table_info(table)->table == table);
	try_row(table, rd_rest(&in));
	return 0;
}
