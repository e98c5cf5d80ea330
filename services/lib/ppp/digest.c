// SPDX-License-Identifier: Apache-2.0
/*
 * CHAP digests, and the verification against a clear-text password.
 *
 * MD4 and DES are in OpenSSL 3's "legacy" provider, a module file that a container or a dropped root may
 * not have.  libcrypto's own low-level functions need no provider and no fetch (they are also several times faster
 * than EVP for such short inputs), so they are used here, declared deprecated as they are: hence
 * OPENSSL_API_COMPAT in this file alone.
 */
#define OPENSSL_API_COMPAT 0x10100000L

#include "ppp/digest.h"

#include <openssl/crypto.h>
#include <openssl/des.h>
#include <openssl/md4.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "ppp/ppp.h"

#define PASSWORD_UNITS 256 /* RFC 2759, 8: 0 to 256 unicode characters */

bool
secret_eq(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void
chap_md5(uint8_t id, struct span secret, struct span challenge, uint8_t out[16])
{
	MD5_CTX md;

	MD5_Init(&md);
	MD5_Update(&md, &id, 1);
	MD5_Update(&md, secret.p, secret.len);
	MD5_Update(&md, challenge.p, challenge.len);
	MD5_Final(out, &md);
}

struct span
mschap_user(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] == '\\')
			return span_of(name.p + i + 1, name.len - i - 1);
	return name;
}

/* One character of UTF-8; an octet that starts none stands for itself. */
static uint32_t
utf8_next(struct rd *r)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	const uint8_t first = rd_u8(r);
	const unsigned more = first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 && first < 0xf0 ? 2
									  : first >= 0xc0 && first < 0xe0 ? 1 : 0;
	uint32_t v = more ? first & (0x3fu >> more) : first;

	if (more == 0 || rd_left(r) < more)
		return first;
	for (unsigned i = 0; i < more; i++) {
		if ((r->p[i] & 0xc0) != 0x80)
			return first;
		v = v << 6 | (r->p[i] & 0x3f);
	}
	if (v < least[more] || v > 0x10ffff)
		return first;
	rd_take(r, more);
	return v;
}

static void
put_unit(struct wr *w, uint32_t unit)
{
	wr_u8(w, (uint8_t)unit);
	wr_u8(w, (uint8_t)(unit >> 8));
}

void
mschap_password_hash(struct span password, uint8_t out[16])
{
	uint8_t units[2 * PASSWORD_UNITS + 4];
	struct rd r = rd_of(password.len ? password.p : units, password.len);
	struct wr w = wr_of(units, sizeof units);
	MD4_CTX md;

	while (rd_left(&r) && wr_len(&w) < 2 * PASSWORD_UNITS) {
		uint32_t v = utf8_next(&r);

		if (v >= 0x10000) {
			put_unit(&w, 0xd800 + ((v - 0x10000) >> 10));
			v = 0xdc00 + ((v - 0x10000) & 0x3ff);
		}
		put_unit(&w, v);
	}
	MD4_Init(&md);
	MD4_Update(&md, units, wr_len(&w));
	MD4_Final(out, &md);
	OPENSSL_cleanse(units, sizeof units);
}

void
mschap_challenge_hash(const uint8_t peer[16], const uint8_t authenticator[16], struct span user, uint8_t out[8])
{
	uint8_t digest[SHA_DIGEST_LENGTH];
	SHA_CTX sha;

	SHA1_Init(&sha);
	SHA1_Update(&sha, peer, 16);
	SHA1_Update(&sha, authenticator, 16);
	SHA1_Update(&sha, user.p, user.len);
	SHA1_Final(digest, &sha);
	memcpy(out, digest, 8);
}

