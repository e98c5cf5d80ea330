// SPDX-License-Identifier: Apache-2.0
/*
 * The L2TPv3 codec: RFC 3931, with PPP pseudowires and the v3 form of RFC 4951.  Octets to struct
 * and back; no I/O, no allocation that lives on, no clock, no logging.
 *
 * AVPs, faults and values are those of l2tp.h: a message read here is a struct l2tp_msg whose `v3`
 * is set, a message begun here takes every l2tp_avp_*() call.  Only what L2TPv3 has otherwise
 * stands in this header: its packets over IP and UDP, Control Message Authentication, and the form
 * of data.
 *
 * The way of a datagram:
 *
 *   l2tp3_split()          control message, or session id and the rest
 *     control: l2tp3_digest_check(), before anything in it is believed (RFC 3931 5.4.1)
 *              l2tp3_msg_read()
 *     data:    the session is looked up by its id, then l2tp3_data_read() with the session's form
 */
#ifndef TWIN_L2TP3_H
#define TWIN_L2TP3_H

#include "l2tp/l2tp.h"

const char *l2tp3_msg_name(unsigned type);		    /* "SCCRQ", "ACK", "ZLB" */
const char *l2tp3_avp_name(unsigned vendor, unsigned type); /* "Router ID" */

#define L2TP3_IP_PROTOCOL 115
#define L2TP3_PW_PPP 0x0007 /* draft-ietf-l2tpext-l2tp-ppp */

enum l2tp3_sublayer { L2TP3_SUBLAYER_NONE, L2TP3_SUBLAYER_DEFAULT }; /* of L2-Specific Sublayer */
enum l2tp3_sequencing { L2TP3_SEQUENCE_NONE, L2TP3_SEQUENCE_NON_IP, L2TP3_SEQUENCE_ALL };

#define L2TP3_CIRCUIT_ACTIVE 1 /* of Circuit Status */
#define L2TP3_CIRCUIT_NEW 2

/* ---- packets ----------------------------------------------------------------------------- */

/*
 * RFC 3931 4.1.1, 4.1.2:
 *
 *   over IP    control  | 0 (32 bits) | control message            data  | Session ID | Cookie ...
 *   over UDP   control  | control message        data  |0 x x x ... Ver 3| 0 | Session ID | Cookie
 * ...
 */
enum l2tp3_kind {
	L2TP3_NEITHER, /* too short, another version, or data for session 0: to be dropped */
	L2TP3_CONTROL,
	L2TP3_DATA,
};

/* Tells control from data.  `rest` is the control message, or what follows the session id. */
enum l2tp3_kind l2tp3_split(struct span packet, bool udp, uint32_t *session, struct span *rest);

/* What stands in front of a control message: nothing over UDP, four zero octets over IP. */
void l2tp3_control_prefix(struct wr *w, bool udp);

/*
 * RFC 3931 3.2.1:
 *   |T|L|x|x|S|x|x|x|x|x|x|x|  Ver  |             Length            |
 *   |                     Control Connection ID                     |
 *   |               Ns              |               Nr              |
 *
 * Reads it and gives the AVPs.  Ver may be 2 where the id is 0, for an SCCRQ that offers both
 * (4.7.3): `out->version` tells.  Octets behind Length are ignored.
 */
enum l2tp_fault l2tp3_hdr_read(struct span message, struct l2tp_hdr *out, struct span *avps);
void l2tp3_hdr_write(struct wr *w, uint32_t connection, uint16_t ns, uint16_t nr, size_t avps_len);

/* ---- control messages -------------------------------------------------------------------- */

/*
 * As l2tp_msg_read(), for a message as l2tp3_split() gives it.  `hiding_key` is that of struct
 * l2tp3_keys (len 0: none); authenticity is not judged here.
 */
enum l2tp_fault l2tp3_msg_read(struct span message, struct span hiding_key, struct l2tp_msg *out);

/* Digest Types (RFC 3931 5.4.1). */
enum l2tp3_digest { L2TP3_HMAC_MD5, L2TP3_HMAC_SHA1 };
#define L2TP3_DIGESTS_MAX 2

struct l2tp3_digests {
	uint8_t n; /* Message Digest AVPs to carry; 0: none */
	uint8_t type[L2TP3_DIGESTS_MAX];
};

/*
 * Starts a message.  Digests are given their place, all zero: l2tp3_seal() fills them in after
 * l2tp_msg_end(), and again whenever Ns or Nr was changed.
 */
