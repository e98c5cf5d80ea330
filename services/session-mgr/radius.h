// SPDX-License-Identifier: Apache-2.0
/*
 * The RADIUS codec (RFC 2865, 2866, 2868, 2869, 3162, 4818, 6911, 2548): packets, attributes, hiding and
 * authenticators.  No I/O, no allocation, no clock.
 *
 *	 0                   1                   2                   3
 *	+---------------+---------------+-------------------------------+
 *	|     Code      |  Identifier   |            Length             |
 *	+---------------+---------------+-------------------------------+
 *	|                     Authenticator (16 octets)                 |
 *	+---------------+---------------+-------------------------------+
 *	|     Type      |    Length     |  Value ...
 */
#ifndef SM_RADIUS_H
#define SM_RADIUS_H

#include <stdbool.h>

#include "base/addr.h"
#include "wire/wire.h"

#define RAD_HEADER 20
#define RAD_MAX 4096	/* RFC 2865, 3 */
#define RAD_VALUE_MAX 253
#define RAD_VENDOR_MS 311

enum rad_code {
	RAD_ACCESS_REQUEST = 1,
	RAD_ACCESS_ACCEPT = 2,
	RAD_ACCESS_REJECT = 3,
	RAD_ACCOUNTING_REQUEST = 4,
	RAD_ACCOUNTING_RESPONSE = 5,
	RAD_ACCESS_CHALLENGE = 11,
};

enum rad_kind {
	RAD_TEXT,
	RAD_OCTETS,
	RAD_U32,
	RAD_IP4,
	RAD_IP6,
	RAD_PREFIX6,
	RAD_IFID,
	RAD_TAGGED_U32,
	RAD_TAGGED_TEXT,
	RAD_SECRET,
};

/* The attributes of radius_attrs.def as one number: vendor in the upper half, 0 for the standard ones. */
enum rad_attr_id {
#define X(VENDOR, TYPE, ID, NAME, KIND, SECTION) RAD_##ID = (VENDOR) << 8 | (TYPE),
#include "radius_attrs.def"
#undef X
};

struct rad_attr_info {
	enum rad_attr_id id;
	const char *name, *section;
	enum rad_kind kind;
};

const struct rad_attr_info *rad_attr_info(unsigned id);		/* NULL: not in the table */
const struct rad_attr_info *rad_attr_named(const char *name);	/* case does not matter */

enum rad_fault {
	RAD_OK,
	RAD_SHORT,		/* fewer than 20 octets, or fewer than Length says */
	RAD_BAD_LENGTH,		/* Length under 20 or over 4096 */
	RAD_BAD_ATTRIBUTE,	/* an attribute's length is under 2 or beyond the packet */
	RAD_BAD_AUTHENTICATOR,	/* Response Authenticator */
	RAD_BAD_MESSAGE_AUTH,	/* Message-Authenticator */
	RAD_FAULTS
};

const char *rad_fault_name(enum rad_fault);

struct rad_packet {
	uint8_t code, id;
	const uint8_t *auth;	/* 16 octets, lent */
	struct span whole;	/* cut at Length: octets beyond it are padding (RFC 2865, 3) */
	struct span attrs;
};

struct rad_attr {
	uint32_t id;	   /* enum rad_attr_id, or a number that is not in it */
	struct span value; /* lent */
};

/* Header and the lengths of all attributes are checked. */
enum rad_fault rad_read(struct span bytes, struct rad_packet *out);

/* Walks attributes; vendor-specific ones are opened (RFC 2865, 5.26), malformed ones skipped. */
struct rad_iter {
	struct rd in, vendor;
	uint32_t vendor_id;
};
struct rad_iter rad_iter(struct span attrs);
bool rad_next(struct rad_iter *, struct rad_attr *out);

/* Is this the answer to the request that carried `request_auth`, from who knows the secret? */
enum rad_fault rad_verify_response(const struct rad_packet *, const uint8_t request_auth[16], struct span secret);
/* The same for a request as a server sees it: Accounting-Request's authenticator, Message-Authenticator. */
enum rad_fault rad_verify_request(const struct rad_packet *, struct span secret);

/* ---- Writing. */

struct rad_writer {
	struct wr w;
	size_t message_auth; /* offset of its value, 0: none */
};

/* `auth`: the request authenticator; NULL: zeros, filled in by rad_end (accounting). */
void rad_begin(struct rad_writer *, void *buf, size_t cap, enum rad_code, uint8_t id, const uint8_t auth[16]);
/* A value longer than an attribute can carry is cut, an empty one is left out (RFC 2865, 5). */
void rad_put(struct wr *, enum rad_attr_id, const void *value, size_t len);
void rad_put_text(struct wr *, enum rad_attr_id, const char *text);
void rad_put_u32(struct wr *, enum rad_attr_id, uint32_t);
void rad_put_tagged_u32(struct wr *, enum rad_attr_id, uint8_t tag, uint32_t);
void rad_put_tagged_text(struct wr *, enum rad_attr_id, uint8_t tag, const char *text);
void rad_put_prefix6(struct wr *, enum rad_attr_id, const struct ip_prefix *);
/* User-Password, hidden (RFC 2865, 5.2); cut at 128 octets. */
void rad_put_password(struct rad_writer *, struct span password, struct span secret);
/* Room for Message-Authenticator (RFC 2869, 5.14); first in a packet is the safest place for it. */
void rad_put_message_auth(struct rad_writer *);
/*
 * Length, Message-Authenticator, and for accounting the request authenticator; for a response (`request_auth`
 * not NULL) the Response Authenticator.  The packet, or an empty span: it did not fit.
 */
struct span rad_end(struct rad_writer *, struct span secret, const uint8_t *request_auth);

/* User-Password in clear again (a server's side; tests).  Octets written to out[128]. */
size_t rad_unhide(struct span hidden, const uint8_t request_auth[16], struct span secret, uint8_t out[128]);

/* A prefix attribute's value (RFC 3162, 2.3); false: malformed. */
bool rad_prefix6(struct span value, struct ip_prefix *out);

/* MD5 over up to three parts, and its HMAC (RFC 2104). */
void rad_md5(struct span a, struct span b, struct span c, uint8_t out[16]);
void rad_hmac_md5(struct span key, struct span text, uint8_t out[16]);

#endif
