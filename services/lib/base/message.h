// SPDX-License-Identifier: Apache-2.0
/*
 * Packing and unpacking protobuf-c's structs in one pass each.
 *
 * Every record of the node is packed once and unpacked by several processes, every control frame
 * crosses the bus twice; protobuf-c's own routines walk each message twice, and were a third of
 * what a call costs.  These know the types that our .proto files use.  Whatever else a message
 * holds (a field of a newer version, a type we do not use, octets that are no such message) is left
 * to protobuf-c, so the outcome is always its own.
 */
#ifndef TWIN_MESSAGE_H
#define TWIN_MESSAGE_H

#include "base/arena.h"

/*
 * The packed octets, lent from `room` (they are at its end).  p NULL: they do not fit.  An empty
 * message has length 0 and p not NULL.
 */
struct span message_pack(const ProtobufCMessage *, uint8_t *room, size_t octets);

/* Into the arena, where it lives until arena_reset.  NULL: not such a message, or no room. */
ProtobufCMessage *message_unpack(struct arena *, const ProtobufCMessageDescriptor *,
				 struct span octets);

#endif
