// SPDX-License-Identifier: Apache-2.0
/*
 * Reliable delivery: see chan.h for what it promises.  Every comparison of numbers is made modulo
 * 65536 as RFC 2661, 5.8 has it: what lies in the 32768 values before the expected one has been
 * seen.
 *
 * Retransmission is go-back-N with the window of appendix A: a timeout halves the threshold, opens
 * the window with one message, and what the peer kept meanwhile is skipped when its Nr jumps.
 *
 * When to send again.  RFC 2661 recommends a second for the first time and doubling from there.  A peer
 * that is measured to answer at once is asked again sooner (RFC 6298's estimate, never below
 * rtx_least_ms, never above rtx_initial_ms); the interval doubles all the same, and the peer is given up
 * no sooner than the full cycle of the configured intervals after it last acknowledged anything.  A ZLB
 * is sent for a message that came again or ahead of order: enough ZLBs that acknowledge nothing new say
 * that the oldest message was lost, without a timer (RFC 5681 and, for few messages, RFC 5827).
 */
#include "l2tp/chan.h"

#include <stdlib.h>

#define NR_AT 10 /* octets before Nr in a control header */
#define QUEUE_MIN 8
#define SLOT_MIN 64
#define FORGOTTEN 2048u /* numbers that a power cut may take from a store: a moment's */
#define REPEATS 3 /* ZLBs without news that mean a loss: fewer may be reordering (RFC 5681) */
#define US_A_MS 1000
#define LONGEST (60 * MONO_S) /* round trip that is still told apart */

/* How far b is after a, modulo 65536. */
static inline uint16_t
after(uint16_t a, uint16_t b)
{
	return (uint16_t)(b - a);
}

/* ---- queues --------------------------------------------------------------------------- */

static struct chan_slot *
slot_of(const struct chan_queue *q, uint16_t n)
{
	return &q->slot[n & (q->cap - 1)];
}

static struct chan_slot *
slot_present(const struct chan_queue *q, uint16_t n)
{
	if (q->count == 0 || after(q->lo, n) >= q->span)
		return NULL;
	struct chan_slot *s = slot_of(q, n);
	return s->len ? s : NULL;
}

static void
queue_fini(struct chan_queue *q)
{
	for (uint32_t i = 0; i < q->cap; i++)
		free(q->slot[i].bytes);
	free(q->slot);
	*q = (struct chan_queue){ 0 };
}

static bool
queue_grow(struct chan_queue *q, uint32_t span)
{
	uint32_t cap = q->cap ? q->cap : QUEUE_MIN;

	while (cap < span)
		cap *= 2;
	if (cap == q->cap)
		return true;
	struct chan_queue bigger = { .cap = cap, .lo = q->lo, .span = q->span, .count = q->count };
	bigger.slot = calloc(cap, sizeof *bigger.slot);
	if (!bigger.slot)
		return false;
	for (uint32_t i = 0; i < q->cap; i++) {
		/* An empty slot's buffer goes along too, to any free place; there is none to mix up
		 * with. */
		uint16_t n = (uint16_t)(q->lo + ((i - q->lo) & (q->cap - 1)));
		*slot_of(&bigger, n) = q->slot[i];
	}
	free(q->slot);
	*q = bigger;
	return true;
}

/* Where number n would lie; false where it is more than half the space away from the others. */
static bool
queue_reach(struct chan_queue *q, uint16_t n, uint16_t *lo, uint32_t *span)
{
	if (q->count == 0) {
		*lo = n;
		*span = 1;
		return true;
	}
	uint32_t up = after(q->lo, n), down = after(n, q->lo);

	if (up <= CHAN_QUEUE_MAX) {
		*lo = q->lo;
		*span = up + 1 > q->span ? up + 1 : q->span;
	} else {
		*lo = n;
		*span = q->span + down;
	}
	return *span <= CHAN_QUEUE_MAX + 1u;
}

