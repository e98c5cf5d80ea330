# SPDX-License-Identifier: Apache-2.0
"""What a packet costs a server through real sockets and the TUN, and how many it carries without loss.

    lac --- access0 -- server -- core0 --- host

Both servers (ours and Debian's l2tpns) stand in the same place, one after the other, in one run:

- The server has one core, the generator the other, both with real-time priority, so that neither
  waits for something else on the machine.
- Cables are veth pairs.  What leaves the server is counted at the far end and thrown away there, by
  nftables as it comes in: on a cable, the far host's work would otherwise be done in the server's time.
  All sessions have shown before that packets pass both ways.
- CPU is what the scheduler says all of the server's processes have run (ns), idle ticks included.
- Offered rates are the same for both.  A rate is carried when at most 1 in 10,000 packets is lost.
- The generator sends what is due every 100 us, session after session, in trains (see
  twinload/traffic.c): up, datagrams of one LAC; down, packets of one session.  So with 1,000 sessions no
  two packets of one session come near each other, and with 1 all do.

figure forward.KIND.DIRECTION.SESSIONS.cpu.RATE is ns a packet (median of the runs), .idle
what the server takes without packets, of which each packet bears its part, .rate the highest rate
without loss; forward.vs_l2tpns.DIRECTION.SESSIONS.cpu and .rate are theirs over ours and ours over theirs
(of .cpu, the median of the rates that both carried), and without suffix the smaller of the two.
"""

import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import lab as L
from lab import Trouble, say, sh

RATES = (50000, 100000, 200000)
LOWEST, HIGHEST, STEPS = 25000, 3200000, 4
LOSS = 1e-4
DATAGRAM = {"up": 28 + 64, "down": 28 + 10 + 28 + 64}  # IP packets as the sinks see them


class Wire(L.Lab):
    """A server, and two hosts at the ends of its cables."""

    def __init__(self):
        if (os.cpu_count() or 1) < 2:
            raise Trouble("server and generator need a core each")
        super().__init__(workers=1, bare=True)
        for n in ("lac", "a", "b", "host"):
            self.space(n)
        self.cable("access0", "lac", "10.10.0.10/24", "10.10.0.2/24")
        self.cable("core0", "host", f"{L.HOST}/24", "10.20.0.2/24")
        self.cable("mirror0", "b", "10.30.0.3/24", "10.30.0.2/24")
        sh(f"ip netns exec {self.ns('a')} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.ip_early_demux=0")
        sh(f"ip -n {self.ns('host')} route add {L.POOL_ROUTE} via 10.20.0.1")

    def cable(self, dev, far, far_address, address):
        sh(f"ip link add {dev} netns {self.ns('a')} type veth peer name {dev} netns {self.ns(far)}")
        for n, a in (("a", address), (far, far_address)):
            sh(f"ip -n {self.ns(n)} addr add {a} dev {dev} && ip -n {self.ns(n)} link set {dev} up txqueuelen 10000")

    def run(self, n, argv, *args, **more):
        forwards = any("data-plane" in a or "l2tpns" in a for a in argv)
        return super().run(n, ["chrt", "-f", "5" if forwards or n != "a" else "6", "taskset", "-c", "0" if n == "a" else "1"] + argv,
                           *args, **more)

    def sinks(self):
        """From now on packets end at the far ends of the cables, counted."""
        for n, dev, match in (("host", "core0", "udp dport 4001"), ("lac", "access0", "udp sport 1701 @th,64,1 0 @th,112,32 0xff030021")):
            sh(f"ip netns exec {self.ns(n)} nft 'add table netdev sink; add chain netdev sink in "
               f"{{ type filter hook ingress device {dev} priority 0; }}; add rule netdev sink in {match} counter drop'")

    def sunk(self, direction):
        """Packets counted.  One that the kernel has not cut yet is one there, but its octets tell how many it is."""
        n, dev = ("host", "core0") if direction == "up" else ("lac", "access0")
        head, payload = 28, DATAGRAM[direction] - 28
        for _ in range(10):  # a packet is counted, and then its octets: what is read in between does not fit
            m = re.search(r"packets (\d+) bytes (\d+)", sh(f"ip netns exec {self.ns(n)} nft list table netdev sink"))
            packets, octets = int(m.group(1)), int(m.group(2))
            whole, odd = divmod(octets - packets * head, payload)
            if not odd:
                return whole
        raise Trouble(f"{packets} packets with {octets} octets at the {direction} sink")


class Trial:
    """What one rate did."""

    def __init__(self, offered, sent, lost, cpu_ns, seconds, carried):
        self.offered, self.rate = offered, sent / seconds
        self.loss = lost / max(sent, 1)
        self.ns = cpu_ns / max(carried, 1)
        self.held = self.rate > 0.97 * offered  # the generator kept up


def run_ns(pids):
    """Nanoseconds that all threads have run."""
    total = 0
    for p in pids:
        for t in os.listdir(f"/proc/{p}/task"):
            total += int(open(f"/proc/{p}/task/{t}/schedstat").read().split()[0])
    return total


