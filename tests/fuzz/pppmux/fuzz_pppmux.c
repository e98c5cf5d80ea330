// SPDX-License-Identifier: Apache-2.0
/*
 * A multiplexed frame of any octets.  What is read lies inside it, in order; sent again, it reads
 * the same.
 */
#include "pppmux/pppmux.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MOST 64

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct pppmux_tx tx;
	const struct pppmux_config conf = { .default_pid = 0x69, .t = MONO_S };
	struct { uint16_t proto; struct span info; } held[MOST];
	struct pppmux_frame f;
	struct pppmux_rx rx;
	struct span s;
	uint16_t proto;
	unsigned n = 0;
	const uint8_t *at = data;

	pppmux_tx_init(&tx, &conf);
	pppmux_rx_init(&rx, span_of(data, len), 0x69);
	for (enum pppmux_fault k; (k = pppmux_next(&rx, &proto, &s)) != PPPMUX_END;) {
		if (k != PPPMUX_OK)
			continue;
		if (s.p < at || s.p + s.len > data + len)
			abort();
		at = s.p + s.len;
		if (n < MOST && pppmux_add(&tx, MONO_S, proto, s.p, s.len) == PPPMUX_HELD) {
			held[n].proto = proto;
			held[n++].info = s;
		}
	}
	if (!pppmux_take(&tx, MONO_S, &f))
		return 0;
	if (f.count == 1)
		return f.proto == held[0].proto && span_eq(f.info, held[0].info) ? 0 : (abort(), 0);
	pppmux_rx_init(&rx, f.info, 0x69);
	for (unsigned i = 0; i < n; i++) {
		if (pppmux_next(&rx, &proto, &s) != PPPMUX_OK || proto != held[i].proto || !span_eq(s, held[i].info))
			abort();
	}
	return pppmux_next(&rx, &proto, &s) == PPPMUX_END ? 0 : (abort(), 0);
}
