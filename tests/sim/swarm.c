// SPDX-License-Identifier: Apache-2.0
/*
 * A seed's plan: which faults it has at all, how often, and how the pair and its peers are configured (a swarm:
 * seeds that lack most faults find what those with all of them hide); and the plan carried out.
 */
#include "sim.h"

struct plan
plan_calm(void)
{
	struct plan p = {
		.net = { { 0, 0, 0, 200 * MONO_US, 50 * MONO_US }, { 0, 0, 0, 500 * MONO_US, 100 * MONO_US }, { 0, 0, 0, 300 * MONO_US, 0 } },
		.gap = MONO_S,
		.calm_from = 2 * MONO_S,
		.end = 40 * MONO_S,
		.lacs = 1,
		.lines = 1,
		.policy = POLICY_PREFER_SERVICE,
		.preferred_a = true,
		.window = 16,
		.lac_window = 4,
		.seq = SEQ_IF_ASKED,
		.auth = AUTH_CHAP_MD5,
		.heartbeat_ms = 10,
		.rtx_ms = 500,
		.talk_restart = 200 * MONO_MS,
		.disk_delay = 2 * MONO_MS,
		.zmtp_timeout = 300 * MONO_MS,
		.run_delay = 20 * MONO_US,
		.data_every = 200 * MONO_MS,
		.echo_ms = 5000,
		.hello_ms = 3000,
		.failover = true,
		.recovery_ms = 8000,
		.day = 1,
	};

	return p;
}

static bool
one_in(struct world *w, unsigned n)
{
	return rnd_below(w, n) == 0;
}

static void
networks(struct world *w, struct plan *p)
{
	for (int i = 0; i < NETS; i++) {
		struct net_conf *n = &p->net[i];
		n->delay = rnd_time(w, 50 * MONO_US, i == NET_MIRROR ? 2 * MONO_MS : 10 * MONO_MS);
		n->jitter = rnd_time(w, 0, n->delay);
		if (one_in(w, 2))
			n->loss = (unsigned)rnd_below(w, i == NET_MIRROR ? 300 : 1000);
		if (one_in(w, 12))
			n->loss = (unsigned)rnd_below(w, 3000);
		if (one_in(w, 2))
			n->dup = (unsigned)rnd_below(w, 500);
		if (one_in(w, 2))
			n->reorder = (unsigned)rnd_below(w, 1000);
	}
}

static void
faults(struct world *w, struct plan *p)
{
	p->kills = one_in(w, 2);
	p->node_kills = one_in(w, 2);
	p->power = one_in(w, 4);
	p->stops = one_in(w, 3);
	p->cuts = one_in(w, 3);
	p->switchovers = one_in(w, 3);
	p->traps = one_in(w, 2);
	p->slow_disk = one_in(w, 4);
	p->store_refuses = one_in(w, 10);
	p->aaa_trouble = one_in(w, 3);
	p->hangups = one_in(w, 2);
	p->closes = one_in(w, 6);
	p->never_back = one_in(w, 12);
	p->resync = one_in(w, 8);
	p->lac_restarts = one_in(w, 6);
	p->both_power = one_in(w, 8);
	p->clock_jumps = one_in(w, 8);
	p->gap = rnd_time(w, 300 * MONO_MS, 2 * MONO_S);
}

