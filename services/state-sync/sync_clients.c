// SPDX-License-Identifier: Apache-2.0
/*
 * The processes of this node: who greeted, what they submit, and the feed back to all of them
 * (proto/sync.proto).
 *
 * WELCOME waits for three things: the elector has said what this node is; the store is whole; and, on the
 * active, everything committed at the moment of the greeting is released.  The last one because a process
 * that starts again acts upon the rows it reads (it repeats what is unacknowledged), so that the rows it reads
 * must be held by the twin like everything else that is revealed.
 *
 * A process that does not read is never waited for: the message that did not go out is the last one it
 * misses; it is told to greet again as soon as it can be told anything.
 */
#include "sync_impl.h"

#include <stdio.h>

#define BEHIND_FOR (10 * MONO_S) /* after this long its slot is free */

static struct sync_client *
find(struct sync *s, struct span identity)
{
	for (unsigned i = 0; i < s->clients; i++) {
		struct sync_client *c = &s->client[i];
		if (c->used && span_eq(span_of(c->id, c->id_len), identity))
			return c;
	}
	return NULL;
}

static struct sync_client *
find_who(struct sync *s, struct span who)
{
	for (unsigned i = 0; i < s->clients; i++) {
		struct sync_client *c = &s->client[i];
		if (c->used && strlen(c->who) == who.len && memcmp(c->who, who.p, who.len) == 0)
			return c;
	}
	return NULL;
}

static struct sync_client *
free_slot(struct sync *s)
{
	for (unsigned i = 0; i < SYNC_CLIENTS; i++) {
		if (s->client[i].used)
			continue;
		if (i >= s->clients)
			s->clients = i + 1;
		return &s->client[i];
	}
	return NULL;
}

static bool
name_ok(struct span who)
{
	if (who.len == 0 || who.len >= SYNC_WHO)
		return false;
	for (size_t i = 0; i < who.len; i++)
		if (who.p[i] <= ' ' || who.p[i] > '~')
			return false;
	return true;
}

static struct sync_head
head_now(const struct sync *s, enum sync_kind kind)
{
	bool active = s->role == SYNC_R_ACTIVE;

	return (struct sync_head){ .kind = kind,
				   .position = s->meta.position,
				   .epoch = active ? s->meta.epoch : s->order_epoch,
				   .role = s->role,
				   .mirror = sync_mirror_mode(s) };
}

static void
say(struct sync *s, mono_t now, struct sync_client *c, const struct sync_head *h, const struct sync_txn *t,
    struct sync_out *out)
{
	if (c->behind || c->away)
		return;
	switch (out->client(out, span_of(c->id, c->id_len), h, t)) {
	case SYNC_SENT:
		return;
	case SYNC_FULL:
		c->behind = true;
		c->behind_from = now;
		s->count[SYNC_C_CLIENTS_BEHIND]++;
		sync_note(out, NOTE_WARN, "process does not read its feed who=%s", c->who);
		break;
	case SYNC_GONE: /* it died, or begins a new conversation */
		c->away = true;
		break;
	}
	c->welcomed = false;
}

static void
refuse_stranger(struct sync *s, struct span identity, const char *why, struct sync_out *out)
{
	struct sync_head h = head_now(s, SYNC_K_REFUSED);

	h.reason = why;
	out->client(out, identity, &h, NULL);
}

void
sync_client_refuse(struct sync *s, struct sync_client *c, const char *why, struct sync_out *out)
{
	sync_note(out, NOTE_WARN, "refused who=%s reason=\"%s\"", c->who, why);
	c->welcomed = false;
	c->away = true;
	sync_pending_drop(s, (int)(c - s->client));
	c->life++;
	refuse_stranger(s, span_of(c->id, c->id_len), why, out);
}

/* --- greetings ------------------------------------------------------------------------------------------ */

