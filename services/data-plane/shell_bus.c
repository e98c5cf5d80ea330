// SPDX-License-Identifier: Apache-2.0
/*
 * A worker's conversations: rows from state-sync (and leases of sequence numbers to it), control
 * frames to and from tunnel-ctl and session-mgr, usage reports, commands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/message.h"
#include "bus/verbs.h"
#include "l2tp/l2tp3.h"
#include "punt.pb-c.h"
#include "rows.pb-c.h"
#include "worker.h"

#define TICK (10 * MONO_MS)
#define TICK_IDLE (10 * TICK) /* without packets nothing is due that often */
#define PUNT_FRAMES 64	/* in one message */
#define PUNT_MESSAGES 8 /* to one owner, before packets have their turn */
#define PUNT_HWM 2048	/* messages: what 64,000 calls at once bring, and a bound to what an owner that was away is told late */
#define PUNT_OCTETS (8u << 20) /* waiting for one owner */
#define USAGE_ROWS 256
#define HELD_MAX 1024
#define CONTEXTS 256 /* checkpoints at a time */
#define CONTEXTS_EVERY (1 * MONO_MS)
#define SWEEP_AFTER (5 * MONO_S)
#define LEASE_WAIT (1 * MONO_S)
#define LEASE_PATIENCE LATE_FOR
#define HELD_FOR (2 * MONO_S)

enum { FROM_CTL, FROM_MGR };

/* ---- verdicts carried out ---------------------------------------------------------------- */

bool
worker_may_send(struct worker *w, mono_t *now)
{
	*now = mono_now();
	return *now < owner_may_send_until(w->owner);
}

static void
punt(struct worker *w, struct puntq *q, const struct dp_verdict *v, const struct dp_ends *ends)
{
	const struct dp_ends *t = dp_ends_of(w->dp, v->tunnel);

	if (!puntq_put(q, t && dp_addr_eq(&t->peer, &ends->peer), ends, v->tunnel, v->session,
		       span_of(v->p, v->len)))
		worker_drop(w, DP_DROP_PUNT_QUEUE, 1);
}

void
worker_up(struct worker *w, mono_t now, const struct dp_datagram *d, unsigned n)
{
	struct dp_verdict v[DP_BATCH];
	struct join_packet ip[DP_BATCH];
	unsigned packets = 0;

	(d[0].ends->ip_protocol ? dp_up_ip : dp_up)(w->dp, now, d, n, v);
	for (unsigned i = 0; i < n; i++) {
		switch (v[i].act) {
		case DP_FORWARD:
			ip[packets++] = (struct join_packet){ v[i].p, v[i].len, v[i].apart };
			break;
		case DP_PUNT_TUNNEL:
			punt(w, w->to_ctl, &v[i], d[i].ends);
			break;
		case DP_PUNT_LINK:
			punt(w, w->to_mgr, &v[i], d[i].ends);
			break;
		case DP_HAND:
			hand_over(w, v[i].worker, HAND_UP, (uint16_t)v[i].tunnel, v[i].session, d[i].tos,
				  d[i].ends, span_of(d[i].p, d[i].len));
			break;
		}
	}
	for (unsigned i = 0; i < dp_out(w->dp)->links; i++)
		punt(w, w->to_mgr, &dp_out(w->dp)->link[i].v, dp_out(w->dp)->link[i].ends);
	tun_write_all(w, ip, packets);
	udp_send_frames(w);
	tun_write_made(w);
	trunk_arm(w);
}

void
worker_down(struct worker *w, mono_t now, const struct dp_packet *in, unsigned n)
{
	struct dp_verdict v[DP_BATCH];

	dp_down(w->dp, now, in, n, v);
	hand_down(w, v, n);
	udp_send_frames(w);
	tun_write_made(w);
	trunk_arm(w);
}

/* ---- injections -------------------------------------------------------------------------- */

