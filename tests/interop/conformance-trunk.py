# SPDX-License-Identifier: Apache-2.0
"""Conformance of a node as one end of a trunk, as the other end sees it.

The peer is conformance-ppp.py's (a LAC, PPP, a host behind the node); here are an end of RFC 3544's negotiation and of
RFC 3153's multiplexing that says every odd thing, and reads what comes octet by octet.  Written from RFC 3153, 3544, 4170
and 1661; nothing is shared with the node.  What is compressed is crtp_peer.py's.

    conformance-trunk.sh [STORY...]      only those whose name contains one of the words; -v: each check
"""

import importlib.machinery
import importlib.util
import os
import struct
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("peer", os.path.join(here, "conformance-ppp.py"))
peer = importlib.util.module_from_spec(importlib.util.spec_from_loader("peer", loader))
loader.exec_module(peer)
from_peer = ("LCP IPCP IP6CP IP4 REQ ACK NAK REJ TREQ TACK CODEREJ PROTREJ ECHO REPLY MRU PFC ACFC DNS1 QUIET PATIENCE Nothing enc dec "
             "udp ipv4 a4")
globals().update({k: getattr(peer, k) for k in from_peer.split()})

MUX, MUXCP = 0x0059, 0x8059
PID = 0x2067  # the node's default PID, as configured below
EF = 46 << 2
HC = {"enabled": True, "non-tcp-space": 255}
PPPS = [{"name": "trunk", "auth": ["none"], "header-compression": HC, "multiplexing": {"enabled": True, "time": 20000, "default-pid": PID}},
        {"name": "mux", "auth": ["none"], "multiplexing": {"enabled": True, "time": 20000, "default-pid": PID, "packets": 4}},
        {"name": "plain", "auth": ["none"]}]


def hc(tcp=15, non_tcp=15, period=256, seconds=5, header=168, subs=b"\x02\x02", proto=0x61):
    return struct.pack("!6H", proto, tcp, non_tcp, period, seconds, header) + subs


def begun(w, host, lcp=()):
    """LCP is open, without authentication; the NCPs of the node have begun."""
    c = w.tunnel(host).call()
    c.lcp(list(lcp))
    return c


def ask_again(c, proto, options):
    """As a peer that does as it is told: until it is acknowledged."""
    for _ in range(6):
        f = c.ask(proto, options)
        if f["code"] == ACK:
            return options
        told = dict(dec(f["data"]))
        options = [(k, told.get(k, v)) if f["code"] == NAK else (k, v) for k, v in options if f["code"] == NAK or k not in told]
    raise Nothing(f"agreement on {proto:#06x}")


def opened(c, more=(), mux=None):
    """IPCP, with more options of ours; PPPMuxCP with our default PID (None: without the option)."""
    c.their_request(IPCP)
    c.ip = dict(ask_again(c, IPCP, [(3, bytes(4)), *more]))[3]
    if mux is not False:
        c.their_request(MUXCP)
        ask_again(c, MUXCP, [] if mux is None else [(1, struct.pack("!H", mux))])
    c.t.world.until(lambda: c.show().get("subscriber", {}).get("forwarding"))
    return c


def voice(w, c, size=20, tos=EF):
    """An IP packet of the peer's that the host will know."""
    m = w.mark()
    return m, ipv4(c.ip, a4(DNS1), udp(c.ip, a4(DNS1), m + bytes(size)), tos=tos)


def sub(info, proto=None, wide=False, long=False):
    """A subframe: `wide` the protocol in two octets always, `long` the length in two."""
    pid = b"" if proto is None else struct.pack("!H", proto) if wide or proto > 0xFF else bytes([proto])
    n = len(pid) + len(info)
    pff = 0 if proto is None else 0x80
    return (bytes([pff | 0x40 | n >> 8, n & 0xFF]) if long or n > 63 else bytes([pff | n])) + pid + info


def arrives(w, c, frame, marks, seconds=PATIENCE, **how):
    """The frame is sent until what is expected of it has come; the worker hears of the agreement a moment later."""
    missing = list(marks)
    end = time.monotonic() + seconds
    while missing and time.monotonic() < end:
        c.send(MUX, frame, **how)
        missing = [m for m in missing if not w.core.marked(m, 0.3)]
    return not missing


