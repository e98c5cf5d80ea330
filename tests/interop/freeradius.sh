#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A real FreeRADIUS against the real session-mgr: PAP, CHAP, MS-CHAPv2, refusals, attributes, and accounting
# start/interim/stop as FreeRADIUS's own detail file shows them.  Runs in a network namespace of its own.
# Exits with 0, 1, or 77 (skipped: no FreeRADIUS, or no namespace).
# timeout: 120
# runs: beside all
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${TWIN_BUILD:-$here/../../build/release}
bin=${TWIN_BIN:-$build/bin}

if [ "${1-}" != inside ]; then
	command -v freeradius >/dev/null || { echo "skipped: freeradius is not installed"; exit 77; }
	unshare -n true 2>/dev/null || { echo "skipped: no network namespace can be made here"; exit 77; }
	exec unshare -n "$0" inside
fi
[ -x "$build/tests/session_dial" ] || { echo "session_dial is not built in $build/tests"; exit 1; }
ip link set lo up

dir=$(mktemp -d)
chmod 755 "$dir"
radius='' linger=''
tidy() {
	[ -z "$radius" ] || kill "$radius" 2>/dev/null || true
	[ -z "$linger" ] || kill "$linger" 2>/dev/null || true
	if [ "${KEEP-}" ]; then echo "kept: $dir"; else rm -rf "$dir"; fi
}
trap tidy EXIT
fail() {
	echo "FAILED: $*"
	tail -n 30 "$dir/radius.log" "$dir/dial.log" "$dir/linger.log" 2>/dev/null || true
	exit 1
}

# --- FreeRADIUS: its own configuration, our users, a detail file.
cp -r /etc/freeradius/3.0 "$dir/raddb"
conf=$dir/raddb
sed -i "s#^raddbdir = .*#raddbdir = $conf#; s#^logdir = .*#logdir = $dir/log#; s#^run_dir = .*#run_dir = $dir/run.radius#" \
	"$conf/radiusd.conf"
mkdir -p "$dir/log/radacct" "$dir/run.radius"
rm -f "$conf/sites-enabled/inner-tunnel" "$conf/mods-enabled/eap"
# The default site speaks EAP and IPv6 too; this one has what a network access server needs.
cat >"$conf/sites-enabled/default" <<'SITE'
server default {
	listen {
		type = auth
		ipaddr = 127.0.0.1
		port = 1812
	}
	listen {
		type = acct
		ipaddr = 127.0.0.1
		port = 1813
	}
	authorize {
		chap
		mschap
		files
		pap
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type CHAP {
			chap
		}
		Auth-Type MS-CHAP {
			mschap
		}
	}
	preacct {
		acct_unique
	}
	accounting {
		detail
	}
}
SITE
cat >"$conf/mods-enabled/detail" <<DETAIL
detail {
	filename = $dir/log/radacct/detail
	permissions = 0600
	header = "%t"
	locking = no
}
DETAIL
cat >"$conf/mods-config/files/authorize" <<'USERS'
alice Cleartext-Password := "wonder"
	Framed-IP-Address = 10.9.9.9, Class = 0x676f6c64, Acct-Interim-Interval = 60, Framed-MTU = 1400,
	Filter-Id = "f1", Session-Timeout = 3600, Idle-Timeout = 600

bob Cleartext-Password := "builder"
	Framed-Pool = "gold", Reply-Message = "welcome"

carol Cleartext-Password := "sings"

dave Cleartext-Password := "drums", Auth-Type := Reject
	Reply-Message = "not today"

eve Cleartext-Password := "x"
	Framed-Pool = "nowhere"

frank Cleartext-Password := "x"
	Framed-IPv6-Prefix = 2001:db8:77::/64, Delegated-IPv6-Prefix = 2001:db8:88::/56, User-Name = "franklin"
USERS
chown -R freerad:freerad "$dir"
freeradius -f -d "$conf" -l stdout -x >"$dir/radius.log" 2>&1 &
radius=$!
for _ in $(seq 600); do
	grep -q "Ready to process requests" "$dir/radius.log" && break
	kill -0 "$radius" 2>/dev/null || fail "freeradius does not start"
	sleep 0.1
