# SPDX-License-Identifier: Apache-2.0
"""A trunk between two sites: a client node that dials, an LNS node or pair, phones behind the one, gates behind the other.

    phones ─ client (lac) ════ L2TP, a trunk ════ a (and b) ── host: gates
"""

import json
import os
import shutil
import signal
import struct
import subprocess

import voice
from stage import L, Node, Trouble, expect, frames, sh, step, until

VOICE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "voice.py")
COMPRESS = {"enabled": True}
MUX = {"enabled": True, "time": 5000}


class Client(Node):
    def __init__(self, lab, trunk=True, mux=True, tun_mtu=1500, workers=1, routes=(f"{voice.GATES4}0/24", f"{voice.GATES6}/64"), **more):
        self.lab, self.name, self.ns = lab, "client", lab.ns("lac")
        self.run, self.store = f"{lab.dir}/run-client", f"{lab.disk}/store-client"
        self.services = ("elector", "state-sync", "tunnel-ctl", "session-mgr", *(f"worker-{w}" for w in range(workers)))
        self.conf = f"{lab.dir}/client.json"
        line = {"name": "line", "auth": ["none"], "echo-interval": 1000}
        if trunk:
            line["header-compression"] = COMPRESS
        if mux:
            line["multiplexing"] = MUX
        conf = {
            "node": {"name": "client", "run-dir": self.run, "store-dir": self.store},
            "data-plane": {"workers": workers, "listen": [{"address": "10.10.0.10"}], "receive-buffer": 8388608, "tun-mtu": tun_mtu},
            "profile": [{"name": "provider", "roles": "client", "local-host-name": "branch", "ppp": "line"}],
            "lns-group": [{"name": "provider", "member": [{"address": L.SERVICE}], "profile": "provider"}],
            "dial": [{"name": "uplink", "lns-group": "provider", "user": "branch", "password": "between us",
                      "redial-time": 500, "route": list(routes)}],
            "ppp": [line],
            **more,
        }
        for d in (self.run, self.store):
            os.makedirs(d, exist_ok=True)
        with open(self.conf, "w") as f:
            json.dump({"twinlns:twinlns": conf}, f, indent=1)


def lns(trunk=True, mux=True, users="/nonexistent"):
    """What a node's configuration has besides the lab's."""
    more = {"aaa": {"mode": "local", "users-file": users}}
    if trunk:
        more["ppp/header-compression"] = COMPRESS
    if mux:
        more["ppp/multiplexing"] = MUX
    return more


