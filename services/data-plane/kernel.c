// SPDX-License-Identifier: Apache-2.0
/* Routes and addresses by rtnetlink.  See kernel.h. */
#include "kernel.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define EVERY (100 * MONO_MS)
#define ENTRIES_MAX 200000u
#define RANGE_PREFIXES 256

/*
 * Steering, by policy routing: UDP that a rule names is looked up in a table of our own, which has one route, to the
 * TUN.  What comes from the TUN is not: the rule before them sends it on to the main table.
 */
enum kind { ROUTE, OWN, STEER_BACK, STEER_RULE, STEER_ROUTE };

struct entry {
	struct ip_prefix prefix;
	uint8_t kind;
	uint16_t first, last; /* STEER_RULE: ports */
};

struct set {
	struct entry *e;
	unsigned n, cap;
};

struct kernel {
	struct mnl_socket *nl;
	unsigned seq, port;
	int link;
	char tun[16];
	struct set pools, have;
	uint64_t version;
	mono_t next;
	struct log_limit limit;
};

/* ---- sets -------------------------------------------------------------------------------- */

static void
set_add(struct set *s, const struct ip_prefix *p, enum kind kind, uint16_t first, uint16_t last)
{
	if (s->n == s->cap) {
		unsigned cap = s->cap ? 2 * s->cap : 64;
		struct entry *e = cap > ENTRIES_MAX ? NULL : realloc(s->e, cap * sizeof *e);
		if (!e)
			return;
		s->e = e;
		s->cap = cap;
	}
	memset(&s->e[s->n], 0, sizeof s->e[0]);
	s->e[s->n].prefix.addr.family = p->addr.family;
	memcpy(s->e[s->n].prefix.addr.b, p->addr.b, 16);
	s->e[s->n].prefix.len = p->len;
	s->e[s->n].kind = (uint8_t)kind;
	s->e[s->n].first = first;
	s->e[s->n++].last = last;
}

static int
by_octets(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct entry));
}

static void
set_sort(struct set *s)
{
	unsigned n = 0;

	if (s->n == 0)
		return;
	qsort(s->e, s->n, sizeof s->e[0], by_octets);
	for (unsigned i = 0; i < s->n; i++) {
		if (n == 0 || by_octets(&s->e[n - 1], &s->e[i]) != 0)
			s->e[n++] = s->e[i];
	}
	s->n = n;
}

/* ---- netlink ----------------------------------------------------------------------------- */

