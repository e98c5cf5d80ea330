// SPDX-License-Identifier: Apache-2.0
/* The heartbeat's octets (beat.h has the picture): fixed fields, a name, a MAC over all of it. */
#include "beat.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define BEAT_MAGIC_WORD 0x54574842u /* "TWHB" */
#define BEAT_VERSION_NOW 2 /* 1 did not tell its times */

const char *
beat_fault_name(enum beat_fault f)
{
	static const char *const names[BEAT_FAULTS] = {
		[BEAT_OK] = "ok",	   [BEAT_SHORT] = "too-short", [BEAT_MAGIC] = "no-heartbeat",
		[BEAT_VERSION] = "version", [BEAT_FORGED] = "forged",  [BEAT_SHAPE] = "shape",
	};
	return f < BEAT_FAULTS ? names[f] : "?";
}

static void
mac(const uint8_t key[32], const void *p, size_t len, uint8_t out[32])
{
	unsigned n = 32;

	HMAC(EVP_sha256(), key, 32, p, len, out, &n);
}

void
beat_key(const uint8_t secret[32], uint8_t key[32])
{
	static const char label[] = "twinlns heartbeat 1";

	mac(secret, label, sizeof label - 1, key);
}

size_t
beat_write(const struct beat *b, const uint8_t key[32], uint8_t *out, size_t room)
{
	struct wr w = wr_of(out, room > BEAT_MAC ? room - BEAT_MAC : 0);
	uint8_t tag[32];
	size_t name = strnlen(b->node, BEAT_NAME);

	if (name == 0 || name == BEAT_NAME)
		return 0;
	wr_u32(&w, BEAT_MAGIC_WORD);
	wr_u8(&w, BEAT_VERSION_NOW);
	wr_u8(&w, b->side);
	wr_u8(&w, b->role);
	wr_u8(&w, b->path);
	wr_u16(&w, b->flags);
	wr_u64(&w, b->boot);
	wr_u64(&w, b->seq);
	wr_u64(&w, b->echo_boot);
	wr_u64(&w, b->echo_seq);
	wr_u64(&w, b->epoch);
	wr_u64(&w, b->store_epoch);
	wr_u64(&w, b->position);
	wr_u64(&w, b->lineage);
	wr_u64(&w, b->offer_position);
	wr_u32(&w, b->heartbeat_ms);
	wr_u32(&w, b->lease_ms);
	wr_u32(&w, b->dead_ms);
	wr_u8(&w, (uint8_t)name);
	wr_bytes(&w, b->node, name);
	if (!w.ok)
		return 0;
	mac(key, out, wr_len(&w), tag);
	memcpy(out + wr_len(&w), tag, BEAT_MAC);
	return wr_len(&w) + BEAT_MAC;
}

static bool
node_name_read(struct rd *in, char out[BEAT_NAME])
{
	struct span name = rd_span(in, rd_u8(in));

	if (!in->ok || name.len == 0 || name.len >= BEAT_NAME)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == '"' || name.p[i] == '\\')
			return false;
	memcpy(out, name.p, name.len);
	out[name.len] = '\0';
	return true;
}

enum beat_fault
beat_read(struct span in, const uint8_t key[32], struct beat *out)
{
	struct rd r = rd_of(in.p, in.len);
	uint8_t tag[32];

	*out = (struct beat){ 0 };
	if (in.len < 8 + BEAT_MAC || in.len > BEAT_MAX)
		return BEAT_SHORT;
	if (rd_u32(&r) != BEAT_MAGIC_WORD)
		return BEAT_MAGIC;
	mac(key, in.p, in.len - BEAT_MAC, tag);
	if (CRYPTO_memcmp(tag, in.p + in.len - BEAT_MAC, BEAT_MAC) != 0)
		return BEAT_FORGED;
	if (rd_u8(&r) != BEAT_VERSION_NOW)
		return BEAT_VERSION;
	r.end -= BEAT_MAC;
	out->side = rd_u8(&r);
	out->role = rd_u8(&r);
	out->path = rd_u8(&r);
	out->flags = rd_u16(&r);
	out->boot = rd_u64(&r);
	out->seq = rd_u64(&r);
	out->echo_boot = rd_u64(&r);
	out->echo_seq = rd_u64(&r);
	out->epoch = rd_u64(&r);
	out->store_epoch = rd_u64(&r);
	out->position = rd_u64(&r);
	out->lineage = rd_u64(&r);
	out->offer_position = rd_u64(&r);
	out->heartbeat_ms = rd_u32(&r);
	out->lease_ms = rd_u32(&r);
	out->dead_ms = rd_u32(&r);
	if (!node_name_read(&r, out->node))
		return BEAT_SHAPE;
	if (out->side > 1 || out->role >= ELECT_ROLES || out->boot == 0 || out->seq == 0 || out->dead_ms > BEAT_DEAD_MAX)
		return BEAT_SHAPE;
	return BEAT_OK;
}
