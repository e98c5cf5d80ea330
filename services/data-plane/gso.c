// SPDX-License-Identifier: Apache-2.0
/* Cutting large packets.  See gso.h. */
#include "gso.h"

#include <string.h>

#include "ip.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

/* The field at start + offset holds the pseudo header's sum; the device adds the rest. */
static bool
checksum_finish(const struct virtio_net_hdr *h, uint8_t *p, uint32_t len)
{
	uint32_t at = (uint32_t)h->csum_start + h->csum_offset;
	uint16_t sum;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	if (at + 2 > len || h->csum_start >= len)
		return false;
	sum = (uint16_t)~sum_fold(sum_add(0, p + h->csum_start, len - h->csum_start));
	store16(p + at, sum == 0 && h->csum_offset == 6 ? 0xffff : sum); /* UDP: 0 says "none" */
	return true;
}

static bool
open_large(struct gso *g, const struct virtio_net_hdr *h)
{
	uint32_t left;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || h->gso_size == 0 || h->csum_start < 20 ||
	    h->csum_start >= g->len)
		return false;
	if ((g->p[0] >> 4 == 4 && h->csum_start != (g->p[0] & 15u) * 4) ||
	    (g->p[0] >> 4 == 6 && h->csum_start < 40))
		return false;
	left = g->len - h->csum_start;
	g->transport = h->csum_start;
	g->size = h->gso_size;
	if (g->kind == GSO_UDP)
		g->head_len = g->transport + 8u;
	else
		g->head_len =
		    left < 20 ? 0 : g->transport + (uint32_t)(g->p[g->transport + 12] >> 4) * 4;
	if (g->head_len < g->transport + (g->kind == GSO_UDP ? 8u : 20u) || g->head_len >= g->len)
		return false;
	if (g->head_len + g->size > 65535)
		return false;
	g->ip_id = get_u16(g->p + 4);
	return true;
}

bool
gso_open(struct gso *g, const struct virtio_net_hdr *h, uint8_t *p, uint32_t len)
{
	*g = (struct gso){ .p = p, .len = len };
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		g->kind = GSO_WHOLE;
		return checksum_finish(h, p, len);
	case VIRTIO_NET_HDR_GSO_TCPV4:
		g->kind = GSO_TCP;
		return len >= 20 && p[0] >> 4 == 4 && open_large(g, h);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		g->kind = GSO_TCP;
		return len >= 40 && p[0] >> 4 == 6 && open_large(g, h);
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		g->kind = GSO_UDP;
		return len >= 20 && (p[0] >> 4 == 4 || (p[0] >> 4 == 6 && len >= 40)) &&
		       open_large(g, h);
	}
	return false;
}

static uint32_t
part_len(const struct gso *g)
{
	uint32_t left = g->len - g->head_len - g->at;

	return left < g->size ? left : g->size;
}

uint32_t
gso_next_len(const struct gso *g)
{
	return g->kind == GSO_WHOLE || g->at >= g->len - g->head_len ? 0
								     : g->head_len + part_len(g);
}

/* Sum of addresses, length and protocol (RFC 9293, 3.1; RFC 8200, 8.1). */
static uint64_t
pseudo(const uint8_t *ip, uint8_t proto, uint32_t len)
{
	uint8_t tail[4] = { 0, proto, (uint8_t)(len >> 8), (uint8_t)len };
	uint64_t sum = ip[0] >> 4 == 4 ? sum_add(0, ip + 12, 8) : sum_add(0, ip + 8, 32);

	return sum_add(sum, tail, 4);
}

static void
ip_lengths(const struct gso *g, uint8_t *o, uint32_t total)
{
	if (o[0] >> 4 == 6) {
		put_u16(o + 4, (uint16_t)(total - 40));
		return;
	}
	put_u16(o + 2, (uint16_t)total);
	put_u16(o + 4, (uint16_t)(g->ip_id + g->part));
	store16(o + 10, 0);
	store16(o + 10, (uint16_t)~sum_fold(sum_add(0, o, (o[0] & 15u) * 4)));
}

void
gso_next(struct gso *g, uint8_t *o)
{
	uint32_t n = part_len(g), total = g->head_len + n, segment = total - g->transport;
	uint8_t *t = o + g->transport;
	bool last = g->at + n >= g->len - g->head_len;
	uint32_t check = g->kind == GSO_TCP ? 16 : 6;
	uint16_t sum;

	memcpy(o, g->p, g->head_len);
	memcpy(o + g->head_len, g->p + g->head_len + g->at, n);
	ip_lengths(g, o, total);
	if (g->kind == GSO_UDP) {
		put_u16(t + 4, (uint16_t)segment);
	} else {
		put_u32(t + 4, get_u32(t + 4) + g->at);
		if (!last)
			t[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		if (g->part)
			t[13] &= (uint8_t)~TCP_CWR;
	}
	store16(t + check, 0);
	sum = (uint16_t)~sum_fold(
	    sum_add(pseudo(o, g->kind == GSO_TCP ? IP_TCP : IP_UDP, segment), t, segment));
	store16(t + check, sum == 0 && g->kind == GSO_UDP ? 0xffff : sum);
	g->at += n;
	g->part++;
}
