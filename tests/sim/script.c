// SPDX-License-Identifier: Apache-2.0
#include "sim.h"
int
script_run(const char *file, bool trace, enum breakage broken)
{
	return 1;
}
