// SPDX-License-Identifier: Apache-2.0
/*
 * Putting a control message together.  The table decides M and whether an AVP may be hidden; a
 * value that its row does not allow is refused, so that nothing malformed can be sent by mistake.
 */
#include <stdio.h>

#include "l2tp/l2tp3.h"
#include "l2tp/rows.h"

void
l2tp_msg_begin(struct l2tp_wr *m, struct wr *w, enum l2tp_type type, uint16_t tunnel,
	       uint16_t session)
{
	const struct l2tp_hdr h = { .control = true,
				    .has_len = true,
				    .has_seq = true,
				    .tunnel = tunnel,
				    .session = session };
	const struct msg_row *row = msg_row(type);
	uint8_t value[2];

	*m = (struct l2tp_wr){ .w = w, .start = wr_len(w), .ok = row != NULL, .was_ok = w->ok };
	l2tp_hdr_write(w, &h, 0);
	put_u16(value, (uint16_t)type);
	l2tp_avp_raw(m, 0, AVP_MESSAGE_TYPE, row && row->m == RULE_M1, false, value, 2);
}

void
l2tp_msg_hide(struct l2tp_wr *m, struct span secret, struct span vector, uint16_t pad)
{
	if (secret.len == 0 || vector.len == 0 || vector.len > sizeof m->vector) {
		m->ok = false;
		return;
	}
	m->hiding = true;
	m->secret = secret;
	m->pad = pad;
	if (m->vector_out && !span_eq(vector, span_of(m->vector, m->vector_len)))
		m->vector_out = false; /* another vector: it applies from its own AVP on */
	memcpy(m->vector, vector.p, vector.len);
	m->vector_len = vector.len;
}

void
l2tp_msg_show(struct l2tp_wr *m)
{
	m->hiding = false;
}

/* ---- AVPs -------------------------------------------------------------------------------- */

/* The header, and room for the value: NULL where it is too long or does not fit. */
static uint8_t *
avp_room(struct l2tp_wr *m, uint16_t vendor, uint16_t type, bool mandatory, bool hidden, size_t len)
{
	const size_t total = L2TP_AVP_HEADER + len;
	uint8_t *b = total <= L2TP_AVP_MAX ? wr_room(m->w, total) : NULL;

	if (!b) {
		m->ok = false;
		return NULL;
	}
	put_u16(b, (uint16_t)((mandatory ? 0x8000 : 0) | (hidden ? 0x4000 : 0) | total));
	put_u16(b + 2, vendor);
	put_u16(b + 4, type);
	return b + L2TP_AVP_HEADER;
}

static void
write_vector(struct l2tp_wr *m)
{
	uint8_t *b = avp_room(m, 0, AVP_RANDOM_VECTOR, true, false, m->vector_len);

	if (b)
		memcpy(b, m->vector, m->vector_len);
	m->vector_out = true;
}

/* Octets of the subformat: length, value, padding up to a multiple of `pad` as far as an AVP can
 * grow. */
static size_t
subformat_len(const struct l2tp_wr *m, size_t len)
{
	size_t n = 2 + len;

	if (m->pad > 1 && len % m->pad)
		n += m->pad - len % m->pad;
	return n > L2TP_VALUE_MAX && 2 + len <= L2TP_VALUE_MAX ? L2TP_VALUE_MAX : n;
}

/* RFC 2661 4.3.  The padding comes from the random vector; what is seen of it is masked anyway. */
static void
write_hidden(struct l2tp_wr *m, uint16_t vendor, uint16_t type, bool mandatory, const void *p,
	     size_t len)
{
	const size_t n = subformat_len(m, len);

	if (!m->vector_out)
		write_vector(m);
	uint8_t *b = avp_room(m, vendor, type, mandatory, true, n);
	if (!b)
		return;
	put_u16(b, (uint16_t)len);
	if (len)
		memcpy(b + 2, p, len);
	for (size_t i = 2 + len; i < n; i++)
		b[i] = m->vector[i % m->vector_len];
	if (!l2tp_hide(type, m->secret, span_of(m->vector, m->vector_len), b, n))
		m->ok = false;
}

void
l2tp_avp_raw(struct l2tp_wr *m, uint16_t vendor, uint16_t type, bool mandatory, bool may_hide,
	     const void *p, size_t len)
{
	if (m->hiding && may_hide) {
		write_hidden(m, vendor, type, mandatory, p, len);
		return;
	}
	uint8_t *b = avp_room(m, vendor, type, mandatory, false, len);
	if (b && len)
		memcpy(b, p, len);
}

