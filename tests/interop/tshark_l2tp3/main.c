// SPDX-License-Identifier: Apache-2.0
/*
 * Captures for tshark-l2tp3.sh, to standard output:
 *
 *   control    every L2TPv3 control message that our codec can send, over UDP and over IP
 *   names      the number and name of each packet's message, a line each
 *   handshake  SCCRQ, SCCRP, SCCCN, HELLO with digests, in turn both types, over UDP and over IP
 *   data UDP SUBLAYER COOKIE    the same, then a session, and six PPP echo requests in that form
 *                               (0 or 1, 0 or 1, 0, 4 or 8)
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../unit/lib/l2tp/sample3.h"

static void
put_u32_host(FILE *f, uint32_t v)
{
	fwrite(&v, sizeof v, 1, f);
}

static uint16_t
ip_checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
capture_begin(void)
{
	put_u32_host(stdout, 0xa1b2c3d4);
	put_u32_host(stdout, 2 | 4 << 16);
	put_u32_host(stdout, 0);
	put_u32_host(stdout, 0);
	put_u32_host(stdout, 65535);
	put_u32_host(stdout, 101);
}

/* From 192.0.2.1 to 192.0.2.2 or back, in a LINKTYPE_RAW capture. */
static void
packet(bool udp, bool back, struct span l2tp)
{
	uint8_t h[28] = { 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2 };
	const size_t head = udp ? 28 : 20;
	static uint32_t second;

	h[9] = udp ? 17 : L2TP3_IP_PROTOCOL;
	h[15] = back ? 2 : 1;
	h[19] = back ? 1 : 2;
	put_u16(h + 2, (uint16_t)(head + l2tp.len));
	put_u16(h + 10, ip_checksum(h, 20));
	put_u16(h + 20, L2TP_PORT);
	put_u16(h + 22, L2TP_PORT);
	put_u16(h + 24, (uint16_t)(8 + l2tp.len));
	put_u32_host(stdout, second++);
	put_u32_host(stdout, 0);
	put_u32_host(stdout, (uint32_t)(head + l2tp.len));
	put_u32_host(stdout, (uint32_t)(head + l2tp.len));
	fwrite(h, 1, head, stdout);
	fwrite(l2tp.p, 1, l2tp.len, stdout);
}

static void
control(bool udp, bool back, struct span message)
{
	static uint8_t buf[SAMPLE_MAX + 4];
	struct wr w = wr_of(buf, sizeof buf);

	l2tp3_control_prefix(&w, udp);
	wr_bytes(&w, message.p, message.len);
	packet(udp, back, wr_span(&w));
}

/* tshark 4.0 looks for the 32-bit vendor of AVP 58 where its type stands (RFC 3931, figure 5.2),
 * and then calls the packet malformed: it is left out of what tshark sees. */
static struct span
message_for_tshark(unsigned type, enum sample_kind kind, uint8_t buf[SAMPLE_MAX])
{
	const struct span s = sample3_message(type, kind, (struct l2tp3_digests){ 0 }, buf);
	struct rd in = rd_of(s.p, s.len);
	struct wr w = wr_of(buf, SAMPLE_MAX);
	struct avp_head a;

	if (!s.p || !rd_take(&in, L2TP_CONTROL_HEADER) || !wr_room(&w, L2TP_CONTROL_HEADER))
		return span_of(NULL, 0);
	while (rd_left(&in) > 0) {
		const uint8_t *at = in.p;

		if (l2tp_avp_next(&in, &a) != L2TP_OK)
			return span_of(NULL, 0);
		if (a.type == AVP_EXTENDED_VENDOR)
			continue;
		memmove(w.p, at, (size_t)(in.p - at)); /* downwards in the same buffer */
		w.p += in.p - at;
	}
	put_u16(buf + 2, (uint16_t)wr_len(&w));
	return wr_span(&w);
}

static int
every_message(bool names, bool udp)
{
	static uint8_t buf[SAMPLE_MAX];

	for (unsigned t = 1; t < L2TP_TYPES; t++)
		for (int kind = SAMPLE_LEAST; msg3_row(t) && kind <= SAMPLE_HIDDEN; kind++) {
			const struct span s = message_for_tshark(t, (enum sample_kind)kind, buf);
			if (!s.p)
				return 1;
			if (names)
				printf("%u %s\n", t, l2tp3_msg_name(t));
			else
				control(udp, false, s);
		}
	struct wr w = wr_of(buf, sizeof buf);
	l2tp3_zlb_write(&w, SAMPLE3_CONNECTION, 7, 9);
	if (names)
		printf("0 ZLB\n");
	else
		control(udp, false, wr_span(&w));
	return 0;
}

/* ---- a handshake with digests -------------------------------------------------------------- */

