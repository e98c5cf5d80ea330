#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""L2TPv3 conformance of one node, from outside: RFC 3931 clause by clause, over UDP and straight over IP.
Run by conformance-l2tpv3.sh; packets and digests are made by l2tp3wire.py, from the RFC alone.

What is to be ignored is followed by a Hello on the same connection: when that is acknowledged, the node has seen it.
Last lines: what failed, and `N checks, N failed`.

tshark computes the digests of the handshakes, too: each in a capture of its own, and of one digest a message.  It keeps one
pair of nonces for two addresses and ports (over IP: for two addresses), the first that it sees: of two handshakes over IP in
one capture, the second's messages but the SCCRQ, which goes without nonces, are wrong to it (17 of 18), over UDP none.  And
of two digests in a message it takes only the one that it computes as zeros, where the RFC has both as zeros: all of the node's
messages are wrong to it where its profile carries both kinds (9 of 18 packets with digests, the other 9 being ours).
"""

import os
import shutil
import signal
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "bench")]
sys.dont_write_bytecode = True

import lab as labs  # noqa: E402
from l2tp3wire import *  # noqa: E402,F403

SECRET, NEW = b"correct horse", b"battery staple"
failed, done = [], 0


def check(clause, what, ok, detail=""):
    global done
    done += 1
    if not ok:
        failed.append(f"{clause}: {what}" + (f" ({detail})" if detail != "" else ""))
        print(f"  FAILED {failed[-1]}")
    return ok


def opened(host, **how):
    p = Peer(host, **how)
    check("3.3.1", f"{host}: a connection comes up", p.up() is not None)
    return p


def ended(p, name):
    p.stop()
    for clause, what, detail in p.bad[:3]:
        check(clause, f"{name}: {what}", False, detail)
    check("5.4.1", f"{name}: every message of the node is as it must be", not p.bad)


# ---- the whole of it, in every form ----------------------------------------------------------------------------------


def handshake(name, host, **how):
    p = Peer(host, **how)
    m = p.up()
    if not check("3.3.1", f"{name}: SCCRQ is answered by SCCRP", m is not None):
        return
    check("6.2", f"{name}: SCCRP has Host Name, Router ID, id, pseudowires", all(get(m, a) for a in (7, 60, 61, 62)))
    check("PPP", f"{name}: 0x0007 is among the pseudowires", u16(7) in [get(m, 62)[i:i + 2] for i in range(0, len(get(m, 62)), 2)])
    check("5.4.1", f"{name}: a nonce, if and only if we sent one", bool(get(m, 73)) == bool(p.nonce))
    check("3.2.1", f"{name}: our id of 32 bits is in the header", m["cid"] == p.id)
    m = p.call()
    if check("7.3.2", f"{name}: ICRQ is answered by ICRP", m is not None):
        check("5.4.4", f"{name}: ICRP echoes our id", get(m, 64) == u32(0x12345678))
        check("5.4.5", f"{name}: ICRP has Circuit Status, new and active", get(m, 71) == u16(3))
        check("5.4.4", f"{name}: a cookie of 8 octets is assigned", len(get(m, 65) or b"") == 8)
        data(name, p, get(m, 65) or b"")
        ids = avp(63, u32(0x12345678)), avp(64, u32(p.remote))
        check("6.13", f"{name}: a WEN is acknowledged", p.say(WEN, *ids, avp(34, bytes(26), m=0)) is not None)
        check("6.14", f"{name}: an SLI is acknowledged", p.say(SLI, *ids, avp(71, u16(0))) is not None)
        check("6.12", f"{name}: a CDN is acknowledged", p.say(CDN, avp(1, u16(3)), *ids) is not None)
    check("4.4", f"{name}: a Hello is acknowledged", (h := p.say(HELLO)) is not None)
    check("6.15", f"{name}: by an ACK with a Message Type", h is not None and h["type"] == ACK)
    ended(p, name)


def data(name, p, cookie):
    """The node's session-mgr speaks LCP as soon as the call is up: that is data of every form."""
    d = p.hear_data(lambda session, rest: session == 0x12345678)
    check("4.5", f"{name}: data has our id and our cookie, and a PPP frame from its protocol on", d is not None and
          d[1][:10] == b"cookie12\xc0\x21", d and d[1][:12].hex())

    def lcp(number):
        return b"\xc0\x21\x09" + bytes([number]) + b"\0\x08\0\0\0\0"  # an Echo-Request, which nothing answers before LCP is open

    def request(number):
        return b"\xc0\x21\x01" + bytes([number]) + b"\0\x04"

    def acked(number):
        return lambda session, rest: rest[8:10] == b"\xc0\x21" and rest[10] in (2, 3, 4) and rest[11] == number
    wrong = bytes([cookie[0] ^ 1]) + cookie[1:]

    def once_right():
        p.send_data(p.remote, wrong + request(101))
        p.send_data(p.remote ^ 1, cookie + request(101))
        p.send_data(p.remote, cookie + request(102))
    seen = p.hear_data(lambda s, r: acked(101)(s, r) or acked(102)(s, r), again=once_right)
    check("4.5", f"{name}: a wrong cookie or id is dropped, the right ones are answered", seen is not None and acked(102)(*seen))
    check("PPP", f"{name}: FF 03 in front is accepted",
          p.hear_data(acked(103), again=lambda: p.send_data(p.remote, cookie + b"\xff\x03" + request(103))))
    if not p.ip:
        check("4.1.2.1", f"{name}: reserved bits in front of data are ignored",
              p.hear_data(acked(104), again=lambda: p.send_data(p.remote, cookie + request(104), flags=0x7bf3)))