void
l2tp_avp_bytes(struct l2tp_wr *m, enum l2tp_avp a, const void *p, size_t len)
{
	const struct avp_row *row = avp_row_of(m->v3, a);

	if (!row || !avp_row_fits(row, len)) {
		m->ok = false;
		return;
	}
	l2tp_avp_raw(m, 0, (uint16_t)a, row->m == RULE_M1, row->hiding == HIDING_MAY_HIDE, p, len);
}

void
l2tp_avp_empty(struct l2tp_wr *m, enum l2tp_avp a)
{
	l2tp_avp_bytes(m, a, NULL, 0);
}

void
l2tp_avp_u16(struct l2tp_wr *m, enum l2tp_avp a, uint16_t v)
{
	uint8_t b[2];

	put_u16(b, v);
	l2tp_avp_bytes(m, a, b, sizeof b);
}

void
l2tp_avp_u32(struct l2tp_wr *m, enum l2tp_avp a, uint32_t v)
{
	uint8_t b[4];

	put_u32(b, v);
	l2tp_avp_bytes(m, a, b, sizeof b);
}

void
l2tp_avp_u64(struct l2tp_wr *m, enum l2tp_avp a, uint64_t v)
{
	uint8_t b[8];

	put_u32(b, (uint32_t)(v >> 32));
	put_u32(b + 4, (uint32_t)v);
	l2tp_avp_bytes(m, a, b, sizeof b);
}

void
l2tp_avp_text(struct l2tp_wr *m, enum l2tp_avp a, const char *text)
{
	l2tp_avp_bytes(m, a, text, strlen(text));
}

/* ---- composite values --------------------------------------------------------------------- */

/* A value under construction: the fixed fields, then a text cut where no more fits. */
struct value {
	uint8_t b[L2TP_VALUE_MAX];
	struct wr w;
};

static void
value_begin(struct value *v)
{
	/* A hidden AVP has two octets less room; nobody misses them in a text of a thousand. */
	v->w = wr_of(v->b, sizeof v->b - 2);
}

/* Cut at the start of a UTF-8 sequence, never inside one. */
static void
value_text(struct value *v, const char *text)
{
	const size_t room = (size_t)(v->w.end - v->w.p);
	size_t n = text ? strnlen(text, room + 1) : 0;

	if (n > room) {
		n = room;
		while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80)
			n--;
	}
	wr_bytes(&v->w, text, n);
}

static void
value_end(struct value *v, struct l2tp_wr *m, enum l2tp_avp a)
{
	l2tp_avp_bytes(m, a, v->b, wr_len(&v->w));
}

void
l2tp_avp_result(struct l2tp_wr *m, uint16_t result, uint16_t error, const char *message)
{
	struct value v;

	value_begin(&v);
	wr_u16(&v.w, result);
	if (error || (message && *message))
		wr_u16(&v.w, error);
	value_text(&v, message);
	value_end(&v, m, AVP_RESULT_CODE);
}

void
l2tp_avp_result_of(struct l2tp_wr *m, const struct l2tp_trouble *t)
{
	char text[200];
	const char *sentence = l2tp_fault_sentence(t->fault);

	if (t->fault == L2TP_PROTOCOL || t->fault == L2TP_TYPE_FIRST ||
	    t->fault == L2TP_AVP_TRUNCATED)
		snprintf(text, sizeof text, "%s", sentence);
	else if (t->vendor == 0)
		snprintf(text, sizeof text, "%s: attribute %u (%s)", sentence, t->attr,
			 m->v3 ? l2tp3_avp_name(0, t->attr) : l2tp_avp_name(0, t->attr));
	else
		snprintf(text, sizeof text, "%s: vendor %u attribute %u", sentence, t->vendor,
			 t->attr);
	l2tp_avp_result(m, t->result, t->error, text);
}

void
l2tp_avp_q931(struct l2tp_wr *m, uint16_t cause, uint8_t msg, const char *advisory)
{
	struct value v;

	value_begin(&v);
	wr_u16(&v.w, cause);
	wr_u8(&v.w, msg);
	value_text(&v, advisory);
	value_end(&v, m, AVP_Q931_CAUSE);
}

void
l2tp_avp_disconnect(struct l2tp_wr *m, uint16_t code, uint16_t protocol, uint8_t direction,
		    const char *message)
{
	struct value v;

	value_begin(&v);
	wr_u16(&v.w, code);
	wr_u16(&v.w, protocol);
	wr_u8(&v.w, direction);
	value_text(&v, message);
	value_end(&v, m, AVP_PPP_DISCONNECT);
}

