// SPDX-License-Identifier: Apache-2.0
/* Stories of subscribers, told through the session core and a shadow that must know as much. */
#include "lib/unit.h"
#include "rig.h"

static struct rig rig;

static uint64_t
counter(enum sm_counter c)
{
	return sm_counters(rig.active)[0].v[c];
}

static struct sm_pool_info
pool(unsigned i)
{
	struct sm_pool_info out[CONF_POOLS];

	ck_assert_uint_gt(sm_pools(rig.active, out), i);
	return out[i];
}

static bool
dump_has(const char *what)
{
	char *d = sm_dump(rig.active);
	bool yes = strstr(d, what) != NULL;

	free(d);
	return yes;
}

static struct peer *
dialled(uint16_t session, const char *user, const char *password)
{
	struct peer *p = dial(&rig, session, user, password);

	settle(&rig);
	return p;
}

static void
nothing_left(void)
{
	struct sm_totals t = sm_totals(rig.active);

	ck_assert_uint_eq(t.sessions, 0);
	ck_assert_uint_eq(t.acct_waiting, 0);
	ck_assert_uint_eq(pool(0).held, 0);
	ck_assert_uint_eq(pool(1).held, 0);
}

START_TEST(a_subscriber_comes_and_goes)
{
	struct peer *p;

	rig_start(&rig);
	p = dialled(5, "alice", "wonder");
	ck_assert(p->up4 && p->up6);
	ck_assert_uint_eq(p->net4.net.local4, 0x0a000001);
	ck_assert_uint_eq(p->net4.net.dns4[0], 0x09090909);
	ck_assert_uint_eq(p->net4.net.dns4[1], 0x0909090a);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	ck_assert_uint_eq(pool(0).held, 1);
	ck_assert_uint_eq(pool(1).held, 1);
	ck_assert_str_eq(rig.tape, "acct 1\n");
	call_gone(&rig, 1, 5);
	settle(&rig);
	ck_assert_str_eq(rig.tape, "acct 1\nacct 2\n");
	nothing_left();
	rig_end(&rig);
}
END_TEST

static void
with_auth(enum conf_auth a)
{
	rig_start(&rig);
	rig.conf->ppp[0].auth[0] = a;
	rig.conf->ppp[0].auths = a == AUTH_NONE ? 0 : 1;
	sm_configure(rig.active, rig.conf);
	sm_configure(rig.shadow, rig.conf);
}

START_TEST(every_way_of_authentication_works)
{
	with_auth((enum conf_auth)_i);
	ck_assert(dialled(5, "alice", "wonder")->up4);
	rig_end(&rig);
}
END_TEST

START_TEST(a_wrong_password_is_refused)
{
	struct peer *p;

	with_auth((enum conf_auth)_i);
	p = dialled(5, "alice", "wrong");
	pass(&rig, 20);
	ck_assert(!p->up4 && p->finished);
	ck_assert_str_eq(rig.tape, "hangup result=3 cause=16 direction=1 authentication failed\n");
	ck_assert_uint_eq(counter(SM_AAA_REJECTED), 1);
	ck_assert_uint_eq(pool(0).held, 0);
	call_gone(&rig, 1, 5);
	settle(&rig);
	nothing_left();
	rig_end(&rig);
}
END_TEST

START_TEST(the_peer_hangs_up)
{
	static const struct ppp_cause normal = { PPP_CAUSE_NORMAL, 0, 2 };
	struct peer *p;
	struct ppp_ctx c;

	rig_start(&rig);
	p = dialled(5, "alice", "wonder");
	c = peer_ctx(p);
	ppp_link_close(&p->link, &c, normal);
	pass(&rig, 10);
	ck_assert_ptr_nonnull(strstr(rig.tape, "acct 1\nacct 2\nhangup result=3 cause=3 direction=1"));
	ck_assert_uint_eq(sm_totals(rig.active).subscribers, 0);
	call_gone(&rig, 1, 5);
	settle(&rig);
	nothing_left();
	rig_end(&rig);
}
END_TEST

START_TEST(the_same_subscriber_gets_its_address_again)
{
	rig_start(&rig);
	ck_assert_uint_eq(dialled(5, "alice", "wonder")->net4.net.local4, 0x0a000001);
	ck_assert_uint_eq(dialled(6, "bob", "builder")->net4.net.local4, 0x0a000002);
	call_gone(&rig, 1, 5);
	call_gone(&rig, 1, 6);
	settle(&rig);
	ck_assert_uint_eq(dialled(7, "bob", "builder")->net4.net.local4, 0x0a000002);
	ck_assert_uint_eq(counter(SM_LEASES_AGAIN), 2); /* address and prefix */
	rig_end(&rig);
}
END_TEST

