// SPDX-License-Identifier: Apache-2.0
/*
 * What an operator may ask of the core, as words (proto/command.proto).  A word is a verb, a name,
 * or KEY=VALUE; anything not understood changes nothing, and the answer says what would have been.
 */
#include "dialect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
	const char *const *words;
	unsigned n;
	struct tc_answer *answer;
	uint32_t used; /* bit per word that was understood */
};

static void
say(struct request *r, bool ok, const char *fmt, ...)
{
	va_list ap;

	r->answer->ok = ok;
	va_start(ap, fmt);
	vsnprintf(r->answer->text, sizeof r->answer->text, fmt, ap);
	va_end(ap);
}

static const char *
word(struct request *r, unsigned i)
{
	if (i >= r->n)
		return "";
	if (i < 32)
		r->used |= 1u << i;
	return r->words[i];
}

/* The value of KEY=VALUE, or NULL. */
static const char *
value(struct request *r, const char *key)
{
	size_t len = strlen(key);

	for (unsigned i = 1; i < r->n && i < 32; i++) {
		if (strncmp(r->words[i], key, len) == 0 && r->words[i][len] == '=')
			return word(r, i) + len + 1;
	}
	return NULL;
}

static bool
number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long v;

	if (!text || *text < '0' || *text > '9')
		return false;
	v = strtoull(text, &end, 10);
	if (*end || v > max)
		return false;
	*out = v;
	return true;
}

/* Word i, if it is there and no KEY=VALUE; else NULL. */
static const char *
plain(struct request *r, unsigned i)
{
	return i < r->n && !strchr(r->words[i], '=') ? word(r, i) : NULL;
}

/* A number by key; absent leaves *out; false: it is no number. */
static bool
key_number(struct request *r, const char *key, uint32_t *out)
{
	const char *text = value(r, key);
	uint64_t v;

	if (!text)
		return true;
	if (!number(text, UINT32_MAX, &v)) {
		say(r, false, "%s=%s: not a number", key, text);
		return false;
	}
	*out = (uint32_t)v;
	return true;
}

static void
key_word(struct request *r, const char *key, char **out)
{
	const char *text = value(r, key);

	if (text)
		*out = (char *)(uintptr_t)text;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* KEY=hex digits to octets, in the step's arena. */
static bool
key_hex(struct tc *tc, struct request *r, const char *key, ProtobufCBinaryData *out)
{
	const char *text = value(r, key);
	size_t n = text ? strlen(text) / 2 : 0;
	uint8_t *octets = n ? arena_alloc(&tc->arena, n) : NULL;

	if (!text)
		return true;
	for (size_t i = 0; octets && i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			octets = NULL;
		else
			octets[i] = (uint8_t)(high << 4 | low);
	}
	if (!octets || text[2 * n] || n > L2TP_VALUE_MAX) {
		say(r, false, "%s: hexadecimal octets are wanted", key);
		return false;
	}
	*out = (ProtobufCBinaryData){ n, octets };
	return true;
}

static bool
key_yes(struct request *r, const char *key)
{
	const char *text = value(r, key);

	return text && strcmp(text, "yes") == 0;
}

/* All words were understood? */
static bool
complete(struct request *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (i >= 32 || !(r->used >> i & 1)) {
			say(r, false, "\"%s\" is not understood here", r->words[i]);
			return false;
		}
	}
	return true;
}

static struct tunnel *
named_tunnel(struct tc *tc, struct request *r, const char *text)
{
	uint64_t id;
	struct tunnel *t = number(text, 65535, &id) ? tunnel_find(tc, (uint16_t)id) : NULL;

	if (!t)
		say(r, false, "no tunnel %s", text && *text ? text : "(give its id)");
	return t;
}

/* TUNNEL/SESSION, our ids. */
static struct call *
named_call(struct tc *tc, struct request *r, const char *text)
{
	unsigned tunnel, session;
	char more;
	struct tunnel *t;
	struct call *c = NULL;

	if (sscanf(text, "%5u/%5u%c", &tunnel, &session, &more) == 2 && tunnel < 65536 &&
	    session < 65536) {
		t = tunnel_find(tc, (uint16_t)tunnel);
		c = t ? call_find(t, (uint16_t)session) : NULL;
	}
	if (!c)
		say(r, false, "no call %s", *text ? text : "(give it as TUNNEL/SESSION)");
	return c;
}

/* ---- tunnel --------------------------------------------------------------------------- */

