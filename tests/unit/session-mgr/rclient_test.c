// SPDX-License-Identifier: Apache-2.0
/* The RADIUS client against servers that are slow, silent, dead and lying.  Time is moved by hand. */
#include <string.h>

#include "lib/unit.h"
#include "rclient.h"

#define SENT 8192

static struct {
	unsigned server, socket;
	uint8_t b[64];
	size_t len;
} sent[SENT];
static unsigned sent_n, done_n, answered_n, deaths, births;
static uint32_t done_cargo;
static struct rclient *c;
static struct rclient_conf conf;

static struct span
build(void *arg, const void *cargo, size_t len, unsigned server, uint8_t id, const uint8_t auth[16], uint8_t buf[RAD_MAX])
{
	struct rad_writer w;

	rad_begin(&w, buf, RAD_MAX, RAD_ACCESS_REQUEST, id, auth);
	rad_put(&w.w, RAD_USER_NAME, cargo, len);
	return rad_end(&w, span_of("s", 1), NULL);
}

static void
on_send(void *arg, unsigned server, unsigned socket, struct span d)
{
	ck_assert_uint_lt(sent_n, SENT);
	ck_assert_uint_le(d.len, sizeof sent[0].b);
	sent[sent_n].server = server;
	sent[sent_n].socket = socket;
	sent[sent_n].len = d.len;
	memcpy(sent[sent_n++].b, d.p, d.len);
}

static void
on_done(void *arg, const void *cargo, size_t len, enum rclient_end end, const struct rad_packet *answer, unsigned server)
{
	done_n++;
	answered_n += end == RCLIENT_ANSWERED;
	memcpy(&done_cargo, cargo, 4);
	ck_assert_int_eq(end == RCLIENT_ANSWERED, answer != NULL);
}

static void
on_random(void *arg, uint8_t *out, size_t n)
{
	static uint8_t x;

	for (size_t i = 0; i < n; i++)
		out[i] = ++x;
}

static void
on_state(void *arg, unsigned server, bool dead)
{
	deaths += dead;
	births += !dead;
}

static void
start(unsigned servers, unsigned in_flight)
{
	static const struct rclient_ops ops = { build, on_send, on_done, on_random, on_state };

	sent_n = done_n = answered_n = deaths = births = 0;
	conf = (struct rclient_conf){ .servers = servers, .timeout_ms = 1000, .tries = 3, .in_flight = in_flight };
	for (unsigned i = 0; i < servers; i++)
		strcpy(conf.secret[i], "s");
	c = rclient_new(&ops, NULL);
	rclient_configure(c, &conf, MONO_S);
}

static void
ask(uint32_t n, mono_t now)
{
	ck_assert(rclient_ask(c, &n, sizeof n, now));
}

static size_t
answer_to(unsigned i, uint8_t code, const char *secret, uint8_t out[64])
{
	struct rad_writer w;

	rad_begin(&w, out, 64, (enum rad_code)code, sent[i].b[1], NULL);
	rad_put_u32(&w.w, RAD_SESSION_TIMEOUT, 5);
	return rad_end(&w, span_of(secret, strlen(secret)), sent[i].b + 4).len;
}

static void
answer(unsigned i, mono_t now)
{
	uint8_t b[64];
	size_t n = answer_to(i, RAD_ACCESS_ACCEPT, "s", b);

	rclient_input(c, sent[i].server, sent[i].socket, span_of(b, n), now);
}

START_TEST(a_request_is_repeated_unchanged_and_answered_once)
{
	start(1, 10);
	ask(1, MONO_S);
	rclient_tick(c, 2 * MONO_S);
	ck_assert_uint_eq(sent_n, 2);
	ck_assert_mem_eq(sent[0].b, sent[1].b, sent[0].len);
	answer(0, 2 * MONO_S);
	answer(1, 2 * MONO_S);
	ck_assert_uint_eq(answered_n, 1);
	ck_assert_uint_eq(rclient_counts(c).unexpected, 1);
	ck_assert_int_eq(rclient_next_due(c), MONO_NEVER);
	rclient_free(c);
}
END_TEST

