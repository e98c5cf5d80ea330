// SPDX-License-Identifier: Apache-2.0
/* See verbs.h. */
#include "bus/verbs.h"

#include <string.h>

#include "base/log.h"

/* As the configuration names them. */
static const char *const levels[] = { "debug", "info", "warning", "error" };

#define LEVELS (sizeof levels / sizeof levels[0])

static void
level(const struct verbs *v, void *arg, const char *name, struct answer *a)
{
	size_t i = 0;

	while (i < LEVELS && strcmp(levels[i], name) != 0)
		i++;
	if (i == LEVELS) {
		answer_say(a, false, "log levels are debug, info, warning, error; not '%s'", name);
		return;
	}
	log_level((enum note_level)i);
	if (v->level)
		v->level(arg, (enum note_level)i);
	log_line(NOTE_INFO, "log level=%s by=command", levels[i]);
	answer_say(a, true, "writes lines from %s upwards, until the next reload or start", levels[i]);
}

bool
verbs_run(const struct verbs *v, void *arg, const char *const *words, unsigned n, struct answer *a)
{
	char said[1024] = "";

	if (n == 1 && strcmp(words[0], "reload") == 0) {
		bool taken = v->reload(arg, said, sizeof said);
		answer_say(a, taken, "%s", said);
	} else if (n == 1 && strcmp(words[0], "log") == 0) {
		answer_say(a, true, "writes lines from %s upwards", levels[log_least()]);
	} else if (n == 2 && strcmp(words[0], "log") == 0) {
		level(v, arg, words[1], a);
	} else {
		return false;
	}
	return true;
}
