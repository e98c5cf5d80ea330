// SPDX-License-Identifier: Apache-2.0
/*
 * Whole negotiations of our server against our client: as they should go, with each single frame lost,
 * copied or held back, and with each link replaced by its snapshot at every step.
 */
#include "lib/ppp/pair.h"

static const enum ppp_auth auths[] = { PPP_AUTH_NONE, PPP_AUTH_PAP, PPP_AUTH_CHAP_MD5, PPP_AUTH_MSCHAPV2 };
#define AUTHS 4

static void
verified(const struct pair *p, enum ppp_auth auth)
{
	ck_assert_uint_ge(p->server.auth_ok[true], auth != PPP_AUTH_NONE);
	ck_assert_uint_ge(p->client.auth_ok[false], auth != PPP_AUTH_NONE);
	if (auth == PPP_AUTH_NONE)
		ck_assert_uint_eq(p->server.asked, 0);
}

START_TEST(a_client_dials_in)
{
	const enum ppp_auth auth = auths[_i];
	struct pair p;

	pair_init(&p, auth);
	dial(&p);
	run(&p, p.now + 1 * S);
	ck_assert(all_open(&p));
	agreed(&p);
	verified(&p, auth);
	ck_assert_uint_eq(p.server.asked, auth != PPP_AUTH_NONE);
	ck_assert_uint_eq(p.server.lcp_up, 1);
	ck_assert_uint_eq(p.server.net_up[PPP_CP_IPCP], 1);
	ck_assert_uint_eq(p.client.net_up[PPP_CP_IPV6CP], 1);
	ck_assert_uint_eq(p.server.lcp.lcp.auth_peer, auth);
	ck_assert_uint_eq(p.client.lcp.lcp.auth_us, auth);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_NETWORK);
}
END_TEST

/* The number of frames of an undisturbed negotiation. */
static unsigned
frames_of(enum ppp_auth auth)
{
	struct pair p;

	pair_init(&p, auth);
	dial(&p);
	run(&p, p.now + 1 * S);
	return p.frames;
}

static void
disturbed(enum ppp_auth auth, unsigned n, enum fate fate, unsigned n2, enum fate fate2)
{
	struct pair p;

	pair_init(&p, auth);
	p.odd = n;
	p.fate = fate;
	p.odd2 = n2;
	p.fate2 = fate2;
	dial(&p);
	run(&p, p.now + 40 * S);
	ck_assert_msg(all_open(&p), "%s: frame %u/%u fate %d/%d", ppp_auth_name(auth), n, n2, fate, fate2);
	agreed(&p);
	verified(&p, auth);
	ck_assert_uint_eq(p.server.finished + p.client.finished, 0);
}

START_TEST(each_frame_lost_copied_or_late)
{
	const unsigned frames = frames_of(auths[_i]);

	ck_assert_uint_ge(frames, 8);
	for (unsigned n = 1; n <= frames; n++)
		for (enum fate f = LOSE; f <= LATE; f++)
			disturbed(auths[_i], n, f, 0, PASS);
}
END_TEST

START_TEST(each_two_frames_disturbed)
{
	const unsigned frames = frames_of(auths[_i]);

	for (unsigned n = 1; n <= frames; n++)
		for (unsigned m = n + 1; m <= frames + 2; m++)
			for (unsigned f = 0; f < 9; f++)
				disturbed(auths[_i], n, LOSE + f % 3, m, LOSE + f / 3);
}
END_TEST

/* Copies do not tear an open link down: see the choices at the top of cp.c. */
START_TEST(copied_frames_leave_an_open_link_alone)
{
	const unsigned frames = frames_of(PPP_AUTH_PAP);

	for (unsigned n = 1; n <= frames; n++) {
		struct pair p;

		pair_init(&p, PPP_AUTH_PAP);
		p.odd = n;
		p.fate = TWICE;
		dial(&p);
		run(&p, p.now + 40 * S);
		ck_assert_uint_eq(p.server.lcp_down + p.client.lcp_down, 0);
		ck_assert_uint_eq(p.server.net_down[PPP_CP_IPCP] + p.client.net_down[PPP_CP_IPCP], 0);
	}
}
END_TEST