def subframes(info, default):
    """What a receiver of RFC 3153, 1.3 reads: (protocol, octets, PFF); an exception for what no transmitter may send."""
    out, last = [], default
    while info:
        bits, at = info[0], 1
        n = bits & 0x3F
        if bits & 0x40:
            n, at = n << 8 | info[1], 2
            if n < 64:
                raise ValueError(f"{n} octets with LXT set")
        body = info[at:at + n]
        if len(body) != n or n == 0:
            raise ValueError(f"LEN {n} of {len(info) - at}")
        if bits & 0x80:
            one = body[0] & 1
            last = body[0] if one else struct.unpack("!H", body[:2])[0]
            if not one and last < 0x100:
                raise ValueError("a protocol that could be compressed")
            body = body[1 if one else 2:]
        if last is None:
            raise ValueError("no protocol, and none is known")
        out.append((last, body, bool(bits & 0x80)))
        info = info[at + n:]
    return out


# --- IP-Compression-Protocol: what the peer asks for -----------------------------------------------------------

ROWS = (  # RFC 3544: what is asked, the answer's code, its octets (None: as asked)
    ("2.3", "enhanced", hc(), ACK, None),
    ("2.2", "RFC 2508", hc(subs=b"\x01\x02"), ACK, None),
    ("2.1", "neither: RFC 2507 alone", hc(subs=b""), ACK, None),
    ("2.4", "no TCP contexts", hc(subs=b"\x02\x02\x03\x03\x01"), ACK, None),
    ("2.4", "no other contexts", hc(subs=b"\x03\x03\x02"), ACK, None),
    ("2.4", "suboption 3 twice, with 1 and 2", hc(subs=b"\x03\x03\x01\x03\x03\x02\x02\x02"), ACK, None),
    ("2.1", "spaces of 0, no limits", hc(0, 0, 0, 0, 28), ACK, None),
    ("2.1", "all spaces as large as can be", hc(255, 65535, 65535, 65535, 65535), ACK, None),
    ("2.1", "TCP_SPACE 256", hc(256, 7, subs=b"\x01\x02"), NAK, hc(255, 7, subs=b"\x01\x02")),
    ("2.1", "an unknown suboption", hc(9, 7, subs=b"\x01\x02\x09\x04ab"), NAK, hc(9, 7, subs=b"\x01\x02")),
    ("2.4", "suboption 3 with 3", hc(subs=b"\x02\x02\x03\x03\x03"), NAK, hc()),
    ("2.1", "13 octets", hc()[:11], NAK, "ours"),
    ("2.2", "suboption 1 of 3 octets", hc(subs=b"\x01\x03\x00"), NAK, "ours"),
    ("2.3", "suboption 2 of 1 octet", hc(subs=b"\x02\x01"), NAK, "ours"),
    ("2.4", "suboption 3 of 2 octets", hc(subs=b"\x03\x02"), NAK, "ours"),
    ("2.1", "a suboption that runs over", hc(subs=b"\x02\x09"), NAK, "ours"),
    ("2.1", "half a suboption", hc(subs=b"\x02"), NAK, "ours"),
    ("RFC 1332 3.2", "Van Jacobson's", b"\x00\x2d\x0f\x01", REJ, None),
    ("RFC 3241 2.1", "ROHC", b"\x00\x03\x00\x0f\x00\xa8\x00\x00", REJ, None),
    ("RFC 1661 5.1", "an option of no value", b"", REJ, None),
    ("RFC 1661 5.1", "of one octet", b"\x00", REJ, None),
)