def hiding(ip):
    """5.3: our values hidden, the node's unhidden, by code of our own."""
    p = opened("hiding", ip=ip, secret=SECRET)
    rv = dice.randbytes(16)
    session = 0x0a0b0c0d
    body = b"".join([avp(36, rv), hidden(63, SECRET, rv, u32(session), b"pad"), hidden(64, SECRET, rv, u32(0)), avp(15, u32(1)),
                     hidden(68, SECRET, rv, u16(7)), hidden(65, SECRET, rv, b"cookie12", b"p" * 20), avp(71, u16(3))])
    m = p.say(ICRQ, body, until=(ICRP, CDN))
    check("5.3", "hidden values are understood, padded or not", m is not None and m["type"] == ICRP and get(m, 64) == u32(session), result(m))
    check("5.3", "the node hides what may be hidden, behind a Random Vector", m is not None and
          any(head & 0x4000 for _, a, _, _, head in m["avps"] if a == 63) and len(get(m, 63)) == 4 and get(m, 36))
    check("5.4.1", "and nothing else", m is not None and not any(head & 0x4000 for _, a, _, _, head in m["avps"] if a in (0, 36, 59, 73)))
    p.ack()
    bad = avp(36, rv) + avp(63, dice.randbytes(6), bits=0x4000) + b"".join(p.asked(0, without=(63,)))
    m = p.say(ICRQ, bad, until=(ICRP, CDN))
    check("5.3", "a hidden value that makes no sense is refused", m is not None and m["type"] == CDN, m and m["type"])
    ended(p, "hiding")
    p = opened("plain", ip=ip)
    m = p.say(ICRQ, hidden(63, SECRET, b"", u32(5)), *p.asked(5, without=(63,)), until=(ICRP, CDN))
    check("5.3", "hidden without a secret: refused", m is not None and m["type"] == CDN)
    p.stop()


# ---- who may, and who not --------------------------------------------------------------------------------------------


def refusals():
    def refused(clause, what, p, want, *more, **kw):
        m = p.request(*more, until=STOPCCN, **kw)
        check(clause, what, result(m) == want if want[1] is not None else (result(m) or [0])[0] == want[0], result(m))
        return m

    refused("5.4.2", "a version that the profile does not take: result 5, highest 2", Peer("old"), (5, 2))
    refused("4.3", "authentication that is required: result 4", Peer("auth"), (4, None))
    refused("PPP", "no PPP among the pseudowires", Peer("plain"), (2, None), pw=u16(5))
    m = refused("5.2", "an unknown AVP with M: 2/8", Peer("plain"), (2, 8), avp(9999, b"x"))
    check("5.4.2", "the Error Message names it", m is not None and b"9999" in get(m, 1)[4:])
    refused("5.2", "of a vendor as well", Peer("plain"), (2, 8), avp(1, b"x", vendor=9999))
    refused("5.4.3", "a receive window of zero", Peer("plain"), (2, 3), avp(10, u16(0)))
    refused("7.1", "an AVP of the wrong length with M", Peer("plain"), (2, 2), avp(10, b"\1"))
    for attr, what in ((7, "Host Name"), (60, "Router ID"), (62, "Pseudowire Capabilities List")):
        # without a name the profile is nobody's: refused either way
        refused("6.1", f"an SCCRQ without {what}", Peer("plain"), (2, None), without=(attr,))
    p = Peer("auth", secret=b"wrong")
    check("5.4.1", "a wrong secret is dropped, and not answered", p.request(until=(SCCRP, STOPCCN), seconds=1.5) is None)
    p = Peer("auth", secret=SECRET)
    check("5.4.1", "a nonce without a digest is dropped, and not answered",
          p.say(SCCRQ, until=(SCCRP, STOPCCN), seconds=1.5, octets=p.sealed(SCCRQ, b"".join(p.who()), 0, [])) is None)
    for size in (1, 33, 255):
        p = Peer("auth", secret=SECRET, nonce=size)
        check("5.4.1", f"a nonce of {size} octets", p.up() is not None and p.alive())
        ended(p, f"a nonce of {size}")


def more_of_an_sccrq():
    """What is to be passed over in it; and what a connection is ended by."""
    p = Peer("plain")
    check("5.1", "optional AVPs, known and unknown, of ours, of vendors and misplaced", p.up(
        avp(72, b"en", m=0), avp(8, b"peer", m=0), avp(9999, b"x", m=0), avp(1, b"x", m=0, vendor=9), avp(58, u32(9) + u16(1) + b"x", m=1),
        avp(71, u16(3)), avp(7, b"another"), avp(10, u16(8), m=0)) is not None)
    check("7.2", "an SCCCN out of place: StopCCN 7", (result(p.say(SCCCN, until=STOPCCN)) or [0])[0] == 7)
    p = Peer("plain")
    check("4.7.3", "AVPs of L2TPv2 are ignored, with M as well", p.up(
        avp(2, b"\1\0"), avp(9, u16(4711)), avp(11, b"challenge"), avp(6, u16(1))) is not None)
    m = p.say(77, until=STOPCCN)
    check("5.4.1", "an unknown message type with M clears the connection", m is not None)
    check("6.4", "a StopCCN names the node's id", m is not None and get(m, 61) == u32(p.cid))
    p = Peer("plain")
    m = p.request(until=SCCRP)
    p.say(STOPCCN, avp(1, u16(6)), avp(61, u32(p.id)))
    check("5.4.3", "a StopCCN to id 0 finds its connection by ours", p.ns == 2 and m is not None)
    p = Peer("plain")
    m = p.request(until=SCCRP)
    p.cid = struct.unpack("!I", get(m, 61))[0]
    check("7.2", "a call before the SCCCN: StopCCN 7", (result(p.say(ICRQ, *p.asked(1), until=STOPCCN)) or [0])[0] == 7)


