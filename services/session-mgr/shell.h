// SPDX-License-Identifier: Apache-2.0
/*
 * The shell of session-mgr, shared by main.c and the shell_* files: sockets, the bus, time.
 *
 *	shell_bus.c	state-sync (rows in, records and effects out), workers (frames, usage)
 *	shell_radius.c	the RADIUS sockets
 *	shell_cmd.c	commands
 */
#ifndef SM_SHELL_H
#define SM_SHELL_H

#include "aaa_desk.h"
#include "bus/owner.h"
#include "sm.h"

#define WORKERS_MAX 64
#define BATCH_FRAMES 64
#define BATCH_OCTETS (BATCH_FRAMES * 1024)

/* Frames on their way to one worker: one message each time the loop comes around. */
struct batch_out {
	unsigned n;
	size_t used;
	struct {
		uint16_t tunnel, session, len;
		uint32_t at;
	} frame[BATCH_FRAMES];
	uint8_t octets[BATCH_OCTETS];
};

struct question {
	struct question *next;
	bool acct;
	size_t len;
	_Alignas(8) uint8_t octets[];
};

#define RADIUS_COUNTERS 12

struct radius_sock {
	struct shell *sh;
	enum desk_kind kind;
	unsigned server, socket;
	int fd;
	struct loop_fd *watch;
};

enum shell_counter {
#define X(NAME, SENTENCE) SHELL_##NAME,
#include "shell_counters.def"
#undef X
	SHELL_COUNTERS
};

struct shell {
	const char *config, *schema;
	struct conf *conf;
	struct loop *loop;
	struct bus *bus;
	struct owner *owner;
	struct sm *sm;
	struct aaa_desk *desk;
	struct bus_sock *punt, *cmd;
	struct loop_timer tick, desk_tick, second;
	struct loop_each *each;
	struct batch_out *out[WORKERS_MAX];
	bool worker_here[WORKERS_MAX];
	unsigned workers; /* as configured */
	struct question *questions, **questions_end;
	struct arena arena; /* of one message of a worker */
	struct sm_usage usage[1024];
	/* RADIUS */
	struct radius_sock *sock[2][CONF_SERVERS][RCLIENT_SOCKETS];
	char users_error[300];
	/* numbers */
	uint64_t v[SHELL_COUNTERS], radius_v[2][RADIUS_COUNTERS];
	struct counters sets[5];
	/* commands that wait for an answer of AAA */
	struct answer *aaa_test[16];
	unsigned aaa_test_next;
	uint8_t pool[4096]; /* random octets */
	size_t pool_left;
};

struct sm_time shell_time(struct shell *);
void shell_random(void *arg, uint8_t *out, size_t n);
/* The core takes an event; only while this node is active. */
void shell_step(struct shell *, const struct sm_event *);
bool shell_read_users(struct shell *, char *error, size_t error_len);
/* Configuration and users file again; `said`: what became of it.  False: not all of it was taken. */
bool shell_reload(struct shell *, char *said, size_t len);

bool bus_shell_start(struct shell *);
void bus_shell_flush(struct shell *);
void bus_shell_alarms(struct shell *);

void radius_shell_start(struct shell *); /* makes the desk's way out: sockets are opened when first used */
void radius_shell_close(struct shell *);
void radius_shell_counts(struct shell *);
void radius_shell_send(void *arg, enum desk_kind, unsigned server, unsigned socket, struct span);

void cmd_shell(void *arg, const char *const *words, unsigned n, struct answer *);
/* An answer of the desk that a command asked for; false: it was the core's. */
bool cmd_shell_answer(struct shell *, const struct aaa_answer *);
void cmd_shell_forget(struct shell *);

#endif
