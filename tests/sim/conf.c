// SPDX-License-Identifier: Apache-2.0
/* The pair's configuration, as this seed's plan wants it: what a file would say, in C. */
#include "sim.h"

struct endpoint
v4_endpoint(uint32_t addr, uint16_t port)
{
	struct endpoint e = { .addr.family = 4, .port = port };

	put_u32(e.addr.b, addr);
	return e;
}

static void
profile(const struct plan *plan, struct conf_profile *p)
{
	conf_profile_defaults(p);
	snprintf(p->name, sizeof p->name, "lacs");
	p->require_auth = plan->require_auth;
	if (plan->require_auth || plan->hide)
		snprintf(p->secret, sizeof p->secret, SECRET);
	p->hide = plan->hide;
	p->window = (uint16_t)plan->window;
	p->hello_ms = plan->hello_ms;
	p->rtx_initial_ms = plan->rtx_ms;
	p->rtx_cap_ms = 8 * plan->rtx_ms;
	p->rtx_tries = 8;
	p->setup_ms = 20000;
	p->sequencing = plan->seq;
	p->failover = plan->failover;
	p->recovery_ms = plan->recovery_ms;
	p->stale = plan->stale_clear ? STALE_CLEAR : STALE_KEEP;
	p->proxy = plan->renegotiate ? PROXY_RENEGOTIATE : PROXY_USE;
	snprintf(p->ppp, sizeof p->ppp, "subscribers");
}

static void
ppp(const struct plan *plan, struct conf_ppp *p)
{
	conf_ppp_defaults(p);
	snprintf(p->name, sizeof p->name, "subscribers");
	p->auths = plan->auth == AUTH_NONE ? 0 : 1;
	p->auth[0] = (enum conf_auth)plan->auth;
	p->echo_ms = plan->echo_ms ? plan->echo_ms : 5000;
	p->echo_failures = plan->echo_ms ? 20 : 12; /* a call that only the pair still knows ends as well (partition schedule 380) */
	p->restart_ms = 1000;
	p->max_configure = 30;
	p->local4 = v4_endpoint(SERVICE_ADDR, 0).addr;
	p->ipv4 = true;
	p->ipv6 = plan->ipv6;
	snprintf(p->pool, sizeof p->pool, "pool");
	if (plan->ipv6)
		snprintf(p->pool6, sizeof p->pool6, "pool6");
}

static void
pools(const struct plan *plan, struct conf *c)
{
	struct conf_pool *p = &c->pool[c->pools++];

	conf_pool_defaults(p);
	snprintf(p->name, sizeof p->name, "pool");
	p->ranges = 1;
	p->range[0].first = v4_endpoint(0x0a000001, 0).addr;
	p->range[0].last = v4_endpoint(0x0a00003f, 0).addr;
	if (!plan->ipv6)
		return;
	p = &c->pool[c->pools++];
	conf_pool_defaults(p);
	snprintf(p->name, sizeof p->name, "pool6");
	p->family = 6;
	p->delegate_len = 64;
	p->ranges = 1;
	ip_addr_parse("2001:db8:1::", &p->range[0].first);
	ip_addr_parse("2001:db8:1:ff::", &p->range[0].last);
}

static void
pair(const struct plan *plan, unsigned id, struct conf_pair *p)
{
	p->enabled = true;
	p->policy = plan->policy;
	p->preferred = plan->preferred_a ? id == 0 : false;
	p->heartbeat_ms = plan->heartbeat_ms;
	p->lease_ms = 4 * plan->heartbeat_ms;
	p->dead_ms = 6 * plan->heartbeat_ms;
	p->degrade_ms = 20 * plan->heartbeat_ms;
	p->start_wait_ms = 50 * plan->heartbeat_ms;
	p->mirror_listen = v4_endpoint(0x0a090001 + id, 4170);
	p->mirror_twin = v4_endpoint(0x0a090002 - id, 4170);
	p->paths = 2;
}

void
node_conf(struct node *n)
{
	const struct plan *plan = &n->w->plan;
	struct conf *c = &n->conf;

	conf_defaults(c);
	snprintf(c->node.name, sizeof c->node.name, "%s", n->name);
	pair(plan, n->id, &c->pair);
	c->profiles = 1;
	profile(plan, &c->profile[0]);
	c->ppps = 1;
	ppp(plan, &c->ppp[0]);
	pools(plan, c);
	c->data.workers = WORKERS;
	c->data.listens = 1;
	c->data.listen[0] = v4_endpoint(SERVICE_ADDR, L2TP_PORT);
	c->data.punt_session_pps = 10000;
	c->aaa.mode = AAA_RADIUS;
	c->aaa.acct = true;
	c->aaa.servers = 1;
	conf_radius_server_defaults(&c->aaa.server[0]);
	c->aaa.server[0].addr = v4_endpoint(0x0a080001, 0).addr;
	c->aaa.interim_s = 60; /* RFC 2869, 2.1; see plan.day */
	far_conf(plan, c);
	c->max_tunnels = 64;
	c->max_sessions = 256;
}
