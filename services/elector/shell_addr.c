// SPDX-License-Identifier: Apache-2.0
/*
 * The service addresses: claimed and released by addr_work.c, announced through a packet socket.
 *
 * A promotion announces first and claims beside it, where packets are delivered already (addr_work.h, `prepared`); else
 * the announcement waits for the claim.  A link that went down has lost its IPv6 addresses; what we hold is looked at
 * every second and put back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "announce.h"
#include "base/log.h"
#include "shell.h"

#define CHECK_EVERY (1 * MONO_S)

#define SETTLE (2 * MONO_MS)

/* The first repetition comes when a twin that handed over has released the addresses for certain. */
static const mono_t announce_at[] = { 5 * MONO_MS, 20 * MONO_MS, 100 * MONO_MS, 500 * MONO_MS, 2 * MONO_S };
#define ANNOUNCE_TIMES (sizeof announce_at / sizeof announce_at[0])

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

/*
 * A twin that was there when we claimed and is silent now may be behind a cut, and hold the addresses in a higher epoch:
 * no repetition of ours takes its neighbours from it.  Where it is dead, everybody has heard us already.
 */
static bool
twin_fell_silent(const struct shell *sh)
{
	return sh->core.conf.pair && sh->core.heard > sh->held_from && !elect_twin_heard(&sh->core, mono_now());
}

static void
on_announce(void *arg)
{
	struct shell *sh = arg;

	if (!sh->hold || twin_fell_silent(sh))
		return;
	announce_all(sh);
	if (++sh->announced < ANNOUNCE_TIMES)
		loop_timer_set(sh->loop, &sh->announce, loop_now(sh->loop) + announce_at[sh->announced]);
}

/* --- claim and release ---------------------------------------------------------------------------------------- */

/* A node without a twin has nobody to be prepared for. */
static void
want(struct shell *sh)
{
	struct addr_wanted w = { .claims = sh->claims, .hold = sh->hold, .prepare = sh->pair.enabled };

	memcpy(w.claim, sh->claim, sizeof w.claim);
	if (sh->addr)
		addr_work_want(sh->addr, &w);
}

static void
announce_from_now(struct shell *sh)
{
	sh->announced = 0;
	announce_all(sh);
	loop_timer_set(sh->loop, &sh->announce, loop_now(sh->loop) + announce_at[0]);
}

static void
on_settle(void *arg)
{
	want(arg);
}

/*
 * Where packets are delivered already nobody waits for the kernel, and the processes that become active have the processors first.
 * Said again before the first repetition: that one comes soon enough.
 */
void
addr_shell_hold(struct shell *sh, bool hold)
{
	bool lately = hold && sh->hold && sh->early && sh->announced == 0 && sh->claiming;

	if (hold && !sh->hold)
		sh->held_from = mono_now();
	sh->hold = hold;
	sh->claiming = true;
	if (!sh->prepared) {
		sh->early = false;
		loop_timer_clear(sh->loop, &sh->announce);
		want(sh);
		return;
	}
	sh->early = hold;
	if (!hold)
		loop_timer_clear(sh->loop, &sh->announce);
	else if (!lately)
		announce_from_now(sh);
	loop_timer_set(sh->loop, &sh->settle, loop_now(sh->loop) + SETTLE);
}

static void
on_done(void *arg, int fd, unsigned events)
{
	struct shell *sh = arg;
	bool asked = sh->claiming;
	struct addr_done d;

	if (!addr_work_done(sh->addr, &d))
		return;
	sh->prepared = d.prepared;
	bus_shell_alarm(sh, ELECT_ALARM_ADDRESS, d.trouble[0] != '\0', d.trouble);
	if (d.hold != sh->hold || (!asked && d.changed == 0))
		return; /* of an earlier wish, or all as it was */
	sh->claiming = false;
	if (asked && d.claims)
		log_line(NOTE_INFO, "addresses %s=%u of=%u us=%lld prepared=%d", d.hold ? "claimed" : "released", d.changed,
			 d.claims, (long long)(d.took / MONO_US), d.prepared);
	else if (!asked)
		log_line(NOTE_WARN, "addresses were missing, claimed again");
	if (d.hold && !(asked && sh->early))
		announce_from_now(sh);
}

void
addr_shell_check(struct shell *sh)
{
	mono_t now = loop_now(sh->loop);

	if (!sh->hold || now - sh->checked < CHECK_EVERY)
		return;
	sh->checked = now;
	want(sh);
}

void
addr_shell_conf(struct shell *sh, const struct conf_claim *claim, unsigned n)
{
	memcpy(sh->claim, claim, sizeof sh->claim);
	sh->claims = n;
	if (sh->addr)
		addr_shell_hold(sh, sh->hold);
}

bool
addr_shell_start(struct shell *sh)
{
	loop_timer_init(&sh->announce, on_announce, sh);
	loop_timer_init(&sh->settle, on_settle, sh);
	sh->packet = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sh->packet < 0 && sh->claims)
		log_line(NOTE_WARN, "no packet socket, addresses cannot be announced reason=%s", strerror(errno));
	sh->addr = addr_work_new();
	if (!sh->addr || !loop_fd_add(sh->loop, addr_work_fd(sh->addr), LOOP_READ, on_done, sh))
		return false;
	/* What an earlier life held and this one does not (yet) hold is nobody's. */
	sh->hold = sh->core.role == ELECT_ACTIVE || sh->core.role == ELECT_PROMOTING;
	want(sh);
	return true;
}

/* What was wanted last is done, and nobody is prepared here any more, unless the addresses stay with the next life. */
void
addr_shell_stop(struct shell *sh)
{
	if (sh->addr && !sh->hold) {
		struct addr_wanted w = { .claims = sh->claims };

		memcpy(w.claim, sh->claim, sizeof w.claim);
		addr_work_want(sh->addr, &w);
	}
	addr_work_free(sh->addr);
	sh->addr = NULL;
}
