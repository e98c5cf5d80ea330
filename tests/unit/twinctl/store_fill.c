// SPDX-License-Identifier: Apache-2.0
/* twinctl_store_fill DIR N: a store with N sessions on 64 tunnels, as a busy node would have. */
#include <stdio.h>
#include <stdlib.h>

#include "rows.pb-c.h"
#include "store/store.h"

#define TUNNELS 64

static struct store *store;

static void
put(unsigned table, struct key key, const ProtobufCMessage *row)
{
	uint8_t b[2048];

	if (protobuf_c_message_get_packed_size(row) > sizeof b ||
	    store_put(store, table, key_span(&key), span_of(b, protobuf_c_message_pack(row, b))) != 0) {
		fprintf(stderr, "%s\n", store_error(store));
		exit(1);
	}
}

static void
put_tunnel(unsigned id)
{
	uint8_t peer[4] = { 203, 0, 113, (uint8_t)id };
	Row__Tunnel t = ROW__TUNNEL__INIT;

	t.id = id;
	t.peer_id = 1000 + id;
	t.state = 3;
	t.role = 1;
	t.peer_addr = (ProtobufCBinaryData){ 4, peer };
	t.peer_port = 1701;
	t.profile = "anyone";
	t.peer_host = id == 2 ? "lac\033[31m2" : "lac-1.example.net"; /* one that would colour the screen */
	t.since = 1700000000;
	put(TABLE_TUNNEL, key_tunnel((uint16_t)id), &t.base);
}

/* Agent-Circuit-Id and Actual-Data-Rate-Downstream (RFC 5515), as in an ICRQ. */
static uint8_t line[] = { 0x00, 14,   0x0d, 0xe9, 0, 1,	 'p', 'o', 'r', 't', ' ', '1', '/', '2', 0x00, 14,
			  0x0d, 0xe9, 0,    130,  0, 0, 0,   0,	  0x01, 0x12, 0xa8, 0x80 };

static void
put_session(unsigned tunnel, unsigned id, unsigned n)
{
	char user[32];
	uint8_t ip[4] = { 100, (uint8_t)(64 + (n >> 16)), (uint8_t)(n >> 8), (uint8_t)n };
	Row__Call c = ROW__CALL__INIT;
	Row__CallInfo i = ROW__CALL_INFO__INIT;
	Row__Link l = ROW__LINK__INIT;
	Row__Subscriber s = ROW__SUBSCRIBER__INIT;
	Row__Usage u = ROW__USAGE__INIT;
	struct key k = key_session((uint16_t)tunnel, (uint16_t)id);

	snprintf(user, sizeof user, "user%u@example.net", n);
	c.tunnel = tunnel;
	c.id = id;
	c.state = 10;
	c.kind = 1;
	c.role = 1;
	c.since = 1700000000;
	put(TABLE_CALL, k, &c.base);
	i.calling = "5550100";
	i.private_group = (ProtobufCBinaryData){ 6, (uint8_t *)"blue\0\xff" };
	i.accm_told = true;
	i.accm_recv = 0x000a0000;
	i.tx_bps = 18000000;
	i.access_line = (ProtobufCBinaryData){ sizeof line, line };
	put(TABLE_CALL_INFO, k, &i.base);
	l.tunnel = tunnel;
	l.session = id;
	l.phase = 3;
	put(TABLE_LINK, k, &l.base);
	s.tunnel = tunnel;
	s.session = id;
	s.user = user;
	s.forwarding = true;
	s.ipv4 = (ProtobufCBinaryData){ 4, ip };
	s.auth = "chap-md5 local";
	s.since = 1700000000;
	put(TABLE_SUBSCRIBER, k, &s.base);
	u.in_octets = 1536;
	put(TABLE_USAGE, k, &u.base);
}

int
main(int argc, char **argv)
{
	char error[STORE_ERROR];
	unsigned n = argc == 3 ? (unsigned)atoi(argv[2]) : 0;

	store = argc == 3 ? store_open_rw(argv[1], 1u << 30, error, sizeof error) : NULL;
	if (!store || store_begin(store) != 0) {
		fprintf(stderr, "twinctl_store_fill DIR N: %s\n", argc == 3 ? error : "two arguments");
		return 1;
	}
	for (unsigned t = 1; t <= TUNNELS; t++)
		put_tunnel(t);
	for (unsigned k = 0; k < n; k++)
		put_session(1 + k % TUNNELS, 1 + k / TUNNELS, k);
	Row__Alarm a = ROW__ALARM__INIT;
	a.name = "ALONE";
	a.process = "state-sync";
	a.since = 1700000000;
	put(TABLE_ALARM, key_text("state-sync/ALONE"), &a.base);
	if (store_commit(store) != 0) {
		fprintf(stderr, "%s\n", store_error(store));
		return 1;
	}
	store_close(store);
	return 0;
}
