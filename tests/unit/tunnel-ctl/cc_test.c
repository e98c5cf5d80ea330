// SPDX-License-Identifier: Apache-2.0
/* Control connections: RFC 2661, 7.2.1, 5.1, 5.5 to 5.8, told as tapes. */
#include "../lib/unit.h"
#include "cc.h"
#include "lab.h"

static struct lab *l;

static void
setup(void)
{
	l = lab_new();
}

static void
teardown(void)
{
	lab_free(l);
	l = NULL;
}

static unsigned
state(uint16_t id)
{
	Row__Tunnel *r = lab_tunnel(l, id);
	unsigned s = r ? r->state : CC_IDLE;

	if (r)
		row__tunnel__free_unpacked(r, NULL);
	return s;
}

START_TEST(a_peer_opens_a_tunnel)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_sccrq(&p);
	ck_assert_str_eq(lab_tape(l), "SCCRP 10/0 ns=0 nr=1\n");
}
END_TEST

START_TEST(established_by_scccn_and_acknowledged)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_sccrq(&p);
	peer_listen(&p);
	ck_assert_uint_eq(state(p.tunnel), CC_WAIT_CTL_CONN);
	lab_quiet(l);
	peer_simple(&p, L2TP_SCCCN);
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=1 nr=2\n");
	ck_assert_uint_eq(state(p.tunnel), CC_ESTABLISHED);
	Row__Tunnel *r = lab_tunnel(l, p.tunnel);
	ck_assert_str_eq(r->peer_host, "lac1");
	ck_assert_uint_eq(r->peer_window, 4);
	ck_assert_uint_eq(r->since, 1700000000);
	ck_assert_str_eq(r->profile, "any");
	row__tunnel__free_unpacked(r, NULL);
}
END_TEST

START_TEST(a_retransmitted_sccrq_opens_nothing_new)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_sccrq(&p);
	lab_quiet(l);
	peer_again(&p);
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=1 nr=1\n");
	ck_assert_uint_eq(tc_population(l->tc).tunnels, 1);
	lab_wait(l, MONO_S);
	ck_assert_str_eq(lab_tape(l), "SCCRP 10/0 ns=0 nr=1\n");
}
END_TEST

START_TEST(a_late_copy_of_the_sccrq_does_not_disturb_the_tunnel)
{
	struct peer p = peer_new(l, 7, 10), q;

	lab_start(l, 1);
	peer_sccrq(&p);
	q = p;
	q.w.start = q.octets;
	q.w.p = q.octets + wr_len(&p.w);
	peer_simple(&p, L2TP_SCCCN);
	lab_quiet(l);
	peer_again(&q);
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=1 nr=2\n");
	ck_assert_uint_eq(tc_population(l->tc).tunnels, 1);
	ck_assert_uint_eq(state(p.tunnel), CC_ESTABLISHED);
}
END_TEST

START_TEST(a_peer_that_starts_anew_with_its_old_id_gets_a_new_tunnel)
{
	struct peer p = peer_new(l, 7, 10), q = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_up(&p);
	peer_call(&p, 100);
	lab_wait(l, 10 * MONO_S);
	lab_quiet(l);
	peer_sccrq(&q);
	ck_assert_uint_eq(tc_population(l->tc).calls, 1); /* a stranger's SCCRQ ends nothing */
	peer_simple(&q, L2TP_SCCCN);
	ck_assert_uint_ne(p.tunnel, q.tunnel);
	lab_wait(l, MONO_S);
	ck_assert_uint_eq(state(p.tunnel), CC_IDLE);
	ck_assert_uint_eq(state(q.tunnel), CC_ESTABLISHED);
	ck_assert_uint_eq(tc_population(l->tc).calls, 0);
	ck_assert_uint_eq(lab_count(l, "TUNNELS_SUPERSEDED"), 1);
}
END_TEST

START_TEST(no_profile_no_tunnel)
{
	struct peer p = peer_new(l, 7, 10);

	l->conf.profile[0].peer = (struct ip_prefix){ .addr = { .family = 4, .b = { 10 } }, .len = 8 };
	lab_start(l, 1);
	peer_sccrq(&p);
	ck_assert_str_eq(lab_tape(l), "StopCCN 10/0 ns=0 nr=1 result=4 error=0\n");
	ck_assert_uint_eq(lab_count(l, "FAULT_NO_PROFILE"), 1);
	peer_again(&p);
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=1 nr=1\n");
	lab_wait(l, 40 * MONO_S);
	ck_assert_uint_eq(lab_rows(l, TABLE_TUNNEL), 0);
	ck_assert_uint_eq(HASH_COUNT(l->store), 0);
}
END_TEST

