// SPDX-License-Identifier: Apache-2.0
/*
 * The core's door: see tc.h.  A step takes one event (or a batch of datagrams), lets the machines
 * act, and then settles every tunnel that was touched: its Ns and Nr become one record, its
 * messages and its acknowledgement become effects, its next deadline goes into the heap.
 */
#include "tunnels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PACE (MONO_MS / 2) /* between two tunnels' first retransmissions after a promotion */
#define PACE_MAX (500 * MONO_MS)
#define TICK_TUNNELS 256 /* tunnels served by one tick */

/* ---- faults, counters, alarms --------------------------------------------------------- */

static const struct {
	const char *name;
	uint16_t result, error;
	const char *sentence;
} fault_rows[TC_FAULTS] = {
	[FAULT_NONE] = { "NONE", 0, 0, "" },
#define X(NAME, RESULT, ERROR, SENTENCE) [FAULT_##NAME] = { #NAME, RESULT, ERROR, SENTENCE },
#include "faults.def"
#undef X
};

static const struct counter_info counter_rows[TC_COUNTERS] = {
#define X(NAME, SENTENCE) { #NAME, SENTENCE },
#include "counters.def"
#undef X
};

static const struct counter_info fault_counter_rows[TC_FAULTS] = {
	{ "FAULT_OTHER",
	  "tunnels and calls ended for a reason that a message or an operator gave" },
#define X(NAME, RESULT, ERROR, SENTENCE) { "FAULT_" #NAME, SENTENCE },
#include "faults.def"
#undef X
};

static const struct counter_info codec_counter_rows[L2TP_FAULTS] = {
	{ "L2TP_OK", "never counted" },
#define X(NAME, COUNTER, ANSWER, RESULT, ERROR, RFC, SENTENCE) { COUNTER, SENTENCE },
#include "l2tp/faults.def"
#undef X
};

const struct alarm_info tc_alarm_info[TC_ALARMS] = {
#define X(NAME, HAPPENED, MEANS, TODO) { #NAME, HAPPENED, MEANS, TODO },
#include "alarms.def"
#undef X
};

const char *
fault_name(enum tc_fault f)
{
	return f < TC_FAULTS ? fault_rows[f].name : "unknown";
}

struct verdict
verdict_of(enum tc_fault f)
{
	struct verdict v = { .fault = f,
			     .result = fault_rows[f].result,
			     .error = fault_rows[f].error };

	snprintf(v.text, sizeof v.text, "%s", fault_rows[f].sentence);
	return v;
}

/* RFC 2661, 4.4.2, error 8: the message should name the attribute. */
struct verdict
verdict_of_trouble(const struct l2tp_trouble *t)
{
	struct verdict v = { .result = t->result, .error = t->error };

	if (t->attr || t->vendor)
		snprintf(v.text, sizeof v.text, "%s: %s (vendor %u, attribute %u)",
			 l2tp_fault_sentence(t->fault), l2tp_avp_name(t->vendor, t->attr),
			 t->vendor, t->attr);
	else
		snprintf(v.text, sizeof v.text, "%s", l2tp_fault_sentence(t->fault));
	return v;
}

void
bump_fault(struct tc *tc, const struct verdict *v)
{
	tc->faults[v->fault]++;
}

void
alarm_set(struct tc *tc, enum tc_alarm a, bool stands, const char *detail)
{
	struct tc_alarm_state *s = &tc->alarm[a];

	if (s->stands == stands)
		return;
	s->stands = stands;
	snprintf(s->detail, sizeof s->detail, "%s", detail);
	tc->alarms_moved = true;
}

const struct counters *
tc_counters(const struct tc *tc)
{
	return tc->sets;
}

const struct tc_alarm_state *
tc_alarms(const struct tc *tc)
{
	return tc->alarm;
}

bool
tc_alarms_changed(struct tc *tc)
{
	bool moved = tc->alarms_moved;

	tc->alarms_moved = false;
	return moved;
}

struct tc_population
tc_population(const struct tc *tc)
{
	return (struct tc_population){
		.tunnels = tc->tunnels,
		.established = tc->in_state[CC_ESTABLISHED],
		.half_open = tc->in_state[CC_WAIT_CTL_REPLY] + tc->in_state[CC_WAIT_CTL_CONN],
		.closing = tc->in_state[CC_CLOSING],
		.calls = tc->calls,
		.calls_established = tc->calls_established,
		.recovering = tc->in_recovery[REC_WAIT] + tc->in_recovery[REC_ASKED] +
			      tc->in_recovery[REC_SYNC],
		.away = tc->in_recovery[REC_AWAY],
	};
}

