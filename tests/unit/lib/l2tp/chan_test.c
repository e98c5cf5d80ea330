// SPDX-License-Identifier: Apache-2.0
/* Reliable delivery (RFC 2661, 5.8, appendices A and B), by function call, with time moved by hand. */
#include <stdio.h>
#include <string.h>

#include "../unit.h"
#include "l2tp/chan.h"
#include "l2tp/l2tp.h"

static const struct chan_conf conf = { .window = 8, .rtx_initial_ms = 1000, .rtx_cap_ms = 8000, .rtx_tries = 5 };
static struct chan c;

static mono_t
at(double s)
{
	return (mono_t)(1e9 * (1000 + s));
}

static void
fresh(uint16_t peer_window)
{
	chan_fini(&c);
	chan_init(&c, &conf);
	chan_set_peer_window(&c, peer_window);
	chan_start(&c, at(0), MONO_NEVER);
}

/* As if the tunnel had run so far: both directions at these numbers. */
static void
fresh_at(uint16_t peer_window, uint16_t ns, uint16_t nr)
{
	fresh(peer_window);
	chan_apply_seq(&c, &(struct chan_seq){ .ns = ns, .nr = nr, .peer_nr = ns });
	chan_start(&c, at(0), MONO_NEVER);
}

static void
record(void)
{
	struct chan_seq s = c.seq;
	uint16_t ns;

	while (chan_acked(&c, &ns))
		chan_apply_out(&c, ns, span_of(NULL, 0));
	chan_apply_seq(&c, &s);
}

static void
queue(unsigned n)
{
	uint8_t m[16] = { 0xc8, 0x02, 0, 16 };
	uint16_t ns;

	for (unsigned i = 0; i < n; i++) {
		ck_assert(chan_give_ns(&c, &ns));
		put_u16(m + 8, ns);
		put_u16(m + 14, ns);
		ck_assert(chan_apply_out(&c, ns, span_of(m, sizeof m)));
	}
}

/* Everything that may go now, as "ns/nr ns/nr ". */
static const char *
sent(double when)
{
	static char text[4096];
	uint8_t m[CHAN_MESSAGE_MAX];
	size_t len, used = 0;

	text[0] = 0;
	record();
	while ((len = chan_transmit(&c, at(when), m)) > 0) {
		ck_assert_uint_eq(len, 16);
		ck_assert_uint_eq(get_u16(m + 14), get_u16(m + 8));
		used += (size_t)snprintf(text + used, sizeof text - used, "%u/%u ", get_u16(m + 8), get_u16(m + 10));
	}
	return text;
}

static enum chan_verdict
heard(double when, uint16_t ns, uint16_t nr)
{
	uint8_t m[14] = { 0xc8, 0x02, 0, 14 };

	put_u16(m + 8, ns);
	return chan_receive(&c, at(when), ns, nr, false, span_of(m, sizeof m));
}

static enum chan_verdict
zlb(double when, uint16_t ns, uint16_t nr)
{
	return chan_receive(&c, at(when), ns, nr, true, span_of(NULL, 0));
}

START_TEST(appendix_b1_lock_step_establishment)
{
	fresh(4); /* as the responder */
	ck_assert_int_eq(heard(0, 0, 0), CHAN_DELIVER);
	queue(1);
	ck_assert_str_eq(sent(0), "0/1 ");
	ck_assert_int_eq(heard(0.1, 1, 1), CHAN_DELIVER);
	ck_assert_str_eq(sent(0.1), "");
	ck_assert(chan_take_ack(&c)); /* ZLB Nr 2, Ns 1 */
	ck_assert_uint_eq(c.seq.nr, 2);
	ck_assert_uint_eq(c.seq.ns, 1);
}
END_TEST

START_TEST(appendix_b2_lost_reply_is_sent_again_and_the_duplicate_acknowledged)
{
	fresh_at(4, 1, 2);
	ck_assert_int_eq(heard(0, 2, 1), CHAN_DELIVER);
	queue(1);
	ck_assert_str_eq(sent(0), "1/3 ");
	ck_assert(!chan_take_ack(&c)); /* the reply carried it */
	ck_assert_int_eq(heard(0.9, 2, 1), CHAN_DUPLICATE);
	ck_assert_str_eq(sent(0.9), "");
	ck_assert(chan_take_ack(&c));
	ck_assert(!chan_take_ack(&c));
	ck_assert_int_eq(chan_tick(&c, at(1)), CHAN_RETRANSMIT);
	ck_assert_str_eq(sent(1), "1/3 ");
	ck_assert_int_eq(heard(1.1, 3, 2), CHAN_DELIVER);
	ck_assert_int_eq(chan_due(&c), MONO_NEVER);
}
END_TEST