void l2tp3_msg_begin(struct l2tp_wr *m, struct wr *w, enum l2tp_type type, uint32_t connection,
		     struct l2tp3_digests digests);

/* A message without AVPs; only where no digests are in use (RFC 3931 6.15). */
void l2tp3_zlb_write(struct wr *w, uint32_t connection, uint16_t ns, uint16_t nr);

/* ---- Control Message Authentication (RFC 3931 4.3, 5.3, 5.4.1) ----------------------------- */

#define L2TP3_KEY 16

struct l2tp3_keys {
	uint8_t hiding[L2TP3_KEY];  /* HMAC_MD5(secret, 1): for hidden AVPs */
	uint8_t message[L2TP3_KEY]; /* HMAC_MD5(secret, 2): for digests */
};

/* An empty secret is one: for digests that are an integrity check only (4.3). */
bool l2tp3_keys_of(struct span secret, struct l2tp3_keys *out);

struct l2tp3_auth {
	const struct l2tp3_keys *keys; /* one, or two while a secret is being changed */
	unsigned n;
	struct span local, remote; /* nonces: our own, the peer's; empty for an integrity check */
};

/* Fills in the digests of a message of our own: the first with the first key, the second with the
 * last.  False where there is none, or of no known type. */
bool l2tp3_seal(uint8_t *msg, size_t len, const struct l2tp3_auth *auth);

enum l2tp3_verdict {
	L2TP3_NO_DIGEST,    /* none at its place: to be dropped where authentication is on */
	L2TP3_DIGEST_WRONG, /* or a malformed header: to be dropped, always */
	L2TP3_DIGEST_GOOD,  /* one of the digests, with one of the keys */
};

/*
 * Judges a message of the peer's, in constant time as to the digests.  Where it is good, `*key` (if
 * not NULL) is the index of the keys that the peer used: hidden AVPs are under the same secret.
 */
enum l2tp3_verdict l2tp3_digest_check(struct span message, const struct l2tp3_auth *auth,
				      unsigned *key);

/*
 * The nonce in an SCCRQ or SCCRP that has not been believed yet: the SCCRP's own digest needs it.
 * False where there is none.
 */
bool l2tp3_nonce_peek(struct span message, struct span *nonce);

/* ---- data -------------------------------------------------------------------------------- */

#define L2TP3_COOKIE_MAX 8
#define L2TP3_DATA_HEADER_MAX 20 /* flags, session id, cookie, sublayer */

/* How one direction of a session looks on the wire. */
struct l2tp3_form {
	bool udp;
	bool sublayer;	    /* the Default L2-Specific Sublayer (RFC 3931 4.6) */
	uint8_t cookie_len; /* 0, 4 or 8 */
	uint8_t cookie[L2TP3_COOKIE_MAX];
};

/* RFC 3931 4.6: |x|S|x|x|x|x|x|x|              Sequence Number                  | */
struct l2tp3_data {
	bool has_seq; /* S */
	uint32_t seq; /* 24 bits */
	struct span payload;
};

enum l2tp3_data_fault {
	L2TP3_DATA_OK,
	L2TP3_DATA_TRUNCATED, /* ends inside the cookie or the sublayer */
	L2TP3_DATA_COOKIE,    /* not the session's cookie */
};

/* `rest` as l2tp3_split() gives it, `form` as this end has assigned it. */
enum l2tp3_data_fault l2tp3_data_read(struct span rest, const struct l2tp3_form *form,
				      struct l2tp3_data *out);

/* The header; the payload follows.  `form` as the peer has assigned it; `seq` is put in where
 * `has_seq` and the form has a sublayer. */
void l2tp3_data_write(struct wr *w, const struct l2tp3_form *form, uint32_t session, bool has_seq,
		      uint32_t seq);
size_t l2tp3_data_header_len(const struct l2tp3_form *form);

/* Whether `seq` is newer than `last`, the last one received (RFC 3931 4.6, 24 bits). */
static inline bool
l2tp3_seq_newer(uint32_t seq, uint32_t last)
{
	return ((last - seq) & 0xffffff) > 0x7fffff;
}

/* The PPP frame of a payload from its protocol field on: an FF 03 in front is taken off (the PPP
 * draft has it left out, and accepted). */
static inline struct span
l2tp3_ppp(struct span payload)
{
	return payload.len >= 2 && payload.p[0] == 0xff && payload.p[1] == 0x03
		   ? span_of(payload.p + 2, payload.len - 2)
		   : payload;
}

#endif
