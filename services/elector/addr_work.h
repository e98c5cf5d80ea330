// SPDX-License-Identifier: Apache-2.0
/*
 * A thread that asks the kernel for addresses.
 *
 * The kernel answers such a question in a quarter of a millisecond, or, when somebody else on this machine is taking an
 * interface down, in a quarter of a second: it has one lock for all of them.  The elector must not wait for it, because
 * it sends heartbeats; and the packets should not, so what can be prepared ahead of a promotion is: see `prepare`.
 *
 * What is wanted is stated whole each time, and the last word counts.
 */
#ifndef TWIN_ELECTOR_ADDR_WORK_H
#define TWIN_ELECTOR_ADDR_WORK_H

#include "base/mono.h"
#include "conf/conf.h"

#define ADDR_TROUBLE 128

struct addr_work;

struct addr_wanted {
	struct conf_claim claim[CONF_CLAIMS];
	unsigned claims;
	bool hold;	 /* the addresses are ours */
	bool prepare;	 /* packets to them are delivered here already, if anybody sends us some */
};

struct addr_done {
	bool hold;
	bool prepared;	   /* all of them */
	unsigned changed;  /* how many were set, or were there to be removed */
	unsigned claims;
	mono_t took;
	char trouble[ADDR_TROUBLE]; /* empty: none */
};

/* NULL: no netlink, no thread. */
struct addr_work *addr_work_new(void);
/* Carries out what was wanted last, and ends. */
void addr_work_free(struct addr_work *);
int addr_work_fd(const struct addr_work *); /* readable: addr_work_done() has something */
void addr_work_want(struct addr_work *, const struct addr_wanted *);
bool addr_work_done(struct addr_work *, struct addr_done *out);

#endif