START_TEST(an_exhausted_pool_refuses_clearly)
{
	struct peer *p;
	const char *detail;

	rig_start(&rig);
	dialled(1, "alice", "wonder");
	dialled(2, "bob", "builder");
	dialled(3, "carol", "sings");
	dialled(4, "dave", "drums");
	p = dialled(5, "eve", "x");
	pass(&rig, 20);
	ck_assert(p->finished && !p->up4);
	ck_assert_ptr_nonnull(strstr(rig.tape, "hangup result=4 cause=20 direction=2 no address available"));
	ck_assert_uint_eq(counter(SM_POOL_EXHAUSTED), 1);
	ck_assert(sm_alarm(rig.active, SM_ALARM_POOL_EXHAUSTED, &detail));
	ck_assert_str_eq(detail, "pool=p4");
	ck_assert(sm_alarm(rig.active, SM_ALARM_POOL_LOW, &detail));
	ck_assert_uint_eq(pool(1).held, 4); /* the prefix was not leased in vain */
	call_gone(&rig, 1, 1);
	pass(&rig, 400);
	ck_assert(!sm_alarm(rig.active, SM_ALARM_POOL_EXHAUSTED, &detail));
	ck_assert(!sm_alarm(rig.active, SM_ALARM_POOL_LOW, &detail));
	rig_end(&rig);
}
END_TEST

static const struct {
	const char *user, *hangup;
	enum sm_counter counter;
	enum sm_alarm alarm; /* SM_ALARMS: none */
} refused[] = {
	{ "static2", "hangup result=4 cause=20 direction=2 address in use", SM_ADDRESS_TAKEN, SM_ALARM_DUPLICATE_ADDRESS },
	{ "ours", "hangup result=5 cause=20 direction=2 address not usable", SM_ADDRESS_OWN, SM_ALARMS },
	{ "nopool", "hangup result=5 cause=20 direction=2 address pool unknown", SM_POOL_UNKNOWN, SM_ALARM_POOL_UNKNOWN },
};

START_TEST(addresses_that_cannot_be_given_are_refused)
{
	struct peer *p;
	const char *detail;

	rig_start(&rig);
	dialled(4, "static", "x");
	p = dialled(5, refused[_i].user, "x");
	pass(&rig, 20);
	ck_assert(p->finished && !p->up4);
	ck_assert_ptr_nonnull(strstr(rig.tape, refused[_i].hangup));
	ck_assert_uint_eq(counter(refused[_i].counter), 1);
	for (enum sm_alarm a = 0; a < SM_ALARMS; a++)
		ck_assert_int_eq(sm_alarm(rig.active, a, &detail), a == refused[_i].alarm);
	pass(&rig, 400);
	for (enum sm_alarm a = 0; a < SM_ALARMS; a++)
		ck_assert(!sm_alarm(rig.active, a, &detail));
	rig_end(&rig);
}
END_TEST

START_TEST(a_full_grant_reaches_the_subscriber_row)
{
	struct peer *p;
	char *d;

	rig_start(&rig);
	p = dialled(5, "full", "x");
	ck_assert(p->up4 && p->up6);
	ck_assert_uint_eq(p->net4.net.local4, 0x0a080808);
	ck_assert_uint_eq(p->net4.net.dns4[0], 0x01010101);
	ck_assert_uint_eq(p->net6.net.local_iid, 9);
	d = sm_dump(rig.active);
	ck_assert_ptr_nonnull(strstr(d, "lease 10.8.8.8/32 pool= user=full holder=1/5"));
	ck_assert_ptr_nonnull(strstr(d, "lease 2001:db8:77::/64 pool= user=full holder=1/5"));
	ck_assert_ptr_nonnull(strstr(d, "lease 2001:db8:88::/56 pool= user=full holder=1/5"));
	free(d);
	call_gone(&rig, 1, 5);
	settle(&rig);
	nothing_left();
	ck_assert(!dump_has("lease ")); /* addresses of AAA are not kept */
	rig_end(&rig);
}
END_TEST

START_TEST(a_peer_may_ask_for_a_free_address_of_its_pool)
{
	struct peer *p;

	rig_start(&rig);
	rig.conf->ppp[0].accept_peer_address = true;
	sm_configure(rig.active, rig.conf);
	p = dial(&rig, 5, "alice", "wonder");
	p->ask4 = 0x0a000003;
	settle(&rig);
	ck_assert_uint_eq(p->net4.net.local4, 0x0a000003);
	ck_assert_uint_eq(pool(0).held, 1);
	p = dial(&rig, 6, "bob", "builder");
	p->ask4 = 0x0a000003; /* taken by now */
	settle(&rig);
	ck_assert_uint_eq(p->net4.net.local4, 0x0a000002);
	ck_assert_uint_ge(counter(SM_ADDRESS_ASK_REFUSED), 1);
	ck_assert_uint_eq(pool(0).held, 2);
	rig_end(&rig);
}
END_TEST

START_TEST(a_peer_that_may_choose_cannot_choose_a_held_address)
{
	struct peer *p;

	rig_start(&rig);
	dialled(4, "static", "x");
	p = dial(&rig, 5, "chooser", "x");
	p->ask4 = 0x0a090909;
	settle(&rig);
	ck_assert(p->up4);
	ck_assert_uint_eq(p->net4.net.local4, 0x0a000001);
	p = dial(&rig, 6, "chooser", "x");
	p->ask4 = 0xc6336407;
	settle(&rig);
	ck_assert_uint_eq(p->net4.net.local4, 0xc6336407);
	ck_assert(dump_has("lease 198.51.100.7/32 pool= user=chooser holder=1/6"));
	rig_end(&rig);
}
END_TEST

