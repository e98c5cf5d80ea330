// SPDX-License-Identifier: Apache-2.0
/*
 * Taking a control message apart: RFC 2661 4 (AVPs), 6 (what each message carries), 7.1 (what to
 * make of an invalid or malformed one).
 *
 * The order of judgement: the header (a bad one is discarded), the Message Type AVP (an unknown
 * type is ignored, or ends the tunnel if mandatory), then every AVP by itself, then what is
 * missing.  The first trouble is kept with the answer it deserves; AVPs after it are still read,
 * because the answer needs the ids they assign.  Only what makes the rest unreadable (an AVP length
 * that cannot be) stops.
 *
 * Choices where the RFCs leave room, all counted in the message:
 * - a repeated AVP: the first one counts (but see avp_repeats());
 * - a known AVP in a message that is not defined to carry it is ignored;
 * - M or H other than the RFC demands is accepted;
 * - more vendor AVPs than L2TP_VENDORS_MAX: the rest is judged, but not kept.
 *
 * L2TPv3 (RFC 3931 5) is read here as well, with the tables of its own and these differences: M of
 * a known AVP is never looked at (5.2), reserved bits are ignored (5.1), an SCCRQ may carry AVPs
 * that only L2TPv2 knows (4.7.3), a message type may belong to a vendor (5.4.1).
 */
#include "l2tp/l2tp3.h"
#include "l2tp/rows.h"

#define RECORD_HEAD 4 /* of scratch: attribute and size of a deciphered subformat */
#define NO_ATTR 0xffff

struct reader {
	struct l2tp_msg *m;
	const struct msg_row *row;
	struct span secret;
	struct span vector; /* the Random Vector that applies now; p NULL: none yet */
};

enum l2tp_fault
l2tp_avp_next(struct rd *in, struct avp_head *out)
{
	if (rd_left(in) < L2TP_AVP_HEADER)
		return L2TP_AVP_TRUNCATED;
	const uint16_t bits = rd_u16(in);
	const size_t len = bits & 0x3ff;

	out->m = bits & 0x8000;
	out->h = bits & 0x4000;
	out->reserved = bits & 0x3c00;
	out->vendor = rd_u16(in);
	out->type = rd_u16(in);
	out->value = span_of(in->p, 0);
	if (len < L2TP_AVP_HEADER)
		return L2TP_AVP_SHORT;
	if (len - L2TP_AVP_HEADER > rd_left(in))
		return L2TP_AVP_BEYOND;
	out->value = rd_span(in, len - L2TP_AVP_HEADER);
	return L2TP_OK;
}

/* ---- judgement --------------------------------------------------------------------------- */

static enum l2tp_answer
scope_answer(const struct reader *r)
{
	return r->row && r->row->scope == SCOPE_SESSION ? L2TP_CLEAR_SESSION : L2TP_CLEAR_TUNNEL;
}

static enum l2tp_answer
answer_of(const struct reader *r, enum l2tp_fault fault, bool mandatory)
{
	switch (l2tp_fault_rows[fault].answer) {
	case ANSWER_DROP:
		return L2TP_DISCARD;
	case ANSWER_BY_M:
		return mandatory ? scope_answer(r) : L2TP_IGNORE;
	case ANSWER_SCOPE:
		return scope_answer(r);
	case ANSWER_TUNNEL:
		return L2TP_CLEAR_TUNNEL;
	case ANSWER_PASS:
		break;
	}
	return L2TP_IGNORE;
}

static void
count_lapse(struct l2tp_msg *m, enum l2tp_fault fault)
{
	switch (fault) {
	case L2TP_AVP_UNKNOWN:
	case L2TP_AVP_RESERVED:
		m->unknown++;
		break;
	case L2TP_AVP_DUPLICATE:
		m->duplicates++;
		break;
	case L2TP_AVP_MISPLACED:
		m->misplaced++;
		break;
	case L2TP_AVP_FLAGS:
		m->flag_lapses++;
		break;
	case L2TP_TYPE_IGNORED:
		m->ignore = true;
		break;
	default:
		m->malformed++;
		break;
	}
}

