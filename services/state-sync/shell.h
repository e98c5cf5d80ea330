// SPDX-License-Identifier: Apache-2.0
/* state-sync's shell: one file per outside world, this struct their common ground. */
#ifndef TWIN_STATE_SYNC_SHELL_H
#define TWIN_STATE_SYNC_SHELL_H

#include <pthread.h>

#include "bus/bus.h"
#include "bus/records.h"
#include "conf/conf.h"
#include "store/store.h"
#include "sync_core.h"
#include "watch.h"

#define STANDING 128

struct shell {
	struct sync_out out; /* first: the core's way back to us */
	struct sync core;
	struct conf *conf;
	struct loop *loop;
	struct bus *bus;
	struct loop_timer tick;
	struct loop_each *each;
	bool dirty; /* something was read since the last flush */
	struct {
		bool on, ready;
		mono_t until;
	} prompt; /* stand_ready() in main.c */

	/* shell_store.c */
	struct store *store;
	struct store_view *snap;
	struct batch *page;
	unsigned snap_table;
	struct key snap_from;
	pthread_t disk;
	bool disk_runs, disk_end;
	pthread_mutex_t disk_lock;
	pthread_cond_t disk_wake;
	uint64_t disk_want, disk_done;
	int disk_err, disk_pipe[2];
	struct loop_fd *disk_fd;

	/* shell_bus.c */
	struct bus_sock *clients, *elector, *cmd;
	struct bus_message *feed; /* the frames of the transaction being fed */
	uint64_t feed_position;
	const struct sync_txn *feed_of;

	/* shell_mirror.c */
	struct bus_sock *twin;
	bool listens;
	uint8_t twin_id[BUS_IDENTITY];
	size_t twin_id_len;

	/* shell_rows.c */
	char alarm_detail[SYNC_ALARMS][STANDING];
	uint64_t alarm_since[SYNC_ALARMS];
	struct batch *rows;
	struct arena arena;
	uint64_t counters_sum;
	struct watch watch;
	mono_t second, reaped, lag_from;
	struct sync_lag lag_before; /* the half minute before this one */
};

/* main.c */
void shell_step(struct shell *, const struct sync_event *);
/* The configuration file again; `said`: what became of it.  False: the old one stays. */
bool shell_reload(struct shell *, char *said, size_t len);

/* shell_store.c */
bool store_shell_open(struct shell *, struct sync_meta *, bool *damaged, char *error, size_t len);
bool store_shell_start(struct shell *);
void store_shell_stop(struct shell *);
int store_shell_commit(struct shell *, const struct sync_txn *, const struct sync_meta *);
int store_shell_rows(struct shell *, struct span frame);
int store_shell_wipe(struct shell *, const struct sync_meta *);
int store_shell_meta(struct shell *, const struct sync_meta *, bool terms);
int store_shell_snap_begin(struct shell *);
int store_shell_snap_next(struct shell *, struct span *frame);
void store_shell_snap_end(struct shell *);
void store_shell_disk(struct shell *, uint64_t position);

/* shell_bus.c */
bool bus_shell_start(struct shell *);
enum sync_sent bus_shell_client(struct shell *, struct span identity, const struct sync_head *, const struct sync_txn *);
void bus_shell_status(struct shell *, const struct sync_status *);

/* shell_mirror.c */
bool mirror_shell_start(struct shell *, char *error, size_t len);
bool mirror_shell_say(struct shell *, const struct mirror_head *, const struct span *, unsigned);

/* shell_rows.c */
bool rows_shell_start(struct shell *);
void rows_shell_alarm(struct shell *, enum sync_alarm, bool stands, const char *detail);
void rows_shell_second(struct shell *); /* once a second */
struct sync_lag lag_of_late(const struct shell *); /* of this half minute and the one before */

/* shell_status.c */
char *status_json(const struct shell *); /* free it */

#endif