# ---- messages --------------------------------------------------------------------------------------------------------


def ignored(p, clause, what, *octets):
    """Sent on an established connection, and nothing comes of it."""
    for o in octets:
        p.raw(o)
    check(clause, f"{what}: nothing comes of it", p.alive())


def headers(ip):
    p = opened("plain", ip=ip)
    stop = avp(1, u16(1)) + avp(61, u32(p.id))
    good = p.message(STOPCCN, stop, p.ns)

    def bits(v):
        return u16(v) + good[2:]
    if not ip:  # T clear is data there
        ignored(p, "3.2.1", "a control message without T", bits(0x4803))
    ignored(p, "3.2.1", "without L", bits(0x8803))
    ignored(p, "3.2.1", "without S", bits(0xC003))
    ignored(p, "3.2.1", "of versions 0, 1, 4 and 15", *(bits(0xC800 | v) for v in (0, 1, 4, 15)))
    ignored(p, "7.1", "whose Length is beyond the packet", good[:2] + u16(len(good) + 1) + good[4:])
    ignored(p, "7.1", "whose Length is less than the header", good[:2] + u16(11) + good[4:])
    ignored(p, "7.1", "cut short", good[:11], good[:3], b"\xc8")
    ignored(p, "5.4.3", "of another connection's id", good[:4] + u32(p.cid ^ 1 << 31) + good[8:], good[:4] + u32(p.cid ^ 1) + good[8:])
    ignored(p, "4.2", "acknowledging what was never sent", good[:10] + u16(p.nr + 1000))
    other = Peer("plain", ip=ip)
    if not ip:
        other.sock.sendto(good, (other.node, 1701))
        ignored(p, "4.1.2.2", "from another port")
    check("3.2.1", "reserved bits of the header are ignored",
          p.say(HELLO, octets=p.message(HELLO, b"", p.ns, bits=0x37F0)) is not None)
    check("5.1", "reserved bits of an AVP are ignored",
          p.say(HELLO, octets=p.message(HELLO, b"", p.ns)[:12] + u16(0xBC08) + p.message(HELLO, b"", p.ns)[14:]) is not None)
    check("5.2", "M of a known message type may be clear",
          p.say(HELLO, octets=p.message(HELLO, b"", p.ns)[:12] + u16(8) + p.message(HELLO, b"", p.ns)[14:]) is not None)
    check("3.2.1", "what stands behind Length is not looked at", p.say(HELLO, octets=p.message(HELLO, b"", p.ns) + b"behind") is not None)
    hello = p.message(HELLO, b"", p.ns)
    check("4.2", "a message that comes again is acknowledged again", p.say(HELLO) is not None and again(p, hello))
    body = u16(0xC803) + u16(20) + u32(p.cid) + u16(p.ns) + u16(p.nr) + u16(8) + u16(0) + u16(0) + u16(77)
    check("5.4.1", "an unknown message type without M is acknowledged and ignored", p.say(77, octets=body) is not None and p.alive())
    body = u16(0xC803) + u16(20) + u32(p.cid) + u16(p.ns) + u16(p.nr) + u16(8) + u16(9) + u16(0) + u16(4)
    check("5.4.1", "a vendor's message is none of ours", p.say(77, octets=body) is not None and p.alive())
    p.raw(u16(0xC803) + u16(12) + u32(p.cid) + u16(p.ns) + u16(p.nr))
    check("6.15", "a ZLB takes no number", p.alive() and p.call() is not None)
    ended(p, "headers")


def again(p, octets):
    p.raw(octets)
    m = p.hear(5)
    return m is not None and m["type"] == ACK and m["nr"] == p.ns


def window():
    """5.4.3: with a window of one, and of four where none is said, no more is under way."""
    for more, size in (((avp(10, u16(1)),), 1), ((), 4)):
        p = Peer("plain")
        p.up(*more)
        for n in range(8):
            p.raw(p.message(ICRQ, b"".join(p.asked(2000 + n)), p.ns + n))
        seen, m = set(), p.hear(15)
        while m:
            if m["type"] == ICRP:
                seen.add(m["ns"])
            m = p.hear(PATIENCE / 2 if seen else 15)
        check("4.2", f"a receive window of {size}: no more are under way", p.nr in seen and len(seen) <= size, sorted(seen))
        p.ns, answered = p.ns + 8, 0
        for _ in range(60):
            m = p.hear(2)
            p.nr += bool(m and m["ns"] == p.nr and m["type"] == ICRP)
            answered = p.nr - 1
            p.ack()
            if answered == 8:
                break
        check("4.2", "and then the others", answered == 8, answered)
        p.stop()