/* Keeps the first trouble, and the first of what is let pass. */
static void
find_fault(struct reader *r, enum l2tp_fault fault, bool mandatory, uint16_t vendor, uint16_t attr)
{
	const struct fault_row *row = &l2tp_fault_rows[fault];
	const struct l2tp_trouble t = { fault,	     answer_of(r, fault, mandatory),
					row->result, row->error,
					vendor,	     attr };
	struct l2tp_msg *m = r->m;

	if (t.answer == L2TP_IGNORE) {
		count_lapse(m, fault);
		if (m->lapse.fault == L2TP_OK)
			m->lapse = t;
	} else if (m->trouble.fault == L2TP_OK) {
		m->trouble = t;
	}
}

static void
fault_avp(struct reader *r, enum l2tp_fault fault, const struct avp_head *a)
{
	find_fault(r, fault, a->m, a->vendor, a->type);
}

/* ---- hidden values (RFC 2661 4.3) --------------------------------------------------------- */

/*
 * Deciphers into the next record of scratch: attribute, size, then the subformat in clear.  Bounded
 * by the AVP's length (the subformat) and by the deciphered length (the value in it).
 */
static enum l2tp_fault
decipher(struct reader *r, const struct avp_head *a, struct span *value)
{
	struct l2tp_msg *m = r->m;
	const size_t len = a->value.len;

	if (r->secret.len == 0)
		return L2TP_HIDDEN_SECRET;
	if (!r->vector.p)
		return L2TP_HIDDEN_VECTOR;
	if (len < 2)
		return L2TP_HIDDEN_LENGTH;
	if (RECORD_HEAD + len > sizeof m->scratch - m->scratch_used)
		return L2TP_HIDDEN_SPACE;
	uint8_t *rec = m->scratch + m->scratch_used, *p = rec + RECORD_HEAD;
	memcpy(p, a->value.p, len);
	if (!l2tp_unhide(a->type, r->secret, r->vector, p, len))
		return L2TP_HIDDEN_SPACE;
	const size_t clear = get_u16(p);
	if (clear > len - 2)
		return L2TP_HIDDEN_LENGTH;
	put_u16(rec, avp_is_ours(a) ? a->type : NO_ATTR);
	put_u16(rec + 2, (uint16_t)len);
	m->scratch_used += RECORD_HEAD + len;
	m->hidden++;
	*value = span_of(p + 2, clear);
	return L2TP_OK;
}

/* The value in clear, or a fault recorded and false. */
static bool
open_value(struct reader *r, const struct avp_head *a, struct span *value)
{
	*value = a->value;
	if (!a->h)
		return true;
	const enum l2tp_fault fault = decipher(r, a, value);
	if (fault == L2TP_OK)
		return true;
	fault_avp(r, fault, a);
	return false;
}

/* ---- AVPs of vendor 0 --------------------------------------------------------------------- */

static enum l2tp_fault
value_if(bool so)
{
	return so ? L2TP_OK : L2TP_AVP_VALUE;
}

/* What check_value() is to L2TPv2.  A Remote Session ID of zero says that none is known (RFC 3931
 * 5.4.4). */
static enum l2tp_fault
check_value3(uint16_t msg_type, uint16_t attr, struct span v)
{
	const bool farewell = msg_type == L2TP_STOPCCN || msg_type == L2TP_CDN;

	switch (attr) {
	case AVP_ASSIGNED_CONNECTION:
	case AVP_LOCAL_SESSION:
		return value_if(farewell || get_u32(v.p) != 0);
	case AVP_RECEIVE_WINDOW:
		return value_if(get_u16(v.p) != 0);
	case AVP_DATA_SEQUENCING:
		return value_if(get_u16(v.p) <= L2TP3_SEQUENCE_ALL);
	case AVP_ASSIGNED_COOKIE:
		return v.len == 0 || v.len == 4 || v.len == 8 ? L2TP_OK : L2TP_AVP_LENGTH;
	case AVP_CALL_ERRORS:
		return v.len == 18 || v.len == 26 ? L2TP_OK : L2TP_AVP_LENGTH;
	case AVP_FAILOVER_CAPABILITY:
		return value_if(get_u16(v.p) & 3);
	default:
		return L2TP_OK;
	}
}