START_TEST(retransmission_carries_the_nr_of_now)
{
	fresh(4);
	queue(1);
	ck_assert_str_eq(sent(0), "0/0 ");
	heard(0.5, 0, 0);
	heard(0.5, 1, 0);
	ck_assert_int_eq(chan_tick(&c, at(1)), CHAN_RETRANSMIT);
	ck_assert_str_eq(sent(1), "0/2 ");
	ck_assert(!chan_take_ack(&c));
}
END_TEST

START_TEST(intervals_double_up_to_the_cap_and_then_the_peer_is_given_up)
{
	static const double due[] = { 1, 3, 7, 15, 23 };

	fresh(4);
	queue(1);
	ck_assert_str_eq(sent(0), "0/0 ");
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(chan_due(&c), at(due[i]));
		ck_assert_int_eq(chan_tick(&c, at(due[i]) - 1), CHAN_QUIET);
		ck_assert_int_eq(chan_tick(&c, at(due[i])), CHAN_RETRANSMIT);
		ck_assert_str_eq(sent(due[i]), "0/0 ");
	}
	ck_assert_int_eq(chan_due(&c), at(31)); /* "a full retransmission cycle is 31 seconds" */
	ck_assert_int_eq(chan_tick(&c, at(31)), CHAN_DEAD);
	ck_assert_int_eq(chan_cycle(&conf), 31 * MONO_S);
}
END_TEST

START_TEST(an_acknowledgement_begins_the_interval_anew)
{
	fresh(4);
	queue(2);
	sent(0);
	chan_tick(&c, at(1));
	sent(1);
	chan_tick(&c, at(3));
	ck_assert_int_eq(chan_due(&c), at(7));
	zlb(4, 0, 1);
	ck_assert_str_eq(sent(4), "1/0 ");
	ck_assert_int_eq(chan_due(&c), at(5));
	ck_assert_uint_eq(c.tries, 0);
}
END_TEST

/* ---- a peer that answers at once */

static const struct chan_conf quick = {
	.window = 8, .rtx_initial_ms = 1000, .rtx_cap_ms = 8000, .rtx_tries = 5, .rtx_least_ms = 200
};

/* As fresh(), with a peer that has answered `n` messages, each after `ms`. */
static double
measured(unsigned n, double ms)
{
	double now = 0;

	chan_fini(&c);
	chan_init(&c, &quick);
	chan_set_peer_window(&c, 8);
	chan_start(&c, at(0), MONO_NEVER);
	for (unsigned i = 0; i < n; i++, now += 1) {
		queue(1);
		sent(now);
		zlb(now + ms / 1000, 0, c.seq.ns);
		record();
	}
	return now;
}

START_TEST(a_peer_that_answers_at_once_is_asked_again_sooner)
{
	double now = measured(0, 0);

	queue(1);
	sent(now);
	ck_assert_int_eq(chan_due(&c), at(1)); /* nothing is known yet */
	now = measured(1, 2);
	queue(1);
	sent(now);
	ck_assert_int_eq(chan_due(&c), at(now + 0.2)); /* never sooner */
	now = measured(8, 100);
	queue(1);
	sent(now);
	ck_assert_int_gt(chan_due(&c), at(now + 0.1)); /* a peer that is farther away has its time */
	ck_assert_int_lt(chan_due(&c), at(now + 0.3));
	now = measured(8, 3000);
	queue(1);
	sent(now);
	ck_assert_int_eq(chan_due(&c), at(now + 1)); /* never later than configured */
}
END_TEST

/* RFC 2661, 5.8: "each subsequent retransmission MUST employ an exponential backoff interval", 8 s at least is
 * the cap, and nobody is given up before the 31 s of the configured intervals. */