START_TEST(nobody_answers_the_question)
{
	struct peer *p;

	rig_start(&rig);
	rig.forced = true;
	rig.force = AAA_UNANSWERED;
	p = dialled(5, "alice", "wonder");
	pass(&rig, 20);
	ck_assert(p->finished);
	ck_assert_ptr_nonnull(strstr(rig.tape, "hangup result=4"));
	ck_assert_uint_eq(counter(SM_AAA_UNANSWERED), 1);
	rig_end(&rig);
}
END_TEST

START_TEST(an_answer_for_a_call_that_is_gone_changes_nothing)
{
	rig_start(&rig);
	rig.hold_aaa = true;
	dialled(5, "alice", "wonder");
	call_gone(&rig, 1, 5);
	settle(&rig);
	dialled(5, "alice", "wonder"); /* the same ids again */
	rig.hold_aaa = false;
	rig.asks = 1; /* only the old question is answered */
	settle(&rig);
	ck_assert_uint_eq(counter(SM_AAA_LATE), 1);
	ck_assert_uint_eq(sm_totals(rig.active).subscribers, 0);
	rig_end(&rig);
}
END_TEST

START_TEST(ids_that_are_reused_at_once_are_another_call)
{
	rig_start(&rig);
	dialled(5, "alice", "wonder");
	rig.t.wall++;
	call_gone(&rig, 1, 5); /* both rows before the next step */
	rig.peer[0].rig = NULL;
	ck_assert(dialled(5, "bob", "builder")->up4);
	ck_assert_str_eq(rig.tape, "acct 1\nacct 2\nacct 1\n");
	ck_assert(dump_has("user=bob holder=1/5"));
	ck_assert(dump_has("user=alice holder=0/0"));
	rig_end(&rig);
}
END_TEST

START_TEST(session_timeout_ends_it)
{
	rig_start(&rig);
	dialled(5, "short", "x");
	pass(&rig, 98);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	pass(&rig, 10);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 0);
	ck_assert_uint_eq(counter(SM_SESSION_TIMEOUT), 1);
	ck_assert_ptr_nonnull(strstr(rig.tape, "acct 2\nhangup"));
	rig_end(&rig);
}
END_TEST

START_TEST(session_timeout_counts_on_through_a_switchover)
{
	rig_start(&rig);
	dialled(5, "short", "x");
	pass(&rig, 60);
	rig_promote(&rig);
	pass(&rig, 38);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	pass(&rig, 10);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 0);
	rig_end(&rig);
}
END_TEST

START_TEST(idle_timeout_waits_for_silence)
{
	rig_start(&rig);
	dialled(5, "idle", "x");
	for (uint64_t i = 1; i <= 20; i++) {
		pass(&rig, 10);
		report(&rig, 5, 0, 77, i * 1000, 0);
	}
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	pass(&rig, 58);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	pass(&rig, 10);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 0);
	ck_assert_uint_eq(counter(SM_IDLE_TIMEOUT), 1);
	rig_end(&rig);
}
END_TEST

START_TEST(interim_updates_come_when_they_should)
{
	rig_start(&rig);
	dialled(5, "full", "x");
	pass(&rig, 185);
	ck_assert_str_eq(rig.tape, "acct 1\nacct 3\nacct 3\nacct 3\n");
	rig_promote(&rig);
	pass(&rig, 60);
	ck_assert_uint_eq(counter(SM_ACCT_INTERIM), 1);
	rig_end(&rig);
}
END_TEST

START_TEST(an_operator_ends_sessions_by_name)
{
	unsigned ended = 0;
	struct sm_event ev = { .kind = SM_EV_CLEAR, .clear = { .user = "alice", .ended = &ended } };

	rig_start(&rig);
	dialled(5, "alice", "wonder");
	dialled(6, "alice", "wonder");
	dialled(7, "bob", "builder");
	step(&rig, &ev);
	ck_assert_uint_eq(ended, 2);
	pass(&rig, 10);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	ck_assert_ptr_nonnull(strstr(rig.tape, "hangup result=3 cause=1 direction=0"));
	rig_end(&rig);
}
END_TEST

/* ---- Accounting. */

START_TEST(accounting_that_nobody_answers_is_asked_again)
{
	const char *detail;

	rig_start(&rig);
	rig.hold_acct = true;
	dialled(5, "alice", "wonder");
	ck_assert_uint_eq(rig.accts, 1);
	acct_answer(&rig, false);
	pass(&rig, 10);
	ck_assert_uint_eq(rig.accts, 1);
	ck_assert(sm_alarm(rig.active, SM_ALARM_ACCT_BACKLOG, &detail));
	pass(&rig, 25);
	ck_assert_uint_eq(rig.accts, 2);
	ck_assert_mem_eq(&rig.acct[0], &rig.acct[1], offsetof(struct acct_ask, attrs));
	acct_answer(&rig, true);
	ck_assert_uint_eq(sm_totals(rig.active).acct_waiting, 0);
	ck_assert(sm_alarm(rig.active, SM_ALARM_ACCT_BACKLOG, &detail)); /* for a minute: it may begin again */
	pass(&rig, 65);
	ck_assert(!sm_alarm(rig.active, SM_ALARM_ACCT_BACKLOG, &detail));
	rig_end(&rig);
}
END_TEST

