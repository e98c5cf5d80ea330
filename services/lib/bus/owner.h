// SPDX-License-Identifier: Apache-2.0
/*
 * An owner's (or worker's) side of its conversation with state-sync (proto/sync.proto), and the
 * rule "state before wire" (design, 3) in one place: nothing is released before it is committed,
 * and nothing by a node whose lease is over.
 *
 *      HELLO -> WELCOME -> load(view) -> role() -> row() row() row() ...
 *
 * Whenever the conversation breaks (state-sync died, REFUSED, RESET, a gap, this node is no longer
 * active) what was submitted and not committed may or may not be in the store: effects are dropped,
 * and after the next WELCOME everything starts with load() again.  role() follows every load().
 *
 * The core's records go to owner_sink(); they are submitted, and effects released, once per loop
 * iteration.  While this node is not active, or before the first load(), the sink refuses records
 * and effects and counts them: a shadow must not be stepped.
 */
#ifndef TWIN_OWNER_H
#define TWIN_OWNER_H

#include "base/counters.h"
#include "base/sink.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "store/store.h"

struct owner;

#define OWNER_ALIVE (5 * MONO_S)

enum mirror { MIRROR_ALONE = 0, MIRROR_CATCHING_UP = 1, MIRROR_MIRRORED = 2 }; /* sync.Mirror */

struct owner_ops {
	/* Forget all, read the tables: this is the state now.  The view is lent. */
	void (*load)(void *arg, struct store_view *view);
	/*
	 * A row written or removed by somebody else: another owner, or, on the standby, the active
	 * twin's owner of our name.  `row` is packed (row_unpack in base/arena.h).  Never our own
	 * rows while we are active.
	 */
	void (*row)(void *arg, enum table table, struct span key, struct span row, bool removed);
	/* After every load and at every change.  `active`: the core may be stepped from now on / no
	 * more. */
	void (*role)(void *arg, bool active, uint64_t epoch, enum mirror mirror);
	/* Carry it out: it is committed and the lease is good.  The effect is lent. */
	void (*release)(void *arg, const struct effect *effect);
	/* A note of the core, or of the conversation; may be NULL: then it goes to log_note. */
	void (*note)(void *arg, enum note_level level, const char *line);
};

/*
 * `name`: "tunnel-ctl", "session-mgr", "worker.N".  ops and node are copied; nothing happens before
 * the loop runs.  NULL with errno.
 */
struct owner *owner_new(struct bus *, struct loop *, const struct conf_node *node, const char *name,
			const struct owner_ops *ops, void *arg);
void owner_free(struct owner *); /* NULL is allowed */

struct sink *owner_sink(struct owner *);
/* Does now what would be done at the end of the iteration: submit, release. */
void owner_flush(struct owner *);

bool owner_ready(const struct owner *); /* loaded, and in conversation */
bool
owner_active(const struct owner *); /* ready, and the role is active: the core may be stepped */
uint64_t owner_epoch(const struct owner *);
/* Active, and the lease of this very epoch is not over at this moment (reads the clock). */
bool owner_may_send(const struct owner *);
/* The same for who reads the clock anyway: may send while now < this; 0: not at all. */
mono_t owner_may_send_until(const struct owner *);
/* Standby, and a promotion of this node is under way: what has arrived may wait until then at most; 0: none is. */
mono_t owner_coming(const struct owner *);
/* A view of the store as it is now; NULL before the first WELCOME. store_view_end it. */
struct store_view *owner_view(struct owner *);

/* Rows of the node's own tables (COUNTERS, ALARM): stored, not mirrored.  row NULL: removed.  Lost
 * while state-sync is down. */
void owner_local_row(struct owner *, enum table table, struct span key,
		     const ProtobufCMessage *row);
/*
 * Raises or clears an alarm.  Remembered and told again after state-sync came back; what the store still has of a former
 * life of this process, and does not stand now, is cleared then.  Raising a standing one again changes only its detail.
 * Logged when it changes.  `alarm` must stay.
 */
void owner_alarm(struct owner *, const struct alarm_info *alarm, bool stands, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* These sets become the process's row in COUNTERS, each second in which one moved, and at least every OWNER_ALIVE:
 * state-sync misses who says nothing.  The owner's own are added.  `sets` must stay. */
void owner_counters(struct owner *, const struct counters *sets, unsigned n);

#endif
