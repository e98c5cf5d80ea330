#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The units of deploy/systemd are ones that systemd understands, and name programs and options that exist.
# runs: beside others
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${TWIN_BIN:-$root/build/release/bin}
command -v systemd-analyze >/dev/null || { echo "skipped: there is no systemd-analyze"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

for unit in "$root"/deploy/systemd/*.service "$root"/deploy/systemd/*.target; do
	sed "s|/usr/local/sbin|$bin|" "$unit" >"$dir/$(basename "$unit")"
done
# shellcheck disable=SC2013  # names of programs are words
for program in $(sed -n 's|^ExecStart=/usr/local/sbin/\([^ ]*\).*|\1|p' "$root"/deploy/systemd/*.service | sort -u); do
	[ -x "$bin/$program" ] || { echo "FAILED: a unit starts $program, which is not built"; exit 1; }
done
cd "$dir"
mv twinlns-worker@.service twinlns-worker@0.service # a template is verified as an instance
# Complaints about this machine's own units are not ours.
systemd-analyze verify --man=no --recursive-errors=no ./*.service ./*.target >verify.log 2>&1 || true
if grep -i twinlns verify.log; then
	echo "FAILED: systemd-analyze complains"
	exit 1
fi
for unit in ./*.service; do
	for key in Restart=always NoNewPrivileges=yes CapabilityBoundingSet= ProtectSystem=strict ExecReload=; do
		grep -q "^$key" "$unit" || { echo "FAILED: $unit lacks $key"; exit 1; }
	done
done
echo "$(find . -name '*.service' | wc -l) units verified"
