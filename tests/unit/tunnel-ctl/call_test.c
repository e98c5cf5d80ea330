// SPDX-License-Identifier: Apache-2.0
/* Calls: RFC 2661, 7.4 and 7.5, and what RFC 3145 and 5515 add, told as tapes. */
#include "../lib/unit.h"
#include "call.h"
#include "lab.h"

static struct lab *l;
static struct peer p;

static void
setup(void)
{
	l = lab_new();
	l->conf.profile[0].roles = ROLE_LNS | ROLE_LAC;
	p = peer_new(l, 7, 10);
	l->conf.lns_groups = 1;
	snprintf(l->conf.lns_group[0].name, CONF_NAME, "g");
	l->conf.lns_group[0].member[0].peer = p.at;
	l->conf.lns_group[0].members = 1;
	l->conf.lns_group[0].hold_off_ms = 30000;
}

static void
teardown(void)
{
	lab_free(l);
	l = NULL;
}

static void
up(void)
{
	lab_start(l, 1);
	peer_up(&p);
}

static Row__Call *
call(uint16_t id)
{
	struct key k = key_session(p.tunnel, id);
	struct lab_row *r = lab_find(l, TABLE_CALL, key_span(&k));

	return r ? row__call__unpack(NULL, r->len, r->row) : NULL;
}

static unsigned
state(uint16_t id)
{
	Row__Call *r = call(id);
	unsigned s = r ? r->state : CALL_IDLE;

	if (r)
		row__call__free_unpacked(r, NULL);
	return s;
}

static Row__CallInfo *
info(uint16_t id)
{
	struct key k = key_session(p.tunnel, id);
	struct lab_row *r = lab_find(l, TABLE_CALL_INFO, key_span(&k));

	return r ? row__call_info__unpack(NULL, r->len, r->row) : NULL;
}

static void
info_free(Row__CallInfo *i)
{
	row__call_info__free_unpacked(i, NULL);
}

/* The tape without numbers of messages: "ICRP 10/100", with result and error where they are. */
static const char *
said(void)
{
	static char out[8192];
	char *line, *tape = (char *)(uintptr_t)lab_tape(l);
	size_t used = 0;

	out[0] = 0;
	for (line = strtok(tape, "\n"); line; line = strtok(NULL, "\n")) {
		char *numbers = strstr(line, " ns="), *result = strstr(line, " result=");
		if (numbers)
			*numbers = 0;
		used += (size_t)snprintf(out + used, sizeof out - used, "%s%s\n", line, result ? result : "");
	}
	return out;
}

static void
ack(void)
{
	peer_zlb(&p);
	lab_quiet(l);
}

static void
reply(enum l2tp_type type, uint16_t header, uint16_t own)
{
	struct l2tp_wr *m = peer_begin(&p, type, header);

	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, own);
	peer_end(&p);
}

static void
occn(uint16_t header)
{
	struct l2tp_wr *m = peer_begin(&p, L2TP_OCCN, header);

	l2tp_avp_u32(m, AVP_TX_CONNECT_SPEED, 64000);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, 1);
	peer_end(&p);
}

static void
ocrq(uint16_t own, const char *number, uint32_t min, uint32_t max, uint32_t framing)
{
	struct l2tp_wr *m = peer_begin(&p, L2TP_OCRQ, 0);

	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, own);
	l2tp_avp_u32(m, AVP_CALL_SERIAL, 1);
	l2tp_avp_u32(m, AVP_MINIMUM_BPS, min);
	l2tp_avp_u32(m, AVP_MAXIMUM_BPS, max);
	l2tp_avp_u32(m, AVP_BEARER_TYPE, 1);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, framing);
	l2tp_avp_text(m, AVP_CALLED_NUMBER, number);
	peer_end(&p);
}

/* ---- 7.4.2: we are the LNS of an incoming call ------------------------------------------------------ */

START_TEST(an_incoming_call_comes_up)
{
	up();
	peer_icrq(&p, 100);
	uint16_t id = peer_session(&p);
	ck_assert_str_eq(said(), "ICRP 10/100\n");
	ck_assert_uint_eq(state(id), CALL_WAIT_CONNECT);
	peer_iccn(&p, id);
	ck_assert_str_eq(said(), "ZLB 10/0\n");
	Row__Call *c = call(id);
	ck_assert_uint_eq(c->state, 10);
	ck_assert_uint_eq(c->peer_id, 100);
	ck_assert_uint_eq(c->serial, 4711);
	ck_assert_uint_eq(c->role, 1);
	ck_assert(!c->seq_required);
	row__call__free_unpacked(c, NULL);
	Row__CallInfo *i = info(id);
	ck_assert_str_eq(i->called, "5551000");
	ck_assert_str_eq(i->calling, "5552000");
	ck_assert_uint_eq(i->tx_bps, 10000000);
	info_free(i);
}
END_TEST