def authenticated(ip):
    p = opened("auth", ip=ip, secret=SECRET)
    stop = avp(1, u16(1)) + avp(61, u32(p.id))
    ignored(p, "5.4.1", "a StopCCN with a wrong digest", p.message(STOPCCN, stop, p.ns, spoil=True))
    ignored(p, "4.3", "without a digest", p.sealed(STOPCCN, stop, p.ns, []))
    ignored(p, "5.4.1", "with a digest that is not behind Message Type",
            p.sealed(STOPCCN, stop, p.ns, [(0, SECRET)], front=avp(36, bytes(16))))
    ignored(p, "5.4.1", "with digests under an empty secret", p.sealed(STOPCCN, stop, p.ns, [(0, b"")]))
    ignored(p, "5.4.1", "with two wrong digests", p.sealed(STOPCCN, stop, p.ns, [(0, None), (1, None)]))
    ignored(p, "5.4.1", "with a digest of an unknown type", p.sealed(STOPCCN, stop, p.ns, [(9, None)]))
    ignored(p, "6.15", "a ZLB where there is authentication", u16(0xC803) + u16(12) + u32(p.cid) + u16(p.ns) + u16(p.nr))
    check("5.4.1", "the second of two digests is right", p.say(HELLO, octets=p.sealed(HELLO, b"", p.ns, [(0, None), (1, SECRET)])) is not None)
    check("5.4.1", "the first of two", p.say(HELLO, octets=p.sealed(HELLO, b"", p.ns, [(1, SECRET), (0, None)])) is not None)
    check("5.4.1", "beside one of an unknown type", p.say(HELLO, octets=p.sealed(HELLO, b"", p.ns, [(9, None), (0, SECRET)])) is not None)
    check("5.4.1", "and the connection stands", p.call() is not None)
    ended(p, "authentication")
    for name, secret, kind in (("the old secret", SECRET, 0), ("the new one", NEW, 0), ("the new one, SHA-1", NEW, 1)):
        p = Peer("changing", ip=ip, secret=secret, kind=kind)
        p.secrets = [SECRET, NEW]
        m = p.up()
        check("5.4.1", f"while a secret is being changed, {name}", m is not None and p.call() is not None)
        check("5.4.1", f"{name}: two digests, one by each", m is not None and [a for _, a, _, _, _ in m["avps"][1:3]] == [59, 59])
        ended(p, f"changing, {name}")
    p = opened("plain", ip=ip)
    ignored(p, "4.3", "without authentication: a digest that is wrong", p.sealed(STOPCCN, stop, p.ns, [(0, SECRET)]))
    check("4.3", "and one that is right is an integrity check", p.say(HELLO, octets=p.sealed(HELLO, b"", p.ns, [(0, b"")])) is not None)
    p.stop()


# ---- calls -----------------------------------------------------------------------------------------------------------


def calls():
    p = opened("plain")

    def refused(clause, what, want, m):
        got = result(m) if m is not None and m["type"] == CDN else None
        check(clause, what, got is not None and got[0] == want[0] and want[1] in (None, got[1]), got or (m and m["type"]))
        return m

    def ask(session, *more, **how):
        return p.say(ICRQ, *p.asked(session, **how), *more, until=(ICRP, CDN))

    def answered(clause, what, m):
        return check(clause, what, m is not None and m["type"] == ICRP, result(m) if m and m["type"] == CDN else "")

    refused("5.4.4", "another pseudowire: CDN 14", (14, None), ask(1001, pw=5))
    m = refused("5.4.4", "sequencing without a sublayer: CDN 15", (15, None), ask(1002, avp(70, u16(2))))
    check("5.4.4", "the CDN names our session", m is not None and get(m, 64) == u32(1002))
    m = refused("5.2", "an unknown AVP with M: CDN 2/8", (2, 8), ask(1003, avp(9999, b"x")))
    check("5.4.2", "the Error Message names it", m is not None and b"9999" in get(m, 1)[4:])
    answered("5.2", "and without M: ignored", ask(1004, avp(9999, b"x", m=0)))
    answered("6.6", "sequencing with its sublayer", ask(1005, avp(69, u16(1)), avp(70, u16(2))))
    answered("5.2", "every M clear", ask(1006, m=0))
    answered("6.6", "all that an ICRQ may carry", ask(1007, avp(65, bytes(4)), avp(69, u16(1)), avp(70, u16(1)), avp(74, bytes(8), m=0),
             avp(75, bytes(8), m=0), avp(25, u32(1), m=0), avp(66, b"circuit"), avp(5, bytes(8))))
    for size in (0, 4, 8):
        answered("5.4.4", f"a cookie of {size} octets", ask(1010 + size, avp(65, bytes(size))))
    refused("5.4.4", "a cookie of 5 octets", (2, 2), ask(1020, avp(65, bytes(5))))
    refused("5.4.4", "an unknown sublayer", (2, None), ask(1021, avp(69, u16(9))))
    refused("5.4.4", "an unknown level of sequencing", (2, 3), ask(1022, avp(69, u16(1)), avp(70, u16(3))))
    for attr, what in ((64, "Remote Session ID"), (15, "Serial Number"), (68, "Pseudowire Type"), (71, "Circuit Status")):
        m = refused("7.1", f"an ICRQ without {what}", (2, None), ask(1030 + attr, without=(attr,)))
        check("5.4.4", "the CDN names our session", m is not None and get(m, 64) == u32(1030 + attr))
    m = refused("7.1", "an ICRQ without Local Session ID", (2, None), ask(0, without=(63,)))
    check("5.4.4", "the CDN goes to Remote Session ID 0", m is not None and get(m, 64) == u32(0))
    refused("5.4.4", "an ICRQ with Local Session ID 0", (2, 3), ask(0))
    refused("5.4.4", "an ICRQ for a session of the node's", (16, None),
            p.say(ICRQ, *p.asked(1200, without=(64,)), avp(64, u32(p.cid << 16 & 0xffff0000 | 4711)), until=(ICRP, CDN)))
    refused("7.1", "an AVP of the wrong length with M", (2, 2), ask(1201, avp(25, bytes(3))))
    answered("7.1", "and without M: ignored", ask(1202, avp(75, bytes(4), m=0)))
    for length, what in ((5, "less than its header"), (200, "beyond the message")):
        broken = u16(0x8000 | length) + u16(0) + u16(25) + u32(1)
        refused("7.1", f"an AVP whose Length is {what}", (2, 2), ask(1203 + length, broken))
    answered("7.1", "the connection stands all the while", ask(1500))
    p.stop()