static bool
slot_fill(struct chan_slot *s, struct span message)
{
	if (s->room < message.len) {
		size_t room = message.len > SLOT_MIN ? message.len : SLOT_MIN;
		uint8_t *bytes = realloc(s->bytes, room);
		if (!bytes)
			return false;
		s->bytes = bytes;
		s->room = (uint16_t)room;
	}
	memmove(s->bytes, message.p, message.len);
	s->len = (uint16_t)message.len;
	return true;
}

static bool
queue_put(struct chan_queue *q, uint16_t n, struct span message)
{
	uint16_t lo;
	uint32_t span;

	if (message.len == 0 || message.len > CHAN_MESSAGE_MAX || !queue_reach(q, n, &lo, &span) ||
	    !queue_grow(q, span))
		return false;
	struct chan_slot *s = slot_of(q, n);
	bool fresh = s->len == 0;
	if (!slot_fill(s, message))
		return false;
	q->lo = lo;
	q->span = span;
	q->count += fresh;
	return true;
}

static void
queue_drop(struct chan_queue *q, uint16_t n)
{
	struct chan_slot *s = slot_present(q, n);

	if (!s)
		return;
	s->len = 0;
	if (--q->count == 0) {
		q->span = 0;
		if (q->cap > SLOT_MIN) /* it was a storm: give the memory back */
			queue_fini(q);
		return;
	}
	while (slot_of(q, q->lo)->len == 0) {
		q->lo++;
		q->span--;
	}
	while (slot_of(q, (uint16_t)(q->lo + q->span - 1))->len == 0)
		q->span--;
}

/* ---- how fast the peer answers -------------------------------------------------------- */

/* RFC 6298, 2.3, within what is configured. */
static void
set_rto(struct chan *c)
{
	unsigned ms = (c->srtt_us + 4 * c->rttvar_us) / US_A_MS + 1;

	if (c->srtt_us == 0 || ms > c->conf.rtx_initial_ms)
		ms = c->conf.rtx_initial_ms;
	c->rto_ms = ms < c->conf.rtx_least_ms ? c->conf.rtx_least_ms : ms;
}

/* The message that is being timed was acknowledged, and had been sent once only (Karn's rule). */
static void
take_round_trip(struct chan *c, mono_t now)
{
	const mono_t took = now - c->timed_at;
	const unsigned us = took < LONGEST ? (unsigned)(took / MONO_US) + 1 : LONGEST / MONO_US;

	c->timing = false;
	if (c->srtt_us == 0) {
		c->srtt_us = us;
		c->rttvar_us = us / 2;
	} else {
		const unsigned off = us > c->srtt_us ? us - c->srtt_us : c->srtt_us - us;
		c->rttvar_us = (unsigned)((3ull * c->rttvar_us + off) / 4);
		c->srtt_us = (unsigned)((7ull * c->srtt_us + us) / 8);
	}
	set_rto(c);
}

/* ---- life ----------------------------------------------------------------------------- */

void
chan_init(struct chan *c, const struct chan_conf *conf)
{
	*c = (struct chan){ .cwnd = 1 };
	chan_configure(c, conf);
	chan_set_peer_window(c, CHAN_PEER_WINDOW);
}

void
chan_fini(struct chan *c)
{
	queue_fini(&c->out);
	queue_fini(&c->early);
}

void
chan_configure(struct chan *c, const struct chan_conf *conf)
{
	c->conf = *conf;
	if (c->conf.window == 0)
		c->conf.window = 1;
	if (c->conf.window > CHAN_QUEUE_MAX)
		c->conf.window = CHAN_QUEUE_MAX;
	if (c->conf.rtx_initial_ms == 0)
		c->conf.rtx_initial_ms = 1;
	if (c->conf.rtx_cap_ms < c->conf.rtx_initial_ms)
		c->conf.rtx_cap_ms = c->conf.rtx_initial_ms;
	if (c->conf.rtx_least_ms == 0 || c->conf.rtx_least_ms > c->conf.rtx_initial_ms)
		c->conf.rtx_least_ms = c->conf.rtx_initial_ms;
	set_rto(c);
}

