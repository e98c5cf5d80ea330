// SPDX-License-Identifier: Apache-2.0
/*
 * The bus side of tunnel-ctl: state-sync (records, feed, role), the workers (control datagrams in
 * and out), operators' commands.  It knows nothing of L2TP.
 *
 *   worker ─ ToOwner ─► punt.tunnel-ctl ─► tc_step ─► owner_sink ─► state-sync
 *   worker ◄ ToWorker ◄ batch, each iteration ◄ release ◄ committed, lease good
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rows.pb-c.h"
#include "base/message.h"
#include "bus/verbs.h"
#include "shell.h"

#define FRAMES_IN_MAX 1024 /* of one ToOwner that are taken in one step */

static const struct counter_info shell_counter_rows[SHELL_COUNTERS] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "shell_counters.def"
#undef X
};

/* ---- steps ---------------------------------------------------------------------------- */

static void
show_alarms(struct shell *sh)
{
	const struct tc_alarm_state *a = tc_alarms(sh->tc);

	if (!tc_alarms_changed(sh->tc))
		return;
	for (unsigned i = 0; i < TC_ALARMS; i++)
		owner_alarm(sh->owner, &tc_alarm_info[i], a[i].stands, "%s", a[i].detail);
}

static void
step(struct shell *sh, struct tc_event *ev)
{
	ev->wall_s = (uint64_t)time(NULL);
	tc_step(sh->tc, loop_now(sh->loop), ev, owner_sink(sh->owner));
	loop_timer_set(sh->loop, &sh->timer, tc_next_due(sh->tc));
	show_alarms(sh);
}

static void
on_timer(void *arg)
{
	step(arg, &(struct tc_event){ .kind = TC_TICK });
}

/* ---- state-sync ----------------------------------------------------------------------- */

struct loading {
	struct shell *sh;
	enum table table;
};

static bool
load_row(void *arg, struct span key, struct span row)
{
	struct loading *l = arg;

	if (l->table == TABLE_LINK) {
		struct tc_event ev = { .kind = TC_ROW };
		ev.row.table = TABLE_LINK;
		ev.row.key = key;
		ev.row.row = row;
		tc_step(l->sh->tc, loop_now(l->sh->loop), &ev, NULL);
	} else {
		tc_apply(l->sh->tc, l->table, key, row, false);
	}
	return true;
}

static void
on_load(void *arg, struct store_view *view)
{
	static const enum table tables[] = {
		TABLE_TUNNEL, TABLE_TUNNEL_SEQ, TABLE_TUNNEL_OUT,
		TABLE_CALL,   TABLE_CALL_INFO,	TABLE_DRAIN, TABLE_LINK,
	};
	struct shell *sh = arg;
	struct tc_population p;

	tc_deactivate(sh->tc);
	tc_clear(sh->tc);
	for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++) {
		struct loading l = { sh, tables[i] };
		long n = store_each(view, tables[i], load_row, &l);
		if (n < 0)
			log_line(NOTE_ERROR, "table not read table=%d error=%s", (int)tables[i],
				 strerror((int)-n));
	}
	p = tc_population(sh->tc);
	log_line(NOTE_INFO, "loaded tunnels=%u calls=%u", p.tunnels, p.calls);
}

static void
on_row(void *arg, enum table table, struct span key, struct span row, bool removed)
{
	struct shell *sh = arg;
	const struct table_info *info = table_info(table);

	if (table == TABLE_LINK) {
		struct tc_event ev = { .kind = TC_ROW };
		ev.row.table = table;
		ev.row.key = key;
		ev.row.row = row;
		ev.row.removed = removed;
		step(sh, &ev);
	} else if (info && info->owner == OWNER_TUNNEL_CTL && !tc_active(sh->tc)) {
		tc_apply(sh->tc, table, key, row, removed);
	}
}

/* The epoch that began from a store which may lack what peers have seen: state-sync wrote it before it told the role. */
static uint64_t
stale_since(struct shell *sh)
{
	struct store_view *view = owner_view(sh->owner);
	struct key key = store_meta_key();
	const Row__Meta *meta;
	struct span row;
	uint64_t since = 0;

	if (!view)
		return 0;
	if (store_get(view, TABLE_META, key_span(&key), &row)) {
		meta = row_unpack(&sh->arena, TABLE_META, row);
		since = meta ? meta->stale_since : 0;
		arena_reset(&sh->arena);
	}
	store_view_end(view);
	return since;
}

