# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# SPDX-License-Identifier: Apache-2.0
# The lab: a pair of nodes between an access and a core network, in namespaces of their own.  Sourced by
# scenario and interop tests and by deploy/quickstart; runs as root.
#
#        lac 10.10.0.10          acc (bridge)            core (bridge)     10.20.0.10 host
#        fd00:10::10  ───────────┬──────────── a ────────────┬──────────── fd00:20::10
#                                └──────────── b ────────────┘
#                                              ║ mirror 10.30.0.0/24
#        a .2, b .3, service address .1 of each network (fd00:10::1, fd00:20::1)
#        subscribers: 100.64.0.0/16, 2001:db8:1000::/48
#
#   . tests/lab/lab.sh
#   lab_begin                   root or skip (77); a folder $LAB; everything goes on any exit
#   lab_network                 the namespaces and links above
#   lab_configure a             $LAB/a.json; a jq filter as 2nd argument changes it, e.g. '.profile[0].secret="x"'
#   lab_node_up a               starts it under s6; lab_node_down, lab_node_kill (kill -9 of all), lab_power_off (and links down)
#   lab_ctl a show sessions     twinctl of that node
#   lab_exec host ping ...      a command in a namespace;  lab_spawn host NAME CMD... in the background
#   lab_capture lac access0     tcpdump into $LAB/lac-access0.pcap
#   LAB_BEFORE_KEEP=FUNCTION    called when the test failed, while everything still runs
#   lab_fail "why"              ends the test; logs and pcaps are kept in $TWIN_LOGS (build/test-logs)
#
# Everything that runs in the lab's namespaces was started by it; teardown ends exactly those processes.

LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TWIN_BIN=${TWIN_BIN:-$LAB_ROOT/build/release/bin}
LAB_SERVICE=10.10.0.1
LAB_SERVICE6=fd00:10::1
LAB_HOST=10.20.0.10
LAB_HOST6=fd00:20::10
LAB_SPACES="lac acc a b core host"

lab_skip() {
	echo "skipped: $*"
	exit 77
}

lab_fail() {
	echo "FAILED: $*" >&2
	exit 1
}

lab_step() { echo "[$(date +%T.%N | cut -c1-12)] $*"; }

# lab_begin [ID]: ID names the namespaces; by default the process id does
lab_begin() {
	local n
	[ "$(id -u)" = 0 ] || lab_skip "network namespaces need root"
	[ -c /dev/net/tun ] || lab_skip "there is no /dev/net/tun"
	[ -x "$TWIN_BIN/twinctl" ] || lab_fail "no binaries in $TWIN_BIN: build first (tests/run does)"
	LAB_ID=${1:-tl$$}
	LAB=${LAB_DIR:-$(mktemp -d "/tmp/twinlab.$LAB_ID.XXXXXX")}
	mkdir -p "$LAB"
	chmod 755 "$LAB"
	# Run folders are in memory, as /run is on a host: on a disk that is busy with other things a heartbeat waits for it.
	LAB_RUN=$LAB
	if [ -z "${LAB_DIR:-}" ] && [ -w /dev/shm ]; then
		LAB_RUN=$(mktemp -d "/dev/shm/twinlab.$LAB_ID.XXXXXX")
		chmod 755 "$LAB_RUN"
		for n in a b; do ln -s "$LAB_RUN/run-$n" "$LAB/run-$n"; done
	fi
	LAB_NAME=$(basename "$0" .sh)
	[ "$LAB_NAME" != test ] || LAB_NAME=$(basename "$(dirname "$(readlink -f "$0")")")
	trap lab_on_exit EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	trap 'exit 141' PIPE
}

lab_on_exit() {
	local code=$?
	trap - EXIT INT TERM HUP
	trap '' PIPE
	set +e
	if [ $code != 0 ] && [ $code != 77 ]; then
		[ -z "${LAB_BEFORE_KEEP:-}" ] || $LAB_BEFORE_KEEP
		lab_keep
	fi
	lab_teardown
	exit $code
}

