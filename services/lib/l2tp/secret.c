// SPDX-License-Identifier: Apache-2.0
/*
 * What the shared secret is for: tunnel authentication (RFC 2661 5.1.1) and the hiding of AVP
 * values (RFC 2661 4.3).  Both are MD5 over small pieces; never on the packet path.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "l2tp/l2tp.h"

#define BLOCK 16

/* MD5 over the concatenation of three spans. */
static bool
md5_3(EVP_MD_CTX *ctx, struct span a, struct span b, struct span c, uint8_t out[BLOCK])
{
	unsigned n = 0;

	return EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
	       EVP_DigestUpdate(ctx, a.p, a.len) == 1 && EVP_DigestUpdate(ctx, b.p, b.len) == 1 &&
	       EVP_DigestUpdate(ctx, c.p, c.len) == 1 && EVP_DigestFinal_ex(ctx, out, &n) == 1 &&
	       n == BLOCK;
}

bool
l2tp_auth_response(uint8_t id, struct span secret, struct span challenge,
		   uint8_t out[L2TP_RESPONSE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const bool ok = ctx && md5_3(ctx, span_of(&id, 1), secret, challenge, out);

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool
l2tp_auth_check(uint8_t id, struct span secret, struct span challenge, struct span response)
{
	uint8_t due[L2TP_RESPONSE];

	if (response.len != sizeof due || !l2tp_auth_response(id, secret, challenge, due))
		return false;
	const bool same = CRYPTO_memcmp(due, response.p, sizeof due) == 0;
	OPENSSL_cleanse(due, sizeof due);
	return same;
}

/*
 * The mask of block i: b1 = MD5(AV + S + RV), bi = MD5(S + c(i-1)).  `p` holds cipher text at least
 * up to block i-1.
 */
static bool
mask_block(EVP_MD_CTX *ctx, const uint8_t attr[2], struct span secret, struct span vector,
	   const uint8_t *p, size_t i, uint8_t mask[BLOCK])
{
	if (i == 0)
		return md5_3(ctx, span_of(attr, 2), secret, vector, mask);
	return md5_3(ctx, secret, span_of(p + (i - 1) * BLOCK, BLOCK), span_of(p, 0), mask);
}

static void
xor_block(uint8_t *p, size_t len, size_t i, const uint8_t mask[BLOCK])
{
	for (size_t k = 0; k < BLOCK && i * BLOCK + k < len; k++)
		p[i * BLOCK + k] ^= mask[k];
}

/*
 * Hiding goes forward, for each mask is made of the cipher text before it; unhiding goes backward,
 * for the same reason.
 */
static bool
cipher(uint16_t attr, struct span secret, struct span vector, uint8_t *p, size_t len, bool forward)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const size_t blocks = (len + BLOCK - 1) / BLOCK;
	uint8_t name[2], mask[BLOCK];
	bool ok = ctx != NULL;

	put_u16(name, attr);
	for (size_t n = 0; ok && n < blocks; n++) {
		const size_t i = forward ? n : blocks - 1 - n;

		ok = mask_block(ctx, name, secret, vector, p, i, mask);
		if (ok)
			xor_block(p, len, i, mask);
	}
	EVP_MD_CTX_free(ctx);
	OPENSSL_cleanse(mask, sizeof mask);
	return ok;
}

bool
l2tp_hide(uint16_t attr, struct span secret, struct span vector, uint8_t *p, size_t len)
{
	return cipher(attr, secret, vector, p, len, true);
}

bool
l2tp_unhide(uint16_t attr, struct span secret, struct span vector, uint8_t *p, size_t len)
{
	return cipher(attr, secret, vector, p, len, false);
}
