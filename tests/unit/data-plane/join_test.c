// SPDX-License-Identifier: Apache-2.0
/* Packets of one flow, put together for the TUN: the cut gives back what was joined, and nothing
 * else is. */
#include <check.h>

#include "fixture.h"
#include "gso.h"
#include "join.h"
#include "lib/unit.h"

#define OCTETS 256

struct shape {
	bool v4;
	uint8_t proto;
	unsigned flow; /* its ports */
	uint32_t payload;
	uint16_t id;  /* IPv4 identification */
	uint32_t seq; /* TCP */
};

static uint8_t store[JOIN_BATCH][OCTETS], big[65536 + 64], part[OCTETS];
static struct join_packet in[JOIN_BATCH];

static uint32_t
transport(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? 20 : 40;
}

static bool
is_tcp(const uint8_t *p)
{
	return (p[0] >> 4 == 4 ? p[9] : p[6]) == IP_TCP;
}

static void
header_sum(uint8_t *p)
{
	if (p[0] >> 4 != 4)
		return;
	put_u16(p + 10, 0);
	put_u16(p + 10, (uint16_t)~fx_sum(0, p, 20));
}

/* After a change: right checksums again. */
static void
sums(struct join_packet *k)
{
	uint8_t *p = k->p, *check = p + transport(p) + (is_tcp(p) ? 16 : 6);
	bool v4 = p[0] >> 4 == 4;
	uint32_t len = k->len - transport(p);

	header_sum(p);
	put_u16(check, 0);
	uint32_t sum = fx_sum(0, v4 ? p + 12 : p + 8, v4 ? 8 : 32) + (v4 ? p[9] : p[6]) + len;
	uint16_t is = (uint16_t)~fx_sum(sum, p + transport(p), len);
	put_u16(check, is || is_tcp(p) ? is : 0xffff);
}

static void
make(unsigned i, struct shape s)
{
	uint32_t head = s.proto == IP_TCP ? 32 : 8;
	uint8_t *p = store[i], *t = p + (s.v4 ? 20 : 40);

	in[i].p = p;
	in[i].len =
	    s.v4 ? fx_ip4(p, "10.0.0.1", "198.51.100.1", s.proto, head + s.payload)
		 : fx_ip6(p, "2001:db8:1:1::9", "2001:db8:ffff::1", s.proto, head + s.payload);
	if (s.v4)
		put_u16(p + 4, s.id);
	memset(t, 0, head);
	put_u16(t, (uint16_t)(1000 + s.flow));
	put_u16(t + 2, 2000);
	if (s.proto == IP_TCP) {
		put_u32(t + 4, s.seq);
		put_u32(t + 8, 77);
		t[12] = 0x80;
		t[13] = 0x10;
		put_u16(t + 14, 500);
		memset(t + 20, 1, 12); /* options: NOP */
	} else {
		put_u16(t + 4, (uint16_t)(8 + s.payload));
	}
	for (uint32_t k = 0; k < s.payload; k++)
		t[head + k] = (uint8_t)(k + i);
	sums(&in[i]);
}

/* A train of one flow: the same size, but for the last. */
static void
train(bool v4, uint8_t proto, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		make(i, (struct shape){ v4, proto, 0, i + 1 < n ? 100 : 40, (uint16_t)(0xfffe + i),
					0xffffff80 + 100 * i });
}

/* Cuts a group again; every part must be the packet it was, but for an identification under DF. */
static void
cut_is_the_same(const struct join *j, const struct join_group *g)
{
	struct virtio_net_hdr h;
	uint32_t at = g->head;
	unsigned i = g->first;
	struct gso cut;

	join_head(g, in, &h, big);
	for (unsigned k = 0; k < g->count; k++, i = j->next[i]) {
		memcpy(big + at, in[i].p + g->head, in[i].len - g->head);
		at += in[i].len - g->head;
	}
	ck_assert_uint_eq(at, g->octets);
	ck_assert_uint_eq(h.hdr_len, g->head);
	ck_assert(gso_open(&cut, &h, big, at));
	i = g->first;
	for (unsigned k = 0; k < g->count; k++, i = j->next[i]) {
		ck_assert_uint_eq(gso_next_len(&cut), in[i].len);
		gso_next(&cut, part);
		if (part[0] >> 4 == 4 && part[6] & 0x40) {
			put_u16(part + 4, get_u16(in[i].p + 4));
			put_u16(part + 10, get_u16(in[i].p + 10));
		}
		ck_assert_mem_eq(part, in[i].p, in[i].len);
	}
	ck_assert_uint_eq(gso_next_len(&cut), 0);
}

