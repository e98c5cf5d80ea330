// SPDX-License-Identifier: Apache-2.0
/*
 * Control Message Authentication of L2TPv3: RFC 3931 4.3, 5.4.1.
 *
 * A message carries one or two Message Digest AVPs straight behind Message Type.  The digest is
 * HMAC(key, sender's nonce + receiver's nonce + message), where the message is taken with the
 * octets of every digest as zeros; an SCCRQ goes without the nonces.  The message itself is never
 * changed to compute it: the hash is fed in pieces.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "l2tp/l2tp3.h"
#include "l2tp/rows.h"

#define DIGEST_MAX 20

/* Where the digests of a message stand. */
struct places {
	unsigned n;
	struct {
		size_t at, len; /* of the digest, behind its type */
		uint8_t type;
	} digest[L2TP3_DIGESTS_MAX];
	bool sccrq;
};

static size_t
digest_len(uint8_t type)
{
	return type == L2TP3_HMAC_MD5 ? 16 : type == L2TP3_HMAC_SHA1 ? 20 : 0;
}

/* ---- HMAC (RFC 2104) ---------------------------------------------------------------------- */

static EVP_MAC_CTX *
hmac_begin(enum l2tp3_digest type, struct span key)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	char name[8] = "MD5";
	if (type == L2TP3_HMAC_SHA1)
		memcpy(name, "SHA1", 5);
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};

	EVP_MAC_free(mac);
	if (ctx && EVP_MAC_init(ctx, key.p ? key.p : (const uint8_t *)"", key.len, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static bool
hmac_add(EVP_MAC_CTX *ctx, struct span s)
{
	return s.len == 0 || EVP_MAC_update(ctx, s.p, s.len) == 1;
}

static bool
derive(struct span secret, uint8_t number, uint8_t out[L2TP3_KEY])
{
	EVP_MAC_CTX *ctx = hmac_begin(L2TP3_HMAC_MD5, secret);
	size_t n = 0;
	const bool ok = ctx && hmac_add(ctx, span_of(&number, 1)) &&
			EVP_MAC_final(ctx, out, &n, L2TP3_KEY) == 1 && n == L2TP3_KEY;

	EVP_MAC_CTX_free(ctx);
	return ok;
}

bool
l2tp3_keys_of(struct span secret, struct l2tp3_keys *out)
{
	return derive(secret, 1, out->hiding) && derive(secret, 2, out->message);
}

/* ---- places ------------------------------------------------------------------------------- */

/* A digest of an unknown type keeps its place, so that the one beside it can be computed. */
static bool
take_place(struct places *p, const struct avp_head *a, const uint8_t *start)
{
	if (a->vendor != 0 || a->type != AVP_MESSAGE_DIGEST || a->h || a->value.len < 1)
		return false;
	p->digest[p->n].type = a->value.p[0];
	p->digest[p->n].at = (size_t)(a->value.p + 1 - start);
	p->digest[p->n].len = a->value.len - 1;
	p->n++;
	return true;
}

/* False where the header is malformed.  `message` is cut to its Length. */
static bool
find_places(struct span *message, struct places *p)
{
	struct l2tp_hdr h;
	struct span avps;
	struct avp_head a;

	*p = (struct places){ 0 };
	if (l2tp3_hdr_read(*message, &h, &avps) != L2TP_OK)
		return false;
	message->len = h.size + avps.len;
	struct rd in = rd_of(avps.p, avps.len);
	if (l2tp_avp_next(&in, &a) != L2TP_OK || a.type != AVP_MESSAGE_TYPE)
		return true;
	p->sccrq = a.vendor == 0 && a.value.len == 2 && get_u16(a.value.p) == L2TP_SCCRQ;
	while (p->n < L2TP3_DIGESTS_MAX && l2tp_avp_next(&in, &a) == L2TP_OK &&
	       take_place(p, &a, message->p))
		continue;
	return true;
}

/* ---- digests ------------------------------------------------------------------------------ */

static bool
add_message(EVP_MAC_CTX *ctx, struct span message, const struct places *p)
{
	static const uint8_t zeros[L2TP_AVP_MAX];
	size_t at = 0;
	bool ok = true;

	for (unsigned i = 0; ok && i < p->n; i++) {
		ok = hmac_add(ctx, span_of(message.p + at, p->digest[i].at - at)) &&
		     hmac_add(ctx, span_of(zeros, p->digest[i].len));
		at = p->digest[i].at + p->digest[i].len;
	}
	return ok && hmac_add(ctx, span_of(message.p + at, message.len - at));
}

/* `one` is the sender's nonce. */
static bool
compute(struct span message, const struct places *p, uint8_t type, const struct l2tp3_keys *key,
	struct span one, struct span other, uint8_t out[DIGEST_MAX])
{
	EVP_MAC_CTX *ctx =
	    hmac_begin((enum l2tp3_digest)type, span_of(key->message, sizeof key->message));
	size_t n = 0;
	bool ok = ctx != NULL;

	if (!p->sccrq)
		ok = ok && hmac_add(ctx, one) && hmac_add(ctx, other);
	ok = ok && add_message(ctx, message, p) && EVP_MAC_final(ctx, out, &n, DIGEST_MAX) == 1 &&
	     n == digest_len(type);
	EVP_MAC_CTX_free(ctx);
	return ok;
}

bool
l2tp3_seal(uint8_t *msg, size_t len, const struct l2tp3_auth *auth)
{
	struct span message = span_of(msg, len);
	uint8_t due[DIGEST_MAX];
	struct places p;

	if (auth->n == 0 || !find_places(&message, &p) || p.n == 0)
		return false;
	for (unsigned i = 0; i < p.n; i++) {
		const unsigned k = i < auth->n ? i : auth->n - 1;

		if (p.digest[i].len != digest_len(p.digest[i].type) ||
		    !compute(message, &p, p.digest[i].type, &auth->keys[k], auth->local,
			     auth->remote, due))
			return false;
		memcpy(msg + p.digest[i].at, due, p.digest[i].len);
	}
	return true;
}

/* Whether digest `d` of the message is what key `k` gives. */
static bool
digest_fits(struct span message, const struct places *p, unsigned d, const struct l2tp3_auth *auth,
	    unsigned k)
{
	const size_t len = digest_len(p->digest[d].type);
	uint8_t due[DIGEST_MAX];

	if (len == 0 || p->digest[d].len != len ||
	    !compute(message, p, p->digest[d].type, &auth->keys[k], auth->remote, auth->local, due))
		return false;
	const bool same = CRYPTO_memcmp(due, message.p + p->digest[d].at, len) == 0;
	OPENSSL_cleanse(due, sizeof due);
	return same;
}

/* Every digest is compared with every key, whatever came out before. */
enum l2tp3_verdict
l2tp3_digest_check(struct span message, const struct l2tp3_auth *auth, unsigned *key)
{
	struct places p;
	bool good = false;

	if (!find_places(&message, &p))
		return L2TP3_DIGEST_WRONG;
	if (p.n == 0)
		return L2TP3_NO_DIGEST;
	for (unsigned i = 0; i < p.n * auth->n; i++) {
		if (!digest_fits(message, &p, i / auth->n, auth, i % auth->n))
			continue;
		if (key && !good)
			*key = i % auth->n;
		good = true;
	}
	return good ? L2TP3_DIGEST_GOOD : L2TP3_DIGEST_WRONG;
}

bool
l2tp3_nonce_peek(struct span message, struct span *nonce)
{
	struct l2tp_hdr h;
	struct span avps;
	struct avp_head a;

	if (l2tp3_hdr_read(message, &h, &avps) != L2TP_OK)
		return false;
	struct rd in = rd_of(avps.p, avps.len);
	while (rd_left(&in) > 0 && l2tp_avp_next(&in, &a) == L2TP_OK) {
		if (a.vendor != 0 || a.type != AVP_NONCE || a.h || a.value.len == 0)
			continue;
		*nonce = a.value;
		return true;
	}
	return false;
}

/* ---- a message with room for digests ------------------------------------------------------ */

void
l2tp3_msg_begin(struct l2tp_wr *m, struct wr *w, enum l2tp_type type, uint32_t connection,
		struct l2tp3_digests digests)
{
	const struct msg_row *row = msg3_row(type);
	uint8_t value[1 + DIGEST_MAX] = { 0 };

	*m = (struct l2tp_wr){ .w = w,
			       .start = wr_len(w),
			       .ok = row != NULL && digests.n <= L2TP3_DIGESTS_MAX,
			       .was_ok = w->ok,
			       .v3 = true };
	l2tp3_hdr_write(w, connection, 0, 0, 0);
	put_u16(value, (uint16_t)type);
	l2tp_avp_raw(m, 0, AVP_MESSAGE_TYPE, row && row->m == RULE_M1, false, value, 2);
	for (unsigned i = 0; m->ok && i < digests.n; i++) {
		memset(value, 0, sizeof value);
		value[0] = digests.type[i];
		if (digest_len(value[0]) == 0)
			m->ok = false;
		else
			l2tp_avp_bytes(m, AVP_MESSAGE_DIGEST, value, 1 + digest_len(value[0]));
	}
}