START_TEST(what_the_lac_says_is_kept)
{
	static const uint8_t remote[] = { 'l', 'i', 'n', 'e' };
	struct l2tp_wr *m;
	uint16_t id;

	up();
	m = peer_begin(&p, L2TP_ICRQ, 0);
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, 100);
	l2tp_avp_u32(m, AVP_CALL_SERIAL, 1);
	l2tp_avp_u32(m, AVP_BEARER_TYPE, 2);
	l2tp_avp_u32(m, AVP_PHYSICAL_CHANNEL, 77);
	l2tp_avp_text(m, AVP_CALLING_NUMBER, "bad \xff\x01 text");
	l2tp_avp_raw(m, L2TP_VENDOR_ADSL_FORUM, 1, false, false, remote, sizeof remote);
	l2tp_avp_empty(m, AVP_SPEED_UPDATE_ENABLE);
	peer_end(&p);
	id = peer_session(&p);
	m = peer_begin(&p, L2TP_ICCN, id);
	l2tp_avp_u32(m, AVP_TX_CONNECT_SPEED, 1000);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, 1);
	l2tp_avp_bytes(m, AVP_INITIAL_RX_CONFREQ, "\x01\x04\x05\xdc", 4);
	l2tp_avp_u16(m, AVP_PROXY_AUTHEN_TYPE, 3);
	l2tp_avp_bytes(m, AVP_PROXY_AUTHEN_NAME, "alice", 5);
	l2tp_avp_u16(m, AVP_PROXY_AUTHEN_ID, 9);
	l2tp_avp_bytes(m, AVP_PROXY_AUTHEN_RESPONSE, "pw", 2);
	l2tp_avp_bytes(m, AVP_PRIVATE_GROUP, "blue", 4);
	l2tp_avp_u32(m, AVP_RX_CONNECT_SPEED, 500);
	l2tp_avp_empty(m, AVP_SEQUENCING_REQUIRED);
	peer_end(&p);
	Row__CallInfo *i = info(id);
	ck_assert_str_eq(i->calling, "bad ?? text");
	ck_assert_uint_eq(i->bearer, 2);
	ck_assert_uint_eq(i->physical_channel, 77);
	ck_assert_uint_eq(i->access_line.len, 10);
	ck_assert_mem_eq(i->access_line.data, "\x00\x0a\x0d\xe9\x00\x01line", 10);
	ck_assert(i->speed_updates);
	ck_assert_uint_eq(i->init_rcvd_lcp.len, 4);
	ck_assert_uint_eq(i->proxy_auth_type, 3);
	ck_assert_mem_eq(i->proxy_auth_name.data, "alice", 5);
	ck_assert_uint_eq(i->proxy_auth_id, 9);
	ck_assert_uint_eq(i->rx_bps, 500);
	ck_assert_mem_eq(i->private_group.data, "blue", 4);
	info_free(i);
	Row__Call *c = call(id);
	ck_assert(c->seq_required);
	row__call__free_unpacked(c, NULL);
}
END_TEST

START_TEST(a_cdn_of_the_peer_ends_the_call_and_its_causes_are_told_first)
{
	struct l2tp_wr *m;
	uint16_t id;

	up();
	id = peer_call(&p, 100);
	m = peer_begin(&p, L2TP_CDN, id);
	l2tp_avp_result(m, 1, 0, "");
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, 100);
	l2tp_avp_q931(m, 16, 0, "");
	l2tp_avp_disconnect(m, 3, 0xc021, 1, "bye");
	unsigned before = l->records;
	peer_end(&p);
	ck_assert_str_eq(said(), "ZLB 10/0\n");
	ck_assert_uint_eq(state(id), CALL_IDLE);
	ck_assert_uint_eq(lab_rows(l, TABLE_CALL_INFO), 0);
	ck_assert_uint_ge(l->records - before, 5); /* info and last row, both removed, Ns and Nr */
	ck_assert_uint_eq(lab_count(l, "CALLS_ENDED_BY_PEER"), 1);
}
END_TEST

START_TEST(a_cdn_before_our_id_is_known_finds_its_call)
{
	up();
	peer_icrq(&p, 100);
	uint16_t id = peer_session(&p);
	peer_cdn(&p, 0, 100, 1, 0);
	ck_assert_uint_eq(state(id), CALL_IDLE);
	ck_assert_uint_eq(tc_population(l->tc).calls, 0);
}
END_TEST

static const struct {
	unsigned roles, max_tunnel, max_node;
	bool drain;
	const char *out;
} refusals[] = {
	{ ROLE_LAC, 0, 0, false, "CDN 10/101 result=5 error=0\n" },
	{ ROLE_LNS, 1, 0, false, "CDN 10/101 result=4 error=0\n" },
	{ ROLE_LNS, 0, 1, false, "CDN 10/101 result=2 error=7\n" },
	{ ROLE_LNS, 0, 0, true, "CDN 10/101 result=2 error=7\n" },
};

START_TEST(calls_are_refused_with_the_right_code)
{
	up();
	peer_call(&p, 100);
	ack();
	l->conf.profile[0].roles = refusals[_i].roles;
	l->conf.profile[0].max_sessions = refusals[_i].max_tunnel;
	l->conf.max_sessions = refusals[_i].max_node;
	if (refusals[_i].drain)
		ck_assert(lab_command(l, "tunnel drain all"));
	peer_icrq(&p, 101);
	ck_assert_str_eq(said(), refusals[_i].out);
	ck_assert_uint_eq(tc_population(l->tc).calls, 1);
	ck_assert_int_eq(tc_alarms(l->tc)[TC_ALARM_SESSIONS_FULL].stands, _i == 2);
	if (_i != 2)
		return;
	l->conf.max_sessions = 0;
	peer_icrq(&p, 102);
	ck_assert_uint_eq(tc_population(l->tc).calls, 2);
	ck_assert(!tc_alarms(l->tc)[TC_ALARM_SESSIONS_FULL].stands);
}
END_TEST

