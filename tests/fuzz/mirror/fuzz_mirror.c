// SPDX-License-Identifier: Apache-2.0
/*
 * The mirror: a header reads back as it was written; and a standby, in the middle of a session, hears
 * whatever the sample makes of headers and frames, without harm.
 *
 * A sample is a row of messages: length of the header (2 octets), length of one frame (2 octets; 0: none), both.
 */
#include <stdlib.h>
#include <string.h>

#include "sync_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
yes_txn(struct sync_out *o, const struct sync_txn *t, const struct sync_meta *m)
{
	return 0;
}

static int
yes_frame(struct sync_out *o, struct span frame)
{
	return 0;
}

static int
yes_wipe(struct sync_out *o, const struct sync_meta *m)
{
	return 0;
}

static int
yes_meta(struct sync_out *o, const struct sync_meta *m, bool terms)
{
	return 0;
}

static int
no_snap(struct sync_out *o)
{
	return 0;
}

static int
no_page(struct sync_out *o, struct span *frame)
{
	return 0;
}

static void
nothing(struct sync_out *o)
{
}

static void
no_disk(struct sync_out *o, uint64_t position)
{
}

static enum sync_sent
yes_client(struct sync_out *o, struct span identity, const struct sync_head *h, const struct sync_txn *t)
{
	return SYNC_SENT;
}

static bool
yes_twin(struct sync_out *o, const struct mirror_head *h, const struct span *frame, unsigned frames)
{
	return true;
}

static void
no_status(struct sync_out *o, const struct sync_status *s)
{
}

static void
no_alarm(struct sync_out *o, enum sync_alarm a, bool stands, const char *detail)
{
}

static void
no_note(struct sync_out *o, enum note_level level, const char *line)
{
}

static struct sync_out out = { yes_txn, yes_frame, yes_wipe, yes_meta, yes_frame, no_snap, no_page, nothing,
			       no_disk, yes_client, yes_twin, no_status, no_alarm, no_note };

static void
same_again(const struct mirror_head *h)
{
	uint8_t buf[MIRROR_HEAD_MAX];
	struct mirror_head again;
	size_t n = mirror_head_write(h, buf);

	if (n && (!mirror_head_read(span_of(buf, n), &again) || memcmp(h, &again, sizeof again) != 0))
		abort();
}

static void
begin(struct sync *s, bool active)
{
	struct sync_conf c = { .node = "a", .pair = true };
	struct sync_meta m = { 0 };
	struct sync_order o = { .active = active, .epoch = 2, .fresh = true };
	struct mirror_head h = { .kind = MIRROR_SESSION, .version = MIRROR_VERSION, .side = 1, .instance = 1, .session = 5,
				 .epoch = 3, .lineage = 9, .snapshot = true };
	struct sync_event ev = { .kind = SYNC_ORDER, .order = &o, .random = 7 };

	sync_init(s, &c, &m, 1);
	sync_step(s, MONO_S, &ev, &out);
	h.attempt = s->attempt;
	ev = (struct sync_event){ .kind = SYNC_TWIN, .head = &h };
	sync_step(s, MONO_S, &ev, &out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rd in = rd_of(data, len);
	static struct sync s;
	mono_t now = MONO_S;

	begin(&s, len && data[len - 1] & 1);
	while (rd_left(&in) >= 4) {
		uint16_t hl = rd_u16(&in), fl = rd_u16(&in);
		struct span head = rd_span(&in, hl), frame = rd_span(&in, fl);
		struct mirror_head h;
		if (!in.ok || !mirror_head_read(head, &h))
			break;
		same_again(&h);
		struct sync_event ev = { .kind = SYNC_TWIN, .head = &h, .frame = &frame, .frames = fl ? 1 : 0 };
		sync_step(&s, now += MONO_MS, &ev, &out);
		ev = (struct sync_event){ .kind = SYNC_TICK };
		sync_step(&s, now, &ev, &out);
	}
	sync_fini(&s);
	return 0;
}
