// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of the feed, one after the other: octet of the table, octet of the key, octet of the length
 * (255: removed), row.  Few keys, so that rows meet.  Then a packet each way: nothing a stored
 * record says may bring a worker down.
 */
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Rows may make any tunnel of any version: what leaves is not looked at closer. */
static void
read_rows(const struct dp *dp)
{
	volatile uint8_t sum = 0;

	for (unsigned i = 0; i < dp_out(dp)->frames; i++) {
		for (uint32_t k = 0; k < dp_out(dp)->frame[i].len; k++)
			sum = (uint8_t)(sum + dp_out(dp)->frame[i].p[k]);
	}
}

static void
packets(struct dp *dp)
{
	uint8_t buf[256], ip[64];
	struct dp_ends ends = fx_ends(LAC);
	struct dp_verdict v;

	for (uint16_t s = 0; s < 4; s++) {
		struct dp_datagram d = { buf + 64,
					 fx_data(buf + 64, 0, 1, s, ip,
						 fx_ip4(ip, "10.0.0.1", "10.0.0.2", 17, 20)),
					 0, &ends };
		dp_up(dp, NOW, &d, 1, &v);
		read_rows(dp);
		/* And as L2TPv3's over UDP and IP, or L2TPHC's. */
		put_u32(buf + 64, 0x00030000);
		put_u32(buf + 68, 1u << 16 | s);
		dp_up(dp, NOW, &d, 1, &v);
		read_rows(dp);
		struct dp_ends over = fx_ends_ip(LAC, s & 1 ? 115 : 200);
		struct dp_datagram apart = { buf + 68, d.len - 4, 0, &over };
		dp_up_ip(dp, NOW, &apart, 1, &v);
		read_rows(dp);
	}
	struct dp_packet k = { buf + 64, fx_ip4(buf + 64, "198.51.100.1", "10.0.0.1", 17, 20) };
	dp_down(dp, NOW, &k, 1, &v);
	read_rows(dp);
	struct dp_pair pair[DP_PAIRS];
	dp_pairs(dp, 115, false, pair);
	dp_around(dp, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum table tables[] = { TABLE_TUNNEL, TABLE_CALL, TABLE_SUBSCRIBER,
					     TABLE_DATA_NS };
	struct conf *conf = fx_conf();
	struct dp *dp = fx_dp(conf, 0);
	struct arena arena;
	struct dp_usage u[8];
	uint16_t t, s;
	struct dp_ctx ctx;
	uint32_t below;

	free(conf);
	arena_init(&arena, 1 << 20);
	dp_ns_role(dp, true, 1);
	for (unsigned rows = 0; len >= 3 && rows < 64; rows++) {
		enum table table = data[0] & 0x40 ? TABLE_TRUNK_CTX : tables[data[0] & 3];
		struct key k = table == TABLE_TUNNEL ? key_tunnel(data[1] & 3)
			     : table == TABLE_TRUNK_CTX
				 ? key_trunk(data[1] >> 2 & 3, data[1] & 3, data[0] & 3, data[1] >> 4)
						     : key_session(data[1] >> 2 & 3, data[1] & 3);
		size_t n = data[2] == 255 ? 0 : data[2] < len - 3 ? data[2] : len - 3;
		bool removed = data[2] == 255, load = data[0] & 0x80;
		const ProtobufCMessage *m =
		    removed ? NULL : row_unpack(&arena, table, span_of(data + 3, n));
		if (load)
			dp_load_begin(dp);
		if (m || removed)
			dp_apply(dp, table, key_span(&k), m);
		if (load)
			dp_load_end(dp);
		arena_reset(&arena);
		while (dp_ctx_next(dp, &ctx))
			;
		data += 3 + n;
		len -= 3 + n;
		packets(dp);
		while (dp_ns_wanted(dp, &t, &s, &below))
			dp_ns_committed(dp, t, s, below);
	}
	dp_usage_next(dp, 100, u, 8);
	arena_fini(&arena);
	dp_free(dp);
	return 0;
}
