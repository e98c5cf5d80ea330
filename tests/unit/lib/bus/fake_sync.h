// SPDX-License-Identifier: Apache-2.0
/*
 * A state-sync for tests: the node's end of proto/sync.proto without a twin, in the test's own
 * loop, with every delay and every trouble made by hand.
 */
#ifndef TWIN_FAKE_SYNC_H
#define TWIN_FAKE_SYNC_H

#include "bus/bus.h"
#include "store/store.h"

struct fake_sync {
	struct bus *bus;
	struct bus_sock *router, *pub;
	struct store *store;
	bool active, hold; /* hold: submissions wait for fake_sync_commit */
	bool mute;	   /* no FEED */
	uint64_t position, epoch;
	char client[64]; /* identity of the last that said HELLO; one client is enough here */
	uint64_t hellos, submits, records, locals;
	uint8_t *pending[4096];
	size_t pending_len[4096];
	unsigned pendings;
};

/* Opens (or opens again) the store under dir and the endpoints; what is submitted is committed at
 * once. */
void fake_sync_start(struct fake_sync *, struct bus *, const char *dir, bool active,
		     uint64_t epoch);
/* As kill -9 would: endpoints gone, what was pending is lost. */
void fake_sync_stop(struct fake_sync *);
/* Commits the first n pending submissions. */
void fake_sync_commit(struct fake_sync *, unsigned n);
/* A transaction of somebody else: one row, written to the store and fed. row NULL: removed. */
void fake_sync_other(struct fake_sync *, const char *owner, unsigned table, struct span key,
		     const char *row);
void fake_sync_role(struct fake_sync *, bool active, uint64_t epoch);
void fake_sync_say(struct fake_sync *, int kind, uint64_t position, uint64_t up_to,
		   struct span frame);
void fake_sync_lease(struct fake_sync *, uint64_t epoch, bool active, mono_t until);

#endif