START_TEST(tunnel_authentication_both_ways)
{
	static const uint8_t challenge[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct peer p = peer_new(l, 7, 10);
	static struct l2tp_msg m;
	struct l2tp_wr *w;
	struct span got;
	uint8_t response[16];

	snprintf(l->conf.profile[0].secret, CONF_TEXT, "secret");
	l->conf.profile[0].require_auth = true;
	lab_start(l, 1);
	w = peer_sccrq_begin(&p);
	l2tp_avp_bytes(w, AVP_CHALLENGE, challenge, 16);
	peer_end(&p);
	ck_assert_uint_eq(l2tp_msg_read(span_of(l->out[0].bytes, l->out[0].len), span_of(NULL, 0), &m), L2TP_OK);
	ck_assert(l2tp_msg_span(&m, AVP_CHALLENGE_RESPONSE, &got));
	ck_assert_uint_eq(got.p[0], 0xdd); /* test-vectors.md: dd4186e2... */
	ck_assert(l2tp_auth_check(2, span_of("secret", 6), span_of(challenge, 16), got));
	ck_assert(l2tp_msg_span(&m, AVP_CHALLENGE, &got));
	l2tp_auth_response(3, span_of("secret", 6), got, response);
	response[15] ^= (uint8_t)_i;
	w = peer_begin(&p, L2TP_SCCCN, 0);
	if (_i < 2)
		l2tp_avp_bytes(w, AVP_CHALLENGE_RESPONSE, response, 16);
	lab_quiet(l);
	peer_end(&p);
	if (_i == 0)
		ck_assert_uint_eq(state(p.tunnel), CC_ESTABLISHED);
	else
		ck_assert_str_eq(lab_tape(l), "StopCCN 10/0 ns=1 nr=2 result=4 error=0\n");
	ck_assert_uint_eq(lab_count(l, "FAULT_BAD_RESPONSE"), _i == 1);
	ck_assert_uint_eq(lab_count(l, "FAULT_NO_RESPONSE"), _i == 2);
}
END_TEST

START_TEST(a_challenge_without_a_secret_is_refused)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	l2tp_avp_bytes(peer_sccrq_begin(&p), AVP_CHALLENGE, "0123456789abcdef", 16);
	peer_end(&p);
	ck_assert_str_eq(lab_tape(l), "StopCCN 10/0 ns=0 nr=1 result=4 error=0\n");
}
END_TEST

START_TEST(hidden_avps_in_an_sccrq_are_read_with_the_profiles_secret)
{
	static const uint8_t vector[16] = "fresh random....";
	struct peer p = peer_new(l, 7, 10);
	struct l2tp_wr *m;

	snprintf(l->conf.profile[0].secret, CONF_TEXT, "secret");
	l->conf.profile[0].hide = true;
	lab_start(l, 1);
	m = peer_begin(&p, L2TP_SCCRQ, 0);
	l2tp_msg_hide(m, span_of("secret", 6), span_of(vector, 16), 0);
	l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(m, AVP_HOST_NAME, "lac1");
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, p.id);
	peer_end(&p);
	ck_assert_str_eq(lab_tape(l), "SCCRP 10/0 ns=0 nr=1\n");
}
END_TEST

START_TEST(unknown_mandatory_avp_ends_the_request_with_error_8)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	l2tp_avp_raw(peer_sccrq_begin(&p), 0, 1000, true, false, "x", 1);
	peer_end(&p);
	ck_assert_str_eq(lab_tape(l), "StopCCN 10/0 ns=0 nr=1 result=2 error=8\n");
}
END_TEST

START_TEST(unknown_optional_avp_is_counted_and_ignored)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	l2tp_avp_raw(peer_sccrq_begin(&p), 0, 1000, false, false, "x", 1);
	peer_end(&p);
	ck_assert_str_eq(lab_tape(l), "SCCRP 10/0 ns=0 nr=1\n");
	ck_assert_uint_eq(lab_count(l, "AVPS_UNKNOWN"), 1);
}
END_TEST

START_TEST(a_version_we_do_not_speak_is_answered_with_ours)
{
	struct peer p = peer_new(l, 7, 10);
	struct l2tp_wr *m;

	lab_start(l, 1);
	m = peer_begin(&p, L2TP_SCCRQ, 0);
	l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, 0x0200);
	l2tp_avp_text(m, AVP_HOST_NAME, "lac1");
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, p.id);
	peer_end(&p);
	ck_assert_str_eq(lab_tape(l), "StopCCN 10/0 ns=0 nr=1 result=5 error=1\n");
}
END_TEST

