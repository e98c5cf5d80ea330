// SPDX-License-Identifier: Apache-2.0
/* See node.h. */
#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bus/bus.h"
#include "out.h"

static struct store *store;
static struct store_view *view;

const struct conf *
node_conf(struct node *n)
{
	char error[512];

	if (!n->conf)
		n->conf = conf_load(n->config, NULL, error, sizeof error);
	if (!n->conf) {
		fprintf(stderr, "twinctl: %s\n", error);
		if (access(n->config, R_OK) != 0)
			fprintf(stderr, "Name the node's configuration with --config FILE or TWINLNS_CONFIG.\n");
		exit(UNREADABLE);
	}
	return n->conf;
}

const char *
node_run_dir(struct node *n)
{
	return n->run_dir ? n->run_dir : node_conf(n)->node.run_dir;
}

const char *
node_store_dir(struct node *n)
{
	return n->store_dir ? n->store_dir : node_conf(n)->node.store_dir;
}

struct store_view *
node_view(struct node *n)
{
	char error[STORE_ERROR];

	if (!store)
		store = store_open_ro(node_store_dir(n), 0, error, sizeof error);
	if (!store) {
		fprintf(stderr, "twinctl: %s\n", error);
		fprintf(stderr, "The store %s is made by state-sync: is the node up, and may this user read it?\n",
			node_store_dir(n));
		exit(UNREADABLE);
	}
	if (!view)
		view = store_view_begin(store);
	if (!view) {
		fprintf(stderr, "twinctl: %s\n", store_error(store));
		exit(UNREADABLE);
	}
	return view;
}

void
node_close(struct node *n)
{
	store_view_end(view);
	store_close(store);
	view = NULL;
	store = NULL;
	conf_free(n->conf);
	n->conf = NULL;
}

static void
print_answer(bool ok, const char *text, const char *json)
{
	if (out_json && json && *json) {
		puts(json);
		return;
	}
	if (out_json) {
		json_t *o = json_object();
		json_object_set_new(o, "ok", json_boolean(ok));
		out_set_text(o, "text", text);
		out_sections(o);
		return;
	}
	if (text && *text)
		fprintf(ok ? stdout : stderr, "%s\n", text);
}

int
node_ask(struct node *n, const char *process, const char *const *words, unsigned count)
{
	char *text = NULL, *json = NULL;
	bool ok = false;
	int code = REFUSED;

	if (!bus_req_once(node_run_dir(n), process, words, count, n->timeout_ms, &ok, &text, &json)) {
		fprintf(stderr, "twinctl: %s\n", text ? text : process);
		code = UNREACHABLE;
	} else {
		print_answer(ok, text, json);
		code = ok ? DONE : REFUSED;
	}
	free(text);
	free(json);
	return code;
}

json_t *
node_ask_json(struct node *n, const char *process, const char *const *words, unsigned count)
{
	char *text = NULL, *json = NULL;
	bool ok = false;
	json_t *o = NULL;

	/* A core that knows no JSON library writes its numbers into the text. */
	if (bus_req_once(node_run_dir(n), process, words, count, n->timeout_ms, &ok, &text, &json) && ok)
		o = json_loads(json && *json ? json : text ? text : "", 0, NULL);
	free(text);
	free(json);
	return o;
}