START_TEST(trouble_in_a_calls_message_ends_the_call_only)
{
	struct l2tp_wr *m;
	uint16_t id;

	up();
	peer_icrq(&p, 100);
	id = peer_session(&p);
	lab_quiet(l);
	m = peer_begin(&p, L2TP_ICCN, id);
	l2tp_avp_u32(m, AVP_TX_CONNECT_SPEED, 1000);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, 1);
	l2tp_avp_raw(m, 9, 1, true, false, "x", 1);
	p.nr = 2;
	peer_end(&p);
	ck_assert_str_eq(said(), "CDN 10/100 result=2 error=8\n");
	ck_assert_uint_eq(tc_population(l->tc).established, 1);
	m = peer_begin(&p, L2TP_ICRQ, 0); /* and in one that begins it */
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, 102);
	l2tp_avp_u32(m, AVP_CALL_SERIAL, 1);
	l2tp_avp_raw(m, 9, 1, true, false, "x", 1);
	p.nr = 3;
	peer_end(&p);
	ck_assert_str_eq(said(), "CDN 10/102 result=2 error=8\n");
	ck_assert_uint_eq(tc_population(l->tc).calls, 0);
}
END_TEST

START_TEST(a_call_half_open_for_too_long_is_given_up)
{
	l->conf.profile[0].setup_ms = 5000;
	up();
	peer_icrq(&p, 100);
	ack();
	lab_wait(l, 4 * MONO_S);
	ck_assert_str_eq(said(), "");
	lab_wait(l, MONO_S);
	ck_assert_str_eq(said(), "CDN 10/100 result=10 error=0\n");
	ck_assert_uint_eq(lab_count(l, "CALLS_TIMED_OUT"), 1);
}
END_TEST

/* ---- every message in every state of the four tables --------------------------------------------------- */

enum table_of { LAC_IN, LNS_IN, LAC_OUT, LNS_OUT };

static const struct {
	enum table_of table;
	unsigned from;
	enum l2tp_type type;
	const char *out; /* first word, and result */
	unsigned to;
} walk[] = {
	/* 7.4.1 */
	{ LAC_IN, CALL_WAIT_REPLY, L2TP_ICRP, "ICCN", CALL_ESTABLISHED },
	{ LAC_IN, CALL_WAIT_REPLY, L2TP_ICRQ, "CDN", CALL_IDLE },
	{ LAC_IN, CALL_WAIT_REPLY, L2TP_CDN, "ZLB", CALL_IDLE },
	{ LAC_IN, CALL_WAIT_REPLY, L2TP_ICCN, "ZLB", CALL_IDLE },
	{ LAC_IN, CALL_ESTABLISHED, L2TP_CDN, "ZLB", CALL_IDLE },
	{ LAC_IN, CALL_ESTABLISHED, L2TP_ICRQ, "CDN", CALL_IDLE },
	{ LAC_IN, CALL_ESTABLISHED, L2TP_ICRP, "CDN", CALL_IDLE },
	{ LAC_IN, CALL_ESTABLISHED, L2TP_ICCN, "CDN", CALL_IDLE },
	{ LAC_IN, CALL_ESTABLISHED, L2TP_OCRP, "CDN", CALL_IDLE },
	{ LAC_IN, CALL_ESTABLISHED, L2TP_SLI, "ZLB", CALL_ESTABLISHED },
	{ LAC_IN, CALL_ESTABLISHED, L2TP_WEN, "ZLB", CALL_ESTABLISHED },
	/* 7.4.2 */
	{ LNS_IN, CALL_WAIT_CONNECT, L2TP_ICCN, "ZLB", CALL_ESTABLISHED },
	{ LNS_IN, CALL_WAIT_CONNECT, L2TP_ICRQ, "CDN", CALL_IDLE },
	{ LNS_IN, CALL_WAIT_CONNECT, L2TP_ICRP, "CDN", CALL_IDLE },
	{ LNS_IN, CALL_WAIT_CONNECT, L2TP_CDN, "ZLB", CALL_IDLE },
	{ LNS_IN, CALL_WAIT_CONNECT, L2TP_OCCN, "CDN", CALL_IDLE },
	{ LNS_IN, CALL_WAIT_CONNECT, L2TP_WEN, "ZLB", CALL_WAIT_CONNECT },
	{ LNS_IN, CALL_ESTABLISHED, L2TP_CDN, "ZLB", CALL_IDLE },
	{ LNS_IN, CALL_ESTABLISHED, L2TP_ICRQ, "CDN", CALL_IDLE },
	{ LNS_IN, CALL_ESTABLISHED, L2TP_ICRP, "CDN", CALL_IDLE },
	{ LNS_IN, CALL_ESTABLISHED, L2TP_ICCN, "CDN", CALL_IDLE },
	{ LNS_IN, CALL_ESTABLISHED, L2TP_WEN, "ZLB", CALL_ESTABLISHED },
	{ LNS_IN, CALL_ESTABLISHED, L2TP_SLI, "ZLB", CALL_ESTABLISHED },
	/* 7.5.1 (wait-cs-answer lasts no step: our bearer answers at once) */
	{ LAC_OUT, CALL_ESTABLISHED, L2TP_OCRQ, "CDN", CALL_IDLE },
	{ LAC_OUT, CALL_ESTABLISHED, L2TP_OCRP, "CDN", CALL_IDLE },
	{ LAC_OUT, CALL_ESTABLISHED, L2TP_OCCN, "CDN", CALL_IDLE },
	{ LAC_OUT, CALL_ESTABLISHED, L2TP_CDN, "ZLB", CALL_IDLE },
	/* 7.5.2 */
	{ LNS_OUT, CALL_WAIT_REPLY, L2TP_OCRP, "ZLB", CALL_WAIT_CONNECT },
	{ LNS_OUT, CALL_WAIT_REPLY, L2TP_OCCN, "CDN", CALL_IDLE },
	{ LNS_OUT, CALL_WAIT_REPLY, L2TP_OCRQ, "CDN", CALL_IDLE },
	{ LNS_OUT, CALL_WAIT_REPLY, L2TP_CDN, "ZLB", CALL_IDLE },
	{ LNS_OUT, CALL_WAIT_CONNECT, L2TP_OCCN, "ZLB", CALL_ESTABLISHED },
	{ LNS_OUT, CALL_WAIT_CONNECT, L2TP_OCRQ, "CDN", CALL_IDLE },
	{ LNS_OUT, CALL_WAIT_CONNECT, L2TP_OCRP, "CDN", CALL_IDLE },
	{ LNS_OUT, CALL_WAIT_CONNECT, L2TP_CDN, "ZLB", CALL_IDLE },
	{ LNS_OUT, CALL_ESTABLISHED, L2TP_CDN, "ZLB", CALL_IDLE },
	{ LNS_OUT, CALL_ESTABLISHED, L2TP_OCRQ, "CDN", CALL_IDLE },
	{ LNS_OUT, CALL_ESTABLISHED, L2TP_OCRP, "CDN", CALL_IDLE },
	{ LNS_OUT, CALL_ESTABLISHED, L2TP_OCCN, "CDN", CALL_IDLE },
};