void
chan_set_peer_window(struct chan *c, uint16_t messages)
{
	if (messages == 0)
		messages = 1;
	if (messages > CHAN_QUEUE_MAX)
		messages = CHAN_QUEUE_MAX;
	if (messages == c->peer_window)
		return;
	c->peer_window = messages;
	c->ssthresh = c->peer_window; /* appendix A: initialized to the advertised window */
	if (c->cwnd > c->peer_window)
		c->cwnd = c->peer_window;
}

void
chan_apply_seq(struct chan *c, const struct chan_seq *seq)
{
	c->held = c->seq = *seq;
}

bool
chan_apply_out(struct chan *c, uint16_t ns, struct span message)
{
	if (message.len)
		return queue_put(&c->out, ns, message);
	queue_drop(&c->out, ns);
	return true;
}

void
chan_start(struct chan *c, mono_t now, mono_t when)
{
	/* Rows that should have gone with their acknowledgement go now. */
	c->acked_from = c->out.count && after(c->out.lo, c->seq.peer_nr) <= CHAN_QUEUE_MAX
			    ? c->out.lo
			    : c->seq.peer_nr;
	c->next = c->sent_below = c->seq.ns; /* the old active may have sent them all */
	c->cwnd = 1;
	c->ssthresh = c->peer_window;
	c->acks = 0;
	c->tries = 0;
	c->interval_ms = 0;
	c->srtt_us = c->rttvar_us = 0; /* another node may be nearer or farther */
	set_rto(c);
	c->heard = now;
	c->ack_owed = c->broken = c->timing = false;
	c->repeats = 0;
	c->recover = c->sent_below; /* what goes out twice makes the peer repeat itself */
	c->recovering = chan_backlog(c) > 0;
	c->rtx_due = chan_backlog(c) ? when : MONO_NEVER;
	c->rtx_since = when;
}

void
chan_reset(struct chan *c, mono_t now, uint16_t ns, uint16_t nr)
{
	queue_fini(&c->early);
	c->seq = (struct chan_seq){ .ns = ns, .nr = nr, .peer_nr = ns };
	chan_start(c, now, MONO_NEVER);
	c->acked_from = ns;
}

bool
chan_learn(struct chan *c, uint16_t ns, uint16_t nr, bool zlb)
{
	const bool seen = after(c->seq.ns, nr) - 1u < FORGOTTEN;
	const bool ahead = !zlb && after(c->seq.nr, ns) - 1u < FORGOTTEN;
	const bool again = ahead && c->ahead_seen && c->ahead_ns == ns;

	if (seen)
		c->seq.ns = c->next = c->sent_below = nr;
	if (again)
		c->seq.nr = ns;
	c->ahead_seen = ahead && !again;
	c->ahead_ns = ns;
	return seen || again;
}

/* ---- receiving ------------------------------------------------------------------------ */

/* One acknowledgement that moved the window: appendix A. */
static void
open_window(struct chan *c)
{
	if (c->cwnd < c->ssthresh) { /* slow start */
		c->cwnd++;
	} else if (++c->acks >= c->cwnd) { /* congestion avoidance: 1/CWND each */
		c->cwnd++;
		c->acks = 0;
	}
	if (c->cwnd > c->peer_window)
		c->cwnd = c->peer_window;
}

static void
start_timer(struct chan *c, mono_t now)
{
	c->interval_ms = c->rto_ms;
	c->rtx_since = now;
	c->rtx_due = now + c->interval_ms * MONO_MS;
}

