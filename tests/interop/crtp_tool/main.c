// SPDX-License-Identifier: Apache-2.0
/*
 * Our compressor or decompressor as a filter over lines, for peers in other languages.
 *
 *     crtp_tool compress|decompress [--classic | --plain] [--space N] [--n N] [--period N]  < lines > lines
 *
 *     in, compress:     MILLISECONDS PROTO HEX      an IP packet         out: PROTO HEX
 *     in, decompress:   MILLISECONDS PROTO HEX      a frame              out: PROTO HEX, or: drop
 * REASON 2065 HEX on the compressor's input is a CONTEXT_STATE: no line comes out.  Where the
 * decompressor wants one sent, a line "state HEX" follows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "crtp/crtp.h"

enum { PACKET = 9000 };

static uint8_t room[CRTP_HEADROOM + PACKET];

static size_t
read_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	while (n < PACKET && sscanf(hex, "%2x", &v) == 1) {
		out[n++] = (uint8_t)v;
		hex += 2;
	}
	return n;
}

static void
write_hex(const char *what, const uint8_t *p, size_t n)
{
	printf("%s ", what);
	for (size_t i = 0; i < n; i++)
		printf("%02x", p[i]);
	printf("\n");
}

static void
write_packet(const struct crtp_pkt *k)
{
	char proto[5];

	snprintf(proto, sizeof proto, "%04x", k->proto);
	write_hex(proto, k->p, k->len);
}

static void
say_state(struct crtp_dec *d, mono_t now)
{
	uint8_t b[256];
	size_t n = crtp_dec_state(d, now, b, sizeof b);

	if (n)
		write_hex("state", b, n);
}

int
main(int argc, char **argv)
{
	static char line[2 * PACKET + 100], hex[2 * PACKET + 2];
	struct crtp_comp_conf cc = crtp_comp_conf_default();
	struct crtp_dec_conf dc = crtp_dec_conf_default();
	struct crtp_params p = crtp_params_default();
	bool compress = argc > 1 && !strcmp(argv[1], "compress");
	struct crtp_comp *c;
	struct crtp_dec *d;

	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--classic"))
			p.enhanced = false, p.rtp = true;
		else if (!strcmp(argv[i], "--plain")) /* RFC 2507 alone */
			p.enhanced = p.rtp = false;
		else if (i + 1 < argc && !strcmp(argv[i], "--space"))
			p.non_tcp_space = (uint16_t)atoi(argv[++i]);
		else if (i + 1 < argc && !strcmp(argv[i], "--n"))
			cc.n = (uint8_t)atoi(argv[++i]);
		else if (i + 1 < argc && !strcmp(argv[i], "--period"))
			p.f_max_period = (uint16_t)atoi(argv[++i]);
	}
	cc.has_v4 = cc.has_v6 = dc.has_v4 = dc.has_v6 = true;
	cc.v4 = cc.v6 = dc.v4 = dc.v6 = p;
	c = crtp_comp_new(&cc);
	d = crtp_dec_new(&dc);
	if (!c || !d)
		return 1;
	while (fgets(line, sizeof line, stdin)) {
		long long ms = 0;
		unsigned proto = 0;
		struct crtp_pkt k;
		mono_t now;
		hex[0] = 0;
		if (sscanf(line, "%lld %x %18001s", &ms, &proto, hex) < 2)
			continue;
		now = (mono_t)ms * MONO_MS;
		k = (struct crtp_pkt){ room + CRTP_HEADROOM,
				       (uint32_t)read_hex(hex, room + CRTP_HEADROOM),
				       (uint16_t)proto };
		if (compress && proto == CRTP_PPP_CONTEXT_STATE) {
			crtp_comp_state(c, now, span_of(k.p, k.len));
		} else if (compress) {
			crtp_compress(c, now, &k);
			write_packet(&k);
		} else {
			enum crtp_verdict v = crtp_decompress(d, now, &k);
			if (v == CRTP_OK)
				write_packet(&k);
			else
				printf("drop %s\n", crtp_verdict_name(v));
			say_state(d, now);
		}
	}
	crtp_comp_free(c);
	crtp_dec_free(d);
	return 0;
}
