#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""RFC 4951 of one node, from outside, clause by clause.  Run by conformance-4951.sh; the packets are l2tpwire.py's.

First the node is the remote endpoint: a LAC of ours fails, and recovers its tunnels.  Then it is the recovery endpoint:
all its processes are killed, and it starts from its store.  Last lines: what failed, and `N checks, N failed`.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "bench"), os.path.join(HERE, "..", "lab"), HERE]
sys.dont_write_bytecode = True

import lab as labs  # noqa: E402
import still  # noqa: E402
from l2tpwire import *  # noqa: E402,F403

stories, failed, done = [], [], 0
SECRET = b"correct horse"
NODE, ME = "10.10.0.1", "10.10.0.10"
FAST, TRIES = 50, 3
CYCLE = (50 + 100 + 200 + 400) / 1000
RECOVERY = 45000                      # ms: the node's recovery-time
node = None
wire = []                             # recovery messages of both sides, for tshark


def story(f):
    stories.append(f)
    return f


def check(clause, what, ok, detail=""):
    global done
    done += 1
    if not ok:
        failed.append(f"{clause}: {what}" + (f" ({detail})" if detail != "" else ""))
        print(f"  FAILED {failed[-1]}")
    return bool(ok)


class Line(Peer):
    """A control connection that shares its socket with others: old tunnels and recovery tunnels."""

    hubs = {}                         # socket -> its lines; requests of the node

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.hub = Line.hubs.setdefault(self.sock, ([], []))
        self.hub[0].append(self)

    def raw(self, octets):
        wire.append(octets)
        super().raw(octets)

    def take(self, octets):
        wire.append(octets)
        at = 4 if octets[0] & 0x40 else 2
        tid = struct.unpack("!H", octets[at:at + 2])[0]
        if tid == 0:
            try:
                self.hub[1].append(Msg(octets, self.secret))
            except Strange as e:
                Peer.strange.append(f"{e}: {octets.hex()}")
            return None
        for line in self.hub[0]:
            if line.id == tid:
                m = Peer.take(line, octets)
                return m if line is self else None
        Peer.strange.append(f"a datagram for tunnel {tid}: {octets.hex()}")
        return None

    def request(self, seconds=3):
        """The node's next SCCRQ that is not a copy."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while self.hub[1]:
                m = self.hub[1].pop(0)
                if m.type == SCCRQ and m.num(9) not in [x.tid for x in self.hub[0]]:
                    return m
            self.poll(min(0.05, max(0, end - time.monotonic())))
        return None

    def sibling(self, **kw):
        q = Line(self.host.decode(), sock=self.sock, address=self.ends[0], secret=self.secret, **kw)
        q.to = self.to
        return q

    def capable(self, flags=3, ms=20000):
        return avp(76, struct.pack("!HI", flags, ms), 0)

    def recovery(self, old, *more, ids=None, tie=b"\x40" + bytes(7), **kw):
        """SCCRQ of a recovery tunnel for `old` (3.2.1)."""
        mine, theirs = ids or (old.id, old.tid)
        return self.ask(ids32(77, mine, theirs), *([avp(5, tie, 0)] if tie else []), *more, **kw)

    def reset(self, ns, nr):
        """3.2.2: both windows are flushed, Ns and Nr begin anew."""
        self.ns, self.nr, self.acked, self.kept = ns, nr, ns, {}
        self.inbox.clear()

    def recover(self, *more, **kw):
        """We had failed: a recovery tunnel, and this one goes on with what was suggested."""
        q = self.sibling()
        q.recovery(self, *more, **kw)
        m = q.answered()
        if not m or m.type != SCCRP:
            raise AssertionError(f"no recovery tunnel: {m}")
        extra = [avp(13, response(SCCCN, self.secret, m.get(11)))] if m.get(11) else []
        q.send(SCCCN, *extra)
        if not q.await_ack():
            raise AssertionError("SCCCN of the recovery tunnel is not acknowledged")
        ns, nr = struct.unpack("!HHH", m.get(78))[1:] if m.get(78) else (0, 0)
        self.reset(ns, nr)
        q.send(STOPCCN, avp(9, q.id), avp(1, 1))
        q.await_ack()
        self.suggestion = m.get(78)
        return q

    def query(self, *pairs):
        self.send(FSQ, *[ids32(79, a, b) for a, b in pairs], m=0)

    def answers(self, n, seconds=2):
        got = []
        end = time.monotonic() + seconds
        while len(got) < n and time.monotonic() < end:
            m = self.expect(FSR, seconds=max(0.01, end - time.monotonic()))
            if m:
                got += m.pairs()
        return got


def shown():
    return json.loads(node.ctl("--json", "show", "tunnels"))["tunnels"]


def calls(p):
    """How many calls the node has in this tunnel."""
    return next((t["calls"] for t in shown() if t["tunnel"] == p.tid), None)


def note(p):
    return next((t["note"] or "" for t in shown() if t["tunnel"] == p.tid), "gone")


def tidy():
    """Nothing is left of a story that another could be disturbed by."""
    for t in shown():
        if t["state"] == "established":
            node.ctl("tunnel", "close", str(t["tunnel"]), check=False)
    for sock, (lines, _) in Line.hubs.items():
        if sock.fileno() >= 0:
            lines[0].listen(0.05)
            sock.close()
    Line.hubs.clear()


def soon(f, seconds=3):
    end = time.monotonic() + seconds
    while not f() and time.monotonic() < end:
        time.sleep(0.02)
    return f()


def counter(name):
    for line in node.ctl("raw", "tunnel-ctl", "counters").splitlines():
        n, _, rest = line.strip().partition("  ")
        if rest.startswith(f"{name}:"):
            return int(n)
    return 0


def tunnel(n=0, host="conf", secret=b"", flags=3, ms=20000, **kw):
    p = Line(host, secret=secret, **kw)
    p.open(p.capable(flags, ms) if flags else b"")
    p.pairs = [p.call() for _ in range(n)]
    return p


# ---- 3.1, 5.1: capability ---------------------------------------------------------------------------------------


@story
def capability():
    p = Line()
    p.ask(p.capable())
    m = p.answered()
    v = m.get(76)
    check("3.1", "SCCRP has a Failover Capability", v is not None, m)
    check("5.1", "C and D are set, the rest is 0", v and v[:2] == b"\0\3", v)
    check("5.1", "the Recovery Time is the configured one, in milliseconds", v and int.from_bytes(v[2:], "big") == RECOVERY, v)
    p.stop()
    p = Line("off")
    p.ask(p.capable())
    m = p.answered()
    check("6", "switched off: none is sent", m.get(76) is None, m)
    p.stop()
    p = tunnel(0, ms=7000)
    t = next(t for t in shown() if t["tunnel"] == p.tid)
    check("3.1", "the peer's is shown", t["failover"] == "CD 7 s", t)
    p.stop()
    for what, a in (("of neither bit", avp(76, bytes(6), 0)), ("too short", avp(76, b"\0\3", 0)),
                    ("with reserved bits", avp(76, b"\xff\xff\0\0\0\1", 0)), ("hidden, and no secret", avp(76, bytes(8), 0, 1))):
        p = Line()
        p.ask(a)
        m = p.answered()
        check("5.1", f"a capability {what} refuses nothing", m and m.type == SCCRP, m)
        p.stop()


# ---- the node as remote endpoint --------------------------------------------------------------------------------


@story
def a_lac_fails_and_recovers():
    p = tunnel(5)
    q = p.sibling()
    q.recovery(p)
    m = q.answered()
    if not check("3.2.1", "a recovery SCCRQ is answered by SCCRP", m and m.type == SCCRP, m):
        return
    check("3.2.1", "no Failover Capability in it", m.get(76) is None)
    check("5.2", "nor a Tunnel Recovery", m.get(77) is None)
    check("3.2.1", "a Suggested Control Sequence is", m.get(78) is not None)
    check("3.2.1", "the recovery tunnel has an id of its own", m.num(9) not in (0, p.tid))
    ns, nr = struct.unpack("!HHH", m.get(78))[1:]
    check("5.3", "the suggested numbers are away from the old ones", 256 < (ns - p.ns) & 0xffff < 0x8000 and
          256 < (nr - p.nr) & 0xffff < 0x8000, (ns, nr, p.ns, p.nr))
    check("3.2.1", "the old tunnel goes on until SCCCN", p.alive() and calls(p) == 5)
    old = p.packet(mtype(HELLO))
    q.send(SCCCN)
    check("3.2.1", "SCCCN is acknowledged", q.await_ack())
    p.raw(old)
    p.listen(0.1)
    p.reset(ns, nr)
    p.send(HELLO)
    check("3.2.2", "the old tunnel goes on with the suggested numbers", p.await_ack(), (p.ns, p.acked))
    last = p.seen[-1]
    check("3.2.2", "at both ends: the node's Ns is what was suggested as our Nr", last.ns == nr, last)
    check("3.2.1", "the recovery tunnel stays until somebody ends it", q.alive())
    q.send(ICRQ, avp(14, 9), avp(15, u32(1)))
    check("3.2.1", "a call has no place on it", q.await_ack() and not q.expect(ICRP, CDN, STOPCCN, seconds=0.15))
    q.send(STOPCCN, avp(9, q.id), avp(1, 1))
    check("3.2.2", "its StopCCN is acknowledged", q.await_ack())
    check("3.2.2", "and ends nothing else", p.alive() and calls(p) == 5)
    p.query(*p.pairs)
    check("3.3", "FSQ: every session is confirmed, in FSRs", sorted(p.answers(5)) == sorted((b, a) for a, b in p.pairs), p.pairs)
    check("3.3", "and the node has nothing left to ask", p.expect(FSQ, seconds=1.3) is None)
    check("3.3", "the recovery is over", soon(lambda: note(p) == ""), note(p))
    a, b = p.call()
    check("3.2.2", "new calls can be made", b != 0 and soon(lambda: calls(p) == 6))
    p.stop()


@story
def sessions_are_synchronised():
    p = tunnel(6)
    p.recover()
    known, rest = p.pairs[:2], p.pairs[2:]
    p.query(*known, (7, 60000))
    got = p.answers(3)
    check("3.3", "a session that does not exist: Session ID 0, our id in the Remote Session ID", (0, 7) in got, got)
    check("3.3", "in one answer with others that do", all((b, a) in got for a, b in known), got)
    # The node asks about those that nobody asked about.
    m = p.expect(FSQ, seconds=4)
    check("3.3", "the node asks about the others", m and sorted(m.pairs()) == sorted((b, a) for a, b in rest), m and m.pairs())
    dead, live = rest[0], rest[1:]
    p.send(FSR, ids32(79, 0, dead[1]), *[ids32(79, a, b) for a, b in live], m=0)
    check("3.3", "FSR with Session ID 0 clears the session", soon(lambda: calls(p) == 5), calls(p))
    check("3.3", "silently, without a CDN", p.expect(CDN, STOPCCN, seconds=0.3) is None)
    check("3.3", "the recovery is over", soon(lambda: note(p) == ""), note(p))
    p.send(FSR, *[ids32(79, 0, b) for a, b in live], m=0)
    check("3.3", "what was not asked about is not cleared by an FSR", p.await_ack() and p.alive() and calls(p) == 5)
    # Any time, 3.3 step II
    p.query(*live)
    check("3.3", "FSQ is answered at any time", sorted(p.answers(3)) == sorted((b, a) for a, b in live))
    many = [(i, 40000 + i) for i in range(1, 91)]
    p.query(*many)
    check("3.3", "ninety at once are answered, in whatever FSRs", sorted(p.answers(90)) == [(0, i) for i in range(1, 91)])
    p.send(FSQ, m=0)
    check("4.1", "an FSQ without a session is acknowledged", p.await_ack())
    m = p.expect(STOPCCN, FSR, seconds=0.2)
    check("7.1 of RFC 2661", "and answered as a message that lacks what it must have, or not", m is None or m.type == STOPCCN and m.result()[0] == 2, m)


@story
def mismatching_ids():
    """Appendix C."""
    p = tunnel(3)
    (a1, b1), (a2, b2), (a3, b3) = p.pairs
    p.recover()
    p.query((a3, b3), (a1, b2))
    got = p.answers(2)
    check("3.3", "a session paired with another: Session ID 0", (0, a1) in got, got)
    check("3.3", "the local session is not cleared", calls(p) == 3)
    asked = []
    end = time.monotonic() + 6
    while len(asked) < 2 and time.monotonic() < end:
        m = p.expect(FSQ, seconds=1)
        asked += m.pairs() if m else []
    check("3.3", "but marked stale, and asked about later", (b2, a2) in asked and (b1, a1) in asked, asked)
    p.send(FSR, ids32(79, 0, b2), ids32(79, a1, b1), m=0)
    check("3.3", "and cleared where we do not know it", soon(lambda: calls(p) == 2), calls(p))
    p.stop()


@story
def half_open_calls_go_in_silence():
    p = tunnel(1)
    a, b = p.call(connect=False)
    check("3.3", "a call is being set up", calls(p) == 2)
    p.recover()
    check("3.3", "it is cleared", soon(lambda: calls(p) == 1), calls(p))
    check("3.3", "without a CDN", p.expect(CDN, seconds=0.2) is None)
    p.iccn(b)
    check("3.3", "its ICCN finds nothing", p.await_ack() and p.alive() and calls(p) == 1)
    p.stop()


@story
def an_icrq_for_a_session_of_before():
    p = tunnel(2)
    (a, b), _ = p.pairs
    p.recover()
    p.icrq(a)
    m = p.expect(CDN, ICRP, STOPCCN)
    check("3.3", "ICRQ for an established session, before synchronisation ends: CDN", m and m.type == CDN and m.sid == a, m)
    check("3.3", "its Assigned Session ID is the node's", m and m.num(14) == b, m)
    check("3.3", "and the session is cleared", soon(lambda: calls(p) == 1), calls(p))
    p.icrq(a)
    m = p.expect(CDN, ICRP, STOPCCN)
    check("3.3", "asked again, it is a new one", m and m.type == ICRP, m)
    p.stop()


@story
def refused():
    p = tunnel(1)
    other = tunnel(1, host="off")

    def refusal(what, old, **kw):
        q = old.sibling()
        q.recovery(old, **kw)
        m = q.expect(SCCRP, STOPCCN)
        check("3.2.1", f"{what}: StopCCN", m and m.type == STOPCCN and m.num(9) and m.result()[0] in (2, 4), m)
        if m:
            q.tid = m.num(9)
            q.ack()
        check("3.2.1", f"{what}: nothing is disturbed", old.alive() and calls(old) == 1)

    refusal("an unknown Recover Remote Tunnel ID", p, ids=(p.id, p.tid ^ 1))
    refusal("an unknown Recover Tunnel ID", p, ids=(p.id ^ 1, p.tid))
    refusal("both 0", p, ids=(0, 0))
    refusal("the node had not said that it can", other)
    incapable = tunnel(1, flags=0)
    refusal("the peer had not said that it can", incapable)
    only_data = tunnel(1, flags=2)
    refusal("only the data channel", only_data)
    stranger = Line("conf", address="10.10.0.21")
    stranger.recovery(p)
    m = stranger.expect(SCCRP, STOPCCN)
    check("8", "another address without authentication: StopCCN", m and m.type == STOPCCN, m)
    q = p.sibling()
    q.recovery(p)
    m = q.answered()
    again = p.sibling()
    again.recovery(q, ids=(q.id, q.tid))
    m = again.expect(SCCRP, STOPCCN)
    check("3.2.1", "a recovery tunnel is not recovered", m and m.type == STOPCCN, m)
    q.raw(control(0, 0, 0, 0, mtype(SCCRQ) + q.terms(ids32(77, p.id, p.tid), avp(5, b"\x40" + bytes(7), 0)), 0xC803))
    check("3.2.1", "a request of another version does nothing", p.alive() and calls(p) == 1)
    p.sock.close()


@story
def authentication():
    p = tunnel(2, host="auth", secret=SECRET)
    q = p.sibling()
    q.recovery(p, avp(11, b"0123456789abcdef"))
    m = q.answered()
    check("3.2.1", "our challenge is answered with the old tunnel's secret",
          m and m.get(13) == response(SCCRP, SECRET, b"0123456789abcdef"), m)
    check("3.2.1", "and we are challenged", m and m.get(11))
    q.send(SCCCN, avp(13, bytes(16)))
    m = q.expect(STOPCCN)
    check("3.2.1", "a wrong response ends the recovery tunnel", m and m.result()[0] == 4, m)
    check("3.2.1", "and nothing else", p.alive() and calls(p) == 2)
    q = p.sibling()
    q.recovery(p)
    check("3.2.1", "a tunnel without its SCCCN changes nothing", q.answered() and p.alive() and calls(p) == 2)
    p.recover()
    p.query(*p.pairs)
    check("3.2.1", "the right response recovers", len(p.answers(2)) == 2)
    m = q.expect(STOPCCN, seconds=2)
    check("3.2.1", "and ends the one that was never completed", m is not None)
    stranger = Line("auth", address="10.10.0.21", secret=SECRET)
    stranger.recovery(p)
    m = stranger.answered()
    if check("8", "who knows the secret may come from another address", m and m.type == SCCRP, m):
        stranger.send(SCCCN, avp(13, response(SCCCN, SECRET, m.get(11))))
        stranger.await_ack()
        ns, nr = struct.unpack("!HHH", m.get(78))[1:]
        moved = Line("auth", sock=stranger.sock, address="10.10.0.21", secret=SECRET)
        moved.id, moved.tid = p.id, p.tid
        moved.reset(ns, nr)
        moved.query(*p.pairs)
        check("8", "and the tunnel follows it", len(moved.answers(2)) == 2)
        p.send(HELLO)
        check("8", "no more heard from the old one", not p.await_ack(seconds=0.3))
    p.sock.close()


@story
def replays_and_doubles():
    p = tunnel(1)
    q = p.sibling()
    octets = q.recovery(p)
    q.answered()
    q.raw(octets)
    q.raw(octets)
    check("5.8 of RFC 2661", "a repeated SCCRQ is the same tunnel", len({m.num(9) for m in q.listen(0.2) if m.type == SCCRP} - {q.tid}) == 0)
    r = p.sibling()
    r.recovery(p)
    m = r.answered()
    check("3.2.1", "a second recovery tunnel for the same one may begin", m and m.type == SCCRP, m)
    ns, nr = struct.unpack("!HHH", m.get(78))[1:]
    r.send(SCCCN)
    r.await_ack()
    p.reset(ns, nr)
    check("3.2.1", "who completes first has it", p.alive() and calls(p) == 1)
    m = q.expect(STOPCCN, seconds=2)
    check("3.2.1", "the other one is ended", m is not None)
    r.send(STOPCCN, avp(9, r.id), avp(1, 1))
    r.await_ack()
    time.sleep(0.3)
    before = p.ns
    q.hub[0].remove(q)
    late = p.sibling()
    late.id = q.id
    late.raw(octets)
    late.listen(0.2)
    check("8", "replayed when all is over, it changes nothing without its SCCCN", p.alive() and calls(p) == 1 and p.ns == before + 1)
    p.recover()
    check("3.2.1", "a tunnel may be recovered again", p.alive() and calls(p) == 1)
    p.stop()


@story
def a_silent_peer_is_given_its_time():
    p = tunnel(3, host="fast", ms=4000)
    (a, b) = p.pairs[0]
    p.auto = False
    node.ctl("call", "clear", f"{p.tid}/{b}")
    t = time.monotonic()
    heard = p.listen(CYCLE + 0.6)
    check("5.8 of RFC 2661", "CDN and its retransmissions", len([m for m in heard if m.type == CDN]) > TRIES, heard)
    check("5.1", "then the tunnel stays", soon(lambda: note(p) == "peer away", 1), note(p))
    check("5.1", "with its sessions", calls(p) == 2)
    p.auto = True
    p.recover()
    check("5.1", "until the peer has recovered", soon(lambda: note(p) != "peer away") and p.alive() and calls(p) == 2)
    p.query(*p.pairs)
    got = p.answers(3)
    check("3.3", "what was ended meanwhile is found out", (0, a) in got and len(got) == 3, got)
    p.sock.close()
    p = tunnel(2, host="fast", ms=1500)
    p.auto = False
    node.ctl("call", "clear", f"{p.tid}/{p.pairs[0][1]}")
    p.listen(CYCLE + 0.9)
    check("5.1", "away: kept", calls(p) == 1, calls(p))
    check("5.1", "until the recovery time is over", soon(lambda: not calls(p), 3), calls(p))
    p.sock.close()
    p = tunnel(2, host="fast", ms=20000)
    p.auto = False
    node.ctl("call", "clear", f"{p.tid}/{p.pairs[0][1]}")
    p.listen(CYCLE + 0.6)
    check("5.1", "away", soon(lambda: note(p) == "peer away", 1))
    p.ack()
    check("5.1", "an acknowledgement ends the waiting", soon(lambda: note(p) == ""), note(p))
    p.auto = True
    check("5.1", "and all is as before", p.alive() and calls(p) == 1)
    p.sock.close()
    p = tunnel(2, host="fast", ms=0)
    p.auto = False
    node.ctl("call", "clear", f"{p.tid}/{p.pairs[0][1]}")
    p.listen(CYCLE + 0.6)
    check("5.1", "0 asks for no additional time", soon(lambda: not calls(p), 1), calls(p))
    p.sock.close()


@story
def sequenced_data():
    def lcp(n):
        return struct.pack("!HBBHI", 0xc021, 9, n & 255, 8, 1)

    def numbered(p, theirs, ns):
        p.raw(struct.pack("!HHHHH", 0x0802, p.tid, theirs, ns, 0) + b"\xff\x03" + lcp(ns))

    def taken(theirs, p):
        text = node.ctl("raw", "worker.0", "session", f"{p.tid}/{theirs}")
        return int(text.split(" nr=")[1].split()[0])

    p = Line()
    p.open(p.capable())
    a, b = p.call(iccn=(avp(39),))
    for i in range(40000, 40010):
        numbered(p, b, i)
    check("3.2.3", "a sequenced session", soon(lambda: taken(b, p) == 40010), taken(b, p))
    p.recover()
    for i in range(30000, 30004):
        numbered(p, b, i)
    time.sleep(0.1)
    check("3.2.3", "a few packets out of order are late ones", taken(b, p) == 40010, taken(b, p))
    numbered(p, b, 30010)
    numbered(p, b, 30013)
    time.sleep(0.1)
    check("3.2.3", "and not taken up while out of order among themselves", taken(b, p) == 40010, taken(b, p))
    for i in range(100, 106):
        numbered(p, b, i)
    check("3.2.3", "n of them in sequence set Nr", soon(lambda: taken(b, p) == 106), taken(b, p))
    p.stop()


# ---- the node as recovery endpoint ------------------------------------------------------------------------------


def cold():
    """A power cut: all processes at one moment; then the node starts from its store."""
    node.kill()
    node.start()


@story
def the_node_starts_cold():
    p = tunnel(150)
    plain = tunnel(2, flags=0)
    auth = tunnel(2, host="auth", secret=SECRET)
    ours = [p, plain, auth]
    cold()
    m = p.request(seconds=15)
    if not check("3.2.1", "the node opens a recovery tunnel", m is not None):
        return
    node.wait("active")
    check("3.2.1", "with a Tunnel Recovery AVP: its old id, and ours", m.get(77) == struct.pack("!HHHHH", 0, 0, p.tid, 0, p.id), m.get(77))
    check("3.2.1", "with a Tie Breaker", m.get(5) is not None and len(m.get(5)) == 8)
    check("3.2.1", "without a Failover Capability", m.get(76) is None)
    check("3.2.1", "of a new Tunnel ID", m.num(9) not in [x.tid for x in ours])
    before = len(p.seen)
    p.send(HELLO)
    p.icrq(4711)
    p.listen(0.3)
    check("3.2.1", "control packets on the old tunnel are silently discarded", len(p.seen) == before, p.seen[before:])
    q = p.sibling()
    q.tid, q.nr = m.num(9), 1
    q.send(SCCRP, q.terms(avp(78, struct.pack("!HHH", 0, 300, 7000), 0)))
    m = q.expect(SCCCN, STOPCCN)
    check("3.2.1", "SCCRP is answered by SCCCN", m and m.type == SCCCN, m)
    m = q.expect(STOPCCN)
    check("3.2.1", "then the recovery tunnel is torn down", m and m.result()[0] == 1, m)
    p.reset(7000, 300)
    asked = []
    end = time.monotonic() + 4
    numbers = []
    while len(asked) < 150 and time.monotonic() < end:
        m = p.expect(FSQ, CDN, HELLO, seconds=1)
        if m:
            numbers.append(m.ns)
            asked += m.pairs()
    check("5.3", "the old tunnel's Ns begins where we suggested", numbers and numbers[0] == 300, numbers)
    check("3.3", "every established session is asked about", sorted(asked) == sorted((b, a) for a, b in p.pairs), len(asked))
    check("3.3", "in few messages", len(numbers) <= 4, numbers)
    dead = p.pairs[17]
    p.send(FSR, *[ids32(79, 0 if (a, b) == dead else a, b) for a, b in p.pairs[:75]], m=0)
    p.send(FSR, *[ids32(79, a, b) for a, b in p.pairs[75:]], m=0)
    check("3.2.2", "our messages are taken with the suggested Nr", p.await_ack())
    check("3.3", "the session that we do not know is cleared", soon(lambda: calls(p) == 149), calls(p))
    check("3.3", "without a CDN", p.expect(CDN, STOPCCN, seconds=0.3) is None)
    check("3.3", "the others are kept", soon(lambda: note(p) == "") and calls(p) == 149, note(p))
    a, b = p.call()
    check("3.2.2", "and new ones can be made", b != 0)
    # the peer that does not speak RFC 4951
    check("3", "no recovery tunnel to a peer that is not capable", plain.request(seconds=0.2) is None)
    check("3", "its tunnel goes on with what was stored", plain.alive() and calls(plain) == 2)
    # the one with a secret
    m = auth.request(seconds=3)
    check("3.2.1", "with a challenge where the old tunnel had one", m and m.get(11) and m.get(77), m)
    if m:
        q = auth.sibling()
        q.tid, q.nr = m.num(9), 1
        q.send(SCCRP, q.terms(avp(13, response(SCCRP, SECRET, m.get(11))), avp(11, b"fedcba9876543210")))
        m = q.expect(SCCCN, STOPCCN)
        check("3.2.1", "which is answered", m and m.type == SCCCN and m.get(13) == response(SCCCN, SECRET, b"fedcba9876543210"), m)
        auth.reset(0, 0)
        m = auth.expect(FSQ)
        check("3.2.2", "without a Suggested Control Sequence both numbers begin at 0", m and m.ns == 0 and m.nr == 0, m)
        check("3.3", "it asks about both sessions", m and sorted(m.pairs()) == sorted((b, a) for a, b in auth.pairs), m)
        auth.send(FSR, *[ids32(79, a, b) for a, b in auth.pairs], m=0)
        check("3.2.2", "and ours at 0 is taken", auth.await_ack() and calls(auth) == 2)
    def recovery():
        return json.loads(node.ctl("raw", "tunnel-ctl", "show", "recovery"))
    check("3", "what became of it can be read", soon(lambda: not recovery()["running"]) and
          [recovery()[k] for k in ("tunnels", "recovered", "failed", "kept", "sessions", "lost")] == [2, 2, 0, 1, 151, 1], recovery())
    # A process alone is killed: nothing is stale.
    asked = counter("RECOVERY_ASKED")
    proc = node.p["tunnel-ctl"]
    proc.kill()
    proc.wait()
    node.start_one("tunnel-ctl")
    check("3", "tunnel-ctl alone, killed: the tunnels go on", soon(lambda: p.alive(), 5) and auth.alive() and plain.alive())
    check("3", "without a recovery", p.request(seconds=0.3) is None and counter("RECOVERY_ASKED") == 0, asked)


@story
def recoveries_that_fail():
    p = tunnel(2)       # not of the fast ones: a slow machine may let us stand still for their whole cycle
    silent = tunnel(2, host="fast")
    wrong = tunnel(2, host="auth", secret=SECRET)
    seq = Line("conf")
    seq.open(seq.capable(flags=1))
    seq.pairs = [seq.call(iccn=(avp(39),)), seq.call()]
    cold()
    m = p.request(seconds=15)
    check("3.2.1", "a recovery tunnel is asked for", m is not None)
    q = p.sibling()
    q.tid, q.nr = m.num(9), 1
    q.send(STOPCCN, avp(9, q.id), avp(1, struct.pack("!HH", 2, 3)))
    q.await_ack()
    node.wait("active")
    check("3.2.1", "refused: the old tunnel is cleared", soon(lambda: not calls(p)), calls(p))
    check("3.2.1", "silently", p.expect(STOPCCN, CDN, seconds=0.2) is None)
    m = wrong.request()
    q = wrong.sibling()
    q.tid, q.nr = m.num(9), 1
    q.send(SCCRP, q.terms(avp(13, bytes(16)), avp(78, bytes(6), 0)))
    m = q.expect(STOPCCN, SCCCN)
    check("3.2.1", "a wrong response: StopCCN", m and m.type == STOPCCN and m.result()[0] == 4, m)
    check("3.2.1", "and the old tunnel is cleared", soon(lambda: not calls(wrong)), calls(wrong))
    check("3.2.1", "no answer at all: cleared when the retransmissions are over", soon(lambda: not calls(silent), 5), calls(silent))
    m = seq.request()
    if check("3.2.3", "a peer without D", m is not None):
        q = seq.sibling()
        q.tid, q.nr = m.num(9), 1
        q.send(SCCRP, q.terms(avp(78, struct.pack("!HHH", 0, 50, 60), 0)))
        q.expect(SCCCN)
        seq.reset(60, 50)
        m = seq.expect(CDN)
        check("3.2.3", "its sequenced session is ended by CDN", m and m.sid == seq.pairs[0][0], m)
        m = seq.expect(FSQ)
        check("3.2.3", "the other one is kept", m and m.pairs() == [(seq.pairs[1][1], seq.pairs[1][0])], m)


@story
def both_had_failed():
    low, high, same = [tunnel(1) for _ in range(3)]
    cold()

    def theirs(p):
        m = p.request(seconds=15)
        q = p.sibling()
        q.tid, q.nr = m.num(9), 1
        return m, q

    m, q = theirs(low)
    node.wait("active")
    r = low.sibling()
    r.recovery(low, tie=bytes(8))
    a = r.answered()
    check("3.2.1", "our tie breaker is lower: our recovery tunnel is answered", a and a.type == SCCRP and a.get(78), a)
    r.send(SCCCN)
    r.await_ack()
    low.reset(*struct.unpack("!HHH", a.get(78))[1:])
    check("3.2.1", "the node's own is gone: its copies have ended", low.request(seconds=0.3) is None)
    m2 = low.expect(FSQ, seconds=2)
    check("3.2.1", "the tunnel is reset as we said", m2 and m2.pairs() == [(b, a_) for a_, b in low.pairs], m2)
    m, q = theirs(high)
    r = high.sibling()
    r.recovery(high, tie=b"\xff" * 8)
    check("3.2.1", "ours is higher: our request is dropped in silence", r.expect(SCCRP, STOPCCN, seconds=0.2) is None)
    q.send(SCCRP, q.terms(avp(78, struct.pack("!HHH", 0, 9, 11), 0)))
    m2 = q.expect(SCCCN, STOPCCN)
    check("3.2.1", "and the node's goes on", m2 and m2.type == SCCCN, m2)
    high.reset(11, 9)
    check("3.2.1", "to its end", high.expect(FSQ) is not None)
    m, q = theirs(same)
    r = same.sibling()
    r.recovery(same, tie=m.get(5))
    got = [x for x in r.listen(0.2) if x.type in (SCCRP, STOPCCN)]
    check("4.4.3 of RFC 2661", "equal: both are dropped", not got, got)
    m2 = same.request(seconds=2)
    check("3.2.1", "and the node asks again, with another one", m2 and m2.get(5) != m.get(5) and m2.get(77) == m.get(77), m2)
    # Scope: a tunnel of the ordinary kind has nothing to do with it.
    o = same.sibling()
    o.ask(avp(5, bytes(8), 0))
    a = o.answered()
    check("3.2.1", "an ordinary SCCRQ with a low tie breaker does not end a recovery tunnel", a and a.type == SCCRP, a)
    q2 = same.sibling()
    q2.tid, q2.nr = m2.num(9), 1
    q2.send(SCCRP, q2.terms())
    m3 = q2.expect(SCCCN, STOPCCN)
    check("3.2.1", "which goes on", m3 and m3.type == SCCCN, m3)


# ---- the octets -------------------------------------------------------------------------------------------------


def checksum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def pcap(path):
    """What was heard and said, in IPv4 and UDP of no one's."""
    with open(path, "wb") as f:
        f.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        n = 0
        for b in wire:
            if not b or not b[0] & 0x80 or n >= 3000:
                continue
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(b), 0, 0, 64, 17, 0, bytes((10, 10, 0, 10)), bytes((10, 10, 0, 1)))
            ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
            p = ip + struct.pack("!HHHH", 1701, 1701, 8 + len(b), 0) + b
            f.write(struct.pack("=IIII", n, 0, len(p), len(p)) + p)
            n += 1


