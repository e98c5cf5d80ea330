// SPDX-License-Identifier: Apache-2.0
/* What the files of the decompressor share: chain.c, full.c, dec.c, gap.c, ask.c, rows.c. */
#ifndef TWIN_CRTP_DEC_INT_H
#define TWIN_CRTP_DEC_INT_H

#include "crtp/crtp.h"
#include "crtp/sum.h"
#include "crtp/tick.h"

/* What moves from packet to packet, and the steps it moves by. */
struct moving {
	uint32_t ts, dt;
	uint16_t id, di, seq;
	uint8_t link; /* 4-bit sequence number */
	uint8_t type; /* M and payload type of RTP */
};

enum dctx_flag {
	D_KNOWN = 1, /* a full header opened it: img and the rest mean something */
	D_VALID = 2,
	D_V6 = 4,    /* the outer header */
	D_RTP = 8,   /* COMPRESSED_RTP and F=1 may follow: there is an RTP header in img */
	D_LINK = 16, /* it carries link sequence numbers (RFC 2507's D bit) */
	D_BRIDGE =
	    32, /* came from a checkpoint: the next packet may be any number of steps ahead */
	D_SERIES = 64, /* full headers of one generation are being counted */
	D_OLD = 128,   /* `old` means something */
};

struct dctx {
	/* what each packet looks at and moves */
	uint8_t flags;	  /* enum dctx_flag */
	uint8_t sum;	  /* enum sum_kind */
	uint8_t hlen;	  /* octets of img */
	uint8_t udp;	  /* offset of the UDP header, 0: none */
	uint8_t inner;	  /* offset of the last IP header, 0: the only one */
	uint8_t gen, n;	  /* n: RFC 3545's N as counted */
	uint8_t steady;	  /* packets in a row whose IPv4 ID went by its step */
	struct moving at; /* after the last packet */
	uint16_t pseudo;  /* sums that do not change, in memory's order: addresses, protocol, ports,
			     SSRC */
	uint16_t ip[2];	  /* the IPv4 headers without length, ID and checksum: outermost, inner */
	uint8_t old_left; /* packets for which `old` may still be asked */
	uint8_t strikes;  /* packets in a row that found no place */
	tick_t used;
	uint8_t since; /* packets since the last checkpoint */
	uint8_t due;   /* 1 << enum crtp_part: rows to be exported; DUE_QUEUED */
	uint16_t next_due;
	/* what gaps and requests look at */
	tick_t asked; /* last request queued */
	uint8_t random; /* octets of RANDOM fields in extension headers (chain.c), in every compressed one */
	uint8_t reserved;
	uint8_t asks; /* blocks still to be sent */
	uint8_t ask_flags;
	struct moving old; /* before the last gap */
	uint8_t img[CRTP_MAX_HEADER];
	uint16_t next_ask;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct dctx) == 256, "a flow and direction");

enum { DUE_CONSTANT = 1 << CRTP_PART_CONSTANT, DUE_MOVING = 1 << CRTP_PART_MOVING, DUE_QUEUED = 4 };
enum { ASK_QUEUED = 1, ASK_EVER = 2, ASK_ADVISORY = 4 };

struct crtp_dec {
	void *memory;
	struct dctx *ctx;
	uint32_t contexts;
	struct {
		uint32_t contexts;
		bool rtp, enhanced;
	} fam[2]; /* IPv4, IPv6: what we offered */
	bool wide;
	bool twice, beyond;
	bool renewed; /* crtp_dec_renewed */
	uint8_t checkpoint;
	tick_t state_gap;
	mono_t ask_due; /* when the next CONTEXT_STATE may leave */
	uint32_t ask_head, ask_tail, due_head, due_tail;
	uint64_t stat[CRTP_D_STATS], drop[CRTP_VERDICTS];
};

/* A compressed header as read: what is there, and what follows it. */
enum field {
	F_M = 1,
	F_DI = 2,
	F_DS = 4,
	F_DT = 8,
	F_I = 16,
	F_S = 32,
	F_T = 64,
	F_P = 128,
	F_LIST = 256,
	F_WHOLE = 512
};

struct head {
	uint32_t has; /* enum field */
	uint8_t link, cc, type;
	uint16_t sum; /* in memory's order */
	uint16_t di, ds, id, seq, outer_id;
	int32_t dt;
	uint32_t ts;
	const uint8_t *csrc;
	const uint8_t *random; /* dctx.random octets */
	uint8_t *data; /* what comes after the headers of img; with F_WHOLE, after the UDP header */
	uint32_t len;
	uint64_t data_sum; /* of data, once there was a reason to know it */
};

static inline uint32_t
dec_cid(const struct crtp_dec *d, const struct dctx *x)
{
	return (uint32_t)(x - d->ctx);
}

/* RTP header octets in img. */
static inline uint8_t
img_rtp(const struct dctx *x)
{
	return (uint8_t)(x->udp + 8);
}

/* dec.c: does this reading agree with the checksum?  A context without one proves nothing: false.
 */
bool reading_proved(const struct dctx *, const struct moving *, struct head *);
bool reading_plausible(const struct dctx *, const struct moving *from, const struct moving *m,
		       const struct head *, unsigned steps);
/* dec.c: the moving part after `steps` steps from `from`, with what the header says.  new_dt: the
 * packets between had the new step already. */
struct moving reading(const struct moving *from, const struct head *, unsigned steps, bool new_dt);
enum crtp_verdict deliver(struct crtp_dec *, struct dctx *, const struct moving *,
			  const struct head *, struct crtp_pkt *);
void settle(struct crtp_dec *, struct dctx *, const struct moving *, const struct head *, tick_t);

/* gap.c: the packet is not the next one, or the next one is not proved. */
enum crtp_verdict gap(struct crtp_dec *, struct dctx *, struct head *, tick_t, struct crtp_pkt *);

/* chain.c: the headers of a packet, from their start to where its payload begins. */
enum { CHAIN_RANDOMS = 16 };

struct chain_random {
	uint8_t at, octets;
};

struct chain {
	uint32_t len_at[3]; /* length fields, outermost first */
	uint32_t end_at[3]; /* what each counts from */
	unsigned lens, ips;
	uint32_t inner, udp, end; /* inner: the last IP header; udp: 0 where there is none */
	uint32_t to;		  /* IPv6: the address that the checksum means */
	bool kept, tcp;		  /* kept: a context can hold it, if it is not too long */
	bool blind;		  /* the checksum means addresses that we do not know */
	unsigned randoms;	  /* fields of extension headers that are sent as they are */
	uint32_t random_octets;
	struct chain_random random[CHAIN_RANDOMS];
};

bool chain_walk(const uint8_t *p, uint32_t len, struct chain *); /* false: no whole header of IP, or UDP */
/* What UDP's checksum covers of the last IP header: addresses and protocol, not the length. */
uint64_t chain_pseudo(const uint8_t *p, const struct chain *);
void chain_fill(uint8_t *p, const struct chain *, const uint8_t *random);

/* full.c */
enum crtp_verdict full_header(struct crtp_dec *, tick_t, struct crtp_pkt *);
enum crtp_verdict compressed_non_tcp(struct crtp_dec *, tick_t, struct crtp_pkt *);
void dctx_sums(struct dctx *);
bool img_fits(struct dctx *, uint32_t len); /* walks img: hlen, udp, inner and flags from the
					       octets; false: no header of ours */

/* ask.c */
void invalidate(struct crtp_dec *, struct dctx *, tick_t);
void ask(struct crtp_dec *, struct dctx *, tick_t);

/* rows.c */
void dec_due(struct crtp_dec *, struct dctx *, uint8_t what);

#endif
