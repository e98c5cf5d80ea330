// SPDX-License-Identifier: Apache-2.0
/*
 * The desk where questions of the session core are answered: users file, RADIUS, or RADIUS and then the
 * file.  Pure: datagrams and time go through the shell.  Accounting requests leave here too.
 */
#ifndef SM_AAA_DESK_H
#define SM_AAA_DESK_H

#include "aaa.h"
#include "acct.h"
#include "rclient.h"
#include "users.h"

struct aaa_desk;

enum desk_kind { DESK_AUTH, DESK_ACCT };

struct aaa_desk_ops {
	/* Comes from inside aaa_desk_ask, _input or _tick; lent. */
	void (*answer)(void *arg, const struct aaa_answer *);
	/* An accounting request ended: answered, or by nobody. */
	void (*acct_done)(void *arg, struct span key, bool answered);
	void (*send)(void *arg, enum desk_kind, unsigned server, unsigned socket, struct span datagram);
	void (*random)(void *arg, uint8_t *out, size_t n);
	void (*server_state)(void *arg, enum desk_kind, unsigned server, bool dead);
};

struct aaa_desk *aaa_desk_new(const struct aaa_desk_ops *, void *arg);
void aaa_desk_free(struct aaa_desk *);

/* The configuration is copied; the users stay. */
void aaa_desk_configure(struct aaa_desk *, const struct conf_aaa_set *, mono_t now);
/* Takes another users file (NULL: none); the old one is freed. */
void aaa_desk_users(struct aaa_desk *, struct users *);

void aaa_desk_ask(struct aaa_desk *, const struct aaa_request *, mono_t now);
void aaa_desk_acct(struct aaa_desk *, const struct acct_ask *, uint64_t wall, mono_t now);

void aaa_desk_input(struct aaa_desk *, enum desk_kind, unsigned server, unsigned socket, struct span, uint64_t wall,
		    mono_t now);
void aaa_desk_tick(struct aaa_desk *, uint64_t wall, mono_t now);
mono_t aaa_desk_next_due(const struct aaa_desk *);
void aaa_desk_drop_all(struct aaa_desk *);

struct rclient_counts aaa_desk_counts(const struct aaa_desk *, enum desk_kind);
struct rclient_server aaa_desk_server(const struct aaa_desk *, enum desk_kind, unsigned server, mono_t now);
/* A server that does not answer, for the alarms RADIUS_AUTH_DEAD and RADIUS_ACCT_DEAD; -1: all do, or have not been asked. */
int aaa_desk_dead(const struct aaa_desk *, enum desk_kind);
unsigned aaa_desk_outstanding(const struct aaa_desk *, enum desk_kind);

#endif
