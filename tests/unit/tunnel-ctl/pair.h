// SPDX-License-Identifier: Apache-2.0
/*
 * Two cores, back to back, a LAC and an LNS, with a network between them that loses, doubles and delays, and in
 * which either end may die at any datagram.
 */
#ifndef TWIN_TC_PAIR_H
#define TWIN_TC_PAIR_H

#include "lab.h"
#include "tunnels.h"

enum { LAC, LNS };

#define NOBODY 99 /* last octet of an address at which nobody lives */

static struct lab *end[2];
static struct endpoint at[2] = {
	{ .addr = { .family = 4, .b = { 192, 0, 2, 1 } }, .port = 1701 },
	{ .addr = { .family = 4, .b = { 192, 0, 2, 2 } }, .port = 1701 },
};

/* What the network does to the n-th datagram (both directions counted together); -1: nothing. */
static struct {
	int lose, twice, kill_lac, kill_lns;
	unsigned loss_percent;
	uint64_t dice;
	int count;
	bool cut;     /* nothing passes */
	bool shuffle; /* what is under way together arrives in any order */
} network;

static inline void
setup(void)
{
	network = (typeof(network)){ -1, -1, -1, -1, 0, 1, 0, false, false };
	for (unsigned i = 0; i < 2; i++) {
		end[i] = lab_new();
		end[i]->conf.data.listen[0] = at[i];
		end[i]->conf.profile[0].roles = i == LAC ? ROLE_LAC : ROLE_LNS;
	}
	struct conf *c = &end[LAC]->conf;
	c->lns_groups = 1;
	snprintf(c->lns_group[0].name, CONF_NAME, "g");
	c->lns_group[0].member[0].peer = at[LNS];
	c->lns_group[0].members = 1;
	c->lns_group[0].hold_off_ms = 30000;
}

static inline void
teardown(void)
{
	lab_free(end[LAC]);
	lab_free(end[LNS]);
	end[LAC] = end[LNS] = NULL;
}

static inline void
start(void)
{
	lab_start(end[LAC], 1);
	lab_start(end[LNS], 2);
}

static inline unsigned
dice(void)
{
	network.dice = network.dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(network.dice >> 33);
}

static inline void
deliver(struct lab *to, const struct lab_packet *p)
{
	lab_take(to, p->local, p->peer, span_of(p->bytes, p->len));
}

/* Everything under way arrives (or not); what it causes, too. */
static inline bool
carry(void)
{
	static struct lab_packet out[LAB_PACKETS];
	bool moved = false;

	for (unsigned i = 0; i < 2; i++) {
		unsigned n = end[i]->outs;
		memcpy(out, end[i]->out, n * sizeof *out);
		lab_quiet(end[i]);
		for (unsigned k = n; network.shuffle && k > 1; k--) {
			static struct lab_packet swap;
			unsigned with = dice() % k;
			swap = out[k - 1];
			out[k - 1] = out[with];
			out[with] = swap;
		}
		for (unsigned k = 0; k < n; k++) {
			int which = network.count++;
			moved = true;
			if (which == network.kill_lac)
				lab_promote(end[LAC]);
			if (which == network.kill_lns)
				lab_promote(end[LNS]);
			if (network.cut || out[k].peer.addr.b[3] == NOBODY)
				continue;
			if (which == network.lose || dice() % 100 < network.loss_percent)
				continue;
			deliver(end[1 - i], &out[k]);
			if (which == network.twice)
				deliver(end[1 - i], &out[k]);
		}
	}
	return moved;
}

/* Time passes on both ends together. */
static inline void
run(mono_t span)
{
	mono_t until = end[LAC]->now + span, due;

	for (;;) {
		while (carry())
			;
		due = mono_sooner(tc_next_due(end[LAC]->tc), tc_next_due(end[LNS]->tc));
		if (due == MONO_NEVER || due > until)
			due = until;
		mono_t step = due > end[LAC]->now ? due - end[LAC]->now : 0;
		lab_wait(end[LAC], step);
		lab_wait(end[LNS], step);
		if (step == 0 && due == until && !end[LAC]->outs && !end[LNS]->outs)
			return;
	}
}

static inline struct tc_population
population(unsigned i)
{
	return tc_population(end[i]->tc);
}

static inline void
words(unsigned i, const char *fmt, ...)
{
	char line[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	ck_assert_msg(lab_command(end[i], line), "%s", end[i]->answer.text);
}

/* Both ends name the same calls by the same pairs of ids. */
static inline void
same_calls(void)
{
	struct call *c, *next;

	for (struct tunnel *t = end[LAC]->tc->all; t; t = t->next) {
		struct tunnel *u = tunnel_find(end[LNS]->tc, (uint16_t)t->peer_id);
		if (t->state != CC_ESTABLISHED)
			continue;
		ck_assert_ptr_nonnull(u);
		ck_assert_uint_eq(u->peer_id, t->id);
		ck_assert_uint_eq(tunnel_calls(t), tunnel_calls(u));
		HASH_ITER(hh, t->by_id, c, next) {
			struct call *d = call_on_wire(u, c->peer_id);
			ck_assert_ptr_nonnull(d);
			ck_assert_uint_eq(d->peer_id, session_on_wire(t, c->id));
			ck_assert_uint_eq(c->state, CALL_ESTABLISHED);
			ck_assert_uint_eq(d->state, CALL_ESTABLISHED);
		}
	}
}

#endif
