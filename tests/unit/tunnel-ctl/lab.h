// SPDX-License-Identifier: Apache-2.0
/*
 * A core under test, with everything around it that a node has: a store, a shadow that gets the same
 * records, and a tape of what went out.  After every step three things must agree, row by row: the core, its
 * shadow, and the store (design, 3).
 */
#ifndef TWIN_TC_LAB_H
#define TWIN_TC_LAB_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "l2tp/chan.h"
#include "l2tp/l2tp3.h"
#include "rows.pb-c.h"
#include "tc.h"

#ifndef LAB_FAIL
#include <check.h>
#define LAB_FAIL(...) ck_abort_msg(__VA_ARGS__)
#endif

/* ---- a store ---------------------------------------------------------------------------------------- */

struct lab_row {
	uint8_t key[KEY_MAX + 1]; /* table, key */
	size_t key_len, len;
	uint8_t *row;
	bool seen;
	UT_hash_handle hh;
};

struct lab_packet {
	struct endpoint local, peer;
	uint8_t bytes[CHAN_MESSAGE_MAX];
	size_t len;
};

#define LAB_PACKETS 4096

struct lab {
	struct sink sink; /* first: the sink is the lab */
	struct conf conf;
	struct tc *tc, *shadow;
	struct lab_row *store;
	mono_t now;
	uint64_t random;
	uint64_t epoch, stale_since;
	unsigned records, effects_in_step, records_in_step;
	bool late_record; /* a record of a tunnel after an effect of the same tunnel, in one step */
	bool unchecked;	  /* no comparison: for measuring */
	uint64_t bad_links; /* link rows that were none, given to the shadow */
	struct lab_packet *out; /* since lab_quiet() */
	unsigned outs;
	char tape[65536];
	struct tc_answer answer;
	uint8_t touched[65536 / 8]; /* tunnels that had effects in this step */
};

static inline void
lab_random(void *arg, void *octets, size_t n)
{
	uint64_t *s = arg;

	for (size_t i = 0; i < n; i++) {
		*s = *s * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)octets)[i] = (uint8_t)(*s >> 56);
	}
}

static inline size_t
lab_key(uint8_t out[KEY_MAX + 1], enum table table, struct span key)
{
	out[0] = (uint8_t)table;
	memcpy(out + 1, key.p, key.len);
	return key.len + 1;
}

static inline struct lab_row *
lab_find(struct lab *l, enum table table, struct span key)
{
	uint8_t k[KEY_MAX + 1];
	size_t n = lab_key(k, table, key);
	struct lab_row *r;

	HASH_FIND(hh, l->store, k, n, r);
	return r;
}

static inline void
lab_store_drop(struct lab *l, struct lab_row *r)
{
	if (!r)
		return;
	HASH_DEL(l->store, r);
	free(r->row);
	free(r);
}

static inline void
lab_store_put(struct lab *l, enum table table, struct span key, const uint8_t *row, size_t len)
{
	struct lab_row *r;

	lab_store_drop(l, lab_find(l, table, key));
	r = calloc(1, sizeof *r);
	r->key_len = lab_key(r->key, table, key);
	r->row = malloc(len + 1);
	memcpy(r->row, row, len);
	r->len = len;
	HASH_ADD_KEYPTR(hh, l->store, r->key, r->key_len, r);
}

/* ---- the sink ------------------------------------------------------------------------------------------- */

static inline void
lab_record(struct sink *s, enum table table, struct span key, const ProtobufCMessage *row)
{
	struct lab *l = (struct lab *)s;
	uint8_t packed[8192];
	size_t len = 0;

	l->records++;
	l->records_in_step++;
	if (row) {
		len = protobuf_c_message_get_packed_size(row);
		if (len > sizeof packed)
			LAB_FAIL("a record of %zu octets", len);
		protobuf_c_message_pack(row, packed);
	}
	if (l->unchecked)
		return;
	uint16_t tunnel = get_u16(key.p); /* every key of ours begins with it */
	if (l->touched[tunnel / 8] >> (tunnel & 7) & 1)
		l->late_record = true;
	if (row)
		lab_store_put(l, table, key, packed, len);
	else
		lab_store_drop(l, lab_find(l, table, key));
	tc_apply(l->shadow, table, key, span_of(packed, len), row == NULL);
}

