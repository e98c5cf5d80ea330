// SPDX-License-Identifier: Apache-2.0
/*
 * The automaton against the table as RFC 1661, 4.1 prints it: every state × event, in the table, and in a
 * running machine.
 */
#include "lib/ppp/pair.h"

/* Copied from the RFC's two halves, a row an event, the footnote letters left out. */
static const char *const rfc[FSM_EVENTS][PPP_STATES] = {
	[FSM_UP] = { "2", "irc,scr/6", "-", "-", "-", "-", "-", "-", "-", "-" },
	[FSM_DOWN] = { "-", "-", "0", "tls/1", "0", "1", "1", "1", "1", "tld/1" },
	[FSM_OPEN] = { "tls/1", "1", "irc,scr/6", "3", "5", "5", "6", "7", "8", "9" },
	[FSM_CLOSE] = { "0", "tlf/0", "2", "2", "4", "4", "irc,str/4", "irc,str/4", "irc,str/4", "tld,irc,str/4" },
	[FSM_TO_MORE] = { "-", "-", "-", "-", "str/4", "str/5", "scr/6", "scr/6", "scr/8", "-" },
	[FSM_TO_LAST] = { "-", "-", "-", "-", "tlf/2", "tlf/3", "tlf/3", "tlf/3", "tlf/3", "-" },
	[FSM_RCR_GOOD] = { "-", "-", "sta/2", "irc,scr,sca/8", "4", "5", "sca/8", "sca,tlu/9", "sca/8",
			   "tld,scr,sca/8" },
	[FSM_RCR_BAD] = { "-", "-", "sta/2", "irc,scr,scn/6", "4", "5", "scn/6", "scn/7", "scn/6", "tld,scr,scn/6" },
	[FSM_RCA] = { "-", "-", "sta/2", "sta/3", "4", "5", "irc/7", "scr/6", "irc,tlu/9", "tld,scr/6" },
	[FSM_RCN] = { "-", "-", "sta/2", "sta/3", "4", "5", "irc,scr/6", "scr/6", "irc,scr/8", "tld,scr/6" },
	[FSM_RTR] = { "-", "-", "sta/2", "sta/3", "sta/4", "sta/5", "sta/6", "sta/6", "sta/6", "tld,zrc,sta/5" },
	[FSM_RTA] = { "-", "-", "2", "3", "tlf/2", "tlf/3", "6", "6", "8", "tld,scr/6" },
	[FSM_RUC] = { "-", "-", "scj/2", "scj/3", "scj/4", "scj/5", "scj/6", "scj/7", "scj/8", "scj/9" },
	[FSM_RXJ_MILD] = { "-", "-", "2", "3", "4", "5", "6", "6", "8", "9" },
	[FSM_RXJ_FATAL] = { "-", "-", "tlf/2", "tlf/3", "tlf/2", "tlf/3", "tlf/3", "tlf/3", "tlf/3",
			    "tld,irc,str/5" },
	[FSM_RXR] = { "-", "-", "2", "3", "4", "5", "6", "7", "8", "ser/9" },
};

static const char *
cell_text(const struct ppp_cell *c, char out[64])
{
	static const struct {
		unsigned bit;
		const char *name;
	} order[] = { { ACT_TLD, "tld" }, { ACT_IRC, "irc" }, { ACT_ZRC, "zrc" }, { ACT_SCR, "scr" }, { ACT_SCA, "sca" },
		      { ACT_SCN, "scn" }, { ACT_STR, "str" }, { ACT_STA, "sta" }, { ACT_SCJ, "scj" }, { ACT_SER, "ser" },
		      { ACT_TLS, "tls" }, { ACT_TLU, "tlu" }, { ACT_TLF, "tlf" } };
	size_t n = 0;

	if (c->next == PPP_ILLEGAL)
		return strcpy(out, "-");
	out[0] = 0;
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (c->acts & order[i].bit)
			n += (size_t)snprintf(out + n, 64 - n, "%s%s", n ? "," : "", order[i].name);
	snprintf(out + n, 64 - n, "%s%u", n ? "/" : "", c->next);
	return out;
}