def sessions():
    """The life of a session, in order and out of order."""
    p = opened("plain")

    def ids(session, remote):
        return avp(63, u32(session)), avp(64, u32(remote))

    m = p.icrq(1, status=0xfffe)
    check("5.4.5", "an inactive circuit, N and reserved bits set", m is not None)
    p.remote = struct.unpack("!I", get(m, 63))[0]
    check("5.4.5", "an SLI before the ICCN", p.say(SLI, *ids(1, 0), avp(71, u16(1))) is not None)
    p.iccn(1)
    check("5.4.5", "and its circuit is up: PPP begins", p.hear_data(lambda session, rest: session == 1 and rest[:2] == b"\xc0\x21") is not None)
    check("4.1", "no cookie where we assigned none, no sublayer where we asked for none", True)
    m = p.say(ICCN, *ids(1, p.remote), avp(74, bytes(8), m=0), avp(19, u32(1)), until=CDN)
    check("7.3.2", "an ICCN again: CDN 16", (result(m) or [0])[0] == 16, result(m))
    m = p.icrq(2)
    first = struct.unpack("!I", get(m, 63))[0]
    m = p.say(ICRQ, *p.asked(2), until=CDN)
    check("7.3.2", "an ICRQ with the id of a session that is being set up: CDN", (result(m) or [0])[0] == 16, result(m))
    check("5.4.4", "it names both ids", m is not None and (get(m, 63), get(m, 64)) == (u32(first), u32(2)))
    m = p.icrq(3)
    remote = struct.unpack("!I", get(m, 63))[0]
    check("5.4.4", "a CDN to Remote Session ID 0 finds its session by ours", p.say(CDN, avp(1, u16(3)), *ids(3, 0)) is not None)
    p.remote = remote
    p.iccn(3)
    check("7.3.2", "so that its ICCN is nobody's", p.alive() and not any(s == 3 for s, _ in p.data))
    m = p.say(ICRP, *ids(4, 0), avp(71, u16(3)), until=CDN)
    check("7.3.2", "an ICRP that was not asked for: CDN 16", (result(m) or [0])[0] == 16, result(m))
    ignored_numbers = [(kind, more) for kind, more in ((ICCN, ()), (CDN, (avp(1, u16(3)),)), (SLI, ()), (WEN, (avp(34, bytes(26)),)))]
    for kind, more in ignored_numbers:
        m = p.say(kind, *more, *ids(99, 0x7fffffff))
        check("7.3.2", f"message {kind} for a session that does not exist is acknowledged and ignored", m is not None and m["type"] == ACK, m and m["type"])
    m = p.call(5, avp(69, u16(1)), avp(70, u16(2)))
    d = p.hear_data(lambda session, rest: session == 5)
    check("4.6", "numbers begin at zero, with S, where all data is to be sequenced", d is not None and d[1][:14] == b"cookie12\x40\0\0\0\xc0\x21", d and d[1][:14].hex())
    m = p.say(OCRP, *ids(5, p.remote), avp(71, u16(3)), until=CDN)
    check("7.4", "an OCRP for an incoming call: CDN 16", (result(m) or [0])[0] == 16, result(m))
    p.call(6)
    m = p.say(SLI, *ids(6, p.remote), avp(9999, b"x"), until=CDN)
    check("5.2", "an unknown AVP with M in an SLI: CDN 2/8", result(m) == (2, 8), result(m))
    ended(p, "sessions")


