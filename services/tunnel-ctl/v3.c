// SPDX-License-Identifier: Apache-2.0
/*
 * L2TPv3 beneath the machines: its messages on the wire (RFC 3931, 3.2.1, 4.1), Control Message Authentication (4.3,
 * 5.4.1), requests that offer both versions (4.7.3), and ids wherever a version has them.
 *
 * When is there authentication?  A nonce in SCCRQ or SCCRP says so, and then every message of both ends has a digest
 * under the profile's secret.  Without nonces a digest is an integrity check, under an empty secret: ours go out where
 * the profile says so, the peer's are checked wherever they are.
 *
 *        our nonce   peer's nonce
 *   yes      yes         no         our SCCRQ is out; the SCCRP brings its own nonce with it
 *   yes      yes         yes        from then on
 *   yes      no          yes        a request that we refuse: the peer has never heard of a nonce of ours
 *   no       no          no
 *
 * A peer that wants digests in its SCCRP, where our SCCRQ had no nonce, gets them; our part of the nonces stays empty.
 *
 * While a secret is being changed a profile has two (5.4.1).  Then every message carries a digest by each, in their
 * order, and what has a good one by either is believed.  Values are hidden under the secret of the first digest.
 *
 * What is not believed is dropped before anything in it counts, Ns and Nr included.
 */
#include <string.h>

#include "dialect.h"

/* ---- digests ------------------------------------------------------------------------------ */

/* MD5 must be supported by everyone; it answers a peer that wants digests where we would carry none. */
uint8_t
v3_digests_of(const struct conf_profile *p)
{
	const unsigned all = 1u << L2TP3_HMAC_MD5 | 1u << L2TP3_HMAC_SHA1;

	return (uint8_t)(p->v3.digests & all ? p->v3.digests & all : 1u << L2TP3_HMAC_MD5);
}

static bool
authenticated(const struct tunnel *t)
{
	return t->nonce_len || t->peer_nonce_len;
}

static const char *
secret_of(const struct conf_profile *p, unsigned key)
{
	return key ? p->v3.second_secret : p->secret;
}

/* How many there are: of an empty secret one, since an integrity check has that. */
static uint8_t
keys_of(const struct conf_profile *p, struct l2tp3_keys keys[TC_SECRETS])
{
	uint8_t n = 0;

	while (n < TC_SECRETS && (n == 0 || (p->secret[0] && secret_of(p, n)[0]))) {
		const char *secret = secret_of(p, n);
		if (!l2tp3_keys_of(span_of(secret, strlen(secret)), &keys[n]))
			break;
		n++;
	}
	return n;
}

void
v3_keys(struct tunnel *t)
{
	t->secrets = keys_of(t->prof, t->keys);
}

struct l2tp3_digests
v3_digests(const struct tunnel *t)
{
	struct l2tp3_digests d = { 0 };

	for (uint8_t type = L2TP3_HMAC_MD5; type <= L2TP3_HMAC_SHA1; type++) {
		if (t->digests >> type & 1)
			d.type[d.n++] = type;
	}
	if (d.n && authenticated(t) && t->secrets == TC_SECRETS) {
		d.type[1] = d.type[0];
		d.n = L2TP3_DIGESTS_MAX;
	}
	return d;
}

static struct l2tp3_auth
auth_of(const struct tc *tc, const struct tunnel *t)
{
	return (struct l2tp3_auth){
		.keys = authenticated(t) ? t->keys : &tc->no_keys,
		.n = authenticated(t) ? t->secrets : 1,
		.local = span_of(t->nonce, t->nonce_len),
		.remote = span_of(t->peer_nonce, t->peer_nonce_len),
	};
}

bool
v3_seal(const struct tc *tc, const struct tunnel *t, uint8_t *message, size_t len)
{
	const struct l2tp3_auth auth = auth_of(tc, t);

	return t->digests == 0 || l2tp3_seal(message, len, &auth);
}

static bool
good(struct tc *tc, enum l2tp3_verdict v, bool needed)
{
	if (v == L2TP3_DIGEST_GOOD || (v == L2TP3_NO_DIGEST && !needed))
		return true;
	bump(tc, v == L2TP3_NO_DIGEST ? N_DIGEST_MISSING : N_DIGEST_WRONG);
	return false;
}

