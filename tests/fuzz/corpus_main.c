// SPDX-License-Identifier: Apache-2.0
/*
 * A main() for fuzz targets where libFuzzer is absent: runs every file named on the command line
 * through the target once, so that the corpus is a regression test with any compiler.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
main(int argc, char **argv)
{
	static uint8_t buf[1 << 20];

	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		if (!f) {
			perror(argv[i]);
			return 1;
		}
		size_t n = fread(buf, 1, sizeof buf, f);
		fclose(f);
		uint8_t *exact = malloc(n ? n : 1); /* exact size: a read past the end is seen */
		for (size_t k = 0; k < n; k++)
			exact[k] = buf[k];
		LLVMFuzzerTestOneInput(exact, n);
		free(exact);
	}
	printf("%d samples\n", argc - 1);
	return 0;
}
