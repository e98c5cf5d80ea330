// SPDX-License-Identifier: Apache-2.0
/* What main.c and shell_bus.c of tunnel-ctl share. */
#ifndef TWIN_TC_SHELL_H
#define TWIN_TC_SHELL_H

#include "base/log.h"
#include "bus/bus.h"
#include "bus/owner.h"
#include "loop/loop.h"
#include "punt.pb-c.h"
#include "tc.h"

#define SHELL_WORKERS 64
#define BATCH_FRAMES 64
#define BATCH_OCTETS 32768

/* Messages on their way to one worker, until the iteration ends. */
struct batch_out {
	unsigned n;
	size_t used;
	struct effect e[BATCH_FRAMES]; /* their bytes lie in octets[] */
	uint8_t octets[BATCH_OCTETS];
};

enum shell_counter {
#define X(NAME, SENTENCE) SHELL_##NAME,
#include "shell_counters.def"
#undef X
	SHELL_COUNTERS
};

struct shell {
	struct conf *conf;
	const char *conf_file, *schema_dir;
	struct loop *loop;
	struct bus *bus;
	struct owner *owner;
	struct tc *tc;
	struct bus_sock *punt, *commands;
	struct loop_timer timer;
	struct arena arena;
	struct log_limit notes;
	bool there[SHELL_WORKERS], anybody;
	struct batch_out *out[SHELL_WORKERS];
	uint64_t n[SHELL_COUNTERS];
	struct counters sets[TC_COUNTER_SETS + 1];
};

/* False with errno: what could not be opened. */
bool shell_start(struct shell *);
void shell_stop(struct shell *);
/* The configuration file again; `said`: what became of it.  False: the old one stays. */
bool shell_reload(struct shell *, char *said, size_t len);

#endif
