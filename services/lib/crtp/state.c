// SPDX-License-Identifier: Apache-2.0
/*
 * CONTEXT_STATE as the compressor hears it (RFC 2508, 3.3.5; RFC 2507, 10.2).
 *
 *	+------+-------+--------------------------------------------------------------------+
 *	| type | count | count x { CID (8 or 16) | I 0 0 0 sequence(4) | 0 0 generation(6) } |
 *	+------+-------+--------------------------------------------------------------------+
 *	type 1: 8-bit CIDs; 2: 16-bit CIDs; 3: TCP, count x { CID (8) }
 *
 * A context that is asked for opens anew at its next packet.  A request comes N+1 times, and again
 *while the answer is on its way: what was answered a moment ago is not answered again.
 */
#include "crtp/comp_int.h"

enum { STATE_8 = 1, STATE_16 = 2, STATE_TCP = 3 };

static bool
under_way(const struct crtp_comp *c, const struct cctx *x, uint8_t gen, tick_t t)
{
	if (x->asked && t - x->repaired < c->hold)
		return true;
	if (t - x->fresh >= c->hold)
		return false;
	return gen != x->gen ||
	       !c->fam[x->v6].enhanced; /* it cannot have seen our last full header yet */
}

static void
serve(struct crtp_comp *c, uint32_t cid, bool invalid, uint8_t gen, tick_t t)
{
	struct cctx *x;

	if (cid >= c->contexts || c->ctx[cid].hash == 0)
		return;
	x = &c->ctx[cid];
	if (!invalid && gen == x->gen)
		return; /* advisory, and nothing is wrong */
	if (under_way(c, x, gen, t)) {
		c->stat[CRTP_C_REPEATED]++;
		return;
	}
	x->epoch = (uint8_t)(c->epoch - 1);
	x->asked = true;
	x->repaired = t;
	c->stat[CRTP_C_REPAIRS]++;
}

bool
crtp_comp_state(struct crtp_comp *c, mono_t now, struct span packet)
{
	struct rd in = rd_of(packet.p, packet.len);
	uint8_t type = rd_u8(&in), count = rd_u8(&in);
	bool known = type == STATE_8 || type == STATE_16;

	c->stat[CRTP_C_STATES]++;
	for (unsigned i = 0; known && i < count; i++) {
		uint32_t cid = type == STATE_8 ? rd_u8(&in) : rd_u16(&in);
		uint8_t flags = rd_u8(&in), gen = rd_u8(&in) & 63;
		if (!in.ok)
			break;
		serve(c, cid, flags & 0x80, gen, tick_of(now));
	}
	if (type == STATE_TCP) { /* we have none: nothing to mark */
		rd_take(&in, count);
		known = true;
	}
	if (in.ok && known)
		return true;
	c->stat[CRTP_C_STATES_BAD]++;
	return false;
}
