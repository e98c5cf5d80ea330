// SPDX-License-Identifier: Apache-2.0
/*
 * Roles, epochs and leases; and what excuses a loss.  Two situations do, both decided by what the world did and not by
 * what the product says, and each only for the tunnels, calls and accounts that were there when it ended:
 *
 *   split    prefer-service: a node that nothing of its twin can have reached for a promotion's time goes on or takes
 *            over while the other one serves.  It lasts until one of them has no lease any more.
 *   stale    a node serves without everything that was ever revealed, because nobody who can be reached has it: every
 *            holder lost it with its power, or prefer-service started the only node there is, or an operator forced it.
 */
#include "sim.h"

#define DARK_BEATS 4 /* a promotion waits six, and the first of them may have been on its way */
#define LEASE_BEATS 4 /* conf.c */
#define LONE_BEATS 25 /* half of its start-wait */
#define LATE_BEATS 5 /* what was decided in the dark may be carried out so much later, and a lease lasts for four */

static mono_t
beats(const struct world *w, unsigned n)
{
	return n * w->plan.heartbeat_ms * MONO_MS;
}

/* --- who can hear whom ---------------------------------------------------------------------------------- */

/* Is it running, as opposed to asleep with a lease in its hand? */
static bool
awake(const struct node *n)
{
	return n->on && proc_runs(&n->p[P_ELECT]);
}

static bool
reached(const struct world *w, const struct node *n)
{
	const struct node *twin = &w->node[1 - n->id];

	return awake(twin) && awake(n) && (!w->cut[NET_MIRROR][twin->id][n->id] || !w->cut[NET_ACCESS][twin->id][n->id]);
}

/* Nothing that its twin says can have reached this node for long, up to now or until just now. */
static bool
dark(const struct world *w, const struct node *n)
{
	return n->dark_at && w->now - n->dark_at <= beats(w, LATE_BEATS);
}

/* --- excuses ------------------------------------------------------------------------------------------------ */

/* What stands now may be known to one node only: its end needs no other reason. */
static void
excuse_all(struct world *w)
{
	for (unsigned i = 0; i < LACS; i++) {
		struct lac *l = &w->lac[i];
		l->excused |= l->state != LAC_DOWN;
		for (unsigned k = 0; k < LINES; k++)
			l->line[k].excused |= l->line[k].state != LINE_IDLE;
	}
	for (unsigned i = 0; i < w->check.accts; i++)
		w->check.acct[i].excused = true;
}

/* What was told of a session that is kept, and was lost with a store: accounting goes on from what there is. */
static void
counted(const struct node *n, struct acct_seen *a)
{
	struct key k;
	const struct row *r;
	Row__Usage *u;

	if (!a->line)
		return;
	k = key_session(a->line->lac->peer_tid, a->line->peer_sid);
	r = rows_find(&n->store.now, TABLE_USAGE, key_span(&k));
	u = r ? row__usage__unpack(NULL, r->len, row_row(r).p) : NULL;
	a->up = u && u->in_octets < a->up ? u->in_octets : u ? a->up : 0;
	a->down = u && u->out_octets < a->down ? u->out_octets : u ? a->down : 0;
	if (u)
		row__usage__free_unpacked(u, NULL);
}

/*
 * Serving from a store that lacks something: who can speak RFC 4951 agrees with it about the numbers and the sessions, and
 * what the store has is kept.
 */
static void
excuse_stale(struct world *w, const struct node *n)
{
	for (unsigned i = 0; i < LACS; i++) {
		struct lac *l = &w->lac[i];
		bool known = false;
		for (unsigned k = 0; k < LINES; k++) {
			struct line *s = &l->line[k];
			bool kept = slac_capable(l) && (s->net_up || s->bare) && s->believed && check_known(n, s);
			known |= kept;
			s->excused |= s->state != LINE_IDLE && !kept;
		}
		l->excused |= l->state != LAC_DOWN && !known;
		l->nr_lost |= known;
	}
	for (unsigned i = 0; i < w->check.accts; i++) {
		struct acct_seen *a = &w->check.acct[i];
		a->excused |= !a->line || a->line->excused || !a->line->net_up || a->stops;
		counted(n, a);
	}
}

