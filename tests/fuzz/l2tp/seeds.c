// SPDX-License-Identifier: Apache-2.0
/*
 * The fuzzer's seeds and dictionary, from the codec's tables: every message in its least, fullest
 * and hidden form, and the header of every AVP.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../unit/lib/l2tp/sample.h"

static FILE *
open_in(const char *dir, const char *name, const char *suffix)
{
	char path[600];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
	f = fopen(path, "wb");
	if (!f) {
		perror(path);
		exit(1);
	}
	return f;
}

static void
seed(const char *dir, const char *name, const char *suffix, struct span s)
{
	FILE *f = open_in(dir, name, suffix);

	fwrite(s.p, 1, s.len, f);
	fclose(f);
}

static void
word(FILE *f, unsigned bits, unsigned vendor, unsigned type)
{
	fprintf(f, "\"\\x%02x\\x%02x\\x%02x\\x%02x\\x%02x\\x%02x\"\n", bits >> 8 & 0xff,
		bits & 0xff, vendor >> 8, vendor & 0xff, type >> 8, type & 0xff);
}

static void
dictionary(const char *dir)
{
	FILE *f = open_in(dir, "l2tp", ".dict");

	for (unsigned t = 0; t < L2TP_TYPES; t++)
		if (msg_row(t))
			fprintf(f, "\"\\x80\\x08\\x00\\x00\\x00\\x00\\x00\\x%02x\"\n", t);
	for (unsigned a = 1; a < AVP_TYPES; a++) {
		const struct avp_row *row = avp_row(a);

		if (!row)
			continue;
		word(f, (row->m == RULE_M1 ? 0x8000u : 0) | (6u + row->octets), 0, a);
		if (row->hiding == HIDING_MAY_HIDE)
			word(f, 0x4000u | (8u + row->octets), 0, a);
	}
	for (unsigned i = 0; i < LINE_ATTRS; i++)
		word(f, 6u + l2tp_line_info[i].len, L2TP_VENDOR_ADSL_FORUM, l2tp_line_info[i].type);
	fclose(f);
}

int
main(int argc, char **argv)
{
	static const char *suffix[] = { "-least", "-full", "-hidden" };
	static uint8_t buf[SAMPLE_MAX];
	char corpus[256];

	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY    (with a corpus/ in it)\n", argv[0]);
		return 2;
	}
	snprintf(corpus, sizeof corpus, "%s/corpus", argv[1]);
	for (unsigned t = 1; t < L2TP_TYPES; t++)
		for (int k = SAMPLE_LEAST; msg_row(t) && k <= SAMPLE_HIDDEN; k++)
			seed(corpus, l2tp_msg_name(t), suffix[k],
			     sample_message(t, (enum sample_kind)k, buf));
	seed(corpus, "access-line", "", sample_access_line(false, buf));
	seed(corpus, "access-line", "-hidden", sample_access_line(true, buf));
	struct wr w = wr_of(buf, sizeof buf);
	l2tp_zlb_write(&w, SAMPLE_TUNNEL, 7, 9);
	seed(corpus, "zlb", "", wr_span(&w));
	dictionary(argv[1]);
	return 0;
}