START_TEST(a_train_is_one_and_the_cut_gives_it_back)
{
	struct join j;

	train(_i & 1, _i & 2 ? IP_UDP : IP_TCP, 40);
	if (is_tcp(in[39].p)) { /* PSH ends it */
		in[39].p[transport(in[39].p) + 13] |= 0x08;
		sums(&in[39]);
	}
	join_sort(&j, in, 40);
	ck_assert_uint_eq(j.groups, 1);
	ck_assert_uint_eq(j.group[0].count, 40);
	cut_is_the_same(&j, &j.group[0]);
}
END_TEST

/* What a cut could not restore: change one thing of the second of two packets, and they stay apart.
 */
static const struct odd {
	uint32_t v4_at, v6_at, tcp_at,
	    udp_at; /* from the transport header on for the last two; 0: not this */
	uint8_t flip;
	bool sums;
	const char *what;
} odds[] = {
	{ 1, 0, 0, 0, 0x04, true, "TOS" },
	{ 8, 7, 0, 0, 0x01, true, "TTL" },
	{ 4, 0, 0, 0, 0x01, true, "identification" },
	{ 6, 0, 0, 0, 0x40, true, "DF of one only" },
	{ 6, 0, 0, 0, 0x20, true, "a first fragment" },
	{ 7, 0, 0, 0, 0x01, true, "a later fragment" },
	{ 15, 9, 0, 0, 0x01, true, "source" },
	{ 19, 39, 0, 0, 0x01, true, "destination" },
	{ 0, 3, 0, 0, 0x01, true, "flow label" },
	{ 0, 0, 1, 1, 0x01, true, "source port" },
	{ 0, 0, 3, 3, 0x01, true, "destination port" },
	{ 0, 0, 7, 0, 0x01, true, "sequence" },
	{ 0, 0, 11, 0, 0x01, true, "acknowledgement" },
	{ 0, 0, 12, 0, 0x01, true, "a bit beside the data offset" },
	{ 0, 0, 13, 0, 0x01, true, "FIN" },
	{ 0, 0, 13, 0, 0x02, true, "SYN" },
	{ 0, 0, 13, 0, 0x04, true, "RST" },
	{ 0, 0, 13, 0, 0x20, true, "URG" },
	{ 0, 0, 13, 0, 0x40, true, "ECE" },
	{ 0, 0, 13, 0, 0x80, true, "CWR" },
	{ 0, 0, 13, 0, 0x10, true, "no ACK" },
	{ 0, 0, 15, 0, 0x01, true, "window" },
	{ 0, 0, 19, 0, 0x01, true, "urgent pointer" },
	{ 0, 0, 25, 0, 0x02, true, "options" },
	{ 0, 0, 16, 6, 0x01, false, "a wrong checksum" },
	{ 0, 0, 40, 20, 0x80, false, "a damaged payload" },
};
#define ODDS ((int)(sizeof odds / sizeof odds[0]))

START_TEST(what_a_cut_would_not_restore_stays_apart)
{
	const struct odd *o = &odds[_i / 4];
	bool v4 = _i & 1, tcp = _i & 2;
	uint32_t at = v4 ? o->v4_at : o->v6_at, t = tcp ? o->tcp_at : o->udp_at;
	struct join j;

	if (!at && !t)
		return;				 /* not in this family */
	for (unsigned odd = 0; odd < 2; odd++) { /* the first of two, and the second */
		train(v4, tcp ? IP_TCP : IP_UDP, 3);
		in[odd].p[at ? at : transport(in[odd].p) + t] ^= o->flip;
		if (o->sums)
			sums(&in[odd]);
		join_sort(&j, in, 2);
		ck_assert_msg(j.groups == 2, "%s: joined", o->what);
		for (unsigned k = 0; k < 2; k++)
			ck_assert_uint_eq(j.group[k].first, k);
	}
}
END_TEST

