# SPDX-License-Identifier: Apache-2.0
"""What the stories of a pair share: the lab of tests/bench/lab.py with its nodes under their supervisor.

A story is a folder with a README and a `test` of 30 to 80 lines:

    from stage import *

    def story(st):
        a, b = st.pair()
        st.dial(200)
        ...
    play(story)

Every step prints a line; `expect` ends the story with a sentence.  Waiting is for conditions, never for a
time.  Exit 0: held, 1: did not (logs are kept in $TWIN_LOGS), 77: cannot run here, with the reason last.
"""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "bench"))
import lab as L
from lab import Trouble, sh, until

UP = f"{L.ROOT}/deploy/twinlns-up"
CONTROL = ("elector", "state-sync", "tunnel-ctl", "session-mgr")
# What a LAC sees when something is lost.  A switchover or a death must leave all of it at zero.
HARM = ("gone", "failed", "cdn", "stopccn", "lcp_restart", "terminated", "given_up", "nr_back", "ns_contradiction",
        "hellos_missed", "bad", "auth_failed")
BEGAN = time.monotonic()


def step(text):
    print(f"[{time.monotonic() - BEGAN:6.2f}] {text}", flush=True)


def expect(what, holds, seen=""):
    if not holds:
        raise Trouble(f"not so: {what}{f': {seen}' if seen != '' else ''}")


