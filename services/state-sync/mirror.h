// SPDX-License-Identifier: Apache-2.0
/*
 * What two state-syncs say to each other (proto/mirror.proto): the plain form of its Header, and the
 * codec between the two.  Frames follow a header as they are.
 */
#ifndef TWIN_MIRROR_H
#define TWIN_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

#define MIRROR_NAME 64
#define MIRROR_TERMS 32
#define MIRROR_HEAD_MAX 2048
#define MIRROR_VERSION 1

enum mirror_kind { /* numbers of proto/mirror.proto */
	MIRROR_NONE,
	MIRROR_HELLO,	  /* either way, while there is no session */
	MIRROR_SESSION,	  /* active -> standby: answer to HELLO: go on from `position`, or a snapshot comes */
	MIRROR_TXN,	  /* active -> standby: transaction `position`; its Records frames follow */
	MIRROR_ACK,	  /* standby -> active: holds everything up to `position` (cumulative) */
	MIRROR_PAGE,	  /* active -> standby: page `page` of the snapshot; one Records frame follows */
	MIRROR_PAGE_ACK,  /* standby -> active: pages up to `page` are stored */
	MIRROR_END,	  /* active -> standby: the snapshot is whole, and is transaction `position` */
	MIRROR_MODE,	  /* active -> standby: you are `mirrored`: from now on nothing is revealed that you do not hold */
	MIRROR_PING,	  /* either way, when nothing else was said for a while */
	MIRROR_STALE,	  /* either way: your epoch is over; `epoch` is the higher one I know */
	MIRROR_BYE,	  /* either way: this session is over (gap, store trouble): greet again */
	MIRROR_KINDS
};

/* The transactions from `first` on were written under `epoch`; `tag` makes it unique for all time. */
struct mirror_term {
	uint64_t epoch, tag, first;
};

struct mirror_head {
	enum mirror_kind kind;
	uint32_t version;
	uint8_t side;
	bool active, complete, mirrored, snapshot;
	uint64_t instance, attempt; /* HELLO: this life of the sender and its count of greetings; SESSION: those it answers */
	uint64_t session;
	uint64_t epoch, lineage, position, tag; /* tag: of the term that `position` belongs to */
	uint64_t page;
	uint32_t frames;
	char node[MIRROR_NAME];
	struct mirror_term term[MIRROR_TERMS]; /* SESSION: history of the sender's store, oldest first */
	unsigned terms;
};

/* Octets written into out; 0: does not fit. */
size_t mirror_head_write(const struct mirror_head *, uint8_t out[MIRROR_HEAD_MAX]);
/* False: not a header, or one whose fields contradict each other. */
bool mirror_head_read(struct span in, struct mirror_head *out);
const char *mirror_kind_name(enum mirror_kind);

#endif
