// SPDX-License-Identifier: Apache-2.0
/* See out.h.  libsmartcols draws the tables and writes their JSON; jansson holds the sections. */
#include "out.h"

#include <ctype.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

#define CELL 512

bool out_json;

struct out_table {
	struct libscols_table *t;
	struct libscols_line *line;
	const struct out_col *cols;
	unsigned n, at;
	uint64_t rows;
};

static void
json_name(const char *title, char *out, size_t cap)
{
	size_t i;

	for (i = 0; title[i] && i + 1 < cap; i++)
		out[i] = title[i] == ' ' ? '-' : (char)tolower((unsigned char)title[i]);
	out[i] = 0;
}

static void
add_column(struct out_table *o, const struct out_col *c)
{
	char name[64];
	int flags = (c->kind == OUT_NUMBER ? SCOLS_FL_RIGHT : 0) | (c->last ? SCOLS_FL_TRUNC : 0);
	struct libscols_column *col;

	json_name(c->title, name, sizeof name);
	col = scols_table_new_column(o->t, out_json ? name : c->title, 0, flags);
	if (col && out_json)
		scols_column_set_json_type(col, c->kind == OUT_NUMBER ? SCOLS_JSON_NUMBER :
						c->kind == OUT_BOOL   ? SCOLS_JSON_BOOLEAN :
									SCOLS_JSON_STRING);
}

static void
out_of_memory(void)
{
	fprintf(stderr, "twinctl: out of memory\n");
	exit(4);
}

struct out_table *
out_table_new(const char *name, const struct out_col *cols, unsigned n)
{
	struct out_table *o = calloc(1, sizeof *o);

	if (!o || !(o->t = scols_new_table()))
		out_of_memory();
	o->cols = cols;
	o->n = n;
	scols_table_enable_json(o->t, out_json);
	scols_table_set_name(o->t, name);
	/* A pipe gets whole lines, a terminal gets lines that fit. */
	if (!isatty(STDOUT_FILENO))
		scols_table_set_termforce(o->t, SCOLS_TERMFORCE_NEVER);
	for (unsigned i = 0; i < n; i++)
		add_column(o, &cols[i]);
	return o;
}

void
out_row(struct out_table *o)
{
	o->line = scols_table_new_line(o->t, NULL);
	if (!o->line)
		out_of_memory();
	o->at = 0;
	o->rows++;
}

static void
cell(struct out_table *o, const char *value)
{
	if (o->at < o->n && scols_line_set_data(o->line, o->at++, value))
		out_of_memory();
}

void
out_text(struct out_table *o, const char *value)
{
	char safe[CELL];

	text_safe(value, safe, sizeof safe);
	cell(o, safe);
}

void
out_number(struct out_table *o, uint64_t value, const char *as)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%" PRIu64, value);
	cell(o, out_json || !as ? digits : as);
}

void
out_bool(struct out_table *o, bool value)
{
	cell(o, out_json ? (value ? "1" : "0") : value ? "yes" : "no");
}

void
out_table_end(struct out_table *o, const char *empty)
{
	if (o->rows)
		scols_print_table(o->t);
	else if (out_json)
		printf("{ \"%s\": [] }\n", scols_table_get_name(o->t));
	else
		printf("%s\n", empty);
	scols_unref_table(o->t);
	free(o);
}

/* --- sections --- */

static bool
ends_in(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}

static void
dressed(const char *key, json_int_t v, char out[TEXT])
{
	char t[TEXT];
	const char *as = NULL;

	if (ends_in(key, "-octets") || strcmp(key, "store-map") == 0)
		as = text_octets((uint64_t)v, t);
	else if (ends_in(key, "-bps"))
		as = text_bps((uint64_t)v, t);
	else if (ends_in(key, "-seconds"))
		as = text_duration((uint64_t)v, t);
	else if (ends_in(key, "-since") || strcmp(key, "last-active") == 0)
		as = text_moment((uint64_t)v, t);
	if (as)
		snprintf(out, TEXT, "%s", as);
	else if (ends_in(key, "-ms") || ends_in(key, "-milliseconds"))
		snprintf(out, TEXT, "%" JSON_INTEGER_FORMAT " ms", v);
	else
		snprintf(out, TEXT, "%" JSON_INTEGER_FORMAT, v);
}

