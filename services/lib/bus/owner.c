// SPDX-License-Identifier: Apache-2.0
/*
 * An owner's conversation with state-sync.  See owner.h for the contract, proto/sync.proto for the
 * words.
 *
 *      TALK_NONE --hello--> TALK_HELLO --WELCOME, load()--> TALK_READY
 *          ^                    |                               |
 *          +-- pause 50 ms -----+--- 2 s without WELCOME        |
 *          +---------- connection lost, REFUSED, gap, nonsense -+
 *
 * Every greeting is made on a new socket, so that nothing of an earlier conversation is left in a
 * queue in either direction: state-sync sees a new connection under the old identity, and forgets
 * the old one.
 *
 * Two numberings.  The outbox counts every record the core emits.  On the wire, records are counted
 * as they are submitted: a row written twice in one batch is mostly submitted once.  `flight` remembers,
 * per batch, the last number of either kind.
 */
#include "bus/owner.h"
#include "bus/claim.h"
#include "bus/lease.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/outbox.h"
#include "bus/records.h"
#include "role.pb-c.h"
#include "sync.pb-c.h"

#define PAUSE (50 * MONO_MS)	  /* between two greetings */
#define PATIENCE (2 * MONO_S)	  /* for a WELCOME */
#define FLIGHT_OCTETS (64u << 20) /* submitted and not committed; more waits in the batch */
#define CLAIM_MS 500		  /* for the one before us to be gone */
#define ALARMS 64
#define SETS 16

enum talk { TALK_NONE, TALK_HELLO, TALK_READY };

enum owner_counter {
#define X(NAME, SENTENCE) NAME,
#include "bus/owner_counters.def"
#undef X
	OWNER_COUNTERS
};

static const struct counter_info counter_infos[] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "bus/owner_counters.def"
#undef X
};

struct flight {
	uint64_t wire, outbox; /* the last numbers of one batch */
	size_t octets;
};

struct standing {
	const struct alarm_info *alarm;
	uint64_t since;
	char detail[256];
};

struct owner {
	struct sink sink; /* first: owner_sink lends it */
	struct bus *bus;
	struct loop *loop;
	struct owner_ops ops;
	void *arg;
	char name[64], store_dir[CONF_TEXT];

	struct bus_sock *sync, *role;
	struct loop_each *each;
	struct loop_timer timer;   /* NONE: greet now; HELLO: patience is over */
	struct loop_timer seconds; /* counters */
	enum talk talk;
	struct store *store;
	struct arena arena;

	bool active; /* the role as last heard */
	uint64_t epoch;
	enum mirror mirror;
	uint64_t lease_epoch;
	mono_t lease_until; /* as heard; 0: none.  Where there is a page, it counts */
	struct lease_page *lease;
	int claim; /* of our name on this node */
	char run_dir[sizeof((struct conf_node *)0)->run_dir];

	uint64_t position;	/* the last transaction of the feed, or of the view */
	uint64_t view_position; /* feeds up to here are in the view */
	uint64_t fed_next; /* our own records come back in order: the first of the next frame */

	struct outbox outbox;
	struct batch *batch, *local;
	uint64_t wire_next;    /* number of the next record to be submitted */
	struct flight *flight; /* ring */
	unsigned flights, flight_first, flight_cap;
	size_t flight_octets;

	struct standing standing[ALARMS];
	unsigned alarms;
	struct counters sets[SETS];
	unsigned nsets;
	uint64_t counters_sum;
	mono_t alive; /* when they were last told */
	uint64_t v[OWNER_COUNTERS];
	struct log_limit refusals;
};

