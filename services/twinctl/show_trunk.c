// SPDX-License-Identifier: Apache-2.0
/*
 * Trunks (RFC 4170): what the workers say of theirs, a row for each trunk and direction; one of them whole; or,
 * with `watch`, what passed in each second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "out.h"
#include "show.h"
#include "text.h"

static uint64_t
number(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

/* All pages of all workers; each trunk has its worker's number. */
static json_t *
ask_all(struct node *n)
{
	json_t *all = json_array(), *page, *t;
	const unsigned workers = node_conf(n)->data.workers;
	char process[TEXT], from[TEXT];
	size_t i;

	for (unsigned w = 0; w < workers; w++) {
		uint64_t next = 0;
		snprintf(process, sizeof process, "worker.%u", w);
		do {
			const char *words[] = { "trunks", from };
			snprintf(from, sizeof from, "%llu", (unsigned long long)next);
			page = node_ask_json(n, process, words, 2);
			next = page ? number(page, "next") : 0;
			json_array_foreach(json_object_get(page, "trunks"), i, t) {
				json_object_set_new(t, "worker", json_integer(w));
				json_array_append(all, t);
			}
			if (!page)
				fprintf(stderr, "twinctl: %s does not answer\n", process);
			json_decref(page);
		} while (next);
	}
	return all;
}

/* ---- what follows from the numbers ---------------------------------------------------------- */

static double
ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

/* Against the same IP packets without any tunnel. */
static double
saving(uint64_t native, uint64_t wire)
{
	return native ? 100 * (1 - (double)wire / (double)native) : 0;
}