START_TEST(a_stop_outlives_its_session_and_a_switchover)
{
	rig_start(&rig);
	rig.hold_acct = true;
	dialled(5, "alice", "wonder");
	call_gone(&rig, 1, 5);
	settle(&rig);
	ck_assert_uint_eq(sm_totals(rig.active).acct_waiting, 2);
	rig_promote(&rig);
	settle(&rig);
	ck_assert_uint_eq(rig.accts, 2);
	acct_answer(&rig, true);
	acct_answer(&rig, true);
	ck_assert_uint_eq(sm_totals(rig.active).acct_waiting, 0);
	nothing_left();
	rig_end(&rig);
}
END_TEST

START_TEST(an_answer_told_twice_or_about_nothing_does_no_harm)
{
	struct sm_event ev = { .kind = SM_EV_ACCT_DONE, .acct = { span_of("nothing", 7), true } };

	rig_start(&rig);
	rig.hold_acct = true;
	dialled(5, "alice", "wonder");
	step(&rig, &ev);
	acct_answer(&rig, true);
	rig.acct_seen--;
	acct_answer(&rig, true);
	ck_assert_uint_eq(sm_totals(rig.active).acct_waiting, 0);
	rig_end(&rig);
}
END_TEST

/* ---- Usage. */

/* The four counters of the last accounting request. */
static uint64_t
acct_octets(uint8_t type)
{
	const struct acct_ask *a = &rig.acct[rig.accts - 1];

	for (size_t i = 0; i + 2 <= a->attrs_len && a->attrs[i + 1] >= 2; i += a->attrs[i + 1])
		if (a->attrs[i] == type)
			return get_u32(a->attrs + i + 2);
	return 0;
}

static uint64_t
final_in(void)
{
	rig.hold_acct = true;
	call_gone(&rig, 1, 5);
	settle(&rig);
	return acct_octets(42) + (acct_octets(52) << 32);
}

START_TEST(reports_of_several_workers_add_up)
{
	rig_start(&rig);
	dialled(5, "alice", "wonder");
	report(&rig, 5, 0, 77, 1000, 0);
	report(&rig, 5, 1, 78, 500, 0);
	report(&rig, 5, 0, 77, 1500, 0);
	report(&rig, 5, 0, 77, 1500, 0); /* told twice */
	report(&rig, 9, 0, 77, 9999, 0); /* of nobody */
	ck_assert_uint_eq(final_in(), 2000);
	rig_end(&rig);
}
END_TEST

START_TEST(a_restarted_worker_counts_from_zero)
{
	rig_start(&rig);
	dialled(5, "alice", "wonder");
	report(&rig, 5, 0, 77, 1000, 0);
	report(&rig, 5, 0, 99, 300, 0);	 /* another instance */
	report(&rig, 5, 0, 99, 100, 0);	 /* the same, having reloaded its tables */
	ck_assert_uint_eq(final_in(), 1400);
	rig_end(&rig);
}
END_TEST

#define SLICES 20 /* 512 links a tick */

static unsigned ppp_frames;

static void
count_frames(struct sink *sink, const struct effect *e)
{
	ppp_frames += e->kind == EFFECT_PPP;
}

/* So many calls at once, to which nobody answers: how many frames go out within this time after the first. */
static unsigned
frames_after(unsigned calls, unsigned tenths)
{
	rig_start(&rig);
	rig.sink = (struct sink){ rig_record, count_frames, rig_note };
	rig.no_compare = true;
	rig.conf->ppp[0].restart_first_ms = 1000;
	sm_configure(rig.active, rig.conf);
	for (unsigned i = 1; i <= calls; i++)
		call_row(&rig, 1, (uint16_t)i, i, 1, "");
	for (unsigned i = 0; i < SLICES; i++)
		tick(&rig);
	ppp_frames = 0;
	rig.t.now += tenths * 100 * MONO_MS;
	for (unsigned i = 0; i < SLICES; i++)
		tick(&rig);
	rig_end(&rig);
	return ppp_frames;
}

/* Few links: after restart-initial.  Thousands at once: their answers wait in queues, and have restart-time. */
START_TEST(a_rush_is_not_made_worse_by_early_repetitions)
{
	ck_assert_uint_eq(frames_after(20, 11), 20);
	ck_assert_uint_lt(frames_after(6000, 11), 3000);
	ck_assert_uint_eq(frames_after(6000, 31), 6000);
}
END_TEST

START_TEST(usage_goes_on_after_a_switchover_and_never_backwards)
{
	rig_start(&rig);
	rig.no_compare = true;
	dialled(5, "alice", "wonder");
	report(&rig, 5, 0, 77, ((uint64_t)5 << 32) + 1000, 0);
	pass(&rig, 5); /* a checkpoint: usage-interval */
	ck_assert_uint_eq(counter(SM_USAGE_CHECKPOINTS), 1);
	report(&rig, 5, 0, 77, ((uint64_t)5 << 32) + 1100, 0); /* not checkpointed */
	rig_promote(&rig);
	settle(&rig);
	report(&rig, 5, 0, 5000, 50, 0); /* the other node's worker */
	ck_assert_uint_eq(final_in(), ((uint64_t)5 << 32) + 1050);
	rig_end(&rig);
}
END_TEST

