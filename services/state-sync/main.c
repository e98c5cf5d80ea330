// SPDX-License-Identifier: Apache-2.0
/*
 * state-sync: the store's one writer, its mirror to the twin, and the feed to every process of the node
 * (docs/processes/state-sync.md).
 *
 * May use: the store directory, TCP to the twin (CURVE), the bus.  Needs no privilege.
 *
 * One thread does everything but the sync to disk.  An iteration of the loop reads what has arrived, then
 * flushes once: that is how batches grow under load without anybody waiting when there is none.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/prompt.h"
#include "bus/claim.h"
#include "pair.h"
#include "shell.h"

#define TICK (10 * MONO_MS)
#define CLAIM_MS 500 /* for the one before us to be gone */
#define TICK_SINGLE (25 * MONO_MS) /* without a twin nothing is waited for but the disk */
#define AFTERWARDS (100 * MONO_MS)

static struct shell shell;

static void
give_up(const char *why)
{
	log_line(NOTE_ERROR, "cannot go on reason=\"%s\"", why);
	exit(1);
}

/* --- the core's way out ------------------------------------------------------------------------------------ */

#define SH(o) ((struct shell *)(o))

static int
out_commit(struct sync_out *o, const struct sync_txn *t, const struct sync_meta *m)
{
	return store_shell_commit(SH(o), t, m);
}

static int
out_rows(struct sync_out *o, struct span frame)
{
	return store_shell_rows(SH(o), frame);
}

static int
out_wipe(struct sync_out *o, const struct sync_meta *m)
{
	return store_shell_wipe(SH(o), m);
}

static int
out_meta(struct sync_out *o, const struct sync_meta *m, bool terms)
{
	return store_shell_meta(SH(o), m, terms);
}

static int
out_snap_begin(struct sync_out *o)
{
	return store_shell_snap_begin(SH(o));
}

static int
out_snap_next(struct sync_out *o, struct span *frame)
{
	return store_shell_snap_next(SH(o), frame);
}

static void
out_snap_end(struct sync_out *o)
{
	store_shell_snap_end(SH(o));
}

static void
out_disk(struct sync_out *o, uint64_t position)
{
	store_shell_disk(SH(o), position);
}

static enum sync_sent
out_client(struct sync_out *o, struct span identity, const struct sync_head *h, const struct sync_txn *t)
{
	return bus_shell_client(SH(o), identity, h, t);
}

static bool
out_twin(struct sync_out *o, const struct mirror_head *h, const struct span *frame, unsigned frames)
{
	return mirror_shell_say(SH(o), h, frame, frames);
}

static void
out_status(struct sync_out *o, const struct sync_status *s)
{
	bus_shell_status(SH(o), s);
}

static void
out_alarm(struct sync_out *o, enum sync_alarm a, bool stands, const char *detail)
{
	rows_shell_alarm(SH(o), a, stands, detail);
}

static void
out_note(struct sync_out *o, enum note_level level, const char *line)
{
	log_note(level, line);
}

void
shell_step(struct shell *sh, const struct sync_event *ev)
{
	sync_step(&sh->core, mono_now(), ev, &sh->out);
}

/* --- time --------------------------------------------------------------------------------------------------- */

/*
 * A standby that holds everything has little to do, and its node is active as soon as this thread says so: until it has, and for a moment
 * afterwards, it runs before others.  Not while it takes over a whole store.
 */
static void
stand_ready(struct shell *sh)
{
	const bool ready = sh->core.role == SYNC_R_STANDBY && sync_mirror_mode(&sh->core) == SYNC_M_MIRRORED;
	bool on;

	if (ready != sh->prompt.ready)
		sh->prompt.until = loop_now(sh->loop) + AFTERWARDS;
	sh->prompt.ready = ready;
	on = ready || loop_now(sh->loop) < sh->prompt.until;
	if (on != sh->prompt.on)
		prompt_set(on); /* where it is not allowed, it is not asked for again and again */
	sh->prompt.on = on;
}

static bool
on_each(void *arg)
{
	struct shell *sh = arg;

	stand_ready(sh);
	if (!sh->dirty)
		return false;
	sh->dirty = false;
	shell_step(sh, &(struct sync_event){ .kind = SYNC_FLUSH });
	return false;
}

static void
on_tick(void *arg)
{
	struct shell *sh = arg;

	shell_step(sh, &(struct sync_event){ .kind = SYNC_TICK });
	rows_shell_second(sh);
	loop_timer_set(sh->loop, &sh->tick, loop_now(sh->loop) + (sh->conf->pair.enabled ? TICK : TICK_SINGLE));
}

/* --- start ---------------------------------------------------------------------------------------------------- */

static struct {
	const char *config, *schema;
} files;

