// SPDX-License-Identifier: Apache-2.0
/*
 * Which worker reads a datagram: control by tunnel id, data by session id, modulo the number of
 * workers (docs/decisions/0005-shared-sockets.md).  The same sum twice: as a classic BPF program
 * for the kernel's SO_REUSEPORT group, and as dp_steer() for ourselves and the tests.
 */
#ifndef TWIN_STEER_H
#define TWIN_STEER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define STEER_MAX 16

/* Writes the program; returns its length in instructions. */
unsigned steer_program(unsigned workers, struct sock_filter out[STEER_MAX]);

#endif