/* The most that so many % of the packets waited; 0: longer than the histogram tells. */
static uint64_t
delay_of(const json_t *send, unsigned percent)
{
	const json_t *hist = json_object_get(send, "delay-us"), *b;
	uint64_t all = 0, seen = 0;
	size_t i;

	json_array_foreach(hist, i, b)
		all += (uint64_t)json_integer_value(json_array_get(b, 1));
	json_array_foreach(hist, i, b) {
		seen += (uint64_t)json_integer_value(json_array_get(b, 1));
		if (seen * 100 >= all * percent)
			return (uint64_t)json_integer_value(json_array_get(b, 0));
	}
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct out_col cols[] = {
	{ "SESSION", OUT_TEXT, false },	   { "WAY", OUT_TEXT, false },	   { "PACKETS", OUT_NUMBER, false },
	{ "CONTEXTS", OUT_NUMBER, false }, { "PLAIN", OUT_NUMBER, false }, { "FULL", OUT_NUMBER, false },
	{ "RTP", OUT_NUMBER, false },	   { "UDP", OUT_NUMBER, false },   { "NON TCP", OUT_NUMBER, false },
	{ "HEADER", OUT_TEXT, false },	   { "SAVED", OUT_TEXT, false },   { "PER FRAME", OUT_TEXT, false },
	{ "FILL", OUT_TEXT, false },	   { "DELAY P99", OUT_TEXT, false }, { "MISSING", OUT_NUMBER, false },
	{ "REPAIRED", OUT_NUMBER, false }, { "INVALID", OUT_NUMBER, false }, { "STATES", OUT_NUMBER, false },
	{ "DROPS", OUT_NUMBER, false },
};

static void
fraction(struct out_table *o, const char *fmt, double v, bool known)
{
	char text[TEXT];

	snprintf(text, sizeof text, fmt, v);
	out_text(o, known ? text : "");
}

/* Octets of headers a packet that was compressed: before and after. */
static void
header_cell(struct out_table *o, const json_t *forms, const char *whole, const char *sent)
{
	const uint64_t n = number(forms, "full-header") + number(forms, "rtp") + number(forms, "udp") +
			   number(forms, "udp-whole") + number(forms, "non-tcp");
	char text[TEXT];

	snprintf(text, sizeof text, "%.1f > %.1f", ratio(number(forms, whole), n), ratio(number(forms, sent), n));
	out_text(o, n ? text : "");
}

static void
form_cells(struct out_table *o, const json_t *part, const json_t *forms)
{
	out_number(o, number(part, "packets"), NULL);
	out_number(o, number(forms, "contexts"), NULL);
	out_number(o, number(forms, "plain"), NULL);
	out_number(o, number(forms, "full-header"), NULL);
	out_number(o, number(forms, "rtp"), NULL);
	out_number(o, number(forms, "udp") + number(forms, "udp-whole"), NULL);
	out_number(o, number(forms, "non-tcp"), NULL);
}

static void
send_row(struct out_table *o, const char *session, const json_t *s)
{
	const json_t *forms = json_object_get(s, "compressor");
	const uint64_t packets = number(s, "packets"), frames = number(s, "frames"), native = number(s, "octets-in");
	const uint64_t p99 = delay_of(s, 99);
	char text[TEXT];

	out_row(o);
	out_text(o, session);
	out_text(o, "out");
	form_cells(o, s, forms);
	header_cell(o, forms, "header-in", "header-out");
	fraction(o, "%.1f %%", saving(native, number(s, "wire-octets")), native);
	fraction(o, "%.1f", ratio(packets, frames), frames);
	fraction(o, "%.0f %%", 100 * ratio(number(s, "mux-octets"), number(s, "mux-frames") * number(s, "mux-most-octets")),
		 number(s, "mux-frames"));
	snprintf(text, sizeof text, p99 ? "%.3g ms" : "> %.3g ms", p99 ? (double)p99 / 1000 : 128.0);
	out_text(o, packets ? text : "");
	out_number(o, 0, "");
	out_number(o, number(forms, "repairs"), NULL);
	out_number(o, 0, "");
	out_number(o, number(s, "states-heard"), NULL);
	out_number(o, 0, "");
}

static uint64_t
drops_of(const json_t *r)
{
	uint64_t n = number(r, "no-room") + number(r, "mux-truncated") + number(r, "mux-empty") + number(r, "mux-forbidden");
	const char *key;
	json_t *v;

	json_object_foreach(json_object_get((json_t *)r, "drops"), key, v)
		n += (uint64_t)json_integer_value(v);
	return n;
}

static void
receive_row(struct out_table *o, const char *session, const json_t *r)
{
	const json_t *forms = json_object_get(r, "decompressor");
	const uint64_t frames = number(r, "frames"), native = number(r, "octets-out");

	out_row(o);
	out_text(o, session);
	out_text(o, "in");
	form_cells(o, r, forms);
	header_cell(o, forms, "header-out", "header-in");
	fraction(o, "%.1f %%", saving(native, number(r, "wire-octets")), native);
	fraction(o, "%.1f", ratio(number(r, "packets"), frames), frames);
	out_text(o, "");
	out_text(o, "");
	out_number(o, number(forms, "missing"), NULL);
	out_number(o, number(forms, "repaired"), NULL);
	out_number(o, number(forms, "invalidated"), NULL);
	out_number(o, number(r, "states-sent"), NULL);
	out_number(o, drops_of(r), NULL);
}

static void
table(const json_t *all)
{
	struct out_table *o = out_table_new("trunks", cols, sizeof cols / sizeof cols[0]);
	size_t i;
	json_t *t;

	json_array_foreach(all, i, t) {
		const char *session = json_string_value(json_object_get(t, "session"));
		send_row(o, session ? session : "", json_object_get(t, "send"));
		receive_row(o, session ? session : "", json_object_get(t, "receive"));
	}
	out_table_end(o, "no trunks");
}

static int
show_all(struct node *n)
{
	json_t *all = ask_all(n), *o;

	if (out_json) {
		o = json_pack("{s:O}", "trunks", all);
		json_dumpf(o, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(o);
	} else {
		table(all);
	}
	json_decref(all);
	return DONE;
}

/* ---- one, whole -------------------------------------------------------------------------------- */

static void
section(json_t *to, const char *name, json_t *part, const char *inner)
{
	char text[TEXT];
	json_t *o = json_object(), *v;
	const char *key;

	json_object_foreach(part, key, v) {
		if (json_is_integer(v))
			json_object_set(o, key, v);
	}
	json_object_set_new(to, name, o);
	snprintf(text, sizeof text, "%s: %s", name, inner);
	json_object_set(to, text, json_object_get(part, inner));
}

static void
delay_section(json_t *to, const json_t *send)
{
	json_t *o = json_object(), *b;
	char text[TEXT];
	size_t i;

	json_array_foreach(json_object_get(send, "delay-us"), i, b) {
		const double most = (double)json_integer_value(json_array_get(b, 0)) / 1000;
		if (most > 0)
			snprintf(text, sizeof text, "below %g ms", most);
		else
			snprintf(text, sizeof text, "longer");
		if (json_integer_value(json_array_get(b, 1)))
			json_object_set(o, text, json_array_get(b, 1));
	}
	json_object_set_new(to, "send: packets by the time they waited", o);
}

static int
show_one(struct node *n, const char *id, unsigned session)
{
	const unsigned worker = session % node_conf(n)->data.workers;
	const char *words[] = { "trunk", id };
	char process[TEXT];
	json_t *t, *o;

	snprintf(process, sizeof process, "worker.%u", worker);
	t = node_ask_json(n, process, words, 2);
	if (!t) {
		fprintf(stderr, "twinctl: %s is no trunk of this node, or %s does not answer\n", id, process);
		return REFUSED;
	}
	if (out_json) {
		json_dumpf(t, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		o = json_object();
		section(o, "send", json_object_get(t, "send"), "compressor");
		delay_section(o, json_object_get(t, "send"));
		section(o, "receive", json_object_get(t, "receive"), "decompressor");
		json_object_set(o, "receive: drops", json_object_get(json_object_get(t, "receive"), "drops"));
		out_sections(o);
	}
	json_decref(t);
	return DONE;
}

/* ---- live ---------------------------------------------------------------------------------------- */

struct flow {
	uint64_t packets, native, wire, frames, states;
};

static struct flow
flow_of(const json_t *t, const char *way)
{
	const bool out = strcmp(way, "send") == 0;
	const json_t *p = json_object_get(t, way);

	return (struct flow){ .packets = number(p, "packets"),
			      .frames = number(p, "frames"),
			      .native = number(p, out ? "octets-in" : "octets-out"),
			      .wire = number(p, "wire-octets"),
			      .states = number(p, out ? "states-heard" : "states-sent") };
}

static const json_t *
same_trunk(const json_t *all, const json_t *t)
{
	const char *session = json_string_value(json_object_get(t, "session")), *other;
	size_t i;
	json_t *o;

	json_array_foreach((json_t *)all, i, o) {
		other = json_string_value(json_object_get(o, "session"));
		if (session && other && strcmp(session, other) == 0)
			return o;
	}
	return NULL;
}

/*
 * What passed between two looks.  A trunk that was not there counts from its beginning; so does one whose numbers went
 * back, for its worker began anew; one that is gone, or does not answer now, not at all.
 */
static struct flow
passed(const json_t *was, const json_t *now, const char *way)
{
	struct flow sum = { 0 };
	size_t i;
	json_t *t;

	json_array_foreach((json_t *)now, i, t) {
		const json_t *before = same_trunk(was, t);
		const struct flow b = flow_of(t, way);
		struct flow a = before ? flow_of(before, way) : (struct flow){ 0 };
		if (b.packets < a.packets || b.wire < a.wire)
			a = (struct flow){ 0 };
		sum.packets += b.packets - a.packets;
		sum.frames += b.frames - a.frames;
		sum.native += b.native - a.native;
		sum.wire += b.wire - a.wire;
		sum.states += b.states - a.states;
	}
	return sum;
}

static double
clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
print_passed(const char *way, const struct flow *f, double s)
{
	printf("%-4s %9.0f packets/s in %8.0f frames/s (%4.1f)  %8.0f kbit/s native  %8.0f kbit/s in the trunk  %6.1f %% saved  "
	       "%llu CONTEXT_STATE\n",
	       way, (double)f->packets / s, (double)f->frames / s, ratio(f->packets, f->frames), (double)f->native * 8 / 1000 / s,
	       (double)f->wire * 8 / 1000 / s, saving(f->native, f->wire), (unsigned long long)f->states);
}

/* For so many seconds; 0: until it is interrupted. */
static int
watch(struct node *n, unsigned long seconds)
{
	json_t *was = ask_all(n), *now;
	double then = clock_s(), at;

	for (unsigned long i = 0; seconds == 0 || i < seconds; i++) {
		struct flow f;
		sleep(1);
		now = ask_all(n);
		at = clock_s();
		f = passed(was, now, "send");
		print_passed("out", &f, at - then);
		f = passed(was, now, "receive");
		print_passed("in", &f, at - then);
		if (fflush(stdout) != 0) /* whoever looked has gone */
			seconds = i + 1;
		json_decref(was);
		was = now;
		then = at;
	}
	json_decref(was);
	return DONE;
}

int
trunk_command(struct node *n, const char *const *words, unsigned count)
{
	unsigned tunnel, session;
	unsigned long seconds = 0;

	if (count == 0)
		return show_all(n);
	if (count <= 2 && strcmp(words[0], "watch") == 0 && (count == 1 || text_number(words[1], 86400, &seconds)))
		return watch(n, seconds);
	if (count == 1 && text_session_id(words[0], &tunnel, &session))
		return show_one(n, words[0], session);
	return usage_error("trunk [TUNNEL/SESSION | watch [SECONDS]]");
}
