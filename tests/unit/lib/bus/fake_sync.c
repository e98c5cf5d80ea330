// SPDX-License-Identifier: Apache-2.0
/* See fake_sync.h. */
#include "fake_sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/records.h"
#include "role.pb-c.h"
#include "sync.pb-c.h"

static void
must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "fake_sync: %s\n", what);
		abort();
	}
}

void
fake_sync_say(struct fake_sync *s, int kind, uint64_t position, uint64_t up_to, struct span frame)
{
	uint8_t head[128];
	Sync__Header h = SYNC__HEADER__INIT;

	h.kind = kind;
	h.position = position;
	h.up_to = up_to;
	h.epoch = s->epoch;
	h.role = s->active ? SYNC__ROLE__ACTIVE : SYNC__ROLE__STANDBY;
	h.mirror = SYNC__MIRROR__MIRRORED;
	h.frames = frame.len ? 1 : 0;
	h.reason = "test";
	const struct span frames[] = { span_of(head, sync__header__pack(&h, head)), frame };
	if (s->client[0])
		bus_send(s->router, span_of(s->client, strlen(s->client)), frames,
			 frame.len ? 2 : 1);
}

static void
write_frame(struct fake_sync *s, struct span frame)
{
	struct records rs;
	struct record r;
	struct store_meta meta = { .position = ++s->position, .epoch = s->epoch };

	must(records_open(frame, &rs), "a frame that cannot be read");
	must(store_begin(s->store) == 0, "begin");
	while (records_next(&rs, &r))
		must((r.removed ? store_del(s->store, r.table, r.key)
				: store_put(s->store, r.table, r.key, r.row)) == 0,
		     "put");
	store_meta_put(s->store, &meta);
	must(store_commit(s->store) == 0, "commit");
}

static void
commit_frame(struct fake_sync *s, struct span frame)
{
	struct records rs;

	write_frame(s, frame);
	records_open(frame, &rs);
	if (!s->mute)
		fake_sync_say(s, SYNC__KIND__FEED, s->position, 0, frame);
	fake_sync_say(s, SYNC__KIND__COMMITTED, 0, rs.first_seq + rs.count - 1, span_of(NULL, 0));
}

void
fake_sync_commit(struct fake_sync *s, unsigned n)
{
	must(n <= s->pendings, "nothing to commit");
	for (unsigned i = 0; i < n; i++) {
		commit_frame(s, span_of(s->pending[i], s->pending_len[i]));
		free(s->pending[i]);
	}
	s->pendings -= n;
	memmove(s->pending, s->pending + n, s->pendings * sizeof *s->pending);
	memmove(s->pending_len, s->pending_len + n, s->pendings * sizeof *s->pending_len);
}

static void
forget_pending(struct fake_sync *s)
{
	while (s->pendings)
		free(s->pending[--s->pendings]);
}

static void
on_local(struct fake_sync *s, struct span frame)
{
	s->locals++;
	write_frame(s, frame);
	s->position--; /* not part of the numbered history */
	must(store_begin(s->store) == 0, "begin");
	store_meta_put(s->store,
		       &(struct store_meta){ .position = s->position, .epoch = s->epoch });
	must(store_commit(s->store) == 0, "commit");
}

static void
on_submit(struct fake_sync *s, struct span frame)
{
	struct records rs;

	must(records_open(frame, &rs), "a submission that cannot be read");
	s->submits++;
	s->records += rs.count;
	if (!s->hold) {
		commit_frame(s, frame);
		return;
	}
	must(s->pendings < 4096, "too many pending");
	s->pending[s->pendings] = malloc(frame.len);
	memcpy(s->pending[s->pendings], frame.p, frame.len);
	s->pending_len[s->pendings++] = frame.len;
}

static void
on_message(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	struct fake_sync *s = arg;
	Sync__Header *h = sync__header__unpack(NULL, f[0].len, f[0].p);

	must(h && h->frames == n - 1, "a header that cannot be read");
	if (h->kind == SYNC__KIND__HELLO) {
		snprintf(s->client, sizeof s->client, "%.*s", (int)identity.len,
			 (const char *)identity.p);
		s->hellos++;
		forget_pending(s);
		fake_sync_say(s, SYNC__KIND__WELCOME, s->position, 0, span_of(NULL, 0));
	} else if (h->kind == SYNC__KIND__SUBMIT && s->client[0]) {
		on_submit(s, f[1]);
	} else if (h->kind == SYNC__KIND__LOCAL) {
		on_local(s, f[1]);
	}
	sync__header__free_unpacked(h, NULL);
}

void
fake_sync_start(struct fake_sync *s, struct bus *bus, const char *dir, bool active, uint64_t epoch)
{
	char error[STORE_ERROR];

	*s = (struct fake_sync){ .bus = bus, .active = active, .epoch = epoch };
	s->store = store_open_rw(dir, 64 << 20, error, sizeof error);
	must(s->store, error);
	struct store_view *v = store_view_begin(s->store);
	s->position = store_meta_read(v).position;
	store_view_end(v);
	s->router = bus_router_bind(bus, "sync", on_message, s);
	s->pub = bus_pub_bind(bus, "role");
	must(s->router && s->pub, "bind");
}

void
fake_sync_stop(struct fake_sync *s)
{
	forget_pending(s);
	bus_close(s->router);
	bus_close(s->pub);
	store_close(s->store);
}

void
fake_sync_other(struct fake_sync *s, const char *owner, unsigned table, struct span key,
		const char *row)
{
	struct batch *b = batch_new();

	batch_put_packed(b, table, key, row ? span_of(row, strlen(row)) : span_of(NULL, 0), !row);
	struct span frame = batch_seal(b, owner, 1, s->epoch);
	write_frame(s, frame);
	if (!s->mute)
		fake_sync_say(s, SYNC__KIND__FEED, s->position, 0, frame);
	batch_free(b);
}

void
fake_sync_role(struct fake_sync *s, bool active, uint64_t epoch)
{
	s->active = active;
	s->epoch = epoch;
	fake_sync_say(s, SYNC__KIND__ROLE, s->position, 0, span_of(NULL, 0));
}

void
fake_sync_lease(struct fake_sync *s, uint64_t epoch, bool active, mono_t until)
{
	Role__Lease l = ROLE__LEASE__INIT;
	uint8_t octets[64];

	l.epoch = epoch;
	l.active = active;
	l.until = until;
	const struct span f = span_of(octets, role__lease__pack(&l, octets));
	bus_send(s->pub, span_of(NULL, 0), &f, 1);
}
