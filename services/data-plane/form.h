// SPDX-License-Identifier: Apache-2.0
/*
 * The forms of data messages besides L2TPv2's: L2TPv3 (RFC 3931, 4.1, 4.5, 4.6), and L2TPHC beside an
 * L2TPv2 tunnel (draft-ietf-l2tpext-l2tphc).  Part of dp_int.h.
 *
 * A session has one where its call's row or its tunnel's version ask for it.  What it is follows from both
 * rows, which may come in any order: form_settle().
 */
#ifndef TWIN_DP_FORM_H
#define TWIN_DP_FORM_H

#include "dp.h"
#include "l2tp/l2tp3.h"
#include "l2tp/l2tphc.h"
#include "rows.pb-c.h"

#define DP_PAIR_HASH 1024

struct dp_session;
struct dp_tunnel;

struct dp_form {
	uint32_t index; /* of its session */
	uint32_t peer;	/* the peer's session id */
	/* L2TPv3 */
	struct l2tp3_form in, out;
	uint8_t need, send; /* enum l2tp3_sequencing: what the peer has to number, what we do */
	bool down;	    /* a circuit is */
	/* L2TPHC */
	bool headerless, listed;
	uint8_t hc_protocol;
	struct l2tphc_form hc;
	uint8_t ip_protocol; /* of what goes out: hc_protocol, or the L2TPv3 tunnel's (0: UDP) */
	struct dp_ends ends; /* of its tunnel, while it is listed */
	struct dp_form *pair_next;
	/* What stands before an IP packet, at the end of head[]; its last octet is the protocol's. */
	uint8_t head_len, ppp_len;
	uint8_t head[DP_HEADROOM];
	bool astray; /* no tunnel is known */
	struct dp_form *next, *before;
};

/* A call's row.  False: what it says of L2TPv3 or L2TPHC makes no sense. */
bool form_row_good(const struct dp_tunnel *, const Row__Call *);
/* Makes, changes or removes the session's form; form_settle() has to follow.  False: no memory. */
bool form_apply(struct dp *, struct dp_session *, const Row__Call *);
void form_end(struct dp *, struct dp_session *);
/* After rows of its tunnel or subscriber changed. */
void form_settle(struct dp *, struct dp_session *);
/* A tunnel's row changed how it is carried, or is new. */
void form_tunnel(struct dp *, uint16_t tunnel, bool is_new);

/* Frames of this protocol go beside the tunnel?  f may be NULL where the session has none. */
bool form_straight(const struct dp_session *, const struct dp_form *f, uint16_t proto);
/* L2TPHC's header, at most three octets: its length. */
uint32_t form_straight_head(const struct dp_form *, uint8_t *p);
/* data_head() and frame_ip() of such sessions. */
enum dp_drop form_head(struct dp *, struct dp_session *, const struct dp_tunnel *, uint16_t proto, uint8_t *p,
		       uint32_t *n);
enum dp_drop form_frame_ip(struct dp *, struct dp_session *, const struct dp_tunnel *, uint8_t *ip, uint32_t len,
			   uint8_t proto, uint8_t tos);

/* Whose session is it that this packet over IP belongs to, and what is in it?  NULL: nobody's of L2TPHC. */
struct dp_form *form_headerless(const struct dp *, const struct dp_ends *, struct span packet, struct span *frame);

#endif
