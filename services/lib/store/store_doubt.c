// SPDX-License-Identifier: Apache-2.0
/*
 * A writer that dies in the middle of its store leaves word of it, so that its next life does not die there again.
 *
 * LMDB checks little of what it reads.  A page that changes under it makes it stop with an assertion of its own, or follow
 * a pointer to nowhere; the next process might, too, and the one after it.  The file DIR/doubt takes one letter for each:
 *
 *   A  LMDB found its own structures contradictory: the store is damaged, there is nothing to look at
 *   S  SIGSEGV or SIGBUS, which may be anything: at the third time within a minute a store is set aside, although it looks
 *      whole (store_check.c)
 *
 * One writer a process: the handlers know one directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/store_impl.h"

#define TIMES 3
#define OLD_S 60

static char doubt_path[512];

static void
leave_word(char letter)
{
	int fd = doubt_path[0] ? open(doubt_path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640) : -1;

	if (fd < 0 || write(fd, &letter, 1) < 0)
		return; /* no disk, no word: the next life finds out for itself */
	close(fd);
}

static void
on_assert(MDB_env *env, const char *text)
{
	leave_word('A'); /* LMDB aborts after this */
}

#ifndef __SANITIZE_ADDRESS__
/* The handler is gone when it runs (SA_RESETHAND): returning repeats the fault, and that one kills. */
static void
on_fault(int number)
{
	int before = errno;

	leave_word('S');
	errno = before;
}

static void
watch_faults(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS };

	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++)
		sigaction(faults[i], &(struct sigaction){ .sa_handler = on_fault, .sa_flags = SA_RESETHAND }, NULL);
}
#else /* the sanitizer has a word of its own */
static void
watch_faults(void)
{
}
#endif

bool
store_doubt_damaged(const char *dir)
{
	char path[sizeof doubt_path], letters[16];
	struct stat st;
	int fd;
	ssize_t n;

	if (snprintf(path, sizeof path, "%s/doubt", dir) >= (int)sizeof path)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	n = fstat(fd, &st) == 0 ? read(fd, letters, sizeof letters) : 0;
	close(fd);
	if (n > 0 && memchr(letters, 'A', (size_t)n))
		return true;
	if (time(NULL) - st.st_mtime > OLD_S)
		unlink(path);
	return n >= TIMES;
}

void
store_doubt_watch(const char *dir, MDB_env *env)
{
	if (snprintf(doubt_path, sizeof doubt_path, "%s/doubt", dir) >= (int)sizeof doubt_path)
		doubt_path[0] = '\0';
	mdb_env_set_assert(env, on_assert);
	watch_faults();
}

void
store_doubt_over(const char *dir)
{
	char path[sizeof doubt_path];

	if (snprintf(path, sizeof path, "%s/doubt", dir) < (int)sizeof path)
		unlink(path);
}