/* "lost-octets" reads "lost": the unit is in the value. */
static int
key_length(const char *key)
{
	static const char *const units[] = { "-octets", "-bps", "-milliseconds", "-seconds", "-ms", NULL };
	size_t n = strlen(key);

	for (unsigned i = 0; units[i]; i++) {
		if (ends_in(key, units[i]))
			return (int)(n - strlen(units[i]));
	}
	return (int)n;
}

static void
print_key(const char *key, unsigned indent)
{
	printf("%*s%-*.*s", (int)indent, "", 34 - (int)indent, key_length(key), key);
}

static void print_value(const char *key, json_t *v, unsigned indent);

/* A value in a few words; objects and arrays have none.  null is an echo that never came. */
static const char *
in_words(const char *key, json_t *v, char out[CELL])
{
	char t[TEXT];

	if (json_is_integer(v)) {
		dressed(key, json_integer_value(v), t);
		snprintf(out, CELL, "%s", t);
	} else if (json_is_real(v)) {
		snprintf(out, CELL, "%.1f%s", json_real_value(v), ends_in(key, "-ms") ? " ms" : "");
	} else if (json_is_boolean(v)) {
		snprintf(out, CELL, "%s", json_is_true(v) ? "yes" : "no");
	} else if (json_is_string(v)) {
		text_safe(json_string_value(v), out, CELL);
	} else {
		snprintf(out, CELL, "%s", json_is_null(v) ? "lost" : "");
	}
	return out;
}

/* "heard yes  silent 1.6 ms" */
static void
print_flat(json_t *o)
{
	const char *k;
	json_t *v;
	char t[CELL];

	json_object_foreach(o, k, v) {
		if (!json_is_object(v) && !json_is_array(v))
			printf("  %.*s %s", key_length(k), k, in_words(k, v, t));
	}
	putchar('\n');
}

/* Short objects (paths, changes of role) take a line each; longer ones (alarms) a section each. */
static void
print_array(const char *key, json_t *v, unsigned indent)
{
	bool objects = json_is_object(json_array_get(v, 0));
	bool sections = objects && json_object_get(json_array_get(v, 0), "happened");
	char t[CELL];
	size_t i;
	json_t *e;

	if (objects && !sections)
		printf("%*s%s\n", (int)indent, "", key);
	else if (!objects)
		print_key(key, indent);
	json_array_foreach(v, i, e) {
		if (sections) {
			print_value(key, e, indent);
		} else if (objects) {
			printf("%*s", (int)indent, "");
			print_flat(e);
		} else {
			printf("%s%s", i ? ", " : "", in_words(key, e, t));
		}
	}
	if (!objects)
		puts(json_array_size(v) ? "" : "none");
}

static void
print_object(const char *key, json_t *v, unsigned indent)
{
	const char *k;
	json_t *e;

	printf("%*s%s\n", (int)indent, "", key);
	json_object_foreach(v, k, e)
		print_value(k, e, indent + 2);
}

static void
print_value(const char *key, json_t *v, unsigned indent)
{
	char t[CELL];

	if (json_is_object(v)) {
		print_object(key, v, indent);
	} else if (json_is_array(v)) {
		print_array(key, v, indent);
	} else {
		print_key(key, indent);
		puts(in_words(key, v, t));
	}
}

void
out_sections(json_t *o)
{
	const char *k;
	json_t *v;

	if (out_json) {
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		json_object_foreach(o, k, v)
			print_value(k, v, 0);
	}
	json_decref(o);
}

void
out_set_text(json_t *o, const char *key, const char *value)
{
	char safe[CELL];

	if (value && *value)
		json_object_set_new(o, key, json_string(text_safe(value, safe, sizeof safe)));
}

void
out_set_number(json_t *o, const char *key, uint64_t value)
{
	if (value)
		json_object_set_new(o, key, json_integer((json_int_t)value));
}
