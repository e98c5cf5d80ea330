// SPDX-License-Identifier: Apache-2.0
/* The bus over real ipc endpoints in a directory of its own: both ends in one loop, no sleeping. */
#include "bus/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/verbs.h"
#include "lib/unit.h"

static struct loop *loop;
static struct bus *bus;
static char dir[64], tape[1024];
static unsigned messages;

static void
setup(void)
{
	strcpy(dir, "/tmp/bus_test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	loop = loop_new();
	bus = bus_new(loop, dir);
	ck_assert_ptr_nonnull(bus);
	tape[0] = 0;
	messages = 0;
}

static void
teardown(void)
{
	static const char *const names[] = { "s", "p", "cmd.proc" };
	char path[128];

	bus_free(bus);
	loop_free(loop);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(dir), 0);
}

/* Runs the loop until the condition holds; Check's timeout ends a test in which it never does. */
#define UNTIL(CONDITION)                                                                           \
	while (!(CONDITION))                                                                       \
	loop_once(loop, 20 * MONO_MS)

static struct span
text(const char *s)
{
	return span_of(s, strlen(s));
}

/* "identity:frame|frame " */
static void
note(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	char *at = tape + strlen(tape);

	at += sprintf(at, "%.*s:", (int)identity.len, (const char *)identity.p);
	for (unsigned i = 0; i < n; i++)
		at += sprintf(at, "%s%.*s", i ? "|" : "", (int)f[i].len, (const char *)f[i].p);
	strcpy(at, " ");
	messages++;
}

static void
answer(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	note(arg, from, identity, f, n);
	ck_assert(bus_send(from, identity, f, n));
}

static void
echo(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	ck_assert(bus_send(from, identity, f, n));
}

START_TEST(a_router_and_a_dealer_talk_in_frames)
{
	const struct span frames[] = { text("head"), text(""), text("tail") };

	ck_assert_ptr_nonnull(bus_router_bind(bus, "s", answer, NULL));
	struct bus_sock *d = bus_dealer_connect(bus, "s", "worker.0", note, NULL);
	ck_assert(bus_send(d, span_of(NULL, 0), frames, 3));
	UNTIL(messages == 2);
	ck_assert_str_eq(tape, "worker.0:head||tail :head||tail ");
	ck_assert_uint_eq(bus_counts(d).sent, 1);
	ck_assert_uint_eq(bus_counts(d).received, 1);
}
END_TEST

START_TEST(what_is_sent_before_the_peer_is_there_arrives_later)
{
	struct bus_sock *d = bus_dealer_connect(bus, "s", "w", note, NULL);
	const struct span f = text("early");

	ck_assert(bus_send(d, span_of(NULL, 0), &f, 1));
	loop_once(loop, 0);
	bus_router_bind(bus, "s", answer, NULL);
	UNTIL(messages == 2);
	ck_assert_str_eq(tape, "w:early :early ");
}
END_TEST

START_TEST(an_unknown_peer_is_a_refusal_with_a_counter)
{
	struct bus_sock *r = bus_router_bind(bus, "s", note, NULL);
	const struct span f = text("x");

	ck_assert(!bus_send(r, text("nobody"), &f, 1));
	ck_assert_uint_eq(bus_counts(r).refused_no_peer, 1);
	ck_assert_uint_eq(bus_counts(r).sent, 0);
}
END_TEST

START_TEST(a_full_queue_is_a_refusal_with_a_counter_and_never_blocks)
{
	const struct span f = text("x");
	unsigned sent = 0;

	bus_set_hwm(bus, 10);
	struct bus_sock *d = bus_dealer_connect(bus, "s", "w", note, NULL); /* nobody listens */
	while (bus_send(d, span_of(NULL, 0), &f, 1))
		sent++;
	ck_assert_uint_eq(sent, 10);
	ck_assert_uint_eq(bus_counts(d).refused_full, 1);
}
END_TEST

