// SPDX-License-Identifier: Apache-2.0
/* The steering program says what dp_steer says: run by a small machine for the instructions it
 * uses. */
#include <check.h>
#include <stdio.h>

#include "fixture.h"
#include "lib/unit.h"
#include "steer.h"

/* What the kernel shows a program: octets from `p` on; the network header is `net` before them. */
struct seen {
	const uint8_t *p;
	size_t len, net;
};

static bool
load(const struct seen *k, uint32_t at, unsigned octets, uint32_t *a)
{
	const uint8_t *p = k->p;
	size_t len = k->len;

	if (at >= (uint32_t)SKF_NET_OFF && at < (uint32_t)SKF_NET_OFF + 256) {
		p -= k->net;
		len += k->net;
		at -= (uint32_t)SKF_NET_OFF;
	}
	if ((uint64_t)at + octets > len)
		return false;
	*a = octets == 4 ? get_u32(p + at) : octets == 2 ? get_u16(p + at) : p[at];
	return true;
}

static uint32_t
run_on(const struct sock_filter *f, unsigned n, struct seen k)
{
	uint32_t a = 0, x = 0;

	for (unsigned pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];
		switch (i->code) {
		case BPF_LD | BPF_H | BPF_ABS:
		case BPF_LD | BPF_W | BPF_ABS:
			if (!load(&k, i->k, i->code & BPF_H ? 2 : 4, &a))
				return 0;
			break;
		case BPF_LD | BPF_H | BPF_IND:
		case BPF_LD | BPF_W | BPF_IND:
			if (!load(&k, x + i->k, i->code & BPF_H ? 2 : 4, &a))
				return 0;
			break;
		case BPF_LD | BPF_W | BPF_LEN:
			a = (uint32_t)k.len;
			break;
		case BPF_LD | BPF_IMM:
			a = i->k;
			break;
		case BPF_LDX | BPF_IMM:
			x = i->k;
			break;
		case BPF_LDX | BPF_B | BPF_MSH:
			if (!load(&k, i->k, 1, &x))
				return 0;
			x = 4 * (x & 15);
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_MISC | BPF_TXA:
			a = x;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_ALU | BPF_MOD | BPF_K:
			a %= i->k;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_ALU | BPF_SUB | BPF_X:
			a -= x;
			break;
		case BPF_RET | BPF_A:
			return a;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			ck_abort_msg("an instruction that nobody uses");
		}
	}
	ck_abort_msg("no return");
	return 0;
}