START_TEST(an_early_retransmission_shortens_nothing_else)
{
	static const double due[] = { 0.2, 0.6, 1.4, 3, 6.2, 12.6, 20.6, 28.6 };
	double now = measured(4, 2);

	queue(1);
	sent(now);
	for (unsigned i = 0; i < sizeof due / sizeof *due; i++) {
		ck_assert_int_eq(chan_due(&c), at(now) + (mono_t)(due[i] * 1000 + 0.5) * MONO_MS);
		ck_assert_int_eq(chan_tick(&c, chan_due(&c)), CHAN_RETRANSMIT);
		ck_assert_str_ne(sent(now + due[i]), "");
	}
	ck_assert_int_eq(chan_due(&c), at(now + 31));
	ck_assert_int_eq(chan_tick(&c, at(now + 31)), CHAN_DEAD);
}
END_TEST

START_TEST(what_was_sent_twice_is_not_measured)
{
	double now = measured(4, 2);

	queue(1);
	sent(now);
	chan_tick(&c, at(now + 0.2));
	sent(now + 0.2);
	zlb(now + 0.201, 0, c.seq.ns); /* of which of the two? */
	ck_assert_uint_lt(c.srtt_us, 3000);
	record();
	queue(1);
	sent(now + 1);
	ck_assert_int_eq(chan_due(&c), at(now + 1.4)); /* the doubled time holds ... */
	zlb(now + 1.002, 0, c.seq.ns);
	record();
	queue(1);
	sent(now + 2);
	ck_assert_int_eq(chan_due(&c), at(now + 2.2)); /* ... until one is measured again */
}
END_TEST

START_TEST(a_late_clock_leaves_time_for_the_answer_of_the_last_try)
{
	double now = measured(4, 2);

	queue(1);
	sent(now);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(chan_tick(&c, at(now + 100 + i * 10)), CHAN_RETRANSMIT);
	ck_assert_int_eq(chan_due(&c), at(now + 141));
	ck_assert_int_eq(chan_tick(&c, at(now + 141)), CHAN_DEAD);
}
END_TEST

/* ---- loss that shows before the timer */

/* n messages out. */
static double
all_out(unsigned n)
{
	double now = measured(8, 2);

	queue(n);
	sent(now);
	ck_assert_uint_eq((uint16_t)(c.next - c.seq.peer_nr), n);
	return now;
}

START_TEST(three_acknowledgements_without_news_show_a_loss)
{
	double now = all_out(6);

	ck_assert_int_eq(zlb(now + 0.01, 0, c.seq.peer_nr), CHAN_ACK_ONLY);
	ck_assert_int_eq(zlb(now + 0.01, 0, c.seq.peer_nr), CHAN_ACK_ONLY);
	ck_assert_str_eq(sent(now + 0.01), "");
	ck_assert_int_eq(zlb(now + 0.01, 0, c.seq.peer_nr), CHAN_LOSS);
	ck_assert_uint_eq(c.cwnd, 1); /* appendix A: a retransmission is congestion */
	ck_assert_uint_eq(c.ssthresh, 4);
	ck_assert_str_eq(sent(now + 0.01), "8/0 ");
	ck_assert_int_eq(zlb(now + 0.01, 0, c.seq.peer_nr), CHAN_ACK_ONLY); /* of one still under way: once is enough */
	ck_assert_str_eq(sent(now + 0.01), "");
	zlb(now + 0.02, 0, 14);
	ck_assert_int_eq(chan_due(&c), MONO_NEVER);
	ck_assert_uint_eq(c.tries, 0);
}
END_TEST

START_TEST(few_messages_out_need_fewer_and_a_single_one_has_none)
{
	double now = all_out(2);

	ck_assert_int_eq(zlb(now, 0, c.seq.peer_nr), CHAN_LOSS);
	now = all_out(3);
	ck_assert_int_eq(zlb(now, 0, c.seq.peer_nr), CHAN_ACK_ONLY);
	ck_assert_int_eq(zlb(now, 0, c.seq.peer_nr), CHAN_LOSS);
	now = all_out(1);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(zlb(now, 0, c.seq.peer_nr), CHAN_ACK_ONLY);
}
END_TEST

