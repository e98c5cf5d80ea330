// SPDX-License-Identifier: Apache-2.0
/* What both processes that speak with the twin must agree upon: which side we are, and the pair's secret. */
#ifndef TWIN_PAIR_H
#define TWIN_PAIR_H

#include "conf/conf.h"

/* 0 or 1, from endpoints that both nodes have in their configuration: one node's local is the other's twin. */
int pair_side(const struct conf_pair *);
/* 64 hexadecimal digits; false: `error` says why. */
bool pair_secret_read(const char *file, uint8_t secret[32], char *error, size_t error_len);

#endif
