// SPDX-License-Identifier: Apache-2.0
/* The rows: schemas/twinlns.yang on the left, struct conf on the right.  See fields.h. */
#include "conf/fields.h"

#include "conf/conf.h"

#define SIZE(STRUCT, MEMBER) sizeof(((STRUCT *)0)->MEMBER)
#define ROW(NAME, KIND, STRUCT, MEMBER) { NAME, KIND, offsetof(STRUCT, MEMBER), SIZE(STRUCT, MEMBER), NULL, 0, 0 }
#define SUB(NAME, STRUCT, MEMBER, ROWS) \
	{ NAME, F_CONTAINER, offsetof(STRUCT, MEMBER), SIZE(STRUCT, MEMBER), ROWS, 0, 0 }
#define LIST(NAME, STRUCT, ARRAY, COUNT, ROWS)                                            \
	{ NAME, F_LIST, offsetof(STRUCT, ARRAY), SIZE(STRUCT, ARRAY[0]), ROWS,            \
	  offsetof(STRUCT, COUNT), SIZE(STRUCT, ARRAY) / SIZE(STRUCT, ARRAY[0]) }
#define END { NULL, F_BOOL, 0, 0, NULL, 0, 0 }

static const struct field octet_value[] = { { ".", F_UINT, 0, 1, NULL, 0, 0 }, END };

static const struct field endpoint_fields[] = {
	ROW("address", F_ADDR, struct endpoint, addr),
	ROW("port", F_UINT, struct endpoint, port),
	END,
};

static const struct field node_fields[] = {
	ROW("name", F_TEXT, struct conf_node, name),
	ROW("run-dir", F_TEXT, struct conf_node, run_dir),
	ROW("store-dir", F_TEXT, struct conf_node, store_dir),
	ROW("store-octets", F_UINT, struct conf_node, store_octets),
	ROW("log-level", F_ENUM, struct conf_node, log_level),
	END,
};

static const struct field path_fields[] = {
	ROW("name", F_TEXT, struct conf_path, name),
	SUB("local", struct conf_path, local, endpoint_fields),
	SUB("twin", struct conf_path, twin, endpoint_fields),
	END,
};

static const struct field pair_fields[] = {
	ROW("enabled", F_BOOL, struct conf_pair, enabled),
	ROW("preferred", F_BOOL, struct conf_pair, preferred),
	ROW("policy", F_ENUM, struct conf_pair, policy),
	SUB("mirror-listen", struct conf_pair, mirror_listen, endpoint_fields),
	SUB("mirror-twin", struct conf_pair, mirror_twin, endpoint_fields),
	ROW("secret-file", F_TEXT, struct conf_pair, secret_file),
	LIST("path", struct conf_pair, path, paths, path_fields),
	ROW("heartbeat-interval", F_UINT, struct conf_pair, heartbeat_ms),
	ROW("lease-time", F_UINT, struct conf_pair, lease_ms),
	ROW("dead-time", F_UINT, struct conf_pair, dead_ms),
	ROW("degrade-time", F_UINT, struct conf_pair, degrade_ms),
	ROW("start-wait-time", F_UINT, struct conf_pair, start_wait_ms),
	END,
};

static const struct field claim_fields[] = {
	ROW("interface", F_TEXT, struct conf_claim, interface),
	ROW("address", F_ADDR, struct conf_claim, addr.addr),
	ROW("prefix-length", F_UINT, struct conf_claim, addr.len),
	END,
};

static const struct field data_fields[] = {
	ROW("workers", F_UINT, struct conf_data, workers),
	LIST("listen", struct conf_data, listen, listens, endpoint_fields),
	LIST("ip-protocol", struct conf_data, ip_protocol, ip_protocols, octet_value),
	ROW("tun", F_TEXT, struct conf_data, tun),
	ROW("tun-mtu", F_UINT, struct conf_data, tun_mtu),
	ROW("receive-buffer", F_UINT, struct conf_data, receive_octets),
	ROW("moderation", F_UINT, struct conf_data, moderation_us),
	ROW("punt-session-rate", F_UINT, struct conf_data, punt_session_pps),
	ROW("punt-tunnel-rate", F_UINT, struct conf_data, punt_tunnel_pps),
	ROW("punt-peer-rate", F_UINT, struct conf_data, punt_peer_pps),
	ROW("mss-clamp", F_BOOL, struct conf_data, mss_clamp),
	ROW("dscp-copy", F_BOOL, struct conf_data, dscp_copy),
	ROW("source-check", F_BOOL, struct conf_data, source_check),
	ROW("icmp-too-big", F_BOOL, struct conf_data, icmp_too_big),
	ROW("outer-df", F_BOOL, struct conf_data, outer_df),
	ROW("resync-packets", F_UINT, struct conf_data, resync_packets),
	END,
};

