// SPDX-License-Identifier: Apache-2.0
/* Heartbeats: as they come (mostly forged), and with a good MAC put behind them, so that the fields are reached. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "beat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t in[BEAT_MAX], out[BEAT_MAX], mac[32];
	struct beat b, again;
	unsigned n = sizeof mac;
	size_t w;

	(void)beat_read(span_of(data, len), key, &b);
	if (len + BEAT_MAC > sizeof in)
		return 0;
	memcpy(in, data, len);
	HMAC(EVP_sha256(), key, sizeof key, in, len, mac, &n);
	memcpy(in + len, mac, BEAT_MAC);
	if (beat_read(span_of(in, len + BEAT_MAC), key, &b) != BEAT_OK)
		return 0;
	w = beat_write(&b, key, out, sizeof out);
	if (w == 0 || beat_read(span_of(out, w), key, &again) != BEAT_OK || memcmp(&b, &again, sizeof b) != 0)
		abort();
	return 0;
}