static void
open_peer(struct tc *tc, struct request *r, struct endpoint *peer, const char *profile, enum tc_role role)
{
	const char *port = value(r, "port");
	uint64_t n = 0;

	if (!complete(r))
		return;
	if (port && (!number(port, 65535, &n) || n == 0)) {
		say(r, false, "port=%s: 1 to 65535", port);
		return;
	}
	peer->port = (uint16_t)n;
	const struct conf_profile *p = profile ? conf_profile_named(tc->conf, profile)
					       : conf_profile_find(tc->conf, &peer->addr, "");
	if (!p) {
		say(r, false, profile ? "no profile \"%s\"" : "no profile fits %s: give profile=NAME",
		    profile ? profile : r->words[2]);
		return;
	}
	if (!(p->roles & (role == TC_CLIENT ? ROLE_CLIENT : ROLE_LAC))) {
		say(r, false, "profile \"%s\" does not have the role %s", p->name, role == TC_CLIENT ? "client" : "lac");
		return;
	}
	const struct tunnel *t = cc_open_peer(tc, peer, p->name, role);
	if (t)
		say(r, true, "tunnel %u", t->id);
	else
		say(r, false, "no tunnel now: a limit of the node or of profile \"%s\" is reached", p->name);
}

static void
tunnel_open(struct tc *tc, struct request *r)
{
	const char *group = word(r, 2), *as = value(r, "role"), *profile = value(r, "profile");
	const enum tc_role role = as && strcmp(as, "client") == 0 ? TC_CLIENT : TC_LAC;
	struct endpoint peer = { 0 };
	struct tunnel *t;

	if (!lac_group(tc, group) && ip_addr_parse(group, &peer.addr)) {
		open_peer(tc, r, &peer, profile, role);
		return;
	}
	if (!complete(r))
		return;
	if (!lac_group(tc, group) || profile) {
		say(r, false, profile ? "\"%s\" is no address, and an lns-group has its own profile"
				      : "no lns-group \"%s\" in the configuration, and no address", group);
		return;
	}
	t = lac_open(tc, group, role);
	if (t)
		say(r, true, "tunnel %u", t->id);
	else
		say(r, false,
		    "no member of \"%s\" can be tried now (all held off, or a limit is reached)",
		    group);
}

static void
tunnel_close(struct tc *tc, struct request *r)
{
	struct tunnel *t = named_tunnel(tc, r, word(r, 2));
	struct verdict v = verdict_of(FAULT_TUNNEL_CLOSED);

	if (!t || !complete(r))
		return;
	if (t->state == CC_CLOSING) {
		say(r, false, "tunnel %u is closing already", t->id);
		return;
	}
	cc_close(tc, t, &v);
	say(r, true, "tunnel %u is closing", t->id);
}

static void
drain(struct tc *tc, struct request *r, bool on)
{
	const char *which = word(r, 2);
	struct tunnel *t;

	if (!complete(r))
		return;
	if (strcmp(which, "all") != 0) {
		t = named_tunnel(tc, r, which);
		if (!t)
			return;
		cc_drain(tc, t, on);
		say(r, true, "tunnel %u %s", t->id, on ? "takes no new call" : "takes calls again");
		return;
	}
	put_drain(tc, on);
	for (t = tc->all; t; t = t->next)
		cc_drain(tc, t, on);
	say(r, true,
	    on ? "no new tunnels and calls; %u calls are left"
	       : "takes tunnels and calls again (%u calls)",
	    tc->calls);
}

static void
tunnel_drain(struct tc *tc, struct request *r)
{
	drain(tc, r, true);
}

static void
tunnel_undrain(struct tc *tc, struct request *r)
{
	drain(tc, r, false);
}

/* RFC 4951: as if our control channel had failed. */
static void
tunnel_recover(struct tc *tc, struct request *r)
{
	struct tunnel *t = named_tunnel(tc, r, word(r, 2));

	if (!t || !complete(r))
		return;
	if (recovery_command(tc, t))
		say(r, true, "tunnel %u is being recovered", t->id);
	else
		say(r, false, "tunnel %u: not established, not capable at both ends, or being recovered already",
		    t->id);
}

static void
tunnel_query(struct tc *tc, struct request *r)
{
	struct tunnel *t = named_tunnel(tc, r, word(r, 2));

	if (!t || !complete(r))
		return;
	if (sync_command(tc, t))
		say(r, true, "tunnel %u: the peer is asked about %u sessions", t->id, t->established);
	else
		say(r, false, "tunnel %u: not established, or not capable at both ends", t->id);
}

