// SPDX-License-Identifier: Apache-2.0
/*
 * twinload plays thousands of LACs and PPP peers against an LNS: what the parts of it share.
 *
 *   main.c     options, the loop, commands on stdin, JSON lines on stdout
 *   lac.c      a LAC: control connection, reliable delivery, calls
 *   peer.c     a PPP peer behind a call: LCP, PAP/CHAP, IPCP, IPV6CP, echo
 *   traffic.c  packets both ways through the sessions, gaps, verification
 *   answer.c   with --loss: how long the server takes, apart from what the network does
 *   progress.c stalls and the tail
 *   recover.c  RFC 4951: the server failed, and recovers its tunnels
 *   report.c   what was seen, as one JSON line
 *
 * It is deliberately a second implementation of the protocol side (it shares only the codec with the
 * product), small enough not to be the bottleneck, and it watches: Ns and Nr that contradict earlier
 * ones, LCP that starts again, calls and tunnels that the LNS ends.
 */
#ifndef TWIN_LOAD_H
#define TWIN_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/mono.h"
#include "l2tp/l2tp.h"

enum lac_state { LAC_IDLE, LAC_WAIT_SCCRP, LAC_UP, LAC_DEAD };
enum sess_state { S_IDLE, S_WAIT_ICRP, S_LCP, S_AUTH, S_NCP, S_OPEN, S_GONE };
enum auth_kind { LOAD_PAP, LOAD_CHAP };

#define NS_MEMORY 128 /* how many received Ns are remembered, to catch contradictions */

struct out_msg {
	mono_t arrived; /* at the server: the first copy that was not lost */
	uint16_t len;
	uint8_t b[1]; /* the message; allocated with its length */
};

struct lac {
	int fd;
	enum lac_state state;
	uint16_t tid, peer_tid;
	uint16_t ns, nr;      /* next to give, next expected */
	uint16_t una;	      /* oldest not acknowledged */
	uint16_t sent;	      /* next to go on the wire: una <= sent <= high <= ns */
	uint16_t high;	      /* one after the last that ever was on the wire */
	uint16_t window, cwnd;
	struct out_msg **q;   /* ring by Ns, `q_cap` a power of two */
	uint32_t q_cap;
	mono_t rtx_due, heard;
	mono_t hello_sent;    /* the Hello under way went on the wire; 0: none does */
	uint16_t hello_ns;
	bool hello_queued;
	uint16_t answered;    /* the server has acknowledged all below, whether we heard it or not */
	mono_t in_order_at;   /* when it had all of that */
	mono_t missed_at;     /* the message that we expect next was lost */
	unsigned tries;
	bool ack_owed;
	uint32_t sess_first, sess_count;
	uint32_t seen_hash[NS_MEMORY];
	uint16_t seen_ns[NS_MEMORY];
	bool seen_set[NS_MEMORY];
	uint16_t last_nr;
	uint16_t rec_tid, rec_peer, rec_ns, rec_nr, suggested; /* recover.c */
	/* datagrams waiting for sendmmsg */
	unsigned tx_count;
	size_t tx_used;
	uint8_t *tx;
	uint16_t *tx_len;
};

struct sess {
	uint16_t lac, sid, peer_sid;
	uint8_t state;
	uint8_t tries;
	uint8_t id;		/* of our current Configure-Request or PAP request */
	bool lcp_acked, lcp_acks; /* the peer acked ours; we acked the peer's */
	bool ncp_acked, ncp_acks, v6_acked, v6_acks, v6_refused;
	bool chap, caught, verified, extra;
	uint8_t ip[4];
	uint64_t iid, iid_peer;
	uint32_t magic;
	mono_t due, begun;
	mono_t asked_at, missed_at; /* our request reached the server; one of the server's was lost */
	uint8_t asked_id;
	uint32_t up_seq, down_next, down_got, down_lost, down_back;
	uint32_t up_next, up_got, up_lost;
	mono_t up_last, down_last, up_gap, down_gap;
};

struct options {
	struct endpoint lns, bind;
	unsigned lacs, sessions, inflight;
	double rate, extra_rate, loss;
	unsigned extra;
	enum auth_kind auth;
	const char *user, *password, *secret, *host;
	bool ipv6, quiet, joined;
	double hold, hello_s, restart_s, timeout_s;
	const char *core_netns;
	struct endpoint core;
	double pps;
	unsigned payload;
	bool down, up;
	unsigned failover_ms; /* RFC 4951, spoken if not 0: what we ask to be waited for */
};

