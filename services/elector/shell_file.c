// SPDX-License-Identifier: Apache-2.0
/*
 * RUN/role.state: what the next elector of this machine needs to go on as this one, written after every
 * step.  One pwrite of one page: a killed process leaves the old octets or the new ones, and the sum says so.
 * It is of one boot of the machine: the clock it uses begins anew with each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/log.h"
#include "shell.h"

#define FILE_MAGIC 0x5457524f4c450002ull

struct image {
	uint64_t magic;
	char machine_boot[40], node[CONF_NAME];
	struct elect_saved saved;
	uint64_t sum;
};

static uint64_t
sum_of(const struct image *im)
{
	const uint8_t *p = (const uint8_t *)im;
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < offsetof(struct image, sum); i++)
		h = (h ^ p[i]) * 1099511628211ull;
	return h;
}

static void
machine_boot(char out[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, 36);

	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static void
image_begin(const struct shell *sh, struct image *im)
{
	memset(im, 0, sizeof *im);
	im->magic = FILE_MAGIC;
	machine_boot(im->machine_boot);
	snprintf(im->node, sizeof im->node, "%s", sh->node.name);
}

/* It is written with every heartbeat: a disk that is busy would make them late. */
static void
expect_memory(const struct shell *sh)
{
	struct statfs fs;

	if (sh->pair.enabled && fstatfs(sh->state_fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		log_line(NOTE_WARN, "the run directory is on a disk: heartbeats wait when it is busy path=%s", sh->node.run_dir);
}

bool
file_shell_open(struct shell *sh, struct elect_saved *saved, bool *found)
{
	char path[sizeof sh->node.run_dir + 32];
	struct image mine, was;

	*found = false;
	snprintf(path, sizeof path, "%s/role.state", sh->node.run_dir);
	sh->state_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (sh->state_fd < 0)
		return false;
	expect_memory(sh);
	/* One elector a node: the other one is alive, or dying this very moment. */
	for (int i = 0; flock(sh->state_fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == 100)
			return false;
		usleep(1000);
	}
	image_begin(sh, &mine);
	if (pread(sh->state_fd, &was, sizeof was, 0) != sizeof was || was.sum != sum_of(&was) ||
	    was.magic != mine.magic || memcmp(was.machine_boot, mine.machine_boot, sizeof was.machine_boot) != 0 ||
	    memcmp(was.node, mine.node, sizeof was.node) != 0)
		return true;
	*saved = was.saved;
	*found = true;
	return true;
}

void
file_shell_save(struct shell *sh)
{
	static struct image im;
	static bool failed;

	if (!im.magic)
		image_begin(sh, &im);
	elect_saved_take(&sh->core, &im.saved);
	im.sum = sum_of(&im);
	if (pwrite(sh->state_fd, &im, sizeof im, 0) == sizeof im) {
		failed = false;
	} else if (!failed) {
		failed = true;
		log_line(NOTE_ERROR, "role file cannot be written reason=%s", strerror(errno));
	}
}