static void
hold(struct worker *w, uint16_t tunnel, uint16_t session, struct span frame)
{
	struct held *h = w->helds < HELD_MAX ? malloc(sizeof *h + frame.len) : NULL;

	if (!h) {
		worker_drop(w, DP_DROP_INJECT_HELD, 1);
		return;
	}
	*h = (struct held){ .tunnel = tunnel,
			    .session = session,
			    .since = loop_now(w->loop),
			    .len = (uint32_t)frame.len };
	memcpy(h->octets, frame.p, frame.len);
	*w->held_end = h;
	w->held_end = &h->next;
	w->helds++;
}

/* One frame; false: it has to wait for a sequence number. */
static bool
inject_now(struct worker *w, uint16_t tunnel, uint16_t session, struct span frame)
{
	struct dp_verdict v = dp_inject(w->dp, tunnel, session, frame);

	if (v.act == DP_DROP && v.reason == DP_DROP_NO_ROOM) {
		udp_send_frames(w);
		dp_out_reset(w->dp);
		v = dp_inject(w->dp, tunnel, session, frame);
	}
	if (v.act == DP_HAND)
		hand_over(w, v.worker, HAND_INJECT, tunnel, session, 0, NULL, frame);
	return !(v.act == DP_DROP && v.reason == DP_DROP_NS_LEASE);
}

/* Behind what waits already for the same session, so that frames keep their order. */
static bool
waits(const struct worker *w, uint16_t tunnel, uint16_t session)
{
	for (const struct held *h = w->held; h; h = h->next) {
		if (h->tunnel == tunnel && h->session == session)
			return true;
	}
	return false;
}

bool
worker_inject(struct worker *w, uint16_t tunnel, uint16_t session, struct span frame)
{
	if ((w->held && waits(w, tunnel, session)) || !inject_now(w, tunnel, session, frame)) {
		hold(w, tunnel, session, frame);
		return false;
	}
	return true;
}

static void
held_retry(struct worker *w)
{
	struct held *h = w->held;
	mono_t now = loop_now(w->loop);

	w->held = NULL;
	w->held_end = &w->held;
	w->helds = 0;
	dp_out_reset(w->dp);
	while (h) {
		struct held *next = h->next;
		if (now - h->since > HELD_FOR || !owner_active(w->owner)) {
			worker_drop(w, DP_DROP_INJECT_HELD, 1);
		} else if (!owner_may_send(w->owner) || waits(w, h->tunnel, h->session) ||
			   !inject_now(w, h->tunnel, h->session, span_of(h->octets, h->len))) {
			h->next = NULL;
			*w->held_end = h;
			w->held_end = &h->next;
			w->helds++;
			h = next;
			continue;
		}
		free(h);
		h = next;
	}
	udp_send_frames(w);
}

/* No port: L2TPv3 straight over IP. */
static bool
frame_ends(const Punt__Frame *f, struct dp_ends *out)
{
	struct ip_addr peer, local;

	if (!ip_addr_from(f->peer_addr.data, f->peer_addr.len, &peer) || f->peer_port > 65535)
		return false;
	ip_addr_from(f->local_addr.data, f->local_addr.len, &local);
	*out = (struct dp_ends){ dp_addr_of(&local), dp_addr_of(&peer), (uint16_t)f->local_port,
				 (uint16_t)f->peer_port, f->peer_port ? 0 : L2TP3_IP_PROTOCOL };
	return true;
}

/* The message that may leave now, else NULL, counted. */
static const Punt__ToWorker *
to_worker(struct worker *w, struct span octets, bool may_send)
{
	const Punt__ToWorker *m;

	arena_reset(&w->arena);
	m = (const Punt__ToWorker *)arena_unpack(&w->arena, &punt__to_worker__descriptor, octets);
	if (!m) {
		worker_drop(w, DP_DROP_INJECT_BAD, 1);
		return NULL;
	}
	if (!may_send) {
		worker_drop(w, DP_DROP_NOT_ACTIVE, m->n_frames);
		return NULL;
	}
	if (m->epoch != owner_epoch(w->owner)) {
		worker_drop(w, DP_DROP_INJECT_EPOCH, m->n_frames);
		return NULL;
	}
	return m;
}