static const struct field v3_fields[] = {
	ROW("transport", F_ENUM, struct conf_v3, transport),
	ROW("digests", F_BITS, struct conf_v3, digests),
	ROW("integrity-check", F_BOOL, struct conf_v3, integrity),
	ROW("second-secret", F_TEXT, struct conf_v3, second_secret),
	ROW("cookie", F_ENUM, struct conf_v3, cookie),
	ROW("sublayer", F_BOOL, struct conf_v3, sublayer),
	ROW("sequencing", F_ENUM, struct conf_v3, sequencing),
	ROW("router-id", F_ADDR, struct conf_v3, router_id),
	ROW("retransmit-tries", F_UINT, struct conf_v3, rtx_tries),
	END,
};

static const struct field l2tphc_fields[] = {
	ROW("offer", F_ENUM, struct conf_l2tphc, draft),
	ROW("ip-protocol", F_UINT, struct conf_l2tphc, ip_protocol),
	ROW("vendor", F_UINT, struct conf_l2tphc, vendor),
	ROW("assigned-session-id", F_UINT, struct conf_l2tphc, assigned_session),
	ROW("no-header-number", F_UINT, struct conf_l2tphc, no_header),
	ROW("ppp-protocol-number", F_UINT, struct conf_l2tphc, ppp_protocol),
	ROW("no-header", F_BOOL, struct conf_l2tphc, bare),
	ROW("ppp-protocol", F_UINT, struct conf_l2tphc, protocol),
	ROW("id-octets", F_ENUM, struct conf_l2tphc, id_octets),
	END,
};

static const struct field profile_fields[] = {
	ROW("name", F_TEXT, struct conf_profile, name),
	ROW("peer", F_PREFIX, struct conf_profile, peer),
	ROW("host-name", F_TEXT, struct conf_profile, host_name),
	ROW("roles", F_BITS, struct conf_profile, roles),
	ROW("local-host-name", F_TEXT, struct conf_profile, local_host_name),
	ROW("require-auth", F_BOOL, struct conf_profile, require_auth),
	ROW("secret", F_TEXT, struct conf_profile, secret),
	ROW("hide", F_BOOL, struct conf_profile, hide),
	ROW("window", F_UINT, struct conf_profile, window),
	ROW("max-tunnels", F_UINT, struct conf_profile, max_tunnels),
	ROW("max-sessions", F_UINT, struct conf_profile, max_sessions),
	ROW("hello-interval", F_UINT, struct conf_profile, hello_ms),
	ROW("retransmit-initial", F_UINT, struct conf_profile, rtx_initial_ms),
	ROW("retransmit-least", F_UINT, struct conf_profile, rtx_least_ms),
	ROW("retransmit-cap", F_UINT, struct conf_profile, rtx_cap_ms),
	ROW("retransmit-tries", F_UINT, struct conf_profile, rtx_tries),
	ROW("setup-time", F_UINT, struct conf_profile, setup_ms),
	ROW("idle-time", F_UINT, struct conf_profile, idle_ms),
	ROW("sequencing", F_ENUM, struct conf_profile, sequencing),
	ROW("failover", F_BOOL, struct conf_profile, failover),
	ROW("recovery-time", F_UINT, struct conf_profile, recovery_ms),
	ROW("recovery-parallel", F_UINT, struct conf_profile, recovery_parallel),
	ROW("stale-tunnels", F_ENUM, struct conf_profile, stale),
	ROW("proxy", F_ENUM, struct conf_profile, proxy),
	ROW("ppp", F_TEXT, struct conf_profile, ppp),
	ROW("version", F_ENUM, struct conf_profile, version),
	SUB("l2tpv3", struct conf_profile, v3, v3_fields),
	SUB("l2tphc", struct conf_profile, l2tphc, l2tphc_fields),
	END,
};

/* Relative to member[0], whose type has no name. */
#define MEMBER(M) (offsetof(struct conf_lns_group, member[0].M) - offsetof(struct conf_lns_group, member[0]))
static const struct field member_fields[] = {
	{ "address", F_ADDR, MEMBER(peer.addr), sizeof(struct ip_addr), NULL, 0, 0 },
	{ "port", F_UINT, MEMBER(peer.port), sizeof(uint16_t), NULL, 0, 0 },
	{ "preference", F_UINT, MEMBER(preference), sizeof(unsigned), NULL, 0, 0 },
	END,
};

