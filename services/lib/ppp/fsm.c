// SPDX-License-Identifier: Apache-2.0
/*
 * RFC 1661, 4.1, cell by cell, in the RFC's order.  `c` is a cell, `no` the dash.  The restart option
 * [r] and the passive option [p] are not taken: an Open in those states changes nothing, and a link
 * whose requests nobody answers is finished.
 */
#include "ppp/fsm.h"

#define c(ACTS, NEXT) { (ACTS), (NEXT) }
#define no { 0, PPP_ILLEGAL }

/* The RFC's own abbreviations. */
enum {
	tld = ACT_TLD, irc = ACT_IRC, zrc = ACT_ZRC, scr = ACT_SCR, sca = ACT_SCA, scn = ACT_SCN, str = ACT_STR,
	sta = ACT_STA, scj = ACT_SCJ, ser = ACT_SER, tls = ACT_TLS, tlu = ACT_TLU, tlf = ACT_TLF
};

/* clang-format off */
static const struct ppp_cell table[FSM_EVENTS][PPP_STATES] = {
/*                  0 Initial  1 Starting     2 Closed       3 Stopped                4 Closing  5 Stopping
                    6 Req-Sent       7 Ack-Rcvd       8 Ack-Sent        9 Opened */
[FSM_UP]        = { c(0, 2),   c(irc|scr, 6), no,            no,                      no,        no,
                    no,              no,              no,               no },
[FSM_DOWN]      = { no,        no,            c(0, 0),       c(tls, 1),               c(0, 0),   c(0, 1),
                    c(0, 1),         c(0, 1),         c(0, 1),          c(tld, 1) },
[FSM_OPEN]      = { c(tls, 1), c(0, 1),       c(irc|scr, 6), c(0, 3),                 c(0, 5),   c(0, 5),
                    c(0, 6),         c(0, 7),         c(0, 8),          c(0, 9) },
[FSM_CLOSE]     = { c(0, 0),   c(tlf, 0),     c(0, 2),       c(0, 2),                 c(0, 4),   c(0, 4),
                    c(irc|str, 4),   c(irc|str, 4),   c(irc|str, 4),    c(tld|irc|str, 4) },

[FSM_TO_MORE]   = { no,        no,            no,            no,                      c(str, 4), c(str, 5),
                    c(scr, 6),       c(scr, 6),       c(scr, 8),        no },
[FSM_TO_LAST]   = { no,        no,            no,            no,                      c(tlf, 2), c(tlf, 3),
                    c(tlf, 3),       c(tlf, 3),       c(tlf, 3),        no },

[FSM_RCR_GOOD]  = { no,        no,            c(sta, 2),     c(irc|scr|sca, 8),     c(0, 4),   c(0, 5),
                    c(sca, 8),       c(sca|tlu, 9), c(sca, 8),        c(tld|scr|sca, 8) },
[FSM_RCR_BAD]   = { no,        no,            c(sta, 2),     c(irc|scr|scn, 6),     c(0, 4),   c(0, 5),
                    c(scn, 6),       c(scn, 7),       c(scn, 6),        c(tld|scr|scn, 6) },
[FSM_RCA]       = { no,        no,            c(sta, 2),     c(sta, 3),               c(0, 4),   c(0, 5),
                    c(irc, 7),       c(scr, 6),       c(irc|tlu, 9),    c(tld|scr, 6) },
[FSM_RCN]       = { no,        no,            c(sta, 2),     c(sta, 3),               c(0, 4),   c(0, 5),
                    c(irc|scr, 6),   c(scr, 6),       c(irc|scr, 8),    c(tld|scr, 6) },

[FSM_RTR]       = { no,        no,            c(sta, 2),     c(sta, 3),               c(sta, 4), c(sta, 5),
                    c(sta, 6),       c(sta, 6),       c(sta, 6),        c(tld|zrc|sta, 5) },
[FSM_RTA]       = { no,        no,            c(0, 2),       c(0, 3),                 c(tlf, 2), c(tlf, 3),
                    c(0, 6),         c(0, 6),         c(0, 8),          c(tld|scr, 6) },

[FSM_RUC]       = { no,        no,            c(scj, 2),     c(scj, 3),               c(scj, 4), c(scj, 5),
                    c(scj, 6),       c(scj, 7),       c(scj, 8),        c(scj, 9) },
[FSM_RXJ_MILD]  = { no,        no,            c(0, 2),       c(0, 3),                 c(0, 4),   c(0, 5),
                    c(0, 6),         c(0, 6),         c(0, 8),          c(0, 9) },
[FSM_RXJ_FATAL] = { no,        no,            c(tlf, 2),     c(tlf, 3),               c(tlf, 2), c(tlf, 3),
                    c(tlf, 3),       c(tlf, 3),       c(tlf, 3),        c(tld|irc|str, 5) },

[FSM_RXR]       = { no,        no,            c(0, 2),       c(0, 3),                 c(0, 4),   c(0, 5),
                    c(0, 6),         c(0, 7),         c(0, 8),          c(ser, 9) },
};
/* clang-format on */

const struct ppp_cell *
ppp_fsm_cell(enum ppp_state state, enum ppp_fsm_event event)
{
	return &table[event][state];
}

const char *
ppp_state_name(enum ppp_state s)
{
	static const char *const names[PPP_STATES] = { "initial", "starting", "closed", "stopped", "closing",
		"stopping", "req-sent", "ack-rcvd", "ack-sent", "opened" };

	return (unsigned)s < PPP_STATES ? names[s] : "unknown";
}

const char *
ppp_fsm_event_name(enum ppp_fsm_event e)
{
	static const char *const names[FSM_EVENTS] = { "Up", "Down", "Open", "Close", "TO+", "TO-", "RCR+",
		"RCR-", "RCA", "RCN", "RTR", "RTA", "RUC", "RXJ+", "RXJ-", "RXR" };

	return (unsigned)e < FSM_EVENTS ? names[e] : "unknown";
}
