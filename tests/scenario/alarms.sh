#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# What is wrong around a node stands as an alarm for as long as it is wrong: its users file, an interface, its store.
set -euo pipefail
. "$(dirname "$0")/../lab/lab.sh"
lab_begin
lab_network
single='.pair = { enabled: false }'
lab_configure a "$single"
stands() { lab_ctl a --json show alarms 2>/dev/null | jq -e --arg name "$1" '[.alarms[].alarm] | index($name) != null' >/dev/null; }
gone() { lab_ctl a --json show alarms 2>/dev/null | jq -e --arg name "$1" '[.alarms[].alarm] | index($name) == null' >/dev/null; }
position() { lab_ctl a --json raw state-sync status 2>/dev/null | jq .position; }
none() { lab_ctl a --json show alarms 2>/dev/null | jq -e '.alarms == []' >/dev/null; }
again() { [ "$(lab_node_pids a | awk '$1 == "state-sync" { print $2 }')" != "$before" ] && [ -n "$(position)" ]; }

lab_node_up a
lab_until 10 "the node is active" lab_is_active a
lab_until 10 "session-mgr answers" lab_ctl a aaa reload
lab_until 10 "nothing is wrong" none

lab_step "a users file that cannot be read"
printf 'alice wonder Framed-IP-Address = nowhere\n' >"$LAB/users"
! lab_ctl a aaa reload 2>/dev/null || lab_fail "a wrong users file is taken"
lab_until 10 "the alarm stands" stands USERS_FILE_BAD
printf '* secret\n' >"$LAB/users"
lab_ctl a aaa reload >/dev/null
lab_until 10 "the alarm is gone" none

lab_step "a service address whose interface is not there"
lab_configure a "$single | .\"service-address\" += [{ interface: \"nosuch0\", address: \"192.0.2.77\", \"prefix-length\": 24 }]"
lab_ctl a config reload >/dev/null
lab_until 10 "the alarm stands" stands ADDRESS
lab_configure a "$single"
lab_ctl a config reload >/dev/null
lab_until 10 "the alarm is gone" none

lab_step "a damaged store"
lab_node_kill a
store=$LAB/store-a/data.mdb
pages=$(($(stat -c %s "$store") / 4096))
[ "$pages" -gt 4 ] || lab_fail "a store of $pages pages"
# Every page but the two that say where the others are.
dd if=/dev/urandom of="$store" bs=4096 seek=2 count=$((pages < 400 ? pages - 2 : 400)) conv=notrunc status=none
lab_node_up a
lab_until 10 "the alarm stands" stands STORE_DAMAGED
[ -s "$store.damaged" ] || lab_fail "the damaged file is not kept"
lab_until 20 "the node is active with a new store" lab_is_active a
lab_ctl a show alarms | grep -q "STORE_DAMAGED" || lab_fail "twinctl does not list it: $(lab_ctl a show alarms)"
lab_step "set aside, and told"

before=$(lab_node_pids a | awk '$1 == "state-sync" { print $2 }')
_lab_node a --restart state-sync
lab_until 10 "state-sync has started again" again
lab_until 10 "the alarm is gone" gone STORE_DAMAGED
lab_is_active a || lab_fail "the node is not active"
lab_step "it ends with a start from a whole store"
