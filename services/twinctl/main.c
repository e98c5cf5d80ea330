// SPDX-License-Identifier: Apache-2.0
/*
 * twinctl: look at a node and act on it.  Owns nothing.  It reads the store (read-only LMDB) and asks the
 * processes at their command endpoints; it needs the permission to read the one and to connect to the others.
 *
 *   main.c      arguments, the table of commands, help
 *   show_*.c    what is read          act.c    what is asked for
 *   config.c    the configuration     wait.c   conditions for scripts
 *   out.c       tables, JSON          text.c filter.c meanings.c   pure helpers
 */
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "show.h"
#include "text.h"

#define DEFAULT_CONFIG "/etc/twinlns/twinlns.json"

struct command {
	const char *name, *syntax;
	int (*run)(struct node *, const char *const *words, unsigned n);
	const char *help;
};

static const struct command shows[] = {
	{ "cluster", "", show_cluster, "role, epoch, lease, paths to the twin, mirror, store" },
	{ "history", "", show_history, "this node's changes of role: when, why, how long, and how sessions came through" },
	{ "recovery", "", show_recovery, "the last recovery of tunnels (RFC 4951): how many, how long, what was lost" },
	{ "tunnels", "", show_tunnels, "control connections" },
	{ "tunnel", "TUNNEL", show_tunnel, "everything about one: ends, terms, numbers, calls" },
	{ "sessions", "[FILTER...]", show_sessions, "calls and their subscribers" },
	{ "session", "TUNNEL/SESSION | FILTER...", show_session, "everything about one: call, access line, PPP, echoes, traffic" },
	{ "dials", "", show_dials, "as client: the calls to be kept up" },
	{ "radius", "", show_radius, "RADIUS servers: alive or dead, and what waits for them" },
	{ "pools", "", show_pools, "address pools and how full they are" },
	{ "alarms", "", show_alarms, "what stands, what it means, what to do" },
	{ "counters", "[PROCESS [TEXT]] [all]", show_counters, "numbers that moved, with their meaning" },
	{ "tables", "", show_tables, "the store's tables and their rows" },
	{ NULL, NULL, NULL, NULL },
};

int
usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("twinctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" (twinctl --help)\n", stderr);
	return USAGE;
}

static void
help_to(FILE *to)
{
	char line[TEXT];

	fputs("twinctl [OPTIONS] COMMAND\n\nLook:\n", to);
	for (const struct command *c = shows; c->name; c++) {
		snprintf(line, sizeof line, "show %s %s", c->name, c->syntax);
		fprintf(to, "  %-42s %s\n", line, c->help);
	}
	fputs("  cluster [history]                          the same as show cluster and show history\n", to);
	fputs("  trunk [TUNNEL/SESSION | watch [SECONDS]]   trunks: what each carries, saves, delays and loses; one of them; live\n", to);
	fputs("\nAct:\n", to);
	act_help(to);
	fputs("\nFor scripts:\n"
	     "  wait CONDITION [SECONDS]                   up, active, standby, mirrored, sessions N, tunnels N\n"
	     "  config check [FILE]                        is this configuration valid?\n"
	     "  config get NAME... | config schema         single values; the YANG module\n"
	     "  config profile ADDRESS [HOST-NAME]         which profile a peer gets\n"
	     "  config reload                              every process reads it again, and says what became of it\n"
	     "  log [LEVEL] [PROCESS]                      what is written now; debug, info, warning or error from now on\n"
	     "  raw PROCESS WORDS...                       any words to tunnel-ctl, session-mgr, state-sync, elector, worker.N\n"
	     "  meanings counters|alarms                   every counter or alarm with its sentence\n"
	     "\nFilters of sessions:  user PATTERN   address PREFIX   calling PATTERN   tunnel ID   state STATE   up   limit ROWS\n"
	     "\nOptions:\n"
	     "  --config FILE   the node's configuration (TWINLNS_CONFIG, else " DEFAULT_CONFIG ")\n"
	     "  --run DIR       its run folder, where the configuration is not at hand (deploy/twinlns-up leaves one there)\n"
	     "  --store DIR     its store\n"
	     "  --timeout MS    how long a process may take to answer (2000)\n"
	     "  --json          for programs; numbers without units\n"
	     "  COMMAND --help  the lines about it alone\n"
	     "\nExit codes: 0 done, 1 refused or not found, 2 wrong words, 3 a process does not answer, 4 configuration or\n"
	     "store cannot be read.\n"
	     "\nTry:\n"
	     "  twinctl show cluster                        is the standby warm?\n"
	     "  twinctl show sessions user 'alice*'         who is it, and where\n"
	     "  twinctl show session 7/4242                 why is it slow\n"
	     "  twinctl cluster history                     when did it switch, why, and did anybody notice\n"
	     "  twinctl switchover                          before you touch the active node\n",
	     to);
}