def s_option_asked(w, ck):
    for proto in (IPCP, IP6CP):
        c = begun(w, "trunk")
        mine = [(3, bytes(4))] if proto == IPCP else [(1, b"\x02\x00\x00\xff\xfe\x00\x00\x07")]
        mine = ask_again(c, proto, mine)
        theirs = dict(dec(c.want(proto, REQ)["data"]))[2]
        for clause, what, asked, code, answer in ROWS:
            f = c.ask(proto, mine + [(2, asked)])
            got = dict(dec(f["data"])).get(2)
            want = asked if answer is None else theirs if answer == "ours" else answer
            ck(f["code"] == code and got == want, f"RFC 3544 {clause}" if clause[0].isdigit() else clause,
               f"{proto:#06x}: {what}: code {f['code']} {got and got.hex()}")
            ask_again(c, proto, mine)  # naks in a row have their limit (RFC 1661, 4.6)
        f = c.ask(proto, mine + [(2, b"\x00\x2d\x0f\x01"), (2, hc())])
        ck(f["code"] == REJ and dec(f["data"]) == [(2, b"\x00\x2d\x0f\x01")], "RFC 3241 2.1",
           f"{proto:#06x}: beside another protocol only that is rejected: {f['data'].hex()}")
        f = c.ask(proto, mine + [(2, hc()), (2, hc(header=100))])
        ck(f["code"] == REJ and dec(f["data"]) == [(2, hc(header=100))], "RFC 3241 2.1",
           f"{proto:#06x}: of one protocol there is one: {f['data'].hex()}")
        ck(c.alive(), "robustness", "the link lives")
    c = begun(w, "plain")
    f = c.ask(IPCP, [(2, hc())])
    ck(f["code"] == REJ and dec(f["data"]) == [(2, hc())], "RFC 1661 5.4", "where it is not configured: rejected")


# --- IP-Compression-Protocol: what the peer answers ------------------------------------------------------------

ANSWERS = (  # to the node's 15, 255, 256, 5, 168, enhanced, no TCP; what it asks for then (None: not any more)
    ("2.1", "less of everything", NAK, hc(3, 7, 16, 2, 100, b"\x02\x02"), hc(3, 7, 16, 2, 100, b"\x02\x02\x03\x03\x01")),
    ("2.2", "RFC 2508 instead", NAK, hc(15, 255, subs=b"\x01\x02"), hc(15, 255, subs=b"\x01\x02\x03\x03\x01")),
    ("2.1", "no RTP at all", NAK, hc(15, 255, subs=b""), hc(15, 255, subs=b"\x03\x03\x01")),
    ("2.4", "no contexts but TCP's", NAK, hc(15, 255, subs=b"\x02\x02\x03\x03\x02"), hc(15, 255, subs=b"\x02\x02\x03\x03\x01\x03\x03\x02")),
    ("2.1", "limits of 0 are none", NAK, hc(15, 255, 0, 0), hc(15, 255, subs=b"\x02\x02\x03\x03\x01")),
    ("2.1", "more than there is", NAK, hc(255, 65535, 1000, 60, 500), hc(15, 255, subs=b"\x02\x02\x03\x03\x01")),
    ("2.1", "an unknown suboption with it", NAK, hc(15, 7, subs=b"\x02\x02\x09\x02"), hc(15, 7, subs=b"\x02\x02\x03\x03\x01")),
    ("2.1", "nonsense", NAK, hc()[:9], None),
    ("RFC 1332 3.2", "Van Jacobson's", NAK, b"\x00\x2d\x0f\x01", None),
    ("RFC 1661 5.4", "a Reject", REJ, None, None),
)


def s_option_answered(w, ck):
    for n, (clause, what, code, wish, then) in enumerate(ANSWERS):
        c = begun(w, "trunk")
        f, theirs = c.their_request(IPCP, ack=False)
        ours = dict(theirs)[2]
        ck(n or ours == hc(15, 255, subs=b"\x02\x02\x03\x03\x01"), "RFC 3544 2.1", f"what the node's decompressor takes: {ours.hex()}")
        c.packet(IPCP, code, f["id"], enc([(2, ours if wish is None else wish)]))
        f, theirs = c.their_request(IPCP)
        got = dict(theirs).get(2)
        ck(got == then, f"RFC 3544 {clause}" if clause[0].isdigit() else clause, f"{what}: then {got and got.hex()}")
        c.ip = dict(ask_again(c, IPCP, [(3, bytes(4))]))[3]
        m, packet = voice(w, c)
        ck(w.until(lambda: c.send(IP4, packet) or w.core.marked(m, 0.3)), "RFC 3544 2", f"after {what}: plain packets pass")


