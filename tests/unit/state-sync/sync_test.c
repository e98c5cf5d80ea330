// SPDX-License-Identifier: Apache-2.0
/*
 * state-sync's core: tapes for its rules, and two of them with stores of memory, an owner each and a wire
 * that can be cut at any message.  What is asserted throughout: whatever was said COMMITTED is in the store
 * that is promoted; feeds are in order and without a gap; both stores are the same once mirrored.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/records.h"
#include "sync_core.h"

#define MS MONO_MS
#define KEYS 40
#define WIRE 1024
#define PEND 1024

/* --- a store of memory --------------------------------------------------------------------------------- */

struct mem {
	uint64_t row[KEYS]; /* 0: none */
	struct sync_meta meta;
};

struct message {
	uint8_t *octets;
	size_t len[SYNC_TXN_FRAMES + 1];
	unsigned frames;
};

struct wire {
	struct message m[WIRE]; /* a ring: first .. first + n */
	unsigned first, n;
};

/* An owner as services/lib/bus/owner.c is one, in as far as state-sync can see it. */
struct owner {
	bool welcomed, hello_due, active;
	uint64_t epoch, next_seq, position, committed;
	struct {
		uint64_t seq, value;
		unsigned key;
	} pend[PEND];
	unsigned pends;
	uint64_t view[KEYS]; /* what it believes: view and feed */
	unsigned refused, resets, feeds;
};

struct node {
	struct sync_out out; /* first */
	struct sync s;
	struct mem disk, snap;
	unsigned snap_next;
	struct wire *to_twin;
	bool wire_up;
	struct owner o;
	struct sync_status status;
	char name[8];
	int commit_err, page_err;
	unsigned notes;
	bool deaf_client, client_gone;
	bool alarm[SYNC_ALARMS];
	uint64_t disk_asked;
	uint64_t attempts;
};

#define N(o) ((struct node *)(o))

static mono_t now;
static uint64_t values;		 /* rising: every value ever written is another */
static uint64_t released[KEYS]; /* highest value of each key that an owner was told is committed */

static unsigned
key_of(struct span k)
{
	uint16_t t, id = 0;

	key_session_read(k, &t, &id);
	return id % KEYS;
}

static void
mem_apply(struct mem *m, struct span frame)
{
	struct records in;
	struct record r;

	ck_assert(records_open(frame, &in));
	while (records_next(&in, &r))
		if (r.table == TABLE_USAGE)
			m->row[key_of(r.key)] = r.removed ? 0 : get_u32(r.row.p);
}

static int
on_commit(struct sync_out *o, const struct sync_txn *t, const struct sync_meta *m)
{
	if (N(o)->commit_err)
		return N(o)->commit_err;
	ck_assert_uint_eq(t->position, N(o)->disk.meta.position + 1);
	for (unsigned i = 0; i < t->frames; i++)
		mem_apply(&N(o)->disk, t->frame[i].bytes);
	N(o)->disk.meta = *m;
	return 0;
}

static int
on_page(struct sync_out *o, struct span frame)
{
	if (N(o)->page_err)
		return N(o)->page_err;
	ck_assert(!N(o)->disk.meta.complete);
	mem_apply(&N(o)->disk, frame);
	return 0;
}

static int
on_wipe(struct sync_out *o, const struct sync_meta *m)
{
	if (N(o)->commit_err)
		return N(o)->commit_err;
	memset(N(o)->disk.row, 0, sizeof N(o)->disk.row);
	N(o)->disk.meta = *m;
	return 0;
}

static int
on_meta(struct sync_out *o, const struct sync_meta *m, bool terms)
{
	if (N(o)->commit_err)
		return N(o)->commit_err;
	N(o)->disk.meta = *m;
	return 0;
}

static int
on_local(struct sync_out *o, struct span frame)
{
	return 0;
}

static int
on_snap_begin(struct sync_out *o)
{
	N(o)->snap = N(o)->disk;
	N(o)->snap_next = 0;
	return 0;
}

static struct span
one_row(struct batch *b, const char *owner, unsigned key, uint64_t value, uint64_t seq, uint64_t epoch)
{
	struct key k = key_session(1, (uint16_t)key);
	uint8_t row[4];

	put_u32(row, (uint32_t)value);
	batch_reset(b);
	batch_put_packed(b, TABLE_USAGE, key_span(&k), span_of(row, 4), false);
	return batch_seal(b, owner, seq, epoch);
}

static int
on_snap_next(struct sync_out *o, struct span *frame)
{
	static struct batch *b;
	struct node *n = N(o);

	if (!b)
		b = batch_new();
	while (n->snap_next < KEYS && !n->snap.row[n->snap_next])
		n->snap_next++;
	if (n->snap_next == KEYS)
		return 0;
	*frame = one_row(b, "", n->snap_next, n->snap.row[n->snap_next], 0, 0);
	n->snap_next++;
	return 1;
}

static void
on_snap_end(struct sync_out *o)
{
}

static void
on_disk(struct sync_out *o, uint64_t position)
{
	N(o)->disk_asked = position;
}

static void
owner_load(struct node *n, uint64_t position)
{
	ck_assert_uint_eq(position, n->disk.meta.position);
	memcpy(n->o.view, n->disk.row, sizeof n->o.view);
	n->o.position = position;
}

static void
owner_committed(struct owner *o, uint64_t up_to)
{
	unsigned k = 0;

	ck_assert_uint_lt(up_to, o->next_seq);
	ck_assert_uint_ge(up_to, o->committed);
	o->committed = up_to;
	for (unsigned i = 0; i < o->pends; i++) {
		if (o->pend[i].seq <= up_to)
			released[o->pend[i].key] = o->pend[i].value;
		else
			o->pend[k++] = o->pend[i];
	}
	o->pends = k;
}

