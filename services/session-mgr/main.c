// SPDX-License-Identifier: Apache-2.0
/*
 * session-mgr: PPP links and subscribers, address pools, AAA, accounting (docs/processes/session-mgr.md).
 *
 * May use: UDP to the configured RADIUS servers, the bus, a read view of the store, the users file.  Needs no
 * privilege.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "shell.h"

static struct shell shell;

static const struct counter_info shell_counter_info[SHELL_COUNTERS] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "shell_counters.def"
#undef X
};

static void
give_up(const char *why)
{
	log_line(NOTE_ERROR, "cannot go on reason=\"%s\"", why);
	exit(1);
}

/* ---- Time and chance. */

struct sm_time
shell_time(struct shell *sh)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (struct sm_time){ loop_now(sh->loop), (uint64_t)ts.tv_sec };
}

void
shell_random(void *arg, uint8_t *out, size_t n)
{
	struct shell *sh = arg;

	while (n) {
		size_t take;

		if (sh->pool_left == 0) {
			ssize_t got = getrandom(sh->pool, sizeof sh->pool, 0);
			sh->pool_left = got > 0 ? (size_t)got : 0;
			continue;
		}
		take = n < sh->pool_left ? n : sh->pool_left;
		sh->pool_left -= take;
		memcpy(out, sh->pool + sh->pool_left, take);
		memset(sh->pool + sh->pool_left, 0, take);
		out += take;
		n -= take;
	}
}

void
shell_step(struct shell *sh, const struct sm_event *ev)
{
	if (owner_active(sh->owner))
		sm_step(sh->sm, shell_time(sh), ev, owner_sink(sh->owner));
}

/* ---- The desk's way out. */

static void
on_answer(void *arg, const struct aaa_answer *a)
{
	struct shell *sh = arg;
	struct sm_event ev = { .kind = SM_EV_AAA, .aaa = a };

	if (!cmd_shell_answer(sh, a))
		shell_step(sh, &ev);
}

static void
on_acct_done(void *arg, struct span key, bool answered)
{
	struct sm_event ev = { .kind = SM_EV_ACCT_DONE, .acct = { key, answered } };

	shell_step(arg, &ev);
}

/* Only the active node asks: what another one knows is of when it was. */
static void
radius_alarm(struct shell *sh, enum desk_kind kind)
{
	const enum sm_alarm which = kind == DESK_AUTH ? SM_ALARM_RADIUS_AUTH_DEAD : SM_ALARM_RADIUS_ACCT_DEAD;
	const int dead = owner_active(sh->owner) ? aaa_desk_dead(sh->desk, kind) : -1;
	char t[ADDR_TEXT] = "";

	if (dead >= 0)
		ip_addr_text(&sh->conf->aaa.server[dead].addr, t);
	owner_alarm(sh->owner, &sm_alarm_info[which], dead >= 0, "server=%s", t);
}

static void
on_server_state(void *arg, enum desk_kind kind, unsigned server, bool dead)
{
	radius_alarm(arg, kind);
}

static void
ask_waiting(struct shell *sh)
{
	for (int i = 0; i < 256 && sh->questions; i++) {
		struct question *q = sh->questions;

		sh->questions = q->next;
		if (!sh->questions)
			sh->questions_end = &sh->questions;
		if (q->acct)
			aaa_desk_acct(sh->desk, (const struct acct_ask *)q->octets, shell_time(sh).wall, loop_now(sh->loop));
		else
			aaa_desk_ask(sh->desk, (const struct aaa_request *)q->octets, loop_now(sh->loop));
		free(q);
	}
}

/* ---- The loop. */

static void
nothing(void *arg)
{
	(void)arg; /* being awake is all: every iteration looks at what is due */
}

