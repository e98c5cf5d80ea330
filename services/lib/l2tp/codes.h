// SPDX-License-Identifier: Apache-2.0
/*
 * The kinds of numbers in codes.def.  Private to the codec; l2tp.h has a function for each kind
 * that others need.
 */
#ifndef TWIN_L2TP_CODES_H
#define TWIN_L2TP_CODES_H

enum l2tp_code {
	CODE_STOPCCN,
	CODE_CDN,
	CODE_MSEN,
	CODE_ERROR,
	CODE_AUTHEN,
	CODE_DISCONNECT,
	CODE_DIRECTION, /* code << 8 | direction */
	CODE_Q931,
	CODE_DATA_LINK,
	CODE_ENCAPS_1,
	CODE_ENCAPS_2,
	CODE_LINE_SYSTEM,
};

/* The text, or "unknown". */
const char *l2tp_code_name(enum l2tp_code kind, unsigned number);

#endif
