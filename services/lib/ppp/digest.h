// SPDX-License-Identifier: Apache-2.0
/*
 * The digests of CHAP: MD5 (RFC 1994, 4.1) and MS-CHAPv2 (RFC 2759, 8).
 */
#ifndef TWIN_PPP_DIGEST_H
#define TWIN_PPP_DIGEST_H

#include "wire/wire.h"

#define MSCHAP_VALUE 49 /* RFC 2759, 4: peer challenge 16, zero 8, NT response 24, flags 1 */

void chap_md5(uint8_t id, struct span secret, struct span challenge, uint8_t out[16]);

/* RFC 2759, 8.3; the password is UTF-8, octets that are not are taken as Latin-1. */
void mschap_password_hash(struct span password, uint8_t out[16]);

/* RFC 2759, 8.2.  `user` without domain. */
void mschap_challenge_hash(const uint8_t peer[16], const uint8_t authenticator[16], struct span user, uint8_t out[8]);

/* RFC 2759, 8.5 and 8.6. */
void mschap_challenge_response(const uint8_t challenge[8], const uint8_t password_hash[16], uint8_t out[24]);
void mschap_des(const uint8_t clear[8], const uint8_t key[7], uint8_t out[8]);

/* RFC 2759, 8.1: the 24 octets of a Response. */
void mschap_nt_response(const uint8_t authenticator[16], const uint8_t peer[16], struct span user,
			struct span password, uint8_t out[24]);

/* RFC 2759, 8.7: the 20 octets behind "S=". */
void mschap_authenticator_response(const uint8_t authenticator[16], const uint8_t peer[16],
				   const uint8_t nt_response[24], struct span user, struct span password,
				   uint8_t out[20]);

/* What stands behind "DOMAIN\", RFC 2759, 4. */
struct span mschap_user(struct span name);

/* Equal, in a time that says nothing about where they differ. */
bool secret_eq(const void *a, const void *b, size_t len);

#endif
