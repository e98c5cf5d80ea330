// SPDX-License-Identifier: Apache-2.0
/*
 * The configuration as the processes see it: one JSON file (RFC 7951) after schemas/twinlns.yang,
 * validated by libyang, turned into these plain structs.  Cores take parts of it by const pointer; a
 * reload makes a new struct conf, and the shell hands it to its core, which keeps no pointer into the
 * old one.  Names are NUL-terminated; counts say how much of an array is used.
 */
#ifndef TWIN_CONF_H
#define TWIN_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define CONF_NAME 64
#define CONF_TEXT 256
#define CONF_PATHS 4
#define CONF_CLAIMS 8
#define CONF_PROFILES 64
#define CONF_LNS_GROUPS 16
#define CONF_LNS_MEMBERS 16
#define CONF_DIALS 64
#define CONF_POOLS 32
#define CONF_RANGES 8
#define CONF_DNS 4
#define CONF_AUTHS 4
#define CONF_SERVERS 4

enum conf_role { ROLE_LNS = 1, ROLE_LAC = 2, ROLE_CLIENT = 4 }; /* bits of allowed roles; single: what we are */
enum conf_policy { POLICY_PREFER_SERVICE, POLICY_PREFER_SAFETY };
enum conf_auth { AUTH_NONE, AUTH_PAP, AUTH_CHAP_MD5, AUTH_MSCHAPV2 };
enum conf_proxy { PROXY_USE, PROXY_RENEGOTIATE };		/* proxy LCP and authentication */
enum conf_seq { SEQ_NEVER, SEQ_IF_ASKED, SEQ_ALWAYS };		/* data sequencing as LNS / asked for as LAC */
enum conf_aaa { AAA_LOCAL, AAA_RADIUS, AAA_RADIUS_THEN_LOCAL }; /* the last: local when no server answers */

struct conf_node {
	char name[CONF_NAME];	/* "a" */
	char run_dir[108 - 32]; /* ipc endpoints, pid files; short because of sun_path */
	char store_dir[CONF_TEXT];
	uint64_t store_octets; /* LMDB map size */
	uint8_t log_level;     /* enum note_level */
};

/* One way to reach the twin with heartbeats: a UDP socket pair. */
struct conf_path {
	char name[CONF_NAME]; /* "mirror", "access" */
	struct endpoint local, twin;
};

/* An address (with its prefix length) that the active node holds on an interface. */
struct conf_claim {
	char interface[16];
	struct ip_prefix addr;
};

struct conf_pair {
	bool enabled; /* false: one node, always active, always alone */
	bool preferred; /* wins when both nodes start with nothing */
	enum conf_policy policy;
	struct endpoint mirror_listen, mirror_twin; /* TCP, CURVE */
	char secret_file[CONF_TEXT]; /* 32 octets as 64 hex digits, the same on both nodes: CURVE keys and heartbeat HMAC derive from it */
	struct conf_path path[CONF_PATHS];
	unsigned paths;
	unsigned heartbeat_ms, dead_ms, lease_ms, degrade_ms, start_wait_ms; /* 10, 90, 60, 200, 1000 */
};

#define CONF_IP_PROTOCOLS 2

struct conf_data {
	unsigned workers;
	struct endpoint listen[2]; /* UDP 1701: one per outer address family at most */
	unsigned listens;
	uint8_t ip_protocol[CONF_IP_PROTOCOLS]; /* besides UDP: 115 for L2TPv3 over IP, and those of L2TPHC */
	unsigned ip_protocols;
	char tun[16];		 /* core side interface */
	unsigned tun_mtu;
	uint32_t receive_octets; /* socket buffers */
	uint32_t moderation_us;	 /* how long packets may gather under load; 0: not at all */
	unsigned punt_session_pps, punt_tunnel_pps, punt_peer_pps; /* control frames to the owners */
	bool mss_clamp;
	bool dscp_copy;		 /* inner DSCP to the outer header; else 0 */
	bool source_check;
	bool icmp_too_big;	 /* answer with packet-too-big; else fragment IPv4 where allowed, else drop */
	bool outer_df;
	unsigned resync_packets;	/* out of order, but in order among themselves: taken up anew */
};

enum conf_stale { STALE_KEEP, STALE_CLEAR };

enum conf_version { VERSION_2, VERSION_3, VERSION_BOTH }; /* of L2TP */
enum conf_transport { TRANSPORT_UDP, TRANSPORT_IP };
enum conf_hc_draft { HC_DRAFT_NONE, HC_DRAFT_03 = 3, HC_DRAFT_05 = 5 };

/* What L2TPv3 has besides (RFC 3931). */
struct conf_v3 {
	enum conf_transport transport;	/* of tunnels that we dial */
	unsigned digests;		/* Message Digests we carry: a bit for each enum l2tp3_digest */
	bool integrity;			/* carry them without a secret as well */
	char second_secret[CONF_TEXT];	/* besides the profile's, while that one is being changed; "": none */
	uint8_t cookie;			/* octets of the cookies we assign: 0, 4 or 8 */
	bool sublayer;			/* ask for the Default L2-Specific Sublayer */
	uint8_t sequencing;		/* ask for numbers: enum l2tp3_sequencing */
	struct ip_addr router_id;	/* IPv4; family 0: the address we use, or one made of the node's name */
	unsigned rtx_tries;		/* 10 */
};

