// SPDX-License-Identifier: Apache-2.0
/*
 * Everything around a worker that is no worker, for tests/scenario/worker-sockets: state-sync with
 * a store of tunnels and subscribers, an elector that renews its lease, owners that send punted
 * frames straight back.
 *
 *     dp_feeder RUN STORE TUNNELS SESSIONS
 *     dp_feeder RUN STORE l2tpv3 SESSIONS       see below
 *
 * Tunnel t: peer 127.0.0.(10+t), from the third on fd00:99::(10+t), port 1701, its id 100+t.
 * Session t/s: its id 1000+s, address 10.99.t.s, and sequenced where s is a multiple of 4.  A line
 * "standby" or "active" on stdin changes the role; "lapse" lets the lease run out for 100 ms, and
 * meanwhile tunnel-ctl gives worker 0 a message for the first peer: LATE_TEXT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bus/bus.h"
#include "bus/records.h"
#include "dp.h"
#include "fixture.h"
#include "punt.pb-c.h"
#include "role.pb-c.h"
#include "rows.pb-c.h"
#include "store/store.h"
#include "sync.pb-c.h"

#define LATE_TEXT "sent without a lease"

struct feeder {
	struct loop *loop;
	struct bus_sock *sync, *role, *owner[2];
	struct store *store;
	struct loop_timer beat, between;
	uint64_t epoch;
	bool active;
};

static void
die(const char *why)
{
	fprintf(stderr, "dp_feeder: %s\n", why);
	exit(1);
}

/* ---- the store --------------------------------------------------------------------------- */

static void
put(struct store *s, enum table table, struct key key, const ProtobufCMessage *row)
{
	uint8_t buf[1024];
	size_t n = protobuf_c_message_pack(row, buf);

	if (store_put(s, table, key_span(&key), span_of(buf, n)) != 0)
		die(store_error(s));
}

static void
put_tunnel(struct store *s, uint16_t t)
{
	Row__Tunnel row = ROW__TUNNEL__INIT;
	uint8_t peer[4] = { 127, 0, 0, (uint8_t)(10 + t) }, local[4] = { 127, 0, 0, 1 };

	row.id = t;
	row.peer_id = 100u + t;
	struct ip_addr peer6 = fx_ip("fd00:99::"), local6 = fx_ip("fd00:99::1");
	peer6.b[15] = (uint8_t)(10 + t);
	row.peer_addr = (ProtobufCBinaryData){ 4, peer };
	row.peer_port = 1701;
	row.local_addr = (ProtobufCBinaryData){ 4, local };
	if (t > 2) {
		row.peer_addr = fx_octets(&peer6);
		row.local_addr = fx_octets(&local6);
	}
	row.local_port = 1701;
	put(s, TABLE_TUNNEL, key_tunnel(t), &row.base);
}

static void
put_session(struct store *s, uint16_t t, uint16_t id)
{
	Row__Call call = ROW__CALL__INIT;
	Row__Subscriber sub = ROW__SUBSCRIBER__INIT;
	uint8_t addr[4] = { 10, 99, (uint8_t)t, (uint8_t)id }, ours[4] = { 10, 99, 0, 1 };

	call.tunnel = t;
	call.id = id;
	call.peer_id = 1000u + id;
	call.state = 10;
	call.role = ROLE_LNS;
	call.seq_required = id % 4 == 0;
	put(s, TABLE_CALL, key_session(t, id), &call.base);
	sub.tunnel = t;
	sub.session = id;
	sub.forwarding = true;
	sub.mtu = 1492;
	sub.ipv4 = (ProtobufCBinaryData){ 4, addr };
	sub.ipv4_local = (ProtobufCBinaryData){ 4, ours };
	put(s, TABLE_SUBSCRIBER, key_session(t, id), &sub.base);
}

