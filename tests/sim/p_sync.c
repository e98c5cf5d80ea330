// SPDX-License-Identifier: Apache-2.0
/* state-sync's shell: clients, the mirror's messages, the store and its disk. */
#include "sim.h"

#include "pair.h"

#include <errno.h>

#define PAGE_ROWS 16

struct shell {
	struct sync_out out; /* first */
	struct proc *p;
	struct sync s;
	mono_t tick_at;
	struct { uint32_t conn, life; bool up; } client[PROCS];
	struct rows view; /* of a snapshot */
	unsigned view_at;
	bool viewing;
	struct batch *batch;
};

struct sync *
proc_sync(struct proc *p)
{
	return p->up && p->kind == P_SYNC ? &((struct shell *)p->impl)->s : NULL;
}

/* --- store --------------------------------------------------------------------------------------------------- */

static void
put(struct shell *s, const struct record *r, bool shadow)
{
	struct rows *to = &s->p->n->store.now;

	if (shadow && (s->p->w->broken == BREAK_SEQ_FORGOTTEN || s->p->w->broken == BREAK_SEQ_UNTOLD) && r->table == TABLE_TUNNEL_SEQ && rows_find(to, r->table, r->key))
		return;
	if (r->removed)
		rows_del(to, r->table, r->key);
	else
		rows_put(to, r->table, r->key, r->row);
}

static void
put_frame(struct shell *s, struct span frame, bool shadow)
{
	struct records in;
	struct record r;

	if (!records_open(frame, &in))
		return;
	while (records_next(&in, &r))
		if (table_info(r.table))
			put(s, &r, shadow);
}

static int
refuses(struct shell *s)
{
	return s->p->dying ? -EIO : s->p->w->plan.store_refuses && chance(s->p->w, 5) ? -ENOSPC : 0;
}

static int
out_commit(struct sync_out *o, const struct sync_txn *t, const struct sync_meta *meta)
{
	struct shell *s = (struct shell *)o;
	struct node *n = s->p->n;
	bool shadow = s->s.role != SYNC_R_ACTIVE;
	bool written = !(shadow && s->p->w->broken == BREAK_ACK_EARLY && t->position % 4 == 0);
	int err = refuses(s);

	if (err || !point(s->p, shadow ? AT_SHADOW_COMMIT : AT_COMMIT))
		return err ? err : -EIO;
	for (unsigned i = 0; written && i < t->frames; i++)
		put_frame(s, t->frame[i].bytes, shadow);
	n->store.meta = *meta;
	check_committed(s->p->w, n, t, written);
	mark(s->p->w, t->position);
	tell(s->p->w, "%s  commits %llu (%u batches)", n->name, (unsigned long long)t->position, t->frames);
	point(s->p, shadow ? AT_SHADOW_COMMITTED : AT_COMMITTED);
	return 0;
}

static int
out_page(struct sync_out *o, struct span frame)
{
	struct shell *s = (struct shell *)o;
	int err = refuses(s);

	if (!err)
		put_frame(s, frame, false);
	return err;
}

static int
out_wipe(struct sync_out *o, const struct sync_meta *meta)
{
	struct shell *s = (struct shell *)o;

	if (s->p->dying)
		return -EIO;
	tell(s->p->w, "%s  store wiped for a snapshot", s->p->n->name);
	rows_wipe(&s->p->n->store.now);
	s->p->n->store.meta = *meta;
	return 0;
}

static int
out_meta(struct sync_out *o, const struct sync_meta *meta, bool terms)
{
	struct shell *s = (struct shell *)o;
	struct sync_meta *now = &s->p->n->store.meta;
	struct sync_meta was = *now;

	if (s->p->dying)
		return -EIO;
	*now = *meta;
	if (!terms) {
		memcpy(now->term, was.term, sizeof was.term);
		now->terms = was.terms;
	}
	if (meta->complete && !was.complete)
		check_snapshot(s->p->w, s->p->n, meta->position);
	return 0;
}

static int
out_local(struct sync_out *o, struct span frame)
{
	return 0;
}

static int
out_snap_begin(struct sync_out *o)
{
	struct shell *s = (struct shell *)o;

	rows_copy(&s->view, &s->p->n->store.now);
	s->view_at = 0;
	s->viewing = true;
	return 0;
}

static int
out_snap_next(struct sync_out *o, struct span *frame)
{
	struct shell *s = (struct shell *)o;
	unsigned n = 0;

	batch_reset(s->batch);
	for (; s->view_at < s->view.n && n < PAGE_ROWS; s->view_at++) {
		const struct row *r = s->view.v[s->view_at];
		if (table_info(r->table)->owner == OWNER_STATE_SYNC)
			continue;
		batch_put_packed(s->batch, r->table, row_key(r), row_row(r), false);
		n++;
	}
	if (!n)
		return 0;
	*frame = batch_seal(s->batch, "", 1, s->s.meta.epoch);
	return 1;
}