static uint16_t
answered_call(void)
{
	unsigned tunnel, id;

	ck_assert_msg(l->answer.ok, "%s", l->answer.text);
	ck_assert_int_eq(sscanf(l->answer.text, "call %u/%u", &tunnel, &id), 2);
	return (uint16_t)id;
}

static uint16_t
bring_to(enum table_of table, unsigned to)
{
	char words[64];
	uint16_t id = 0;

	switch (table) {
	case LNS_IN:
		up();
		peer_icrq(&p, 100);
		id = peer_session(&p);
		if (to == CALL_ESTABLISHED)
			peer_iccn(&p, id);
		break;
	case LAC_IN:
		lab_start(l, 1);
		lab_command(l, "call dial g 5551000");
		id = answered_call();
		peer_listen(&p);
		if (to == CALL_WAIT_TUNNEL)
			return id;
		struct l2tp_wr *m = peer_begin(&p, L2TP_SCCRP, 0);
		l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, 0x0100);
		l2tp_avp_text(m, AVP_HOST_NAME, "lns1");
		l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, 3);
		l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, p.id);
		l2tp_avp_u16(m, AVP_RECEIVE_WINDOW, 8);
		peer_end(&p);
		peer_zlb(&p);
		if (to == CALL_ESTABLISHED)
			reply(L2TP_ICRP, id, 100);
		break;
	case LAC_OUT:
		up();
		ocrq(100, "5551000", 1000, 2000, 1);
		id = peer_session(&p);
		break;
	case LNS_OUT:
		up();
		snprintf(words, sizeof words, "call out %u 5551000", p.tunnel);
		lab_command(l, words);
		id = answered_call();
		if (to != CALL_WAIT_REPLY)
			reply(L2TP_OCRP, id, 100);
		if (to == CALL_ESTABLISHED)
			occn(id);
		break;
	}
	ack();
	ack();
	return id;
}

/* The refused reply has told the id that its CDN goes to (4.4.4), unless that is another call's. */
START_TEST(a_refused_reply_is_answered_to_the_id_it_assigned)
{
	static const uint16_t assigned[] = { 300, 300, 0 };
	static const char *const answer[] = {
		"CDN 10/300 result=2 error=8\n", "CDN 10/0 result=2 error=8\n", "CDN 10/0 result=2 error=8\n",
	};
	struct l2tp_wr *m;
	uint16_t id;

	id = bring_to(LAC_IN, CALL_WAIT_REPLY);
	if (_i == 1) { /* the id of another call */
		peer_icrq(&p, 300);
		peer_listen(&p);
	}
	ack();
	said();
	m = peer_begin(&p, L2TP_ICRP, id);
	if (assigned[_i])
		l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, assigned[_i]);
	l2tp_avp_raw(m, 9, 1, true, false, "x", 1);
	peer_end(&p);
	ck_assert_str_eq(said(), answer[_i]);
}
END_TEST