static unsigned
run(const struct sock_filter *f, unsigned n, const uint8_t *p, size_t len)
{
	return run_on(f, n, (struct seen){ p, len, 0 });
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

START_TEST(l2tpv3_by_the_lower_half_of_its_id)
{
	static const uint8_t data[] = { 0, 3, 0, 0, 0, 9, 0, 6, 0xaa }, control[] = { 0xc8, 3, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0 };
	struct sock_filter f[STEER_MAX];
	unsigned n = steer_program(4, f);

	ck_assert_uint_eq(dp_steer(data, sizeof data, 4), 2);
	ck_assert_uint_eq(run(f, n, data, sizeof data), 2);
	ck_assert_uint_eq(dp_steer(control, sizeof control, 4), 3);
	ck_assert_uint_eq(run(f, n, control, sizeof control), 3);
}
END_TEST

static uint64_t x = 88172645463325252u;

static uint64_t
any(void)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

START_TEST(both_agree_on_any_octets)
{

	for (unsigned round = 0; round < 100000; round++) {
		uint8_t p[16];
		struct sock_filter f[STEER_MAX];
		unsigned workers = 1 + round % 48, n = steer_program(workers, f);
		for (unsigned i = 0; i < 16; i++) {
			p[i] = (uint8_t)any();
		}
		if (round & 1)
			p[1] = (uint8_t)((p[1] & 0xf0) | 3);
		size_t len = x >> 32 & 15;
		ck_assert_uint_eq(dp_steer(p, len, workers), run(f, n, p, len));
	}
}
END_TEST

/* ---- straight over IP: one filter a worker -------------------------------------------------- */

static struct dp_addr
peer_of(bool v6, unsigned n)
{
	char text[64];

	snprintf(text, sizeof text, v6 ? "2001:db8::%x" : "198.51.100.%u", n);
	struct ip_addr a = fx_ip(text);
	return dp_addr_of(&a);
}

/* An IP header from `from`, `options` words of options, and `len` octets; answers where those begin. */
static uint8_t *
packet(uint8_t *p, bool v6, const struct dp_addr *from, unsigned options, const uint8_t *octets, size_t len)
{
	const size_t head = v6 ? 40 : 20 + 4 * options;

	memset(p, 0, head);
	p[0] = v6 ? 0x60 : (uint8_t)(0x45 + options);
	memcpy(p + (v6 ? 8 : 12), from->b + (v6 ? 0 : 12), v6 ? 16 : 4);
	memcpy(p + head, octets, len);
	return p + head;
}

/* Every worker's filter on one packet: who takes it?  One, or all. */
static unsigned
takers(struct steer_ip s, const struct dp_addr *from, unsigned options, const uint8_t *octets, size_t len)
{
	static struct sock_filter f[STEER_IP_MAX];
	uint8_t p[128];
	const uint8_t *body = packet(p, s.v6, from, options, octets, len);
	unsigned taken = 0, who = s.workers;

	for (s.worker = 0; s.worker < s.workers; s.worker++) {
		const unsigned n = steer_ip_program(&s, f);
		ck_assert_uint_le(n, STEER_IP_MAX);
		const struct seen k = s.v6 ? (struct seen){ body, len, 40 }
					   : (struct seen){ p, (size_t)(body - p) + len, 0 };
		if (run_on(f, n, k)) {
			taken++;
			who = s.worker;
		}
	}
	ck_assert(taken == 1 || taken == s.workers);
	return taken == 1 ? who : DP_WORKERS_ALL;
}

START_TEST(each_packet_over_ip_has_its_worker)
{
	static struct dp_pair pair[DP_PAIRS];
	uint8_t octets[32];

	for (unsigned round = 0; round < 4000; round++) {
		struct steer_ip s = { .v6 = any() & 1, .l2tp3 = any() & 3, .workers = 2 + (unsigned)any() % 7, .pair = pair };
		s.pairs = (unsigned)any() % 5;
		for (unsigned i = 0; i < s.pairs; i++) {
			pair[i].peer = peer_of(s.v6, i + 1);
			pair[i].worker = any() & 3 ? (uint16_t)(any() % s.workers) : DP_WORKERS_ALL;
		}
		const struct dp_addr from = peer_of(s.v6, 1 + (unsigned)any() % 6);
		for (unsigned i = 0; i < sizeof octets; i++)
			octets[i] = (uint8_t)any();
		if (any() & 1)
			memset(octets, 0, 4);
		const size_t len = any() % sizeof octets;
		ck_assert_uint_eq(takers(s, &from, (unsigned)any() % 11, octets, len),
				  dp_steer_ip(&from, octets, len, s.l2tp3, pair, s.pairs, s.workers));
	}
}
END_TEST

START_TEST(over_ip_as_over_udp)
{
	const uint8_t data[] = { 0, 9, 0, 6, 0xaa }, control[] = { 0, 0, 0, 0, 0xc8, 3, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0 };
	const struct dp_addr from = peer_of(false, 1);
	struct steer_ip s = { .l2tp3 = true, .workers = 4 };

	ck_assert_uint_eq(takers(s, &from, 0, data, sizeof data), 2);
	ck_assert_uint_eq(takers(s, &from, 10, control, sizeof control), 3);
	ck_assert_uint_eq(takers(s, &from, 0, control, sizeof control - 1), 0);
	s.v6 = true;
	ck_assert_uint_eq(takers(s, &from, 0, data, sizeof data), 2);
	ck_assert_uint_eq(takers(s, &from, 0, control, sizeof control), 3);
}
END_TEST

START_TEST(a_full_table_and_one_that_is_too_full)
{
	static struct dp_pair pair[DP_PAIRS];
	const uint8_t octets[] = { 0, 1, 0, 1, 5 };

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct steer_ip s = { .v6 = v6, .workers = 3, .pair = pair, .pairs = DP_PAIRS };
		for (unsigned i = 0; i < DP_PAIRS; i++)
			pair[i] = (struct dp_pair){ peer_of(v6, i + 1), (uint16_t)(i % 3) };
		for (unsigned i = 0; i < DP_PAIRS; i++)
			ck_assert_uint_eq(takers(s, &pair[i].peer, 0, octets, sizeof octets), i % 3);
		s.pairs++;
		ck_assert_uint_eq(takers(s, &pair[5].peer, 0, octets, sizeof octets), DP_WORKERS_ALL);
	}
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, data_by_session_and_control_by_tunnel);
	tcase_add_test(t, l2tpv3_by_the_lower_half_of_its_id);
	tcase_add_test(t, both_agree_on_any_octets);
	tcase_add_test(t, each_packet_over_ip_has_its_worker);
	tcase_add_test(t, over_ip_as_over_udp);
	tcase_add_test(t, a_full_table_and_one_that_is_too_full);
}

UNIT_MAIN("steer", add)
