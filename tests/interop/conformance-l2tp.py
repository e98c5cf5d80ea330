#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""L2TPv2 conformance of one node, from outside: RFC 2661 clause by clause, and 3145, 3301, 3308, 5515 where
they add something.  Run by conformance-l2tp.sh; the packets are l2tpwire.py's.

A story is a function; it opens tunnels of its own, and each `check` in it names the clause that decides.
Last lines: what failed, and `N checks, N failed`.
"""

import json
import os
import random
import re
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
FAST, TRIES = 50, 4                      # ms: 1, 2, 4, 8 s, twenty times as fast; the cap is 8 s at least
CYCLE = (50 + 100 + 200 + 400 + 800) / 1000
node = None
V4, V6 = ("10.10.0.10", "10.10.0.1"), ("fd00:10::10", "fd00:10::1")


def story(f):
    stories.append((f.__name__, V4, f))
    return f


def both(f):
    """A story that is told over either outer family."""
    story(f)
    stories.append((f.__name__ + "_ipv6", V6, f))
    return f


def check(clause, what, ok, detail=""):
    global done
    done += 1
    if not ok:
        failed.append(f"{clause}: {what}" + (f" ({detail})" if detail != "" else ""))
        print(f"  FAILED {failed[-1]}")
    return ok


def ctl(*words):
    return node.ctl("raw", "tunnel-ctl", *words, check=False)


def tunnels(host):
    """How many of this host the node knows, in whatever state."""
    return sum(t.get("host") == host for t in json.loads(node.ctl("--json", "show", "tunnels"))["tunnels"])


def session(p, theirs):
    return node.ctl("--json", "show", "session", f"{p.tid}/{theirs}")


def ended(p, result, error=None, seconds=3):
    """The node ends the tunnel with this Result and Error."""
    m = p.expect(STOPCCN, seconds=seconds)
    return (m is not None and m.result()[0] == result and (error is None or m.result()[1] == error)), m


def refused(clause, what, result, error, *more, host="conf", secret=b"", **kw):
    p = Peer(host, secret=secret)
    p.ask(*more, **kw)
    m = p.expect(SCCRP, STOPCCN)
    ok = m and m.type == STOPCCN and m.result()[0] == result and (error is None or m.result()[1] == error)
    check(clause, what, ok, m)
    if m:
        check(clause, what + ": the StopCCN acknowledges the SCCRQ", m.nr == 1 and m.ns == 0, m)
        p.tid = m.num(9)
        p.ack()
    p.sock.close()


def cleared(p, sid, result, error=None):
    """A call ends with this CDN."""
    m = p.expect(CDN, STOPCCN)
    return (m is not None and m.type == CDN and m.sid == sid and m.result()[0] == result and
            (error is None or m.result()[1] == error)), m


@story
def the_inspector_is_awake():
    """What no one may send is found: else `nothing_strange_was_heard` says nothing."""
    good = mtype(ICRP) + avp(14, 1)
    Msg(control(1, 1, 0, 0, good))
    rv = avp(36, b"0123456789abcdef")
    Msg(control(1, 1, 0, 0, mtype(ICRP) + rv + hidden(14, b"\0\1", SECRET, b"0123456789abcdef")), SECRET)
    bad = (("no L bit", control(1, 1, 0, 0, good, 0x8802)), ("another version", control(1, 1, 0, 0, good, 0xC803)),
           ("a wrong Length", control(1, 1, 0, 0, good, length=13)), ("a cut AVP", control(1, 1, 0, 0, good + b"\x80")),
           ("an AVP too long", control(1, 1, 0, 0, mtype(ICRP) + avp(14, 1, length=40))),
           ("no Message Type", control(1, 1, 0, 0, avp(14, 1))), ("a missing AVP", control(1, 1, 0, 0, mtype(ICRP))),
           ("an AVP twice", control(1, 1, 0, 0, good + avp(14, 2))), ("a wrong M bit", control(1, 1, 0, 0, mtype(ICRP) + avp(14, 1, 0))),
           ("a reserved bit", control(1, 1, 0, 0, mtype(ICRP) + avp(14, 1, reserved=1))),
           ("a misplaced AVP", control(1, 1, 0, 0, good + avp(7, b"host"))), ("an unknown type", control(1, 1, 0, 0, mtype(99))),
           ("a hidden AVP without a vector", control(1, 1, 0, 0, mtype(ICRP) + hidden(14, b"\0\1", SECRET, b"x"))),
           ("an AVP that must not be hidden", control(1, 0, 0, 0, mtype(STOPCCN) + rv + avp(9, 1) + hidden(1, b"\0\1", b"", b"0123456789abcdef"))),
           ("a tunnel's message with a session", control(1, 5, 0, 0, mtype(HELLO))))
    for what, octets in bad:
        try:
            Msg(octets)
            found = False
        except Strange:
            found = True
        check("3, 4", f"{what} would be noticed", found)


# ---- 6.1 to 6.3, 5.1: a control connection is made ---------------------------------------------------


@story
def three_messages_open_a_tunnel():
    for where, me, name in (("10.10.0.1", "10.10.0.10", "IPv4"), ("fd00:10::1", "fd00:10::10", "IPv6")):
        p = Peer(address=me, node=where)
        p.ask()
        m = p.expect(SCCRP, STOPCCN)
        if not check("6.2", f"SCCRQ is answered by SCCRP over {name}", m and m.type == SCCRP, m):
            continue
        check("3.1", "Ns of the first message is 0", m.ns == 0)
        check("5.8", "SCCRP acknowledges SCCRQ", m.nr == 1)
        check("4.4.3", "Protocol Version 1, revision 0", m.get(2) == b"\1\0", m.get(2))
        check("4.4.3", "Host Name is there", m.get(7) == b"lns", m.get(7))
        check("4.4.3", "reserved framing capabilities are 0, one is offered", m.num(3) in (1, 2, 3))
        check("4.4.3", "the Assigned Tunnel ID is not 0", m.num(9) != 0)
        check("4.4.3", "a Receive Window Size is not 0", m.num(10) != 0)
        check("5.1.1", "no Challenge Response where nobody asked", m.get(13) is None)
        check("4.4.3", "the header carries the id that we assigned", m.tid == p.id)
        p.tid = m.num(9)
        p.send(SCCCN)
        check("6.3", "SCCCN is acknowledged", p.await_ack())
        check("5.8", "by a ZLB with Ns 1, Nr 2", p.seen[-1].type == ZLB and p.seen[-1].ns == 1 and p.seen[-1].nr == 2,
              p.seen[-1])
        check("6.5", "HELLO is acknowledged", p.alive())
        sid, theirs = p.call()
        check("6.7", f"a call over {name}: the Assigned Session ID is not 0", theirs != 0)
        p.send(CDN, avp(1, 3), avp(14, sid), sid=theirs)
        check("6.12", "CDN is acknowledged", p.await_ack())
        p.send(STOPCCN, avp(9, p.id), avp(1, 1))
        check("6.4", "StopCCN is acknowledged", p.await_ack())
        check("6.4", "and answered by nothing else", not p.inbox, p.inbox)


@both
def terms_of_the_request():
    p = Peer()
    p.ask(drop=(4,))
    check("4.4.3", "Bearer Capabilities may be absent", p.answered().type == SCCRP)
    p.stop()
    p = Peer()
    p.ask(window=0)
    check("4.4.3", "Receive Window Size may be absent", p.answered().type == SCCRP)
    p.stop()
    p = Peer()
    p.ask(avp(6, 0x0690, 0), avp(8, b"somebody", 0), avp(5, b"tiebreak", 0))
    check("4.4.3", "Firmware, Vendor Name and Tie Breaker are taken", p.answered().type == SCCRP)
    p.stop()
    p = Peer()
    p.ask(framing=0)
    check("4.4.3", "no framing at all is no error of SCCRQ", p.answered().type == SCCRP)
    p.stop()
    p = Peer()
    p.ask(version=0x0103)
    check("4.4.3", "another revision is taken", p.answered().type == SCCRP)
    p.stop()
    refused("4.4.2", "another protocol version", 5, None, version=0x0200)
    refused("5.8", "a Receive Window Size of 0", 2, 3, avp(10, 0), window=0)
    for n in (2, 3, 7):
        refused("7.1", f"SCCRQ without AVP {n}", 2, None, drop=(n,))
    p = Peer()
    p.ask(drop=(9,))
    m = p.expect(seconds=0.3)
    check("7.1", "SCCRQ without Assigned Tunnel ID opens nothing", m is None or m.type == STOPCCN, m)
    refused("4.2", "an unknown mandatory AVP", 2, 8, avp(1999, b"x"))
    refused("4.2", "a mandatory AVP of an unknown vendor", 2, 8, avp(1, b"x", vendor=4242))
    refused("4.1", "a mandatory AVP with a reserved bit", 2, 8, avp(8, b"v", 1, reserved=4))
    refused("7.1", "a mandatory AVP of a wrong length", 2, 2, avp(4, b"abc"), drop=(4,))
    refused("4.1", "an AVP of Length 5", 2, 2, avp(8, b"", 1, length=5))
    refused("4.1", "an AVP beyond the message", 2, 2, avp(8, b"v", 1, length=200))
    refused("4.4.3", "a host that fits no profile", 4, None, host="elsewhere")
    refused("5.1.1", "a Challenge where there is no secret", 4, None, avp(11, b"c" * 16))
    for what, a in (("an unknown optional AVP", avp(1999, b"x", 0)), ("one of another vendor", avp(7, b"x", 0, vendor=9)),
                    ("an optional AVP with a reserved bit", avp(8, b"v", 0, reserved=1)),
                    ("an optional AVP of a wrong length", avp(6, b"v", 0)),
                    ("RFC 3308's CCDS", avp(47, 0x2e00, 0)), ("RFC 4951's Failover Capability", avp(76, b"\0\3\0\0\0\1", 0)),
                    ("RFC 4045's Multicast Capability", avp(80, b"", 0))):
        p = Peer()
        p.ask(a)
        m = p.answered()
        check("4.2, 7.1", f"{what} is ignored", m and m.type == SCCRP, m)
        p.stop()
    p = Peer()
    p.ask(avp(9, 4321))
    m = p.expect(SCCRP, STOPCCN)
    check("4.4.3", "of two Assigned Tunnel IDs the first counts", m and m.type == SCCRP and m.tid == p.id, m)


@story
def message_type_first():
    p = Peer()
    p.raw(control(0, 0, 0, 0, avp(7, b"conf") + mtype(SCCRQ) + p.terms()))
    m = p.expect(seconds=0.2)
    check("4.4.1", "a request whose Message Type comes second opens nothing", m is None or m.type == STOPCCN, m)
    p = Peer().open()
    p.raw(p.packet(avp(8, b"x", 0) + mtype(HELLO)))
    m = p.expect(STOPCCN)
    check("4.4.1", "Message Type second ends the tunnel", m and m.result()[0] == 2, m)
    p = Peer().open()
    p.raw(p.packet(avp(0, HELLO, 1, 1)))
    m = p.expect(STOPCCN)
    check("4.4.1", "a hidden Message Type ends the tunnel", m and m.result()[0] == 2, m)
    p = Peer().open()
    p.send(77, m=0)
    check("4.4.1", "an unknown message type, M clear, is acknowledged", p.await_ack())
    check("4.4.1", "and ignored", p.alive())
    for kind, body in ((21, avp(79, bytes(10))), (22, avp(79, bytes(10))), (23, avp(14, 9)), (24, avp(14, 9)), (25, b""),
                       (26, avp(81, b"\0\1")), (27, avp(1, 1) + avp(14, 9)), (17, avp(54, bytes(2), 0)), (18, b""), (19, b"")):
        p.send(kind, body, m=0)
        check("4.4.1", f"message {kind} of an extension, M clear, does not end the tunnel", p.await_ack() and p.alive())
        p.inbox.clear()
    p.send(77)
    ok, m = ended(p, 2)
    check("4.4.1, 7.1", "an unknown mandatory message type ends the tunnel", ok, m)
    check("4.4.2", "with an error code", m and m.result()[1] in (3, 8), m)


# ---- 3.1: the header --------------------------------------------------------------------------------


@both
def headers():
    for bits, what in ((0xC803, "version 3"), (0xC801, "version 1 (L2F)"), (0xC805, "version 5"), (0xC800, "version 0"),
                       (0x8802, "no L bit"), (0xC002, "no S bit"), (0xCA02, "an O bit")):
        p = Peer()
        p.raw(control(0, 0, 0, 0, mtype(SCCRQ) + p.terms(), bits))
        check("3.1, 7.1", f"a control message with {what} is discarded", p.quiet(0.1), p.seen)
        p.sock.close()
    for what, n in (("shorter than its header", 8), ("of 0", 0), ("beyond the datagram", 400)):
        p = Peer()
        p.raw(control(0, 0, 0, 0, mtype(SCCRQ) + p.terms(), length=n))
        check("3.1, 7.1", f"a Length {what} is discarded", p.quiet(0.1), p.seen)
        p.sock.close()
    p = Peer()
    p.raw(control(0, 0, 0, 0, mtype(SCCRQ) + p.terms()) + b"trailing")
    m = p.answered()
    check("3.1", "octets beyond Length are padding", m and m.type == SCCRP, m)
    p.stop()
    for bit in (0x2000, 0x1000, 0x0400, 0x0080, 0x0040, 0x0020, 0x0010):
        p = Peer()
        p.raw(control(0, 0, 0, 0, mtype(SCCRQ) + p.terms(), 0xC802 | bit))
        p.ns = 1
        m = p.answered()
        check("3.1", f"reserved bit {bit:04x} is ignored", m and m.type == SCCRP, m)
        p.stop()
    p = Peer()
    p.raw(control(0, 0, 0, 0, mtype(SCCRQ) + p.terms(), 0xC902))
    p.ns = 1
    m = p.answered()
    check("3.1", "the P bit of a control message is no reason to refuse it", m and m.type == SCCRP, m)
    p.stop()
    p = Peer()
    for octets in (b"", b"\xc8", b"\xc8\x02", b"\xc8\x02\0\x0c\0", bytes(12), b"\xff" * 64):
        p.raw(octets)
    check("3.1", "scraps are discarded", p.quiet(), p.seen)
    p.raw(control(4711, 0, 0, 0, b""))
    check("7.2.1", "a ZLB for no tunnel is answered by nothing", p.quiet(), p.seen)
    p.raw(control(4711, 0, 3, 1, mtype(HELLO)))
    check("7.2.1", "nor is a HELLO", p.quiet(), p.seen)
    p.raw(control(4711, 0, 3, 1, mtype(STOPCCN) + avp(9, p.id) + avp(1, 1)))
    m = p.poll(1)
    check("5.7, 5.8", "a StopCCN for a tunnel long gone is acknowledged at most", m is None or m.type == ZLB and m.nr == 4, m)
    q = Peer()
    q.open()
    p.raw(q.packet(mtype(STOPCCN) + avp(9, q.id) + avp(1, 1)))
    check("8.1", "a StopCCN from another port does nothing", p.quiet(0.1) and q.alive())
    q.stop()


# ---- 5.1.1: authentication ----------------------------------------------------------------------------


@both
def authentication():
    p = Peer("auth", secret=SECRET)
    p.ask(avp(11, b"what is the word"))
    m = p.answered()
    check("5.1.1", "our challenge is answered, 16 octets, rightly",
          m and m.get(13) == response(SCCRP, SECRET, b"what is the word"), m)
    check("5.1.1", "a challenge comes with SCCRP", m and m.get(11))
    p.send(SCCCN, avp(13, response(SCCCN, SECRET, m.get(11))))
    check("5.1.1", "the right response opens the tunnel", p.await_ack() and p.alive())
    p.stop()
    for what, a in (("a wrong response", [avp(13, b"x" * 16)]), ("no response", []),
                    ("the response of SCCRP", None)):
        p = Peer("auth", secret=SECRET)
        p.ask()
        m = p.answered()
        p.send(SCCCN, *([avp(13, response(SCCRP, SECRET, m.get(11)))] if a is None else a))
        ok, m = ended(p, 4)
        check("5.1.1", f"{what}: StopCCN 4", ok, m)
    p = Peer("auth", secret=SECRET)
    p.ask()
    one = p.answered().get(11)
    q = Peer("auth", secret=SECRET)
    q.ask()
    check("5.1.1", "challenges differ", q.answered().get(11) != one)
    p = Peer("auth", secret=SECRET)
    p.ask(avp(11, b"c"))
    m = p.answered()
    check("4.4.3", "a challenge of one octet is answered", m and m.get(13) == response(SCCRP, SECRET, b"c"), m)


# ---- 4.3: hiding ----------------------------------------------------------------------------------------


@both
def hidden_avps():
    rv = b"some random octets"
    p = Peer("auth", secret=SECRET)
    p.send(SCCRQ, avp(2, 0x100), avp(7, b"auth"), avp(36, rv), hidden(9, struct.pack("!H", p.id), SECRET, rv),
           hidden(3, u32(3), SECRET, rv, pad=b"padding of any kind, of more than a block"))
    m = p.answered()
    check("4.3", "a hidden Assigned Tunnel ID is deciphered", m and m.type == SCCRP and m.tid == p.id, m)
    if not m:
        return
    p.send(SCCCN, avp(13, response(SCCCN, SECRET, m.get(11))))
    p.await_ack()
    rv2 = b"another"
    sid = 77
    p.send(ICRQ, avp(36, rv), hidden(14, struct.pack("!H", sid), SECRET, rv), hidden(15, u32(9), SECRET, rv), avp(36, rv2),
           hidden(22, b"0123456789" * 4, SECRET, rv2), hidden(21, b"", SECRET, rv2))
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.3", "the nearest Random Vector before an AVP applies", m and m.type == ICRP and m.sid == sid, m)
    if m and m.type == ICRP:
        check("4.3", "the deciphered number is shown", "0123456789" * 4 in node.ctl("show", "session", f"{p.tid}/{m.num(14)}"))
        p.send(CDN, avp(1, 3), avp(14, sid), sid=m.num(14))
    rows = (("before any Random Vector", [hidden(22, b"12", SECRET, rv)]),
            ("whose inner length is too long", [avp(36, rv), hidden(22, b"12", SECRET, rv, inner=40)]),
            ("of one octet", [avp(36, rv), avp(22, b"1", 1, 1)]),
            ("of a wrong secret", [avp(36, rv), hidden(18, u32(1), b"wrong", rv)]),
            ("whose inner length does not fit the attribute", [avp(36, rv), hidden(18, u32(1), SECRET, rv, inner=2)]))
    for what, avps in rows:
        p.icrq(sid, *avps)
        ok, m = cleared(p, sid, 2)
        check("4.3, 7.1", f"a hidden AVP {what} ends the call", ok, m)
    p.icrq(sid, hidden(25, u32(1), SECRET, rv, m=0))
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.3, 7.1", "an optional hidden AVP that cannot be read is ignored", m and m.type == ICRP, m)
    check("4.3", "the tunnel goes on", p.alive())
    p.stop()
    p = Peer("conf").open()
    p.icrq(sid, avp(36, rv), hidden(22, b"12", SECRET, rv))
    ok, m = cleared(p, sid, 2)
    check("4.3", "a mandatory hidden AVP without a secret ends the call", ok, m)
    p.stop()
    p = Peer("hide", secret=SECRET)
    p.open(avp(11, b"challenge"))
    sid, theirs = p.call()
    hid = [m for m in p.seen if m.hid]
    check("4.3", "the node hides what may be hidden, and we can read it", len(hid) >= 2, p.seen)
    p.stop()


# ---- 5.8: reliable delivery -------------------------------------------------------------------------------


@both
def duplicates_and_order():
    p = Peer()
    first = p.ask()
    m = p.expect(SCCRP)
    p.raw(first)
    got = p.listen(0.12)
    check("5.8", "SCCRQ again makes no second tunnel", all(x.num(9) in (None, m.num(9)) for x in got), got)
    check("5.8", "and is acknowledged", any(x.nr == 1 for x in got), got)
    p.tid = m.num(9)
    connect = p.send(SCCCN)
    p.await_ack()
    p.raw(connect)
    m = p.poll(1)
    check("5.8", "SCCCN again is acknowledged by a ZLB", m and m.type == ZLB and m.nr == 2, m)
    p.raw(first)
    got = p.listen(0.15)
    check("5.8", "a late SCCRQ opens no other tunnel", not [x for x in got if x.type in (SCCRP, STOPCCN)], got)
    req = p.icrq(5)
    a = p.expect(ICRP)
    p.raw(req)
    got = p.listen(0.12)
    check("5.8", "ICRQ again is acknowledged", got and all(x.nr == 3 for x in got), got)
    check("5.8", "and not executed", not [x for x in got if x.type != ZLB and x.ns != a.ns], got)
    # 3 4 5 out of order
    n = p.ns
    p.raw(p.packet(mtype(HELLO), ns=n + 2))
    m = p.poll(1)
    check("5.8", "a message after a gap is not acknowledged itself", m is None or m.nr == n, m)
    p.raw(p.packet(mtype(HELLO), ns=n + 1))
    p.raw(p.packet(mtype(HELLO), ns=n))
    p.ns = n + 3
    if not p.await_ack(seconds=0.5):    # discarding is allowed: send again
        p.raw(p.packet(mtype(HELLO), ns=n + 1))
        p.raw(p.packet(mtype(HELLO), ns=n + 2))
    check("5.8", "the gap filled, everything is acknowledged", p.await_ack(), p.acked)
    # in-order execution of what came out of order
    n = p.ns
    p.raw(p.packet(mtype(ICRQ) + avp(14, 21) + avp(15, u32(2)), ns=n + 1))
    check("5.8", "nothing is executed before the gap is filled", p.expect(ICRP, seconds=0.1) is None)
    p.raw(p.packet(mtype(ICRQ) + avp(14, 20) + avp(15, u32(1)), ns=n))
    p.ns = n + 2
    if not p.await_ack(seconds=0.5):
        p.raw(p.packet(mtype(ICRQ) + avp(14, 21) + avp(15, u32(2)), ns=n + 1))
    order = [x.sid for x in (p.expect(ICRP), p.expect(ICRP)) if x]
    check("5.8", "and then it is executed in order", order == [20, 21], order)
    # far away
    before = p.acked
    for off in (20000, 32767):
        p.raw(p.packet(mtype(HELLO), ns=p.ns + off))
    p.listen(0.05)
    check("5.8", "numbers far ahead are not taken", p.acked == before)
    p.raw(p.packet(mtype(STOPCCN) + avp(9, p.id) + avp(1, 1), ns=p.ns - 32000))
    m = p.poll(1)
    check("5.8", "what lies in the 32768 before is a duplicate: acknowledged, not executed",
          m and m.type == ZLB and m.nr == p.ns and p.alive(), m)
    p.raw(p.packet(b"", nr=p.nr + 1000))
    p.raw(p.packet(mtype(HELLO), nr=p.nr + 100))
    p.listen(0.05)
    p.raw(p.packet(mtype(HELLO)))
    p.ns += 1
    check("3.1", "an Nr of what was never sent ends nothing", p.await_ack() and p.alive())
    p.stop()


@story
def zlb_takes_no_number():
    p = Peer().open()
    for _ in range(5):
        p.ack()
    check("5.8", "ZLBs are not acknowledged", p.quiet(0.1), p.seen[-3:])
    check("5.8", "and take no number", p.alive())
    p.icrq(9)
    m = p.expect(ICRP)
    check("5.8", "an acknowledgement rides on an answer that is due", m and m.nr == p.ns, m)
    p.stop()


@both
def windows():
    for size in (1, 2, 4):
        p = Peer("slow").open(window=size)
        p.auto = False
        p.ack()
        for i in range(8):
            p.icrq(100 + i)
        got = p.listen(0.25)
        ns = {x.ns for x in got if x.type != ZLB}
        check("5.8", f"window {size}: never more under way", len(ns) <= size, ns)
        check("5.8", f"window {size}: the first is under way", len(ns) >= 1, ns)
        p.auto = True
        p.ack()
        while len([x for x in p.seen if x.type == ICRP]) < 8:
            if not p.poll(2):
                break
        sids = [x.sid for x in p.inbox if x.type == ICRP]
        check("5.8", f"window {size}: everything comes, in order", sids == list(range(100, 108)), sids)
        p.stop()
    p = Peer("slow").open(window=0)
    p.auto = False
    p.ack()
    for i in range(10):
        p.icrq(100 + i)
    ns = {x.ns for x in p.listen(0.25) if x.type != ZLB}
    check("4.4.3", "no Receive Window Size means 4", 1 <= len(ns) <= 4, ns)
    p.auto = True
    p.stop()
    p = Peer("slow").open(window=64)
    p.auto = False
    p.ack()
    for i in range(16):
        p.icrq(100 + i)
    ns = {x.ns for x in p.listen(0.15) if x.type != ZLB}
    check("A", "slow start: without acknowledgements the window does not open", len(ns) <= 4, ns)
    p.auto = True
    p.stop()


@both
def retransmission():
    p = Peer("fast")
    p.ask()
    got = [m for m in p.listen(CYCLE + 0.6) if m.type != ZLB]
    first = [m for m in got if m.type == SCCRP]
    check("5.8", f"SCCRP is sent once and {TRIES} times again", len(first) == 1 + TRIES, len(first))
    gaps = [1000 * (b.at - a.at) for a, b in zip(first, first[1:])]
    want = [50, 100, 200, 400]
    check("5.8", "at intervals that double",
          len(gaps) == 4 and all(0.85 * w <= g <= 1.5 * w + 60 for g, w in zip(gaps, want)), [round(g) for g in gaps])
    check("5.8", "with the same Ns", {m.ns for m in first} == {0})
    check("5.8", "then the tunnel is gone", tunnels("fast") == 0 and p.quiet(0.3))
    p.tid = first[0].num(9)
    p.send(SCCCN)
    check("7.2.1", "and its id says nothing any more", p.quiet(0.2), p.seen[-1:])
    # the Nr of now
    p = Peer("fast").open()
    p.auto = False
    p.ack()
    p.icrq(5)
    m = p.expect(ICRP)
    p.nr = m.ns                     # as if it had not come
    p.send(HELLO)
    p.seen.clear()
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        p.poll(0.02)
        p.nr = m.ns
    got = [x for x in p.seen if x.type == ICRP]
    check("5.8", "a retransmission carries the Nr of now", got and got[-1].nr == p.ns and got[-1].ns == m.ns, got)
    p.listen(CYCLE + 0.5)
    check("5.8", "a peer that does not acknowledge loses its tunnel", not p.alive())
    check("5.8", "without a StopCCN of any other number", not [x for x in p.seen if x.type == STOPCCN and x.ns < m.ns])


@story
def stopccn_is_kept_for_a_cycle():
    p = Peer("fast").open()
    stop = p.send(STOPCCN, avp(9, p.id), avp(1, 1))
    check("6.4", "StopCCN is acknowledged", p.await_ack())
    for after in (0.1, 0.4, 0.5):
        time.sleep(after)
        p.raw(stop)
        m = p.poll(0.5)
        check("5.7, 5.8", f"again, {after} s later: acknowledged again", m and m.type == ZLB and m.nr == p.ns, m)
    p.icrq(5)
    check("5.7", "no call is taken on a closed tunnel", p.expect(ICRP, seconds=0.1) is None)
    # a refused one: the StopCCN is retransmitted until acknowledged
    p = Peer("fast")
    p.ask(avp(1999, b"x"))
    m = p.expect(STOPCCN)
    got = [x for x in p.listen(0.5) if x.type == STOPCCN]
    check("5.8", "an unacknowledged StopCCN is retransmitted", len(got) >= 2 and {x.ns for x in got} == {m.ns}, got)
    p.tid = m.num(9)
    p.ack()
    p.listen(0.1)
    check("5.8", "and an acknowledged one is not", p.quiet(0.45))


@story
def hello():
    p = Peer("hello").open()
    t = time.monotonic()
    m = p.expect(HELLO, seconds=2)
    check("6.5", "after silence a HELLO comes", m is not None, p.seen)
    check("6.5", "not before its time", m and 0.15 < m.at - t < 0.8, m and m.at - t)
    check("5.8", "it is of session 0 and has a number of its own", m and m.sid == 0 and m.ns == 1, m)
    check("6.5", "another one after more silence", p.expect(HELLO, seconds=2) is not None)
    p.auto = False
    m = p.expect(HELLO, seconds=2)
    n = len([x for x in p.listen(CYCLE + 0.5) if x.type == HELLO and m and x.ns == m.ns])
    check("5.5", "an unanswered HELLO is retransmitted", n >= TRIES - 1, n)
    check("5.5", "and then the tunnel is gone", not p.alive())
    p.sock.close()


@story
def numbers_wrap():
    p = Peer("wrap").open(window=512)
    p.auto = False
    end = time.monotonic() + 40
    body = mtype(ICRQ) + avp(14, 5) + avp(15, u32(1)) + avp(1999, b"x")      # refused: a CDN each
    goal = 65536 + 300
    sent, heard = 2, 0
    while heard < goal - 2 and time.monotonic() < end:
        while sent < goal and ((p.ns - p.acked) & 0xffff) < 256 and sent - heard < 512:
            p.say(body)
            sent += 1
        if p.poll(0.1) is None:
            p.again()       # a datagram got lost in a buffer: ours is sent again here, the node's by the node
        while select.select([p.sock], [], [], 0)[0]:
            p.poll(0)
        heard += len(p.inbox)
        p.inbox.clear()
        p.seen.clear()
        p.ack()
    p.auto = True
    check("5.8", "our numbers pass 65535", sent >= goal and p.await_ack(), (sent, p.acked))
    p.listen(0.3)
    heard += len(p.inbox)
    check("5.8", "and so do the node's: an answer to each message, in order", heard == goal - 2 and
          p.nr == (heard + 1) & 0xffff, (heard, p.nr))
    check("5.8", "the tunnel lives", p.alive())
    p.seen.clear()
    p.inbox.clear()
    p.icrq(77)
    m = p.expect(ICRP, CDN, STOPCCN)
    check("5.8", "and takes a call", m and m.type == ICRP, m)
    p.stop()


# ---- 7.2.1: the wrong message ---------------------------------------------------------------------------------


@both
def tunnel_states():
    def half():
        p = Peer()
        p.ask()
        p.answered()
        return p

    for what, start, kind in (("SCCRP in wait-ctl-conn", half, SCCRP), ("SCCRQ in wait-ctl-conn", half, SCCRQ),
                              ("ICRQ in wait-ctl-conn", half, ICRQ), ("SCCRP when established", lambda: Peer().open(), SCCRP),
                              ("SCCRQ when established", lambda: Peer().open(), SCCRQ),
                              ("SCCCN when established", lambda: Peer().open(), SCCCN)):
        p = start()
        body = {SCCRP: (p.terms(),), SCCRQ: (p.terms(),), SCCCN: (), ICRQ: (avp(14, 4), avp(15, u32(1)))}[kind]
        p.send(kind, *body)
        ok, m = ended(p, 7)
        check("7.2.1", f"{what}: StopCCN 7 (FSM error)", ok, m)
        p.listen(0.02)
        p.sock.close()
    p = Peer()
    p.raw(control(999, 0, 0, 1, mtype(SCCRP) + p.terms()))
    m = p.expect(seconds=0.2)
    check("7.2.1", "SCCRP when idle: StopCCN or nothing", m is None or m.type == STOPCCN, m)
    p = Peer()
    p.raw(control(999, 0, 1, 1, mtype(SCCCN)))
    check("7.2.1", "SCCCN when idle: nothing", p.quiet(0.1), p.seen)
    p = half()
    p.send(STOPCCN, avp(9, p.id), avp(1, 1))
    check("7.2.1", "StopCCN in wait-ctl-conn is acknowledged", p.await_ack())
    check("7.2.1", "and nothing more comes", not p.expect(seconds=0.25))
    p = Peer()
    p.ask()
    m = p.expect(SCCRP)
    p.raw(control(0, 0, 1, 1, mtype(STOPCCN) + avp(9, p.id) + avp(1, 1)))
    p.ns = 2
    check("4.4.3", "a StopCCN before our id is known is taken by the Assigned Tunnel ID", p.await_ack(), p.seen)
    p = Peer().open()
    p.send(STOPCCN, avp(9, p.id), avp(1, struct.pack("!HH", 2, 6) + b"because", 1))
    check("4.4.2", "a Result Code with error and text is taken", p.await_ack() and not p.expect(seconds=0.1))
    p = Peer().open()
    p.send(STOPCCN, avp(1, 1))
    check("7.1", "a StopCCN without its AVPs ends the tunnel too", p.await_ack())
    p = Peer().open()
    p.send(HELLO, avp(1999, b"x"))
    ok, m = ended(p, 2, 8)
    check("4.2", "an unknown mandatory AVP in HELLO: StopCCN 2, 8", ok, m)
    check("4.4.2", "the tunnel's own id is in StopCCN", m and m.num(9) == p.tid, m)
    p = Peer().open()
    old = p
    q = Peer(sock=p.sock)
    q.id = p.id
    q.ask(avp(8, b"restarted", 0))
    m = q.answered()
    check("5.1", "an SCCRQ of a peer that started anew is answered", m and m.type == SCCRP, m)
    if m and m.type == SCCRP:
        check("5.1", "with another tunnel id", m.num(9) != old.tid)
        q.send(SCCCN)
        check("5.1", "and opens", q.await_ack() and q.alive())
    q.stop()
    p = Peer()
    first = p.ask(avp(1999, b"x"))
    p.tid = p.expect(STOPCCN).num(9)
    p.raw(first)
    got = p.listen(0.05)
    check("5.8", "a refused SCCRQ again is acknowledged, and refused once", got and {x.tid for x in got} == {p.id} and
          {x.num(9) for x in got} <= {None, p.tid}, got)
    p.ack()
    p.listen(0.05)
    p.raw(first)
    got = p.listen(0.1)
    check("5.8", "again, the refusal acknowledged: acknowledged at most", {x.type for x in got} <= {ZLB}, got)
    q = Peer(sock=p.sock)
    q.id = p.id
    q.ask()
    m = q.answered()
    check("7.2.1", "another one with the same ids is a new request", m and m.type == SCCRP and m.ns == 0 and m.nr == 1, m)
    q.stop()
    a, b = Peer().open(), Peer().open()
    check("5.1", "two tunnels of one address live together", a.alive() and b.alive() and a.tid != b.tid)
    a.stop()
    b.stop()


# ---- 7.4.2: incoming calls, the node is LNS --------------------------------------------------------------------


@both
def incoming_calls():
    p = Peer().open()
    p.icrq(300, avp(18, u32(1)), avp(25, u32(9), 0), avp(21, b"internet"), avp(22, b"5551234"), avp(23, b"sub"))
    m = p.expect(ICRP, CDN)
    check("6.7", "ICRQ is answered by ICRP to the id that we assigned", m and m.type == ICRP and m.sid == 300, m)
    check("6.7", "ICRP acknowledges ICRQ", m and m.nr == p.ns, m)
    theirs = m.num(14)
    p.iccn(theirs, avp(38, u32(5000), 0), avp(37, b"group", 0), avp(29, 4, 0), avp(26, b"\1\4\5\xdc", 0))
    check("6.8", "ICCN is acknowledged", p.await_ack())
    for text in ("internet", "5551234", "64000", "5000", "sub"):
        check("6.6, 6.8", f"{text} is shown", text in session(p, theirs), session(p, theirs))
    p.send(WEN, avp(34, b"\0\0" + b"".join(u32(v) for v in (11, 12, 13, 14, 15, 16))), sid=theirs)
    check("6.13", "WEN is acknowledged", p.await_ack())
    check("6.13", "and shown", re.search(r"\b16\b", session(p, theirs)), session(p, theirs))
    p.send(SLI, avp(35, b"\0\0" + u32(1) + u32(2)), sid=theirs)
    check("6.14", "SLI from a LAC is no reason to end", p.await_ack() and p.alive())
    p.send(CDN, avp(1, struct.pack("!HH", 2, 6) + b"text"), avp(14, 300), avp(12, b"\0\x10\0" + b"x"),
           avp(46, b"\0\3\xc0\x21\1bye", 0), sid=theirs)
    check("6.12", "CDN with Q.931 and RFC 3145 causes is acknowledged", p.await_ack())
    check("7.4.2", "and answered by nothing", not p.expect(seconds=0.08), p.inbox)
    check("7.4.2", "the call is gone", "5551234" not in node.ctl("show", "session", f"{p.tid}/{theirs}", check=False))
    sid, theirs = p.call(301)
    p.send(CDN, avp(1, 3), avp(14, 301), sid=0)
    check("4.4.4", "a CDN of session 0 is taken by the Assigned Session ID", p.await_ack())
    p.icrq(301)
    m = p.expect(ICRP, CDN)
    check("4.4.4", "and the id is free again", m and m.type == ICRP and m.sid == 301, m)
    p.stop()


@both
def faulty_calls():
    p = Peer().open()
    p.icrq(400, drop=(15,))
    ok, m = cleared(p, 400, 2)
    check("7.1", "ICRQ without Call Serial Number: CDN 2", ok, m)
    check("4.4.4", "the CDN assigns an id of the node's", m and m.num(14) not in (None, 0), m)
    p.icrq(0)
    m = p.expect(ICRP, CDN, STOPCCN, seconds=0.15)
    check("4.4.4", "an Assigned Session ID of 0 makes no call", m is None or m.type == CDN, m)
    p.icrq(0, drop=(14,))
    m = p.expect(ICRP, CDN, STOPCCN, seconds=0.15)
    check("7.1", "ICRQ without Assigned Session ID makes no call", m is None or m.type == CDN, m)
    for what, a, error in (("an unknown mandatory AVP", avp(1999, b"x"), 8), ("a wrong AVP length", avp(18, b"x"), 2),
                           ("a reserved bit in a mandatory AVP", avp(21, b"1", reserved=2), 8),
                           ("an AVP beyond the message", avp(21, b"1", length=99), 2),
                           ("an AVP of Length 3", avp(21, b"", length=3), 2)):
        p.icrq(401, a)
        ok, m = cleared(p, 401, 2, error)
        check("4.2, 7.1", f"{what} in ICRQ: CDN 2, {error}", ok, m)
    for what, a in (("an unknown optional AVP", avp(1999, b"x", 0)), ("Rx Speed of a wrong length", avp(38, b"xx", 0)),
                    ("a Physical Channel of a wrong length", avp(25, b"xx", 0)), ("RFC 3308's SDS", avp(48, 0x2e00, 0)),
                    ("RFC 3301's Service Category", avp(42, 1, 0)), ("RFC 3301's VPI/VCI", avp(45, u32(7), 0)),
                    ("RFC 5515's enable", avp(98, b"", 0)), ("a TR-101 line of another vendor", avp(1, b"id", 0, vendor=3561)),
                    ("an AVP of SCCRQ", avp(7, b"host"))):
        sid = ids.randrange(1000, 60000)
        p.icrq(sid, a)
        m = p.expect(ICRP, CDN, STOPCCN)
        check("4.2, 7.1", f"{what} in ICRQ is no reason to refuse", m and m.type == ICRP, m)
        if m and m.type == ICRP:
            p.send(CDN, avp(1, 3), avp(14, sid), sid=m.num(14))
    check("4.1", "none of them ended the tunnel", p.alive())
    # states
    sid, theirs = p.call(500)
    p.icrq(500)
    ok, m = cleared(p, 500, 2)
    check("7.4.2", "ICRQ of an established call: CDN", ok, m)
    for what, kind, avps in (("ICRP", ICRP, [avp(14, 501)]), ("ICCN", ICCN, [avp(24, u32(1)), avp(19, u32(1))]),
                             ("OCCN", OCCN, [avp(24, u32(1)), avp(19, u32(1))])):
        sid, theirs = p.call(501)
        p.send(kind, *avps, sid=theirs)
        ok, m = cleared(p, 501, 2)
        check("7.4.2", f"{what} of an established call: CDN", ok, m)
    for what, kind, avps in (("ICRP", ICRP, [avp(14, 502)]), ("ICRQ", ICRQ, [avp(14, 502), avp(15, u32(3))])):
        sid, theirs = p.call(502, connect=False)
        p.send(kind, *avps, sid=theirs)
        ok, m = cleared(p, 502, 2)
        check("7.4.2", f"{what} in wait-connect: CDN", ok, m)
    sid, theirs = p.call(503, connect=False)
    p.iccn(theirs, drop=(19,))
    ok, m = cleared(p, 503, 2)
    check("7.1", "ICCN without Framing Type: CDN 2", ok, m)
    sid, theirs = p.call(504, connect=False)
    p.iccn(theirs, avp(1999, b"x"))
    ok, m = cleared(p, 504, 2, 8)
    check("4.2", "an unknown mandatory AVP in ICCN: CDN 2, 8", ok, m)
    sid, theirs = p.call(505)
    p.send(WEN, avp(34, b"short"), sid=theirs)
    ok, m = cleared(p, 505, 2, 2)
    check("7.1", "WEN of a wrong length: CDN 2, 2", ok, m)
    p.send(ICCN, avp(24, u32(1)), avp(19, u32(1)), sid=64999)
    check("7.4.2", "ICCN of no call is acknowledged", p.await_ack())
    check("7.4.2", "and ends nothing", not p.expect(STOPCCN, seconds=0.08))
    for kind, avps in ((ICRP, [avp(14, 7)]), (CDN, [avp(1, 3), avp(14, 7)]),
                       (WEN, [avp(34, bytes(26))]), (SLI, [avp(35, bytes(10))])):
        p.send(kind, *avps, sid=64998)
        p.await_ack()
    check("7.4.2", "nor do other messages of no call", p.alive())
    p.inbox.clear()
    p.send(OCRQ, avp(14, 600), avp(15, u32(1)), avp(16, u32(1)), avp(17, u32(2)), avp(18, u32(1)), avp(19, u32(1)), avp(21, b"1"))
    ok, m = cleared(p, 600, 5)
    if not ok:
        ok = m and m.type == CDN
    check("7.5.1", "OCRQ to a node that is no LAC for us: CDN", ok, m)
    p.stop()


@story
def limits():
    p = Peer("small").open()
    q = Peer("small")
    q.ask()
    m = q.answered()
    check("4.4.2", "a tunnel too many: StopCCN 2, error 7 (try another)", m and m.type == STOPCCN and m.result() == (2, 7), m)
    p.call(1)
    p.icrq(2)
    m = p.expect(ICRP, CDN)
    check("4.4.2", "a session too many: CDN 4 (temporary lack of resources)", m and m.type == CDN and m.result()[0] == 4, m)
    check("4.4.2", "the tunnel and its call go on", p.alive())
    p.stop()


@story
def draining():
    p = Peer().open()
    p.call(1)
    ctl("tunnel", "drain", str(p.tid))
    p.icrq(2)
    m = p.expect(ICRP, CDN)
    check("4.4.2", "a draining tunnel takes no call: CDN 2, error 7", m and m.type == CDN and m.result() == (2, 7), m)
    check("4.4.2", "what it has goes on", p.alive())
    p.send(CDN, avp(1, 3), avp(14, 1), sid=p.seen and next(x.num(14) for x in p.seen if x.type == ICRP))
    ok, m = ended(p, 6)
    check("4.4.2", "with its last call gone it ends: StopCCN 6 (shutting down)", ok, m)
    p.listen(0.02)
    p.sock.close()
    ctl("tunnel", "drain", "all")
    q = Peer()
    q.ask()
    m = q.answered()
    check("4.4.2", "a draining node refuses tunnels: StopCCN 2, error 7", m and m.type == STOPCCN and m.result() == (2, 7), m)
    ctl("tunnel", "undrain", "all")
    q = Peer().open()
    check("4.4.2", "and takes them again afterwards", q.alive())
    ctl("tunnel", "close", str(q.tid))
    ok, m = ended(q, 1)
    check("6.4", "closed by the operator: StopCCN 1", ok, m)
    q = Peer().open()
    sid, theirs = q.call(5)
    ctl("call", "clear", f"{q.tid}/{theirs}", "result=3", "q931=16", "cause=3", "text=bye")
    m = q.expect(CDN)
    check("6.12", "cleared by the operator: CDN 3 to the id that we assigned", m and m.result()[0] == 3 and m.sid == 5, m)
    check("4.4.4", "the CDN names the node's id", m and m.num(14) == theirs, m)
    check("4.4.4, RFC 3145", "with the causes asked for", m and m.get(12) and m.get(12)[:2] == b"\0\x10" and
          m.get(46) and m.get(46)[:2] == b"\0\3", m)
    q.stop()


# ---- RFC 5515 ---------------------------------------------------------------------------------------------------


@both
def access_lines_and_speeds():
    p = Peer().open()
    sid = 900
    v = 3561
    p.icrq(sid, avp(98, b"", 0), avp(1, b"circuit-eth-1/2:42", 0, vendor=v), avp(2, b"remote-zz9", 0, vendor=v),
           avp(129, u32(0) + u32(1234000), 0, vendor=v), avp(130, u32(1) + u32(5), 0, vendor=v),
           avp(131, u32(9), 0, vendor=v))
    m = p.expect(ICRP, CDN)
    theirs = m.num(14)
    p.iccn(theirs)
    p.await_ack()
    shown = session(p, theirs)
    check("RFC 5515, 5", "the circuit and remote ids are shown", "circuit-eth-1/2:42" in shown and "remote-zz9" in shown, shown)
    check("RFC 5515, 5.3", "the line rates are shown, 64 bits of them", "1234000" in shown and "4294967301" in shown, shown)
    p.send(CSUN, avp(97, struct.pack("!HHII", 0, theirs, 777000, 888000), 0), m=0)
    check("RFC 5515, 4.1", "CSUN is acknowledged", p.await_ack())
    shown = session(p, theirs)
    check("RFC 5515, 4.1", "and taken", "777000" in shown and "888000" in shown, shown)
    p.send(CSUN, avp(97, struct.pack("!HHII", 0, 64999, 1, 1), 0), m=0)
    p.send(CSURQ, avp(97, struct.pack("!HHII", 0, theirs, 0, 0), 0), m=0)
    p.send(CSUN, m=0)
    p.await_ack()
    check("RFC 5515, 4", "of an unknown session, of the wrong role: no answer, no end",
          not p.expect(CSUN, CSURQ, CDN, seconds=0.08))
    p.sock.close()


# ---- data -----------------------------------------------------------------------------------------------------------


def lcp(code, ident, data=b"", head=b"\xff\x03"):
    return head + b"\xc0\x21" + struct.pack("!BBH", code, ident, 4 + len(data)) + data


def negotiate(p, sid, theirs, accm=None, seconds=4):
    """LCP to Opened: we acknowledge what is asked, and ask for the ACCM."""
    options = b"\x05\x06\x12\x34\x56\x78" + (b"\x02\x06" + u32(accm) if accm is not None else b"")
    p.ppp(theirs, lcp(1, 1, options))
    acked = asked = False
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (acked and asked):
        p.poll(0.05)
        for s, proto, f in p.frames():
            if s == sid and proto == 0xc021 and f[0] == 1:
                n = struct.unpack("!H", f[2:4])[0]
                p.ppp(theirs, lcp(2, f[1], f[4:n]))
                asked = True
            if s == sid and proto == 0xc021 and f[0] == 2 and f[1] == 1:
                acked = True
    return acked and asked


def echoed(p, sid, theirs, ident, **kw):
    p.ppp(theirs, lcp(9, ident, b"\x12\x34\x56\x78echo"), **kw)
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        p.poll(0.03)
        if any(s == sid and proto == 0xc021 and f[0] == 10 and f[1] == ident for s, proto, f in p.frames()):
            return True
    return False


@both
def data_messages():
    p = Peer().open()
    sid, theirs = p.call(connect=False)
    p.ppp(theirs, lcp(1, 1))
    p.ppp(theirs, b"\0")
    p.listen(0.1)
    check("5.2", "data before ICCN is answered by no data", not p.data)
    check("5.2", "and ends nothing", p.alive())
    p.iccn(theirs)
    p.await_ack()
    if not check("5.2", "PPP runs in data messages", negotiate(p, sid, theirs, 0x000a0000)):
        return
    m = p.expect(SLI, seconds=1)
    check("6.14", "a negotiated ACCM is told by SLI", m and m.get(35) and 0x000a0000 in struct.unpack("!II", m.get(35)[2:]), m)
    check("6.14", "SLI goes to the id that we assigned", m and m.sid == sid, m)
    check("5.4", "data is unsequenced where nobody asked for it", p.data_bits and not any(b & 0x0800 for b in p.data_bits))
    n = 10
    for bits, what in ((0x0002, "no bits"), (0x4002, "L"), (0x0102, "P"), (0x4102, "L and P"), (0x3402, "reserved bits")):
        n += 1
        check("3.1", f"data with {what} is taken", echoed(p, sid, theirs, n, bits=bits))
    for pad in (0, 1, 7):
        n += 1
        head = struct.pack("!HHH", p.tid, theirs, pad) + b"z" * pad
        check("3.1", f"data with an offset of {pad} is taken", echoed(p, sid, theirs, n, bits=0x0202, head=head))
    head = struct.pack("!HHHH", p.tid, theirs, 0, 0)
    check("5.4", "data with Ns and Nr is taken", echoed(p, sid, theirs, 30, bits=0x0802, head=head))
    head = struct.pack("!HHHH", p.tid, theirs, 1, 4711)
    check("3.1", "Nr of data is reserved and ignored", echoed(p, sid, theirs, 31, bits=0x0802, head=head))
    check("RFC 1661", "address and control field may be missing only when negotiated; the session lives",
          echoed(p, sid, theirs, 32))
    for what, bits, head in (("version 3", 0x0003, None), ("version 0", 0x0000, None),
                             ("an offset beyond the packet", 0x0202, struct.pack("!HHH", p.tid, theirs, 60000))):
        n += 1
        check("3.1", f"data with {what} is dropped", not echoed(p, sid, theirs, 100 + n, bits=bits, head=head))
    check("3.1", "data of an unknown session is dropped", not echoed(p, sid, theirs ^ 0x1111, 99))
    check("3.1", "and the session lives", echoed(p, sid, theirs, 98))
    octets = struct.pack("!HHHH", 0x4002, 8, p.tid, theirs) + lcp(9, 97, b"\x12\x34\x56\x78")
    p.raw(octets)
    p.listen(0.1)
    check("3.1", "octets beyond a data message's Length do not count", not [f for f in p.frames() if f[2][:2] == b"\x0a\x61"])
    p.send(CDN, avp(1, 3), avp(14, sid), sid=theirs)
    p.await_ack()
    p.listen(0.05)
    p.data.clear()
    check("5.6", "after CDN data is answered no more", not echoed(p, sid, theirs, 96))
    sid, theirs = p.call(None, iccn=[avp(39)])
    p.data_ns.clear()
    p.data_bits.clear()
    head = struct.pack("!HHHH", p.tid, theirs, 0, 0)
    p.ppp(theirs, lcp(1, 1, b"\x05\x06\x12\x34\x56\x79"), bits=0x0802, head=head)
    negotiate(p, sid, theirs, seconds=1.5)
    check("4.4.4", "Sequencing Required: every data message has Ns", p.data_bits and all(b & 0x0800 for b in p.data_bits),
          [hex(b) for b in p.data_bits])
    check("5.4", "which goes up by one", len(p.data_ns) > 1 and
          all((b - a) & 0xffff == 1 for a, b in zip(p.data_ns, p.data_ns[1:])), p.data_ns)
    p.stop()


@both
def unusual_but_allowed():
    p = Peer().open()
    p.icrq(10, avp(21, b"1", 0), avp(18, u32(1), 0), avp(25, u32(4), 1))
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.1", "M bits other than the RFC sets are no reason to refuse", m and m.type == ICRP, m)
    p.iccn(m.num(14))
    p.send(ICRQ, avp(22, b"2"), avp(15, u32(1)), avp(14, 11), avp(21, b"3"))
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.4", "after Message Type, AVPs come in any order", m and m.type == ICRP and m.sid == 11, m)
    p.send(ICRQ, avp(14, 12), avp(15, b"xy", 0))
    ok, m = cleared(p, 12, 2)
    check("7.1", "an optional but malformed AVP counts as absent: Call Serial Number is missing", ok, m)
    p.icrq(13, avp(14, 14))
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.4.4", "of two Assigned Session IDs the first counts", m and m.type == ICRP and m.sid == 13, m)
    p.icrq(15, avp(21, b"9" * 1017), avp(22, b"8" * 1017), avp(23, b"7" * 1017))
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.1", "AVPs of 1023 octets, a message of 3 KiB", m and m.type == ICRP, m)
    p.icrq(16, avp(21, b""), avp(22, b""), avp(23, b""))
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.4.4", "empty numbers", m and m.type == ICRP, m)
    p.icrq(17, avp(21, bytes(range(256))))
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.4.4", "a number of any octets", m and m.type == ICRP, m)
    shown = node.ctl("show", "session", f"{p.tid}/{m.num(14)}")
    check("4.4.4", "which cannot reach the operator's terminal", not [c for c in shown if ord(c) < 32 and c != "\n"], shown)
    p.icrq(18, *[avp(1000 + i, b"x" * i, 0, vendor=i) for i in range(1, 60)])
    m = p.expect(ICRP, CDN, STOPCCN)
    check("4.2", "59 optional AVPs of 59 vendors", m and m.type == ICRP, m)
    sid, theirs = p.call()
    p.send(CDN, avp(14, sid), sid=theirs)
    p.await_ack()
    p.icrq(sid)
    m = p.expect(ICRP, CDN)
    check("7.1", "a CDN without Result Code ends the call too", m and m.type == ICRP, m)
    theirs = m.num(14)
    p.send(CDN, avp(1, b"\0\3\0"), avp(14, sid), sid=theirs)
    p.await_ack()
    p.icrq(sid)
    m = p.expect(ICRP, CDN)
    check("7.1", "a Result Code of three octets too", m and m.type == ICRP, m)
    p.send(CDN, avp(1, struct.pack("!HH", 65535, 65535) + b"\xff\xfe"), avp(14, sid), sid=m.num(14))
    check("4.4.2", "codes that nobody has defined and a text that is none", p.await_ack() and p.alive())
    p.send(HELLO, sid=17)
    check("6.5", "a HELLO of a session does not end the tunnel", p.await_ack() and p.alive())
    p.send(STOPCCN, avp(9, p.id), avp(1, b"\0\1\0\0\0\xff\xfe"))
    check("6.4", "a StopCCN whose text is no text", p.await_ack() and not p.expect(STOPCCN, seconds=0.05))
    p.sock.close()


@story
def both_hang_up():
    p = Peer().open()
    sid, theirs = p.call(40)
    p.auto = False
    ctl("call", "clear", f"{p.tid}/{theirs}")
    m = p.expect(CDN)
    p.nr = m.ns
    p.send(CDN, avp(1, 3), avp(14, 40), sid=theirs)       # crosses the node's
    check("7.4", "CDNs that cross: ours is acknowledged", p.await_ack())
    p.nr = m.ns + 1
    p.ack()
    p.auto = True
    check("7.4", "and no third one comes", not p.expect(CDN, STOPCCN, seconds=0.2) and p.alive())
    sid, theirs = p.call(41)
    if check("5.2", "PPP runs", negotiate(p, sid, theirs)):
        check("5.7", "data runs", echoed(p, sid, theirs, 5))
        p.send(STOPCCN, avp(9, p.id), avp(1, 1))
        p.await_ack()
        check("5.7", "StopCCN ends every call: data is answered no more", not echoed(p, sid, theirs, 6))
    p = Peer().open()
    sid, theirs = p.call(42)
    tid = p.tid
    ctl("tunnel", "close", str(tid))
    ok, m = ended(p, 1)
    check("5.7", "a tunnel ends with its calls: no CDN, one StopCCN", ok and not [x for x in p.seen if x.type == CDN], p.seen)
    p.listen(0.05)
    p.send(CDN, avp(1, 3), avp(14, 42), sid=theirs)
    check("5.8", "a CDN after it is still acknowledged", p.await_ack())
    p.sock.close()


@story
def bursts():
    p = Peer("wrap").open(window=1024)
    for i in range(500):
        p.icrq(1000 + i)
    got = [p.expect(ICRP, CDN) for _ in range(500)]
    check("5.8", "500 requests at once are all answered, in order",
          all(got) and [m.sid for m in got] == list(range(1000, 1500)) and {m.type for m in got} == {ICRP},
          [m for m in got if not m or m.type != ICRP][:3])
    check("4.4.4", "every call has an id of its own", len({m.num(14) for m in got if m}) == 500)
    for m in got:
        if m:
            p.send(CDN, avp(1, 3), avp(14, m.sid), sid=m.num(14))
    check("5.8", "and all are cleared at once", p.await_ack() and p.alive())
    p.stop()


@story
def garbled():
    chance = random.Random(3931)
    pids, calm = node.pids(), Peer().open()
    p = Peer().open()
    sent = 0
    for i in range(1500):
        if not p.tid or [m for m in p.inbox if m.type == STOPCCN]:
            p.ack()
            p.sock.close()
            p = Peer().open()
        kind = chance.choice(list(MUST))
        to, body = whole(kind, p, chance.randrange(1, 65536), chance.randrange(1, 65536))
        octets = bytearray(p.packet(body, to))
        for _ in range(chance.choice((1, 1, 2, 8))):
            octets[chance.randrange(12, len(octets))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.2:
            octets[chance.randrange(12)] ^= 1 << chance.randrange(8)
        p.raw(bytes(octets))
        sent += 1
        while p.poll(0.002):
            pass
        p.ns = p.acked if ((p.acked - p.ns) & 0xffff) < 0x8000 else p.ns
    check("7.1", f"{sent} garbled messages: no process has ended", node.pids() == pids and
          all(x.poll() is None for x in node.p.values()))
    check("7.1", "and another tunnel has noticed nothing", calm.alive())
    calm.stop()
    p.sock.close()


# ---- the node asks ---------------------------------------------------------------------------------------------------


def asked(group, address, port, secret=b"", **kw):
    """The node opens a tunnel to us: answers the peer and its SCCRQ."""
    p = Peer("lns-peer", address=address, port=port, secret=secret)
    p.auto = True
    said = ctl("tunnel", "open", group)
    m = p.expect(SCCRQ, seconds=2)
    if not m:
        raise AssertionError(f"no SCCRQ: {said}")
    p.tid = m.num(9)
    return p, m


@story
def the_node_opens_a_tunnel():
    p, m = asked("g1", "10.10.0.21", 1701)
    check("6.1", "SCCRQ goes to tunnel 0, session 0, Ns 0, Nr 0", m.tid == 0 and m.sid == 0 and m.ns == 0 and m.nr == 0, m)
    check("4.4.3", "a LAC tells its Bearer Capabilities", m.num(4) in (1, 2, 3), m.avps)
    p.send(SCCRP, p.terms())
    m = p.expect(SCCCN, STOPCCN)
    check("6.3", "SCCRP is answered by SCCCN", m and m.type == SCCCN and m.ns == 1 and m.nr == 1, m)
    check("5.1", "the tunnel is there", p.alive())
    # 7.4.1: the node as LAC, incoming
    said = ctl("call", "dial", "g1", "8765", "speed-updates=yes", "tx=100000", "rx=200000", "calling=1212")
    m = p.expect(ICRQ)
    check("6.6", "a call of the node's comes with ICRQ", m is not None, said)
    if m:
        check("6.6", "with the numbers", m.get(21) == b"8765" and m.get(22) == b"1212", m.avps)
        check("RFC 5515, 4", "and the Connect Speed Update Enable AVP", m.get(98) is not None)
        theirs = m.num(14)
        p.send(ICRP, avp(14, 701), sid=theirs)
        m = p.expect(ICCN, CDN)
        check("6.8", "ICRP is answered by ICCN with speeds and framing",
              m and m.type == ICCN and m.sid == 701 and m.num(24) == 100000 and m.num(38) == 200000 and m.num(19) in (1, 2), m)
        p.send(SLI, avp(35, b"\0\0" + u32(0xa0000) + u32(0)), sid=theirs)
        check("6.14", "SLI is acknowledged", p.await_ack())
        ctl("call", "errors", f"{p.tid}/{theirs}", "crc=1", "framing=2", "hardware=3", "buffer=4", "timeouts=5", "alignment=6")
        m = p.expect(WEN)
        check("6.13", "WEN carries the six counts",
              m and struct.unpack("!6I", m.get(34)[2:]) == (1, 2, 3, 4, 5, 6) and m.sid == 701, m)
        ctl("call", "speed", f"{p.tid}/{theirs}", "tx=111", "rx=222")
        m = p.expect(CSUN)
        check("RFC 5515, 4.1", "CSUN carries our session id and the speeds",
              m and m.get(97)[2:] == struct.pack("!HII", 701, 111, 222), m and m.avps)
        p.send(CSURQ, avp(97, struct.pack("!HHII", 0, theirs, 0, 0), 0), m=0)
        m = p.expect(CSUN)
        check("RFC 5515, 4.2", "CSURQ is answered by CSUN", m and m.get(97)[2:4] == struct.pack("!H", 701), m)
        p.send(CSURQ, avp(97, struct.pack("!HHII", 0, 64999, 0, 0), 0), m=0)
        check("RFC 5515, 4.2", "but not for a session that does not exist", not p.expect(CSUN, seconds=0.1))
        ctl("call", "drop", f"{p.tid}/{theirs}")
        m = p.expect(CDN)
        check("7.4.1", "the bearer drops: CDN 1 (loss of carrier)", m and m.result()[0] == 1 and m.sid == 701, m)
    for what, kind, avps in (("ICRQ", ICRQ, [avp(14, 702), avp(15, u32(3))]), ("ICCN", ICCN, [avp(24, u32(1)), avp(19, u32(1))])):
        ctl("call", "dial", "g1", "8765")
        m = p.expect(ICRQ)
        theirs = m.num(14)
        p.send(kind, *avps, sid=theirs)
        p.await_ack()
        m = p.expect(CDN, STOPCCN, seconds=0.3)
        check("7.4.1", f"{what} in wait-reply ends the call, not the tunnel", (m is None or m.type == CDN) and p.alive(), m)
    ctl("call", "dial", "g1", "8765")
    m = p.expect(ICRQ)
    p.send(ICRP, avp(14, 703), avp(1999, b"x"), sid=m.num(14))
    ok, m = cleared(p, 703, 2, 8)
    check("4.2", "an unknown mandatory AVP in ICRP: CDN 2, 8", ok, m)
    # 7.5.1: the node as LAC, outgoing
    base = [avp(15, u32(1)), avp(16, u32(1000)), avp(17, u32(2000)), avp(18, u32(1)), avp(19, u32(1)), avp(21, b"99")]
    p.send(OCRQ, avp(14, 710), *base)
    m = p.expect(OCRP, CDN)
    check("6.10", "OCRQ is answered by OCRP", m and m.type == OCRP and m.sid == 710, m)
    if m and m.type == OCRP:
        theirs = m.num(14)
        m = p.expect(OCCN, CDN)
        check("6.11", "and OCCN follows, its speed within what was asked",
              m and m.type == OCCN and m.sid == 710 and 1000 <= m.num(24) <= 2000, m and m.avps)
        p.send(OCRQ, avp(14, 710), *base)
        ok, m = cleared(p, 710, 2)
        check("7.5.1", "OCRQ of an established call: CDN", ok, m)
    p.send(OCRQ, avp(14, 711), *base[:1], avp(16, u32(9000)), *base[2:])
    ok, m = cleared(p, 711, 2)
    check("7.5.1", "a minimum above the maximum: CDN", ok, m)
    for i, name in enumerate(("Call Serial", "Minimum BPS", "Maximum BPS", "Bearer Type", "Framing Type", "Called Number")):
        p.send(OCRQ, avp(14, 712), *(base[:i] + base[i + 1:]))
        ok, m = cleared(p, 712, 2)
        check("7.1", f"OCRQ without {name}: CDN 2", ok, m)
    p.send(ICRQ, avp(14, 713), avp(15, u32(1)))
    m = p.expect(ICRP, CDN)
    check("7.4.2", "ICRQ to a node that is no LNS for us: CDN", m and m.type == CDN and m.sid == 713, m)
    check("5.1", "the tunnel has lived through all this", p.alive())
    p.stop()


@story
def faulty_replies():
    for what, more, kw, result in (("an unknown mandatory AVP", [avp(1999, b"x")], {}, (2, 8)),
                                   ("no Host Name", [], {"drop": (7,)}, (2, None)),
                                   ("no Framing Capabilities", [], {"drop": (3,)}, (2, None)),
                                   ("another protocol version", [], {"version": 0x0300}, (5, None)),
                                   ("a challenge, but no secret", [avp(11, b"c")], {}, (4, None))):
        p, m = asked("g1", "10.10.0.21", 1701)
        p.send(SCCRP, p.terms(*more, **kw))
        ok, m = ended(p, result[0], result[1])
        check("7.2.1", f"{what} in SCCRP: StopCCN {result[0]}", ok, m)
        p.listen(0.05)
        p.sock.close()
    p, m = asked("g1", "10.10.0.21", 1701)
    p.send(SCCCN)
    m = p.expect(STOPCCN)
    check("7.2.1", "SCCCN in wait-ctl-reply: StopCCN 7", m and m.result()[0] == 7, m)
    p.sock.close()
    p, m = asked("g1", "10.10.0.21", 1701)
    p.send(STOPCCN, avp(9, p.id), avp(1, struct.pack("!HH", 2, 7)))
    check("7.2.1", "StopCCN in wait-ctl-reply is acknowledged", p.await_ack())
    p.sock.close()
    # authentication from the other side
    p, m = asked("g2", "10.10.0.22", 1701, SECRET)
    check("5.1.1", "the node's SCCRQ carries a challenge", m.get(11) is not None, m.avps)
    p.send(SCCRP, p.terms(avp(11, b"and yours"), avp(13, response(SCCRP, SECRET, m.get(11)))))
    m = p.expect(SCCCN, STOPCCN)
    check("5.1.1", "ours is answered in SCCCN", m and m.get(13) == response(SCCCN, SECRET, b"and yours"), m)
    p.stop()
    for what, avps in (("a wrong response", [avp(13, bytes(16))]), ("none", [])):
        p, m = asked("g2", "10.10.0.22", 1701, SECRET)
        p.send(SCCRP, p.terms(*avps))
        ok, m = ended(p, 4)
        check("5.1.1", f"{what} in SCCRP: StopCCN 4", ok, m)
        p.listen(0.05)
        p.sock.close()
    # SCCRQ again and again
    p = Peer("lns-peer", address="10.10.0.23", port=1701)
    ctl("tunnel", "open", "g3")
    got = [x for x in p.listen(CYCLE + 0.5) if x.type == SCCRQ]
    check("5.8", f"SCCRQ is sent once and {TRIES} times again, Ns 0", len(got) == TRIES + 1 and {x.ns for x in got} == {0}, len(got))
    check("5.8", "octet for octet the same", len({x.data for x in got}) == 1)
    p.sock.close()
    p = Peer("lns-peer", address="10.10.0.23", port=1701)
    other = Peer("lns-peer", address="10.10.0.23", port=50023)
    ctl("tunnel", "open", "g3")
    m = p.expect(SCCRQ, seconds=2)
    other.tid = m.num(9)
    other.nr = 1
    other.send(SCCRP, other.terms())
    m = other.expect(SCCCN, STOPCCN)
    check("8.1", "the answer may come from another port, and the tunnel stays there", m and m.type == SCCCN, m)
    other.stop()
    p.sock.close()


@story
def try_another():
    a = Peer("lns-peer", address="10.10.0.24", port=1701)
    b = Peer("lns-peer", address="10.10.0.25", port=1701)
    said = ctl("call", "dial", "g4", "77")
    m = a.expect(SCCRQ, seconds=2)
    check("4.4.2", "the preferred LNS is asked first", m is not None, said)
    a.tid = m.num(9)
    a.send(STOPCCN, avp(9, a.id), avp(1, struct.pack("!HH", 2, 7)))
    m = b.expect(SCCRQ, seconds=2)
    check("4.4.2", "StopCCN 2, error 7: the next one is asked", m is not None)
    a.auto = False
    b.tid = m.num(9)
    b.send(SCCRP, b.terms())
    check("6.3", "which opens", b.expect(SCCCN) is not None)
    m = b.expect(ICRQ)
    check("6.6", "and gets the call", m and m.get(21) == b"77", m)
    b.send(CDN, avp(1, struct.pack("!HH", 2, 7)), avp(14, 5), sid=m.num(14))
    check("4.4.2", "CDN 2, error 7, when nobody is left: the call ends in silence", b.await_ack() and b.alive())
    a.sock.close()
    b.stop()


@story
def tie_breaker():
    def both(mine):
        p, m = asked("g1", "10.10.0.21", 1701)
        tie = m.get(5)
        q = Peer("lns-peer", address="10.10.0.21", sock=p.sock)
        v = {"low": b"\0" * 8, "high": b"\xff" * 8, "same": tie, None: None}[mine]
        q.ask(*([avp(5, v, 0)] if v else []))
        return p, q, tie

    p, q, tie = both("low")
    check("4.4.3", "the node's SCCRQ has a tie breaker of 8 octets", tie is not None and len(tie) == 8)
    m = q.answered()
    check("4.4.3", "ours is lower: our request is answered", m and m.type == SCCRP and m.tid == q.id, m)
    got = q.listen(0.15)
    check("4.4.3", "and the node's own is dropped in silence", not [x for x in got if x.type in (SCCRQ, STOPCCN)], got)
    if m and m.type == SCCRP:
        q.send(SCCCN)
        check("4.4.3", "one tunnel opens", q.await_ack() and q.alive())
    q.stop()
    for mine, what in (("high", "ours is higher"), (None, "ours has none")):
        p, q, tie = both(mine)
        m = q.expect(SCCRP, STOPCCN, seconds=0.15)
        check("4.4.3", f"{what}: our request is dropped in silence", m is None, m)
        p.nr = 1
        p.send(SCCRP, p.terms())
        m = p.expect(SCCCN, STOPCCN)
        check("4.4.3", f"{what}: the node's own goes on", m and m.type == SCCCN, m)
        p.stop()
    p, q, tie = both("same")
    q.listen(0.3)
    check("4.4.3", "both equal: both are discarded", not [x for x in q.seen if x.type in (SCCRP, STOPCCN, SCCRQ)], q.seen)
    p.sock.close()


@both
def the_node_calls_out():
    p = Peer("out").open()
    said = ctl("call", "out", str(p.tid), "5550", "min=1000", "max=2000")
    m = p.expect(OCRQ)
    check("6.9", "`call out` sends OCRQ with number and speeds",
          m and m.get(21) == b"5550" and m.num(16) == 1000 and m.num(17) == 2000, said)
    if m:
        theirs = m.num(14)
        p.send(OCRP, avp(14, 801), sid=theirs)
        p.send(OCCN, avp(24, u32(1500)), avp(19, u32(1)), sid=theirs)
        check("6.11", "OCRP and OCCN are taken", p.await_ack() and not p.expect(CDN, seconds=0.1))
        check("7.5.2", "PPP runs in the call", negotiate(p, 801, theirs))
        p.send(OCRP, avp(14, 801), sid=theirs)
        ok, m = cleared(p, 801, 2)
        check("7.5.2", "OCRP of an established call: CDN", ok, m)
    for what, kind, avps in (("OCCN", OCCN, [avp(24, u32(1)), avp(19, u32(1))]), ("OCRQ", OCRQ, None)):
        ctl("call", "out", str(p.tid), "5550")
        m = p.expect(OCRQ)
        if avps is None:
            avps = [avp(14, 802), avp(15, u32(1)), avp(16, u32(1)), avp(17, u32(2)), avp(18, u32(1)), avp(19, u32(1)), avp(21, b"1")]
        p.send(kind, *avps, sid=m.num(14))
        m2 = p.expect(CDN, STOPCCN)
        check("7.5.2", f"{what} in wait-reply: CDN", m2 and m2.type == CDN, m2)
    ctl("call", "out", str(p.tid), "5550")
    m = p.expect(OCRQ)
    p.send(CDN, avp(1, 7), avp(14, 803), sid=m.num(14))
    check("7.5.2", "a CDN of wait-reply ends the call in silence", p.await_ack() and not p.expect(CDN, STOPCCN, seconds=0.1))
    p.stop()
    p = Peer("out").open(drop=(4,))
    said = ctl("call", "out", str(p.tid), "5550")
    check("4.4.3", "no OCRQ to a peer without Bearer Capabilities", p.expect(OCRQ, seconds=0.15) is None, said)
    p.stop()


# ---- what nobody sends, and somebody will -----------------------------------------------------------------------------


@both
def strange_requests():
    for what, a, kw in (("an empty Host Name", avp(7, b""), {"drop": (7,)}), ("an empty Challenge", avp(11, b""), {}),
                        ("an Assigned Tunnel ID of four octets", avp(9, u32(7)), {}),
                        ("a Sequencing Required with a value", avp(39, b"x"), {})):
        p = Peer()
        p.ask(a, **kw)
        m = p.expect(SCCRP, STOPCCN)
        if a[5] == 39:
            check("4.4.4", f"{what}, in an SCCRQ, is no reason to die", m is not None, m)
        else:
            check("4.4.3, 7.1", f"{what}: StopCCN 2", m and m.type == STOPCCN and m.result()[0] == 2 or
                  a[5] == 9 and m and m.type == SCCRP, m)
        if m:
            p.tid = m.num(9)
            p.ack()
        p.sock.close()
    p = Peer()
    p.ask(avp(9, 0), drop=(9,))
    m = p.expect(seconds=0.3)
    check("4.4.3", "an Assigned Tunnel ID of 0 opens nothing", m is None or m.type == STOPCCN, m)
    p.sock.close()
    for what, kw in (("a window of 65535", {"window": 65535}), ("a window of 1", {"window": 1})):
        p = Peer().open(**kw)
        check("4.4.3", f"{what} is taken", p.alive())
        p.stop()
    p = Peer(secret=SECRET).open(avp(8, b"V" * 1017, 0))
    check("4.1", "a Vendor Name of 1017 octets", p.alive())
    p.stop()
    for what, name in (("of 1017 octets", b"H" * 1017), ("of any octets", bytes(range(1, 256)))):
        p = Peer()
        p.ask(avp(7, name), drop=(7,))
        m = p.expect(SCCRP, STOPCCN)
        check("4.4.3", f"a Host Name {what} that no profile knows is refused in order", m and m.type == STOPCCN and m.result()[0] == 4, m)
        if m:
            p.tid = m.num(9)
            p.ack()
        p.sock.close()
    p = Peer()
    p.raw(control(0, 77, 0, 0, mtype(SCCRQ) + p.terms()))
    p.ns = 1
    m = p.expect(SCCRP, STOPCCN, seconds=0.5)
    check("3.1", "an SCCRQ of a session opens nothing or is taken", m is None or m.type in (SCCRP, STOPCCN), m)
    p.sock.close()
    p = Peer()
    p.raw(control(0, 0, 0, 0, mtype(SCCRQ) + mtype(ICRQ) + p.terms()))
    p.ns = 1
    m = p.answered()
    check("4.4.1", "of two Message Types the first counts", m and m.type == SCCRP, m)
    p.stop()
    p = Peer()
    p.ask(avp(13, b"r" * 16))
    m = p.answered()
    check("4.4.3", "a Challenge Response that nobody asked for is no reason to refuse", m and m.type == SCCRP, m)
    p.send(SCCCN, avp(13, b"r" * 16))
    check("5.1.1", "nor is one in SCCCN", p.await_ack() and p.alive())
    p.stop()
    for n in (0, 15, 17):
        p = Peer("auth", secret=SECRET)
        p.ask()
        p.answered()
        p.send(SCCCN, avp(13, b"r" * n))
        m = p.expect(STOPCCN)
        check("5.1.1", f"a Challenge Response of {n} octets opens nothing: StopCCN 2 or 4", m and m.result()[0] in (2, 4), m)
        p.listen(0.02)
        p.sock.close()


@both
def half_open():
    p = Peer()
    first = p.ask()
    m = p.answered()
    p.send(HELLO)
    check("6.5, 7.2.1", "a HELLO on a half-open tunnel is acknowledged, and ends nothing", p.await_ack() and
          not p.expect(STOPCCN, seconds=0.1))
    p.send(SCCCN)
    check("7.2.1", "which opens then", p.await_ack() and p.alive())
    other = Peer()
    other.id = p.id
    other.raw(first)
    n = len([x for x in other.listen(0.3) if x.type == SCCRP])
    check("8.1", "its SCCRQ from another port does not disturb it", p.alive(), n)
    other.sock.close()
    p.stop()
    p = Peer()
    first = p.ask()
    p.answered()
    other = Peer()
    other.id = p.id
    other.raw(first)
    other.listen(0.1)
    p.send(SCCCN)
    check("8.1", "nor does it disturb one that is half open", p.await_ack() and p.alive())
    other.sock.close()
    p.stop()
    a, b = Peer().open(), None
    b = Peer()
    b.id = a.id
    b.open()
    sa, ta = a.call(9)
    sb, tb = b.call(9)
    check("4.4.3", "two tunnels of one host that were assigned the same id, from two ports", a.tid != b.tid and a.alive() and b.alive())
    a.send(CDN, avp(1, 3), avp(14, 9), sid=ta)
    check("4.4.3", "and the same session id in both: a CDN ends the one it is of", a.await_ack() and b.alive() and
          session(b, tb) and not b.expect(CDN, seconds=0.05))
    a.stop()
    b.stop()


@both
def strange_ends():
    for what, body in (("of 0", avp(9, 0) + avp(1, 1)), ("of somebody else", avp(9, 4711) + avp(1, 1)),
                       ("twice", None), ("behind its Result Code", None)):
        p = Peer().open()
        if body is None:
            body = avp(9, p.id) * 2 + avp(1, 1) if what == "twice" else avp(1, 1) + avp(9, p.id)
        p.send(STOPCCN, body)
        check("6.4", f"a StopCCN with an Assigned Tunnel ID {what} is acknowledged", p.await_ack())
        p.icrq(5)
        check("6.4", "and ends the tunnel", p.expect(ICRP, seconds=0.1) is None)
        p.sock.close()
    p = Peer().open()
    one, first = p.call(61)
    two, second = p.call(62)
    p.send(CDN, avp(1, 3), avp(14, two), sid=first)
    check("4.4.4, 6.12", "a CDN that names two calls: acknowledged", p.await_ack() and p.alive())
    left = [s for s in (first, second) if "established" in node.ctl("show", "session", f"{p.tid}/{s}", check=False)]
    check("4.4.4, 6.12", "it ends one of them at most", len(left) >= 1, left)
    p.icrq(63)
    m = p.expect(ICRP)
    p.send(CDN, avp(1, 3), avp(14, 63), sid=m.num(14))
    check("7.4.2", "a CDN in wait-connect is acknowledged, and answered by nothing", p.await_ack() and
          not p.expect(CDN, STOPCCN, seconds=0.1))
    p.iccn(m.num(14))
    check("7.4.2", "the ICCN that comes after it makes no call", p.await_ack() and
          "established" not in node.ctl("show", "session", f"{p.tid}/{m.num(14)}", check=False))
    p.icrq(64)
    m = p.expect(ICRP)
    p.send(WEN, avp(34, bytes(26)), sid=m.num(14))
    p.await_ack()
    m2 = p.expect(CDN, STOPCCN, seconds=0.1)
    check("7.4.2", "a WEN in wait-connect ends the call at most", (m2 is None or m2.type == CDN) and p.alive(), m2)
    for what, more, drop in (("Tx Connect Speed and Framing Type of 0", [avp(24, u32(0)), avp(19, u32(0))], True),
                             ("all speeds there are", [avp(24, u32(0xffffffff)), avp(19, u32(0xffffffff)), avp(38, u32(0xffffffff), 0)], True)):
        p.icrq(65)
        m = p.expect(ICRP)
        p.send(ICCN, *more, sid=m.num(14))
        m2 = p.expect(CDN, STOPCCN, seconds=0.1)
        check("6.8", f"{what} in ICCN end the call at most", p.await_ack() and (m2 is None or m2.type == CDN) and p.alive(), m2)
        if not m2:
            p.send(CDN, avp(1, 3), avp(14, 65), sid=m.num(14))
            p.await_ack()
    p.icrq(66)
    m = p.expect(ICRP)
    p.iccn(m.num(14), avp(39, b"x"))
    ok, m2 = cleared(p, 66, 2, 2)
    check("4.4.4, 7.1", "Sequencing Required with a value: CDN 2, 2", ok, m2)
    octets = p.icrq(67)
    m = p.expect(ICRP)
    other = p.packet(mtype(ICRQ) + avp(14, 68) + avp(15, u32(9)), ns=p.ns - 1)
    p.raw(other)
    check("5.8", "the same Ns with another message in it is a duplicate all the same", p.expect(ICRP, CDN, seconds=0.1) is None)
    p.raw(p.packet(b"", nr=p.nr - 1))
    check("5.8", "an Nr that goes back takes nothing back", p.alive())
    p.raw(control(p.tid, 0, p.ns, p.nr, mtype(HELLO) + avp(8, b"x" * 300, 0), bits=0xC802))
    p.ns += 1
    check("6.5", "a HELLO with an AVP that is not its own", p.await_ack() and p.alive())
    for to in (0, 64999):
        p.ppp(to, lcp(9, 1, b"\x12\x34\x56\x78"))
    p.raw(struct.pack("!HHH", 2, 0, 0) + lcp(9, 1))
    p.listen(0.05)
    check("3.1", "data of session 0, of no session, of tunnel 0: dropped", p.alive() and
          not [f for s, proto, f in p.frames() if proto == 0xc021 and f[0] == 10])
    p.icrq(69, sid=4242)
    m = p.expect(ICRP, CDN, STOPCCN, seconds=0.5)
    check("4.4.4", "an ICRQ whose header names a session is taken, or ends that call", m is None or m.type in (ICRP, CDN), m)
    p.stop()


@story
def as_large_as_udp_allows():
    p = Peer("wrap").open()
    for size in (1400, 4000, 9000, 30000, 65507):
        body = mtype(HELLO)
        while len(body) + 12 + 1023 <= size:
            body += avp(2000, b"x" * 1017, 0)
        pad = size - 12 - len(body)
        body += avp(2000, b"y" * (pad - 6), 0) if pad >= 6 else b""
        p.raw(p.packet(body))
        if p.await_ack(ns=p.ns + 1, seconds=1):
            p.ns += 1
            taken = True
        else:
            taken = False
        check("4.1", f"a control message of {size} octets is {'taken' if taken else 'discarded'}, and the tunnel lives", p.alive() and
              (taken or size > 4000), taken)
    p.raw(b"\xff" * 65507)
    p.raw(struct.pack("!HHH", 2, p.tid, 5) + bytes(65000))
    check("3.1", "64 KB of nothing", p.alive())
    p.stop()


@story
def random_vectors():
    rv = b"some random octets"

    def opened():
        p = Peer("auth", secret=SECRET)
        p.ask()
        m = p.answered()
        p.send(SCCCN, avp(13, response(SCCCN, SECRET, m.get(11))))
        p.await_ack()
        return p

    p = opened()
    for what, vectors, good in (("of one octet", [avp(36, b"r")], b"r"), ("of 1000 octets", [avp(36, b"R" * 1000)], b"R" * 1000),
                                ("twice, the later counts", [avp(36, b"one"), avp(36, b"two")], b"two"),
                                ("with its M bit clear", [avp(36, rv, 0)], rv)):
        sid = ids.randrange(1, 60000)
        p.send(ICRQ, *vectors, hidden(14, struct.pack("!H", sid), SECRET, good), hidden(15, u32(9), SECRET, good))
        m = p.expect(ICRP, CDN, STOPCCN)
        check("4.3", f"a Random Vector {what}", m and m.type == ICRP and m.sid == sid, m)
        if m and m.type == ICRP:
            p.send(CDN, avp(1, 3), avp(14, sid), sid=m.num(14))
            p.await_ack()
    p.stop()
    for what, avps in (("of no octets", [avp(36, b""), hidden(14, b"\0\7", SECRET, b""), hidden(15, u32(9), SECRET, b"")]),
                       ("that is hidden itself", [avp(36, rv), hidden(36, b"inner", SECRET, rv), avp(14, 7), avp(15, u32(9))])):
        p = opened()
        p.send(ICRQ, *avps)
        p.await_ack()
        m = p.expect(ICRP, CDN, STOPCCN, seconds=0.3)
        check("4.3", f"a Random Vector {what}: an answer of the RFC's", m is None or m.type in (ICRP, CDN, STOPCCN), m)
        if not (m and m.type == STOPCCN):
            check("4.3", f"a Random Vector {what} leaves the tunnel as it was", p.alive())
        p.ack()
        p.listen(0.02)
        p.sock.close()


@story
def strange_replies():
    p, m = asked("g1", "10.10.0.21", 1701)
    p.send(SCCRP, p.terms(avp(9, 0), drop=(9,)))
    m = p.expect(SCCCN, STOPCCN, seconds=0.5)
    check("4.4.3", "an SCCRP that assigns tunnel 0 opens nothing", m is None or m.type == STOPCCN and m.result()[0] == 2, m)
    p.listen(0.05)
    p.sock.close()
    time.sleep(0.1)
    ctl("tunnel", "close", str(p.tid))
    p, m = asked("g1", "10.10.0.21", 1701)
    reply = p.send(SCCRP, p.terms(avp(5, b"\0" * 8, 0)))
    m = p.expect(SCCCN, STOPCCN)
    check("4.4.3", "a Tie Breaker in SCCRP is no reason to refuse it", m and m.type == SCCCN, m)
    p.raw(reply)
    got = p.listen(0.1)
    check("5.8", "SCCRP again is acknowledged, and answered by no second SCCCN", not [x for x in got if x.type == STOPCCN] and p.alive() and
          len({x.ns for x in p.seen if x.type == SCCCN}) == 1, got)
    ctl("call", "dial", "g1", "8765")
    m = p.expect(ICRQ)
    theirs = m.num(14)
    p.send(ICRP, avp(14, 0), sid=theirs)
    m = p.expect(ICCN, CDN, STOPCCN, seconds=1)
    check("4.4.4", "an ICRP that assigns session 0 makes no call", m is None or m.type == CDN, m)
    check("4.4.4", "and the tunnel lives", p.alive())
    ctl("call", "clear", f"{p.tid}/{theirs}")
    p.expect(CDN, seconds=0.2)
    ctl("call", "dial", "g1", "1")
    one = p.expect(ICRQ).num(14)
    ctl("call", "dial", "g1", "2")
    two = p.expect(ICRQ).num(14)
    p.send(ICRP, avp(14, 720), sid=one)
    first = p.expect(ICCN)
    p.send(ICRP, avp(14, 720), sid=two)
    m = p.expect(ICCN, CDN, STOPCCN, seconds=1)
    check("4.4.4", "a session id that is another call's already ends the later call at most", first and p.alive() and
          (m is None or m.type in (CDN, ICCN)), m)
    shown = node.ctl("show", "session", f"{p.tid}/{one}", check=False)
    check("4.4.4", "the earlier one goes on", "established" in shown, shown)
    p.stop()


# ---- many, and cut ------------------------------------------------------------------------------------------------------


@story
def a_flood():
    p = Peer().open()
    flood = Peer(address="10.10.0.30")
    for i in range(6000):
        flood.id = 1 + i * 7 % 65535
        flood.raw(control(0, 0, 0, 0, mtype(SCCRQ) + flood.terms()))
        if i % 200 == 0:
            p.listen(0.001)
    t = time.monotonic()
    check("5.8", "a flood of SCCRQs: another peer's tunnel is served", p.alive())
    q = Peer("hello", address="10.10.0.10")
    q.ask()
    m = q.answered(seconds=4)
    check("5.8", "and another peer may open one", m and m.type in (SCCRP, STOPCCN), m)
    check("5.8", "soon", time.monotonic() - t < 3, time.monotonic() - t)
    flood.sock.close()
    p.stop()


def whole(kind, p, sid, theirs):
    """A message with everything in it."""
    proxy = avp(26, b"\1\4\5\xdc", 0) + avp(29, 2, 0) + avp(30, b"joe", 0) + avp(31, b"c" * 16, 0) + avp(32, 7, 0) + \
        avp(33, b"r" * 16, 0)
    bodies = {
        SCCRQ: (0, p.terms(avp(5, b"tiebreak", 0), avp(6, 1, 0), avp(8, b"v", 0))),
        SCCRP: (0, p.terms()),
        SCCCN: (0, avp(13, b"r" * 16)),
        STOPCCN: (0, avp(9, p.id) + avp(1, struct.pack("!HH", 2, 6) + b"text")),
        HELLO: (0, b""),
        OCRQ: (0, avp(14, sid) + avp(15, u32(1)) + avp(16, u32(1)) + avp(17, u32(2)) + avp(18, u32(1)) + avp(19, u32(1)) +
               avp(21, b"12") + avp(23, b"3")),
        OCRP: (theirs, avp(14, sid) + avp(25, u32(1), 0)),
        OCCN: (theirs, avp(24, u32(1)) + avp(19, u32(1)) + avp(38, u32(1), 0) + avp(39)),
        ICRQ: (0, avp(14, sid) + avp(15, u32(1)) + avp(18, u32(1)) + avp(21, b"12") + avp(22, b"34") + avp(98, b"", 0)),
        ICRP: (theirs, avp(14, sid)),
        ICCN: (theirs, avp(24, u32(1)) + avp(19, u32(1)) + proxy + avp(39)),
        CDN: (theirs, avp(1, struct.pack("!HH", 2, 6) + b"text") + avp(14, sid) + avp(12, b"\0\x10\0adv") +
              avp(46, b"\0\3\xc0\x21\1bye", 0)),
        WEN: (theirs, avp(34, bytes(26))),
        SLI: (theirs, avp(35, bytes(10))),
        FSQ: (0, ids32(79, sid, theirs)), FSR: (0, ids32(79, sid, theirs)),
        CSUN: (0, avp(97, struct.pack("!HHII", 0, theirs, 1, 2), 0)),
        CSURQ: (0, avp(97, struct.pack("!HHII", 0, theirs, 1, 2), 0)),
    }
    to, body = bodies[kind]
    return to, mtype(kind, kind not in (FSQ, FSR)) + body


@story
def cut_anywhere():
    pids = node.pids()
    p = None
    for kind in MUST:
        sane, odd = 0, []
        n = 0
        while True:
            if p is None or p.dead:
                if p:
                    p.sock.close()
                p = Peer().open()
                p.dead = False
            sid = ids.randrange(1, 65536)
            theirs = 64000
            if kind in (ICCN, CDN, WEN, SLI, ICRP, OCRP, OCCN):
                sid, theirs = p.call(sid, connect=kind != ICCN)
                p.inbox.clear()
            to, body = whole(kind, p, sid, theirs)
            if n >= len(body):
                break
            q = p
            if kind == SCCRQ:
                q = Peer()
                to, body = whole(kind, q, sid, theirs)
                q.raw(q.packet(body)[:12 + n])                      # cut on the way: Length says more
                q.raw(control(0, 0, 0, 0, body[:n]))                # cut by its sender
                q.ns = 1
                m = q.expect(seconds=0.004 if n < 45 else 0.05)
                if m and m.type == SCCRP:
                    have = {struct.unpack("!H", body[:n][i + 4:i + 6])[0] for i in starts(body[:n])}
                    if not {2, 3, 7, 9} <= have:
                        odd.append((n, m))
                elif m and (m.type != STOPCCN or m.result()[0] != 2):
                    odd.append((n, m))
                if m:
                    q.tid = m.num(9)
                    q.ack()
                q.sock.close()
            else:
                q.raw(q.packet(body, to)[:12 + n])
                q.raw(q.packet(body[:n], to))
                if n:
                    q.ns = (q.ns + 1) & 0xffff
                    if not q.await_ack(seconds=1):
                        odd.append((n, "no acknowledgement"))
                    m = q.expect(STOPCCN, CDN, seconds=0)
                    if m is None and n < 8:
                        m = q.expect(STOPCCN, CDN, seconds=0.5)
                    allowed = (2, 7, 5) if kind in (SCCRQ, SCCRP, SCCCN) else (2,)
                    if m and m.result()[0] not in allowed and not (kind == OCRQ and m.type == CDN):
                        odd.append((n, m))
                    if m and m.type == STOPCCN or kind in (STOPCCN, SCCRP, SCCCN):
                        q.dead = True
                        q.ack()
            sane += 1
            n += 1
        check("7.1", f"{NAMES[kind]} cut at each of {sane} octets: answered within the RFC", not odd, odd[:3])
    check("7.1", "no process has ended", node.pids() == pids and all(x.poll() is None for x in node.p.values()))
    q = Peer().open()
    check("7.1", "and the node takes tunnels", q.alive())


def starts(body):
    """Where whole AVPs begin."""
    at = 0
    while at + 6 <= len(body):
        n = struct.unpack("!H", body[at:at + 2])[0] & 0x3ff
        if n < 6 or at + n > len(body):
            return
        yield at
        at += n


@story
def nothing_strange_was_heard():
    check("3, 4, 6", "every datagram of the node keeps the rules of headers and AVPs", not Peer.strange, Peer.strange[:5])
    check("7.1", "no process has ended", all(x.poll() is None for x in node.p.values()))
    if sys.argv[1:]:
        return
    want = {"sli-in", "sli-out", "wen-in", "csun-in", "csun-out", "ties-won", "ties-lost", "duplicates", "early", "bad-nr",
            "beyond-window", "foreign-source", "hello-out", "retransmissions", "avps-unknown", "avps-duplicate"}

    def missing():
        return want - set(node.ctl("show", "counters", "tunnel-ctl").split())
    end = time.monotonic() + 8
    while missing() and time.monotonic() < end:
        time.sleep(0.2)
    check("7.1", "what happened can be read from the counters", not missing(), missing())


# ---- the lab ------------------------------------------------------------------------------------------------------------


def profile(name, **more):
    return {"name": name, "host-name": name, "local-host-name": "lns", "ppp": "subs", "window": 512,
            "retransmit-initial": 300, "retransmit-tries": 3, **more}


def fast(name, **more):
    return profile(name, **{"retransmit-initial": FAST, "retransmit-tries": TRIES, **more})


def configured(lab):
    secret = SECRET.decode()
    out = {"roles": "lac", "host-name": "lns-peer"}
    return lab.node("a", **{
        "service-address": [
            {"interface": "access0", "address": "10.10.0.1", "prefix-length": 24},
            {"interface": "access0", "address": "fd00:10::1", "prefix-length": 64},
            {"interface": "core0", "address": "10.20.0.1", "prefix-length": 24}],
        "data-plane/listen": [{"address": "0.0.0.0"}, {"address": "::"}],
        "node/store-octets": str(1 << 30),
        "aaa": {"mode": "local", "users-file": f"{lab.dir}/users"},
        "profile": [
            profile("conf"), profile("out"), profile("wrap", window=1024),
            profile("auth", **{"require-auth": True, "secret": secret}),
            profile("hide", **{"require-auth": True, "secret": secret, "hide": True}),
            profile("small", **{"max-tunnels": 1, "max-sessions": 1}),
            profile("slow", **{"retransmit-initial": 2000, "retransmit-least": 2000}),
            fast("fast"), fast("hello", **{"hello-interval": 200}),
            fast("lac", **{**out, "peer": "10.10.0.21/32", "retransmit-initial": 300, "retransmit-tries": 3}),
            fast("laca", **{**out, "peer": "10.10.0.22/32", "require-auth": True, "secret": secret}),
            fast("lacf", **{**out, "peer": "10.10.0.23/32"}), fast("lacp", **{**out, "peer": "10.10.0.24/31"})],
        "lns-group": [{"name": f"g{i}", "member": [{"address": f"10.10.0.2{i}"}], "profile": prof, "hold-off-time": 0}
                      for i, prof in ((1, "lac"), (2, "laca"), (3, "lacf"))] +
        [{"name": "g4", "profile": "lacp", "hold-off-time": 0,
          "member": [{"address": "10.10.0.24", "preference": 1}, {"address": "10.10.0.25", "preference": 2}]}],
    })


def found_by(name, s):
    """What the story finds wrong."""
    bad = len(failed)
    try:
        s()
    except Exception as e:
        check(name, f"the story stops: {e!r}", False, traceback.format_exc().splitlines()[-3].strip())
    wrong = failed[bad:]
    del failed[bad:]
    return wrong


def main():
    global node
    lab = labs.Lab(workers=1)
    with open(f"{lab.dir}/users", "w") as f:
        f.write("")
    for n in (21, 22, 23, 24, 25, 30):
        labs.sh(f"ip -n {lab.ns('lac')} addr add 10.10.0.{n}/24 dev access0")
    labs.sh(f"ip -n {lab.ns('lac')} -6 addr add fd00:10::10/64 dev access0 nodad")
    Peer.space = Space(lab.ns("lac"))
    node = configured(lab)
    node.wait("active")
    told = still.Telling()
    for name, Peer.ends, s in stories:
        if sys.argv[1:] and not any(t in name for t in sys.argv[1:]):
            continue
        t, n, bad = time.monotonic(), done, len(failed)
        failed.extend(told.tell(name, lambda: found_by(name, s)))
        print(f"{name}: {done - n} checks, {len(failed) - bad} failed, {time.monotonic() - t:.1f} s", flush=True)
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
