// SPDX-License-Identifier: Apache-2.0
/* A lock of the kernel's on a file of its own, which is never removed: who removed it would lock another one. */
#include "bus/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define LOOK_MS 2

int
claim_take(const char *run_dir, const char *name, unsigned wait_ms)
{
	char path[512];
	int fd;

	if (snprintf(path, sizeof path, "%s/%s.lock", run_dir, name) >= (int)sizeof path)
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOOK_MS) {
		const int err = errno == EWOULDBLOCK ? EBUSY : errno;
		if (err != EBUSY || waited >= wait_ms) {
			close(fd);
			return -err;
		}
		poll(NULL, 0, LOOK_MS);
	}
	return fd;
}
