# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# SPDX-License-Identifier: Apache-2.0
# The load generator in the lab: many LACs and PPP peers on the access network.  Sourced after lab.sh.
#
#   load_start [twinload options]    dials; packets to and from the host behind the pair
#   load_say 'traffic on'            a command (twinload --help)
#   load_wait EVENT SECONDS          its JSON line in LOAD_EVENT
#   load_ask COMMAND [SECONDS]       says, and waits for the event of that name
#   load_value KEY                   a value of LOAD_EVENT

load_start() {
	LOAD_IN=$LAB/load.in
	LOAD_OUT=$LAB/load.out
	LOAD_READ=0
	rm -f "$LOAD_IN"
	mkfifo "$LOAD_IN"
	: >"$LOAD_OUT"
	# Open for reading and writing: it never ends because nobody is talking to it.
	# shellcheck disable=SC2094
	setsid ip netns exec "$LAB_ID-lac" "$TWIN_BIN/twinload" --lns "$LAB_SERVICE" --bind 10.10.0.10 \
		--core "$LAB_HOST:4001" --core-netns "/run/netns/$LAB_ID-host" --hold -1 "$@" 0<>"$LOAD_IN" >>"$LOAD_OUT" 2>"$LAB/twinload.log" &
	LOAD_PID=$!
}

load_say() { echo "$*" >"$LOAD_IN"; }

_load_next() { # EVENT: the first line of that event not read yet
	local line n
	n=$(wc -l <"$LOAD_OUT")
	while [ "$LOAD_READ" -lt "$n" ]; do
		LOAD_READ=$((LOAD_READ + 1))
		line=$(sed -n "${LOAD_READ}p" "$LOAD_OUT")
		[[ $line == *"\"event\":\"timeout\""* ]] && LOAD_TIMED_OUT=yes
		if [[ $line == *"\"event\":\"$1\""* ]]; then
			LOAD_EVENT=$line
			return 0
		fi
	done
	return 1
}

load_wait() {
	local end=$((${EPOCHREALTIME/./} + $2 * 1000000))
	LOAD_TIMED_OUT=''
	until _load_next "$1"; do
		if [ -n "$LOAD_TIMED_OUT" ] || ! kill -0 "$LOAD_PID" 2>/dev/null || [ "${EPOCHREALTIME/./}" -gt "$end" ]; then
			echo "the load generator: no '$1' within $2 s; last: $(tail -n 1 "$LOAD_OUT") $(tail -n 1 "$LAB/twinload.log")" >&2
			return 1
		fi
		sleep 0.02
	done
}

load_ask() {
	load_say "$1"
	load_wait "${3:-$1}" "${2:-10}"
}

load_value() { jq -r ".$1" <<<"$LOAD_EVENT"; }
