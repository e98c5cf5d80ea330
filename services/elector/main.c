// SPDX-License-Identifier: Apache-2.0
/*
 * elector: the node's role, its epoch, the lease under which anything may be sent, the heartbeats with
 * the twin, and the service addresses (docs/processes/elector.md).
 *
 * May use: UDP on the configured paths, rtnetlink (CAP_NET_ADMIN), packet sockets (CAP_NET_RAW), a real-time
 * priority and locked memory (where allowed), RUN/role.state, the bus.  Opens no store.
 *
 * It must start in milliseconds, because it is restarted within its own lease: so the role file is read first,
 * and what libyang made of the configuration is kept beside it (shell_conf.c).
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "shell.h"

static struct shell shell = { .packet = -1, .state_fd = -1 };

static void
give_up(const char *why)
{
	log_line(NOTE_ERROR, "cannot go on reason=\"%s\"", why);
	exit(1);
}

/* --- the core's way out ----------------------------------------------------------------------------------- */

static void
out_beat(struct elect_out *o, const struct beat *b)
{
	beat_shell_send((struct shell *)o, b);
}

static void
out_lease(struct elect_out *o, uint64_t epoch, bool active, mono_t until)
{
	bus_shell_lease((struct shell *)o, epoch, active, until);
}

static void
out_order(struct elect_out *o, const struct elect_order *order)
{
	bus_shell_order((struct shell *)o, order);
}

static void
out_addresses(struct elect_out *o, bool hold)
{
	addr_shell_hold((struct shell *)o, hold);
}

static void
out_alarm(struct elect_out *o, enum elect_alarm a, bool stands, const char *detail)
{
	bus_shell_alarm((struct shell *)o, a, stands, detail);
}

static void
out_note(struct elect_out *o, enum note_level level, const char *line)
{
	log_note(level, line);
}

static void
out_answer(struct elect_out *o, uint64_t ticket, bool ok, const char *text)
{
	bus_shell_answer((struct shell *)o, ticket, ok, text);
}

void
shell_step(struct shell *sh, const struct elect_event *ev)
{
	elect_step(&sh->core, mono_now(), ev, &sh->out);
	file_shell_save(sh);
}

/* --- time ---------------------------------------------------------------------------------------------------- */

/* The next tick, or a decision that is due before it: a promotion does not wait for our own heartbeat. */
static void
sleep_on(struct shell *sh, mono_t now)
{
	mono_t due = elect_due(&sh->core);

	loop_timer_set(sh->loop, &sh->beat, due > now && due < sh->beat_due ? due : sh->beat_due);
}

static void
on_beat(void *arg)
{
	struct shell *sh = arg;
	mono_t now = mono_now();

	beat_shell_read(sh); /* what has arrived was heard before this tick */
	if (now < sh->beat_due) {
		shell_step(sh, &(struct elect_event){ .kind = ELECT_DUE });
		sleep_on(sh, now);
		return;
	}
	shell_step(sh, &(struct elect_event){ .kind = ELECT_TICK });
	sh->beat_due += sh->core.conf.heartbeat;
	if (sh->beat_due <= now)
		sh->beat_due = now + sh->core.conf.heartbeat;
	sleep_on(sh, now);
	addr_shell_check(sh);
	if (now - sh->second >= MONO_S) {
		sh->second = now;
		bus_shell_second(sh);
	}
	if (sh->core.leaving && elect_may_leave(&sh->core))
		loop_stop(sh->loop);
}

static void
on_leave(void *arg)
{
	struct shell *sh = arg;

	log_line(NOTE_INFO, "told to end role=%s", elect_role_name(sh->core.role));
	shell_step(sh, &(struct elect_event){ .kind = ELECT_LEAVE });
	if (elect_may_leave(&sh->core))
		loop_stop(sh->loop);
}

/* --- configuration ---------------------------------------------------------------------------------------------- */

static bool
refused(const char *error, char *said, size_t len)
{
	snprintf(said, len, "configuration refused, the old one stays: %s", error);
	log_line(NOTE_ERROR, "%s", said);
	return false;
}

/* What a child has validated is read at once. */
static bool
take_configuration(struct shell *sh, char *said, size_t len)
{
	char error[CONF_TEXT] = "";
	uint8_t side = sh->core.conf.side, key[sizeof sh->key];
	bool beats;

	memcpy(key, sh->key, sizeof key);
	if (!shell_conf_read(sh, error, sizeof error))
		return refused(error, said, len);
	snprintf(said, len, "configuration loaded%s%s",
		 sh->core.conf.side != side ? ", but both electors must be restarted: the side of the pair changed" : "",
		 memcmp(key, sh->key, sizeof key) != 0 ? ", but both electors must be restarted for the new secret" : "");
	sh->core.conf.side = side;
	memcpy(sh->key, key, sizeof key); /* with another one than the twin's nothing would be heard */
	beat_shell_stop(sh);
	beats = beat_shell_start(sh, error, sizeof error);
	if (!beats)
		snprintf(said + strlen(said), len - strlen(said), "; heartbeats cannot be sent: %s", error);
	log_line(beats ? NOTE_INFO : NOTE_ERROR, "%s", said);
	return beats;
}

