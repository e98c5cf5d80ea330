#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Two state-syncs and two electors in namespaces, and a small owner: the pair becomes mirrored, the whole
# active node is killed, the standby serves with everything that was ever released; a standby's death leaves
# the active alone, and its return heals it; a switchover on command; an elector's and a state-sync's death.
#
#      node a ══ mirror0 10.30.0.0/24 ══ node b
#           └─── access0 10.31.0.0/24 ───┘   service address 10.31.0.100, 2001:db8:31::100
#
#   pair-basic.sh [BUILD]     BUILD holds bin/ and tests/; figures on lines `figure NAME VALUE UNIT`
# shellcheck disable=SC2317  # functions are called through check and until_ok
set -u
build=${1:-${TWIN_BUILD:-${TWIN_BUILD_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)/build}/release}}
id=pb$$
failed=0
for f in tests/pair_owner bin/elector bin/state-sync bin/twinctl; do
	[ -x "$build/$f" ] || { echo "build first: $build has no $f"; exit 77; }
done
# Run folders in memory, as /run is on a host: on a disk that is busy with other things a heartbeat waits for it.
[ -w /dev/shm ] && memory=/dev/shm || memory=/tmp
dir=$(mktemp -d $memory/$id.XXXX)
disk=$(mktemp -d /tmp/$id.XXXX)
declare -A pid

cleanup() {
	kill9 "${!pid[@]}"
	wait 2>/dev/null
	for n in a b; do ip netns del "$id-$n" 2>/dev/null; done
	if [ $failed = 0 ]; then
		rm -rf "$dir"
	else
		cat "$dir"/[ab]/elector.log
		[ -z "${TWIN_LOGS:-}" ] || { rm -rf "$TWIN_LOGS/pair-basic.kept" && mv "$dir" "$TWIN_LOGS/pair-basic.kept" && dir=$TWIN_LOGS/pair-basic.kept; }
		echo "logs are kept in $dir"
	fi
	rm -rf "$disk"
}
trap cleanup EXIT
trap 'failed=1; exit 1' INT TERM

ok() { echo "ok   $*"; }
bad() { echo "FAIL $*"; failed=1; }
check() { local what=$1; shift; if "$@"; then ok "$what"; else bad "$what"; fi; }
clock() { "$build/tests/pair_owner" --clock; }

