// SPDX-License-Identifier: Apache-2.0
/*
 * L2TPv3 (RFC 3931) between two of us, in every form that it has: over UDP and IP, with authentication, with digests as
 * an integrity check, with neither, hidden, and begun as a request in both versions.  The stories are those of
 * pair_test.c and recover_test.c; what differs from L2TPv2 has tests of its own.
 */
#include <utlist.h>

#include "../lib/unit.h"
#include "pair.h"

#define STORY 24 /* datagrams of the story, and then some */

static const struct form {
	const char *name;
	bool ip, secret, hide, integrity, both, sublayer;
	unsigned digests;
	uint8_t cookie, sequencing;
} forms[] = {
	{ "plain", .digests = 1, .cookie = 8 },
	{ "over IP", .ip = true, .digests = 1 },
	{ "MD5", .secret = true, .digests = 1, .cookie = 4 },
	{ "SHA-1 over IP", .ip = true, .secret = true, .digests = 2, .cookie = 8, .sublayer = true },
	{ "both digests, hidden", .secret = true, .hide = true, .digests = 3, .cookie = 8, .sublayer = true, .sequencing = 2 },
	{ "integrity check", .integrity = true, .digests = 1, .cookie = 8 },
	{ "in both forms", .both = true, .secret = true, .digests = 1, .cookie = 8 },
	{ "in both forms, hidden", .both = true, .secret = true, .hide = true, .digests = 2 },
};
#define FORMS (int)(sizeof forms / sizeof *forms)

static void
form_setup(unsigned i, const struct form *f)
{
	struct conf_profile *p = &end[i]->conf.profile[0];

	p->version = f->both ? VERSION_BOTH : VERSION_3;
	p->hide = f->hide;
	p->v3 = (struct conf_v3){ .transport = f->ip ? TRANSPORT_IP : TRANSPORT_UDP, .digests = f->digests,
				  .integrity = f->integrity, .cookie = f->cookie, .sublayer = f->sublayer,
				  .sequencing = f->sequencing, .rtx_tries = 10 };
	snprintf(p->secret, CONF_TEXT, "%s", f->secret ? "secret" : "");
	p->require_auth = f->secret;
}

static void
both_setup(const struct form *f)
{
	form_setup(LAC, f);
	form_setup(LNS, f);
}

/* Two calls up, one cleared by each end, the tunnel closed: nothing is left anywhere. */
static void
story(const struct form *f)
{
	struct tunnel *t;

	both_setup(f);
	start();
	words(LAC, "call dial g 100");
	words(LAC, "call dial g 200");
	run(30 * MONO_S);
	ck_assert_msg(population(LAC).calls_established == 2, "%s", f->name);
	ck_assert_uint_eq(population(LNS).calls_established, 2);
	same_calls();
	t = end[LNS]->tc->all;
	ck_assert_uint_eq(t->version, 3);
	ck_assert(t->over_ip == f->ip && (t->peer.port == 0) == f->ip);
	ck_assert((t->nonce_len == 16) == f->secret && (t->peer_nonce_len == 16) == f->secret);
	ck_assert((t->digests != 0) == (f->secret || f->integrity));
	t = end[LAC]->tc->all;
	words(LAC, "call clear %u/%u", t->id, t->by_id->id);
	run(30 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
	same_calls();
	t = end[LNS]->tc->all;
	words(LNS, "call clear %u/%u result=3 cause=4", t->id, t->by_id->id);
	run(30 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls, 0);
	words(LNS, "tunnel close %u", end[LNS]->tc->all->id);
	run(200 * MONO_S);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(population(i).tunnels, 0);
		ck_assert_uint_eq(HASH_COUNT(end[i]->store), 0);
		ck_assert_uint_eq(lab_count(end[i], "DIGEST_WRONG") + lab_count(end[i], "OTHER_VERSION"), 0);
	}
}

START_TEST(the_story_in_every_form)
{
	story(&forms[_i]);
	ck_assert_int_le(network.count, STORY);
	ck_assert_uint_eq(lab_count(end[LAC], "RETRANSMISSIONS"), 0);
	ck_assert_uint_eq(lab_count(end[LNS], "RETRANSMISSIONS"), 0);
}
END_TEST

START_TEST(any_one_datagram_may_be_lost)
{
	network.lose = _i / FORMS;
	story(&forms[_i % FORMS]);
}
END_TEST

START_TEST(any_one_datagram_may_come_twice)
{
	network.twice = _i / FORMS;
	story(&forms[_i % FORMS]);
}
END_TEST

/* Nonces, keys, cookies and ids are in the rows: the twin seals and checks where the other one stopped. */
START_TEST(either_end_may_die_before_any_datagram)
{
	if (_i & 1)
		network.kill_lac = _i / 2 / FORMS;
	else
		network.kill_lns = _i / 2 / FORMS;
	story(&forms[_i / 2 % FORMS]);
}
END_TEST

