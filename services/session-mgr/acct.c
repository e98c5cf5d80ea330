// SPDX-License-Identifier: Apache-2.0
/* Accounting attributes.  See acct.h. */
#include "acct.h"

#include <stdio.h>

#include "radius.h"

#define TAG 1
#define TUNNEL_L2TP 3	/* RFC 2868, 3.1 */
#define FRAMED 2	/* Service-Type, RFC 2865, 5.6 */
#define PPP 1		/* Framed-Protocol, 5.7 */
#define VIRTUAL 5	/* NAS-Port-Type, 5.41 */

static void
put_octets(struct wr *w, enum rad_attr_id low, enum rad_attr_id giga, uint64_t v)
{
	rad_put_u32(w, low, (uint32_t)v);
	if (v >> 32)
		rad_put_u32(w, giga, (uint32_t)(v >> 32));
}

static void
put_usage(struct wr *w, const struct acct_facts *f)
{
	put_octets(w, RAD_ACCT_INPUT_OCTETS, RAD_ACCT_INPUT_GIGAWORDS, f->in_octets);
	put_octets(w, RAD_ACCT_OUTPUT_OCTETS, RAD_ACCT_OUTPUT_GIGAWORDS, f->out_octets);
	rad_put_u32(w, RAD_ACCT_INPUT_PACKETS, (uint32_t)f->in_packets);
	rad_put_u32(w, RAD_ACCT_OUTPUT_PACKETS, (uint32_t)f->out_packets);
	rad_put_u32(w, RAD_ACCT_SESSION_TIME, f->session_time);
}

static void
put_addresses(struct wr *w, const struct acct_facts *f)
{
	uint8_t iid[8];

	if (f->ipv4.len == 4)
		rad_put(w, RAD_FRAMED_IP_ADDRESS, f->ipv4.p, 4);
	if (f->prefix6.addr.family == 6)
		rad_put_prefix6(w, RAD_FRAMED_IPV6_PREFIX, &f->prefix6);
	if (f->delegated.addr.family == 6)
		rad_put_prefix6(w, RAD_DELEGATED_IPV6_PREFIX, &f->delegated);
	if (f->iid) {
		put_u32(iid, (uint32_t)(f->iid >> 32));
		put_u32(iid + 4, (uint32_t)f->iid);
		rad_put(w, RAD_FRAMED_INTERFACE_ID, iid, sizeof iid);
	}
}

/* RFC 2867, 4 and RFC 2868, 3. */
static void
put_tunnel(struct wr *w, const struct acct_facts *f)
{
	char a[ADDR_TEXT], connection[16];

	if (f->client_endpoint.family == 0)
		return;
	rad_put_tagged_u32(w, RAD_TUNNEL_TYPE, TAG, TUNNEL_L2TP);
	rad_put_tagged_u32(w, RAD_TUNNEL_MEDIUM_TYPE, TAG, f->client_endpoint.family == 4 ? 1 : 2);
	rad_put_tagged_text(w, RAD_TUNNEL_CLIENT_ENDPOINT, TAG, ip_addr_text(&f->client_endpoint, a));
	rad_put_tagged_text(w, RAD_TUNNEL_SERVER_ENDPOINT, TAG, ip_addr_text(&f->server_endpoint, a));
	rad_put_tagged_text(w, RAD_TUNNEL_CLIENT_AUTH_ID, TAG, f->client_auth_id ? f->client_auth_id : "");
	rad_put_tagged_text(w, RAD_TUNNEL_SERVER_AUTH_ID, TAG, f->server_auth_id ? f->server_auth_id : "");
	snprintf(connection, sizeof connection, "%u", f->call_serial);
	rad_put_text(w, RAD_ACCT_TUNNEL_CONNECTION, connection);
}

size_t
acct_attrs(const struct acct_facts *f, uint8_t *buf, size_t cap)
{
	struct wr w = wr_of(buf, cap);

	rad_put_u32(&w, RAD_ACCT_STATUS_TYPE, f->kind);
	rad_put_text(&w, RAD_ACCT_SESSION_ID, f->session_id);
	rad_put_text(&w, RAD_USER_NAME, f->user);
	rad_put_u32(&w, RAD_NAS_PORT, (uint32_t)f->tunnel << 16 | f->session);
	rad_put_u32(&w, RAD_NAS_PORT_TYPE, VIRTUAL);
	rad_put_u32(&w, RAD_SERVICE_TYPE, FRAMED);
	rad_put_u32(&w, RAD_FRAMED_PROTOCOL, PPP);
	rad_put_text(&w, RAD_CALLING_STATION_ID, f->calling ? f->calling : "");
	rad_put_text(&w, RAD_CALLED_STATION_ID, f->called ? f->called : "");
	if (f->line.len)
		wr_bytes(&w, f->line.p, f->line.len);
	for (unsigned i = 0; i < f->classes && i < 4; i++)
		rad_put(&w, RAD_CLASS, f->class[i].p, f->class[i].len);
	if (f->authentic)
		rad_put_u32(&w, RAD_ACCT_AUTHENTIC, f->authentic);
	put_addresses(&w, f);
	rad_put_text(&w, RAD_FILTER_ID, f->filter_id ? f->filter_id : "");
	put_tunnel(&w, f);
	rad_put_u32(&w, RAD_EVENT_TIMESTAMP, (uint32_t)f->at);
	if (f->kind != ACCT_START)
		put_usage(&w, f);
	if (f->kind == ACCT_STOP)
		rad_put_u32(&w, RAD_ACCT_TERMINATE_CAUSE, f->terminate);
	return w.ok ? wr_len(&w) : 0;
}
