// SPDX-License-Identifier: Apache-2.0
/*
 * The networks.  Datagrams are lost, doubled, delayed and overtaken; the mirror's TCP keeps order and is late
 * instead, and breaks when a side dies or nothing comes through for long.  A switch per network knows which
 * node claimed the service address last, as gratuitous ARP leaves it.
 */
#include "sim.h"

struct datagram {
	net_fn *fn;
	uint8_t net, from, to;
	size_t len;
	uint8_t octets[];
};

static void
arrive(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct datagram *d = a;

	if (!w->cut[d->net][d->from][d->to])
		d->fn(w, d->to, d->octets, d->len);
	free(d);
}

static void
send_copy(struct world *w, enum net net, unsigned from, unsigned to, net_fn *fn, const void *octets, size_t len)
{
	const struct net_conf *n = &w->net[net];
	struct datagram *d = malloc(sizeof *d + len);
	mono_t delay = n->delay + rnd_time(w, 0, n->jitter);

	*d = (struct datagram){ fn, (uint8_t)net, (uint8_t)from, (uint8_t)to, len };
	memcpy(d->octets, octets, len);
	if (chance(w, n->reorder))
		delay += rnd_time(w, 0, 10 * n->delay + 5 * MONO_MS);
	at_owned(w, w->now + delay, arrive, d, 0, 0);
}

void
net_send(struct world *w, enum net net, unsigned from, unsigned to, net_fn *fn, const void *octets, size_t len)
{
	if (w->cut[net][from][to] || chance(w, w->net[net].loss))
		return;
	send_copy(w, net, from, to, fn, octets, len);
	if (chance(w, w->net[net].dup))
		send_copy(w, net, from, to, fn, octets, len);
}

void
net_cut(struct world *w, enum net net, unsigned x, unsigned y, bool cut)
{
	w->cut[net][x][y] = w->cut[net][y][x] = cut;
	mark(w, (uint64_t)net << 20 | x << 10 | y << 1 | cut);
}

bool
net_is_cut(const struct world *w, enum net net, unsigned x, unsigned y)
{
	return w->cut[net][x][y] || w->cut[net][y][x];
}

void
net_heal(struct world *w)
{
	memset(w->cut, 0, sizeof w->cut);
}

/* --- the service address ------------------------------------------------------------------------------- */

/* Announcements: at once and again, since one may be lost. */
static void
announce(struct world *w, void *a, uint64_t b, uint64_t c)
{
	struct node *n = a;

	if (!n->on || !n->holds || c != w->arp_gen)
		return;
	for (enum net i = NET_ACCESS; i <= NET_CORE; i++)
		if (!chance(w, w->net[i].loss) && w->arp[i] != (int)n->id) {
			w->arp[i] = (int)n->id;
			tell(w, "%s  is reached by the %s network now", n->name, i == NET_ACCESS ? "access" : "core");
		}
}

/* A neighbour that does not answer is asked for again, half a minute later, as ARP has it. */
void
net_resolve(struct world *w)
{
	for (enum net i = NET_ACCESS; i <= NET_CORE; i++) {
		struct node *n = w->arp[i] >= 0 ? &w->node[w->arp[i]] : NULL;
		if (n && n->on && n->holds)
			w->arp_lost[i] = 0;
		else if (!w->arp_lost[i])
			w->arp_lost[i] = w->now;
		else if (w->now - w->arp_lost[i] > 30 * MONO_S)
			for (unsigned k = 0; k < NODES; k++)
				if (w->node[k].on && w->node[k].holds)
					w->arp[i] = (int)k;
	}
}

void
claim(struct node *n, bool hold)
{
	struct world *w = n->w;

	if (hold) {
		n->holds = true;
		w->arp_gen++;
		for (int i = 0; i < 6; i++)
			at(w, w->now + 50 * MONO_US + i * 100 * MONO_MS, announce, n, 0, w->arp_gen);
	} else {
		n->holds = false;
	}
	mark(w, n->id << 1 | hold);
}

static void
into_node(struct world *w, unsigned to, const void *octets, size_t len)
{
	struct node *n = &w->node[to];
	const uint8_t *b = octets;
	uint16_t lac = get_u16(b);
	unsigned worker;
	struct msg *m;

	if (!n->on || !n->holds)
		return;
	if (lac == PLACE_CORE) {
		m = msg_new(M_PACKET, b + 2, len - 2);
		worker = (unsigned)(hash_of(b + 2, len - 2 < 20 ? len - 2 : 20) % WORKERS); /* a queue of the TUN */
	} else {
		m = msg_new(M_DATAGRAM, b + 2, len - 2);
		m->n[0] = lac;
		m->u.frame.peer = w->lac[lac].ep;
		m->u.frame.local = v4_endpoint(SERVICE_ADDR, L2TP_PORT);
		worker = dp_steer(b + 2, len - 2, WORKERS);
	}
	struct proc *p = &n->p[P_W0 + worker % WORKERS];
	if (p->datagrams >= 400) { /* the socket's buffer */
		free(m);
		return;
	}
	/* A dead worker's packets wait in its socket, which its siblings keep open. */
	p->datagrams++;
	proc_post(p, m, 0, false);
}

static void
towards_nodes(struct world *w, enum net net, unsigned from, uint16_t tag, const void *octets, size_t len)
{
	uint8_t b[2048];

	if (w->arp[net] < 0 || len > sizeof b - 2)
		return;
	put_u16(b, tag);
	memcpy(b + 2, octets, len);
	net_send(w, net, from, (unsigned)w->arp[net], into_node, b, len + 2);
}