/* One request lost and one late: each end's request found the other just Opened, and so on for ever. */
START_TEST(two_ends_do_not_chase_each_other)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_NONE);
	p.odd = 6;
	p.fate = LOSE;
	p.odd2 = 15;
	p.fate2 = LATE;
	dial(&p);
	run(&p, p.now + 40 * S);
	ck_assert(all_open(&p));
	ck_assert_uint_ge(p.server.net_down[PPP_CP_IPV6CP], 1); /* the chase began */
	ck_assert_uint_le(p.server.net_down[PPP_CP_IPV6CP] + p.client.net_down[PPP_CP_IPV6CP], 6);
}
END_TEST

/*
 * The server dies at any step of a negotiation before anything of it was kept, and the one that takes its place begins
 * at the beginning, beside what its predecessor had said and what the client said meanwhile.
 */
static void
begun_anew(enum ppp_auth auth, unsigned step, mono_t away, unsigned restart_ms, unsigned odd, enum fate fate)
{
	struct pair p;

	pair_init(&p, auth);
	p.client.conf.restart_ms = restart_ms;
	p.anew_at = step;
	p.away = away;
	p.odd = odd;
	p.fate = fate;
	dial(&p);
	run(&p, p.now + 40 * S);
	ck_assert_msg(all_open(&p), "%s: anew at step %u, away %lld ms, restart %u, frame %u fate %d", ppp_auth_name(auth), step,
		      (long long)(away / MS), restart_ms, odd, fate);
	agreed(&p);
	ck_assert_uint_le(p.client.lcp_down + p.server.lcp_down, 8);
}

START_TEST(the_server_begins_anew)
{
	static const mono_t away[] = { 1 * MS, 12 * MS, 40 * MS, 700 * MS, 1600 * MS };
	const unsigned frames = frames_of(auths[_i]);

	for (unsigned step = 2; step <= frames; step++) {
		for (unsigned a = 0; a < sizeof away / sizeof *away; a++) {
			begun_anew(auths[_i], step, away[a], 500, 0, PASS);
			begun_anew(auths[_i], step, away[a], 3000, 0, PASS);
		}
		for (unsigned odd = step - 1; odd <= frames; odd++)
			for (enum fate f = LOSE; f <= LATE; f++)
				begun_anew(auths[_i], step, away[step % 3], 500, odd, f);
	}
}
END_TEST

START_TEST(every_step_from_a_snapshot)
{
	struct pair p;

	pair_init(&p, auths[_i]);
	p.reload_always = true;
	dial(&p);
	run(&p, p.now + 40 * S);
	ck_assert(all_open(&p));
	agreed(&p);
	verified(&p, auths[_i]);
}
END_TEST

START_TEST(one_step_from_a_snapshot)
{
	unsigned steps = 1;

	for (unsigned n = 1; n <= steps; n++) {
		struct pair p;

		pair_init(&p, auths[_i]);
		p.reload_at = n;
		dial(&p);
		run(&p, p.now + 40 * S);
		ck_assert_msg(all_open(&p), "%s: reloaded at step %u", ppp_auth_name(auths[_i]), n);
		agreed(&p);
		if (n == 1)
			steps = p.steps;
	}
	ck_assert_uint_ge(steps, 10);
}
END_TEST

/* Each frame lost, and every step from a snapshot. */
START_TEST(snapshots_and_losses)
{
	const unsigned frames = frames_of(auths[_i]);

	for (unsigned n = 1; n <= frames; n++)
		for (enum fate f = LOSE; f <= LATE; f++) {
			struct pair p;

			pair_init(&p, auths[_i]);
			p.reload_always = true;
			p.odd = n;
			p.fate = f;
			dial(&p);
			run(&p, p.now + 60 * S);
			ck_assert_msg(all_open(&p), "%s: frame %u fate %d", ppp_auth_name(auths[_i]), n, f);
			agreed(&p);
		}
}
END_TEST

