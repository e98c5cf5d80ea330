// SPDX-License-Identifier: Apache-2.0
/* What the generator saw so far, as one line of JSON.  Times in ms, unless a name says otherwise. */
#include "load.h"

static double
ms(mono_t t)
{
	return (double)t / 1e6;
}

/* "NAME_ms":[how many, p50, p99, most] */
static void
times(const char *name, const struct histogram *h)
{
	printf("\"%s_ms\":[%llu,%.3f,%.3f,%.3f],", name, (unsigned long long)h->total, histogram_ms(h, 0.5),
	    histogram_ms(h, 0.99), (double)h->most_us / 1000);
}

void
report(struct load *g, const char *event)
{
	const struct tally *t = &g->t;
	uint32_t verified = 0, unverified = 0, tunnels = 0, extra_open = 0;
	mono_t up = 0, down = 0, end = g->t_all_up ? g->t_all_up : g->now;

	for (uint32_t i = 0; i < g->sess_total; i++) {
		const struct sess *s = &g->sess[i];
		if (s->state != S_OPEN)
			continue;
		verified += s->verified;
		unverified += !s->verified;
		extra_open += s->extra;
		up = s->up_gap > up ? s->up_gap : up;
		down = s->down_gap > down ? s->down_gap : down;
	}
	for (unsigned i = 0; i < g->o.lacs; i++)
		tunnels += g->lac[i].state == LAC_UP;
	double secs = g->t_first ? (double)(end - g->t_first) / 1e9 : 0;
	printf("{\"event\":\"%s\",\"at\":%.3f,\"tunnels\":%u,\"open\":%u,\"extra_open\":%u,\"in_progress\":%u,\"gone\":%u,"
	       "\"opened\":%llu,\"failed\":%llu,\"seconds\":%.3f,\"rate\":%.1f,",
	    event, (double)(g->now - g->t_begin) / 1e9, tunnels, g->opened, extra_open, g->in_progress, g->gone,
	    (unsigned long long)t->opened, (unsigned long long)t->failed, secs,
	    secs > 0 ? (double)g->t.opened / secs : 0.0);
	printf("\"cdn\":%llu,\"stopccn\":%llu,\"lcp_restart\":%llu,\"terminated\":%llu,\"retransmits\":%llu,\"given_up\":%llu,"
	       "\"nr_back\":%llu,\"ns_contradiction\":%llu,\"ns_gap\":%llu,\"bad\":%llu,\"auth_failed\":%llu,",
	    (unsigned long long)t->cdn, (unsigned long long)t->stopccn, (unsigned long long)t->lcp_restart,
	    (unsigned long long)t->term, (unsigned long long)t->retransmits, (unsigned long long)t->given_up,
	    (unsigned long long)t->nr_back, (unsigned long long)t->ns_contradiction, (unsigned long long)t->ns_gap,
	    (unsigned long long)t->bad_message, (unsigned long long)t->auth_failed);
	printf("\"hellos\":%llu,\"hellos_missed\":%llu,\"hello_worst_ms\":%.1f,\"stall_ms\":%.1f,\"tail_stall_ms\":%.1f,\"tail_ms\":%.1f,\"caught\":%u,\"caught_open\":%u,"
	       "\"verified\":%u,\"unverified\":%u,\"lost_on_purpose\":%llu,\"rx\":%llu,\"tx\":%llu,",
	    (unsigned long long)t->hellos, (unsigned long long)t->hellos_missed, ms(t->hello_worst), ms(t->stall_worst),
	    ms(t->tail_stall_worst), g->t_last_dial ? ms(end - g->t_last_dial) : 0.0,
	    t->caught, t->caught_open, verified, unverified, (unsigned long long)t->lost_on_purpose,
	    (unsigned long long)t->rx, (unsigned long long)t->tx);
	if (g->o.loss > 0) {
		times("answer_control", &t->answer_control);
		times("answer_ppp", &t->answer_ppp);
		times("repair_control", &t->repair_control);
		times("repair_ppp", &t->repair_ppp);
	}
	printf("\"recovered\":%llu,\"synchronised\":%llu,\"unknown_sessions\":%llu,\"synchronised_at\":%.6f,",
	    (unsigned long long)t->recovered, (unsigned long long)t->synchronised, (unsigned long long)t->unknown_sessions,
	    (double)t->synchronised_at / 1e9);
	printf("\"up_sent\":%llu,\"up_got\":%llu,\"down_sent\":%llu,\"down_got\":%llu,\"up_gap_ms\":%.2f,\"down_gap_ms\":%.2f,"
	       "\"up_gap_session_ms\":%.2f,\"down_gap_session_ms\":%.2f}\n",
	    (unsigned long long)t->up_sent, (unsigned long long)t->up_got, (unsigned long long)t->down_sent,
	    (unsigned long long)t->down_got, ms(t->up_gap), ms(t->down_gap), ms(up), ms(down));
	fflush(stdout);
}

/* The packets of every open session since it came up; unlike the totals they are never reset. */
void
report_sessions(struct load *g)
{
	const char *comma = "";

	printf("{\"event\":\"sessions\",\"list\":[");
	for (uint32_t i = 0; i < g->sess_total; i++) {
		const struct sess *s = &g->sess[i];
		if (s->state != S_OPEN)
			continue;
		printf("%s[%u,%d,%u,%u,%u,%u]", comma, s->peer_sid, s->extra, s->up_seq, s->up_got, s->down_next, s->down_got);
		comma = ",";
	}
	printf("]}\n");
	fflush(stdout);
}
