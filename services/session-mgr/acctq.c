// SPDX-License-Identifier: Apache-2.0
/*
 * Accounting requests from the step that made them to the server's answer.
 *
 *	ready ── asked ──► out ── answered ──► row removed
 *	  ▲                 └── by nobody ──► waiting ── a while ──► ready
 *
 * A request is a row, so that it survives what its session did not; its key is the session's accounting
 * id and the kind, so that the same event cannot be kept twice.  At most ACCT_WINDOW are out at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "sm_int.h"

#define ACCT_MAX 200000 /* kept at most; interims give way at half of it */
#define ACCT_WINDOW 512
#define ACCT_AGAIN (30 * MONO_S)

static void
leave(struct acct_queue *q, struct acct *a)
{
	DL_DELETE(q->list[a->state], a);
	if (a->state == ACCT_OUT)
		q->out--;
}

static void
enter(struct acct_queue *q, struct acct *a, enum acct_state s)
{
	a->state = s;
	DL_APPEND(q->list[s], a);
	if (s == ACCT_OUT)
		q->out++;
}

static void
drop(struct acct_queue *q, struct acct *a)
{
	leave(q, a);
	HASH_DELETE(hh, q->all, a);
	q->n--;
	free(a);
}

static struct acct *
find(struct acct_queue *q, struct span key)
{
	struct acct *a;

	HASH_FIND(hh, q->all, key.p, key.len, a);
	return a;
}

void
acctq_apply(struct sm *sm, struct span key, const Row__Acct *row)
{
	struct acct_queue *q = &sm->acct;
	struct acct *a = find(q, key);

	if (a)
		drop(q, a);
	if (!row)
		return;
	if (row->request.len > ACCT_ATTRS_MAX) {
		sm_count(sm, SM_ROWS_UNREADABLE);
		return;
	}
	a = calloc(1, sizeof *a + row->request.len);
	if (!a) {
		sm_count(sm, SM_NO_MEMORY);
		return;
	}
	a->kind = (uint8_t)row->kind;
	a->created = row->created;
	a->key_len = (uint8_t)key.len;
	memcpy(a->key, key.p, key.len);
	a->len = (uint16_t)row->request.len;
	if (a->len)
		memcpy(a->attrs, row->request.data, a->len);
	HASH_ADD_KEYPTR(hh, q->all, a->key, a->key_len, a);
	q->n++;
	enter(q, a, ACCT_READY);
}

static struct key
acct_key(const char *session_id, enum acct_kind kind)
{
	static const char letter[] = { [ACCT_START] = 'a', [ACCT_STOP] = 'z', [ACCT_INTERIM] = 'i' };
	char text[ACCT_KEY_MAX];

	snprintf(text, sizeof text, "%.40s.%c", session_id, letter[kind]);
	return key_text(text);
}

void
acctq_put(struct sm *sm, struct sink *sink, const struct acct_facts *f, uint64_t wall)
{
	struct key k = acct_key(f->session_id, f->kind);
	Row__Acct row = ROW__ACCT__INIT;
	uint8_t attrs[ACCT_ATTRS_MAX];

	if (sm->acct.n >= (f->kind == ACCT_INTERIM ? ACCT_MAX / 2 : ACCT_MAX)) {
		sm_count(sm, SM_ACCT_DROPPED);
		return;
	}
	row.kind = f->kind;
	row.created = wall;
	row.request = (ProtobufCBinaryData){ acct_attrs(f, attrs, sizeof attrs), attrs };
	if (row.request.len == 0) {
		/* Only texts can be that long: the facts matter more than they do. */
		struct acct_facts brief = *f;

		brief.calling = brief.called = brief.filter_id = NULL;
		brief.classes = 0;
		brief.line = span_of(NULL, 0);
		row.request.len = acct_attrs(&brief, attrs, sizeof attrs);
	}
	put(sm, sink, TABLE_ACCT, key_span(&k), &row.base);
}

void
acctq_remove(struct sm *sm, struct sink *sink, const char *session_id, enum acct_kind kind)
{
	struct key k = acct_key(session_id, kind);

	if (find(&sm->acct, key_span(&k)))
		put(sm, sink, TABLE_ACCT, key_span(&k), NULL);
}

void
acctq_done(struct sm *sm, struct sink *sink, struct span key, bool answered, mono_t now)
{
	struct acct *a = find(&sm->acct, key);
	uint8_t copy[ACCT_KEY_MAX];

	sm_count(sm, answered ? SM_ACCT_ANSWERED : SM_ACCT_UNANSWERED);
	if (!a || a->state != ACCT_OUT)
		return; /* replaced by a later one of its key, or withdrawn */
	if (answered) {
		memcpy(copy, key.p, key.len);
		put(sm, sink, TABLE_ACCT, span_of(copy, key.len), NULL);
		return;
	}
	leave(&sm->acct, a);
	a->again = now + ACCT_AGAIN;
	enter(&sm->acct, a, ACCT_WAITING);
}

static void
ask(struct sm *sm, struct sink *sink, const struct acct *a)
{
	struct acct_ask out;
	struct effect e = { .kind = EFFECT_OTHER, .detail = &out };

	out.created = a->created;
	out.attrs_len = a->len;
	out.key_len = a->key_len;
	memset(out.key, 0, sizeof out.key);
	memcpy(out.key, a->key, a->key_len);
	memcpy(out.attrs, a->attrs, a->len);
	e.detail_len = acct_ask_size(&out);
	sink_effect(sink, &e);
}

void
acctq_pump(struct sm *sm, struct sink *sink, mono_t now)
{
	struct acct_queue *q = &sm->acct;
	struct acct *a;

	while ((a = q->list[ACCT_WAITING]) && a->again <= now) {
		leave(q, a);
		enter(q, a, ACCT_READY);
	}
	if (sm->aaa.servers == 0)
		return;
	while (q->out < ACCT_WINDOW && (a = q->list[ACCT_READY])) {
		leave(q, a);
		enter(q, a, ACCT_OUT);
		ask(sm, sink, a);
	}
}

mono_t
acctq_next_due(const struct sm *sm)
{
	return sm->acct.list[ACCT_WAITING] ? sm->acct.list[ACCT_WAITING]->again : MONO_NEVER;
}

void
acctq_forget(struct sm *sm)
{
	struct acct *a, *tmp;

	HASH_ITER (hh, sm->acct.all, a, tmp)
		drop(&sm->acct, a);
}

void
acctq_restart(struct sm *sm)
{
	struct acct *a;

	while ((a = sm->acct.list[ACCT_OUT])) {
		leave(&sm->acct, a);
		enter(&sm->acct, a, ACCT_READY);
	}
}