def s_option_never_content(w, ck):
    """It naks for ever, with what the node does not do: IPCP opens without the option."""
    c = begun(w, "trunk")
    for n in range(20):
        f, theirs = c.their_request(IPCP, ack=False)
        if 2 not in dict(theirs):
            break
        c.packet(IPCP, NAK, f["id"], enc([(2, hc(non_tcp=65535))]))
    c.packet(IPCP, ACK, f["id"], f["data"])
    c.ip = dict(ask_again(c, IPCP, [(3, bytes(4))]))[3]
    m, packet = voice(w, c)
    ck(n <= 4 and w.until(lambda: c.send(IP4, packet) or w.core.marked(m, 0.3)), "RFC 1661 4.6", f"after {n} Naks it goes on without")


# --- PPPMuxCP --------------------------------------------------------------------------------------------------

def s_muxcp(w, ck):
    c = begun(w, "mux")
    f, theirs = c.their_request(MUXCP, ack=False)
    ck(theirs == [(1, struct.pack("!H", PID))] and len(f["data"]) == 4, "RFC 3153 2", f"Default PID: {f['data'].hex()}")
    wish = [(1, struct.pack("!H", PID))]
    for what, raw, code, answer in (
            ("without the option", b"", NAK, wish), ("no protocol number", b"\x01\x04\x00\x00", NAK, wish),
            ("of 3 octets", b"\x01\x03\x21", NAK, wish), ("of 5 octets", b"\x01\x05\x00\x21\x00", NAK, wish),
            ("twice", b"\x01\x04\x00\x21\x01\x04\x00\x57", REJ, [(1, b"\x00\x57")]),
            ("with an unknown one", b"\x01\x04\x00\x21\x02\x03\x09", REJ, [(2, b"\x09")]),
            ("of one octet", b"\x01\x04\x00\x21", ACK, [(1, b"\x00\x21")]),
            ("LCP's", b"\x01\x04\xc0\x21", ACK, [(1, b"\xc0\x21")]), ("of two octets", b"\x01\x04\x20\x69", ACK, [(1, b"\x20\x69")])):
        ask_again(c, MUXCP, wish)  # naks in a row have their limit (RFC 1661, 4.6)
        f = c.ask(MUXCP, None, raw=raw)
        ck(f["code"] == code and dec(f["data"]) == answer, "RFC 3153 2", f"{what}: code {f['code']} {f['data'].hex()}")
    for what, code, body in (("a code that is unknown", 8, b""), ("Echo-Request, which is LCP's", ECHO, bytes(4))):
        c.id = c.id % 250 + 1
        c.packet(MUXCP, code, c.id, body)
        ck(c.get(MUXCP, CODEREJ), "RFC 3153 2", f"{what}: Code-Reject")
    for what, raw in (("a length that runs over", b"\x01\x06\x00\x21"), ("an option of length 1", b"\x01\x01"), ("of length 0", b"\x01\x00")):
        c.forget()
        c.packet(MUXCP, REQ, 240, raw)
        ck(c.none(MUXCP, (ACK, NAK)), "RFC 1661 6", f"{what} is not agreed on")
    ck(c.alive(), "robustness", "the link lives")


def s_muxcp_answered(w, ck):
    for what, code, data, then in (
            ("another PID", NAK, b"\x01\x04\x00\x21", [(1, b"\x00\x21")]), ("one that is none", NAK, b"\x01\x04\x00\x22", [(1, struct.pack("!H", PID))]),
            ("of wrong length", NAK, b"\x01\x03\x21", [(1, struct.pack("!H", PID))]), ("nothing", NAK, b"", [(1, struct.pack("!H", PID))]),
            ("a Reject", REJ, None, [])):
        c = begun(w, "mux")
        f, theirs = c.their_request(MUXCP, ack=False)
        c.packet(MUXCP, code, f["id"], f["data"] if data is None else data)
        f, theirs = c.their_request(MUXCP)
        ck(theirs == then, "RFC 3153 2", f"naked with {what}: then {f['data'].hex()}")
        ask_again(c, MUXCP, [(1, b"\x00\x21")])
        c.their_request(IPCP)
        c.ip = dict(ask_again(c, IPCP, [(3, bytes(4))]))[3]
        m, packet = voice(w, c)
        ck(arrives(w, c, sub(packet, IP4) + sub(packet), [m]), "RFC 3153 2", f"after {what}: frames are taken")
        m, packet = voice(w, c)
        first = struct.unpack("!H", dict(then)[1])[0] if then else None
        if first == IP4:
            ck(arrives(w, c, sub(packet), [m]), "RFC 3153 1.3", "the first subframe takes the PID that was agreed on")
        else:
            c.send(MUX, sub(packet))
            ck(w.core.marked(m, QUIET) is None and c.alive(), "RFC 3153 1.3", f"a first subframe of {first}: not taken for IPv4")


