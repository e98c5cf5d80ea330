// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors are made once and handed on.  See fds.h.
 *
 * The order of bind is the index in the kernel's SO_REUSEPORT group, which is what the steering
 * program answers; so one worker binds them all, in order, under the lock.
 */
#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "l2tp/l2tp3.h"
#include "steer.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define MAGIC 0x74774637u
#define MESSAGE_FDS 250 /* the kernel passes 253 at a time */
#define WAIT_MS 500 /* for a sibling's answer */
#define TRIES 6

/* What both must agree on before descriptors change hands. */
struct greeting {
	uint32_t magic, workers, listens, ip_protocols;
	struct endpoint listen[2];
	uint8_t ip_protocol[CONF_IP_PROTOCOLS];
	char tun[16];
};

static struct greeting
greeting_of(const struct conf *conf)
{
	struct greeting g;

	memset(&g, 0, sizeof g);
	g.magic = MAGIC;
	g.workers = conf->data.workers;
	g.listens = conf->data.listens;
	for (unsigned i = 0; i < conf->data.listens && i < 2; i++) {
		g.listen[i].addr.family = conf->data.listen[i].addr.family;
		memcpy(g.listen[i].addr.b, conf->data.listen[i].addr.b, 16);
		g.listen[i].port = conf->data.listen[i].port;
	}
	g.ip_protocols = conf->data.ip_protocols;
	memcpy(g.ip_protocol, conf->data.ip_protocol, g.ip_protocols);
	memcpy(g.tun, conf->data.tun, sizeof g.tun);
	return g;
}

/* All of them in one fixed order. */
static unsigned
flat(struct fds *f, int **out)
{
	unsigned n = 0;

	for (unsigned w = 0; w < f->workers; w++) {
		for (unsigned l = 0; l < f->listens; l++)
			out[n++] = &f->udp[l][w];
		for (unsigned i = 0; i < f->ip_protocols * f->listens; i++)
			out[n++] = &f->ip[i / f->listens][i % f->listens][w];
		out[n++] = &f->tun[w];
		out[n++] = &f->tun_apart[w];
		out[n++] = &f->hand_in[w];
		out[n++] = &f->hand_out[w];
	}
	return n;
}

/* ---- making ------------------------------------------------------------------------------ */

static void
set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value,
		   sizeof value); /* what is refused is missed, not needed */
}

