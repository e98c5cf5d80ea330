// SPDX-License-Identifier: Apache-2.0
/* A verb: where its words go. */
#ifndef TWINCTL_ACT_H
#define TWINCTL_ACT_H

struct act {
	const char *verb, *process, *syntax;
	unsigned most; /* words after the verb at most */
	const char *help;
	const char *key[2]; /* a first and second word without '=' mean these: "call out 7 5550100" */
};

/* NULL: no such verb. */
const struct act *act_find(const char *const *words, unsigned n);

#endif
