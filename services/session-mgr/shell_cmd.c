// SPDX-License-Identifier: Apache-2.0
/* Commands at ipc://RUN/cmd.session-mgr: a table of words, and a function each. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bus/verbs.h"
#include "shell.h"

#define AAA_TEST (1ull << 63) /* tokens of "aaa test"; the core counts from 1 */

typedef void command_fn(struct shell *, const char *const *args, unsigned n, struct answer *);

static bool
session_id(const char *text, uint16_t *tunnel, uint16_t *session)
{
	unsigned t, s;
	int used = 0;

	if (sscanf(text, "%5u/%5u%n", &t, &s, &used) != 2 || text[used] || t > UINT16_MAX || s > UINT16_MAX)
		return false;
	*tunnel = (uint16_t)t;
	*session = (uint16_t)s;
	return true;
}

static bool
must_be_active(struct shell *sh, struct answer *a)
{
	if (owner_active(sh->owner))
		return true;
	answer_say(a, false, "this node is not active: ask the other one");
	return false;
}

static void
session_clear(struct shell *sh, const char *const *args, unsigned n, struct answer *a)
{
	unsigned ended = 0;
	struct sm_event ev = { .kind = SM_EV_CLEAR, .clear = { .ended = &ended } };

	if (n == 2 && strcmp(args[0], "user") == 0) {
		ev.clear.user = args[1];
	} else if (n != 1 || !session_id(args[0], &ev.clear.tunnel, &ev.clear.session)) {
		answer_say(a, false, "session clear wants TUNNEL/SESSION, or: user NAME");
		return;
	}
	if (!must_be_active(sh, a))
		return;
	shell_step(sh, &ev);
	if (ended)
		answer_say(a, true, "%u session%s being ended", ended, ended == 1 ? " is" : "s are");
	else
		answer_say(a, false, "there is no such session");
}

static void
say_json(struct answer *a, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	if (text)
		answer_json(a, text);
	free(text);
	json_decref(j);
}

static void
show_session(struct shell *sh, const char *const *args, unsigned n, struct answer *a)
{
	static const char *const names[] = { "in-octets", "out-octets", "in-packets", "out-packets", "drops" };
	uint16_t tunnel, session;
	struct sm_live live;
	json_t *j, *echoes;

	if (n != 1 || !session_id(args[0], &tunnel, &session)) {
		answer_say(a, false, "show session wants TUNNEL/SESSION");
		return;
	}
	if (!sm_live(sh->sm, tunnel, session, &live)) {
		answer_say(a, false, "there is no PPP link %u/%u here", tunnel, session);
		return;
	}
	j = json_object();
	echoes = json_array();
	json_object_set_new(j, "phase", json_string(ppp_phase_name((enum ppp_phase)live.phase)));
	json_object_set_new(j, "forwarding", json_boolean(live.forwarding));
	json_object_set_new(j, "waits-for-aaa", json_boolean(live.waits_for_aaa));
	json_object_set_new(j, "echoes-sent", json_integer(live.echo_sent));
	json_object_set_new(j, "echoes-lost", json_integer(live.echo_lost));
	for (unsigned i = 0; i < live.echoes; i++)
		json_array_append_new(echoes, live.echo_ms[i] == PPP_ECHO_LOST ? json_null() : json_integer(live.echo_ms[i]));
	json_object_set_new(j, "echo-milliseconds", echoes);
	for (int i = 0; i < 5; i++)
		json_object_set_new(j, names[i], json_integer((json_int_t)live.usage[i]));
	if (live.last_active)
		json_object_set_new(j, "last-active", json_integer((json_int_t)live.last_active));
	answer_say(a, true, "%u/%u is in phase %s", tunnel, session, ppp_phase_name((enum ppp_phase)live.phase));
	say_json(a, j);
}

