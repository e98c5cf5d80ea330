// SPDX-License-Identifier: Apache-2.0
/*
 * See addr_work.h.  Addresses and routes by rtnetlink, in the order they are wanted.
 *
 * IPv6 addresses come without duplicate address detection: it would keep them unusable for a second, and the lease has
 * already decided who has them.
 *
 * Prepared means a route of type `local` to the address: what arrives for it is delivered, so that a promotion is
 * complete as soon as the neighbours know our hardware address.  The kernel would also answer ARP for such a route,
 * unless the interface answers for nothing but its own addresses (arp_ignore 1), which is therefore set first; an
 * interface that refuses it is not prepared.  For IPv6 the kernel answers for addresses of the interface only.
 */
#include "addr_work.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loop/loop.h"

#define OUR_ROUTES 203	    /* rtm_protocol: another one than the workers' */
#define BEHIND_THE_KERNELS 1000 /* metric: an address that is held has a local route of its own */
#define LOOPBACK 1

struct addr_work {
	struct mnl_socket *nl;
	unsigned seq;
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct addr_wanted wanted;
	uint64_t asked, answered; /* how often */
	struct addr_done done;
	bool fresh, end;
	/* the thread's own */
	struct conf_claim known[CONF_CLAIMS]; /* asked for before; what is not wanted any more is taken back */
	unsigned knowns;
	bool swept;
	unsigned ready[CONF_CLAIMS]; /* index of the interface that claim is prepared on; 0: it is not */
};

/* --- rtnetlink ---------------------------------------------------------------------------------------- */

static int
talk(struct addr_work *w, struct nlmsghdr *nlh)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	ssize_t n;

	nlh->nlmsg_seq = ++w->seq;
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_sendto(w->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(w->nl, buf, sizeof buf);
	if (n < 0)
		return -errno;
	return mnl_cb_run(buf, (size_t)n, nlh->nlmsg_seq, mnl_socket_get_portid(w->nl), NULL, NULL) < 0 ? -errno : 0;
}

/* 0, or -errno: -EEXIST when it was there (add), -EADDRNOTAVAIL when it was not (delete). */
static int
address(struct addr_work *w, const struct conf_claim *c, bool add)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof *ifa);
	unsigned index = if_nametoindex(c->interface);
	size_t len = ip_addr_len(&c->addr.addr);

	if (!index)
		return -ENODEV;
	nlh->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
	nlh->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_EXCL : 0;
	ifa->ifa_family = c->addr.addr.family == 4 ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = c->addr.len;
	ifa->ifa_flags = c->addr.addr.family == 6 ? IFA_F_NODAD : 0;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	ifa->ifa_index = index;
	mnl_attr_put(nlh, IFA_LOCAL, len, c->addr.addr.b);
	mnl_attr_put(nlh, IFA_ADDRESS, len, c->addr.addr.b);
	return talk(w, nlh);
}

/* An interface answers ARP for its own addresses only. */
static int
arp_for_own(struct addr_work *w, const char *interface)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(nlh, sizeof *i);
	struct nlattr *families, *inet, *conf;

	nlh->nlmsg_type = RTM_NEWLINK;
	i->ifi_index = (int)if_nametoindex(interface);
	if (!i->ifi_index)
		return -ENODEV;
	families = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet = mnl_attr_nest_start(nlh, AF_INET);
	conf = mnl_attr_nest_start(nlh, IFLA_INET_CONF);
	mnl_attr_put_u32(nlh, IPV4_DEVCONF_ARP_IGNORE, 1);
	mnl_attr_nest_end(nlh, conf);
	mnl_attr_nest_end(nlh, inet);
	mnl_attr_nest_end(nlh, families);
	return talk(w, nlh);
}

static int
local_route(struct addr_work *w, const struct conf_claim *c, bool add)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *r = mnl_nlmsg_put_extra_header(nlh, sizeof *r);
	size_t len = ip_addr_len(&c->addr.addr);

	nlh->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	nlh->nlmsg_flags = add ? NLM_F_CREATE | NLM_F_EXCL : 0;
	r->rtm_family = c->addr.addr.family == 4 ? AF_INET : AF_INET6;
	r->rtm_dst_len = (unsigned char)(8 * len);
	r->rtm_table = RT_TABLE_LOCAL;
	r->rtm_protocol = OUR_ROUTES;
	r->rtm_scope = c->addr.addr.family == 4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	r->rtm_type = RTN_LOCAL;
	mnl_attr_put(nlh, RTA_DST, len, c->addr.addr.b);
	mnl_attr_put_u32(nlh, RTA_OIF, LOOPBACK);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, BEHIND_THE_KERNELS);
	return talk(w, nlh);
}

/* --- what is wanted --------------------------------------------------------------------------------------- */

static bool
on_ethernet(const char *interface)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool yes;

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", interface);
	yes = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &ifr) == 0 && ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	if (fd >= 0)
		close(fd);
	return yes;
}