void
sync_client_hello(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	struct sync_client *c = name_ok(ev->who) ? find_who(s, ev->who) : NULL;
	struct sync_client *same = find(s, ev->identity);
	uint32_t life;

	if (!name_ok(ev->who) || ev->identity.len == 0 || ev->identity.len > SYNC_IDENTITY) {
		s->count[SYNC_C_CLIENTS_REFUSED]++;
		refuse_stranger(s, ev->identity, "a name of 1 to 31 printable characters is needed", out);
		return;
	}
	if (same && same != c) {
		sync_client_gone(s, ev->identity);
		same = NULL;
	}
	if (!c)
		c = free_slot(s);
	if (!c) {
		s->count[SYNC_C_CLIENTS_REFUSED]++;
		refuse_stranger(s, ev->identity, "too many processes", out);
		return;
	}
	sync_pending_drop(s, (int)(c - s->client));
	life = c->life + 1;
	*c = (struct sync_client){ .used = true, .id_len = (uint8_t)ev->identity.len, .life = life, .heard = now, .next_seq = 1,
				   .owner = sync_owner_of(ev->who), .welcome_at = s->meta.position };
	memcpy(c->id, ev->identity.p, ev->identity.len);
	memcpy(c->who, ev->who.p, ev->who.len);
}

void
sync_client_gone(struct sync *s, struct span identity)
{
	struct sync_client *c = find(s, identity);

	if (!c)
		return;
	sync_pending_drop(s, (int)(c - s->client));
	c->used = c->welcomed = false;
	c->life++;
}

static bool
may_welcome(const struct sync *s, const struct sync_client *c)
{
	if (!c->used || c->welcomed || c->behind || c->away)
		return false;
	if (s->role == SYNC_R_UNKNOWN || !s->meta.complete)
		return false;
	return s->role != SYNC_R_ACTIVE || s->released >= c->welcome_at;
}

void
sync_clients_welcome(struct sync *s, mono_t now, struct sync_out *out)
{
	for (unsigned i = 0; i < s->clients; i++) {
		struct sync_client *c = &s->client[i];
		struct sync_head h = head_now(s, SYNC_K_WELCOME);
		if (!may_welcome(s, c))
			continue;
		c->welcomed = true;
		say(s, now, c, &h, NULL, out);
		if (c->welcomed)
			sync_note(out, NOTE_INFO, "welcome who=%s position=%llu", c->who, (unsigned long long)s->meta.position);
	}
}

/* --- submissions ------------------------------------------------------------------------------------------- */

static const char *
frame_refusal(struct sync *s, struct sync_client *c, struct span frame, struct records *r)
{
	if (!records_open(frame, r)) {
		s->count[SYNC_C_BATCHES_MALFORMED]++;
		return "not a Records message";
	}
	if (r->epoch != s->meta.epoch) {
		s->count[SYNC_C_BATCHES_REFUSED]++;
		return "another epoch";
	}
	if (r->owner.len != strlen(c->who) || memcmp(r->owner.p, c->who, r->owner.len) != 0) {
		s->count[SYNC_C_BATCHES_FOREIGN]++;
		return "signed with another name";
	}
	if (r->first_seq != c->next_seq || r->count == 0) {
		s->count[SYNC_C_BATCHES_REFUSED]++;
		return "numbers out of order";
	}
	switch (sync_check_frame(r, c->owner)) {
	case SYNC_CHECK_OK:
		return NULL;
	case SYNC_CHECK_FOREIGN:
		s->count[SYNC_C_BATCHES_FOREIGN]++;
		return "a table that is not its own";
	case SYNC_CHECK_SHAPE:
		s->count[SYNC_C_BATCHES_MALFORMED]++;
		return "an unknown table, or a key of the wrong shape";
	}
	return "?";
}

