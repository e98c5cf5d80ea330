// SPDX-License-Identifier: Apache-2.0
/*
 * One plausible message of every type in messages3.def, with every AVP it may carry, for tests, for
 * the fuzzer's corpus and for tshark.  The secret is that of sample.h.
 */
#ifndef TWIN_L2TP_SAMPLE3_H
#define TWIN_L2TP_SAMPLE3_H

#include "l2tp/l2tp3.h"
#include "sample.h"

#define SAMPLE3_CONNECTION 0x0a0b0c0d

/* Keys of the sample's secret, and the nonces of its sender and of its receiver. */
struct l2tp3_auth sample3_auth(bool of_sender);
struct span sample3_value(unsigned attr);
avpset sample3_attrs(const struct msg_row *row, enum sample_kind kind);
/* The whole message with Ns 7, Nr 9, sealed if there are digests. */
struct span sample3_message(unsigned type, enum sample_kind kind, struct l2tp3_digests digests,
			    uint8_t buf[SAMPLE_MAX]);

#endif
