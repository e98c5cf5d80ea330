# SPDX-License-Identifier: Apache-2.0
"""
Faults of a pair under load, each with its end, chosen by a seed; and the judge.

A fault is a generator: what it does up to its first `yield` is the fault, the yields are how long to leave it so, and what
comes after the last is its end.  Whatever happens between, it ends: a story that fails heals the pair before it is looked at.

The judge is the LAC: what it was sent, captured there.
"""

import contextlib
import json
import os
import signal
import struct
import subprocess
import time

from stage import CONTROL, Trouble, expect, frames, l2tp_of, sh, step, until

ACCESS, CORE, MIRROR = 10, 20, 30


def drop_between(st, nets):
    """What the nodes say to each other on these networks is lost."""
    for n, other in (("a", 3), ("b", 2)):
        rules = "".join(f"ip saddr 10.{net}.0.{other} drop\n" for net in nets)
        sh(f"ip netns exec {st.lab.ns(n)} nft 'table ip cut {{ chain i {{ type filter hook input priority 0\n{rules}}}\n}}'")


def undrop(st):
    for n in "ab":
        sh(f"ip netns exec {st.lab.ns(n)} nft delete table ip cut", check=False)


def signal_quietly(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


# --- processes -------------------------------------------------------------------------------------------


def kill_process(st, rnd):
    n = rnd.choice(list(st.nodes.values()))
    service = rnd.choice(n.services)
    step(f"kill -9 of {n.name}'s {service}")
    pid = n.pid(service)
    if pid:
        signal_quietly(pid, signal.SIGKILL)
    yield rnd.uniform(0.05, 0.5)


def pause_process(st, rnd):
    n = rnd.choice(list(st.nodes.values()))
    service, long = rnd.choice(n.services), rnd.choice((0.03, 0.1, 0.4, 1.0))
    pid = n.pid(service)
    step(f"SIGSTOP of {n.name}'s {service} for {1000 * long:.0f} ms")
    if pid:
        signal_quietly(pid, signal.SIGSTOP)
    try:
        yield long
    finally:
        if pid:
            signal_quietly(pid, signal.SIGCONT)


# --- nodes -----------------------------------------------------------------------------------------------


def kill_node(st, rnd):
    n, power = rnd.choice(list(st.nodes.values())), rnd.random() < 0.5
    step(f"kill -9 of everything on {n.name} ({n.role()}){', and its memory is gone' if power else ''}")
    n.kill()
    if power:
        sh(f"rm -f {n.run}/role.state")
    try:
        yield rnd.uniform(0.05, 1.0)
    finally:
        n.start()


def pause_node(st, rnd):
    n, long = rnd.choice(list(st.nodes.values())), rnd.choice((0.02, 0.05, 0.2, 1.0))
    pids = n.pids()
    step(f"SIGSTOP of everything on {n.name} ({n.role()}) for {1000 * long:.0f} ms")
    for p in pids:
        signal_quietly(p, signal.SIGSTOP)
    try:
        yield long
    finally:
        for p in pids:
            signal_quietly(p, signal.SIGCONT)


# --- links -----------------------------------------------------------------------------------------------


def cut_mirror(st, rnd):
    long = rnd.choice((0.05, 0.3, 1.0, 2.0))
    step(f"the mirror link is cut for {1000 * long:.0f} ms")
    drop_between(st, [MIRROR])
    try:
        yield long
    finally:
        undrop(st)


def cut_access(st, rnd):
    """The access network of one node: the LACs do not reach it, and it does not reach the LACs."""
    n, long = rnd.choice(list(st.nodes.values())), rnd.choice((0.05, 0.3, 1.0))
    step(f"the access link of {n.name} ({n.role()}) is cut for {1000 * long:.0f} ms")
    sh(f"ip netns exec {n.ns} nft 'table netdev gone {{ chain i {{ type filter hook ingress device access0 priority 0; policy drop\n}}\n"
       f"chain o {{ type filter hook egress device access0 priority 0; policy drop\n}}\n}}'")
    try:
        yield long
    finally:
        sh(f"ip netns exec {n.ns} nft delete table netdev gone")


def switch_over(st, rnd):
    step("the operator asks for a switchover")
    active = next((n for n in st.nodes.values() if n.role() == "active"), None)
    with contextlib.suppress(Trouble):
        if active:
            active.ctl("switchover")
    yield rnd.uniform(0, 0.3)


# --- disks; only in a pair that is mirrored: no single store may be the last one ----------------------------


def fill_disk(st, rnd):
    n, long = rnd.choice(list(st.nodes.values())), rnd.choice((0.5, 2.0))
    step(f"the disk of {n.name}'s store ({n.role()}) is full for {1000 * long:.0f} ms")
    ballast = f"{n.store}/ballast"
    subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True)
    try:
        yield long
    finally:
        os.unlink(ballast)