START_TEST(messages_and_old_acknowledgements_show_no_loss)
{
	double now = all_out(6);
	uint16_t nr = c.seq.peer_nr;

	for (uint16_t i = 0; i < 6; i++)
		ck_assert_int_eq(heard(now, i, nr), CHAN_DELIVER);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_int_eq(zlb(now, 0, (uint16_t)(nr - 1)), CHAN_ACK_ONLY);
	ck_assert_str_eq(sent(now), "");
}
END_TEST

START_TEST(a_peer_that_repeats_itself_to_a_promoted_node_shows_no_loss)
{
	fresh_at(8, 100, 50);
	queue(3);
	struct chan_seq s = c.seq;
	chan_apply_seq(&c, &s);
	chan_start(&c, at(5), at(5));
	chan_tick(&c, at(5));
	sent(5);
	zlb(5.01, 50, 101); /* it had none of them, and has the first now */
	sent(5.01);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_int_eq(zlb(5.02, 50, 101), CHAN_ACK_ONLY);
}
END_TEST

START_TEST(slow_start_doubles_each_round_trip)
{
	fresh(16);
	queue(32);
	ck_assert_str_eq(sent(0), "0/0 ");
	zlb(0.1, 0, 1);
	ck_assert_str_eq(sent(0.1), "1/0 2/0 ");
	zlb(0.2, 0, 2);
	zlb(0.2, 0, 3);
	ck_assert_str_eq(sent(0.2), "3/0 4/0 5/0 6/0 ");
	ck_assert_uint_eq(c.cwnd, 4);
}
END_TEST

START_TEST(the_window_never_exceeds_what_the_peer_offers)
{
	fresh(3);
	queue(40);
	for (unsigned i = 1; i <= 30; i++) {
		sent(i * 0.01);
		ck_assert_uint_le((uint16_t)(c.next - c.seq.peer_nr), 3);
		zlb(i * 0.01, 0, (uint16_t)i);
	}
	ck_assert_uint_eq(c.cwnd, 3);
}
END_TEST

START_TEST(a_peer_that_offers_nothing_gets_four_and_zero_is_one)
{
	fresh(4);
	chan_fini(&c);
	chan_init(&c, &conf);
	ck_assert_uint_eq(c.peer_window, 4);
	chan_set_peer_window(&c, 0);
	ck_assert_uint_eq(c.peer_window, 1);
}
END_TEST

START_TEST(congestion_halves_the_threshold_and_avoidance_grows_by_one_a_window)
{
	fresh(16);
	queue(60);
	for (uint16_t i = 1; i <= 7; i++) {
		sent(0);
		zlb(0, 0, i);
	}
	ck_assert_uint_eq(c.cwnd, 8);
	sent(0);
	ck_assert_int_eq(chan_tick(&c, at(1)), CHAN_RETRANSMIT);
	ck_assert_uint_eq(c.cwnd, 1);
	ck_assert_uint_eq(c.ssthresh, 4);
	ck_assert_str_eq(sent(1), "7/0 ");
	for (uint16_t i = 8; i <= 10; i++) {
		zlb(1.1, 0, i);
		sent(1.1);
	}
	ck_assert_uint_eq(c.cwnd, 4); /* slow start is over */
	for (uint16_t i = 11; i <= 13; i++)
		zlb(1.2, 0, i);
	ck_assert_uint_eq(c.cwnd, 4);
	zlb(1.2, 0, 14); /* "after CWND new ACKs" */
	ck_assert_uint_eq(c.cwnd, 5);
}
END_TEST

START_TEST(what_the_peer_kept_is_not_sent_again)
{
	fresh(8);
	queue(6);
	for (uint16_t i = 1; i <= 2; i++) {
		sent(0);
		zlb(0, 0, i);
	}
	ck_assert_str_eq(sent(0), "3/0 4/0 "); /* 2, 3 and 4 are out; 2 gets lost */
	chan_tick(&c, at(1));
	ck_assert_str_eq(sent(1), "2/0 ");
	zlb(1.1, 0, 5); /* it had kept 3 and 4 */
	ck_assert_str_eq(sent(1.1), "5/0 ");
}
END_TEST