/* Once an iteration: what is due, what was asked, what goes out. */
static bool
each(void *arg)
{
	struct shell *sh = arg;
	struct sm_event ev = { .kind = SM_EV_TICK };
	mono_t now = loop_now(sh->loop), due;

	ask_waiting(sh);
	if (owner_active(sh->owner) && (due = sm_next_due(sh->sm)) != MONO_NEVER && due <= now)
		shell_step(sh, &ev);
	if ((due = aaa_desk_next_due(sh->desk)) != MONO_NEVER && due <= now)
		aaa_desk_tick(sh->desk, shell_time(sh).wall, now);
	owner_flush(sh->owner);
	bus_shell_flush(sh);
	due = owner_active(sh->owner) ? sm_next_due(sh->sm) : MONO_NEVER;
	loop_timer_set(sh->loop, &sh->tick, due);
	loop_timer_set(sh->loop, &sh->desk_tick, aaa_desk_next_due(sh->desk));
	return sh->questions != NULL || (due != MONO_NEVER && due <= now);
}

static void
every_second(void *arg)
{
	struct shell *sh = arg;

	radius_shell_counts(sh);
	bus_shell_alarms(sh);
	radius_alarm(sh, DESK_AUTH);
	radius_alarm(sh, DESK_ACCT);
	loop_timer_set(sh->loop, &sh->second, loop_now(sh->loop) + MONO_S);
}

/* ---- Configuration. */

bool
shell_read_users(struct shell *sh, char *error, size_t error_len)
{
	struct users *us;

	error[0] = 0;
	if (!sh->conf->aaa.users_file[0] || sh->conf->aaa.mode == AAA_RADIUS)
		return true;
	us = users_load(sh->conf->aaa.users_file, error, error_len);
	if (us) {
		log_line(NOTE_INFO, "users file read users=%u", users_count(us));
		aaa_desk_users(sh->desk, us);
	}
	snprintf(sh->users_error, sizeof sh->users_error, "%s", us ? "" : error);
	if (sh->owner)
		owner_alarm(sh->owner, &sm_alarm_info[SM_ALARM_USERS_FILE_BAD], us == NULL, "%s", error);
	return us != NULL;
}

static bool
take_configuration(struct shell *sh, char *said, size_t len)
{
	char error[CONF_TEXT] = "", changed[512];
	struct conf *c = conf_load(sh->config, sh->schema, error, sizeof error);

	if (!c) {
		snprintf(said, len, "configuration refused, the old one stays: %s", error);
		log_line(NOTE_ERROR, "%s", said);
	} else {
		conf_changes(sh->conf, c, changed, sizeof changed);
		conf_free(sh->conf);
		sh->conf = c;
		sh->workers = c->data.workers && c->data.workers <= WORKERS_MAX ? c->data.workers : 1;
		radius_shell_close(sh);
		sm_configure(sh->sm, c);
		aaa_desk_configure(sh->desk, &c->aaa, loop_now(sh->loop));
		log_level((enum note_level)c->node.log_level);
		sm_note_level(sh->sm, (enum note_level)c->node.log_level);
		snprintf(said, len, "configuration loaded ppp=%u pools=%u servers=%u changed=%s", c->ppps, c->pools,
			 c->aaa.servers, *changed ? changed : "nothing");
		log_line(NOTE_INFO, "%s", said);
	}
	return c != NULL;
}

bool
shell_reload(struct shell *sh, char *said, size_t len)
{
	char users_error[300];
	bool taken = take_configuration(sh, said, len);

	if (shell_read_users(sh, users_error, sizeof users_error))
		return taken;
	log_line(NOTE_ERROR, "users file not taken reason=\"%s\"", users_error);
	snprintf(said + strlen(said), len - strlen(said), "; users file not taken: %s", users_error);
	return false;
}

static void
on_reload(void *arg)
{
	char said[1024] = "";

	shell_reload(arg, said, sizeof said);
}

