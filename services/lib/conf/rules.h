// SPDX-License-Identifier: Apache-2.0
/* What YANG cannot say about a configuration: order of addresses, overlaps, ambiguous profiles. */
#ifndef TWIN_CONF_RULES_H
#define TWIN_CONF_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

/* False: the first fault, with its place, is in `error`. */
bool conf_check(const struct conf *, char *error, size_t error_len);

#endif
