# SPDX-License-Identifier: Apache-2.0
"""L2TPv2 packets and a peer made of them, for conformance-l2tp.py.

Written from RFC 2661 (and 5515 for its messages), not from the project's codec: two readings of one text.
Every datagram that a Peer receives is held against the rules that any sender must keep (inspect), whatever
the story at hand is about.
"""

import ctypes
import hashlib
import os
import random
import select
import socket
import struct
import time

SCCRQ, SCCRP, SCCCN, STOPCCN, HELLO = 1, 2, 3, 4, 6
OCRQ, OCRP, OCCN, ICRQ, ICRP, ICCN, CDN, WEN, SLI = 7, 8, 9, 10, 11, 12, 14, 15, 16
FSQ, FSR, CSUN, CSURQ = 21, 22, 28, 29
ZLB = 0
SO_RCVBUFFORCE = 33
NAMES = {0: "ZLB", 1: "SCCRQ", 2: "SCCRP", 3: "SCCCN", 4: "StopCCN", 6: "HELLO", 7: "OCRQ", 8: "OCRP", 9: "OCCN",
         10: "ICRQ", 11: "ICRP", 12: "ICCN", 14: "CDN", 15: "WEN", 16: "SLI", 21: "FSQ", 22: "FSR", 28: "CSUN", 29: "CSURQ"}

# RFC 2661, 4.4: attribute -> (M, may be hidden, octets of value or None)
RULES = {
    0: (1, 0, 2), 1: (1, 0, None), 2: (1, 0, 2), 3: (1, 1, 4), 4: (1, 1, 4), 5: (0, 0, 8), 6: (0, 1, 2), 7: (1, 0, None),
    8: (0, 1, None), 9: (1, 1, 2), 10: (1, 0, 2), 11: (1, 1, None), 12: (1, 0, None), 13: (1, 1, 16), 14: (1, 1, 2),
    15: (1, 1, 4), 16: (1, 1, 4), 17: (1, 1, 4), 18: (1, 1, 4), 19: (1, 1, 4), 21: (1, 1, None), 22: (1, 1, None),
    23: (1, 1, None), 24: (1, 1, 4), 25: (0, 1, 4), 26: (0, 1, None), 27: (0, 1, None), 28: (0, 1, None),
    29: (0, 1, 2), 30: (0, 1, None), 31: (0, 1, None), 32: (0, 1, 2), 33: (0, 1, None), 34: (1, 1, 26), 35: (1, 1, 10),
    36: (1, 0, None), 37: (0, 1, None), 38: (0, 1, 4), 39: (1, 0, 0), 46: (0, 1, None), 76: (0, 1, 6), 77: (1, 0, 10),
    78: (0, 1, 6), 79: (1, 1, 10), 97: (None, 1, 12),
    98: (None, 1, 0)}
# RFC 2661, 6: what must be there
MUST = {SCCRQ: (2, 7, 3, 9), SCCRP: (2, 7, 3, 9), SCCCN: (), STOPCCN: (9, 1), HELLO: (),
        OCRQ: (14, 15, 16, 17, 18, 19, 21), OCRP: (14,), OCCN: (24, 19), ICRQ: (14, 15), ICRP: (14,), ICCN: (24, 19),
        CDN: (1, 14), WEN: (34,), SLI: (35,), FSQ: (79,), FSR: (79,), CSUN: (97,), CSURQ: (97,)}
MAY = {SCCRQ: (4, 10, 11, 5, 6, 8, 76, 77), SCCRP: (4, 6, 8, 10, 11, 13, 76, 78), FSQ: (), FSR: (), SCCCN: (13,), STOPCCN: (), HELLO: (),
       OCRQ: (23,), OCRP: (25,), OCCN: (38, 39), ICRQ: (18, 25, 21, 22, 23, 98), ICRP: (),
       ICCN: (26, 27, 28, 29, 30, 31, 32, 33, 37, 38, 39), CDN: (12, 46), WEN: (), SLI: (), CSUN: (), CSURQ: ()}


