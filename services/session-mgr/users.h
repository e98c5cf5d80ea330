// SPDX-License-Identifier: Apache-2.0
/*
 * The users file: AAA without a server (docs/operations/users-file.md has its format).
 *
 *	# user       password    attributes
 *	alice        "wonder land"  Framed-IP-Address = 10.0.0.5, Session-Timeout = 3600
 *	bob          builder
 *		Framed-Pool = residential
 *	*            -           reject
 *
 * An entry is kept as its reply attributes in RADIUS form, so that a user of the file gets exactly what
 * the same attributes would give in an Access-Accept.
 */
#ifndef SM_USERS_H
#define SM_USERS_H

#include "aaa.h"

struct users;

/* Parses a whole file.  NULL: `error` says "line 7: ..." and what was expected. */
struct users *users_parse(struct span text, char *error, size_t error_len);
/* Reads and parses; a missing file is an error too. */
struct users *users_load(const char *path, char *error, size_t error_len);
void users_free(struct users *);
unsigned users_count(const struct users *);

/* Decides.  A user that is not in the file is rejected; `*known` says whether there was an entry. */
void users_ask(const struct users *, const struct aaa_request *, struct aaa_answer *, bool *known);

#endif
