// SPDX-License-Identifier: Apache-2.0
/*
 * A trunk as JSON, for `twinctl trunk`: what each direction carried, in which forms, and what was lost.
 * Names are those of the counters' tables in lib/crtp, in lower case.
 */
#include <ctype.h>
#include <stdio.h>

#include "trunk.h"

struct name {
	const char *name;
};

static const struct name comp_name[CRTP_C_STATS] = {
#define X(NAME, SENTENCE) [CRTP_C_##NAME] = { #NAME },
#include "crtp/comp_stats.def"
#undef X
};

static const struct name dec_name[CRTP_D_STATS] = {
#define X(NAME, SENTENCE) [CRTP_D_##NAME] = { #NAME },
#include "crtp/dec_stats.def"
#undef X
};

static void
member(FILE *f, const char *name, uint64_t v)
{
	fputc('"', f);
	for (; *name; name++)
		fputc(*name == '_' || *name == ' ' ? '-' : tolower((unsigned char)*name), f);
	fprintf(f, "\":%llu", (unsigned long long)v);
}

static void
members(FILE *f, const char *key, const struct name *names, const uint64_t *v, unsigned n)
{
	fprintf(f, ",\"%s\":{", key);
	for (unsigned i = 0; i < n; i++) {
		if (i)
			fputc(',', f);
		member(f, names[i].name, v[i]);
	}
	fputc('}', f);
}

/* [[most microseconds, packets], ...]; the last has no limit: 0. */
static void
delays(FILE *f, const uint64_t *v)
{
	fprintf(f, ",\"delay-us\":[");
	for (unsigned i = 0; i < TRUNK_DELAYS; i++)
		fprintf(f, "%s[%u,%llu]", i ? "," : "", i + 1 < TRUNK_DELAYS ? TRUNK_DELAY_LEAST_US << i : 0,
			(unsigned long long)v[i]);
	fputc(']', f);
}

static void
send_part(FILE *f, const struct trunk *t)
{
	const struct trunk_stats *s = trunk_stats(t);
	const struct pppmux_config *m = trunk_mux_config(t);
	const uint64_t frames = s->frames[TRUNK_REST] + s->frames[TRUNK_EF];

	fprintf(f, "\"send\":{\"packets\":%llu,\"packets-ef\":%llu,\"frames\":%llu",
		(unsigned long long)(s->packets[TRUNK_REST] + s->packets[TRUNK_EF]), (unsigned long long)s->packets[TRUNK_EF],
		(unsigned long long)frames);
	fprintf(f, ",\"octets-in\":%llu,\"octets-out\":%llu,\"wire-octets\":%llu", (unsigned long long)s->octets_in,
		(unsigned long long)s->octets_out, (unsigned long long)(s->octets_out + frames * m->overhead));
	fprintf(f, ",\"mux-frames\":%llu,\"mux-packets\":%llu,\"mux-octets\":%llu,\"mux-most-octets\":%u",
		(unsigned long long)s->mux_frames, (unsigned long long)s->mux_packets, (unsigned long long)s->mux_octets,
		m->max_frame);
	fprintf(f, ",\"states-heard\":%llu", (unsigned long long)s->states_heard);
	delays(f, s->delay);
	members(f, "compressor", comp_name, crtp_comp_stats(trunk_comp_of(t)), CRTP_C_STATS);
	fputc('}', f);
}

static void
receive_part(FILE *f, const struct trunk *t)
{
	const struct trunk_stats *s = trunk_stats(t);
	struct name verdict[CRTP_VERDICTS];

	for (unsigned v = 0; v < CRTP_VERDICTS; v++)
		verdict[v].name = crtp_verdict_name(v);
	fprintf(f, ",\"receive\":{\"packets\":%llu,\"frames\":%llu,\"octets-in\":%llu,\"octets-out\":%llu",
		(unsigned long long)s->recv_packets, (unsigned long long)s->recv_frames, (unsigned long long)s->recv_octets_in,
		(unsigned long long)s->recv_octets_out);
	fprintf(f, ",\"wire-octets\":%llu",
		(unsigned long long)(s->recv_octets_in + s->recv_frames * trunk_recv_overhead(t)));
	fprintf(f, ",\"mux-frames\":%llu,\"mux-truncated\":%llu,\"mux-empty\":%llu,\"mux-forbidden\":%llu",
		(unsigned long long)s->recv_mux_frames, (unsigned long long)s->mux_truncated, (unsigned long long)s->mux_empty,
		(unsigned long long)s->mux_forbidden);
	fprintf(f, ",\"states-sent\":%llu,\"no-room\":%llu", (unsigned long long)s->states_sent, (unsigned long long)s->no_room);
	members(f, "decompressor", dec_name, crtp_dec_stats(trunk_dec_of(t)), CRTP_D_STATS);
	members(f, "drops", verdict + 1, crtp_dec_drops(trunk_dec_of(t)) + 1, CRTP_VERDICTS - 1);
	fputc('}', f);
}

void
trunk_json(const struct trunk *t, FILE *f)
{
	send_part(f, t);
	receive_part(f, t);
}