/* What accounting was told between two checkpoints is known to whoever goes on. */
START_TEST(usage_that_an_interim_told_is_not_forgotten)
{
	rig_start(&rig);
	rig.no_compare = true;
	dialled(5, "full", "x");
	pass(&rig, 59);
	report(&rig, 5, 0, 77, 1000, 0);
	rig.hold_acct = true;
	pass(&rig, 2); /* an interim, and no checkpoint of its own yet */
	ck_assert_uint_eq(acct_octets(42), 1000);
	rig_promote(&rig);
	settle(&rig);
	ck_assert_uint_eq(final_in(), 1000);
	rig_end(&rig);
}
END_TEST

START_TEST(usage_of_the_same_worker_is_not_counted_twice_after_a_restart_of_ours)
{
	rig_start(&rig);
	rig.no_compare = true;
	dialled(5, "alice", "wonder");
	report(&rig, 5, 0, 77, 1000, 0);
	pass(&rig, 31);
	rig_promote(&rig); /* the same node's worker goes on counting */
	report(&rig, 5, 0, 77, 1700, 0);
	ck_assert_uint_eq(final_in(), 1700);
	rig_end(&rig);
}
END_TEST

/* ---- Frames that came together. */

static unsigned
writes_of(enum table t)
{
	unsigned n = 0;

	for (struct stored *x = rig.store; x; x = x->hh.next)
		n += x->key.table == t ? x->writes : 0;
	return n;
}

static unsigned
link_writes_of_a_setup(bool together)
{
	struct peer *p;
	unsigned n;

	rig_start(&rig);
	rig.together = together;
	p = dialled(5, "alice", "wonder");
	pass(&rig, 5);
	ck_assert(p->up4 && p->up6);
	n = writes_of(TABLE_LINK);
	rig_end(&rig);
	return n;
}

START_TEST(frames_of_a_session_that_came_together_are_one_row)
{
	unsigned apart = link_writes_of_a_setup(false), together = link_writes_of_a_setup(true);

	ck_assert_msg(together + 3 <= apart, "%u rows together, %u apart", together, apart);
}
END_TEST

START_TEST(frames_of_many_sessions_keep_their_order)
{
	static const char *const users[] = { "alice", "bob", "carol", "dave" };
	static const char *const words[] = { "wonder", "builder", "sings", "drums" };
	struct peer *p[4];

	rig_start(&rig);
	rig.together = true;
	for (unsigned i = 0; i < 4; i++)
		p[i] = dial(&rig, (uint16_t)(5 + i), users[i], words[i]);
	pass(&rig, 5);
	for (unsigned i = 0; i < 4; i++)
		ck_assert(p[i]->up4 && p[i]->up6);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 4);
	rig_end(&rig);
}
END_TEST

/* The first of them ends the link; what comes behind it in the same event finds none. */
START_TEST(frames_behind_the_one_that_ends_a_link_are_counted)
{
	static const uint8_t terminate[] = { 0xc0, 0x21, 5, 1, 0, 4 }, echo[] = { 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0 };
	struct sm_frame in[70];
	struct sm_event ev = { .kind = SM_EV_FRAMES, .frames = { in, 70 } };

	rig_start(&rig);
	dialled(5, "alice", "wonder");
	pass(&rig, 2);
	for (unsigned i = 0; i < 70; i++)
		in[i] = (struct sm_frame){ 1, i == 3 ? 99 : 5, i == 2 ? span_of(terminate, sizeof terminate) : span_of(echo, sizeof echo) };
	step(&rig, &ev);
	pass(&rig, 20);
	ck_assert_ptr_nonnull(strstr(rig.tape, "hangup"));
	call_gone(&rig, 1, 5);
	settle(&rig);
	pass(&rig, 3);
	nothing_left();
	rig_end(&rig);
}
END_TEST

/* ---- Switchover at any moment. */

#define STEPS_OF_A_SETUP 40

START_TEST(a_switchover_at_any_step_of_a_setup_completes)
{
	struct peer *p;

	with_auth((enum conf_auth)(1 + _i / STEPS_OF_A_SETUP % 3));
	rig.promote_at = (unsigned)(_i % STEPS_OF_A_SETUP) + 1;
	rig.together = _i >= 3 * STEPS_OF_A_SETUP;
	p = dialled(5, "alice", "wonder");
	pass(&rig, 30);
	ck_assert_msg(p->up4 && p->up6, "promoted after step %u", rig.promote_at);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	ck_assert_uint_eq(pool(0).held, 1);
	ck_assert_uint_eq(pool(1).held, 1);
	call_gone(&rig, 1, 5);
	settle(&rig);
	nothing_left();
	ck_assert_str_eq(rig.tape, "acct 1\nacct 2\n"); /* one start, one stop, whoever emitted them */
	rig_end(&rig);
}
END_TEST

START_TEST(a_switchover_at_any_step_of_an_end_completes)
{
	static const struct ppp_cause normal = { PPP_CAUSE_NORMAL, 0, 2 };
	struct peer *p;
	struct ppp_ctx c;

	rig_start(&rig);
	p = dialled(5, "alice", "wonder");
	rig.promote_at = rig.steps + (unsigned)_i + 1;
	c = peer_ctx(p);
	ppp_link_close(&p->link, &c, normal);
	pass(&rig, 20);
	call_gone(&rig, 1, 5);
	pass(&rig, 2);
	nothing_left();
	ck_assert_ptr_nonnull(strstr(rig.tape, "acct 1\nacct 2\n"));
	ck_assert_ptr_null(strstr(strstr(rig.tape, "acct 2") + 6, "acct"));
	rig_end(&rig);
}
END_TEST

