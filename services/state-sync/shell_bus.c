// SPDX-License-Identifier: Apache-2.0
/*
 * The processes of this node (ipc://RUN/sync), the elector (ipc://RUN/elect), operators
 * (ipc://RUN/cmd.state-sync).  A transaction's frames are made into one message and sent to all who listen.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "bus/verbs.h"
#include "elect.pb-c.h"
#include "shell.h"
#include "sync.pb-c.h"

#define HEAD_OCTETS 512

static void
event(struct shell *sh, const struct sync_event *ev)
{
	shell_step(sh, ev);
	sh->dirty = true;
}

/* --- processes -------------------------------------------------------------------------------------------- */

static void
hear(struct shell *sh, struct span identity, const Sync__Header *h, const struct span *f, unsigned n)
{
	struct sync_event ev = { .identity = identity, .frame = f, .frames = n };

	ev.who = span_of(h->who, strlen(h->who));
	switch (h->kind) {
	case SYNC__KIND__HELLO:
		ev.kind = SYNC_HELLO;
		break;
	case SYNC__KIND__SUBMIT:
		ev.kind = SYNC_SUBMIT;
		break;
	case SYNC__KIND__LOCAL:
		ev.kind = SYNC_LOCAL;
		break;
	default:
		sh->core.count[SYNC_C_MESSAGES_STRANGE]++;
		return;
	}
	event(sh, &ev);
}

static void
on_client(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct shell *sh = arg;
	Sync__Header *h = f[0].len <= HEAD_OCTETS ? sync__header__unpack(NULL, f[0].len, f[0].p) : NULL;

	if (h && h->frames == n - 1)
		hear(sh, identity, h, f + 1, n - 1);
	else
		sh->core.count[SYNC_C_MESSAGES_STRANGE]++;
	if (h)
		sync__header__free_unpacked(h, NULL);
}

/* The frames of one transaction as one message: made at its first reader, kept for the others. */
static struct bus_message *
feed_message(struct shell *sh, const struct sync_txn *t)
{
	struct span frame[SYNC_TXN_FRAMES];

	if (sh->feed && sh->feed_of == t && sh->feed_position == t->position)
		return sh->feed;
	bus_message_free(sh->feed);
	for (unsigned i = 0; i < t->frames; i++)
		frame[i] = t->frame[i].bytes;
	sh->feed = bus_message_new(frame, t->frames);
	sh->feed_of = t;
	sh->feed_position = t->position;
	return sh->feed;
}

enum sync_sent
bus_shell_client(struct shell *sh, struct span identity, const struct sync_head *head, const struct sync_txn *t)
{
	Sync__Header h = SYNC__HEADER__INIT;
	uint8_t buf[HEAD_OCTETS];
	struct bus_message *m;
	struct span frame;
	bool ok;

	h.kind = (Sync__Kind)head->kind;
	h.position = head->position;
	h.up_to = head->up_to;
	h.epoch = head->epoch;
	h.role = (Sync__Role)head->role;
	h.mirror = (Sync__Mirror)head->mirror;
	h.frames = t ? t->frames : 0;
	if (head->reason)
		h.reason = (char *)head->reason;
	if (sync__header__get_packed_size(&h) > sizeof buf)
		return SYNC_FULL;
	frame = span_of(buf, sync__header__pack(&h, buf));
	errno = 0;
	if (t)
		ok = (m = feed_message(sh, t)) && bus_message_send_after(sh->clients, identity, frame, m);
	else
		ok = bus_send(sh->clients, identity, &frame, 1);
	return ok ? SYNC_SENT : errno == EHOSTUNREACH ? SYNC_GONE : SYNC_FULL;
}

/* --- elector ------------------------------------------------------------------------------------------------ */

static uint64_t
fresh(void)
{
	uint64_t v = 0;

	while (!v)
		if (getrandom(&v, sizeof v, 0) != sizeof v)
			v = (uint64_t)mono_now();
	return v;
}

