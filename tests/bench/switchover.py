# SPDX-License-Identifier: Apache-2.0
"""What the LACs and the core notice when the active node dies, hands over, or dies in the middle of a thousand calls.

    switchover.kill.p50|p99.1000         kill -9 of all processes at one moment, 1,000 sessions with traffic, calls coming up
    switchover.kill.p50|p99.64000        the same with 64,000 sessions
    switchover.kill.p50|p99.1000.loaded  the same as the first while both processors are kept busy by others
    switchover.planned.p50|p99           twinctl switchover, all rounds
    switchover.planned.p50|p99.ran       only those in which the machine itself did not stand still
    switchover.planned.p50|p99.without   the longest silence in as long a time just before, when nothing was done and the machine ran
    switchover.planned.rounds|.standstill  in how many rounds the machine ran, and in how many it did not
    ....lost                             sessions that are gone, or pass no packet afterwards
    ....stuck                            StopCCN, CDN, LCP restarts, contradictions of Ns or Nr, Hellos unanswered
    handshake.survival                   share of the calls caught in progress by a kill that come up without a redial

A gap is the longest silence of all packets of one direction, the larger of the two, as the load generator sees it.

Where single milliseconds are told (switchover.planned), the two nodes are two machines: each has its half of the processors.  And what
the machine's host takes is no gap of ours.  A virtual machine's processor that has nothing to do is given to others, and comes back late,
so that none is left alone (Awake; an operator who counts milliseconds has idle=poll).  A round in which the machine stood still all the
same (tests/stalls) is said, counts, and is followed by one more: `.ran` is of as many as were wanted.
"""

import os
import signal
import subprocess
import sys
import time

import __main__ as R
import lab as L
from lab import say

sys.path.insert(0, os.path.join(L.ROOT, "tests", "lab"))
import still  # noqa: E402

# What an operator sets who wants short gaps and has the machines for it (docs/operations/configure.md, "Times of a pair").
FAST = {"pair/lease-time": 30, "pair/dead-time": 40}
STILL_MS = 2  # of the 5 that a planned switchover may take
WINDOW = 0.3  # seconds: all that follows a planned switchover is over then
TROUBLE = ("stopccn", "cdn", "lcp_restart", "nr_back", "ns_contradiction", "given_up", "terminated", "hellos_missed")


