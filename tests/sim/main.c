// SPDX-License-Identifier: Apache-2.0
/*
 * sim: runs seeds, replays one, runs scripts, breaks rules to see whether anybody notices.
 *
 *   sim --seeds N [--from S] [--jobs J] [--seconds T]   N seeds (or as many as fit T seconds, at least N)
 *   sim --seed S [--trace]                              one seed, with everything that happens
 *   sim --split N                                       N schedules of partitions, and what they did
 *   sim --script FILE... [--trace]                      stories (docs/sim.md)
 *   sim --break NAME --seeds N                          a rule of the product broken: which seed notices
 *   sim --mutants                                       each rule in turn, and whether it is noticed
 *   sim --same N                                        N seeds twice: the same trace?
 */
#include "sim.h"

#include <getopt.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct result {
	uint64_t seed, hash, events;
	mono_t simulated;
	bool failed;
	enum invariant which;
	char text[512];
	unsigned opened, believed, lost, asked, switchovers;
	bool split, stale;
	unsigned world;		/* of partitions: enum split_world */
	unsigned partitions, old_sent;
	mono_t both_for, told_late, healed_late;
};

enum split_world { SAFETY, SERVICE, SPLIT_WORLDS };

static struct world world;

static void
run_seed(uint64_t seed, enum breakage broken, bool trace, bool keep, struct result *r)
{
	struct world *w = &world;
	struct plan plan = plan_of(seed);
	mono_t when;

	w->broken = broken;
	w->trace = trace;
	w->keep = keep;
	w->script = false;
	world_init(w, seed, &plan);
	world_start(w);
	swarm_start(w);
	world_run(w, plan.calm_from + MONO_S);
	for (when = plan.calm_from + MONO_S; !w->check.failed; when += 250 * MONO_MS) {
		world_run(w, when);
		if (check_end(w, when >= plan.end))
			break;
	}
	*r = (struct result){ .seed = seed, .hash = w->hash, .events = w->events, .simulated = w->now - MONO_S, .failed = w->check.failed,
			      .which = w->check.which, .opened = w->check.sessions_opened, .believed = w->check.believed,
			      .lost = w->check.sessions_lost, .asked = w->check.sessions_asked, .switchovers = w->check.switchovers,
			      .split = w->check.splits > 0, .stale = w->check.stales > 0,
			      .world = plan.policy == POLICY_PREFER_SERVICE ? SERVICE : SAFETY,
			      .partitions = w->check.partitions, .old_sent = w->check.old_epoch_sent, .both_for = w->check.both_for,
			      .told_late = w->check.told_late, .healed_late = w->check.healed_late };
	memcpy(r->text, w->check.text, sizeof r->text);
	if (keep && r->failed)
		for (unsigned i = w->ring_at > 60 ? w->ring_at - 60 : 0; i < w->ring_at; i++)
			printf("    %s\n", w->ring[i % 512]);
	world_fini(w);
}

static double
clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct totals {
	uint64_t seeds, failed, split, stale, events;
	double simulated;
	uint64_t opened, believed, asked, lost, switchovers, by[INVARIANTS];
	struct {
		uint64_t seeds, partitions, promotions, split, old_sent;
		mono_t both_for, told_late, healed_late;
	} of[SPLIT_WORLDS];
};

static void
add_split(struct totals *t, const struct result *r)
{
	unsigned i = r->world;

	t->of[i].seeds++;
	t->of[i].partitions += r->partitions;
	t->of[i].promotions += r->switchovers;
	t->of[i].split += r->split;
	t->of[i].old_sent += r->old_sent;
	t->of[i].both_for += r->both_for;
	t->of[i].told_late = r->told_late > t->of[i].told_late ? r->told_late : t->of[i].told_late;
	t->of[i].healed_late = r->healed_late > t->of[i].healed_late ? r->healed_late : t->of[i].healed_late;
}

static void
print_split(const struct totals *t)
{
	static const char *const names[SPLIT_WORLDS] = { "prefer-safety", "prefer-service" };

	for (unsigned i = 0; i < SPLIT_WORLDS; i++)
		printf("%-14s %5llu schedules, %6llu partitions, %5llu promotions; two leases in %llu schedules, %.1f s of them; datagrams under an old "
		       "epoch after a higher one spoke: %llu, none later than %.1f ms after hearing of it, %.1f ms after it could\n",
		       names[i], (unsigned long long)t->of[i].seeds, (unsigned long long)t->of[i].partitions,
		       (unsigned long long)t->of[i].promotions, (unsigned long long)t->of[i].split, (double)t->of[i].both_for / 1e9,
		       (unsigned long long)t->of[i].old_sent, (double)t->of[i].told_late / 1e6, (double)t->of[i].healed_late / 1e6);
	printf("two nodes in one epoch: %llu\n", (unsigned long long)t->by[INV_ONE_ACTIVE]);
}

