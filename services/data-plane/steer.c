// SPDX-License-Identifier: Apache-2.0
/* See steer.h.  The program sees the UDP payload at offset 0. */
#include "steer.h"

#include <string.h>

#include "dp.h"
#include "l2tp/l2tp.h"

/*
 *        flags = half word at 0
 *        if T:  id = tunnel:   at 4 with L, else at 2
 *        else:  id = session:  at 6 with L, else at 4
 *        answer id modulo workers
 *
 * A datagram too short to load from ends the program with 0: the first worker drops it.
 */
unsigned
steer_program(unsigned workers, struct sock_filter out[STEER_MAX])
{
	const struct sock_filter program[] = {
		/* 0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		/* 1 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, L2TP_BIT_T, 0, 4),
		/* 2 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, L2TP_BIT_L, 0, 1),
		/* 3 */ BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0), /* T and L: 4 */
		/* 4 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
		/* 5 */ BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0),
		/* 6 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, L2TP_BIT_L, 0, 1),
		/* 7 */ BPF_JUMP(BPF_JMP | BPF_JA, 2, 0, 0), /* data with L: 6 */
		/* 8 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		/* 9 */ BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		/* 10 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
		/* 11 */ BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		/* 12 */ BPF_STMT(BPF_RET | BPF_A, 0),
	};

	memcpy(out, program, sizeof program);
	return sizeof program / sizeof program[0];
}

unsigned
dp_steer(const uint8_t *p, size_t len, unsigned workers)
{
	uint16_t bits = len >= 2 ? get_u16(p) : 0;
	size_t at = (bits & L2TP_BIT_T ? 2 : 4) + (bits & L2TP_BIT_L ? 2 : 0);

	return len >= at + 2 ? get_u16(p + at) % workers : 0;
}