static void
send_ctl(struct worker *w, const Punt__ToWorker *m)
{
	struct dp_ends ends[TX_MAX];
	struct tx t[TX_MAX];
	unsigned k = 0;

	for (size_t i = 0; i < m->n_frames; i++) {
		const Punt__Frame *r = m->frames[i];
		if (!frame_ends(r, &ends[k]) || r->octets.len == 0 ||
		    r->octets.len > DP_PACKET_MAX - 64) {
			worker_drop(w, DP_DROP_INJECT_BAD, 1);
			continue;
		}
		/* The same peer as the one before: the same place, so that a run goes as one
		 * message. */
		const struct dp_ends *e = k && memcmp(&ends[k], t[k - 1].ends, sizeof ends[k]) == 0
					      ? t[k - 1].ends
					      : &ends[k];
		t[k] = (struct tx){ r->octets.data, (uint32_t)r->octets.len, 0, e->ip_protocol, e };
		if (++k == TX_MAX) {
			udp_send(w, t, k);
			dp_counts(w->dp)[DP_COUNT_INJECTED] += k;
			k = 0;
		}
	}
	if (k)
		udp_send(w, t, k);
	dp_counts(w->dp)[DP_COUNT_INJECTED] += k;
}

static void
send_mgr(struct worker *w, const Punt__ToWorker *m)
{
	dp_out_reset(w->dp);
	for (size_t i = 0; i < m->n_frames; i++) {
		const Punt__Frame *r = m->frames[i];
		if (r->tunnel > 65535 || r->session > 65535)
			worker_drop(w, DP_DROP_INJECT_BAD, 1);
		else
			worker_inject(w, (uint16_t)r->tunnel, (uint16_t)r->session,
				      span_of(r->octets.data, r->octets.len));
	}
	udp_send_frames(w);
}

static void
carry_out(struct worker *w, unsigned from, struct span octets, bool may_send)
{
	const Punt__ToWorker *m = to_worker(w, octets, may_send);

	if (m && from == FROM_CTL)
		send_ctl(w, m);
	else if (m)
		send_mgr(w, m);
}

/* What waited for the lease goes as soon as there is one, and not at all when that takes too long. */
static void
late_retry(struct worker *w)
{
	while (w->late.first) {
		enum late_fate fate = late_fate(owner_active(w->owner), owner_may_send(w->owner),
						w->late.first->since, mono_now());
		if (fate == LATE_WAIT)
			return;
		struct late_message *m = late_take(&w->late);
		carry_out(w, m->from, span_of(m->octets, m->len), fate == LATE_SEND);
		free(m);
	}
}

static void
on_owner(struct worker *w, unsigned from, const struct span *f, unsigned n)
{
	mono_t now = mono_now();

	if (n != 1) {
		worker_drop(w, DP_DROP_INJECT_BAD, 1);
		return;
	}
	late_retry(w);
	enum late_fate fate = late_fate(owner_active(w->owner), owner_may_send(w->owner), now, now);
	if (fate == LATE_WAIT && late_put(&w->late, from, now, f[0]))
		return;
	carry_out(w, from, f[0], fate == LATE_SEND);
}

static void
on_ctl(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	on_owner(arg, FROM_CTL, f, n);
}

static void
on_mgr(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	on_owner(arg, FROM_MGR, f, n);
}

/* ---- punts ------------------------------------------------------------------------------- */