static void
add(struct totals *t, const struct result *r)
{
	t->seeds++;
	t->failed += r->failed;
	t->split += r->split;
	t->stale += r->stale;
	t->events += r->events;
	t->simulated += (double)r->simulated / 1e9;
	t->opened += r->opened;
	t->believed += r->believed;
	t->asked += r->asked;
	t->lost += r->lost;
	t->switchovers += r->switchovers;
	if (r->failed)
		t->by[r->which]++;
	add_split(t, r);
}

/* Worker j of n takes every n-th seed; results come through a pipe. */
static void
worker(int fd, uint64_t from, uint64_t seeds, unsigned j, unsigned n, enum breakage broken, double until)
{
	for (uint64_t i = j; i < seeds || (until > 0 && clock_now() < until); i += n) {
		struct result r;
		run_seed(from + i, broken, false, false, &r);
		if (write(fd, &r, sizeof r) != sizeof r)
			_exit(1);
	}
	_exit(0);
}

static void
replay_failed(uint64_t seed, enum breakage broken, const struct result *was)
{
	struct result r;

	printf("seed %llu FAILED %s: %s\n", (unsigned long long)seed, invariant_name[was->which], was->text);
	run_seed(seed, broken, false, true, &r);
	if (r.hash != was->hash)
		printf("    and the replay went another way: the simulator is not deterministic\n");
	printf("    replay: tests/sim/run --seed %llu --trace\n", (unsigned long long)seed);
}

static bool
run_seeds(uint64_t from, uint64_t seeds, unsigned jobs, double seconds, enum breakage broken, bool stop_at_first, struct totals *t)
{
	double began = clock_now(), until = seconds > 0 ? began + seconds : 0;
	int fd[2];
	struct result r;
	unsigned shown = 0, died = 0;

	if (pipe(fd) < 0)
		return false;
	fflush(stdout);
	pid_t pid[16];
	for (unsigned j = 0; j < jobs; j++) {
		pid[j] = fork();
		if (pid[j] == 0) {
			close(fd[0]);
			worker(fd[1], from, seeds, j, jobs, broken, until);
		}
	}
	close(fd[1]);
	while (read(fd[0], &r, sizeof r) == sizeof r) {
		add(t, &r);
		if (r.failed && stop_at_first)
			break;
		if (r.failed && shown++ < 5)
			replay_failed(r.seed, broken, &r);
		else if (r.failed && shown < 200)
			printf("seed %llu FAILED %s: %s\n", (unsigned long long)r.seed, invariant_name[r.which], r.text);
		if (!stop_at_first && t->seeds % 500 == 0) {
			double took = clock_now() - began;
			printf("%llu seeds, %llu failed, %.0f seeds a minute, %.0f simulated seconds a second\n", (unsigned long long)t->seeds,
			       (unsigned long long)t->failed, (double)t->seeds / took * 60, t->simulated / took);
			fflush(stdout);
		}
	}
	close(fd[0]);
	for (unsigned j = 0; j < jobs; j++) {
		int status;
		if (stop_at_first)
			kill(pid[j], SIGKILL);
		waitpid(pid[j], &status, 0);
		if (!stop_at_first && (!WIFEXITED(status) || WEXITSTATUS(status))) {
			printf("job %u died, status %x: run it with --jobs 1\n", j, status);
			died++;
		}
	}
	if (stop_at_first)
		return t->failed > 0;
	double took = clock_now() - began;
	printf("seeds %llu, failed %llu, split %llu, stale %llu; %.0f seeds a minute, %.0f simulated seconds a second\n",
	       (unsigned long long)t->seeds, (unsigned long long)t->failed, (unsigned long long)t->split,
	       (unsigned long long)t->stale, (double)t->seeds / took * 60, t->simulated / took);
	printf("sessions opened %llu, believed %llu, ended on purpose %llu, lost with an excuse %llu; promotions %llu; events %llu\n",
	       (unsigned long long)t->opened, (unsigned long long)t->believed, (unsigned long long)t->asked,
	       (unsigned long long)t->lost, (unsigned long long)t->switchovers, (unsigned long long)t->events);
	for (unsigned i = 0; i < INVARIANTS; i++)
		if (t->by[i])
			printf("  %-18s %llu\n", invariant_name[i], (unsigned long long)t->by[i]);
	return t->failed == 0 && !died;
}

/* --- mutants ------------------------------------------------------------------------------------------------- */

static bool
is_catcher(enum breakage b, enum invariant i)
{
	const char *at_name = break_catchers[b];
	size_t n = strlen(invariant_name[i]);

	while ((at_name = strstr(at_name, invariant_name[i])))
		if (at_name[n] == 0 || at_name[n] == ' ')
			return true;
		else
			at_name += n;
	return false;
}

static bool
mutant(enum breakage b, uint64_t seeds)
{
	struct result r;

	for (uint64_t s = 1; s <= seeds; s++) {
		run_seed(s, b, false, false, &r);
		if (!r.failed)
			continue;
		bool right = is_catcher(b, r.which);
		printf("mutant %-18s %s by %s, seed %llu: %s\n", break_name[b], right ? "noticed" : "noticed by the wrong one,",
		       invariant_name[r.which], (unsigned long long)s, r.text);
		if (right)
			return true;
	}
	printf("mutant %-18s NOT NOTICED in %llu seeds\n", break_name[b], (unsigned long long)seeds);
	return false;
}