/* Sends and waits for the kernel's word; 0 or -errno. */
static int
request(struct kernel *k, struct nlmsghdr *h)
{
	char buf[8192];
	ssize_t n;

	h->nlmsg_seq = ++k->seq;
	h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_sendto(k->nl, h, h->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(k->nl, buf, sizeof buf);
	if (n < 0)
		return -errno;
	return mnl_cb_run(buf, (size_t)n, k->seq, k->port, NULL, NULL) < 0 ? -errno : 0;
}

/*
 * What we say to the core about a subscriber's packets (time exceeded, packet-too-big) comes from our end
 * of the link, which as a rule is an address of this very node.  The kernel takes such a source, coming
 * in, for a forgery unless accept_local says otherwise.  By netlink: /proc/sys may be read-only.
 */
static void
accept_own_sources(struct nlmsghdr *h)
{
	struct nlattr *families = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	struct nlattr *inet = mnl_attr_nest_start(h, AF_INET);
	struct nlattr *conf = mnl_attr_nest_start(h, IFLA_INET_CONF);

	mnl_attr_put_u32(h, IPV4_DEVCONF_ACCEPT_LOCAL, 1);
	mnl_attr_nest_end(h, conf);
	mnl_attr_nest_end(h, inet);
	mnl_attr_nest_end(h, families);
}

static int
link_up(struct kernel *k, unsigned mtu)
{
	char buf[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *i;

	h->nlmsg_type = RTM_NEWLINK;
	i = mnl_nlmsg_put_extra_header(h, sizeof *i);
	i->ifi_index = k->link;
	i->ifi_flags = i->ifi_change = IFF_UP;
	if (mtu)
		mnl_attr_put_u32(h, IFLA_MTU, mtu);
	mnl_attr_put_u32(h, IFLA_TXQLEN, 4096);
	accept_own_sources(h);
	return request(k, h);
}

static int
route_change(struct kernel *k, const struct ip_prefix *p, unsigned table, bool add)
{
	char buf[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *r;

	h->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	h->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	r = mnl_nlmsg_put_extra_header(h, sizeof *r);
	r->rtm_family = p->addr.family == 4 ? AF_INET : AF_INET6;
	r->rtm_dst_len = p->len;
	r->rtm_table = (uint8_t)table;
	r->rtm_protocol = ROUTE_PROTOCOL;
	r->rtm_scope = p->addr.family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	r->rtm_type = RTN_UNICAST;
	if (!add && p->addr.family == 4)
		r->rtm_scope = RT_SCOPE_NOWHERE;
	if (p->len)
		mnl_attr_put(h, RTA_DST, ip_addr_len(&p->addr), p->addr.b);
	mnl_attr_put_u32(h, RTA_OIF, (uint32_t)k->link);
	return request(k, h);
}

static int
address_change(struct kernel *k, const struct ip_prefix *p, bool add)
{
	char buf[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *a;

	h->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
	h->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	a = mnl_nlmsg_put_extra_header(h, sizeof *a);
	a->ifa_family = p->addr.family == 4 ? AF_INET : AF_INET6;
	a->ifa_prefixlen = p->len;
	a->ifa_flags = p->addr.family == 6 ? IFA_F_NODAD : 0;
	a->ifa_index = (unsigned)k->link;
	mnl_attr_put(h, IFA_LOCAL, ip_addr_len(&p->addr), p->addr.b);
	mnl_attr_put(h, IFA_ADDRESS, ip_addr_len(&p->addr), p->addr.b);
	return request(k, h);
}

static int
rule_change(struct kernel *k, const struct entry *e, bool add)
{
	const struct fib_rule_port_range ports = { e->first, e->last };
	const struct ip_prefix *p = &e->prefix;
	char buf[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *r;

	h->nlmsg_type = add ? RTM_NEWRULE : RTM_DELRULE;
	h->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_EXCL : 0;
	r = mnl_nlmsg_put_extra_header(h, sizeof *r);
	r->family = p->addr.family == 4 ? AF_INET : AF_INET6;
	r->action = FR_ACT_TO_TBL;
	r->table = e->kind == STEER_BACK ? RT_TABLE_MAIN : STEER_TABLE;
	mnl_attr_put_u32(h, FRA_PRIORITY, e->kind == STEER_BACK ? STEER_PRIORITY : STEER_PRIORITY + 1);
	mnl_attr_put_u8(h, FRA_PROTOCOL, ROUTE_PROTOCOL);
	if (e->kind == STEER_BACK) {
		mnl_attr_put_strz(h, FRA_IIFNAME, k->tun);
		return request(k, h);
	}
	r->dst_len = p->len;
	if (p->len)
		mnl_attr_put(h, FRA_DST, ip_addr_len(&p->addr), p->addr.b);
	mnl_attr_put_u8(h, FRA_IP_PROTO, IPPROTO_UDP);
	mnl_attr_put(h, FRA_DPORT_RANGE, sizeof ports, &ports);
	return request(k, h);
}

static int
entry_change(struct kernel *k, const struct entry *e, bool add)
{
	switch (e->kind) {
	case ROUTE:
		return route_change(k, &e->prefix, RT_TABLE_MAIN, add);
	case STEER_ROUTE:
		return route_change(k, &e->prefix, STEER_TABLE, add);
	case OWN:
		return address_change(k, &e->prefix, add);
	default:
		return rule_change(k, e, add);
	}
}

static void
change(struct kernel *k, const struct entry *e, bool add)
{
	static const char *const name[] = { "a route", "an address", "the rule of what comes from the TUN", "a rule of steering",
					    "the route of steering" };
	char text[ADDR_TEXT];
	int r = entry_change(k, e, add);

	if (r < 0 && !(r == -EEXIST && add) && !((r == -ESRCH || r == -EADDRNOTAVAIL || r == -ENOENT) && !add)) {
		struct timespec t;
		clock_gettime(CLOCK_BOOTTIME, &t);
		log_limited(&k->limit, t.tv_sec * MONO_S + t.tv_nsec, NOTE_WARN,
			    "kernel refused %s %s prefix=%s error=%s", add ? "to add" : "to remove",
			    name[e->kind], ip_prefix_text(&e->prefix, text),
			    strerror(-r));
	}
}

/* ---- what a predecessor left ------------------------------------------------------------- */

static int
on_route(const struct nlmsghdr *h, void *arg)
{
	struct kernel *k = arg;
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);
	struct ip_prefix p = { { .family = r->rtm_family == AF_INET ? 4 : 6 }, r->rtm_dst_len };
	const struct nlattr *a;
	uint32_t oif = 0;

	if (r->rtm_protocol != ROUTE_PROTOCOL || r->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof *r)
	{
		if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_get_payload_len(a) == 4)
			oif = mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == RTA_DST &&
			 mnl_attr_get_payload_len(a) == ip_addr_len(&p.addr))
			memcpy(p.addr.b, mnl_attr_get_payload(a), ip_addr_len(&p.addr));
	}
	if ((int)oif == k->link && r->rtm_table == RT_TABLE_MAIN)
		set_add(&k->have, &p, ROUTE, 0, 0);
	else if ((int)oif == k->link && r->rtm_table == STEER_TABLE)
		set_add(&k->have, &p, STEER_ROUTE, 0, 0);
	return MNL_CB_OK;
}

static int
on_rule(const struct nlmsghdr *h, void *arg)
{
	struct kernel *k = arg;
	const struct fib_rule_hdr *r = mnl_nlmsg_get_payload(h);
	struct ip_prefix p = { { .family = r->family == AF_INET ? 4 : 6 }, r->dst_len };
	struct fib_rule_port_range ports = { 0, 0 };
	const struct nlattr *a;
	bool ours = false, back = false;

	mnl_attr_for_each(a, h, sizeof *r)
	{
		const uint16_t len = mnl_attr_get_payload_len(a);
		if (mnl_attr_get_type(a) == FRA_PROTOCOL && len == 1)
			ours = mnl_attr_get_u8(a) == ROUTE_PROTOCOL;
		else if (mnl_attr_get_type(a) == FRA_IIFNAME)
			back = true;
		else if (mnl_attr_get_type(a) == FRA_DST && len == ip_addr_len(&p.addr))
			memcpy(p.addr.b, mnl_attr_get_payload(a), len);
		else if (mnl_attr_get_type(a) == FRA_DPORT_RANGE && len == sizeof ports)
			memcpy(&ports, mnl_attr_get_payload(a), len);
	}
	if (ours)
		set_add(&k->have, &p, back ? STEER_BACK : STEER_RULE, ports.start, ports.end);
	return MNL_CB_OK;
}

static void
dump(struct kernel *k, uint8_t family, bool rules)
{
	char buf[16384];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *r;
	ssize_t n;

	h->nlmsg_type = rules ? RTM_GETRULE : RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = ++k->seq;
	r = mnl_nlmsg_put_extra_header(h, sizeof *r);
	r->rtm_family = family;
	if (mnl_socket_sendto(k->nl, h, h->nlmsg_len) < 0)
		return;
	while ((n = mnl_socket_recvfrom(k->nl, buf, sizeof buf)) > 0) {
		if (mnl_cb_run(buf, (size_t)n, k->seq, k->port, rules ? on_rule : on_route, k) <= MNL_CB_STOP)
			break;
	}
}

/* ---- the doors --------------------------------------------------------------------------- */

/* A range of prefixes ends where its last prefix ends. */
static struct ip_addr
range_end(const struct conf_pool *p, const struct ip_addr *last)
{
	struct ip_addr end = *last;
	unsigned len = p->family == 4 ? 32 : p->delegate_len ? p->delegate_len : 64;

	for (unsigned bit = len; bit < 8 * ip_addr_len(last); bit++)
		end.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return end;
}

static void
pools_read(struct kernel *k, const struct conf *conf)
{
	struct ip_prefix p[RANGE_PREFIXES];

	for (unsigned i = 0; i < conf->pools; i++) {
		const struct conf_pool *pool = &conf->pool[i];
		for (unsigned r = 0; r < pool->ranges; r++) {
			struct ip_addr end = range_end(pool, &pool->range[r].last);
			unsigned n = kernel_range(&pool->range[r].first, &end, p, RANGE_PREFIXES);
			for (unsigned j = 0; j < n; j++)
				set_add(&k->pools, &p[j], ROUTE, 0, 0);
		}
	}
}

void
kernel_configure(struct kernel *k, const struct conf *conf)
{
	k->pools.n = 0;
	pools_read(k, conf);
	k->version = UINT64_MAX;
}

struct kernel *
kernel_new(const struct conf *conf, char *error, size_t error_len)
{
	struct kernel *k = calloc(1, sizeof *k);
	struct timeval wait = { 2, 0 };
	int r;

	if (!k) {
		snprintf(error, error_len, "no memory");
		return NULL;
	}
	snprintf(k->tun, sizeof k->tun, "%s", conf->data.tun);
	k->link = (int)if_nametoindex(k->tun);
	k->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!k->link || !k->nl || mnl_socket_bind(k->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		snprintf(error, error_len, "cannot talk to the kernel about %s: %s", k->tun,
			 strerror(errno));
		kernel_free(k);
		return NULL;
	}
	setsockopt(mnl_socket_get_fd(k->nl), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	k->port = mnl_socket_get_portid(k->nl);
	k->version = UINT64_MAX;
	r = link_up(k, conf->data.tun_mtu);
	if (r < 0) {
		snprintf(error, error_len, "cannot bring %s up: %s", k->tun, strerror(-r));
		kernel_free(k);
		return NULL;
	}
	pools_read(k, conf);
	for (unsigned rules = 0; rules < 2; rules++) {
		dump(k, AF_INET, rules);
		dump(k, AF_INET6, rules);
	}
	set_sort(&k->have);
	return k;
}

void
kernel_free(struct kernel *k)
{
	if (!k)
		return;
	if (k->nl)
		mnl_socket_close(k->nl);
	free(k->pools.e);
	free(k->have.e);
	free(k);
}

static void
want(void *arg, const struct ip_prefix *p, bool own)
{
	set_add(arg, p, own ? OWN : ROUTE, 0, 0);
}

static void
want_steered(void *arg, const struct ip_prefix *p, uint16_t first, uint16_t last)
{
	const struct ip_prefix all = { { .family = p->addr.family }, 0 };

	set_add(arg, &all, STEER_BACK, 0, 0);
	set_add(arg, &all, STEER_ROUTE, 0, 0);
	set_add(arg, p, STEER_RULE, first, last);
}

void
kernel_wanted(struct kernel *k, const struct dp *dp)
{
	struct set now = { 0 };
	unsigned a = 0, b = 0;

	for (unsigned i = 0; i < k->pools.n; i++)
		set_add(&now, &k->pools.e[i].prefix, ROUTE, 0, 0);
	dp_kernel_each(dp, want, &now);
	dp_steer_each(dp, want_steered, &now);
	set_sort(&now);
	while (a < k->have.n || b < now.n) {
		int c = a == k->have.n ? 1 : b == now.n ? -1 : by_octets(&k->have.e[a], &now.e[b]);
		if (c < 0)
			change(k, &k->have.e[a++], false);
		else if (c > 0)
			change(k, &now.e[b++], true);
		else
			a++, b++;
	}
	free(k->have.e);
	k->have = now;
	k->version = dp_kernel_version(dp);
}

bool
kernel_behind(const struct kernel *k, const struct dp *dp)
{
	return k->version != dp_kernel_version(dp);
}

void
kernel_tick(struct kernel *k, const struct dp *dp, mono_t now)
{
	if (!kernel_behind(k, dp) || now < k->next)
		return;
	k->next = now + EVERY;
	kernel_wanted(k, dp);
}