static enum sync_sent
on_client(struct sync_out *out, struct span identity, const struct sync_head *h, const struct sync_txn *t)
{
	struct node *n = N(out);
	struct owner *o = &n->o;

	if (n->client_gone)
		return SYNC_GONE;
	if (n->deaf_client)
		return SYNC_FULL;
	if (identity.len != 5)
		return SYNC_SENT; /* another one */
	switch (h->kind) {
	case SYNC_K_WELCOME:
		o->welcomed = true;
		o->pends = 0;
		o->next_seq = 1;
		o->committed = 0;
		o->active = h->role == SYNC_R_ACTIVE;
		o->epoch = h->epoch;
		owner_load(n, h->position);
		break;
	case SYNC_K_COMMITTED:
		owner_committed(o, h->up_to);
		break;
	case SYNC_K_FEED:
		ck_assert_uint_eq(h->position, o->position + 1);
		o->position = h->position;
		o->feeds++;
		struct mem m = { 0 };
		memcpy(m.row, o->view, sizeof m.row);
		for (unsigned i = 0; i < t->frames; i++)
			mem_apply(&m, t->frame[i].bytes);
		memcpy(o->view, m.row, sizeof m.row);
		break;
	case SYNC_K_ROLE:
		if (o->active && h->role != SYNC_R_ACTIVE && o->pends) {
			o->hello_due = true;
			o->welcomed = false;
		}
		o->active = h->role == SYNC_R_ACTIVE;
		o->epoch = h->epoch;
		break;
	case SYNC_K_RESET:
		o->resets++;
		o->pends = 0;
		owner_load(n, h->position);
		break;
	case SYNC_K_REFUSED:
		o->refused++;
		o->hello_due = true;
		o->welcomed = false;
		break;
	default:
		ck_abort();
	}
	return SYNC_SENT;
}

static bool
on_twin(struct sync_out *o, const struct mirror_head *h, const struct span *frame, unsigned frames)
{
	struct node *n = N(o);
	uint8_t head[MIRROR_HEAD_MAX];
	size_t len = mirror_head_write(h, head), at = len;
	struct message m = { .frames = frames + 1, .len = { len } };

	ck_assert(len > 0);
	if (!n->wire_up || n->to_twin->n == WIRE)
		return false;
	for (unsigned i = 0; i < frames; i++)
		at += m.len[i + 1] = frame[i].len;
	m.octets = malloc(at);
	memcpy(m.octets, head, len);
	at = len;
	for (unsigned i = 0; i < frames; i++) {
		memcpy(m.octets + at, frame[i].p, frame[i].len);
		at += frame[i].len;
	}
	n->to_twin->m[(n->to_twin->first + n->to_twin->n++) % WIRE] = m;
	return true;
}

static void
on_status(struct sync_out *o, const struct sync_status *st)
{
	N(o)->status = *st;
}

static void
on_alarm(struct sync_out *o, enum sync_alarm a, bool stands, const char *detail)
{
	N(o)->alarm[a] = stands;
}

static void
on_note(struct sync_out *o, enum note_level level, const char *line)
{
	N(o)->notes++;
	if (getenv("TWIN_TEST_NOTES"))
		fprintf(stderr, "%lld %s %s\n", (long long)(now / MS), N(o)->name, line);
}

static const struct sync_out outs = { on_commit, on_page, on_wipe, on_meta, on_local, on_snap_begin, on_snap_next,
				      on_snap_end, on_disk, on_client, on_twin, on_status, on_alarm, on_note };

/* --- driving ---------------------------------------------------------------------------------------------- */

static void
step(struct node *n, struct sync_event ev)
{
	sync_step(&n->s, now, &ev, &n->out);
}

static uint64_t instances = 1000;

static void
node_start(struct node *n, const char *name, unsigned side)
{
	struct sync_conf c = { .side = (uint8_t)side, .pair = true, .degrade = 200 * MS };

	snprintf(c.node, sizeof c.node, "%s", name);
	snprintf(n->name, sizeof n->name, "%s", name);
	n->out = outs;
	sync_init(&n->s, &c, &n->disk.meta, instances += 1000000);
	n->o.welcomed = false;
	n->o.hello_due = true;
	n->o.active = false;
	n->o.pends = 0;
	n->status = (struct sync_status){ 0 };
}

static void
order(struct node *n, bool active, uint64_t epoch, bool fresh, uint64_t alone)
{
	struct sync_order o = { .active = active, .epoch = epoch, .fresh = fresh, .alone = alone };

	step(n, (struct sync_event){ .kind = SYNC_ORDER, .order = &o, .random = 77 + ++instances });
}

static void
hello(struct node *n)
{
	n->o.hello_due = false;
	step(n, (struct sync_event){ .kind = SYNC_HELLO, .identity = span_of("owner", 5),
				     .who = span_of("session-mgr", 11) });
}

static void
submit(struct node *n, unsigned key)
{
	static struct batch *b;
	struct owner *o = &n->o;
	struct span f;

	if (!b)
		b = batch_new();
	if (!o->welcomed || !o->active || o->pends == PEND)
		return;
	o->pend[o->pends].seq = o->next_seq;
	o->pend[o->pends].value = ++values;
	o->pend[o->pends++].key = key;
	o->view[key] = values;
	f = one_row(b, "session-mgr", key, values, o->next_seq++, o->epoch);
	step(n, (struct sync_event){ .kind = SYNC_SUBMIT, .identity = span_of("owner", 5), .frame = &f, .frames = 1 });
}

static void
flush(struct node *n)
{
	step(n, (struct sync_event){ .kind = SYNC_FLUSH });
}

static void
tick(struct node *n)
{
	if (n->o.hello_due)
		hello(n);
	step(n, (struct sync_event){ .kind = SYNC_TICK });
}

