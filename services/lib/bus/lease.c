// SPDX-License-Identifier: Apache-2.0
/* See lease.h. */
#include "bus/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct lease_page {
	_Atomic uint64_t epoch;
	_Atomic int64_t until;
	_Atomic int64_t coming;
};

static struct lease_page *
map(const char *run_dir, int flags, int protection)
{
	char path[256];
	void *p = MAP_FAILED;
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "%s/lease", run_dir);
	fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		return NULL;
	/* A page that is too short would end its reader. */
	if ((!(flags & O_CREAT) || ftruncate(fd, sizeof(struct lease_page)) == 0) && fstat(fd, &st) == 0 &&
	    st.st_size >= (off_t)sizeof(struct lease_page))
		p = mmap(NULL, sizeof(struct lease_page), protection, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

/* A page of a disk's file is the kernel's while it is written back, and its writer waits: not for a lease. */
static bool
is_memory(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) == 0 && (fs.f_type == 0x01021994 /* tmpfs */ || fs.f_type == 0x858458f6L /* ramfs */);
}

struct lease_page *
lease_create(const char *run_dir)
{
	char path[256];
	struct lease_page *l;

	if (!is_memory(run_dir)) {
		snprintf(path, sizeof path, "%s/lease", run_dir);
		unlink(path);
		errno = ENOTSUP;
		return NULL;
	}
	l = map(run_dir, O_RDWR | O_CREAT, PROT_READ | PROT_WRITE);

	if (l) {
		lease_write(l, 0, 0);
		lease_coming(l, 0);
	}
	return l;
}

struct lease_page *
lease_open(const char *run_dir)
{
	return map(run_dir, O_RDONLY, PROT_READ);
}

void
lease_close(struct lease_page *l)
{
	if (l)
		munmap(l, sizeof *l);
}

void
lease_write(struct lease_page *l, uint64_t epoch, mono_t until)
{
	if (atomic_load(&l->epoch) != epoch) {
		atomic_store(&l->until, 0);
		atomic_store(&l->epoch, epoch);
	}
	atomic_store(&l->until, until);
}

mono_t
lease_read(const struct lease_page *page, uint64_t epoch)
{
	struct lease_page *l = (struct lease_page *)(uintptr_t)page; /* C11 loads want it so */
	const int64_t before = atomic_load_explicit(&l->until, memory_order_acquire);
	const bool ours = atomic_load_explicit(&l->epoch, memory_order_acquire) == epoch;
	const int64_t after = atomic_load_explicit(&l->until, memory_order_acquire);

	/* Renewed in between: the earlier end is good as well.  Another epoch in between: it has been 0. */
	return ours ? (before < after ? before : after) : 0;
}

void
lease_coming(struct lease_page *l, mono_t until)
{
	atomic_store(&l->coming, until);
}

mono_t
lease_coming_read(const struct lease_page *page)
{
	struct lease_page *l = (struct lease_page *)(uintptr_t)page;

	return atomic_load_explicit(&l->coming, memory_order_relaxed);
}
