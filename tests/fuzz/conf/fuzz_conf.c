// SPDX-License-Identifier: Apache-2.0
/*
 * Configuration texts.  Checked beyond "no crash": what is accepted keeps its counts inside its
 * arrays and its texts ended; what is refused has an error.  The size is bounded, since libyang's
 * own JSON reader is not what is tested here.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

#define TEXTS 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
demand(int truth)
{
	if (!truth)
		abort();
}

static void
check_counts(const struct conf *c)
{
	demand(c->claims <= CONF_CLAIMS && c->profiles <= CONF_PROFILES &&
	       c->lns_groups <= CONF_LNS_GROUPS);
	demand(c->dials <= CONF_DIALS && c->ppps <= CONF_PPPS && c->pools <= CONF_POOLS);
	demand(c->data.listens >= 1 && c->data.listens <= 2 && c->data.workers >= 1);
	demand(c->aaa.servers <= CONF_SERVERS && c->pair.paths <= CONF_PATHS);
	for (unsigned i = 0; i < c->pools; i++)
		demand(c->pool[i].ranges >= 1 && c->pool[i].ranges <= CONF_RANGES);
	for (unsigned i = 0; i < c->profiles; i++)
		demand(memchr(c->profile[i].secret, 0, CONF_TEXT) &&
		       memchr(c->profile[i].host_name, 0, CONF_NAME));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char error[256] = "";
	struct ip_addr peer = { .family = 4, .b = { 10, 1, 2, 3 } };
	struct conf *c;

	if (len > TEXTS)
		return 0;
	c = conf_parse((const char *)data, len, "fuzz", NULL, error, sizeof error);
	demand(c != NULL || error[0]);
	if (c) {
		check_counts(c);
		conf_profile_find(c, &peer, "lac-1");
	}
	conf_free(c);
	return 0;
}
