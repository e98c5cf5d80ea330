// SPDX-License-Identifier: Apache-2.0
/* The one part of a sink that needs code: a note is formatted here, so that sinks stay three callbacks. */
#include "base/sink.h"

#include <stdarg.h>
#include <stdio.h>

void
sink_note(struct sink *s, enum note_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	s->note(s, level, line);
}