START_TEST(snapshots_are_small)
{
	uint8_t b[PPP_SAVE_MAX];
	struct pair p;

	ck_assert_uint_le(sizeof(struct ppp_link), 600);
	for (unsigned i = 0; i < AUTHS; i++) {
		pair_init(&p, auths[i]);
		dial(&p);
		run(&p, p.now + 1 * S);
		ck_assert_uint_le(ppp_link_save(&p.server.link, b, sizeof b), auths[i] == PPP_AUTH_MSCHAPV2 ? 170 : 150);
		ck_assert_uint_le(ppp_link_save(&p.client.link, b, sizeof b), 200);
	}
	memset(&p.server.link, 0xff, sizeof p.server.link); /* the longest that may be written */
	for (unsigned i = 0; i < PPP_CPS; i++)
		p.server.link.cp[i].state = PPP_OPENED;
	p.server.link.check.state = p.server.link.prove.state = 3;
	p.server.link.check.auth = p.server.link.prove.auth = PPP_AUTH_MSCHAPV2;
	p.server.link.check.challenge_len = p.server.link.prove.challenge_len = 16;
	p.server.link.ours.auth = p.server.link.peer.auth = 3;
	p.server.link.net.ipv4 = p.server.link.net.ipv6 = true;
	for (unsigned i = 0; i < 2; i++)
		p.server.link.hc_recv[i] = p.server.link.hc_send[i] = crtp_params_default();
	ck_assert_uint_gt(ppp_link_save(&p.server.link, b, sizeof b), 200);
	for (size_t cap = 0; cap < 100; cap++)
		ck_assert_uint_eq(ppp_link_save(&p.client.link, b, cap), 0);
}
END_TEST

START_TEST(a_snapshot_cut_or_changed_is_refused_or_harmless)
{
	uint8_t b[PPP_SAVE_MAX];
	struct ppp_ctx ctx;
	struct ppp_link l;
	struct pair p;
	size_t n;

	pair_init(&p, PPP_AUTH_MSCHAPV2);
	dial(&p);
	run(&p, p.now + 1 * S);
	n = ppp_link_save(&p.client.link, b, sizeof b);
	ctx = ctx_of(&p.client);
	for (size_t cut = 0; cut < n; cut++)
		ck_assert(!ppp_link_load(&l, &ctx, span_of(b, cut)));
	b[n] = 0;
	ck_assert(!ppp_link_load(&l, &ctx, span_of(b, n + 1)));
	b[0]++;
	ck_assert(!ppp_link_load(&l, &ctx, span_of(b, n)));
	ck_assert_int_eq(ppp_link_phase(&l), PPP_DEAD);
}
END_TEST

/* ---- the end of a link */

START_TEST(the_server_closes)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	dial(&p);
	run(&p, p.now + 1 * S);
	STEP(&p.server, ppp_link_close(&p.server.link, &ctx, (struct ppp_cause){ PPP_CAUSE_ADMIN, 0, 0 }));
	ck_assert_uint_eq(p.server.net_down[PPP_CP_IPCP], 1);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_ADMIN);
	ck_assert_uint_eq(p.client.finished, 1);
	ck_assert_uint_eq(p.client.cause.code, PPP_CAUSE_NORMAL);
	ck_assert_uint_eq(p.client.cause.direction, 1);
	ck_assert_int_eq(ppp_link_next_due(&p.server.link), MONO_NEVER);
	STEP(&p.server, ppp_link_down(&p.server.link, &ctx));
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_int_eq(ppp_link_phase(&p.server.link), PPP_DEAD);
}
END_TEST

START_TEST(a_closing_server_is_not_waited_for)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	dial(&p);
	run(&p, p.now + 1 * S);
	ppp_link_init(&p.client.link); /* gone without a word */
	STEP(&p.server, ppp_link_close(&p.server.link, &ctx, (struct ppp_cause){ PPP_CAUSE_ADMIN, 0, 0 }));
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
}
END_TEST