class Strange(Exception):
    """The node has sent what no one may send."""


# ---- bytes ------------------------------------------------------------------------------------------


def avp(attr, value=b"", m=1, h=0, vendor=0, reserved=0, length=None):
    if isinstance(value, int):
        value = struct.pack("!H", value)
    if length is None:
        length = 6 + len(value)
    return struct.pack("!HHH", m << 15 | h << 14 | reserved << 10 | length, vendor, attr) + value


def u32(v):
    return struct.pack("!I", v)


def mtype(t, m=1):
    return avp(0, t, m)


def control(tid, sid, ns, nr, body, bits=0xC802, length=None):
    if length is None:
        length = 12 + len(body)
    return struct.pack("!HHHHHH", bits, length, tid, sid, ns & 0xffff, nr & 0xffff) + body


def hidden(attr, value, secret, rv, m=1, inner=None, pad=b""):
    """4.3, as its drawing has it."""
    clear = struct.pack("!H", len(value) if inner is None else inner) + value + pad
    key = hashlib.md5(struct.pack("!H", attr) + secret + rv).digest()
    out = b""
    for i in range(0, len(clear), 16):
        out += bytes(a ^ b for a, b in zip(clear[i:i + 16], key))
        key = hashlib.md5(secret + out[i:i + 16]).digest()
    return avp(attr, out, m, 1)


def reveal(attr, value, secret, rv):
    key = hashlib.md5(struct.pack("!H", attr) + secret + rv).digest()
    out = b""
    for i in range(0, len(value), 16):
        out += bytes(a ^ b for a, b in zip(value[i:i + 16], key))
        key = hashlib.md5(secret + value[i:i + 16]).digest()
    n = struct.unpack("!H", out[:2])[0]
    if n > len(out) - 2:
        raise Strange(f"hidden AVP {attr} deciphers to length {n} of {len(out) - 2}")
    return out[2:2 + n]


def response(kind, secret, challenge):
    return hashlib.md5(bytes([kind]) + secret + challenge).digest()


def ids32(attr, one, two, m=1):
    """RFC 4951, 5.2 and 5.4, of L2TPv2: two ids behind reserved bits."""
    return avp(attr, struct.pack("!HIHH", 0, one, 0, two)[:10], m)