def s_muxcp_refused(w, ck):
    """8059 is rejected, 0059 is, PPPMuxCP is ended, or never spoken: packets go plain, the link lives."""
    for what in ("8059 rejected", "0059 rejected", "terminated", "silence"):
        c = begun(w, "mux")
        if what == "silence":
            opened(c, mux=False)
        elif what == "8059 rejected":
            f, _ = c.their_request(MUXCP, ack=False)
            c.packet(LCP, PROTREJ, 77, struct.pack("!HBBH", MUXCP, REQ, f["id"], 4 + len(f["data"])) + f["data"])
            opened(c, mux=False)
        else:
            opened(c, mux=IP4)
            c.packet(*((LCP, PROTREJ, 77, struct.pack("!H", MUX) + b"\x02\x45\x00") if what[0] == "0" else (MUXCP, TREQ, 78)))
        if what == "terminated":
            ck(c.get(MUXCP, TACK, ident=78), "RFC 1661 5.5", "PPPMuxCP: Terminate-Ack")
        c.forget()
        h = a4(DNS1)

        def down():
            for n in range(3):
                w.core.send(ipv4(h, c.ip, udp(h, c.ip, b"%d" % n), tos=EF))
            return [f for f in (c.get(IP4, seconds=0.5) for _ in range(3)) if f]
        ck(w.until(lambda: len(down()) == 3), "RFC 1661 5.7", f"{what}: packets go plain")
        c.forget()
        down()
        ck(c.none(MUX), "RFC 3153 2", f"{what}: and in no frame")
        c.id += 1
        c.packet(LCP, ECHO, c.id, bytes(4))
        ck(c.get(LCP, REPLY, ident=c.id), "RFC 3153 2", f"{what}: the link lives")


# --- frames to the node ----------------------------------------------------------------------------------------

def s_before_it_is_open(w, ck):
    c = begun(w, "plain")
    c.send(MUX, sub(b"\x45\x00", IP4))
    f = c.get(LCP, PROTREJ)
    ck(f and f["data"][:2] == b"\x00\x59", "RFC 1661 5.7", "not configured: Protocol-Reject")
    c = begun(w, "mux")
    c.their_request(IPCP)
    c.ip = dict(ask_again(c, IPCP, [(3, bytes(4))]))[3]
    ask_again(c, MUXCP, [(1, b"\x00\x21")])  # and our Ack of its request is "lost"
    m, packet = voice(w, c)
    c.send(MUX, sub(packet, IP4))
    ck(c.none(LCP, PROTREJ) and w.core.marked(m, 0) is None, "RFC 1661 3.5", "while PPPMuxCP is negotiated: silently discarded")
    c.their_request(MUXCP)
    m, packet = voice(w, c)
    ck(arrives(w, c, sub(packet, IP4), [m]), "RFC 3153 2", "and taken when it is open")