START_TEST(a_call_that_went_away_unseen_is_cleaned_up_at_activation)
{
	rig_start(&rig);
	rig.no_compare = true;
	dialled(5, "alice", "wonder");
	dialled(6, "bob", "builder");
	/* The active died before it saw this; only the shadow's feed has it. */
	sm_free(rig.active);
	rig.active = rig.shadow;
	rig.shadow = NULL;
	call_gone(&rig, 1, 5);
	call_row(&rig, 1, 7, 7, 1, "");
	rig.asks = rig.asked = rig.accts = rig.acct_seen = 0;
	sm_activate(rig.active, rig.t, &rig.sink);
	settle(&rig);
	ck_assert_uint_eq(sm_totals(rig.active).subscribers, 1);
	ck_assert_uint_eq(sm_totals(rig.active).links, 2);
	ck_assert_uint_eq(pool(0).held, 1);
	rig_end(&rig);
}
END_TEST

START_TEST(rows_that_cannot_be_read_are_left_out)
{
	static const uint8_t junk[] = { 0xff, 0xff, 0xff, 0x01, 0x02 };
	struct key k = key_session(1, 9);

	rig_start(&rig);
	for (int t = 0; t < TABLE_MAX; t++) {
		sm_apply(rig.active, (enum table)t, key_span(&k), span_of(junk, sizeof junk), false);
		sm_apply(rig.active, (enum table)t, span_of(junk, 1), span_of(NULL, 0), false);
		sm_apply(rig.active, (enum table)t, span_of(junk, 3), span_of(NULL, 0), true);
	}
	ck_assert_uint_gt(counter(SM_ROWS_UNREADABLE), 8);
	rig.no_compare = true;
	ck_assert(dialled(5, "alice", "wonder")->up4);
	rig_end(&rig);
}
END_TEST

START_TEST(a_snapshot_that_cannot_be_read_ends_the_link_in_order)
{
	Row__Link row = ROW__LINK__INIT;
	uint8_t junk[7] = { 9, 9, 9 };

	rig_start(&rig);
	rig.no_compare = true;
	sm_free(rig.active);
	rig.active = rig.shadow;
	rig.shadow = NULL;
	call_row(&rig, 1, 5, 5, 1, "");
	row.tunnel = 1;
	row.session = 5;
	row.phase = 3;
	row.call_peer_id = 1005;
	row.call_serial = 5;
	row.call_since = rig.t.wall;
	row.automata = (ProtobufCBinaryData){ sizeof junk, junk };
	foreign(&rig, TABLE_LINK, key_session(1, 5), &row.base);
	sm_activate(rig.active, rig.t, &rig.sink);
	settle(&rig);
	ck_assert_ptr_nonnull(strstr(rig.tape, "hangup result=3"));
	rig_end(&rig);
}
END_TEST

START_TEST(as_lac_the_ppp_is_not_ours)
{
	rig_start(&rig);
	call_row(&rig, 1, 5, 5, ROLE_LAC, "");
	settle(&rig);
	ck_assert_uint_eq(sm_totals(rig.active).links, 0);
	rig_end(&rig);
}
END_TEST

/* ---- Any order of events: dialling, hanging up, loss, late answers, switchovers. */

static unsigned
chance(unsigned of)
{
	uint8_t b[4];

	rig_random(&rig, b, sizeof b);
	return get_u32(b) % of;
}

static void
somebody_dials(uint16_t session)
{
	static const char *const who[][2] = { { "alice", "wonder" }, { "bob", "builder" }, { "carol", "wrong" },
					      { "static", "x" },     { "full", "x" },	   { "chooser", "x" },
					      { "short", "x" },	     { "nopool", "x" } };
	unsigned i = chance(8);

	dial(&rig, session, who[i][0], who[i][1]);
}

static void
something_happens(uint16_t *session)
{
	unsigned i = chance(PEERS);
	struct peer *p = &rig.peer[i];
	struct ppp_ctx c;

	switch (chance(12)) {
	case 0:
		if (!p->rig)
			somebody_dials(++*session % 11 + 1); /* ids come back soon */
		break;
	case 1:
		if (p->rig) {
			call_gone(&rig, 1, p->session);
			p->rig = NULL;
		}
		break;
	case 2:
		if (p->rig) {
			c = peer_ctx(p);
			ppp_link_close(&p->link, &c, (struct ppp_cause){ PPP_CAUSE_NORMAL, 0, 2 });
		}
		break;
	case 3:
		if (rig.next < rig.frames && ++rig.next == rig.frames)
			rig.next = rig.frames = 0; /* lost */
		break;
	case 4:
		rig.hold_aaa = chance(2);
		rig.hold_acct = chance(2);
		break;
	case 5:
		if (p->rig)
			report(&rig, p->session, chance(3), 70 + chance(2), chance(100000), chance(100000));
		break;
	case 6:
		if (chance(10) == 0) {
			rig_promote(&rig);
			rig_new_shadow(&rig);
		}
		break;
	default:
		pass(&rig, chance(4));
	}
}

