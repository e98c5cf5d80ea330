// SPDX-License-Identifier: Apache-2.0
/* What the kernel did not cut or sum up: parts that add up to the whole, and descriptions that lie.
 */
#include <check.h>

#include "fixture.h"
#include "gso.h"
#include "lib/unit.h"

static uint8_t big[65536], part[65536];

/* As the kernel leaves it: only the pseudo header's sum in the checksum field. */
static void
partial(uint8_t *p, uint32_t transport, uint32_t check, uint32_t len)
{
	bool v4 = p[0] >> 4 == 4;
	uint8_t proto = v4 ? p[9] : p[6];

	put_u16(
	    p + transport + check,
	    fx_sum(fx_sum(0, v4 ? p + 12 : p + 8, v4 ? 8 : 32) + proto + len - transport, NULL, 0));
}

static uint32_t
packet(bool v4, uint8_t proto, uint32_t payload)
{
	uint32_t head = proto == IP_TCP ? 32 : 8;
	uint32_t n = v4 ? fx_ip4(big, "198.51.100.1", "10.0.0.1", proto, head + payload)
			: fx_ip6(big, "2001:db8:ffff::1", "2001:db8:1:1::9", proto, head + payload);
	uint8_t *t = big + (v4 ? 20 : 40);

	memset(t, 0, head);
	put_u16(t, 1000);
	put_u16(t + 2, 2000);
	if (proto == IP_TCP) {
		put_u32(t + 4, 0xfffffff0);
		t[12] = 0x80;
		t[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
	} else {
		put_u16(t + 4, (uint16_t)(8 + payload));
	}
	partial(big, v4 ? 20 : 40, proto == IP_TCP ? 16 : 6, n);
	return n;
}

static struct virtio_net_hdr
described(bool v4, uint8_t proto, uint16_t size)
{
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = (uint8_t)(size == 0		? 0
				      : proto == IP_UDP ? 5
				      : v4		? VIRTIO_NET_HDR_GSO_TCPV4
							: VIRTIO_NET_HDR_GSO_TCPV6),
		.gso_size = size,
		.csum_start = v4 ? 20 : 40,
		.csum_offset = proto == IP_TCP ? 16 : 6,
	};
}

START_TEST(parts_add_up_to_the_whole)
{
	bool v4 = _i & 1;
	uint8_t proto = _i & 2 ? IP_UDP : IP_TCP;
	uint32_t payload = 10007, head = (v4 ? 20u : 40u) + (proto == IP_TCP ? 32 : 8),
		 n = packet(v4, proto, payload), done = 0;
	struct virtio_net_hdr h = described(v4, proto, 1400);
	struct gso g;

	ck_assert(gso_open(&g, &h, big, n));
	for (uint32_t len; (len = gso_next_len(&g)) > 0;) {
		const uint8_t *t = part + (v4 ? 20 : 40);
		bool last = done + len - head == payload;
		gso_next(&g, part);
		ck_assert(!v4 || fx_ip4_good(part));
		ck_assert(fx_l4_good(part));
		ck_assert_uint_eq(v4 ? get_u16(part + 2) : get_u16(part + 4) + 40u, len);
		ck_assert_mem_eq(part + head, big + head + done, len - head);
		if (v4)
			ck_assert_uint_eq(get_u16(part + 4), 0x1234 + done / 1400);
		if (proto == IP_TCP) {
			ck_assert_uint_eq(get_u32(t + 4), 0xfffffff0u + done);
			ck_assert_int_eq(!!(t[13] & 0x09), last);
			ck_assert_int_eq(!!(t[13] & 0x80), done == 0);
		}
		ck_assert_uint_eq(len - head, last ? payload % 1400 : 1400);
		done += len - head;
	}
	ck_assert_uint_eq(done, payload);
}
END_TEST

START_TEST(a_whole_packet_gets_its_checksum)
{
	bool v4 = _i & 1;
	uint8_t proto = _i & 2 ? IP_UDP : IP_TCP;
	uint32_t n = packet(v4, proto, 101);
	struct virtio_net_hdr h = described(v4, proto, 0);
	struct gso g;

	ck_assert(!fx_l4_good(big));
	ck_assert(gso_open(&g, &h, big, n));
	ck_assert_int_eq(g.kind, GSO_WHOLE);
	ck_assert(fx_l4_good(big));
}
END_TEST

START_TEST(nothing_to_do_is_nothing_done)
{
	struct virtio_net_hdr h = { 0 };
	struct gso g;
	uint8_t same[40];

	memset(same, 0xab, 40);
	memset(big, 0xab, 40);
	ck_assert(gso_open(&g, &h, big, 40));
	ck_assert_mem_eq(big, same, 40);
}
END_TEST

/* Any description of any length: refused, or parts that stay inside. */
START_TEST(descriptions_that_lie_harm_nobody)
{
	uint64_t x = 4711;

	for (unsigned round = 0; round < 200000; round++) {
		uint32_t len = round % 120;
		uint8_t *p = malloc(len + 1); /* exactly: a sanitizer sees an octet too far */
		struct virtio_net_hdr h;
		struct gso g;
		for (unsigned i = 0; i < sizeof h; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			((uint8_t *)&h)[i] = (uint8_t)(x >> 20 & (i == 0   ? 1
								  : i == 1 ? 0x87
								  : i % 2  ? 0
									   : 0xff));
		}
		for (uint32_t i = 0; i < len; i++) {
			x = x * 6364136223846793005u + 1;
			p[i] = (uint8_t)(x >> 33);
		}
		if (len)
			p[0] = round & 1 ? 0x45 : 0x60;
		if (gso_open(&g, &h, p, len)) {
			uint32_t total = 0;
			for (uint32_t n; (n = gso_next_len(&g)) > 0; total += n - g.head_len) {
				ck_assert_uint_le(n, len);
				gso_next(&g, part);
			}
			ck_assert(g.kind == GSO_WHOLE || total == len - g.head_len);
		}
		free(p);
	}
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_loop_test(t, parts_add_up_to_the_whole, 0, 4);
	tcase_add_loop_test(t, a_whole_packet_gets_its_checksum, 0, 4);
	tcase_add_test(t, nothing_to_do_is_nothing_done);
	tcase_add_test(t, descriptions_that_lie_harm_nobody);
}

UNIT_MAIN("gso", add)