static void
on_role(void *arg, bool active, uint64_t epoch, enum mirror mirror)
{
	struct shell *sh = arg;

	if (active != tc_active(sh->tc))
		log_line(NOTE_INFO, "role active=%d epoch=%" PRIu64 " mirror=%d", active, epoch,
			 (int)mirror);
	if (active && !tc_active(sh->tc)) {
		tc_term(sh->tc, epoch, stale_since(sh));
		tc_activate(sh->tc, loop_now(sh->loop));
	}
	else if (!active && tc_active(sh->tc))
		tc_deactivate(sh->tc);
	show_alarms(sh);
	loop_timer_set(sh->loop, &sh->timer, tc_next_due(sh->tc));
}

/* What packets can cause to be said is limited; what wants somebody's attention is not. */
static void
on_note(void *arg, enum note_level level, const char *line)
{
	struct shell *sh = arg;

	if (level >= NOTE_ERROR)
		log_note(level, line);
	else
		log_limited(&sh->notes, loop_now(sh->loop), level, "%s", line);
}

/* ---- workers: out --------------------------------------------------------------------- */

static Punt__Frame
frame_of(const struct effect *e)
{
	Punt__Frame f = PUNT__FRAME__INIT;

	f.tunnel = e->tunnel;
	f.session = e->session;
	f.peer_addr = (ProtobufCBinaryData){ ip_addr_len(&e->peer.addr),
					     (uint8_t *)(uintptr_t)e->peer.addr.b };
	f.peer_port = e->peer.port;
	f.local_addr = (ProtobufCBinaryData){ ip_addr_len(&e->local.addr),
					      (uint8_t *)(uintptr_t)e->local.addr.b };
	f.local_port = e->local.port;
	f.octets = (ProtobufCBinaryData){ e->bytes.len, (uint8_t *)(uintptr_t)e->bytes.p };
	return f;
}

static bool
send_to(struct shell *sh, unsigned worker, struct span message)
{
	char identity[24];
	int n = snprintf(identity, sizeof identity, "worker.%u", worker);

	return sh->there[worker] && bus_send(sh->punt, span_of(identity, (size_t)n), &message, 1);
}

static void
flush_worker(struct shell *sh, unsigned worker)
{
	static uint8_t packed[BATCH_OCTETS + BATCH_FRAMES * 80 + 64];
	Punt__Frame frames[BATCH_FRAMES], *list[BATCH_FRAMES];
	Punt__ToWorker m = PUNT__TO_WORKER__INIT;
	struct batch_out *b = sh->out[worker];
	struct span message;

	for (unsigned i = 0; i < b->n; i++) {
		frames[i] = frame_of(&b->e[i]);
		list[i] = &frames[i];
	}
	m.n_frames = b->n;
	m.frames = list;
	m.epoch = owner_epoch(sh->owner);
	message = message_pack(&m.base, packed, sizeof packed);
	for (unsigned i = 0; i < SHELL_WORKERS; i++) { /* its own worker first, then any */
		if (send_to(sh, (worker + i) % SHELL_WORKERS, message)) {
			sh->n[SHELL_PUNTS_OUT]++;
			b->n = 0;
			b->used = 0;
			return;
		}
	}
	sh->n[SHELL_NO_WORKER] += b->n;
	b->n = 0;
	b->used = 0;
}

static bool
on_iteration(void *arg)
{
	struct shell *sh = arg;

	for (unsigned w = 0; w < SHELL_WORKERS; w++) {
		if (sh->out[w] && sh->out[w]->n)
			flush_worker(sh, w);
	}
	return false;
}

static struct batch_out *
batch_for(struct shell *sh, unsigned worker, size_t len)
{
	if (!sh->out[worker])
		sh->out[worker] = calloc(1, sizeof *sh->out[worker]);
	if (sh->out[worker] &&
	    (sh->out[worker]->n == BATCH_FRAMES || sh->out[worker]->used + len > BATCH_OCTETS))
		flush_worker(sh, worker);
	return sh->out[worker];
}

