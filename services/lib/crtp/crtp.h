// SPDX-License-Identifier: Apache-2.0
/*
 * Header compression of IP/UDP/RTP: CRTP (RFC 2508), ECRTP (RFC 3545), and of the rest of UDP by
 * RFC 2507, as RFC 3544 negotiates them over PPP.
 *
 *	IP packet --> [ compressor ] --> PPP protocol + octets ~~ link ~~ [ decompressor ] --> IP
 *packet
 *	                    ^------- CONTEXT_STATE (RFC 2508, 3.3.5) <------------'
 *
 * A compressor serves one direction of one PPP link, a decompressor the other; each belongs to one
 * thread.  No locks, no clock (time is handed in), no allocation after *_new().  What a peer or a
 * stored row can say costs bounded time and memory, and is answered by a verdict and a counter.
 *
 * Packets are worked on in place.  A struct crtp_pkt lends the octets [p, p + len); both doors move
 * p and len, and may overwrite anything from the start of the old packet to the end of the new one.
 *   crtp_compress    needs no room around the packet: what it makes is never longer;
 *   crtp_decompress  needs CRTP_HEADROOM writable octets in front of p, also when it answers a
 *drop.
 *
 * What is compressed: IPv4 without options and not a fragment, or IPv6 without extension headers,
 *with UDP on top whose length fits and whose checksum, if there is one, is right.  RTP gets
 *COMPRESSED_RTP and COMPRESSED_UDP; other UDP gets COMPRESSED_NON_TCP.  All else leaves as it came
 *(CRTP_PLAIN).  The decompressor takes more from others: one IP header in another, IPv6 extension
 *headers (chain.c), UDP without RTP in COMPRESSED_UDP, IP without UDP in COMPRESSED_NON_TCP.  TCP is left alone: offer RFC 3544's
 *suboption 3 "no TCP contexts"; a full TCP header is restored, COMPRESSED_TCP and _TCP_NODELTA are
 *refused and counted.
 *
 * Start reading at comp.c and dec.c; docs/protocols/rfc2508.md and rfc3545.md go clause by clause.
 */
#ifndef TWIN_CRTP_H
#define TWIN_CRTP_H

#include "base/mono.h"
#include "wire/wire.h"

#define CRTP_MAX_HEADER 168 /* largest header a context holds, RFC 3544, 2.1: the suggested value  \
			     */
#define CRTP_HEADROOM (CRTP_MAX_HEADER + 8)

/* RFC 3544, 4: PPP protocol numbers. */
enum crtp_proto {
	CRTP_PPP_IPV4 = 0x0021,
	CRTP_PPP_IPV6 = 0x0057,
	CRTP_PPP_FULL_HEADER = 0x0061,
	CRTP_PPP_COMPRESSED_TCP = 0x0063,
	CRTP_PPP_COMPRESSED_NON_TCP = 0x0065,
	CRTP_PPP_COMPRESSED_UDP_8 = 0x0067,
	CRTP_PPP_COMPRESSED_RTP_8 = 0x0069,
	CRTP_PPP_COMPRESSED_TCP_NODELTA = 0x2063,
	CRTP_PPP_CONTEXT_STATE = 0x2065,
	CRTP_PPP_COMPRESSED_UDP_16 = 0x2067,
	CRTP_PPP_COMPRESSED_RTP_16 = 0x2069,
};

/* Is it one of ours, to be handed to crtp_decompress (or, CONTEXT_STATE, to crtp_comp_state)? */
bool crtp_proto_known(uint16_t proto);

/* --- what was negotiated: RFC 3544, 2.1 to 2.4
 * ---------------------------------------------------- */

/* One IP-Compression-Protocol 0061 option: what the decompressor of its sender is able to do. */
struct crtp_params {
	uint16_t tcp_space;	/* largest TCP CID, 0..255 */
	uint16_t non_tcp_space; /* largest non-TCP CID */
	uint16_t f_max_period;	/* compressed headers between full ones, 0: no limit */
	uint16_t f_max_time;	/* seconds between full headers, 0: no limit */
	uint16_t max_header;	/* octets of the largest header that may be compressed */
	bool rtp;		/* suboption 1: RFC 2508 */
	bool enhanced;		/* suboption 2, instead of 1: RFC 3545 */
	bool no_tcp;		/* suboption 3, 1: no TCP contexts at all */
	bool no_non_tcp;	/* suboption 3, 2: no non-TCP contexts at all */
};

#define CRTP_OPTION_MAX 22 /* octets of the value below, with every suboption */

/* The suggested values of RFC 3544 with enhanced RTP compression and no TCP: what we offer. */
struct crtp_params crtp_params_default(void);