static const struct field lns_group_fields[] = {
	ROW("name", F_TEXT, struct conf_lns_group, name),
	LIST("member", struct conf_lns_group, member, members, member_fields),
	ROW("profile", F_TEXT, struct conf_lns_group, profile),
	ROW("hold-off-time", F_UINT, struct conf_lns_group, hold_off_ms),
	END,
};

static const struct field prefix_value[] = { { ".", F_PREFIX, 0, sizeof(struct ip_prefix), NULL, 0, 0 }, END };
static const struct field addr_value[] = { { ".", F_ADDR, 0, sizeof(struct ip_addr), NULL, 0, 0 }, END };
static const struct field auth_value[] = { { ".", F_ENUM, 0, sizeof(enum conf_auth), NULL, 0, 0 }, END };

static const struct field dial_fields[] = {
	ROW("name", F_TEXT, struct conf_dial, name),
	ROW("lns-group", F_TEXT, struct conf_dial, lns_group),
	ROW("user", F_TEXT, struct conf_dial, user),
	ROW("password", F_TEXT, struct conf_dial, password),
	ROW("called", F_TEXT, struct conf_dial, called),
	ROW("outgoing-ok", F_BOOL, struct conf_dial, outgoing_ok),
	ROW("redial-time", F_UINT, struct conf_dial, redial_ms),
	LIST("route", struct conf_dial, routes, route_count, prefix_value),
	END,
};

static const struct field steer_fields[] = {
	ROW("name", F_TEXT, struct conf_steer, name),
	ROW("user", F_TEXT, struct conf_steer, user),
	LIST("destination", struct conf_steer, to, to_count, prefix_value),
	ROW("first-port", F_UINT, struct conf_steer, port_first),
	ROW("last-port", F_UINT, struct conf_steer, port_last),
	LIST("dscp", struct conf_steer, dscp, dscps, octet_value),
	ROW("only-rtp", F_BOOL, struct conf_steer, only_rtp),
	END,
};

static const struct field hc_fields[] = {
	ROW("enabled", F_BOOL, struct conf_hc, enabled),
	ROW("rtp", F_ENUM, struct conf_hc, rtp),
	ROW("non-tcp-space", F_UINT, struct conf_hc, non_tcp_space),
	ROW("f-max-period", F_UINT, struct conf_hc, full_packets),
	ROW("f-max-time", F_UINT, struct conf_hc, full_s),
	ROW("max-header", F_UINT, struct conf_hc, max_header),
	ROW("repeat", F_UINT, struct conf_hc, repeat),
	END,
};

static const struct field mux_fields[] = {
	ROW("enabled", F_BOOL, struct conf_mux, enabled),
	ROW("default-pid", F_UINT, struct conf_mux, default_pid),
	ROW("time", F_UINT, struct conf_mux, time_us),
	ROW("octets", F_UINT, struct conf_mux, octets),
	ROW("packets", F_UINT, struct conf_mux, packets),
	ROW("worth", F_UINT, struct conf_mux, worth),
	END,
};