START_TEST(messages_out_of_order_are_delivered_in_order)
{
	struct span m;

	fresh(4);
	ck_assert_int_eq(heard(0, 2, 0), CHAN_EARLY);
	ck_assert(chan_take_ack(&c)); /* says what is missing */
	ck_assert_int_eq(heard(0, 1, 0), CHAN_EARLY);
	ck_assert_int_eq(heard(0, 1, 0), CHAN_EARLY);
	ck_assert_uint_eq(c.seq.nr, 0);
	ck_assert_int_eq(heard(0, 0, 0), CHAN_DELIVER);
	ck_assert(chan_receive_early(&c, &m));
	ck_assert_uint_eq(get_u16(m.p + 8), 1);
	ck_assert(chan_receive_early(&c, &m));
	ck_assert_uint_eq(get_u16(m.p + 8), 2);
	ck_assert(!chan_receive_early(&c, &m));
	ck_assert_uint_eq(c.seq.nr, 3);
	ck_assert_ptr_null(c.early.slot); /* no memory is kept for what does not happen */
}
END_TEST

START_TEST(beyond_our_window_is_dropped)
{
	fresh(4);
	ck_assert_int_eq(heard(0, 7, 0), CHAN_EARLY);
	ck_assert_int_eq(heard(0, 8, 0), CHAN_BEYOND);
	ck_assert_int_eq(heard(0, 32767, 0), CHAN_BEYOND);
	ck_assert_int_eq(heard(0, 32768, 0), CHAN_DUPLICATE);
	ck_assert_uint_eq(c.early.count, 1);
}
END_TEST

START_TEST(the_example_of_section_5_8)
{
	fresh_at(4, 0, 16); /* the last received number was 15 */
	ck_assert_int_eq(heard(0, 0, 0), CHAN_DUPLICATE);
	ck_assert_int_eq(heard(0, 15, 0), CHAN_DUPLICATE);
	ck_assert_int_eq(heard(0, 32784, 0), CHAN_DUPLICATE);
	ck_assert_int_eq(heard(0, 65535, 0), CHAN_DUPLICATE);
	ck_assert_int_eq(heard(0, 32783, 0), CHAN_BEYOND);
	ck_assert_int_eq(heard(0, 16, 0), CHAN_DELIVER);
}
END_TEST

START_TEST(an_nr_that_was_never_sent_is_refused_and_an_old_one_ignored)
{
	fresh(4);
	queue(3);
	sent(0);
	ck_assert_int_eq(zlb(0, 0, 2), CHAN_BAD_NR); /* only 0 is out */
	ck_assert_int_eq(heard(0, 0, 3), CHAN_BAD_NR);
	ck_assert_uint_eq(c.seq.nr, 0);
	ck_assert_int_eq(zlb(0, 0, 1), CHAN_ACK_ONLY);
	sent(0);
	ck_assert_int_eq(heard(0, 0, 0), CHAN_DELIVER); /* an older Nr: reordered on the way */
	ck_assert_uint_eq(c.seq.peer_nr, 1);
}
END_TEST

START_TEST(a_zlb_takes_no_number_and_is_not_acknowledged)
{
	fresh(4);
	ck_assert_int_eq(zlb(0, 0, 0), CHAN_ACK_ONLY);
	ck_assert_int_eq(zlb(0, 77, 0), CHAN_ACK_ONLY);
	ck_assert_uint_eq(c.seq.nr, 0);
	ck_assert(!chan_take_ack(&c));
}
END_TEST

START_TEST(numbers_wrap)
{
	fresh_at(4, 65534, 65535);
	queue(4);
	ck_assert_str_eq(sent(0), "65534/65535 ");
	ck_assert_int_eq(heard(0, 65535, 65535), CHAN_DELIVER);
	ck_assert_str_eq(sent(0), "65535/0 0/0 ");
	ck_assert_int_eq(heard(0, 0, 1), CHAN_DELIVER);
	ck_assert_str_eq(sent(0), "1/1 ");
	zlb(0, 1, 2);
	record();
	ck_assert_uint_eq(c.out.count, 0);
	ck_assert_int_eq(chan_due(&c), MONO_NEVER);
}
END_TEST

