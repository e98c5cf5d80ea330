// SPDX-License-Identifier: Apache-2.0
/*
 * The heartbeat: what one elector tells the other, in one UDP datagram on every path.
 *
 *      0       4   5   6   7   8                                                        n     n+16
 *      +-------+---+---+---+---+-------------------------------------------------------+------+
 *      | magic |ver|sid|rol|pth| flags, numbers (8 octets each), name length, name ... | HMAC |
 *      +-------+---+---+---+---+-------------------------------------------------------+------+
 *
 * The last 16 octets are HMAC-SHA256, truncated, over all before them (key: beat_key()).  A datagram is
 * looked at only when they fit.  What a later version puts behind the name is skipped.  Replays: `boot` names one life of the sender and `seq` rises in it; a life
 * not heard before counts only once its beats echo a recent beat of ours (elect_core.c, hear()).
 */
#ifndef TWIN_BEAT_H
#define TWIN_BEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/wire.h"

#define BEAT_NAME 64
#define BEAT_MAX 256
#define BEAT_MAC 16
#define BEAT_DEAD_MAX 600000 /* ms; more than any configuration can say */

enum elect_role {
	ELECT_START,	 /* has just started: knows nobody's role yet */
	ELECT_STANDBY,
	ELECT_PROMOTING, /* has taken an epoch, waits for state-sync */
	ELECT_ACTIVE,
	ELECT_ROLES
};

enum beat_flag {
	BEAT_WHOLE = 1,	     /* active: my twin holds everything I have revealed, and I shall reveal nothing it does not hold */
	BEAT_READY = 2,	     /* my state-sync answers and its store is whole: I could serve */
	BEAT_LEASE = 4,	     /* active: my lease is running */
	BEAT_OFFER = 8,	     /* active: I have stopped; take over, once you hold `offer_position` */
	BEAT_GOODBYE = 16,   /* I am leaving on purpose: do not wait for me */
	BEAT_PREFERRED = 32,
	BEAT_SAFETY = 64,    /* policy of the sender is prefer-safety */
	BEAT_EMPTY = 128,    /* my store has never held anything */
	BEAT_BLIND = 256,    /* promoting, active: this epoch began because nobody answered, and nobody but me decided it */
	BEAT_RESTS = 512,    /* active: an offer follows; say when you hold `offer_position` */
};

struct beat {
	uint8_t side; /* 0 or 1: the low bit of every epoch the sender takes */
	uint8_t role; /* enum elect_role */
	uint8_t path; /* number of the path it was sent on */
	uint16_t flags;
	uint64_t boot, seq;		 /* the sender's life, and this beat's number in it */
	uint64_t echo_boot, echo_seq;	 /* the receiver's: the last of its beats the sender heard */
	uint64_t epoch;			 /* of the sender's role */
	uint64_t store_epoch, position, lineage; /* of the sender's store */
	uint64_t offer_position;
	uint32_t heartbeat_ms, lease_ms, dead_ms; /* as the sender is configured; 0: it does not say */
	char node[BEAT_NAME];
};

enum beat_fault { BEAT_OK, BEAT_SHORT, BEAT_MAGIC, BEAT_VERSION, BEAT_FORGED, BEAT_SHAPE, BEAT_FAULTS };
const char *beat_fault_name(enum beat_fault);

/* Key of the heartbeats of a pair, from the pair's secret. */
void beat_key(const uint8_t secret[32], uint8_t key[32]);
/* Octets written, BEAT_MAX at most; 0 when they, or the name, do not fit. */
size_t beat_write(const struct beat *, const uint8_t key[32], uint8_t *out, size_t room);
enum beat_fault beat_read(struct span in, const uint8_t key[32], struct beat *out);

#endif