def trial(lab, server, g, direction, pps, seconds):
    before, at = lab.sunk(direction), g.ask("report")[f"{direction}_sent"]
    g.say(f"pps {pps}")
    g.ask("traffic on")
    t0 = time.monotonic()
    time.sleep(0.3)
    c0, n0 = run_ns(server.pids()), lab.sunk(direction)
    time.sleep(seconds)
    c1, n1 = run_ns(server.pids()), lab.sunk(direction)
    g.ask("traffic off")
    t1 = time.monotonic()
    time.sleep(0.3)
    sent, arrived = g.ask("report")[f"{direction}_sent"] - at, lab.sunk(direction) - before
    return Trial(pps, sent, sent - arrived, c1 - c0, t1 - t0, n1 - n0)


def most(lab, server, g, direction, seconds):
    """The highest rate carried, and whether it was the generator that could not do more."""
    def fits(pps):
        tries = [trial(lab, server, g, direction, pps, seconds)]
        if tries[0].loss > LOSS:  # a single hiccup of the machine is not the server's
            tries.append(trial(lab, server, g, direction, pps, seconds))
        t = min(tries, key=lambda t: t.loss)
        say(f"    {pps} pps: sent {t.rate:.0f}/s, {100 * t.loss:.3f} % lost, {t.ns:.0f} ns")
        return t

    low, best, pps = 0, 0, LOWEST
    while pps <= HIGHEST:
        t = fits(pps)
        if t.loss > LOSS:
            break
        low, best = pps, t.rate
        if not t.held:
            return best, True
        pps *= 2
    high = pps
    for _ in range(STEPS):
        middle = (low + high) // 2
        t = fits(middle)
        if t.loss > LOSS:
            high = middle
        else:
            low, best = middle, t.rate
            if not t.held:
                return best, True
    return best, False


def serve(lab, kind):
    lab.radius()
    if kind == "l2tpns":
        return L.L2tpns(lab)
    n = lab.node("a")
    n.wait("active")
    L.until("a first call", 20, lab.probe)
    return n


def measure(kind, sessions, direction, quick):
    lab = Wire()
    try:
        server = serve(lab, kind)
        g = lab.load("--tunnels", min(4, sessions), "--sessions", sessions, "--inflight", 8, "--timeout", 60, "--pps", 1,
                     "--direction", direction, "--core", f"{L.HOST}:4001", "--core-netns", f"/run/netns/{lab.ns('host')}")
        up = g.wait("up", 70)
        proof = g.ask("verify", "verified", 20)
        if up["open"] != sessions or proof["unverified"]:
            raise Trouble(f"{kind}: {up['open']} of {sessions} sessions are up, {proof['unverified']} of them carry nothing")
        lab.sinks()
        seconds = 1.0 if quick else 2.0
        c0 = run_ns(server.pids())
        time.sleep(seconds)
        idle = (run_ns(server.pids()) - c0) / seconds / 1e6
        cpu = {pps: trial(lab, server, g, direction, pps, seconds) for pps in RATES}
        for t in cpu.values():
            say(f"    {t.offered} pps: sent {t.rate:.0f}/s, {100 * t.loss:.3f} % lost, {t.ns:.0f} ns")
        best, generator = most(lab, server, g, direction, seconds)
        g.end()
        return cpu, best, generator, idle
    finally:
        lab.close()


def bench(figure, wanted, quick):
    rounds = 1 if quick else 3
    for sessions in (1, 1000):
        for direction in ("up", "down"):
            if not any(wanted(f"forward.{k}.{direction}.{sessions}") for k in ("vs_l2tpns", "ours", "l2tpns")):
                continue
            runs = {"ours": [], "l2tpns": []}
            for _ in range(rounds):
                for kind in runs:
                    say(f"forward: {kind}, {direction}, {sessions} sessions")
                    runs[kind].append(measure(kind, sessions, direction, quick))
            compare(figure, f"{direction}.{sessions}", runs)


def compare(figure, what, runs):
    ns, rate = {}, {}
    for kind, all_of in runs.items():
        for pps in RATES:
            carried = [r[0][pps].ns for r in all_of if r[0][pps].loss < 0.01]
            if carried:
                ns[kind, pps] = statistics.median(carried)
                figure(f"forward.{kind}.{what}.cpu.{pps}", ns[kind, pps], "ns/packet")
        rate[kind] = statistics.median(r[1] for r in all_of)
        figure(f"forward.{kind}.{what}.rate", rate[kind], "packets/s")
        figure(f"forward.{kind}.{what}.idle", statistics.median(r[3] for r in all_of), "ms/s")
        figure(f"forward.{kind}.{what}.rate.generator", sum(r[2] for r in all_of), "runs limited by the generator")
    both = [ns["l2tpns", p] / ns["ours", p] for p in RATES if ("ours", p) in ns and ("l2tpns", p) in ns]
    if not both or not rate["l2tpns"]:
        raise Trouble(f"forward {what}: no rate that both servers carry")
    figure(f"forward.vs_l2tpns.{what}.cpu", statistics.median(both), "ratio")
    figure(f"forward.vs_l2tpns.{what}.rate", rate["ours"] / rate["l2tpns"], "ratio")
    figure(f"forward.vs_l2tpns.{what}", min(statistics.median(both), rate["ours"] / rate["l2tpns"]), "ratio")