/* Every start has one stop, and neither was ever emitted twice. */
static void
accounts_balance(void)
{
	struct stored *x, *tmp;
	unsigned starts = 0, stops = 0;

	HASH_ITER (hh, rig.store, x, tmp) {
		if (x->key.table != TABLE_ACCT)
			continue;
		if (x->key.b[x->key.len - 1] == 'a') {
			starts++;
			ck_assert_uint_eq(x->writes, 1);
		} else if (x->key.b[x->key.len - 1] == 'z') {
			stops++;
			ck_assert_uint_eq(x->writes, 1);
		}
	}
	ck_assert_uint_gt(starts, 0);
	ck_assert_uint_eq(starts, stops);
}

START_TEST(whatever_happens_the_books_balance)
{
	uint16_t session = 0;

	rig_start(&rig);
	rig.seed = 99 + (uint64_t)_i;
	rig.together = _i & 1;
	rig.tape_len = 0;
	for (int i = 0; i < 400; i++) {
		something_happens(&session);
		rig.tape_len = 0;
		if (rig.asks > 48 || rig.accts > 48) { /* the rig's own memory is bounded */
			rig.hold_aaa = rig.hold_acct = false;
			settle(&rig);
			rig.asks = rig.asked = rig.accts = rig.acct_seen = 0;
		}
	}
	for (uint16_t s = 1; s <= 11; s++)
		call_gone(&rig, 1, s);
	memset(rig.peer, 0, sizeof rig.peer);
	rig.hold_aaa = rig.hold_acct = false;
	pass(&rig, 90);
	nothing_left();
	accounts_balance();
	rig_end(&rig);
}
END_TEST

/* ---- The client end, and what a LAC did before us. */

static bool server_up;
static uint32_t server_peer4;

static void
server_event(struct ppp_out *out, const struct ppp_event *ev)
{
	struct peer *p = (struct peer *)out;

	if (ev->kind == PPP_EV_VERIFY) {
		ck_assert_uint_eq(ev->verify.name.len, 6);
		ck_assert_mem_eq(ev->verify.name.p, "branch", 6);
		p->ask4 = ev->verify.serial;
		p->up6 = true; /* to be answered */
	} else if (ev->kind == PPP_EV_NETWORK) {
		p->finished = true; /* likewise */
	} else if (ev->kind == PPP_EV_NET_UP && ev->net.cp == PPP_CP_IPCP) {
		server_up = true;
		server_peer4 = ev->net.peer4;
	}
}

static void
serve(struct peer *p)
{
	static const struct ppp_net net = { .ipv4 = true, .local4 = 0xcb007101, .peer4 = 0xcb007163, .dns4 = { 0x08080808 } };

	for (int i = 0; i < 20; i++) {
		struct ppp_ctx c;

		settle(&rig);
		c = peer_ctx(p);
		if (p->up6) {
			struct ppp_auth_result r = { .serial = (uint16_t)p->ask4, .ok = true };

			p->up6 = false;
			ppp_link_auth_result(&p->link, &c, &r);
		} else if (p->finished) {
			p->finished = false;
			ppp_link_network(&p->link, &c, &net);
		}
	}
}

START_TEST(as_client_we_dial_and_learn_our_address)
{
	struct peer *p = &rig.peer[0];
	struct ppp_ctx c;

	rig_start(&rig);
	rig.conf->dials = 1;
	strcpy(rig.conf->dial[0].name, "uplink");
	strcpy(rig.conf->dial[0].user, "branch");
	strcpy(rig.conf->dial[0].password, "secret");
	rig.conf->dial[0].route_count = 1;
	ip_prefix_parse("0.0.0.0/0", &rig.conf->dial[0].routes[0]);
	sm_configure(rig.active, rig.conf);
	sm_configure(rig.shadow, rig.conf);
	server_up = false;
	*p = (struct peer){ .rig = &rig, .server = true, .tunnel = 1, .session = 5, .out = { peer_send, server_event, NULL } };
	ppp_conf_defaults(&p->conf);
	p->conf.auths = 1;
	p->conf.auth[0] = PPP_AUTH_PAP;
	p->conf.ipv6 = false;
	p->conf.echo_ms = 0;
	ppp_link_init(&p->link);
	call_row(&rig, 1, 5, 5, 3, "uplink");
	c = peer_ctx(p);
	ppp_link_up(&p->link, &c, NULL);
	serve(p);
	pass(&rig, 10); /* our first IPCP request came before the server was ready */
	ck_assert(server_up);
	ck_assert_uint_eq(server_peer4, 0xcb007163);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	ck_assert_uint_eq(pool(0).held, 0);
	ck_assert_str_eq(rig.tape, ""); /* nobody accounts for itself */
	rig_promote(&rig);
	pass(&rig, 30);
	ck_assert_uint_eq(sm_totals(rig.active).forwarding, 1);
	call_gone(&rig, 1, 5);
	settle(&rig);
	nothing_left();
	rig_end(&rig);
}
END_TEST

