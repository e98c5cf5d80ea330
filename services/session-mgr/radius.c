// SPDX-License-Identifier: Apache-2.0
/* The RADIUS codec.  See radius.h; sections are RFC 2865's unless another is named. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the one-shot MD5 costs a tenth of EVP's for our short texts */
#include "radius.h"

#include <openssl/md5.h>
#include <strings.h>

#define TYPE_VENDOR 26
#define MESSAGE_AUTH 80

static const struct rad_attr_info infos[] = {
#define X(VENDOR, TYPE, ID, NAME, KIND, SECTION) { RAD_##ID, NAME, SECTION, RAD_##KIND },
#include "radius_attrs.def"
#undef X
};

static const char *const faults[RAD_FAULTS] = {
	"ok", "short", "bad-length", "bad-attribute", "bad-authenticator", "bad-message-authenticator",
};

const struct rad_attr_info *
rad_attr_info(unsigned id)
{
	for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
		if (infos[i].id == id)
			return &infos[i];
	return NULL;
}

const struct rad_attr_info *
rad_attr_named(const char *name)
{
	for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
		if (strcasecmp(infos[i].name, name) == 0)
			return &infos[i];
	return NULL;
}

const char *
rad_fault_name(enum rad_fault f)
{
	return f < RAD_FAULTS ? faults[f] : "?";
}

/* ---- Digests. */

void
rad_md5(struct span a, struct span b, struct span c, uint8_t out[16])
{
	MD5_CTX m;

	MD5_Init(&m);
	MD5_Update(&m, a.p, a.len);
	MD5_Update(&m, b.p, b.len);
	MD5_Update(&m, c.p, c.len);
	MD5_Final(out, &m);
}

/* RFC 2104, 4: what both ends of the key's digest are, so that the key is digested once and not with each text. */
struct hmac_key {
	uint8_t key[64];
	size_t len; /* SIZE_MAX: none yet */
	MD5_CTX inner, outer;
};

static void
hmac_key_set(struct hmac_key *k, struct span key)
{
	uint8_t pad[64] = { 0 };

	if (key.len > sizeof pad)
		MD5(key.p, key.len, pad);
	else if (key.len)
		memcpy(pad, key.p, key.len);
	k->len = key.len <= sizeof k->key ? key.len : SIZE_MAX; /* a longer one is digested each time */
	if (key.len && key.len <= sizeof k->key)
		memcpy(k->key, key.p, key.len);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36;
	MD5_Init(&k->inner);
	MD5_Update(&k->inner, pad, sizeof pad);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	MD5_Init(&k->outer);
	MD5_Update(&k->outer, pad, sizeof pad);
}

void
rad_hmac_md5(struct span key, struct span text, uint8_t out[16])
{
	static _Thread_local struct hmac_key k = { .len = SIZE_MAX };
	MD5_CTX m;

	if (k.len != key.len || (key.len && memcmp(k.key, key.p, key.len) != 0))
		hmac_key_set(&k, key);
	m = k.inner;
	MD5_Update(&m, text.p, text.len);
	MD5_Final(out, &m);
	m = k.outer;
	MD5_Update(&m, out, 16);
	MD5_Final(out, &m);
}

