// SPDX-License-Identifier: Apache-2.0
/*
 * config check [FILE]   reads and validates as a process would
 * config get NAME...    single values, one a line, for scripts (deploy/twinlns-up)
 * config schema         the YANG module itself
 * config profile        which profile a peer of this address and Host Name gets
 * config reload         every process of the node reads the file again; each says what became of it
 *
 * and `log [LEVEL] [PROCESS]`, which goes the same way to the same processes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus.h"
#include "out.h"
#include "show.h"
#include "text.h"

extern const char conf_yang_text[];

static int
check(struct node *n, const char *const *words, unsigned count)
{
	const struct conf *c;

	if (count > 1)
		return usage_error("config check [FILE]: one word too many: '%s'", words[1]);
	if (count == 1)
		n->config = words[0];
	c = node_conf(n);
	printf("%s: valid: node %s, %s, %u worker%s, %u profile%s, %u pool%s\n", n->config, c->node.name,
	       c->pair.enabled ? "one of a pair" : "alone", c->data.workers, c->data.workers == 1 ? "" : "s",
	       c->profiles, c->profiles == 1 ? "" : "s", c->pools, c->pools == 1 ? "" : "s");
	return DONE;
}

static bool
print_one(const struct conf *c, const char *name)
{
	if (strcmp(name, "name") == 0)
		puts(c->node.name);
	else if (strcmp(name, "run-dir") == 0)
		puts(c->node.run_dir);
	else if (strcmp(name, "store-dir") == 0)
		puts(c->node.store_dir);
	else if (strcmp(name, "workers") == 0)
		printf("%u\n", c->data.workers);
	else if (strcmp(name, "tun") == 0)
		puts(c->data.tun);
	else if (strcmp(name, "pair") == 0)
		puts(c->pair.enabled ? "yes" : "no");
	else if (strcmp(name, "secret-file") == 0)
		puts(c->pair.secret_file);
	else if (strcmp(name, "users-file") == 0)
		puts(c->aaa.users_file);
	else
		return false;
	return true;
}

static int
get(struct node *n, const char *const *words, unsigned count)
{
	const struct conf *c = node_conf(n);

	if (count == 0)
		return usage_error("config get NAME...: names are name, run-dir, store-dir, workers, tun, pair, secret-file, users-file");
	for (unsigned i = 0; i < count; i++) {
		if (!print_one(c, words[i]))
			return usage_error("config get: no such name: '%s'", words[i]);
	}
	return DONE;
}

/* ---- profile ---- */

static const struct out_col profile_cols[] = {
	{ "PROFILE", OUT_TEXT, false }, { "PEER", OUT_TEXT, false },   { "HOST NAME", OUT_TEXT, false },
	{ "ROLES", OUT_TEXT, false },	{ "SECRET", OUT_BOOL, false }, { "AUTH", OUT_BOOL, false },
	{ "HIDES", OUT_BOOL, false },	{ "PPP", OUT_TEXT, false },
};

static const char *
roles_text(unsigned roles, char out[TEXT])
{
	snprintf(out, TEXT, "%s%s%s", roles & ROLE_LNS ? "lns " : "", roles & ROLE_LAC ? "lac " : "",
		 roles & ROLE_CLIENT ? "client " : "");
	if (*out)
		out[strlen(out) - 1] = 0;
	return out;
}

static int
profile(struct node *n, const char *const *words, unsigned count)
{
	const struct conf_profile *p;
	struct ip_addr peer;
	struct out_table *o;
	char t[TEXT];

	if (count < 1 || count > 2 || !ip_addr_parse(words[0], &peer))
		return usage_error("config profile ADDRESS [HOST-NAME]: the peer's address, and the Host Name that it says");
	p = conf_profile_find(node_conf(n), &peer, count == 2 ? words[1] : "");
	if (!p) {
		fprintf(stderr, "twinctl: no profile fits: its tunnel would be refused (StopCCN 4)\n");
		return REFUSED;
	}
	o = out_table_new("profile", profile_cols, sizeof profile_cols / sizeof profile_cols[0]);
	out_row(o);
	out_text(o, p->name);
	out_text(o, p->peer.addr.family ? ip_prefix_text(&p->peer, t) : "any");
	out_text(o, *p->host_name ? p->host_name : "any");
	out_text(o, roles_text(p->roles, t));
	out_bool(o, p->secret[0] != 0);
	out_bool(o, p->require_auth);
	out_bool(o, p->hide);
	out_text(o, p->ppp);
	out_table_end(o, "");
	return DONE;
}

