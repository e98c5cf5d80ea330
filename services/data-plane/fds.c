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

#include "steer.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define MAGIC 0x74774635u
#define WAIT_MS 500 /* for a sibling's answer */
#define TRIES 6

/* What both must agree on before descriptors change hands. */
struct greeting {
	uint32_t magic, workers, listens;
	struct endpoint listen[2];
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
		out[n++] = &f->tun[w];
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
udp_options(int fd, const struct conf_data *d, bool v4)
{
	int size = (int)(d->receive_octets ? d->receive_octets : 1u << 22);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		set(fd, SOL_SOCKET, SO_RCVBUF, size);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		set(fd, SOL_SOCKET, SO_SNDBUF, size);
	set(fd, IPPROTO_UDP, UDP_GRO, 1);
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
		udp_options(fd, d, sa.ss_family == AF_INET);
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
	for (unsigned w = 0; w < f->workers; w++) {
		f->tun[w] = tun_open(&conf->data, error);
		if (f->tun[w] < 0 || !hand_open(f, w, error))
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

/* 1: taken; 0: nobody there; -1: somebody is there who does not answer, or means another
 * configuration. */
static int
take(struct fds *f, const struct conf *conf, unsigned from, char *error)
{
	struct greeting ours = greeting_of(conf), theirs;
	struct timeval wait = { 0, WAIT_MS * 1000 };
	union {
		char b[CMSG_SPACE(sizeof(int) * 5 * FDS_WORKERS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { &theirs, sizeof theirs };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof control };
	struct sockaddr_un sa;
	int *place[5 * FDS_WORKERS], got = 0, *fds = NULL;
	unsigned want = flat(f, place);
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (s < 0 || !sibling_path(conf, from, &sa) ||
	    connect(s, (struct sockaddr *)&sa, sizeof sa) < 0) {
		if (s >= 0)
			close(s);
		return 0;
	}
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	ssize_t n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);
	close(s);
	for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			fds = (int *)(void *)CMSG_DATA(c);
			got = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		}
	}
	if (n == sizeof theirs && memcmp(&ours, &theirs, sizeof ours) == 0 &&
	    (unsigned)got == want) {
		for (unsigned i = 0; i < want; i++)
			*place[i] = fds[i];
		return 1;
	}
	for (int i = 0; i < got; i++)
		close(fds[i]);
	if (n < 0)
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

void
fds_serve(struct fds *f, const struct conf *conf)
{
	struct greeting g = greeting_of(conf);
	union {
		char b[CMSG_SPACE(sizeof(int) * 5 * FDS_WORKERS)];
		struct cmsghdr align;
	} control;
	int *place[5 * FDS_WORKERS], s;
	unsigned n = flat(f, place);

	while ((s = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct iovec iov = { &g, sizeof g };
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
		sendmsg(s, &m, MSG_NOSIGNAL); /* a sibling that went away asks again */
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
	int *place[5 * FDS_WORKERS], r = 0;
	bool ok;

	memset(f, 0, sizeof *f);
	f->workers = conf->data.workers;
	f->listens = conf->data.listens;
	f->listener = f->lock = -1;
	if (f->workers == 0 || f->workers > FDS_WORKERS || worker >= f->workers || f->listens > 2) {
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
	int *place[5 * FDS_WORKERS];

	for (unsigned i = 0, n = flat(f, place); i < n; i++) {
		if (*place[i] >= 0)
			close(*place[i]);
		*place[i] = -1;
	}
	if (f->listener >= 0)
		close(f->listener);
	f->listener = -1;
}