START_TEST(full_and_draining_nodes_say_try_another)
{
	struct peer p = peer_new(l, 7, 10), q = peer_new(l, 8, 11), r = peer_new(l, 9, 12), s = peer_new(l, 10, 13),
		    u = peer_new(l, 11, 14), v = peer_new(l, 12, 15), w = peer_new(l, 13, 16);

	l->conf.max_tunnels = 1;
	lab_start(l, 1);
	peer_up(&p);
	peer_sccrq(&q);
	ck_assert_str_eq(lab_tape(l), "StopCCN 11/0 ns=0 nr=1 result=2 error=7\n");
	ck_assert(tc_alarms(l->tc)[TC_ALARM_TUNNELS_FULL].stands);
	ck_assert(tc_alarms_changed(l->tc));
	l->conf.max_tunnels = 0;
	peer_up(&w);
	ck_assert(!tc_alarms(l->tc)[TC_ALARM_TUNNELS_FULL].stands);
	ck_assert(tc_alarms_changed(l->tc));
	lab_quiet(l);
	ck_assert(lab_command(l, "tunnel drain all"));
	peer_sccrq(&r);
	ck_assert_ptr_nonnull(strstr(lab_tape(l), "StopCCN 12/0 ns=0 nr=1 result=2 error=7\n"));
	/* through a switchover, and the restart of a process */
	lab_promote(l);
	peer_sccrq(&s);
	ck_assert_ptr_nonnull(strstr(lab_tape(l), "StopCCN 13/0 ns=0 nr=1 result=2 error=7\n"));
	lab_restart(l);
	peer_sccrq(&u);
	ck_assert_ptr_nonnull(strstr(lab_tape(l), "StopCCN 14/0 ns=0 nr=1 result=2 error=7\n"));
	/* without calls, the drained one goes */
	lab_wait(l, MONO_S);
	ck_assert_uint_eq(state(p.tunnel), CC_CLOSING);
	ck_assert(lab_command(l, "tunnel undrain all"));
	lab_promote(l);
	peer_up(&v);
}
END_TEST

/* What was wrong is the new active node's to say. */
START_TEST(who_is_not_active_any_more_has_no_alarm)
{
	struct peer p = peer_new(l, 7, 10), q = peer_new(l, 8, 11);

	l->conf.max_tunnels = 1;
	lab_start(l, 1);
	peer_up(&p);
	peer_sccrq(&q);
	ck_assert(tc_alarms(l->tc)[TC_ALARM_TUNNELS_FULL].stands);
	ck_assert(tc_alarms_changed(l->tc));
	tc_deactivate(l->tc);
	ck_assert(!tc_alarms(l->tc)[TC_ALARM_TUNNELS_FULL].stands);
	ck_assert(tc_alarms_changed(l->tc));
}
END_TEST

START_TEST(a_profile_has_a_limit_of_its_own)
{
	struct peer p = peer_new(l, 7, 10), q = peer_new(l, 8, 11);

	l->conf.profile[0].max_tunnels = 1;
	lab_start(l, 1);
	peer_up(&p);
	peer_sccrq(&q);
	ck_assert_str_eq(lab_tape(l), "StopCCN 11/0 ns=0 nr=1 result=2 error=7\n");
	peer_stopccn(&p, 1, 0);
	lab_quiet(l);
	struct peer r = peer_new(l, 9, 12);
	peer_sccrq(&r);
	ck_assert_str_eq(lab_tape(l), "SCCRP 12/0 ns=0 nr=1\n");
}
END_TEST

/* Every message in every state: what goes out, and the state after (7.2.1). */
static const struct {
	unsigned from;
	enum l2tp_type type;
	const char *out;
	unsigned to;
} walk[] = {
	{ CC_WAIT_CTL_CONN, L2TP_SCCRQ, "StopCCN result=7", CC_CLOSING },
	{ CC_WAIT_CTL_CONN, L2TP_SCCRP, "StopCCN result=7", CC_CLOSING },
	{ CC_WAIT_CTL_CONN, L2TP_SCCCN, "ZLB", CC_ESTABLISHED },
	{ CC_WAIT_CTL_CONN, L2TP_STOPCCN, "ZLB", CC_CLOSING },
	{ CC_WAIT_CTL_CONN, L2TP_HELLO, "ZLB", CC_WAIT_CTL_CONN },
	{ CC_WAIT_CTL_CONN, L2TP_ICRQ, "StopCCN result=7", CC_CLOSING },
	{ CC_ESTABLISHED, L2TP_SCCRQ, "StopCCN result=7", CC_CLOSING },
	{ CC_ESTABLISHED, L2TP_SCCRP, "StopCCN result=7", CC_CLOSING },
	{ CC_ESTABLISHED, L2TP_SCCCN, "StopCCN result=7", CC_CLOSING },
	{ CC_ESTABLISHED, L2TP_STOPCCN, "ZLB", CC_CLOSING },
	{ CC_ESTABLISHED, L2TP_HELLO, "ZLB", CC_ESTABLISHED },
	{ CC_ESTABLISHED, L2TP_ICRQ, "ICRP", CC_ESTABLISHED },
	{ CC_CLOSING, L2TP_SCCRQ, "ZLB", CC_CLOSING },
	{ CC_CLOSING, L2TP_SCCRP, "ZLB", CC_CLOSING },
	{ CC_CLOSING, L2TP_SCCCN, "ZLB", CC_CLOSING },
	{ CC_CLOSING, L2TP_STOPCCN, "ZLB", CC_CLOSING },
	{ CC_CLOSING, L2TP_HELLO, "ZLB", CC_CLOSING },
	{ CC_CLOSING, L2TP_ICRQ, "ZLB", CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, L2TP_SCCRQ, "StopCCN result=7", CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, L2TP_SCCRP, "SCCCN", CC_ESTABLISHED },
	{ CC_WAIT_CTL_REPLY, L2TP_SCCCN, "StopCCN result=7", CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, L2TP_STOPCCN, "ZLB", CC_CLOSING },
	{ CC_WAIT_CTL_REPLY, L2TP_HELLO, "ZLB", CC_WAIT_CTL_REPLY },
	{ CC_WAIT_CTL_REPLY, L2TP_ICRQ, "StopCCN result=7", CC_CLOSING },
};

