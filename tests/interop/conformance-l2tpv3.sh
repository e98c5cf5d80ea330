#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# L2TPv3 as seen from the wire: conformance-l2tpv3.py, written from RFC 3931 with packet and digest code of its own, talks
# to one real node in network namespaces and checks what it answers, clause by clause.
#
#   tests/interop/conformance-l2tpv3.sh [TEXT]...    exit 0 conforms, 1 not, 77 cannot run here
#
# TEXT: only stories whose name contains one of them.  TWIN_BIN: folder of the binaries.
# timeout: 180
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export TWIN_BIN="${TWIN_BIN:-${TWIN_BUILD:-$here/../../build/release}/bin}"
[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }
unshare -n true 2>/dev/null || { echo "skipped: no network namespace can be made here"; exit 77; }
[ -x "$TWIN_BIN/tunnel-ctl" ] || { echo "failed: nothing is built in $TWIN_BIN"; exit 1; }
exec /usr/bin/python3 "$here/conformance-l2tpv3.py" "$@"
