// SPDX-License-Identifier: Apache-2.0
/*
 * An asynchronous RADIUS client (RFC 2865, 2.4, 2.6; RFC 5080, 2.2) as a pure machine: requests in,
 * datagrams out, answers in, results out.  The shell owns the sockets; there is a client for
 * authentication and one for accounting.
 *
 * A request goes to the first server that is not dead, `tries` times with the same identifier and
 * authenticator, then, built anew, to the next one.  A server that answered nothing for as long as a
 * whole cycle of tries takes is dead for a while and then probed with one request; requests that wait for
 * it move on at once.  At most `in_flight` requests are out per server, others wait in a bounded queue; a slow server
 * can fill its own share and nobody else's.  An answer that does not verify is as if it never came: it
 * cannot end the request that it imitates.
 */
#ifndef SM_RCLIENT_H
#define SM_RCLIENT_H

#include "base/mono.h"
#include "conf/conf.h"
#include "radius.h"

#define RCLIENT_SOCKETS 16	   /* per server: 256 identifiers each */
#define RCLIENT_QUEUE 65536	   /* requests waiting for room */
#define RCLIENT_WAIT (30 * MONO_S) /* ... and for how long at most */
#define RCLIENT_DEAD (30 * MONO_S) /* how long a dead server is left alone */
#define RCLIENT_CARGO 2048	   /* octets that a request may carry along */

struct rclient;

enum rclient_end { RCLIENT_ANSWERED, RCLIENT_UNANSWERED };

struct rclient_ops {
	/*
	 * Write a whole packet for this server: begin, attributes, end.  An empty span gives the request up.
	 * `auth` are 16 fresh random octets.
	 */
	struct span (*build)(void *arg, const void *cargo, size_t len, unsigned server, uint8_t id,
			     const uint8_t auth[16], uint8_t buf[RAD_MAX]);
	/* A datagram to a server from one of our sockets to it (0..RCLIENT_SOCKETS-1, opened when first used). */
	void (*send)(void *arg, unsigned server, unsigned socket, struct span datagram);
	/* The end of a request, once.  `answer` is NULL when unanswered; both are lent. */
	void (*done)(void *arg, const void *cargo, size_t len, enum rclient_end, const struct rad_packet *answer,
		     unsigned server);
	void (*random)(void *arg, uint8_t *out, size_t n);
	/* A server died or came back. */
	void (*server_state)(void *arg, unsigned server, bool dead);
};

struct rclient_conf {
	unsigned servers;
	char secret[CONF_SERVERS][CONF_TEXT];
	unsigned timeout_ms, tries, in_flight;
	bool acct; /* which codes answer */
};

struct rclient_counts {
	uint64_t requests, retransmits, answers, unanswered, failovers, refused, dead;
	uint64_t bad_packet, bad_code, bad_authenticator, bad_message_auth, unexpected;
};

struct rclient *rclient_new(const struct rclient_ops *, void *arg);
void rclient_free(struct rclient *); /* requests inside are forgotten without a word */

/* New servers or limits: everything that is out is asked anew. */
void rclient_configure(struct rclient *, const struct rclient_conf *, mono_t now);

/* `cargo` is copied.  False: refused, the queue is full or there is no server; done() is not called. */
bool rclient_ask(struct rclient *, const void *cargo, size_t len, mono_t now);
void rclient_input(struct rclient *, unsigned server, unsigned socket, struct span datagram, mono_t now);
void rclient_tick(struct rclient *, mono_t now);
mono_t rclient_next_due(const struct rclient *);
/* Forgets all requests, without done(): this node is not active any more. */
void rclient_drop_all(struct rclient *);

unsigned rclient_outstanding(const struct rclient *); /* out and queued */
struct rclient_counts rclient_counts(const struct rclient *);
bool rclient_server_dead(const struct rclient *, unsigned server);

struct rclient_server {
	bool dead, probing; /* probing: dead, and a request is out to see whether it still is */
	unsigned out;	    /* requests that wait for it */
	uint64_t silent_ms; /* since it owes the oldest answer; 0: it owes none */
	uint64_t wait_ms;   /* dead: until it is asked again */
};
struct rclient_server rclient_server(const struct rclient *, unsigned server, mono_t now);

#endif
