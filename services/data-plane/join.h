// SPDX-License-Identifier: Apache-2.0
/*
 * The opposite of gso.h: packets of one flow that follow each other in a batch become one write to
 * the TUN, with a description (virtio 1.2, 5.1.6) by which the kernel, or the card behind it, cuts
 * them again to the very same packets.  Pure.
 *
 * Only what that restores exactly is joined: TCP and UDP with right checksums (they are verified: a
 * cut makes new ones, and would make a damaged packet good), no IPv4 options, no fragments, one
 * TTL, TOS, DF and flow label; IPv4 identifications that count up, or of packets with DF, where
 * they mean nothing (RFC 6864, 4.1); TCP segments in sequence with the same acknowledgement, window
 * and options and no flag but ACK, and PSH on the last; UDP with a checksum.  All of one size, the
 * last may be shorter.  A flow's packets stay in their order.
 */
#ifndef TWIN_JOIN_H
#define TWIN_JOIN_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define JOIN_BATCH 64 /* packets looked at together, and in one group, at most */
#define JOIN_HEAD 100 /* octets of IPv6 and TCP headers with all options */

struct join_packet {
	uint8_t *p;
	uint32_t len;
	bool apart; /* as in the verdict: the same for all of a flow */
};

struct join_group {
	uint8_t first, last, count; /* packets; one alone is written as it came */
	uint8_t transport, head;    /* octets before and with the transport header */
	bool open, verified;	    /* more may follow; the first one's checksum is right */
	uint16_t size;		    /* payload of every packet but the last */
	uint32_t octets;	    /* of the joined packet */
};

struct join {
	unsigned groups; /* in the order of their first packets */
	struct join_group group[JOIN_BATCH];
	uint8_t next[JOIN_BATCH];  /* the packet behind this one in its group */
	uint8_t place[JOIN_BATCH]; /* by hash of the flow: 1 + its latest group */
};

/* Sorts in[0..n) into groups; n <= JOIN_BATCH.  IPv4 header checksums are right: dp_up saw to it.
 */
void join_sort(struct join *, const struct join_packet *in, unsigned n);
/*
 * The joined packet's description and its headers (group->head octets); the payloads of the group's
 * packets, each from group->head on, come behind them.
 */
void join_head(const struct join_group *, const struct join_packet *in, struct virtio_net_hdr *h,
	       uint8_t head[JOIN_HEAD]);

#endif
