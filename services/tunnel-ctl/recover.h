// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 4951, 3.2, between cc.c (control connections, of which a recovery tunnel is one) and recover.c (what it
 * does to the old tunnel).
 */
#ifndef TWIN_TC_RECOVER_H
#define TWIN_TC_RECOVER_H

#include "cc.h"

static inline bool
recovery_asked_for(const struct l2tp_msg *m)
{
	return m && l2tp_msg_has(m, AVP_TUNNEL_RECOVERY);
}

/* 3.2.1: may this SCCRQ recover the tunnel that it names?  Else ev->why. */
bool recovery_acceptable(struct tc *, struct cc_event *);
/* What the row of the recovery tunnel that answers it says besides: whose, and the numbers to suggest (5.3). */
void recovery_answer(struct tc *, const struct l2tp_msg *, Row__Tunnel *);
/*
 * 3.2.1, tie breaker: among recovery tunnels for one old tunnel only.  As tie_breaker() of receive.c: false: the
 * request is to be ignored; *lost: ours that has to go.
 */
bool recovery_tie(struct tc *, const struct l2tp_msg *, struct tunnel **lost);
void recovery_yielded(struct tc *, const struct tunnel *lost);
/* The recovery tunnel is up, by an SCCRP (initiated) or an SCCCN: both channels are reset (3.2.2, 3.2.3). */
void recovery_up(struct tc *, struct tunnel *, const struct l2tp_msg *);
/* A recovery tunnel has ended; `opened`: it had been up. */
void recovery_ended(struct tc *, const struct tunnel *, bool opened);

#endif