static void
say_type(enum l2tp_type type, uint16_t id)
{
	struct l2tp_wr *m;

	switch (type) {
	case L2TP_ICCN:
		peer_iccn(&p, id);
		return;
	case L2TP_OCCN:
		occn(id);
		return;
	case L2TP_CDN:
		peer_cdn(&p, id, 100, 3, 0);
		return;
	case L2TP_WEN:
		m = peer_begin(&p, type, id);
		l2tp_avp_call_errors(m, &(struct l2tp_call_errors){ 1, 2, 3, 4, 5, 6 });
		break;
	case L2TP_SLI:
		m = peer_begin(&p, type, id);
		l2tp_avp_accm(m, 0x000a0000, 0xffffffff);
		break;
	default:
		m = peer_begin(&p, type, id);
		l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, 100);
		if (type == L2TP_ICRQ || type == L2TP_OCRQ)
			l2tp_avp_u32(m, AVP_CALL_SERIAL, 1);
		if (type == L2TP_OCRQ) {
			l2tp_avp_u32(m, AVP_MINIMUM_BPS, 1);
			l2tp_avp_u32(m, AVP_MAXIMUM_BPS, 1);
			l2tp_avp_u32(m, AVP_BEARER_TYPE, 1);
			l2tp_avp_u32(m, AVP_FRAMING_TYPE, 1);
			l2tp_avp_text(m, AVP_CALLED_NUMBER, "1");
		}
	}
	peer_end(&p);
}

START_TEST(every_message_in_every_state)
{
	uint16_t id = bring_to(walk[_i].table, walk[_i].from);
	const char *tape;

	ck_assert_uint_eq(state(id), walk[_i].from);
	say_type(walk[_i].type, id);
	ck_assert_uint_eq(state(id), walk[_i].to);
	tape = said();
	ck_assert_msg(strncmp(tape, walk[_i].out, strlen(walk[_i].out)) == 0, "%s", tape);
	ck_assert_msg(strchr(tape, '\n')[1] == 0, "%s", tape);
	ck_assert_uint_eq(tc_population(l->tc).established, 1); /* the tunnel lives on */
}
END_TEST

/* Every event in every state of every table, also those that no message can bring: each is decided, none stays half done. */
START_TEST(every_pair_of_the_tables_is_decided)
{
	static const unsigned states[] = { CALL_WAIT_TUNNEL, CALL_WAIT_REPLY, CALL_WAIT_CONNECT, CALL_WAIT_CS_ANSWER,
		CALL_ESTABLISHED, CALL_CLOSED };
	enum call_kind kind = _i & 1 ? CALL_OUTGOING : CALL_INCOMING;
	enum tc_role role = _i & 2 ? TC_LNS : TC_LAC;

	up();
	struct tunnel *t = l->tc->all;
	for (unsigned s = 0; s < sizeof states / sizeof *states; s++) {
		for (unsigned e = CE_TUNNEL_OPEN; e < CE_KINDS; e++) {
			static struct l2tp_msg nothing;
			struct call_event ev = { .kind = (enum call_event_kind)e, .msg = &nothing };
			Row__Call row = ROW__CALL__INIT;
			l->tc->out = &l->sink;
			memset(l->touched, 0, sizeof l->touched);
			row.id = call_free_id(l->tc, t);
			row.state = states[s];
			row.kind = kind;
			row.role = role;
			row.peer_id = 500;
			struct call *c = put_call(l->tc, t, &row);
			uint64_t ignored = lab_count(l, "IGNORED");
			unsigned records = l->records;
			call_step(l->tc, c, &ev);
			ck_assert_msg((l->records > records) != (lab_count(l, "IGNORED") > ignored), "state %u event %u", states[s], e);
			c = call_find(t, (uint16_t)row.id);
			bool is_message = e >= CE_ICRQ && e <= CE_OCCN;
			bool stays = c && c->state == states[s];
			ck_assert_msg(!(is_message && stays && states[s] != CALL_CLOSED), "state %u message %u", states[s], e);
			if (c)
				drop_call(l->tc, c);
			lab_wait(l, MONO_MS);
			lab_datagrams(l, NULL, 0); /* settles, and compares */
			lab_quiet(l);
			peer_zlb(&p);
		}
	}
	ck_assert_uint_eq(lab_rows(l, TABLE_CALL), 0);
}
END_TEST