static void
on_prepared(void *arg, int fd, unsigned events)
{
	struct shell *sh = arg;
	struct answer *a = sh->reload_answer;
	char error[CONF_TEXT], said[1024];
	ssize_t n = read(fd, error, sizeof error - 1);
	bool taken;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	loop_fd_remove(sh->reloading);
	close(fd);
	sh->reloading = NULL;
	sh->reload_answer = NULL;
	error[n > 0 ? n : 0] = '\0';
	taken = n > 0 ? refused(error, said, sizeof said) : take_configuration(sh, said, sizeof said);
	if (!a)
		return;
	answer_say(a, taken, "%s", said);
	answer_send(a);
}

bool
shell_reload(struct shell *sh, struct answer *a, char *why, size_t len)
{
	int fd = sh->reloading ? -1 : shell_conf_prepare(sh);

	if (fd < 0) {
		snprintf(why, len, sh->reloading ? "a reload is under way" : "no child: %s", strerror(errno));
		return false;
	}
	sh->reloading = loop_fd_add(sh->loop, fd, LOOP_READ, on_prepared, sh);
	if (!sh->reloading) {
		snprintf(why, len, "no memory");
		close(fd);
		return false;
	}
	sh->reload_answer = a ? answer_defer(a) : NULL;
	return true;
}

static void
on_reload(void *arg)
{
	char why[128];

	if (!shell_reload(arg, NULL, why, sizeof why))
		log_line(NOTE_WARN, "no reload reason=\"%s\"", why);
}

static void
arguments(int argc, char **argv, struct shell *sh)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "schema", required_argument, NULL, 's' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "c:s:", options, NULL)) != -1) {
		if (o == 'c')
			sh->config = optarg;
		else if (o == 's')
			sh->schema = optarg;
	}
	if (!sh->config || optind != argc) {
		fprintf(stderr, "usage: elector --config FILE [--schema DIR]\n");
		exit(2);
	}
}

/* Late heartbeats are dead nodes.  Where this is not allowed, go on, and say so once.  First of all: see above. */
static void
be_prompt(void)
{
	struct sched_param p = { .sched_priority = 10 };

	if (sched_getscheduler(0) != SCHED_FIFO && sched_setscheduler(0, SCHED_FIFO, &p) < 0 &&
	    setpriority(PRIO_PROCESS, 0, -20) < 0)
		log_line(NOTE_WARN, "no real-time priority reason=%s", strerror(errno));
}

static void
stay_in_memory(void)
{
	if (mlockall(MCL_CURRENT) < 0)
		log_line(NOTE_WARN, "memory is not locked reason=%s", strerror(errno));
}

static void
start(struct shell *sh)
{
	struct elect_conf conf = sh->core.conf;
	struct elect_saved saved;
	char error[CONF_TEXT] = "";
	uint64_t boot = 0;
	bool found;

	mkdir(sh->node.run_dir, 0755); /* usually made by whoever supervises us */
	if (!file_shell_open(sh, &saved, &found))
		give_up("the role file cannot be opened, or another elector holds it");
	while (!boot)
		if (getrandom(&boot, sizeof boot, 0) != sizeof boot)
			boot = (uint64_t)mono_now();
	elect_init(&sh->core, &conf, mono_now(), boot, found ? &saved : NULL);
	sh->core.holding = sh->core.role == ELECT_ACTIVE || sh->core.role == ELECT_PROMOTING;
	sh->loop = loop_new();
	sh->bus = sh->loop ? bus_new(sh->loop, sh->node.run_dir) : NULL;
	if (!sh->bus || !bus_shell_start(sh))
		give_up(strerror(errno));
	if (!beat_shell_start(sh, error, sizeof error))
		give_up(error);
	if (!addr_shell_start(sh))
		give_up("rtnetlink cannot be opened");
}

int
main(int argc, char **argv)
{
	struct shell *sh = &shell;
	char error[CONF_TEXT] = "";
	mono_t from = mono_now();

	sh->out = (struct elect_out){ out_beat, out_lease, out_order, out_addresses, out_alarm, out_note, out_answer };
	arguments(argc, argv, sh);
	log_open("elector", NOTE_INFO);
	be_prompt();
	if (!shell_conf_read(sh, error, sizeof error))
		give_up(error);
	start(sh);
	loop_stop_on_signals(sh->loop);
	loop_signal(sh->loop, SIGTERM, on_leave, sh);
	loop_signal(sh->loop, SIGHUP, on_reload, sh);
	loop_timer_init(&sh->beat, on_beat, sh);
	on_beat(sh);
	log_line(NOTE_INFO, "started role=%s epoch=%llu side=%u ms=%.1f", elect_role_name(sh->core.role),
		 (unsigned long long)sh->core.epoch, sh->core.conf.side, (double)(mono_now() - from) / MONO_MS);
	stay_in_memory();
	loop_run(sh->loop);
	beat_shell_stop(sh);
	addr_shell_stop(sh);
	lease_close(sh->lease);
	bus_free(sh->bus);
	loop_free(sh->loop);
	return 0;
}
