// SPDX-License-Identifier: Apache-2.0
/*
 * What a link negotiated for a trunk, as the subscriber row tells the workers: header compression of
 * each family and direction (RFC 3544), multiplexing (RFC 3153).  Without any of it the row has no trunk.
 */
#include "sm_int.h"

/* With it goes what the configuration says of our transmitter: the workers need not look it up. */
static Row__Trunk *
trunk_of(struct step *st, Row__Subscriber *row)
{
	const struct conf_mux *m = &st->conf->mux;

	if (!row->trunk && (row->trunk = arena_alloc(&st->sm->step_arena, sizeof *row->trunk)) != NULL) {
		row__trunk__init(row->trunk);
		row->trunk->mux_time_us = m->time_us;
		row->trunk->mux_octets = m->octets;
		row->trunk->mux_packets = m->packets;
		row->trunk->mux_worth = m->worth;
		row->trunk->repeat = st->conf->hc.repeat;
	}
	return row->trunk;
}

static Row__HeaderCompression *
compression(struct step *st, const struct crtp_params *p)
{
	Row__HeaderCompression *h = p ? arena_alloc(&st->sm->step_arena, sizeof *h) : NULL;

	if (!h)
		return NULL;
	row__header_compression__init(h);
	h->rtp = p->enhanced ? 2 : p->rtp ? 1 : 0;
	h->tcp_space = p->tcp_space;
	h->non_tcp_space = p->non_tcp_space;
	h->f_max_period = p->f_max_period;
	h->f_max_time = p->f_max_time;
	h->max_header = p->max_header;
	h->no_tcp = p->no_tcp;
	h->no_non_tcp = p->no_non_tcp;
	return h;
}

/* A row without anything in its trunk is one without a trunk. */
static void
tidy(struct step *st, Row__Subscriber *row)
{
	const Row__Trunk *t = row->trunk;

	if (t && !t->send4 && !t->send6 && !t->recv4 && !t->recv6 && !t->mux_send && !t->mux_recv)
		row->trunk = NULL;
	st->sub_dirty = true;
}

void
sub_trunk_up(struct step *st, Row__Subscriber *row, const struct ppp_event *ev)
{
	const bool told = ev->net.cp == PPP_CP_MUX || ev->net.hc_send || ev->net.hc_recv;
	Row__Trunk *t = told ? trunk_of(st, row) : row->trunk;

	if (!t)
		return;
	switch (ev->net.cp) {
	case PPP_CP_IPCP:
		t->send4 = compression(st, ev->net.hc_send);
		t->recv4 = compression(st, ev->net.hc_recv);
		break;
	case PPP_CP_IPV6CP:
		t->send6 = compression(st, ev->net.hc_send);
		t->recv6 = compression(st, ev->net.hc_recv);
		break;
	case PPP_CP_MUX:
		t->mux_send = t->mux_recv = true;
		t->mux_send_pid = ev->net.mux_send_pid;
		t->mux_recv_pid = ev->net.mux_recv_pid;
		break;
	default:
		break;
	}
	tidy(st, row);
}

/* The peer rejected compressed frames although it had asked for them, or CONTEXT_STATE (RFC 1661, 5.7). */
void
sub_trunk_refused(struct step *st, bool states)
{
	Row__Subscriber *row = sub_of(st);

	if (!row || !row->trunk)
		return;
	if (states)
		row->trunk->no_states = true;
	else
		row->trunk->send4 = row->trunk->send6 = NULL;
	tidy(st, row);
}

void
sub_trunk_down(struct step *st, Row__Subscriber *row, enum ppp_cp cp)
{
	Row__Trunk *t = row->trunk;

	if (!t)
		return;
	if (cp == PPP_CP_IPCP)
		t->send4 = t->recv4 = NULL;
	if (cp == PPP_CP_IPV6CP)
		t->send6 = t->recv6 = NULL;
	if (cp == PPP_CP_MUX) {
		t->mux_send = t->mux_recv = false;
		t->mux_send_pid = t->mux_recv_pid = 0;
	}
	tidy(st, row);
}
