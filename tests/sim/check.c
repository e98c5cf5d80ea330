// SPDX-License-Identifier: Apache-2.0
/*
 * The invariants (invariants.def), watched where the world touches the product: what leaves a worker, what a
 * store commits, what an elector publishes, what a LAC and a client live through; and, at the end, everything
 * compared with everything.
 *
 * Two situations excuse losses, and both are decided by what the world did, not by what the product says:
 *   split    prefer-service, and the nodes could not hear each other in either direction: both went on
 *   amnesty  the state died with every node that held it
 */
#include "sim.h"

#include <stdarg.h>

const char *const invariant_name[INVARIANTS] = {
#define X(NAME, SENTENCE) #NAME,
#include "invariants.def"
#undef X
};
const char *const break_name[BREAKS] = {
#define X(NAME, CATCHERS, SENTENCE) #NAME,
#include "breaks.def"
#undef X
};
const char *const break_catchers[BREAKS] = {
#define X(NAME, CATCHERS, SENTENCE) CATCHERS,
#include "breaks.def"
#undef X
};

#define BELIEF_EVERY 10 /* ticks */
#define SEEN_OFTEN 4

void
violated(struct world *w, enum invariant which, const char *fmt, ...)
{
	struct checker *c = &w->check;
	va_list ap;

	if (c->failed)
		return;
	c->failed = true;
	c->which = which;
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof c->text, fmt, ap);
	va_end(ap);
	tell(w, "VIOLATED %s: %s", invariant_name[which], c->text);
}

void
check_init(struct world *w)
{
	w->check.frame_cap = 1024;
	w->check.frame = calloc(w->check.frame_cap, sizeof *w->check.frame);
}

void
check_fini(struct world *w)
{
	free(w->check.frame);
	w->check.frame = NULL;
}

/* --- who is who ------------------------------------------------------------------------------------------- */

struct node *
sim_active_node(struct world *w)
{
	struct node *best = NULL;

	for (unsigned i = 0; i < NODES; i++) {
		struct node *n = &w->node[i];
		if (n->on && n->lease_until > w->now && (!best || n->lease_epoch > best->lease_epoch))
			best = n;
	}
	return best;
}

static bool
able(const struct node *n)
{
	for (unsigned k = 0; k < PROCS; k++)
		if (!proc_runs(&n->p[k]))
			return false;
	return n->on;
}

/* Since when is there one node that can do everything? */
static void
service(struct world *w)
{
	struct node *n = sim_active_node(w);
	struct sync *s = n ? proc_sync(&n->p[P_SYNC]) : NULL;
	bool good = n && able(n) && s && (s->solo || s->mirrored) && w->arp[NET_ACCESS] == (int)n->id;

	for (unsigned k = P_TC; good && k < PROCS; k++)
		good = talk_active(proc_talk(&n->p[k]));
	if (!good)
		w->check.service_since = 0;
	else if (!w->check.service_since)
		w->check.service_since = w->now;
}

/* --- commit before wire --------------------------------------------------------------------------------------- */

/* The place of a hash: where it is, or the empty one where it would be. */
static struct frame_seen *
frame_place(const struct checker *c, uint64_t hash)
{
	for (uint64_t i = hash;; i++) {
		struct frame_seen *f = &c->frame[i & (c->frame_cap - 1)];
		if (f->hash == hash || !f->hash)
			return f;
	}
}

static void
frames_grow(struct checker *c)
{
	struct frame_seen *was = c->frame;
	unsigned cap = c->frame_cap;

	c->frame_cap = 2 * cap;
	c->frame = calloc(c->frame_cap, sizeof *c->frame);
	for (unsigned i = 0; i < cap; i++)
		if (was[i].hash)
			*frame_place(c, was[i].hash) = was[i];
	free(was);
}

static struct frame_seen *
frame_of(struct world *w, uint64_t hash, bool add)
{
	struct checker *c = &w->check;
	struct frame_seen *f = frame_place(c, hash);

	if (f->hash || !add)
		return f->hash ? f : NULL;
	if (++c->frames > c->frame_cap / 2) {
		frames_grow(c);
		f = frame_place(c, hash);
	}
	f->hash = hash;
	return f;
}

void
check_submitted(struct world *w, struct talk *t, struct span frame, uint64_t *hash)
{
	struct frame_seen *f;

	*hash = hash_of(frame.p, frame.len) | 1;
	f = frame_of(w, *hash, true);
	f->position = 0;
	f->held = 0;
}