static bool
take_nr(struct chan *c, mono_t now, uint16_t nr)
{
	uint16_t step = after(c->seq.peer_nr, nr);

	if (step == 0 || step > 0x7fff) /* nothing new, or an older datagram that came late */
		return true;
	if (step > after(c->seq.peer_nr, c->sent_below))
		return false;
	c->seq.peer_nr = nr;
	if (after(nr, c->next) > 0x7fff) /* it had kept more than we thought */
		c->next = nr;
	if (c->timing && after(c->timed_ns, nr) - 1u < 0x7fff)
		take_round_trip(c, now);
	open_window(c);
	c->tries = c->repeats = 0;
	if (c->recovering && after(c->recover, nr) <= 0x7fff)
		c->recovering = false;
	if (c->next == nr)
		c->rtx_due = MONO_NEVER;
	else
		start_timer(c, now);
	return true;
}

/*
 * A ZLB that acknowledges nothing new.  With few messages out there cannot be three: one less than are
 * out is enough then, and a single one has nothing behind it that could show its loss.
 */
static bool
shows_loss(struct chan *c, uint16_t nr)
{
	const uint16_t out = after(c->seq.peer_nr, c->next);

	if (nr != c->seq.peer_nr || c->recovering || out < 2)
		return false;
	return ++c->repeats >= (out > REPEATS ? REPEATS : out - 1u);
}

static void
send_again(struct chan *c)
{
	/* Appendix A: half of CWND is saved in SSTHRESH (never less than one), CWND is set to one. */
	c->ssthresh = c->cwnd > 1 ? c->cwnd / 2 : 1;
	c->cwnd = 1;
	c->acks = 0;
	c->next = c->seq.peer_nr;
	c->timing = false;
	c->repeats = 0;
	c->recover = c->sent_below;
	c->recovering = true;
}

static enum chan_verdict
keep_early(struct chan *c, uint16_t ns, struct span message)
{
	c->ack_owed = true; /* tells the peer what is missing */
	if (message.len <= CHAN_EARLY_MAX)
		queue_put(&c->early, ns, message);
	return CHAN_EARLY;
}

enum chan_verdict
chan_receive(struct chan *c, mono_t now, uint16_t ns, uint16_t nr, bool zlb, struct span message)
{
	uint16_t ahead = after(c->seq.nr, ns);
	const bool loss = zlb && shows_loss(c, nr);

	if (!take_nr(c, now, nr))
		return CHAN_BAD_NR;
	c->heard = now;
	if (loss) {
		send_again(c);
		c->rtx_due = now + c->interval_ms * MONO_MS;
		return CHAN_LOSS;
	}
	if (zlb)
		return CHAN_ACK_ONLY;
	if (ahead > 0x7fff) {
		c->ack_owed = true; /* "receipt of duplicate messages MUST be acknowledged" */
		return CHAN_DUPLICATE;
	}
	if (ahead >= c->conf.window)
		return CHAN_BEYOND;
	if (ahead)
		return keep_early(c, ns, message);
	c->ack_owed = true;
	queue_drop(&c->early, ns);
	c->seq.nr++;
	return CHAN_DELIVER;
}

bool
chan_receive_early(struct chan *c, struct span *message)
{
	/* The one delivered last was lent; now it is over. */
	queue_drop(&c->early, (uint16_t)(c->seq.nr - 1));
	struct chan_slot *s = slot_present(&c->early, c->seq.nr);
	if (!s) {
		if (c->early.count == 0 && c->early.cap)
			queue_fini(&c->early);
		return false;
	}
	*message = span_of(s->bytes, s->len);
	c->seq.nr++;
	c->ack_owed = true;
	return true;
}

bool
chan_acked(struct chan *c, uint16_t *ns)
{
	if (c->acked_from == c->seq.peer_nr)
		return false;
	*ns = c->acked_from++;
	return true;
}

/* ---- sending -------------------------------------------------------------------------- */

bool
chan_give_ns(struct chan *c, uint16_t *ns)
{
	if (chan_backlog(c) >= CHAN_QUEUE_MAX)
		return false;
	*ns = c->seq.ns++;
	return true;
}

