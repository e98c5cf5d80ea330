// SPDX-License-Identifier: Apache-2.0
/* The node itself: pair, alarms, counters, tables. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "meanings.h"
#include "out.h"
#include "rows.pb-c.h"
#include "show.h"
#include "text.h"

/* ---- cluster ---- */

static bool
add_status(json_t *all, struct node *n, const char *process, const char *key)
{
	const char *words[] = { "status" };
	json_t *o = node_ask_json(n, process, words, 1);
	const bool there = o != NULL;

	json_object_set_new(all, key, there ? o : json_string("does not answer"));
	return there;
}

static json_t *
store_part(struct node *n)
{
	struct store_meta m = store_meta_read(node_view(n));
	json_t *o = json_object();

	out_set_text(o, "written-by", m.node);
	json_object_set_new(o, "position", json_integer((json_int_t)m.position));
	json_object_set_new(o, "epoch", json_integer((json_int_t)m.epoch));
	json_object_set_new(o, "mirrored", json_boolean(m.mirrored));
	return o;
}

/* What tunnel-ctl has recovered since it was started, and how: its counters that moved. */
static bool
recovered_row(void *arg, struct span key, struct span row)
{
	struct arena arena;
	const Row__Counters *c;

	arena_init(&arena, 0);
	c = row_unpack(&arena, TABLE_COUNTERS, row);
	for (size_t i = 0; c && strcmp(c->process, "tunnel-ctl") == 0 && i < c->n_name && i < c->n_value; i++)
		if (strncmp(c->name[i], "recovery-", 9) == 0 || strncmp(c->name[i], "stale-", 6) == 0)
			out_set_number(arg, c->name[i], c->value[i]);
	arena_fini(&arena);
	return true;
}

static json_t *
recovered_part(struct node *n)
{
	json_t *o = json_object();

	store_each(node_view(n), TABLE_COUNTERS, recovered_row, o);
	return o;
}

/* ---- history ---- */

#define CHANGES 256

struct change {
	uint64_t at_ms, epoch, took_us;
	uint32_t role;
	bool stale;
	char cause[128], twin[64];
};

struct changes {
	struct change c[CHANGES];
	unsigned n;
};

enum { ROLE_STANDBY = 1, ROLE_PROMOTING, ROLE_ACTIVE }; /* enum elect_role */

static bool
change_row(void *arg, struct span key, struct span row)
{
	struct changes *all = arg;
	struct arena arena;
	const Row__Change *r;

	arena_init(&arena, 0);
	r = row_unpack(&arena, TABLE_HISTORY, row);
	if (r && r->role != ROLE_PROMOTING && all->n < CHANGES) {
		struct change *c = &all->c[all->n++];
		*c = (struct change){ r->at_ms, r->epoch, r->took_us, r->role, r->stale, "", "" };
		snprintf(c->cause, sizeof c->cause, "%s", r->cause);
		snprintf(c->twin, sizeof c->twin, "%s", r->twin);
	}
	arena_fini(&arena);
	return true;
}

static int
newest_first(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return x->at_ms < y->at_ms ? 1 : x->at_ms > y->at_ms ? -1 : 0;
}

static void
changes_read(struct node *n, struct changes *all)
{
	all->n = 0;
	store_each(node_view(n), TABLE_HISTORY, change_row, all);
	qsort(all->c, all->n, sizeof all->c[0], newest_first);
}

static const char *
role_text(uint32_t role)
{
	return role == ROLE_ACTIVE ? "active" : role == ROLE_STANDBY ? "standby" : "start";
}

static json_t *
last_changes(struct node *n)
{
	static struct changes all;
	json_t *list = json_array();
	char t[TEXT];

	changes_read(n, &all);
	for (unsigned i = 0; i < all.n && i < 4; i++) {
		const struct change *c = &all.c[i];
		json_t *o = json_object();
		out_set_text(o, "at", text_moment(c->at_ms / 1000, t));
		out_set_number(o, "epoch", c->epoch);
		out_set_text(o, "role", role_text(c->role));
		out_set_text(o, "kind", text_change_kind(c->cause));
		out_set_text(o, "took", text_took(c->took_us, t));
		out_set_text(o, "recovered", text_recovered(c->role == ROLE_ACTIVE, c->stale, c->cause));
		json_array_append_new(list, o);
	}
	return list;
}

static const struct out_col history_cols[] = {
	{ "WHEN", OUT_NUMBER, false }, { "EPOCH", OUT_NUMBER, false },	 { "ROLE", OUT_TEXT, false },
	{ "KIND", OUT_TEXT, false },   { "TOOK", OUT_NUMBER, false }, { "RECOVERED", OUT_TEXT, false },
	{ "TWIN", OUT_TEXT, false },   { "CAUSE", OUT_TEXT, true },
};

