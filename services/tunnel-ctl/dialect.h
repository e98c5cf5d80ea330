// SPDX-License-Identifier: Apache-2.0
/*
 * Where the two versions of L2TP differ.  States, reliable delivery, recovery and calls are one code for both; what is
 * not stands behind these doors:
 *
 *   out   struct dialect: what each message carries           msgs.c (L2TPv2), msgs3.c (L2TPv3)
 *         v3_seal(): Message Digests, whenever Nr was set     v3.c
 *   in    v3_open(), v3_authentic(), v3_request()             v3.c
 *         message_*(): ids, wherever a message has them       v3.c
 *   calls form_*(): cookies, sublayer, circuit, L2TPHC        call_form.c
 */
#ifndef TWIN_TC_DIALECT_H
#define TWIN_TC_DIALECT_H

#include "tunnels.h"

/* ---- out ------------------------------------------------------------------------------------ */

#define TC_FRAMING_ALL 3
#define TC_BEARER_ALL 3
#define TC_VENDOR "TwinLNS"
#define TC_VECTOR 16

struct dialect {
	/* A message of the tunnel; with `ours` (and `theirs`, 0 if unknown) one of that session. */
	void (*begin)(struct tc *, struct tunnel *, enum l2tp_type, uint16_t ours, uint32_t theirs);
	void (*who_we_are)(struct tc *, struct tunnel *, struct l2tp_wr *); /* SCCRQ, SCCRP */
	void (*stopping)(const struct tunnel *, struct l2tp_wr *);	    /* StopCCN: our id */
	void (*icrq)(struct tc *, const struct call *, const Row__CallInfo *, struct l2tp_wr *);
	void (*icrp)(struct tc *, const struct call *, const Row__CallInfo *, struct l2tp_wr *);
	void (*iccn)(struct tc *, const struct call *, const Row__CallInfo *, struct l2tp_wr *);
	void (*ocrq)(struct tc *, const struct call *, const Row__CallInfo *, struct l2tp_wr *);
	void (*ocrp)(struct tc *, const struct call *, const Row__CallInfo *, struct l2tp_wr *);
	void (*occn)(struct tc *, const struct call *, const Row__CallInfo *, struct l2tp_wr *);
	/* What it says in a CDN, in this version's result codes. */
	void (*disconnected)(uint16_t our_id, const struct verdict *, struct l2tp_wr *);
	/* An acknowledgement, and nothing else. */
	void (*acknowledge)(struct tunnel *, struct wr *);
};

extern const struct dialect dialect2, dialect3;

static inline const struct dialect *
dialect_of(const struct tunnel *t)
{
	return t->version == 3 ? &dialect3 : &dialect2;
}

/* Shared by both: AVPs that are there where there is something to say. */
void avp_text(struct l2tp_wr *, enum l2tp_avp, const char *);
void avp_octets(struct l2tp_wr *, enum l2tp_avp, ProtobufCBinaryData);
void avp_proxy(struct l2tp_wr *, const Row__CallInfo *);
void avp_numbers(struct l2tp_wr *, const Row__CallInfo *);
/* A framing that the peer takes. */
uint32_t framing_for(const struct tunnel *, uint32_t wanted);
const char *our_host(const struct tc *, const struct conf_profile *);

/* For an SCCRQ in both forms (RFC 3931, 4.7.3): behind Message Type, and behind the AVPs of L2TPv2; M is 0. */
void msgs3_digests(const struct tunnel *, struct l2tp_wr *);
void msgs3_also(struct tc *, struct tunnel *, struct l2tp_wr *);

/* ---- v3.c ------------------------------------------------------------------------------------ */

/* Which digests the row of a tunnel of this profile shall have. */
uint8_t v3_digests_of(const struct conf_profile *);
#define V3_NONCE 16
void v3_fill_nonce(struct tc *, const struct conf_profile *, const struct l2tp_msg *theirs, Row__Tunnel *,
		   uint8_t octets[V3_NONCE]);
void v3_take_peer(Row__Tunnel *, const struct l2tp_msg *);
/* The keys of its profile's secrets. */
void v3_keys(struct tunnel *);
struct l2tp3_digests v3_digests(const struct tunnel *);
/* Fills in the digests of a message about to go, if it has any.  False: it cannot be sent. */
bool v3_seal(const struct tc *, const struct tunnel *, uint8_t *message, size_t len);

/* A control message that has come. */
struct arrival {
	const struct tc_datagram *in;
	struct span octets; /* without what stands in front of it over IP */
	struct l2tp_hdr h;
	uint32_t id;	 /* our id in its header */
	uint8_t version; /* 2: also an SCCRQ for both */
	bool over_ip;
	bool ack; /* acknowledges, and is nothing else */
};
/* Reads the header.  False: to be dropped, with `*fault` counted. */
bool v3_open(const struct tc_datagram *, struct arrival *out, enum l2tp_fault *fault);
/* RFC 3931, 4.3: to be believed?  Else it was counted, and is to be dropped. */
bool v3_authentic(struct tc *, const struct tunnel *, const struct arrival *);
/* Reads a message into tc->msg; `t` NULL: no secret. */
void v3_read(struct tc *, const struct tunnel *, struct span octets);
/*
 * An SCCRQ in tc->msg, and the profile of whom it names: read again with its secret, and as L2TPv3 where it offers both
 * and the profile takes that.  False: its digest is wrong, and it is to be dropped.
 */
bool v3_request(struct tc *, const struct arrival *, const struct conf_profile *);
/* Our SCCRQ was in both forms, and is not answered yet. */
bool v3_offered_both(const struct tunnel *);

uint32_t message_connection(const struct l2tp_msg *); /* Assigned Tunnel or Control Connection ID; 0: none */
uint32_t message_assigned(const struct l2tp_msg *);   /* Assigned or Local Session ID; 0: none */
uint32_t message_session(const struct l2tp_msg *);    /* our session id, in the header or in an AVP; 0: none */

/* ---- call_form.c ------------------------------------------------------------------------------- */

/* What we ask of the peer's data: into `f`, and L2TPHC if it may be offered: true. */
bool form_ours(struct tc *, const struct tunnel *, uint16_t id, bool sequenced, struct call_form *f);
void form_offer(struct tc *, const struct call *, struct l2tp_wr *); /* the AVPs of L2TPHC */
/* May what the peer asks for be had?  Else *why. */
bool form_acceptable(const struct call *, const struct l2tp_msg *, struct verdict *why);
/* What the peer asks of our data; `offered`: we did offer L2TPHC. */
void form_theirs(struct tc *, const struct tunnel *, uint16_t id, const struct l2tp_msg *, bool offered,
		 struct call_form *f);
/* Into a row that is to be put. */
void row_of_form(Row__Call *, const struct call_form *); /* rows.c; lends `f` */
static inline struct call_form
form_of(const struct call *c)
{
	return c->form ? *c->form : (struct call_form){ 0 };
}

#endif