START_TEST(a_datagram_without_checksum_stays_without)
{
	struct join j;

	train(true, IP_UDP, 3);
	for (unsigned i = 0; i < 3; i++)
		put_u16(in[i].p + 26, 0);
	join_sort(&j, in, 3);
	ck_assert_uint_eq(j.groups, 3);
}
END_TEST

START_TEST(with_df_an_identification_says_nothing)
{
	struct join j;

	train(true, IP_UDP, 3);
	for (unsigned i = 0; i < 3; i++) {
		in[i].p[6] = 0x40;
		put_u16(in[i].p + 4, 0);
		sums(&in[i]);
	}
	join_sort(&j, in, 3);
	ck_assert_uint_eq(j.groups, 1);
	cut_is_the_same(&j, &j.group[0]);
}
END_TEST

START_TEST(a_shorter_one_or_a_push_is_the_last)
{
	struct join j;

	train(true, IP_TCP, 4);
	in[1].p[33] |= 0x08;
	sums(&in[1]);
	join_sort(&j, in, 4);
	ck_assert_uint_eq(j.groups, 2);
	ck_assert_uint_eq(j.group[0].count, 2);
	ck_assert_uint_eq(j.group[1].count, 2);
	make(0, (struct shape){ true, IP_UDP, 0, 50, 1, 0 });
	make(1, (struct shape){ true, IP_UDP, 0, 40, 2, 0 });
	make(2, (struct shape){ true, IP_UDP, 0, 40, 3, 0 });
	make(3,
	     (struct shape){ true, IP_UDP, 0, 50, 4, 0 }); /* larger than the first of its group */
	join_sort(&j, in, 4);
	ck_assert_uint_eq(j.groups, 3);
	ck_assert_uint_eq(j.group[0].count, 2);
	ck_assert_uint_eq(j.group[1].count, 1);
	ck_assert_uint_eq(j.group[2].count, 1);
}
END_TEST

START_TEST(a_joined_packet_has_65535_octets_at_most)
{
	static uint8_t large[JOIN_BATCH][1500];
	unsigned members = 0;
	struct join j;

	for (unsigned i = 0; i < JOIN_BATCH; i++) {
		make(i, (struct shape){ true, IP_UDP, 0, 100, (uint16_t)i, 0 });
		memcpy(large[i], in[i].p, 128);
		in[i] = (struct join_packet){ large[i], 1500 };
		put_u16(large[i] + 2, 1500);
		put_u16(large[i] + 24, 1480);
		sums(&in[i]);
	}
	join_sort(&j, in, JOIN_BATCH);
	ck_assert_uint_eq(j.groups, 2);
	for (unsigned k = 0; k < j.groups; k++) {
		ck_assert_uint_le(j.group[k].octets, 65535);
		members += j.group[k].count;
	}
	ck_assert_uint_eq(members, JOIN_BATCH);
}
END_TEST

static uint32_t
dice(uint64_t *x, uint32_t sides)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)(*x >> 20) % sides;
}

static bool
same_ends(const uint8_t *a, const uint8_t *b)
{
	uint32_t t = transport(a), from = t == 20 ? 12 : 8;

	return a[0] == b[0] && is_tcp(a) == is_tcp(b) &&
	       memcmp(a + from, b + from, t + 4 - from) == 0;
}

/* Every packet is in one group, a flow's packets keep their order, and all groups cut as they were.
 */
