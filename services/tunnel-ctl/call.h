// SPDX-License-Identifier: Apache-2.0
/* Events of a call, and its doors: between call.c (what they do) and call_receive.c, call_link.c
 * (whence they come). */
#ifndef TWIN_CALL_H
#define TWIN_CALL_H

#include "tunnels.h"

enum call_event_kind {
	CE_OPEN,	/* bearer ring, local open request: as yet without a tunnel */
	CE_TUNNEL_OPEN, /* tunnel-open */
	CE_ICRQ,
	CE_ICRP,
	CE_ICCN,
	CE_OCRQ,
	CE_OCRP,
	CE_OCCN,
	CE_CDN,
	CE_CLOSE,   /* local close request */
	CE_ANSWER,  /* bearer answer, framing detected */
	CE_FAILURE, /* bearer failure */
	CE_DROP,    /* bearer line drop */
	CE_TIMEOUT, /* half open for too long */
	CE_TROUBLE, /* a message of this call that cannot be accepted */
	CE_KINDS
};

struct call_event {
	enum call_event_kind kind;
	const struct l2tp_msg *msg;
	const struct call_order *order; /* CE_OPEN */
	const struct cause *cause;	/* CE_CLOSE; may be NULL */
	struct verdict why; /* CE_CLOSE, CE_TROUBLE; filled in by a guard that says no */
	uint16_t fresh_id;  /* for a new call */
};

#define NUMBER_MAX 128

struct number_texts {
	char called[NUMBER_MAX], calling[NUMBER_MAX], sub[NUMBER_MAX];
};

struct told { /* what a CDN says */
	struct verdict why;
	struct cause cause;
	char text[96];
};

/* An event of a call that exists; it may be gone afterwards. */
void call_step(struct tc *, struct call *, struct call_event *);
/* An event that may make one, with the id of `ev->fresh_id`, which is filled in. */
void call_begin(struct tc *, struct tunnel *, enum call_kind, enum tc_role, struct call_event *ev);

/* call_info.c: what messages say.  Texts go to `texts`, octets are lent from the message and the
 * step's arena. */
void call_take_info(struct tc *, const struct l2tp_msg *, Row__CallInfo *,
		    struct number_texts *texts);
void call_read_cdn(const struct l2tp_msg *, struct told *out);
/* Two requests for one circuit have crossed (RFC 3931, 5.4.4).  False: the peer's is refused, with *why. */
bool call_tie(struct tc *, struct tunnel *, const struct l2tp_msg *, struct verdict *why);

#endif
