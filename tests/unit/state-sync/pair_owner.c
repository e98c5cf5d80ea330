// SPDX-License-Identifier: Apache-2.0
/*
 * An owner with nothing to own, for tests/scenario/pair-basic.sh: plays session-mgr towards state-sync.
 *
 *   pair_owner --clock                          what time it is (boot clock, ns)
 *   pair_owner CONFIG MARK RATE SECONDS         while active: RATE records a second, numbered; an effect for
 *                                               each millisecond's; MARK holds the last number released
 *
 * A line for what happens, with the boot clock in ns:
 *   load seen=N         the store was read; N is the highest number in it
 *   active seen=N       the role is active; N as the feed has brought it up to here
 *   sending             the lease is good for the first time since then
 *   sum ...             at the end
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/owner.h"
#include "rows.pb-c.h"

#define KEYS 1000
#define BUCKETS 200000 /* of a microsecond */

struct load {
	struct loop *loop;
	struct owner *owner;
	struct loop_timer tick;
	mono_t from, until, active_at, due;
	unsigned rate;
	uint64_t seen, next, released, records;
	bool sending, active;
	int mark;
	uint32_t lag[BUCKETS];
	uint64_t lags;
};

static void
say(const char *what, uint64_t n)
{
	printf("%lld %s %llu\n", (long long)mono_now(), what, (unsigned long long)n);
	fflush(stdout);
}

static void
see(struct load *l, struct span row)
{
	Row__Usage *u = row__usage__unpack(NULL, row.len, row.p);

	if (u && u->in_octets > l->seen)
		l->seen = u->in_octets;
	if (u)
		row__usage__free_unpacked(u, NULL);
}

static bool
on_row(void *arg, struct span key, struct span row)
{
	see(arg, row);
	return true;
}

static void
load(void *arg, struct store_view *v)
{
	struct load *l = arg;

	l->seen = 0;
	store_each(v, TABLE_USAGE, on_row, l);
	l->next = l->seen + 1;
	say("load", l->seen);
}

static void
row(void *arg, enum table t, struct span key, struct span r, bool removed)
{
	if (t == TABLE_USAGE)
		see(arg, r);
}

static void
role(void *arg, bool active, uint64_t epoch, enum mirror mirror)
{
	struct load *l = arg;
	static const char *const names[] = { "alone", "catching-up", "mirrored" };

	if (active && !l->active) {
		l->next = l->seen + 1;
		l->sending = false;
		say("active", l->seen);
	}
	l->active = active;
	say(active ? names[mirror] : "standby", epoch);
}

static void
release(void *arg, const struct effect *e)
{
	struct load *l = arg;
	uint64_t d[2];

	memcpy(d, e->detail, sizeof d);
	l->released = d[0];
	if (pwrite(l->mark, &l->released, sizeof l->released, 0) < 0)
		exit(1);
	uint64_t us = ((uint64_t)mono_now() - d[1]) / 1000;
	l->lag[us < BUCKETS ? us : BUCKETS - 1]++;
	l->lags++;
}

static void
emit(struct load *l, unsigned n)
{
	uint64_t d[2];
	struct effect e = { .kind = EFFECT_OTHER, .detail = d, .detail_len = sizeof d };

	for (unsigned i = 0; i < n; i++) {
		Row__Usage u = ROW__USAGE__INIT;
		uint64_t id = l->next++;
		struct key k = key_session((uint16_t)(id % KEYS / 100 + 1), (uint16_t)(id % KEYS));
		u.in_octets = id;
		u.out_octets = id * 1500;
		u.in_packets = u.out_packets = id;
		sink_record(owner_sink(l->owner), TABLE_USAGE, key_span(&k), &u.base);
	}
	l->records += n;
	d[0] = l->next - 1;
	d[1] = (uint64_t)mono_now();
	sink_effect(owner_sink(l->owner), &e);
}

static void
tick(void *arg)
{
	struct load *l = arg;
	mono_t now = mono_now();

	if (now >= l->until)
		loop_stop(l->loop);
	if (owner_active(l->owner) && owner_may_send(l->owner) && !l->sending) {
		l->sending = true;
		say("sending", l->next - 1);
	}
	if (owner_active(l->owner) && l->rate) {
		if (!l->due || now - l->due > MONO_S)
			l->due = now;
		unsigned n = (unsigned)((double)(now - l->due) * l->rate / MONO_S);
		l->due += (mono_t)((double)n * MONO_S / l->rate);
		if (n)
			emit(l, n);
	}
	loop_timer_set(l->loop, &l->tick, now + MONO_MS);
}

static uint64_t
quantile(const struct load *l, double q)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		if ((at += l->lag[i]) > q * (double)l->lags)
			return i;
	return 0;
}

int
main(int argc, char **argv)
{
	static struct load l;
	static const struct owner_ops ops = { load, row, role, release, NULL };
	char error[512];

	if (argc == 2 && strcmp(argv[1], "--clock") == 0) {
		printf("%lld\n", (long long)mono_now());
		return 0;
	}
	if (argc != 5)
		return 2;
	log_open("pair_owner", NOTE_INFO);
	struct conf *conf = conf_load(argv[1], NULL, error, sizeof error);
	if (!conf) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	l.mark = open(argv[2], O_RDWR | O_CREAT, 0600);
	l.rate = (unsigned)atoi(argv[3]);
	l.loop = loop_new();
	struct bus *bus = bus_new(l.loop, conf->node.run_dir);
	l.owner = bus ? owner_new(bus, l.loop, &conf->node, "session-mgr", &ops, &l) : NULL;
	if (!l.owner || l.mark < 0)
		return 1;
	l.from = mono_now();
	l.until = l.from + atoi(argv[4]) * MONO_S;
	loop_stop_on_signals(l.loop);
	loop_timer_init(&l.tick, tick, &l);
	tick(&l);
	loop_run(l.loop);
	printf("%lld sum records=%llu released=%llu next=%llu p50_us=%llu p99_us=%llu\n", (long long)mono_now(),
	       (unsigned long long)l.records, (unsigned long long)l.released, (unsigned long long)l.next,
	       (unsigned long long)quantile(&l, 0.5), (unsigned long long)quantile(&l, 0.99));
	owner_free(l.owner);
	bus_free(bus);
	loop_free(l.loop);
	conf_free(conf);
	return 0;
}
