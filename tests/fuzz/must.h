// SPDX-License-Identifier: Apache-2.0
/* What fuzz targets over protobuf messages share. */
#ifndef TWIN_MUST_H
#define TWIN_MUST_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdlib.h>

#define MUST(CONDITION)                                                                            \
	do {                                                                                       \
		if (!(CONDITION))                                                                  \
			abort();                                                                   \
	} while (0)

/* Somewhere in it.  protobuf-c takes an unknown field 0 with an overlong tag, and writes one that
 * it reads otherwise. */
static inline bool
message_has_unknown(const ProtobufCMessage *m)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	bool found = m->n_unknown_fields > 0;

	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const uint8_t *at = (const uint8_t *)m + f->offset;
		if (f->type != PROTOBUF_C_TYPE_MESSAGE || (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			continue;
		bool many = f->label == PROTOBUF_C_LABEL_REPEATED;
		size_t n = many ? *(const size_t *)((const uint8_t *)m + f->quantifier_offset) : 1;
		ProtobufCMessage *const *list =
		    many ? *(ProtobufCMessage ***)at : (ProtobufCMessage *const *)at;
		for (size_t k = 0; k < n; k++)
			found |= list[k] && message_has_unknown(list[k]);
	}
	return found;
}

#endif
