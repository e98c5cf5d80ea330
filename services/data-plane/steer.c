// SPDX-License-Identifier: Apache-2.0
/* See steer.h. */
#include "steer.h"

#include <string.h>

#include "dp.h"
#include "l2tp/l2tp.h"

#define L2TP3_CONTROL_OVER_IP 16 /* session id 0, and the header of a control message */
#define TAKE 0xffffffff

/*
 * The program sees the UDP payload at offset 0.
 *
 *        flags = half word at 0
 *        if Ver is 3:  id = lower half of the connection or session id, at 6
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
		/* 1 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
		/* 2 */ BPF_STMT(BPF_ALU | BPF_AND | BPF_K, L2TP_VERSION),
		/* 3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, 10, 0), /* version 3: 14 */
		/* 4 */ BPF_STMT(BPF_MISC | BPF_TXA, 0),
		/* 5 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, L2TP_BIT_T, 0, 4),
		/* 6 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, L2TP_BIT_L, 0, 1),
		/* 7 */ BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0), /* T and L: 12 */
		/* 8 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
		/* 9 */ BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0),
		/* 10 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, L2TP_BIT_L, 0, 1),
		/* 11 */ BPF_JUMP(BPF_JMP | BPF_JA, 2, 0, 0), /* data with L: 14 */
		/* 12 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		/* 13 */ BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		/* 14 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
		/* 15 */ BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		/* 16 */ BPF_STMT(BPF_RET | BPF_A, 0),
	};

	memcpy(out, program, sizeof program);
	return sizeof program / sizeof program[0];
}

unsigned
dp_steer(const uint8_t *p, size_t len, unsigned workers)
{
	uint16_t bits = len >= 2 ? get_u16(p) : 0;
	size_t at = (bits & L2TP_BIT_T ? 2 : 4) + (bits & L2TP_BIT_L ? 2 : 0);

	if ((bits & L2TP_VERSION) == 3)
		at = 6;
	return len >= at + 2 ? get_u16(p + at) % workers : 0;
}

/* ---- straight over IP --------------------------------------------------------------------------- */

struct program {
	struct sock_filter *out;
	unsigned n;
};

static void
put(struct program *f, struct sock_filter one)
{
	f->out[f->n++] = one;
}

static void
put_verdict(struct program *f, const struct steer_ip *s, unsigned worker)
{
	const bool take = worker == DP_WORKERS_ALL || worker == s->worker;

	put(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, take ? TAKE : 0));
}

/* IPv4's raw sockets see the IP header at offset 0; those of IPv6 what is behind it. */
static void
put_pair(struct program *f, const struct steer_ip *s, const struct dp_pair *pair)
{
	const unsigned words = s->v6 ? 4 : 1;
	const uint8_t *addr = pair->peer.b + (s->v6 ? 0 : 12);

	for (unsigned i = 0; i < words; i++) {
		const uint8_t other = (uint8_t)(2 * (words - i) - 1); /* behind this pair's verdict */
		put(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						    s->v6 ? (uint32_t)SKF_NET_OFF + 8 + 4 * i : 12));
		put(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, get_u32(addr + 4 * i), 0, other));
	}
	put_verdict(f, s, pair->worker);
}

/* L2TPv3: the session id's lower half, or for control (session id 0) that of the connection's id. */
static void
put_l2tp3(struct program *f, const struct steer_ip *s)
{
	const struct sock_filter program[] = {
		/* 0 */ s->v6 ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0)
			      : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		/* 1 */ BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		/* 2 */ BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		/* 3 */ BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 4, 0, 9),
		/* 4 */ BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
		/* 5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
		/* 6 */ BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffff),
		/* 7 */ BPF_JUMP(BPF_JMP | BPF_JA, 6, 0, 0),
		/* 8 */ BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		/* 9 */ BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		/* 10 */ BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, L2TP3_CONTROL_OVER_IP, 0, 2),
		/* 11 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 10),
		/* 12 */ BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		/* 13 */ BPF_STMT(BPF_LD | BPF_IMM, 0), /* too short: the first worker drops it */
		/* 14 */ BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, s->workers),
		/* 15 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, s->worker, 0, 1),
		/* 16 */ BPF_STMT(BPF_RET | BPF_K, TAKE),
		/* 17 */ BPF_STMT(BPF_RET | BPF_K, 0),
	};

	memcpy(f->out + f->n, program, sizeof program);
	f->n += sizeof program / sizeof program[0];
}

unsigned
steer_ip_program(const struct steer_ip *s, struct sock_filter out[STEER_IP_MAX])
{
	struct program f = { out, 0 };

	if (s->pairs > DP_PAIRS) {
		put_verdict(&f, s, DP_WORKERS_ALL);
		return f.n;
	}
	for (unsigned i = 0; i < s->pairs; i++)
		put_pair(&f, s, &s->pair[i]);
	if (s->l2tp3)
		put_l2tp3(&f, s);
	else
		put_verdict(&f, s, 0);
	return f.n;
}

unsigned
dp_steer_ip(const struct dp_addr *peer, const uint8_t *p, size_t len, bool l2tp3,
	    const struct dp_pair *pair, unsigned pairs, unsigned workers)
{
	if (pairs > DP_PAIRS)
		return DP_WORKERS_ALL;
	for (unsigned i = 0; i < pairs; i++) {
		if (dp_addr_eq(&pair[i].peer, peer))
			return pair[i].worker;
	}
	if (!l2tp3 || len < 4)
		return 0;
	if (get_u32(p) != 0)
		return get_u16(p + 2) % workers;
	return len >= L2TP3_CONTROL_OVER_IP ? get_u16(p + 10) % workers : 0;
}
