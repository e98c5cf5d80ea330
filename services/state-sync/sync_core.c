// SPDX-License-Identifier: Apache-2.0
/*
 * The door of state-sync's core.  See sync_core.h for the picture; the files beside this one:
 *
 *   sync_clients.c  the processes of this node     sync_log.c     pending, transactions, COMMITTED
 *   sync_check.c    what may enter the store       sync_terms.c   how far two stores agree
 *   sync_twin.c     the mirror, both roles         sync_ship.c    active's side, alone and mirrored
 *   sync_role.c     what the elector orders        sync_shadow.c  standby's side
 */
#include "sync_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STATUS_EVERY (50 * MONO_MS)
#define DISK_MIRRORED (1 * MONO_S)

const struct alarm_info sync_alarm_info[SYNC_ALARMS] = {
#define X(NAME, HAPPENED, MEANS, TODO) { #NAME, HAPPENED, MEANS, TODO },
#include "alarms.def"
#undef X
};

const struct counter_info sync_counter_info[SYNC_COUNTERS] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "counters.def"
#undef X
};

const char *
sync_mirror_name(enum sync_mirror m)
{
	return m == SYNC_M_MIRRORED ? "mirrored" : m == SYNC_M_CATCHING_UP ? "catching-up" : "alone";
}

void
sync_note(struct sync_out *out, enum note_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	out->note(out, level, line);
}

void
sync_alarm_set(struct sync *s, struct sync_out *out, enum sync_alarm a, bool stands, const char *detail)
{
	if (s->alarm[a] == stands)
		return;
	s->alarm[a] = stands;
	out->alarm(out, a, stands, detail ? detail : "");
}

void
sync_store_failed(struct sync *s, struct sync_out *out, int err, const char *doing)
{
	enum sync_alarm a = err == -ENOSPC ? SYNC_ALARM_STORE_FULL : SYNC_ALARM_STORE_FAILED;

	if (!s->alarm[a])
		sync_note(out, NOTE_ERROR, "store refuses doing=%s reason=%s", doing, strerror(-err));
	sync_alarm_set(s, out, a, true, doing);
}

void
sync_store_works(struct sync *s, struct sync_out *out)
{
	s->store_bad = false;
	sync_alarm_set(s, out, SYNC_ALARM_STORE_FULL, false, NULL);
	sync_alarm_set(s, out, SYNC_ALARM_STORE_FAILED, false, NULL);
}

enum sync_mirror
sync_mirror_mode(const struct sync *s)
{
	if (s->role != SYNC_R_ACTIVE)
		return !s->session_live ? SYNC_M_ALONE : s->meta.mirrored ? SYNC_M_MIRRORED : SYNC_M_CATCHING_UP;
	if (s->mirrored)
		return SYNC_M_MIRRORED;
	return s->solo && !s->session_live ? SYNC_M_ALONE : SYNC_M_CATCHING_UP;
}

/* A store that was the active one last is as good as one that was told it is mirrored, until it is told otherwise. */
void
sync_status_take(const struct sync *s, struct sync_status *out)
{
	const struct mirror_term *t = sync_term_at(&s->meta, s->meta.position);
	bool active = s->role == SYNC_R_ACTIVE, ours = strcmp(s->meta.node, s->conf.node) == 0;

	*out = (struct sync_status){
		.active = active,
		.ready = s->meta.complete && !s->store_bad,
		.empty = s->meta.complete && s->meta.position == 0,
		.mirrored = active ? s->mirrored : s->meta.complete && (s->meta.mirrored || ours),
		.epoch = active ? s->meta.epoch : s->order_epoch,
		.store_epoch = t ? t->epoch : 0,
		.position = s->meta.position,
		.lineage = s->meta.lineage,
		.ask = active ? s->ask : 0,
		.seen_epoch = s->seen_epoch > s->meta.epoch ? s->seen_epoch : s->meta.epoch,
		.linked = s->link,
	};
	out->quiesced = active && s->quiesce && s->mirrored && s->session_live && s->acked == s->meta.position;
}

static bool
status_same(const struct sync_status *a, const struct sync_status *b)
{
	return a->active == b->active && a->ready == b->ready && a->empty == b->empty && a->quiesced == b->quiesced &&
	       a->mirrored == b->mirrored && a->epoch == b->epoch && a->ask == b->ask &&
	       a->lineage == b->lineage && a->seen_epoch == b->seen_epoch &&
	       a->linked == b->linked;
}

void
sync_status_tell(struct sync *s, mono_t now, struct sync_out *out)
{
	struct sync_status st;

	sync_status_take(s, &st);
	if (status_same(&st, &s->told) && now - s->status_at < STATUS_EVERY)
		return;
	s->told = st;
	s->status_at = now;
	out->status(out, &st);
}

static size_t
or_else(size_t v, size_t mib)
{
	return v ? v : mib << 20;
}