class Busy:
    """Both processors are wanted by somebody else, all the time."""

    def __init__(self, on):
        self.p = [subprocess.Popen(["chrt", "-o", "0", "sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() if on else 0)]

    def end(self):
        for p in self.p:
            p.kill()
            p.wait()


class Awake:
    """On each processor, when nobody else wants it, a loop that does nothing.  A host takes from who uses much for long: only while it matters."""

    def __init__(self):
        self.p = [subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "chrt", "-i", "0", "taskset", "-c", str(c),
                                    "sh", "-c", "kill -STOP $$; while :; do :; done"]) for c in sorted(os.sched_getaffinity(0))]

    def set(self, on):
        for p in self.p:
            p.send_signal(signal.SIGCONT if on else signal.SIGSTOP)

    def end(self):
        for p in self.p:
            p.kill()
            p.wait()


def longest(report):
    return max(report["up_gap_ms"], report["down_gap_ms"])


class Watch:
    """Over a machine that should not stand still: while it is on, none of its processors is left alone."""

    def __init__(self):
        self.watcher, self.awake = still.Watcher(), Awake()

    def set(self, on):
        self.awake.set(on)
        if on:
            time.sleep(0.05)

    def stood_still(self):
        return self.watcher.stood_still()

    def close(self):
        self.watcher.close()
        self.awake.end()


class Rounds:
    """One switchover after the other, back and forth, under traffic."""

    def __init__(self, sessions, more, rounds, calls, rate, watch=None):
        self.lab, self.calls, self.watch, self.stood = L.Lab(), calls, watch, []
        self.lab.prompt = True
        if watch:
            self.lab.split_processors()
        self.without = []  # the longest silences before
        self.gaps, self.lost, self.stuck, self.caught, self.survived = [], 0, 0, 0, 0
        self.active = "a"
        self.lab.radius()
        self.nodes = dict(zip("ab", R.pair(self.lab, **FAST)))
        R.warm(self.lab)
        self.g, _ = R.dial(self.lab, sessions, inflight=512, more=[
            "--hello", 1, "--restart", 1, "--extra", rounds * calls, "--extra-rate", rate, *more])
        self.g.ask("traffic on")

    def wait(self):
        """Whoever is active: a machine that stood still for a moment may have chosen anew."""
        def found():
            now = [k for k, n in self.nodes.items() if n.status("elector").get("role") == "active"]
            return now[0] if len(now) == 1 else None
        self.active = L.until("one node is active", 60, found)
        standby = "b" if self.active == "a" else "a"
        self.nodes[self.active].wait("active", "mirrored", 120)
        self.nodes[standby].wait("standby", None, 60)

    def stood_still(self):
        """Since it was asked last, in ms, where anybody looks; less than STILL_MS is what every machine has."""
        ms = self.watch.stood_still() if self.watch else 0
        return ms if ms >= STILL_MS else 0

    def one(self, act, what):
        """act(node); what the LACs saw is read before the verification, whose burst is a gap of the generator's own making."""
        self.wait()
        if self.watch:
            self.watch.set(True)
        self.stood_still()
        self.g.ask("mark")
        time.sleep(WINDOW)
        before = self.g.ask("report")
        if not self.stood_still():
            self.without.append(longest(before))
        self.g.ask(f"extra {self.calls}", "extra")
        if self.calls >= 300:
            L.until("calls are in progress", 10, lambda: self.g.ask("report")["in_progress"] >= 300)
        self.stood_still()
        self.g.ask("mark")
        act(self.nodes[self.active])
        time.sleep(WINDOW if self.watch else 1.5)
        seen = self.g.ask("report")
        stood = self.stood_still()
        self.stood.append(stood)
        if self.watch:
            self.watch.set(False)
        e = self.g.ask("verify", "verified", 30)
        if e["caught_open"] < e["caught"]:  # PPP's own timers are longer than that
            time.sleep(4)
            e = {**self.g.ask("report"), "unverified": e["unverified"]}
        gone, bad = e["gone"] - before["gone"], sum(e[k] - before[k] for k in TROUBLE)
        self.gaps.append(longest(seen))
        self.lost += gone + e["unverified"]
        self.stuck += bad
        self.caught += e["caught"]
        self.survived += e["caught_open"]
        say(f"  {what}: gap {self.gaps[-1]:.1f} ms, lost {gone + e['unverified']}, trouble {bad}, "
            f"caught {e['caught']}, of them open {e['caught_open']}, of {e['open']} sessions"
            + (f"; the longest silence before was {longest(before):.1f} ms" if self.watch else "")
            + (f"; the machine stood still for {stood} ms" if stood else ""))
        self.active = "b" if self.active == "a" else "a"

    def ran(self):
        """The gaps of the rounds in which the machine ran."""
        return [g for g, s in zip(self.gaps, self.stood) if not s]


def figures(name, size, gaps):
    for p in (50, 99):
        R.figure(f"{name}.p{p}{size}", R.percentile(gaps, p), "ms")


def kill_and_return(rounds):
    def act(node):
        node.kill()
    def back():
        for n in rounds.nodes.values():
            if all(p.poll() is not None for p in n.p.values()):
                n.start()
    return act, back


def kills(name, sessions, rounds, busy=False):
    r = Rounds(sessions, ["--pps", 2000], rounds, 10, 200)
    act, back = kill_and_return(r)
    others = Busy(busy)
    try:
        for i in range(rounds):
            r.one(act, f"kill {sessions} {i + 1}/{rounds}")
            back()
        r.g.end()
    finally:
        others.end()
        r.lab.close()
    figures("switchover.kill", name, r.gaps)
    return r.lost, r.stuck


def bench_kill():
    lost = stuck = 0
    plan = [(".1000", 1000, 4 if R.QUICK else 100, False),
            (".1000.loaded", 1000, 4 if R.QUICK else 30, True),
            (".64000", 4000 if R.QUICK else 64000, 2 if R.QUICK else 12, False)]
    for size, sessions, rounds, busy in plan:
        if not any(R.wanted(f"switchover.kill.{p}{size}") for p in ("p50", "p99")):
            continue
        x, y = kills(size, sessions, rounds, busy)
        lost, stuck = lost + x, stuck + y
    R.figure("switchover.kill.lost", lost, "sessions")
    R.figure("switchover.kill.stuck", stuck, "events")


def hand_over(nodes, node):
    """A switchover that is called off has cost nothing but the pause, which is measured: the operator asks again.  And asks the other node
    where a machine that stood still has had one of its own."""
    for i in range(10):
        try:
            return node.ctl("switchover")
        except L.Trouble as t:
            if i == 9 or not any(w in str(t) for w in ("called off", "does not hold everything yet", "does not answer", "is not active")):
                raise
            say(f"  asked again: {t}")
            if "is not active" in str(t):
                node = next(n for n in nodes.values() if n is not node)
            time.sleep(0.1)


def bench_planned():
    """Until the machine has run in as many rounds as are wanted, or has not for too long."""
    wanted = 4 if R.QUICK else 100
    most = 3 * wanted
    watch = Watch()
    r = Rounds(200 if R.QUICK else 1000, ["--pps", 2000], most, 10, 200, watch)
    try:
        while len(r.ran()) < wanted and len(r.gaps) < most:
            r.one(lambda node: hand_over(r.nodes, node), f"planned {len(r.ran()) + 1}/{wanted}")
        r.g.end()
    finally:
        r.lab.close()
        watch.close()
    for size, gaps in (("", r.gaps), (".ran", r.ran()), (".without", r.without)):
        if gaps:
            figures("switchover.planned", size, gaps)
    R.figure("switchover.planned.rounds", len(r.ran()), "rounds")
    R.figure("switchover.planned.standstill", len(r.gaps) - len(r.ran()), "rounds")
    R.figure("switchover.planned.lost", r.lost, "sessions")
    R.figure("switchover.planned.stuck", r.stuck, "events")


def bench_handshake():
    rounds = 3 if R.QUICK else 10
    r = Rounds(200, ["--pps", 500], rounds, 500, 0)
    act, back = kill_and_return(r)
    try:
        for i in range(rounds):
            r.one(act, f"handshake {i + 1}/{rounds}")
            back()
        r.g.end()
    finally:
        r.lab.close()
    R.figure("handshake.caught", r.caught, "calls")
    R.figure("handshake.survival", 100.0 * r.survived / max(r.caught, 1), "%")
    R.figure("handshake.stuck", r.lost + r.stuck, "events")