static bool
send_to_owner(struct worker *w, struct bus_sock *s, Punt__ToOwner *m)
{
	static uint8_t room[PUNT_FRAMES * (DP_PACKET_MAX + 128)];

	m->worker = w->id;
	m->instance = w->instance;
	const struct span frame = message_pack(&m->base, room, sizeof room);
	return frame.p && bus_send(s, span_of(NULL, 0), &frame, 1);
}

static void
frame_fill(Punt__Frame *f, struct punt *p, struct ip_addr addr[2])
{
	punt__frame__init(f);
	addr[0] = dp_addr_ip(&p->ends.peer);
	addr[1] = dp_addr_ip(&p->ends.local);
	f->tunnel = p->tunnel;
	f->session = p->session;
	f->peer_addr = (ProtobufCBinaryData){ ip_addr_len(&addr[0]), addr[0].b };
	f->peer_port = p->ends.peer_port;
	f->local_addr = (ProtobufCBinaryData){ ip_addr_len(&addr[1]), addr[1].b };
	f->local_port = p->ends.local_port;
	f->octets = (ProtobufCBinaryData){ p->len, p->octets };
}

/* One message of what waits, one peer after the other.  False: nothing waits. */
static bool
punt_some(struct worker *w, struct puntq *q, struct bus_sock *s)
{
	Punt__ToOwner m = PUNT__TO_OWNER__INIT;
	Punt__Frame frame[PUNT_FRAMES], *frames[PUNT_FRAMES];
	struct ip_addr addr[PUNT_FRAMES][2];
	struct punt *taken[PUNT_FRAMES];
	unsigned n = 0;

	while (n < PUNT_FRAMES && (taken[n] = puntq_take(q))) {
		frame_fill(&frame[n], taken[n], addr[n]);
		frames[n] = &frame[n];
		n++;
	}
	if (n == 0)
		return false;
	m.n_frames = n;
	m.frames = frames;
	if (!send_to_owner(w, s, &m))
		worker_drop(w, DP_DROP_PUNT_BUS, n);
	for (unsigned i = 0; i < n; i++)
		free(taken[i]);
	return true;
}

static bool
on_each(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < PUNT_MESSAGES && punt_some(w, w->to_ctl, w->ctl); i++)
		;
	for (unsigned i = 0; i < PUNT_MESSAGES && punt_some(w, w->to_mgr, w->mgr); i++)
		;
	return puntq_count(w->to_ctl) || puntq_count(w->to_mgr);
}

/* An owner that comes up learns that this worker is there, and since when it counts. */
static void
on_link(void *arg, struct bus_sock *s, enum bus_link link)
{
	Punt__ToOwner m = PUNT__TO_OWNER__INIT;

	m.hello = true;
	if (link == BUS_UP)
		send_to_owner(arg, s, &m);
}

/* ---- usage ------------------------------------------------------------------------------- */

/*
 * A second goes over all of the table: a hundredth of it each tick; of a small one a tenth each tenth tick, since
 * a message costs more than what is in it.
 */
static void
usage_report(struct worker *w)
{
	struct dp_usage u[USAGE_ROWS];
	Punt__Usage row[USAGE_ROWS], *rows[USAGE_ROWS];
	Punt__ToOwner m = PUNT__TO_OWNER__INIT;
	const unsigned every = dp_session_slots(w->dp) <= 10 * USAGE_ROWS ? 10 : 1;
	unsigned look = dp_session_slots(w->dp) / (100 / every) + 1, n;

	if (++w->ticks % every)
		return;
	do {
		n = dp_usage_next(w->dp, look < USAGE_ROWS ? look : USAGE_ROWS, u, USAGE_ROWS);
		look -= look < USAGE_ROWS ? look : USAGE_ROWS;
		for (unsigned i = 0; i < n; i++) {
			punt__usage__init(&row[i]);
			row[i].tunnel = u[i].tunnel;
			row[i].session = u[i].session;
			row[i].in_octets = u[i].in_octets;
			row[i].out_octets = u[i].out_octets;
			row[i].in_packets = u[i].in_packets;
			row[i].out_packets = u[i].out_packets;
			row[i].drops = u[i].drops;
			rows[i] = &row[i];
		}
		m.n_usage = n;
		m.usage = rows;
		if (n)
			send_to_owner(w, w->mgr, &m);
	} while (look);
}

