// SPDX-License-Identifier: Apache-2.0
/* The election's part of the configuration, and which side of the pair this node is. */
#include "elect_impl.h"

#include <stdio.h>

static bool
concrete(const struct endpoint *e)
{
	static const uint8_t zero[16];

	return e->addr.family && memcmp(e->addr.b, zero, sizeof zero) != 0;
}

/* 0 when neither comes first, because one of them is a wildcard or they are the same. */
static int
compare(const struct endpoint *us, const struct endpoint *twin)
{
	int c;

	if (!concrete(us) || !concrete(twin))
		return 0;
	c = memcmp(&us->addr, &twin->addr, sizeof us->addr);
	return c ? c : (int)us->port - (int)twin->port;
}

int
elect_side(const struct conf_pair *p)
{
	int c = compare(&p->mirror_listen, &p->mirror_twin);

	for (unsigned i = 0; c == 0 && i < p->paths && i < CONF_PATHS; i++)
		c = compare(&p->path[i].local, &p->path[i].twin);
	return c > 0;
}

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
		.side = p->enabled ? (uint8_t)elect_side(p) : 0,
		.pair = p->enabled,
		.preferred = p->preferred,
		.policy = p->policy,
		.paths = p->paths < CONF_PATHS ? p->paths : CONF_PATHS,
		.heartbeat = ms(p->heartbeat_ms, 10),
		.sync_dead = 2 * MONO_S,
	};
	snprintf(out->node, sizeof out->node, "%s", c->node.name);
	/* lease >= 2 beats; dead > lease by a quarter, at least by a beat: see the decision, "margin" */
	out->lease = longer(ms(p->lease_ms, 40), 2 * out->heartbeat);
	out->dead = longer(ms(p->dead_ms, 60), out->lease + longer(out->lease / 4, out->heartbeat));
	out->start_wait = longer(ms(p->start_wait_ms, 1000), 2 * out->dead);
	out->handover_wait = longer(250 * MONO_MS, 2 * out->dead);
	out->probation = 2 * out->dead;
}
