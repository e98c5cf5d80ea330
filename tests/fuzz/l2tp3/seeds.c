// SPDX-License-Identifier: Apache-2.0
/*
 * The fuzzers' seeds, from the codec's tables: every message in its least, fullest and hidden form
 * (corpus/l2tp3_msg), and a packet of every form (corpus/l2tp3_packet).
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../unit/lib/l2tp/sample3.h"
#include "l2tp/l2tphc.h"

static void
seed(const char *dir, const char *name, const char *suffix, struct span s)
{
	char path[600];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
	f = fopen(path, "wb");
	if (!f || fwrite(s.p, 1, s.len, f) != s.len || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void
messages(const char *root)
{
	static const char *suffix[] = { "-least", "-full", "-hidden" };
	static const struct l2tp3_digests digests[] = { { 0 }, { 1, { 0 } }, { 2, { 1, 0 } } };
	static uint8_t buf[SAMPLE_MAX];
	char dir[300];

	snprintf(dir, sizeof dir, "%s/corpus/l2tp3_msg", root);
	for (unsigned t = 1; t < L2TP_TYPES; t++)
		for (int k = SAMPLE_LEAST; msg3_row(t) && k <= SAMPLE_HIDDEN; k++)
			seed(dir, l2tp3_msg_name(t), suffix[k],
			     sample3_message(t, (enum sample_kind)k, digests[k], buf));
	struct wr w = wr_of(buf, sizeof buf);
	l2tp3_zlb_write(&w, SAMPLE3_CONNECTION, 7, 9);
	seed(dir, "zlb", "", wr_span(&w));
}

static void
packets(const char *root)
{
	uint8_t buf[64];
	char dir[300], name[16];

	snprintf(dir, sizeof dir, "%s/corpus/l2tp3_packet", root);
	for (uint8_t kind = 0; kind < 12; kind++) {
		const struct l2tp3_form form = { .udp = kind & 1,
						 .sublayer = kind & 2,
						 .cookie_len = (uint8_t)((kind >> 2) * 4),
						 .cookie = "cookie7" };
		struct wr w = wr_of(buf, sizeof buf);

		wr_u8(&w, kind);
		l2tp3_data_write(&w, &form, 0x11111111, true, 5);
		wr_bytes(&w,
			 "\xff\x03\xc0\x21\x09\x01\x00\x08"
			 "abcd",
			 12);
		snprintf(name, sizeof name, "form-%u", kind);
		seed(dir, name, "", wr_span(&w));
	}
	seed(dir, "l2tphc-bare", "", span_of("\x00\x59\x03xyz", 6));
	seed(dir, "l2tphc-header", "", span_of("\x10\xe0\xab\xcd\xff\x03\xc0\x21", 8));
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY    (with corpus/ and its two parts in it)\n",
			argv[0]);
		return 2;
	}
	messages(argv[1]);
	packets(argv[1]);
	return 0;
}
