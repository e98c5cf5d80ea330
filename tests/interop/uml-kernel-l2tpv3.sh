#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Linux kernel's PPP over L2TPv3 (l2tp_core and l2tp_ppp, in a User Mode Linux guest) over UDP: LCP, CHAP, IPCP and data
# both ways, through the death of the active node.  The control connection is l2tp3_kernel.py's.
#
# The guest's kernel (Debian's user-mode-linux, 6.1) has CONFIG_L2TP without CONFIG_L2TP_V3: neither l2tp_netlink nor l2tp_ip nor
# l2tp_eth.  A session that is made through a PPPoX socket has no cookie and no sublayer, and its tunnel is UDP: cookies, the sublayer
# and protocol 115 are judged by worker-l2tpv3, conformance-l2tpv3 and tshark instead.  The kernel sends FF 03 in front of every frame.
# timeout: 120
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lab/lab.sh
. "$here/../lab/lab.sh"
# shellcheck source=tests/lab/uml.sh
. "$here/../lab/uml.sh"

lab_begin
lab_network
uml_boot
uml_sh "/usr/bin/python3 -c 'import hmac' && ls /usr/lib/pppd/*/pppol2tp.so" >/dev/null || lab_skip "no python3 or no pppol2tp plugin for the guest"
printf 'alice secret\n' >"$LAB/users"
for n in a b; do
	lab_configure $n '.profile[0] += { version: "3", secret: "tunnel secret", "require-auth": true, l2tpv3: { cookie: "0" } }'
done
lab_pair_up
lab_capture acc tap0
logs() {
	uml_logs
	uml_sh "cat /run/l2tpv3.log" >"$LAB/guest-l2tpv3.log" 2>&1
}
LAB_BEFORE_KEEP=logs

lab_step "the kernel's session comes up"
uml_sh "setsid /usr/bin/python3 $here/l2tp3_kernel.py $UML_ADDR $LAB_SERVICE 'tunnel secret' user alice password secret noauth noccp \
	mtu 1400 mru 1400 lcp-echo-interval 1 lcp-echo-failure 5 linkname twin debug logfile /run/pppd.log >/run/l2tpv3.log 2>&1 </dev/null &"
has_address() { uml_sh "ip -4 addr show dev ppp0 | grep -q 'inet 100\.64\.'"; }
address() { uml_sh "ip -4 -o addr show dev ppp0" | sed -n 's/.*inet \([0-9.]*\).*/\1/p'; }
lab_until 15 "the guest has an IPv4 address" has_address || lab_fail "no IPCP: $(uml_sh 'tail -n 3 /run/l2tpv3.log /run/pppd.log')"
uml_sh "ip route replace 10.20.0.0/24 dev ppp0"
mine=$(address)
data() {
	uml_sh "ping -c 3 -i 0.2 -W 2 -q $LAB_HOST" &&
		lab_exec host ping -c 3 -i 0.2 -W 2 -q "$mine" && lab_exec host ping -c 2 -i 0.2 -W 2 -q -M "do" -s 1372 "$mine" &&
		uml_sh "ping -c 2 -i 0.2 -W 2 -q -s 4000 $LAB_HOST"
}
data || lab_fail "the guest's kernel does not pass packets"
lab_ctl "$LAB_ACTIVE" wait sessions 1 5
[ "$(lab_ctl "$LAB_ACTIVE" --json show sessions up | jq -r '.sessions[0].user')" = alice ] || lab_fail "not alice"

lab_step "the active node $LAB_ACTIVE dies"
lab_power_off "$LAB_ACTIVE"
lab_until 5 "$LAB_STANDBY is active" lab_is_active "$LAB_STANDBY" || lab_fail "no takeover"
lab_find_active
lab_until 5 "data flows again" uml_sh "ping -c 1 -W 1 -q $LAB_HOST" || lab_fail "no data after the death"
data || lab_fail "the guest's kernel does not pass packets after the death"
[ "$(address)" = "$mine" ] || lab_fail "the guest's address changed"
[ "$(uml_sh "grep -ciE 'terminat|TermReq' /run/pppd.log")" = 0 ] || lab_fail "the guest was told of an end"

lab_step "the operator clears the session"
lab_ctl "$LAB_ACTIVE" session clear user alice
lab_until 10 "pppd is told" uml_sh "grep -qiE 'LCP TermReq|terminated' /run/pppd.log" || lab_fail "pppd was not told"
lab_until 10 "its control connection saw nothing wrong" uml_sh "grep -q 'l2tpv3: over, \[\]' /run/l2tpv3.log" || lab_fail "$(uml_sh 'tail -n 2 /run/l2tpv3.log')"

lab_capture_end
if command -v tshark >/dev/null; then
	lab_step "tshark reads what passed"
	bad=$(tshark -n -r "$LAB/acc-tap0.pcap" -o "l2tp.shared_secret:tunnel secret" \
		-Y 'l2tp && (_ws.malformed || _ws.expert.severity == 8388608 || _ws.expert.message contains "igest")' 2>/dev/null | wc -l)
	[ "$bad" = 0 ] || lab_fail "tshark finds $bad malformed or erroneous packets, or wrong digests"
	udp=$(tshark -n -r "$LAB/acc-tap0.pcap" -Y 'l2tp.version == 3 && ppp' 2>/dev/null | wc -l)
	[ "$udp" -gt 20 ] || lab_fail "only $udp PPP frames in L2TPv3"
fi
echo "done"
