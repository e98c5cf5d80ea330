// SPDX-License-Identifier: Apache-2.0
/*
 * What a LAC told about the access line (RFC 5515), as attributes for a RADIUS server (RFC 4679): those that may be
 * in Access-Requests as well as in Accounting-Requests.
 */
#ifndef SM_LINE_H
#define SM_LINE_H

#include "wire/wire.h"

#define LINE_RADIUS_MAX 192 /* two texts of 63 octets, two rates, encapsulation, IWF-Session: 185 */

/* `avps`: whole AVPs one after another, as CallInfo.access_line has them.  How many octets were written. */
size_t line_radius(struct span avps, uint8_t out[LINE_RADIUS_MAX]);

#endif