static void
outer_options(int fd, const struct conf_data *d, bool v4)
{
	int size = (int)(d->receive_octets ? d->receive_octets : 1u << 22);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		set(fd, SOL_SOCKET, SO_RCVBUF, size);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		set(fd, SOL_SOCKET, SO_SNDBUF, size);
	if (v4) {
		set(fd, IPPROTO_IP, IP_PKTINFO, 1);
		set(fd, IPPROTO_IP, IP_RECVTOS, 1);
		set(fd, IPPROTO_IP, IP_FREEBIND, 1);
		set(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
		set(fd, IPPROTO_IP, IP_MTU_DISCOVER,
		    d->outer_df ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
	} else {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
		set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
		set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
		    d->outer_df ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
	}
}

static int
udp_open(const struct conf_data *d, const struct endpoint *at, char *error)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);
	char text[ADDR_TEXT];
	int one = 1, fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		outer_options(fd, d, sa.ss_family == AF_INET);
		set(fd, IPPROTO_UDP, UDP_GRO, 1);
		if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0 &&
		    bind(fd, (struct sockaddr *)&sa, len) == 0)
			return fd;
	}
	snprintf(error, FDS_ERROR, "cannot listen on udp %s: %s", endpoint_text(at, text),
		 strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
steer_attach(int fd, unsigned workers, char *error)
{
	struct sock_filter code[STEER_MAX];
	struct sock_fprog program = { (unsigned short)steer_program(workers, code), code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0)
		return true;
	snprintf(error, FDS_ERROR, "cannot steer datagrams to workers: %s", strerror(errno));
	return false;
}

/* Its filter first: until bind, and with a wildcard behind it, everybody's packets would gather in it. */
static int
ip_open(const struct conf_data *d, uint8_t protocol, const struct ip_addr *addr, unsigned worker, char *error)
{
	struct endpoint at = { *addr, 0 };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&at, &sa);
	char text[ADDR_TEXT];
	const struct steer_ip s = { .v6 = sa.ss_family == AF_INET6,
				    .l2tp3 = protocol == L2TP3_IP_PROTOCOL,
				    .worker = worker,
				    .workers = d->workers };
	int fd = socket(sa.ss_family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd >= 0 && fds_filter(fd, &s)) {
		outer_options(fd, d, !s.v6);
		if (bind(fd, (struct sockaddr *)&sa, len) == 0)
			return fd;
	}
	snprintf(error, FDS_ERROR, "cannot listen on IP protocol %u at %s: %s", protocol,
		 ip_addr_text(addr, text), strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool
fds_filter(int fd, const struct steer_ip *s)
{
	struct sock_filter code[STEER_IP_MAX];
	struct sock_fprog program = { (unsigned short)steer_ip_program(s, code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

static int
tun_open(const struct conf_data *d, char *error)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR };
	unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", d->tun);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0) {
		snprintf(error, FDS_ERROR, "cannot open the TUN %s: %s", d->tun, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (ioctl(fd, TUNSETOFFLOAD, offload | TUN_F_USO4 | TUN_F_USO6) < 0)
		ioctl(fd, TUNSETOFFLOAD, offload);
	return fd;
}

/* Once all queues that are read are there, so that none of them moves. */
static int
tun_open_apart(const struct conf_data *d, char *error)
{
	struct ifreq r = { .ifr_flags = IFF_DETACH_QUEUE };
	int fd = tun_open(d, error);

	if (fd < 0 || ioctl(fd, TUNSETQUEUE, &r) == 0)
		return fd;
	snprintf(error, FDS_ERROR, "cannot take a queue of the TUN %s out of service: %s", d->tun, strerror(errno));
	close(fd);
	return -1;
}

static bool
hand_open(struct fds *f, unsigned w, char *error)
{
	int pair[2], size = 4 << 20;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		snprintf(error, FDS_ERROR, "cannot make a socket pair: %s", strerror(errno));
		return false;
	}
	f->hand_in[w] = pair[0];
	f->hand_out[w] = pair[1];
	if (setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		set(pair[1], SOL_SOCKET, SO_SNDBUF, size);
	return true;
}

static bool
make_ip(struct fds *f, const struct conf_data *d, char *error)
{
	for (unsigned i = 0; i < f->ip_protocols; i++) {
		for (unsigned l = 0; l < f->listens; l++) {
			for (unsigned w = 0; w < f->workers; w++) {
				f->ip[i][l][w] = ip_open(d, d->ip_protocol[i], &d->listen[l].addr, w, error);
				if (f->ip[i][l][w] < 0)
					return false;
			}
		}
	}
	return true;
}

static bool
make(struct fds *f, const struct conf *conf, char *error)
{
	for (unsigned l = 0; l < f->listens; l++) {
		for (unsigned w = 0; w < f->workers; w++) {
			f->udp[l][w] = udp_open(&conf->data, &conf->data.listen[l], error);
			if (f->udp[l][w] < 0)
				return false;
			/* From the first on: no datagram may ever be steered by chance. */
			if (w == 0 && !steer_attach(f->udp[l][0], f->workers, error))
				return false;
		}
	}
	if (!make_ip(f, &conf->data, error))
		return false;
	for (unsigned w = 0; w < f->workers; w++) {
		f->tun[w] = tun_open(&conf->data, error);
		if (f->tun[w] < 0 || !hand_open(f, w, error))
			return false;
	}
	for (unsigned w = 0; w < f->workers; w++) {
		f->tun_apart[w] = tun_open_apart(&conf->data, error);
		if (f->tun_apart[w] < 0)
			return false;
	}
	f->made = true;
	return true;
}

/* ---- handing on -------------------------------------------------------------------------- */

static bool
sibling_path(const struct conf *conf, unsigned worker, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return (size_t)snprintf(out->sun_path, sizeof out->sun_path, "%s/worker.%u.fds",
				conf->node.run_dir, worker) < sizeof out->sun_path;
}

/* One message of a sibling's: up to MESSAGE_FDS descriptors into fds[]; how many, or -1. */
static int
take_message(int s, struct greeting *g, int *fds)
{
	union {
		char b[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { g, sizeof *g };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof control };
	ssize_t n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);
	int got = 0;

	for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			got = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(c), (size_t)got * sizeof(int));
		}
	}
	return n == sizeof *g ? got : n < 0 ? -1 : 0;
}

enum taking { TAKEN, SILENT, OTHERS };

/* All of them, in as many messages as it takes, each of which says whose they are. */
static enum taking
take_all(int s, const struct greeting *ours, int *fds, unsigned want, unsigned *got)
{
	struct greeting theirs;

	for (*got = 0; *got < want;) {
		int n = take_message(s, &theirs, fds + *got);
		if (n < 0)
			return SILENT;
		*got += (unsigned)n;
		if (n == 0 || memcmp(ours, &theirs, sizeof *ours) != 0)
			return OTHERS;
	}
	return *got == want ? TAKEN : OTHERS;
}

/* 1: taken; 0: nobody there; -1: somebody is there who does not answer, or means another
 * configuration. */
static int
take(struct fds *f, const struct conf *conf, unsigned from, char *error)
{
	const struct greeting ours = greeting_of(conf);
	struct timeval wait = { 0, WAIT_MS * 1000 };
	struct sockaddr_un sa;
	int *place[FDS_EACH * FDS_WORKERS], fds[FDS_EACH * FDS_WORKERS + MESSAGE_FDS];
	const unsigned want = flat(f, place);
	unsigned got;
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (s < 0 || !sibling_path(conf, from, &sa) ||
	    connect(s, (struct sockaddr *)&sa, sizeof sa) < 0) {
		if (s >= 0)
			close(s);
		return 0;
	}
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	const enum taking r = take_all(s, &ours, fds, want, &got);
	close(s);
	for (unsigned i = 0; i < want && r == TAKEN; i++)
		*place[i] = fds[i];
	if (r == TAKEN)
		return 1;
	while (got > 0)
		close(fds[--got]);
	if (r == SILENT)
		snprintf(error, FDS_ERROR, "worker %u is there but does not hand over its sockets",
			 from);
	else
		snprintf(error, FDS_ERROR,
			 "worker %u runs with other sockets than the configuration names: stop all "
			 "workers first",
			 from);
	return -1;
}

static int
take_from_any(struct fds *f, const struct conf *conf, unsigned worker, char *error)
{
	int seen = 0;

	for (unsigned w = 0; w < f->workers; w++) {
		int r = w == worker ? 0 : take(f, conf, w, error);
		if (r > 0)
			return 1;
		if (r < 0)
			seen = -1;
	}
	return seen;
}

static bool
listen_for_siblings(struct fds *f, const struct conf *conf, unsigned worker, char *error)
{
	struct sockaddr_un sa;

	f->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->listener >= 0 && sibling_path(conf, worker, &sa)) {
		unlink(sa.sun_path);
		if (bind(f->listener, (struct sockaddr *)&sa, sizeof sa) == 0 &&
		    listen(f->listener, 64) == 0)
			return true;
	}
	snprintf(error, FDS_ERROR, "cannot listen for sibling workers in %s: %s",
		 conf->node.run_dir, strerror(errno));
	return false;
}