START_TEST(local_close_in_every_state)
{
	static const struct {
		enum table_of table;
		unsigned from;
		const char *out;
	} row[] = {
		{ LAC_IN, CALL_WAIT_REPLY, "CDN 10/0 result=3 error=0\n" },
		{ LAC_IN, CALL_ESTABLISHED, "CDN 10/100 result=3 error=0\n" },
		{ LNS_IN, CALL_WAIT_CONNECT, "CDN 10/100 result=3 error=0\n" },
		{ LNS_IN, CALL_ESTABLISHED, "CDN 10/100 result=3 error=0\n" },
		{ LAC_OUT, CALL_ESTABLISHED, "CDN 10/100 result=3 error=0\n" },
		{ LNS_OUT, CALL_WAIT_REPLY, "CDN 10/0 result=3 error=0\n" },
		{ LNS_OUT, CALL_WAIT_CONNECT, "CDN 10/100 result=3 error=0\n" },
		{ LNS_OUT, CALL_ESTABLISHED, "CDN 10/100 result=3 error=0\n" },
		{ LAC_IN, CALL_WAIT_TUNNEL, "" },
	};
	uint16_t id = bring_to(row[_i].table, row[_i].from);
	char words[64];

	lab_quiet(l);
	ck_assert_uint_eq(state(id), row[_i].from);
	snprintf(words, sizeof words, "call clear %u/%u", p.tunnel, id);
	if (row[_i].from == CALL_WAIT_TUNNEL)
		snprintf(words, sizeof words, "call clear %u/%u", tc_population(l->tc).tunnels ? l->tc->all->id : 0, id);
	ck_assert_msg(lab_command(l, words), "%s", l->answer.text);
	ck_assert_str_eq(said(), row[_i].out);
	ck_assert_uint_eq(tc_population(l->tc).calls, 0);
}
END_TEST

START_TEST(the_bearer_drops)
{
	uint16_t id = bring_to(_i ? LAC_OUT : LAC_IN, CALL_ESTABLISHED);
	char words[64];

	snprintf(words, sizeof words, "call drop %u/%u", p.tunnel, id);
	ck_assert(lab_command(l, words));
	ck_assert_str_eq(said(), "CDN 10/100 result=1 error=0\n");
}
END_TEST

START_TEST(messages_for_no_call_get_what_the_idle_rows_say)
{
	up();
	reply(L2TP_ICRP, 4242, 100); /* 7.4.2: CDN */
	ck_assert_str_eq(said(), "CDN 10/100 result=2 error=5\n");
	p.nr++;
	reply(L2TP_OCRP, 4242, 100); /* 7.5.2: clean up */
	ck_assert_str_eq(said(), "ZLB 10/0\n");
	peer_iccn(&p, 4242);
	ck_assert_str_eq(said(), "ZLB 10/0\n");
	peer_cdn(&p, 4242, 100, 1, 0);
	ck_assert_str_eq(said(), "ZLB 10/0\n");
	ck_assert_uint_eq(lab_count(l, "UNKNOWN_SESSION"), 4);
}
END_TEST

/* ---- 7.5.1: an outgoing call placed by us -------------------------------------------------------------------- */

START_TEST(an_outgoing_call_is_placed_and_answered)
{
	up();
	ocrq(100, "5551000", 1000, 2000, 1);
	uint16_t id = peer_session(&p);
	ck_assert_str_eq(said(), "OCRP 10/100\nOCCN 10/100\n");
	ck_assert_uint_eq(state(id), CALL_ESTABLISHED);
}
END_TEST

static const struct {
	const char *number;
	uint32_t min, max, framing;
	unsigned roles;
	const char *out;
} ocrqs[] = {
	{ "1", 2000, 1000, 1, ROLE_LNS | ROLE_LAC, "CDN 10/100 result=2 error=3\n" },
	{ "1", 1, 2, 8, ROLE_LNS | ROLE_LAC, "CDN 10/100 result=2 error=3\n" },
	{ "1", 1, 2, 1, ROLE_LNS, "CDN 10/100 result=5 error=0\n" },
	{ "1", 1, 2, 1, ROLE_CLIENT, "CDN 10/100 result=6 error=0\n" },
	{ "42", 1, 2, 1, ROLE_CLIENT, "OCRP 10/100\nOCCN 10/100\n" },
};

START_TEST(outgoing_calls_are_judged)
{
	up();
	l->conf.dials = 1;
	snprintf(l->conf.dial[0].called, CONF_NAME, "42");
	snprintf(l->conf.dial[0].name, CONF_NAME, "home");
	l->conf.dial[0].outgoing_ok = true;
	l->conf.profile[0].roles = ocrqs[_i].roles;
	ocrq(100, ocrqs[_i].number, ocrqs[_i].min, ocrqs[_i].max, ocrqs[_i].framing);
	uint16_t id = peer_session(&p);
	ck_assert_str_eq(said(), ocrqs[_i].out);
	if (_i == 4) {
		Row__Call *c = call(id);
		ck_assert_uint_eq(c->role, 3);
		ck_assert_str_eq(c->user_ref, "home");
		row__call__free_unpacked(c, NULL);
	}
}
END_TEST

/* ---- errors, link info, speeds -------------------------------------------------------------------------------- */

START_TEST(wan_errors_and_link_info_are_kept)
{
	uint16_t id = bring_to(LNS_IN, CALL_ESTABLISHED);

	say_type(L2TP_WEN, id);
	Row__CallInfo *i = info(id);
	ck_assert_uint_eq(i->n_line_errors, 6);
	ck_assert_uint_eq(i->line_errors[5], 6);
	info_free(i);
	teardown();
	setup();
	id = bring_to(LAC_IN, CALL_ESTABLISHED);
	say_type(L2TP_SLI, id);
	i = info(id);
	ck_assert_uint_eq(i->accm_send, 0x000a0000);
	info_free(i);
}
END_TEST