static void
say(bool udp, bool back, enum l2tp_type type, uint16_t ns, uint16_t nr, enum l2tp3_digest digest)
{
	static uint8_t buf[SAMPLE_MAX];
	const struct l2tp3_auth auth = sample3_auth(!back);
	const uint32_t own = udp ? 0x0a0a0a00 : 0x0b0b0b00;
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr m;

	l2tp3_msg_begin(&m, &w, type,
			type == L2TP_SCCRQ ? 0 : own + (uint32_t)digest * 16 + (back ? 1 : 2),
			(struct l2tp3_digests){ 1, { (uint8_t)digest } });
	if (type == L2TP_SCCRQ || type == L2TP_SCCRP) {
		l2tp_avp_bytes(&m, AVP_NONCE, auth.local.p, auth.local.len);
		l2tp_avp_text(&m, AVP_HOST_NAME, back ? "lns1" : "lac1");
		l2tp_avp_u32(&m, AVP_ROUTER_ID, back ? 2 : 1);
		l2tp_avp_u32(&m, AVP_ASSIGNED_CONNECTION,
			     own + (uint32_t)digest * 16 + (back ? 2 : 1));
		l2tp_avp_u16(&m, AVP_PW_CAPABILITIES, L2TP3_PW_PPP);
	}
	if (!l2tp_msg_end(&m, ns, nr) || !l2tp3_seal(buf, wr_len(&w), &auth))
		exit(1);
	control(udp, back, wr_span(&w));
}

static void
handshake(bool udp, enum l2tp3_digest digest)
{
	say(udp, false, L2TP_SCCRQ, 0, 0, digest);
	say(udp, true, L2TP_SCCRP, 0, 1, digest);
	say(udp, false, L2TP_SCCCN, 1, 1, digest);
	say(udp, false, L2TP_HELLO, 2, 1, digest);
	say(udp, true, L2TP_ACK, 1, 3, digest);
}

/* ---- data ---------------------------------------------------------------------------------- */

#define SESSION 0x11111111

/* One of the three messages that set a session up; the first two say how data is to look. */
static void
set_up(const struct l2tp3_form *form, enum l2tp_type type, bool back, uint16_t ns, uint16_t nr)
{
	static uint8_t buf[SAMPLE_MAX];
	const uint32_t own = form->udp ? 0x0a0a0a00 : 0x0b0b0b00;
	const struct l2tp3_auth auth = sample3_auth(!back);
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr m;

	l2tp3_msg_begin(&m, &w, type, own + (back ? 1 : 2), (struct l2tp3_digests){ 1, { 0 } });
	l2tp_avp_u32(&m, AVP_LOCAL_SESSION, back ? 2 * SESSION : SESSION);
	l2tp_avp_u32(&m, AVP_REMOTE_SESSION, type == L2TP_ICRQ ? 0 : back ? SESSION : 2 * SESSION);
	if (type != L2TP_ICCN) {
		if (form->cookie_len)
			l2tp_avp_bytes(&m, AVP_ASSIGNED_COOKIE, form->cookie, form->cookie_len);
		l2tp_avp_u16(&m, AVP_CIRCUIT_STATUS, L2TP3_CIRCUIT_NEW | L2TP3_CIRCUIT_ACTIVE);
		l2tp_avp_u16(&m, AVP_L2_SUBLAYER, form->sublayer);
		l2tp_avp_u16(&m, AVP_DATA_SEQUENCING,
			     form->sublayer ? L2TP3_SEQUENCE_ALL : L2TP3_SEQUENCE_NONE);
	}
	if (type == L2TP_ICRQ) {
		l2tp_avp_u32(&m, AVP_CALL_SERIAL, 1);
		l2tp_avp_u16(&m, AVP_PW_TYPE, L2TP3_PW_PPP);
	}
	if (!l2tp_msg_end(&m, ns, nr) || !l2tp3_seal(buf, wr_len(&w), &auth))
		exit(1);
	control(form->udp, back, wr_span(&w));
}

static int
data(bool udp, bool sublayer, uint8_t cookie_len)
{
	const struct l2tp3_form form = {
		.udp = udp, .sublayer = sublayer, .cookie_len = cookie_len, .cookie = "cookie7"
	};
	uint8_t buf[64];

	handshake(udp, L2TP3_HMAC_MD5);
	set_up(&form, L2TP_ICRQ, false, 3, 1);
	set_up(&form, L2TP_ICRP, true, 1, 4);
	set_up(&form, L2TP_ICCN, false, 4, 2);
	for (uint32_t seq = 0; seq < 6; seq++) {
		const bool back = seq & 1;
		struct wr w = wr_of(buf, sizeof buf);

		l2tp3_data_write(&w, &form, back ? SESSION : 2 * SESSION, true, seq / 2);
		wr_bytes(&w,
			 "\xc0\x21\x09\x01\x00\x08"
			 "abcd",
			 10);
		packet(udp, back, wr_span(&w));
	}
	return 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "names") == 0)
		return every_message(true, true) || every_message(true, false);
	if (strcmp(what, "control") == 0) {
		capture_begin();
		return every_message(false, true) || every_message(false, false);
	}
	if (strcmp(what, "handshake") == 0) {
		capture_begin();
		for (int i = 0; i < 4; i++)
			handshake(i & 1, i & 2 ? L2TP3_HMAC_SHA1 : L2TP3_HMAC_MD5);
		return 0;
	}
	if (strcmp(what, "data") == 0 && argc == 5) {
		capture_begin();
		return data(atoi(argv[2]), atoi(argv[3]), (uint8_t)atoi(argv[4]));
	}
	fprintf(stderr, "usage: %s control|names|handshake|data UDP SUBLAYER COOKIE\n", argv[0]);
	return 2;
}