class Node:
    """One node under s6, as an operator runs it."""

    def __init__(self, lab, name, pair=True, **change):
        self.lab, self.name, self.ns = lab, name, lab.ns(name)
        self.conf = lab.configure(name, pair, **change)
        self.run = f"{lab.dir}/run-{name}"
        self.services = CONTROL + tuple(f"worker-{w}" for w in range(lab.workers))

    def _up(self, *words):
        r = subprocess.run(["ip", "netns", "exec", self.ns, UP, "--config", self.conf, "--bin", L.BIN, *words],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if r.returncode:
            raise Trouble(f"twinlns-up {' '.join(words)} on {self.name}: {r.stderr.strip()}")
        return r.stdout

    def start(self):
        self._up()

    def kill(self):
        """kill -9 of everything at one moment."""
        self._up("--kill")

    def pid(self, service):
        r = subprocess.run(["s6-svstat", "-o", "pid", f"{self.run}/s6/{service}"], capture_output=True, text=True)
        return int(r.stdout) if r.returncode == 0 and r.stdout.strip() not in ("", "-1") else 0

    def pids(self):
        return [p for p in (self.pid(s) for s in self.services) if p]

    def signal_all(self, number):
        for p in self.pids():
            os.kill(p, number)

    def kill_one(self, service):
        """kill -9 of one process; ends when its supervisor has started the next one."""
        old = self.pid(service)
        expect(f"{self.name}'s {service} runs", old)
        os.kill(old, signal.SIGKILL)
        until(f"{self.name}'s {service} is started again", 5, lambda: self.pid(service) not in (0, old))

    def ctl(self, *words, timeout=None):
        more = ["--timeout", str(timeout)] if timeout else []
        r = subprocess.run([f"{L.BIN}/twinctl", "--config", self.conf, *more, *words], capture_output=True, text=True)
        if r.returncode:
            raise Trouble(f"twinctl {' '.join(words)} on {self.name}: {r.stderr.strip() or r.stdout.strip()}")
        return r.stdout

    def ctl_fails(self, *words):
        """It must; what it said."""
        try:
            said = self.ctl(*words)
        except Trouble as t:
            return str(t)
        raise Trouble(f"not so: twinctl {' '.join(words)} on {self.name} fails: {said.strip()}")

    def reconfigure(self, **change):
        """Its file says something else from now on; nobody is told yet."""
        return self.lab.configure(self.name, "pair" in json.load(open(self.conf))["twinlns:twinlns"], **change)

    def status(self, process="elector"):
        try:
            return json.loads(self.ctl("--json", "raw", process, "status", timeout=300))
        except (Trouble, ValueError):
            return {}

    def role(self):
        return self.status().get("role")

    def epoch(self):
        return self.status().get("epoch")

    def answers(self, service):
        """It has read the store and answers."""
        word = "counters" if service in ("tunnel-ctl", "session-mgr") else "status"
        try:
            return bool(self.ctl("raw", service.replace("worker-", "worker."), word, timeout=300))
        except Trouble:
            return False

    def alarms(self):
        try:
            return json.loads(self.ctl("--json", "show", "alarms", timeout=300))
        except (Trouble, ValueError):
            return None

    def has_alarm(self, name):
        return name in json.dumps(self.alarms() or [])

    def wait(self, role, seconds=20):
        until(f"{self.name} is {role}", seconds, lambda: self.role() == role)

    def wait_mirror(self, state, seconds=20):
        def right():
            e = self.status("state-sync").get("mirror")
            return e == state and (state != "mirrored" or self.status().get("mirrored"))
        until(f"{self.name} is {state}", seconds, right)

    def holds_address(self, address=L.SERVICE):
        return f" {address}/" in sh(f"ip -n {self.ns} -o addr show dev access0")

    def mac(self, dev="access0"):
        return json.loads(sh(f"ip -n {self.ns} -j link show dev {dev}"))[0]["address"]

    def link(self, dev, state):
        sh(f"ip -n {self.ns} link set {dev} {state}")

    def sessions(self):
        return int(self.status("session-mgr").get("sessions", -1))


class Stage:
    def __init__(self, workers=2):
        self.lab = L.Lab(workers=workers)
        self.nodes, self.load, self.taps, self.lost = {}, None, [], {}
        self.calling = False

    # --- nodes --------------------------------------------------------------------------------------

    def node(self, name, pair=True, **change):
        n = self.nodes[name] = Node(self.lab, name, pair, **change)
        return n

    # How soon a death is noticed is the benchmarks' question.  A virtual machine may lose its processors for 150 ms again
    # and again, and a story about something else must not become one about that.
    PATIENT = {"pair/lease-time": 200, "pair/dead-time": 300}

    def pair(self, **change):
        change = {**self.PATIENT, **change}
        self.lab.radius()
        a, b = self.node("a", **change), self.node("b", **change)
        a.start()
        b.start()
        a.wait("active")
        b.wait("standby")
        a.wait_mirror("mirrored")
        step("a is active, b is its warm standby")
        return a, b

    def active(self, seconds=10):
        def one():
            now = [n for n in self.nodes.values() if n.role() == "active"]
            return now[0] if len(now) == 1 else None
        a = until("exactly one node is active", seconds, one)
        return a, next((n for n in self.nodes.values() if n is not a), None)

    # --- subscribers --------------------------------------------------------------------------------

    def dial(self, sessions=200, pps=2000, extra=60000, extra_rate=40, more=()):
        """Sessions with constant traffic, Hellos, and (after `calls`) calls always in progress."""
        self.load = self.lab.load(
            "--tunnels", 4, "--sessions", sessions, "--inflight", 256, "--timeout", 60, "--pps", pps, "--hello", 1,
            "--restart", 1, "--extra", extra, "--extra-rate", extra_rate, "--core", f"{L.HOST}:4001",
            "--core-netns", f"/run/netns/{self.lab.ns('host')}", *more)
        up = self.load.wait("up", 60)
        expect(f"{sessions} sessions are up", up["open"] == sessions, up)
        self.settle()
        self.before = up
        step(f"{sessions} sessions on {up['tunnels']} tunnels, {up['rate']:.0f}/s")

    def calls(self):
        self.load.ask("extra")
        self.calling = True

    def new_calls(self, count):
        """So many more come up; they go round over the tunnels, so that none of these is stuck."""
        before = self.load.ask("report")["extra_open"]
        until(f"{count} new calls come up", 15, lambda: self.load.ask("report")["extra_open"] >= before + count)

    def traffic(self, on):
        word = f"traffic {'on' if on else 'off'}"
        self.load.ask(word)

    def settle(self):
        """
        Traffic off; every packet that will arrive has arrived.  [sid, up lost, down lost] since the last time.

        A session's first packets may be ahead of the row that tells the workers of it: losses of a session that
        came up since the last time are shown and not counted.
        """
        self.traffic(False)
        last, looks = None, 0

        def quiet():
            # What is missing after so many looks without a change is lost.  Looks, not seconds: a machine that stands still does not look.
            nonlocal last, looks
            now = self.load.ask("sessions")["list"]
            total = sum(s[3] + s[5] for s in now)
            missing = sum(s[2] - s[3] + s[4] - s[5] for s in now) - sum(sum(v) for v in self.lost.values())
            looks = looks + 1 if total == last else 0
            last = total
            return now if missing == 0 or looks >= 30 else None
        now = until("packets settle", 4, quiet)
        out = []
        early = 0
        for i, (sid, _, us, ug, ds, dg) in enumerate(now):
            up0, down0 = self.lost.get((i, sid), (None, None))
            self.lost[i, sid] = (us - ug, ds - dg)
            if up0 is None:
                early += us - ug + ds - dg
            else:
                out.append((sid, us - ug - up0, ds - dg - down0))
        missing = [s for s in out if s[1] or s[2]]
        if missing or early:
            print(f"         lost of {len(missing)} sessions [id, up, down]: {missing[:6]}; of new ones: {early}", flush=True)
        return out

    def harm(self):
        """What the LACs saw since the last time they were asked."""
        now = self.load.ask("report")
        seen = {k: now[k] - self.before[k] for k in HARM if now[k] != self.before[k]}
        self.before = now
        return seen, now

    def verify(self):
        """New calls, a packet through every open session and back; nothing was ended, restarted or contradicted."""
        return self.verify_harmless()

    def verify_harmless(self, *harmless):
        """The same, where the story itself lets the LACs see a little."""
        self.new_calls(12 if self.calling else 0)
        e = self.load.ask("verify", "verified", 20)
        seen, _ = self.harm()
        expect("no LAC saw anything", not set(seen) - set(harmless), seen)
        expect("every session passes packets both ways", e["unverified"] == 0, f"{e['unverified']} of {e['open']} do not")
        return e

    def caught(self):
        """Calls that were in progress at the last mark; all of them must come up, without a redial."""
        def open_now():
            e = self.load.ask("report")
            return (e["caught"],) if e["caught_open"] == e["caught"] else None
        return until("calls caught in progress come up", 10, open_now)[0]

    def pass_packets(self, count):
        """As long as it takes for so many packets each way."""
        e = self.load.ask("report")

        def passed():
            now = self.load.ask("report")
            return all(now[k] - e[k] >= count for k in ("up_got", "down_got"))
        until(f"{count} packets each way", 30, passed)

    # --- the paths between the nodes ----------------------------------------------------------------

    def cut(self):
        """The nodes do not hear each other any more, on any network; everybody else hears both."""
        for n, other in (("a", 3), ("b", 2)):
            rules = "".join(f"ip saddr 10.{net}.0.{other} drop\n" for net in (10, 20, 30))
            sh(f"ip netns exec {self.lab.ns(n)} nft 'table ip cut {{ chain i {{ type filter hook input priority 0\n{rules}}}\n}}'")

    def heal(self):
        for n in "ab":
            sh(f"ip netns exec {self.lab.ns(n)} nft delete table ip cut")

    def watch_leases(self):
        """Samples both electors.  Two functions: end, giving (samples, how often both held the lease); samples so far."""
        seen, stop = [0, 0], threading.Event()

        def holds(n):
            return n.status().get("lease") is True

        def watch():
            while not stop.is_set():
                first, second = self.nodes.values()
                # One before and one after the other's answer: both were held at one moment.
                x, y, z = holds(first), holds(second), holds(first)
                seen[0] += 1
                seen[1] += x and y and z
        t = threading.Thread(target=watch, daemon=True)
        t.start()

        def end():
            stop.set()
            t.join()
            return tuple(seen)
        return end, lambda: seen[0]

    # --- eyes ---------------------------------------------------------------------------------------

    def tap(self, space, dev, what=""):
        """tcpdump of what passes there; read with frames()."""
        path = f"{self.lab.dir}/{space}-{dev}-{len(self.taps)}.pcap"
        log = f"{path}.log"
        with open(log, "wb") as out:
            p = subprocess.Popen(["ip", "netns", "exec", self.lab.ns(space), "tcpdump", "-Z", "root", "-i", dev, "-s", "160",
                                  "-B", "16384", "--time-stamp-precision", "nano", "-U", "-w", path, *what.split()],
                                 stdout=out, stderr=out)
        self.lab.procs.append(p)
        until("tcpdump listens", 5, lambda: b"listening on" in open(log, "rb").read())
        self.taps.append((p, path))
        return path

    def untap(self):
        for p, _ in self.taps:
            p.send_signal(signal.SIGINT)
        for p, _ in self.taps:
            p.wait()

    # --- the end ------------------------------------------------------------------------------------

    def keep(self):
        to = os.path.join(os.environ.get("TWIN_LOGS", f"{L.ROOT}/build/test-logs/scenario"), f"{name()}.kept")
        shutil.rmtree(to, ignore_errors=True)
        os.makedirs(to, exist_ok=True)
        for n in self.nodes.values():
            for what in (("show", "cluster"), ("show", "alarms"), ("show", "counters")):
                try:
                    text = n.ctl(*what, timeout=300)
                except Trouble as t:
                    text = str(t)
                with open(f"{to}/{n.name}-{what[1]}.txt", "w") as f:
                    f.write(text)
            if os.path.isdir(f"{n.run}/log"):  # it was started
                shutil.copytree(f"{n.run}/log", f"{to}/{n.name}-log", dirs_exist_ok=True)
        for f in os.listdir(self.lab.dir):
            p = f"{self.lab.dir}/{f}"
            if os.path.isfile(p) and os.path.getsize(p) < 50 << 20 and not f.endswith(".sock"):
                shutil.copy(p, to)
        print(f"logs, configurations and captures are kept in {to}", flush=True)

    def close(self):
        for n in self.nodes.values():
            try:
                n.kill()
            except Trouble:
                pass
        for s in self.lab.spaces:  # whatever lives in namespaces of ours
            for p in sh(f"ip netns pids {s}", check=False).split():
                try:
                    os.kill(int(p), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.lab.close()


def frames(path):
    """(time in s, bytes) of each frame of a capture."""
    with open(path, "rb") as f:
        d = f.read()
    expect("a capture", d[:4] == b"\x4d\x3c\xb2\xa1")
    at = 24
    while at + 16 <= len(d):
        s, ns, kept, _ = struct.unpack_from("<IIII", d, at)
        if at + 16 + kept > len(d):
            break
        yield s + ns / 1e9, d[at + 16:at + 16 + kept]
        at += 16 + kept


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def sent_by(mac, path):
    """When it sent the frames of a capture."""
    mac = octets(mac)
    return [t for t, f in frames(path) if f[6:12] == mac]


def l2tp_of(frame):
    """The L2TP datagram of an Ethernet frame from port 1701, or nothing."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    at = 14 + (frame[14] & 15) * 4
    if frame[at:at + 2] != b"\x06\xa5":
        return None
    return frame[at + 8:]


def name():
    return os.path.basename(os.path.dirname(os.path.realpath(sys.argv[0])))


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def play(story, **how):
    if os.geteuid() != 0:
        skip("network namespaces need root")
    if not os.path.exists("/dev/net/tun"):
        skip("there is no /dev/net/tun")
    for tool in ("s6-svscan", "tcpdump", "nft"):
        if not shutil.which(tool):
            skip(f"there is no {tool}")
    st, code = None, 1
    try:
        st = Stage(**how)
        story(st)
        code = 0
    except Trouble as t:
        step(f"FAILED: {t}")
    finally:
        if st:
            try:
                if code:
                    st.keep()
            finally:
                st.close()
    if code == 0:
        step(f"{name()}: held")
    sys.exit(code)