START_TEST(a_message_made_once_goes_to_many)
{
	const struct span frames[] = { text("r1"), text("r2") };
	struct bus_sock *r = bus_router_bind(bus, "s", note, NULL);
	struct bus_sock *d[2] = { bus_dealer_connect(bus, "s", "a", note, NULL),
				  bus_dealer_connect(bus, "s", "b", note, NULL) };
	const struct span hi = text("hi");

	for (int i = 0; i < 2; i++)
		bus_send(d[i], span_of(NULL, 0), &hi, 1);
	UNTIL(messages == 2);
	tape[0] = 0;
	struct bus_message *m = bus_message_new(frames, 2);
	ck_assert(bus_message_send_after(r, text("a"), text("h"), m));
	ck_assert(bus_message_send(r, text("b"), m));
	ck_assert(!bus_message_send(r, text("c"), m));
	bus_message_free(m);
	UNTIL(messages == 4);
	ck_assert_ptr_nonnull(strstr(tape, ":h|r1|r2 "));
	ck_assert_ptr_nonnull(strstr(tape, ":r1|r2 "));
}
END_TEST

START_TEST(a_peer_that_comes_again_takes_over_its_identity)
{
	struct bus_sock *r = bus_router_bind(bus, "s", note, NULL);
	struct bus_sock *old = bus_dealer_connect(bus, "s", "w", note, NULL);
	const struct span one = text("one"), two = text("two"), back = text("back");

	bus_send(old, span_of(NULL, 0), &one, 1);
	UNTIL(messages == 1);
	struct bus_sock *new = bus_dealer_connect(bus, "s", "w", note, NULL);
	bus_send(new, span_of(NULL, 0), &two, 1);
	UNTIL(messages == 2);
	ck_assert(bus_send(r, text("w"), &back, 1));
	UNTIL(messages == 3);
	ck_assert_str_eq(tape, "w:one w:two :back ");
	ck_assert_uint_eq(bus_counts(new).received, 1);
	ck_assert_uint_eq(bus_counts(old).received, 0);
}
END_TEST

static unsigned got_numbers;

static void
number(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	unsigned v;

	ck_assert_uint_eq(f[0].len, sizeof v);
	memcpy(&v, f[0].p, sizeof v);
	ck_assert_uint_eq(v, got_numbers);
	if (++got_numbers == 20000)
		loop_poke(loop);
}

/* The edge of ZMQ_FD: every message arrives although sends and receives are mixed, and nothing but
 * messages wakes us.  A lost edge sleeps to the end, far longer than a machine stands still. */
START_TEST(no_edge_is_lost_between_sends_and_receives)
{
	struct bus_sock *r = bus_router_bind(bus, "s", echo, NULL);
	struct bus_sock *d = bus_dealer_connect(bus, "s", "w", number, NULL);

	got_numbers = 0;
	for (unsigned i = 0; i < 20000; i++) {
		const struct span f = span_of(&i, sizeof i);
		ck_assert(bus_send(d, span_of(NULL, 0), &f, 1));
		if (i % 7 == 0)
			loop_once(loop, 0);
	}
	while (got_numbers < 20000) {
		mono_t before = mono_now();
		loop_once(loop, 40 * MONO_S);
		ck_assert_msg(got_numbers == 20000 || mono_now() - before < 20 * MONO_S,
			      "slept with messages waiting");
	}
	ck_assert_uint_eq(bus_counts(r).received, 20000);
}
END_TEST

static void
close_it(void *arg, struct bus_sock *from, struct span identity, const struct span *f, unsigned n)
{
	messages++;
	bus_close(from);
	bus_close(from);
	ck_assert(!bus_send(from, identity, f, n));
	ck_assert_mem_eq(f[0].p, "x", 1); /* still lent */
}

START_TEST(a_callback_may_close_its_own_socket)
{
	bus_router_bind(bus, "s", close_it, NULL);
	struct bus_sock *d = bus_dealer_connect(bus, "s", "w", note, NULL);
	const struct span f = text("x");

	bus_send(d, span_of(NULL, 0), &f, 1);
	bus_send(d, span_of(NULL, 0), &f, 1);
	UNTIL(messages == 1);
	for (int i = 0; i < 5; i++)
		loop_once(loop, MONO_MS);
	ck_assert_uint_eq(messages, 1);
}
END_TEST

START_TEST(a_message_with_too_many_frames_is_dropped_and_the_next_one_read)
{
	static struct span many[BUS_FRAMES + 5];
	struct bus_sock *r = bus_router_bind(bus, "s", note, NULL);
	struct bus_sock *d = bus_dealer_connect(bus, "s", "w", note, NULL);
	const struct span f = text("next");

	ck_assert(bus_send(d, span_of(NULL, 0), many, BUS_FRAMES + 5));
	ck_assert(bus_send(d, span_of(NULL, 0), &f, 1));
	UNTIL(messages == 1);
	ck_assert_str_eq(tape, "w:next ");
	ck_assert_uint_eq(bus_counts(r).malformed, 1);
}
END_TEST

