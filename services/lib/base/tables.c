// SPDX-License-Identifier: Apache-2.0
/* The catalogue schemas/tables.def as data, and the shapes of its keys. */
#include "base/tables.h"

#include "rows.pb-c.h"

static const struct table_info infos[TABLE_MAX] = {
#define X(NUMBER, ID, NAME, OWNER, KEY, ROW, SENTENCE) \
	[NUMBER] = { TABLE_##ID, NAME, SENTENCE, OWNER, KEY, &ROW##__descriptor },
#include "../../../schemas/tables.def"
#undef X
};

const struct table_info *
table_info(unsigned number)
{
	return number < TABLE_MAX && infos[number].name ? &infos[number] : NULL;
}

struct key
key_tunnel(uint16_t tunnel)
{
	struct key k = { .len = 2 };

	put_u16(k.b, tunnel);
	return k;
}

struct key
key_tunnel_ns(uint16_t tunnel, uint16_t ns)
{
	struct key k = { .len = 4 };

	put_u16(k.b, tunnel);
	put_u16(k.b + 2, ns);
	return k;
}

struct key
key_session(uint16_t tunnel, uint16_t session)
{
	return key_tunnel_ns(tunnel, session);
}

struct key
key_trunk(uint16_t tunnel, uint16_t session, uint8_t part, uint16_t cid)
{
	struct key k = key_session(tunnel, session);

	k.b[4] = part;
	put_u16(k.b + 5, cid);
	k.len = 7;
	return k;
}

struct key
key_text(const char *text)
{
	struct key k = { .len = strnlen(text, KEY_MAX) };

	memcpy(k.b, text, k.len);
	return k;
}

struct key
key_text_addr(const char *text, const uint8_t *addr, size_t len)
{
	struct key k = { .len = strnlen(text, KEY_MAX - 17) };

	memcpy(k.b, text, k.len);
	k.b[k.len++] = 0;
	if (len > 16)
		len = 16;
	memcpy(k.b + k.len, addr, len);
	k.len += len;
	return k;
}

bool
key_tunnel_read(struct span k, uint16_t *tunnel)
{
	if (k.len != 2)
		return false;
	*tunnel = get_u16(k.p);
	return true;
}

bool
key_tunnel_ns_read(struct span k, uint16_t *tunnel, uint16_t *ns)
{
	if (k.len != 4)
		return false;
	*tunnel = get_u16(k.p);
	*ns = get_u16(k.p + 2);
	return true;
}

bool
key_session_read(struct span k, uint16_t *tunnel, uint16_t *session)
{
	return key_tunnel_ns_read(k, tunnel, session);
}

bool
key_trunk_read(struct span k, uint16_t *tunnel, uint16_t *session, uint8_t *part, uint16_t *cid)
{
	if (k.len != 7)
		return false;
	*tunnel = get_u16(k.p);
	*session = get_u16(k.p + 2);
	*part = k.p[4];
	*cid = get_u16(k.p + 5);
	return true;
}

bool
table_is_local(unsigned number)
{
	return number == TABLE_COUNTERS || number == TABLE_ALARM || number == TABLE_HISTORY;
}