START_TEST(a_storm_with_loss_and_disorder_ends_with_every_call_up)
{
	network.loss_percent = 20;
	network.dice = (uint64_t)_i + 1;
	network.shuffle = true;
	both_setup(&forms[_i % FORMS]);
	start();
	for (unsigned i = 0; i < 20; i++)
		words(LAC, "call dial g %u", i);
	for (unsigned i = 0; i < 8; i++) {
		run(5 * MONO_S);
		lab_promote(end[i & 1]);
	}
	run(50 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 20);
	ck_assert_uint_eq(population(LNS).calls_established, 20);
	same_calls();
}
END_TEST

/* ---- who is believed ---------------------------------------------------------------------------------- */

START_TEST(different_secrets_open_nothing)
{
	both_setup(&forms[2 + _i]);
	snprintf(end[LNS]->conf.profile[0].secret, CONF_TEXT, "other");
	start();
	words(LAC, "call dial g 1");
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LNS).tunnels, 0);
	ck_assert_uint_eq(end[LNS]->records, 0); /* not a word is believed, and none is answered */
	ck_assert_uint_gt(lab_count(end[LNS], "DIGEST_WRONG"), 0);
	ck_assert_uint_eq(population(LAC).established, 0);
}
END_TEST

START_TEST(who_requires_authentication_takes_nobody_without)
{
	form_setup(LAC, &forms[0]);
	form_setup(LNS, &forms[2]);
	start();
	words(LAC, "call dial g 1");
	run(MONO_S);
	ck_assert_uint_eq(population(LNS).established, 0);
	ck_assert_uint_eq(lab_count(end[LNS], "FAULT_NO_NONCE"), 1);
	ck_assert_uint_eq(population(LAC).established, 0);
}
END_TEST

START_TEST(who_has_no_secret_says_so)
{
	form_setup(LAC, &forms[2]);
	form_setup(LNS, &forms[0]);
	start();
	words(LAC, "call dial g 1");
	run(MONO_S);
	ck_assert_uint_eq(lab_count(end[LNS], "FAULT_NO_SECRET"), 1);
	ck_assert_uint_eq(population(LNS).established + population(LAC).established, 0);
	/* Its StopCCN has no digest, and so tells us nothing. */
	ck_assert_uint_gt(lab_count(end[LAC], "DIGEST_MISSING"), 0);
}
END_TEST

/* ---- two secrets (5.4.1) ------------------------------------------------------------------------------ */

static void
secrets(unsigned i, const char *first, const char *second)
{
	struct conf_profile *p = &end[i]->conf.profile[0];

	snprintf(p->secret, CONF_TEXT, "%s", first);
	snprintf(p->v3.second_secret, CONF_TEXT, "%s", second);
	tc_configure(end[i]->tc, end[i]->now, &end[i]->conf);
	tc_configure(end[i]->shadow, end[i]->now, &end[i]->conf);
}

/* As the manual has it: at every step one more call, a Hello each way, and nobody doubts anybody. */
START_TEST(a_secret_is_changed_under_a_tunnel)
{
	static const struct {
		unsigned end;
		const char *first, *second;
	} steps[] = {
		{ LAC, "secret", "other" }, { LNS, "secret", "other" }, { LNS, "other", "secret" },
		{ LAC, "other", "secret" }, { LAC, "other", "" },	{ LNS, "other", "" },
	};

	both_setup(&forms[2 + _i]);
	start();
	words(LAC, "call dial g 0");
	run(2 * MONO_S);
	for (unsigned n = 0; n < sizeof steps / sizeof *steps; n++) {
		secrets(steps[n].end, steps[n].first, steps[n].second);
		if (n == 3)
			lab_promote(end[LNS]);
		words(LAC, "call dial g %u", n + 1);
		run(100 * MONO_S);
		ck_assert_msg(population(LNS).calls_established == n + 2, "step %u", n);
		same_calls();
	}
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(population(i).established, 1);
		ck_assert_uint_eq(lab_count(end[i], "DIGEST_WRONG"), 0);
		ck_assert_uint_eq(lab_count(end[i], "TUNNELS_OPENED") + lab_count(end[i], "TUNNELS_LOST") > 1, 0);
	}
	ck_assert_uint_gt(lab_count(end[LNS], "HELLO_IN") + lab_count(end[LAC], "HELLO_IN"), 0);
}
END_TEST