done
grep -q "Ready to process requests" "$dir/radius.log" || fail "freeradius is not ready"

# --- Subscribers.
sed 's/@AUTH@/1812/; s/@ACCT@/1813/' "$here/freeradius.json" >"$dir/twinlns.json"
# One has a session-mgr of its own, and stays for longer than a minute beside the others: the least interval of RFC 2869, 2.1.
"$build/tests/session_dial" "$bin/session-mgr" "$dir/twinlns.json" "$dir/run.linger" \
	linger/alice:wonder:pap:10.9.9.9 >"$dir/linger.log" 2>&1 &
linger=$!
"$build/tests/session_dial" "$bin/session-mgr" "$dir/twinlns.json" "$dir/run" \
	alice:wonder:pap:10.9.9.9 alice:wonder:chap:10.9.9.9 alice:wonder:mschapv2:10.9.9.9 \
	bob:builder:pap:10.1.0.1 bob:builder:chap:10.1.0.1 carol:sings:mschapv2:10.0.0.1 \
	alice:wrong:pap:refused alice:wrong:chap:refused alice:wrong:mschapv2:refused \
	nobody:x:pap:refused dave:drums:pap:refused eve:x:pap:refused \
	frank:x:chap:up >"$dir/dial.log" 2>&1 || fail "a subscriber"
wait "$linger" || fail "the subscriber who stays"
linger=''
grep -hv session-mgr "$dir/dial.log" "$dir/linger.log"

# --- What FreeRADIUS wrote down.
detail=$dir/log/radacct/detail
count() { grep -c "$1" "$detail" || true; }
has() { grep -q "$1" "$detail" || fail "accounting lacks: $1"; }
starts=$(count "Acct-Status-Type = Start") stops=$(count "Acct-Status-Type = Stop")
interims=$(count "Acct-Status-Type = Interim-Update")
echo "accounting: $starts starts, $interims interim updates, $stops stops"
[ "$starts" = 8 ] || fail "8 starts were expected"
[ "$stops" = 8 ] || fail "8 stops were expected"
[ "$interims" -ge 1 ] || fail "an interim update was expected"
ids=$(sed -n 's/.*Acct-Session-Id = "\(.*\)"/\1/p' "$detail" | sort | uniq -c | awk '{print $1}' | sort | uniq -c | tr -s ' ')
echo "requests per session: $ids"
has 'User-Name = "alice"'
has 'User-Name = "franklin"'
has 'NAS-Identifier = "twinlns-test"'
has 'NAS-IP-Address = 192.0.2.1'
has 'Class = 0x676f6c64'
has 'Framed-IP-Address = 10.9.9.9'
has 'Framed-IPv6-Prefix = 2001:db8:77::/64'
has 'Delegated-IPv6-Prefix = 2001:db8:88::/56'
has 'Acct-Input-Octets = 123400'
has 'Acct-Output-Octets = 61700'
has 'Acct-Input-Packets = 1234'
has 'Acct-Terminate-Cause = Lost-Carrier'
has 'Acct-Authentic = RADIUS'
has 'Tunnel-Type:1 = L2TP'
has 'Tunnel-Client-Endpoint:1 = "192.0.2.7"'
has 'Tunnel-Server-Endpoint:1 = "192.0.2.1"'
has 'Tunnel-Client-Auth-Id:1 = "lac1"'
has 'Acct-Tunnel-Connection = '
has 'Event-Timestamp = '
has 'Acct-Delay-Time = 0'
has 'Calling-Station-Id = "0123456"'
has 'Called-Station-Id = "internet"'
has 'ADSL-Agent-Circuit-Id = 0x65746820312f323a3432'
has 'Actual-Data-Rate-Downstream = 18000000'
grep -q 'Actual-Data-Rate-Downstream = 18000000' "$dir/radius.log" || fail "Access-Requests say nothing of the access line"
! grep -qi "invalid Message-Authenticator\|malformed\|Dropping packet" "$dir/radius.log" || fail "freeradius complains"
echo "freeradius: everything as expected"
