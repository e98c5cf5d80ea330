// SPDX-License-Identifier: Apache-2.0
/*
 * An owner's conversation with state-sync, as lib/bus/owner.c has it, without a socket: the same states, the
 * same reasons to start over, the same rules for what leaves.  The outbox and the batches are the product's.
 */
#include "sim.h"

#define PAUSE (50 * MONO_MS)
#define PATIENCE (2 * MONO_S)

bool
talk_active(const struct talk *t)
{
	return t->state == TALK_READY && t->active;
}

bool
talk_may_send(const struct talk *t)
{
	const struct world *w = t->p->w;

	if (w->broken == BREAK_LEASE_IGNORED && t->active)
		return true;
	return t->active && t->lease_epoch == t->epoch && t->lease_until && node_now(t->p->n) < t->lease_until;
}

mono_t
talk_due(const struct talk *t)
{
	return t->state == TALK_READY ? MONO_NEVER : t->due;
}

static void
say(struct talk *t, enum msg_kind kind, struct span frame)
{
	struct msg *m = frame.len ? msg_parts(kind, &frame, 1) : msg_new(kind, t->name, strlen(t->name));

	m->from = (uint8_t)t->p->kind;
	m->conn = t->conn;
	m->life = t->p->life;
	proc_post(&t->p->n->p[P_SYNC], m, 20 * MONO_US + rnd_time(t->p->w, 0, 30 * MONO_US), true);
}

static void
forget(struct talk *t)
{
	outbox_restart(&t->box);
	batch_reset(t->batch);
	t->flights = t->flight_first = 0;
	t->numbers = t->number_first = t->batches = t->batch_first = 0;
	t->submitted = 0;
	t->wire_next = t->fed_next = 1;
}

static void
start_over(struct talk *t, const char *why)
{
	if (t->state == TALK_NONE)
		return;
	tell(t->p->w, "%s  %s starts over: %s; %llu records, %u effects", t->p->n->name, t->name, why,
	     (unsigned long long)(t->box.recorded - t->box.committed), outbox_effects(&t->box));
	t->state = TALK_NONE;
	t->conn++;
	forget(t);
	t->due = node_now(t->p->n) + PAUSE;
}

static void
hello(struct talk *t)
{
	t->conn++;
	t->state = TALK_HELLO;
	t->due = node_now(t->p->n) + PATIENCE;
	say(t, M_SYNC_HELLO, span_of(NULL, 0));
}

/* --- from the core ------------------------------------------------------------------------------------------- */

static bool submit(struct talk *t);

static void
take_record(struct sink *s, enum table table, struct span key, const ProtobufCMessage *row)
{
	struct talk *t = (struct talk *)s;

	if (!talk_active(t)) {
		t->refusals++;
		return;
	}
	if (!batch_put(t->batch, table, key, row) && (!submit(t) || !batch_put(t->batch, table, key, row))) {
		start_over(t, "a record was refused");
		return;
	}
	outbox_record(&t->box);
}

/* Which record the effect waits for: what the outbox knows as well, for the checker to know by itself. */
static void
number_put(struct talk *t, uint64_t number)
{
	if (t->numbers == t->number_cap) {
		unsigned cap = t->number_cap ? 2 * t->number_cap : 256;
		uint64_t *v = malloc(cap * sizeof *v);
		for (unsigned i = 0; i < t->numbers; i++)
			v[i] = t->number[(t->number_first + i) % t->number_cap];
		free(t->number);
		t->number = v;
		t->number_cap = cap;
		t->number_first = 0;
	}
	t->number[(t->number_first + t->numbers++) % t->number_cap] = number;
}

static void
take_effect(struct sink *s, const struct effect *e)
{
	struct talk *t = (struct talk *)s;

	if (!talk_active(t) || !outbox_effect(&t->box, e))
		t->refusals++;
	else if (!e->reveals_nothing)
		number_put(t, t->box.recorded);
}

static void
take_note(struct sink *s, enum note_level level, const char *line)
{
	struct talk *t = (struct talk *)s;

	tell(t->p->w, "%s  %s: %s", t->p->n->name, t->name, line);
}

