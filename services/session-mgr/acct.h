// SPDX-License-Identifier: Apache-2.0
/*
 * Accounting (RFC 2866, 2867, 2869): what a session has to say, as RADIUS attributes.
 *
 * An `acct` row holds the attributes that belong to the session, ready to be sent.  What depends on the
 * moment (Acct-Delay-Time) or the node's configuration (NAS-*) is added at each sending.
 */
#ifndef SM_ACCT_H
#define SM_ACCT_H

#include <stdbool.h>

#include "base/addr.h"
#include "wire/wire.h"

#define ACCT_ATTRS_MAX 1536
#define ACCT_KEY_MAX 48

enum acct_kind { ACCT_START = 1, ACCT_STOP = 2, ACCT_INTERIM = 3 }; /* RFC 2866, 5.1 */

/* RFC 2866, 5.10. */
enum acct_terminate {
	TERM_USER_REQUEST = 1,
	TERM_LOST_CARRIER = 2,
	TERM_LOST_SERVICE = 3,
	TERM_IDLE_TIMEOUT = 4,
	TERM_SESSION_TIMEOUT = 5,
	TERM_ADMIN_RESET = 6,
	TERM_PORT_ERROR = 8,
	TERM_NAS_ERROR = 9,
	TERM_NAS_REQUEST = 10,
	TERM_SERVICE_UNAVAILABLE = 15,
	TERM_USER_ERROR = 17,
};

struct acct_facts {
	enum acct_kind kind;
	const char *session_id, *user, *calling, *called;
	uint16_t tunnel, session;
	uint32_t call_serial;
	struct span class[4];
	unsigned classes;
	uint8_t authentic; /* RFC 2866, 5.6: 1 RADIUS, 2 local; 0: left out */
	struct span ipv4;
	struct ip_prefix prefix6, delegated; /* family 0: none */
	uint64_t iid;			     /* 0: none */
	const char *filter_id;
	struct span line; /* of the access line: attributes, ready */
	struct ip_addr client_endpoint, server_endpoint;
	const char *client_auth_id, *server_auth_id;
	uint64_t in_octets, out_octets, in_packets, out_packets;
	uint32_t session_time;
	uint64_t at;		       /* seconds since 1970: Event-Timestamp */
	enum acct_terminate terminate; /* stop */
};

/* Octets written to buf, or 0: they do not fit. */
size_t acct_attrs(const struct acct_facts *, uint8_t *buf, size_t cap);

/* What the desk is handed: plain octets, no pointers. */
struct acct_ask {
	uint64_t created; /* seconds since 1970 */
	uint16_t attrs_len;
	uint8_t key_len;
	uint8_t key[ACCT_KEY_MAX];
	uint8_t attrs[ACCT_ATTRS_MAX];
};

static inline size_t
acct_ask_size(const struct acct_ask *a)
{
	return offsetof(struct acct_ask, attrs) + a->attrs_len;
}

#endif
