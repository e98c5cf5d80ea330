// SPDX-License-Identifier: Apache-2.0
/*
 * See message.h.
 *
 * Reading: one walk over the octets; each tag is looked up in the descriptor and its value stored
 * at the field's offset.  The elements of a repeated field are counted when the first is met.
 *
 * Writing: from the last field to the first, and into the buffer from its end, so that the length
 * in front of a nested message is known when it is written.
 *
 * `false` on either way means "not for us", and the caller turns to protobuf-c.
 */
#include "base/message.h"

#include "wire/pb.h"

#define DEPTH_MAX 4 /* messages within messages; ours have one within */

/* --- fields -------------------------------------------------------------------------------- */

typedef const ProtobufCFieldDescriptor field;

/* NULL: the message has no such field. */
static field *
field_of(const ProtobufCMessageDescriptor *d, uint64_t id)
{
	const ProtobufCIntRange *r = d->field_ranges;

	for (unsigned i = 0; i < d->n_field_ranges; i++) {
		unsigned n = r[i + 1].orig_index - r[i].orig_index;
		uint64_t at = id - (uint64_t)r[i].start_value;
		if (at < n)
			return &d->fields[r[i].orig_index + at];
	}
	return NULL;
}

static bool
is_varint(const field *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_BOOL:
		return true;
	default:
		return false;
	}
}

static size_t
varint_size(const field *f)
{
	return f->type == PROTOBUF_C_TYPE_UINT64 || f->type == PROTOBUF_C_TYPE_INT64 ? 8 : 4;
}

static void *
member(void *m, unsigned offset)
{
	return (uint8_t *)m + offset;
}

static const void *
const_member(const void *m, unsigned offset)
{
	return (const uint8_t *)m + offset;
}

/* --- reading ------------------------------------------------------------------------------- */

static bool unpack(struct arena *a, const ProtobufCMessageDescriptor *d, struct span octets,
		   ProtobufCMessage *m, unsigned depth);

static void
store_varint(const field *f, void *at, uint64_t v)
{
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		*(protobuf_c_boolean *)at = v != 0;
	else if (varint_size(f) == 8)
		*(uint64_t *)at = v;
	else
		*(uint32_t *)at = (uint32_t)v;
}

static bool
store_octets(struct arena *a, const field *f, void *at, struct span s, unsigned depth)
{
	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		ProtobufCBinaryData *b = at;
		*b = (ProtobufCBinaryData){ s.len, s.len ? arena_copy(a, s.p, s.len) : NULL };
		return s.len == 0 || b->data;
	}
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return (*(char **)at = arena_text(a, s)) != NULL;
	if (f->type != PROTOBUF_C_TYPE_MESSAGE || depth == DEPTH_MAX)
		return false;
	const ProtobufCMessageDescriptor *d = f->descriptor;
	ProtobufCMessage *sub = arena_alloc(a, d->sizeof_message);
	if (!sub || !unpack(a, d, s, sub, depth + 1))
		return false;
	*(ProtobufCMessage **)at = sub;
	return true;
}

static size_t
element_size(const field *f)
{
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return sizeof(ProtobufCBinaryData);
	return is_varint(f) ? varint_size(f) : sizeof(void *);
}

/* This one, and as many as the rest of the message holds under the same tag. */
static size_t
count_elements(struct rd rest, uint64_t tag)
{
	size_t n = 1;

	while (rest.ok && rd_left(&rest)) {
		uint64_t t = pb_tag(&rest);
		n += t == tag;
		pb_skip(&rest, t & 7);
	}
	return n;
}

/* `in` is behind the element. */
static bool
add_element(struct arena *a, const field *f, ProtobufCMessage *m, struct span s, const struct rd *in,
	    unsigned depth)
{
	size_t *n = member(m, f->quantifier_offset), size = element_size(f);
	uint8_t **list = member(m, f->offset);

	if (*n == 0 &&
	    !(*list = arena_alloc(a, size * count_elements(*in, PB_TAG((uint64_t)f->id, PB_OCTETS)))))
		return false;
	if (!store_octets(a, f, *list + size * *n, s, depth))
		return false;
	++*n;
	return true;
}