/*
 * ---- "l2tpv3": one peer of each kind, 10.7.0.(10+t) or fd00:7::(10+t)
 *
 *     1 over IP   2 over UDP   3 over IP, IPv6   4 L2TPHC, draft -05, of IPv4 only   5 L2TPHC, -03, protocol 200
 *
 * Session s of the first three: a cookie of 0, 4, 8 octets by s mod 3, a sublayer and numbers where s is a
 * multiple of 4; its id at the peer 0x10000 + s.  L2TPHC has one session in a draft -05 tunnel.
 */
enum { OVER_IP = 1, OVER_UDP, OVER_IP6, HEADERLESS_05, HEADERLESS_03, KINDS };

static void
put_tunnel3(struct store *s, uint16_t t)
{
	Row__Tunnel row = ROW__TUNNEL__INIT;
	struct ip_addr peer = fx_ip(t == OVER_IP6 ? "fd00:7::10" : "10.7.0.10"), local = fx_ip(t == OVER_IP6 ? "fd00:7::1" : "10.7.0.1");

	peer.b[t == OVER_IP6 ? 15 : 3] = (uint8_t)(10 + t);
	row.id = t;
	row.peer_id = t < HEADERLESS_05 ? 0x20000u + t : 100u + t;
	row.version = t < HEADERLESS_05 ? 3 : 2;
	row.over_ip = t == OVER_IP || t == OVER_IP6;
	row.peer_addr = fx_octets(&peer);
	row.local_addr = fx_octets(&local);
	row.peer_port = row.local_port = row.over_ip ? 0 : 1701;
	put(s, TABLE_TUNNEL, key_tunnel(t), &row.base);
}

static void
put_session3(struct store *s, uint16_t t, uint16_t id)
{
	Row__Call call = ROW__CALL__INIT;
	Row__Subscriber sub = ROW__SUBSCRIBER__INIT;
	Row__HeaderlessData bare = ROW__HEADERLESS_DATA__INIT;
	uint8_t cookie[8] = { 0xc0, (uint8_t)t, (uint8_t)id, 3, 4, 5, 6, 7 }, theirs[8] = { 0xd0, (uint8_t)t, (uint8_t)id, 3, 4, 5, 6, 7 };
	uint8_t addr[4] = { 10, 99, (uint8_t)t, (uint8_t)id }, ours[4] = { 10, 99, 0, 254 };

	call.tunnel = t;
	call.id = id;
	call.state = 10;
	call.role = ROLE_LNS;
	call.peer_id = (t < HEADERLESS_05 ? 0x10000u : 1000u) + id;
	if (t < HEADERLESS_05) {
		call.cookie = (ProtobufCBinaryData){ 4u * (id % 3), cookie };
		call.peer_cookie = (ProtobufCBinaryData){ 4u * (id % 3), theirs };
		call.sublayer = call.peer_sublayer = id % 4 == 0;
		call.sequencing = call.peer_sequencing = id % 4 == 0 ? 2 : 0;
	} else {
		bare.ip_protocol = t == HEADERLESS_05 ? 115 : 200;
		bare.bare = t == HEADERLESS_05;
		bare.protocol = bare.bare ? 0x21 : 0;
		bare.header = t == HEADERLESS_03;
		bare.send_octets = bare.receive_octets = bare.header ? 1 + id % 2 : 0;
		bare.send_session = bare.header ? 50u + id : 0;
		bare.receive_session = bare.header ? id : 0;
		call.headerless = &bare;
	}
	put(s, TABLE_CALL, key_session(t, id), &call.base);
	sub.tunnel = t;
	sub.session = id;
	sub.forwarding = true;
	sub.mtu = 1492;
	sub.ipv4 = (ProtobufCBinaryData){ 4, addr };
	sub.ipv4_local = (ProtobufCBinaryData){ 4, ours };
	put(s, TABLE_SUBSCRIBER, key_session(t, id), &sub.base);
}

static void
fill3(struct feeder *f, unsigned sessions)
{
	for (uint16_t t = OVER_IP; t < KINDS; t++) {
		put_tunnel3(f->store, t);
		for (uint16_t s = 1; s <= (t == HEADERLESS_05 ? 1 : sessions); s++)
			put_session3(f->store, t, s);
	}
}