int
show_history(struct node *n, const char *const *words, unsigned count)
{
	static struct changes all;
	struct out_table *o;
	char t[TEXT];

	if (count)
		return usage_error("show history takes no further word: '%s'", words[0]);
	changes_read(n, &all);
	o = out_table_new("history", history_cols, sizeof history_cols / sizeof history_cols[0]);
	for (unsigned i = 0; i < all.n; i++) {
		const struct change *c = &all.c[i];
		out_row(o);
		out_number(o, c->at_ms, text_moment(c->at_ms / 1000, t));
		out_number(o, c->epoch, NULL);
		out_text(o, role_text(c->role));
		out_text(o, text_change_kind(c->cause));
		out_number(o, c->took_us, text_took(c->took_us, t));
		out_text(o, text_recovered(c->role == ROLE_ACTIVE, c->stale, c->cause));
		out_text(o, c->twin);
		out_text(o, c->cause);
	}
	out_table_end(o, "this node's role has not changed since its store was made");
	return DONE;
}

int
cluster_command(struct node *n, const char *const *words, unsigned count)
{
	if (count && strcmp(words[0], "history") == 0)
		return show_history(n, words + 1, count - 1);
	if (count)
		return usage_error("cluster [history]: '%s'", words[0]);
	return show_cluster(n, words, count);
}

/* ---- recovery ---- */

int
show_recovery(struct node *n, const char *const *words, unsigned count)
{
	const char *ask[] = { "show", "recovery" };
	json_t *o, *all, *since;
	char t[TEXT];

	if (count)
		return usage_error("show recovery takes no further word: '%s'", words[0]);
	o = node_ask_json(n, "tunnel-ctl", ask, 2);
	if (!o)
		return node_ask(n, "tunnel-ctl", ask, 2); /* its sentence, and the code for it */
	since = json_object_get(o, "since");
	if (!out_json && json_integer_value(since) == 0) {
		puts("tunnel-ctl has recovered nothing since it was started");
		json_decref(o);
		return DONE;
	}
	if (!out_json)
		out_set_text(o, "since", text_moment((uint64_t)json_integer_value(since), t));
	all = json_object();
	json_object_set_new(all, "recovery", o);
	out_sections(all);
	return DONE;
}

/* ---- cluster, all of it ---- */

int
show_cluster(struct node *n, const char *const *words, unsigned count)
{
	json_t *all;
	bool elector, sync;

	if (count)
		return usage_error("show cluster takes no further word: '%s'", words[0]);
	all = json_object();
	elector = add_status(all, n, "elector", "election");
	sync = add_status(all, n, "state-sync", "mirror");
	json_object_set_new(all, "store", store_part(n));
	json_object_set_new(all, "recovered", recovered_part(n));
	json_object_set_new(all, "last-changes", last_changes(n));
	out_sections(all);
	return elector || sync ? DONE : UNREACHABLE;
}

/* ---- alarms ---- */

struct alarm_walk {
	struct arena arena;
	json_t *list;
	uint64_t now;
};

static bool
alarm_row(void *arg, struct span key, struct span row)
{
	struct alarm_walk *w = arg;
	const Row__Alarm *a = row_unpack(&w->arena, TABLE_ALARM, row);
	const struct alarm_info *info = a ? meaning_of_alarm(a->name) : NULL;
	json_t *o = json_object();

	if (a) {
		out_set_text(o, "alarm", a->name);
		out_set_text(o, "process", a->process);
		out_set_number(o, "standing-since", a->since);
		out_set_text(o, "detail", a->detail);
	}
	if (info) {
		out_set_text(o, "happened", info->happened);
		out_set_text(o, "means", info->means);
		out_set_text(o, "to-do", info->todo);
	}
	if (json_object_size(o))
		json_array_append(w->list, o);
	json_decref(o);
	arena_reset(&w->arena);
	return true;
}

static bool
is_listed(const json_t *list, const char *alarm)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *name = json_string_value(json_object_get(o, "alarm")), *who = json_string_value(json_object_get(o, "process"));
		if (name && who && strcmp(name, alarm) == 0 && strcmp(who, "elector") == 0)
			return true;
	}
	return false;
}

/* The elector's alarms become rows within a second, if state-sync is up; it tells them when asked, too. */
static void
elector_alarms(struct node *n, json_t *list)
{
	const char *words[] = { "status" };
	json_t *status = node_ask_json(n, "elector", words, 1), *name;
	size_t i;

	json_array_foreach(json_object_get(status, "alarms"), i, name) {
		const char *text = json_string_value(name);
		const struct alarm_info *info = text ? meaning_of_alarm(text) : NULL;
		json_t *o;

		if (!text || is_listed(list, text))
			continue;
		o = json_object();
		out_set_text(o, "alarm", text);
		out_set_text(o, "process", "elector");
		if (info) {
			out_set_text(o, "happened", info->happened);
			out_set_text(o, "means", info->means);
			out_set_text(o, "to-do", info->todo);
		}
		json_array_append_new(list, o);
	}
	json_decref(status);
}

int
show_alarms(struct node *n, const char *const *words, unsigned count)
{
	struct alarm_walk w = { .list = json_array() };
	json_t *all = json_object();

	if (count)
		return usage_error("show alarms takes no further word: '%s'", words[0]);
	arena_init(&w.arena, 0);
	store_each(node_view(n), TABLE_ALARM, alarm_row, &w);
	arena_fini(&w.arena);
	elector_alarms(n, w.list);
	if (json_array_size(w.list) == 0 && !out_json) {
		puts("no alarm stands");
		json_decref(w.list);
		json_decref(all);
		return DONE;
	}
	json_object_set_new(all, "alarms", w.list);
	out_sections(all);
	return DONE;
}

