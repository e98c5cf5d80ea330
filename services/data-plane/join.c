// SPDX-License-Identifier: Apache-2.0
/* Joining packets of one flow.  See join.h. */
#include "join.h"

#include <string.h>

#include "ip.h"

enum { TCP_PSH = 0x08, TCP_ACK = 0x10 };
enum { IP4_DF = 0x4000, IP4_FRAGMENT = 0x3fff };

static bool
is_v4(const uint8_t *p)
{
	return p[0] >> 4 == 4;
}

static uint8_t
protocol(const uint8_t *p)
{
	return is_v4(p) ? p[9] : p[6];
}

/* A whole TCP or UDP packet without anything between the headers: where its payload begins, else 0.
 */
static uint32_t
head_of(const uint8_t *p, uint32_t len, uint32_t *transport)
{
	if (len >= 28 && p[0] == 0x45 && get_u16(p + 2) == len && !(get_u16(p + 6) & IP4_FRAGMENT))
		*transport = 20;
	else if (len >= 48 && p[0] >> 4 == 6 && get_u16(p + 4) + 40u == len)
		*transport = 40;
	else
		return 0;
	if (protocol(p) == IP_UDP)
		return *transport + 8;
	if (protocol(p) != IP_TCP || len < *transport + 20)
		return 0;
	return *transport + (uint32_t)(p[*transport + 12] >> 4) * 4;
}

/* Addresses and ports, which stand next to each other. */
static unsigned
flow_hash(const uint8_t *p, uint32_t transport)
{
	uint64_t h = load32(p + transport);

	for (uint32_t at = transport == 20 ? 12 : 8; at < transport; at += 4)
		h = (h ^ load32(p + at)) * 0x9e3779b97f4a7c15u;
	return (unsigned)(h >> 58) % JOIN_BATCH;
}

static bool
same_flow(const uint8_t *a, const uint8_t *b, uint32_t transport)
{
	uint32_t from = transport == 20 ? 12 : 8;

	return a[0] == b[0] && protocol(a) == protocol(b) &&
	       memcmp(a + from, b + from, transport + 4 - from) == 0;
}

static bool
joinable(const uint8_t *p, uint32_t len, uint32_t transport, uint32_t head)
{
	const uint8_t *t = p + transport;

	if (head <= transport || head >= len || head > JOIN_HEAD)
		return false;
	if (protocol(p) == IP_UDP)
		return get_u16(t + 4) == len - transport && load16(t + 6) != 0;
	return head >= transport + 20 && (t[13] & ~TCP_PSH) == TCP_ACK && (t[12] & 0x0f) == 0;
}

static bool
checksum_right(const uint8_t *p, uint32_t len, uint32_t transport)
{
	uint32_t segment = len - transport;
	uint8_t tail[4] = { 0, protocol(p), (uint8_t)(segment >> 8), (uint8_t)segment };
	uint64_t sum = is_v4(p) ? sum_add(0, p + 12, 8) : sum_add(0, p + 8, 32);

	return sum_fold(sum_add(sum_add(sum, tail, 4), p + transport, segment)) == 0xffff;
}

/* Are the headers those that a cut of the group would give its next packet? */
static bool
continues(const struct join_group *g, const uint8_t *first, const uint8_t *p)
{
	uint32_t t = g->transport;

	if (is_v4(p)) {
		if (first[1] != p[1] || first[8] != p[8] || load16(first + 6) != load16(p + 6) ||
		    (!(get_u16(p + 6) & IP4_DF) &&
		     (uint16_t)(get_u16(first + 4) + g->count) != get_u16(p + 4)))
			return false;
	} else if (load32(first) != load32(p) || first[7] != p[7]) {
		return false;
	}
	if (protocol(p) == IP_UDP)
		return true;
	return first[t + 12] == p[t + 12] &&
	       get_u32(first + t + 4) + (g->octets - g->head) == get_u32(p + t + 4) &&
	       load32(first + t + 8) == load32(p + t + 8) &&
	       load16(first + t + 14) == load16(p + t + 14) &&
	       memcmp(first + t + 18, p + t + 18, g->head - t - 18) == 0;
}