static char links[64];

static void
on_link(void *arg, struct bus_sock *s, enum bus_link l)
{
	strcat(links, l == BUS_UP ? "U" : "D");
}

START_TEST(a_connection_that_goes_away_is_told)
{
	links[0] = 0;
	struct bus_sock *r = bus_router_bind(bus, "s", note, NULL);
	struct bus_sock *d = bus_dealer_connect(bus, "s", "w", note, NULL);
	const struct span f = text("hello");

	ck_assert(bus_watch(d, on_link, NULL));
	ck_assert(bus_send(d, span_of(NULL, 0), &f, 1));
	UNTIL(messages == 1); /* it is up, perhaps since before we watched */
	bus_close(r);
	UNTIL(strchr(links, 'D'));
	strcpy(links, "-");
	bus_router_bind(bus, "s", note, NULL);
	UNTIL(strcmp(links, "-U") == 0);
}
END_TEST

/* The other end has a loop of its own, so that ours stands still between connecting and watching. */
START_TEST(a_connection_that_was_up_before_it_was_watched_is_told)
{
	struct loop *far_loop = loop_new();
	struct bus *far = bus_new(far_loop, dir);
	const struct span f = text("hello");

	links[0] = 0;
	ck_assert_ptr_nonnull(bus_router_bind(far, "s", answer, NULL));
	struct bus_sock *d = bus_dealer_connect(bus, "s", "w", note, NULL);
	ck_assert(bus_send(d, span_of(NULL, 0), &f, 1));
	while (messages == 0)
		loop_once(far_loop, 20 * MONO_MS);
	ck_assert(bus_watch(d, on_link, NULL));
	while (messages == 1) {
		loop_once(far_loop, 0);
		loop_once(loop, MONO_MS);
	}
	ck_assert_str_eq(links, "U");
	bus_free(far);
	loop_free(far_loop);
}
END_TEST

START_TEST(a_subscriber_gets_the_latest)
{
	struct bus_sock *p = bus_pub_bind(bus, "p");
	bus_sub_connect(bus, "p", note, NULL);
	char last[16] = "";

	for (unsigned i = 0; messages == 0; i++) {
		snprintf(last, sizeof last, ":%06u ", i);
		const struct span f = span_of(last + 1, 6);
		ck_assert(bus_send(p, span_of(NULL, 0), &f, 1));
		loop_once(loop, MONO_MS);
	}
	tape[0] = 0;
	for (unsigned i = 0; i < 50; i++) {
		snprintf(last, sizeof last, ":%06u ", 900000 + i);
		const struct span f = span_of(last + 1, 6);
		bus_send(p, span_of(NULL, 0), &f, 1);
	}
	UNTIL(strstr(tape, ":900049 "));
}
END_TEST

START_TEST(a_path_too_long_for_a_socket_is_refused)
{
	char name[120];

	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	ck_assert_ptr_null(bus_router_bind(bus, name, note, NULL));
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert_ptr_null(bus_sub_connect(bus, name, note, NULL));
}
END_TEST

static const struct bus_curve right = { "0123456789abcdef0123456789abcde" },
			      wrong = { "another secret" };

START_TEST(curve_lets_in_who_has_the_secret_and_nobody_else)
{
	char at[64];
	const struct span f = text("x");
	struct bus_sock *r = NULL;

	for (int port = 20000 + getpid() % 20000; !r; port++) {
		snprintf(at, sizeof at, "tcp://127.0.0.1:%d", port);
		r = bus_router_listen(bus, at, &right, answer, NULL);
	}
	struct bus_sock *bad = bus_dealer_dial(bus, at, "bad", &wrong, note, NULL);
	struct bus_sock *open = bus_dealer_dial(bus, at, "open", NULL, note, NULL);
	struct bus_sock *good = bus_dealer_dial(bus, at, "good", &right, note, NULL);
	ck_assert(bad && open && good);
	bus_send(bad, span_of(NULL, 0), &f, 1);
	bus_send(open, span_of(NULL, 0), &f, 1);
	bus_send(good, span_of(NULL, 0), &f, 1);
	UNTIL(messages == 2);
	for (int i = 0; i < 30; i++)
		loop_once(loop, MONO_MS);
	ck_assert_str_eq(tape, "good:x :x ");
	ck_assert_uint_eq(bus_counts(r).received, 1);
}
END_TEST