/* Values that a well-formed AVP must not have.  An id of zero is let pass where the peer says that
 * it never assigned one. */
static enum l2tp_fault
check_value(uint16_t msg_type, uint16_t attr, struct span v)
{
	const bool farewell =
	    msg_type == L2TP_STOPCCN || msg_type == L2TP_CDN || msg_type == L2TP_MSEN;

	switch (attr) {
	case AVP_ASSIGNED_TUNNEL:
	case AVP_ASSIGNED_SESSION:
		return farewell || get_u16(v.p) != 0 ? L2TP_OK : L2TP_AVP_VALUE;
	case AVP_RECEIVE_WINDOW:
		return get_u16(v.p) != 0 ? L2TP_OK : L2TP_AVP_VALUE;
	case AVP_PROTOCOL_VERSION:
		return v.p[0] == 1 ? L2TP_OK : L2TP_PROTOCOL;
	case AVP_FAILOVER_CAPABILITY: /* RFC 4951 5.1: not with C and D cleared */
		return get_u16(v.p) & 3 ? L2TP_OK : L2TP_AVP_VALUE;
	default:
		return L2TP_OK;
	}
}

static bool
flags_as_demanded(const struct reader *r, const struct avp_row *row, const struct avp_head *a)
{
	if (a->h && row->hiding == HIDING_OPEN)
		return false;
	return r->m->v3 || row->m == RULE_MX || a->m == (row->m == RULE_M1);
}

static void
take_vector(struct reader *r, const struct avp_head *a)
{
	struct l2tp_msg *m = r->m;

	if (a->h) {
		fault_avp(r, L2TP_HIDDEN_FORBIDDEN, a);
		return;
	}
	r->vector = a->value;
	if (!l2tp_msg_has(m, AVP_RANDOM_VECTOR)) {
		m->present[AVP_RANDOM_VECTOR >> 6] |= (uint64_t)1 << (AVP_RANDOM_VECTOR & 63);
		m->avp[AVP_RANDOM_VECTOR] = a->value;
	}
}

static void
take_known(struct reader *r, const struct avp_row *row, const struct avp_head *a)
{
	struct l2tp_msg *m = r->m;
	const bool again = l2tp_msg_has(m, a->type);
	struct span value;
	enum l2tp_fault fault;

	if (!flags_as_demanded(r, row, a))
		fault_avp(r, L2TP_AVP_FLAGS, a);
	if (a->type == AVP_RANDOM_VECTOR) {
		take_vector(r, a);
		return;
	}
	if (!((r->row->must | r->row->may) & avpset_of(a->type))) {
		fault_avp(r, L2TP_AVP_MISPLACED, a);
		return;
	}
	if (again && !avp_repeats(a->type)) {
		fault_avp(r, L2TP_AVP_DUPLICATE, a);
		return;
	}
	if (!open_value(r, a, &value))
		return;
	if (!avp_row_fits(row, value.len))
		fault = L2TP_AVP_LENGTH;
	else if (m->v3)
		fault = check_value3(m->type, a->type, value);
	else
		fault = check_value(m->type, a->type, value);
	if (fault != L2TP_OK) {
		fault_avp(r, fault, a);
		return;
	}
	if (again)
		return; /* l2tp_msg_each() finds it */
	m->present[a->type >> 6] |= (uint64_t)1 << (a->type & 63);
	m->avp[a->type] = value;
}

/* ---- AVPs of vendors ---------------------------------------------------------------------- */

/* Access line attributes are known; whatever else is optional is kept for who may know it. */
static void
take_vendor(struct reader *r, const struct avp_head *a)
{
	struct l2tp_msg *m = r->m;
	const int line = a->vendor == L2TP_VENDOR_ADSL_FORUM ? l2tp_line_find(a->type) : -1;
	struct span value;

	if (line < 0) {
		fault_avp(r, L2TP_AVP_UNKNOWN, a);
		if (a->m)
			return;
	}
	if (line < 0 && a->h)
		return; /* not worth deciphering */
	if (!open_value(r, a, &value))
		return;
	if (line >= 0 && !l2tp_line_fits((enum l2tp_line)line, value.len)) {
		fault_avp(r, L2TP_AVP_LENGTH, a);
		return;
	}
	if (m->vendors < L2TP_VENDORS_MAX)
		m->vendor[m->vendors++] = (struct l2tp_vendor_avp){ a->vendor, a->type, value };
}