/* A new tunnel, whichever of the two the peer has; hidden values as well where each has the other's first one. */
START_TEST(either_of_two_secrets_opens)
{
	const bool peer_first = _i & 1;

	both_setup(&forms[2 + _i / 4]);
	end[LAC]->conf.profile[0].hide = end[LNS]->conf.profile[0].hide = false;
	start();
	secrets(_i & 2 ? LAC : LNS, "secret", "other");
	secrets(_i & 2 ? LNS : LAC, peer_first ? "secret" : "other", "");
	words(LAC, "call dial g 1");
	run(5 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
	ck_assert_uint_eq(lab_count(end[LAC], "DIGEST_WRONG") + lab_count(end[LNS], "DIGEST_WRONG"), 0);
	same_calls();
}
END_TEST

START_TEST(neither_of_two_secrets_opens_nothing)
{
	both_setup(&forms[2]);
	start();
	secrets(LNS, "one", "two");
	words(LAC, "call dial g 1");
	run(20 * MONO_S);
	ck_assert_uint_eq(population(LNS).tunnels, 0);
	ck_assert_uint_gt(lab_count(end[LNS], "DIGEST_WRONG"), 0);
}
END_TEST

/* Nothing is hidden where no message is authenticated (5.3). */
START_TEST(hiding_needs_authentication)
{
	static struct l2tp_msg m;

	both_setup(&forms[4]);
	for (unsigned i = 0; i < 2; i++) {
		end[i]->conf.profile[0].v3.digests = 0;
		end[i]->conf.profile[0].require_auth = false;
	}
	start();
	words(LAC, "call dial g 1");
	for (unsigned n = 0; n < 4; n++) {
		for (unsigned k = 0; k < end[LAC]->outs; k++) {
			ck_assert_int_eq(l2tp3_msg_read(span_of(end[LAC]->out[k].bytes, end[LAC]->out[k].len), span_of(NULL, 0), &m), L2TP_OK);
			ck_assert_uint_eq(m.hidden, 0);
		}
		carry();
	}
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
}
END_TEST

/* A Hello under one digest, with any one bit changed: nothing of it counts, not even its Nr. */
START_TEST(no_bit_of_a_message_may_change)
{
	static struct lab_packet hello;
	const struct form *f = &forms[_i];
	struct lab *to;

	both_setup(f);
	start();
	words(LAC, "call dial g 1");
	run(5 * MONO_S);
	network.cut = true;
	lab_wait(end[LAC], 61 * MONO_S);
	to = end[LNS];
	to->now = end[LAC]->now;
	ck_assert_uint_ge(end[LAC]->outs, 1);
	hello = end[LAC]->out[0];
	unsigned records = to->records;
	for (size_t bit = f->ip ? 32 : 0; bit < hello.len * 8; bit++) {
		hello.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		lab_take(to, hello.local, hello.peer, span_of(hello.bytes, hello.len));
		hello.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(to->records == records, "bit %zu", bit);
	}
	lab_take(to, hello.local, hello.peer, span_of(hello.bytes, hello.len));
	ck_assert_uint_eq(lab_count(to, "HELLO_IN"), 1);
}
END_TEST

/* ---- which version ------------------------------------------------------------------------------------- */

static const struct {
	enum conf_version lac, lns;
	unsigned version; /* 0: none */
} versions[] = {
	{ VERSION_2, VERSION_2, 2 }, { VERSION_2, VERSION_3, 0 },    { VERSION_2, VERSION_BOTH, 2 },
	{ VERSION_3, VERSION_2, 0 }, { VERSION_3, VERSION_3, 3 },    { VERSION_3, VERSION_BOTH, 3 },
	{ VERSION_BOTH, VERSION_2, 2 }, { VERSION_BOTH, VERSION_3, 3 }, { VERSION_BOTH, VERSION_BOTH, 3 },
};
#define VERSIONS (int)(sizeof versions / sizeof *versions)

START_TEST(the_version_is_what_both_ends_take)
{
	both_setup(&forms[_i / VERSIONS ? 2 : 0]);
	end[LAC]->conf.profile[0].version = versions[_i % VERSIONS].lac;
	end[LNS]->conf.profile[0].version = versions[_i % VERSIONS].lns;
	start();
	words(LAC, "call dial g 1");
	run(10 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, versions[_i % VERSIONS].version != 0);
	if (versions[_i % VERSIONS].version) {
		ck_assert_uint_eq(end[LAC]->tc->all->version, versions[_i % VERSIONS].version);
		ck_assert_uint_eq(end[LNS]->tc->all->version, versions[_i % VERSIONS].version);
		same_calls();
	} else {
		ck_assert_uint_eq(lab_count(end[LNS], "FAULT_VERSION"), 1);
	}
}
END_TEST

/* ---- calls ------------------------------------------------------------------------------------------------ */

START_TEST(each_end_says_how_its_data_is_to_look)
{
	form_setup(LAC, &forms[4]);
	form_setup(LNS, &forms[2]);
	end[LAC]->conf.profile[0].hide = false;
	start();
	words(LAC, "call dial g 1 tx=123456");
	run(5 * MONO_S);
	same_calls();
	const struct call_form *a = end[LAC]->tc->all->by_id->form, *b = end[LNS]->tc->all->by_id->form;
	ck_assert_uint_eq(a->cookie_len, 8);
	ck_assert_uint_eq(b->cookie_len, 4);
	ck_assert_uint_eq(a->peer_cookie_len, 4);
	ck_assert_mem_eq(a->cookie, b->peer_cookie, 8);
	ck_assert_mem_eq(b->cookie, a->peer_cookie, 4);
	ck_assert(a->sublayer && !a->peer_sublayer && !b->sublayer && b->peer_sublayer);
	ck_assert(a->sequencing == 2 && b->peer_sequencing == 2 && !b->sequencing && !a->peer_sequencing);
	ck_assert_uint_eq(call_info(end[LNS]->tc, end[LNS]->tc->all->by_id)->tx_bps, 123456);
}
END_TEST

START_TEST(an_outgoing_call)
{
	both_setup(&forms[3]);
	end[LAC]->conf.profile[0].roles = ROLE_LAC;
	start();
	words(LAC, "tunnel open g");
	run(2 * MONO_S);
	words(LNS, "call out %u 5551000", end[LNS]->tc->all->id);
	run(5 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 1);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
	same_calls();
}
END_TEST

START_TEST(a_circuit_goes_down_and_up)
{
	struct call *c, *d;
	uint64_t since;

	both_setup(&forms[3]);
	start();
	words(LAC, "call dial g 1");
	run(5 * MONO_S);
	c = end[LAC]->tc->all->by_id;
	d = end[LNS]->tc->all->by_id;
	since = d->since;
	words(LAC, "call circuit %u/%u down", c->t->id, c->id);
	run(MONO_S);
	ck_assert(c->form->our_circuit_down && d->form->circuit_down);
	ck_assert_uint_eq(d->since, since);
	words(LAC, "call circuit %u/%u up", c->t->id, c->id);
	run(MONO_S);
	ck_assert(!c->form->our_circuit_down && !d->form->circuit_down);
	ck_assert_uint_gt(d->since, since); /* another call to session-mgr: PPP begins anew */
	ck_assert_uint_eq(lab_count(end[LNS], "CIRCUITS_DOWN"), 1);
	same_calls();
}
END_TEST

/* RFC 3931, 6.13: the circuit's errors, in L2TPv2's layout, in every message form. */
START_TEST(circuit_errors_reach_the_lns)
{
	static const uint32_t errors[] = { 1, 2, 3, 4, 5, 6 };
	struct call *c;

	both_setup(&forms[_i]);
	start();
	words(LAC, "call dial g 1");
	run(5 * MONO_S);
	c = end[LAC]->tc->all->by_id;
	words(LAC, "call errors %u/%u crc=1 framing=2 hardware=3 buffer=4 timeouts=5 alignment=6", c->t->id, c->id);
	run(MONO_S);
	const Row__CallInfo *i = call_info(end[LNS]->tc, end[LNS]->tc->all->by_id);
	ck_assert_uint_eq(i->n_line_errors, 6);
	ck_assert_mem_eq(i->line_errors, errors, sizeof errors);
	ck_assert_uint_eq(lab_count(end[LNS], "WEN_IN"), 1);
}
END_TEST

/* RFC 3931, 4.4: never later than it is due, never all at one distance, and the twin has the same. */
START_TEST(hellos_are_jittered)
{
	const mono_t span = end[LAC]->conf.profile[0].hello_ms * MONO_MS;
	mono_t first = 0;
	bool same = true;

	both_setup(&forms[2]);
	start();
	words(LAC, "call dial g 1");
	run(5 * MONO_S);
	for (unsigned n = 0; n < 8; n++) {
		const struct tunnel *t = end[LAC]->tc->all;
		const mono_t wait = cc_hello_due(t) - t->chan.heard;
		ck_assert(wait <= span && wait > span - span / 8 - 1);
		same &= n == 0 || wait == first;
		first = n == 0 ? wait : first;
		if (n == 4) {
			lab_promote(end[LAC]);
			t = end[LAC]->tc->all;
			ck_assert_int_eq(cc_hello_due(t) - t->chan.heard, wait);
		}
		run(span);
	}
	ck_assert(!same);
	ck_assert_uint_gt(lab_count(end[LNS], "HELLO_IN"), 2);
}
END_TEST

static struct call_form
form_of_call(const struct call *c)
{
	return c->form ? *c->form : (struct call_form){ 0 };
}

/* ---- what no end of ours would send: made here, on plain connections -------------------------------------- */

static uint8_t made[1500];
static struct wr made_wr;
static struct l2tp_wr made_msg;

/* A message of the LAC's to this tunnel of the LNS's. */
static struct l2tp_wr *
make(const struct tunnel *t, enum l2tp_type type, uint32_t local, uint32_t remote)
{
	made_wr = wr_of(made, sizeof made);
	l2tp3_msg_begin(&made_msg, &made_wr, type, t->id, (struct l2tp3_digests){ 0 });
	if (local)
		l2tp_avp_u32(&made_msg, AVP_LOCAL_SESSION, local);
	l2tp_avp_u32(&made_msg, AVP_REMOTE_SESSION, remote);
	return &made_msg;
}

static void
take_made(const struct tunnel *t)
{
	ck_assert(l2tp_msg_end(&made_msg, t->chan.seq.nr, t->chan.seq.ns));
	lab_quiet(end[LNS]);
	lab_take(end[LNS], t->peer, t->local, wr_span(&made_wr));
}

static struct tunnel *
plain_tunnel(void)
{
	both_setup(&forms[0]);
	start();
	words(LAC, "tunnel open g");
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LNS).established, 1);
	return end[LNS]->tc->all;
}