/* The profile's word for peers without RFC 4951 after a cold start. */
static void
excuse_cleared(struct world *w)
{
	for (unsigned i = 0; i < LACS; i++) {
		struct lac *l = &w->lac[i];
		l->excused |= l->state != LAC_DOWN && !slac_capable(l);
		for (unsigned k = 0; k < LINES; k++)
			l->line[k].excused |= l->line[k].state != LINE_IDLE && !slac_capable(l);
	}
}

static void
split_begins(struct world *w, const char *why)
{
	if (w->check.split)
		return;
	w->check.split = true;
	w->check.splits++;
	w->check.split_from = w->now;
	tell(w, "split: %s, as prefer-service accepts", why);
}

static void
split_ends(struct world *w)
{
	struct checker *c = &w->check;

	c->split = false;
	excuse_all(w);
	tell(w, "the split is over");
}

/* What its elector has published lasts for four beats; half a start-wait if it has heard no twin, and may serve alone. */
static void
fell_asleep(const struct world *w, struct node *n)
{
	bool lone = w->plan.policy == POLICY_PREFER_SERVICE && w->now - n->heard_at >= beats(w, LEASE_BEATS);

	n->asleep_at = w->now;
	n->lease_most = beats(w, lone ? LONE_BEATS : LEASE_BEATS);
}

void
check_roles_tick(struct world *w)
{
	struct checker *c = &w->check;
	bool two = w->node[0].lease_until > w->now && w->node[1].lease_until > w->now;

	c->both_for += two ? w->now - c->ticked_at : 0;
	c->ticked_at = w->now;
	for (unsigned i = 0; i < NODES; i++) {
		struct node *n = &w->node[i];
		two |= n->lease_until > w->now && n->lease_epoch < c->epoch_top; /* its successor sleeps, or is out of reach */
		if (awake(n))
			n->asleep_at = 0;
		else if (!n->asleep_at)
			fell_asleep(w, n);
		if (n->asleep_at && n->on && n->lease_until > w->now && w->now - n->asleep_at > n->lease_most + MONO_MS)
			violated(w, INV_ONE_LEASE, "%s has a lease for %.1f ms more, and its elector does not run since %.1f ms", n->name,
				 (double)(n->lease_until - w->now) / MONO_MS, (double)(w->now - n->asleep_at) / MONO_MS);
		n->open_from = !reached(w, n) ? 0 : n->open_from ? n->open_from : w->now;
		/* A path that opens for less than a beat lets nothing through. */
		if (n->open_from && (n->beat_at >= n->open_from || w->now - n->open_from >= beats(w, 2)))
			n->reached_at = w->now;
		else if (w->now - n->reached_at >= beats(w, DARK_BEATS))
			n->dark_at = w->now;
	}
	if (two || !c->two_leases)
		c->two_leases = w->now;
	if (c->split && w->now - c->two_leases > beats(w, 8) && w->now - c->old_epoch_at > beats(w, 8))
		split_ends(w);
}

/* --- epochs ---------------------------------------------------------------------------------------------------- */

static void
late(mono_t *most, mono_t by)
{
	if (by > *most)
		*most = by;
}

/* Something leaves for a LAC. */
void
check_epoch(struct world *w, struct node *n, uint64_t epoch)
{
	struct checker *c = &w->check;

	c->sent[n->id]++;
	if (epoch < c->epoch_sent) {
		c->old_epoch_at = w->now;
		c->old_epoch_sent++;
		late(&c->told_late, epoch < n->told_epoch ? w->now - n->told_at : 0);
		late(&c->healed_late, n->open_from ? w->now - n->open_from : 0);
		if (!c->split)
			violated(w, INV_ONE_ACTIVE, "%s sends under epoch %llu, after %s spoke under %llu", n->name,
				 (unsigned long long)epoch, w->node[c->epoch_node].name, (unsigned long long)c->epoch_sent);
	}
	if (epoch < n->told_epoch && w->now - n->told_at > beats(w, 4) + 5 * MONO_MS)
		violated(w, INV_ONE_ACTIVE, "%s sends under epoch %llu, %.1f ms after its twin told it of %llu", n->name,
			 (unsigned long long)epoch, (double)(w->now - n->told_at) / MONO_MS, (unsigned long long)n->told_epoch);
	if (epoch == c->epoch_sent && n->id != c->epoch_node)
		violated(w, INV_ONE_ACTIVE, "both nodes send under epoch %llu", (unsigned long long)epoch);
	if (epoch > c->epoch_sent) {
		c->epoch_sent = epoch;
		c->epoch_node = n->id;
	}
}

