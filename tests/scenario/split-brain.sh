#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""
tests/scenario/split-brain.sh [--schedules N] [--seed S]

Partitions of a pair, drawn by a seed: any of the networks between the nodes, one way or both, once or in bursts, in both
policies, while subscribers' packets flow.  Captured at the LAC and at the core, each packet with the node that sent it:

  - no epoch has two nodes that forward;
  - prefer-safety: at no moment do both nodes forward;
  - prefer-service, which accepts two actives while every path is cut: both forward only while it is, each in its own epoch,
    and once the higher epoch is heard again nothing is sent under the lower one.

The LAC sends every packet to both nodes (its neighbour entry is the broadcast address), so that whoever forwards is seen to.
With prefer-safety an operator promotes the standby now and then behind a cut.  The epochs are read off both electors all the
time.
"""
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
import stage
from stage import *

stage.name = lambda: "split-brain"
NETS = (10, 20, 30)
LEASE, MARGIN = 0.060, 0.020  # lease-time by default; what a busy machine may add between a clock read and a packet captured
HEARD = 0.050		      # from the last packet filter removed to a heartbeat that came through


def option(name, otherwise):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else otherwise


class Links:
    """Which of (node, network) hears the other node, and since when which was cut."""

    def __init__(self, st):
        self.st, self.cut, self.log = st, set(), []

    def set(self, cut):
        for n, other in (("a", 3), ("b", 2)):
            rules = "".join(f"ip saddr 10.{net}.0.{other} drop\n" for m, net in cut if m == n)
            sh(f"ip netns exec {self.st.lab.ns(n)} nft -f - <<'E'\nadd table ip cut\ndelete table ip cut\n"
               f"table ip cut {{ chain i {{ type filter hook input priority 0\n{rules}}}\n}}\nE")
        self.cut = set(cut)
        self.log.append((time.time(), self.whole()))

    def whole(self):
        """Does each node hear the other somehow?  Heartbeats take the access and the mirror network."""
        return all(any((n, net) not in self.cut for net in (10, 30)) for n in "ab")

    def total(self):
        """(from, to) of the times when a node could not hear the other."""
        out, since = [], None
        for at, whole in self.log:
            if not whole and since is None:
                since = at
            elif whole and since is not None:
                out.append((since, at))
                since = None
        return out


class Epochs(threading.Thread):
    """When each node said that it is active, in which epoch."""

    def __init__(self, st):
        super().__init__(daemon=True)
        self.st, self.seen, self.stop = st, {}, False

    def run(self):
        while not self.stop:
            for n in self.st.nodes.values():
                at, s = time.time(), n.status()
                if s.get("role") == "active" and s.get("lease"):
                    self.seen.setdefault(s["epoch"], {}).setdefault(n.name, []).append(at)
            time.sleep(0.005)


def draw(rnd):
    """(seconds, what is cut) of one schedule, healed at the end."""
    everything = [(n, net) for n in "ab" for net in NETS]
    kind = rnd.choice(("all", "all", "one way", "some", "burst"))
    if kind == "all":
        return [(rnd.uniform(0.02, 0.6), everything)]
    if kind == "one way":
        n = rnd.choice("ab")
        return [(rnd.uniform(0.05, 0.6), [(n, net) for net in NETS])]
    if kind == "some":
        return [(rnd.uniform(0.05, 0.5), [x for x in everything if rnd.random() < 0.6]) for _ in range(rnd.randrange(1, 4))]
    return [x for _ in range(rnd.randrange(2, 6)) for x in ((rnd.uniform(0.02, 0.12), everything), (rnd.uniform(0.01, 0.08), []))]


def overlap(a, b):
    """Times t at which both sent within a lease before and after: neither had stopped for the other."""
    out, j = [], 0
    for t in a:
        while j < len(b) and b[j] < t:
            j += 1
        if 0 < j < len(b) and b[j] - t < MARGIN and t - b[j - 1] < MARGIN:
            out.append(t)
    return out


def judge(st, policy, links, epochs, taps, merged, turns):
    for epoch, holders in epochs.seen.items():
        expect(f"epoch {epoch} has one holder", len(holders) == 1, sorted(holders))
    excused = [(f, t + HEARD + LEASE + MARGIN) for f, t in links.total()] if policy == "prefer-service" else []
    for path, dev in taps:
        of = {n.name: sent_by(n.mac(dev), path) for n in st.nodes.values()}
        both = overlap(of["a"], of["b"])
        bad = [t for t in both if not any(f <= t <= e for f, e in excused)]
        merged[dev] = merged.get(dev, 0) + len(of["a"]) + len(of["b"])
        expect(f"{dev}: who forwards changes with the epoch only", policy == "prefer-service" or turns_of(of) <= turns, (turns_of(of), turns))
        expect(f"{dev}: both nodes forward only where the policy accepts it", not bad,
               f"{len(bad)} packets, first at {bad[0] if bad else 0:.3f}; cuts {links.total()}")


def one_policy(policy, schedules, rnd):
    st = Stage()
    try:
        st.pair(**{"pair/policy": policy, "pair/lease-time": int(1000 * LEASE), "pair/dead-time": 90})
        taps = [(st.tap("lac", "access0", "-Q in udp src port 1701"), "access0"), (st.tap("host", "core0", "-Q in udp dst port 4001"), "core0")]
        st.dial(50, pps=1000, extra=1000, extra_rate=5)
        st.traffic(True)
        sh(f"ip -n {st.lab.ns('lac')} neigh replace {L.SERVICE} lladdr ff:ff:ff:ff:ff:ff dev access0 nud permanent")
        links, epochs, turns = Links(st), Epochs(st), 0
        epochs.start()
        for i in range(schedules):
            plan = draw(rnd)
            for seconds, cut in plan:
                links.set(cut)
                time.sleep(seconds)
                if policy == "prefer-safety" and len(cut) == 6 and rnd.random() < 0.7:
                    turns += operator(st)
            links.set([])
            heal(st, policy)
            step(f"{policy} {i + 1}/{schedules}: {len(plan)} cuts, {1000 * sum(s for s, _ in plan):.0f} ms; epoch {st.active()[0].epoch()}")
        epochs.stop = True
        epochs.join()
        st.traffic(False)
        e = st.load.ask("verify", "verified", 20)
        expect("every session passes packets both ways", e["unverified"] == 0, e["unverified"])
        st.untap()
        packets = {}
        judge(st, policy, links, epochs, taps, packets, turns)
        cuts = sum(e - f for f, e in links.total())
        step(f"{policy}: {schedules} schedules, {1000 * cuts:.0f} ms cut, {len(epochs.seen)} epochs, none with two holders; {sum(packets.values())} packets captured, "
             f"{'no moment with two nodes that forward' if policy == 'prefer-safety' else 'both forwarded only behind a whole cut'}")
        expect("the capture says something", min(packets.values()) > 100 * schedules)
    except Trouble:
        st.keep()
        raise
    finally:
        st.close()


def operator(st):
    """Has made sure, he believes, that the active node is down: it is behind the cut."""
    standby = next((n for n in st.nodes.values() if n.role() == "standby"), None)
    try:
        until("the other lease is over", 2, lambda: not any(n.status().get("lease") for n in st.nodes.values()))
        standby.ctl("promote", "--force")
        until("it serves", 5, lambda: standby.status().get("lease"))
        time.sleep(0.1)
    except (Trouble, AttributeError):
        return 0
    return 1


def turns_of(of):
    """How often another node sends than before."""
    order = [n for _, n in sorted((t, n) for n, times in of.items() for t in times)]
    return sum(x != y for x, y in zip(order, order[1:]))


def heal(st, policy):
    """One active, and a standby that is whole.  With prefer-safety nobody may be active, until an arbiter or the nodes' own voices decide."""
    st.active(20)
    until("the pair is mirrored", 30, lambda: any(n.role() == "active" and n.status().get("mirrored") for n in st.nodes.values()))


def main():
    schedules, seed = option("--schedules", 6), option("--seed", 1)
    rnd = random.Random(seed)
    step(f"seed {seed}, {schedules} schedules")
    one_policy("prefer-safety", schedules // 2, rnd)
    one_policy("prefer-service", schedules - schedules // 2, rnd)
    step("split-brain: held")


if "--help" in sys.argv or "-h" in sys.argv:
    print(__doc__.strip())
    sys.exit(0)
if os.geteuid() != 0:
    skip("network namespaces need root")
try:
    main()
except Trouble as t:
    step(f"FAILED: {t}")
    sys.exit(1)
