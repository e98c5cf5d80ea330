// SPDX-License-Identifier: Apache-2.0
/*
 * Which sessions `show sessions` and `session clear` mean:  user alice*  address 100.64.0.0/24  tunnel 7
 * state established  limit 100.  All words given must hold.
 */
#ifndef TWINCTL_FILTER_H
#define TWINCTL_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "rows.pb-c.h"

struct filter {
	const char *user;  /* shell pattern, letters' case ignored; NULL any */
	const char *calling; /* the same, of the Calling Number */
	const char *state; /* of the call; NULL any */
	struct ip_prefix address; /* family 0 any: the subscriber's, or its prefixes' */
	unsigned tunnel;	  /* 0 any */
	unsigned long limit;	  /* 0 none */
	bool up;		  /* only with an open network protocol */
};

/* Takes words[0..n); they stay the caller's and must stay.  False: `error` says which word is wrong. */
bool filter_read(struct filter *, const char *const *words, unsigned n, char *error, size_t error_len);
/* sub NULL: the call has no subscriber. */
bool filter_fits(const struct filter *, const Row__Call *, const Row__Subscriber *sub);

#endif
