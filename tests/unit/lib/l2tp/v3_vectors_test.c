// SPDX-License-Identifier: Apache-2.0
/*
 * L2TPv3 messages that were put together apart from this code and checked by tshark, digests
 * included: read here, and written again octet for octet by our own writer.  Secret "secret"; A is
 * lns1 with nonce a0..af and connection 0x0d0d0d0d, B is lac1 with b0..bf and 0x0a0b0c0d.
 */
#include <check.h>
#include <stdio.h>

#include "l2tp/l2tp3.h"

#define V3_FSQ "c80300240a0b0c0d00030064000800000000001580100000004f00001111111122222222"
#define V3_SCCRQ_RECOVERY                                                                          \
	"c803005800000000000000008008000000000001800a000000076c6e7331800a0000003cc0000201"         \
	"800a0000003d0d0d0d0d80080000003e0007000e00000005010203040506070880100000004d0000"         \
	"0c0c0c0c0a0b0c0d"
#define V3_SCCRQ                                                                                   \
	"c80300670000000000000000800800000000000180170000003b004222e2e6b68a94139f5ec4a82d"         \
	"dde037801600000049a0a1a2a3a4a5a6a7a8a9aaabacadaeaf800a000000076c6e7331800a000000"         \
	"3cc0000201800a0000003d0d0d0d0d80080000003e0007"
#define V3_SCCRP                                                                                   \
	"c80300670d0d0d0d00000001800800000000000280170000003b00283e0d139b64fcafda0ad1f79f"         \
	"8189f2801600000049b0b1b2b3b4b5b6b7b8b9babbbcbdbebf800a000000076c616331800a000000"         \
	"3cc0000202800a0000003d0a0b0c0d80080000003e0007"
#define V3_SCCCN                                                                                   \
	"c803002b0a0b0c0d00010001800800000000000380170000003b00b7c3d346450e6cb092d59e5ea1c63768"
#define V3_HELLO                                                                                   \
	"c803002b0a0b0c0d00020001800800000000000680170000003b000b82b4bb06d535a77d16dd0843e3be67"

static uint8_t given[256], made[256], nonce_a[16], nonce_b[16];
static struct span vector;
static struct l2tp_msg msg;
static struct l2tp3_keys keys;
static struct l2tp3_auth a, b;
static struct wr w;
static struct l2tp_wr m;

static size_t
unhex(const char *hex, uint8_t *out)
{
	const size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned v;
		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
	return n;
}

static void
setup(void)
{
	for (uint8_t i = 0; i < 16; i++) {
		nonce_a[i] = 0xa0 | i;
		nonce_b[i] = 0xb0 | i;
	}
	ck_assert(l2tp3_keys_of(span_of("secret", 6), &keys));
	a = (struct l2tp3_auth){ &keys, 1, span_of(nonce_a, 16), span_of(nonce_b, 16) };
	b = (struct l2tp3_auth){ &keys, 1, span_of(nonce_b, 16), span_of(nonce_a, 16) };
}

static void
start(const char *hex, enum l2tp_type type, uint32_t connection, bool digest)
{
	vector = span_of(given, unhex(hex, given));
	ck_assert_int_eq(l2tp3_msg_read(vector, span_of(NULL, 0), &msg), L2TP_OK);
	ck_assert_int_eq(msg.lapse.fault, L2TP_OK);
	ck_assert_uint_eq(msg.type, type);
	ck_assert_uint_eq(msg.hdr.connection, connection);
	w = wr_of(made, sizeof made);
	l2tp3_msg_begin(&m, &w, type, connection, (struct l2tp3_digests){ digest, { 0 } });
}

static void
same(const struct l2tp3_auth *sender, const struct l2tp3_auth *receiver)
{
	ck_assert(l2tp_msg_end(&m, msg.hdr.ns, msg.hdr.nr));
	if (sender) {
		ck_assert(l2tp3_seal(made, wr_len(&w), sender));
		ck_assert_int_eq(l2tp3_digest_check(vector, receiver, NULL), L2TP3_DIGEST_GOOD);
	}
	ck_assert_uint_eq(wr_len(&w), vector.len);
	ck_assert_mem_eq(made, vector.p, vector.len);
}

static void
opening(struct span nonce, const char *host, uint32_t router, uint32_t id)
{
	if (nonce.len)
		l2tp_avp_bytes(&m, AVP_NONCE, nonce.p, nonce.len);
	l2tp_avp_text(&m, AVP_HOST_NAME, host);
	l2tp_avp_u32(&m, AVP_ROUTER_ID, router);
	l2tp_avp_u32(&m, AVP_ASSIGNED_CONNECTION, id);
	l2tp_avp_u16(&m, AVP_PW_CAPABILITIES, L2TP3_PW_PPP);
}

