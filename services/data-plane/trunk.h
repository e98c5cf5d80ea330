// SPDX-License-Identifier: Apache-2.0
/*
 * A trunk: one PPP session whose packets are compressed (lib/crtp) and multiplexed (lib/pppmux), as
 * TCRTP has it (RFC 4170).  Pure: time comes in, frames and packets go out through callbacks.
 *
 *	IP packet ─► crtp_compress ─► one mux per class ─► PPP frame      trunk_send, trunk_timer
 *	PPP frame ─► subframes ─► crtp_decompress ─► IP packets           trunk_receive
 *
 * EF and other packets never share a frame (RFC 4170, 2.4.1), so each class has its own mux and timer T.
 * Within a class order is kept.  What cannot be compressed or multiplexed travels plain.
 *
 * A trunk belongs to one worker, which alone sees its packets (like a sequenced session).
 */
#ifndef TWIN_DP_TRUNK_H
#define TWIN_DP_TRUNK_H

#include <stdio.h>

#include "crtp/crtp.h"
#include "pppmux/pppmux.h"

struct trunk;

enum trunk_class { TRUNK_REST, TRUNK_EF, TRUNK_CLASSES };

struct trunk_conf {
	struct crtp_comp_conf comp; /* has_v4, has_v6: what the peer's decompressor takes */
	struct crtp_dec_conf dec;   /* what ours does */
	bool mux_send, mux_recv;
	bool no_states;		    /* the peer does not take CONTEXT_STATE */
	uint16_t recv_pid;	    /* our default PID; the peer's is in mux.default_pid */
	uint16_t recv_overhead;	    /* as mux.overhead, of frames of the peer's */
	struct pppmux_config mux;
};

#define TRUNK_DELAYS 12 /* added delay: below 125 us, 250 us, 500 us, 1 ms, ... 128 ms, and above */
#define TRUNK_DELAY_LEAST_US 125

/* Everything rises only. */
struct trunk_stats {
	uint64_t frames[TRUNK_CLASSES], packets[TRUNK_CLASSES]; /* sent; of several packets: mux_frames */
	uint64_t mux_frames, mux_packets, mux_octets;		 /* multiplexed ones, what is in them, octets after 0059 */
	uint64_t octets_in, octets_out;				 /* IP packets given; PPP information sent, 0059's too */
	uint64_t delay[TRUNK_DELAYS];				 /* packets by the time they waited */
	uint64_t recv_frames, recv_mux_frames, recv_packets;
	uint64_t recv_octets_in, recv_octets_out;		 /* PPP information received; IP packets restored */
	uint64_t mux_truncated, mux_empty, mux_forbidden;	 /* faults of received frames (RFC 3153, 1.3) */
	uint64_t states_sent, states_heard;			 /* CONTEXT_STATE */
	uint64_t no_room;					 /* packets received that found no room in the batch */
};

/* Where results go.  Nothing may be called on the same trunk from inside. */
struct trunk_sink {
	/* A PPP frame for the peer: protocol and information, lent for the call; the outer TOS octet. */
	void (*frame)(struct trunk_sink *, uint16_t proto, struct span info, uint8_t tos);
	/* Room for a packet of `len` octets with CRTP_HEADROOM writable ones before it; NULL: none left. */
	uint8_t *(*room)(struct trunk_sink *, uint32_t len);
	/* An IP packet of the peer in such a room; proto 0021 or 0057. */
	void (*packet)(struct trunk_sink *, uint16_t proto, uint8_t *p, uint32_t len);
	/* A frame of the peer's that is neither IP, nor compressed, nor a mux: for the PPP link. */
	void (*other)(struct trunk_sink *, uint16_t proto, struct span info);
};

struct trunk *trunk_new(const struct trunk_conf *); /* NULL: no memory */
void trunk_free(struct trunk *);		    /* NULL is fine */
/* PPPMuxCP came up, went down or agreed anew: contexts are IPCP's and stay.  What was gathered is forgotten. */
void trunk_remux(struct trunk *, const struct trunk_conf *);

/*
 * An IP packet for the peer (proto 0021 or 0057); worked on in place, nothing of it is kept.  `tos` is the packet's own:
 * it decides the class, whatever the tunnel's header will carry.
 */
void trunk_send(struct trunk *, mono_t now, uint16_t proto, uint8_t *p, uint32_t len, uint8_t tos, struct trunk_sink *);

/* Optional, before a batch of them: asks the caches for what trunk_send will look at. */
void trunk_prefetch(const struct trunk *, const struct crtp_pkt *, unsigned n);

/* Is this protocol the trunk's to receive?  0059, or one of RFC 3544's, as far as negotiated. */
bool trunk_takes(const struct trunk *, uint16_t proto);
void trunk_receive(struct trunk *, mono_t now, uint16_t proto, struct span info, struct trunk_sink *);

/* When trunk_timer has to be called: frames whose T is over, CONTEXT_STATEs; MONO_NEVER. */
mono_t trunk_due(const struct trunk *);
void trunk_timer(struct trunk *, mono_t now, struct trunk_sink *);
/* All that waits leaves now: before the worker ends, or hands over. */
void trunk_flush(struct trunk *, mono_t now, struct trunk_sink *);

const struct trunk_stats *trunk_stats(const struct trunk *);
const struct pppmux_config *trunk_mux_config(const struct trunk *);
uint16_t trunk_recv_overhead(const struct trunk *);
/* For checkpoints and counters (crtp.h); lent. */
struct crtp_comp *trunk_comp(struct trunk *);
struct crtp_dec *trunk_dec(struct trunk *);
const struct crtp_comp *trunk_comp_of(const struct trunk *);
const struct crtp_dec *trunk_dec_of(const struct trunk *);

/* "send":{...},"receive":{...}: trunk_json.c. */
void trunk_json(const struct trunk *, FILE *);

#endif
