// SPDX-License-Identifier: Apache-2.0
/*
 * Messages that were put together by hand and checked by tshark, for RFC 4045 and RFC 4951: read
 * here, and written again octet for octet by our own writer.  LAC tunnel 10, LNS tunnel 20.
 */
#include <check.h>
#include <stdio.h>

#include "l2tp/l2tp.h"

#define V2_SCCRQ_CAPS                                                                              \
	"c8020052000000000000000080080000000000018008000000020100800a000000076c61"                 \
	"6331800a0000000300000003800800000009000a80080000000a0008000600000050000c"                 \
	"0000004c000300007530"
#define V2_MSRQ                                                                                    \
	"c8020026000a000000010002000800000000001780080000000e1234800a000000110098"                 \
	"9680"
#define V2_MSRP "c802001c0014123400020002000800000000001880080000000e4321"
#define V2_MSE "c802001400141234000300020008000000000019"
#define V2_MSI_NEW "c8020020000a432100020004000800000000001a800c00000051000100020003"
#define V2_MSI_ACK "c80200200014123400040003000800000000001a800c00000052000100020003"
#define V2_MSI_WITHDRAW "c802001c000a432100030005000800000000001a8008000000530002"
#define V2_MSI_PRIO "c802001c000a432100040005000800000000001a0008000000540002"
#define V2_MSEN "c8020024000a432100050005000800000000001b800800000001000380080000000e1234"
#define V2_SCCRQ_RECOVERY                                                                          \
	"c8020056000000000000000080080000000000018008000000020100800a000000076c6e"                 \
	"7331800a0000000300000003800800000009001e000e0000000501020304050607088010"                 \
	"0000004d0000000000140000000a"
#define V2_SCCRP_SCS                                                                               \
	"c8020044001e00000000000180080000000000028008000000020100800a000000076c61"                 \
	"6331800a00000003000000038008000000090028000c0000004e000000030064"
#define V2_FSQ                                                                                     \
	"c8020034000a000000030064000800000000001580100000004f00000000010100000201"                 \
	"80100000004f00000000010200000202"
#define V2_FSR                                                                                     \
	"c80200340014000000640004000800000000001680100000004f00000000020100000101"                 \
	"80100000004f00000000000000000102"

static uint8_t given[256], made[256];
static struct span vector;
static struct l2tp_msg msg;
static struct wr w;
static struct l2tp_wr m;

static void
start(const char *hex, enum l2tp_type type, uint16_t tunnel, uint16_t session)
{
	const size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned v;
		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &v), 1);
		given[i] = (uint8_t)v;
	}
	vector = span_of(given, n);
	ck_assert_int_eq(l2tp_msg_read(vector, span_of(NULL, 0), &msg), L2TP_OK);
	ck_assert_int_eq(msg.lapse.fault, L2TP_OK);
	ck_assert_uint_eq(msg.type, type);
	ck_assert_uint_eq(msg.hdr.tunnel, tunnel);
	ck_assert_uint_eq(msg.hdr.session, session);
	w = wr_of(made, sizeof made);
	l2tp_msg_begin(&m, &w, type, tunnel, session);
}

static void
same(uint16_t ns, uint16_t nr)
{
	ck_assert_uint_eq(msg.hdr.ns, ns);
	ck_assert_uint_eq(msg.hdr.nr, nr);
	ck_assert(l2tp_msg_end(&m, ns, nr));
	ck_assert_uint_eq(wr_len(&w), vector.len);
	ck_assert_mem_eq(made, vector.p, vector.len);
}

static void
control(const char *host, uint16_t tunnel)
{
	l2tp_avp_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(&m, AVP_HOST_NAME, host);
	l2tp_avp_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u16(&m, AVP_ASSIGNED_TUNNEL, tunnel);
}

START_TEST(sccrq_with_capabilities)
{
	const struct l2tp_failover due = { true, true, 30000 };
	struct l2tp_failover f;

	start(V2_SCCRQ_CAPS, L2TP_SCCRQ, 0, 0);
	ck_assert(l2tp_msg_has(&msg, AVP_MULTICAST_CAPABILITY));
	ck_assert(l2tp_msg_failover(&msg, &f) && f.control && f.data && f.recovery_ms == 30000);
	control("lac1", 10);
	l2tp_avp_u16(&m, AVP_RECEIVE_WINDOW, 8);
	l2tp_avp_empty(&m, AVP_MULTICAST_CAPABILITY);
	l2tp_avp_failover(&m, &due);
	same(0, 0);
}
END_TEST