/* RFC 2759, 8.6: 56 bits become 64, seven in each octet and room for the parity bit. */
void
mschap_des(const uint8_t clear[8], const uint8_t key[7], uint8_t out[8])
{
	DES_key_schedule schedule;
	DES_cblock spread, in, crypted;

	spread[0] = key[0];
	for (unsigned i = 1; i < 7; i++)
		spread[i] = (uint8_t)(key[i - 1] << (8 - i) | key[i] >> i);
	spread[7] = (uint8_t)(key[6] << 1);
	DES_set_key_unchecked(&spread, &schedule);
	memcpy(in, clear, 8);
	DES_ecb_encrypt(&in, &crypted, &schedule, DES_ENCRYPT);
	memcpy(out, crypted, 8);
	OPENSSL_cleanse(&schedule, sizeof schedule);
}

void
mschap_challenge_response(const uint8_t challenge[8], const uint8_t password_hash[16], uint8_t out[24])
{
	uint8_t key[21] = { 0 };

	memcpy(key, password_hash, 16);
	for (unsigned i = 0; i < 3; i++)
		mschap_des(challenge, key + 7 * i, out + 8 * i);
	OPENSSL_cleanse(key, sizeof key);
}

void
mschap_nt_response(const uint8_t authenticator[16], const uint8_t peer[16], struct span user, struct span password,
		   uint8_t out[24])
{
	uint8_t challenge[8], hash[16];

	mschap_challenge_hash(peer, authenticator, user, challenge);
	mschap_password_hash(password, hash);
	mschap_challenge_response(challenge, hash, out);
}

void
mschap_authenticator_response(const uint8_t authenticator[16], const uint8_t peer[16], const uint8_t nt_response[24],
			      struct span user, struct span password, uint8_t out[20])
{
	static const char magic1[] = "Magic server to client signing constant";
	static const char magic2[] = "Pad to make it do more than one iteration";
	uint8_t hash[16], hash_hash[16], challenge[8];
	MD4_CTX md;
	SHA_CTX sha;

	mschap_password_hash(password, hash);
	MD4_Init(&md);
	MD4_Update(&md, hash, sizeof hash);
	MD4_Final(hash_hash, &md);
	SHA1_Init(&sha);
	SHA1_Update(&sha, hash_hash, sizeof hash_hash);
	SHA1_Update(&sha, nt_response, 24);
	SHA1_Update(&sha, magic1, sizeof magic1 - 1);
	SHA1_Final(out, &sha);
	mschap_challenge_hash(peer, authenticator, user, challenge);
	SHA1_Init(&sha);
	SHA1_Update(&sha, out, 20);
	SHA1_Update(&sha, challenge, sizeof challenge);
	SHA1_Update(&sha, magic2, sizeof magic2 - 1);
	SHA1_Final(out, &sha);
}

/* ---- against a clear-text password */

static bool
verify_pap(struct span response, struct span password)
{
	return response.len == password.len && (password.len == 0 || secret_eq(response.p, password.p, password.len));
}

static bool
verify_md5(uint8_t id, struct span challenge, struct span response, struct span password)
{
	uint8_t expected[16];

	chap_md5(id, password, challenge, expected);
	return response.len == sizeof expected && secret_eq(response.p, expected, sizeof expected);
}

static bool
verify_mschapv2(struct span user, struct span challenge, struct span response, struct span password, uint8_t proof[20])
{
	const uint8_t *peer = response.p, *nt = response.p + 24;
	uint8_t expected[24];

	if (challenge.len != 16 || response.len != MSCHAP_VALUE)
		return false;
	user = mschap_user(user);
	mschap_nt_response(challenge.p, peer, user, password, expected);
	if (!secret_eq(nt, expected, sizeof expected))
		return false;
	mschap_authenticator_response(challenge.p, peer, nt, user, password, proof);
	return true;
}

void
ppp_verify(enum ppp_auth auth, uint8_t id, struct span user, struct span challenge, struct span response,
	   struct span password, struct ppp_auth_result *result)
{
	switch (auth) {
	case PPP_AUTH_PAP:
		result->ok = verify_pap(response, password);
		break;
	case PPP_AUTH_CHAP_MD5:
		result->ok = verify_md5(id, challenge, response, password);
		break;
	case PPP_AUTH_MSCHAPV2:
		result->ok = verify_mschapv2(user, challenge, response, password, result->mschap_proof);
		break;
	default:
		result->ok = false;
	}
}