static void
show_recovery(struct tc *tc, struct request *r)
{
	const struct recovery_sum *s = &tc->rec;
	const mono_t end = s->running ? tc->now : s->ended;

	if (!complete(r))
		return;
	say(r, true,
	    "{\"running\": %s, \"since\": %llu, \"ms\": %llu, \"tunnels\": %u, \"recovered\": %u, \"failed\": %u, "
	    "\"kept\": %u, \"cleared\": %u, \"sessions\": %llu, \"lost\": %llu, \"half_open\": %llu, "
	    "\"unanswered\": %llu, \"waiting\": %u, \"asked\": %u, \"synchronising\": %u, \"away\": %u}",
	    s->running ? "true" : "false", (unsigned long long)s->wall_s,
	    (unsigned long long)((end - s->began) / MONO_MS), s->tunnels, s->recovered, s->failed, s->kept,
	    s->cleared, (unsigned long long)s->sessions, (unsigned long long)s->lost,
	    (unsigned long long)s->half_open, (unsigned long long)s->unanswered, tc->in_recovery[REC_WAIT],
	    tc->in_recovery[REC_ASKED], tc->in_recovery[REC_SYNC], tc->in_recovery[REC_AWAY]);
}

/* ---- call ----------------------------------------------------------------------------- */

/* L2TPv3: the circuit that both ends know by this name; requests for it that cross are settled by a tie breaker. */
static void
read_circuit(struct tc *tc, struct request *r, Row__CallInfo *i)
{
	const char *end = value(r, "end");
	uint8_t *tie = end && *end ? arena_alloc(&tc->arena, 8) : NULL;

	if (!tie)
		return;
	tc->random.fill(tc->random.arg, tie, 8);
	i->remote_end = (ProtobufCBinaryData){ strlen(end), (uint8_t *)(uintptr_t)end };
	i->session_tie = (ProtobufCBinaryData){ 8, tie };
}

static bool
read_call(struct tc *tc, struct request *r, Row__CallInfo *i)
{
	i->tx_bps = 100000000;
	key_word(r, "called", &i->called);
	key_word(r, "calling", &i->calling);
	key_word(r, "sub", &i->sub_address);
	i->speed_updates = key_yes(r, "speed-updates");
	read_circuit(tc, r, i);
	if (value(r, "private"))
		i->private_group =
		    (ProtobufCBinaryData){ strlen(value(r, "private")),
					   (uint8_t *)(uintptr_t)value(r, "private") };
	if (value(r, "proxy-name"))
		i->proxy_auth_name =
		    (ProtobufCBinaryData){ strlen(value(r, "proxy-name")),
					   (uint8_t *)(uintptr_t)value(r, "proxy-name") };
	return key_number(r, "tx", &i->tx_bps) && key_number(r, "rx", &i->rx_bps) &&
	       key_number(r, "bearer", &i->bearer) && key_number(r, "framing", &i->framing) &&
	       key_number(r, "channel", &i->physical_channel) &&
	       key_number(r, "min", &i->min_bps) && key_number(r, "max", &i->max_bps) &&
	       key_number(r, "proxy-type", &i->proxy_auth_type) &&
	       key_number(r, "proxy-id", &i->proxy_auth_id) &&
	       key_hex(tc, r, "proxy-challenge", &i->proxy_auth_challenge) &&
	       key_hex(tc, r, "proxy-response", &i->proxy_auth_response) &&
	       key_hex(tc, r, "lcp-first", &i->init_rcvd_lcp) &&
	       key_hex(tc, r, "lcp-sent", &i->last_sent_lcp) &&
	       key_hex(tc, r, "lcp-received", &i->last_rcvd_lcp);
}

static void
call_dial(struct tc *tc, struct request *r)
{
	static const char *const why[] = {
		[DIAL_NO_GROUP] = "no such lns-group in the configuration",
		[DIAL_NO_MEMBER] =
		    "no member of the group can be tried now (all held off, or a limit is reached)",
		[DIAL_FULL] = "the limit of sessions is reached",
	};
	Row__CallInfo info = ROW__CALL_INFO__INIT;
	const char *group = plain(r, 2), *number = group ? plain(r, 3) : NULL,
		   *ref = value(r, "ref");
	char short_ref[CONF_NAME];
	struct call_order o = { .role = TC_LAC, .info = &info, .user_ref = short_ref };
	enum dial_result result;
	struct call *c;

	snprintf(short_ref, sizeof short_ref, "%s", ref ? ref : "");
	o.seq_required = key_yes(r, "seq");
	info.called = (char *)(uintptr_t)(number ? number : "");
	if (!group)
		group = value(r, "group");
	if (!read_call(tc, r, &info) || !complete(r))
		return;
	result = lac_dial(tc, group ? group : "", &o, &c);
	if (result == DIAL_OK)
		say(r, true, "call %u/%u", c->t->id, c->id);
	else
		say(r, false, "%s", why[result]);
}

