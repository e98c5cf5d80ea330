// SPDX-License-Identifier: Apache-2.0
/*
 * Any octets as a stored link.  What is loaded gives a snapshot that loads again as itself, and the link
 * takes frames, timers and answers without harm: the sample's own octets as frames, and time.
 */
#include <stdint.h>
#include <stdlib.h>

#include "ppp/frame.h"
#include "ppp/ppp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned frames;

#define require(FINE) ((FINE) ? (void)0 : abort()) /* a macro: the trace names the line */

static void
send_frame(struct ppp_out *out, struct span frame, bool reveals_nothing)
{
	require(frame.len >= 6 && frame.len <= PPP_FRAME_MAX);
	frames++;
}

static void
event(struct ppp_out *out, const struct ppp_event *ev)
{
	require(ppp_fault_name(ev->kind == PPP_EV_FAULT ? ev->fault : 0)[0]);
}

static void
live(struct ppp_link *l, struct ppp_ctx *ctx, struct span data)
{
	static const uint16_t protos[] = { PPP_LCP, PPP_PAP, PPP_CHAP, PPP_IPCP, PPP_IPV6CP, PPP_IPV6, 0x80fd };
	const struct ppp_net net = { .ipv4 = true, .ipv6 = true, .local4 = 1, .peer4 = 2, .prefix6_len = 64 };
	struct ppp_auth_result r = { .serial = l->check.serial, .ok = true };

	ppp_link_resume(l, ctx);
	for (unsigned i = 0; i < 40; i++) {
		uint8_t b[64] = { 0 };
		const size_t n = data.len < 40 ? data.len : 40;

		put_u16(b, protos[i % 7]);
		b[2] = (uint8_t)(i % 14);
		b[3] = l->cp[i % PPP_CPS].id;
		put_u16(b + 4, (uint16_t)(n + 4));
		memcpy(b + 6, data.p, n);
		ppp_link_input(l, ctx, span_of(b, n + 6));
		if (i % 8 == 3)
			ppp_link_auth_result(l, ctx, &r);
		if (i % 8 == 5)
			ppp_link_network(l, ctx, &net);
		if (i % 8 == 7) {
			ctx->now += 3 * MONO_S;
			ppp_link_timer(l, ctx);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t random[PPP_RANDOM] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct ppp_out out = { send_frame, event, NULL };
	struct ppp_conf conf;
	struct ppp_ctx ctx = { &conf, 1000 * MONO_S, random, &out };
	uint8_t a[PPP_SAVE_MAX], b[PPP_SAVE_MAX];
	struct ppp_link l, again;
	size_t n;

	ppp_conf_defaults(&conf);
	conf.echo_ms = 5000;
	conf.client = len & 1;
	frames = 0;
	if (!ppp_link_load(&l, &ctx, span_of(data, len)))
		return 0;
	require(l.check.challenge_len <= 16 && l.prove.challenge_len <= 16);
	n = ppp_link_save(&l, a, sizeof a);
	require(n != 0);
	require(ppp_link_load(&again, &ctx, span_of(a, n)));
	require(ppp_link_save(&again, b, sizeof b) == n && memcmp(a, b, n) == 0);
	live(&l, &ctx, span_of(data, len));
	require(frames < 400);
	return 0;
}
