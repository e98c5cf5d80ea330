// SPDX-License-Identifier: Apache-2.0
/*
 * A name that one process of a node holds while it lives: RUN/NAME.lock.
 *
 * A supervisor that dies, or is killed with what it counted a moment ago, may leave a process behind and start another under
 * the same name.  Two workers of one number would send the same sequence numbers, two state-syncs would number the
 * transactions of one store: the second one must not begin.
 */
#ifndef TWIN_BUS_CLAIM_H
#define TWIN_BUS_CLAIM_H

/*
 * A descriptor that holds the name until it is closed, or the process is gone; -EBUSY: another process held it for `wait_ms`
 * (one that has just been killed needs a moment to be gone); -errno: there can be no such file.
 */
int claim_take(const char *run_dir, const char *name, unsigned wait_ms);

#endif