enum crtp_params_fault {
	CRTP_PARAMS_OK,
	CRTP_PARAMS_SHORT,    /* fewer octets than the fixed part, or a suboption beyond the end */
	CRTP_PARAMS_PROTOCOL, /* not 0061 */
	CRTP_PARAMS_RANGE,    /* TCP_SPACE above 255: all else was read, and it cut to that */
	CRTP_PARAMS_LENGTH,   /* a suboption whose length is not its own */
};

/*
 * The option's value, from IP-Compression-Protocol on (after Type and Length).  Unknown suboptions
 * are passed over and told in *unknown (may be NULL); suboption 2 wins over 1 where both are there.
 */
enum crtp_params_fault crtp_params_read(struct span value, struct crtp_params *out, bool *unknown);
void crtp_params_write(struct wr *, const struct crtp_params *);

/* --- packets
 * --------------------------------------------------------------------------------------- */

struct crtp_pkt {
	uint8_t *p;
	uint32_t len;	/* octets, without the PPP protocol field */
	uint16_t proto; /* enum crtp_proto */
};

/* --- compressor
 * ------------------------------------------------------------------------------------ */

struct crtp_comp_conf {
	/* The peer's options: IPCP's for packets in IPv4, IPV6CP's for IPv6 (RFC 3544, 3); the CIDs
	 * are one pool.  A family whose option is not there (has_*) is not compressed. */
	bool has_v4, has_v6;
	struct crtp_params v4, v6;
	uint32_t contexts; /* at most this many, 0: as many as the peer's spaces allow */
	uint8_t n;	   /* RFC 3545, 2.3: N, losses in a row to survive; 0..14 */
	uint16_t
	    full_every;	  /* refreshes between series of full headers, enhanced RTP; 0: no series */
	uint16_t idle_s;  /* a context unused for so long may be taken for another flow */
	uint16_t age_s;	  /* and is given up after so long */
	uint16_t hold_ms; /* a repeated CONTEXT_STATE is not served again within this time */
	bool leave_non_rtp; /* UDP that is not RTP stays plain */
	uint64_t seed; /* of the flow table: random, so that nobody fills one corner of it; 0 is
			  fine in a test */
};

struct crtp_comp_conf
crtp_comp_conf_default(void); /* N = 2; neither family: set has_* and v4, v6 */

struct crtp_comp;
struct crtp_comp *crtp_comp_new(const struct crtp_comp_conf *); /* NULL: no memory */
void crtp_comp_free(struct crtp_comp *);			/* NULL is fine */

enum crtp_form { CRTP_PLAIN, CRTP_FULL, CRTP_RTP, CRTP_UDP, CRTP_NON_TCP };

/*
 * An IP packet (proto 0021 or 0057) becomes what is to be sent: always something, never longer.
 * CRTP_PLAIN: untouched.  Any other proto is CRTP_PLAIN too.
 */
enum crtp_form crtp_compress(struct crtp_comp *, mono_t now, struct crtp_pkt *);

/*
 * Optional, before a batch goes through crtp_compress: asks the caches for what it will look at.  Thousands of flows do
 * not stay in them, and one miss behind the other costs more than the packet.
 */
#define CRTP_AHEAD 64 /* packets that it makes sense for at a time; of more, these first */
void crtp_comp_prefetch(const struct crtp_comp *, const struct crtp_pkt *, unsigned n);

/* A CONTEXT_STATE of the peer (RFC 2508, 3.3.5).  False: malformed, what was good in it was served.
 */
bool crtp_comp_state(struct crtp_comp *, mono_t now, struct span packet);

/* All contexts open anew, with full headers, at their next packet: after a promotion, or trouble.
 */
void crtp_comp_refresh(struct crtp_comp *);

/*
 * Every RTP context tells all that it knows in its next packets, N+1 times, without a new generation where RFC 3545
 * allows that: when the peer's decompressor may have missed what was told last, and was not to ask.
 */
void crtp_comp_tell(struct crtp_comp *);

/* Gives up contexts older than age_s; looks at some hundred a call.  To be called now and then. */
void crtp_comp_age(struct crtp_comp *, mono_t now);

/* --- decompressor
 * ---------------------------------------------------------------------------------- */

struct crtp_dec_conf {
	bool has_v4, has_v6; /* our options, as crtp_comp_conf's: what we told the peer */
	struct crtp_params v4, v6;
	bool twice;  /* RFC 2508 contexts may be repaired too: may deliver a wrong IPv4 ID */
	bool beyond; /* IPv6 may be repaired beyond N: hop limit and traffic class unproved */
	uint8_t
	    checkpoint; /* packets of a context between its checkpoints, 1..15; 0: none are kept */
	uint16_t state_ms; /* between requests for one context: RFC 2508's "limit the rate" */
};

struct crtp_dec_conf crtp_dec_conf_default(void);

struct crtp_dec;
struct crtp_dec *crtp_dec_new(const struct crtp_dec_conf *);
void crtp_dec_free(struct crtp_dec *);

