// SPDX-License-Identifier: Apache-2.0
/*
 * data-plane --config FILE --worker N: one packet worker.
 *
 * May use: udp/1701, raw sockets of the configured IP protocols, the TUN's queues, the bus under RUN, a read view of the store.  CAP_NET_ADMIN
 * (TUN, transparent sockets, steering), CAP_NET_RAW and CAP_NET_BIND_SERVICE are needed to start
 * and dropped then; worker 0 keeps CAP_NET_ADMIN for routes.  CAP_SYS_NICE, where it is given, is kept (shell_prompt.c).
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/log.h"
#include "worker.h"

static void
usage(void)
{
	fprintf(stderr, "usage: data-plane --config FILE --worker N [--schema DIR]\n");
	exit(2);
}

static void
give_up(const char *why)
{
	log_line(NOTE_ERROR, "cannot start: %s", why);
	exit(1);
}

static void
privileges_drop(bool routes)
{
	const cap_value_t all[] = { CAP_SYS_NICE, CAP_NET_ADMIN };
	const int n = routes ? 2 : 1;
	cap_t had = cap_get_proc(), c = cap_init();
	cap_flag_value_t has;

	for (int i = 0; had && c && i < n; i++) {
		if (cap_get_flag(had, all[i], CAP_PERMITTED, &has) < 0 || has != CAP_SET)
			continue;
		cap_set_flag(c, CAP_PERMITTED, 1, &all[i], CAP_SET);
		cap_set_flag(c, CAP_EFFECTIVE, 1, &all[i], CAP_SET);
	}
	if (!had || !c || cap_set_proc(c) < 0)
		log_line(NOTE_WARN, "privileges not dropped error=%s", strerror(errno));
	cap_free(had);
	cap_free(c);
}

static void
on_sibling(void *arg, int fd, unsigned events)
{
	struct worker *w = arg;

	fds_serve(&w->fds, w->conf);
}

static void
arguments(int argc, char **argv, const char **config, const char **schema, long *worker)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "worker", required_argument, NULL, 'w' },
		{ "schema", required_argument, NULL, 's' },
		{ 0 },
	};
	char *end = NULL;
	int o;

	*worker = -1;
	while ((o = getopt_long(argc, argv, "c:w:s:", options, NULL)) != -1) {
		if (o == 'c')
			*config = optarg;
		else if (o == 's')
			*schema = optarg;
		else if (o == 'w')
			*worker = strtol(optarg, &end, 10);
		else
			usage();
	}
	if (!*config || !end || *end || *worker < 0 || *worker >= FDS_WORKERS || optind != argc)
		usage();
}

static struct {
	const char *config, *schema;
} files;

/* The sockets stay as they are: they are shared with the siblings.  What cannot be taken up is named. */
bool
worker_reload(struct worker *w, char *said, size_t len)
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
	dp_configure(w->dp, conf);
	rest_configure(w, conf);
	if (w->kernel)
		kernel_configure(w->kernel, conf);
	restart = conf_needs_restart(w->conf, conf, CONF_PART_NODE | CONF_PART_SOCKETS, names, sizeof names);
	snprintf(said, len, "configuration loaded%s%s", restart ? ", but all workers must be stopped and started for " : "", names);
	log_line(restart ? NOTE_WARN : NOTE_INFO, "%s", said);
	conf_free(conf);
	return true;
}

static void
on_reload(void *arg)
{
	char said[1024];

	worker_reload(arg, said, sizeof said);
}

static void
start(struct worker *w)
{
	char error[FDS_ERROR] = "no memory";

	mkdir(w->conf->node.run_dir, 0755); /* usually made by whoever supervises us */
	if (!fds_open(&w->fds, w->conf, w->id, error))
		give_up(error);
	if (w->id == 0 && !(w->kernel = kernel_new(w->conf, error, sizeof error)))
		give_up(error);
	prompt_begin(w);
	privileges_drop(w->id == 0);
	w->dp = dp_new(w->conf, w->id, w->instance);
	w->loop = loop_new();
	w->bus = w->loop ? bus_new(w->loop, w->conf->node.run_dir) : NULL;
	if (!w->dp || !w->bus || !shell_bus_start(w) || !udp_start(w) || !tun_start(w) ||
	    !loop_fd_add(w->loop, w->fds.listener, LOOP_READ, on_sibling, w) || !rest_start(w) || !trunk_start(w))
		give_up(errno ? strerror(errno) : error);
	prompt_start(w);
	loop_stop_on_signals(w->loop);
	loop_signal(w->loop, SIGHUP, on_reload, w);
	log_line(NOTE_INFO, "started worker=%u of=%u sockets=%s", w->id, w->fds.workers,
		 w->fds.made ? "made" : "taken");
}

static void
stop(struct worker *w)
{
	udp_stop(w);
	ip_stop(w);
	tun_stop(w);
	trunk_stop(w);
	shell_bus_stop(w);
	bus_free(w->bus);
	loop_free(w->loop);
	kernel_free(w->kernel);
	fds_close(&w->fds);
	dp_free(w->dp);
	conf_free(w->conf);
}

int
main(int argc, char **argv)
{
	static struct worker w;
	const char *config = NULL, *schema = NULL;
	char error[CONF_TEXT];
	long id;

	arguments(argc, argv, &config, &schema, &id);
	files.config = config;
	files.schema = schema;
	w.id = (unsigned)id;
	snprintf(w.name, sizeof w.name, "worker.%u", w.id);
	log_open(w.name, NOTE_INFO);
	w.conf = conf_load(config, schema, error, sizeof error);
	if (!w.conf)
		give_up(error);
	log_level(w.conf->node.log_level);
	if (getrandom(&w.instance, sizeof w.instance, 0) != sizeof w.instance)
		w.instance = (uint64_t)mono_now();
	start(&w);
	loop_run(w.loop);
	stop(&w);
	return 0;
}