/* Of a peer that would also settle for L2TPv2: ignored whatever its M bit says (RFC 3931 4.7.3). */
static bool
offers_v2(const struct reader *r, const struct avp_head *a)
{
	return r->m->v3 && r->m->type == L2TP_SCCRQ && a->vendor == 0 && avp_row(a->type);
}

static void
take_avp(struct reader *r, const struct avp_head *a)
{
	const struct avp_row *row = avp_is_ours(a) ? avp_row_of(r->m->v3, a->type) : NULL;

	r->m->avps++;
	if (a->reserved && !r->m->v3)
		fault_avp(r, L2TP_AVP_RESERVED, a);
	else if (!row && offers_v2(r, a))
		fault_avp(r, L2TP_AVP_MISPLACED, a);
	else if (row)
		take_known(r, row, a);
	else if (a->vendor == 0)
		fault_avp(r, L2TP_AVP_UNKNOWN, a);
	else
		take_vendor(r, a);
}

/* ---- messages ---------------------------------------------------------------------------- */

static enum l2tp_fault
check_control_header(const struct l2tp_hdr *h)
{
	if (!h->control)
		return L2TP_NOT_CONTROL;
	if (!h->has_len)
		return L2TP_NO_LENGTH;
	if (!h->has_seq)
		return L2TP_NO_SEQUENCE;
	return h->has_offset ? L2TP_CONTROL_OFFSET : L2TP_OK;
}

/* A vendor's own message: unknown, and no number of ours (RFC 3931 5.4.1). */
static bool
take_foreign_type(struct reader *r, const struct avp_head *a)
{
	r->m->type = UINT16_MAX;
	fault_avp(r, a->m ? L2TP_TYPE_UNKNOWN : L2TP_TYPE_IGNORED, a);
	return false;
}

static enum l2tp_fault
check_type(const struct reader *r, const struct avp_head *a)
{
	const bool v3 = r->m->v3;

	if ((a->vendor != 0 && !v3) || a->type != AVP_MESSAGE_TYPE || (a->reserved && !v3))
		return L2TP_TYPE_FIRST;
	return a->h || (a->vendor == 0 && a->value.len != 2) ? L2TP_TYPE_MALFORMED : L2TP_OK;
}

/* The Message Type AVP: first, open, two octets (RFC 2661 4.4.1).  False: read no further. */
static bool
take_type(struct reader *r, struct rd *in)
{
	struct l2tp_msg *m = r->m;
	struct avp_head a = { 0 };
	enum l2tp_fault fault = l2tp_avp_next(in, &a);

	m->avps++;
	if (fault == L2TP_OK)
		fault = check_type(r, &a);
	if (fault != L2TP_OK) {
		fault_avp(r, fault, &a);
		return false;
	}
	if (a.vendor != 0)
		return take_foreign_type(r, &a);
	m->type = get_u16(a.value.p);
	m->present[0] |= (uint64_t)1 << AVP_MESSAGE_TYPE;
	m->avp[AVP_MESSAGE_TYPE] = a.value;
	r->row = m->v3 ? msg3_row(m->type) : msg_row(m->type);
	if (!r->row) {
		fault_avp(r, a.m ? L2TP_TYPE_UNKNOWN : L2TP_TYPE_IGNORED, &a);
		return false;
	}
	m->type_known = true;
	if (!m->v3 && r->row->m != RULE_MX && a.m != (r->row->m == RULE_M1))
		fault_avp(r, L2TP_AVP_FLAGS, &a);
	return true;
}

static void
find_missing(struct reader *r)
{
	const struct l2tp_msg *m = r->m;
	const avpset present = (avpset)m->present[1] << 64 | m->present[0];
	const avpset missing = r->row->must & ~present;
	uint16_t attr = 0;

	if (!missing)
		return;
	while (!(missing >> attr & 1))
		attr++;
	find_fault(r, L2TP_AVP_MISSING, true, 0, attr);
}

