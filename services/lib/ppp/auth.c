// SPDX-License-Identifier: Apache-2.0
/*
 * Authentication, both roles: PAP (RFC 1334), CHAP with MD5 (RFC 1994), MS-CHAPv2 (RFC 2759).
 *
 *	link->check	we are the authenticator: the peer proves itself to us, and who asked for that judges
 *	link->prove	we are the authenticatee
 *
 *	check:	OFF -> WAIT -> ASKED -> OK or FAILED;  from OK with a rechallenge to WAIT again
 *	prove:	OFF -> (CHAP: WAIT ->) SENT -> OK or FAILED
 *
 * Choices where the RFCs leave room:
 *  - A Challenge that is sent again is the same packet: Identifier and value change with each new challenge, not
 *    with each copy (RFC 1994, 4.1), so an answer under way when the timer ran out still counts, also on
 *    another node.
 *  - A new challenge's Identifier is any other: a link that begins anew, because the process before it died, does not
 *    take the answer to its predecessor's challenge for one to its own.
 *  - As authenticatee we send our Response again until the verdict comes (the verdict may be lost, and
 *    4.1 makes the authenticator answer such a copy as it did before).
 *  - MS-CHAPv2: no retry (R=0) and no password change.
 *  - A failed authentication ends the link.
 */
#include "ppp/digest.h"
#include "ppp/link.h"

enum { PAP_REQUEST = 1, PAP_ACK, PAP_NAK };				/* RFC 1334, 2.2 */
enum { CHAP_CHALLENGE = 1, CHAP_RESPONSE, CHAP_SUCCESS, CHAP_FAILURE }; /* RFC 1994, 4 */

#define CHALLENGE_LEN 16
#define MESSAGE_MAX 200

uint16_t
auth_proto(enum ppp_auth auth)
{
	return auth == PPP_AUTH_PAP ? PPP_PAP : auth == PPP_AUTH_NONE ? 0 : PPP_CHAP;
}

static bool
is_chap(enum ppp_auth auth)
{
	return auth == PPP_AUTH_CHAP_MD5 || auth == PPP_AUTH_MSCHAPV2;
}

static uint8_t
tries(const struct ppp_ctx *ctx)
{
	return ctx->conf->max_configure ? ctx->conf->max_configure : 10;
}

static unsigned
sent_before(const struct ppp_auth_side *s, const struct ppp_ctx *ctx)
{
	return tries(ctx) > s->tries ? (unsigned)(tries(ctx) - s->tries) : 0u;
}

static void
malformed(const struct ppp_ctx *ctx)
{
	link_fault(ctx, PPP_FAULT_AUTH_MALFORMED);
}

static void
fail(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_auth auth, uint8_t direction)
{
	link_fault(ctx, PPP_FAULT_AUTH_REFUSED);
	link_end(l, ctx, cause_of(PPP_CAUSE_AUTH_FAILED, auth_proto(auth), direction));
}

static void
timed_out(struct ppp_link *l, const struct ppp_ctx *ctx, enum ppp_auth auth)
{
	link_end(l, ctx, cause_of(PPP_CAUSE_AUTH_TIMEOUT, auth_proto(auth), 0));
}

static void
report_ok(const struct ppp_ctx *ctx, bool of_peer, enum ppp_auth auth)
{
	const struct ppp_event ev = { .kind = PPP_EV_AUTH_OK, .auth = { of_peer, auth } };

	link_event(ctx, &ev);
}

/* ---- authenticator */

static void
send_challenge(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->check;
	struct build b;

	build_begin(&b, PPP_CHAP, CHAP_CHALLENGE, s->id);
	wr_u8(&b.w, s->challenge_len);
	wr_bytes(&b.w, s->challenge, s->challenge_len);
	wr_bytes(&b.w, ctx->conf->name.p, ctx->conf->name.len < 255 ? ctx->conf->name.len : 255);
	build_send(&b, ctx, false);
	s->due = ctx->now + restart_after(ctx, sent_before(s, ctx));
	if (s->tries)
		s->tries--;
	l->dirty = true;
}

static void
new_challenge(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->check;

	s->state = AUTH_WAIT;
	s->id += 1 + ctx->random[RANDOM_OTHER] % 255;
	s->tries = tries(ctx);
	s->challenge_len = CHALLENGE_LEN;
	memcpy(s->challenge, ctx->random + RANDOM_CHALLENGE, CHALLENGE_LEN);
	send_challenge(l, ctx);
}