def outgoing():
    """The node as LAC: it places the calls that we ask for."""
    p = opened("lac")
    ids = avp(63, u32(21)), avp(64, u32(0))
    ask = avp(15, u32(1)), avp(68, u16(7)), avp(71, u16(3)), avp(66, b"anybody"), avp(18, u32(1)), avp(19, u32(1)), avp(21, b"5551000")
    m = p.say(OCRQ, *ids, *ask, avp(65, b"cookie12"), until=(OCRP, CDN))
    check("7.4.2", "OCRQ is answered by OCRP", m is not None and m["type"] == OCRP and get(m, 64) == u32(21), result(m))
    check("5.4.5", "OCRP has Circuit Status", m is not None and get(m, 71) is not None)
    m = p.wait(OCCN)
    check("7.4.2", "and by OCCN when the call is placed", m is not None and get(m, 64) == u32(21) and get(m, 63))
    m = p.say(ICRQ, *p.asked(22), until=(ICRP, CDN))
    check("7.3.2", "an incoming call to a LAC: CDN", m is not None and m["type"] == CDN)
    m = p.say(OCRQ, avp(63, u32(23)), avp(64, u32(0)), *ask[:1], *ask[2:], until=(OCRP, CDN))
    check("6.9", "an OCRQ without Pseudowire Type: CDN", m is not None and m["type"] == CDN and get(m, 64) == u32(23))
    m = p.say(OCRQ, avp(63, u32(24)), avp(64, u32(0)), ask[0], avp(68, u16(4)), *ask[2:], until=(OCRP, CDN))
    check("5.4.4", "an OCRQ for another pseudowire: CDN 14", (result(m) or [0])[0] == 14)
    ended(p, "outgoing")


def twice():
    """4.2, 7.5: what comes again, late, or ahead of order."""
    p = Peer("plain")
    octets = p.message(SCCRQ, b"".join(p.who()), 0)
    m = p.say(SCCRQ, octets=octets, until=SCCRP)
    check("3.3.1", "an SCCRQ is answered", m is not None)
    first = get(m, 61)
    p.raw(octets)
    p.cid = struct.unpack("!I", first)[0]
    seen = [x for x in (p.hear(PATIENCE) for _ in range(3)) if x]
    check("4.2", "an SCCRQ that comes again is no second connection", all(get(x, 61) in (None, first) for x in seen) and
          p.say(SCCCN) is not None)
    late, ns = p.message(ICRQ, b"".join(p.asked(31)), p.ns), p.ns
    p.ns += 1
    p.raw(p.message(ICRQ, b"".join(p.asked(32)), p.ns))
    p.raw(late)
    p.ns += 1
    got = []
    while len(got) < 2 and (m := p.hear(15)):
        if m["type"] == ICRP and m["ns"] == p.nr:
            got.append(get(m, 64))
            p.nr += 1
            p.ack()
        elif m["type"] == ACK and m["nr"] == (ns + 1) & 0xffff:
            p.raw(p.message(ICRQ, b"".join(p.asked(32)), p.ns - 1))  # it may have been dropped: then it goes again
    check("4.2", "what comes ahead of order is taken in order", got == [u32(31), u32(32)], got)
    stop = p.message(STOPCCN, avp(1, u16(1)) + avp(61, u32(p.id)), p.ns)
    check("3.3.2", "a StopCCN is acknowledged", p.stop() is not None)
    for _ in range(2):
        check("3.3.2", "and so is its copy, for a full retransmission cycle", again(p, stop))


# ---- the node begins -------------------------------------------------------------------------------------------------


TWINCTL = []


def command(*words):
    r = subprocess.run([*TWINCTL, "raw", "tunnel-ctl", *words], capture_output=True, text=True)
    if r.returncode:
        raise labs.Trouble(f"{' '.join(words)}: {r.stderr.strip() or r.stdout.strip()}")


def dialled(ip):
    """The node opens the connection and the call."""
    p = Peer("peer", ip=ip, secret=SECRET, port=0 if ip else 1701)
    command("call", "dial", "ip" if ip else "udp", "5551000", "tx=123456789")
    m = p.asked_by_node()
    if not check("7.2", "the node sends an SCCRQ", m is not None):
        return
    check("6.1", "it has Host Name, Router ID, id, pseudowires", all(get(m, a) for a in (7, 60, 61, 62)) and u16(7) in (get(m, 62)[:2],))
    check("5.4.3", "a tie breaker of 8 octets, and a window that is not zero", len(get(m, 5) or b"") == 8 and get(m, 10) not in (u16(0), None))
    check("5.4.1", "a nonce of 16 octets or more", len(get(m, 73) or b"") >= 16)
    check("3.2.1", "id 0 is in its header, and Ns 0", m["cid"] == 0 and (m["ns"], m["nr"]) == (0, 0))
    bare = p.sealed(SCCRP, b"".join(a for n, a in zip((73,), [avp(73, p.nonce)])) + b"".join(p.who(without=(73,))), 0, [])
    p.raw(bare)
    m = p.say(SCCRP, *p.who(), until=SCCCN)
    check("5.4.1", "an SCCRP without a digest is dropped, one with it is answered by SCCCN", m is not None)
    p.ack()
    m = p.wait(ICRQ)
    if check("7.3.1", "and the call's ICRQ follows", m is not None):
        session = get(m, 63)
        check("6.6", "Local and Remote Session ID, Serial Number, Pseudowire Type, Circuit Status",
              session and get(m, 64) == u32(0) and get(m, 15) and get(m, 68) == u16(7) and get(m, 71) == u16(3))
        m = p.say(ICRP, avp(63, u32(41)), avp(64, session), avp(71, u16(3)), avp(65, b"cookie12"), avp(69, u16(1)), until=ICCN)
        check("6.8", "ICCN names both ids and a speed", m is not None and (get(m, 63), get(m, 64)) == (session, u32(41)) and
              get(m, 74) == struct.pack("!Q", 123456789))
        p.ack()
        m = p.say(CDN, avp(1, u16(3)), avp(63, u32(41)), avp(64, session))
        check("6.12", "a CDN is acknowledged", m is not None)
    ended(p, "dialled")