START_TEST(a_silent_server_is_given_up_for_the_next_one)
{
	start(2, 10);
	ask(1, MONO_S);
	for (int s = 2; s <= 4; s++)
		rclient_tick(c, s * MONO_S);
	ck_assert_uint_eq(sent_n, 4);
	ck_assert_uint_eq(sent[2].server, 0);
	ck_assert_uint_eq(sent[3].server, 1);
	ck_assert(memcmp(sent[3].b + 4, sent[0].b + 4, 16) != 0); /* built anew */
	ck_assert_uint_eq(deaths, 1);
	ask(2, 4 * MONO_S);
	ck_assert_uint_eq(sent[4].server, 1); /* the dead one is left alone ... */
	answer(3, 4 * MONO_S);
	answer(4, 4 * MONO_S);
	ask(3, 40 * MONO_S);
	ask(4, 40 * MONO_S);
	ck_assert_uint_eq(sent[5].server, 0); /* ... and probed with one request later */
	ck_assert_uint_eq(sent[6].server, 1);
	answer(5, 40 * MONO_S);
	ck_assert_uint_eq(births, 1);
	ask(5, 40 * MONO_S);
	ck_assert_uint_eq(sent[7].server, 0);
	rclient_free(c);
}
END_TEST

START_TEST(what_a_server_owes_can_be_seen)
{
	struct rclient_server s;

	start(2, 10);
	s = rclient_server(c, 0, MONO_S);
	ck_assert(!s.dead && !s.probing && s.out == 0 && s.silent_ms == 0 && s.wait_ms == 0);
	ask(1, MONO_S);
	s = rclient_server(c, 0, MONO_S + 250 * MONO_MS);
	ck_assert(!s.dead && s.out == 1 && s.silent_ms == 250);
	for (int at = 2; at <= 4; at++)
		rclient_tick(c, at * MONO_S);
	s = rclient_server(c, 0, 4 * MONO_S);
	ck_assert(s.dead && !s.probing && s.out == 0 && s.wait_ms == RCLIENT_DEAD / MONO_MS);
	ck_assert_uint_eq(rclient_server(c, 1, 4 * MONO_S).out, 1);
	ask(2, 40 * MONO_S);
	s = rclient_server(c, 0, 40 * MONO_S);
	ck_assert(s.dead && s.probing && s.out == 1 && s.wait_ms == 0);
	s = rclient_server(c, 2, 40 * MONO_S); /* there is no such server */
	ck_assert(!s.dead && s.out == 0);
	rclient_free(c);
}
END_TEST

START_TEST(nobody_answers_and_the_end_is_told)
{
	start(2, 10);
	ask(7, MONO_S);
	for (int s = 2; s < 20; s++)
		rclient_tick(c, s * MONO_S);
	ck_assert_uint_eq(done_n, 1);
	ck_assert_uint_eq(answered_n, 0);
	ck_assert_uint_eq(done_cargo, 7);
	ck_assert_uint_eq(rclient_outstanding(c), 0);
	rclient_free(c);
}
END_TEST

START_TEST(a_liar_cannot_end_a_request)
{
	uint8_t b[64], huge[5000] = { 2 };
	size_t n;

	start(1, 10);
	ask(1, MONO_S);
	n = answer_to(0, RAD_ACCESS_ACCEPT, "wrong", b);
	rclient_input(c, 0, 0, span_of(b, n), MONO_S);
	n = answer_to(0, RAD_ACCESS_ACCEPT, "s", b);
	rclient_input(c, 0, 0, span_of(b, n - 1), MONO_S); /* truncated */
	b[1]++;
	rclient_input(c, 0, 0, span_of(b, n), MONO_S); /* another identifier */
	n = answer_to(0, RAD_ACCOUNTING_RESPONSE, "s", b);
	rclient_input(c, 0, 0, span_of(b, n), MONO_S);
	rclient_input(c, 0, 0, span_of(huge, sizeof huge), MONO_S);
	rclient_input(c, 0, 5, span_of(b, n), MONO_S); /* another socket */
	rclient_input(c, 3, 0, span_of(b, n), MONO_S);
	ck_assert_uint_eq(done_n, 0);
	ck_assert_uint_eq(rclient_counts(c).bad_authenticator, 1);
	ck_assert_uint_eq(rclient_counts(c).bad_code, 2);
	answer(0, MONO_S);
	ck_assert_uint_eq(answered_n, 1);
	rclient_free(c);
}
END_TEST