static void
configuration(struct world *w, struct plan *p)
{
	static const unsigned auths[] = { AUTH_NONE, AUTH_PAP, AUTH_CHAP_MD5, AUTH_MSCHAPV2 };
	static const unsigned beats[] = { 10, 10, 20, 40 };

	p->lacs = 1 + (unsigned)rnd_below(w, LACS);
	p->lines = 1 + (unsigned)rnd_below(w, LINES);
	p->policy = one_in(w, 2) ? POLICY_PREFER_SAFETY : POLICY_PREFER_SERVICE;
	p->require_auth = one_in(w, 3);
	p->hide = one_in(w, 4);
	p->waits_disk = one_in(w, 2);
	p->preferred_a = one_in(w, 2);
	p->window = 1 + (unsigned)rnd_below(w, 16);
	p->lac_window = 1 + (unsigned)rnd_below(w, 8);
	p->seq = (enum conf_seq)rnd_below(w, 3);
	p->auth = auths[rnd_below(w, 4)];
	p->heartbeat_ms = beats[rnd_below(w, 4)];
	p->rtx_ms = one_in(w, 2) ? 250 : 500;
	p->talk_restart = rnd_time(w, 20 * MONO_MS, 800 * MONO_MS);
	p->disk_delay = p->slow_disk ? rnd_time(w, 50 * MONO_MS, 600 * MONO_MS) : rnd_time(w, MONO_MS, 10 * MONO_MS);
	p->zmtp_timeout = rnd_time(w, 100 * MONO_MS, MONO_S);
	p->run_delay = rnd_time(w, 4 * MONO_US, 300 * MONO_US);
	p->aaa_late = (unsigned)rnd_below(w, 400);
	p->aaa_never = (unsigned)rnd_below(w, 150);
	p->aaa_twice = (unsigned)rnd_below(w, 300);
	p->data_every = rnd_time(w, 50 * MONO_MS, MONO_S);
	p->echo_ms = one_in(w, 2) ? 2000 : 0;
	p->hello_ms = 1000 + (unsigned)rnd_below(w, 4000);
	for (int i = 0; i < NODES; i++)
		p->ppm[i] = (int64_t)rnd_below(w, 400) - 200;
	p->log_octets = one_in(w, 3) ? 20000 : 0;
	p->ipv6 = one_in(w, 4);
	p->failover = !one_in(w, 4);
	p->recovery_ms = 3000 + (unsigned)rnd_below(w, 8000);
	p->stale_clear = one_in(w, 5);
	for (int i = 0; i < LACS; i++)
		p->lac_failover[i] = one_in(w, 2);
}

/* Half of the seeds have nothing but LACs that call the pair, and leave PPP to it. */
static void
roles(struct world *w, struct plan *p)
{
	if (one_in(w, 2))
		return;
	p->proxy = one_in(w, 2);
	p->renegotiate = one_in(w, 4);
	p->outgoing = one_in(w, 3);
	if (!one_in(w, 3))
		return;
	p->lnss = 1 + (unsigned)rnd_below(w, 2);
	p->lacs = LACS;
	p->dials = 1 + (unsigned)rnd_below(w, 2);
	p->forwards = (unsigned)rnd_below(w, 3);
}

/* Nothing fails but the links between the nodes and to the LACs, and they do so all the time. */
static void
only_partitions(struct world *w, struct plan *p)
{
	for (int i = 0; i < NETS; i++)
		p->net[i].loss = p->net[i].loss > 500 ? 500 : p->net[i].loss;
	p->kills = p->node_kills = p->power = p->stops = p->cuts = p->switchovers = p->traps = p->slow_disk = false;
	p->store_refuses = p->aaa_trouble = p->closes = p->never_back = p->resync = p->lac_restarts = false;
	p->both_power = p->clock_jumps = false;
	p->partitions = true;
	p->policy = one_in(w, 2) ? POLICY_PREFER_SERVICE : POLICY_PREFER_SAFETY;
	p->switchovers = one_in(w, 4);
	p->gap = rnd_time(w, 100 * MONO_MS, MONO_S);
	p->data_every = 10 * MONO_MS;
}

struct plan
plan_of(uint64_t seed)
{
	struct world *w = calloc(1, sizeof *w);
	struct plan p = plan_calm();

	w->rng = (seed * 0xd1342543de82ef95ull + 77) | 1;
	for (int i = 0; i < 8; i++)
		rnd(w);
	networks(w, &p);
	faults(w, &p);
	configuration(w, &p);
	if (seed > PARTITION_SEEDS)
		only_partitions(w, &p);
	p.calm_from = MONO_S + rnd_time(w, 4 * MONO_S, 14 * MONO_S);
	p.end = p.calm_from + 120 * MONO_S; /* a tunnel that nobody answers takes two full cycles to go */
	if (seed <= PARTITION_SEEDS) {
		roles(w, &p);
		p.day = one_in(w, 3) ? 20 : 1;
		p.commands = one_in(w, 4);
	}
	free(w);
	return p;
}

/* --- carried out --------------------------------------------------------------------------------------------- */

