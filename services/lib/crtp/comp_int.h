// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the compressor share: short.c and comp.c (which form), flows.c (which context),
 * form.c (which octets).
 */
#ifndef TWIN_CRTP_COMP_INT_H
#define TWIN_CRTP_COMP_INT_H

#include <stddef.h>

#include "crtp/crtp.h"
#include "crtp/tick.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define UDP_HEADER 8
#define RTP_HEADER 12
#define CSRC_KEPT 7 /* a longer list is sent in every packet, not remembered */

/* A packet taken apart.  Offsets of the headers follow from v6 and rtp. */
struct flow {
	uint8_t *p;
	uint32_t len;
	uint32_t hash;
	uint8_t udp;  /* where the UDP header begins: 20 or 40 */
	bool v6, rtp; /* rtp: looks like it, and may be tried as it */
	uint8_t cc;
	uint16_t id, seq;
	uint32_t ts;
};

/*
 * What has still to be repeated in how many packets (RFC 3545, 2.3: N+1 in all), four bits each, so
 * that "nothing" is one comparison.  REP_FULL counts the full headers of the series that is going
 * on.
 */
enum rep { REP_I, REP_DI, REP_T, REP_DT, REP_S, REP_P, REP_C, REP_WHOLE, REP_FULL, REP_END };
#define REP_BITS(WHICH) (4 * (WHICH))
#define REP_ONCE ((uint64_t)1)

struct cctx {
	/* what each packet looks at and moves */
	uint32_t hash;	 /* 0: this CID is free */
	tick_t used;	 /* last packet */
	tick_t fresh;	 /* last full header, or refresh */
	uint32_t ts, dt; /* of the last packet; the step that the decompressor adds */
	uint16_t id, seq;
	uint64_t rep; /* enum rep */
	uint16_t di;
	uint16_t num;	 /* compressed headers since `fresh` */
	uint16_t period; /* RFC 2507, 3.3.1: F_PERIOD of slow start; RTP: F_MAX_PERIOD */
	uint8_t link;	 /* 4-bit sequence number of the last packet */
	uint8_t gen;
	uint8_t sum;   /* enum sum_kind */
	uint8_t udp;   /* offset, as in the flow */
	uint8_t epoch; /* another than the compressor's: opens anew */
	bool rtp, v6;
	bool leaving; /* a series of full headers has just ended */
	uint8_t cc;   /* CSRCs: never the short way */
	uint8_t bad;  /* how unlike RTP it behaves */
	uint16_t last_i; /* with last_t: the last steps seen */
	uint16_t num_seen; /* `num` when `bad` was last decayed */
	bool good;     /* told the negative cache */
	uint8_t known; /* STEP_*: whether last_* mean something */
	/* the headers of the last packet, as compared with the next one's */
	uint8_t img[IPV6_HEADER + UDP_HEADER + RTP_HEADER];
	uint32_t last_t;
	/* what only few look at */
	tick_t gens_since;
	tick_t repaired; /* last CONTEXT_STATE served */
	uint16_t next_due;
	uint16_t next_free;
	uint8_t due;	   /* a row is to be exported */
	bool reused;	   /* the CID was given before: its generation goes on (RFC 2507, 8) */
	uint8_t gens;	   /* generations used since gens_since */
	uint8_t refreshes; /* since the last series */
	bool asked;	   /* `repaired` means something */
	uint8_t csrc[4 * CSRC_KEPT];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct cctx) == 192,
	       "a flow and direction: 256 octets with its share of the tables");
_Static_assert(offsetof(struct cctx, gens_since) <= 128, "what each packet looks at is two lines");

enum { STEP_T = 1, STEP_I = 2 };

/* One family's half of the configuration, as looked at for a packet. */
struct family {
	bool on, rtp, enhanced;
	bool wide;	   /* 16-bit CIDs */
	uint32_t contexts; /* CIDs 0 .. contexts-1 */
	uint16_t max_header;
	uint16_t period; /* F_MAX_PERIOD, 0xffff where there is none */
	tick_t time;	 /* F_MAX_TIME; half the clock where there is none */
};

/* A stream (addresses and ports) that opened contexts without ever compressing well. */
struct negative {
	uint32_t tag;
	uint8_t opened;
	bool bad;
	uint16_t until; /* seconds, wraps */
};

struct crtp_comp {
	struct family fam[2]; /* IPv4, IPv6 */
	void *memory;	      /* of ctx, which is aligned in it */
	struct cctx *ctx;
	uint32_t *slot; /* open addressing: tag(16) | CID(16), tag never 0; 0: empty */
	struct negative *neg;
	uint32_t slots, negs, contexts; /* slots and negs are powers of two */
	uint32_t free, unused;		/* free: head of the list, NO_CID: none */
	uint32_t hand, aged;
	uint32_t due_head, due_tail; /* contexts whose row is due */
	uint8_t n1;		     /* N + 1 */
	uint8_t epoch;
	uint16_t full_every;
	tick_t idle, age, hold;
	bool leave_non_rtp;
	uint64_t seed;
	uint64_t stat[CRTP_C_STATS];
};

static inline uint32_t
cid_of(const struct crtp_comp *c, const struct cctx *x)
{
	return (uint32_t)(x - c->ctx);
}

/* --- comp.c: any packet, whatever it takes --- */

enum crtp_form compress_long(struct crtp_comp *, tick_t, struct crtp_pkt *);

/* --- flows.c --- */

void flow_hash(const struct crtp_comp *, struct flow *);
struct cctx *flow_find(struct crtp_comp *, const struct flow *);
struct cctx *flow_open(struct crtp_comp *, const struct flow *,
		       tick_t now); /* NULL: leave it plain */
struct cctx *flow_claim(struct crtp_comp *, const struct flow *, uint32_t cid);
void flow_close(struct crtp_comp *, struct cctx *);
bool flow_negative(struct crtp_comp *, const struct flow *, tick_t now); /* not RTP, as we know */
void flow_good(struct crtp_comp *, const struct flow *);
void flow_bad(struct crtp_comp *, const struct flow *, tick_t now);
void ctx_due(struct crtp_comp *, struct cctx *);

/* --- form.c: the octets of each form; the context is already what it is to be after this packet
 * --- */

void form_full(const struct crtp_comp *, const struct cctx *, const struct flow *,
	       struct crtp_pkt *);
void form_non_tcp(const struct crtp_comp *, const struct cctx *, const struct flow *,
		  struct crtp_pkt *);
void form_rtp(const struct crtp_comp *, const struct cctx *, const struct flow *,
	      struct crtp_pkt *);
void form_udp_selected(const struct crtp_comp *, const struct cctx *, const struct flow *,
		       struct crtp_pkt *);
void form_udp_whole(const struct crtp_comp *, const struct cctx *, const struct flow *,
		    struct crtp_pkt *);

/* RFC 2508's COMPRESSED_RTP with differences. */
struct rtp_deltas {
	bool i, s, t, list; /* which are there; list: CC and CSRCs */
	int32_t di, ds, dt;
};
void form_rtp_deltas(const struct crtp_comp *, const struct cctx *, const struct flow *,
		     const struct rtp_deltas *, struct crtp_pkt *);
void form_udp_2508(const struct crtp_comp *, const struct cctx *, const struct flow *, bool di,
		   struct crtp_pkt *);

/* HDRCKSUM of RFC 3545, 2.2 over the headers as they stand, in the order of memory. */
uint16_t hdrcksum(const uint8_t *p, uint32_t len, uint8_t udp, bool v6);

#endif
