#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# twinctl reads a store of 64,000 sessions: right, filtered, as JSON, quickly, and without letting a peer's name
# reach the terminal.  No process of ours runs: reading needs none.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${TWIN_BIN:-$root/build/release/bin}
fill=$(dirname "$bin")/tests/twinctl_store_fill
[ -x "$fill" ] || { echo "FAILED: $fill is not built"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/store"
"$fill" "$dir/store" 64000
cat >"$dir/conf.json" <<JSON
{ "twinlns:twinlns": { "node": { "run-dir": "$dir", "store-dir": "$dir/store" } } }
JSON
ctl() { "$bin/twinctl" --config "$dir/conf.json" --timeout 200 "$@"; }
expect() { # WHAT GOT WANTED
	[ "$2" = "$3" ] || { echo "FAILED: $1: got '$2', not '$3'"; exit 1; }
	echo "ok: $1"
}

# Of its own time on a processor: how long it had to wait for one is the machine's.
TIMEFORMAT='%3U %3S'
used=$( { time ctl show sessions >"$dir/list"; } 2>&1)
expect "all sessions are listed" "$(wc -l <"$dir/list")" 64001
took=$(awk '{ printf "%d", 1000 * ($1 + $2) }' <<<"$used")
[ "$took" -lt 5000 ] || { echo "FAILED: 64,000 sessions took $took ms"; exit 1; }
echo "ok: 64,000 sessions in $took ms"
expect "JSON has them all" "$(ctl --json show sessions | jq '.sessions | length')" 64000
expect "one user" "$(ctl --json show sessions user 'USER4711@*' | jq -r '.sessions[].session')" "$((1 + 4711 % 64))/$((1 + 4711 / 64))"
expect "one address" "$(ctl --json show sessions address 100.64.18.103 | jq -r '.sessions[].user')" user4711@example.net
expect "one tunnel" "$(ctl show sessions tunnel 7 | wc -l)" 1001
expect "a limit" "$(ctl show sessions limit 5 | wc -l)" 6
expect "nobody" "$(ctl show sessions user nobody)" "no such sessions"
expect "nobody, for programs" "$(ctl --json show sessions user nobody | jq -c .)" '{"sessions":[]}'
expect "tunnels count their calls" "$(ctl --json show tunnels | jq '.tunnels[0].calls')" 1000
expect "a peer's escape sequence stays text" "$(ctl show tunnels | grep -c $'\033' || true)" 0
expect "Private Group ID that is no text" "$(ctl --json show session 1/1 | jq -r '.signalled."private-group"')" 0x626c756500ff
expect "SLI" "$(ctl --json show session 1/1 | jq -r '.signalled | ."accm-send" + " " + ."accm-receive"')" "0x00000000 0x000a0000"
expect "access line" "$(ctl --json show session 1/1 | jq -r '."access-line"."Agent-Circuit-Id"')" "port 1/2"
expect "access line, a number" "$(ctl --json show session 1/1 | jq -r '."access-line"."Actual-Data-Rate-Downstream"')" "18000000 bps"
expect "traffic reads with units" "$(ctl show session 1/1 | awk '$1 == "from-subscriber" { print $2, $3; exit }')" "1.5 KiB"
expect "an alarm says what to do" "$(ctl --json show alarms | jq -r '.alarms[0]."to-do"' | cut -c1-16)" "look at the twin"
expect "one session by its user" "$(ctl --json show session user 'user4711@*' | jq -r .call.session)" "$((1 + 4711 % 64))/$((1 + 4711 / 64))"
expect "one session by its address" "$(ctl --json show session address 100.64.18.103 | jq -r .subscriber.user)" user4711@example.net
expect "not one session, but many" "$(ctl show session tunnel 7 2>&1)" "twinctl: 1000 sessions fit; show sessions with the same words lists them"
expect "one tunnel" "$(ctl --json show tunnel 7 | jq -c '[.tunnel.tunnel, .calls.established]')" "[7,1000]"
expect "no such tunnel" "$(ctl show tunnel 60000 2>&1)" "twinctl: there is no tunnel 60000; show tunnels lists them"
expect "tables" "$(ctl --json show tables | jq '.tables[] | select(.table == "subscriber") | .rows')" 64000

code() { local c=0; "$@" >/dev/null 2>&1 || c=$?; echo $c; }
expect "exit 1: no such session" "$(code ctl show session 9/60000)" 1
expect "exit 2: wrong words" "$(code ctl show sessions colour red)" 2
expect "exit 3: no process" "$(code ctl switchover)" 3
expect "exit 3: nobody who knows the pair" "$(code ctl show cluster)" 3
expect "exit 4: no configuration" "$(code "$bin/twinctl" --config /nonexistent show tunnels)" 4
expect "an answer that says what to do" "$(ctl switchover 2>&1 | grep -c 'elector is not running')" 1
