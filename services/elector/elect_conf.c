// SPDX-License-Identifier: Apache-2.0
/* The election's part of the configuration, in the core's units and with its own lower bounds. */
#include "elect_impl.h"
#include "pair.h"

#include <stdio.h>

#define ALONE_LEASE (2 * MONO_S)
#define ALONE_BEAT (50 * MONO_MS) /* nobody hears it: it renews the lease and looks at the addresses */

static mono_t
ms(unsigned v, unsigned otherwise)
{
	return (mono_t)(v ? v : otherwise) * MONO_MS;
}

static mono_t
longer(mono_t a, mono_t b)
{
	return a > b ? a : b;
}

void
elect_conf_from(const struct conf *c, struct elect_conf *out)
{
	const struct conf_pair *p = &c->pair;

	*out = (struct elect_conf){
		.side = p->enabled ? (uint8_t)pair_side(p) : 0,
		.pair = p->enabled,
		.preferred = p->preferred,
		.policy = p->policy,
		.paths = p->paths < CONF_PATHS ? p->paths : CONF_PATHS,
		.heartbeat = p->enabled ? ms(p->heartbeat_ms, 10) : ALONE_BEAT,
		.sync_dead = 2 * MONO_S,
	};
	snprintf(out->node, sizeof out->node, "%s", c->node.name);
	/* lease >= 2 beats; dead > lease by a quarter, at least by a beat: see the decision, "margin" */
	out->lease = longer(ms(p->lease_ms, 60), 2 * out->heartbeat);
	out->dead = longer(ms(p->dead_ms, 90), out->lease + longer(out->lease / 4, out->heartbeat));
	out->start_wait = longer(ms(p->start_wait_ms, 1000), 2 * out->dead);
	out->handover_wait = longer(250 * MONO_MS, 2 * out->dead);
	out->probation = 2 * out->dead;
	if (!p->enabled && out->lease < ALONE_LEASE)
		out->lease = ALONE_LEASE; /* nobody waits for its end: a stall of ours need not stop the packets */
}
