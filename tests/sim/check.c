// SPDX-License-Identifier: Apache-2.0
/*
 * The invariants (invariants.def), watched where the world touches the product: what leaves a worker, what a
 * store commits, what a LAC and a client live through.  Roles, leases and what excuses a loss are in check_role.c,
 * the comparison at the end in check_end.c.
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
#define CALL_IS_UP 10 /* Row.Call.state, established */

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
		if (f)
			check_revealed(w, f->epoch, f->position);
		if (f && !(f->held & 1 << n->id))
			violated(w, INV_COMMIT_FIRST, "%s of %s lets out what its own store does not hold", t->name, n->name);
		if (f && s && s->solo && w->plan.waits_disk && f->held == 1 << n->id && f->position > n->store.disk_meta.position)
			violated(w, INV_DISK_FIRST, "%s of %s, alone, lets out what its disk does not hold", t->name, n->name);
		if (f && mirrored && !(f->held & 1 << (1 - n->id)))
			violated(w, INV_COMMIT_FIRST, "%s of %s, mirrored, lets out what the twin does not hold", t->name, n->name);
		t->batch_first = (t->batch_first + 1) % FLIGHTS;
		t->batches--;
	}
	if (number > t->submitted)
		violated(w, INV_COMMIT_FIRST, "%s of %s lets out what it has not even submitted", t->name, n->name);
}

/* --- what leaves a worker ---------------------------------------------------------------------------------------- */

#define MESSAGE_TYPE 18 /* where its value is, in a datagram: RFC 2661, 4.4.1 */

/* An SCCRQ that was under way for seconds opens a second tunnel to the same id of ours; it has numbers of its own. */
static bool
of_another(const struct lac *l, struct span datagram)
{
	static struct l2tp_msg m;
	uint16_t type = datagram.len > MESSAGE_TYPE + 1 ? get_u16(datagram.p + MESSAGE_TYPE) : 0, theirs;

	return (type == L2TP_SCCRP || type == L2TP_STOPCCN) && l->peer_tid &&
	       l2tp_msg_read(datagram, span_of(SECRET, strlen(SECRET)), &m) == L2TP_OK &&
	       l2tp_msg_u16(&m, AVP_ASSIGNED_TUNNEL, &theirs) && theirs != l->peer_tid;
}

/* Given to a worker that was stopped, before a recovery whose numbers the LAC has since: it acknowledges nothing (seed 21264). */
static bool
of_old_numbers(const struct lac *l, uint16_t nr)
{
	return l->renumbered_at && (uint16_t)(nr - l->ns_begun) > (uint16_t)(l->ns - l->ns_begun) && (int16_t)(nr - l->ns_before) <= 0;
}

static void
egress_control(struct world *w, struct lac *l, const struct l2tp_hdr *h, struct span datagram)
{
	if (h->tunnel != l->tid || l->state == LAC_DOWN || of_another(l, datagram) || of_old_numbers(l, h->nr))
		return;
	if (l->nr_anew && l->nr_seen && (int16_t)(h->nr - l->nr_high) < 0)
		l->nr_anew = l->nr_seen = false; /* reset by a recovery of RFC 4951 that the LAC is about to hear of */
	if (l->nr_seen && (int16_t)(h->nr - l->nr_high) < 0 && !excused_lac(l))
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
	if (s->ns_anew && s->ns_seen && (int16_t)(h->ns - s->ns_last) <= 0) {
		s->ns_anew--; /* after a recovery of RFC 4951, once */
		s->ns_seen = false;
	}
	if (s->ns_seen && (int16_t)(h->ns - s->ns_last) <= 0 && !excused_line(s))
		violated(w, INV_DATA_NS, "data Ns of lac%u line %u goes from %u to %u", l->id, s->id, s->ns_last, h->ns);
	s->ns_seen = true;
	s->ns_last = h->ns;
}

