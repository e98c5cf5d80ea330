# SPDX-License-Identifier: Apache-2.0
"""Everything was down; one node comes back to 64 LACs that speak RFC 4951, and to its store.

    recovery.cold.seconds   from the start of the first process to the last session that the LACs and the node agree upon
    recovery.cold.lost      sessions that are gone, that the LACs do not know under these ids, or that pass no packet afterwards
"""

import time

import __main__ as R
import lab as L
from lab import say


def bench_recovery():
    n, tunnels = (4000, 16) if R.QUICK else (64000, 64)
    lab = L.Lab()
    try:
        lab.radius()
        a = lab.node("a")
        a.wait("active")
        R.warm(lab)
        g, _ = R.dial(lab, n, tunnels=tunnels, more=["--failover", 60000, "--pps", 500])
        time.sleep(1)  # the store is on disk
        a.kill()
        t0 = time.monotonic()
        a.start()
        L.until("every session is synchronised", 60,
                lambda: g.ask("report")["synchronised"] + g.ask("report")["unknown_sessions"] >= n)
        seen = g.ask("report")
        took = seen["synchronised_at"] - t0
        a.wait("active", None, 30)
        e = g.ask("verify", "verified", 60)
        say(f"  {seen['recovered']} tunnels recovered, {seen['synchronised']} sessions synchronised, {seen['unknown_sessions']} unknown; "
            f"{e['open']} open, {e['unverified']} pass no packets")
        R.figure("recovery.cold.seconds", took, "s")
        R.figure("recovery.cold.lost", n - e["open"] + e["unverified"] + seen["unknown_sessions"], "sessions")
        g.end()
    finally:
        lab.close()
