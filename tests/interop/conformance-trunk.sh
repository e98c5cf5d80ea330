#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A trunk as its peer sees it, judged from the RFC texts alone: IP-Compression-Protocol in IPCP and IPV6CP (RFC 3544), PPPMuxCP and
# multiplexed frames (RFC 3153, 4170), in every odd form.  The LAC and PPP peer of conformance-ppp.py, which shares no code with
# the node, says each and looks at the answer.
# timeout: 120
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }
[ -x /usr/bin/python3 ] || { echo "skipped: /usr/bin/python3 is not installed"; exit 77; }
export TWIN_BIN=${TWIN_BIN:-$here/../../build/release/bin}
[ -x "$TWIN_BIN/session-mgr" ] || { echo "skipped: nothing is built in $TWIN_BIN"; exit 77; }
exec /usr/bin/python3 "$here/conformance-trunk.py" "$@"
