// SPDX-License-Identifier: Apache-2.0
/* Events of a control connection, and its one door: between cc.c (what they do) and receive.c
 * (whence they come). */
#ifndef TWIN_CC_H
#define TWIN_CC_H

#include "tunnels.h"

enum cc_event_kind {
	EV_OPEN, /* local open request */
	EV_SCCRQ,
	EV_SCCRP,
	EV_SCCCN,
	EV_STOPCCN,
	EV_WRONG,  /* a call's message before there can be calls; a message with TUNNEL-wide trouble
		    */
	EV_CLOSE,  /* admin tunnel close, idle, drained */
	EV_SETUP,  /* half open for too long */
	EV_LOST,   /* reliable delivery has given up */
	EV_LINGER, /* the full cycle of a closing tunnel is over */
	EV_KINDS
};

struct cc_event {
	enum cc_event_kind kind;
	const struct tc_datagram *in; /* what brought a message */
	const struct l2tp_msg *msg;
	const struct conf_profile *prof;    /* EV_SCCRQ, EV_OPEN: the peer's; NULL: none */
	const struct conf_lns_group *group; /* EV_OPEN: to whom, and as what */
	unsigned member;
	enum tc_role role;
	uint16_t recovers; /* EV_OPEN: a recovery tunnel (RFC 4951) for this one; then there is no group */
	bool tie_lost;	 /* EV_SCCRQ: a request of ours has won the tie breaker */
	uint32_t digest; /* EV_SCCRQ: to know it again */
	struct verdict
	    why; /* EV_WRONG, EV_CLOSE: for the peer; filled in by a guard that says no */
};

/*
 * t NULL: idle; a tunnel that is begun gets `fresh_id`.  True where a rule was found; anything else
 * is acknowledged and changes nothing.
 */
bool cc_step(struct tc *, struct tunnel *t, struct cc_event *, uint16_t fresh_id);
/* `lost` has lost the tie breaker; its waiting calls go to `to`, or without it to wherever there is
 * a place. */
void cc_yield(struct tc *, struct tunnel *lost, struct tunnel *to);

#endif