static void
icrq_made(const struct tunnel *t, uint32_t local, unsigned status, bool numbered)
{
	struct l2tp_wr *m = make(t, L2TP_ICRQ, local, 0);

	l2tp_avp_u32(m, AVP_CALL_SERIAL, 1);
	l2tp_avp_u16(m, AVP_PW_TYPE, L2TP3_PW_PPP);
	l2tp_avp_u16(m, AVP_CIRCUIT_STATUS, (uint16_t)status);
	if (numbered) {
		l2tp_avp_u16(m, AVP_L2_SUBLAYER, 1);
		l2tp_avp_u16(m, AVP_DATA_SEQUENCING, 2);
	}
	take_made(t);
}

static void
iccn_made(const struct tunnel *t, uint32_t local, int sublayer)
{
	struct l2tp_wr *m = make(t, L2TP_ICCN, local, session_on_wire(t, t->by_id->id));

	l2tp_avp_u64(m, AVP_TX_SPEED, 0);
	if (sublayer >= 0)
		l2tp_avp_u16(m, AVP_L2_SUBLAYER, (uint16_t)sublayer);
	take_made(t);
}

/* 5.4.5: "after establishment of the L2TP session is requested"; 5.4.4: before an id is known, by the peer's own. */
START_TEST(a_circuit_changes_while_its_call_is_set_up)
{
	struct tunnel *t = plain_tunnel();

	icrq_made(t, 7, 0xfffc | (_i ? L2TP3_CIRCUIT_ACTIVE : 0), false);
	ck_assert_int_eq(t->by_id->state, CALL_WAIT_CONNECT);
	ck_assert(form_of_call(t->by_id).circuit_down == !_i);
	l2tp_avp_u16(make(t, L2TP_SLI, 7, 0), AVP_CIRCUIT_STATUS, _i ? 0 : L2TP3_CIRCUIT_ACTIVE);
	take_made(t);
	ck_assert(form_of_call(t->by_id).circuit_down == _i);
	iccn_made(t, 7, -1);
	ck_assert_int_eq(t->by_id->state, CALL_ESTABLISHED);
	ck_assert(form_of_call(t->by_id).circuit_down == _i);
}
END_TEST

