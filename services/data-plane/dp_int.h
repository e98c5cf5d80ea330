// SPDX-License-Identifier: Apache-2.0
/*
 * Inside the packet path: the tables and the small functions its files share.  Nobody else includes
 * this.
 */
#ifndef TWIN_DP_INT_H
#define TWIN_DP_INT_H

#include "bucket.h"
#include "dp.h"
#include "fib.h"
#include "form.h"
#include "trunk.h"
#include "rows.pb-c.h"

/* What a session may do, and knows.  The first line of both directions asks for some of these at
 * once. */
enum {
	S_UP = 1,	  /* call established */
	S_FORWARDING = 2, /* subscriber row says so */
	S_V4 = 4,
	S_V6 = 8,
	S_CHECK = 16,	    /* source check */
	S_CLIENT = 32,	    /* the PPP client end: a host, not a router */
	S_SEQ_TX = 64,	    /* we send Ns */
	S_SEQ_MUST = 128,   /* Sequencing Required: the peer has to as well */
	S_SEQ_FOLLOW = 256, /* as LAC: do as the LNS does (RFC 2661, 5.4) */
	S_NR_KNOWN = 512,
	S_MINE = 1024,	  /* this worker owns its sequence numbers */
	S_WISHING = 2048, /* in the list of lease wishes */
	S_TRUNK = 4096,	  /* compressed, multiplexed: cold->trunk */
	S_V3 = 8192,	  /* L2TPv3: cold->form */
	S_HEADERLESS = 16384, /* L2TPHC beside the tunnel: cold->form */
};

/* Line 0: what a packet is judged by.  Line 1: what it leaves behind. */
struct dp_session {
	uint32_t key;  /* tunnel << 16 | session, ours */
	uint32_t ipv4; /* as it stands in the packet */
	uint16_t flags;
	uint16_t mtu;
	uint16_t peer_session;
	uint8_t head_len; /* octets of head[] used, at its end */
	uint8_t reserved;
	uint64_t v6, v6_mask; /* first halves of the prefixes, as they stand in the packet */
	uint64_t pd, pd_mask;
	uint8_t head[16]; /* L2TP and PPP header of an unsequenced frame, IPv4's protocol number */

	uint64_t in_packets, in_octets, out_packets, out_octets, drops;
	uint32_t ns_next, ns_lease; /* next Ns to send; those below ns_lease may be */
	uint32_t nr, nr_late;	    /* expected next; what would follow the last late one */
	uint16_t late_run;
	uint16_t restarts; /* of its tunnel, when its Ns were given out last */
	uint32_t index;
};
_Static_assert(sizeof(struct dp_session) == 128, "a session is two lines");

struct dp_claim {
	uint64_t hi, lo;
	uint8_t family, len;
};

/* Which rows of a trunk's contexts the store holds: trunk_rows.c. */
struct ctx_rows {
	uint8_t *bits; /* 3 parts of `cids` */
	uint32_t cids, count, agreement;
};

struct ctx_dead { /* of a trunk that is gone, to be removed */
	uint32_t key;
	struct ctx_rows rows;
	uint32_t at;
};

/* What a call touches, not a packet. */
struct dp_cold {
	bool used, has_call, has_sub;
	bool acfc, pfc;
	bool keep_call, keep_sub; /* named by the load that is going on */
	uint8_t role;
	uint32_t ns_wanted; /* lease asked for, not committed; 0: none */
	struct bucket punt, icmp;
	uint64_t told; /* in + out + drops when last told */
	uint32_t local4;
	uint64_t local_iid;
	struct dp_claim *claim;
	unsigned claims;
	struct ip_addr own[2]; /* client: our addresses */
	bool beyond;	       /* claims something outside of the pools */
	struct dp_form *form;  /* NULL: L2TPv2 and nothing beside it */
	struct trunk *trunk;   /* NULL: plain packets, or (S_TRUNK) another worker's */
	uint64_t user;	       /* steer_user() of the subscriber's name */
	struct trunk_conf trunk_conf;
	bool trunk_live; /* it forwards: its contexts are ahead of the store's */
	struct ctx_rows ctx;
};

