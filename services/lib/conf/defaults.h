// SPDX-License-Identifier: Apache-2.0
/* Between the sources of this library: a default that YANG cannot express. */
#ifndef TWIN_CONF_DEFAULTS_H
#define TWIN_CONF_DEFAULTS_H

#include "conf/conf.h"

/* What stands when data-plane/listen is empty: every address of both families, port 1701. */
void conf_default_listen(struct conf_data *);

#endif
