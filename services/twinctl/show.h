// SPDX-License-Identifier: Apache-2.0
/* `show ...`: each takes the words after its name and answers an exit code. */
#ifndef TWINCTL_SHOW_H
#define TWINCTL_SHOW_H

#include "node.h"

int show_tunnels(struct node *, const char *const *words, unsigned n);
int show_tunnel(struct node *, const char *const *words, unsigned n);
int show_sessions(struct node *, const char *const *words, unsigned n);
int show_session(struct node *, const char *const *words, unsigned n);
int show_dials(struct node *, const char *const *words, unsigned n);
int show_radius(struct node *, const char *const *words, unsigned n);
int show_pools(struct node *, const char *const *words, unsigned n);
int show_cluster(struct node *, const char *const *words, unsigned n);
int show_recovery(struct node *, const char *const *words, unsigned n);
int show_history(struct node *, const char *const *words, unsigned n);
int cluster_command(struct node *, const char *const *words, unsigned n);
int show_alarms(struct node *, const char *const *words, unsigned n);
int show_counters(struct node *, const char *const *words, unsigned n);
int trunk_command(struct node *, const char *const *words, unsigned n);
int show_tables(struct node *, const char *const *words, unsigned n);

int config_command(struct node *, const char *const *words, unsigned n);
int log_command(struct node *, const char *const *words, unsigned n);
int wait_command(struct node *, const char *const *words, unsigned n);
int help_meanings(struct node *, const char *const *words, unsigned n);

/* act.c: verbs that a process carries out; -1: no such verb. */
int act_command(struct node *, const char *const *words, unsigned n);
void act_help(FILE *to);

int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
