# SPDX-License-Identifier: Apache-2.0
"""An empty standby joins a node that serves 64,000 sessions while 500 more are dialled every second.

    resync.seconds       from the start of the standby's processes to `mirrored`, with an empty disk
    resync.setup_share   calls that came up a second during it, of those a second before
    resync.lost          sessions that are gone or pass no packet afterwards
"""

import time

import __main__ as R
import lab as L
from lab import say

RATE = 500


def rate_of(g, seconds):
    a = g.ask("report")
    time.sleep(seconds)
    b = g.ask("report")
    return (b["opened"] - a["opened"]) / (b["at"] - a["at"])


def bench_resync():
    n = 4000 if R.QUICK else 64000
    lab = L.Lab()
    try:
        lab.radius()
        a = lab.node("a", pair=True)
        a.wait("active", None, 30)
        R.warm(lab)
        g, _ = R.dial(lab, n, tunnels=8, more=["--extra", 60000, "--extra-rate", RATE, "--restart", 1, "--pps", 500])
        g.ask("extra")
        time.sleep(1)
        before = rate_of(g, 4)
        first = g.ask("report")
        t0 = time.monotonic()
        b = lab.node("b", pair=True)
        L.until("the empty standby is mirrored", 60, lambda: a.status("state-sync").get("mirror") == "mirrored")
        took = time.monotonic() - t0
        now = g.ask("report")
        during = (now["opened"] - first["opened"]) / (now["at"] - first["at"])
        b.wait("standby", None, 30)
        e = g.ask("verify", "verified", 60)
        say(f"  resync of {now['open']} sessions: {took:.2f} s; {before:.0f} calls/s before, {during:.0f} during")
        R.figure("resync.seconds", took, "s")
        R.figure("resync.setup_share", 100.0 * during / before, "%")
        R.figure("resync.lost", e["gone"] + e["unverified"], "sessions")
        g.end()
    finally:
        lab.close()
