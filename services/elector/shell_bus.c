// SPDX-License-Identifier: Apache-2.0
/*
 * The elector on the bus: state-sync (ipc://RUN/elect), everybody (ipc://RUN/role), operators
 * (ipc://RUN/cmd.elector).  Counters and alarms become rows through state-sync's connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "bus/verbs.h"
#include "elect.pb-c.h"
#include "role.pb-c.h"
#include "rows.pb-c.h"
#include "shell.h"

#define ORDER_MAX 128
#define TELL_AGAIN (100 * MONO_MS)
#define COMING (100 * MONO_MS) /* a promotion that takes longer: what waited for it is of no use any more */

/* --- state-sync ----------------------------------------------------------------------------------------- */

static void
hear_status(struct shell *sh, const Elect__Status *s)
{
	struct elect_status st = {
		.active = s->active, .ready = s->ready, .empty = s->empty, .quiesced = s->quiesced,
		.mirrored = s->mirrored, .epoch = s->epoch, .store_epoch = s->store_epoch,
		.position = s->position, .lineage = s->lineage, .ask = s->ask, .seen_epoch = s->seen_epoch, .linked = s->linked,
	};

	shell_step(sh, &(struct elect_event){ .kind = ELECT_STATUS, .status = &st });
}

static void
on_sync(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct shell *sh = arg;
	Elect__Message *m = elect__message__unpack(NULL, f[0].len, f[0].p);

	if (m && m->what_case == ELECT__MESSAGE__WHAT_STATUS && identity.len <= sizeof sh->sync_id) {
		memcpy(sh->sync_id, identity.p, identity.len);
		sh->sync_id_len = identity.len;
		hear_status(sh, m->status);
	}
	if (m)
		elect__message__free_unpacked(m, NULL);
}

static void
on_sync_link(void *arg, struct bus_sock *from, enum bus_link link)
{
	struct shell *sh = arg;

	if (link == BUS_UP)
		return;
	shell_step(sh, &(struct elect_event){ .kind = ELECT_SYNC_GONE });
}

static void
say(struct shell *sh, const Elect__Message *m)
{
	size_t n = elect__message__get_packed_size(m);
	uint8_t *buf = malloc(n);
	struct span frame = span_of(buf, n);

	if (!buf)
		return;
	elect__message__pack(m, buf);
	if (sh->sync && sh->sync_id_len)
		bus_send(sh->sync, span_of(sh->sync_id, sh->sync_id_len), &frame, 1);
	free(buf);
}

void
bus_shell_order(struct shell *sh, const struct elect_order *o)
{
	Elect__Order order = ELECT__ORDER__INIT;
	Elect__Message m = ELECT__MESSAGE__INIT;

	order.active = o->active;
	order.quiesce = o->quiesce;
	order.force = o->force;
	order.stale = o->stale;
	order.vouched = o->vouched;
	order.blind = o->blind;
	order.fresh = o->fresh;
	order.epoch = o->epoch;
	order.alone = o->alone;
	m.what_case = ELECT__MESSAGE__WHAT_ORDER;
	m.order = &order;
	say(sh, &m);
}

/* --- everybody ---------------------------------------------------------------------------------------------- */

/* News: a lease under another epoch, or again after none; and now and then all the same.  That it is over the page says to who sends. */
static bool
is_news(const struct shell *sh, uint64_t epoch, bool active, mono_t now)
{
	if (!sh->lease)
		return true;
	return (active && (epoch != sh->told.epoch || sh->told.until < now)) || now - sh->told.at >= TELL_AGAIN;
}

