// SPDX-License-Identifier: Apache-2.0
/*
 * See message.h.
 *
 * What a pass needs of a descriptor is gathered once, in a plan: most fields of ours are a plain number,
 * octets or a text, and mostly not there.
 *
 * Reading: one walk over the octets; each tag is looked up in the plan and its value stored at the
 * field's offset.  The elements of a repeated field are counted when the first is met.
 *
 * Writing: from the last field to the first, and into the buffer from its end, so that the length
 * in front of a nested message is known when it is written.
 *
 * `false` on either way means "not for us", and the caller turns to protobuf-c.
 */
#include "base/message.h"

#include <stdatomic.h>
#include <stdlib.h>

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

/* --- plans --------------------------------------------------------------------------------- */

enum shape { U32, S32, U64, TRUTH, OCTETS, TEXT, OTHER }; /* OTHER: repeated, of a oneof, a message, none of ours */

struct step {
	field *f;
	uint16_t offset;
	uint8_t shape, tag_len, tag[2];
};

#define PLANS 256 /* more than there are messages; beyond half of them protobuf-c does the work */
#define PLAN_IDS 128

struct plan {
	const ProtobufCMessageDescriptor *of;
	unsigned n;
	uint8_t by_id[PLAN_IDS]; /* 1 + the step; 0: none, or not among the first */
	struct step step[];
};

static _Atomic(struct plan *) plans[PLANS];

static enum shape
shape_of(field *f)
{
	if (f->label != PROTOBUF_C_LABEL_NONE || (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) || f->id > 2047 ||
	    f->offset > UINT16_MAX)
		return OTHER;
	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT32:
		return U32;
	case PROTOBUF_C_TYPE_ENUM: /* signed, and then ten octets long */
		return S32;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		return U64;
	case PROTOBUF_C_TYPE_BOOL:
		return TRUTH;
	case PROTOBUF_C_TYPE_BYTES:
		return OCTETS;
	case PROTOBUF_C_TYPE_STRING:
		return TEXT;
	default:
		return OTHER;
	}
}

static struct plan *
plan_new(const ProtobufCMessageDescriptor *d)
{
	struct plan *p = calloc(1, sizeof *p + d->n_fields * sizeof p->step[0]);

	if (!p)
		return NULL;
	p->of = d;
	p->n = d->n_fields;
	for (unsigned i = 0; i < d->n_fields; i++) {
		struct step *s = &p->step[i];
		s->f = &d->fields[i];
		s->shape = (uint8_t)shape_of(s->f);
		if (s->f->id < PLAN_IDS && i < UINT8_MAX)
			p->by_id[s->f->id] = (uint8_t)(i + 1);
		if (s->shape == OTHER)
			continue;
		s->offset = (uint16_t)s->f->offset;
		const uint64_t tag = PB_TAG((uint64_t)s->f->id, s->shape < OCTETS ? PB_VARINT : PB_OCTETS);
		s->tag_len = (uint8_t)(pb_put_varint(s->tag, tag) - s->tag);
	}
	return p;
}

/* NULL: no room for it. */
static const struct plan *
plan_of(const ProtobufCMessageDescriptor *d)
{
	const size_t from = ((uintptr_t)d >> 5) * 0x9e3779b1u >> 4;

	for (size_t i = 0; i < PLANS / 2; i++) {
		_Atomic(struct plan *) *at = &plans[(from + i) % PLANS];
		struct plan *p = atomic_load_explicit(at, memory_order_acquire), *none = NULL;
		if (!p) {
			if (!(p = plan_new(d)))
				return NULL;
			if (atomic_compare_exchange_strong(at, &none, p))
				return p;
			free(p); /* another thread took the place */
			p = none;
		}
		if (p->of == d)
			return p;
	}
	return NULL;
}

