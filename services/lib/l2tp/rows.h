// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of avps.def, messages.def and faults.def as arrays, indexed by number, and those of
 * L2TPv3 beside them.  Private to the codec and its tests.
 */
#ifndef TWIN_L2TP_ROWS_H
#define TWIN_L2TP_ROWS_H

#include "l2tp/l2tp.h"

enum avp_shape { SHAPE_NONE, SHAPE_FIX, SHAPE_VAR, SHAPE_LIST };
enum m_rule { RULE_M0, RULE_M1, RULE_MX };
enum hiding { HIDING_OPEN, HIDING_MAY_HIDE };
enum msg_scope { SCOPE_TUNNEL, SCOPE_SESSION };
enum fault_answer { ANSWER_DROP, ANSWER_BY_M, ANSWER_SCOPE, ANSWER_TUNNEL, ANSWER_PASS };

/* A set of attributes of vendor 0: bit n is attribute n. */
typedef unsigned __int128 avpset;

struct avp_row {
	uint8_t shape; /* SHAPE_NONE: no such attribute */
	uint8_t octets;
	uint8_t m, hiding;
	uint16_t rfc;
	const char *section, *text;
};

struct msg_row {
	const char *text; /* NULL: no such message */
	uint8_t m, scope;
	avpset must, may;
	uint16_t rfc;
	const char *section;
};

struct fault_row {
	const char *name, *counter;
	enum fault_answer answer;
	uint16_t result, error;
	const char *section, *sentence;
};

extern const struct avp_row l2tp_avp_rows[AVP_TYPES];
extern const struct msg_row l2tp_msg_rows[L2TP_TYPES];
extern const struct avp_row l2tp3_avp_rows[AVP_TYPES];
extern const struct msg_row l2tp3_msg_rows[L2TP_TYPES];
extern const struct fault_row l2tp_fault_rows[L2TP_FAULTS];

/* NULL where the number names no row. */
static inline const struct avp_row *
avp_row(unsigned type)
{
	return type < AVP_TYPES && l2tp_avp_rows[type].shape ? &l2tp_avp_rows[type] : NULL;
}

static inline const struct msg_row *
msg_row(unsigned type)
{
	return type < L2TP_TYPES && l2tp_msg_rows[type].text ? &l2tp_msg_rows[type] : NULL;
}

/* The same in the tables of L2TPv3. */
static inline const struct avp_row *
avp3_row(unsigned type)
{
	return type < AVP_TYPES && l2tp3_avp_rows[type].shape ? &l2tp3_avp_rows[type] : NULL;
}

static inline const struct msg_row *
msg3_row(unsigned type)
{
	return type < L2TP_TYPES && l2tp3_msg_rows[type].text ? &l2tp3_msg_rows[type] : NULL;
}

static inline const struct avp_row *
avp_row_of(bool v3, unsigned type)
{
	return v3 ? avp3_row(type) : avp_row(type);
}

static inline avpset
avpset_of(unsigned type)
{
	return (avpset)1 << type;
}

/* Whether a value of `len` octets has the row's shape. */
static inline bool
avp_row_fits(const struct avp_row *row, size_t len)
{
	if (row->shape == SHAPE_FIX)
		return len == row->octets;
	return len >= row->octets && (row->shape != SHAPE_LIST || len % 2 == 0);
}

/* Attributes that one message may carry several times, each counting (RFC 4951 4.1, 5515 4,
 * 3145 3.4; RFC 3931 5.1, 5.4.1). */
static inline bool
avp_repeats(unsigned type)
{
	return type == AVP_FAILOVER_SESSION || type == AVP_SPEED_UPDATE ||
	       type == AVP_PPP_DISCONNECT || type == AVP_MESSAGE_DIGEST ||
	       type == AVP_EXTENDED_VENDOR;
}

/* One AVP as it stands in a message. */
struct avp_head {
	bool m, h;
	uint16_t reserved;
	uint16_t vendor, type;
	struct span value;
};

/* The next AVP; the cursor stands behind it, or nowhere useful after a fault. */
enum l2tp_fault l2tp_avp_next(struct rd *in, struct avp_head *out);

/* The attribute of vendor 0 that this AVP means: its own, or that of the draft of RFC 3145 (4). */
#define VENDOR_3COM 43
static inline bool
avp_is_ours(const struct avp_head *a)
{
	return a->vendor == 0 || (a->vendor == VENDOR_3COM && a->type == AVP_PPP_DISCONNECT);
}

/* The row of lines.def for an attribute of vendor 3561, or -1. */
int l2tp_line_find(unsigned type);
bool l2tp_line_fits(enum l2tp_line line, size_t len);

#endif