static void note(struct owner *o, enum note_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
note(struct owner *o, enum note_level level, const char *fmt, ...)
{
	char line[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (o->ops.note)
		o->ops.note(o->arg, level, line);
	else
		log_note(level, line);
}

/* --- who may send -------------------------------------------------------------------------- */

bool
owner_ready(const struct owner *o)
{
	return o->talk == TALK_READY;
}

bool
owner_active(const struct owner *o)
{
	return o->talk == TALK_READY && o->active;
}

uint64_t
owner_epoch(const struct owner *o)
{
	return o->epoch;
}

/* The role as last heard is enough: state-sync may be down while a worker's lease is good. */
mono_t
owner_may_send_until(const struct owner *o)
{
	mono_t heard = o->lease_epoch == o->epoch ? o->lease_until : 0;

	if (!o->active)
		return 0;
	return o->lease ? lease_read(o->lease, o->epoch) : heard;
}

mono_t
owner_coming(const struct owner *o)
{
	return o->lease && !o->active ? lease_coming_read(o->lease) : 0;
}

bool
owner_may_send(const struct owner *o)
{
	mono_t until = owner_may_send_until(o);

	return until != 0 && mono_now() < until;
}

static void
on_lease(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct owner *o = arg;

	arena_reset(&o->arena);
	const Role__Lease *l =
	    (const Role__Lease *)arena_unpack(&o->arena, &role__lease__descriptor, f[0]);
	if (!l)
		return;
	o->lease_epoch = l->epoch;
	o->lease_until = l->active ? l->until : 0;
	if (!o->lease)
		o->lease = lease_open(o->run_dir);
}

/* --- saying things ------------------------------------------------------------------------- */

static bool
say(struct owner *o, Sync__Kind kind, struct span frame)
{
	uint8_t head[128];
	Sync__Header h = SYNC__HEADER__INIT;

	h.kind = kind;
	h.epoch = o->epoch;
	h.frames = frame.len ? 1 : 0;
	if (kind == SYNC__KIND__HELLO)
		h.who = o->name;
	const struct span frames[] = { span_of(head, sync__header__pack(&h, head)), frame };
	return o->sync && bus_send(o->sync, span_of(NULL, 0), frames, frame.len ? 2 : 1);
}

static void on_sync(void *arg, struct bus_sock *from, struct span identity, const struct span *f,
		    unsigned n);
static void on_link(void *arg, struct bus_sock *from, enum bus_link link);

/* Everything that belongs to one conversation. */
static void
forget_talk(struct owner *o)
{
	outbox_restart(&o->outbox);
	batch_reset(o->batch);
	batch_reset(o->local);
	o->flights = o->flight_first = 0;
	o->flight_octets = 0;
	o->wire_next = o->fed_next = 1;
}

static void
hello(struct owner *o)
{
	bus_close(o->sync);
	o->sync = bus_dealer_connect(o->bus, "sync", o->name, on_sync, o);
	o->talk = TALK_HELLO;
	o->v[SYNC_HELLO]++;
	if (!o->sync || !bus_watch(o->sync, on_link, o))
		note(o, NOTE_ERROR, "cannot reach state-sync reason=%s", strerror(errno));
	say(o, SYNC__KIND__HELLO, span_of(NULL, 0));
	loop_timer_set(o->loop, &o->timer, loop_now(o->loop) + PATIENCE);
}

/* The conversation is over: what was not committed is nobody's, and the store will say what is
 * true. */
static void
start_over(struct owner *o, enum note_level level, const char *why)
{
	if (o->talk == TALK_NONE)
		return;
	note(o, level, "conversation with state-sync starts over why=%s records=%llu effects=%u",
	     why, (unsigned long long)(o->outbox.recorded - o->outbox.committed),
	     outbox_effects(&o->outbox));
	o->talk = TALK_NONE;
	bus_close(o->sync);
	o->sync = NULL;
	forget_talk(o);
	loop_timer_set(o->loop, &o->timer, loop_now(o->loop) + PAUSE);
}

static void
on_timer(void *arg)
{
	struct owner *o = arg;

	if (o->talk == TALK_HELLO)
		note(o, NOTE_WARN, "state-sync does not answer waited-ms=%lld",
		     (long long)(PATIENCE / MONO_MS));
	hello(o);
}

/* On a dead connection whatever is queued would reach the next state-sync before our greeting does.
 */
static void
on_link(void *arg, struct bus_sock *from, enum bus_link link)
{
	struct owner *o = arg;

	if (link == BUS_UP || from != o->sync)
		return;
	o->v[SYNC_LOST]++;
	start_over(o, NOTE_WARN, "connection lost");
}

/* --- what the core says -------------------------------------------------------------------- */

static bool submit(struct owner *o);

static struct owner *
owner_of(struct sink *s)
{
	return (struct owner *)s;
}

static void
refused(struct owner *o, enum owner_counter which, const char *what, const char *why)
{
	uint64_t before;

	o->v[which]++;
	if (log_limit_take(&o->refusals, loop_now(o->loop), &before))
		note(o, NOTE_WARN, "%s refused why=%s suppressed=%llu", what, why,
		     (unsigned long long)before);
}

/* False: full.  `row` NULL and `packed` without octets: a removal. */
static bool
put_row(struct owner *o, enum table table, struct span key, const ProtobufCMessage *row, struct span packed)
{
	return packed.p ? batch_put_packed(o->batch, table, key, packed, false) : batch_put(o->batch, table, key, row);
}

static void
take_record(struct owner *o, enum table table, struct span key, const ProtobufCMessage *row, struct span packed)
{
	if (!owner_active(o)) {
		refused(o, RECORDS_REFUSED, "record", "not active");
		return;
	}
	if (!put_row(o, table, key, row, packed) && (!submit(o) || !put_row(o, table, key, row, packed))) {
		/* The core has applied what state-sync will never see. */
		refused(o, RECORDS_REFUSED, "record", "too large, or state-sync is far behind");
		start_over(o, NOTE_ERROR, "a record was refused");
		return;
	}
	outbox_record(&o->outbox);
	o->v[RECORDS_OUT]++;
}

static void
sink_take_record(struct sink *s, enum table table, struct span key, const ProtobufCMessage *row)
{
	take_record(owner_of(s), table, key, row, span_of(NULL, 0));
}

static void
sink_take_packed(struct sink *s, enum table table, struct span key, struct span row)
{
	take_record(owner_of(s), table, key, NULL, row);
}

static void
sink_take_effect(struct sink *s, const struct effect *e)
{
	struct owner *o = owner_of(s);

	if (!owner_active(o))
		refused(o, EFFECTS_REFUSED, "effect", "not active");
	else if (!outbox_effect(&o->outbox, e))
		refused(o, EFFECTS_REFUSED, "effect", "outbox full");
	else
		o->v[EFFECTS_HELD]++;
}

static void
sink_take_note(struct sink *s, enum note_level level, const char *line)
{
	note(owner_of(s), level, "%s", line);
}

struct sink *
owner_sink(struct owner *o)
{
	return &o->sink;
}

/* --- batches out, commitments in ----------------------------------------------------------- */

static bool
flight_add(struct owner *o, struct flight f)
{
	if (o->flights == o->flight_cap) {
		unsigned cap = o->flight_cap ? 2 * o->flight_cap : 64;
		struct flight *ring = malloc(cap * sizeof *ring);
		if (!ring)
			return false;
		for (unsigned i = 0; i < o->flights; i++)
			ring[i] = o->flight[(o->flight_first + i) % o->flight_cap];
		free(o->flight);
		o->flight = ring;
		o->flight_cap = cap;
		o->flight_first = 0;
	}
	o->flight[(o->flight_first + o->flights++) % o->flight_cap] = f;
	o->flight_octets += f.octets;
	return true;
}

/* True: the batch is empty now. */
static bool
submit(struct owner *o)
{
	uint32_t n = batch_count(o->batch);

	if (n == 0)
		return true;
	if (o->talk != TALK_READY || o->flight_octets >= FLIGHT_OCTETS)
		return false;
	struct span frame = batch_seal(o->batch, o->name, o->wire_next, o->epoch);
	if (!flight_add(o,
			(struct flight){ o->wire_next + n - 1, o->outbox.recorded, frame.len }) ||
	    !say(o, SYNC__KIND__SUBMIT, frame)) {
		start_over(o, NOTE_ERROR, "the queue to state-sync is full");
		return false;
	}
	o->wire_next += n;
	o->v[BATCHES_OUT]++;
	batch_reset(o->batch);
	return true;
}

static void
on_committed(struct owner *o, uint64_t up_to)
{
	if (up_to >= o->wire_next) {
		o->v[SYNC_MALFORMED]++;
		start_over(o, NOTE_ERROR, "committed what was never submitted");
		return;
	}
	while (o->flights && o->flight[o->flight_first].wire <= up_to) {
		const struct flight *f = &o->flight[o->flight_first];
		outbox_commit(&o->outbox, f->outbox);
		o->flight_octets -= f->octets;
		o->flight_first = (o->flight_first + 1) % o->flight_cap;
		o->flights--;
	}
}

/* The clock is read for each: a process stopped between two effects must not send the second. */
static bool
release_one(void *arg, const struct effect *e)
{
	struct owner *o = arg;

	if (!owner_may_send(o))
		return false;
	o->ops.release(o->arg, e);
	return true;
}

static void
release(struct owner *o)
{
	if (!owner_active(o) || outbox_effects(&o->outbox) == 0)
		return;
	if (!owner_may_send(o))
		o->v[LEASE_WAITS]++;
	else
		outbox_release(&o->outbox, release_one, o);
}

static void
submit_local(struct owner *o)
{
	if (batch_count(o->local) == 0)
		return;
	if (o->talk == TALK_READY)
		say(o, SYNC__KIND__LOCAL, batch_seal(o->local, o->name, 0, o->epoch));
	batch_reset(o->local);
}

void
owner_flush(struct owner *o)
{
	submit(o);
	submit_local(o);
	release(o);
	o->v[EFFECTS_RELEASED] = o->outbox.released;
	o->v[EFFECTS_DROPPED] = o->outbox.dropped;
}

/* Effects that a release made (a core stepped by it) go in the next round. */
static bool
on_each(void *arg)
{
	struct owner *o = arg;

	owner_flush(o);
	return batch_count(o->batch) > 0 && o->talk == TALK_READY &&
	       o->flight_octets < FLIGHT_OCTETS;
}

/* --- what state-sync says ------------------------------------------------------------------ */

static bool
store_ready(struct owner *o)
{
	char error[STORE_ERROR];

	if (o->store && !store_replaced(o->store))
		return true;
	store_close(o->store);
	o->store = store_open_ro(o->store_dir, 0, error, sizeof error);
	if (!o->store)
		note(o, NOTE_ERROR, "store cannot be read reason=%s", error);
	return o->store != NULL;
}

static void
tell_role(struct owner *o)
{
	o->ops.role(o->arg, o->active, o->epoch, o->mirror);
}

static void
hear_role(struct owner *o, const Sync__Header *h)
{
	o->active = h->role == SYNC__ROLE__ACTIVE;
	o->epoch = h->epoch;
	o->mirror = h->mirror == SYNC__MIRROR__MIRRORED	     ? MIRROR_MIRRORED
		    : h->mirror == SYNC__MIRROR__CATCHING_UP ? MIRROR_CATCHING_UP
							     : MIRROR_ALONE;
}

static void tell_alarm(struct owner *o, const struct alarm_info *alarm, const struct standing *st);

/* An alarm of our name that does not stand: of the life before this one, or it ended while nobody listened. */
static bool
clear_old_alarm(void *arg, struct span key, struct span row)
{
	struct owner *o = arg;

	for (unsigned i = 0; i < o->alarms; i++) {
		const struct key standing = alarm_key(o->name, o->standing[i].alarm->name);
		if (span_eq(key, key_span(&standing)))
			return true;
	}
	owner_local_row(o, TABLE_ALARM, key, NULL);
	return true;
}

/* WELCOME and RESET: the view is the state now, and feeds above its position follow. */
static void
load(struct owner *o, uint64_t position)
{
	struct store_view *v = store_ready(o) ? store_view_begin(o->store) : NULL;

	if (!v) {
		start_over(o, NOTE_ERROR, o->store ? store_error(o->store) : "no store");
		return;
	}
	struct store_meta meta = store_meta_read(v);
	if (meta.position < position || meta.half) {
		store_view_end(v);
		start_over(o, NOTE_ERROR,
			   "the store is behind what state-sync said, or half filled");
		return;
	}
	o->position = position;
	o->view_position = meta.position;
	o->talk = TALK_READY;
	loop_timer_clear(o->loop, &o->timer);
	o->ops.load(o->arg, v);
	const struct key ours = alarm_key(o->name, "");
	store_each_prefix(v, TABLE_ALARM, key_span(&ours), clear_old_alarm, o);
	store_view_end(v);
	tell_role(o);
	o->counters_sum = 0;
	for (unsigned i = 0; i < o->alarms; i++)
		tell_alarm(o, o->standing[i].alarm, &o->standing[i]);
}

static void
on_welcome(struct owner *o, const Sync__Header *h)
{
	if (o->talk != TALK_HELLO)
		return;
	forget_talk(o);
	hear_role(o, h);
	note(o, NOTE_INFO, "state-sync says welcome role=%s epoch=%llu position=%llu",
	     o->active ? "active" : "standby", (unsigned long long)o->epoch,
	     (unsigned long long)h->position);
	load(o, h->position);
}

static void
on_reset(struct owner *o, const Sync__Header *h)
{
	uint64_t wire_next =
	    o->wire_next; /* goes on: state-sync has not forgotten us, only the store is new */

	o->v[SYNC_RESET]++;
	note(o, NOTE_INFO, "store was replaced position=%llu", (unsigned long long)h->position);
	forget_talk(o);
	o->wire_next = wire_next;
	o->fed_next = wire_next;
	if (h->role != SYNC__ROLE__UNKNOWN)
		hear_role(o, h);
	load(o, h->position);
}

/*
 * A core that was stepped holds what is in no row: running machines, timers, and perhaps records that were
 * emitted and will never be committed.  As a shadow it begins with the store, like any other.
 */
static void
on_role(struct owner *o, const Sync__Header *h)
{
	bool was = o->active;

	hear_role(o, h);
	note(o, NOTE_INFO, "role is %s epoch=%llu", o->active ? "active" : "standby",
	     (unsigned long long)o->epoch);
	tell_role(o);
	if (was && !o->active)
		start_over(o, NOTE_INFO, "not active any more");
}

static bool
is_ours(const struct owner *o, const struct records *rs)
{
	return rs->owner.len == strlen(o->name) && memcmp(rs->owner.p, o->name, rs->owner.len) == 0;
}

/* False: a record of ours that is not of this conversation, in a store that we have not read it
 * from. */
static bool
feed_frame(struct owner *o, struct records *rs, bool in_view)
{
	struct record r;

	if (o->active && is_ours(o, rs) && rs->epoch == o->epoch) {
		if (!in_view && rs->first_seq != o->fed_next)
			return false;
		o->fed_next = rs->first_seq + rs->count;
		return true;
	}
	while (!in_view && records_next(rs, &r)) {
		if (!table_info(r.table))
			continue;
		o->v[RECORDS_IN]++;
		o->ops.row(o->arg, (enum table)r.table, r.key, r.row, r.removed);
		if (o->talk != TALK_READY)
			break;
	}
	return true;
}

static void
on_feed(struct owner *o, const Sync__Header *h, const struct span *f, unsigned n)
{
	struct records rs[BUS_FRAMES];

	if (h->position != o->position + 1) {
		o->v[SYNC_GAP]++;
		start_over(o, NOTE_ERROR, "a transaction of the feed is missing");
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		if (!records_open(f[i], &rs[i])) {
			o->v[SYNC_MALFORMED]++;
			start_over(o, NOTE_ERROR, "a frame that cannot be read");
			return;
		}
	}
	o->position = h->position;
	for (unsigned i = 0; i < n && o->talk == TALK_READY; i++) {
		if (!feed_frame(o, &rs[i], h->position <= o->view_position)) {
			o->v[SYNC_GAP]++;
			start_over(o, NOTE_WARN, "records of ours from before");
		}
	}
}

static void
on_refused(struct owner *o, const Sync__Header *h)
{
	char why[200];

	o->v[SYNC_REFUSED]++;
	snprintf(why, sizeof why, "refused: %s", h->reason);
	start_over(o, NOTE_WARN, why);
}

static void
hear(struct owner *o, const Sync__Header *h, const struct span *f, unsigned n)
{
	if (o->talk == TALK_HELLO && h->kind != SYNC__KIND__WELCOME &&
	    h->kind != SYNC__KIND__REFUSED)
		return;
	switch (h->kind) {
	case SYNC__KIND__WELCOME:
		on_welcome(o, h);
		break;
	case SYNC__KIND__COMMITTED:
		on_committed(o, h->up_to);
		break;
	case SYNC__KIND__FEED:
		on_feed(o, h, f, n);
		break;
	case SYNC__KIND__ROLE:
		on_role(o, h);
		break;
	case SYNC__KIND__RESET:
		on_reset(o, h);
		break;
	case SYNC__KIND__REFUSED:
		on_refused(o, h);
		break;
	default: /* a kind of a newer state-sync: nothing we know depends on it */
		o->v[SYNC_MALFORMED]++;
		break;
	}
}

static void
on_sync(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct owner *o = arg;
	Sync__Header *h;

	if (from != o->sync)
		return;
	h = sync__header__unpack(NULL, f[0].len, f[0].p);
	if (!h || h->frames != n - 1) {
		o->v[SYNC_MALFORMED]++;
		start_over(o, NOTE_ERROR, "a header that cannot be read");
	} else {
		hear(o, h, f + 1, n - 1);
	}
	if (h)
		sync__header__free_unpacked(h, NULL);
}

struct store_view *
owner_view(struct owner *o)
{
	return o->store ? store_view_begin(o->store) : NULL;
}

/* --- the node's own tables ----------------------------------------------------------------- */

void
owner_local_row(struct owner *o, enum table table, struct span key, const ProtobufCMessage *row)
{
	if (o->talk != TALK_READY)
		return;
	if (!batch_put(o->local, table, key, row)) {
		submit_local(o);
		batch_put(o->local, table, key, row);
	}
}

static struct standing *
standing_find(struct owner *o, const struct alarm_info *alarm)
{
	for (unsigned i = 0; i < o->alarms; i++) {
		if (o->standing[i].alarm == alarm)
			return &o->standing[i];
	}
	return NULL;
}

/* `st` NULL: it no longer stands. */
static void
tell_alarm(struct owner *o, const struct alarm_info *alarm, const struct standing *st)
{
	struct key key = alarm_key(o->name, alarm->name);

	if (o->talk != TALK_READY)
		return;
	arena_reset(&o->arena);
	struct span row =
	    st ? alarm_pack(&o->arena, o->name, alarm, st->detail, st->since) : span_of(NULL, 0);
	batch_put_packed(o->local, TABLE_ALARM, key_span(&key), row, !st);
}

void
owner_alarm(struct owner *o, const struct alarm_info *alarm, bool stands, const char *fmt, ...)
{
	struct standing *st = standing_find(o, alarm);
	char detail[sizeof st->detail];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	if (!stands && !st)
		return;
	if (!stands) {
		*st = o->standing[--o->alarms];
		note(o, NOTE_INFO, "alarm cleared alarm=%s %s", alarm->name, detail);
		tell_alarm(o, alarm, NULL);
		return;
	}
	if (st && strcmp(st->detail, detail) == 0)
		return;
	if (!st) {
		note(o, NOTE_ERROR, "alarm raised alarm=%s %s", alarm->name, detail);
		if (o->alarms == ALARMS)
			return; /* more kinds than any process has */
		st = &o->standing[o->alarms++];
		*st = (struct standing){ .alarm = alarm, .since = (uint64_t)time(NULL) };
	}
	memcpy(st->detail, detail, sizeof detail);
	tell_alarm(o, alarm, st);
}

void
owner_counters(struct owner *o, const struct counters *sets, unsigned n)
{
	o->nsets = 0;
	for (unsigned i = 0; i < n && o->nsets < SETS - 1; i++)
		o->sets[o->nsets++] = sets[i];
	o->sets[o->nsets++] = (struct counters){ counter_infos, o->v, OWNER_COUNTERS };
}

static void
on_second(void *arg)
{
	struct owner *o = arg;
	struct key key = counters_key(o->name);
	uint64_t sum = 0;

	loop_timer_set(o->loop, &o->seconds, loop_now(o->loop) + MONO_S);
	if (o->talk != TALK_READY)
		return;
	arena_reset(&o->arena);
	struct span row =
	    counters_pack(&o->arena, o->name, o->sets, o->nsets, (uint64_t)time(NULL), &sum);
	if (row.len && (sum != o->counters_sum || loop_now(o->loop) - o->alive >= OWNER_ALIVE) &&
	    batch_put_packed(o->local, TABLE_COUNTERS, key_span(&key), row, false)) {
		o->counters_sum = sum;
		o->alive = loop_now(o->loop);
	}
}

/* --- life ---------------------------------------------------------------------------------- */

struct owner *
owner_new(struct bus *bus, struct loop *loop, const struct conf_node *node, const char *name,
	  const struct owner_ops *ops, void *arg)
{
	struct owner *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	o->sink = (struct sink){ sink_take_record, sink_take_effect, sink_take_note, sink_take_packed };
	o->bus = bus;
	o->loop = loop;
	o->ops = *ops;
	o->arg = arg;
	snprintf(o->name, sizeof o->name, "%s", name);
	snprintf(o->store_dir, sizeof o->store_dir, "%s", node->store_dir);
	snprintf(o->run_dir, sizeof o->run_dir, "%s", node->run_dir);
	o->claim = claim_take(o->run_dir, name, CLAIM_MS);
	o->lease = lease_open(o->run_dir);
	arena_init(&o->arena, 0);
	outbox_init(&o->outbox, 0);
	loop_timer_init(&o->timer, on_timer, o);
	loop_timer_init(&o->seconds, on_second, o);
	owner_counters(o, NULL, 0);
	o->batch = batch_new();
	o->local = batch_new();
	if (o->claim == -EBUSY) {
		note(o, NOTE_ERROR, "another process of this name runs on this node name=%s", name);
		owner_free(o);
		errno = EBUSY;
		return NULL;
	}
	if (!o->batch || !o->local || !(o->each = loop_each(loop, on_each, o)) ||
	    !(o->role = bus_sub_connect(bus, "role", on_lease, o))) {
		int e = errno ? errno : ENOMEM;
		owner_free(o);
		errno = e;
		return NULL;
	}
	forget_talk(o);
	loop_timer_set(loop, &o->timer, loop_now(loop));
	loop_timer_set(loop, &o->seconds, loop_now(loop) + MONO_S);
	return o;
}

void
owner_free(struct owner *o)
{
	if (!o)
		return;
	loop_timer_clear(o->loop, &o->timer);
	loop_timer_clear(o->loop, &o->seconds);
	loop_each_remove(o->each);
	bus_close(o->sync);
	bus_close(o->role);
	lease_close(o->lease);
	if (o->claim >= 0)
		close(o->claim);
	store_close(o->store);
	outbox_fini(&o->outbox);
	batch_free(o->batch);
	batch_free(o->local);
	arena_fini(&o->arena);
	free(o->flight);
	free(o);
}