class Msg:
    """One control message from the node, inspected."""

    def __init__(self, data, secret=b""):
        self.data, self.at = data, time.monotonic()
        if len(data) < 12:
            raise Strange(f"{len(data)} octets of control message")
        bits, self.length, self.tid, self.sid, self.ns, self.nr = struct.unpack("!HHHHHH", data[:12])
        if bits != 0xC802:
            raise Strange(f"control header bits {bits:04x}")
        if self.length != len(data):
            raise Strange(f"Length {self.length} of {len(data)} octets")
        self.avps, self.type, self.hid = [], ZLB, 0
        at, rv = 12, None
        while at < len(data):
            if len(data) - at < 6:
                raise Strange("cut AVP")
            bits, vendor, attr = struct.unpack("!HHH", data[at:at + 6])
            n = bits & 0x3ff
            if n < 6 or at + n > len(data):
                raise Strange(f"AVP {attr} of length {n}")
            if bits & 0x3c00:
                raise Strange(f"AVP {attr} with reserved bits")
            value = data[at + 6:at + n]
            if at == 12:
                if attr != 0 or vendor != 0 or n != 8:
                    raise Strange("the first AVP is no Message Type")
                self.type = struct.unpack("!H", value)[0]
                if self.type not in MUST:
                    raise Strange(f"message type {self.type}")
                if bool(bits & 0x8000) == (self.type in (FSQ, FSR)):        # RFC 4951, 4: "MUST be set to 0"
                    if self.type not in (CSUN, CSURQ):
                        raise Strange(f"M bit of the Message Type of {NAMES[self.type]}")
            if vendor == 0:
                self.one(attr, bits)
                if attr == 36:
                    rv = value
                if bits & 0x4000:
                    self.hid += 1
                    if rv is None:
                        raise Strange(f"AVP {attr} hidden without a Random Vector before it")
                    value = reveal(attr, value, secret, rv)
                want = RULES[attr][2]
                if want is not None and len(value) != want:
                    raise Strange(f"AVP {attr} with {len(value)} octets")
            self.avps.append((vendor, attr, value))
            at += n
        self.complete()

    def one(self, attr, bits):
        if attr not in RULES:
            raise Strange(f"AVP {attr}")
        m, may_hide, _ = RULES[attr]
        if m is not None and bool(bits & 0x8000) != bool(m) and attr != 0:
            raise Strange(f"M bit of AVP {attr}")
        if bits & 0x4000 and not may_hide:
            raise Strange(f"AVP {attr} is hidden")
        if attr not in (0, 36) and attr not in MUST[self.type] + MAY[self.type]:
            raise Strange(f"AVP {attr} in {NAMES[self.type]}")

    def complete(self):
        if self.type == ZLB:
            return
        attrs = [a for v, a, _ in self.avps if v == 0]
        for a in MUST[self.type]:
            if a not in attrs:
                raise Strange(f"{NAMES[self.type]} without AVP {a}")
        if 76 in attrs and (77 in attrs or 78 in attrs):
            raise Strange("Failover Capability on a recovery tunnel")        # RFC 4951, 3.2.1
        for a in set(attrs) - {36, 79, 97}:
            if attrs.count(a) > 1:
                raise Strange(f"AVP {a} twice in {NAMES[self.type]}")
        if self.type in (SCCRQ, SCCRP, SCCCN, STOPCCN, HELLO, ICRQ, OCRQ, FSQ, FSR, CSUN, CSURQ) and self.sid:
            raise Strange(f"{NAMES[self.type]} with session {self.sid}")
        if self.type in (STOPCCN, CDN):
            v = self.get(1)
            if len(v) == 3 or len(v) < 2:
                raise Strange(f"Result Code of {len(v)} octets")
            v[4:].decode("utf-8")

    def get(self, attr):
        return next((v for vendor, a, v in self.avps if vendor == 0 and a == attr), None)

    def each(self, attr):
        return [v for vendor, a, v in self.avps if vendor == 0 and a == attr]

    def pairs(self):
        """RFC 4951, 5.4: (Session ID, Remote Session ID) of each Failover Session State."""
        return [struct.unpack("!HHH", v[:2] + v[4:6] + v[8:10])[1:] for v in self.each(79)]

    def num(self, attr):
        v = self.get(attr)
        return None if v is None else int.from_bytes(v, "big")

    def result(self):
        v = self.get(1)
        if v is None:
            return None
        return int.from_bytes(v[:2], "big"), int.from_bytes(v[2:4], "big") if len(v) >= 4 else 0

    def __repr__(self):
        text = f"{NAMES.get(self.type)} sid={self.sid} ns={self.ns} nr={self.nr}"
        if self.type in (STOPCCN, CDN):
            text += f" result={self.result()} {self.get(1)[4:].decode('utf-8', 'replace')!r}"
        return text


# ---- a peer -----------------------------------------------------------------------------------------


