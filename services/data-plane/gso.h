// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel leaves to the device behind a TUN with IFF_VNET_HDR: checksums, and cutting a
 * large TCP or UDP packet into those that travel (virtio 1.2, 5.1.6).  Pure; the description is not
 * trusted.
 */
#ifndef TWIN_GSO_H
#define TWIN_GSO_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

struct gso {
	const uint8_t *p;
	uint32_t len, head_len; /* of IP and transport headers */
	uint32_t at;		/* payload cut so far */
	uint16_t size, transport, ip_id;
	uint8_t kind;
	unsigned part;
};

enum { GSO_WHOLE, GSO_TCP, GSO_UDP };

/*
 * Opens the packet p[0..len) that came with `h`.  GSO_WHOLE packets have their checksum filled in,
 * in place, and are ready.  False: the description does not fit the packet.
 */
bool gso_open(struct gso *, const struct virtio_net_hdr *h, uint8_t *p, uint32_t len);
/* Octets of the next part of a GSO_TCP or GSO_UDP packet; 0: no more. */
uint32_t gso_next_len(const struct gso *);
/* Writes it: gso_next_len() octets. */
void gso_next(struct gso *, uint8_t *out);

#endif