# until SECONDS COMMAND...: waits for a condition, never for a time; the seconds are much on an idle machine, and a slow one
# has four times as many
until_ok() {
	local end=$((SECONDS + 4 * $1)); shift
	while ! "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

network() {
	for n in a b; do ip netns add "$id-$n"; ip -n "$id-$n" link set lo up; done
	for l in mirror0 access0; do ip link add $l netns "$id-a" type veth peer name $l netns "$id-b"; done
	local last=1
	for n in a b; do
		ip -n "$id-$n" addr add 10.30.0.$last/24 dev mirror0
		ip -n "$id-$n" addr add 10.31.0.$last/24 dev access0
		for l in mirror0 access0; do ip -n "$id-$n" link set $l up; done
		last=2
	done
}

config() { # NODE OWN OTHER PREFERRED
	local n=$1 me=$2 other=$3
	mkdir -p "$dir/$n/run" "$disk/$n/store"
	cat >"$dir/$n/conf.json" <<-JSON
	{ "twinlns:twinlns": {
	  "node": { "name": "$n", "run-dir": "$dir/$n/run", "store-dir": "$disk/$n/store" },
	  "pair": {
	    "enabled": true, "preferred": $4, "policy": "${POLICY:-prefer-service}",
	    "lease-time": 200, "dead-time": 300,
	    "mirror-listen": { "address": "10.30.0.$me", "port": 1750 },
	    "mirror-twin": { "address": "10.30.0.$other", "port": 1750 },
	    "secret-file": "$dir/secret",
	    "path": [
	      { "name": "mirror", "local": { "address": "10.30.0.$me", "port": 1751 }, "twin": { "address": "10.30.0.$other", "port": 1751 } },
	      { "name": "access", "local": { "address": "10.31.0.$me", "port": 1751 }, "twin": { "address": "10.31.0.$other", "port": 1751 } }
	    ]
	  },
	  "service-address": [
	    { "interface": "access0", "address": "10.31.0.100", "prefix-length": 24 },
	    { "interface": "access0", "address": "2001:db8:31::100", "prefix-length": 64 }
	  ]
	} }
	JSON
}

start() { # NODE PROCESS [RATE SECONDS]
	local n=$1 p=$2
	if [ "$p" = owner ]; then
		ip netns exec "$id-$n" "$build/tests/pair_owner" "$dir/$n/conf.json" "$dir/$n/mark" "$3" "$4" >>"$dir/$n/owner.out" 2>>"$dir/$n/owner.log" &
	elif [ "$p" = elector ]; then
		# kept by a supervisor that does not wait, and is not made to wait by a busy machine
		ip netns exec "$id-$n" chrt -f 10 sh -c "while :; do '$build/bin/elector' --config '$dir/$n/conf.json'; done" 2>>"$dir/$n/$p.log" &
	else
		ip netns exec "$id-$n" "$build/bin/$p" --config "$dir/$n/conf.json" 2>>"$dir/$n/$p.log" &
	fi
	pid[$n-$p]=$!
}
elector_of() { cat "/proc/${pid[$1-elector]}/task/${pid[$1-elector]}/children" 2>/dev/null | tr -d ' '; }
kill9() { # a supervisor before what it would start again
	for k in "$@"; do
		local child=''
		[ "${k#*-}" = elector ] && child=$(elector_of "${k%-*}")
		kill -9 "${pid[$k]}" $child 2>/dev/null
	done
	for k in "$@"; do wait "${pid[$k]}" 2>/dev/null; unset "pid[$k]"; done
}

status() { "$build/bin/twinctl" --config "$dir/$1/conf.json" --json raw "$2" status 2>/dev/null; }
field() { status "$1" "$2" | jq -r "$3"; }
is() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }
has_addr() { ip -n "$id-$1" addr show dev access0 | grep -q "10.31.0.100/24"; }
has_addr6() { ip -n "$id-$1" addr show dev access0 | grep -q "2001:db8:31::100/64"; }
mark() { od -An -tu8 -N8 "$dir/$1/mark" | tr -d ' '; }
last() { grep " $2 " "$dir/$1/owner.out" | tail -1; }
said() { [ -n "$(last "$1" "$2")" ]; }
since() { # NODE WORD KILLED-AT: is there such a line after that moment?
	local l; l=$(last "$1" "$2"); [ -n "$l" ] && [ "${l%% *}" -gt "$3" ]
}
figure() { echo "figure $1 $2 $3"; }
ms() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", (b - a) / 1e6 }'; }

head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/secret"
chmod 600 "$dir/secret"
network
config a 1 2 true
config b 2 1 false

# --- both start: the preferred one is active, and the pair is mirrored ----------------------------------
for n in a b; do for p in elector state-sync; do start $n $p; done; done
check "a is active" until_ok 10 is a elector .role active
check "b is standby" until_ok 10 is b elector .role standby
check "mirrored" until_ok 10 is a elector .mirrored true
check "a holds the addresses" has_addr a
check "a holds the IPv6 address" has_addr6 a
if has_addr b; then bad "b holds no address"; else ok "b holds no address"; fi

# --- load, mirrored: 10,000 records a second -------------------------------------------------------------
start b owner 0 1000
start a owner 10000 5
wait "${pid[a-owner]}"
unset "pid[a-owner]"
line=$(last a sum)
figure mirror.records "$(sed 's/.*records=\([0-9]*\).*/\1/' <<<"$line")" "records in 5 s"
figure owner.release.p50 "$(sed 's/.*p50_us=\([0-9]*\).*/\1/' <<<"$line")" us
figure owner.release.p99 "$(sed 's/.*p99_us=\([0-9]*\).*/\1/' <<<"$line")" us
figure mirror.lag.p50 "$(field a state-sync .lag.p50_us)" us
figure mirror.lag.p99 "$(field a state-sync .lag.p99_us)" us