def s_frames(w, ck):
    c = opened(begun(w, "mux", [(PFC, b""), (ACFC, b"")]), mux=0x0057)

    def takes(what, make, n, clause="RFC 3153 1.3", lost=0, **how):
        """n packets of which the last `lost` are not to come."""
        made = [voice(w, c) for _ in range(n)]
        good, bad = [m for m, _ in made[:n - lost]], [m for m, _ in made[n - lost:]]
        ok = arrives(w, c, make([p for _, p in made]), good, **how) if good else c.send(MUX, make([p for _, p in made]), **how) is None
        ck(ok and all(w.core.marked(m, QUIET if m is bad[0] else 0) is None for m in bad), clause, what)
    for acfc in (False, True):
        for pfc in (False, True):
            takes(f"ACFC {acfc}, PFC {pfc}: a frame of three", lambda p: sub(p[0], IP4) + sub(p[1]) + sub(p[2]), 3, acfc=acfc, pfc=pfc)
    takes("one subframe alone", lambda p: sub(p[0], IP4), 1)
    takes("the protocol of every subframe", lambda p: sub(p[0], IP4) + sub(p[1], IP4), 2)
    takes("protocols of two octets, compressible or not", lambda p: sub(p[0], IP4, wide=True) + sub(p[1]), 2, "RFC 3153 1.1")
    takes("LXT with a length of less than 64", lambda p: sub(p[0], IP4, long=True) + sub(p[1], long=True), 2, "RFC 3153 1.1")
    takes("a length of 14 bits", lambda p: sub(p[0] + bytes(900), IP4) + sub(p[1]), 2, "RFC 3153 1.1")
    takes("a protocol nobody knows in between", lambda p: sub(p[0], IP4) + sub(b"abcd", 0x4021) + sub(p[1], IP4), 2)
    takes("LEN beyond the frame: what came before is kept", lambda p: sub(p[0], IP4) + sub(p[1])[:-1], 2, lost=1)
    takes("a second octet of LEN that is not there", lambda p: sub(p[0], IP4) + b"\x40", 1)
    takes("LEN 0: what came before is kept", lambda p: sub(p[0], IP4) + b"\x00", 1)
    takes("PFF without room for a protocol", lambda p: sub(p[0], IP4) + b"\x80", 1)
    takes("half a protocol", lambda p: sub(p[0], IP4) + b"\x81\x00", 1)
    takes("no protocol known: the node's default PID, which is not IPv4", lambda p: sub(p[0]), 1, lost=1)
    takes("a frame in a frame", lambda p: sub(sub(p[1], IP4), MUX) + sub(p[0], IP4), 2, "RFC 3153 1.3", lost=1)
    takes("MP in a frame", lambda p: sub(b"\xc0\x00\x00\x00\x21" + p[1], 0x3D) + sub(p[0], IP4), 2, "RFC 3153 3", lost=1)
    takes("nothing at all, then a frame", lambda p: b"", 0)
    c.send(MUX, sub(struct.pack("!BBH", ECHO, 99, 8) + bytes(4), LCP))
    c.send(MUX, sub(struct.pack("!BBH", TREQ, 98, 4), LCP))
    ck(c.none(LCP, (REPLY, TACK)), "RFC 3153 2", "LCP in a frame is not heard")
    m, packet = voice(w, c)
    many = b"".join(sub(packet, IP4 if n == 0 else None) for n in range(25))
    c.send(MUX, many)
    ck(all(w.core.marked(m) for _ in range(25)), "RFC 3153 1.3", "25 subframes")
    ck(c.alive(), "robustness", "the link lives")


def s_control_inside(w, ck):
    """Any frame may be inside but LCP's Configure packets (1.1): the node answers each, as if it had come by itself."""
    c = opened(begun(w, "mux"), mux=IP4)
    m, packet = voice(w, c)
    arrives(w, c, sub(packet, IP4), [m])
    c.forget()
    terminate = [sub(struct.pack("!BBH", 9, 61 + n, 4), proto) for n, proto in enumerate((IPCP, MUXCP, 0x8035))]
    m, packet = voice(w, c)
    c.send(MUX, terminate[0] + terminate[1] + sub(packet, IP4) + terminate[2])
    ck(c.get(IPCP, CODEREJ) and c.get(MUXCP, CODEREJ), "RFC 3153 1.1", "two control frames in one: both are answered")
    ck(c.get(LCP, PROTREJ, test=lambda f: f["data"][:2] == b"\x80\x35"), "RFC 1661 5.7", "and the third is of a protocol that it rejects")
    ck(w.core.marked(m), "RFC 3153 1.3", "the packet between them goes on")


