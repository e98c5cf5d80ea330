// SPDX-License-Identifier: Apache-2.0
/*
 * Messages of owners that come while this node is active and its lease is over for a moment: the
 * elector starts again, or this process was not scheduled.  Datagrams and packets wait in their
 * sockets then; these wait here, in their order, and no longer than those.  Pure.
 */
#ifndef TWIN_LATE_H
#define TWIN_LATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "wire/wire.h"

#define LATE_MAX 256		 /* messages */
#define LATE_OCTETS (4u << 20)	 /* in all of them */
#define LATE_FOR (200 * MONO_MS) /* an elector starts again in less */

struct late_message {
	struct late_message *next;
	mono_t since;
	unsigned from; /* which owner */
	uint32_t len;
	uint8_t octets[];
};

struct late {
	struct late_message *first, **end;
	unsigned count;
	size_t octets;
};

enum late_fate { LATE_SEND, LATE_WAIT, LATE_DROP };

/* What becomes of a message that came at `since`. */
enum late_fate late_fate(bool active, bool may_send, mono_t since, mono_t now);

void late_init(struct late *);
void late_fini(struct late *);
/* A copy, behind all others.  False: full, or no memory. */
bool late_put(struct late *, unsigned from, mono_t now, struct span message);
/* The oldest, out of the queue: the caller frees it.  NULL: none. */
struct late_message *late_take(struct late *);

#endif