/* --- commands ------------------------------------------------------------------------------ */

static struct answer *kept, *never;

static void
command(void *arg, const char *const *words, unsigned n, struct answer *a)
{
	if (strcmp(words[0], "later") == 0) {
		kept = answer_defer(a);
		ck_assert_ptr_nonnull(kept);
		return;
	}
	if (strcmp(words[0], "silent") == 0) {
		if (never)
			answer_send(never); /* who asked before has given up */
		never = answer_defer(a);
		return;
	}
	answer_say(a, n == 2, "%s with %u words", words[0], n);
	answer_json(a, "{}");
}

struct asker {
	const char *words[8];
	unsigned n, timeout_ms;
	const char *process;
	bool answered, ok, done;
	char *text, *json;
};

static void *
ask(void *arg)
{
	struct asker *a = arg;

	a->answered = bus_req_once(dir, a->process, a->words, a->n, a->timeout_ms, &a->ok, &a->text,
				   &a->json);
	__atomic_store_n(&a->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void
asked(struct asker *a)
{
	pthread_t t;

	a->process = a->process ? a->process : "proc";
	a->timeout_ms = a->timeout_ms ? a->timeout_ms : 60000;
	ck_assert_int_eq(pthread_create(&t, NULL, ask, a), 0);
	while (!__atomic_load_n(&a->done, __ATOMIC_SEQ_CST)) {
		loop_once(loop, MONO_MS);
		if (kept) {
			answer_say(kept, true, "at last");
			answer_send(kept);
			kept = NULL;
		}
	}
	pthread_join(t, NULL);
}

static void
forget(struct asker *a)
{
	free(a->text);
	free(a->json);
}

START_TEST(a_command_is_answered)
{
	struct asker a = { .words = { "tunnel", "close" }, .n = 2 },
		     b = { .words = { "tunnel" }, .n = 1 };

	ck_assert_ptr_nonnull(bus_rep(bus, "proc", command, NULL));
	asked(&a);
	ck_assert(a.answered && a.ok);
	ck_assert_str_eq(a.text, "tunnel with 2 words");
	ck_assert_str_eq(a.json, "{}");
	asked(&b);
	ck_assert(b.answered && !b.ok);
	forget(&a);
	forget(&b);
}
END_TEST

static unsigned reloads;
static enum note_level told_level;

static bool
reload(void *arg, char *said, size_t len)
{
	snprintf(said, len, "reload %u", ++reloads);
	return reloads == 1;
}

static void
level(void *arg, enum note_level least)
{
	told_level = least;
}

static void
with_verbs(void *arg, const char *const *words, unsigned n, struct answer *a)
{
	static const struct verbs verbs = { reload, level };

	if (!verbs_run(&verbs, NULL, words, n, a))
		command(arg, words, n, a);
}

static const struct {
	const char *words[3];
	unsigned n;
	bool ok;
	const char *text;
} verb_cases[] = {
	{ { "log" }, 1, true, "writes lines from info upwards" },
	{ { "log", "debug" }, 2, true, "writes lines from debug upwards, until the next reload or start" },
	{ { "log" }, 1, true, "writes lines from debug upwards" },
	{ { "log", "loud" }, 2, false, "log levels are debug, info, warning, error; not 'loud'" },
	{ { "log", "info" }, 2, true, "writes lines from info upwards, until the next reload or start" },
	{ { "reload" }, 1, true, "reload 1" },
	{ { "reload" }, 1, false, "reload 2" },
	{ { "reload", "all" }, 2, true, "reload with 2 words" }, /* not ours: the process's own */
};

START_TEST(every_process_knows_reload_and_log)
{
	reloads = 0;
	bus_rep(bus, "proc", with_verbs, NULL);
	for (unsigned i = 0; i < sizeof verb_cases / sizeof verb_cases[0]; i++) {
		struct asker a = { .n = verb_cases[i].n };
		memcpy(a.words, verb_cases[i].words, sizeof verb_cases[i].words);
		asked(&a);
		ck_assert(a.answered);
		ck_assert_str_eq(a.text, verb_cases[i].text);
		ck_assert_int_eq(a.ok, verb_cases[i].ok);
		forget(&a);
		if (i == 1)
			ck_assert_int_eq(told_level, NOTE_DEBUG);
	}
	ck_assert_int_eq(told_level, NOTE_INFO);
}
END_TEST

START_TEST(a_command_may_be_answered_later)
{
	struct asker a = { .words = { "later" }, .n = 1 };

	bus_rep(bus, "proc", command, NULL);
	asked(&a);
	ck_assert(a.answered && a.ok);
	ck_assert_str_eq(a.text, "at last");
	forget(&a);
}
END_TEST

START_TEST(nonsense_is_answered_and_hurts_nobody)
{
	struct asker a = { .words = { "\xc3(" }, .n = 1 }, b = { .n = 0 },
		     c = { .words = { "fine", "yes" }, .n = 2 };
	const struct span junk[] = { text(""), text("\xff\xff\xff") };

	bus_rep(bus, "proc", command, NULL);
	struct bus_sock *d = bus_dealer_connect(bus, "cmd.proc", "x", note, NULL);
	bus_send(d, span_of(NULL, 0), junk, 2);
	bus_send(d, span_of(NULL, 0), junk, 1);
	UNTIL(messages == 2);
	asked(&a);
	ck_assert(a.answered && !a.ok);
	ck_assert_str_eq(a.text, "not a request");
	asked(&b);
	ck_assert(b.answered && !b.ok);
	asked(&c);
	ck_assert(c.answered && c.ok);
	forget(&a);
	forget(&b);
	forget(&c);
}
END_TEST

START_TEST(a_process_that_is_down_is_named)
{
	struct asker a = { .words = { "x" }, .n = 1, .process = "session-mgr" };

	asked(&a);
	ck_assert(!a.answered);
	ck_assert_ptr_nonnull(strstr(a.text, "session-mgr is not running"));
	forget(&a);
}
END_TEST

START_TEST(a_process_that_does_not_answer_is_named)
{
	bus_rep(bus, "proc", command, NULL);
	while (!never) { /* one who gave up before its question was on its way takes it back */
		struct asker a = { .words = { "silent" }, .n = 1, .timeout_ms = 30 };

		asked(&a);
		ck_assert(!a.answered);
		ck_assert_str_eq(a.text, "proc did not answer within 30 ms");
		forget(&a);
	}
	answer_say(never, true, "too late");
	answer_send(never); /* to somebody who is gone */
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_router_and_a_dealer_talk_in_frames);
	tcase_add_test(tc, what_is_sent_before_the_peer_is_there_arrives_later);
	tcase_add_test(tc, an_unknown_peer_is_a_refusal_with_a_counter);
	tcase_add_test(tc, a_full_queue_is_a_refusal_with_a_counter_and_never_blocks);
	tcase_add_test(tc, a_message_made_once_goes_to_many);
	tcase_add_test(tc, a_peer_that_comes_again_takes_over_its_identity);
	tcase_add_test(tc, no_edge_is_lost_between_sends_and_receives);
	tcase_add_test(tc, a_callback_may_close_its_own_socket);
	tcase_add_test(tc, a_message_with_too_many_frames_is_dropped_and_the_next_one_read);
	tcase_add_test(tc, a_connection_that_goes_away_is_told);
	tcase_add_test(tc, a_connection_that_was_up_before_it_was_watched_is_told);
	tcase_add_test(tc, a_subscriber_gets_the_latest);
	tcase_add_test(tc, a_path_too_long_for_a_socket_is_refused);
	tcase_add_test(tc, curve_lets_in_who_has_the_secret_and_nobody_else);
	tcase_add_test(tc, a_command_is_answered);
	tcase_add_test(tc, every_process_knows_reload_and_log);
	tcase_add_test(tc, a_command_may_be_answered_later);
	tcase_add_test(tc, nonsense_is_answered_and_hurts_nobody);
	tcase_add_test(tc, a_process_that_is_down_is_named);
	tcase_add_test(tc, a_process_that_does_not_answer_is_named);
}

UNIT_MAIN("bus", add)
