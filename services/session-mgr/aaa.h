// SPDX-License-Identifier: Apache-2.0
/*
 * AAA as the session core sees it: a question now, an answer later, never a wait.
 *
 * The core emits an effect EFFECT_AAA whose detail is a struct aaa_request; whoever answers (users file,
 * RADIUS) gives back a struct aaa_answer with the same token.  Both are plain octets without
 * pointers: they travel through the outbox by copy.
 */
#ifndef SM_AAA_H
#define SM_AAA_H

#include <stdbool.h>

#include "base/addr.h"
#include "line.h"
#include "ppp/ppp.h"
#include "wire/wire.h"

#define AAA_TEXT 254
#define AAA_CLASSES 4
#define AAA_ROUTES 8

struct aaa_request {
	uint64_t token; /* the core's; given back */
	uint16_t tunnel, session;
	uint8_t auth;	/* enum ppp_auth */
	uint8_t chap_id;
	uint8_t name_len, challenge_len, response_len;
	char name[AAA_TEXT];
	uint8_t challenge[255], response[255]; /* PAP: response is the password */
	char calling[64], called[64];
	char client_auth_id[64];	       /* the LAC's host name */
	struct ip_addr client_endpoint, server_endpoint;
	uint8_t line_len, line[LINE_RADIUS_MAX]; /* of the access line: attributes, ready */
};

enum aaa_verdict {
	AAA_ACCEPT,
	AAA_REJECT,
	AAA_UNANSWERED, /* nobody could be asked, or nobody answered */
};

/* What an accepted user gets.  Zero or "" is "nothing said" everywhere. */
struct aaa_grant {
	uint8_t framed_ip; /* enum framed_ip */
	uint32_t ipv4;	   /* host order */
	uint32_t netmask;
	char pool[64], pool6[64], pool_delegated[64];
	struct ip_prefix prefix6, delegated;
	uint64_t iid;
	uint32_t session_timeout, idle_timeout, interim, mtu;
	uint32_t dns4[2], nbns4[2];
	uint8_t class_len[AAA_CLASSES];
	uint8_t classes, routes;
	uint8_t class[AAA_CLASSES][AAA_TEXT];
	struct ip_prefix route[AAA_ROUTES];
	char filter_id[AAA_TEXT];
	uint16_t ignored; /* attributes that were malformed or of a wrong kind */
};

/* Framed-IP-Address, RFC 2865, 5.8. */
enum framed_ip {
	FRAMED_NONE,	/* not said: from the pool */
	FRAMED_ASSIGNED,
	FRAMED_NAS,	/* 255.255.255.254: from the pool */
	FRAMED_USER,	/* 255.255.255.255: the peer chooses */
};

struct aaa_answer {
	uint64_t token;
	uint16_t tunnel, session;
	uint8_t verdict;	    /* enum aaa_verdict */
	uint8_t local;		    /* answered by the users file */
	uint8_t has_proof;
	uint8_t mschap_proof[20];   /* MS-CHAPv2: the Authenticator Response */
	char user[AAA_TEXT];	    /* as rows and accounting call it: the peer's name, or the server's User-Name */
	char message[AAA_TEXT];	    /* Reply-Message, for the peer */
	struct aaa_grant grant;
};

/* Reads reply attributes (of an Access-Accept, of a users file entry) into the answer. */
void aaa_grant_read(struct span attrs, uint8_t chap_id, struct aaa_answer *);

/* Is this a reply attribute that means something here?  (enum rad_attr_id) */
bool aaa_grant_honours(unsigned id);

/* A name as rows may hold it: valid UTF-8 without control characters, '?' for everything else. */
void aaa_name_clean(struct span name, char out[AAA_TEXT]);

/* A Framed-Route or Framed-IPv6-Route: "192.0.2.0/24 0.0.0.0 1"; only its prefix counts. */
bool aaa_route_read(struct span text, struct ip_prefix *out);

#endif