static bool
give(int s, const struct greeting *g, int *const *place, unsigned n)
{
	union {
		char b[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { (void *)(uintptr_t)g, sizeof *g };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	memset(&control, 0, sizeof control);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		((int *)(void *)CMSG_DATA(c))[i] = *place[i];
	return sendmsg(s, &m, MSG_NOSIGNAL) > 0;
}

void
fds_serve(struct fds *f, const struct conf *conf)
{
	const struct greeting g = greeting_of(conf);
	int *place[FDS_EACH * FDS_WORKERS], s;
	const unsigned n = flat(f, place);

	while ((s = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		for (unsigned at = 0; at < n; at += MESSAGE_FDS) {
			if (!give(s, &g, place + at, n - at < MESSAGE_FDS ? n - at : MESSAGE_FDS))
				break; /* a sibling that went away asks again */
		}
		close(s);
	}
}

static bool
lock_take(struct fds *f, const struct conf *conf, char *error)
{
	char path[sizeof conf->node.run_dir + 32];

	snprintf(path, sizeof path, "%s/workers.lock", conf->node.run_dir);
	f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->lock >= 0 && flock(f->lock, LOCK_EX) == 0)
		return true;
	snprintf(error, FDS_ERROR, "cannot lock %s: %s", path, strerror(errno));
	return false;
}

bool
fds_open(struct fds *f, const struct conf *conf, unsigned worker, char error[FDS_ERROR])
{
	int *place[FDS_EACH * FDS_WORKERS], r = 0;
	bool ok;

	memset(f, 0, sizeof *f);
	f->workers = conf->data.workers;
	f->listens = conf->data.listens;
	f->ip_protocols = conf->data.ip_protocols;
	f->listener = f->lock = -1;
	if (f->workers == 0 || f->workers > FDS_WORKERS || worker >= f->workers || f->listens > 2 ||
	    f->ip_protocols > CONF_IP_PROTOCOLS) {
		snprintf(error, FDS_ERROR, "worker %u of %u: there may be 1 to %u", worker,
			 f->workers, FDS_WORKERS);
		return false;
	}
	for (unsigned i = 0, n = flat(f, place); i < n; i++)
		*place[i] = -1;
	if (!lock_take(f, conf, error))
		return false;
	/* One that lives and is silent may be starved for a moment; making a second set would split
	 * the group. */
	for (unsigned i = 0; i < TRIES && (r = take_from_any(f, conf, worker, error)) < 0; i++)
		usleep(50000);
	ok = r > 0 || (r == 0 && make(f, conf, error));
	ok = ok && listen_for_siblings(f, conf, worker, error);
	close(f->lock);
	f->lock = -1;
	if (!ok)
		fds_close(f);
	return ok;
}

void
fds_close(struct fds *f)
{
	int *place[FDS_EACH * FDS_WORKERS];

	for (unsigned i = 0, n = flat(f, place); i < n; i++) {
		if (*place[i] >= 0)
			close(*place[i]);
		*place[i] = -1;
	}
	if (f->listener >= 0)
		close(f->listener);
	f->listener = -1;
}