static void
usage(FILE *out)
{
	fputs("usage: session-mgr --config FILE [--schema DIR]\n"
	      "\n"
	      "PPP links, subscribers, address pools, AAA and accounting of a TwinLNS node.\n"
	      "\n"
	      "  --config FILE   the node's configuration, JSON after twinlns.yang\n"
	      "  --schema DIR    where twinlns.yang is, if not the one built in\n"
	      "\n"
	      "It is started by the node's supervisor, runs in the foreground, writes its log to stderr, and\n"
	      "can be killed and started again at any time.  SIGHUP: reads the configuration and the users file\n"
	      "again.  SIGTERM: ends.  Commands: twinctl session clear, twinctl aaa test USER PASSWORD,\n"
	      "twinctl raw session-mgr help.\n",
	      out);
}

static void
arguments(int argc, char **argv, struct shell *sh)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "schema", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "c:s:h", options, NULL)) != -1) {
		if (o == 'c')
			sh->config = optarg;
		else if (o == 's')
			sh->schema = optarg;
		else if (o == 'h') {
			usage(stdout);
			exit(0);
		} else {
			usage(stderr);
			exit(2);
		}
	}
	if (!sh->config || optind != argc) {
		usage(stderr);
		exit(2);
	}
}

static void
start(struct shell *sh)
{
	static const struct aaa_desk_ops desk = { on_answer, on_acct_done, radius_shell_send, shell_random, on_server_state };
	struct sm_env env = { shell_random, sh };
	char users_error[300];

	sh->workers = sh->conf->data.workers && sh->conf->data.workers <= WORKERS_MAX ? sh->conf->data.workers : 1;
	sh->loop = loop_new();
	sh->bus = sh->loop ? bus_new(sh->loop, sh->conf->node.run_dir) : NULL;
	sh->sm = sm_new(&env);
	sh->desk = aaa_desk_new(&desk, sh);
	if (!sh->bus || !sh->sm || !sh->desk)
		give_up(strerror(errno));
	sm_configure(sh->sm, sh->conf);
	sm_note_level(sh->sm, (enum note_level)sh->conf->node.log_level);
	aaa_desk_configure(sh->desk, &sh->conf->aaa, mono_now());
	if (!bus_shell_start(sh))
		give_up(strerror(errno));
	if (!shell_read_users(sh, users_error, sizeof users_error))
		log_line(NOTE_ERROR, "users file not taken reason=\"%s\"", users_error);
	radius_shell_start(sh);
	memcpy(sh->sets, sm_counters(sh->sm), 2 * sizeof sh->sets[0]);
	sh->sets[2] = (struct counters){ shell_counter_info, sh->v, SHELL_COUNTERS };
	owner_counters(sh->owner, sh->sets, sizeof sh->sets / sizeof sh->sets[0]);
	loop_timer_init(&sh->tick, nothing, sh);
	loop_timer_init(&sh->desk_tick, nothing, sh);
	loop_timer_init(&sh->second, every_second, sh);
	sh->each = loop_each(sh->loop, each, sh);
}

int
main(int argc, char **argv)
{
	struct shell *sh = &shell;
	char error[CONF_TEXT] = "";

	arguments(argc, argv, sh);
	log_open("session-mgr", NOTE_INFO);
	sh->conf = conf_load(sh->config, sh->schema, error, sizeof error);
	if (!sh->conf)
		give_up(error);
	log_level((enum note_level)sh->conf->node.log_level);
	start(sh);
	loop_stop_on_signals(sh->loop);
	loop_signal(sh->loop, SIGHUP, on_reload, sh);
	every_second(sh);
	log_line(NOTE_INFO, "started pid=%d", (int)getpid());
	loop_run(sh->loop);
	owner_free(sh->owner);
	radius_shell_close(sh);
	cmd_shell_forget(sh);
	aaa_desk_free(sh->desk);
	sm_free(sh->sm);
	bus_free(sh->bus);
	loop_free(sh->loop);
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		free(sh->out[i]);
	conf_free(sh->conf);
	return 0;
}