/* --- batches ---------------------------------------------------------------------------------------------------- */

static bool
submit(struct talk *t)
{
	uint32_t n = batch_count(t->batch);
	struct flight f;

	if (!n)
		return true;
	if (t->state != TALK_READY || t->flights == FLIGHTS)
		return false;
	struct span frame = batch_seal(t->batch, t->name, t->wire_next, t->epoch);
	f = (struct flight){ .wire = t->wire_next + n - 1, .outbox = t->box.recorded };
	check_submitted(t->p->w, t, frame, &f.frame_hash);
	t->flight[(t->flight_first + t->flights++) % FLIGHTS] = f;
	if (t->batches == FLIGHTS) { /* those of steps without an effect */
		t->batch_first = (t->batch_first + 1) % FLIGHTS;
		t->batches--;
	}
	t->done[(t->batch_first + t->batches) % FLIGHTS].outbox = f.outbox;
	t->done[(t->batch_first + t->batches++) % FLIGHTS].hash = f.frame_hash;
	t->submitted = f.outbox;
	say(t, M_SYNC_SUBMIT, frame);
	t->wire_next += n;
	batch_reset(t->batch);
	return true;
}

static void
on_committed(struct talk *t, uint64_t up_to)
{
	if (up_to >= t->wire_next) {
		start_over(t, "committed what was never submitted");
		return;
	}
	if (t->p->w->broken == BREAK_NEVER_COMMITTED)
		return;
	while (t->flights && t->flight[t->flight_first].wire <= up_to) {
		struct flight *f = &t->flight[t->flight_first];
		outbox_commit(&t->box, f->outbox);
		t->flight_first = (t->flight_first + 1) % FLIGHTS;
		t->flights--;
	}
}

static bool
release_one(void *arg, const struct effect *e)
{
	struct talk *t = arg;

	if (!talk_may_send(t) || !point(t->p, AT_RELEASE))
		return false;
	check_release(t->p->w, t, e);
	t->ops->release(t->p, e);
	return point(t->p, AT_RELEASED);
}

void
talk_flush(struct talk *t)
{
	if (t->state != TALK_READY) {
		if (node_now(t->p->n) >= t->due)
			hello(t);
		return;
	}
	submit(t);
	if (t->p->w->broken == BREAK_EFFECTS_AT_ONCE)
		outbox_commit(&t->box, t->box.recorded);
	if (talk_active(t) && outbox_effects(&t->box) && talk_may_send(t))
		outbox_release(&t->box, release_one, t);
}

/* --- from state-sync ------------------------------------------------------------------------------------------------ */

static void
load(struct talk *t, uint64_t position)
{
	const struct sync_meta *meta = &t->p->n->store.meta;

	if (meta->position < position) {
		start_over(t, "the store is behind what state-sync said");
		return;
	}
	t->position = position;
	t->view_position = meta->position;
	t->state = TALK_READY;
	t->ops->load(t->p);
	t->ops->role(t->p, t->active, t->epoch);
	point(t->p, AT_ROLE);
}

static void
hear_role(struct talk *t, const struct sync_head *h)
{
	t->active = h->role == SYNC_R_ACTIVE;
	t->epoch = h->epoch;
}

static void
on_reset(struct talk *t, const struct sync_head *h)
{
	uint64_t wire_next = t->wire_next;

	forget(t);
	t->wire_next = t->fed_next = wire_next;
	if (h->role != SYNC_R_UNKNOWN)
		hear_role(t, h);
	load(t, h->position);
}

static void
on_role(struct talk *t, const struct sync_head *h)
{
	bool was = t->active;

	hear_role(t, h);
	t->ops->role(t->p, t->active, t->epoch);
	point(t->p, AT_ROLE);
	if (!was || t->active)
		return;
	if (t->box.recorded != t->box.committed) {
		start_over(t, "not active any more, with records on their way");
		return;
	}
	outbox_restart(&t->box);
	t->numbers = t->number_first = t->batches = t->batch_first = 0;
	t->submitted = 0;
}

