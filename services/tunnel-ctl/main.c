// SPDX-License-Identifier: Apache-2.0
/*
 * tunnel-ctl --config FILE: control connections and calls of L2TP.
 *
 * May use: the bus under RUN (punt.tunnel-ctl, cmd.tunnel-ctl, sync) and a read view of the store.
 * It holds no network socket and needs no privilege: whatever it was started with is dropped first.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/random.h>

#include "shell.h"

static void
usage(FILE *to, int code)
{
	fputs("usage: tunnel-ctl --config FILE [--schema DIR]\n"
	      "\n"
	      "Owns the L2TP control connections and calls of a node; one process a node.\n"
	      "\n"
	      "  --config FILE   the node's configuration (JSON after the YANG module twinlns)\n"
	      "  --schema DIR    where the YANG module is, if not the built-in one\n"
	      "\n"
	      "SIGHUP reads FILE again; SIGTERM ends the process, and no call with it.\n"
	      "Commands while it runs:  twinctl raw tunnel-ctl help\n",
	      to);
	exit(code);
}

static void
give_up(const char *what, const char *why)
{
	log_line(NOTE_ERROR, "cannot start: %s: %s", what, why);
	exit(1);
}

static void
privileges_drop(void)
{
	cap_t none = cap_init();

	if (!none || cap_set_proc(none) < 0)
		log_line(NOTE_WARN, "privileges not dropped error=%s", strerror(errno));
	if (none)
		cap_free(none);
}

static void
fill_random(void *arg, void *octets, size_t n)
{
	uint8_t *p = octets;

	while (n) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno != EINTR)
			give_up("getrandom", strerror(errno));
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
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
			sh->conf_file = optarg;
		else if (o == 's')
			sh->schema_dir = optarg;
		else
			usage(o == 'h' ? stdout : stderr, o == 'h' ? 0 : 2);
	}
	if (!sh->conf_file || optind != argc)
		usage(stderr, 2);
}

static void
on_hup(void *arg)
{
	char said[1024];

	shell_reload(arg, said, sizeof said);
}

int
main(int argc, char **argv)
{
	static struct shell sh;
	const struct tc_random random = { fill_random, NULL };
	char error[CONF_TEXT];

	arguments(argc, argv, &sh);
	log_open("tunnel-ctl", NOTE_INFO);
	privileges_drop();
	sh.conf = conf_load(sh.conf_file, sh.schema_dir, error, sizeof error);
	if (!sh.conf)
		give_up(sh.conf_file, error);
	log_level((enum note_level)sh.conf->node.log_level);
	sh.loop = loop_new();
	sh.bus = sh.loop ? bus_new(sh.loop, sh.conf->node.run_dir) : NULL;
	sh.tc = tc_new(sh.conf, &random);
	if (!sh.bus || !sh.tc)
		give_up("no memory or no descriptors", strerror(errno));
	tc_note_level(sh.tc, (enum note_level)sh.conf->node.log_level);
	if (!shell_start(&sh))
		give_up(sh.conf->node.run_dir, strerror(errno));
	loop_stop_on_signals(sh.loop);
	loop_signal(sh.loop, SIGHUP, on_hup, &sh);
	loop_run(sh.loop);
	shell_stop(&sh);
	bus_free(sh.bus);
	loop_free(sh.loop);
	tc_free(sh.tc);
	conf_free(sh.conf);
	return 0;
}
