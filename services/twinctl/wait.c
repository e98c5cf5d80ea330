// SPDX-License-Identifier: Apache-2.0
/*
 * wait CONDITION [SECONDS]: for scripts, so that none of them has to sleep and hope.
 *
 *   up           elector and state-sync answer
 *   active       this node is active        standby     this node is the standby
 *   mirrored     the standby holds all      sessions N  N sessions are up
 *   tunnels N    N tunnels are established
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "out.h"
#include "rows.pb-c.h"
#include "show.h"
#include "text.h"

#define EVERY_NS 20000000L

struct waiting {
	struct node *n;
	const char *what;
	unsigned long wanted;
	char last[160]; /* what was seen instead */
};

static bool
status_is(struct waiting *w, const char *process, const char *key, const char *value)
{
	const char *words[] = { "status" };
	json_t *o = node_ask_json(w->n, process, words, 1);
	const char *is = o ? json_string_value(json_object_get(o, key)) : NULL;
	bool good = is && (!value || strcmp(is, value) == 0);

	snprintf(w->last, sizeof w->last, "%s: %s %s", process, key, is ? is : "unknown");
	json_decref(o);
	return good;
}

struct counting {
	struct arena arena;
	unsigned table;
	unsigned long n;
};

static bool
count_up(void *arg, struct span key, struct span row)
{
	struct counting *c = arg;

	if (c->table == TABLE_SUBSCRIBER) {
		const Row__Subscriber *s = row_unpack(&c->arena, TABLE_SUBSCRIBER, row);
		c->n += s && s->forwarding;
	} else {
		const Row__Tunnel *t = row_unpack(&c->arena, TABLE_TUNNEL, row);
		c->n += t && t->state == 3; /* established */
	}
	arena_reset(&c->arena);
	return true;
}

/* A store that is not there yet is a store without rows. */
static bool
rows_are(struct waiting *w, unsigned table)
{
	char error[STORE_ERROR];
	struct store *s = store_open_ro(node_store_dir(w->n), 0, error, sizeof error);
	struct store_view *v = s ? store_view_begin(s) : NULL;
	struct counting c = { .table = table };

	if (v) {
		arena_init(&c.arena, 0);
		store_each(v, table, count_up, &c);
		arena_fini(&c.arena);
	}
	store_view_end(v);
	store_close(s);
	snprintf(w->last, sizeof w->last, "%lu %s up", c.n, w->what);
	return s && c.n >= w->wanted;
}

static bool
holds(struct waiting *w)
{
	if (strcmp(w->what, "up") == 0)
		return status_is(w, "elector", "role", NULL) && status_is(w, "state-sync", "role", NULL);
	if (strcmp(w->what, "active") == 0 || strcmp(w->what, "standby") == 0)
		return status_is(w, "elector", "role", w->what) && status_is(w, "state-sync", "role", w->what);
	if (strcmp(w->what, "mirrored") == 0)
		return status_is(w, "state-sync", "mirror", "mirrored");
	return rows_are(w, strcmp(w->what, "tunnels") == 0 ? TABLE_TUNNEL : TABLE_SUBSCRIBER);
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool
known(const char *what)
{
	static const char *const all[] = { "up", "active", "standby", "mirrored", "sessions", "tunnels" };

	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (strcmp(all[i], what) == 0)
			return true;
	}
	return false;
}

int
wait_command(struct node *n, const char *const *words, unsigned count)
{
	struct waiting w = { .n = n, .what = count ? words[0] : "" };
	bool numbered = strcmp(w.what, "sessions") == 0 || strcmp(w.what, "tunnels") == 0;
	unsigned used = numbered ? 2 : 1;
	unsigned long seconds = 30;

	if (!known(w.what) || count < used || count > used + 1 || (numbered && !text_number(words[1], 1000000, &w.wanted)) ||
	    (count > used && !text_number(words[used], 86400, &seconds)))
		return usage_error("wait up|active|standby|mirrored|sessions N|tunnels N [SECONDS]");
	n->timeout_ms = n->timeout_ms < 500 ? n->timeout_ms : 500;
	for (double end = now_s() + (double)seconds; !holds(&w);) {
		if (now_s() >= end) {
			fprintf(stderr, "twinctl: not %s%s%s within %lu s; last seen: %s\n", w.what, numbered ? " " : "",
				numbered ? words[1] : "", seconds, w.last);
			return REFUSED;
		}
		nanosleep(&(struct timespec){ .tv_nsec = EVERY_NS }, NULL);
	}
	return DONE;
}