/* ---- counters ---- */

struct counter_walk {
	struct arena arena;
	struct out_table *out;
	const char *process, *word;
	bool all;
};

static const struct out_col counter_cols[] = {
	{ "PROCESS", OUT_TEXT, false },
	{ "COUNTER", OUT_TEXT, false },
	{ "VALUE", OUT_NUMBER, false },
	{ "MEANING", OUT_TEXT, true },
};

static bool
counter_row(void *arg, struct span key, struct span row)
{
	struct counter_walk *w = arg;
	const Row__Counters *c = row_unpack(&w->arena, TABLE_COUNTERS, row);

	if (!c || (w->process && strncmp(c->process, w->process, strlen(w->process)) != 0)) {
		arena_reset(&w->arena);
		return true;
	}
	for (size_t i = 0; i < c->n_name && i < c->n_value; i++) {
		if ((c->value[i] == 0 && !w->all) || (w->word && !strstr(c->name[i], w->word)))
			continue;
		const char *meaning = meaning_of_counter(c->process, c->name[i]);
		out_row(w->out);
		out_text(w->out, c->process);
		out_text(w->out, c->name[i]);
		out_number(w->out, c->value[i], NULL);
		out_text(w->out, meaning ? meaning : "");
	}
	arena_reset(&w->arena);
	return true;
}

int
show_counters(struct node *n, const char *const *words, unsigned count)
{
	struct counter_walk w = { 0 };

	if (count && strcmp(words[count - 1], "all") == 0) {
		w.all = true;
		count--;
	}
	if (count > 2)
		return usage_error("show counters [PROCESS [TEXT]] [all]: one word too many: '%s'", words[2]);
	w.process = count > 0 ? words[0] : NULL;
	w.word = count > 1 ? words[1] : NULL;
	arena_init(&w.arena, 0);
	w.out = out_table_new("counters", counter_cols, sizeof counter_cols / sizeof counter_cols[0]);
	store_each(node_view(n), TABLE_COUNTERS, counter_row, &w);
	out_table_end(w.out, "no counter has moved (show counters all lists those at zero)");
	arena_fini(&w.arena);
	return DONE;
}

/* ---- tables ---- */

static const struct out_col table_cols[] = {
	{ "TABLE", OUT_TEXT, false },
	{ "ROWS", OUT_NUMBER, false },
	{ "OWNER", OUT_TEXT, false },
	{ "A ROW IS", OUT_TEXT, true },
};

int
show_tables(struct node *n, const char *const *words, unsigned count)
{
	static const char *const owner[] = { "tunnel-ctl", "session-mgr", "data-plane", "state-sync" };
	struct store_view *v;
	struct out_table *o;

	if (count)
		return usage_error("show tables takes no further word: '%s'", words[0]);
	v = node_view(n);
	o = out_table_new("tables", table_cols, sizeof table_cols / sizeof table_cols[0]);
	for (unsigned t = 0; t < TABLE_MAX; t++) {
		const struct table_info *i = table_info(t);
		if (!i)
			continue;
		out_row(o);
		out_text(o, i->name);
		out_number(o, store_count(v, t), NULL);
		out_text(o, owner[i->owner]);
		out_text(o, i->sentence);
	}
	out_table_end(o, "no tables");
	return DONE;
}

/* ---- the sentences, for docs/operations ---- */

/* HELLO_LOST as `show counters` has it: hello-lost. */
static void
print_name(const char *id)
{
	fputs("| `", stdout);
	for (; *id; id++)
		putchar(*id == '_' ? '-' : tolower((unsigned char)*id));
	fputs("` ", stdout);
}

static void
print_counters(void)
{
	for (const struct meaning_set *s = meaning_sets(); s->counters; s++) {
		printf("\n## %s%s%s\n\n| counter | meaning |\n|---|---|\n", s->process, *s->process ? ": " : "", s->what);
		for (unsigned i = 0; i < s->n; i++) {
			print_name(s->counters[i].name);
			printf("| %s |\n", s->counters[i].sentence);
		}
	}
}

static void
print_alarms(void)
{
	for (const struct alarm_set *s = alarm_sets(); s->alarms; s++) {
		printf("\n## %s\n\n| alarm | what happened | what it means | what to do |\n|---|---|---|---|\n", s->process);
		for (unsigned i = 0; i < s->n; i++)
			printf("| `%s` | %s | %s | %s |\n", s->alarms[i].name, s->alarms[i].happened,
			       s->alarms[i].means, s->alarms[i].todo);
	}
}

int
help_meanings(struct node *n, const char *const *words, unsigned count)
{
	if (count == 1 && strcmp(words[0], "counters") == 0)
		print_counters();
	else if (count == 1 && strcmp(words[0], "alarms") == 0)
		print_alarms();
	else
		return usage_error("meanings wants counters or alarms");
	return DONE;
}
