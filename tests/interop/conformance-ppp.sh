#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What happens inside a session, judged from the RFC texts alone: a LAC and PPP peer written in Python (no code of the
# project) drives a real node over UDP and says for each clause whether the node kept it.
# timeout: 150
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }
[ -x /usr/bin/python3 ] || { echo "skipped: /usr/bin/python3 is not installed"; exit 77; }
export TWIN_BIN=${TWIN_BIN:-$here/../../build/release/bin}
[ -x "$TWIN_BIN/session-mgr" ] || { echo "skipped: nothing is built in $TWIN_BIN"; exit 77; }
exec /usr/bin/python3 "$here/conformance-ppp.py" "$@"