static void
deliver_one(struct node *to, struct wire *w)
{
	struct message m = w->m[w->first];
	struct span f[SYNC_TXN_FRAMES + 1];
	struct mirror_head h;
	size_t at = 0;

	w->first = (w->first + 1) % WIRE;
	w->n--;
	for (unsigned i = 0; i < m.frames; at += m.len[i++])
		f[i] = span_of(m.octets + at, m.len[i]);
	ck_assert(mirror_head_read(f[0], &h));
	step(to, (struct sync_event){ .kind = SYNC_TWIN, .head = &h, .frame = f + 1, .frames = m.frames - 1 });
	free(m.octets);
}

static void
wire_clear(struct wire *w)
{
	while (w->n)
		free(w->m[(w->first + --w->n) % WIRE].octets);
}

struct pair {
	struct node n[2];
	struct wire w[2]; /* w[i]: from node i */
};

static void
link_set(struct pair *p, bool up)
{
	wire_clear(&p->w[0]);
	wire_clear(&p->w[1]);
	for (unsigned i = 0; i < 2; i++) {
		p->n[i].wire_up = up;
		step(&p->n[i], (struct sync_event){ .kind = up ? SYNC_TWIN_UP : SYNC_TWIN_DOWN });
	}
}

static void
settle(struct pair *p)
{
	for (int round = 0; round < 50 && (p->w[0].n || p->w[1].n); round++)
		for (unsigned i = 0; i < 2; i++) {
			while (p->w[!i].n)
				deliver_one(&p->n[i], &p->w[!i]);
			flush(&p->n[i]);
		}
}

static void
pass(struct pair *p, mono_t t)
{
	for (mono_t end = now + t; now < end;) {
		now += 10 * MS;
		tick(&p->n[0]);
		tick(&p->n[1]);
		settle(p);
	}
}

static struct pair *
pair_new(void)
{
	struct pair *p = calloc(1, sizeof *p);

	now = 1000 * MS;
	memset(released, 0, sizeof released);
	for (unsigned i = 0; i < 2; i++) {
		p->n[i].to_twin = &p->w[i];
		node_start(&p->n[i], i ? "b" : "a", i);
	}
	return p;
}

static void
pair_free(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++) {
		sync_fini(&p->n[i].s);
		wire_clear(&p->w[i]);
	}
	free(p);
}

/* a active in epoch 2, b its mirrored standby. */
static struct pair *
mirrored(void)
{
	struct pair *p = pair_new();

	order(&p->n[0], true, 2, true, 0);
	order(&p->n[1], false, 2, false, 0);
	link_set(p, true);
	pass(p, 200 * MS);
	ck_assert(p->n[0].status.mirrored);
	ck_assert(p->n[1].status.mirrored);
	ck_assert(p->n[0].o.welcomed && p->n[0].o.active);
	return p;
}

static void
same_stores(struct pair *p)
{
	ck_assert_uint_eq(p->n[0].disk.meta.position, p->n[1].disk.meta.position);
	ck_assert_uint_eq(p->n[0].disk.meta.lineage, p->n[1].disk.meta.lineage);
	ck_assert_mem_eq(p->n[0].disk.row, p->n[1].disk.row, sizeof p->n[0].disk.row);
	ck_assert_mem_eq(p->n[1].o.view, p->n[1].disk.row, sizeof p->n[1].disk.row);
}

static void
holds_all(const struct node *n, const char *when)
{
	for (unsigned k = 0; k < KEYS; k++)
		ck_assert_msg(n->disk.row[k] >= released[k], "%s: key %u: %llu was released, %llu is held", when, k,
			      (unsigned long long)released[k], (unsigned long long)n->disk.row[k]);
}

/* --- tapes ------------------------------------------------------------------------------------------------- */

START_TEST(alone_a_batch_is_committed_at_the_flush)
{
	struct pair *p = pair_new();
	struct node *a = &p->n[0];

	order(a, true, 2, true, 0);
	hello(a);
	ck_assert(a->o.welcomed);
	submit(a, 1);
	submit(a, 2);
	ck_assert_uint_eq(a->disk.meta.position, 0);
	flush(a);
	ck_assert_uint_eq(a->disk.meta.position, 1); /* both in one */
	ck_assert_uint_eq(a->o.committed, 2);
	ck_assert_uint_eq(a->o.position, 1);
	now += 60 * MS;
	tick(a);
	ck_assert_uint_eq(a->disk_asked, 1); /* to the disk soon after */
	pair_free(p);
}
END_TEST

START_TEST(alone_with_waits_disk_committed_comes_after_the_disk)
{
	struct pair *p = pair_new();
	struct node *a = &p->n[0];

	a->s.conf.alone_waits_disk = true;
	order(a, true, 2, true, 0);
	hello(a);
	step(a, (struct sync_event){ .kind = SYNC_DISK, .position = 0 });
	submit(a, 1);
	flush(a);
	ck_assert_uint_eq(a->o.committed, 0);
	step(a, (struct sync_event){ .kind = SYNC_DISK, .position = 1 });
	ck_assert_uint_eq(a->o.committed, 1);
	pair_free(p);
}
END_TEST

START_TEST(nobody_is_welcomed_before_the_role_is_known)
{
	struct pair *p = pair_new();

	hello(&p->n[0]);
	tick(&p->n[0]);
	ck_assert(!p->n[0].o.welcomed);
	order(&p->n[0], false, 3, false, 0);
	ck_assert(p->n[0].o.welcomed);
	ck_assert(!p->n[0].o.active);
	pair_free(p);
}
END_TEST

START_TEST(a_twin_that_greets_twice_is_mirrored_all_the_same)
{
	struct pair *p = pair_new();
	struct node *a = &p->n[0], *b = &p->n[1];

	order(a, true, 2, true, 0);
	order(b, false, 2, false, 0);
	a->wire_up = b->wire_up = true;
	step(b, (struct sync_event){ .kind = SYNC_TWIN_UP });
	step(a, (struct sync_event){ .kind = SYNC_TWIN_UP });
	settle(p);
	step(b, (struct sync_event){ .kind = SYNC_TWIN_UP });
	settle(p);
	pass(p, 300 * MS);
	ck_assert(a->status.mirrored);
	ck_assert(b->disk.meta.mirrored);
	pair_free(p);
}
END_TEST