START_TEST(the_table_is_the_rfcs)
{
	char text_[64];

	for (enum ppp_fsm_event e = 0; e < FSM_EVENTS; e++)
		for (enum ppp_state s = 0; s < PPP_STATES; s++)
			ck_assert_msg(strcmp(cell_text(ppp_fsm_cell(s, e), text_), rfc[e][s]) == 0,
				      "%s in %s: %s, the RFC has %s", ppp_fsm_event_name(e), ppp_state_name(s), text_,
				      rfc[e][s]);
}
END_TEST

/* ---- the running machine: IPCP of a server, put into a state, given an event from outside */

static struct pair p;

static void
ipcp_in(enum ppp_state s)
{
	pair_init(&p, PPP_AUTH_NONE);
	p.server.net.ipv6 = false;
	p.server.conf.chap_again_ms = 0;
	dial(&p);
	run(&p, p.now + 1 * S);
	ck_assert(ppp_link_cp_open(&p.server.link, PPP_CP_IPCP));
	p.flights = 0;
	p.server.link.cp[PPP_CP_IPCP].state = (uint8_t)s;
	p.server.link.cp[PPP_CP_IPCP].acked = 0;
	p.server.link.cp[PPP_CP_IPCP].restarts = 3;
	p.server.link.cp[PPP_CP_IPCP].awaiting = s >= PPP_REQ_SENT;
	if (ppp_state_timed(s))
		p.server.link.cp[PPP_CP_IPCP].due = p.now + 3 * S;
	p.server.last[0] = 0;
	p.frames = 0;
}

static void
cause(enum ppp_fsm_event e)
{
	struct end *s = &p.server;
	const uint8_t good[] = { 3, 6, 10, 0, 1, 2 }, bad[] = { 3, 6, 1, 1, 1, 1 }, ours[] = { 3, 6, 10, 0, 0, 1 };
	const uint8_t fatal[] = { 1, 1, 0, 4 }, mild[] = { 99, 1, 0, 4 }, id = s->link.cp[PPP_CP_IPCP].id;

	switch (e) {
	case FSM_TO_MORE:
		run(&p, p.now + 3 * S);
		break;
	case FSM_TO_LAST:
		s->link.cp[PPP_CP_IPCP].restarts = 0;
		run(&p, p.now + 3 * S);
		break;
	case FSM_RCR_GOOD:
		feed_packet(s, PPP_IPCP, PPP_CONF_REQ, 77, good, sizeof good);
		break;
	case FSM_RCR_BAD:
		feed_packet(s, PPP_IPCP, PPP_CONF_REQ, 77, bad, sizeof bad);
		break;
	case FSM_RCA:
		feed_packet(s, PPP_IPCP, PPP_CONF_ACK, id, ours, sizeof ours);
		break;
	case FSM_RCN:
		feed_packet(s, PPP_IPCP, PPP_CONF_NAK, id, bad, sizeof bad);
		break;
	case FSM_RTR:
		feed_packet(s, PPP_IPCP, PPP_TERM_REQ, 77, NULL, 0);
		break;
	case FSM_RTA:
		feed_packet(s, PPP_IPCP, PPP_TERM_ACK, id, NULL, 0);
		break;
	case FSM_RUC:
		feed_packet(s, PPP_IPCP, 99, 77, NULL, 0);
		break;
	case FSM_RXJ_MILD:
		feed_packet(s, PPP_IPCP, PPP_CODE_REJ, 77, mild, sizeof mild);
		break;
	case FSM_RXJ_FATAL:
		feed_packet(s, PPP_IPCP, PPP_CODE_REJ, 77, fatal, sizeof fatal);
		break;
	default:
		ck_abort();
	}
}

