// SPDX-License-Identifier: Apache-2.0
/*
 * Keepalive by LCP Echo (RFC 1661, 5.8), and what it tells: round trips and losses of the last few.
 *
 * An Echo-Request counts as lost when the next one is due.  One that is not answered within the restart time
 * is repeated in the same interval, twice at most: a line that loses one datagram in twenty each way would
 * otherwise lose three echoes in a row, and its session, several times a day.  The peer is dead when it
 * answered nothing in echo_failures intervals, however many requests these held.  Echoes reveal no state: they
 * wait for no commit, and change no snapshot.
 */
#include "ppp/link.h"

#define REPEATS 2 /* after the restart time, and after twice the restart time more */

mono_t
echo_interval(const struct ppp_ctx *ctx)
{
	return (mono_t)ctx->conf->echo_ms * MONO_MS;
}

void
echo_start(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	l->echo.pending = 0;
	l->echo.due = l->echo.off || !ctx->conf->echo_ms ? MONO_NEVER : ctx->now + echo_interval(ctx);
}

void
echo_stop(struct ppp_link *l)
{
	l->echo.due = MONO_NEVER;
	l->echo.pending = 0;
}

static void
note(struct ppp_echo *e, uint16_t ms)
{
	e->ring_ms[e->next] = ms;
	e->next = (uint8_t)((e->next + 1) % PPP_ECHO_RING);
}

static void
send_echo(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct build b;

	build_begin(&b, PPP_LCP, PPP_ECHO_REQ, ++l->echo.id);
	wr_u32(&b.w, l->cp[PPP_CP_LCP].ask & ASK_MAGIC ? l->ours.magic : 0);
	build_send(&b, ctx, true);
	l->echo.sent++;
	l->echo.sent_at = ctx->now;
}

/* When the request just sent is repeated, or the interval over. */
static mono_t
next_due(const struct ppp_echo *e, const struct ppp_ctx *ctx)
{
	const mono_t wait = restart_time(ctx) << e->again;

	return e->again < REPEATS && ctx->now + 2 * wait <= e->over ? ctx->now + wait : e->over;
}

void
echo_timer(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_echo *e = &l->echo;

	if (e->due == MONO_NEVER || e->due > ctx->now)
		return;
	if (e->pending) {
		e->lost++;
		note(e, PPP_ECHO_LOST);
		link_fault(ctx, PPP_FAULT_ECHO_LOST);
	}
	if (e->pending && ctx->now < e->over) {
		e->again++;
		e->due = next_due(e, ctx);
		send_echo(l, ctx);
		return;
	}
	if (ctx->conf->echo_failures && e->pending >= ctx->conf->echo_failures) {
		echo_stop(l);
		link_end(l, ctx, cause_of(PPP_CAUSE_ECHO, PPP_LCP, 0));
		return;
	}
	e->due = e->over = MONO_NEVER;
	e->again = 0;
	if (!ctx->conf->echo_ms)
		return;
	e->over = ctx->now + echo_interval(ctx);
	e->due = next_due(e, ctx);
	e->pending++;
	send_echo(l, ctx);
}

void
echo_reply(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	struct ppp_echo *e = &l->echo;
	const uint32_t magic = pkt->data.len >= 4 ? get_u32(pkt->data.p) : 0;
	mono_t ms = (ctx->now - e->sent_at) / MONO_MS;

	if (magic && l->peer.magic && magic != l->peer.magic) {
		link_fault(ctx, PPP_FAULT_WRONG_MAGIC);
		return;
	}
	if (e->pending == 0 || pkt->id != e->id) {
		link_fault(ctx, PPP_FAULT_WRONG_ID);
		return;
	}
	e->pending = 0;
	if (e->due != MONO_NEVER && e->due < e->over)
		e->due = e->over;
	note(e, ms < 0 ? 0 : ms >= PPP_ECHO_LOST ? PPP_ECHO_LOST - 1 : (uint16_t)(ms ? ms : 1));
}

void
ppp_link_alive(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	if (l->echo.due == MONO_NEVER)
		return;
	l->echo.pending = 0;
	l->echo.due = ctx->now + echo_interval(ctx);
}

unsigned
ppp_link_echo_history(const struct ppp_link *l, uint16_t ms[PPP_ECHO_RING])
{
	unsigned n = 0;

	for (unsigned i = 1; i <= PPP_ECHO_RING; i++) {
		const uint16_t v = l->echo.ring_ms[(l->echo.next + PPP_ECHO_RING - i) % PPP_ECHO_RING];

		if (v)
			ms[n++] = v;
	}
	return n;
}