/* ---- the feed ---------------------------------------------------------------------------- */

struct loading {
	struct worker *w;
	enum table table;
};

static bool
load_row(void *arg, struct span key, struct span row)
{
	struct loading *l = arg;

	arena_reset(&l->w->arena);
	const ProtobufCMessage *m = row_unpack(&l->w->arena, l->table, row);
	if (m)
		dp_apply(l->w->dp, l->table, key, m);
	else
		dp_counts(l->w->dp)[DP_COUNT_ROWS_BAD]++;
	return true;
}

static void
on_load(void *arg, struct store_view *view)
{
	static const enum table order[] = { TABLE_TUNNEL, TABLE_CALL, TABLE_SUBSCRIBER,
					    TABLE_DATA_NS, TABLE_TRUNK_CTX };
	struct worker *w = arg;

	dp_load_begin(w->dp);
	for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++)
		store_each(view, order[i], load_row, &(struct loading){ w, order[i] });
	dp_load_end(w->dp);
	if (w->kernel)
		kernel_wanted(w->kernel, w->dp);
}

static void
on_row(void *arg, enum table table, struct span key, struct span row, bool removed)
{
	struct worker *w = arg;

	if (table != TABLE_TUNNEL && table != TABLE_CALL && table != TABLE_SUBSCRIBER &&
	    table != TABLE_DATA_NS && table != TABLE_TRUNK_CTX)
		return;
	if (removed)
		dp_apply(w->dp, table, key, NULL);
	else
		load_row(&(struct loading){ w, table }, key, row);
}

/*
 * Checkpoints of contexts: they reveal nothing, and nothing waits for them; but a step that none of them tells of
 * is one that a twin may have to ask for.
 */
static void
contexts_record(struct worker *w)
{
	const mono_t now = loop_now(w->loop);
	struct dp_ctx c;
	unsigned n = 0;

	if (now - w->recorded < CONTEXTS_EVERY)
		return;
	w->recorded = now;
	while (n < CONTEXTS && owner_active(w->owner) && dp_ctx_next(w->dp, &c)) {
		Row__TrunkCtx row = ROW__TRUNK_CTX__INIT;
		struct key key = key_trunk((uint16_t)(c.key >> 16), (uint16_t)c.key, c.part, c.cid);
		row.agreement = c.agreement;
		row.octets = (ProtobufCBinaryData){ c.len, c.b };
		sink_record(owner_sink(w->owner), TABLE_TRUNK_CTX, key_span(&key), c.len ? &row.base : NULL);
		n++;
	}
	dp_counts(w->dp)[DP_COUNT_TRUNK_CONTEXTS_OUT] += n;
	if (n)
		owner_flush(w->owner);
}

/*
 * Some time after a promotion: what is in the store and belongs to nobody, because the one that was to remove
 * it died, is found.
 */
static void
contexts_sweep(struct worker *w)
{
	struct store_view *v = owner_active(w->owner) ? owner_view(w->owner) : NULL;

	w->sweep = 0;
	if (!v)
		return;
	store_each(v, TABLE_TRUNK_CTX, load_row, &(struct loading){ w, TABLE_TRUNK_CTX });
	store_view_end(v);
}

struct ns_detail {
	uint16_t tunnel, session;
	uint32_t below;
};