START_TEST(a_promoted_node_sends_what_is_unacknowledged_again)
{
	fresh_at(8, 100, 50);
	queue(3);
	struct chan_seq s = c.seq;
	chan_apply_seq(&c, &s);
	chan_start(&c, at(5), at(5.02)); /* paced */
	ck_assert_str_eq(sent(5), "");
	ck_assert_int_eq(chan_tick(&c, at(5.01)), CHAN_QUIET);
	ck_assert_int_eq(chan_tick(&c, at(5.02)), CHAN_RETRANSMIT);
	ck_assert_str_eq(sent(5.02), "100/50 ");
	ck_assert_int_eq(chan_due(&c), at(6.02));
	ck_assert_int_eq(zlb(5.1, 50, 103), CHAN_ACK_ONLY); /* the old active had sent them all */
	ck_assert_str_eq(sent(5.1), "");
	ck_assert_uint_eq(c.out.count, 0);
}
END_TEST

START_TEST(a_missing_message_ends_the_peer_instead_of_waiting_for_ever)
{
	fresh_at(8, 10, 0);
	chan_apply_seq(&c, &(struct chan_seq){ .ns = 12, .nr = 0, .peer_nr = 10 });
	chan_start(&c, at(0), at(0));
	ck_assert_int_eq(chan_tick(&c, at(0)), CHAN_RETRANSMIT);
	ck_assert_str_eq(sent(0), "");
	ck_assert_int_eq(chan_tick(&c, at(0)), CHAN_DEAD);
}
END_TEST

START_TEST(stored_rows_of_any_number_stay_bounded)
{
	uint8_t m[CHAN_MESSAGE_MAX + 1] = { 1 };
	unsigned taken = 0;

	fresh(4);
	for (unsigned i = 0; i < 200000; i++)
		taken += chan_apply_out(&c, (uint16_t)(i * 40503u), span_of(m, 12));
	ck_assert_uint_le(c.out.cap, 65536);
	ck_assert_uint_le(c.out.count, CHAN_QUEUE_MAX + 1);
	ck_assert_uint_gt(taken, 0);
	ck_assert(!chan_apply_out(&c, 1, span_of(m, sizeof m)));
	for (unsigned i = 0; i < 65536; i++)
		chan_apply_out(&c, (uint16_t)i, span_of(NULL, 0));
	ck_assert_uint_eq(c.out.count, 0);
}
END_TEST

START_TEST(a_full_queue_says_so)
{
	uint16_t ns;

	fresh(4);
	for (unsigned i = 0; i < CHAN_QUEUE_MAX; i++)
		ck_assert(chan_give_ns(&c, &ns));
	ck_assert(!chan_give_ns(&c, &ns));
}
END_TEST

/* Two of them, a network that loses, doubles and reorders: everything arrives, once, in order. */
struct end {
	struct chan c;
	uint16_t next; /* expected content */
	unsigned made;
};
struct flying {
	uint8_t m[32];
	size_t len;
};

static uint32_t seed;

