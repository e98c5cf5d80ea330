// SPDX-License-Identifier: Apache-2.0
/* The replicated state as sorted text: what two cores with the same rows must agree on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sm_int.h"

struct lines {
	char **v;
	size_t n, cap;
};

static void
add_line(struct lines *l, char *line)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		char **v = realloc(l->v, cap * sizeof *v);

		if (!v) {
			free(line);
			return;
		}
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = line;
}

static void
hex(FILE *f, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
}

static void
dump_sess(FILE *f, const struct sess *s)
{
	uint8_t saved[PPP_SAVE_MAX];
	size_t n = s->saved_len;

	if (!s->call && !s->link && !s->sub && !s->held)
		return; /* waits to be dropped */
	fprintf(f, "session %08x call=%u up=%u role=%u peer=%u", s->key, s->call, s->call_up, s->call_role,
		s->call_ident.peer_id);
	fprintf(f, " link=%u phase=%u hangup=%u client=%u mtu=%u pfc=%u acfc=%u of=%u/%u", s->link, s->phase, s->hangup,
		s->client, s->link ? s->mtu : 0, s->pfc, s->acfc, s->link_ident.peer_id, s->link_ident.serial);
	if (s->ppp) {
		n = ppp_link_save(s->ppp, saved, sizeof saved);
		fprintf(f, " automata=");
		hex(f, saved, n);
	} else if (s->link && !s->hangup) {
		fprintf(f, " automata=");
		hex(f, s->saved, n);
	}
	fprintf(f, " forwarding=%u subscriber=", s->forwarding);
	hex(f, s->sub, s->sub_len);
}

static void
dump_lease(FILE *f, const struct lease *l)
{
	struct ip_prefix p = lease_prefix(&l->key);
	char t[ADDR_TEXT];

	fprintf(f, "lease %s pool=%s user=%s holder=%u/%u", ip_prefix_text(&p, t), name_text(l->pool_name), name_text(l->user),
		l->tunnel, l->session);
}

static void
dump_acct(FILE *f, const struct acct *a)
{
	fprintf(f, "acct %.*s kind=%u created=%llu ", a->key_len, (const char *)a->key, a->kind,
		(unsigned long long)a->created);
	hex(f, a->attrs, a->len);
}

#define EACH(LIST, TYPE, FN) \
	for (const TYPE *x = LIST; x; x = x->hh.next) { \
		char *line = NULL; \
		size_t line_len; \
		FILE *f = open_memstream(&line, &line_len); \
		if (!f) \
			continue; \
		FN(f, x); \
		fclose(f); \
		if (line && line[0]) \
			add_line(&l, line); \
		else \
			free(line); \
	}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *
sm_dump(struct sm *sm)
{
	struct lines l = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out;

	EACH(sm->all, struct sess, dump_sess)
	EACH(sm->pools.by_addr, struct lease, dump_lease)
	EACH(sm->acct.all, struct acct, dump_acct)
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_text);
	out = open_memstream(&text, &len);
	for (size_t i = 0; i < l.n; i++) {
		if (out)
			fprintf(out, "%s\n", l.v[i]);
		free(l.v[i]);
	}
	free(l.v);
	if (out)
		fclose(out);
	return text;
}