START_TEST(mirrored_committed_waits_for_the_twin)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];

	submit(a, 3);
	flush(a);
	ck_assert_uint_eq(a->o.position, a->disk.meta.position); /* fed at once */
	ck_assert_uint_eq(a->o.committed, 0);
	settle(p);
	ck_assert_uint_eq(a->o.committed, 1);
	same_stores(p);
	ck_assert_uint_ge(a->s.lag.n, 1);
	pair_free(p);
}
END_TEST

START_TEST(an_order_is_answered_with_the_position)
{
	struct pair *p = mirrored();
	struct node *b = &p->n[1];

	tick(b);
	submit(&p->n[0], 1);
	flush(&p->n[0]);
	settle(p);
	ck_assert_uint_eq(b->disk.meta.position, 1);
	ck_assert_uint_eq(b->status.position, 0); /* it will be said some time */
	order(b, false, 2, false, 0);
	ck_assert_uint_eq(b->status.position, 1);
	pair_free(p);
}
END_TEST

START_TEST(what_may_not_enter_the_store_is_refused)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];
	struct batch *b = batch_new();
	struct key tunnel = key_tunnel(1), session = key_session(1, 1);
	struct span bad[6];
	uint8_t copy[6][256];
	static const struct { unsigned table; bool wrong_key; const char *who; uint64_t epoch, seq; } cases[] = {
		{ TABLE_TUNNEL, false, "session-mgr", 2, 1 },  /* not its table */
		{ TABLE_META, true, "session-mgr", 2, 1 },     /* nobody's */
		{ TABLE_USAGE, true, "session-mgr", 2, 1 },    /* key of another shape */
		{ TABLE_USAGE, false, "tunnel-ctl", 2, 1 },    /* signed by another */
		{ TABLE_USAGE, false, "session-mgr", 1, 1 },   /* old epoch */
		{ TABLE_USAGE, false, "session-mgr", 2, 2 },   /* a number is missing */
	};

	for (unsigned i = 0; i < 6; i++) {
		struct span key = cases[i].wrong_key || cases[i].table == TABLE_TUNNEL ? key_span(&tunnel) : key_span(&session);
		batch_reset(b);
		batch_put_packed(b, cases[i].table, key, span_of("row", 3), false);
		bad[i] = batch_seal(b, cases[i].who, cases[i].seq, cases[i].epoch);
		memcpy(copy[i], bad[i].p, bad[i].len);
		bad[i].p = copy[i];
	}
	for (unsigned i = 0; i < 6; i++) {
		unsigned before = a->o.refused;
		uint64_t position = a->disk.meta.position;
		hello(a);
		settle(p);
		ck_assert(a->o.welcomed);
		step(a, (struct sync_event){ .kind = SYNC_SUBMIT, .identity = span_of("owner", 5), .frame = &bad[i],
					     .frames = 1 });
		flush(a);
		ck_assert_msg(a->o.refused == before + 1, "case %u", i);
		ck_assert_uint_eq(a->disk.meta.position, position);
	}
	batch_free(b);
	pair_free(p);
}
END_TEST

START_TEST(a_standby_refuses_submissions)
{
	struct pair *p = mirrored();
	struct node *b = &p->n[1];

	b->o.active = true; /* it believes so */
	submit(b, 1);
	ck_assert_uint_eq(b->o.refused, 1);
	pair_free(p);
}
END_TEST

START_TEST(a_short_cut_is_healed_from_the_log)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];

	for (unsigned i = 0; i < 20; i++) {
		submit(a, i);
		flush(a);
	}
	link_set(p, false); /* nothing of it arrived */
	pass(p, 50 * MS);
	ck_assert_uint_eq(a->o.committed, 0);
	link_set(p, true);
	pass(p, 100 * MS);
	ck_assert_uint_eq(a->o.committed, 20);
	ck_assert_uint_eq(a->s.count[SYNC_C_DEGRADED], 0);
	same_stores(p);
	pair_free(p);
}
END_TEST

START_TEST(a_long_cut_asks_and_goes_alone_only_when_granted)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];

	link_set(p, false);
	submit(a, 1);
	flush(a);
	pass(p, 150 * MS);
	ck_assert_uint_eq(a->status.ask, 0);
	pass(p, 100 * MS);
	ck_assert_uint_ne(a->status.ask, 0);
	pass(p, 1000 * MS);
	ck_assert_uint_eq(a->o.committed, 0); /* nobody has said yes */
	order(a, true, 2, false, a->status.ask + 1);
	ck_assert_uint_eq(a->o.committed, 0); /* that was another question */
	order(a, true, 2, false, a->status.ask);
	ck_assert_uint_eq(a->o.committed, 1);
	ck_assert(a->alarm[SYNC_ALARM_ALONE]);
	ck_assert(!a->status.mirrored);
	link_set(p, true);
	pass(p, 300 * MS);
	ck_assert(a->status.mirrored);
	ck_assert(!a->alarm[SYNC_ALARM_ALONE]);
	same_stores(p);
	pair_free(p);
}
END_TEST

/* The session stands for a second after the twin's last word: alone is alone, not asked for at every tick. */
START_TEST(a_silent_session_is_no_reason_to_wait_again)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];

	submit(a, 1);
	flush(a);
	for (unsigned i = 0; i < 90; i++) { /* the twin hears nothing and says nothing */
		now += 10 * MS;
		wire_clear(&p->w[0]);
		tick(a);
		if (a->status.ask)
			order(a, true, 2, false, a->status.ask);
		submit(a, i % KEYS);
		flush(a);
	}
	ck_assert(a->s.session_live);
	ck_assert_uint_eq(a->s.count[SYNC_C_DEGRADED], 1);
	ck_assert_uint_eq(a->o.pends, 0); /* and nobody waits */
	link_set(p, false);
	link_set(p, true);
	pass(p, 300 * MS);
	ck_assert(a->status.mirrored && !a->alarm[SYNC_ALARM_ALONE]);
	same_stores(p);
	pair_free(p);
}
END_TEST

