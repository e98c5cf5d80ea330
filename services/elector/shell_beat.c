// SPDX-License-Identifier: Apache-2.0
/* Heartbeats on the wire: one UDP socket a path.  Nothing is read from anybody but the twin's address. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h> /* before errqueue.h */
#include <unistd.h>

#include <linux/errqueue.h>

#include "base/log.h"
#include "pair.h"
#include "shell.h"

#define READ_AT_ONCE 64

/*
 * A refusal is no sign of death by itself (a node that lost its power says nothing): it tells a dead elector from a dead
 * node.  It cannot be trusted either: all it does is to make us wait a little longer.
 */
static bool
refused(const struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)m, c)) {
		const struct sock_extended_err *e = (const struct sock_extended_err *)CMSG_DATA(c);
		bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
		if (v4 || v6)
			return e->ee_errno == ECONNREFUSED;
	}
	return false;
}

/* What the kernel has to say about datagrams of ours; none of it keeps the socket from working. */
static void
read_errors(struct shell *sh, unsigned path)
{
	uint8_t control[512], octets[BEAT_MAX];

	for (int i = 0; i < READ_AT_ONCE; i++) {
		struct iovec v = { octets, sizeof octets };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
		if (recvmsg(sh->sock[path], &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		if (refused(&m))
			shell_step(sh, &(struct elect_event){ .kind = ELECT_REFUSED });
	}
}

bool
beat_shell_key(const char *file, uint8_t key[32], char *error, size_t len)
{
	uint8_t secret[32];
	bool ok = pair_secret_read(file, secret, error, len);

	if (ok)
		beat_key(secret, key);
	explicit_bzero(secret, sizeof secret);
	return ok;
}

static void
hear(struct shell *sh, unsigned path, struct span datagram)
{
	struct elect_event ev = { .kind = ELECT_BEAT };
	struct beat b;
	enum beat_fault f = beat_read(datagram, sh->key, &b);

	if (f == BEAT_FORGED) {
		sh->core.count[ELECT_C_BEATS_FORGED]++;
		return;
	}
	if (f != BEAT_OK) {
		sh->core.count[ELECT_C_BEATS_MALFORMED]++;
		return;
	}
	b.path = (uint8_t)path;
	ev.beat = &b;
	shell_step(sh, &ev);
}

static void
read_path(struct shell *sh, unsigned path)
{
	uint8_t buf[BEAT_MAX + 1];
	struct sockaddr_storage ss;
	struct endpoint from;

	for (int i = 0; i < READ_AT_ONCE; i++) {
		socklen_t ss_len = sizeof ss;
		ssize_t n = recvfrom(sh->sock[path], buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&ss, &ss_len);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
			continue; /* an error of a datagram sent before, not of this reading */
		if (endpoint_from_sockaddr((struct sockaddr *)&ss, &from) &&
		    endpoint_eq(&from, &sh->pair.path[path].twin))
			hear(sh, path, span_of(buf, (size_t)n));
		else
			sh->core.count[ELECT_C_BEATS_MALFORMED]++;
	}
	read_errors(sh, path);
}

void
beat_shell_read(struct shell *sh)
{
	for (unsigned i = 0; i < sh->socks; i++)
		if (sh->sock[i] >= 0)
			read_path(sh, i);
}

static void
on_readable(void *arg, int fd, unsigned events)
{
	beat_shell_read(arg);
}

static int
open_path(const struct conf_path *p)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&p->local, &ss);
	int v6 = p->local.addr.family == 6, on = 1, tos = 0xc0, priority = 6;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* The address may come later than we do. */
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof on);
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof tos);
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0) {
		int err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

bool
beat_shell_start(struct shell *sh, char *error, size_t len)
{
	char text[ADDR_TEXT];

	sh->socks = sh->pair.enabled ? sh->core.conf.paths : 0;
	for (unsigned i = 0; i < sh->socks; i++) {
		sh->sock[i] = open_path(&sh->pair.path[i]);
		if (sh->sock[i] < 0) {
			snprintf(error, len, "path %s at %s: %s", sh->pair.path[i].name,
				 endpoint_text(&sh->pair.path[i].local, text), strerror(errno));
			return false;
		}
		sh->sock_fd[i] = loop_fd_add(sh->loop, sh->sock[i], LOOP_READ, on_readable, sh);
	}
	return true;
}

void
beat_shell_stop(struct shell *sh)
{
	for (unsigned i = 0; i < sh->socks; i++) {
		loop_fd_remove(sh->sock_fd[i]);
		if (sh->sock[i] >= 0)
			close(sh->sock[i]);
		sh->sock[i] = -1;
	}
	sh->socks = 0;
}

void
beat_shell_send(struct shell *sh, const struct beat *b)
{
	struct sockaddr_storage ss;
	uint8_t buf[BEAT_MAX];
	struct beat copy = *b;

	for (unsigned i = 0; i < sh->socks; i++) {
		socklen_t len = endpoint_to_sockaddr(&sh->pair.path[i].twin, &ss);
		copy.path = (uint8_t)i;
		size_t n = beat_write(&copy, sh->key, buf, sizeof buf);
		/* Once more: the error may be of an earlier one.  A path that is down refuses; its silence is noticed there. */
		for (int tries = 0; n && tries < 2; tries++)
			if (sendto(sh->sock[i], buf, n, MSG_DONTWAIT, (struct sockaddr *)&ss, len) >= 0)
				break;
	}
}