START_TEST(what_the_lac_negotiated_is_taken_over)
{
	static uint8_t peer_lcp[] = { 1, 4, 0x05, 0xd4, 5, 6, 1, 2, 3, 4 };
	static uint8_t lac_lcp[] = { 3, 4, 0xc0, 0x23, 5, 6, 9, 9, 9, 9 };
	Row__CallInfo info = ROW__CALL_INFO__INIT;
	Row__Call row = ROW__CALL__INIT;

	rig_start(&rig);
	rig.conf->profile[0].proxy = PROXY_USE;
	sm_configure(rig.active, rig.conf);
	sm_configure(rig.shadow, rig.conf);
	info.init_rcvd_lcp = info.last_rcvd_lcp = (ProtobufCBinaryData){ sizeof peer_lcp, peer_lcp };
	info.last_sent_lcp = (ProtobufCBinaryData){ sizeof lac_lcp, lac_lcp };
	info.proxy_auth_type = 3;
	info.proxy_auth_id = 7;
	info.proxy_auth_name = (ProtobufCBinaryData){ 5, (uint8_t *)"alice" };
	info.proxy_auth_response = (ProtobufCBinaryData){ 6, (uint8_t *)"wonder" };
	foreign(&rig, TABLE_CALL_INFO, key_session(1, 5), &info.base);
	row.tunnel = 1;
	row.id = 5;
	row.peer_id = 9;
	row.state = 10;
	row.role = 1;
	foreign(&rig, TABLE_CALL, key_session(1, 5), &row.base);
	tick(&rig);
	ck_assert_uint_eq(rig.asks, 1); /* not a single frame was needed */
	ck_assert_uint_eq(rig.ask[0].name_len, 5);
	settle(&rig);
	ck_assert_uint_eq(sm_totals(rig.active).subscribers, 1);
	ck_assert_uint_eq(counter(SM_AAA_ACCEPTED), 1);
	rig_end(&rig);
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_loop_test(t, whatever_happens_the_books_balance, 0, 60);
	tcase_add_test(t, as_client_we_dial_and_learn_our_address);
	tcase_add_test(t, what_the_lac_negotiated_is_taken_over);
	tcase_add_test(t, a_subscriber_comes_and_goes);
	tcase_add_loop_test(t, every_way_of_authentication_works, AUTH_NONE, AUTH_MSCHAPV2 + 1);
	tcase_add_loop_test(t, a_wrong_password_is_refused, AUTH_PAP, AUTH_MSCHAPV2 + 1);
	tcase_add_test(t, the_peer_hangs_up);
	tcase_add_test(t, the_same_subscriber_gets_its_address_again);
	tcase_add_test(t, an_exhausted_pool_refuses_clearly);
	tcase_add_loop_test(t, addresses_that_cannot_be_given_are_refused, 0, sizeof refused / sizeof refused[0]);
	tcase_add_test(t, a_full_grant_reaches_the_subscriber_row);
	tcase_add_test(t, a_peer_may_ask_for_a_free_address_of_its_pool);
	tcase_add_test(t, a_peer_that_may_choose_cannot_choose_a_held_address);
	tcase_add_test(t, nobody_answers_the_question);
	tcase_add_test(t, an_answer_for_a_call_that_is_gone_changes_nothing);
	tcase_add_test(t, ids_that_are_reused_at_once_are_another_call);
	tcase_add_test(t, session_timeout_ends_it);
	tcase_add_test(t, session_timeout_counts_on_through_a_switchover);
	tcase_add_test(t, idle_timeout_waits_for_silence);
	tcase_add_test(t, interim_updates_come_when_they_should);
	tcase_add_test(t, an_operator_ends_sessions_by_name);
	tcase_add_test(t, accounting_that_nobody_answers_is_asked_again);
	tcase_add_test(t, a_stop_outlives_its_session_and_a_switchover);
	tcase_add_test(t, an_answer_told_twice_or_about_nothing_does_no_harm);
	tcase_add_test(t, reports_of_several_workers_add_up);
	tcase_add_test(t, a_restarted_worker_counts_from_zero);
	tcase_add_test(t, a_rush_is_not_made_worse_by_early_repetitions);
	tcase_add_test(t, usage_goes_on_after_a_switchover_and_never_backwards);
	tcase_add_test(t, usage_that_an_interim_told_is_not_forgotten);
	tcase_add_test(t, usage_of_the_same_worker_is_not_counted_twice_after_a_restart_of_ours);
	tcase_add_loop_test(t, a_switchover_at_any_step_of_a_setup_completes, 0, 2 * 3 * STEPS_OF_A_SETUP);
	tcase_add_loop_test(t, a_switchover_at_any_step_of_an_end_completes, 0, 8);
	tcase_add_test(t, a_call_that_went_away_unseen_is_cleaned_up_at_activation);
	tcase_add_test(t, rows_that_cannot_be_read_are_left_out);
	tcase_add_test(t, a_snapshot_that_cannot_be_read_ends_the_link_in_order);
	tcase_add_test(t, as_lac_the_ppp_is_not_ours);
	tcase_add_test(t, frames_of_a_session_that_came_together_are_one_row);
	tcase_add_test(t, frames_of_many_sessions_keep_their_order);
	tcase_add_test(t, frames_behind_the_one_that_ends_a_link_are_counted);
}

UNIT_MAIN("sm", add)