static const struct field ppp_fields[] = {
	ROW("name", F_TEXT, struct conf_ppp, name),
	ROW("mru", F_UINT, struct conf_ppp, mru),
	LIST("auth", struct conf_ppp, auth, auths, auth_value),
	ROW("ask-pfc", F_BOOL, struct conf_ppp, ask_pfc),
	ROW("ask-acfc", F_BOOL, struct conf_ppp, ask_acfc),
	ROW("magic", F_BOOL, struct conf_ppp, magic),
	ROW("echo-interval", F_UINT, struct conf_ppp, echo_ms),
	ROW("echo-failures", F_UINT, struct conf_ppp, echo_failures),
	ROW("restart-initial", F_UINT, struct conf_ppp, restart_first_ms),
	ROW("restart-time", F_UINT, struct conf_ppp, restart_ms),
	ROW("max-configure", F_UINT, struct conf_ppp, max_configure),
	ROW("max-terminate", F_UINT, struct conf_ppp, max_terminate),
	ROW("max-failure", F_UINT, struct conf_ppp, max_failure),
	ROW("auth-time", F_UINT, struct conf_ppp, auth_ms),
	ROW("chap-again-time", F_UINT, struct conf_ppp, chap_again_ms),
	ROW("local-address", F_ADDR, struct conf_ppp, local4),
	LIST("dns", struct conf_ppp, dns, dns_count, addr_value),
	ROW("ipv4", F_BOOL, struct conf_ppp, ipv4),
	ROW("ipv6", F_BOOL, struct conf_ppp, ipv6),
	ROW("ra-interval", F_UINT, struct conf_ppp, ra_ms),
	ROW("pool", F_TEXT, struct conf_ppp, pool),
	ROW("pool6", F_TEXT, struct conf_ppp, pool6),
	ROW("pool-delegated", F_TEXT, struct conf_ppp, pool_delegated),
	ROW("accept-peer-address", F_BOOL, struct conf_ppp, accept_peer_address),
	ROW("session-timeout", F_UINT, struct conf_ppp, session_timeout),
	ROW("idle-timeout", F_UINT, struct conf_ppp, idle_timeout),
	SUB("header-compression", struct conf_ppp, hc, hc_fields),
	SUB("multiplexing", struct conf_ppp, mux, mux_fields),
	END,
};

/* Relative to range[0], whose type has no name. */
#define RANGE(MEMBER) (offsetof(struct conf_pool, range[0].MEMBER) - offsetof(struct conf_pool, range[0]))
static const struct field range_fields[] = {
	{ "first", F_ADDR, RANGE(first), sizeof(struct ip_addr), NULL, 0, 0 },
	{ "last", F_ADDR, RANGE(last), sizeof(struct ip_addr), NULL, 0, 0 },
	END,
};

static const struct field pool_fields[] = {
	ROW("name", F_TEXT, struct conf_pool, name),
	ROW("family", F_ENUM, struct conf_pool, family),
	ROW("prefix-length", F_UINT, struct conf_pool, delegate_len),
	LIST("range", struct conf_pool, range, ranges, range_fields),
	ROW("alarm-percent", F_UINT, struct conf_pool, alarm_percent),
	END,
};

static const struct field server_fields[] = {
	ROW("address", F_ADDR, struct conf_radius_server, addr),
	ROW("auth-port", F_UINT, struct conf_radius_server, auth_port),
	ROW("acct-port", F_UINT, struct conf_radius_server, acct_port),
	ROW("secret", F_TEXT, struct conf_radius_server, secret),
	END,
};

static const struct field aaa_fields[] = {
	ROW("mode", F_ENUM, struct conf_aaa_set, mode),
	ROW("users-file", F_TEXT, struct conf_aaa_set, users_file),
	LIST("server", struct conf_aaa_set, server, servers, server_fields),
	ROW("timeout", F_UINT, struct conf_aaa_set, timeout_ms),
	ROW("tries", F_UINT, struct conf_aaa_set, tries),
	ROW("in-flight", F_UINT, struct conf_aaa_set, in_flight),
	ROW("nas-identifier", F_TEXT, struct conf_aaa_set, nas_identifier),
	ROW("nas-address", F_ADDR, struct conf_aaa_set, nas_address),
	ROW("accounting", F_BOOL, struct conf_aaa_set, acct),
	ROW("interim-interval", F_UINT, struct conf_aaa_set, interim_s),
	ROW("usage-interval", F_UINT, struct conf_aaa_set, usage_ms),
	END,
};

static const struct field limits_fields[] = {
	ROW("max-tunnels", F_UINT, struct conf, max_tunnels),
	ROW("max-sessions", F_UINT, struct conf, max_sessions),
	END,
};

const struct field conf_fields[] = {
	SUB("node", struct conf, node, node_fields),
	SUB("pair", struct conf, pair, pair_fields),
	LIST("service-address", struct conf, claim, claims, claim_fields),
	SUB("data-plane", struct conf, data, data_fields),
	LIST("profile", struct conf, profile, profiles, profile_fields),
	LIST("lns-group", struct conf, lns_group, lns_groups, lns_group_fields),
	LIST("dial", struct conf, dial, dials, dial_fields),
	LIST("steering", struct conf, steer, steers, steer_fields),
	LIST("ppp", struct conf, ppp, ppps, ppp_fields),
	LIST("pool", struct conf, pool, pools, pool_fields),
	SUB("aaa", struct conf, aaa, aaa_fields),
	{ "limits", F_CONTAINER, 0, sizeof(struct conf), limits_fields, 0, 0 },
	END,
};