/* Once for each interface: this is asked every second. */
static bool
prepare(struct addr_work *w, const struct conf_claim *c, unsigned *ready)
{
	unsigned index = if_nametoindex(c->interface);
	int err;

	if (index && *ready == index)
		return true;
	err = on_ethernet(c->interface) ? 0 : -ENOTSUP;

	if (!err && c->addr.addr.family == 4)
		err = arp_for_own(w, c->interface);
	if (!err)
		err = local_route(w, c, true);
	*ready = err == 0 || err == -EEXIST ? index : 0;
	return *ready != 0;
}

static void
hold(struct addr_work *w, const struct conf_claim *c, bool add, struct addr_done *d)
{
	char text[ADDR_TEXT];
	int err = address(w, c, add);

	if (err == 0)
		d->changed++;
	else if (err != (add ? -EEXIST : -EADDRNOTAVAIL) && (add || err != -ENODEV))
		snprintf(d->trouble, sizeof d->trouble, "%s %s on %s: %s", add ? "claiming" : "releasing",
			 ip_prefix_text(&c->addr, text), c->interface, strerror(-err));
}

static bool
among(const struct conf_claim *c, const struct conf_claim *all, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(c->interface, all[i].interface) == 0 && c->addr.len == all[i].addr.len &&
		    ip_addr_eq(&c->addr.addr, &all[i].addr.addr))
			return true;
	return false;
}

static void
take_back(struct addr_work *w, const struct addr_wanted *want, struct addr_done *d)
{
	for (unsigned i = 0; i < w->knowns; i++) {
		if (among(&w->known[i], want->claim, want->claims))
			continue;
		hold(w, &w->known[i], false, d);
		local_route(w, &w->known[i], false);
	}
	if (w->knowns != want->claims || memcmp(w->known, want->claim, want->claims * sizeof w->known[0]) != 0)
		memset(w->ready, 0, sizeof w->ready);
	memcpy(w->known, want->claim, sizeof w->known);
	w->knowns = want->claims;
}

static void
carry_out(struct addr_work *w, const struct addr_wanted *want, struct addr_done *d)
{
	mono_t from = mono_now();

	*d = (struct addr_done){ .hold = want->hold, .prepared = want->prepare, .claims = want->claims };
	take_back(w, want, d);
	for (unsigned i = 0; i < want->claims; i++)
		hold(w, &want->claim[i], want->hold, d);
	d->took = mono_now() - from;
	for (unsigned i = 0; i < want->claims; i++) {
		if (!want->prepare) {
			if (w->ready[i] || !w->swept) /* an earlier life may have had a twin */
				local_route(w, &want->claim[i], false);
			w->ready[i] = 0;
		} else if (!prepare(w, &want->claim[i], &w->ready[i])) {
			d->prepared = false;
		}
	}
	w->swept = true;
}

/* --- the thread ---------------------------------------------------------------------------------------------- */

static void *
work(void *arg)
{
	static const uint64_t one = 1;
	struct addr_work *w = arg;
	struct addr_wanted want;
	struct addr_done done;
	uint64_t number;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->asked == w->answered && !w->end)
			pthread_cond_wait(&w->changed, &w->lock);
		if (w->asked == w->answered)
			break;
		want = w->wanted;
		number = w->asked;
		pthread_mutex_unlock(&w->lock);
		carry_out(w, &want, &done);
		pthread_mutex_lock(&w->lock);
		w->answered = number;
		w->done = done;
		w->fresh = true;
		if (write(w->fd, &one, sizeof one) < 0)
			continue; /* a counter that is full is readable already */
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static bool
begin(struct addr_work *w)
{
	sigset_t all, before;
	bool ok;

	w->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!w->nl || w->fd < 0 || mnl_socket_bind(w->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return false;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ok = pthread_create(&w->thread, NULL, work, w) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

struct addr_work *
addr_work_new(void)
{
	struct addr_work *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->fd = -1;
	if (begin(w))
		return w;
	if (w->nl)
		mnl_socket_close(w->nl);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
	return NULL;
}

void
addr_work_free(struct addr_work *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->end = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	mnl_socket_close(w->nl);
	close(w->fd);
	free(w);
}

int
addr_work_fd(const struct addr_work *w)
{
	return w->fd;
}

void
addr_work_want(struct addr_work *w, const struct addr_wanted *want)
{
	pthread_mutex_lock(&w->lock);
	w->wanted = *want;
	w->asked++;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

bool
addr_work_done(struct addr_work *w, struct addr_done *out)
{
	uint64_t times;
	bool fresh;

	if (read(w->fd, &times, sizeof times) < 0)
		return false;
	pthread_mutex_lock(&w->lock);
	*out = w->done;
	fresh = w->fresh;
	w->fresh = false;
	pthread_mutex_unlock(&w->lock);
	return fresh;
}