void
sync_init(struct sync *s, const struct sync_conf *conf, const struct sync_meta *meta, uint64_t instance)
{
	*s = (struct sync){ .conf = *conf, .meta = *meta, .instance = instance };
	s->conf.log_octets = or_else(conf->log_octets, 32);
	s->conf.log_octets_max = or_else(conf->log_octets_max, 256);
	s->conf.pending_octets = or_else(conf->pending_octets, 64);
	s->conf.flight_octets = or_else(conf->flight_octets, 8);
	if (!s->conf.disk_every)
		s->conf.disk_every = 50 * MONO_MS;
	if (!s->conf.degrade)
		s->conf.degrade = 200 * MONO_MS;
	if (s->meta.lineage == 0 && s->meta.position == 0 && s->meta.terms == 0 && !s->meta.node[0])
		s->meta.complete = true; /* a new store */
	s->order_epoch = s->meta.epoch;
	s->log_first = s->meta.position + 1;
	s->pending_tail = &s->pending;
	s->attempt = 1;
}

void
sync_fini(struct sync *s)
{
	sync_pending_drop(s, -1);
	sync_log_drop(s);
	free(s->log);
	s->log = NULL;
	s->log_cap = 0;
}

/* Alone the disk is the only other place: soon.  Mirrored it is the second best: now and then. */
static void
disk_tick(struct sync *s, mono_t now, struct sync_out *out)
{
	bool waits = s->role == SYNC_R_ACTIVE && s->solo;

	if (s->disk_asked > s->on_disk || s->meta.position <= s->on_disk || !s->meta.complete)
		return;
	if (now - s->disk_at < (waits ? s->conf.disk_every : DISK_MIRRORED))
		return;
	s->disk_at = now;
	s->disk_asked = s->meta.position;
	out->disk(out, s->disk_asked);
}

static void
flush(struct sync *s, mono_t now, struct sync_out *out)
{
	if (s->role != SYNC_R_ACTIVE) {
		sync_shadow_flush(s, now, out);
		return;
	}
	if (!s->quiesce)
		sync_commit_pending(s, now, out);
	sync_ship(s, now, out);
	sync_release(s, now, out);
	if (s->quiesce)
		sync_status_tell(s, now, out);
}

static void
tick(struct sync *s, mono_t now, struct sync_out *out)
{
	if (s->store_bad && now >= s->store_retry)
		s->store_bad = false;
	sync_twin_tick(s, now, out);
	flush(s, now, out);
	sync_ship_mode(s, now, out);
	sync_log_trim(s, now, out);
	sync_clients_tick(s, now, out);
	disk_tick(s, now, out);
	sync_status_tell(s, now, out);
}

static void
on_disk(struct sync *s, mono_t now, uint64_t position, struct sync_out *out)
{
	if (position > s->meta.position)
		return;
	if (position > s->on_disk)
		s->on_disk = position;
	s->disk_asked = s->on_disk;
	sync_release(s, now, out);
}

static void
resync(struct sync *s, mono_t now, bool snapshot, struct sync_out *out)
{
	s->want_snapshot = snapshot && s->role == SYNC_R_ACTIVE;
	sync_session_drop(s, now, "the operator asked", true, out);
}

void
sync_step(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	switch (ev->kind) {
	case SYNC_HELLO:
		sync_client_hello(s, now, ev, out);
		sync_clients_welcome(s, now, out);
		break;
	case SYNC_SUBMIT:
		sync_client_submit(s, now, ev, out);
		break;
	case SYNC_LOCAL:
		sync_client_local(s, now, ev, out);
		break;
	case SYNC_CLIENT_GONE:
		sync_client_gone(s, ev->identity);
		break;
	case SYNC_TWIN_UP:
	case SYNC_TWIN_DOWN:
		sync_twin_link(s, now, ev->kind == SYNC_TWIN_UP, out);
		break;
	case SYNC_TWIN:
		sync_twin_hear(s, now, ev, out);
		break;
	case SYNC_ORDER:
		sync_role_order(s, now, ev, out);
		break;
	case SYNC_DISK:
		on_disk(s, now, ev->position, out);
		break;
	case SYNC_FLUSH:
		flush(s, now, out);
		break;
	case SYNC_TICK:
		tick(s, now, out);
		break;
	case SYNC_RESYNC:
		resync(s, now, ev->snapshot, out);
		break;
	}
}

/* --- how long the mirror takes ------------------------------------------------------------------------------ */

/* Eight buckets a doubling: 12 % wide.  The first 16 are a microsecond each. */
static unsigned
lag_bucket(uint64_t us)
{
	unsigned shift = 0;

	while (us >> shift >= 16)
		shift++;
	return shift * 8 + (unsigned)(us >> shift);
}

void
sync_lag_add(struct sync_lag *l, mono_t t)
{
	unsigned b = lag_bucket(t > 0 ? (uint64_t)(t / MONO_US) : 0);

	l->bucket[b < SYNC_LAG_BUCKETS ? b : SYNC_LAG_BUCKETS - 1]++;
	l->n++;
}

mono_t
sync_lag_at(const struct sync_lag *l, double part)
{
	uint64_t want = (uint64_t)(part * (double)l->n), seen = 0;

	for (unsigned b = 0; l->n && b < SYNC_LAG_BUCKETS; b++) {
		seen += l->bucket[b];
		if (seen > want || seen == l->n) /* upper edge */
			return (b < 16 ? (mono_t)b + 1 : (mono_t)(b % 8 + 9) << (b / 8 - 1)) * MONO_US;
	}
	return 0;
}