static void
pool_show(struct shell *sh, const char *const *args, unsigned n, struct answer *a)
{
	struct sm_pool_info p[CONF_POOLS];
	unsigned pools = sm_pools(sh->sm, p);
	json_t *j = json_array();
	char text[CONF_POOLS * 160] = "";
	size_t at = 0;

	for (unsigned i = 0; i < pools; i++) {
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%.64s IPv%u/%u: %llu of %llu held, %llu kept for their users",
				       i ? "\n" : "", p[i].name, p[i].family, p[i].unit_len, (unsigned long long)p[i].held,
				       (unsigned long long)p[i].total, (unsigned long long)p[i].kept);
		json_array_append_new(j, json_pack("{s:s,s:i,s:i,s:I,s:I,s:I}", "name", p[i].name, "family", p[i].family,
						   "prefix-length", p[i].unit_len, "total", (json_int_t)p[i].total, "held",
						   (json_int_t)p[i].held, "kept", (json_int_t)p[i].kept));
	}
	answer_say(a, true, "%s", pools ? text : "no pool is configured");
	say_json(a, j);
}

/* What session-mgr thinks of its RADIUS servers, one entry for each and what it is asked for. */
static void
radius_show(struct shell *sh, const char *const *args, unsigned n, struct answer *a)
{
	static const char *const kinds[] = { "authentication", "accounting" };
	static const char *const states[] = { "alive", "dead", "probed" };
	const struct conf_aaa_set *c = &sh->conf->aaa;
	json_t *j = json_array();
	char addr[ADDR_TEXT];

	for (int k = 0; k < 2; k++) {
		for (unsigned i = 0; i < c->servers && (k == DESK_AUTH || c->acct); i++) {
			struct rclient_server s = aaa_desk_server(sh->desk, (enum desk_kind)k, i, loop_now(sh->loop));
			json_array_append_new(
			    j, json_pack("{s:s,s:i,s:s,s:s,s:i,s:I,s:I}", "address", ip_addr_text(&c->server[i].addr, addr), "port",
					 k == DESK_AUTH ? c->server[i].auth_port : c->server[i].acct_port, "kind", kinds[k],
					 "state", states[s.dead + s.probing], "out", s.out, "silent-ms", (json_int_t)s.silent_ms,
					 "wait-ms", (json_int_t)s.wait_ms));
		}
	}
	answer_say(a, true, "%zu", json_array_size(j));
	say_json(a, j);
}

static void
aaa_reload(struct shell *sh, const char *const *args, unsigned n, struct answer *a)
{
	char error[300];

	if (shell_read_users(sh, error, sizeof error))
		answer_say(a, true, "the users file was read");
	else
		answer_say(a, false, "%s", error);
}

static void
aaa_test(struct shell *sh, const char *const *args, unsigned n, struct answer *a)
{
	struct aaa_request q = { .auth = PPP_AUTH_PAP };
	unsigned slot = sh->aaa_test_next % 16;

	if (n != 2 || strlen(args[0]) >= AAA_TEXT || strlen(args[1]) > 128) {
		answer_say(a, false, "aaa test wants USER PASSWORD");
		return;
	}
	if (!must_be_active(sh, a))
		return;
	if (sh->aaa_test[slot]) {
		answer_say(a, false, "too many tests are under way");
		return;
	}
	sh->aaa_test[slot] = answer_defer(a);
	if (!sh->aaa_test[slot]) {
		answer_say(a, false, "no memory");
		return;
	}
	q.token = AAA_TEST | sh->aaa_test_next++;
	q.name_len = (uint8_t)strlen(args[0]);
	memcpy(q.name, args[0], q.name_len);
	q.response_len = (uint8_t)strlen(args[1]);
	memcpy(q.response, args[1], q.response_len);
	aaa_desk_ask(sh->desk, &q, loop_now(sh->loop));
	loop_poke(sh->loop);
}

static void
say_grant(struct answer *a, const struct aaa_answer *g)
{
	char v4[ADDR_TEXT] = "from the pool", v6[ADDR_TEXT] = "from the pool";
	struct ip_addr ip = { .family = 4 };

	put_u32(ip.b, g->grant.ipv4);
	if (g->grant.framed_ip == FRAMED_ASSIGNED)
		ip_addr_text(&ip, v4);
	else if (g->grant.framed_ip == FRAMED_USER)
		snprintf(v4, sizeof v4, "the peer's choice");
	if (g->grant.prefix6.len)
		ip_prefix_text(&g->grant.prefix6, v6);
	answer_say(a, true, "accepted by %s: user %s, address %s, prefix %s, session-timeout %u, idle-timeout %u%s%s",
		   g->local ? "the users file" : "RADIUS", g->user, v4, v6, g->grant.session_timeout,
		   g->grant.idle_timeout, g->message[0] ? ", message " : "", g->message);
}