static void
start_check(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->check;

	s->auth = l->ours.auth;
	s->state = s->auth ? AUTH_WAIT : AUTH_OFF;
	s->again = false;
	if (is_chap(s->auth))
		new_challenge(l, ctx);
}

static size_t
write_hex(struct wr *w, const uint8_t *p, size_t n)
{
	static const char digit[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		wr_u8(w, (uint8_t)digit[p[i] >> 4]);
		wr_u8(w, (uint8_t)digit[p[i] & 15]);
	}
	return 2 * n;
}

static void
write_text(struct wr *w, const char *text)
{
	wr_bytes(w, text, strlen(text));
}

static void
write_message(struct wr *w, struct span message)
{
	wr_bytes(w, message.p, message.len < MESSAGE_MAX ? message.len : MESSAGE_MAX);
}

/* RFC 2759, 5: "S=<auth_string> M=<message>"; 6: "E=691 R=0 C=<challenge> V=3 M=<message>". */
static void
write_mschap_verdict(const struct ppp_auth_side *s, struct wr *w, bool ok, struct span message)
{
	if (ok) {
		write_text(w, "S=");
		write_hex(w, s->proof, sizeof s->proof);
	} else {
		write_text(w, "E=691 R=0 C=");
		write_hex(w, s->challenge, sizeof s->challenge);
		write_text(w, " V=3");
	}
	write_text(w, " M=");
	write_message(w, message);
}

static void
send_verdict(struct ppp_link *l, const struct ppp_ctx *ctx, struct span message)
{
	const struct ppp_auth_side *s = &l->check;
	const bool ok = s->state == AUTH_OK;
	struct build b;

	if (s->auth == PPP_AUTH_PAP) {
		build_begin(&b, PPP_PAP, ok ? PAP_ACK : PAP_NAK, s->id);
		wr_u8(&b.w, (uint8_t)(message.len < MESSAGE_MAX ? message.len : MESSAGE_MAX));
		write_message(&b.w, message);
	} else {
		build_begin(&b, PPP_CHAP, ok ? CHAP_SUCCESS : CHAP_FAILURE, s->id);
		if (s->auth == PPP_AUTH_MSCHAPV2)
			write_mschap_verdict(s, &b.w, ok, message);
		else
			write_message(&b.w, message);
	}
	build_send(&b, ctx, false);
}

static void
ask_above(struct ppp_link *l, const struct ppp_ctx *ctx, struct span name, struct span response, bool proxied,
	  struct span challenge)
{
	struct ppp_auth_side *s = &l->check;
	const struct ppp_event ev = { .kind = PPP_EV_VERIFY,
				      .verify = { .serial = ++s->serial,
						  .auth = s->auth,
						  .id = s->id,
						  .name = name,
						  .challenge = challenge,
						  .response = response,
						  .proxied = proxied,
						  .again = s->again } };

	s->state = AUTH_ASKED;
	s->due = MONO_NEVER;
	l->dirty = true;
	link_event(ctx, &ev);
}

/* RFC 1334, 2.2.1.  A copy while the answer is awaited changes only whom the verdict goes to. */
static void
pap_request(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	struct ppp_auth_side *s = &l->check;
	struct rd r = rd_of(pkt->data.p, pkt->data.len);
	const struct span name = rd_span(&r, rd_u8(&r)), password = rd_span(&r, rd_u8(&r));

	if (!r.ok) {
		malformed(ctx);
		return;
	}
	if (s->id != pkt->id)
		l->dirty = true;
	s->id = pkt->id;
	if (s->state == AUTH_WAIT)
		ask_above(l, ctx, name, password, false, span_of(NULL, 0));
	else if (s->state == AUTH_OK || s->state == AUTH_FAILED)
		send_verdict(l, ctx, span_of(NULL, 0));
}

static size_t
response_len(enum ppp_auth auth)
{
	return auth == PPP_AUTH_MSCHAPV2 ? MSCHAP_VALUE : 16;
}

/* RFC 1994, 4.1.  The same verdict for each copy of a response that was judged. */
static void
chap_response(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	struct ppp_auth_side *s = &l->check;
	struct rd r = rd_of(pkt->data.p, pkt->data.len);
	const struct span value = rd_span(&r, rd_u8(&r)), name = rd_rest(&r);

	if (!r.ok || value.len != response_len(s->auth)) {
		malformed(ctx);
		return;
	}
	if (pkt->id != s->id) {
		link_fault(ctx, PPP_FAULT_WRONG_ID);
		return;
	}
	if (s->state == AUTH_WAIT)
		ask_above(l, ctx, name, value, false, span_of(s->challenge, s->challenge_len));
	else if (s->state == AUTH_OK || s->state == AUTH_FAILED)
		send_verdict(l, ctx, span_of(NULL, 0));
}