# --- kill -9 of the whole active node ----------------------------------------------------------------------
start a owner 5000 1000
until_ok 5 is b state-sync .role standby
until_ok 5 said a sending
sleep 1
t=$(clock)
kill9 a-owner a-state-sync a-elector
check "b promotes" until_ok 5 since b active "$t"
check "b sends" until_ok 5 since b sending "$t"
figure promotion.active "$(ms "$t" "$(last b active | cut -d' ' -f1)")" ms
figure promotion.sending "$(ms "$t" "$(last b sending | cut -d' ' -f1)")" ms
released=$(mark a)
seen=$(last b active | awk '{ print $3 }')
check "b holds everything released: released $released, held $seen" test "$seen" -ge "$released"
check "b holds the addresses" has_addr b

# --- the node comes back as standby, and is mirrored again -------------------------------------------------
kill9 b-owner
start b owner 2000 1000
for p in elector state-sync; do start a $p; done
check "a comes back as standby" until_ok 10 is a elector .role standby
check "mirrored again" until_ok 10 is b elector .mirrored true
if has_addr a; then bad "a gave the addresses up"; else ok "a gave the addresses up"; fi

# --- the standby dies: nobody notices but the alarm ----------------------------------------------------------
kill9 a-state-sync a-elector
check "alone" until_ok 5 is b state-sync .mirror alone
check "b is still active" is b elector .role active
check "the lease never stopped" test -z "$(grep 'lease lapsed' "$dir/b/elector.log")"
before=$(mark b)
flows() { [ "$(mark b)" -gt "$before" ]; }
check "effects flow alone" until_ok 2 flows
for p in elector state-sync; do start a $p; done
check "healed" until_ok 10 is b elector .mirrored true

# --- switchover on command ------------------------------------------------------------------------------------
kill9 b-owner
start a owner 0 1000
check "a's owner is there" until_ok 5 said a standby
for i in 1 2 3 4 5; do
	until_ok 10 is b elector .mirrored true
	t=$(clock)
	out=$("$build/bin/twinctl" --config "$dir/b/conf.json" raw elector switchover 2>&1) || bad "switchover: $out"
	check "a took over" until_ok 5 is a elector .role active
	check "a sends" until_ok 5 since a sending "$t"
	figure "switchover.command.$i" "$(sed 's/.*, \([0-9.]*\) ms.*/\1/' <<<"$out")" ms
	until_ok 10 is a elector .mirrored true || bad "mirrored after switchover"
	"$build/bin/twinctl" --config "$dir/a/conf.json" raw elector switchover >/dev/null 2>&1 || bad "back"
	until_ok 5 is b elector .role active
done

# --- the elector of the active dies: role, lease and addresses stay ---------------------------------------------
until_ok 10 is b elector .mirrored true
epoch=$(field b elector .epoch)
old=$(elector_of b)
kill -9 "$old"
check "another elector is there" until_ok 5 bash -c "[ -n \"\$(cat /proc/${pid[b-elector]}/task/${pid[b-elector]}/children)\" ]"
until_ok 5 is b elector .role active
check "role and epoch outlive the elector" is b elector .epoch "$epoch"
check "its start took $(grep -o 'ms=[0-9.]*' "$dir/b/elector.log" | tail -1)" true
# on a busy machine the start may take a little longer than what was left of the lease: then it revives
figure elector.restart.lapses "$(grep -c 'lease lapsed' "$dir/b/elector.log")" times
check "the lease runs" until_ok 2 is b elector .lease true

# --- state-sync of the active dies: effects wait, nothing else --------------------------------------------------
kill9 b-state-sync
start b state-sync
check "state-sync resumes" until_ok 5 is b state-sync .role active
check "mirrored after that" until_ok 10 is b state-sync .mirror mirrored
check "epoch is the same" is b elector .epoch "$epoch"

# --- SIGSTOP of the active's elector: the twin takes over, the sleeper yields -------------------------------------
sleeper=$(elector_of b)
kill -STOP "$sleeper"
check "a promotes" until_ok 5 is a elector .role active
kill -CONT "$sleeper"
check "b yields" until_ok 5 is b elector .role standby
check "b has no address" until_ok 2 bash -c "! ip -n $id-b addr show dev access0 | grep -q 10.31.0.100"
check "mirrored in the end" until_ok 10 is a elector .mirrored true

[ $failed = 0 ] && echo "pair-basic: passed" || echo "pair-basic: FAILED"
exit $failed