static void
group_of(struct lab *lab, struct peer *p)
{
	lab->conf.lns_groups = 1;
	snprintf(lab->conf.lns_group[0].name, CONF_NAME, "g");
	lab->conf.lns_group[0].member[0].peer = p->at;
	lab->conf.lns_group[0].members = 1;
	lab->conf.profile[0].roles = ROLE_LNS | ROLE_LAC;
}

static void
bring_to(struct peer *p, unsigned to)
{
	if (to == CC_WAIT_CTL_REPLY) {
		group_of(l, p);
		lab_start(l, 1);
		ck_assert(lab_command(l, "tunnel open g"));
		peer_listen(p);
		return;
	}
	lab_start(l, 1);
	peer_sccrq(p);
	peer_listen(p);
	if (to != CC_WAIT_CTL_CONN)
		peer_simple(p, L2TP_SCCCN);
	if (to == CC_CLOSING) {
		char words[32];
		snprintf(words, sizeof words, "tunnel close %u", p->tunnel);
		ck_assert(lab_command(l, words));
		peer_listen(p);
	}
}

static void
say_type(struct peer *p, enum l2tp_type type)
{
	struct l2tp_wr *m;

	if (type == L2TP_ICRQ) {
		peer_icrq(p, 77);
		return;
	}
	if (type == L2TP_STOPCCN) {
		peer_stopccn(p, 1, 0);
		return;
	}
	m = peer_begin(p, type, 0);
	if (type == L2TP_SCCRQ || type == L2TP_SCCRP) {
		l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, 0x0100);
		l2tp_avp_text(m, AVP_HOST_NAME, "lac1");
		l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, 3);
		l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, p->id);
	}
	peer_end(p);
}

START_TEST(every_message_in_every_state)
{
	struct peer p = peer_new(l, 7, 10);
	char first[32], result[32];
	const char *tape;

	bring_to(&p, walk[_i].from);
	ck_assert_uint_eq(state(p.tunnel), walk[_i].from);
	peer_zlb(&p);
	lab_quiet(l);
	say_type(&p, walk[_i].type);
	ck_assert_uint_eq(state(p.tunnel), walk[_i].to);
	tape = lab_tape(l);
	ck_assert_int_eq(sscanf(walk[_i].out, "%31s %31s", first, result) >= 1, 1);
	ck_assert_msg(strncmp(tape, first, strlen(first)) == 0, "%s", tape);
	if (strchr(walk[_i].out, '='))
		ck_assert_msg(strstr(tape, result) != NULL, "%s", tape);
	ck_assert_msg(strchr(tape, '\n')[1] == 0, "%s", tape); /* and nothing else */
}
END_TEST

START_TEST(every_pair_of_the_table_is_decided)
{
	struct peer p = peer_new(l, 7, 10);

	/* What is in no row changes no row: the event is acknowledged and counted. */
	for (unsigned s = CC_IDLE + 1; s < CC_STATES; s++) {
		for (unsigned e = 0; e < EV_KINDS; e++) {
			static struct l2tp_msg nothing;
			struct tc_datagram in = { p.at, p.to, span_of(NULL, 0) };
			teardown();
			setup();
			p = peer_new(l, 7, 10);
			bring_to(&p, s);
			struct tunnel *t = tunnel_find(l->tc, p.tunnel);
			struct cc_event ev = { .kind = (enum cc_event_kind)e, .in = &in, .msg = &nothing };
			unsigned records = l->records;
			l->tc->out = &l->sink;
			bool rule = cc_step(l->tc, t, &ev, 0);
			ck_assert_msg(rule || l->records == records, "state %u event %u", s, e);
			bool must = s != CC_CLOSING && e != EV_OPEN && e != EV_LINGER && !(s == CC_ESTABLISHED && e == EV_SETUP);
			bool may = s == CC_CLOSING && (e == EV_LOST || e == EV_LINGER);
			ck_assert_msg(rule == (must || may), "state %u event %u", s, e);
		}
	}
}
END_TEST

