// SPDX-License-Identifier: Apache-2.0
/*
 * What a cold start costs the cores (RFC 4951): an LNS recovers its tunnels from a LAC, with every record packed, in CPU time
 * of either core, messages and records.  Not a test: it prints.   recover_cost [tunnels [calls of a tunnel]]
 */
#include <time.h>

#define LAB_FAIL(...) abort()
#include "lab.h"
#include "tunnels.h"

struct packet {
	struct endpoint local, peer;
	size_t len;
	uint8_t bytes[CHAN_MESSAGE_MAX];
};

struct side {
	struct sink sink;
	struct lab *lab;
	struct packet *out;
	unsigned outs, cap;
	uint64_t records, octets, messages;
	int64_t spent;
};

static struct side side[2];
static mono_t now = 1000 * MONO_S;

static void
on_record(struct sink *s, enum table table, struct span key, const ProtobufCMessage *row)
{
	static uint8_t packed[8192];
	struct side *d = (struct side *)s;

	d->records++;
	if (row && protobuf_c_message_get_packed_size(row) <= sizeof packed)
		d->octets += protobuf_c_message_pack(row, packed);
}

static void
on_effect(struct sink *s, const struct effect *e)
{
	struct side *d = (struct side *)s;

	if (d->outs == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 1024;
		d->out = realloc(d->out, d->cap * sizeof *d->out);
		if (!d->out)
			abort();
	}
	d->messages++;
	d->out[d->outs] = (struct packet){ .local = e->local, .peer = e->peer, .len = e->bytes.len };
	memcpy(d->out[d->outs++].bytes, e->bytes.p, e->bytes.len);
}

static void
on_note(struct sink *s, enum note_level level, const char *line)
{
}

static int64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void
step(struct side *d, const struct tc_event *ev)
{
	int64_t from = clock_ns();

	tc_step(d->lab->tc, now, ev, &d->sink);
	d->spent += clock_ns() - from;
}

static bool
carry(struct side *from, struct side *to)
{
	struct packet *out = from->out;
	unsigned n = from->outs;

	from->out = NULL;
	from->outs = from->cap = 0;
	for (unsigned i = 0; i < n; i++) {
		struct tc_datagram in = { out[i].local, out[i].peer, span_of(out[i].bytes, out[i].len) };
		struct tc_event ev = { .kind = TC_DATAGRAMS, .wall_s = 1700000000, .datagrams = { &in, 1 } };
		step(to, &ev);
	}
	free(out);
	return n != 0;
}

static void
run(void)
{
	bool more = true;

	while (more) {
		more = false;
		for (unsigned i = 0; i < 2; i++) {
			while (tc_next_due(side[i].lab->tc) != MONO_NEVER && tc_next_due(side[i].lab->tc) <= now)
				step(&side[i], &(struct tc_event){ .kind = TC_TICK, .wall_s = 1700000000 });
			more |= carry(&side[i], &side[1 - i]);
		}
	}
}

static void
dial(struct lab *lac)
{
	static const char *const words[] = { "call", "dial", "g", "100" };
	static struct tc_answer answer;
	struct tc_event ev = { .kind = TC_COMMAND, .wall_s = 1700000000 };

	ev.command.words = words;
	ev.command.n = 4;
	ev.command.answer = &answer;
	step(&side[0], &ev);
}

int
main(int argc, char **argv)
{
	unsigned tunnels = argc > 1 ? (unsigned)atoi(argv[1]) : 64, each = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
	unsigned calls = tunnels * each;

	for (unsigned i = 0; i < 2; i++) {
		struct lab *l = side[i].lab = lab_new();
		struct conf_profile *p = &l->conf.profile[0];
		side[i].sink = (struct sink){ on_record, on_effect, on_note };
		l->conf.data.listen[0].addr.b[3] = (uint8_t)(i + 1);
		p->roles = i ? ROLE_LNS : ROLE_LAC;
		p->window = 512;
		p->max_sessions = each;
		p->failover = true;
		p->recovery_ms = 60000;
		p->recovery_parallel = 16;
	}
	struct lab *lac = side[0].lab, *lns = side[1].lab;
	lac->conf.lns_groups = 1;
	snprintf(lac->conf.lns_group[0].name, CONF_NAME, "g");
	lac->conf.lns_group[0].member[0].peer = lns->conf.data.listen[0];
	lac->conf.lns_group[0].members = 1;
	for (unsigned i = 0; i < 2; i++) {
		lab_start(side[i].lab, i + 1);
		tc_note_level(side[i].lab->tc, NOTE_ERROR);
	}
	for (unsigned i = 0; i < calls; i++) {
		dial(lac);
		if (i % 64 == 63)
			run();
	}
	run();
	printf("calls %u on %u tunnels\n", tc_population(lns->tc).calls_established, tc_population(lns->tc).established);
	for (unsigned i = 0; i < 2; i++)
		side[i].records = side[i].octets = side[i].messages = 0, side[i].spent = 0;
	tc_deactivate(lns->tc);
	tc_term(lns->tc, 2, 2);
	int64_t from = clock_ns();
	tc_activate(lns->tc, now);
	side[1].spent += clock_ns() - from;
	run();
	printf("sessions synchronised %llu, lost %llu, still recovering %u\n", (unsigned long long)lab_count(lns, "RECOVERY_SESSIONS"),
	       (unsigned long long)lab_count(lns, "RECOVERY_LOST"), tc_population(lns->tc).recovering);
	printf("recovery endpoint: cpu %.1f ms, %llu messages, %llu records of %llu octets\n", (double)side[1].spent / 1e6,
	       (unsigned long long)side[1].messages, (unsigned long long)side[1].records, (unsigned long long)side[1].octets);
	printf("remote endpoint: cpu %.1f ms, %llu messages, %llu records\n", (double)side[0].spent / 1e6,
	       (unsigned long long)side[0].messages, (unsigned long long)side[0].records);
	return 0;
}
