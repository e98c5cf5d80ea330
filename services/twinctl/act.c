// SPDX-License-Identifier: Apache-2.0
/*
 * Verbs that a process carries out.  The words go to it as they are; it knows its own syntax and says what
 * is wrong with them.  This table knows only where they go, and what to print in --help.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act.h"
#include "filter.h"
#include "out.h"
#include "show.h"
#include "text.h"

#define LINE_KEYS "TUNNEL/SESSION KEY=N..."

static const struct act acts[] = {
	{ "switchover", "elector", "", 0, "hand the active role to the twin, without losing a session", { NULL } },
	{ "promote", "elector", "[--force]", 1,
	  "become active without the twin; --force: although this node may not hold everything", { NULL } },
	{ "tunnel open", "tunnel-ctl", "GROUP|ADDRESS [KEY=V...]", 4,
	  "open a tunnel to an LNS group, or to an LNS (profile=NAME port=N role=lac|client)", { NULL } },
	{ "tunnel close", "tunnel-ctl", "TUNNEL", 1, "close it, with its calls", { NULL } },
	{ "tunnel drain", "tunnel-ctl", "TUNNEL|all", 1, "take no new call; close when the last one ends", { NULL } },
	{ "tunnel undrain", "tunnel-ctl", "TUNNEL|all", 1, "take calls again", { NULL } },
	{ "tunnel recover", "tunnel-ctl", "TUNNEL", 1, "recover it as if our control channel had failed (RFC 4951)", { NULL } },
	{ "tunnel query", "tunnel-ctl", "TUNNEL", 1, "ask the peer which of its sessions it knows (RFC 4951)", { NULL } },
	{ "call dial", "tunnel-ctl", "GROUP [CALLED] [KEY=V...]", 24, "as LAC or client: place a call", { "group", "called" } },
	{ "call out", "tunnel-ctl", "TUNNEL CALLED [KEY=V...]", 24, "as LNS: ask the LAC for an outgoing call (OCRQ)",
	  { "tunnel", "called" } },
	{ "call clear", "tunnel-ctl", "TUNNEL/SESSION [KEY=V...]", 8, "end a call with CDN, without asking PPP", { NULL } },
	{ "call drop", "tunnel-ctl", "TUNNEL/SESSION", 1, "as LAC: the bearer was lost", { NULL } },
	{ "call circuit", "tunnel-ctl", "TUNNEL/SESSION up|down", 2,
	  "L2TPv3: tell the peer that the circuit behind our end is up, or not", { NULL } },
	{ "call speed", "tunnel-ctl", LINE_KEYS, 3, "as LAC: the line has another speed (RFC 5515)", { NULL } },
	{ "call errors", "tunnel-ctl", LINE_KEYS, 7, "as LAC: line errors for the LNS (WEN)", { NULL } },
	{ "aaa test", "session-mgr", "USER PASSWORD", 2, "ask AAA as a subscriber would, with PAP", { NULL } },
	{ "aaa reload", "session-mgr", "", 0, "read the users file again", { NULL } },
	{ NULL, NULL, NULL, 0, NULL, { NULL } },
};

/* How many of the words the verb takes; 0: another verb. */
static unsigned
verb_words(const struct act *a, const char *const *words, unsigned n)
{
	const char *space = strchr(a->verb, ' ');
	size_t first = space ? (size_t)(space - a->verb) : strlen(a->verb);

	if (n == 0 || strlen(words[0]) != first || strncmp(a->verb, words[0], first) != 0)
		return 0;
	if (!space)
		return 1;
	return n > 1 && strcmp(space + 1, words[1]) == 0 ? 2 : 0;
}

const struct act *
act_find(const char *const *words, unsigned n)
{
	for (const struct act *a = acts; a->verb; a++) {
		if (verb_words(a, words, n))
			return a;
	}
	return NULL;
}

/* ---- session clear: which ones is ours to find out, ending them is session-mgr's ---- */

#define CLEAR_MAX 1000000

struct clearing {
	struct store_view *view;
	struct arena arena;
	struct filter filter;
	unsigned n;
	uint32_t id[]; /* tunnel << 16 | session */
};

