// SPDX-License-Identifier: Apache-2.0
/*
 * Data sequence numbers (RFC 2661, 5.4; of 24 bits in RFC 3931, 4.6.1), both ways.
 *
 * Received: no packet is held back.  What is ahead is taken, and the gap counted; what is behind
 * (late, or twice) is dropped, since PPP promises order and a late packet would break it.  A peer
 * that started anew (RFC 4951: at 0) is behind for ever: after `resync-packets` in a row that are in
 * order among themselves its sequence is taken up where it is (RFC 3931, appendix C).
 *
 * Sent: numbers below a committed lease only.  A worker or node that takes over starts where the
 * lease ends: a jump ahead is legal, a repeat never is.
 */
#include <stdlib.h>

#include "dp_int.h"

/* Numbers have 16 bits, or 24 (RFC 3931, 4.6); half of their space is ahead. */
bool
seq_take(struct dp *dp, struct dp_session *s, uint32_t ns)
{
	const unsigned unused = s->flags & S_V3 ? 8 : 16;
	const uint32_t mask = UINT32_MAX >> unused;
	int32_t ahead = (int32_t)((ns - s->nr) << unused) >> unused;

	if (!(s->flags & S_NR_KNOWN)) {
		s->flags |= S_NR_KNOWN;
		ahead = 0;
	}
	if (ahead >= 0) {
		dp->count[DP_COUNT_SEQ_LOST] += (uint32_t)ahead;
		s->nr = (ns + 1) & mask;
		s->late_run = 0;
		return true;
	}
	s->late_run = ns == s->nr_late ? (uint16_t)(s->late_run + 1) : 1;
	s->nr_late = (ns + 1) & mask;
	if (s->late_run < dp->resync)
		return false;
	dp->count[DP_COUNT_SEQ_RESYNC]++;
	s->nr = s->nr_late;
	s->late_run = 0;
	return true;
}

void
seq_follow(struct dp *dp, struct dp_session *s, bool has_seq)
{
	if (!has_seq) {
		s->flags &= (uint16_t)~S_SEQ_TX;
		return;
	}
	s->flags |= S_SEQ_TX;
	ns_wish(dp, s);
}

/* ---- the lease --------------------------------------------------------------------------- */

static bool
key_push(uint32_t **list, uint32_t *n, uint32_t *cap, uint32_t key)
{
	if (*n == *cap) {
		uint32_t more = *cap ? 2 * *cap : 256;
		uint32_t *grown =
		    more > PAGES * PAGE_SESSIONS ? NULL : realloc(*list, more * sizeof **list);
		if (!grown)
			return false;
		*list = grown;
		*cap = more;
	}
	(*list)[(*n)++] = key;
	return true;
}

/* The control channel was recovered by us: the peer expects a new sequence, and takes it up (RFC 4951, 3.2.3). */
static void
ns_anew(struct dp *dp, struct dp_session *s, const struct dp_tunnel *t)
{
	s->restarts = t->restarts;
	s->ns_next = s->ns_lease = 0;
	ns_answered(dp, cold_of(dp, s));
}

/*
 * Asked for when half is used; not while it is being asked for.  The first one after a takeover is small, and not renewed
 * before it is used: every takeover jumps over it, and a session that is silent through a few of them must
 * not move by half the numbers, or the peer would take what follows for old.
 */
void
ns_wish(struct dp *dp, struct dp_session *s)
{
	const uint16_t need = S_UP | S_SEQ_TX | S_MINE;
	const struct dp_tunnel *t = dp->tunnel[s->key >> 16];

	if (t && t->restarts != s->restarts)
		ns_anew(dp, s, t);
	if (!dp->active || (s->flags & (need | S_WISHING)) != need || cold_of(dp, s)->ns_wanted)
		return;
	if (s->ns_lease - s->ns_next > DP_NS_LEASE / 2 || s->ns_lease - s->ns_next == DP_NS_FIRST)
		return; /* enough, or not begun */
	if (key_push(&dp->wish, &dp->wishes, &dp->wish_cap, s->key))
		s->flags |= S_WISHING;
}

void
ns_orphan(struct dp *dp, uint32_t key)
{
	if ((key & 0xffff) % dp->workers == dp->worker)
		key_push(&dp->orphan, &dp->orphans, &dp->orphan_cap, key);
}

/* What is asked for is answered, or not wanted any more. */
void
ns_answered(struct dp *dp, struct dp_cold *c)
{
	dp->asked -= c->ns_wanted != 0;
	c->ns_wanted = 0;
}

uint16_t
dp_ns_restarts(const struct dp *dp, uint16_t tunnel, uint16_t session)
{
	const struct dp_session *s = session_find(dp, session_key(tunnel, session));

	return s ? s->restarts : 0;
}

bool
dp_ns_settled(const struct dp *dp)
{
	return dp->wishes == 0 && dp->asked == 0;
}

bool
dp_ns_wanted(struct dp *dp, uint16_t *tunnel, uint16_t *session, uint32_t *below)
{
	while (dp->active && dp->orphans) {
		uint32_t key = dp->orphan[--dp->orphans];
		const struct dp_session *s = session_find(dp, key);
		*tunnel = (uint16_t)(key >> 16);
		*session = (uint16_t)key;
		*below = 0;
		if (!s || !cold_of(dp, s)->has_call)
			return true;
	}
	while (dp->active && dp->wishes) {
		struct dp_session *s = session_find(dp, dp->wish[--dp->wishes]);
		if (!s || !(s->flags & S_WISHING))
			continue;
		s->flags &= (uint16_t)~S_WISHING;
		*tunnel = (uint16_t)(s->key >> 16);
		*session = (uint16_t)s->key;
		*below = s->ns_next + (s->ns_lease == s->ns_next ? DP_NS_FIRST : DP_NS_LEASE);
		if (*below == 0)
			*below = 1; /* 0 says that there is no row */
		cold_of(dp, s)->ns_wanted = *below;
		dp->asked++;
		dp->count[DP_COUNT_NS_LEASES]++;
		return true;
	}
	return false;
}

void
dp_ns_committed(struct dp *dp, uint16_t tunnel, uint16_t session, uint32_t below)
{
	struct dp_session *s = session_find(dp, session_key(tunnel, session));

	if (!s || cold_of(dp, s)->ns_wanted != below || below == 0)
		return;
	ns_answered(dp, cold_of(dp, s));
	if ((int32_t)(below - s->ns_lease) > 0)
		s->ns_lease = below;
	ns_wish(dp, s);
}

void
dp_ns_role(struct dp *dp, bool active, uint64_t epoch)
{
	bool void_all = !active || epoch != dp->epoch;

	dp->active = active;
	dp->epoch = epoch;
	dp->wishes = 0;
	for (uint32_t i = 0; i < dp->top; i++) {
		struct dp_session *s = session_at(dp, i);
		struct dp_cold *c = cold_of(dp, s);
		if (!c->used)
			continue;
		if (c->ns_wanted && void_all && (int32_t)(c->ns_wanted - s->ns_lease) > 0)
			s->ns_lease = c->ns_wanted; /* may be in somebody's store: jump over it */
		ns_answered(dp, c);
		s->flags &= (uint16_t)~S_WISHING;
		if (void_all)
			s->ns_next = s->ns_lease;
		ns_wish(dp, s);
	}
	trunk_rows_role(dp);
}
