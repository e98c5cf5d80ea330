// SPDX-License-Identifier: Apache-2.0
/*
 * What comes out of a core (design, 3 and 4): records, effects, notes.
 *
 * A record is one row of one table, written or removed.  The core calls record() and then, with the
 * very same row, its own apply function: that is the only way its replicated state changes.  A row is
 * a protobuf-c struct of proto/rows.proto that lives on the caller's stack; the sink packs or copies
 * it before it returns.  A key is made by key.h.
 *
 * An effect is something to do towards the outside.  The shell keeps it in the outbox until every
 * record emitted before it is committed, unless it says `reveals_nothing`.
 *
 * A note is a line for the log: fixed words first, then key=value.  The shell decides about rate.
 */
#ifndef TWIN_SINK_H
#define TWIN_SINK_H

#include <protobuf-c/protobuf-c.h>

#include "base/addr.h"
#include "base/tables.h"
#include "wire/wire.h"

enum effect_kind {
	EFFECT_CONTROL, /* an L2TP control message, whole: `local`, `peer`, `bytes` */
	EFFECT_PPP,	/* a PPP frame from its protocol field (no FF 03): `tunnel`, `session`, `bytes` */
	EFFECT_AAA,	/* session-mgr: ask the AAA side: `tunnel`, `session`, `detail` */
	EFFECT_OTHER,	/* private to one core: `detail` */
};

struct effect {
	enum effect_kind kind;
	bool reveals_nothing;
	struct endpoint local, peer;
	uint16_t tunnel, session; /* our own ids */
	struct span bytes;
	const void *detail; /* private to the core and its shell; copied by the shell, `detail_len` octets */
	size_t detail_len;
};

enum note_level { NOTE_DEBUG, NOTE_INFO, NOTE_WARN, NOTE_ERROR };

struct sink {
	void (*record)(struct sink *, enum table table, struct span key, const ProtobufCMessage *row);
	void (*effect)(struct sink *, const struct effect *);
	void (*note)(struct sink *, enum note_level level, const char *line);
	/* The same as record(), of a row that is packed already.  NULL: record() it is. */
	void (*packed)(struct sink *, enum table table, struct span key, struct span row);
};

/* row NULL: the row is removed. */
static inline void
sink_record(struct sink *s, enum table t, struct span key, const ProtobufCMessage *row)
{
	s->record(s, t, key, row);
}

static inline void
sink_effect(struct sink *s, const struct effect *e)
{
	s->effect(s, e);
}

void sink_note(struct sink *s, enum note_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
