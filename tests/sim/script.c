// SPDX-License-Identifier: Apache-2.0
/*
 * Stories (*.scn): a line is a verb and its words; time moves only by `run`, `until` and `never`.  The grammar is
 * in docs/sim.md.  A story fails at the first expectation that does not hold, and whenever an invariant is violated.
 */
#include "sim.h"

#include <ctype.h>
#include <stdarg.h>

#define WORDS 16
#define STEP (5 * MONO_MS)

struct story {
	struct world *w;
	const char *file;
	unsigned line;
	struct plan plan;
	uint64_t seed;
	bool started, failed;
	char *word[WORDS];
	unsigned words, at;
};

static struct world world;

static bool wrong(struct story *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool
wrong(struct story *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->failed) {
		printf("%s:%u: ", s->file, s->line);
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		printf("\n");
	}
	s->failed = true;
	return false;
}

/* --- words ------------------------------------------------------------------------------------------------- */

static const char *
next(struct story *s)
{
	return s->at < s->words ? s->word[s->at++] : "";
}

static bool
take(struct story *s, const char *word)
{
	if (s->at >= s->words || strcmp(s->word[s->at], word) != 0)
		return false;
	s->at++;
	return true;
}

static mono_t
duration(struct story *s, const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end != text && strcmp(end, "ms") == 0)
		return (mono_t)(v * MONO_MS);
	if (end != text && strcmp(end, "s") == 0)
		return (mono_t)(v * MONO_S);
	wrong(s, "\"%s\" is no duration: 20ms, 1.5s", text);
	return 0;
}

static unsigned
number(struct story *s, const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (end == text || *end)
		wrong(s, "\"%s\" is no number", text);
	return (unsigned)v;
}

/* a, b, active, standby; NULL: there is none */
static struct node *
node_word(struct story *s, const char *text)
{
	struct node *n = sim_active_node(s->w);

	if (strcmp(text, "a") == 0 || strcmp(text, "b") == 0)
		return &s->w->node[text[0] - 'a'];
	if (strcmp(text, "active") == 0)
		return n;
	if (strcmp(text, "standby") == 0)
		return n ? &s->w->node[1 - n->id] : NULL;
	wrong(s, "\"%s\" is no node: a, b, active, standby", text);
	return NULL;
}

static enum proc_kind
proc_word(struct story *s)
{
	for (enum proc_kind k = 0; k < PROCS; k++)
		if (take(s, proc_name[k]))
			return k;
	return PROCS;
}

/* LAC.LINE */
static struct line *
line_word(struct story *s, const char *text)
{
	unsigned lac, line;
	char more;

	if (sscanf(text, "%u.%u%c", &lac, &line, &more) == 2 && lac < LACS && line < LINES)
		return &s->w->lac[lac].line[line];
	wrong(s, "\"%s\" is no line: LAC.LINE, such as 0.1", text);
	return &s->w->lac[0].line[0];
}

/* --- configuration -------------------------------------------------------------------------------------------- */

static unsigned
choice(struct story *s, const char *v, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(names[i], v) == 0)
			return i;
	wrong(s, "\"%s\" is not known here", v);
	return 0;
}

