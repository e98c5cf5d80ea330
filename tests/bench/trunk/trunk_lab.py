# SPDX-License-Identifier: Apache-2.0
"""Trunks through real processes and namespaces.

    phones --- site0 -- client (lac) --- access0 -- a --- core0 --- host

    trunk.ingress.RATE       CPU ns a packet of the client's worker at so many packets a second: TUN read, compression,
    trunk.egress.RATE          multiplexing, sending; and of the LNS's: receiving, restoring, TUN write and what the kernel
                               does in it (forwarding to the far end of the cable).  trunk.ingress is the median of the rates
    trunk.pps.FLOWS          the highest rate of RTP packets with less than 0.1 % lost
    trunk.pps.ratio          1,000 flows over 100: the median of pairs of trials that followed each other
    trunk.pps.FLOWS.PART     CPU ns a packet at that rate: generator, ingress, egress; and of both cores, how many percent were
                               other's: idle, the nodes' other processes, the measurement
    trunk.delay.T.p50|p99    microseconds from sending to arrival, 100 calls, T in milliseconds; trunk.delay: the worst p99 - T
    trunk.switchover.*       200 calls each way, kill -9 of the active node of a pair (the story of tests/scenario/trunk-switchover):
                             lost (of one call and direction at worst, beyond the gap), context_state, wrong; over all rounds

Cables are veth pairs; packets are counted at the far end as they come in, and thrown away there.  The workers have a core
each and real-time priority, so that neither waits for something else on this machine; the rate that counts is the one that was
sent.

What limits trunk.pps.  Two cores do all of it: the generator, in whose time the kernel also forwards its packets to the client's TUN;
the client's worker; the LNS's worker, in whose time the kernel forwards what it writes.  So the generator has a thread on
each core and is asked for more than can be, and takes what the workers leave: the rate is two cores over the sum of what a
packet costs in the three parts, which are printed.  Neither worker is ever the limit, each has a third of its core to spare.
Not real time, the generator leaves the nodes' other processes theirs: when real-time ones take all of a core, the kernel stops
them for up to 50 ms in each second, workers too, and what comes meanwhile is lost.  The two numbers of flows take turns, in
pairs: a machine's speed differs more from one half minute to the next than they do.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scenario", "lib"))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import lab as L
import trunkline as T
import voice
from lab import Trouble, say, sh, until
from stage import Node, Stage

RATES = (100000, 160000, 200000)  # the middle one is where Simplemux with ROHC was measured
FLOWS = (100, 1000)
MORE = 1000000  # packets a second: more than two cores carry
CORES = 2
# Before everything that is not real time, though it belong to another session (sched(7), autogroups).
FIRST = ["setsid", "sh", "-c", 'echo -20 > /proc/self/autogroup; exec nice -n -20 "$@"', "sh"]
LOSS = 1e-3


class Site(L.Lab):
    """A client and an LNS, each with a host at the end of a cable."""

    def __init__(self, mux_us):
        if (os.cpu_count() or 1) < 2:
            raise Trouble("the two ends need a core each")
        super().__init__(workers=1, bare=True)
        for n in ("phones", "lac", "a", "host"):
            self.space(n)
        self.cable("site0", "phones", "192.0.2.1/24", "lac", "192.0.2.254/24")
        self.cable("access0", "lac", "10.10.0.10/24", "a", "10.10.0.2/24")
        self.cable("core0", "host", f"{L.HOST}/24", "a", "10.20.0.2/24")
        for n in ("lac", "a"):
            sh(f"ip netns exec {self.ns(n)} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.ip_early_demux=0 "
               "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
        sh(f"ip -n {self.ns('a')} route add {voice.GATES4}0/24 via {L.HOST}")
        with open(f"{self.dir}/users", "w") as f:
            f.write(f'branch "between us"\n\tFramed-Route = "{voice.PHONES4}0/24 0.0.0.0 1"\n')
        T.MUX["time"] = mux_us
        self.a = Node(self, "a", False, **{**T.lns(users=f"{self.dir}/users"), "ppp/header-compression": {**T.COMPRESS, "non-tcp-space": 2047}})
        T.COMPRESS["non-tcp-space"] = 2047
        self.client = T.Client(self)
        self.a.start()
        self.a.wait("active")
        self.client.start()
        until("the client's call is up", 20, lambda: voice.GATES4 in sh(f"ip -n {self.client.ns} route"))
        self.sink()

    # IPv6 would be a few packets more at the far end than were sent.
    def cable(self, dev, one, one_address, other, other_address):
        sh(f"ip link add {dev} netns {self.ns(one)} type veth peer name {dev} netns {self.ns(other)}")
        for n, a in ((one, one_address), (other, other_address)):
            sh(f"ip -n {self.ns(n)} addr add {a} dev {dev} && ip -n {self.ns(n)} link set {dev} up txqueuelen 10000")
            sh(f"ip netns exec {self.ns(n)} sysctl -qw net.ipv6.conf.{dev}.disable_ipv6=1", check=False)

    def sink(self):
        # Whatever comes: a match would be paid for by who sends.  So ARP ends there too.
        mac = json.loads(sh(f"ip -n {self.ns('host')} -j link show dev core0"))[0]["address"]
        sh(f"ip -n {self.ns('a')} neigh replace {L.HOST} lladdr {mac} dev core0 nud permanent")
        sh(f"ip netns exec {self.ns('host')} nft 'add table netdev sink; add chain netdev sink in "
           f"{{ type filter hook ingress device core0 priority 0; }}; add rule netdev sink in counter drop'")

    def sunk(self):
        out = sh(f"ip netns exec {self.ns('host')} nft list table netdev sink")
        return int(re.search(r"packets (\d+) bytes", out).group(1))

    def place(self):
        """Core and priority; everything else of the nodes stays as it was started."""
        for node, core in ((self.client, 1), (self.a, 0)):
            p = node.pid("worker-0")
            sh(f"taskset -a -p -c {core} {p} && chrt -a -f -p 5 {p}")

    def mac(self):
        return json.loads(sh(f"ip -n {self.ns('lac')} -j link show dev site0"))[0]["address"]

    def send(self, flows, pps, seconds, cores=0):
        return self.run("phones", [*(FIRST if cores else ["chrt", "-f", "3"]), f"{L.BIN}/twinrtp", "send", "site0", self.mac(), str(flows), str(pps), str(seconds),
                                   *([str(cores)] if cores else [])], "twinrtp", stdout=subprocess.PIPE)

    def end(self):
        for n in (self.client, self.a):
            try:
                n.kill()
            except Trouble:
                pass
        self.close()


def run_ns(pid):
    return sum(int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0]) for t in os.listdir(f"/proc/{pid}/task"))


def settled(site):
    """Packets counted, when no more come."""
    last = -1
    while (now := site.sunk()) != last:
        last = now
        time.sleep(0.15)
    return now


class Trial:
    def __init__(self, site, flows, pps, seconds, cores=0):
        workers = [n.pid("worker-0") for n in (site.client, site.a)]
        before = settled(site)
        cpu = [run_ns(p) for p in workers]
        out = json.loads(site.send(flows, pps, seconds, cores).communicate(timeout=seconds * 20 + 20)[0])
        got = settled(site) - before
        cpu = [run_ns(p) - c for p, c in zip(workers, cpu)]
        self.offered, self.rate = pps, out["sent"] / out["seconds"]
        self.loss = 1 - got / max(out["sent"], 1)
        self.generator, self.ingress, self.egress = (c / max(out["sent"], 1) for c in (1e9 * out["cpu"], *cpu))
        self.other = 100 * (1 - (out["cpu"] + sum(cpu) / 1e9) / CORES / out["seconds"])
        say(f"    {flows} flows, {pps:.0f} pps: sent {self.rate:.0f}/s, {100 * self.loss:.3f} % lost, "
            f"{self.generator:.0f} ns to send, {self.ingress:.0f} ns in, {self.egress:.0f} ns out, {self.other:.0f} % of the cores were other's")


def most(site, flows, seconds):
    """What two cores carry, or of that as much as arrives."""
    pps = MORE
    while True:
        t = Trial(site, flows, pps, seconds, CORES)
        if t.loss < LOSS:
            return t
        if t.rate < 50000:
            raise Trouble(f"{flows} flows: {100 * t.loss:.1f} % of {t.rate:.0f} packets a second lost")
        pps = 0.93 * t.rate


def bench_pps(R, site):
    tries = {flows: [] for flows in FLOWS}
    for i in range(3 if R.QUICK else 9):
        for flows in FLOWS if i % 2 else reversed(FLOWS):
            tries[flows].append(most(site, flows, 1))
    for flows, all_of in tries.items():
        R.figure(f"trunk.pps.{flows}", statistics.median(t.rate for t in all_of), "packets/s")
        for part in ("generator", "ingress", "egress"):
            R.figure(f"trunk.pps.{flows}.{part}", statistics.median(getattr(t, part) for t in all_of), "ns/packet")
        R.figure(f"trunk.pps.{flows}.other", statistics.median(t.other for t in all_of), "percent of the cores")
    few, many = (tries[f] for f in FLOWS)
    R.figure("trunk.pps.ratio", statistics.median(m.rate / f.rate for f, m in zip(few, many)), "ratio")


def bench_rate(R):
    seconds = 1 if R.QUICK else 2
    site = Site(5000)
    try:
        site.place()
        Trial(site, 1000, 20000, 1)  # contexts open, neighbours are known
        if R.wanted("trunk.ingress") or R.wanted("trunk.egress"):
            tries = [Trial(site, 100, pps, seconds) for pps in RATES]
            for t in tries:
                R.figure(f"trunk.ingress.{t.offered}", t.ingress, "ns/packet")
                R.figure(f"trunk.egress.{t.offered}", t.egress, "ns/packet")
            R.figure("trunk.ingress", statistics.median(t.ingress for t in tries), "ns/packet")
            R.figure("trunk.egress", statistics.median(t.egress for t in tries), "ns/packet")
        if R.wanted("trunk.pps"):
            bench_pps(R, site)
    finally:
        site.end()


def bench_delay(R):
    worst = None
    for ms in (2, 5, 10):
        if not R.wanted(f"trunk.delay.{ms}"):
            continue
        site = Site(1000 * ms)
        try:
            sh(f"ip netns exec {site.ns('host')} nft delete table netdev sink")
            site.place()
            seconds = 3 if R.QUICK else 10
            packets = int(5000 * seconds)
            ear = site.run("host", ["chrt", "-f", "4", f"{L.BIN}/twinrtp", "listen", "core0", str(packets), str(seconds + 10)], "ear",
                           stdout=subprocess.PIPE)
            ear.stdout.readline()
            out = json.loads(site.send(100, 5000, seconds).communicate(timeout=seconds + 30)[0])
            got = json.loads(ear.communicate(timeout=30)[0])
            say(f"    T = {ms} ms: {out} {got}")
            R.figure(f"trunk.delay.{ms}.p50", got["p50"], "us")
            R.figure(f"trunk.delay.{ms}.p99", got["p99"], "us")
            late = got["p99"] - 1000 * ms
            worst = late if worst is None else max(worst, late)
        finally:
            site.end()
    if worst is not None:
        R.figure("trunk.delay", worst, "us beyond T")


def bench_switchover(R):
    lost = asked = wrong = 0
    gaps = []
    for i in range(2 if R.QUICK else 20):
        st = Stage()
        try:
            ways, states = T.killed_under_calls(st, 200, 200, 50)
        finally:
            st.close()
        for way, (gap, inside, beyond, bad) in ways.items():
            say(f"  {i + 1}, {way}: gap {1000 * gap:.0f} ms; beyond it {sum(beyond)} packets, {max(beyond)} of one call; {len(bad)} wrong")
            gaps.append(1000 * gap)
            lost, wrong = max(lost, max(beyond)), wrong + len(bad)
        say(f"  {i + 1}: CONTEXT_STATEs {states}")
        asked += sum(states)
    R.figure("trunk.switchover.gap.p50", R.percentile(gaps, 50), "ms")
    R.figure("trunk.switchover.lost", lost, "packets")
    R.figure("trunk.switchover.context_state", asked, "messages")
    R.figure("trunk.switchover.wrong", wrong, "packets")
