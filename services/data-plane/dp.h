// SPDX-License-Identifier: Apache-2.0
/*
 * The packet path of one worker, pure: datagrams and IP packets in, verdicts and frames out.  No
 * socket, no clock, no allocation per packet.
 *
 *      row of the feed ── dp_apply() ──► tunnels, sessions, routes
 *      UDP datagrams ──── dp_up() ────► FORWARD an IP packet | PUNT | HAND to a sibling | DROP, why
 *      IP packets ─────── dp_down() ──► frames for tunnels   | HAND to a sibling | DROP, why
 *      owner's frame ──── dp_inject() ► a frame for a tunnel
 *
 * Packets are changed in place (TTL, checksum, MSS, ECN, the frame's head in the room before the
 * packet), so nothing is copied.  What the path itself makes (ICMP, fragments) lies in dp_out() and
 * is lent until the next dp_up, dp_down or dp_inject.
 *
 * Lines of memory a packet touches: a slot of the session index (or of the routes), the two lines
 * of struct dp_session, and its tunnel's, which all of the tunnel's sessions share.  A batch is
 * looked up in stages, so that these misses overlap.
 */
#ifndef TWIN_DP_H
#define TWIN_DP_H

#include "base/counters.h"
#include "base/mono.h"
#include "base/tables.h"
#include "conf/conf.h"
#include "wire/wire.h"

struct dp;

#define DP_BATCH 64    /* datagrams or packets a call takes at most */
#define DP_HEADROOM 32 /* octets before a packet given to dp_down that may be written */
#define DP_FRAMES 512  /* frames one call gives at most */
#define DP_PACKETS 4096 /* packets one call gives at most */
#define DP_LINKS 64 /* control frames beside those in verdicts */
#define DP_PACKET_MAX 65535
#define DP_NS_LEASE                                                                                \
	8192 /* data sequence numbers leased at a time; well under half of their space */
#define DP_NS_FIRST 512 /* the first time, and after every takeover */

/* Why a packet went no further: drops.def. */
enum dp_drop {
	DP_OK,
#define X(NAME, SENTENCE) DP_DROP_##NAME,
#include "drops.def"
#undef X
	DP_DROPS
};

/* What else is counted: counters.def. */
enum dp_count {
#define X(NAME, SENTENCE) DP_COUNT_##NAME,
#include "counters.def"
#undef X
	DP_COUNTS
};

extern const struct counter_info dp_drop_info[DP_DROPS];
extern const struct counter_info dp_count_info[DP_COUNTS];

/* An outer address: IPv4 as ::ffff:a.b.c.d, so that two addresses compare as two words. */
struct dp_addr {
	union {
		uint8_t b[16];
		uint64_t w[2];
	};
};

/* Both ends of a datagram as we see them. */
struct dp_ends {
	struct dp_addr local, peer;
	uint16_t local_port, peer_port; /* host order */
	uint8_t ip_protocol;		/* 0: UDP; else straight over IP, and no ports */
};

static inline bool
dp_addr_eq(const struct dp_addr *a, const struct dp_addr *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1];
}

struct dp_addr dp_addr_of(const struct ip_addr *);
struct ip_addr dp_addr_ip(const struct dp_addr *);

enum dp_act {
	DP_DROP,
	DP_FORWARD,	/* up: p, len is an IP packet for the TUN.  down: frames were made */
	DP_PUNT_TUNNEL, /* to tunnel-ctl: the whole datagram */
	DP_PUNT_LINK,	/* to session-mgr: p, len is a PPP frame from its protocol field on */
	DP_HAND, /* to the sibling `worker`, untouched: it alone knows this session's sequence, or contexts */
	DP_TAKEN, /* up: a trunk's frame; the packets in it are in dp_out() */
};

struct dp_verdict {
	uint8_t act, reason; /* enum dp_act, enum dp_drop */
	uint16_t worker;
	uint32_t tunnel;  /* ours, as far as known; of L2TPv3 control whatever 32 bits it names */
	uint16_t session;
	bool apart; /* FORWARD, up: its flow belongs to a trunk (shell_tun.c) */
	uint8_t *p;
	uint32_t len;
};

struct dp_datagram {
	uint8_t *p; /* what UDP or IP carries; it and two octets before it may be written */
	uint32_t len;
	uint8_t tos; /* of the outer header */
	const struct dp_ends *ends;
};

struct dp_packet {
	uint8_t *p; /* IP header; DP_HEADROOM octets before it may be written */
	uint32_t len;
};

