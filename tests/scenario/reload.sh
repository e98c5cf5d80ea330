#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# SIGHUP to every process of a node: none ends, what can be taken up is, a wrong file is refused, and what needs
# a restart is named.
set -euo pipefail
. "$(dirname "$0")/../lab/lab.sh"
lab_begin
lab_network

single='.pair = { enabled: false }'
lab_configure a "$single"
lab_node_up a
said() { # PROCESS WORDS: one of its lines since the last reload
	tail -n "+$((before[$1] + 1))" "$LAB/run-a/log/$1/current" | grep -q -- "$2"
}
reload() {
	for p in $processes; do before[$p]=$(wc -l <"$LAB/run-a/log/$p/current"); done
	_lab_node a --reload
}
declare -A before
owners='state-sync tunnel-ctl session-mgr worker-0 worker-1'
for p in $owners; do
	lab_until 10 "$p is ready" grep -Eq 'ready|loaded|welcome who=worker' "$LAB/run-a/log/$p/current"
done
pids=$(lab_node_pids a | sort)
processes=$(awk '{ print $1 }' <<<"$pids")

lab_step "the same file again"
reload
for p in $owners elector; do lab_until 5 "$p has read it" said "$p" "configuration loaded"; done
for p in $owners; do ! said "$p" "must be" || lab_fail "$p wants a restart for nothing"; done

lab_step "what counts at once"
lab_configure a "$single | .\"data-plane\".\"mss-clamp\" = false | .pair.\"degrade-time\" = 1234"
reload
lab_until 5 "state-sync has taken degrade-time" said state-sync "degrade-ms=1234"
lab_until 5 "a worker has read it" said worker-0 "configuration loaded"

lab_step "what needs a restart"
lab_configure a "$single | .node.\"store-octets\" = \"2147483648\" | .\"data-plane\".\"receive-buffer\" = 65536"
reload
lab_until 5 "state-sync names it" said state-sync "must be restarted for node/store-octets"
for w in 0 1; do
	lab_until 5 "worker $w names it" said worker-$w "must be stopped and started for data-plane/receive-buffer"
done

lab_step "the same by command, with an answer of each process"
lab_configure a "$single | .\"data-plane\".\"dscp-copy\" = false | .limits.\"max-tunnels\" = 77"
answers=$(lab_ctl a config reload) || lab_fail "config reload: $answers"
for p in elector state-sync tunnel-ctl session-mgr worker.0 worker.1; do
	grep -Eq "^$p +yes +configuration loaded" <<<"$answers" || lab_fail "no word of $p: $answers"
done
grep -q "tunnel-ctl.*data-plane/dscp-copy.*limits/max-tunnels" <<<"$answers" || lab_fail "what changed is not named: $answers"
lab_ctl a log debug tunnel-ctl >/dev/null
lab_ctl a log tunnel-ctl | grep -q "from debug" || lab_fail "the level of the log is not debug"
lab_ctl a log elector | grep -q "from info" || lab_fail "another process's level has changed"
lab_ctl a config reload >/dev/null
lab_ctl a log tunnel-ctl | grep -q "from info" || lab_fail "a reload does not bring the configured level back"
! lab_ctl a log loud >/dev/null 2>&1 || lab_fail "any level is taken"

lab_step "a wrong file"
cp "$LAB/a.json" "$LAB/good.json"
echo '{ "twinlns:twinlns": { "node": { "nam": "a" } } }' >"$LAB/a.json"
! _lab_node a --reload 2>/dev/null || lab_fail "twinlns-up hands out a wrong file"
! lab_ctl a config reload 2>/dev/null || lab_fail "twinctl hands out a wrong file"
for p in $processes; do before[$p]=$(wc -l <"$LAB/run-a/log/$p/current"); done
awk '{ print $2 }' <<<"$pids" | xargs kill -HUP # as if somebody did it by hand
for p in $owners elector; do lab_until 5 "$p refuses it" said "$p" "refused"; done
! lab_ctl a --run "$LAB/run-a" raw elector reload 2>"$LAB/said" || lab_fail "the elector takes a wrong file"
grep -q 'refused.*"nam"' "$LAB/said" || lab_fail "the elector does not say what is wrong: $(cat "$LAB/said")"
cp "$LAB/good.json" "$LAB/a.json"

[ "$(lab_node_pids a | sort)" = "$pids" ] || lab_fail "a process ended: before $pids, now $(lab_node_pids a | sort)"
lab_step "every process is the one that it was"