static void
obey(struct shell *sh, const Elect__Order *o)
{
	struct sync_order order = { .active = o->active, .quiesce = o->quiesce, .force = o->force, .stale = o->stale, .vouched = o->vouched,
				    .blind = o->blind, .fresh = o->fresh, .epoch = o->epoch, .alone = o->alone };

	event(sh, &(struct sync_event){ .kind = SYNC_ORDER, .order = &order, .random = fresh() });
}

static void
on_elector(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct shell *sh = arg;
	Elect__Message *m = elect__message__unpack(NULL, f[0].len, f[0].p);
	struct span local;

	if (m && m->what_case == ELECT__MESSAGE__WHAT_ORDER)
		obey(sh, m->order);
	if (m && m->what_case == ELECT__MESSAGE__WHAT_LOCAL) {
		local = span_of(m->local.data, m->local.len);
		event(sh, &(struct sync_event){ .kind = SYNC_LOCAL, .frame = &local, .frames = 1 });
	}
	if (m)
		elect__message__free_unpacked(m, NULL);
}

void
bus_shell_status(struct shell *sh, const struct sync_status *s)
{
	Elect__Status st = ELECT__STATUS__INIT;
	Elect__Message m = ELECT__MESSAGE__INIT;
	uint8_t buf[256];
	struct span frame;

	st.active = s->active;
	st.ready = s->ready;
	st.empty = s->empty;
	st.quiesced = s->quiesced;
	st.mirrored = s->mirrored;
	st.epoch = s->epoch;
	st.store_epoch = s->store_epoch;
	st.position = s->position;
	st.lineage = s->lineage;
	st.ask = s->ask;
	st.seen_epoch = s->seen_epoch;
	st.linked = s->linked;
	m.what_case = ELECT__MESSAGE__WHAT_STATUS;
	m.status = &st;
	frame = span_of(buf, elect__message__pack(&m, buf));
	bus_send(sh->elector, span_of(NULL, 0), &frame, 1); /* lost: repeated */
}

/* The elector is new: what it must know is said at once, not at the next interval. */
static void
on_elector_link(void *arg, struct bus_sock *from, enum bus_link link)
{
	struct shell *sh = arg;
	struct sync_status st;

	if (link != BUS_UP)
		return;
	sync_status_take(&sh->core, &st);
	bus_shell_status(sh, &st);
}

/* --- operators ------------------------------------------------------------------------------------------------ */

static bool
command_reload(void *arg, char *said, size_t len)
{
	return shell_reload(arg, said, len);
}

static const struct verbs verbs = { command_reload, NULL };

static void
on_command(void *arg, const char *const *w, unsigned n, struct answer *a)
{
	struct shell *sh = arg;
	const struct sync *s = &sh->core;
	char *json;

	if (verbs_run(&verbs, sh, w, n, a))
		return;
	if (n == 1 && strcmp(w[0], "status") == 0) {
		json = status_json(sh);
		answer_say(a, true, "%s, position %llu", sync_mirror_name(sync_mirror_mode(s)),
			   (unsigned long long)s->meta.position);
		if (json)
			answer_json(a, json);
		free(json);
	} else if (n >= 2 && n <= 3 && strcmp(w[0], "sync") == 0 && strcmp(w[1], "now") == 0 &&
		   (n == 2 || strcmp(w[2], "snapshot") == 0)) {
		event(sh, &(struct sync_event){ .kind = SYNC_RESYNC, .snapshot = n == 3 });
		store_shell_disk(sh, s->meta.position);
		answer_say(a, true, "the mirror begins anew%s", n == 3 ? " with a snapshot" : "");
	} else {
		answer_say(a, false, "status | sync now [snapshot] | reload | log [LEVEL]");
	}
}

bool
bus_shell_start(struct shell *sh)
{
	sh->clients = bus_router_bind(sh->bus, "sync", on_client, sh);
	sh->elector = bus_dealer_connect(sh->bus, "elect", "state-sync", on_elector, sh);
	sh->cmd = bus_rep(sh->bus, "state-sync", on_command, sh);
	return sh->clients && sh->elector && sh->cmd && bus_watch(sh->elector, on_elector_link, sh);
}
