// SPDX-License-Identifier: Apache-2.0
/* See meanings.h.  Read from the processes' own tables at compile time, so that nothing is said twice. */
#include "meanings.h"

#include <ctype.h>
#include <string.h>

#define X(NAME, SENTENCE) { #NAME, SENTENCE },
static const struct counter_info tunnel_ctl[] = {
#include "../tunnel-ctl/counters.def"
};
static const struct counter_info elector[] = {
#include "../elector/counters.def"
};
static const struct counter_info state_sync[] = {
#include "../state-sync/counters.def"
};
static const struct counter_info worker[] = {
#include "../data-plane/counters.def"
};
static const struct counter_info worker_drops[] = {
#include "../data-plane/drops.def"
};
static const struct counter_info conversation[] = {
#include "../lib/bus/owner_counters.def"
};
static const struct counter_info session_mgr[] = {
#include "../session-mgr/counters.def"
};
static const struct counter_info session_shell[] = {
#include "../session-mgr/shell_counters.def"
};
static const struct counter_info tunnel_shell[] = {
#include "../tunnel-ctl/shell_counters.def"
};
#undef X
#define X(NAME, COUNTER, ANSWER, RESULT, ERROR, RFC, SENTENCE) { COUNTER, SENTENCE },
static const struct counter_info l2tp_faults[] = {
#include "../lib/l2tp/faults.def"
};
#undef X
#define X(NAME, RESULT, ERROR, SENTENCE) { #NAME, SENTENCE },
static const struct counter_info tunnel_faults[] = {
#include "../tunnel-ctl/faults.def"
};
#undef X
#define X(ID, SENTENCE) { #ID, SENTENCE },
static const struct counter_info ppp_faults[] = {
#include "../lib/ppp/faults.def"
};
#undef X

#define X(NAME, HAPPENED, MEANS, TODO) { #NAME, HAPPENED, MEANS, TODO },
static const struct alarm_info tunnel_alarms[] = {
#include "../tunnel-ctl/alarms.def"
};
static const struct alarm_info elector_alarms[] = {
#include "../elector/alarms.def"
};
static const struct alarm_info sync_alarms[] = {
#include "../state-sync/alarms.def"
};
static const struct alarm_info session_alarms[] = {
#include "../session-mgr/alarms.def"
};
#if __has_include("../data-plane/alarms.def")
static const struct alarm_info worker_alarms[] = {
#include "../data-plane/alarms.def"
};
#endif
#undef X

#define SET(PROCESS, WHAT, ROWS) { PROCESS, WHAT, ROWS, sizeof ROWS / sizeof ROWS[0] }
static const struct meaning_set sets[] = {
	SET("tunnel-ctl", "what happened", tunnel_ctl),
	SET("tunnel-ctl", "refusals and faults", tunnel_faults),
	SET("tunnel-ctl", "faults of messages", l2tp_faults),
	SET("tunnel-ctl", "datagrams and workers", tunnel_shell),
	SET("session-mgr", "what happened", session_mgr),
	SET("session-mgr", "messages", session_shell),
	SET("session-mgr", "faults of PPP peers", ppp_faults),
	SET("worker", "what happened", worker),
	SET("worker", "drops", worker_drops),
	SET("state-sync", "what happened", state_sync),
	SET("elector", "what happened", elector),
	SET("", "conversation with state-sync, of every owner", conversation),
	{ NULL, NULL, NULL, 0 },
};

#define ALARMS(PROCESS, ROWS) { PROCESS, ROWS, sizeof ROWS / sizeof ROWS[0] }
static const struct alarm_set alarms[] = {
	ALARMS("elector", elector_alarms),
	ALARMS("state-sync", sync_alarms),
	ALARMS("tunnel-ctl", tunnel_alarms),
	ALARMS("session-mgr", session_alarms),
#if __has_include("../data-plane/alarms.def")
	ALARMS("data-plane", worker_alarms),
#endif
	{ NULL, NULL, 0 },
};

const struct meaning_set *
meaning_sets(void)
{
	return sets;
}

const struct alarm_set *
alarm_sets(void)
{
	return alarms;
}

/* "HELLO_LOST" and "hello-lost" */
static bool
same(const char *id, const char *name)
{
	while (*id && *name) {
		char c = *id == '_' ? '-' : (char)tolower((unsigned char)*id);
		char d = *name == '_' ? '-' : (char)tolower((unsigned char)*name);
		if (c != d)
			return false;
		id++;
		name++;
	}
	return *id == *name;
}

static bool
of_process(const char *set, const char *process)
{
	size_t n = strlen(set);

	if (n == 0 || strcmp(set, process) == 0)
		return true;
	return strncmp(set, process, n) == 0 && process[n] == '.'; /* "worker.3" */
}

const char *
meaning_of_counter(const char *process, const char *name)
{
	if (strncmp(name, "drop-", 5) == 0) /* a worker puts that before the reasons of drops.def */
		name += 5;
	for (const struct meaning_set *s = sets; s->counters; s++) {
		for (unsigned i = 0; of_process(s->process, process) && i < s->n; i++) {
			if (same(s->counters[i].name, name))
				return s->counters[i].sentence;
		}
	}
	return NULL;
}

const struct alarm_info *
meaning_of_alarm(const char *name)
{
	for (const struct alarm_set *s = alarms; s->alarms; s++) {
		for (unsigned i = 0; i < s->n; i++) {
			if (same(s->alarms[i].name, name))
				return &s->alarms[i];
		}
	}
	return NULL;
}
