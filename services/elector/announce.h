// SPDX-License-Identifier: Apache-2.0
/*
 * Telling neighbours where an address is now: frames without their Ethernet header.
 *
 *   IPv4: ARP announcement (RFC 5227, 3: a request with both protocol addresses ours), and the reply form
 *         for neighbours that learn only from replies
 *   IPv6: unsolicited Neighbor Advertisement with the Override flag (RFC 4861, 7.2.6), to all nodes
 */
#ifndef TWIN_ANNOUNCE_H
#define TWIN_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANNOUNCE_ARP 28
#define ANNOUNCE_NA 72

/* room: at least ANNOUNCE_ARP, ANNOUNCE_NA octets; they are filled whole. */
void announce_arp(uint8_t *out, size_t room, const uint8_t mac[6], const uint8_t addr[4], bool reply);
/* router: the R flag, without which neighbours stop using us as their router. */
void announce_na(uint8_t *out, size_t room, const uint8_t mac[6], const uint8_t addr[16], bool router);

#endif