START_TEST(a_twin_too_far_behind_takes_a_snapshot_while_commits_go_on)
{
	struct pair *p = pair_new();
	struct node *a = &p->n[0], *b = &p->n[1];

	order(a, true, 2, true, 0);
	order(b, false, 2, false, 0);
	hello(a);
	hello(b);
	for (unsigned i = 0; i < 500; i++) {
		submit(a, i % KEYS);
		flush(a);
	}
	link_set(p, true);
	for (unsigned i = 0; i < 60; i++) { /* a message at a time, and a commit between any two */
		now += MS;
		for (unsigned k = 0; k < 2; k++)
			if (p->w[!k].n) {
				deliver_one(&p->n[k], &p->w[!k]);
				flush(&p->n[k]);
			}
		submit(a, i % KEYS);
		flush(a);
	}
	pass(p, 300 * MS);
	ck_assert_uint_eq(b->s.count[SYNC_C_SNAPSHOTS], 1);
	ck_assert_uint_ge(b->o.resets, 1);
	ck_assert(a->status.mirrored && b->status.mirrored);
	same_stores(p);
	pair_free(p);
}
END_TEST

START_TEST(promotion_keeps_everything_and_the_old_active_gives_its_tail_up)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0], *b = &p->n[1];

	for (unsigned i = 0; i < 10; i++)
		submit(a, i);
	flush(a);
	settle(p);
	link_set(p, false);
	submit(a, 30); /* committed here, never acknowledged, never released */
	flush(a);
	order(b, true, 5, true, 0);
	ck_assert(b->status.active);
	ck_assert(b->o.active);
	holds_all(b, "promotion");
	submit(b, 31);
	flush(b);
	order(a, false, 5, false, 0);
	ck_assert(!a->o.active);
	link_set(p, true);
	pass(p, 300 * MS);
	ck_assert_uint_eq(a->s.count[SYNC_C_ROLLBACKS], 1);
	ck_assert(a->alarm[SYNC_ALARM_DIVERGED]);
	same_stores(p);
	ck_assert(b->status.mirrored);
	link_set(p, false); /* it stands until another session goes on where this one ended */
	link_set(p, true);
	pass(p, 300 * MS);
	ck_assert(!a->alarm[SYNC_ALARM_DIVERGED]);
	pair_free(p);
}
END_TEST

/* What tunnel-ctl decides by, after which epochs RFC 4951 is needed. */
START_TEST(only_what_was_held_up_to_date_is_whole)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0], *b = &p->n[1];

	ck_assert_uint_eq(b->disk.meta.stale_since, 0);
	submit(a, 1);
	flush(a);
	settle(p);
	link_set(p, false);
	order(b, true, 5, true, 0); /* it held everything until the end */
	ck_assert(b->status.active);
	ck_assert_uint_eq(b->disk.meta.stale_since, 0);
	sync_fini(&b->s);
	node_start(b, "b", 1); /* state-sync alone was killed: the same epoch goes on */
	order(b, true, 5, true, 0);
	ck_assert(b->status.active);
	ck_assert_uint_eq(b->disk.meta.stale_since, 0);
	order(b, false, 6, false, 0);
	order(b, true, 7, true, 0); /* nobody else was active meanwhile */
	ck_assert_uint_eq(b->disk.meta.stale_since, 0);
	sync_fini(&b->s);
	node_start(b, "b", 1); /* everything was down */
	order(b, true, 8, true, 0);
	ck_assert(b->status.active);
	ck_assert_uint_eq(b->disk.meta.stale_since, 8);
	order(a, false, 8, false, 0);
	link_set(p, true);
	pass(p, 300 * MS);
	ck_assert(a->status.mirrored);
	sync_fini(&a->s);
	node_start(a, "a", 0); /* its disk says mirrored; how long ago, nobody knows */
	order(a, true, 9, true, 0);
	ck_assert(a->status.active);
	ck_assert_uint_eq(a->disk.meta.stale_since, 9);
	pair_free(p);
}
END_TEST

/* Two nodes promoted behind a cut; then the mirror brought the later epoch, and the order for the earlier one was still there. */
START_TEST(an_epoch_never_goes_back)
{
	struct pair *p = mirrored();
	struct node *b = &p->n[1];

	link_set(p, false);
	b->s.meta.epoch = b->disk.meta.epoch = 7;
	order(b, true, 6, true, 0);
	ck_assert(!b->status.active);
	ck_assert_uint_eq(b->disk.meta.epoch, 7);
	order(b, true, 9, true, 0);
	ck_assert(b->status.active);
	ck_assert_uint_eq(b->disk.meta.epoch, 9);
	pair_free(p);
}
END_TEST

/* A session begun anew in the moment of a handover says nothing against a store that the active vouched for. */
START_TEST(what_the_active_vouched_for_is_whole)
{
	struct pair *p = mirrored();
	struct node *b = &p->n[1];
	struct sync_order promote = { .active = true, .fresh = true, .epoch = 5, .vouched = _i };

	link_set(p, false);
	b->s.live_store = false; /* as after a session that has brought a transaction, and not yet said MIRRORED */
	b->s.meta.mirrored = false;
	step(b, (struct sync_event){ .kind = SYNC_ORDER, .order = &promote, .random = 7 });
	ck_assert(b->status.active);
	ck_assert_uint_eq(b->disk.meta.stale_since, _i ? 0 : 5);
	pair_free(p);
}
END_TEST