void
check_committed(struct world *w, struct node *n, const struct sync_txn *t, bool written)
{
	for (unsigned i = 0; i < t->frames; i++) {
		struct frame_seen *f = frame_of(w, hash_of(t->frame[i].bytes.p, t->frame[i].bytes.len) | 1, true);
		f->position = t->position;
		f->epoch = t->epoch;
		if (written)
			f->held |= (uint8_t)(1 << n->id);
	}
}

/* A snapshot holds what its rows came from. */
void
check_snapshot(struct world *w, struct node *n, uint64_t position)
{
	for (unsigned i = 0; i < w->check.frame_cap; i++) {
		struct frame_seen *f = &w->check.frame[i];
		if (f->hash && f->position && f->position <= position && f->held)
			f->held |= (uint8_t)(1 << n->id);
	}
}

void
check_power_lost(struct world *w, struct node *n)
{
	const struct sync_meta *lost = &n->store.meta, *kept = &w->node[1 - n->id].store.meta;

	if (!kept->complete || kept->lineage != lost->lineage || kept->epoch < lost->epoch || kept->position < lost->position)
		w->check.amnesty = true;
}

void
check_release(struct world *w, struct talk *t, const struct effect *e)
{
	struct node *n = t->p->n;
	struct sync *s = proc_sync(&n->p[P_SYNC]);
	bool mirrored = s && s->role == SYNC_R_ACTIVE && s->mirrored && !s->solo;
	uint64_t number;

	if (e->reveals_nothing || !t->numbers)
		return;
	number = t->number[t->number_first];
	t->number_first = (t->number_first + 1) % t->number_cap;
	t->numbers--;
	while (t->batches && t->done[t->batch_first].outbox <= number) {
		const struct frame_seen *f = frame_of(w, t->done[t->batch_first].hash, false);
		if (f && !(f->held & 1 << n->id))
			violated(w, INV_COMMIT_FIRST, "%s of %s lets out what its own store does not hold", t->name, n->name);
		if (f && mirrored && !(f->held & 1 << (1 - n->id)))
			violated(w, INV_COMMIT_FIRST, "%s of %s, mirrored, lets out what the twin does not hold", t->name, n->name);
		t->batch_first = (t->batch_first + 1) % FLIGHTS;
		t->batches--;
	}
	if (number > t->submitted)
		violated(w, INV_COMMIT_FIRST, "%s of %s lets out what it has not even submitted", t->name, n->name);
}

/* --- what leaves a worker ---------------------------------------------------------------------------------------- */

static void
egress_control(struct world *w, struct lac *l, const struct l2tp_hdr *h)
{
	if (h->tunnel != l->tid || l->state == LAC_DOWN)
		return;
	if (l->nr_seen && (int16_t)(h->nr - l->nr_high) < 0 && !excused(w))
		violated(w, INV_CONTROL_SEQUENCE, "Nr to lac%u goes back from %u to %u", l->id, l->nr_high, h->nr);
	if (!l->nr_seen || (int16_t)(h->nr - l->nr_high) > 0)
		l->nr_high = h->nr;
	l->nr_seen = true;
}

static void
egress_data(struct world *w, struct lac *l, const struct l2tp_hdr *h)
{
	struct line *s = h->tunnel == l->tid ? slac_line(l, h->session) : NULL;

	if (!s || !h->has_seq)
		return;
	if (s->ns_seen && (int16_t)(h->ns - s->ns_last) <= 0 && !excused(w))
		violated(w, INV_DATA_NS, "data Ns of lac%u line %u goes from %u to %u", l->id, s->id, s->ns_last, h->ns);
	s->ns_seen = true;
	s->ns_last = h->ns;
}

void
check_egress(struct world *w, struct node *n, uint64_t epoch, struct endpoint peer, const uint8_t *p, size_t len)
{
	struct checker *c = &w->check;
	struct l2tp_hdr h;
	struct span body;

	c->sent[n->id]++;
	if (epoch < c->epoch_sent && !c->split)
		violated(w, INV_ONE_ACTIVE, "%s sends under epoch %llu, after %s spoke under %llu", n->name,
			 (unsigned long long)epoch, w->node[c->epoch_node].name, (unsigned long long)c->epoch_sent);
	if (epoch == c->epoch_sent && n->id != c->epoch_node)
		violated(w, INV_ONE_ACTIVE, "both nodes send under epoch %llu", (unsigned long long)epoch);
	if (epoch > c->epoch_sent) {
		c->epoch_sent = epoch;
		c->epoch_node = n->id;
	}
	if (l2tp_hdr_read(span_of(p, len), &h, &body) != L2TP_OK) {
		violated(w, INV_NO_MALFORMED, "%s sends what is no L2TP", n->name);
		return;
	}
	for (unsigned i = 0; i < LACS; i++) {
		if (!endpoint_eq(&w->lac[i].ep, &peer))
			continue;
		if (h.control)
			egress_control(w, &w->lac[i], &h);
		else
			egress_data(w, &w->lac[i], &h);
	}
}

