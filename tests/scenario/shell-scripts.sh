#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the project is one that shellcheck has nothing to say about.
# runs: beside others
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || { echo "skipped: shellcheck is not installed"; exit 77; }
mapfile -t scripts < <(git ls-files 2>/dev/null | while read -r f; do
	[ -f "$f" ] && head -n 1 "$f" | grep -qE '^#!.*[/ ](ba)?sh|^# shellcheck shell=' && echo "$f"
done)
[ ${#scripts[@]} -gt 0 ] || { echo "skipped: not a git working copy"; exit 77; }
# SC2034: what is set for who sources it
shellcheck -x -P SCRIPTDIR -S warning -e SC2034 "${scripts[@]}"
echo "${#scripts[@]} scripts"
