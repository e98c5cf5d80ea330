// SPDX-License-Identifier: Apache-2.0
/*
 * One plausible message of every type in messages.def, with every AVP it may carry, for tests, for
 * the fuzzer's corpus and for tshark.
 */
#ifndef TWIN_L2TP_SAMPLE_H
#define TWIN_L2TP_SAMPLE_H

#include "l2tp/rows.h"

#define SAMPLE_MAX 4096
#define SAMPLE_TUNNEL 0x0102
#define SAMPLE_SESSION 0x0304

enum sample_kind {
	SAMPLE_LEAST,  /* what must be there */
	SAMPLE_FULL,   /* and what may */
	SAMPLE_HIDDEN, /* the same, hidden as far as allowed */
};

struct span sample_secret(void);
/* The value of an attribute in a sample; lives until the next call. */
struct span sample_value(unsigned attr);
/* The attributes of a sample besides Message Type and Random Vector. */
avpset sample_attrs(const struct msg_row *row, enum sample_kind kind);
/* The whole message with Ns 7, Nr 9, in `buf`. */
struct span sample_message(unsigned type, enum sample_kind kind, uint8_t buf[SAMPLE_MAX]);
/* An ICRQ with every access line attribute of lines.def. */
struct span sample_access_line(bool hidden, uint8_t buf[SAMPLE_MAX]);

#endif
