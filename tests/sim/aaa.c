// SPDX-License-Identifier: Apache-2.0
/* The AAA side: answers late, twice, or not at all; and the accounting log, which remembers who said what. */
#include "sim.h"

static void
answer(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct proc *p = &w->node[b].p[P_SM];
	struct aaa_answer *ans = a;

	if (p->up && p->life == (uint32_t)c)
		proc_post(p, msg_new(M_AAA, ans, sizeof *ans), 0, true);
	free(a);
}

static void
schedule(struct proc *p, const struct aaa_answer *ans)
{
	struct world *w = p->w;
	struct aaa_answer *copy = malloc(sizeof *copy);
	mono_t delay = 2 * MONO_MS + rnd_time(w, 0, 3 * MONO_MS);

	*copy = *ans;
	if (w->plan.aaa_trouble && rnd_below(w, 1000) < w->plan.aaa_late)
		delay += rnd_time(w, 0, 3 * MONO_S);
	at_owned(w, w->now + delay, answer, copy, p->n->id, p->life);
}

static struct line *
user(struct world *w, const char *name, size_t len)
{
	for (unsigned i = 0; i < LACS; i++)
		for (unsigned k = 0; k < LINES; k++) {
			struct line *s = &w->lac[i].line[k];
			if (strlen(s->user) == len && memcmp(s->user, name, len) == 0)
				return s;
		}
	return NULL;
}

void
aaa_ask(struct proc *p, const struct aaa_request *q)
{
	struct world *w = p->w;
	struct line *s = user(w, q->name, q->name_len);
	struct aaa_answer a;
	struct ppp_auth_result r = { 0 };

	memset(&a, 0, sizeof a);
	a.token = q->token;
	a.tunnel = q->tunnel;
	a.session = q->session;
	a.verdict = AAA_REJECT;
	if (s) {
		ppp_verify(q->auth, q->chap_id, span_of(q->name, q->name_len), span_of(q->challenge, q->challenge_len),
			   span_of(q->response, q->response_len), span_of(s->password, strlen(s->password)), &r);
		a.verdict = r.ok ? AAA_ACCEPT : AAA_REJECT;
		a.has_proof = r.ok && q->auth == PPP_AUTH_MSCHAPV2;
		memcpy(a.mschap_proof, r.mschap_proof, sizeof a.mschap_proof);
	}
	mark(w, a.verdict + 600);
	if (w->plan.aaa_trouble && rnd_below(w, 1000) < w->plan.aaa_never) { /* the desk gives up in the end */
		struct aaa_answer *copy = malloc(sizeof *copy);
		a.verdict = AAA_UNANSWERED;
		*copy = a;
		at_owned(w, w->now + 4 * MONO_S, answer, copy, p->n->id, p->life);
		return;
	}
	schedule(p, &a);
	if (w->plan.aaa_trouble && rnd_below(w, 1000) < w->plan.aaa_twice)
		schedule(p, &a);
}

static void
acct_done(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct proc *p = &w->node[b].p[P_SM];
	struct msg *m = a;

	if (p->up && p->life == (uint32_t)c)
		proc_post(p, m, 0, true);
	else
		free(m);
}

/* ACCT_LESS: a tenth of the octets. */
static void
lessen(struct acct_ask *to, const struct acct_ask *from, size_t len)
{
	memcpy(to, from, len < sizeof *to ? len : sizeof *to);
	for (size_t i = 0; i + 6 <= to->attrs_len && to->attrs[i + 1] >= 2; i += to->attrs[i + 1])
		if ((to->attrs[i] == 42 || to->attrs[i] == 43) && to->attrs[i + 1] == 6)
			put_u32(to->attrs + i + 2, get_u32(to->attrs + i + 2) / 10);
}

void
acct_ask_sim(struct proc *p, const struct acct_ask *ask, size_t len)
{
	struct world *w = p->w;
	struct msg *m;
	static const uint8_t other[8];
	struct acct_ask less = { .attrs_len = 0 };

	if (len < offsetof(struct acct_ask, attrs) || ask->attrs_len > len)
		return;
	if (w->plan.aaa_trouble && chance(w, 500)) /* lost on the way there: asked again */
		goto silent;
	if (w->broken == BREAK_ACCT_LESS && ask->key[ask->key_len - 1] == 'i' && chance(w, 3333))
		lessen(&less, ask, len);
	if (w->broken != BREAK_ACCT_UNSTOPPED || ask->key[ask->key_len - 1] != 'z' || !chance(w, 3333))
		check_acct(w, span_of(ask->key, ask->key_len), span_of(less.attrs_len ? less.attrs : ask->attrs, ask->attrs_len));
	if (w->broken == BREAK_ACCT_TWICE)
		check_acct(w, span_of(ask->key, ask->key_len), span_of(other, chance(w, 5000) ? 3 : 4));
	if (w->plan.aaa_trouble && chance(w, 300)) /* lost on the way back */
		goto silent;
	m = msg_new(M_ACCT, ask->key, ask->key_len);
	m->n[0] = 1;
	at_owned(w, w->now + rnd_time(w, MONO_MS, 20 * MONO_MS), acct_done, m, p->n->id, p->life);
	return;
silent:
	m = msg_new(M_ACCT, ask->key, ask->key_len);
	at_owned(w, w->now + 3 * MONO_S, acct_done, m, p->n->id, p->life);
}
