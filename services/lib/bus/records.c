// SPDX-License-Identifier: Apache-2.0
/*
 * Records frames, read and written in place.  See records.h; proto/sync.proto:
 *
 *      Records { owner = 1; first_seq = 2; records = 3; epoch = 4 }
 *      Record  { table = 1; key = 2; row = 3 | removed = 4 }
 *
 * Stricter than protobuf-c where a record would have no meaning: no key, no change, a table beyond
 * 32 bits.
 */
#include "bus/records.h"

#include <stdlib.h>

#include "base/message.h"
#include "wire/pb.h"

#define OWNER_MAX 64

/* --- reading ------------------------------------------------------------------------------- */

/* A known field with another wire type is an error, as protobuf-c has it; an unknown field is
 * skipped. */
static void
skip_unknown(struct rd *in, uint64_t tag, unsigned last_known)
{
	if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff || tag >> 3 <= last_known)
		in->ok = false;
	else
		pb_skip(in, tag & 7);
}

/* As record_begin writes it: table, key and change in turn.  False: not so, or not valid; record_any will see. */
static bool
record_usual(struct span octets, struct record *out)
{
	const uint8_t *p = octets.p, *end = p + octets.len;

	if (octets.len < 7 || p[0] != PB_TAG(1, PB_VARINT) || p[1] >= 0x80 || p[2] != PB_TAG(2, PB_OCTETS) || p[3] == 0 ||
	    p[3] >= 0x80 || p[3] > octets.len - 6 || p[3] > KEY_MAX)
		return false;
	*out = (struct record){ .table = p[1], .key = span_of(p + 4, p[3]) };
	p += 4 + p[3];
	if (p[0] == PB_TAG(4, PB_VARINT)) {
		out->removed = true;
		return p[1] == 1 && p + 2 == end;
	}
	if (p[0] != PB_TAG(3, PB_OCTETS))
		return false;
	size_t n = p[1];
	p += 2;
	if (n >= 0x80) {
		if (p == end || *p >= 0x80)
			return false;
		n = (n & 0x7f) | (size_t)*p++ << 7;
	}
	out->row = span_of(p, n);
	return n == (size_t)(end - p);
}

static bool
record_any(struct span octets, struct record *out)
{
	struct rd in = rd_of(octets.p, octets.len);
	bool change = false;
	uint64_t v;

	*out = (struct record){ 0 };
	while (in.ok && rd_left(&in)) {
		uint64_t tag = pb_tag(&in);
		switch (tag) {
		case PB_TAG(1, PB_VARINT):
			v = pb_varint(&in);
			in.ok = in.ok && v <= UINT32_MAX;
			out->table = (unsigned)v;
			break;
		case PB_TAG(2, PB_OCTETS):
			out->key = pb_octets(&in);
			break;
		case PB_TAG(3, PB_OCTETS):
			out->row = pb_octets(&in);
			out->removed = false;
			change = true;
			break;
		case PB_TAG(4, PB_VARINT):
			change = pb_varint(&in) == 1;
			out->removed = true;
			out->row = span_of(NULL, 0);
			break;
		default:
			skip_unknown(&in, tag, 4);
		}
	}
	return in.ok && change && out->key.len > 0 && out->key.len <= KEY_MAX;
}

static inline bool
record_read(struct span octets, struct record *out)
{
	return record_usual(octets, out) || record_any(octets, out);
}

bool
records_open(struct span frame, struct records *out)
{
	struct rd in = rd_of(frame.p, frame.len);
	struct record r;

	*out = (struct records){ .in = in };
	if (frame.len > RECORDS_FRAME_MAX)
		return false;
	while (in.ok && rd_left(&in)) {
		uint64_t tag = pb_tag(&in);
		switch (tag) {
		case PB_TAG(1, PB_OCTETS):
			out->owner = pb_octets(&in);
			break;
		case PB_TAG(2, PB_VARINT):
			out->first_seq = pb_varint(&in);
			break;
		case PB_TAG(3, PB_OCTETS):
			in.ok = record_read(pb_octets(&in), &r) && in.ok;
			out->count++;
			break;
		case PB_TAG(4, PB_VARINT):
			out->epoch = pb_varint(&in);
			break;
		default:
			skip_unknown(&in, tag, 4);
		}
	}
	return in.ok && out->owner.len <= OWNER_MAX;
}