static void
call_out(struct tc *tc, struct request *r)
{
	Row__CallInfo info = ROW__CALL_INFO__INIT;
	const char *ref = value(r, "ref");
	char short_ref[CONF_NAME];
	struct call_order o = { .role = TC_LNS, .info = &info, .user_ref = short_ref };
	const char *which = plain(r, 2), *called = which ? plain(r, 3) : NULL;
	struct tunnel *t = named_tunnel(tc, r, which ? which : value(r, "tunnel"));
	struct call *c;

	snprintf(short_ref, sizeof short_ref, "%s", ref ? ref : "");
	info.called = (char *)(uintptr_t)(called ? called : "");
	info.max_bps = 100000000;
	info.framing = 3;
	info.bearer = 3;
	if (!t || !read_call(tc, r, &info) || !complete(r))
		return;
	if (!info.called[0]) {
		say(r, false, "the number to be called is missing");
		return;
	}
	if (t->state != CC_ESTABLISHED || !(t->prof->roles & ROLE_LNS) ||
	    (t->version != 3 && !(t->peer_bearer & info.bearer))) {
		/* RFC 2661, 6.9: only to a LAC that sent Bearer Capabilities */
		say(r, false,
		    "tunnel %u: not established, or the peer places no such outgoing calls", t->id);
		return;
	}
	c = call_request(tc, t, &o);
	say(r, c != NULL, c ? "call %u/%u" : "tunnel %u is full", t->id, c ? c->id : 0);
}

static void
call_clear(struct tc *tc, struct request *r)
{
	struct call *c = named_call(tc, r, word(r, 2));
	struct verdict v = verdict_of(FAULT_CALL_CLOSED);
	struct cause cause = { .text = value(r, "text") };
	uint32_t result = v.result, error = 0, q931 = 0, code = 0;

	if (!c || !key_number(r, "result", &result) || !key_number(r, "error", &error) ||
	    !key_number(r, "q931", &q931) || !key_number(r, "cause", &code) || !complete(r))
		return;
	if (result == 0 || result > 65535 || error > 65535) {
		say(r, false, "result and error are numbers of RFC 2661, 4.4.2");
		return;
	}
	v.result = (uint16_t)result;
	v.error = (uint16_t)error;
	cause.q931 = (uint16_t)q931;
	cause.code = (uint16_t)code;
	if (cause.text)
		snprintf(v.text, sizeof v.text, "%s", cause.text);
	say(r, true, "call %u/%u is cleared", c->t->id, c->id);
	call_close(tc, c, &v, &cause);
}

static void
call_drop(struct tc *tc, struct request *r)
{
	struct call *c = named_call(tc, r, word(r, 2));

	if (!c || !complete(r))
		return;
	say(r, true, "the bearer of call %u/%u is down", c->t->id, c->id);
	if (!call_bearer(tc, c, false))
		say(r, false, "call %u/%u has no bearer here: we are its LNS", c->t->id, c->id);
}

/* L2TPv3: the circuit behind a call of ours is up, or not (RFC 3931, 5.4.5). */
static void
call_circuit(struct tc *tc, struct request *r)
{
	struct call *c = named_call(tc, r, word(r, 2));
	const char *how = word(r, 3);
	const bool down = strcmp(how, "down") == 0;
	struct call_form f;
	Row__Call row;

	if (!c || !complete(r))
		return;
	if (c->t->version != 3 || c->state != CALL_ESTABLISHED || (!down && strcmp(how, "up") != 0)) {
		say(r, false, "call %u/%u: give up or down, for an established call of L2TPv3", c->t->id, c->id);
		return;
	}
	f = form_of(c);
	f.our_circuit_down = down;
	row = call_row(c);
	row_of_form(&row, &f);
	c = put_call(tc, c->t, &row);
	if (c)
		send_circuit(tc, c);
	say(r, true, "told the peer that the circuit is %s", down ? "inactive" : "active");
}

static bool
lac_call(struct request *r, const struct call *c)
{
	if (c->role != TC_LNS && c->state == CALL_ESTABLISHED)
		return true;
	say(r, false, "call %u/%u is not an established call that we are the LAC of", c->t->id,
	    c->id);
	return false;
}

