#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/operations/counters.md and alarms.md are printed from the processes' own tables.  `--write` prints them anew.
# And every command of twinctl that a page names is one.
# runs: beside others
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${TWIN_BIN:-$root/build/release/bin}

# shellcheck disable=SC2016  # those are quotes of Markdown
page() {
	case $1 in
	counters) printf '# Counters\n\nPrinted by `twinctl meanings counters`; a test keeps this page in step.  `twinctl show counters` lists\nthose that moved.\n' ;;
	alarms) printf '# Alarms\n\nPrinted by `twinctl meanings alarms`; a test keeps this page in step.  `twinctl show alarms` lists those that stand.\n' ;;
	esac
	"$bin/twinctl" meanings "$1"
}

for p in counters alarms; do
	if [ "${1:-}" = --write ]; then
		page $p >"$root/docs/operations/$p.md"
	elif ! diff -u "$root/docs/operations/$p.md" <(page $p); then
		echo "FAILED: docs/operations/$p.md is out of step; tests/scenario/docs-in-step.sh --write"
		exit 1
	fi
done

# What the pages and alarms tell an operator to type exists.
help=$("$bin/twinctl" --help)
while read -r _ noun verb; do
	grep -Eq "(^| )$noun $verb( |\$|\.\.\.)" <<<"$help" || {
		echo "FAILED: the pages say 'twinctl $noun $verb', which twinctl --help does not know"
		exit 1
	}
done < <(grep -rhoE 'twinctl (show|tunnel|call|session|aaa|config) [a-z]+' "$root/README.md" "$root/docs" | sort -u)