#define HISTOGRAM_OCTAVES 36
#define HISTOGRAM_STEPS (8 * (HISTOGRAM_OCTAVES + 1))

struct histogram {
	uint64_t total, most_us;
	uint32_t n[HISTOGRAM_STEPS];
};

struct tally {
	uint64_t opened, failed, cdn, stopccn, lcp_restart, term, retransmits, given_up;
	uint64_t nr_back, ns_contradiction, ns_gap, bad_message, rx, tx, lost_on_purpose, rx_unknown;
	uint64_t hellos, hellos_missed, redials, echo_requests, auth_failed, protocol_rejects;
	uint64_t up_sent, up_got, down_sent, down_got, up_dup, down_dup;
	mono_t up_gap, down_gap, up_last, down_last; /* largest silence of the whole stream since the mark */
	mono_t hello_worst, last_progress;
	mono_t stall_worst, tail_stall_worst; /* before and after the last call was dialled */
	struct histogram answer_control, answer_ppp, repair_control, repair_ppp;
	uint32_t caught, caught_open;
	uint64_t recovered, synchronised, unknown_sessions; /* RFC 4951: tunnels, sessions */
	mono_t synchronised_at;
};

struct load {
	struct options o;
	struct lac *lac;
	struct sess *sess;
	uint32_t sess_total;
	uint32_t started, opened, in_progress, gone;
	mono_t now, t_begin, t_first, t_last_dial, t_all_up, t_marked;
	struct tally t;
	int core_fd;
	uint32_t traffic_at;
	double traffic_credit, start_credit;
	mono_t traffic_since, start_since;
	bool traffic, dialling, quit;
	uint64_t rng;
};

uint32_t load_random(struct load *g);
mono_t load_clock(void);

/* lac.c */
bool lac_open_all(struct load *g);
void lac_readable(struct load *g, struct lac *l);
void lac_timers(struct load *g);
void lac_flush(struct load *g, struct lac *l);
void lac_close_all(struct load *g);
bool lac_datagram(struct load *g, struct lac *l, const void *p, size_t len); /* false: lost on purpose */
struct sess *sess_by_sid(struct load *g, struct lac *l, uint16_t sid);
bool sess_dial(struct load *g, struct sess *s);
void sess_hangup(struct load *g, struct sess *s);
void sess_lost(struct load *g, struct sess *s);
void sess_given_up(const struct load *g, const struct sess *s); /* says on stderr how far it got */

/* peer.c */
void peer_start(struct load *g, struct sess *s);
void peer_frame(struct load *g, struct sess *s, struct span frame);
void peer_timer(struct load *g, struct sess *s);
bool peer_send(struct load *g, struct sess *s, uint16_t protocol, const void *p, size_t len);

struct sess *sess_by_sid(struct load *g, struct lac *l, uint16_t sid);
bool lac_queue(struct load *g, struct lac *l, const struct wr *w);

/* recover.c */
bool recover_hear(struct load *g, struct lac *l, const struct l2tp_msg *in); /* true: it was about a recovery */
void recover_fsq(struct load *g, struct lac *l, const struct l2tp_msg *in);

/* traffic.c */
bool traffic_open(struct load *g);
void traffic_tick(struct load *g);
void traffic_core_readable(struct load *g);
void traffic_down_packet(struct load *g, struct sess *s, struct span ip);
bool traffic_verify_slice(struct load *g);
void traffic_mark(struct load *g);

/* answer.c */
void answer_asked(struct load *g, struct sess *s);		      /* the session's request went out, and arrives */
void answer_arrived(struct load *g, struct out_msg *m);	      /* the same of a control message */
void answer_seen(struct load *g, struct lac *l, struct span datagram); /* of the server, lost afterwards or not */
void answer_lost(struct load *g, struct lac *l, struct span datagram);
mono_t answer_hello_there(const struct lac *l);
void answer_repaired(struct load *g, mono_t *missed_at, struct histogram *h);
double histogram_ms(const struct histogram *h, double share);

/* progress.c */
void progress_made(struct load *g);
void progress_watch(struct load *g);

/* report.c */
void report(struct load *g, const char *event);
void report_sessions(struct load *g);

#endif