static struct line *
some_line(struct world *w)
{
	return &w->lac[rnd_below(w, w->plan.lacs)].line[rnd_below(w, w->plan.lines)];
}

static void
cut_some_link(struct world *w)
{
	unsigned node = (unsigned)rnd_below(w, NODES), lac = (unsigned)rnd_below(w, w->plan.lacs);

	switch (rnd_below(w, 4)) {
	case 0:
		net_cut(w, NET_MIRROR, PLACE_A, PLACE_B, true);
		break;
	case 1:
		net_cut(w, NET_ACCESS, PLACE_A, PLACE_B, true);
		break;
	case 2:
		net_cut(w, NET_ACCESS, PLACE_LAC + lac, node, true);
		break;
	case 3:
		net_cut(w, NET_CORE, PLACE_CORE, node, true);
		break;
	}
}

static void
cut_something(struct world *w)
{
	mono_t back = rnd_time(w, 20 * MONO_MS, one_in(w, 3) ? 2500 * MONO_MS : 500 * MONO_MS);
	struct trap t = { .what = one_in(w, 2) ? DO_CUT_MIRROR : DO_CUT_ALL, .back = back };
	unsigned node = (unsigned)rnd_below(w, NODES), lac = (unsigned)rnd_below(w, w->plan.lacs);

	switch (rnd_below(w, 6)) {
	case 0:
	case 1:
		tell(w, "%s cut for %lld ms", t.what == DO_CUT_MIRROR ? "mirror network" : "all between the nodes", (long long)(back / MONO_MS));
		spring(w, &t, &w->node[node].p[P_SYNC]);
		break;
	case 2: /* one direction of the heartbeats */
		tell(w, "nothing comes from %s to its twin for %lld ms", w->node[node].name, (long long)(back / MONO_MS));
		spring(w, &(struct trap){ .what = DO_CUT_MIRROR, .back = back }, &w->node[node].p[P_SYNC]);
		w->cut[NET_MIRROR][1 - node][node] = false;
		w->cut[NET_ACCESS][node][1 - node] = true;
		break;
	case 3:
		tell(w, "lac%u is cut off %s for %lld ms", lac, w->node[node].name, (long long)(back / MONO_MS));
		spring(w, &(struct trap){ .what = DO_CUT_MIRROR, .back = back }, &w->node[node].p[P_SYNC]);
		net_cut(w, NET_MIRROR, PLACE_A, PLACE_B, false);
		net_cut(w, NET_ACCESS, PLACE_LAC + lac, node, true);
		break;
	case 4: /* any two links */
		spring(w, &(struct trap){ .what = DO_CUT_MIRROR, .back = back }, &w->node[node].p[P_SYNC]);
		net_cut(w, NET_MIRROR, PLACE_A, PLACE_B, false);
		cut_some_link(w);
		cut_some_link(w);
		break;
	case 5: /* and one direction of one */
		spring(w, &(struct trap){ .what = DO_CUT_MIRROR, .back = back }, &w->node[node].p[P_SYNC]);
		if (one_in(w, 2))
			w->cut[NET_MIRROR][node][1 - node] = false;
		else
			w->cut[NET_ACCESS][node][PLACE_LAC + lac] = true;
		break;
	}
}

static void
stop_something(struct world *w)
{
	struct node *n = &w->node[rnd_below(w, NODES)];
	struct trap t = { .what = one_in(w, 2) ? DO_STOP_NODE : DO_STOP_PROC, .proc = (enum proc_kind)rnd_below(w, PROCS),
			  .back = rnd_time(w, 5 * MONO_MS, one_in(w, 3) ? 2500 * MONO_MS : 200 * MONO_MS) };

	if (n->on)
		spring(w, &t, &n->p[t.proc]);
}

static void
kill_node(struct world *w)
{
	struct node *n = &w->node[rnd_below(w, NODES)], *twin = &w->node[1 - n->id];

	if (!n->on || (!twin->on && !one_in(w, 4)))
		return;
	node_power(n, false, w->plan.power && one_in(w, 2));
	if (w->plan.never_back && one_in(w, 3) && twin->on && !twin->never && twin->store.meta.mirrored)
		n->never = true;
	else
		node_back(n, rnd_time(w, 50 * MONO_MS, one_in(w, 3) ? 4 * MONO_S : MONO_S));
}