START_TEST(the_machine_follows_the_table)
{
	for (enum ppp_fsm_event e = FSM_TO_MORE; e < FSM_RXR; e++)
		for (enum ppp_state s = PPP_CLOSED; s < PPP_STATES; s++) {
			const struct ppp_cell *c = ppp_fsm_cell(s, e);
			const char *want = c->acts & ACT_SCA ? "ipcp Configure-Ack" : c->acts & ACT_SCN ? "ipcp Configure-Nak"
					   : c->acts & ACT_STR ? "ipcp Terminate-Request"
					   : c->acts & ACT_STA ? "ipcp Terminate-Ack"
					   : c->acts & ACT_SCJ ? "ipcp Code-Reject"
					   : c->acts & ACT_SCR ? "ipcp Configure-Request" : "";
			unsigned frames = 0;

			if (c->next == PPP_ILLEGAL)
				continue;
			ipcp_in(s);
			cause(e);
			for (unsigned bit = ACT_SCR; bit <= ACT_SER; bit <<= 1)
				frames += (c->acts & bit) != 0;
			if (c->acts & ACT_TLF) /* the only network protocol: LCP ends the link as well */
				continue;
			ck_assert_msg(p.server.link.cp[PPP_CP_IPCP].state == c->next, "%s in %s: now %s",
				      ppp_fsm_event_name(e), ppp_state_name(s),
				      ppp_state_name(p.server.link.cp[PPP_CP_IPCP].state));
			ck_assert_msg(p.frames == frames, "%s in %s: %u frames", ppp_fsm_event_name(e),
				      ppp_state_name(s), p.frames);
			ck_assert_str_eq(p.server.last, want);
			ck_assert_uint_eq(p.server.net_up[PPP_CP_IPCP], 1 + !!(c->acts & ACT_TLU));
			ck_assert_uint_eq(p.server.net_down[PPP_CP_IPCP], !!(c->acts & ACT_TLD));
			ck_assert_msg((p.server.link.cp[PPP_CP_IPCP].due != MONO_NEVER) == ppp_state_timed(c->next),
				      "%s in %s: timer", ppp_fsm_event_name(e), ppp_state_name(s));
		}
}
END_TEST

/* This-Layer-Finished of the last network protocol ends the link. */
START_TEST(finished_means_finished)
{
	for (enum ppp_fsm_event e = FSM_TO_MORE; e < FSM_RXR; e++)
		for (enum ppp_state s = PPP_CLOSED; s < PPP_STATES; s++) {
			if (!(ppp_fsm_cell(s, e)->acts & ACT_TLF))
				continue;
			ipcp_in(s);
			cause(e);
			ck_assert_str_eq(p.server.last, "lcp Terminate-Request");
			run(&p, p.now + 10 * S);
			ck_assert_uint_eq(p.server.finished, 1);
			ck_assert_uint_ne(p.server.cause.code, PPP_CAUSE_NONE);
		}
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(ppp_state_name(PPP_OPENED), "opened");
	ck_assert_str_eq(ppp_state_name(PPP_STATES), "unknown");
	ck_assert_str_eq(ppp_fsm_event_name(FSM_RXR), "RXR");
	ck_assert_str_eq(ppp_fsm_event_name(FSM_EVENTS), "unknown");
	ck_assert_str_eq(ppp_phase_name(PPP_NETWORK), "network");
	ck_assert_str_eq(ppp_auth_name(PPP_AUTH_MSCHAPV2), "mschapv2");
	ck_assert_str_eq(ppp_cp_name(PPP_CP_IPV6CP), "ipv6cp");
	ck_assert_str_eq(ppp_cause_name(PPP_CAUSE_NO_ADDRESS), "no address permitted");
	ck_assert_str_eq(ppp_cause_name(21), "unknown");
	ck_assert_str_eq(ppp_fault_name(PPP_FAULT_BAD_OPTION), "BAD_OPTION");
	ck_assert_str_eq(ppp_fault_name(PPP_FAULTS), "UNKNOWN");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ppp automaton");
	TCase *t = tcase_create("table");
	SRunner *r;
	int failed;

	tcase_add_test(t, the_table_is_the_rfcs);
	tcase_add_test(t, the_machine_follows_the_table);
	tcase_add_test(t, finished_means_finished);
	tcase_add_test(t, names);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