START_TEST(a_request_without_an_id_is_refused_to_nobody)
{
	struct tunnel *t = plain_tunnel();
	static struct l2tp_msg m;
	uint32_t to = 1;

	icrq_made(t, 0, L2TP3_CIRCUIT_ACTIVE, false);
	ck_assert_uint_eq(tunnel_calls(t), 0);
	ck_assert_uint_eq(end[LNS]->outs, 1);
	ck_assert_int_eq(lab_read_message(span_of(end[LNS]->out[0].bytes, end[LNS]->out[0].len), &m), L2TP_OK);
	ck_assert_uint_eq(m.type, L2TP_CDN);
	ck_assert(l2tp_msg_u32(&m, AVP_REMOTE_SESSION, &to) && to == 0);
}
END_TEST

/* 5.4.4: an ICCN may say otherwise than the ICRQ, but not numbers without the sublayer that carries them. */
START_TEST(an_iccn_may_not_take_the_sublayer_from_under_the_numbers)
{
	struct tunnel *t = plain_tunnel();

	icrq_made(t, 7, 3, true);
	iccn_made(t, 7, _i);
	ck_assert_uint_eq(population(LNS).calls_established, (unsigned)_i);
	ck_assert_uint_eq(lab_count(end[LNS], "FAULT_CALL_NO_SUBLAYER"), !_i);
}
END_TEST