static void
configure(struct story *s, char *text)
{
	static const char *const policies[] = { "prefer-service", "prefer-safety" };
	static const char *const auths[] = { "none", "pap", "chap", "mschapv2" };
	static const char *const seqs[] = { "never", "if-asked", "always" };
	struct plan *p = &s->plan;
	char *v = strchr(text, '=');

	if (!v) {
		wrong(s, "configuration is KEY=VALUE");
		return;
	}
	*v++ = 0;
	if (strcmp(text, "policy") == 0)
		p->policy = (enum conf_policy)choice(s, v, policies, 2);
	else if (strcmp(text, "auth") == 0)
		p->auth = choice(s, v, auths, 4);
	else if (strcmp(text, "sequencing") == 0)
		p->seq = (enum conf_seq)choice(s, v, seqs, 3);
	else if (strcmp(text, "lacs") == 0)
		p->lacs = number(s, v);
	else if (strcmp(text, "lines") == 0)
		p->lines = number(s, v);
	else if (strcmp(text, "seed") == 0)
		s->seed = number(s, v);
	else if (strcmp(text, "heartbeat") == 0)
		p->heartbeat_ms = (unsigned)(duration(s, v) / MONO_MS);
	else if (strcmp(text, "hello") == 0)
		p->hello_ms = (unsigned)(duration(s, v) / MONO_MS);
	else if (strcmp(text, "retransmit") == 0)
		p->rtx_ms = (unsigned)(duration(s, v) / MONO_MS);
	else if (strcmp(text, "restart") == 0)
		p->talk_restart = duration(s, v);
	else if (strcmp(text, "disk") == 0)
		p->disk_delay = duration(s, v);
	else if (strcmp(text, "waits-disk") == 0)
		p->waits_disk = strcmp(v, "yes") == 0;
	else if (strcmp(text, "tunnel-secret") == 0)
		p->require_auth = strcmp(v, "yes") == 0;
	else if (strcmp(text, "access-loss") == 0) /* percent */
		p->net[NET_ACCESS].loss = 100 * number(s, v);
	else if (strcmp(text, "failover") == 0)
		p->failover = strcmp(v, "yes") == 0;
	else if (strcmp(text, "lac-failover") == 0)
		p->lac_failover[0] = p->lac_failover[1] = p->lac_failover[2] = strcmp(v, "yes") == 0;
	else if (strcmp(text, "stale-tunnels") == 0)
		p->stale_clear = strcmp(v, "clear") == 0;
	else if (strcmp(text, "recovery") == 0)
		p->recovery_ms = (unsigned)(duration(s, v) / MONO_MS);
	else if (strcmp(text, "proxy") == 0)
		p->proxy = strcmp(v, "yes") == 0;
	else if (strcmp(text, "outgoing") == 0)
		p->outgoing = strcmp(v, "yes") == 0;
	else if (strcmp(text, "lnss") == 0)
		p->lnss = number(s, v);
	else if (strcmp(text, "dials") == 0)
		p->dials = number(s, v);
	else if (strcmp(text, "forwards") == 0)
		p->forwards = number(s, v);
	else if (strcmp(text, "mirror-timeout") == 0)
		p->zmtp_timeout = duration(s, v);
	else if (strcmp(text, "day") == 0)
		p->day = number(s, v);
	else if (strcmp(text, "mirror-delay") == 0)
		p->net[NET_MIRROR].delay = duration(s, v);
	else
		wrong(s, "\"%s\" cannot be configured", text);
	if (p->lacs < 1 || p->lacs > LACS || p->lines < 1 || p->lines > LINES || p->lnss > p->lacs || p->dials > 4 || p->forwards > LINES)
		wrong(s, "at most %d LACs with %d lines", LACS, LINES);
}

static void
begin(struct story *s)
{
	if (s->started)
		return;
	s->started = true;
	world_init(s->w, s->seed, &s->plan);
	world_start(s->w);
	far_start(s->w);
}

/* --- conditions ---------------------------------------------------------------------------------------------------- */

static unsigned
rows_of(const struct node *n, enum table t)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n->store.now.n; i++)
		k += n->store.now.v[i]->table == t;
	return k;
}

static bool
line_is(struct story *s, struct line *l)
{
	static const char *const phases[] = { "dead", "establish", "authenticate", "network", "terminate" };
	const char *what = next(s);

	if (strcmp(what, "open") == 0)
		return l->net_up && l->believed;
	if (strcmp(what, "idle") == 0)
		return l->state == LINE_IDLE;
	if (strcmp(what, "dialling") == 0)
		return l->state == LINE_WAIT_REPLY || l->state == LINE_WAIT_ANSWER;
	if (strcmp(what, "connected") == 0)
		return l->state == LINE_UP;
	if (strcmp(what, "phase") == 0)
		return ppp_link_phase(&l->link) == choice(s, next(s), phases, 5) && l->state == LINE_UP;
	return wrong(s, "a line is open, idle, dialling, connected, or in a phase");
}

static bool
lac_is(struct story *s, struct lac *l)
{
	const char *what = next(s);

	if (strcmp(what, "up") == 0)
		return l->state == LAC_UP;
	if (strcmp(what, "down") == 0)
		return l->state == LAC_DOWN;
	if (strcmp(what, "waits") == 0)
		return l->state == LAC_WAIT_REPLY;
	if (strcmp(what, "acknowledged") == 0)
		return !l->out;
	if (strcmp(what, "recovered") == 0)
		return l->recoveries == number(s, next(s)) && !l->failed;
	return wrong(s, "a LAC is up, down, waits, acknowledged, or recovered N times");
}