START_TEST(stopccn_is_sent_through_the_full_cycle_and_then_all_is_gone)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_up(&p);
	peer_call(&p, 100);
	char words[32];
	snprintf(words, sizeof words, "tunnel close %u", p.tunnel);
	ck_assert(lab_command(l, words));
	ck_assert_str_eq(lab_tape(l), "StopCCN 10/0 ns=2 nr=4 result=1 error=0\n");
	ck_assert_uint_eq(lab_rows(l, TABLE_CALL), 0);
	lab_wait(l, 30 * MONO_S);
	const char *tape = lab_tape(l);
	unsigned times = 0;
	for (const char *s = tape; (s = strstr(s, "StopCCN")) != NULL; s++)
		times++;
	ck_assert_uint_eq(times, 5);
	lab_wait(l, 2 * MONO_S);
	ck_assert_uint_eq(HASH_COUNT(l->store), 0);
}
END_TEST

START_TEST(a_peers_stopccn_is_acknowledged_for_a_full_cycle)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_up(&p);
	peer_call(&p, 100);
	peer_stopccn(&p, 1, 0);
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=2 nr=5\n");
	lab_wait(l, 30 * MONO_S);
	peer_again(&p); /* the acknowledgement was lost */
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=2 nr=5\n");
	lab_wait(l, 2 * MONO_S);
	ck_assert_uint_eq(HASH_COUNT(l->store), 0);
	peer_again(&p); /* even then, without any state */
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=2 nr=5\n");
	ck_assert_uint_eq(HASH_COUNT(l->store), 0);
}
END_TEST

START_TEST(a_stopccn_before_our_id_is_known_finds_its_tunnel)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_sccrq(&p);
	lab_quiet(l);
	p.tunnel = 0;
	p.nr = 0;
	peer_stopccn(&p, 6, 0);
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=1 nr=2\n");
	ck_assert_uint_eq(tc_population(l->tc).closing, 1);
}
END_TEST

START_TEST(hello_after_silence_and_a_dead_peer_is_given_up)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_up(&p);
	peer_call(&p, 100);
	peer_zlb(&p);
	lab_wait(l, 59 * MONO_S);
	ck_assert_str_eq(lab_tape(l), "");
	lab_wait(l, MONO_S);
	ck_assert_str_eq(lab_tape(l), "HELLO 10/0 ns=2 nr=4\n");
	lab_wait(l, 32 * MONO_S);
	ck_assert_uint_eq(HASH_COUNT(l->store), 0);
	ck_assert_uint_eq(lab_count(l, "TUNNELS_LOST"), 1);
	ck_assert_uint_eq(lab_count(l, "CALLS_ENDED_BY_TUNNEL"), 1);
}
END_TEST

START_TEST(an_answered_hello_keeps_the_tunnel)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_up(&p);
	for (unsigned i = 0; i < 10; i++) {
		lab_wait(l, 60 * MONO_S);
		peer_zlb(&p);
		lab_quiet(l);
	}
	ck_assert_uint_eq(lab_count(l, "HELLO_OUT"), 10);
	ck_assert_uint_eq(state(p.tunnel), CC_ESTABLISHED);
}
END_TEST

START_TEST(a_half_open_tunnel_is_given_up_in_time)
{
	struct peer p = peer_new(l, 7, 10);

	l->conf.profile[0].setup_ms = 5000;
	lab_start(l, 1);
	peer_sccrq(&p);
	peer_zlb(&p);
	lab_quiet(l);
	lab_wait(l, 5 * MONO_S);
	ck_assert_str_eq(lab_tape(l), "StopCCN 10/0 ns=1 nr=1 result=1 error=0\n");
}
END_TEST

START_TEST(strangers_are_dropped_and_counted)
{
	struct peer p = peer_new(l, 7, 10), thief = peer_new(l, 99, 10);

	lab_start(l, 1);
	peer_up(&p);
	thief.tunnel = p.tunnel;
	thief.ns = p.ns;
	peer_stopccn(&thief, 1, 0);
	ck_assert_str_eq(lab_tape(l), "");
	ck_assert_uint_eq(lab_count(l, "FOREIGN_SOURCE"), 1);
	thief = p;
	thief.at.port = 4000;
	peer_simple(&thief, L2TP_HELLO);
	ck_assert_uint_eq(lab_count(l, "FOREIGN_SOURCE"), 2);
	p.tunnel ^= 1;
	peer_simple(&p, L2TP_HELLO);
	ck_assert_str_eq(lab_tape(l), "");
	ck_assert_uint_eq(lab_count(l, "UNKNOWN_TUNNEL"), 1);
}
END_TEST

START_TEST(an_answer_from_another_port_is_followed_and_then_static)
{
	struct peer p = peer_new(l, 7, 10);

	bring_to(&p, CC_WAIT_CTL_REPLY);
	p.at.port = 33333; /* RFC 2661, 8.1: "sets its own source port to the free port it found" */
	say_type(&p, L2TP_SCCRP);
	ck_assert_uint_eq(state(p.tunnel), CC_ESTABLISHED);
	ck_assert_uint_eq(l->out[l->outs - 1].peer.port, 33333);
	p.at.port = 33334;
	peer_simple(&p, L2TP_HELLO);
	ck_assert_uint_eq(lab_count(l, "FOREIGN_SOURCE"), 1);
}
END_TEST