bool
cmd_shell_answer(struct shell *sh, const struct aaa_answer *g)
{
	struct answer **a = &sh->aaa_test[g->token % 16];

	if (!(g->token & AAA_TEST))
		return false;
	if (!*a)
		return true;
	if (g->verdict == AAA_ACCEPT)
		say_grant(*a, g);
	else if (g->verdict == AAA_REJECT)
		answer_say(*a, false, "rejected by %s%s%s", g->local ? "the users file" : "RADIUS",
			   g->message[0] ? ": " : "", g->message);
	else
		answer_say(*a, false, "nobody answered");
	answer_send(*a);
	*a = NULL;
	return true;
}

void
cmd_shell_forget(struct shell *sh)
{
	for (int i = 0; i < 16; i++) {
		if (!sh->aaa_test[i])
			continue;
		answer_say(sh->aaa_test[i], false, "session-mgr started over");
		answer_send(sh->aaa_test[i]);
		sh->aaa_test[i] = NULL;
	}
}

static void
counters(struct shell *sh, const char *const *args, unsigned n, struct answer *a)
{
	struct sm_totals t = sm_totals(sh->sm);
	json_t *j = json_object();

	radius_shell_counts(sh);
	for (size_t i = 0; i < sizeof sh->sets / sizeof sh->sets[0]; i++)
		for (unsigned k = 0; k < sh->sets[i].n; k++)
			json_object_set_new(j, sh->sets[i].info[k].name, json_integer((json_int_t)sh->sets[i].v[k]));
	answer_say(a, true, "%u sessions, %u links, %u subscribers, %u forwarding, %u accounting requests wait", t.sessions,
		   t.links, t.subscribers, t.forwarding, t.acct_waiting);
	say_json(a, j);
}

static command_fn help;

static const struct {
	const char *words, *args, *sentence;
	command_fn *fn;
} commands[] = {
	{ "session clear", "TUNNEL/SESSION | user NAME", "end sessions in order", session_clear },
	{ "show session", "TUNNEL/SESSION", "phase, echo history and counters of the moment", show_session },
	{ "pool show", "", "what the address pools hold", pool_show },
	{ "aaa test", "USER PASSWORD", "ask as a subscriber would, with PAP", aaa_test },
	{ "aaa reload", "", "read the users file again", aaa_reload },
	{ "radius show", "", "the RADIUS servers: alive or dead, requests out", radius_show },
	{ "counters", "", "every number of this process", counters },
	{ "help", "", "this list", help },
};

static void
help(struct shell *sh, const char *const *args, unsigned n, struct answer *a)
{
	char text[1024] = "";
	size_t at = 0;

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %s - %s", i ? "\n" : "", commands[i].words,
				       commands[i].args, commands[i].sentence);
	answer_say(a, true, "%s", text);
}

/* How many words of the request are the command's; 0: it is another one. */
static unsigned
matches(const char *command, const char *const *words, unsigned n)
{
	unsigned used = 0;

	for (;;) {
		size_t len = strcspn(command, " ");

		if (used == n || strlen(words[used]) != len || memcmp(words[used], command, len) != 0)
			return 0;
		used++;
		if (!command[len])
			return used;
		command += len + 1;
	}
}

static bool
command_reload(void *arg, char *said, size_t len)
{
	return shell_reload(arg, said, len);
}

static void
command_level(void *arg, enum note_level least)
{
	struct shell *sh = arg;

	sm_note_level(sh->sm, least);
}

static const struct verbs verbs = { command_reload, command_level };

void
cmd_shell(void *arg, const char *const *words, unsigned n, struct answer *a)
{
	struct shell *sh = arg;

	if (verbs_run(&verbs, sh, words, n, a))
		return;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		unsigned used = matches(commands[i].words, words, n);

		if (used) {
			commands[i].fn(sh, words + used, n - used, a);
			return;
		}
	}
	answer_say(a, false, "no such command; \"help\" lists them");
}