def answered_badly():
    """An SCCRP that cannot be, in answer to the node's SCCRQ."""
    for clause, what, want, pw, without, more in (
            ("5.2", "an unknown AVP with M", (2, 8), u16(7), (), [avp(9999, b"x")]),
            ("6.2", "no Router ID", (2, None), u16(7), (60,), []),
            ("PPP", "no PPP among the pseudowires", (2, None), u16(5), (), []),
            ("5.4.3", "a receive window of zero", (2, 3), u16(7), (), [avp(10, u16(0))])):
        p = Peer("peer", secret=SECRET, port=1701)
        command("tunnel", "open", p.us, "profile=peer")
        if check("7.2", "the node sends an SCCRQ", p.asked_by_node() is not None):
            m = p.say(SCCRP, *p.who(pw, without), *more, until=(SCCCN, STOPCCN))
            got = result(m) if m and m["type"] == STOPCCN else None
            check(clause, f"an SCCRP with {what}: StopCCN", got is not None and got[0] == want[0] and want[1] in (None, got[1]), got)
            check("6.4", "it names the node's id", m is not None and get(m, 61) == u32(p.cid))
            p.ack()
        p.sock.close()


def kept_up_and_closed():
    """What a node says of itself: Hellos in silence, a CDN and a StopCCN when its operator ends something."""
    p = opened("brisk", secret=SECRET)
    m = p.wait(HELLO)
    check("4.4", "a Hello after a second of silence, with nothing in it", m is not None and [a for _, a, _, _, _ in m["avps"]] == [0, 59])
    p.call(51)
    command("call", "clear", f"{p.cid & 0xffff}/{p.remote & 0xffff}")
    m = p.wait(CDN)
    check("6.12", "a CDN names the result and both ids", m is not None and result(m)[0] == 3 and
          (get(m, 63), get(m, 64)) == (u32(p.remote), u32(51)))
    command("tunnel", "close", str(p.cid & 0xffff))
    m = p.wait(STOPCCN)
    check("6.4", "a StopCCN names the result and the node's id", m is not None and result(m)[0] == 1 and get(m, 61) == u32(p.cid))
    check("5.4.1", "every message of the node is as it must be", not p.bad, p.bad[:2])


def tied(what, value, stop, reply):
    """5.4.3: both ends ask at once; `value` is our tie breaker, made of the node's."""
    p = Peer("peer", secret=SECRET, port=1701)
    command("tunnel", "open", p.us, "profile=peer")
    m = p.asked_by_node()
    if not check("7.2", "the node sends an SCCRQ", m is not None):
        return
    theirs, its, p.nr, p.cid = get(m, 5), p.cid, 0, 0
    mine = value(theirs)
    more = [avp(5, mine)] if mine else []
    if stop or reply:
        m = p.request(*more, until=(SCCRP, STOPCCN))
    else:  # once: whoever has discarded it does not send it again
        p.raw(p.message(SCCRQ, b"".join(p.who() + more), 0))
        m = next((x for x in (p.hear(PATIENCE) for _ in range(5)) if x and x["type"] != SCCRQ), None)
    check("5.4.3", what, (m and m["type"]) == (STOPCCN if stop else SCCRP if reply else None), m and m["type"])
    if reply and m:
        p.cid = struct.unpack("!I", get(m, 61))[0]
        check("5.4.3", "and the connection of the winner comes up", p.say(SCCCN) is not None and p.alive())
        ended(p, what)
    elif m:
        p.cid = struct.unpack("!I", get(m, 61))[0]
        p.ack()
        # The node's own request stands: it is refused, by somebody whose nonce it has not heard.
        p.cid, p.ns, p.nr, p.nonce, p.id = its, 0, 1, b"", dice.randrange(1 << 16, 1 << 32)
        check("5.4.3", "the request that has won waits for its answer", p.stop() is not None)
    p.sock.close()


def ties():
    tied("the lower value wins: ours is answered", lambda t: bytes(8), False, True)
    tied("the higher one loses: StopCCN", lambda t: b"\xff" * 8, True, False)
    tied("none loses against one: StopCCN", lambda t: None, True, False)
    tied("equal ones both end", lambda t: t, False, False)


def both_versions():
    p = Peer("either")
    v2 = (avp(2, b"\1\0") + avp(3, u32(3)) + avp(9, u16(4711)) + avp(7, b"either") + avp(60, u32(77), m=0) +
          avp(61, u32(p.id), m=0) + avp(62, u16(7), m=0))
    m = p.say(SCCRQ, until=SCCRP, octets=p.message(SCCRQ, v2, 0, ver=2))
    check("4.7.3", "a request in both forms is answered in L2TPv3", m is not None and m["cid"] == p.id)
    if m:
        p.cid = struct.unpack("!I", get(m, 61))[0]
        check("4.7.3", "and the connection comes up", p.say(SCCCN) is not None and p.call() is not None)
        ended(p, "both versions")


# ---- the run ---------------------------------------------------------------------------------------------------------


def profile(name, **more):
    return {"name": name, "host-name": name, "local-host-name": "lns", "ppp": "subs", "version": "3", **more}