static inline void
lab_say(struct lab *l, const char *fmt, ...)
{
	size_t used = strlen(l->tape);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->tape + used, sizeof l->tape - used, fmt, ap);
	va_end(ap);
}

/* Reads what went out, of either version, with the secret "secret" or "other".  `octets` without what stands in front
 * over IP. */
static inline enum l2tp_fault
lab_read_message(struct span octets, struct l2tp_msg *m)
{
	static const char *const secrets[] = { "other", "secret" };
	struct l2tp3_keys keys;
	enum l2tp_fault fault = L2TP_OK;

	if (octets.len < 2 || (octets.p[1] & 15) != 3)
		return l2tp_msg_read(octets, span_of("secret", 6), m);
	for (unsigned i = 0; i < 2 && (i == 0 || fault != L2TP_OK); i++) {
		l2tp3_keys_of(span_of(secrets[i], strlen(secrets[i])), &keys);
		fault = l2tp3_msg_read(octets, span_of(keys.hiding, L2TP3_KEY), m);
	}
	return fault;
}

static inline struct span
lab_message(const struct endpoint *local, struct span octets)
{
	return local->port ? octets : span_of(octets.p + 4, octets.len - 4);
}

/* "ICRP 7/100 ns=1 nr=3" and the result code of what has one; of L2TPv3 "ICRP 7 3/4 ns=1 nr=3", with the session ids. */
static inline void
lab_say_message(struct lab *l, struct span bytes)
{
	static struct l2tp_msg m;
	struct l2tp_result r;
	uint32_t to = 0, from = 0;

	if (lab_read_message(bytes, &m) != L2TP_OK)
		LAB_FAIL("sent a message that is none: %s (%s)", l2tp_fault_name(m.trouble.fault), l2tp_msg_name(m.type));
	if (m.v3)
		lab_say(l, "%s %u", l2tp3_msg_name(m.type), m.hdr.connection);
	else
		lab_say(l, "%s %u/%u", l2tp_msg_name(m.type), m.hdr.tunnel, m.hdr.session);
	if (m.v3 && l2tp_msg_u32(&m, AVP_REMOTE_SESSION, &to) && l2tp_msg_u32(&m, AVP_LOCAL_SESSION, &from))
		lab_say(l, " %u/%u", to, from);
	lab_say(l, " ns=%u nr=%u", m.hdr.ns, m.hdr.nr);
	if (l2tp_msg_result(&m, &r))
		lab_say(l, " result=%u error=%u", r.result, r.error);
	lab_say(l, "\n");
}

static inline void
lab_effect(struct sink *s, const struct effect *e)
{
	struct lab *l = (struct lab *)s;

	l->effects_in_step++;
	if (l->unchecked)
		return;
	if (e->kind != EFFECT_CONTROL || e->bytes.len > CHAN_MESSAGE_MAX)
		LAB_FAIL("an effect of kind %d, %zu octets", e->kind, e->bytes.len);
	l->touched[e->tunnel / 8] |= (uint8_t)(1u << (e->tunnel & 7));
	lab_say_message(l, lab_message(&e->local, e->bytes));
	if (l->outs == LAB_PACKETS)
		LAB_FAIL("more than %u packets in a test", LAB_PACKETS);
	struct lab_packet *p = &l->out[l->outs++];
	p->local = e->local;
	p->peer = e->peer;
	p->len = e->bytes.len;
	memcpy(p->bytes, e->bytes.p, e->bytes.len);
}

static inline void
lab_note(struct sink *s, enum note_level level, const char *line)
{
	if (getenv("LAB_NOTES"))
		fprintf(stderr, "%d %s\n", level, line);
}

/* ---- agreement -------------------------------------------------------------------------------------------- */

struct lab_compare {
	struct lab *l;
	const char *who;
	unsigned rows;
};