static bool
feed_frame(struct talk *t, struct records *rs, bool in_view)
{
	struct record r;
	bool ours = rs->owner.len == strlen(t->name) && memcmp(rs->owner.p, t->name, rs->owner.len) == 0;

	if (t->active && ours && rs->epoch == t->epoch) {
		if (!in_view && rs->first_seq != t->fed_next)
			return false;
		t->fed_next = rs->first_seq + rs->count;
		return true;
	}
	while (!in_view && records_next(rs, &r)) {
		if (table_info(r.table))
			t->ops->row(t->p, (enum table)r.table, r.key, r.row, r.removed);
		if (t->state != TALK_READY)
			break;
	}
	return true;
}

static void
on_feed(struct talk *t, const struct sync_head *h, const struct span *f, unsigned n)
{
	struct records rs[64];

	if (h->position != t->position + 1) {
		start_over(t, "a transaction of the feed is missing");
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		if (!records_open(f[i], &rs[i])) {
			start_over(t, "a frame that cannot be read");
			return;
		}
	}
	t->position = h->position;
	for (unsigned i = 0; i < n && t->state == TALK_READY; i++)
		if (!feed_frame(t, &rs[i], h->position <= t->view_position))
			start_over(t, "records of ours from before");
}

static void
hear(struct talk *t, const struct msg *m)
{
	const struct sync_head *h = &m->u.head;
	struct span f[64];
	unsigned n = msg_spans(m, f);

	if (t->state == TALK_HELLO && h->kind != SYNC_K_WELCOME && h->kind != SYNC_K_REFUSED)
		return;
	switch (h->kind) {
	case SYNC_K_WELCOME:
		if (t->state != TALK_HELLO)
			break;
		forget(t);
		hear_role(t, h);
		tell(t->p->w, "%s  %s is welcome as %s, epoch %llu, position %llu", t->p->n->name, t->name,
		     t->active ? "active" : "standby", (unsigned long long)t->epoch, (unsigned long long)h->position);
		load(t, h->position);
		break;
	case SYNC_K_COMMITTED:
		on_committed(t, h->up_to);
		break;
	case SYNC_K_FEED:
		on_feed(t, h, f, n);
		break;
	case SYNC_K_ROLE:
		on_role(t, h);
		break;
	case SYNC_K_RESET:
		on_reset(t, h);
		break;
	case SYNC_K_REFUSED:
		start_over(t, "refused");
		break;
	default:
		break;
	}
}

/* What a running process would do with the message at once, without one: it holds this lease, and goes on. */
bool
talk_extend(struct talk *t, uint64_t epoch, mono_t until)
{
	if (!proc_runs(t->p) || t->p->first || t->leases_on_way || !t->active || t->lease_epoch != epoch ||
	    t->epoch != epoch || node_now(t->p->n) >= t->lease_until)
		return false;
	t->lease_until = until;
	return true;
}

bool
talk_hear(struct talk *t, struct msg *m)
{
	switch (m->kind) {
	case M_LEASE:
		t->leases_on_way = false;
		t->lease_epoch = m->n[0];
		t->lease_until = m->n[1] ? (mono_t)m->n[2] : 0;
		return true;
	case M_TALK_DOWN:
		start_over(t, "connection lost");
		return true;
	case M_TALK:
		if (m->conn == t->conn && t->state != TALK_NONE)
			hear(t, m);
		return true;
	default:
		return false;
	}
}

void
talk_init(struct talk *t, struct proc *p, const char *name, const struct talk_ops *ops)
{
	*t = (struct talk){ .sink = { take_record, take_effect, take_note }, .p = p, .ops = ops };
	snprintf(t->name, sizeof t->name, "%s", name);
	t->conn = p->life << 16;
	t->batch = batch_new();
	outbox_init(&t->box, 4u << 20);
	forget(t);
	t->due = node_now(p->n);
}

void
talk_fini(struct talk *t)
{
	outbox_fini(&t->box);
	free(t->number);
	batch_free(t->batch);
}
