// SPDX-License-Identifier: Apache-2.0
/*
 * crtp_channel [PACKETS [SEEDS [STREAM]]]: the streams and links of the unit test, for as long as
 * wanted, as a table. The exit status is 1 if something came out that was not sent where a checksum
 * should have seen it.
 */
#include "../../unit/lib/crtp/channel_cases.h"

int
main(int argc, char **argv)
{
	unsigned packets = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000000;
	unsigned seeds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
	unsigned long all = 0, wrong = 0;

	printf("%-16s %-9s %10s %9s %10s %6s %10s %8s\n", "stream", "link", "sent", "lost",
	       "delivered", "wrong", "multiplied", "requests");
	for (unsigned s = 0; s < STREAMS; s++) {
		if (argc > 3 && strcmp(argv[3], streams[s].name))
			continue;
		for (unsigned l = 0; l < LINKS; l++) {
			struct channel_result sum = { 0 };
			for (unsigned i = 0; i < seeds; i++) {
				struct channel_result r = case_run(s, l, 100 + i, packets);
				sum.sent += r.sent;
				sum.lost += r.lost;
				sum.delivered += r.delivered;
				sum.wrong += r.wrong;
				sum.gone += r.gone;
				sum.states += r.states;
			}
			printf("%-16s %-9s %10lu %9lu %10lu %6lu %10.3f %8lu\n", streams[s].name,
			       links[l].name, sum.sent, sum.lost, sum.delivered, sum.wrong,
			       sum.lost ? (double)(sum.lost + sum.gone) / (double)sum.lost : 1.0,
			       sum.states);
			fflush(stdout);
			all += sum.sent;
			wrong += streams[s].proved ? sum.wrong : 0;
		}
	}
	printf("%lu packets, %lu wrong where a checksum is present\n", all, wrong);
	return wrong > 0;
}