static void
passed(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->check;
	const bool again = s->again;

	s->again = false;
	s->due = MONO_NEVER;
	if (is_chap(s->auth) && ctx->conf->chap_again_ms)
		s->due = ctx->now + (mono_t)ctx->conf->chap_again_ms * MONO_MS;
	if (again)
		return;
	report_ok(ctx, true, s->auth);
	link_authenticated(l, ctx);
}

void
auth_result(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_auth_result *result)
{
	struct ppp_auth_side *s = &l->check;

	if (s->state != AUTH_ASKED || result->serial != s->serial) {
		link_fault(ctx, PPP_FAULT_LATE_ANSWER);
		return;
	}
	l->dirty = true;
	s->state = result->ok ? AUTH_OK : AUTH_FAILED;
	if (result->ok && s->auth == PPP_AUTH_MSCHAPV2)
		memcpy(s->proof, result->mschap_proof, sizeof s->proof);
	send_verdict(l, ctx, result->message);
	if (result->ok)
		passed(l, ctx);
	else
		fail(l, ctx, s->auth, 1);
}

static void
check_timer(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->check;

	if (s->due == MONO_NEVER || s->due > ctx->now)
		return;
	s->due = MONO_NEVER;
	if (s->state == AUTH_OK && is_chap(s->auth)) { /* RFC 1994, 2: at random intervals, again */
		s->again = true;
		new_challenge(l, ctx);
	} else if (s->state == AUTH_WAIT && is_chap(s->auth)) {
		if (s->challenge_len == 0) /* the LAC's was too long to be kept across a load */
			new_challenge(l, ctx);
		else if (s->tries)
			send_challenge(l, ctx);
		else
			timed_out(l, ctx, s->auth);
	}
}

/* ---- authenticatee */

static void
sent(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->prove;

	s->state = AUTH_SENT;
	s->due = ctx->now + restart_after(ctx, sent_before(s, ctx));
	if (s->tries)
		s->tries--;
	l->dirty = true;
}

static size_t
upto255(struct span s)
{
	return s.len < 255 ? s.len : 255;
}

static void
send_pap(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const struct ppp_conf *c = ctx->conf;
	struct build b;

	build_begin(&b, PPP_PAP, PAP_REQUEST, l->prove.id);
	wr_u8(&b.w, (uint8_t)upto255(c->name));
	wr_bytes(&b.w, c->name.p, upto255(c->name));
	wr_u8(&b.w, (uint8_t)upto255(c->password));
	wr_bytes(&b.w, c->password.p, upto255(c->password));
	build_send(&b, ctx, false);
	sent(l, ctx);
}

/* RFC 2759, 4. */
static void
write_mschap_value(const struct ppp_auth_side *s, const struct ppp_conf *c, struct wr *w)
{
	static const uint8_t zero[8];
	uint8_t nt[24];

	mschap_nt_response(s->challenge, s->proof, mschap_user(c->name), c->password, nt);
	wr_u8(w, MSCHAP_VALUE);
	wr_bytes(w, s->proof, 16);
	wr_bytes(w, zero, sizeof zero);
	wr_bytes(w, nt, sizeof nt);
	wr_u8(w, 0);
}

static void
send_response(struct ppp_link *l, const struct ppp_ctx *ctx, struct span challenge)
{
	const struct ppp_conf *c = ctx->conf;
	struct ppp_auth_side *s = &l->prove;
	uint8_t value[16];
	struct build b;

	build_begin(&b, PPP_CHAP, CHAP_RESPONSE, s->id);
	if (s->auth == PPP_AUTH_MSCHAPV2) {
		write_mschap_value(s, c, &b.w);
	} else {
		chap_md5(s->id, c->password, challenge, value);
		wr_u8(&b.w, sizeof value);
		wr_bytes(&b.w, value, sizeof value);
	}
	wr_bytes(&b.w, c->name.p, upto255(c->name));
	build_send(&b, ctx, false);
	sent(l, ctx);
	if (s->challenge_len == 0)
		s->due = MONO_NEVER; /* too long to be kept: the authenticator will ask again */
}

