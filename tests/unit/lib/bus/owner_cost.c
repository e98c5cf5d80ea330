// SPDX-License-Identifier: Apache-2.0
/*
 * What the way from an owner to state-sync and back costs: `figure NAME VALUE UNIT` lines.  Not a
 * test: run by hand.  The owner and the fake state-sync are two processes over ipc, as in life.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/owner.h"
#include "bus/records.h"
#include "fake_sync.h"
#include "rows.pb-c.h"

static struct loop *loop;
static struct owner *owner;
static struct conf_node node;
static uint64_t released;

static void
load(void *arg, struct store_view *v)
{
}

static void
row(void *arg, enum table t, struct span key, struct span r, bool removed)
{
}

static void
role(void *arg, bool active, uint64_t epoch, enum mirror mirror)
{
}

static void
release(void *arg, const struct effect *e)
{
	released++;
}

static void
state_sync(void)
{
	static struct fake_sync fake;
	struct loop *l = loop_new();
	struct bus *b = bus_new(l, node.run_dir);

	fake_sync_start(&fake, b, node.store_dir, true, 5);
	for (;;) {
		fake_sync_lease(&fake, 5, true, mono_now() + 3600 * MONO_S);
		loop_once(l, 10 * MONO_MS);
	}
}

static void
write_tunnel(uint16_t id)
{
	Row__Tunnel t = ROW__TUNNEL__INIT;
	struct key k = key_tunnel(id);
	uint8_t addr[4] = { 192, 0, 2, 1 };

	t.id = id;
	t.peer_id = 7;
	t.state = 3;
	t.peer_addr = (ProtobufCBinaryData){ 4, addr };
	t.peer_port = 1701;
	t.peer_host = "lac1.example.net";
	sink_record(owner_sink(owner), TABLE_TUNNEL, key_span(&k), &t.base);
}

static void
emit(void)
{
	static uint8_t message[80];

	sink_effect(owner_sink(owner),
		    &(struct effect){ .bytes = span_of(message, sizeof message) });
}

/* Records in rounds of `round`, at most `ahead` rounds on their way. */
static void
throughput(unsigned rounds, unsigned round, unsigned ahead, const char *name)
{
	mono_t start = mono_now();

	released = 0;
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned i = 0; i < round; i++)
			write_tunnel((uint16_t)(r * round + i));
		emit();
		do
			loop_once(loop, 0);
		while (r + 1 - released > ahead);
	}
	while (released < rounds)
		loop_once(loop, MONO_MS);
	printf("figure %s %.0f records/s\n", name,
	       rounds * (double)round * MONO_S / (double)(mono_now() - start));
}

static int
ascending(const void *a, const void *b)
{
	mono_t d = *(const mono_t *)a - *(const mono_t *)b;

	return d < 0 ? -1 : d > 0;
}

static void
round_trip(void)
{
	enum { N = 20000 };
	static mono_t took[N];

	for (unsigned i = 0; i < N; i++) {
		mono_t start = mono_now();
		released = 0;
		write_tunnel((uint16_t)i);
		emit();
		while (!released)
			loop_once(loop, MONO_MS);
		took[i] = mono_now() - start;
	}
	qsort(took, N, sizeof *took, ascending);
	printf("figure owner.roundtrip.p50 %.1f us\nfigure owner.roundtrip.p99 %.1f us\n",
	       took[N / 2] / 1e3, took[N * 99 / 100] / 1e3);
}

static void
store_puts(unsigned batch)
{
	char error[STORE_ERROR], dir[300];
	static uint8_t octets[80];
	const unsigned rows = 200000;

	snprintf(dir, sizeof dir, "%s.alone", node.store_dir);
	struct store *s = store_open_rw(dir, 1 << 30, error, sizeof error);
	mono_t start = mono_now();
	for (unsigned i = 0; i < rows; i++) {
		struct key k = key_session((uint16_t)(i % 64), (uint16_t)(i / 64));
		if (i % batch == 0)
			store_begin(s);
		if (store_put(s, TABLE_CALL, key_span(&k), span_of(octets, sizeof octets)))
			printf("%s\n", store_error(s));
		if (i % batch == batch - 1)
			store_commit(s);
	}
	printf("figure store.puts.%u %.0f puts/s\n", batch,
	       rows * (double)MONO_S / (double)(mono_now() - start));
	store_close(s);
}

int
main(void)
{
	static const struct owner_ops ops = { load, row, role, release, NULL };
	char command[400];

	strcpy(node.run_dir, "/tmp/owner_cost.XXXXXX");
	if (!mkdtemp(node.run_dir))
		return 1;
	snprintf(node.store_dir, sizeof node.store_dir, "%s/store", node.run_dir);
	pid_t pid = fork();
	if (pid == 0)
		state_sync();
	loop = loop_new();
	struct bus *bus = bus_new(loop, node.run_dir);
	owner = owner_new(bus, loop, &node, "tunnel-ctl", &ops, NULL);
	while (!owner_active(owner) || !owner_may_send(owner))
		loop_once(loop, MONO_MS);
	throughput(2000, 500, 8, "owner.records.500");
	throughput(20000, 20, 50, "owner.records.20");
	round_trip();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	store_puts(1);
	store_puts(100);
	store_puts(1000);
	owner_free(owner);
	bus_free(bus);
	loop_free(loop);
	snprintf(command, sizeof command, "rm -r %s", node.run_dir);
	return system(command) != 0;
}