static uint32_t
dice(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

static void
end_send(struct end *e, mono_t now, struct flying *to, unsigned *n)
{
	uint8_t m[CHAN_MESSAGE_MAX];
	struct chan_seq s;
	uint16_t ns;
	size_t len;

	while (chan_acked(&e->c, &ns))
		chan_apply_out(&e->c, ns, span_of(NULL, 0));
	s = e->c.seq;
	chan_apply_seq(&e->c, &s);
	while ((len = chan_transmit(&e->c, now, m)) > 0 || chan_take_ack(&e->c)) {
		struct wr w = wr_of(m, sizeof m);
		if (len == 0) {
			l2tp_zlb_write(&w, 1, e->c.seq.ns, e->c.seq.nr);
			len = wr_len(&w);
		}
		unsigned copies = dice() % 100 < 25 ? 0 : dice() % 100 < 10 ? 2 : 1;
		for (unsigned i = 0; i < copies && *n < 64; i++) {
			memcpy(to[*n].m, m, len);
			to[(*n)++].len = len;
		}
	}
}

static void
end_take(struct end *e, mono_t now, const struct flying *f)
{
	bool empty = f->len == L2TP_CONTROL_HEADER;
	struct span next = span_of(f->m, f->len);

	if (chan_receive(&e->c, now, get_u16(f->m + 8), get_u16(f->m + 10), empty, next) != CHAN_DELIVER)
		return;
	do {
		ck_assert_uint_eq(get_u16(next.p + 12), e->next);
		e->next++;
	} while (chan_receive_early(&e->c, &next));
}

START_TEST(everything_arrives_once_and_in_order_through_a_bad_network)
{
	struct end e[2];
	struct flying air[2][64];
	unsigned n[2] = { 0 }, total = 600;
	mono_t now = at(0);

	seed = 77 + (uint32_t)_i * 7919;
	memset(e, 0, sizeof e);
	for (unsigned i = 0; i < 2; i++) {
		chan_init(&e[i].c, _i % 2 ? &quick : &conf);
		e[i].c.conf.rtx_tries = 50;
		chan_set_peer_window(&e[i].c, conf.window);
		chan_apply_seq(&e[i].c, &(struct chan_seq){ .ns = 65400, .nr = 65400, .peer_nr = 65400 });
		chan_start(&e[i].c, now, MONO_NEVER);
	}
	for (unsigned round = 0; round < 400000 && (e[0].next < total || e[1].next < total); round++) {
		now += 5 * MONO_MS;
		for (unsigned i = 0; i < 2; i++) {
			uint8_t m[14] = { 0xc8, 2, 0, 14 };
			uint16_t ns;
			if (e[i].made < total && dice() % 4 == 0 && chan_give_ns(&e[i].c, &ns)) {
				put_u16(m + 8, ns);
				put_u16(m + 12, (uint16_t)e[i].made++);
				chan_apply_out(&e[i].c, ns, span_of(m, sizeof m));
			}
			ck_assert_int_ne(chan_tick(&e[i].c, now), CHAN_DEAD);
			end_send(&e[i], now, air[1 - i], &n[1 - i]);
			while (n[i] && dice() % 3) { /* any of those under way */
				unsigned k = dice() % n[i];
				struct flying f = air[i][k];
				air[i][k] = air[i][--n[i]];
				end_take(&e[i], now, &f);
			}
		}
	}
	ck_assert_uint_eq(e[0].next, total);
	ck_assert_uint_eq(e[1].next, total);
	chan_fini(&e[0].c);
	chan_fini(&e[1].c);
}
END_TEST

/* ---- RFC 4951 ----------------------------------------------------------------------------- */

START_TEST(a_reset_begins_anew)
{
	uint8_t early[14] = { 0 };
	uint16_t ns;

	fresh_at(8, 100, 200);
	queue(5);
	ck_assert_str_eq(sent(0), "100/200 ");
	ck_assert_int_eq(chan_receive(&c, at(0), 202, 100, false, span_of(early, sizeof early)), CHAN_EARLY);
	for (ns = 100; ns < 105; ns++)
		chan_apply_out(&c, ns, span_of(NULL, 0));
	chan_reset(&c, at(1), 7000, 300);
	ck_assert_uint_eq(chan_backlog(&c), 0);
	ck_assert(chan_due(&c) == MONO_NEVER);
	ck_assert(!chan_acked(&c, &ns));
	ck_assert(!chan_take_ack(&c));
	ck_assert_int_eq(chan_receive(&c, at(1), 201, 100, false, span_of(early, sizeof early)), CHAN_DUPLICATE); /* an old packet */
	ck_assert_int_eq(chan_receive(&c, at(1), 300, 7000, false, span_of(early, sizeof early)), CHAN_DELIVER);
	queue(1);
	ck_assert_str_eq(sent(1), "7000/301 ");
}
END_TEST

START_TEST(who_has_not_answered_may_be_asked_on)
{
	mono_t due;
	unsigned n = 0;

	fresh_at(8, 100, 200);
	queue(1);
	sent(0);
	while (chan_tick(&c, chan_due(&c)) != CHAN_DEAD)
		ck_assert_uint_lt(n++, 10);
	for (unsigned i = 0; i < 3; i++) {
		due = chan_due(&c);
		chan_insist(&c, due);
		ck_assert(chan_due(&c) == due + 8 * MONO_S);
		ck_assert_str_eq(sent((double)due / 1e9 - 1000), "100/200 ");
		ck_assert_int_eq(chan_tick(&c, chan_due(&c)), CHAN_DEAD);
	}
	ck_assert_int_eq(chan_receive(&c, due + MONO_S, 200, 101, true, span_of(NULL, 0)), CHAN_ACK_ONLY);
	ck_assert(chan_due(&c) == MONO_NEVER);
	ck_assert_uint_eq(c.tries, 0);
}
END_TEST

START_TEST(forgotten_numbers_are_learnt)
{
	fresh_at(8, 100, 200);
	ck_assert(!chan_learn(&c, 200, 100, true));  /* as we know it */
	ck_assert(!chan_learn(&c, 200, 90, false));  /* a late one */
	ck_assert(!chan_learn(&c, 190, 100, false)); /* a copy */
	ck_assert(chan_learn(&c, 200, 105, true));
	ck_assert_uint_eq(c.seq.ns, 105);
	ck_assert(!chan_learn(&c, 203, 105, false)); /* what is before may be under way */
	ck_assert_uint_eq(c.seq.nr, 200);
	ck_assert(!chan_learn(&c, 204, 105, false));
	ck_assert(!chan_learn(&c, 203, 105, false));
	ck_assert(chan_learn(&c, 203, 105, false)); /* it repeats itself: it has nothing older */
	ck_assert_uint_eq(c.seq.nr, 203);
	ck_assert(!chan_learn(&c, 203, 105 + 5000, true)); /* more than a moment can hold */
	ck_assert(!chan_learn(&c, 203 + 5000, 105, false));
	ck_assert(!chan_learn(&c, 203 + 5000, 105, false));
	ck_assert_int_eq(zlb(0, 203, 105), CHAN_ACK_ONLY);
	queue(1);
	ck_assert_str_eq(sent(0), "105/203 ");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, appendix_b1_lock_step_establishment);
	tcase_add_test(tc, appendix_b2_lost_reply_is_sent_again_and_the_duplicate_acknowledged);
	tcase_add_test(tc, retransmission_carries_the_nr_of_now);
	tcase_add_test(tc, intervals_double_up_to_the_cap_and_then_the_peer_is_given_up);
	tcase_add_test(tc, an_acknowledgement_begins_the_interval_anew);
	tcase_add_test(tc, a_peer_that_answers_at_once_is_asked_again_sooner);
	tcase_add_test(tc, an_early_retransmission_shortens_nothing_else);
	tcase_add_test(tc, what_was_sent_twice_is_not_measured);
	tcase_add_test(tc, a_late_clock_leaves_time_for_the_answer_of_the_last_try);
	tcase_add_test(tc, three_acknowledgements_without_news_show_a_loss);
	tcase_add_test(tc, few_messages_out_need_fewer_and_a_single_one_has_none);
	tcase_add_test(tc, messages_and_old_acknowledgements_show_no_loss);
	tcase_add_test(tc, a_peer_that_repeats_itself_to_a_promoted_node_shows_no_loss);
	tcase_add_test(tc, slow_start_doubles_each_round_trip);
	tcase_add_test(tc, the_window_never_exceeds_what_the_peer_offers);
	tcase_add_test(tc, a_peer_that_offers_nothing_gets_four_and_zero_is_one);
	tcase_add_test(tc, congestion_halves_the_threshold_and_avoidance_grows_by_one_a_window);
	tcase_add_test(tc, what_the_peer_kept_is_not_sent_again);
	tcase_add_test(tc, messages_out_of_order_are_delivered_in_order);
	tcase_add_test(tc, beyond_our_window_is_dropped);
	tcase_add_test(tc, the_example_of_section_5_8);
	tcase_add_test(tc, an_nr_that_was_never_sent_is_refused_and_an_old_one_ignored);
	tcase_add_test(tc, a_zlb_takes_no_number_and_is_not_acknowledged);
	tcase_add_test(tc, numbers_wrap);
	tcase_add_test(tc, a_promoted_node_sends_what_is_unacknowledged_again);
	tcase_add_test(tc, a_missing_message_ends_the_peer_instead_of_waiting_for_ever);
	tcase_add_test(tc, stored_rows_of_any_number_stay_bounded);
	tcase_add_test(tc, a_full_queue_says_so);
	tcase_add_test(tc, a_reset_begins_anew);
	tcase_add_test(tc, who_has_not_answered_may_be_asked_on);
	tcase_add_test(tc, forgotten_numbers_are_learnt);
	tcase_add_loop_test(tc, everything_arrives_once_and_in_order_through_a_bad_network, 0, 20);
}

UNIT_MAIN("chan", add_tests)