static inline void
lab_compare_row(void *arg, enum table table, struct span key, struct span row)
{
	struct lab_compare *c = arg;
	struct lab_row *r = lab_find(c->l, table, key);

	c->rows++;
	if (!r)
		LAB_FAIL("%s has a row of table %d that the store has not", c->who, table);
	else if (!span_eq(span_of(r->row, r->len), row))
		LAB_FAIL("%s and the store differ in a row of table %d, tunnel %u", c->who, table, get_u16(key.p));
}

static inline void
lab_agree(struct lab *l, struct tc *tc, const char *who)
{
	struct lab_compare c = { .l = l, .who = who };

	tc_each_row(tc, lab_compare_row, &c);
	if (c.rows != HASH_COUNT(l->store))
		LAB_FAIL("%s has %u rows, the store %u", who, c.rows, HASH_COUNT(l->store));
}

static inline uint64_t
lab_bad_rows(const struct tc *tc)
{
	const struct counters *c = tc_counters(tc);

	for (unsigned i = 0; i < c->n; i++) {
		if (strcmp(c->info[i].name, "ROWS_BAD") == 0)
			return c->v[i];
	}
	return 0;
}

static inline uint64_t
lab_count(const struct lab *l, const char *name)
{
	for (unsigned s = 0; s < TC_COUNTER_SETS; s++) {
		const struct counters *c = &tc_counters(l->tc)[s];
		for (unsigned i = 0; i < c->n; i++) {
			if (strcmp(c->info[i].name, name) == 0)
				return c->v[i];
		}
	}
	LAB_FAIL("no counter %s", name);
	return 0;
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static inline void
lab_step(struct lab *l, const struct tc_event *ev)
{
	l->effects_in_step = l->records_in_step = 0;
	l->late_record = false;
	memset(l->touched, 0, sizeof l->touched);
	tc_step(l->tc, l->now, ev, &l->sink);
	if (l->unchecked)
		return;
	if (l->late_record)
		LAB_FAIL("a record came after the effect that reveals it");
	lab_agree(l, l->tc, "the core");
	lab_agree(l, l->shadow, "the shadow");
	if (lab_bad_rows(l->shadow) != l->bad_links)
		LAB_FAIL("the shadow did not take a row");
}

static inline void
lab_datagrams(struct lab *l, const struct tc_datagram *in, unsigned n)
{
	struct tc_event ev = { .kind = TC_DATAGRAMS, .wall_s = 1700000000, .datagrams = { in, n } };

	lab_step(l, &ev);
}

static inline void
lab_take(struct lab *l, struct endpoint peer, struct endpoint local, struct span octets)
{
	struct tc_datagram in = { peer, local, octets };

	lab_datagrams(l, &in, 1);
}

/* Time passes; every deadline up to then is served. */
static inline void
lab_wait(struct lab *l, mono_t span)
{
	mono_t until = l->now + span, due;
	struct tc_event ev = { .kind = TC_TICK, .wall_s = 1700000000 };

	for (unsigned i = 0; (due = tc_next_due(l->tc)) != MONO_NEVER && due <= until; i++) {
		if (i > 100000)
			LAB_FAIL("the core asks for ticks without end");
		if (due > l->now)
			l->now = due;
		lab_step(l, &ev);
	}
	l->now = until;
}

static inline bool
lab_command(struct lab *l, const char *line)
{
	char copy[512];
	const char *words[32];
	unsigned n = 0;
	struct tc_event ev = { .kind = TC_COMMAND, .wall_s = 1700000000 };

	snprintf(copy, sizeof copy, "%s", line);
	for (char *w = strtok(copy, " "); w && n < 32; w = strtok(NULL, " "))
		words[n++] = w;
	ev.command.words = words;
	ev.command.n = n;
	ev.command.answer = &l->answer;
	lab_step(l, &ev);
	return l->answer.ok;
}

static inline void
lab_link(struct lab *l, uint16_t tunnel, uint16_t session, const Row__Link *row)
{
	struct key k = key_session(tunnel, session);
	uint8_t packed[1024];
	struct tc_event ev = { .kind = TC_ROW, .wall_s = 1700000000 };

	ev.row.table = TABLE_LINK;
	ev.row.key = key_span(&k);
	ev.row.removed = row == NULL;
	if (row)
		ev.row.row = span_of(packed, row__link__pack(row, packed));
	tc_step(l->shadow, l->now, &ev, NULL);
	lab_step(l, &ev);
}

static inline void
lab_quiet(struct lab *l)
{
	l->outs = 0;
	l->tape[0] = 0;
}

/* What went out since the last time. */
static inline const char *
lab_tape(struct lab *l)
{
	static char copy[sizeof l->tape];

	memcpy(copy, l->tape, sizeof copy);
	lab_quiet(l);
	return copy;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static inline void
lab_conf(struct conf *c)
{
	memset(c, 0, sizeof *c);
	snprintf(c->node.name, sizeof c->node.name, "lab");
	c->data.listen[0] = (struct endpoint){ .addr = { .family = 4, .b = { 192, 0, 2, 1 } }, .port = 1701 };
	c->data.listens = 1;
	c->profiles = 1;
	c->profile[0] = (struct conf_profile){
		.name = "any", .roles = ROLE_LNS, .local_host_name = "lns", .window = 16, .hello_ms = 60000,
		.rtx_initial_ms = 1000, .rtx_cap_ms = 8000, .rtx_tries = 5, .setup_ms = 60000,
	};
}

/* `conf` set up before: lab_conf(&l->conf) and changes to it. */
static inline void
lab_start(struct lab *l, uint64_t seed)
{
	struct tc_random r = { lab_random, &l->random };

	l->random = seed;
	l->sink = (struct sink){ lab_record, lab_effect, lab_note };
	l->now = 1000 * MONO_S;
	l->out = calloc(LAB_PACKETS, sizeof *l->out);
	l->tc = tc_new(&l->conf, &r);
	l->shadow = tc_new(&l->conf, &r);
	tc_note_level(l->tc, NOTE_DEBUG);
	tc_term(l->tc, ++l->epoch, 0);
	tc_activate(l->tc, l->now);
}

static inline struct lab *
lab_new(void)
{
	struct lab *l = calloc(1, sizeof *l);

	lab_conf(&l->conf);
	return l;
}

/* A core that has read the store. */
static inline struct tc *
lab_read(struct lab *l)
{
	static const enum table order[] = { TABLE_TUNNEL, TABLE_TUNNEL_SEQ, TABLE_TUNNEL_OUT, TABLE_CALL, TABLE_CALL_INFO, TABLE_DRAIN };
	struct tc_random r = { lab_random, &l->random };
	struct tc *tc = tc_new(&l->conf, &r);
	struct lab_row *row, *next;

	tc_note_level(tc, NOTE_DEBUG);
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
		HASH_ITER(hh, l->store, row, next) {
			if (row->key[0] == order[i])
				tc_apply(tc, order[i], span_of(row->key + 1, row->key_len - 1),
				    span_of(row->row, row->len), false);
		}
	}
	return tc;
}

/* The active dies; its shadow takes over, and gets a shadow of its own from the store. */
static inline void
lab_promote(struct lab *l)
{
	tc_free(l->tc);
	l->tc = l->shadow;
	tc_note_level(l->tc, NOTE_DEBUG);
	tc_term(l->tc, ++l->epoch, l->stale_since);
	tc_activate(l->tc, l->now);
	l->bad_links = 0;
	l->shadow = lab_read(l);
	lab_agree(l, l->shadow, "the restarted shadow");
}

/* Only the process is killed: it reads the store and goes on in the same epoch. */
static inline void
lab_restart(struct lab *l)
{
	tc_free(l->tc);
	tc_free(l->shadow);
	l->tc = lab_read(l);
	l->shadow = lab_read(l);
	l->bad_links = 0;
	tc_term(l->tc, l->epoch, l->stale_since);
	tc_activate(l->tc, l->now);
}

/* A copy of the store, as a disk may have it after a power cut that comes later. */
static inline struct lab_row *
lab_disk(const struct lab *l)
{
	struct lab_row *copy = NULL, *r, *next;

	HASH_ITER(hh, l->store, r, next) {
		struct lab_row *c = calloc(1, sizeof *c);
		memcpy(c->key, r->key, sizeof c->key);
		c->key_len = r->key_len;
		c->len = r->len;
		c->row = malloc(r->len + 1);
		memcpy(c->row, r->row, r->len);
		HASH_ADD_KEYPTR(hh, copy, c->key, c->key_len, c);
	}
	return copy;
}

/* Everything was down, and starts from the store, or from an older copy of it, in an epoch that begins stale. */
static inline void
lab_cold(struct lab *l, struct lab_row *disk)
{
	struct lab_row *r, *next;

	if (disk) {
		HASH_ITER(hh, l->store, r, next)
			lab_store_drop(l, r);
		l->store = disk;
	}
	lab_quiet(l);
	l->stale_since = l->epoch + 1;
	l->epoch++;
	lab_restart(l);
}

static inline void
lab_free(struct lab *l)
{
	struct lab_row *r, *next;

	if (!l)
		return;
	tc_free(l->tc);
	tc_free(l->shadow);
	HASH_ITER(hh, l->store, r, next)
		lab_store_drop(l, r);
	free(l->out);
	free(l);
}

/* ---- a peer made of single messages ----------------------------------------------------------------------------------- */

struct peer {
	struct lab *l;
	struct endpoint at, to;
	uint16_t id;	 /* its tunnel id */
	uint16_t tunnel; /* ours, once it knows */
	uint16_t ns, nr;
	uint8_t octets[2048];
	struct wr w;
	struct l2tp_wr m;
};

static inline struct peer
peer_new(struct lab *l, uint8_t host, uint16_t id)
{
	return (struct peer){
		.l = l,
		.at = { .addr = { .family = 4, .b = { 198, 51, 100, host } }, .port = 1701 },
		.to = l->conf.data.listen[0],
		.id = id,
	};
}

/* Takes what our side sent last: the peer's Nr, and its tunnel id from an SCCRP or SCCRQ. */
static inline void
peer_listen(struct peer *p)
{
	static struct l2tp_msg m;
	uint16_t id;

	for (unsigned i = 0; i < p->l->outs; i++) {
		const struct lab_packet *o = &p->l->out[i];
		if (!endpoint_eq(&o->peer, &p->at) ||
		    l2tp_msg_read(span_of(o->bytes, o->len), span_of("secret", 6), &m) != L2TP_OK)
			continue;
		if (m.type != L2TP_ZLB && m.hdr.ns == p->nr)
			p->nr++;
		if ((m.type == L2TP_SCCRP || m.type == L2TP_SCCRQ) && l2tp_msg_u16(&m, AVP_ASSIGNED_TUNNEL, &id))
			p->tunnel = id;
	}
}

static inline struct l2tp_wr *
peer_begin(struct peer *p, enum l2tp_type type, uint16_t session)
{
	peer_listen(p);
	p->w = wr_of(p->octets, sizeof p->octets);
	l2tp_msg_begin(&p->m, &p->w, type, p->tunnel, session);
	return &p->m;
}

static inline void
peer_again(struct peer *p)
{
	lab_take(p->l, p->at, p->to, wr_span(&p->w));
}

static inline void
peer_end(struct peer *p)
{
	if (!l2tp_msg_end(&p->m, p->ns++, p->nr))
		LAB_FAIL("the test's own message is bad");
	peer_again(p);
}

static inline void
peer_zlb(struct peer *p)
{
	peer_listen(p);
	p->w = wr_of(p->octets, sizeof p->octets);
	l2tp_zlb_write(&p->w, p->tunnel, p->ns, p->nr);
	peer_again(p);
}

static inline struct l2tp_wr *
peer_sccrq_begin(struct peer *p)
{
	struct l2tp_wr *m = peer_begin(p, L2TP_SCCRQ, 0);

	l2tp_avp_u16(m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_avp_text(m, AVP_HOST_NAME, "lac1");
	l2tp_avp_u32(m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_avp_u32(m, AVP_BEARER_CAPABILITIES, 3);
	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, p->id);
	return m;
}

static inline void
peer_sccrq(struct peer *p)
{
	peer_sccrq_begin(p);
	peer_end(p);
}

static inline void
peer_simple(struct peer *p, enum l2tp_type type)
{
	peer_begin(p, type, 0);
	peer_end(p);
}

/* A tunnel, established. */
static inline void
peer_up(struct peer *p)
{
	peer_sccrq(p);
	peer_simple(p, L2TP_SCCCN);
	lab_quiet(p->l);
}

/* The same with a peer that can recover (RFC 4951). */
static inline void
peer_up_capable(struct peer *p)
{
	struct l2tp_wr *m = peer_sccrq_begin(p);

	l2tp_avp_failover(m, &(struct l2tp_failover){ .control = true, .data = true, .recovery_ms = 20000 });
	peer_end(p);
	peer_simple(p, L2TP_SCCCN);
	lab_quiet(p->l);
}

static inline void
peer_icrq(struct peer *p, uint16_t session)
{
	struct l2tp_wr *m = peer_begin(p, L2TP_ICRQ, 0);

	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, session);
	l2tp_avp_u32(m, AVP_CALL_SERIAL, 4711);
	l2tp_avp_text(m, AVP_CALLED_NUMBER, "5551000");
	l2tp_avp_text(m, AVP_CALLING_NUMBER, "5552000");
	peer_end(p);
}

static inline void
peer_iccn(struct peer *p, uint16_t session)
{
	struct l2tp_wr *m = peer_begin(p, L2TP_ICCN, session);

	l2tp_avp_u32(m, AVP_TX_CONNECT_SPEED, 10000000);
	l2tp_avp_u32(m, AVP_FRAMING_TYPE, 1);
	peer_end(p);
}

/* The id that the last ICRP, OCRP, ICRQ or OCRQ named. */
static inline uint16_t
peer_session(struct peer *p)
{
	static struct l2tp_msg m;
	uint16_t id = 0;

	for (unsigned i = 0; i < p->l->outs; i++) {
		const struct lab_packet *o = &p->l->out[i];
		if (endpoint_eq(&o->peer, &p->at) &&
		    l2tp_msg_read(span_of(o->bytes, o->len), span_of("secret", 6), &m) == L2TP_OK && m.type != L2TP_CDN)
			l2tp_msg_u16(&m, AVP_ASSIGNED_SESSION, &id);
	}
	return id;
}

static inline uint16_t
peer_call(struct peer *p, uint16_t session)
{
	uint16_t ours;

	peer_icrq(p, session);
	ours = peer_session(p);
	peer_iccn(p, ours);
	lab_quiet(p->l);
	return ours;
}

static inline void
peer_stopccn(struct peer *p, uint16_t result, uint16_t error)
{
	struct l2tp_wr *m = peer_begin(p, L2TP_STOPCCN, 0);

	l2tp_avp_u16(m, AVP_ASSIGNED_TUNNEL, p->id);
	l2tp_avp_result(m, result, error, "");
	peer_end(p);
}

static inline void
peer_cdn(struct peer *p, uint16_t header_session, uint16_t own, uint16_t result, uint16_t error)
{
	struct l2tp_wr *m = peer_begin(p, L2TP_CDN, header_session);

	l2tp_avp_result(m, result, error, "");
	l2tp_avp_u16(m, AVP_ASSIGNED_SESSION, own);
	peer_end(p);
}

/* A row of the store, unpacked with malloc; NULL: none. */
static inline Row__Tunnel *
lab_tunnel(struct lab *l, uint16_t id)
{
	struct key k = key_tunnel(id);
	struct lab_row *r = lab_find(l, TABLE_TUNNEL, key_span(&k));

	return r ? row__tunnel__unpack(NULL, r->len, r->row) : NULL;
}

static inline unsigned
lab_rows(struct lab *l, enum table table)
{
	struct lab_row *r, *next;
	unsigned n = 0;

	HASH_ITER(hh, l->store, r, next)
		n += r->key[0] == table;
	return n;
}

#endif
