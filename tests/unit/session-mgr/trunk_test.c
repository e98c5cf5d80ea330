// SPDX-License-Identifier: Apache-2.0
/*
 * What a link's trunk is made of, as its subscriber row tells the workers: header compression of each direction
 * (RFC 3544), multiplexing (RFC 3153).  It lasts as long as what was agreed on, and the shadow knows as much.
 */
#include "lib/unit.h"
#include "rig.h"

static struct rig rig;
static Row__Subscriber *row;

/* The latest row of a session; NULL: there is none. */
static const Row__Trunk *
trunk(uint16_t session)
{
	const struct key k = key_session(1, session);
	struct stored *x, *tmp;

	if (row)
		row__subscriber__free_unpacked(row, NULL);
	row = NULL;
	HASH_ITER (hh, rig.store, x, tmp)
		if (x->there && x->key.table == TABLE_SUBSCRIBER &&
		    span_eq(span_of(x->key.b, x->key.len), key_span(&k)))
			row = row__subscriber__unpack(NULL, x->len, x->row);
	return row ? row->trunk : NULL;
}

static struct peer *
dialled(bool peer_hc, bool peer_mux)
{
	struct conf_ppp *c;
	struct peer *p;

	rig_start(&rig);
	c = &rig.conf->ppp[0];
	c->hc = (struct conf_hc){ true, RTP_ECRTP, 255, 256, 5, 168, 2 };
	c->mux = (struct conf_mux){ true, 0x69, 5000, 1400, 30, 10 };
	sm_configure(rig.active, rig.conf);
	sm_configure(rig.shadow, rig.conf);
	p = dial(&rig, 5, "alice", "wonder");
	p->conf.hc = peer_hc;
	p->conf.hc_ours = crtp_params_default();
	p->conf.mux = peer_mux;
	p->conf.mux_pid = 0x2067;
	settle(&rig);
	ck_assert(p->up4 && p->up6);
	return p;
}

static void
finish(void)
{
	if (row)
		row__subscriber__free_unpacked(row, NULL);
	row = NULL;
	rig_end(&rig);
}

/* A frame of the peer's. */
static void
says(const void *frame, size_t len)
{
	const struct sm_frame in = { 1, 5, span_of(frame, len) };
	const struct sm_event ev = { .kind = SM_EV_FRAMES, .frames = { &in, 1 } };

	step(&rig, &ev);
	settle(&rig);
}

START_TEST(all_that_was_agreed_on)
{
	const Row__Trunk *t;

	dialled(true, true);
	t = trunk(5);
	ck_assert(t && t->send4 && t->send6 && t->recv4 && t->recv6);
	ck_assert_uint_eq(t->send4->non_tcp_space, 15); /* the peer's decompressor */
	ck_assert_uint_eq(t->recv4->non_tcp_space, 255);
	ck_assert_uint_eq(t->recv6->rtp, 2);
	ck_assert(t->mux_send && t->mux_recv);
	ck_assert_uint_eq(t->mux_send_pid, 0x2067);
	ck_assert_uint_eq(t->mux_recv_pid, 0x69);
	ck_assert_uint_eq(t->mux_time_us, 5000);
	ck_assert_uint_eq(t->mux_octets, 1400);
	ck_assert_uint_eq(t->mux_packets, 30);
	ck_assert_uint_eq(t->mux_worth, 10);
	ck_assert_uint_eq(t->repeat, 2);
	finish();
}
END_TEST

START_TEST(as_much_as_the_peer_wants)
{
	const Row__Trunk *t;

	dialled(_i & 1, _i & 2);
	t = trunk(5);
	ck_assert(!t == (_i == 0));
	ck_assert(_i == 0 || (!t->send4 == !(_i & 1) && !t->recv4 == !(_i & 1)));
	ck_assert(_i == 0 || (t->mux_send == !!(_i & 2) && t->mux_recv == !!(_i & 2)));
	finish();
}
END_TEST

/* RFC 3153, 1.1: with LCP goes the multiplexer, until PPPMuxCP is open anew. */
START_TEST(until_lcp_begins_anew)
{
	struct peer *p = dialled(true, true);

	says("\xc0\x21\x01\x77\x00\x04", 6);
	ck_assert_ptr_null(trunk(5));
	ck_assert_ptr_nonnull(row);
	(void)p;
	finish();
}
END_TEST

/* PPPMuxCP alone ends, by its own Terminate-Request or because the peer rejects its frames: the contexts stay. */
START_TEST(without_the_multiplexer)
{
	static const char *const end[] = { "\x80\x59\x05\x09\x00\x04", "\xc0\x21\x08\x01\x00\x08\x80\x59\x01\x01",
					   "\xc0\x21\x08\x01\x00\x08\x00\x59\x01\x01" };
	const Row__Trunk *t;

	dialled(true, true);
	says(end[_i], _i ? 10 : 6);
	t = trunk(5);
	ck_assert(t && t->send4 && t->recv6);
	ck_assert(!t->mux_send && !t->mux_recv);
	ck_assert(row->forwarding);
	finish();
}
END_TEST

/* RFC 1661, 5.7: compressed frames that the peer rejects after all are not sent any more; what it sends is as before. */
START_TEST(without_compression_towards_the_peer)
{
	const Row__Trunk *t;

	dialled(true, true);
	says("\xc0\x21\x08\x01\x00\x08\x00\x61\x45\x00", 10);
	t = trunk(5);
	ck_assert(t && !t->send4 && !t->send6 && t->recv4 && t->recv6 && t->mux_send && !t->no_states);
	ck_assert(row->forwarding);
	says("\xc0\x21\x08\x02\x00\x08\x20\x65\x01\x00", 10);
	t = trunk(5);
	ck_assert(t && t->recv4 && t->no_states);
	says("\xc0\x21\x01\x77\x00\x04", 6);
	ck_assert_ptr_null(trunk(5)); /* with LCP begins another agreement */
	finish();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("session trunk");
	TCase *tc = tcase_create("trunk");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(tc, all_that_was_agreed_on);
	tcase_add_loop_test(tc, as_much_as_the_peer_wants, 0, 4);
	tcase_add_test(tc, until_lcp_begins_anew);
	tcase_add_loop_test(tc, without_the_multiplexer, 0, 3);
	tcase_add_test(tc, without_compression_towards_the_peer);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
