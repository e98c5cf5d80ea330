// SPDX-License-Identifier: Apache-2.0
/* See late.h. */
#include "late.h"

#include <stdlib.h>
#include <string.h>

enum late_fate
late_fate(bool active, bool may_send, mono_t since, mono_t now)
{
	if (may_send)
		return LATE_SEND;
	return active && now - since < LATE_FOR ? LATE_WAIT : LATE_DROP;
}

void
late_init(struct late *l)
{
	*l = (struct late){ .end = &l->first };
}

void
late_fini(struct late *l)
{
	for (struct late_message *m; (m = late_take(l));)
		free(m);
}

bool
late_put(struct late *l, unsigned from, mono_t now, struct span message)
{
	struct late_message *m;

	if (l->count == LATE_MAX || message.len > LATE_OCTETS - l->octets ||
	    !(m = malloc(sizeof *m + message.len)))
		return false;
	*m = (struct late_message){ .since = now, .from = from, .len = (uint32_t)message.len };
	if (message.len)
		memcpy(m->octets, message.p, message.len);
	*l->end = m;
	l->end = &m->next;
	l->count++;
	l->octets += message.len;
	return true;
}

struct late_message *
late_take(struct late *l)
{
	struct late_message *m = l->first;

	if (!m)
		return NULL;
	l->first = m->next;
	if (!l->first)
		l->end = &l->first;
	l->count--;
	l->octets -= m->len;
	return m;
}
