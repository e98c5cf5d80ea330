// SPDX-License-Identifier: Apache-2.0
/*
 * Records frames (proto/sync.proto) without a copy and without a malloc: what every record of the
 * node passes through several times.  The octets are those protobuf-c would make and take (a fuzz
 * target compares); only the structs are missing.
 */
#ifndef TWIN_RECORDS_H
#define TWIN_RECORDS_H

#include "base/tables.h"

#define RECORDS_FRAME_MAX (4u << 20) /* octets; a longer frame is malformed */

struct record {
	unsigned table; /* may be one we do not know: skip it */
	struct span key, row;
	bool removed;
};

/* Reading: lends the frame. */
struct records {
	struct span owner;
	uint64_t first_seq, epoch;
	uint32_t count;
	struct rd in; /* private */
};

/* Checks the whole frame, so that a malformed one is not applied by half.  False: malformed. */
bool records_open(struct span frame, struct records *out);
bool records_next(struct records *, struct record *out); /* false: no more */

/*
 * Writing: a batch of one owner.  A row written twice in a batch leaves only the later one, at its
 * later place; a removal is never taken back (it and the row after it both go).  Rows that others
 * hang on (table_leads) all go, each at its place: whoever applies the batch row by row meets a tunnel
 * before its calls, and a call before its info, as they were written.
 */
struct batch;

struct batch *batch_new(void); /* grows to RECORDS_FRAME_MAX; NULL: no memory */
void batch_free(struct batch *);
void batch_reset(struct batch *);
/* row NULL: removed.  False: the batch is full (seal it first) or the key is empty or too long. */
bool batch_put(struct batch *, unsigned table, struct span key, const ProtobufCMessage *row);
bool batch_put_packed(struct batch *, unsigned table, struct span key, struct span row,
		      bool removed);
uint32_t batch_count(const struct batch *);
size_t batch_octets(const struct batch *);
/* The frame; lent until the next call on this batch. */
struct span batch_seal(struct batch *, const char *owner, uint64_t first_seq, uint64_t epoch);

#endif