/* L2TPHC: what we offer (draft-ietf-l2tpext-l2tphc). */
struct conf_l2tphc {
	enum conf_hc_draft draft;
	uint8_t ip_protocol;
	uint16_t vendor;
	uint16_t assigned_session, no_header, ppp_protocol; /* attributes; 0: the draft's */
	bool bare;			/* No-Header; -05 has nothing else */
	uint16_t protocol;		/* PPP-Protocol; 0: not said */
	uint8_t id_octets;		/* -03 with a header: 0 or 2 */
};

/* What we do with a peer, chosen at SCCRQ by its address (longest prefix) and its Host Name. */
struct conf_profile {
	char name[CONF_NAME];
	struct ip_prefix peer;		/* family 0: any */
	char host_name[CONF_NAME];	/* "" any; may end in '*' */
	unsigned roles;			/* allowed, ROLE_* bits, seen from us */
	char local_host_name[CONF_NAME]; /* ours in SCCRQ/SCCRP */
	bool require_auth;		/* tunnel authentication: refuse a peer without Challenge / Response */
	char secret[CONF_TEXT];		/* "" : no tunnel authentication, no hiding */
	bool hide;			/* hide what may be hidden */
	uint16_t window;		/* our Receive Window Size, 1.. */
	unsigned max_tunnels, max_sessions; /* per profile and per tunnel; 0: no limit */
	unsigned hello_ms;		/* 60000 */
	unsigned rtx_initial_ms, rtx_cap_ms, rtx_tries; /* 1000, 8000, 5 */
	unsigned rtx_least_ms;		/* 200: first retransmission to a peer that answers at once */
	unsigned setup_ms;		/* a half-open tunnel or call lives this long */
	unsigned idle_ms;		/* a tunnel without calls closes after; 0 never */
	enum conf_seq sequencing;
	bool failover;			/* RFC 4951 capability */
	unsigned recovery_ms;
	unsigned recovery_parallel;	/* recovery tunnels to one peer at a time */
	enum conf_stale stale;		/* after a cold start, a peer without RFC 4951 */
	enum conf_proxy proxy;
	char ppp[CONF_NAME];		/* name of a conf_ppp */
	enum conf_version version;	/* taken from a peer; for tunnels we dial VERSION_BOTH begins with a request in both */
	struct conf_v3 v3;
	struct conf_l2tphc l2tphc;
};

/* As LAC or client: where calls of this group go. Lower preference first, then the next on failure or "try another". */
struct conf_lns_group {
	char name[CONF_NAME];
	struct {
		struct endpoint peer;
		unsigned preference;
	} member[CONF_LNS_MEMBERS];
	unsigned members;
	char profile[CONF_NAME];
	unsigned hold_off_ms; /* a member that failed is not tried again before */
};

/* As client: a call kept up, with the PPP client end on this host. */
struct conf_dial {
	char name[CONF_NAME];
	char lns_group[CONF_NAME];
	char user[CONF_TEXT], password[CONF_TEXT];
	char called[CONF_NAME];
	bool outgoing_ok;
	unsigned redial_ms;
	struct ip_prefix routes[8]; /* to be reached through this call */
	unsigned route_count;
};

/* UDP that goes into a trunk, whatever its route says. */
struct conf_steer {
	char name[CONF_NAME];
	char user[CONF_TEXT];		/* whose sessions the trunks are */
	struct ip_prefix to[8];		/* destinations; none: any */
	unsigned to_count;
	uint16_t port_first, port_last;
	uint8_t dscp[16];		/* none: any */
	unsigned dscps;
	bool only_rtp;
};
#define CONF_STEERS 32

enum conf_rtp { RTP_NONE, RTP_CRTP, RTP_ECRTP };

/* Header compression (RFC 3544): what our decompressor offers; what the peer offers is used. */
struct conf_hc {
	bool enabled;
	enum conf_rtp rtp;
	unsigned non_tcp_space;		/* largest context identifier */
	unsigned full_packets, full_s;	/* F_MAX_PERIOD, F_MAX_TIME */
	unsigned max_header;
	unsigned repeat;		/* N of RFC 3545 towards the peer */
};

/* PPPMuxCP (RFC 3153), and how our transmitter gathers (RFC 4170, 2.3.1). */
struct conf_mux {
	bool enabled;
	uint16_t default_pid;		/* towards us */
	unsigned time_us, octets, packets, worth;
};

