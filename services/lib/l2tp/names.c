// SPDX-License-Identifier: Apache-2.0
/*
 * Texts for numbers, all from the .def tables.
 */
#include "l2tp/codes.h"
#include "l2tp/l2tp3.h"
#include "l2tp/rows.h"

#define UNKNOWN "unknown"

const char *
l2tp_code_name(enum l2tp_code kind, unsigned number)
{
	switch ((uint64_t)kind << 32 | number) {
#define X(KIND, NUMBER, TEXT)                                                                      \
	case (uint64_t)CODE_##KIND << 32 | (NUMBER):                                               \
		return TEXT;
#include "l2tp/codes.def"
#undef X
	}
	return UNKNOWN;
}

const char *
l2tp_msg_name(unsigned type)
{
	const struct msg_row *row = msg_row(type);

	if (type == L2TP_ZLB)
		return "ZLB";
	return row ? row->text : UNKNOWN;
}

const char *
l2tp_avp_name(unsigned vendor, unsigned type)
{
	const struct avp_row *row = vendor == 0 ? avp_row(type) : NULL;
	const int line = vendor == L2TP_VENDOR_ADSL_FORUM ? l2tp_line_find(type) : -1;

	if (line >= 0)
		return l2tp_line_info[line].name;
	return row ? row->text : UNKNOWN;
}

const char *
l2tp3_msg_name(unsigned type)
{
	const struct msg_row *row = msg3_row(type);

	if (type == L2TP_ZLB)
		return "ZLB";
	return row ? row->text : UNKNOWN;
}

const char *
l2tp3_avp_name(unsigned vendor, unsigned type)
{
	const struct avp_row *row = vendor == 0 ? avp3_row(type) : NULL;

	return row ? row->text : UNKNOWN;
}

static const struct fault_row *
fault_row(enum l2tp_fault fault)
{
	static const struct fault_row none = { UNKNOWN, "l2tp_unknown", ANSWER_PASS, 0, 0,
					       "",	UNKNOWN };

	return (unsigned)fault < L2TP_FAULTS ? &l2tp_fault_rows[fault] : &none;
}

const char *
l2tp_fault_name(enum l2tp_fault fault)
{
	return fault_row(fault)->name;
}

const char *
l2tp_fault_counter(enum l2tp_fault fault)
{
	return fault_row(fault)->counter;
}

const char *
l2tp_fault_sentence(enum l2tp_fault fault)
{
	return fault_row(fault)->sentence;
}

const char *
l2tp_result_name(unsigned msg_type, unsigned result)
{
	switch (msg_type) {
	case L2TP_STOPCCN:
		return l2tp_code_name(CODE_STOPCCN, result);
	case L2TP_CDN:
		return l2tp_code_name(CODE_CDN, result);
	case L2TP_MSEN:
		return l2tp_code_name(CODE_MSEN, result);
	default:
		return UNKNOWN;
	}
}

const char *
l2tp_error_name(unsigned error)
{
	return l2tp_code_name(CODE_ERROR, error);
}

const char *
l2tp_q931_name(unsigned cause)
{
	return l2tp_code_name(CODE_Q931, cause);
}

const char *
l2tp_disconnect_name(unsigned code)
{
	return l2tp_code_name(CODE_DISCONNECT, code);
}

const char *
l2tp_disconnect_direction(unsigned code, unsigned direction)
{
	const char *text = code <= UINT16_MAX && direction <= UINT8_MAX
			       ? l2tp_code_name(CODE_DIRECTION, code << 8 | direction)
			       : UNKNOWN;

	return strcmp(text, UNKNOWN) ? text : "";
}

const char *
l2tp_proxy_authen_name(unsigned type)
{
	return l2tp_code_name(CODE_AUTHEN, type);
}