static unsigned
mutants(uint64_t seeds, unsigned *passed)
{
	unsigned failed = 0;

	for (enum breakage b = 0; b < BREAKS; b++) {
		if (mutant(b, seeds))
			(*passed)++;
		else
			failed++;
		fflush(stdout);
	}
	return failed;
}

static unsigned
same(uint64_t from, uint64_t n, unsigned *passed)
{
	unsigned failed = 0;

	for (uint64_t s = from; s < from + n; s++) {
		struct result x, y;
		run_seed(s, BREAKS, false, false, &x);
		run_seed(s, BREAKS, false, true, &y);
		if (x.hash == y.hash && x.events == y.events) {
			(*passed)++;
			continue;
		}
		printf("seed %llu: %016llx once, %016llx again\n", (unsigned long long)s, (unsigned long long)x.hash, (unsigned long long)y.hash);
		failed++;
	}
	printf("%llu seeds twice: %u differ\n", (unsigned long long)n, failed);
	return failed;
}

static enum breakage
breakage_named(const char *name)
{
	for (enum breakage b = 0; b < BREAKS; b++)
		if (strcmp(break_name[b], name) == 0)
			return b;
	fprintf(stderr, "sim: no rule is called %s; known:\n", name);
	for (enum breakage b = 0; b < BREAKS; b++)
		fprintf(stderr, "  %-18s (%s)\n", break_name[b], break_catchers[b]);
	exit(2);
}

static void
list(void)
{
	static const char *const said[] = {
#define X(NAME, SENTENCE) SENTENCE,
#include "invariants.def"
#undef X
	};
	static const char *const broken[] = {
#define X(NAME, CATCHERS, SENTENCE) SENTENCE,
#include "breaks.def"
#undef X
	};

	for (unsigned i = 0; i < INVARIANTS; i++)
		printf("invariant %-18s %s\n", invariant_name[i], said[i]);
	for (unsigned i = 0; i < BREAKS; i++)
		printf("break     %-18s %s\n", break_name[i], broken[i]);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", 1, NULL, 'n' }, { "from", 1, NULL, 'f' }, { "jobs", 1, NULL, 'j' }, { "seconds", 1, NULL, 't' },
		{ "seed", 1, NULL, 's' }, { "trace", 0, NULL, 'v' }, { "script", 0, NULL, 'c' }, { "break", 1, NULL, 'b' },
		{ "mutants", 0, NULL, 'm' }, { "same", 1, NULL, 'd' }, { "split", 1, NULL, 'p' }, { "list", 0, NULL, 'l' }, { 0 },
	};
	uint64_t n = 0, from = 1, seed = 0, twice = 0;
	unsigned jobs = 2, passed = 0, failed = 0;
	double seconds = 0;
	bool trace = false, script = false, mutate = false, one = false, partitions = false;
	enum breakage broken = BREAKS;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'n': n = strtoull(optarg, NULL, 0); break;
		case 'f': from = strtoull(optarg, NULL, 0); break;
		case 'j': jobs = (unsigned)atoi(optarg); break;
		case 't': seconds = atof(optarg); break;
		case 's': seed = strtoull(optarg, NULL, 0); one = true; break;
		case 'v': trace = true; break;
		case 'c': script = true; break;
		case 'b': broken = breakage_named(optarg); break;
		case 'm': mutate = true; break;
		case 'd': twice = strtoull(optarg, NULL, 0); break;
		case 'p': n = strtoull(optarg, NULL, 0); partitions = true; break;
		case 'l': list(); return 0;
		default: return 2;
		}
	}
	if (jobs < 1 || jobs > 16)
		jobs = 2;
	if (script) {
		for (int i = optind; i < argc; i++) {
			int rc = script_run(argv[i], trace, broken);
			printf("%s  %s\n", rc ? "FAIL" : "ok  ", argv[i]);
			failed += rc != 0;
			passed += rc == 0;
		}
		printf("%u passed, %u failed, 0 skipped\n", passed, failed);
		return failed != 0;
	}
	if (one) {
		struct result r;
		run_seed(seed, broken, trace, !trace, &r);
		printf("seed %llu %s%s%s, %.1f s simulated, trace %016llx\n", (unsigned long long)seed,
		       r.failed ? invariant_name[r.which] : "holds", r.failed ? ": " : "", r.text, (double)r.simulated / 1e9,
		       (unsigned long long)r.hash);
		return r.failed;
	}
	if (mutate)
		failed += mutants(n ? n : 300, &passed);
	else if (twice)
		failed += same(from, twice, &passed);
	else {
		struct totals t = { 0 };
		bool ok = run_seeds(from + (partitions ? PARTITION_SEEDS : 0), n ? n : 100, jobs, seconds, broken, false, &t);
		if (partitions)
			print_split(&t);
		passed = (unsigned)(t.seeds - t.failed);
		failed = (unsigned)t.failed + (!ok && !t.failed);
	}
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed != 0;
}