void
check_reached(struct world *w, struct node *n, unsigned lac, const uint8_t *p, size_t len)
{
	struct lac *l = &w->lac[lac];
	uint16_t ns;

	if (len < 12 || !(p[0] & 0x80) || !w->check.service_since || w->now - w->check.service_since < 300 * MONO_MS ||
	    sim_active_node(w) != n)
		return;
	ns = get_u16(p + 8);
	for (struct lac_out *o = l->out; o; o = o->next)
		if (o->ns == ns && o->len == len && memcmp(o->b + 2, p + 2, 4) == 0)
			o->seen++;
}

void
check_ran_out(struct lac *l, const struct lac_out *o)
{
	if (o->seen < SEEN_OFTEN || excused(l->w))
		return;
	if (!l->nr_seen || (int16_t)(l->nr_high - o->ns) <= 0)
		violated(l->w, INV_CONTROL_MOVES, "lac%u: message %u reached an able node %u times and was never acknowledged",
			 l->id, o->ns, o->seen);
}

/* --- roles and leases ------------------------------------------------------------------------------------------------- */

/* Nothing has come through to this node for a promotion's time, and all paths are cut both ways, or were until just now. */
static bool
dark(struct world *w, const struct node *n)
{
	mono_t beat = w->plan.heartbeat_ms * MONO_MS;

	return w->check.cut_at && w->now - w->check.cut_at <= 3 * beat && w->now - w->check.beat_heard[n->id] >= 5 * beat;
}

/* Is it running, as opposed to asleep with a lease in its hand? */
static bool
awake(const struct node *n)
{
	return n->on && proc_runs(&n->p[P_ELECT]);
}

/*
 * An active node of before that comes back, or wakes, hears nobody, because its twin is asleep or nothing reaches it.  With
 * prefer-service it serves, and no rule of two nodes can tell it that its epoch is over.
 */
static bool
returns_unaware(struct world *w, const struct node *n, uint64_t epoch)
{
	const struct node *twin = &w->node[1 - n->id];
	mono_t beat = w->plan.heartbeat_ms * MONO_MS;
	bool mute = w->cut[NET_MIRROR][twin->id][n->id] && w->cut[NET_ACCESS][twin->id][n->id];

	return w->plan.policy == POLICY_PREFER_SERVICE && epoch < w->check.epoch_top &&
	       w->now - w->check.beat_heard[n->id] >= 5 * beat && (mute || !awake(twin) || dark(w, n));
}

void
check_lease(struct world *w, struct node *n, uint64_t epoch, bool active, mono_t until)
{
	const struct node *twin = &w->node[1 - n->id];
	bool held = n->lease_until > w->now;

	n->lease_epoch = epoch;
	n->lease_until = active ? until : 0;
	if (!held && n->lease_until > w->now && returns_unaware(w, n, epoch))
		w->check.split = true;
	if (held || n->lease_until <= w->now || !twin->on || twin->lease_until <= w->now || w->check.split)
		return;
	if (w->plan.policy == POLICY_PREFER_SERVICE && (n->unheard || dark(w, n)) && awake(twin)) {
		w->check.split = true;
		tell(w, "split: both nodes are active, as prefer-service accepts");
		return;
	}
	violated(w, INV_ONE_LEASE,
		 "%s begins a lease under epoch %llu while %s has one under %llu for %.1f ms more, %.1f ms after its last beat", n->name,
		 (unsigned long long)epoch, twin->name, (unsigned long long)twin->lease_epoch,
		 (double)(twin->lease_until - w->now) / MONO_MS, (double)(w->now - w->check.beat_heard[n->id]) / MONO_MS);
}

/* All that was acknowledged is here. */
static void
remembers(struct world *w, const struct node *n)
{
	for (unsigned i = 0; i < LACS; i++) {
		const struct lac *l = &w->lac[i];
		struct key k = key_tunnel(l->peer_tid);
		const struct row *r = rows_find(&n->store.now, TABLE_TUNNEL_SEQ, key_span(&k));
		Row__TunnelSeq *seq;
		if (l->state != LAC_UP || !l->nr_seen || !l->peer_tid)
			continue;
		seq = r ? row__tunnel_seq__unpack(NULL, r->len, row_row(r).p) : NULL;
		if (!seq)
			violated(w, INV_ACK_REMEMBERED, "%s is promoted and knows nothing of lac%u's tunnel", n->name, l->id);
		else if ((int16_t)(seq->nr - l->nr_high) < 0)
			violated(w, INV_ACK_REMEMBERED, "%s is promoted at Nr %u, and lac%u was told %u", n->name, seq->nr, l->id, l->nr_high);
		if (seq)
			row__tunnel_seq__free_unpacked(seq, NULL);
	}
}

