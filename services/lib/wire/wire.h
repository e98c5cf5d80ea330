// SPDX-License-Identifier: Apache-2.0
/*
 * Cursors over octets: the only code that knows byte order.
 *
 * A cursor remembers that it ran out: reads past the end give zeros and clear `ok`, writes past the
 * end are dropped and clear `ok`.  So a codec is straight-line code with one check at its end.
 * Nothing here allocates; a span lends the caller's buffer and lives as long as it does.
 */
#ifndef TWIN_WIRE_H
#define TWIN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Octets that somebody else owns. */
struct span {
	const uint8_t *p;
	size_t len;
};

struct rd {
	const uint8_t *p, *end;
	bool ok;
};

struct wr {
	uint8_t *start, *p, *end;
	bool ok;
};

static inline struct span
span_of(const void *p, size_t len)
{
	return (struct span){ p, len };
}

static inline bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline struct rd
rd_of(const void *p, size_t len)
{
	return (struct rd){ p, len ? (const uint8_t *)p + len : p, true };
}

static inline size_t
rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}

/* Takes n octets, or none: on a short buffer the cursor moves to its end and is not ok any more. */
static inline const uint8_t *
rd_take(struct rd *r, size_t n)
{
	const uint8_t *at = r->p;

	if (rd_left(r) < n) {
		r->p = r->end;
		r->ok = false;
		return NULL;
	}
	r->p += n;
	return at;
}

static inline uint8_t
rd_u8(struct rd *r)
{
	const uint8_t *b = rd_take(r, 1);
	return b ? b[0] : 0;
}

static inline uint16_t
rd_u16(struct rd *r)
{
	const uint8_t *b = rd_take(r, 2);
	return b ? (uint16_t)(b[0] << 8 | b[1]) : 0;
}

static inline uint32_t
rd_u32(struct rd *r)
{
	const uint8_t *b = rd_take(r, 4);
	return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

static inline uint64_t
rd_u64(struct rd *r)
{
	uint64_t hi = rd_u32(r);
	return hi << 32 | rd_u32(r);
}

static inline struct span
rd_span(struct rd *r, size_t n)
{
	const uint8_t *b = rd_take(r, n);
	return b ? span_of(b, n) : span_of(NULL, 0);
}

static inline struct span
rd_rest(struct rd *r)
{
	return rd_span(r, rd_left(r));
}

/* A cursor over the next n octets; the outer one moves past them. */
static inline struct rd
rd_sub(struct rd *r, size_t n)
{
	const uint8_t *b = rd_take(r, n);
	return b ? rd_of(b, n) : (struct rd){ r->end, r->end, false };
}

static inline struct wr
wr_of(void *p, size_t cap)
{
	return (struct wr){ p, p, (uint8_t *)p + cap, true };
}

static inline size_t
wr_len(const struct wr *w)
{
	return (size_t)(w->p - w->start);
}

static inline struct span
wr_span(const struct wr *w)
{
	return span_of(w->start, wr_len(w));
}

/* Room for n octets, or NULL: then nothing is written and the cursor is not ok any more. */
static inline uint8_t *
wr_room(struct wr *w, size_t n)
{
	uint8_t *at = w->p;

	if (!w->ok || (size_t)(w->end - w->p) < n) {
		w->ok = false;
		return NULL;
	}
	w->p += n;
	return at;
}

static inline void
wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *b = wr_room(w, 1);
	if (b)
		b[0] = v;
}

static inline void
put_u16(uint8_t *b, uint16_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void
put_u32(uint8_t *b, uint32_t v)
{
	put_u16(b, (uint16_t)(v >> 16));
	put_u16(b + 2, (uint16_t)v);
}

static inline uint16_t
get_u16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t
get_u32(const uint8_t *b)
{
	return (uint32_t)get_u16(b) << 16 | get_u16(b + 2);
}

static inline void
wr_u16(struct wr *w, uint16_t v)
{
	uint8_t *b = wr_room(w, 2);
	if (b)
		put_u16(b, v);
}

static inline void
wr_u32(struct wr *w, uint32_t v)
{
	uint8_t *b = wr_room(w, 4);
	if (b)
		put_u32(b, v);
}

static inline void
wr_u64(struct wr *w, uint64_t v)
{
	wr_u32(w, (uint32_t)(v >> 32));
	wr_u32(w, (uint32_t)v);
}

static inline void
wr_bytes(struct wr *w, const void *p, size_t n)
{
	uint8_t *b = wr_room(w, n);
	if (b && n)
		memcpy(b, p, n);
}

/* Overwrites two octets already written, for a length known only at the end. */
static inline void
wr_patch_u16(struct wr *w, size_t at, uint16_t v)
{
	if (w->ok && at + 2 <= wr_len(w))
		put_u16(w->start + at, v);
}

#endif
