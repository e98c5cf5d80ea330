// SPDX-License-Identifier: Apache-2.0
/*
 * twinload: thousands of LACs and PPP peers in one thread.  Options, the loop, the commands on stdin.
 * See load.h for the parts and --help for the use.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static const char HELP[] =
    "twinload - dials sessions into an L2TP network server, as many LACs and many PPP peers\n"
    "\n"
    "  twinload --lns ADDR --sessions N [options]\n"
    "\n"
    "  --lns ADDR            the server (UDP 1701)\n"
    "  --bind ADDR           our own address\n"
    "  --tunnels T           LACs, each one control connection (4)\n"
    "  --sessions N          calls to bring up (1000)\n"
    "  --rate R              calls started a second; 0: as fast as --inflight allows (0)\n"
    "  --inflight M          calls in progress at most (512)\n"
    "  --extra N             calls kept back, to be dialled by the command `extra`\n"
    "  --extra-rate R        how many of them a second (200)\n"
    "  --auth pap|chap       what we accept (pap)\n"
    "  --user-prefix S       user names are S and the session's number (u)\n"
    "  --password S          (p)\n"
    "  --secret S            tunnel secret: challenge the server, answer its challenge\n"
    "  --host S              Host Name prefix of the LACs (lac)\n"
    "  --ipv6                ask for IPV6CP as well\n"
    "  --joined              runs of equal datagrams leave and arrive as one (UDP_SEGMENT, UDP_GRO), as cards do it\n"
    "  --loss P              lose P % of our datagrams, each way\n"
    "  --hello S             a Hello on each tunnel every S seconds (0: none)\n"
    "  --restart S           PPP restart interval (3)\n"
    "  --timeout S           give up when not all are up after S seconds (120)\n"
    "  --failover MS         speak RFC 4951: ask to be waited for so long, and recover a server that failed\n"
    "  --core ADDR:PORT      the host behind the server: packets go there and come from there\n"
    "  --core-netns PATH     it lives in this network namespace, e.g. /run/netns/core\n"
    "  --pps R               packets a second over all sessions, in each direction that is on (0)\n"
    "  --payload N           UDP payload octets (64)\n"
    "  --direction up|down|both  (both)\n"
    "  --hold S              stay S seconds after all are up, then report and end (0);\n"
    "                        -1: stay for commands on stdin:\n"
    "      traffic on|off    pps R    mark    verify    extra [N]    report    sessions    hangup    quit\n"
    "      (sessions: the packets of each, [LNS's session id, extra?, sent up, arrived, sent down, arrived])\n"
    "\n"
    "  Every event is a line of JSON on stdout.  Exit 0: all came up and nothing contradicted itself.\n";

mono_t
load_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (mono_t)t.tv_sec * MONO_S + t.tv_nsec;
}

uint32_t
load_random(struct load *g)
{
	g->rng ^= g->rng << 13;
	g->rng ^= g->rng >> 7;
	g->rng ^= g->rng << 17;
	return (uint32_t)(g->rng >> 16);
}

static bool
parse_endpoint(const char *text, uint16_t port, struct endpoint *out)
{
	char b[ADDR_TEXT];
	const char *colon = strchr(text, '.') ? strchr(text, ':') : NULL; /* a port only after an IPv4 address */

	snprintf(b, sizeof b, "%.*s", colon ? (int)(colon - text) : (int)strlen(text), text);
	out->port = colon ? (uint16_t)atoi(colon + 1) : port;
	return ip_addr_parse(b, &out->addr);
}

static void
bad(const char *what)
{
	fprintf(stderr, "twinload: %s; see twinload --help\n", what);
	exit(2);
}

