// SPDX-License-Identifier: Apache-2.0
/*
 * A trunk.  See trunk.h.
 *
 * CONTEXT_STATE does not wait for a mux: what it asks for is worth more than the octets it would save.
 */
#include "trunk.h"

#include <stdlib.h>

#define DSCP_EF 46 /* RFC 3246 */
#define WAITING_MOST 256
#define TELL_AGAIN (2 * MONO_S) /* a lossy way may look like a peer that was replaced */

/* One class of traffic: its mux, and when each packet in it came. */
struct lane {
	struct pppmux_tx mux;
	uint8_t tos;	/* of the frame: that of its packets, if they agree */
	bool mixed;
	mono_t came[WAITING_MOST];
};

struct trunk {
	struct trunk_conf conf;
	struct crtp_comp *comp;
	struct crtp_dec *dec;
	struct trunk_stats stats;
	mono_t told; /* last crtp_comp_tell; 0: never */
	struct lane lane[TRUNK_CLASSES];
};

static struct pppmux_config
mux_config(const struct pppmux_config *c)
{
	struct pppmux_config out = *c;

	if (out.max_count == 0 || out.max_count > WAITING_MOST)
		out.max_count = WAITING_MOST;
	return out;
}

struct trunk *
trunk_new(const struct trunk_conf *conf)
{
	struct trunk *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->conf = *conf;
	t->conf.mux = mux_config(&conf->mux);
	t->comp = crtp_comp_new(&conf->comp);
	t->dec = crtp_dec_new(&conf->dec);
	if (!t->comp || !t->dec) {
		trunk_free(t);
		return NULL;
	}
	for (unsigned i = 0; i < TRUNK_CLASSES; i++)
		pppmux_tx_init(&t->lane[i].mux, &t->conf.mux);
	return t;
}

void
trunk_remux(struct trunk *t, const struct trunk_conf *conf)
{
	t->conf.mux_send = conf->mux_send;
	t->conf.mux_recv = conf->mux_recv;
	t->conf.no_states = conf->no_states;
	t->conf.recv_pid = conf->recv_pid;
	t->conf.recv_overhead = conf->recv_overhead;
	t->conf.mux = mux_config(&conf->mux);
	for (unsigned i = 0; i < TRUNK_CLASSES; i++)
		pppmux_tx_init(&t->lane[i].mux, &t->conf.mux);
}

void
trunk_free(struct trunk *t)
{
	if (!t)
		return;
	crtp_comp_free(t->comp);
	crtp_dec_free(t->dec);
	free(t);
}

/* ---- sending ------------------------------------------------------------------------------ */

static unsigned
delay_bucket(mono_t waited)
{
	uint64_t steps = (uint64_t)(waited > 0 ? waited / MONO_US : 0) / TRUNK_DELAY_LEAST_US;
	unsigned b = 0;

	for (; steps && b < TRUNK_DELAYS - 1; b++)
		steps >>= 1;
	return b;
}

static void
frame_out(struct trunk *t, enum trunk_class c, uint16_t proto, struct span info, uint8_t tos, struct trunk_sink *out)
{
	t->stats.frames[c]++;
	t->stats.octets_out += info.len;
	out->frame(out, proto, info, tos);
}

static void
lane_leave(struct trunk *t, enum trunk_class c, mono_t now, struct trunk_sink *out)
{
	struct lane *l = &t->lane[c];
	struct pppmux_frame f;

	if (!pppmux_take(&l->mux, now, &f))
		return;
	for (unsigned i = 0; i < f.count; i++)
		t->stats.delay[delay_bucket(now - l->came[i])]++;
	if (f.proto == PPPMUX_PROTO) {
		t->stats.mux_frames++;
		t->stats.mux_packets += f.count;
		t->stats.mux_octets += f.info.len;
	}
	frame_out(t, c, f.proto, f.info, l->mixed ? 0 : l->tos, out);
}

static void
lane_note(struct lane *l, mono_t now, uint8_t tos)
{
	const unsigned n = l->mux.count;

	l->came[n - 1] = now;
	if (n == 1) {
		l->tos = tos;
		l->mixed = false;
	}
	l->mixed |= tos != l->tos;
}

