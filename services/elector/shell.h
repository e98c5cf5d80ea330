// SPDX-License-Identifier: Apache-2.0
/* The elector's shell: one file per outside world, this struct their common ground. */
#ifndef TWIN_ELECTOR_SHELL_H
#define TWIN_ELECTOR_SHELL_H

#include "addr_work.h"
#include "bus/bus.h"
#include "bus/lease.h"
#include "bus/records.h"
#include "conf/conf.h"
#include "elect_core.h"

#define TICKETS 16
#define STANDING 128

struct shell {
	struct elect_out out; /* first: the core's way back to us */
	struct elect core;
	struct conf_node node;
	struct conf_pair pair;
	struct conf_claim claim[CONF_CLAIMS];
	unsigned claims;
	const char *config, *schema;
	bool reload;

	struct loop *loop;
	struct bus *bus;
	struct loop_timer beat;
	mono_t beat_due;

	/* shell_beat.c */
	uint8_t key[32];
	int sock[CONF_PATHS];
	struct loop_fd *sock_fd[CONF_PATHS];
	unsigned socks;

	/* shell_bus.c */
	struct bus_sock *sync, *role, *cmd;
	struct lease_page *lease;
	struct {
		uint64_t epoch;
		mono_t until, at;
	} told; /* of the lease, and when over the bus */
	uint8_t sync_id[BUS_IDENTITY];
	size_t sync_id_len;
	struct answer *ticket[TICKETS];
	struct loop_fd *reloading;	/* a child reads the configuration */
	struct answer *reload_answer;
	char alarm_detail[ELECT_ALARMS][STANDING];
	uint64_t alarm_since[ELECT_ALARMS];
	struct batch *batch;
	struct arena arena;
	uint64_t counters_sum;
	unsigned changes_told; /* of core.changes */
	mono_t second;

	/* shell_addr.c */
	struct addr_work *addr;
	int packet;
	bool hold;
	bool claiming;	     /* hold or release was asked for, and is not done yet */
	bool prepared;	     /* packets to the addresses are delivered whether we hold them or not */
	mono_t held_from;
	unsigned announced;  /* how often, since the claim */
	bool early;	     /* ... which was announced ahead of it */
	struct loop_timer announce, settle;
	mono_t checked;

	/* shell_file.c */
	int state_fd;
};

/* main.c */
void shell_step(struct shell *, const struct elect_event *);
/* The configuration file again; the answer (may be NULL) is sent when that is done.  False: not now, and why. */
bool shell_reload(struct shell *, struct answer *, char *why, size_t len);
bool shell_conf_read(struct shell *, char *error, size_t len);
int shell_conf_prepare(struct shell *); /* shell_conf.c: validates in a child */

/* shell_beat.c */
bool beat_shell_start(struct shell *, char *error, size_t len);
void beat_shell_stop(struct shell *);
void beat_shell_read(struct shell *); /* everything that has arrived */
void beat_shell_send(struct shell *, const struct beat *);
bool beat_shell_key(const char *file, uint8_t key[32], char *error, size_t len);

/* shell_bus.c */
bool bus_shell_start(struct shell *);
void bus_shell_lease(struct shell *, uint64_t epoch, bool active, mono_t until);
void bus_shell_order(struct shell *, const struct elect_order *);
void bus_shell_alarm(struct shell *, enum elect_alarm, bool stands, const char *detail);
void bus_shell_answer(struct shell *, uint64_t ticket, bool ok, const char *text);
void bus_shell_second(struct shell *); /* counters and alarms as rows */

/* shell_status.c */
char *status_json(const struct shell *, mono_t now); /* free it */

/* shell_addr.c */
bool addr_shell_start(struct shell *);
void addr_shell_stop(struct shell *);
void addr_shell_hold(struct shell *, bool hold);
void addr_shell_check(struct shell *); /* now and then: is what we hold still there? */
void addr_shell_conf(struct shell *, const struct conf_claim *, unsigned n);

/* shell_file.c */
bool file_shell_open(struct shell *, struct elect_saved *saved, bool *found);
void file_shell_save(struct shell *);

#endif
