// SPDX-License-Identifier: Apache-2.0
/*
 * What a RADIUS server may send: read, walked, verified, and turned into a grant.  What is read is written
 * again attribute by attribute, and must read the same.  The octets are also given to the client as answers.
 */
#include <stdlib.h>
#include <string.h>

#include "aaa_desk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
write_and_read(const struct rad_packet *p)
{
	uint8_t buf[RAD_MAX];
	struct wr w = wr_of(buf, sizeof buf);
	struct rad_iter it = rad_iter(p->attrs), again;
	struct rad_attr a, b;

	while (rad_next(&it, &a)) {
		if (a.value.len == 0)
			return;
		rad_put(&w, (enum rad_attr_id)a.id, a.value.p, a.value.len);
	}
	if (!w.ok)
		return;
	it = rad_iter(p->attrs);
	again = rad_iter(wr_span(&w));
	while (rad_next(&it, &a))
		if (!rad_next(&again, &b) || a.id != b.id || !span_eq(a.value, b.value))
			abort();
	if (rad_next(&again, &b))
		abort();
}

static unsigned answered;

static void
on_answer(void *arg, const struct aaa_answer *a)
{
	answered++;
	if (strlen(a->user) >= AAA_TEXT || strlen(a->message) >= AAA_TEXT)
		abort();
}

static void
on_acct(void *arg, struct span key, bool ok)
{
}

static void
on_send(void *arg, enum desk_kind k, unsigned server, unsigned socket, struct span d)
{
	struct rad_packet p;

	if (rad_read(d, &p) != RAD_OK || rad_verify_request(&p, span_of("s", 1)) != RAD_OK)
		abort();
}

static void
on_random(void *arg, uint8_t *out, size_t n)
{
	memset(out, 7, n);
}

static void
on_state(void *arg, enum desk_kind k, unsigned server, bool dead)
{
}

/* As an answer it must be verified first, so sign it as the server would. */
static void
as_answer(const struct rad_packet *p)
{
	static const struct aaa_desk_ops ops = { on_answer, on_acct, on_send, on_random, on_state };
	struct conf_aaa_set conf = { .mode = AAA_RADIUS, .servers = 1, .timeout_ms = 1000, .tries = 2, .in_flight = 4 };
	struct aaa_request q = { .auth = PPP_AUTH_PAP, .name_len = 1, .name = "n", .chap_id = 1 };
	struct aaa_desk *d = aaa_desk_new(&ops, NULL);
	uint8_t b[RAD_MAX], auth[16];
	struct span whole;

	if (!d)
		return;
	strcpy(conf.server[0].secret, "s");
	aaa_desk_configure(d, &conf, 1);
	memset(auth, 7, sizeof auth);
	aaa_desk_ask(d, &q, 1);
	memcpy(b, p->whole.p, p->whole.len);
	whole = span_of(b, p->whole.len);
	aaa_desk_input(d, DESK_AUTH, 0, 0, whole, 1, 2);
	b[1] = 0;
	memcpy(b + 4, auth, 16);
	rad_md5(whole, span_of("s", 1), span_of(NULL, 0), b + 4);
	aaa_desk_input(d, DESK_AUTH, 0, 0, whole, 1, 2);
	aaa_desk_input(d, DESK_ACCT, 0, 0, whole, 1, 2);
	aaa_desk_free(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rad_packet p;

	if (rad_read(span_of(data, len), &p) != RAD_OK)
		return 0;
	write_and_read(&p);
	rad_verify_response(&p, p.auth, span_of("s", 1));
	rad_verify_request(&p, span_of("s", 1));
	as_answer(&p);
	return 0;
}
