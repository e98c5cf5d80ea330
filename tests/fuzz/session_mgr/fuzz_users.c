// SPDX-License-Identifier: Apache-2.0
/* A users file as an operator may leave it: parsed or refused with a line, and then asked. */
#include <stdlib.h>
#include <string.h>

#include "users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct aaa_request q = { .auth = PPP_AUTH_PAP };
	struct aaa_answer a;
	char error[200];
	struct users *us;
	bool known;

	memset(error, 0, sizeof error);
	us = users_parse(span_of(data, len), error, sizeof error);
	if (!us) {
		if (strncmp(error, "line ", 5) != 0)
			abort();
		return 0;
	}
	q.name_len = len < 20 ? (uint8_t)len : 20;
	if (len)
		memcpy(q.name, data, q.name_len);
	users_ask(us, &q, &a, &known);
	q.name_len = 3;
	memcpy(q.name, "bob", 3);
	users_ask(us, &q, &a, &known);
	users_free(us);
	return 0;
}