void
check_promoted(struct world *w, struct node *n, uint64_t epoch)
{
	struct checker *c = &w->check;
	const struct elect *e = proc_elect(&n->p[P_ELECT]);

	c->switchovers++;
	n->unheard = dark(w, n);
	for (unsigned i = 0; i < c->epochs && i < 64; i++)
		if (c->active_epochs[i] == epoch && c->active_epoch_node[i] != n->id)
			violated(w, INV_ONE_ACTIVE, "epoch %llu is taken by both nodes", (unsigned long long)epoch);
	c->active_epochs[c->epochs % 64] = epoch;
	if (epoch > c->epoch_top)
		c->epoch_top = epoch;
	c->active_epoch_node[c->epochs++ % 64] = (uint8_t)n->id;
	if (e && e->alarm[ELECT_ALARM_STALE_PROMOTION] && (dark(w, n) || !awake(&w->node[1 - n->id])))
		c->amnesty = true; /* nobody else was there, and the operator is told so */
	if (w->plan.policy == POLICY_PREFER_SERVICE && n->unheard && awake(&w->node[1 - n->id]) && w->node[1 - n->id].lease_until > w->now)
		return; /* the twin serves on, and nothing of it can reach us: split, as soon as we do */
	if (!c->split && !c->amnesty)
		remembers(w, n);
}

/* --- sessions ------------------------------------------------------------------------------------------------------------ */

static Row__Subscriber *
subscriber(const struct node *n, const struct line *s)
{
	struct key k = key_session(s->lac->peer_tid, s->peer_sid);
	const struct row *r = rows_find(&n->store.now, TABLE_SUBSCRIBER, key_span(&k));

	return r ? row__subscriber__unpack(NULL, r->len, row_row(r).p) : NULL;
}

void
check_line_open(struct line *s)
{
	struct world *w = s->lac->w;

	w->check.sessions_opened++;
	for (unsigned i = 0; i < LACS; i++)
		for (unsigned k = 0; k < LINES; k++) {
			struct line *o = &w->lac[i].line[k];
			if (o != s && o->net_up && o->addr == s->addr && !o->excused && !excused(w))
				violated(w, INV_ADDRESS_ONCE, "lac%u line %u and lac%u line %u both have %08x", s->lac->id, s->id, i, k, s->addr);
		}
}

void
check_line_lost(struct line *s, const char *how)
{
	struct world *w = s->lac->w;
	struct checker *c = &w->check;

	if (!s->believed)
		return;
	s->believed = false;
	if (s->hung_up || s->excused) {
		c->sessions_asked++;
		return;
	}
	c->sessions_lost++;
	if (c->split || c->amnesty || strncmp(how, "retrans", 7) == 0) /* that one is judged by CONTROL_MOVES */
		return;
	violated(w, INV_SESSION_KEPT, "lac%u line %u (%s) was open, and is lost: %s", s->lac->id, s->id, s->user, how);
}

static void
beliefs(struct world *w)
{
	struct node *n = sim_active_node(w);

	for (unsigned i = 0; n && i < LACS; i++)
		for (unsigned k = 0; k < LINES; k++) {
			struct line *s = &w->lac[i].line[k];
			if (s->believed || !s->net_up || s->state != LINE_UP)
				continue;
			Row__Subscriber *r = subscriber(n, s);
			s->believed = r && r->forwarding && !s->hung_up;
			w->check.believed += s->believed;
			if (r)
				row__subscriber__free_unpacked(r, NULL);
		}
}

/* --- accounting ----------------------------------------------------------------------------------------------------------------- */

static struct acct_seen *
acct_of(struct world *w, struct span id)
{
	struct checker *c = &w->check;

	for (unsigned i = 0; i < c->accts; i++)
		if (strlen(c->acct[i].id) == id.len && memcmp(c->acct[i].id, id.p, id.len) == 0)
			return &c->acct[i];
	if (c->accts == 1024 || id.len >= sizeof c->acct[0].id)
		return NULL;
	memcpy(c->acct[c->accts].id, id.p, id.len);
	return &c->acct[c->accts++];
}

