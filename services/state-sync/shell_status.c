// SPDX-License-Identifier: Apache-2.0
/* What `status` answers, for programs. */
#include <jansson.h>

#include "shell.h"

static void
number(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void
text(json_t *o, const char *key, const char *v)
{
	json_object_set_new(o, key, json_string(v));
}

/* How long from a record's arrival to the twin's acknowledgement. */
static json_t *
lag_part(const struct shell *sh)
{
	struct sync_lag both = lag_of_late(sh);
	json_t *o = json_object();

	number(o, "transactions", both.n);
	number(o, "p50_us", (uint64_t)(sync_lag_at(&both, 0.5) / MONO_US));
	number(o, "p99_us", (uint64_t)(sync_lag_at(&both, 0.99) / MONO_US));
	return o;
}

static json_t *
clients_part(const struct sync *s)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->clients; i++) {
		const struct sync_client *c = &s->client[i];
		if (!c->used)
			continue;
		json_array_append_new(list, json_pack("{s:s, s:b, s:I, s:I}", "who", c->who, "welcomed", c->welcomed,
						      "submitted", (json_int_t)(c->next_seq - 1), "committed",
						      (json_int_t)c->committed));
	}
	return list;
}

static json_t *
twin_part(const struct sync *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "connected", json_boolean(s->link));
	json_object_set_new(o, "session", json_boolean(s->session_live));
	json_object_set_new(o, "snapshot", json_boolean(s->snapping));
	text(o, "node", s->twin_node);
	number(o, "acknowledged", s->acked);
	number(o, "pages", s->page);
	return o;
}

char *
status_json(const struct shell *sh)
{
	static const char *const roles[] = { "unknown", "standby", "active" };
	const struct sync *s = &sh->core;
	uint64_t used = 0, map = 0;
	json_t *o = json_object();
	char *out;

	store_usage(sh->store, &used, &map);
	text(o, "role", roles[s->role]);
	text(o, "mirror", sync_mirror_name(sync_mirror_mode(s)));
	number(o, "epoch", s->role == SYNC_R_ACTIVE ? s->meta.epoch : s->order_epoch);
	number(o, "position", s->meta.position);
	json_object_set_new(o, "lineage", json_sprintf("%016llx", (unsigned long long)s->meta.lineage));
	json_object_set_new(o, "complete", json_boolean(s->meta.complete));
	number(o, "records", s->count[SYNC_C_RECORDS_IN]);
	number(o, "transactions", s->count[SYNC_C_TXN]);
	number(o, "released", s->released);
	number(o, "on-disk", s->on_disk);
	number(o, "pending", s->pending_count);
	number(o, "log-octets", s->log_octets);
	number(o, "store-octets", used);
	number(o, "store-map", map);
	json_object_set_new(o, "lag", lag_part(sh));
	json_object_set_new(o, "twin", twin_part(s));
	json_object_set_new(o, "processes", clients_part(s));
	out = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return out;
}
