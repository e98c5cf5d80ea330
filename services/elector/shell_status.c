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
real_ms(json_t *o, const char *key, mono_t t)
{
	json_object_set_new(o, key, json_real((double)t / MONO_MS));
}

static void
truth(json_t *o, const char *key, bool v)
{
	json_object_set_new(o, key, json_boolean(v));
}

static void
text(json_t *o, const char *key, const char *v)
{
	json_object_set_new(o, key, json_string(v));
}

static json_t *
twin_part(const struct elect *e, mono_t now)
{
	json_t *o = json_object();

	truth(o, "heard", elect_twin_heard(e, now));
	if (!e->heard)
		return o;
	text(o, "node", e->twin.node);
	text(o, "role", elect_role_name(e->twin.role));
	number(o, "epoch", e->twin.epoch);
	number(o, "position", e->twin.position);
	truth(o, "ready", e->twin.flags & BEAT_READY);
	truth(o, "goodbye", e->goodbye);
	real_ms(o, "silent-ms", now - e->heard);
	return o;
}

static json_t *
paths_part(const struct shell *sh, mono_t now)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < sh->core.conf.paths; i++) {
		const struct elect_path *p = &sh->core.path[i];
		json_t *o = json_object();
		text(o, "path", sh->pair.path[i].name);
		truth(o, "up", p->heard && now - p->heard < 10 * sh->core.conf.dead);
		if (p->heard)
			real_ms(o, "silent-ms", now - p->heard);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
changes_part(const struct elect *e, mono_t now)
{
	unsigned n = e->changes < ELECT_HISTORY ? e->changes : ELECT_HISTORY;
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++) {
		const struct elect_change *c = &e->history[(e->changes - 1 - i) % ELECT_HISTORY];
		json_t *o = json_object();
		text(o, "role", elect_role_name(c->role));
		number(o, "epoch", c->epoch);
		text(o, "cause", c->cause);
		real_ms(o, "ago-ms", now - c->at);
		if (c->took)
			real_ms(o, "took-ms", c->took);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
alarms_part(const struct shell *sh)
{
	json_t *list = json_array();

	for (unsigned a = 0; a < ELECT_ALARMS; a++)
		if (sh->alarm_since[a])
			json_array_append_new(list, json_string(elect_alarm_info[a].name));
	return list;
}

char *
status_json(const struct shell *sh, mono_t now)
{
	const struct elect *e = &sh->core;
	json_t *o = json_object();
	char *out;

	text(o, "node", sh->node.name);
	text(o, "role", elect_role_name(e->role));
	number(o, "epoch", e->epoch);
	number(o, "side", e->conf.side);
	truth(o, "pair", e->conf.pair);
	text(o, "policy", e->conf.policy == POLICY_PREFER_SAFETY ? "prefer-safety" : "prefer-service");
	truth(o, "lease", elect_holds_lease(e, now));
	real_ms(o, "lease-left-ms", elect_holds_lease(e, now) ? e->until - now : 0);
	truth(o, "addresses", e->holding);
	/* active: the twin holds everything.  standby: this node does, as far as both ends know */
	truth(o, "mirrored", e->role == ELECT_ACTIVE ? e->whole : (e->twin.flags & BEAT_WHOLE) && e->status.mirrored);
	truth(o, "state-sync", elect_sync_up(e, now));
	truth(o, "store-ready", e->status.ready);
	number(o, "position", e->status.position);
	if (now < e->grant_until)
		real_ms(o, "granted-ms", e->grant_until - now);
	if (now < e->deny_until)
		real_ms(o, "denied-ms", e->deny_until - now);
	json_object_set_new(o, "twin", twin_part(e, now));
	json_object_set_new(o, "paths", paths_part(sh, now));
	json_object_set_new(o, "changes", changes_part(e, now));
	json_object_set_new(o, "alarms", alarms_part(sh));
	out = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return out;
}