/* Length of a well-formed UTF-8 character of more than one octet; 0: none. */
static unsigned
utf8_length(const unsigned char *s)
{
	unsigned n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
		     : s[0] >= 0xe0 && s[0] <= 0xef ? 3
		     : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
						    : 0;

	for (unsigned i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

void
clean_text(char *text)
{
	unsigned char *s = (unsigned char *)text;

	while (*s) {
		unsigned n = *s < 0x80 ? 1 : utf8_length(s);
		if (n == 0 || *s < ' ' || *s == 0x7f)
			*s = '?';
		s += n ? n : 1;
	}
}

/* ---- life ----------------------------------------------------------------------------- */

static void
set_fallback(struct tc *tc)
{
	tc->fallback = (struct conf_profile){
		.window = 16,
		.hello_ms = 60000,
		.rtx_initial_ms = 1000,
		.rtx_cap_ms = 8000,
		.rtx_tries = 5,
		.v3.rtx_tries = 10,
		.setup_ms = 30000,
		.failover = true, /* what such a tunnel's row says was agreed, holds */
		.recovery_ms = 60000,
		.recovery_parallel = 16,
	};
}

struct tc *
tc_new(const struct conf *conf, const struct tc_random *random)
{
	struct tc *tc = calloc(1, sizeof *tc);

	if (!tc)
		return NULL;
	tc->conf = conf;
	tc->random = *random;
	tc->least = NOTE_INFO;
	set_fallback(tc);
	l2tp3_keys_of(span_of("", 0), &tc->no_keys);
	arena_init(&tc->arena, 0);
	random->fill(random->arg, &tc->id_key, sizeof tc->id_key);
	random->fill(random->arg, &tc->serial, sizeof tc->serial);
	tc->serial &= 0x0fffffff;
	tc->rec_due = MONO_NEVER;
	tc->sets[0] = (struct counters){ counter_rows, tc->n, TC_COUNTERS };
	tc->sets[1] = (struct counters){ fault_counter_rows, tc->faults, TC_FAULTS };
	tc->sets[2] = (struct counters){ codec_counter_rows, tc->codec, L2TP_FAULTS };
	return tc;
}

void
tc_clear(struct tc *tc)
{
	while (tc->all)
		tunnel_unlink(tc, tc->all);
	tc->touched = NULL;
	tc->draining = 0;
	lac_forget(tc);
	bury(tc);
}

void
tc_free(struct tc *tc)
{
	if (!tc)
		return;
	tc_clear(tc);
	arena_fini(&tc->arena);
	free(tc->heap);
	free(tc);
}

void
tc_note_level(struct tc *tc, enum note_level least)
{
	tc->least = least;
}

bool
tc_active(const struct tc *tc)
{
	return tc->active;
}

void
tc_configure(struct tc *tc, mono_t now, const struct conf *conf)
{
	struct tunnel *t;

	tc->now = now;
	tc->out = NULL;
	tc->conf = conf;
	memset(tc->of_profile, 0, sizeof tc->of_profile);
	memset(tc->in_state, 0, sizeof tc->in_state);
	memset(tc->half_open_of, 0, sizeof tc->half_open_of);
	memset(tc->in_recovery, 0, sizeof tc->in_recovery);
	memset(tc->offers, 0, sizeof tc->offers);
	memset(tc->asking, 0, sizeof tc->asking);
	memset(tc->headerless_of, 0, sizeof tc->headerless_of);
	tc->refusing = 0;
	DL_FOREACH (tc->all, t) {
		tunnel_profile(tc, t);
		tunnel_count(tc, t, 1);
	}
	if (tc->active)
		lac_start(tc);
}

/* ---- role ----------------------------------------------------------------------------- */

static void
start_tunnel(struct tc *tc, struct tunnel *t, mono_t when)
{
	uint32_t spread = 0;
	struct call *c;

	chan_start(&t->chan, tc->now, when);
	cc_timers(tc, t);
	if (t->prof->hello_ms) { /* or all Hellos would go out in one instant, and their answers
				    come in one */
		tc->random.fill(tc->random.arg, &spread, sizeof spread);
		t->chan.heard -= (mono_t)(spread % (t->prof->hello_ms / 2 + 1)) * MONO_MS;
	}
	DL_FOREACH (t->setup, c) {
		if (c->state == CALL_CLOSED || c->state == CALL_IDLE)
			c->due = tc->now; /* only its removal is missing */
		else
			call_half_open(tc, c);
	}
	heap_set(tc, t, recovery_muted(t) ? MONO_NEVER : when);
}

void
tc_term(struct tc *tc, uint64_t epoch, uint64_t stale_since)
{
	tc->epoch = epoch;
	tc->stale_since = stale_since;
}

static void
start_tunnels(struct tc *tc)
{
	mono_t when = tc->now;
	struct tunnel *t;

	DL_FOREACH (tc->all, t) {
		start_tunnel(tc, t, when);
		when += when - tc->now < PACE_MAX ? PACE : 0;
	}
}

void
tc_activate(struct tc *tc, mono_t now)
{
	tc->now = now;
	tc->out = NULL;
	tc->active = true;
	recovery_start(tc);
	start_tunnels(tc);
	lac_start(tc);
}

void
tc_carrier(struct tc *tc, mono_t now, bool there)
{
	const bool comes = there && tc->nobody_carries;

	tc->nobody_carries = !there;
	if (!comes || !tc->active)
		return;
	tc->now = now;
	tc->out = NULL;
	start_tunnels(tc);
}

void
tc_deactivate(struct tc *tc)
{
	struct tunnel *t;

	tc->active = false;
	DL_FOREACH (tc->all, t)
		heap_set(tc, t, MONO_NEVER);
	tc->dial_due = tc->rec_due = MONO_NEVER;
	for (unsigned a = 0; a < TC_ALARMS; a++) /* whoever is active now will see for itself */
		alarm_set(tc, a, false, "");
}

/* ---- steps ---------------------------------------------------------------------------- */

mono_t
tc_next_due(const struct tc *tc)
{
	if (!tc->active || tc->nobody_carries)
		return MONO_NEVER;
	return mono_sooner(tc->heap_len ? tc->heap[1]->due : MONO_NEVER,
			   mono_sooner(tc->dial_due, tc->rec_due));
}

static void
tick(struct tc *tc)
{
	for (unsigned n = 0; n < TICK_TUNNELS && tc->heap_len && tc->heap[1]->due <= tc->now; n++) {
		struct tunnel *t = tc->heap[1];
		heap_set(tc, t, MONO_NEVER);
		cc_tick(tc, t);
	}
	lac_tick(tc);
}

static void
settle(struct tc *tc)
{
	if (tc->rec_waiting && tc->active && !tc->nobody_carries)
		recovery_pump(tc);
	while (tc->touched) {
		struct tunnel *t = tc->touched;
		tc->touched = t->next_touched;
		t->touched = false;
		if (!t->gone)
			tunnel_flush(tc, t);
	}
	if (tc->active)
		recovery_review(tc);
	bury(tc);
}

static void
datagrams(struct tc *tc, const struct tc_datagram *in, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		cc_receive(tc, &in[i]);
		arena_reset(&tc->arena);
	}
}

static void
not_active(struct tc *tc, const struct tc_event *ev)
{
	bump(tc, N_NOT_ACTIVE);
	if (ev->kind == TC_COMMAND) {
		ev->command.answer->ok = false;
		snprintf(ev->command.answer->text, sizeof ev->command.answer->text,
			 "this node is not active: ask the other one");
	}
}

void
tc_step(struct tc *tc, mono_t now, const struct tc_event *ev, struct sink *out)
{
	tc->now = now;
	tc->wall_s = ev->wall_s;
	tc->out = out;
	if (!tc->active && ev->kind != TC_ROW) {
		not_active(tc, ev);
		return;
	}
	switch (ev->kind) {
	case TC_DATAGRAMS:
		datagrams(tc, ev->datagrams.in, ev->datagrams.n);
		break;
	case TC_TICK:
		tick(tc);
		break;
	case TC_COMMAND:
		cmd_run(tc, ev->command.words, ev->command.n, ev->command.answer);
		break;
	case TC_ROW:
		if (ev->row.table == TABLE_LINK)
			call_row_event(tc, ev->row.key, ev->row.row, ev->row.removed);
		break;
	}
	settle(tc);
	tc->out = NULL;
}