START_TEST(the_call_goes_down)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	dial(&p);
	run(&p, p.now + 1 * S);
	STEP(&p.server, ppp_link_down(&p.server.link, &ctx));
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.net_down[PPP_CP_IPCP], 1);
	ck_assert_uint_eq(p.server.net_down[PPP_CP_IPV6CP], 1);
	ck_assert_int_eq(ppp_link_next_due(&p.server.link), MONO_NEVER);
	ck_assert(!ppp_link_down(&p.server.link, &(struct ppp_ctx){ &p.server.conf, p.now, p.random, &p.server.out }));
	p.flights = 0;
	STEP(&p.client, ppp_link_down(&p.client.link, &ctx));
	dial(&p); /* and up again */
	run(&p, p.now + 1 * S);
	ck_assert(all_open(&p));
}
END_TEST

START_TEST(nobody_there)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	STEP(&p.server, ppp_link_up(&p.server.link, &ctx, NULL));
	run(&p, p.now + 60 * S);
	ck_assert_uint_eq(p.frames, 10); /* Max-Configure */
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_NO_LCP);
	ck_assert_uint_eq(p.server.cause.proto, PPP_LCP);
}
END_TEST

/* RFC 1661, 4.6: "the Restart timer MAY begin at an initial small value and increase to the configured final
 * value.  Each successive value less than the final value SHOULD be at least twice the previous value." */
START_TEST(the_restart_timer_begins_small_and_doubles_to_its_final_value)
{
	static const struct {
		uint32_t first, last;
		unsigned at[5]; /* ms: when the repetitions go out */
	} row[] = {
		{ 1000, 3000, { 1000, 3000, 6000, 9000, 12000 } },
		{ 250, 3000, { 250, 750, 1750, 3750, 6750 } },
		{ 0, 3000, { 3000, 6000, 9000, 12000, 15000 } },
		{ 1000, 500, { 500, 1000, 1500, 2000, 2500 } }, /* never above the final value */
	};
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	p.server.conf.restart_first_ms = row[_i].first;
	p.server.conf.restart_ms = row[_i].last;
	const mono_t begun = p.now;
	STEP(&p.server, ppp_link_up(&p.server.link, &ctx, NULL));
	for (unsigned i = 0; i < 5; i++) {
		run(&p, begun + row[_i].at[i] * MS - 1);
		ck_assert_uint_eq(p.frames, i + 1);
		run(&p, begun + row[_i].at[i] * MS);
		ck_assert_uint_eq(p.frames, i + 2);
		reload(&p.server); /* another node goes on where this one was, not from the start; it asks soon */
		p.server.link.cp[PPP_CP_LCP].due = begun + row[_i].at[i < 4 ? i + 1 : 4] * MS;
	}
}
END_TEST

/* A server that lost nothing but its peer's memory: the client dials anew on the same link. */
START_TEST(the_client_starts_over)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_CHAP_MD5);
	dial(&p);
	run(&p, p.now + 1 * S);
	ppp_link_init(&p.client.link);
	p.client.net_up[PPP_CP_IPCP] = 0;
	STEP(&p.client, ppp_link_up(&p.client.link, &ctx, NULL));
	run(&p, p.now + 10 * S);
	ck_assert(all_open(&p));
	ck_assert_uint_eq(p.server.lcp_down, 1);
	ck_assert_uint_eq(p.server.asked, 2);
	ck_assert_uint_eq(p.client.net_up[PPP_CP_IPCP], 1);
	agreed(&p);
}
END_TEST

START_TEST(no_network_protocol_is_allowed)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	p.server.net.ipv4 = p.server.net.ipv6 = false;
	dial(&p);
	run(&p, p.now + 20 * S);
	ck_assert_uint_eq(p.server.finished, 1);
	ck_assert_uint_eq(p.server.cause.code, PPP_CAUSE_NO_NCP);
}
END_TEST