/* For a tunnel's peer: dp_ends_of(tunnel) says where to. */
struct dp_frame {
	uint8_t *p;
	uint32_t len;
	uint16_t tunnel;
	uint8_t tos;	     /* of the outer header */
	uint8_t ip_protocol; /* 0: a UDP payload; else straight over IP, whatever the tunnel is carried by */
};

/* A PPP frame for session-mgr beyond the one in its datagram's verdict. */
struct dp_link {
	struct dp_verdict v; /* DP_PUNT_LINK */
	const struct dp_ends *ends;
};

struct dp_out {
	unsigned frames, packets, links;
	struct dp_frame frame[DP_FRAMES];
	struct span packet[DP_PACKETS]; /* for the TUN: ICMP; what came in trunks' frames */
	struct dp_link link[DP_LINKS]; /* control frames that came in multiplexed ones */
};

/* `seed` keys the hash of punt queues.  Keeps no pointer into conf.  NULL: no memory. */
struct dp *dp_new(const struct conf *conf, unsigned worker, uint64_t seed);
void dp_free(struct dp *); /* NULL is allowed */
/* Another configuration: all of it but the number of workers.  Sessions keep the routes of their dial. */
void dp_configure(struct dp *, const struct conf *);

/*
 * A row of the feed or of the store: TUNNEL, CALL, SUBSCRIBER, DATA_NS, TRUNK_CTX; others are ignored.  row
 * NULL: removed.  A row that makes no sense (wrong key, lengths) is counted and ignored.
 */
void dp_apply(struct dp *, enum table table, struct span key, const ProtobufCMessage *row);
/*
 * A whole load: begin, dp_apply for every row there is, end.  What was not named in between is
 * removed; what stays keeps its counters and sequence numbers, and is forwarded meanwhile.
 */
void dp_load_begin(struct dp *);
void dp_load_end(struct dp *);

/* n <= DP_BATCH; verdict[i] answers in[i]. */
void dp_up(struct dp *, mono_t now, const struct dp_datagram *in, unsigned n,
	   struct dp_verdict *verdict);
/* The same for what came straight over IP (ends->ip_protocol). */
void dp_up_ip(struct dp *, mono_t now, const struct dp_datagram *in, unsigned n,
	      struct dp_verdict *verdict);
void dp_down(struct dp *, mono_t now, const struct dp_packet *in, unsigned n,
	     struct dp_verdict *verdict);
const struct dp_out *dp_out(const struct dp *);

/* Forgets what dp_out() lends: before a row of dp_inject calls, whose frames add up. */
void dp_out_reset(struct dp *);
/*
 * A PPP frame from its protocol field on, for a session that has a call, forwarding or not.
 * DP_FORWARD: dp_out() has one frame more.  Reason NO_ROOM: send those first, dp_out_reset(), try
 * again.  DP_HAND: the sibling `worker` has to.  DP_DROP with reason NS_LEASE: try again after the
 * next dp_ns_committed().
 */
struct dp_verdict dp_inject(struct dp *, uint16_t tunnel, uint16_t session, struct span frame);

/*
 * Trunks (trunk.h) hold packets back for a bounded time: dp_trunk_timer() is called when dp_trunk_due() has
 * come, and gives their frames in dp_out().  MONO_NEVER: nothing waits.
 */
mono_t dp_trunk_due(const struct dp *);
void dp_trunk_timer(struct dp *, mono_t now);
/* To be looked at, and for its checkpoints; NULL: this session is no trunk. */
struct trunk;
struct trunk *dp_trunk(const struct dp *, uint16_t tunnel, uint16_t session);
/* This worker's trunks in turn, from *at = 0 on; NULL: that was all. */
struct trunk *dp_trunk_next(const struct dp *, uint32_t *at, uint16_t *tunnel, uint16_t *session);
unsigned dp_trunks(const struct dp *); /* all that are known, siblings' too */

/*
 * Checkpoints of trunks' contexts: rows of TRUNK_CTX.  While this node is active the shell takes what is due and
 * records it; nothing waits for it.  len 0: the row is to be removed.
 */
struct dp_ctx {
	uint32_t key; /* tunnel << 16 | session */
	uint32_t agreement;
	uint16_t cid;
	uint8_t part, len;
	uint8_t b[255];
};
bool dp_ctx_next(struct dp *, struct dp_ctx *);

/* Where a tunnel's frames go; NULL: no such tunnel. */
const struct dp_ends *dp_ends_of(const struct dp *, uint32_t tunnel);
/* The path to this tunnel's peer carries IP packets of `octets` (with outer_df only). */
void dp_path_mtu(struct dp *, uint16_t tunnel, unsigned octets);
/* What stands around an IP packet in this tunnel, outer IP header and all, at most. */
unsigned dp_around(const struct dp *, uint16_t tunnel);