static bool
same_challenge(const struct ppp_auth_side *s, uint8_t id, struct span challenge)
{
	return s->state >= AUTH_SENT && s->id == id &&
	       span_eq(challenge, span_of(s->challenge, s->challenge_len));
}

static void
take_challenge(struct ppp_link *l, const struct ppp_ctx *ctx, uint8_t id, struct span challenge)
{
	struct ppp_auth_side *s = &l->prove;

	s->again = s->state == AUTH_OK;
	s->id = id;
	s->tries = tries(ctx);
	s->challenge_len = challenge.len <= sizeof s->challenge ? (uint8_t)challenge.len : 0;
	memcpy(s->challenge, challenge.p, s->challenge_len);
	memcpy(s->proof, ctx->random + RANDOM_CHALLENGE, 16); /* MS-CHAPv2: our own challenge */
}

/* RFC 1994, 4.1.  The same Response to a copy: the verdict may be on the way already. */
static void
chap_challenge(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	struct ppp_auth_side *s = &l->prove;
	struct rd r = rd_of(pkt->data.p, pkt->data.len);
	const struct span challenge = rd_span(&r, rd_u8(&r));

	if (!r.ok || challenge.len == 0 || (s->auth == PPP_AUTH_MSCHAPV2 && challenge.len != CHALLENGE_LEN)) {
		malformed(ctx);
		return;
	}
	if (same_challenge(s, pkt->id, challenge) && s->state == AUTH_OK) {
		send_response(l, ctx, challenge);
		s->state = AUTH_OK; /* its verdict is known */
		s->due = MONO_NEVER;
		return;
	}
	if (!same_challenge(s, pkt->id, challenge))
		take_challenge(l, ctx, pkt->id, challenge);
	send_response(l, ctx, challenge);
}

static void
accepted(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->prove;
	const bool again = s->again;

	s->state = AUTH_OK;
	s->due = MONO_NEVER;
	s->again = false;
	l->dirty = true;
	if (again)
		return;
	report_ok(ctx, false, s->auth);
	link_authenticated(l, ctx);
}

/* RFC 2759, 5: a peer that cannot tell S= does not know the password either. */
static bool
mschap_success_fits(const struct ppp_auth_side *s, const struct ppp_conf *c, struct span message)
{
	const struct span user = mschap_user(c->name);
	uint8_t nt[24], proof[20], text[42];
	struct wr w = wr_of(text, sizeof text);

	mschap_nt_response(s->challenge, s->proof, user, c->password, nt);
	mschap_authenticator_response(s->challenge, s->proof, nt, user, c->password, proof);
	write_text(&w, "S=");
	write_hex(&w, proof, sizeof proof);
	return message.len >= sizeof text && secret_eq(message.p, text, sizeof text);
}

static void
verdict(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt, bool ok)
{
	struct ppp_auth_side *s = &l->prove;

	if (s->state != AUTH_SENT || pkt->id != s->id) {
		link_fault(ctx, PPP_FAULT_WRONG_ID);
		return;
	}
	l->dirty = true;
	if (!ok) {
		s->state = AUTH_FAILED;
		fail(l, ctx, s->auth, 2);
	} else if (s->auth == PPP_AUTH_MSCHAPV2 && !mschap_success_fits(s, ctx->conf, pkt->data)) {
		s->state = AUTH_FAILED;
		fail(l, ctx, s->auth, 1);
	} else {
		accepted(l, ctx);
	}
}

static void
start_prove(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->prove;

	s->auth = l->peer.auth;
	s->state = s->auth ? AUTH_WAIT : AUTH_OFF;
	s->again = false;
	s->tries = tries(ctx);
	if (s->auth == PPP_AUTH_PAP) {
		s->id++;
		send_pap(l, ctx);
	}
}

static void
prove_timer(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	struct ppp_auth_side *s = &l->prove;

	if (s->due == MONO_NEVER || s->due > ctx->now)
		return;
	s->due = MONO_NEVER;
	if (s->state != AUTH_SENT)
		return;
	if (s->tries == 0 && s->again) { /* the link is open: no verdict is no failure */
		s->state = AUTH_OK;
		s->again = false;
		l->dirty = true;
	} else if (s->tries == 0)
		timed_out(l, ctx, s->auth);
	else if (s->auth == PPP_AUTH_PAP)
		send_pap(l, ctx);
	else
		send_response(l, ctx, span_of(s->challenge, s->challenge_len));
}

/* ---- both */