static void
lane_add(struct trunk *t, enum trunk_class c, mono_t now, uint16_t proto, struct span info, uint8_t tos,
	 struct trunk_sink *out)
{
	struct lane *l = &t->lane[c];
	enum pppmux_verdict v = pppmux_add(&l->mux, now, proto, info.p, info.len);

	if (v == PPPMUX_FULL || v == PPPMUX_PLAIN)
		lane_leave(t, c, now, out);
	if (v == PPPMUX_FULL)
		v = pppmux_add(&l->mux, now, proto, info.p, info.len);
	if (v == PPPMUX_PLAIN) {
		t->stats.delay[0]++;
		frame_out(t, c, proto, info, tos, out);
		return;
	}
	lane_note(l, now, tos);
	if (v == PPPMUX_READY)
		lane_leave(t, c, now, out);
}

void
trunk_send(struct trunk *t, mono_t now, uint16_t proto, uint8_t *p, uint32_t len, uint8_t tos, struct trunk_sink *out)
{
	const enum trunk_class c = tos >> 2 == DSCP_EF ? TRUNK_EF : TRUNK_REST;
	struct crtp_pkt k = { p, len, proto };

	tos &= 0xfc; /* ECN is each packet's own, and tells classes apart no more than it unmarks EF */
	t->stats.packets[c]++;
	t->stats.octets_in += len;
	crtp_compress(t->comp, now, &k);
	if (t->conf.mux_send) {
		lane_add(t, c, now, k.proto, span_of(k.p, k.len), tos, out);
		return;
	}
	t->stats.delay[0]++;
	frame_out(t, c, k.proto, span_of(k.p, k.len), tos, out);
}

void
trunk_prefetch(const struct trunk *t, const struct crtp_pkt *k, unsigned n)
{
	crtp_comp_prefetch(t->comp, k, n);
}

static void
send_states(struct trunk *t, mono_t now, struct trunk_sink *out)
{
	uint8_t buf[1024];
	size_t n;

	while ((n = crtp_dec_state(t->dec, now, buf, sizeof buf)) > 0) {
		if (t->conf.no_states)
			continue;
		t->stats.states_sent++;
		out->frame(out, CRTP_PPP_CONTEXT_STATE, span_of(buf, n), DSCP_EF << 2);
	}
}

/*
 * The peer was replaced by its standby, whose decompressor may lack what we told in its last moments: we need not be
 * asked for it.
 */
static void
tell_a_new_peer(struct trunk *t, mono_t now)
{
	if (!crtp_dec_renewed(t->dec) || (t->told && now - t->told < TELL_AGAIN))
		return;
	t->told = now;
	crtp_comp_tell(t->comp);
}

/* ---- receiving ---------------------------------------------------------------------------- */

bool
trunk_takes(const struct trunk *t, uint16_t proto)
{
	if (proto == PPPMUX_PROTO)
		return t->conf.mux_recv;
	if (proto == CRTP_PPP_CONTEXT_STATE)
		return t->conf.comp.has_v4 || t->conf.comp.has_v6;
	return (t->conf.dec.has_v4 || t->conf.dec.has_v6) && crtp_proto_known(proto);
}

static void
restore(struct trunk *t, mono_t now, uint16_t proto, struct span info, struct trunk_sink *out)
{
	struct crtp_pkt k = { .len = (uint32_t)info.len, .proto = proto };

	k.p = out->room(out, k.len);
	if (!k.p) {
		t->stats.no_room++;
		return;
	}
	memcpy(k.p, info.p, info.len);
	if (crtp_decompress(t->dec, now, &k) != CRTP_OK)
		return;
	t->stats.recv_packets++;
	t->stats.recv_octets_out += k.len;
	out->packet(out, k.proto, k.p, k.len);
}

