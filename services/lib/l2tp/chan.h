// SPDX-License-Identifier: Apache-2.0
/*
 * Reliable delivery of control messages (RFC 2661, 5.8 and appendix A): one small machine per
 * tunnel. It knows Ns and Nr and whole messages; not what they mean.  It reads no clock and sends
 * nothing: the owner asks what to transmit when a step ends, so that one acknowledgement serves the
 * whole step.
 *
 * Two kinds of state live here:
 *
 *   replicated   Ns, Nr, what the peer acknowledged, and the messages not yet acknowledged.  They
 * change only by chan_apply_seq() and chan_apply_out(), which take what a record says. local
 * windows, timers, the queue of early messages: begun anew by whoever is promoted, as a peer that
 * lost a few datagrams would have it.
 *
 * `seq` is the draft of this step; the owner records it once, when the step ends, and applies it.
 *
 *         peer_nr          next           seq.ns
 *    acked  |  in flight    |  waits for    |  not yet given
 *           |  (<= window)  |  the window   |
 */
#ifndef TWIN_L2TP_CHAN_H
#define TWIN_L2TP_CHAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"
#include "wire/wire.h"

#define CHAN_MESSAGE_MAX 4096 /* octets of a message we send */
#define CHAN_EARLY_MAX                                                                             \
	4096 /* octets of an early message we keep; a longer one is sent again by the peer */
#define CHAN_QUEUE_MAX 32767 /* messages unacknowledged: half of the sequence space */
#define CHAN_PEER_WINDOW 4   /* when the peer does not say (RFC 2661, 4.4.3) */

struct chan_conf {
	uint16_t window;		     /* our Receive Window Size: early messages kept */
	unsigned rtx_initial_ms, rtx_cap_ms; /* RFC 2661, 5.8: 1000, at least 8000 */
	unsigned rtx_tries;		     /* retransmissions before the peer is given up: 5 */
	unsigned rtx_least_ms; /* a peer measured to answer at once: not before; 0: always rtx_initial_ms */
};

struct chan_seq {
	uint16_t ns;	  /* to be given to the next message */
	uint16_t nr;	  /* expected from the peer next */
	uint16_t peer_nr; /* all below is acknowledged by the peer */
};

struct chan_slot {
	uint8_t *bytes; /* kept for the next message of this slot */
	uint16_t len, room;
};

struct chan_queue { /* of messages by their number: slot[n & (cap - 1)] */
	struct chan_slot *slot;
	uint32_t cap;  /* 0 or a power of two */
	uint16_t lo;   /* lowest number present */
	uint32_t span; /* lo + span is one past the highest present; 0: empty */
	uint32_t count;
};

struct chan {
	struct chan_conf conf;
	struct chan_seq seq;  /* draft of this step */
	struct chan_seq held; /* as recorded last */
	struct chan_queue out;
	/* local */
	struct chan_queue early;
	uint16_t acked_from; /* first number whose row is still to be removed */
	uint16_t next;	     /* to be transmitted next */
	uint16_t sent_below; /* everything below may have been seen by the peer */
	uint16_t peer_window, cwnd, ssthresh, acks;
	unsigned tries;
	unsigned interval_ms;
	mono_t rtx_due;
	mono_t rtx_since; /* since then the peer has acknowledged nothing new, and something is out */
	/* how fast the peer answers: one message at a time is measured, never one sent twice */
	bool timing;
	uint16_t timed_ns;
	mono_t timed_at;
	unsigned srtt_us, rttvar_us; /* 0: not measured yet */
	unsigned rto_ms;
	/* evidence of loss before any timer */
	unsigned repeats; /* ZLBs that acknowledged nothing new while messages were out */
	uint16_t recover; /* no further evidence counts until all below is acknowledged */
	bool recovering;
	mono_t heard; /* when the peer last said anything */
	bool ack_owed;
	bool ahead_seen; /* chan_learn(): a message of this number, ahead of order */
	uint16_t ahead_ns;
	bool broken; /* a message that must be sent is missing: a damaged store */
};

void chan_init(struct chan *, const struct chan_conf *);
void chan_fini(struct chan *); /* twice is allowed */
void chan_configure(struct chan *, const struct chan_conf *);
/* The peer's Receive Window Size; 0 is taken as 1. */
void chan_set_peer_window(struct chan *, uint16_t messages);