void
auth_start(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	const uint32_t ms = ctx->conf->auth_ms ? ctx->conf->auth_ms : 30000;

	l->auth_due = ctx->now + (mono_t)ms * MONO_MS;
	start_check(l, ctx);
	start_prove(l, ctx);
}

void
auth_stop(struct ppp_link *l)
{
	struct ppp_auth_side *sides[] = { &l->check, &l->prove };

	l->auth_due = MONO_NEVER;
	for (unsigned i = 0; i < 2; i++) {
		const struct ppp_auth_side keep = { .id = sides[i]->id, .serial = sides[i]->serial };

		*sides[i] = keep;
	}
}

static void
pap_input(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	if (pkt->code == PAP_REQUEST && l->check.auth == PPP_AUTH_PAP)
		pap_request(l, ctx, pkt);
	else if ((pkt->code == PAP_ACK || pkt->code == PAP_NAK) && l->prove.auth == PPP_AUTH_PAP)
		verdict(l, ctx, pkt, pkt->code == PAP_ACK);
	else
		link_fault(ctx, PPP_FAULT_WRONG_PHASE);
}

static void
chap_input(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_packet *pkt)
{
	const bool prove = is_chap(l->prove.auth);

	if (pkt->code == CHAP_RESPONSE && is_chap(l->check.auth))
		chap_response(l, ctx, pkt);
	else if (pkt->code == CHAP_CHALLENGE && prove)
		chap_challenge(l, ctx, pkt);
	else if ((pkt->code == CHAP_SUCCESS || pkt->code == CHAP_FAILURE) && prove)
		verdict(l, ctx, pkt, pkt->code == CHAP_SUCCESS);
	else
		link_fault(ctx, PPP_FAULT_WRONG_PHASE);
}

void
auth_input(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_frame *f)
{
	struct ppp_packet pkt;

	if (!ppp_packet_read(f->info, &pkt)) {
		link_fault(ctx, PPP_FAULT_BAD_LENGTH);
		return;
	}
	if (f->proto == PPP_PAP)
		pap_input(l, ctx, &pkt);
	else
		chap_input(l, ctx, &pkt);
}

void
auth_timer(struct ppp_link *l, const struct ppp_ctx *ctx)
{
	check_timer(l, ctx);
	prove_timer(l, ctx);
	if (l->phase == PPP_AUTHENTICATE && l->auth_due != MONO_NEVER && l->auth_due <= ctx->now)
		timed_out(l, ctx, l->check.auth && l->check.state != AUTH_OK ? l->check.auth : l->prove.auth);
}

/* The peer does not do the protocol that it agreed to. */
void
auth_rejected(struct ppp_link *l, const struct ppp_ctx *ctx, uint16_t proto)
{
	if (l->phase == PPP_AUTHENTICATE)
		link_end(l, ctx, cause_of(PPP_CAUSE_AUTH_PROTOCOL, proto, 1));
}

/* ---- proxy authentication (RFC 2661, 4.4.5) */

static bool
adopt_pap(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_proxy *p)
{
	if (l->ours.auth != PPP_AUTH_PAP || p->auth_name.len == 0)
		return false;
	ask_above(l, ctx, p->auth_name, p->auth_response, true, span_of(NULL, 0));
	return true;
}

static bool
adopt_chap(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_proxy *p)
{
	if (!is_chap(l->ours.auth) || p->auth_name.len == 0 || p->auth_challenge.len == 0 ||
	    p->auth_response.len != response_len(l->ours.auth))
		return false;
	if (p->auth_challenge.len <= sizeof l->check.challenge) {
		l->check.challenge_len = (uint8_t)p->auth_challenge.len;
		memcpy(l->check.challenge, p->auth_challenge.p, p->auth_challenge.len);
	}
	ask_above(l, ctx, p->auth_name, p->auth_response, true, p->auth_challenge);
	return true;
}

bool
auth_adopt(struct ppp_link *l, const struct ppp_ctx *ctx, const struct ppp_proxy *p)
{
	struct ppp_auth_side *s = &l->check;
	const uint32_t ms = ctx->conf->auth_ms ? ctx->conf->auth_ms : 30000;

	s->auth = l->ours.auth;
	s->id = p->auth_id;
	l->auth_due = ctx->now + (mono_t)ms * MONO_MS;
	start_prove(l, ctx);
	if (p->auth_type == 3 && adopt_pap(l, ctx, p))
		return true;
	if (p->auth_type == 2 && adopt_chap(l, ctx, p))
		return true;
	return false;
}