static void
leases_ask(struct worker *w)
{
	struct ns_detail d;
	bool any = false;

	while (owner_active(w->owner) && dp_ns_wanted(w->dp, &d.tunnel, &d.session, &d.below)) {
		Row__DataNs row = ROW__DATA_NS__INIT;
		struct key key = key_session(d.tunnel, d.session);
		row.below = d.below;
		row.restarts = dp_ns_restarts(w->dp, d.tunnel, d.session);
		sink_record(owner_sink(w->owner), TABLE_DATA_NS, key_span(&key),
			    d.below ? &row.base : NULL);
		if (d.below)
			sink_effect(owner_sink(w->owner),
				    &(struct effect){ .kind = EFFECT_OTHER,
						      .detail = &d,
						      .detail_len = sizeof d });
		any = true;
	}
	if (any)
		owner_flush(w->owner);
}

static void
on_release(void *arg, const struct effect *e)
{
	struct worker *w = arg;
	struct ns_detail d;

	if (e->kind != EFFECT_OTHER || e->detail_len != sizeof d)
		return;
	memcpy(&d, e->detail, sizeof d);
	dp_ns_committed(w->dp, d.tunnel, d.session, d.below);
}

static void
on_role(void *arg, bool active, uint64_t epoch, enum mirror mirror)
{
	struct worker *w = arg;

	dp_ns_role(w->dp, active, epoch);
	prompt_role(w, active);
	w->sweep = active ? loop_now(w->loop) + SWEEP_AFTER : 0;
	if (w->ready == 0)
		log_line(NOTE_INFO, "ready sessions=%u tunnels=%u role=%s epoch=%llu",
			 dp_sessions(w->dp), dp_tunnels(w->dp), active ? "active" : "standby",
			 (unsigned long long)epoch);
	if (w->ready == 0) {
		w->ready = loop_now(w->loop);
		w->wait_until = w->ready + LEASE_WAIT;
	}
}

/*
 * What came while this worker was not there waits in its sockets.  It is read only when it can be
 * forwarded: tables loaded, the lease heard of, and sequence numbers leased (the standby reads too,
 * and throws away, but not what comes while its node promotes: peers know of that before it is done).
 */
static bool
reading_waits(struct worker *w)
{
	mono_t now = loop_now(w->loop);

	if (now >= w->wait_until)
		return false;
	if (!owner_active(w->owner))
		return now < owner_coming(w->owner);
	return !owner_may_send(w->owner) || (!w->settled && !dp_ns_settled(w->dp));
}

static void
reading_begin(struct worker *w)
{
	if (w->reading || w->ready == 0 || reading_waits(w))
		return;
	w->reading = w->settled = true;
	if (!udp_watch(w, true) || !ip_watch(w, true) || !tun_watch(w, true) || !hand_watch(w, true)) {
		log_line(NOTE_ERROR, "cannot watch sockets");
		loop_stop(w->loop);
	}
}

static bool
pause_until(struct worker *w, mono_t until)
{
	w->reading = false;
	w->wait_until = until;
	loop_timer_set(w->loop, &w->wake, until);
	return udp_watch(w, false) && ip_watch(w, false) && tun_watch(w, false) && hand_watch(w, false);
}

bool
worker_paused(struct worker *w)
{
	mono_t now, over = owner_may_send_until(w->owner), coming = owner_coming(w->owner);

	if (worker_may_send(w, &now) || !owner_active(w->owner)) {
		w->lapsed = 0;
		return now < coming && pause_until(w, coming);
	}
	if (w->lapsed == 0)
		w->lapsed = over ? over : now;
	if (now >= w->lapsed + LEASE_PATIENCE)
		return false;
	return pause_until(w, w->lapsed + LEASE_PATIENCE);
}

/* Patience is over: reading_begin() looks at the clock before the loop sleeps again. */
static void
on_wake(void *arg)
{
}

static bool
on_leases(void *arg)
{
	struct worker *w = arg;

	leases_ask(w);
	contexts_record(w);
	ip_steer(w);
	reading_begin(w);
	late_retry(w);
	if (w->held)
		held_retry(w);
	return false;
}

/* ---- commands ---------------------------------------------------------------------------- */