/* The elector has heard its twin speak of this epoch. */
void
check_told(struct world *w, struct node *n, uint64_t epoch)
{
	if (epoch <= n->told_epoch)
		return;
	n->told_epoch = epoch;
	n->told_at = w->now;
}

/* --- what a store holds ---------------------------------------------------------------------------------------- */

/* The last transaction of a store: of which epoch, and its position. */
static struct state_at
store_at(const struct sync_meta *m)
{
	struct state_at s = { 0, m->complete ? m->position : 0 };

	for (unsigned i = 0; m->complete && i < m->terms && m->term[i].first <= m->position; i++)
		s.epoch = m->term[i].epoch;
	return s;
}

static bool
behind(struct state_at x, struct state_at z)
{
	return x.epoch != z.epoch ? x.epoch < z.epoch : x.position < z.position;
}

/* --- leases ------------------------------------------------------------------------------------------------------ */

/*
 * prefer-service: a node that can hear nothing begins to serve.  One that was active before goes on in its old epoch; one
 * that takes over does so only where its twin cannot hear it either, else the twin has stopped for want of its answers.
 */
static bool
begins_in_the_dark(struct world *w, const struct node *n, uint64_t epoch)
{
	if (w->plan.policy != POLICY_PREFER_SERVICE)
		return false;
	return n->unheard || (epoch < w->check.epoch_top && dark(w, n)) || (dark(w, n) && dark(w, &w->node[1 - n->id]));
}

/* An epoch whose number was lost with its node's power is begun again below it; whoever held it comes back above. */
static bool
returns_behind(const struct world *w, const struct node *n, uint64_t epoch)
{
	const struct checker *c = &w->check;

	return c->numbers_lost && c->active_epochs[(c->epochs - 1) % 64] < epoch && c->epoch_node != n->id && dark(w, n);
}

void
check_lease(struct world *w, struct node *n, uint64_t epoch, bool active, mono_t until)
{
	const struct node *twin = &w->node[1 - n->id];
	bool held = n->lease_until > w->now;

	n->lease_epoch = epoch;
	n->lease_until = active ? until : 0;
	if (held || n->lease_until <= w->now || w->check.split)
		return;
	if (returns_behind(w, n, epoch)) {
		w->check.stales++;
		w->check.revealed = store_at(&n->store.meta);
		excuse_all(w);
		tell(w, "%s  goes on in an epoch that another one was begun after", n->name);
	}
	if (epoch < w->check.epoch_top && begins_in_the_dark(w, n, epoch)) {
		split_begins(w, "one that was active before goes on and cannot hear of its successor");
		return;
	}
	if (!twin->on || twin->lease_until <= w->now)
		return;
	if (begins_in_the_dark(w, n, epoch)) {
		split_begins(w, "both nodes are active");
		return;
	}
	violated(w, INV_ONE_LEASE, "%s begins a lease under epoch %llu while %s has one under %llu for %.1f ms more, %.1f ms after it could hear it",
		 n->name, (unsigned long long)epoch, twin->name, (unsigned long long)twin->lease_epoch,
		 (double)(twin->lease_until - w->now) / MONO_MS, (double)(w->now - n->reached_at) / MONO_MS);
}

/* --- promotions ----------------------------------------------------------------------------------------------------- */

/* What was released waited for this. */
void
check_revealed(struct world *w, uint64_t epoch, uint64_t position)
{
	struct state_at s = { epoch, position };

	if (behind(w->check.revealed, s))
		w->check.revealed = s;
}

/* All that was acknowledged is here. */
static void
remembers(struct world *w, const struct node *n)
{
	for (unsigned i = 0; i < LACS; i++) {
		const struct lac *l = &w->lac[i];
		struct key k = key_tunnel(l->peer_tid);
		const struct row *r = rows_find(&n->store.now, TABLE_TUNNEL_SEQ, key_span(&k));
		Row__TunnelSeq *seq;
		if (l->state != LAC_UP || !l->nr_seen || !l->peer_tid || l->excused)
			continue;
		seq = r ? row__tunnel_seq__unpack(NULL, r->len, row_row(r).p) : NULL;
		if (!seq)
			violated(w, INV_ACK_REMEMBERED, "%s is promoted and knows nothing of lac%u's tunnel", n->name, l->id);
		else if (!l->nr_anew && !l->nr_lost && (int16_t)(seq->nr - l->nr_high) < 0) /* else agreed anew by RFC 4951 */
			violated(w, INV_ACK_REMEMBERED, "%s is promoted at Nr %u, and lac%u was told %u", n->name, seq->nr, l->id, l->nr_high);
		if (seq)
			row__tunnel_seq__free_unpacked(seq, NULL);
	}
}