START_TEST(speed_updates_many_at_once)
{
	struct l2tp_wr *m;
	uint16_t a, b;

	up();
	a = peer_call(&p, 100);
	ack();
	b = peer_call(&p, 101);
	m = peer_begin(&p, L2TP_CSUN, 0);
	l2tp_avp_speed_update(m, a, 111, 11);
	l2tp_avp_speed_update(m, 4242, 9, 9);
	l2tp_avp_speed_update(m, b, 222, 22);
	peer_end(&p);
	Row__CallInfo *i = info(a);
	ck_assert_uint_eq(i->tx_bps, 111);
	info_free(i);
	i = info(b);
	ck_assert_uint_eq(i->rx_bps, 22);
	info_free(i);
}
END_TEST

START_TEST(speeds_are_told_when_asked_and_when_they_change)
{
	char words[64];
	struct l2tp_wr *m;
	uint16_t id;

	lab_start(l, 1);
	lab_command(l, "call dial g 1 speed-updates=yes");
	id = answered_call();
	peer_listen(&p);
	m = peer_begin(&p, L2TP_SCCRP, 0);
	l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(m, AVP_HOST_NAME, "lns1");
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, p.id);
	peer_end(&p);
	peer_zlb(&p);
	reply(L2TP_ICRP, id, 100);
	ack();
	snprintf(words, sizeof words, "call speed %u/%u tx=5000 rx=100", p.tunnel, id);
	ck_assert_msg(lab_command(l, words), "%s", l->answer.text);
	ck_assert_str_eq(said(), "CSUN 10/0\n");
	p.nr++;
	ack();
	m = peer_begin(&p, L2TP_CSURQ, 0);
	l2tp_avp_speed_update(m, id, 0, 0);
	l2tp_avp_speed_update(m, 999, 0, 0);
	peer_end(&p);
	ck_assert_str_eq(said(), "CSUN 10/0\n");
}
END_TEST

/* ---- table link --------------------------------------------------------------------------------------------------- */

START_TEST(session_mgr_hangs_up_with_its_causes)
{
	static struct l2tp_msg m;
	struct l2tp_disconnect d;
	Row__Link row = ROW__LINK__INIT;
	uint16_t id;

	up();
	id = peer_call(&p, 100);
	ack();
	row.tunnel = p.tunnel;
	row.session = id;
	lab_link(l, p.tunnel, id, &row);
	ck_assert_str_eq(lab_tape(l), "");
	row.hangup = true;
	row.cdn_result = 2;
	row.cdn_error = 4;
	row.cause_code = 14;
	row.cause_proto = 0xc023;
	row.cause_direction = 2;
	row.cause_message = (char *)"wrong password";
	lab_link(l, p.tunnel, id, &row);
	ck_assert_uint_eq(l2tp_msg_read(span_of(l->out[0].bytes, l->out[0].len), span_of(NULL, 0), &m), L2TP_OK);
	ck_assert(l2tp_msg_disconnect(&m, &d));
	ck_assert_uint_eq(d.code, 14);
	ck_assert_uint_eq(d.protocol, 0xc023);
	ck_assert_uint_eq(d.message.len, 14);
	ck_assert_str_eq(said(), "CDN 10/100 result=2 error=4\n");
	ck_assert_uint_eq(tc_population(l->tc).calls, 0);
}
END_TEST

START_TEST(a_hang_up_seen_by_the_standby_only_is_done_on_promotion)
{
	Row__Link row = ROW__LINK__INIT;
	struct key k;
	uint8_t packed[64];
	struct tc_event ev = { .kind = TC_ROW };
	uint16_t id;

	up();
	id = peer_call(&p, 100);
	ack();
	row.hangup = true;
	k = key_session(p.tunnel, id);
	ev.row.table = TABLE_LINK;
	ev.row.key = key_span(&k);
	ev.row.row = span_of(packed, row__link__pack(&row, packed));
	tc_step(l->shadow, l->now, &ev, NULL); /* the active died first */
	lab_promote(l);
	lab_wait(l, MONO_MS);
	ck_assert_str_eq(said(), "CDN 10/100 result=3 error=0\n");
}
END_TEST

START_TEST(a_new_accm_goes_to_the_lac_once)
{
	Row__Link row = ROW__LINK__INIT;
	uint16_t id;

	up();
	id = peer_call(&p, 100);
	ack();
	lab_link(l, p.tunnel, id, &row); /* LCP is not up yet */
	ck_assert_str_eq(said(), "");
	row.accm_known = true;
	row.accm_send = row.accm_recv = 0xffffffff;
	lab_link(l, p.tunnel, id, &row); /* what every LAC starts with */
	ck_assert_str_eq(said(), "");
	row.accm_send = 0x000a0000;
	row.accm_recv = 0;
	lab_link(l, p.tunnel, id, &row);
	ck_assert_str_eq(said(), "SLI 10/100\n");
	row.phase = 3;
	lab_link(l, p.tunnel, id, &row);
	ck_assert_str_eq(said(), "");
	p.nr++;
	ack();
	row.accm_send = row.accm_recv = 0xffffffff;
	lab_link(l, p.tunnel, id, &row); /* and back */
	ck_assert_str_eq(said(), "SLI 10/100\n");
	p.nr++;
	ack();
	row.accm_send = row.accm_recv = 0;
	lab_link(l, p.tunnel, id, &row);
	ck_assert_str_eq(said(), "SLI 10/100\n");
	p.nr++;
	ack();
	lab_link(l, p.tunnel, id, &row);
	ck_assert_str_eq(said(), "");
}
END_TEST