static bool
mirror_is(struct story *s, enum sync_mirror want)
{
	struct node *n = sim_active_node(s->w);
	struct sync *y = n ? proc_sync(&n->p[P_SYNC]) : NULL;

	if (!y || y->role != SYNC_R_ACTIVE || sync_mirror_mode(y) != want)
		return false;
	if (want != SYNC_M_MIRRORED)
		return true;
	struct elect *e = proc_elect(&s->w->node[1 - n->id].p[P_ELECT]); /* and the twin has been told that it may promote */
	return e && e->twin.flags & BEAT_WHOLE && e->status.mirrored;
}

/* N TABLE on NODE */
static bool
count_is(struct story *s, unsigned want)
{
	static const struct { const char *name; enum table t; } of[] = {
		{ "tunnels", TABLE_TUNNEL }, { "calls", TABLE_CALL }, { "subscribers", TABLE_SUBSCRIBER }, { "leases", TABLE_LEASE },
		{ "unacknowledged", TABLE_TUNNEL_OUT },
	};
	const char *name = next(s);
	struct node *n = take(s, "on") ? node_word(s, next(s)) : NULL;

	for (unsigned i = 0; i < sizeof of / sizeof of[0]; i++)
		if (strcmp(of[i].name, name) == 0)
			return n && rows_of(n, of[i].t) == want;
	return wrong(s, "\"%s\" is nothing that is counted", name);
}

static bool
holds(struct story *s)
{
	struct world *w = s->w;
	const char *what = next(s);
	struct node *n;

	if (strcmp(what, "not") == 0)
		return !holds(s);
	if (strcmp(what, "active") == 0) {
		if (take(s, "none"))
			return !sim_active_node(w);
		n = node_word(s, next(s));
		return n && sim_active_node(w) == n;
	}
	if (strcmp(what, "lease") == 0) {
		n = node_word(s, next(s));
		return n && n->lease_until > w->now;
	}
	if (strcmp(what, "running") == 0) {
		n = node_word(s, next(s));
		enum proc_kind k = proc_word(s);
		return n && n->on && (k == PROCS || proc_runs(&n->p[k]));
	}
	if (strcmp(what, "mirrored") == 0)
		return mirror_is(s, SYNC_M_MIRRORED);
	if (strcmp(what, "alone") == 0)
		return mirror_is(s, SYNC_M_ALONE);
	if (strcmp(what, "lac") == 0)
		return lac_is(s, &w->lac[number(s, next(s)) % LACS]);
	if (strcmp(what, "line") == 0)
		return line_is(s, line_word(s, next(s)));
	if (strcmp(what, "lost") == 0)
		return w->check.sessions_lost == number(s, next(s));
	if (strcmp(what, "promotions") == 0)
		return w->check.switchovers == number(s, next(s));
	if (strcmp(what, "split") == 0)
		return w->check.splits > 0;
	if (strcmp(what, "sent") == 0) {
		n = node_word(s, next(s));
		return n && w->check.sent[n->id] > 0;
	}
	if (strcmp(what, "trap") == 0) {
		for (unsigned i = 0; i < TRAPS; i++)
			if (w->trap[i].set)
				return true;
		return false;
	}
	if (strcmp(what, "whole") == 0)
		return check_end(w, false);
	if (isdigit((unsigned char)what[0]))
		return count_is(s, number(s, what));
	return wrong(s, "\"%s\" is no condition", what);
}

static bool
condition(struct story *s)
{
	unsigned from = s->at;
	bool all = true;

	do { /* each joined by "and" */
		all &= holds(s);
	} while (!s->failed && take(s, "and"));
	(void)from;
	return all;
}

/* --- verbs ------------------------------------------------------------------------------------------------------------ */

static bool
advance(struct story *s, mono_t by)
{
	if (world_run(s->w, s->w->now + by))
		return true;
	return wrong(s, "%s violated: %s", invariant_name[s->w->check.which], s->w->check.text);
}

