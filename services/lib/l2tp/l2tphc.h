// SPDX-License-Identifier: Apache-2.0
/*
 * L2TPHC, L2TP header compression: draft-ietf-l2tpext-l2tphc-03 (with a header), -05 and -06
 * (without). Beside a tunnel over UDP, PPP frames of one session go straight into IP packets.
 *
 * Both ends say in ICRQ/ICRP (OCRQ/OCRP) what they are willing to do; l2tphc_agree() makes of what
 * was sent and what was received the form of each direction, to be used once the session is
 * established.  Frames that the form cannot carry go through the tunnel, as does all control;
 * frames from the tunnel are good at any time.
 *
 * Choices where the drafts leave room:
 * - the numbers are a parameter: no number was ever assigned, and vendor 9's attributes 1 and 2
 * mean different things in -03 and -05.  One end speaks one draft; an AVP that does not fit it is
 * no offer;
 * - the protocol field is left out only where both ends named the same protocol.
 */
#ifndef TWIN_L2TPHC_H
#define TWIN_L2TPHC_H

#include "l2tp/l2tp.h"

#define L2TPHC_IP_PROTOCOL 115 /* the default: the drafts share it with L2TPv3 */

/* Whose AVPs, and which.  `assigned_session` 0: a draft without header, -05 or -06. */
struct l2tphc_numbers {
	uint16_t vendor;
	uint16_t assigned_session, no_header, ppp_protocol;
};
extern const struct l2tphc_numbers l2tphc_draft_05; /* vendor 9: 1, 2; what is used by default */
extern const struct l2tphc_numbers l2tphc_draft_03; /* vendor 9: 1, 2, 3 */

/* What one end offers. */
struct l2tphc_offer {
	bool has_session; /* -03: a session id, of 0, 1 or 2 octets */
	uint8_t id_octets;
	uint16_t session;
	bool no_header;
	bool has_protocol; /* and that only this PPP protocol goes this way */
	uint16_t protocol;
};

/* Writes the AVPs of an offer: M and H are 0.  An offer that the draft has no words for is refused,
 * as is one of nothing. */
void l2tphc_offer_write(struct l2tp_wr *m, const struct l2tphc_numbers *n,
			const struct l2tphc_offer *offer);

/* What a message offers.  False where it offers nothing that the draft allows. */
bool l2tphc_offer_read(const struct l2tp_msg *m, const struct l2tphc_numbers *n,
		       struct l2tphc_offer *out);

/* The form of one session's packets, both directions. */
struct l2tphc_form {
	bool header; /* -03: the octet with P, I and J, and the id */
	bool bare;   /* frames are of `protocol` and come without any PPP header */
	uint16_t protocol;
	uint8_t send_octets, receive_octets; /* of the id */
	uint16_t send_session, receive_session;
};

/* False: no header compression for this session, which is no error. */
bool l2tphc_agree(const struct l2tphc_offer *sent, const struct l2tphc_offer *received,
		  struct l2tphc_form *out);

/* ---- packets ----------------------------------------------------------------------------- */

/*
 * draft -03, 4:   |P|I|J|x|x|x|x|x|  Session ID (0, 1 or 2 octets)  |  PPP frame
 * draft -05, 4:   |  PPP frame
 */
#define L2TPHC_HEADER_MAX 3

struct l2tphc_packet {
	bool priority;
	uint16_t session;
	struct span frame; /* PPP, or what is in it where the form is bare */
};

/* Reads the header, if the peers use one.  With several sessions, the id must be looked up before
 * the form of a session is known.  False: to be dropped silently. */
bool l2tphc_read(struct span packet, bool header, struct l2tphc_packet *out);

/*
 * What of a PPP frame (address and control there or not, protocol of one octet or two) goes into a
 * packet.  False: the frame belongs into the tunnel.
 */
bool l2tphc_fits(const struct l2tphc_form *form, struct span frame, struct span *body);
/* The header, if any; the body follows. */
void l2tphc_write(struct wr *w, const struct l2tphc_form *form, bool priority);

#endif
