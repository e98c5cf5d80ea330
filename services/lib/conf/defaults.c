// SPDX-License-Identifier: Apache-2.0
/* The defaults of schemas/twinlns.yang in C, for code that makes a configuration without a file. */
#include "conf/defaults.h"

#include <string.h>

#include "base/sink.h"

void
conf_default_listen(struct conf_data *d)
{
	d->listens = 2;
	d->listen[0] = (struct endpoint){ .addr.family = 4, .port = 1701 };
	d->listen[1] = (struct endpoint){ .addr.family = 6, .port = 1701 };
}

void
conf_profile_defaults(struct conf_profile *p)
{
	*p = (struct conf_profile){
		.roles = ROLE_LNS,
		.local_host_name = "twinlns",
		.window = 128,
		.hello_ms = 60000,
		.rtx_initial_ms = 1000,
		.rtx_cap_ms = 8000,
		.rtx_tries = 5,
		.rtx_least_ms = 200,
		.setup_ms = 60000,
		.sequencing = SEQ_IF_ASKED,
		.failover = true,
		.recovery_ms = 60000,
		.recovery_parallel = 16,
		.stale = STALE_KEEP,
		.proxy = PROXY_USE,
		.version = VERSION_2,
		.v3 = { .digests = 1, .cookie = 8, .rtx_tries = 10 },
		.l2tphc = { .ip_protocol = 115, .vendor = 9, .bare = true, .id_octets = 2 },
	};
}

void
conf_lns_group_defaults(struct conf_lns_group *g)
{
	*g = (struct conf_lns_group){ .hold_off_ms = 30000 };
}

void
conf_dial_defaults(struct conf_dial *d)
{
	*d = (struct conf_dial){ .redial_ms = 5000 };
}

void
conf_steer_defaults(struct conf_steer *s)
{
	*s = (struct conf_steer){ .port_first = 1024, .port_last = 65535, .only_rtp = true };
}

void
conf_ppp_defaults(struct conf_ppp *p)
{
	*p = (struct conf_ppp){
		.mru = 1492,
		.auth = { AUTH_CHAP_MD5, AUTH_PAP },
		.auths = 2,
		.magic = true,
		.echo_ms = 30000,
		.echo_failures = 3,
		.restart_first_ms = 1000,
		.restart_ms = 3000, /* RFC 1661, 4.6 */
		.max_configure = 10,
		.max_terminate = 2,
		.max_failure = 5,
		.auth_ms = 30000,
		.ipv4 = true,
		.ipv6 = true,
		.ra_ms = 300000,
		.hc = { .rtp = RTP_ECRTP, .non_tcp_space = 255, .full_packets = 256, .full_s = 5, .max_header = 168, .repeat = 2 },
		.mux = { .default_pid = 0x67, .time_us = 5000 },
	};
}

void
conf_pool_defaults(struct conf_pool *p)
{
	*p = (struct conf_pool){ .family = 4, .delegate_len = 32, .alarm_percent = 90 };
}

void
conf_radius_server_defaults(struct conf_radius_server *s)
{
	*s = (struct conf_radius_server){ .auth_port = 1812, .acct_port = 1813 };
}

static const struct conf_node node_defaults = {
	.name = "a",
	.run_dir = "/run/twinlns",
	.store_dir = "/var/lib/twinlns",
	.store_octets = 1073741824,
	.log_level = NOTE_INFO,
};

static const struct conf_pair pair_defaults = {
	.policy = POLICY_PREFER_SERVICE,
	.heartbeat_ms = 10,
	.lease_ms = 60,
	.dead_ms = 90,
	.degrade_ms = 200,
	.start_wait_ms = 1000,
};

static const struct conf_data data_defaults = {
	.workers = 2,
	.tun = "twin0",
	.tun_mtu = 1500,
	.receive_octets = 8388608,
	.moderation_us = 250,
	.punt_session_pps = 100,
	.punt_tunnel_pps = 10000,
	.punt_peer_pps = 40000,
	.mss_clamp = true,
	.dscp_copy = true,
	.source_check = true,
	.icmp_too_big = true,
	.resync_packets = 5,
};

static const struct conf_aaa_set aaa_defaults = {
	.mode = AAA_LOCAL,
	.users_file = "/etc/twinlns/users",
	.timeout_ms = 3000,
	.tries = 3,
	.in_flight = 512,
	.usage_ms = 5000,
	.nas_identifier = "twinlns",
};

void
conf_defaults(struct conf *c)
{
	memset(c, 0, sizeof *c);
	c->node = node_defaults;
	c->pair = pair_defaults;
	c->data = data_defaults;
	conf_default_listen(&c->data);
	c->aaa = aaa_defaults;
	c->max_tunnels = 4096;
	c->max_sessions = 131072;
}