static bool
collect(void *arg, struct span key, struct span row)
{
	struct clearing *w = arg;
	const Row__Call *c = row_unpack(&w->arena, TABLE_CALL, row);
	const Row__Subscriber *s = c ? store_row(w->view, TABLE_SUBSCRIBER, key, &w->arena) : NULL;

	if (c && w->n < CLEAR_MAX && filter_fits(&w->filter, c, s))
		w->id[w->n++] = c->tunnel << 16 | (c->id & 0xffff);
	arena_reset(&w->arena);
	return w->filter.limit == 0 || w->n < w->filter.limit;
}

static int
clear_one(struct node *n, const char *id)
{
	const char *words[] = { "session", "clear", id };

	return node_ask(n, "session-mgr", words, 3);
}

static int
clear_found(struct node *n, const struct clearing *w)
{
	char id[TEXT];
	int worst = w->n ? DONE : REFUSED;

	for (unsigned i = 0; i < w->n; i++) {
		snprintf(id, sizeof id, "%u/%u", w->id[i] >> 16, w->id[i] & 0xffff);
		int code = clear_one(n, id);
		if (code == UNREACHABLE)
			return code;
		if (code != DONE)
			worst = code;
	}
	if (!out_json && w->n != 1)
		fprintf(w->n ? stdout : stderr, "%u sessions\n", w->n);
	return worst;
}

static int
session_clear(struct node *n, const char *const *words, unsigned count)
{
	struct clearing *w;
	unsigned tunnel, session;
	struct filter f;
	char error[256];
	int code;

	if (count == 1 && text_session_id(words[0], &tunnel, &session))
		return clear_one(n, words[0]);
	if (count == 0)
		return usage_error("session clear wants a session (TUNNEL/SESSION) or a filter (user NAME, address PREFIX, tunnel ID)");
	if (!filter_read(&f, words, count, error, sizeof error))
		return usage_error("%s", error);
	w = calloc(1, sizeof *w + CLEAR_MAX * sizeof w->id[0]);
	if (!w)
		return UNREADABLE;
	w->filter = f;
	w->view = node_view(n);
	arena_init(&w->arena, 0);
	store_each(w->view, TABLE_CALL, collect, w);
	code = clear_found(n, w);
	arena_fini(&w->arena);
	free(w);
	return code;
}

/* "call out 7 5550100" is "call out tunnel=7 called=5550100". */
static int
ask_with_keys(struct node *n, const struct act *a, const char *const *words, unsigned count, unsigned taken)
{
	static char keyed[2][512];
	const char *out[64];

	for (unsigned i = 0; i < count; i++) {
		unsigned k = i - taken;
		out[i] = words[i];
		if (i < taken || k > 1 || !a->key[k] || strchr(words[i], '='))
			continue;
		if (snprintf(keyed[k], sizeof keyed[k], "%s=%s", a->key[k], words[i]) >= (int)sizeof keyed[k])
			return usage_error("%s: too long a word", a->verb);
		out[i] = keyed[k];
	}
	return node_ask(n, a->process, out, count);
}

int
act_command(struct node *n, const char *const *words, unsigned count)
{
	const struct act *a = act_find(words, count);
	unsigned taken;

	if (count >= 2 && strcmp(words[0], "session") == 0 && strcmp(words[1], "clear") == 0)
		return session_clear(n, words + 2, count - 2);
	if (!a)
		return -1;
	taken = verb_words(a, words, count);
	if (count - taken > a->most)
		return usage_error("%s%s%s: too many words", a->verb, *a->syntax ? " " : "", a->syntax);
	return ask_with_keys(n, a, words, count, taken);
}

void
act_help(FILE *to)
{
	char line[TEXT];

	for (const struct act *a = acts; a->verb; a++) {
		snprintf(line, sizeof line, "%s %s", a->verb, a->syntax);
		fprintf(to, "  %-42s %s\n", line, a->help);
	}
	fprintf(to, "  %-42s %s\n", "session clear ID|FILTER...", "end sessions in order: PPP first, then the call");
}