/* The site's power: both nodes, within a moment of each other, with or without what their disks do not have. */
static void
kill_both(struct world *w)
{
	bool lose = w->plan.power && !one_in(w, 3);
	unsigned first = (unsigned)rnd_below(w, NODES);

	for (unsigned i = 0; i < NODES; i++) {
		struct node *n = &w->node[(first + i) % NODES];
		if (!n->on)
			continue;
		node_power(n, false, lose);
		node_back(n, rnd_time(w, 50 * MONO_MS, one_in(w, 3) ? 6 * MONO_S : MONO_S));
	}
}

/* Somebody sets the time of day. */
static void
jump(struct world *w)
{
	struct node *n = &w->node[rnd_below(w, NODES)];

	n->wall_jump += (int64_t)rnd_below(w, 20000) - 10000;
	tell(w, "%s  the clock on the wall jumps to %lld", n->name, (long long)node_wall(n));
}

static void
arm(struct world *w)
{
	static const enum what whats[] = { DO_KILL_NODE, DO_KILL_NODE, DO_KILL_PROC, DO_KILL_PROC, DO_STOP_PROC, DO_STOP_NODE, DO_CUT_MIRROR };
	struct trap *t = &w->trap[rnd_below(w, 2)];

	if (t->set)
		return;
	*t = (struct trap){ .set = true, .at = (enum point)rnd_below(w, POINTS), .node = (uint8_t)(one_in(w, 2) ? NODES : rnd_below(w, NODES)),
			    .what = whats[rnd_below(w, 7)], .proc = PROCS, .skip = (unsigned)rnd_below(w, 6),
			    .back = rnd_time(w, 20 * MONO_MS, 1500 * MONO_MS) };
}

static void
command(struct world *w, enum msg_kind kind)
{
	struct node *n = sim_active_node(w);

	if (!n || !n->p[P_ELECT].up)
		return;
	tell(w, "%s  operator: switch over", n->name);
	proc_post(&n->p[P_ELECT], msg_new(kind, NULL, 0), 0, true);
}

static void
one_fault(struct world *w)
{
	const struct plan *p = &w->plan;
	struct line *s = some_line(w);

	switch (rnd_below(w, 14)) {
	case 0:
	case 1:
		if (p->kills)
			proc_kill(&w->node[rnd_below(w, NODES)].p[rnd_below(w, PROCS)], p->talk_restart / 2 + rnd_time(w, 0, p->talk_restart));
		break;
	case 2:
		if (p->node_kills)
			kill_node(w);
		break;
	case 3:
	case 4:
		if (p->stops)
			stop_something(w);
		break;
	case 5:
		if (p->cuts)
			cut_something(w);
		break;
	case 6:
		if (p->switchovers)
			command(w, M_SWITCHOVER);
		break;
	case 7:
		if (p->traps)
			arm(w);
		break;
	case 8:
		if (p->hangups && s->state == LINE_UP) {
			if (one_in(w, 2))
				slac_hangup(s, 1);
			else
				peer_close(s);
		}
		break;
	case 9:
		if (p->closes && one_in(w, 2))
			slac_close(&w->lac[rnd_below(w, p->lacs)]);
		break;
	case 10:
		if (p->resync)
			sync_resync_sim(w, (unsigned)rnd_below(w, NODES), one_in(w, 2));
		break;
	case 11:
		if (p->lac_restarts)
			slac_restart(&w->lac[rnd_below(w, p->lacs)]);
		break;
	case 12:
		if (p->both_power)
			kill_both(w);
		break;
	case 13:
		if (p->clock_jumps)
			jump(w);
		break;
	}
}

/* Every link by itself, or all of them in one direction or both. */
static void
partition(struct world *w)
{
	unsigned all = (unsigned)rnd_below(w, 10), way = (unsigned)rnd_below(w, NODES);

	net_heal(w);
	for (unsigned i = 0; i < NODES; i++) {
		bool whole = all < 4 || (all < 6 && i == way);
		w->cut[NET_MIRROR][i][1 - i] = whole || one_in(w, 3);
		w->cut[NET_ACCESS][i][1 - i] = whole || one_in(w, 3);
		for (unsigned k = 0; k < w->plan.lacs; k++)
			if (one_in(w, 6))
				net_cut(w, NET_ACCESS, PLACE_LAC + k, i, true);
	}
	tell(w, "partition: a to b %d %d, b to a %d %d", w->cut[NET_MIRROR][0][1], w->cut[NET_ACCESS][0][1], w->cut[NET_MIRROR][1][0],
	     w->cut[NET_ACCESS][1][0]);
	w->check.partitions++;
}