/* 4.3: "If an ... SCCRP contains a ... Nonce AVP, the receiver of the message MUST respond with a Message Digest". */
START_TEST(an_sccrp_begins_authentication)
{
	static uint8_t theirs[] = "a nonce of theirs";
	struct l2tp3_digests md5 = { .n = 1, .type = { L2TP3_HMAC_MD5 } };
	struct l2tp3_keys keys;
	struct l2tp3_auth auth = { .keys = &keys, .n = 1, .local = span_of(theirs, sizeof theirs) };
	struct tunnel *t;

	both_setup(&forms[2]);
	end[LAC]->conf.profile[0].v3.digests = 0;
	end[LAC]->conf.profile[0].require_auth = false;
	start();
	words(LAC, "tunnel open g");
	t = end[LAC]->tc->all;
	ck_assert_uint_eq(t->nonce_len, 0);
	l2tp3_keys_of(_i ? span_of("other", 5) : span_of("secret", 6), &keys);
	made_wr = wr_of(made, sizeof made);
	l2tp3_msg_begin(&made_msg, &made_wr, L2TP_SCCRP, t->id, md5);
	l2tp_avp_bytes(&made_msg, AVP_NONCE, theirs, sizeof theirs);
	l2tp_avp_text(&made_msg, AVP_HOST_NAME, "lns");
	l2tp_avp_u32(&made_msg, AVP_ROUTER_ID, 1);
	l2tp_avp_u32(&made_msg, AVP_ASSIGNED_CONNECTION, 99);
	l2tp_avp_bytes(&made_msg, AVP_PW_CAPABILITIES, "\0\7", 2);
	ck_assert(l2tp_msg_end(&made_msg, 0, 1) && l2tp3_seal(made, wr_len(&made_wr), &auth));
	lab_quiet(end[LAC]);
	lab_take(end[LAC], at[LNS], at[LAC], wr_span(&made_wr));
	ck_assert_uint_eq(population(LAC).established, !_i);
	ck_assert_uint_eq(end[LAC]->outs, !_i);
	ck_assert_uint_eq(lab_count(end[LAC], "DIGEST_WRONG"), (unsigned)_i);
	auth = (struct l2tp3_auth){ &keys, 1, span_of(theirs, sizeof theirs), span_of(NULL, 0) };
	if (!_i)
		ck_assert_int_eq(l2tp3_digest_check(span_of(end[LAC]->out[0].bytes, end[LAC]->out[0].len), &auth, NULL), L2TP3_DIGEST_GOOD);
}
END_TEST

/* ---- two requests that cross ------------------------------------------------------------------------------ */

static void
both_dial(const struct form *f, const char *more)
{
	struct conf *c = &end[LNS]->conf;

	both_setup(f);
	end[LAC]->conf.profile[0].roles = end[LNS]->conf.profile[0].roles = ROLE_LAC | ROLE_LNS;
	c->lns_groups = 1;
	snprintf(c->lns_group[0].name, CONF_NAME, "g");
	c->lns_group[0].member[0].peer = at[LAC];
	c->lns_group[0].members = 1;
	start();
	words(LAC, "call dial g 1%s", more);
	words(LNS, "call dial g 2%s", more);
	run(50 * MONO_S);
}

START_TEST(both_open_at_once_and_one_tunnel_remains)
{
	both_dial(&forms[_i], "");
	ck_assert_uint_eq(population(LAC).established, 1);
	ck_assert_uint_eq(population(LNS).established, 1);
	ck_assert_uint_eq(lab_count(end[LAC], "TIES_LOST") + lab_count(end[LNS], "TIES_LOST"), 1);
	ck_assert_uint_eq(population(LAC).calls_established, 2);
	ck_assert_uint_eq(population(LNS).calls_established, 2);
	same_calls();
}
END_TEST

START_TEST(both_ask_for_one_circuit_and_one_session_remains)
{
	both_dial(&forms[_i], " end=x");
	ck_assert_uint_gt(lab_count(end[LAC], "SESSION_TIES") + lab_count(end[LNS], "SESSION_TIES"), 0);
	ck_assert_uint_eq(population(LAC).calls_established, 1);
	ck_assert_uint_eq(population(LNS).calls_established, 1);
	ck_assert_uint_eq(population(LAC).calls, 1);
	same_calls();
}
END_TEST

static void
both_open(const struct form *f, const char *to)
{
	both_dial(f, "");
	words(LAC, "tunnel close %u", end[LAC]->tc->all->id);
	run(200 * MONO_S);
	ck_assert_uint_eq(population(LAC).tunnels + population(LNS).tunnels, 0);
	words(LAC, "tunnel open %s", to);
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LAC).established, 1);
}

/* 3.3, 5.4.3: its Router ID and Host Name are known from the tunnel that is there; without a digest anybody could say so. */
START_TEST(a_tie_with_a_peer_that_comes_from_elsewhere)
{
	const bool proven = forms[_i].secret;
	static struct lab_packet p;

	both_open(&forms[_i], "192.0.2.2");
	words(LAC, "tunnel open 192.0.2.2");
	lab_quiet(end[LAC]);
	words(LNS, "tunnel open 192.0.2.1");
	p = end[LNS]->out[0];
	p.local.addr.b[3] = 77;
	lab_quiet(end[LNS]);
	unsigned before = (unsigned)(lab_count(end[LAC], "TIES_LOST") + lab_count(end[LAC], "TIES_WON"));
	deliver(end[LAC], &p);
	ck_assert_uint_eq(lab_count(end[LAC], "TIES_LOST") + lab_count(end[LAC], "TIES_WON") - before, proven);
}
END_TEST

/* 5.4.4: the peer and the circuit make the tie, whichever of their connections the requests cross on. */
START_TEST(a_session_tie_across_two_connections)
{
	both_open(&forms[_i], "g");
	words(LNS, "tunnel open g");
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LAC).established, 2);
	words(LAC, "call dial g 1 end=x");
	words(LNS, "call dial g 2 end=x");
	run(50 * MONO_S);
	ck_assert_uint_gt(lab_count(end[LAC], "SESSION_TIES") + lab_count(end[LNS], "SESSION_TIES"), 0);
	ck_assert_uint_eq(population(LAC).calls, 1);
	ck_assert_uint_eq(population(LNS).calls, 1);
	ck_assert_uint_eq(population(LAC).calls_established, 1);
	same_calls();
}
END_TEST