static const char *
submit_one(struct sync *s, mono_t now, struct sync_client *c, struct span frame)
{
	struct records r;
	const char *no = frame_refusal(s, c, frame, &r);

	if (no)
		return no;
	if (!sync_pending_add(s, now, (unsigned)(c - s->client), frame, r.first_seq + r.count - 1)) {
		s->count[SYNC_C_BATCHES_OVERFLOW]++;
		return "too much is waiting";
	}
	c->next_seq = r.first_seq + r.count;
	s->count[SYNC_C_BATCHES_IN]++;
	s->count[SYNC_C_RECORDS_IN] += r.count;
	return NULL;
}

void
sync_client_submit(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	struct sync_client *c = find(s, ev->identity);
	const char *no = NULL;

	if (!c || !c->welcomed) {
		s->count[SYNC_C_MESSAGES_STRANGE]++;
		if (!c)
			refuse_stranger(s, ev->identity, "greet first", out);
		return; /* greeted anew, or refused: what was under way before that is nobody's */
	}
	c->heard = now;
	if (s->role != SYNC_R_ACTIVE) {
		s->count[SYNC_C_BATCHES_REFUSED]++;
		no = "this node is not active";
	}
	for (unsigned i = 0; i < ev->frames && !no; i++)
		no = submit_one(s, now, c, ev->frame[i]);
	if (no)
		sync_client_refuse(s, c, no, out);
}

void
sync_client_local(struct sync *s, mono_t now, const struct sync_event *ev, struct sync_out *out)
{
	struct sync_client *c = find(s, ev->identity);
	bool known = ev->identity.len == 0 || c; /* none: the elector, or ourselves */

	if (c)
		c->heard = now;

	for (unsigned i = 0; i < ev->frames; i++) {
		int err = -1;
		if (known && sync_check_local(ev->frame[i]) == SYNC_CHECK_OK)
			err = out->local(out, ev->frame[i]);
		s->count[err ? SYNC_C_LOCAL_REFUSED : SYNC_C_LOCAL_ROWS]++;
	}
}

/* --- feed, committed, role ---------------------------------------------------------------------------------- */

void
sync_clients_feed(struct sync *s, mono_t now, const struct sync_txn *t, struct sync_out *out)
{
	struct sync_head h = { .kind = SYNC_K_FEED, .position = t->position, .epoch = t->epoch, .role = s->role };

	for (unsigned i = 0; i < s->clients; i++)
		if (s->client[i].used && s->client[i].welcomed)
			say(s, now, &s->client[i], &h, t, out);
}

void
sync_clients_committed(struct sync *s, mono_t now, struct sync_out *out)
{
	for (unsigned i = 0; i < s->clients; i++) {
		struct sync_client *c = &s->client[i];
		struct sync_head h = head_now(s, SYNC_K_COMMITTED);
		if (!c->committed_due)
			continue;
		c->committed_due = false;
		h.up_to = c->committed;
		if (c->used && c->welcomed)
			say(s, now, c, &h, NULL, out);
	}
}

/* Workers first: packets wait for them. */
void
sync_clients_tell(struct sync *s, mono_t now, enum sync_kind kind, struct sync_out *out)
{
	struct sync_head h = head_now(s, kind);

	for (unsigned i = 0; i < 2 * s->clients; i++) {
		struct sync_client *c = &s->client[i % s->clients];
		if (c->used && c->welcomed && (c->owner == OWNER_WORKER) == (i < s->clients))
			say(s, now, c, &h, NULL, out);
	}
}

void
sync_clients_tick(struct sync *s, mono_t now, struct sync_out *out)
{
	struct sync_head h = head_now(s, SYNC_K_REFUSED);

	h.reason = "fell behind the feed";
	for (unsigned i = 0; i < s->clients; i++) {
		struct sync_client *c = &s->client[i];
		if (!c->used || !c->behind)
			continue;
		if (out->client(out, span_of(c->id, c->id_len), &h, NULL) != SYNC_FULL || now - c->behind_from > BEHIND_FOR)
			sync_client_gone(s, span_of(c->id, c->id_len));
	}
	sync_clients_welcome(s, now, out);
}
