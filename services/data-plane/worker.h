// SPDX-License-Identifier: Apache-2.0
/*
 * The shell of one worker: what its files share.
 *
 *      shell_udp.c   datagrams in and out        shell_bus.c   feed, lease, punts, injections, reports
 *      shell_ip.c    raw sockets beside them     shell_hand.c  packets from and for siblings
 *      shell_tun.c   IP packets in and out       kernel.c      addresses and routes of the TUN (worker 0)
 */
#ifndef TWIN_WORKER_H
#define TWIN_WORKER_H

#include "bus/bus.h"
#include "bus/owner.h"
#include "dp.h"
#include "fds.h"
#include "join.h"
#include "kernel.h"
#include "late.h"
#include "loop/loop.h"
#include "runs.h"

#define TUN_ARENA (1u << 20)
#define ROOM 64 /* octets kept free before every packet: DP_HEADROOM and the kernel's header */

struct held { /* an injection that waits for a sequence number */
	struct held *next;
	uint16_t tunnel, session;
	mono_t since;
	uint32_t len;
	uint8_t octets[];
};

struct rest { /* shell_rest.c */
	mono_t length, last; /* of a rest; when packets were forwarded last */
	uint64_t seen;	     /* how many until then */
	uint64_t trunks;     /* how many of them went into trunks */
	bool more;	     /* something was left unread, so that others have their turn */
};

struct ip_io { /* shell_ip.c */
	struct loop_fd *watch[CONF_IP_PROTOCOLS][2];
	uint64_t steered; /* dp_pairs_version() that the filters know */
};

struct udp_io;
struct tun_io;

struct worker {
	struct conf *conf;
	unsigned id;
	uint64_t instance;
	char name[32]; /* "worker.N" */
	struct loop *loop;
	struct bus *bus;
	struct owner *owner;
	struct dp *dp;
	struct fds fds;
	struct udp_io *udp;
	struct ip_io ip;
	struct tun_io *tun;
	struct loop_fd *hand;
	struct kernel *kernel; /* worker 0 only */

	struct puntq *to_ctl, *to_mgr;
	struct bus_sock *ctl, *mgr, *cmd;
	struct arena arena;
	struct loop_timer tick;
	mono_t recorded; /* checkpoints of contexts, last */
	mono_t sweep; /* the store is looked through for contexts that nobody has; 0: not */
	mono_t ticked;
	unsigned ticks;
	struct { /* what was counted when it was looked last; until which tick there may be something to tell */
		uint64_t seen;
		unsigned until;
	} stir;
	struct held *held, **held_end;
	unsigned helds;
	struct late late; /* owners' messages that wait for the lease */
	mono_t ready; /* since when the tables are loaded; 0: not yet */
	bool reading; /* sockets and TUN */
	bool settled; /* it has read before: sequence numbers were leased */
	mono_t lapsed;	   /* active, and since then without a lease; 0: it has one */
	mono_t wait_until; /* reading waits for a lease at most until then */
	struct loop_timer wake;
	struct rest rest;
	struct {
		bool on;
		mono_t until; /* this node is active and was not long ago */
	} prompt; /* shell_prompt.c */
	struct {
		int fd;
		mono_t armed;
	} trunk; /* shell_trunk.c */
	struct counters sets[2];
};

/* May packets leave now?  Reads the clock into *now. */
bool worker_may_send(struct worker *, mono_t *now);
/*
 * Asked before anything is read.  True: this node is active and its lease has just run out, as when
 * the elector starts again or this process was not scheduled, or it is about to become active; reading has been
 * paused, and what comes waits in the sockets until the lease is heard of, the role is gone or patience ends.
 */
bool worker_paused(struct worker *);
static inline void
worker_drop(struct worker *w, enum dp_drop why, uint64_t n)
{
	dp_drops(w->dp)[why] += n;
}

bool udp_start(struct worker *);
bool udp_watch(struct worker *, bool on); /* reads from now on, or not */
void udp_stop(struct worker *);
#define UDP_RX 64 /* datagrams at a time */
/* A batch from a socket of UDP, or (ip_protocol) a raw one; how many came. */
unsigned udp_receive(struct worker *, int fd, uint16_t port, uint8_t ip_protocol);
/* Sends in the order given, except that runs of one size for one peer are put together (runs.h). */
void udp_send(struct worker *, struct tx *, unsigned n);
/* The frames of the last dp_down, dp_up or row of dp_inject. */
void udp_send_frames(struct worker *);

bool ip_watch(struct worker *, bool on);
void ip_stop(struct worker *);
void ip_steer(struct worker *); /* after rows: whose packets this worker takes */
/* The raw socket beside the l-th listener; -1: there is none of this protocol. */
int ip_socket(const struct worker *, uint8_t ip_protocol, unsigned l);

bool tun_start(struct worker *);
bool tun_watch(struct worker *, bool on);
void tun_stop(struct worker *);
/* n packets in turn, n <= DP_BATCH; those of one flow are put together. */
void tun_write_all(struct worker *, const struct join_packet *in, unsigned n);
/* The packets of the last dp_up or dp_down. */
void tun_write_made(struct worker *);

bool trunk_start(struct worker *);
void trunk_stop(struct worker *);
void trunk_arm(struct worker *); /* after every dp_up and dp_down */
void trunk_show(struct worker *, uint16_t tunnel, uint16_t session, struct answer *);
void trunk_show_all(struct worker *, uint32_t from, struct answer *);

bool hand_watch(struct worker *, bool on);
enum { HAND_UP, HAND_DOWN, HAND_INJECT };
void hand_over(struct worker *, unsigned to, unsigned kind, uint16_t tunnel, uint16_t session,
	       uint8_t tos, const struct dp_ends *, struct span octets);
/* Packets of the core, where the verdict says so. */
void hand_down(struct worker *, struct dp_verdict *, unsigned n);

/* Runs datagrams through the core and carries out its verdicts; n <= DP_BATCH. */
void worker_up(struct worker *, mono_t now, const struct dp_datagram *, unsigned n);
void worker_down(struct worker *, mono_t now, const struct dp_packet *, unsigned n);
/* One frame of session-mgr; false: it waits for a sequence number, keep it. */
bool worker_inject(struct worker *, uint16_t tunnel, uint16_t session, struct span frame);

void prompt_begin(struct worker *); /* the threads that begin from here on have a real-time priority */
void prompt_start(struct worker *); /* and our own has it from here on while it is wanted at once */
void prompt_role(struct worker *, bool active);
void prompt_tick(struct worker *, uint64_t packets); /* that came since about the last */

void rest_configure(struct worker *, const struct conf *);
bool rest_start(struct worker *); /* the last to be called before the loop runs */

/* main.c: the configuration again; `said`: what became of it.  False: the old one stays. */
bool worker_reload(struct worker *, char *said, size_t len);

bool shell_bus_start(struct worker *);
void shell_bus_stop(struct worker *);

#endif
