// SPDX-License-Identifier: Apache-2.0
/*
 * Any octets as a control datagram, without and with the secret that the corpus is hidden with.
 * What was read must be usable everywhere; what was accepted must be the same when written and read
 * again.
 */
#include <stdlib.h>

#include "l2tp/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct l2tp_msg first, second;
static uint8_t buf[70000];

static void
must(bool so)
{
	if (!so)
		abort();
}

/* Sums up every octet that a value lends, so that a sanitizer sees a span that leads astray. */
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
	struct l2tp_disconnect cause;
	struct l2tp_call_errors errors;
	struct l2tp_accm accm;
	struct l2tp_failover failover;
	struct l2tp_recovery recovery;
	struct l2tp_scs scs;

	if (l2tp_msg_result(m, &result))
		touch(result.message);
	if (l2tp_msg_q931(m, &q931))
		touch(q931.advisory);
	if (l2tp_msg_disconnect(m, &cause))
		touch(cause.message);
	l2tp_msg_call_errors(m, &errors);
	l2tp_msg_accm(m, &accm);
	l2tp_msg_failover(m, &failover);
	l2tp_msg_recovery(m, &recovery);
	l2tp_msg_scs(m, &scs);
}

static void
use_lines(const struct l2tp_msg *m)
{
	struct l2tp_access_line line;
	char text[32];

	for (unsigned i = 0; i < m->vendors; i++)
		touch(m->vendor[i].value);
	if (!l2tp_msg_access_line(m, &line))
		return;
	for (enum l2tp_line a = 0; a < LINE_ATTRS; a++)
		must(strlen(l2tp_line_text(&line, a, text, sizeof text)) < sizeof text);
}

static void
use_attributes(const struct l2tp_msg *m)
{
	char text[16];
	struct span v;

	for (unsigned a = 0; a < AVP_TYPES; a++) {
		const struct avp_row *row = avp_row(a);
		size_t at = 0, n = 0;

		if (!l2tp_msg_span(m, (enum l2tp_avp)a, &v))
			continue;
		must(row && avp_row_fits(row, v.len));
		touch(v);
		must(l2tp_msg_text(m, (enum l2tp_avp)a, text, sizeof text));
		while (l2tp_msg_each(m, (enum l2tp_avp)a, &at, &v)) {
			touch(v);
			n++;
		}
		must(n > 0 && n <= m->body.len / L2TP_AVP_HEADER);
	}
}

static void
write_again(const struct l2tp_msg *m)
{
	struct wr w = wr_of(buf, sizeof buf);
	struct l2tp_wr out;
	struct span v, back;

	l2tp_msg_begin(&out, &w, (enum l2tp_type)m->type, m->hdr.tunnel, m->hdr.session);
	for (unsigned a = 1; a < AVP_TYPES; a++) {
		size_t at = 0;

		if (!avp_repeats(a) && l2tp_msg_span(m, (enum l2tp_avp)a, &v))
			l2tp_avp_bytes(&out, (enum l2tp_avp)a, v.p, v.len);
		while (avp_repeats(a) && l2tp_msg_each(m, (enum l2tp_avp)a, &at, &v))
			l2tp_avp_bytes(&out, (enum l2tp_avp)a, v.p, v.len);
	}
	for (unsigned i = 0; i < m->vendors; i++)
		l2tp_avp_raw(&out, m->vendor[i].vendor, m->vendor[i].type, false, false,
			     m->vendor[i].value.p, m->vendor[i].value.len);
	must(l2tp_msg_end(&out, m->hdr.ns, m->hdr.nr));

	must(l2tp_msg_read(wr_span(&w), span_of(NULL, 0), &second) == L2TP_OK);
	must(second.type == m->type && second.hdr.ns == m->hdr.ns && second.hdr.nr == m->hdr.nr);
	must(second.present[0] == m->present[0] && second.present[1] == m->present[1]);
	must(second.vendors == m->vendors && second.malformed == 0);
	for (unsigned a = 1; a < AVP_TYPES; a++) {
		size_t at = 0, at_back = 0;

		if (!avp_repeats(a) && l2tp_msg_span(m, (enum l2tp_avp)a, &v))
			must(l2tp_msg_span(&second, (enum l2tp_avp)a, &back) && span_eq(v, back));
		while (avp_repeats(a) && l2tp_msg_each(m, (enum l2tp_avp)a, &at, &v))
			must(l2tp_msg_each(&second, (enum l2tp_avp)a, &at_back, &back) &&
			     span_eq(v, back));
	}
}

/* The trouble and its answer belong together, and the answer can be written. */
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
	l2tp_msg_begin(&out, &w, call ? L2TP_CDN : L2TP_STOPCCN, 1, call ? 1 : 0);
	l2tp_avp_result_of(&out, &m->trouble);
	l2tp_avp_u16(&out, call ? AVP_ASSIGNED_SESSION : AVP_ASSIGNED_TUNNEL, 1);
	must(l2tp_msg_end(&out, 0, 0));
	must(l2tp_msg_read(wr_span(&w), span_of(NULL, 0), &second) == L2TP_OK);
}

static void
try(struct span packet, struct span secret)
{
	const enum l2tp_fault fault = l2tp_msg_read(packet, secret, &first);

	must(fault == first.trouble.fault);
	if (first.trouble.answer != L2TP_DISCARD) {
		use_values(&first);
		use_lines(&first);
		use_attributes(&first);
	}
	if (fault != L2TP_OK)
		answer(&first);
	else if (first.type_known)
		write_again(&first);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct l2tp_hdr h;
	struct span payload;

	l2tp_hdr_read(span_of(data, size), &h, &payload);
	touch(payload);
	try(span_of(data, size), span_of(NULL, 0));
	try(span_of(data, size), span_of("secret", 6));
	return 0;
}