/* It was the active one until just now, and in a life of the process: only others can know better. */
START_TEST(what_others_served_meanwhile_makes_a_store_stale)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];
	struct sync_order promote = { .active = true, .fresh = true, .epoch = 9, .blind = _i == 1 };
	uint64_t before = a->disk.meta.stale_since;

	link_set(p, false);
	if (_i == 2)
		a->s.seen_epoch = 7;
	submit(a, 1); /* of the epoch before, and not committed: it is made again in the new one, or never was */
	step(a, (struct sync_event){ .kind = SYNC_ORDER, .order = &promote, .random = 7 });
	ck_assert(a->status.active);
	ck_assert_uint_eq(a->disk.meta.epoch, 9);
	ck_assert_uint_eq(a->disk.meta.stale_since, _i ? 9 : before);
	ck_assert_uint_eq(a->s.count[SYNC_C_DEMOTIONS], 1);
	ck_assert_uint_eq(a->s.pending_count, 0);
	pair_free(p);
}
END_TEST

START_TEST(after_a_switchover_the_old_active_follows_without_a_snapshot)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0], *b = &p->n[1];
	struct sync_order quiesce = { .active = true, .quiesce = true, .epoch = 2 };

	unsigned long before = a->s.count[SYNC_C_SNAPSHOTS];

	submit(a, 1);
	step(a, (struct sync_event){ .kind = SYNC_ORDER, .order = &quiesce, .random = 1 });
	submit(a, 2); /* too late for this epoch */
	flush(a);
	ck_assert(!a->status.quiesced);
	settle(p);
	ck_assert(a->status.quiesced);
	ck_assert_uint_eq(a->o.committed, 1);
	ck_assert_uint_eq(b->disk.meta.position, a->status.position);
	order(b, true, 3, true, 0);
	order(a, false, 3, false, 0);
	pass(p, 200 * MS);
	ck_assert_uint_eq(a->s.count[SYNC_C_SNAPSHOTS], before);
	ck_assert_uint_eq(a->s.count[SYNC_C_ROLLBACKS], 0);
	ck_assert(b->status.mirrored);
	same_stores(p);
	pair_free(p);
}
END_TEST

START_TEST(a_quiesce_that_is_called_off_loses_nothing)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];
	struct sync_order quiesce = { .active = true, .quiesce = true, .epoch = 2 };

	step(a, (struct sync_event){ .kind = SYNC_ORDER, .order = &quiesce, .random = 1 });
	submit(a, 2);
	pass(p, 100 * MS);
	ck_assert_uint_eq(a->o.committed, 0);
	order(a, true, 2, false, 0);
	pass(p, 20 * MS);
	ck_assert_uint_eq(a->o.committed, 1);
	pair_free(p);
}
END_TEST

START_TEST(a_restarted_active_resumes_but_a_strange_store_does_not)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];

	submit(a, 1);
	flush(a);
	settle(p);
	sync_fini(&a->s);
	node_start(a, "a", 0);
	link_set(p, false);
	order(a, true, 2, false, 0);
	ck_assert(a->status.active);
	hello(a);
	ck_assert(!a->o.welcomed); /* not before the twin is known to hold what is read */
	link_set(p, true);
	pass(p, 100 * MS);
	ck_assert(a->o.welcomed);
	ck_assert(a->status.mirrored);
	sync_fini(&a->s);
	a->disk = (struct mem){ 0 }; /* the store was lost */
	node_start(a, "a", 0);
	order(a, true, 2, false, 0);
	ck_assert(!a->status.active);
	pair_free(p);
}
END_TEST

START_TEST(a_full_store_refuses_and_recovers)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];

	a->commit_err = -ENOSPC;
	submit(a, 1);
	flush(a);
	ck_assert_uint_eq(a->o.refused, 1);
	ck_assert(a->alarm[SYNC_ALARM_STORE_FULL]);
	a->commit_err = 0;
	pass(p, 50 * MS);
	submit(a, 1);
	flush(a);
	settle(p);
	ck_assert_uint_eq(a->o.committed, 1);
	ck_assert(!a->alarm[SYNC_ALARM_STORE_FULL]);
	pair_free(p);
}
END_TEST

START_TEST(a_standby_whose_store_refuses_is_not_ready)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0], *b = &p->n[1];

	b->commit_err = -EIO;
	submit(a, 1);
	flush(a);
	settle(p);
	ck_assert(b->alarm[SYNC_ALARM_STORE_FAILED]);
	tick(b);
	ck_assert(!b->status.ready);
	uint64_t snapshots = a->s.count[SYNC_C_SNAPSHOTS];
	pass(p, 3500 * MS);
	ck_assert_uint_le(a->s.count[SYNC_C_SNAPSHOTS] - snapshots, 4); /* once a second, not as fast as both can */
	b->commit_err = 0;
	pass(p, 2000 * MS);
	ck_assert(b->status.ready);
	ck_assert(!b->alarm[SYNC_ALARM_STORE_FAILED]);
	ck_assert_uint_eq(a->o.committed, 1);
	same_stores(p);
	pair_free(p);
}
END_TEST

START_TEST(a_process_that_does_not_read_starts_over)
{
	struct pair *p = mirrored();
	struct node *b = &p->n[1];

	b->deaf_client = true;
	submit(&p->n[0], 1);
	flush(&p->n[0]);
	settle(p);
	submit(&p->n[0], 2);
	flush(&p->n[0]);
	settle(p);
	b->deaf_client = false;
	pass(p, 50 * MS);
	ck_assert_uint_eq(b->o.refused, 1);
	ck_assert(b->o.welcomed);
	same_stores(p);
	pair_free(p);
}
END_TEST

