#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The real process with a users file: every authentication, a refusal, and kill -9 in the middle of setups.
#	process_test.sh SESSION_DIAL SESSION-MGR CONFIG
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/run.users" <<U
alice wonder Framed-IP-Address = 10.9.9.9
bob builder
U
"$1" "$2" "$3" "$dir/run" alice:wonder:pap:10.9.9.9 alice:wonder:chap:10.9.9.9 alice:wonder:mschapv2:10.9.9.9 \
	bob:builder:pap:10.0.0.1 bob:wrong:pap:refused bob:wrong:mschapv2:refused bob:builder:chap:10.0.0.1
"$1" "$2" "$3" "$dir/run" --kill bob:builder:pap:up bob:builder:chap:up bob:builder:mschapv2:up bob:builder:pap:up \
	bob:builder:pap:up bob:builder:chap:up bob:builder:pap:up
