// SPDX-License-Identifier: Apache-2.0
/*
 * What a running process cannot take up from a configuration that was read again: folders, sockets, and the
 * sizes of what it mapped.  Each row names the leaf, so that the log line after a reload says it.
 */
#include "conf/conf.h"

#include <stdio.h>
#include <string.h>

enum kind { TEXT, NUMBER, ENDPOINT };

#define ROW(PART, NAME, KIND, MEMBER) { PART, NAME, KIND, offsetof(struct conf, MEMBER), sizeof ((struct conf *)0)->MEMBER }

static const struct row {
	unsigned part;
	const char *name;
	enum kind kind;
	size_t at, size;
} rows[] = {
	ROW(CONF_PART_NODE, "node/name", TEXT, node.name),
	ROW(CONF_PART_NODE, "node/run-dir", TEXT, node.run_dir),
	ROW(CONF_PART_NODE, "node/store-dir", TEXT, node.store_dir),
	ROW(CONF_PART_STORE, "node/store-octets", NUMBER, node.store_octets),
	ROW(CONF_PART_PAIR, "pair/enabled", NUMBER, pair.enabled),
	ROW(CONF_PART_PAIR, "pair/mirror-listen", ENDPOINT, pair.mirror_listen),
	ROW(CONF_PART_PAIR, "pair/mirror-twin", ENDPOINT, pair.mirror_twin),
	ROW(CONF_PART_PAIR, "pair/secret-file", TEXT, pair.secret_file),
	ROW(CONF_PART_SOCKETS, "data-plane/workers", NUMBER, data.workers),
	ROW(CONF_PART_SOCKETS, "data-plane/listen", NUMBER, data.listens),
	ROW(CONF_PART_SOCKETS, "data-plane/listen", ENDPOINT, data.listen[0]),
	ROW(CONF_PART_SOCKETS, "data-plane/listen", ENDPOINT, data.listen[1]),
	ROW(CONF_PART_SOCKETS, "data-plane/ip-protocol", NUMBER, data.ip_protocols),
	ROW(CONF_PART_SOCKETS, "data-plane/ip-protocol", NUMBER, data.ip_protocol),
	ROW(CONF_PART_SOCKETS, "data-plane/tun", TEXT, data.tun),
	ROW(CONF_PART_SOCKETS, "data-plane/tun-mtu", NUMBER, data.tun_mtu),
	ROW(CONF_PART_SOCKETS, "data-plane/receive-buffer", NUMBER, data.receive_octets),
	ROW(CONF_PART_SOCKETS, "data-plane/outer-df", NUMBER, data.outer_df),
};

static bool
same(const struct row *r, const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;

	switch (r->kind) {
	case TEXT:
		return strncmp(a, b, r->size) == 0;
	case ENDPOINT:
		return x->port == y->port && ip_addr_eq(&x->addr, &y->addr);
	default:
		return memcmp(a, b, r->size) == 0;
	}
}

bool
conf_needs_restart(const struct conf *was, const struct conf *now, unsigned parts, char *names, size_t len)
{
	const char *last = "";
	size_t used = 0;

	names[0] = 0;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		if (!(r->part & parts) || strcmp(r->name, last) == 0 ||
		    same(r, (const char *)was + r->at, (const char *)now + r->at))
			continue;
		last = r->name;
		int n = snprintf(names + used, len - used, "%s%s", used ? "," : "", r->name);
		if (n > 0)
			used += (size_t)n < len - used ? (size_t)n : len - used - 1;
	}
	return used > 0;
}