/*
 * Data sequence numbers are used only below a committed lease (design, 3).  While this node is
 * active the shell takes each wish, records it (below 0: removes the row), and tells when it is
 * committed.
 */
bool dp_ns_wanted(struct dp *, uint16_t *tunnel, uint16_t *session, uint32_t *below);
void dp_ns_committed(struct dp *, uint16_t tunnel, uint16_t session, uint32_t below);
/* Row.Tunnel.data_restarts that a session's lease belongs to: goes into its row. */
uint16_t dp_ns_restarts(const struct dp *, uint16_t tunnel, uint16_t session);
/* No lease is wished for or on its way: after a load, every sequenced session may send. */
bool dp_ns_settled(const struct dp *);
/*
 * After every load and change of role.  What was pending is asked for again; under a new epoch what
 * was leased and not used is void.
 */
void dp_ns_role(struct dp *, bool active, uint64_t epoch);

struct dp_usage {
	uint16_t tunnel, session;
	uint64_t in_octets, out_octets, in_packets, out_packets, drops;
};

/*
 * Sessions that moved since they were last told, of the next `look` in the table (and those that
 * ended). Returns how many it wrote, at most `room`.
 */
unsigned dp_usage_next(struct dp *, unsigned look, struct dp_usage *out, unsigned room);
unsigned dp_usage_gone(const struct dp *); /* of them, those that ended */
unsigned dp_sessions(const struct dp *);
unsigned dp_tunnels(const struct dp *);
unsigned
dp_session_slots(const struct dp *); /* how far dp_usage_next has to look for all of them */

uint64_t *dp_drops(struct dp *);  /* DP_DROPS values */
uint64_t *dp_counts(struct dp *); /* DP_COUNTS values */
/* One session for people; false: unknown. */
bool dp_session_text(const struct dp *, uint16_t tunnel, uint16_t session, char *out, size_t cap);

/*
 * What the kernel has to know besides the pools: framed routes outside of them, and a client's own
 * addresses
 * (`own`).  The version moves when any of it did.
 */
typedef void dp_kernel_fn(void *arg, const struct ip_prefix *prefix, bool own);
void dp_kernel_each(const struct dp *, dp_kernel_fn *fn, void *arg);
uint64_t dp_kernel_version(const struct dp *);
/* And what it has to bring to the TUN for steering: UDP to `to` (len 0: to anybody), ports first to last. */
typedef void dp_steer_fn(void *arg, const struct ip_prefix *to, uint16_t first, uint16_t last);
void dp_steer_each(const struct dp *, dp_steer_fn *fn, void *arg);

/* Which worker's sockets get a datagram: what the classic BPF program in steer.c computes. */
unsigned dp_steer(const uint8_t *p, size_t len, unsigned workers);

/* A peer of L2TPHC, and which worker its packets are for; DP_WORKERS_ALL: it has several sessions. */
#define DP_PAIRS 128
#define DP_WORKERS_ALL 0xffff
struct dp_pair {
	struct dp_addr peer;
	uint16_t worker;
};
/* Which worker takes a packet over IP from `peer`; the filters in steer.c let each take its own. */
unsigned dp_steer_ip(const struct dp_addr *peer, const uint8_t *p, size_t len, bool l2tp3,
		     const struct dp_pair *, unsigned pairs, unsigned workers);
/*
 * The peers of L2TPHC with this IP protocol and family, at most DP_PAIRS; answers how many there are.
 * The version moves when any of them does.
 */
unsigned dp_pairs(const struct dp *, uint8_t ip_protocol, bool v6, struct dp_pair out[DP_PAIRS]);
uint64_t dp_pairs_version(const struct dp *);

/* ---- punts wait here for their owner, and no peer can make another's wait ---------------- */

struct puntq;

struct punt {
	struct punt *next;
	uint32_t tunnel;
	uint16_t session;
	struct dp_ends ends;
	uint32_t len;
	uint8_t octets[];
};

struct puntq *puntq_new(uint64_t seed, size_t max_octets);
void puntq_free(struct puntq *);
/* `known`: from a tunnel's peer.  False: this peer's share, or the whole, is full. */
bool puntq_put(struct puntq *, bool known, const struct dp_ends *, uint32_t tunnel,
	       uint16_t session, struct span octets);
/* The next one in turn, one of each peer; the caller frees it.  NULL: empty. */
struct punt *puntq_take(struct puntq *);
void puntq_put_back(struct puntq *, struct punt *); /* to be the next one taken */
unsigned puntq_count(const struct puntq *);

#endif