/* Of a new configuration the level of the log and degrade-time count at once; the rest is named. */
bool
shell_reload(struct shell *sh, char *said, size_t len)
{
	char error[CONF_TEXT], names[CONF_TEXT];
	struct conf *conf = conf_load(files.config, files.schema, error, sizeof error);
	bool restart;

	if (!conf) {
		snprintf(said, len, "configuration refused, the old one stays: %s", error);
		log_line(NOTE_ERROR, "%s", said);
		return false;
	}
	log_level(conf->node.log_level);
	sh->core.conf.degrade = (mono_t)conf->pair.degrade_ms * MONO_MS;
	restart = conf_needs_restart(sh->conf, conf, CONF_PART_NODE | CONF_PART_STORE | CONF_PART_PAIR, names, sizeof names);
	if (restart)
		snprintf(said, len, "configuration loaded, but state-sync must be restarted for %s", names);
	else
		snprintf(said, len, "configuration loaded degrade-ms=%u", conf->pair.degrade_ms);
	log_line(restart ? NOTE_WARN : NOTE_INFO, "%s", said);
	conf_free(conf);
	return true;
}

static void
on_reload(void *arg)
{
	char said[1024];

	shell_reload(arg, said, sizeof said);
}

static void
arguments(int argc, char **argv, const char **config, const char **schema, bool *wait_disk)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "schema", required_argument, NULL, 's' },
		{ "alone-waits-disk", no_argument, NULL, 'd' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "c:s:d", options, NULL)) != -1) {
		if (o == 'c')
			*config = optarg;
		else if (o == 's')
			*schema = optarg;
		else if (o == 'd')
			*wait_disk = true;
	}
	if (!*config || optind != argc) {
		fprintf(stderr, "usage: state-sync --config FILE [--schema DIR] [--alone-waits-disk]\n");
		exit(2);
	}
}

static struct sync_conf
core_conf(const struct conf *c, bool wait_disk)
{
	struct sync_conf s = { .pair = c->pair.enabled, .alone_waits_disk = wait_disk };

	snprintf(s.node, sizeof s.node, "%s", c->node.name);
	s.side = c->pair.enabled ? (uint8_t)pair_side(&c->pair) : 0;
	s.degrade = (mono_t)c->pair.degrade_ms * MONO_MS;
	return s;
}

static void
start(struct shell *sh, bool wait_disk)
{
	struct sync_conf conf = core_conf(sh->conf, wait_disk);
	struct sync_meta meta;
	char error[STORE_ERROR] = "";
	uint64_t instance = 0;
	bool damaged = false;

	mkdir(sh->conf->node.run_dir, 0755); /* usually made by whoever supervises us */
	if (claim_take(sh->conf->node.run_dir, "state-sync", CLAIM_MS) == -EBUSY)
		give_up("another state-sync runs on this node");
	if (!store_shell_open(sh, &meta, &damaged, error, sizeof error))
		give_up(error);
	while (!instance)
		if (getrandom(&instance, sizeof instance, 0) != sizeof instance)
			instance = (uint64_t)mono_now();
	sync_init(&sh->core, &conf, &meta, instance);
	sh->loop = loop_new();
	prompt_set(true); /* the bus's threads: the role goes through them, and what the twin is told (base/prompt.h) */
	sh->bus = sh->loop ? bus_new(sh->loop, sh->conf->node.run_dir) : NULL;
	if (!sh->bus || !bus_shell_start(sh))
		give_up(strerror(errno));
	prompt_set(false);
	if (!rows_shell_start(sh) || !store_shell_start(sh))
		give_up(strerror(errno));
	if (!mirror_shell_start(sh, error, sizeof error))
		give_up(error);
	if (damaged)
		rows_shell_alarm(sh, SYNC_ALARM_STORE_DAMAGED, true, sh->conf->node.store_dir);
	log_line(NOTE_INFO, "started position=%llu epoch=%llu lineage=%016llx%s", (unsigned long long)meta.position,
		 (unsigned long long)meta.epoch, (unsigned long long)meta.lineage, sh->core.meta.complete ? "" : " half");
}

static void
stop(struct shell *sh)
{
	loop_each_remove(sh->each);
	bus_message_free(sh->feed);
	bus_free(sh->bus);
	store_shell_stop(sh);
	sync_fini(&sh->core);
	batch_free(sh->rows);
	arena_fini(&sh->arena);
	loop_free(sh->loop);
	conf_free(sh->conf);
}

int
main(int argc, char **argv)
{
	const char *config = NULL, *schema = NULL;
	struct shell *sh = &shell;
	char error[CONF_TEXT] = "";
	bool wait_disk = false;

	sh->out = (struct sync_out){ out_commit, out_rows, out_wipe, out_meta, out_rows, out_snap_begin,
				     out_snap_next, out_snap_end, out_disk, out_client, out_twin, out_status,
				     out_alarm, out_note };
	arguments(argc, argv, &config, &schema, &wait_disk);
	files.config = config;
	files.schema = schema;
	log_open("state-sync", NOTE_INFO);
	sh->conf = conf_load(config, schema, error, sizeof error);
	if (!sh->conf)
		give_up(error);
	log_level(sh->conf->node.log_level);
	setpriority(PRIO_PROCESS, 0, -5); /* where it is allowed; the threads that begin now inherit it */
	start(sh, wait_disk);
	loop_stop_on_signals(sh->loop);
	loop_signal(sh->loop, SIGHUP, on_reload, sh);
	sh->each = loop_each(sh->loop, on_each, sh);
	loop_timer_init(&sh->tick, on_tick, sh);
	on_tick(sh);
	loop_run(sh->loop);
	stop(sh);
	return 0;
}
