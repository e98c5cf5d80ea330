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
#include "wire/pb.h"

/* What a LAC uses until it is told another (RFC 2661, 4.4.6); one that negotiated LCP may use what it negotiated. */
#define ACCM_OF_A_LAC 0xffffffffu

static bool
accm_news(const struct call *c, const Row__Link *l)
{
	if (c->role != TC_LNS || !l->accm_known)
		return false;
	if (c->accm_told)
		return l->accm_send != c->accm_send || l->accm_recv != c->accm_recv;
	return c->proxy_lcp || l->accm_send != ACCM_OF_A_LAC || l->accm_recv != ACCM_OF_A_LAC;
}

/*
 * A call has half a dozen link rows, and nearly all say nothing that concerns it: their few fields
 * are looked at in place.  True also for what cannot be read: the unpacking judges that.
 */
static bool
row_concerns(const struct call *c, struct span row)
{
	struct rd in = rd_of(row.p, row.len);
	Row__Link l = ROW__LINK__INIT;

	while (rd_left(&in)) {
		uint64_t tag = pb_tag(&in), v = 0;
		if ((tag & 7) == PB_VARINT)
			v = pb_varint(&in);
		else
			pb_skip(&in, tag & 7);
		if (!in.ok)
			return true;
		switch (tag) {
		case PB_TAG(4, PB_VARINT):
			l.hangup = v != 0;
			break;
		case PB_TAG(13, PB_VARINT):
			l.accm_send = (uint32_t)v;
			break;
		case PB_TAG(14, PB_VARINT):
			l.accm_recv = (uint32_t)v;
			break;
		case PB_TAG(22, PB_VARINT):
			l.accm_known = v != 0;
			break;
		default:
			break;
		}
	}
	return l.hangup || accm_news(c, &l);
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
		i->accm_told = true;
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
	if (removed || !row_concerns(c, row))
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
