// SPDX-License-Identifier: Apache-2.0
/*
 * config check [FILE]   reads and validates as a process would
 * config get NAME...    single values, one a line, for scripts (deploy/twinlns-up)
 * config schema         the YANG module itself
 */
#include <stdio.h>
#include <string.h>

#include "show.h"

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
	return usage_error("config wants check [FILE], get NAME... or schema");
}