static void
options(struct load *g, int argc, char **argv)
{
	enum { LNS = 1, BIND, TUNNELS, SESSIONS, RATE, INFLIGHT, EXTRA, EXTRA_RATE, AUTH, USER, PASSWORD, SECRET, HOST,
	       IPV6, JOINED, LOSS, HELLO, RESTART, TIMEOUT, CORE_HOST, CORE_NETNS, PPS, PAYLOAD, DIRECTION, HOLD, FAILOVER, HELP_ME };
	static const struct option opts[] = {
		{ "lns", 1, 0, LNS }, { "bind", 1, 0, BIND }, { "tunnels", 1, 0, TUNNELS }, { "sessions", 1, 0, SESSIONS },
		{ "rate", 1, 0, RATE }, { "inflight", 1, 0, INFLIGHT }, { "extra", 1, 0, EXTRA }, { "extra-rate", 1, 0, EXTRA_RATE },
		{ "auth", 1, 0, AUTH }, { "user-prefix", 1, 0, USER }, { "password", 1, 0, PASSWORD }, { "secret", 1, 0, SECRET },
		{ "host", 1, 0, HOST }, { "ipv6", 0, 0, IPV6 }, { "joined", 0, 0, JOINED }, { "loss", 1, 0, LOSS }, { "hello", 1, 0, HELLO },
		{ "restart", 1, 0, RESTART }, { "timeout", 1, 0, TIMEOUT }, { "core", 1, 0, CORE_HOST }, { "core-netns", 1, 0, CORE_NETNS },
		{ "pps", 1, 0, PPS }, { "payload", 1, 0, PAYLOAD }, { "direction", 1, 0, DIRECTION }, { "hold", 1, 0, HOLD }, { "failover", 1, 0, FAILOVER },
		{ "help", 0, 0, HELP_ME }, { 0 }
	};
	struct options *o = &g->o;
	int c;

	*o = (struct options){ .lacs = 4, .sessions = 1000, .inflight = 512, .extra_rate = 200, .user = "u", .password = "p",
		.host = "lac", .restart_s = 3, .timeout_s = 120, .payload = 64, .up = true, .down = true };
	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (c) {
		case LNS: if (!parse_endpoint(optarg, 1701, &o->lns)) bad("--lns wants an address"); break;
		case BIND: if (!parse_endpoint(optarg, 0, &o->bind)) bad("--bind wants an address"); break;
		case TUNNELS: o->lacs = (unsigned)atoi(optarg); break;
		case SESSIONS: o->sessions = (unsigned)atoi(optarg); break;
		case RATE: o->rate = atof(optarg); break;
		case INFLIGHT: o->inflight = (unsigned)atoi(optarg); break;
		case EXTRA: o->extra = (unsigned)atoi(optarg); break;
		case EXTRA_RATE: o->extra_rate = atof(optarg); break;
		case AUTH:
			if (strcmp(optarg, "pap") && strcmp(optarg, "chap")) bad("--auth is pap or chap");
			o->auth = optarg[0] == 'p' ? LOAD_PAP : LOAD_CHAP;
			break;
		case USER: o->user = optarg; break;
		case PASSWORD: o->password = optarg; break;
		case SECRET: o->secret = optarg; break;
		case HOST: o->host = optarg; break;
		case IPV6: o->ipv6 = true; break;
		case JOINED: o->joined = true; break;
		case LOSS: o->loss = atof(optarg); break;
		case HELLO: o->hello_s = atof(optarg); break;
		case RESTART: o->restart_s = atof(optarg); break;
		case TIMEOUT: o->timeout_s = atof(optarg); break;
		case CORE_HOST: if (!parse_endpoint(optarg, 4001, &o->core)) bad("--core wants ADDR:PORT"); break;
		case CORE_NETNS: o->core_netns = optarg; break;
		case PPS: o->pps = atof(optarg); break;
		case PAYLOAD: o->payload = (unsigned)atoi(optarg); break;
		case DIRECTION:
			if (strcmp(optarg, "up") && strcmp(optarg, "down") && strcmp(optarg, "both")) bad("--direction is up, down or both");
			o->up = optarg[0] != 'd';
			o->down = optarg[0] != 'u';
			break;
		case FAILOVER: o->failover_ms = (unsigned)atoi(optarg); break;
		case HOLD: o->hold = atof(optarg); break;
		case HELP_ME: fputs(HELP, stdout); exit(0);
		default: bad("unknown option");
		}
	}
	if (!o->lns.addr.family) bad("--lns is needed");
	if (o->lacs == 0 || o->lacs > 60000) bad("--tunnels is 1..60000");
	if (o->payload < 24 || o->payload > 1400) bad("--payload is 24..1400");
	if (strlen(o->user) > 60 || strlen(o->password) > 60) bad("--user-prefix and --password have 60 octets at most");
	if ((uint64_t)o->sessions + o->extra > 65535ull * o->lacs) bad("65,535 sessions a tunnel at most");
}

static void
make_sessions(struct load *g)
{
	g->sess_total = g->o.sessions + g->o.extra;
	g->sess = calloc(g->sess_total, sizeof *g->sess);
	g->lac = calloc(g->o.lacs, sizeof *g->lac);
	if (!g->sess || !g->lac)
		bad("out of memory");
	for (uint32_t i = 0; i < g->sess_total; i++) {
		struct sess *s = &g->sess[i];
		s->lac = (uint16_t)(i % g->o.lacs);
		s->extra = i >= g->o.sessions;
		s->sid = (uint16_t)++g->lac[s->lac].sess_count;
	}
}