START_TEST(multicast_session_is_opened)
{
	uint32_t bps;

	start(V2_MSRQ, L2TP_MSRQ, 10, 0);
	ck_assert(l2tp_msg_u32(&msg, AVP_MAXIMUM_BPS, &bps) && bps == 10000000);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 0x1234);
	l2tp_avp_u32(&m, AVP_MAXIMUM_BPS, 10000000);
	same(1, 2);
	start(V2_MSRP, L2TP_MSRP, 20, 0x1234);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 0x4321);
	same(2, 2);
	start(V2_MSE, L2TP_MSE, 20, 0x1234);
	same(3, 2);
}
END_TEST

START_TEST(multicast_session_is_kept_and_ended)
{
	struct l2tp_result r;
	uint16_t priority;

	start(V2_MSI_NEW, L2TP_MSI, 10, 0x4321);
	l2tp_avp_bytes(&m, AVP_NEW_OUTGOING, "\0\1\0\2\0\3", 6);
	same(2, 4);
	start(V2_MSI_ACK, L2TP_MSI, 20, 0x1234);
	l2tp_avp_bytes(&m, AVP_NEW_OUTGOING_ACK, "\0\1\0\2\0\3", 6);
	same(4, 3);
	start(V2_MSI_WITHDRAW, L2TP_MSI, 10, 0x4321);
	l2tp_avp_bytes(&m, AVP_WITHDRAW_OUTGOING, "\0\2", 2);
	same(3, 5);
	start(V2_MSI_PRIO, L2TP_MSI, 10, 0x4321);
	ck_assert(l2tp_msg_u16(&msg, AVP_MULTICAST_PRIORITY, &priority) && priority == 2);
	l2tp_avp_u16(&m, AVP_MULTICAST_PRIORITY, 2);
	same(4, 5);
	start(V2_MSEN, L2TP_MSEN, 10, 0x4321);
	ck_assert(l2tp_msg_result(&msg, &r) && r.result == 3 && !r.has_error);
	ck_assert_str_eq(l2tp_result_name(msg.type, r.result), "no more receivers");
	l2tp_avp_result(&m, 3, 0, NULL);
	l2tp_avp_u16(&m, AVP_ASSIGNED_SESSION, 0x1234);
	same(5, 5);
}
END_TEST

START_TEST(a_tunnel_is_recovered)
{
	struct l2tp_recovery r;
	struct l2tp_scs s;

	start(V2_SCCRQ_RECOVERY, L2TP_SCCRQ, 0, 0);
	ck_assert(l2tp_msg_recovery(&msg, &r) && r.tunnel == 20 && r.remote == 10);
	control("lns1", 30);
	l2tp_avp_u64(&m, AVP_TIE_BREAKER, 0x0102030405060708);
	l2tp_avp_recovery(&m, 20, 10);
	same(0, 0);
	start(V2_SCCRP_SCS, L2TP_SCCRP, 30, 0);
	ck_assert(l2tp_msg_scs(&msg, &s) && s.ns == 3 && s.nr == 100);
	control("lac1", 40);
	l2tp_avp_scs(&m, 3, 100);
	same(0, 1);
}
END_TEST

START_TEST(sessions_are_queried_and_answered)
{
	struct l2tp_fss f;
	size_t at = 0;

	start(V2_FSQ, L2TP_FSQ, 10, 0);
	ck_assert(l2tp_msg_fss(&msg, &at, &f) && f.session == 0x101 && f.remote == 0x201);
	ck_assert(l2tp_msg_fss(&msg, &at, &f) && f.session == 0x102 && f.remote == 0x202);
	ck_assert(!l2tp_msg_fss(&msg, &at, &f));
	l2tp_avp_fss(&m, 0x101, 0x201);
	l2tp_avp_fss(&m, 0x102, 0x202);
	same(3, 100);
	start(V2_FSR, L2TP_FSR, 20, 0);
	l2tp_avp_fss(&m, 0x201, 0x101);
	l2tp_avp_fss(&m, 0, 0x102);
	same(100, 4);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp_vectors");
	TCase *t = tcase_create("vectors");

	tcase_add_test(t, sccrq_with_capabilities);
	tcase_add_test(t, multicast_session_is_opened);
	tcase_add_test(t, multicast_session_is_kept_and_ended);
	tcase_add_test(t, a_tunnel_is_recovered);
	tcase_add_test(t, sessions_are_queried_and_answered);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
