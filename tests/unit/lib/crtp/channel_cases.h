// SPDX-License-Identifier: Apache-2.0
/* The streams and the links that channel.h is run over, by the test (bounded) and by crtp_channel
 * (as long as wanted). */
#ifndef TWIN_CRTP_CHANNEL_CASES_H
#define TWIN_CRTP_CHANNEL_CASES_H

#include "channel.h"

/* per ten thousand packets:   talkspurt, lost upstream, ID, type, CSRCs, P or X, TTL, step,
 * checksum on or off */
static const struct habit lively = { 60, 100, 60, 20, 20, 10, 5, 10, 0 };
static const struct habit voice = { 60, 0, 0, 0, 0, 0, 0, 0, 0 };
static const struct habit fickle = { 60, 100, 60, 20, 20, 10, 5, 10, 5 };

struct stream_case {
	const char *name;
	bool proved; /* a checksum covers what is restored: nothing wrong may come out */
	struct channel_conf conf;
};

static const struct stream_case streams[] = {
	{ "voice", true, { .enhanced = true, .n = 2, .habit = voice } },
	{ "ipv4", true, { .enhanced = true, .n = 2, .habit = lively } },
	{ "random-id", true, { .enhanced = true, .n = 2, .random_id = true, .habit = lively } },
	{ "ipv6", true, { .enhanced = true, .n = 2, .v6 = true, .habit = lively } },
	{ "hdrcksum", true, { .enhanced = true, .n = 2, .no_sum = true, .habit = lively } },
	{ "sum-on-off", true, { .enhanced = true, .n = 2, .habit = fickle } },
	{ "n1", true, { .enhanced = true, .n = 1, .habit = lively } },
	{ "n4-16-bit", true, { .enhanced = true, .n = 4, .wide = true, .habit = lively } },
	{ "classic", true, { .n = 0, .habit = lively } },
	{ "classic-ipv6", true, { .n = 0, .v6 = true, .habit = lively } },
	{ "udp", true, { .enhanced = true, .n = 2, .non_rtp = true, .habit = lively } },
	{ "udp-ipv6",
	  true,
	  { .enhanced = true, .n = 2, .non_rtp = true, .v6 = true, .habit = lively } },
	{ "classic-no-sum", false, { .n = 0, .no_sum = true, .habit = lively } },
	{ "classic-twice", false, { .n = 0, .twice = true, .habit = lively } },
	{ "ipv6-beyond-n",
	  false,
	  { .enhanced = true, .n = 2, .v6 = true, .beyond = true, .habit = lively } },
};

struct link_case {
	const char *name;
	unsigned loss, burst, reorder, reach, twin;
};

/* Delays and bursts are in packets of the link; twenty flows share it. */
static const struct link_case links[] = {
	{ "clean", 0, 0, 0, 0, 0 },	  { "loss-1", 100, 0, 0, 0, 0 },
	{ "loss-5", 500, 0, 0, 0, 0 },	  { "loss-10", 1000, 0, 0, 0, 0 },
	{ "burst", 1000, 200, 0, 0, 0 },  { "reorder", 0, 0, 500, 60, 300 },
	{ "all", 500, 3, 1000, 60, 300 }, { "far-late", 500, 3, 1000, 400, 300 },
};

enum { STREAMS = sizeof streams / sizeof *streams, LINKS = sizeof links / sizeof *links };

static inline struct channel_result
case_run(unsigned stream, unsigned link, uint64_t seed, unsigned packets)
{
	struct channel_conf c = streams[stream].conf;
	const struct link_case *l = &links[link];

	c.seed = seed * 1000 + stream * 20 + link;
	c.flows = 20;
	c.packets = packets;
	c.delay = 40;
	c.loss = l->loss;
	c.burst = l->burst;
	c.reorder = l->reorder;
	c.reach = l->reach ? l->reach : 1;
	c.twin = l->twin;
	return channel_run(&c);
}

#endif
