#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Header compression against independent eyes: a compressor and a decompressor in Python written from the RFCs alone
# (crtp_peer.py), the RTP captures of Debian's sip-tester, and tshark.
#
#   tests/interop/crtp.sh        exit 0 agreed, 1 not, 77 something is not installed
# runs: beside others
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${TWIN_BUILD:-$here/../../build/release}
tool=$build/tests/crtp_tool
command -v tshark >/dev/null || { echo "skipped: tshark is not installed"; exit 77; }
[ -x "$tool" ] || { echo "failed: $tool is not built"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
/usr/bin/python3 "$here/crtp_check.py" "$tool" "$tmp"
