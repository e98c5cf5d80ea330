// SPDX-License-Identifier: Apache-2.0
/*
 * What may enter the store: a record names a table of the catalogue, its key has the table's shape, and
 * whoever sends it owns the table.  Rows are not opened here; who reads them must stand anything.
 *
 * A record of the twin may name a table that we do not know (a newer twin): it is let through, and
 * skipped where rows are written.  What may never come from outside is a table of state-sync's own.
 */
#include "sync_impl.h"

int
sync_owner_of(struct span who)
{
	static const struct {
		const char *name;
		bool prefix;
		enum table_owner owner;
	} names[] = {
		{ "tunnel-ctl", false, OWNER_TUNNEL_CTL },
		{ "session-mgr", false, OWNER_SESSION_MGR },
		{ "worker.", true, OWNER_WORKER },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t n = strlen(names[i].name);
		if (who.len < n || memcmp(who.p, names[i].name, n) != 0)
			continue;
		if (names[i].prefix ? who.len > n : who.len == n)
			return names[i].owner;
	}
	return -1;
}

static bool
key_fits(enum table_key shape, struct span key)
{
	switch (shape) {
	case KEY_NONE:
		return key.len == 0;
	case KEY_TUNNEL:
		return key.len == 2;
	case KEY_TUNNEL_NS:
	case KEY_SESSION:
		return key.len == 4;
	case KEY_TRUNK:
		return key.len == 7;
	case KEY_TEXT:
		return key.len >= 1 && key.len <= KEY_MAX;
	case KEY_TEXT_ADDR:
		return key.len >= 2 && key.len <= KEY_MAX && memchr(key.p, 0, key.len);
	}
	return false;
}

static enum sync_check
check_record(const struct record *r, int owner, bool skip_unknown)
{
	const struct table_info *t = table_info(r->table);

	if (!t)
		return skip_unknown ? SYNC_CHECK_OK : SYNC_CHECK_SHAPE;
	if (owner >= 0 ? (int)t->owner != owner : t->owner == OWNER_STATE_SYNC)
		return SYNC_CHECK_FOREIGN;
	return key_fits(t->key, r->key) ? SYNC_CHECK_OK : SYNC_CHECK_SHAPE;
}

static enum sync_check
check_all(struct records in, int owner, bool skip_unknown)
{
	enum sync_check c = SYNC_CHECK_OK;
	struct record r;

	while (c == SYNC_CHECK_OK && records_next(&in, &r))
		c = check_record(&r, owner, skip_unknown);
	return c;
}

enum sync_check
sync_check_frame(struct records *in, int owner)
{
	if (owner < 0)
		return SYNC_CHECK_FOREIGN;
	return check_all(*in, owner, false);
}

enum sync_check
sync_check_mirrored(struct span frame, bool page)
{
	struct records in;
	int owner;

	if (!records_open(frame, &in))
		return SYNC_CHECK_SHAPE;
	owner = page ? -1 : sync_owner_of(in.owner);
	if (!page && owner < 0)
		return SYNC_CHECK_FOREIGN;
	return check_all(in, owner, true);
}

enum sync_check
sync_check_local(struct span frame)
{
	struct records in;
	struct record r;

	if (!records_open(frame, &in))
		return SYNC_CHECK_SHAPE;
	while (records_next(&in, &r)) {
		if (!table_is_local(r.table))
			return SYNC_CHECK_FOREIGN;
		if (!key_fits(KEY_TEXT, r.key))
			return SYNC_CHECK_SHAPE;
	}
	return SYNC_CHECK_OK;
}