static void
out_snap_end(struct sync_out *o)
{
	struct shell *s = (struct shell *)o;

	rows_free(&s->view);
	s->viewing = false;
}

/* What the sync began with is what it leaves at least. */
static void
disk_done(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct node *n = &w->node[b];
	struct proc *p = &n->p[P_SYNC];
	struct msg *m;

	if (!p->up || p->life != (uint32_t)(c >> 40))
		return;
	rows_copy(&n->store.disk, &n->store.syncing);
	n->store.disk_meta = n->store.syncing_meta;
	m = msg_new(M_DISK, NULL, 0);
	m->n[0] = c & 0xffffffffff;
	proc_post(p, m, 0, true);
}

static void
out_disk(struct sync_out *o, uint64_t position)
{
	struct shell *s = (struct shell *)o;
	struct world *w = s->p->w;

	if (s->p->dying)
		return;
	if (w->broken == BREAK_DISK_UNWAITED) {
		struct msg *m = msg_new(M_DISK, NULL, 0);
		m->n[0] = position;
		proc_post(s->p, m, MONO_US, true);
		return;
	}
	rows_copy(&s->p->n->store.syncing, &s->p->n->store.now);
	s->p->n->store.syncing_meta = s->p->n->store.meta;
	at(w, w->now + w->plan.disk_delay / 2 + rnd_time(w, 0, w->plan.disk_delay), disk_done, NULL, s->p->n->id,
		   position | (uint64_t)s->p->life << 40);
}

/* --- messages --------------------------------------------------------------------------------------------------- */

static enum proc_kind
who(struct span identity)
{
	for (enum proc_kind k = P_TC; k < PROCS; k++)
		if (identity.len == strlen(proc_name[k]) && memcmp(identity.p, proc_name[k], identity.len) == 0)
			return k;
	return PROCS;
}

static enum sync_sent
out_client(struct sync_out *o, struct span identity, const struct sync_head *h, const struct sync_txn *t)
{
	struct shell *s = (struct shell *)o;
	enum proc_kind k = who(identity);
	struct span f[SYNC_TXN_FRAMES];
	struct msg *m;

	if (s->p->dying || k == PROCS || !s->client[k].up)
		return SYNC_GONE;
	for (unsigned i = 0; t && i < t->frames; i++)
		f[i] = t->frame[i].bytes;
	m = msg_parts(M_TALK, f, t ? t->frames : 0);
	m->u.head = *h;
	m->u.head.reason = NULL;
	m->conn = s->client[k].conn;
	proc_post(&s->p->n->p[k], m, 20 * MONO_US + rnd_time(s->p->w, 0, 30 * MONO_US), true);
	return SYNC_SENT;
}

static bool
out_twin(struct sync_out *o, const struct mirror_head *h, const struct span *frame, unsigned frames)
{
	struct shell *s = (struct shell *)o;
	struct span f[64];
	uint8_t head[MIRROR_HEAD_MAX];
	bool ok;

	if (s->p->dying || !point(s->p, h->kind == MIRROR_TXN ? AT_SHIP : POINTS))
		return false;
	f[0] = span_of(head, mirror_head_write(h, head));
	for (unsigned i = 0; i < frames; i++)
		f[i + 1] = frame[i];
	if (h->kind != MIRROR_PING && h->kind != MIRROR_TXN && h->kind != MIRROR_ACK)
		tell(s->p->w, "%s  mirror says %s position=%llu epoch=%llu%s", s->p->n->name, mirror_kind_name(h->kind),
		     (unsigned long long)h->position, (unsigned long long)h->epoch, h->snapshot ? " snapshot" : "");
	ok = mirror_send(s->p->w, s->p->n->id, msg_parts(M_TWIN, f, frames + 1));
	return point(s->p, h->kind == MIRROR_TXN ? AT_SHIPPED : POINTS) && ok;
}

static void
out_status(struct sync_out *o, const struct sync_status *st)
{
	struct shell *s = (struct shell *)o;
	struct msg *m;

	if (s->p->dying || !s->p->n->p[P_ELECT].up)
		return;
	m = msg_new(M_STATUS, NULL, 0);
	m->u.status = *st;
	proc_post(&s->p->n->p[P_ELECT], m, 30 * MONO_US, true);
}

static void
out_alarm(struct sync_out *o, enum sync_alarm a, bool stands, const char *detail)
{
	struct shell *s = (struct shell *)o;

	tell(s->p->w, "%s  state-sync: alarm %s %s %s", s->p->n->name, sync_alarm_info[a].name, stands ? "stands" : "cleared", detail);
}

static void
out_note(struct sync_out *o, enum note_level level, const char *line)
{
	struct shell *s = (struct shell *)o;

	tell(s->p->w, "%s  state-sync: %s", s->p->n->name, line);
}

static void
step(struct shell *s, const struct sync_event *ev)
{
	if (!s->p->dying)
		sync_step(&s->s, node_now(s->p->n), ev, &s->out);
}