/* Starts calls as rate and limit allow; `to` is how far it may go. */
static void
dial(struct load *g, uint32_t to, double rate)
{
	if (rate > 0) {
		g->start_credit += (double)(g->now - g->start_since) / 1e9 * rate;
		if (g->start_credit > rate / 10 + 1)
			g->start_credit = rate / 10 + 1;
	} else {
		g->start_credit = 1e9;
	}
	g->start_since = g->now;
	while (g->started < to && g->in_progress < g->o.inflight && g->start_credit >= 1) {
		struct sess *s = &g->sess[g->started];
		if (s->state != S_IDLE) {
			g->started++;
			continue;
		}
		if (g->lac[s->lac].state == LAC_DEAD) {
			s->state = S_GONE;
			g->gone++;
			g->t.failed++;
			g->started++;
			continue;
		}
		if (!sess_dial(g, s))
			break;
		if (!g->t_first) {
			g->t_first = g->now;
			g->t.last_progress = g->now;
		}
		g->t_last_dial = g->now;
		g->start_credit -= 1;
	}
	for (unsigned i = 0; i < g->o.lacs; i++)
		lac_flush(g, &g->lac[i]);
}

/* Every 20 ms: a slice of the sessions is looked over, all of them every 200 ms. */
static void
session_timers(struct load *g)
{
	static uint32_t at;
	uint32_t slice = g->sess_total / 10 + 1;

	for (uint32_t i = 0; i < slice; i++) {
		struct sess *s = &g->sess[at];
		at = (at + 1) % g->sess_total;
		if (s->due == MONO_NEVER || g->now < s->due || s->state < S_WAIT_ICRP || s->state >= S_OPEN)
			continue;
		if (s->state == S_WAIT_ICRP) {
			sess_given_up(g, s);
			g->t.failed++;
			sess_lost(g, s);
		} else {
			peer_timer(g, s);
		}
	}
}

static bool extra_on, hanging_up;
static uint32_t extra_to; /* how far the kept back calls are dialled */
static mono_t verify_until, verify_next;

static void
command(struct load *g, char *line)
{
	line[strcspn(line, "\r\n")] = 0;
	if (!strcmp(line, "traffic on") || !strcmp(line, "traffic off")) {
		g->traffic = line[9] == 'n';
		g->traffic_since = g->now;
		report(g, line);
	} else if (!strncmp(line, "pps ", 4)) {
		g->o.pps = atof(line + 4);
	} else if (!strcmp(line, "mark")) {
		traffic_mark(g);
		report(g, "mark");
	} else if (!strncmp(line, "extra", 5) && (!line[5] || line[5] == ' ')) {
		unsigned long more = line[5] ? strtoul(line + 6, NULL, 10) : g->sess_total;
		extra_on = true;
		extra_to = more < g->sess_total - g->started ? g->started + (uint32_t)more : g->sess_total;
		g->start_since = g->now;
		g->start_credit = 0;
		report(g, "extra");
	} else if (!strcmp(line, "verify")) {
		for (uint32_t i = 0; i < g->sess_total; i++)
			g->sess[i].verified = false;
		verify_until = g->now + 4 * MONO_S + g->opened * 200 * MONO_US;
		verify_next = g->now;
	} else if (!strcmp(line, "report")) {
		report(g, "report");
	} else if (!strcmp(line, "sessions")) {
		report_sessions(g);
	} else if (!strcmp(line, "hangup")) {
		hanging_up = true;
	} else if (!strcmp(line, "quit")) {
		g->quit = true;
	} else if (*line) {
		fprintf(stderr, "twinload: no such command: %s\n", line);
	}
}

/* Verification goes round until every open session answered or its time is over. */
static void
verify(struct load *g)
{
	bool all = true;

	if (!verify_until)
		return;
	for (uint32_t i = 0; i < g->sess_total && all; i++)
		all = g->sess[i].state != S_OPEN || g->sess[i].verified;
	if (all || g->now >= verify_until) {
		verify_until = 0;
		report(g, "verified");
	} else if (g->now >= verify_next) {
		verify_next = g->now + (traffic_verify_slice(g) ? 4 : 500) * MONO_MS;
	}
}

static void
read_commands(struct load *g)
{
	static char buf[1024];
	static size_t have;
	ssize_t n = read(0, buf + have, sizeof buf - 1 - have);

	if (n <= 0) {
		if (n == 0)
			g->quit = true;
		return;
	}
	have += (size_t)n;
	buf[have] = 0;
	for (char *nl; (nl = strchr(buf, '\n'));) {
		*nl = 0;
		command(g, buf);
		have -= (size_t)(nl + 1 - buf);
		memmove(buf, nl + 1, have + 1);
	}
	if (have == sizeof buf - 1)
		have = 0;
}

static volatile sig_atomic_t stop;
static void
on_signal(int n)
{
	stop = n;
}

#define CORE UINT32_MAX /* in epoll data; anything else is a LAC */
#define STDIN (UINT32_MAX - 1)

