#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tshark's opinion of every L2TPv2 control message that our codec can send, in its least, fullest and
# hidden form: each must be named as we name it, none malformed, none with an expert note.
#
#   tests/interop/tshark-l2tp.sh [BUILD-DIR]       exit 0 agreed, 1 not, 77 no tshark here
#
# tshark 4.0 leaves the values of the newer AVPs raw (46, 49-55, 76-79, 81-84 and others) and says so in
# one expert note, "Vendor-Specific AVP data": that is tshark's gap, and the only note let pass.
# Those octets are checked by our own decoder (tests/unit/lib/l2tp).
# runs: beside others
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-${TWIN_BUILD:-$here/../../build/release}}
gen=$build/tests/tshark_l2tp
command -v tshark >/dev/null || { echo "skipped: tshark is not installed"; exit 77; }
[ -x "$gen" ] || { echo "failed: $gen is not built"; exit 1; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$gen" pcap >"$tmp/l2tp.pcap"
"$gen" names >"$tmp/names"
timeout 60 tshark -n -r "$tmp/l2tp.pcap" -T fields -e _ws.malformed -e _ws.expert.message \
    -e l2tp.avp.message_type -e _ws.col.Info >"$tmp/tshark" 2>"$tmp/errors" ||
    { cat "$tmp/errors"; exit 1; }

# number of packets, then: ours "NUMBER NAME", tshark's "malformed, notes, number, Control Message - NAME (..."
awk -F '\t' '
FNR == NR { split($0, n, " "); number[FNR] = n[1]; name[FNR] = tolower(n[2]); due = FNR; next }
{
	got++
	text = $4
	sub(/^Control Message - /, "", text)
	sub(/ .*/, "", text)
	notes = $2
	gsub(/Vendor-Specific AVP data,?/, "", notes)
	wrong = ""
	if ($1 != "") wrong = wrong " malformed"
	if (notes != "") wrong = wrong " note: " notes
	if (tolower(text) != name[FNR]) wrong = wrong " named " text
	if (number[FNR] != 0 && $3 != number[FNR]) wrong = wrong " type " $3
	if (wrong != "") { bad++; printf "packet %d (%s):%s\n", FNR, name[FNR], wrong }
}
END {
	if (got != due) { printf "%d packets decoded of %d\n", got, due; bad++ }
	printf "%d messages, %d disagreed\n", got, bad
	exit bad > 0 || got == 0
}' "$tmp/names" "$tmp/tshark"