static void
receive_one(struct trunk *t, mono_t now, uint16_t proto, struct span info, struct trunk_sink *out)
{
	if (proto == CRTP_PPP_CONTEXT_STATE && trunk_takes(t, proto)) {
		t->stats.states_heard++;
		crtp_comp_state(t->comp, now, info);
	} else if (proto == CRTP_PPP_IPV4 || proto == CRTP_PPP_IPV6 || trunk_takes(t, proto)) {
		restore(t, now, proto, info, out);
	} else {
		out->other(out, proto, info);
	}
}

static void
mux_fault(struct trunk *t, enum pppmux_fault fault)
{
	switch (fault) {
	case PPPMUX_TRUNCATED:
		t->stats.mux_truncated++;
		break;
	case PPPMUX_EMPTY:
		t->stats.mux_empty++;
		break;
	case PPPMUX_FORBIDDEN:
		t->stats.mux_forbidden++;
		break;
	default:
		break;
	}
}

/* Packets of a frame are other flows' each: their contexts are asked for together. */
static void
receive_mux(struct trunk *t, mono_t now, struct span info, struct trunk_sink *out)
{
	struct crtp_pkt k[CRTP_AHEAD];
	struct pppmux_rx rx;
	enum pppmux_fault fault;
	uint16_t proto;
	struct span sub;
	unsigned n;

	t->stats.recv_mux_frames++;
	pppmux_rx_init(&rx, info, t->conf.recv_pid);
	do {
		for (n = 0; n < CRTP_AHEAD && (fault = pppmux_next(&rx, &proto, &sub)) != PPPMUX_END;) {
			if (fault == PPPMUX_OK) /* only looked at: restored elsewhere */
				k[n++] = (struct crtp_pkt){ (uint8_t *)(uintptr_t)sub.p, (uint32_t)sub.len, proto };
			else
				mux_fault(t, fault);
		}
		crtp_dec_prefetch(t->dec, k, n);
		for (unsigned i = 0; i < n; i++)
			receive_one(t, now, k[i].proto, span_of(k[i].p, k[i].len), out);
	} while (n == CRTP_AHEAD);
}

void
trunk_receive(struct trunk *t, mono_t now, uint16_t proto, struct span info, struct trunk_sink *out)
{
	t->stats.recv_frames++;
	t->stats.recv_octets_in += info.len;
	if (proto == PPPMUX_PROTO)
		receive_mux(t, now, info, out);
	else
		receive_one(t, now, proto, info, out);
	tell_a_new_peer(t, now);
	send_states(t, now, out);
}

/* ---- time --------------------------------------------------------------------------------- */

mono_t
trunk_due(const struct trunk *t)
{
	mono_t due = crtp_dec_due(t->dec);

	for (unsigned i = 0; i < TRUNK_CLASSES; i++)
		due = mono_sooner(due, pppmux_due(&t->lane[i].mux));
	return due;
}

void
trunk_timer(struct trunk *t, mono_t now, struct trunk_sink *out)
{
	for (unsigned i = 0; i < TRUNK_CLASSES; i++) {
		const mono_t due = pppmux_due(&t->lane[i].mux);

		if (due != MONO_NEVER && due <= now)
			lane_leave(t, i, now, out);
	}
	send_states(t, now, out);
	crtp_comp_age(t->comp, now);
}

void
trunk_flush(struct trunk *t, mono_t now, struct trunk_sink *out)
{
	for (unsigned i = 0; i < TRUNK_CLASSES; i++)
		lane_leave(t, i, now, out);
}

/* ---- to be seen --------------------------------------------------------------------------- */

const struct trunk_stats *
trunk_stats(const struct trunk *t)
{
	return &t->stats;
}

const struct pppmux_config *
trunk_mux_config(const struct trunk *t)
{
	return &t->conf.mux;
}

uint16_t
trunk_recv_overhead(const struct trunk *t)
{
	return t->conf.recv_overhead;
}

struct crtp_comp *
trunk_comp(struct trunk *t)
{
	return t->comp;
}

struct crtp_dec *
trunk_dec(struct trunk *t)
{
	return t->dec;
}

const struct crtp_comp *
trunk_comp_of(const struct trunk *t)
{
	return t->comp;
}

const struct crtp_dec *
trunk_dec_of(const struct trunk *t)
{
	return t->dec;
}