void
lac_to_node(struct world *w, unsigned lac, const void *octets, size_t len)
{
	mark(w, hash_of(octets, len));
	towards_nodes(w, NET_ACCESS, PLACE_LAC + lac, (uint16_t)lac, octets, len);
}

void
core_to_node(struct world *w, const void *octets, size_t len)
{
	towards_nodes(w, NET_CORE, PLACE_CORE, PLACE_CORE, octets, len);
}

/* --- the mirror's connection ------------------------------------------------------------------------------ */

static struct proc *
sync_of(struct world *w, unsigned node)
{
	return &w->node[node].p[P_SYNC];
}

static void
mirror_forget(struct world *w)
{
	for (unsigned i = 0; i < NODES; i++) {
		while (w->mirror.first[i]) {
			struct msg *m = w->mirror.first[i];
			w->mirror.first[i] = m->next;
			free(m);
		}
		w->mirror.end[i] = &w->mirror.first[i];
		w->mirror.in_flight[i] = 0;
	}
}

/* A process learns that its connection is gone: at its time, or when the next one is made. */
static void
connection_lost(struct world *w, void *a, uint64_t node, uint64_t gen)
{
	struct proc *p = sync_of(w, (unsigned)node);

	if (!gen || w->mirror.unaware[node] != (uint32_t)gen)
		return;
	w->mirror.unaware[node] = 0;
	if (p->up && !p->dying)
		proc_post(p, msg_new(M_TWIN_DOWN, NULL, 0), 50 * MONO_US, true);
}

/* A side that lost its power says nothing; the other learns by its heartbeats. */
void
mirror_break(struct world *w, int silent)
{
	if (!w->mirror.up)
		return;
	w->mirror.up = false;
	w->mirror.gen++;
	mirror_forget(w);
	w->mirror.dial_at = w->now + rnd_time(w, 5 * MONO_MS, 50 * MONO_MS);
	tell(w, "mirror link down");
	mark(w, w->mirror.gen);
	for (unsigned i = 0; i < NODES; i++) {
		w->mirror.unaware[i] = w->mirror.gen;
		at(w, w->now + (silent >= 0 ? w->plan.zmtp_timeout : 50 * MONO_US), connection_lost, NULL, i, w->mirror.gen);
	}
}

void
mirror_tick(struct world *w)
{
	struct mirror_link *m = &w->mirror;
	bool cut = net_is_cut(w, NET_MIRROR, PLACE_A, PLACE_B);
	bool both = sync_of(w, 0)->up && sync_of(w, 1)->up;

	if (!cut)
		m->cut_since = 0;
	else if (!m->cut_since)
		m->cut_since = w->now;
	if (m->up && cut && w->now - m->cut_since > w->plan.zmtp_timeout)
		mirror_break(w, -1);
	if (m->up || cut || !both || w->now < m->dial_at)
		return;
	if (w->broken == BREAK_NEVER_CATCHES_UP && m->gen)
		return;
	for (unsigned i = 0; i < NODES; i++)
		connection_lost(w, NULL, i, m->unaware[i]);
	m->up = true;
	m->gen++;
	mirror_forget(w);
	m->last[0] = m->last[1] = w->now;
	tell(w, "mirror link up");
	mark(w, m->gen);
	for (unsigned i = 0; i < NODES; i++)
		proc_post(sync_of(w, i), msg_new(M_TWIN_UP, NULL, 0), 50 * MONO_US, true);
}

/* TCP: what is lost is sent again, and what follows waits behind it. */
static void
mirror_pump(struct world *w, void *a, uint64_t to, uint64_t gen)
{
	struct mirror_link *l = &w->mirror;
	struct msg *m;

	while (gen == l->gen && l->up && (m = l->first[to]) && (mono_t)m->n[2] <= w->now) {
		if (net_is_cut(w, NET_MIRROR, PLACE_A, PLACE_B)) {
			at(w, w->now + 20 * MONO_MS, mirror_pump, NULL, to, gen);
			return;
		}
		l->first[to] = m->next;
		if (!m->next)
			l->end[to] = &l->first[to];
		l->in_flight[to] -= m->len;
		proc_post(sync_of(w, (unsigned)to), m, 0, true);
	}
}

/* Takes the message.  False: the queue is full, or there is no connection. */
bool
mirror_send(struct world *w, unsigned from, struct msg *msg)
{
	const struct net_conf *n = &w->net[NET_MIRROR];
	unsigned to = 1 - from;
	mono_t when = w->now + n->delay + rnd_time(w, 0, n->jitter);

	if (!w->mirror.up || w->mirror.in_flight[to] > (64u << 20)) {
		free(msg);
		return false;
	}
	if (chance(w, n->loss))
		when += 20 * MONO_MS + rnd_time(w, 0, 200 * MONO_MS);
	if (when <= w->mirror.last[to])
		when = w->mirror.last[to] + 1;
	w->mirror.last[to] = when;
	w->mirror.in_flight[to] += msg->len;
	msg->n[2] = (uint64_t)when;
	msg->next = NULL;
	*w->mirror.end[to] = msg;
	w->mirror.end[to] = &msg->next;
	at(w, when, mirror_pump, NULL, to, w->mirror.gen);
	return true;
}

void
net_fini(struct world *w)
{
	w->mirror.end[0] = &w->mirror.first[0];
	mirror_forget(w);
}