static const struct step *
step_of(const struct plan *plan, uint64_t id)
{
	if (id < PLAN_IDS && plan->by_id[id])
		return &plan->step[plan->by_id[id] - 1];
	field *f = field_of(plan->of, id);
	return f ? &plan->step[f - plan->of->fields] : NULL;
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
take_number(const struct step *st, ProtobufCMessage *m, struct rd *in)
{
	const uint8_t *start = in->p;
	const field *f = st->f;
	uint64_t v = pb_varint(in);

	/* Of ten octets the last may hold more than the 64th bit. */
	if (!in->ok || (in->p - start > 9 && in->p[-1] > 1))
		return false;
	if (st->shape == U32) {
		*(uint32_t *)member(m, st->offset) = (uint32_t)v;
		return true;
	}
	if (!is_varint(f) || f->label == PROTOBUF_C_LABEL_REPEATED || !choose(f, m))
		return false;
	store_varint(f, member(m, f->offset), v);
	return true;
}

static bool
take_octets(struct arena *a, const struct step *st, ProtobufCMessage *m, struct rd *in, unsigned depth)
{
	struct span s = pb_octets(in);
	const field *f = st->f;

	if (!in->ok)
		return false;
	if (st->shape != OTHER)
		return st->shape >= OCTETS && store_octets(a, f, member(m, st->offset), s, depth);
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
	const struct plan *plan = plan_of(d);

	if (!plan || !d->message_init)
		return false;
	d->message_init(m);
	while (rd_left(&in)) {
		uint64_t tag = pb_tag(&in);
		const struct step *s = in.ok ? step_of(plan, tag >> 3) : NULL;

		if (!s)
			return false;
		if ((tag & 7) == PB_VARINT ? !take_number(s, m, &in)
		    : (tag & 7) == PB_OCTETS ? !take_octets(a, s, m, &in, depth)
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

static inline bool
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
back_varint_long(struct back *b, uint64_t v)
{
	const size_t n = pb_varint_len(v);

	if ((size_t)(b->p - b->start) < n)
		return false;
	b->p -= n;
	pb_put_varint(b->p, v);
	return true;
}

static inline bool
back_varint(struct back *b, uint64_t v)
{
	if (v >= 0x80 || b->p == b->start)
		return back_varint_long(b, v);
	*--b->p = (uint8_t)v;
	return true;
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

static inline bool
back_lead(struct back *b, const struct step *s)
{
	if ((size_t)(b->p - b->start) < s->tag_len)
		return false;
	if (s->tag_len == 2)
		*--b->p = s->tag[1];
	*--b->p = s->tag[0];
	return true;
}

static bool
back_text(struct back *b, const struct step *s, const void *p, size_t n)
{
	return n == 0 || (back_octets(b, p, n) && back_varint(b, n) && back_lead(b, s));
}

static inline bool
back_step(struct back *b, const struct step *s, const ProtobufCMessage *m, unsigned depth)
{
	const void *at = const_member(m, s->offset);
	const ProtobufCBinaryData *d = at;
	const char *text;
	uint64_t v;

	switch (s->shape) {
	case U32:
		v = *(const uint32_t *)at;
		break;
	case S32:
		v = (uint64_t)(int64_t)*(const int32_t *)at;
		break;
	case U64:
		v = *(const uint64_t *)at;
		break;
	case TRUTH:
		v = *(const protobuf_c_boolean *)at != 0;
		break;
	case OCTETS:
		return d->len == 0 || back_text(b, s, d->data, d->len);
	case TEXT:
		text = *(const char *const *)at;
		return !text || !*text || back_text(b, s, text, strlen(text));
	default:
		return back_field(b, s->f, m, depth);
	}
	return v == 0 || (back_varint(b, v) && back_lead(b, s));
}

static bool
pack(struct back *b, const ProtobufCMessage *m, unsigned depth)
{
	const struct plan *plan = plan_of(m->descriptor);

	if (!plan || m->n_unknown_fields)
		return false;
	for (unsigned i = plan->n; i; i--) {
		if (!back_step(b, &plan->step[i - 1], m, depth))
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