static void
fill2(struct feeder *f, unsigned tunnels, unsigned sessions)
{
	for (unsigned t = 1; t <= tunnels; t++) {
		put_tunnel(f->store, (uint16_t)t);
		for (unsigned s = 1; s <= sessions; s++)
			put_session(f->store, (uint16_t)t, (uint16_t)s);
	}
}

static void
fill(struct feeder *f, bool l2tpv3, unsigned tunnels, unsigned sessions)
{
	struct store_meta meta = { .position = 1, .epoch = 1, .lineage = 1 };

	if (store_begin(f->store) != 0)
		die(store_error(f->store));
	if (l2tpv3)
		fill3(f, sessions);
	else
		fill2(f, tunnels, sessions);
	store_meta_put(f->store, &meta);
	if (store_commit(f->store) != 0)
		die(store_error(f->store));
}

/* ---- state-sync -------------------------------------------------------------------------- */

static void
say(struct feeder *f, struct span to, Sync__Kind kind, uint64_t up_to)
{
	Sync__Header h = SYNC__HEADER__INIT;
	uint8_t buf[128];

	h.kind = kind;
	h.position = 1;
	h.up_to = up_to;
	h.epoch = f->epoch;
	h.role = f->active ? SYNC__ROLE__ACTIVE : SYNC__ROLE__STANDBY;
	struct span frame = span_of(buf, sync__header__pack(&h, buf));
	bus_send(f->sync, to, &frame, 1);
}

/* Whatever is submitted is committed, into the store as well: a worker that starts again finds its
 * leases. */
static void
submit(struct feeder *f, struct span from, const struct span *frames, unsigned n)
{
	uint64_t last = 0;

	if (store_begin(f->store) != 0)
		die(store_error(f->store));
	for (unsigned i = 0; i < n; i++) {
		struct records r;
		struct record one;
		if (!records_open(frames[i], &r))
			die("records that cannot be read");
		while (records_next(&r, &one)) {
			if (one.removed)
				store_del(f->store, one.table, one.key);
			else
				store_put(f->store, one.table, one.key, one.row);
		}
		last = r.first_seq + r.count - 1;
	}
	if (store_commit(f->store) != 0)
		die(store_error(f->store));
	say(f, from, SYNC__KIND__COMMITTED, last);
}

static void
on_sync(void *arg, struct bus_sock *s, struct span from, const struct span *frames, unsigned n)
{
	struct feeder *f = arg;
	Sync__Header *h = n ? sync__header__unpack(NULL, frames[0].len, frames[0].p) : NULL;

	if (!h)
		die("a header that cannot be read");
	if (h->kind == SYNC__KIND__HELLO)
		say(f, from, SYNC__KIND__WELCOME, 0);
	else if (h->kind == SYNC__KIND__SUBMIT)
		submit(f, from, frames + 1, n - 1);
	sync__header__free_unpacked(h, NULL);
}

/* ---- elector ----------------------------------------------------------------------------- */

static void
lease(struct feeder *f, mono_t length)
{
	Role__Lease l = ROLE__LEASE__INIT;
	uint8_t buf[64];

	l.epoch = f->epoch;
	l.active = f->active;
	l.until = mono_now() + length;
	struct span frame = span_of(buf, role__lease__pack(&l, buf));
	bus_send(f->role, span_of(NULL, 0), &frame, 1);
}

static void
on_beat(void *arg)
{
	struct feeder *f = arg;

	lease(f, MONO_S);
	loop_timer_set(f->loop, &f->beat, mono_now() + 10 * MONO_MS);
}