static void
next_partition(struct world *w, void *a, uint64_t b, uint64_t c)
{
	if (w->now >= w->plan.calm_from)
		return;
	if (one_in(w, 3)) {
		net_heal(w);
		tell(w, "no partition");
	} else {
		partition(w);
	}
	at(w, w->now + rnd_time(w, 5 * MONO_MS, one_in(w, 3) ? 3 * MONO_S : 400 * MONO_MS), next_partition, NULL, 0, 0);
}

static void
next_fault(struct world *w, void *a, uint64_t b, uint64_t c)
{
	if (w->now >= w->plan.calm_from)
		return;
	one_fault(w);
	at(w, w->now + rnd_time(w, w->plan.gap / 4, 2 * w->plan.gap), next_fault, NULL, 0, 0);
}

static void
traffic(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct line *s = some_line(w);

	peer_data(s, false);
	core_data(w, s, false);
	at(w, w->now + rnd_time(w, w->plan.data_every / 2, w->plan.data_every), traffic, NULL, 0, 0);
}

/* A twin that is gone for good: with prefer-safety its survivor waits for the operator's word. */
static void
operator(struct world *w, void *a, uint64_t b, uint64_t c)
{
	for (unsigned i = 0; i < NODES; i++) {
		struct node *n = &w->node[i];
		struct msg *m;
		if (!w->node[1 - i].never || sim_active_node(w) || !n->p[P_ELECT].up)
			continue;
		m = msg_new(M_PROMOTE, NULL, 0);
		m->n[0] = b;
		if (b)
			w->check.forced = true;
		tell(w, "%s  operator: promote%s", n->name, b ? " --force" : "");
		proc_post(&n->p[P_ELECT], m, 0, true);
	}
	if (!b)
		at(w, w->now + 5 * MONO_S, operator, NULL, 1, 0);
}

/* The last fault is over: everything runs and reaches everything. */
static void
calm(struct world *w, void *a, uint64_t b, uint64_t c)
{
	tell(w, "calm");
	memset(w->trap, 0, sizeof w->trap);
	net_heal(w);
	w->plan.store_refuses = w->plan.aaa_trouble = w->plan.hangups = false;
	if (w->plan.disk_delay > 20 * MONO_MS)
		w->plan.disk_delay = 20 * MONO_MS;
	at(w, w->now + MONO_S, operator, NULL, 0, 0);
	for (int i = 0; i < NETS; i++)
		w->net[i].loss = w->net[i].loss > 100 ? 100 : w->net[i].loss;
	for (unsigned i = 0; i < NODES; i++) {
		struct node *n = &w->node[i];
		node_stop(n, false);
		if (!n->on && !n->never)
			node_back(n, rnd_time(w, MONO_MS, 500 * MONO_MS));
	}
}

void
swarm_start(struct world *w)
{
	for (unsigned i = 0; i < w->plan.lacs; i++) {
		struct lac *l = &w->lac[i];
		for (unsigned k = l->lns ? LINES - 2 : 0; k < (l->lns ? LINES : w->plan.lines); k++) {
			l->line[k].wanted = true;
			l->line[k].dial_at = w->now + rnd_time(w, 0, 5 * MONO_S);
		}
		if (l->lns)
			continue;
		l->redial_at = w->now + rnd_time(w, 0, 2 * MONO_S);
		slac_wake(l, l->redial_at);
	}
	far_start(w);
	at(w, w->now + 800 * MONO_MS, next_fault, NULL, 0, 0);
	if (w->plan.partitions)
		at(w, w->now + 800 * MONO_MS, next_partition, NULL, 0, 0);
	at(w, w->now + MONO_S, traffic, NULL, 0, 0);
	at(w, w->plan.calm_from, calm, NULL, 0, 0);
}
