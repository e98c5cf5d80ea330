// SPDX-License-Identifier: Apache-2.0
/*
 * A real-time priority, below the elector's, for what a switchover waits for: a thread that does little, and must do it at once.
 *
 * Not for one that can be kept busy from outside: nothing else would run on its processor.
 */
#ifndef TWIN_PROMPT_H
#define TWIN_PROMPT_H

#include <stdbool.h>

/*
 * This thread, and those that it begins from here on.  False: the system does not allow it (neither CAP_SYS_NICE nor RLIMIT_RTPRIO), or the
 * process was started under a class of its own; nothing has changed.  Without it: the class of all others, with the nice value that was there before.
 */
bool prompt_set(bool on);

#endif