/* In the middle of a lapse. */
static void
on_between(void *arg)
{
	struct feeder *f = arg;
	Punt__ToWorker m = PUNT__TO_WORKER__INIT;
	Punt__Frame frame = PUNT__FRAME__INIT, *frames = &frame;
	uint8_t peer[4] = { 127, 0, 0, 11 }, local[4] = { 127, 0, 0, 1 }, text[] = LATE_TEXT, buf[256];

	frame.peer_addr = (ProtobufCBinaryData){ 4, peer };
	frame.local_addr = (ProtobufCBinaryData){ 4, local };
	frame.peer_port = frame.local_port = 1701;
	frame.octets = (ProtobufCBinaryData){ sizeof text - 1, text };
	m.epoch = f->epoch;
	m.n_frames = 1;
	m.frames = &frames;
	struct span octets = span_of(buf, punt__to_worker__pack(&m, buf));
	bus_send(f->owner[0], span_of((const uint8_t *)"worker.0", 8), &octets, 1);
}

static void
lapse(struct feeder *f)
{
	lease(f, MONO_MS);
	loop_timer_set(f->loop, &f->between, mono_now() + 30 * MONO_MS);
	loop_timer_set(f->loop, &f->beat, mono_now() + 100 * MONO_MS);
}

static void
on_stdin(void *arg, int fd, unsigned events)
{
	struct feeder *f = arg;
	char line[64];
	ssize_t n = read(fd, line, sizeof line);

	if (n <= 0) {
		loop_stop(f->loop);
		return;
	}
	if (line[0] == 'l') {
		lapse(f);
		return;
	}
	f->active = line[0] == 'a';
	on_beat(f);
}

/* ---- owners ------------------------------------------------------------------------------ */

/* Sends each punted frame back as it is. */
static void
on_punt(void *arg, struct bus_sock *s, struct span from, const struct span *frames, unsigned n)
{
	struct feeder *f = arg;
	Punt__ToOwner *in =
	    n == 1 ? punt__to_owner__unpack(NULL, frames[0].len, frames[0].p) : NULL;
	Punt__ToWorker out = PUNT__TO_WORKER__INIT;

	if (!in)
		die("a punt that cannot be read");
	out.epoch = f->epoch;
	out.n_frames = in->n_frames;
	out.frames = in->frames;
	if (in->n_frames) {
		uint8_t *buf = malloc(punt__to_worker__get_packed_size(&out));
		struct span frame = span_of(buf, punt__to_worker__pack(&out, buf));
		bus_send(s, from, &frame, 1);
		free(buf);
	}
	punt__to_owner__free_unpacked(in, NULL);
}

int
main(int argc, char **argv)
{
	struct feeder f = { .epoch = 1, .active = true };
	char error[STORE_ERROR];
	struct bus *bus;

	if (argc != 5)
		die("usage: dp_feeder RUN STORE TUNNELS|l2tpv3 SESSIONS");
	log_open("feeder", NOTE_INFO);
	f.store = store_open_rw(argv[2], 64 << 20, error, sizeof error);
	if (!f.store)
		die(error);
	fill(&f, strcmp(argv[3], "l2tpv3") == 0, (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
	f.loop = loop_new();
	bus = f.loop ? bus_new(f.loop, argv[1]) : NULL;
	if (!bus || !(f.sync = bus_router_bind(bus, "sync", on_sync, &f)) ||
	    !(f.role = bus_pub_bind(bus, "role")) ||
	    !(f.owner[0] = bus_router_bind(bus, "punt.tunnel-ctl", on_punt, &f)) ||
	    !(f.owner[1] = bus_router_bind(bus, "punt.session-mgr", on_punt, &f)))
		die("cannot bind");
	loop_timer_init(&f.beat, on_beat, &f);
	loop_timer_init(&f.between, on_between, &f);
	loop_timer_set(f.loop, &f.beat, mono_now());
	loop_fd_add(f.loop, 0, LOOP_READ, on_stdin, &f);
	loop_stop_on_signals(f.loop);
	puts("feeding");
	fflush(stdout);
	loop_run(f.loop);
	bus_free(bus);
	store_close(f.store);
	loop_free(f.loop);
	return 0;
}