/* Of a message on this tunnel: is its digest needed, is it good, and by which key. */
static enum l2tp3_verdict
judge(const struct tc *tc, const struct tunnel *t, struct span octets, bool *needed, struct l2tp3_keys *key)
{
	struct l2tp3_auth auth = auth_of(tc, t);
	struct l2tp3_keys keys[TC_SECRETS] = { 0 };
	enum l2tp3_verdict v;
	unsigned by = 0;

	*needed = authenticated(t);
	if (auth.remote.len == 0 && t->state == CC_WAIT_CTL_REPLY && l2tp3_nonce_peek(octets, &auth.remote) && !*needed) {
		auth.keys = keys;
		auth.n = keys_of(t->prof, keys);
		*needed = true;
	}
	v = l2tp3_digest_check(octets, &auth, &by);
	*key = auth.keys[by];
	return v;
}

bool
v3_authentic(struct tc *tc, const struct tunnel *t, const struct arrival *a)
{
	struct l2tp3_keys key;
	bool needed;
	const enum l2tp3_verdict v = judge(tc, t, a->octets, &needed, &key);

	return good(tc, v, needed);
}

/* An SCCRQ of nobody yet: with a nonce, of somebody who has the profile's secret. */
static bool
authentic_request(struct tc *tc, const struct arrival *a, const struct conf_profile *p, bool has_nonce, unsigned *key)
{
	struct l2tp3_auth auth = { .keys = &tc->no_keys, .n = 1 };
	struct l2tp3_keys keys[TC_SECRETS];

	if (has_nonce && (!p || !p->secret[0]))
		return true; /* there is nothing to check it with: it is refused */
	if (has_nonce) {
		auth.keys = keys;
		auth.n = keys_of(p, keys);
	}
	return good(tc, l2tp3_digest_check(a->octets, &auth, key), has_nonce);
}

/* ---- what the row of a control connection says of it ---------------------------------------- */

/*
 * Control Message Authentication as we begin it (an SCCRQ), or as the peer wants it (`theirs`: what its SCCRQ said).
 * A row that has digests and no nonce is an integrity check.
 */
void
v3_fill_nonce(struct tc *tc, const struct conf_profile *p, const struct l2tp_msg *theirs, Row__Tunnel *row,
	   uint8_t octets[V3_NONCE])
{
	const bool wanted = theirs ? l2tp_msg_has(theirs, AVP_NONCE) : p->v3.digests != 0;

	if (wanted && p->secret[0]) {
		tc->random.fill(tc->random.arg, octets, V3_NONCE);
		row->nonce = (ProtobufCBinaryData){ V3_NONCE, octets };
		row->digests = v3_digests_of(p);
	} else if (p->v3.integrity) {
		row->digests = v3_digests_of(p);
	}
}

/* Of the peer, as L2TPv3 has it; an answer in L2TPv2 to a request in both forms ends all of that. */
void
v3_take_peer(Row__Tunnel *row, const struct l2tp_msg *m)
{
	struct span nonce;

	row->version = m->v3 ? 3 : 0;
	if (!m->v3) {
		row->nonce.len = row->peer_nonce.len = row->digests = 0;
		return;
	}
	row->challenge_sent.len = 0;
	l2tp_msg_u32(m, AVP_ROUTER_ID, &row->peer_router);
	if (l2tp_msg_span(m, AVP_NONCE, &nonce) && nonce.len <= NONCE_MAX)
		row->peer_nonce = (ProtobufCBinaryData){ nonce.len, (uint8_t *)(uintptr_t)nonce.p };
}

/* ---- messages in --------------------------------------------------------------------------- */

/* 6.15: "does not trigger an event for the L2TP protocol state machine". */
static bool
is_ack(struct span avps)
{
	struct rd in = rd_of(avps.p, avps.len);
	const unsigned len = rd_u16(&in) & 0x3ff, vendor = rd_u16(&in), attr = rd_u16(&in);

	return avps.len == 0 ||
	       (len == 8 && vendor == 0 && attr == AVP_MESSAGE_TYPE && rd_u16(&in) == L2TP_ACK && in.ok);
}

static enum l2tp_fault
open3(struct arrival *a, struct span *avps)
{
	enum l2tp_fault fault = l2tp3_hdr_read(a->octets, &a->h, avps);

	if (fault == L2TP_OK && a->h.version != 3)
		fault = L2TP_BAD_VERSION;
	a->id = a->h.connection;
	return fault;
}

static enum l2tp_fault
open2(struct arrival *a, struct span *avps)
{
	enum l2tp_fault fault = l2tp_hdr_read(a->octets, &a->h, avps);

	if (fault == L2TP_OK && (!a->h.control || !a->h.has_len || !a->h.has_seq))
		fault = L2TP_NOT_CONTROL;
	a->id = a->h.tunnel;
	return fault;
}

