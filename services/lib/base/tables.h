// SPDX-License-Identifier: Apache-2.0
/*
 * The store's tables, from the catalogue schemas/tables.def: number, name, owner, key shape, row type.
 * Keys are big-endian, so that the store's order is the numbers' order.
 */
#ifndef TWIN_TABLES_H
#define TWIN_TABLES_H

#include <protobuf-c/protobuf-c.h>

#include "wire/wire.h"

enum table {
#define X(NUMBER, ID, NAME, OWNER, KEY, ROW, SENTENCE) TABLE_##ID = NUMBER,
#include "../../../schemas/tables.def"
#undef X
	TABLE_MAX = 32
};

enum table_key { KEY_NONE, KEY_TUNNEL, KEY_TUNNEL_NS, KEY_SESSION, KEY_TEXT, KEY_TEXT_ADDR, KEY_TRUNK };
enum table_owner { OWNER_TUNNEL_CTL, OWNER_SESSION_MGR, OWNER_WORKER, OWNER_STATE_SYNC };

struct table_info {
	enum table table;
	const char *name, *sentence;
	enum table_owner owner;
	enum table_key key;
	const ProtobufCMessageDescriptor *row;
};

/* NULL for a number that names no table (a record from a newer twin: counted and skipped). */
const struct table_info *table_info(unsigned number);
/* A node's own: neither mirrored nor cleared with the rest. */
bool table_is_local(unsigned number);
/* Rows of other tables hang on a row of this one, and make no sense before it: a tunnel's messages and calls, a call's
 * info.  (PPP's rows of a session may come in any order.) */
static inline bool
table_leads(unsigned number)
{
	return number == TABLE_TUNNEL || number == TABLE_CALL;
}

#define KEY_MAX 128

/* A key in the caller's hands; `key_span` lends it. */
struct key {
	uint8_t b[KEY_MAX];
	size_t len;
};

static inline struct span
key_span(const struct key *k)
{
	return span_of(k->b, k->len);
}

struct key key_tunnel(uint16_t tunnel);
struct key key_tunnel_ns(uint16_t tunnel, uint16_t ns);
struct key key_session(uint16_t tunnel, uint16_t session);
struct key key_trunk(uint16_t tunnel, uint16_t session, uint8_t part, uint16_t cid);
struct key key_text(const char *text);				       /* cut at KEY_MAX */
struct key key_text_addr(const char *text, const uint8_t *addr, size_t len); /* text, NUL, octets */

/* And back; false where the octets are not of that shape. */
bool key_tunnel_read(struct span k, uint16_t *tunnel);
bool key_tunnel_ns_read(struct span k, uint16_t *tunnel, uint16_t *ns);
bool key_session_read(struct span k, uint16_t *tunnel, uint16_t *session);
bool key_trunk_read(struct span k, uint16_t *tunnel, uint16_t *session, uint8_t *part, uint16_t *cid);

#endif
