// SPDX-License-Identifier: Apache-2.0
/*
 * Writes a capture with every control message that our codec can send, one packet each, to standard
 * output (`pcap`), or the name of each packet's message, a line each (`names`).  tshark-l2tp.sh
 * lays the one against the other.
 */
#include <stdio.h>

#include "../../unit/lib/l2tp/sample.h"

#define IP_UDP 28

static void
put_u32_host(FILE *f, uint32_t v)
{
	fwrite(&v, sizeof v, 1, f);
}

static uint16_t
ip_checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* One packet of 192.0.2.1 to 192.0.2.2, UDP port 1701 both ends, in a LINKTYPE_RAW capture. */
static void
packet(FILE *f, struct span l2tp)
{
	uint8_t h[IP_UDP] = { 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2 };
	static uint32_t second;

	put_u16(h + 2, (uint16_t)(IP_UDP + l2tp.len));
	put_u16(h + 10, ip_checksum(h, 20));
	put_u16(h + 20, L2TP_PORT);
	put_u16(h + 22, L2TP_PORT);
	put_u16(h + 24, (uint16_t)(8 + l2tp.len));
	put_u32_host(f, second++);
	put_u32_host(f, 0);
	put_u32_host(f, (uint32_t)(IP_UDP + l2tp.len));
	put_u32_host(f, (uint32_t)(IP_UDP + l2tp.len));
	fwrite(h, 1, sizeof h, f);
	fwrite(l2tp.p, 1, l2tp.len, f);
}

static int
emit(bool names, unsigned type, struct span message)
{
	if (!message.p)
		return 1;
	if (names)
		printf("%u %s\n", type, l2tp_msg_name(type));
	else
		packet(stdout, message);
	return 0;
}

int
main(int argc, char **argv)
{
	static uint8_t buf[SAMPLE_MAX];
	const bool names = argc == 2 && strcmp(argv[1], "names") == 0;
	int failed = 0;

	if (!names && !(argc == 2 && strcmp(argv[1], "pcap") == 0)) {
		fprintf(stderr, "usage: %s pcap|names\n", argv[0]);
		return 2;
	}
	if (!names) {
		put_u32_host(stdout, 0xa1b2c3d4);
		put_u32_host(stdout, 2 | 4 << 16);
		put_u32_host(stdout, 0);
		put_u32_host(stdout, 0);
		put_u32_host(stdout, 65535);
		put_u32_host(stdout, 101);
	}
	for (unsigned t = 1; t < L2TP_TYPES; t++) {
		if (!msg_row(t))
			continue;
		for (int kind = SAMPLE_LEAST; kind <= SAMPLE_HIDDEN; kind++)
			failed |= emit(names, t, sample_message(t, (enum sample_kind)kind, buf));
	}
	failed |= emit(names, L2TP_ICRQ, sample_access_line(false, buf));
	struct wr w = wr_of(buf, sizeof buf);
	l2tp_zlb_write(&w, SAMPLE_TUNNEL, 7, 9);
	failed |= emit(names, L2TP_ZLB, wr_span(&w));
	return failed;
}
