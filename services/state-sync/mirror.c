// SPDX-License-Identifier: Apache-2.0
/* proto/mirror.proto's Header and its plain form: one undoes the other. */
#include "mirror.h"

#include "mirror.pb-c.h"

const char *
mirror_kind_name(enum mirror_kind k)
{
	static const char *const names[MIRROR_KINDS] = {
		"none", "hello", "session", "txn", "ack", "page", "page-ack", "end", "mode", "ping", "stale", "bye",
	};

	return k < MIRROR_KINDS ? names[k] : "?";
}

size_t
mirror_head_write(const struct mirror_head *h, uint8_t out[MIRROR_HEAD_MAX])
{
	Mirror__Header m = MIRROR__HEADER__INIT;
	Mirror__Term term[MIRROR_TERMS], *terms[MIRROR_TERMS];

	m.kind = (Mirror__Kind)h->kind;
	m.version = h->version;
	m.side = h->side;
	m.active = h->active;
	m.complete = h->complete;
	m.mirrored = h->mirrored;
	m.snapshot = h->snapshot;
	m.instance = h->instance;
	m.attempt = h->attempt;
	m.session = h->session;
	m.epoch = h->epoch;
	m.lineage = h->lineage;
	m.position = h->position;
	m.tag = h->tag;
	m.page = h->page;
	m.frames = h->frames;
	m.node = (char *)h->node;
	for (unsigned i = 0; i < h->terms && i < MIRROR_TERMS; i++) {
		mirror__term__init(&term[i]);
		term[i].epoch = h->term[i].epoch;
		term[i].tag = h->term[i].tag;
		term[i].first = h->term[i].first;
		terms[i] = &term[i];
		m.n_terms = i + 1;
	}
	m.terms = terms;
	if (mirror__header__get_packed_size(&m) > MIRROR_HEAD_MAX)
		return 0;
	return mirror__header__pack(&m, out);
}

static bool
name_read(const char *in, char out[MIRROR_NAME])
{
	size_t n = strlen(in);

	if (n >= MIRROR_NAME)
		return false;
	for (size_t i = 0; i < n; i++)
		if (in[i] <= ' ' || in[i] > '~' || in[i] == '"' || in[i] == '\\')
			return false;
	memcpy(out, in, n + 1);
	return true;
}

/* Terms rise: in epoch or at least in position, and none begins at 0. */
static bool
terms_read(const Mirror__Header *m, struct mirror_head *out)
{
	if (m->n_terms > MIRROR_TERMS)
		return false;
	for (size_t i = 0; i < m->n_terms; i++) {
		const Mirror__Term *t = m->terms[i];
		if (t->first == 0 || (i && t->first < out->term[i - 1].first))
			return false;
		out->term[i] = (struct mirror_term){ t->epoch, t->tag, t->first };
	}
	out->terms = (unsigned)m->n_terms;
	return true;
}

bool
mirror_head_read(struct span in, struct mirror_head *out)
{
	Mirror__Header *m = in.len <= MIRROR_HEAD_MAX ? mirror__header__unpack(NULL, in.len, in.p) : NULL;
	bool ok;

	if (!m)
		return false;
	*out = (struct mirror_head){
		.kind = (enum mirror_kind)m->kind, .version = m->version, .side = (uint8_t)m->side,
		.active = m->active, .complete = m->complete, .mirrored = m->mirrored, .snapshot = m->snapshot,
		.instance = m->instance, .attempt = m->attempt, .session = m->session, .epoch = m->epoch,
		.lineage = m->lineage, .position = m->position, .tag = m->tag, .page = m->page, .frames = m->frames,
	};
	ok = (unsigned)m->kind > MIRROR_NONE && (unsigned)m->kind < MIRROR_KINDS && m->side <= 1 &&
	     name_read(m->node, out->node) && terms_read(m, out);
	mirror__header__free_unpacked(m, NULL);
	return ok;
}
