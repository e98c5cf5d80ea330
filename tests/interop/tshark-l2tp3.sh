#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tshark's opinion of L2TPv3 as our codec speaks it, over UDP and over IP protocol 115: every control
# message in its least, fullest and hidden form, handshakes with digests that tshark computes itself,
# and PPP in every form of data (sublayer or not, cookie of 0, 4, 8 octets).
#
#   tests/interop/tshark-l2tp3.sh [BUILD-DIR]       exit 0 agreed, 1 not, 77 no tshark here
#
# Known gaps of tshark 4.0: it leaves the values of AVPs 44, 49-52, 76-79 and others raw ("Vendor-Specific
# AVP data", the only note let pass), and misreads AVP 58 (left out here: tshark_l2tp3/main.c).
# Of digests it can judge those of the first connection of two hosts over IP (of two addresses and ports over UDP), since it keeps
# the first nonces that it sees there; and only in messages of one digest, since it zeros no other than the one it computes.
# runs: beside others
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-${TWIN_BUILD:-$here/../../build/release}}
gen=$build/tests/tshark_l2tp3
command -v tshark >/dev/null || { echo "skipped: tshark is not installed"; exit 77; }
[ -x "$gen" ] || { echo "failed: $gen is not built"; exit 1; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# Fields of each packet of capture $1; more options of tshark follow.
fields() {
	capture=$1
	shift
	timeout 60 tshark -n -o l2tp.shared_secret:secret -r "$capture" -T fields -e _ws.malformed \
		-e _ws.expert.message -e l2tp.avp.message_type -e _ws.col.Info "$@" 2>"$tmp/errors" ||
		{ cat "$tmp/errors" >&2; exit 1; }
}

"$gen" control >"$tmp/control.pcap"
"$gen" names >"$tmp/names"
fields "$tmp/control.pcap" >"$tmp/tshark"
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
}' "$tmp/names" "$tmp/tshark" || failed=1

# tshark tells a wrong digest from a right one: with another secret every message must be wrong.
"$gen" handshake >"$tmp/handshake.pcap"
digests=$(fields "$tmp/handshake.pcap" | awk -F '\t' '$2 == "" && $1 == ""' | wc -l)
wrong=$(timeout 60 tshark -n -o l2tp.shared_secret:other -r "$tmp/handshake.pcap" -T fields \
	-e _ws.expert.message 2>/dev/null | grep -ci 'incorrect digest') || true
echo "20 digests, $digests right; with another secret $wrong wrong"
[ "$digests" = 20 ] && [ "$wrong" = 20 ] || failed=1

# Six echo requests, each seen as PPP LCP behind the header that was negotiated in the same capture.
for udp in 0 1; do
	for sublayer in 0 1; do
		for cookie in 0 4 8; do
			"$gen" data $udp $sublayer $cookie >"$tmp/data.pcap"
			fields "$tmp/data.pcap" -e ppp.protocol -e l2tp.sid -e l2tp.l2_spec_sequence >"$tmp/data"
			good=$(awk -F '\t' '$1 == "" && $2 == "" && $5 == "0xc021"' "$tmp/data" | wc -l)
			notes=$(awk -F '\t' '$1 != "" || $2 != ""' "$tmp/data" | wc -l)
			numbers=$(awk -F '\t' '$7 != ""' "$tmp/data" | wc -l)
			echo "data udp=$udp sublayer=$sublayer cookie=$cookie: $good of 6 are LCP, $numbers numbered, $notes notes"
			[ "$good" = 6 ] && [ "$notes" = 0 ] && [ "$numbers" = $((6 * sublayer)) ] || failed=1
		done
	done
done
exit $failed