/* Committed, and the lease is good. */
static void
on_release(void *arg, const struct effect *e)
{
	struct shell *sh = arg;
	unsigned workers = sh->conf->data.workers ? sh->conf->data.workers : 1;
	unsigned worker = e->tunnel % (workers < SHELL_WORKERS ? workers : SHELL_WORKERS);
	struct batch_out *b =
	    e->bytes.len <= BATCH_OCTETS ? batch_for(sh, worker, e->bytes.len) : NULL;

	if (!b || e->kind != EFFECT_CONTROL) {
		sh->n[SHELL_NO_WORKER]++;
		return;
	}
	memcpy(b->octets + b->used, e->bytes.p, e->bytes.len);
	b->e[b->n] = *e;
	b->e[b->n++].bytes = span_of(b->octets + b->used, e->bytes.len);
	b->used += e->bytes.len;
}

/* ---- workers: in ---------------------------------------------------------------------- */

static bool
datagram_of(const Punt__Frame *f, struct tc_datagram *out)
{
	if (!ip_addr_from(f->peer_addr.data, f->peer_addr.len, &out->peer.addr) ||
	    !ip_addr_from(f->local_addr.data, f->local_addr.len, &out->local.addr))
		return false;
	out->peer.port = (uint16_t)f->peer_port;
	out->local.port = (uint16_t)f->local_port;
	out->octets = span_of(f->octets.data, f->octets.len);
	return true;
}

static void
take_frames(struct shell *sh, const Punt__ToOwner *m)
{
	static struct tc_datagram in[FRAMES_IN_MAX];
	struct tc_event ev = { .kind = TC_DATAGRAMS };
	unsigned n = 0;

	for (size_t i = 0; i < m->n_frames && n < FRAMES_IN_MAX; i++) {
		if (datagram_of(m->frames[i], &in[n]))
			n++;
		else
			sh->n[SHELL_PUNTS_MALFORMED]++;
	}
	ev.datagrams.in = in;
	ev.datagrams.n = n;
	if (n && owner_active(sh->owner))
		step(sh, &ev);
}

static bool
worker_of(struct span identity, unsigned *worker)
{
	char name[24], more;

	if (identity.len >= sizeof name)
		return false;
	memcpy(name, identity.p, identity.len);
	name[identity.len] = 0;
	return sscanf(name, "worker.%2u%c", worker, &more) == 1 && *worker < SHELL_WORKERS;
}

static void
worker_here(struct shell *sh, unsigned worker)
{
	sh->there[worker] = true;
	if (sh->anybody)
		return;
	sh->anybody = true;
	tc_carrier(sh->tc, loop_now(sh->loop), true);
	loop_timer_set(sh->loop, &sh->timer, tc_next_due(sh->tc));
}

static void
on_punt(void *arg, struct bus_sock *from, struct span identity, const struct span *frames,
	unsigned n)
{
	struct shell *sh = arg;
	const Punt__ToOwner *m;
	unsigned worker;

	sh->n[SHELL_PUNTS_IN]++;
	m = n == 1 ? (const Punt__ToOwner *)arena_unpack(&sh->arena, &punt__to_owner__descriptor,
							 frames[0])
		   : NULL;
	if (m && worker_of(identity, &worker)) {
		worker_here(sh, worker);
		take_frames(sh, m);
	} else {
		sh->n[SHELL_PUNTS_MALFORMED]++;
	}
	arena_reset(&sh->arena);
}

/* ---- commands ------------------------------------------------------------------------- */

static void
show_counters(struct shell *sh, struct answer *a)
{
	char text[16384];
	size_t used = 0;

	for (unsigned s = 0; s < TC_COUNTER_SETS + 1; s++) {
		for (unsigned i = 0; i < sh->sets[s].n && used < sizeof text; i++) {
			if (sh->sets[s].v[i] == 0)
				continue;
			int n = snprintf(text + used, sizeof text - used, "%12" PRIu64 "  %s: %s\n",
					 sh->sets[s].v[i], sh->sets[s].info[i].name,
					 sh->sets[s].info[i].sentence);
			used += n > 0 ? (size_t)n : 0;
		}
	}
	answer_say(a, true, "%s", used ? text : "nothing counted yet\n");
}