void
l2tp_avp_call_errors(struct l2tp_wr *m, const struct l2tp_call_errors *e)
{
	struct value v;

	value_begin(&v);
	wr_u16(&v.w, 0);
	wr_u32(&v.w, e->crc);
	wr_u32(&v.w, e->framing);
	wr_u32(&v.w, e->hardware_overruns);
	wr_u32(&v.w, e->buffer_overruns);
	wr_u32(&v.w, e->timeouts);
	wr_u32(&v.w, e->alignment);
	value_end(&v, m, AVP_CALL_ERRORS);
}

void
l2tp_avp_accm(struct l2tp_wr *m, uint32_t send, uint32_t receive)
{
	struct value v;

	value_begin(&v);
	wr_u16(&v.w, 0);
	wr_u32(&v.w, send);
	wr_u32(&v.w, receive);
	value_end(&v, m, AVP_ACCM);
}

void
l2tp_avp_failover(struct l2tp_wr *m, const struct l2tp_failover *f)
{
	struct value v;

	if (!f->control && !f->data) { /* RFC 4951 5.1: must not be sent */
		m->ok = false;
		return;
	}
	value_begin(&v);
	wr_u16(&v.w, (uint16_t)((f->data ? 2 : 0) | (f->control ? 1 : 0)));
	wr_u32(&v.w, f->recovery_ms);
	value_end(&v, m, AVP_FAILOVER_CAPABILITY);
}

/* Two ids behind 16 reserved bits; an id that is none of L2TPv2 is refused. */
static void
write_id_pair(struct l2tp_wr *m, enum l2tp_avp a, uint32_t one, uint32_t other)
{
	struct value v;

	if (!m->v3 && (one > UINT16_MAX || other > UINT16_MAX)) {
		m->ok = false;
		return;
	}
	value_begin(&v);
	wr_u16(&v.w, 0);
	wr_u32(&v.w, one);
	wr_u32(&v.w, other);
	value_end(&v, m, a);
}

void
l2tp_avp_recovery(struct l2tp_wr *m, uint32_t tunnel, uint32_t remote)
{
	write_id_pair(m, AVP_TUNNEL_RECOVERY, tunnel, remote);
}

void
l2tp_avp_fss(struct l2tp_wr *m, uint32_t session, uint32_t remote)
{
	write_id_pair(m, AVP_FAILOVER_SESSION, session, remote);
}

void
l2tp_avp_scs(struct l2tp_wr *m, uint16_t ns, uint16_t nr)
{
	struct value v;

	value_begin(&v);
	wr_u16(&v.w, 0);
	wr_u16(&v.w, ns);
	wr_u16(&v.w, nr);
	value_end(&v, m, AVP_SUGGESTED_SEQUENCE);
}

void
l2tp_avp_speed_update(struct l2tp_wr *m, uint16_t remote_session, uint32_t tx, uint32_t rx)
{
	struct value v;

	value_begin(&v);
	wr_u32(&v.w, remote_session);
	wr_u32(&v.w, tx);
	wr_u32(&v.w, rx);
	value_end(&v, m, AVP_SPEED_UPDATE);
}

void
l2tp_avp_line(struct l2tp_wr *m, enum l2tp_line a, const void *p, size_t len)
{
	if ((unsigned)a >= LINE_ATTRS || !l2tp_line_fits(a, len)) {
		m->ok = false;
		return;
	}
	l2tp_avp_raw(m, L2TP_VENDOR_ADSL_FORUM, l2tp_line_info[a].type, false, true, p, len);
}

void
l2tp_avp_line_number(struct l2tp_wr *m, enum l2tp_line a, uint64_t v)
{
	uint8_t b[8];

	if ((unsigned)a >= LINE_ATTRS || l2tp_line_info[a].kind != LINE_NUMBER) {
		m->ok = false;
		return;
	}
	put_u32(b, (uint32_t)(v >> 32));
	put_u32(b + 4, (uint32_t)v);
	if (l2tp_line_info[a].len == 4 && v > UINT32_MAX)
		m->ok = false;
	else
		l2tp_avp_line(m, a, b + sizeof b - l2tp_line_info[a].len, l2tp_line_info[a].len);
}

bool
l2tp_msg_end(struct l2tp_wr *m, uint16_t ns, uint16_t nr)
{
	struct wr *w = m->w;
	const size_t len = wr_len(w) - m->start;

	if (!m->ok || !w->ok || len > UINT16_MAX) {
		w->p = w->start + m->start;
		w->ok = m->was_ok;
		return false;
	}
	uint8_t *msg = w->start + m->start;
	put_u16(msg + 2, (uint16_t)len);
	l2tp_msg_set_seq(msg, ns, nr);
	return true;
}