/* Its next conversation comes by the same name: what was to be said to the last one is not said to that. */
START_TEST(a_process_without_a_connection_is_waited_for)
{
	struct pair *p = mirrored();
	struct node *b = &p->n[1];

	b->client_gone = true;
	submit(&p->n[0], 1);
	flush(&p->n[0]);
	settle(p);
	pass(p, 50 * MS);
	b->client_gone = false;
	submit(&p->n[0], 2);
	flush(&p->n[0]);
	settle(p);
	pass(p, 50 * MS);
	ck_assert_uint_eq(b->o.refused, 0);
	ck_assert_uint_eq(b->s.count[SYNC_C_CLIENTS_BEHIND], 0);
	b->o.welcomed = false;
	b->o.hello_due = true;
	pass(p, 50 * MS);
	ck_assert(b->o.welcomed);
	same_stores(p);
	pair_free(p);
}
END_TEST

START_TEST(an_old_epochs_session_is_refused_and_told_so)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0], *b = &p->n[1];

	link_set(p, false);
	order(b, true, 3, true, 0); /* a does not know */
	link_set(p, true);
	pass(p, 200 * MS);
	ck_assert_uint_eq(a->status.seen_epoch, 3);
	ck_assert(!a->s.session_live);
	ck_assert(!b->s.session_live);
	pair_free(p);
}
END_TEST

START_TEST(nonsense_from_the_twin_ends_a_session_and_no_more)
{
	struct pair *p = mirrored();
	struct node *b = &p->n[1];
	struct batch *bt = batch_new();
	struct key meta = key_text("store");
	struct mirror_head h = { .kind = MIRROR_TXN, .version = MIRROR_VERSION, .session = b->s.session, .frames = 1 };
	struct span f;

	h.position = b->disk.meta.position + 1;
	batch_put_packed(bt, TABLE_META, key_span(&meta), span_of("x", 1), false);
	f = batch_seal(bt, "session-mgr", 1, 2);
	step(b, (struct sync_event){ .kind = SYNC_TWIN, .head = &h, .frame = &f, .frames = 1 });
	ck_assert(!b->s.session_live);
	ck_assert_uint_eq(b->s.count[SYNC_C_MIRROR_MALFORMED], 1);
	pass(p, 200 * MS);
	ck_assert(b->s.session_live);
	h.session = b->s.session;
	h.position += 7;
	f = one_row(bt, "session-mgr", 1, 1, 1, 2);
	step(b, (struct sync_event){ .kind = SYNC_TWIN, .head = &h, .frame = &f, .frames = 1 });
	ck_assert_uint_eq(b->s.count[SYNC_C_MIRROR_GAPS], 1);
	batch_free(bt);
	pair_free(p);
}
END_TEST

START_TEST(a_second_twin_is_not_listened_to)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];
	struct mirror_head h = { .kind = MIRROR_HELLO, .version = MIRROR_VERSION, .side = 1, .instance = 4, .attempt = 1,
				 .complete = true };

	step(a, (struct sync_event){ .kind = SYNC_TWIN, .head = &h });
	ck_assert(a->s.session_live);
	ck_assert_uint_eq(a->s.count[SYNC_C_MIRROR_SECOND], 1);
	pair_free(p);
}
END_TEST

START_TEST(the_log_is_bounded)
{
	struct pair *p = pair_new();
	struct node *a = &p->n[0];

	a->s.conf.log_octets = 20000;
	order(a, true, 2, true, 0);
	hello(a);
	for (unsigned i = 0; i < 2000; i++) {
		submit(a, i % KEYS);
		flush(a);
		tick(a);
		ck_assert_uint_le(a->s.log_octets, 21000);
	}
	pair_free(p);
}
END_TEST

START_TEST(the_lag_histogram_answers_within_an_eighth)
{
	struct sync_lag l = { 0 };

	for (unsigned i = 1; i <= 1000; i++)
		sync_lag_add(&l, i * MONO_US);
	ck_assert_int_ge(sync_lag_at(&l, 0.5), 500 * MONO_US);
	ck_assert_int_le(sync_lag_at(&l, 0.5), 570 * MONO_US);
	ck_assert_int_ge(sync_lag_at(&l, 0.99), 990 * MONO_US);
	ck_assert_int_le(sync_lag_at(&l, 0.99), 1120 * MONO_US);
}
END_TEST

/* --- seeds ----------------------------------------------------------------------------------------------------- */

#define SEEDS_EACH 20

static uint32_t seed;
static unsigned long all_promotions;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* The electors, who here know all at once. */
struct world {
	struct pair *p;
	unsigned active;
	uint64_t epoch, alone[2];
	bool whole, linked;
	unsigned promotions;
};