/* The key is "ID.a" for a start, "ID.z" for a stop, "ID.i" for an interim. */
void
check_acct(struct world *w, struct span key, struct span attrs)
{
	uint64_t h = hash_of(attrs.p, attrs.len) | 1, *was;
	struct acct_seen *a;
	char kind;

	if (key.len < 3)
		return;
	kind = (char)key.p[key.len - 1];
	a = acct_of(w, span_of(key.p, key.len - 2));
	if (!a || kind == 'i')
		return;
	was = kind == 'a' ? &a->start_hash : &a->stop_hash;
	if (*was && *was != h && !excused(w))
		violated(w, INV_ACCT_ONCE, "accounting %s of %s is said again with other contents", kind == 'a' ? "start" : "stop", a->id);
	*was = h;
	if (kind == 'a')
		a->starts++;
	else
		a->stops++;
}

/* --- bounds ------------------------------------------------------------------------------------------------------------------------ */

static void
bounds(struct world *w)
{
	for (unsigned i = 0; i < NODES; i++) {
		for (unsigned k = 0; k < PROCS; k++) {
			struct proc *p = &w->node[i].p[k];
			struct talk *t = proc_talk(p);
			if (!p->stopped && p->waiting > 20000)
				violated(w, INV_BOUNDED, "%s of %s has %u messages waiting", proc_name[k], w->node[i].name, p->waiting);
			if (t && (outbox_effects(&t->box) > 3000 || t->flights >= FLIGHTS))
				violated(w, INV_BOUNDED, "%s of %s holds %u effects, %u batches", t->name, w->node[i].name,
					 outbox_effects(&t->box), t->flights);
		}
		struct sync *s = proc_sync(&w->node[i].p[P_SYNC]);
		if (s && (s->log_octets > (40u << 20) || s->pending_octets > (8u << 20)))
			violated(w, INV_BOUNDED, "state-sync of %s keeps %zu octets of log, %zu pending", w->node[i].name, s->log_octets, s->pending_octets);
	}
}

void
check_tick(struct world *w)
{
	if (w->cut[NET_MIRROR][0][1] && w->cut[NET_MIRROR][1][0] && w->cut[NET_ACCESS][0][1] && w->cut[NET_ACCESS][1][0])
		w->check.cut_at = w->now;
	service(w);
	if (++w->check.ticks % BELIEF_EVERY)
		return;
	beliefs(w);
	bounds(w);
}

/* --- once quiet: everything against everything ----------------------------------------------------------------------------------------- */

struct why {
	enum invariant which;
	char text[400];
};