START_TEST(keys_of_the_secret)
{
	uint8_t due[16];

	unhex("6f9f790a8110719177da100287dae7b8", due);
	ck_assert_mem_eq(keys.hiding, due, 16);
	unhex("21dc457145ad58f4b1497ae27d2a87b4", due);
	ck_assert_mem_eq(keys.message, due, 16);
}
END_TEST

START_TEST(a_hidden_avp)
{
	uint8_t due[64], rv[16];
	const size_t n =
	    unhex("401f00000021a91db922922a4d093ff68aed435ed5436599edfe8805237698", due);
	struct span v;

	for (uint8_t i = 0; i < 16; i++)
		rv[i] = i;
	w = wr_of(made, sizeof made);
	l2tp3_msg_begin(&m, &w, L2TP_ICCN, 1, (struct l2tp3_digests){ 0 });
	l2tp_avp_u32(&m, AVP_LOCAL_SESSION, 1);
	l2tp_avp_u32(&m, AVP_REMOTE_SESSION, 1);
	l2tp_msg_hide(&m, span_of(keys.hiding, 16), span_of(rv, 16), 0);
	l2tp_avp_text(&m, AVP_PROXY_AUTHEN_RESPONSE, "cleartext-password-0123");
	ck_assert(l2tp_msg_end(&m, 0, 0));
	ck_assert_mem_eq(made + wr_len(&w) - n, due, n);
	ck_assert_int_eq(l2tp3_msg_read(wr_span(&w), span_of(keys.hiding, 16), &msg), L2TP_OK);
	ck_assert(l2tp_msg_span(&msg, AVP_PROXY_AUTHEN_RESPONSE, &v));
	ck_assert(span_eq(v, span_of("cleartext-password-0123", 23)));
}
END_TEST

START_TEST(the_handshake)
{
	struct span peeked;

	start(V3_SCCRQ, L2TP_SCCRQ, 0, true);
	opening(span_of(nonce_a, 16), "lns1", 0xc0000201, 0x0d0d0d0d);
	same(&a, &(struct l2tp3_auth){ &keys, 1, { 0 }, { 0 } });
	start(V3_SCCRP, L2TP_SCCRP, 0x0d0d0d0d, true);
	ck_assert(l2tp3_nonce_peek(vector, &peeked) && span_eq(peeked, span_of(nonce_b, 16)));
	opening(span_of(nonce_b, 16), "lac1", 0xc0000202, 0x0a0b0c0d);
	same(&b, &a);
	start(V3_SCCCN, L2TP_SCCCN, 0x0a0b0c0d, true);
	same(&a, &b);
	start(V3_HELLO, L2TP_HELLO, 0x0a0b0c0d, true);
	same(&a, &b);
	/* Not one that goes the other way: a message cannot be sent back to its sender. */
	ck_assert_int_eq(l2tp3_digest_check(vector, &a, NULL), L2TP3_DIGEST_WRONG);
}
END_TEST

START_TEST(recovery)
{
	struct l2tp_recovery r;
	struct l2tp_fss f;
	size_t at = 0;

	start(V3_SCCRQ_RECOVERY, L2TP_SCCRQ, 0, false);
	ck_assert(l2tp_msg_recovery(&msg, &r));
	ck_assert(r.tunnel == 0x0c0c0c0c && r.remote == 0x0a0b0c0d);
	ck_assert_int_eq(l2tp3_digest_check(vector, &a, NULL), L2TP3_NO_DIGEST);
	opening(span_of(NULL, 0), "lns1", 0xc0000201, 0x0d0d0d0d);
	/* The vector has M clear, as L2TPv2 has it. */
	l2tp_avp_raw(&m, 0, AVP_TIE_BREAKER, false, false, "\1\2\3\4\5\6\7\10", 8);
	l2tp_avp_recovery(&m, r.tunnel, r.remote);
	same(NULL, NULL);
	start(V3_FSQ, L2TP_FSQ, 0x0a0b0c0d, false);
	ck_assert(l2tp_msg_fss(&msg, &at, &f));
	ck_assert(f.session == 0x11111111 && f.remote == 0x22222222);
	l2tp_avp_fss(&m, f.session, f.remote);
	same(NULL, NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("l2tp_v3_vectors");
	TCase *t = tcase_create("vectors");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, keys_of_the_secret);
	tcase_add_test(t, a_hidden_avp);
	tcase_add_test(t, the_handshake);
	tcase_add_test(t, recovery);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	const int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