# What is worth reading after a failure.
lab_keep() {
	local to=${TWIN_LOGS:-$LAB_ROOT/build/test-logs}/$LAB_NAME.kept n
	rm -rf "$to"
	mkdir -p "$to"
	for n in a b; do
		[ ! -f "$LAB/$n.json" ] || lab_ctl $n --timeout 300 --json show cluster >"$to/$n-cluster.json" 2>&1 || true
		[ ! -f "$LAB/$n.json" ] || lab_ctl $n show counters >"$to/$n-counters.txt" 2>&1 || true
		[ ! -d "$LAB/run-$n/log" ] || cp -r "$LAB/run-$n/log" "$to/$n-log"
	done
	find "$LAB" -maxdepth 1 -type f -size -50M ! -name '*.sock' -exec cp {} "$to" \;
	echo "logs, configurations and captures are kept in $to" >&2
	for n in a b; do
		tail -qn 5 "$to/$n-log"/*/current 2>/dev/null | sed "s/^/$n: /" || true
	done
}

lab_ns() { echo "$LAB_ID-$1"; }

lab_exec() {
	local n=$1
	shift
	ip netns exec "$LAB_ID-$n" "$@"
}

# lab_spawn SPACE NAME COMMAND...: in the background, output in $LAB/NAME.log, pid in LAB_PID
lab_spawn() {
	local n=$1 name=$2
	shift 2
	setsid ip netns exec "$LAB_ID-$n" "$@" </dev/null >>"$LAB/$name.log" 2>&1 &
	LAB_PID=$!
}

# lab_until SECONDS WHAT COMMAND...: waits for a condition, never for a time.  The seconds are what is much on an idle
# machine; one beside others may be several times slower, and where the condition comes, patience costs nothing.
LAB_PATIENCE=4
lab_until() {
	local limit=$(($1 * LAB_PATIENCE)) what=$2 end
	shift 2
	end=$((${EPOCHREALTIME/./} + limit * 1000000))
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || { echo "not within $limit s: $what" >&2; return 1; }
		sleep 0.02
	done
}

_lab_link() { # SPACE DEVICE BRIDGE-SPACE PORT
	ip link add "$2" netns "$LAB_ID-$1" type veth peer name "$4" netns "$LAB_ID-$3"
	ip -n "$LAB_ID-$3" link set "$4" master br0 up
	ip -n "$LAB_ID-$1" link set "$2" up
}

lab_network() {
	# What any of its commands complains about is a failure, also where `set -e` is not in force.
	_lab_network 2>"$LAB/network.err"
	[ ! -s "$LAB/network.err" ] || {
		cat "$LAB/network.err" >&2
		return 1
	}
}

_lab_network() {
	local n last
	for n in $LAB_SPACES; do
		ip netns add "$LAB_ID-$n"
		ip -n "$LAB_ID-$n" link set lo up
		ip netns exec "$LAB_ID-$n" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
			net.ipv4.ip_forward=0
	done
	for n in acc core; do
		ip -n "$LAB_ID-$n" link add br0 type bridge mcast_snooping 0
		ip -n "$LAB_ID-$n" link set br0 up
	done
	_lab_link lac access0 acc plac
	_lab_link host core0 core phost
	for n in a b; do
		_lab_link $n access0 acc p$n
		_lab_link $n core0 core p$n
	done
	ip link add mirror0 netns "$LAB_ID-a" type veth peer name mirror0 netns "$LAB_ID-b"
	for n in a b; do
		[ $n = a ] && last=2 || last=3
		ip -n "$LAB_ID-$n" link set mirror0 up
		ip -n "$LAB_ID-$n" addr add 10.10.0.$last/24 dev access0
		ip -n "$LAB_ID-$n" addr add fd00:10::$last/64 dev access0 nodad
		ip -n "$LAB_ID-$n" addr add 10.20.0.$last/24 dev core0
		ip -n "$LAB_ID-$n" addr add fd00:20::$last/64 dev core0 nodad
		ip -n "$LAB_ID-$n" addr add 10.30.0.$last/24 dev mirror0
		ip netns exec "$LAB_ID-$n" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	done
	ip -n "$LAB_ID-lac" addr add 10.10.0.10/24 dev access0
	ip -n "$LAB_ID-lac" addr add fd00:10::10/64 dev access0 nodad
	ip -n "$LAB_ID-host" addr add $LAB_HOST/24 dev core0
	ip -n "$LAB_ID-host" addr add $LAB_HOST6/64 dev core0 nodad
	ip -n "$LAB_ID-host" route add 100.64.0.0/10 via 10.20.0.1
	ip -n "$LAB_ID-host" -6 route add 2001:db8:1000::/36 via fd00:20::1
}

_lab_pair() { # NODE: its part of the pair, as JSON
	local me other first
	[ "$1" = a ] && me=2 other=3 first=true || me=3 other=2 first=false
	cat <<-EOF_PAIR
		{ "enabled": true, "preferred": $first, "secret-file": "$LAB/secret",
		  "mirror-listen": { "address": "10.30.0.$me", "port": 1750 },
		  "mirror-twin": { "address": "10.30.0.$other", "port": 1750 },
		  "path": [
		    { "name": "mirror", "local": { "address": "10.30.0.$me", "port": 1751 },
		      "twin": { "address": "10.30.0.$other", "port": 1751 } },
		    { "name": "access", "local": { "address": "10.10.0.$me", "port": 1751 },
		      "twin": { "address": "10.10.0.$other", "port": 1751 } } ] }
	EOF_PAIR
}

# lab_configure NODE [JQ-FILTER]: the filter sees what is inside "twinlns:twinlns"
lab_configure() {
	local n=$1 filter=${2:-.}
	[ -f "$LAB/secret" ] || (umask 077; openssl rand -hex 32 >"$LAB/secret")
	[ -f "$LAB/users" ] || printf '* secret\n' >"$LAB/users"
	jq -n --argjson pair "$(_lab_pair "$n")" --arg lab "$LAB" --arg run "${LAB_RUN:-$LAB}" --arg n "$n" '{
	  node: { name: $n, "run-dir": "\($run)/run-\($n)", "store-dir": "\($lab)/store-\($n)" },
	  pair: $pair,
	  "service-address": [
	    { interface: "access0", address: "10.10.0.1", "prefix-length": 24 },
	    { interface: "access0", address: "fd00:10::1", "prefix-length": 64 },
	    { interface: "core0", address: "10.20.0.1", "prefix-length": 24 },
	    { interface: "core0", address: "fd00:20::1", "prefix-length": 64 } ],
	  "data-plane": { workers: 2, listen: [ { address: "10.10.0.1" }, { address: "fd00:10::1" } ] },
	  profile: [ { name: "anyone", "local-host-name": "lns.lab", ppp: "subscribers" } ],
	  ppp: [ { name: "subscribers", auth: [ "chap-md5", "pap" ], "local-address": "10.20.0.1",
	           dns: [ "10.20.0.10" ], pool: "v4", pool6: "v6" } ],
	  pool: [ { name: "v4", range: [ { first: "100.64.0.2", last: "100.64.255.254" } ] },
	          { name: "v6", family: "ipv6", range: [ { first: "2001:db8:1000::", last: "2001:db8:1000:ffff::" } ] } ],
	  aaa: { mode: "local", "users-file": "\($lab)/users" }
	} | '"$filter"' | { "twinlns:twinlns": . }' >"$LAB/$n.json"
	"$TWIN_BIN/twinctl" config check "$LAB/$n.json" >/dev/null
}

lab_ctl() {
	local n=$1
	shift
	"$TWIN_BIN/twinctl" --config "$LAB/$n.json" "$@"
}

_lab_node() { # NODE WORDS...: deploy/twinlns-up in that node's namespace
	local n=$1
	shift
	lab_exec "$n" "$LAB_ROOT/deploy/twinlns-up" --config "$LAB/$n.json" --bin "$TWIN_BIN" "$@"
}
lab_node_up() { _lab_node "$1" --wait "${2:-20}"; }
lab_node_down() { _lab_node "$1" --down; }
lab_node_kill() { _lab_node "$1" --kill; }
lab_node_pids() { _lab_node "$1" --pids; }

lab_power_off() {
	lab_node_kill "$1"
	local d
	for d in access0 core0 mirror0; do ip -n "$LAB_ID-$1" link set $d down; done
}

lab_power_on() { # links again; what the power cut took from them comes back with them
	local d last
	[ "$1" = a ] && last=2 || last=3
	ip -n "$LAB_ID-$1" addr del 10.10.0.1/24 dev access0 2>/dev/null || true
	ip -n "$LAB_ID-$1" addr del 10.20.0.1/24 dev core0 2>/dev/null || true
	for d in access0 core0 mirror0; do ip -n "$LAB_ID-$1" link set $d up; done
	ip -n "$LAB_ID-$1" addr replace fd00:10::$last/64 dev access0 nodad
	ip -n "$LAB_ID-$1" addr replace fd00:20::$last/64 dev core0 nodad
	rm -f "$LAB/run-$1/role.state"
	lab_node_up "$1"
}

# Both nodes, until the standby is warm.  Leaves the name of the active one in LAB_ACTIVE.
lab_pair_up() {
	lab_node_up a & local first=$!
	lab_node_up b || return 1
	wait $first || return 1
	lab_find_active 20 || return 1
	lab_warm
}

# The standby holds everything, and both nodes know it.
lab_warm() { lab_ctl "$LAB_ACTIVE" wait mirrored "${1:-20}" && lab_ctl "$LAB_STANDBY" wait mirrored "${1:-20}"; }

lab_is_active() { [ "$(lab_ctl "$1" --json --timeout 200 raw elector status 2>/dev/null | jq -r .role)" = active ]; }

lab_find_active() {
	local end=$((SECONDS + ${1:-10})) n
	while [ $SECONDS -le $end ]; do
		for n in a b; do
			if lab_is_active $n; then
				LAB_ACTIVE=$n
				[ $n = a ] && LAB_STANDBY=b || LAB_STANDBY=a
				return 0
			fi
		done
		sleep 0.05
	done
	echo "no node is active" >&2
	return 1
}

# lab_capture SPACE DEVICE: everything that passes there; ends with the lab or lab_capture_end
lab_capture() {
	lab_spawn "$1" "tcpdump-$1" tcpdump -Z root -i "$2" -s 0 -U -w "$LAB/$1-$2.pcap"
	LAB_CAPTURES="${LAB_CAPTURES:-} $LAB_PID"
	lab_until 5 "tcpdump listens" grep -q "listening on" "$LAB/tcpdump-$1.log"
}

lab_capture_end() {
	local p
	for p in ${LAB_CAPTURES:-}; do kill -INT "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
	LAB_CAPTURES=''
}

# Ends every process of the lab's namespaces, then the namespaces, then the folder.
lab_teardown() {
	local n pids p
	disown -a 2>/dev/null # their end is no news
	for n in a b lac host acc core; do
		[ -e "/run/netns/$LAB_ID-$n" ] || continue
		# Supervisors first, so that nothing is started again meanwhile.
		for p in $(ip netns pids "$LAB_ID-$n"); do
			case $(cat "/proc/$p/comm" 2>/dev/null) in s6-svscan | s6-supervise) kill -9 "$p" 2>/dev/null ;; esac
		done
		pids=$(ip netns pids "$LAB_ID-$n")
		# shellcheck disable=SC2086
		[ -z "$pids" ] || kill -9 $pids 2>/dev/null
		ip netns del "$LAB_ID-$n"
	done
	[ -n "${LAB_KEEP_DIR:-}" ] || rm -rf "$LAB" "${LAB_RUN:-$LAB}"
}
