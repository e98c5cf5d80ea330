// SPDX-License-Identifier: Apache-2.0
/*
 * With --loss the generator is the network, too: it knows what the server received and what it sent, whatever
 * became of it.  So it can tell the server's part of a slow call from its own timers' and from bad luck:
 *
 *   answer   from a request's arrival at the server (its first copy that was not lost, and for a control
 *            message all before it as well) to the answer's arrival here, lost afterwards or not
 *   repair   from the loss of something the server said of its own accord to its next copy that gets through
 *
 * Both go into histograms of 8 steps an octave.  Without --loss nothing here costs anything.
 */
#include "load.h"

#include "wire/wire.h"

#define NR_AT 10 /* octets before Nr in a control header */

/* ---- histograms -------------------------------------------------------------------------- */

static void
count(struct histogram *h, mono_t took)
{
	uint64_t us = took > 0 ? (uint64_t)(took / MONO_US) : 0;
	unsigned octave = 0, i;

	if (us > h->most_us)
		h->most_us = us;
	while (octave < HISTOGRAM_OCTAVES - 1 && us >> octave >= 16)
		octave++;
	i = us < 8 ? (unsigned)us : 8 * (octave + 1) + (unsigned)(us >> octave) % 8;
	h->n[i < HISTOGRAM_STEPS ? i : HISTOGRAM_STEPS - 1]++;
	h->total++;
}

/* The upper end of the step in which this share of all lies. */
double
histogram_ms(const struct histogram *h, double share)
{
	uint64_t want = (uint64_t)((double)h->total * share), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_STEPS; i++) {
		seen += h->n[i];
		if (seen <= want)
			continue;
		uint64_t us = i < 8 ? i + 1 : (uint64_t)(8 + i % 8 + 1) << (i / 8 - 1);
		return (double)(us < h->most_us ? us : h->most_us) / 1000;
	}
	return (double)h->most_us / 1000;
}

/* ---- what the server got ----------------------------------------------------------------- */

void
answer_asked(struct load *g, struct sess *s)
{
	if (g->o.loss > 0 && (s->asked_at == MONO_NEVER || s->asked_id != s->id)) {
		s->asked_at = g->now;
		s->asked_id = s->id;
	}
}

void
answer_arrived(struct load *g, struct out_msg *m)
{
	if (m->arrived == MONO_NEVER)
		m->arrived = g->now;
}

/*
 * Since when the server has the Hello and every message before it; never while one of them is still to arrive.
 * What we lose on the way is not the server's fault.
 */
mono_t
answer_hello_there(const struct lac *l)
{
	mono_t there = MONO_NEVER;

	for (uint16_t ns = l->una; (int16_t)(ns - l->hello_ns) <= 0; ns++) {
		const struct out_msg *m = l->q[ns & (l->q_cap - 1)];
		if (!m || m->arrived == MONO_NEVER)
			return MONO_NEVER;
		if (m->arrived > there)
			there = m->arrived;
	}
	return there;
}

/* ---- what the server said, before the network has its way with it ------------------------- */

static void
control_seen(struct load *g, struct lac *l, struct span p)
{
	uint16_t nr;

	if (p.len < NR_AT + 2)
		return;
	nr = get_u16(p.p + NR_AT);
	if ((uint16_t)(nr - l->answered) > (uint16_t)(l->high - l->answered))
		return;
	for (; l->answered != nr; l->answered++) {
		const struct out_msg *m = l->q[l->answered & (l->q_cap - 1)];
		if (!m || m->arrived == MONO_NEVER)
			continue;
		if (m->arrived > l->in_order_at)
			l->in_order_at = m->arrived; /* what was before it came later: it waited for that */
		count(&g->t.answer_control, g->now - l->in_order_at);
	}
}

/* The packet of a data message: LCP, PAP, CHAP or IPCP, code and identifier. */
static bool
ppp_packet(struct span p, uint16_t *protocol, uint8_t *code, uint8_t *id, uint16_t *session)
{
	struct l2tp_hdr h;
	struct span pay;

	if (l2tp_hdr_read(p, &h, &pay) != L2TP_OK || pay.len < 8 || get_u16(pay.p) != 0xff03)
		return false;
	*protocol = get_u16(pay.p + 2);
	*code = pay.p[4];
	*id = pay.p[5];
	*session = h.session;
	return true;
}

static void
ppp_seen(struct load *g, struct lac *l, struct span p)
{
	uint16_t protocol, session;
	uint8_t code, id;

	if (!ppp_packet(p, &protocol, &code, &id, &session))
		return;
	struct sess *s = sess_by_sid(g, l, session);
	/* Our open request is of one protocol at a time; 0x8057 shares its identifiers and is left out. */
	if (!s || s->asked_at == MONO_NEVER || code < 2 || code > 4 || id != s->asked_id || protocol == 0x8057)
		return;
	count(&g->t.answer_ppp, g->now - s->asked_at);
	s->asked_at = MONO_NEVER;
}

void
answer_seen(struct load *g, struct lac *l, struct span p)
{
	if (g->o.loss <= 0 || p.len < 2)
		return;
	if (p.p[0] & 0x80)
		control_seen(g, l, p);
	else
		ppp_seen(g, l, p);
}

/* ---- what was lost, and came again --------------------------------------------------------- */

void
answer_lost(struct load *g, struct lac *l, struct span p)
{
	uint16_t protocol, session;
	uint8_t code, id;
	struct sess *s;

	if (p.len >= L2TP_CONTROL_HEADER && p.p[0] & 0x80) {
		if (p.len > L2TP_CONTROL_HEADER && get_u16(p.p + 8) == l->nr && l->missed_at == MONO_NEVER)
			l->missed_at = g->now;
	} else if (ppp_packet(p, &protocol, &code, &id, &session) && code == 1) {
		s = sess_by_sid(g, l, session);
		if (s && s->missed_at == MONO_NEVER)
			s->missed_at = g->now;
	}
}

void
answer_repaired(struct load *g, mono_t *missed_at, struct histogram *h)
{
	if (*missed_at == MONO_NEVER)
		return;
	count(h, g->now - *missed_at);
	*missed_at = MONO_NEVER;
}