static void
say_values(struct answer *a, const struct counter_info *info, const uint64_t *v, unsigned n,
	   bool all)
{
	char text[16384], json[16384];
	size_t t = 0, j = 0;

	json[j++] = '{';
	for (unsigned i = 0; i < n; i++) {
		if (!all && v[i] == 0)
			continue;
		t += (size_t)snprintf(text + t, sizeof text - t, "%12llu  %s\n",
				      (unsigned long long)v[i], info[i].sentence);
		j += (size_t)snprintf(json + j, sizeof json - j, "%s\"%s\":%llu", j > 1 ? "," : "",
				      info[i].name, (unsigned long long)v[i]);
		if (t >= sizeof text - 256 || j >= sizeof json - 256)
			break;
	}
	json[j++] = '}';
	json[j] = 0;
	answer_say(a, true, "%.*s", (int)t, text);
	answer_json(a, json);
}

static bool
command_reload(void *arg, char *said, size_t len)
{
	return worker_reload(arg, said, len);
}

static const struct verbs verbs = { command_reload, NULL };

static void
on_command(void *arg, const char *const *words, unsigned n, struct answer *a)
{
	struct worker *w = arg;
	char text[640];
	unsigned tunnel, session;

	if (verbs_run(&verbs, w, words, n, a))
		return;
	if (n == 1 && strcmp(words[0], "counters") == 0)
		say_values(a, dp_count_info, dp_counts(w->dp), DP_COUNTS, true);
	else if (n == 1 && strcmp(words[0], "drops") == 0)
		say_values(a, dp_drop_info, dp_drops(w->dp), DP_DROPS, false);
	else if (n == 2 && strcmp(words[0], "session") == 0 &&
		 sscanf(words[1], "%u/%u", &tunnel, &session) == 2 && tunnel < 65536 &&
		 session < 65536) {
		if (dp_session_text(w->dp, (uint16_t)tunnel, (uint16_t)session, text, sizeof text))
			answer_say(a, true, "%s", text);
		else
			answer_say(a, false, "no session %u/%u here", tunnel, session);
	} else if (n == 2 && strcmp(words[0], "trunk") == 0 && sscanf(words[1], "%u/%u", &tunnel, &session) == 2 &&
		   tunnel < 65536 && session < 65536)
		trunk_show(w, (uint16_t)tunnel, (uint16_t)session, a);
	else if (n >= 1 && n <= 2 && strcmp(words[0], "trunks") == 0)
		trunk_show_all(w, n == 2 ? (uint32_t)strtoul(words[1], NULL, 10) : 0, a);
	else if (n == 1 && strcmp(words[0], "status") == 0)
		answer_say(a, true, "worker %u of %u: %s, sessions=%u tunnels=%u trunks=%u, sockets %s",
			   w->id, w->fds.workers,
			   owner_may_send(w->owner) ? "sending" : "not sending (no lease)",
			   dp_sessions(w->dp), dp_tunnels(w->dp), dp_trunks(w->dp),
			   w->fds.made ? "made here" : "from a sibling");
	else
		answer_say(a, false,
			   "a worker knows: counters | drops | session TUNNEL/SESSION | trunk TUNNEL/SESSION | trunks [FROM] | status | reload | log [LEVEL]");
}

/* ---- timers, start, stop ----------------------------------------------------------------- */

/* Changes with every packet, dropped ones too. */
static uint64_t
counted(const struct worker *w)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < DP_COUNTS; i++)
		all += dp_counts(w->dp)[i];
	for (unsigned i = 0; i < DP_DROPS; i++)
		all += dp_drops(w->dp)[i];
	return all;
}

/*
 * Is there anything that a tick would tell or do, or that waits for the lease, of which no news need come?  A round over
 * the table is 100 ticks: two of them see all that moved.
 */