def capture(lab, path):
    """Gives what ends it."""
    p = subprocess.Popen(["ip", "netns", "exec", lab.ns("lac"), "tcpdump", "-Z", "root", "-i", "access0", "-s", "0", "-U", "--immediate-mode",
                          "-w", path, "udp port 1701 or ip proto 115"], stderr=subprocess.PIPE)
    while b"listening on" not in (line := p.stderr.readline()):
        if not line:
            raise labs.Trouble("tcpdump does not listen")

    def end():
        p.send_signal(signal.SIGINT)
        p.wait()
    return end


STORIES = {
    **{f"handshake-{name}": lambda name=name, how=how: handshake(name, ("auth", "sha")[how.get("kind", 0)] if "secret" in how else "plain", **how)
       for transport, ip in (("UDP", {}), ("IP", {"ip": True}))
       for name, how in ((transport, ip), (f"{transport}, MD5", {"secret": SECRET, **ip}), (f"{transport}, SHA-1", {"secret": SECRET, "kind": 1, **ip}))},
    "both-digests": lambda: handshake("both digests", "both", secret=SECRET),
    "hiding-udp": lambda: hiding(False),
    "hiding-ip": lambda: hiding(True),
    "refusals": refusals,
    "more-of-an-sccrq": more_of_an_sccrq,
    "headers-udp": lambda: headers(False),
    "headers-ip": lambda: headers(True),
    "window": window,
    "authenticated-udp": lambda: authenticated(False),
    "authenticated-ip": lambda: authenticated(True),
    "calls": calls,
    "sessions": sessions,
    "handshake-UDP6": lambda: handshake("UDP over IPv6", "plain", v6=True),
    "handshake-IP6": lambda: handshake("IPv6", "auth", ip=True, v6=True, secret=SECRET),
    "outgoing": outgoing,
    "twice": twice,
    "dialled-udp": lambda: dialled(False),
    "dialled-ip": lambda: dialled(True),
    "answered-badly": answered_badly,
    "kept-up-and-closed": kept_up_and_closed,
    "ties": ties,
    "both-versions": both_versions,
}


def tshark(path, name):
    """Packets with a digest of the capture, and how many of them are wrong to tshark."""
    r = subprocess.run(["tshark", "-n", "-r", path, "-o", f"l2tp.shared_secret:{SECRET.decode()}", "-Y", "l2tp.avp.type == 59",
                        "-T", "fields", "-e", "_ws.expert.message"], capture_output=True, text=True, timeout=100)
    lines = r.stdout.splitlines()
    wrong = sum("igest" in line for line in lines)
    if "both" not in name:
        check("5.4.1", f"{name}: tshark computes the same digests", len(lines) > 15 and wrong == 0, f"{wrong} of {len(lines)}")
    print(f"{name}: to tshark {wrong} of {len(lines)} packets with digests are wrong")


def with_tshark(lab, name, story):
    end = capture(lab, f"{lab.dir}/{name}.pcap")
    story()
    end()
    tshark(f"{lab.dir}/{name}.pcap", name)


def main():
    lab = labs.Lab(workers=1)
    with open(f"{lab.dir}/users", "w") as f:
        f.write("")
    Peer.space = Space(lab.ns("lac"))
    secret = {"require-auth": True, "secret": SECRET.decode()}
    node = lab.node("a", **{
        "service-address": [{"interface": "access0", "address": Peer.node, "prefix-length": 24},
                            {"interface": "access0", "address": Peer.node6, "prefix-length": 64},
                            {"interface": "core0", "address": "10.20.0.1", "prefix-length": 24}],
        "data-plane/listen": [{"address": Peer.node}, {"address": Peer.node6}], "data-plane/ip-protocol": [115],
        "aaa": {"mode": "local", "users-file": f"{lab.dir}/users"},
        "profile": [profile("plain"), profile("auth", **secret), profile("sha", **secret, l2tpv3={"digests": "hmac-sha1"}),
                    profile("both", **secret, l2tpv3={"digests": "hmac-md5 hmac-sha1"}),
                    profile("hiding", **secret, hide=True), profile("changing", **secret, l2tpv3={"second-secret": NEW.decode()}),
                    profile("old", version="2"), profile("either", version="both"), profile("lac", roles="lac"),
                    profile("brisk", **secret, **{"hello-interval": 1000}),
                    profile("peer", roles="lac", **secret), profile("peer-ip", roles="lac", **secret, l2tpv3={"transport": "ip"})],
        "lns-group": [{"name": n, "member": [{"address": Peer.us}], "profile": p} for n, p in (("udp", "peer"), ("ip", "peer-ip"))]})
    labs.sh(f"ip -n {lab.ns('lac')} addr add {Peer.us}/24 dev access0 || true")
    labs.sh(f"ip -n {lab.ns('lac')} -6 addr add {Peer.us6}/64 dev access0 nodad || true")
    node.wait("active")
    TWINCTL.extend([f"{labs.BIN}/twinctl", "--config", node.conf])
    for name, story in STORIES.items():
        if not sys.argv[1:] or any(w in name for w in sys.argv[1:]):
            before, began = done, time.monotonic()
            if "-" in name and name.split(", ")[-1] in ("MD5", "SHA-1", "both-digests") and shutil.which("tshark"):
                with_tshark(lab, name, story)
            else:
                story()
            print(f"{name}: {done - before} checks in {time.monotonic() - began:.1f} s", flush=True)
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