/* `twinctl WORD --help`: the lines of the help that begin with it, or show it. */
static int
help_about(const char *word)
{
	char *all = NULL, *line, *rest;
	size_t len = 0, w = strlen(word);
	FILE *to = open_memstream(&all, &len);
	bool any = false;

	if (!to)
		return USAGE;
	help_to(to);
	fclose(to);
	for (rest = all; (line = strsep(&rest, "\n"));) {
		const char *at = line + strspn(line, " ");
		bool shown = strncmp(at, "show ", 5) == 0 && strncmp(at + 5, word, w) == 0;
		bool begins = strncmp(at, word, w) == 0 && (at[w] == ' ' || !at[w]);
		bool example = strncmp(at, "twinctl ", 8) == 0 && strncmp(at + 8, word, w) == 0;
		if (at > line && (shown || begins || example)) {
			puts(line);
			any = true;
		}
	}
	free(all);
	if (any && strcmp(word, "cluster") == 0)
		puts("\nIn its history RECOVERED says what a change of role stood on: what the twin had mirrored, or a store on disk\n"
		     "(stale: RFC 4951, or what the peers let stand); twinctl show recovery has the numbers of the last one.");
	return any ? DONE : usage_error("no such command: '%s'", word);
}

static bool
asks_help(const char *const *words, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		if (strcmp(words[i], "--help") == 0 || (strcmp(words[i], "-h") == 0 && strcmp(words[0], "raw") != 0))
			return true;
	return false;
}

static int
show(struct node *n, const char *const *words, unsigned count)
{
	for (const struct command *c = shows; count && c->name; c++) {
		if (strcmp(c->name, words[0]) == 0)
			return c->run(n, words + 1, count - 1);
	}
	return usage_error(count ? "nothing to show by the name '%s'" : "show what%s", count ? words[0] : "?");
}

static int
raw(struct node *n, const char *const *words, unsigned count)
{
	if (count < 2)
		return usage_error("raw PROCESS WORDS...");
	return node_ask(n, words[0], words + 1, count - 1);
}

static int
run(struct node *n, const char *const *words, unsigned count)
{
	static const struct command top[] = {
		{ "show", NULL, show, NULL },	  { "wait", NULL, wait_command, NULL },
		{ "raw", NULL, raw, NULL },	  { "config", NULL, config_command, NULL },
		{ "meanings", NULL, help_meanings, NULL }, { "cluster", NULL, cluster_command, NULL },
		{ "trunk", NULL, trunk_command, NULL },	  { "log", NULL, log_command, NULL },
	};
	int code;

	if (count > 1 && strcmp(words[0], "help") == 0)
		return help_about(words[1]);
	if (count == 0 || strcmp(words[0], "help") == 0) {
		help_to(stdout);
		return count ? DONE : USAGE;
	}
	if (asks_help(words, count))
		return help_about(words[0]);
	for (unsigned i = 0; i < sizeof top / sizeof top[0]; i++) {
		if (strcmp(top[i].name, words[0]) == 0)
			return top[i].run(n, words + 1, count - 1);
	}
	code = act_command(n, words, count);
	return code >= 0 ? code : usage_error("no such command: '%s'", words[0]);
}

enum { OPT_CONFIG = 256, OPT_RUN, OPT_STORE, OPT_TIMEOUT, OPT_JSON, OPT_HELP };

static const struct option options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },   { "run", required_argument, NULL, OPT_RUN },
	{ "store", required_argument, NULL, OPT_STORE },     { "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "json", no_argument, NULL, OPT_JSON },	     { "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* --json counts wherever it stands; other options stand before the command, whose words may begin with '-'. */
static unsigned
without_json(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			out_json = true;
		else
			argv[n++] = argv[i];
	}
	return n;
}

static const char *
default_config(void)
{
	const char *env = getenv("TWINLNS_CONFIG");

	return env && *env ? env : DEFAULT_CONFIG;
}

int
main(int argc, char **argv)
{
	struct node node = { .config = NULL, .timeout_ms = 2000 };
	static char in_run[4096];
	unsigned long ms;
	unsigned count;
	int c, code;

	setlocale(LC_ALL, "");
	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (c) {
		case OPT_CONFIG: node.config = optarg; break;
		case OPT_RUN: node.run_dir = optarg; break;
		case OPT_STORE: node.store_dir = optarg; break;
		case OPT_JSON: out_json = true; break;
		case OPT_TIMEOUT:
			if (!text_number(optarg, 600000, &ms) || ms == 0)
				return usage_error("--timeout wants milliseconds, not '%s'", optarg);
			node.timeout_ms = (unsigned)ms;
			break;
		case 'h':
		case OPT_HELP: help_to(stdout); return DONE;
		default: return USAGE;
		}
	}
	if (!node.config && node.run_dir) { /* deploy/twinlns-up leaves a link to the configuration there */
		snprintf(in_run, sizeof in_run, "%s/twinlns.json", node.run_dir);
		node.config = in_run;
	}
	if (!node.config)
		node.config = default_config();
	count = without_json(argc - optind, argv + optind);
	code = run(&node, (const char *const *)argv + optind, count);
	node_close(&node);
	return code;
}