void
check_egress(struct world *w, struct node *n, uint64_t epoch, struct endpoint peer, const uint8_t *p, size_t len)
{
	struct l2tp_hdr h;
	struct span body;

	check_epoch(w, n, epoch);
	if (l2tp_hdr_read(span_of(p, len), &h, &body) != L2TP_OK) {
		violated(w, INV_NO_MALFORMED, "%s sends what is no L2TP", n->name);
		return;
	}
	for (unsigned i = 0; i < LACS; i++) {
		if (!endpoint_eq(&w->lac[i].ep, &peer))
			continue;
		if (h.control)
			egress_control(w, &w->lac[i], &h, span_of(p, len));
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
	if (o->seen < SEEN_OFTEN || excused_lac(l) || l->rec.state != REC_NONE)
		return;
	if (!l->nr_seen || (int16_t)(l->nr_high - o->ns) <= 0)
		violated(l->w, INV_CONTROL_MOVES, "lac%u: message %u reached an able node %u times and was never acknowledged",
			 l->id, o->ns, o->seen);
}

/* --- sessions ------------------------------------------------------------------------------------------------------------ */

Row__Subscriber *
check_subscriber(const struct node *n, const struct line *s)
{
	struct key k = key_session(s->lac->peer_tid, s->peer_sid);
	const struct row *r = rows_find(&n->store.now, TABLE_SUBSCRIBER, key_span(&k));

	return r ? row__subscriber__unpack(NULL, r->len, row_row(r).p) : NULL;
}

static bool
call_is_up(const struct node *n, const struct line *s)
{
	struct key k = key_session(s->lac->peer_tid, s->peer_sid);
	const struct row *r = rows_find(&n->store.now, TABLE_CALL, key_span(&k));
	Row__Call *c = r ? row__call__unpack(NULL, r->len, row_row(r).p) : NULL;
	bool up = c && c->state == CALL_IS_UP;

	if (c)
		row__call__free_unpacked(c, NULL);
	return up;
}

bool
check_known(const struct node *n, const struct line *s)
{
	Row__Subscriber *r = s->bare ? NULL : check_subscriber(n, s);
	bool known = s->bare ? call_is_up(n, s) : r && r->forwarding && r->ipv4.len == 4 && get_u32(r->ipv4.data) == s->row_addr;

	if (r)
		row__subscriber__free_unpacked(r, NULL);
	return known;
}

void
check_line_open(struct line *s)
{
	struct world *w = s->lac->w;

	w->check.sessions_opened++;
	for (unsigned i = 0; i < LACS; i++)
		for (unsigned k = 0; k < LINES; k++) {
			struct line *o = &w->lac[i].line[k];
			/* A CDN may be lost on its way, and with both nodes (seed 56888): whose line was cleared has no address. */
			if (o != s && o->net_up && o->row_addr == s->row_addr && !o->cleared && !excused_line(o) && !excused_line(s))
				violated(w, INV_ADDRESS_ONCE, "lac%u line %u and lac%u line %u both have %08x", s->lac->id, s->id, i, k, s->row_addr);
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
	if (s->hung_up) {
		c->sessions_asked++;
		return;
	}
	c->sessions_lost++;
	if (excused_line(s) || strncmp(how, "retrans", 7) == 0) /* that one is judged by CONTROL_MOVES */
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
			if (s->believed || !(s->net_up || s->bare) || s->state != LINE_UP || s->hung_up)
				continue;
			s->believed = check_known(n, s);
			w->check.believed += s->believed;
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

#define CALLING_STATION_ID 31 /* RFC 2865, 5.31: what the LAC said in its ICRQ; */
#define CALLED_STATION_ID 30  /* 5.30: what we asked for in our OCRQ */

static struct line *
acct_line(struct world *w, struct span attrs)
{
	struct rd in = rd_of(attrs.p, attrs.len);

	while (rd_left(&in)) {
		uint8_t type = rd_u8(&in), len = rd_u8(&in);
		struct span value = rd_span(&in, len < 2 ? 0 : len - 2u);
		for (unsigned i = 0; in.ok && (type == CALLING_STATION_ID || type == CALLED_STATION_ID) && i < LACS * LINES; i++) {
			struct line *s = &w->lac[i / LINES].line[i % LINES];
			const char *name = type == CALLING_STATION_ID ? s->user : s->number;
			if (!s->lac->lns && strlen(name) == value.len && memcmp(name, value.p, value.len) == 0)
				return s;
		}
		if (!in.ok || len < 2)
			break;
	}
	return NULL;
}

enum { INPUT_OCTETS = 42, OUTPUT_OCTETS = 43, INPUT_GIGAWORDS = 52, OUTPUT_GIGAWORDS = 53 }; /* RFC 2866, 5.3; RFC 2869, 5.1 */

static void
acct_forward(struct world *w, struct acct_seen *a, struct span attrs)
{
	struct rd in = rd_of(attrs.p, attrs.len);
	uint64_t v[256] = { 0 }, up, down;

	while (rd_left(&in) && in.ok) {
		uint8_t type = rd_u8(&in), len = rd_u8(&in);
		struct span value = rd_span(&in, len < 2 ? 0 : len - 2u);
		if (len < 2 || !in.ok)
			break;
		if (value.len == 4)
			v[type] = get_u32(value.p);
	}
	up = v[INPUT_GIGAWORDS] << 32 | v[INPUT_OCTETS];
	down = v[OUTPUT_GIGAWORDS] << 32 | v[OUTPUT_OCTETS];
	tell(w, "accounting of %s: %llu octets up, %llu down", a->id, (unsigned long long)up, (unsigned long long)down);
	if ((up < a->up || down < a->down) && !w->check.split && !a->excused)
		violated(w, INV_ACCT_FORWARD, "%s had %llu octets up and %llu down, and now has %llu and %llu", a->id, (unsigned long long)a->up,
			 (unsigned long long)a->down, (unsigned long long)up, (unsigned long long)down);
	a->up = up;
	a->down = down;
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
	if (a && kind != 'a')
		acct_forward(w, a, attrs);
	if (!a || kind == 'i')
		return;
	if (kind == 'a' && !a->line) /* only counted until now, so nobody could tell whose it was (seed 59197) */
		a->excused = false;
	a->line = acct_line(w, attrs);
	was = kind == 'a' ? &a->start_hash : &a->stop_hash;
	if (*was && *was != h && !w->check.split && !a->excused)
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
	check_roles_tick(w);
	service(w);
	if (++w->check.ticks % BELIEF_EVERY)
		return;
	beliefs(w);
	bounds(w);
}

