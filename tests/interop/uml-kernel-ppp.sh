#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Linux client (xl2tpd, pppd, the kernel's PPP over L2TP, in a User Mode Linux guest) through LCP, PAP or CHAP, IPCP and
# IPV6CP; data both ways; through a planned switchover and the death of the active node; and an orderly end.
# timeout: 240
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lab/lab.sh
. "$here/../lab/lab.sh"
# shellcheck source=tests/lab/uml.sh
. "$here/../lab/uml.sh"

lab_begin
lab_network
uml_boot
printf 'alice secret\nbob builder\n' >"$LAB/users"
lab_configure a '.profile[0].secret = "tunnel secret" | .ppp[0]."echo-interval" = 1000'
lab_configure b '.profile[0].secret = "tunnel secret" | .ppp[0]."echo-interval" = 1000'
lab_step "the pair starts"
lab_pair_up
lab_capture acc tap0
LAB_BEFORE_KEEP=uml_logs

has_address() { uml_sh "ip -4 addr show dev ppp0 | grep -q 'inet 100\.64\.'"; }
has_address6() { uml_sh "ip -6 addr show dev ppp0 scope global | grep -q 2001:db8:1000"; }
pppd_pid() { uml_sh "cat /run/ppp0.pid"; }

ping4() { uml_sh "ping -c 5 -i 0.2 -W 2 -q $LAB_HOST"; }
ping6() { uml_sh "ping -6 -c 5 -i 0.2 -W 2 -q $LAB_HOST6"; }
address() { uml_sh "ip -4 -o addr show dev ppp0" | sed -n 's/.*inet \([0-9.]*\).*/\1/p'; }

lab_step "xl2tpd dials: CHAP, IPv4 and IPv6"
uml_xl2tpd alice secret "refuse-pap
refuse-eap
refuse-mschap
refuse-mschap-v2"
uml_dial
lab_until 15 "the guest has an IPv4 address" has_address || lab_fail "no IPCP"
lab_until 10 "the guest has an IPv6 address" has_address6 || lab_fail "no router advertisement after IPV6CP"
uml_sh "ip route replace 10.20.0.0/24 dev ppp0; ip -6 route replace fd00:20::/64 dev ppp0"
mine=$(address)
ping4 || lab_fail "the guest does not reach the host over IPv4"
ping6 || lab_fail "the guest does not reach the host over IPv6"
lab_exec host ping -c 5 -i 0.2 -W 2 -q "$mine" || lab_fail "the host does not reach the guest"
lab_exec host ping -c 2 -i 0.2 -W 2 -q -M "do" -s 1372 "$mine" || lab_fail "a full-sized packet does not reach the guest"
uml_sh "ping -c 2 -i 0.2 -W 2 -q -s 4000 $LAB_HOST" || lab_fail "a fragmented packet does not get through"
lab_ctl "$LAB_ACTIVE" wait sessions 1 5
session=$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq -r '.sessions[0].session')
lab_ctl "$LAB_ACTIVE" show session "$session"
[ "$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq -r '.sessions[0].user')" = alice ] || lab_fail "not alice"
pid=$(pppd_pid)

survived() { # WHAT
	[ "$(pppd_pid)" = "$pid" ] || lab_fail "$1: pppd is another process"
	[ "$(address)" = "$mine" ] || lab_fail "$1: the guest's address changed"
	[ "$(uml_sh "grep -hiE 'Call-Disconnect|StopCCN|Connection [0-9]+ closed|terminat|TermReq' /run/xl2tpd.log /run/pppd.log | wc -l")" = 0 ] ||
		lab_fail "$1: the guest was told of an end"
	lab_until 3 "data flows again" uml_sh "ping -c 1 -W 1 -q $LAB_HOST" || lab_fail "$1: no data"
	ping4 || lab_fail "$1: data is lost"
	ping6 || lab_fail "$1: IPv6 data is lost"
	lab_exec host ping -c 3 -i 0.2 -W 2 -q "$mine" || lab_fail "$1: no data towards the guest"
}

lab_step "planned switchover from $LAB_ACTIVE to $LAB_STANDBY"
uml_sh "setsid ping -D -i 0.02 $LAB_HOST >/run/ping.log 2>&1 </dev/null &"
lab_until 5 "ping runs" uml_sh "grep -q 'bytes from' /run/ping.log"
# On a busy machine one may be called off; that is said, and does no harm.
lab_until 20 "the switchover is carried out" lab_ctl "$LAB_ACTIVE" switchover || lab_fail "no switchover"
lab_until 5 "$LAB_STANDBY is active" lab_is_active "$LAB_STANDBY" || lab_fail "no switchover"
lab_find_active
survived "switchover"
lab_warm

lab_step "the active node $LAB_ACTIVE dies"
lab_power_off "$LAB_ACTIVE"
lab_until 5 "$LAB_STANDBY is active" lab_is_active "$LAB_STANDBY" || lab_fail "no takeover"
lab_find_active
survived "crash"
uml_sh "pkill -INT ping; sleep 0.2; tail -n 3 /run/ping.log" || true
gap=$(uml_sh "cat /run/ping.log" | sed -n 's/^\[\([0-9.]*\)\].*bytes from.*/\1/p' | awk 'p && $1 - p > g { g = $1 - p } { p = $1 } END { printf "%.0f", g * 1000 }')
echo "longest gap between two ping answers, over both: $gap ms"
[ "$gap" -lt 1000 ] || lab_fail "the guest was cut off for $gap ms"

lab_step "the guest hangs up"
uml_hangup
no_session() { [ "$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq '.sessions | length')" = 0 ]; }
lab_until 10 "the session is gone" no_session || lab_fail "a session stays behind"

stop_xl2tpd() {
	uml_sh "kill \$(cat /run/xl2tpd.pid)" || true
	lab_until 15 "pppd has ended" uml_sh "! pgrep -x pppd && ! pgrep -x xl2tpd" || lab_fail "pppd does not end"
	uml_sh "rm -f /run/pppd.log /run/xl2tpd.log /run/xl2tpd/ctl"
}

lab_step "again, with PAP"
stop_xl2tpd
uml_xl2tpd bob builder "refuse-chap
refuse-eap
refuse-mschap
refuse-mschap-v2"
uml_dial
lab_until 15 "the guest has an IPv4 address" has_address || lab_fail "no IPCP after PAP"
uml_sh "ip route replace 10.20.0.0/24 dev ppp0"
ping4 || lab_fail "no data after PAP"

lab_step "the operator clears the session"
lab_ctl "$LAB_ACTIVE" session clear user bob
lab_until 10 "pppd is told" uml_sh "grep -qiE 'LCP TermReq|terminated' /run/pppd.log" || lab_fail "pppd was not told"
lab_until 10 "the session is gone" no_session || lab_fail "the cleared session stays behind"

lab_step "a wrong password"
stop_xl2tpd
uml_xl2tpd bob wrong "refuse-chap
refuse-eap
refuse-mschap
refuse-mschap-v2"
uml_dial
lab_until 15 "PAP is refused" uml_sh "grep -qiE 'PAP AuthNak|authentication failed' /run/pppd.log" || lab_fail "a wrong password was not refused"

lab_capture_end
if command -v tshark >/dev/null; then
	lab_step "tshark reads what passed"
	bad=$(tshark -n -r "$LAB/acc-tap0.pcap" -Y 'l2tp && (_ws.malformed || _ws.expert.severity == 8388608)' 2>/dev/null | wc -l)
	[ "$bad" = 0 ] || lab_fail "tshark finds $bad malformed or erroneous packets"
fi
echo "done"