static bool
same16(const uint8_t *a, const uint8_t *b)
{
	uint8_t diff = 0;

	for (int i = 0; i < 16; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

/* ---- Reading. */

enum rad_fault
rad_read(struct span bytes, struct rad_packet *out)
{
	struct rd in = rd_of(bytes.p, bytes.len), attrs;
	uint16_t len;

	*out = (struct rad_packet){ .code = rd_u8(&in), .id = rd_u8(&in) };
	len = rd_u16(&in);
	out->auth = rd_take(&in, 16);
	if (!in.ok)
		return RAD_SHORT;
	if (len < RAD_HEADER || len > RAD_MAX)
		return RAD_BAD_LENGTH;
	if (len > bytes.len)
		return RAD_SHORT;
	out->whole = span_of(bytes.p, len);
	out->attrs = span_of(bytes.p + RAD_HEADER, len - RAD_HEADER);
	attrs = rd_of(out->attrs.p, out->attrs.len);
	while (rd_left(&attrs)) {
		rd_u8(&attrs);
		len = rd_u8(&attrs);
		if (len < 2)
			return RAD_BAD_ATTRIBUTE;
		rd_take(&attrs, len - 2u);
		if (!attrs.ok)
			return RAD_BAD_ATTRIBUTE;
	}
	return RAD_OK;
}

struct rad_iter
rad_iter(struct span attrs)
{
	return (struct rad_iter){ .in = rd_of(attrs.p, attrs.len) };
}

/* One attribute of the common shape; false: none left, or malformed. */
static bool
tlv(struct rd *in, uint8_t *type, struct span *value)
{
	uint8_t len;

	if (rd_left(in) < 2)
		return false;
	*type = rd_u8(in);
	len = rd_u8(in);
	if (len < 2)
		return false;
	*value = rd_span(in, len - 2u);
	return in->ok;
}

bool
rad_next(struct rad_iter *it, struct rad_attr *out)
{
	uint8_t type;

	for (;;) {
		if (tlv(&it->vendor, &type, &out->value)) {
			out->id = it->vendor_id << 8 | type;
			return true;
		}
		it->vendor = (struct rd){ 0 };
		if (!tlv(&it->in, &type, &out->value))
			return false;
		if (type != TYPE_VENDOR) {
			out->id = type;
			return true;
		}
		if (out->value.len < 4)
			continue;
		it->vendor_id = get_u32(out->value.p);
		/* 5.26: the high octet is 0; and vendor 0 must not pass for the standard attributes. */
		if (it->vendor_id == 0 || it->vendor_id > 0xffffff)
			continue;
		it->vendor = rd_of(out->value.p + 4, out->value.len - 4);
	}
}

bool
rad_prefix6(struct span v, struct ip_prefix *out)
{
	*out = (struct ip_prefix){ .addr.family = 6 };
	if (v.len < 2 || v.len > 18 || v.p[1] > 128)
		return false;
	out->len = v.p[1];
	memcpy(out->addr.b, v.p + 2, v.len - 2);
	if ((v.len - 2) * 8 < out->len)
		return false; /* fewer octets than the prefix has */
	for (unsigned i = 0; i < 128; i++)
		if (i >= out->len)
			out->addr.b[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	return true;
}

/* Offset of the Message-Authenticator's value in the packet; 0: none; SIZE_MAX: one of another length. */
static size_t
find_message_auth(const struct rad_packet *p)
{
	struct rd in = rd_of(p->attrs.p, p->attrs.len);
	struct span v;
	uint8_t type;

	while (tlv(&in, &type, &v))
		if (type == MESSAGE_AUTH)
			return v.len == 16 ? (size_t)(v.p - p->whole.p) : SIZE_MAX;
	return 0;
}

/* RFC 2869, 5.14: HMAC over the packet with `auth` in its authenticator and the value itself zero. */
static void
message_auth(struct span whole, size_t at, const uint8_t *auth, struct span secret, uint8_t out[16])
{
	uint8_t copy[RAD_MAX];

	memcpy(copy, whole.p, whole.len);
	memcpy(copy + 4, auth, 16);
	memset(copy + at, 0, 16);
	rad_hmac_md5(secret, span_of(copy, whole.len), out);
}

static enum rad_fault
check_message_auth(const struct rad_packet *p, const uint8_t *auth, struct span secret)
{
	size_t at = find_message_auth(p);
	uint8_t mac[16];

	if (at == 0)
		return RAD_OK;
	if (at == SIZE_MAX)
		return RAD_BAD_MESSAGE_AUTH;
	message_auth(p->whole, at, auth, secret, mac);
	return same16(mac, p->whole.p + at) ? RAD_OK : RAD_BAD_MESSAGE_AUTH;
}

/* MD5(Code + ID + Length + `auth` + Attributes + Secret): section 3, and RFC 2866, 3. */
static void
packet_auth(struct span whole, const uint8_t *auth, struct span secret, uint8_t out[16])
{
	MD5_CTX m;

	MD5_Init(&m);
	MD5_Update(&m, whole.p, 4);
	MD5_Update(&m, auth, 16);
	MD5_Update(&m, whole.p + RAD_HEADER, whole.len - RAD_HEADER);
	MD5_Update(&m, secret.p, secret.len);
	MD5_Final(out, &m);
}

enum rad_fault
rad_verify_response(const struct rad_packet *p, const uint8_t request_auth[16], struct span secret)
{
	uint8_t auth[16];

	packet_auth(p->whole, request_auth, secret, auth);
	if (!same16(auth, p->auth))
		return RAD_BAD_AUTHENTICATOR;
	return check_message_auth(p, request_auth, secret);
}

enum rad_fault
rad_verify_request(const struct rad_packet *p, struct span secret)
{
	static const uint8_t zeros[16];
	uint8_t auth[16];

	if (p->code != RAD_ACCOUNTING_REQUEST)
		return check_message_auth(p, p->auth, secret);
	packet_auth(p->whole, zeros, secret, auth);
	if (!same16(auth, p->auth))
		return RAD_BAD_AUTHENTICATOR;
	return check_message_auth(p, zeros, secret);
}

/* ---- Writing. */

void
rad_begin(struct rad_writer *r, void *buf, size_t cap, enum rad_code code, uint8_t id, const uint8_t auth[16])
{
	static const uint8_t zeros[16];

	*r = (struct rad_writer){ .w = wr_of(buf, cap < RAD_MAX ? cap : RAD_MAX) };
	wr_u8(&r->w, (uint8_t)code);
	wr_u8(&r->w, id);
	wr_u16(&r->w, 0);
	wr_bytes(&r->w, auth ? auth : zeros, 16);
}

void
rad_put(struct wr *w, enum rad_attr_id id, const void *value, size_t len)
{
	uint32_t vendor = (uint32_t)id >> 8;
	size_t max = vendor ? RAD_VALUE_MAX - 6 : RAD_VALUE_MAX;

	if (len > max)
		len = max;
	if (len == 0)
		return;
	if (vendor) {
		wr_u8(w, TYPE_VENDOR);
		wr_u8(w, (uint8_t)(len + 8));
		wr_u32(w, vendor);
	}
	wr_u8(w, (uint8_t)id);
	wr_u8(w, (uint8_t)(len + 2));
	wr_bytes(w, value, len);
}

void
rad_put_text(struct wr *w, enum rad_attr_id id, const char *text)
{
	rad_put(w, id, text, strlen(text));
}

void
rad_put_u32(struct wr *w, enum rad_attr_id id, uint32_t v)
{
	uint8_t b[4];

	put_u32(b, v);
	rad_put(w, id, b, sizeof b);
}

void
rad_put_tagged_u32(struct wr *w, enum rad_attr_id id, uint8_t tag, uint32_t v)
{
	rad_put_u32(w, id, (uint32_t)tag << 24 | (v & 0xffffff));
}

void
rad_put_tagged_text(struct wr *w, enum rad_attr_id id, uint8_t tag, const char *text)
{
	uint8_t b[RAD_VALUE_MAX];
	size_t n = strnlen(text, sizeof b - 1);

	if (n == 0)
		return;
	b[0] = tag;
	memcpy(b + 1, text, n);
	rad_put(w, id, b, n + 1);
}

void
rad_put_prefix6(struct wr *w, enum rad_attr_id id, const struct ip_prefix *p)
{
	uint8_t b[18] = { 0, p->len };

	memcpy(b + 2, p->addr.b, 16);
	rad_put(w, id, b, sizeof b);
}

/* 5.2: c(i) = p(i) xor MD5(secret + c(i-1)), c(0) being the request authenticator. */
void
rad_put_password(struct rad_writer *r, struct span password, struct span secret)
{
	uint8_t c[128] = { 0 }, mask[16];
	const uint8_t *prev = r->w.start + 4;
	size_t n = password.len < sizeof c ? password.len : sizeof c;
	size_t padded = n ? (n + 15) / 16 * 16 : 16;

	if (n)
		memcpy(c, password.p, n);
	for (size_t i = 0; i < padded; i += 16) {
		rad_md5(secret, span_of(prev, 16), span_of(NULL, 0), mask);
		for (size_t k = 0; k < 16; k++)
			c[i + k] ^= mask[k];
		prev = c + i;
	}
	rad_put(&r->w, RAD_USER_PASSWORD, c, padded);
}

size_t
rad_unhide(struct span hidden, const uint8_t request_auth[16], struct span secret, uint8_t out[128])
{
	const uint8_t *prev = request_auth;
	size_t n = hidden.len < 128 ? hidden.len / 16 * 16 : 128;
	uint8_t mask[16];

	for (size_t i = 0; i < n; i += 16) {
		rad_md5(secret, span_of(prev, 16), span_of(NULL, 0), mask);
		for (size_t k = 0; k < 16; k++)
			out[i + k] = hidden.p[i + k] ^ mask[k];
		prev = hidden.p + i;
	}
	while (n && out[n - 1] == 0)
		n--;
	return n;
}

void
rad_put_message_auth(struct rad_writer *r)
{
	static const uint8_t zeros[16];

	rad_put(&r->w, RAD_MESSAGE_AUTHENTICATOR, zeros, 16);
	r->message_auth = wr_len(&r->w) - 16;
}

struct span
rad_end(struct rad_writer *r, struct span secret, const uint8_t *request_auth)
{
	uint8_t *b = r->w.start, auth[16];
	struct span whole = wr_span(&r->w);

	if (!r->w.ok)
		return span_of(NULL, 0);
	put_u16(b + 2, (uint16_t)whole.len);
	if (request_auth)
		memcpy(b + 4, request_auth, 16);
	if (r->message_auth)
		rad_hmac_md5(secret, whole, b + r->message_auth);
	if (request_auth || b[0] == RAD_ACCOUNTING_REQUEST) {
		packet_auth(whole, b + 4, secret, auth);
		memcpy(b + 4, auth, 16);
	}
	return whole;
}