static void
do_until(struct story *s, bool never)
{
	unsigned from = s->at;
	mono_t limit = 20 * MONO_S, end;

	for (unsigned i = from; i + 1 < s->words; i++)
		if (strcmp(s->word[i], "within") == 0)
			limit = duration(s, s->word[i + 1]);
	end = s->w->now + limit;
	for (;;) {
		s->at = from;
		bool is = condition(s);
		if (s->failed)
			return;
		if (is && !never)
			return;
		if (is)
			wrong(s, "it came true, %.3f s into the story", (double)(s->w->now - MONO_S) / 1e9);
		else if (s->w->now >= end && !never)
			wrong(s, "it has not come true in %.1f s%s%s", (double)limit / 1e9, s->w->check.missing[0] ? ": " : "", s->w->check.missing);
		if (s->w->now >= end || s->failed || !advance(s, STEP))
			return;
	}
}

static int
point_word(struct story *s, const char *text)
{
	for (int i = 0; i < POINTS; i++)
		if (strcmp(point_name[i], text) == 0)
			return i;
	wrong(s, "\"%s\" is no moment", text);
	return 0;
}

/* kill|stop NODE [PROC] [lose] [at MOMENT [of PROC] [skip N]] [for DURATION | forever] */
static void
do_harm(struct story *s, bool kill)
{
	const char *who = next(s);
	struct trap t = { .what = kill ? DO_KILL_NODE : DO_STOP_NODE, .proc = PROCS, .node = NODES };
	struct node *n = strcmp(who, "active") == 0 ? sim_active_node(s->w) : node_word(s, who);
	bool lose = false, forever = false;

	if (!n) {
		wrong(s, "there is no such node now");
		return;
	}
	t.node = (uint8_t)n->id;
	t.proc = proc_word(s);
	if (t.proc != PROCS)
		t.what = kill ? DO_KILL_PROC : DO_STOP_PROC;
	while (s->at < s->words) {
		if (take(s, "lose"))
			lose = true;
		else if (take(s, "forever"))
			forever = true;
		else if (take(s, "for"))
			t.back = duration(s, next(s));
		else if (take(s, "skip"))
			t.skip = number(s, next(s));
		else if (take(s, "at")) {
			t.set = true;
			t.at = (enum point)point_word(s, next(s));
		} else {
			wrong(s, "\"%s\" is not understood", next(s));
			return;
		}
	}
	n->never = forever;
	if (t.set) {
		for (unsigned i = 0; i < TRAPS; i++)
			if (!s->w->trap[i].set) {
				s->w->trap[i] = t;
				return;
			}
	} else if (t.what == DO_KILL_NODE) {
		node_power(n, false, lose);
		if (t.back)
			node_back(n, t.back);
	} else {
		spring(s->w, &t, &n->p[t.proc % PROCS]);
	}
}

static void
do_lac(struct story *s)
{
	struct lac *l = &s->w->lac[number(s, next(s)) % LACS];
	const char *what = next(s);

	if (strcmp(what, "connect") == 0)
		slac_start(l);
	else if (strcmp(what, "close") == 0)
		slac_close(l);
	else if (strcmp(what, "restart") == 0)
		slac_restart(l);
	else
		wrong(s, "a LAC can connect, close or restart");
}

static void
do_line(struct story *s)
{
	struct line *l = line_word(s, next(s));
	const char *what = next(s);

	if (strcmp(what, "dial") == 0) {
		l->wanted = true;
		if (l->lac->state == LAC_UP)
			slac_dial(l);
		else
			l->dial_at = s->w->now;
		slac_wake(l->lac, s->w->now + MONO_US);
	} else if (strcmp(what, "hangup") == 0) {
		l->wanted = false;
		slac_hangup(l, 1);
	} else if (strcmp(what, "terminate") == 0) {
		l->wanted = false;
		peer_close(l);
	} else if (strcmp(what, "send") == 0) {
		for (unsigned i = 0, n = number(s, next(s)); i < n; i++) {
			peer_data(l, false);
			core_data(s->w, l, false);
		}
	} else {
		wrong(s, "a line can dial, hangup, terminate or send N");
	}
}

static void
do_cut(struct story *s)
{
	struct world *w = s->w;
	const char *what = next(s);

	if (strcmp(what, "mirror") == 0 || strcmp(what, "all") == 0) {
		net_cut(w, NET_MIRROR, PLACE_A, PLACE_B, true);
		if (what[0] == 'a')
			net_cut(w, NET_ACCESS, PLACE_A, PLACE_B, true);
	} else if (strcmp(what, "heartbeats") == 0) { /* over the access network only */
		net_cut(w, NET_ACCESS, PLACE_A, PLACE_B, true);
	} else if (strcmp(what, "lac") == 0) {
		unsigned lac = number(s, next(s)) % LACS;
		struct node *n = node_word(s, next(s));
		if (n)
			net_cut(w, NET_ACCESS, PLACE_LAC + lac, n->id, true);
	} else {
		wrong(s, "cut mirror, all, heartbeats, or lac N NODE");
	}
}