static void
call_speed(struct tc *tc, struct request *r)
{
	struct call *c = named_call(tc, r, word(r, 2));
	Row__CallInfo *i = c ? call_info(tc, c) : NULL;

	if (!i || !key_number(r, "tx", &i->tx_bps) || !key_number(r, "rx", &i->rx_bps) ||
	    !complete(r) || !lac_call(r, c))
		return;
	if (!i->speed_updates) {
		say(r, false, "call %u/%u was not announced with speed-updates=yes (RFC 5515, 4)",
		    c->t->id, c->id);
		return;
	}
	put_info(tc, c, i);
	send_csun(tc, c->t, &c, 1);
	say(r, true, "told the LNS tx=%u rx=%u", i->tx_bps, i->rx_bps);
}

static void
call_errors(struct tc *tc, struct request *r)
{
	struct call *c = named_call(tc, r, word(r, 2));
	struct l2tp_call_errors e = { 0 };

	if (!c || !key_number(r, "crc", &e.crc) || !key_number(r, "framing", &e.framing) ||
	    !key_number(r, "hardware", &e.hardware_overruns) ||
	    !key_number(r, "buffer", &e.buffer_overruns) ||
	    !key_number(r, "timeouts", &e.timeouts) || !key_number(r, "alignment", &e.alignment) ||
	    !complete(r) || !lac_call(r, c))
		return;
	send_wen(tc, c, &e);
	say(r, true, "told the LNS");
}

/* ---- dials ---------------------------------------------------------------------------- */

static void
show_dials(struct tc *tc, struct request *r)
{
	size_t used = 0, cap = sizeof r->answer->text;
	char *text = r->answer->text;

	r->answer->ok = true;
	snprintf(text, cap, "no dials in the configuration");
	for (unsigned i = 0; i < tc->conf->dials && used < cap; i++) {
		const struct dial_state *d = &tc->dial[i];
		int n = snprintf(text + used, cap - used, "%s%s: %s, call %u/%u, failures %u",
				 i ? "\n" : "", tc->conf->dial[i].name,
				 d->up	      ? "up"
				 : d->session ? "dialling"
					      : "waiting",
				 d->tunnel, d->session, d->failures);
		used += n > 0 ? (size_t)n : 0;
	}
}

/* ---- the words ------------------------------------------------------------------------ */

static const struct {
	const char *noun, *verb, *usage;
	void (*run)(struct tc *, struct request *);
} commands[] = {
	{ "tunnel", "open", "tunnel open GROUP|ADDRESS [profile=NAME] [port=N] [role=lac|client]", tunnel_open },
	{ "tunnel", "close", "tunnel close ID", tunnel_close },
	{ "tunnel", "drain", "tunnel drain ID|all", tunnel_drain },
	{ "tunnel", "undrain", "tunnel undrain ID|all", tunnel_undrain },
	{ "tunnel", "recover", "tunnel recover ID", tunnel_recover },
	{ "tunnel", "query", "tunnel query ID", tunnel_query },
	{ "show", "recovery", "show recovery", show_recovery },
	{ "call", "dial",
	  "call dial GROUP [CALLED] [calling= sub= ref= end= tx= rx= seq=yes speed-updates=yes "
	  "proxy-type= ...]",
	  call_dial },
	{ "call", "out", "call out TUNNEL CALLED [min= max= bearer= framing= sub= ref=]",
	  call_out },
	{ "call", "clear", "call clear TUNNEL/SESSION [result= error= q931= cause= text=]",
	  call_clear },
	{ "call", "drop", "call drop TUNNEL/SESSION", call_drop },
	{ "call", "circuit", "call circuit TUNNEL/SESSION up|down", call_circuit },
	{ "call", "speed", "call speed TUNNEL/SESSION tx= rx=", call_speed },
	{ "show", "dials", "show dials", show_dials },
	{ "call", "errors",
	  "call errors TUNNEL/SESSION crc= framing= hardware= buffer= timeouts= alignment=",
	  call_errors },
};

static void
usage(struct request *r)
{
	size_t used = 0;
	int n;

	r->answer->ok = false;
	for (size_t i = 0; i < sizeof commands / sizeof *commands && used < sizeof r->answer->text;
	     i++) {
		n = snprintf(r->answer->text + used, sizeof r->answer->text - used, "%s%s",
			     i ? "\n" : "", commands[i].usage);
		used += n > 0 ? (size_t)n : 0;
	}
}

void
cmd_run(struct tc *tc, const char *const *words, unsigned n, struct tc_answer *answer)
{
	struct request r = { .words = words, .n = n, .answer = answer, .used = 3 };

	answer->ok = false;
	answer->text[0] = 0;
	for (size_t i = 0; n >= 2 && i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(words[0], commands[i].noun) == 0 &&
		    strcmp(words[1], commands[i].verb) == 0) {
			commands[i].run(tc, &r);
			return;
		}
	}
	usage(&r);
}