START_TEST(ipv4_alone_is_enough)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	p.server.net.ipv6 = false;
	dial(&p);
	run(&p, p.now + 20 * S);
	ck_assert(ppp_link_cp_open(&p.server.link, PPP_CP_IPCP));
	ck_assert(!ppp_link_cp_open(&p.client.link, PPP_CP_IPV6CP));
	ck_assert_uint_eq(p.client.faults[PPP_FAULT_PROTOCOL_REJECTED], 1);
	ck_assert_uint_eq(p.client.finished, 0);
}
END_TEST

/* New parameters for an open link: only what changed is negotiated anew. */
START_TEST(an_address_changes)
{
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	dial(&p);
	run(&p, p.now + 1 * S);
	p.server.net.peer4 = 0x0a000103;
	STEP(&p.server, ppp_link_network(&p.server.link, &ctx, &p.server.net));
	run(&p, p.now + 10 * S);
	ck_assert(all_open(&p));
	ck_assert_uint_eq(p.client.up[PPP_CP_IPCP].net.local4, 0x0a000103);
	ck_assert_uint_eq(p.server.net_down[PPP_CP_IPV6CP], 0);
	ck_assert_uint_eq(p.server.net_down[PPP_CP_IPCP], 1);
}
END_TEST

START_TEST(answers_from_above_may_come_late)
{
	struct ppp_auth_result r = { .serial = 1, .ok = true };
	struct pair p;

	pair_init(&p, PPP_AUTH_PAP);
	p.server.answer_never = true;
	dial(&p);
	run(&p, p.now + 7 * S); /* the client's request came three times */
	ck_assert_uint_eq(p.server.asked, 1);
	r.serial = p.server.ask.serial + 1;
	STEP(&p.server, ppp_link_auth_result(&p.server.link, &ctx, &r));
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_LATE_ANSWER], 1);
	p.server.answer_never = false;
	answer(&p.server);
	answer(&p.server);
	run(&p, p.now + 5 * S);
	ck_assert(all_open(&p));
	STEP(&p.server, ppp_link_auth_result(&p.server.link, &ctx, &r));
	ck_assert_uint_eq(p.server.faults[PPP_FAULT_LATE_ANSWER], 2);
	ck_assert(all_open(&p));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ppp link");
	TCase *t = tcase_create("negotiation"), *e = tcase_create("end");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_client_dials_in, 0, AUTHS);
	tcase_add_loop_test(t, each_frame_lost_copied_or_late, 0, AUTHS);
	tcase_add_loop_test(t, each_two_frames_disturbed, 0, AUTHS);
	tcase_add_test(t, copied_frames_leave_an_open_link_alone);
	tcase_add_test(t, two_ends_do_not_chase_each_other);
	tcase_add_loop_test(t, the_server_begins_anew, 0, AUTHS);
	tcase_add_loop_test(t, every_step_from_a_snapshot, 0, AUTHS);
	tcase_add_loop_test(t, one_step_from_a_snapshot, 0, AUTHS);
	tcase_add_loop_test(t, snapshots_and_losses, 0, AUTHS);
	tcase_add_test(t, snapshots_are_small);
	tcase_add_test(t, a_snapshot_cut_or_changed_is_refused_or_harmless);
	suite_add_tcase(s, t);
	tcase_add_test(e, the_server_closes);
	tcase_add_test(e, a_closing_server_is_not_waited_for);
	tcase_add_test(e, the_call_goes_down);
	tcase_add_test(e, nobody_there);
	tcase_add_loop_test(e, the_restart_timer_begins_small_and_doubles_to_its_final_value, 0, 4);
	tcase_add_test(e, the_client_starts_over);
	tcase_add_test(e, no_network_protocol_is_allowed);
	tcase_add_test(e, ipv4_alone_is_enough);
	tcase_add_test(e, an_address_changes);
	tcase_add_test(e, answers_from_above_may_come_late);
	suite_add_tcase(s, e);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
