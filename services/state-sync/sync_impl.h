// SPDX-License-Identifier: Apache-2.0
/* What the files of state-sync's core share. */
#ifndef TWIN_SYNC_IMPL_H
#define TWIN_SYNC_IMPL_H

#include "bus/records.h"
#include "sync_core.h"

/* sync_core.c */
void sync_note(struct sync_out *, enum note_level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void sync_alarm_set(struct sync *, struct sync_out *, enum sync_alarm, bool stands, const char *detail);
void sync_store_failed(struct sync *, struct sync_out *, int err, const char *doing);
void sync_store_works(struct sync *, struct sync_out *);
void sync_status_tell(struct sync *, mono_t now, struct sync_out *);

/* sync_check.c: what may enter the store */
enum sync_check { SYNC_CHECK_OK, SYNC_CHECK_SHAPE, SYNC_CHECK_FOREIGN };
enum sync_check sync_check_frame(struct records *, int owner);	/* every record belongs to that owner */
enum sync_check sync_check_mirrored(struct span frame, bool page); /* a frame of the twin's */
enum sync_check sync_check_local(struct span frame);

/* sync_clients.c */
void sync_client_hello(struct sync *, mono_t now, const struct sync_event *, struct sync_out *);
void sync_client_submit(struct sync *, mono_t now, const struct sync_event *, struct sync_out *);
void sync_client_local(struct sync *, mono_t now, const struct sync_event *, struct sync_out *);
void sync_client_gone(struct sync *, struct span identity);
void sync_clients_feed(struct sync *, mono_t now, const struct sync_txn *, struct sync_out *);
void sync_clients_committed(struct sync *, mono_t now, struct sync_out *);
void sync_clients_welcome(struct sync *, mono_t now, struct sync_out *);
void sync_clients_tell(struct sync *, mono_t now, enum sync_kind, struct sync_out *); /* ROLE, RESET: to all */
void sync_clients_tick(struct sync *, mono_t now, struct sync_out *);
void sync_client_refuse(struct sync *, struct sync_client *, const char *why, struct sync_out *);

/* sync_log.c */
bool sync_pending_add(struct sync *, mono_t now, unsigned client, struct span frame, uint64_t up_to);
void sync_pending_drop(struct sync *, int client); /* -1: all */
void sync_commit_pending(struct sync *, mono_t now, struct sync_out *);
struct sync_txn *sync_txn_new(const struct span *frame, unsigned frames);
struct sync_txn *sync_log_at(const struct sync *, uint64_t position); /* NULL: not kept */
void sync_log_drop(struct sync *);
void sync_log_trim(struct sync *, mono_t now, struct sync_out *);
void sync_release(struct sync *, mono_t now, struct sync_out *);

/* sync_terms.c: which transactions were written under which epoch */
const struct mirror_term *sync_term_at(const struct sync_meta *, uint64_t position); /* NULL: older than what is kept */
void sync_terms_open(struct sync_meta *, uint64_t epoch, uint64_t tag);

/* sync_twin.c: both roles */
void sync_twin_hear(struct sync *, mono_t now, const struct sync_event *, struct sync_out *);
void sync_twin_link(struct sync *, mono_t now, bool up, struct sync_out *);
void sync_twin_tick(struct sync *, mono_t now, struct sync_out *);
bool sync_twin_say(struct sync *, mono_t now, struct mirror_head *, const struct span *, unsigned, struct sync_out *);
void sync_twin_hello(struct sync *, mono_t now, struct sync_out *);
void sync_twin_attempt(struct sync *, mono_t now);
void sync_session_drop(struct sync *, mono_t now, const char *why, bool tell, struct sync_out *);

/* sync_ship.c: the active's side of a session */
void sync_ship_hello(struct sync *, mono_t now, const struct mirror_head *, struct sync_out *);
void sync_ship_ack(struct sync *, mono_t now, uint64_t position, struct sync_out *);
void sync_ship_page_ack(struct sync *, mono_t now, uint64_t page, struct sync_out *);
void sync_ship(struct sync *, mono_t now, struct sync_out *);
void sync_go_solo(struct sync *, mono_t now, struct sync_out *);
void sync_ship_mode(struct sync *, mono_t now, struct sync_out *); /* solo, holding, mirrored, asking */

/* sync_shadow.c: the standby's side */
void sync_shadow_session(struct sync *, mono_t now, const struct mirror_head *, struct sync_out *);
void sync_shadow_txn(struct sync *, mono_t now, const struct sync_event *, struct sync_out *);
void sync_shadow_page(struct sync *, mono_t now, const struct sync_event *, struct sync_out *);
void sync_shadow_end(struct sync *, mono_t now, const struct mirror_head *, struct sync_out *);
void sync_shadow_mode(struct sync *, mono_t now, const struct mirror_head *, struct sync_out *);
void sync_shadow_ping(struct sync *, mono_t now, const struct mirror_head *, struct sync_out *);
void sync_shadow_flush(struct sync *, mono_t now, struct sync_out *);

/* sync_role.c */
void sync_role_order(struct sync *, mono_t now, const struct sync_event *, struct sync_out *);

#endif
