// SPDX-License-Identifier: Apache-2.0
/*
 * The commands that every process knows:
 *
 *	reload              the configuration is read again, as at SIGHUP; the answer says what became of it
 *	log                 the least important line that is written now
 *	log LEVEL           from now on, until the next reload or start: debug, info, warning, error
 */
#ifndef TWIN_BUS_VERBS_H
#define TWIN_BUS_VERBS_H

#include "base/sink.h"
#include "bus/bus.h"

struct verbs {
	/* `said` becomes the answer; false: refused, everything is as before. */
	bool (*reload)(void *arg, char *said, size_t len);
	/* Beside the log's own level: a core that saves itself the lines nobody reads.  May be NULL. */
	void (*level)(void *arg, enum note_level least);
};

/* False: it is another command. */
bool verbs_run(const struct verbs *, void *arg, const char *const *words, unsigned n, struct answer *);

#endif
