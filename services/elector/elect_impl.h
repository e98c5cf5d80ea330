// SPDX-License-Identifier: Apache-2.0
/* What the files of the elector's core share: one file a question, this header their common ground. */
#ifndef TWIN_ELECT_IMPL_H
#define TWIN_ELECT_IMPL_H

#include "elect_core.h"

/* elect_core.c: things that go out */
void elect_note(struct elect *, struct elect_out *, enum note_level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void elect_alarm_set(struct elect *, struct elect_out *, enum elect_alarm, bool stands, const char *detail);
void elect_beat_send(struct elect *, mono_t now, struct elect_out *);
void elect_lease_publish(struct elect *, struct elect_out *);
void elect_order_send(struct elect *, mono_t now, struct elect_out *);
void elect_addresses(struct elect *, struct elect_out *, bool hold);

/* elect_twin.c: what is known of the twin */
void elect_hear(struct elect *, mono_t now, const struct beat *, struct elect_out *);
void elect_say_position(struct elect *, mono_t now, struct elect_out *); /* to a twin that rests: this node holds it */
void elect_paths_tick(struct elect *, mono_t now, struct elect_out *);
bool elect_stranger(const struct elect *, mono_t now);	  /* a twin that has not proved itself speaks */
bool elect_twin_active(const struct elect *);		  /* when last heard */
void elect_twin_doubt(struct elect *);
mono_t elect_patience_most(const struct elect *);	  /* of any standby with our configuration */
mono_t elect_sent_at(const struct elect *, uint64_t seq); /* 0: not known any more */

/* elect_lease.c: until when we may send */
void elect_lease_shared(struct elect *, mono_t now, struct elect_out *); /* the twin is heard */
void elect_lease_acked(struct elect *, mono_t now, struct elect_out *);
void elect_lease_beside(struct elect *, mono_t now, struct elect_out *);
void elect_lease_tick(struct elect *, mono_t now, struct elect_out *);
void elect_lease_begin(struct elect *, mono_t now, struct elect_out *);
bool elect_may_without_twin(const struct elect *, mono_t now); /* policy, arbiter, operator */
mono_t elect_quiet_after(const struct elect *); /* silence that is no loss of some beats */
bool elect_twin_may_be_whole(const struct elect *); /* as far as the active's own word goes */

/* elect_role.c: who we are */
void elect_become(struct elect *, mono_t now, enum elect_role, const char *cause, struct elect_out *);
/* How much is known of the store with which a promotion begins. */
enum elect_ground {
	GROUND_STORE,	/* what it says itself: it was compared with the twin's, or nobody else has one */
	GROUND_VOUCHED, /* the active said that it holds all that anybody was shown */
	GROUND_SILENCE, /* nobody answered: others may have served meanwhile */
};
void elect_promote(struct elect *, mono_t now, enum elect_ground, const char *cause, struct elect_out *);
void elect_outbid(struct elect *, mono_t now, struct elect_out *);
void elect_begin_anew(struct elect *, mono_t now, const char *cause, struct elect_out *);
void elect_yield(struct elect *, mono_t now, uint64_t epoch, const char *cause, struct elect_out *);
void elect_role_tick(struct elect *, mono_t now, struct elect_out *);
void elect_role_command(struct elect *, mono_t now, const struct elect_event *, struct elect_out *);

/* elect_switch.c: handing over, and going on alone */
void elect_switch_command(struct elect *, mono_t now, uint64_t ticket, struct elect_out *);
void elect_switch_tick(struct elect *, mono_t now, struct elect_out *);
void elect_handed_end(struct elect *, mono_t now, struct elect_out *); /* the twin serves, or should */
void elect_offer(struct elect *, mono_t now, uint64_t position, const char *cause, struct elect_out *);
void elect_leave(struct elect *, mono_t now, struct elect_out *);
void elect_alone_tick(struct elect *, mono_t now, struct elect_out *);

#endif