static void
listen_to(int ep, int fd, uint32_t who)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = who };

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int
listen_to_all(struct load *g)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	for (unsigned i = 0; i < g->o.lacs; i++)
		listen_to(ep, g->lac[i].fd, i);
	if (g->core_fd >= 0)
		listen_to(ep, g->core_fd, CORE);
	if (g->o.hold < 0) {
		fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
		listen_to(ep, 0, STDIN);
	}
	return ep;
}

#define SMOOTH_FROM 10000 /* packets a second: less than a millisecond's worth at a time */
#define SMOOTH_NS 100000

/* Until the next packet is due: they leave one by one, so that a silence is not longer for ours. */
static struct timespec
patience(const struct load *g)
{
	mono_t wait = (g->traffic ? 1 : 5) * MONO_MS;

	if (g->traffic && g->o.pps > 0 && g->opened) {
		mono_t due = g->traffic_since + (mono_t)((1 - g->traffic_credit) * 1e9 / g->o.pps) - load_clock();
		wait = due < 0 ? 0 : due < wait ? due : wait;
	}
	return (struct timespec){ .tv_nsec = wait };
}

static void
hear(struct load *g, int ep)
{
	struct epoll_event ev[64];
	bool smooth = g->traffic && g->o.pps >= SMOOTH_FROM;
	struct timespec wait = patience(g);
	int n;

	if (smooth) {
		nanosleep(&(struct timespec){ .tv_nsec = SMOOTH_NS }, NULL);
		wait.tv_nsec = 0;
	}
	n = epoll_pwait2(ep, ev, 64, &wait, NULL);

	g->now = load_clock();
	for (int i = 0; i < n; i++) {
		uint32_t who = ev[i].data.u32;
		if (who == CORE)
			traffic_core_readable(g);
		else if (who == STDIN)
			read_commands(g);
		else
			lac_readable(g, &g->lac[who]);
	}
}

/* Calls are dialled once every tunnel is up, or known not to come up. */
static bool
tunnels_settled(struct load *g)
{
	static bool told;

	for (unsigned i = 0; !told && i < g->o.lacs; i++)
		if (g->lac[i].state != LAC_UP && g->lac[i].state != LAC_DEAD)
			return false;
	if (!told)
		report(g, "tunnels");
	told = true;
	return true;
}

static void
dial_what_is_due(struct load *g)
{
	if (g->started < g->o.sessions)
		dial(g, g->o.sessions, g->o.rate);
	else if (extra_on && g->started < extra_to)
		dial(g, extra_to, g->o.extra_rate);
}

static void
all_up(struct load *g)
{
	if (g->t_all_up || g->started < g->o.sessions || g->in_progress || extra_on)
		return;
	g->t_all_up = g->now;
	report(g, "up");
	if (g->o.hold >= 0 && g->o.pps > 0) {
		g->traffic = true;
		g->traffic_since = g->now;
		traffic_mark(g);
	}
}

static void
hang_up_some(struct load *g)
{
	for (uint32_t i = 0, k = 0; i < g->sess_total && k < 64; i++) {
		if (g->sess[i].state != S_OPEN)
			continue;
		sess_hangup(g, &g->sess[i]);
		k++;
	}
	hanging_up = g->opened > 0;
	if (!hanging_up)
		report(g, "hungup");
}

static bool
held_long_enough(const struct load *g)
{
	return g->t_all_up && g->o.hold >= 0 && (double)(g->now - g->t_all_up) / 1e9 >= g->o.hold;
}

static int
run(struct load *g)
{
	const struct tally *t = &g->t;
	mono_t next_tick = 0;
	int ep = listen_to_all(g);

	while (!g->quit && !stop && !held_long_enough(g)) {
		hear(g, ep);
		bool settled = tunnels_settled(g);
		if (settled)
			dial_what_is_due(g);
		if (g->now >= next_tick) {
			next_tick = g->now + 20 * MONO_MS;
			lac_timers(g);
			session_timers(g);
			progress_watch(g);
		}
		traffic_tick(g);
		verify(g);
		if (settled)
			all_up(g);
		if (hanging_up)
			hang_up_some(g);
		if (!g->t_all_up && (double)(g->now - g->t_begin) / 1e9 > g->o.timeout_s) {
			report(g, "timeout");
			return 1;
		}
	}
	report(g, "end");
	lac_close_all(g);
	return t->failed || t->cdn || t->stopccn || t->nr_back || t->ns_contradiction || t->lcp_restart ||
	    g->opened < g->o.sessions;
}

int
main(int argc, char **argv)
{
	static struct load g;

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0); /* 50 us otherwise */
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	options(&g, argc, argv);
	g.rng = 0x9e3779b97f4a7c15ull ^ (uint64_t)getpid();
	g.now = g.t_begin = load_clock();
	make_sessions(&g);
	if (!traffic_open(&g) || !lac_open_all(&g))
		return 1;
	return run(&g);
}