START_TEST(in_flight_is_a_bound_and_the_rest_waits_in_order)
{
	start(1, 4);
	for (uint32_t i = 0; i < 10; i++)
		ask(i, MONO_S);
	ck_assert_uint_eq(sent_n, 4);
	ck_assert_uint_eq(rclient_outstanding(c), 10);
	for (unsigned i = 0; i < 10; i++) {
		answer(i, MONO_S);
		ck_assert_uint_eq(done_cargo, i);
	}
	ck_assert_uint_eq(answered_n, 10);
	rclient_free(c);
}
END_TEST

START_TEST(a_slow_server_does_not_hold_up_the_other)
{
	start(2, 2);
	for (uint32_t i = 0; i < 4; i++)
		ask(i, MONO_S);
	ck_assert_uint_eq(sent[1].server, 0);
	ck_assert_uint_eq(sent[2].server, 1);
	ck_assert_uint_eq(sent[3].server, 1);
	rclient_free(c);
}
END_TEST

START_TEST(four_thousand_at_once_use_as_many_sockets_as_they_need)
{
	start(1, 4096);
	for (uint32_t i = 0; i < 4096; i++)
		ask(i, MONO_S);
	ck_assert_uint_eq(sent_n, 4096);
	for (unsigned i = 0; i < 4096; i++)
		answer(i, MONO_S);
	ck_assert_uint_eq(answered_n, 4096);
	rclient_free(c);
}
END_TEST

START_TEST(what_waits_too_long_is_told)
{
	start(1, 1);
	ask(1, MONO_S);
	ask(2, MONO_S);
	rclient_tick(c, 40 * MONO_S);
	rclient_tick(c, 41 * MONO_S);
	rclient_tick(c, 42 * MONO_S);
	rclient_tick(c, 43 * MONO_S);
	ck_assert_uint_eq(done_n, 2);
	rclient_free(c);
}
END_TEST

START_TEST(a_new_configuration_asks_everything_anew)
{
	start(2, 10);
	ask(1, MONO_S);
	conf.servers = 1;
	rclient_configure(c, &conf, 2 * MONO_S);
	ck_assert_uint_eq(sent_n, 2);
	answer(1, 2 * MONO_S);
	ck_assert_uint_eq(answered_n, 1);
	conf.servers = 0;
	rclient_configure(c, &conf, 2 * MONO_S);
	ck_assert(!rclient_ask(c, "x", 1, MONO_S));
	rclient_free(c);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, a_request_is_repeated_unchanged_and_answered_once);
	tcase_add_test(t, a_silent_server_is_given_up_for_the_next_one);
	tcase_add_test(t, what_a_server_owes_can_be_seen);
	tcase_add_test(t, nobody_answers_and_the_end_is_told);
	tcase_add_test(t, a_liar_cannot_end_a_request);
	tcase_add_test(t, in_flight_is_a_bound_and_the_rest_waits_in_order);
	tcase_add_test(t, a_slow_server_does_not_hold_up_the_other);
	tcase_add_test(t, four_thousand_at_once_use_as_many_sockets_as_they_need);
	tcase_add_test(t, what_waits_too_long_is_told);
	tcase_add_test(t, a_new_configuration_asks_everything_anew);
}

UNIT_MAIN("rclient", add)