/* Both have asked: 4.4.3.  _i: 0 theirs is lower, 1 ours is, 2 the same, 3 they have none. */
START_TEST(the_tie_breaker_decides)
{
	struct peer p = peer_new(l, 7, 10);
	static struct l2tp_msg m;
	struct span ours;
	uint8_t theirs[8];
	uint16_t old;

	bring_to(&p, CC_WAIT_CTL_REPLY);
	old = p.tunnel;
	ck_assert_uint_eq(l2tp_msg_read(span_of(l->out[0].bytes, l->out[0].len), span_of(NULL, 0), &m), L2TP_OK);
	ck_assert(l2tp_msg_span(&m, AVP_TIE_BREAKER, &ours));
	memcpy(theirs, ours.p, 8);
	if (_i < 2)
		memset(theirs, _i ? 0xff : 0, 8);
	lab_quiet(l);
	p.tunnel = 0;
	p.nr = 0;
	struct l2tp_wr *w = peer_sccrq_begin(&p);
	if (_i < 3)
		l2tp_avp_bytes(w, AVP_TIE_BREAKER, theirs, 8);
	peer_end(&p);
	ck_assert_str_eq(lab_tape(l), _i == 0 ? "SCCRP 10/0 ns=0 nr=1\n" : "");
	lab_wait(l, MONO_MS);
	ck_assert_uint_eq(state(old), _i == 1 || _i == 3 ? CC_WAIT_CTL_REPLY : CC_IDLE);
	ck_assert_uint_eq(tc_population(l->tc).tunnels, _i == 2 ? 0 : 1);
}
END_TEST

START_TEST(stray_replies_get_what_the_idle_rows_say)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	p.tunnel = 4242;
	say_type(&p, L2TP_SCCRP);
	ck_assert_str_eq(lab_tape(l), "StopCCN 10/0 ns=0 nr=1 result=7 error=0\n");
	say_type(&p, L2TP_SCCCN);
	ck_assert_str_eq(lab_tape(l), "");
	ck_assert_uint_eq(HASH_COUNT(l->store), 0);
}
END_TEST

START_TEST(a_flood_of_bad_requests_stays_bounded)
{
	lab_start(l, 1);
	l->unchecked = true;
	l->conf.profile[0].roles = 0;
	for (unsigned i = 0; i < 5000; i++) {
		struct peer p = peer_new(l, (uint8_t)i, (uint16_t)(i + 1));
		p.at.port = (uint16_t)i;
		peer_sccrq(&p);
	}
	ck_assert_uint_le(tc_population(l->tc).tunnels, 1024);
	ck_assert_uint_ge(lab_count(l, "FLOOD"), 3900);
	lab_wait(l, 70 * MONO_S);
	ck_assert_uint_eq(tc_population(l->tc).tunnels, 0);
}
END_TEST

static struct ip_prefix
claim(const char *text)
{
	struct ip_prefix p;

	ck_assert(ip_prefix_parse(text, &p));
	return p;
}

START_TEST(our_request_leaves_from_the_address_that_moves_to_the_twin)
{
	static const struct {
		const char *claim[2];
		bool pair;
		uint8_t last; /* octet of the local address; 0: the kernel's choice */
	} rows[] = {
		{ { "10.20.0.1/24", "198.51.100.1/24" }, false, 1 },
		{ { "198.51.100.1/24", "198.51.100.2/24" }, true, 1 },
		{ { "2001:db8::1/64", "198.51.100.2/24" }, true, 2 },
		{ { "10.20.0.9/24", "10.30.0.1/24" }, true, 9 },
		{ { "10.20.0.9/24", "10.30.0.1/24" }, false, 0 },
	};
	struct peer p = peer_new(l, 7, 10);

	group_of(l, &p);
	memset(l->conf.data.listen[0].addr.b, 0, sizeof l->conf.data.listen[0].addr.b);
	l->conf.data.listen[0].addr.family = 4;
	l->conf.claims = 2;
	l->conf.claim[0].addr = claim(rows[_i].claim[0]);
	l->conf.claim[1].addr = claim(rows[_i].claim[1]);
	l->conf.pair.enabled = rows[_i].pair;
	lab_start(l, 1);
	ck_assert(lab_command(l, "tunnel open g"));
	ck_assert_uint_eq(l->outs, 1);
	ck_assert_uint_eq(l->out[0].local.addr.family, 4);
	ck_assert_uint_eq(l->out[0].local.addr.b[3], rows[_i].last);
}
END_TEST

