// SPDX-License-Identifier: Apache-2.0
/*
 * What a command prints: a table (one row an object) or sections of name and value, for people or, with
 * --json, for programs.  Every cell is given once; what differs is only its dress.
 */
#ifndef TWINCTL_OUT_H
#define TWINCTL_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

extern bool out_json; /* --json */

enum out_kind { OUT_TEXT, OUT_NUMBER, OUT_BOOL };

struct out_col {
	const char *title; /* for people; in JSON in lower case with '-' for ' ' */
	enum out_kind kind;
	bool last; /* may be cut where the terminal is narrow */
};

struct out_table;

/* cols[0..n) must stay until out_table_end. */
struct out_table *out_table_new(const char *name, const struct out_col *cols, unsigned n);
void out_row(struct out_table *);			      /* cells of the next row follow, in order */
void out_text(struct out_table *, const char *value);	      /* copied; made safe for a terminal */
void out_number(struct out_table *, uint64_t value, const char *as); /* `as` for people; NULL: the digits */
void out_bool(struct out_table *, bool value);
/* Prints and frees.  `empty`: what is said instead of a table without rows. */
void out_table_end(struct out_table *, const char *empty);

/*
 * Sections: an object of objects (or arrays of objects).  For people, each key in turn with its members
 * below; a member whose name ends in "-octets", "-bps", "-s" is dressed by it.  Takes the object.
 */
void out_sections(json_t *object);

/* NULL-safe helpers for building one: "" and 0 are left out. */
void out_set_text(json_t *o, const char *key, const char *value);
void out_set_number(json_t *o, const char *key, uint64_t value);

#endif