struct dp_tunnel {
	struct dp_ends ends;
	uint32_t peer_id;
	uint16_t room; /* largest IP packet that its path carries */
	uint8_t version;
	bool ecn;      /* RFC 9601: outer ECN may be set */
	bool silent;   /* RFC 4951: not recovered yet, a sequence sent now would begin twice */
	uint16_t restarts; /* how often our Ns began at 0 again (RFC 4951, 3.2.3) */
	bool keep;
	struct bucket punt;
};

#define PAGE_SESSIONS 1024
#define PAGES 1024

/* tunnel << 16 | session → index + 1 */
struct dp_slot {
	uint32_t key, who;
};

/* Rate limits of peer addresses: a fixed table, so that spoofed ones cost no memory. */
#define PEER_SETS 1024
#define PEER_WAYS 4
struct dp_peer {
	struct dp_addr addr;
	struct bucket bucket;
	mono_t used;
};

#define DP_ARENA (256 * 1024)
#define DP_TRUNK_ROOM (2 * 1024 * 1024) /* packets that came in trunks' frames, with their headroom */
#define DP_GONE 4096 /* final counters of sessions that ended, kept for the next report */

/* A rule of steering: trunk_steer.c. */
#define STEER_NETS 8
#define STEER_SESSIONS 16
struct steer_net {
	struct ip_prefix prefix;
	uint32_t net[4], mask[4]; /* host order; IPv4 in the first */
	bool v6;
};

struct dp_steer {
	uint64_t user, dscp; /* steer_user(); a bit for each code point, 0: any */
	uint16_t first, last;
	bool rtp;
	unsigned nets, sessions;
	uint32_t session[STEER_SESSIONS];
	struct steer_net net[STEER_NETS];
};

struct dp_dial {
	char user[CONF_TEXT];
	struct ip_prefix routes[8];
	unsigned route_count;
};

struct dp {
	uint64_t seed;
	unsigned worker, workers;
	bool mss_clamp, dscp_copy, source_check, icmp_too_big;
	unsigned resync; /* packets */
	struct rate session_rate, tunnel_rate, peer_rate, icmp_rate;

	struct dp_slot *slot;
	uint32_t slots, slots_used;
	unsigned slot_shift;
	struct fib v4, v6;
	struct dp_session *page[PAGES];
	struct dp_cold *cold[PAGES];
	uint32_t sessions, top; /* in use; indexes ever given out */
	uint32_t *free_list;
	uint32_t frees, free_cap;
	struct dp_tunnel *tunnel[65536];
	uint32_t tunnels;

	mono_t now;  /* of the call that is going on */
	bool active; /* leases may be asked for */
	uint64_t epoch;
	uint32_t *wish, *orphan; /* keys: whose lease runs low; whose lease has no call any more */
	uint32_t wishes, wish_cap, orphans, orphan_cap;
	uint32_t asked; /* leases asked for and not committed */

	struct dp_form *forms;
	uint32_t forms_astray;		      /* of which no tunnel is known */
	struct dp_form *headerless[DP_PAIR_HASH]; /* sessions of L2TPHC, by peer */
	uint32_t pairs;				  /* how many those are */
	uint64_t pairs_version;

	uint32_t *trunk; /* indexes of sessions that are trunks */
	uint32_t trunks, trunk_cap;
	mono_t trunk_due;
	uint8_t *trunk_room;
	size_t trunk_room_used;
	struct ctx_dead *ctx_dead;
	uint32_t ctx_deads, ctx_dead_cap;
	uint64_t *ctx_orphan; /* key << 32 | part << 16 | cid */
	uint32_t ctx_orphans, ctx_orphan_cap;
	uint32_t ctx_at; /* whose turn it is */

	uint32_t usage_at;
	struct dp_usage *gone;
	unsigned gones;

	struct conf_pool pool[CONF_POOLS];
	unsigned pools;
	uint64_t kernel_version;
	struct dp_steer steer[CONF_STEERS];
	unsigned steers, steered; /* rules; sessions that they have */
	struct dp_dial dial[CONF_DIALS];
	unsigned dials;