START_TEST(a_tunnel_is_opened_to_an_address)
{
	static const struct {
		const char *more;
		bool ok;
		const char *say; /* part of the answer */
		uint16_t port;
	} rows[] = {
		{ "", true, "tunnel ", 1701 },
		{ " profile=any", true, "tunnel ", 1701 },
		{ " profile=any port=1799", true, "tunnel ", 1799 },
		{ " role=client", false, "does not have the role client", 0 },
		{ " profile=nobody", false, "no profile \"nobody\"", 0 },
		{ " port=70000", false, "port=70000", 0 },
		{ " colour=red", false, "colour", 0 },
	};
	struct peer p = peer_new(l, 7, 10);
	char line[160], at[ADDR_TEXT];

	l->conf.profile[0].roles = ROLE_LNS | ROLE_LAC;
	snprintf(l->conf.profile[0].name, CONF_NAME, "any");
	lab_start(l, 1);
	snprintf(line, sizeof line, "tunnel open %s%s", ip_addr_text(&p.at.addr, at), rows[_i].more);
	ck_assert_int_eq(lab_command(l, line), rows[_i].ok);
	ck_assert_msg(strstr(l->answer.text, rows[_i].say), "%s", l->answer.text);
	ck_assert_uint_eq(l->outs, rows[_i].ok);
	if (!rows[_i].ok)
		return;
	ck_assert(ip_addr_eq(&l->out[0].peer.addr, &p.at.addr));
	ck_assert_uint_eq(l->out[0].peer.port, rows[_i].port);
}
END_TEST

START_TEST(neither_a_group_nor_an_address_opens_nothing)
{
	lab_start(l, 1);
	ck_assert(!lab_command(l, "tunnel open nowhere"));
	ck_assert(!lab_command(l, "tunnel open g profile=any"));
	ck_assert_uint_eq(tc_population(l->tc).tunnels, 0);
}
END_TEST

static const char *
ask_anew(struct peer *p)
{
	static char first[64];

	p->tunnel = p->ns = p->nr = 0;
	lab_tape(l);
	peer_sccrq(p);
	snprintf(first, sizeof first, "%.*s", (int)strcspn(l->tape, " "), l->tape);
	lab_quiet(l);
	return first;
}

START_TEST(a_refused_peer_may_ask_again)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	ck_assert(lab_command(l, "tunnel drain all"));
	peer_sccrq(&p);
	peer_listen(&p);
	ck_assert(lab_command(l, "tunnel undrain all"));
	ck_assert_str_eq(ask_anew(&p), "ZLB"); /* it has not heard the refusal */
	p.tunnel = tunnel_of_peer(l->tc, &p.at.addr, 10, NULL)->id;
	p.ns = p.nr = 1;
	peer_zlb(&p);
	ck_assert_str_eq(ask_anew(&p), "ZLB"); /* a copy that was long under way */
	lab_wait(l, 5 * MONO_S);
	ck_assert_str_eq(ask_anew(&p), "SCCRP");
}
END_TEST

START_TEST(a_flood_of_one_address_keeps_nobody_out)
{
	struct peer flood = peer_new(l, 66, 1), other = peer_new(l, 7, 10);

	lab_start(l, 1);
	l->unchecked = true;
	for (unsigned i = 1; i <= 6000; i++) {
		flood.id = (uint16_t)i;
		flood.at.port = (uint16_t)i;
		flood.tunnel = flood.ns = flood.nr = 0;
		peer_sccrq(&flood);
	}
	ck_assert_uint_eq(tc_population(l->tc).half_open, 1024);
	peer_sccrq(&other);
	ck_assert_uint_eq(tc_population(l->tc).half_open, 1025);
	lab_wait(l, 70 * MONO_S);
	ck_assert_uint_eq(tc_population(l->tc).tunnels, 0);
	ck_assert_uint_eq(tunnel_half_open(l->tc, &flood.at.addr), 0);
}
END_TEST

START_TEST(malformed_datagrams_do_nothing)
{
	static const uint8_t junk[][12] = {
		{ 0 }, { 0xc8 }, { 0xc8, 2, 0, 12 }, { 0xc8, 3, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0 }, { 0x80, 2, 0, 1 },
		{ 0xc8, 2, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0 },
	};
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	for (unsigned i = 0; i < sizeof junk / sizeof *junk; i++) {
		for (size_t n = 0; n <= sizeof *junk; n++)
			lab_take(l, p.at, p.to, span_of(junk[i], n));
	}
	ck_assert_str_eq(lab_tape(l), "");
	ck_assert_uint_eq(HASH_COUNT(l->store), 0);
}
END_TEST

START_TEST(a_promoted_shadow_goes_on_in_mid_establishment)
{
	struct peer p = peer_new(l, 7, 10);

	lab_start(l, 1);
	peer_sccrq(&p);
	peer_listen(&p);
	lab_quiet(l);
	lab_promote(l);
	lab_wait(l, MONO_MS);
	ck_assert_str_eq(lab_tape(l), "SCCRP 10/0 ns=0 nr=1\n"); /* again, for it may not have left */
	peer_simple(&p, L2TP_SCCCN);
	ck_assert_uint_eq(state(p.tunnel), CC_ESTABLISHED);
	lab_quiet(l);
	lab_promote(l);
	peer_again(&p); /* the ZLB did not leave: its retransmission */
	ck_assert_str_eq(lab_tape(l), "ZLB 10/0 ns=1 nr=2\n");
}
END_TEST

