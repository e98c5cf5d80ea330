// SPDX-License-Identifier: Apache-2.0
/*
 * The sentences of counters.def and alarms.def of every process, found by name: the store holds names and
 * numbers only.  NULL for one this build does not know (a newer process).
 */
#ifndef TWINCTL_MEANINGS_H
#define TWINCTL_MEANINGS_H

#include "base/counters.h"

/* Name as in the store: lower case, '-'. */
const char *meaning_of_counter(const char *process, const char *name);
const struct alarm_info *meaning_of_alarm(const char *name);

/* For the operations guide: every row, in order.  NULL after the last. */
struct meaning_set {
	const char *process, *what;
	const struct counter_info *counters;
	unsigned n;
};
const struct meaning_set *meaning_sets(void);
struct alarm_set {
	const char *process;
	const struct alarm_info *alarms;
	unsigned n;
};
const struct alarm_set *alarm_sets(void);

#endif
