// SPDX-License-Identifier: Apache-2.0
/*
 * The transmitter of RFC 3153, 1.2: subframes are written behind each other as packets come, so that
 * taking the frame costs nothing.
 *
 * T is RFC 4170's (2.3.1), started anew by every transmission: while packets keep coming a frame
 * leaves every T; after a silence the first packet starts it.  Either way no packet waits longer.
 */
#include "pppmux/pppmux.h"

#define PFF 0x80
#define LXT 0x40
#define SHORT_LEN 63u

bool
pppmux_may_carry(uint16_t proto)
{
	switch (proto) {
	case PPPMUX_PROTO:	/* 2: illegal inside itself */
	case 0xc021:		/* 2: LCP */
	case 0x003d:		/* 3: multilink */
	case 0:
		return false;
	default:
		return true;
	}
}

static uint16_t
at_most(uint16_t v, uint32_t limit)
{
	return v == 0 || v > limit ? (uint16_t)limit : v;
}

void
pppmux_tx_init(struct pppmux_tx *tx, const struct pppmux_config *conf)
{
	tx->conf = *conf;
	tx->conf.max_frame = at_most(conf->max_frame, PPPMUX_ROOM);
	if (tx->conf.max_frame < 4)
		tx->conf.max_frame = 4;
	tx->conf.max_subframe = at_most(conf->max_subframe, tx->conf.max_frame - 2u);
	tx->last = tx->due = MONO_NEVER;
	tx->last_pid = conf->default_pid;
	tx->len = tx->count = 0;
}

/* RFC 1661, 2: what can be told from its octets, an odd low one and an even high one. */
static bool
is_proper(uint16_t proto)
{
	return (proto & 0x0101) == 1;
}

static unsigned
pid_octets(uint16_t proto)
{
	return proto > 0xff ? 2 : 1;
}

/* 1.1: the length field, then the protocol field if it differs from the one before. */
static uint8_t *
write_head(uint8_t *p, bool pff, uint16_t proto, unsigned len)
{
	uint8_t bits = pff ? PFF : 0;

	if (len > SHORT_LEN) {
		*p++ = (uint8_t)(bits | LXT | len >> 8);
		*p++ = (uint8_t)len;
	} else {
		*p++ = (uint8_t)(bits | len);
	}
	if (pff) {
		if (proto > 0xff)
			*p++ = (uint8_t)(proto >> 8);
		*p++ = (uint8_t)proto;
	}
	return p;
}

static void
start_timer(struct pppmux_tx *tx, mono_t now)
{
	const mono_t running = tx->last == MONO_NEVER ? MONO_NEVER : tx->last + tx->conf.t;

	tx->due = running > now ? running : now + tx->conf.t;
}

/* Waiting would save less than is worth it: the outer headers are a small part already. */
static bool
is_worth_sending(const struct pppmux_tx *tx)
{
	const uint32_t all = (uint32_t)tx->len + tx->conf.overhead;

	return tx->conf.worth && tx->conf.overhead * 100u <= tx->conf.worth * all;
}

/* RFC 4170, 2.3.1: as many octets as a frame may have; the shortest subframe is of two. */
static bool
is_full(const struct pppmux_tx *tx)
{
	return tx->len + 2u > tx->conf.max_frame;
}

enum pppmux_verdict
pppmux_add(struct pppmux_tx *tx, mono_t now, uint16_t proto, const void *info, size_t len)
{
	const bool pff = proto != tx->last_pid;
	const size_t body = len + (pff ? pid_octets(proto) : 0);
	const size_t whole = body + (body > SHORT_LEN ? 2 : 1);
	uint8_t *p = tx->buf + tx->len;

	/* Without protocol field and information a subframe would say nothing. */
	if (body == 0 || body > tx->conf.max_subframe || whole > tx->conf.max_frame || !is_proper(proto) ||
	    !pppmux_may_carry(proto))
		return PPPMUX_PLAIN;
	if (tx->len + whole > tx->conf.max_frame)
		return PPPMUX_FULL;
	p = write_head(p, pff, proto, (unsigned)body);
	if (tx->count == 0) {
		tx->only_proto = proto;
		tx->only_at = (uint16_t)(p - tx->buf);
		start_timer(tx, now);
	}
	if (len)
		memcpy(p, info, len);
	tx->len = (uint16_t)(tx->len + whole);
	tx->last_pid = proto;
	tx->count++;
	if (tx->conf.t == 0 || tx->count == tx->conf.max_count || tx->due <= now || is_full(tx) ||
	    is_worth_sending(tx))
		return PPPMUX_READY;
	return PPPMUX_HELD;
}

bool
pppmux_take(struct pppmux_tx *tx, mono_t now, struct pppmux_frame *out)
{
	if (tx->count == 0)
		return false;
	if (tx->count == 1 && !tx->conf.alone)
		*out = (struct pppmux_frame){ tx->only_proto, 1,
			span_of(tx->buf + tx->only_at, (size_t)(tx->len - tx->only_at)) };
	else
		*out = (struct pppmux_frame){ PPPMUX_PROTO, tx->count, span_of(tx->buf, tx->len) };
	tx->len = tx->count = 0;
	tx->last_pid = tx->conf.default_pid;
	tx->last = now;
	tx->due = MONO_NEVER;
	return true;
}