def s_lcp_again(w, ck):
    """1.1: LCP is renegotiated: no frames until PPPMuxCP is open anew."""
    c = opened(begun(w, "mux"), mux=IP4)
    m, packet = voice(w, c)
    arrives(w, c, sub(packet, IP4), [m])
    c.forget()
    ck(c.ask(LCP, [])["code"] == ACK, "RFC 1661 4.3", "LCP begins anew")
    c.their_request()
    c.their_request(IPCP)
    c.ip = dict(ask_again(c, IPCP, [(3, bytes(4))]))[3]
    m, packet = voice(w, c)
    w.until(lambda: c.send(IP4, packet) or w.core.marked(m, 0.3))
    c.forget()
    h = a4(DNS1)
    for n in range(6):
        w.core.send(ipv4(h, c.ip, udp(h, c.ip, b"%d" % n), tos=EF))
    ck(all(c.get(IP4) for _ in range(6)) and c.none(MUX), "RFC 3153 1.1",
       "after LCP began anew packets go plain")
    m, packet = voice(w, c)
    c.send(MUX, sub(packet, IP4))
    ck(w.core.marked(m, QUIET) is None, "RFC 3153 1.1", "and frames are not taken")


# --- frames of the node ----------------------------------------------------------------------------------------

def gathered(w, c, packets, default):
    """What comes of packets said together: (outer TOS, subframes or the plain packet) of each frame."""
    for p in packets:
        w.core.send(p)
    out, end = [], time.monotonic() + PATIENCE
    n = 0
    while n < len(packets) and time.monotonic() < end:
        f = c.get(MUX, seconds=0) or c.get(IP4, seconds=0)
        if not f:
            c.t.pump(0.05)
            continue
        subs = subframes(f["info"], default) if f["proto"] == MUX else [(IP4, f["info"], None)]
        n += len(subs)
        out.append((f, subs))
    return out


def s_transmitter(w, ck):
    for default in (IP4, 0x0057, None):
        c = opened(begun(w, "mux", [(MRU, struct.pack("!H", 600))]), mux=default)
        h = a4(DNS1)

        def down(n, size=20, tos=EF):
            return ipv4(h, c.ip, udp(h, c.ip, b"%04d" % n + bytes(size)), tos=tos, ident=n + 1)
        w.until(lambda: any(f["proto"] == MUX for f, _ in gathered(w, c, [down(n) for n in range(4)], default)))
        time.sleep(0.1)
        c.forget()
        said = [down(n) for n in range(40)]
        seen = gathered(w, c, said, default)
        flat = [s for _, subs in seen for s in subs]
        ck([int(s[1][28:32]) for s in flat] == list(range(40)), "RFC 3153 1.2", f"default {default}: all packets, in order: {len(flat)}")
        ck(all(s[0] == IP4 for s in flat), "RFC 3153 1.2", "of the protocol that they are")
        muxed = [subs for f, subs in seen if f["proto"] == MUX]
        ck(muxed and all(1 < len(subs) <= 4 for subs in muxed), "RFC 4170 2.3.1", f"N packets a frame at most: {[len(s) for s in muxed]}")
        ck(all(not any(s[2] for s in subs[1:]) for subs in muxed), "RFC 3153 1.2", "the protocol is there once")
        ck(all(subs[0][2] == (default != IP4) for subs in muxed), "RFC 3153 2", f"and not at all if it is the default: {default}")
        ck(all(f["tos"] == EF for f, _ in seen), "RFC 4170 2.4.1", "tunnel packets are EF")
        mixed = [down(n, 20, EF if n & 1 else 0) for n in range(24)]
        seen = gathered(w, c, mixed, default)
        ck(sum(len(s) for _, s in seen) == 24 and all(len({s[1][1] for s in subs}) == 1 for _, subs in seen), "RFC 4170 2.4.1",
           "EF and other packets do not share a frame")
        ck(all((f["tos"] == EF) == (subs[0][1][1] == EF) for f, subs in seen), "RFC 4170 2.4.1", "what is not EF does not claim to be")
        large = [down(n, 500 if n % 5 == 4 else 20) for n in range(20)]
        seen = gathered(w, c, large, default)
        ck([int(s[1][28:32]) for _, subs in seen for s in subs] == list(range(20)), "RFC 3153 1.2", "order is kept around large packets")
        ck(all(len(f["info"]) <= 600 for f, _ in seen), "RFC 3153 1.2", f"no frame is beyond the MRU: {max(len(f['info']) for f, _ in seen)}")
        seen = gathered(w, c, [down(1)], default)
        ck(len(seen) == 1 and seen[0][0]["proto"] == IP4, "RFC 4170 2.3.1", "one packet alone leaves after T, plain")


if __name__ == "__main__":
    sys.exit(peer.main(globals(), PPPS))
