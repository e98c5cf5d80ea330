// SPDX-License-Identifier: Apache-2.0
/*
 * Any octets as a control message of L2TPv3, without and with the hiding key that the corpus is
 * made with.  What was read must be usable everywhere; what was accepted must be the same when
 * written and read again; what is sealed must be good for its receiver.
 */
#include <stdlib.h>

#include "l2tp/l2tp3.h"
#include "l2tp/l2tphc.h"
#include "l2tp/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct l2tp_msg first, second;
static struct l2tp3_keys keys;
static uint8_t buf[70000];

static void
must(bool so)
{
	if (!so)
		abort();
}

static void
touch(struct span v)
{
	static volatile unsigned sum __attribute__((unused));

	for (size_t i = 0; i < v.len; i++)
		sum += v.p[i];
}

static void
use_values(const struct l2tp_msg *m)
{
	struct l2tp_result result;
	struct l2tp_q931 q931;
	struct l2tp_call_errors errors;
	struct l2tp_recovery recovery;
	struct l2tphc_offer offer;

	if (l2tp_msg_result(m, &result))
		touch(result.message);
	if (l2tp_msg_q931(m, &q931))
		touch(q931.advisory);
	must(l2tp_msg_call_errors(m, &errors) == l2tp_msg_has(m, AVP_CALL_ERRORS));
	must(l2tp_msg_recovery(m, &recovery) == l2tp_msg_has(m, AVP_TUNNEL_RECOVERY));
	if (l2tphc_offer_read(m, &l2tphc_draft_05, &offer))
		must(offer.no_header && !offer.has_session);
	if (l2tphc_offer_read(m, &l2tphc_draft_03, &offer))
		must(offer.has_session && offer.id_octets <= 2);
	for (unsigned i = 0; i < m->vendors; i++)
		touch(m->vendor[i].value);
}

static void
use_attributes(const struct l2tp_msg *m)
{
	struct span v;

	for (unsigned a = 0; a < AVP_TYPES; a++) {
		const struct avp_row *row = avp3_row(a);
		size_t at = 0, n = 0;

		if (!l2tp_msg_span(m, (enum l2tp_avp)a, &v))
			continue;
		must(row && avp_row_fits(row, v.len));
		touch(v);
		while (l2tp_msg_each(m, (enum l2tp_avp)a, &at, &v)) {
			touch(v);
			n++;
		}
		must(n > 0 && n <= m->body.len / L2TP_AVP_HEADER);
	}
}

/* Digests are not copied: new ones take their place. */
static void
write_again(const struct l2tp_msg *m)
{
	const struct l2tp3_digests both = { 2, { L2TP3_HMAC_MD5, L2TP3_HMAC_SHA1 } };
	const struct l2tp3_auth sender = { &keys, 1, span_of("one", 3), span_of("two", 3) },
				receiver = { &keys, 1, span_of("two", 3), span_of("one", 3) };
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr out;
	struct span v, back;

	l2tp3_msg_begin(&out, &w, (enum l2tp_type)m->type, m->hdr.connection, both);
	for (unsigned a = 1; a < AVP_TYPES; a++) {
		size_t at = 0;

		if (a == AVP_MESSAGE_DIGEST)
			continue;
		if (!avp_repeats(a) && l2tp_msg_span(m, (enum l2tp_avp)a, &v))
			l2tp_avp_bytes(&out, (enum l2tp_avp)a, v.p, v.len);
		while (avp_repeats(a) && l2tp_msg_each(m, (enum l2tp_avp)a, &at, &v))
			l2tp_avp_bytes(&out, (enum l2tp_avp)a, v.p, v.len);
	}
	if (!l2tp_msg_end(&out, m->hdr.ns, m->hdr.nr))
		return; /* no room for the digests in 64 KB */
	must(l2tp3_seal(buf, wr_len(&w), &sender));
	must(l2tp3_digest_check(wr_span(&w), &receiver, NULL) == L2TP3_DIGEST_GOOD);

	must(l2tp3_msg_read(wr_span(&w), span_of(NULL, 0), &second) == L2TP_OK);
	must(second.type == m->type && second.hdr.ns == m->hdr.ns && second.hdr.nr == m->hdr.nr);
	must(second.hdr.connection == m->hdr.connection && second.malformed == 0);
	for (unsigned a = 1; a < AVP_TYPES; a++)
		if (a != AVP_MESSAGE_DIGEST && !avp_repeats(a) &&
		    l2tp_msg_span(m, (enum l2tp_avp)a, &v))
			must(l2tp_msg_span(&second, (enum l2tp_avp)a, &back) && span_eq(v, back));
}

static void
answer(const struct l2tp_msg *m)
{
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr out;
	const bool call = m->trouble.answer == L2TP_CLEAR_SESSION;

	must(m->trouble.fault < L2TP_FAULTS && m->trouble.answer != L2TP_IGNORE);
	if (m->trouble.answer == L2TP_DISCARD)
		return;
	must(m->trouble.result != 0);
	l2tp3_msg_begin(&out, &w, call ? L2TP_CDN : L2TP_STOPCCN, 1, (struct l2tp3_digests){ 0 });
	l2tp_avp_result_of(&out, &m->trouble);
	if (call) {
		l2tp_avp_u32(&out, AVP_LOCAL_SESSION, 1);
		l2tp_avp_u32(&out, AVP_REMOTE_SESSION, 1);
	}
	must(l2tp_msg_end(&out, 0, 0));
	must(l2tp3_msg_read(wr_span(&w), span_of(NULL, 0), &second) == L2TP_OK);
}

static void
try(struct span message, struct span key)
{
	const enum l2tp_fault fault = l2tp3_msg_read(message, key, &first);

	must(fault == first.trouble.fault);
	if (first.trouble.answer != L2TP_DISCARD) {
		use_values(&first);
		use_attributes(&first);
	}
	if (fault != L2TP_OK)
		answer(&first);
	else if (first.type_known)
		write_again(&first);
}

/* Nobody who does not know the secret gets past the digest. */
static void
judge(struct span message)
{
	static struct l2tp3_keys others;
	const struct l2tp3_auth auth = { &others, 1, span_of("n", 1), span_of("m", 1) };
	struct span nonce;

	memset(&others, 0x5a, sizeof others);
	must(l2tp3_digest_check(message, &auth, NULL) != L2TP3_DIGEST_GOOD);
	if (l2tp3_nonce_peek(message, &nonce))
		touch(nonce);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	must(l2tp3_keys_of(span_of("secret", 6), &keys));
	judge(span_of(data, size));
	try(span_of(data, size), span_of(NULL, 0));
	try(span_of(data, size), span_of(keys.hiding, sizeof keys.hiding));
	return 0;
}