	uint64_t drop[DP_DROPS], count[DP_COUNTS];
	struct dp_out out;
	uint32_t arena_used;
	struct dp_peer peer[PEER_SETS][PEER_WAYS];
	uint8_t arena[DP_ARENA] __attribute__((aligned(64)));
};

static inline uint32_t
session_key(uint16_t tunnel, uint16_t session)
{
	return (uint32_t)tunnel << 16 | session;
}

static inline struct dp_session *
session_at(const struct dp *dp, uint32_t index)
{
	return &dp->page[index / PAGE_SESSIONS][index % PAGE_SESSIONS];
}

static inline struct dp_cold *
cold_of(const struct dp *dp, const struct dp_session *s)
{
	return &dp->cold[s->index / PAGE_SESSIONS][s->index % PAGE_SESSIONS];
}

static inline struct dp_slot *
slot_hint(const struct dp *dp, uint32_t key)
{
	return &dp->slot[(key * 0x9e3779b97f4a7c15u) >> dp->slot_shift];
}

/* NULL: no such session. */
static inline struct dp_session *
session_find(const struct dp *dp, uint32_t key)
{
	uint32_t at = (uint32_t)(slot_hint(dp, key) - dp->slot);

	while (dp->slot[at].who) {
		if (dp->slot[at].key == key)
			return session_at(dp, dp->slot[at].who - 1);
		at = (at + 1) & (dp->slots - 1);
	}
	return NULL;
}

static inline void
drop_count(struct dp *dp, struct dp_session *s, enum dp_drop why)
{
	dp->drop[why]++;
	if (s)
		s->drops++;
}

static inline void
out_reset(struct dp *dp)
{
	dp->out.frames = dp->out.packets = dp->out.links = 0;
	dp->arena_used = 0;
	dp->trunk_room_used = 0;
}

/* Octets of this batch's own, with DP_HEADROOM before them; NULL: none left. */
uint8_t *arena_room(struct dp *, uint32_t octets);
/*
 * The frame around an IP packet (`proto` 0x21 or 0x57) that has room before it; counts what left.
 * 0, or why not.
 */
enum dp_drop frame_ip(struct dp *, struct dp_session *, const struct dp_tunnel *, uint8_t *ip,
		      uint32_t len, uint8_t proto);

/*
 * The L2TP header of a data message that carries a frame of `proto`, number and all, for `p` with
 * DP_HEADROOM octets of room; `*n` is its length.  `bits`: of an L2TPv2 header, besides.
 */
enum dp_drop data_head(struct dp *, struct dp_session *, const struct dp_tunnel *, uint16_t proto, uint16_t bits,
		       uint8_t *p, uint32_t *n);
/* The next Ns, if it is below the lease. */
bool ns_next(struct dp *, struct dp_session *, const struct dp_tunnel *, uint32_t *ns);
static inline void
frame_note(struct dp *dp, const struct dp_session *s, uint8_t *p, uint32_t len, uint8_t tos, uint8_t ip_protocol)
{
	dp->out.frame[dp->out.frames++] = (struct dp_frame){ p, len, (uint16_t)(s->key >> 16), tos, ip_protocol };
}

/* The way of a datagram ends here; its control message goes to tunnel-ctl, if it may. */
static inline void
up_drop(struct dp *dp, struct dp_session *s, struct dp_verdict *v, enum dp_drop why)
{
	v->act = DP_DROP;
	v->reason = (uint8_t)why;
	drop_count(dp, s, why);
}
void punt_control(struct dp *, mono_t now, const struct dp_datagram *, uint32_t tunnel, struct dp_verdict *);
/* tunnel.c: a tunnel's row (false: no sense in it), and its end. */
bool tunnel_apply(struct dp *, struct span key, const Row__Tunnel *);
void tunnel_remove(struct dp *, uint16_t id);

/* up3.c: a datagram of L2TPv3. */
void up_v3(struct dp *, mono_t now, const struct dp_datagram *, struct dp_verdict *);

/* A frame of the peer whose session's own checks are done: with its PPP header, or (up_frame) behind it. */
void up_ppp(struct dp *, mono_t now, const struct dp_datagram *, struct dp_session *, uint8_t *p, uint32_t len,
	    struct dp_verdict *);