static void
electors(struct world *w)
{
	struct node *a = &w->p->n[w->active];

	if (a->status.active && a->status.epoch == w->epoch) {
		if (a->status.mirrored && !a->status.ask)
			w->whole = true;
		if (a->status.ask) {
			w->whole = false;
			w->alone[w->active] = a->status.ask;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		struct sync_order o = { .active = i == w->active, .epoch = w->epoch, .alone = w->alone[i] };
		o.stale = i != w->active && !w->whole;
		step(&w->p->n[i], (struct sync_event){ .kind = SYNC_ORDER, .order = &o, .random = ++instances });
	}
}

static void
take_over(struct world *w)
{
	struct node *to = &w->p->n[!w->active];

	if (!w->whole || !to->status.mirrored || !to->status.ready)
		return;
	if (rnd(2)) { /* the old one is gone with its process, or only cut off */
		sync_fini(&w->p->n[w->active].s);
		node_start(&w->p->n[w->active], w->active ? "b" : "a", w->active);
		link_set(w->p, false);
		w->linked = false;
	}
	w->active = !w->active;
	w->epoch = ((w->epoch >> 1) + 1) << 1 | w->active;
	w->whole = false;
	order(to, true, w->epoch, true, 0);
	ck_assert(to->status.active);
	holds_all(to, "promotion");
	w->promotions++;
}

static void
something(struct world *w)
{
	switch (rnd(12)) {
	case 0:
	case 1:
		w->linked = false;
		link_set(w->p, false);
		break;
	case 2:
	case 3:
	case 4:
		w->linked = true;
		link_set(w->p, true);
		break;
	case 5:
		take_over(w);
		break;
	case 6: {
		unsigned i = rnd(2); /* state-sync alone is restarted */
		sync_fini(&w->p->n[i].s);
		node_start(&w->p->n[i], i ? "b" : "a", i);
		link_set(w->p, w->linked);
		break;
	}
	case 7:
		step(&w->p->n[w->active], (struct sync_event){ .kind = SYNC_RESYNC, .snapshot = true });
		break;
	case 8:
		w->p->n[rnd(2)].o.hello_due = true; /* an owner is restarted */
		break;
	default:
		break;
	}
}

static void
sync_seed(uint32_t s)
{
	struct world w = { .p = mirrored(), .epoch = 2, .linked = true };

	seed = s;
	for (unsigned i = 0; i < 3000; i++) {
		now += rnd(3) * MS;
		if (rnd(40) == 0)
			something(&w);
		if (rnd(3) == 0)
			submit(&w.p->n[w.active], rnd(KEYS));
		for (unsigned k = 0; k < 2; k++) {
			for (unsigned m = rnd(3); m && w.p->w[!k].n; m--)
				deliver_one(&w.p->n[k], &w.p->w[!k]);
			if (rnd(2))
				flush(&w.p->n[k]);
			if (rnd(8) == 0)
				tick(&w.p->n[k]);
		}
		electors(&w);
	}
	link_set(w.p, true);
	for (unsigned i = 0; i < 300 && !(w.p->n[w.active].status.mirrored && !w.p->w[0].n); i++) {
		pass(w.p, 20 * MS);
		electors(&w);
	}
	pass(w.p, 20 * MS);
	ck_assert_msg(w.p->n[w.active].status.mirrored, "seed %u does not heal", s);
	ck_assert_msg(w.p->n[!w.active].status.mirrored, "seed %u: the standby was not told", s);
	ck_assert(w.p->n[!w.active].disk.meta.mirrored);
	same_stores(w.p);
	holds_all(&w.p->n[w.active], "the end");
	all_promotions += w.promotions;
	pair_free(w.p);
}

START_TEST(the_seeds_are_eventful)
{
	for (uint32_t i = 0; i < 20; i++)
		sync_seed(90000 + i);
	ck_assert_uint_gt(all_promotions, 20); /* or nothing was proved */
}
END_TEST

START_TEST(a_lost_last_transaction_is_noticed)
{
	struct pair *p = mirrored();
	struct node *a = &p->n[0];

	submit(a, 1);
	flush(a);
	wire_clear(&p->w[0]); /* as if the queue had dropped it */
	pass(p, 300 * MS);
	ck_assert_uint_eq(a->o.committed, 1);
	same_stores(p);
	pair_free(p);
}
END_TEST

START_TEST(no_seed_loses_what_was_committed)
{
	for (uint32_t i = 0; i < SEEDS_EACH; i++) /* a fork for each would cost more than the seed */
		sync_seed(1 + (uint32_t)_i * SEEDS_EACH + i);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("state-sync");
	TCase *t = tcase_create("rules"), *seeds = tcase_create("seeds");
	SRunner *r;
	int failed;

	tcase_add_test(t, alone_a_batch_is_committed_at_the_flush);
	tcase_add_test(t, alone_with_waits_disk_committed_comes_after_the_disk);
	tcase_add_test(t, nobody_is_welcomed_before_the_role_is_known);
	tcase_add_test(t, a_twin_that_greets_twice_is_mirrored_all_the_same);
	tcase_add_test(t, mirrored_committed_waits_for_the_twin);
	tcase_add_test(t, an_order_is_answered_with_the_position);
	tcase_add_test(t, what_may_not_enter_the_store_is_refused);
	tcase_add_test(t, a_standby_refuses_submissions);
	tcase_add_test(t, a_short_cut_is_healed_from_the_log);
	tcase_add_test(t, a_long_cut_asks_and_goes_alone_only_when_granted);
	tcase_add_test(t, a_silent_session_is_no_reason_to_wait_again);
	tcase_add_test(t, a_twin_too_far_behind_takes_a_snapshot_while_commits_go_on);
	tcase_add_test(t, promotion_keeps_everything_and_the_old_active_gives_its_tail_up);
	tcase_add_test(t, only_what_was_held_up_to_date_is_whole);
	tcase_add_test(t, an_epoch_never_goes_back);
	tcase_add_loop_test(t, what_the_active_vouched_for_is_whole, 0, 2);
	tcase_add_loop_test(t, what_others_served_meanwhile_makes_a_store_stale, 0, 3);
	tcase_add_test(t, after_a_switchover_the_old_active_follows_without_a_snapshot);
	tcase_add_test(t, a_quiesce_that_is_called_off_loses_nothing);
	tcase_add_test(t, a_restarted_active_resumes_but_a_strange_store_does_not);
	tcase_add_test(t, a_full_store_refuses_and_recovers);
	tcase_add_test(t, a_standby_whose_store_refuses_is_not_ready);
	tcase_add_test(t, a_process_that_does_not_read_starts_over);
	tcase_add_test(t, a_process_without_a_connection_is_waited_for);
	tcase_add_test(t, an_old_epochs_session_is_refused_and_told_so);
	tcase_add_test(t, nonsense_from_the_twin_ends_a_session_and_no_more);
	tcase_add_test(t, a_second_twin_is_not_listened_to);
	tcase_add_test(t, a_lost_last_transaction_is_noticed);
	tcase_add_test(t, the_log_is_bounded);
	tcase_add_test(t, the_lag_histogram_answers_within_an_eighth);
	tcase_set_timeout(seeds, 60);
	tcase_add_test(seeds, the_seeds_are_eventful);
	tcase_add_loop_test(seeds, no_seed_loses_what_was_committed, 0, 8);
	suite_add_tcase(s, t);
	suite_add_tcase(s, seeds);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
