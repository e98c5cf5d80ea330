// SPDX-License-Identifier: Apache-2.0
/*
 * Access line attributes: RFC 5515 5, as lines.def lists them.
 */
#include <inttypes.h>
#include <stdio.h>

#include "l2tp/codes.h"
#include "l2tp/rows.h"

const struct l2tp_line_info l2tp_line_info[LINE_ATTRS] = {
#define X(TYPE, NAME, KIND, OCTETS, TEXT, UNIT) [LINE_##NAME] = { TYPE, KIND, OCTETS, TEXT, UNIT },
#include "l2tp/lines.def"
#undef X
};

int
l2tp_line_find(unsigned type)
{
	switch (type) {
#define X(TYPE, NAME, KIND, OCTETS, TEXT, UNIT)                                                    \
	case TYPE:                                                                                 \
		return LINE_##NAME;
#include "l2tp/lines.def"
#undef X
	}
	return -1;
}

bool
l2tp_line_fits(enum l2tp_line line, size_t len)
{
	const struct l2tp_line_info *info = &l2tp_line_info[line];

	if (info->kind == LINE_TEXT)
		return len >= 2 && len <= info->len;
	return len == info->len;
}

static uint64_t
number_of(struct span v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v.len; i++)
		n = n << 8 | v.p[i];
	return n;
}

/* The first of each counts, as with any repeated AVP. */
bool
l2tp_msg_access_line(const struct l2tp_msg *m, struct l2tp_access_line *out)
{
	out->present = 0;
	for (unsigned i = 0; i < m->vendors; i++) {
		const struct l2tp_vendor_avp *a = &m->vendor[i];
		const int line = a->vendor == L2TP_VENDOR_ADSL_FORUM ? l2tp_line_find(a->type) : -1;

		if (line < 0 || out->present >> line & 1)
			continue;
		out->present |= 1u << line;
		out->raw[line] = a->value;
		out->number[line] =
		    l2tp_line_info[line].kind == LINE_NUMBER ? number_of(a->value) : 0;
	}
	return out->present != 0;
}

static void
text_value(struct span v, char *out, size_t cap)
{
	const size_t n = v.len < cap - 1 ? v.len : cap - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = v.p[i] < 0x20 || v.p[i] == 0x7f ? '?' : (char)v.p[i];
	out[n] = 0;
}

/*
 * RFC 5515 5.18: the transmission system, then three reserved octets.  Some read and write it as one
 * 32-bit number; as no system is 0, both can be told apart.
 */
static uint8_t
line_system(struct span v)
{
	return v.p[0] ? v.p[0] : v.p[3];
}

const char *
l2tp_line_text(const struct l2tp_access_line *l, enum l2tp_line a, char *out, size_t cap)
{
	if (cap == 0)
		return "";
	out[0] = 0;
	if ((unsigned)a >= LINE_ATTRS || !(l->present >> a & 1))
		return out;
	const struct l2tp_line_info *info = &l2tp_line_info[a];
	const struct span v = l->raw[a];

	if (info->kind == LINE_TEXT)
		text_value(v, out, cap);
	else if (a == LINE_LOOP_ENCAPSULATION)
		snprintf(out, cap, "%s, %s, %s", l2tp_code_name(CODE_DATA_LINK, v.p[0]),
			 l2tp_code_name(CODE_ENCAPS_1, v.p[1]),
			 l2tp_code_name(CODE_ENCAPS_2, v.p[2]));
	else if (a == LINE_LINE_TYPE)
		snprintf(out, cap, "%s", l2tp_code_name(CODE_LINE_SYSTEM, line_system(v)));
	else if (a == LINE_IWF_SESSION)
		snprintf(out, cap, "%s", l->number[a] ? "IWF performed" : "IWF not performed");
	else
		snprintf(out, cap, "%" PRIu64 " %s", l->number[a], info->unit);
	return out;
}
