# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# SPDX-License-Identifier: Apache-2.0
# A User Mode Linux guest on the lab's access network: a LAC with the kernel's own PPP over L2TP.  Sourced after
# lab.sh and lab_network.
#
#   uml_boot            boots the guest (10.10.0.20, fd00:10::20); 77 if this machine cannot
#   uml_sh 'COMMAND'    a line of shell in the guest: its output, its exit code
#   uml_xl2tpd USER PASSWORD [OPTIONS-FILE-LINES]     xl2tpd in the guest, ready to call our service address
#   uml_dial, uml_hangup
#   uml_poweroff

UML_ADDR=10.10.0.20

_uml_missing() {
	local c
	for c in linux.uml socat gcc modprobe xl2tpd; do
		command -v $c >/dev/null || { echo "$c is not installed"; return 0; }
	done
	[ -d /usr/lib/uml/modules ] || { echo "the guest's modules are not installed"; return 0; }
	return 1
}

_uml_prepare() {
	UML=$LAB/uml
	mkdir -p "$UML/modules/lib" || return
	ln -sfn /usr/lib/uml/modules "$UML/modules/lib/modules"
	cp "$LAB_ROOT/deploy/lab/uml/init" "$LAB_ROOT/deploy/lab/uml/agent" "$UML/"
	echo "GUEST_ADDRS='$UML_ADDR/24 fd00:10::20/64'" >"$UML/guest.conf"
	gcc -O2 -shared -fPIC -o "$UML/shim.so" "$LAB_ROOT/deploy/lab/uml/shim.c"
}

# Boots; the answer is in the log.  0, or 1 with the reason on stderr.
uml_try_boot() {
	local why
	if why=$(_uml_missing); then
		echo "$why" >&2
		return 1
	fi
	_uml_prepare || return 1
	ip -n "$LAB_ID-acc" tuntap add tap0 mode tap || return 1
	ip -n "$LAB_ID-acc" link set tap0 master br0 up
	LD_PRELOAD=$UML/shim.so TMPDIR=/tmp HOME=$UML lab_spawn acc uml linux.uml mem=128M root=/dev/root rootfstype=hostfs rootflags=/ ro \
		"init=$UML/init" vec0:transport=tap,ifname=tap0,depth=64 con=null con0=null,fd:1 con1=null ssl=null quiet \
		"twin_dir=$UML"
	UML_PID=$LAB_PID
	lab_until "${UML_BOOT_SECONDS:-20}" "the guest is ready" _uml_ready_or_dead
	_uml_ready || {
		echo "the guest does not boot here: $(tail -n 1 "$LAB/uml.log")" >&2
		return 1
	}
	lab_until 5 "the guest answers" uml_sh true
}
_uml_ready() { grep -q "guest: ready" "$LAB/uml.log"; }
_uml_ready_or_dead() { _uml_ready || ! kill -0 "$UML_PID" 2>/dev/null; }

uml_boot() {
	uml_try_boot 2>"$LAB/guest.why" || lab_skip "no User Mode Linux guest: $(tail -n 1 "$LAB/guest.why")"
}

# The answer ends with its last line, not with the connection: what goes on in the background may keep that.
uml_sh() {
	# shellcheck disable=SC2016
	lab_exec lac timeout "${2:-20}" bash -c 'exec 3<>"/dev/tcp/$0/7000" || exit 125
		printf "%s\n" "$1" >&3
		while IFS= read -r line <&3; do
			case $line in "@exit "*) exit "${line#@exit }" ;; esac
			printf "%s\n" "$line"
		done
		exit 125' "$UML_ADDR" "$1" 2>/dev/null
}

uml_xl2tpd() { # USER PASSWORD [lines for pppd]
	cat >"$UML/xl2tpd.conf" <<-CONF
		[global]
		port = 1701
		access control = no
		[lac twin]
		lns = $LAB_SERVICE
		ppp debug = yes
		length bit = yes
		pppoptfile = $UML/ppp-options
		redial = no
	CONF
	cat >"$UML/ppp-options" <<-OPTIONS
		user $1
		password $2
		noauth
		noccp
		+ipv6
		mtu 1400
		mru 1400
		lcp-echo-interval 1
		lcp-echo-failure 5
		debug
		logfile /run/pppd.log
		${3:-}
	OPTIONS
	: >"$UML/secrets"
	uml_sh "setsid xl2tpd -D -c $UML/xl2tpd.conf -s $UML/secrets -p /run/xl2tpd.pid -C /run/xl2tpd/ctl >/run/xl2tpd.log 2>&1 </dev/null & for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -p /run/xl2tpd/ctl ] && exit 0; sleep 0.1; done; cat /run/xl2tpd.log; exit 1"
}

uml_dial() { uml_sh "echo 'c twin' >/run/xl2tpd/ctl"; }
uml_hangup() { uml_sh "echo 'd twin' >/run/xl2tpd/ctl"; }
uml_logs() { # into the lab's folder, for whoever reads about a failure
	uml_sh "cat /run/pppd.log" >"$LAB/guest-pppd.log" 2>&1
	uml_sh "cat /run/xl2tpd.log" >"$LAB/guest-xl2tpd.log" 2>&1
	uml_sh "ip addr; ip route; dmesg | tail -n 20" >"$LAB/guest-ip.log" 2>&1
}
uml_poweroff() {
	kill -TERM "$UML_PID" 2>/dev/null
	lab_until 5 "the guest is off" _uml_dead
}
_uml_dead() { ! kill -0 "$UML_PID" 2>/dev/null; }