static void
nothing_lost_or_turned_round(const struct join *j, unsigned n)
{
	unsigned order[JOIN_BATCH], m = 0;

	for (unsigned k = 0; k < j->groups; k++) {
		const struct join_group *g = &j->group[k];
		unsigned i = g->first;
		ck_assert(k == 0 || j->group[k - 1].first < g->first);
		for (unsigned c = 0; c < g->count; c++, i = j->next[i]) {
			ck_assert_uint_lt(m, n);
			order[m++] = i;
		}
		if (g->count > 1)
			cut_is_the_same(j, g);
	}
	ck_assert_uint_eq(m, n);
	for (unsigned a = 0; a < n; a++) {
		for (unsigned b = a + 1; b < n; b++)
			ck_assert(order[a] < order[b] ||
				  !same_ends(in[order[a]].p, in[order[b]].p));
	}
}

START_TEST(any_mixture_comes_out_as_it_went_in)
{
	uint64_t x = 0x9e3779b97f4a7c15u + (unsigned)_i;
	unsigned joined = 0;

	for (unsigned round = 0; round < 300; round++) {
		unsigned n = 1 + dice(&x, JOIN_BATCH), flows = 1 + dice(&x, 6);
		struct shape next[6];
		struct join j;
		for (unsigned f = 0; f < flows; f++)
			next[f] = (struct shape){ dice(&x, 2),
						  dice(&x, 2) ? IP_TCP : IP_UDP,
						  f,
						  1 + dice(&x, 100),
						  (uint16_t)dice(&x, 65536),
						  dice(&x, UINT32_MAX) };
		for (unsigned i = 0; i < n; i++) {
			struct shape *s = &next[dice(&x, flows)], now = *s;
			if (dice(&x, 8) == 0)
				now.payload = 1 + dice(&x, 100);
			make(i, now);
			s->id++;
			s->seq += now.payload;
			if (dice(&x, 16) == 0) { /* anything may be anything */
				in[i].p[1 + dice(&x, in[i].len - 1)] ^=
				    (uint8_t)(1u << dice(&x, 8));
				if (dice(&x, 2))
					sums(&in[i]);
				else
					header_sum(in[i].p); /* which dp_up has verified */
			}
		}
		join_sort(&j, in, n);
		nothing_lost_or_turned_round(&j, n);
		joined += n - j.groups;
	}
	ck_assert_uint_gt(joined, 300);
}
END_TEST

/* Octets that are no packet at all: exactly allocated, so that a sanitizer sees one too far. */
START_TEST(rubbish_is_passed_on_alone)
{
	uint64_t x = 4711;

	for (unsigned round = 0; round < 20000; round++) {
		struct join_packet k[4];
		struct join j;
		for (unsigned i = 0; i < 4; i++) {
			k[i].len = 20 + dice(&x, 60);
			k[i].p = malloc(k[i].len);
			for (uint32_t o = 0; o < k[i].len; o++)
				k[i].p[o] = (uint8_t)dice(&x, 256);
			k[i].p[0] = round & 1 ? 0x45 : 0x60;
			if (round & 2) {
				put_u16(k[i].p + (round & 1 ? 2 : 4),
					(uint16_t)(k[i].len - (round & 1 ? 0 : 40)));
				k[i].p[round & 1 ? 9 : 6] = round & 4 ? IP_TCP : IP_UDP;
				k[i].p[6] &= round & 1 ? 0x40 : 0xff;
				k[i].p[7] &= round & 1 ? 0 : 0xff;
			}
		}
		join_sort(&j, k, 4);
		ck_assert_uint_eq(j.groups, 4);
		for (unsigned i = 0; i < 4; i++)
			free(k[i].p);
	}
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_loop_test(t, a_train_is_one_and_the_cut_gives_it_back, 0, 4);
	tcase_add_loop_test(t, what_a_cut_would_not_restore_stays_apart, 0, 4 * ODDS);
	tcase_add_test(t, a_datagram_without_checksum_stays_without);
	tcase_add_test(t, with_df_an_identification_says_nothing);
	tcase_add_test(t, a_shorter_one_or_a_push_is_the_last);
	tcase_add_test(t, a_joined_packet_has_65535_octets_at_most);
	tcase_add_loop_test(t, any_mixture_comes_out_as_it_went_in, 0, 4);
	tcase_add_test(t, rubbish_is_passed_on_alone);
}

UNIT_MAIN("join", add)
