// SPDX-License-Identifier: Apache-2.0
/*
 * The way of a configuration: file -> text -> libyang (schema, defaults, constraints) -> struct
 * conf -> the checks YANG cannot express.  The first fault found ends it and is told with its
 * place.  Called at start and at SIGHUP; not for the packet path.
 */
#include "conf/conf.h"

#include <errno.h>
#include <libyang/libyang.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/rules.h"
#include "conf/defaults.h"
#include "conf/fields.h"

#define MODULE "twinlns"
#define FILE_OCTETS (1u << 20) /* a full configuration has about 100 KiB */

extern const char conf_yang_text[]; /* made from schemas/twinlns.yang at build time */

struct loading {
	const char *name;
	struct ly_ctx *ctx;
	struct lyd_node *tree;
	char *error;
	size_t error_len;
};

static bool
fault(struct loading *l, const char *what)
{
	snprintf(l->error, l->error_len, "%s: %s", l->name, what);
	return false;
}

/* What libyang found, with its place: "FILE: Data location "/twinlns:twinlns/...": what." */
static bool
yang_fault(struct loading *l, const char *otherwise)
{
	const char *msg = l->ctx ? ly_errmsg(l->ctx) : NULL,
		   *path = l->ctx ? ly_errpath(l->ctx) : NULL;

	if (!msg || !*msg)
		return fault(l, otherwise);
	if (path && *path)
		snprintf(l->error, l->error_len, "%s: %s: %s", l->name, path, msg);
	else
		snprintf(l->error, l->error_len, "%s: %s", l->name, msg);
	return false;
}

static bool
load_schema(struct loading *l, const char *schema_dir)
{
	/* Errors are asked for, not printed; the option is libyang's global one and always the
	 * same. */
	ly_log_options(LY_LOSTORE_LAST);
	if (ly_ctx_new(schema_dir, LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIR_CWD, &l->ctx))
		return fault(l, "cannot read the schema folder");
	if (schema_dir)
		return ly_ctx_load_module(l->ctx, MODULE, NULL, NULL) ||
		       yang_fault(l, "cannot load twinlns.yang from the schema folder");
	return lys_parse_mem(l->ctx, conf_yang_text, LYS_IN_YANG, NULL) == LY_SUCCESS ||
	       yang_fault(l, "cannot load the schema");
}

static const struct lyd_node *
top_of(const struct loading *l)
{
	const struct lyd_node *n = l->tree;

	while (n && (!n->schema || strcmp(LYD_NAME(n), MODULE) != 0))
		n = n->next;
	return n;
}

static bool
parse(struct loading *l, const char *json)
{
	if (lyd_parse_data_mem(l->ctx, json, LYD_JSON, LYD_PARSE_STRICT | LYD_PARSE_ONLY, 0,
			       &l->tree))
		return yang_fault(l, "not a configuration");
	if (!top_of(l)) /* an empty file is a lost one, not one that wants the defaults */
		return fault(l, "no \"twinlns:twinlns\" in it");
	if (lyd_validate_all(&l->tree, l->ctx, LYD_VALIDATE_NO_STATE, NULL))
		return yang_fault(l, "not a valid configuration");
	return true;
}

static bool
take(struct loading *l, struct conf *c)
{
	char what[512];

	if (!conf_fill(top_of(l), conf_fields, c, what, sizeof what))
		return fault(l, what);
	for (unsigned i = 0; i < c->pools; i++) { /* prefix-length has no place in an IPv4 pool */
		if (c->pool[i].family == 4)
			c->pool[i].delegate_len = 32;
	}
	if (c->data.listens == 0)
		conf_default_listen(&c->data);
	return conf_check(c, what, sizeof what) || fault(l, what);
}

struct conf *
conf_parse(const char *json, size_t len, const char *name, const char *schema_dir, char *error,
	   size_t error_len)
{
	struct loading l = { .name = name, .error = error, .error_len = error_len };
	struct conf *c = calloc(1, sizeof *c);
	char *text = len < FILE_OCTETS ? malloc(len + 1) : NULL;
	bool good = false;

	if (!c || !text) {
		fault(&l, len < FILE_OCTETS ? "out of memory" : "larger than 1 MiB");
	} else if (memchr(json, 0, len)) {
		fault(&l, "a NUL octet in it: not a text");
	} else {
		memcpy(text, json, len);
		text[len] = 0;
		good = load_schema(&l, schema_dir) && parse(&l, text) && take(&l, c);
	}
	lyd_free_all(l.tree);
	ly_ctx_destroy(l.ctx);
	free(text);
	if (!good) {
		free(c);
		return NULL;
	}
	return c;
}

struct conf *
conf_load(const char *file, const char *schema_dir, char *error, size_t error_len)
{
	struct loading l = { .name = file, .error = error, .error_len = error_len };
	FILE *f = fopen(file, "re");
	struct conf *c = NULL;
	char *text;

	if (!f) {
		fault(&l, strerror(errno));
		return NULL;
	}
	text = malloc(FILE_OCTETS);
	if (!text) {
		fault(&l, "out of memory");
	} else {
		size_t n = fread(text, 1, FILE_OCTETS, f);
		if (ferror(f))
			fault(&l, strerror(errno));
		else
			c = conf_parse(text, n, file, schema_dir, error, error_len);
	}
	free(text);
	fclose(f);
	return c;
}

void
conf_free(struct conf *c)
{
	free(c);
}
