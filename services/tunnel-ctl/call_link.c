// SPDX-License-Identifier: Apache-2.0
/*
 * What session-mgr wants of a call, told by the state of its link row: hang up with these causes; a
 * new ACCM.
 *
 * It is a reaction to state, not to a message: a standby keeps what a row wants and has not been
 * done, and does it when it is promoted; a row that was seen twice is done once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "call.h"

static bool
accm_news(const struct call *c, const Row__Link *l)
{
	return c->role == TC_LNS && (l->accm_send != c->accm_send || l->accm_recv != c->accm_recv);
}

static void
hang_up(struct tc *tc, struct call *c, const Row__Link *l)
{
	struct verdict v = verdict_of(FAULT_CALL_HANGUP);
	struct cause cause = {
		.code = (uint16_t)l->cause_code,
		.proto = (uint16_t)l->cause_proto,
		.direction = (uint8_t)l->cause_direction,
		.text = l->cause_message,
	};

	if (l->cdn_result) {
		v.result = (uint16_t)l->cdn_result;
		v.error = (uint16_t)l->cdn_error;
	}
	if (l->cdn_message && *l->cdn_message)
		snprintf(v.text, sizeof v.text, "%s", l->cdn_message);
	call_close(tc, c, &v, &cause);
}

void
call_want(struct tc *tc, struct want *w)
{
	struct call *c = w->call;
	const Row__Link *l = row_unpack(&tc->arena, TABLE_LINK, span_of(w->row, w->len));
	Row__CallInfo *i;

	if (l && l->hangup) {
		hang_up(tc, c, l);
		return; /* the want went with the call */
	}
	i = l && accm_news(c, l) ? call_info(tc, c) : NULL;
	if (i) {
		i->accm_send = l->accm_send;
		i->accm_recv = l->accm_recv;
		put_info(tc, c, i);
		send_sli(tc, c, l->accm_send, l->accm_recv);
	}
	want_drop(tc, c);
}

void
call_row_event(struct tc *tc, struct span key, struct span row, bool removed)
{
	uint16_t tunnel, session;
	struct tunnel *t =
	    key_session_read(key, &tunnel, &session) ? tunnel_find(tc, tunnel) : NULL;
	struct call *c = t ? call_find(t, session) : NULL;
	const Row__Link *l;

	if (!c)
		return;
	want_drop(tc, c);
	if (removed)
		return;
	l = row_unpack(&tc->arena, TABLE_LINK, row);
	if (!l) {
		bump(tc, N_ROWS_BAD);
		return;
	}
	if (c->state != CALL_ESTABLISHED || !(l->hangup || accm_news(c, l)))
		return;
	c->want = malloc(sizeof *c->want + row.len);
	if (!c->want) {
		bump(tc, N_NO_MEMORY);
		return;
	}
	*c->want = (struct want){ .call = c, .len = row.len };
	memcpy(c->want->row, row.p, row.len);
	DL_APPEND(t->wants, c->want);
	if (tc->active)
		tunnel_touch(tc, t);
}