/* ---- what records say ----------------------------------------------------------------- */

void chan_apply_seq(struct chan *, const struct chan_seq *);
/* An empty message: the row is removed.  False: it cannot belong to this queue, or no memory;
 * ignored. */
bool chan_apply_out(struct chan *, uint16_t ns, struct span message);
/* Does `seq` say more than the last record? */
static inline bool
chan_moved(const struct chan *c)
{
	return c->seq.ns != c->held.ns || c->seq.nr != c->held.nr ||
	       c->seq.peer_nr != c->held.peer_nr;
}

/* ---- receiving ------------------------------------------------------------------------ */

enum chan_verdict {
	CHAN_DELIVER,	/* the next one in order: act on it */
	CHAN_ACK_ONLY,	/* a ZLB */
	CHAN_LOSS,	/* a ZLB that shows that a message of ours was lost: chan_transmit() has it again */
	CHAN_DUPLICATE, /* seen before: acknowledged again, nothing else */
	CHAN_EARLY,  /* ahead of order, kept (or, when too long to keep, left to be sent again) */
	CHAN_BEYOND, /* outside our window: dropped */
	CHAN_BAD_NR, /* acknowledges what was never sent: dropped */
};

enum chan_verdict chan_receive(struct chan *, mono_t now, uint16_t ns, uint16_t nr, bool zlb,
			       struct span message);
/* After a delivery: the next one in order, if it came early.  Lent until the next call on this
 * chan. */
bool chan_receive_early(struct chan *, struct span *message);
/* Numbers newly acknowledged, one a call: remove their rows. */
bool chan_acked(struct chan *, uint16_t *ns);

/* ---- sending -------------------------------------------------------------------------- */

/* Messages given and not acknowledged; CHAN_QUEUE_MAX of them is full. */
static inline unsigned
chan_backlog(const struct chan *c)
{
	return (uint16_t)(c->seq.ns - c->seq.peer_nr);
}

/* The Ns for a new message, whose row is to be applied next.  False: the queue is full. */
bool chan_give_ns(struct chan *, uint16_t *ns);
/*
 * The next message that the window allows, with its Nr as of now, copied to `out`.  Returns its
 * length; 0: nothing (more) to send now.
 */
size_t chan_transmit(struct chan *, mono_t now, uint8_t out[CHAN_MESSAGE_MAX]);
/* An acknowledgement is owed and no message carried it: true once, then it is the caller's to send.
 */
bool chan_take_ack(struct chan *);

/* ---- time ----------------------------------------------------------------------------- */

enum chan_tick {
	CHAN_QUIET,
	CHAN_RETRANSMIT, /* counted as congestion; chan_transmit() now has the oldest message again
			  */
	CHAN_DEAD,	 /* the peer has not answered through all tries */
};

mono_t chan_due(const struct chan *);
enum chan_tick chan_tick(struct chan *, mono_t now);
/* After a promotion or a restart: what is unacknowledged goes out again at `when`. */
void chan_start(struct chan *, mono_t now, mono_t when);
/* After CHAN_DEAD: the oldest message once more, and again CHAN_DEAD if that is not answered either (a peer
 * that may recover, RFC 4951, 5.1). */
void chan_insist(struct chan *, mono_t now);
/*
 * What the peer shows of numbers that we have forgotten, because a store lacks the last of them: its Nr ahead of our Ns
 * counts at once; its Ns ahead of our Nr when it repeats itself, for then it has nothing older to send.  Before
 * chan_receive().  True: something was taken over.
 */
bool chan_learn(struct chan *, uint16_t ns, uint16_t nr, bool zlb);
/* RFC 4951, 3.2.2: both windows are flushed and the numbers begin anew.  The rows of what was queued are the
 * caller's to remove first. */
void chan_reset(struct chan *, mono_t now, uint16_t ns, uint16_t nr);
/* A full retransmission cycle (RFC 2661, 5.7): 31 s with the defaults.  No peer is given up sooner, however
 * early its first retransmissions were. */
mono_t chan_cycle(const struct chan_conf *);

#endif
