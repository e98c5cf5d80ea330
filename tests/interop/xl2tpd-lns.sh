#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# xl2tpd as LNS for our LAC role: tunnel authentication both ways, an incoming call, its end from either side, the end of
# the tunnel; through the death of our active node.  xl2tpd's pppd cannot run without /dev/ppp; a stand-in keeps its call.
# timeout: 180
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lab/lab.sh
. "$here/../lab/lab.sh"

command -v xl2tpd >/dev/null || { echo "skipped: xl2tpd is not installed"; exit 77; }
lab_begin
lab_network
as_lac='.profile = [ { name: "their-lns", roles: "lac", "local-host-name": "lac-1", "require-auth": true,
                       secret: "between-us", "hello-interval": 1000, "retransmit-tries": 3 } ]
        | ."lns-group" = [ { name: "theirs", profile: "their-lns", member: [ { address: "10.10.0.10" } ] } ]
        | del(.ppp, .pool)'
lab_configure a "$as_lac"
lab_configure b "$as_lac"

mkdir -p "$LAB/xl2tpd"
cat >"$LAB/xl2tpd/conf" <<CONF
[global]
port = 1701
auth file = $LAB/xl2tpd/secrets
[lns default]
ip range = 192.0.2.10-192.0.2.20
local ip = 192.0.2.1
require chap = no
refuse pap = no
challenge = yes
length bit = yes
hostname = theirs
pppoptfile = $LAB/xl2tpd/ppp
CONF
echo '* * between-us' >"$LAB/xl2tpd/secrets"
chmod 600 "$LAB/xl2tpd/secrets"
: >"$LAB/xl2tpd/ppp"
printf '#!/bin/sh\nexec sleep 1000\n' >"$LAB/xl2tpd/pppd"
chmod +x "$LAB/xl2tpd/pppd"
start_xl2tpd() {
	lab_spawn lac xl2tpd unshare -m sh -c "mount --bind '$LAB/xl2tpd/pppd' /usr/sbin/pppd && mount -t tmpfs tmpfs /run/ && mkdir -p /run/xl2tpd &&
		exec xl2tpd -D -c '$LAB/xl2tpd/conf' -s '$LAB/xl2tpd/secrets' -p /run/xl2tpd.pid -C /run/xl2tpd/ctl"
	lab_until 5 "xl2tpd listens" grep -q "Listening on IP" "$LAB/xl2tpd.log"
}
said() { grep -qE "$1" "$LAB/xl2tpd.log"; }
calls() { [ "$(lab_ctl "$LAB_ACTIVE" --json show sessions state established | jq '.sessions | length')" = "$1" ]; }
tunnels() { [ "$(lab_ctl "$LAB_ACTIVE" --json show tunnels | jq '[.tunnels[] | select(.state == "established")] | length')" = "$1" ]; }

start_xl2tpd
lab_step "the pair starts"
lab_pair_up
lab_capture lac access0

lab_step "a call"
lab_ctl "$LAB_ACTIVE" call dial theirs
lab_until 10 "xl2tpd has the tunnel" said "Connection established to 10.10.0.1," || lab_fail "no tunnel"
lab_until 10 "xl2tpd has the call" said "Call established with" || lab_fail "no call"
lab_until 5 "we have the call" calls 1 || lab_fail "we do not have the call"
lab_ctl "$LAB_ACTIVE" show tunnels

lab_step "our active node dies; the tunnel lives on"
lab_power_off "$LAB_ACTIVE"
lab_until 5 "$LAB_STANDBY is active" lab_is_active "$LAB_STANDBY" || lab_fail "no takeover"
lab_find_active
calls 1 || lab_fail "the call did not survive"
before=$(lab_ctl "$LAB_ACTIVE" --json show counters tunnel-ctl hello-out | jq '.counters[0].value // 0')
hellos() { [ "$(lab_ctl "$LAB_ACTIVE" --json show counters tunnel-ctl hello-out | jq '.counters[0].value // 0')" -ge $((before + 3)) ]; }
lab_until 10 "Hellos go on" hellos || lab_fail "no Hellos"
tunnels 1 || lab_fail "the tunnel did not survive its Hellos"
! said "closed|StopCCN|Connection .* closed" || lab_fail "xl2tpd was told of an end"

lab_step "we clear the call"
session=$(lab_ctl "$LAB_ACTIVE" --json show sessions | jq -r '.sessions[0].session')
lab_ctl "$LAB_ACTIVE" call clear "$session"
lab_until 10 "the call is gone" calls 0 || lab_fail "the call stays"
lab_until 10 "xl2tpd was told" said "Connection closed to 10.10.0.1|result_code_avp|Connection [0-9]+ closed|call_close" || lab_fail "xl2tpd was not told (CDN)"

lab_step "another call in the same tunnel; xl2tpd dies without a word"
lab_ctl "$LAB_ACTIVE" call dial theirs
lab_until 10 "we have the call" calls 1 || lab_fail "no second call"
kill -9 "$(ip netns pids "$(lab_ns lac)" | while read -r p; do [ "$(cat "/proc/$p/comm")" != xl2tpd ] || echo "$p"; done | head -n 1)"
lab_until 30 "our Hellos find out" tunnels 0 || lab_fail "the tunnel stays"
lab_until 10 "and its call ends" calls 0 || lab_fail "the call stays"
echo "done"
