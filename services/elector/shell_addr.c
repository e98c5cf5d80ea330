// SPDX-License-Identifier: Apache-2.0
/*
 * The service addresses: claimed and released through rtnetlink, announced through a packet socket.
 *
 * IPv6 addresses come without duplicate address detection: it would keep them unusable for a second, and
 * the lease has already decided who has them.  A link that went down has lost its IPv6 addresses;
 * what we hold is looked at every second and put back.
 */
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "announce.h"
#include "base/log.h"
#include "shell.h"

#define CHECK_EVERY (1 * MONO_S)

static const mono_t announce_at[] = { 20 * MONO_MS, 100 * MONO_MS, 500 * MONO_MS, 2 * MONO_S };
#define ANNOUNCE_TIMES (sizeof announce_at / sizeof announce_at[0])

/* --- rtnetlink ---------------------------------------------------------------------------------------- */

static int
talk(struct shell *sh, struct nlmsghdr *nlh)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	static unsigned seq;
	ssize_t n;

	nlh->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(sh->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(sh->nl, buf, sizeof buf);
	if (n < 0)
		return -errno;
	return mnl_cb_run(buf, (size_t)n, nlh->nlmsg_seq, mnl_socket_get_portid(sh->nl), NULL, NULL) < 0 ? -errno : 0;
}

/* 0, or -errno: -EEXIST when it was there (add), -EADDRNOTAVAIL when it was not (delete). */
static int
address(struct shell *sh, const struct conf_claim *c, bool add)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof *ifa);
	unsigned index = if_nametoindex(c->interface);
	size_t len = ip_addr_len(&c->addr.addr);

	if (!index)
		return -ENODEV;
	nlh->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	ifa->ifa_family = c->addr.addr.family == 4 ? AF_INET : AF_INET6;
	ifa->ifa_prefixlen = c->addr.len;
	ifa->ifa_flags = c->addr.addr.family == 6 ? IFA_F_NODAD : 0;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	ifa->ifa_index = index;
	mnl_attr_put(nlh, IFA_LOCAL, len, c->addr.addr.b);
	mnl_attr_put(nlh, IFA_ADDRESS, len, c->addr.addr.b);
	return talk(sh, nlh);
}

/* --- announcements ---------------------------------------------------------------------------------------- */

static bool
is_router(const char *interface)
{
	char path[96], c = '0';
	int fd;

	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/forwarding", interface);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = '0';
	close(fd);
	return c == '1';
}

static bool
hardware(struct shell *sh, const char *interface, int *index, uint8_t mac[6])
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", interface);
	if (ioctl(sh->packet, SIOCGIFINDEX, &ifr) < 0)
		return false;
	*index = ifr.ifr_ifindex;
	if (ioctl(sh->packet, SIOCGIFHWADDR, &ifr) < 0 || ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return false; /* a loopback or a tunnel: nobody to tell */
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return true;
}

static void
put(struct shell *sh, int index, uint16_t protocol, const uint8_t dest[6], const void *p, size_t n)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = index,
				  .sll_halen = 6 };

	memcpy(to.sll_addr, dest, 6);
	if (sendto(sh->packet, p, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) == (ssize_t)n)
		sh->core.count[ELECT_C_ANNOUNCEMENTS]++;
}

static void
announce(struct shell *sh, const struct conf_claim *c)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t all_nodes[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	uint8_t mac[6], arp[ANNOUNCE_ARP], na[ANNOUNCE_NA];
	int index;

	if (sh->packet < 0 || !hardware(sh, c->interface, &index, mac))
		return;
	if (c->addr.addr.family == 6) {
		announce_na(na, sizeof na, mac, c->addr.addr.b, is_router(c->interface));
		put(sh, index, ETH_P_IPV6, all_nodes, na, sizeof na);
		return;
	}
	for (int reply = 0; reply < 2; reply++) {
		announce_arp(arp, sizeof arp, mac, c->addr.addr.b, reply);
		put(sh, index, ETH_P_ARP, all, arp, sizeof arp);
	}
}

