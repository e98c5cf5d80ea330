// SPDX-License-Identifier: Apache-2.0
/* How numbers of the store read to people: states, times, octets, ids.  Buffers are the caller's. */
#ifndef TWINCTL_TEXT_H
#define TWINCTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT 80

/* Enums of rows.proto; a number without a name reads as "?7". */
const char *text_tunnel_state(unsigned, char out[TEXT]);
const char *text_call_state(unsigned, char out[TEXT]);
const char *text_call_kind(unsigned, char out[TEXT]);
const char *text_role(unsigned, char out[TEXT]);
const char *text_phase(unsigned, char out[TEXT]);
const char *text_proxy_auth(unsigned, char out[TEXT]);

const char *text_octets(uint64_t, char out[TEXT]);	       /* "1.5 GiB" */
const char *text_bps(uint64_t, char out[TEXT]);		       /* "10.2 Mbit/s"; 0: "" */
const char *text_duration(uint64_t seconds, char out[TEXT]);   /* "3d 04:05:06", "04:05:06" */
/* Since when, as an age; a moment of 0 reads "", one ahead of `now` (another node's clock) "00:00:00". */
const char *text_age(uint64_t since, uint64_t now, char out[TEXT]);
const char *text_moment(uint64_t at, char out[TEXT]);	       /* "2026-11-21 21:47:44" local time */
const char *text_address(const uint8_t *p, size_t len, char out[TEXT]); /* 4 or 16 octets; else "" */
const char *text_prefix(const uint8_t *p, size_t len, unsigned bits, char out[TEXT]);
/*
 * Why a node's role changed, in the operator's words: "planned", "kill or silence", "operator", "partition heal", "cold start",
 * "joined"; "other" for a sentence of the elector that this build does not know.
 */
const char *text_change_kind(const char *cause);
/* How sessions came through it.  `active`: the node became so; `stale`: its store may lack what peers have seen. */
const char *text_recovered(bool active, bool stale, const char *cause);
const char *text_took(uint64_t us, char out[TEXT]); /* "3.2 ms"; 0: "" */
/* What a peer says, made safe for a terminal: control characters and broken UTF-8 become '?'. */
const char *text_safe(const char *s, char *out, size_t cap);

/* "17/4242"; also "17.4242" and "17 4242" in two words is put together by the caller. */
bool text_session_id(const char *s, unsigned *tunnel, unsigned *session);
bool text_number(const char *s, unsigned long max, unsigned long *out);

#endif
