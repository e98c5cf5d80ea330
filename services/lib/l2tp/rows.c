// SPDX-License-Identifier: Apache-2.0
/*
 * The .def tables, made into arrays indexed by attribute, message and fault number, so that reading
 * a message looks up one row per AVP and compares sets of bits at the end.
 */
#include "l2tp/rows.h"

const struct avp_row l2tp_avp_rows[AVP_TYPES] = {
#define X(TYPE, NAME, SHAPE, OCTETS, M, H, RFC, SECTION, TEXT)                                     \
	[TYPE] = { SHAPE_##SHAPE, OCTETS, RULE_##M, HIDING_##H, RFC, SECTION, TEXT },
#include "l2tp/avps.def"
#undef X
};

#define A(NAME) ((avpset)1 << AVP_##NAME)
#define A_NONE ((avpset)0)
const struct msg_row l2tp_msg_rows[L2TP_TYPES] = {
#define X(TYPE, NAME, TEXT, M, SCOPE, MUST, MAY, RFC, SECTION)                                     \
	[TYPE] = {                                                                                 \
		TEXT, RULE_##M, SCOPE_##SCOPE, (MUST) | A(MESSAGE_TYPE), (MAY) | A(RANDOM_VECTOR), \
		RFC,  SECTION                                                                      \
	},
#include "l2tp/messages.def"
#undef X
};

const struct avp_row l2tp3_avp_rows[AVP_TYPES] = {
#define X(TYPE, NAME, SHAPE, OCTETS, M, H, RFC, SECTION, TEXT)                                     \
	[TYPE] = { SHAPE_##SHAPE, OCTETS, RULE_##M, HIDING_##H, RFC, SECTION, TEXT },
#define SHARED X
#include "l2tp/avps3.def"
#undef X
};

/* RFC 3931 5.1, 5.4.1: what any message may carry. */
#define A_ANY (A(RANDOM_VECTOR) | A(MESSAGE_DIGEST) | A(EXTENDED_VENDOR))
const struct msg_row l2tp3_msg_rows[L2TP_TYPES] = {
#define X(TYPE, NAME, TEXT, M, SCOPE, MUST, MAY, RFC, SECTION)                                     \
	[TYPE] = { TEXT,	  RULE_##M, SCOPE_##SCOPE, (MUST) | A(MESSAGE_TYPE),               \
		   (MAY) | A_ANY, RFC,	    SECTION },
#include "l2tp/messages3.def"
#undef X
};

const struct fault_row l2tp_fault_rows[L2TP_FAULTS] = {
	[L2TP_OK] = { "OK", "", ANSWER_PASS, 0, 0, "", "nothing is wrong" },
#define X(NAME, COUNTER, ANSWER, RESULT, ERROR, SECTION, SENTENCE)                                 \
	[L2TP_##NAME] = { #NAME, COUNTER, ANSWER_##ANSWER, RESULT, ERROR, SECTION, SENTENCE },
#include "l2tp/faults.def"
#undef X
};
