// SPDX-License-Identifier: Apache-2.0
/*
 * The RADIUS sockets: connected, so that only the server's own address is heard; opened when a request
 * needs them; read in batches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "shell.h"

#define READ_BATCH 32

static void
hand_in(struct radius_sock *s, struct span d)
{
	struct shell *sh = s->sh;

	aaa_desk_input(sh->desk, s->kind, s->server, s->socket, d, shell_time(sh).wall, loop_now(sh->loop));
}

static void
on_readable(void *arg, int fd, unsigned events)
{
	static uint8_t b[READ_BATCH][RAD_MAX + 1];
	struct radius_sock *s = arg;
	struct mmsghdr m[READ_BATCH];
	struct iovec v[READ_BATCH];
	int n;

	for (int i = 0; i < READ_BATCH; i++) {
		v[i] = (struct iovec){ b[i], sizeof b[i] };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
	}
	n = recvmmsg(fd, m, READ_BATCH, MSG_DONTWAIT, NULL);
	/* ECONNREFUSED and its like: an ICMP message said so.  The request's own timeout decides. */
	for (int i = 0; i < n; i++)
		hand_in(s, span_of(b[i], m[i].msg_len));
}

static struct radius_sock *
sock_open(struct shell *sh, enum desk_kind kind, unsigned server, unsigned socket_no)
{
	const struct conf_radius_server *c = &sh->conf->aaa.server[server];
	struct endpoint e = { c->addr, kind == DESK_AUTH ? c->auth_port : c->acct_port };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&e, &sa);
	struct radius_sock *s = calloc(1, sizeof *s);
	int octets = 1 << 20;

	if (!s)
		return NULL;
	*s = (struct radius_sock){ .sh = sh, .kind = kind, .server = server, .socket = socket_no };
	s->fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		goto no;
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
	if (connect(s->fd, (struct sockaddr *)&sa, len) < 0)
		goto no;
	s->watch = loop_fd_add(sh->loop, s->fd, LOOP_READ, on_readable, s);
	if (!s->watch)
		goto no;
	return s;
no:
	log_line(NOTE_WARN, "no socket to RADIUS server=%u error=%s", server, strerror(errno));
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return NULL;
}

void
radius_shell_send(void *arg, enum desk_kind kind, unsigned server, unsigned socket_no, struct span d)
{
	struct shell *sh = arg;
	struct radius_sock **s = &sh->sock[kind][server][socket_no];

	if (!owner_may_send(sh->owner))
		return; /* not this node's any more, or not at this moment: the request's timeout decides */
	if (!*s)
		*s = sock_open(sh, kind, server, socket_no);
	if (!*s) {
		sh->v[SHELL_RADIUS_NO_SOCKET]++;
		return;
	}
	if (send((*s)->fd, d.p, d.len, MSG_DONTWAIT) < 0)
		sh->v[SHELL_RADIUS_SEND_FAILED]++;
}

void
radius_shell_close(struct shell *sh)
{
	struct radius_sock **s = &sh->sock[0][0][0];

	for (size_t i = 0; i < sizeof sh->sock / sizeof *s; i++) {
		if (!s[i])
			continue;
		loop_fd_remove(s[i]->watch);
		close(s[i]->fd);
		free(s[i]);
		s[i] = NULL;
	}
}

#define ROWS(KIND, WHAT) \
	{ \
		{ "RADIUS_" KIND "_REQUESTS", WHAT " requests accepted for sending" }, \
		    { "RADIUS_" KIND "_RETRANSMITS", WHAT " requests sent again to the same server" }, \
		    { "RADIUS_" KIND "_ANSWERS", WHAT " requests answered" }, \
		    { "RADIUS_" KIND "_UNANSWERED", WHAT " requests that no server answered" }, \
		    { "RADIUS_" KIND "_FAILOVERS", WHAT " requests that went on to another server" }, \
		    { "RADIUS_" KIND "_REFUSED", WHAT " requests refused: too many wait" }, \
		    { "RADIUS_" KIND "_DEAD", "times an " WHAT " server was given up as dead" }, \
		    { "RADIUS_" KIND "_BAD_PACKET", "answers that were malformed" }, \
		    { "RADIUS_" KIND "_BAD_CODE", "answers with a code that does not answer our request" }, \
		    { "RADIUS_" KIND "_BAD_AUTHENTICATOR", "answers whose Response Authenticator is wrong (shared secret?)" }, \
		    { "RADIUS_" KIND "_BAD_MESSAGE_AUTH", "answers whose Message-Authenticator is wrong" }, \
		    { "RADIUS_" KIND "_UNEXPECTED", "answers that match no request (late, or twice)" }, \
	}

static const struct counter_info infos[2][RADIUS_COUNTERS] = { ROWS("AUTH", "authentication"), ROWS("ACCT", "accounting") };

/* The order of the rows above is the order of the struct's fields. */
_Static_assert(sizeof(struct rclient_counts) == RADIUS_COUNTERS * sizeof(uint64_t), "a row per field");

void
radius_shell_counts(struct shell *sh)
{
	for (int k = 0; k < 2; k++) {
		struct rclient_counts c = aaa_desk_counts(sh->desk, (enum desk_kind)k);

		memcpy(sh->radius_v[k], &c, sizeof c);
	}
}

void
radius_shell_start(struct shell *sh)
{
	for (int k = 0; k < 2; k++)
		sh->sets[3 + k] = (struct counters){ infos[k], sh->radius_v[k], RADIUS_COUNTERS };
}