void
bus_shell_lease(struct shell *sh, uint64_t epoch, bool active, mono_t until)
{
	const mono_t now = mono_now();
	const bool news = is_news(sh, epoch, active, now);
	Role__Lease l = ROLE__LEASE__INIT;
	uint8_t buf[64];
	struct span frame;

	l.epoch = epoch;
	l.active = active;
	l.until = until;
	frame = span_of(buf, role__lease__pack(&l, buf));
	if (sh->lease) {
		lease_write(sh->lease, epoch, active ? until : 0);
		if (sh->core.role != ELECT_ACTIVE) /* it stands until the workers have heard of their role, too */
			lease_coming(sh->lease, sh->core.role == ELECT_PROMOTING ? sh->core.role_since + COMING : 0);
	}
	sh->told.until = until;
	if (!news)
		return;
	sh->told.epoch = epoch;
	sh->told.at = now;
	if (sh->role)
		bus_send(sh->role, span_of(NULL, 0), &frame, 1);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static void
say_rows(struct shell *sh)
{
	Elect__Message m = ELECT__MESSAGE__INIT;
	struct span frame;

	if (batch_count(sh->batch) == 0)
		return;
	frame = batch_seal(sh->batch, "elector", 0, 0);
	m.what_case = ELECT__MESSAGE__WHAT_LOCAL;
	m.local.data = (uint8_t *)frame.p;
	m.local.len = frame.len;
	say(sh, &m);
	batch_reset(sh->batch);
}

static void
put_alarm(struct shell *sh, enum elect_alarm a)
{
	const struct alarm_info *info = &elect_alarm_info[a];
	struct key key = alarm_key("elector", info->name);
	bool stands = sh->alarm_since[a] != 0;
	struct span row = stands ? alarm_pack(&sh->arena, "elector", info, sh->alarm_detail[a], sh->alarm_since[a]) :
				   span_of(NULL, 0);

	batch_put_packed(sh->batch, TABLE_ALARM, key_span(&key), row, !stands);
}

void
bus_shell_alarm(struct shell *sh, enum elect_alarm a, bool stands, const char *detail)
{
	if (stands == (sh->alarm_since[a] != 0))
		return;
	sh->alarm_since[a] = stands ? (uint64_t)time(NULL) : 0;
	snprintf(sh->alarm_detail[a], sizeof sh->alarm_detail[a], "%s", detail);
	log_line(stands ? NOTE_ERROR : NOTE_INFO, "alarm %s name=%s detail=\"%s\"", stands ? "raised" : "cleared",
		 elect_alarm_info[a].name, detail);
	put_alarm(sh, a);
	say_rows(sh);
	arena_reset(&sh->arena);
}

/* Overwrites what an epoch 64 counts ago, or another time in this role under this epoch, left there: a bounded table. */
static void
put_change(struct shell *sh, const struct elect_change *c)
{
	Row__Change row = ROW__CHANGE__INIT;
	char text[32];
	struct key key;

	snprintf(text, sizeof text, "%02u.%s", (unsigned)(c->epoch >> 1 & 63), elect_role_name(c->role));
	key = key_text(text);
	row.at_ms = (uint64_t)time(NULL) * 1000 - (uint64_t)((mono_now() - c->at) / MONO_MS);
	row.role = c->role;
	row.epoch = c->epoch;
	row.cause = (char *)c->cause;
	row.took_us = c->took > 0 ? (uint64_t)(c->took / MONO_US) : 0;
	row.stale = c->stale;
	row.twin = sh->core.twin.node;
	batch_put(sh->batch, TABLE_HISTORY, key_span(&key), &row.base);
}

/* What state-sync was not there for waits, as long as the core remembers it. */
static void
put_changes(struct shell *sh)
{
	unsigned n = sh->core.changes;

	if (!sh->sync_id_len || !elect_sync_up(&sh->core, mono_now()))
		return;
	if (n - sh->changes_told > ELECT_HISTORY)
		sh->changes_told = n - ELECT_HISTORY;
	while (sh->changes_told != n)
		put_change(sh, &sh->core.history[sh->changes_told++ % ELECT_HISTORY]);
}

/* All alarms each time: a state-sync that was away gets them too. */
void
bus_shell_second(struct shell *sh)
{
	struct counters set = { elect_counter_info, sh->core.count, ELECT_COUNTERS };
	struct key key = counters_key("elector");
	uint64_t sum;
	struct span row = counters_pack(&sh->arena, "elector", &set, 1, (uint64_t)time(NULL), &sum);

	if (row.len && sum != sh->counters_sum)
		batch_put_packed(sh->batch, TABLE_COUNTERS, key_span(&key), row, false);
	sh->counters_sum = sum;
	for (enum elect_alarm a = 0; a < ELECT_ALARMS; a++)
		put_alarm(sh, a);
	put_changes(sh);
	say_rows(sh);
	arena_reset(&sh->arena);
}

/* --- operators ---------------------------------------------------------------------------------------------------- */

void
bus_shell_answer(struct shell *sh, uint64_t ticket, bool ok, const char *text)
{
	struct answer *a = ticket && ticket <= TICKETS ? sh->ticket[ticket - 1] : NULL;

	if (!a)
		return;
	sh->ticket[ticket - 1] = NULL;
	answer_say(a, ok, "%s", text);
	answer_send(a);
}

/* 0: no room; the command is answered at once with that. */
static uint64_t
ticket_take(struct shell *sh, struct answer *a)
{
	for (uint64_t i = 0; i < TICKETS; i++) {
		if (sh->ticket[i])
			continue;
		sh->ticket[i] = answer_defer(a);
		return sh->ticket[i] ? i + 1 : 0;
	}
	return 0;
}

static void
command(struct shell *sh, struct elect_event ev, struct answer *a)
{
	ev.ticket = ticket_take(sh, a);
	if (ev.ticket)
		shell_step(sh, &ev);
	else
		answer_say(a, false, "too many commands at once");
}

static void
arbiter(struct shell *sh, const char *const *w, unsigned n, struct answer *a)
{
	bool grant = n > 1 && strcmp(w[1], "grant") == 0, deny = n > 1 && strcmp(w[1], "deny") == 0;
	char *end = NULL;
	long ms = n == 3 ? strtol(w[2], &end, 10) : 0;

	if ((!grant && !deny) || ms <= 0 || ms > 3600000 || *end) {
		answer_say(a, false, "arbiter grant|deny MILLISECONDS (1 to 3600000)");
		return;
	}
	command(sh, (struct elect_event){ .kind = grant ? ELECT_GRANT : ELECT_DENY, .ttl = ms * MONO_MS }, a);
}

static void
reload(struct shell *sh, struct answer *a)
{
	char why[128];

	if (!shell_reload(sh, a, why, sizeof why))
		answer_say(a, false, "%s", why);
}

static const struct verbs verbs = { NULL, NULL };

static void
on_command(void *arg, const char *const *w, unsigned n, struct answer *a)
{
	struct shell *sh = arg;
	const char *word = n ? w[0] : "";
	char *json;

	if (n == 1 && strcmp(word, "reload") == 0) { /* answered later */
		reload(sh, a);
		return;
	}
	if (verbs_run(&verbs, sh, w, n, a))
		return;
	if (strcmp(word, "status") == 0 && n == 1) {
		json = status_json(sh, mono_now());
		answer_say(a, true, "%s in epoch %llu", elect_role_name(sh->core.role),
			   (unsigned long long)sh->core.epoch);
		if (json)
			answer_json(a, json);
		free(json);
	} else if (strcmp(word, "switchover") == 0 && n == 1) {
		command(sh, (struct elect_event){ .kind = ELECT_SWITCHOVER }, a);
	} else if (strcmp(word, "promote") == 0 && n <= 2 && (n == 1 || strcmp(w[1], "--force") == 0)) {
		command(sh, (struct elect_event){ .kind = ELECT_PROMOTE, .force = n == 2 }, a);
	} else if (strcmp(word, "arbiter") == 0) {
		arbiter(sh, w, n, a);
	} else {
		answer_say(a, false, "status | switchover | promote [--force] | arbiter grant|deny MILLISECONDS | reload | log [LEVEL]");
	}
}

bool
bus_shell_start(struct shell *sh)
{
	sh->batch = batch_new();
	arena_init(&sh->arena, 0);
	if (!sh->batch)
		return false;
	sh->lease = lease_create(sh->node.run_dir);
	sh->role = bus_pub_bind(sh->bus, "role");
	sh->sync = bus_router_bind(sh->bus, "elect", on_sync, sh);
	sh->cmd = bus_rep(sh->bus, "elector", on_command, sh);
	return sh->role && sh->sync && sh->cmd && bus_watch(sh->sync, on_sync_link, sh);
}