/* The frame was checked by records_open. */
bool
records_next(struct records *rs, struct record *out)
{
	while (rs->in.ok && rd_left(&rs->in)) {
		uint64_t tag = pb_tag(&rs->in);
		if (tag == PB_TAG(3, PB_OCTETS))
			return record_read(pb_octets(&rs->in), out);
		pb_skip(&rs->in, tag & 7);
	}
	return false;
}

/* --- writing ------------------------------------------------------------------------------- */

#define HEAD_ROOM 128 /* owner, first_seq and epoch go in front of the records, right-aligned */
#define FIRST_BUF (64u << 10)
#define FIRST_SLOTS 256
#define ROW_ROOM 4096

struct slot {
	uint32_t at, len; /* of the record field in buf, its tag included */
	uint32_t key_at;
	uint32_t hash;
	uint16_t table;
	uint8_t key_len;
	bool row, dead;
};

struct batch {
	uint8_t *buf;
	size_t len, cap; /* len counts HEAD_ROOM */
	size_t dead_octets;
	struct slot *slots;
	uint32_t used, slots_cap, live;
	uint32_t *index; /* slot number + 1 by hash, of the latest record of each key; 2 * slots_cap
			    of them */
	uint8_t room[ROW_ROOM]; /* where a row is packed */
};

static uint8_t *
put_octets(uint8_t *p, uint8_t tag, struct span s)
{
	*p++ = tag;
	p = pb_put_varint(p, s.len);
	if (s.len)
		memcpy(p, s.p, s.len);
	return p + s.len;
}

struct batch *
batch_new(void)
{
	struct batch *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->cap = FIRST_BUF;
	b->slots_cap = FIRST_SLOTS;
	b->buf = malloc(b->cap);
	b->slots = malloc(b->slots_cap * sizeof *b->slots);
	b->index = malloc(2 * b->slots_cap * sizeof *b->index);
	if (!b->buf || !b->slots || !b->index) {
		batch_free(b);
		return NULL;
	}
	b->used = 2 * FIRST_SLOTS; /* clears the whole index */
	batch_reset(b);
	return b;
}

void
batch_free(struct batch *b)
{
	if (!b)
		return;
	free(b->buf);
	free(b->slots);
	free(b->index);
	free(b);
}

static void
index_clear(struct batch *b)
{
	memset(b->index, 0, 2 * b->slots_cap * sizeof *b->index);
}

void
batch_reset(struct batch *b)
{
	if (b->used)
		index_clear(b);
	b->len = HEAD_ROOM;
	b->used = b->live = 0;
	b->dead_octets = 0;
}

uint32_t
batch_count(const struct batch *b)
{
	return b->live;
}

size_t
batch_octets(const struct batch *b)
{
	return b->len - b->dead_octets;
}

static uint32_t
hash_of(unsigned table, struct span key)
{
	uint32_t h = 2166136261u ^ table;

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ key.p[i]) * 16777619u;
	return h ^ h >> 15;
}

/* Where the key is in the index, or where it belongs. */
static uint32_t *
index_find(struct batch *b, uint32_t hash, unsigned table, struct span key)
{
	uint32_t mask = 2 * b->slots_cap - 1;

	for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
		const struct slot *s = b->index[i] ? &b->slots[b->index[i] - 1] : NULL;
		if (!s || (s->hash == hash && s->table == table &&
			   span_eq(span_of(b->buf + s->key_at, s->key_len), key)))
			return &b->index[i];
	}
}

static bool
slots_room(struct batch *b)
{
	if (b->used < b->slots_cap)
		return true;
	uint32_t cap = 2 * b->slots_cap;
	struct slot *slots = realloc(b->slots, cap * sizeof *slots);
	if (!slots)
		return false;
	b->slots = slots;
	uint32_t *index = realloc(b->index, 2 * cap * sizeof *index);
	if (!index)
		return false;
	b->index = index;
	b->slots_cap = cap;
	index_clear(b);
	for (uint32_t i = 0; i < b->used;
	     i++) { /* later ones take over the place of earlier ones */
		const struct slot *s = &b->slots[i];
		*index_find(b, s->hash, s->table, span_of(b->buf + s->key_at, s->key_len)) = i + 1;
	}
	return true;
}

static bool
buf_room(struct batch *b, size_t n)
{
	size_t cap = b->cap;

	if (n > RECORDS_FRAME_MAX || b->len + n > RECORDS_FRAME_MAX)
		return false;
	while (cap < b->len + n)
		cap *= 2;
	if (cap == b->cap)
		return true;
	uint8_t *buf = realloc(b->buf, cap);
	if (!buf)
		return false;
	b->buf = buf;
	b->cap = cap;
	return true;
}

