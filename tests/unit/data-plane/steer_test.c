// SPDX-License-Identifier: Apache-2.0
/* The steering program says what dp_steer says: run by a small machine for the instructions it
 * uses. */
#include <check.h>

#include "fixture.h"
#include "lib/unit.h"
#include "steer.h"

static unsigned
run(const struct sock_filter *f, unsigned n, const uint8_t *p, size_t len)
{
	uint32_t a = 0;

	for (unsigned pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];
		switch (i->code) {
		case BPF_LD | BPF_H | BPF_ABS:
			if (i->k + 2 > len)
				return 0;
			a = get_u16(p + i->k);
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_ALU | BPF_MOD | BPF_K:
			a %= i->k;
			break;
		case BPF_RET | BPF_A:
			return a;
		default:
			ck_abort_msg("an instruction that nobody uses");
		}
	}
	ck_abort_msg("no return");
	return 0;
}

START_TEST(data_by_session_and_control_by_tunnel)
{
	uint8_t p[64];
	struct sock_filter f[STEER_MAX];
	unsigned n = steer_program(4, f);

	fx_l2tp(p, 0, 6, 9, 0, 0, 0);
	ck_assert_uint_eq(dp_steer(p, 6, 4), 1);
	ck_assert_uint_eq(run(f, n, p, 6), 1);
	fx_l2tp(p, L_BIT | S_BIT, 6, 11, 0, 0, 0);
	ck_assert_uint_eq(dp_steer(p, 12, 4), 3);
	ck_assert_uint_eq(run(f, n, p, 12), 3);
	put_u16(p, 0xc802);
	ck_assert_uint_eq(dp_steer(p, 12, 4), 2);
	ck_assert_uint_eq(run(f, n, p, 12), 2);
}
END_TEST

START_TEST(both_agree_on_any_octets)
{
	uint64_t x = 88172645463325252u;

	for (unsigned round = 0; round < 100000; round++) {
		uint8_t p[16];
		struct sock_filter f[STEER_MAX];
		unsigned workers = 1 + round % 48, n = steer_program(workers, f);
		for (unsigned i = 0; i < 16; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			p[i] = (uint8_t)x;
		}
		size_t len = x >> 32 & 15;
		ck_assert_uint_eq(dp_steer(p, len, workers), run(f, n, p, len));
	}
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, data_by_session_and_control_by_tunnel);
	tcase_add_test(t, both_agree_on_any_octets);
}

UNIT_MAIN("steer", add)