static bool no(struct why *y, enum invariant which, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static bool
no(struct why *y, enum invariant which, const char *fmt, ...)
{
	va_list ap;

	y->which = which;
	va_start(ap, fmt);
	vsnprintf(y->text, sizeof y->text, fmt, ap);
	va_end(ap);
	return false;
}

static bool
pair_whole(struct world *w, struct node *n, struct why *y)
{
	struct node *twin = &w->node[1 - n->id];
	struct sync *s = proc_sync(&n->p[P_SYNC]), *t = proc_sync(&twin->p[P_SYNC]);

	if (!s || s->role != SYNC_R_ACTIVE)
		return no(y, INV_PAIR_HEALS, "state-sync of %s does not serve", n->name);
	for (unsigned k = P_TC; k < PROCS; k++)
		if (!proc_talk(&n->p[k]) || !talk_active(proc_talk(&n->p[k])))
			return no(y, INV_PAIR_HEALS, "%s of %s is not active", proc_name[k], n->name);
	if (twin->never)
		return true;
	if (!t || t->role != SYNC_R_STANDBY || !s->mirrored || !t->meta.mirrored)
		return no(y, INV_PAIR_HEALS, "the pair is not mirrored: %s is %s, %s is %s", n->name, sync_mirror_name(sync_mirror_mode(s)),
			  twin->name, t ? sync_mirror_name(sync_mirror_mode(t)) : "down");
	for (unsigned k = P_TC; k < PROCS; k++)
		if (!proc_talk(&twin->p[k]) || proc_talk(&twin->p[k])->state != TALK_READY || talk_active(proc_talk(&twin->p[k])))
			return no(y, INV_PAIR_HEALS, "%s of %s is no shadow: %s, epoch %llu", proc_name[k], twin->name,
				  !proc_talk(&twin->p[k]) ? "down" : proc_talk(&twin->p[k])->state != TALK_READY ? "not welcome" : "active",
				  proc_talk(&twin->p[k]) ? (unsigned long long)proc_talk(&twin->p[k])->epoch : 0);
	if (s->meta.position != t->meta.position || s->pending)
		return no(y, INV_PAIR_HEALS, "the twin is behind: %llu of %llu", (unsigned long long)t->meta.position, (unsigned long long)s->meta.position);
	return true;
}

static bool
same_row(const struct row *x, const struct row *z)
{
	return x->table == z->table && span_eq(row_key(x), row_key(z)) && span_eq(row_row(x), row_row(z));
}

static bool
same_rows(const struct rows *x, const char *xn, const struct rows *z, const char *zn, struct why *y)
{
	for (unsigned i = 0; i < x->n && i < z->n; i++)
		if (!same_row(x->v[i], z->v[i]))
			return no(y, INV_SAME_STATE, "%s and %s differ in table %s", xn, zn, table_info(x->v[i]->table)->name);
	if (x->n != z->n)
		return no(y, INV_SAME_STATE, "%s has %u rows, %s has %u", xn, x->n, zn, z->n);
	return true;
}

static void
take_row(void *arg, enum table table, struct span key, struct span row)
{
	rows_put(arg, table, key, row);
}

/* tunnel-ctl's own rows, and its core's. */
static bool
same_tc(const struct node *n, struct tc *tc, struct why *y)
{
	struct rows core = { 0 }, store = { 0 };
	char name[40];
	bool ok;

	tc_each_row(tc, take_row, &core);
	for (unsigned i = 0; i < n->store.now.n; i++) {
		const struct row *r = n->store.now.v[i];
		if (table_info(r->table)->owner == OWNER_TUNNEL_CTL)
			rows_put(&store, r->table, row_key(r), row_row(r));
	}
	snprintf(name, sizeof name, "tunnel-ctl of %s", n->name);
	ok = same_rows(&core, name, &store, "its store", y);
	rows_free(&core);
	rows_free(&store);
	return ok;
}

static void
no_random(void *arg, uint8_t *out, size_t n)
{
	memset(out, 7, n);
}

static char *
sm_from_store(const struct node *n)
{
	struct sm *sm = sm_new(&(struct sm_env){ no_random, NULL });
	char *text;

	sm_configure(sm, &n->conf);
	for (unsigned i = 0; i < n->store.now.n; i++) {
		const struct row *r = n->store.now.v[i];
		if (r->table == TABLE_TUNNEL || r->table == TABLE_CALL || r->table == TABLE_CALL_INFO ||
		    table_info(r->table)->owner == OWNER_SESSION_MGR)
			sm_apply(sm, r->table, row_key(r), row_row(r), false);
	}
	text = sm_dump(sm);
	sm_free(sm);
	return text;
}

/* Echoes are answered and counted without a record: of a link's snapshot everything else is compared. */
static size_t
without_echo(const uint8_t *saved, size_t len, uint8_t out[PPP_SAVE_MAX])
{
	static const uint8_t random[PPP_RANDOM];
	struct ppp_conf conf;
	struct ppp_ctx c = { .conf = &conf, .now = MONO_S, .random = random };
	struct ppp_link link;

	ppp_conf_defaults(&conf);
	ppp_link_init(&link);
	if (!ppp_link_load(&link, &c, span_of(saved, len)))
		return 0;
	memset(&link.echo, 0, sizeof link.echo);
	return ppp_link_save(&link, out, PPP_SAVE_MAX);
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t
hex_read(const char **from, uint8_t *out, size_t room)
{
	size_t n = 0;

	for (; n < room && hex_digit((*from)[0]) >= 0 && hex_digit((*from)[1]) >= 0; *from += 2)
		out[n++] = (uint8_t)(hex_digit((*from)[0]) << 4 | hex_digit((*from)[1]));
	return n;
}

static char *
normal(char *text)
{
	uint8_t saved[PPP_SAVE_MAX], out[PPP_SAVE_MAX];
	size_t len = 0;
	const char *at_hex, *from = text;
	char *to = NULL;
	FILE *f = open_memstream(&to, &len);

	while ((at_hex = strstr(from, "automata="))) {
		size_t n;
		at_hex += strlen("automata=");
		fwrite(from, 1, (size_t)(at_hex - from), f);
		n = hex_read(&at_hex, saved, sizeof saved);
		n = without_echo(saved, n, out);
		for (size_t i = 0; i < n; i++) {
			putc_unlocked("0123456789abcdef"[out[i] >> 4], f);
			putc_unlocked("0123456789abcdef"[out[i] & 15], f);
		}
		from = at_hex;
	}
	fputs(from, f);
	fclose(f);
	free(text);
	return to;
}

static bool
same_sm(const struct node *n, struct sm *sm, struct why *y)
{
	char *core = normal(sm_dump(sm)), *store = normal(sm_from_store(n));
	bool ok = strcmp(core, store) == 0;
	size_t i = 0;

	while (!ok && core[i] == store[i])
		i++;
	if (!ok) {
		size_t line = i;
		while (line && core[line - 1] != '\n')
			line--;
		no(y, INV_SAME_STATE, "session-mgr of %s: \"%.40s\" at %zu is \"%.40s\", in its store \"%.40s\"", n->name,
		   core + line, i - line, core + i, store + i);
	}
	free(core);
	free(store);
	return ok;
}

static bool
same_dp(struct world *w, struct node *n, struct dp *dp, struct why *y)
{
	unsigned tunnels = 0, calls = 0;

	for (unsigned i = 0; i < n->store.now.n; i++) {
		tunnels += n->store.now.v[i]->table == TABLE_TUNNEL;
		calls += n->store.now.v[i]->table == TABLE_CALL;
	}
	if (dp_tunnels(dp) != tunnels)
		return no(y, INV_SAME_STATE, "a worker of %s knows %u tunnels, its store %u", n->name, dp_tunnels(dp), tunnels);
	if (dp_sessions(dp) > calls)
		return no(y, INV_SAME_STATE, "a worker of %s knows %u sessions, its store %u calls", n->name, dp_sessions(dp), calls);
	return true;
}

static bool
cores_agree(struct world *w, struct why *y)
{
	for (unsigned i = 0; i < NODES; i++) {
		struct node *n = &w->node[i];
		if (!n->on)
			continue;
		if (!same_tc(n, proc_tc(&n->p[P_TC]), y) || !same_sm(n, proc_sm(&n->p[P_SM]), y) ||
		    !same_dp(w, n, proc_dp(&n->p[P_W0]), y) || !same_dp(w, n, proc_dp(&n->p[P_W1]), y))
			return false;
	}
	return true;
}

static bool
line_agrees(struct node *n, struct line *s, struct why *y)
{
	struct lac *l = s->lac;
	struct key k = key_session(l->peer_tid, s->peer_sid);
	Row__Subscriber *r;
	bool ok = true;

	if (s->state == LINE_WAIT_REPLY)
		return no(y, INV_PAIR_HEALS, "lac%u line %u waits for an answer to its ICRQ", l->id, s->id);
	if (s->state == LINE_IDLE)
		return !s->wanted || s->bad_password || no(y, INV_PAIR_HEALS, "lac%u line %u is not connected", l->id, s->id);
	if (!rows_find(&n->store.now, TABLE_CALL, key_span(&k)))
		return no(y, INV_PAIR_HEALS, "lac%u line %u is up, and %s knows no call %u/%u", l->id, s->id, n->name, l->peer_tid, s->peer_sid);
	if (!s->net_up)
		return s->bad_password || no(y, INV_PAIR_HEALS, "lac%u line %u: PPP is not open (phase %d, LCP %u, IPCP %u)", l->id, s->id,
					     ppp_link_phase(&s->link), s->link.cp[PPP_CP_LCP].state, s->link.cp[PPP_CP_IPCP].state);
	r = subscriber(n, s);
	if (!r || !r->forwarding || r->ipv4.len != 4 || get_u32(r->ipv4.data) != s->addr)
		ok = no(y, INV_PAIR_HEALS, "lac%u line %u is open with %08x, %s thinks otherwise", l->id, s->id, s->addr, n->name);
	if (r)
		row__subscriber__free_unpacked(r, NULL);
	return ok;
}

static bool
sessions_agree(struct world *w, struct node *n, struct why *y)
{
	unsigned up = 0, calls = 0, subs = 0, net = 0, tunnels = 0, lacs = 0;

	for (unsigned i = 0; i < w->plan.lacs; i++) {
		struct lac *l = &w->lac[i];
		if (l->state != LAC_UP || l->out)
			return no(y, INV_PAIR_HEALS, "lac%u's tunnel is not at rest", i);
		lacs++;
		for (unsigned k = 0; k < LINES; k++) {
			if (!line_agrees(n, &l->line[k], y))
				return false;
			up += l->line[k].state == LINE_UP;
			net += l->line[k].net_up;
		}
	}
	for (unsigned i = 0; i < n->store.now.n; i++) {
		unsigned t = n->store.now.v[i]->table;
		calls += t == TABLE_CALL;
		subs += t == TABLE_SUBSCRIBER;
		tunnels += t == TABLE_TUNNEL;
		if (t == TABLE_TUNNEL_OUT)
			return no(y, INV_PAIR_HEALS, "%s has messages nobody acknowledged", n->name);
		if (t == TABLE_ACCT)
			return no(y, INV_PAIR_HEALS, "%s has accounting nobody answered", n->name);
	}
	if (tunnels != lacs)
		return no(y, INV_PAIR_HEALS, "%s has %u tunnels, the LACs %u", n->name, tunnels, lacs);
	if (calls != up)
		return no(y, INV_PAIR_HEALS, "%s has %u calls, the LACs %u", n->name, calls, up);
	if (subs != net)
		return no(y, INV_PAIR_HEALS, "%s has %u subscribers, the LACs %u", n->name, subs, net);
	return true;
}

static bool
leases_agree(struct world *w, struct node *n, struct why *y)
{
	for (unsigned i = 0; i < n->store.now.n; i++) {
		const struct row *r = n->store.now.v[i];
		struct key k;
		Row__Lease *m;
		bool orphan;
		if (r->table != TABLE_LEASE || !(m = row__lease__unpack(NULL, r->len, row_row(r).p)))
			continue;
		k = key_session((uint16_t)m->tunnel, (uint16_t)m->session);
		orphan = (m->tunnel || m->session) && !rows_find(&n->store.now, TABLE_SUBSCRIBER, key_span(&k));
		row__lease__free_unpacked(m, NULL);
		if (orphan)
			return no(y, INV_PAIR_HEALS, "%s holds an address for a session that is gone", n->name);
	}
	for (unsigned i = 0; i < LACS * LINES; i++)
		for (unsigned k = 0; k < i; k++) {
			struct line *x = &w->lac[i / LINES].line[i % LINES], *z = &w->lac[k / LINES].line[k % LINES];
			if (x->net_up && z->net_up && x->addr == z->addr)
				return no(y, INV_ADDRESS_ONCE, "two lines have %08x", x->addr);
		}
	return true;
}

/* Packets go both ways through every open line. */
static bool
pings(struct world *w, struct why *y)
{
	bool ok = true;

	for (unsigned i = 0; i < LACS * LINES; i++) {
		struct line *s = &w->lac[i / LINES].line[i % LINES];
		if (!s->net_up || (s->ping && s->pong_up && s->pong_down && w->check.pinged))
			continue;
		ok = no(y, INV_PAIR_HEALS, "no packet comes through lac%u line %u (%s)", s->lac->id, s->id, s->pong_up ? "down" : "up");
	}
	if (ok)
		return true;
	if (!w->check.pinged)
		for (unsigned i = 0; i < LACS * LINES; i++) {
			struct line *s = &w->lac[i / LINES].line[i % LINES];
			s->ping = s->pong_up = s->pong_down = 0;
		}
	w->check.pinged = true;
	for (unsigned i = 0; i < LACS * LINES; i++) {
		struct line *s = &w->lac[i / LINES].line[i % LINES];
		if (s->net_up && !(s->pong_up && s->pong_down))
			peer_data(s, true);
	}
	return false;
}

static bool
acct_agrees(struct world *w, struct why *y)
{
	unsigned running = 0, open = 0;

	if (w->check.split || w->check.amnesty)
		return true;
	for (unsigned i = 0; i < w->check.accts; i++) {
		const struct acct_seen *a = &w->check.acct[i];
		if (a->stops && !a->starts)
			return no(y, INV_ACCT_ONCE, "%s is stopped and was never started", a->id);
		running += a->starts && !a->stops;
	}
	for (unsigned i = 0; i < LACS * LINES; i++)
		open += w->lac[i / LINES].line[i % LINES].net_up;
	return running == open || no(y, INV_ACCT_ONCE, "accounting knows %u sessions, the LACs %u", running, open);
}

static bool
quiet(struct world *w, struct why *y)
{
	struct node *n = sim_active_node(w);

	if (!n)
		return no(y, INV_PAIR_HEALS, "no node is active");
	if (!pair_whole(w, n, y))
		return false;
	struct node *twin = &w->node[1 - n->id];
	if (!twin->never && !same_rows(&n->store.now, n->name, &twin->store.now, twin->name, y))
		return false;
	/* what costs most comes last */
	return sessions_agree(w, n, y) && leases_agree(w, n, y) && acct_agrees(w, y) && pings(w, y) && cores_agree(w, y);
}

/* Called again and again after the last fault: true once all is well; at the deadline, a violation. */
bool
check_end(struct world *w, bool last)
{
	struct why y = { INV_PAIR_HEALS, "" };

	if (w->check.failed)
		return true;
	if (quiet(w, &y))
		return true;
	if (last)
		violated(w, y.which, "%s", y.text);
	return last;
}