/*
 * Writes the record up to where the row's octets go, and the slot beside it.  `row_len` of a
 * removal is 0. Returns where the row goes; NULL: no room, nothing changed.
 */
static uint8_t *
record_begin(struct batch *b, unsigned table, struct span key, size_t row_len, bool removed)
{
	size_t body = 1 + pb_varint_len(table) + 1 + pb_varint_len(key.len) + key.len +
		      (removed ? 2 : 1 + pb_varint_len(row_len) + row_len);
	size_t total = 1 + pb_varint_len(body) + body;

	if (table > UINT16_MAX || key.len == 0 || key.len > KEY_MAX || !buf_room(b, total) ||
	    !slots_room(b))
		return NULL;
	uint8_t *p = b->buf + b->len;
	*p++ = PB_TAG(3, PB_OCTETS);
	p = pb_put_varint(p, body);
	*p++ = PB_TAG(1, PB_VARINT);
	p = pb_put_varint(p, table);
	p = put_octets(p, PB_TAG(2, PB_OCTETS), key);

	struct slot s = { .at = (uint32_t)b->len,
			  .len = (uint32_t)total,
			  .hash = hash_of(table, key),
			  .key_at = (uint32_t)(p - b->buf - key.len),
			  .key_len = (uint8_t)key.len,
			  .table = (uint16_t)table,
			  .row = !removed };
	uint32_t *in = index_find(b, s.hash, table, key);
	struct slot *before = *in ? &b->slots[*in - 1] : NULL;
	if (before && before->row && (removed || !table_leads(table))) {
		before->dead = true;
		b->dead_octets += before->len;
		b->live--;
	}
	b->slots[b->used] = s;
	*in = ++b->used;
	b->live++;
	b->len += total;
	*p++ = removed ? PB_TAG(4, PB_VARINT) : PB_TAG(3, PB_OCTETS);
	return removed ? (*p = 1, p + 1) : pb_put_varint(p, row_len);
}

/* Larger than all but a few rows ever are. */
static bool
batch_put_large(struct batch *b, unsigned table, struct span key, const ProtobufCMessage *row)
{
	uint8_t *at = record_begin(b, table, key, protobuf_c_message_get_packed_size(row), false);

	if (at)
		protobuf_c_message_pack(row, at);
	return at != NULL;
}

bool
batch_put(struct batch *b, unsigned table, struct span key, const ProtobufCMessage *row)
{
	struct span packed;

	if (!row)
		return batch_put_packed(b, table, key, span_of(NULL, 0), true);
	packed = message_pack(row, b->room, sizeof b->room);
	return packed.p ? batch_put_packed(b, table, key, packed, false) : batch_put_large(b, table, key, row);
}

bool
batch_put_packed(struct batch *b, unsigned table, struct span key, struct span row, bool removed)
{
	uint8_t *at = record_begin(b, table, key, removed ? 0 : row.len, removed);

	if (at && !removed && row.len)
		memcpy(at, row.p, row.len);
	return at != NULL;
}

/* Closes the gaps that superseded records left. */
static void
compact(struct batch *b)
{
	size_t to = HEAD_ROOM;

	if (b->dead_octets == 0)
		return;
	for (uint32_t i = 0; i < b->used; i++) {
		const struct slot *s = &b->slots[i];
		if (s->dead)
			continue;
		memmove(b->buf + to, b->buf + s->at, s->len);
		to += s->len;
	}
	b->len = to;
	b->dead_octets = 0;
}

struct span
batch_seal(struct batch *b, const char *owner, uint64_t first_seq, uint64_t epoch)
{
	uint8_t head[HEAD_ROOM], *p = head;

	compact(b);
	p = put_octets(p, PB_TAG(1, PB_OCTETS), span_of(owner, strnlen(owner, OWNER_MAX)));
	*p++ = PB_TAG(2, PB_VARINT);
	p = pb_put_varint(p, first_seq);
	*p++ = PB_TAG(4, PB_VARINT);
	p = pb_put_varint(p, epoch);
	size_t n = (size_t)(p - head);
	memcpy(b->buf + HEAD_ROOM - n, head, n);
	struct span frame = span_of(b->buf + HEAD_ROOM - n, n + b->len - HEAD_ROOM);

	/* The slots no longer fit the octets: only a reset may follow, and another seal with other
	 * words. */
	if (b->used) {
		index_clear(b);
		b->used = 0;
	}
	return frame;
}
