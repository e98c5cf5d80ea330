#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's l2tpns as LNS for our client role: tunnel, call, LCP, PAP and IPCP; packets both ways through the TUN; the
# call is dialled again when l2tpns drops it; through the death of our active node.
# timeout: 240
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lab/lab.sh
. "$here/../lab/lab.sh"

command -v l2tpns >/dev/null || { echo "skipped: l2tpns is not installed"; exit 77; }
lab_begin
lab_network
as_client='.profile = [ { name: "provider", roles: "client", "local-host-name": "branch", ppp: "line", "hello-interval": 1000 } ]
	| ."lns-group" = [ { name: "provider", profile: "provider", member: [ { address: "10.10.0.10" } ] } ]
	| .dial = [ { name: "uplink", "lns-group": "provider", user: "alice", password: "secret", route: [ "10.77.0.0/24" ],
	              "redial-time": 500 } ]
	| .ppp = [ { name: "line", auth: [ "none" ] } ]
	| del(.pool)'
lab_configure a "$as_client"
lab_configure b "$as_client"

# l2tpns on the LAC side of the lab, with a network behind it (10.77.0.0/24 on its own lo) and a RADIUS server.
ip -n "$(lab_ns lac)" addr add 10.77.0.1/32 dev lo
lab_exec lac sysctl -qw net.ipv4.ip_forward=1
mkdir -p "$LAB/l2tpns"
echo 100.80.0.0/24 >"$LAB/l2tpns/ip_pool"
: >"$LAB/l2tpns/users"
cat >"$LAB/l2tpns/startup-config" <<CONF
set debug 4
set log_file "$LAB/l2tpns/log"
set pid_file "$LAB/l2tpns/pid"
set hostname "provider"
set bind_address 10.10.0.10
set cli_bind_address 127.0.0.1
set primary_dns 10.77.0.1
set primary_radius 127.0.0.1
set radius_secret "testing123"
set radius_accounting no
set radius_authtypes "pap"
set cluster_address 239.192.13.13
set cluster_interface access0
set cluster_hb_interval 1
set cluster_hb_timeout 10
set cluster_master_min_adv 0
CONF
[ -x "$TWIN_BIN/twinradius" ] || lab_fail "twinradius is not built"
lab_spawn lac radius "$TWIN_BIN/twinradius" 127.0.0.1 testing123
lab_spawn lac l2tpns unshare -m sh -c "mount --bind '$LAB/l2tpns' /etc/l2tpns && exec l2tpns"
lab_until 40 "l2tpns is the master of its cluster" grep -qiE "becoming.*master|I am the master|master" "$LAB/l2tpns/log" || lab_fail "l2tpns does not start"

lab_step "the pair starts, and dials"
lab_pair_up
up() { [ "$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq '.sessions | length')" = 1 ]; }
lab_until 40 "our client's call is up" up || lab_fail "no call: $(lab_ctl "$LAB_ACTIVE" show sessions)"
session=$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq -r '.sessions[0].session')
lab_ctl "$LAB_ACTIVE" show session "$session"
mine=$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq -r '.sessions[0].ipv4')
case $mine in 100.80.0.*) ;; *) lab_fail "an address of l2tpns's pool was expected, not '$mine'" ;; esac
data() { lab_exec "$LAB_ACTIVE" ping -c 3 -i 0.2 -W 2 -q -I "$mine" 10.77.0.1; }
lab_until 5 "data passes" data || lab_fail "no data over the client's call"
lab_exec lac ping -c 3 -i 0.2 -W 2 -q "$mine" || lab_fail "no data towards the client"

lab_step "our active node dies; the call lives on"
lab_power_off "$LAB_ACTIVE"
lab_until 5 "$LAB_STANDBY is active" lab_is_active "$LAB_STANDBY" || lab_fail "no takeover"
lab_find_active
up || lab_fail "the call did not survive"
[ "$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq -r '.sessions[0].ipv4')" = "$mine" ] || lab_fail "another address"
lab_until 5 "data passes again" data || lab_fail "no data after the takeover"

lab_step "the operator ends the call; it is dialled again"
lab_ctl "$LAB_ACTIVE" session clear "$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq -r '.sessions[0].session')"
again() { up && [ "$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq -r '.sessions[0].session')" != "$session" ]; }
lab_until 30 "a new call is up" again || lab_fail "it is not dialled again"
echo "done"
