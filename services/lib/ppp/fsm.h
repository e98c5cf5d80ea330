// SPDX-License-Identifier: Apache-2.0
/*
 * The automaton of RFC 1661, section 4, as its table.  One row an event, one column a state; a cell is
 * the actions and the next state.  Who carries the actions out is in cp.c.
 */
#ifndef TWIN_PPP_FSM_H
#define TWIN_PPP_FSM_H

#include <stdbool.h>
#include <stdint.h>

enum ppp_state {
	PPP_INITIAL, PPP_STARTING, PPP_CLOSED, PPP_STOPPED, PPP_CLOSING, PPP_STOPPING,
	PPP_REQ_SENT, PPP_ACK_RCVD, PPP_ACK_SENT, PPP_OPENED,
	PPP_STATES,
	PPP_ILLEGAL = PPP_STATES
};

enum ppp_fsm_event {
	FSM_UP, FSM_DOWN, FSM_OPEN, FSM_CLOSE,
	FSM_TO_MORE,  /* TO+ */
	FSM_TO_LAST,  /* TO- */
	FSM_RCR_GOOD, /* RCR+ */
	FSM_RCR_BAD,  /* RCR- */
	FSM_RCA, FSM_RCN, FSM_RTR, FSM_RTA, FSM_RUC,
	FSM_RXJ_MILD, /* RXJ+ */
	FSM_RXJ_FATAL, /* RXJ- */
	FSM_RXR,
	FSM_EVENTS
};

/* RFC 1661, 4.4.  The order of the bits is the order in which they are carried out. */
enum ppp_action {
	ACT_TLD = 1 << 0, ACT_IRC = 1 << 1, ACT_ZRC = 1 << 2, ACT_SCR = 1 << 3, ACT_SCA = 1 << 4,
	ACT_SCN = 1 << 5, ACT_STR = 1 << 6, ACT_STA = 1 << 7, ACT_SCJ = 1 << 8, ACT_SER = 1 << 9,
	ACT_TLS = 1 << 10, ACT_TLU = 1 << 11, ACT_TLF = 1 << 12
};

struct ppp_cell {
	uint16_t acts;
	uint8_t next; /* PPP_ILLEGAL: the dash of the table */
};

const struct ppp_cell *ppp_fsm_cell(enum ppp_state, enum ppp_fsm_event);
const char *ppp_state_name(enum ppp_state);
const char *ppp_fsm_event_name(enum ppp_fsm_event);

/* The states in which the table has TO events. */
static inline bool
ppp_state_timed(enum ppp_state s)
{
	return s >= PPP_CLOSING && s <= PPP_ACK_SENT;
}

#endif