static void
read_body(struct reader *r)
{
	struct rd in = rd_of(r->m->body.p, r->m->body.len);
	struct avp_head a = { 0 };

	if (!take_type(r, &in))
		return;
	while (rd_left(&in) > 0) {
		const enum l2tp_fault fault = l2tp_avp_next(&in, &a);

		if (fault != L2TP_OK) {
			find_fault(r, fault, true, a.vendor, a.type);
			return;
		}
		take_avp(r, &a);
	}
	find_missing(r);
}

enum l2tp_fault
l2tp_msg_read(struct span packet, struct span secret, struct l2tp_msg *out)
{
	struct reader r = { .m = out, .secret = secret };

	memset(out, 0, offsetof(struct l2tp_msg, avp));
	out->scratch_used = 0;
	enum l2tp_fault fault = l2tp_hdr_read(packet, &out->hdr, &out->body);
	if (fault == L2TP_OK)
		fault = check_control_header(&out->hdr);
	if (fault != L2TP_OK)
		find_fault(&r, fault, true, 0, 0);
	else if (out->body.len > 0)
		read_body(&r);
	return out->trouble.fault;
}

/* Over UDP, Ver may say 2 in an SCCRQ that offers both (RFC 3931 4.7.3). */
static void
check_version3(struct reader *r)
{
	const struct l2tp_msg *m = r->m;

	if (m->hdr.version != 3 && m->type != L2TP_SCCRQ) {
		r->m->trouble.fault = L2TP_OK;
		find_fault(r, L2TP_BAD_VERSION, true, 0, 0);
	}
}

enum l2tp_fault
l2tp3_msg_read(struct span message, struct span hiding_key, struct l2tp_msg *out)
{
	struct reader r = { .m = out, .secret = hiding_key };

	memset(out, 0, offsetof(struct l2tp_msg, avp));
	out->scratch_used = 0;
	out->v3 = true;
	enum l2tp_fault fault = l2tp3_hdr_read(message, &out->hdr, &out->body);
	if (fault != L2TP_OK) {
		find_fault(&r, fault, true, 0, 0);
		return fault;
	}
	if (out->body.len > 0)
		read_body(&r);
	check_version3(&r);
	return out->trouble.fault;
}

/* ---- attributes that come several times --------------------------------------------------- */

static bool
each_open(const struct l2tp_msg *m, enum l2tp_avp attr, const struct avp_row *row, size_t *at,
	  struct span *out)
{
	struct rd in = rd_of(m->body.p + *at, m->body.len - *at);
	struct avp_head a;

	while (rd_left(&in) > 0 && l2tp_avp_next(&in, &a) == L2TP_OK) {
		*at = m->body.len - rd_left(&in);
		if (avp_is_ours(&a) && a.type == attr && !a.h && (!a.reserved || m->v3) &&
		    avp_row_fits(row, a.value.len)) {
			*out = a.value;
			return true;
		}
	}
	*at = m->body.len;
	return false;
}

static bool
each_hidden(const struct l2tp_msg *m, enum l2tp_avp attr, const struct avp_row *row, size_t *at,
	    struct span *out)
{
	size_t pos = *at - m->body.len;

	while (pos + RECORD_HEAD + 2 <= m->scratch_used) {
		const uint8_t *rec = m->scratch + pos;

		pos += RECORD_HEAD + get_u16(rec + 2);
		*at = m->body.len + pos;
		*out = span_of(rec + RECORD_HEAD + 2, get_u16(rec + RECORD_HEAD));
		if (get_u16(rec) == attr && avp_row_fits(row, out->len))
			return true;
	}
	return false;
}

bool
l2tp_msg_each(const struct l2tp_msg *m, enum l2tp_avp a, size_t *at, struct span *out)
{
	const struct avp_row *row = avp_row_of(m->v3, a);

	if (!row || !l2tp_msg_has(m, a))
		return false;
	if (*at < m->body.len && each_open(m, a, row, at, out))
		return true;
	return each_hidden(m, a, row, at, out);
}
