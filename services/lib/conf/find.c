// SPDX-License-Identifier: Apache-2.0
/* Questions a process asks of a loaded configuration: which profile, and entries by name. */
#include "conf/conf.h"

#include <string.h>
#include <strings.h>

/* How well a profile's prefix fits: 0 not at all, 1 "any", longer prefixes higher. */
static unsigned
prefix_fit(const struct conf_profile *p, const struct ip_addr *peer)
{
	if (p->peer.addr.family == 0)
		return 1;
	return ip_prefix_has(&p->peer, peer) ? 2u + p->peer.len : 0;
}

/* How well its host name fits: 0 not at all, 1 "any", longer patterns higher, a whole name highest.
 */
static unsigned
host_fit(const struct conf_profile *p, const char *host)
{
	size_t n = strlen(p->host_name);

	if (n == 0)
		return 1;
	if (p->host_name[n - 1] == '*')
		return strncasecmp(p->host_name, host, n - 1) == 0 ? 1u + (unsigned)n : 0;
	return strcasecmp(p->host_name, host) == 0 ? 2u + CONF_NAME : 0;
}

const struct conf_profile *
conf_profile_find(const struct conf *c, const struct ip_addr *peer, const char *host_name)
{
	const struct conf_profile *best = NULL;
	unsigned best_fit = 0;

	for (unsigned i = 0; i < c->profiles; i++) {
		unsigned prefix = prefix_fit(&c->profile[i], peer);
		unsigned host = host_fit(&c->profile[i], host_name ? host_name : "");
		unsigned fit = prefix && host ? prefix << 8 | host : 0;

		if (fit > best_fit) {
			best_fit = fit;
			best = &c->profile[i];
		}
	}
	return best;
}

#define FIND_NAMED(FUNCTION, TYPE, ARRAY, COUNT)                                                   \
	const TYPE *FUNCTION(const struct conf *c, const char *name)                               \
	{                                                                                          \
		for (unsigned i = 0; i < c->COUNT; i++) {                                          \
			if (strcmp(c->ARRAY[i].name, name) == 0)                                   \
				return &c->ARRAY[i];                                               \
		}                                                                                  \
		return NULL;                                                                       \
	}

FIND_NAMED(conf_profile_named, struct conf_profile, profile, profiles)
FIND_NAMED(conf_ppp_named, struct conf_ppp, ppp, ppps)
FIND_NAMED(conf_pool_named, struct conf_pool, pool, pools)
FIND_NAMED(conf_lns_group_named, struct conf_lns_group, lns_group, lns_groups)