class Space:
    """Sockets in another network namespace."""

    def __init__(self, name):
        self.fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.libc = ctypes.CDLL(None, use_errno=True)

    def socket(self, address, port=0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if self.libc.setns(self.fd, 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            s = socket.socket(family, socket.SOCK_DGRAM)
        finally:
            self.libc.setns(self.home, 0x40000000)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)       # 512 messages, and the kernel's overhead on each
        s.bind((address, port))
        s.setblocking(False)
        return s


ids = random.Random(2661)


class Peer:
    """One end of one control connection.  Reliable delivery is done here, unless a story wants it otherwise."""

    space = None          # set by the test
    strange = []          # everything that inspect found, of all peers

    ends = ("", "")       # ours and the node's, of the story at hand
    PATIENCE = 0.5        # seconds of silence before something is sent again

    def __init__(self, host="conf", address=None, node=None, port=0, secret=b"", sock=None):
        address, node = address or self.ends[0], node or self.ends[1]
        self.host, self.secret = host.encode(), secret
        self.sock = sock or self.space.socket(address, port)
        self.to = (node, 1701)
        self.id = ids.randrange(1, 65536)
        self.tid = 0
        self.ns = self.nr = 0
        self.auto = True      # acknowledge what comes
        self.seen = []        # everything, ZLBs and copies too
        self.inbox = []       # control messages in order
        self.data = []        # data messages
        self.data_bits, self.data_ns = [], []
        self.acked = 0        # the node's latest Nr
        self.kept = {}        # what send() sent, by Ns: it goes again until it is acknowledged
        self.at = None

    # out

    def raw(self, octets):
        self.sock.sendto(octets, self.to)

    def packet(self, body, sid=0, ns=None, nr=None, tid=None, **kw):
        return control(self.tid if tid is None else tid, sid, self.ns if ns is None else ns,
                       self.nr if nr is None else nr, body, **kw)

    def say(self, body, sid=0):
        """A message in its turn."""
        octets = self.packet(body, sid)
        self.kept[self.ns] = octets
        self.ns = (self.ns + 1) & 0xffff
        self.raw(octets)
        return octets

    def send(self, kind, *avps, sid=0, m=1):
        return self.say(mtype(kind, m) + b"".join(avps), sid)

    def again(self, most=32):
        """5.8: what is not acknowledged goes again.  Any datagram may be lost, in a socket buffer too."""
        for n in range(min((self.ns - self.acked) & 0xffff, most)):
            octets = self.kept.get((self.acked + n) & 0xffff)
            if octets is None:
                return
            self.raw(octets[:10] + struct.pack("!H", self.nr) + octets[12:])

    def ack(self):
        self.raw(self.packet(b""))

    # in

    def take(self, octets):
        if not octets[0] & 0x80:
            self.data.append(octets)
            return None
        try:
            m = Msg(octets, self.secret)
        except (Strange, UnicodeDecodeError) as e:
            Peer.strange.append(f"{e}: {octets.hex()}")
            return None
        self.seen.append(m)
        if ((m.nr - self.acked) & 0xffff) < 0x8000:
            while self.acked != m.nr:
                self.kept.pop(self.acked, None)
                self.acked = (self.acked + 1) & 0xffff
        if m.type == ZLB:
            return m
        if m.ns == self.nr:
            self.nr = (self.nr + 1) & 0xffff
            self.inbox.append(m)
        if self.auto and self.tid:
            self.ack()
        return m

    def poll(self, seconds):
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if not select.select([self.sock], [], [], max(0, left))[0]:
                return None
            try:
                octets, who = self.sock.recvfrom(65535)
            except OSError:
                continue
            if who[1] != self.to[1] or who[0] != self.to[0]:
                Peer.strange.append(f"a datagram from {who}")
            m = self.take(octets)
            if m:
                return m

    def listen(self, seconds):
        """All that comes within so long."""
        end, got = time.monotonic() + seconds, []
        while time.monotonic() < end:
            m = self.poll(end - time.monotonic())
            if m:
                got.append(m)
        return got

    def expect(self, *kinds, seconds=3):
        """The next message of these kinds, in order of arrival; None: it did not come."""
        end = time.monotonic() + seconds
        while True:
            while self.inbox:
                m = self.inbox.pop(0)
                if m.type in kinds or (not kinds):
                    return m
            if time.monotonic() >= end:
                return None
            self.wait(end - time.monotonic())

    def wait(self, seconds):
        """For whatever comes; after a silence, what is not acknowledged is sent again."""
        if not self.poll(min(seconds, self.PATIENCE)) and seconds > self.PATIENCE and self.auto:
            self.again()

    def await_ack(self, ns=None, seconds=3):
        """The node has acknowledged everything below ns."""
        want = self.ns if ns is None else ns
        end = time.monotonic() + seconds
        while ((self.acked - want) & 0xffff) >= 0x8000:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.wait(left)
        return True

    def quiet(self, seconds=0.15):
        return self.listen(seconds) == []

    # the ordinary course of things

    def terms(self, *more, window=8, drop=(), framing=3, bearer=3, version=0x0100):
        have = [(2, avp(2, version)), (3, avp(3, u32(framing))), (7, avp(7, self.host)), (9, avp(9, self.id)),
                (4, avp(4, u32(bearer)))]
        if window:
            have.append((10, avp(10, window)))
        return b"".join(a for n, a in have if n not in drop) + b"".join(more)

    def ask(self, *more, **kw):
        return self.send(SCCRQ, self.terms(*more, **kw))

    def answered(self, seconds=3):
        """SCCRP: the node's tunnel id is known from now on."""
        m = self.expect(SCCRP, STOPCCN, seconds=seconds)
        if m:
            self.tid = m.num(9)
            self.ack()
        return m

    def open(self, *more, **kw):
        self.ask(*more, **kw)
        m = self.answered()
        if not m or m.type != SCCRP:
            raise AssertionError(f"no tunnel: {m}")
        extra = [avp(13, response(SCCCN, self.secret, m.get(11)))] if m.get(11) else []
        self.send(SCCCN, *extra)
        if not self.await_ack():
            raise AssertionError("SCCCN is not acknowledged")
        return self

    def stop(self, result=1):
        if self.tid:
            self.send(STOPCCN, avp(9, self.id), avp(1, result))
            self.await_ack(seconds=1)
        self.sock.close()

    def alive(self):
        """The tunnel is there: a Hello is acknowledged and nothing ends it."""
        self.send(HELLO)
        ok = self.await_ack(seconds=1)
        return ok and not [m for m in self.inbox if m.type == STOPCCN]

    def icrq(self, id_, *more, serial=7, drop=(), sid=0):
        have = [(14, avp(14, id_)), (15, avp(15, u32(serial)))]
        return self.send(ICRQ, *[a for n, a in have if n not in drop], *more, sid=sid)

    def iccn(self, sid, *more, framing=1, drop=()):
        have = [(24, avp(24, u32(64000))), (19, avp(19, u32(framing)))]
        return self.send(ICCN, *[a for n, a in have if n not in drop], *more, sid=sid)

    def call(self, sid=None, *more, connect=True, iccn=()):
        """A call of ours, as LAC; answers (our id, the node's)."""
        sid = sid or ids.randrange(1, 65536)
        self.icrq(sid, *more)
        m = self.expect(ICRP, CDN, STOPCCN)
        if not m or m.type != ICRP:
            raise AssertionError(f"no call: {m}")
        theirs = m.num(14)
        if connect:
            self.iccn(theirs, *iccn)
            self.await_ack()
        return sid, theirs

    def ppp(self, sid, payload, bits=0x0002, head=None):
        """A data message."""
        if head is None:
            head = b""
            if bits & 0x4000:
                head += b"\0\0"
            head += struct.pack("!HH", self.tid, sid)
        octets = struct.pack("!H", bits) + head + payload
        if bits & 0x4000:
            octets = octets[:2] + struct.pack("!H", len(octets)) + octets[4:]
        self.raw(octets)

    def frames(self):
        """PPP frames that came: (session, protocol, octets)."""
        out = []
        for d in self.data:
            bits = struct.unpack("!H", d[:2])[0]
            at = 2 + (2 if bits & 0x4000 else 0)
            tid, sid = struct.unpack("!HH", d[at:at + 4])
            at += 4
            self.data_bits.append(bits)
            if bits & 0x0800:
                self.data_ns.append(struct.unpack("!H", d[at:at + 2])[0])
                at += 4
            if bits & 0x0200:
                at += 2 + struct.unpack("!H", d[at:at + 2])[0]
            if bits & 0xf != 2 or tid != self.id:
                Peer.strange.append(f"data header: {d[:16].hex()}")
            f = d[at:]
            if f[:2] == b"\xff\x03":
                f = f[2:]
            out.append((sid, struct.unpack("!H", f[:2])[0], f[2:]))
        self.data = []
        return out