static void
do_order(struct story *s, enum msg_kind kind)
{
	struct node *n = node_word(s, next(s));
	struct msg *m;

	if (!n || !n->p[P_ELECT].up) {
		wrong(s, "nobody there to take the command");
		return;
	}
	m = msg_new(kind, NULL, 0);
	m->n[0] = take(s, "force");
	s->w->check.forced |= m->n[0];
	proc_post(&n->p[P_ELECT], m, 0, true);
}

static void
run_line(struct story *s)
{
	const char *verb = next(s);
	struct node *n;

	if (strcmp(verb, "config") == 0) {
		if (s->started)
			wrong(s, "config comes first");
		while (s->at < s->words)
			configure(s, s->word[s->at++]);
		return;
	}
	begin(s);
	if (strcmp(verb, "run") == 0)
		advance(s, duration(s, next(s)));
	else if (strcmp(verb, "until") == 0)
		do_until(s, false);
	else if (strcmp(verb, "never") == 0)
		do_until(s, true);
	else if (strcmp(verb, "expect") == 0) {
		if (!condition(s))
			wrong(s, "it does not hold, %.3f s into the story", (double)(s->w->now - MONO_S) / 1e9);
	} else if (strcmp(verb, "lac") == 0)
		do_lac(s);
	else if (strcmp(verb, "line") == 0)
		do_line(s);
	else if (strcmp(verb, "kill") == 0)
		do_harm(s, true);
	else if (strcmp(verb, "stop") == 0)
		do_harm(s, false);
	else if (strcmp(verb, "continue") == 0) {
		if ((n = node_word(s, next(s)))) {
			enum proc_kind k = proc_word(s);
			if (k == PROCS)
				node_stop(n, false);
			else
				proc_stop(&n->p[k], false);
		}
	} else if (strcmp(verb, "start") == 0) {
		if ((n = node_word(s, next(s)))) {
			n->never = false;
			node_power(n, true, false);
		}
	} else if (strcmp(verb, "mute") == 0) { /* the twin hears nothing of it, and the other way is open */
		if ((n = node_word(s, next(s))))
			s->w->cut[NET_MIRROR][n->id][1 - n->id] = s->w->cut[NET_ACCESS][n->id][1 - n->id] = true;
	} else if (strcmp(verb, "cut") == 0)
		do_cut(s);
	else if (strcmp(verb, "heal") == 0)
		net_heal(s->w);
	else if (strcmp(verb, "switchover") == 0)
		do_order(s, M_SWITCHOVER);
	else if (strcmp(verb, "promote") == 0)
		do_order(s, M_PROMOTE);
	else if (strcmp(verb, "forget-sent") == 0)
		memset(s->w->check.sent, 0, sizeof s->w->check.sent);
	else
		wrong(s, "\"%s\" is no verb", verb);
}

static void
split(struct story *s, char *text)
{
	char *save = NULL, *hash = strchr(text, '#');

	if (hash)
		*hash = 0;
	s->words = s->at = 0;
	for (char *t = strtok_r(text, " \t\r\n", &save); t && s->words < WORDS; t = strtok_r(NULL, " \t\r\n", &save))
		s->word[s->words++] = t;
}

int
script_run(const char *file, bool trace, enum breakage broken)
{
	struct story s = { .w = &world, .file = file, .plan = plan_calm(), .seed = 1 };
	FILE *f = fopen(file, "r");
	char text[400];

	if (!f) {
		perror(file);
		return 1;
	}
	world.trace = trace;
	world.keep = false;
	world.script = true;
	world.broken = broken;
	while (!s.failed && fgets(text, sizeof text, f)) {
		s.line++;
		if (trace && text[0] != '\n')
			printf("--- %s", text);
		split(&s, text);
		if (s.words)
			run_line(&s);
	}
	fclose(f);
	if (s.started)
		world_fini(s.w);
	else if (!s.failed)
		wrong(&s, "the story is empty");
	return s.failed;
}