/* `next` goes out. */
static void
note_sent(struct chan *c, mono_t now)
{
	if (after(c->sent_below, (uint16_t)(c->next + 1)) - 1u < 0x7fff) { /* for the first time */
		c->sent_below = (uint16_t)(c->next + 1);
		if (!c->timing) {
			c->timing = true;
			c->timed_ns = c->next;
			c->timed_at = now;
		}
	}
	c->next++;
}

size_t
chan_transmit(struct chan *c, mono_t now, uint8_t out[CHAN_MESSAGE_MAX])
{
	uint16_t window = c->cwnd < c->peer_window ? c->cwnd : c->peer_window;

	if (c->next == c->seq.ns || after(c->seq.peer_nr, c->next) >= window)
		return 0;
	const struct chan_slot *s = slot_present(&c->out, c->next);
	if (!s || s->len < NR_AT + 2) {
		c->broken = true;
		c->rtx_due = now;
		return 0;
	}
	memcpy(out, s->bytes, s->len);
	put_u16(out + NR_AT, c->seq.nr);
	note_sent(c, now);
	c->ack_owed = false; /* it carries the acknowledgement */
	if (c->rtx_due == MONO_NEVER)
		start_timer(c, now);
	return s->len;
}

bool
chan_take_ack(struct chan *c)
{
	bool owed = c->ack_owed;

	c->ack_owed = false;
	return owed;
}

/* ---- time ----------------------------------------------------------------------------- */

mono_t
chan_due(const struct chan *c)
{
	return c->rtx_due;
}

static unsigned
back_off(const struct chan *c)
{
	unsigned ms = c->interval_ms ? c->interval_ms : c->rto_ms / 2;

	return ms >= c->conf.rtx_cap_ms / 2 ? c->conf.rtx_cap_ms : ms ? ms * 2 : 1;
}

/* All tries are used up, and the peer had the time that the configured intervals give it. */
static bool
gave_up(const struct chan *c, mono_t now)
{
	return c->tries >= c->conf.rtx_tries && now - c->rtx_since >= chan_cycle(&c->conf);
}

/* After the last try: when the cycle is over, but not before that try could be answered. */
static mono_t
last_due(const struct chan *c, mono_t now)
{
	const mono_t over = c->rtx_since + chan_cycle(&c->conf);
	const mono_t answered = now + c->conf.rtx_initial_ms * MONO_MS;

	return mono_sooner(c->rtx_due, over > answered ? over : answered);
}

enum chan_tick
chan_tick(struct chan *c, mono_t now)
{
	if (c->rtx_due == MONO_NEVER || now < c->rtx_due)
		return CHAN_QUIET;
	if (c->broken || gave_up(c, now))
		return CHAN_DEAD;
	c->tries++;
	c->interval_ms = back_off(c);
	/* RFC 6298, 5.5: until a message is answered that was sent once, the longer time holds. */
	c->rto_ms = c->rto_ms * 2 < c->conf.rtx_initial_ms ? c->rto_ms * 2 : c->conf.rtx_initial_ms;
	c->rtx_due = now + c->interval_ms * MONO_MS;
	if (c->tries >= c->conf.rtx_tries)
		c->rtx_due = last_due(c, now);
	send_again(c);
	return CHAN_RETRANSMIT;
}

void
chan_insist(struct chan *c, mono_t now)
{
	c->rtx_due = now + c->conf.rtx_cap_ms * MONO_MS;
	send_again(c);
}

mono_t
chan_cycle(const struct chan_conf *conf)
{
	uint64_t ms = 0, interval = conf->rtx_initial_ms;

	for (unsigned i = 0; i <= conf->rtx_tries && i < 64; i++) {
		ms += interval;
		interval = interval * 2 < conf->rtx_cap_ms ? interval * 2 : conf->rtx_cap_ms;
	}
	return (mono_t)ms * MONO_MS;
}