/* ---- every process ---- */

static const struct out_col said_cols[] = {
	{ "PROCESS", OUT_TEXT, false }, { "OK", OUT_BOOL, false }, { "ANSWER", OUT_TEXT, false },
};

struct asking {
	struct node *n;
	struct out_table *out;
	const char *const *words;
	unsigned count;
	int worst;
};

static void
ask(struct asking *k, const char *process)
{
	char *text = NULL, *json = NULL;
	bool ok = false, there = bus_req_once(node_run_dir(k->n), process, k->words, k->count, k->n->timeout_ms, &ok, &text, &json);
	int code = !there ? UNREACHABLE : ok ? DONE : REFUSED;

	out_row(k->out);
	out_text(k->out, process);
	out_bool(k->out, there && ok);
	out_text(k->out, text ? text : "");
	k->worst = code > k->worst ? code : k->worst;
	free(text);
	free(json);
}

static int
ask_all(struct node *n, const char *process, const char *const *words, unsigned count)
{
	static const char *const processes[] = { "elector", "state-sync", "tunnel-ctl", "session-mgr" };
	struct asking k = { .n = n, .words = words, .count = count, .worst = DONE };
	const unsigned workers = node_conf(n)->data.workers;
	char worker[TEXT];

	k.out = out_table_new("answers", said_cols, sizeof said_cols / sizeof said_cols[0]);
	for (unsigned i = 0; i < 4; i++)
		if (!process || strcmp(process, processes[i]) == 0)
			ask(&k, processes[i]);
	for (unsigned i = 0; i < workers; i++) {
		snprintf(worker, sizeof worker, "worker.%u", i);
		if (!process || strcmp(process, worker) == 0)
			ask(&k, worker);
	}
	out_table_end(k.out, "no such process");
	return k.worst;
}

static int
reload(struct node *n, const char *const *words, unsigned count)
{
	const char *const ask_for[] = { "reload" };

	if (count)
		return usage_error("config reload takes no further word: '%s'", words[0]);
	node_conf(n); /* a wrong file ends here, and no process is asked to read it */
	return ask_all(n, NULL, ask_for, 1);
}

static bool
is_process(struct node *n, const char *word)
{
	static const char *const processes[] = { "elector", "state-sync", "tunnel-ctl", "session-mgr" };
	unsigned long w;

	for (unsigned i = 0; i < 4; i++)
		if (strcmp(word, processes[i]) == 0)
			return true;
	return strncmp(word, "worker.", 7) == 0 && text_number(word + 7, 63, &w) && w < node_conf(n)->data.workers;
}

static bool
is_level(const char *word)
{
	return strcmp(word, "debug") == 0 || strcmp(word, "info") == 0 || strcmp(word, "warning") == 0 || strcmp(word, "error") == 0;
}

int
log_command(struct node *n, const char *const *words, unsigned count)
{
	const char *ask_for[] = { "log", count ? words[0] : NULL };

	if (count == 1 && is_process(n, words[0]))
		return ask_all(n, words[0], ask_for, 1);
	if (count > 2 || (count && !is_level(words[0])) || (count == 2 && !is_process(n, words[1])))
		return usage_error("log [debug|info|warning|error] [elector|state-sync|tunnel-ctl|session-mgr|worker.N]");
	return ask_all(n, count == 2 ? words[1] : NULL, ask_for, count ? 2 : 1);
}

int
config_command(struct node *n, const char *const *words, unsigned count)
{
	if (count && strcmp(words[0], "check") == 0)
		return check(n, words + 1, count - 1);
	if (count && strcmp(words[0], "get") == 0)
		return get(n, words + 1, count - 1);
	if (count == 1 && strcmp(words[0], "schema") == 0) {
		fputs(conf_yang_text, stdout);
		return DONE;
	}
	if (count && strcmp(words[0], "profile") == 0)
		return profile(n, words + 1, count - 1);
	if (count && strcmp(words[0], "reload") == 0)
		return reload(n, words + 1, count - 1);
	return usage_error("config wants check [FILE], get NAME..., schema, profile ADDRESS [HOST-NAME], or reload");
}