@story
def tshark_agrees():
    if not shutil.which("tshark"):
        print("  no tshark here")
        return
    path = f"{node.lab.dir}/4951.pcap"
    pcap(path)
    r = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", "-e", "_ws.malformed", "-e", "l2tp.avp.message_type",
                        "-e", "l2tp.avp.type"], capture_output=True, text=True, timeout=60)
    rows = [line.split("\t") for line in r.stdout.splitlines()]
    bad = [x for x in rows if x[0]]
    kinds = {x[1] for x in rows if len(x) > 1}
    check("5", "no message of a recovery is malformed to tshark", rows and len(bad) <= 2, bad[:3])
    check("4", "FSQ (21) and FSR (22) are among them", {"21", "22"} <= kinds, kinds)
    types = {t for x in rows if len(x) > 2 for t in x[2].split(",")}
    check("5", "and the AVPs 76 to 79", {"76", "77", "78", "79"} <= types, types)


@story
def nothing_strange_was_heard():
    check("3, 4, 5", "every datagram of the node keeps the rules of headers and AVPs", not Peer.strange, Peer.strange[:5])
    check("3", "no process has ended", all(x.poll() is None for x in node.p.values()))


# ---- the lab ----------------------------------------------------------------------------------------------------


def profile(name, **more):
    return {"name": name, "host-name": name, "local-host-name": "lns", "ppp": "subs", "window": 512,
            "retransmit-initial": 300, "retransmit-tries": 4, "recovery-time": RECOVERY, **more}


