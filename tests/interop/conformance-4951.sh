#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# RFC 4951 as seen from the wire: conformance-4951.py, written from the RFC with packet code of its own, plays a LAC
# that fails and recovers its tunnels against one real node, and a LAC that faces a node which starts cold from its store.
#
#   tests/interop/conformance-4951.sh [TEXT]...    exit 0 conforms, 1 not, 77 cannot run here
#
# TEXT: only stories whose name contains one of them.  TWIN_BIN: folder of the binaries.
# timeout: 150
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export TWIN_BIN="${TWIN_BIN:-${TWIN_BUILD:-$here/../../build/release}/bin}"
[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }
unshare -n true 2>/dev/null || { echo "skipped: no network namespace can be made here"; exit 77; }
[ -x "$TWIN_BIN/tunnel-ctl" ] || { echo "failed: nothing is built in $TWIN_BIN"; exit 1; }
exec /usr/bin/python3 "$here/conformance-4951.py" "$@"
