// SPDX-License-Identifier: Apache-2.0
/*
 * ZeroMQ sockets in a loop: endpoints by name (ipc://RUN/NAME), messages as spans, nothing ever
 * blocks.
 *
 * Receiving: the callback gets the sender's identity (ROUTER only) and the frames, lent until it
 * returns. Sending copies and never waits; false means that this message is not on its way (queue
 * full, no such peer) and was counted.  Nothing is dropped silently: queues are bounded (BUS_HWM
 * messages unless changed) and a full one says so to the sender, who decides (a state stream starts
 * over, a punt is lost). PUB is the exception by nature; use it for what only the latest counts.
 *
 * All of it belongs to one thread.  Callbacks may send, open and close anything, their own socket
 * included.
 */
#ifndef TWIN_BUS_H
#define TWIN_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "wire/wire.h"

struct bus;
struct bus_sock;

#define BUS_HWM 100000 /* messages a peer's queue holds each way */
#define BUS_FRAMES 64  /* frames in a message; one with more is dropped and counted */
#define BUS_IDENTITY 255

/* run_dir holds the ipc endpoints; copied.  NULL with errno. */
struct bus *bus_new(struct loop *, const char *run_dir);
void bus_free(struct bus *); /* closes what is still open; unsent messages are dropped */
struct loop *bus_loop(struct bus *);

/* identity: empty but on a ROUTER.  frames[0..n) without identity and without REQ's empty
 * delimiter. */
typedef void bus_fn(void *arg, struct bus_sock *from, struct span identity,
		    const struct span *frames, unsigned n);

/*
 * NULL with errno (EADDRINUSE, ENAMETOOLONG: the path does not fit a socket address, ...).  A peer
 * that connects again under its identity takes over from its old connection.  Connecting never
 * fails for want of a peer: it is retried every 10 ms, and what is sent meanwhile is queued.
 */
struct bus_sock *bus_router_bind(struct bus *, const char *name, bus_fn *fn, void *arg);
struct bus_sock *bus_dealer_connect(struct bus *, const char *name, const char *identity,
				    bus_fn *fn, void *arg);
struct bus_sock *bus_pub_bind(struct bus *, const char *name);
/* Of what waits, the latest message only; at most 8 frames. */
struct bus_sock *bus_sub_connect(struct bus *, const char *name, bus_fn *fn, void *arg);
void bus_close(struct bus_sock *); /* NULL is allowed */

/* CURVE: both ends derive their keys from one 32-octet secret; only who has it gets in, either way.
 */
struct bus_curve {
	uint8_t secret[32];
};
/* tcp: endpoint "tcp://192.0.2.1:4170", or "tcp://[2001:db8::1]:4170".  curve NULL: in the clear.
 */
struct bus_sock *bus_router_listen(struct bus *, const char *endpoint,
				   const struct bus_curve *curve, bus_fn *fn, void *arg);
struct bus_sock *bus_dealer_dial(struct bus *, const char *endpoint, const char *identity,
				 const struct bus_curve *curve, bus_fn *fn, void *arg);

/*
 * Told when a connection of this socket came up or went away; before the next message is delivered.  For a ROUTER or
 * a DEALER.  Called before the loop runs again it misses nothing, however long the process stood still in between;
 * later, what came up before is not told.
 */
enum bus_link { BUS_UP, BUS_DOWN };
typedef void bus_link_fn(void *arg, struct bus_sock *, enum bus_link);
bool bus_watch(struct bus_sock *, bus_link_fn *fn, void *arg);

/* Queue bound in messages for connections made from now on; 0: none. Default BUS_HWM. Set on the
 * bus before opening. */
void bus_set_hwm(struct bus *, int messages);
/* ZMTP heartbeats on tcp sockets opened from now on: a silent connection is BUS_DOWN after
 * `timeout_ms`.  0: off. */
void bus_set_heartbeat(struct bus *, unsigned interval_ms, unsigned timeout_ms);

/*
 * identity: a ROUTER's peer; empty on other sockets.  n frames, 1 or more.  False with errno: EAGAIN: the queue is full;
 * EHOSTUNREACH: a ROUTER has no such peer.
 */
bool bus_send(struct bus_sock *, struct span identity, const struct span *frames, unsigned n);

/* A message made once and sent to many: its frames are counted references, not copies. */
struct bus_message;
struct bus_message *bus_message_new(const struct span *frames,
				    unsigned n); /* copies once; NULL: no memory */
bool bus_message_send(struct bus_sock *, struct span identity, struct bus_message *);
/* With a frame of the receiver's own (a Header) in front of the shared ones. */
bool bus_message_send_after(struct bus_sock *, struct span identity, struct span head,
			    struct bus_message *);
void bus_message_free(struct bus_message *); /* what was sent stays on its way */

struct bus_counts {
	uint64_t received, sent, refused_full, refused_no_peer, malformed;
};
struct bus_counts bus_counts(const struct bus_sock *);

/* --- commands: proto/command.proto at cmd.PROCESS ------------------------------------------ */

struct answer; /* of one request */

/* words[0..n): NUL-terminated, valid UTF-8, lent until it returns.  The answer is sent when it
 * returns, unless deferred. */
typedef void bus_command_fn(void *arg, const char *const *words, unsigned n, struct answer *);
struct bus_sock *bus_rep(struct bus *, const char *process, bus_command_fn *fn, void *arg);

void answer_say(struct answer *, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void answer_json(struct answer *, const char *json); /* copies */
/* Not yet: the answer outlives the callback, and answer_send() sends and frees it.  NULL: no
 * memory; answer now. */
struct answer *answer_defer(struct answer *);
void answer_send(struct answer *);

/*
 * twinctl's side, without a loop: blocks at most timeout_ms.  True: the process answered, `*ok`,
 * text and json are its (free both).  False: `*text` says why not ("state-sync is not running:
 * ...").
 */
bool bus_req_once(const char *run_dir, const char *process, const char *const *words, unsigned n,
		  unsigned timeout_ms, bool *ok, char **text, char **json);

#endif