START_TEST(sixty_five_thousand_calls_end_with_their_tunnel_in_slices)
{
	lab_start(l, 1);
	peer_up(&p);
	l->unchecked = true;
	struct tunnel *t = l->tc->all;
	l->tc->out = &l->sink;
	for (unsigned i = 0; i < 65535; i++) {
		Row__Call row = ROW__CALL__INIT;
		row.tunnel = t->id;
		row.id = call_free_id(l->tc, t);
		ck_assert_uint_ne(row.id, 0);
		row.peer_id = row.id;
		row.state = CALL_ESTABLISHED;
		row.role = TC_LNS;
		row.kind = CALL_INCOMING;
		ck_assert_ptr_nonnull(put_call(l->tc, t, &row));
	}
	ck_assert_uint_eq(call_free_id(l->tc, t), 0);
	peer_icrq(&p, 1);
	ck_assert_uint_eq(tc_population(l->tc).calls, 65534); /* an id in use: the old call is over (7.4.2) */
	peer_stopccn(&p, 6, 0);
	ck_assert_uint_ge(tc_population(l->tc).calls, 60000);
	ck_assert_uint_le(l->records_in_step, 4000);
	lab_wait(l, MONO_S);
	ck_assert_uint_eq(tc_population(l->tc).calls, 0);
}
END_TEST

START_TEST(ids_are_not_used_again_soon)
{
	static bool used[65536];
	uint16_t id;

	up();
	memset(used, 0, sizeof used);
	for (unsigned i = 0; i < 65535; i++) {
		id = call_free_id(l->tc, l->tc->all);
		ck_assert(id && !used[id]);
		used[id] = true;
	}
}
END_TEST

/* A twin of before table_leads() may bring the info of a new call before the call (bus/records.h). */
START_TEST(a_call_whose_info_comes_first_is_known_with_it)
{
	static const enum table order[] = { TABLE_TUNNEL, TABLE_TUNNEL_SEQ, TABLE_TUNNEL_OUT, TABLE_CALL_INFO, TABLE_CALL };
	struct tc_random r = { lab_random, &l->random };
	struct tc *shadow;
	struct lab_row *row, *next;

	bring_to((enum table_of)_i, CALL_ESTABLISHED);
	shadow = tc_new(&l->conf, &r);
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++)
		HASH_ITER (hh, l->store, row, next) {
			if (row->key[0] == order[i])
				tc_apply(shadow, order[i], span_of(row->key + 1, row->key_len - 1), span_of(row->row, row->len), false);
		}
	lab_agree(l, shadow, "the shadow that heard the info first");
	ck_assert_uint_eq(lab_bad_rows(shadow), 0);
	tc_free(shadow);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_incoming_call_comes_up);
	tcase_add_loop_test(tc, a_call_whose_info_comes_first_is_known_with_it, 0, 4);
	tcase_add_test(tc, what_the_lac_says_is_kept);
	tcase_add_test(tc, a_cdn_of_the_peer_ends_the_call_and_its_causes_are_told_first);
	tcase_add_test(tc, a_cdn_before_our_id_is_known_finds_its_call);
	tcase_add_loop_test(tc, calls_are_refused_with_the_right_code, 0, sizeof refusals / sizeof *refusals);
	tcase_add_test(tc, trouble_in_a_calls_message_ends_the_call_only);
	tcase_add_test(tc, a_call_half_open_for_too_long_is_given_up);
	tcase_add_loop_test(tc, a_refused_reply_is_answered_to_the_id_it_assigned, 0, 3);
	tcase_add_loop_test(tc, every_message_in_every_state, 0, sizeof walk / sizeof *walk);
	tcase_add_loop_test(tc, every_pair_of_the_tables_is_decided, 0, 4);
	tcase_add_loop_test(tc, local_close_in_every_state, 0, 9);
	tcase_add_loop_test(tc, the_bearer_drops, 0, 2);
	tcase_add_test(tc, messages_for_no_call_get_what_the_idle_rows_say);
	tcase_add_test(tc, an_outgoing_call_is_placed_and_answered);
	tcase_add_loop_test(tc, outgoing_calls_are_judged, 0, sizeof ocrqs / sizeof *ocrqs);
	tcase_add_test(tc, wan_errors_and_link_info_are_kept);
	tcase_add_test(tc, speed_updates_many_at_once);
	tcase_add_test(tc, speeds_are_told_when_asked_and_when_they_change);
	tcase_add_test(tc, session_mgr_hangs_up_with_its_causes);
	tcase_add_test(tc, a_hang_up_seen_by_the_standby_only_is_done_on_promotion);
	tcase_add_test(tc, a_new_accm_goes_to_the_lac_once);
	tcase_add_test(tc, sixty_five_thousand_calls_end_with_their_tunnel_in_slices);
	tcase_add_test(tc, ids_are_not_used_again_soon);
}

UNIT_MAIN("tunnel-ctl call", add_tests)
