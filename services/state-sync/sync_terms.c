// SPDX-License-Identifier: Apache-2.0
/*
 * Terms: which transactions of a store were written under which epoch.
 *
 * Two stores hold the same transactions 1..p exactly when their lineage is the same and the term that p
 * belongs to has the same tag in both: within a term one node numbers the transactions, and a term is only
 * ever opened on top of a store that already agreed (the log-matching argument of Raft).  The tag is
 * random, so that an epoch used again after a power cut (whose loss took META with it) is another term.
 */
#include "sync_impl.h"

const struct mirror_term *
sync_term_at(const struct sync_meta *m, uint64_t position)
{
	const struct mirror_term *found = NULL;

	for (unsigned i = 0; i < m->terms && m->term[i].first <= position; i++)
		found = &m->term[i];
	return found;
}

/* Terms that begin above our position were the twin's announcement and never had a transaction here. */
static void
forget_future(struct sync_meta *m)
{
	while (m->terms && m->term[m->terms - 1].first > m->position)
		m->terms--;
}

void
sync_terms_open(struct sync_meta *m, uint64_t epoch, uint64_t tag)
{
	forget_future(m);
	if (m->terms == MIRROR_TERMS) {
		memmove(m->term, m->term + 1, (MIRROR_TERMS - 1) * sizeof m->term[0]);
		m->terms--;
	}
	m->term[m->terms++] = (struct mirror_term){ epoch, tag, m->position + 1 };
	m->epoch = epoch;
}