static bool
stirred(struct worker *w)
{
	const uint64_t seen = counted(w);

	if (seen != w->stir.seen || dp_usage_gone(w->dp))
		w->stir.until = w->ticks + 200;
	w->stir.seen = seen;
	return (int)(w->stir.until - w->ticks) > 0 || !w->reading || w->late.first || w->held ||
	       (w->kernel && kernel_behind(w->kernel, w->dp));
}

/*
 * Usually done when packets keep the loop awake anyway: the timer is for when those stay away, and slow when they have
 * stayed away for long.
 */
static void
tick(struct worker *w)
{
	w->ticked = loop_now(w->loop);
	usage_report(w);
	if (w->sweep && w->ticked >= w->sweep)
		contexts_sweep(w);
	if (w->kernel)
		kernel_tick(w->kernel, w->dp, w->ticked);
	prompt_tick(w, counted(w) - w->stir.seen);
	loop_timer_set(w->loop, &w->tick, w->ticked + (stirred(w) ? 2 * TICK : TICK_IDLE));
}

static void
on_tick(void *arg)
{
	tick(arg);
}

static bool
on_tick_due(void *arg)
{
	struct worker *w = arg;

	if (loop_now(w->loop) - w->ticked >= TICK - MONO_MS)
		tick(w);
	else if (w->tick.due > w->ticked + 2 * TICK && stirred(w))
		loop_timer_set(w->loop, &w->tick, w->ticked + 2 * TICK);
	return false;
}

bool
shell_bus_start(struct worker *w)
{
	static const struct owner_ops ops = {
		.load = on_load, .row = on_row, .role = on_role, .release = on_release
	};
	uint64_t seed = w->instance * 0x9e3779b97f4a7c15u;
	char cmd[64];

	arena_init(&w->arena, 0);
	w->held_end = &w->held;
	late_init(&w->late);
	w->to_ctl = puntq_new(seed, PUNT_OCTETS);
	w->to_mgr = puntq_new(seed, PUNT_OCTETS);
	if (!w->to_ctl || !w->to_mgr)
		return false;
	bus_set_hwm(w->bus, PUNT_HWM);
	w->ctl = bus_dealer_connect(w->bus, "punt.tunnel-ctl", w->name, on_ctl, w);
	w->mgr = bus_dealer_connect(w->bus, "punt.session-mgr", w->name, on_mgr, w);
	bus_set_hwm(w->bus, BUS_HWM);
	snprintf(cmd, sizeof cmd, "%s", w->name);
	w->cmd = bus_rep(w->bus, cmd, on_command, w);
	w->owner = owner_new(w->bus, w->loop, &w->conf->node, w->name, &ops, w);
	if (!w->ctl || !w->mgr || !w->cmd || !w->owner)
		return false;
	bus_watch(w->ctl, on_link, w);
	bus_watch(w->mgr, on_link, w);
	w->sets[0] = (struct counters){ dp_count_info, dp_counts(w->dp), DP_COUNTS };
	w->sets[1] = (struct counters){ dp_drop_info + 1, dp_drops(w->dp) + 1,
					DP_DROPS - 1 }; /* 0 is no drop */
	owner_counters(w->owner, w->sets, 2);
	loop_timer_init(&w->wake, on_wake, w);
	loop_timer_init(&w->tick, on_tick, w);
	loop_timer_set(w->loop, &w->tick, mono_now() + TICK);
	return loop_each(w->loop, on_tick_due, w) && loop_each(w->loop, on_each, w) &&
	       loop_each(w->loop, on_leases, w);
}

void
shell_bus_stop(struct worker *w)
{
	loop_timer_clear(w->loop, &w->tick);
	loop_timer_clear(w->loop, &w->wake);
	owner_free(w->owner);
	puntq_free(w->to_ctl);
	puntq_free(w->to_mgr);
	while (w->held) {
		struct held *next = w->held->next;
		free(w->held);
		w->held = next;
	}
	late_fini(&w->late);
	arena_fini(&w->arena);
}