struct conf_ppp {
	char name[CONF_NAME];
	uint16_t mru;
	enum conf_auth auth[CONF_AUTHS]; /* offered in this order; none: no authentication */
	unsigned auths;
	bool ask_pfc, ask_acfc, magic;
	unsigned echo_ms, echo_failures;
	unsigned restart_first_ms, restart_ms, max_configure, max_terminate, max_failure;
	unsigned auth_ms;		/* whole authentication phase */
	unsigned chap_again_ms;		/* rechallenge; 0 never */
	struct ip_addr local4;
	struct ip_addr dns[CONF_DNS];
	unsigned dns_count;
	bool ipv4, ipv6;
	unsigned ra_ms;			/* router advertisement interval */
	char pool[CONF_NAME], pool6[CONF_NAME], pool_delegated[CONF_NAME];
	bool accept_peer_address;	/* an address the peer asks for, if it is free in the pool */
	unsigned session_timeout, idle_timeout; /* seconds; RADIUS wins */
	struct conf_hc hc;
	struct conf_mux mux;
};
#define CONF_PPPS 16

struct conf_pool {
	char name[CONF_NAME];
	uint8_t family;
	uint8_t delegate_len; /* IPv6: length of a leased prefix, 64 by default; IPv4: 32 */
	struct {
		struct ip_addr first, last;
	} range[CONF_RANGES];
	unsigned ranges;
	unsigned alarm_percent;
};

struct conf_radius_server {
	struct ip_addr addr;
	uint16_t auth_port, acct_port;
	char secret[CONF_TEXT];
};

struct conf_aaa_set {
	enum conf_aaa mode;
	char users_file[CONF_TEXT];
	struct conf_radius_server server[CONF_SERVERS];
	unsigned servers;
	unsigned timeout_ms, tries, in_flight;	/* in_flight: requests outstanding at most */
	char nas_identifier[CONF_NAME];
	struct ip_addr nas_address;
	unsigned interim_s;			/* 0 none; RADIUS Acct-Interim-Interval wins */
	bool acct;
	unsigned usage_ms;			/* counters are recorded within */
};

struct conf {
	struct conf_node node;
	struct conf_pair pair;
	struct conf_claim claim[CONF_CLAIMS];
	unsigned claims;
	struct conf_data data;
	struct conf_profile profile[CONF_PROFILES];
	unsigned profiles;
	struct conf_lns_group lns_group[CONF_LNS_GROUPS];
	unsigned lns_groups;
	struct conf_dial dial[CONF_DIALS];
	unsigned dials;
	struct conf_steer steer[CONF_STEERS];
	unsigned steers;
	struct conf_ppp ppp[CONF_PPPS];
	unsigned ppps;
	struct conf_pool pool[CONF_POOLS];
	unsigned pools;
	struct conf_aaa_set aaa;
	unsigned max_tunnels, max_sessions; /* of the node */
};

/*
 * Reads, validates and fills.  On failure NULL, and `error` names the place (a YANG path) and what is
 * wrong with it.  The caller frees.  `schema_dir` NULL: the module this program was built with, which
 * is compiled in; else the folder that holds twinlns.yang.
 */
struct conf *conf_load(const char *file, const char *schema_dir, char *error, size_t error_len);
/* The same from memory; `name` stands for the file in errors. */
struct conf *conf_parse(const char *json, size_t len, const char *name, const char *schema_dir,
			char *error, size_t error_len);
void conf_free(struct conf *);

/*
 * After a reload: what of these parts is no longer what a process began with and cannot be taken up while it
 * runs.  `names` gets the leaves, with commas; false: nothing.
 */
enum { CONF_PART_NODE = 1, CONF_PART_STORE = 2, CONF_PART_PAIR = 4, CONF_PART_SOCKETS = 8 };
bool conf_needs_restart(const struct conf *was, const struct conf *now, unsigned parts, char *names, size_t len);
/* Every leaf that differs: "data-plane/mss-clamp,profile[lac1]/window,+pool[gold]"; how many.  No values. */
unsigned conf_changes(const struct conf *was, const struct conf *now, char *names, size_t len);

/*
 * Everything at its default (the YANG module's defaults, kept in step by a test).  Lists are empty; an
 * entry made in code starts from the defaults of its kind.
 */
void conf_defaults(struct conf *);
void conf_profile_defaults(struct conf_profile *);
void conf_lns_group_defaults(struct conf_lns_group *);
void conf_dial_defaults(struct conf_dial *);
void conf_steer_defaults(struct conf_steer *);
void conf_ppp_defaults(struct conf_ppp *);
void conf_pool_defaults(struct conf_pool *); /* IPv4 */
void conf_radius_server_defaults(struct conf_radius_server *);

/*
 * The profile for a peer: longest prefix first, then the most specific host name (the whole name, the
 * longest pattern, none), letters' case ignored.  NULL: the peer is refused.
 */
const struct conf_profile *conf_profile_find(const struct conf *, const struct ip_addr *peer, const char *host_name);
const struct conf_profile *conf_profile_named(const struct conf *, const char *name);
const struct conf_ppp *conf_ppp_named(const struct conf *, const char *name);
const struct conf_pool *conf_pool_named(const struct conf *, const char *name);
const struct conf_lns_group *conf_lns_group_named(const struct conf *, const char *name);

#endif
