// SPDX-License-Identifier: Apache-2.0
/* See pair.h. */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
concrete(const struct endpoint *e)
{
	static const uint8_t zero[16];

	return e->addr.family && memcmp(e->addr.b, zero, sizeof zero) != 0;
}

/* 0 when neither comes first, because one of them is a wildcard or they are the same. */
static int
compare(const struct endpoint *us, const struct endpoint *twin)
{
	int c;

	if (!concrete(us) || !concrete(twin))
		return 0;
	c = memcmp(&us->addr, &twin->addr, sizeof us->addr);
	return c ? c : (int)us->port - (int)twin->port;
}

int
pair_side(const struct conf_pair *p)
{
	int c = compare(&p->mirror_listen, &p->mirror_twin);

	for (unsigned i = 0; c == 0 && i < p->paths && i < CONF_PATHS; i++)
		c = compare(&p->path[i].local, &p->path[i].twin);
	return c > 0;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
pair_secret_read(const char *file, uint8_t secret[32], char *error, size_t error_len)
{
	char text[65] = "";
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, 64);
	bool ok = n == 64;

	if (!ok)
		snprintf(error, error_len, "%s: %s", file,
			 n < 0 ? strerror(errno) : "64 hexadecimal digits are expected");
	if (fd >= 0)
		close(fd);
	for (int i = 0; i < 32 && ok; i++) {
		int hi = hex(text[2 * i]), lo = hex(text[2 * i + 1]);
		ok = hi >= 0 && lo >= 0;
		secret[i] = (uint8_t)(hi << 4 | lo);
		if (!ok)
			snprintf(error, error_len, "%s: 64 hexadecimal digits are expected", file);
	}
	explicit_bzero(text, sizeof text);
	return ok;
}