void up_frame(struct dp *, mono_t now, const struct dp_datagram *, struct dp_session *, uint16_t proto, uint8_t *p,
	      uint32_t len, struct dp_verdict *);
/* From a tunnel's peer, for a call that we do not know to be up; `data`: why IP is dropped. */
void up_early(struct dp *, mono_t now, const struct dp_datagram *, struct dp_session *, uint32_t key, uint8_t *p,
	      uint32_t len, enum dp_drop data, struct dp_verdict *);
/* Reads the protocol field; `p` and `len` move behind it. */
enum dp_drop protocol_read(uint8_t **p, uint32_t *len, uint16_t *proto);

/* An IP packet of the peer, judged; and a frame for session-mgr (`p` is behind its protocol field). */
void up_ip(struct dp *, mono_t now, const struct dp_datagram *, struct dp_session *, uint16_t proto, uint8_t *p,
	   uint32_t len, struct dp_verdict *);
void punt_link(struct dp *, mono_t now, const struct dp_datagram *, struct dp_session *, struct dp_tunnel *,
	       uint16_t proto, uint8_t *p, uint32_t len, struct dp_verdict *);

/* trunks.c: packets into a trunk; a frame of its peer (false: not the trunk's); its row; its end. */
void trunk_down(struct dp *, mono_t now, struct dp_session *, uint16_t proto, uint8_t *ip, uint32_t len, uint8_t tos);
bool trunk_up(struct dp *, mono_t now, const struct dp_datagram *, struct dp_session *, uint16_t proto, uint8_t *p,
	      uint32_t len, struct dp_verdict *);
void trunk_apply(struct dp *, struct dp_session *, const Row__Trunk *);
void trunk_end(struct dp *, struct dp_session *);

/* trunk_steer.c: a trunk is there, or gone; the session that a packet is steered to (FIB_NONE: none); is it the kernel's again? */
uint64_t steer_user(const char *name);
void steer_configure(struct dp *, const struct conf *);
void steer_add(struct dp *, const struct dp_session *);
void steer_remove(struct dp *, const struct dp_session *);
uint32_t steer_find(const struct dp *, const struct dp_packet *);
bool steer_passes(const struct dp *, const struct dp_packet *);
bool dp_pooled(const struct dp *, const struct ip_prefix *); /* of this node's pools */

/* trunk_rows.c: a trunk begins, or ends; a row; after dp_ns_role; the end. */
bool trunk_rows_begin(struct dp_cold *);
void trunk_rows_end(struct dp *, struct dp_session *);
bool trunk_rows_apply(struct dp *, struct span key, const Row__TrunkCtx *);
void trunk_rows_role(struct dp *);
void trunk_rows_fini(struct dp *);

/* ICMP to the subscriber (up) or to the core (down).  `p` is the packet as it came. */
void icmp_time_exceeded(struct dp *, mono_t now, struct dp_session *, const uint8_t *p,
			uint32_t len, bool to_core);
void icmp_too_big(struct dp *, mono_t now, struct dp_session *, const uint8_t *p, uint32_t len,
		  unsigned mtu);
enum dp_drop fragment4(struct dp *, struct dp_session *, const struct dp_tunnel *, const uint8_t *p,
		       uint32_t len, unsigned mtu);

/* RFC 2661, 5.4; RFC 3931, appendix C: judges a received number.  false: drop it. */
bool seq_take(struct dp *, struct dp_session *, uint32_t ns);
/* As LAC: the LNS turned sequencing on or off. */
void seq_follow(struct dp *, struct dp_session *, bool has_seq);
/* Puts the session on the list of wishes if its lease runs low. */
void ns_wish(struct dp *, struct dp_session *);
void ns_answered(struct dp *, struct dp_cold *);
/* The lease row of a call that is gone: to be removed by its owner. */
void ns_orphan(struct dp *, uint32_t key);

/* May one more control frame pass?  0, or which limit it met. */
enum dp_drop punt_limit(struct dp *, mono_t now, struct dp_session *, struct dp_tunnel *,
			const struct dp_addr *peer);

#endif