/* All numbers of a repeated field in one run of octets. */
static bool
add_packed(struct arena *a, const field *f, ProtobufCMessage *m, struct span s)
{
	size_t *n = member(m, f->quantifier_offset), size = varint_size(f), count = 0;
	uint8_t **list = member(m, f->offset);
	struct rd in = rd_of(s.p, s.len);

	if (*n || s.len == 0)
		return false; /* a second run, or none */
	for (size_t i = 0; i < s.len; i++)
		count += !(s.p[i] & 0x80);
	if (!(*list = arena_alloc(a, size * count)))
		return false;
	for (; *n < count && in.ok; ++*n)
		store_varint(f, *list + size * *n, pb_varint(&in));
	return in.ok && rd_left(&in) == 0;
}

/* A field of a oneof may be the second of its kind: whose value it takes over is not for us. */
static bool
choose(const field *f, ProtobufCMessage *m)
{
	uint32_t *which = member(m, f->quantifier_offset);

	if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return f->label == PROTOBUF_C_LABEL_NONE;
	if (*which)
		return false;
	*which = f->id;
	return true;
}

static bool
take_number(const field *f, ProtobufCMessage *m, struct rd *in)
{
	const uint8_t *start = in->p;
	uint64_t v = pb_varint(in);

	/* Of ten octets the last may hold more than the 64th bit. */
	if (!in->ok || (in->p - start > 9 && in->p[-1] > 1) || !is_varint(f) || f->label == PROTOBUF_C_LABEL_REPEATED ||
	    !choose(f, m))
		return false;
	store_varint(f, member(m, f->offset), v);
	return true;
}

static bool
take_octets(struct arena *a, const field *f, ProtobufCMessage *m, struct rd *in, unsigned depth)
{
	struct span s = pb_octets(in);

	if (!in->ok)
		return false;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return is_varint(f) ? add_packed(a, f, m, s) : add_element(a, f, m, s, in, depth);
	/* A message twice is merged: not for us. */
	if (!choose(f, m) || (f->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)member(m, f->offset)))
		return false;
	return store_octets(a, f, member(m, f->offset), s, depth);
}

static bool
unpack(struct arena *a, const ProtobufCMessageDescriptor *d, struct span octets, ProtobufCMessage *m,
       unsigned depth)
{
	struct rd in = rd_of(octets.p, octets.len);

	if (!d->message_init)
		return false;
	d->message_init(m);
	while (rd_left(&in)) {
		uint64_t tag = pb_tag(&in);
		const field *f = in.ok ? field_of(d, tag >> 3) : NULL;

		if (!f)
			return false;
		if ((tag & 7) == PB_VARINT ? !take_number(f, m, &in)
		    : (tag & 7) == PB_OCTETS ? !take_octets(a, f, m, &in, depth)
					     : true)
			return false;
	}
	return true;
}

ProtobufCMessage *
message_unpack(struct arena *a, const ProtobufCMessageDescriptor *d, struct span octets)
{
	ProtobufCMessage *m = arena_alloc(a, d->sizeof_message);

	if (m && unpack(a, d, octets, m, 0))
		return m;
	a->allocator.allocator_data = a; /* an arena may have been moved since its init */
	return protobuf_c_message_unpack(d, &a->allocator, octets.len, octets.p);
}

/* --- writing, backwards -------------------------------------------------------------------- */

struct back {
	uint8_t *start, *p; /* written: from p on */
};

static bool
back_octets(struct back *b, const void *from, size_t n)
{
	if ((size_t)(b->p - b->start) < n)
		return false;
	b->p -= n;
	if (n)
		memcpy(b->p, from, n);
	return true;
}

static bool
back_varint(struct back *b, uint64_t v)
{
	uint8_t octets[10];

	if (v < 0x80 && b->p > b->start) {
		*--b->p = (uint8_t)v;
		return true;
	}
	return back_octets(b, octets, (size_t)(pb_put_varint(octets, v) - octets));
}