static void
announce_all(struct shell *sh)
{
	for (unsigned i = 0; i < sh->claims; i++)
		announce(sh, &sh->claim[i]);
}

static void
on_announce(void *arg)
{
	struct shell *sh = arg;

	if (!sh->hold)
		return;
	announce_all(sh);
	if (++sh->announced < ANNOUNCE_TIMES)
		loop_timer_set(sh->loop, &sh->announce, loop_now(sh->loop) + announce_at[sh->announced]);
}

/* --- claim and release ---------------------------------------------------------------------------------------- */

static void
trouble(struct shell *sh, const struct conf_claim *c, bool add, int err)
{
	char text[ADDR_TEXT], detail[STANDING];

	snprintf(detail, sizeof detail, "%s %s on %s: %s", add ? "claiming" : "releasing",
		 ip_prefix_text(&c->addr, text), c->interface, strerror(-err));
	log_line(NOTE_ERROR, "address trouble %s", detail);
	bus_shell_alarm(sh, ELECT_ALARM_ADDRESS, true, detail);
}

/* How many had to be set, or were there to be removed. */
static unsigned
apply(struct shell *sh, const struct conf_claim *c, unsigned n, bool add)
{
	unsigned changed = 0, failed = 0;

	for (unsigned i = 0; i < n; i++) {
		int err = sh->nl ? address(sh, &c[i], add) : -EPERM;
		if (err == 0) {
			changed++;
		} else if (err != (add ? -EEXIST : -EADDRNOTAVAIL) && (add || err != -ENODEV)) {
			trouble(sh, &c[i], add, err);
			failed++;
		}
	}
	if (!failed)
		bus_shell_alarm(sh, ELECT_ALARM_ADDRESS, false, "");
	return changed;
}

void
addr_shell_hold(struct shell *sh, bool hold)
{
	mono_t from = mono_now();
	unsigned n = apply(sh, sh->claim, sh->claims, hold);

	sh->hold = hold;
	sh->announced = 0;
	loop_timer_clear(sh->loop, &sh->announce);
	if (hold) {
		announce_all(sh);
		loop_timer_set(sh->loop, &sh->announce, loop_now(sh->loop) + announce_at[0]);
	}
	if (sh->claims)
		log_line(NOTE_INFO, "addresses %s=%u of=%u us=%lld", hold ? "claimed" : "released", n, sh->claims,
			 (long long)((mono_now() - from) / MONO_US));
}

void
addr_shell_check(struct shell *sh)
{
	mono_t now = loop_now(sh->loop);

	if (!sh->hold || now - sh->checked < CHECK_EVERY)
		return;
	sh->checked = now;
	if (apply(sh, sh->claim, sh->claims, true) == 0)
		return;
	log_line(NOTE_WARN, "addresses were missing, claimed again");
	announce_all(sh);
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

void
addr_shell_conf(struct shell *sh, const struct conf_claim *claim, unsigned n)
{
	for (unsigned i = 0; i < sh->claims && sh->nl; i++)
		if (!among(&sh->claim[i], claim, n))
			apply(sh, &sh->claim[i], 1, false);
	memcpy(sh->claim, claim, sizeof sh->claim);
	sh->claims = n;
	if (sh->nl)
		addr_shell_hold(sh, sh->hold);
}

bool
addr_shell_start(struct shell *sh)
{
	loop_timer_init(&sh->announce, on_announce, sh);
	sh->packet = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sh->packet < 0 && sh->claims)
		log_line(NOTE_WARN, "no packet socket, addresses cannot be announced reason=%s", strerror(errno));
	sh->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!sh->nl || mnl_socket_bind(sh->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return false;
	/* What an earlier life held and this one does not (yet) hold is nobody's. */
	if (sh->core.role == ELECT_ACTIVE || sh->core.role == ELECT_PROMOTING)
		sh->hold = true;
	else
		apply(sh, sh->claim, sh->claims, false);
	return true;
}