def configured(lab):
    secret = SECRET.decode()
    fast = {"retransmit-initial": FAST, "retransmit-tries": TRIES}
    return lab.node("a", **{
        "node/store-octets": str(1 << 30),
        "aaa": {"mode": "local", "users-file": f"{lab.dir}/users"},
        "profile": [profile("conf"), profile("off", failover=False), profile("fast", **fast),
                    profile("auth", **{"require-auth": True, "secret": secret})],
    })


def found_by(s):
    """What the story finds wrong."""
    bad = len(failed)
    try:
        s()
    except Exception as e:
        check(s.__name__, f"the story stops: {e!r}", False, traceback.format_exc().splitlines()[-3].strip())
    tidy()
    wrong = failed[bad:]
    del failed[bad:]
    return wrong


def main():
    global node
    lab = labs.Lab(workers=1)
    with open(f"{lab.dir}/users", "w") as f:
        f.write("")
    labs.sh(f"ip -n {lab.ns('lac')} addr add 10.10.0.21/24 dev access0")
    Peer.space, Peer.ends = Space(lab.ns("lac")), (ME, NODE)
    node = configured(lab)
    node.wait("active")
    told = still.Telling()
    for s in stories:
        if sys.argv[1:] and not any(t in s.__name__ for t in sys.argv[1:]):
            continue
        t, n, bad = time.monotonic(), done, len(failed)
        failed.extend(told.tell(s.__name__, lambda: found_by(s)))
        print(f"{s.__name__}: {done - n} checks, {len(failed) - bad} failed, {time.monotonic() - t:.1f} s", flush=True)
    if failed:
        os.environ.setdefault("TWIN_KEEP", "")
        print("\nFAILED:\n  " + "\n  ".join(failed))
    print(f"{done} checks, {len(failed)} failed")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except labs.Trouble as e:
        print(f"failed: {e}")
        sys.exit(1)