/* "In the case in which ... the tie breaker values are equal, both sides MUST discard ... and restart". */
START_TEST(equal_session_tie_breakers_are_thrown_again)
{
	static struct l2tp_msg m;
	struct tunnel *t = NULL;
	struct span tie = span_of(NULL, 0);
	uint8_t old[8];
	struct l2tp_wr *w;

	both_open(&forms[0], "g");
	words(LNS, "tunnel open g");
	run(2 * MONO_S);
	words(LNS, "call dial g 1 end=x");
	DL_FOREACH (end[LNS]->tc->all, t) {
		if (t->setup)
			break;
	}
	ck_assert_ptr_nonnull(t);
	const Row__CallInfo *i = call_info(end[LNS]->tc, t->setup);
	ck_assert_uint_eq(i->session_tie.len, 8);
	memcpy(old, i->session_tie.data, 8);
	w = make(t, L2TP_ICRQ, 7, 0);
	l2tp_avp_u32(w, AVP_CALL_SERIAL, 1);
	l2tp_avp_u16(w, AVP_PW_TYPE, L2TP3_PW_PPP);
	l2tp_avp_u16(w, AVP_CIRCUIT_STATUS, 3);
	l2tp_avp_text(w, AVP_REMOTE_END, "x");
	l2tp_avp_bytes(w, AVP_TIE_BREAKER, old, 8);
	take_made(t);
	ck_assert_uint_eq(end[LNS]->outs, 2);
	for (unsigned n = 0; n < 2; n++) {
		ck_assert_int_eq(lab_read_message(span_of(end[LNS]->out[n].bytes, end[LNS]->out[n].len), &m), L2TP_OK);
		if (m.type == L2TP_ICRQ)
			ck_assert(l2tp_msg_span(&m, AVP_TIE_BREAKER, &tie) && tie.len == 8 && memcmp(tie.p, old, 8) != 0);
		else
			ck_assert_uint_eq(m.type, L2TP_CDN);
	}
	ck_assert_uint_eq(tie.len, 8);
	ck_assert_uint_eq(tunnel_calls(t), 1);
}
END_TEST

/* ---- L2TPHC, beside L2TPv2 ------------------------------------------------------------------------------------ */

static void
headerless(unsigned i, enum conf_hc_draft draft, bool bare, uint16_t protocol)
{
	end[i]->conf.profile[0].l2tphc = (struct conf_l2tphc){ .draft = draft, .ip_protocol = 115, .vendor = 9,
							       .bare = bare, .protocol = protocol, .id_octets = 2 };
}

START_TEST(l2tphc_is_what_both_ends_offer)
{
	headerless(LAC, HC_DRAFT_05, true, 0x59);
	if (_i)
		headerless(LNS, HC_DRAFT_05, true, 0x59);
	start();
	words(LAC, "call dial g 1");
	run(2 * MONO_S);
	words(LAC, "call dial g 2");
	run(2 * MONO_S);
	same_calls();
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = 0;
		for (struct call *c = end[i]->tc->all->by_id; c; c = c->hh.next) {
			n += c->form && c->form->headerless;
			ck_assert(!c->form || (c->form->hc.bare && c->form->hc.protocol == 0x59 && c->form->hc.ip_protocol == 115));
		}
		ck_assert_uint_eq(n, (unsigned)_i); /* one session between two addresses */
	}
}
END_TEST

START_TEST(l2tphc_with_ids_serves_any_number_of_sessions)
{
	headerless(LAC, HC_DRAFT_03, false, 0);
	headerless(LNS, HC_DRAFT_03, false, 0);
	start();
	for (unsigned i = 0; i < 3; i++)
		words(LAC, "call dial g %u", i);
	run(2 * MONO_S);
	same_calls();
	for (struct call *c = end[LAC]->tc->all->by_id; c; c = c->hh.next) {
		const struct call *d = call_find(end[LNS]->tc->all, (uint16_t)c->peer_id);
		ck_assert(c->form && c->form->headerless && d->form && d->form->headerless && c->form->hc.header);
		ck_assert_uint_eq(c->form->hc.send_session, d->id);
		ck_assert_uint_eq(d->form->hc.send_session, c->id);
		ck_assert_uint_eq(c->form->hc.receive_session, c->id);
	}
}
END_TEST

/* ---- RFC 4951 ------------------------------------------------------------------------------------------------- */

static struct tunnel *
tunnel_at(unsigned i)
{
	struct tunnel *t;

	DL_FOREACH (end[i]->tc->all, t) {
		if (t->state == CC_ESTABLISHED && !t->recovers)
			return t;
	}
	ck_abort_msg("no tunnel at %u", i);
	return NULL;
}

#define RECOVERY 30 /* datagrams of a recovery, and then some */