/*
 * A node that starts serves with what there is; a standby only with everything.  Who has more and can be reached goes
 * first, and with prefer-safety nobody serves before the other one has said what it holds.
 */
static bool
may_be_stale(struct world *w, const struct node *n, bool follows)
{
	const struct node *twin = &w->node[1 - n->id];
	struct state_at theirs = store_at(&twin->store.meta);
	bool gone = behind(theirs, w->check.revealed);

	if (w->check.forced)
		return true;
	if (follows)
		return gone && !behind(store_at(&n->store.meta), theirs);
	if (gone && !behind(store_at(&n->store.meta), theirs))
		return true;
	return (dark(w, n) || !awake(twin)) && w->plan.policy == POLICY_PREFER_SERVICE;
}

/* Nobody answers a node that starts: it serves by the policy's word, or an operator's. */
static bool
may_begin_alone(const struct world *w)
{
	return w->plan.policy == POLICY_PREFER_SERVICE || w->check.forced;
}

/* A store of an epoch whose number died, and that a lower one was begun after: what was revealed since is not in it. */
static bool
of_a_lost_branch(const struct checker *c, const struct node *n)
{
	return c->numbers_lost && store_at(&n->store.meta).epoch > c->active_epochs[(c->epochs - 1) % 64];
}

void
check_promoted(struct world *w, struct node *n, uint64_t epoch, bool follows)
{
	struct checker *c = &w->check;
	const struct node *twin = &w->node[1 - n->id];
	bool lost = of_a_lost_branch(c, n), stale = lost || behind(store_at(&n->store.meta), c->revealed);
	const struct sync *s = proc_sync(&n->p[P_SYNC]);

	c->switchovers++;
	/* To its own knowledge not whole; or it cannot know, for it begins where nobody answers. */
	if (w->plan.stale_clear && (!s || !s->live_store || !s->meta.mirrored || (!follows && dark(w, n) && may_begin_alone(w))))
		excuse_cleared(w);
	for (unsigned i = 0; i < c->epochs && i < 64; i++)
		if (c->active_epochs[i] == epoch && c->active_epoch_node[i] != n->id)
			violated(w, INV_ONE_ACTIVE, "epoch %llu is taken by both nodes", (unsigned long long)epoch);
	c->active_epochs[c->epochs % 64] = epoch;
	if (epoch > c->epoch_top)
		c->epoch_top = epoch;
	c->active_epoch_node[c->epochs++ % 64] = (uint8_t)n->id;
	n->unheard = dark(w, n) && (dark(w, twin) || !follows);
	if (!lost && w->plan.policy == POLICY_PREFER_SERVICE && n->unheard && awake(twin) && twin->lease_until > w->now)
		return; /* the twin serves on, and nothing of it can reach us: split, as soon as we do */
	if (c->split)
		return;
	if (!stale) {
		remembers(w, n);
		return;
	}
	if (!lost && !may_be_stale(w, n, follows)) {
		violated(w, INV_ACK_REMEMBERED, "%s is promoted%s at %llu.%llu, and %llu.%llu was revealed", n->name,
			 follows ? " in place of its twin" : "", (unsigned long long)store_at(&n->store.meta).epoch,
			 (unsigned long long)n->store.meta.position, (unsigned long long)c->revealed.epoch,
			 (unsigned long long)c->revealed.position);
		return;
	}
	c->stales++;
	c->revealed = store_at(&n->store.meta);
	tell(w, "%s  serves without everything that was revealed: nobody who can be reached has it", n->name);
	excuse_stale(w, n);
	if (epoch < c->epoch_top && twin->lease_until <= w->now) { /* the epoch's number died as well: nobody is left who would send under it */
		c->numbers_lost = true;
		c->epoch_top = epoch;
		c->epoch_sent = epoch - 1;
		c->active_epochs[0] = epoch;
		c->active_epoch_node[0] = (uint8_t)n->id;
		c->epochs = 1;
	}
}