static bool
fits(struct join_group *g, const struct join_packet *in, const struct join_packet *n, uint32_t head)
{
	const struct join_packet *first = &in[g->first];

	if (!g->open || head != g->head || n->len - head > g->size ||
	    g->octets + n->len - head > 65535 || !continues(g, first->p, n->p))
		return false;
	if (!g->verified && !checksum_right(first->p, first->len, g->transport))
		return false;
	g->verified = true;
	return checksum_right(n->p, n->len, g->transport);
}

static bool
pushes(const uint8_t *p, uint32_t transport)
{
	return protocol(p) == IP_TCP && (p[transport + 13] & TCP_PSH);
}

static void
append(struct join *j, struct join_group *g, unsigned i, const struct join_packet *n)
{
	j->next[g->last] = (uint8_t)i;
	g->last = (uint8_t)i;
	g->count++;
	g->octets += n->len - g->head;
	g->open = n->len - g->head == g->size && !pushes(n->p, g->transport);
}

static struct join_group *
begin(struct join *j, unsigned i, const struct join_packet *n)
{
	struct join_group *g = &j->group[j->groups++];

	*g = (struct join_group){
		.first = (uint8_t)i, .last = (uint8_t)i, .count = 1, .octets = n->len
	};
	return g;
}

void
join_sort(struct join *j, const struct join_packet *in, unsigned n)
{
	j->groups = 0;
	memset(j->place, 0, sizeof j->place);
	for (unsigned i = 0; i < n; i++) {
		const struct join_packet *k = &in[i];
		uint32_t transport = 0, head = head_of(k->p, k->len, &transport);
		if (head == 0) { /* it may belong to any flow: none goes on across it */
			memset(j->place, 0, sizeof j->place);
			begin(j, i, k);
			continue;
		}
		uint8_t *place = &j->place[flow_hash(k->p, transport)];
		bool may = joinable(k->p, k->len, transport, head);
		if (*place) {
			struct join_group *g = &j->group[*place - 1];
			if (may && g->transport == transport &&
			    same_flow(in[g->first].p, k->p, transport) && fits(g, in, k, head)) {
				append(j, g, i, k);
				continue;
			}
		}
		struct join_group *g = begin(j, i, k);
		*place = (uint8_t)j->groups;
		g->transport = (uint8_t)transport;
		g->head = (uint8_t)(head <= JOIN_HEAD ? head : 0);
		g->open = may && !pushes(k->p, transport);
		g->size = (uint16_t)(may ? k->len - head : 0);
	}
}

void
join_head(const struct join_group *g, const struct join_packet *in, struct virtio_net_hdr *h,
	  uint8_t head[JOIN_HEAD])
{
	uint32_t segment = g->octets - g->transport;
	uint8_t *t = head + g->transport;
	bool v4, tcp;

	memcpy(head, in[g->first].p, g->head);
	v4 = is_v4(head);
	tcp = protocol(head) == IP_TCP;
	if (v4) {
		put_u16(head + 2, (uint16_t)g->octets);
		store16(head + 10, 0);
		store16(head + 10, (uint16_t)~sum_fold(sum_add(0, head, 20)));
	} else {
		put_u16(head + 4, (uint16_t)(g->octets - 40));
	}
	if (tcp)
		t[13] |= in[g->last].p[g->transport + 13] & TCP_PSH;
	else
		put_u16(t + 4, (uint16_t)segment);
	/* Only the pseudo header's sum: who cuts adds the rest. */
	uint8_t tail[4] = { 0, protocol(head), (uint8_t)(segment >> 8), (uint8_t)segment };
	uint64_t sum = v4 ? sum_add(0, head + 12, 8) : sum_add(0, head + 8, 32);
	store16(t + (tcp ? 16 : 6), sum_fold(sum_add(sum, tail, 4)));
	*h = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = (uint8_t)(!tcp ? VIRTIO_NET_HDR_GSO_UDP_L4
				      : v4 ? VIRTIO_NET_HDR_GSO_TCPV4
					   : VIRTIO_NET_HDR_GSO_TCPV6),
		.hdr_len = g->head,
		.gso_size = g->size,
		.csum_start = g->transport,
		.csum_offset = tcp ? 16 : 6,
	};
}