START_TEST(outer_ipv6)
{
	struct peer p = peer_new(l, 7, 10);

	p.at.addr = (struct ip_addr){ .family = 6, .b = { 0x20, 1, 0xd, 0xb8, [15] = 7 } };
	p.to.addr = (struct ip_addr){ .family = 6, .b = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	lab_start(l, 1);
	peer_up(&p);
	ck_assert_uint_eq(state(p.tunnel), CC_ESTABLISHED);
	peer_simple(&p, L2TP_HELLO);
	ck_assert_uint_eq(l->out[0].local.addr.family, 6);
}
END_TEST

START_TEST(hostile_rows_are_counted_and_forgotten)
{
	uint64_t s = 42;
	uint8_t key[8], row[64];

	lab_start(l, 1);
	for (unsigned i = 0; i < 20000; i++) {
		lab_random(&s, key, sizeof key);
		lab_random(&s, row, sizeof row);
		key[0] = 0; /* few tunnels, so that rows meet */
		key[1] &= 3;
		tc_apply(l->shadow, (enum table)(1 + i % 6), span_of(key, 1 + i % 6), span_of(row, row[0] % 64), i % 5 == 0);
	}
	ck_assert_uint_gt(lab_bad_rows(l->shadow), 1000);
	tc_activate(l->shadow, l->now);
	struct tc_event ev = { .kind = TC_TICK };
	l->unchecked = true;
	for (unsigned i = 0; i < 200; i++)
		tc_step(l->shadow, l->now += MONO_S, &ev, &l->sink);
	tc_clear(l->shadow);
	ck_assert_uint_eq(tc_population(l->shadow).tunnels, 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_peer_opens_a_tunnel);
	tcase_add_test(tc, established_by_scccn_and_acknowledged);
	tcase_add_test(tc, a_retransmitted_sccrq_opens_nothing_new);
	tcase_add_test(tc, a_late_copy_of_the_sccrq_does_not_disturb_the_tunnel);
	tcase_add_test(tc, a_peer_that_starts_anew_with_its_old_id_gets_a_new_tunnel);
	tcase_add_test(tc, no_profile_no_tunnel);
	tcase_add_loop_test(tc, tunnel_authentication_both_ways, 0, 3);
	tcase_add_test(tc, a_challenge_without_a_secret_is_refused);
	tcase_add_test(tc, hidden_avps_in_an_sccrq_are_read_with_the_profiles_secret);
	tcase_add_test(tc, unknown_mandatory_avp_ends_the_request_with_error_8);
	tcase_add_test(tc, unknown_optional_avp_is_counted_and_ignored);
	tcase_add_test(tc, a_version_we_do_not_speak_is_answered_with_ours);
	tcase_add_test(tc, full_and_draining_nodes_say_try_another);
	tcase_add_test(tc, who_is_not_active_any_more_has_no_alarm);
	tcase_add_test(tc, a_profile_has_a_limit_of_its_own);
	tcase_add_loop_test(tc, every_message_in_every_state, 0, sizeof walk / sizeof *walk);
	tcase_add_test(tc, every_pair_of_the_table_is_decided);
	tcase_add_test(tc, stopccn_is_sent_through_the_full_cycle_and_then_all_is_gone);
	tcase_add_test(tc, a_peers_stopccn_is_acknowledged_for_a_full_cycle);
	tcase_add_test(tc, a_stopccn_before_our_id_is_known_finds_its_tunnel);
	tcase_add_test(tc, hello_after_silence_and_a_dead_peer_is_given_up);
	tcase_add_test(tc, an_answered_hello_keeps_the_tunnel);
	tcase_add_test(tc, a_half_open_tunnel_is_given_up_in_time);
	tcase_add_test(tc, strangers_are_dropped_and_counted);
	tcase_add_test(tc, an_answer_from_another_port_is_followed_and_then_static);
	tcase_add_loop_test(tc, the_tie_breaker_decides, 0, 4);
	tcase_add_test(tc, stray_replies_get_what_the_idle_rows_say);
	tcase_add_test(tc, a_flood_of_bad_requests_stays_bounded);
	tcase_add_test(tc, a_refused_peer_may_ask_again);
	tcase_add_test(tc, a_flood_of_one_address_keeps_nobody_out);
	tcase_add_loop_test(tc, our_request_leaves_from_the_address_that_moves_to_the_twin, 0, 5);
	tcase_add_loop_test(tc, a_tunnel_is_opened_to_an_address, 0, 7);
	tcase_add_test(tc, neither_a_group_nor_an_address_opens_nothing);
	tcase_add_test(tc, malformed_datagrams_do_nothing);
	tcase_add_test(tc, a_promoted_shadow_goes_on_in_mid_establishment);
	tcase_add_test(tc, outer_ipv6);
	tcase_add_test(tc, hostile_rows_are_counted_and_forgotten);
}

UNIT_MAIN("tunnel-ctl cc", add_tests)