static void
from_client(struct shell *s, const struct msg *m)
{
	struct span identity = span_of(proc_name[m->from], strlen(proc_name[m->from]));
	struct span f[64];

	switch (m->kind) {
	case M_SYNC_HELLO:
		if (s->client[m->from].up && s->client[m->from].life == m->life && s->client[m->from].conn > m->conn)
			return; /* of a connection closed since */
		s->client[m->from].conn = m->conn;
		s->client[m->from].life = m->life;
		s->client[m->from].up = true;
		step(s, &(struct sync_event){ .kind = SYNC_HELLO, .identity = identity, .who = identity });
		break;
	case M_SYNC_SUBMIT:
		if (s->client[m->from].up && s->client[m->from].conn == m->conn)
			step(s, &(struct sync_event){ .kind = SYNC_SUBMIT, .identity = identity, .frame = f, .frames = msg_spans(m, f) });
		break;
	default:
		if (!s->client[m->from].up || s->client[m->from].life != m->life)
			break;
		s->client[m->from].up = false;
		step(s, &(struct sync_event){ .kind = SYNC_CLIENT_GONE, .identity = identity });
		break;
	}
}

static void
from_twin(struct shell *s, const struct msg *m)
{
	struct span f[64];
	struct mirror_head h;
	unsigned n = msg_spans(m, f);

	if (!mirror_head_read(f[0], &h)) {
		violated(s->p->w, INV_NO_MALFORMED, "the mirror of %s was told what it cannot read", s->p->n->name);
		return;
	}
	if (h.kind == MIRROR_ACK)
		point(s->p, AT_ACKED);
	step(s, &(struct sync_event){ .kind = SYNC_TWIN, .head = &h, .frame = f + 1, .frames = n - 1 });
}

static void
hear(struct proc *p, struct msg *m)
{
	struct shell *s = p->impl;

	switch (m->kind) {
	case M_SYNC_HELLO:
	case M_SYNC_SUBMIT:
	case M_SYNC_GONE:
		from_client(s, m);
		break;
	case M_ORDER:
		step(s, &(struct sync_event){ .kind = SYNC_ORDER, .order = &m->u.order, .random = rnd(p->w) | 1 });
		break;
	case M_TWIN_UP:
	case M_TWIN_DOWN:
		step(s, &(struct sync_event){ .kind = m->kind == M_TWIN_UP ? SYNC_TWIN_UP : SYNC_TWIN_DOWN });
		break;
	case M_TWIN:
		from_twin(s, m);
		break;
	case M_DISK:
		step(s, &(struct sync_event){ .kind = SYNC_DISK, .position = m->n[0] });
		break;
	default:
		break;
	}
}

void
sync_resync_sim(struct world *w, unsigned node, bool snapshot)
{
	struct proc *p = &w->node[node].p[P_SYNC];

	if (!proc_runs(p))
		return;
	tell(w, "%s  operator: mirror anew%s", p->n->name, snapshot ? ", with a snapshot" : "");
	step(p->impl, &(struct sync_event){ .kind = SYNC_RESYNC, .snapshot = snapshot });
}

static void
flush(struct proc *p)
{
	struct shell *s = p->impl;
	mono_t now = node_now(p->n);

	if (now >= s->tick_at) {
		s->tick_at = now + 10 * MONO_MS;
		step(s, &(struct sync_event){ .kind = SYNC_TICK });
	}
	step(s, &(struct sync_event){ .kind = SYNC_FLUSH });
}

static mono_t
due(struct proc *p)
{
	return ((struct shell *)p->impl)->tick_at;
}

static void
start(struct proc *p)
{
	struct shell *s = calloc(1, sizeof *s);
	struct node *n = p->n;
	const struct plan *plan = &p->w->plan;
	struct sync_conf conf = { .side = (uint8_t)pair_side(&n->conf.pair), .pair = true,
				  .degrade = n->conf.pair.degrade_ms * MONO_MS, .alone_waits_disk = plan->waits_disk,
				  .log_octets = plan->log_octets };

	snprintf(conf.node, sizeof conf.node, "%s", n->name);
	s->out = (struct sync_out){ out_commit, out_page, out_wipe, out_meta, out_local, out_snap_begin, out_snap_next, out_snap_end,
				    out_disk, out_client, out_twin, out_status, out_alarm, out_note };
	s->p = p;
	s->batch = batch_new();
	if (n->behind) { /* shell_store.c, forget_standing() */
		n->store.meta.mirrored = n->behind = false;
		n->store.meta.node[0] = 0;
	}
	sync_init(&s->s, &conf, &n->store.meta, rnd(p->w) | 1);
	s->tick_at = node_now(n);
	p->impl = s;
}

static void
stop(struct proc *p)
{
	struct shell *s = p->impl;

	rows_free(&s->view);
	sync_fini(&s->s);
	batch_free(s->batch);
	free(s);
	p->impl = NULL;
}

const struct proc_ops sync_ops = { start, stop, hear, flush, due };