static void
show_population(struct shell *sh, struct answer *a)
{
	struct tc_population p = tc_population(sh->tc);

	answer_say(
	    a, true,
	    "tunnels %u (established %u, half open %u, closing %u), calls %u (established %u)",
	    p.tunnels, p.established, p.half_open, p.closing, p.calls, p.calls_established);
}

static bool
command_reload(void *arg, char *said, size_t len)
{
	return shell_reload(arg, said, len);
}

static void
command_level(void *arg, enum note_level least)
{
	struct shell *sh = arg;

	tc_note_level(sh->tc, least);
}

static const struct verbs verbs = { command_reload, command_level };

static void
on_command(void *arg, const char *const *words, unsigned n, struct answer *a)
{
	struct shell *sh = arg;
	struct tc_answer said = { .ok = false };
	struct tc_event ev = { .kind = TC_COMMAND };

	if (verbs_run(&verbs, sh, words, n, a))
		return;
	if (n == 1 && strcmp(words[0], "counters") == 0) {
		show_counters(sh, a);
		return;
	}
	if (n == 1 && strcmp(words[0], "population") == 0) {
		show_population(sh, a);
		return;
	}
	if (!owner_active(sh->owner)) {
		answer_say(a, false,
			   "this node is not active (or not in conversation with state-sync)");
		return;
	}
	ev.command.words = words;
	ev.command.n = n;
	ev.command.answer = &said;
	step(sh, &ev);
	answer_say(a, said.ok, "%s", said.text);
}

/* ---- life ----------------------------------------------------------------------------- */

bool
shell_start(struct shell *sh)
{
	static const struct owner_ops ops = {
		.load = on_load,
		.row = on_row,
		.role = on_role,
		.release = on_release,
		.note = on_note,
	};

	arena_init(&sh->arena, 0);
	sh->notes = (struct log_limit){ .every = 20 * MONO_MS, .burst = 200 };
	loop_timer_init(&sh->timer, on_timer, sh);
	tc_carrier(sh->tc, loop_now(sh->loop), false);
	sh->owner = owner_new(sh->bus, sh->loop, &sh->conf->node, "tunnel-ctl", &ops, sh);
	sh->punt = sh->owner ? bus_router_bind(sh->bus, "punt.tunnel-ctl", on_punt, sh) : NULL;
	sh->commands = sh->punt ? bus_rep(sh->bus, "tunnel-ctl", on_command, sh) : NULL;
	if (!sh->commands ||
	    !loop_each(sh->loop, on_iteration, sh)) /* after the owner's, which releases */
		return false;
	memcpy(sh->sets, tc_counters(sh->tc), TC_COUNTER_SETS * sizeof *sh->sets);
	sh->sets[TC_COUNTER_SETS] = (struct counters){ shell_counter_rows, sh->n, SHELL_COUNTERS };
	owner_counters(sh->owner, sh->sets, TC_COUNTER_SETS + 1);
	return true;
}

void
shell_stop(struct shell *sh)
{
	loop_timer_clear(sh->loop, &sh->timer);
	bus_close(sh->commands);
	bus_close(sh->punt);
	owner_free(sh->owner);
	for (unsigned w = 0; w < SHELL_WORKERS; w++)
		free(sh->out[w]);
	arena_fini(&sh->arena);
}

bool
shell_reload(struct shell *sh, char *said, size_t len)
{
	char error[CONF_TEXT], changed[512];
	struct conf *conf = conf_load(sh->conf_file, sh->schema_dir, error, sizeof error),
		    *old = sh->conf;

	if (!conf) {
		snprintf(said, len, "configuration refused, the old one stays: %s", error);
		log_line(NOTE_ERROR, "%s", said);
		return false;
	}
	conf_changes(old, conf, changed, sizeof changed);
	sh->conf = conf;
	log_level((enum note_level)conf->node.log_level);
	tc_note_level(sh->tc, (enum note_level)conf->node.log_level);
	tc_configure(sh->tc, loop_now(sh->loop), conf);
	loop_timer_set(sh->loop, &sh->timer, tc_next_due(sh->tc));
	conf_free(old);
	snprintf(said, len, "configuration loaded profiles=%u lns-groups=%u dials=%u changed=%s",
		 conf->profiles, conf->lns_groups, conf->dials, *changed ? changed : "nothing");
	log_line(NOTE_INFO, "%s", said);
	return true;
}