static uint8_t
version_of(struct span message)
{
	return message.len >= 2 && (message.p[1] & L2TP_VERSION) == 3 ? 3 : 2;
}

bool
v3_open(const struct tc_datagram *in, struct arrival *a, enum l2tp_fault *fault)
{
	struct span avps;
	uint32_t session;

	*a = (struct arrival){ .in = in, .octets = in->octets, .over_ip = in->local.port == 0 };
	*fault = L2TP_NOT_CONTROL;
	if (a->over_ip && l2tp3_split(in->octets, false, &session, &a->octets) != L2TP3_CONTROL)
		return false;
	a->version = a->over_ip ? 3 : version_of(a->octets);
	*fault = a->version == 3 ? open3(a, &avps) : open2(a, &avps);
	a->ack = a->version == 3 ? is_ack(avps) : avps.len == 0;
	return *fault == L2TP_OK;
}

static void
read_with(struct tc *tc, unsigned version, struct span octets, const struct conf_profile *p, unsigned key)
{
	const char *text = p ? secret_of(p, key) : "";
	const struct span secret = span_of(text, strlen(text));
	struct l2tp3_keys keys;

	if (version != 3)
		l2tp_msg_read(octets, secret, &tc->msg);
	else if (secret.len && l2tp3_keys_of(secret, &keys))
		l2tp3_msg_read(octets, span_of(keys.hiding, L2TP3_KEY), &tc->msg);
	else
		l2tp3_msg_read(octets, span_of(NULL, 0), &tc->msg);
}

void
v3_read(struct tc *tc, const struct tunnel *t, struct span octets)
{
	bool proven = t && authenticated(t);
	struct l2tp3_keys key = t ? t->keys[0] : (struct l2tp3_keys){ 0 };

	if (t && version_of(octets) == 3 && (t->secrets == TC_SECRETS || t->state == CC_WAIT_CTL_REPLY))
		judge(tc, t, octets, &proven, &key);
	if (proven && version_of(octets) == 3)
		l2tp3_msg_read(octets, span_of(key.hiding, L2TP3_KEY), &tc->msg);
	else
		read_with(tc, version_of(octets), octets, t ? t->prof : NULL, 0);
}

bool
v3_offered_both(const struct tunnel *t)
{
	return t->version == 2 && t->initiated && !t->recovers && !t->over_ip && t->state == CC_WAIT_CTL_REPLY &&
	       t->prof->version == VERSION_BOTH;
}

/* 4.7.3: Ver is 2, and the AVPs are those of both. */
static bool
offers_both(struct tc *tc, const struct arrival *a, const struct conf_profile *p)
{
	if (a->version != 2 || !p || p->version == VERSION_2)
		return false;
	read_with(tc, 3, a->octets, p, 0);
	return tc->msg.type == L2TP_SCCRQ && l2tp_msg_has(&tc->msg, AVP_ASSIGNED_CONNECTION);
}

bool
v3_request(struct tc *tc, const struct arrival *a, const struct conf_profile *p)
{
	unsigned key = 0;

	if (!offers_both(tc, a, p))
		read_with(tc, a->version, a->octets, p, 0);
	if (!tc->msg.v3)
		return true;
	if (!authentic_request(tc, a, p, l2tp_msg_has(&tc->msg, AVP_NONCE), &key))
		return false;
	if (key)
		read_with(tc, 3, a->octets, p, key);
	return true;
}

/* ---- ids ----------------------------------------------------------------------------------- */

static uint32_t
id_in(const struct l2tp_msg *m, enum l2tp_avp of2, enum l2tp_avp of3)
{
	uint32_t id = 0;
	uint16_t id2 = 0;

	if (m->v3)
		l2tp_msg_u32(m, of3, &id);
	else if (l2tp_msg_u16(m, of2, &id2))
		id = id2;
	return id;
}

uint32_t
message_connection(const struct l2tp_msg *m)
{
	return id_in(m, AVP_ASSIGNED_TUNNEL, AVP_ASSIGNED_CONNECTION);
}

uint32_t
message_assigned(const struct l2tp_msg *m)
{
	return id_in(m, AVP_ASSIGNED_SESSION, AVP_LOCAL_SESSION);
}

uint32_t
message_session(const struct l2tp_msg *m)
{
	uint32_t id = m->v3 ? 0 : m->hdr.session;

	if (m->v3)
		l2tp_msg_u32(m, AVP_REMOTE_SESSION, &id);
	return id;
}