def network(lab):
    """Phones and gates are nobody: what comes for them was seen on the way, and ends there."""
    with open(f"{lab.dir}/users", "w") as f:
        f.write('branch "between us"\n'
                f'\tFramed-Route = "{voice.PHONES4}0/24 0.0.0.0 1"\n\tFramed-IPv6-Route = "{voice.PHONES6}/64 :: 1"\n')
    for n, dev in (("lac", "access0"), ("a", "access0"), ("a", "core0"), ("b", "access0"), ("b", "core0")):
        # A capture shows packets, not what is still to be cut into some, nor a checksum that is still to be made.
        sh(f"ip netns exec {lab.ns(n)} ethtool -K {dev} tx-udp-segmentation off tx-checksum-ip-generic off generic-receive-offload off")
    for n, four, six in (("lac", voice.PHONES4, voice.PHONES6), ("host", voice.GATES4, voice.GATES6)):
        sh(f"ip netns exec {lab.ns(n)} sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
        sh(f"ip netns exec {lab.ns(n)} nft 'table inet nobody {{ chain i {{ type filter hook prerouting priority 0\n"
           f"ip daddr {four}0/24 drop\nip6 daddr {six}/64 drop\n}}\n}}'")
    sh(f"ip -n {lab.ns('host')} route add {voice.PHONES4}0/24 via 10.20.0.1")
    sh(f"ip -n {lab.ns('host')} -6 route add {voice.PHONES6}/64 via fd00:20::1")
    for n in "ab":
        sh(f"ip -n {lab.ns(n)} route add {voice.GATES4}0/24 via {L.HOST}")
        sh(f"ip -n {lab.ns(n)} -6 route add {voice.GATES6}/64 via {L.HOST6}")
    return f"{lab.dir}/users"


def trunks(node):
    """What `twinctl trunk` says of each."""
    try:
        return json.loads(node.ctl("--json", "trunk"))["trunks"]
    except (Trouble, ValueError, KeyError):
        return []


def dialled(client, seconds=20):
    """The client's route through the call is there, for both families; and no IPv6 address of the lab is still being tried out."""
    def up():
        return (voice.GATES4 in sh(f"ip -n {client.ns} route") and
                voice.GATES6 in sh(f"ip -n {client.ns} -6 route"))

    def tried():
        return not any(sh(f"ip -n {s} -6 addr show tentative") for s in client.lab.spaces)
    until("the client's call is up", seconds, up)
    until("IPv6 addresses are settled", 10, tried)


def workers(node):
    return [s.replace("-", ".") for s in node.services if s.startswith("worker-")]


def known(node):
    """Every worker of a node has heard of its trunk: from now on its packets are one worker's."""
    def all_of_them():
        try:
            return all(" trunks=1," in node.ctl("raw", w, "status") for w in workers(node))
        except Trouble:  # one has not started yet
            return False
    until(f"{node.name}'s workers know the trunk", 20, all_of_them)


def handed(node):
    """Packets that its workers took from their siblings."""
    return sum(json.loads(node.ctl("--json", "raw", w, "counters"))["HANDED_IN"] for w in workers(node))


def speak(lab, way, flows, packets, pps=50):
    """A process that sends; wait for it with spoken()."""
    return lab.run("lac" if way == "up" else "host", ["python3", VOICE, "send", way, str(flows), str(packets), str(pps)],
                   f"voice-{way}", stdout=subprocess.PIPE)


def spoken(p):
    out = p.communicate()[0].decode()
    expect("every packet was given to the kernel", " failed 0 " in out, out)


def listen(st):
    """Captures of what arrives at the gates, and at the phones."""
    def of(four, six):
        return f"--immediate-mode -s 2048 ip src net {four}0/24 or ip6 src net {six}/64"
    return (st.tap("host", "core0", of(voice.PHONES4, voice.PHONES6)), st.tap("lac", "twin0", of(voice.GATES4, voice.GATES6)))


def cut(ip):
    """Packets of one call that a worker wrote to its TUN as one, as the kernel cuts them: the same headers with the next ID, each
    with its own length and checksums.  Seen on the TUN only, and where a machine stood still: a call speaks every 20 ms."""
    at = 40 if ip[0] >> 4 == 6 else 20
    data = ip[at + 8:]
    if ip[6 if at == 40 else 9] != 17 or len(data) <= voice.DATA or len(data) % voice.DATA:
        return [ip]
    out = []
    for n in range(len(data) // voice.DATA):
        udp = ip[at:at + 4] + struct.pack(">HH", 8 + voice.DATA, 0) + data[n * voice.DATA:(n + 1) * voice.DATA]
        addresses = ip[8:40] if at == 40 else ip[12:20]
        check = ~voice.total(addresses + struct.pack(">HH", 17, len(udp)) + udp) & 0xffff or 0xffff
        udp = udp[:6] + struct.pack(">H", check) + udp[8:]
        if at == 40:
            head = ip[:4] + struct.pack(">H", len(udp)) + ip[6:40]
        else:
            number = (struct.unpack_from(">H", ip, 4)[0] + n) & 0xffff
            head = ip[:2] + struct.pack(">HH", 20 + len(udp), number) + ip[6:10] + b"\0\0" + ip[12:20]
            head = head[:10] + struct.pack(">H", ~voice.total(head) & 0xffff) + head[12:]
        out.append(head + udp)
    return out


def packets_of(path, tun):
    """IP packets of a capture on a TUN or on an Ethernet."""
    for _, f in frames(path):
        yield from cut(f) if tun else (f[14:],)


def heard(st, way, flows, packets, path, ids=True):
    return voice.judge(way, flows, packets, packets_of(path, tun=way == "down"), ids)


def stop_taps(st):
    for p, _ in st.taps:
        p.send_signal(signal.SIGINT)
    for p, _ in st.taps:
        p.wait()
    st.taps.clear()


def numbered(way, flows, packets, path):
    """(time, place in the order of sending) of each call's packet of a capture."""
    first = [voice.Flow(way, i).first for i in range(flows)]
    for t, f in frames(path):
        for ip in cut(f) if way == "down" else (f[14:],):
            who = voice.find(ip)
            if who and who[0] < flows:
                k = (who[1] - first[who[0]]) & 0xffff
                if k < packets:
                    yield t, k * flows + who[0]


def heard_last(way, path, flows=200, packets=300):
    """Has the last turn's packet of most calls come?"""
    return sum(1 for _, g in numbered(way, flows, packets, path) if g >= (packets - 1) * flows) > flows * 0.9


def around_gap(way, flows, packets, path):
    """The longest run of packets that nobody got: the silence in seconds, the packets lost in it, and for each call those
    lost before and after it.  Silence alone may be the sender's; and calls that different workers read may overtake each other."""
    got = {}
    for t, g in sorted(numbered(way, flows, packets, path)):
        got.setdefault(g, t)
    order = sorted(got)
    before, after = max(zip(order, order[1:]), key=lambda x: x[1] - x[0])
    inside, beyond = 0, [0] * flows
    for g in range(flows * packets):
        if g in got:
            continue
        if before < g < after:
            inside += 1
        else:
            beyond[g % flows] += 1
    return got[after] - got[before], inside, beyond


def states(client):
    """CONTEXT_STATEs that the client sent and heard."""
    t, = trunks(client)
    return t["receive"]["states-sent"], t["send"]["states-heard"]


def killed_under_calls(st, flows, packets, pps, users=None, change=None):
    """Calls both ways through the trunk of a pair, and kill -9 of everything on the active node in the middle.  What each way
    saw: (gap in s, packets lost in it, packets of each call lost beyond it, what was wrong), and CONTEXT_STATEs (sent, heard).
    `change` is given every node before it starts."""
    users = users or network(st.lab)
    a, b = (st.node(n, **lns(users=users)) for n in "ab")
    client = st.nodes["client"] = Client(st.lab)
    for n in (a, b, client):
        if change:
            change(n)
    a.start()
    b.start()
    a.wait("active")
    b.wait("standby")
    a.wait_mirror("mirrored")
    client.start()
    dialled(client)
    up, down = listen(st)
    speakers = [speak(st.lab, way, flows, packets, pps) for way in ("up", "down")]
    until("half of the calls' time has passed", 30,
          lambda: sum(t["send"]["packets"] for t in trunks(client)) > flows * packets * 0.4)
    before = states(client)
    a.kill()
    b.wait("active")
    for p in speakers:
        spoken(p)
    until("the last packets", 10, lambda: all(heard_last(w, path, flows, packets) for w, path in (("up", up), ("down", down))))
    stop_taps(st)
    asked = states(client)
    ways = {}
    for way, path in (("up", up), ("down", down)):
        wrong = heard(st, way, flows, packets, path)["wrong"]
        ways[way] = (*around_gap(way, flows, packets, path), wrong)
    return ways, (asked[0] - before[0], asked[1] - before[1])


def tshark(path, *more):
    r = subprocess.run(["tshark", "-n", "-r", path, *more], capture_output=True, text=True, timeout=100)
    expect("tshark reads the capture", r.returncode == 0, r.stderr[-300:])
    return r.stdout.splitlines()


def tshark_agrees(path):
    """Nothing malformed in PPP, and no complaint but the one about what tshark does not know: a FULL_HEADER of IPv6."""
    if not shutil.which("tshark"):
        step("there is no tshark: only our own eyes")
        return
    bad = [x for x in tshark(path, "-Y", "ppp and (_ws.malformed or _ws.expert.severity >= 0x600000)", "-T", "fields", "-e", "frame.number",
                             "-e", "_ws.col.Protocol", "-e", "_ws.expert.message")
           if "only supported version is 4" not in x]
    expect("tshark finds nothing malformed", not bad, bad[:5])
    lines = len(tshark(path, "-Y", "pppmux"))
    expect("tshark sees multiplexed frames", lines > 0)
    step(f"tshark reads the access link without a complaint: {lines} multiplexed frames")
