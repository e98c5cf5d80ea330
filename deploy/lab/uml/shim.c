// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into a User Mode Linux kernel.  Its buffer for a process's extended registers is smaller than
 * those of CPUs with AMX, and the host's kernel takes and gives only the whole set: the guest would panic
 * at once.  Here ptrace reads and writes the whole set, and shows UML as much of it as UML has room for.
 * Harmless on other CPUs.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE 0x202 /* NT_X86_XSTATE */
#define WHOLE 32768  /* AMX state is 8 KiB; more than any CPU has today */

static long
kernel_ptrace(long request, long pid, void *addr, void *data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

/* Reads the whole set, then gives `theirs` its part, or puts their part in and writes the whole. */
static long
xstate(int request, long pid, struct iovec *theirs)
{
	static unsigned char whole[WHOLE] __attribute__((aligned(64)));
	struct iovec ours = { whole, sizeof whole };
	long rc = kernel_ptrace(PTRACE_GETREGSET, pid, (void *)XSTATE, &ours);

	if (rc < 0)
		return rc;
	size_t n = ours.iov_len < theirs->iov_len ? ours.iov_len : theirs->iov_len;
	if (request == PTRACE_SETREGSET) {
		memcpy(whole, theirs->iov_base, n);
		return kernel_ptrace(PTRACE_SETREGSET, pid, (void *)XSTATE, &ours);
	}
	memcpy(theirs->iov_base, whole, n);
	theirs->iov_len = n;
	return 0;
}

long
ptrace(enum __ptrace_request request, ...)
{
	va_list ap;
	long word = 0;

	va_start(ap, request);
	long pid = va_arg(ap, int);
	void *addr = va_arg(ap, void *), *data = va_arg(ap, void *);
	va_end(ap);
	if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) && (long)addr == XSTATE)
		return xstate(request, pid, data);
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		long rc = kernel_ptrace(request, pid, addr, &word); /* the system call stores the word */
		return rc < 0 ? rc : word;
	}
	return kernel_ptrace(request, pid, addr, data);
}
