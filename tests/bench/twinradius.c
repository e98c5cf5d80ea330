// SPDX-License-Identifier: Apache-2.0
/*
 * A RADIUS server that says yes to everybody, for load tests only: the same one answers whichever
 * network server is measured, so that its cost cancels out.  RFC 2865 and 2866; it signs its answers
 * and adds a Message-Authenticator (RFC 2869, 5.14) where the request had one.
 *
 *   twinradius ADDRESS SECRET        ports 1812 and 1813
 */
#include "wire/wire.h"

#include <arpa/inet.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define BATCH 64

static const char *secret;
static volatile sig_atomic_t stop;

static void
on_signal(int n)
{
	stop = n;
}

static int
listen_on(const char *addr, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), big = 8 << 20;

	if (fd < 0 || inet_pton(AF_INET, addr, &sa.sin_addr) != 1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		return -1;
	return fd;
}

/* Attribute 80 somewhere in the request? */
static int
signed_request(const uint8_t *p, size_t len)
{
	for (size_t at = 20; at + 2 <= len && p[at + 1] >= 2; at += p[at + 1])
		if (p[at] == 80)
			return 1;
	return 0;
}

static size_t
answer(const uint8_t *q, size_t len, uint8_t *a)
{
	size_t n = 20, k = strlen(secret);
	uint8_t code = q[0] == 1 ? 2 : q[0] == 4 ? 5 : 0;
	unsigned hl = 16;
	MD5_CTX c;

	if (len < 20 || get_u16(q + 2) > len || !code)
		return 0;
	len = get_u16(q + 2);
	a[0] = code;
	a[1] = q[1];
	memcpy(a + 4, q + 4, 16);
	if (code == 2) {
		static const uint8_t framed[] = { 6, 6, 0, 0, 0, 2, 7, 6, 0, 0, 0, 1 }; /* Service-Type Framed, Framed-Protocol PPP */
		memcpy(a + n, framed, sizeof framed);
		n += sizeof framed;
		if (signed_request(q, len)) {
			memset(a + n, 0, 18);
			a[n] = 80;
			a[n + 1] = 18;
			n += 18;
		}
	}
	put_u16(a + 2, (uint16_t)n);
	if (code == 2 && signed_request(q, len))
		HMAC(EVP_md5(), secret, (int)k, a, n, a + n - 16, &hl);
	MD5_Init(&c);
	MD5_Update(&c, a, n);
	MD5_Update(&c, secret, k);
	MD5_Final(a + 4, &c);
	return n;
}

static void
serve(int fd)
{
	static uint8_t in[BATCH][4096], out[BATCH][256];
	struct sockaddr_in from[BATCH];
	struct mmsghdr r[BATCH], s[BATCH];
	struct iovec ri[BATCH], si[BATCH];
	int n, k = 0;

	for (int i = 0; i < BATCH; i++) {
		ri[i] = (struct iovec){ in[i], sizeof in[i] };
		r[i] = (struct mmsghdr){ .msg_hdr = { &from[i], sizeof from[i], &ri[i], 1, NULL, 0, 0 } };
	}
	n = recvmmsg(fd, r, BATCH, 0, NULL);
	for (int i = 0; i < n; i++) {
		size_t len = answer(in[i], r[i].msg_len, out[k]);
		if (!len)
			continue;
		si[k] = (struct iovec){ out[k], len };
		s[k] = (struct mmsghdr){ .msg_hdr = { &from[i], sizeof from[i], &si[k], 1, NULL, 0, 0 } };
		k++;
	}
	if (k)
		sendmmsg(fd, s, (unsigned)k, 0);
}

int
main(int argc, char **argv)
{
	struct pollfd p[2];

	if (argc != 3) {
		fprintf(stderr, "usage: twinradius ADDRESS SECRET\n");
		return 2;
	}
	secret = argv[2];
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	for (int i = 0; i < 2; i++) {
		p[i] = (struct pollfd){ listen_on(argv[1], (uint16_t)(1812 + i)), POLLIN, 0 };
		if (p[i].fd < 0) {
			perror("twinradius: bind");
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (!stop)
		if (poll(p, 2, 1000) > 0)
			for (int i = 0; i < 2; i++)
				if (p[i].revents & POLLIN)
					serve(p[i].fd);
	return 0;
}