static bool
back_tag(struct back *b, const field *f, unsigned wire)
{
	return back_varint(b, PB_TAG((uint64_t)f->id, wire));
}

static bool pack(struct back *b, const ProtobufCMessage *m, unsigned depth);

static uint64_t
load_varint(const field *f, const void *at)
{
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		return *(const protobuf_c_boolean *)at != 0;
	if (f->type == PROTOBUF_C_TYPE_ENUM) /* signed, and then ten octets long */
		return (uint64_t)(int64_t)*(const int32_t *)at;
	return varint_size(f) == 8 ? *(const uint64_t *)at : *(const uint32_t *)at;
}

/* Content and length, without the tag. */
static bool
back_element(struct back *b, const field *f, const void *at, unsigned depth)
{
	uint8_t *end = b->p;

	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		const ProtobufCBinaryData *d = at;
		return back_octets(b, d->data, d->len) && back_varint(b, d->len);
	}
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *s = *(const char *const *)at;
		size_t n = s ? strlen(s) : 0;
		return back_octets(b, s, n) && back_varint(b, n);
	}
	const ProtobufCMessage *sub = *(const ProtobufCMessage *const *)at;
	return f->type == PROTOBUF_C_TYPE_MESSAGE && sub && depth < DEPTH_MAX &&
	       pack(b, sub, depth + 1) && back_varint(b, (uint64_t)(end - b->p));
}

static bool
back_repeated(struct back *b, const field *f, const ProtobufCMessage *m, unsigned depth)
{
	size_t n = *(const size_t *)const_member(m, f->quantifier_offset), size = element_size(f);
	const uint8_t *list = *(uint8_t *const *)const_member(m, f->offset);
	uint8_t *end = b->p;

	if (n == 0)
		return true;
	if (is_varint(f)) {
		while (n) {
			if (!back_varint(b, load_varint(f, list + size * --n)))
				return false;
		}
		return (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED) &&
		       back_varint(b, (uint64_t)(end - b->p)) && back_tag(b, f, PB_OCTETS);
	}
	while (n) {
		if (!back_element(b, f, list + size * --n, depth) || !back_tag(b, f, PB_OCTETS))
			return false;
	}
	return true;
}

/* As protobuf-c has it: what is not there, zero or empty is not written. */
static bool
is_zero(const field *f, const void *at)
{
	if (is_varint(f))
		return load_varint(f, at) == 0;
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)at)->len == 0;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return !*(const char *const *)at || !**(const char *const *)at;
	return f->type == PROTOBUF_C_TYPE_MESSAGE && !*(void *const *)at;
}

static bool
back_field(struct back *b, const field *f, const ProtobufCMessage *m, unsigned depth)
{
	const void *at = const_member(m, f->offset);

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return back_repeated(b, f, m, depth);
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (*(const uint32_t *)const_member(m, f->quantifier_offset) != f->id)
			return true;
		if (f->type == PROTOBUF_C_TYPE_STRING)
			return false; /* chosen and left at its default: a special case of theirs */
	} else if (f->label != PROTOBUF_C_LABEL_NONE) {
		return false;
	} else if (is_zero(f, at)) {
		return true;
	}
	if (!is_varint(f))
		return back_element(b, f, at, depth) && back_tag(b, f, PB_OCTETS);
	return back_varint(b, load_varint(f, at)) && back_tag(b, f, PB_VARINT);
}

static bool
pack(struct back *b, const ProtobufCMessage *m, unsigned depth)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;

	if (m->n_unknown_fields)
		return false;
	for (unsigned i = d->n_fields; i; i--) {
		if (!back_field(b, &d->fields[i - 1], m, depth))
			return false;
	}
	return true;
}

struct span
message_pack(const ProtobufCMessage *m, uint8_t *room, size_t octets)
{
	struct back b = { room, room + octets };

	if (pack(&b, m, 0))
		return span_of(b.p, (size_t)(room + octets - b.p));
	size_t n = protobuf_c_message_get_packed_size(m);
	if (n > octets)
		return span_of(NULL, 0);
	return span_of(room, protobuf_c_message_pack(m, room));
}