static void
recovery(const struct form *f, unsigned cold)
{
	uint8_t nonce[16];

	both_setup(f);
	for (unsigned i = 0; i < 2; i++) {
		struct conf_profile *p = &end[i]->conf.profile[0];
		p->failover = true;
		p->recovery_ms = 20000;
		p->recovery_parallel = 16;
	}
	start();
	for (unsigned i = 0; i < 4; i++)
		words(LAC, "call dial g %u", i);
	run(2 * MONO_S);
	ck_assert_uint_eq(population(LAC).calls_established, 4);
	memcpy(nonce, tunnel_at(LNS)->nonce, sizeof nonce);
	network.count = 0;
	lab_cold(end[cold], NULL);
	run(100 * MONO_S);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(population(i).calls_established, 4);
		ck_assert_uint_eq(population(i).recovering, 0);
		ck_assert_uint_eq(population(i).established, 1);
		ck_assert_uint_eq(tunnel_at(i)->version, 3);
	}
	same_calls();
	if (f->secret) { /* "MUST reset its nonce values" to those of the recovery tunnel */
		ck_assert(memcmp(nonce, tunnel_at(LNS)->nonce, sizeof nonce) != 0);
		ck_assert_mem_eq(tunnel_at(LNS)->nonce, tunnel_at(LAC)->peer_nonce, 16);
		ck_assert_mem_eq(tunnel_at(LAC)->nonce, tunnel_at(LNS)->peer_nonce, 16);
	}
	words(LAC, "call dial g 99");
	run(30 * MONO_S);
	ck_assert_uint_eq(population(LNS).calls_established, 5);
	same_calls();
}

START_TEST(a_cold_start_is_recovered_in_every_form)
{
	recovery(&forms[_i / 2], _i & 1);
}
END_TEST

START_TEST(a_recovery_loses_any_datagram)
{
	network.lose = _i; /* also of the set-up: the same number counts twice */
	recovery(&forms[3], LNS);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_story_in_every_form, 0, FORMS);
	tcase_add_loop_test(tc, any_one_datagram_may_be_lost, 0, STORY * FORMS);
	tcase_add_loop_test(tc, any_one_datagram_may_come_twice, 0, STORY * FORMS);
	tcase_add_loop_test(tc, either_end_may_die_before_any_datagram, 0, 2 * STORY * FORMS);
	tcase_add_loop_test(tc, a_storm_with_loss_and_disorder_ends_with_every_call_up, 0, FORMS);
	tcase_add_loop_test(tc, different_secrets_open_nothing, 0, 3);
	tcase_add_test(tc, who_requires_authentication_takes_nobody_without);
	tcase_add_test(tc, who_has_no_secret_says_so);
	tcase_add_loop_test(tc, no_bit_of_a_message_may_change, 2, 4);
	tcase_add_loop_test(tc, a_secret_is_changed_under_a_tunnel, 0, 3);
	tcase_add_loop_test(tc, either_of_two_secrets_opens, 0, 12);
	tcase_add_test(tc, neither_of_two_secrets_opens_nothing);
	tcase_add_test(tc, hiding_needs_authentication);
	tcase_add_loop_test(tc, the_version_is_what_both_ends_take, 0, 2 * VERSIONS);
	tcase_add_test(tc, each_end_says_how_its_data_is_to_look);
	tcase_add_test(tc, an_outgoing_call);
	tcase_add_test(tc, a_circuit_goes_down_and_up);
	tcase_add_loop_test(tc, circuit_errors_reach_the_lns, 0, FORMS);
	tcase_add_test(tc, hellos_are_jittered);
	tcase_add_loop_test(tc, a_circuit_changes_while_its_call_is_set_up, 0, 2);
	tcase_add_test(tc, a_request_without_an_id_is_refused_to_nobody);
	tcase_add_loop_test(tc, an_iccn_may_not_take_the_sublayer_from_under_the_numbers, 0, 2);
	tcase_add_loop_test(tc, an_sccrp_begins_authentication, 0, 2);
	tcase_add_loop_test(tc, both_open_at_once_and_one_tunnel_remains, 0, FORMS);
	tcase_add_loop_test(tc, both_ask_for_one_circuit_and_one_session_remains, 0, FORMS);
	tcase_add_loop_test(tc, a_tie_with_a_peer_that_comes_from_elsewhere, 0, FORMS);
	tcase_add_loop_test(tc, a_session_tie_across_two_connections, 0, FORMS);
	tcase_add_test(tc, equal_session_tie_breakers_are_thrown_again);
	tcase_add_loop_test(tc, l2tphc_is_what_both_ends_offer, 0, 2);
	tcase_add_test(tc, l2tphc_with_ids_serves_any_number_of_sessions);
	tcase_add_loop_test(tc, a_cold_start_is_recovered_in_every_form, 0, 2 * FORMS);
	tcase_add_loop_test(tc, a_recovery_loses_any_datagram, 0, RECOVERY);
}

UNIT_MAIN("tunnel-ctl L2TPv3", add_tests)
