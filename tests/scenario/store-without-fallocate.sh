#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# A store on a file system that cannot allocate blocks ahead (here: ramfs) is not written in place, says so, and
# serves.
set -euo pipefail
. "$(dirname "$0")/../lab/lab.sh"
[ "${1:-}" = inside ] || exec unshare -m "$0" inside
lab_begin
lab_network
lab_configure a '.pair = { enabled: false }'
mkdir -p "$LAB/store-a"
mount -t ramfs ramfs "$LAB/store-a" || lab_skip "no ramfs"
trap 'code=$?; umount -l "$LAB/store-a"; (exit $code); lab_on_exit' EXIT
chmod 777 "$LAB/store-a"
touch "$LAB/store-a/probe"
! fallocate -n -l 4096 "$LAB/store-a/probe" 2>/dev/null || lab_skip "ramfs allocates here"
lab_node_up a
lab_until 10 "the node is active" lab_is_active a
grep -q "cannot allocate ahead" "$LAB/run-a/log/state-sync/current" || lab_fail "state-sync does not say it"
in_place() { grep -q "rw-s.*$LAB/store-a/data.mdb" "/proc/$(lab_node_pids a | awk '$1 == "state-sync" { print $2 }')/maps"; }
! in_place || lab_fail "pages are mapped for writing"
lab_ctl a show cluster | grep -q active || lab_fail "twinctl does not see the node"
[ "$(lab_ctl a --json show sessions | jq '.sessions | length')" = 0 ] || lab_fail "the store cannot be read"
lab_step "served from a store that is written out"