def last_page(path):
    """The last page that LMDB uses, by its newer meta page: mdb_env's me_metas[i]->mm_last_pg."""
    with open(path, "rb") as f:
        metas = [f.read(4096) for _ in range(2)]
    # page header 16; magic 4, version 4, address 8, mapsize 8, two MDB_db of 48, last_pg 8, txnid 8
    found = [struct.unpack_from("<QQ", m, 16 + 24 + 96) for m in metas]
    return max(found, key=lambda f: f[1])[0]


def the_twin_serves(st, n):
    """
    With n stopped.  It may have become active a moment ago, and hold alone what it has shown since: then its store is the
    last one, and no pair can lose that.
    """
    twin = next(x for x in st.nodes.values() if x is not n)
    time.sleep(0.3)  # what n said before it was stopped has been heard
    with contextlib.suppress(Trouble):
        return until("the twin serves", 2, lambda: twin.status().get("lease") is True)


def corrupt_store(st, rnd):
    n = rnd.choice(list(st.nodes.values()))
    step(f"{n.name} ({n.role()}) dies, and the last page of its store is garbage when it comes back")
    pids = n.pids()
    for p in pids:
        signal_quietly(p, signal.SIGSTOP)
    if not the_twin_serves(st, n):
        step(f"{n.name} is spared: nobody else holds what it has shown")
        for p in pids:
            signal_quietly(p, signal.SIGCONT)
        return
    n.kill()
    path = f"{n.store}/data.mdb"
    try:
        with open(path, "r+b") as f:
            f.seek(4096 * last_page(path))
            f.write(bytes(rnd.randrange(256) for _ in range(4096)))
        yield rnd.uniform(0.05, 0.5)
    finally:
        n.start()


ANY = [kill_process] * 5 + [pause_process] * 3 + [kill_node] * 2 + [pause_node] * 2 + [cut_mirror, cut_access, switch_over]
MIRRORED = [fill_disk, corrupt_store]


# --- the judge -------------------------------------------------------------------------------------------


class Judge:
    """What left the pair for the LACs: control messages that contradict none before, data numbers that never come again."""

    def __init__(self):
        self.control, self.data, self.faults = {}, {}, []
        self.messages = self.packets = 0

    def hear(self, at, dgram):
        flags, = struct.unpack_from(">H", dgram)
        if flags & 0x8000:
            self.hear_control(at, dgram)
        elif flags & 0x0800:
            self.hear_data(at, dgram, flags)

    def hear_control(self, at, d):
        tunnel, session, ns, nr = struct.unpack_from(">HHHH", d, 4)
        seen = self.control.setdefault(tunnel, {"ns": {}, "nr": nr})
        self.messages += 1
        if (nr - seen["nr"]) & 0x8000:
            self.faults.append(f"tunnel {tunnel}: Nr {nr} after {seen['nr']}")
        seen["nr"] = nr
        if len(d) <= 12:
            return
        kind = struct.unpack_from(">H", d, 18)[0] if len(d) >= 20 else 0
        if kind in (4, 14):
            self.faults.append(f"tunnel {tunnel}: {'StopCCN' if kind == 4 else f'CDN of {session}'}")
        said = (session, d[12:160])
        if seen["ns"].setdefault(ns, said) != said:
            self.faults.append(f"tunnel {tunnel}: Ns {ns} means two things")
        seen["ns"].pop((ns - 512) & 0xffff, None)

    def hear_data(self, at, d, flags):
        at_ids = 4 if flags & 0x4000 else 2
        tunnel, session, ns = struct.unpack_from(">HHH", d, at_ids)
        self.packets += 1
        last = self.data.get((tunnel, session))
        if last is not None and not 0 < ((ns - last) & 0xffff) < 0x8000:
            self.faults.append(f"session {tunnel}/{session}: data Ns {ns} after {last}")
        self.data[tunnel, session] = ns

    def read(self, path):
        for at, f in frames(path):
            d = l2tp_of(f)
            if d:
                self.hear(at, d)


def rows(n):
    try:
        tables = json.loads(n.ctl("--json", "show", "tables"))
    except (Trouble, ValueError):
        return {}
    return {r["table"]: int(r["rows"]) for r in tables["tables"]}


def nothing_else(st, open_sessions, tunnels):
    """Both nodes hold what the LACs believe in, and no more."""
    want = {"tunnel": tunnels, "call": open_sessions, "link": open_sessions, "subscriber": open_sessions}

    for n in st.nodes.values():
        try:
            until(f"{n.name} holds what the LACs hold", 15, lambda: all(rows(n).get(k) == v for k, v in want.items()))
        except Trouble:
            seen = {k: rows(n).get(k) for k in want}
            raise Trouble(f"not so: {n.name} holds what the LACs hold: rows {seen}, the LACs {want}")
        for w in range(st.lab.workers):
            def right():
                return f"sessions={open_sessions} " in n.ctl("raw", f"worker.{w}", "status").replace(",", " ")
            until(f"{n.name}'s worker {w} forwards {open_sessions} sessions", 10, right)
