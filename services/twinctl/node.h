// SPDX-License-Identifier: Apache-2.0
/* The node that a command is about: where its run folder and store are, its configuration if there is one. */
#ifndef TWINCTL_NODE_H
#define TWINCTL_NODE_H

#include <jansson.h>
#include <stdbool.h>

#include "conf/conf.h"
#include "store/store.h"

/* Exit codes; docs/processes/twinctl.md. */
enum { DONE = 0, REFUSED = 1, USAGE = 2, UNREACHABLE = 3, UNREADABLE = 4 };

struct node {
	const char *config; /* file */
	const char *run_dir, *store_dir; /* NULL: from the configuration */
	struct conf *conf;
	unsigned timeout_ms;
};

/* Loads the configuration; says what is wrong and exits with UNREADABLE. */
const struct conf *node_conf(struct node *);
const char *node_run_dir(struct node *);
const char *node_store_dir(struct node *);
/* A view of the store as it is now; says why not and exits. */
struct store_view *node_view(struct node *);
void node_close(struct node *);

/*
 * A request to a process.  An exit code; the answer's text is printed (stderr if it is a refusal), its JSON
 * instead of it with --json.
 */
int node_ask(struct node *, const char *process, const char *const *words, unsigned n);
/* The same without printing: the answer's JSON (to be freed with json_decref), NULL if there is none. */
json_t *node_ask_json(struct node *, const char *process, const char *const *words, unsigned n);

#endif