enum crtp_verdict {
#define X(NAME, SENTENCE) CRTP_##NAME,
#include "crtp/verdicts.def"
#undef X
	CRTP_VERDICTS
};

const char *crtp_verdict_name(enum crtp_verdict);
const char *crtp_verdict_sentence(enum crtp_verdict);

/*
 * A frame of the link becomes the IP packet (CRTP_OK, proto 0021 or 0057) or is dropped (any other
 * verdict; *pkt is then worthless).  Plain IP is CRTP_OK untouched.
 */
enum crtp_verdict crtp_decompress(struct crtp_dec *, mono_t now, struct crtp_pkt *);

void crtp_dec_prefetch(const struct crtp_dec *, const struct crtp_pkt *, unsigned n); /* as crtp_comp_prefetch */

/*
 * The CONTEXT_STATE to send now, into buf (proto 2065): its length, or 0 when there is none, or its
 * time has not come.  Call it after a batch and at crtp_dec_due(); again until it answers 0.
 */
size_t crtp_dec_state(struct crtp_dec *, mono_t now, uint8_t *buf, size_t cap);
mono_t crtp_dec_due(const struct crtp_dec *); /* MONO_NEVER: nothing to send */

/*
 * Unasked, the peer's compressor opened a context anew that was in order, and skipped generations as one does that
 * was taken up from a checkpoint: the peer is a standby that was promoted.  Its decompressor then lives from
 * checkpoints too, see crtp_comp_tell.  True once each time.
 */
bool crtp_dec_renewed(struct crtp_dec *);

/*
 * RFC 2508, 3.3.5: the link told of an error; asks for an advisory block of each context that was
 * active within the last second, 255 at most.
 */
void crtp_dec_link_error(struct crtp_dec *, mono_t now);

/* --- counters
 * -------------------------------------------------------------------------------------- */

enum crtp_comp_stat {
#define X(NAME, SENTENCE) CRTP_C_##NAME,
#include "crtp/comp_stats.def"
#undef X
	CRTP_C_STATS
};

enum crtp_dec_stat {
#define X(NAME, SENTENCE) CRTP_D_##NAME,
#include "crtp/dec_stats.def"
#undef X
	CRTP_D_STATS
};

/* CRTP_C_STATS and CRTP_D_STATS values; lent, alive as long as the object.  All but *_CONTEXTS only
 * rise. Drops of the decompressor by verdict: crtp_dec_drops, CRTP_VERDICTS values. */
const uint64_t *crtp_comp_stats(const struct crtp_comp *);
const uint64_t *crtp_dec_stats(const struct crtp_dec *);
const uint64_t *crtp_dec_drops(const struct crtp_dec *);

size_t crtp_comp_octets(const struct crtp_comp *); /* memory held, all of it */
size_t crtp_dec_octets(const struct crtp_dec *);

/* --- checkpoints: design, section 3
 * ---------------------------------------------------------------- */

/*
 * A context is two rows: its constant part (written when it changes) and, of a decompressor only,
 * its moving part (each `checkpoint` packets, and after each irregular step).  Rows are octets of
 * our own making, to be stored under (trunk, direction, part, cid) and mirrored; the latest of a
 * key counts.
 *
 * A promoted decompressor imports both and bridges the gap: the first packet of a context may be
 * any number of steps ahead (up to 255), if a checksum proves it and the IPv4 ID has been going
 * steadily.  Where none does, because something changed in the last moment before the checkpoint, it
 * drops up to three packets before it asks: the peer may tell unasked (crtp_dec_renewed).  A promoted compressor imports its constant parts and opens each context with full
 * headers of a new generation: so no moving part of it is needed, and the peer need not ask.
 */
enum crtp_part { CRTP_PART_CONSTANT, CRTP_PART_MOVING };

#define CRTP_ROW_MAX (CRTP_MAX_HEADER + 16)

struct crtp_row {
	uint16_t cid;
	uint8_t part; /* enum crtp_part */
	uint8_t len;  /* 0: the row is gone */
	uint8_t b[CRTP_ROW_MAX];
};

/* Up to max rows that are due, oldest first; each is handed out once.  The number of rows. */
size_t crtp_comp_export(struct crtp_comp *, struct crtp_row *rows, size_t max);
size_t crtp_dec_export(struct crtp_dec *, struct crtp_row *rows, size_t max);

/* Everything becomes due again: for a snapshot. */
void crtp_comp_export_all(struct crtp_comp *);
void crtp_dec_export_all(struct crtp_dec *);

/* Into a fresh or a following object, constant part first.  False: no row of ours, nothing changed.
 */
bool crtp_comp_import(struct crtp_comp *, uint16_t cid, struct span row);
bool crtp_dec_import(struct crtp_dec *, uint16_t cid, struct span row);

#endif
