// SPDX-License-Identifier: Apache-2.0
/*
 * Once quiet: everything is compared with everything.  Store with store, each core's rows with its store, session-mgr with
 * one read anew, lines with calls and subscribers, accounting with lines; and a packet each way through every line.
 */
#include "sim.h"

#include <stdarg.h>

struct why {
	enum invariant which;
	char text[400];
};

static bool no(struct why *y, enum invariant which, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static bool
no(struct why *y, enum invariant which, const char *fmt, ...)
{
	va_list ap;

	y->which = which;
	va_start(ap, fmt);
	vsnprintf(y->text, sizeof y->text, fmt, ap);
	va_end(ap);
	return false;
}

static bool
pair_whole(struct world *w, struct node *n, struct why *y)
{
	struct node *twin = &w->node[1 - n->id];
	struct sync *s = proc_sync(&n->p[P_SYNC]), *t = proc_sync(&twin->p[P_SYNC]);

	if (!s || s->role != SYNC_R_ACTIVE)
		return no(y, INV_PAIR_HEALS, "state-sync of %s does not serve", n->name);
	for (unsigned k = P_TC; k < PROCS; k++)
		if (!proc_talk(&n->p[k]) || !talk_active(proc_talk(&n->p[k])))
			return no(y, INV_PAIR_HEALS, "%s of %s is not active", proc_name[k], n->name);
	if (twin->never)
		return true;
	if (!t || t->role != SYNC_R_STANDBY || !s->mirrored || !t->meta.mirrored)
		return no(y, INV_PAIR_HEALS, "the pair is not mirrored: %s is %s, %s is %s", n->name, sync_mirror_name(sync_mirror_mode(s)),
			  twin->name, t ? sync_mirror_name(sync_mirror_mode(t)) : "down");
	for (unsigned k = P_TC; k < PROCS; k++)
		if (!proc_talk(&twin->p[k]) || proc_talk(&twin->p[k])->state != TALK_READY || talk_active(proc_talk(&twin->p[k])))
			return no(y, INV_PAIR_HEALS, "%s of %s is no shadow: %s, epoch %llu", proc_name[k], twin->name,
				  !proc_talk(&twin->p[k]) ? "down" : proc_talk(&twin->p[k])->state != TALK_READY ? "not welcome" : "active",
				  proc_talk(&twin->p[k]) ? (unsigned long long)proc_talk(&twin->p[k])->epoch : 0);
	if (s->meta.position != t->meta.position || s->pending)
		return no(y, INV_PAIR_HEALS, "the twin is behind: %llu of %llu", (unsigned long long)t->meta.position, (unsigned long long)s->meta.position);
	return true;
}

static bool
same_row(const struct row *x, const struct row *z)
{
	return x->table == z->table && span_eq(row_key(x), row_key(z)) && span_eq(row_row(x), row_row(z));
}

static bool
same_rows(const struct rows *x, const char *xn, const struct rows *z, const char *zn, struct why *y)
{
	for (unsigned i = 0; i < x->n && i < z->n; i++)
		if (!same_row(x->v[i], z->v[i]))
			return no(y, INV_SAME_STATE, "%s and %s differ in table %s", xn, zn, table_info(x->v[i]->table)->name);
	if (x->n != z->n)
		return no(y, INV_SAME_STATE, "%s has %u rows, %s has %u", xn, x->n, zn, z->n);
	return true;
}

static void
take_row(void *arg, enum table table, struct span key, struct span row)
{
	rows_put(arg, table, key, row);
}

/* tunnel-ctl's own rows, and its core's. */
static bool
same_tc(const struct node *n, struct tc *tc, struct why *y)
{
	struct rows core = { 0 }, store = { 0 };
	char name[40];
	bool ok;

	tc_each_row(tc, take_row, &core);
	for (unsigned i = 0; i < n->store.now.n; i++) {
		const struct row *r = n->store.now.v[i];
		if (table_info(r->table)->owner == OWNER_TUNNEL_CTL)
			rows_put(&store, r->table, row_key(r), row_row(r));
	}
	snprintf(name, sizeof name, "tunnel-ctl of %s", n->name);
	ok = same_rows(&core, name, &store, "its store", y);
	rows_free(&core);
	rows_free(&store);
	return ok;
}

static void
no_random(void *arg, uint8_t *out, size_t n)
{
	memset(out, 7, n);
}

static char *
sm_from_store(const struct node *n)
{
	struct sm *sm = sm_new(&(struct sm_env){ no_random, NULL });
	char *text;

	sm_configure(sm, &n->conf);
	for (unsigned i = 0; i < n->store.now.n; i++) {
		const struct row *r = n->store.now.v[i];
		if (r->table == TABLE_TUNNEL || r->table == TABLE_CALL || r->table == TABLE_CALL_INFO ||
		    table_info(r->table)->owner == OWNER_SESSION_MGR)
			sm_apply(sm, r->table, row_key(r), row_row(r), false);
	}
	text = sm_dump(sm);
	sm_free(sm);
	return text;
}

/* Echoes are answered and counted without a record: of a link's snapshot everything else is compared. */
static size_t
without_echo(const uint8_t *saved, size_t len, uint8_t out[PPP_SAVE_MAX])
{
	static const uint8_t random[PPP_RANDOM];
	struct ppp_conf conf;
	struct ppp_ctx c = { .conf = &conf, .now = MONO_S, .random = random };
	struct ppp_link link;

	ppp_conf_defaults(&conf);
	ppp_link_init(&link);
	if (!ppp_link_load(&link, &c, span_of(saved, len)))
		return 0;
	memset(&link.echo, 0, sizeof link.echo);
	return ppp_link_save(&link, out, PPP_SAVE_MAX);
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t
hex_read(const char **from, uint8_t *out, size_t room)
{
	size_t n = 0;

	for (; n < room && hex_digit((*from)[0]) >= 0 && hex_digit((*from)[1]) >= 0; *from += 2)
		out[n++] = (uint8_t)(hex_digit((*from)[0]) << 4 | hex_digit((*from)[1]));
	return n;
}

static char *
normal(char *text)
{
	uint8_t saved[PPP_SAVE_MAX], out[PPP_SAVE_MAX];
	size_t len = 0;
	const char *at_hex, *from = text;
	char *to = NULL;
	FILE *f = open_memstream(&to, &len);

	while ((at_hex = strstr(from, "automata="))) {
		size_t n;
		at_hex += strlen("automata=");
		fwrite(from, 1, (size_t)(at_hex - from), f);
		n = hex_read(&at_hex, saved, sizeof saved);
		n = without_echo(saved, n, out);
		for (size_t i = 0; i < n; i++) {
			putc_unlocked("0123456789abcdef"[out[i] >> 4], f);
			putc_unlocked("0123456789abcdef"[out[i] & 15], f);
		}
		from = at_hex;
	}
	fputs(from, f);
	fclose(f);
	free(text);
	return to;
}

static bool
same_sm(const struct node *n, struct sm *sm, struct why *y)
{
	char *core = normal(sm_dump(sm)), *store = normal(sm_from_store(n));
	bool ok = strcmp(core, store) == 0;
	size_t i = 0;

	while (!ok && core[i] == store[i])
		i++;
	if (!ok) {
		size_t line = i;
		while (line && core[line - 1] != '\n')
			line--;
		no(y, INV_SAME_STATE, "session-mgr of %s: \"%.40s\" at %zu is \"%.40s\", in its store \"%.40s\"", n->name,
		   core + line, i - line, core + i, store + i);
	}
	free(core);
	free(store);
	return ok;
}

static bool
same_dp(struct world *w, struct node *n, struct dp *dp, struct why *y)
{
	unsigned tunnels = 0, calls = 0;

	for (unsigned i = 0; i < n->store.now.n; i++) {
		tunnels += n->store.now.v[i]->table == TABLE_TUNNEL;
		calls += n->store.now.v[i]->table == TABLE_CALL;
	}
	if (dp_tunnels(dp) != tunnels)
		return no(y, INV_SAME_STATE, "a worker of %s knows %u tunnels, its store %u", n->name, dp_tunnels(dp), tunnels);
	if (dp_sessions(dp) > calls)
		return no(y, INV_SAME_STATE, "a worker of %s knows %u sessions, its store %u calls", n->name, dp_sessions(dp), calls);
	return true;
}

static bool
cores_agree(struct world *w, struct why *y)
{
	for (unsigned i = 0; i < NODES; i++) {
		struct node *n = &w->node[i];
		if (!n->on)
			continue;
		if (!same_tc(n, proc_tc(&n->p[P_TC]), y) || !same_sm(n, proc_sm(&n->p[P_SM]), y) ||
		    !same_dp(w, n, proc_dp(&n->p[P_W0]), y) || !same_dp(w, n, proc_dp(&n->p[P_W1]), y))
			return false;
	}
	return true;
}

static bool
line_agrees(struct node *n, struct line *s, struct why *y)
{
	struct lac *l = s->lac;
	struct key k = key_session(l->peer_tid, s->peer_sid);

	if (s->state == LINE_WAIT_REPLY || s->state == LINE_WAIT_ANSWER)
		return no(y, INV_PAIR_HEALS, "lac%u line %u waits for an answer", l->id, s->id);
	if (s->state == LINE_IDLE)
		return !s->wanted || s->bad_password || no(y, INV_PAIR_HEALS, "lac%u line %u is not connected", l->id, s->id);
	if (!rows_find(&n->store.now, TABLE_CALL, key_span(&k)))
		return no(y, INV_PAIR_HEALS, "lac%u line %u is up, and %s knows no call %u/%u", l->id, s->id, n->name, l->peer_tid, s->peer_sid);
	if (s->bare)
		return check_known(n, s) || no(y, INV_PAIR_HEALS, "lac%u line %u is up, and %s knows it otherwise", l->id, s->id, n->name);
	if (!s->net_up)
		return s->bad_password || no(y, INV_PAIR_HEALS, "lac%u line %u: PPP is not open (phase %d, LCP %u, IPCP %u)", l->id, s->id,
					     ppp_link_phase(&s->link), s->link.cp[PPP_CP_LCP].state, s->link.cp[PPP_CP_IPCP].state);
	return check_known(n, s) ||
	       no(y, INV_PAIR_HEALS, "lac%u line %u is open with %08x, %s thinks otherwise", l->id, s->id, s->row_addr, n->name);
}

/* What the pair keeps up, and what it was asked to forward, is up with one of the LNSs; the former with one only. */
static bool
called(struct world *w, char kind, unsigned n, struct why *y)
{
	char number[16];

	for (unsigned k = 0; k < n; k++) {
		unsigned up = 0;
		snprintf(number, sizeof number, "%c%u", kind, k);
		for (unsigned i = 0; i < LACS * LINES; i++) {
			const struct line *s = &w->lac[i / LINES].line[i % LINES];
			up += s->lac->lns && s->state == LINE_UP && strcmp(s->number, number) == 0;
		}
		if (up < 1 || (up > 1 && kind == 'd'))
			return no(y, INV_PAIR_HEALS, "call %s is up %u times", number, up);
	}
	return true;
}

static bool
sessions_agree(struct world *w, struct node *n, struct why *y)
{
	unsigned up = 0, calls = 0, subs = 0, net = 0, tunnels = 0, lacs = 0;

	for (unsigned i = 0; i < w->plan.lacs; i++) {
		struct lac *l = &w->lac[i];
		if (l->lns && l->state == LAC_DOWN) /* nobody has called it */
			continue;
		if (l->state != LAC_UP || l->out)
			return no(y, INV_PAIR_HEALS, "lac%u's tunnel is not at rest", i);
		lacs++;
		for (unsigned k = 0; k < LINES; k++) {
			if (!line_agrees(n, &l->line[k], y))
				return false;
			up += l->line[k].state == LINE_UP;
			net += l->line[k].net_up;
		}
	}
	for (unsigned i = 0; i < n->store.now.n; i++) {
		unsigned t = n->store.now.v[i]->table;
		calls += t == TABLE_CALL;
		subs += t == TABLE_SUBSCRIBER;
		tunnels += t == TABLE_TUNNEL;
		if (t == TABLE_TUNNEL_OUT)
			return no(y, INV_PAIR_HEALS, "%s has messages nobody acknowledged", n->name);
		if (t == TABLE_ACCT)
			return no(y, INV_PAIR_HEALS, "%s has accounting nobody answered", n->name);
	}
	if (tunnels != lacs)
		return no(y, INV_PAIR_HEALS, "%s has %u tunnels, the LACs %u", n->name, tunnels, lacs);
	if (calls != up)
		return no(y, INV_PAIR_HEALS, "%s has %u calls, the LACs %u", n->name, calls, up);
	if (subs != net)
		return no(y, INV_PAIR_HEALS, "%s has %u subscribers, the LACs %u", n->name, subs, net);
	return called(w, 'd', w->plan.dials, y) && called(w, 'f', w->plan.forwards, y);
}

static bool
leases_agree(struct world *w, struct node *n, struct why *y)
{
	for (unsigned i = 0; i < n->store.now.n; i++) {
		const struct row *r = n->store.now.v[i];
		struct key k;
		Row__Lease *m;
		bool orphan;
		if (r->table != TABLE_LEASE || !(m = row__lease__unpack(NULL, r->len, row_row(r).p)))
			continue;
		k = key_session((uint16_t)m->tunnel, (uint16_t)m->session);
		orphan = (m->tunnel || m->session) && !rows_find(&n->store.now, TABLE_SUBSCRIBER, key_span(&k));
		row__lease__free_unpacked(m, NULL);
		if (orphan)
			return no(y, INV_PAIR_HEALS, "%s holds an address for a session that is gone", n->name);
	}
	for (unsigned i = 0; i < LACS * LINES; i++)
		for (unsigned k = 0; k < i; k++) {
			struct line *x = &w->lac[i / LINES].line[i % LINES], *z = &w->lac[k / LINES].line[k % LINES];
			if (x->net_up && z->net_up && x->row_addr == z->row_addr)
				return no(y, INV_ADDRESS_ONCE, "two lines have %08x", x->row_addr);
		}
	return true;
}

/* Packets go both ways through every open line. */
static bool
pings(struct world *w, struct why *y)
{
	bool ok = true;

	for (unsigned i = 0; i < LACS * LINES; i++) {
		struct line *s = &w->lac[i / LINES].line[i % LINES];
		if (!s->net_up || (s->ping && s->pong_up && s->pong_down && w->check.pinged))
			continue;
		ok = no(y, INV_PAIR_HEALS, "no packet comes through lac%u line %u (%s)", s->lac->id, s->id, s->pong_up ? "down" : "up");
	}
	if (ok)
		return true;
	if (!w->check.pinged)
		for (unsigned i = 0; i < LACS * LINES; i++) {
			struct line *s = &w->lac[i / LINES].line[i % LINES];
			s->ping = s->pong_up = s->pong_down = 0;
		}
	w->check.pinged = true;
	for (unsigned i = 0; i < LACS * LINES; i++) {
		struct line *s = &w->lac[i / LINES].line[i % LINES];
		if (s->net_up && !(s->pong_up && s->pong_down))
			peer_data(s, true);
	}
	return false;
}

/* What was started is stopped once its line is gone, and what runs is a line's. */
static bool
acct_agrees(struct world *w, struct why *y)
{
	unsigned running[LACS][LINES] = { 0 };

	for (unsigned i = 0; i < w->check.accts; i++) {
		const struct acct_seen *a = &w->check.acct[i];
		if (a->excused)
			continue;
		if (a->stops && !a->starts)
			return no(y, INV_ACCT_ONCE, "%s is stopped and was never started", a->id);
		if (!a->line)
			return no(y, INV_ACCT_ONCE, "%s is no line's", a->id);
		running[a->line->lac->id][a->line->id] += a->starts && !a->stops;
	}
	for (unsigned i = 0; i < LACS * LINES; i++) {
		const struct line *s = &w->lac[i / LINES].line[i % LINES];
		unsigned is = running[i / LINES][i % LINES];
		if (s->lac->lns) /* accounting is the LNS's */
			continue;
		if (is > s->net_up || (is < s->net_up && !s->excused))
			return no(y, INV_ACCT_ONCE, "accounting knows %u sessions of lac%u line %u, which is %s", is, s->lac->id, s->id,
				  s->net_up ? "open" : "not open");
	}
	return true;
}

static bool
quiet(struct world *w, struct why *y)
{
	struct node *n = sim_active_node(w);

	if (!n)
		return no(y, INV_PAIR_HEALS, "no node is active");
	if (!pair_whole(w, n, y))
		return false;
	struct node *twin = &w->node[1 - n->id];
	if (!twin->never && !same_rows(&n->store.now, n->name, &twin->store.now, twin->name, y))
		return false;
	/* what costs most comes last */
	return sessions_agree(w, n, y) && leases_agree(w, n, y) && acct_agrees(w, y) && pings(w, y) && cores_agree(w, y);
}

/* Called again and again after the last fault: true once all is well; at the deadline, a violation. */
bool
check_end(struct world *w, bool last)
{
	struct why y = { INV_PAIR_HEALS, "" };

	if (w->check.failed)
		return true;
	if (quiet(w, &y))
		return true;
	if (strcmp(w->check.missing, y.text) != 0)
		tell(w, "not whole: %s", y.text);
	snprintf(w->check.missing, sizeof w->check.missing, "%s", y.text);
	if (last)
		violated(w, y.which, "%s", y.text);
	return last;
}
